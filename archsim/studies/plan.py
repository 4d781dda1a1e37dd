"""The grid of a sweep: every system resolved and checked, every trace known by content, before any work starts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

from archsim.errors import InputError, counted
from archsim.studies.axes import Axis
from archsim.studies.columns import column_of
from archsim.studies.conditions import Condition, Value, all_hold, comparable
from archsim.studies.points import Task
from archsim.studies.replaced import replacement_notes
from archsim.studies.space import WORKLOAD, Space
from archsim.systems.parts import PARTS, part_of
from archsim.traces.workloads import beyond_note

#: Most combinations of one sweep, unless more are asked for.
MOST_POINTS = 100_000


@dataclass(frozen=True)
class Plan:
    """All points of a sweep.

    Attributes
    ----------
    tasks : tuple of Task
        The points, each once, trace by trace.
    combinations : int
        Traces times systems times values of the axes, before conditions and before equal ones became one.
    notes : tuple of str
        What the user should know.
    definition : dict
        The sweep as ``study.json`` keeps it.
    """

    tasks: tuple[Task, ...]
    combinations: int
    notes: tuple[str, ...]
    definition: dict[str, Any]


class _Chosen(NamedTuple):
    """A point before it is resolved."""

    trace: int
    system: int
    hardware: tuple[str, ...]
    workload: tuple[str, ...]
    texts: Mapping[str, str]


def make_plan(
    space: Space,
    axes: Sequence[Axis],
    *,
    where: Iterable[str] = (),
    time_limit_s: float | None = None,
    max_points: int = MOST_POINTS,
) -> Plan:
    """Lay out a grid: traces x systems x axes, without what the conditions leave out.

    Parameters
    ----------
    space : Space
        Systems and traces.
    axes : sequence of Axis
        From `archsim.studies.axes.parse_axes`.
    where : iterable of str
        Conditions, see `archsim.studies.conditions.Condition`; all must hold.
    time_limit_s : float, optional
        Seconds for each point.
    max_points : int
        Most combinations.

    Raises
    ------
    InputError
        For a path or value that does not exist or is not allowed (with the number of the point), conditions that
        leave nothing, and too many points.
    """
    if time_limit_s is not None and not 0 < time_limit_s < math.inf:
        raise InputError(f"time limit of {time_limit_s:g} s: must be above 0")
    space.check_free([path for axis in axes for path in axis.paths])
    combinations = _count(space, axes, max_points)
    units = {path: space.unit(path) for axis in axes for path in axis.paths}
    conditions = [Condition(text, units) for text in where]
    chosen = list(_chosen(space, axes, conditions, units))
    if not chosen:
        texts = " and ".join(condition.text for condition in conditions)
        raise InputError(f"--where {texts}: leaves none of {counted(combinations, 'point')}")
    places = [_place(number, len(chosen), point, space) for number, point in enumerate(chosen, start=1)]
    # All that is cheap to check goes before the first trace is made.
    for point, place in zip(chosen, places, strict=True):
        space.resolve(point.system, point.texts, place)
        if point.workload:
            space.check_workload(point.trace, point.workload, place)
    tasks: dict[str, Task] = {}
    for point, place in zip(chosen, places, strict=True):
        task = space.task(point.trace, point.system, point.texts, time_limit_s, place)
        tasks.setdefault(task.point_id, task)
    notes = _notes(space, axes, len(chosen), len(tasks))
    found = tuple(tasks.values())
    return Plan(found, combinations, notes, _definition(space, axes, conditions, found))


def _count(space: Space, axes: Sequence[Axis], max_points: int) -> int:
    sizes = [len(space.traces), len(space.systems), *(len(axis.values) for axis in axes)]
    combinations = math.prod(sizes)
    if combinations > max_points:
        product_text = " x ".join(f"{size:,}" for size in sizes)
        raise InputError(
            f"{counted(combinations, 'point')} (traces x systems x values: {product_text}): more than {max_points:,}; "
            "take fewer values, or allow more with --max-points"
        )
    return combinations


def _chosen(
    space: Space, axes: Sequence[Axis], conditions: Sequence[Condition], units: Mapping[str, str]
) -> Iterator[_Chosen]:
    """Yield each different point that the conditions leave; workloads vary slowest, so that traces stay open."""
    generated = [axis for axis in axes if any(path.startswith(WORKLOAD) for path in axis.paths)]
    ordered = [*generated, *(axis for axis in axes if axis not in generated)]
    values = {
        (path, text): comparable(text, units[path])
        for axis in axes
        for step in axis.values
        for path, text in zip(axis.paths, step, strict=True)
    }
    seen: set[tuple[Any, ...]] = set()
    outer = product(*(axis.values for axis in generated))
    inner = [axis.values for axis in ordered[len(generated) :]]
    paths = [path for axis in ordered for path in axis.paths]
    for trace, slow in product(range(len(space.traces)), list(outer)):
        for system, fast in product(range(len(space.systems)), product(*inner)):
            texts = dict(zip(paths, (text for step in (*slow, *fast) for text in step), strict=True))
            if conditions:
                known: dict[str, Value] = {path: values[path, text] for path, text in texts.items()}
                known |= {"system": space.systems[system].name, "trace": space.shown(trace)}
                if not all_hold(conditions, known):
                    continue
            workload, hardware = space.lay(trace, system, texts)
            key = (trace, system, workload, hardware)
            if key not in seen:
                seen.add(key)
                yield _Chosen(trace, system, hardware, workload, texts)


def _place(number: int, total: int, point: _Chosen, space: Space) -> str:
    """Name a point in an error message."""
    values = [*point.hardware, *(WORKLOAD + text for text in point.workload)]
    return f"point {number:,} of {total:,} ({', '.join([space.systems[point.system].name, *values])})"


def _notes(space: Space, axes: Sequence[Axis], chosen: int, different: int) -> tuple[str, ...]:
    notes = []
    for path in (path for axis in axes for path in axis.paths):
        found = space.takes(path)
        if all(found):
            continue
        names = [
            space.shown(number) if path.startswith(WORKLOAD) else space.systems[number].name
            for number, taken in enumerate(found)
            if not taken
        ]
        part = part_of(path)
        why = f"no {PARTS[part]}" if part else "no parameters"
        notes.append(f"{', '.join(names)}: {why}, so one point for all values of {path}")
    notes += _beyond_notes(space, axes)
    for spec, source, loaded in zip(space.systems, space.labels, space.loaded, strict=True):
        if loaded:
            notes += replacement_notes(spec, source, axes)
    if different < chosen:
        equal = "equals another" if chosen - different == 1 else "equal others"
        notes.append(f"{chosen - different:,} of {chosen:,} points {equal}; each is run once")
    return tuple(notes)


def _beyond_notes(space: Space, axes: Sequence[Axis]) -> Iterator[str]:
    """Name generated traces that end before the limit that is given for all."""
    if any(path == f"{WORKLOAD}lookups" for axis in axes for path in axis.paths):
        return
    for number, source in enumerate(space.traces):
        limit = dict(source.reading).get("limit")
        if source.generated and limit is not None:
            lookups = space.check_workload(number, (), source.source).lookups  # type: ignore[attr-defined]
            if limit > lookups:
                yield beyond_note(source.source, lookups, limit)


def _definition(
    space: Space, axes: Sequence[Axis], conditions: Sequence[Condition], tasks: Sequence[Task]
) -> dict[str, Any]:
    systems = [
        {"name": spec.name, "source": label, "sha256": spec.sha256()}
        for spec, label in zip(space.systems, space.labels, strict=True)
    ]
    traces = {
        task.trace.sha256: {
            "name": task.trace.name,
            "source": task.trace.source,
            "workload": list(task.trace.workload),
            "sha256": task.trace.sha256,
        }
        for task in tasks
    }
    points: dict[str, list[Any]] = {
        "point_id": [task.point_id for task in tasks],
        "system": [task.system for task in tasks],
        "trace": [task.trace.name for task in tasks],
    }
    columns = [column_of(path) for axis in axes for path in axis.paths]
    points |= {column: [task.axes[column] for task in tasks] for column in columns}
    return {
        "systems": systems,
        "specs": space.specs(),
        "traces": list(traces.values()),
        "axes": [
            {
                "paths": list(axis.paths),
                "columns": [column_of(path) for path in axis.paths],
                "values": [list(step) for step in axis.values],
            }
            for axis in axes
        ],
        "where": " and ".join(f"({condition.text})" for condition in conditions) or None,
        "designs": [vars(design) for design in space.designs],
        "points": points,
    }
