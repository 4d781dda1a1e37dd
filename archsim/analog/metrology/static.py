"""Static figures of a converter: thresholds, DNL, INL, missing codes, monotonicity.

Threshold ``T[k]``, ``k`` from 1 to ``2**bits - 1``, is where code ``k - 1`` becomes code ``k``. With a step ``Q``,
``DNL[k] = (T[k + 1] - T[k]) / Q - 1`` for the codes 1 to ``2**bits - 2``, and ``INL[k]`` is how far ``T[k]`` is from a
straight line, in ``Q``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.analog.arrays import codes_of, number, numbers, whole
from archsim.errors import InputError

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Convert = Callable[[F64], NDArray[Any]]
Line = Literal["ends", "best", "ideal"]

MOST_BITS = 24
#: Of one ramp or sine: they are held in memory, with a few times as much beside them.
MOST_SAMPLES = 1 << 26
#: A code narrower than this is missing: its DNL is at most -0.9. A stated default, after common practice.
MISSING_DNL = -0.9
_BISECTIONS = 54


@dataclass(frozen=True)
class Linearity:
    """DNL and INL of a converter, in LSB.

    Attributes
    ----------
    dnl : ndarray of float64, shape (2**bits - 2,)
        Of the codes 1 to 2**bits - 2.
    inl : ndarray of float64, shape (2**bits - 1,)
        Of the thresholds 1 to 2**bits - 1.
    step, origin : float
        Of the line: threshold ``k`` belongs at ``origin + k step``; in units of the thresholds.
    """

    dnl: F64
    inl: F64
    step: float
    origin: float

    @property
    def dnl_max_lsb(self) -> float:
        """Greatest size of a DNL."""
        return float(np.abs(self.dnl).max(initial=0.0))

    @property
    def inl_max_lsb(self) -> float:
        """Greatest size of an INL."""
        return float(np.abs(self.inl).max(initial=0.0))

    @property
    def missing(self) -> I64:
        """Codes whose DNL is at most -0.9; the lowest and the highest code have none."""
        return (np.flatnonzero(self.dnl <= MISSING_DNL) + 1).astype(np.int64)


def linearity(thresholds: ArrayLike, line: Line = "ends", full_scale: float = 1.0) -> Linearity:
    """Return DNL and INL of thresholds.

    Parameters
    ----------
    thresholds : array_like of float64, shape (2**bits - 1,)
    line : {"ends", "best", "ideal"}
        Straight line through the first and the last threshold; of least squares; or that of an ideal converter from 0
        to ``full_scale``, so that gain and offset count as errors.
    full_scale : float
        For "ideal".

    Returns
    -------
    Linearity
    """
    t = numbers(thresholds, "thresholds")
    bits = (len(t) + 1).bit_length() - 1 if t.ndim == 1 else 0
    if not 2 <= bits <= MOST_BITS or len(t) != (1 << bits) - 1:
        raise InputError(f"thresholds of shape {t.shape}: must be 2**bits - 1, of 2 to {MOST_BITS} bits")
    if not np.isfinite(t).all():
        raise InputError(f"threshold {int(np.argmin(np.isfinite(t))) + 1}: is not finite")
    place = np.arange(1, len(t) + 1)
    if line == "ideal":
        step, origin = full_scale / (len(t) + 1), 0.0
    elif line == "ends":
        step = float(t[-1] - t[0]) / (len(t) - 1)
        origin = float(t[0]) - step
    elif line == "best":
        centred = place - place.mean()
        step = float(centred @ t) / float(centred @ centred)
        origin = float(t.mean()) - step * float(place.mean())
    else:
        raise InputError(f"line {line!r}: must be 'ends', 'best' or 'ideal'")
    if not step > 0.0:
        raise InputError("thresholds: do not rise from the first to the last")
    return Linearity(np.diff(t) / step - 1.0, (t - origin) / step - place, step, origin)


def thresholds_of(convert: Convert, bits: int, low: float = 0.0, high: float = 1.0) -> F64:
    """Find the thresholds of a converter without noise by bisection, all at once.

    Parameters
    ----------
    convert : callable
        From an array of inputs to their codes.
    bits : int
    low, high : float
        Inputs between which all thresholds lie; one that does not is returned as the end it is beyond.

    Returns
    -------
    ndarray of float64, shape (2**bits - 1,)
        The least input found whose code is at least ``k``: exact for a monotone converter, to the last place of a
        double; of one that is not, one of the places where ``k`` is crossed.
    """
    _check_bits(bits)
    low, high = number("low", low, -1e300, 1e300), number("high", high, -1e300, 1e300)
    wanted = np.arange(1, 1 << bits)
    below, above = np.full(len(wanted), float(low)), np.full(len(wanted), float(high))
    for _ in range(_BISECTIONS):
        middle = below + (above - below) / 2.0
        reached = codes_of(convert(middle), middle.size) >= wanted
        above = np.where(reached, middle, above)
        below = np.where(reached, below, middle)
    return above


@dataclass(frozen=True)
class RampTest:
    """What a slow ramp over the whole range shows.

    Attributes
    ----------
    linearity : Linearity
        By the histogram; of the line through the ends.
    missing : ndarray of int64
        Codes that never came.
    falls : int
        Samples at which the code fell while the input rose; 0 for a monotone converter without noise.
    samples : int
    """

    linearity: Linearity
    missing: I64
    falls: int
    samples: int

    @property
    def monotone(self) -> bool:
        """Whether the code never fell."""
        return self.falls == 0


def ramp_test(convert: Convert, bits: int, per_code: int = 64) -> RampTest:
    """Convert a ramp of ``per_code * 2**bits`` equal steps from 0 to 1 and count what comes.

    DNL and INL are exact to 1 / per_code LSB. A ramp has at most 2**26 steps.
    """
    _check_bits(bits)
    samples = whole("per_code", per_code, 1, MOST_SAMPLES >> bits) << bits
    codes = codes_of(convert((np.arange(samples) + 0.5) / samples), samples)
    counts = histogram(codes, bits)
    falls = int(np.count_nonzero(np.diff(codes) < 0))
    return RampTest(ramp_linearity(counts), np.flatnonzero(counts == 0), falls, samples)


def histogram(codes: ArrayLike, bits: int) -> I64:
    """Count each code of a record, shape (2**bits,).

    Raises
    ------
    InputError
        For codes outside 0 to 2**bits - 1.
    """
    _check_bits(bits)
    codes = np.asarray(codes)
    if codes.dtype.kind not in "iu":
        raise InputError(f"codes of type {codes.dtype}: must be whole numbers")
    codes = codes.reshape(-1)
    wrong = (codes < 0) | (codes >= 1 << bits)
    if wrong.any():
        place = int(np.argmax(wrong))
        raise InputError(f"code [{place}] = {int(codes[place])}: must be from 0 to {(1 << bits) - 1}")
    return np.bincount(codes, minlength=1 << bits).astype(np.int64)


def ramp_linearity(counts: ArrayLike, line: Line = "ends") -> Linearity:
    """Return DNL and INL from the histogram of a ramp that covers the whole range."""
    counts = _counted(counts)
    # The last code is above the last threshold, wherever the ramp ends.
    return linearity(np.cumsum(counts[:-1]) / counts.sum(), line)


def sine_linearity(counts: ArrayLike, line: Line = "ends") -> Linearity:
    """Return DNL and INL from the histogram of a sine that reaches past both ends of the range.

    With ``c`` of ``M`` samples below code ``k``, ``T[k] = -cos(pi c / M)`` in units of the amplitude.
    """
    counts = _counted(counts)
    if not counts[0] or not counts[-1]:
        raise InputError(
            "histogram of a sine: the lowest or the highest code is empty; it does not reach both ends"
        )
    return linearity(-np.cos(np.pi * np.cumsum(counts[:-1]) / counts.sum()), line)


def _counted(counts: ArrayLike) -> I64:
    given = numbers(counts, "histogram")
    counts = codes_of(given, given.size) if given.ndim == 1 else np.zeros(given.shape, np.int64)
    if counts.ndim != 1 or len(counts) < 4 or counts.min() < 0 or not counts.sum():
        raise InputError(f"histogram of shape {counts.shape}: must be counts of 2**bits codes, not all 0")
    return counts


def _check_bits(bits: int) -> None:
    whole("bits", bits, 2, MOST_BITS)
