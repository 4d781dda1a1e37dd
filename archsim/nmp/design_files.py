"""Files of the user that register near-memory designs."""

from __future__ import annotations

import runpy
import traceback
from pathlib import Path

from archsim.errors import InputError
from archsim.files import check_plain
from archsim.nmp.designs import registered_designs


def load_design(file: Path) -> None:
    """Run a file of the user that registers near-memory designs; its own errors become one line.

    Raises
    ------
    InputError
        When it cannot be read, fails, or registers nothing new.
    """
    before = registered_designs()
    try:
        check_plain(file)
        file.read_bytes()
    except OSError as error:
        raise InputError(f"--design {file}: {error.strerror}") from None
    try:
        runpy.run_path(str(file))
    except InputError as error:
        raise InputError(f"--design {file}: {error}") from None
    except (Exception, SystemExit) as error:
        raise InputError(
            f"--design {file}: {_place_in(file, error)}{type(error).__name__}: {error}"
        ) from None
    if registered_designs() == before:
        raise InputError(f"--design {file}: registers no new design; see docs/near-memory-designs.md")


def _place_in(file: Path, error: BaseException) -> str:
    """Return the line of the file at which an error came up, where there is one."""
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)
    ]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    return f"line {line}: " if line else ""
