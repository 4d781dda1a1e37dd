"""Bags in an ``.npz`` archive: arrays ``PREFIX_T_indices`` and ``PREFIX_T_lengths`` for tables T = 0, 1, ...

Indices are the row numbers of all bags of a table one after the other; lengths are the lookups of each bag.
"""

from __future__ import annotations

import lzma
import re
import zipfile
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.traces.columns import Table
from archsim.traces.formats.layout import Layout, narrow_rows
from archsim.traces.formats.sources import NPY_DAMAGE, first_line, no_warnings, open_binary, trace_name
from archsim.traces.trace import EmbeddingTrace

KEY = re.compile(r"(?P<prefix>.+)_(?P<table>0|[1-9][0-9]{0,17})_(?P<part>indices|lengths)")

DAMAGE = (*NPY_DAMAGE, zipfile.BadZipFile, zlib.error, lzma.LZMAError, RuntimeError, OSError)
"""What NumPy and zipfile raise over damaged, encrypted or pickled content."""


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
    indices, lengths = [], []
    for t in range(tables):
        size = declared[t] if declared else layout.largest_rows
        _check_table(file, f"{prefix}_{t}", arrays, size)
        # Only now: unsigned 64-bit numbers are known to fit, and NumPy would join them with others as floats.
        indices.append(arrays[f"{prefix}_{t}_indices"].astype(np.int64, copy=False))
        lengths.append(arrays[f"{prefix}_{t}_lengths"].astype(np.int64, copy=False))
    if not any(map(len, indices)):
        raise InputError(f"{file}: no lookups in any of its {tables} tables")
    sizes, notes = layout.table_rows(declared, indices)
    bags = [len(column) for column in lengths]
    offsets = np.concatenate(([0], np.cumsum(np.concatenate(lengths))))
    recorded = EmbeddingTrace(
        name=trace_name(file),
        tables=tuple(
            Table(f"{prefix}_{t}", sizes[t], layout.vector_bytes, layout.dtype) for t in range(tables)
        ),
        rows=narrow_rows(np.concatenate(indices)),
        bag_offsets=offsets,
        bag_tables=np.repeat(np.arange(tables, dtype=np.int32), bags),
        order="table-major",
        sample=np.concatenate([np.arange(n, dtype=np.int64) for n in bags]),
        generator="npz",
        notes=("bag k of every table taken as sample k, read sample-major", *notes),
    )
    return recorded.reorder("sample-major")


def _load(file: Path) -> dict[str, NDArray[Any]]:
    """Load all arrays; pickled objects are refused."""
    with open_binary(file) as stream:
        content = BytesIO(stream.read())
    if not zipfile.is_zipfile(content):
        raise InputError(f"{file}: not a complete zip archive, as an .npz file is")
    content.seek(0)
    arrays, place = {}, f"{file}"
    try:
        with no_warnings(), np.load(content, allow_pickle=False) as archive:
            for key in archive.files:
                place = f"{file}: {key}"
                arrays[key] = archive[key]
            found = len(archive.files)
    except DAMAGE as error:
        raise InputError(f"{place}: damaged .npz archive: {first_line(error)}") from None
    # A damaged directory can swallow entries; zipfile does not compare them with the count in the end record.
    end = content.getvalue().rfind(b"PK\x05\x06")
    counted = int.from_bytes(content.getvalue()[end + 10 : end + 12], "little")
    if counted != min(found, 0xFFFF):
        raise InputError(f"{file}: damaged .npz archive: its directory lists {found} of {counted} arrays")
    for key, column in arrays.items():
        if not isinstance(column, np.ndarray) or column.dtype.kind not in "iu" or column.ndim != 1:
            what = f"{column.dtype} of shape {column.shape}" if isinstance(column, np.ndarray) else "no array"
            raise InputError(f"{file}: {key} holds {what}; it must hold integers in one dimension")
    return arrays


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


def _check_table(file: Path, table: str, arrays: dict[str, NDArray[Any]], size: int) -> None:
    """Check the values of one table before anything is computed from them."""
    indices, lengths = arrays[f"{table}_indices"], arrays[f"{table}_lengths"]
    entries = len(indices)
    if (bad := np.flatnonzero((lengths < 0) | (lengths > entries))).size:
        found = f"{table}_lengths[{bad[0]}] = {lengths[bad[0]]}"
        raise InputError(f"{file}: {found} must be from 0 to {entries}, the number of indices")
    if (total := int(lengths.sum(dtype=np.int64))) != entries:
        raise InputError(f"{file}: {table}_lengths sum to {total}, but {table}_indices has {entries} entries")
    if (bad := np.flatnonzero((indices < 0) | (indices >= size))).size:
        found = f"{table}_indices[{bad[0]}] = {indices[bad[0]]}"
        raise InputError(f"{file}: {found} must be a row of the table, 0 to {size - 1}")
