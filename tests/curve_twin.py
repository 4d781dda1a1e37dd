"""Slow, obvious twins of what archsim.cache measures of curves, written from docs/caches.md."""

import reuse_twin


def grouped_hits(ids, groups, entries):
    """Count the hits of one LRU cache by group of the access."""
    hits = [0] * (max(groups, default=-1) + 1)
    for group, distance in zip(groups, reuse_twin.distances(ids), strict=True):
        hits[group] += 0 <= distance < entries
    return hits


def set_hits(lines, sets, ways):
    """Count the hits of a set-associative LRU cache, by being one."""
    held, hits = [[] for _ in range(sets)], 0
    for line in lines:
        own = held[line % sets]
        if line in own:
            hits += 1
            own.remove(line)
        own.append(line)
        del own[: max(0, len(own) - ways)]
    return hits


def lines_of(lookups, tables, line_bytes):
    """Return the lines that (table, row) pairs touch; ``tables`` has (rows, vector bytes), each at a new line."""
    first, bases = 0, []
    for rows, vector_bytes in tables:
        bases.append(first)
        first += -(-rows * vector_bytes // line_bytes)
    found = []
    for table, row in lookups:
        vector_bytes = tables[table][1]
        touched = {byte // line_bytes for byte in range(row * vector_bytes, (row + 1) * vector_bytes)}
        found += [bases[table] + line for line in sorted(touched)]
    return found
