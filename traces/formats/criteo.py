"""Criteo's click logs: a sample per line, 13 counts and 26 categories, as text with tabs or as CSV with a header.

The form of the data, the treatment of missing values and the numbering of categories are those of ``data_utils.py`` in
facebookresearch/dlrm.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import numpy as np

import archsim.kernels.text_lines as kernel
from archsim.errors import InputError
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

COUNTS = tuple(f"I{n}" for n in range(1, 14))
CATEGORIES = tuple(f"C{n}" for n in range(1, 27))

_RULES = {
    kernel.NUMBER: "a number, or empty",
    kernel.HASH: "at most 8 hexadecimal digits, or empty",
    kernel.IGNORED: "text",
}
_RAW_LINE = re.compile(rb"([01]\t)?(-?[0-9]*\t){13}([0-9a-fA-F]{0,8}\t){25}[0-9a-fA-F]{0,8}\r?(\n|$)")


def is_criteo(head: bytes) -> bool:
    """Whether a file begins with a line of Criteo's data, or with a header that names all categories."""
    return bool(_RAW_LINE.match(head)) or set(CATEGORIES) <= set(_header(head.partition(b"\n")[0])[1])


def _header(line: bytes) -> tuple[bytes, list[str]]:
    """Return the separator of a header, and the names in it."""
    separator = b"\t" if b"\t" in line else b","
    return separator, [name.decode("latin-1").strip('"') for name in line.rstrip(b"\r\n").split(separator)]


def read_criteo(
    path: str | Path, layout: Layout | None = None, block_bytes: int = BLOCK_BYTES
) -> EmbeddingTrace:
    """Read Criteo's data: 26 tables, one lookup in each per sample.

    Parameters
    ----------
    path : str or Path
        Text with tabs and no header, with or without the label; or CSV whose header names C1 to C26.
    layout : Layout, optional
        With declared rows a row is the hash of the category modulo the rows of its table. Without them
        categories are numbered from 0, table by table, in the order of their first appearance.
    block_bytes : int
        Bytes read at a time; the trace does not depend on it.

    Returns
    -------
    EmbeddingTrace
        Sample-major; line ``k`` of the data is sample ``k``. A missing category has the hash 0.

    Raises
    ------
    InputError
        File, line and column of the first field that is wrong.
    """
    file = Path(path)
    layout = layout or Layout()
    declared = layout.declared_rows(file, len(CATEGORIES))
    categories: list[str] = []

    def scan(keep: bool) -> kernel.FieldScanner:
        with open_text(file) as stream:
            line = header_line(file, stream)
            separator, names, has_header = _columns(file, line)
            categories[:] = [name for name in names if name in CATEGORIES]
            modulo = dict(zip(categories, declared or [0] * len(categories), strict=True))
            kinds = [
                kernel.HASH if name in modulo else kernel.NUMBER if name in COUNTS else kernel.IGNORED
                for name in names
            ]
            scanner = kernel.FieldScanner(
                separator[0],
                kinds,
                [modulo.get(name, 0) for name in names],
                secrets.randbits(64),
                first_line=1 + has_header,
            )
            fields = [(name, _RULES[kind]) for name, kind in zip(names, kinds, strict=True)]
            feed_lines(file, stream, scanner, fields, block_bytes, b"" if has_header else line, keep)
        return scanner

    scanner = sound_scan(scan)
    rows = column_of(scanner.rows)
    if not len(rows):
        raise InputError(f"{file}: a header without data")
    sizes = declared or scanner.counts
    del scanner  # The categories may take more memory than all that follows.
    return EmbeddingTrace(
        name=trace_name(file),
        tables=tuple(
            Table(name, size, layout.vector_bytes, layout.dtype)
            for name, size in zip(categories, sizes, strict=True)
        ),
        rows=rows,
        bag_offsets=np.arange(len(rows) + 1),
        bag_tables=np.tile(np.arange(len(categories), dtype=np.int32), len(rows) // len(categories)),
        order="sample-major",
        generator="Criteo",
        notes=(
            "row = hash of the category modulo the rows of its table; missing = hash 0"
            if declared
            else "categories numbered per table in order of appearance; missing = a category of its own, hash 0",
        ),
    )


def _columns(file: Path, line: bytes) -> tuple[bytes, list[str], bool]:
    """Return the separator, the names of the columns, and whether the first line is a header."""
    separator, names = _header(line)
    if not any(name in CATEGORIES for name in names):
        bare = (*COUNTS, *CATEGORIES)
        return b"\t", list(bare) if len(names) == len(bare) else ["label", *bare], False
    for name in CATEGORIES:
        if names.count(name) != 1:
            raise InputError(
                f"{file}: line 1: column {name} is {'missing' if name not in names else 'there twice'}; "
                f"a header names C1 to C26, but this one is {shown(line.strip())}"
            )
    check_columns(file, names, kernel.MOST_COLUMNS)
    return separator, names, True
