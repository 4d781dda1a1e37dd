r"""RecBole's ``.inter`` files: a user's interaction with an item per line, under a header of ``name:type``.

Fields are separated by tabs. Tokens are numbered as ``Dataset._remap`` of RUCAIBox/RecBole does: from 1, in the
order of their first appearance; row 0 is its padding.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import numpy as np

import archsim.kernels.text_lines as kernel
from archsim.errors import InputError, nearest
from archsim.traces.columns import Table
from archsim.traces.formats.layout import Layout
from archsim.traces.formats.sources import BLOCK_BYTES, trace_name
from archsim.traces.formats.text import (
    check_columns,
    column_of,
    feed_lines,
    header_line,
    open_text,
    shown,
    sound_scan,
)
from archsim.traces.trace import EmbeddingTrace

LOOKED_UP = ("user_id", "item_id")
TYPES = ("token", "token_seq", "float", "float_seq")

_HEADER = re.compile(rb"[^\t\r\n:]+:(token|float)(_seq)?(\t[^\t\r\n:]+:(token|float)(_seq)?)*[ \t]*\r?(\n|$)")


def is_recbole(head: bytes) -> bool:
    """Whether a file begins with a header of ``name:type`` between tabs."""
    return bool(_HEADER.match(head))


def read_recbole(
    path: str | Path, layout: Layout | None = None, block_bytes: int = BLOCK_BYTES
) -> EmbeddingTrace:
    """Read an ``.inter`` file: each interaction looks up its user and its item.

    Parameters
    ----------
    path : str or Path
        The file. Its header has ``user_id:token`` and ``item_id:token``; other columns are passed over.
    layout : Layout, optional
        What the file does not say about its tables. Declared rows must hold all tokens and row 0.
    block_bytes : int
        Bytes read at a time; the trace does not depend on it.

    Returns
    -------
    EmbeddingTrace
        Sample-major; interaction ``k`` is sample ``k``. Two tables, in the order of their columns.

    Raises
    ------
    InputError
        File, line and column of the first field that is wrong.
    """
    file = Path(path)
    layout = layout or Layout()
    declared = layout.declared_rows(file, 2)
    tables: list[str] = []

    def scan(keep: bool) -> kernel.FieldScanner:
        with open_text(file) as stream:
            names = _names(file, header_line(file, stream))
            kinds = [kernel.TEXT if name in LOOKED_UP else kernel.IGNORED for name in names]
            scanner = kernel.FieldScanner(
                ord("\t"), kinds, [0] * len(names), secrets.randbits(64), first_row=1, first_line=2
            )
            fields = [(name, "a token, not empty" if name in LOOKED_UP else "text") for name in names]
            feed_lines(file, stream, scanner, fields, block_bytes, keep=keep)
        tables[:] = [name for name in names if name in LOOKED_UP]
        return scanner

    scanner = sound_scan(scan)
    rows = column_of(scanner.rows)
    if not len(rows):
        raise InputError(f"{file}: a header without interactions")
    needed = [count + 1 for count in scanner.counts]
    del scanner  # The tokens may take more memory than all that follows.
    for name, size, rule in zip(tables, needed, declared or needed, strict=True):
        if size > rule:
            raise InputError(f"{file}: {name} has {size - 1} tokens, which need {size} rows; rows = {rule}")
    return EmbeddingTrace(
        name=trace_name(file),
        tables=tuple(
            Table(name, size, layout.vector_bytes, layout.dtype)
            for name, size in zip(tables, declared or needed, strict=True)
        ),
        rows=rows,
        bag_offsets=np.arange(len(rows) + 1),
        bag_tables=np.tile(np.arange(2, dtype=np.int32), len(rows) // 2),
        order="sample-major",
        generator="RecBole",
        notes=("line = sample; tokens numbered from 1 in order of appearance, row 0 is padding",),
    )


def _names(file: Path, header: bytes) -> list[str]:
    """Return the names of the columns; refuse a header without the two that are looked up."""
    if not is_recbole(header):
        raise InputError(
            f"{file}: line 1: the header {shown(header.strip())} must hold name:type, separated by tabs; "
            f"types are {', '.join(TYPES)}"
        )
    columns = [column.split(":") for column in header.decode("latin-1").rstrip(" \t\r\n").split("\t")]
    check_columns(file, [name for name, _ in columns], kernel.MOST_COLUMNS)
    types = {name: kind for name, kind in columns}
    for name in LOOKED_UP:
        if name not in types:
            raise InputError(f"{file}: line 1: the header lacks {name}:token{nearest(name, types)}")
        if types[name] != "token":
            raise InputError(f"{file}: line 1: {name} holds {types[name]}; it must be {name}:token")
    if len(types) < len(columns):
        raise InputError(f"{file}: line 1: the header names a column twice")
    return list(types)
