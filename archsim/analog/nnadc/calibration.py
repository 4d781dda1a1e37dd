"""Foreground calibration: the digital weights of a fabricated converter by least squares on a known ramp."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archsim.analog.nnadc.converter import BLOCK, Converter
from archsim.analog.nnadc.fabricate import fabricate
from archsim.analog.nnadc.front import ranges
from archsim.analog.nnadc.scheme import compand, expand
from archsim.analog.nnadc.spec import Adc, Scheme
from archsim.analog.threads import one_thread

F64 = NDArray[np.float64]

#: Samples of calibration have numbers, and so noise, of their own.
_FIRST = 1 << 40
#: How strongly a weight holds to its drawn value, against a sample of the ramp; only what it never moves feels it.
_HOLD = 1e-8
#: Internal LSB over which the slope of a scheme is taken.
_STEPS = 8.0
#: Likewise behind an amplified path, in its steps: the noise of its amplifier is more of them.
_PATH_STEPS = 32.0


def calibrated(adc: Adc, device: int = 0) -> Converter:
    """Return converter ``device``, fabricated, calibrated and aged as its specification says."""
    converter = fabricate(adc, device)
    if adc.calibration.samples:
        with one_thread():
            calibrate(converter, adc)
            calibrate_front(converter, adc)
    if adc.calibration.age_s > adc.cell.drift_t0_s:
        older = fabricate(adc, device, adc.calibration.age_s)
        older.weights, older.constant = converter.weights, converter.constant
        older.scales, older.shifts = converter.scales, converter.shifts
        return older
    return converter


def calibrate(converter: Converter, adc: Adc) -> None:
    """Replace the digital weights by those that fit a ramp over the whole range best.

    The ramp has ``calibration.samples`` steps, equal in the domain of the scheme, where the squares of errors count;
    each is converted once, with all noise. Behind a front, every path uses the whole range of the stages: the ramp then
    goes the direct way, and steps and errors are linear.
    """
    samples = adc.calibration.samples
    scheme = Scheme() if converter.paths else adc.scheme
    drawn = converter.weights.copy()
    # An error of x is one of f(x) times the slope; over steps that noise hides there is no slope to speak of.
    step = _STEPS * 2.0**-adc.internal_bits
    size = drawn.size + 1
    normal, right = np.zeros((size, size)), np.zeros(size)
    columns = np.empty((size, BLOCK))
    for at in range(0, samples, BLOCK):
        x = expand(scheme, (np.arange(at, min(at + BLOCK, samples)) + 0.5) / samples)
        slope = (compand(scheme, x + step) - compand(scheme, x)) / step
        true = x + adc.calibration.ramp_bow * 4.0 * x * (1.0 - x)
        converter.forced = 0
        bits = converter.stage_bits(true, _FIRST + at)
        converter.forced = None
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


def calibrate_front(converter: Converter, adc: Adc) -> None:
    """Replace scale and shift of each amplified path by those that fit a ramp over its part of the inputs best.

    The ramp is that of `calibrate`, attenuated by the nominal gain; its steps are equal in the domain of the scheme,
    where the squares of errors count.
    """
    samples = adc.calibration.samples
    grid = 2.0 ** -(adc.bits + adc.calibration.fraction_bits)
    for number, (low, high) in enumerate(ranges(adc), 1):
        gain = adc.front.gains[number - 1] if adc.front else 1.0
        step = _PATH_STEPS * 2.0**-adc.internal_bits / gain
        ends = compand(adc.scheme, np.array([low, high]))
        x = expand(adc.scheme, ends[0] + (ends[1] - ends[0]) * ((np.arange(samples) + 0.5) / samples))
        slope = (compand(adc.scheme, x + step) - compand(adc.scheme, x)) / step
        true = x + adc.calibration.ramp_bow * 4.0 * x * (1.0 - gain * x)
        converter.scales[number], converter.shifts[number], converter.forced = 1.0, 0.0, number
        u = converter.values(true, _FIRST + (number << 32))
        converter.forced = None
        columns = np.stack([slope * u, slope])
        # Of what is left of a scale of 1 the fit is small, and little of it is lost in rounding.
        change = np.linalg.lstsq(columns @ columns.T, columns @ (slope * (gain * x - u)), rcond=None)[0]
        converter.scales[number] = float(1.0 + np.rint(change[0] / grid) * grid) / gain
        converter.shifts[number] = float(np.rint(change[1] / grid) * grid) / gain
