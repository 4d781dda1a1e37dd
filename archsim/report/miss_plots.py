"""Miss-ratio curves of caches. matplotlib is imported on use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from archsim.cache.curves import LruCurve, WayCurve
from archsim.cache.policies import POLICIES
from archsim.cache.replay import CacheResult
from archsim.errors import InputError
from archsim.report.style import (
    COLOURS,
    DASHES,
    axes_for,
    finish,
    house,
    legend_above,
    nothing,
    short,
)
from archsim.units import format_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Sizes, ascending, and a ratio for each.
Curve = tuple[Sequence[int], Sequence[float]]

#: The optimum, which no policy reaches, is drawn apart.
OPTIMUM = "belady"
#: Ticks of an axis of sizes in one column.
_TICKS = 6


def plot_miss_ratio(
    source: Any, *, unit: str = "object", unit_bytes: int | None = None, axes: Axes | None = None
) -> Axes:
    """Draw miss ratio against cache size, a line for each curve or policy.

    Parameters
    ----------
    source : LruCurve, WayCurve, CacheResult, sequence of CacheResult, or mapping of str to any of them
        From `archsim.cache`; results of one policy at several sizes are one line. A mapping names its lines; several
        policies keep their names.
    unit : str
        What an entry holds: ``vector`` or ``line``.
    unit_bytes : int, optional
        Bytes of an entry, for a second row of ticks; by default those of the curves, where known.
    axes : Axes, optional
        Where to draw.

    Returns
    -------
    Axes

    Raises
    ------
    InputError
        For anything else.
    """
    curves = _curves_of(source)
    known = {part.unit_bytes for part in _parts(source) if isinstance(part, LruCurve | WayCurve)}
    held = unit_bytes if unit_bytes is not None else max(known) if len(known) == 1 else 0
    with house():
        axes, new = axes_for(axes)
        draw_curves(axes, curves)
        size_axis(axes, [size for sizes, _ in curves.values() for size in sizes], unit, held)
        axes.set_ylim(0, 101)
        axes.set_ylabel("miss ratio (%)")
        finish(axes)
        if not any(len(sizes) for sizes, _ in curves.values()):
            nothing(axes, "no sizes")
        legend_above(axes, grow=new)
    return axes


def draw_curves(axes: Axes, curves: Mapping[str, Curve], *, descending: bool = False) -> None:
    """Draw a line per name, the legend in their order at the middle size."""

    def middle(name: str) -> float:
        ratios = curves[name][1]
        return ratios[len(ratios) // 2] if len(ratios) else 0.0

    for place, name in enumerate(sorted(curves, key=middle, reverse=descending)):
        sizes, ratios = curves[name]
        label = f"{short(name)} (optimum)" if name == OPTIMUM else short(name)
        marker = "o" if len(sizes) < 3 else None
        axes.plot(sizes, [100 * ratio for ratio in ratios], **look(name, place), marker=marker, label=label)


def look(name: str, place: int) -> dict[str, Any]:
    """Colour and dashes of a policy, the same in every picture; dashed lines let those under them show."""
    if name == OPTIMUM:
        return {"color": "black", "linestyle": (0, (1, 1))}
    known = [policy for policy in POLICIES if policy != OPTIMUM]
    number = known.index(name) if name in known else place
    colours = COLOURS[:-1]  # without black
    return {
        "color": colours[number % len(colours)],
        "linestyle": DASHES[(number + number // len(colours)) % len(DASHES)],
    }


def size_axis(
    axes: Axes,
    sizes: Sequence[int],
    unit: str,
    unit_bytes: int,
    *,
    start: int | None = None,
    ticks: int = _TICKS,
) -> None:
    """Make the horizontal axis one of cache sizes, logarithmic: entries, and under them bytes.

    Parameters
    ----------
    axes : Axes
    sizes : sequence of int
        All that is drawn.
    unit : str
        What an entry holds.
    unit_bytes : int
        Bytes of an entry; 0: not known.
    start : int, optional
        Where the axis begins; by default at the smallest size.
    ticks : int
        No more ticks than that.
    """
    from matplotlib.ticker import NullLocator

    drawn = [size for size in sizes if size > 0] or [1]
    lowest, highest = max(min(drawn), start or 1).bit_length() - 1, max(drawn).bit_length()
    axes.set_xscale("log", base=2)
    step = -(-(highest - lowest) // (ticks - 1)) or 1
    marks = [1 << power for power in range(lowest, highest + 1, step)]
    names = [format_bytes(size).removesuffix("B").rstrip() for size in marks]
    if unit_bytes:
        names = [
            f"{name}\n{format_bytes(size * unit_bytes)}" for name, size in zip(names, marks, strict=True)
        ]
    axes.set_xticks(marks, names)
    axes.xaxis.set_minor_locator(NullLocator())
    if min(drawn) < max(drawn):
        axes.set_xlim(start or min(drawn), max(drawn))
    axes.set_xlabel(f"{unit}s in the cache" + (", and their bytes" if unit_bytes else " (count)"))


def _parts(source: Any) -> list[Any]:
    found = list(source.values()) if isinstance(source, Mapping) else source
    if isinstance(found, LruCurve | WayCurve | CacheResult):
        return [found]
    return [part for one in found for part in _parts(one)] if isinstance(found, Sequence) else [found]


def _curves_of(source: Any) -> dict[str, Curve]:
    if isinstance(source, LruCurve):
        sizes = source.sizes()
        label = "LRU" if source.label == "exact" else f"LRU ({source.label})"
        return {label: (sizes.tolist(), source.miss_ratio(sizes).tolist())}
    if isinstance(source, WayCurve):
        name = f"LRU, {source.sets:,} sets of 1 to {len(source.hits)} ways"
        return {name: (source.entries.tolist(), source.miss_ratio.tolist())}
    if isinstance(source, CacheResult):
        source = [source]
    if isinstance(source, Mapping):
        found: dict[str, Curve] = {}
        for name, part in source.items():
            own = _curves_of(part)
            for kind, curve in own.items():
                found[name if len(own) == 1 else kind if kind not in found else f"{name}, {kind}"] = curve
        return found
    if isinstance(source, Sequence) and all(isinstance(part, CacheResult) for part in source):
        by_policy: dict[str, dict[int, float]] = {}
        for part in source:
            by_policy.setdefault(part.policy, {})[part.entries] = 1.0 - part.hit_ratio
        sizes_of = {name: sorted(ratios) for name, ratios in by_policy.items()}
        return {name: (sizes, [by_policy[name][size] for size in sizes]) for name, sizes in sizes_of.items()}
    raise InputError(f"{type(source).__name__}: curves or results of archsim.cache are needed")
