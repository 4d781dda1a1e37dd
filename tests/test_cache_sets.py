"""Set-associative caches against a naive twin, by hand, and their refusals."""

import numpy as np
import pytest
from cache_set_twin import SetTwin
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.cache import SetCache, admit_profiled, admit_repeated, simulate
from archsim.errors import InputError

COUNTS = (
    "reads",
    "writes",
    "read_hits",
    "write_hits",
    "fills",
    "evictions",
    "writebacks",
    "write_throughs",
    "read_bypasses",
    "write_bypasses",
)


@settings(max_examples=300, deadline=None)
@given(
    lines=st.lists(st.tuples(st.integers(0, 60), st.booleans(), st.booleans()), max_size=250),
    geometry=st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3, 64, 100])),
    policy=st.sampled_from(["lru", "fifo", "random"]),
    write=st.sampled_from(["back", "through"]),
    allocate=st.booleans(),
    seed=st.integers(0, 2**64 - 1),
    kind=st.sampled_from(["reads", "writes", "all"]),
)
def test_a_set_associative_cache_does_what_its_twin_does(
    lines, geometry, policy, write, allocate, seed, kind
):
    sets, ways, line = geometry
    size = sets * ways * line
    twin = SetTwin(size, line, ways, policy, write, allocate, seed)
    cache = SetCache(
        size_bytes=size,
        line_bytes=line,
        ways=ways,
        policy=policy,
        write=write,
        write_allocate=allocate,
        seed=seed,
    )
    addresses = np.array([at * line + at % line for at, _, _ in lines], np.int64)
    writes = np.array([w and kind != "reads" for _, w, _ in lines], np.bool_)
    admits = np.array([a or kind != "all" for _, _, a in lines], np.bool_)
    expected = [twin.access(*row) for row in zip(addresses.tolist(), writes, admits, strict=True)]
    found = cache.access(
        addresses,
        None if kind == "reads" else writes,
        admits if kind == "all" else None,
        keep_events=True,
    )
    assert [(bool(event & 1), at) for event, at in zip(found.events, found.victims, strict=True)] == expected
    assert {name: getattr(found, name) for name in COUNTS} == {name: twin.counts[name] for name in COUNTS}
    assert cache.flush() == len(twin.written)
    assert cache.flush() == 0


@settings(max_examples=100, deadline=None)
@given(
    lines=st.lists(st.integers(0, 80), max_size=400),
    sets=st.integers(1, 9),
    ways=st.integers(1, 20),
    cut=st.floats(0, 1),
)
def test_reads_without_events_count_the_same(lines, sets, ways, cut):
    geometry = {"size_bytes": 64 * sets * ways, "line_bytes": 64, "ways": ways}
    addresses = np.array(lines, np.int64) * 64
    whole = SetCache(**geometry).access(addresses, keep_events=True)
    parts, at = SetCache(**geometry), int(cut * len(lines))
    first, second = parts.access(addresses[:at]), parts.access(addresses[at:])
    for name in COUNTS:
        assert getattr(first, name) + getattr(second, name) == getattr(whole, name), name


@pytest.mark.parametrize("policy", ["lru", "fifo"])
def test_one_set_is_the_fully_associative_cache(policy):
    ids = (300 * np.random.default_rng(7).random(20_000) ** 2).astype(np.int64)
    one = SetCache(size_bytes=64 * 50, line_bytes=64, ways=50, policy=policy).access(ids * 64)
    assert one.hits == simulate(policy, ids, 50).hits


def test_a_written_line_is_written_back_once_when_it_leaves():
    cache = SetCache(size_bytes=128, line_bytes=64, ways=2)
    result = cache.access([0, 8, 64, 128], [True, True, False, False], keep_events=True)
    assert (result.fills, result.write_hits, result.evictions, result.writebacks) == (3, 1, 1, 1)
    assert result.victims.tolist() == [-1, -1, -1, 0]
    assert result.events.tolist() == [2, 1, 2, 2 + 4 + 8]


def test_memory_sees_every_write_of_a_write_through_cache():
    ids = np.arange(1000) * 37 % 400
    writes = ids % 3 == 0
    for allocate in (True, False):
        cache = SetCache(size_bytes=4096, line_bytes=64, ways=4, write="through", write_allocate=allocate)
        result = cache.access(ids * 64, writes)
        assert result.memory_writes == writes.sum()
        assert result.writebacks == 0


def test_misses_are_fills_and_bypasses():
    ids = (5000 * np.random.default_rng(1).random(30_000) ** 3).astype(np.int64)
    result = SetCache(size_bytes=1 << 16, line_bytes=64, ways=8).access(ids * 64, ids % 7 == 0, ids % 2 == 0)
    assert result.hits + result.memory_reads + result.write_bypasses == result.accesses


def test_admission_by_profile_keeps_what_is_rare_out():
    ids = np.array([1, 2, 1, 3, 1, 2])
    assert admit_profiled(ids, 2).tolist() == [True, True, True, False, True, True]
    assert admit_repeated(ids, 2).tolist() == [False, False, True, False, True, True]
    assert admit_repeated(ids, 0).all()
    assert admit_profiled([], 1).size == admit_repeated([], 1).size == 0


GOOD = {"size_bytes": 4096, "line_bytes": 64, "ways": 4}


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"size_bytes": 0}, "size_bytes = 0 must be a whole number from 1"),
        ({"size_bytes": -4096}, "size_bytes = -4096"),
        ({"size_bytes": 4000}, "size_bytes = 4000 is not a multiple of line_bytes = 64"),
        ({"line_bytes": 0}, "line_bytes = 0"),
        ({"line_bytes": 64.0}, "line_bytes = 64.0 must be a whole number"),
        ({"ways": 0}, "ways = 0"),
        ({"ways": -1}, "ways = -1"),
        ({"ways": 65}, "65 ways are more than the 64 lines"),
        ({"ways": 3}, "64 lines (4096 bytes) are not a multiple of 3 ways"),
        ({"element_bytes": 128}, "a line of 64 bytes is smaller than an element of 128 bytes"),
        ({"policy": "lur"}, "did you mean 'lru'"),
        ({"write": "around"}, "must be 'back' or 'through'"),
        ({"seed": -1}, "seed = -1"),
    ],
)
def test_a_cache_that_cannot_be_is_refused_with_the_rule(change, rule):
    with pytest.raises(InputError) as refused:
        SetCache(**{**GOOD, **change})
    assert rule in str(refused.value)
    assert "\n" not in str(refused.value)


def test_accesses_that_cannot_be_are_refused():
    cache = SetCache(**GOOD, element_bytes=16)
    with pytest.raises(InputError, match="-1 must lie in 0"):
        cache.access([0, -1])
    with pytest.raises(InputError, match="address 56 of access 1: its 16 bytes reach beyond"):
        cache.access([0, 56])
    with pytest.raises(InputError, match="writes has shape"):
        cache.access([0, 16], [True])
    with pytest.raises(InputError, match="whole numbers"):
        cache.access([0.5])
