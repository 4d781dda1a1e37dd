"""Slow, obvious twins of the kernels in kernels/reuse.pyx, written from docs/trace-analysis.md."""


def distances(ids):
    """Return the LRU stack distance of each use, -1 for the first of an id, by keeping the stack itself."""
    stack, found = [], []
    for one in ids:
        if one in stack:
            found.append(stack.index(one))
            stack.remove(one)
        else:
            found.append(-1)
        stack.insert(0, one)
    return found


def lru_hits(ids, entries):
    """Count the hits of an LRU cache, by being one."""
    held, hits = [], 0
    for one in ids:
        if one in held:
            hits += 1
            held.remove(one)
        held.append(one)
        del held[: max(0, len(held) - entries)]
    return hits


def repeats(bags):
    """Count the uses of an id that their own bag has used before."""
    return sum(len(bag) - len(set(bag)) for bag in bags)


def numbered(lookups):
    """Number (table, row) pairs in order of first use; return the numbers and the uses of each pair."""
    known, uses, ids = {}, {}, []
    for pair in lookups:
        ids.append(known.setdefault(pair, len(known)))
        uses[pair] = uses.get(pair, 0) + 1
    return ids, uses
