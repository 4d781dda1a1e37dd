"""The column unit that sums embedding rows, and its accuracy, energy and refusals."""

import numpy as np
import pytest
from column_unit_twin import fitted, paired_digits, passes, pooled, stored_digits
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.analog import Cell, Crossbar, Wires, read
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


def repeated(rows, pool, requests, seed):
    """Return requests that name rows more than once."""
    rng = np.random.default_rng(seed)
    return [rng.integers(0, rows, int(rng.integers(1, pool + 1))).tolist() for _ in range(requests)]


def true_sums(table, requests):
    return np.array([table[rows].sum(axis=0) for rows in requests])


def read_conductances(unit, requests):
    """Return the conductances of the whole table in each read, of which the twin takes those that are on."""
    found = []
    for number, each in enumerate(unit.reads(requests)):
        g_s, low = unit.g_s.copy(), each.tile * unit.rows_per_tile
        part = slice(low, low + unit.rows_per_tile)
        g_s[part] = read(unit.cell, unit.g_s[part], unit.seed, number, unit.device, each.tile)
        found.append(g_s)
    return found


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
@given(seed=st.integers(0, 10**6), cell_bits=st.integers(1, 8), element_bits=st.integers(2, 16))
def test_pairs_of_bit_lines_hold_the_digits_of_positive_and_negative_parts(seed, cell_bits, element_bits):
    table = np.random.default_rng(seed).normal(size=(3, 2))
    cell = Cell(bits=cell_bits, g_min_s=1e-6, g_max_s=1e-4)
    unit = ColumnUnit(table, cell, element_bits=element_bits, signed="dual-path")
    levels = unit.levels().reshape(3, 2, 2 * unit.slices)
    for row in range(3):
        for element in range(2):
            digits = paired_digits(table[row, element], unit.step, element_bits, cell_bits)
            assert levels[row, element].tolist() == digits


FORMS = st.sampled_from(["offset", "dual-path"])


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    cell_bits=st.integers(1, 6),
    element_bits=st.integers(2, 12),
    signed=FORMS,
    rows_per_tile=st.sampled_from([None, 1, 6, 7, 20]),
)
def test_without_variation_and_conversion_sums_are_those_of_the_whole_numbers(
    seed, cell_bits, element_bits, signed, rows_per_tile
):
    table, distinct = drawn(20, 3, 20, 3, seed)
    cell = Cell(bits=cell_bits, g_min_s=1e-6, g_max_s=1e-4)
    unit = ColumnUnit(table, cell, element_bits=element_bits, signed=signed, rows_per_tile=rows_per_tile)
    requests = [*distinct, *repeated(20, 30, 3, seed)]
    np.testing.assert_array_equal(unit.sums(requests), true_sums(unit.whole, requests) * unit.step)
    unit.calibrate(requests)
    np.testing.assert_array_equal(unit.sums(requests), true_sums(unit.whole, requests) * unit.step)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    bits=st.sampled_from([None, 3, 6, 9, 14]),
    signed=FORMS,
    rows_per_tile=st.sampled_from([None, 1, 5]),
    full_scale=st.sampled_from([1.0, 0.3]),
)
def test_the_unit_equals_its_slow_twin_with_variation_of_programming_and_reads(
    seed, bits, signed, rows_per_tile, full_scale
):
    table, requests = drawn(12, 3, 8, 3, seed)
    requests += repeated(12, 8, 3, seed)
    unit = ColumnUnit(
        table, REAL, element_bits=7, most_rows=8, seed=seed, device=2, signed=signed,
        rows_per_tile=rows_per_tile, full_scale=full_scale,
    )  # fmt: skip
    slow = pooled(unit, read_conductances(unit, requests), requests, bits)
    quantiser = None if bits is None else IdealQuantiser(bits)
    np.testing.assert_allclose(unit.sums(requests, quantiser), slow, rtol=0, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), rows_per_tile=st.integers(1, 12))
def test_reads_are_those_of_the_slow_twin(seed, rows_per_tile):
    requests = repeated(12, 20, 5, seed)
    unit = ColumnUnit(np.ones((12, 1)), PLAIN, rows_per_tile=rows_per_tile)
    slow = [
        (number, tile, [row - tile * rows_per_tile for row in rows])
        for number, request in enumerate(requests)
        for tile, rows in passes(unit, request)
    ]
    assert [(each.request, each.tile, each.rows.tolist()) for each in unit.reads(requests)] == slow


@pytest.mark.parametrize("signed", ["offset", "dual-path"])
def test_currents_with_wires_are_those_of_the_whole_network(signed):
    table, requests = drawn(12, 2, 6, 5)
    wires = Wires(r_word_ohm=2.0, r_bit_ohm=2.0, r_driver_ohm=50.0)
    cell = Cell(bits=3, g_min_s=1e-6, g_max_s=1e-4, program_sigma=0.02)
    unit = ColumnUnit(table, cell, wires=wires, signed=signed)
    v = np.zeros((5, 12))
    for number, rows in enumerate(requests):
        v[number, rows] = unit.read_v
    whole = Crossbar(unit.g_s, wires)
    np.testing.assert_allclose(unit.currents(requests), whole.solve_direct(v), rtol=1e-9)
    assert (unit.currents(requests) < whole.ideal().outputs(v)).all()


def test_a_read_sees_its_tile_alone():
    table, _ = drawn(12, 2, 6, 5)
    wires = Wires(r_word_ohm=2.0, r_bit_ohm=2.0)
    unit = ColumnUnit(table, PLAIN, wires=wires, rows_per_tile=5)
    v = np.zeros((3, 12))
    v[0, [1, 4]] = v[1, [5]] = v[2, [11]] = unit.read_v
    found = unit.currents([[1, 4, 5, 11]])
    for at, part in enumerate((slice(0, 5), slice(5, 10), slice(10, 12))):
        alone = Crossbar(unit.g_s[part], wires).solve_direct(v[at, part])
        np.testing.assert_allclose(found[at], alone, rtol=1e-9)


@pytest.mark.parametrize("signed", ["offset", "dual-path"])
def test_gains_are_the_least_squares_of_the_twin(signed):
    table, _ = drawn(10, 2, 6)
    wires = Wires(r_word_ohm=20.0, r_bit_ohm=20.0)
    unit = ColumnUnit(table, PLAIN, element_bits=5, wires=wires, signed=signed, rows_per_tile=6)
    requests = repeated(10, 6, 30, 3)
    reads, digits = unit.reads(requests), unit._digits(unit.reads(requests), None, 0)
    unit.calibrate(requests)
    levels = unit.levels()
    known = levels[:, 0::2] - levels[:, 1::2] if signed == "dual-path" else levels
    for tile in range(2):
        mine = [at for at, each in enumerate(reads) if each.tile == tile]
        on = [len(reads[at].rows) for at in mine]
        for column in range(unit.columns):
            true = [int(known[6 * tile + reads[at].rows, column].sum()) for at in mine]
            gain, per_row = fitted([digits[at, column] for at in mine], on, true, 1e-9)
            # A column of one level only leaves its gain to the weight that holds it.
            assert unit.gain[tile, column] == pytest.approx(gain, rel=1e-6, abs=1e-6)
            assert unit.per_row[tile, column] == pytest.approx(per_row, rel=1e-6, abs=1e-6)


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


def test_a_sum_of_both_signs_beyond_full_scale_is_clipped_and_counted():
    unit = ColumnUnit([[1.0, -1.0]] * 8, PLAIN, element_bits=4, signed="dual-path", full_scale=0.5)
    quantiser = IdealQuantiser(10)
    # 4 of 8 rows at the highest level are 0.99 of half the range.
    np.testing.assert_array_equal(unit.sums([range(4)], quantiser), [[4.0, -4.0]])
    assert quantiser.clipped == 0
    found = unit.sums([range(5)], quantiser)[0]
    assert quantiser.clipped == 2
    assert 4.0 <= found[0] < 5.0
    assert -5.0 < found[1] <= -4.0


def test_wires_take_a_share_of_the_sum_of_dual_paths_and_more_than_all_of_an_offset_one():
    table, _ = drawn(128, 4)
    rng = np.random.default_rng(5)
    requests = [rng.choice(128, 16, replace=False) for _ in range(40)]
    errors = {}
    for signed in ("offset", "dual-path"):
        wires = Wires(r_word_ohm=0.3, r_bit_ohm=0.3)
        unit = ColumnUnit(table, PLAIN, most_rows=16, wires=wires, signed=signed)
        before = accuracy(unit.sums(requests), true_sums(table, requests)).relative_rms
        unit.calibrate([rng.choice(128, 16, replace=False) for _ in range(100)])
        errors[signed] = before, accuracy(unit.sums(requests), true_sums(table, requests)).relative_rms
    assert errors["dual-path"][0] < 0.5 < 1.0 < errors["offset"][0]
    # What gains leave is that rows far away count less than near ones.
    assert errors["offset"][1] < errors["offset"][0] / 2
    assert errors["dual-path"][1] < errors["dual-path"][0]
    unit = ColumnUnit(table, PLAIN, most_rows=16, wires=wires, signed="dual-path", rows_per_tile=16)
    assert accuracy(unit.sums(requests), true_sums(table, requests)).relative_rms < errors["dual-path"][0] / 2


def test_gains_make_up_for_a_loss_that_is_the_same_for_all_rows():
    # Sense resistance alone, and one row at a time: each column loses a share of its own, for every row the same one
    # but for the loading by the cells that are off, which stays.
    table, _ = drawn(16, 3)
    unit = ColumnUnit(table, PLAIN, wires=Wires(r_sense_ohm=500.0), signed="dual-path")
    requests = [[row] for row in range(16)]
    assert (unit.sums(requests) != true_sums(unit.whole, requests) * unit.step).any()
    unit.calibrate(requests)
    np.testing.assert_array_equal(unit.sums(requests), true_sums(unit.whole, requests) * unit.step)


def test_energy_and_time_of_sums_are_those_of_their_reads():
    adc = load_adc("nnadc-12b-3bit")
    taken, unit = costs(adc), ColumnUnit(np.ones((4, 6)), PLAIN)
    assert unit.columns == 18
    per_conversion_j = taken.power_w / taken.rate_hz
    million = total_nj(unit.ledger(taken, 1_000_000)) * 1e-9 / 1e6
    assert million == pytest.approx(18 * per_conversion_j, rel=1e-9)
    assert unit.reads_s(taken, 3) == pytest.approx(54 / taken.rate_hz)
    more = unit.ledger(taken, 1_000_000, adder_j=adc.cost.adder_j)
    assert more[:-1] == unit.ledger(taken, 1_000_000)
    assert (more[-1].event, more[-1].count) == ("sum_add", 18_000_000)
    assert more[-1].pj_per_event == pytest.approx(adc.cost.adder_j * 1e12)


def test_repeated_rows_and_tiles_cost_reads_of_their_own():
    rows = np.ones((8, 1))
    assert len(ColumnUnit(rows, PLAIN).reads([[0, 3, 5], [3, 3, 5], [1]])) == 4
    assert len(ColumnUnit(rows, PLAIN, rows_per_tile=4).reads([[0, 3, 5], [3, 3, 5], [1]])) == 6


def test_pairs_have_one_conversion_for_two_bit_lines():
    single, pair = (ColumnUnit(np.ones((4, 6)), PLAIN, signed=form) for form in ("offset", "dual-path"))
    assert (single.columns, single.bit_lines, pair.columns, pair.bit_lines) == (18, 18, 18, 36)
    assert pair.currents([[0, 1]]).shape == (1, 36)


# Errors


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (np.ones((1025, 1)), {}, "1025 rows: a crossbar has at most 1024"),
        (np.ones((2, 342)), {}, "342 elements, 3 cells each"),
        (np.zeros((2, 2)), {}, "all values are 0"),
        (np.ones(3), {}, "must be \\(rows, elements\\)"),
        ([[1.0, np.nan]], {}, "table \\[0, 1\\] = nan"),
        (np.ones((2, 2)), {"element_bits": 17}, "element_bits = 17: must be from 2 to 16"),
        (np.ones((2, 2)), {"element_bits": 8.0}, "element_bits = 8.0"),
        (np.ones((2, 2)), {"most_rows": 3}, "most_rows = 3: must be from 1 to 2"),
        (np.ones((2, 2)), {"read_v": 0.0}, "read_v = 0: must be above 0, at most 10"),
        (np.ones((2, 2)), {"read_v": "0.2"}, "read_v = '0.2'"),
        (np.ones((2, 2)), {"rows_per_tile": 0}, "rows_per_tile = 0: must be from 1 to 2"),
        (np.ones((2, 2)), {"rows_per_tile": 1.5}, "rows_per_tile = 1.5"),
        (np.ones((2, 2)), {"full_scale": 0.0}, "full_scale = 0: must be above 0, at most 1"),
        (np.ones((2, 2)), {"full_scale": float("nan")}, "full_scale = nan"),
        (np.ones((2, 2)), {"signed": "dual"}, "did you mean 'dual-path'"),
        (np.ones((2, 171)), {"signed": "dual-path"}, "171 elements, 6 cells each"),
        (np.ones((2, 2)), {"wires": 1.0}, "wires of type float"),
        ([["a", "b"]], {}, "table \\[0\\] = 'a': must be a number"),
        ([[1.0, 2.0], [1.0]], {}, "table: rows of different lengths"),
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
        (3, "list of whole numbers"),
        ([[1], [2, 3]], "list of whole numbers"),
        (["a"], "list of whole numbers"),
        ([0, 1, 2, 3, 4], "5 rows; most_rows = 4"),
    ],
)
def test_a_request_that_does_not_fit_is_refused(request_, message):
    unit = ColumnUnit(np.ones((8, 2)), PLAIN, most_rows=4)
    with pytest.raises(InputError, match=f"request \\[1\\].*{message}"):
        unit.sums([[0], request_])


def test_a_cell_by_its_name_is_refused_with_what_it_must_be():
    with pytest.raises(
        InputError, match=r'cell of type str: must be of class Cell, such as Cell.load\("rram-3bit"\)'
    ):
        ColumnUnit(np.ones((2, 2)), "rram-3bit")


def test_accuracy_of_nothing_is_refused():
    with pytest.raises(InputError, match="all are 0"):
        accuracy(np.zeros((2, 2)), np.zeros((2, 2)))
    with pytest.raises(InputError, match="must both be"):
        accuracy(np.zeros((2, 2)), np.zeros((2, 3)))
