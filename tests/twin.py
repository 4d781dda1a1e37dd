"""The DRAM channel a second time, from docs/dram.md alone: every clock is visited and nothing is kept ready.

Whether a command is legal is found by looking back through the commands issued so far, rule by rule.
"""

import itertools
from dataclasses import dataclass
from typing import NamedTuple

from archsim.dram.spec import resolve_latency


class Place(NamedTuple):
    rank: int
    bank_group: int
    bank: int


class Command(NamedTuple):
    """One line of the command log; -1 where the command has no such part."""

    clk: int
    name: str
    rank: int
    bank_group: int = -1
    bank: int = -1
    row: int = -1
    column: int = -1


@dataclass(eq=False)
class Request:
    number: int
    is_write: bool
    place: Place
    row: int
    column: int
    arrival: int
    accepted: int = -1
    classified: bool = False

    def same_line(self, other):
        return (self.place, self.row, self.column) == (other.place, other.row, other.column)


class Bus:
    """The commands issued so far, and what they still forbid."""

    def __init__(self, spec):
        self.rules = [(rule, resolve_latency(rule.latency, spec.timing)) for rule in spec.rules]
        self.log = []
        self.history = []  # the log with every PREA written as one PRE of each bank that it closed
        self.open_row = {}  # Place -> row
        self.answers = {}  # of earliest(), until the next command

    def issue(self, t, name, rank, bank_group=-1, bank=-1, row=-1, column=-1):
        command = Command(t, name, rank, bank_group, bank, row, column)
        self.log.append(command)
        self.answers = {}
        if name == "PREA":
            for place in self.open_banks(rank):
                self.history.append(Command(t, "PRE", *place))
                del self.open_row[place]
            return
        self.history.append(command)
        if name == "ACT":
            self.open_row[command.rank, command.bank_group, command.bank] = row
        elif name == "PRE":
            del self.open_row[command.rank, command.bank_group, command.bank]

    def open_banks(self, rank):
        return [Place(*place) for place in self.open_row if place[0] == rank]

    def legal(self, name, place, t):
        return self.earliest(name, place, t) <= t

    def earliest(self, name, place, t):
        """First clock from t on at which no rule forbids the command, if nothing else is issued."""
        if (name, place) not in self.answers:
            self.answers[name, place] = max([t, *self._bounds(name, place, t)])
        return self.answers[name, place]

    def _bounds(self, name, place, t):
        for rule, latency in self.rules:
            if rule.after == name:
                recent = itertools.takewhile(lambda c: c.clk + latency > t, reversed(self.history))
                met = [c for c in recent if c.name == rule.before and _meet(rule.level, c, place)]
                yield from [c.clk + latency for c in met[rule.window - 1 : rule.window]]


def _meet(level, earlier, place):
    same_rank = earlier.rank == place.rank
    same_group = same_rank and earlier.bank_group == place.bank_group
    same_bank = same_group and earlier.bank == place.bank
    return {"bank": same_bank, "bank_group": same_group, "rank": same_rank, "other_rank": not same_rank}[level]


class Refresh:
    """All-bank refresh: when it falls due, and its own commands."""

    def __init__(self, spec, bus):
        self.bus = bus
        self.timing = spec.timing
        self.interval = spec.timing.tREFI
        self.ranks = range(spec.organization.ranks if spec.refresh.mode == "all-bank" else 0)
        stagger = self.interval // spec.organization.ranks
        self.due = [(i + 1) * stagger if spec.refresh.staggered else self.interval for i in self.ranks]
        self.pending = set()

    def fall_due(self, t):
        for rank in self.ranks:
            if self.due[rank] <= t and rank not in self.pending:
                self.pending.add(rank)
                self.due[rank] += self.interval

    def issue(self, t):
        """Issue PREA or REF of the lowest pending rank that can; return whether one was issued."""
        for rank in sorted(self.pending):
            banks = self.bus.open_banks(rank)
            if banks and all(self.bus.legal("PRE", place, t) for place in banks):
                self.bus.issue(t, "PREA", rank)
                return True
            if not banks and self.bus.legal("REF", Place(rank, -1, -1), t):
                self.bus.issue(t, "REF", rank)
                self.pending.remove(rank)
                return True
        return False

    def withholds(self, name, place, t):
        if place.rank not in self.pending or name == "PRE":
            return False
        if name == "ACT":
            return True
        closable = max(self.bus.earliest("PRE", bank, t) for bank in self.bus.open_banks(place.rank))
        timing = self.timing
        return t + {"RD": timing.tRTP, "WR": timing.CWL + timing.tBL + timing.tWR}[name] > closable


class Controller:
    """Two queues, one served at a time, first ready, first come, first served."""

    def __init__(self, spec, bus, refresh, requests):
        self.bus, self.refresh = bus, refresh
        self.settings, self.timing = spec.controller, spec.timing
        self.reads, self.writes = [], []  # oldest first
        self.draining = False
        self.finish = [None] * len(requests)
        self.latencies = []
        self.row_hits = self.row_misses = self.row_conflicts = self.forwarded = self.coalesced = 0

    def command_of(self, request):
        row = self.bus.open_row.get(request.place)
        if row is None:
            return "ACT"
        if row != request.row:
            return "PRE"
        return "WR" if request.is_write else "RD"

    def protected(self, queue, request):
        """Whether an older request of the queue hits the row that this one wants closed."""
        row = self.bus.open_row[request.place]
        older = queue[: queue.index(request)]
        return any(other.place == request.place and other.row == row for other in older)

    def schedule(self, t):
        queue = self.writes if self.draining else self.reads
        ready = []
        for age, request in enumerate(queue):
            name = self.command_of(request)
            if not self.bus.legal(name, request.place, t) or self.refresh.withholds(name, request.place, t):
                continue
            if name == "PRE" and self.protected(queue, request):
                continue
            ready.append((name not in ("RD", "WR"), age, name, request))
        if ready:
            _, _, name, request = min(ready, key=lambda candidate: candidate[:2])
            self.issue(t, name, request, queue)

    def issue(self, t, name, request, queue):
        self.classify(name, request)
        if name in ("RD", "WR"):
            self.bus.issue(t, name, *request.place, request.row, request.column)
            queue.remove(request)
            latency = self.timing.CL if name == "RD" else self.timing.CWL
            self.finish[request.number] = t + latency + self.timing.tBL
            if name == "RD":
                self.latencies.append(self.finish[request.number] - request.accepted)
        else:
            self.bus.issue(t, name, *request.place, request.row if name == "ACT" else -1)

    def classify(self, name, request):
        if not request.classified:
            request.classified = True
            self.row_hits += name in ("RD", "WR")
            self.row_misses += name == "ACT"
            self.row_conflicts += name == "PRE"

    def offer(self, t, request):
        """Take the request if possible; return whether it was taken."""
        request.accepted = t
        if any(request.same_line(write) for write in self.writes):
            self.finish[request.number] = t + 1
            if request.is_write:
                self.coalesced += 1
            else:
                self.forwarded += 1
                self.latencies.append(1)
            return True
        queue = self.writes if request.is_write else self.reads
        room = self.settings.write_queue if request.is_write else self.settings.read_queue
        if len(queue) < room:
            queue.append(request)
            return True
        return False

    def turn(self):
        reads, writes = len(self.reads), len(self.writes)
        if self.draining:
            self.draining = not (writes == 0 or (writes <= self.settings.write_drain_low and reads > 0))
        else:
            self.draining = writes >= self.settings.write_drain_high or (writes > 0 and reads == 0)


def replay(spec, rank, bank_group, bank, row, column, is_write, arrival=None):
    """Return (command log, finish clock of each request, counts by name)."""
    arrival = [0] * len(row) if arrival is None else arrival
    fields = zip(is_write, rank, bank_group, bank, row, column, arrival, strict=True)
    requests = [Request(i, bool(w), Place(k, g, b), r, c, a) for i, (w, k, g, b, r, c, a) in enumerate(fields)]
    bus = Bus(spec)
    refresh = Refresh(spec, bus)
    controller = Controller(spec, bus, refresh, requests)
    waiting, t = requests.copy(), 0
    while waiting or controller.reads or controller.writes:
        refresh.fall_due(t)
        if not refresh.issue(t):
            controller.schedule(t)
        if waiting and waiting[0].arrival <= t and controller.offer(t, waiting[0]):
            waiting.pop(0)
        controller.turn()
        t += 1
    return bus.log, controller.finish, _counts(bus, controller, requests)


def _counts(bus, controller, requests):
    counts = {name.lower(): sum(c.name == name for c in bus.log) for name in ("ACT", "PRE", "RD", "WR", "REF", "PREA")}
    counts["reads"] = sum(not request.is_write for request in requests)
    counts["writes"] = sum(request.is_write for request in requests)
    for name in ("row_hits", "row_misses", "row_conflicts", "forwarded", "coalesced"):
        counts[name] = getattr(controller, name)
    counts["latency_sum_clk"] = sum(controller.latencies)
    counts["latency_max_clk"] = max(controller.latencies, default=0)
    counts["last_data_clk"] = max(controller.finish, default=0)
    return counts
