"""Speedups against a baseline inside a study."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from archsim.errors import InputError, nearest
from archsim.studies.columns import Value

if TYPE_CHECKING:
    from archsim.studies.study import Study

_ALWAYS = ("system", "trace", "trace_sha256", "code_version")


def speedup_of(study: Study, metric: str, baseline: str | Mapping[str, Value]) -> list[float]:
    """Return the metric of each done point's baseline over its own, NaN where there is no baseline.

    See `archsim.studies.study.Study.speedup`.
    """
    if study.kind(metric) not in ("int", "float"):
        raise InputError(f"{study.path}: column {metric!r} holds no numbers")
    wanted = _wanted(study, baseline)
    names = [name for name in dict.fromkeys([*_ALWAYS, *study.axes, *wanted]) if name in study.columns]
    rows = study.to_arrow([*dict.fromkeys([*names, metric, "point_id"])]).to_pylist()
    candidates = [row for row in rows if all(row[name] == value for name, value in wanted.items())]
    keys = _keys(study, names, wanted, candidates)
    found: dict[tuple[Value, ...], dict[str, Any]] = {}
    for row in candidates:
        other = found.setdefault(tuple(row[name] for name in keys), row)
        if other is not row:
            ids = f"{other['point_id'][:12]} and {row['point_id'][:12]}"
            raise InputError(
                f"{study.path}: baseline {baseline!r}: ambiguous: points {ids} both are; add what tells them apart"
            )
    pairs = ((found.get(tuple(row[name] for name in keys)), row) for row in rows)
    return [math.nan if base is None else _ratio(base[metric], row[metric]) for base, row in pairs]


def _wanted(study: Study, baseline: str | Mapping[str, Value]) -> dict[str, Value]:
    """Return the values of a baseline by column, checked against those that the study has."""
    if isinstance(baseline, str):
        baseline = {"system": baseline}
    if not baseline:
        raise InputError("baseline: must be the name of a system, or values of axes")
    wanted = {study.column(name): value for name, value in baseline.items()}
    for column, value in wanted.items():
        there = list(dict.fromkeys(study.to_arrow([column], status=None)[column].to_pylist()))
        if value not in there:
            hint = nearest(str(value), [str(each) for each in there if each is not None])
            raise InputError(f"{study.path}: baseline: no point has {column} = {value!r}{hint}")
    return wanted


def _keys(
    study: Study, names: list[str], wanted: dict[str, Value], candidates: list[dict[str, Any]]
) -> list[str]:
    """Return the columns in which a point and its baseline agree."""
    fixed = set(wanted)
    for group in study.links:
        if fixed & set(group):
            fixed |= set(group)
    if "trace" in fixed:
        fixed.add("trace_sha256")
    absent = {name for name in study.axes if all(row[name] is None for row in candidates)}
    return [name for name in names if name not in fixed | absent]


def _ratio(base: float | None, own: float | None) -> float:
    if base is None or own is None:
        return math.nan
    if own == 0:
        return math.nan if base == 0 else math.copysign(math.inf, base)
    return base / own
