"""Bars: metrics, speedups, and utilisations. matplotlib is imported on use."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archsim.errors import InputError, nearest
from archsim.report.groups import (
    By,
    Series,
    axis_names,
    by_columns,
    group_title,
    one_text,
    ordered,
    over,
    series_of,
    value_text,
)
from archsim.report.quantities import quantity_of
from archsim.report.rows import Points, points_of
from archsim.report.style import (
    GREY,
    SMALL_PT,
    axes_for,
    bar_look,
    finish,
    fit_labels,
    house,
    legend_above,
    line_look,
    note,
    nothing,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: So many bars have their values written beside them.
_NUMBERED = 12


def plot_bars(
    study: Any, x: str, y: str, by: By = None, *, axes: Axes | None = None, horizontal: bool | None = None
) -> Axes:
    """Draw a metric as bars, grouped by the values of an axis.

    Where other axes vary too, a bar is the median and its whisker reaches from the least to the greatest. A point that
    failed has no bar but an x.

    Parameters
    ----------
    study : Study, frame, Comparison or sequence of Result
    x : str
        The axis, such as ``system``.
    y : str
        The metric, such as ``energy_nj``.
    by : str or sequence of str, optional
        Axes that tell the bars of a group apart; by default system and trace, where there are several.
    axes : Axes, optional
        Where to draw.
    horizontal : bool, optional
        By default where the names of the groups are too long to stand side by side.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        For an unknown axis or metric.
    """
    points = points_of(study)
    y, values = points.metric(y)
    scale = quantity_of(y).scaled(values)
    return _draw(points, x, scale(values), scale.label, by, axes, horizontal)


def plot_speedup(
    source: Any, baseline: str | Mapping[str, Any] | None = None, x: str = "system", by: By = None, *,
    metric: str = "time_ns", axes: Axes | None = None, horizontal: bool | None = None,
) -> Axes:  # fmt: skip
    """Draw how much faster each point is than a baseline, as bars.

    Parameters
    ----------
    source : Comparison, sequence of Result, Study or frame
    baseline : str or mapping, optional
        A system, or values of axes; by default the first system. A point is compared with the baseline of its trace
        and of its values of all axes in which the baseline varies too (of a `Study`: that the baseline has).
    x : str
        What the bars are grouped by.
    by : str or sequence of str, optional
        What tells the bars of a group apart; by default system and trace, where there are several.
    metric : str
        What the speedup is of, baseline over point; less of it is better.
    axes : Axes, optional
        Where to draw.
    horizontal : bool, optional
        By default where the names of the groups are too long to stand side by side.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        For an unknown axis or metric, or a baseline that no point is.
    """
    points = points_of(source)
    metric, values = points.metric(metric)
    condition = _condition(points, baseline)
    ratios = speedups(points, values, condition)
    told = [(quantity_of(column).words, one_text(column, value)) for column, value in condition.items()]
    what = ", ".join(value if name in ("system", "trace") else f"{name} {value}" for name, value in told)
    what = what if len(what) <= 24 else "the baseline"
    label = f"speedup over {what} (×)" if metric == "time_ns" else f"gain in {metric} over {what} (×)"
    return _draw(points, x, ratios, label, by, axes, horizontal, level=1.0)


def plot_utilisation(source: Any, by: By = None, *, axes: Axes | None = None) -> Axes:
    """Draw how busy each shared resource was, a mark for each system; the rightmost is its bottleneck.

    Parameters
    ----------
    source : Result, Comparison, sequence of Result, Study or frame
    by : str or sequence of str, optional
        What tells marks apart; by default system and trace, where there are several.
    axes : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
    """
    points = points_of(source)
    names = [name for name in points.columns if name.startswith("utilisation_")]
    columns = by_columns(points, by, [])
    found = [series_of(points, points.axes[0], points.metric(name)[1], columns) for name in names]
    with house():
        axes, new = axes_for(axes, 0.55 + 0.17 * max(len(names), 3))
        for number in range(len(found[0]) if found else 0):
            bars = [_whole(of_name[number]) for of_name in found]
            shown = [k for k, one in enumerate(bars) if math.isfinite(one.middle(""))]
            ends = [bars[k].ends("") for k in shown]
            look = line_look(number) | {"linestyle": "none", "clip_on": False, "zorder": 3}
            axes.plot([100 * bars[k].middle("") for k in shown], shown, **look, label=bars[0].label or None)
            for k, (low, high) in zip(shown, ends, strict=True):
                if low < high:
                    axes.plot([100 * low, 100 * high], [k, k], color=look["color"], linewidth=0.7)
        if not found:
            nothing(axes)
        name_groups(axes, [name.removeprefix("utilisation_").replace("_", " ") for name in names], flat=True)
        axes.set_xlim(0, 100)
        axes.set_xlabel("utilisation (%)")
        finish(axes)
        if text := over(points, columns):
            note(axes, text)
        legend_above(axes, grow=new, title=group_title(columns))
    return axes


def speedups(points: Points, values: Sequence[float], condition: Mapping[str, Any]) -> list[float]:
    """Return the metric of the baseline over that of each point, NaN where either is missing.

    Parameters
    ----------
    points : Points
    values : sequence of float [points]
    condition : mapping of str to value
        What a point of the baseline is.

    Raises
    ------
    InputError
        Where several points could be the baseline of one.
    """
    columns = {name: points.axis(name)[1] for name in condition}
    base = [
        i for i in range(len(points)) if all(columns[name][i] == value for name, value in condition.items())
    ]
    free = [name for name in points.axes if name not in condition and name in points.columns]
    told = {name: points.axis(name)[1] for name in free}
    # What the baseline varies in is compared like with like, and of a study all axes that the baseline has.
    there = {name: {str(told[name][i]) for i in base} for name in free}
    free = [n for n in free if len(there[n]) > 1 or (n in points.asked and there[n] != {"None"})]
    by_key: dict[tuple[Any, ...], list[float]] = {}
    for i in base:
        by_key.setdefault(tuple(told[name][i] for name in free), []).append(values[i])
    for key, found in by_key.items():
        if len({value for value in found if math.isfinite(value)}) > 1:
            where = value_text(free, key) or "all"
            raise InputError(
                f"baseline: {len(found)} points could be that of {where}; add what tells them apart"
            )
    single = {key: next(filter(math.isfinite, found), math.nan) for key, found in by_key.items()}
    ratios = []
    for i, value in enumerate(values):
        reference = single.get(tuple(told[name][i] for name in free), math.nan)
        ratios.append(reference / value if value else math.nan)
    return ratios


@dataclass(frozen=True)
class _Bars:
    """One bar in each group, with the least and the greatest that it stands for."""

    label: str
    values: list[float]
    ends: list[tuple[float, float]]


def _condition(points: Points, baseline: str | Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what a point of the baseline is, and refuse one that no point is."""
    if not len(points):
        return {}
    if baseline is None or isinstance(baseline, str):
        column, names = points.axis("system")
        chosen = names[0] if baseline is None else baseline
        if chosen not in names:
            raise InputError(f"baseline {chosen!r}: no such system{nearest(str(chosen), map(str, names))}")
        return {column: chosen}
    condition = {points.axis(name)[0]: value for name, value in baseline.items()}
    for name, value in condition.items():
        if value not in points.axis(name)[1]:
            raise InputError(
                f"baseline {name}={value}: no such point{nearest(str(value), map(str, points.axis(name)[1]))}"
            )
    return condition


def _draw(
    points: Points, x: str, values: Sequence[float], label: str, by: By, axes: Axes | None, horizontal: bool | None,
    level: float | None = None,
) -> Axes:  # fmt: skip
    x, places = points.axis(x)
    columns = by_columns(points, by, [x])
    found = series_of(points, x, values, columns)
    groups = ordered(places)
    names, axis = axis_names(x, groups)
    bars = [_Bars(one.label, [one.middle(g) for g in groups], [one.ends(g) for g in groups]) for one in found]
    flat = sum(len(name) + 2 for name in names) * 0.06 > 2.5 if horizontal is None else horizontal
    with house():
        axes, new = axes_for(axes, height_of(len(groups), len(bars)) if flat else 2.2)
        if not any(math.isfinite(value) for value in values):
            nothing(axes)
            (axes.set_xlim if flat else axes.set_ylim)(0, 1)
        if level is not None:
            (axes.axvline if flat else axes.axhline)(level, color="black", linewidth=0.6, zorder=0.5)
        # Numbers of standing bars must not reach over their neighbours.
        room = math.inf if flat else 2.1 / max(len(groups) * len(bars), 1)
        widest = max((len(figure_text(v)) for v in values if math.isfinite(v)), default=0) * 0.06
        numbered = len(groups) * len(bars) <= _NUMBERED and widest <= room
        _draw_bars(axes, names, bars, flat=flat, numbered=numbered)
        (axes.set_xlabel if flat else axes.set_ylabel)(label)
        if x not in ("system", "trace"):
            (axes.set_ylabel if flat else axes.set_xlabel)(axis)
        finish(axes, grid="x" if flat else "y")
        if text := over(points, [x, *columns]):
            note(axes, text)
        fit_labels(axes)
        legend_above(axes, grow=new, title=group_title(columns))
    return axes


def _draw_bars(
    axes: Axes, groups: Sequence[str], bars: Sequence[_Bars], *, flat: bool, numbered: bool
) -> None:
    thick = 0.8 / max(len(bars), 1)
    draw, across = (axes.barh, "height") if flat else (axes.bar, "width")
    for number, one in enumerate(bars):
        places = [i + (number - (len(bars) - 1) / 2) * thick for i in range(len(groups))]
        look: dict[str, Any] = {**bar_look(number), across: thick, "label": one.label or None}
        whiskers = any(low < high for low, high in one.ends)
        if whiskers:
            pairs = list(zip(one.values, one.ends, strict=True))
            look["xerr" if flat else "yerr"] = [[v - e[0] for v, e in pairs], [e[1] - v for v, e in pairs]]
            look |= {"ecolor": "black", "error_kw": {"linewidth": 0.7}}
        drawn = draw(places, one.values, **look)
        if numbered and not whiskers:
            texts = [figure_text(value) if math.isfinite(value) else "" for value in one.values]
            axes.bar_label(drawn, texts, fontsize=SMALL_PT, padding=1.5)
        _cross_out(axes, places, one.values, flat)
    if numbered:
        axes.margins(*((0.14, None) if flat else (None, 0.14)))
    name_groups(axes, groups, flat)


def _cross_out(axes: Axes, places: Sequence[float], values: Sequence[float], flat: bool) -> None:
    """Mark with an x at the foot of its place each bar that has no value."""
    missing = [place for place, value in zip(places, values, strict=True) if not math.isfinite(value)]
    feet = [0.0] * len(missing)
    if missing:
        axes.plot(
            *((feet, missing) if flat else (missing, feet)), "x", color=GREY, markersize=3.5, clip_on=False
        )


def name_groups(axes: Axes, groups: Sequence[str], flat: bool) -> None:
    """Name the groups of bars, the first at the top or on the left."""
    if flat:
        axes.set_yticks(range(len(groups)), groups)
        axes.set_ylim(max(len(groups), 1) - 0.45, -0.55)
    else:
        axes.set_xticks(range(len(groups)), groups)
        axes.set_xlim(-0.55, max(len(groups), 1) - 0.45)


def figure_text(value: float) -> str:
    """Write a value beside its bar."""
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}" if abs(value) < 100 else f"{value:.0f}"


def height_of(groups: int, bars: int) -> float:
    """Return the height of a picture of lying bars, so that each is thick enough to see."""
    return min(0.62 + max(groups, 1) * max(0.2, 0.04 + 0.105 * bars), 6.5)


def _whole(one: Series) -> Series:
    """Return a series with all its points at one place."""
    return Series(one.label, one.key, {"": [value for values in one.at.values() for value in values]})
