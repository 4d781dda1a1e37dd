"""What one memory channel is made of."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from archsim.spec import FieldError, Spec, quantity

# A trace request is one line; a channel whose burst is shorter serves a line as several requests.
LINE_BYTES = 64
#: Banks of one channel, all ranks and pseudo channels together: ten bits of the scheduler's keys.
MAX_BANKS = 1024


class Organization(Spec):
    """One channel: pseudo channels, ranks, and what is inside each.

    All sizes but ``rows`` are powers of two, so they are address bits. A pseudo channel has its own data bus and its
    own ranks and shares the command pins with the others.
    """

    channels: int = quantity("", "independent channels of the memory, all alike", default=1, ge=1, le=64)
    pseudo_channels: int = quantity("", "data buses that share the command pins", default=1, ge=1, le=4)
    ranks: int = quantity("", "ranks (or stack heights) on each pseudo channel", ge=1, le=16)
    bank_groups: int = quantity("", "bank groups per rank", ge=1, le=16)
    banks_per_group: int = quantity("", "banks per bank group", ge=1, le=16)
    rows: int = quantity("", "rows per bank", ge=1, le=2**23)
    columns: int = quantity("", "columns per row, each as wide as the data bus", ge=1, le=2**16)
    device_width_bits: int = quantity("bit", "data pins of one DRAM device", ge=1, le=128)
    bus_width_bits: int = quantity("bit", "data pins of a pseudo channel, without ECC", ge=8, le=256)
    burst_length: int = quantity("", "data beats per RD or WR", ge=2, le=64)
    beats_per_clk: int = quantity("", "data beats per memory clock", default=2, ge=1, le=16)

    split_command_bus: bool = Field(
        default=False, description="ACT, PRE and REF have pins of their own, apart from RD and WR"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in type(self).model_fields:
            size = getattr(self, name)
            if size & (size - 1) and name not in ("rows", "split_command_bus"):
                raise FieldError(f"{name} = {size}", "must be a power of two")
        if self.device_width_bits > self.bus_width_bits:
            raise FieldError(
                f"device_width_bits = {self.device_width_bits}",
                f"must be at most bus_width_bits = {self.bus_width_bits}",
            )
        if self.access_bytes > LINE_BYTES:
            rule = f"moves {self.access_bytes} bytes over bus_width_bits = {self.bus_width_bits}"
            raise FieldError(
                f"burst_length = {self.burst_length}", f"{rule}, more than a line of {LINE_BYTES}"
            )
        if self.columns < self.burst_length:
            raise FieldError(
                f"columns = {self.columns}", f"must hold one burst, burst_length = {self.burst_length}"
            )
        if self.capacity_bytes < LINE_BYTES:
            raise FieldError(
                "rows", f"the memory holds {self.capacity_bytes} bytes, less than a line of {LINE_BYTES}"
            )
        if self.banks > MAX_BANKS:
            raise FieldError("ranks", f"{self.banks} banks on a channel, more than {MAX_BANKS}")
        return self

    @property
    def access_bytes(self) -> int:
        """Bytes moved by one RD or WR."""
        return self.bus_width_bits * self.burst_length // 8

    @property
    def accesses_per_line(self) -> int:
        """RD or WR commands that move one line of 64 bytes."""
        return LINE_BYTES // self.access_bytes

    @property
    def bursts_per_row(self) -> int:
        """Bursts in one row of one bank of a rank."""
        return self.columns // self.burst_length

    @property
    def all_ranks(self) -> int:
        """Ranks of the channel, over its pseudo channels."""
        return self.pseudo_channels * self.ranks

    @property
    def banks_per_rank(self) -> int:
        """Banks of one rank."""
        return self.bank_groups * self.banks_per_group

    @property
    def banks(self) -> int:
        """Banks of one channel."""
        return self.all_ranks * self.banks_per_rank

    @property
    def capacity_bytes(self) -> int:
        """Bytes of all channels."""
        return self.channels * self.banks * self.rows * self.bursts_per_row * self.access_bytes

    def field_bits(self) -> dict[str, int]:
        """Return the address bits of each field; a column here is one burst."""
        sizes = {
            "column": self.bursts_per_row,
            "channel": self.channels,
            "pseudo_channel": self.pseudo_channels,
            "rank": self.ranks,
            "bank_group": self.bank_groups,
            "bank": self.banks_per_group,
            "row": self.rows,
        }
        return {name: (size - 1).bit_length() for name, size in sizes.items()}
