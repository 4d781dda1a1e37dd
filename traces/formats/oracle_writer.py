"""Writing libCacheSim's oracleGeneral; see `archsim.traces.formats.oracle`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.traces.checks import CHUNK, forget_pages
from archsim.traces.formats.oracle import NEVER, RECORD, successors
from archsim.traces.formats.outputs import Progress, new_output, silent
from archsim.traces.trace import EmbeddingTrace

DENSE_ROWS = 1 << 28
"""With at most this many rows, or eight per lookup, the last request of every row is kept in an array of all rows."""


def write_oracle(trace: EmbeddingTrace, path: str | Path, progress: Progress = silent) -> None:
    """Write a trace as one request per lookup.

    An object's id is its row plus the rows of all tables before, its size the bytes of the vector. The time is the
    arrival in whole seconds; without arrivals the sample number, where these do not decrease; otherwise 0.

    Parameters
    ----------
    trace : EmbeddingTrace
        The trace.
    path : str or Path
        The new file; compressed where it ends in .gz, .xz or .zst.
    progress : callable
        Called with the lookups written since the last call.

    Raises
    ------
    InputError
        ``path`` exists already or cannot be written, or a time or size does not fit 32 bits.
    """
    sizes = [table.vector_bytes for table in trace.tables]
    bases = np.cumsum([0, *(table.rows for table in trace.tables)])
    if max(sizes) >= 2**32 or int(bases[-1]) < 0:
        raise InputError(
            f"{trace.name}: {max(sizes)} bytes per vector or the rows of all tables do not fit the format"
        )
    times = _times(trace)
    with (
        new_output(Path(path)) as stream,
        tempfile.TemporaryFile(dir=Path(path).absolute().parent) as scratch,
    ):
        _write_following(trace, bases, scratch)
        scratch.seek(0)
        for first, last in _parts(trace.lookups):
            table, ids, bags = _ids(trace, bases, first, last)
            records = np.empty(last - first, RECORD)
            records["time_s"] = 0 if times is None else times[bags]
            records["id"] = ids
            records["bytes"] = np.array(sizes)[table]
            records["next"] = np.frombuffer(scratch.read(8 * (last - first)), np.int64)
            stream.write(records.tobytes())
            progress(last - first)


def _parts(count: int) -> Iterator[tuple[int, int]]:
    for first in range(0, count, CHUNK):
        yield first, min(first + CHUNK, count)


def _times(trace: EmbeddingTrace) -> NDArray[np.int64] | None:
    """Return the time of every bag, or None for 0."""
    times = trace.time_ps // 10**12 if trace.time_ps is not None else trace.sample
    if times is None or not trace.bags or (trace.time_ps is None and (np.diff(times) < 0).any()):
        return None
    if (bad := np.flatnonzero((times < 0) | (times >= 2**32))).size:
        raise InputError(
            f"{trace.name}: bag {bad[0]}: time {times[bad[0]]} s must be from 0 to {2**32 - 1}, 32 bits"
        )
    return times


def _ids(
    trace: EmbeddingTrace, bases: NDArray[np.int64], first: int, last: int
) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.int64]]:
    """Return table, object id and bag of the lookups ``first`` to ``last`` (exclusive)."""
    begin = int(np.searchsorted(trace.bag_offsets, first, side="right")) - 1
    end = int(np.searchsorted(trace.bag_offsets, last, side="left"))
    edges = np.clip(trace.bag_offsets[begin : end + 1], first, last)
    bags = np.repeat(np.arange(begin, end), np.diff(edges))
    table = trace.bag_tables[bags]
    ids = bases[table] + trace.rows[first:last]
    for column in (trace.rows, trace.bag_offsets, trace.bag_tables):
        forget_pages(column)
    return table, ids, bags


def _write_following(trace: EmbeddingTrace, bases: NDArray[np.int64], scratch: IO[bytes]) -> None:
    """Write the number of every request's next one, from the last part to the first."""
    rows = int(bases[-1])
    known = None
    if rows > max(DENSE_ROWS, 8 * trace.lookups):
        known = np.unique(np.concatenate([_ids(trace, bases, *part)[1] for part in _parts(trace.lookups)]))
        rows = len(known)
    later = np.zeros(rows, np.int64)  # the earliest request seen so far of every row, counted from 1; 0: none
    for first, last in reversed(list(_parts(trace.lookups))):
        ids = _ids(trace, bases, first, last)[1]
        if known is not None:
            ids = np.searchsorted(known, ids)
        following, firsts, lasts = successors(ids)
        following[following > 0] += first
        following[lasts] = later[ids[lasts]]
        later[ids[firsts]] = firsts + first + 1
        following[following == 0] = NEVER[0]
        scratch.seek(8 * first)
        scratch.write(following.tobytes())
