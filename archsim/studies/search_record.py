"""The entry of a search in ``study.json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from archsim.studies.columns import column_of
from archsim.studies.definition import FILE, read_definition, write_definition
from archsim.studies.points import Task
from archsim.studies.search import Search
from archsim.studies.store import Store

#: What two entries of the same search agree in.
_SAME = ("systems", "traces", "axes", "search")


class Record:
    """Settings of a search, the points asked for, and which trial was which point.

    ``search`` holds the settings; ``trials`` for each trial its place in ``points``, null where the design was not
    allowed. All else is as of a sweep.

    Parameters
    ----------
    search : Search
    out : Path
        Folder of the study, which need not be there yet.
    """

    def __init__(self, search: Search, out: Path) -> None:
        self._fresh = _entry(search)
        self.sweep = self._mine(read_definition(out).sweeps) if (out / FILE).exists() else self._fresh
        self._places: dict[str, int] = {}
        self._trials = 0

    def take_over(self, store: Store) -> None:
        """Begin from what the folder holds, now that nobody else writes it."""
        self.sweep = self._mine(store.definition.sweeps)
        self._places = {point: place for place, point in enumerate(self.sweep["points"]["point_id"])}

    def add(self, points: Sequence[Task | str], store: Store) -> None:
        """Note a batch before it runs; one that was noted before the search stopped is there already."""
        old, first = self.sweep, self._trials
        self._trials += len(points)
        table = {name: list(values) for name, values in old["points"].items()}
        for point in points:
            if isinstance(point, Task) and point.point_id not in self._places:
                self._places[point.point_id] = len(self._places)
                values = {"point_id": point.point_id, "system": point.system, "trace": point.trace.name}
                for name, column in table.items():
                    column.append(values.get(name, point.axes.get(name)))
        places = [self._places[each.point_id] if isinstance(each, Task) else None for each in points]
        if old["trials"][first : self._trials] == places:
            return
        self.sweep = {**old, "points": table, "trials": [*old["trials"][:first], *places]}
        others = [each for each in store.definition.sweeps if each != old]
        store.definition = replace(store.definition, sweeps=(*others, self.sweep))
        write_definition(store.path, store.definition)

    def _mine(self, sweeps: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the entry of this very search, or a fresh one."""
        same = [each for each in sweeps if all(each.get(key) == self._fresh[key] for key in _SAME)]
        return dict(max(same, key=lambda each: len(each["trials"]))) if same else self._fresh


def _entry(search: Search) -> dict[str, Any]:
    """Return the entry of a search without points."""
    space = search.space
    # The points of the systems as they are: they say what the trace holds, and whether it suits.
    tasks = [space.task(0, number, {}) for number in range(len(space.systems))]
    source = tasks[0].trace
    return {
        "systems": [
            {"name": spec.name, "source": label, "sha256": spec.sha256()}
            for spec, label in zip(space.systems, space.labels, strict=True)
        ],
        "traces": [
            {
                "name": source.name,
                "source": source.source,
                "workload": list(source.workload),
                "sha256": source.sha256,
            }
        ],
        "axes": [
            {
                "paths": list(choice.paths),
                "columns": [column_of(path) for path in choice.paths],
                "values": [list(step) for step in choice.values],
            }
            for choice in search.choices
        ],
        "where": None,
        "designs": [vars(design) for design in space.designs],
        "points": {
            name: []
            for name in (
                "point_id",
                "system",
                "trace",
                *(column_of(path) for choice in search.choices for path in choice.paths),
            )
        },
        "search": search.settings(),
        "trials": [],
    }
