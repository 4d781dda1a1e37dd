"""Parts of a package that have one temperature each: chains to ambient, and HotSpot's spreader and sink around the die.

HotSpot's network is that of its `package.c`: the grid reaches as far as the die; what spreader and sink have outside it
are four parts each on every side, trapezoids whose lengths and widths are taken at their middles.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from archsim.thermal.spec import Heatsink, Lump, Stack

Array = NDArray[np.float64]


@dataclass
class Lumped:
    """Lumped nodes, and what joins them with each other, with cells and with ambient.

    Attributes
    ----------
    capacity : ndarray (lumps,)
        J/K.
    between : ndarray (lumps, lumps)
        Laplacian of the conductances between lumps and to ambient, without those to cells, W/K.
    ambient : dict of str to ndarray (lumps,)
        Conductance to ambient that counts as heat through each face.
    cells : list of (lump, sublayer, ndarray)
        Conductance from every cell of a sublayer to a lump, (ny | 1, nx | 1).
    uniform : bool
        Whether every cell of a sublayer has the same conductance to each lump.
    """

    capacity: Array = field(default_factory=lambda: np.zeros(0))
    between: Array = field(default_factory=lambda: np.zeros((0, 0)))
    ambient: dict[str, Array] = field(default_factory=dict)
    cells: list[tuple[int, int, Array]] = field(default_factory=list)
    uniform: bool = True
    _capacities: list[float] = field(default_factory=list)
    _links: list[tuple[int, int, float]] = field(default_factory=list)
    _leaving: list[tuple[str, int, float]] = field(default_factory=list)

    def node(self, capacity: float) -> int:
        """Add a lump and return its number."""
        self._capacities.append(capacity)
        return len(self._capacities) - 1

    def link(self, one: int, other: int, resistance: float) -> None:
        """Join two lumps."""
        self._links.append((one, other, 1.0 / resistance))

    def leave(self, side: str, one: int, resistance: float) -> None:
        """Join a lump with ambient, as a part of the heat that leaves through ``side``."""
        self._leaving.append((side, one, 1.0 / resistance))

    def finish(self) -> None:
        """Make the arrays."""
        count = len(self._capacities)
        self.capacity, self.between = np.array(self._capacities), np.zeros((count, count))
        for one, other, value in self._links:
            for a, b in ((one, other), (other, one)):
                self.between[a, a] += value
                self.between[a, b] -= value
        for side, one, value in self._leaving:
            self.between[one, one] += value
            self.ambient.setdefault(side, np.zeros(count))[one] += value


def add_chain(lumped: Lumped, side: str, chain: tuple[Lump, ...], surface: Array, sublayer: int) -> None:
    """Add lumps one behind the other; every cell of the face is joined with the first."""
    numbers = [lumped.node(lump.capacity_j_k) for lump in chain]
    lumped.cells.append((numbers[0], sublayer, surface))
    if surface.shape != (1, 1):
        lumped.uniform = False
    for number, lump in zip(numbers, chain, strict=True):
        if number == numbers[-1]:
            lumped.leave(side, number, lump.resistance_k_w)
        else:
            lumped.link(number, number + 1, lump.resistance_k_w)


def add_heatsink(
    lumped: Lumped, side: str, stack: Stack, sink: Heatsink, size: tuple[int, int, int], face: bool
) -> None:
    """Add what spreader and sink have outside the die: 12 lumps, joined with the cells at its edges.

    ``face`` takes whole instead of half thicknesses for the way down, as nodes on faces do.
    """
    nx, ny, nz = size
    lumped.uniform = False
    rows = (0, 1) if side == "top" else (nz - 1, nz - 2)  # sublayers of sink and spreader
    spread, base = stack.material(sink.spreader_material), stack.material(sink.sink_material)
    t_sp, t_sk = sink.spreader_um * 1e-6, sink.sink_um * 1e-6
    s, big = sink.spreader_mm * 1e-3, sink.sink_mm * 1e-3
    air, held = sink.convection_k_w * big**2, sink.convection_j_k / big**2
    rim = (big**2 - s**2) / 4
    for along in (True, False):
        w, h, cells = (
            (stack.width_mm, stack.height_mm, ny) if along else (stack.height_mm, stack.width_mm, nx)
        )
        w, h = w * 1e-3, h * 1e-3
        area = (s + h) * (s - w) / 4
        out, middle, wide = (s - w) / 4, (s + 3 * h) / 4, (3 * s + h) / 4
        half = 1.0 if face else 0.5
        # From the edge of the grid: half a cell, then the trapezoid; all cells of an edge share its width.
        pitch = w / (nx if along else ny)
        breadth = h / cells
        for first in (True, False):
            outer = lumped.node(base.heat_capacity_j_m3k * t_sk * rim + held * rim)
            inner = lumped.node(base.heat_capacity_j_m3k * t_sk * area + held * area)
            above = lumped.node(spread.heat_capacity_j_m3k * t_sp * area)
            down = half * t_sp / (spread.conductivity_w_mk * area)
            down += 0.0 if face else half * t_sk / (base.conductivity_w_mk * area)
            lumped.link(above, inner, down)
            between = out / (base.along_w_mk * wide * t_sk)
            between += (big - s) / 4 / (base.along_w_mk * (big + 3 * s) / 4 * t_sk)
            lumped.link(inner, outer, between)
            lumped.leave(side, inner, half * t_sk / (base.conductivity_w_mk * area) + air / area)
            lumped.leave(side, outer, half * t_sk / (base.conductivity_w_mk * rim) + air / rim)
            for number, row, k, t in ((inner, rows[0], base, t_sk), (above, rows[1], spread, t_sp)):
                own = pitch / (k.along_w_mk * breadth * t) / 2
                path = own + cells * out / (k.along_w_mk * middle * t)
                edge = np.zeros((ny, nx))
                index = 0 if first else -1
                edge[(slice(None), index) if along else (index, slice(None))] = 1.0 / path
                lumped.cells.append((number, row, edge))
