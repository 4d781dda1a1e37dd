"""Arguments that are one number: taken as plain Python numbers, or refused in one line."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.errors import InputError


def whole_number(name: str, value: object, low: int, high: int | None = None) -> int:
    """Return a whole number from ``low`` to ``high`` as a Python integer; NumPy's count as such.

    Raises
    ------
    InputError
        For anything else, truth values and floats among them.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise InputError(f"{name} = {_short(value)}: must be a whole number")
    found = int(value)
    if found < low or (high is not None and found > high):
        span = f"at least {low}" if high is None else f"from {low} to {high}"
        raise InputError(f"{name} = {found}: must be {span}")
    return found


def real_number(name: str, value: object) -> float:
    """Return a number as a Python float, NaN and infinity too; NumPy's of all widths count as such.

    Raises
    ------
    InputError
        For anything else.
    """
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise InputError(f"{name} = {_short(value)}: must be a number")
    try:
        return float(value)
    except OverflowError:
        raise InputError(f"{name} = {_short(value)}: must be a number") from None


def as_array(values: ArrayLike, what: str) -> NDArray[Any]:
    """Return an array.

    Raises
    ------
    InputError
        For nested sequences of different lengths.
    """
    try:
        return np.asarray(values)
    except ValueError:
        raise InputError(f"{what}: rows of different lengths; must be an array") from None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
