"""What a preset given as a value of an axis undoes: the changes that a system's own file makes in that table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from archsim.errors import InputError
from archsim.spec import apply_overrides, preset_path
from archsim.studies.axes import LABEL, Axis
from archsim.systems.spec import SystemSpec
from archsim.toml import read_toml

#: Changes that a note lists.
_SHOWN = 4


def replacement_notes(system: SystemSpec, source: str, axes: Sequence[Axis]) -> Iterator[str]:
    """Yield a note for each axis of presets under which values that the system's file sets do not stay.

    Parameters
    ----------
    system : SystemSpec
        As resolved.
    source : str
        Preset or ``.toml`` file that it is of; of files of other simulators nothing is told.
    axes : sequence of Axis
        Of the sweep or search. What varies itself is not lost.
    """
    varied = {path for axis in axes for path in axis.paths}
    for axis in axes:
        for place, path in enumerate(axis.paths):
            table = path.removesuffix(".preset")
            if table == path:
                continue
            presets = list(dict.fromkeys(str(step[place]) for step in axis.values))
            lost = [key for key in _changes(source, table) if key not in varied]
            lost = [key for key in lost if _differs(system, key, path, presets)]
            if lost:
                more = f" and {len(lost) - _SHOWN} more" if len(lost) > _SHOWN else ""
                yield (
                    f"{system.name}: {LABEL} {path} replaces the whole table, and with it what the system sets there: "
                    f"{', '.join(lost[:_SHOWN])}{more}; to keep a value vary both together, as in "
                    f"{path}+{lost[0]}={presets[0]}:VALUE"
                )


def _changes(source: str, table: str) -> list[str]:
    """Return the paths below a table that a system's file, or those it is laid over, set beside a preset there."""
    found: dict[str, None] = {}
    seen: set[Path] = set()
    while True:
        try:
            path = Path(source) if source.endswith(".toml") else preset_path("system", source, "")
            document = read_toml(path)
        except InputError:  # a system of another simulator's file
            return list(found)
        here: Any = document
        begun = False
        for key in table.split("."):
            here = here.get(key, {}) if isinstance(here, Mapping) else {}
            begun = begun or (isinstance(here, Mapping) and "preset" in here)
        if isinstance(here, Mapping):
            found |= dict.fromkeys(_leaves({k: v for k, v in here.items() if k != "preset"}, table))
        # A preset named in the table starts anew; else the file goes on from the one that it names itself.
        if begun or "preset" not in document or path in seen:
            return list(found)
        seen.add(path)
        source = str(document["preset"])


def _leaves(tree: Mapping[str, Any], above: str) -> Iterator[str]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{above}.{key}")
        else:
            yield f"{above}.{key}"


def _differs(system: SystemSpec, key: str, path: str, presets: Sequence[str]) -> bool:
    """Tell whether a value is another one under any of the presets."""
    own = _at(system.to_dict(), key)
    for preset in presets:
        try:
            other = apply_overrides(system, [f"{path}={preset}"])
        except InputError:  # allowed only together with other axes
            return True
        if _at(other.to_dict(), key) != own:
            return True
    return False


def _at(tree: Any, key: str) -> Any:
    """Return the value at a path; of a preset the whole table that it stands for."""
    for part in key.removesuffix(".preset").split("."):
        tree = tree.get(part) if isinstance(tree, Mapping) else None
    return tree
