"""Which trace format a path is in, and reading it. A new format is one entry of `FILE_FORMATS`."""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from archsim.errors import InputError, nearest
from archsim.traces.formats.bags import read_bag_text
from archsim.traces.formats.layout import Layout
from archsim.traces.formats.native import SIDECAR_NAME, read_native
from archsim.traces.formats.npz import read_npz
from archsim.traces.formats.sources import open_binary
from archsim.traces.trace import EmbeddingTrace

HEAD_BYTES = 4096
"""How much of a file, decompressed, is looked at to tell its format."""


@dataclass(frozen=True)
class Format:
    """A format of trace files.

    Parameters
    ----------
    summary : str
        One phrase for users.
    matches : callable
        Whether the first bytes of a file, decompressed, are of this format. The first match in `FILE_FORMATS`
        counts.
    read : callable
        The reader.
    """

    summary: str
    matches: Callable[[bytes], bool]
    read: Callable[[Path, Layout], EmbeddingTrace]


def _looks_like_rows(head: bytes) -> bool:
    """Whether the first word is a whole number and no byte is a control character."""
    return bool(re.match(rb"\s*-?[0-9]+\s", head + b" ")) and not re.search(rb"[\x00-\x08\x0e-\x1f]", head)


FILE_FORMATS = {
    "npz": Format(
        "NumPy archive of indices and lengths per table", lambda head: head.startswith(b"PK"), read_npz
    ),
    "bags": Format("text, one bag of row numbers per line", _looks_like_rows, read_bag_text),
}
"""Formats of single files, which leave the layout of the tables to the user."""

NATIVE = "native"
"""The folder format, which declares its tables."""


def read_trace(
    path: str | Path,
    *,
    format: str | None = None,
    rows: int | Sequence[int] | None = None,
    vector_bytes: int | None = None,
    order: str | None = None,
    limit: int | None = None,
) -> EmbeddingTrace:
    """Read a trace in any supported format.

    Parameters
    ----------
    path : str or Path
        A file, or the folder of a native trace.
    format : str, optional
        "native" or a key of `FILE_FORMATS`; by default told from the content.
    rows : int or sequence of int, optional
        Rows of every table, where the format does not declare them; see `Layout`.
    vector_bytes : int, optional
        Bytes per vector, where the format does not declare them; see `Layout`.
    order : str, optional
        Order to sort the bags into, see `EmbeddingTrace.reorder`.
    limit : int, optional
        Keep this many lookups, after sorting.

    Returns
    -------
    EmbeddingTrace
        The trace.

    Raises
    ------
    InputError
        The path or its content is not a sound trace, or an option does not suit it.
    """
    file = Path(path)
    valid = (NATIVE, *FILE_FORMATS)
    if format is not None and format not in valid:
        raise InputError(f"{file}: unknown format {format!r}{nearest(format, valid)}")
    found = format or _detect(file)
    if found == NATIVE:
        for option, value in (("rows", rows), ("vector_bytes", vector_bytes)):
            if value is not None:
                raise InputError(
                    f"{file}: {option} = {value} cannot be given; a native trace declares its tables"
                )
        trace = read_native(file)
    else:
        layout = Layout(rows) if vector_bytes is None else Layout(rows, vector_bytes)
        trace = FILE_FORMATS[found].read(file, layout)
    if order is not None:
        trace = trace.reorder(order)
    return trace if limit is None else trace.limit(limit)


def _detect(file: Path) -> str:
    """Tell the format of a path from its content."""
    try:
        mode = file.stat().st_mode
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            raise InputError(f"{file}: no such file or folder") from None
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{file}: cannot be read: {reason}") from None
    if stat.S_ISDIR(mode):
        if not (file / SIDECAR_NAME).exists():
            raise InputError(f"{file}: a folder without {SIDECAR_NAME}; a native trace holds one")
        return NATIVE
    with open_binary(file) as stream:
        head = stream.read(HEAD_BYTES)
    if not head:
        raise InputError(f"{file}: empty file")
    for name, candidate in FILE_FORMATS.items():
        if candidate.matches(head):
            return name
    known = "; ".join(f"{name} = {candidate.summary}" for name, candidate in FILE_FORMATS.items())
    raise InputError(
        f"{file}: starts with {head[:12]!r}, which is no known trace format; with --format: {known}"
    )
