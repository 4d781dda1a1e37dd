"""A set-associative cache written naively from docs/caches.md."""

from collections import Counter

from cache_twins import split_mix


class SetTwin:
    """A set-associative cache, naively: a dictionary of lists, the next to be evicted last."""

    def __init__(self, size, line, ways, policy="lru", write="back", write_allocate=True, seed=0):
        self.line, self.ways, self.policy = line, ways, policy
        self.sets = size // line // ways
        self.back, self.allocate = write == "back", write_allocate
        self.held = {at: [] for at in range(self.sets)}
        self.written = set()
        self.state = seed
        self.counts = Counter()

    def access(self, address, write=False, admit=True):
        """Return (hit, address of the line that left or -1)."""
        line = address // self.line
        ways = self.held[line % self.sets]
        self.counts["writes" if write else "reads"] += 1
        if line in ways:
            self.counts["write_hits" if write else "read_hits"] += 1
            if self.policy == "lru":
                ways.remove(line)
                ways.insert(0, line)
            self.note(line, write)
            return True, -1
        if not admit or (write and not self.allocate):
            self.counts["write_bypasses" if write else "read_bypasses"] += 1
            return False, -1
        self.counts["fills"] += 1
        gone = None
        if self.policy == "random":
            if len(ways) < self.ways:
                ways.append(line)
            else:
                at = (split_mix(self, 2**64) >> 32) * self.ways >> 32
                gone, ways[at] = ways[at], line
        else:
            ways.insert(0, line)
            gone = ways.pop() if len(ways) > self.ways else None
        self.note(line, write)
        if gone is None:
            return False, -1
        self.counts["evictions"] += 1
        self.counts["writebacks"] += gone in self.written
        self.written.discard(gone)
        return False, gone * self.line

    def note(self, line, write):
        if write and self.back:
            self.written.add(line)
        self.counts["write_throughs"] += write and not self.back
