"""Cache policies written naively from docs/caches.md: lists, searched from end to end."""

import math

from cache_belady_twin import belady


class Twin:
    """A cache of ids; ``access`` says whether it hits."""

    def __init__(self, entries, **parameters):
        self.entries = entries
        self.set_up(**parameters)

    def set_up(self):
        self.queue = []  # oldest first

    def access(self, x):
        if self.entries == 0:
            return False
        if self.holds(x):
            self.hit(x)
            return True
        self.miss(x)
        while self.size() >= self.entries:
            self.evict()
        self.insert(x)
        return False

    def holds(self, x):
        return x in self.queue

    def size(self):
        return len(self.queue)

    def hit(self, x):
        pass

    def miss(self, x):
        pass

    def evict(self):
        self.queue.pop(0)

    def insert(self, x):
        self.queue.append(x)


class Fifo(Twin):
    pass


class Lru(Twin):
    def hit(self, x):
        self.queue.remove(x)
        self.queue.append(x)


class Clock(Twin):
    def set_up(self):
        self.queue = []
        self.bit = {}

    def hit(self, x):
        self.bit[x] = 1

    def evict(self):
        while self.bit[self.queue[0]]:
            self.bit[self.queue[0]] = 0
            self.queue.append(self.queue.pop(0))
        self.queue.pop(0)

    def insert(self, x):
        self.queue.append(x)
        self.bit[x] = 0


class Sieve(Clock):
    def set_up(self):
        super().set_up()
        self.hand = None  # an object, or None: nowhere

    def evict(self):
        at = self.queue.index(self.hand) if self.hand is not None else 0
        while self.bit[self.queue[at]]:
            self.bit[self.queue[at]] = 0
            at = (at + 1) % len(self.queue)
        self.queue.pop(at)
        self.hand = self.queue[at] if at < len(self.queue) else None


class Lfu(Twin):
    def set_up(self):
        self.queue = []
        self.count, self.since, self.now = {}, {}, 0

    def hit(self, x):
        self.now += 1
        self.count[x] += 1
        self.since[x] = self.now

    def evict(self):
        self.queue.remove(min(self.queue, key=lambda x: (self.count[x], self.since[x])))

    def insert(self, x):
        self.now += 1
        self.queue.append(x)
        self.count[x], self.since[x] = 1, self.now


class Segments:
    """Segmented LRU without a bound of its own: lists, least recently used first."""

    def __init__(self, most):
        self.most = most
        self.lists = [[] for _ in most]

    def of(self, x):
        return next((i for i, members in enumerate(self.lists) if x in members), None)

    def hit(self, x):
        at = self.of(x)
        self.lists[at].remove(x)
        to = min(at + 1, len(self.lists) - 1)
        self.lists[to].append(x)
        fell = False
        while to > 0 and len(self.lists[to]) > self.most[to]:
            self.lists[to - 1].append(self.lists[to].pop(0))
            to -= 1
            fell = to == 0
        while fell and len(self.lists[0]) > self.most[0]:
            self.lists[0].pop(0)

    def lowest(self):
        return next(members for members in self.lists if members)

    def insert(self, x):
        lists = zip(self.lists, self.most, strict=True)
        next((members for members, most in lists if len(members) < most), self.lists[0]).append(x)

    def size(self):
        return sum(len(members) for members in self.lists)


class Slru(Twin):
    def set_up(self, segments=4):
        segments = 1 if self.entries < segments else segments
        self.main = Segments([self.entries // segments] * segments)
        self.holds = lambda x: self.main.of(x) is not None
        self.size, self.hit, self.insert = self.main.size, self.main.hit, self.main.insert

    def evict(self):
        self.main.lowest().pop(0)


class Arc(Twin):
    def set_up(self):
        self.t1, self.t2, self.b1, self.b2 = [], [], [], []  # least recently used first
        self.p = 0.0
        self.again = self.from_b2 = False

    def holds(self, x):
        return x in self.t1 or x in self.t2

    def size(self):
        return len(self.t1) + len(self.t2)

    def hit(self, x):
        (self.t1 if x in self.t1 else self.t2).remove(x)
        self.t2.append(x)

    def miss(self, x):
        self.again, self.from_b2 = x in self.b1 or x in self.b2, x in self.b2
        if x in self.b1:
            self.p = min(self.p + max(len(self.b2) / len(self.b1), 1), self.entries)
            self.b1.remove(x)
        elif x in self.b2:
            self.p = max(self.p - max(len(self.b1) / len(self.b2), 1), 0)
            self.b2.remove(x)

    def replace(self):
        n = len(self.t1)
        if (n > 0 and (n > self.p or (n == self.p and self.from_b2))) or not self.t2:
            self.b1.append(self.t1.pop(0))
        else:
            self.b2.append(self.t2.pop(0))

    def evict(self):
        if not self.again:
            once, again = len(self.t1) + len(self.b1), len(self.t2) + len(self.b2)
            if once == self.entries and not self.b1:
                self.t1.pop(0)
                return
            if once == self.entries:
                self.b1.pop(0)
            elif once + again >= 2 * self.entries and self.b2:
                self.b2.pop(0)
        self.replace()

    def insert(self, x):
        (self.t2 if self.again else self.t1).append(x)


class TwoQ(Twin):
    def set_up(self, kin=0.25, kout=0.5):
        self.a1in, self.a1out, self.am = [], [], []  # oldest, or least recently used, first
        self.kin, self.kout = max(1, int(self.entries * kin)), int(self.entries * kout)

    def holds(self, x):
        return x in self.a1in or x in self.am

    def size(self):
        return len(self.a1in) + len(self.am)

    def hit(self, x):
        if x in self.am:
            self.am.remove(x)
            self.am.append(x)

    def miss(self, x):
        self.again = x in self.a1out
        if self.again:
            self.a1out.remove(x)

    def evict(self):
        if self.am and len(self.a1in) <= self.kin:
            self.am.pop(0)
        else:
            self.a1out.append(self.a1in.pop(0))
            if len(self.a1out) > self.kout:
                self.a1out.pop(0)

    def insert(self, x):
        (self.am if self.again else self.a1in).append(x)


class S3Fifo(Twin):
    def set_up(self, small=0.1, ghost=0.9, threshold=2):
        self.small, self.main, self.ghosts = [], [], []  # oldest first
        self.count = {}
        self.threshold = threshold
        self.small_most = max(1, int(self.entries * small))
        self.main_most = self.entries - self.small_most
        self.ghosts_most = int(self.entries * ghost)
        self.evicted = False

    def holds(self, x):
        return x in self.small or x in self.main

    def size(self):
        return len(self.small) + len(self.main)

    def hit(self, x):
        self.count[x] = min(self.count[x] + 1, 3)

    def miss(self, x):
        self.again = x in self.ghosts
        if self.again:
            self.ghosts.remove(x)

    def evict(self):
        self.evicted = True
        if len(self.main) > self.main_most or not self.small:
            while self.count[self.main[0]]:
                self.count[self.main[0]] -= 1
                self.main.append(self.main.pop(0))
            self.main.pop(0)
            return
        while self.small:
            x = self.small.pop(0)
            if self.count[x] < self.threshold:
                self.ghosts.append(x)
                if len(self.ghosts) > self.ghosts_most:
                    self.ghosts.pop(0)
                return
            self.main.append(x)
            self.count[x] = 0

    def insert(self, x):
        warm = self.evicted or len(self.small) < self.small_most
        (self.small if warm and not self.again else self.main).append(x)
        self.count[x] = 0


class WTinyLfu(Twin):
    def set_up(self, window=0.01):
        self.window = []  # least recently used first
        self.main_most = self.entries - max(1, int(self.entries * window))
        probation, protected = self.main_most // 5, self.main_most * 4 // 5
        if 0 < self.main_most < 5:
            probation, protected = 1, self.main_most - 1
        self.main = Segments([probation, protected])
        entries = max(math.ceil(self.main_most * 14.37758756605117), 0)
        self.counters = [0] * (entries if entries >= 10 else 20)
        self.hits = 0

    def counters_of(self, x):
        at, step = xxh64(x + 1, 0x12345678) % 2**32, xxh64(x + 1, 0x12344321) % 2**32
        return [(at + k * step) % 2**32 % len(self.counters) for k in range(10)]

    def ask(self, x):
        return min(self.counters[k] for k in self.counters_of(x))

    def count(self, x):
        for k in self.counters_of(x):
            self.counters[k] = min(self.counters[k] + 1, 2**16 - 1)

    def holds(self, x):
        return x in self.window or self.main.of(x) is not None

    def size(self):
        return len(self.window) + self.main.size()

    def hit(self, x):
        if x in self.window:
            self.window.remove(x)
            self.window.append(x)
            return
        self.main.hit(x)
        self.count(x)
        self.hits += 1
        if self.hits == 32 * self.main_most:
            self.hits = 0
            self.counters = [count // 2 for count in self.counters]

    def evict(self):
        candidate = self.window.pop(0)
        if self.main.size() < self.main_most:
            self.main.insert(candidate)
        elif self.main_most and self.ask(candidate) > self.ask(self.main.lowest()[0]):
            self.main.lowest().pop(0)
            self.main.insert(candidate)
        self.count(candidate)

    def insert(self, x):
        self.window.append(x)
        self.count(x)


def xxh64(word, seed):
    """Return XXH64 of one 64-bit word, step by step as its specification has it."""
    p1, p2, p3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
    p4, p5, all_ones = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5, 2**64 - 1

    def rotated(x, by):
        return (x << by | x >> 64 - by) & all_ones

    lane = rotated((word % 2**64) * p2 & all_ones, 31) * p1 & all_ones
    total = ((seed + p5 + 8) & all_ones) ^ lane
    total = (rotated(total, 27) * p1 + p4) & all_ones
    total = (total ^ total >> 33) * p2 & all_ones
    total = (total ^ total >> 29) * p3 & all_ones
    return total ^ total >> 32


class Random(Twin):
    def set_up(self, seed=0):
        self.queue = []  # by entry
        self.state = seed
        self.free = None

    def evict(self):
        self.free = (split_mix(self, 2**64) >> 32) * self.entries >> 32
        self.queue.pop(self.free)

    def insert(self, x):
        self.queue.insert(len(self.queue) if self.free is None else self.free, x)


def split_mix(holder, modulus):
    """Return the next number of SplitMix64."""
    holder.state = (holder.state + 0x9E3779B97F4A7C15) % modulus
    z = holder.state
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) % modulus
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) % modulus
    return z ^ z >> 31


TWINS = {
    "lru": Lru,
    "fifo": Fifo,
    "clock": Clock,
    "sieve": Sieve,
    "lfu": Lfu,
    "slru": Slru,
    "arc": Arc,
    "2q": TwoQ,
    "s3fifo": S3Fifo,
    "wtinylfu": WTinyLfu,
    "random": Random,
}


def replay(policy, ids, entries, **parameters):
    """Return which accesses hit."""
    if policy == "belady":
        return belady(ids, entries, **parameters)
    twin = TWINS[policy](entries, **parameters)
    return [twin.access(x) for x in ids]
