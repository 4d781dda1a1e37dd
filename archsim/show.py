"""What ``archsim show`` prints: the shipped presets, and of one preset every value with unit and source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, NamedTuple

from archsim.errors import InputError, nearest
from archsim.spec import Spec, preset_names, read_document
from archsim.spec_errors import table_model, unit_of
from archsim.toml import toml_value

# Kind of preset (its folder in archsim/presets) -> the class its files describe, imported when needed.
_SPECS = {
    "address_map": "archsim.dram.spec:AddressMap",
    "dram": "archsim.dram.spec:DramSpec",
    "nmp": "archsim.nmp.spec:NmpSpec",
    "system": "archsim.systems.spec:SystemSpec",
    "workload": "archsim.traces.zipf:ZipfSpec",
}


class Row(NamedTuple):
    """One value of a preset; ``unit``, ``description`` and ``source`` are empty where there is none."""

    path: str
    value: Any
    unit: str
    description: str
    source: str


def kinds() -> list[str]:
    """Return the kinds of presets."""
    return sorted(_SPECS)


def names(kind: str) -> list[str]:
    """Return the preset names of one kind.

    Raises
    ------
    InputError
        When there is no such kind.
    """
    _known(kind)
    return preset_names(kind)


def describe(kind: str, name: str) -> list[Row]:
    """Return every value of a preset in the order its classes declare them; one row per table of a list.

    Raises
    ------
    InputError
        When there is no such kind or preset.
    """
    cls = spec_class(kind)
    document = read_document(cls, name)
    spec = cls.from_dict(document.data, document.label)
    return list(_rows(cls, spec.to_dict(), document.sources, ""))


def lines(kind: str, name: str) -> list[str]:
    """Return `describe` as aligned text: path, value, unit, description, source."""
    table = [_texts(row) for row in describe(kind, name)]
    widths = [max(len(texts[column]) for texts in table) for column in range(4)]
    return ["  ".join([*map(str.ljust, texts[:4], widths), texts[4]]).rstrip() for texts in table]


def _texts(row: Row) -> tuple[str, str, str, str, str]:
    """Write a row; of a list of tables only the first repeats what holds for all of them."""
    repeated = row.path.endswith("]") and not row.path.endswith("[0]")
    description, source = ("", "") if repeated else (row.description, row.source)
    return row.path, toml_value(row.value), row.unit, description, source


def spec_class(kind: str) -> type[Spec]:
    """Return the class that the presets of one kind describe."""
    module, _, name = _SPECS[_known(kind)].partition(":")
    cls: type[Spec] = getattr(import_module(module), name)
    return cls


def _known(kind: str) -> str:
    if kind not in _SPECS:
        raise InputError(f"{kind!r}: unknown kind of preset{nearest(kind, _SPECS)}")
    return kind


def _rows(cls: type[Any], data: Mapping[str, Any], sources: Mapping[str, str], prefix: str) -> Iterator[Row]:
    for key, value in data.items():
        path, child = f"{prefix}{key}", table_model(cls, key)
        if isinstance(value, dict) and child is not None:
            yield from _rows(child, value, sources, f"{path}.")
            continue
        if value is None:
            continue
        description = cls.model_fields[key].description or ""
        is_list_of_tables = isinstance(value, list) and bool(value) and isinstance(value[0], dict)
        places = (
            [(f"{path}[{i}]", item) for i, item in enumerate(value)] if is_list_of_tables else [(path, value)]
        )
        for place, item in places:
            yield Row(place, item, unit_of(cls, key), description, sources.get(path, ""))
