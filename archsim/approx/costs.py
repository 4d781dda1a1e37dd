"""Energy, delay and area of published circuits, from ``costs.toml``; what has no source has no cost."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from archsim.toml import read_toml


@dataclass(frozen=True)
class Cost:
    """What one circuit takes.

    Attributes
    ----------
    power_mw, delay_ns, area_um2 : float
        As published.
    node_nm : int
        Process of the circuit.
    source : str
        Where the numbers are from.
    """

    power_mw: float
    delay_ns: float
    area_um2: float
    node_nm: int
    source: str

    @property
    def energy_pj(self) -> float:
        """Power times delay: one product per delay of the circuit, a stated default."""
        return self.power_mw * self.delay_ns


@cache
def _costs() -> dict[tuple[str, int, bool], Cost]:
    rows = read_toml(Path(__file__).with_name("costs.toml"))["circuit"]
    return {(row.pop("name"), row.pop("bits"), row.pop("signed")): Cost(**row) for row in rows}


def cost_of(name: str, bits: int, signed: bool) -> Cost | None:
    """Return the cost of a circuit, or None without a source."""
    return _costs().get((name, bits, signed))
