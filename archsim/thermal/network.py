"""From a stack and a grid to conductances and capacities: the finite volumes that both solvers solve.

A node is a cell of the grid in a sublayer. Temperatures are rises over ambient inside the solvers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.thermal.floorplan import Rect, covered
from archsim.thermal.lumps import Lumped, add_chain, add_heatsink
from archsim.thermal.materials import pierced
from archsim.thermal.spec import Face, Layer, Material, Stack

Array = NDArray[np.float64]
Nodes = Literal["centre", "face"]

#: Most cells of a grid along one axis, and most nodes.
MOST_CELLS, MOST_NODES = 4096, 1 << 24


class StiffError(InputError):
    """The conductances of a stack differ by more than double precision can hold side by side."""

    def __init__(self) -> None:
        super().__init__(
            "the conductances of the stack differ too much for its temperatures to be found: a face that hardly lets "
            "heat out, or a layer that is far too thin or thick; bring them closer together"
        )


@dataclass(frozen=True)
class Network:
    """What a stack is on a grid.

    Attributes
    ----------
    nx, ny, nz : int
        Cells along x and y, and sublayers from the top.
    dx_m, dy_m : float
        Size of a cell.
    lateral_x, lateral_y : ndarray (nz, ny | 1, nx | 1)
        k dz dy / dx and k dz dx / dy of a cell, W/K; 1 where a layer is uniform throughout the stack.
    vertical : ndarray (nz - 1, ny | 1, nx | 1)
        Conductance to the sublayer below, W/K.
    capacity : ndarray (nz, ny | 1, nx | 1)
        J/K of a cell.
    surface : dict
        ``top`` and ``bottom``: conductance of a cell (ny | 1, nx | 1) through the face straight to ambient, W/K.
    lumped : Lumped
        Package parts at one temperature each, and what joins them.
    names : tuple of str
        Blocks, from the top layer down.
    spans : tuple of (int, int)
        First and last + 1 sublayer of the layer of each block.
    share_x, share_y : ndarray (blocks, nx), (blocks, ny)
        How much of each column and row of cells a block covers; a cell by their product.
    layers : dict of str to (int, int)
        Sublayers of each layer.
    """

    nx: int
    ny: int
    nz: int
    dx_m: float
    dy_m: float
    lateral_x: Array
    lateral_y: Array
    vertical: Array
    capacity: Array
    surface: dict[str, Array]
    lumped: Lumped
    names: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    share_x: Array
    share_y: Array
    layers: dict[str, tuple[int, int]]

    @property
    def uniform(self) -> bool:
        """Whether every layer is the same everywhere, so that cosines are its modes."""
        return self.lateral_x.shape[1:] == (1, 1) and self.lumped.uniform

    @property
    def lumps(self) -> int:
        """Lumped parts of the package."""
        return len(self.lumped.capacity)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of a field of temperatures."""
        return self.nz, self.ny, self.nx

    @cached_property
    def cells_of_block(self) -> Array:
        """Cells that each block covers, as a number that need not be whole."""
        return np.asarray(self.share_x.sum(axis=1) * self.share_y.sum(axis=1))

    def power_map(self, watts: Array) -> Array:
        """Return the power of every node, W, shaped like `shape`, of the power of every block."""
        found = np.zeros(self.shape)
        each = watts / self.cells_of_block
        for start, stop in sorted(set(self.spans)):
            here = [i for i, span in enumerate(self.spans) if span == (start, stop)]
            plane = (self.share_y[here] * (each[here] / (stop - start))[:, None]).T @ self.share_x[here]
            found[start:stop] += plane
        return found

    def layer_means(self, field: Array, start: int, stop: int) -> Array:
        """Return the mean over the thickness of a layer, (ny, nx)."""
        return np.asarray(field[start:stop].mean(axis=0))

    def storage(self, rise: Array, lump_rise: Array) -> float:
        """Return the heat stored above ambient, J."""
        return float((self.capacity * rise).sum() + (self.lumped.capacity * lump_rise).sum())

    def heat_out(self, rise: Array, lump_rise: Array) -> dict[str, float]:
        """Return the power that leaves through each face, W."""
        ends = {"top": rise[0], "bottom": rise[-1]}
        out = {side: float((self.surface[side] * end).sum()) for side, end in ends.items()}
        for side, share in self.lumped.ambient.items():
            out[side] += float((share * lump_rise).sum())
        return out


def build(stack: Stack, nx: int, ny: int, nodes: Nodes = "centre") -> Network:
    """Lay a grid over a stack.

    Parameters
    ----------
    stack : Stack
    nx, ny : int
        Cells along x and y: any numbers from 1.
    nodes : {"centre", "face"}
        Where a node stands in its sublayer: in its middle, or on its upper face as HotSpot has it, which needs a stack
        that is cooled from below only.

    Raises
    ------
    InputError
        For a grid that is too large, or ``face`` with a top that is not closed.
    """
    depth = sum(layer.sublayers for layer in stack.layers)
    if not (1 <= nx <= MOST_CELLS and 1 <= ny <= MOST_CELLS):
        raise InputError(f"grid {nx}x{ny}: must have 1 to {MOST_CELLS} cells along each side")
    if nx * ny * depth > MOST_NODES:
        raise InputError(
            f"grid {nx}x{ny}: {nx * ny * depth:,} nodes in {depth} layers; at most {MOST_NODES:,}"
        )
    if nodes == "face" and not stack.top.closed:
        raise InputError(
            "nodes = 'face': needs a stack whose top is closed; that is how HotSpot's layers are"
        )
    builder = _Builder(stack, nx, ny, nodes)
    net = builder.network()
    missed = [name for name, cells in zip(net.names, net.cells_of_block, strict=True) if not cells > 0]
    if missed:
        raise InputError(f"grid {nx}x{ny}: block {missed[0]!r} is too small to cover anything of a cell")
    return net


class _Builder:
    """Collects sublayers from the top, then joins them."""

    def __init__(self, stack: Stack, nx: int, ny: int, nodes: Nodes) -> None:
        self.stack, self.nx, self.ny, self.nodes = stack, nx, ny, nodes
        self.dx, self.dy = stack.width_mm * 1e-3 / nx, stack.height_mm * 1e-3 / ny
        self.dz: list[float] = []
        self.along: list[Array] = []
        self.down: list[Array] = []
        self.held: list[Array] = []
        self.layers: dict[str, tuple[int, int]] = {}

    def network(self) -> Network:
        stack = self.stack
        for layer in stack.layers:
            self._add(layer.name, layer.thickness_um * 1e-6, layer.sublayers, *self._maps(layer))
        sinks = [side for side in ("top", "bottom") if getattr(stack, side).heatsink is not None]
        for side in sinks:
            self._add_sink(side, getattr(stack, side))
        thick = np.array(self.dz)[:, None, None]
        if all(each.shape == (1, 1) for each in (*self.along, *self.down, *self.held)):
            along, down, held = (np.array(each) for each in (self.along, self.down, self.held))
        else:
            full = (self.ny, self.nx)
            along, down, held = (
                np.array([np.broadcast_to(each, full) for each in maps])
                for maps in (self.along, self.down, self.held)
            )
        area = self.dx * self.dy
        resist = thick / (down * area)
        upper = resist[:-1] if self.nodes == "face" else (resist[:-1] + resist[1:]) / 2
        ends = {"top": resist[0] / 2, "bottom": resist[-1] if self.nodes == "face" else resist[-1] / 2}
        lumped = Lumped()
        surface = {}
        for side, end in ends.items():
            face: Face = getattr(stack, side)
            surface[side] = self._surface(face, end)
            if face.package:
                add_chain(lumped, side, face.package, surface[side], 0 if side == "top" else len(self.dz) - 1)
                surface[side] = np.zeros((1, 1))
            elif face.heatsink is not None:
                add_heatsink(
                    lumped, side, stack, face.heatsink, (self.nx, self.ny, len(self.dz)), self.nodes == "face"
                )
        lumped.finish()
        shares = [self._block_shares(layer) for layer in stack.layers]
        return Network(
            nx=self.nx, ny=self.ny, nz=len(self.dz), dx_m=self.dx, dy_m=self.dy,
            lateral_x=along * thick * self.dy / self.dx, lateral_y=along * thick * self.dx / self.dy,
            vertical=1.0 / upper, capacity=held * thick * area, surface=surface, lumped=lumped,
            names=tuple(block.name for block in stack.blocks),
            spans=tuple(self.layers[layer.name] for layer in stack.layers for _ in layer.blocks),
            share_x=np.concatenate([x for x, _ in shares]), share_y=np.concatenate([y for _, y in shares]),
            layers=self.layers,
        )  # fmt: skip

    def _add(self, name: str, thickness: float, count: int, along: Array, down: Array, held: Array) -> None:
        self.layers[name] = (len(self.dz), len(self.dz) + count)
        self.dz += [thickness / count] * count
        for maps, each in ((self.along, along), (self.down, down), (self.held, held)):
            maps += [each] * count

    def _add_sink(self, side: str, face: Face) -> None:
        """Add the parts of spreader and sink under (or over) the die as layers of the grid."""
        sink = face.heatsink
        assert sink is not None
        parts = [
            ("spreader", sink.spreader_um, sink.spreader_material),
            ("sink", sink.sink_um, sink.sink_material),
        ]
        maps = []
        for name, thickness, material in parts:
            found = self.stack.material(material)
            values = (found.along_w_mk, found.conductivity_w_mk, found.heat_capacity_j_m3k)
            planes = [np.full((1, 1), value) for value in values]
            if name == "sink":
                volume = (sink.sink_mm * 1e-3) ** 2 * thickness * 1e-6
                planes[2] = planes[2] + sink.convection_j_k / volume
            maps.append((f"{side} {name}", thickness * 1e-6, planes))
        if side == "bottom":
            for name, thickness, planes in maps:
                self._add(name, thickness, 1, *planes)
            return
        # On top: what is there moves down by two.
        self.layers = {name: (start + 2, stop + 2) for name, (start, stop) in self.layers.items()}
        for index, (name, thickness, planes) in enumerate(reversed(maps)):
            self.layers[name] = (index, index + 1)
            self.dz.insert(index, thickness)
            for lists, plane in zip((self.along, self.down, self.held), planes, strict=True):
                lists.insert(index, plane)

    def _surface(self, face: Face, end: Array) -> Array:
        """Return the conductance of each cell from its node through a face, W/K."""
        cells = self.nx * self.ny
        if face.heatsink is not None:
            side = face.heatsink.sink_mm * 1e-3
            return np.asarray(1.0 / (end + face.heatsink.convection_k_w * side**2 / (self.dx * self.dy)))
        if face.closed:
            return np.zeros((1, 1))
        if face.coefficient_w_m2k is not None:
            return np.asarray(1.0 / (end + 1.0 / (face.coefficient_w_m2k * self.dx * self.dy)))
        assert face.resistance_k_w is not None
        return np.asarray(1.0 / (end + face.resistance_k_w * cells))

    def _maps(self, layer: Layer) -> tuple[Array, Array, Array]:
        """Return conductivity along and down and heat capacity of a layer: (1, 1) where uniform, else (ny, nx)."""
        base, die = self.stack.material(layer.material), self.stack.die_of(layer)
        ground = base if layer.die is None else self.stack.material(layer.die.fill)
        # What stands where, and what it takes the place of.
        parts = [] if layer.die is None else [(die, base, ground)]
        for region in layer.regions:
            inner = region.within(die.width, die.height)
            made = self.stack.material(region.material or layer.material)
            if region.tsv is not None:
                liner = self.stack.material(region.tsv.liner) if region.tsv.liner else None
                made = pierced(made, self.stack.material(region.tsv.material), liner, region.tsv)
            parts.append((Rect(die.x + inner.x, die.y + inner.y, inner.width, inner.height), made, base))
        planes = [np.full((1, 1), value) for value in _values(ground)]
        for rect, made, before in parts:
            change = np.subtract(_values(made), _values(before))
            if change.any():
                share = np.multiply.outer(*self._shares(rect)[::-1])
                planes = [plane + each * share for plane, each in zip(planes, change, strict=True)]
        if all((plane == plane[0, 0]).all() for plane in planes):
            planes = [plane[:1, :1] for plane in planes]
        return planes[0], planes[1], planes[2]

    def _shares(self, rect: Rect) -> tuple[Array, Array]:
        across = covered(rect.x, rect.right, self.stack.width_mm, self.nx)
        return across, covered(rect.y, rect.upper, self.stack.height_mm, self.ny)

    def _block_shares(self, layer: Layer) -> tuple[Array, Array]:
        die = self.stack.die_of(layer)
        rows = [np.zeros((0, self.nx))], [np.zeros((0, self.ny))]
        for block in layer.blocks:
            inner = block.within(die.width, die.height)
            shares = self._shares(Rect(die.x + inner.x, die.y + inner.y, inner.width, inner.height))
            for side, share in zip(rows, shares, strict=True):
                side.append(share[None, :])
        return np.concatenate(rows[0]), np.concatenate(rows[1])


def _values(material: Material) -> tuple[float, float, float]:
    return material.along_w_mk, material.conductivity_w_mk, material.heat_capacity_j_m3k
