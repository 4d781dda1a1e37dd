"""Differential pairs: weights of both signs from two positive conductances each.

Current mode: two bit lines per output, whose currents are subtracted. Voltage mode: two word lines per input, driven by
``v`` and by ``v`` mirrored at a common voltage, so that one bit line forms
``sum((g_plus - g_minus) v) / sum(g_plus + g_minus)``; the weights of an output are ratios, and their sizes add up to at
most 1. That this is what a dual-path crossbar is, is a stated default.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archsim.analog.arrays import instance, number, numbers
from archsim.analog.crossbar import Crossbar, Wires
from archsim.errors import InputError

F64 = NDArray[np.float64]


class DualPath:
    """A crossbar of differential pairs.

    Parameters
    ----------
    g_plus_s, g_minus_s : array_like of float64, shape (m, n)
        Conductances of the two cells of each pair, in siemens.
    wires : Wires
    common_v : float
        Voltage mode: where inputs are mirrored.

    Attributes
    ----------
    crossbar : Crossbar
        Of shape (m, 2 n) in current mode, (2 m, n) in voltage mode; the cells of a pair are neighbours, plus first.
    """

    def __init__(
        self, g_plus_s: ArrayLike, g_minus_s: ArrayLike, wires: Wires | None = None, common_v: float = 0.0
    ):
        plus, minus = numbers(g_plus_s, "conductances"), numbers(g_minus_s, "conductances")
        if plus.ndim != 2 or plus.shape != minus.shape:
            raise InputError(
                f"conductances of shapes {plus.shape} and {minus.shape}: must both be (inputs, outputs)"
            )
        wires = instance(wires or Wires(), Wires, "wires")
        m, n = plus.shape
        if wires.output == "current":
            pairs = np.stack([plus, minus], axis=2).reshape(m, 2 * n)
        else:
            pairs = np.stack([plus, minus], axis=1).reshape(2 * m, n)
        self.crossbar = Crossbar(pairs, wires)
        self.common_v = number("common_v", common_v, -1e6, 1e6)
        self.shape = (m, n)

    @property
    def _is_current(self) -> bool:
        return self.crossbar.wires.output == "current"

    def ideal(self) -> DualPath:
        """Return the same pairs without any resistance of wires, drivers and ends."""
        step = (slice(None), slice(None, None, 2), slice(1, None, 2))
        both = [(step[0], part) if self._is_current else (part, step[0]) for part in step[1:]]
        g_s = self.crossbar.g_s
        return DualPath(g_s[both[0]], g_s[both[1]], self.crossbar.wires.ideal, self.common_v)

    @cached_property
    def transfer(self) -> F64:
        """What one volt of an input makes of each output, shape (m, n): A/V, or V/V in voltage mode."""
        whole = self.crossbar.transfer
        return whole[:, 0::2] - whole[:, 1::2] if self._is_current else whole[0::2] - whole[1::2]

    @cached_property
    def offset(self) -> F64:
        """What the common voltage adds to each output, shape (n,)."""
        if self._is_current:
            return np.zeros(self.shape[1])
        found: F64 = 2.0 * self.common_v * self.crossbar.transfer[1::2].sum(axis=0)
        return found

    def outputs(self, v: ArrayLike) -> F64:
        """Return the outputs for voltages of shape (..., m), shape (..., n)."""
        lines = self.crossbar.outputs(self.line_voltages(v))
        return lines[..., 0::2] - lines[..., 1::2] if self._is_current else lines

    def solve_sinh(self, v: ArrayLike, sinh_v: float) -> F64:
        """Return the outputs with nonlinear cells; see `Crossbar.solve_sinh`."""
        lines = self.crossbar.solve_sinh(self.line_voltages(v), sinh_v)
        return lines[..., 0::2] - lines[..., 1::2] if self._is_current else lines

    def line_voltages(self, v: ArrayLike) -> F64:
        """Return the voltages of the word lines for inputs of shape (..., m)."""
        v = numbers(v, "inputs")
        if v.ndim == 0 or v.shape[-1] != self.shape[0]:
            raise InputError(f"inputs of shape {v.shape}: the last must be {self.shape[0]}")
        if self._is_current:
            return v
        return np.stack([v, 2.0 * self.common_v - v], axis=-1).reshape(*v.shape[:-1], 2 * v.shape[-1])
