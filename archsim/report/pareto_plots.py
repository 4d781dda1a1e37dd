"""Two metrics of a study against each other, and the points that no other beats. matplotlib is imported on use."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, Literal

from archsim.errors import InputError
from archsim.report.groups import By, by_columns, group_title, one_text, ordered, squeezed, value_text
from archsim.report.quantities import more_is_better, quantity_of
from archsim.report.rows import Points, points_of
from archsim.report.style import (
    COLOURS,
    MARKERS,
    SMALL_PT,
    axes_for,
    finish,
    house,
    legend_above,
    note,
    nothing,
    ticks_1_2_5,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DOMINATED = "#c4c4c4"
#: Greatest over least from which a metric is drawn on a logarithmic scale.
_WIDE = 30.0
#: Where the label of a point may stand, in points of print from it: best beside the stairs, not on them.
_PLACES = ((4, 4), (-4, -4), (4, -4), (-4, 4), (5, 0), (-5, 0), (0, 6), (0, -6))


def plot_pareto(
    study: Any, x: str, y: str, *, by: By = None, maximise: Collection[str] | None = None,
    label: str | Sequence[str] | None = None, axes: Axes | None = None,
) -> Axes:  # fmt: skip
    """Draw two metrics of a study against each other, the Pareto front joined, all other points grey.

    The front is drawn as stairs: what can be had of ``y`` for each ``x``.

    Parameters
    ----------
    study : Study, frame, Comparison or sequence of Result
    x, y : str
        The metrics.
    by : str or sequence of str, optional
        Axes whose values have markers of their own; by default system and trace, where there are several.
    maximise : collection of str, optional
        Metrics of which more is better; by default told by the name (bandwidth, speedup, hit ratio).
    label : str or sequence of str, optional
        Axes whose values stand beside the points of the front; by default all that vary along it, but not ``by``; an
        empty sequence: none. A label that would cover another is left out.
    axes : Axes, optional
        Where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        For an unknown metric or axis.
    """
    points = points_of(study)
    (x, right), (y, up) = points.metric(x), points.metric(y)
    more = tuple(more_is_better(c) if maximise is None else _named(points, c, maximise) for c in (x, y))
    columns = by_columns(points, by, [])
    named = _label_columns(points, label, columns)
    whole = [i for i, pair in enumerate(zip(right, up, strict=True)) if all(map(math.isfinite, pair))]
    front = pareto_front([right[i] for i in whole], [up[i] for i in whole], more)
    front = [whole[i] for i in front]
    across, along = quantity_of(x).scaled(right), quantity_of(y).scaled(up)
    xs, ys = across(right), along(up)
    with house():
        axes, new = axes_for(axes, 2.5)
        _draw_groups(axes, points, columns, xs, ys, whole, set(front))
        axes.plot(
            [xs[i] for i in front], [ys[i] for i in front], color="black", linewidth=0.8, zorder=2,
            drawstyle="steps-pre" if more[0] else "steps-post",
        )  # fmt: skip
        axes.margins(0.09)
        pairs: tuple[tuple[Literal["x", "y"], list[float]], ...] = (("x", xs), ("y", ys))
        for which, values in pairs:
            finite = [values[i] for i in whole]
            wide = bool(finite) and min(finite) > 0 and max(finite) > _WIDE * min(finite)
            if wide or squeezed([value] for value in finite):
                ticks_1_2_5(axes, which)
        if not whole:
            nothing(axes)
        better = ["more" if m else "less" for m in more]
        axes.set_xlabel(f"{across.label}, {better[0]} is better")
        axes.set_ylabel(f"{along.label}, {better[1]} is better")
        finish(axes)
        named = named if label is not None else _telling_apart(points, named, front)
        if named and front:
            note(axes, f"labels: {', '.join(quantity_of(name).words for name in named)}")
        legend_above(axes, grow=new, title=group_title(columns))
        _label_points(axes, points, named, xs, ys, front)
    return axes


def pareto_front(
    xs: Sequence[float], ys: Sequence[float], more: Sequence[bool] = (False, False)
) -> list[int]:
    """Return the places of the points that no other beats, by ascending x.

    Parameters
    ----------
    xs, ys : sequence of float
    more : pair of bool
        Whether more of each is better.

    Returns
    -------
    list of int
        Of equal points, the first.
    """
    best, front = math.inf, []
    signs = [-1.0 if m else 1.0 for m in more]
    for place in sorted(range(len(xs)), key=lambda i: (signs[0] * xs[i], signs[1] * ys[i], i)):
        if signs[1] * ys[place] < best:
            best = signs[1] * ys[place]
            front.append(place)
    return front[::-1] if more[0] else front


def _named(points: Points, column: str, maximise: Collection[str]) -> bool:
    if isinstance(maximise, str):
        raise InputError(f"maximise={maximise!r}: must be a list of metrics")
    return column in {points.metric(name)[0] for name in maximise}


def _label_columns(points: Points, label: str | Sequence[str] | None, columns: Sequence[str]) -> list[str]:
    if label is None:
        return points.others(columns)
    return [points.axis(name)[0] for name in ([label] if isinstance(label, str) else label)]


def _telling_apart(points: Points, names: Sequence[str], front: Sequence[int]) -> list[str]:
    """Return the axes that vary among the points of the front; of a single point, the first few of all."""
    if len(front) < 2:
        return list(names[:3])
    return [name for name in names if len({str(points.columns[name][i]) for i in front}) > 1]


def _draw_groups(
    axes: Axes, points: Points, columns: Sequence[str], xs: list[float], ys: list[float], whole: list[int],
    front: set[int],
) -> None:  # fmt: skip
    keys = list(zip(*(points.axis(column)[1] for column in columns), strict=True)) or [()] * len(points)
    for number, key in enumerate(ordered(keys[i] for i in whole)):
        own = [i for i in whole if keys[i] == key]
        marker = MARKERS[number % len(MARKERS)]
        beaten, best = [i for i in own if i not in front], [i for i in own if i in front]
        colour = COLOURS[number % len(COLOURS)]
        label = value_text(columns, key) or None
        axes.plot(
            [xs[i] for i in beaten], [ys[i] for i in beaten], marker, color=_DOMINATED, markersize=3, zorder=1
        )
        # A group without a point on the front is named by its grey ones.
        axes.plot(
            [xs[i] for i in best], [ys[i] for i in best], marker, color=colour if best else _DOMINATED, label=label,
            markersize=4.5, zorder=3, markeredgecolor="black" if best else _DOMINATED, markeredgewidth=0.6,
        )  # fmt: skip


def _label_points(
    axes: Axes, points: Points, named: Sequence[str], xs: list[float], ys: list[float], front: Sequence[int]
) -> None:
    """Write beside points of the front what they are, wherever that covers nothing."""
    if not named or not front:
        return
    from matplotlib.transforms import Bbox

    axes.figure.draw_without_rendering()  # type: ignore[union-attr]
    at = {i: axes.transData.transform((xs[i], ys[i])) for i in front}
    dot = 2.5 * axes.figure.dpi / 72
    taken = [Bbox.from_extents(px - dot, py - dot, px + dot, py + dot) for px, py in at.values()]
    inside = axes.get_window_extent()
    columns = [(name, points.axis(name)[1]) for name in named]
    for i in front:
        text = ", ".join(one_text(name, values[i]) for name, values in columns)
        shown = axes.annotate(
            text, (xs[i], ys[i]), xytext=(0, 0), textcoords="offset points", fontsize=SMALL_PT, zorder=4,
            bbox={"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "pad": 0.3},
        )  # fmt: skip
        for dx, dy in _PLACES:
            shown.set(
                position=(dx, dy), ha="left" if dx > 0 else "right" if dx < 0 else "center",
                va="bottom" if dy > 0 else "top" if dy < 0 else "center",
            )  # fmt: skip
            box = shown.get_window_extent().padded(3)
            if not any(box.overlaps(other) for other in taken) and _within(box, inside):
                taken.append(box)
                break
        else:
            shown.remove()


def _within(box: Any, outer: Any) -> bool:
    return bool(box.x0 >= outer.x0 and box.x1 <= outer.x1 and box.y0 >= outer.y0 and box.y1 <= outer.y1)
