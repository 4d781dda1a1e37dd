"""What surrounds the policies: results, user policies, relations between policies, refusals."""

import doctest
import re
from pathlib import Path

import numba
import numpy as np
import pytest
from cache_draws import build
from hypothesis import given, settings
from hypothesis import strategies as st

import archsim.cache.user
from archsim.cache import POLICIES, UserPolicy, compare_policies, simulate
from archsim.errors import InputError


def skewed(n=20_000, objects=3000, seed=3):
    return (objects * np.random.default_rng(seed).random(n) ** 3).astype(np.int64)


def test_hits_by_table_and_interval_add_up():
    ids = skewed()
    tables = ids % 5
    result = simulate("arc", ids, 200, tables=tables, interval=3000, keep_hits=True)
    plain = simulate("arc", ids, 200)
    assert result.hits == plain.hits == result.hit_array.sum()
    assert result.table_hits.tolist() == [int(result.hit_array[tables == t].sum()) for t in range(5)]
    assert result.table_accesses.tolist() == np.bincount(tables).tolist()
    assert result.interval_accesses.tolist() == [3000] * 6 + [2000]
    assert result.interval_hits.tolist() == [
        int(result.hit_array[at : at + 3000].sum()) for at in range(0, ids.size, 3000)
    ]
    assert result.table_hit_ratio == pytest.approx(result.table_hits / result.table_accesses)


def test_a_row_has_the_keys_of_the_command_line():
    row = simulate("lru", [1, 2, 1], 2).to_dict()
    assert {key: row[key] for key in ("policy", "entries", "accesses", "hits")} == {
        "policy": "lru",
        "entries": 2,
        "accesses": 3,
        "hits": 1,
    }
    assert row["hit_ratio"] == pytest.approx(1 / 3)
    assert row["kernel_cpu_s"] >= 0


@pytest.mark.parametrize("policy", POLICIES)
def test_the_ends_of_the_range_of_sizes(policy):
    ids = skewed(2000, 100)
    assert simulate(policy, ids, 0).hits == 0
    assert simulate(policy, [], 5).hit_ratio == 0
    assert simulate(policy, ids, 4000).hits == ids.size - np.unique(ids).size


@pytest.mark.parametrize("policy", [p for p in POLICIES if p != "belady"])
@settings(max_examples=40, deadline=None)
@given(ids=st.lists(st.integers(0, 20), max_size=150), entries=st.integers(1, 12))
def test_belady_is_never_beaten(policy, ids, entries):
    best = simulate("belady", ids, entries).hits
    assert simulate(policy, ids, entries).hits <= best <= simulate("belady", ids, entries, bypass=1).hits


@settings(max_examples=60, deadline=None)
@given(ids=st.lists(st.integers(0, 30), max_size=300), entries=st.integers(1, 20))
def test_a_larger_lru_hits_wherever_a_smaller_one_does(ids, entries):
    small, large = (simulate("lru", ids, n, keep_hits=True).hit_array for n in (entries, entries + 1))
    assert not (small & ~large).any()


def test_sieve_is_lfu_until_its_hand_has_gone_round():
    random = np.random.default_rng(11)
    fresh = np.arange(1000, 1400)
    ids = np.concatenate([np.repeat(np.arange(50), 2), random.permutation(np.repeat(fresh, 1))])
    at = [simulate(policy, ids, 450, keep_hits=True) for policy in ("sieve", "lfu", "clock")]
    assert at[0].hits == at[1].hits == 50
    ids = skewed(3000, 4000, seed=5)
    sieve, lfu = (simulate(policy, ids, 1200, keep_hits=True).hit_array for policy in ("sieve", "lfu"))
    assert np.array_equal(sieve, lfu)
    assert simulate("lru", ids, 1200).hits != sieve.sum()  # the cache is small enough to matter


def test_policies_without_promotion_are_fifo_when_nothing_is_accessed_twice_in_time():
    ids = np.tile(np.arange(500), 6)
    assert {simulate(policy, ids, 400).hits for policy in ("fifo", "lru", "clock")} == {0}


def test_one_segment_is_lru():
    ids = skewed()
    assert simulate("slru", ids, 200, segments=1).hits == simulate("lru", ids, 200).hits


def test_random_is_the_same_for_the_same_seed_only():
    ids = skewed()
    hits = [simulate("random", ids, 200, seed=seed).hits for seed in (1, 1, 2)]
    assert hits[0] == hits[1] != hits[2]


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.int64, np.uint64])
def test_whole_numbers_of_any_kind_are_ids(dtype):
    ids = skewed(3000, 200)
    assert simulate("lru", ids.astype(dtype), 50).hits == simulate("lru", ids, 50).hits


def test_a_read_only_array_is_an_id_column():
    ids = skewed(1000, 200)
    ids.flags.writeable = False
    assert simulate("lru", ids, 50).accesses == 1000


def test_the_example_of_a_user_policy_runs():
    tried = doctest.testmod(archsim.cache.user)
    assert tried.attempted > 5
    assert tried.failed == 0


def mru_state(entries, objects):
    return np.full(1, -1, np.int64), np.zeros(1, np.int64)


@numba.njit
def mru_note(state, x):
    state[0][0] = x


@numba.njit
def mru_evict(state):
    return state[0][0]


MRU = UserPolicy("mru", mru_state, mru_note, mru_note, mru_evict)


def test_a_user_policy_replays_arbitrary_ids_with_everything_counted():
    ids = np.tile(np.array([-5, 2**60, 77, 12, -9]), 40)
    result = simulate(MRU, ids, 3, tables=np.arange(200) % 2, interval=64, keep_hits=True)
    held, last, hits = set(), None, []
    for x in ids.tolist():
        hits.append(x in held)
        if x not in held:
            if len(held) == 3:
                held.discard(last)
            held.add(x)
        last = x
    assert result.hit_array.tolist() == hits
    assert result.table_hits.sum() == result.interval_hits.sum() == result.hits > 0
    assert result.policy == "mru"
    assert simulate(MRU, ids, 0).hits == 0


def test_a_user_policy_stands_beside_the_others_for_any_number_of_threads():
    ids = skewed()
    expected = [simulate(policy, ids, size).hits for policy in (MRU, "lru") for size in (0, 50, 400)]
    for threads in (1, 3):
        found = compare_policies(ids, [MRU, "lru"], [0, 50, 400], threads=threads)
        assert [result.hits for result in found] == expected
        assert [result.policy for result in found] == ["mru"] * 3 + ["lru"] * 3
    assert compare_policies(np.zeros(0, np.int64), [MRU], [4])[0].hits == 0


def test_a_user_policy_beside_others_needs_numbered_ids_and_no_sets():
    with pytest.raises(InputError, match="policy 'mru' needs ids from 0 on"):
        compare_policies([-1, 2**40], [MRU], [2])
    with pytest.raises(InputError, match="policy 'mru': those of one's own"):
        compare_policies([1, 2], [MRU], [2], ways=2)


def test_the_examples_of_the_document_run():
    page = (Path(__file__).parents[1] / "docs" / "caches.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    ids = skewed(3000)
    names = {"ids": ids, "table_of_access": ids % 3, "trace": build([(0, [1, 2, 1, 5]), (1, [1, 1])])}
    for block in blocks:
        exec(compile(block, "docs/caches.md", "exec"), names)  # one after the other, as in a notebook
    assert len(blocks) == 3
    assert names["curve"].hits([3]).tolist() == [simulate("lru", names["ids"], 3).hits]


def test_a_user_policy_that_evicts_what_is_not_there_is_refused():
    wrong = UserPolicy("wrong", mru_state, mru_note, mru_note, numba.njit(lambda state: 99))
    with pytest.raises(InputError, match="policy 'wrong': evict"):
        simulate(wrong, [0, 1, 2, 3], 2)


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (("lfru", [1], 1), "unknown cache policy 'lfru' (did you mean 'lru'?)"),
        (("lru", [1], -1), "entries = -1 must be a whole number from 0"),
        (("lru", [1], 1.5), "entries = 1.5 must be a whole number"),
        (("lru", [1], True), "entries = True"),
        (("lru", [1], 2**31), "entries = 2147483648 must be a whole number from 0 to 1073741824"),
        (("lru", [[1]], 1), "ids must have one dimension, not 2"),
        (("lru", [1.5], 1), "ids must be whole numbers, not float64"),
    ],
)
def test_what_cannot_be_replayed_is_refused(arguments, rule):
    with pytest.raises(InputError) as refused:
        simulate(*arguments)
    assert rule in str(refused.value)


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"smal": 0.2}, "policy 's3fifo' has no parameter 'smal' (did you mean 'small'?)"),
        ({"small": 1.5}, "s3fifo: small = 1.5 must lie in 0 .. 1"),
        ({"small": float("nan")}, "s3fifo: small = nan must lie in"),
        ({"threshold": 1.5}, "s3fifo: threshold = 1.5 must be a whole number"),
        ({"objects": 3}, "ids[2] = 3 must lie in 0 .. 2 (objects = 3)"),
        ({"tables": [0, 1]}, "tables has shape (2,), but there are 3 accesses"),
        ({"tables": [0, 1, -1]}, "none of them negative"),
        ({"interval": -1}, "interval = -1"),
    ],
)
def test_options_out_of_range_are_refused(options, rule):
    with pytest.raises(InputError) as refused:
        simulate("s3fifo", [1, 2, 3], 2, **options)
    assert rule in str(refused.value)
