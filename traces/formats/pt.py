"""Requests of FBGEMM's table-batched embedding benchmark, as in ``dlrm_datasets``: ``.pt`` files of tensors.

A file holds (indices, offsets, lengths), or in newer use (indices, offsets, ...). Tables are one after the other: with
T tables and batches of B samples the bag of sample ``b`` in table ``t`` is
``indices[offsets[t * B + b] : offsets[t * B + b + 1]]``, and there are T * B + 1 offsets. An index of -1 stands for a
row that was pruned from its table.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.traces.checks import CHUNK
from archsim.traces.columns import Table
from archsim.traces.formats.layout import ESTIMATED_ROWS, Layout
from archsim.traces.formats.sources import trace_name
from archsim.traces.formats.tensors import load_tensors
from archsim.traces.trace import EmbeddingTrace

FILE_NAME = re.compile(r"_t(?P<tables>[1-9][0-9]*)_bs(?P<batch>[1-9][0-9]*)(?![0-9])")
"""What the names of the published files say about their content, as in ``fbgemm_t856_bs65536.pt.gz``."""

MAX_TABLES = 1 << 16
"""Most tables that are believed; the published files have up to 856."""

PRUNED = -1


def read_pt(path: str | Path, layout: Layout | None = None) -> EmbeddingTrace:
    """Read a file of indices and offsets, without PyTorch.

    Parameters
    ----------
    path : str or Path
        The file, plain or compressed.
    layout : Layout, optional
        What the file does not say about its tables.

    Returns
    -------
    EmbeddingTrace
        Table-major, as recorded. Bag ``b`` of every table is sample ``b``. Pruned rows are left out, and counted in
        the notes.

    Raises
    ------
    InputError
        A file that is damaged or asks for anything but tensors, offsets that do not fit the indices, or an index
        outside its table.
    """
    file = Path(path)
    layout = layout or Layout()
    members = load_tensors(file)
    indices, offsets = _integers(file, members)
    tables, notes = _number_of_tables(file, members, len(offsets) - 1, layout)
    _check_offsets(file, offsets, len(indices))
    notes += _check_rest(file, members, offsets)
    if not len(indices):
        raise InputError(f"{file}: no lookups in any of its {tables} tables")
    declared = layout.declared_rows(file, tables)
    firsts = offsets[:: (len(offsets) - 1) // tables]
    limits = declared or [layout.largest_rows] * tables
    sizes = [_table_rows(file, t, indices, firsts[t : t + 2], limits[t]) for t in range(tables)]
    pruned = sum(int(np.count_nonzero(indices[part] == PRUNED)) for part in _parts(len(indices)))
    if pruned == len(indices):
        raise InputError(f"{file}: no lookups: all {pruned} indices are {PRUNED}, pruned rows")
    # All is sound. Copies are made where the file holds other integers, or leaves the word boundary.
    offsets = np.require(offsets, np.int64, ["A", "C"])
    rows, bag_offsets = _without_pruned(indices, offsets, max(sizes), pruned)
    if pruned:
        notes += (f"{pruned} pruned rows (index {PRUNED}) left out of their bags",)
    if declared is None:
        notes += (ESTIMATED_ROWS,)
    return EmbeddingTrace(
        name=trace_name(file),
        tables=tuple(
            Table(f"table_{t}", size, layout.vector_bytes, layout.dtype)
            for t, size in enumerate(declared or sizes)
        ),
        rows=rows,
        bag_offsets=bag_offsets,
        bag_tables=np.repeat(np.arange(tables, dtype=np.int32), (len(offsets) - 1) // tables),
        order="table-major",
        generator="pt",
        notes=notes,
    )


def _integers(file: Path, members: list[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the first two members after checking what they are."""
    if len(members) < 2:
        raise InputError(f"{file}: holds {len(members)} values; (indices, offsets, ...) are needed")
    for name, column in zip(("indices", "offsets"), members, strict=False):
        if column is None:
            raise InputError(f"{file}: {name} is not a tensor")
        if column.ndim != 1 or column.dtype.kind not in "iu":
            raise InputError(
                f"{file}: {name} holds {column.dtype.name} of shape {column.shape}; it must hold integers in one "
                "dimension"
            )
    if len(members[1]) < 2:
        raise InputError(
            f"{file}: offsets has {len(members[1])} entries; one per bag and one more are needed"
        )
    return members[0], members[1]


def _number_of_tables(
    file: Path, members: list[Any], bags: int, layout: Layout
) -> tuple[int, tuple[str, ...]]:
    """Tell the number of tables: as declared, from the shape of lengths, or from the file's name."""
    lengths = members[2] if len(members) > 2 else None
    shape = lengths.shape if lengths is not None and lengths.ndim == 2 else None
    named = FILE_NAME.search(file.name)
    if layout.tables is not None:
        tables, source = layout.tables, f"tables = {layout.tables}"
    elif not isinstance(layout.rows, int | None):
        tables, source = len(layout.rows), f"rows of {len(layout.rows)} tables"
    elif shape is not None and shape[0] * shape[1] == bags:
        tables, source = shape[0], f"lengths of shape {shape}"
    elif named:
        tables, source = int(named["tables"]), f"the name's {named[0].strip('_')!r}"
        if tables * int(named["batch"]) != bags:
            raise InputError(
                f"{file}: {source} means {tables * int(named['batch'])} bags, but offsets are of {bags}"
            )
    else:
        raise InputError(
            f"{file}: {bags} bags, but of how many tables? The file does not say: "
            f"declare them (archsim trace convert --tables N), or name it ..._tTABLES_bsBATCH.pt"
        )
    if not 1 <= tables <= MAX_TABLES or bags % tables:
        raise InputError(
            f"{file}: {source}: {bags} bags cannot be those of {tables} tables, in equal numbers and at most "
            f"{MAX_TABLES}"
        )
    return tables, (f"{tables} tables of {bags // tables} bags, by {source}",)


def _parts(count: int) -> Iterator[slice]:
    for start in range(0, count, CHUNK):
        yield slice(start, min(start + CHUNK, count))


def _check_offsets(file: Path, offsets: NDArray[Any], lookups: int) -> None:
    for place, expected in ((0, 0), (len(offsets) - 1, lookups)):
        if offsets[place] != expected:
            raise InputError(f"{file}: offsets[{place}] = {offsets[place]} must be {expected}")
    for part in _parts(len(offsets) - 1):
        here, after = offsets[part], offsets[part.start + 1 : part.stop + 1]
        if (falls := np.flatnonzero(after < here)).size:
            at = part.start + int(falls[0]) + 1
            raise InputError(
                f"{file}: offsets[{at}] = {offsets[at]} is below offsets[{at - 1}] = {offsets[at - 1]}"
            )


def _check_rest(file: Path, members: list[Any], offsets: NDArray[Any]) -> tuple[str, ...]:
    """Compare lengths with the offsets; say which members are left out."""
    rest = members[2:]
    if rest and rest[0] is not None and rest[0].dtype.kind in "iu" and rest[0].size == len(offsets) - 1:
        lengths = rest[0].reshape(-1)
        for part in _parts(len(lengths)):
            found = offsets[part.start + 1 : part.stop + 1] - offsets[part]
            if (bad := np.flatnonzero(found != lengths[part])).size:
                at = part.start + int(bad[0])
                raise InputError(
                    f"{file}: bag {at}: lengths says {lengths[at]} lookups, offsets say {found[bad[0]]}"
                )
        rest = rest[1:]
    return (f"{len(rest)} further members of the file left out",) if rest else ()


def _table_rows(file: Path, table: int, indices: NDArray[Any], edges: NDArray[Any], limit: int) -> int:
    """Check the indices of a table; return the largest plus one, at least one."""
    largest = 0
    for start in range(int(edges[0]), int(edges[1]), CHUNK):
        part = indices[start : min(start + CHUNK, int(edges[1]))]
        low, high = int(part.min()), int(part.max())
        if low < PRUNED or high >= limit:
            at = int(np.flatnonzero((part < PRUNED) | (part >= limit))[0])
            raise InputError(
                f"{file}: indices[{start + at}] = {part[at]} of table {table} must be a row, 0 to {limit - 1}, "
                f"or {PRUNED} where it was pruned"
            )
        largest = max(largest, high)
    return largest + 1


def _without_pruned(
    indices: NDArray[Any], offsets: NDArray[np.int64], size: int, pruned: int
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the rows and the offsets without the pruned rows."""
    kind = np.int32 if size <= 2**31 else np.int64
    if not pruned:
        return np.require(indices, kind, ["A", "C"]), offsets
    rows = np.empty(len(indices) - pruned, kind)
    moved = np.empty(len(offsets), np.int64)
    kept_before, bag = 0, 0
    for part in _parts(len(indices)):
        keep = indices[part] != PRUNED
        kept = np.concatenate(([0], np.cumsum(keep)))
        last = int(np.searchsorted(offsets, part.stop, side="left"))
        moved[bag:last] = kept_before + kept[offsets[bag:last] - part.start]
        bag = last
        rows[kept_before : kept_before + int(kept[-1])] = indices[part][keep]
        kept_before += int(kept[-1])
    moved[bag:] = kept_before
    return rows, moved
