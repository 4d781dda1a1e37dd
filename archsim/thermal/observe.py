"""Means and maxima of blocks over fields of temperatures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from archsim.thermal.network import Network

Array = NDArray[np.float64]


class Observer:
    """Reads the blocks of a network off the sublayers that hold any.

    Attributes
    ----------
    rows : ndarray of int
        Those sublayers, rising.
    """

    def __init__(self, net: Network) -> None:
        self._count = len(net.names)
        held = {row for start, stop in net.spans for row in range(start, stop)}
        self.rows = np.array(sorted(held), dtype=np.int64)
        self._groups = []
        for start, stop in sorted(set(net.spans)):
            here = [i for i, span in enumerate(net.spans) if span == (start, stop)]
            first = int(np.searchsorted(self.rows, start))
            weight = net.share_y[here] / net.cells_of_block[here, None]
            boxes = [(_reach(net.share_y[i]), _reach(net.share_x[i])) for i in here]
            self._groups.append((slice(first, first + stop - start), here, net.share_x[here], weight, boxes))

    def means(self, planes: Array) -> Array:
        """Return the mean of each block, (..., blocks), of planes (..., rows, ny, nx)."""
        found = np.zeros((*planes.shape[:-3], self._count))
        for rows, here, across, weight, _ in self._groups:
            layer = planes[..., rows, :, :].mean(axis=-3)
            found[..., here] = np.einsum("...yb,by->...b", layer @ across.T, weight)
        return found

    def peaks(self, planes: Array) -> Array:
        """Return the hottest cell that each block reaches into, (..., blocks)."""
        found = np.zeros((*planes.shape[:-3], self._count))
        for rows, here, _, _, boxes in self._groups:
            layer = planes[..., rows, :, :].max(axis=-3)
            for index, (high, wide) in zip(here, boxes, strict=True):
                found[..., index] = layer[..., high, wide].max(axis=(-2, -1))
        return found


def _reach(share: Array) -> slice:
    touched = np.flatnonzero(share)
    return slice(int(touched[0]), int(touched[-1]) + 1)
