"""Temperatures of stacks are those of a dense network written out node by node, for any stack and grid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thermal_twin import Twin, stacks

from archsim.thermal import PowerTrace, Stack, ThermalModel, two_pole
from archsim.thermal.compact import responses

GRIDS = st.tuples(st.integers(1, 6), st.integers(1, 6))
SOME = settings(max_examples=40, deadline=None)


def flat(state):
    return np.concatenate([state.rise_k.ravel(), state.lumps_k])


def watts_of(stack):
    return np.array([block.power_w for block in stack.blocks])


def close(found, wanted, room=1e-9):
    assert np.abs(found - wanted).max() <= room * max(1.0, np.abs(wanted).max())


@SOME
@given(stacks(), GRIDS)
def test_the_steady_state_is_that_of_the_dense_network(stack, grid):
    model, twin = ThermalModel(stack, grid), Twin(stack, *grid)
    found, wanted = model.steady(), twin.steady(watts_of(stack))
    close(flat(found.state), wanted)
    close(found.avg_k - 300.0, twin.weights() @ wanted)
    assert abs(found.balance) < 1e-9


@SOME
@given(stacks(uniform=True), GRIDS)
def test_both_solvers_agree_on_uniform_stacks(stack, grid):
    spectral, sparse = (ThermalModel(stack, grid, solver=name) for name in ("spectral", "sparse"))
    assert (spectral.solver, ThermalModel(stack, grid).solver) == ("spectral", "spectral")
    assert np.abs(flat(spectral.steady().state) - flat(sparse.steady().state)).max() < 1e-8
    one, other = (
        model.transient(None, [2e-4, 1e-3], method="be", step_s=1e-4) for model in (spectral, sparse)
    )
    assert np.abs(one.avg_k - other.avg_k).max() < 1e-8
    assert np.abs(one.max_k - other.max_k).max() < 1e-8


@SOME
@given(stacks(uniform=True), GRIDS, st.lists(st.floats(1e-5, 0.5), min_size=1, max_size=3), st.data())
def test_spectral_transients_are_exact_for_any_times_and_intervals(stack, grid, gaps, data):
    model, twin = ThermalModel(stack, grid), Twin(stack, *grid)
    starts = np.concatenate([[0.0], np.cumsum(gaps)])
    powers = np.array([[data.draw(st.floats(0, 3)) for _ in stack.blocks] for _ in starts])
    times = np.array(sorted({data.draw(st.floats(1e-6, 1.0)) for _ in range(4)}))
    run = model.transient(PowerTrace(model.blocks, starts, powers), times, initial=310.0)
    for index, time in enumerate(times):
        state = np.full(len(twin.C), 10.0)
        ends = [*starts[1:], np.inf]
        for start, end, power in zip(starts, ends, powers, strict=True):
            if start < time:
                state = twin.transient(state, power, min(end, time) - start)
        # Lengths of steps are taken to 12 digits.
        close(run.avg_k[index] - 300.0, twin.weights() @ state, 1e-8)
    assert abs(run.balance) < 1e-9


@SOME
@given(stacks(), GRIDS, st.sampled_from(["be", "cn"]))
def test_implicit_steps_are_those_of_their_definitions(stack, grid, method):
    model, twin, dt = ThermalModel(stack, grid, solver="sparse"), Twin(stack, *grid), 1e-3
    run = model.transient(None, [5 * dt], method=method, step_s=dt)
    if method == "be":
        wanted = twin.implicit(np.zeros(len(twin.C)), watts_of(stack), dt, 5)
    else:
        start = twin.implicit(np.zeros(len(twin.C)), watts_of(stack), dt / 2, 4)  # two clean steps
        wanted = twin.implicit(start, watts_of(stack), dt, 3, theta=0.5)
    close(flat(run.state), wanted, 1e-8)
    assert abs(run.balance) < 1e-9


@SOME
@given(stacks(), GRIDS)
def test_heat_flows_both_ways_alike_and_never_cools(stack, grid):
    replies = ThermalModel(stack, grid).influence()
    close(replies, replies.T)
    assert (replies > -1e-12).all()


@SOME
@given(stacks(), GRIDS)
def test_all_heat_leaves_through_the_faces(stack, grid):
    found, twin = ThermalModel(stack, grid).steady(), Twin(stack, *grid)
    state = twin.steady(watts_of(stack))
    for side, value in found.heat_out_w.items():
        assert value == pytest.approx(twin.leaving[side] @ state, rel=1e-9, abs=1e-9)


@SOME
@given(stacks(), st.floats(1.5, 3))
def test_twice_the_power_is_twice_the_rise_and_more_power_is_never_cooler(stack, factor):
    model = ThermalModel(stack, (4, 3))
    watts = watts_of(stack)
    base = model.steady(watts)
    close(model.steady(factor * watts).state.rise_k, factor * base.state.rise_k)
    watts[0] += 1.0
    assert (model.steady(watts).state.rise_k >= base.state.rise_k - 1e-9).all()


@SOME
@given(stacks(uniform=True), GRIDS)
def test_a_run_goes_on_from_where_another_ended(stack, grid):
    model = ThermalModel(stack, grid)
    whole = model.transient(None, [0.01, 0.03])
    first = model.transient(None, [0.01])
    second = model.transient(None, [0.02], initial=first.state)
    close(second.avg_k[0], whole.avg_k[1])
    stepper = model.stepper()
    stepper.advance(None, 0.01)
    close(stepper.advance(None, 0.02), whole.avg_k[1])
    close(flat(stepper.state), flat(whole.state))


@SOME
@given(stacks(), GRIDS)
def test_the_steady_state_stays(stack, grid):
    model = ThermalModel(stack, grid)
    run = model.transient(None, [1e-3, 1.0], initial="steady", step_s=0.1)
    close(run.avg_k - 300.0, np.tile(model.steady().avg_k - 300.0, (2, 1)), 1e-8)


@SOME
@given(stacks(), st.tuples(st.integers(2, 4), st.integers(2, 4)))
def test_the_exponentials_of_a_response_add_up_to_it(stack, grid):
    """The Krylov space of a small network is all of it."""
    model, twin = ThermalModel(stack, grid), Twin(stack, *grid)
    watts = np.eye(len(stack.blocks))[0]
    heights, taus = responses(model, watts, model.blocks[-1])
    assert heights.sum() == pytest.approx(model.influence()[-1, 0], rel=1e-9)
    for time in taus[0] * np.array([0.3, 1.0, 3.0]):
        exact = twin.weights()[-1] @ twin.transient(np.zeros(len(twin.C)), watts, time)
        assert (heights * -np.expm1(-time / taus)).sum() == pytest.approx(exact, rel=1e-5, abs=1e-9)


def test_two_poles_are_within_the_error_that_they_state():
    model = ThermalModel(Stack.load("cis3"), 8)
    ladder = two_pole(model, {"nn": 1.0}, "nn")
    times = np.geomspace(1e-6, 20, 200)
    run = model.transient({name: float(name == "nn") for name in model.blocks}, times)
    ours = [ladder.advance((300.0, 300.0), 1.0, time)[0] for time in times]
    worst = np.abs(run.avg_k[:, model.block_index("nn")] - ours).max()
    assert worst == pytest.approx(ladder.error_k_w, rel=0.02)
    assert ladder.r1_k_w + ladder.r2_k_w == pytest.approx(model.influence()[8, 8], rel=1e-9)


@SOME
@given(stacks(uniform=True), GRIDS, st.integers(0, 2**32))
def test_maps_hold_the_means_and_maxima_of_blocks(stack, grid, seed):
    model = ThermalModel(stack, grid)
    power = np.random.default_rng(seed).uniform(0, 2, len(model.blocks))
    found, twin = model.steady(power), Twin(stack, *grid)
    state, weights = twin.steady(power), twin.weights()
    for index in range(len(model.blocks)):
        assert found.max_k[index] == pytest.approx(300.0 + state[weights[index] > 1e-9].max(), abs=1e-8)
    assert found.hottest_k == pytest.approx(300.0 + state[: model.net.nx * model.net.ny * model.net.nz].max())
