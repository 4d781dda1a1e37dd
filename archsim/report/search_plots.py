"""Pictures of what a study is judged by: its Pareto front, and how strongly a metric depends on each axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

from archsim.errors import InputError
from archsim.report.pareto_plots import plot_pareto
from archsim.report.quantities import quantity_of
from archsim.report.style import (
    COLUMN_IN,
    GREY,
    TWO_COLUMNS_IN,
    axes_for,
    bar_look,
    finish,
    house,
    legend_above,
    new_figure,
    note,
    nothing,
)
from archsim.studies.pareto import Front, front_of_study
from archsim.studies.sensitivity import Sensitivity, sensitivity_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Objectives whose pairs fit on one page.
_MOST_OBJECTIVES = 3


def plot_front(study: Any, objectives: Any = None, constraints: Sequence[str] | str | None = None) -> Figure:
    """Draw the Pareto front of a study: two objectives against each other, of three each pair.

    Points that do not meet the constraints are left out. A pair shows the front of its two objectives.

    Parameters
    ----------
    study : Study or Front
    objectives, constraints
        As of `archsim.Study.pareto`; an expression needs a name, ``NAME = EXPRESSION``.

    Returns
    -------
    Figure

    Raises
    ------
    InputError
        For fewer than two objectives or more than three, an expression without a name, and as of ``pareto``.
    """
    front = study if isinstance(study, Front) else front_of_study(study, objectives, constraints)
    names = [each.name for each in front.objectives]
    if not 2 <= len(names) <= _MOST_OBJECTIVES:
        raise InputError(f"a picture shows 2 or {_MOST_OBJECTIVES} objectives, not {len(names)}")
    for name in names:
        if not name.replace(".", "_").isidentifier():
            raise InputError(f"objective {name!r}: needs a name for its axis, such as 'edp = {name}'")
    rows = [*front.rows, *front.others]
    columns = {name: [row[name] for row in rows] for name in rows[0] if name != "point_id"}
    more = [each.name for each in front.objectives if each.maximise]
    pairs = list(combinations(names, 2))
    figure = new_figure(TWO_COLUMNS_IN if len(pairs) > 1 else COLUMN_IN, 2.5)
    with house():
        panels = figure.subplots(1, len(pairs), squeeze=False)[0]
        for panel, (x, y) in zip(panels, pairs, strict=True):
            plot_pareto(columns, x, y, maximise=more, label=None if len(pairs) == 1 else (), axes=panel)
    return figure


def plot_sensitivity(
    study: Any, metric: str = "time_ns", base: Mapping[str, Any] | None = None, *, axes: Axes | None = None
) -> Axes:
    """Draw the share of the variance of a metric that each axis explains, alone and with its interactions.

    Where the grid has holes, the change of the metric per doubling of each axis instead.

    Parameters
    ----------
    study : Study or Sensitivity
    metric, base
        As of `archsim.Study.sensitivity`.
    axes : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
    """
    found = study if isinstance(study, Sensitivity) else sensitivity_of(study, metric, base)
    full = [row for row in found.rows if row["total"] is not None]
    fitted = [row for row in found.rows if row["percent_per_doubling"] is not None]
    rows = full or fitted
    names = list(dict.fromkeys(row["axis"] for row in rows))
    labels = [_group(row) for row in found.rows]
    groups = list(dict.fromkeys(labels))
    words = quantity_of(found.metric.name).words
    with house():
        axes, new = axes_for(axes, 0.9 + 0.16 * max(4, len(names) * len(groups)))
        height = 0.8 / max(len(groups), 1)
        for number, group in enumerate(groups):
            own = {row["axis"]: row for row in rows if _group(row) == group}
            at = [place + (number + 0.5) * height - 0.4 for place, name in enumerate(names) if name in own]
            look = bar_look(number) | {"height": height * 0.9}
            shown = [own[name] for name in names if name in own]
            if full:
                first = [100 * row["first_order"] for row in shown]
                rest = [max(0.0, 100 * row["total"] - each) for row, each in zip(shown, first, strict=True)]
                axes.barh(at, first, label=group or None, **look)
                axes.barh(
                    at,
                    rest,
                    left=first,
                    **(look | {"facecolor": "white", "edgecolor": GREY, "hatch": "////"}),
                )
            else:
                axes.barh(at, [row["percent_per_doubling"] for row in shown], label=group or None, **look)
        axes.set_yticks(range(len(names)), [_axis_words(name) for name in names])
        axes.invert_yaxis()
        axes.set_xlabel(f"variance of {words} (%)" if full else f"{words} per doubling (%)")
        if not rows:
            nothing(axes, "no axis has an effect that can be told")
        finish(axes, grid="x")
        if full:
            note(axes, "hatched: together with other axes")
        legend_above(axes, grow=new)
    return axes


def _group(row: Mapping[str, Any]) -> str:
    return ", ".join(str(row[name]) for name in ("system", "trace", "code_version") if name in row)


def _axis_words(name: str) -> str:
    return " + ".join(quantity_of(part).words for part in name.split("+"))
