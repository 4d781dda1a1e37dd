"""Nested dissection of a grid of columns: in which order to eliminate them, and what each step touches.

A rectangle of columns is cut by a line of columns, which is eliminated after both halves, and so on; what remains of a
rectangle touches nothing but the ring of columns around it. All nodes of a column stay together. The plan depends on
the size of the grid alone.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
#: Columns of a rectangle that is not cut any further.
_LEAF = 16


class Run(NamedTuple):
    """Neighbouring columns of a ring that are neighbours in the parent's front too."""

    source: int
    target: int
    length: int


_NO_RUNS: tuple[Run, ...] = ()


class Front(NamedTuple):
    """One step of the elimination.

    Attributes
    ----------
    first, last : int
        Columns eliminated here, as places in the order.
    ring : ndarray
        Places of the columns that they touch, rising.
    inner, outer : tuple of ndarray
        Pairs of neighbours: places within the step's own columns, and from own columns to those of the ring; the
        third array holds the numbers of their edges.
    parent : int
        The step that takes up what this one leaves, -1 for none.
    split : int
        How many columns of the ring are eliminated by the parent.
    runs : tuple of Run
        Where the columns of the ring stand in the parent's front: its own columns first, then its ring.
    """

    first: int
    last: int
    ring: Ints
    inner: tuple[Ints, Ints, Ints]
    outer: tuple[Ints, Ints, Ints]
    parent: int
    split: int
    runs: tuple[Run, ...]


class Plan(NamedTuple):
    """The order of the columns (numbers y nx + x), and the steps, children before parents."""

    order: Ints
    fronts: tuple[Front, ...]


@lru_cache(maxsize=4)
def plan(nx: int, ny: int) -> Plan:
    """Return how to eliminate a grid of columns.

    Edges are numbered along x first, (ny, nx - 1), then along y, (ny - 1, nx).
    """
    boxes: list[tuple[tuple[int, int, int, int], Ints, int]] = []  # rectangle, own columns, parent
    _cut((0, nx, 0, ny), nx, boxes)
    order = np.concatenate([own for _, own, _ in boxes])
    place = np.empty(nx * ny, dtype=np.int64)
    place[order] = np.arange(nx * ny)
    starts = np.concatenate([[0], np.cumsum([len(own) for _, own, _ in boxes])])
    step_of = np.repeat(np.arange(len(boxes)), np.diff(starts))
    pairs, bounds = _edges(nx, ny, place, step_of, len(boxes))
    rings = [np.sort(place[_ring(box, nx, ny)]) for box, _, _ in boxes]
    fronts = []
    for number, (_, _, parent) in enumerate(boxes):
        first, last, ring = int(starts[number]), int(starts[number + 1]), rings[number]
        early, late, edge = pairs[:, bounds[number] : bounds[number + 1]]
        own = late < last
        inner = (early[own] - first, late[own] - first, edge[own])
        outer = (early[~own] - first, np.searchsorted(ring, late[~own]), edge[~own])
        split, runs = 0, _NO_RUNS
        if parent >= 0:
            begin, end = int(starts[parent]), int(starts[parent + 1])
            split = int(np.searchsorted(ring, end))
            above = end - begin + np.searchsorted(rings[parent], ring[split:])
            runs = _runs(np.concatenate([ring[:split] - begin, above]), split)
        fronts.append(Front(first, last, ring, inner, outer, parent, split, runs))
    return Plan(order, tuple(fronts))


def _cut(
    box: tuple[int, int, int, int], nx: int, boxes: list[tuple[tuple[int, int, int, int], Ints, int]]
) -> int:
    """Cut a rectangle, add its steps, and return the number of the last."""
    left, right, low, high = box
    wide, tall = right - left, high - low
    if wide * tall <= _LEAF or max(wide, tall) < 3:
        parts, own = [], (slice(left, right), slice(low, high))
    elif wide >= tall:
        middle = (left + right) // 2
        parts, own = [(left, middle, low, high), (middle + 1, right, low, high)], (
            slice(middle, middle + 1), slice(low, high),
        )  # fmt: skip
    else:
        middle = (low + high) // 2
        parts, own = [(left, right, low, middle), (left, right, middle + 1, high)], (
            slice(left, right), slice(middle, middle + 1),
        )  # fmt: skip
    children = [_cut(part, nx, boxes) for part in parts]
    number = len(boxes)
    for child in children:
        boxes[child] = (*boxes[child][:2], number)
    columns = np.arange(own[1].start, own[1].stop)[:, None] * nx + np.arange(own[0].start, own[0].stop)
    boxes.append((box, columns.ravel(), -1))
    return number


def _ring(box: tuple[int, int, int, int], nx: int, ny: int) -> Ints:
    """Return the columns around a rectangle."""
    left, right, low, high = box
    x, y = np.arange(left, right), np.arange(low, high)
    parts = []
    if left:
        parts.append(y * nx + left - 1)
    if right < nx:
        parts.append(y * nx + right)
    if low:
        parts.append((low - 1) * nx + x)
    if high < ny:
        parts.append(high * nx + x)
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def _edges(nx: int, ny: int, place: Ints, step_of: Ints, steps: int) -> tuple[Ints, Ints]:
    """Return (earlier place, later place, edge) sorted by the step of the earlier, and where each step begins."""
    grid = np.arange(nx * ny).reshape(ny, nx)
    ones = np.concatenate([grid[:, :-1].ravel(), grid[:-1].ravel()])
    others = np.concatenate([grid[:, 1:].ravel(), grid[1:].ravel()])
    early, late = np.minimum(place[ones], place[others]), np.maximum(place[ones], place[others])
    order = np.argsort(step_of[early], kind="stable")
    pairs = np.stack([early[order], late[order], order])
    return pairs, np.searchsorted(step_of[pairs[0]], np.arange(steps + 1))


def _runs(targets: Ints, split: int) -> tuple[Run, ...]:
    """Return the runs of rising neighbours; none reaches over ``split``."""
    breaks = np.flatnonzero(np.diff(targets) != 1) + 1
    cuts = np.unique(np.concatenate([[0, split, len(targets)], breaks]))
    return tuple(Run(int(a), int(targets[a]), int(b - a)) for a, b in pairwise(cuts))
