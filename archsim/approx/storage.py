"""Energy of reading stored words at a supply voltage, for use beside the faults that a low voltage brings."""

from __future__ import annotations

from itertools import pairwise
from typing import Self

from pydantic import Field, model_validator

from archsim.errors import InputError
from archsim.ledger import LedgerRow
from archsim.spec import FieldError, Spec, quantity


class VoltageRow(Spec):
    """One measured point."""

    voltage_v: float = quantity("V", "supply voltage of the memory", gt=0)
    relative: float = quantity("", "energy of a read over that at nominal_v", gt=0)


class Storage(Spec):
    """An on-chip memory: energy of a read at its nominal voltage, and how it falls with the voltage.

    Without ``rows`` a read takes C V^2: its energy falls with the square of the voltage. Leakage is not counted.
    """

    read_pj_per_bit: float = quantity("pJ/bit", "a read at nominal_v", ge=0)
    nominal_v: float = quantity("V", "supply voltage of read_pj_per_bit", gt=0, le=10)
    lowest_v: float = quantity("V", "the lowest voltage that the memory is said to work at", gt=0, le=10)
    rows: tuple[VoltageRow, ...] | None = Field(
        default=None,
        min_length=2,
        description="energy by ascending voltage, from lowest_v on; without rows: C V^2",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.lowest_v > self.nominal_v:
            raise FieldError(f"lowest_v = {self.lowest_v}", f"must be at most nominal_v = {self.nominal_v}")
        if self.rows is None:
            return self
        for before, row in pairwise(self.rows):
            if row.voltage_v <= before.voltage_v:
                rule = f"must be above {before.voltage_v}, the row before"
                raise FieldError(f"rows: voltage_v = {row.voltage_v}", rule)
        if (self.rows[0].voltage_v, self.rows[-1].voltage_v) != (self.lowest_v, self.nominal_v):
            rule = f"must go from lowest_v = {self.lowest_v} to nominal_v = {self.nominal_v}"
            raise FieldError("rows", rule)
        if self.rows[-1].relative != 1:
            raise FieldError(f"rows: relative = {self.rows[-1].relative}", "must be 1 at nominal_v")
        return self

    def relative(self, voltage_v: float) -> float:
        """Return the energy of a read over that at the nominal voltage; between two rows, in proportion.

        Raises
        ------
        InputError
            Outside ``lowest_v`` to ``nominal_v``: nothing is said about it.
        """
        if not self.lowest_v <= voltage_v <= self.nominal_v:
            raise InputError(f"voltage_v = {voltage_v}: must be from {self.lowest_v} to {self.nominal_v} V")
        if self.rows is None:
            return (voltage_v / self.nominal_v) ** 2
        above = next(row for row in self.rows if row.voltage_v >= voltage_v)
        below = next(row for row in reversed(self.rows) if row.voltage_v <= voltage_v)
        if above.voltage_v == below.voltage_v:
            return above.relative
        share = (voltage_v - below.voltage_v) / (above.voltage_v - below.voltage_v)
        return below.relative + share * (above.relative - below.relative)

    def read_pj(self, bits: int, voltage_v: float | None = None) -> float:
        """Return the energy of reading so many bits, in picojoules; at the nominal voltage by default."""
        return bits * self.read_pj_per_bit * self.relative(self.nominal_v if voltage_v is None else voltage_v)

    def ledger_row(self, event: str, words: int, bits: int, voltage_v: float | None = None) -> LedgerRow:
        """Return the row of so many words read, of component ``storage``."""
        at = self.nominal_v if voltage_v is None else voltage_v
        return LedgerRow("storage", f"{event} at {at:g} V", words, self.read_pj(bits, at))
