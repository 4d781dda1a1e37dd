"""Training: the same bits for a seed, plain training for the exact multiplier, and what the two methods are for."""

import os
import re
import subprocess
import sys
from itertools import chain

import numpy as np
import pytest

torch = pytest.importorskip("torch")

# ruff: noqa: E402
from torch import nn

from archsim.approx import StorageFaults, multiplier
from archsim.axtrain import Active, Arithmetic, convert, draw_faults, fit, predict, seeded, sensitivity
from archsim.axtrain.training import OPTIMISERS
from archsim.errors import InputError

EXACT, DRUM = multiplier("exact", 8, True), multiplier("drum2", 8, True)
FAULTS = StorageFaults.flips(8, 0.01)


def _task(count=300, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, 8))
    hidden = np.tanh(x @ np.random.default_rng(9).normal(size=(8, 6)))
    return x, (hidden @ np.random.default_rng(8).normal(size=(6, 3))).argmax(1)


def _net(seed=0):
    with seeded(seed):
        return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 3))


def _images(count=48):
    rng = np.random.default_rng(4)
    return rng.normal(size=(count, 1, 6, 6)), rng.normal(size=(count, 2))


def _conv():
    with seeded(1):
        return nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 2))


def _bits(net):
    return [value.numpy().tobytes() for value in net.state_dict().values()]


def _loss(net, data):
    return float(nn.functional.cross_entropy(predict(net, data[0]), torch.as_tensor(data[1])))


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("active", [None, ("gauss-newton", 1e-2), ("relative", 1e-2)])
def test_passive_training_with_the_exact_multiplier_is_plain_training(optimiser, active):
    trained = []
    for how, passive in ((EXACT, "bit-true"), (EXACT, "off"), (Arithmetic(), "bit-true"), (DRUM, "off")):
        net = convert(_net(), how)
        history = fit(
            net, _task(), "cross-entropy", epochs=3, seed=5, lr=1e-2, optimiser=optimiser, passive=passive,
            active=active,
        )  # fmt: skip
        trained.append((_bits(net), history.to_dict()))
    assert all(each == trained[0] for each in trained)
    other = convert(_net(), DRUM)
    fit(other, _task(), "cross-entropy", epochs=3, seed=5, lr=1e-2, optimiser=optimiser, active=active)
    assert _bits(other) != trained[0][0]


def test_passive_training_of_convolutions_with_the_exact_multiplier_is_plain_training():
    trained = []
    for how in (EXACT, Arithmetic()):
        net = convert(_conv(), how)
        fit(net, _images(), "mse", epochs=2, lr=1e-2)
        trained.append(_bits(net))
    assert trained[0] == trained[1]


RUNS = {
    "bit-true": {"passive": "bit-true"},
    "noise": {"passive": "noise"},
    "both": {"passive": "bit-true", "active": Active("relative-gauss-newton", 1e-2, probes=2)},
}


@pytest.mark.parametrize("options", RUNS.values(), ids=RUNS)
def test_the_same_seed_gives_the_same_bits(options):
    def run(seed):
        net = convert(_net(), Arithmetic(DRUM, faults=FAULTS))
        history = fit(
            net, _task(), "cross-entropy", epochs=2, seed=seed, lr=1e-2, validation=_task(50, 1), **options
        )
        return _bits(net), history

    first = run(3)
    torch.rand(7)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert run(3) == first
    finally:
        torch.set_num_threads(threads)
    assert run(4) != first
    assert len(first[1].loss) == len(first[1].validation_loss) == 2
    assert len(first[1].penalty) == (2 if "active" in options else 0)


def test_another_process_gives_the_same_bits():
    code = (
        "import hashlib, test_axtrain_training as t\n"
        "from archsim.axtrain import *\n"
        "net = convert(t._net(), Arithmetic(t.DRUM, faults=t.FAULTS))\n"
        "fit(net, t._task(), 'cross-entropy', epochs=1, active=('gradient', 0.1))\n"
        "print(hashlib.sha256(b''.join(t._bits(net))).hexdigest())\n"
    )
    here = os.path.dirname(__file__)
    found = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=here,
            env={**os.environ, "OMP_NUM_THREADS": threads, "PYTHONHASHSEED": threads},
        ).stdout
        for threads in ("1", "2")
    }  # fmt: skip
    assert len(found) == 1
    assert len(found.pop()) == 65


def test_training_learns_in_every_way():
    data = _task()
    for options in ({"passive": "off"}, *RUNS.values()):
        net = convert(_net(), Arithmetic(multiplier("drum4", 8, True)))
        history = fit(net, data, "cross-entropy", epochs=8, lr=1e-2, **options)
        assert history.loss[-1] < 0.75 * history.loss[0]
        assert not net.training
    real = _net()
    assert fit(real, data, "cross-entropy", epochs=8, lr=1e-2).loss[-1] < 0.75


def test_passive_training_lowers_the_loss_on_the_circuit():
    data, plain, passive = _task(), [], []
    for seed in range(5):
        for mode, losses in (("off", plain), ("bit-true", passive)):
            net = convert(_net(seed), DRUM)
            fit(net, data, "cross-entropy", epochs=12, seed=seed, lr=1e-2, passive=mode)
            losses.append(_loss(net, data))
    assert np.mean(passive) < np.mean(plain)


def _felt(net, data, kind):
    """Mean over batches, as penalties are: over the data at once slopes vanish where training ends."""
    parts = [(data[0][n : n + 30], data[1][n : n + 30]) for n in range(0, len(data[0]), 30)]
    return np.mean([sensitivity(net, *part, "cross-entropy", kind).total for part in parts])


@pytest.mark.parametrize(
    ("kind", "unit"),
    [
        ("gradient", 1.0),
        ("relative", 0.1),
        ("gauss-newton", 0.1),
        ("relative-gauss-newton", 0.1),
        ("step-gauss-newton", 0.01),
    ],
)
def test_stronger_penalties_leave_less_sensitivity(kind, unit):
    data, found = _task(), []
    for strength in (0.0, 0.1, 1.0, 10.0):
        net = convert(_net(), Arithmetic())
        fit(net, data, "cross-entropy", epochs=8, lr=1e-2, active=(kind, strength * unit))
        found.append(_felt(net, data, kind))
    assert found == sorted(found, reverse=True)
    assert found[-1] < 0.7 * found[0]


def test_active_training_lowers_the_rise_of_the_loss_under_noise_of_the_weights():
    data, rises = _task(), []
    for strength in (0.0, 0.03, 0.3):
        net = convert(_net(), Arithmetic())
        fit(net, data, "cross-entropy", epochs=12, lr=1e-2, active=("relative-gauss-newton", strength))
        before, rng, each = _loss(net, data), np.random.default_rng(6), []
        known = {name: value.clone() for name, value in net.state_dict().items()}
        for _ in range(60):
            with torch.no_grad():
                for name in ("0.weight", "3.weight"):
                    noise = torch.from_numpy(rng.normal(size=known[name].shape)).float()
                    net.get_parameter(name).copy_(known[name] * (1 + 0.3 * noise))
            each.append(_loss(net, data) - before)
        rises.append(np.mean(each))
    assert rises == sorted(rises, reverse=True)
    assert rises[-1] > 0


def test_the_exact_form_leaves_faults_out_of_training_alone():
    net, other = convert(_net(), Arithmetic(faults=FAULTS)), convert(_net(), Arithmetic())
    for each in (net, other):
        fit(each, _task(), "cross-entropy", epochs=2, passive="off")
    assert _bits(net) == _bits(other)
    assert not torch.equal(predict(net, _task()[0]), predict(other, _task()[0]))


def test_the_learning_rate_goes_down_in_a_line():
    data = (np.ones((1, 1)), np.zeros((1, 1)))
    with seeded(0):
        net = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        net.weight.fill_(1.0)
    # One sample, plain descent: every epoch the weight w becomes w - 2 lr w.
    fit(net, data, "mse", epochs=3, lr=0.25, decay=0.2, optimiser="sgd", momentum=0.0)
    assert float(net.weight.detach()) == pytest.approx((1 - 0.5) * (1 - 0.3) * (1 - 0.1))


def test_every_sample_is_seen_once_in_an_epoch():
    seen = []

    def loss(outputs, targets):
        seen.append(targets.tolist())
        return outputs.square().mean()

    fit(_net(), (_task()[0][:50], np.arange(50)), loss, epochs=2, batch=16)
    assert [len(batch) for batch in seen] == [16, 16, 16, 2] * 2
    epochs = [list(chain(*seen[:4])), list(chain(*seen[4:]))]
    assert all(sorted(each) == list(range(50)) for each in epochs)
    assert epochs[0] != epochs[1] != list(range(50))


def test_training_for_a_chip_fits_its_faults():
    data, faults = _task(), StorageFaults.stuck_at(8, zero=0.02, one=0.02)
    losses = {}
    for chip in (None, 3):
        net = convert(_net(), Arithmetic(faults=faults))
        fit(net, data, "cross-entropy", epochs=10, seed=2, lr=1e-2, chip=chip)
        draw_faults(net, 2, chip=3)
        losses[chip] = _loss(net, data)
    assert losses[3] < losses[None]


# Refusals.

BAD = _task(4)[0]
BAD[2, 5] = np.nan


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"data": (BAD, [0, 1, 2, 0])}, "data: inputs [2, 5]: nan: must be a finite number"),
        ({"data": (np.ones((4, 8)), [0, 1])}, "data: 4 inputs and 2 targets: must be as many, at least 1"),
        ({"data": np.ones((4, 8))}, "data: must be a pair of inputs and targets"),
        ({"data": (np.ones((0, 8)), np.ones(0, int))}, "data: 0 inputs and 0 targets"),
        ({"validation": (BAD, [0, 1, 2, 0])}, "validation: inputs [2, 5]: nan"),
        ({"loss": "cross_entropy"}, "loss 'cross_entropy': unknown (did you mean 'cross-entropy'?)"),
        ({"epochs": -1}, "epochs = -1: must be a whole number of at least 0"),
        ({"batch": 0}, "batch = 0: must be a whole number of at least 1"),
        ({"lr": 0.0}, "lr = 0.0: must be a finite number above 0"),
        ({"lr": float("nan")}, "lr = nan"),
        ({"decay": -1.0}, "decay = -1.0: must be a finite number above 0"),
        ({"seed": -3}, "seed = -3: must be a whole number from 0"),
        ({"passive": "bittrue"}, "passive 'bittrue': unknown (did you mean 'bit-true'?)"),
        ({"optimiser": "adams"}, "optimiser 'adams': unknown (did you mean 'adam'?)"),
        ({"active": ("gradients", 1.0)}, "sensitivity 'gradients': unknown"),
        ({"lr": 1e30, "optimiser": "sgd", "epochs": 9}, "loss nan, penalty 0.0: training diverged"),
        ({"active": ("gradient", 1e300)}, "epoch 1, batch 1: loss 1."),
        ({"model": nn.ReLU()}, "ReLU: no parameters to train"),
    ],
)  # fmt: skip
def test_bad_data_and_parameters_are_refused(options, rule):
    known = {"model": convert(_net(), DRUM), "data": _task(), "loss": "cross-entropy", "epochs": 1}
    known.update(options)
    with pytest.raises(InputError, match=re.escape(rule)):
        fit(known.pop("model"), known.pop("data"), known.pop("loss"), **known)
