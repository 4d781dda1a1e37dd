"""Bag text: one bag per line, its row numbers separated by spaces; one file is one table.

An empty line is an empty bag, but only in front of another bag: empty lines at the end of the file are
refused, because they cannot be told from a stray newline. The form is that of the DLRM traces in the
repository PSAL-POSTECH/M2NDP-public.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.kernels.text import NumberScanner
from archsim.traces.checks import CHUNK
from archsim.traces.columns import Table
from archsim.traces.formats.layout import Layout
from archsim.traces.formats.sources import BLOCK_BYTES, trace_name
from archsim.traces.formats.text import column_of, feed_numbers, sound_scan
from archsim.traces.trace import EmbeddingTrace


def is_bag_text(head: bytes) -> bool:
    """Whether the first word is a whole number and no byte is a control character."""
    return bool(re.match(rb"\s*-?[0-9]+\s", head + b" ")) and not re.search(rb"[\x00-\x08\x0e-\x1f]", head)


def read_bag_text(
    path: str | Path, layout: Layout | None = None, block_bytes: int = BLOCK_BYTES
) -> EmbeddingTrace:
    """Read bag text, compressed or not, block by block.

    Parameters
    ----------
    path : str or Path
        The file.
    layout : Layout, optional
        What the file does not say about its table.
    block_bytes : int
        Bytes read at a time; the trace does not depend on it.

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

    def scan(keep: bool) -> NumberScanner:
        scanner = NumberScanner(declared[0] if declared else layout.largest_rows)
        feed_numbers(file, scanner, "a row number; digits separated by spaces", block_bytes, keep)
        if scanner.blanks:
            raise InputError(
                f"{file}: line {scanner.line - 1}: empty line at the end; an empty bag must be followed by another bag"
            )
        return scanner

    scanner = sound_scan(scan)
    rows, offsets = column_of(scanner.numbers), column_of(scanner.offsets)
    table_rows, notes = layout.table_rows(declared, [rows])
    bags = len(offsets) - 1
    return EmbeddingTrace(
        name=trace_name(file),
        tables=(Table(trace_name(file), table_rows[0], layout.vector_bytes, layout.dtype),),
        rows=rows,
        bag_offsets=offsets,
        bag_tables=np.broadcast_to(np.int32(0), bags),
        order="sample-major",
        # One lookup per bag: the offsets count the bags already, and short lines must not cost more than they do.
        sample=offsets[:-1] if _counts_up(offsets) else np.arange(bags),
        generator="bag text",
        notes=("sample = line of the file", *notes),
    )


def _counts_up(offsets: NDArray[np.int64]) -> bool:
    """Whether the offsets are 0, 1, 2, ..., looked at part by part."""
    return len(offsets) == offsets[-1] + 1 and all(
        np.array_equal(offsets[at : at + CHUNK], np.arange(at, min(at + CHUNK, len(offsets))))
        for at in range(0, len(offsets), CHUNK)
    )
