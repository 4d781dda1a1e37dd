"""The set-associative cache that measures traces: its kernel, and the counts per table."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stack_twin import cache_hits

from archsim.kernels.set_lru import SetLru
from archsim.traces import EmbeddingTrace, Table, generate, load_workload
from archsim.validate.hit_ratios import line_hits, reused


@given(
    lines=st.lists(st.integers(0, 40), max_size=300),
    sets=st.integers(1, 9),
    ways=st.integers(1, 5),
    cut=st.integers(0, 300),
)
@settings(max_examples=200, deadline=None)
def test_the_kernel_finds_what_lists_in_order_of_use_find(lines, sets, ways, cut):
    cache, hits = SetLru(sets, ways), np.zeros(len(lines), np.int64)
    column, owner = np.array(lines, np.int64), np.arange(len(lines), dtype=np.int32)
    for here in (slice(cut), slice(cut, None)):  # the cache goes on where it was
        cache.access(column[here], column[here], owner[here], hits)
    assert hits.tolist() == cache_hits(lines, sets, ways)


@given(
    runs=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 3), st.integers(0, 2)), max_size=100),
    sets=st.integers(1, 8),
)
@settings(max_examples=100, deadline=None)
def test_runs_of_lines_are_lines_one_after_the_other_counted_for_their_owner(runs, sets):
    first, more, owner = np.array(runs, np.int64).reshape(-1, 3).T.copy()
    hits = np.zeros(3, np.int64)
    SetLru(sets, 2).access(first, first + more, owner.astype(np.int32), hits)
    lines = [(line, who) for start, extra, who in runs for line in range(start, start + extra + 1)]
    found = cache_hits([line for line, _ in lines], sets, 2)
    assert hits.tolist() == [
        sum(f for f, (_, w) in zip(found, lines, strict=True) if w == n) for n in range(3)
    ]


def tiny(rows, tables, vector_bytes):
    """One lookup per bag."""
    layout = tuple(Table(f"t{n}", 4, size) for n, size in enumerate(vector_bytes))
    return EmbeddingTrace.from_columns(tables, rows, range(len(rows)), tables=layout)


def test_hits_are_counted_for_the_table_of_the_lookup():
    # 256 B: one set of four lines. Table 0 has lines 0 to 7, table 1 follows with line 8.
    trace = tiny([0, 0, 0, 1, 0, 0], [0, 0, 1, 0, 0, 1], (128, 64))
    accesses, hits = line_hits([trace], [256, 1 << 20])
    assert accesses.tolist() == [8, 2]
    # With 256 B line 8 evicts nothing yet, then row 1 evicts line 0: row 0 comes back whole, line 8 as well.
    assert hits.tolist() == [[2, 0], [4, 1]]
    assert reused(trace).tolist() == [2, 1]


def test_a_vector_that_begins_inside_a_line_touches_every_line_it_lies_in():
    accesses, hits = line_hits([tiny([0, 1, 2], [0, 0, 0], (96,))], [1 << 20])
    assert accesses.tolist() == [6]  # bytes 0 to 95, 96 to 191, 192 to 287: two lines each
    assert hits.tolist() == [[1]]


def test_windows_are_one_trace():
    trace = generate(load_workload("recnmp-comb8", ["lookups=40_000"]))
    whole = line_hits([trace], [1 << 16, 1 << 20])
    parts = line_hits([trace.window(0, 123), trace.window(123, trace.bags)], [1 << 16, 1 << 20])
    assert all(np.array_equal(a, b) for a, b in zip(whole, parts, strict=True))


@pytest.mark.parametrize("size", [1 << 18, 1 << 20])
def test_both_lines_of_a_vector_hit_together(size):
    """Lines of 64 bytes of vectors of 128 hit as vectors do in a cache of half as many sets."""
    trace = generate(load_workload("recnmp-comb8", ["lookups=60_000"]))
    _, pairs = line_hits([trace], [size])
    rows = trace.rows + np.arange(8)[trace.table] * 1_000_000
    hits = np.zeros(8, np.int64)
    SetLru(size // (4 * 128), 4).access(rows, rows, trace.table, hits)
    assert pairs[0].tolist() == (2 * hits).tolist()
