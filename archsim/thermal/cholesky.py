"""Cholesky factorisation of a network on a grid, front by front: the direct solver of stacks that are not uniform.

Each step of the plan gathers the equations of its columns and what its children left of theirs in a dense matrix,
eliminates its columns there, and leaves the rest to its parent (Duff and Reid's multifrontal method, George's nested
dissection). Nearly all work is in dense matrix products, which run at the speed of the processor.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.thermal.dissection import Front, plan
from archsim.thermal.network import StiffError

Array = NDArray[np.float64]
#: Most entries of the factors.
MOST_ENTRIES = 1 << 29


class GridCholesky:
    """The factors of a symmetric positive definite matrix whose entries join neighbours of a grid.

    Parameters
    ----------
    diagonal : ndarray (nz, ny, nx)
    along_x, along_y, along_z : ndarray (nz, ny, nx - 1), (nz, ny - 1, nx), (nz - 1, ny, nx)
        Conductances between neighbours; the entries of the matrix are their negatives.
    """

    def __init__(self, diagonal: Array, along_x: Array, along_y: Array, along_z: Array) -> None:
        self._nz, self._ny, self._nx = diagonal.shape
        self._plan = plan(self._nx, self._ny)
        columns_held = sum((f.last - f.first) * (f.last - f.first + len(f.ring)) for f in self._plan.fronts)
        if columns_held * self._nz**2 > MOST_ENTRIES:
            size = columns_held * self._nz**2 * 8 / 1e9
            raise InputError(
                f"grid {self._nx}x{self._ny} in {self._nz} sublayers: its factors take {size:.1f} GB; "
                f"at most {MOST_ENTRIES * 8 / 1e9:.1f} GB; take fewer cells"
            )
        order, nz = self._plan.order, self._nz
        columns = np.ascontiguousarray(diagonal.reshape(nz, -1)[:, order].T)
        below = np.ascontiguousarray(-along_z.reshape(nz - 1, order.size)[:, order].T)
        edges = np.ascontiguousarray(
            -np.concatenate([along_x.reshape(nz, -1), along_y.reshape(nz, -1)], axis=1).T
        )
        self._lower: list[tuple[Array, Array]] = []
        waiting: list[list[tuple[Front, Array]]] = [[] for _ in self._plan.fronts]
        for number, front in enumerate(self._plan.fronts):
            left = self._eliminate(front, waiting[number], columns, below, edges)
            waiting[number] = []
            if front.parent >= 0:
                waiting[front.parent].append((front, left))

    def _eliminate(
        self, front: Front, children: list[tuple[Front, Array]], columns: Array, below: Array, edges: Array
    ) -> Array:
        """Assemble a front, eliminate its columns, and return what remains for its ring."""
        from scipy.linalg.blas import dsyrk, dtrsm
        from scipy.linalg.lapack import dpotrf

        nz, count, ring = self._nz, front.last - front.first, len(front.ring)
        own = np.zeros((count, nz, count, nz))  # symmetric: its transpose in Fortran's order is itself
        side = np.zeros((count, nz, ring, nz))
        rest = np.zeros((ring * nz, ring * nz), order="F")
        here, z = np.arange(count)[:, None], np.arange(nz)
        own[here, z, here, z] = columns[front.first : front.last]
        down = below[front.first : front.last]
        own[here, z[:-1], here, z[1:]] = down
        own[here, z[1:], here, z[:-1]] = down
        one, other, edge = (each[:, None] for each in front.inner)
        own[one, z, other, z] = own[other, z, one, z] = edges[edge[:, 0]]
        one, other, edge = (each[:, None] for each in front.outer)
        side[one, z, other, z] = edges[edge[:, 0]]
        first = own.reshape(count * nz, count * nz).T
        second = side.reshape(count * nz, ring * nz).T
        for child, left in children:
            _take_up(child, left, nz, count, (first, second, rest))
        first, failed = dpotrf(first, lower=1, clean=0, overwrite_a=1)
        if failed:
            raise StiffError
        if ring:
            second = dtrsm(1.0, first, second, side=1, lower=1, trans_a=1, overwrite_b=1)
            rest = dsyrk(-1.0, second, beta=1.0, c=rest, lower=1, overwrite_c=1)
        self._lower.append((first, second))
        return rest

    def solve(self, right: Array) -> Array:
        """Return the solution for right sides (nz, ny, nx) or (nz, ny, nx, sides)."""
        from scipy.linalg.blas import dtrsm

        nz, sides = self._nz, 1 if right.ndim == 3 else right.shape[3]
        order = self._plan.order
        table = right.reshape(nz, order.size, sides)[:, order].transpose(1, 0, 2).copy()
        for front, (first, second) in zip(self._plan.fronts, self._lower, strict=True):
            own = table[front.first : front.last].reshape(-1, sides)
            own[:] = dtrsm(1.0, first, own, lower=1)
            if len(front.ring):
                table[front.ring] -= (second @ own).reshape(-1, nz, sides)
        for front, (first, second) in zip(self._plan.fronts[::-1], self._lower[::-1], strict=True):
            own = table[front.first : front.last].reshape(-1, sides)
            if len(front.ring):
                own -= second.T @ table[front.ring].reshape(-1, sides)
            own[:] = dtrsm(1.0, first, own, lower=1, trans_a=1)
        found = np.empty((nz, order.size, sides))
        found[:, order] = table.transpose(1, 0, 2)
        return found.reshape(right.shape)


def _take_up(child: Front, left: Array, nz: int, count: int, front: tuple[Any, Any, Any]) -> None:
    """Add what a child left to the parts of its parent's front; only lower triangles matter."""
    first, second, rest = front
    for index, column in enumerate(child.runs):
        c0, c1 = column.source * nz, (column.source + column.length) * nz
        for row in child.runs[index:]:
            r0, r1 = row.source * nz, (row.source + row.length) * nz
            part = left[r0:r1, c0:c1]
            if row.source < child.split:
                target, r, c = first, row.target, column.target
            elif column.source < child.split:
                target, r, c = second, row.target - count, column.target
            else:
                target, r, c = rest, row.target - count, column.target - count
            target[r * nz : r * nz + r1 - r0, c * nz : c * nz + c1 - c0] += part
