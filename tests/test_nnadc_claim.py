"""The claim: fourteen bits from 3-bit cells by a pipeline, and not by a single stage of as many cells."""

import numpy as np
import pytest

from archsim.analog.nnadc import calibrated, load_adc, measure, monte_carlo
from archsim.analog.nnadc.fabricate import cells, levels_of, residue_levels
from archsim.analog.nnadc.measure import static


@pytest.fixture(scope="module")
def fourteen():
    return measure(load_adc("nnadc-14b-3bit"))


def test_the_pipeline_of_3_bit_cells_reaches_12_5_bits_and_misses_no_code(fourteen):
    assert fourteen.adc.bits == 14
    assert fourteen.adc.cell.bits == 3
    assert fourteen.sine.enob >= 12.5
    assert fourteen.ramp.missing.size == 0
    assert np.abs(fourteen.ramp.linearity.dnl).max() < 1.0


def test_all_its_cells_are_on_levels_of_the_cell():
    adc = load_adc("nnadc-14b-3bit")
    stages = range(len(adc.stage_bits) - 1)
    for levels in (*levels_of(adc), *(residue_levels(adc, number) for number in stages)):
        assert levels.min() >= 0
        assert levels.max() <= 7
    assert adc.cell.program_sigma > 0
    assert adc.cell.read_sigma > 0


def test_a_single_stage_of_as_many_cells_does_not_get_there(fourteen):
    single = load_adc("nnadc-14b-3bit-single")
    assert single.cell == fourteen.adc.cell
    assert single.circuit == fourteen.adc.circuit
    assert 0.95 < cells(single) / cells(fourteen.adc) <= 1.0
    found = measure(single)
    assert found.sine.enob < 6.5
    assert found.ramp.missing.size > 10_000


@pytest.mark.parametrize("bits", [2, 4, 5, 6])
def test_the_bits_of_cells_hardly_matter_to_a_pipeline(fourteen, bits):
    other = measure(load_adc(f"nnadc-14b-{bits}bit"))
    assert other.sine.enob == pytest.approx(fourteen.sine.enob, abs=0.1)
    assert other.ramp.missing.size == 0


def test_every_device_reaches_12_5_bits():
    found = monte_carlo(load_adc("nnadc-14b-3bit"), 12, first=100)
    assert found.shape == (12,)
    assert found.min() >= 12.5


@pytest.mark.slow
def test_every_one_of_200_devices_reaches_12_5_bits():
    assert monte_carlo(load_adc("nnadc-14b-3bit"), 200).min() >= 12.5


@pytest.mark.slow
def test_none_of_200_devices_misses_a_code_though_none_is_monotone():
    adc = load_adc("nnadc-14b-3bit")
    ramps = [static(calibrated(adc, device), adc) for device in range(200)]
    assert not any(ramp.missing.size for ramp in ramps)
    assert 0 < min(ramp.falls for ramp in ramps) <= max(ramp.falls for ramp in ramps) < 1000


@pytest.mark.parametrize("device", [0, 1])
def test_with_finer_steps_and_exact_weights_the_code_never_falls(device):
    changes = [
        f"stage_bits={[2] * 17}",
        f"stage_redundancy={[1] * 16 + [0]}",
        "guard_bits=4",
        "calibration.samples=1048576",
        "calibration.fraction_bits=12",
        "amplifier.gain_db=100.0",
    ]
    adc = load_adc("nnadc-14b-3bit", changes)
    assert static(calibrated(adc, device), adc).falls == 0


@pytest.mark.parametrize(("bits", "least"), [(8, 7.7), (10, 9.0), (12, 10.7)])
def test_smaller_converters_come_close_to_their_bits(bits, least):
    found = measure(load_adc(f"nnadc-{bits}b-3bit"))
    assert found.sine.enob >= least
    assert found.ramp.missing.size == 0


def test_noise_of_cells_limits_the_pipeline_more_than_the_error_of_their_levels():
    base = ["calibration.samples=16384"]
    enobs = {
        change: monte_carlo(load_adc("nnadc-14b-3bit", [*base, change]), 2).mean()
        for change in (
            "cell.read_sigma=0.0",
            "cell.read_sigma=0.002",
            "cell.read_sigma=0.02",
            "cell.program_sigma=0.1",
        )
    }
    assert enobs["cell.read_sigma=0.0"] > enobs["cell.read_sigma=0.002"] > enobs["cell.read_sigma=0.02"] + 1.5
    assert enobs["cell.program_sigma=0.1"] > enobs["cell.read_sigma=0.002"] - 0.3


def test_nothing_is_better_than_physics_or_practice_allows(fourteen):
    assert fourteen.placement.flags == ()
