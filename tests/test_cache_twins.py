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
