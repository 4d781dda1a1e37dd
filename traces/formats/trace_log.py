"""DLRM's ``trace.log``: one line of row numbers of one table, separated by commas.

The file is what ``dlrm_data_pytorch.py`` of facebookresearch/dlrm reads to profile stack distances: a stream of
accesses, without bags.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from archsim.kernels.text import NumberScanner
from archsim.traces.columns import Table
from archsim.traces.formats.layout import Layout
from archsim.traces.formats.sources import BLOCK_BYTES, trace_name
from archsim.traces.formats.text import column_of, feed_numbers, sound_scan
from archsim.traces.trace import EmbeddingTrace


def is_trace_log(head: bytes) -> bool:
    """Whether a file begins with two numbers and a comma between them."""
    return bool(re.match(rb"[ \t]*-?[0-9]+[ \t]*,[ \t]*-?[0-9]", head))


def read_trace_log(
    path: str | Path, layout: Layout | None = None, block_bytes: int = BLOCK_BYTES
) -> EmbeddingTrace:
    """Read a ``trace.log``.

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
        One table; every access is a bag of its own, and a sample.

    Raises
    ------
    InputError
        File, line, column and token of the first thing that is not a row number of the table.
    """
    file = Path(path)
    layout = layout or Layout()
    declared = layout.declared_rows(file, 1)

    def scan(keep: bool) -> NumberScanner:
        scanner = NumberScanner(declared[0] if declared else layout.largest_rows, commas=True)
        feed_numbers(file, scanner, "a row number; digits separated by commas", block_bytes, keep)
        return scanner

    scanner = sound_scan(scan)
    rows = column_of(scanner.numbers)
    table_rows, notes = layout.table_rows(declared, [rows])
    offsets = np.arange(len(rows) + 1)
    return EmbeddingTrace(
        name=trace_name(file),
        tables=(Table(trace_name(file), table_rows[0], layout.vector_bytes, layout.dtype),),
        rows=rows,
        bag_offsets=offsets,
        bag_tables=np.broadcast_to(np.int32(0), len(rows)),
        order="sample-major",
        sample=offsets[:-1],
        generator="DLRM trace.log",
        notes=("the file has no bags: every access taken as a bag and a sample", *notes),
    )
