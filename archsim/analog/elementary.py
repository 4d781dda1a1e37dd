"""Exponential, logarithm and normal numbers by ``+ - * /`` and square roots alone: the same bits on every machine.

Those of a C library differ in their last bit between machines and versions, and a drawn conductance must not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.errors import InputError
from archsim.traces import counter
from archsim.traces.generators.arrivals import negative_log

F64 = NDArray[np.float64]

_LN2_HIGH = 0.693147180369123816490  # 32 bits, so that its product with a small integer is exact
_LN2_LOW = 1.90821492927058770002e-10
_TWO_PI = 6.283185307179586
_EXP_TERMS = 14
_SERIES_TERMS = 12
#: Arguments of `exp` whose results are normal numbers.
LARGEST_EXPONENT = 700.0


def _horner(x: F64, coefficients: tuple[float, ...]) -> F64:
    """Return the polynomial with these coefficients, the highest first."""
    total = np.full(x.shape, coefficients[0])
    for coefficient in coefficients[1:]:
        total = total * x + coefficient
    return total


def _inverse_factorials(first: int, step: int, terms: int, sign: float) -> tuple[float, ...]:
    """Return ``sign**k / (first + k step)!`` for k from ``terms - 1`` down to 0."""
    values, factorial, at = [], 1, 0
    for k in range(terms):
        while at < first + k * step:
            at += 1
            factorial *= at
        values.append(sign**k / factorial)
    return tuple(reversed(values))


_EXP = _inverse_factorials(0, 1, _EXP_TERMS, 1.0)
_SIN = _inverse_factorials(1, 2, 9, -1.0)
_COS = _inverse_factorials(0, 2, 9, -1.0)
_ARTANH = tuple(1.0 / k for k in range(2 * _SERIES_TERMS - 1, 0, -2))


def exp(x: ArrayLike) -> F64:
    """Return e**x, for x between -700 and 700, within two units of the last place.

    Parameters
    ----------
    x : array_like of float64

    Returns
    -------
    ndarray of float64, shape of x

    Raises
    ------
    InputError
        For an x outside.
    """
    x = np.asarray(x, np.float64)
    if x.size and not np.abs(x).max() <= LARGEST_EXPONENT:
        raise InputError(f"exponent {x.flat[np.abs(x).argmax()]:g}: must be within +-{LARGEST_EXPONENT:g}")
    twos = np.rint(x / (_LN2_HIGH + _LN2_LOW))
    rest = (x - twos * _LN2_HIGH) - twos * _LN2_LOW
    return np.ldexp(_horner(rest, _EXP), twos.astype(np.int64))


def log(x: ArrayLike) -> F64:
    """Return the natural logarithm of positive x, within two units of the last place of the greater of it and 1.

    Parameters
    ----------
    x : array_like of float64
        Positive and finite.

    Returns
    -------
    ndarray of float64, shape of x

    Raises
    ------
    InputError
        For anything else.
    """
    x = np.asarray(x, np.float64)
    if x.size and not (np.isfinite(x).all() and x.min() > 0):
        raise InputError(f"logarithm of {x.min():g}: must be of a positive, finite number")
    mantissa, exponent = np.frexp(x)
    small = mantissa < 0.7071067811865476
    mantissa = np.where(small, mantissa * 2.0, mantissa)
    twos = (exponent - small).astype(np.float64)
    ratio = (mantissa - 1.0) / (mantissa + 1.0)
    found: F64 = twos * _LN2_HIGH + (2.0 * ratio * _horner(ratio * ratio, _ARTANH) + twos * _LN2_LOW)
    return found


def _cosine_of_turn(bits: counter.U64) -> F64:
    """Return cos(2 pi u) of u = (bits // 2**11) / 2**53, by octants: the angle of the series is below pi / 4."""
    turn = counter.unit(bits)
    eighth = np.floor(turn * 8.0)
    odd = eighth.astype(np.int64) & 1
    # Even octants count from their beginning, odd ones from their end.
    angle = np.where(odd == 1, (eighth + 1.0) * 0.125 - turn, turn - eighth * 0.125) * _TWO_PI
    square = angle * angle
    octant = eighth.astype(np.int64)
    cosine, sine = _horner(square, _COS), angle * _horner(square, _SIN)
    size = np.where(np.isin(octant, (0, 3, 4, 7)), cosine, sine)
    return np.where(np.isin(octant, (2, 3, 4, 5)), -size, size)


def normals(key: np.uint64, shape: int | tuple[int, ...], first: int = 0) -> F64:
    """Return standard normal numbers of a stream, by the method of Box and Muller.

    Number ``i`` of a stream is sqrt(-2 ln u) cos(2 pi v) of its random words ``2 i`` and ``2 i + 1``: it depends on the
    key and on ``i`` alone. The greatest possible is 8.7.

    Parameters
    ----------
    key : numpy.uint64
        Of the stream, from `archsim.traces.counter.stream_key`.
    shape : int or tuple of int
        Numbers to return.
    first : int
        Place of the first of them in the stream.

    Returns
    -------
    ndarray of float64
    """
    count = int(np.prod(shape))
    place = np.arange(first, first + count).astype(np.uint64) * np.uint64(2)
    radius = np.sqrt(2.0 * negative_log(counter.draw(key, place)))
    return (radius * _cosine_of_turn(counter.draw(key, place + np.uint64(1)))).reshape(shape)


def uniforms(key: np.uint64, shape: int | tuple[int, ...], first: int = 0) -> F64:
    """Return the numbers ``first`` and following of a stream, uniform on the multiples of 2**-53 in [0, 1)."""
    count = int(np.prod(shape))
    return counter.unit(counter.draw(key, np.arange(first, first + count).astype(np.uint64))).reshape(shape)


def key_of(seed: int, *words: int) -> np.uint64:
    """Return the key of a stream of ``seed``.

    Raises
    ------
    InputError
        For a seed or a number outside 0 to 2**64 - 1.
    """
    for name, word in (("seed", seed), *(("number", word) for word in words)):
        if not isinstance(word, int | np.integer) or not 0 <= word < 1 << 64:
            raise InputError(f"{name} {word}: must be from 0 to 2**64 - 1")
    return counter.stream_key(seed, *words)
