"""The sub-converter of a stage: a network of one hidden layer on voltage-mode crossbars, and what it decides.

A hidden neuron is a column with four cells, on the input, its complement, and both bias lines. Its voltage is a ratio,
``u = ((g0 - g1) v + (g2 - g3)) / (g0 + g1 + g2 + g3)``, so that the sizes of its weights add up to at most 1. An
inverter follows, ``a = f(gain (u + offset))`` with ``f(z) = z / sqrt(1 + z**2)``; that it inverts is undone by how the
next layer is wired. An output has a dual path: two columns on all neurons and both bias lines, whose voltages a
comparator compares, ``y = sum(g+ a) / sum(g+) - sum(g- a) / sum(g-)``. Its bit is 1 where y is positive.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

HIDDEN_CELLS = 4
_BISECTIONS = 44


@dataclass(frozen=True)
class FabricatedNetwork:
    """A fabricated network.

    Attributes
    ----------
    hidden_s : ndarray, shape (hidden, 4)
        Conductances on the input, its complement, the high and the low bias line.
    output_s : ndarray, shape (2, outputs, hidden + 2)
        Conductances of both paths on the neurons, the high and the low bias line.
    gain : float
        Slope of the neurons at 0, both sides in units of their range.
    neuron_offset, comparator_offset : ndarray, shapes (hidden,) and (outputs,)
        In units of the ranges of neurons and outputs.
    """

    hidden_s: F64
    output_s: F64
    gain: float
    neuron_offset: F64
    comparator_offset: F64

    def neurons(self, v: F64) -> F64:
        """Return the outputs of the neurons, shape (len(v), hidden), of inputs in [-1, 1]."""
        g = self.hidden_s
        total = g.sum(axis=1)
        z = v[:, None] * (self.gain * (g[:, 0] - g[:, 1]) / total)
        z += self.gain * ((g[:, 2] - g[:, 3]) / total + self.neuron_offset)
        found: F64 = z / np.sqrt(1.0 + z * z)
        return found

    def outputs(self, v: F64) -> F64:
        """Return the difference that each comparator sees, shape (len(v), outputs), of inputs in [-1, 1]."""
        weight = self.output_s / self.output_s.sum(axis=2, keepdims=True)
        fall = weight[0] - weight[1]
        total = np.tile(fall[:, -2] - fall[:, -1] + self.comparator_offset, (v.size, 1))
        # One neuron after another: a library's product would add in an order of its own, and thresholds with it.
        for column, share in zip(self.neurons(v).T, fall.T, strict=False):
            total += column[:, None] * share
        return total

    def read_variance(self, v: F64) -> F64:
        """Return the variance of each comparator's difference per variance of ln(g) of all cells at once.

        To first order: a cell on a line moves its column by its share of the conductance times line less column.
        Shape (len(v), outputs).
        """
        share = self.hidden_s / self.hidden_s.sum(axis=1, keepdims=True)
        line = np.stack([v, -v, np.ones_like(v), -np.ones_like(v)], axis=1)
        u = line @ share.T
        spread = np.einsum("hc,nhc->nh", share * share, (line[:, None, :] - u[:, :, None]) ** 2)
        a = self.neurons(v)
        # f' of f(z) = z / sqrt(1 + z^2) is (1 - f^2)^(3/2).
        steep = self.gain * (1.0 - a * a) ** 1.5
        weight = self.output_s / self.output_s.sum(axis=2, keepdims=True)
        fall = (weight[0] - weight[1])[:, :-2]
        total: F64 = (steep * steep * spread) @ (fall * fall).T
        rails = np.ones((v.size, 1))
        rows = np.concatenate([a, rails, -rails], axis=1)
        for path in weight:
            y = rows @ path.T
            total += np.einsum("kr,nkr->nk", path * path, (rows[:, None, :] - y[:, :, None]) ** 2)
        return total

    def bits(self, v: F64) -> NDArray[np.bool_]:
        """Return the bits, shape (len(v), outputs)."""
        found: NDArray[np.bool_] = self.outputs(v) > 0.0
        return found


@dataclass(frozen=True)
class Crossing:
    """Where one output changes its bit.

    Attributes
    ----------
    at : ndarray
        Thresholds, increasing; exact to the last places of a double.
    slope : ndarray
        Of the comparator's difference at each.
    read_variance : ndarray
        As `FabricatedNetwork.read_variance`, at each.
    before : bool
        The bit below all of them.
    """

    at: F64
    slope: F64
    read_variance: F64
    before: bool

    def noise(self, comparator: float, read: float) -> float:
        """Return the rms noise of the steepest threshold, at the input, for that of comparator and cells."""
        if not self.at.size:
            return 0.0
        steepest = int(np.abs(self.slope).argmax())
        variance = comparator * comparator + read * read * float(self.read_variance[steepest])
        return float(np.sqrt(variance)) / max(abs(float(self.slope[steepest])), 1e-6)

    def decide(self, v: F64) -> NDArray[np.bool_]:
        """Return the bit at each input."""
        if self.at.size == 1 and not self.before:
            bit: NDArray[np.bool_] = v > self.at[0]
        else:
            bit = ((np.searchsorted(self.at, v, side="left") & 1) == 1) ^ self.before
        return bit


def crossings(network: FabricatedNetwork, reach: float, points: int = 1025) -> list[Crossing]:
    """Return the crossings of every output within +-``reach``.

    A change of sign between two of ``points`` inputs is bisected to the last bit of a double; what crosses twice
    between two of them stays unseen.
    """
    grid = np.linspace(-reach, reach, points)
    sign = network.bits(grid)
    edge, output = np.nonzero(sign[1:] != sign[:-1])
    low, high = grid[edge], grid[edge + 1]
    rises = sign[edge + 1, output]
    column = np.arange(edge.size)
    for _ in range(_BISECTIONS):
        middle = 0.5 * (low + high)
        up = network.bits(middle)[column, output] == rises
        high = np.where(up, middle, high)
        low = np.where(up, low, middle)
    step = 1e-4
    slope = (network.outputs(high + step)[column, output] - network.outputs(high - step)[column, output]) / (
        2 * step
    )
    variance = network.read_variance(high)[column, output]
    found = []
    for k in range(sign.shape[1]):
        mine = output == k
        # Bits are 1 above 0: the last input of the lower bit is the threshold.
        found.append(Crossing(low[mine], slope[mine], variance[mine], bool(sign[0, k])))
    return found
