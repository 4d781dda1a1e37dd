"""The share of weights that a cache keeps: against exp, closed forms, and an LRU list fed with Poisson streams."""

import math
from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.models.caches import resident_share, survival

ENDLESS = float("inf")


@given(st.floats(0, 690))
def test_survival_is_the_exponential(times):
    assert survival(times) == pytest.approx(math.exp(-times), rel=1e-12)


def test_survival_ends_at_nothing():
    assert survival(701.0) == 0.0
    assert survival(0.0) == 1.0


def test_an_endless_cache_keeps_everything_and_no_cache_nothing():
    assert resident_share(ENDLESS, 18, 1e6, 1e9) == 1.0
    assert resident_share(0, 1, 1e6, 0) == 0.0


def test_a_cache_that_is_never_full_keeps_everything():
    assert resident_share(4e6, 2, 2e6, 0) == 1.0


def test_weights_alone_fill_the_cache_to_its_size():
    assert resident_share(1e6, 1, 4e6, 0) == pytest.approx(0.25)


def test_few_weights_beside_a_stream_stay_as_long_as_it_takes_to_fill_the_cache():
    assert resident_share(2e6, 4, 1e-6, 1e6) == pytest.approx(1 - math.exp(-0.5))


@given(st.floats(1, 1e9), st.integers(1, 18), st.floats(1, 1e8), st.floats(0, 1e9))
def test_the_share_rises_with_the_cache_and_falls_with_models_weights_and_traffic(
    size, models, weights, passing
):
    share = resident_share(size, models, weights, passing)
    assert 0 <= share <= 1
    slack = 1e-9
    assert resident_share(2 * size, models, weights, passing) >= share - slack
    assert resident_share(size, models + 1, weights, passing) <= share + slack
    assert resident_share(size, models, weights, 2 * passing + 1) <= share + slack
    held = models * (weights * share + passing * (-math.log1p(-share) if share < 1 else 0))
    # The share is a difference from 1, so one rounding of it stands for this many bytes.
    rounding = 2**-52 * models * (weights + passing) / max(1 - share, 2**-52)
    assert held <= size * (1 + 1e-6) + rounding


def draws(seed):
    """Yield numbers in [0, 1), SplitMix64."""
    state = seed
    while True:
        state = (state + 0x9E3779B97F4A7C15) & (2**64 - 1)
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
        yield ((z ^ (z >> 31)) >> 11) / 2**53


@pytest.mark.parametrize(
    ("lines", "models", "weights", "passing"),
    [(100, 1, 60, 90), (200, 4, 40, 100), (400, 3, 150, 30), (300, 2, 20, 600)],
)
def test_an_lru_list_fed_with_poisson_streams_hits_as_often(lines, models, weights, passing):
    cache, random, fresh = OrderedDict(), draws(lines), 0
    hits = reads = 0
    for step in range(120_000):
        if next(random) < weights / (weights + passing):
            line = int(next(random) * models * weights)
            reads += step > 20_000
            hits += step > 20_000 and line in cache
        else:
            fresh -= 1
            line = fresh
        cache[line] = True
        cache.move_to_end(line)
        if len(cache) > lines:
            cache.popitem(last=False)
    assert hits / reads == pytest.approx(resident_share(lines, models, weights, passing), abs=0.015)
