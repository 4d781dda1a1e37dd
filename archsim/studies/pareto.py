"""Points that no other beats, for any number of objectives, and how much of the space they dominate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from archsim.errors import InputError, counted
from archsim.studies.objectives import (
    Constraint,
    Objective,
    columns_of,
    parse_constraints,
    parse_objectives,
)

if TYPE_CHECKING:
    from archsim.studies.study import Study

Numbers = npt.NDArray[np.float64]

#: The hypervolume is left out above so many objectives, or points of the front: its time grows as n^(d-1).
MOST_OBJECTIVES, MOST_POINTS = 4, 200
#: What tells points apart besides the axes; only points of one trace are compared.
_NAMES = ("code_version", "trace", "system")


@dataclass(frozen=True)
class Front:
    """The Pareto front of a study.

    Attributes
    ----------
    objectives : tuple of Objective
    rows : list of dict
        The points, by trace and then by the first objective, the best first: ``point_id``; ``code_version``, ``trace``
        and ``system`` where the study has several; the axes; each objective by its name.
    others : list of dict
        The points that are beaten, likewise.
    infeasible, empty : int
        Points that do not meet the constraints; points that lack a column of an objective or constraint.
    hypervolume : float or None
        See `hypervolume`: share, 0 to 1, of the box between the best and the worst values of all feasible points. None
        for several traces, when the box is flat, and when it would take long.
    """

    objectives: tuple[Objective, ...]
    rows: list[dict[str, Any]]
    others: list[dict[str, Any]]
    infeasible: int
    empty: int
    hypervolume: float | None


def front_of_study(study: Study, goals: Any = None, constraints: Sequence[str] | str | None = None) -> Front:
    """Return the front of the done points of a study, see `archsim.studies.study.Study.pareto`."""
    if goals is None:
        goals, kept = _searched(study)
        constraints = kept if constraints is None else constraints
    objectives = parse_objectives(goals, study.column)
    limits = parse_constraints(constraints or (), study.column)
    rows, names = _rows(study, objectives, limits)
    feasible: list[dict[str, Any]] = []
    infeasible = empty = 0
    nearest: tuple[float, str, str] | None = None
    for row in rows:
        values = [objective.value(row) for objective in objectives]
        missed = [limit.violation(row) for limit in limits]
        if None in values or None in missed:
            empty += 1
        elif any(missed):
            infeasible += 1
            worst = max((each or 0.0, limit.limit.text) for each, limit in zip(missed, limits, strict=True))
            nearest = min(nearest or (worst[0], worst[1], row["point_id"]), (*worst, row["point_id"]))
        else:
            told = {name: row[name] for name in names}
            feasible.append(told | {each.name: value for each, value in zip(objectives, values, strict=True)})
    if not feasible:
        raise _nobody(study, len(rows), empty, nearest)
    best = _best(feasible, rows, objectives)
    front = [row for row, mark in zip(feasible, best, strict=True) if mark]
    others = [row for row, mark in zip(feasible, best, strict=True) if not mark]
    sign = -1.0 if objectives[0].maximise else 1.0
    front.sort(key=lambda row: (str(row.get("trace", "")), sign * row[objectives[0].name]))
    several = len({row["trace_sha256"] for row in rows}) > 1
    share = None if several else dominated_share(_matrix(feasible, objectives))
    return Front(objectives, front, others, infeasible, empty, share)


def non_dominated(values: Numbers) -> npt.NDArray[np.bool_]:
    """Tell which points no other beats, where less of every value is better.

    A point beats another when it is nowhere worse and somewhere better; of equal points all stay.

    Parameters
    ----------
    values : ndarray of float64, shape (points, objectives)
        Finite numbers.

    Returns
    -------
    ndarray of bool, shape (points,)
    """
    if not len(values):
        return np.zeros(0, bool)
    # Sorted and each once: a point can only be beaten by one before it, whose first value is no worse.
    different, inverse = np.unique(values, axis=0, return_inverse=True)
    rest = np.ascontiguousarray(different[:, 1:].T)
    front, best, size = np.empty_like(rest), np.zeros(len(different), bool), 0
    for place, point in enumerate(rest.T):
        no_worse = np.ones(size, bool)
        for column, value in zip(front, point, strict=True):
            no_worse &= column[:size] <= value
        if not no_worse.any():
            best[place] = True
            front[:, size] = point
            size += 1
    return best[inverse.reshape(-1)]


def hypervolume(values: Numbers, reference: Sequence[float]) -> float:
    """Return the volume that points dominate, up to a reference point, where less of every value is better.

    The measure of the union of the boxes between each point and the reference (Zitzler and Thiele, PPSN 1998), cut
    into slices along the last objective. Exact but for rounding; the time grows as n^(d-1) for n points that no other
    beats and d objectives.

    Parameters
    ----------
    values : ndarray of float64, shape (points, objectives)
    reference : sequence of float
        Points that are not better than it in every objective count nothing.
    """
    limit = np.asarray(reference, np.float64)
    inside = values[(values < limit).all(axis=1)]
    inside = np.unique(inside[non_dominated(inside)], axis=0)
    return _volume(inside, limit)


def dominated_share(values: Numbers) -> float | None:
    """Return the hypervolume as a share of the box between the best and the worst values, None where there is none."""
    best, worst = values.min(axis=0), values.max(axis=0)
    front = values[non_dominated(values)]
    if (best == worst).any() or values.shape[1] > MOST_OBJECTIVES or len(front) > MOST_POINTS:
        return None
    return hypervolume((front - best) / (worst - best), [1.0] * values.shape[1])


def _volume(front: Numbers, limit: Numbers) -> float:
    if not len(front):
        return 0.0
    if front.shape[1] == 1:
        return float(limit[0] - front.min())
    front = front[np.argsort(front[:, -1], kind="stable")]
    ends = np.append(front[1:, -1], limit[-1])
    volume = 0.0
    for count, (start, end) in enumerate(zip(front[:, -1], ends, strict=True), start=1):
        if end > start:
            below = front[:count, :-1]
            volume += float(end - start) * _volume(below[non_dominated(below)], limit[:-1])
    return volume


def _rows(
    study: Study, objectives: Sequence[Objective], limits: Sequence[Constraint]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the done points with all columns that matter, and the columns that tell points apart."""
    needed = columns_of(objectives, limits)
    axes = [name for name in study.axes if name in study.columns]
    names = ["point_id", *_NAMES, *axes]
    rows: list[dict[str, Any]] = study.to_arrow(
        list(dict.fromkeys([*names, "trace_sha256", *needed]))
    ).to_pylist()
    if not rows:
        raise InputError(f"{study.path}: no point is done yet")
    several = [name for name in _NAMES if len({row[name] for row in rows}) > 1]
    return rows, ["point_id", *several, *axes]


def _best(
    feasible: Sequence[dict[str, Any]], rows: Sequence[dict[str, Any]], objectives: Sequence[Objective]
) -> list[bool]:
    """Tell which points no other of the same trace beats."""
    trace_of = {row["point_id"]: row["trace_sha256"] for row in rows}
    groups: dict[str, list[int]] = {}
    for place, row in enumerate(feasible):
        groups.setdefault(trace_of[row["point_id"]], []).append(place)
    best = [False] * len(feasible)
    for places in groups.values():
        marks = non_dominated(_matrix([feasible[place] for place in places], objectives))
        for place, mark in zip(places, marks, strict=True):
            best[place] = bool(mark)
    return best


def _matrix(rows: Sequence[dict[str, Any]], objectives: Sequence[Objective]) -> Numbers:
    """Return objectives as columns, less of each better."""
    signs = [-1.0 if each.maximise else 1.0 for each in objectives]
    return np.array(
        [[sign * row[each.name] for sign, each in zip(signs, objectives, strict=True)] for row in rows],
        np.float64,
    )


def _searched(study: Study) -> tuple[list[str], list[str]]:
    """Return objectives and constraints of the last search that wrote the study."""
    searches = [sweep["search"] for sweep in study.definition.sweeps if isinstance(sweep.get("search"), dict)]
    if not searches:
        raise InputError(
            f"{study.path}: objectives are needed, such as time_ns and energy_nj: no search made this study"
        )
    return list(searches[-1]["objectives"]), list(searches[-1]["constraints"])


def _nobody(study: Study, rows: int, empty: int, nearest: tuple[float, str, str] | None) -> InputError:
    if nearest is None:
        return InputError(
            f"{study.path}: none of {counted(rows, 'point')} has all the columns that the objectives need"
        )
    violation, text, point = nearest
    told = f"{counted(rows - empty, 'point')} meets the constraints"
    return InputError(
        f"{study.path}: none of {told}; the nearest is point {point[:12]}, which misses {text!r} by "
        f"{100 * violation:.3g}% of the limit"
    )
