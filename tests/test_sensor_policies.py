"""Policies against heat: figures by hand, and formulas."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import settings as tries
from hypothesis import strategies as st
from sensor_settings import FOUR, LADDER, POWERS, c, seasons, setting, settings

from archsim.sensor.policies import (
    Limits,
    beside,
    closed_form,
    promise,
    run,
)
from archsim.sensor.policies.closed import hottest_state
from archsim.sensor.powers import ModePower, Powers
from archsim.thermal import Stack, ThermalModel, TwoPole, two_pole

#: Printed with three decimals.
PRINTED = 6e-4


# seasons


@pytest.mark.parametrize("bounds", FOUR, ids=str)
def test_seasons_are_those_of_the_reference(bounds):
    found, (warm, cool, duty) = run(seasons(*bounds)), FOUR[bounds][0]
    # All its cycles have the same whole number of milliseconds, or neighbours.
    assert found.t_warm_s == pytest.approx(warm, abs=PRINTED)
    assert found.t_cool_s == pytest.approx(cool, abs=PRINTED)
    assert found.duty == pytest.approx(duty, abs=1e-4)


@pytest.mark.parametrize("bounds", FOUR, ids=str)
def test_the_formula_is_that_of_the_notes(bounds):
    formula, (warm, cool, duty) = closed_form(seasons(*bounds)), FOUR[bounds][1]
    assert formula.regime == "seasons"
    assert (formula.t_warm_s, formula.t_cool_s, formula.duty) == pytest.approx(
        (warm, cool, duty), abs=PRINTED
    )


@pytest.mark.parametrize("bounds", FOUR, ids=str)
def test_the_printed_formula_is_there_and_is_not_what_happens(bounds):
    printed, (cool, duty) = closed_form(seasons(*bounds, literal=True)), FOUR[bounds][2]
    assert (printed.t_cool_s, printed.duty) == pytest.approx((cool, duty), abs=PRINTED)
    assert abs(printed.duty / run(seasons(*bounds)).duty - 1) > 0.3
    assert run(seasons(*bounds, literal=True)) == run(seasons(*bounds))


@pytest.mark.parametrize("bounds", FOUR, ids=str)
@pytest.mark.parametrize("foresight", [False, True])
def test_formula_and_simulation_agree_within_a_percent(bounds, foresight):
    for name, (formula, simulated) in beside(seasons(*bounds, foresight=foresight)).items():
        assert formula == pytest.approx(simulated, rel=0.01), name


def test_seasons_of_whole_frames_last_whole_frames():
    found = run(setting("seasonal", high_k=c(87), low_k=c(60)))
    for time in (found.t_warm_s, found.t_cool_s):
        assert time * found.cycles * 30 == pytest.approx(round(time * found.cycles * 30), abs=1e-6)
    assert found.t_warm_s == pytest.approx(4.517, abs=1 / 30)
    assert found.t_cool_s == pytest.approx(3.770, abs=1 / 30)


@tries(max_examples=150, deadline=None)
@given(
    near_w=st.floats(1, 5),
    far_w=st.floats(0.05, 0.5),
    r1=st.floats(1, 8),
    r2=st.floats(25, 40),
    tau1=st.floats(1e-3, 6e-3),
    tau2=st.floats(8, 40),
    low=st.floats(0.2, 0.6),
    high=st.floats(0.3, 0.8),
)
def test_seasons_of_any_stack_are_those_of_the_formula(near_w, far_w, r1, r2, tau1, tau2, low, high):
    """Where the package is slow: the formula gives die and package one time constant each."""
    ladder = TwoPole(r1, tau1 / r1, r2, tau2 / r2, 300.0)
    jump, far, near = r1 * (near_w - far_w), ladder.steady_k(far_w)[0], ladder.steady_k(near_w)[0]
    low_k = far + low * (near - far - jump)
    high_k = low_k + jump + high * (near - low_k - jump)
    powers = Powers(ModePower(near_w, near_w), ModePower(far_w, 9.0), POWERS.stop)
    one = seasons(0, 0, ladder=ladder, powers=powers, high_k=high_k, low_k=low_k)
    formula, found = closed_form(one), run(one)
    assert formula.regime == "seasons"
    assert found.duty == pytest.approx(formula.duty, rel=0.03)
    assert found.t_warm_s + found.t_cool_s == pytest.approx(formula.t_warm_s + formula.t_cool_s, rel=0.03)
    framed = run(one.changed(quantised=True, foresight=True))
    # A phase that ends up to a frame late is followed by one that has as much further to go.
    warm, cool = formula.t_warm_s, formula.t_cool_s
    assert framed.t_warm_s == pytest.approx(warm, abs=0.03 * warm + (1 + warm / cool) / 30)
    assert framed.t_cool_s == pytest.approx(cool, abs=0.03 * cool + (1 + cool / warm) / 30)


def test_bounds_that_are_never_passed_or_reached_are_said_to_be():
    above = seasons(120, 80)
    assert (closed_form(above).duty, run(above).duty) == (1.0, 1.0)
    assert closed_form(above).reason == "near frames settle below T_high"
    below = seasons(60, 28)
    assert (closed_form(below).duty, run(below).duty) == (0.0, 0.0)
    assert "no way back" in closed_form(below).reason


def test_a_band_narrower_than_the_jump_follows_the_bound_frame_by_frame():
    narrow = setting("seasonal", high_k=c(87), low_k=c(80))
    formula, found = closed_form(narrow), run(narrow)
    assert formula.regime == "frames"
    assert "no more than T_jump" in formula.reason
    assert found.duty == pytest.approx(formula.duty, rel=1e-3)
    assert found.migrations_hz == pytest.approx(formula.migrations_hz, rel=1e-2)


def test_t_low_stands_one_and_a_half_jumps_below_t_high_unless_resting_cannot_reach_it():
    assert setting(vision=87).lower_k == pytest.approx(c(87) - 1.5 * 13.2)
    low = setting(vision=45).lower_k  # far frames settle at 29.7 degC, the jump ends at 31.8
    assert low == pytest.approx(c((29.7 + 31.8) / 2))
    assert setting(vision=45, low_k=c(31)).lower_k == c(31)


# stop, capture, go


def test_a_stop_lasts_the_fewest_frames_that_cool_enough():
    """87 degC to 74 degC in one frame of 33 ms."""
    found = run(setting("stop-capture-go", vision=87, imaging=74), trace=True)
    trace = found.trace
    stopped = np.flatnonzero(trace.modes == 2)
    falls = trace.die_k[stopped] - trace.die_k[stopped + 1 - (stopped + 1 == len(trace.modes))]
    assert falls[:100].max() == pytest.approx(13.2, abs=0.2)
    assert found.t_cool_s == pytest.approx(1 / 30)
    assert found.longest_wait_s == pytest.approx(1 / 30)
    assert found.worst_capture_k <= c(74)
    assert found.hottest_k <= c(87)


def test_a_cooler_limit_of_imaging_takes_the_bound_down_with_it():
    """T_high = T_imaging + T_jump (1 - exp(-t / RC)), not what is left of the jump after t."""
    cool = setting("stop-capture-go", vision=87, imaging=60)
    share = math.exp(-(1 / 30) / (5.5 * 0.909e-3))
    assert cool.jump_k == pytest.approx(5.5 * 2.4)
    assert cool.upper_k == pytest.approx(c(60) + 13.2 * (1 - share))
    assert cool.changed(literal=True).upper_k == pytest.approx(c(60) + 13.2 * share)
    assert run(cool).hottest_k <= cool.upper_k
    assert run(cool).met


@tries(max_examples=120, deadline=None)
@given(settings(policies=("stop-capture-go",)))
def test_duty_of_stop_capture_go_is_that_of_the_formula(any_setting):
    slow, step = any_setting.ladder.taus_s[1], any_setting.step_s
    long = any_setting.changed(
        requests=None, foresight=True, start_k=None, latency_s=step, patience_s=100 * step,
        duration_s=max(5000 * step, 40 * slow), skip_s=20 * slow,
    )  # fmt: skip
    formula, found = closed_form(long), run(long)
    assume(math.isfinite(long.upper_k))
    frames = (long.duration_s - long.skip_s) / long.step_s
    assert found.duty == pytest.approx(formula.duty, abs=max(2e-3, 4 / frames))


@tries(max_examples=60, deadline=None)
@given(
    near_w=st.floats(1, 6), stop_w=st.floats(0.02, 0.5), r1=st.floats(1, 12), c1=st.floats(2e-4, 5e-3),
    r2=st.floats(5, 40), imaging=st.floats(310, 380), latency=st.integers(2, 5),
)  # fmt: skip
def test_duty_of_stops_of_several_frames_is_near_that_of_the_formula(
    near_w, stop_w, r1, c1, r2, imaging, latency
):
    powers = Powers(ModePower(near_w, near_w), POWERS.far, ModePower(stop_w, stop_w))
    one = setting(
        "stop-capture-go", ladder=TwoPole(r1, c1, r2, 0.3, 300.0), powers=powers, frame_s=1 / 60,
        limits=Limits(imaging_k=imaging), latency_s=latency / 60, duration_s=400.0, skip_s=200.0,
    )  # fmt: skip
    assert run(one).duty == pytest.approx(closed_form(one).duty, abs=0.05)
    assert run(one).met or not promise(one).met


def test_a_band_just_narrower_than_the_jump_rests_until_the_package_has_cooled():
    ladder = TwoPole(9.0, 1.1e-3, 30.0, 0.4, 300.0)
    hot = Powers(ModePower(2.0, 2.0), ModePower(0.1, 5.0), POWERS.stop)
    one = setting("seasonal", ladder=ladder, powers=hot, high_k=330.0, low_k=330.0 - 0.97 * 9.0 * 1.9)
    formula, found = closed_form(one), run(one)
    assert formula.regime == "frames"
    assert formula.t_cool_s > 1 / 30
    assert found.duty == pytest.approx(formula.duty, abs=0.02)


def test_evenly_spread_frames_are_as_hot_as_a_simulation_of_them():
    """Two near frames of five, in the order that is hottest in the end."""
    one = setting("full-near")
    order, state = ["near", "stop", "near", "stop", "stop"], (LADDER.ambient_k, LADDER.ambient_k)
    ends = []
    for frame in range(30_000):
        watts = getattr(one.powers, order[frame % 5]).die_w
        state = LADDER.advance(state, watts, one.frame_s)
        ends.append(state[0])
    expected = hottest_state(setting("stop-capture-go"), 0.4)[0] + LADDER.ambient_k
    assert max(ends[-5:]) == pytest.approx(expected, abs=1e-6)


# on demand, and always the same


def test_on_demand_leaves_for_as_long_as_a_request_needs():
    asked = setting("on-demand", imaging=74, requests=7.0)
    formula, found = closed_form(asked), run(asked)
    assert formula.regime == "requests"
    assert found.requests == found.captured == 85
    assert found.duty == pytest.approx(formula.duty, rel=0.01)
    assert found.t_cool_s == pytest.approx(formula.t_cool_s, abs=1 / 30)
    assert found.met


def test_an_impossible_request_is_said_to_be_one_and_is_captured_at_the_end_of_patience():
    asked = setting("on-demand", imaging=20, requests=(5.0, 5.1, 30.0), patience_s=2.0, duration_s=60.0)
    found = run(asked)
    assert (found.requests, found.captured, found.missed) == (3, 2, 2)  # the first two share a frame
    assert found.longest_wait_s == pytest.approx(2.0)
    assert not found.met
    assert not found.promised
    assert found.reason == "imaging cannot be met: ambient is above the 20.00 degC that it needs"
    warm = run(asked.changed(limits=Limits(imaging_k=c(28))))
    assert "far frames settle at 29.70 degC, above the 28.00 degC" in warm.reason


def test_full_far_and_full_near_have_the_steady_states_and_powers_of_their_modes():
    for policy, mode in (("full-far", "far"), ("full-near", "near")):
        found, power = run(setting(policy)), getattr(POWERS, mode)
        assert (found.die_w, found.system_w, found.fps) == pytest.approx((power.die_w, power.system_w, 30.0))
        assert found.end_k == pytest.approx(LADDER.steady_k(power.die_w), abs=1e-6)
        assert found.duty == closed_form(setting(policy)).duty == float(policy == "full-near")


def test_power_is_that_of_the_modes_and_of_the_migrations():
    found = run(setting("seasonal", vision=87))
    modes = found.duty * 2.6 + found.far_share * 5.0
    assert found.system_w == pytest.approx(modes + found.migrations_hz * 1e-3)
    assert found.fps == pytest.approx(30 * (1 - found.migrations_hz * 100e-6))
    assert found.migrations_hz == pytest.approx(2 / (found.t_warm_s + found.t_cool_s))


def test_less_power_and_a_cooler_room_leave_more_frames_near():
    duties = []
    for watts in (1.0, 1.7, 2.5, 4.0):
        powers = Powers(ModePower(watts, watts), POWERS.far, POWERS.stop)
        duties.append(run(setting("seasonal", vision=87, powers=powers)).duty)
    assert duties[:2] == [1.0, 1.0]
    assert duties == sorted(duties, reverse=True)
    warm = TwoPole(5.5, 0.909e-3, 28.5, 0.35, LADDER.ambient_k + 15)
    assert run(setting("seasonal", vision=87, ladder=warm)).duty < duties[2]


def test_a_ladder_derived_from_a_stack_does_as_one_given_by_hand():
    model = ThermalModel(Stack.load("stag2p"), 4)
    derived = two_pole(model, {"s_all": 0.05, "d_all": 0.05, "v_all": 2.4}, "s_all")
    by_hand, of_stack = (run(seasons(87, 60, ladder=ladder)) for ladder in (LADDER, derived))
    assert of_stack.duty == pytest.approx(by_hand.duty, rel=0.01)


def test_times_beyond_all_numbers_of_frames_are_never_reached():
    asked = setting("on-demand", imaging=74, requests=(5.0, 1e308), patience_s=1e308, latency_s=1e308)
    found = run(asked.changed(frame_s=1e-2, duration_s=10.0))
    assert (found.requests, found.captured) == (1, 1)
