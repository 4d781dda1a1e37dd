"""The second formation of pooled sums, which every replay compares its results with."""

import random

import numpy as np
import pytest
import sums_check_twin as twin
from hypothesis import given, settings
from hypothesis import strategies as st
from test_sums import BASE, samples

from archsim import simulate
from archsim.kernels import sums as kernels
from archsim.kernels.sums_check import CheckSums
from archsim.nmp.checks import Bursts, check_bits, check_float64, sums_in_order
from archsim.nmp.functional import RowLayout, TableContents
from archsim.nmp.operators import ELEMENT_TYPES

SEEDS = st.integers(0, 2**32)
F32 = np.float32


def random_contents(dice):
    """One to three tables, with vectors of one element, of part of a line, and of several lines."""
    dtypes = dice.choices(ELEMENT_TYPES, k=dice.randint(1, 3))
    sizes = [dice.choice([12, 40, 64, 96, 256]) if dice.random() < 0.8 else 4 for _ in dtypes]
    sizes = [
        size + 5 if dtype == "uint8-rowwise" else size for size, dtype in zip(sizes, dtypes, strict=True)
    ]
    return TableContents(dice.randrange(2**63), sizes, dtypes)


def random_layout(dice, contents):
    """Rows packed, from anywhere on; or padded; or, of 8 bits, in pieces of 56 elements."""
    layout = RowLayout.packed(contents)
    for table, size in enumerate(contents.vector_bytes):
        kind = dice.choice(["packed", "moved", "padded", "split"])
        if kind == "moved":
            layout.offset[table] = dice.randrange(0, 64, 4)
        elif kind == "padded":
            layout.stride[table] = -(-size // 64) * 64
        elif kind == "split" and contents.rowwise[table]:
            layout.stride[table] = -(-contents.elements[table] // 56) * 64
            layout.piece[table] = 56
    return layout


def random_bursts(dice, contents, ranks, layout):
    """Packets of one table each, whose bursts arrive in any order on any ranks; also (sizes, pooling tables)."""
    packet_first, order, lookup, rows, tables, sizes, table_of = [0], [], [], [], [], [], []
    for _ in range(dice.randint(0, 4)):
        table = dice.randrange(len(contents.dtypes))
        for _ in range(dice.randint(1, 16)):
            sizes.append(dice.choice([0, 1, 2, 7]))
            table_of.append(table)
            for _ in range(sizes[-1]):
                row = dice.randrange(dice.choice([4, 1000, 2**40]))
                begin = int(layout.offset[table]) + row * int(layout.stride[table])
                read = int(layout.stride[table]) if layout.piece[table] else contents.vector_bytes[table]
                lines = (begin + read - 1) // 64 - begin // 64 + 1
                lookup += [len(rows)] * lines
                rows.append(row)
                tables.append(table)
        order += dice.sample(range(packet_first[-1], len(lookup)), len(lookup) - packet_first[-1])
        packet_first.append(len(lookup))
    pooling = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    rank = np.array([dice.randrange(ranks) for _ in lookup], np.int32)
    bursts = Bursts(
        np.array(packet_first), np.array(order, np.int64), np.array(lookup, np.int32), rank,
        np.array(rows, np.int64), np.array(tables, np.int32), pooling,
    )  # fmt: skip
    return bursts, np.array(sizes, np.int64), np.array(table_of, np.int32)


def random_weights(dice, lookups):
    return np.array([dice.uniform(-2, 2) for _ in range(lookups)], F32) if dice.random() < 0.5 else None


@settings(deadline=None, max_examples=150)
@given(SEEDS)
def test_vectors_are_added_in_the_modelled_order_as_numpy_does(seed):
    dice = random.Random(seed)
    contents, ranks_per_dimm = random_contents(dice), dice.choice([1, 2, 3, 4, 5, 8])
    ranks = ranks_per_dimm * dice.randint(1, 3)
    layout = random_layout(dice, contents)
    bursts, sizes, _ = random_bursts(dice, contents, ranks, layout)
    weights, poolings = random_weights(dice, len(bursts.rows)), dice.randint(0, len(sizes))
    sums = sums_in_order(contents, bursts, weights, ranks, ranks_per_dimm, poolings, layout)
    expected = twin.in_order(contents, bursts, weights, ranks, ranks_per_dimm, poolings, layout)
    assert sums.dtype == F32
    assert sums.tobytes() == expected.tobytes()


@settings(deadline=None, max_examples=150)
@given(SEEDS)
def test_vectors_are_added_in_float64_as_numpy_does(seed):
    dice = random.Random(seed)
    contents = random_contents(dice)
    bursts, sizes, tables = random_bursts(dice, contents, 1, RowLayout.packed(contents))
    weights, starts = random_weights(dice, len(bursts.rows)), np.cumsum(sizes) - sizes
    exact, magnitude = np.zeros((2, len(sizes), contents.elements.max()))
    kernel_of(contents).in_float64(bursts.rows, weights, tables, starts, sizes, exact, magnitude)
    for k, (table, start, size) in enumerate(zip(tables, starts, sizes, strict=True)):
        here, elements = slice(start, start + size), contents.elements[table]
        factors = None if weights is None else weights[here]
        expected = twin.in_float64(contents, table, bursts.rows[here], factors)
        assert (exact[k, :elements].tobytes(), magnitude[k, :elements].tobytes()) == (
            expected[0].tobytes(),
            expected[1].tobytes(),
        )
        assert not exact[k, elements:].any()


@pytest.mark.parametrize("mean", [False, True])
def test_blocks_of_poolings_are_compared_as_all_at_once(mean, monkeypatch):
    contents = TableContents(1, [64, 24], ["float32", "uint8-rowwise"])
    tables, sizes = np.array([0, 1] * 20, np.int32), np.arange(40)
    rows, starts = np.arange(sizes.sum()) * 7919, np.cumsum(sizes) - sizes
    pooled = np.zeros((40, 16), F32)
    for k in range(40):
        exact, _ = twin.in_float64(contents, tables[k], rows[starts[k] : starts[k] + sizes[k]], None)
        pooled[k] = exact / max(sizes[k], 1) if mean else exact
    arguments = contents, rows, None, tables, starts, sizes
    at_once = check_float64(*arguments, pooled, mean=mean)
    monkeypatch.setattr("archsim.nmp.checks._BLOCK", 48)
    assert check_float64(*arguments, pooled, mean=mean) == at_once > 0
    pooled[37, 11] += 0.01
    with pytest.raises(ArithmeticError, match="of 37 rows of table 1: element 11 is"):
        check_float64(*arguments, pooled, mean=mean)


@pytest.mark.parametrize("element", [0, 31])
@pytest.mark.parametrize("bit", [0, 31])
def test_every_bit_of_a_result_is_compared(element, bit, monkeypatch):
    add = kernels.pool_packets

    def miscalculate(*arguments):
        add(*arguments)
        arguments[-1].view(np.uint32)[31, element] ^= np.uint32(1 << bit)

    monkeypatch.setattr(kernels, "pool_packets", miscalculate)
    with pytest.raises(ArithmeticError, match="pooled sum of" if bit else "pooling 31 of 10 rows: element"):
        simulate(BASE, samples(bags=32, lookups=10))


def test_zeros_of_both_signs_differ_and_numbers_that_are_none_do_not():
    results = np.array([[0.0, np.nan]], F32)
    check_bits(results, np.array([[0.0, -np.nan]], F32), np.array([3]), 0)
    with pytest.raises(
        ArithmeticError, match=r"pooling 7 of 3 rows: element 0 is .*0\.0\D*, but adding .*-0\.0"
    ):
        check_bits(results, np.array([[-0.0, np.nan]], F32), np.array([3]), 7)


def kernel_of(contents):
    sizes = np.array(contents.vector_bytes)
    return CheckSums(
        contents.keys, contents.elements, sizes, contents.bits, contents.scales, contents.rowwise,
        *RowLayout.packed(contents),
    )  # fmt: skip


DAMAGE = {
    "packet_first": [(1, 99), (1, -1)],
    "order": [(0, -1), (0, 20), (3, 2**40)],
    "lookup": [(0, -1), (2, 20)],
    "rank": [(5, -1), (5, 2)],
    "tables": [(0, -1), (0, 1)],
    "pooling": [(0, -1), (3, 17)],
}


@pytest.mark.parametrize(("field", "place", "value"), [(f, *d) for f, many in DAMAGE.items() for d in many])
def test_numbers_out_of_range_are_refused_before_memory_is_touched(field, place, value):
    contents = TableContents(1, [64], ["float32"])
    number = np.arange(20)
    bursts = Bursts(
        np.array([0, 20]), number[::-1].copy(), number.astype(np.int32), np.zeros(20, np.int32),
        number, np.zeros(20, np.int32), (number // 2).astype(np.int32),
    )  # fmt: skip
    assert sums_in_order(contents, bursts, None, 2, 2, 10).all()
    getattr(bursts, field)[place] = value
    with pytest.raises(ValueError, match="packet 0: a burst, lookup, rank, table or pooling is out of range"):
        sums_in_order(contents, bursts, None, 2, 2, 10)


@pytest.mark.parametrize(
    ("table", "start", "size"), [(1, 0, 5), (-1, 0, 5), (0, -1, 5), (0, 16, 5), (0, 3, -1)]
)
def test_poolings_out_of_range_are_refused(table, start, size):
    contents, zeros = TableContents(1, [64], ["float32"]), np.zeros((1, 16))
    with pytest.raises(ValueError, match="pooling 0: "):
        kernel_of(contents).in_float64(
            np.arange(20),
            None,
            np.array([table], np.int32),
            np.array([start]),
            np.array([size]),
            zeros,
            zeros,
        )
