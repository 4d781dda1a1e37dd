"""Energy of a pixel on its way from the light to the network, and what of it heats the stack."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import Field

from archsim.ledger import LedgerRow, total_j, total_nj
from archsim.spec import Spec, quantity


def _pj(words: str, **limits: Any) -> float:
    field: float = quantity("pJ", words, ge=0, le=1e6, **limits)
    return field


class PixelEnergy(Spec):
    """Energies of one pixel, by what is done to it."""

    preset_kind: ClassVar[str] = "pixel_energy"

    name: str = Field(description="label in results", min_length=1)
    description: str = Field(description="one line for people")
    pixel_array_pj: float = _pj("of the pixel array, one pixel")
    readout_pj: float = _pj("of the read-out circuits, one pixel")
    analog_chain_pj: float = _pj("of the analog signal chain, one pixel; a converter may stand in for it")
    dram_write_pj: float = _pj("one pixel into a DRAM")
    dram_read_pj: float = _pj("one pixel out of a DRAM")
    csi_pj: float = _pj("one pixel over the camera's serial interface")
    ddr_pj: float = _pj("one pixel over the interface of a memory off the chip")
    on_chip_pj: float = _pj("one pixel from layer to layer of the stack", default=0.0)
    result_pj_per_byte: float = _pj("one byte of a result over I2C")
    csi_in_stack: float = quantity("", "share of csi_pj that heats the stack", default=1.0, ge=0, le=1)

    @property
    def sensing_pj(self) -> float:
        """Light to digital number."""
        return self.pixel_array_pj + self.readout_pj + self.analog_chain_pj

    @property
    def storage_pj(self) -> float:
        """Into a DRAM and out of it."""
        return self.dram_write_pj + self.dram_read_pj

    @property
    def interfaces_pj(self) -> float:
        """Both interfaces of the far-sensor system, each once."""
        return self.csi_pj + self.ddr_pj


#: Parts of a frame's energy that are in the sensor itself.
SENSING = ("sensor", "converter")


@dataclass(frozen=True)
class FrameEnergy:
    """Energy of one frame, in one mode.

    Attributes
    ----------
    mode : str
        ``near`` or ``far``.
    rows : tuple of LedgerRow
        They add up to the whole.
    stack_share : dict of str to float
        Component -> share of its energy that heats the stack; without an entry, none.
    """

    mode: str
    rows: tuple[LedgerRow, ...]
    stack_share: dict[str, float]

    @property
    def total_nj(self) -> float:
        """The sum of the rows."""
        return total_nj(self.rows)

    @property
    def stack_nj(self) -> float:
        """The part that heats the stack."""
        return sum(
            self.stack_share.get(component, 0.0) * energy
            for component, energy in self.components_nj().items()
        )

    def components_nj(self) -> dict[str, float]:
        """Return the energy of each component, in the order of the rows."""
        return components_nj(self.rows)

    def power_w(self, fps: float) -> float:
        """Return the power at so many frames per second."""
        return total_j(self.rows) * fps

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as plain values, for JSON."""
        return {
            "mode": self.mode,
            "energy_nj": self.total_nj,
            "stack_nj": self.stack_nj,
            "components_nj": self.components_nj(),
            "ledger": [row.to_dict() for row in self.rows],
        }


def components_nj(rows: Iterable[LedgerRow]) -> dict[str, float]:
    """Return the energy of each component of a ledger, in the order of its rows."""
    found: dict[str, float] = {}
    for row in rows:
        found[row.component] = found.get(row.component, 0.0) + row.energy_nj
    return found
