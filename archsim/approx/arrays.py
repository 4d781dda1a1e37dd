"""Multipliers that leave cells out of the array of partial products, and Kulkarni's of 2x2 blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from archsim.approx.base import TWOS_COMPLEMENT, Ints, Multiplier, Terms, odd
from archsim.errors import InputError


@dataclass(frozen=True)
class BrokenArray(Multiplier):
    """The broken array: no cell for bit i of a and bit j of b where i + j < ``v``, nor where j < ``h``.

    ``v`` is the vertical and ``h`` the horizontal break. Signed, a cell of one sign bit counts with a negative weight,
    as in two's complement; a cell left out adds 0, and the constants of a Baugh-Wooley array stay.
    """

    v: int = 0
    h: int = 0

    family: ClassVar[str] = "bam"
    signed_form: ClassVar[str] = TWOS_COMPLEMENT

    def _check(self) -> None:
        self._refuse("v", self.v, 0, 2 * self.bits - 1)
        self._refuse("h", self.h, 0, self.bits)

    @property
    def name(self) -> str:
        """The name that `archsim.approx.multiplier` takes."""
        return f"bam_{self.h}_{self.v}" if self.h else f"bam_{self.v}"

    @property
    def plainer(self) -> tuple[str, int]:
        """Name and bits of the plainest design with the same circuit."""
        # Rows that have no cell within the vertical break need no horizontal one, and the other way round.
        v = self.v if self.v > self.h else 0
        h = self.h if self.h > v - self.bits + 1 else 0
        if not h and not v:
            return "exact", self.bits
        return (f"bam_{h}_{v}" if h else f"bam_{v}"), self.bits

    def _multiply(self, a: Ints, b: Ints) -> Ints:
        a, b = np.broadcast_arrays(a, b)
        total = np.zeros(a.shape, np.int64)
        top = self.bits - 1
        for j in range(self.h, self.bits):
            kept = max(self.v - j, 0)  # bits of a below this one have no cell in row j
            row = np.where(b >> j & 1, a >> kept << kept, 0) if kept <= top else 0
            total = total - (row << j) if self.signed and j == top else total + (row << j)
        return total


@dataclass(frozen=True)
class PartialProducts(BrokenArray):
    """Partial products of the ``v`` low columns left out, and a constant instead: the mean of what is left out.

    The mean, over all pairs of operands, is that of the cells, a quarter of each weight, rounded to a whole number.
    """

    family: ClassVar[str] = "ppt"

    @property
    def name(self) -> str:
        """The name that `archsim.approx.multiplier` takes."""
        return f"ppt_{self.v}"

    @property
    def plainer(self) -> tuple[str, int]:
        """Name and bits of the plainest design with the same circuit."""
        return (self.name, self.bits) if self.constant or self.v else ("exact", self.bits)

    def _multiply(self, a: Ints, b: Ints) -> Ints:
        return super()._multiply(a, b) + self.constant

    @property
    def constant(self) -> int:
        """What is added to every product."""
        top, sign = self.bits - 1, -1 if self.signed else 1
        left_out = sum(
            (1 << (i + j)) * (sign if (i == top) != (j == top) else 1)
            for i in range(self.bits)
            for j in range(self.bits)
            if i + j < self.v
        )
        return (left_out + 2) // 4


@dataclass(frozen=True)
class Udm(Multiplier):
    """Kulkarni's multiplier of 2x2 blocks, each exact but for 3 x 3 = 7, with exact adders. Sign and magnitude.

    The blocks' errors add up to -2 u(a) u(b), where u(x) holds a 1 in base 4 at every digit 3 of x.
    """

    family: ClassVar[str] = "udm"
    least_bits: ClassVar[int] = 2

    def _check(self) -> None:
        if self.bits % 2:
            raise InputError(f"udm: bits = {self.bits}: must be even, for blocks of 2x2 bits")

    def _threes(self, values: Ints) -> Ints:
        ones = sum(1 << place for place in range(0, self.bits, 2))
        return values & values >> 1 & ones

    def _product(self, a: Ints, b: Ints) -> Ints:
        return a * b - 2 * self._threes(a) * self._threes(b)

    def terms(self) -> Terms:
        """Return the exact product and the error of the blocks."""
        threes = odd(self._threes) if self.signed else self._threes
        return ((1, lambda values: values, lambda values: values), (-2, threes, threes))
