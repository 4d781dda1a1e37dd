"""How strongly a metric depends on each axis of a study.

On a full grid the variance of the metric over all points, each counted once, is split exactly. With the axes as
independent inputs that take each of their values equally often, for axis i

    first order  S_i  = Var_i(E[y | x_i]) / Var(y)
    total        ST_i = E[Var(y | all axes but i)] / Var(y)

(Sobol', Math. Comput. Simul. 55, 2001, 271-280; Homma and Saltelli, Reliab. Eng. Syst. Saf. 52, 1996, 1-17). S_i is
what the axis explains alone, ST_i what it explains alone and together with others; all first-order indices add up to 1
when axes do not interact. Nothing is estimated: expectations and variances are sums over the grid.

The elasticity is the slope b of log2 y over log2 x in one least-squares fit with all axes, those without positive
numbers as one constant per value; a doubling of x changes y by 100 (2^b - 1) percent. It needs no grid; ``fit_r2`` says
which share of the variance of log2 y the fit explains.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from archsim.errors import InputError, counted, nearest
from archsim.studies.axes import text_of
from archsim.studies.columns import Value, column_of
from archsim.studies.conditions import comparable
from archsim.studies.notes import unit_of_column
from archsim.studies.objectives import Objective

if TYPE_CHECKING:
    from archsim.studies.study import Study

_NAMES = ("code_version", "trace", "system")
_RANK_TOLERANCE = 1e-9

Key = tuple[Value, ...]


@dataclass(frozen=True)
class Sensitivity:
    """What the axes do to a metric.

    Attributes
    ----------
    metric : Objective
    rows : list of dict
        For each system and trace (named where there are several) the axes that vary, the strongest first: ``axis``
        (linked ones joined by +), ``values`` (how many), ``first_order``, ``total`` (shares, 0 to 1),
        ``percent_per_doubling``, ``fit_r2``; with a base also ``least_percent``, ``least_at``, ``greatest_percent``,
        ``greatest_at``: how far below and above the base the metric gets along that axis alone. None where it cannot be
        said.
    notes : list of str
        What cannot be said, and why.
    """

    metric: Objective
    rows: list[dict[str, Any]]
    notes: list[str]


def sensitivity_of(study: Study, metric: str, base: Mapping[str, Any] | None = None) -> Sensitivity:
    """Return how a metric depends on each axis, see `archsim.studies.study.Study.sensitivity`."""
    objective = Objective.parse(metric, study.column)
    factors = [group for group in study.links if all(column in study.columns for column in group)]
    axes = [column for group in factors for column in group]
    wanted = _base(study, base, axes) if base is not None else None
    needed = list(dict.fromkeys(["point_id", *_NAMES, "trace_sha256", *axes, *objective.columns.values()]))
    table = study.to_arrow(needed).to_pylist()
    if not table:
        raise InputError(f"{study.path}: no point is done yet")
    several = [name for name in _NAMES if len({row[name] for row in table}) > 1]
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in table:
        groups.setdefault(tuple(row[name] for name in (*_NAMES, "trace_sha256")), []).append(row)
    found = Sensitivity(objective, [], _search_notes(study))
    for rows in groups.values():
        labels = {name: rows[0][name] for name in several}
        place = ", ".join(map(str, labels.values()))
        lines, notes = _of_group(rows, factors, objective, wanted)
        found.rows.extend(labels | line for line in lines)
        found.notes.extend(f"{place}: {note}" if place else note for note in notes)
    if not found.rows:
        raise InputError(f"{study.path}: no axis varies, so there is nothing to be sensitive to")
    return found


def _of_group(
    rows: Sequence[Mapping[str, Any]],
    factors: Sequence[tuple[str, ...]],
    objective: Objective,
    base: Mapping[str, Value] | None,
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return lines and notes of the points of one system and trace."""
    varied = [group for group in factors if len({tuple(row[name] for name in group) for row in rows}) > 1]
    points: dict[tuple[Key, ...], float] = {}
    notes, empty = [], 0
    for row in rows:
        key = tuple(tuple(row[name] for name in group) for group in varied)
        value = objective.value(row)
        if value is None:
            empty += 1
        elif points.setdefault(key, value) != value:
            raise InputError(
                f"point {row['point_id'][:12]}: another point has the same axes; they cannot be told apart"
            )
    if empty:
        notes.append(
            f"{empty:,} of {counted(len(rows), 'point')} {'has' if empty == 1 else 'have'} no {objective.name}"
        )
    if not varied or not points:
        return [], notes
    values = [list(dict.fromkeys(key[place] for key in points)) for place in range(len(varied))]
    lines: list[dict[str, Any]] = [
        {"axis": "+".join(group), "values": len(found)} for group, found in zip(varied, values, strict=True)
    ]
    _add_indices(lines, points, values, notes)
    _add_elasticities(lines, points, values, notes)
    if base is not None:
        _add_changes(lines, points, tuple(tuple(base[name] for name in group) for group in varied), notes)
    lines.sort(key=lambda line: (-(line["total"] or 0.0), -abs(line["percent_per_doubling"] or 0.0)))
    return lines, notes


def _add_indices(
    lines: list[dict[str, Any]],
    points: Mapping[tuple[Key, ...], float],
    values: Sequence[Sequence[Key]],
    notes: list[str],
) -> None:
    cells = math.prod(len(found) for found in values)
    if len(points) < cells:
        notes.append(
            f"{len(points):,} of the {cells:,} points of the full grid {'is' if len(points) == 1 else 'are'} there: "
            "shares of the variance need them all"
        )
        indices: list[tuple[float | None, float | None]] = [(None, None)] * len(values)
    else:
        found = sobol_indices(points)
        if found is None:
            notes.append("the metric is the same at all points, so there is no variance to share")
        indices = [(None, None)] * len(values) if found is None else list(found)
    for line, (first, total) in zip(lines, indices, strict=True):
        line |= {"first_order": first, "total": total}


def sobol_indices(points: Mapping[tuple[Any, ...], float]) -> list[tuple[float, float]] | None:
    """Return first-order and total Sobol' index of each axis of a full grid, exact but for rounding.

    Parameters
    ----------
    points : mapping of tuple to float
        The metric by the values of the axes; every combination of values stands there.

    Returns
    -------
    list of (float, float) or None
        By axis; None where the metric does not vary.
    """
    mean, variance = _moments(points.values())
    if variance <= 0.0:
        return None
    found = []
    for axis in range(len(next(iter(points)))):
        along: dict[Any, list[float]] = {}
        across: dict[Any, list[float]] = {}
        for key, value in points.items():
            along.setdefault(key[axis], []).append(value)
            across.setdefault(key[:axis] + key[axis + 1 :], []).append(value)
        first = math.fsum((_moments(each)[0] - mean) ** 2 for each in along.values()) / len(along)
        total = math.fsum(_moments(each)[1] for each in across.values()) / len(across)
        found.append((first / variance, total / variance))
    return found


def _moments(values: Iterable[float]) -> tuple[float, float]:
    """Return mean and variance; sums are rounded once, so that their order changes nothing."""
    values = list(values)
    if min(values) == max(values):
        return values[0], 0.0
    mean = math.fsum(values) / len(values)
    return mean, math.fsum((value - mean) ** 2 for value in values) / len(values)


def _add_elasticities(
    lines: list[dict[str, Any]],
    points: Mapping[tuple[Key, ...], float],
    values: Sequence[Sequence[Key]],
    notes: list[str],
) -> None:
    numeric = [_positive(found) for found in values]
    fit = None
    if any(numeric):
        if min(points.values()) <= 0:
            notes.append("the metric is not above 0 everywhere, so it has no elasticity")
        else:
            fit = elasticities(points, numeric)
            if fit is None:
                notes.append("the points do not tell the axes apart, so elasticities cannot be fitted")
    for place, line in enumerate(lines):
        slope = fit[0][place] if fit else None
        percent = None if slope is None else 100.0 * (2.0**slope - 1.0)
        line |= {"percent_per_doubling": percent, "fit_r2": fit[1] if fit and slope is not None else None}


def elasticities(
    points: Mapping[tuple[Key, ...], float], numeric: Sequence[bool]
) -> tuple[list[float | None], float] | None:
    """Fit log2 of the metric; return the slope over log2 of each numeric axis (None for others) and R squared.

    None where the points leave the fit open: axes that always vary together, or more unknowns than points.
    """
    keys = list(points)
    target = np.array([math.log2(points[key]) for key in keys])
    columns, slopes = [np.ones(len(keys))], {}
    for axis, is_number in enumerate(numeric):
        if is_number:
            slopes[axis] = len(columns)
            columns.append(np.array([math.log2(float(key[axis][0] or 0)) for key in keys]))
        else:
            for value in list(dict.fromkeys(key[axis] for key in keys))[1:]:
                columns.append(np.array([float(key[axis] == value) for key in keys]))
    # Centred, so that an axis of large numbers is not taken for the constant.
    matrix = np.stack([columns[0], *(column - column.mean() for column in columns[1:])], axis=1)
    sizes = np.linalg.norm(matrix, axis=0)
    if matrix.shape[1] > len(keys) or not sizes.all():
        return None
    found, _, rank, _ = np.linalg.lstsq(matrix / sizes, target, rcond=_RANK_TOLERANCE)
    if rank < matrix.shape[1]:
        return None
    found = found / sizes
    rest = float(((target - matrix @ found) ** 2).sum())
    whole = float(((target - target.mean()) ** 2).sum())
    return [float(found[slopes[axis]]) if axis in slopes else None for axis in range(len(numeric))], (
        1.0 - rest / whole if whole > 0 else 1.0
    )


def _add_changes(
    lines: list[dict[str, Any]],
    points: Mapping[tuple[Key, ...], float],
    base: tuple[Key, ...],
    notes: list[str],
) -> None:
    """Add how far the metric gets from the base when one axis changes and all others stay."""
    names = ("least_percent", "least_at", "greatest_percent", "greatest_at")
    at_base = points.get(base)
    if at_base is None or at_base == 0:
        why = "no point stands there" if at_base is None else "the metric is 0 there"
        notes.append(f"nothing can be said around the base: {why}")
    for axis, line in enumerate(lines):
        line |= dict.fromkeys(names)
        if at_base is None or at_base == 0:
            continue
        line_points = [
            (100.0 * (value - at_base) / abs(at_base), key[axis])
            for key, value in points.items()
            if key[:axis] == base[:axis] and key[axis + 1 :] == base[axis + 1 :]
        ]
        least, greatest = (
            min(line_points, key=lambda each: each[0]),
            max(line_points, key=lambda each: each[0]),
        )
        line |= dict(zip(names, (least[0], _text(least[1]), greatest[0], _text(greatest[1])), strict=True))
        if len(line_points) < line["values"]:
            notes.append(
                f"{line['axis']}: {len(line_points):,} of {line['values']:,} values stand beside the base"
            )


def _base(study: Study, base: Mapping[str, Any], axes: Sequence[str]) -> dict[str, Value]:
    """Return the value of every axis at the base, found among those of the study."""
    found: dict[str, Value] = {}
    for name, value in base.items():
        column = next((each for each in (name, column_of(name)) if each in axes), None)
        if column is None:
            raise InputError(f"base: {name}: not an axis{nearest(name, axes)}")
        wanted = comparable(text_of(value, name), unit_of_column(column))
        match = [each for each in study.axes[column] if each == wanted or str(each) == str(value)]
        if not match:
            told = ", ".join(map(str, dict.fromkeys(study.axes[column])))
            raise InputError(f"base: {name}={value}: no point has that value; there are {told}")
        found[column] = match[0]
    for column in axes:
        values = list(dict.fromkeys(study.axes[column]))
        if column not in found and len(values) > 1:
            raise InputError(f"base: {column} is missing; it has {', '.join(map(str, values))}")
        found.setdefault(column, values[0] if values else None)
    return found


def _positive(values: Sequence[Key]) -> bool:
    """Whether an axis is one parameter of positive numbers."""
    return all(
        len(key) == 1
        and isinstance(key[0], int | float)
        and not isinstance(key[0], bool)
        and 0 < key[0] < math.inf
        for key in values
    )


def _text(key: Key) -> str:
    return ":".join(map(str, key))


def _search_notes(study: Study) -> list[str]:
    if any("search" in sweep for sweep in study.definition.sweeps):
        return [
            "a search chose points where its objectives are good: a fit describes those, not the whole space"
        ]
    return []
