"""Every compiled policy against its naive twin, on random short traces."""

import cache_belady_twin
import cache_twins
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.cache import POLICIES, simulate
from archsim.kernels.cache import PolicyReplay

IDS = st.one_of(
    st.lists(st.integers(0, 5), max_size=60),
    st.lists(st.integers(0, 30), max_size=200),
    st.lists(st.integers(0, 60).map(lambda x: x * x // 60), min_size=100, max_size=400),
)
ENTRIES = st.integers(0, 40)
POLICY = pytest.mark.parametrize("policy", POLICIES)
NO_ORACLE = pytest.mark.parametrize("policy", [p for p in POLICIES if p != "belady"])


def hits_of(policy, ids, entries, **options):
    return simulate(policy, np.array(ids, np.int64), entries, keep_hits=True, **options).hit_array.tolist()


@POLICY
@settings(max_examples=80, deadline=None)
@given(ids=IDS, entries=ENTRIES)
def test_a_policy_hits_where_its_twin_hits(policy, ids, entries):
    assert hits_of(policy, ids, entries) == cache_twins.replay(policy, ids, entries)


@POLICY
@settings(max_examples=30, deadline=None)
@given(ids=IDS, entries=ENTRIES, spread=st.integers(1, 2**40), base=st.integers(-(2**50), 2**50))
def test_objects_may_have_any_names(policy, ids, entries, spread, base):
    names = [base + spread * x for x in ids]
    assert hits_of(policy, names, entries) == cache_twins.replay(policy, names, entries)


@POLICY
@settings(max_examples=30, deadline=None)
@given(ids=IDS, entries=ENTRIES)
def test_hashing_dense_ids_changes_nothing(policy, ids, entries):
    assert hits_of(policy, ids, entries, objects=0) == hits_of(policy, ids, entries, objects=61)


PARAMETERS = {
    "slru": st.fixed_dictionaries({"segments": st.integers(1, 4)}),
    "2q": st.fixed_dictionaries({"kin": st.floats(0, 1), "kout": st.floats(0, 2)}),
    "s3fifo": st.fixed_dictionaries(
        {"small": st.floats(0, 1), "ghost": st.floats(0, 2), "threshold": st.integers(1, 3)}
    ),
    "wtinylfu": st.fixed_dictionaries({"window": st.floats(0, 1)}),
    "belady": st.fixed_dictionaries({"bypass": st.integers(0, 1)}),
    "random": st.fixed_dictionaries({"seed": st.integers(0, 2**64 - 1)}),
}


@pytest.mark.parametrize("policy", PARAMETERS)
@settings(max_examples=80, deadline=None)
@given(data=st.data(), ids=IDS, entries=ENTRIES)
def test_a_policy_with_other_parameters_hits_where_its_twin_hits(policy, data, ids, entries):
    parameters = data.draw(PARAMETERS[policy])
    assert hits_of(policy, ids, entries, **parameters) == cache_twins.replay(
        policy, ids, entries, **parameters
    )


@NO_ORACLE
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    entries=st.integers(1, 60),
    objects=st.sampled_from([0, 200]),
    step=st.integers(1, 3000),
)
def test_renumbering_and_chunk_boundaries_change_nothing(policy, seed, entries, objects, step):
    random = np.random.default_rng(seed)
    ids = (200 * random.random(6000) ** 3).astype(np.int64)
    whole = simulate(policy, ids, entries, keep_hits=True)
    ratios = tuple(v for v in whole.parameters.values() if isinstance(v, float))
    numbers = tuple(v for v in whole.parameters.values() if isinstance(v, int))
    replay = PolicyReplay(
        policy, entries, objects, (*ratios, 0.0, 0.0)[:2], (*numbers, 0, 0)[:2], line_bits=256
    )
    hits = np.zeros(ids.size, np.uint8)
    count = sum(replay.feed(ids[at : at + step], hits[at : at + step]) for at in range(0, ids.size, step))
    assert count == whole.hits
    assert np.array_equal(hits.view(np.bool_), whole.hit_array)


@settings(max_examples=300, deadline=None)
@given(ids=st.lists(st.integers(0, 4), max_size=12), entries=st.integers(1, 4), bypass=st.booleans())
def test_belady_hits_as_often_as_the_best_of_all_choices(ids, entries, bypass):
    found = simulate("belady", ids, entries, bypass=int(bypass)).hits
    assert found == cache_belady_twin.most_hits(ids, entries, bypass)


def wandering(seed, accesses=4000, objects=120):
    """Return skewed ids whose favourites wander, with a loop now and then."""
    random = np.random.default_rng(seed)
    at = np.arange(accesses)
    ids = (objects * random.random(accesses) ** 3 + at // 40 * random.integers(0, 3)).astype(
        np.int64
    ) % objects
    loop = at // 150 % 3 == 0
    ids[loop] = at[loop] % random.integers(10, 60)
    return ids


@NO_ORACLE
@pytest.mark.parametrize("entries", [3, 8, 20, 45])
def test_a_policy_hits_where_its_twin_hits_for_long(policy, entries):
    for seed in range(4):
        ids = wandering(1000 * entries + seed)
        assert hits_of(policy, ids, entries) == cache_twins.replay(policy, ids.tolist(), entries)


@NO_ORACLE
@pytest.mark.parametrize("entries", [300, 1500])
def test_hash_tables_that_overflow_and_are_swept_change_nothing(policy, entries):
    ids = wandering(entries, accesses=40_000, objects=6000)
    dense = hits_of(policy, ids, entries, objects=6000)
    assert hits_of(policy, ids, entries, objects=0) == dense
    if policy != "wtinylfu":  # which hashes names itself
        assert hits_of(policy, ids * 2**33 - 5, entries) == dense


def test_objects_whose_tags_collide_are_told_apart():
    inverse = pow(0xD6E8FEB86659FD93, -1, 2**64)  # the tag is the upper half of the id times this number
    names = [(7 << 32 | low) * inverse % 2**64 for low in range(400)]
    signed = np.array(names, np.uint64).view(np.int64)
    ids = wandering(9, accesses=6000, objects=400)
    assert hits_of("lru", signed[ids], 200) == hits_of("lru", ids, 200)


@pytest.mark.parametrize("wide", [False, True])
def test_objects_that_crowd_in_one_place_of_the_table_survive_its_sweeps(wide):
    many = np.arange(1, 200_000, dtype=np.uint64)
    place = (many * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(57)  # of 128; each has room for eight
    crowd = many[place == 5][:36].astype(np.int64)
    names = np.concatenate([crowd, np.arange(300_000, 302_000), [2**40 if wide else 7_000_000]])
    random = np.random.default_rng(3)
    some = random.integers(0, crowd.size, 100_000)
    ids = np.where(random.random(100_000) < 0.1, some, random.integers(0, names.size, 100_000))
    for policy in ("lru", "clock"):
        assert hits_of(policy, names[ids], 330, objects=0) == hits_of(policy, ids, 330)
