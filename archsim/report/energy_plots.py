"""The energy ledger as stacked bars. matplotlib is imported on use."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from archsim.errors import InputError, nearest
from archsim.report.bars import figure_text, height_of, name_groups
from archsim.report.groups import axis_names, ordered, over
from archsim.report.quantities import quantity_of
from archsim.report.rows import Points, points_of
from archsim.report.style import SMALL_PT, axes_for, bar_look, finish, house, legend_above, note, nothing

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Events under this share of each bar are drawn as one, where there are more than so many.
_SMALL, _MOST_EVENTS = 0.01, 8
_ENERGY = "energy_"


def plot_energy(
    source: Any,
    x: str = "system",
    *,
    per: Literal["run", "request", "lookup"] = "run",
    axes: Axes | None = None,
) -> Axes:
    """Draw the energy ledger as stacked bars, one part for each component and event.

    Where several points stand at a place a bar is their mean, so that parts still add up.

    Parameters
    ----------
    source : Result, Comparison, sequence of Result, Study or frame
    x : str
        What has a bar each.
    per : str
        ``run``: of the whole run. ``request`` and ``lookup``: over their number.
    axes : Axes, optional
        Where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        For an unknown axis, or where the number of lookups is not known.
    """
    points = points_of(source)
    if per not in ("run", "request", "lookup"):
        raise InputError(
            f"per {per!r}: must be run, request or lookup{nearest(per, ('run', 'request', 'lookup'))}"
        )
    divisors = [1.0] * len(points) if per == "run" else points.metric(f"{per}s")[1]
    x, places = points.axis(x)
    groups = ordered(places)
    parts = _energy_parts(points, x, groups, divisors)
    totals = [sum(part[k] for part in parts.values()) for k in range(len(groups))]
    scale = quantity_of("energy_nj").scaled(totals)
    with house():
        axes, new = axes_for(axes, height_of(len(groups), 1))
        left = [0.0] * len(groups)
        for number, (label, part) in enumerate(parts.items()):
            widths = scale(part)
            drawn = [k for k, width in enumerate(widths) if width > 0]  # nothing has no edges either
            axes.barh(
                drawn, [widths[k] for k in drawn], left=[left[k] for k in drawn], height=0.65, label=label,
                **bar_look(number),
            )  # fmt: skip
            left = [a + b for a, b in zip(left, widths, strict=True)]
        if not parts:
            nothing(axes)
        names, axis = axis_names(x, groups)
        name_groups(axes, names, flat=True)
        if x not in ("system", "trace"):
            axes.set_ylabel(axis)
        longest = max(left, default=0.0)
        axes.set_xlim(0, 1.17 * longest or 1.0)
        for place, total in enumerate(left):
            if total:
                axes.annotate(
                    figure_text(total),
                    (total, place),
                    (2, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=SMALL_PT,
                )
        axes.set_xlabel(scale.label if per == "run" else scale.label.replace("energy", f"energy per {per}"))
        finish(axes, grid="x")
        if text := over(points, [x], "mean"):
            note(axes, text)
        legend_above(axes, grow=new)
    return axes


def _energy_parts(
    points: Points, x: str, groups: Sequence[Any], divisors: Sequence[float]
) -> dict[str, list[float]]:
    """Return the energy of each event in nanojoules, one figure per bar; small events together."""
    names = [name for name in points.columns if name.startswith(_ENERGY) and name not in ("energy_nj",)]
    parts: dict[str, list[float]] = {}
    wholes = [_done(points, x, group) for group in groups]
    for name in names:
        values = points.metric(name)[1] if any(v is not None for v in points.columns[name]) else []
        per_point = [v / d if d else math.nan for v, d in zip(values, divisors, strict=False)]
        sums = []
        for group, whole in zip(groups, wholes, strict=True):
            own = [v for v, p in zip(per_point, points.axis(x)[1], strict=False) if p == group]
            sums.append(sum(v for v in own if math.isfinite(v)) / whole if whole else 0.0)
        if any(sums):
            parts[name.removeprefix(_ENERGY).removesuffix("_nj").replace("_", " ")] = sums
    if len(parts) <= _MOST_EVENTS:
        return parts
    totals = [sum(part[k] for part in parts.values()) for k in range(len(groups))]
    small = [
        n for n, part in parts.items() if all(v <= _SMALL * t for v, t in zip(part, totals, strict=True))
    ]
    if len(small) < 2:
        return parts
    rest = [sum(parts[name][k] for name in small) for k in range(len(groups))]
    return {n: part for n, part in parts.items() if n not in small} | {f"{len(small)} small events": rest}


def _done(points: Points, x: str, group: Any) -> int:
    """Count the points of a bar that have an energy."""
    energies = points.metric("energy_nj")[1]
    return sum(p == group and math.isfinite(e) for p, e in zip(points.axis(x)[1], energies, strict=True))
