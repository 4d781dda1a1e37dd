"""What the tests of hand-computed RecNMP clocks share: small designs, and packets spelled lookup by lookup.

DDR4-2400 without refresh: a read of a closed bank that is offered at clock t has its ACT at t + 1, its RD at t + 18
(tRCD 17) and has arrived at t + 39 (CL 17, tBL 4); a read of an open row has its RD at t + 1 and has arrived at t + 22.
Reads of one bank group follow one another after 6 clocks (tCCD_L), others and activations of other bank groups after 4.
A unit is free for its next packet CL + tBL = 21 clocks before its packet ends.
"""

import pytest
from by_hand import spec_of
from recnmp_twin import Channel, Design, Issue, Pooling
from recnmp_unit_twin import Burst, CompiledUnit, TickedUnit, Vector

TWO_RANKS = Design(ranks=2, ranks_per_dimm=2, instructions_per_clk=2, config_clk=2, transfer_clk=1)
TWO_DIMMS = TWO_RANKS._replace(ranks_per_dimm=1)
FOUR_ON_A_DIMM = TWO_RANKS._replace(ranks=4, ranks_per_dimm=4)
TWO_AND_TWO = TWO_RANKS._replace(ranks=4)
UNITS = pytest.mark.parametrize("unit", [CompiledUnit, TickedUnit], ids=["compiled", "ticked"])


def cached(latency_clk, *, sets=1, ways=2, design=TWO_RANKS):
    return design._replace(cache_sets=sets, cache_ways=ways, cache_clk=latency_clk)


class Program:
    """Numbers bursts as they are named, and executes packets."""

    def __init__(self, design, unit):
        self.channel = Channel(design, spec_of(ranks=design.ranks), unit)
        self.named = 0

    def vector(self, rank, *places, locality=1):
        """A lookup whose bursts are (bank group, row, column) of the first bank of a group."""
        bursts = []
        for group, row, column in places:
            bursts.append(Burst(self.named, rank, group, 0, row, column))
            self.named += 1
        return Vector(bursts, locality)

    def packet(self, *vectors, result_bursts=1, arrival=0):
        """Execute a packet of one pooling."""
        self.channel.execute([Pooling(result_bursts, list(vectors))], arrival)

    def done(self):
        self.channel.finish()
        return self.channel.record

    def cache_counts(self):
        return [(unit.lookups, unit.hits, unit.fills, unit.bypassed) for unit in self.channel.units]


def spelled(record):
    """Say what each clock of the pins carries: i and the ranks of instructions, c or r and the packet of data."""
    return {
        clk: "i" + "".join(map(str, carried.ranks))
        if isinstance(carried, Issue)
        else f"{carried.kind[0]}{carried.packet}"
        for clk, carried in record.pins.items()
    }


def issues(record):
    """Return the clocks of `spelled` with instructions."""
    return {clk: text for clk, text in spelled(record).items() if text[0] == "i"}


def clocks(text, *clks):
    return dict.fromkeys(clks, text)
