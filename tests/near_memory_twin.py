"""What designs change of RecNMP's packets, a second time, from docs/near-memory-designs.md alone; no RankCaches.

A unit may read several ranks. `Burst.rank` is that of the memory; the numbers of `recnmp_twin.Design` count units.
"""

from collections import Counter
from typing import NamedTuple

import numpy as np
from recnmp_twin import Channel, Data, Issue
from recnmp_unit_twin import instructions_of

from archsim.dram.address import encode
from archsim.dram.resolve import resolve


class Changes(NamedTuple):
    """Names and order of ``DESIGN_PARAMETERS``."""

    rank_bits: int = 0
    broadcast: int = 0
    sliced: int = 0
    issue_clk: int = 1
    issue_burst_clk: int = 0
    deliver_clk: int = 0
    adder_bits: int = -1
    gather_clk: int = 0
    overlap: int = 0


class Whole(NamedTuple):
    """A clock of the pins that an instruction of several clocks has to itself."""

    unit: int
    packet: int


class SeveralRanks:
    """The DRAM of a unit that reads several ranks, on the compiled channel."""

    def __init__(self, dram, unit, rank_bits):
        from archsim.kernels.dram import ChannelReplay

        self.ranks = 1 << rank_bits
        self.channel = ChannelReplay(resolve(dram, ranks=self.ranks, refresh_rank=unit * self.ranks), 1 << 20)
        self.dram, self.counts = dram, Counter()

    def read(self, bursts, offered):
        finished = np.empty(len(bursts), np.int64)
        places = [
            encode(b.rank % self.ranks, b.bank_group, b.bank, b.row, b.column, self.dram) for b in bursts
        ]
        self.channel.feed(np.array(places, np.int64), None, np.array(offered, np.int64), finished, drain=True)
        self.counts = self.channel.counts()
        return finished.tolist()


class NearMemory(Channel):
    """A memory channel with the units of any design."""

    def __init__(self, design, dram, changes):
        super().__init__(design, dram, lambda dram, unit: SeveralRanks(dram, unit, changes.rank_bits))
        self.changes = changes
        self.delivered = [0] * design.ranks
        self.gather_free = [0] * design.ranks
        self.gathered = 0
        self.follows = [0]  # packet by packet: when its units may take data of another

    def unit_of(self, burst):
        return burst.rank >> self.changes.rank_bits

    def execute(self, poolings, arrival=0):
        programs = self._programs(poolings)
        self.sent += 1
        busy = [unit for unit, program in enumerate(programs) if program]
        if not busy:
            return
        record = self.record
        start = max([arrival, *record.starts[-1:], *(self.units[unit].free_from for unit in busy)])
        record.starts.append(start)
        configured = self._configure(busy, start)
        issued = self._deliver(self._issue(programs, configured))
        self._return_results()
        arrived = self._read(programs, issued)
        last = {unit: max(arrived[b].clk for i in programs[unit] for b in i.bursts) for unit in busy}
        done = {unit: self._gather(unit, poolings, clk) for unit, clk in last.items()}
        end = max(max(done.values()) + self.design.arithmetic_clk, self.returned) + self.design.transfer_clk
        follows = end - self.design.arithmetic_clk
        freed = max(*last.values(), self.follows[-1]) if self.changes.overlap else follows
        self.follows.append(follows)
        timing = self.dram.timing
        for unit in busy:
            self.units[unit].free_from = freed - timing.CL - timing.tBL - (timing.tDQSCK or 0)
        record.ends.append(end)
        record.packets += 1
        self.results_due = poolings
        self._note(configured, issued, max(last.values()), poolings, programs, 0)

    def _programs(self, poolings):
        programs = [[] for _ in self.units]
        for pooling in poolings:
            for vector in pooling.vectors:
                for instruction in instructions_of(vector):
                    programs[self.unit_of(instruction.bursts[0])].append(instruction)
        self.record.instructions += sum(len(program) for program in programs)
        return programs

    def _configure(self, busy, clk):
        if not self.changes.broadcast:
            return super()._configure(busy, clk)
        self.record.configurations += self.design.config_clk > 0
        return self._take(clk, self.design.config_clk, Data("configuration", 0, self.packet))

    def _issue(self, programs, clk):
        """Return the clock of the pins at which each instruction of each unit has gone through."""
        groups = [range(len(self.units))] if self.changes.broadcast else self.dimms
        per_clk = len(self.units) if self.changes.broadcast else self.design.instructions_per_clk
        long = self.changes.issue_clk + self.changes.issue_burst_clk > 1
        issued = [[] for _ in programs]
        turn, turns = 0, 0
        pins = self.record.pins

        def left(unit):
            return len(programs[unit]) - len(issued[unit])

        def onwards():
            return (0, turns + 1) if turn + 1 == len(groups) else (turn + 1, turns)

        while any(left(unit) for unit in range(len(programs))):
            free = clk not in pins
            if free:
                while not any(left(unit) for unit in groups[turn]):
                    turn, turns = onwards()
                pins[clk] = Issue(turn)
            if isinstance(pins[clk], Issue):
                group = groups[pins[clk].dimm]
                first = turns * per_clk % len(group)
                asked = [group[(first + i) % len(group)] for i in range(len(group))]
                asked = [unit for unit in asked if left(unit) and unit not in pins[clk].ranks]
                if long:
                    issued[asked[0]].append(self._take_whole(asked[0], programs, issued, clk))
                else:
                    for unit in asked[: max(per_clk - len(pins[clk].ranks), 0)]:
                        pins[clk].instructions.append((unit, self.packet))
                        issued[unit].append(clk)
            if free:
                turn, turns = onwards()
            clk += 1
        return issued

    def _take_whole(self, unit, programs, issued, clk):
        bursts = len(programs[unit][len(issued[unit])].bursts)
        more = self.changes.issue_clk + self.changes.issue_burst_clk * bursts
        while True:
            if clk not in self.record.pins or isinstance(self.record.pins[clk], Issue):
                self.record.pins[clk] = Whole(unit, self.packet)
                more -= 1
                if not more:
                    return clk
            clk += 1

    def _deliver(self, issued):
        if not self.changes.deliver_clk:
            return issued
        clocks = [[] for _ in issued]
        for unit, through in enumerate(issued):
            for clk in through:
                self.delivered[unit] = max(clk, self.delivered[unit]) + self.changes.deliver_clk
                clocks[unit].append(self.delivered[unit])
        return clocks

    def _gather(self, unit, poolings, clk):
        """Return the clock at which all sums of a unit's adders are in the buffer chip."""
        if self.changes.adder_bits < 0:
            return clk
        o, bursts = self.dram.organization, 0
        for pooling in poolings:
            mine = [b for vector in pooling.vectors for b in vector.bursts if self.unit_of(b) == unit]
            flat = [(b.rank * o.bank_groups + b.bank_group) * o.banks_per_group + b.bank for b in mine]
            bursts += pooling.result_bursts * len({bank >> self.changes.adder_bits for bank in flat})
        self.gathered += bursts
        self.gather_free[unit] = max(clk, self.gather_free[unit]) + bursts * self.changes.gather_clk
        return self.gather_free[unit]

    def _return_results(self):
        if self.results_due is None:
            return
        packet, clk = len(self.record.ends) - 1, self.record.ends[-1]
        noted = self.record.log[-1]
        for pooling in self.results_due:
            for number, dimm in enumerate(self.dimms):
                for _ in range(self._result_bursts(pooling, dimm)):
                    clk = self._take(clk, self.dram.timing.tBL, Data("result", number, packet))
                    noted.result = clk - self.dram.timing.tBL if noted.result < 0 else noted.result
                    self.record.result_bursts += 1
        self.returned = noted.returned = clk
        self.record.latencies.append(clk - self.record.starts[packet])
        self.results_due = None

    def _result_bursts(self, pooling, dimm):
        parts = {
            part
            for vector in pooling.vectors
            for part, burst in enumerate(vector.bursts)
            if self.unit_of(burst) in dimm
        }
        if not self.changes.sliced:
            return pooling.result_bursts if parts else 0
        if not parts:
            return 0
        return -(-pooling.result_bursts * len(parts) // len(pooling.vectors[0].bursts))
