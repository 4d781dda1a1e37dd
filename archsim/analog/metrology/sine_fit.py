"""Sine fits of IEEE Std 1241: three parameters at a known frequency, four when it is fitted as well."""

from __future__ import annotations

from dataclasses import dataclass
from math import atan2, gcd, hypot, log10, pi, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.analog.arrays import numbers, real, whole
from archsim.errors import InputError

F64 = NDArray[np.float64]

MOST_STEPS = 60
#: SNDR of an ideal converter of no bits: 10 log10(3 / 2), what is written as 1.76 dB; and dB per bit, 20 log10(2).
IDEAL_DB, DB_PER_BIT = 10.0 * log10(1.5), 20.0 * log10(2.0)


def enob(sndr_db: float) -> float:
    """Return the effective number of bits of an SNDR in dB: (SNDR - 1.76) / 6.02."""
    return (sndr_db - IDEAL_DB) / DB_PER_BIT


@dataclass(frozen=True)
class SineFit:
    """The sine ``offset + amplitude sin(2 pi frequency n + phase_rad)`` nearest to a record, and what is left.

    Attributes
    ----------
    amplitude, offset, rms_error : float
        In units of the record.
    frequency : float
        Cycles per sample.
    phase_rad : float
    samples, steps : int
        Of the record; Newton steps that found the frequency, 0 when it was known.
    """

    amplitude: float
    offset: float
    phase_rad: float
    frequency: float
    rms_error: float
    samples: int
    steps: int = 0

    @property
    def sndr_db(self) -> float:
        """Signal over noise and distortion, of the fitted amplitude; infinite without any error."""
        if self.rms_error == 0.0:
            return float("inf")
        return 20.0 * log10(max(self.amplitude, 1e-300) / sqrt(2.0) / self.rms_error)

    @property
    def enob(self) -> float:
        """Effective bits from `sndr_db`."""
        return enob(self.sndr_db)

    def sndr_full_scale_db(self, full_scale: float) -> float:
        """Return the SNDR that a sine of peak-to-peak ``full_scale`` has over the same error."""
        return self.sndr_db + 20.0 * log10(full_scale / 2.0 / self.amplitude)

    def enob_full_scale(self, full_scale: float) -> float:
        """Return the ENOB of IEEE Std 1241: of `sndr_full_scale_db`."""
        return enob(self.sndr_full_scale_db(full_scale))


def _record(record: ArrayLike, least: int) -> F64:
    x = numbers(record, "record")
    if x.ndim != 1 or len(x) < least:
        raise InputError(f"record of shape {x.shape}: must be at least {least} samples in a row")
    if not np.isfinite(x).all():
        raise InputError(f"record: sample {int(np.argmin(np.isfinite(x)))} is not finite")
    return x


def _fit(x: F64, columns: F64) -> tuple[F64, F64]:
    """Return the least-squares coefficients of the columns and the residuals."""
    coefficients, _, rank, _ = np.linalg.lstsq(columns, x, rcond=None)
    if rank < columns.shape[1]:
        raise InputError("record: its samples do not determine a sine of this frequency")
    rest: F64 = x - columns @ coefficients
    return np.asarray(coefficients, np.float64), rest


def _sine_columns(samples: int, frequency: float) -> F64:
    turn = np.mod(frequency * np.arange(samples), 1.0)
    return np.stack([np.cos(2 * pi * turn), np.sin(2 * pi * turn), np.ones(samples)], axis=1)


def fit_sine(
    record: ArrayLike, frequency: float | None = None, free_frequency: bool | None = None
) -> SineFit:
    """Fit a sine to a record by least squares.

    Parameters
    ----------
    record : array_like of float, shape (samples,)
        Codes or voltages.
    frequency : float, optional
        Cycles per sample, between 0 and 1/2; given, three parameters are fitted. Absent, it is first estimated from the
        spectrum.
    free_frequency : bool, optional
        Fit four parameters, beginning at ``frequency``. Default: whether ``frequency`` is absent.

    Returns
    -------
    SineFit

    Raises
    ------
    InputError
        For a record that is too short, holds no sine, or a frequency outside.
    """
    x = _record(record, 5)
    free = frequency is None if free_frequency is None else free_frequency
    start = estimate_frequency(x) if frequency is None else real("frequency", frequency)
    if not 0.0 < start < 0.5:
        raise InputError(f"frequency {start:g} cycles per sample: must be between 0 and 0.5")
    steps = 0
    if free:
        start, steps = _find_frequency(x, start)
    (cosine, sine, offset), rest = _fit(x, _sine_columns(len(x), start))
    rms = sqrt(float(rest @ rest) / len(x))
    return SineFit(hypot(cosine, sine), float(offset), atan2(cosine, sine), start, rms, len(x), steps)


def _find_frequency(x: F64, frequency: float) -> tuple[float, int]:
    """Return the frequency of least error near the given one (Gauss and Newton), and the steps taken."""
    # Centred times keep the change of frequency apart from the change of phase.
    time = np.arange(len(x)) - (len(x) - 1) / 2.0
    for step in range(1, MOST_STEPS + 1):
        columns = _sine_columns(len(x), frequency)
        (cosine, sine, _), rest = _fit(x, columns)
        # What is left of the sine is fitted, and in columns of like size: both keep the small change out of rounding.
        scale = 2 * pi * len(x) * max(hypot(cosine, sine), 1e-300)
        slope = 2 * pi * time * (sine * columns[:, 0] - cosine * columns[:, 1]) / scale
        (*_, change), _ = _fit(rest, np.concatenate([columns, slope[:, None]], axis=1))
        change = float(change) / scale
        # A step beyond a quarter of a bin is not trusted to be small.
        change = float(np.clip(change, -0.25 / len(x), 0.25 / len(x)))
        frequency += change
        if not 0.0 < frequency < 0.5:
            break
        if abs(change) * len(x) < 1e-9:  # of a cycle over the whole record; the next step would be its square
            return frequency, step
    raise InputError(f"record: the fit of a frequency does not settle within {MOST_STEPS} steps")


def estimate_frequency(record: ArrayLike) -> float:
    """Return the frequency (cycles per sample) of the strongest sine of a record, to a small part of a bin."""
    x = _record(record, 5)
    window = 0.5 - 0.5 * np.cos(2 * pi * np.arange(len(x)) / len(x))
    size = np.abs(np.fft.rfft((x - x.mean()) * window))
    peak = int(np.argmax(size[1:])) + 1
    if size[peak] == 0.0:
        raise InputError("record: holds no sine, all samples are equal")
    before, after = size[peak - 1], size[peak + 1] if peak + 1 < len(size) else 0.0
    # Of the two bins of a Hann window next to a line, the ratio tells where between them it is.
    beside, side = (after, 1.0) if after > before else (before, -1.0)
    part = (2.0 * beside - size[peak]) / (beside + size[peak])
    return float(np.clip((peak + side * part) / len(x), 1e-12, 0.5 - 1e-12))


def coherent_cycles(frequency: float, samples: int) -> int:
    """Return the odd number of cycles nearest to ``frequency * samples`` that shares no divisor with ``samples``.

    Such a record has no leakage, and no two of its samples have the same phase.

    Parameters
    ----------
    frequency : float
        Cycles per sample, between 0 and 1/2.
    samples : int
        Of the record.
    """
    samples = whole("samples", samples, 0, 1 << 53)
    if samples < 8 or not 0.0 < real("frequency", frequency) < 0.5:
        raise InputError(
            f"frequency {frequency:g} with {samples} samples: must be below 0.5, of 8 samples or more"
        )
    allowed = [
        cycles
        for cycles in _around(frequency * samples)
        if 0 < 2 * cycles < samples and gcd(cycles, samples) == 1
    ]
    return allowed[0]


def _around(centre: float) -> list[int]:
    """Return odd numbers, the nearest first."""
    middle = 2 * round((centre - 1) / 2) + 1
    found = [middle + 2 * k for k in range(-64, 65)]
    return sorted(found, key=lambda cycles: (abs(cycles - centre), cycles))


def sine(
    samples: int, cycles: int, amplitude: float = 0.5, offset: float = 0.5, phase_rad: float = 0.0
) -> F64:
    """Return whole cycles of ``offset + amplitude sin``, shape (samples,); by default all of [0, 1]."""
    turn = (np.arange(samples) * int(cycles)) % samples / samples
    found: F64 = offset + amplitude * np.sin(2 * pi * turn + phase_rad)
    return found
