"""The pass over a trace: rows numbered and counted, stack distances, working sets; exact or of a sample of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.kernels.reuse import IDS_MAX, DistinctRows, RowNumbers, StackDistances
from archsim.traces.addresses import AddressTrace
from archsim.traces.trace import EmbeddingTrace

MAX_BYTES = 2 << 30
"""Memory for counters. A trace whose rows need more is sampled."""

ROW_BYTES = 128
"""Most memory that a distinct row takes: number 24, slots up to 24, stack distances 22 over all tables and 22 in its
own with room to grow, and 32 while the figures are taken; benchmarks/analysis.py measures it."""

DIRECT_SHARE = 8
"""Rows are numbered through one slot of 4 bytes each where those take at most this part of the memory; else hashed."""

CHUNK = 1 << 18
"""Lookups taken in at a time; bounds the scratch memory."""

WINDOWS = 100
"""Parts of equal length in which the working set is counted."""

LINE_SHIFT = 6
"""Raw addresses are counted in lines of 64 bytes."""

Progress = Callable[[int], object]
Array = NDArray[Any]
Segments = tuple[Array, Array, NDArray[np.int32] | None, bool]
"""Rows of a piece, where each of its bags ends, their tables, and whether the first began in the piece before."""


@dataclass(frozen=True, eq=False)
class Counted:
    """What one pass over a trace has counted.

    With ``shift`` above 0 everything but ``lookups`` is of a sample of one row in ``2**shift`` and not yet scaled.

    Parameters
    ----------
    lookups : int
        Lookups (requests) of the trace.
    shift : int
        Logarithm of the rows per row sampled; 0: exact.
    numbers : RowNumbers
        The rows seen, and their uses.
    whole : StackDistances
        Over all tables together.
    by_table : StackDistances or None
        Of each table's own lookups, one segment per bag; None for raw addresses.
    until : int64 array, shape (windows,)
        Lookup at which each window of the working set ends.
    in_window, so_far : int64 array, shape (windows,)
        Distinct rows in each window and up to its end.
    tables : int
        Tables of the trace; 1 for raw addresses.
    """

    lookups: int
    shift: int
    numbers: RowNumbers
    whole: StackDistances
    by_table: StackDistances | None
    until: NDArray[np.int64]
    in_window: NDArray[np.int64]
    so_far: NDArray[np.int64]
    tables: int

    @property
    def label(self) -> str:
        """How the figures were counted: "exact" or "sampled 1/64"."""
        return f"sampled 1/{1 << self.shift}" if self.shift else "exact"

    @cached_property
    def uses(self) -> list[NDArray[np.int64]]:
        """Uses of every row that occurs, shape (rows,), per table."""
        return self._grouped[0]

    @cached_property
    def rows(self) -> list[NDArray[np.int64]]:
        """Row numbers that belong to `uses`."""
        return self._grouped[1]

    @cached_property
    def _grouped(self) -> tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]]:
        uses, rows, ends = self.numbers.grouped(self.tables)
        return np.split(uses, ends[:-1]), np.split(rows, ends[:-1])


def count(
    trace: EmbeddingTrace | AddressTrace, max_bytes: int = MAX_BYTES, progress: Progress | None = None
) -> Counted:
    """Read a trace once (twice where it may need a sample) and count.

    Parameters
    ----------
    trace : EmbeddingTrace or AddressTrace
        A validated trace.
    max_bytes : int
        Memory for the counters, at `ROW_BYTES` per distinct row. Where all rows do not fit, one row in 2, 4, 8, ...
        is taken, the first that fits, chosen by a hash.
    progress : callable, optional
        Told how many more lookups are done.
    """
    lookups = trace.lookups if isinstance(trace, EmbeddingTrace) else trace.requests
    sizes = [table.rows for table in trace.tables] if isinstance(trace, EmbeddingTrace) else None
    shift = _sample_shift(trace, lookups, sizes, max_bytes)
    numbers = RowNumbers(sizes if _direct(sizes, shift, max_bytes) else None, sample_shift=shift)
    whole = StackDistances()
    by_table = None if sizes is None else StackDistances(len(sizes))
    until = _window_ends(lookups)
    in_window, so_far = np.zeros_like(until), np.zeros_like(until)
    start, window = 0, 0
    opens = True
    with ThreadPoolExecutor(1) as other:
        for rows, ends, tables, continued in _pieces(trace, until):
            ids, kept = numbers.number(rows, ends, tables)
            waiting = by_table and other.submit(by_table.feed, ids, kept, tables, continued=continued)
            before = whole.fresh()
            whole.feed(ids, continued=not opens)
            if waiting:
                waiting.result()
            in_window[window] += whole.fresh() - before
            start += len(rows)
            if opens := start == until[window]:
                so_far[window] = whole.distinct()
                window += 1
            if progress is not None:
                progress(len(rows))
    return Counted(
        lookups, shift, numbers, whole, by_table, until, in_window, so_far, 1 if sizes is None else len(sizes)
    )


def _window_ends(lookups: int) -> NDArray[np.int64]:
    """Cut the lookups into windows of equal length, up to rounding."""
    windows = min(WINDOWS, lookups)
    return np.array([lookups * (i + 1) // windows for i in range(windows)], np.int64)


def _sample_shift(
    trace: EmbeddingTrace | AddressTrace, lookups: int, sizes: list[int] | None, max_bytes: int
) -> int:
    """Return the logarithm of the rows per row that is counted."""
    most = min(max_bytes // ROW_BYTES, IDS_MAX)
    if min(lookups, sum(sizes) if sizes else lookups) <= most:
        return 0
    distinct = DistinctRows()
    for rows, ends, tables, _ in _pieces(trace, np.array([lookups])):
        distinct.feed(rows, ends, tables)
    shift = 0
    # A margin for the error of the estimate and for the luck of the sample.
    while 1.05 * distinct.estimate() / (1 << shift) > most and shift < 40:
        shift += 1
    return shift


def _direct(sizes: list[int] | None, shift: int, max_bytes: int) -> bool:
    return sizes is not None and not shift and 4 * sum(sizes) <= max_bytes // DIRECT_SHARE


def _pieces(trace: EmbeddingTrace | AddressTrace, until: NDArray[np.int64]) -> Iterator[Segments]:
    """Cut a trace at the ends of windows and into chunks, wherever in a bag that falls."""
    start = 0
    for end in until.tolist():
        while start < end:
            stop = min(start + CHUNK, end)
            if isinstance(trace, AddressTrace):
                lines = trace.address[start:stop] >> LINE_SHIFT
                yield lines, np.array([stop - start]), None, start > 0
            else:
                yield _lookups(trace, start, stop)
            start = stop


def _lookups(trace: EmbeddingTrace, start: int, stop: int) -> Segments:
    offsets = trace.bag_offsets
    first = int(np.searchsorted(offsets, start, side="right")) - 1
    last = int(np.searchsorted(offsets, stop, side="left"))
    ends = np.minimum(offsets[first + 1 : last + 1], stop) - start
    tables = np.ascontiguousarray(trace.bag_tables[first:last])
    return trace.rows[start:stop], ends, tables, bool(offsets[first] < start)
