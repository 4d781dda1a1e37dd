"""Bags in an ``.npz`` archive: arrays ``PREFIX_T_indices`` and ``PREFIX_T_lengths`` for tables T = 0, 1, ...

Indices are the row numbers of all bags of a table one after the other; lengths are the lookups of each bag.
"""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.traces.checks import CHUNK
from archsim.traces.columns import Table
from archsim.traces.formats.content import file_content
from archsim.traces.formats.layout import ESTIMATED_ROWS, Layout
from archsim.traces.formats.sources import (
    FREE_BYTES,
    NPY_DAMAGE,
    RATIO,
    first_line,
    no_warnings,
    trace_name,
)
from archsim.traces.formats.zipped import DEFLATED, STORED, member_content, zip_members
from archsim.traces.ordering import bag_chunks
from archsim.traces.trace import EmbeddingTrace

KEY = re.compile(r"(?P<prefix>.+)_(?P<table>0|[1-9][0-9]{0,17})_(?P<part>indices|lengths)")

HEADER_BYTES = 1 << 14
"""Longest header of an array; NumPy itself reads none beyond 10,000 bytes."""


def read_npz(path: str | Path, layout: Layout | None = None) -> EmbeddingTrace:
    """Read bags from an ``.npz`` archive.

    Parameters
    ----------
    path : str or Path
        The archive.
    layout : Layout, optional
        What the archive does not say about its tables.

    Returns
    -------
    EmbeddingTrace
        Sample-major: bag ``k`` of every table is sample ``k``.

    Raises
    ------
    InputError
        A damaged archive, an array without its partner, a gap in the tables, or a value that breaks a rule.
    """
    file = Path(path)
    layout = layout or Layout()
    arrays = _load(file)
    prefix, tables = _tables(file, arrays)
    declared = layout.declared_rows(file, tables)
    sizes = [
        _check_table(file, f"{prefix}_{t}", arrays, declared[t] if declared else layout.largest_rows)
        for t in range(tables)
    ]
    indices = [arrays.pop(f"{prefix}_{t}_indices") for t in range(tables)]
    lengths = [arrays.pop(f"{prefix}_{t}_lengths") for t in range(tables)]
    if not any(map(len, indices)):
        raise InputError(f"{file}: no lookups in any of its {tables} tables")
    bag_tables, sample, places = _sample_major([len(column) for column in lengths])
    offsets = np.zeros(len(sample) + 1, np.int64)
    for place, column in zip(places, lengths, strict=True):
        offsets[1:][place] = column
    np.cumsum(offsets, out=offsets)
    rows = np.empty(int(offsets[-1]), np.int32 if max(sizes) <= 2**31 else np.int64)
    for place in places:
        _place(rows, indices.pop(0), offsets[:-1][place], lengths.pop(0))
    return EmbeddingTrace(
        name=trace_name(file),
        tables=tuple(
            Table(f"{prefix}_{t}", size, layout.vector_bytes, layout.dtype)
            for t, size in enumerate(declared or sizes)
        ),
        rows=rows,
        bag_offsets=offsets,
        bag_tables=bag_tables,
        order="sample-major",
        sample=sample,
        generator="npz",
        notes=(
            "bag k of every table taken as sample k, read sample-major",
            *(() if declared else (ESTIMATED_ROWS,)),
        ),
    )


def _load(file: Path) -> dict[str, NDArray[Any]]:
    """Load all arrays; those that are not compressed stay views of the file."""
    data = file_content(file)
    members = zip_members(data, str(file), (STORED, DEFLATED))
    total = sum(member.size for member in members.values())
    if total > max(FREE_BYTES, RATIO * len(data)):
        raise InputError(f"{file}: arrays of {total} bytes in a file of {len(data)}: more than {RATIO} times")
    arrays = {}
    for name, member in members.items():
        key = name.removesuffix(".npy")
        arrays[key] = _array(member_content(data, member, name, str(file)), f"{file}: {key}")
    return arrays


def _array(content: memoryview, where: str) -> NDArray[Any]:
    """Return the integers of a ``.npy`` file."""
    stream = BytesIO(content[:HEADER_BYTES])
    try:
        with no_warnings():
            version = np.lib.format.read_magic(stream)
            if version[0] == 1:
                shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
            else:
                shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
    except NPY_DAMAGE as error:
        raise InputError(f"{where}: damaged .npz archive: {first_line(error)}") from None
    if dtype.kind not in "iu" or len(shape) != 1:
        raise InputError(f"{where} holds {dtype} of shape {shape}; it must hold integers in one dimension")
    found = len(content) - stream.tell()
    if shape[0] * dtype.itemsize != found:
        raise InputError(
            f"{where}: damaged .npz archive: {found} bytes, but {shape[0]} numbers of {dtype.itemsize}"
        )
    return np.frombuffer(content, dtype, shape[0], stream.tell())


def _tables(file: Path, arrays: dict[str, NDArray[Any]]) -> tuple[str, int]:
    """Return the prefix of the keys and the number of tables."""
    matches = {key: KEY.fullmatch(key) for key in arrays}
    for key, match in matches.items():
        if not match:
            raise InputError(
                f"{file}: unknown array {key!r}; the names must be PREFIX_T_indices and PREFIX_T_lengths"
            )
    found = [match for match in matches.values() if match]
    if not found:
        raise InputError(f"{file}: no arrays; PREFIX_0_indices and PREFIX_0_lengths are needed")
    prefixes = sorted({match["prefix"] for match in found})
    if len(prefixes) > 1:
        raise InputError(f"{file}: two sets of tables, {prefixes[0]!r} and {prefixes[1]!r}; one is needed")
    tables = max(int(match["table"]) for match in found) + 1
    for t in range(min(tables, len(found) + 1)):
        for part, partner in (("indices", "lengths"), ("lengths", "indices")):
            key = f"{prefixes[0]}_{t}_{part}"
            if key not in arrays:
                has_partner = f"{prefixes[0]}_{t}_{partner}" in arrays
                why = (
                    f"its partner {prefixes[0]}_{t}_{partner} is there"
                    if has_partner
                    else f"tables go up to {tables - 1}"
                )
                raise InputError(f"{file}: array {key} is missing; {why}")
    return prefixes[0], tables


def _check_table(file: Path, table: str, arrays: dict[str, NDArray[Any]], size: int) -> int:
    """Check the values of one table before anything is computed from them; return the largest row plus one."""
    indices, lengths = arrays[f"{table}_indices"], arrays[f"{table}_lengths"]
    entries = len(indices)
    if (at := _outside(lengths, entries)) is not None:
        found = f"{table}_lengths[{at}] = {lengths[at]}"
        raise InputError(f"{file}: {found} must be from 0 to {entries}, the number of indices")
    if (total := int(lengths.sum(dtype=np.int64))) != entries:
        raise InputError(f"{file}: {table}_lengths sum to {total}, but {table}_indices has {entries} entries")
    if (at := _outside(indices, size - 1)) is not None:
        found = f"{table}_indices[{at}] = {indices[at]}"
        raise InputError(f"{file}: {found} must be a row of the table, 0 to {size - 1}")
    return int(indices.max(initial=0)) + 1


def _outside(values: NDArray[Any], largest: int) -> int | None:
    """Return where the first value stands that is not from 0 to ``largest``, looked for part by part."""
    for start in range(0, len(values), CHUNK):
        part = values[start : start + CHUNK]
        if int(part.min()) < 0 or int(part.max()) > largest:
            return start + int(np.argmax((part < 0) | (part > largest)))
    return None


def _sample_major(bags: list[int]) -> tuple[NDArray[np.int32], NDArray[np.int64], list[Any]]:
    """Sort bags sample by sample.

    Parameters
    ----------
    bags : list of int
        Bags of every table.

    Returns
    -------
    bag_tables, sample : ndarray, shape (all bags,)
        Table and sample of every bag.
    places : list of slice or ndarray
        Where the bags of every table stand.
    """
    tables = len(bags)
    if len(set(bags)) == 1:
        tables_of = np.tile(np.arange(tables, dtype=np.int32), bags[0])
        return (
            tables_of,
            np.repeat(np.arange(bags[0]), tables),
            [slice(t, None, tables) for t in range(tables)],
        )
    tables_of = np.repeat(np.arange(tables, dtype=np.int32), bags)
    sample = np.concatenate([np.arange(n) for n in bags])
    order = np.argsort(sample, kind="stable")
    where = np.empty(len(order), np.int64)
    where[order] = np.arange(len(order))
    return tables_of[order], sample[order], np.split(where, np.cumsum(bags)[:-1])


def _place(
    rows: NDArray[Any], indices: NDArray[Any], starts: NDArray[np.int64], lengths: NDArray[Any]
) -> None:
    """Copy the bags of a table, which follow one another, to where they start in the trace, part by part."""
    ends = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=ends[1:])
    for first, last in bag_chunks(ends, CHUNK):
        here = slice(int(ends[first]), int(ends[last]))
        if last - first == 1:
            rows[starts[first] : starts[first] + here.stop - here.start] = indices[here]
            continue
        moves = np.repeat(starts[first:last] - ends[first:last], np.diff(ends[first : last + 1]))
        rows[np.arange(here.start, here.stop) + moves] = indices[here]
