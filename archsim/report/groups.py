"""Points of a study sorted into series: one per value of what they are grouped by, several points at a place."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from archsim.report.quantities import axis_ticks, quantity_of, tick_text, without_unit
from archsim.report.rows import Points
from archsim.report.style import short

By = str | Sequence[str] | None

#: Values that begin this many times above all others leave those the lowest third of a picture.
_GAP = 3.0


@dataclass
class Series:
    """One line, or one colour of bars.

    Attributes
    ----------
    label : str
        The values that it stands for.
    key : tuple
        The same, as they are.
    at : dict
        By place on the axis, the metric of each point there.
    """

    label: str
    key: tuple[Any, ...]
    at: dict[Any, list[float]] = field(default_factory=dict)

    def middle(self, place: Any) -> float:
        """Return the median of the points at a place, NaN where there is none."""
        found = [value for value in self.at.get(place, ()) if not math.isnan(value)]
        return median(found) if found else math.nan

    def ends(self, place: Any) -> tuple[float, float]:
        """Return the least and the greatest of the points at a place."""
        found = [value for value in self.at.get(place, ()) if not math.isnan(value)]
        return (min(found), max(found)) if found else (math.nan, math.nan)


def by_columns(points: Points, by: By, used: Sequence[str]) -> list[str]:
    """Return the columns to group by: those given, else systems and traces where there are several."""
    if by is None:
        free = points.others(used)
        # A host without the parameter is told by its having none, and still is a line of its own.
        absent = any(None in points.axis(name)[1] for name in used)
        several = [c for c in ("system", "trace") if absent and c not in used and c in points.axes]
        kept = [c for c in several if len(set(points.axis(c)[1])) > 1]
        return [c for c in ("system", "trace") if c in free or c in kept]
    return [points.axis(name)[0] for name in ([by] if isinstance(by, str) else by)]


def series_of(points: Points, x: str, values: Sequence[float], by: Sequence[str]) -> list[Series]:
    """Sort values into series, in order of what they are grouped by."""
    places = points.axis(x)[1]
    keys = [points.axis(column)[1] for column in by]
    found: dict[tuple[Any, ...], Series] = {}
    for number, (place, value) in enumerate(zip(places, values, strict=True)):
        key = tuple(column[number] for column in keys)
        if key not in found:
            found[key] = Series(value_text(by, key), key)
        found[key].at.setdefault(place, []).append(value)
    return [found[key] for key in ordered(found)]


def squeezed(groups: Iterable[Iterable[float]]) -> bool:
    """Tell whether, drawn from zero, some groups of values would lie flat below a gap that takes most of the height.

    Parameters
    ----------
    groups : iterable of iterable of float
        Values that are drawn together; those that are not finite do not count.
    """
    finite = [[value for value in group if math.isfinite(value)] for group in groups]
    ends = sorted((min(group), max(group)) for group in finite if group)
    if not ends or ends[0][0] <= 0:
        return False
    highest = itertools.accumulate((high for _, high in ends), max)
    return any(low > _GAP * below for below, (low, _) in zip(highest, ends[1:], strict=False))


def ordered(values: Any) -> list[Any]:
    """Sort numbers; leave anything else in the order in which it came."""
    found = list(dict.fromkeys(values))
    parts = [part for value in found for part in (value if isinstance(value, tuple) else (value,))]
    if all(is_number(part) for part in parts):
        return sorted(found)
    if found and all(isinstance(value, tuple) and len(value) > 1 for value in found):
        # Each part by itself: names as they came, numbers by size, nothing last.
        ranks = [{p: i for i, p in enumerate(ordered(v[k] for v in found))} for k in range(len(found[0]))]
        return sorted(found, key=lambda value: [rank[part] for rank, part in zip(ranks, value, strict=True)])
    numbers = sorted(value for value in found if is_number(value))
    return (
        found
        if any(isinstance(v, str | tuple) for v in found)
        else [*numbers, *(v for v in found if v is None)]
    )


def is_number(value: Any) -> bool:
    """Tell a number from text, nothing, and true or false."""
    return not isinstance(value, bool | str) and value is not None and hasattr(value, "__float__")


def value_text(columns: Sequence[str], values: Sequence[Any]) -> str:
    """Write values of columns as one label: ``host-8rank, 64 KiB``."""
    return ", ".join(one_text(column, value) for column, value in zip(columns, values, strict=True))


def one_text(column: str, value: Any) -> str:
    """Write a value of a column, with the unit where it has one."""
    if value is None:
        return "none"
    if not is_number(value):
        return short(str(value))
    quantity = quantity_of(column)
    text = tick_text(float(value), quantity.kind)
    if quantity.kind == "bytes":
        return f"{text}B" if text[-1] == "i" else f"{text} B"
    unit = column.removeprefix(f"{without_unit(column)}_") if quantity.kind in ("si", "plain") else ""
    return f"{text} {unit}".rstrip()


def axis_names(column: str, values: Sequence[Any]) -> tuple[list[str], str]:
    """Return a text for each value of an axis, numbers or not, and what the axis is called."""
    numbers = [float(value) for value in values if is_number(value)]
    texts, name = axis_ticks(column, numbers)
    told = dict(zip(numbers, texts, strict=True))
    if not numbers:
        name = quantity_of(column).words
    return [told[float(v)] if is_number(v) else one_text(column, v) for v in values], name


def over(points: Points, used: Sequence[str], what: str = "median and range") -> str:
    """Say over which axes several points stand at one place, empty where none does."""
    free = points.others(used)
    names = [quantity_of(name).words for name in free[:3]] + ["..."] * (len(free) > 3)
    return f"{what} over {', '.join(names)}" if free else ""


def group_title(by: Sequence[str]) -> str | None:
    """Return what a legend is headed with: nothing where the values speak for themselves."""
    named = [quantity_of(name).words for name in by if name not in ("system", "trace")]
    return ", ".join(named) or None
