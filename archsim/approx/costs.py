"""Energy, delay and area of published circuits, from ``costs.toml``; what has no source has no cost here.

Estimates are apart, in `archsim.approx.estimate`, and say so in ``kind``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

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
    kind : {"cited", "estimate"}
        Published, or estimated from the structure.
    """

    power_mw: float
    delay_ns: float
    area_um2: float
    node_nm: int
    source: str
    kind: str = "cited"

    @property
    def energy_pj(self) -> float:
        """Power times delay: one operation per delay of the circuit, a stated default."""
        return self.power_mw * self.delay_ns

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values, for JSON."""
        return {
            "energy_pj": self.energy_pj, "power_mw": self.power_mw, "delay_ns": self.delay_ns,
            "area_um2": self.area_um2, "node_nm": self.node_nm, "kind": self.kind, "source": self.source,
        }  # fmt: skip


Key = tuple[str, int, bool]


@cache
def _file() -> dict[str, Any]:
    return read_toml(Path(__file__).with_name("costs.toml"))


def _cost(row: dict[str, Any], more: str = "") -> Cost:
    file = _file()
    source = file["source"].format(circuit=row["circuit"]) + more
    return Cost(row["power_mw"], row["delay_ns"], row["area_um2"], file["node_nm"], source)


@cache
def circuits() -> dict[Key, str]:
    """Return which circuit the cost of a design is from: (name, bits, signed) -> its name in EvoApproxLib."""
    return {(row["name"], row["bits"], row["signed"]): row["circuit"] for row in _file()["circuits"]}


@cache
def swapped(name: str, bits: int, signed: bool) -> bool:
    """Whether the circuit takes the operands of a design in the other order."""
    return any(
        row.get("swapped", False)
        for row in _file()["circuits"]
        if (row["name"], row["bits"], row["signed"]) == (name, bits, signed)
    )


@cache
def _costs() -> dict[Key, Cost]:
    found: dict[Key, Cost] = {}
    for row in _file()["circuits"]:
        turned = "; its operands exchanged" if row.get("swapped") else ""
        found[row["name"], row["bits"], row["signed"]] = _cost(row, turned)
    for row in _file()["circuits"]:
        family, _, cut = row["name"].partition("_")
        # A multiplier of truncated operands is an exact one of what is left.
        if family == "truncate":
            bits = row["bits"]
            inner = ("exact", bits - int(cut), row["signed"])
            found.setdefault(inner, _cost(row, f"; it multiplies the {inner[1]} high bits of {bits}"))
    return found


def cost_of(name: str, bits: int, signed: bool) -> Cost | None:
    """Return the cost of a circuit, or None without a source."""
    return _costs().get((name, bits, signed))


@cache
def adders() -> dict[int, Cost]:
    """Return the cited exact adders: bits of both operands -> cost."""
    return {row["bits"]: _cost(row) for row in _file()["adders"]}


@cache
def exact_circuits() -> tuple[tuple[int, int, Cost], ...]:
    """Return the exact unsigned multipliers published as such: bits of the operands, and cost.

    Besides square ones, those of 8 by fewer bits, which leave rows out of an 8-bit one (``bam_H_0``).
    """
    out = []
    for name, bits, signed in circuits():
        cost = _costs()[name, bits, signed]
        if signed:
            continue
        if name == "exact":
            out.append((bits, bits, cost))
        elif bits == 8 and name.endswith("_0"):
            out.append((bits, bits - int(name.split("_")[1]), cost))
    return tuple(out)
