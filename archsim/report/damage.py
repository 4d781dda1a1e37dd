"""Damage in a folder that a page is written of, as one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from archsim.errors import InputError, printable

#: What reading values of wrong types ends in.
WRONG = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


@contextmanager
def blamed(file: Path, place: str) -> Iterator[None]:
    """Turn what values of wrong types cause into an `InputError` that names the file and the place in it."""
    try:
        yield
    except InputError:
        raise
    except WRONG as error:
        why = printable(" ".join(str(error).split()))[:200]
        raise InputError(f"{file}: {place}: damaged: {type(error).__name__}: {why}") from None
