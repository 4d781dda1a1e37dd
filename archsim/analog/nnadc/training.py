"""Training of networks in the loop: weights on the levels of the cells, with the variation that programming brings.

The same seed trains the same levels on every machine. NumPy alone is used, and of it only + - * / and square roots; the
factors of every matrix product are first rounded to whole multiples of powers of two, so few that the sums are exact:
the order in which a library adds does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archsim.analog.device import Cell
from archsim.analog.elementary import exp, key_of, normals, uniforms
from archsim.analog.nnadc.spec import Training

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

#: Bits of the factors of products: one fine, one coarse, and sums of up to 2**10 of them stay below 2**53.
_FINE, _COARSE = 23, 20
_START, _INPUT, _CELLS, _OFFSET = 0x5E0, 0x5E1, 0x5E2, 0x5E3


@dataclass(frozen=True)
class Plan:
    """What to train: how (the specification), for which cells, and for which circuit.

    Attributes
    ----------
    training : Training
    cell : Cell
    gain : float
        Slope of the neurons.
    neuron_sigma : float
        Standard deviation of their offsets, in units of their range.
    """

    training: Training
    cell: Cell
    gain: float
    neuron_sigma: float

    @property
    def targets(self) -> list[F64]:
        """Inputs, increasing, at which each output is to change; all begin at 0."""
        return targets(self.training)


def targets(training: Training) -> list[F64]:
    """Return the inputs, in [-1, 1], at which the bits of a code change, one array per output."""
    steps = 1 << training.bits
    number = np.arange(steps)
    if training.code == "thermometer":
        bits = number[None, :] > np.arange(steps - 1)[:, None]
    else:
        gray = number ^ (number >> 1)
        bits = (gray[None, :] >> np.arange(training.bits - 1, -1, -1)[:, None]) & 1 == 1
    return [-1.0 + 2.0 * (np.flatnonzero(each[1:] != each[:-1]) + 1) / steps for each in bits]


def quantise(cell: Cell, g: F64) -> F64:
    """Return the nearest levels, in siemens."""
    return cell.levels_s()[cell.nearest_level(g)]


def _whole(values: F64, bits: int) -> F64:
    """Round to whole multiples of a power of two: the largest value takes ``bits`` bits."""
    _, exponent = np.frexp(np.abs(values).max())
    unit = 2.0 ** (int(exponent) - bits)
    return np.rint(values / unit) * unit


class Trainer:
    """The state of one training: conductances as real numbers within the range of the cell, and their moments."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.training, self.cell = plan, plan.training, plan.cell
        self.targets = plan.targets
        self.seed = plan.training.seed
        low, high = plan.cell.g_min_s, plan.cell.g_max_s
        hidden, place = self._start_hidden()
        output = self._start_output(place)
        self.values = [np.clip(hidden, low, high), np.clip(output, low, high)]
        self.first = [np.zeros_like(value) for value in self.values]
        self.second = [np.zeros_like(value) for value in self.values]

    def _start_hidden(self) -> tuple[F64, F64]:
        """Return conductances of neurons that switch at places spread over the range, and these places."""
        count, low = self.training.hidden, self.cell.g_min_s
        span = self.cell.g_max_s - low
        furthest = max(0.05, 1.15 * max(float(np.abs(each).max()) for each in self.targets))
        place = ((2.0 * np.arange(count) + 1.0) / count - 1.0) * furthest
        need = -place * span  # (g0 - g1) v + (g2 - g3) = 0 at v = place
        rows = [
            np.full(count, low + span),
            np.full(count, low),
            low + np.maximum(need, 0.0),
            low + np.maximum(-need, 0.0),
        ]
        return np.stack(rows, axis=1), place

    def _start_output(self, place: F64) -> F64:
        """Return conductances of outputs: random, with more on the neurons that switch where they should change."""
        span, hidden, outputs = self.cell.g_max_s - self.cell.g_min_s, self.training.hidden, len(self.targets)
        draws = uniforms(key_of(self.seed, _START), (2, outputs, hidden + 2))
        output = self.cell.g_min_s + span * (0.3 + 0.2 * draws)
        for k, at in enumerate(self.targets):
            distance = np.abs(place[:, None] - at)
            reach = 2.0 * max(1.0 / hidden, 0.6 / (outputs + 1) if at.size == 1 else 0.0)
            direction = np.where(distance.argmin(axis=1) % 2 == 0, 1.0, -1.0)
            pull = 0.5 * span * direction * np.maximum(0.0, 1.0 - distance.min(axis=1) / reach)
            output[0, k, :-2] += pull
            output[1, k, :-2] -= pull
        return output

    def levels(self) -> tuple[I64, I64]:
        """Return the levels of both layers."""
        return self.cell.nearest_level(self.values[0]), self.cell.nearest_level(self.values[1])

    def run(self) -> list[float]:
        """Train; return the loss of each step."""
        losses = []
        for step in range(self.training.steps):
            loss, slopes = self._slopes(step)
            losses.append(loss)
            self._move(step, slopes)
        return losses

    def _move(self, step: int, slopes: list[F64]) -> None:
        """One step of Adam, in units of the range of the cell; then back into the range."""
        low, high = self.cell.g_min_s, self.cell.g_max_s
        span = high - low
        left = 1.0 - step / self.training.steps
        rate = self.training.rate * (0.05 + 0.95 * left)
        for value, first, second, slope in zip(self.values, self.first, self.second, slopes, strict=True):
            slope = slope * span
            first += 0.1 * (slope - first)
            second += 0.01 * (slope * slope - second)
            unbias1, unbias2 = 1.0 - 0.9 ** (step + 1), 1.0 - 0.99 ** (step + 1)
            value -= span * rate * (first / unbias1) / (np.sqrt(second / unbias2) + 1e-8)
            np.clip(value, low, high, out=value)

    def _slopes(self, step: int) -> tuple[float, list[F64]]:
        """Return the loss of one batch and its slopes by the conductances of both layers.

        The levels are taken forwards, and the slopes go to the numbers behind them as if there were none (straight
        through). Shapes: device, hidden or output, input.
        """
        training, cell = self.training, self.cell
        devices, count, hidden = training.devices, training.batch, training.hidden
        v = training.reach * (2.0 * uniforms(key_of(self.seed, _INPUT, step), (count,)) - 1.0)
        v = _whole(v, _COARSE)
        factor = [
            exp(cell.program_sigma * normals(key_of(self.seed, _CELLS, step, layer), (devices, *value.shape)))
            for layer, value in enumerate(self.values)
        ]
        offset = self.plan.neuron_sigma * normals(key_of(self.seed, _OFFSET, step), (devices, hidden, 1))
        g = _whole(quantise(cell, self.values[0]) * factor[0], _FINE)
        total = g.sum(axis=2, keepdims=True)
        line = np.stack([v, -v, np.ones(count), -np.ones(count)])
        u = (g @ line) / total
        z = self.plan.gain * (u + offset)
        root = 1.0 / np.sqrt(1.0 + z * z)
        rails = np.ones((devices, 1, count))
        a = _whole(np.concatenate([z * root, rails, -rails], axis=1), _COARSE)
        q = _whole(quantise(cell, self.values[1]) * factor[1], _FINE)
        sums = q.sum(axis=3, keepdims=True)
        path = (q @ a[:, None]) / sums
        loss, dy = self._loss(path[:, 0] - path[:, 1], v)
        dpath = _whole(np.stack([dy, -dy], axis=1), _FINE)
        dq = (dpath @ a[:, None].transpose(0, 1, 3, 2) - (dpath * path).sum(axis=3, keepdims=True)) / sums
        share = _whole(q / sums, _COARSE)
        da = (share.transpose(0, 1, 3, 2) @ dpath).sum(axis=1)[:, :hidden]
        du = _whole(da * root * root * root * self.plan.gain, _FINE)
        dg = (du @ line.T - (du * u).sum(axis=2, keepdims=True)) / total
        return loss, [(dg * factor[0]).sum(axis=0), (dq * factor[1]).sum(axis=0)]

    def _loss(self, y: F64, v: F64) -> tuple[float, F64]:
        """Return the mean square of what outputs lack to the margin on the right side, and its slope by them."""
        target, wanted = np.empty((2, len(self.targets), v.size))
        for k, at in enumerate(self.targets):
            target[k] = np.where(np.searchsorted(at, v) % 2 == 1, 1.0, -1.0)
            distance = np.abs(v[:, None] - at).min(axis=1)
            wanted[k] = np.minimum(1.0, distance / self.training.width) if self.training.width else 1.0
        lack = np.maximum(0.0, wanted - target * y / self.training.margin)
        return float(np.mean(lack * lack)), -2.0 * lack * target / self.training.margin / y.size


def train_network(plan: Plan) -> tuple[I64, I64]:
    """Train by itself the network of a stage; return the levels of both layers."""
    trainer = Trainer(plan)
    trainer.run()
    return trainer.levels()
