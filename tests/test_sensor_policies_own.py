"""Policies of one's own, and settings that are refused."""

import math
from dataclasses import FrozenInstanceError

import pytest
from sensor_settings import c, setting

from archsim.errors import CodeError, InputError
from archsim.sensor.policies import POLICIES, Limits, promise, run, sweep

# policies of one's own


def test_frames_that_are_stopped_are_not_computed():
    """30 fps: 98 % near is 29.4 fps, 40 % is 12."""
    often = run(setting(lambda state: "stop" if state.frame % 50 == 49 else "near"))
    assert (often.duty, often.fps) == pytest.approx((0.98, 29.4))
    seldom = run(setting(lambda state: "near" if state.frame % 5 < 2 else "stop"))
    assert (seldom.duty, seldom.fps) == pytest.approx((0.40, 12.0))


class Seasons:
    """The seasonal policy, by its document."""

    def __init__(self):
        self.season = "near"

    def __call__(self, state):
        if self.season == "near" and state.near_k > c(87) - 1e-9:
            self.season = "far"
        elif self.season == "far" and state.die_k <= c(87) - 19.8 and state.near_k <= c(87) - 1e-9:
            self.season = "near"
        return "far" if state.requested else self.season


def test_a_policy_of_ones_own_sees_and_decides_what_ours_do():
    ours = run(setting("seasonal", vision=87, requests=(50.0, 70.3), duration_s=200.0), trace=True)
    own = run(setting(Seasons, vision=87, requests=(50.0, 70.3), duration_s=200.0), trace=True)
    assert own.policy == "Seasons"
    assert own.trace.modes.tolist() == ours.trace.modes.tolist()
    assert (own.captured, own.duty) == (ours.captured, ours.duty)
    # A class is begun anew for every run.
    assert run(setting(Seasons, vision=87, duration_s=20.0)) == run(
        setting(Seasons, vision=87, duration_s=20.0)
    )


def test_a_state_tells_what_is_known_at_the_start_of_a_frame():
    seen = []

    def watch(state):
        seen.append(state)
        return "stop" if state.requested else "near"

    found = run(setting(watch, imaging=20, requests=(0.1,), duration_s=0.5), trace=True)
    assert [state.frame for state in seen] == list(range(15))
    assert [state.die_k for state in seen] == found.trace.die_k.tolist()
    assert [state.package_k for state in seen] == found.trace.package_k.tolist()
    assert [state.mode for state in seen[:5]] == [None, "near", "near", "near", "stop"]
    assert seen[3].requested
    assert (seen[3].waited, seen[4].waited) == (0, 1)
    assert seen[3].stop_k == seen[4].die_k
    assert seen[0].near_k == seen[1].die_k
    with pytest.raises(FrozenInstanceError):
        seen[0].die_k = 0.0


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("neer", "returned 'neer'; must be 'near', 'far' or 'stop' (did you mean 'near'?)"),
        (None, "returned None"),
        (0, "returned 0"),
    ],
)
def test_a_wrong_answer_is_named_with_its_frame(answer, words):
    def mine(state):
        return answer if state.frame == 12 else "far"

    with pytest.raises(InputError) as refused:
        run(setting(mine, duration_s=1.0))
    assert "policy 'mine' in frame 12" in str(refused.value)
    assert words in str(refused.value)


def test_a_policy_that_fails_is_named_with_its_file_and_line():
    def mine(state):
        return state.colour

    with pytest.raises(
        CodeError, match=r"test_sensor_policies_own\.py:\d+: policy 'mine' in frame 0: Attribute"
    ):
        run(setting(mine))


class Greedy:
    def __init__(self, limit_k):
        self.limit_k = limit_k

    def __call__(self, state):
        return "near" if state.near_k < self.limit_k else "stop"


class Deaf:
    def __call__(self):
        return "near"


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (lambda: "near", "policy '<lambda>' takes (): it is called with one argument, a State"),
        (lambda state, more: "near", "policy '<lambda>' takes (state, more): it is called with one argument"),
        (Deaf, "policy 'Deaf' takes (self): it is called with one argument, a State"),
        (Deaf(), "policy 'Deaf' takes (): it is called with one argument, a State"),
        (Greedy, "policy 'Greedy' takes (limit_k): a class is instantiated for each run, without arguments"),
    ],
)
def test_a_policy_of_other_arguments_is_refused_by_its_name(policy, words):
    with pytest.raises(InputError) as refused:
        run(setting(policy, duration_s=1.0))
    assert words in str(refused.value)


def test_a_policy_may_have_arguments_with_defaults_or_be_an_instance():
    assert run(setting(lambda state, mode="near": mode, duration_s=1.0)).duty == 1.0
    assert run(setting(lambda *state: "near", duration_s=1.0)).duty == 1.0
    assert run(setting(Greedy(c(200)), duration_s=1.0)).duty == 1.0


# refused


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"policy": "seasonl"}, "policy 'seasonl': unknown (did you mean 'seasonal'?)"),
        ({"policy": 3}, "policy 3: must be one of full-far"),
        ({"frame_s": 0.0}, "frame_s = 0: must be a finite time of more than 0 s"),
        ({"frame_s": -1 / 30}, "frame_s"),
        ({"frame_s": math.nan}, "frame_s = nan: must be a number"),
        ({"duration_s": "long"}, "duration_s = 'long': must be a number"),
        ({"duration_s": math.inf}, "duration_s = inf"),
        ({"duration_s": 0.01}, "duration_s = 0.01: is less than one frame"),
        ({"duration_s": 1e12}, "is more than 1,000,000,000 frames"),
        ({"high_k": 360.0, "low_k": 360.0}, "low_k = 360: T_low must be below T_high, which is 360 K"),
        ({"low_k": -4.0}, "low_k = -4"),
        ({"high_k": math.nan}, "high_k = nan: must be a number"),
        ({"skip_s": 600.0}, "skip_s = 600: must be at least 0 and less than duration_s = 600"),
        ({"requests": 0.001}, "requests = 0.001: a period must be at least one frame"),
        ({"requests": (3.0, 2.0)}, "requests[1] = 2 s: times must be finite, and ascend from 0"),
        ({"requests": [1.0, math.nan]}, "requests[1] = nan: must be a number"),
        ({"start_k": (300.0, 300.0, 300.0)}, "start_k: has 3 values; must be die and package"),
        ({"start_k": -1.0}, "start_k = -1"),
        ({"latency_s": 0.0}, "latency_s = 0"),
        ({"patience_s": True}, "patience_s = True: must be a number"),
        ({"check_s": 0.0}, "check_s = 0"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_in_one_line(changes, words):
    with pytest.raises(InputError) as refused:
        setting(**changes)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_limits_and_changes_are_checked():
    with pytest.raises(InputError, match="limit imaging_k = nan: must be a number"):
        Limits(imaging_k=math.nan)
    with pytest.raises(InputError, match="limit vision_k = -1: must be more than 0 K"):
        Limits(vision_k=-1.0)
    with pytest.raises(InputError, match=r"unknown 'polcy' \(did you mean 'policy'\?\)"):
        setting().changed(polcy="seasonal")
    with pytest.raises(InputError, match="workers = 0"):
        sweep([setting()], 0)
    with pytest.raises(InputError, match="points = 0"):
        run(setting(), trace=True, points=0)


def test_every_policy_is_described_and_runs():
    for policy in POLICIES:
        found = run(setting(policy, duration_s=1.0))
        assert found.policy == policy
        assert found.duty + found.far_share + found.stop_share == pytest.approx(1.0)
        assert found.to_dict()["met"]


def test_a_long_run_keeps_no_more_than_its_trace():
    found = run(setting("seasonal", vision=87, duration_s=100_000.0), trace=True, points=1000)
    assert len(found.trace.times_s) == 1000
    assert found.trace.every == 3000
    assert promise(setting("seasonal", vision=87)).met
