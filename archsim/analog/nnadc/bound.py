"""What thermal noise alone leaves of a converter in its own domain, however good all else is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archsim.analog.metrology import enob, ktc_limit_db
from archsim.analog.nnadc.front import gains_at, sampling_v2
from archsim.analog.nnadc.noise import quantiles
from archsim.analog.nnadc.scheme import compand, expand
from archsim.analog.nnadc.spec import Adc

F64 = NDArray[np.float64]

#: Of full scale, so that noise does not clip the tops of the sine.
AMPLITUDE = 0.499
_PHASES = 4096
_DRAWS = 256


def noise_rms(adc: Adc, x: F64, amplifiers: bool = True) -> F64:
    """Return the rms thermal noise of the samplers, and of the front's amplifiers, at the input, in full scales.

    Parameters
    ----------
    adc : Adc
    x : ndarray of float64
        Inputs from 0 to 1, which decide the path.
    amplifiers : bool
        Whether those of the front count.
    """
    gain = gains_at(adc, x)
    sampled = sampling_v2(adc)
    square = sampled / gain**2
    if amplifiers and adc.front is not None:
        square = square + np.where(gain > 1.0, adc.front.noise_factor * sampled / gain, 0.0)
    found: F64 = np.sqrt(square) / (2.0 * adc.circuit.reference_v)
    return found


def thermal_sndr_db(adc: Adc, amplifiers: bool = True, bits: int | None = None) -> float:
    """Return the SNDR of a nearly full-scale sine in the domain of the scheme, with thermal noise and nothing else.

    Parameters
    ----------
    adc : Adc
    amplifiers : bool
        Whether the noise of the front's amplifiers is in it, or that of the samplers alone.
    bits : int, optional
        Of an ideal rounding as well; without it there is none.
    """
    turn = 2.0 * np.pi * (np.arange(_PHASES) + 0.5) / _PHASES
    y = 0.5 + AMPLITUDE * np.sin(turn)
    x = expand(adc.scheme, y)
    # Means of equal parts of the normal distribution, of variance 1 together.
    z = quantiles().reshape(_DRAWS, -1).mean(axis=1)
    z = z / np.sqrt(np.mean(z * z))
    noisy = x[:, None] + noise_rms(adc, x, amplifiers)[:, None] * z
    found = compand(adc.scheme, np.clip(noisy, 0.0, 1.0))
    # As in a sine fit: offset and amplitude are those that leave least.
    mean, centred = found.mean(axis=1), y - y.mean()
    slope = float(centred @ mean / (centred @ centred))
    rest = found - mean.mean() - slope * centred[:, None]
    square = float(np.mean(rest * rest)) + (0.0 if bits is None else 4.0**-bits / 12.0)
    return float(10.0 * np.log10((slope * AMPLITUDE) ** 2 / 2.0 / square))


def thermal_enob(adc: Adc, amplifiers: bool = True) -> float:
    """Return the ENOB of an ideal converter of as many bits behind the samplers, with their noise."""
    return enob(thermal_sndr_db(adc, amplifiers, adc.bits))


def sampling_capacitor_f(adc: Adc) -> float:
    """Return the capacitor whose noise leaves a linear converter the SNDR that the samplers leave this one.

    Both halves of a differential sampler have one: their noise is that of half of it.
    """
    half = adc.capacitor.first_f / 2.0
    if adc.scheme.kind == "linear" and adc.front is None:
        return half
    full_scale = 2.0 * adc.circuit.reference_v
    plain = ktc_limit_db(half, full_scale, adc.circuit.temperature_k) + 20.0 * np.log10(2.0 * AMPLITUDE)
    return float(half * 10.0 ** ((thermal_sndr_db(adc, amplifiers=False) - plain) / 10.0))
