"""Twins of the stack-distance generator and of the set-associative cache: plain lists, one lookup at a time."""

import numpy as np

from archsim.traces.counter import draw, permute

LOW = 2**32 - 1


def distance_of(value, depths, masses):
    """Distance that a draw below the last mass asks for: linear between the knots, which it passes one by one."""
    for i in range(len(depths) - 1):
        if value < masses[i + 1]:
            width, mass = depths[i + 1] - depths[i], masses[i + 1] - masses[i]
            return depths[i] + 1 + (value - masses[i]) * width // mass
    raise AssertionError(value)


def draws_within(depth, depths, masses):
    """Number of draws that ask for a distance of at most ``depth``, by bisection: distances do not fall."""
    low, high = 0, masses[-1]
    while low < high:
        middle = (low + high) // 2
        if distance_of(middle, depths, masses) <= depth:
            low = middle + 1
        else:
            high = middle
    return low


def stack_rows(key, row_key, table_rows, depths, masses, cold, lookups):
    """Rows of consecutive lookups; the LRU stack is a list whose last row was touched last."""
    order = permute(np.arange(table_rows), table_rows, np.uint64(row_key)).tolist()
    words = draw(np.uint64(key), np.arange(2 * lookups, dtype=np.uint64)).tolist()
    stack, out = [], []
    for number in range(lookups):
        value, again = words[2 * number] >> 32, words[2 * number + 1]
        room = len(stack) < table_rows
        asks_new = value >= masses[-1]
        distance = None if asks_new else distance_of(value, depths, masses)
        if asks_new and room:
            distance = 0
        elif asks_new or distance > len(stack):
            within = draws_within(len(stack), depths, masses)
            if room and (again & LOW) < cold:
                distance = 0
            elif within:
                distance = distance_of((again >> 32) * within >> 32, depths, masses)
            else:
                distance = 0 if room else len(stack)
        row = stack.pop(-distance) if distance else order[len(stack)]
        stack.append(row)
        out.append(row)
    return out


def cache_hits(lines, sets, ways):
    """Whether each line is found in a set-associative LRU cache."""
    held = [[] for _ in range(sets)]
    found = []
    for line in lines:
        here = held[line % sets]
        found.append(line in here)
        if line in here:
            here.remove(line)
        here.append(line)
        del here[:-ways]
    return found
