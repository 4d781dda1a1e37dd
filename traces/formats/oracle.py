"""libCacheSim's oracleGeneral: 24 bytes per request, little-endian, without a header.

A record is a time in whole seconds (u32), an object's id (u64), its size in bytes (u32) and the number, counted from 1,
of the next request for the same object (i64), which is -1 or 2^63 - 1 where there is none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.traces.checks import CHUNK
from archsim.traces.columns import Table, vector_bytes_rule
from archsim.traces.formats.content import file_content
from archsim.traces.formats.layout import ESTIMATED_ROWS, Layout
from archsim.traces.formats.sources import HEAD_BYTES, trace_name
from archsim.traces.trace import EmbeddingTrace

RECORD = np.dtype([("time_s", "<u4"), ("id", "<u8"), ("bytes", "<u4"), ("next", "<i8")])

NEVER = (-1, 2**63 - 1)
"""What ``next`` holds where an object is not requested again."""

KEPT_IDS = 1 << 31
"""Ids below this are row numbers as they are; where one is larger, all are numbered anew."""

TIMES_LEFT_OUT = "one bag per request; times in whole seconds are too coarse for a memory and left out"


def is_oracle(head: bytes) -> bool:
    """Whether the first records of a file can be nothing else.

    Without a magic number only the values can tell, so all must agree: times do not fall, sizes are from 1 to 2^31 - 1,
    and the next requests are exactly those that ``head`` shows, or else lie behind it, each claimed once.
    """
    records = np.frombuffer(head, RECORD, len(head) // RECORD.itemsize)
    if not len(records) or (len(head) % RECORD.itemsize and len(head) < HEAD_BYTES):
        return False
    following = records["next"]
    more = ~np.isin(following, NEVER)
    inside = more & (following <= len(records))
    return bool(
        (np.diff(records["time_s"].astype(np.int64)) >= 0).all()
        and ((records["bytes"] > 0) & (records["bytes"] < 2**31)).all()
        and np.array_equal(np.where(inside, following, 0), successors(records["id"])[0])
        and ((following[more] > np.flatnonzero(more) + 1) & (following[more] < 2**48)).all()
        and len(np.unique(following[more])) == np.count_nonzero(more)
    )


def successors(ids: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Find the next request of every id.

    Parameters
    ----------
    ids : ndarray of int, shape (n,)
        Requests in their order.

    Returns
    -------
    following : ndarray of int64, shape (n,)
        Number of the next request for the same id, counted from 1, or 0.
    firsts, lasts : ndarray of int64
        Place of the first and of the last request of every id, both in the order of the ids.
    """
    order = np.argsort(ids, kind="stable")
    ranked = ids[order]
    same = ranked[1:] == ranked[:-1]
    following = np.zeros(len(ids), np.int64)
    following[order[:-1][same]] = order[1:][same] + 1
    return following, order[np.append(True, ~same)], order[np.append(~same, True)]


def read_oracle(path: str | Path, layout: Layout | None = None) -> EmbeddingTrace:
    """Read oracleGeneral as lookups of one table.

    Parameters
    ----------
    path : str or Path
        The file; mapped into memory where it is plain.
    layout : Layout, optional
        What the file does not say about its table.

    Returns
    -------
    EmbeddingTrace
        One bag per request. An id is a row where all are below 2^31, or below the declared rows; otherwise objects are
        numbered in the order in which they first appear.

    Raises
    ------
    InputError
        A size that is no multiple of 24 bytes, or an id outside the declared rows.
    """
    file = Path(path)
    layout = layout or Layout()
    content = file_content(file)
    if rest := len(content) % RECORD.itemsize:
        raise InputError(
            f"{file}: byte {len(content) - rest}: a record of {rest} bytes; {RECORD.itemsize} are needed each"
        )
    records = np.frombuffer(content, RECORD)
    declared = layout.declared_rows(file, 1)
    rows, size, notes = _rows(file, records["id"], declared[0] if declared else None)
    vector_bytes, note = _vector_bytes(records["bytes"], layout)
    if size * vector_bytes >= 2**63:
        raise InputError(f"{file}: {size} rows of {vector_bytes} bytes do not fit a 64-bit address space")
    return EmbeddingTrace(
        name=trace_name(file),
        tables=(Table(trace_name(file), size, vector_bytes, layout.dtype),),
        rows=rows,
        bag_offsets=np.arange(len(rows) + 1, dtype=np.int64),
        bag_tables=np.zeros(len(rows), np.int32),
        generator="oracleGeneral",
        notes=(TIMES_LEFT_OUT, note, *notes),
    )


def _rows(file: Path, ids: NDArray[Any], declared: int | None) -> tuple[NDArray[Any], int, tuple[str, ...]]:
    """Return row numbers, rows of the table, and notes."""
    largest = max(int(ids[start : start + CHUNK].max()) for start in range(0, len(ids), CHUNK))
    if declared is not None and largest >= declared:
        at = next(k for k in range(0, len(ids), CHUNK) if int(ids[k : k + CHUNK].max()) >= declared)
        at += int(np.argmax(ids[at : at + CHUNK] >= declared))
        raise InputError(
            f"{file}: request {at + 1}: id {ids[at]} must be a row of the table, 0 to {declared - 1}"
        )
    if declared is not None or largest < KEPT_IDS:
        kind = np.int32 if largest < KEPT_IDS else np.int64
        kept = ("ids taken as rows", *(() if declared else (ESTIMATED_ROWS,)))
        return ids.astype(kind), declared or largest + 1, kept
    order = np.argsort(ids, kind="stable")
    ranked = ids[order]
    new = np.append(True, ranked[1:] != ranked[:-1])
    del ranked
    firsts = order[new]
    number = np.empty(len(firsts), np.int32 if len(firsts) < KEPT_IDS else np.int64)
    number[np.argsort(firsts)] = np.arange(len(firsts))
    rows = np.empty(len(ids), number.dtype)
    rows[order] = number[np.cumsum(new) - 1]
    note = f"ids up to {largest} numbered anew, in the order in which they first appear"
    return rows, len(firsts), (note,)


def _vector_bytes(sizes: NDArray[Any], layout: Layout) -> tuple[int, str]:
    """Return the bytes of a row, and a note."""
    parts = [sizes[start : start + CHUNK] for start in range(0, len(sizes), CHUNK)]
    low, high = min(int(part.min()) for part in parts), max(int(part.max()) for part in parts)
    if not layout.vectors_declared and low == high and low and not vector_bytes_rule(low, layout.dtype):
        return low, f"vectors of {low} bytes, the size of every object"
    return layout.vector_bytes, f"objects of {low} to {high} bytes taken as vectors of {layout.vector_bytes}"
