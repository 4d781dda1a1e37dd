"""Temperatures that are known from a formula."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import expm
from scipy.sparse.linalg import spsolve
from thermal_twin import COPPER, GLUE, SILICON

from archsim.errors import InputError
from archsim.thermal import RunawayError, Stack, ThermalModel, TwoPole, two_pole
from archsim.thermal.cholesky import GridCholesky
from archsim.thermal.dissection import plan
from archsim.thermal.floorplan import covered
from archsim.thermal.materials import across, pierced
from archsim.thermal.spec import Material, Tsv

SOME = settings(max_examples=50, deadline=None)


def slab(thickness_um=(100.0,), materials=("si",), power=1.0, **faces):
    """Return a stack of 2 mm x 2 mm whose top layer is heated all over."""
    layers = [
        {"name": f"l{i}", "thickness_um": t, "material": m}
        for i, (t, m) in enumerate(zip(thickness_um, materials, strict=True))
    ]
    layers[0]["blocks"] = [{"name": "hot", "power_w": power}]
    table = {
        "name": "slab",
        "width_mm": 2.0,
        "height_mm": 2.0,
        "materials": [SILICON, COPPER, GLUE],
        "layers": layers,
    }
    return Stack.from_dict({**table, **(faces or {"bottom": {"resistance_k_w": 10.0}})}, "slab")


# the steady state


@SOME
@given(
    st.lists(st.tuples(st.floats(1, 500), st.sampled_from(["si", "cu", "glue"])), min_size=1, max_size=5),
    st.floats(0, 20), st.sampled_from(["centre", "face"]), st.sampled_from(["spectral", "sparse"]), st.integers(1, 5),
)  # fmt: skip
def test_layers_in_series_add_up(layers, film, nodes, solver, grid):
    thick, names = zip(*layers, strict=True)
    stack = slab(thick, names, 2.0, bottom={"resistance_k_w": film})
    each = [t * 1e-6 / (stack.material(m).conductivity_w_mk * 4e-6) for t, m in layers]
    own = each[0] if nodes == "face" else each[0] / 2
    found = ThermalModel(stack, grid, nodes=nodes, solver=solver).steady()
    assert found.avg_k[0] - 300 == pytest.approx(2.0 * (film + sum(each[1:]) + own), rel=1e-9)


def test_heat_takes_both_ways_by_their_resistances():
    stack = slab(top={"resistance_k_w": 3.0}, bottom={"resistance_k_w": 9.0})
    found = ThermalModel(stack, 4).steady()
    half = 100e-6 / 130 / 4e-6 / 2
    assert found.heat_out_w["top"] == pytest.approx((9 + half) / (12 + 2 * half))
    assert found.avg_k[0] - 300 == pytest.approx((3 + half) * (9 + half) / (12 + 2 * half))


def test_a_coefficient_is_a_resistance_by_area():
    one = ThermalModel(slab(bottom={"coefficient_w_m2k": 1 / (10.0 * 4e-6)}), 3).steady()
    assert one.avg_k == pytest.approx(ThermalModel(slab(), 3).steady().avg_k)


@pytest.mark.parametrize("grid", [(1, 1), (3, 5), (7, 4), (31, 17)])
def test_any_grid_gives_a_block_its_mean(grid):
    """Blocks whose edges are not those of cells keep all their power, and uniform power stays uniform."""
    blocks = [
        {"name": "a", "width_mm": 0.7, "power_w": 0.7}, {"name": "b", "x_mm": 0.7, "height_mm": 1.1, "power_w": 0.715},
        {"name": "c", "x_mm": 0.7, "y_mm": 1.1, "power_w": 0.585},
    ]  # fmt: skip
    table = slab().to_dict()
    table["layers"][0]["blocks"] = blocks
    found = ThermalModel(Stack.from_dict(table, "x"), grid).steady()
    assert found.avg_k == pytest.approx(np.full(3, 300 + 2 * (10 + 100e-6 / 130 / 4e-6 / 2)))


def test_finer_grids_come_closer_to_each_other():
    hot = [ThermalModel(Stack.load("cis3"), n).steady().avg_k[8] for n in (8, 16, 32, 64, 128)]
    steps = np.abs(np.diff(hot))
    assert (steps[1:] < 0.5 * steps[:-1]).all()


# in time


def test_a_lone_capacity_charges_as_an_exponential():
    stack = slab(bottom={"resistance_k_w": 10.0})
    tau = (10 + 100e-6 / 130 / 4e-6 / 2) * 1.6e6 * 4e-6 * 100e-6
    run = ThermalModel(stack, 3).transient(None, np.array([0.1, 1, 5]) * tau)
    rise = ThermalModel(stack, 3).steady().avg_k[0] - 300
    assert run.avg_k[:, 0] - 300 == pytest.approx(rise * -np.expm1([-0.1, -1, -5]))


@pytest.mark.parametrize(("method", "order"), [("be", 1), ("cn", 2)])
@pytest.mark.parametrize("solver", ["spectral", "sparse"])
def test_the_error_of_a_step_falls_with_its_order(method, order, solver):
    stack = Stack.load("cis3")
    exact = ThermalModel(stack, 4).transient(None, [0.02]).avg_k
    model = ThermalModel(stack, 4, solver=solver)
    errors = [
        np.abs(model.transient(None, [0.02], method=method, step_s=s).avg_k - exact).max()
        for s in (2e-4, 1e-4)
    ]
    assert errors[0] / errors[1] == pytest.approx(2**order, rel=0.15)


def test_a_clean_start_does_not_ring():
    """Without its two steps of backward Euler, Crank-Nicolson swings around the truth for thin layers."""
    model, dt = ThermalModel(Stack.load("cis3"), 4), 1e-2
    times = np.arange(1, 9) * dt
    exact = model.transient(None, times).avg_k[:, 0]
    clean = model.transient(None, times, method="cn", step_s=dt).avg_k[:, 0]
    engine, state = model.engine, model.engine.start(np.zeros(model.net.shape), np.zeros(0))
    force, plain = engine.force(model.power()), []
    for _ in times:
        state = engine.step(state, force, dt, "cn")
        plain.append(engine.means(state)[0] + 300)
    assert np.abs(clean - exact)[2:].max() < 0.2 * np.abs(plain - exact)[2:].max()


def test_power_that_stops_lets_the_stack_cool_to_ambient():
    run = ThermalModel(Stack.load("cis3"), 4).transient(
        {n: 0.0 for n in ("nn", "isp")}, [1e3], initial="steady"
    )
    assert run.energy_j["in"] == pytest.approx(1e3 * (1.22 - 0.78))
    cold = ThermalModel(slab(power=0.0), 4).transient(None, [1.0], initial=350.0)
    assert cold.avg_k[0, 0] == pytest.approx(300.0)
    assert cold.energy_j["bottom"] == pytest.approx(-cold.energy_j["stored"])


@pytest.mark.parametrize("solver", ["spectral", "sparse"])
def test_a_stack_without_blocks_cools_too(solver):
    table = slab().to_dict()
    table["layers"][0]["blocks"] = []
    model = ThermalModel(Stack.from_dict(table, "x"), 3, solver=solver)
    assert model.steady().hottest_k == 300.0
    run = model.transient(None, [1e-3, 10.0], initial=350.0)
    assert run.layer_k("l0") == pytest.approx(300.0, abs=1e-3)
    assert abs(run.balance) < 1e-9


# two poles


@SOME
@given(
    *(st.floats(0.1, 50) for _ in range(2)),
    *(st.floats(1e-4, 1) for _ in range(2)),
    st.floats(1e-4, 10),
    st.floats(0, 5),
)
def test_two_poles_step_exactly(r1, r2, c1, c2, dt, power):
    ladder = TwoPole(r1, c1, r2, c2, 300.0)
    a = np.array([[-1 / r1 / c1, 1 / r1 / c1], [1 / r1 / c2, -(1 / r1 + 1 / r2) / c2]])
    end = power * np.array([r1 + r2, r2])
    wanted = end + expm(a * dt) @ (np.array([20.0, 10.0]) - end) + 300
    assert ladder.advance((320.0, 310.0), power, dt) == pytest.approx(tuple(wanted), rel=1e-9)
    assert ladder.steady_k(power) == pytest.approx(tuple(end + 300))
    assert 1 / np.array(ladder.taus_s) == pytest.approx(np.sort(-np.linalg.eigvals(a))[::-1], rel=1e-6)


def test_a_stack_that_is_a_ladder_gives_its_own_parts():
    stack = slab(
        (100.0,),
        power=1.0,
        bottom={"resistance_k_w": 5.0, "package": [{"capacity_j_k": 0.3, "resistance_k_w": 20.0}]},
    )
    ladder = two_pole(ThermalModel(stack, 4))
    parts = (ladder.r1_k_w, ladder.c1_j_k, ladder.r2_k_w, ladder.c2_j_k)
    half = 100e-6 / 130 / 4e-6 / 2
    assert parts == pytest.approx((5 + half, 1.6e6 * 4e-6 * 100e-6, 20.0, 0.3), rel=1e-9)
    assert ladder.error_k_w < 1e-9


def test_the_two_poles_of_the_fitted_stack_are_those_of_its_paper():
    ladder = two_pole(ThermalModel(Stack.load("stag2p"), 4), {"v_all": 1.0}, "s_all")
    assert ladder.r1_k_w == pytest.approx(5.5, rel=0.03)
    assert ladder.r1_k_w + ladder.r2_k_w == pytest.approx(34.0, rel=0.01)
    assert 4 * ladder.taus_s[0] == pytest.approx(20e-3, rel=0.1)


def test_what_two_poles_cannot_be_is_refused():
    with pytest.raises(InputError, match="r1_k_w = -1: must be more than 0"):
        TwoPole(-1.0, 1.0, 1.0, 1.0)
    with pytest.raises(InputError, match="runs backwards"):
        TwoPole(1.0, 1.0, 1.0, 1.0).advance((300.0, 300.0), 1.0, -1.0)
    with pytest.raises(InputError, match="c1_j_k = inf: must be more than 0, and finite"):
        TwoPole(1.0, float("inf"), 1.0, 1.0)
    for tiny in (1e-300, 1e300):
        with pytest.raises(InputError, match="have no finite time constants"):
            TwoPole(tiny, tiny, tiny, tiny)
    for power in (-1.0, float("nan")):
        with pytest.raises(InputError, match="must be a finite number, at least 0"):
            TwoPole(1.0, 1.0, 1.0, 1.0).advance((300.0, 300.0), power, 1.0)
    with pytest.raises(InputError, match="the blocks have no power"):
        two_pole(ThermalModel(slab(), 2), {"hot": 0.0})
    with pytest.raises(InputError, match="not that of two poles"):
        two_pole(ThermalModel(slab(), 2))


# leakage


def leaking(power=1.0, leak=0.5, beta=0.02, **more):
    table = slab(power=power).to_dict() | more
    table["layers"][0]["blocks"][0]["leakage"] = {"power_w": leak, "beta_per_k": beta, "at_k": 300.0}
    return Stack.from_dict(table, "leaking")


def test_leakage_settles_where_heat_in_is_heat_out():
    found = ThermalModel(leaking(), 4).steady()
    resistance = 10 + 100e-6 / 130 / 4e-6 / 2
    rise = found.avg_k[0] - 300
    assert rise == pytest.approx(resistance * (1 + 0.5 * np.exp(0.02 * rise)), rel=1e-9)
    assert found.leakage_w[0] == pytest.approx(0.5 * np.exp(0.02 * rise))
    assert abs(found.balance) < 1e-9
    assert ThermalModel(leaking(), 4).steady(leakage=False).avg_k[0] - 300 == pytest.approx(resistance)


def critical(resistance, power, beta):
    """The greatest leakage at 300 K with a steady state: x = R (P + L e^(bx)) touches at R L b e^(bx) = 1."""
    return np.exp(-(beta * resistance * power + 1)) / (resistance * beta)


@pytest.mark.parametrize("share", [0.5, 0.999, 1.001, 3.0])
@pytest.mark.parametrize("solver", ["spectral", "sparse"])
def test_runaway_begins_exactly_where_no_temperature_is_steady(share, solver):
    limit = critical(10 + 100e-6 / 130 / 4e-6 / 2, 1.0, 0.02)
    model = ThermalModel(leaking(leak=share * limit), 3, solver=solver)
    if share < 1:
        assert model.steady().avg_k[0] < 300 + 1 / 0.02 + 11
        return
    with pytest.raises(RunawayError, match="block 'hot': thermal runaway") as refused:
        model.steady()
    carried = float(str(refused.value).split("at most ")[1].split()[0])
    assert carried == pytest.approx(1 / share, abs=2e-3)


@pytest.mark.parametrize("method", ["exact", "cn", "be"])
def test_transient_leakage_ends_in_the_steady_state_and_balances(method):
    model = ThermalModel(leaking(), 2)
    run = model.transient(None, [1e-4, 0.01, 1.0], method=method, step_s=2e-3)
    assert run.avg_k[-1] == pytest.approx(model.steady().avg_k, abs=1e-4)
    assert abs(run.balance) < 1e-9
    assert run.leakage_w[-1] == pytest.approx(model.steady().leakage_w, rel=1e-4)


def test_transient_leakage_is_second_order_in_its_step():
    model = ThermalModel(leaking(), 2)
    times = [5e-3]
    best = model.transient(None, times, step_s=1e-5).avg_k
    errors = [abs(model.transient(None, times, step_s=s).avg_k - best).max() for s in (1e-3, 5e-4)]
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.3)


def test_transient_runaway_says_which_block_and_when():
    with pytest.raises(
        RunawayError, match=r"block 'hot': thermal runaway at [\d.e-]+ s: it passes limit_k = 400"
    ) as refused:
        ThermalModel(leaking(leak=5.0, limit_k=400.0), 2).transient(None, [10.0], step_s=1e-4)
    when = float(str(refused.value).split(" at ")[1].split()[0])
    free = ThermalModel(leaking(leak=5.0, limit_k=1e6), 2)
    before, after = free.transient(None, [when - 1e-4, when], step_s=1e-4).avg_k[:, 0]
    assert before <= 400.0 < after + 1.0


# parts


@SOME
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 3), st.integers(0, 2**32))
def test_the_factorisation_of_a_grid_solves_it(nx, ny, nz, seed):
    draw = np.random.default_rng(seed).uniform
    links = [draw(0, 2, (nz, ny, nx - 1)), draw(0, 2, (nz, ny - 1, nx)), draw(0, 2, (nz - 1, ny, nx))]
    ground = draw(0.1, 1, (nz, ny, nx))
    index = np.arange(nz * ny * nx).reshape(nz, ny, nx)
    pairs = [(index[:, :, :-1], index[:, :, 1:]), (index[:, :-1], index[:, 1:]), (index[:-1], index[1:])]
    matrix = sp.diags(ground.ravel()).tocsc()
    diagonal = ground.copy()
    for (one, other), link in zip(pairs, links, strict=True):
        a, b, g = one.ravel(), other.ravel(), link.ravel()
        rows, columns, values = np.r_[a, b, a, b], np.r_[a, b, b, a], np.r_[g, g, -g, -g]
        matrix = matrix + sp.csc_matrix((values, (rows, columns)), shape=matrix.shape)
        np.add.at(diagonal.reshape(-1), a, g)
        np.add.at(diagonal.reshape(-1), b, g)
    right = draw(-1, 1, (nz, ny, nx, 2))
    found = GridCholesky(diagonal, *links).solve(right)
    wanted = spsolve(matrix.tocsc(), right.reshape(-1, 2)).reshape(right.shape)
    assert np.abs(found - wanted).max() < 1e-9 * max(1.0, np.abs(wanted).max())
    alone = GridCholesky(diagonal, *links).solve(right[..., 0])
    assert np.abs(alone - found[..., 0]).max() < 1e-12 * max(1.0, np.abs(found).max())


@SOME
@given(st.integers(1, 60), st.integers(1, 60))
def test_every_column_of_a_grid_is_eliminated_once_before_its_ring(nx, ny):
    steps = plan(nx, ny)
    assert sorted(steps.order.tolist()) == list(range(nx * ny))
    edges = np.concatenate([np.concatenate([f.inner[2], f.outer[2]]) for f in steps.fronts])
    assert sorted(edges.tolist()) == list(range(ny * (nx - 1) + (ny - 1) * nx))
    for number, front in enumerate(steps.fronts):
        assert (front.ring >= front.last).all()
        assert front.parent > number or (front.parent == -1 and not len(front.ring))


@SOME
@given(st.floats(0, 1), st.floats(0, 1), st.integers(1, 50))
def test_shares_of_cells_add_up_to_the_length(one, other, cells):
    low, high = sorted([3.0 * one, 3.0 * other])
    assert covered(low, high, 3.0, cells).sum() * 3.0 / cells == pytest.approx(high - low, abs=1e-7)


BASE, METAL = Material(**SILICON), Material(**COPPER)


@SOME
@given(st.floats(0.1, 500), st.floats(0.1, 500), st.floats(0, 1))
def test_conductivity_across_vias_lies_within_the_bounds(outside, inside, share):
    found = across(outside, inside, share)
    series, parallel = 1 / (share / inside + (1 - share) / outside), share * inside + (1 - share) * outside
    assert series - 1e-9 <= found <= parallel + 1e-9
    assert across(outside, outside, share) == pytest.approx(outside)
    assert (across(outside, inside, 0.0), across(outside, inside, 1.0)) == pytest.approx((outside, inside))


def test_vias_conduct_down_by_area_and_a_liner_hinders_across():
    tsv = Tsv(diameter_um=10.0, pitch_um=20.0, material="cu")
    share = np.pi * 25 / 400
    made = pierced(BASE, METAL, None, tsv)
    assert made.conductivity_w_mk == pytest.approx(share * 400 + (1 - share) * 130)
    assert made.heat_capacity_j_m3k == pytest.approx(share * 3.5e6 + (1 - share) * 1.6e6)
    assert 130 < made.along_w_mk < made.conductivity_w_mk
    oxide = Material(name="oxide", conductivity_w_mk=1.4, heat_capacity_j_m3k=1.6e6)
    coated = pierced(
        BASE, METAL, oxide, Tsv(diameter_um=10.0, pitch_um=20.0, liner_um=1.0, material="cu", liner="oxide")
    )
    assert coated.along_w_mk < 130 < coated.conductivity_w_mk


def test_the_formula_across_vias_is_that_of_a_resolved_via():
    """One cell of the array, its via drawn as squares, heated on one side and held on the other."""
    cells, share = 60, 0.3
    radius = np.sqrt(share / np.pi)
    x = (np.arange(cells) + 0.5) / cells - 0.5
    k = np.where(x[:, None] ** 2 + x**2 < radius**2, 400.0, 130.0)
    half = 2 * k[:, 1:] * k[:, :-1] / (k[:, 1:] + k[:, :-1])
    side = 2 * k[1:] * k[:-1] / (k[1:] + k[:-1])
    diagonal = np.zeros((cells, cells))
    for part, g in ((np.s_[:, 1:], half), (np.s_[:, :-1], half), (np.s_[1:], side), (np.s_[:-1], side)):
        diagonal[part] += g
    diagonal[:, 0] += 2 * k[:, 0]
    diagonal[:, -1] += 2 * k[:, -1]
    right = np.zeros((1, cells, cells))
    right[0, :, 0] = 2 * k[:, 0]
    field = GridCholesky(diagonal[None], half[None], side[None], np.zeros((0, cells, cells))).solve(right)[0]
    flow = (2 * k[:, -1] * field[:, -1]).sum()  # through a square: its conductance is its conductivity
    assert flow == pytest.approx(across(130.0, 400.0, share), rel=0.01)
