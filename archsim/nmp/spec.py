"""What a RecNMP memory (RecNMP, ISCA 2020) adds to DRAM: packets of lookups, and a compute unit per rank.

Classes state the shape and the checks; the numbers are in ``archsim/presets/nmp``, each with its source.
"""

from __future__ import annotations

from typing import ClassVar

from archsim.spec import Spec, quantity


class NmpEnergy(Spec):
    """Energy of the rank units' arithmetic, per FP32 operation."""

    fp32_add_pj: float = quantity("pJ", "one FP32 addition", ge=0)
    fp32_mult_pj: float = quantity("pJ", "one FP32 multiplication", ge=0)


class NmpSpec(Spec):
    """Units in the buffer chips of the DIMMs that sum the vectors of one rank each."""

    preset_kind: ClassVar[str] = "nmp"

    ranks_per_dimm: int = quantity("", "ranks, and so rank units, behind one buffer chip", ge=1, le=16)
    # The upper bound is the 4-bit PsumTag of an NMP instruction.
    poolings_per_packet: int = quantity("", "poolings sent and reordered together", ge=1, le=16)
    instructions_per_clk: int = quantity("", "NMP instructions per memory clock on the channel", ge=1, le=64)
    config_clk: int = quantity(
        "clk", "start of a packet: counter and vector-size registers", ge=0, le=1_000_000
    )
    transfer_clk: int = quantity(
        "clk", "end of a packet: moving the sum out of the rank unit", ge=0, le=1_000_000
    )
    instruction_bits: int = quantity("bit", "width of one NMP instruction", ge=1, le=1024)
    table_seed: int = quantity("", "seed of the rule that fills the tables", ge=0, lt=2**63)
    energy: NmpEnergy
