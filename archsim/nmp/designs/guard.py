"""Calls of what a user's design may replace: what fails there is told in one line that names the place."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from archsim.errors import CodeError, InputError
from archsim.spec import FieldError


def guarded(design: type, method: str, call: Callable[..., Any], *arguments: Any) -> Any:
    """Call a method of a design; an exception of a user's class becomes one line.

    Parameters
    ----------
    design : type
        The class. Those of archsim itself are left alone: what fails there is a mistake of ours, with its traceback.
    method : str
        What is called, for the message.
    call : callable
        The method, or the class where it is to be made.
    *arguments
        What it takes.

    Raises
    ------
    CodeError
        With file, line, design, class and method. What the method refuses by `InputError` or `FieldError` stays.
    """
    if design.__module__.startswith("archsim."):
        return call(*arguments)
    try:
        return call(*arguments)
    except (InputError, FieldError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        file, line = _place(design, method, error)
        what = f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")
        name = getattr(design, "name", "")
        raise CodeError(f"{file}{line}: design {name!r}, {design.__name__}.{method}(): {what}") from error


def _place(design: type, method: str, error: BaseException) -> tuple[str, str]:
    """Return the file of a method, and the line of it where an error came up."""
    code = getattr(getattr(design, method, None), "__code__", None)
    file = code.co_filename if code is not None else design.__module__
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return file, f": line {lines[-1]}" if lines else ""
