"""Temperatures, refreshes and leakage that agree: the fixed point, and the same stepped in time."""

from itertools import product

import numpy as np
import pytest
from heat_cases import Given, pair_map, small_trace
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import archsim
from archsim.electrothermal import Coupling, HeatMap, fixed_point, observe, run_in_time
from archsim.errors import InputError
from archsim.report.heat_text import fixed_point_lines
from archsim.spec import apply_overrides
from archsim.thermal import RunawayError

HOT_K = 85 + 273.15
CURRENTS = ["dram.energy.preset=ddr4-8gb-x8-2400"]
STATES = list(product((False, True), repeat=2))


def table(watts, time_s=(1e-4,) * 4):
    """Return replays of given power in left, logic and right, for what is doubled in `STATES`."""
    return {state: (t, [t * w for w in each]) for state, each, t in zip(STATES, watts, time_s, strict=True)}


# ------------------------------------------------------------------------------------------------------- twin


def twin(coupling, doubled):
    """Return where the loop {replay, power, temperatures, refreshes} stays from a state, as plainly as can be.

    None where it goes in a cycle, or runs away. Leakage is found by repeating it until nothing changes.
    """
    resistance = coupling.model.influence()
    seen = []
    while doubled not in seen:
        seen.append(doubled)
        time_s, joules = coupling.table[doubled]
        means = heat = None
        leak = np.zeros(3)
        for _ in range(10_000):
            heat = np.array(joules) / time_s + leak
            means = coupling.model.ambient_k + resistance @ heat
            spec = [b.leakage for b in coupling.heat_map.stack.blocks]
            new = np.array(
                [
                    x.power_w * np.exp(x.beta_per_k * (t - x.at_k)) if x else 0.0
                    for x, t in zip(spec, means, strict=True)
                ]
            )
            if np.abs(new - leak).max() < 1e-13:
                break
            leak = np.minimum(new, 1e6)
        if not means.max() < 445:  # it runs away, or is about to
            return None
        wanted = (bool(means[0] > HOT_K), bool(means[2] > HOT_K))
        if wanted == doubled:
            return doubled, means
        doubled = wanted
    return None


WATTS = st.lists(st.floats(0.0, 6.0), min_size=3, max_size=3)


@settings(max_examples=80, deadline=None)
@given(st.lists(WATTS, min_size=4, max_size=4), st.floats(300.0, 358.0), st.sampled_from([0.0, 0.2]))
def test_the_fixed_point_is_that_of_the_plain_loop(watts, ambient_k, leak_w):
    coupling = Given(table(watts), pair_map(ambient_k, leak_w=leak_w))
    expected = twin(coupling, (False, False))
    assume(expected is not None)
    state, means = expected
    assume(np.abs(means[[0, 2]] - HOT_K).min() > 1e-6)
    found = fixed_point(coupling)
    assert not found.swings
    assert found.after.doubled_share.tolist() == [float(each) for each in state]
    np.testing.assert_allclose(found.after.means_k[0], means, atol=1e-6)
    hot = twin(coupling, (True, True))
    if found.runaway:
        assert hot is None
    elif hot is not None and hot[0] != state:
        np.testing.assert_allclose(found.also.means_k[0], hot[1], atol=1e-6)
    elif hot is not None:
        assert found.also is None


@settings(max_examples=30, deadline=None)
@given(st.floats(1.0, 3.0), st.lists(st.floats(0.0, 0.5), min_size=6, max_size=6), st.floats(0.01, 0.99))
def test_what_swings_has_no_state_that_stays_on_its_way_and_averages_to_the_threshold(watts, less, part):
    a, b, c, d, e, f = less
    powers = [
        [watts, 0, watts],
        [watts - a, 0, watts - b],
        [watts - c, 0, watts - d],
        [watts - 0.5 - e, 0, watts - 0.5 - f],
    ]
    least, most = rise_k(watts - 0.5), rise_k(watts)
    coupling = Given(table(powers), pair_map(HOT_K - least - part * (most - least)))
    found = fixed_point(coupling)
    assume(found.swings)
    assert twin(coupling, (False, False)) is None
    share = found.after.doubled_share
    assert ((share > 0) & (share < 1)).any()
    assert sum(part for part, _ in found.after.shares) == pytest.approx(1.0, abs=1e-12)
    for rank, part in enumerate(share):
        if part < 1:
            assert found.after.rank_k[rank] < HOT_K + found.off_k + 1e-6
        if part > 0:
            assert found.after.rank_k[rank] > HOT_K - found.off_k - 1e-6


# -------------------------------------------------------------------------------------------- threshold, swing


def one_sensor(cool_w, hot_w, ambient_k, times=(1e-4, 1e-4), **options):
    """Return a coupling of one sensor for both ranks, whose power is cool_w or, doubled, hot_w in each rank."""
    both = {(False, False): (times[0], cool_w), (True, True): (times[1], hot_w)}
    return Given(
        {state: (t, [t * w, 0.0, t * w]) for state, (t, w) in both.items()},
        pair_map(ambient_k, per="stack", **options),
    )


def rise_k(watts):
    """Return how much hotter than the air the ranks are with so many watts in each."""
    return (
        float(one_sensor(watts, watts, 300.0).model.steady({"left": watts, "right": watts}).avg_k[0]) - 300.0
    )


@pytest.mark.parametrize(("above_k", "doubled"), [(-1e-6, 0.0), (1e-6, 1.0)])
def test_a_microkelvin_decides_at_the_threshold(above_k, doubled):
    coupling = one_sensor(2.0, 2.0, HOT_K - rise_k(2.0) + above_k)
    assert fixed_point(coupling).after.doubled_share.tolist() == [doubled] * 2


def test_refreshes_that_cool_a_memory_at_the_threshold_swing_with_the_duty_of_the_closed_form():
    cool, hot = rise_k(2.0), rise_k(1.5)
    ambient_k = HOT_K - hot - 0.3 * (cool - hot)  # doubled, 30 % of the way to the threshold is missing
    found = fixed_point(one_sensor(2.0, 1.5, ambient_k, times=(1e-4, 1.25e-4)))
    assert found.swings
    assert found.after.doubled_share[0] == pytest.approx(0.7, abs=found.off_k / (cool - hot) + 1e-9)
    assert found.off_k <= 1e-3
    assert found.after.rank_k[0] == pytest.approx(HOT_K, abs=2e-3)
    duty = found.after.doubled_share[0]
    # In a second there are (1 - duty) / t replays at the normal rate and duty / t' others.
    assert found.after.time_s == pytest.approx(1 / ((1 - duty) / 1e-4 + duty / 1.25e-4), rel=1e-12)
    assert "no steady state" in found.notes()[0]
    assert "no stable state: refreshes go back and forth" in " ".join(fixed_point_lines(found))


def test_refreshes_that_heat_a_memory_at_the_threshold_leave_two_steady_states():
    cool, hot = rise_k(2.0), rise_k(2.2)
    found = fixed_point(one_sensor(2.0, 2.2, HOT_K - (cool + hot) / 2))
    assert not found.swings
    assert found.after.doubled_share.tolist() == [0, 0]
    assert found.also.doubled_share.tolist() == [1, 1]
    assert found.after.rank_k[0] < HOT_K < found.also.rank_k[0]
    assert "a memory that was hotter before stays at" in found.notes()[0]
    here, there = (each.rank_k[0] - 273.15 for each in (found.after, found.also))
    words = f"two stable states: {here:.2f} degC from a cool start, {there:.2f} degC from a hot one"
    assert f"{words} (solved 2 times with 2 replays)" in fixed_point_lines(found)


def test_hysteresis_ends_a_swing_that_stays_in_its_band():
    cool, hot = rise_k(2.0), rise_k(1.9)
    ambient_k = HOT_K - (cool + hot) / 2
    assert fixed_point(one_sensor(2.0, 1.9, ambient_k)).swings
    found = fixed_point(one_sensor(2.0, 1.9, ambient_k, hysteresis_k=1.0))
    assert not found.swings
    assert found.after.doubled_share.tolist() == [1, 1]
    assert (
        "one stable state: a hot start leads to no other (solved 2 times with 2 replays)"
        in fixed_point_lines(found)
    )


def test_a_state_that_changing_all_at_once_misses_is_found_one_by_one():
    # Either rank refreshed twice as often slows both: with one it is cool enough, with two too cool for any.
    base = HOT_K - rise_k(2.0)
    watts = [[2.02, 0, 2.01], [1.6, 0, 2.4], [2.4, 0, 1.6], [1.8, 0, 1.8]]
    coupling = Given(table(watts), pair_map(base))
    assert twin(coupling, (False, False)) is None
    found = fixed_point(coupling)
    assert not found.swings
    assert found.after.doubled_share.tolist() == [1, 0]
    assert found.after.rank_k[0] > HOT_K >= found.after.rank_k[1]


# ------------------------------------------------------------------------------------------- leakage, limits


def test_leakage_that_no_temperature_carries_is_a_runaway_with_its_block():
    coupling = one_sensor(2.0, 2.0, 340.0, leak_w=9.0)
    with pytest.raises(RunawayError, match="block 'left': thermal runaway: no temperature is steady"):
        fixed_point(coupling)
    with pytest.raises(
        RunawayError, match=r"block 'left': thermal runaway at [\d.]+ s: it passes limit_k = 450"
    ):
        run_in_time(coupling, 200.0, 0.5)


def test_ranks_beyond_what_devices_are_made_for_are_named():
    coupling = one_sensor(2.0, 2.0, HOT_K + 10.5 - rise_k(2.0))
    found = fixed_point(coupling)
    assert found.too_hot == (0, 1)
    assert "above the 95 degC that devices are made for" in found.notes()[0]
    run = run_in_time(coupling, 2000.0, 10.0)
    assert run.too_hot == (0, 1)


# ----------------------------------------------------------------------------------------------------- in time


@pytest.mark.parametrize("leak_w", [0.0, 0.1])
def test_a_long_run_comes_to_the_fixed_point(leak_w):
    coupling = one_sensor(2.0, 2.3, HOT_K - rise_k(1.9), leak_w=leak_w)
    end, run = fixed_point(coupling), run_in_time(coupling, 400.0, 0.2)
    np.testing.assert_allclose(run.avg_k[-1], end.after.means_k, atol=1e-6)
    assert run.doubled[-1].tolist() == [True, True]
    assert not run.doubled[0].any()
    assert run.times_s[[0, -1]].tolist() == [0.0, 400.0]
    assert run.replays[-1] == pytest.approx(400.0 / 1e-4)


def test_a_run_that_swings_spends_the_time_of_the_average():
    cool, hot = rise_k(2.0), rise_k(1.5)
    coupling = one_sensor(2.0, 1.5, HOT_K - hot - 0.3 * (cool - hot))
    # The stack follows within 0.4 s, so that a step of 2 ms changes the duty by no more than 1 %.
    run = run_in_time(coupling, 12.0, 0.002, initial="steady")
    late = run.times_s > 4
    assert run.doubled[late].mean() == pytest.approx(0.7, abs=0.01)
    assert run.rank_k[late, 0].mean() == pytest.approx(HOT_K, abs=0.1)


def test_without_feedback_a_run_is_the_transient_of_the_mean_power():
    coupling = one_sensor(2.0, 2.0, 300.0)
    run = run_in_time(coupling, 3.0, 0.5)
    plain = coupling.model.transient({"left": 2.0, "right": 2.0}, run.times_s[1:])
    np.testing.assert_allclose(run.avg_k[1:, 0], plain.avg_k, atol=1e-9)


def test_a_run_keeps_what_a_function_of_temperature_says_of_a_block():
    coupling = one_sensor(2.0, 2.0, 300.0)
    run = run_in_time(coupling, 2.0, 0.5)
    celsius = run.observe("logic", lambda kelvin: kelvin - 273.15)
    np.testing.assert_array_equal(celsius, run.avg_k[:, 0, 1] - 273.15)
    assert observe(300.0, lambda kelvin: kelvin > 299).item() is True
    with pytest.raises(InputError, match="no block 'logik' in the stack"):
        run.observe("logik", float)


@pytest.mark.parametrize(
    ("until_s", "step_s", "message"),
    [
        (0.0, 1.0, "until_s = 0: must be more than 0"),
        (-1.0, 1.0, "until_s = -1: must be more than 0"),
        (1.0, float("nan"), "step_s = nan: must be more than 0"),
        (1.0, 1e-9, "step_s = 1e-09: 1e+09 steps until 1 s; at most 10,000,000"),
    ],
)
def test_times_that_make_no_sense_are_refused(until_s, step_s, message):
    with pytest.raises(InputError) as refusal:
        run_in_time(one_sensor(2.0, 2.0, 300.0), until_s, step_s)
    assert str(refusal.value) == message


# ---------------------------------------------------------------------------------------------- real replays


def dimm(ambient_k, system="recnmp-opt-4rank", overrides=CURRENTS):
    heat_map = apply_overrides(HeatMap.load("recnmp-dimm"), [f"stack.ambient_k={ambient_k}"])
    return Coupling(archsim.load_system(system, overrides), small_trace(20_000), heat_map, grid=(32, 8))


def test_a_cool_dimm_works_as_without_heat_and_a_hot_one_as_with_refreshes_doubled_by_hand():
    cool, hot = fixed_point(dimm(308.15)), fixed_point(dimm(350.0))
    plain = archsim.simulate(archsim.load_system("recnmp-opt-4rank", CURRENTS), small_trace(20_000))
    assert cool.after.time_s * 1e9 == pytest.approx(plain.time_ns, rel=1e-12)
    assert cool.slowdown == 0
    doubled = [*CURRENTS, "dram.refresh.temperature_c=95"]
    plain = archsim.simulate(archsim.load_system("recnmp-opt-4rank", doubled), small_trace(20_000))
    assert hot.after.time_s * 1e9 == pytest.approx(plain.time_ns, rel=1e-12)
    assert hot.after.energy_j * 1e9 == pytest.approx(plain.energy_nj, rel=1e-9)
    assert hot.after.doubled_share.tolist() == [1, 1, 1, 1]
    for each in (cool, hot):
        for stack in each.after.steady:
            assert abs(stack.balance) < 1e-9


def test_the_heat_of_a_dimm_is_that_of_its_ledger_of_the_register_and_of_leakage():
    found = fixed_point(dimm(308.15)).after
    entered = sum(float(each.power_w.sum() + each.leakage_w.sum()) for each in found.steady)
    assert entered == pytest.approx(
        found.energy_j / found.time_s - found.off_w + 2 * 0.5 + found.leakage_w, rel=1e-12
    )
    assert sum(sum(each.heat_out_w.values()) for each in found.steady) == pytest.approx(entered, rel=1e-9)


def test_a_host_refreshes_a_channel_as_its_hottest_rank_demands_and_a_unit_its_own():
    assert dimm(308.15).refreshed((False, True, False, False)) == (False, True, False, False)
    host = dimm(308.15, "host-4rank")
    assert host.refreshed((False, True, False, False)) == (True,) * 4
    heat_map = HeatMap.load("hbm")
    stack = Coupling(archsim.load_system("host-hbm2"), small_trace(), heat_map, grid=8)
    one = tuple(rank == 5 for rank in range(16))
    assert [rank for rank, hot in enumerate(stack.refreshed(one)) if hot] == [4, 5]


def test_the_same_inputs_give_the_same_figures():
    one, two = (fixed_point(dimm(346.0)).to_dict() for _ in range(2))
    assert one == two


def test_energies_per_event_and_short_replays_are_noted():
    coupling = Coupling(
        archsim.load_system("recnmp-opt-4rank"), small_trace(2000), HeatMap.load("recnmp-dimm"), grid=8
    )
    notes = " ".join(fixed_point(coupling).notes())
    assert "know neither refresh nor standby" in notes
    assert "too few to tell what doubled refreshes cost" in notes
    assert "at the power of the stack: register 0.5 W" in notes


def test_progress_of_a_run_is_told_step_by_step():
    told = []
    run_in_time(one_sensor(2.0, 2.0, 300.0), 2.0, 0.5, progress=told.append)
    assert told == [1, 1, 1, 1]
