"""Sum, mean and their weighted and 8-bit variants: real numbers in the modelled order, and flipped bits noticed."""

import hashlib
import random
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sums_check_twin import check_one
from test_sums import bags_as_sent, contents_of, mix, random_system, random_trace, samples

from archsim import load_system, simulate
from archsim.errors import InputError
from archsim.kernels import sums as kernels
from archsim.nmp.faults import Fault, FaultyRows
from archsim.nmp.functional import TableContents, result_bursts
from archsim.nmp.operators import ELEMENT_TYPES, OPERATORS
from archsim.nmp.pooling import PooledSums
from archsim.spec import apply_overrides
from archsim.traces import EmbeddingTrace, Table, open_trace

F32 = np.float32
SEEDS = st.integers(0, 2**32)
ITEM_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "int8": 1, "uint8-rowwise": 1}
BITS = {"float32": 32, "float16": 16, "bfloat16": 16, "int8": 8, "uint8-rowwise": 8}
KAGGLE = Path(__file__).resolve().parents[2] / "shared" / "data" / "kaggle-emb" / "kaggle-emb.npz"


def replay(system, trace):
    """Simulate, and return the result, the arguments of each call of the sums, and what they returned."""
    calls, add = [], PooledSums.add

    def spy(self, *arguments):
        sums = add(self, *arguments)
        calls.append((arguments, sums))
        return sums

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PooledSums, "add", spy)
        result = simulate(system, trace)
    return result, calls


def slow_results(system, tables, arguments, operator):
    """Form the results of one call with scalars, one operation after another, from docs/recnmp.md alone."""
    packet_first, order, lookup, rank, rows, numbers, pooling, weights, _, _, sizes = arguments
    nmp, ranks = system.nmp, system.dram.organization.ranks
    contents = TableContents(nmp.table_seed, [t.vector_bytes for t in tables], [t.dtype for t in tables])
    psums = np.zeros((len(sizes), ranks, max(t.elements for t in tables)), F32)
    bursts_of = {}
    for burst, number in enumerate(lookup.tolist()):
        bursts_of.setdefault(number, []).append(burst)
    waiting = {number: set(bursts) for number, bursts in bursts_of.items()}
    for low, high in pairwise(packet_first):
        for burst in order[low:high].tolist():
            i = int(lookup[burst])
            table, row = tables[numbers[i]], int(rows[i])
            stored = contents.stored(int(numbers[i]), [row])[0]
            weight = weights[i] if operator.startswith("weighted") else F32(1)
            register = psums[pooling[i], rank[burst]]
            if table.dtype == "uint8-rowwise":
                waiting[i].remove(burst)
                if not waiting[i]:
                    scale, bias = weight * stored[-2], weight * stored[-1]
                    for e in range(table.elements):
                        register[e] = register[e] + F32(F32(scale * stored[e]) + bias)
                continue
            line = row * table.vector_bytes // 64 + bursts_of[i].index(burst)
            for e in range(table.elements):
                if (row * table.vector_bytes + e * ITEM_BYTES[table.dtype]) // 64 == line:
                    register[e] = register[e] + F32(weight * stored[e])
    total = None
    for first in range(0, ranks, nmp.ranks_per_dimm):
        level = [psums[:, first + r] for r in range(nmp.ranks_per_dimm)]
        while len(level) > 1:
            level = [a + b for a, b in zip(level[::2], level[1::2], strict=True)]
        total = level[0] if total is None else total + level[0]
    if operator.endswith("mean"):
        for k, size in enumerate(sizes):
            total[k] = total[k] * (F32(1) / F32(size)) if size else 0
    return total


def small_trace(dice, dtypes, weighted):
    """Short bags, so that the slow reference stays quick."""
    trace = random_trace(dice, dtypes, weighted)
    lengths = np.minimum(np.diff(trace.bag_offsets), 9)
    kept = np.concatenate([np.arange(a, a + n) for a, n in zip(trace.bag_offsets, lengths, strict=False)])
    return EmbeddingTrace(
        name="small",
        tables=trace.tables,
        rows=trace.rows[kept],
        bag_offsets=np.concatenate([[0], np.cumsum(lengths)]),
        bag_tables=trace.bag_tables,
        weight=None if trace.weight is None else trace.weight[kept],
    )


def with_operator(system, operator):
    return apply_overrides(system, [f"nmp.operator={operator}"])


@pytest.mark.parametrize("operator", OPERATORS)
@settings(derandomize=True, deadline=None, max_examples=12)
@given(seed=SEEDS)
def test_results_are_those_of_scalars_in_the_modelled_order(operator, seed):
    dice = random.Random(seed)
    system = with_operator(random_system(dice), operator)
    trace = small_trace(dice, dice.choices(ELEMENT_TYPES, k=3), operator.startswith("weighted"))
    result, calls = replay(system, trace)
    digest = hashlib.sha256()
    for arguments, sums in calls:
        assert sums.tobytes() == slow_results(system, trace.tables, arguments, operator).tobytes()
        digest.update(sums.tobytes())
    assert result.nmp["sums"]["sha256"] == digest.hexdigest()
    assert result.nmp["sums"]["operator"] == operator


def in_float64(contents, table, rows, weights, operator):
    """Return a result and the sum of magnitudes of what was added, both divided by the lookups for a mean."""
    stored = contents.stored(table, rows).astype(np.float64)
    w = weights[:, None].astype(np.float64) if operator.startswith("weighted") else 1.0
    rowwise = contents.dtypes[table] == "uint8-rowwise"
    parts = [w * stored[:, -2:-1] * stored[:, :-2], w * stored[:, -1:]] if rowwise else [w * stored]
    divisor = max(len(rows), 1) if operator.endswith("mean") else 1
    return sum(parts).sum(axis=0) / divisor, sum(np.abs(p) for p in parts).sum(axis=0) / divisor


@pytest.mark.parametrize("operator", OPERATORS)
@settings(derandomize=True, deadline=None, max_examples=15)
@given(seed=SEEDS)
def test_results_agree_with_float64_within_their_roundings(operator, seed):
    """Any path has n - 1 additions, 3 roundings in a term and 2 in a mean, each of 2**-24 to first order."""
    dice = random.Random(seed)
    system = with_operator(random_system(dice), operator)
    trace = random_trace(dice, dice.choices(ELEMENT_TYPES, k=3), weighted=True)
    result, calls = replay(system, trace)
    pooled = np.concatenate([sums for _, sums in calls])
    contents, largest = contents_of(system, trace), 0.0
    for sums, (table, rows, weights) in zip(pooled, bags_as_sent(system, trace), strict=True):
        exact, magnitude = in_float64(contents, table, rows, weights, operator)
        error = np.abs(sums[: len(exact)] - exact)
        assert np.all(error <= 1.001 * (len(rows) + 4) * 2.0**-24 * magnitude)
        assert not sums[len(exact) :].any()
        largest = max([largest, *error])
    assert result.nmp["sums"]["max_abs_error"] == largest
    assert result.nmp["sums"]["checked"] == trace.bags


@pytest.mark.parametrize("dtype", ELEMENT_TYPES)
@pytest.mark.parametrize("operator", OPERATORS)
def test_a_result_may_differ_by_rounding_and_no_more(operator, dtype):
    contents, rows = TableContents(1, [64], [dtype]), np.arange(20)
    weights = np.linspace(-2, 2, 20, dtype=F32) if operator.startswith("weighted") else None
    exact, magnitude = in_float64(contents, 0, rows, weights, operator)
    bound = 28 * 2.0**-23 * magnitude
    mean = operator.endswith("mean")
    assert check_one(contents, rows, 0, weights, exact.astype(F32), mean=mean) <= bound.max()
    for sign in (-1, 1):
        with pytest.raises(ArithmeticError, match="pooled mean" if mean else "pooled sum"):
            check_one(contents, rows, 0, weights, (exact + 1.1 * sign * bound).astype(F32), mean=mean)


@pytest.mark.parametrize("dtype", ["int8", "uint8-rowwise"])
def test_a_long_pooling_is_compared_whole(dtype):
    contents, rows = TableContents(1, [64], [dtype]), np.arange(20_000)
    whole, half = (
        in_float64(contents, 0, part, None, "sum")[0].astype(F32) for part in (rows, rows[:10_000])
    )
    check_one(contents, rows, 0, None, whole)
    with pytest.raises(ArithmeticError):
        check_one(contents, rows, 0, None, half)


# What the operators mean, on numbers that can be followed by hand.


def one_bag(rows, weights=None, dtype="float32", vector_bytes=64, empty=0):
    return EmbeddingTrace(
        name="one bag",
        tables=[Table("table", 1000, vector_bytes, dtype)],
        rows=np.array(rows, np.int64),
        bag_offsets=np.array([0] * (1 + empty) + [len(rows)]),
        bag_tables=np.zeros(1 + empty, np.int32),
        weight=None if weights is None else np.array(weights, F32),
    )


def only_results(operator, trace):
    """Return all results [poolings, elements] of a replay on two ranks."""
    system = load_system("recnmp-base-2rank")
    if operator is not None:
        system = with_operator(system, operator)
    result, [(_, sums)] = replay(system, trace)
    return sums, result.nmp["sums"]["operator"]


def test_a_mean_of_one_row_four_times_is_the_row():
    row = contents_of(load_system("recnmp-base-2rank"), one_bag([7])).vectors(0, [7])[0]
    assert np.array_equal(only_results("mean", one_bag([7] * 4))[0][0], row)


def test_a_mean_of_no_rows_is_zero():
    sums, _ = only_results("mean", one_bag([7, 8], empty=2))
    assert not sums[:2].any()
    assert sums[2].all()


def test_a_weighted_mean_divides_by_the_lookups_and_not_by_the_weights():
    """As Caffe2 does: 3 and 1 as weights of one row give twice the row."""
    row = contents_of(load_system("recnmp-base-2rank"), one_bag([7])).vectors(0, [7])[0]
    assert np.array_equal(only_results("weighted_mean", one_bag([7, 7], [3, 1]))[0][0], 2 * row)


def test_a_plain_operator_passes_over_weights():
    weighted, plain = one_bag([1, 2, 3], [5, 6, 7]), one_bag([1, 2, 3])
    for operator in ("sum", "mean"):
        assert np.array_equal(only_results(operator, weighted)[0], only_results(operator, plain)[0])


def test_the_operator_is_a_weighted_sum_where_there_are_weights_and_else_a_sum():
    weighted, plain = one_bag([1, 2, 3], [5, 6, 7]), one_bag([1, 2, 3])
    assert only_results(None, weighted)[1] == "weighted_sum"
    assert np.array_equal(only_results(None, weighted)[0], only_results("weighted_sum", weighted)[0])
    assert only_results(None, plain)[1] == "sum"


@pytest.mark.parametrize("operator", ["weighted_sum", "weighted_mean"])
def test_a_weighted_operator_without_weights_is_refused(operator):
    with pytest.raises(InputError) as refused:
        only_results(operator, one_bag([1, 2]))
    plain = operator.removeprefix("weighted_")
    assert str(refused.value) == (
        f"nmp.operator = '{operator}': weights missing; it needs a trace with the column 'weight', '{plain}' does not"
    )


def test_an_unknown_operator_is_refused():
    with pytest.raises(InputError, match=r"nmp\.operator"):
        with_operator(load_system("recnmp-base-2rank"), "average")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8-rowwise"])
def test_sums_that_overflow_are_no_error(dtype):
    huge = float(np.finfo(F32).max)
    weights = [huge, -huge, huge, huge, huge, 1]
    sums, _ = only_results("weighted_sum", one_bag([1, 2, 3, 4, 5, 6], weights, dtype))
    assert not np.isfinite(sums).all()


# 8-bit rows.


def test_a_row_of_8_bits_ends_with_scale_and_bias():
    table = Table("table", 10, 72, "uint8-rowwise")
    assert table.elements == 64
    contents = TableContents(1, [72], ["uint8-rowwise"])
    assert contents.stored(0, [0, 1]).shape == (2, 66)
    assert result_bursts(contents).tolist() == [4]


@pytest.mark.parametrize("vector_bytes", [1, 8])
def test_a_row_of_8_bits_without_room_for_elements_is_refused(vector_bytes):
    with pytest.raises(InputError, match="must be more than 8, the bytes of scale and bias at the end"):
        Table("table", 10, vector_bytes, "uint8-rowwise")


@pytest.mark.parametrize("seed", [0, 2**63 - 1])
def test_numpy_and_kernel_fill_rows_of_8_bits_by_the_same_rule(seed):
    contents = TableContents(seed, [64, 40], ["float32", "uint8-rowwise"])
    for row in (0, 1, 2**32 + 5):
        key = mix((mix(mix(2) ^ seed % 2**32) + seed // 2**32) % 2**32)
        key = mix((mix(row % 2**32 ^ key) + row // 2**32) % 2**32)
        words = [mix((key + index * 0x9E3779B9) % 2**32) for index in range(34)]
        scale, bias = ((words[32] >> 8) + 1) * 2.0**-31, ((words[33] >> 8) - 2**23) * 2.0**-23
        assert contents.stored(1, [row])[0].tolist() == [*(word >> 24 for word in words[:32]), scale, bias]
        in_kernel = kernels.row_key(contents.keys[1], row)
        assert [kernels.level(in_kernel, e) for e in range(32)] == [word >> 24 for word in words[:32]]
        assert (kernels.row_scale(in_kernel, 32), kernels.row_bias(in_kernel, 32)) == (scale, bias)
        values = [F32(F32(F32(word >> 24) * F32(scale)) + F32(bias)) for word in words[:32]]
        assert contents.vectors(1, [row])[0].tolist() == values


def test_rows_of_8_bits_use_all_levels_and_spread_scale_and_bias():
    stored = TableContents(1, [72], ["uint8-rowwise"]).stored(0, np.arange(3000))
    assert set(stored[:, :-2].ravel()) == set(range(256))
    assert 0 < stored[:, -2].min() < 2.0**-16
    assert 0.99 * 2.0**-7 < stored[:, -2].max() <= 2.0**-7
    assert -1 <= stored[:, -1].min() < -0.99
    assert 0.99 < stored[:, -1].max() < 1


# Operations and their energy.


def operations(operator, trace):
    system = with_operator(load_system("recnmp-base-2rank"), operator)
    rows = {(row.component, row.event): row.count for row in simulate(system, trace).energy}
    return rows["rank_unit", "fp32_add"], rows.get(("rank_unit", "fp32_mult"), 0)


def test_operations_are_counted_by_hand():
    plain, eight = one_bag([1, 2, 3], [5, 6, 7]), one_bag([1, 2, 3], [5, 6, 7], "uint8-rowwise", 40)
    for operator in ("sum", "mean"):
        assert operations(operator, plain) == (3 * 16, 0)
        assert operations(operator, eight) == (3 * 2 * 32, 3 * 32)
    for operator in ("weighted_sum", "weighted_mean"):
        assert operations(operator, plain) == (3 * 16, 3 * 16)
        assert operations(operator, eight) == (3 * 2 * 32, 3 * (32 + 2))


# Flipped bits.


def is_noticed(system, trace, *faults):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PooledSums, "faults", tuple(faults))
        try:
            simulate(system, trace)
        except ArithmeticError:
            return True
    return False


@pytest.mark.parametrize("dtype", ["int8", "bfloat16", "float16"])
def test_every_bit_of_a_short_element_is_noticed(dtype):
    """Sums of such elements are exact, so a changed number changes the sum."""
    system, trace = load_system("recnmp-base-2rank"), samples(bags=16, lookups=10, dtype=dtype)
    value = contents_of(system, trace).vectors(1, [trace.rows[15]])[0, 5]
    assert value != 0
    for bit in range(BITS[dtype]):
        assert is_noticed(system, trace, Fault(1, int(trace.rows[15]), 5, bit)), f"bit {bit}"


@pytest.mark.parametrize("element", [0, 41, 120, 121])
def test_every_bit_of_a_row_of_8_bits_is_noticed_where_one_row_is_the_sum(element):
    """One lookup per pooling: the sum is the value, and only rounding of the value itself hides a bit."""
    system = load_system("recnmp-base-2rank")
    trace = samples(bags=16, lookups=1, dtype="uint8-rowwise")
    contents, row = contents_of(system, trace), int(trace.rows[9])
    clean = contents.stored(1, [row])
    for bit in range(32 if element >= 120 else 8):
        fault = Fault(1, row, element, bit)
        stored = FaultyRows(contents, [fault]).values[0, : clean.shape[1]][None]
        seen = contents.terms(1, stored, np.ones(1, F32)).tobytes() != contents.vectors(1, [row]).tobytes()
        assert is_noticed(system, trace, fault) == seen
        assert seen or element == 120, f"bit {bit}"


def test_a_bit_of_float32_is_noticed_where_it_changes_the_sum_and_nowhere_else():
    """Of pooled float32 rounding hides low bits; what is left of the change is always noticed."""
    system, trace = load_system("recnmp-base-2rank"), samples(bags=16, lookups=10)
    _, [(arguments, clean)] = replay(system, trace)
    order, lookup, rank, rows, tables, pooling = arguments[1:7]
    row, element = int(trace.rows[15]), 5
    contents, noticed = contents_of(system, trace), []
    for bit in range(32):
        fault = Fault(1, row, element, bit)
        value = FaultyRows(contents, [fault]).values[0, element]
        register = np.zeros((len(clean), 2), F32)
        for burst in order:  # the burst of the element alone, one register after another
            i = lookup[burst]
            if burst and lookup[burst - 1] == i:
                continue
            true = contents.vectors(int(tables[i]), [rows[i]])[0, element]
            with np.errstate(over="ignore"):
                register[pooling[i], rank[burst]] += value if (tables[i], rows[i]) == (1, row) else true
        changed = (register[:, 0] + register[:, 1]).tobytes() != clean[:, element].tobytes()
        assert is_noticed(system, trace, fault) == changed
        noticed.append(changed)
    assert all(
        noticed[8:]
    )  # of ten values below 1: a step of 2**-20 at most, against elements in steps of 2**-23


def change_of(system, trace, fault, operator):
    """Return (D, A, lookups) of docs/recnmp.md for the first pooling that looks up the faulty row."""
    contents = contents_of(system, trace)
    bags = bags_as_sent(system, trace)
    table, rows, weights = next(bag for bag in bags if bag[0] == fault.table and fault.row in bag[1])
    factors = weights if operator.startswith("weighted") else np.ones(len(rows), F32)
    stored = contents.stored(table, rows)
    faulty = stored.copy()
    faulty[rows == fault.row] = FaultyRows(contents, [fault]).values[0, : stored.shape[1]]
    with np.errstate(over="ignore", invalid="ignore"):
        clean = contents.terms(table, stored, factors).astype(np.float64)
        changed = contents.terms(table, faulty, factors).astype(np.float64)
        magnitude = np.maximum(np.abs(clean), np.abs(changed)).sum(axis=0)
        change = np.abs((changed - clean).sum(axis=0))
    return change, magnitude, len(rows)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(SEEDS)
def test_a_flipped_bit_is_noticed_where_the_documents_promise_it(seed):
    dice = random.Random(seed)
    operator, dtype = dice.choice(("sum", *OPERATORS)), dice.choice(("float16", *ELEMENT_TYPES))
    system = with_operator(random_system(dice), operator)
    trace = random_trace(dice, [dtype, dtype], weighted=True)
    lookup = dice.randrange(len(trace.rows))
    table, row = int(trace.table[lookup]), int(trace.rows[lookup])
    numbers = contents_of(system, trace).stored(table, [row]).shape[1]
    element = dice.choice([dice.randrange(numbers), numbers - 1])
    width = 32 if element >= trace.tables[table].elements else BITS[dtype]
    fault = Fault(table, row, element, min(dice.randrange(width), dice.randrange(width)))
    change, magnitude, lookups = change_of(system, trace, fault, operator)
    with np.errstate(over="ignore", invalid="ignore"):
        step = np.spacing(np.minimum(magnitude, np.finfo(F32).max).astype(F32)).astype(np.float64)
    exact = operator == "sum" and dtype in ("int8", "bfloat16", "float16")
    promised = change >= step if exact else change > 2 * (lookups + 1) * step
    if np.any(promised | ~np.isfinite(change)):
        assert is_noticed(system, trace, fault)
    assert not is_noticed(system, trace, fault, fault)


@pytest.mark.parametrize("dtype", ELEMENT_TYPES)
def test_a_flipped_bit_is_the_bit_of_the_stored_type(dtype):
    contents = TableContents(3, [72], [dtype])
    stored = contents.stored(0, [4])[0]
    kind = {"uint8-rowwise": "uint8", "bfloat16": "float32"}.get(dtype, dtype)
    for bit in range(BITS[dtype]):
        flipped = FaultyRows(contents, [Fault(0, 4, 2, bit)]).values[0]
        before, after = (
            values[2:3].astype(kind).view(f"u{np.dtype(kind).itemsize}")[0] for values in (stored, flipped)
        )
        assert int(before) ^ int(after) == 1 << (bit + 16 if dtype == "bfloat16" else bit)
        assert np.array_equal(np.delete(flipped[: len(stored)], 2), np.delete(stored, 2))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault(0, 1, 32, 0), "element must be 0 to 31"),
        (Fault(0, 1, 31, 32), "bit must be 0 to 31 in float32"),
        (Fault(1, 1, 128, 0), "element must be 0 to 121"),
        (Fault(1, 1, 0, 8), "bit must be 0 to 7 in uint8-rowwise"),
        (Fault(1, 1, 121, 32), "bit must be 0 to 31 in float32"),
    ],
)
def test_a_fault_outside_a_row_is_refused(fault, message):
    with pytest.raises(InputError, match=message):
        FaultyRows(TableContents(1, [128, 128], ["float32", "uint8-rowwise"]), [fault])


# A recorded trace.


def recorded(dtype, vector_bytes):
    if not KAGGLE.exists():
        pytest.skip("the recorded trace ../shared/data/kaggle-emb is not there")
    trace = open_trace(KAGGLE, limit=20_000)
    tables = [Table(table.name, table.rows, vector_bytes, dtype) for table in trace.tables]
    return replace(trace, tables=tables)


@pytest.mark.parametrize("operator", ["sum", "mean"])
@pytest.mark.parametrize(("dtype", "vector_bytes"), [("float32", 128), ("uint8-rowwise", 64), ("int8", 64)])
def test_results_of_a_recorded_trace_are_checked(operator, dtype, vector_bytes):
    trace = recorded(dtype, vector_bytes)
    result = simulate(with_operator(load_system("recnmp-opt-8rank"), operator), trace)
    figures = result.nmp["sums"]
    assert figures["checked"] == figures["poolings"] == trace.bags
    assert (
        figures["max_abs_error"] == 0
        if (dtype, operator) == ("int8", "sum")
        else figures["max_abs_error"] < 1e-4
    )


@pytest.mark.parametrize("system", ["recnmp-base-8rank", "recnmp-opt-8rank"])
@pytest.mark.parametrize(("dtype", "bit"), [("int8", 0), ("uint8-rowwise", 7), ("float32", 22)])
def test_a_flipped_bit_in_a_recorded_trace_is_noticed(dtype, bit, system):
    trace = recorded(dtype, 64)
    fault = Fault(int(trace.table[12345]), int(trace.rows[12345]), 7, bit)
    assert is_noticed(load_system(system), trace, fault)
    assert not is_noticed(load_system(system), trace)
