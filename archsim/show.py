"""What ``archsim show`` prints: the shipped presets, and of one preset every value with unit and source."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, NamedTuple

from archsim.errors import InputError, nearest
from archsim.spec import Spec, preset_names, read_document
from archsim.spec_errors import table_model, unit_of
from archsim.toml import toml_value

# Kind of preset (its folder in archsim/presets) -> the class its files describe, imported when needed.
_SPECS = {
    "adc": "archsim.analog.nnadc.spec:Adc",
    "adc_network": "archsim.analog.nnadc.spec:Network",
    "address_map": "archsim.dram.address_map:AddressMap",
    "cache": "archsim.cache.spec:MemoryCache",
    "controller": "archsim.dram.spec:Controller",
    "dram": "archsim.dram.spec:DramSpec",
    "energy": "archsim.dram.energy:Energy",
    "heat_map": "archsim.electrothermal.spec:HeatMap",
    "hierarchy": "archsim.cache.spec:Hierarchy",
    "image_sensor": "archsim.sensor.image.spec:ImageSensor",
    "logic": "archsim.nmp.silicon:LogicTable",
    "model": "archsim.models.spec:ModelSpec",
    "near_sensor": "archsim.approx.processor:Processor",
    "nmp": "archsim.nmp.spec:NmpSpec",
    "pixel_energy": "archsim.sensor.energy:PixelEnergy",
    "processor": "archsim.models.spec:ProcessorSpec",
    "rram": "archsim.analog.device:Cell",
    "scene": "archsim.sensor.image.spec:Scene",
    "sensor": "archsim.sensor.near_sensor:NearSensor",
    "sram": "archsim.cache.sram:SramTable",
    "stack": "archsim.thermal.spec:Stack",
    "system": "archsim.systems.spec:SystemSpec",
    "vision_network": "archsim.sensor.networks:VisionNetwork",
    "vision_processor": "archsim.sensor.networks:VisionProcessor",
    "vision_system": "archsim.sensor.system:VisionSystem",
    "workload": "archsim.traces.generators.base:WorkloadSpec",
}
#: Columns of the text, and the longest value that the column of values makes room for.
WIDTH = 120
SHORT_VALUE = 16
_WHOLE_WORDS: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False, "drop_whitespace": True}


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
    cls = spec_class(kind, name)
    document = read_document(cls, name)
    spec = cls.from_dict(document.data, document.label)
    return list(_rows(cls, spec.to_dict(), document.sources, ""))


def lines(kind: str, name: str) -> list[str]:
    """Return `describe` as text: path, value, unit and description on one line where they fit, the source below."""
    rows = describe(kind, name)
    values = [f"{_value_text(row.value)} {row.unit}".rstrip() for row in rows]
    left = max(len(row.path) for row in rows) + 2
    middle = left + 2 + max((len(value) for value in values if len(value) <= SHORT_VALUE), default=0)
    text: list[str] = []
    for row, value in zip(rows, values, strict=True):
        line = row.path.ljust(left) + value
        description, source = row.description, row.source and f"source: {row.source}"
        if row.path.endswith("]") and not row.path.endswith("[0]"):
            description = source = ""  # the first of a list of tables has said what holds for all of them
        together = f"{line.ljust(middle - 2)}  {description}".rstrip()
        fits = len(together) <= WIDTH
        text += (
            [together] if fits else textwrap.wrap(line, WIDTH, subsequent_indent=" " * left, **_WHOLE_WORDS)
        )
        for note in ("" if fits else description, source):
            text += [" " * left + part for part in textwrap.wrap(note, WIDTH - left)]
    return text


def _value_text(value: Any) -> str:
    if isinstance(value, dict):
        given = {key: item for key, item in value.items() if item is not None and item != []}
        return ", ".join(
            f"{key} {toml_value(item) if isinstance(item, list | dict) else item}"
            for key, item in given.items()
        )
    return toml_value(value)


def spec_class(kind: str, name: str) -> type[Spec]:
    """Return the class that a preset describes; each generator of workloads has one of its own."""
    module, _, class_name = _SPECS[_known(kind)].partition(":")
    if kind == "workload":
        from archsim.traces.generators import workload_class

        return workload_class(name)
    cls: type[Spec] = getattr(import_module(module), class_name)
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
        if value is None or value == []:
            continue
        description = cls.model_fields[key].description or ""
        is_list_of_tables = isinstance(value, list) and bool(value) and isinstance(value[0], dict)
        places = (
            [(f"{path}[{i}]", item) for i, item in enumerate(value)] if is_list_of_tables else [(path, value)]
        )
        for place, item in places:
            yield Row(place, item, unit_of(cls, key), description, sources.get(path, ""))
