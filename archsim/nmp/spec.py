"""What a near-memory design such as RecNMP (ISCA 2020) adds to DRAM: packets of lookups, and units that sum them.

Classes state the shape and the checks; the numbers are in ``archsim/presets/nmp``, each with its source.
"""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from archsim.cache.spec import CacheLevel
from archsim.dram.spec import LINE_BYTES
from archsim.errors import InputError
from archsim.nmp.designs import design_class
from archsim.nmp.silicon import NmpUnit
from archsim.spec import FieldError, Spec, quantity

#: Ways of a RankCache. At 4,096, the replay does 0.2 million lookups a second; above, the time grows with the ways.
MOST_WAYS = 4096


class NmpEnergy(Spec):
    """Energy of the units, apart from their RankCaches."""

    fp32_add_pj: float = quantity("pJ", "one FP32 addition", ge=0)
    fp32_mult_pj: float = quantity("pJ", "one FP32 multiplication", ge=0)
    internal_io_pj_per_bit: float = quantity("pJ/bit", "moving a bit from the DRAM devices to the unit", ge=0)
    static_mw: float = quantity("mW", "what the unit of one DIMM draws whatever it does", ge=0)


class NmpSpec(Spec):
    """Near-memory units that sum vectors; ``design`` says where they sit and what differs between designs."""

    preset_kind: ClassVar[str] = "nmp"

    design: str = Field(default="recnmp", description="near-memory design; see docs/near-memory-designs.md")
    ranks_per_dimm: int = quantity("", "ranks, and so rank units, behind one buffer chip", ge=1, le=16)
    # The upper bound is the 4-bit PsumTag of an NMP instruction.
    poolings_per_packet: int = quantity("", "poolings sent and reordered together", ge=1, le=16)
    instructions_per_clk: int = quantity("", "NMP instructions per memory clock on the channel", ge=1, le=64)
    config_clk: int = quantity(
        "clk", "start of a packet: pins for the registers of each DIMM that it uses", ge=0, le=1_000_000
    )
    transfer_clk: int = quantity(
        "clk", "end of a packet: moving the sum out of the rank unit", ge=0, le=1_000_000
    )
    fp32_add_clk: int = quantity(
        "clk", "latency of an FP32 adder, of which one begins every clock", ge=0, le=1_000_000
    )
    fp32_mult_clk: int = quantity(
        "clk", "latency of an FP32 multiplier, of which one begins every clock", ge=0, le=1_000_000
    )
    instruction_bits: int = quantity("bit", "width of one NMP instruction", ge=1, le=1024)
    table_seed: int = quantity("", "seed of the rule that fills the tables", ge=0, lt=2**63)
    scheduling: Literal["interleaved", "table-aware"] = Field(
        description="order of packets: as poolings come, or table by table within a batch"
    )
    batch_bags: int = quantity(
        "", "poolings of a table that are scheduled and profiled together", ge=1, le=1 << 20
    )
    profile_threshold: int = quantity(
        "", "keep out of the RankCache rows that their batch looks up no more often than this", ge=0
    )
    cache: CacheLevel = Field(description="RankCache of each rank unit; size = 0: none")
    operator: Literal["sum", "mean", "weighted_sum", "weighted_mean"] | None = Field(
        default=None,
        description="what is computed; without it weighted_sum where the trace has weights, else sum",
    )
    multiplier: str | None = Field(
        default=None,
        description="multiplier of 8-bit rows instead of the FP32 one, such as drum6; see docs/multipliers.md",
    )
    energy: NmpEnergy
    unit: NmpUnit = Field(description="what a unit is made of; read with designs that have RecNMP's unit")
    multiplexing: Literal["temporal", "spatial"] | None = Field(
        default=None, description="chameleon: commands and data take turns on the data pins, or divide them"
    )
    command_bits: int | None = quantity(
        "bit", "chameleon: bits of one DRAM command", default=None, ge=1, le=1024
    )
    command_pins: int | None = quantity(
        "", "chameleon, spatial: data pins of each device that carry commands", default=None, ge=1, le=128
    )
    rank_instruction_clk: int | None = quantity(
        "clk", "trim: clocks that an instruction takes from the buffer chip into a rank",
        default=None, ge=0, le=1_000_000,
    )  # fmt: skip
    gather_overlap: bool | None = Field(
        default=None, description="trim: sums leave the devices while the next packet reads"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        try:
            design_class(self.design)
        except InputError as error:
            raise FieldError(f"design = {self.design!r}", str(error)) from None
        if self.multiplier is not None:
            self._check_multiplier(self.multiplier)
        if not self.cache.size:
            return self
        if self.cache.line_bytes != LINE_BYTES:
            rule = f"must be {LINE_BYTES}: a RankCache holds bursts of the memory"
            raise FieldError(f"cache.line_bytes = {self.cache.line_bytes}", rule)
        if self.cache.ways > MOST_WAYS:
            rule = f"must be at most {MOST_WAYS} in a rank unit, where a lookup searches the ways one by one"
            raise FieldError(f"cache.ways = {self.cache.ways}", rule)
        if self.cache.policy != "lru":
            raise FieldError(f"cache.policy = {self.cache.policy!r}", "must be 'lru' in a rank unit")
        return self

    def _check_multiplier(self, name: str) -> None:
        from archsim.nmp.approx_sums import rank_multiplier

        try:
            rank_multiplier(name)
        except InputError as error:
            raise FieldError(f"multiplier = {name!r}", str(error)) from None
