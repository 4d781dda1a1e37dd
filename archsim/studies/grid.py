"""A study as a grid: an xarray data set with the axes as dimensions."""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from archsim.errors import InputError
from archsim.studies.columns import Value
from archsim.studies.extras import needed
from archsim.studies.notes import unit_of_column

if TYPE_CHECKING:
    import xarray as xr

    from archsim.studies.study import Study

#: Values of a data set, all metrics together: 800 MB.
_MOST_VALUES = 100_000_000


def grid_of(study: Study, metrics: list[str] | None) -> xr.Dataset:
    """Return the data set of `archsim.studies.study.Study.to_xarray`."""
    xarray = needed("xarray", "notebook", "to_xarray")
    if metrics is None:
        metrics = [name for name in study.metrics if study.kind(name) != "str"]
    groups = _dimensions(study)
    columns = [column for group in groups for column in group]
    table = study.to_arrow([*dict.fromkeys([*columns, *metrics, "point_id"])])
    labels = {group: _labels(study, table, group) for group in groups}
    shape = tuple(len(labels[group]) for group in groups)
    if math.prod(shape) * len(metrics) > _MOST_VALUES:
        size = " x ".join(map(str, shape))
        raise InputError(
            f"{study.path}: a grid of {size} cells with {len(metrics)} metrics each; at most {_MOST_VALUES:,} values "
            "are laid out: ask for fewer metrics, or use to_frame"
        )
    rows, cells = _cells(study, table, groups, labels, shape)
    data = {}
    dims = ["+".join(group) for group in groups]
    for metric in metrics:
        values = table[metric].to_numpy()
        text = study.kind(metric) == "str"
        full = np.full(shape, None if text else np.nan, object if text else np.float64)
        full.reshape(-1)[cells] = values[rows]
        data[metric] = (dims, full, {"units": unit_of_column(metric)})
    found: xr.Dataset = xarray.Dataset(data, _coordinates(groups, labels), {"study": str(study.path)})
    return found


def _dimensions(study: Study) -> list[tuple[str, ...]]:
    several = [
        (name,)
        for name in ("code_version", "trace", "system")
        if len(set(study.to_arrow([name])[name].to_pylist())) > 1
    ]
    return [*several, *study.links]


def _labels(study: Study, table: Any, group: tuple[str, ...]) -> list[tuple[Value, ...]]:
    asked = zip(*(study.axes.get(column, ()) for column in group), strict=True)
    found = zip(*(table[column].to_pylist() for column in group), strict=True)
    return list(dict.fromkeys(label for label in (*asked, *found) if None not in label))


def _cells(
    study: Study,
    table: Any,
    groups: list[tuple[str, ...]],
    labels: dict[tuple[str, ...], list[tuple[Value, ...]]],
    shape: tuple[int, ...],
) -> tuple[list[int], list[int]]:
    """Return pairs of a row and the flat index of a cell where it stands.

    Raises
    ------
    InputError
        When two points would stand in one cell.
    """
    places = {group: {label: index for index, label in enumerate(labels[group])} for group in groups}
    by_group = [
        (
            places[group],
            range(len(labels[group])),
            list(zip(*(table[name].to_pylist() for name in group), strict=True)),
        )
        for group in groups
    ]
    ids = table["point_id"].to_pylist()
    taken: dict[int, int] = {}
    for row in range(table.num_rows):
        along = [every if None in values[row] else (place[values[row]],) for place, every, values in by_group]
        for index in product(*along):
            cell = int(np.ravel_multi_index(index, shape)) if shape else 0
            if taken.setdefault(cell, row) != row:
                raise InputError(
                    f"{study.path}: points {ids[taken[cell]][:12]} and {ids[row][:12]} agree in system, trace and "
                    "axes, and cannot both stand in a grid; use to_frame"
                )
    return list(taken.values()), list(taken)


def _coordinates(
    groups: list[tuple[str, ...]], labels: dict[tuple[str, ...], list[tuple[Value, ...]]]
) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for group in groups:
        for place, column in enumerate(group):
            values = np.array([label[place] for label in labels[group]])
            found[column] = ("+".join(group), values, {"units": unit_of_column(column)})
    return found
