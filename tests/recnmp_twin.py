"""RecNMP packets a second time, from docs/recnmp.md alone: obvious loops over one packet at a time.

A rank unit is a DRAM channel of one rank: `CompiledUnit` runs the compiled channel, `TickedUnit` the twin
that visits every clock.
"""

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
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


@dataclass
class Pooling:
    """One bag: its vectors, each a list of bursts in address order, and the bursts of its result."""

    result_bursts: int
    vectors: list[list[Burst]]


@dataclass
class Record:
    """What happened; times in memory clocks."""

    end: int = 0
    packets: int = 0
    instructions: int = 0
    result_bursts: int = 0
    latencies: list[int] = field(default_factory=list)
    rank_reads: list[int] = field(default_factory=list)
    order: list[int] = field(default_factory=list)


def packets_of(bag_tables, poolings_per_packet):
    """Group bags into packets of one table, in the order in which packets are sent."""
    waiting, sent = {}, []
    for bag, table in enumerate(bag_tables):
        waiting.setdefault(table, []).append(bag)
        if len(waiting[table]) == poolings_per_packet:
            sent.append(waiting.pop(table))
    return sent + sorted(waiting.values(), key=max)


def instructions_of(vector):
    """Cut a vector where the next burst lies in another row or bank."""
    instructions = [[vector[0]]]
    for before, burst in pairwise(vector):
        if before[1:5] != burst[1:5]:
            instructions.append([])
        instructions[-1].append(burst)
    return instructions


class CompiledUnit:
    """A rank unit on the compiled DRAM channel."""

    def __init__(self, dram, rank):
        from archsim.kernels.dram import ChannelReplay

        tables = resolve(dram, ranks=1, refresh_rank=rank)
        self.channel = ChannelReplay(tables, 0)
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


class TickedUnit:
    """A rank unit on the tick-by-tick twin, which replays everything so far for each packet.

    Only for ranks that refresh together, because the twin is told of one rank alone.
    """

    def __init__(self, dram, rank):
        assert not dram.refresh.staggered
        one_rank = dram.organization.model_copy(update={"ranks": 1})
        self.dram = dram.model_copy(update={"organization": one_rank})
        self.bursts, self.offered, self.counts = [], [], Counter()

    def read(self, bursts, offered):
        self.bursts += bursts
        self.offered += offered
        places = [encode(0, b.bank_group, b.bank, b.row, b.column, self.dram) for b in self.bursts]
        replayed = twin.replay(self.dram, places, arrivals=self.offered)
        self.counts = replayed.counts
        return replayed.finished[len(self.bursts) - len(bursts) :]


class Channel:
    """A memory channel with a unit at every rank."""

    def __init__(self, system, unit=CompiledUnit):
        self.nmp, self.dram = system.nmp, system.dram
        ranks, per_dimm = system.dram.organization.ranks, system.nmp.ranks_per_dimm
        self.units = [unit(system.dram, rank) for rank in range(ranks)]
        self.dimms = [range(first, first + per_dimm) for first in range(0, ranks, per_dimm)]
        self.record = Record(rank_reads=[0] * ranks)

    def execute(self, poolings, arrival=0):
        """Execute one packet after all before it."""
        if not any(pooling.vectors for pooling in poolings):
            return
        self.record.packets += 1
        start = max(self.record.end, arrival)
        programs = self._programs(poolings)
        issued, last_clk = self._issue(programs, start + self.nmp.config_clk)
        arrived = self._read(programs, issued)
        bus = self._return(poolings, arrived, last_clk + 1)
        self.record.end = bus + self.nmp.transfer_clk
        self.record.latencies.append(self.record.end - start)

    def _programs(self, poolings):
        """List the instructions of each rank in program order."""
        programs = [[] for _ in self.units]
        for pooling in poolings:
            for vector in pooling.vectors:
                for instruction in instructions_of(vector):
                    programs[instruction[0].rank].append(instruction)
        self.record.instructions += sum(len(program) for program in programs)
        return programs

    def _issue(self, programs, clk):
        """Return the clocks of each rank's instructions, and that of the last of all."""
        issued = [[] for _ in programs]
        left = [len(program) for program in programs]
        asked_first = 0
        while any(left):
            for dimm in self.dimms:
                if not any(left[rank] for rank in dimm):
                    continue
                asked = [dimm[(asked_first + i) % len(dimm)] for i in range(len(dimm))]
                for rank in [rank for rank in asked if left[rank]][: self.nmp.instructions_per_clk]:
                    issued[rank].append(clk)
                    left[rank] -= 1
                clk += 1
            asked_first += self.nmp.instructions_per_clk
        return issued, clk - 1

    def _read(self, programs, issued):
        """Let every unit read its bursts; return {burst: clock of arrival}."""
        arrived = {}
        for rank, (unit, program, clocks) in enumerate(zip(self.units, programs, issued, strict=True)):
            bursts = [burst for instruction in program for burst in instruction]
            offered = [clk for clk, instruction in zip(clocks, program, strict=True) for _ in instruction]
            if bursts:
                finished = dict(zip(bursts, unit.read(bursts, offered), strict=True))
                self.record.rank_reads[rank] += len(bursts)
                self.record.order += [b.number for b in sorted(bursts, key=finished.__getitem__)]
                arrived |= finished
        return arrived

    def _return(self, poolings, arrived, bus):
        """Return results over the data pins; return the first clock at which these are free again."""
        for pooling in poolings:
            for dimm in self.dimms:
                ready = [arrived[b] for vector in pooling.vectors for b in vector if b.rank in dimm]
                if ready:
                    bus = max(bus, *ready) + pooling.result_bursts * self.dram.timing.tBL
                    self.record.result_bursts += pooling.result_bursts
        return bus
