"""The exact multiplier, and one that leaves out low bits of its operands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from archsim.approx.base import TWOS_COMPLEMENT, Ints, Multiplier, Terms


@dataclass(frozen=True)
class Exact(Multiplier):
    """The exact product."""

    family: ClassVar[str] = "exact"
    signed_form: ClassVar[str] = TWOS_COMPLEMENT
    least_bits: ClassVar[int] = 2

    def _multiply(self, a: Ints, b: Ints) -> Ints:
        return a * b

    def terms(self) -> Terms:
        """Return the one term."""
        return ((1, lambda values: values, lambda values: values),)


@dataclass(frozen=True)
class Truncate(Multiplier):
    """The exact product of operands whose ``t`` low bits are taken as 0.

    On two's complement operands that rounds towards minus infinity.
    """

    t: int = 1

    family: ClassVar[str] = "truncate"
    signed_form: ClassVar[str] = TWOS_COMPLEMENT

    def _check(self) -> None:
        self._refuse("t", self.t, 0, self.bits - 1)

    @property
    def name(self) -> str:
        """The name that `archsim.approx.multiplier` takes."""
        return f"truncate_{self.t}"

    @property
    def plainer(self) -> tuple[str, int]:
        """Name and bits of the plainest design with the same circuit."""
        return "exact", self.bits - self.t

    def _map(self, values: Ints) -> Ints:
        return values >> self.t << self.t

    def _multiply(self, a: Ints, b: Ints) -> Ints:
        return self._map(a) * self._map(b)

    def terms(self) -> Terms:
        """Return the one term."""
        return ((1, self._map, self._map),)
