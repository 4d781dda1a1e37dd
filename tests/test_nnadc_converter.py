"""Fabricated pipelines: their arithmetic, noise, calibration, and inputs beyond the range."""

import numpy as np
import pytest
from nnadc_twin import residue, residue_variance, value

from archsim.analog.metrology import ideal_codes
from archsim.analog.nnadc import load_adc
from archsim.analog.nnadc.calibration import calibrate, calibrated
from archsim.analog.nnadc.converter import thermometer
from archsim.analog.nnadc.fabricate import Made, fabricate, fabricate_network, levels_of
from archsim.analog.nnadc.measure import static
from archsim.errors import InputError

#: Nothing varies and nothing is lost.
PERFECT = [
    "cell.program_sigma=0.0",
    "cell.read_sigma=0.0",
    "circuit.inverter_offset_v=0.0",
    "circuit.comparator_offset_v=0.0",
    "circuit.comparator_noise_v=0.0",
    "amplifier.gain_db=200.0",
    "amplifier.offset_v=0.0",
    "amplifier.noise_factor=0.0",
    "capacitor.first_f=1e-6",
]


@pytest.fixture(scope="module")
def ten():
    return load_adc("nnadc-10b-3bit")


def test_a_pipeline_equals_its_slow_twin_through_the_networks(ten):
    converter = calibrated(ten, 4)
    converter.quiet = True
    networks = [
        fabricate_network(ten, levels_of(ten), Made(4, number)) for number in range(len(ten.stage_bits))
    ]
    x = np.random.default_rng(0).uniform(0, 1, 300)
    slow = [value(networks, converter, float(each)) for each in x]
    np.testing.assert_allclose(converter.values(x), slow, atol=1e-12)


def test_without_any_error_the_drawn_weights_make_an_ideal_converter(ten):
    converter = fabricate(load_adc("nnadc-10b-3bit", PERFECT))
    converter.quiet = True
    x = (np.arange(1 << 14) + 0.5) / (1 << 14)
    np.testing.assert_array_equal(converter.convert(x), ideal_codes(x, 10))


def test_calibration_leaves_an_ideal_converter_as_it_is():
    adc = load_adc("nnadc-10b-3bit", PERFECT)
    converter = calibrated(adc)
    assert not static(converter, adc).missing.size
    assert np.abs(static(converter, adc).linearity.inl).max() < 0.1


def test_calibration_takes_the_error_of_ratios(ten):
    raw, fixed = fabricate(ten, 1), calibrated(ten, 1)
    assert np.abs(static(raw, ten).linearity.inl).max() > 3.0
    assert np.abs(static(fixed, ten).linearity.inl).max() < 0.5


def test_a_bent_ramp_bends_the_converter():
    adc = load_adc("nnadc-10b-3bit", [*PERFECT, f"calibration.ramp_bow={4.0 / 1024}"])
    inl = static(calibrated(adc), adc).linearity.inl
    # Weights have steps to bend and no curve: most of the 4 LSB, not all.
    assert 2.0 < np.abs(inl).max() < 4.5


@pytest.mark.parametrize("bits", [[0, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]])
@pytest.mark.parametrize("v", [-0.9, -0.2, 0.35, 1.0])
def test_the_noise_of_a_residue_has_the_variance_of_its_cells_and_capacitor(ten, bits, v):
    converter = fabricate(ten, 2)
    r = converter.stages[0].residue
    count = 1 << 16
    held = [np.full(count, bool(bit)) for bit in bits]
    y = converter._residue(r, np.full(count, v), held, 0, np.uint64(99))
    if abs(residue(r, v, bits)) < r.swing:
        assert np.mean(y) == pytest.approx(
            residue(r, v, bits), abs=5 * np.sqrt(residue_variance(r, v, bits) / count)
        )
        assert np.var(y) == pytest.approx(residue_variance(r, v, bits), rel=0.03)
    else:
        assert (np.abs(y) == r.swing).mean() > 0.4


@pytest.mark.parametrize("gain_db", [20, 40, 70])
def test_an_overloaded_amplifier_never_turns_the_sign(gain_db):
    converter = fabricate(load_adc("nnadc-14b-3bit", [f"amplifier.gain_db={gain_db}"]))
    converter.quiet = True
    # No bit is set though the input rises: the residue runs from its nominal range far beyond the swing.
    v = np.linspace(-0.45, 1.0, 5001)
    y = converter._residue(converter.stages[0].residue, v, [np.zeros(v.size, bool)] * 3, 0, np.uint64(9))
    assert y.min() > 0.0
    assert y.max() <= converter.stages[0].residue.swing
    assert np.abs(np.diff(y)).max() < 0.01


def test_inputs_that_are_not_in_a_row_are_refused(ten):
    with pytest.raises(InputError, match=r"inputs of shape \(1, 2\): must be samples in a row"):
        fabricate(ten).convert([[0.1, 0.2]])


def test_blocks_change_nothing(ten):
    converter = calibrated(ten)
    x = np.random.default_rng(1).uniform(0, 1, 20_000)
    whole = converter.convert(x)
    parts = [converter.convert(x[at : at + 777], at) for at in range(0, x.size, 777)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_the_same_device_is_the_same_and_another_is_not(ten):
    x = np.random.default_rng(2).uniform(0, 1, 2000)
    np.testing.assert_array_equal(calibrated(ten, 5).convert(x), calibrated(ten, 5).convert(x))
    assert (calibrated(ten, 5).convert(x) != calibrated(ten, 6).convert(x)).any()


def test_inputs_beyond_full_scale_are_clipped_and_counted(ten):
    converter = calibrated(ten)
    codes = converter.convert([-0.5, 0.5, 1.5, 2.0])
    assert converter.clipped == 3
    np.testing.assert_array_equal(codes[[0, 2]], converter.convert([0.0, 0.5, 1.0, 1.0])[[0, 2]])


def test_inputs_beyond_full_scale_are_refused_where_that_is_chosen():
    converter = calibrated(load_adc("nnadc-10b-3bit", ["overrange=refuse"]))
    with pytest.raises(InputError, match=r"input \[1\] = 1\.5: must be within full scale"):
        converter.convert([0.5, 1.5])


def test_what_is_no_number_is_refused(ten):
    with pytest.raises(InputError, match=r"input \[2\] = nan"):
        calibrated(ten).convert([0.1, 0.2, float("nan")])


@pytest.mark.parametrize("bits", [1, 2, 3, 4])
def test_gray_codes_are_decoded_to_thermometers(bits):
    number = np.arange(1 << bits)
    gray = number ^ (number >> 1)
    lines = [(gray >> k) & 1 == 1 for k in range(bits - 1, -1, -1)]
    for k, bit in enumerate(thermometer(lines)):
        np.testing.assert_array_equal(bit, number > k)


def test_drift_of_all_cells_alike_leaves_ratios_alone(ten):
    aged = ["calibration.age_s=1e6", "cell.drift_nu=0.05"]
    x = np.random.default_rng(3).uniform(0, 1, 4000)
    young, old = calibrated(ten), calibrated(load_adc("nnadc-10b-3bit", aged))
    young.quiet = old.quiet = True
    assert np.abs(young.values(x) - old.values(x)).max() < 2e-3
    uneven = calibrated(load_adc("nnadc-10b-3bit", [*aged, "cell.drift_nu_sigma=0.05"]))
    uneven.quiet = True
    assert np.abs(young.values(x) - uneven.values(x)).max() > 5e-3


def test_a_new_calibration_takes_the_drift(ten):
    adc = load_adc("nnadc-10b-3bit", ["cell.drift_nu=0.01", "cell.drift_nu_sigma=0.01"])
    old = fabricate(adc, 0, 1e6)
    calibrate(old, adc)
    assert np.abs(static(old, adc).linearity.inl).max() < 0.5
