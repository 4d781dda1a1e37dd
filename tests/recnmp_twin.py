"""RecNMP's packets and pins a second time, from docs/recnmp.md alone: obvious loops, packet by packet.

Clocks of the pins are entries of a dictionary; `recnmp_unit_twin` has the rank units.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from recnmp_unit_twin import CompiledUnit, RankUnit, Vector, instructions_of


@dataclass
class Pooling:
    """One bag: its lookups, and the bursts of its result at each DIMM."""

    result_bursts: int
    vectors: list[Vector]


class Design(NamedTuple):
    """The numbers of a channel with rank units; no sets: no RankCache."""

    ranks: int
    ranks_per_dimm: int
    instructions_per_clk: int
    config_clk: int
    transfer_clk: int
    cache_sets: int = 0
    cache_ways: int = 0
    cache_clk: int = 0
    arithmetic_clk: int = 0


def design_of(system, weighted=False):
    """Read the numbers off the specification of a system that adds plain elements; a weight multiplies them."""
    nmp, dram = system.nmp, system.dram
    cache = (0, 0, 0)
    if nmp.cache.size:
        cache = (nmp.cache.sets, nmp.cache.ways, nmp.cache.clocks(dram.timing.tCK_ps))
    operations = [nmp.fp32_mult_clk] * weighted + [nmp.fp32_add_clk]
    ranks = nmp.ranks_per_dimm
    while ranks > 1:  # a level of the adder tree
        ranks -= ranks // 2
        operations.append(nmp.fp32_add_clk)
    return Design(
        dram.organization.ranks,
        nmp.ranks_per_dimm,
        nmp.instructions_per_clk,
        nmp.config_clk,
        nmp.transfer_clk,
        *cache,
        sum(operations),
    )


@dataclass
class Stretches:
    """The clocks and counts of a packet, in the order of ``PACKET_LOG``."""

    number: int
    start: int
    configured: int
    first_issue: int
    last_issue: int
    read: int
    end: int
    result: int
    returned: int
    poolings: int
    instructions: int
    bursts: int
    hits: int


@dataclass
class Record:
    """What happened; times in memory clocks. ``pins`` says what each clock carries that is not empty."""

    end: int = 0
    packets: int = 0
    configurations: int = 0
    instructions: int = 0
    result_bursts: int = 0
    slowest_rank_bursts: int = 0
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    latencies: list[int] = field(default_factory=list)
    rank_reads: list[int] = field(default_factory=list)
    order: list[int] = field(default_factory=list)
    log: list[Stretches] = field(default_factory=list)
    pins: dict = field(default_factory=dict)

    @property
    def issue_clk(self):
        return sum(isinstance(carried, Issue) for carried in self.pins.values())


@dataclass
class Issue:
    """A clock of the pins with instructions for ranks of one DIMM; (rank, packet) in order of entry."""

    dimm: int
    instructions: list[tuple[int, int]] = field(default_factory=list)

    @property
    def ranks(self):
        return [rank for rank, _ in self.instructions]


class Data(NamedTuple):
    """A clock of the pins with a part of a configuration or of a result."""

    kind: str
    dimm: int
    packet: int


class Sent(NamedTuple):
    """A packet of the host: its bags, and those whose arrival it waits for."""

    bags: list[int]
    waits_for: list[int]


def sent_packets(bag_tables, poolings_per_packet, scheduling="interleaved", batch_bags=1, profiling=False):
    """Group bags into packets of one table, in the order in which packets are sent."""
    if scheduling == "interleaved" and not profiling:
        return [Sent(bags, bags) for bags in _as_they_fill(bag_tables, poolings_per_packet)]
    sent = []
    for batches in rounds_of(bag_tables, batch_bags):
        cut = [_pieces(batch, poolings_per_packet) for batch in batches]
        if scheduling == "interleaved":
            order = [packets[i] for i in range(max(map(len, cut))) for packets in cut if i < len(packets)]
        else:
            order = [packet for packets in cut for packet in packets]
        everything = [bag for batch in batches for bag in batch]
        sent += [Sent(packet, everything) for packet in order]
    return sent


def packets_of(bag_tables, *how):
    """Return only the bags of `sent_packets`."""
    return [packet.bags for packet in sent_packets(bag_tables, *how)]


def _as_they_fill(bag_tables, poolings_per_packet):
    waiting, sent = {}, []
    for bag, table in enumerate(bag_tables):
        waiting.setdefault(table, []).append(bag)
        if len(waiting[table]) == poolings_per_packet:
            sent.append(waiting.pop(table))
    return sent + sorted(waiting.values(), key=max)


def _pieces(bags, size):
    return [bags[first : first + size] for first in range(0, len(bags), size)]


def rounds_of(bag_tables, batch_bags):
    """Return the rounds, each a list of batches, each a list of bags of one table."""
    waiting, complete = {}, []
    for bag, table in enumerate(bag_tables):
        waiting.setdefault(table, []).append(bag)
        if len(waiting[table]) == batch_bags:
            complete.append(waiting.pop(table))
    complete += sorted(waiting.values(), key=max)
    rounds, tables = [[]], set()
    for batch in complete:
        table = bag_tables[batch[0]]
        if table in tables:
            rounds.append([])
            tables = set()
        rounds[-1].append(batch)
        tables.add(table)
    return [batches for batches in rounds if batches]


def locality_bits(bag_tables, bag_rows, batch_bags, threshold):
    """Return the LocalityBits of each bag's lookups; ``bag_rows`` lists the rows of each bag. 0: no profiling."""
    bits = [[1] * len(rows) for rows in bag_rows]
    if not threshold:
        return bits
    for batch in [batch for batches in rounds_of(bag_tables, batch_bags) for batch in batches]:
        uses = Counter(row for bag in batch for row in bag_rows[bag])
        for bag in batch:
            bits[bag] = [int(uses[row] > threshold) for row in bag_rows[bag]]
    return bits


class Channel:
    """A memory channel with a unit at every rank."""

    def __init__(self, design, dram, dram_unit=CompiledUnit):
        self.design, self.dram = design, dram
        self.units = [RankUnit(design, dram, rank, dram_unit) for rank in range(design.ranks)]
        per_dimm = design.ranks_per_dimm
        self.dimms = [range(first, first + per_dimm) for first in range(0, design.ranks, per_dimm)]
        self.record = Record()
        self.results_due = None  # poolings of the last packet, whose results have no clocks yet
        self.returned = 0  # clock at which all results so far have been returned
        self.sent = 0  # packets, also those without lookups

    def execute(self, poolings, arrival=0):
        """Execute one packet after all before it."""
        programs = self._programs(poolings)
        self.sent += 1
        if not any(programs):
            return
        record = self.record
        busy = [rank for rank, program in enumerate(programs) if program]
        start = max([arrival, *record.starts[-1:], *(self.units[rank].free_from for rank in busy)])
        record.starts.append(start)
        configured = self._configure(busy, start)
        issued = self._issue(programs, configured)
        self._return_results()
        hits = self._hits()
        arrived = self._read(programs, issued)
        done = max(arrival.clk for arrival in arrived.values())
        end = max(done + self.design.arithmetic_clk, self.returned) + self.design.transfer_clk
        follows = end - self.design.arithmetic_clk
        timing = self.dram.timing
        for rank in busy:
            self.units[rank].follows = follows
            self.units[rank].free_from = follows - timing.CL - timing.tBL - (timing.tDQSCK or 0)
        record.ends.append(end)
        record.packets += 1
        self.results_due = poolings
        self._note(configured, issued, done, poolings, programs, self._hits() - hits)

    def _hits(self):
        return sum(unit.hits for unit in self.units)

    def _note(self, configured, issued, read, poolings, programs, hits):
        """Log the packet that has just been read."""
        clocks = [clk for of_unit in issued for clk in of_unit]
        instructions = [instruction for program in programs for instruction in program]
        self.record.log.append(
            Stretches(
                self.sent - 1, self.record.starts[-1], configured, min(clocks), max(clocks), read,
                self.record.ends[-1], -1, -1,
                sum(any(vector.bursts for vector in pooling.vectors) for pooling in poolings), len(instructions),
                sum(len(instruction.bursts) for instruction in instructions), hits,
            )
        )  # fmt: skip

    @property
    def packet(self):
        """Number of the packet that has started last."""
        return len(self.record.starts) - 1

    def finish(self):
        """Return the results of the last packet."""
        self._return_results()
        self.record.end = self.returned
        self.record.rank_reads = [unit.dram.counts["rd"] for unit in self.units]

    def _programs(self, poolings):
        """List the instructions of each rank in program order."""
        programs = [[] for _ in self.units]
        for pooling in poolings:
            for vector in pooling.vectors:
                for instruction in instructions_of(vector):
                    programs[instruction.bursts[0].rank].append(instruction)
        self.record.instructions += sum(len(program) for program in programs)
        return programs

    def _configure(self, busy, clk):
        """Write to every DIMM of these ranks; return the clock after the last write."""
        for number, dimm in enumerate(self.dimms):
            if any(rank in dimm for rank in busy):
                clk = self._take(clk, self.design.config_clk, Data("configuration", number, self.packet))
                self.record.configurations += self.design.config_clk > 0
        return clk

    def _take(self, clk, clks, carried):
        """Take the first consecutive clocks from ``clk`` on that carry nothing; return the clock after them."""
        while any(clk + i in self.record.pins for i in range(clks)):
            clk += 1
        self.record.pins.update((clk + i, carried) for i in range(clks))
        return clk + clks

    def _issue(self, programs, clk):
        """Return the clocks of each rank's instructions."""
        issued = [[] for _ in programs]
        left = [len(program) for program in programs]
        turn, turns = 0, 0  # the DIMM to be asked next; how often the turn has passed the last one
        pins = self.record.pins
        while any(left):
            able = [left[rank] and clk > unit.last_issue for rank, unit in enumerate(self.units)]
            free = clk not in pins and any(able)
            if free:
                while not any(able[rank] for rank in self.dimms[turn]):
                    turn, turns = self._next(turn, turns)
                pins[clk] = Issue(turn)
            if isinstance(pins.get(clk), Issue):
                for rank in self._asked(pins[clk], able, turns):
                    pins[clk].instructions.append((rank, self.packet))
                    issued[rank].append(clk)
                    left[rank] -= 1
            if free:
                turn, turns = self._next(turn, turns)
            clk += 1
        for unit, clocks in zip(self.units, issued, strict=True):
            unit.last_issue = max([unit.last_issue, *clocks])
        return issued

    def _asked(self, here, able, turns):
        """List the ranks that get an instruction in a clock that is their DIMM's."""
        per_clk, dimm = self.design.instructions_per_clk, self.dimms[here.dimm]
        first = turns * per_clk % len(dimm)
        asked = [dimm[(first + i) % len(dimm)] for i in range(len(dimm))]
        return [rank for rank in asked if able[rank]][: per_clk - len(here.instructions)]

    def _next(self, turn, turns):
        return (0, turns + 1) if turn + 1 == len(self.dimms) else (turn + 1, turns)

    def _read(self, programs, issued):
        """Let every unit execute its program; return {burst: Arrival}."""
        arrived = {}
        for unit, program, clocks in zip(self.units, programs, issued, strict=True):
            here = unit.execute(program, clocks)
            self.record.order += [b.number for b in sorted(here, key=lambda b: here[b].place(b.number))]
            arrived |= here
        self.record.slowest_rank_bursts += max(
            sum(len(instruction.bursts) for instruction in program) for program in programs
        )
        return arrived

    def _return_results(self):
        """Give the results of the packet before clocks on the pins."""
        if self.results_due is None:
            return
        packet, clk = len(self.record.ends) - 1, self.record.ends[-1]
        noted = self.record.log[-1]
        for pooling in self.results_due:
            for number, dimm in enumerate(self.dimms):
                if not any(burst.rank in dimm for vector in pooling.vectors for burst in vector.bursts):
                    continue
                for _ in range(pooling.result_bursts):
                    clk = self._take(clk, self.dram.timing.tBL, Data("result", number, packet))
                    noted.result = clk - self.dram.timing.tBL if noted.result < 0 else noted.result
                    self.record.result_bursts += 1
        self.returned = noted.returned = clk
        self.record.latencies.append(clk - self.record.starts[packet])
        self.results_due = None
