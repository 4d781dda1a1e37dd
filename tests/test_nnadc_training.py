"""Training: its slopes, its determinism, and that the shipped levels are what the shipped commands train."""

import numpy as np
import pytest

from archsim.analog.device import Cell
from archsim.analog.nnadc import Training, load_adc
from archsim.analog.nnadc import training as module
from archsim.analog.nnadc.fabricate import Made, fabricate_network, levels_of, neuron_gain
from archsim.analog.nnadc.network import crossings
from archsim.analog.nnadc.train import train
from archsim.analog.nnadc.training import Plan, Trainer, targets

CELL = Cell(bits=3, g_min_s=1e-6, g_max_s=1e-4, program_sigma=0.02)


def plan(**changes):
    given = {"bits": 2, "hidden": 4, "batch": 32, "devices": 3, "steps": 20, **changes}
    return Plan(Training(**given), CELL, 12.5, 0.02)


@pytest.mark.parametrize("code", ["thermometer", "gray"])
def test_slopes_are_the_derivatives_of_the_loss_where_levels_do_not_interfere(monkeypatch, code):
    monkeypatch.setattr(module, "quantise", lambda cell, g: g)
    monkeypatch.setattr(module, "_whole", lambda values, bits: values)
    trainer = Trainer(plan(code=code, width=0.3))
    loss, slopes = trainer._slopes(0)
    assert loss > 0
    draw = np.random.default_rng(0)
    for layer in (0, 1):
        direction = draw.uniform(-1, 1, trainer.values[layer].shape) * 1e-9
        kept = trainer.values[layer].copy()
        losses = []
        for sign in (1, -1):
            trainer.values[layer] = kept + sign * direction
            losses.append(trainer._slopes(0)[0])
        trainer.values[layer] = kept
        assert (losses[0] - losses[1]) / 2 == pytest.approx((slopes[layer] * direction).sum(), rel=1e-4)


def test_sums_of_products_are_the_same_in_any_order():
    draw = np.random.default_rng(1)
    a = module._whole(draw.standard_normal((5, 1024)), module._FINE)
    b = module._whole(draw.uniform(-1, 1, (1024, 3)), module._COARSE)
    order = draw.permutation(1024)
    np.testing.assert_array_equal(a @ b, a[:, order] @ b[order])
    assert np.abs(a - module._whole(a, 8)).max() > 0


def test_thermometer_and_gray_outputs_change_where_their_codes_do():
    assert [list(each) for each in targets(Training(bits=2, hidden=4))] == [[-0.5], [0.0], [0.5]]
    gray = [list(each) for each in targets(Training(bits=3, hidden=4, code="gray"))]
    assert gray == [[0.0], [-0.5, 0.5], [-0.75, -0.25, 0.25, 0.75]]


def test_conductances_stay_within_the_range_of_the_cell():
    trainer = Trainer(plan(rate=1.0))
    trainer.run()
    for value in trainer.values:
        assert value.min() >= CELL.g_min_s
        assert value.max() <= CELL.g_max_s


def test_the_seed_decides_the_levels():
    one, same, other = (Trainer(plan(seed=seed)) for seed in (3, 3, 4))
    for each in (one, same, other):
        each.run()
    for layer in (0, 1):
        np.testing.assert_array_equal(one.levels()[layer], same.levels()[layer])
    assert any((one.levels()[layer] != other.levels()[layer]).any() for layer in (0, 1))


def test_the_shipped_command_trains_the_shipped_levels():
    adc = load_adc("nnadc-14b-3bit")
    assert adc.network.command == "archsim adc nnadc-14b-3bit --train stage-2b-3bit.toml"
    done = train(adc, adc.network.command)
    assert done.adc.network == adc.network
    assert done.losses[-1] < done.losses[0] / 2
    assert done.reach_after < done.reach_before


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["nnadc-14b-2bit", "nnadc-14b-4bit", "nnadc-14b-5bit", "nnadc-14b-6bit", "nnadc-14b-3bit-single"]
)
def test_the_other_shipped_commands_train_their_levels(name):
    adc = load_adc(name)
    assert adc.network.command.startswith(f"archsim adc {name} --train ")
    assert train(adc, adc.network.command).adc.network == adc.network


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 6])
def test_thresholds_of_every_device_keep_clear_of_what_redundancy_allows(bits):
    adc = load_adc(f"nnadc-14b-{bits}bit")
    worst = 0.0
    for device in range(40):
        for number in (0, 7):
            found = crossings(fabricate_network(adc, levels_of(adc), Made(device, number)), 1.3)
            assert [each.at.size for each in found] == [1, 1, 1]
            worst = max(
                worst, *(abs(each.at[0] - ideal) for each, ideal in zip(found, (-0.5, 0, 0.5), strict=True))
            )
    # A quarter of the input range: half of the step between thresholds.
    assert worst < 0.25


def test_fine_tuning_counts_devices_that_are_never_measured():
    adc = load_adc("nnadc-14b-3bit", ["network.training.tuning=0", "network.training.steps=50"])
    assert train(adc).reach_before == train(adc).reach_after
    assert neuron_gain(adc) == pytest.approx(12.5)
