"""Wrong arguments of the analog parts from Python: one line that says what is wrong, and no work before it."""

import tracemalloc

import numpy as np
import pytest

from archsim.analog import (
    Cell,
    Crossbar,
    DualPath,
    FlashStage,
    Pipeline,
    Wires,
    drifted,
    metrology,
    program,
    read,
)
from archsim.analog import netlist as netlist_of
from archsim.analog.arrays import number, numbers, whole
from archsim.analog.column_unit import ColumnUnit, IdealQuantiser, accuracy
from archsim.analog.near_sensor import PixelChain, convert_image
from archsim.analog.nnadc import calibrated, costs, load_adc, measure, monte_carlo
from archsim.errors import InputError

ADC = load_adc("nnadc-8b-3bit")
CONVERTER = calibrated(ADC)
CELL = Cell.load("rram-3bit")
ONE = Crossbar([[1e-4]])
UNIT = ColumnUnit(np.ones((2, 2)), CELL)


def ideal(x):
    return metrology.ideal_codes(x, 8)


# Units


def test_numbers_are_doubles_of_any_kind_of_number():
    for values in (
        [1, 2],
        [1.0, 2.0],
        [True, 2],
        np.array([1, 2], np.uint8),
        np.array([1, 2], object),
        [np.float32(1), 2],
    ):
        found = numbers(values, "x")
        assert found.dtype == np.float64
        assert found.tolist() == [1.0, 2.0]
    assert numbers([10**30], "x").tolist() == [1e30]
    kept = np.array([1.0])
    assert numbers(kept, "x") is kept


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("abc", r"x \[0\] = 'abc': must be a number"),
        ([1, "2"], r"x \[0\] = '1': must be a number"),
        ([1.0, None], r"x \[1\] = None: must be a number"),
        (None, r"x \[0\] = None: must be a number"),
        ([1j], r"x \[0\] = 1j: must be a number"),
        ({}, r"x \[0\] = {}: must be a number"),
        ([[1], [1, 2]], "x: rows of different lengths"),
        ([10**400], "beyond the range of a double"),
    ],
)
def test_what_is_no_number_is_named_with_its_place(values, message):
    with pytest.raises(InputError, match=message):
        numbers(values, "x")


def test_whole_numbers_and_numbers_keep_to_their_limits():
    assert whole("n", np.int64(3), 1, 3) == 3
    assert number("x", 2, 2, 3) == 2.0
    for value in (0, 4, 10**40):
        with pytest.raises(InputError, match=f"n = {value}: must be from 1 to 3"):
            whole("n", value, 1, 3)
    for value in (2.0, True, "2", None):
        with pytest.raises(InputError, match=f"n = {value!r}: must be a whole number from 1 to 3"):
            whole("n", value, 1, 3)
    for value in (1.9, 3.1, float("nan")):
        with pytest.raises(InputError, match=f"x = {value:g}: must be from 2 to 3"):
            number("x", value, 2, 3)
    for value in ("2", True, None):
        with pytest.raises(InputError, match=f"x = {value!r}: must be a number"):
            number("x", value, 2, 3)
    with pytest.raises(InputError, match=r"x = 2: must be above 2, at most 3"):
        number("x", 2, 2, 3, above=True)


# Errors


CASES = {
    "text as an input": (lambda: CONVERTER.convert("abc"), r"inputs \[0\] = 'abc': must be a number"),
    "texts as inputs": (lambda: CONVERTER.values(["a", "b"]), r"inputs \[0\] = 'a': must be a number"),
    "None as an input": (lambda: CONVERTER.stage_bits(None), r"inputs \[0\] = None"),
    "ragged inputs": (lambda: CONVERTER.convert([[1, 2], [1]]), "inputs: rows of different lengths"),
    "no finite input": (lambda: CONVERTER.convert([np.nan]), r"input \[0\] = nan: must be a finite number"),
    "a sample before the first": (lambda: CONVERTER.convert([0.5], -1), "first = -1: must be from 0"),
    "half a sample": (lambda: CONVERTER.convert([0.5], 1.5), "first = 1.5: must be a whole number"),
    "a sample beyond all": (lambda: CONVERTER.convert([0.5], 1 << 70), "first = 1180591620717411303424: must be"),
    "half a device": (lambda: calibrated(ADC, 1.5), "device = 1.5: must be a whole number"),
    "a converter by its name": (lambda: calibrated("nnadc-8b-3bit"), r"adc of type str: must be of class Adc"),
    "a name to measure": (lambda: measure("nnadc-8b-3bit"), "adc of type str: must be of class Adc"),
    "text as a number of devices": (lambda: monte_carlo(ADC, "3"), "devices = '3': must be a whole number"),
    "a number as a name": (lambda: load_adc(3), "converter 3: must be the name of a preset or of a file"),
    "one text as overrides": (lambda: load_adc("nnadc-8b-3bit", "bits=3"), "must be a list of texts"),
    "a table that is not there": (lambda: load_adc("nnadc-8b-3bit", table="no.csv"), "no.csv: cannot be read"),
    "half a ramp": (lambda: metrology.ramp_test(ideal, 8, 1.5), "per_code = 1.5: must be a whole number"),
    "text as bits": (lambda: metrology.ramp_test(ideal, "8"), "bits = '8': must be a whole number from 2 to 24"),
    "codes between codes": (lambda: metrology.ramp_test(lambda x: x * 3, 8), r"code \[0\] = .*: must be a whole"),
    "too few codes": (lambda: metrology.ramp_test(lambda x: ideal(x)[:5], 8), r"codes of shape \(5,\) for 16384"),
    "one code for all": (lambda: metrology.ramp_test(lambda _: 3, 8), r"codes of shape \(\) for 16384 inputs"),
    "texts as codes": (lambda: metrology.ramp_test(lambda x: ["a"] * len(x), 8), r"codes \[0\] = 'a'"),
    "too few thresholds": (lambda: metrology.thresholds_of(lambda _: [1], 8), r"codes of shape \(1,\)"),
    "a threshold from nowhere": (lambda: metrology.thresholds_of(ideal, 8, float("nan")), "low = nan"),
    "half a sample of a sine": (lambda: metrology.sine_test(ideal, 8, samples=9.5), "samples = 9.5"),
    "a sine of no bits": (lambda: metrology.sine_test(ideal, -1), "bits = -1: must be from 1 to 24"),
    "a sine nowhere": (lambda: metrology.sine_test(ideal, 8, offset=float("nan")), "offset = nan"),
    "endless jitter": (lambda: metrology.sine_test(ideal, 8, jitter_rms_s=float("inf")), "jitter_rms_s = inf"),
    "text as a frequency": (lambda: metrology.sine_test(ideal, 8, frequency="x"), "frequency = 'x'"),
    "text as a rate": (lambda: metrology.sine_test(ideal, 8, rate_hz="1"), "rate_hz = '1': must be a number"),
    "a short record of a sine": (lambda: metrology.sine_test(lambda x: ideal(x)[:99], 8), "codes of shape"),
    "text as a record": (lambda: metrology.fit_sine("abc"), r"record \[0\] = 'abc': must be a number"),
    "texts as a record": (lambda: metrology.spectrum(["a"] * 40), r"record \[0\] = 'a'"),
    "text as a frequency to fit": (lambda: metrology.fit_sine(np.arange(9.0), "0.1"), "frequency = '0.1'"),
    "endless harmonics": (
        lambda: metrology.spectrum(np.arange(99.0), harmonics=10**9), "harmonics = 1000000000: must be .* to 1,000"
    ),
    "a list as a window": (lambda: metrology.spectrum(np.arange(99.0), window=[1]), r"window \[1\]: unknown"),
    "a histogram of parts": (lambda: metrology.ramp_linearity([0.5] * 8), r"code \[0\] = 0.5: must be a whole"),
    "text as power": (lambda: metrology.walden_fj("1", 1, 1), "power_w = '1': must be a number"),
    "a billion bits": (lambda: metrology.envelope_j(1e9), "bits = 1e\\+09: must be from -100"),
    "text as SNDR": (lambda: metrology.placement(1, 1, "x"), "sndr_db = 'x'"),
    "text as a crossbar": (lambda: Crossbar("x"), r"conductances \[0\] = 'x'"),
    "a number as wires": (lambda: Crossbar([[1e-4]], 3), "wires of type int: must be of class Wires"),
    "text as voltages": (lambda: ONE.outputs(["a"]), r"inputs \[0\] = 'a': must be a number"),
    "text as V0": (lambda: ONE.solve_sinh([1.0], "x"), "sinh_v = 'x': must be a number"),
    "text as pairs": (lambda: DualPath("a", "b"), r"conductances \[0\] = 'a'"),
    "a mirror nowhere": (
        lambda: DualPath([[1e-4]], [[1e-4]], Wires(output="voltage"), float("nan")), "common_v = nan: must be from"
    ),
    "a netlist of text": (lambda: netlist_of("x", [1.0]), "crossbar of type str: must be of class Crossbar"),
    "a cell by its name": (lambda: program("rram-3bit", [1], 1), "cell of type str: must be of class Cell"),
    "text as a seed": (lambda: program(CELL, [1], "a"), "seed a: must be from 0"),
    "half a seed": (lambda: program(CELL, [1], 1.5), "seed 1.5: must be from 0"),
    "text as conductance": (lambda: CELL.nearest_level(["a"]), r"conductances \[0\] = 'a'"),
    "text to drift": (lambda: drifted(CELL, ["x"], 10, 1), r"conductances \[0\] = 'x'"),
    "text as a time": (lambda: drifted(CELL, [1e-5], "x", 1), "time_s = 'x'"),
    "text to read": (lambda: read(CELL, ["x"], 1, 0), r"conductances \[0\] = 'x'"),
    "text as bits of a stage": (lambda: FlashStage("3"), "stage 0: bits = '3': must be a whole number"),
    "half a redundancy": (lambda: FlashStage(3, 0.5), "stage 0: redundancy = 0.5: must be a whole number"),
    "text as noise": (lambda: FlashStage(3, residue_noise_rms="x"), "stage 0: residue_noise_rms = 'x'"),
    "a gain of no number": (lambda: FlashStage(3, gain_error=float("nan")), "stage 0: gain_error = nan"),
    "texts as thresholds": (lambda: FlashStage(1, threshold_errors=["a"]), r"stage 0: threshold_errors \[0\] = 'a'"),
    "endless levels": (lambda: FlashStage(1, level_errors=[0, np.inf]), "stage 0: level_errors: must be finite"),
    "a number as stages": (lambda: Pipeline(3), "a pipeline has at least one stage, in a list"),
    "numbers as stages": (lambda: Pipeline([3, 3]), "stage 0 of type int: must have bits"),
    "text through a pipeline": (lambda: Pipeline([FlashStage(3)]).convert("x"), r"inputs \[0\] = 'x'"),
    "an unknown way with too much": (
        lambda: Pipeline([FlashStage(3)]).convert([0.5], beyond="x"), "beyond = 'x': must be 'clip' or 'refuse'"
    ),
    "text as an image": (lambda: convert_image(CONVERTER, "x"), r"image \[0\] = 'x'"),
    "text as a converter": (lambda: convert_image("x", [[0.5]]), "converter of type str"),
    "a number as costs": (lambda: convert_image(CONVERTER, [[0.5]], taken=3), "taken of type int"),
    "text as electrons": (
        lambda: PixelChain(volts_per_electron=1e-5, full_scale_v=1.0).inputs(["x"]), r"electrons \[0\] = 'x'"
    ),
    "text as bits of a quantiser": (lambda: IdealQuantiser("8"), "bits = '8': must be a whole number"),
    "text to quantise": (lambda: IdealQuantiser(8).convert(["a"]), r"inputs \[0\] = 'a'"),
    "nothing finite to quantise": (lambda: IdealQuantiser(8).convert([np.inf]), "inputs: must be finite"),
    "text behind columns": (lambda: UNIT.sums([[0]], "x"), "converter of type str"),
    "no requests": (lambda: UNIT.sums(None), "requests of type NoneType: must be a list of lists of rows"),
    "a row as a request": (lambda: UNIT.sums([1]), r"request \[0\]: must be a list of whole numbers"),
    "text as costs": (lambda: UNIT.ledger("x"), "taken of type str: must be of class Costs"),
    "half a read": (lambda: UNIT.ledger(costs(ADC), 1.5), "reads = 1.5: must be a whole number"),
    "reads before the first": (lambda: UNIT.reads_s(costs(ADC), -1), "reads = -1: must be from 0"),
    "text as sums": (lambda: accuracy("x", "y"), r"sums \[0\] = 'x'"),
    "sums that are not finite": (lambda: accuracy([[np.nan]], [[1.0]]), "sums: must be finite"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_argument_is_refused_in_one_line(name):
    wrong, message = CASES[name]
    with pytest.raises(InputError, match=message) as refused:
        wrong()
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("test", "message"),
    [
        (lambda: metrology.ramp_test(ideal, 8, per_code=10**9), "per_code = 1000000000: must be .* to 262,144"),
        (lambda: metrology.ramp_test(ideal, 24, per_code=5), "per_code = 5: must be .* to 4"),
        (lambda: metrology.sine_test(ideal, 8, samples=10**12), "samples = 1000000000000: must be .* to 67,108,864"),
        (lambda: metrology.monte_carlo(lambda _: ideal, 8, 2, per_code=10**10), "per_code = 10000000000"),
    ],
)  # fmt: skip
def test_records_beyond_memory_are_refused_before_they_are_made(test, message):
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=message):
            test()
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
