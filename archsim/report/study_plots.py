"""Pictures of studies: a metric along axes, and one metric against another. matplotlib is imported on use."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from archsim.errors import InputError, nearest
from archsim.files import new_file
from archsim.report.bars import plot_bars
from archsim.report.groups import (
    By,
    Series,
    axis_names,
    by_columns,
    group_title,
    is_number,
    ordered,
    over,
    series_of,
    squeezed,
)
from archsim.report.pareto_plots import plot_pareto
from archsim.report.quantities import Scale, logarithmic, quantity_of
from archsim.report.rows import points_of
from archsim.report.style import (
    GREY,
    SCALE,
    SMALL_PT,
    axes_for,
    brightness,
    finish,
    fit_labels,
    house,
    legend_above,
    line_look,
    note,
    nothing,
    picture_kind,
    save,
    ticks_1_2_5,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Kind = Literal["lines", "bars", "heat", "pareto"]
KINDS = ("lines", "bars", "heat", "pareto")
#: More lines than this, told apart by a number, are coloured by it.
_LEGEND = 8
#: Lines through more points than this have no markers.
_MARKED = 40
#: Bands of more lines than this would hide one another.
_BANDS = 4


def plot_study(
    study: Any,
    x: str,
    y: str,
    by: By = None,
    kind: str = "lines",
    out: Path | None = None,
    *,
    axes: Axes | None = None,
) -> Axes:
    """Draw a study in one of four ways.

    Parameters
    ----------
    study : Study, or frame with its columns
    x : str
        An axis; of ``pareto`` a metric. A unit at the end of a name may be left off.
    y : str
        A metric.
    by : str or sequence of str, optional
        Axes whose values are drawn apart; of ``heat`` the second axis.
    kind : str
        ``lines``, ``bars``, ``heat`` or ``pareto``.
    out : Path, optional
        A new picture, ``.png``, ``.svg`` or ``.pdf``.
    axes : Axes, optional
        Where to draw; by default a figure of one column of a paper.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        For an unknown axis, metric or kind, or a file that exists or cannot be written.
    """
    if kind not in KINDS:
        raise InputError(f"kind {kind!r}: must be one of {', '.join(KINDS)}{nearest(kind, KINDS)}")
    file_kind = picture_kind(out) if out is not None else None
    if kind == "lines":
        axes = plot_sweep(study, x, y, by, axes=axes)
    elif kind == "bars":
        axes = plot_bars(study, x, y, by, axes=axes)
    elif kind == "pareto":
        axes = plot_pareto(study, x, y, by=by, axes=axes)
    else:
        rows = [by] if isinstance(by, str) else list(by or ())
        if len(rows) != 1:
            raise InputError("a heat map needs one second axis (--by AXIS)")
        axes = plot_grid(study, x, rows[0], y, axes=axes)
    if out is not None:
        with new_file(out) as file:
            save(axes, file, kind=file_kind)
    return axes


def plot_sweep(
    study: Any, x: str, y: str, by: By = None, *, log_y: bool | None = None, axes: Axes | None = None
) -> Axes:
    """Draw a metric along an axis, a line for each system, trace or value of another axis.

    Where other axes vary too, the line is the median and the band reaches from the least to the greatest. A point that
    failed leaves a gap. A system that has no such parameter is a level line. The axis is logarithmic where its values
    are spaced by ratios.

    Parameters
    ----------
    study : Study, frame, Comparison or sequence of Result
    x : str
        The axis, such as ``nmp.cache.size``.
    y : str
        The metric, such as ``time_ns``.
    by : str or sequence of str, optional
        Axes that tell lines apart; by default system and trace, where there are several.
    log_y : bool, optional
        Draw the metric on a logarithmic scale, not from zero; by default where some lines would else lie flat below
        others, as those of near-memory units below a host.
    axes : Axes, optional
        Where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        For an unknown axis or metric.
    """
    points = points_of(study)
    x, places = points.axis(x)
    y, values = points.metric(y)
    columns = by_columns(points, by, [x])
    scale = quantity_of(y).scaled(values)
    found = series_of(points, x, values, columns)
    with house():
        axes, new = axes_for(axes)
        ticks = ordered(place for place in places if place is not None)
        numbers = all(is_number(tick) for tick in ticks)
        where = _places(ticks) if numbers else {tick: float(i) for i, tick in enumerate(ticks)}
        shades = _shades(found, columns)
        for number, one in enumerate(found):
            look = {"color": shades[number], "marker": "o"} if shades else line_look(number)
            _draw_line(axes, one, where, scale, look, len(found) <= _BANDS)
        if not any(math.isfinite(value) for value in values):
            nothing(axes)
            if len(where) > 1:
                axes.set_xlim(min(where.values()), max(where.values()))
        axis_of_values(axes, "x", x, ticks, where)
        if log_y is None:
            log_y = squeezed(itertools.chain.from_iterable(one.at.values()) for one in found)
        if log_y:
            ticks_1_2_5(axes, "y")
        else:
            _from_zero(axes, values)
        axes.set_ylabel(scale.label)
        finish(axes)
        spread = "median and range" if len(found) <= _BANDS else "median"
        if text := over(points, [x, *columns], spread):
            note(axes, text)
        fit_labels(axes)
        if shades:
            _shade_bar(axes, columns[0], found)
        else:
            legend_above(axes, grow=new, title=group_title(columns))
    return axes


def plot_grid(study: Any, x: str, y: str, metric: str, *, axes: Axes | None = None) -> Axes:
    """Draw a metric over two axes as a heat map; hatched where no point is done.

    Where other axes vary too, a cell is the median.

    Parameters
    ----------
    study : Study, frame, Comparison or sequence of Result
    x, y : str
        The axes.
    metric : str
        What colours stand for; a number in each cell of a small grid.
    axes : Axes, optional
        Where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        For an unknown axis or metric, or the same axis twice.
    """
    points = points_of(study)
    (x, across), (y, up) = points.axis(x), points.axis(y)
    if x == y:
        raise InputError(f"axis {x!r}: a heat map needs two different axes")
    metric, values = points.metric(metric)
    scale = quantity_of(metric).scaled(values)
    found = series_of(points, x, values, [y])
    columns, rows = ordered(across), ordered(up)
    by_row = {one.key[0]: one for one in found}
    cells = [scale([by_row[row].middle(column) for column in columns]) for row in rows]
    with house():
        axes, _ = axes_for(axes, min(0.9 + 0.2 * max(len(rows), 5), 4.5))
        axes.set(xlim=(0, max(len(columns), 1)), ylim=(0, max(len(rows), 1)))
        if not any(math.isfinite(value) for value in values):
            nothing(axes)
        else:
            mesh = axes.pcolormesh(cells, cmap=SCALE, linewidth=0, rasterized=True)
            axes.patch.set(facecolor="white", hatch="////", edgecolor=GREY)
            label = f"{scale.label}{', median' if points.others([x, y]) else ''}"
            bar = axes.figure.colorbar(mesh, ax=axes, label=label, pad=0.02)
            bar.ax.tick_params(labelsize=SMALL_PT, width=0.7, length=2.5)
            bar.outline.set_linewidth(0.7)
            if len(columns) <= 8 and len(rows) <= 10:
                _cell_texts(axes, cells, mesh)
        axis_of_values(axes, "x", x, columns, {value: i + 0.5 for i, value in enumerate(columns)}, cells=True)
        axis_of_values(axes, "y", y, rows, {value: i + 0.5 for i, value in enumerate(rows)}, cells=True)
        fit_labels(finish(axes, grid=None))
    return axes


def axis_of_values(
    axes: Axes,
    which: str,
    column: str,
    values: Sequence[Any],
    where: dict[Any, float],
    *,
    cells: bool = False,
) -> None:
    """Label an axis of a study, with ticks at its values, logarithmic where these are spaced by ratios."""
    from matplotlib.ticker import NullLocator

    axis = axes.xaxis if which == "x" else axes.yaxis
    numbers = bool(values) and all(is_number(value) for value in values)
    places = [where[value] for value in values]
    log = numbers and not cells and logarithmic(places)
    if log:
        doubled = all(math.log2(b / a) % 1 < 1e-9 for a, b in itertools.pairwise(places))
        (axes.set_xscale if which == "x" else axes.set_yscale)("log", base=2 if doubled else 10)
    texts, name = axis_names(column, values)
    axis.set_label_text(name)
    # A hundred values get no hundred ticks; names all do.
    letters = max(map(len, texts), default=1) + 1.5
    fitting = max(2, int(2.6 / (0.058 * letters))) if which == "x" else 12
    every = -(-len(values) // fitting) if numbers else 1
    # Bytes and shares stand in another unit than that of the column; other numbers have round ones between them.
    if every == 1 or log or cells or quantity_of(column).kind in ("bytes", "share"):
        axis.set_ticks([where[v] for v in values[::every]], texts[::every])
        axis.set_minor_locator(NullLocator())
    if which == "x" and not numbers and len(values) > fitting:
        axes.set_xticks(axes.get_xticks(), texts, rotation=35, ha="right", rotation_mode="anchor")
    if len(values) == 1 and not cells:
        centre = where[values[0]]
        span = abs(centre) / 2 or 1.0
        (axes.set_xlim if which == "x" else axes.set_ylim)(centre - span, centre + span)


def _places(ticks: Sequence[Any]) -> dict[Any, float]:
    """Return where numbers stand: at their values; zero before sizes that grow by ratios, one step to the left."""
    where = {tick: float(tick) for tick in ticks}
    if len(ticks) > 3 and float(ticks[0]) == 0 and logarithmic(map(float, ticks[1:])):
        where[ticks[0]] = float(ticks[1]) ** 2 / float(ticks[2])
    return where


def _draw_line(
    axes: Axes, one: Series, where: dict[Any, float], scale: Scale, look: dict[str, Any], bands: bool
) -> None:
    places = [place for place in where if place in one.at]
    middle = scale([one.middle(place) for place in places])
    label = one.label or None
    if None in one.at:
        (level,) = scale([one.middle(None)])
        if math.isfinite(level):
            named = None if places else label
            axes.axhline(
                level, color=look["color"], linestyle=look.get("linestyle", "-"), linewidth=0.8, label=named
            )
        if not places:
            return
    if len(places) > _MARKED:
        look = look | {"marker": None}
    axes.plot([where[place] for place in places], middle, **look, label=label)
    ends = [one.ends(place) for place in places]
    if bands and any(low < high for low, high in ends):
        low, high = (scale([pair[k] for pair in ends]) for k in (0, 1))
        axes.fill_between(
            [where[place] for place in places], low, high, color=look["color"], alpha=0.18, linewidth=0
        )


def _from_zero(axes: Axes, values: Sequence[float]) -> None:
    finite = [value for value in values if math.isfinite(value)]
    if not finite or min(finite) >= 0:
        axes.set_ylim(bottom=0, top=None if max(finite, default=0) else 1)


def _shades(found: Sequence[Series], columns: Sequence[str]) -> list[Any]:
    """Return a colour per line by its number, where there are many, else nothing."""
    if len(columns) != 1 or len(found) <= _LEGEND or not all(is_number(one.key[0]) for one in found):
        return []
    norm, scale = _norm(found), _strong_scale()
    return [scale(norm(float(one.key[0]))) for one in found]


def _strong_scale() -> Any:
    """Return the scale of amounts without its palest part, which no thin line shows in."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    return ListedColormap([colormaps[SCALE](0.85 * k / 255) for k in range(256)])


def _norm(found: Sequence[Series]) -> Any:
    from matplotlib.colors import LogNorm, Normalize

    values = [float(one.key[0]) for one in found]
    return (LogNorm if logarithmic(values) else Normalize)(min(values), max(values))


def _shade_bar(axes: Axes, column: str, found: Sequence[Series]) -> None:
    from matplotlib.cm import ScalarMappable

    bar = axes.figure.colorbar(ScalarMappable(_norm(found), cmap=_strong_scale()), ax=axes, pad=0.02)
    values = [one.key[0] for one in found]
    bar.ax.set_ylim(min(values), max(values))
    axis_of_values(bar.ax, "y", column, values, {v: float(v) for v in values})
    bar.ax.minorticks_off()
    bar.ax.yaxis.label.set_fontsize(SMALL_PT)
    bar.ax.tick_params(labelsize=SMALL_PT, width=0.7, length=2.5)
    bar.outline.set_linewidth(0.7)


def _cell_texts(axes: Axes, cells: Sequence[Sequence[float]], mesh: Any) -> None:
    """Write the number of each cell in it, dark on light and light on dark."""
    finite = [abs(v) for row in cells for v in row if math.isfinite(v)]
    digits = 0 if not finite or max(finite) >= 100 else 1 if max(finite) >= 10 else 2
    for up, row in enumerate(cells):
        for across, value in enumerate(row):
            if math.isfinite(value):
                red, green, blue, _ = mesh.cmap(mesh.norm(value))
                back = "#" + "".join(f"{round(255 * part):02x}" for part in (red, green, blue))
                axes.text(
                    across + 0.5, up + 0.5, f"{value:.{digits}f}", ha="center", va="center", fontsize=SMALL_PT,
                    color="white" if brightness(back) < 0.18 else "black",
                )  # fmt: skip
