"""What a near-memory design says about itself; ``docs/near-memory-designs.md`` is the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from archsim.dram.address import BANK_SHIFT, CHANNEL_SHIFT, ROW_SHIFT
from archsim.dram.spec import LINE_BYTES, DramSpec
from archsim.errors import InputError
from archsim.nmp.daddr import daddr_lack
from archsim.nmp.designs.guard import guarded
from archsim.spec import FieldError

if TYPE_CHECKING:
    from archsim.nmp.spec import NmpSpec

Ints = npt.NDArray[np.int64]
Level = Literal["dimm", "rank"]
Adder = Literal["unit", "bank_group", "bank"]

#: Fields of `NmpSpec` that only designs which name them in ``needs`` read.
OPTIONS = ("multiplexing", "command_bits", "command_pins", "rank_instruction_clk", "gather_overlap")


class Design:
    """Units in the buffer chips of the DIMMs, one per rank, as RecNMP has them; a subclass states what it changes.

    An object belongs to one replay.

    Parameters
    ----------
    nmp : NmpSpec
        The numbers.
    dram : DramSpec
        The memory of the system.

    Attributes
    ----------
    name : str
        What ``nmp.design`` says.
    level : str
        What one unit reads over a data bus of its own: a ``"rank"``, or all ranks of a ``"dimm"`` in turns.
    adder : str
        What has Psum registers of its own: each ``"unit"``, or inside the devices each ``"bank_group"`` or ``"bank"``
        of a rank; then `read_rules` replaces what binds RD to RD, and the sums are gathered over the data bus of the
        rank at the end of a packet.
    rank_cache : bool
        Whether its units may have a RankCache.
    silicon : bool
        Whether its units are made of the parts that `archsim.nmp.silicon` counts; otherwise they have no area.
    most_bursts, most_bursts_because : int, str
        Longest vector, in bursts of 64 bytes; and the reason, for messages.
    striped : bool
        Vectors lie over several units on purpose, and each DIMM returns only the parts of a result that it has read.
        Otherwise a vector must lie in one unit.
    broadcast : bool
        One clock of the pins carries an instruction for every unit.
    issue_clk, issue_burst_clk : int
        Clocks of the pins that an instruction takes, and that each of its bursts adds. With (1, 0), several
        instructions share a clock, as ``nmp.instructions_per_clk`` says.
    nmp_instructions : bool
        The host sends instructions of the 79-bit format of ``docs/recnmp.md``; a memory whose places its field Daddr
        cannot name is refused.
    needs : tuple of str
        The `OPTIONS` that must be given; the others must not.
    """

    name: ClassVar[str] = ""
    level: ClassVar[Level] = "rank"
    adder: ClassVar[Adder] = "unit"
    rank_cache: ClassVar[bool] = False
    silicon: ClassVar[bool] = False
    most_bursts: ClassVar[int] = 64
    most_bursts_because: ClassVar[str] = ""
    striped: ClassVar[bool] = False
    broadcast: ClassVar[bool] = False
    issue_clk: ClassVar[int] = 1
    issue_burst_clk: ClassVar[int] = 0
    nmp_instructions: ClassVar[bool] = False
    needs: ClassVar[tuple[str, ...]] = ()

    def __init__(self, nmp: NmpSpec, dram: DramSpec) -> None:
        self.nmp, self.dram = nmp, dram

    # ------------------------------------------------------------------------------- what a subclass may replace

    def check(self) -> None:
        """Refuse what makes no sense together. Extend it; the paths of a `FieldError` begin at the system.

        Raises
        ------
        FieldError
            Naming the field, its value and the rule.
        """
        nmp = self.nmp
        for option in OPTIONS:
            given = getattr(nmp, option) is not None
            if given and option not in self.needs:
                raise FieldError(f"nmp.{option}", f"has no meaning with design = {self.name!r}")
            if not given and option in self.needs:
                raise FieldError(f"nmp.{option}", f"missing; design = {self.name!r} needs it")
        if nmp.cache.size and not self.rank_cache:
            rule = f"must be 0 with design = {self.name!r}, whose units have no RankCache"
            raise FieldError(f"nmp.cache.size = {nmp.cache.size}", rule)
        lack = daddr_lack(self.dram.organization) if self.nmp_instructions else ""
        if lack:
            rule = (
                f"the NMP instructions of design = {self.name!r} cannot name every burst: {lack}; take fewer ranks, "
                "rows or columns per channel, and more channels, which Daddr does not name"
            )
            raise FieldError("dram.organization", rule)

    def memory(self) -> DramSpec:
        """Return the memory as its units see it: other rules or timings, the same organization."""
        return self.dram

    def place(self, coordinates: Ints, lookup: npt.NDArray[np.int32], packet_first: Ints) -> Ints:
        """Return where bursts lie, given where the address map puts them.

        Parameters
        ----------
        coordinates : int64 array [bursts]
            Packed coordinates, see `archsim.dram.address`; packets follow one another in the order of sending.
        lookup : int32 array [bursts]
            Number of the lookup of each burst.
        packet_first : int64 array [packets + 1]
            First burst of each packet, and the end.

        Returns
        -------
        int64 array [bursts]
        """
        return coordinates

    def check_vector(self, vector_bytes: int, bursts: int) -> str:
        """Return why vectors of this size, over up to so many bursts, cannot be summed; empty when they can."""
        # The kernel tells 64 parts of a result apart.
        most = min(self.most_bursts, 64) if self.striped else self.most_bursts
        if bursts <= most:
            return ""
        why = f" ({self.most_bursts_because})" if self.most_bursts_because else ""
        return (
            f"a vector of {vector_bytes} bytes takes up to {bursts} bursts of {LINE_BYTES} bytes; "
            f"an instruction names at most {most}{why}"
        )

    # ------------------------------------------------------------------------------------------- what follows from it

    def seen_memory(self) -> DramSpec:
        """Return `memory`, checked.

        Raises
        ------
        InputError
            When it is organized otherwise than the memory of the system.
        """
        memory = guarded(type(self), "memory", self.memory)
        if not isinstance(memory, DramSpec):
            raise InputError(f"design {self.name!r}: memory() must return a DramSpec, not {memory!r:.60}")
        if memory.organization != self.dram.organization:
            raise InputError(f"design {self.name!r}: memory() must keep the organization as it is")
        return memory

    def placed(self, coordinates: Ints, lookup: npt.NDArray[np.int32], packet_first: Ints) -> Ints:
        """Return what `place` does, checked.

        Raises
        ------
        InputError
            When that is no array of as many places inside the memory.
        """
        placed: Ints = guarded(type(self), "place", self.place, coordinates, lookup, packet_first)
        if placed is coordinates:
            return placed
        shape = getattr(placed, "shape", None), getattr(placed, "dtype", None)
        if shape != (coordinates.shape, coordinates.dtype):
            raise InputError(
                f"design {self.name!r}: place() must return an int64 array with an element per burst"
            )
        organization = self.dram.organization
        for name, shift, bits, size in (
            ("column", 0, BANK_SHIFT, organization.bursts_per_row),
            ("bank", BANK_SHIFT, ROW_SHIFT - BANK_SHIFT, organization.banks),
            ("row", ROW_SHIFT, CHANNEL_SHIFT - ROW_SHIFT, organization.rows),
            ("channel", CHANNEL_SHIFT, 64 - CHANNEL_SHIFT, organization.channels),
        ):
            field = placed >> shift & ((1 << bits) - 1)
            if len(field) and int(field.max()) >= size:
                raise InputError(
                    f"design {self.name!r}: place() put a burst on {name} {field.max()} of {size}"
                )
        return np.ascontiguousarray(placed)

    @property
    def unit_ranks(self) -> int:
        """Ranks that one unit reads."""
        return self.nmp.ranks_per_dimm if self.level == "dimm" else 1

    @property
    def units(self) -> int:
        """Units of a channel."""
        return self.dram.organization.ranks // self.unit_ranks

    @property
    def units_per_dimm(self) -> int:
        """Units of a DIMM."""
        return self.nmp.ranks_per_dimm // self.unit_ranks

    @property
    def unit_bank_bits(self) -> int:
        """Bits of a bank number, counted over the channel, within one unit."""
        return (self.dram.organization.banks_per_rank * self.unit_ranks).bit_length() - 1

    @property
    def adder_bank_bits(self) -> int:
        """Bits of a bank number within what has Psum registers of its own."""
        organization = self.dram.organization
        sizes = {"bank_group": organization.banks_per_group, "bank": 1}
        return sizes[self.adder].bit_length() - 1 if self.adder in sizes else self.unit_bank_bits

    @property
    def adders_per_dimm(self) -> int:
        """Sets of Psum registers of a DIMM whose sums its buffer chip adds."""
        return self.units_per_dimm << (self.unit_bank_bits - self.adder_bank_bits)

    @property
    def adder_name(self) -> str:
        """What the adders are called in the ledger."""
        return f"{self.level if self.adder == 'unit' else self.adder}_unit"

    def kernel_parameters(self) -> dict[str, int]:
        """Return ``DESIGN_PARAMETERS`` of `archsim.kernels.recnmp`."""
        inside = self.adder != "unit"
        return {
            "rank_bits": self.unit_ranks.bit_length() - 1,
            "broadcast": int(self.broadcast),
            "sliced": int(self.striped),
            "issue_clk": self.issue_clk,
            "issue_burst_clk": self.issue_burst_clk,
            "deliver_clk": self.nmp.rank_instruction_clk or 0,
            "adder_bits": self.adder_bank_bits if inside else -1,
            "gather_clk": self.dram.timing.tCCD_S if inside else 0,
            "overlap": int(self.nmp.gather_overlap or False),
        }
