"""Random accesses and traces for the tests of caches."""

import numpy as np
from hypothesis import strategies as st

from archsim.traces import EmbeddingTrace, Table

TABLES = (Table("users", 50, 24), Table("items", 40, 64), Table("tags", 9, 4))


def zipf(accesses, objects, skew, seed):
    draw = np.random.default_rng(seed)
    weights = np.cumsum(np.arange(1, objects + 1) ** -skew)
    ranks = np.searchsorted(weights / weights[-1], draw.random(accesses))
    return draw.permutation(objects)[np.minimum(ranks, objects - 1)]


def build(bags, tables=TABLES):
    """Make a trace from (table, rows) pairs."""
    offsets = np.cumsum([0, *(len(rows) for _, rows in bags)], dtype=np.int64)
    rows = np.array([row for _, rows in bags for row in rows], np.int64)
    return EmbeddingTrace("built", tables, rows, offsets, np.array([table for table, _ in bags], np.int32))


@st.composite
def bag_lists(draw):
    owners = draw(st.lists(st.integers(0, len(TABLES) - 1), min_size=1, max_size=8))
    return [(table, draw(st.lists(st.integers(0, TABLES[table].rows - 1), max_size=12))) for table in owners]
