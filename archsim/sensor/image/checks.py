"""Temperatures as arguments."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.errors import InputError
from archsim.spec_errors import short

F64 = NDArray[np.float64]

#: Beyond it no silicon works, and the law of doubling means nothing.
HOTTEST_K = 1000.0


def checked_k(temperature_k: ArrayLike) -> F64:
    """Return temperatures as an array, each from 0 K to `HOTTEST_K`.

    Raises
    ------
    InputError
        For any other.
    """
    try:
        kelvin = np.asarray(temperature_k, np.float64)
    except (TypeError, ValueError):
        raise InputError(f"temperature_k = {short(temperature_k)}: must be numbers, in kelvin") from None
    wrong = ~((kelvin >= 0.0) & (kelvin <= HOTTEST_K))
    if wrong.any():
        value = kelvin[wrong].flat[0]
        raise InputError(f"temperature_k = {value:g}: must be in kelvin, from 0 to {HOTTEST_K:g}")
    return kelvin
