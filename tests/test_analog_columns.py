"""The column unit that sums embedding rows, and its accuracy, energy and refusals."""

import numpy as np
import pytest
from column_unit_twin import pooled, stored_digits
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.analog import Cell, Wires, read
from archsim.analog.column_unit import ColumnUnit, IdealQuantiser, accuracy, reconstructed
from archsim.analog.nnadc import Scheme, calibrated, costs, load_adc
from archsim.errors import InputError
from archsim.ledger import total_nj

PLAIN = Cell(bits=3, g_min_s=1e-6, g_max_s=1e-4)
REAL = Cell(bits=3, g_min_s=1e-6, g_max_s=1e-4, program_sigma=0.02, read_sigma=0.002)


def drawn(rows=64, elements=5, pool=16, requests=40, seed=0):
    """Return a table and requests of different lengths."""
    rng = np.random.default_rng(seed)
    chosen = [rng.choice(rows, int(rng.integers(1, pool + 1)), replace=False) for _ in range(requests)]
    return rng.normal(size=(rows, elements)), chosen


def true_sums(table, requests):
    return np.array([table[rows].sum(axis=0) for rows in requests])


# Units, twins, properties


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), cell_bits=st.integers(1, 8), element_bits=st.integers(2, 16))
def test_the_levels_are_the_digits_of_the_stored_numbers(seed, cell_bits, element_bits):
    table = np.random.default_rng(seed).normal(size=(3, 2))
    unit = ColumnUnit(table, Cell(bits=cell_bits, g_min_s=1e-6, g_max_s=1e-4), element_bits=element_bits)
    levels = unit.levels().reshape(3, 2, unit.slices)
    for row in range(3):
        for element in range(2):
            digits = stored_digits(table[row, element], unit.step, element_bits, cell_bits)
            assert levels[row, element].tolist() == digits


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), cell_bits=st.integers(1, 6), element_bits=st.integers(2, 12))
def test_without_variation_and_conversion_sums_are_those_of_the_whole_numbers(seed, cell_bits, element_bits):
    table, requests = drawn(20, 3, 20, 5, seed)
    unit = ColumnUnit(table, Cell(bits=cell_bits, g_min_s=1e-6, g_max_s=1e-4), element_bits=element_bits)
    np.testing.assert_array_equal(unit.sums(requests), true_sums(unit.whole, requests) * unit.step)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), bits=st.sampled_from([None, 3, 6, 9, 14]))
def test_the_unit_equals_its_slow_twin_with_variation_of_programming_and_reads(seed, bits):
    table, requests = drawn(12, 3, 8, 4, seed)
    unit = ColumnUnit(table, REAL, element_bits=7, most_rows=8, seed=seed, device=2)
    slow = [
        pooled(unit, read(REAL, unit.g_s, seed, number, 2), request, bits)
        for number, request in enumerate(requests)
    ]
    quantiser = None if bits is None else IdealQuantiser(bits)
    np.testing.assert_allclose(unit.sums(requests, quantiser), slow, rtol=0, atol=1e-9)


def test_currents_with_wires_are_those_of_the_whole_network():
    table, requests = drawn(12, 2, 6, 5)
    wires = Wires(r_word_ohm=2.0, r_bit_ohm=2.0, r_driver_ohm=50.0)
    unit = ColumnUnit(table, Cell(bits=3, g_min_s=1e-6, g_max_s=1e-4, program_sigma=0.02), wires=wires)
    v = np.zeros((5, 12))
    for number, rows in enumerate(requests):
        v[number, rows] = unit.read_v
    np.testing.assert_allclose(unit.currents(requests), unit._crossbar.solve_direct(v), rtol=1e-9)
    assert (unit.currents(requests) < unit._crossbar.ideal().outputs(v)).all()


def test_every_request_is_a_read_of_its_own():
    table, requests = drawn(16, 3)
    currents = ColumnUnit(table, REAL, most_rows=16).currents([requests[0][:4]] * 2)
    assert (currents[0] != currents[1]).all()


def test_the_trained_converter_sees_the_columns_request_by_request():
    table, requests = drawn()
    unit = ColumnUnit(table, PLAIN, most_rows=16)
    adc = load_adc("nnadc-10b-3bit")
    converter, other = calibrated(adc), calibrated(adc)
    found = unit.sums(requests, converter)
    x = (unit.currents(requests) / unit.full_scale_a).reshape(-1)
    codes = other.convert(x).reshape(len(requests), unit.columns)
    seen = ColumnUnit(table, PLAIN, most_rows=16)
    np.testing.assert_array_equal(found, seen.sums(requests, _Played(codes.reshape(-1), adc)))


class _Played:
    """Gives codes that were found before."""

    def __init__(self, codes, adc):
        self.codes, self.bits, self.scheme, self.clipped = codes, adc.bits, adc.scheme, 0

    def convert(self, inputs, first=0):
        return self.codes[first : first + len(inputs)]


# Formulas


@pytest.mark.parametrize("kind", ["linear", "log", "sqrt"])
def test_an_ideal_quantiser_gives_its_own_codes_back(kind):
    quantiser = IdealQuantiser(9, Scheme(kind=kind))
    codes = np.arange(512)
    np.testing.assert_array_equal(quantiser.convert(reconstructed(quantiser, codes)), codes)


def test_a_quantiser_finer_than_half_a_level_loses_nothing():
    table, requests = drawn(64, 5, 16)
    unit = ColumnUnit(table, PLAIN, most_rows=16)
    # One level is 0.99 / 7 of a cell of 16: 0.00884 of full scale. An error of half an LSB must be below half of it.
    np.testing.assert_array_equal(unit.sums(requests, IdealQuantiser(7)), unit.sums(requests))
    assert (unit.sums(requests, IdealQuantiser(5)) != unit.sums(requests)).any()


def test_more_bits_of_the_converter_make_better_sums():
    table, requests = drawn(128, 8, 64, 40)
    unit = ColumnUnit(table, PLAIN, most_rows=64)
    errors = []
    for bits in (8, 10, 12, 14):
        converter = calibrated(load_adc(f"nnadc-{bits}b-3bit"))
        errors.append(accuracy(unit.sums(requests, converter), unit.sums(requests)).relative_rms)
    # Their ENOB, 7.9, 9.1, 10.9 and 12.9, are more than one bit apart.
    assert errors[0] > 2 * errors[1]
    assert errors[1] > 2 * errors[2]
    assert errors[2] >= errors[3]
    # One level is 36 steps of 14 bits, and 9 of 12.
    assert errors[3] == 0.0


def test_accuracy_of_sums_by_hand():
    found = accuracy([[3.0, 4.0], [0.0, 2.0]], [[3.0, 4.0], [2.0, 0.0]])
    assert found.relative_rms == pytest.approx((8 / 29) ** 0.5)
    assert found.cosine == pytest.approx(0.5)


def test_a_current_beyond_full_scale_is_clipped_and_counted():
    wide = Cell(bits=1, g_min_s=1e-6, g_max_s=1e-4, program_sigma=0.3)
    unit = ColumnUnit(np.ones((40, 4)), wide, element_bits=2, most_rows=1)
    quantiser = IdealQuantiser(8)
    unit.sums([[row] for row in range(40)], quantiser)
    assert quantiser.clipped == np.count_nonzero(unit.g_s > wide.g_max_s) > 0


def test_energy_and_time_of_sums_are_those_of_their_conversions():
    adc = load_adc("nnadc-12b-3bit")
    taken, unit = costs(adc), ColumnUnit(np.ones((4, 6)), PLAIN)
    assert unit.columns == 18
    per_conversion_j = taken.power_w / taken.rate_hz
    million = total_nj(unit.ledger(taken, 1_000_000)) * 1e-9 / 1e6
    assert million == pytest.approx(18 * per_conversion_j, rel=1e-9)
    assert unit.sum_s(taken) == pytest.approx(18 / taken.rate_hz)


# Errors


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (np.ones((1025, 1)), {}, "1025 rows: a crossbar has at most 1024"),
        (np.ones((2, 342)), {}, "342 elements, 3 cells each"),
        (np.zeros((2, 2)), {}, "all values are 0"),
        (np.ones(3), {}, "must be \\(rows, elements\\)"),
        ([[1.0, np.nan]], {}, "table \\[0, 1\\] = nan"),
        (np.ones((2, 2)), {"element_bits": 17}, "element_bits = 17: must be a whole number from 2 to 16"),
        (np.ones((2, 2)), {"element_bits": 8.0}, "element_bits = 8.0"),
        (np.ones((2, 2)), {"most_rows": 3}, "most_rows = 3: must be a whole number from 1 to 2"),
        (np.ones((2, 2)), {"read_v": 0.0}, "read_v = 0 V"),
        (np.ones((2, 2)), {"wires": Wires(output="voltage")}, "voltages are no sums"),
    ],
)
def test_what_does_not_fit_is_refused(table, options, message):
    with pytest.raises(InputError, match=message):
        ColumnUnit(table, PLAIN, **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"spacing": "resistance"}, "equal steps of conductance"), ({"sinh_v": 0.3}, "linear cells")],
)
def test_cells_that_a_column_cannot_add_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        ColumnUnit(np.ones((2, 2)), Cell(bits=3, g_min_s=1e-6, g_max_s=1e-4, **change))


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ([], "one at least"),
        ([0.5], "whole numbers"),
        ([True, False], "whole numbers"),
        ([0, 8], "row 8: must be from 0 to 7"),
        ([-1], "row -1"),
        ([3, 3], "row 3 twice"),
        ([0, 1, 2, 3, 4], "5 rows; most_rows = 4"),
    ],
)
def test_a_request_that_does_not_fit_is_refused(request_, message):
    unit = ColumnUnit(np.ones((8, 2)), PLAIN, most_rows=4)
    with pytest.raises(InputError, match=f"request \\[1\\].*{message}"):
        unit.sums([[0], request_])


def test_accuracy_of_nothing_is_refused():
    with pytest.raises(InputError, match="all are 0"):
        accuracy(np.zeros((2, 2)), np.zeros((2, 2)))
    with pytest.raises(InputError, match="must both be"):
        accuracy(np.zeros((2, 2)), np.zeros((2, 3)))
