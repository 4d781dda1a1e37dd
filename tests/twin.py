"""The DRAM channel a second time, from docs/dram.md alone: every clock is visited and nothing is kept ready.

Whether a command is legal is found by looking back through the commands issued so far, rule by rule.
"""

import itertools
from collections import Counter
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

    @property
    def line(self):
        return self.place, self.row, self.column


class Bus:
    """The commands issued so far, and what they still forbid."""

    def __init__(self, spec):
        self.rules = [(rule, resolve_latency(rule.latency, spec.timing)) for rule in spec.rules]
        self.log = []
        # The log by command name, with every PREA written as one PRE of each bank that it closed.
        self.history = {name: [] for name in ("ACT", "PRE", "RD", "WR", "REF")}
        self.open_row, self.answers = {}, {}  # Place -> row; results of earliest() until the next command

    def issue(self, t, name, *where):
        """Issue a command; ``where`` is its rank, bank group, bank, row and column, as far as it has them."""
        command = Command(t, name, *where)
        self.log.append(command)
        self.answers = {}
        if name in ("PRE", "PREA"):
            for place in [Place(*where)] if name == "PRE" else self.open_banks(command.rank):
                self.history["PRE"].append(Command(t, "PRE", *place))
                del self.open_row[place]
            return
        self.history[name].append(command)
        if name == "ACT":
            self.open_row[Place(*where[:3])] = command.row

    def open_banks(self, rank):
        return [place for place in self.open_row if place.rank == rank]

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
                recent = self._since(t - latency, rule.before)
                met = [command for command in recent if _meet(rule.level, command, place)]
                if len(met) >= rule.window:
                    yield met[rule.window - 1].clk + latency

    def _since(self, clk, name):
        """Commands of that name after the clock, the last one first."""
        return itertools.takewhile(lambda command: command.clk > clk, reversed(self.history[name]))


def _meet(level, earlier, place):
    if level == "other_rank":
        return earlier.rank != place.rank
    shared = {"rank": 1, "bank_group": 2, "bank": 3}[level]
    return (earlier.rank, earlier.bank_group, earlier.bank)[:shared] == place[:shared]


class Refresh:
    """All-bank refresh: when it falls due, and its own commands."""

    def __init__(self, spec, bus):
        self.bus = bus
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
        demands = [clks for rule, clks in self.bus.rules if (rule.before, rule.after) == (name, "PRE")]
        closable = max(self.bus.earliest("PRE", bank, t) for bank in self.bus.open_banks(place.rank))
        return any(t + clks > closable for clks in demands)


class Controller:
    """Two queues, one served at a time, first ready, first come, first served."""

    def __init__(self, spec, bus, refresh, requests):
        self.bus, self.refresh = bus, refresh
        self.settings, self.timing = spec.controller, spec.timing
        self.reads, self.writes = [], []  # oldest first
        self.draining = False
        self.finish = [-1] * len(requests)
        self.latencies = []
        self.counts = Counter(row_hits=0, row_misses=0, row_conflicts=0, forwarded=0, coalesced=0)

    def command_of(self, request):
        row = self.bus.open_row.get(request.place)
        if row is None:
            return "ACT"
        if row != request.row:
            return "PRE"
        return "WR" if request.is_write else "RD"

    def protected(self, place, older):
        """Whether one of the older requests of the queue hits the row that is open in the bank."""
        return (place, self.bus.open_row[place]) in [request.line[:2] for request in older]

    def schedule(self, t):
        queue = self.writes if self.draining else self.reads
        ready = []
        for age, request in enumerate(queue):
            name = self.command_of(request)
            place = request.place
            legal = self.bus.legal(name, place, t) and not self.refresh.withholds(name, place, t)
            if legal and not (name == "PRE" and self.protected(place, queue[:age])):
                ready.append((name not in ("RD", "WR"), age, name, request))
        if ready:
            _, _, name, request = min(ready, key=lambda candidate: candidate[:2])
            self.issue(t, name, request, queue)

    def issue(self, t, name, request, queue):
        if not request.classified:
            self.counts[{"ACT": "row_misses", "PRE": "row_conflicts"}.get(name, "row_hits")] += 1
        request.classified = True
        parts = {"PRE": (), "ACT": (request.row,)}.get(name, (request.row, request.column))
        self.bus.issue(t, name, *request.place, *parts)
        if name in ("RD", "WR"):
            queue.remove(request)
            data = self.timing.CL if name == "RD" else self.timing.CWL
            self.finish[request.number] = t + data + self.timing.tBL
            if name == "RD":
                self.latencies.append(self.finish[request.number] - request.accepted)

    def offer(self, t, request):
        """Take the request if possible; return whether it was taken."""
        request.accepted = t
        if request.line in [write.line for write in self.writes]:
            self.counts["coalesced" if request.is_write else "forwarded"] += 1
            if not request.is_write:
                self.finish[request.number] = t + 1
                self.latencies.append(1)
            return True
        queue = self.writes if request.is_write else self.reads
        if len(queue) == (self.settings.write_queue if request.is_write else self.settings.read_queue):
            return False
        queue.append(request)
        return True

    def turn(self):
        reads, writes, limits = len(self.reads), len(self.writes), self.settings
        if self.draining:
            self.draining = not (writes == 0 or (writes <= limits.write_drain_low and reads > 0))
        else:
            self.draining = writes >= limits.write_drain_high or (writes > 0 and reads == 0)


def replay(spec, rank, bank_group, bank, row, column, is_write, arrival=None):
    """Return (command log, finish clock of each request, counts by name).

    A write that joined a waiting write of the same line has no finish of its own: -1.
    """
    arrival = [0] * len(row) if arrival is None else arrival
    places = map(Place, rank, bank_group, bank)
    requests = list(map(Request, range(len(row)), map(bool, is_write), places, row, column, arrival))
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
    counts = dict(controller.counts)
    for name in ("ACT", "PRE", "RD", "WR", "REF", "PREA"):
        counts[name.lower()] = sum(command.name == name for command in bus.log)
    counts["writes"] = sum(request.is_write for request in requests)
    counts["reads"] = len(requests) - counts["writes"]
    counts["latency_sum_clk"] = sum(controller.latencies)
    counts["latency_max_clk"] = max(controller.latencies, default=0)
    counts["last_data_clk"] = max([0, *controller.finish])
    return counts
