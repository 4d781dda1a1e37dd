"""The direct solver for any network: one factorisation for the steady state, one for each length of step.

Backward Euler: (C/dt + G) T1 = C/dt T0 + P. Crank-Nicolson by its middle: (2C/dt + G) Tm = 2C/dt T0 + P and
T1 = 2 Tm - T0, so that half a step of backward Euler takes the same factors. Lumps of the package border the matrix of
the grid.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archsim.thermal.cholesky import GridCholesky
from archsim.thermal.network import Network
from archsim.thermal.observe import Observer

Array = NDArray[np.float64]
#: Factorisations that are kept: a large one takes hundreds of megabytes.
_KEPT = 2


class _Bordered:
    """(G + rate C) of the grid and its lumps, factorised."""

    def __init__(self, solver: SparseSolver, rate: float) -> None:
        net = solver.net
        diagonal = solver.diagonal + rate * net.capacity
        self._grid = GridCholesky(
            np.ascontiguousarray(diagonal), solver.along_x, solver.along_y, solver.along_z
        )
        self._lumps = net.lumps
        if self._lumps:
            border = np.zeros((*net.shape, self._lumps))
            corner = net.lumped.between + np.diag(rate * net.lumped.capacity)
            for lump, row, value in net.lumped.cells:
                border[row, :, :, lump] += value
                corner[lump, lump] += np.broadcast_to(value, net.shape[1:]).sum()
            self._reply = self._grid.solve(border)
            self._border = border.reshape(-1, self._lumps)
            self._corner = corner - self._border.T @ self._reply.reshape(-1, self._lumps)

    def solve(self, power: Array, lump_power: Array) -> tuple[Array, Array]:
        field = self._grid.solve(power)
        if not self._lumps:
            return field, lump_power[:0]
        lumps = np.asarray(
            np.linalg.solve(self._corner, lump_power + self._border.T @ field.ravel()), dtype=np.float64
        )
        return field + self._reply @ lumps, lumps


class SparseSolver:
    """Steady and transient temperatures of any network, as rises over ambient.

    States of `start`, `step` and `observe` are fields and lumps in one array.
    """

    name = "sparse"
    methods = ("cn", "be")

    def __init__(self, net: Network) -> None:
        self.net, self.observer = net, Observer(net)
        full = net.shape
        self.along_x = _harmonic(np.broadcast_to(net.lateral_x, full), 2)
        self.along_y = _harmonic(np.broadcast_to(net.lateral_y, full), 1)
        self.along_z = np.array(np.broadcast_to(net.vertical, (net.nz - 1, *full[1:])))
        diagonal = np.zeros(full)
        for axis, links in ((2, self.along_x), (1, self.along_y), (0, self.along_z)):
            near, far = (np.moveaxis(diagonal, axis, 0)[part] for part in (slice(None, -1), slice(1, None)))
            moved = np.moveaxis(links, axis, 0)
            near += moved
            far += moved
        diagonal[0] += net.surface["top"]
        diagonal[-1] += net.surface["bottom"]
        for _, row, value in net.lumped.cells:
            diagonal[row] += value
        self.diagonal = diagonal
        self._nodes = diagonal.size
        self._factors: dict[float, _Bordered] = {}

    def _factor(self, rate: float) -> _Bordered:
        if rate not in self._factors:
            while len(self._factors) >= _KEPT:
                self._factors.pop(next(iter(self._factors)))
            self._factors[rate] = _Bordered(self, rate)
        self._factors[rate] = self._factors.pop(rate)  # the latest used is the last to go
        return self._factors[rate]

    def steady(self, watts: Array) -> tuple[Array, Array]:
        """Return the field (nz, ny, nx) and the lumps (lumps,) in the steady state."""
        return self.solve(self.net.power_map(watts))

    def solve(self, power: Array, lump_power: Array | None = None) -> tuple[Array, Array]:
        """Return field and lumps of a power of every node and lump, W."""
        return self._factor(0.0).solve(power, np.zeros(self.net.lumps) if lump_power is None else lump_power)

    def force(self, watts: Array) -> Array:
        """Return the power of every node and lump."""
        return np.concatenate([self.net.power_map(watts).ravel(), np.zeros(self.net.lumps)])

    def start(self, field: Array, lumps: Array) -> Array:
        """Return the state of a field."""
        return np.concatenate([field.ravel(), lumps])

    def fields(self, state: Array) -> tuple[Array, Array]:
        """Return field and lumps of a state."""
        return state[: self._nodes].reshape(self.net.shape).copy(), state[self._nodes :].copy()

    def step(self, state: Array, force: Array, dt_s: float, method: str) -> Array:
        """Return the state after a time with constant power."""
        rate = (1.0 if method == "be" else 2.0) / dt_s
        field, lumps = self.fields(state)
        power = force[: self._nodes].reshape(self.net.shape) + rate * self.net.capacity * field
        lump_power = force[self._nodes :] + rate * self.net.lumped.capacity * lumps
        found = self.start(*self._factor(rate).solve(power, lump_power))
        return found if method == "be" else 2.0 * found - state

    def leaving(self, state: Array, after: Array, force: Array, dt_s: float, method: str) -> dict[str, float]:
        """Return the heat that leaves through each face during a step, J."""
        del force
        ends = self.net.heat_out(*self.fields(after))
        if method == "be":
            return {side: dt_s * value for side, value in ends.items()}
        starts = self.net.heat_out(*self.fields(state))
        return {side: 0.5 * dt_s * (starts[side] + value) for side, value in ends.items()}

    def observe(self, states: list[Array]) -> tuple[Array, Array]:
        """Return means and maxima of the blocks, (states, blocks) each."""
        rows = self.observer.rows
        planes = np.stack([state[: self._nodes].reshape(self.net.shape)[rows] for state in states])
        return self.observer.means(planes), self.observer.peaks(planes)

    def means(self, state: Array) -> Array:
        """Return the means of the blocks in one state."""
        return self.observer.means(state[: self._nodes].reshape(self.net.shape)[self.observer.rows])


def _harmonic(cells: Array, axis: int) -> Array:
    """Return the conductances between neighbours along an axis: half a cell each, in series."""
    one = np.take(cells, range(cells.shape[axis] - 1), axis)
    other = np.take(cells, range(1, cells.shape[axis]), axis)
    both = one + other
    return np.divide(2.0 * one * other, both, out=np.zeros_like(both), where=both > 0)
