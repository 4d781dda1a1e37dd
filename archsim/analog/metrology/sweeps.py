"""Sine tests of a converter: one, or many over amplitude or frequency.

A converter is a function from an array of inputs, fractions of full scale in [0, 1), to codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import atan, hypot, pi

import numpy as np
from numpy.typing import NDArray

from archsim.analog.arrays import number, samples_of, whole
from archsim.analog.elementary import key_of, normals
from archsim.analog.metrology.sine_fit import SineFit, coherent_cycles, fit_sine
from archsim.analog.metrology.spectrum import Spectrum, spectrum
from archsim.analog.metrology.static import MOST_BITS, MOST_SAMPLES, Convert

F64 = NDArray[np.float64]

_JITTER = 0x540
_GREATEST = 1e18
#: Steps of the dither: multiples of the golden ratio fill the step of a code evenly, whatever the record's length.
_GOLDEN = 0.6180339887498949


@dataclass(frozen=True)
class SineTest:
    """What one sine showed.

    Attributes
    ----------
    fit : SineFit
        Of the codes, in LSB.
    spectrum : Spectrum
        Of the same record.
    enob, sndr_db : float
        For a sine of full scale, as IEEE Std 1241 counts it: from the error that is left of the fit.
    frequency_hz, amplitude : float
        Of the input; amplitude as a fraction of full scale, 0.5 at most.
    clipped : int
        Samples at the lowest or the highest code.
    """

    fit: SineFit
    spectrum: Spectrum
    enob: float
    sndr_db: float
    frequency_hz: float
    amplitude: float
    clipped: int


def ideal_codes(x: F64, bits: int) -> NDArray[np.int64]:
    """Return the codes of an ideal converter: floor(x 2**bits), cut to its range."""
    return np.clip(np.floor(np.asarray(x) * (1 << bits)), 0, (1 << bits) - 1).astype(np.int64)


def sine_test(
    convert: Convert,
    bits: int,
    *,
    samples: int = 1 << 14,
    frequency: float = 0.1,
    amplitude: float | None = None,
    offset: float = 0.5,
    dither: bool = False,
    rate_hz: float = 1.0,
    jitter_rms_s: float = 0.0,
    bandwidth_hz: float | None = None,
    seed: int = 0,
) -> SineTest:
    """Convert a coherent sine and measure what comes.

    Parameters
    ----------
    convert : callable
    bits : int
    samples : int
        At least pi 2**bits of them visit every code.
    frequency : float
        Cycles per sample; the nearest coherent one is taken.
    amplitude : float, optional
        Fraction of full scale; default 0.5, less what the dither needs.
    offset : float
        Of the sine.
    dither : bool
        Add a known, evenly spread part of one LSB to every input and take it from its code. The error of an ideal
        converter is then uniform and independent of the input, and its SNDR is 6.02 bits + 1.76 dB; without dither,
        that of few bits depends on amplitude and offset.
    rate_hz : float
        Conversions per second.
    jitter_rms_s : float
        Gaussian error of the instant of each sample.
    bandwidth_hz : float, optional
        Of a single pole before the sampler; default: none.
    seed : int
        Of the jitter.

    Returns
    -------
    SineTest
    """
    whole("bits", bits, 1, MOST_BITS)
    whole("samples", samples, 0, MOST_SAMPLES)
    number("rate_hz", rate_hz, 0.0, _GREATEST, above=True)
    number("jitter_rms_s", jitter_rms_s, 0.0, _GREATEST)
    number("offset", offset, -_GREATEST, _GREATEST)
    if bandwidth_hz is not None:
        number("bandwidth_hz", bandwidth_hz, 0.0, _GREATEST, above=True)
    cycles = coherent_cycles(frequency, samples)
    hertz = cycles / samples * rate_hz
    lsb = 1.0 / (1 << bits)
    size = 0.5 - lsb / 2.0 if dither else 0.5
    if amplitude is not None:
        size = number("amplitude", amplitude, 0.0, 0.5, above=True)
    turn = (np.arange(samples) * cycles) % samples / samples
    if jitter_rms_s:
        turn = turn + hertz * jitter_rms_s * normals(key_of(seed, _JITTER), samples)
    gain, lag = 1.0, 0.0
    if bandwidth_hz is not None:
        gain, lag = 1.0 / hypot(1.0, hertz / bandwidth_hz), atan(hertz / bandwidth_hz)
    x = offset + size * gain * np.sin(2 * pi * turn - lag)
    added = (np.mod(np.arange(samples) * _GOLDEN, 1.0) - 0.5) if dither else np.zeros(samples)
    codes = samples_of(convert(x + added * lsb), samples)
    clipped = int(np.count_nonzero((codes <= 0) | (codes >= (1 << bits) - 1)))
    record = codes - added
    fit = fit_sine(record, cycles / samples)
    full = float(1 << bits)
    return SineTest(
        fit=fit,
        spectrum=spectrum(record, cycles),
        enob=fit.enob_full_scale(full),
        sndr_db=fit.sndr_full_scale_db(full),
        frequency_hz=hertz,
        amplitude=size,
        clipped=clipped,
    )


def over_amplitude(
    convert: Convert, bits: int, amplitudes: Sequence[float], **options: float
) -> list[SineTest]:
    """Return a sine test for each amplitude; ``options`` are those of `sine_test`."""
    return [sine_test(convert, bits, amplitude=each, **options) for each in amplitudes]  # type: ignore[arg-type]


def over_frequency(
    convert: Convert, bits: int, frequencies: Sequence[float], **options: float
) -> list[SineTest]:
    """Return a sine test for each frequency in cycles per sample; ``options`` are those of `sine_test`.

    A converter without memory shows the frequency only through ``jitter_rms_s`` and ``bandwidth_hz``.
    """
    return [sine_test(convert, bits, frequency=each, **options) for each in frequencies]  # type: ignore[arg-type]
