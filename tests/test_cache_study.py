"""From traces to accesses, and policies side by side."""

import cache_twins
import curve_twin
import numpy as np
import pytest
import reuse_twin
from cache_draws import TABLES, bag_lists, build, zipf
from hypothesis import given
from hypothesis import strategies as st

from archsim.cache import POLICIES, Accesses, SetCache, accesses, compare_policies, lru_curve, simulate
from archsim.errors import InputError
from archsim.kernels.cache import SET_POLICIES
from archsim.traces import AddressTrace

# ---- what accesses are


@given(bag_lists(), st.sampled_from([None, 4, 16, 24, 64, 100]), st.sampled_from([1, 6, 1 << 18]))
def test_lookups_are_vectors_or_the_lines_they_touch(bags, line_bytes, piece):
    lookups = [(table, row) for table, rows in bags for row in rows]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accesses, "PIECE", piece)
        source = Accesses.of(build(bags), line_bytes)
        pieces = list(source)
        held = source.held()
    if line_bytes is None:
        bases = np.cumsum([0, *(table.rows for table in TABLES)])
        expected = [bases[table] + row for table, row in lookups]
        assert (source.unit, source.unit_bytes) == ("vector", 64)
    else:
        shapes = [(table.rows, table.vector_bytes) for table in TABLES]
        expected = curve_twin.lines_of(lookups, shapes, line_bytes)
        assert (source.unit, source.unit_bytes) == ("line", line_bytes)
    assert source.ids().tolist() == held.ids().tolist() == expected
    assert source.count >= len(expected) == held.count
    assert all(0 <= one < source.objects for one in expected)
    assert all(part.ends[-1] == len(part.ids) for part in pieces)
    owners = np.concatenate([np.repeat(p.tables, np.diff(p.ends, prepend=0)) for p in pieces] or [[]])
    if line_bytes is None:
        assert owners.tolist() == [table for table, _ in lookups]


def test_addresses_are_lines():
    trace = AddressTrace("requests", np.array([0, 63, 64, 1000, 64], np.int64))
    assert Accesses.of(trace).ids().tolist() == [0, 0, 1, 15, 1]
    assert Accesses.of(trace, 100).ids().tolist() == [0, 0, 0, 10, 0]


def test_more_accesses_than_are_kept_are_made_anew(monkeypatch):
    monkeypatch.setattr(accesses, "HELD_BYTES", 0)
    monkeypatch.setattr(accesses, "PIECE", 3)
    trace = build([(0, [1, 2, 1, 5]), (1, [1, 1])])
    source = Accesses.of(trace)
    assert source.held() is source
    (result,) = compare_policies(source, ["lru"], [2])
    assert result.hits == reuse_twin.lru_hits([(0, 1), (0, 2), (0, 1), (0, 5), (1, 1), (1, 1)], 2)


# ---- policies side by side


def test_policies_side_by_side_equal_each_simulated_alone_for_any_number_of_threads():
    ids = zipf(30_000, 3000, 0.9, 12)
    names, sizes = list(POLICIES), [10, 300, 2500]
    runs = [compare_policies(ids, names, sizes, threads=threads) for threads in (1, 2, 7)]
    expected = [simulate(name, ids, size).hits for name in names for size in sizes]
    for results in runs:
        assert [result.hits for result in results] == expected
        assert [(result.policy, result.entries) for result in results] == [
            (n, s) for n in names for s in sizes
        ]


@pytest.mark.parametrize("policy", ["lru", "arc", "belady", "s3fifo"])
def test_hits_by_table_are_those_of_the_policy(policy):
    tables = np.random.default_rng(1).integers(0, 4, 20_000)
    ids = zipf(20_000, 1000, 0.8, 3) * 4 + tables
    (found,) = compare_policies(Accesses.from_ids(ids, tables=tables), [policy], [500], per_table=True)
    expected = simulate(policy, ids, 500, tables=tables)
    assert found.table_hits.tolist() == expected.table_hits.tolist()
    assert found.table_accesses.tolist() == expected.table_accesses.tolist()


@pytest.mark.parametrize("policy", ["lru", "s3fifo", "belady"])
@pytest.mark.parametrize("interval", [1, 7000, 20_000, 30_000])
def test_hits_over_time_are_those_of_the_policy(policy, interval, monkeypatch):
    monkeypatch.setattr(accesses, "PIECE", 900)
    ids = zipf(20_000, 1000, 0.8, 3)
    (found,) = compare_policies(ids, [policy], [100], interval=interval)
    expected = simulate(policy, ids, 100, interval=interval)
    assert found.interval_hits.tolist() == expected.interval_hits.tolist()
    assert found.interval_accesses.tolist() == expected.interval_accesses.tolist()


def test_lines_over_time_are_as_many_as_there_are():
    trace = build([(1, [1, 2, 1, 5]), (0, [1, 7])])
    (found,) = compare_policies(Accesses.of(trace, 40), ["lru"], [3], interval=4, per_table=True)
    assert found.interval_accesses.sum() == found.table_accesses.sum() == found.accesses
    assert found.interval_hits.sum() == found.table_hits.sum() == found.hits
    assert len(found.interval_hits) == -(-found.accesses // 4)


@pytest.mark.parametrize("policy", ["lru", "fifo", "random"])
def test_sets_side_by_side_equal_the_set_associative_cache(policy):
    tables = np.arange(20_000) % 3
    lines = zipf(20_000, 1500, 0.8, 3) * 3 + tables
    source = Accesses.from_ids(lines, tables=tables)
    (found,) = compare_policies(source, [policy], [960], ways=12, per_table=True, seed=9)
    cache = SetCache(size_bytes=960 * 64, line_bytes=64, ways=12, policy=policy, seed=9)
    result = cache.access(lines * 64, keep_events=True)
    assert found.hits == result.hits
    assert found.table_hits.tolist() == np.bincount(tables, weights=result.events & 1).tolist()


@pytest.mark.parametrize("policy", [policy for policy in POLICIES if policy not in SET_POLICIES])
@given(
    lines=st.lists(st.integers(0, 90).map(lambda x: x * x // 90), max_size=300),
    sets=st.integers(1, 7),
    ways=st.integers(1, 12),
)
def test_a_set_of_any_policy_hits_where_a_twin_of_its_own_hits(policy, lines, sets, ways):
    expected = 0
    for number in range(sets):
        own = [line for line in lines if line % sets == number]
        expected += sum(cache_twins.replay(policy, own, ways))
    (found,) = compare_policies(np.array(lines, np.int64), [policy], [sets * ways], ways=ways)
    assert found.hits == expected


def test_one_set_is_the_fully_associative_cache_for_every_policy():
    ids = zipf(20_000, 1500, 0.8, 3)
    tables = np.arange(20_000) % 3
    source = Accesses.from_ids(ids * 3 + tables, tables=tables)
    names = [policy for policy in POLICIES if policy != "random"]  # whose entries are drawn in another order
    whole = compare_policies(source, names, [300], per_table=True)
    sets = compare_policies(source, names, [300], ways=300, per_table=True, threads=3)
    assert [one.table_hits.tolist() for one in whole] == [one.table_hits.tolist() for one in sets]


def test_no_policy_beats_the_optimum_and_lru_never_loses_by_growing():
    ids = zipf(40_000, 5000, 0.8, 21)
    sizes = [50, 400, 3000]
    best = [result.hits for result in compare_policies(ids, ["belady"], sizes)]
    for name in POLICIES:
        assert all(
            own.hits <= most for own, most in zip(compare_policies(ids, [name], sizes), best, strict=True)
        )
    assert (np.diff(lru_curve(ids).hits(np.arange(5001))) >= 0).all()


def test_a_failure_stops_the_other_replays():
    seen = []

    def progress(count):
        seen.append(count)
        if len(seen) == 3:
            raise OSError("the third")

    ids = np.zeros(4_000_000, np.int64)
    with pytest.raises(OSError, match="the third"):
        compare_policies(ids, ["lru", "fifo"], [1, 2, 3, 4], threads=2, progress=progress)
    assert len(seen) == 3 or seen[3:] == [seen[0]]  # the other thread may have been past the check


# ---- what is refused


@pytest.mark.parametrize(
    ("policies", "entries", "ways", "message"),
    [
        (["lruu"], [4], None, "unknown cache policy 'lruu' .did you mean 'lru'"),
        (["lru"], [-4], None, "entries = -4 must be"),
        (["lru"], [10], 4, "entries = 10 is not a multiple of 4 ways; 8 is"),
        (["lru"], [4], 5, "ways = 5 must lie in 1 .. 4"),
        (["lru"], [4], 0, "ways = 0 must lie in 1 .. 4"),
    ],
)
def test_caches_that_cannot_be_are_refused(policies, entries, ways, message):
    with pytest.raises(InputError, match=message):
        compare_policies([1, 2, 3], policies, entries, ways=ways)


@pytest.mark.parametrize("line_bytes", [0, -64, 2, 1 << 40])
def test_lines_that_cannot_be_are_refused(line_bytes):
    with pytest.raises(InputError, match="line of"):
        Accesses.of(build([(0, [1])]), line_bytes)
