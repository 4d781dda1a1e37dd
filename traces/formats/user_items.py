"""Interactions as numbers: a user and then items, one line each (SASRec's ``user item``, LightGCN's ``user item ...``).

Nothing in such a file tells it from bag text, so the format must be named.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from archsim.kernels.text import NumberScanner
from archsim.traces.columns import Table
from archsim.traces.formats.layout import Layout
from archsim.traces.formats.sources import BLOCK_BYTES, trace_name
from archsim.traces.formats.text import column_of, feed_numbers, sound_scan
from archsim.traces.trace import EmbeddingTrace

TABLES = ("user", "item")


def read_user_items(
    path: str | Path, layout: Layout | None = None, block_bytes: int = BLOCK_BYTES
) -> EmbeddingTrace:
    """Read interactions, each line a sample.

    Parameters
    ----------
    path : str or Path
        The file.
    layout : Layout, optional
        What the file does not say about its tables.
    block_bytes : int
        Bytes read at a time; the trace does not depend on it.

    Returns
    -------
    EmbeddingTrace
        Two tables, ``user`` and ``item``. Every line looks its user up, and then all its items in one bag; the
        numbers are the rows.

    Raises
    ------
    InputError
        File, line, column and token of the first thing that is not a number, or a row outside its table.
    """
    file = Path(path)
    layout = layout or Layout()
    declared = layout.declared_rows(file, 2)
    limits = declared or [layout.largest_rows] * 2

    def scan(keep: bool) -> NumberScanner:
        scanner = NumberScanner(limits[1], first_limit=limits[0], first_apart=True, most_blanks=0)
        feed_numbers(file, scanner, "a row number; digits separated by spaces", block_bytes, keep)
        return scanner

    scanner = sound_scan(scan)
    rows, offsets = column_of(scanner.numbers), column_of(scanner.offsets)
    found = np.array([[scanner.largest_first], [scanner.largest]])
    sizes, notes = layout.table_rows(declared, list(found))
    return EmbeddingTrace(
        name=trace_name(file),
        tables=tuple(
            Table(name, size, layout.vector_bytes, layout.dtype)
            for name, size in zip(TABLES, sizes, strict=True)
        ),
        rows=rows,
        bag_offsets=offsets,
        bag_tables=np.tile(np.arange(2, dtype=np.int32), len(offsets) // 2),
        order="sample-major",
        generator="user items",
        notes=("line = sample: one lookup of its user, one bag of its items; numbers taken as rows", *notes),
    )
