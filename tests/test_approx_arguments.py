"""What the functions of archsim.approx are given: NumPy's numbers count, and nonsense is refused in one line."""

import re
from pathlib import Path

import numpy as np
import pytest

from archsim.approx import (
    Choice,
    Probit,
    StorageFaults,
    VoltageTable,
    conv2d,
    dense,
    factorise,
    from_function,
    from_table,
    gemm,
    load_processor,
    load_table,
    metrics,
    multiplier,
    relative_error,
    sampled,
    sign_magnitude,
)
from archsim.approx.costs import Cost
from archsim.approx.weighted_sum import Rows, accuracy, exact_sums, weighted_sums, whole_sums
from archsim.errors import InputError

DRUM = multiplier("drum6")
ONES = np.ones((4, 6), int)
IMAGE, KERNEL = np.ones((1, 2, 5, 5), int), np.ones((3, 2, 3, 3), int)
CHOICE = Choice(multiplier("exact"))


def _rows(levels, scale=(0.1, 0.2), bias=(0, 1)):
    return Rows(np.array(levels), np.array(scale, np.float32), np.array(bias, np.float32))


GOOD = _rows([[1, 2], [3, 4]])


def _weighted(rows=GOOD, weights=None, pooling=(0, 0), poolings=1):
    return weighted_sums(rows, weights, pooling, poolings, multiplier("exact"))


def test_numbers_of_numpy_count_as_numbers(tmp_path):
    assert multiplier("drum6", np.int64(8), np.bool_(True)) == multiplier("drum6", 8, True)
    assert (
        gemm(ONES, ONES.T, DRUM, accumulator_bits=np.int32(16), threads=np.int64(1)).tolist() == [[6] * 4] * 4
    )
    strided = conv2d(IMAGE, KERNEL, DRUM, stride=np.int64(2), padding=[1, np.int8(0)])
    np.testing.assert_array_equal(strided, conv2d(IMAGE, KERNEL, DRUM, stride=2, padding=(1, 0)))
    assert StorageFaults.flips(np.int64(8), np.float32(0.25)) == StorageFaults.flips(8, 0.25)
    assert Probit(np.float32(0.5)).rate(np.float32(0.5)) == 0.5
    assert VoltageTable([0.25, 0.5], [0.5, 0.25]).rate(np.float32(0.5)) == 0.25
    path = tmp_path / "table.npy"
    np.save(path, DRUM.table())
    assert (multiplier(Path(path)).table() == DRUM.table()).all()


def test_faults_of_one_word_are_those_of_an_array_of_one(recwarn):
    faults = StorageFaults.flips(8, 0.5)
    for key in range(20):
        one = faults.apply(5, key)
        assert one.shape == ()
        assert int(one) == int(faults.apply([5], key)[0])
    assert not recwarn.list  # products of scalars do not wrap silently in NumPy


def test_a_convolution_without_outputs_or_images_is_empty():
    assert conv2d(IMAGE, KERNEL[:0], DRUM).shape == (1, 0, 3, 3)
    assert conv2d(IMAGE[:0], KERNEL, DRUM).shape == (0, 3, 3, 3)


def test_a_sum_of_a_convolution_that_does_not_fit_is_named_by_its_place():
    images = np.ones((2, 2, 5, 5), int)
    images[1, :, 2:, 2:] = 12
    with pytest.raises(InputError, match=re.escape("sum [1, 0, 1, 2]: 150: does not fit")):
        conv2d(images, KERNEL, multiplier("exact"), accumulator_bits=8)


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: multiplier(6), "multiplier 6: must be a name, such as drum6"),
        (lambda: multiplier("drum\N{ARABIC-INDIC DIGIT SIX}"), "unknown multiplier"),
        (lambda: multiplier("drum6", 8, "yes"), "drum: signed = 'yes': must be True or False"),
        (lambda: multiplier("drum6", 8.0), "drum: bits = 8.0: must be a whole number"),
        (lambda: DRUM.multiply([1, 2], [1, 2, 3]), "operands of shapes (2,) and (3,)"),
        (lambda: DRUM.multiply([[1], [1, 2]], 1), "first operand: rows of different lengths"),
        (lambda: gemm(ONES, ONES.T, DRUM, accumulator_bits=16.5), "accumulator_bits = 16.5: must be a whole number"),
        (lambda: gemm(ONES, ONES.T, DRUM, threads=0), "threads = 0: must be at least 1"),
        (lambda: gemm(ONES, ONES.T, DRUM, threads="2"), "threads = '2': must be a whole number"),
        (lambda: gemm(ONES, ONES.T, DRUM, method=None), "method None: unknown"),
        (lambda: conv2d(IMAGE, KERNEL, DRUM, stride=1.5), "stride = 1.5: must be a whole number"),
        (lambda: conv2d(IMAGE, KERNEL, DRUM, padding="same"), "padding = 'same': must be a whole number"),
        (lambda: conv2d(IMAGE, KERNEL, DRUM, groups=1.0), "groups = 1.0: must be a whole number"),
        (lambda: conv2d(IMAGE, KERNEL[:, :, :0], DRUM), "a kernel must have a height and a width"),
        (lambda: conv2d(IMAGE, KERNEL, DRUM, padding=10**6), "must be at most 4,294,967,296 each"),
        (lambda: metrics(multiplier("drum6", 16), seed=-1), "seed = -1: must be from 0 to"),
        (lambda: sampled(DRUM, strata=1.5), "strata = 1.5: must be a whole number"),
        (lambda: sampled(DRUM, pairs=1 << 40), "pairs = 1099511627776: must be from 2 to 262144"),
        (lambda: from_table([[1], [1, 2]]), "table: rows of different lengths"),
        (lambda: from_function(lambda a, b: a * b, bits=8.0), "function: bits = 8.0: must be a whole number"),
        (lambda: factorise(np.full((3, 3), 0.5)), "of type float64: must be whole numbers"),
        (lambda: StorageFaults.flips(8.0, 0.1), "storage faults: bits = 8.0: must be a whole number"),
        (lambda: StorageFaults.flips(10**12, 0.1), "storage faults: bits = 1000000000000: must be from 2 to 16"),
        (lambda: StorageFaults.flips(8, "x"), "storage faults: rate = 'x': must be a number"),
        (lambda: StorageFaults.flips(8, 0.1).apply([1], -1), "key = -1: must be from 0 to"),
        (lambda: StorageFaults.flips(8, 0.1).apply([1], 1.5), "key = 1.5: must be a whole number"),
        (lambda: Probit("a"), "probit: mu_v = 'a': must be a number"),
        (lambda: Probit().rate("0.5"), "voltage_v = '0.5': must be a number"),
        (lambda: VoltageTable(["a", 0.5], [0.1, 0.01]), "voltage table: voltage = 'a': must be a number"),
        (lambda: Choice("drum6"), "choice: default: 'drum6': must be a Multiplier"),
        (lambda: Choice(DRUM, {"a": "drum6"}), "choice: a: 'drum6': must be a Multiplier"),
        (lambda: CHOICE.ledger({"a": -3}), "layer 'a': products = -3: must be at least 0"),
        (lambda: CHOICE.ledger({"a": float("nan")}), "layer 'a': products = nan: must be a whole number"),
        (lambda: CHOICE.ledger({"a": 3}, sums={}), "layer 'a': sums: missing"),
        (lambda: CHOICE.ledger({"a": 3}, sums={"a": 9}), "layer 'a': sums = 9: must be from 0 to 3"),
        (lambda: _weighted(weights=[1.0]), "weights: shape (1,): must be one number for each of the 2 lookups"),
        (lambda: _weighted(weights=[3e38, np.inf]), "must be finite"),
        (lambda: _weighted(pooling=[0]), "pooling: shape (1,): must be one number for each of the 2 lookups"),
        (lambda: _weighted(pooling=[0, 5]), "pooling 1: 5: must be from 0 to 0"),
        (lambda: _weighted(pooling=[0, -1]), "pooling 1: -1: must be from 0 to 0"),
        (lambda: _weighted(pooling=[0.0, 0.5]), "pooling: of type float64: must be whole numbers"),
        (lambda: _weighted(_rows([[-1, 2], [3, 4]])), "levels [0, 0]: -1: exact, 8 bits, unsigned takes 0 to 255"),
        (lambda: _weighted(_rows([[300, 2], [3, 4]])), "levels [0, 0]: 300: exact, 8 bits, unsigned takes 0 to 255"),
        (lambda: _weighted(_rows([[1, 2], [3, 4]], bias=(np.nan, 0))), "bias 0: nan: must be finite"),
        (lambda: exact_sums(GOOD, [1.0], [0, 0], 1), "weights: shape (1,)"),
        (lambda: accuracy([[1, 2]], [[1]]), "sums (1, 2) and exact ones (1, 1)"),
    ],
)  # fmt: skip
def test_nonsense_is_refused_with_the_rule(make, rule):
    with pytest.raises(InputError, match=re.escape(rule)):
        make()


def test_an_accuracy_that_has_no_figure_says_none():
    assert accuracy([[1, 2]], [[0, 0]]).to_dict() == {"relative_rms": None, "max_abs": 2.0, "cosine": None}
    assert accuracy([[0, 0]], [[3, 4]]).to_dict() == {"relative_rms": 1.0, "max_abs": 4.0, "cosine": None}
    assert accuracy([[0, 0]], [[0, 0]]).relative_rms == 0


def test_two_designs_of_one_name_are_not_taken_for_one():
    cost = Cost(0.1, 1.0, 100.0, 45, "somebody")
    first, second = (from_table(multiplier(name).table(), cost=cost) for name in ("exact", "drum6"))
    layers = [dense("a", 3, 3), dense("b", 3, 3)]
    assert load_processor().run(layers, Choice(first)).area_um2 > 0
    with pytest.raises(InputError, match="layer 'b': table, 8 bits, unsigned: two designs of this name"):
        load_processor().run(layers, Choice(first, {"b": second}))


def test_the_cost_of_a_circuit_with_signs_added_says_what_is_left_out():
    cost = sign_magnitude(multiplier("exact")).cost
    assert "mul8u_1JFF" in cost.source
    assert "without the negations of operands and product" in cost.source


def test_few_operands_among_wide_ones_take_little_memory():
    import tracemalloc

    wide = multiplier("drum6", 16)
    tracemalloc.start()
    found = relative_error(wide, a=[3, 1000])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 << 20
    b = np.arange(1, 1 << 16)
    ratios = np.concatenate([(wide.multiply(a, b) - a * b) / (a * b) for a in (3, 1000)])
    assert found.mean == pytest.approx(np.mean(ratios), rel=1e-9)
    assert found.variance == pytest.approx(np.var(ratios), rel=1e-9)


def _header(tmp_path, head, first="0"):
    products = ",".join([first, *map(str, multiplier("exact", 4).table().reshape(-1)[1:].tolist())])
    path = tmp_path / "each.h"
    path.write_text(f"{head}\nint products[256] = {{{products}}};\n")
    return path


COSTS = "// PDK45_PWR = 0.3 mW\n// PDK45_AREA = 500 um2\n// PDK45_DELAY = 1.3 ns\n"


@pytest.mark.parametrize(
    ("head", "first", "rule"),
    [
        (COSTS.replace("0.3 mW", "301 uW"), "0", "PDK45_PWR = 301 uW: must be in mW"),
        (COSTS.replace("1.3 ns", "1300 ps"), "0", "PDK45_DELAY = 1300 ps: must be in ns"),
        (COSTS.replace("0.3", "-0.3"), "0", "PDK45_PWR = -0.3: must be at least 0"),
        (COSTS.replace("500", "1e999"), "0", "PDK45_AREA = 1e999: must be a number"),
        ("", "017", "line 2: 017: begins with 0, which is octal in C"),
    ],
)
def test_claims_in_other_units_and_octal_numbers_are_refused(tmp_path, head, first, rule):
    with pytest.raises(InputError, match=re.escape(rule)):
        load_table(_header(tmp_path, head, first))


def test_claims_are_whole_words(tmp_path):
    found = load_table(_header(tmp_path, COSTS + "// OLD_MAE = 7\n// MAE = 0\n// EP% = 0.0 %\n"))
    assert found.claims == {"PDK45_PWR": 0.3, "PDK45_AREA": 500.0, "PDK45_DELAY": 1.3, "MAE": 0.0, "EP%": 0.0}
    assert not found.mismatches
    assert whole_sums(np.zeros((0, 4), np.uint8), _none(), [], 2, multiplier("exact")).shape == (2, 4)


def _none():
    from archsim.approx.weighted_sum import round_factors

    return round_factors([], [], 2)
