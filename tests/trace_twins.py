"""The generators of traces, one lookup at a time with plain Python integers and floats.

Each `*_bags` gives all bags of a sample-major trace as (table, sample, rows).
"""

import math
from bisect import bisect_right
from itertools import accumulate, count

MASK = 2**64 - 1
GOLDEN = 0x9E3779B97F4A7C15


def twin_mix(x):
    """Say the SplitMix64 finaliser in plain integers."""
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & MASK
    return x ^ (x >> 31)


def twin_key(*words):
    """Key of the stream that these words name."""
    key = 0
    for word in words:
        key = twin_mix((key ^ word) + GOLDEN & MASK)
    return key


def twin_draw(key, counter):
    """One random word."""
    return twin_mix(counter * GOLDEN + key & MASK)


def twin_permute(index, size, key):
    """Where a keyed bijection of range(size) sends one index."""
    half = ((size - 1).bit_length() + 1) // 2
    while True:
        left, right = index >> half, index % 2**half
        for turn in range(4):
            left, right = right, left ^ twin_draw(twin_key(key, turn), right) % 2**half
        index = left << half | right
        if index < size:
            return index


def twin_power(base, steps):
    """Return base ** (steps / 1024) by the same products, one number at a time."""
    result = 1.0
    for _ in range(steps // 1024):
        result *= base
    root = base
    for bit in (512, 256, 128, 64, 32, 16, 8, 4, 2, 1):
        root = math.sqrt(root)
        if steps & bit:
            result *= root
    return result


def cut(samples, spec):
    """Number the bags of samples, given as lists of one list of rows per table, and stop after the lookups."""
    left = spec.lookups
    bags = []
    for sample, tables in enumerate(samples):
        for table, rows in enumerate(tables):
            bags.append((table, sample, rows[:left]))
            left -= len(bags[-1][2])
            if not left:
                return bags


def bag_length(spec, table, sample):
    """Lookups of a bag whose length is uniform around the pooling."""
    width = 2 * spec.pooling_spread + 1
    return spec.pooling - spec.pooling_spread + below(twin_draw(twin_key(spec.seed, table, 0), sample), width)


def below(word, bound):
    """A word as a number below a bound."""
    return (word >> 32) * bound >> 32


def popular_rank(word, sums):
    """Rank that a word draws."""
    return min(bisect_right(sums, (word >> 11) * 2.0**-53 * sums[-1]), len(sums) - 1)


def popularity(rows, skew):
    """Running sums of the popularity of the ranks."""
    steps = round(skew * 1024)
    return list(accumulate(1.0 / twin_power(float(k), steps) for k in range(1, rows + 1)))


def zipf_bags(spec):
    """Independent lookups by popularity, with drift."""
    sums = [popularity(spec.rows, step / 1024) for step in spec.skew_steps()]

    def row(table, sample, position):
        word = twin_draw(twin_key(spec.seed, table, 1), sample << 16 | position)
        climbing = (popular_rank(word, sums[table]) + sample * spec.drift // 1000) % spec.rows
        return twin_permute(climbing, spec.rows, twin_key(spec.seed, table, 2))

    return cut(even_samples(spec, row), spec)


def even_samples(spec, row):
    """Samples of tables that are alike, from the row of each (table, sample, position)."""
    for sample in count():
        yield [
            [row(table, sample, position) for position in range(bag_length(spec, table, sample))]
            for table in range(spec.tables)
        ]


def uniform_bags(spec):
    """Independent lookups of any row."""

    def row(table, sample, position):
        return below(twin_draw(twin_key(spec.seed, table, 1), sample << 16 | position), spec.rows)

    return cut(even_samples(spec, row), spec)


def sequential_bags(spec):
    """Every table from its first row to its last."""
    following = [0] * spec.tables

    def row(table, sample, position):
        following[table] += 1
        return (following[table] - 1) * spec.stride % spec.rows

    return cut(even_samples(spec, row), spec)


def multihot_bags(spec):
    """Bags that are a function of their first row."""
    sums = [popularity(rows, spec.skew) for rows in spec.rows]

    def bag(table, sample):
        size = spec.rows[table]
        rank = popular_rank(twin_draw(twin_key(spec.seed, table, 1), sample << 16), sums[table])
        first = twin_permute(rank, size, twin_key(spec.seed, table, 2))
        key = twin_key(spec.seed, table, 4)
        others = range(1, spec.pooling[table])
        return [first, *(below(twin_draw(key, first << 16 | j), size) for j in others)]

    return cut(([bag(t, sample) for t in range(len(spec.rows))] for sample in count()), spec)


def reuse_bags(spec, uses):
    """Dealt-out uses; ``uses(table)`` is the list of the uses of every row, the most used first."""
    steps, total = round(spec.pooling * 1000), spec.epoch_samples * round(spec.pooling * 1000) // 1000
    used = [uses(table) for table in range(spec.tables)]
    dealt = [[slot for slot, n in enumerate(one) for _ in range(n)] for one in used]

    def bag(table, sample):
        epoch, inside = divmod(sample, spec.epoch_samples)
        rows = []
        for place in range(inside * steps // 1000, (inside + 1) * steps // 1000):
            use = twin_permute(place, total, twin_key(spec.seed, table, 3, epoch))
            slot = dealt[table][use] + (0 if spec.same_rows else epoch * len(used[table]))
            rows.append(twin_permute(slot % spec.rows, spec.rows, twin_key(spec.seed, table, 2)))
        return rows

    return cut(([bag(t, sample) for t in range(spec.tables)] for sample in count()), spec)
