"""How good a converter is: sine fits, spectra, DNL and INL, figures of merit."""

from __future__ import annotations

from archsim.analog.metrology.merit import (
    Placement,
    envelope_j,
    ktc_limit_db,
    ktc_noise_v,
    placement,
    schreier_db,
    schreier_limit_db,
    walden_fj,
)
from archsim.analog.metrology.monte_carlo import Limits, Yield, monte_carlo
from archsim.analog.metrology.sine_fit import (
    DB_PER_BIT,
    IDEAL_DB,
    SineFit,
    coherent_cycles,
    enob,
    estimate_frequency,
    fit_sine,
    sine,
)
from archsim.analog.metrology.spectrum import Spectrum, spectrum
from archsim.analog.metrology.static import (
    Linearity,
    RampTest,
    histogram,
    linearity,
    ramp_linearity,
    ramp_test,
    sine_linearity,
    thresholds_of,
)
from archsim.analog.metrology.sweeps import SineTest, ideal_codes, over_amplitude, over_frequency, sine_test

__all__ = [
    "DB_PER_BIT",
    "IDEAL_DB",
    "Limits",
    "Linearity",
    "Placement",
    "RampTest",
    "SineFit",
    "SineTest",
    "Spectrum",
    "Yield",
    "coherent_cycles",
    "enob",
    "envelope_j",
    "estimate_frequency",
    "fit_sine",
    "histogram",
    "ideal_codes",
    "ktc_limit_db",
    "ktc_noise_v",
    "linearity",
    "monte_carlo",
    "over_amplitude",
    "over_frequency",
    "placement",
    "ramp_linearity",
    "ramp_test",
    "schreier_db",
    "schreier_limit_db",
    "sine",
    "sine_linearity",
    "sine_test",
    "spectrum",
    "thresholds_of",
    "walden_fj",
]
