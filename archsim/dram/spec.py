"""What a DRAM channel is: organization, timing, rules, controller, refresh, address map, energy.

Classes state the shape and the checks; the numbers are in ``archsim/presets/dram``, each with its source.
"""

from __future__ import annotations

import re
from typing import ClassVar, Literal, Self, get_args

from pydantic import Field, model_validator

from archsim.errors import InputError, nearest
from archsim.spec import FieldError, Spec, quantity

Command = Literal["ACT", "PRE", "RD", "WR", "REF"]
Level = Literal["bank", "bank_group", "rank", "other_rank"]
HashedField = Literal["column", "rank", "bank_group", "bank"]

# A trace request is one line; archsim replays one burst per line.
LINE_BYTES = 64
# Longest timing: the replay counts clocks from a moving base in 32 bits.
MAX_CLK = 1_000_000


class Organization(Spec):
    """One channel: ranks, and what is inside each. Every size is a power of two, so it is address bits."""

    ranks: int = quantity("", "ranks on the channel", ge=1, le=16)
    bank_groups: int = quantity("", "bank groups per rank", ge=1, le=16)
    banks_per_group: int = quantity("", "banks per bank group", ge=1, le=16)
    rows: int = quantity("", "rows per bank", ge=1, le=2**30)
    columns: int = quantity("", "columns per row, each as wide as the data bus", ge=1, le=2**16)
    device_width_bits: int = quantity("bit", "data pins of one DRAM device", ge=1, le=64)
    bus_width_bits: int = quantity("bit", "data pins of the channel, without ECC", ge=8, le=256)
    burst_length: int = quantity("", "data beats per RD or WR", ge=2, le=64)

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name in type(self).model_fields:
            size = getattr(self, name)
            if size & (size - 1):
                raise FieldError(f"{name} = {size}", "must be a power of two")
        if self.device_width_bits > self.bus_width_bits:
            raise FieldError(
                f"device_width_bits = {self.device_width_bits}",
                f"must be at most bus_width_bits = {self.bus_width_bits}",
            )
        if self.access_bytes != LINE_BYTES:
            rule = f"must move one line of {LINE_BYTES} bytes over bus_width_bits = {self.bus_width_bits}"
            raise FieldError(f"burst_length = {self.burst_length}", f"{rule}, not {self.access_bytes}")
        if self.columns < self.burst_length:
            raise FieldError(
                f"columns = {self.columns}", f"must hold one burst, burst_length = {self.burst_length}"
            )
        return self

    @property
    def access_bytes(self) -> int:
        """Bytes moved by one RD or WR."""
        return self.bus_width_bits // 8 * self.burst_length

    @property
    def bursts_per_row(self) -> int:
        """Lines in one row of one bank of a rank."""
        return self.columns // self.burst_length

    @property
    def banks(self) -> int:
        """Banks of the whole channel."""
        return self.ranks * self.bank_groups * self.banks_per_group

    @property
    def capacity_bytes(self) -> int:
        """Bytes of the whole channel."""
        return self.banks * self.rows * self.bursts_per_row * self.access_bytes

    def field_bits(self) -> dict[str, int]:
        """Return the address bits of each field; a column here is one burst."""
        sizes = {
            "column": self.bursts_per_row,
            "rank": self.ranks,
            "bank_group": self.bank_groups,
            "bank": self.banks_per_group,
            "row": self.rows,
        }
        return {name: size.bit_length() - 1 for name, size in sizes.items()}


class Timing(Spec):
    """Clock period in picoseconds, everything else in memory clocks; names as in JEDEC's DDR4 standard.

    Checked is only what no device can do. tRC shorter than tRAS + tRP is accepted: the rules ACT-PRE and
    PRE-ACT then decide, so each parameter may be varied alone.
    """

    tCK_ps: int = quantity("ps", "clock period; two data beats per clock", ge=1, le=1_000_000)
    CL: int = quantity("clk", "RD to its first data", ge=1, le=MAX_CLK)
    CWL: int = quantity("clk", "WR to its first data", ge=1, le=MAX_CLK)
    tRCD: int = quantity("clk", "ACT to RD or WR of the same bank", ge=1, le=MAX_CLK)
    tRP: int = quantity("clk", "PRE to ACT of the same bank", ge=1, le=MAX_CLK)
    tRAS: int = quantity("clk", "ACT to PRE of the same bank", ge=1, le=MAX_CLK)
    tRC: int = quantity("clk", "ACT to ACT of the same bank", ge=1, le=MAX_CLK)
    tBL: int = quantity("clk", "data bus time of one burst", ge=1, le=MAX_CLK)
    tCCD_S: int = quantity("clk", "RD to RD or WR to WR, different bank group", ge=1, le=MAX_CLK)
    tCCD_L: int = quantity("clk", "RD to RD or WR to WR, same bank group", ge=1, le=MAX_CLK)
    tRRD_S: int = quantity("clk", "ACT to ACT, different bank group", ge=1, le=MAX_CLK)
    tRRD_L: int = quantity("clk", "ACT to ACT, same bank group", ge=1, le=MAX_CLK)
    tFAW: int = quantity("clk", "window with at most four ACT of one rank", ge=1, le=MAX_CLK)
    tWTR_S: int = quantity("clk", "end of write data to RD, different bank group", ge=1, le=MAX_CLK)
    tWTR_L: int = quantity("clk", "end of write data to RD, same bank group", ge=1, le=MAX_CLK)
    tWR: int = quantity("clk", "end of write data to PRE", ge=1, le=MAX_CLK)
    tRTP: int = quantity("clk", "RD to PRE", ge=1, le=MAX_CLK)
    tRTRS: int = quantity("clk", "data bus gap when another rank drives it", ge=0, le=MAX_CLK)
    tRFC: int = quantity("clk", "REF to any command of the rank", ge=1, le=MAX_CLK)
    tREFI: int = quantity("clk", "one REF per rank in each such interval", ge=1, le=MAX_CLK)

    @model_validator(mode="after")
    def _check(self) -> Self:
        for long, short in (
            ("tCCD_L", "tCCD_S"),
            ("tRRD_L", "tRRD_S"),
            ("tWTR_L", "tWTR_S"),
            ("tRC", "tRAS"),
        ):
            self._check_order(long, short)
        if self.tREFI <= self.tRFC:
            raise FieldError(
                f"tREFI = {self.tREFI}", f"must be more than tRFC = {self.tRFC}, or the rank only refreshes"
            )
        return self

    def _check_order(self, long: str, short: str) -> None:
        if getattr(self, long) < getattr(self, short):
            raise FieldError(
                f"{long} = {getattr(self, long)}", f"must be at least {short} = {getattr(self, short)}"
            )


class Rule(Spec):
    """One row of the standard: ``after`` follows ``before`` no earlier than ``latency`` clocks later.

    ``level`` says where the two commands meet: in one bank, one bank group, one rank, or on the data bus
    from another rank. With ``window`` above 1 the rule counts from the window-th last ``before``.
    """

    level: Level = Field(description="where the two commands meet")
    before: Command = Field(description="earlier command")
    after: Command = Field(description="later command")
    latency: str = Field(description="clocks, as a sum of timing names and whole numbers")
    window: int = quantity("", "counts from this many commands back", default=1, ge=1, le=64)


class Controller(Spec):
    """Memory controller of the channel."""

    scheduler: Literal["fr-fcfs"] = Field(
        description="first ready, first come first served; a row with waiting hits is not closed"
    )
    row_policy: Literal["open"] = Field(
        description="rows stay open until a conflict or a refresh closes them"
    )
    read_queue: int = quantity("", "read requests held", ge=1, le=64)
    write_queue: int = quantity("", "write requests held", ge=1, le=64)
    write_drain_high: int = quantity("", "writes held at which draining starts", ge=1)
    write_drain_low: int = quantity("", "writes held at which draining stops when reads wait", ge=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.write_drain_high > self.write_queue:
            raise FieldError(
                f"write_drain_high = {self.write_drain_high}",
                f"must be at most write_queue = {self.write_queue}",
            )
        if self.write_drain_low >= self.write_drain_high:
            raise FieldError(
                f"write_drain_low = {self.write_drain_low}",
                f"must be less than write_drain_high = {self.write_drain_high}",
            )
        return self


class Refresh(Spec):
    """How rows are kept alive."""

    mode: Literal["all-bank", "none"] = Field(description="all banks of a rank at once, or no refresh at all")
    staggered: bool = Field(description="rank i first refreshes at (i + 1) * tREFI / ranks, not all at tREFI")


class AddressMap(Spec):
    """From the bits of a line number to DRAM coordinates.

    ``layout`` lists fields from the lowest bit just above the 64-byte line upwards. ``"bank_group:1"``
    takes one bit, ``"bank_group"`` all bits the field has left; the first bits a field takes are its
    lowest. A column is one burst. Each field named in ``hash``, in order, is then XORed with as many of
    the lowest row bits not used yet.
    """

    preset_kind: ClassVar[str] = "address_map"

    layout: tuple[str, ...] = Field(description="fields from the lowest address bit up")
    hash: tuple[HashedField, ...] = Field(description="fields XORed with the next low row bits")

    @model_validator(mode="after")
    def _check(self) -> Self:
        known = (*get_args(HashedField), "row")
        for part in self.layout:
            name, colon, count = part.partition(":")
            if name not in known:
                raise FieldError(f"layout: {part!r}", f"unknown field{nearest(name, known)}")
            if colon and not re.fullmatch("[1-9][0-9]*", count):
                raise FieldError(f"layout: {part!r}", "must be FIELD or FIELD:BITS, such as 'bank_group:1'")
        if len(set(self.hash)) < len(self.hash):
            raise FieldError(f"hash = {list(self.hash)}", "must name each field once")
        return self

    def check_against(self, organization: Organization) -> None:
        """Check that every address bit is laid out once, and that the row has the bits to hash with.

        Raises
        ------
        FieldError
            Naming the field, and the bits it has and is given.
        """
        bits = organization.field_bits()
        left = dict(bits)
        for part in self.layout:
            name, _, count = part.partition(":")
            taken = int(count) if count else left[name]
            if taken > left[name]:
                rule = f"takes {taken} bits, {name} has {left[name]} left of {bits[name]}"
                raise FieldError(f"address_map.layout: {part!r}", rule)
            left[name] -= taken
        for name in bits:
            if left[name]:
                raise FieldError("address_map.layout", f"leaves out {left[name]} bits of {name}")
        hashed = sum(bits[name] for name in self.hash)
        if hashed > bits["row"]:
            raise FieldError("address_map.hash", f"needs {hashed} row bits, the row has {bits['row']}")


class Energy(Spec):
    """Energy per event of one rank."""

    activate_pj: float = quantity("pJ", "one ACT and its PRE, all devices of a rank", ge=0)
    read_pj_per_bit: float = quantity("pJ/bit", "reading from the open row", ge=0)
    write_pj_per_bit: float = quantity("pJ/bit", "writing to the open row", ge=0)
    io_pj_per_bit: float = quantity("pJ/bit", "moving data over the channel", ge=0)


class DramSpec(Spec):
    """One DRAM channel."""

    preset_kind: ClassVar[str] = "dram"

    standard: str = Field(description="label of the standard and speed")
    organization: Organization
    timing: Timing
    rules: tuple[Rule, ...] = Field(description="when a command may follow another", min_length=1)
    controller: Controller
    refresh: Refresh
    address_map: AddressMap
    energy: Energy

    @model_validator(mode="after")
    def _check(self) -> Self:
        burst_clk = self.organization.burst_length // 2
        if self.timing.tBL != burst_clk:
            raise FieldError(
                f"timing.tBL = {self.timing.tBL}", f"must be organization.burst_length / 2 = {burst_clk}"
            )
        if self.timing.tCCD_S < burst_clk:
            raise FieldError(
                f"timing.tCCD_S = {self.timing.tCCD_S}",
                f"must be at least tBL = {burst_clk}, or bursts overlap",
            )
        self.address_map.check_against(self.organization)
        for i, rule in enumerate(self.rules):
            try:
                resolve_latency(rule.latency, self.timing)
            except InputError as error:
                raise FieldError(f"rules[{i}].latency", str(error)) from None
        return self


def resolve_latency(expression: str, timing: Timing) -> int:
    """Evaluate a latency such as ``"CWL + tBL + tWTR_S"``.

    Parameters
    ----------
    expression : str
        Names of `Timing` that count clocks, and whole numbers, joined by ``+`` and ``-``.
    timing : Timing
        Their values.

    Returns
    -------
    int
        Memory clocks; zero or less means that the rule binds nothing.

    Raises
    ------
    InputError
        When the text is not such an expression, or a name is unknown.
    """
    terms = re.fullmatch(r"\s*\w+\s*([+-]\s*\w+\s*)*", expression, re.ASCII)
    if terms is None:
        raise InputError(f"{expression!r}: must be timing names and whole numbers joined by + and -")
    total, sign = 0, 1
    names = [name for name in Timing.model_fields if name != "tCK_ps"]
    for token in re.findall(r"\w+|[+-]", expression, re.ASCII):
        if token in "+-":
            sign = 1 if token == "+" else -1
        elif token in names:
            total += sign * int(getattr(timing, token))
        elif token.isdecimal():
            total += sign * int(token)
        else:
            raise InputError(f"{expression!r}: unknown timing {token!r}{nearest(token, names)}")
    return total
