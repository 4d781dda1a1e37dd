"""TRiM (MICRO 2021) at the level of ranks: a reduction unit per rank, in the buffer chip."""

from __future__ import annotations

from archsim.nmp.designs.base import Design


class TRiMRank(Design):
    """What TRiM compares its finer levels with: rank units fed by compressed instructions."""

    name = "trim-rank"
