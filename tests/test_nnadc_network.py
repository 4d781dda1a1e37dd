"""Networks of stages: ratios of conductances, exact thresholds, noise of cells."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nnadc_twin import outputs

from archsim.analog.crossbar import Crossbar, Wires
from archsim.analog.dual_path import DualPath
from archsim.analog.nnadc.network import FabricatedNetwork, crossings


def network(seed, hidden=5, count=3, offsets=True):
    draw = np.random.default_rng(seed)
    return FabricatedNetwork(
        hidden_s=draw.uniform(1e-6, 1e-4, (hidden, 4)),
        output_s=draw.uniform(1e-6, 1e-4, (2, count, hidden + 2)),
        gain=float(draw.uniform(1.0, 20.0)),
        neuron_offset=0.02 * draw.standard_normal(hidden) * offsets,
        comparator_offset=0.01 * draw.standard_normal(count) * offsets,
    )


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32), v=st.floats(-1.3, 1.3))
def test_a_network_equals_its_columns_cell_by_cell(seed, v):
    each = network(seed)
    assert each.outputs(np.array([v]))[0] == pytest.approx(outputs(each, v), abs=1e-13)


def test_the_paths_of_an_output_are_columns_of_the_crossbar_solver():
    each = network(3, offsets=False)
    v = np.linspace(-1, 1, 7)
    neurons = each.neurons(v)
    rails = np.ones((len(v), 1))
    rows = np.concatenate([neurons, rails, -rails], axis=1)
    wires = Wires(output="voltage")
    paths = [Crossbar(np.ascontiguousarray(path.T), wires).outputs(rows) for path in each.output_s]
    assert each.outputs(v) == pytest.approx(paths[0] - paths[1], abs=1e-12)


def test_the_hidden_layer_is_a_dual_path_of_the_crossbar_solver():
    each = network(4, offsets=False)
    v = np.linspace(-1, 1, 5)
    wires = Wires(output="voltage")
    pair = DualPath(each.hidden_s[:, [0, 2]].T.copy(), each.hidden_s[:, [1, 3]].T.copy(), wires)
    u = pair.outputs(np.stack([v, np.ones(5)], axis=1))
    z = each.gain * u
    assert each.neurons(v) == pytest.approx(z / np.sqrt(1 + z * z), abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_bits_change_at_thresholds_and_nowhere_else_beside_them(seed):
    each = network(seed)
    for k, crossing in enumerate(crossings(each, 1.3)):
        before = crossing.before
        for at in crossing.at:
            below, above = each.bits(np.array([at - 1e-12, at + 1e-12]))[:, k]
            assert (below, above) == (before, not before)
            before = not before


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_thresholds_decide_what_the_network_decides(seed):
    each = network(seed)
    v = np.random.default_rng(seed).uniform(-1.25, 1.25, 500)
    decided = np.stack([crossing.decide(v) for crossing in crossings(each, 1.3)], axis=1)
    sure = np.abs(each.outputs(v)) > 1e-12
    assert (decided == each.bits(v))[sure].all()


def test_noise_of_cells_is_the_sum_of_squares_of_their_derivatives():
    each = network(5)
    v = np.array([-0.6, 0.1, 0.8])
    step, total = 1e-6, 0.0
    for layer in ("hidden_s", "output_s"):
        for place in np.ndindex(getattr(each, layer).shape):
            moved = []
            for sign in (1, -1):
                cells = getattr(each, layer).copy()
                cells[place] *= np.exp(sign * step)
                fields = {name: getattr(each, name) for name in each.__dataclass_fields__} | {layer: cells}
                moved.append(FabricatedNetwork(**fields).outputs(v))
            total = total + ((moved[0] - moved[1]) / (2 * step)) ** 2
    assert each.read_variance(v) == pytest.approx(total, rel=1e-6)
