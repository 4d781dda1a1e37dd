"""Arguments of the analog parts: arrays of numbers, and whole numbers within limits."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.errors import InputError
from archsim.spec_errors import short

F64 = NDArray[np.float64]


def numbers(values: ArrayLike, name: str) -> F64:
    """Return an array of doubles.

    Parameters
    ----------
    values : array_like of real numbers
    name : str
        Opens the error message.

    Raises
    ------
    InputError
        For what is no number (text, None, complex numbers), and rows of different lengths.
    """
    try:
        found = np.asarray(values)
    except (ValueError, TypeError):
        raise InputError(f"{name}: rows of different lengths: must be an array of numbers") from None
    if found.dtype.kind in "biuf":
        return found.astype(np.float64, copy=False)
    for place, each in enumerate(found.flat):
        value = each.item() if isinstance(each, np.generic) else each
        if not _is_real(value):
            raise InputError(f"{name} [{place}] = {short(value)}: must be a number")
    try:
        return found.astype(np.float64)
    except OverflowError:
        raise InputError(f"{name}: holds a number beyond the range of a double") from None


def _is_real(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating)


def whole(name: str, value: Any, least: int, most: int) -> int:
    """Return a whole number from ``least`` to ``most``.

    Raises
    ------
    InputError
        For anything else, with the name.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value <= most:
        raise InputError(f"{name} = {short(value)}: must be a whole number from {least:,} to {most:,}")
    return int(value)


def number(name: str, value: Any, least: float, most: float, *, above: bool = False) -> float:
    """Return a number from ``least`` to ``most``, or ``above`` the least.

    Raises
    ------
    InputError
        For anything else, with the name.
    """
    fits = not isinstance(value, bool) and _is_real(value) and least <= value <= most
    if not fits or (above and value == least):
        rule = f"above {least:g}, at most {most:g}" if above else f"from {least:g} to {most:g}"
        raise InputError(f"{name} = {short(value)}: must be a number {rule}")
    return float(value)
