"""Cache policies written naively from docs/caches.md: lists, searched from end to end."""

from collections import Counter


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
        while to > at and len(self.lists[to]) > self.most[to]:
            self.lists[to - 1].append(self.lists[to].pop(0))
            to -= 1

    def lowest(self):
        return next(members for members in self.lists if members)

    def insert(self, x):
        lists = zip(self.lists, self.most, strict=True)
        next(members for members, most in lists if len(members) < most).append(x)

    def size(self):
        return sum(len(members) for members in self.lists)


class Slru(Twin):
    def set_up(self, segments=4):
        sizes = [self.entries // segments] * segments
        sizes[0] += self.entries % segments
        self.main = Segments(sizes)
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
    "random": Random,
}


def replay(policy, ids, entries, **parameters):
    """Return which accesses hit."""
    if policy == "belady":
        return belady(ids, entries, **parameters)
    twin = TWINS[policy](entries, **parameters)
    return [twin.access(x) for x in ids]


def belady(ids, entries, bypass=0):
    """Return which accesses hit under MIN: look ahead afresh at every miss."""
    resident, hits = [], []
    for i, x in enumerate(ids):
        hits.append(x in resident)
        if x in resident or not entries:
            continue

        def next_use(y, after=i + 1):
            return ids.index(y, after) if y in ids[after:] else len(ids)

        if bypass and next_use(x) == len(ids):
            continue  # never accessed again
        if len(resident) == entries:
            victim = max(resident, key=next_use)
            if bypass and next_use(victim) < next_use(x):
                continue
            resident.remove(victim)
        resident.append(x)
    return hits


def most_hits(ids, entries, bypass=False):
    """Return the hits of the best of all choices, by trying them all; for very short traces."""
    states = {frozenset(): 0}
    for x in ids:
        found = Counter()
        for held, hits in states.items():
            if x in held:
                nexts, hits = [held], hits + 1
            elif len(held) < entries:
                nexts = [held | {x}]
            else:
                nexts = [held - {y} | {x} for y in held]
            if bypass and x not in held:
                nexts.append(held)
            for after in nexts:
                found[after] = max(found[after], hits)
        states = dict(found)
    return max(states.values(), default=0)
