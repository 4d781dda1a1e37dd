"""``study.json``: what a study is of. Written whole or not at all, checked when read."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from archsim.errors import InputError, nearest
from archsim.files import check_plain

FILE = "study.json"
SCHEMA = 1
"""Version of the folder; it changes when an older archsim could misread it."""

_TOP = {"schema": int, "code_version": str, "archsim_version": str, "created": str, "sweeps": list}
_SWEEP = {"systems": list, "traces": list, "axes": list, "points": dict}


@dataclass(frozen=True)
class Definition:
    """Content of ``study.json``.

    Attributes
    ----------
    code_version : str
        Code that all points are of.
    archsim_version, created : str
        When the folder was made, and by which release.
    sweeps : tuple of dict
        Each with ``systems``, ``traces`` (lists of objects with ``name``, ``source``, ``sha256``), ``axes`` (objects
        with ``paths``, ``columns``, ``values``), ``where`` (text or None) and ``points``: a table, column by column,
        with ``point_id``, ``system``, ``trace`` and the columns of the axes, a value for each point in its order.
    specs : dict
        Every system of the sweeps by its SHA-256, as the tree of its canonical JSON.
    """

    code_version: str
    archsim_version: str
    created: str
    sweeps: tuple[dict[str, Any], ...] = field(default=())
    specs: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def new(cls, code_version: str, sweeps: tuple[dict[str, Any], ...]) -> Definition:
        """Return the definition of a study that begins now; sweeps bring their systems as ``specs``."""
        from archsim import __version__

        now = datetime.now(UTC).isoformat(timespec="seconds")
        own = tuple(json.loads(json.dumps(each)) for each in sweeps)
        # Sweeps of one study are often of the same systems, which are kept once.
        specs = {sha256: tree for each in own for sha256, tree in each.pop("specs", {}).items()}
        return cls(code_version, __version__, now, own, specs)

    @property
    def axes(self) -> frozenset[frozenset[str]]:
        """The columns of the axes; linked ones together."""
        return frozenset(frozenset(axis["columns"]) for sweep in self.sweeps for axis in sweep["axes"])

    def extended(self, wanted: Definition, path: Path) -> Definition:
        """Return this definition with the sweeps of another that are not in it yet.

        Raises
        ------
        InputError
            When the other is of other code or other axes, or has another system or trace of a name that is there.
        """
        if self.code_version != wanted.code_version:
            raise InputError(
                f"{path}: made by another version of the code, {self.code_version}; this is "
                f"{wanted.code_version}: points of both cannot be compared; choose a new folder"
            )
        if self.axes != wanted.axes:
            raise InputError(
                f"{path}: has other axes, {_names(self.axes)}; this sweep varies {_names(wanted.axes)}: "
                "choose a new folder (studies merge later)"
            )
        for kind in ("systems", "traces"):
            known = _hashes(self, kind)
            for (name, workload), sha256 in _hashes(wanted, kind).items():
                if known.get((name, workload), sha256) != sha256:
                    raise InputError(
                        f"{path}: has another of the {kind}, also named {name!r}, and the rows of both would look "
                        "alike; choose a new folder (studies merge later)"
                    )
        new = tuple(sweep for sweep in wanted.sweeps if sweep not in self.sweeps)
        if not new and wanted.specs.keys() <= self.specs.keys():
            return self
        return replace(self, sweeps=self.sweeps + new, specs=wanted.specs | self.specs)

    def to_json(self) -> str:
        """Return the text of ``study.json``."""
        return json.dumps({"schema": SCHEMA, **vars(self)}, indent=None) + "\n"


def _hashes(definition: Definition, kind: str) -> dict[tuple[str, str], str]:
    """Return the hash of each system or trace by its name and by what varies the workload."""
    return {
        (each["name"], json.dumps(each.get("workload", []))): each["sha256"]
        for sweep in definition.sweeps
        for each in sweep[kind]
    }


def _names(axes: frozenset[frozenset[str]]) -> str:
    return ", ".join(sorted("+".join(sorted(group)) for group in axes)) or "nothing"


def read_definition(folder: Path) -> Definition:
    """Read and check ``study.json`` of a folder.

    Raises
    ------
    InputError
        No folder, no study, a damaged file, or one from a later archsim.
    """
    file = folder / FILE
    try:
        if not folder.is_dir():
            why = "is no folder" if folder.exists() else "there is no such folder"
            raise InputError(f"{folder}: {why}; a study is a folder that `archsim sweep --out` made")
        check_plain(file)
        content = file.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{folder}: no study: {FILE} is missing") from None
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from None
    found = parse_json(content, str(file))
    if type(found) is not dict:
        raise InputError(f"{file}: damaged: must hold an object, not a {type(found).__name__}")
    return _checked(found, str(file))


def write_definition(folder: Path, definition: Definition) -> None:
    """Replace ``study.json`` at once.

    Raises
    ------
    InputError
        When it cannot be written; the old file is then as it was.
    """
    file = folder / FILE
    temporary = folder / f".{FILE}-{secrets.token_hex(8)}.tmp"
    try:
        with temporary.open("x", encoding="utf-8") as stream:
            stream.write(definition.to_json())
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)
    except OSError as error:
        raise InputError(f"{file}: cannot be written: {error.strerror}") from None
    finally:
        temporary.unlink(missing_ok=True)


def parse_json(content: bytes, where: str) -> Any:
    """Parse JSON; ``where`` opens the error message.

    Raises
    ------
    InputError
        With line and column.
    """
    try:
        return json.loads(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: damaged: byte {error.start}: not UTF-8 text") from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InputError(f"{where}: damaged: {place}: not JSON: {error.msg}") from None
    except (RecursionError, ValueError) as error:
        raise InputError(f"{where}: damaged: not JSON: {error}") from None


def _checked(found: dict[str, Any], where: str) -> Definition:
    schema = found.get("schema")
    if type(schema) is int and schema > SCHEMA:
        raise InputError(
            f"{where}: schema = {schema} is from a later archsim; this one reads {SCHEMA}: install that one"
        )
    _check_keys(found, _TOP, where)
    if schema != SCHEMA:
        raise InputError(f"{where}: damaged: schema = {schema} must be {SCHEMA}")
    for number, sweep in enumerate(found["sweeps"]):
        _check_sweep(sweep, f"{where}: sweeps[{number}]")
    specs = found.setdefault("specs", {})
    _check_keys(found, {"specs": dict}, where)
    _check_keys(specs, dict.fromkeys(specs, dict), f"{where}: specs")
    return Definition(
        found["code_version"], found["archsim_version"], found["created"], tuple(found["sweeps"]), specs
    )


def _check_sweep(sweep: Any, where: str) -> None:
    _check_keys(sweep, _SWEEP, where)
    for part in ("systems", "traces"):
        for number, each in enumerate(sweep[part]):
            place = f"{where}.{part}[{number}]"
            _check_keys(each, {"name": str, "sha256": str}, place)
            if not isinstance(each.get("source"), str | None):
                raise InputError(f"{place}: damaged: source must be a text")
            _check_texts(each.get("workload", []), f"{place}.workload")
    if not isinstance(sweep.get("where"), str | None):
        raise InputError(f"{where}: damaged: where must be a text")
    for number, axis in enumerate(sweep["axes"]):
        place = f"{where}.axes[{number}]"
        _check_keys(axis, {"paths": list, "columns": list, "values": list}, place)
        for name, texts in (
            ("paths", axis["paths"]),
            *((f"values[{at}]", step) for at, step in enumerate(axis["values"])),
        ):
            _check_texts(texts, f"{place}.{name}", len(axis["columns"]))
        for column in axis["columns"]:
            if type(column) is not str or type(sweep["points"].get(column)) is not list:
                raise InputError(f"{place}: damaged: column {column!r} must stand in points")
    points = sweep["points"]
    _check_keys(points, {"point_id": list, "system": list, "trace": list}, f"{where}.points")
    for name, values in points.items():
        if type(values) is not list or len(values) != len(points["point_id"]):
            rule = f"must be a list of {len(points['point_id'])} values, one for each point"
            raise InputError(f"{where}.points.{name}: damaged: {rule}")
        for number, value in enumerate(values):
            if not isinstance(value, int | float | str | None) or (
                name == "point_id" and type(value) is not str
            ):
                raise InputError(f"{where}.points.{name}[{number}]: damaged: must be a single value")


def _check_texts(found: Any, where: str, length: int | None = None) -> None:
    if type(found) is not list or not all(type(each) is str for each in found):
        raise InputError(f"{where}: damaged: must be a list of texts")
    if length is not None and len(found) != length:
        raise InputError(f"{where}: damaged: must have {length} texts, one for each column")


def _check_keys(found: Any, types: Mapping[str, type], where: str) -> None:
    if type(found) is not dict:
        raise InputError(f"{where}: damaged: must be an object, not a {type(found).__name__}")
    for key, kind in types.items():
        if key not in found:
            raise InputError(f"{where}: damaged: key {key!r} is missing{nearest(key, found)}")
        if type(found[key]) is not kind:
            raise InputError(f"{where}: damaged: {key} must be a {kind.__name__}")
