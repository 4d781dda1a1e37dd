"""Wires inside stages: ratios of columns by the exact network, and what is left of them after calibration."""

import numpy as np
import pytest
from crossbar_twin import outputs, tied_output
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.analog import Crossbar, Wires
from archsim.analog.nnadc import costs, load_adc
from archsim.analog.nnadc.calibration import calibrate
from archsim.analog.nnadc.fabricate import fabricate
from archsim.analog.nnadc.measure import dynamic
from archsim.analog.nnadc.wires import effective_columns, effective_units
from archsim.errors import InputError

ADC = load_adc("nnadc-10b-3bit")
OHMS = st.sampled_from([0.0, 1.0, 30.0, 500.0])


def drawn(seed, shape):
    return np.random.default_rng(seed).uniform(1e-6, 1e-4, shape)


def moved(wires, device=0):
    """Return the largest shift of a threshold (references), and the largest relative change of a residue's weight."""
    without, found = fabricate(ADC, device), fabricate(ADC, device, wires=wires)
    pairs = list(zip(without.stages, found.stages, strict=True))
    shifts = [
        abs(after.at[0] - before.at[0])
        for one, other in pairs
        for before, after in zip(one.crossings, other.crossings, strict=True)
    ]
    changes = [
        np.abs(other.residue.bit / one.residue.bit - 1).max()
        for one, other in pairs
        if one.residue is not None
    ]
    return max(shifts), max(changes)


# Twins and properties


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    columns=st.integers(1, 5),
    lines=st.integers(1, 6),
    word=OHMS,
    bit=OHMS,
    driver=OHMS,
)
def test_columns_form_the_ratios_of_the_whole_network(seed, columns, lines, word, bit, driver):
    g = drawn(seed, (columns, lines))
    v = np.random.default_rng(seed + 1).uniform(-1, 1, lines)
    around = {"r_word_ohm": word, "r_bit_ohm": bit, "r_driver_ohm": driver}
    found = effective_columns(g, Wires(**around))
    np.testing.assert_allclose(found.sum(axis=1), g.sum(axis=1), rtol=1e-9)
    slow = outputs(g.T, Wires(**around, output="voltage"), v)
    np.testing.assert_allclose(found @ v / found.sum(axis=1), slow, rtol=1e-8, atol=1e-10)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    units=st.integers(1, 6),
    cells=st.integers(1, 5),
    word=OHMS,
    bit=OHMS,
    driver=OHMS,
)
def test_units_weigh_what_the_whole_network_with_tied_ends_says(seed, units, cells, word, bit, driver):
    g = drawn(seed, (units, cells))
    v = np.random.default_rng(seed + 1).uniform(-1, 1, units)
    wires = Wires(r_word_ohm=word, r_bit_ohm=bit, r_driver_ohm=driver)
    weights = effective_units(g, wires)
    assert weights.sum() == pytest.approx(1.0, rel=1e-12)
    slow = tied_output(g, wires.model_copy(update={"output": "voltage"}), v)
    assert weights @ v == pytest.approx(slow, rel=1e-8, abs=1e-10)


def test_without_resistance_nothing_changes_but_rounding():
    g = drawn(1, (6, 14))
    np.testing.assert_allclose(effective_columns(g, Wires()), g, rtol=1e-12)
    np.testing.assert_allclose(effective_units(g, Wires()), g.sum(axis=1) / g.sum(), rtol=1e-12)
    assert max(moved(Wires())) < 1e-9


def test_a_stage_sees_the_columns_of_its_crossbars():
    wires = Wires(r_word_ohm=50.0, r_bit_ohm=50.0)
    from archsim.analog.nnadc.fabricate import Made, fabricate_network, levels_of

    levels = levels_of(ADC)
    network = fabricate_network(ADC, levels, Made(3, 1, wires=wires))
    around = wires.model_copy(update={"output": "voltage"})
    v = np.array([0.3, -0.3, 1.0, -1.0])
    cells = Made(3, 1).cells(ADC, levels[0], 0)
    u = Crossbar(cells.T, around).solve_direct(v)
    np.testing.assert_allclose(network.hidden_s @ v / network.hidden_s.sum(axis=1), u, rtol=1e-9)
    paths = Made(3, 1).cells(ADC, levels[1], 1)
    lines = np.linspace(-1, 1, paths.shape[2])
    # Both paths of all outputs are bit lines of one crossbar.
    y = Crossbar(paths.reshape(-1, paths.shape[2]).T, around).solve_direct(lines).reshape(paths.shape[:2])
    np.testing.assert_allclose(network.output_s @ lines / network.output_s.sum(axis=2), y, rtol=1e-9)


# Formulas


def test_shifts_grow_with_resistance_and_calibration_takes_them_out():
    small, large = moved(Wires(r_word_ohm=1.0, r_bit_ohm=1.0)), moved(Wires(r_word_ohm=10.0, r_bit_ohm=10.0))
    assert 5 < large[0] / small[0] < 15
    assert 5 < large[1] / small[1] < 15
    assert small[0] < 0.01
    rate = costs(ADC).rate_hz
    plain, wired = fabricate(ADC), fabricate(ADC, wires=Wires(r_word_ohm=10.0, r_bit_ohm=10.0))
    for converter in (plain, wired):
        calibrate(converter, ADC)
    assert dynamic(wired, ADC, rate).enob == pytest.approx(dynamic(plain, ADC, rate).enob, abs=0.05)


# Errors


def test_what_columns_of_stages_do_not_have_is_refused():
    with pytest.raises(InputError, match="columns of stages end without a load"):
        fabricate(ADC, wires=Wires(output="voltage", g_load_s=1e-6))
    with pytest.raises(InputError, match="columns of stages end without a load"):
        fabricate(ADC, wires=Wires(r_sense_ohm=1.0))
    with pytest.raises(InputError, match="wires of type float: must be of class Wires"):
        fabricate(ADC, wires=1.0)
    many = load_adc("nnadc-10b-3bit", ["column.unit_cells=1025"])
    with pytest.raises(InputError, match=r"column\.unit_cells = 1025: with wires at most 1024"):
        fabricate(many, wires=Wires())
