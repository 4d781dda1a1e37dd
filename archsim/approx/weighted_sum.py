"""Weighted sums of 8-bit row-wise vectors with an approximate multiplier, as a rank unit forms them.

A row holds elements ``q`` of 8 bits, a scale and a bias; a pooling adds ``w (scale q + bias)``. Here the factor
``f = w scale`` of each row is rounded to a step of its pooling, a power of two: ``f`` is about ``sign u step`` with
``u`` from 0 to 255. The unit multiplies ``q`` by ``u`` and adds the products, with their signs, as whole numbers, so
that no order matters; the step then moves the point. This form is the project's own; RecNMP's unit multiplies in FP32.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import fsum, sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.approx.base import Ints, Multiplier
from archsim.approx.checks import as_array, whole_number
from archsim.errors import InputError

Floats = NDArray[np.float32]
#: Width of elements and factors.
BITS = 8
_GREATEST = (1 << BITS) - 1
#: Width of the sum of products.
SUM_BITS = 32
#: Products that are looked up together.
_BLOCK = 1 << 20


class Rows(NamedTuple):
    """Vectors of 8 bits with a scale and a bias each.

    Attributes
    ----------
    levels : uint8 array [rows, elements]
    scale, bias : float32 arrays [rows]
        A row stands for ``scale * levels + bias``.
    """

    levels: NDArray[np.uint8]
    scale: Floats
    bias: Floats

    def values(self) -> NDArray[np.float64]:
        """Return what the rows stand for, in float64, shape [rows, elements]."""
        levels = self.levels.astype(np.float64)
        return levels * self.scale.astype(np.float64)[:, None] + self.bias.astype(np.float64)[:, None]


class Factors(NamedTuple):
    """Rounded factors.

    Attributes
    ----------
    magnitude : int64 array [lookups]
        0 to 255.
    negative : bool array [lookups]
    exponent : int64 array [poolings]
        The step of a pooling is 2**exponent.
    """

    magnitude: Ints
    negative: NDArray[np.bool_]
    exponent: Ints


@dataclass(frozen=True)
class Accuracy:
    """How far sums are from exact ones.

    Attributes
    ----------
    relative_rms : float or None
        Root of the summed squares of all differences over that of the exact sums; None where these are all 0 and the
        sums are not.
    max_abs : float
        Greatest difference of an element.
    cosine : float or None
        Mean cosine between a sum and its exact one; pairs with a zero vector are left out, None if these are all.
    """

    relative_rms: float | None
    max_abs: float
    cosine: float | None

    def to_dict(self) -> dict[str, float | None]:
        """Return the figures as plain values, for JSON."""
        return {"relative_rms": self.relative_rms, "max_abs": self.max_abs, "cosine": self.cosine}


def quantise_rows(vectors: ArrayLike) -> Rows:
    """Quantise each vector by itself: its least value becomes level 0, its greatest level 255.

    Parameters
    ----------
    vectors : array_like [rows, elements]
        Finite numbers.

    Raises
    ------
    InputError
        For another shape, or numbers that are not finite.
    """
    array = np.asarray(vectors, np.float64)
    if array.ndim != 2 or not array.shape[1]:
        raise InputError(f"vectors: shape {array.shape}: must be [rows, elements]")
    if not np.isfinite(array).all():
        place = np.argwhere(~np.isfinite(array))[0].tolist()
        raise InputError(f"vectors {place}: {array[tuple(place)]} is no number")
    bias = array.min(axis=1).astype(np.float32)
    scale = ((array.max(axis=1) - bias) / _GREATEST).astype(np.float32)
    step = np.where(scale > 0, scale, 1).astype(np.float64)
    levels = np.rint((array - bias.astype(np.float64)[:, None]) / step[:, None])
    return Rows(np.clip(levels, 0, _GREATEST).astype(np.uint8), scale, bias)


def round_factors(factors: ArrayLike, pooling: ArrayLike, poolings: int) -> Factors:
    """Round factors to whole numbers of 8 bits times a power of two, the least that holds all of a pooling.

    Parameters
    ----------
    factors : array_like of float32 [lookups]
    pooling : array_like of int [lookups]
        Which pooling a lookup belongs to.
    poolings : int

    Raises
    ------
    InputError
        For a factor that is not finite.
    """
    given = np.asarray(factors, np.float32).astype(np.float64)
    where = _places(pooling, poolings, len(given))
    if not np.isfinite(given).all():
        place = int(np.argmin(np.isfinite(given)))
        raise InputError(f"factor {place}: {given[place]}: must be finite")
    greatest = np.zeros(poolings)
    np.maximum.at(greatest, where, np.abs(given))
    # The least e with greatest <= 255 * 2**e: all of it is exact.
    exponent = np.frexp(greatest)[1].astype(np.int64) - BITS
    exponent += greatest > np.ldexp(float(_GREATEST), exponent)
    exponent = np.where(greatest > 0, exponent, 0)
    magnitude = np.rint(np.ldexp(np.abs(given), -exponent[where])).astype(np.int64)
    return Factors(magnitude, given < 0, exponent)


def _places(pooling: ArrayLike, poolings: int, lookups: int) -> Ints:
    """Return which pooling each lookup belongs to, checked."""
    poolings = whole_number("poolings", poolings, 0)
    where = as_array(pooling, "pooling")
    if where.shape != (lookups,):
        raise InputError(
            f"pooling: shape {where.shape}: must be one number for each of the {lookups:,} lookups"
        )
    if where.size and where.dtype.kind not in "iu":
        raise InputError(f"pooling: of type {where.dtype}: must be whole numbers")
    if where.size and (int(where.min()) < 0 or int(where.max()) >= poolings):
        place = int(np.argmax((where < 0) | (where >= poolings)))
        raise InputError(f"pooling {place}: {int(where[place])}: must be from 0 to {poolings - 1}")
    return where.astype(np.int64)


def _each(name: str, values: ArrayLike, where: Ints) -> Floats:
    """Return one number for each lookup."""
    given = np.asarray(as_array(values, name), np.float32)
    if given.shape != where.shape:
        raise InputError(
            f"{name}: shape {given.shape}: must be one number for each of the {len(where):,} lookups"
        )
    return given


def check_multiplier(multiplier: Multiplier) -> None:
    """Refuse a multiplier that does not take levels and magnitudes.

    Raises
    ------
    InputError
        For another width, or signed operands.
    """
    if multiplier.bits != BITS or multiplier.signed:
        raise InputError(f"{multiplier.label}: levels and factors are unsigned numbers of {BITS} bits")


def whole_sums(
    levels: ArrayLike, factors: Factors, pooling: ArrayLike, poolings: int, multiplier: Multiplier
) -> Ints:
    """Return the signed sums of all products of a level and a factor.

    Parameters
    ----------
    levels : array_like of int [lookups, elements]
    factors : Factors
    pooling : array_like of int [lookups]
    poolings : int
    multiplier : Multiplier
        Unsigned, 8 bits; the level is its first operand.

    Returns
    -------
    int64 array [poolings, elements]

    Raises
    ------
    InputError
        For another multiplier, or a pooling of so many lookups that its sum may not fit in 32 bits.
    """
    check_multiplier(multiplier)
    given = multiplier.check_operands(levels, "levels")
    if given.ndim != 2:
        raise InputError(f"levels: shape {given.shape}: must be [lookups, elements]")
    where = _places(pooling, poolings, len(given))
    table = multiplier.table()
    counts = np.bincount(where, minlength=poolings)
    most = ((1 << (SUM_BITS - 1)) - 1) // max(int(table.max()), -int(table.min()), 1)
    if counts.size and counts.max() > most:
        raise InputError(
            f"pooling {int(counts.argmax())}: {int(counts.max()):,} lookups: sums of {multiplier.label}, fit in "
            f"{SUM_BITS} bits for at most {most:,}"
        )
    sums = np.zeros((poolings, given.shape[1]), np.int64)
    block = max(_BLOCK // max(given.shape[1], 1), 1)
    for first in range(0, len(given), block):
        part = slice(first, first + block)
        products = table[given[part], factors.magnitude[part, None]].astype(np.int64)
        products[factors.negative[part]] *= -1
        np.add.at(sums, where[part], products)
    return sums


def weighted_sums(
    rows: Rows, weights: ArrayLike | None, pooling: ArrayLike, poolings: int, multiplier: Multiplier
) -> Floats:
    """Add weighted vectors with an approximate multiplier.

    Parameters
    ----------
    rows : Rows
        The row of each lookup.
    weights : array_like of float32 [lookups] or None
        None: 1 for all.
    pooling : array_like of int [lookups]
        Which pooling a lookup belongs to.
    poolings : int
    multiplier : Multiplier
        Unsigned, 8 bits.

    Returns
    -------
    float32 array [poolings, elements]
        The whole sums times their step, in FP32, plus the FP32 sum of ``w bias`` in the order of the lookups.

    Raises
    ------
    InputError
        For shapes that do not go together, a factor that is not finite, and what `whole_sums` refuses.
    """
    where = _places(pooling, poolings, len(rows.levels))
    scale, bias = _each("scale", rows.scale, where), _each("bias", rows.bias, where)
    if not np.isfinite(bias).all():
        place = int(np.argmin(np.isfinite(bias)))
        raise InputError(f"bias {place}: {bias[place]}: must be finite")
    if weights is not None:
        given = _each("weights", weights, where)
        with np.errstate(over="ignore", invalid="ignore"):  # factors that are not finite are refused
            scale, bias = scale * given, bias * given
    factors = round_factors(scale, where, poolings)
    totals = whole_sums(rows.levels, factors, where, poolings, multiplier)
    biases = np.zeros(poolings, np.float32)
    np.add.at(biases, where, bias)
    moved = np.ldexp(totals.astype(np.float32), factors.exponent[:, None].astype(np.int32))
    return np.asarray(moved + biases[:, None], np.float32)


def exact_sums(
    rows: Rows, weights: ArrayLike | None, pooling: ArrayLike, poolings: int
) -> NDArray[np.float64]:
    """Return the weighted sums of what the rows stand for, in float64, shape [poolings, elements]."""
    values = rows.values()
    where = _places(pooling, poolings, len(values))
    if weights is not None:
        values *= _each("weights", weights, where).astype(np.float64)[:, None]
    sums = np.zeros((poolings, values.shape[1]))
    np.add.at(sums, where, values)
    return sums


def accuracy(sums: ArrayLike, exact: ArrayLike) -> Accuracy:
    """Compare sums with exact ones, both [poolings, elements]."""
    found, expected = np.asarray(sums, np.float64), np.asarray(exact, np.float64)
    if found.ndim != 2 or found.shape != expected.shape:
        raise InputError(
            f"sums {found.shape} and exact ones {expected.shape}: must be [poolings, elements] both"
        )
    return Tally().add(found, expected).accuracy()


class Tally:
    """The accuracy of sums that come in parts, in any order."""

    def __init__(self) -> None:
        # Added at the end, rounded once: neither parts nor the order in which a machine adds show.
        self._squares: list[float] = []
        self._reference: list[float] = []
        self._cosines: list[float] = []
        self._greatest = 0.0

    def add(self, found: NDArray[Any], expected: NDArray[Any]) -> Tally:
        """Take in sums and exact ones, both [poolings, elements]."""
        found, expected = found.astype(np.float64), expected.astype(np.float64)
        for one, other in zip(found, expected, strict=True):
            off = one - other
            own, reference = fsum(one * one), fsum(other * other)
            self._squares.append(fsum(off * off))
            self._reference.append(reference)
            self._greatest = max(self._greatest, float(np.abs(off).max(initial=0.0)))
            if own and reference:
                self._cosines.append(fsum(one * other) / sqrt(own * reference))
        return self

    def accuracy(self) -> Accuracy:
        """Return the figures of all parts."""
        reference = fsum(self._reference)
        squares = fsum(self._squares)
        relative = sqrt(squares / reference) if reference else (None if squares else 0.0)
        cosine = fsum(self._cosines) / len(self._cosines) if self._cosines else None
        return Accuracy(relative, self._greatest, cosine)
