"""The energy ledger: rows of (component, event, count, energy per event) that add up exactly to the total."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

#: Row energies are whole multiples of 2**-12 nJ (0.24 pJ), so that adding them in any order, with any method, gives the
#: same bits up to 2**41 nJ (2.2 kJ). Rounding a row to this step changes it by less than 0.13 pJ.
_STEPS_PER_NJ = 4096


@dataclass(frozen=True)
class LedgerRow:
    """One kind of event.

    Parameters
    ----------
    component : str
        Where the energy goes: ``dram``, ``channel``, ``rank_unit``, ...
    event : str
        What happened.
    count : int
        How often.
    pj_per_event : float
        Energy of one event in picojoules.
    """

    component: str
    event: str
    count: int
    pj_per_event: float

    @property
    def energy_nj(self) -> float:
        """Energy of the row in nanojoules, rounded to a multiple of 2**-12 nJ."""
        return round(self.count * self.pj_per_event / 1000.0 * _STEPS_PER_NJ) / _STEPS_PER_NJ

    def to_dict(self) -> dict[str, str | int | float]:
        """Return the row as plain values, for JSON."""
        return {
            "component": self.component,
            "event": self.event,
            "count": self.count,
            "pj_per_event": self.pj_per_event,
            "energy_nj": self.energy_nj,
        }


def total_nj(rows: Iterable[LedgerRow]) -> float:
    """Return the sum of the rows in nanojoules; exact, so independent of their order."""
    return sum(row.energy_nj for row in rows)


def total_j(rows: Iterable[LedgerRow]) -> float:
    """Return the sum of the rows in joules."""
    return total_nj(rows) * 1e-9
