"""Networks of approximate layers: conversion, checkpoints, ranges, modes, and what is said without torch."""

import copy
import os
import re
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")

# ruff: noqa: E402
from torch import nn

from archsim.approx import Choice, StorageFaults, multiplier, sign_magnitude
from archsim.axtrain import (
    ApproxConv2d,
    ApproxLinear,
    Arithmetic,
    calibrate,
    computing,
    convert,
    count_products,
    draw_faults,
    load_ranges,
    predict,
    ranges,
    seeded,
)
from archsim.axtrain.networks import steady
from archsim.errors import InputError

DRUM = multiplier("drum4", 8, True)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.5), nn.Flatten()
        )
        self.head = nn.Linear(36, 3)

    def forward(self, x):
        return self.head(self.body(x))


def _net(seed=0):
    with seeded(seed):
        return Net()


def _images(count=5, seed=0):
    return np.random.default_rng(seed).normal(size=(count, 1, 6, 6))


def test_layers_are_swapped_and_parameters_stay():
    net = _net()
    made = convert(net, DRUM)
    assert type(made) is Net
    assert type(made.body[0]) is ApproxConv2d
    assert type(made.head) is ApproxLinear
    assert made.head.label == "head"
    assert made.body[0].label == "body.0"
    assert all(type(each) in (nn.Conv2d, nn.Linear) for each in (net.body[0], net.head))
    for name, value in net.state_dict().items():
        assert torch.equal(made.state_dict()[name], value)
        assert made.state_dict()[name].data_ptr() != value.data_ptr()
    same = convert(net, DRUM, inplace=True)
    assert same is net
    assert type(net.head) is ApproxLinear
    alone = convert(nn.Linear(3, 2), DRUM)
    assert type(alone) is ApproxLinear


def test_checkpoints_load_both_ways():
    net, made = _net(1), convert(_net(2), Arithmetic(DRUM, per_channel=True))
    calibrate(made, _images())
    assert list(made.state_dict()) == list(net.state_dict())
    net.load_state_dict(made.state_dict(), strict=True)
    other = convert(_net(3), DRUM)
    other.load_state_dict(net.state_dict(), strict=True)
    load_ranges(other, ranges(made))
    images = _images(seed=1)
    np.testing.assert_array_equal(
        predict(convert(other, made.head.arithmetic), images), predict(made, images)
    )


def test_initial_weights_are_those_of_torch():
    with seeded(5):
        plain = [nn.Linear(7, 3), nn.Conv2d(2, 4, (3, 2), groups=2, bias=False)]
    with seeded(5):
        made = [
            ApproxLinear(7, 3, arithmetic=Arithmetic()),
            ApproxConv2d(2, 4, (3, 2), groups=2, bias=False, arithmetic=Arithmetic()),
        ]
    for one, other in zip(plain, made, strict=True):
        assert list(one.state_dict()) == list(other.state_dict())
        assert all(torch.equal(one.state_dict()[name], other.state_dict()[name]) for name in one.state_dict())


def test_converting_draws_no_random_numbers():
    with seeded(1):
        net = _net()
        torch.manual_seed(7)
        expected = torch.rand(1)
        torch.manual_seed(7)
        convert(net, DRUM)
        assert torch.equal(torch.rand(1), expected)


def test_every_layer_can_have_its_own():
    exact = multiplier("exact", 8, True)
    made = convert(_net(), Choice(exact, {"head": DRUM}))
    assert (made.body[0].arithmetic.multiplier, made.head.arithmetic.multiplier) == (exact, DRUM)
    made = convert(_net(), DRUM, layers={"body.0": None, "head": Arithmetic(None, 6)})
    assert type(made.body[0]) is nn.Conv2d
    assert made.head.arithmetic.weight_bits == 6


def test_shared_layers_stay_shared():
    layer = nn.Linear(4, 4)
    made = convert(nn.Sequential(layer, nn.ReLU(), layer), DRUM)
    assert made[0] is made[2]
    assert type(made[0]) is ApproxLinear


def test_converting_again_changes_the_arithmetic_alone():
    made = convert(_net(), Arithmetic())
    calibrate(made, _images())
    again = convert(made, DRUM)
    assert again.head.arithmetic.multiplier is DRUM
    assert made.head.arithmetic.multiplier is None
    assert ranges(again) == ranges(made)
    before, after = predict(made, _images()), predict(again, _images())
    assert not torch.equal(before, after)
    np.testing.assert_array_equal(predict(convert(again, Arithmetic()), _images()), before)


def test_copies_share_the_table_of_a_multiplier():
    table = sign_magnitude(multiplier("mitchell"))
    made = convert(_net(), table)
    assert copy.deepcopy(made).head.arithmetic.multiplier is table
    assert torch.equal(copy.deepcopy(made).head.weight, made.head.weight)


def test_a_quantised_network_is_near_the_real_one():
    net, images = _net(), _images(40)
    real = predict(net, images)
    errors = []
    for bits in (4, 8, 12, 16):
        made = convert(net, Arithmetic(None, bits, bits))
        calibrate(made, images)
        errors.append(float((predict(made, images) - real).abs().max()))
    assert errors[0] > errors[1] > errors[2] > errors[3]
    assert errors[3] < 2e-4


# Ranges.


def test_calibration_takes_the_range_of_all_data():
    layer = convert(nn.Sequential(nn.Linear(2, 2)), DRUM)
    calibrate(layer, [[-3.0, 1.0], [2.0, 5.0], [0.5, 0.0]], batch=1)
    assert ranges(layer) == {"0": (-3.0, 5.0)}
    calibrate(layer, [[-1.0, 1.0]])
    assert ranges(layer) == {"0": (-1.0, 1.0)}
    layer.eval()
    layer(torch.tensor([[9.0, 9.0]]))
    assert ranges(layer) == {"0": (-1.0, 1.0)}


@pytest.mark.parametrize(
    ("observer", "expected"), [("ema", (-0.75, 2.5)), ("max", (-1.0, 4.0)), ("fixed", (-9.0, 9.0))]
)
def test_ranges_follow_their_observer_in_training(observer, expected):
    layer = convert(nn.Linear(2, 2), Arithmetic(observer=observer, momentum=0.25))
    if observer == "fixed":
        load_ranges(layer, {"": (-9.0, 9.0)})
    layer.train()
    for batch in ([[-1.0, 2.0]], [[0.0, 4.0]]):
        layer(torch.tensor(batch))
    assert ranges(layer)[""] == expected


# Modes.


def _fail_inside(net):
    with computing(net, "exact"), steady():
        assert net.head.computes == "exact"
        assert torch.get_num_threads() == 1
        assert torch.are_deterministic_algorithms_enabled()
        raise RuntimeError


def test_modes_and_settings_come_back():
    net = convert(_net(), DRUM)
    calibrate(net, _images())
    net.train()
    threads = torch.get_num_threads()
    with pytest.raises(RuntimeError):
        _fail_inside(net)
    assert net.head.computes == "bit-true"
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()
    predict(net, _images())
    assert all(module.training for module in net.modules())
    state = torch.get_rng_state()
    with seeded(3):
        torch.rand(5)
    assert torch.equal(torch.get_rng_state(), state)


def test_exact_mode_is_the_exact_multiplier():
    net = convert(_net(), DRUM)
    calibrate(net, _images())
    with computing(net, "exact"):
        found = predict(net, _images())
    np.testing.assert_array_equal(predict(convert(net, multiplier("exact", 8, True)), _images()), found)


def test_every_layer_and_chip_has_faults_of_its_own():
    how = Arithmetic(faults=StorageFaults.flips(8, 0.02))
    net = convert(nn.Sequential(nn.Linear(20, 20), nn.Linear(20, 20)), how)
    draw_faults(net, 1)
    keys = [layer._key() for layer in net.eval()]
    draw_faults(net, 1, chip=1)
    keys += [layer._key() for layer in net]
    draw_faults(net, 2)
    keys += [layer._key() for layer in net]
    assert len(set(keys)) == 6
    draw_faults(net, 1)
    assert [layer._key() for layer in net] == keys[:2]


def test_products_are_counted():
    net = _net()
    expected = {"body.0": 3 * 4 * 36 * 9, "head": 3 * 3 * 36}
    assert count_products(net, _images(3)) == expected
    made = convert(net, DRUM)
    calibrate(made, _images())
    assert count_products(made, _images(3)) == expected


def test_predictions_do_not_depend_on_the_batch():
    net = convert(_net(), DRUM)
    calibrate(net, _images(9))
    whole = predict(net, _images(9))
    assert torch.equal(predict(net, _images(9), batch=2), whole)
    assert predict(net, _images(0)).shape == (0, 3)


# Refusals.


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda: convert(_net(), DRUM, layers={"heads": None}), "layer 'heads': unknown (did you mean 'head'?)"),
        (lambda: convert(_net(), Choice(DRUM, {"body.1": DRUM})), "layer 'body.1': unknown"),
        (lambda: convert(_net(), "drum4"), "'drum4': must be an Arithmetic, a Multiplier or a Choice"),
        (lambda: convert(nn.ReLU(), DRUM), "ReLU: no nn.Linear or nn.Conv2d to convert"),
        (lambda: convert(_net(), multiplier("drum4")), "weights have signs"),
        (lambda: load_ranges(convert(_net(), DRUM), {"hed": None}), "layer 'hed': unknown (did you mean 'head'?)"),
        (lambda: load_ranges(convert(_net(), DRUM), {"head": (1.0, float("nan"))}), "must be two finite numbers"),
        (lambda: computing(_net(), "exakt").__enter__(), "mode 'exakt': unknown (did you mean 'exact'?)"),
        (lambda: draw_faults(_net(), -1), "seed = -1: must be a whole number from 0"),
        (lambda: predict(_net(), [[["a"]]]), "inputs: of type <U1; must be numbers"),
        (lambda: predict(_net(), 3.0), "inputs: a single number"),
        (lambda: predict(_net(), np.full((2, 1, 6, 6), np.nan)), "inputs [0, 0, 0, 0]: nan: must be a finite number"),
        (lambda: predict(convert(_net(), DRUM), _images()), "body.0: the range of its inputs is unknown"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused(make, rule):
    with pytest.raises(InputError, match=re.escape(rule)):
        make()


def test_without_torch_one_line_says_what_to_install():
    # Entries of None in sys.modules make an import fail as if nothing were installed.
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from archsim.approx import StorageFaults, multiplier, relative_error\n"
        "StorageFaults.flips(8, 0.1).apply([1, 2], 3), relative_error(multiplier('drum4'))\n"
        "from archsim.errors import InputError\n"
        "try:\n    import archsim.axtrain\n"
        "except InputError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ}, check=False
    )
    assert (done.stdout, done.stderr) == ('archsim.axtrain needs torch: pip install "archsim[train]"\n', "")
