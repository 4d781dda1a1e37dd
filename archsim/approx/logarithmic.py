"""Multipliers of logarithms: Mitchell's, with and without corrections, and the iterative one.

With a = 2**i (1 + x) and b = 2**j (1 + y), Mitchell takes log2(1 + x) as x, which gives 2**(i+j) (1 + x + y), or
2**(i+j+1) (x + y) if x + y is at least 1. All widths are kept, so every product here is a whole number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from archsim.approx.base import Ints, Multiplier, leading_one


def _mitchell(a: Ints, b: Ints) -> tuple[Ints, Ints, Ints]:
    """Return Mitchell's product of magnitudes, and two factors whose product is what it leaves out."""
    one = np.int64(1)
    i, j = leading_one(a), leading_one(b)
    top, rest_a, rest_b = one << (i + j), a - (one << i), b - (one << j)
    fraction = (rest_a << j) + (rest_b << i)
    carry = fraction >= top
    product = np.where(carry, 2 * fraction, top + fraction)
    left_a = np.where(carry, (one << i) - rest_a, rest_a)
    left_b = np.where(carry, (one << j) - rest_b, rest_b)
    none = (a == 0) | (b == 0)
    return np.where(none, 0, product), np.where(none, 0, left_a), np.where(none, 0, left_b)


@dataclass(frozen=True)
class Mitchell(Multiplier):
    """Mitchell's multiplier at full precision (IRE Transactions, 1962). Sign and magnitude."""

    family: ClassVar[str] = "mitchell"

    def _product(self, a: Ints, b: Ints) -> Ints:
        return _mitchell(a, b)[0]


@dataclass(frozen=True)
class MitchellWidth(Multiplier):
    """Mitchell's multiplier with fractions cut to ``w`` bits, the bits below taken as 0. Sign and magnitude."""

    w: int = 4

    family: ClassVar[str] = "mitchell_w"

    def _check(self) -> None:
        self._refuse("w", self.w, 0, self.bits - 1)

    @property
    def name(self) -> str:
        """The name that `archsim.approx.multiplier` takes."""
        return f"mitchell_w{self.w}"

    def _cut(self, values: Ints) -> Ints:
        shift = np.maximum(leading_one(values) - self.w, 0)
        return values >> shift << shift

    def _product(self, a: Ints, b: Ints) -> Ints:
        return _mitchell(self._cut(a), self._cut(b))[0]


@dataclass(frozen=True)
class MitchellConstant(Multiplier):
    """Mitchell's multiplier plus 2**(i+j) / 12, its mean error over uniform fractions, rounded to a whole number.

    The mean is that of x y where x + y < 1 and of (1 - x)(1 - y) elsewhere, 1/24 each. Sign and magnitude.
    """

    family: ClassVar[str] = "mitchell_c"

    def _product(self, a: Ints, b: Ints) -> Ints:
        top = np.int64(1) << (leading_one(a) + leading_one(b))
        return np.where((a == 0) | (b == 0), 0, _mitchell(a, b)[0] + (top + 6) // 12)


@dataclass(frozen=True)
class MitchellRest(Multiplier):
    """Mitchell's multiplier plus what it leaves out, a product as well, by the same multiplier; ``r`` times over.

    What it leaves out is x y 2**(i+j), or (1 - x)(1 - y) 2**(i+j) after a carry. Sign and magnitude.
    """

    r: int = 1

    family: ClassVar[str] = "mitchell_r"

    def _check(self) -> None:
        self._refuse("r", self.r, 0, self.bits)

    @property
    def name(self) -> str:
        """The name that `archsim.approx.multiplier` takes."""
        return f"mitchell_r{self.r}"

    def _product(self, a: Ints, b: Ints) -> Ints:
        total, a, b = _mitchell(a, b)
        for _ in range(self.r):
            more, a, b = _mitchell(a, b)
            total = total + more
        return total


@dataclass(frozen=True)
class Iterative(Multiplier):
    """The iterative logarithmic multiplier: 2**(i+j) (1 + x + y) without a carry, and ``r`` rests by the same.

    The rest is x y 2**(i+j), the product of both operands without their leading ones. Sign and magnitude.
    """

    r: int = 1

    family: ClassVar[str] = "ilm"

    def _check(self) -> None:
        self._refuse("r", self.r, 0, self.bits)

    @property
    def name(self) -> str:
        """The name that `archsim.approx.multiplier` takes."""
        return f"ilm{self.r}"

    def _product(self, a: Ints, b: Ints) -> Ints:
        a, b = np.broadcast_arrays(a, b)
        total = np.zeros(a.shape, np.int64)
        for _ in range(self.r + 1):
            i, j = leading_one(a), leading_one(b)
            none = (a == 0) | (b == 0)
            rest_a, rest_b = a - (np.int64(1) << i), b - (np.int64(1) << j)
            total = total + np.where(none, 0, (a << j) + (rest_b << i))
            a, b = np.where(none, 0, rest_a), np.where(none, 0, rest_b)
        return total
