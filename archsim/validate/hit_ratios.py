"""Hit ratios of traces in a set-associative LRU cache, table by table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from archsim.kernels.set_lru import SetLru
from archsim.traces.trace import EmbeddingTrace

WAYS, LINE_BYTES = 4, 64


def line_hits(
    windows: Iterable[EmbeddingTrace], cache_bytes: Sequence[int], line_bytes: int = LINE_BYTES
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count accesses and hits of lines in 4-way LRU caches that start empty.

    The tables follow one another in memory from address 0 on; a lookup accesses the lines of its vector in order.

    Parameters
    ----------
    windows : iterable of EmbeddingTrace
        A trace, in pieces.
    cache_bytes : sequence of int
        Capacities; each is a cache of its own.
    line_bytes : int
        Bytes of a line.

    Returns
    -------
    accesses : ndarray of int64, shape (tables,)
    hits : ndarray of int64, shape (len(cache_bytes), tables)
    """
    caches = [SetLru(size // (WAYS * line_bytes), WAYS) for size in cache_bytes]
    counts: list[NDArray[np.int64]] = []
    for window in windows:
        footprints = [table.footprint_bytes for table in window.tables]
        if not counts:
            counts = [np.zeros(len(footprints), np.int64) for _ in range(len(caches) + 1)]
        bases = np.cumsum([0, *footprints[:-1]])
        vectors = np.array([table.vector_bytes for table in window.tables])
        table = window.table
        start = window.rows * vectors[table] + bases[table]
        first, last = start // line_bytes, (start + vectors[table] - 1) // line_bytes
        np.add.at(counts[0], table, last - first + 1)
        for cache, hits in zip(caches, counts[1:], strict=True):
            cache.access(first, last, table, hits)
    return counts[0], np.stack(counts[1:])


def reused(trace: EmbeddingTrace) -> NDArray[np.int64]:
    """Count the lookups of rows looked up before, which is what a cache without limit would hit.

    Returns
    -------
    ndarray of int64, shape (tables,)
        One count per table.
    """
    table = trace.table
    again = np.bincount(table, minlength=len(trace.tables))
    for number in range(len(trace.tables)):
        rows = np.sort(trace.rows[table == number])
        again[number] -= np.count_nonzero(np.diff(rows)) + bool(len(rows))
    return again
