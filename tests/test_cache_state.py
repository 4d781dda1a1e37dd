"""Memory of the cache policies: bytes of state per object, an object being an id of the table."""

import cache_twins
import numpy as np
import pytest

from archsim.cache import POLICIES, simulate

OBJECTS = 40_000
#: More memory for what they are: Belady's policy keeps the future, W-TinyLFU libCacheSim's counters per entry.
LARGER = ("belady", "wtinylfu")


def skewed(accesses, objects, seed=1):
    return (objects * np.random.default_rng(seed).random(accesses) ** 3).astype(np.int64)


@pytest.mark.parametrize("policy", [policy for policy in POLICIES if policy not in LARGER])
@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.6, 0.61, 0.8, 1.0, 3.0])
def test_a_policy_takes_at_most_16_bytes_per_object(policy, share):
    ids = np.append(skewed(200_000, OBJECTS), OBJECTS - 1)
    assert simulate(policy, ids, int(OBJECTS * share)).state_bytes <= 16 * OBJECTS + 8192


@pytest.mark.parametrize("share", [0.001, 0.1, 0.29])
def test_wtinylfu_takes_at_most_16_bytes_per_object_up_to_29_percent_of_them(share):
    ids = np.append(skewed(200_000, OBJECTS), OBJECTS - 1)
    assert simulate("wtinylfu", ids, int(OBJECTS * share)).state_bytes <= 16 * OBJECTS


def test_lfu_keeps_to_16_bytes_where_every_object_has_another_count():
    ids = np.repeat(np.arange(1000), np.arange(1000) + 1)
    for entries in (500, 600, 601, 1000):
        assert simulate("lfu", ids, entries, objects=1000).state_bytes <= 16 * 1000 + 64


@pytest.mark.parametrize("entries", [60, 72, 73, 90, 119, 120, 500])
def test_lfu_whose_entries_are_ids_hits_where_its_twin_hits(entries):
    for seed in range(4):
        ids = skewed(6000, 120, seed)
        ids[::50] = (ids[::50] + np.arange(0, 6000, 50) // 7) % 120
        found = simulate("lfu", ids, entries, objects=120, keep_hits=True).hit_array
        assert found.tolist() == cache_twins.replay("lfu", ids.tolist(), entries)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_cache_larger_than_its_ids_hits_where_its_twin_hits(policy):
    ids = skewed(1500, 30)
    for entries in (29, 30, 31, 64):
        found = simulate(policy, ids, entries, objects=30, keep_hits=True).hit_array
        assert found.tolist() == cache_twins.replay(policy, ids.tolist(), entries)
