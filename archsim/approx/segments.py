"""Multipliers of short segments of the operands: DRUM, static segments, truncation at the leading one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from archsim.approx.base import Ints, Remap, leading_one


@dataclass(frozen=True)
class Drum(Remap):
    """DRUM (Hashemi, Bahar and Reda, ICCAD 2015): ``k`` bits from the leading one on, the lowest of them set to 1.

    An operand of at most ``k`` bits is taken as it is. Signed operands are multiplied as sign and magnitude.
    """

    k: int = 6

    family: ClassVar[str] = "drum"

    def _check(self) -> None:
        self._refuse("k", self.k, 2, self.bits)

    @property
    def name(self) -> str:
        """The name that `archsim.approx.multiplier` takes."""
        return f"drum{self.k}"

    @property
    def plainer(self) -> tuple[str, int]:
        """Name and bits of the plainest design with the same circuit."""
        return ("exact" if self.k == self.bits else self.name), self.bits

    def _map(self, values: Ints) -> Ints:
        shift = np.maximum(leading_one(values) - self.k + 1, 0)
        return np.where(shift > 0, (values >> shift | 1) << shift, values)


@dataclass(frozen=True)
class StaticSegment(Remap):
    """SSM: the ``m`` high bits of an operand that does not fit in ``m`` bits, else its ``m`` low bits.

    Two segments must cover the operand, so ``m`` is at least half its bits. Sign and magnitude.
    """

    m: int = 4

    family: ClassVar[str] = "ssm"

    def _check(self) -> None:
        self._refuse("m", self.m, (self.bits + 1) // 2, self.bits, ": two segments must cover an operand")

    @property
    def name(self) -> str:
        """The name that `archsim.approx.multiplier` takes."""
        return f"ssm{self.m}"

    @property
    def plainer(self) -> tuple[str, int]:
        """Name and bits of the plainest design with the same circuit."""
        return ("exact" if self.m == self.bits else self.name), self.bits

    def _map(self, values: Ints) -> Ints:
        rest = self.bits - self.m
        return np.where(values >> self.m, values >> rest << rest, values)


@dataclass(frozen=True)
class LeadingOne(Remap):
    """Truncation at the leading one: the ``t`` bits from there on, the others 0. Sign and magnitude."""

    t: int = 4

    family: ClassVar[str] = "lot"

    def _check(self) -> None:
        self._refuse("t", self.t, 1, self.bits)

    @property
    def name(self) -> str:
        """The name that `archsim.approx.multiplier` takes."""
        return f"lot{self.t}"

    @property
    def plainer(self) -> tuple[str, int]:
        """Name and bits of the plainest design with the same circuit."""
        return ("exact" if self.t == self.bits else self.name), self.bits

    def _map(self, values: Ints) -> Ints:
        shift = np.maximum(leading_one(values) - self.t + 1, 0)
        return values >> shift << shift
