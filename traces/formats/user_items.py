"""Interactions as numbers: a user and then items, one line each (SASRec's ``user item``, LightGCN's ``user item ...``).

Nothing in such a file tells it from bag text, so the format must be named.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.kernels.text import NumberScanner
from archsim.traces.columns import Table
from archsim.traces.formats.layout import Layout
from archsim.traces.formats.sources import BLOCK_BYTES, trace_name
from archsim.traces.formats.text import column_of, feed_numbers
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
    limit = max(declared) if declared else layout.largest_rows
    scanner = NumberScanner(limit, first_apart=True, most_blanks=0)
    feed_numbers(file, scanner, "a row number; digits separated by spaces", block_bytes)
    rows, offsets = column_of(scanner.numbers), column_of(scanner.offsets)
    users = offsets[:-1:2]
    columns = [rows[users], np.delete(rows, users)]
    sizes, notes = layout.table_rows(declared, columns)
    for table, column, size in zip(TABLES, columns, sizes, strict=True):
        _check(file, table, column, size, rows, offsets)
    lines = len(users)
    return EmbeddingTrace(
        name=trace_name(file),
        tables=tuple(
            Table(name, size, layout.vector_bytes, layout.dtype)
            for name, size in zip(TABLES, sizes, strict=True)
        ),
        rows=rows,
        bag_offsets=offsets,
        bag_tables=np.tile(np.arange(2, dtype=np.int32), lines),
        order="sample-major",
        generator="user items",
        notes=("line = sample: one lookup of its user, one bag of its items; numbers taken as rows", *notes),
    )


def _check(
    file: Path, table: str, column: NDArray[Any], size: int, rows: NDArray[Any], offsets: NDArray[np.int64]
) -> None:
    """Refuse a row outside one of two tables that were declared with different sizes."""
    if column.max(initial=0) < size:
        return
    number = int(column[np.argmax(column >= size)])
    is_user = np.zeros(len(rows), bool)
    is_user[offsets[:-1:2]] = True
    at = int(np.argmax((rows == number) & (is_user if table == "user" else ~is_user)))
    line = int(np.searchsorted(offsets[::2], at, side="right"))
    raise InputError(
        f"{file}: line {line}: {table} {number} is outside the table's {size} rows (0 to {size - 1})"
    )
