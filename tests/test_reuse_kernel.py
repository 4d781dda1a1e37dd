"""Stack distances and row numbers: by hand, by formula, against twins, in pieces, and what is refused."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import reuse_twin as twin
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.kernels.reuse import IDS_MAX, DistinctRows, RowNumbers, StackDistances

SHARED = Path(__file__).parents[1].parent / "shared" / "reference" / "cache" / "make_traces.py"


def ids_of(values):
    return np.array(values, np.int32)


def distances(values, stack=None, **options):
    found = np.empty(len(values), np.int64)
    (stack or StackDistances()).feed(ids_of(values), distances=found, **options)
    return found.tolist()


def test_a_stack_by_hand():
    stack = StackDistances()
    assert distances([7, 8, 7, 9, 9, 8, 7], stack) == [-1, -1, 1, -1, 0, 2, 2]
    assert stack.counts().tolist() == [1, 1, 2]
    assert stack.distinct() == 3


@pytest.mark.parametrize("rows", [1, 2, 63, 64, 65, 511, 512, 513, 5000, 40_000])
def test_in_a_cycle_every_reuse_has_passed_all_other_rows(rows):
    stack = StackDistances()
    found = distances(list(range(rows)) * 3, stack)
    assert found == [-1] * rows + [rows - 1] * 2 * rows
    assert stack.counts().tolist() == [0] * (rows - 1) + [2 * rows]


def test_back_and_forth_every_distance_is_as_far_as_the_way_to_the_end():
    n = 3000
    found = distances([*range(n), *reversed(range(n))])
    assert found == [-1] * n + list(range(n))


def test_among_uniform_rows_a_reuse_is_as_likely_to_be_at_any_distance():
    rows, uses = 512, 400_000
    stack = StackDistances()
    draw = np.random.default_rng(3).integers(0, rows, uses).astype(np.int32)
    stack.feed(draw)
    expected = (uses - rows) / rows
    # Five standard deviations of a count; the first uses disturb far less than one.
    assert np.abs(stack.counts() - expected).max() < 5 * expected**0.5


def test_windows_are_compacted_many_times_and_with_many_rows():
    draw = np.random.default_rng(5)
    hot, cold = draw.integers(0, 40, 60_000), draw.integers(0, 9_000, 60_000)
    ids = np.where(draw.random(60_000) < 0.7, hot, cold).astype(np.int32)
    stack = StackDistances()
    assert distances(ids.tolist(), stack) == twin.distances(ids.tolist())
    assert stack.counts().sum() + stack.distinct() == 60_000


def test_distances_are_exact_over_regions_of_two_million_positions():
    rows = 1_200_000  # a window of 2^23 positions
    ids = np.concatenate([np.arange(rows), np.arange(rows)[::-1], np.arange(rows)[::-1]]).astype(np.int32)
    found = np.empty(len(ids), np.int64)
    StackDistances().feed(ids, distances=found)
    assert (found[rows : 2 * rows] == np.arange(rows)).all()
    assert (found[2 * rows :] == rows - 1).all()


bags_of_streams = st.lists(
    st.tuples(st.integers(0, 2), st.lists(st.integers(0, 12), max_size=9)), max_size=60
)


@settings(deadline=None)
@given(bags_of_streams, st.data())
def test_streams_equal_their_twins_however_they_are_cut(bags, data):
    streams = StackDistances(3)
    ids = [3 * row + stream for stream, bag in bags for row in bag]
    owners = [(number, stream) for number, (stream, bag) in enumerate(bags) for _ in bag]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(ids)), max_size=4)))
    found = []
    for start, stop in zip([0, *cuts], [*cuts, len(ids)], strict=True):
        part = owners[start:stop]
        last = [i + 1 for i in range(len(part)) if i + 1 == len(part) or part[i + 1] != part[i]]
        one = np.empty(stop - start, np.int64)
        streams.feed(
            ids_of(ids[start:stop]),
            np.array(last, np.int64),
            np.array([part[i - 1][1] for i in last], np.int32),
            continued=bool(part and start and owners[start - 1] == owners[start]),
            distances=one,
        )
        found += one.tolist()
    for stream in range(3):
        own = [ids[i] for i, (_, owner) in enumerate(owners) if owner == stream]
        expected = twin.distances(own)
        assert [found[i] for i, (_, owner) in enumerate(owners) if owner == stream] == expected
        assert streams.distinct(stream) == len(set(own))
        assert streams.counts(stream).tolist() == [expected.count(d) for d in range(len(set(own)))]
        repeated = twin.repeats([bag for owner, bag in bags if owner == stream])
        assert len(own) - streams.fresh(stream) == repeated


@settings(deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=300), st.integers(1, 40))
def test_an_lru_cache_hits_what_is_closer_than_its_size(ids, entries):
    stack = StackDistances()
    stack.feed(ids_of(ids))
    assert stack.counts()[:entries].sum() == twin.lru_hits(ids, entries)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.lists(st.integers(0, 40), max_size=50)), max_size=40),
    st.booleans(),
    st.sampled_from([np.int32, np.int64]),
)
def test_rows_are_numbered_in_order_of_first_use(bags, direct, dtype):
    numbers = RowNumbers([41, 41, 41] if direct else None)
    rows = np.array([row for _, bag in bags for row in bag], dtype)
    ends = np.cumsum([len(bag) for _, bag in bags], dtype=np.int64)
    tables = np.array([table for table, _ in bags], np.int32)
    ids, kept = numbers.number(rows, ends, tables)
    expected, uses = twin.numbered((table, row) for table, bag in bags for row in bag)
    assert ids.tolist() == expected
    assert kept.tolist() == ends.tolist()
    assert len(numbers) == len(uses)
    counts, seen, grouped = numbers.grouped(3)
    owners = np.repeat(np.arange(3), np.diff(grouped, prepend=0))
    assert {(t, r): n for t, r, n in zip(owners, seen, counts, strict=True)} == uses


def test_hashed_numbers_equal_direct_ones_while_the_hash_table_grows():
    rows = np.random.default_rng(8).integers(0, 50_000, 300_000)
    ends = np.arange(1000, 300_001, 1000)
    tables = (np.arange(300) % 3).astype(np.int32)
    direct, hashed = RowNumbers([50_000] * 3), RowNumbers()
    for start in range(0, 300, 50):
        part = slice(1000 * start, 1000 * (start + 50))
        cut = (rows[part], ends[:50], tables[start : start + 50])
        assert (direct.number(*cut)[0] == hashed.number(*cut)[0]).all()


def test_rows_of_64_bits_in_several_tables_stay_apart():
    rows = np.array([2**62, 2**62 - 1, 2**62, 0])
    ids, _ = RowNumbers().number(rows, np.array([2, 4]), np.array([0, 1], np.int32))
    assert ids.tolist() == [0, 1, 2, 3]


def test_a_sample_takes_all_uses_of_a_row_or_none():
    rows = np.random.default_rng(2).integers(0, 20_000, 200_000)
    ends = np.arange(0, 200_001, 50)[1:]
    whole, sample = RowNumbers(), RowNumbers(sample_shift=3)
    whole.number(rows, ends)
    ids, kept = sample.number(rows, ends)
    assert kept[-1] == len(ids)
    uses = dict(zip(*(column.tolist() for column in whole.grouped(1)[1::-1]), strict=True))
    counts, seen, _ = sample.grouped(1)
    assert all(uses[row] == count for row, count in zip(seen.tolist(), counts.tolist(), strict=True))
    # Binomial with n = 20,000 and p = 1/8: five standard deviations are 234.
    assert abs(len(sample) - 2500) < 234
    starts = np.append(0, ends[:-1])
    inside = np.isin(rows, seen)
    assert kept.tolist() == np.cumsum(np.add.reduceat(inside, starts, dtype=np.int64)).tolist()


@pytest.mark.parametrize("rows", [1, 1000, 65_535])
def test_few_distinct_rows_are_counted_exactly(rows):
    distinct = DistinctRows()
    for _ in range(3):
        distinct.feed(np.arange(rows, dtype=np.int32), np.array([rows]))
    assert distinct.estimate() == rows


def test_many_distinct_rows_are_estimated():
    distinct = DistinctRows()
    for start in range(0, 3_000_000, 500_000):
        distinct.feed(np.arange(start, start + 500_000), np.array([500_000]), np.array([5], np.int32))
    assert distinct.estimate() == pytest.approx(3_000_000, rel=0.02)  # over four standard deviations


@pytest.mark.parametrize(
    ("ids", "ends", "which", "message"),
    [
        ([1, -1], None, None, "id -1 is outside 0"),
        ([IDS_MAX], None, None, f"id {IDS_MAX} is outside 0"),
        ([1, 2], [1], None, "the segments end at 1, the array at 2"),
        ([1, 2], [2, 1], None, "segment 1 ends at 1, before it begins at 2"),
        ([1, 2], [2], [2], "segment 0 goes to stream 2 of 2"),
        ([1, 2], [1, 2], [0], "1 streams for 2 segments"),
    ],
)
def test_what_makes_no_sense_is_refused(ids, ends, which, message):
    stack = StackDistances(2)
    ends = None if ends is None else np.array(ends, np.int64)
    with pytest.raises(ValueError, match=message):
        stack.feed(ids_of(ids), ends, None if which is None else ids_of(which))
    assert stack.distinct() == 0


@pytest.mark.slow
@pytest.mark.skipif(
    not SHARED.exists(), reason="the traces of ../shared/reference/cache are not on this machine"
)
@pytest.mark.parametrize(
    ("kind", "rows", "options", "hits"),
    [
        ("zipf_trace", 1_000_000, (1.0, 101), {1000: 0.4028241, 10_000: 0.5848862, 100_000: 0.7767558}),
        ("zipf_trace", 10_000_000, (0.7, 102), {100_000: 0.1260323}),
        ("uniform_trace", 1_000_000, (103,), {100_000: 0.0994651}),
    ],
)
def test_hit_ratios_are_those_that_libcachesim_measured(kind, rows, options, hits):
    lookups = 10_000_000
    trace = runpy.run_path(str(SHARED), run_name="traces")[kind](lookups, rows, *options)
    stack = StackDistances()
    stack.feed(RowNumbers().number(trace, np.array([lookups]))[0])
    counts = stack.counts()
    assert {size: round(int(counts[:size].sum()) / lookups, 7) for size in hits} == hits
