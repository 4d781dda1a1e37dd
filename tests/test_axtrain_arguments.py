"""What the functions of archsim.axtrain are given: nonsense is refused in one line."""

import re

import numpy as np
import pytest

torch = pytest.importorskip("torch")

# ruff: noqa: E402
from torch import nn

from archsim.approx import multiplier
from archsim.axtrain import (
    Active,
    Arithmetic,
    calibrate,
    computing,
    convert,
    fit,
    load_ranges,
    predict,
    ranges,
    seeded,
    sensitivity,
)
from archsim.axtrain.losses import loss_function
from archsim.errors import InputError

DRUM = multiplier("drum3", 8, True)
_RNG = np.random.default_rng(0)
X, CLASSES = _RNG.normal(size=(40, 8)), _RNG.integers(0, 6, 40)


def _net():
    with seeded(1):
        return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 6))


def _ready():
    net = convert(_net(), DRUM)
    calibrate(net, X)
    return net


def _fit(targets=CLASSES, loss="cross-entropy", **options):
    return fit(convert(_net(), DRUM), (X, targets), loss, epochs=1, **options)


def _measure(inputs=X, targets=CLASSES, **options):
    return sensitivity(_ready(), inputs, targets, "cross-entropy", "gauss-newton", **options)


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: Arithmetic("drum3"), "multiplier = 'drum3': must be a Multiplier or None"),
        (lambda: Arithmetic(faults=0.1), "faults = 0.1: must be a StorageFaults or None"),
        (lambda: Arithmetic(per_channel="no"), "per_channel = 'no': must be True or False"),
        (lambda: Arithmetic(momentum="a"), "momentum = 'a': must be a number"),
        (lambda: convert(_net(), None), "convert: None: must be an Arithmetic, a Multiplier or a Choice"),
        (lambda: predict(_ready(), X, batch=0), "batch = 0: must be at least 1"),
        (lambda: predict(_ready(), X, batch=-1), "batch = -1: must be at least 1"),
        (lambda: calibrate(_ready(), X, batch=0), "batch = 0: must be at least 1"),
        (lambda: predict(_ready(), np.ones((3, 8), int)), "0: input of type torch.int64: must be torch.float32"),
        (lambda: predict(_ready().half(), X), "0: weight of type torch.float16: must be torch.float32"),
        (lambda: load_ranges(_ready(), {"0": (0, 1, 2)}), "must be two finite numbers, the lower first"),
        (lambda: load_ranges(_ready(), {"0": "ab"}), "must be two finite numbers, the lower first"),
        (lambda: load_ranges(_ready(), {"0": 1.0}), "must be two finite numbers, the lower first"),
        (lambda: _fit(CLASSES * 1.0), "must be whole numbers, the classes, or probabilities"),
        (lambda: _fit(CLASSES + 100), "must be a class from 0 to 5"),
        (lambda: _fit(np.full(40, -100)), "target [0]: -100: must be a class from 0 to 5"),
        (lambda: _fit(CLASSES[:, None]), "outputs (32, 6) and targets (32, 1)"),
        (lambda: _fit(loss=lambda out, goal: out), "loss of shape (32, 6): must be one number"),
        (lambda: _fit(active="gradient"), "active = 'gradient': must be an Active, a kind and a strength, or None"),
        (lambda: _fit(active=("gradient", "1")), "active: strength = '1': must be a number"),
        (lambda: _fit(lr="a"), "lr = 'a': must be a number"),
        (lambda: _fit(momentum=-1.0, optimiser="sgd"), "momentum = -1.0: must be a finite number of at least 0"),
        (lambda: _fit(weight_decay=float("nan")), "weight_decay = nan: must be a finite number of at least 0"),
        (lambda: _measure(targets=CLASSES[:3]), "40 inputs and 3 targets: must be as many, at least 1"),
        (lambda: _measure(X[:0], CLASSES[:0]), "0 inputs and 0 targets: must be as many, at least 1"),
        (lambda: _measure(probes=1.5), "probes = 1.5: must be a whole number"),
    ],
)  # fmt: skip
def test_nonsense_is_refused_with_the_rule(make, rule):
    with pytest.raises(InputError, match=re.escape(rule)):
        make()


def test_calibrating_with_nothing_keeps_the_ranges():
    net = _ready()
    before = ranges(net)
    with pytest.raises(InputError, match="inputs: none"):
        calibrate(net, X[:0])
    assert ranges(net) == before
    assert before["0"] == (float(np.float32(X.min())), float(np.float32(X.max())))


def test_inputs_of_another_precision_than_the_weights_are_multiplied_exactly():
    net = _ready()
    with computing(net, "exact"):
        same, mixed = (predict(net, torch.from_numpy(X).to(kind)) for kind in (torch.float32, torch.float64))
    assert mixed.dtype == torch.float64
    np.testing.assert_allclose(mixed.numpy(), same.numpy(), atol=0.05)  # a step of quantisation at most
    assert predict(net, torch.from_numpy(X)).shape == (40, 6)


def test_cross_entropy_takes_classes_and_probabilities():
    outputs = torch.from_numpy(_RNG.normal(size=(5, 3)))
    classes = torch.tensor([0, 2, 1, 1, 0])
    logs = outputs - outputs.exp().sum(1, keepdim=True).log()
    by_hand = -sum(float(logs[row, each]) for row, each in enumerate(classes.tolist())) / 5
    loss = loss_function("cross-entropy")
    assert float(loss(outputs, classes)) == pytest.approx(by_hand)
    assert float(loss(outputs, torch.eye(3)[classes])) == pytest.approx(by_hand)
    assert Active("gradient", 0).strength == 0
