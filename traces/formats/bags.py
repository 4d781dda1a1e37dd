"""Bag text: one bag per line, its row numbers separated by spaces; one file is one table.

An empty line is an empty bag, but only in front of another bag: empty lines at the end of the file are
refused, because they cannot be told from a stray newline. The form is that of the DLRM traces in the
repository PSAL-POSTECH/M2NDP-public.
"""

from __future__ import annotations

import re
from array import array
from pathlib import Path

import numpy as np

from archsim.errors import InputError
from archsim.traces.columns import Table
from archsim.traces.formats.layout import Layout, narrow_rows
from archsim.traces.formats.sources import open_binary, trace_name
from archsim.traces.trace import EmbeddingTrace


def read_bag_text(path: str | Path, layout: Layout | None = None) -> EmbeddingTrace:
    """Read bag text, plain, ``.gz`` or ``.xz``, line by line.

    Parameters
    ----------
    path : str or Path
        The file.
    layout : Layout, optional
        What the file does not say about its table.

    Returns
    -------
    EmbeddingTrace
        One table; bag ``k`` is sample ``k``.

    Raises
    ------
    InputError
        File, line, column (both from 1) and token of the first thing that is not a row number of the table.
    """
    file = Path(path)
    layout = layout or Layout()
    declared = layout.declared_rows(file, 1)
    size = declared[0] if declared else layout.largest_rows
    rows, offsets = array("q"), array("q", [0])
    line = 0
    with open_binary(file) as stream:
        for line, content in enumerate(stream, start=1):
            if content.translate(None, b"0123456789 \t\r\n"):
                raise _fault(file, line, content, size)
            try:
                bag = array("q", map(int, content.split()))
            except (OverflowError, ValueError):
                raise _fault(file, line, content, size) from None
            if bag and max(bag) >= size:
                raise _fault(file, line, content, size)
            rows.extend(bag)
            offsets.append(len(rows))
    if not line:
        raise InputError(f"{file}: empty file; one bag of row numbers per line is needed")
    if offsets[-1] == offsets[-2]:
        raise InputError(
            f"{file}: line {line}: empty line at the end; an empty bag must be followed by another bag"
        )
    numbers = np.frombuffer(rows, np.int64)
    table_rows, notes = layout.table_rows(declared, [numbers])
    bags = len(offsets) - 1
    return EmbeddingTrace(
        name=trace_name(file),
        tables=(Table(trace_name(file), table_rows[0], layout.vector_bytes, layout.dtype),),
        rows=narrow_rows(numbers),
        bag_offsets=np.frombuffer(offsets, np.int64),
        bag_tables=np.zeros(bags, np.int32),
        order="sample-major",
        sample=np.arange(bags),
        generator="bag text",
        notes=("sample = line of the file", *notes),
    )


def _fault(file: Path, line: int, content: bytes, size: int) -> InputError:
    """Find the token of a line that cannot be right."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        column = len(content[: error.start].decode("utf-8")) + 1
        return InputError(
            f"{file}: line {line}, column {column}: byte 0x{content[error.start]:02x} is not UTF-8 text"
        )
    match = next(m for m in re.finditer(r"[^ \t\r\n]+", text) if not _is_row(m.group(), size))
    token = match.group()
    where = f"{file}: line {line}, column {match.start() + 1}"
    shown = repr(token if len(token) <= 40 else token[:37] + "...")
    if re.fullmatch(r"-[0-9]+", token):
        return InputError(f"{where}: row {shown} is negative; rows count from 0")
    if not re.fullmatch(r"[0-9]+", token):
        return InputError(f"{where}: {shown} is not a row number; digits separated by spaces are needed")
    return InputError(f"{where}: row {shown} is outside the table's {size} rows (0 to {size - 1})")


def _is_row(token: str, size: int) -> bool:
    """Whether a token is a row number below ``size``; a long one is never converted."""
    return bool(re.fullmatch(r"[0-9]+", token)) and len(token.lstrip("0")) <= 19 and int(token) < size
