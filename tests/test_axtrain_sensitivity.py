"""Penalties on sensitivity: closed forms of linear models, finite differences, estimates against exact figures."""

import re

import numpy as np
import pytest

torch = pytest.importorskip("torch")

# ruff: noqa: E402
from torch import nn
from torch.nn import functional

from archsim.approx import multiplier
from archsim.axtrain import (
    KINDS,
    LOSSES,
    Active,
    Arithmetic,
    calibrate,
    convert,
    penalty,
    seeded,
    sensitivity,
)
from archsim.axtrain.losses import loss_function, root_times
from archsim.errors import InputError

DOUBLE = torch.float64


def _data(samples=6, inputs=4, outputs=3, loss="mse", seed=0):
    rng = np.random.default_rng(seed)
    x = torch.from_numpy(rng.normal(size=(samples, inputs)))
    if loss == "cross-entropy":
        return x, torch.from_numpy(rng.integers(0, outputs, samples))
    if loss == "binary-cross-entropy":
        return x, torch.from_numpy(rng.integers(0, 2, (samples, outputs)).astype(float))
    return x, torch.from_numpy(rng.normal(size=(samples, outputs)))


def _linear(inputs=4, outputs=3):
    with seeded(1):
        return nn.Linear(inputs, outputs, dtype=DOUBLE)


def _deep():
    with seeded(2):
        return nn.Sequential(nn.Linear(4, 5, dtype=DOUBLE), nn.Tanh(), nn.Linear(5, 3, dtype=DOUBLE))


def _hessian(loss, outputs, targets):
    """Give the second derivative of a loss by its outputs, by autograd."""
    function = loss_function(loss)
    return torch.autograd.functional.hessian(
        lambda flat: function(flat.reshape(outputs.shape), targets), outputs.detach().reshape(-1)
    )


def _diagonal(model, x, targets, loss):
    """Give the Gauss-Newton diagonal from the whole Jacobian and the whole Hessian."""
    outputs = model(x)
    hessian = _hessian(loss, outputs, targets)
    weights = [each.weight for each in model.modules() if isinstance(each, nn.Linear)]
    rows = [torch.autograd.grad(one, weights, retain_graph=True) for one in outputs.reshape(-1)]
    out = []
    for place, _ in enumerate(weights):
        jacobian = torch.stack([row[place].reshape(-1) for row in rows])
        out.append(torch.einsum("ri,rs,si->i", jacobian, hessian, jacobian).reshape(weights[place].shape))
    return weights, out


@pytest.mark.parametrize("loss", LOSSES)
def test_roots_give_the_second_derivative_of_the_loss(loss):
    _, targets = _data(loss=loss)
    outputs = 3 * _data(seed=1)[1]
    columns = [
        root_times(loss, outputs, unit.reshape(outputs.shape)).reshape(-1)
        for unit in torch.eye(18, dtype=DOUBLE)
    ]
    root = torch.stack(columns, 1)
    torch.testing.assert_close(root @ root.T, _hessian(loss, outputs, targets), rtol=1e-10, atol=1e-12)


def test_a_linear_model_has_the_closed_forms():
    model, (x, y) = _linear(), _data()
    rest = x @ model.weight.T + model.bias - y
    slope = 2 * rest.T @ x / y.numel()
    diagonal = (2 * (x**2).sum(0) / y.numel()).expand(3, 4)
    expected = {
        "gradient": (slope**2).sum(),
        "relative": (slope * model.weight).abs().sum(),
        "gauss-newton": diagonal.sum(),
        "relative-gauss-newton": (diagonal * model.weight**2).sum(),
        "step-gauss-newton": (diagonal * model.weight.abs().max() ** 2).sum(),
    }
    for kind in KINDS:
        found = sensitivity(model, x, y, "mse", kind)
        assert found.total == pytest.approx(float(expected[kind].detach()), rel=1e-12)
        assert found.layers == {"weight": found.total}
        assert found.probes is None


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", ["gauss-newton", "relative-gauss-newton", "step-gauss-newton"])
def test_the_exact_diagonal_is_that_of_jacobian_and_hessian(loss, kind):
    model, (x, targets) = _deep(), _data(loss=loss)
    weights, diagonals = _diagonal(model, x, targets, loss)
    scales = {
        "gauss-newton": torch.ones_like,
        "relative-gauss-newton": torch.square,
        "step-gauss-newton": lambda weight: weight.abs().max() ** 2,
    }
    parts = [
        (each * scales[kind](weight.detach())).sum() for each, weight in zip(diagonals, weights, strict=True)
    ]
    found = sensitivity(model, x, targets, loss, kind)
    np.testing.assert_allclose(list(found.layers.values()), [float(each) for each in parts], rtol=1e-10)
    assert list(found.layers) == ["0.weight", "2.weight"]


@pytest.mark.parametrize("loss", LOSSES)
def test_the_diagonal_is_estimated_without_bias(loss):
    model, (x, targets) = _deep(), _data(loss=loss)
    exact = sensitivity(model, x, targets, loss, "gauss-newton").total
    each = np.array(
        [
            sensitivity(model, x, targets, loss, "gauss-newton", probes=1, seed=seed).total
            for seed in range(600)
        ]
    )
    assert each.std() > 0
    assert abs(each.mean() - exact) < 4.5 * each.std() / np.sqrt(each.size)
    one = sensitivity(model, x, targets, loss, "gauss-newton", probes=3, seed=4)
    assert one == sensitivity(model, x, targets, loss, "gauss-newton", probes=3, seed=4)
    with torch.enable_grad():
        trained = penalty(model, model(x), targets, loss, "gauss-newton", probes=3, key=4)
    assert float(trained.detach()) == pytest.approx(one.total, rel=1e-12)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", KINDS)
def test_derivatives_of_penalties_are_those_of_finite_differences(loss, kind):
    model, (x, targets) = _deep(), _data(loss=loss)
    weight = model[0].weight

    def figure():
        return penalty(model, model(x), targets, loss, kind, probes=2, key=3)

    (slope,) = torch.autograd.grad(figure(), weight)
    step = 1e-6
    for place in ((0, 0), (2, 3), (4, 1)):
        found = []
        for sign in (1, -1):
            with torch.no_grad():
                weight[place] += sign * step
            found.append(float(figure().detach()))
            with torch.no_grad():
                weight[place] -= sign * step
        assert float(slope[place]) == pytest.approx((found[0] - found[1]) / (2 * step), rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["exact", "mitchell"])
def test_penalties_go_through_approximate_layers(kind, name):
    x, targets = _data(loss="cross-entropy")
    made = convert(_deep(), Arithmetic(multiplier(name, 8, True)))
    found = penalty(made, made(x), targets, "cross-entropy", kind)
    found.backward()
    assert float(found.detach()) > 0
    assert all(bool(layer.weight.grad.abs().sum() > 0) for layer in (made[0], made[2]))
    # Quantised with 16 bits, they are those of the real network to three digits.
    fine = convert(_deep(), Arithmetic(None, 16, 16))
    value = penalty(fine, fine(x), targets, "cross-entropy", kind)
    real = _deep()
    expected = penalty(real, real(x), targets, "cross-entropy", kind)
    assert float(value.detach()) == pytest.approx(float(expected.detach()), rel=1e-3)


def test_the_expected_rise_under_small_weight_noise_is_half_the_diagonal():
    # Of a linear model with mean squared error the loss is a parabola, so E[dL] = 1/2 sum of G_ii s**2 exactly.
    model, (x, y) = _linear(), _data()
    before, scale, count = functional.mse_loss(model(x), y), 0.1, 4000
    trace = sensitivity(model, x, y, "mse", "gauss-newton").total
    rng, rises = np.random.default_rng(3), []
    weight = model.weight.detach().clone()
    for _ in range(count):
        with torch.no_grad():
            model.weight.copy_(weight + scale * torch.from_numpy(rng.normal(size=weight.shape)))
            rises.append(float(functional.mse_loss(model(x), y) - before))
    assert abs(np.mean(rises) - trace * scale**2 / 2) < 4.5 * np.std(rises) / np.sqrt(count)


def test_any_loss_has_gradients_but_not_gauss_newton():
    model, (x, y) = _linear(), _data()
    own = sensitivity(model, x, y, functional.mse_loss, "gradient")
    assert own.total == sensitivity(model, x, y, "mse", "gradient").total
    with pytest.raises(
        InputError, match="Gauss-Newton needs one of mse, cross-entropy, binary-cross-entropy"
    ):
        sensitivity(model, x, y, functional.mse_loss, "gauss-newton")


def test_biases_are_no_weights_and_modes_come_back():
    made = convert(_deep(), Arithmetic())
    x, y = _data()
    calibrate(made, x)
    made.train()
    known = {name: float(value.sum()) for name, value in made.state_dict().items()}
    found = sensitivity(made, x, y, "mse", "gradient")
    assert list(found.layers) == ["0.weight", "2.weight"]
    assert made.training
    assert {name: float(value.sum()) for name, value in made.state_dict().items()} == known
    assert all(each.grad is None for each in made.parameters())


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: Active("gradients", 1.0), "sensitivity 'gradients': unknown (did you mean 'gradient'?)"),
        (lambda: Active("gradient", -1.0), "strength = -1.0: must be a finite number of at least 0"),
        (lambda: Active("gradient", float("nan")), "strength = nan"),
        (lambda: Active("gradient", 1.0, 0), "probes = 0: must be a whole number of at least 1"),
        (lambda: sensitivity(_linear(), *_data(), "mae", "gradient"), "loss 'mae': unknown"),
        (lambda: sensitivity(_linear(), *_data(), "mse", "gauss-newton", probes=0), "probes = 0: must be at least 1"),
        (lambda: sensitivity(nn.ReLU(), *_data(), "mse", "gradient"), "no weights to be sensitive to"),
        (lambda: sensitivity(_linear(), *_data(70_000), "mse", "gauss-newton"), "210000 outputs: an exact"),
        (lambda: sensitivity(_linear(), _data()[0], _data()[1][:, :1], "mse", "gradient"), "must have one shape"),
    ],
)  # fmt: skip
def test_what_cannot_be_measured_is_refused(make, rule):
    with pytest.raises(InputError, match=re.escape(rule)):
        make()
