"""Rectangles on a die: what lies outside, overlaps or is left free, and how much of each grid cell one covers."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from archsim.spec_errors import FieldError

#: Edges closer than this share of the longer side of the die are one: HotSpot's floorplans round to a micrometre.
CLOSE = 1e-4


class Rect(NamedTuple):
    """A rectangle in mm: lower left corner and size."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Right edge."""
        return self.x + self.width

    @property
    def upper(self) -> float:
        """Upper edge."""
        return self.y + self.height

    @property
    def room(self) -> float:
        """How far two edges may be apart and count as one."""
        return CLOSE * max(self.width, self.height)


def check_inside(place: str, rect: Rect, outer: Rect, what: str) -> None:
    """Refuse a rectangle that reaches over the edges of another, or has no area."""
    if rect.width <= 0 or rect.height <= 0:
        raise FieldError(place, f"starts at ({rect.x:g}, {rect.y:g}) mm, at or beyond the edge of {what}")
    room = outer.room
    if rect.right > outer.right + room or rect.upper > outer.upper + room:
        rule = (
            f"reaches to ({rect.right:g}, {rect.upper:g}) mm; "
            f"{what} ends at ({outer.right:g}, {outer.upper:g}) mm"
        )
        raise FieldError(place, rule)


def check_overlap(place: str, rects: list[tuple[str, Rect]], die: Rect) -> None:
    """Refuse rectangles that lie over each other; the message names the first two and where."""
    x, y, right, upper = _edges(rects)
    room = die.room
    for index, (name, _) in enumerate(rects):
        rest = slice(index + 1, None)
        wide = np.minimum(right[index], right[rest]) - np.maximum(x[index], x[rest])
        high = np.minimum(upper[index], upper[rest]) - np.maximum(y[index], y[rest])
        both = np.flatnonzero((wide > room) & (high > room))
        if both.size:
            other = index + 1 + int(both[0])
            where = (max(x[index], x[other]), max(y[index], y[other]))
            rule = f"{rects[other][0]} ({place}[{other}]) overlaps it at ({where[0]:g}, {where[1]:g}) mm"
            raise FieldError(f"{place}[{index}] ({name})", rule)


def check_cover(place: str, rects: list[tuple[str, Rect]], die: Rect) -> None:
    """Refuse a floorplan that leaves a part of its die free; the message says where. Nothing overlaps."""
    x, y, right, upper = _edges(rects)
    room = die.room
    cuts = np.unique(np.concatenate([x, np.minimum(right, die.width), [0.0, die.width]]))
    for low, high in pairwise(cuts):
        if high - low <= room:
            continue
        middle = (low + high) / 2
        here = np.flatnonzero((x < middle) & (right > middle))
        order = here[np.argsort(y[here], kind="stable")]
        ends = np.concatenate([[0.0], upper[order]])
        starts = np.concatenate([y[order], [die.height]])
        free = np.flatnonzero(starts - ends > room)
        if free.size:
            at = float(ends[free[0]])
            rule = f"no block covers the die at ({low:g}, {at:g}) mm; add one, or set gaps = true"
            raise FieldError(place, rule)


def _edges(rects: list[tuple[str, Rect]]) -> tuple[NDArray[np.float64], ...]:
    table = np.array([rect for _, rect in rects], dtype=np.float64).reshape(-1, 4)
    return table[:, 0], table[:, 1], table[:, 0] + table[:, 2], table[:, 1] + table[:, 3]


def covered(low_mm: float, high_mm: float, size_mm: float, cells: int) -> NDArray[np.float64]:
    """Return how much of each of the equal cells along an axis lies between two places, 0 to 1."""
    edges = np.arange(cells + 1) * (size_mm / cells)
    inside = np.minimum(edges[1:], high_mm) - np.maximum(edges[:-1], low_mm)
    # An edge that differs from one of the grid by rounding alone is that of the grid.
    shares: NDArray[np.float64] = np.clip(inside * (cells / size_mm), 0.0, 1.0)
    shares[shares < 1e-9] = 0.0
    shares[shares > 1 - 1e-9] = 1.0
    return shares
