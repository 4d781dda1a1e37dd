"""Daddr, the address field of an NMP instruction: which bits name rank, bank group, bank, row and column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from archsim.errors import InputError

#: Bits of the field Daddr.
DADDR_BITS = 32


class Memory(Protocol):
    """What an address needs to know of a channel; `archsim.dram.spec.Organization` does."""

    @property
    def columns(self) -> int:
        """Device columns of a row."""

    @property
    def burst_length(self) -> int:
        """Device columns of a burst."""

    def field_bits(self) -> Mapping[str, int]:
        """Address bits of each field; a column is one burst."""


class Location(NamedTuple):
    """Where the first burst of an instruction lies; the column counts bursts."""

    rank: int
    bank_group: int
    bank: int
    row: int
    column: int


def location_bits(memory: Memory) -> list[tuple[str, int]]:
    """Return the bits of each part of a `Location`, from the top of Daddr down."""
    bits = memory.field_bits()
    return [(name, bits[name]) for name in Location._fields]


def daddr_lack(memory: Memory) -> str:
    """Return how many bits a memory needs beyond those of Daddr; empty when they suffice."""
    widths = location_bits(memory)
    needed = sum(width for _, width in widths)
    if needed <= DADDR_BITS:
        return ""
    parts = ", ".join(f"{name} {width}" for name, width in widths)
    return f"Daddr needs {needed} bits ({parts}) and has {DADDR_BITS}"


class DaddrFormat:
    """How one memory's locations are packed into the 32 bits of Daddr.

    Parameters
    ----------
    memory : Memory
        Organization of a channel.

    Raises
    ------
    InputError
        When a location needs more than 32 bits.
    """

    def __init__(self, memory: Memory) -> None:
        if memory.field_bits().get("pseudo_channel"):
            raise InputError("NMP instruction: Daddr has no pseudo channel; pseudo_channels must be 1")
        self._widths = location_bits(memory)
        if lack := daddr_lack(memory):
            raise InputError(f"NMP instruction: {lack}")
        self.burst_columns = memory.burst_length
        self.bursts_per_row = memory.columns // memory.burst_length

    def pack(self, location: Location) -> int:
        """Return Daddr."""
        daddr = 0
        for (name, bits), value in zip(self._widths, location, strict=True):
            if not 0 <= value < 1 << bits:
                raise InputError(f"NMP instruction: {name} = {value} must be 0 to {(1 << bits) - 1}")
            daddr = daddr << bits | value
        return daddr

    def pack_arrays(self, *parts: npt.NDArray[np.int64]) -> npt.NDArray[np.uint32]:
        """Return Daddr (uint32 [n]) of rank, bank group, bank, row, column (int64 [n] each)."""
        daddr = np.zeros(len(parts[0]), dtype=np.int64)
        for (name, bits), values in zip(self._widths, parts, strict=True):
            check_range(values, 0, (1 << bits) - 1, name)
            daddr = daddr << bits | values
        return daddr.astype(np.uint32)

    def unpack(self, daddr: int) -> Location:
        """Return the location."""
        values = []
        for _, bits in reversed(self._widths):
            values.append(daddr & ((1 << bits) - 1))
            daddr >>= bits
        if daddr:
            raise InputError("NMP instruction: Daddr has bits set above the rank")
        return Location(*reversed(values))


def check_range(values: npt.NDArray[np.generic], least: int, largest: int, name: str) -> None:
    """Refuse the first of ``values`` [n], those of a field of n instructions, that is out of range."""
    wrong = (values < least) | (values > largest)  # type: ignore[operator]
    unit = " bursts of 64 bytes" if name == "vsize" else ""
    refuse(wrong, name, values, f"must be {least} to {largest}{unit}")


def refuse(wrong: npt.NDArray[np.bool_], name: str, values: npt.NDArray[np.generic], rule: str) -> None:
    """Refuse the first instruction for which ``wrong`` (bool [n]) holds."""
    if np.any(wrong):
        first = int(np.argmax(wrong))
        raise InputError(f"NMP instruction {first}: {name} = {values[first]} {rule}")
