"""Strict, frozen specifications: load, compose, override, dump and hash. No domain knowledge.

A specification is a tree of `Spec` classes read from TOML. Unknown keys, wrong types and values out of
range are errors of one line that names the file, the path, the value and the rule. A table may start
from a shipped file with ``preset = "NAME"``, or from one's own with ``preset = "FILE.toml"``. An override
such as ``dram.timing.tRCD=16`` is laid over a specification exactly as a table of a file is laid over its
preset, and passes the same checks.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from archsim.errors import InputError, nearest
from archsim.spec_errors import FieldError, code_error, one_line, row_model, short, table_model, unit_of
from archsim.toml import parse_toml, read_toml, write_toml
from archsim.units import parse_quantity

__all__ = [
    "Document",
    "FieldError",
    "Spec",
    "apply_overrides",
    "preset_names",
    "preset_path",
    "quantity",
    "read_document",
]

PRESETS = Path(__file__).parent / "presets"
OVERRIDE_LABEL = "--set"


def quantity(unit: str, description: str, *, default: Any = ..., **limits: Any) -> Any:
    """Declare a number with a unit; text such as ``"128 KiB"`` is then accepted and converted.

    Parameters
    ----------
    unit : str
        A unit that `archsim.units.parse_quantity` knows, or ``""`` for a plain count.
    description : str
        What the number is, for ``archsim show``.
    default : optional
        Without it the field must be given.
    **limits
        ``ge``, ``gt``, ``le``, ``lt``.
    """
    return Field(default, description=description, json_schema_extra={"unit": unit}, **limits)


class Spec(BaseModel):
    """Base of every specification: immutable, no unknown keys, no silent conversions.

    Built directly from Python it raises pydantic's ``ValidationError``; through `load`, `from_toml`,
    `from_dict` and `apply_overrides` every refusal is an `archsim.errors.InputError` of one line.
    An optional field must have None as its default, because TOML has no way to write None.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    # Folder of archsim/presets in which `preset = NAME` looks; a class without one takes no preset.
    preset_kind: ClassVar[str] = ""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, data: Any) -> Any:
        """Turn TOML arrays into tuples, and quantities written as text into numbers."""
        if not isinstance(data, dict) and not isinstance(data, Mapping):  # of the two, a dict is told sooner
            return data
        written = [
            (key, value)
            for key, value in data.items()
            if isinstance(value, list | tuple) or (isinstance(value, str) and unit_of(cls, key))
        ]
        if not written:
            return data
        return {**data, **{key: _read_value(key, value, unit_of(cls, key)) for key, value in written}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], label: str) -> Self:
        """Check plain ``data`` and build the specification; ``label`` opens the error message."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            if code := code_error(error):
                raise code from code.__cause__
            raise InputError(f"{label}: {one_line(cls, error)}") from None

    @classmethod
    def from_toml(cls, text: str, label: str) -> Self:
        """Build the specification from TOML text, which may use presets."""
        return cls.from_dict(_compose(cls, parse_toml(text, label), label).data, label)

    @classmethod
    def load(cls, name_or_path: str | Path, overrides: Iterable[str] = ()) -> Self:
        """Load a preset by name, or a file when the name ends in ``.toml``, and apply ``overrides``.

        Raises
        ------
        InputError
            For an unknown preset, an unreadable file, or anything the checks refuse.
        """
        document, overrides = read_document(cls, name_or_path), list(overrides)
        try:
            spec = cls.from_dict(document.data, document.label)
        except InputError:
            if not overrides:
                raise
        else:
            return apply_overrides(spec, overrides)
        # A file that is wrong by itself may be right with what is laid over it.
        return cls.from_dict(_laid(cls, document, overrides).data, document.label)

    def to_dict(self) -> dict[str, Any]:
        """Return nested plain dicts, lists and scalars."""
        return self.model_dump(mode="json")

    def canonical_json(self) -> str:
        """Return the one JSON text of this value: sorted keys, ASCII, no spaces, floats by ``repr``.

        Field types decide int or float, so a number reads the same however it was written.
        """
        data = self.to_dict()
        text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        if "-0.0" in text:  # which may also begin -0.05
            text = json.dumps(_plain_zeros(data), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return text

    def sha256(self) -> str:
        """Return the SHA-256 of `canonical_json`, in hexadecimal."""
        return hashlib.sha256(self.canonical_json().encode("ascii")).hexdigest()

    def to_toml(self) -> str:
        """Return TOML text from which `from_toml` rebuilds an equal specification with the same hash."""
        return write_toml(self.to_dict())


S = TypeVar("S", bound=Spec)


def _read_value(key: str, value: Any, unit: str) -> Any:
    if isinstance(value, list | tuple):
        return tuple(_read_value(key, item, unit) for item in value)
    if isinstance(value, str) and unit:
        try:
            return parse_quantity(value, unit)
        except InputError as error:
            raise FieldError(key, str(error)) from None
    return value


def _plain_zeros(value: Any) -> Any:
    """Replace -0.0, which equals 0.0 but is written differently."""
    if isinstance(value, dict):
        return {key: _plain_zeros(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain_zeros(item) for item in value]
    return value + 0.0 if isinstance(value, float) else value


#: Files that name one another as presets, the innermost last.
Files = tuple[Path, ...]


@dataclass(frozen=True)
class Document:
    """Composed data, not checked yet, and where its numbers come from.

    Attributes
    ----------
    data : dict
        Nested tables with every ``preset`` expanded.
    sources : dict of str to str
        Dotted path of a value to the text that says where it comes from.
    label : str
        What to name in an error message: the file or the preset.
    """

    data: dict[str, Any] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    label: str = ""


def preset_names(kind: str) -> list[str]:
    """Return the names of the shipped presets of one kind, sorted."""
    return sorted(path.stem for path in (PRESETS / kind).glob("*.toml"))


def preset_path(kind: str, name: Any, place: str) -> Path:
    """Return the file of a shipped preset; ``place`` opens the error message.

    An exact name goes first; otherwise upper and lower case are one.
    """
    known = preset_names(kind)
    if name not in known:
        alike = [each for each in known if each.lower() == str(name).lower()]
        if len(alike) != 1:
            raise InputError(f"{place}: unknown {kind} preset{nearest(str(name), known)}{_elsewhere(name)}")
        name = alike[0]
    return PRESETS / kind / f"{name}.toml"


def _elsewhere(name: Any) -> str:
    """Say which kinds have a preset of this name; nothing when none has."""
    kinds = sorted(
        path.name for path in PRESETS.iterdir() if path.is_dir() and name in preset_names(path.name)
    )
    return f"; {name!r} is one of kind {' and '.join(kinds)}" if kinds else ""


def read_document(cls: type[Spec], name_or_path: str | Path) -> Document:
    """Read a preset by name, or a file when the name ends in ``.toml``, and expand its presets."""
    if str(name_or_path).endswith(".toml"):
        path = Path(name_or_path)
        return _compose(cls, read_toml(path), str(name_or_path), (path,))
    return _read_preset(cls, name_or_path, f"{cls.preset_kind} {short(str(name_or_path))}")


def _read_preset(cls: type[Spec], name: Any, place: str, files: Files = ()) -> Document:
    """Read the preset ``name`` of the kind that belongs to ``cls``; ``place`` opens the error message.

    A name that ends in ``.toml`` is a file, from the folder of the file that names it.
    """
    if isinstance(name, str) and name.endswith(".toml"):
        path = files[-1].parent / name if files else Path(name)
        if path.resolve() in [each.resolve() for each in files]:
            raise InputError(f"{place}: the file is its own preset")
        return _compose(cls, read_toml(path), str(path), (*files, path))
    path = preset_path(cls.preset_kind, name, place)
    return _compose(cls, read_toml(path), f"{cls.preset_kind} preset {path.stem}")


def _compose(cls: type[Spec], table: dict[str, Any], label: str, files: Files = ()) -> Document:
    """Split the sources off a file's top table and expand every ``preset`` in the rest."""
    table = dict(table)
    own = _flat_sources(cls, table.pop("sources", {}), f"{label}: sources")
    document = _overlay(cls, table, Document(), f"{label}: ", files)
    return Document(document.data, document.sources | own, label)


def _overlay(
    cls: type[Spec], table: Mapping[str, Any], base: Document, place: str, files: Files = ()
) -> Document:
    """Lay ``table`` over ``base``, merging tables and replacing everything else.

    A table that names a preset starts from that preset and not from ``base``. What is replaced loses
    the source it had.
    """
    if cls.preset_kind and "preset" in table:
        base = _read_preset(cls, table["preset"], f"{place}preset = {short(table['preset'])}", files)
        table = {key: value for key, value in table.items() if key != "preset"}
    data, sources = dict(base.data), base.sources
    for key, value in table.items():
        below = {
            path.removeprefix(f"{key}."): text for path, text in sources.items() if path.startswith(f"{key}.")
        }
        sources = {path: text for path, text in sources.items() if path.split(".")[0] != key}
        child = table_model(cls, key)
        if isinstance(value, Mapping) and child is not None and issubclass(child, Spec):
            before = data.get(key)
            inner = Document(before if isinstance(before, dict) else {}, below)
            inner = _overlay(child, value, inner, f"{place}{key}.", files)
            data[key] = inner.data
            sources |= {f"{key}.{path}": text for path, text in inner.sources.items()}
        elif isinstance(value, Mapping) and isinstance(data.get(key), list | tuple):
            data[key] = _overlay_rows(row_model(cls, key), value, list(data[key]), f"{place}{key}", files)
        else:
            data[key] = value
    return Document(data, sources)


def _overlay_rows(
    cls: type[BaseModel] | None, table: Mapping[str, Any], rows: list[Any], place: str, files: Files
) -> list[Any]:
    """Lay tables over rows of a list, each found by its number, from 0, or by its ``name``."""
    for key, value in table.items():
        names = [row.get("name") if isinstance(row, Mapping) else None for row in rows]
        if key in names:
            index = names.index(key)
        elif key.isascii() and key.isdecimal() and int(key) < len(rows):
            index = int(key)
        else:
            known = nearest(key, [name for name in names if name is not None])
            raise InputError(f"{place}.{key}: no such row; it has {len(rows)}, the first is 0{known}")
        if cls is not None and issubclass(cls, Spec) and isinstance(value, Mapping):
            rows[index] = _overlay(cls, value, Document(dict(rows[index])), f"{place}.{key}.", files).data
        else:
            rows[index] = value
    return rows


def _flat_sources(cls: type[BaseModel], table: Any, place: str) -> dict[str, str]:
    """Flatten a ``[sources]`` table and check that every key names a value of the specification."""
    if not isinstance(table, dict):
        raise InputError(f"{place} = {short(table)}: must be a table of texts, shaped like the data")
    flat: dict[str, str] = {}
    for key, value in table.items():
        if key not in cls.model_fields:
            raise InputError(f"{place}.{key}: unknown key{nearest(key, cls.model_fields)}")
        child = table_model(cls, key)
        if child is not None:
            inner = _flat_sources(child, value, f"{place}.{key}")
            flat |= {f"{key}.{path}": text for path, text in inner.items()}
        elif isinstance(value, str):
            flat[key] = value
        else:
            raise InputError(
                f"{place}.{key} = {short(value)}: must be text that says where the value comes from"
            )
    return flat


def apply_overrides(spec: S, overrides: Iterable[str]) -> S:
    """Lay overrides over a specification, in order, and check the result once.

    Parameters
    ----------
    spec : Spec
        Any specification.
    overrides : iterable of str
        ``PATH=VALUE``. The value is read as TOML when it is TOML (``16``, ``true``, ``[1, 2]``), else as
        text (``open``, ``128 KiB``). ``PATH.preset=NAME`` replaces the table at PATH by that preset. A row of
        a list of tables has its name or its number, from 0, in the path: ``layers.sensor.thickness_um=20``.

    Raises
    ------
    InputError
        For an unknown path, an unknown preset, or a value the checks refuse.
    """
    overrides = list(overrides)
    if not overrides:
        return spec
    cls = type(spec)
    return cls.from_dict(_laid(cls, Document(spec.to_dict()), overrides).data, OVERRIDE_LABEL)


def _laid(cls: type[Spec], document: Document, overrides: Iterable[str]) -> Document:
    """Lay overrides over a document, in order."""
    for override in overrides:
        document = _overlay(cls, _override_table(override), document, f"{OVERRIDE_LABEL}: ")
    return document


def _override_table(override: str) -> dict[str, Any]:
    """Return ``{"a": {"b": value}}`` for ``a.b=value``."""
    path, equals, text = override.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise InputError(
            f"{OVERRIDE_LABEL} {short(override)}: must be PATH=VALUE, such as dram.timing.tRCD=16"
        )
    value = _override_value(text.strip())
    for key in reversed(keys[1:]):
        value = {key: value}
    return {keys[0]: value}


def _override_value(text: str) -> Any:
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):  # not TOML, or nested or long beyond what its reader takes
        return text
    return table["value"] if len(table) == 1 else text
