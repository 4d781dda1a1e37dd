"""Leakage that grows with temperature: the steady state where there is one, and certainty where there is none.

The means of the leaking blocks obey T = T0 + R L(T), with T0 without leakage, R >= 0 the thermal resistances between
blocks and L rising and convex. Newton's steps from T0 then rise towards the lowest solution and never pass it, as long
as there is one; and all along, the spectral radius of R dL/dT stays below 1. The first step where it does not proves
that no temperature is steady.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from archsim.errors import InputError
from archsim.thermal.spec import Stack

Array = NDArray[np.float64]
#: Steps of Newton's method: near the limit, where it halves the distance only, double precision ends before.
_STEPS = 100
#: Kelvin within which a solution is one.
_CLOSE_K = 1e-10


class RunawayError(InputError):
    """Leakage heats the stack faster than heat leaves it."""


@dataclass(frozen=True)
class Leaks:
    """The leaking blocks of a stack.

    Attributes
    ----------
    index : ndarray of int (leaking,)
        Which blocks of the stack leak.
    names : tuple of str
    power_w, at_k, beta_per_k : ndarray (leaking,)
    """

    index: NDArray[np.int64]
    names: tuple[str, ...]
    power_w: Array
    at_k: Array
    beta_per_k: Array

    @classmethod
    def of(cls, stack: Stack) -> Leaks:
        """Return the leaking blocks of a stack."""
        blocks = stack.blocks
        found = [
            i for i, block in enumerate(blocks) if block.leakage is not None and block.leakage.power_w > 0
        ]
        each = [leakage for i in found if (leakage := blocks[i].leakage) is not None]
        return cls(
            np.array(found, dtype=np.int64),
            tuple(blocks[i].name for i in found),
            np.array([leak.power_w for leak in each]),
            np.array([leak.at_k for leak in each]),
            np.array([leak.beta_per_k for leak in each]),
        )

    def watts(self, temperature_k: Array) -> Array:
        """Return the leakage of each at its temperature."""
        # Beyond any temperature that means something, so that nothing overflows.
        exponent = np.minimum(self.beta_per_k * (temperature_k - self.at_k), 500.0)
        return np.asarray(self.power_w * np.exp(exponent))

    def check(self, temperature_k: Array, limit_k: float, when: str = "") -> None:
        """Refuse temperatures beyond the limit of the stack."""
        over = np.flatnonzero(temperature_k > limit_k)
        if over.size:
            worst = int(over[np.argmax(temperature_k[over])])
            leak = float(self.watts(temperature_k)[worst])
            raise RunawayError(
                f"block {self.names[worst]!r}: thermal runaway{when}: it passes limit_k = {limit_k:g} with "
                f"{leak:.3g} W of leakage; lower its power or leakage, or raise limit_k"
            )

    def settle(self, base_k: Array, resistance: Array) -> Array:
        """Return the steady temperatures of the leaking blocks.

        Parameters
        ----------
        base_k : ndarray (leaking,)
            Without leakage.
        resistance : ndarray (leaking, leaking)
            K/W from each block to each.

        Raises
        ------
        RunawayError
            When there are none.
        """
        found, gain = self._newton(base_k, resistance, 1.0)
        if gain >= 1.0:
            worst = int(np.argmax(found - base_k))
            share = self._limit(base_k, resistance)
            raise RunawayError(
                f"block {self.names[worst]!r}: thermal runaway: no temperature is steady; at {found[worst]:.1f} K "
                f"a watt more makes {gain:.2f} W more leakage; at most {share:.3f} of the leakage could be carried"
            )
        return found

    def _newton(self, base_k: Array, resistance: Array, scale: float) -> tuple[Array, float]:
        """Return where Newton's method ends, and the loop gain there; 1 or more means there is no solution."""
        found = base_k.copy()
        one = np.eye(len(found))
        gain = 0.0
        for _ in range(_STEPS):
            leak = scale * self.watts(found)
            loop = resistance * (leak * self.beta_per_k)
            gain = float(np.abs(np.linalg.eigvals(loop)).max())
            if gain >= 1.0:
                return found, gain
            change = np.linalg.solve(one - loop, base_k + resistance @ leak - found)
            found = found + change
            if np.abs(change).max() <= _CLOSE_K:
                return found, gain
        return found, max(gain, 1.0)

    def _limit(self, base_k: Array, resistance: Array) -> float:
        """Return the greatest share of the leakage with which there still is a steady state."""
        low, high = 0.0, 1.0
        for _ in range(30):
            middle = (low + high) / 2
            if self._newton(base_k, resistance, middle)[1] < 1.0:
                low = middle
            else:
                high = middle
        return low
