"""Matrix products of approximate multipliers: the same numbers by every route, exact factors, refusals."""

import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.approx import (
    Choice,
    conv2d,
    examples,
    factorise,
    factors_of,
    from_function,
    from_table,
    gemm,
    load_table,
    multiplier,
    plan,
)
from archsim.approx.costs import Cost
from archsim.approx.lowrank import rank_modulo
from archsim.errors import InputError
from archsim.kernels import approx as kernel
from archsim.ledger import total_nj


def _operands(each, shape, seed=1):
    return np.random.default_rng(seed).integers(each.low, each.high + 1, shape)


def _slow(a, b, each):
    """Add up product by product, in Python numbers."""
    return [
        [sum(int(each.multiply(x, y)) for x, y in zip(row, column, strict=True)) for column in b.T]
        for row in a
    ]


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [4, 8, 9, 12, 16])
def test_every_route_gives_the_sum_of_products(bits, signed):
    for each in examples(bits, signed):
        a, b = _operands(each, (3, 7)), _operands(each, (7, 5), 2)
        a[0, 0] = b[0, 0] = each.low
        a[1, 1] = b[1, 1] = each.high
        expected = _slow(a, b, each)
        assert gemm(a, b, each).tolist() == expected, each.label
        assert gemm(a, b, each, method="direct").tolist() == expected, each.label
        if bits <= 10:
            assert gemm(a, b, each, method="gather").tolist() == expected, each.label


def test_tables_of_10_bits_are_looked_up():
    each = multiplier("mitchell", 10, True)
    a, b = _operands(each, (11, 9)), _operands(each, (9, 300), 2)
    np.testing.assert_array_equal(gemm(a, b, each, method="gather"), gemm(a, b, each, method="direct"))


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_routes_agree_on_any_shape_and_type(data):
    signed = data.draw(st.booleans())
    bits = data.draw(st.sampled_from([4, 7, 8, 9]))
    name = data.draw(st.sampled_from(["exact", "drum4", "roba", "lot3", "mitchell", "bam_3"]))
    each = multiplier(name, bits, signed)
    m, k, n = (data.draw(st.integers(0, most)) for most in (19, 40, 300))
    kinds = [np.int16, np.int32, np.int64] + ([np.uint8] if not signed and bits <= 8 else [])
    kinds += [np.int8] if (signed and bits <= 8) or bits <= 7 else []
    a = _operands(each, (m, k), data.draw(st.integers(0, 99))).astype(data.draw(st.sampled_from(kinds)))
    b = _operands(each, (k, n), 1).astype(data.draw(st.sampled_from(kinds)))
    expected = each.table()[a[:, :, None].astype(int) - each.low, b[None].astype(int) - each.low].sum(axis=1)
    np.testing.assert_array_equal(gemm(a, b, each, method="gather"), expected)
    np.testing.assert_array_equal(gemm(a[::-1], b, each), expected[::-1])


def test_threads_change_nothing():
    each = multiplier("mitchell", 8, True)
    a, b = _operands(each, (131, 130)), _operands(each, (130, 129), 2)
    one = gemm(a, b, each, threads=1)
    for threads in (2, 3, 200):
        np.testing.assert_array_equal(gemm(a, b, each, threads=threads), one)
    np.testing.assert_array_equal(one, gemm(a, b, each, method="direct"))


def test_long_sums_stay_exact():
    # 40,000 products of 255 * 255 pass 2**31, and pieces of 2**24 many times over.
    a, b = np.full((9, 40_000), 255, np.uint8), np.full((40_000, 70), 255, np.uint8)
    for method in ("low-rank", "gather"):
        assert (gemm(a, b, multiplier("exact"), method=method) == 40_000 * 255 * 255).all()
    # Sums of magnitudes beyond 2**53 leave floating point before it rounds.
    wide = multiplier("exact", 16)
    deep = (1 << 21) + 3
    a, b = np.full((1, deep), 65535), np.full((deep, 1), 65535)
    b[0, 0] = 65534
    assert gemm(a, b, wide, method="low-rank")[0, 0] == 65535**2 * deep - 65535


def test_large_table_entries_do_not_wrap():
    each = from_function(lambda a, b: (1 << 31) - 1 - a, bits=4)
    a, b = np.zeros((8, 5), int), np.zeros((5, 8), int)
    assert (gemm(a, b, each, method="gather") == 5 * ((1 << 31) - 1)).all()


def test_the_triple_loop_is_the_same_product():
    each = multiplier("tosam_1_5")
    a, b = _operands(each, (5, 6)).astype(np.uint8), _operands(each, (6, 7), 2).astype(np.uint8)
    out = np.empty((5, 7), np.int64)
    kernel.triple_loop(each.table(), a, b, out)
    np.testing.assert_array_equal(out, gemm(a, b, each))


# Factors.


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(
    ("name", "rank"),
    [
        ("exact", 1), ("drum6", 1), ("ssm5", 1), ("lot4", 1), ("truncate_3", 1), ("udm", 2), ("roba", 2), ("bam_7", 8),
        ("tosam_1_5", 8),
    ],
)  # fmt: skip
def test_ranks_are_exact_and_factors_give_the_table(name, rank, signed):
    each = multiplier(name, 8, signed)
    if signed and name in ("bam_7",):
        rank = rank_modulo(each.table())
    factors = factors_of(each)
    assert factors.rank == rank == rank_modulo(each.table())
    np.testing.assert_array_equal(factors.table(), each.table())


def test_a_table_without_small_rank_is_looked_up():
    each = multiplier("mitchell")
    assert rank_modulo(each.table()) == 128
    assert factors_of(each) is None
    assert plan(each).method == "gather"
    with pytest.raises(InputError, match="no exact factors of small rank; use gather"):
        gemm([[1]], [[1]], each, method="low-rank")


def test_the_route_is_chosen_and_said():
    assert plan(multiplier("drum6")).method == "low-rank"
    assert "rank 1, in pieces that float32 holds exactly" in plan(multiplier("drum6")).why
    assert plan(multiplier("bam_7")).method == "gather"
    assert plan(multiplier("bam_7")).rank == 8
    assert plan(multiplier("drum6", 16)).method == "low-rank"
    assert plan(multiplier("mitchell", 16)).method == "direct"


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 4), st.integers(0, 10**6))
def test_factors_of_random_tables_are_exact(rank, seed):
    rng = np.random.default_rng(seed)
    table = rng.integers(-9, 10, (16, rank)) @ rng.integers(-9, 10, (rank, 16))
    factors = factorise(table)
    assert factors.rank == np.linalg.matrix_rank(table) == rank_modulo(table)
    np.testing.assert_array_equal(factors.table(), table)
    if rank:
        assert factorise(table, limit=factors.rank - 1) is None
    each = from_table(table)
    a, b = rng.integers(0, 16, (4, 9)), rng.integers(0, 16, (9, 3))
    np.testing.assert_array_equal(gemm(a, b, each, method="low-rank"), gemm(a, b, each, method="gather"))


def test_factors_with_fractions_are_exact():
    # 2 and 3 as pivots: the rest is a sixth of a whole table.
    table = np.zeros((16, 16), int)
    table[:3, :3] = [[2, 3, 5], [3, 7, 2], [5, 2, 9]]
    factors = factorise(table)
    assert factors.denominator > 1
    np.testing.assert_array_equal(factors.table(), table)


# Convolutions.


def _slow_conv(x, weight, each, stride, padding, dilation, groups):
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    (n, _, height, width), (outputs, depth, rows, columns) = x.shape, weight.shape
    out = [
        (height - dilation * (rows - 1) - 1) // stride + 1,
        (width - dilation * (columns - 1) - 1) // stride + 1,
    ]
    result = np.zeros((n, outputs, *out), int)
    for image, o, i, j in np.ndindex(*result.shape):
        for c, p, q in np.ndindex(depth, rows, columns):
            channel = o // (outputs // groups) * depth + c
            pixel = x[image, channel, i * stride + p * dilation, j * stride + q * dilation]
            result[image, o, i, j] += each.multiply(pixel, weight[o, c, p, q])
    return result


@pytest.mark.parametrize("options", [(1, 0, 1, 1), (2, 1, 1, 1), (1, 2, 2, 2), (3, 1, 1, 2)])
@pytest.mark.parametrize("name", ["drum4", "mitchell", "ppt_7"])
def test_a_convolution_is_the_sum_over_its_windows(name, options):
    each = multiplier(name, 8, True)
    stride, padding, dilation, groups = options
    x, weight = _operands(each, (2, 4, 7, 6)), _operands(each, (4, 4 // groups, 3, 2), 2)
    found = conv2d(x, weight, each, stride=stride, padding=padding, dilation=dilation, groups=groups)
    np.testing.assert_array_equal(found, _slow_conv(x, weight, each, *options))


# Layers.


def test_layers_have_multipliers_of_their_own_and_a_ledger():
    exact = multiplier("exact")
    cheap = from_table(multiplier("drum4").table(), title="cheap", cost=Cost(0.1, 1.0, 10.0, 45, "test"))
    choice = Choice(exact, {"fc1": cheap})
    assert choice.of("fc1") is cheap
    assert choice.of("fc2") is exact
    rows = choice.ledger({"fc1": 1_000_000, "fc2": 10_000})
    assert Counter(row.event for row in rows) == {"fc1 cheap": 1, "fc2 exact": 1}
    assert total_nj(rows) == pytest.approx(1e6 * 0.1e-3 + 1e4 * 0.391 * 1.43 * 1e-3, abs=1e-3)
    with pytest.raises(InputError, match=r"unknown \(did you mean 'fc2'"):
        choice.ledger({"fc2": 1})
    with pytest.raises(InputError, match="no energy from a cited source"):
        Choice(multiplier("drum6")).ledger({"fc1": 1})


# Refusals.


@pytest.mark.parametrize(
    ("a", "b", "options", "rule"),
    [
        ([[1, 2]], [[1, 2]], {}, "must be (m, k) and (k, n)"),
        ([1], [[1]], {}, "must be (m, k) and (k, n)"),
        (
            [[-1]],
            [[1]],
            {},
            "a [0, 0]: -1: drum6, 8 bits, unsigned takes 0 to 255; the multiplier is unsigned",
        ),
        ([[1]], [[256]], {}, "b [0, 0]: 256"),
        ([[1]], [[float("nan")]], {}, "b [0, 0]: nan is no number"),
        ([[255] * 9], [[255]] * 9, {"accumulator_bits": 16}, "does not fit in an accumulator of 16 bits"),
        ([[1]], [[1]], {"accumulator_bits": 7}, "from 8 to 64"),
        ([[1]], [[1]], {"method": "low-ranks"}, "did you mean 'low-rank'"),
    ],
)
def test_what_cannot_be_multiplied_is_refused(a, b, options, rule):
    with pytest.raises(InputError, match=re.escape(rule)):
        gemm(a, b, multiplier("drum6"), **options)


def test_a_sum_that_just_fits_is_kept():
    each = multiplier("exact", 8, True)
    assert gemm([[-128]], [[127]], each, accumulator_bits=15)[0, 0] == -16256
    with pytest.raises(InputError, match=r"sum \[0, 0\]: 16384"):
        gemm([[-128]], [[-128]], each, accumulator_bits=15)


@pytest.mark.parametrize(
    ("x", "weight", "options", "rule"),
    [
        ((1, 2, 5, 5), (1, 3, 3, 3), {}, "channels 3"),
        ((1, 2, 5, 5), (1, 2, 6, 3), {}, "larger than the padded image"),
        ((2, 5, 5), (1, 2, 3, 3), {}, "four axes"),
        ((1, 2, 5, 5), (1, 2, 3, 3), {"stride": 0}, "stride = 0: must be at least 1"),
        ((1, 4, 5, 5), (3, 2, 3, 3), {"groups": 2}, "outputs that 2 divides"),
    ],
)
def test_impossible_convolutions_are_refused(x, weight, options, rule):
    with pytest.raises(InputError, match=re.escape(rule)):
        conv2d(np.zeros(x, int), np.zeros(weight, int), multiplier("drum6"), **options)


def test_two_tables_of_one_width_are_two_multipliers():
    first, second = (from_table(multiplier(name).table()) for name in ("exact", "drum6"))
    again = from_table(multiplier("drum6").table())
    other = from_table(multiplier("drum6").table(), title="other")
    assert len({first, second, again, other, multiplier("drum6")}) == 4
    assert second == again
    a, b = _operands(first, (5, 40)), _operands(first, (40, 7), 2)
    for each, name in ((first, "exact"), (second, "drum6"), (again, "drum6")):
        np.testing.assert_array_equal(gemm(a, b, each), gemm(a, b, multiplier(name), method="gather"))


def test_a_loaded_table_multiplies_matrices(tmp_path):
    each = multiplier("roba")
    np.save(tmp_path / "x.npy", each.table())
    loaded = load_table(tmp_path / "x.npy").multiplier
    a, b = _operands(each, (6, 7)), _operands(each, (7, 8), 2)
    assert plan(loaded).rank == 2
    np.testing.assert_array_equal(gemm(a, b, loaded), gemm(a, b, each))
