"""RecNMP (ISCA 2020): ``docs/recnmp.md`` is its contract."""

from __future__ import annotations

from archsim.nmp.designs.base import Design

#: The field vsize of an instruction has three bits and counts bursts.
MOST_BURSTS = 7


class RecNMP(Design):
    """Rank units in the buffer chips, with RankCaches where ``nmp.cache`` has a size."""

    name = "recnmp"
    rank_cache = True
    silicon = True
    most_bursts = MOST_BURSTS
    most_bursts_because = "vsize has 3 bits"
    nmp_instructions = True
