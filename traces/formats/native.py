"""The native trace format: a folder of memory-mappable ``.npy`` columns and a JSON sidecar, ``trace.json``.

Every column that the trace has is one file, ``<column>.npy``, little-endian; `archsim.traces.columns.COLUMNS`
lists those of lookups, `archsim.traces.addresses.ADDRESS_COLUMNS` those of addresses. The sidecar holds what
`archsim.traces.formats.sidecar` and `SIDECAR` list. Folders of version 1 have no ``kind`` and hold lookups; they
open as ever. `archsim.traces.formats.native_writer` writes.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError, nearest
from archsim.files import check_plain
from archsim.traces.addresses import ADDRESS_COLUMNS, AddressTrace
from archsim.traces.columns import COLUMNS
from archsim.traces.formats.sidecar import (
    LARGEST_BYTES,
    Types,
    check_description,
    check_keys,
    make_trace,
    parse_object,
)
from archsim.traces.formats.sources import NPY_DAMAGE, first_line, no_warnings
from archsim.traces.trace import EmbeddingTrace

SIDECAR_NAME = "trace.json"
SIDECAR: Types = {"columns": (dict,), "sha256": (str,)}
"""Keys of ``trace.json`` besides those of `archsim.traces.formats.sidecar`."""

SIDECAR_KINDS: dict[str, Types] = {
    "lookups": {"lookups": (int,), "bags": (int,)},
    "addresses": {"requests": (int,)},
}
"""Those of one kind of trace only."""

COLUMN_TYPES: dict[str, dict[str, tuple[str, ...]]] = {
    "lookups": {name: column.dtypes for name, column in COLUMNS.items()},
    "addresses": {name: (dtype,) for name, (dtype, _) in ADDRESS_COLUMNS.items()},
}
"""Columns of each kind and their types."""

REQUIRED = {"lookups": [name for name, c in COLUMNS.items() if c.required], "addresses": ["address"]}

COUNTS = {"lookups": {"lookups": "rows", "bags": "bag_tables"}, "addresses": {"requests": "address"}}
"""Keys that count the entries of a column."""

VERIFY_BYTES = 64 * 1024 * 1024
"""Data up to this size are verified whenever they are opened."""


def read_native(path: str | Path, verify: bool | None = None) -> EmbeddingTrace | AddressTrace:
    """Open a native trace; the columns stay on disk as memory maps.

    The structure (sidecar, file sizes, types, lengths, first and last offset) is always checked and takes
    constant time. The values (SHA-256, offsets, tables, rows) are read only where ``verify`` says so;
    otherwise ``sha256`` is the one the sidecar records, and `EmbeddingTrace.validate` is there for the
    asking.

    Parameters
    ----------
    path : str or Path
        The folder.
    verify : bool, optional
        Verify the values; by default exactly where the columns take at most 64 MiB.

    Returns
    -------
    EmbeddingTrace or AddressTrace
        The trace, by the sidecar's ``kind``.

    Raises
    ------
    InputError
        Anything wrong with the folder, with the file and the place inside it.
    """
    folder = Path(path)
    file = folder / SIDECAR_NAME
    sidecar = _read_sidecar(file)
    kind = sidecar["kind"]
    columns = _open_columns(folder, file, kind, sidecar["columns"])
    for key, column in COUNTS[kind].items():
        if sidecar[key] != len(columns[column]):
            raise InputError(
                f"{file}: {key} = {sidecar[key]}, but {column}.npy holds {len(columns[column])} entries"
            )
    trace = make_trace(sidecar, columns, str(file), str(folder))
    if verify is None:
        verify = sum(column.nbytes for column in columns.values()) <= VERIFY_BYTES
    if verify:
        trace.validate(str(folder))
        if trace.sha256 != sidecar["sha256"]:
            raise InputError(
                f"{file}: sha256 = {sidecar['sha256']!r}, but the columns hash to {trace.sha256}: damaged"
            )
    else:
        vars(trace)["sha256"] = sidecar["sha256"]
    return trace


def _read_sidecar(file: Path) -> dict[str, Any]:
    """Parse ``trace.json`` and check its keys, their types and the version."""
    try:
        check_plain(file)
        with file.open("rb") as stream:
            content = stream.read(LARGEST_BYTES + 1)
        if len(content) > LARGEST_BYTES:
            raise InputError(f"{file}: larger than {LARGEST_BYTES} bytes; no description of a trace is")
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    sidecar = parse_object(content, str(file))
    check_description(sidecar, str(file), SIDECAR, SIDECAR_KINDS)
    if not re.fullmatch("[0-9a-f]{64}", sidecar["sha256"]):
        raise InputError(f"{file}: sha256 = {sidecar['sha256']!r} must be 64 hexadecimal digits")
    return sidecar


def _open_columns(folder: Path, file: Path, kind: str, declared: dict[str, Any]) -> dict[str, Any]:
    """Map every column the sidecar declares; refuse missing, unknown and undeclared ones."""
    types = COLUMN_TYPES[kind]
    for name in declared:
        if name not in types:
            raise InputError(f"{file}: unknown column {name!r}{nearest(name, types)}")
    for name in REQUIRED[kind]:
        if name not in declared:
            raise InputError(f"{file}: column {name!r} is missing; every trace has it")
    for stray in sorted(folder.glob("*.npy")):
        if stray.stem not in declared:
            raise InputError(
                f"{stray}: not one of the columns that {SIDECAR_NAME} declares{nearest(stray.stem, declared)}"
            )
    columns = {}
    for name in types:
        if name in declared:
            where = f"{file}: columns.{name}"
            if not isinstance(declared[name], dict):
                raise InputError(f"{where} = {declared[name]!r} must be an object")
            check_keys(where, declared[name], {"dtype": (str,), "length": (int,)})
            columns[name] = _open_column(folder / f"{name}.npy", types[name], **declared[name])
    return columns


def _open_column(file: Path, types: tuple[str, ...], dtype: str, length: int) -> NDArray[Any]:
    """Map one ``.npy`` file after comparing its header and its size with the sidecar."""
    try:
        check_plain(file)
        with file.open("rb") as stream, no_warnings():
            major, _ = np.lib.format.read_magic(stream)
            read_header = (
                np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
            )
            shape, _, found = read_header(stream)
            start, actual = stream.tell(), os.fstat(stream.fileno()).st_size
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{file}: missing; {SIDECAR_NAME} declares the column {file.stem!r}") from None
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from None
    except NPY_DAMAGE as error:
        raise InputError(f"{file}: not a .npy file: {first_line(error)}") from None
    if dtype not in types:
        where = f"{file.parent / SIDECAR_NAME}: columns.{file.stem}.dtype"
        raise InputError(f"{where} = {dtype!r} must be {' or '.join(types)}")
    if found != np.dtype(dtype).newbyteorder("<"):
        raise InputError(f"{file}: holds {found.str}; {SIDECAR_NAME} declares little-endian {dtype}")
    if shape != (length,):
        raise InputError(f"{file}: has shape {shape}; {SIDECAR_NAME} declares {length} entries")
    expected = start + length * found.itemsize
    if actual != expected:
        raise InputError(f"{file}: {actual} bytes, but {expected} expected for {length} entries of {dtype}")
    return np.memmap(file, dtype=found, mode="r", offset=start, shape=shape) if length else np.empty(0, found)
