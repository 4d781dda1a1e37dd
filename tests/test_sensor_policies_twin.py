"""The compiled policies against a plain twin, and what they promise against what they do."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import settings as tries
from hypothesis import strategies as st
from sensor_policy_twin import twin
from sensor_settings import setting, settings

from archsim.sensor.policies import MODES, POLICIES, Limits, promise, run, sweep


@tries(max_examples=300, deadline=None)
@given(settings())
def test_every_frame_is_that_of_the_twin_bit_for_bit(any_setting):
    found = run(any_setting, trace=True)
    modes, dies, packages, end, counts = twin(any_setting)
    assert [MODES[mode] for mode in found.trace.modes] == modes
    assert found.trace.die_k.tolist() == dies
    assert found.trace.package_k.tolist() == packages
    assert found.end_k == end
    assert found.requests == counts["requests"]
    assert (found.captured, found.missed, found.waiting) == (
        counts["captured"], counts["missed"], counts["waiting"]
    )  # fmt: skip
    assert found.vision_missed == counts["vision"]
    assert found.longest_wait_s == counts["longest"] * any_setting.step_s
    first, last = whole_cycles(any_setting, modes) if found.cycles else (any_setting.skipped, len(modes))
    counted, share = modes[first:last], 1 / (last - first)
    assert found.duty == pytest.approx(counted.count("near") * share, abs=1e-15)
    assert found.far_share == pytest.approx(counted.count("far") * share, abs=1e-15)
    assert found.mean_k == pytest.approx(np.mean([*dies, end[0]][first + 1 : last + 1]), rel=1e-12)
    if found.cycles:
        times = np.array([found.t_warm_s, found.t_cool_s]) * found.cycles / any_setting.step_s
        assert times == pytest.approx([counted.count("near"), len(counted) - counted.count("near")])
    else:
        assert found.migrations_hz * any_setting.step_s / share == pytest.approx(counts["migrations"])


def whole_cycles(any_setting, modes):
    """Return the first and the last frame, of those counted, that is near after one that was not."""
    entries = [
        k
        for k in range(max(1, any_setting.skipped), len(modes))
        if modes[k] == "near" and modes[k - 1] != "near"
    ]
    return entries[0], entries[-1]


@tries(max_examples=600, deadline=None)
@given(settings(steps=1500))
def test_what_a_policy_promises_it_keeps(any_setting):
    found, before = run(any_setting), promise(any_setting)
    assert found.promised == before.met
    if before.vision:
        assert found.vision_missed == 0
    if before.imaging:
        assert found.missed == 0
        if found.captured:
            assert found.worst_capture_k <= any_setting.limits.imaging_k
    if not found.met:
        assert not before.met
        assert before.reason
    assert (found.missed == 0 and found.vision_missed == 0) == found.met


@tries(max_examples=200, deadline=None)
@given(settings(policies=("seasonal", "stop-capture-go"), steps=1500))
def test_policies_that_look_ahead_promise_whatever_the_rest_mode_allows(any_setting):
    """The promise is not empty: from ambient it is given whenever resting settles below both limits."""
    cool = any_setting.changed(start_k=None, foresight=True, patience_s=10.0, latency_s=None)
    limit = min(cool.limits.vision_k, cool.limits.imaging_k)
    assume(cool.settled_k(cool.rest) < limit - 1e-6)
    assert promise(cool).met
    assert run(cool).met


@tries(max_examples=200, deadline=None)
@given(
    settings(policies=("full-far", "on-demand", "seasonal", "stop-capture-go")),
    st.floats(0, 30, exclude_min=True),
)
def test_a_limit_below_what_resting_settles_at_is_never_promised(any_setting, below_k):
    limit = any_setting.settled_k(any_setting.rest) - below_k
    limits = Limits(any_setting.limits.vision_k, limit)
    asked = any_setting.changed(requests=(0.0,), limits=limits, high_k=None, low_k=None)
    before = promise(asked)
    assert not before.imaging
    assert "imaging cannot be met" in before.reason


@tries(max_examples=60, deadline=None)
@given(settings(), st.integers(1, 50))
def test_a_decimated_trace_holds_every_so_manyth_frame(any_setting, points):
    whole, thin = run(any_setting, trace=True).trace, run(any_setting, trace=True, points=points).trace
    assert len(thin.times_s) <= points
    for name in ("times_s", "die_k", "package_k", "modes"):
        got, want = getattr(thin, name), getattr(whole, name)[:: thin.every]
        if name == "times_s":
            np.testing.assert_allclose(got, want, rtol=1e-12)
        else:
            assert got.tolist() == want.tolist()


@pytest.mark.parametrize("workers", [2, 3, 7])
def test_a_sweep_has_the_same_bits_whatever_its_workers(workers):
    many = [
        setting(policy, 60 + at, 70, requests=None if at % 3 else 3.7, duration_s=20.0)
        for at in range(9)
        for policy in POLICIES
    ]
    assert sweep(many, workers) == sweep(many, 1) == [run(one) for one in many]
