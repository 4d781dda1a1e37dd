"""Belady's policy by looking ahead afresh at every miss, and the best of all choices by trying them all."""

from collections import Counter


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
