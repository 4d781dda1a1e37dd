"""Foreground calibration: the digital weights of a fabricated converter by least squares on a known ramp."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archsim.analog.nnadc.converter import BLOCK, Converter
from archsim.analog.nnadc.fabricate import fabricate
from archsim.analog.nnadc.scheme import compand, expand
from archsim.analog.nnadc.spec import Adc
from archsim.analog.threads import one_thread

F64 = NDArray[np.float64]

#: Samples of calibration have numbers, and so noise, of their own.
_FIRST = 1 << 40
#: How strongly a weight holds to its drawn value, against a sample of the ramp; only what it never moves feels it.
_HOLD = 1e-8
#: Internal LSB over which the slope of a scheme is taken.
_STEPS = 8.0


def calibrated(adc: Adc, device: int = 0) -> Converter:
    """Return converter ``device``, fabricated, calibrated and aged as its specification says."""
    converter = fabricate(adc, device)
    if adc.calibration.samples:
        with one_thread():
            calibrate(converter, adc)
    if adc.calibration.age_s > adc.cell.drift_t0_s:
        older = fabricate(adc, device, adc.calibration.age_s)
        older.weights, older.constant = converter.weights, converter.constant
        return older
    return converter


def calibrate(converter: Converter, adc: Adc) -> None:
    """Replace the digital weights by those that fit a ramp over the whole range best.

    The ramp has ``calibration.samples`` steps, equal in the domain of the scheme, where the squares of errors count;
    each is converted once, with all noise.
    """
    samples = adc.calibration.samples
    drawn = converter.weights.copy()
    # An error of x is one of f(x) times the slope; over steps that noise hides there is no slope to speak of.
    step = _STEPS * 2.0**-adc.internal_bits
    size = drawn.size + 1
    normal, right = np.zeros((size, size)), np.zeros(size)
    columns = np.empty((size, BLOCK))
    for at in range(0, samples, BLOCK):
        x = expand(adc.scheme, (np.arange(at, min(at + BLOCK, samples)) + 0.5) / samples)
        slope = (compand(adc.scheme, x + step) - compand(adc.scheme, x)) / step
        true = x + adc.calibration.ramp_bow * 4.0 * x * (1.0 - x)
        bits = converter.stage_bits(true, _FIRST + at)
        part = columns[:, : x.size]
        part[:-1] = bits
        part[-1] = 1.0
        # Solve for what is to be added to the drawn weights.
        rest = x - converter.constant - drawn @ part[:-1]
        part *= slope
        normal += part @ part.T
        right += part @ (rest * slope)
    normal[np.diag_indices(size - 1)] += _HOLD * samples
    change = np.linalg.solve(normal, right)
    grid = 2.0 ** -(adc.bits + adc.calibration.fraction_bits)
    converter.weights = np.rint((drawn + change[:-1]) / grid) * grid
    converter.constant = float(np.rint((converter.constant + change[-1]) / grid) * grid)
