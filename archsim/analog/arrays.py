"""Arguments of the analog parts: arrays of numbers, and whole numbers within limits."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.errors import InputError
from archsim.spec_errors import short

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
T = TypeVar("T")


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
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise InputError(f"{name} = {short(value)}: must be a whole number from {least:,} to {most:,}")
    if not least <= value <= most:
        raise InputError(f"{name} = {short(int(value))}: must be from {least:,} to {most:,}")
    return int(value)


def real(name: str, value: Any) -> float:
    """Return any one number, of which nothing else is known.

    Raises
    ------
    InputError
        For what is none, with the name.
    """
    if isinstance(value, bool) or not _is_real(value):
        raise InputError(f"{name} = {short(value)}: must be a number")
    return float(value)


def number(name: str, value: Any, least: float, most: float, *, above: bool = False) -> float:
    """Return a number from ``least`` to ``most``, or ``above`` the least.

    Raises
    ------
    InputError
        For anything else, with the name.
    """
    found = real(name, value)
    if not least <= found <= most or (above and found == least):
        rule = f"above {least:g}, at most {most:g}" if above else f"from {least:g} to {most:g}"
        raise InputError(f"{name} = {found:g}: must be {rule}")
    return found


def instance(value: Any, kind: type[T], name: str, example: str = "") -> T:
    """Return a value that is of a class.

    Raises
    ------
    InputError
        For one that is not, with the name, its type and an example of what is meant.
    """
    if not isinstance(value, kind):
        such = f", such as {example}" if example else ""
        raise InputError(f"{name} of type {type(value).__name__}: must be of class {kind.__name__}{such}")
    return value


def samples_of(values: Any, count: int) -> F64:
    """Return what a converter made of ``count`` inputs, one number each.

    Raises
    ------
    InputError
        For another shape, or what is no finite number.
    """
    found = numbers(values, "codes")
    if found.shape != (count,):
        raise InputError(f"codes of shape {found.shape} for {count} inputs: must be one for each")
    if not np.isfinite(found).all():
        raise InputError(f"code [{int(np.argmin(np.isfinite(found)))}]: is not finite")
    return found


def codes_of(values: Any, count: int) -> I64:
    """Return the codes that a converter made of ``count`` inputs; as `samples_of`, and whole."""
    found = samples_of(values, count)
    wrong = (found != np.floor(found)) | (np.abs(found) > 2.0**53)
    if wrong.any():
        place = int(np.argmax(wrong))
        raise InputError(f"code [{place}] = {found[place]:g}: must be a whole number")
    return found.astype(np.int64)
