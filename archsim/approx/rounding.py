"""Multipliers that round operands: RoBA and TOSAM."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from archsim.approx.base import Ints, Multiplier, Terms, leading_one, odd


@dataclass(frozen=True)
class Roba(Multiplier):
    """RoBA: a' b + b' a - a' b', with a' and b' the nearest powers of two; exact but for (a - a')(b - b').

    Halfway, at 3 * 2**p, the higher power is taken, but for 3 itself, which becomes 2. Sign and magnitude.
    """

    family: ClassVar[str] = "roba"

    @staticmethod
    def _rest(values: Ints) -> Ints:
        """Return what rounding changes: the operand less its nearest power of two."""
        place = leading_one(values)
        up = (2 * values >= np.int64(3) << place) & (values != 3)
        return np.where(values > 0, values - (np.int64(1) << (place + up)), 0)

    def _product(self, a: Ints, b: Ints) -> Ints:
        return a * b - self._rest(a) * self._rest(b)

    def terms(self) -> Terms:
        """Return the exact product and what is left out of it."""
        rest = odd(self._rest) if self.signed else self._rest
        return ((1, lambda values: values, lambda values: values), (-1, rest, rest))


@dataclass(frozen=True)
class Tosam(Multiplier):
    """TOSAM(h, t): 2**(i+j) (1 + x_t + y_t + x_h y_h) with a = 2**i (1 + x) and b = 2**j (1 + y).

    x_t has the ``t`` high bits of the fraction x, and x_h its ``h`` high bits with a 1 after them. Bits of the product
    below 1 are left out. Sign and magnitude.
    """

    h: int = 1
    t: int = 5

    family: ClassVar[str] = "tosam"

    def _check(self) -> None:
        self._refuse("t", self.t, 1, self.bits - 1)
        self._refuse("h", self.h, 0, self.t, f" and t = {self.t}")

    @property
    def name(self) -> str:
        """The name that `archsim.approx.multiplier` takes."""
        return f"tosam_{self.h}_{self.t}"

    def _product(self, a: Ints, b: Ints) -> Ints:
        scale = max(2 * self.h + 2, self.bits)  # bits below the point: enough for every term
        i, j = leading_one(a), leading_one(b)
        x, y = ((a << scale) >> i) - (1 << scale), ((b << scale) >> j) - (1 << scale)
        cut, high = scale - self.t, scale - self.h
        sums = (1 << scale) + (x >> cut << cut) + (y >> cut << cut)
        total = sums + (((x >> high) * 2 + 1) * ((y >> high) * 2 + 1) << (scale - 2 * self.h - 2))
        up = i + j - scale
        product = np.where(up >= 0, total << np.maximum(up, 0), total >> np.maximum(-up, 0))
        return np.where((a == 0) | (b == 0), 0, product)
