"""Libraries that only some views of a study need."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from archsim.errors import InputError


def needed(library: str, extra: str, what: str) -> Any:
    """Import a library of an extra.

    Raises
    ------
    InputError
        When it is not installed; the message says what to install.
    """
    try:
        return import_module(library)
    except ImportError:
        raise InputError(f"{what} needs {library}: pip install 'archsim[{extra}]'") from None
