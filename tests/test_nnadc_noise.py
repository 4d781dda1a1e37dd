"""Noise by table: normal, of variance 1, and the same however a record is cut."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtri

from archsim.analog.elementary import key_of
from archsim.analog.nnadc.noise import noise, quantiles


def test_the_table_holds_quantiles_of_the_normal_distribution():
    table = quantiles()
    wanted = ndtri((np.arange(65536) + 0.5) / 65536)
    scale = np.sqrt(np.mean(wanted**2))
    np.testing.assert_allclose(table, wanted / scale, rtol=1e-9, atol=1e-12)
    assert abs(np.mean(table**2) - 1.0) < 1e-12
    assert scale > 0.9999


@settings(max_examples=50, deadline=None)
@given(first=st.integers(0, 2**50), count=st.integers(0, 50), cut=st.integers(0, 50))
def test_a_record_is_the_same_however_it_is_cut(first, count, cut):
    key = key_of(3, 1)
    cut = min(cut, count)
    parts = np.concatenate([noise(key, first, cut), noise(key, first + cut, count - cut)])
    np.testing.assert_array_equal(noise(key, first, count), parts)


def test_streams_and_neighbours_are_independent():
    a, b = (noise(key_of(1, stream), 0, 1 << 18) for stream in (1, 2))
    limit = 5.0 / 512  # five standard errors
    assert abs(np.mean(a)) < limit
    assert abs(np.mean(a * b)) < limit
    for lag in (1, 2, 3, 4):
        assert abs(np.mean(a[lag:] * a[:-lag])) < limit
