"""What thermal noise allows converters in their own domain, by formula, and that none is better."""

from math import log, log2, sqrt

import numpy as np
import pytest
from scipy.special import ive

from archsim.analog.metrology import enob, ktc_limit_db
from archsim.analog.nnadc import calibrated, costs, load_adc, measure
from archsim.analog.nnadc.bound import AMPLITUDE, sampling_capacitor_f, thermal_enob, thermal_sndr_db
from archsim.analog.nnadc.measure import dynamic

LOG = "nnadc-14b-3bit-log"
KT = 1.380649e-23 * 300.0


def cut(bits, kind, *changes):
    """Return the converter behind a front with another width and scheme; its stages stay."""
    return load_adc(LOG, [f"bits={bits}", f"guard_bits={16 - bits}", f"scheme.kind={kind}", *changes])


def test_no_converter_is_better_than_thermal_noise_allows():
    for kind in ("linear", "log", "sqrt"):
        for change in ("front.gains=[]", "front.gains=[8, 64, 512]"):
            adc = cut(14, kind, change)
            # A record of 16,384 samples knows its noise to half a percent, 0.01 bit.
            assert dynamic(calibrated(adc), adc, costs(adc).rate_hz).enob < thermal_enob(adc) + 0.03


def test_without_amplifiers_even_an_ideal_converter_behind_these_samplers_falls_short():
    bare = {kind: thermal_enob(cut(14, kind, "front.gains=[]")) for kind in ("linear", "log", "sqrt")}
    assert bare["linear"] > 13.5
    assert bare["log"] == pytest.approx(10.46, abs=0.02)
    assert bare["sqrt"] == pytest.approx(9.63, abs=0.02)


def test_the_bound_of_the_logarithm_is_its_mean_square_slope():
    adc = cut(14, "log", "front.gains=[]", "scheme.mu=30.0", "capacitor.first_f=1e-9")
    rise = log(31.0)
    noise = sqrt(2 * KT / 1e-9) / 2.0 * 30.0 / rise * sqrt(ive(0, rise))
    wanted = -log2(sqrt(12.0) * noise) + log2(2.0 * AMPLITUDE)
    assert enob(thermal_sndr_db(adc)) == pytest.approx(wanted, abs=0.02)


def test_the_bound_of_the_square_root_goes_with_five_eighths_of_the_bits_of_noise():
    smaller, larger = (
        enob(thermal_sndr_db(cut(14, "sqrt", "front.gains=[]", f"capacitor.first_f={each}")))
        for each in (1e-14, 16e-14)
    )
    assert larger - smaller == pytest.approx(2 * 5 / 8, abs=0.03)


def test_the_bound_of_a_linear_converter_is_that_of_its_capacitor():
    adc = load_adc("nnadc-14b-3bit")
    assert sampling_capacitor_f(adc) == 9e-12
    limit = ktc_limit_db(9e-12, 2.0, 300.0)
    assert thermal_sndr_db(adc) == pytest.approx(limit + 20 * np.log10(0.998), abs=0.01)


@pytest.mark.parametrize("kind", ["linear", "log", "sqrt"])
def test_the_capacitor_that_figures_of_merit_see_allows_what_the_samplers_allow(kind):
    adc = cut(14, kind)
    limit = ktc_limit_db(sampling_capacitor_f(adc), 2.0, 300.0)
    assert thermal_sndr_db(adc, amplifiers=False) == pytest.approx(limit + 20 * np.log10(0.998), abs=1e-6)


def test_figures_of_merit_do_not_flag_what_the_gains_of_paths_make_possible():
    quiet = ["front.noise_factor=0.0", "amplifier.noise_factor=0.0", "cell.read_sigma=0.0"]
    found = measure(cut(14, "sqrt", *quiet))
    # More than the sampler of the direct path would allow, less than those of all paths do.
    assert found.sine.sndr_db > thermal_sndr_db(cut(14, "sqrt", "front.gains=[]"))
    assert found.sine.sndr_db < found.placement.ktc_limit_db
    assert not any("kT/C" in flag for flag in found.placement.flags)
