"""Miss-ratio curves: against twins, against direct simulation, by formula, sampled, and what is refused."""

import curve_twin
import numpy as np
import pytest
import reuse_twin
from cache_draws import bag_lists, build, zipf
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.cache import (
    Accesses,
    SetCache,
    accesses,
    compare_policies,
    lru_curve,
    simulate,
    way_curve,
)
from archsim.cache import curves as curves_module
from archsim.errors import InputError
from archsim.kernels.curves import SetDepths, bin_distances
from archsim.kernels.reuse import RowNumbers

IDS = st.lists(st.integers(0, 12), max_size=80)
SIZES = (0, 1, 2, 3, 5, 8, 13, 40)


# ---- kernels and their twins


@given(
    distances=st.lists(st.integers(-1, 30), max_size=60),
    sizes=st.lists(st.integers(0, 40), unique=True, max_size=20),
    cuts=st.lists(st.integers(0, 60), max_size=4),
    groups=st.lists(st.integers(0, 2), min_size=5, max_size=5),
)
def test_binned_distances_equal_a_count_of_each(distances, sizes, cuts, groups):
    sizes.sort()
    ends = [*sorted(min(cut, len(distances)) for cut in cuts), len(distances)]
    groups = groups[: len(ends)]
    counts = np.zeros((3, len(sizes)), np.int64)
    as_array = [np.array(values, np.int64) for values in (distances, sizes, ends)]
    bin_distances(*as_array, np.array(groups, np.int32), counts)
    expected, start = np.zeros((3, len(sizes)), np.int64), 0
    for group, end in zip(groups, ends, strict=True):
        for distance in distances[start:end]:
            places = [i for i, size in enumerate(sizes) if distance < size]
            if distance >= 0 and places:
                expected[group, places[0]] += 1
        start = end
    assert counts.tolist() == expected.tolist()


def test_binning_refuses_what_does_not_fit_together():
    ones, groups = np.ones(3, np.int64), np.zeros(1, np.int32)
    counts = np.zeros((1, 1), np.int64)
    for ends, owner, size in (([2], 0, 1), ([3], 1, 1), ([3], -1, 1), ([3], 0, 2), ([-1], 0, 1)):
        with pytest.raises(ValueError, match=r"segment|counters"):
            bin_distances(ones, np.ones(size, np.int64), np.array(ends), groups + owner, counts)


@given(ids=IDS, sets=st.integers(1, 7), ways=st.integers(1, 6), cut=st.integers(0, 80))
def test_every_associativity_equals_a_cache_of_its_own(ids, sets, ways, cut):
    depths, counts = SetDepths(sets, ways), np.zeros(ways + 1, np.int64)
    for part in (ids[:cut], ids[cut:]):
        depths.feed(np.array(part, np.int64), counts)
    assert counts.sum() == len(ids)
    assert np.cumsum(counts)[:-1].tolist() == [curve_twin.set_hits(ids, sets, own + 1) for own in range(ways)]


@given(bag_lists(), st.sampled_from([1, 2, 16]))
def test_rows_in_a_sample_are_those_of_a_hash_below_the_bound(bags, share):
    rows = np.array([row for _, own in bags for row in own], np.int64)
    ends = np.array([len(rows)])
    by_shift = RowNumbers(sample_shift=share.bit_length() - 1).number(rows, ends)[0] if share > 1 else None
    by_bound = RowNumbers(sample_below=2**64 // share % 2**64).number(rows, ends)[0]
    assert (
        by_bound.tolist() == (RowNumbers().number(rows, ends)[0] if by_shift is None else by_shift).tolist()
    )


# ---- the exact curve


@given(ids=IDS, piece=st.sampled_from([1, 7, 1 << 18]), dense=st.booleans())
@settings(max_examples=200)
def test_the_curve_equals_an_lru_cache_of_every_size(ids, piece, dense):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accesses, "PIECE", piece)
        patch.setattr(curves_module, "DENSE", 1 << 20 if dense else 0)
        patch.setattr(curves_module, "DENSE_PER_ACCESS", 4 if dense else 0)
        found = lru_curve(np.array(ids, np.int64))
    assert found.hits(SIZES).tolist() == [reuse_twin.lru_hits(ids, size) for size in SIZES]
    assert (found.accesses, found.distinct, found.label) == (len(ids), len(set(ids)), "exact")


@pytest.mark.parametrize("skew", [0.0, 0.7, 1.0, 1.3])
def test_the_curve_equals_the_simulated_policy_at_every_size_tested(skew):
    ids = zipf(200_000, 30_000, skew, 5)
    found = lru_curve(ids)
    sizes = [1, 2, 3, 10, 100, 999, 1000, 4096, 20_000, found.distinct - 1, found.distinct, 10**9]
    assert found.hits(sizes).tolist() == [simulate("lru", ids, size).hits for size in sizes]


def test_ids_may_be_anything():
    ids = zipf(5000, 300, 0.9, 1)
    near = lru_curve(ids).distances.tolist()
    for far in (ids * (2**63 // 300), -ids, ids.astype(np.uint64) * 2**55):
        assert lru_curve(far).distances.tolist() == near
        (result,) = compare_policies(far, ["arc"], [70])
        assert result.hits == simulate("arc", ids, 70).hits


@pytest.mark.parametrize("apart", [1, 3000])
def test_a_few_objects_far_apart_are_as_near_as_each_other(apart):
    """Windows are compacted many times; ids far apart take another way through it than ids that fill the range."""
    ids = zipf(60_000, 40, 0.5, 2)
    expected = [int((np.array(reuse_twin.distances(ids.tolist())) == d).sum()) for d in range(40)]
    assert lru_curve(ids * apart).distances.tolist() == expected


def test_a_loop_hits_from_its_length_on():
    ids = np.tile(np.arange(100), 9)
    found = lru_curve(ids)
    assert found.miss_ratio([0, 1, 99, 100, 101]).tolist() == [1, 1, 1, 1 / 9, 1 / 9]


def test_uniform_accesses_follow_the_formula():
    """A full cache of c of n equally likely objects holds any of them with probability c / n."""
    objects, count = 2000, 400_000
    found = lru_curve(np.random.default_rng(3).integers(0, objects, count))
    warm = count - objects * 10
    for size in (200, 1000, 1800):
        expected = size / objects
        error = np.sqrt(expected * (1 - expected) / warm)
        assert found.hits(size) / count == pytest.approx(expected, abs=5 * error + objects * 10 / count)


def test_no_accesses_have_an_empty_curve():
    found = lru_curve(np.empty(0, np.int64), per_table=True, interval=5)
    assert (found.accesses, found.distinct, found.sizes().tolist()) == (0, 0, [])
    assert found.miss_ratio([1, 5]).tolist() == [0, 0]


# ---- by table and over time


@given(bags=bag_lists(), piece=st.sampled_from([1, 5, 1 << 18]), interval=st.integers(1, 30))
@settings(max_examples=100)
def test_tables_and_intervals_equal_their_twins(bags, piece, interval):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accesses, "PIECE", piece)
        source = Accesses.of(build(bags))
        found = lru_curve(source, per_table=True, interval=interval, entries=SIZES)
    lookups = [(table, row) for table, rows in bags for row in rows]
    owners = [table for table, _ in lookups]
    times = [i // interval for i in range(len(lookups))]
    for place, size in enumerate(SIZES):
        by_table = [*curve_twin.grouped_hits(lookups, owners, size), 0, 0, 0][:3]
        assert found.tables.hits[:, place].tolist() == by_table
        assert found.intervals.hits[:, place].tolist() == curve_twin.grouped_hits(lookups, times, size)
    for table, alone in enumerate(found.alone):
        own = [row for owner, row in lookups if owner == table]
        assert alone.hits(SIZES).tolist() == [reuse_twin.lru_hits(own, size) for size in SIZES]
        assert found.tables.accesses[table] == len(own)
    assert found.intervals.accesses.sum() == len(lookups)
    assert set(found.intervals.accesses[:-1].tolist()) <= {interval}


@pytest.mark.parametrize("sample", [1.0, 0.3])
def test_tables_and_intervals_add_up_to_the_whole(sample):
    tables = np.random.default_rng(1).integers(0, 5, 50_000)
    ids = zipf(50_000, 4000, 0.8, 2) * 5 + tables
    source = Accesses.from_ids(ids, tables=tables)
    found = lru_curve(source, sample=sample, per_table=True, interval=7000)
    assert found.tables.accesses.tolist() == np.bincount(tables).tolist()
    assert found.intervals.accesses.tolist() == [7000] * 7 + [1000]
    if sample == 1:
        whole = found.hits(found.tables.entries).tolist()
        assert found.tables.hits.sum(axis=0).tolist() == found.intervals.hits.sum(axis=0).tolist() == whole
    else:
        for part in (found.tables, found.intervals):
            assert part.hits.sum(axis=0) / 50_000 == pytest.approx(
                1 - found.miss_ratio(part.entries), abs=0.05
            )


# ---- samples


def test_a_sample_of_everything_is_exact_and_a_part_is_labelled():
    ids = zipf(20_000, 3000, 0.8, 4)
    assert lru_curve(ids, sample=1.0).distances.tolist() == lru_curve(ids).distances.tolist()
    assert lru_curve(ids, sample=0.01).label == "sampled 1 %"


@pytest.mark.parametrize(
    ("skew", "rate", "mean"), [(0.0, 0.1, 0.01), (0.7, 0.1, 0.03), (0.7, 0.01, 0.05), (1.0, 0.1, 0.06)]
)
def test_a_sample_comes_close_to_the_exact_curve(skew, rate, mean):
    """Bounds are the largest mean error over eight hashes, rounded up."""
    ids = zipf(1_000_000, 300_000, skew, 11)
    exact, found = lru_curve(ids), lru_curve(ids, sample=rate)
    sizes = found.sizes()
    assert sizes[0] >= 1 / rate
    assert np.abs(found.miss_ratio(sizes) - exact.miss_ratio(sizes)).mean() < mean
    assert found.distinct == pytest.approx(exact.distinct, rel=0.1)


def test_the_correction_adds_what_the_sample_has_too_few_of():
    """One object takes half of the accesses. In the sample or not, the corrected ratios stay near the truth."""
    rest = np.random.default_rng(8).integers(1, 20_000, 100_000)
    ids = np.where(np.arange(100_000) % 2, 0, rest)
    for shift in range(6):
        moved = ids + shift * 20_000
        found = lru_curve(moved, sample=0.05)
        exact = lru_curve(moved)
        assert found.miss_ratio(5000) == pytest.approx(float(exact.miss_ratio(5000)), abs=0.05)
        uncorrected = found._hits[250] / (found._hits[-1] + len(found.distances))
        assert abs(uncorrected - (1 - exact.miss_ratio(5000))) > 0.1


# ---- sets


@pytest.mark.parametrize(("sets", "ways"), [(1, 64), (64, 16), (60, 12), (1024, 4)])
def test_every_associativity_equals_the_set_associative_cache(sets, ways):
    lines = zipf(60_000, 9000, 0.8, 6)
    found = way_curve(lines, sets, ways)
    for own in range(1, ways + 1):
        cache = SetCache(size_bytes=64 * sets * own, line_bytes=64, ways=own)
        assert found.hits[own - 1] == cache.access(lines * 64).hits
    assert found.entries.tolist() == [sets * own for own in range(1, ways + 1)]


def test_one_set_is_the_fully_associative_cache():
    lines = zipf(30_000, 500, 0.6, 9)
    found = way_curve(lines, 1, 600)
    assert found.hits.tolist() == lru_curve(lines).hits(np.arange(1, 601)).tolist()


def test_more_ways_than_lines_cost_no_memory_and_hit_as_often():
    assert way_curve([3, 4, 3], 1 << 20, 4096).hits.tolist() == [1] * 4096


# ---- what is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample": 0.0}, "sample = 0 must be above 0"),
        ({"sample": 1.5}, "sample = 1.5 must be above 0"),
        ({"sample": float("nan")}, "sample = nan must be"),
        ({"interval": -1}, "interval = -1 must not be negative"),
        ({"entries": [5, -2]}, "entries = -2 must not be negative"),
    ],
)
def test_options_out_of_their_range_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        lru_curve([1, 2, 3], **options)


def test_ids_that_are_no_ids_are_refused():
    for ids in ([0.5], [[1], [2]]):
        with pytest.raises(InputError, match="ids must"):
            lru_curve(ids)
    with pytest.raises(InputError, match="ids must not be negative"):
        way_curve([-1, 2], 4, 2)
    with pytest.raises(InputError, match="ids must not be negative"):
        compare_policies([-1, 2], ["lru"], [4], ways=2)
    with pytest.raises(InputError, match="one each"):
        Accesses.from_ids([1, 2], tables=[0])
    with pytest.raises(InputError, match="must not be negative"):
        lru_curve([1]).hits([-1])


@pytest.mark.parametrize(
    ("sets", "ways", "message"), [(0, 1, "sets = 0"), (1, 0, "ways = 0"), (4, 9999, "ways = 9999")]
)
def test_sets_that_cannot_be_are_refused(sets, ways, message):
    with pytest.raises(InputError, match=message):
        way_curve([1], sets, ways)
