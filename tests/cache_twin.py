"""Caches in front of a memory a second time, from docs/memory-caches.md alone: contents by lists, clocks one by one."""

from collections import Counter
from dataclasses import dataclass, field

import twin
from twin_queues import Request


def draw(counter, ways):
    """SplitMix64 of a counter, scaled to [0, ways)."""
    word = 2**64
    z = counter * 0x9E3779B97F4A7C15 % word
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % word
    z = (z ^ z >> 27) * 0x94D049BB133111EB % word
    z ^= z >> 31
    return (z >> 32) * ways >> 32


class Cache:
    """One cache: sets are lists of [block, dirty, used], youngest first."""

    def __init__(self, sets, ways, policy, draws):
        self.sets = [[] for _ in range(sets)]
        self.hands = [None] * sets  # blocks; None: nowhere
        self.ways, self.policy, self.draws = ways, policy, draws

    def of(self, index):
        return self.sets[index % len(self.sets)]

    def find(self, index, block):
        return next((line for line in self.of(index) if line[0] == block), None)

    def use(self, index, line):
        if self.policy == "lru":
            self.of(index).remove(line)
            self.of(index).insert(0, line)
        line[2] = True

    def remove(self, index, line):
        """Take a line out; a hand that was at it goes to the next younger one."""
        lines = self.of(index)
        place = lines.index(line)
        if self.hands[index % len(self.sets)] == line[0]:
            self.hands[index % len(self.sets)] = lines[place - 1][0] if place else None
        return lines.pop(place)

    def clock(self, index):
        lines = self.of(index)
        while lines[-1][2]:
            lines[-1][2] = False
            lines.insert(0, lines.pop())
        return lines[-1]

    def sieve(self, index):
        lines, hand = self.of(index), self.hands[index % len(self.sets)]
        place = next((i for i, line in enumerate(lines) if line[0] == hand), len(lines) - 1)
        while lines[place][2]:
            lines[place][2] = False
            place = place - 1 if place else len(lines) - 1
        self.hands[index % len(self.sets)] = lines[place][0]
        return lines[place]

    def put(self, index, block, dirty):
        """Bring a block in; return the line that goes, or None."""
        lines, out = self.of(index), None
        if len(lines) == self.ways:
            goes = lines[-1]
            if self.policy == "random":
                self.draws[0] += 1
                goes = lines[draw(self.draws[0], self.ways)]
            if self.policy in ("clock", "sieve"):
                goes = getattr(self, self.policy)(index)
            out = self.remove(index, goes)
        lines.insert(0, [block, dirty, False])
        return out and out[:2]


class Chain:
    """Caches one behind the other; `shared`: the last is one for all units."""

    def __init__(self, levels, shared, inclusion, write_back, allocate_writes):
        self.levels = []
        for number, (sets, ways, units, policy) in enumerate(levels):
            draws = [0]
            alone = shared and number == len(levels) - 1
            caches = [Cache(sets, ways, policy, draws) for _ in range(1 if alone else units)]
            self.levels.append(caches * units if alone else caches)
        self.last = len(levels) - 1
        self.shared, self.inclusion = shared, inclusion
        self.write_back, self.allocate_writes = write_back, allocate_writes
        self.counts = [Counter() for _ in levels]

    def access(self, unit, index, block, write, keep_out):
        """Return (level, whether memory is read, whether the write goes there, dirty blocks driven out to it)."""
        victims = []
        moving = self.inclusion == "exclusive" and self.last > 0
        for level in range(self.last + 1):
            self.counts[level]["lookups"] += 1
            cache = self.levels[level][unit]
            line = cache.find(index, block)
            if line is not None:
                self.counts[level]["hits"] += 1
                break
        else:
            level, line = self.last + 1, None
        dirty = False
        if line is None and self.shared and self.last > 0:
            others = [cache for private in self.levels[:-1] for cache in private]
            if any(cache.find(block, block) for cache in others):  # passed on by another core
                level = self.last
                self.counts[level]["hits"] += 1
        if level > self.last:
            if write and (keep_out or not self.allocate_writes):
                return level, False, True, victims
            if keep_out:
                return level, True, False, victims
            nearer = range(self.last + (not moving))
        else:
            nearer = range(level)
            if line is None:
                pass
            elif moving and level == self.last:
                cache.remove(index, line)
                dirty = line[1]
            else:
                cache.use(index, line)
        for number in reversed(nearer):
            self.bring_in(number, unit, index, block, dirty, victims)
            dirty = False
        if write and self.write_back:
            self.levels[0][unit].find(index, block)[1] = True
        return level, level > self.last, write and not self.write_back, victims

    def bring_in(self, level, unit, index, block, dirty, victims):
        self.counts[level]["fills"] += 1
        out = self.levels[level][unit].put(index, block, dirty)
        if out is not None:
            self.driven_out(level, unit, *out, victims)

    def driven_out(self, level, unit, block, dirty, victims):
        if level == self.last:
            if self.inclusion == "inclusive" and self.last > 0:
                for private in self.levels[:-1]:
                    for cache in private:
                        line = cache.find(block, block)
                        if line is not None:
                            cache.remove(block, line)
                            dirty = dirty or line[1]
            if dirty:
                self.counts[level]["writebacks"] += 1
                victims.append(block)
            return
        self.counts[level]["writebacks"] += dirty
        to_the_last = level + 1 == self.last and self.shared and self.inclusion == "exclusive"
        if not dirty and not to_the_last:
            return
        line = self.levels[level + 1][unit].find(block, block)
        if line is None:
            self.bring_in(level + 1, unit, block, block, dirty, victims)
        elif dirty:
            self.counts[level + 1]["fills"] += 1
            line[1] = True


@dataclass
class Settings:
    width: int
    units: int
    ports: int
    mshrs: int
    merging: bool
    level_clk: tuple


@dataclass
class Access:
    """What the front end offers: `reads` and `writes` are coordinates of requests to the memory."""

    key: int
    unit: int
    level: int
    write: bool
    arrival: int
    reads: list
    writes: list


@dataclass(eq=False)
class Miss:
    key: int
    unit: int
    write: bool
    begun: int
    numbers: list
    waiting: list = field(default_factory=list)  # (begun, earliest end, is it a hit)


@dataclass
class Seen:
    """What the caches saw."""

    counts: Counter
    latencies: list
    replay: twin.Replay
    hits: list  # clock of the lookup, cache, level, block


class Memory:
    """A front end with caches before a `twin.Controller`."""

    def __init__(self, spec, settings, accesses):
        total = sum(len(a.reads) + len(a.writes) for a in accesses)
        self.spec, self.settings, self.accesses = spec, settings, accesses
        self.controller = twin.Controller(spec, total)
        self.requests, self.accepted = [], 0  # those sent, in order; how many the controller has
        self.misses, self.latencies, self.counts = [], [], Counter()
        self.next, self.ends, self.latest, self.hits = 0, [0], {}, []

    def fill(self, miss):
        """The last data beat of a miss, or None while it is not known."""
        ends = [self.controller.finished[number] for number in miss.numbers]
        return None if -1 in ends else max(ends)

    def over(self, t):
        """Misses whose data have moved by clock t are over."""
        for miss in list(self.misses):
            fill = self.fill(miss)
            if fill is None or fill > t:
                continue
            self.misses.remove(miss)
            self.counts["miss_clk"] += fill - miss.begun
            for begun, earliest, hit in miss.waiting:
                self.read_ends(begun, max(earliest, fill))
                self.counts["delayed"] += hit and fill > earliest
            if not miss.write:
                waits = [max(0, self.requests[n].first_clk - self.requests[n].accepted) for n in miss.numbers]
                self.counts["queueing"] += sum(waits) // len(waits)

    def read_ends(self, begun, end):
        self.latencies.append(end - begun)
        self.ends.append(end)

    def send(self, coordinate, is_write, arrival):
        place = coordinate >> 16 & 0xFFFF, coordinate >> 32, coordinate & 0xFFFF
        self.requests.append(Request(len(self.requests), is_write, *place, arrival))
        return len(self.requests) - 1

    def in_flight(self, key):
        """The latest miss of a block, unless it is over."""
        miss = self.latest.get(key)
        return miss if miss in self.misses else None

    def look_up(self, t):
        """Accesses of clock t, in order, until one must wait."""
        used, settings = Counter(), self.settings
        for _ in range(settings.width):
            if self.next == len(self.accesses) or self.accesses[self.next].arrival > t:
                return
            access = self.accesses[self.next]
            if used[access.unit] == settings.ports:
                self.counts["port_wait"] += 1
                return
            joined = self.in_flight(access.key) if settings.merging and access.reads else None
            full = sum(miss.unit == access.unit for miss in self.misses) == settings.mshrs
            waiting = len(self.requests) - self.accepted
            if (access.writes and waiting >= settings.units * settings.mshrs) or (
                access.reads and not joined and full
            ):
                self.counts["miss_wait"] += 1
                return
            used[access.unit] += 1
            self.next += 1
            self.serve(t, access, joined)

    def serve(self, t, access, joined):
        sent, end = t + self.settings.level_clk[-1], t + self.settings.level_clk[access.level]
        self.counts["accesses"] += 1
        self.counts["reads"] += not access.write
        self.counts["misses"] += bool(access.reads)
        if access.level < len(self.settings.level_clk) - 1:
            self.hits.append((t, access.unit, access.level, access.key))
        if access.reads and joined:
            self.counts["merged"] += 1
            if not access.write:
                joined.waiting.append((t, sent, False))
        elif access.reads:
            numbers = [self.send(at, False, sent) for at in access.reads]
            waiting = [] if access.write else [(t, sent, False)]
            self.latest[access.key] = Miss(access.key, access.unit, access.write, t, numbers, waiting)
            self.misses.append(self.latest[access.key])
        elif access.write:
            self.ends.append(end)
        elif self.in_flight(access.key):
            self.in_flight(access.key).waiting.append((t, end, True))
        else:
            self.read_ends(t, end)
        for at in access.writes:
            self.send(at, True, sent)

    def run(self):
        t, controller = 0, self.controller
        while (
            self.next < len(self.accesses)
            or self.accepted < len(self.requests)
            or controller.queues.any_waits()
        ):
            controller.clock(t)
            self.over(t)
            self.look_up(t)
            if self.accepted < len(self.requests):
                request = self.requests[self.accepted]
                self.accepted += request.arrival <= t and bool(controller.offer(t, request))
            controller.arrange()
            done = self.next == len(self.accesses) and self.accepted == len(self.requests)
            controller.queues.all_accepted = done
            controller.idle.count(t, t + 1)
            t += 1
            if t > 1_000_000:
                raise twin.StuckError("no end")
        self.over(float("inf"))
        counts = twin._counts(controller, self.requests)
        self.counts["last_clk"] = max(self.ends)
        return Seen(
            self.counts, self.latencies,
            twin.Replay(controller.device.log, counts, controller.finished, waiting=controller.device.waiting),
            self.hits,
        )  # fmt: skip
