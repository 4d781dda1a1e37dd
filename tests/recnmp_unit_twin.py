"""RecNMP's rank units a second time, from docs/recnmp.md alone: decoder, RankCache and DRAM of one rank.

The DRAM is a channel of one rank: `CompiledUnit` runs the compiled channel, `TickedUnit` the twin that visits every
clock.
"""

from collections import Counter
from itertools import accumulate, pairwise
from typing import NamedTuple

import numpy as np
import twin

from archsim.dram.address import encode
from archsim.dram.resolve import resolve


class Burst(NamedTuple):
    """64 bytes of a vector; ``number`` counts all bursts in the order in which packets name them."""

    number: int
    rank: int
    bank_group: int
    bank: int
    row: int
    column: int


class Vector(NamedTuple):
    """One lookup: its bursts in address order, and its LocalityBit."""

    bursts: list[Burst]
    locality: int = 1


class Instruction(NamedTuple):
    bursts: list[Burst]
    locality: int


class Arrival(NamedTuple):
    """When a burst is at its unit; ``read`` numbers the burst from the DRAM that it is or waited for, if any."""

    clk: int
    read: int | None

    def place(self, number):
        """Sort bursts by this in the order in which they are added."""
        return self.clk, self.read is None, self.read or 0, number != self.read, number


def instructions_of(vector):
    """Cut a vector where the next burst lies in another row or bank."""
    pieces = [[vector.bursts[0]]]
    for before, burst in pairwise(vector.bursts):
        if before[1:5] != burst[1:5]:
            pieces.append([])
        pieces[-1].append(burst)
    return [Instruction(piece, vector.locality) for piece in pieces]


class CompiledUnit:
    """The DRAM of a rank unit on the compiled channel."""

    def __init__(self, dram, rank):
        from archsim.kernels.dram import ChannelReplay

        tables = resolve(dram, ranks=1, refresh_rank=rank)
        self.channel = ChannelReplay(tables, 1 << 20)
        self.dram = dram
        self.counts = Counter()

    def read(self, bursts, offered):
        """Return the clock at which each burst has arrived."""
        finished = np.empty(len(bursts), np.int64)
        places = [encode(0, b.bank_group, b.bank, b.row, b.column, self.dram) for b in bursts]
        arrivals = np.array(offered, np.int64)
        self.channel.feed(np.array(places, np.int64), None, arrivals, finished, drain=True)
        self.counts = self.channel.counts()
        return finished.tolist()

    def commands(self):
        """Return the command log, int64 [5, n]: clock, command, bank, row, column."""
        return self.channel.commands()


class TickedUnit:
    """The DRAM of a rank unit on the tick-by-tick twin, which replays everything so far for each packet.

    Only for ranks that refresh together, because the twin is told of one rank alone.
    """

    def __init__(self, dram, rank):
        assert not dram.refresh.staggered
        one_rank = dram.organization.model_copy(update={"ranks": 1})
        self.dram = dram.model_copy(update={"organization": one_rank})
        self.bursts, self.offered, self.counts, self.waiting = [], [], Counter(), []

    def read(self, bursts, offered):
        self.bursts += bursts
        self.offered += offered
        places = [encode(0, b.bank_group, b.bank, b.row, b.column, self.dram) for b in self.bursts]
        replayed = twin.replay(self.dram, places, arrivals=self.offered)
        self.counts, self.waiting = replayed.counts, replayed.waiting
        return replayed.finished[len(self.bursts) - len(bursts) :]


class RankCache:
    """Lines by set, the least recently used first."""

    def __init__(self, design, dram):
        self.ways, self.sets, self.dram = design.cache_ways, design.cache_sets, dram
        self.lines = {}

    def hit(self, burst):
        """Look a burst's line up, bring it in if it is not there, and return whether it was."""
        o = self.dram.organization
        bank = burst.bank_group * o.banks_per_group + burst.bank
        line = (bank, burst.row, burst.column)
        place = ((burst.row * o.bursts_per_row + burst.column) * o.banks_per_rank + bank) % self.sets
        lines = self.lines.setdefault(place, [])
        found = line in lines
        if found:
            lines.remove(line)
        elif len(lines) == self.ways:
            lines.pop(0)
        lines.append(line)
        return found


class RankUnit:
    """Decoder, RankCache and DRAM of one rank."""

    def __init__(self, design, dram, rank, dram_unit):
        self.dram = dram_unit(dram, rank)
        self.cache = RankCache(design, dram) if design.cache_sets else None
        self.latency = design.cache_clk
        self.last_issue = -1  # clock of its last instruction
        self.free_from = 0  # when its next packet may start
        self.follows = 0  # clock from which on it takes data after those of its last packet
        self.port_free, self.last_lookup = 0, 0
        self.lookups = self.hits = self.fills = self.bypassed = 0
        self.hit_log = []  # (clock of the lookup, burst)

    def execute(self, program, clocks):
        """Return {burst: Arrival} of the instructions of one packet, issued at these clocks."""
        offers, hits = [], []  # (clock, burst); (burst, clock, burst that is being read or None)
        being_read = {}  # line -> the burst that brings it in
        for (bursts, locality), clk in zip(program, clocks, strict=True):
            for burst in bursts:
                line = burst[1:]
                if self.cache is None:
                    offers.append((clk, burst))
                elif not locality:
                    self.bypassed += 1
                    offers.append((max(clk, self.last_lookup), burst))
                elif self._look_up(burst, clk):
                    hits.append((burst, self.last_lookup + self.latency, being_read.get(line)))
                else:
                    being_read[line] = burst
                    offers.append((self.last_lookup + self.latency, burst))
        arrived = self._read(offers)
        for burst, clk, read in hits:
            clk = max(clk, self.follows)
            waits = read is not None and arrived[read].clk > clk
            arrived[burst] = Arrival(arrived[read].clk, read.number) if waits else Arrival(clk, None)
        return arrived

    def _look_up(self, burst, clk):
        self.lookups += 1
        self.last_lookup = max(clk, self.port_free)
        self.port_free = self.last_lookup + self.latency
        if self.cache.hit(burst):
            self.hits += 1
            self.hit_log.append((self.last_lookup, burst))
            return True
        self.fills += 1
        self.port_free += self.latency
        return False

    def _read(self, offers):
        """Offer the bursts in this order: none before an earlier one."""
        if not offers:
            return {}
        bursts = [burst for _, burst in offers]
        offered = accumulate((clk for clk, _ in offers), max)
        finished = self.dram.read(bursts, list(offered))
        return {burst: Arrival(clk, burst.number) for burst, clk in zip(bursts, finished, strict=True)}
