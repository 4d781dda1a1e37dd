"""What a trace says besides its columns, as JSON: in the sidecar of native folders, in the schema of Parquet files."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import Any

from archsim.errors import InputError, nearest
from archsim.traces.addresses import AddressTrace
from archsim.traces.columns import Table
from archsim.traces.trace import EmbeddingTrace

Trace = EmbeddingTrace | AddressTrace
Types = dict[str, tuple[type, ...]]

FORMAT = "archsim-trace"
VERSION = 2
"""The version that is written. All versions from 1 on are read; version 1 has no ``kind`` and holds lookups."""

LARGEST_BYTES, MOST_VALUES = 16 << 20, 1 << 19
"""Largest description; 65,536 tables take 8 MiB and 327,680 values."""

LABELS: Types = {
    "format": (str,),
    "version": (int,),
    "kind": (str,),
    "name": (str,),
    "generator": (str,),
    "seed": (int, type(None)),
    "notes": (list,),
}
"""Keys of both kinds of trace and the Python types of their values."""

KINDS: dict[str, Types] = {
    "lookups": {"order": (str,), "tables": (list,)},
    "addresses": {"time_unit": (str,)},
}
"""What ``kind`` may be, and the further keys of each."""


def describe(header: Trace) -> dict[str, Any]:
    """Return what a trace says besides its columns."""
    further: dict[str, Any]
    if isinstance(header, EmbeddingTrace):
        further = {
            "kind": "lookups",
            "order": header.order,
            "tables": [asdict(table) for table in header.tables],
        }
    else:
        further = {"kind": "addresses", "time_unit": header.time_unit}
    labels = {"generator": header.generator, "seed": header.seed, "notes": list(header.notes)}
    return {"format": FORMAT, "version": VERSION, "name": header.name, **further, **labels}


def check_size(content: bytes, where: str) -> None:
    """Refuse a description that is larger than `LARGEST_BYTES` or `MOST_VALUES`.

    Two bytes of JSON can take a hundred in memory; nothing else limits their number.
    """
    if len(content) > LARGEST_BYTES:
        raise InputError(
            f"{where}: {len(content)} bytes; a description of a trace has at most {LARGEST_BYTES}"
        )
    if (values := sum(map(content.count, (b",", b"[", b"{")))) > MOST_VALUES:
        raise InputError(f"{where}: {values} values; a description of a trace has at most {MOST_VALUES}")


def encoded(header: Trace) -> bytes:
    """Return what `describe` says as JSON.

    Raises
    ------
    InputError
        It is too large to be read again, see `check_size`.
    """
    content = json.dumps(describe(header)).encode()
    check_size(content, header.name)
    return content


def parse_object(content: bytes, where: str) -> dict[str, Any]:
    """Parse a JSON object.

    Raises
    ------
    InputError
        No JSON, with line and column, no object, or more than `LARGEST_BYTES` or `MOST_VALUES`.
    """
    check_size(content, where)
    try:
        found = json.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: byte {error.start}: not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise InputError(
            f"{where}: line {error.lineno}, column {error.colno}: not JSON: {error.msg}"
        ) from None
    except (RecursionError, ValueError) as error:
        raise InputError(f"{where}: not JSON: {error}") from None
    if not isinstance(found, dict):
        raise InputError(
            f"{where}: holds a {type(found).__name__}; an object with the key 'format' is needed"
        )
    return found


def check_description(found: dict[str, Any], where: str, further: Types, by_kind: dict[str, Types]) -> None:
    """Check the keys of a description, their types and the version; give version 1 its ``kind``.

    Parameters
    ----------
    found : dict
        The parsed object.
    where : str
        Start of error messages.
    further : dict of str to types
        Keys that stand beside those of `LABELS` and `KINDS`.
    by_kind : dict of str to dict of str to types
        Likewise, for one kind of trace only.
    """
    if found.get("format") != FORMAT:
        raise InputError(f"{where}: format = {found.get('format')!r} must be {FORMAT!r}")
    version = found.get("version")
    if type(version) is not int or not 1 <= version <= VERSION:
        raise InputError(
            f"{where}: version = {version!r} is unknown; this archsim reads versions 1 to {VERSION}"
        )
    if version == 1:
        types = LABELS | KINDS["lookups"] | further | by_kind.get("lookups", {})
        check_keys(where, found, {key: kinds for key, kinds in types.items() if key != "kind"})
        found["kind"] = "lookups"
    kind = found.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise InputError(f"{where}: kind = {kind!r} must be {' or '.join(map(repr, KINDS))}")
    check_keys(where, found, LABELS | KINDS[kind] | further | by_kind.get(kind, {}))
    for number, note in enumerate(found["notes"]):
        if not isinstance(note, str):
            raise InputError(f"{where}: notes[{number}] = {note!r} must be str")


def make_trace(found: dict[str, Any], columns: dict[str, Any], where: str, place: str) -> Trace:
    """Build the trace of a checked description and its columns.

    Parameters
    ----------
    found : dict
        See `check_description`.
    columns : dict of str to ndarray
        By name.
    where, place : str
        Start of error messages about the tables, and about the columns.
    """
    labels = {key: found[key] for key in ("name", "generator", "seed")} | {"notes": tuple(found["notes"])}
    tables = tuple(_table(where, number, entry) for number, entry in enumerate(found.get("tables", ())))
    try:
        if found["kind"] == "lookups":
            return EmbeddingTrace(tables=tables, order=found["order"], **labels, **columns)
        return AddressTrace(time_unit=found["time_unit"], **labels, **columns)
    except InputError as error:
        raise InputError(f"{place}: {error}") from None


def check_keys(where: str, found: dict[str, Any], types: Types) -> None:
    """Refuse unknown and missing keys, and values of other types."""
    for key in found:
        if key not in types:
            raise InputError(f"{where}: unknown key {key!r}{nearest(key, types)}")
    for key, kinds in types.items():
        if key not in found:
            raise InputError(f"{where}: key {key!r} is missing")
        if not isinstance(found[key], kinds) or isinstance(found[key], bool):
            wanted = " or ".join("null" if kind is type(None) else kind.__name__ for kind in kinds)
            raise InputError(f"{where}: {key} = {found[key]!r} must be {wanted}")


def _table(where: str, number: int, entry: Any) -> Table:
    where = f"{where}: tables[{number}]"
    if not isinstance(entry, dict):
        raise InputError(f"{where} = {entry!r} must be an object")
    text = {"name", "dtype"}
    check_keys(
        where, entry, {field.name: (str,) if field.name in text else (int,) for field in fields(Table)}
    )
    try:
        return Table(**entry)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
