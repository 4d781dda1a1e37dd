"""How the program ends: its exit status, and the one line that says why."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from io import TextIOWrapper
from typing import Any, NoReturn

import typer

from archsim.errors import InputError, printable

#: Base of all complaints about options and arguments; typer names only this subclass of it in every version.
_UsageError: type[Any] = typer.BadParameter.__bases__[0]


def run_to_exit(run: Callable[[], int]) -> NoReturn:
    """Run the program and end it: 2 for bad input, 130 when interrupted, else with the status that it returns."""
    try:
        if isinstance(sys.stdout, TextIOWrapper):
            # Names of files may hold what the terminal cannot show.
            sys.stdout.reconfigure(errors="backslashreplace")
        status = run()
        print(end="", flush=True)
    except _UsageError as error:
        path = error.ctx.command_path if error.ctx else "archsim"
        _fail(f"{' '.join(error.format_message().split()).rstrip('.')} (try '{path} --help')")
    except InputError as error:
        _fail(str(error))
    except MemoryError as error:
        _fail(f"not enough memory: {error}".rstrip(": "))
    except KeyboardInterrupt:
        _end("archsim: interrupted", 130)
    except BrokenPipeError:  # the reader of our output (head, less) has seen enough
        _drop_output()
        sys.exit(0)
    except OSError as error:
        _drop_output()
        _fail(f"{error.filename or 'standard output'}: {error.strerror or error}")
    sys.exit(status)


def _drop_output() -> None:
    """Send what is still to be printed nowhere, so that Python does not try again when it ends."""
    with suppress(OSError, AttributeError):
        sys.stdout.flush()
    with suppress(OSError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str) -> NoReturn:
    _end(f"archsim: error: {message}", 2)


def _end(message: str, status: int) -> NoReturn:
    with suppress(OSError):
        print(printable(message), file=sys.stderr)
    sys.exit(status)
