"""A multiplier's error as noise: mean and variance of the relative error of a product."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from archsim.approx.base import Ints, Multiplier
from archsim.approx.faults import Floats
from archsim.approx.metrics import EXHAUSTIVE_BITS
from archsim.errors import InputError
from archsim.traces.counter import draw, stream_key

#: Pairs drawn for operands of which not all are tried, and pairs that are held at a time.
_SAMPLED_PAIRS = _HELD_PAIRS = 1 << 20
#: Every other 16 bits of a word: sums of some stay apart.
_LANES = np.uint64(0x0000FFFF0000FFFF)


@dataclass(frozen=True)
class RelativeError:
    """Mean and variance of (P' - P) / P over pairs of operands whose exact product P is not 0."""

    mean: float
    variance: float


def relative_error(
    multiplier: Multiplier, a: ArrayLike | None = None, b: ArrayLike | None = None
) -> RelativeError:
    """Return the moments of the relative error.

    Parameters
    ----------
    multiplier : Multiplier
    a, b : array_like of int, optional
        Operands as they occur, any shape: every value counts as often as it is there, and both are independent.
        Without them all operands are alike: all pairs up to 12 bits, 2**20 drawn by counter above.

    Raises
    ------
    InputError
        For operands that do not fit, or when all products are 0.
    """
    operands = multiplier.operands()
    if a is None and b is None and multiplier.bits > EXHAUSTIVE_BITS:
        return _sampled(multiplier, operands)
    first, second = _weights(multiplier, a), _weights(multiplier, b)
    keep, total, mean, square = np.flatnonzero(first), 0.0, 0.0, 0.0
    others = np.flatnonzero(second)
    step = max(1, _HELD_PAIRS // max(others.size, 1))
    for start in range(0, keep.size, step):
        rows = keep[start : start + step]
        weight = np.multiply.outer(first[rows], second[others])
        ratio, sound = _ratios(multiplier, operands[rows, None], operands[None, others])
        weight = weight * sound
        total += float(weight.sum())
        mean += float((weight * ratio).sum())
        square += float((weight * ratio * ratio).sum())
    if not total:
        raise InputError(f"{multiplier.label}: all products of these operands are 0")
    return RelativeError(mean / total, max(square / total - (mean / total) ** 2, 0.0))


def _ratios(multiplier: Multiplier, a: Ints, b: Ints) -> tuple[Floats, Floats]:
    """Return relative errors, and 1 where they are defined."""
    exact = a * b
    sound = (exact != 0).astype(np.float64)
    return (multiplier.multiply(a, b) - exact) * sound / np.where(exact == 0, 1, exact), sound


def _weights(multiplier: Multiplier, values: ArrayLike | None) -> Floats:
    if values is None:
        return np.ones(1 << multiplier.bits)
    checked = multiplier.check_operands(values).astype(np.int64).reshape(-1) - multiplier.low
    return np.bincount(checked, minlength=1 << multiplier.bits).astype(np.float64)


def _sampled(multiplier: Multiplier, operands: Ints) -> RelativeError:
    words = draw(stream_key(multiplier.bits, _SAMPLED_PAIRS), np.arange(_SAMPLED_PAIRS, dtype=np.uint64))
    mask = np.uint64(len(operands) - 1)
    a, b = operands[words & mask], operands[words >> np.uint64(32) & mask]
    ratio, sound = _ratios(multiplier, a, b)
    some = ratio[sound > 0]
    return RelativeError(float(some.mean()), float(some.var()))


def normal(key: int, shape: tuple[int, ...]) -> Floats:
    """Return random numbers of mean 0 and variance 1 that are the same on every machine.

    Each is the sum of twelve numbers of 16 bits, drawn by counter, less its mean: symmetric and normal but for a
    kurtosis of 2.9 and nothing beyond 6.
    """
    count = int(np.prod(shape, dtype=np.int64))
    total = np.zeros(count, np.uint64)
    places = np.arange(count, dtype=np.uint64) * np.uint64(3)
    for word in range(3):
        bits = draw(np.uint64(key), places + np.uint64(word))
        total += (bits & _LANES) + (bits >> np.uint64(16) & _LANES)
    whole = ((total >> np.uint64(32)) + (total & np.uint64(0xFFFFFFFF))).astype(np.int64)
    # Twelve numbers from 0 to 65535 have the mean 12 * 65535 / 2 and the variance 2**32 - 1.
    return np.asarray((whole - 6 * 65535) / np.sqrt(2.0**32 - 1)).reshape(shape)
