"""The rank units' arithmetic: table contents by rule, FP32 sums in order of arrival, and the check of both."""

import hashlib
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recnmp_twin import packets_of
from sums_check_twin import check_one

from archsim import load_system, simulate
from archsim.kernels import sums as kernels
from archsim.nmp.functional import TableContents, result_bursts
from archsim.spec import apply_overrides
from archsim.traces import EmbeddingTrace, Table

ITEM_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}
STEPS = {"float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7, "int8": 1.0}
BASE = load_system("recnmp-base-2rank")
SEEDS = st.integers(0, 2**32)


def mix(x):
    x = ((x ^ x >> 16) * 0x7FEB352D) % 2**32
    x = ((x ^ x >> 15) * 0x846CA68B) % 2**32
    return x ^ x >> 16


def value(seed, table, row, index, dtype):
    """Say the rule of table contents in Python integers."""
    key = mix((mix(mix(table + 1) ^ seed % 2**32) + seed // 2**32) % 2**32)
    key = mix((mix(row % 2**32 ^ key) + row // 2**32) % 2**32)
    half = round((128 if dtype == "int8" else 1) / STEPS[dtype])
    return (mix((key + index * 0x9E3779B9) % 2**32) * 2 * half // 2**32 - half) * STEPS[dtype]


def random_trace(dice, dtypes, weighted=False):
    """Bags of 0 to 40 lookups; tables of odd vectors fit into one page, so that no vector is split."""
    tables = []
    for t, dtype in enumerate(dtypes):
        vector_bytes = dice.choice([40, 64, 96, 128, 256])
        rows = 1000 if 4096 % vector_bytes == 0 else 4096 // vector_bytes
        tables.append(Table(f"table {t}", rows, vector_bytes, dtype))
    lengths = [1, *(dice.choice([0, 1, 2, 8, 40]) for _ in range(dice.randint(0, 20)))]
    bag_tables = [dice.randrange(len(tables)) for _ in lengths]
    weights = [dice.uniform(-2, 2) for _ in range(sum(lengths))]
    return EmbeddingTrace(
        name="random",
        tables=tables,
        rows=np.array(
            [
                dice.randrange(tables[t].rows)
                for n, t in zip(lengths, bag_tables, strict=True)
                for _ in range(n)
            ]
        ),
        bag_offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        bag_tables=np.array(bag_tables, np.int32),
        weight=np.array(weights, np.float32) if weighted else None,
    )


def random_system(dice):
    ranks = dice.choice([2, 4, 8])
    overrides = [f"dram.organization.ranks={ranks}"]
    overrides += [f"nmp.ranks_per_dimm={dice.choice([n for n in (1, 2, 4, 8) if n <= ranks])}"]
    overrides += [f"nmp.poolings_per_packet={dice.randint(1, 16)}", f"nmp.table_seed={dice.randrange(2**63)}"]
    return apply_overrides(BASE, overrides)


def pooled_by_units(system, trace):
    """Simulate, and return the result with what went into and came out of the units' adders."""
    calls, add = [], kernels.pool_packets

    def spy(*arguments):
        add(*arguments)
        calls.append(arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "pool_packets", spy)
        result = simulate(system, trace)
    (call,) = calls
    names = ("packet_first", "order", "lookup", "rank", "rows", "tables", "pooling")
    return result, dict(zip(names, call, strict=False)), call[-1]


def contents_of(system, trace):
    tables = trace.tables
    return TableContents(system.nmp.table_seed, [t.vector_bytes for t in tables], [t.dtype for t in tables])


def sums_in_order_of_arrival(system, trace, weights, bursts):
    """Add burst by burst with NumPy in FP32: Psum registers, then the trees of the DIMMs, then the host."""
    contents = contents_of(system, trace)
    ranks, per_dimm = system.dram.organization.ranks, system.nmp.ranks_per_dimm
    psums = np.zeros((trace.bags, ranks, max(t.elements for t in trace.tables)), np.float32)
    for burst in bursts["order"]:
        lookup = bursts["lookup"][burst]
        part = burst - np.flatnonzero(bursts["lookup"] == lookup)[0]
        row, number = bursts["rows"][lookup], bursts["tables"][lookup]
        table = trace.tables[number]
        first_byte = row * table.vector_bytes
        line_of_element = (first_byte + np.arange(table.elements) * ITEM_BYTES[table.dtype]) // 64
        inside = np.flatnonzero(line_of_element == first_byte // 64 + part)
        terms = contents.vectors(number, [row])[0, inside]
        if weights is not None:
            terms = terms * weights[lookup]
        psums[bursts["pooling"][lookup], bursts["rank"][burst], inside] += terms
    total = None
    for first in range(0, ranks, per_dimm):
        level = [psums[:, rank] for rank in range(first, first + per_dimm)]
        while len(level) > 1:
            level = [a + b for a, b in zip(level[::2], level[1::2], strict=True)]
        total = level[0] if total is None else total + level[0]
    return total


def bags_as_sent(system, trace):
    """List (table, rows, weights) of every bag, in packet order."""
    packets = packets_of(trace.bag_tables.tolist(), system.nmp.poolings_per_packet)
    bags = []
    for bag in (bag for packet in packets for bag in packet):
        here = slice(trace.bag_offsets[bag], trace.bag_offsets[bag + 1])
        weights = None if trace.weight is None else trace.weight[here]
        bags.append((trace.bag_tables[bag], trace.rows[here], weights))
    return bags


@pytest.mark.parametrize("dtype", STEPS)
@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
def test_numpy_and_kernel_fill_tables_by_the_same_rule(dtype, seed):
    contents = TableContents(seed, [4, 128], [dtype, dtype])
    rows = [0, 1, 999_999, 2**31, 2**32 - 1, 2**32, 2**40 + 3]
    vectors = contents.vectors(1, rows)
    expected = [[value(seed, 1, row, e, dtype) for e in range(128 // ITEM_BYTES[dtype])] for row in rows]
    assert vectors.dtype == np.float32
    assert vectors.tolist() == expected
    bits, scale = contents.bits[1], contents.scales[1]
    keys = [kernels.row_key(contents.keys[1], row) for row in rows]
    assert [[kernels.element(k, e, bits, scale) for e in range(vectors.shape[1])] for k in keys] == expected


@pytest.mark.parametrize("dtype", STEPS)
def test_table_contents_are_exact_in_their_type_and_spread_over_its_range(dtype):
    vectors = TableContents(1, [256], [dtype]).vectors(0, np.arange(2000))
    bound = 128 if dtype == "int8" else 1
    assert -bound <= vectors.min() < -0.98 * bound
    assert 0.98 * bound < vectors.max() < bound
    assert abs(vectors.mean()) < 0.01 * bound
    if dtype == "bfloat16":
        assert not (vectors.view(np.uint32) & 0xFFFF).any()
    else:
        assert np.array_equal(vectors.astype(dtype).astype(np.float32), vectors)


def test_tables_and_seeds_differ_in_contents():
    contents = TableContents(1, [64, 64], ["float32", "float32"])
    other = TableContents(2, [64, 64], ["float32", "float32"])
    rows = np.arange(100)
    assert not np.any(contents.vectors(0, rows) == contents.vectors(1, rows))
    assert not np.any(contents.vectors(0, rows) == other.vectors(0, rows))


@settings(derandomize=True, deadline=None, max_examples=40)
@given(SEEDS, st.booleans())
def test_sums_are_those_of_numpy_adding_in_order_of_arrival(seed, weighted):
    dice = random.Random(seed)
    system = random_system(dice)
    trace = random_trace(dice, dice.choices(list(STEPS), k=3), weighted)
    result, bursts, sums = pooled_by_units(system, trace)
    weights = np.concatenate([w for _, _, w in bags_as_sent(system, trace)]) if weighted else None
    expected = sums_in_order_of_arrival(system, trace, weights, bursts)
    assert sums.tobytes() == expected.tobytes()
    assert result.nmp["sums"]["sha256"] == hashlib.sha256(expected.tobytes()).hexdigest()


@settings(derandomize=True, deadline=None, max_examples=40)
@given(SEEDS, st.booleans())
def test_sums_agree_with_float64_within_fp32_rounding(seed, weighted):
    dice = random.Random(seed)
    system = random_system(dice)
    trace = random_trace(dice, dice.choices(list(STEPS), k=3), weighted)
    result, _, sums = pooled_by_units(system, trace)
    contents, largest = contents_of(system, trace), 0.0
    for pooled, (table, rows, weights) in zip(sums, bags_as_sent(system, trace), strict=True):
        terms = contents.vectors(table, rows).astype(np.float64)
        terms *= 1 if weights is None else weights[:, None].astype(np.float64)
        elements = trace.tables[table].elements
        error = np.abs(pooled[:elements] - terms.sum(axis=0))
        assert np.all(error <= (len(rows) + 8) * 2.0**-23 * np.abs(terms).sum(axis=0))
        assert not pooled[elements:].any()
        largest = max(largest, error.max())
    assert result.nmp["sums"]["max_abs_error"] == largest
    assert result.nmp["sums"]["poolings"] == result.nmp["sums"]["checked"] == trace.bags


@settings(derandomize=True, deadline=None, max_examples=20)
@given(SEEDS)
def test_sums_of_int8_tables_are_exact(seed):
    dice = random.Random(seed)
    system = random_system(dice)
    trace = random_trace(dice, ["int8", "int8"])
    result, _, sums = pooled_by_units(system, trace)
    for pooled, (table, rows, _) in zip(sums, bags_as_sent(system, trace), strict=True):
        exact = contents_of(system, trace).vectors(table, rows).astype(np.int64).sum(axis=0)
        assert pooled[: len(exact)].astype(np.int64).tolist() == exact.tolist()
    assert result.nmp["sums"]["max_abs_error"] == 0


def samples(bags, lookups, dtype="float32", vector_bytes=128):
    """Full packets of two tables, sample by sample."""
    return EmbeddingTrace(
        name="samples",
        tables=[Table(f"table {t}", 1000, vector_bytes, dtype) for t in range(2)],
        rows=np.arange(bags * lookups) * 7919 % 1000,
        bag_offsets=np.arange(bags + 1) * lookups,
        bag_tables=(np.arange(bags) % 2).astype(np.int32),
    )


def test_the_digest_of_a_small_case_is_the_same_on_every_machine():
    result = simulate(BASE, samples(bags=32, lookups=10))
    assert result.nmp["sums"] == {
        "operator": "sum",
        "poolings": 32,
        "sha256": "99390c553adb33ef741632ce08576e94f9de61c0d4955bea1ec1f9827be17057",
        "checked": 32,
        "max_abs_error": 4.76837158203125e-07,
    }


def test_the_first_1024_poolings_are_checked_and_all_are_added():
    sums = simulate(BASE, samples(bags=1040, lookups=1)).nmp["sums"]
    assert (sums["checked"], sums["poolings"]) == (1024, 1040)


@pytest.mark.parametrize("wrong", [1e-4, -1e-4, np.inf, np.nan])
def test_a_wrong_sum_stops_the_replay(wrong, monkeypatch):
    add = kernels.pool_packets

    def miscalculate(*arguments):
        add(*arguments)
        arguments[-1][5, 17] += wrong

    monkeypatch.setattr(kernels, "pool_packets", miscalculate)
    with pytest.raises(
        ArithmeticError, match=r"pooled sum of 10 rows of table 0: element 17 is .*, float64 says"
    ):
        simulate(BASE, samples(bags=32, lookups=10))


@pytest.mark.parametrize("dtype", STEPS)
def test_a_sum_may_differ_by_rounding_and_no_more(dtype):
    contents, rows = TableContents(1, [64], [dtype]), np.arange(20)
    terms = contents.vectors(0, rows).astype(np.float64)
    exact = terms.sum(axis=0)
    bound = 28 * 2.0**-23 * np.abs(terms).sum(axis=0)
    assert check_one(contents, rows, 0, None, exact.astype(np.float32)) <= bound.max()
    for sign in (-1, 1):
        with pytest.raises(ArithmeticError):
            check_one(contents, rows, 0, None, (exact + 1.1 * sign * bound).astype(np.float32))


@pytest.mark.parametrize(
    ("dtype", "vector_bytes", "bursts"),
    [("float32", 128, 2), ("float32", 40, 1), ("float16", 96, 3), ("int8", 64, 4)],
)
def test_results_are_fp32_whatever_the_table_holds(dtype, vector_bytes, bursts):
    assert result_bursts(TableContents(1, [vector_bytes], [dtype])).tolist() == [bursts]
