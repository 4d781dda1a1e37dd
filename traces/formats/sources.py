"""Opening trace files that may be compressed, and reporting what is wrong with them in one line."""

from __future__ import annotations

import gzip
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tokenize import TokenError
from typing import Any, BinaryIO

from archsim.errors import InputError
from archsim.files import check_plain

COMPRESSIONS: dict[bytes, tuple[str, Callable[..., Any]]] = {
    b"\x1f\x8b": ("gzip", gzip.open),
    b"\xfd7zXZ\x00": ("xz", lzma.open),
}
"""First bytes of a compressed file, its name and how to open it."""

NPY_DAMAGE = (ValueError, TypeError, SyntaxError, EOFError, KeyError, TokenError, RecursionError, MemoryError)
"""What NumPy raises over a damaged ``.npy`` header or content."""


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or what it is when it says nothing."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def trace_name(path: Path) -> str:
    """Return the name of a trace read from a file: the file's, without its endings."""
    return path.name.split(".")[0] or path.name


@contextmanager
def open_binary(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading bytes, decompressed where its first bytes say so.

    Parameters
    ----------
    path : Path
        A gzip, xz or plain file.

    Yields
    ------
    binary stream

    Raises
    ------
    InputError
        The file cannot be opened, is a pipe or a device, or its compressed data turn out damaged inside the
        ``with`` block.
    """
    try:
        check_plain(path)
        with path.open("rb") as raw:
            head = raw.read(8)
        for magic, (name, opener) in COMPRESSIONS.items():
            if head.startswith(magic):
                with opener(path, "rb") as stream:
                    try:
                        yield stream
                    except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
                        raise InputError(f"{path}: damaged {name} data: {error}") from None
                return
        with path.open("rb") as raw:
            yield raw
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
