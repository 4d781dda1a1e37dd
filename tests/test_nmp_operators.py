"""Sum, mean and their weighted and 8-bit variants: real numbers in the modelled order, and flipped bits noticed."""

import hashlib
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nmp_sums import F32, replay, slow_results, small_trace, with_operator
from sums_check_twin import check_one
from test_sums import bags_as_sent, contents_of, mix, random_system, random_trace

from archsim import load_system, simulate
from archsim.errors import InputError
from archsim.kernels import sums as kernels
from archsim.nmp.functional import TableContents, result_bursts
from archsim.nmp.operators import ELEMENT_TYPES, OPERATORS
from archsim.traces import EmbeddingTrace, Table

SEEDS = st.integers(0, 2**32)


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
