"""Whether a trace is sound, and the hash of what it says."""

from __future__ import annotations

import hashlib
import json
import mmap
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError, nearest
from archsim.traces.columns import COLUMNS, ORDERS, Table

if TYPE_CHECKING:
    from archsim.traces.trace import EmbeddingTrace

CHUNK = 1 << 20
"""Entries of a column looked at together; bounds the scratch memory on memory-mapped traces."""


def check_structure(trace: EmbeddingTrace) -> None:
    """Refuse columns whose types or lengths do not fit together, in constant time."""
    where = trace.name
    if trace.order not in ORDERS:
        raise InputError(f"{where}: unknown order {trace.order!r}{nearest(trace.order, ORDERS)}")
    if not trace.tables or not all(isinstance(table, Table) for table in trace.tables):
        raise InputError(f"{where}: tables must be one Table or more")
    for name, column in trace.columns.items():
        if column.dtype.name not in COLUMNS[name].dtypes:
            wanted = " or ".join(COLUMNS[name].dtypes)
            raise InputError(f"{where}: column {name!r} holds {column.dtype.name}; it must be {wanted}")
        length = COLUMNS[name].length(trace.lookups, trace.bags)
        if column.shape != (length,):
            raise InputError(
                f"{where}: column {name!r} has shape {column.shape}; "
                f"{trace.lookups} lookups in {trace.bags} bags need ({length},)"
            )
    if trace.bag_offsets[0] != 0:
        raise InputError(f"{where}: bag_offsets[0] = {trace.bag_offsets[0]} must be 0")
    if trace.bag_offsets[-1] != trace.lookups:
        raise InputError(
            f"{where}: bag_offsets[{trace.bags}] = {trace.bag_offsets[-1]} must be "
            f"the number of lookups, {trace.lookups}"
        )


def check_contents(trace: EmbeddingTrace, where: str) -> None:
    """Check every value, see `EmbeddingTrace.validate`."""
    if not trace.lookups:
        raise InputError(f"{where}: a trace needs at least one lookup")
    _check_offsets(trace, where)
    _check_tables(trace, where)
    for start in range(0, trace.lookups, CHUNK):
        _check_rows(trace, where, start, min(start + CHUNK, trace.lookups))
        here = slice(start, start + CHUNK)
        if trace.operation is not None and (bad := np.flatnonzero(trace.operation[here] > 1)).size:
            at = start + int(bad[0])
            raise InputError(
                f"{where}: lookup {at}: operation {trace.operation[at]} must be 0 (read) or 1 (update)"
            )
        if trace.weight is not None and (bad := np.flatnonzero(~np.isfinite(trace.weight[here]))).size:
            at = start + int(bad[0])
            raise InputError(f"{where}: lookup {at}: weight {trace.weight[at]} must be a finite number")
        for column in trace.columns.values():
            forget_pages(column)


def _check_offsets(trace: EmbeddingTrace, where: str) -> None:
    for start in range(0, trace.bags, CHUNK):
        part = trace.bag_offsets[start : start + CHUNK + 1]
        falls = np.flatnonzero(part[1:] < part[:-1])
        if falls.size:
            at = start + int(falls[0])
            raise InputError(
                f"{where}: bag {at}: bag_offsets[{at + 1}] = {trace.bag_offsets[at + 1]} is below "
                f"bag_offsets[{at}] = {trace.bag_offsets[at]}; offsets must not decrease"
            )
        forget_pages(trace.bag_offsets)


def _check_tables(trace: EmbeddingTrace, where: str) -> None:
    for start in range(0, trace.bags, CHUNK):
        part = trace.bag_tables[start : start + CHUNK]
        bad = np.flatnonzero((part < 0) | (part >= len(trace.tables)))
        if bad.size:
            at = start + int(bad[0])
            raise InputError(
                f"{where}: bag {at}: table {trace.bag_tables[at]} is unknown; "
                f"the {len(trace.tables)} tables are numbered 0 to {len(trace.tables) - 1}"
            )
        forget_pages(trace.bag_tables)


def _check_rows(trace: EmbeddingTrace, where: str, start: int, stop: int) -> None:
    """Check the rows of the lookups ``start`` to ``stop``; the offsets and tables are sound already."""
    first = int(np.searchsorted(trace.bag_offsets, start, side="right")) - 1
    last = int(np.searchsorted(trace.bag_offsets, stop, side="left"))
    sizes = np.array([table.rows for table in trace.tables])[trace.bag_tables[first:last]]
    edges = np.clip(trace.bag_offsets[first : last + 1], start, stop)
    rows = trace.rows[start:stop]
    bad = np.flatnonzero((rows < 0) | (rows >= np.repeat(sizes, edges[1:] - edges[:-1])))
    if bad.size:
        at = start + int(bad[0])
        bag = int(np.searchsorted(trace.bag_offsets, at, side="right")) - 1
        number = int(trace.bag_tables[bag])
        table = trace.tables[number]
        raise InputError(
            f"{where}: lookup {at} (bag {bag}, table {number} {table.name!r}): row {trace.rows[at]} "
            f"is outside the table's {table.rows} rows (0 to {table.rows - 1})"
        )


def forget_pages(column: NDArray[Any]) -> None:
    """Give back the pages of a memory map that have been read, which count as memory of the program until then."""
    owner: Any = column
    read_only = False
    while isinstance(owner, np.ndarray):
        # The pages of a map that may be changed privately (mode "c") hold the changes.
        read_only |= isinstance(owner, np.memmap) and owner.mode == "r"
        owner = owner.base
    if read_only and isinstance(owner, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        owner.madvise(mmap.MADV_DONTNEED)


def content_sha256(trace: EmbeddingTrace) -> str:
    """Hash what a trace says, in bounded memory.

    The hash covers a canonical JSON header (order; rows, vector bytes and type of every table; names and
    lengths of the columns) and then the columns in the order of `COLUMNS` as little-endian values of their
    first listed type. Labels (names of trace and tables), provenance (generator, seed, notes), file layout
    and the width of the stored row numbers do not matter.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    header = {
        "columns": {name: len(column) for name, column in trace.columns.items()},
        "order": trace.order,
        "tables": [[table.rows, table.vector_bytes, table.dtype] for table in trace.tables],
    }
    digest = hashlib.sha256(json.dumps(header, sort_keys=True, separators=(",", ":")).encode())
    for name, column in trace.columns.items():
        kind = np.dtype(COLUMNS[name].dtypes[0]).newbyteorder("<")
        for start in range(0, len(column), CHUNK):
            digest.update(np.ascontiguousarray(column[start : start + CHUNK], dtype=kind).data)
            forget_pages(column)
    return digest.hexdigest()
