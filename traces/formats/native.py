"""The native trace format: a folder of memory-mappable ``.npy`` columns and a JSON sidecar, ``trace.json``.

Every column of `archsim.traces.columns.COLUMNS` that the trace has is one file, ``<column>.npy``,
little-endian. The sidecar holds what the keys in `SIDECAR` say.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError, nearest
from archsim.files import check_plain, new_folder
from archsim.traces.checks import content_sha256
from archsim.traces.columns import COLUMNS, Table
from archsim.traces.formats.sources import NPY_DAMAGE, first_line
from archsim.traces.trace import EmbeddingTrace

FORMAT = "archsim-trace"
VERSION = 1
SIDECAR_NAME = "trace.json"
SIDECAR: dict[str, tuple[type, ...]] = {
    "format": (str,),
    "version": (int,),
    "name": (str,),
    "order": (str,),
    "lookups": (int,),
    "bags": (int,),
    "tables": (list,),
    "columns": (dict,),
    "generator": (str,),
    "seed": (int, type(None)),
    "notes": (list,),
    "sha256": (str,),
}
"""Keys of the sidecar and the Python types of their values."""

VERIFY_BYTES = 64 * 1024 * 1024
"""Data up to this size are verified whenever they are opened."""


def write_native(trace: EmbeddingTrace, path: str | Path) -> None:
    """Write a trace as a folder that appears complete or not at all.

    Parameters
    ----------
    trace : EmbeddingTrace
        The trace; its columns are copied file to file without being loaded where they are memory maps.
    path : str or Path
        The new folder. Its parent must exist.

    Raises
    ------
    InputError
        ``path`` exists already, or cannot be written.
    """
    with new_folder(Path(path)) as building:
        sidecar = {
            "format": FORMAT,
            "version": VERSION,
            "name": trace.name,
            "order": trace.order,
            "lookups": trace.lookups,
            "bags": trace.bags,
            "tables": [asdict(table) for table in trace.tables],
            "columns": {name: {"dtype": c.dtype.name, "length": len(c)} for name, c in trace.columns.items()},
            "generator": trace.generator,
            "seed": trace.seed,
            "notes": list(trace.notes),
            "sha256": content_sha256(trace),
        }
        for name, column in trace.columns.items():
            np.save(building / f"{name}.npy", column.astype(column.dtype.newbyteorder("<"), copy=False))
        (building / SIDECAR_NAME).write_text(json.dumps(sidecar, indent=1) + "\n", encoding="utf-8")


def read_native(path: str | Path, verify: bool | None = None) -> EmbeddingTrace:
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
    EmbeddingTrace
        The trace.

    Raises
    ------
    InputError
        Anything wrong with the folder, with the file and the place inside it.
    """
    folder = Path(path)
    file = folder / SIDECAR_NAME
    sidecar = _read_sidecar(file)
    tables = tuple(_table(file, number, entry) for number, entry in enumerate(sidecar["tables"]))
    columns = _open_columns(folder, file, sidecar["columns"])
    for key, column in (("lookups", "rows"), ("bags", "bag_tables")):
        if sidecar[key] != len(columns[column]):
            raise InputError(
                f"{file}: {key} = {sidecar[key]}, but {column}.npy holds {len(columns[column])} entries"
            )
    labels = {key: sidecar[key] for key in ("name", "order", "generator", "seed")}
    try:
        trace = EmbeddingTrace(tables=tables, notes=tuple(sidecar["notes"]), **labels, **columns)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from None
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
        sidecar = json.loads(file.read_bytes().decode("utf-8"))
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: byte {error.start}: not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise InputError(
            f"{file}: line {error.lineno}, column {error.colno}: not JSON: {error.msg}"
        ) from None
    except (RecursionError, ValueError) as error:
        raise InputError(f"{file}: not JSON: {error}") from None
    if not isinstance(sidecar, dict):
        raise InputError(
            f"{file}: holds a {type(sidecar).__name__}; an object with the key 'format' is needed"
        )
    if sidecar.get("format") != FORMAT:
        raise InputError(f"{file}: format = {sidecar.get('format')!r} must be {FORMAT!r}")
    if sidecar.get("version") != VERSION:
        raise InputError(
            f"{file}: version = {sidecar.get('version')!r} is unknown; this archsim reads version {VERSION}"
        )
    _check_keys(str(file), sidecar, SIDECAR)
    if not re.fullmatch("[0-9a-f]{64}", sidecar["sha256"]):
        raise InputError(f"{file}: sha256 = {sidecar['sha256']!r} must be 64 hexadecimal digits")
    for number, note in enumerate(sidecar["notes"]):
        if not isinstance(note, str):
            raise InputError(f"{file}: notes[{number}] = {note!r} must be str")
    return sidecar


def _check_keys(where: str, found: dict[str, Any], types: dict[str, tuple[type, ...]]) -> None:
    for key in found:
        if key not in types:
            raise InputError(f"{where}: unknown key {key!r}{nearest(key, types)}")
    for key, kinds in types.items():
        if key not in found:
            raise InputError(f"{where}: key {key!r} is missing")
        if not isinstance(found[key], kinds) or isinstance(found[key], bool):
            wanted = " or ".join("null" if kind is type(None) else kind.__name__ for kind in kinds)
            raise InputError(f"{where}: {key} = {found[key]!r} must be {wanted}")


def _table(file: Path, number: int, entry: Any) -> Table:
    where = f"{file}: tables[{number}]"
    if not isinstance(entry, dict):
        raise InputError(f"{where} = {entry!r} must be an object")
    text = {"name", "dtype"}
    _check_keys(
        where, entry, {field.name: (str,) if field.name in text else (int,) for field in fields(Table)}
    )
    try:
        return Table(**entry)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _open_columns(folder: Path, file: Path, declared: dict[str, Any]) -> dict[str, Any]:
    """Map every column the sidecar declares; refuse missing, unknown and undeclared ones."""
    for name in declared:
        if name not in COLUMNS:
            raise InputError(f"{file}: unknown column {name!r}{nearest(name, COLUMNS)}")
    for name, column in COLUMNS.items():
        if column.required and name not in declared:
            raise InputError(f"{file}: column {name!r} is missing; every trace has it")
    for stray in sorted(folder.glob("*.npy")):
        if stray.stem not in declared:
            raise InputError(
                f"{stray}: not one of the columns that {SIDECAR_NAME} declares{nearest(stray.stem, declared)}"
            )
    columns = {}
    for name in COLUMNS:
        if name in declared:
            where = f"{file}: columns.{name}"
            if not isinstance(declared[name], dict):
                raise InputError(f"{where} = {declared[name]!r} must be an object")
            _check_keys(where, declared[name], {"dtype": (str,), "length": (int,)})
            columns[name] = _open_column(folder / f"{name}.npy", name, **declared[name])
    return columns


def _open_column(file: Path, name: str, dtype: str, length: int) -> NDArray[Any]:
    """Map one ``.npy`` file after comparing its header and its size with the sidecar."""
    try:
        check_plain(file)
        with file.open("rb") as stream:
            major, _ = np.lib.format.read_magic(stream)
            read_header = (
                np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
            )
            shape, _, found = read_header(stream)
            start, actual = stream.tell(), os.fstat(stream.fileno()).st_size
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{file}: missing; {SIDECAR_NAME} declares the column {name!r}") from None
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from None
    except NPY_DAMAGE as error:
        raise InputError(f"{file}: not a .npy file: {first_line(error)}") from None
    if dtype not in COLUMNS[name].dtypes:
        wanted = " or ".join(COLUMNS[name].dtypes)
        raise InputError(f"{file.parent / SIDECAR_NAME}: columns.{name}.dtype = {dtype!r} must be {wanted}")
    if found != np.dtype(dtype).newbyteorder("<"):
        raise InputError(f"{file}: holds {found.str}; {SIDECAR_NAME} declares little-endian {dtype}")
    if shape != (length,):
        raise InputError(f"{file}: has shape {shape}; {SIDECAR_NAME} declares {length} entries")
    expected = start + length * found.itemsize
    if actual != expected:
        raise InputError(f"{file}: {actual} bytes, but {expected} expected for {length} entries of {dtype}")
    return np.memmap(file, dtype=found, mode="r", offset=start, shape=shape) if length else np.empty(0, found)
