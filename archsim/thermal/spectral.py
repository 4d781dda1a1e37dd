"""The exact solver for layers that are the same everywhere: cosines are the modes of the grid.

With closed side walls the discrete Laplacian of n cells has the vectors cos(pi k (i + 1/2) / n) with the eigenvalues
2 - 2 cos(pi k / n): the cosine transform takes the network apart into nx ny tridiagonal systems of one unknown per
sublayer. In the steady state each is eliminated from the top down; in time each is C dT/dt = P - G T, whose
eigenvectors (of C^-1/2 G C^-1/2, symmetric) turn every step into factors exp(-dt / tau), whatever its length. Lumps of
the package join in the mode (0, 0) alone; for all others they stay at ambient.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.thermal.network import Network, StiffError
from archsim.thermal.observe import Observer

Array = NDArray[np.float64]
#: Most entries of all eigenvectors: a gigabyte.
MOST_ENTRIES = 1 << 27
#: Step lengths whose factors are kept.
_KEPT = 8


class SpectralSolver:
    """Steady and transient temperatures of a uniform network, as rises over ambient.

    States of `start`, `step` and `observe` are amplitudes, shape (modes, unknowns).
    """

    name = "spectral"
    methods = ("exact", "be", "cn")

    def __init__(self, net: Network) -> None:
        self.net, self.observer = net, Observer(net)
        nz, ny, nx = net.shape
        wave_x, wave_y = (2.0 - 2.0 * np.cos(np.pi * np.arange(n) / n) for n in (nx, ny))
        self._cells = nx * ny
        self._down = net.vertical[:, 0, 0]
        ground = np.zeros(nz)
        ground[:-1] += self._down
        ground[1:] += self._down
        ground[0] += net.surface["top"][0, 0]
        ground[-1] += net.surface["bottom"][0, 0]
        for _, row, value in net.lumped.cells:
            ground[row] += value[0, 0]
        sideways = net.lateral_x * wave_x[None, None, :] + net.lateral_y * wave_y[None, :, None]
        self._diagonal = sideways + ground[:, None, None]
        self._capacity = net.capacity[:, 0, 0]
        self._factors: dict[tuple[str, float], tuple[Array, ...]] = {}

    # steady

    @cached_property
    def _pivots(self) -> Array:
        """Reciprocals of the pivots of the elimination."""
        pivots = np.empty_like(self._diagonal)
        pivots[0] = 1.0 / self._diagonal[0]
        for row in range(1, len(pivots)):
            pivots[row] = 1.0 / (self._diagonal[row] - self._down[row - 1] ** 2 * pivots[row - 1])
        return pivots

    def steady(self, watts: Array) -> tuple[Array, Array]:
        """Return the field (nz, ny, nx) and the lumps (lumps,) in the steady state."""
        return self.solve(self.net.power_map(watts))

    def solve(self, power: Array, lump_power: Array | None = None) -> tuple[Array, Array]:
        """Return field and lumps of a power of every node and lump, W."""
        from scipy.fft import dctn, idctn

        found = np.zeros(self.net.shape)
        active = np.flatnonzero(power.any(axis=(1, 2)))
        found[active] = dctn(power[active], norm="ortho", axes=(1, 2), overwrite_x=True)
        zero = found[:, 0, 0].copy()
        down, pivots = self._down, self._pivots
        for row in range(1, len(found)):
            found[row] += down[row - 1] * pivots[row - 1] * found[row - 1]
        found[-1] *= pivots[-1]
        for row in range(len(found) - 2, -1, -1):
            found[row] = (found[row] + down[row] * found[row + 1]) * pivots[row]
        lumps = np.zeros(self.net.lumps) if lump_power is None else lump_power
        if self.net.lumps:
            whole = np.linalg.solve(self._mean_mode, np.concatenate([zero, lumps]))
            found[:, 0, 0], lumps = whole[: len(found)], whole[len(found) :]
        return idctn(found, norm="ortho", axes=(1, 2), overwrite_x=True), lumps

    @cached_property
    def _mean_mode(self) -> Array:
        """The system of the mode (0, 0) with the lumps."""
        nz, lumps = self.net.nz, self.net.lumps
        whole = np.zeros((nz + lumps, nz + lumps))
        whole[:nz, :nz] = np.diag(self._diagonal[:, 0, 0]) - np.diag(self._down, 1) - np.diag(self._down, -1)
        whole[nz:, nz:] = self.net.lumped.between
        for lump, row, value in self.net.lumped.cells:
            # The amplitude of a constant field c is c sqrt(cells).
            whole[nz + lump, nz + lump] += value[0, 0] * self._cells
            whole[nz + lump, row] -= value[0, 0] * np.sqrt(self._cells)
            whole[row, nz + lump] -= value[0, 0] * np.sqrt(self._cells)
        return whole

    # in time

    @cached_property
    def _modes(self) -> tuple[Array, Array]:
        """Rates (modes, unknowns) in 1/s, and what takes amplitudes to temperatures (modes, unknowns, unknowns)."""
        nz, lumps = self.net.nz, self.net.lumps
        size = nz + lumps
        if self._cells * size**2 > MOST_ENTRIES:
            raise InputError(
                f"grid {self.net.nx}x{self.net.ny}: {self._cells} modes of {size} unknowns are too many for a "
                f"transient; at most {MOST_ENTRIES // size**2} cells"
            )
        root = 1.0 / np.sqrt(np.concatenate([self._capacity, self.net.lumped.capacity]))
        systems = np.zeros((self._cells, size, size))
        index = np.arange(nz)
        systems[:, index, index] = self._diagonal.reshape(nz, -1).T
        systems[:, index[:-1], index[1:]] = -self._down
        systems[:, index[1:], index[:-1]] = -self._down
        rest = np.arange(nz, size)
        systems[:, rest, rest] = 1.0  # lumps stay at ambient in all modes but the first
        systems[0] = self._mean_mode if lumps else systems[0]
        systems *= root[:, None] * root[None, :]
        rates, vectors = np.linalg.eigh(systems)
        if not rates.min() > 0:
            raise StiffError
        vectors *= root[:, None]
        return rates, vectors

    def force(self, watts: Array) -> Array:
        """Return what a power of the blocks does to the amplitudes, (modes, unknowns)."""
        from scipy.fft import dctn

        rows = self.observer.rows
        power = self.net.power_map(watts)[rows]
        waves = dctn(power, norm="ortho", axes=(1, 2), overwrite_x=True).reshape(len(rows), self._cells)
        vectors = self._modes[1][:, rows, :]
        return np.asarray(np.matmul(waves.T[:, None, :], vectors)[:, 0, :])

    def start(self, field: Array, lumps: Array) -> Array:
        """Return the amplitudes of a field."""
        from scipy.fft import dctn

        waves = dctn(field, norm="ortho", axes=(1, 2)).reshape(self.net.nz, -1)
        whole = np.zeros((self._cells, self.net.nz + self.net.lumps))
        whole[:, : self.net.nz] = waves.T
        whole[0, self.net.nz :] = lumps
        weight = np.concatenate([self._capacity, self.net.lumped.capacity])
        return np.asarray(np.matmul((whole * weight)[:, None, :], self._modes[1])[:, 0, :])

    def fields(self, state: Array) -> tuple[Array, Array]:
        """Return field and lumps of amplitudes."""
        from scipy.fft import idctn

        whole = np.matmul(self._modes[1], state[:, :, None])[:, :, 0]
        lumps = whole[0, self.net.nz :].copy()
        waves = whole[:, : self.net.nz].T.reshape(self.net.shape)
        return idctn(waves, norm="ortho", axes=(1, 2)), lumps

    def step(self, state: Array, force: Array, dt_s: float, method: str) -> Array:
        """Return the state after a time with constant power."""
        keep, add = self._factor(method, dt_s)[:2]
        return np.asarray(keep * state + add * force)

    def _factor(self, method: str, dt_s: float) -> tuple[Array, ...]:
        """Return what remains of a state, what a force adds, and their integrals over the step."""
        if (method, dt_s) not in self._factors:
            if len(self._factors) >= _KEPT:
                self._factors.pop(next(iter(self._factors)))
            rates = self._modes[0]
            if method == "exact":
                lost = -np.expm1(-rates * dt_s)
                found = (1.0 - lost, lost / rates, lost / rates, (dt_s - lost / rates) / rates)
            elif method == "be":
                keep = 1.0 / (1.0 + rates * dt_s)
                found = (keep, dt_s * keep, dt_s * keep, dt_s**2 * keep)
            else:
                half = 0.5 * dt_s * rates
                keep, add = (1.0 - half) / (1.0 + half), dt_s / (1.0 + half)
                found = (keep, add, 0.5 * dt_s * (1.0 + keep), 0.5 * dt_s * add)
            # Only the mode (0, 0) carries heat out of the stack.
            self._factors[method, dt_s] = (found[0], found[1], found[2][0].copy(), found[3][0].copy())
        return self._factors[method, dt_s]

    def leaving(self, state: Array, after: Array, force: Array, dt_s: float, method: str) -> dict[str, float]:
        """Return the heat that leaves through each face during a step, J."""
        del after
        held, added = self._factor(method, dt_s)[2:]
        mean = held * state[0] + added * force[0]
        return {side: float(weights @ mean) for side, weights in self._gates.items()}

    @cached_property
    def _gates(self) -> dict[str, Array]:
        """Power through each face per amplitude of the mode (0, 0)."""
        found = {}
        for side, row in (("top", 0), ("bottom", self.net.nz - 1)):
            gate = np.zeros(self.net.nz + self.net.lumps)
            gate[row] = self.net.surface[side][0, 0] * np.sqrt(self._cells)
            if side in self.net.lumped.ambient:
                gate[self.net.nz :] += self.net.lumped.ambient[side]
            found[side] = gate @ self._modes[1][0]
        return found

    def observe(self, states: list[Array]) -> tuple[Array, Array]:
        """Return means and maxima of the blocks, (states, blocks) each."""
        planes = self._planes(states)
        return self.observer.means(planes), self.observer.peaks(planes)

    def means(self, state: Array) -> Array:
        """Return the means of the blocks in one state."""
        found: Array = self.observer.means(self._planes([state]))[0]
        return found

    def _planes(self, states: list[Array]) -> Array:
        """Return the temperatures of the sublayers that hold blocks, (states, rows, ny, nx)."""
        from scipy.fft import idctn

        vectors = self._modes[1][:, self.observer.rows, :]
        together = np.matmul(vectors, np.stack(states, axis=2))  # (modes, rows, states)
        waves = np.ascontiguousarray(together.transpose(2, 1, 0))
        shape = (len(states), len(self.observer.rows), *self.net.shape[1:])
        return np.asarray(idctn(waves.reshape(shape), norm="ortho", axes=(2, 3), overwrite_x=True))
