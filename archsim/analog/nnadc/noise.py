"""Normal noise, fast: quantiles of the normal distribution, each picked by 16 random bits.

Each number is one of 65,536 equally likely quantiles, scaled to a variance of 1; none is beyond 4.3. Number ``i`` of a
stream depends on its key and on ``i`` alone, so that cutting a record into blocks changes nothing.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from archsim.analog.elementary import exp, log
from archsim.traces import counter

F64 = NDArray[np.float64]

_SIZE = 1 << 16
_TERMS = 120
_ROOT_TWO_PI = 2.5066282746310002


def _upper_quantiles(p: F64) -> F64:
    """Return z with Phi(z) = p, for p from 0.5 to 1 - 1e-6, by Newton's method on the series of Phi."""
    tail = np.sqrt(-2.0 * log(1.0 - p))
    # Abramowitz and Stegun 26.2.22, within 0.003: a place to start.
    z = np.maximum(0.0, tail - (2.30753 + 0.27061 * tail) / (1.0 + tail * (0.99229 + 0.04481 * tail)))
    for _ in range(3):
        term, total = z.copy(), z.copy()
        for n in range(1, _TERMS):
            term = term * z * z / (2 * n + 1)
            total += term
        density = exp(-0.5 * z * z) / _ROOT_TWO_PI
        z = z - (0.5 + density * total - p) / density
    return z


@cache
def quantiles() -> F64:
    """Return the 65,536 values, in increasing order, with mean 0 and variance 1."""
    half = _upper_quantiles((np.arange(_SIZE // 2, _SIZE) + 0.5) / _SIZE)
    table = np.concatenate([-half[::-1], half])
    table /= np.sqrt(np.sum(half * half) / half.size)
    table.setflags(write=False)
    return table


def noise(key: np.uint64, first: int, count: int) -> F64:
    """Return the normal numbers ``first`` and following of a stream.

    Parameters
    ----------
    key : numpy.uint64
        Of the stream, from `archsim.analog.elementary.key_of`.
    first, count : int
        Place of the first number, and how many.

    Returns
    -------
    ndarray of float64, shape (count,)
    """
    word = first >> 2
    words = counter.draw(key, np.arange(word, (first + count + 3) >> 2).astype(np.uint64))
    # Four numbers from each word, its lowest bits first on every machine.
    picks = words.astype("<u8", copy=False).view("<u2")[first - 4 * word :][:count]
    return quantiles().take(picks)
