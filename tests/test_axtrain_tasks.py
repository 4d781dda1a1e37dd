"""Tasks of training, and their evaluation: the same rows, the same bits, and training that helps."""

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from archsim.approx import Probit, VoltageTable, load_processor, multiplier
from archsim.axtrain.evaluation import (
    METHODS,
    Evaluation,
    Row,
    Setup,
    evaluate,
    evaluate_unit,
    network,
    weights_pj,
)
from archsim.axtrain.summary import Spread, cells, lines, summarise
from archsim.axtrain.tasks import TASKS, arm, distances, task, twiddles
from archsim.errors import InputError


def named(*names, **more):
    return Setup(tuple(multiplier(name, 8, True) for name in names), **more)


@pytest.mark.parametrize("name", TASKS)
def test_a_seed_decides_the_rows(name):
    once, again, other = task(name).data(3), task(name).data(3), task(name).data(4)
    assert np.array_equal(once.train.inputs, again.train.inputs)
    assert np.array_equal(once.test.targets, again.test.targets)
    assert not np.array_equal(once.train.inputs, other.train.inputs)


@pytest.mark.parametrize("name", TASKS)
def test_parts_have_their_sizes_and_training_rows_are_standardised(name):
    each, data = task(name), task(name).data(0)
    assert (len(data.train), len(data.validation), len(data.test)) == each.parts
    assert data.train.inputs.shape[1:] == each.shape
    flat = data.train.inputs.reshape(len(data.train), -1)
    axis = None if len(each.shape) == 3 else 0
    assert np.allclose(flat.mean(axis), 0, atol=1e-5)
    assert np.allclose(flat.std(axis), 1, atol=1e-5)


@pytest.mark.parametrize("name", ["digits", "cancer"])
def test_parts_share_no_row(name):
    each = task(name)
    inputs, targets = each.source(0)
    marked = (
        TASKS[name]
        .__class__(
            **{
                **each.__dict__,
                "source": lambda _: (np.arange(len(inputs), dtype=float)[:, None], targets),
                "shape": (1,),
            }
        )
        .data(5)
    )
    parts = [marked.train.inputs, marked.validation.inputs, marked.test.inputs]
    assert len(np.unique(np.concatenate(parts))) == sum(each.parts)


def test_generated_targets_obey_their_geometry():
    place, angles = arm(7, 200)
    both = angles[:, 0] + angles[:, 1]
    assert np.allclose(place[:, 0], 0.5 * np.cos(angles[:, 0]) + 0.5 * np.cos(both))
    # The law of cosines gives the elbow back from the distance of the hand.
    assert np.allclose(np.arccos(2 * (place**2).sum(1) - 1), angles[:, 1])
    fraction, factors = twiddles(7, 200)
    assert np.allclose((factors**2).sum(1), 1)
    assert np.allclose(np.arctan2(factors[:, 1], factors[:, 0]), 2 * np.pi * fraction[:, 0])
    pair, apart = distances(7, 200)
    assert np.allclose(apart[:, 0], [np.linalg.norm(one[:3] - one[3:]) for one in pair])


def test_errors_are_shares_of_wrong_answers_and_relative_to_the_mean():
    assert task("cancer").error(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([0, 1])) == 0.5
    targets = np.array([[1.0], [-2.0], [1.0]], np.float32)
    assert task("kmeans").error(np.zeros((3, 1)), targets) == 1.0
    assert task("kmeans").error(targets, targets) == 0.0


def test_a_seed_decides_the_initial_weights():
    once, again, other = (network(task("digits"), seed).state_dict() for seed in (1, 1, 2))
    assert all(bool((once[key] == again[key]).all()) for key in once)
    assert any(bool((once[key] != other[key]).any()) for key in once)


SMALL = named("bam_8", effort=0.7, strengths=(0.01,), weaker=(0.01,), penalties=("step-gauss-newton",))


@pytest.fixture(scope="module")
def found():
    """Two seeds of a tiny evaluation of a circuit that hurts, by one process."""
    return evaluate(["arm"], SMALL, seeds=2)


def test_all_methods_are_there_for_every_seed(found):
    assert [(row.method, row.seed) for row in found.rows] == [(m, s) for s in (0, 1) for m in METHODS]
    assert all(row.loss == 0 for row in found.rows if row.method == "exact")


def test_training_for_the_circuit_lowers_what_it_costs(found):
    summary = summarise(found)[0]
    plain, passive, active, both = (summary.mean.losses[method].mean for method in METHODS[1:])
    assert plain > 0.1
    assert passive < 0.5 * plain
    assert active < 0.9 * plain
    assert both < 0.5 * plain
    assert summary.findings.passive_lowers
    assert summary.findings.active_lowers


def test_active_training_lowers_the_sensitivity_that_it_chose(found):
    plain, active = (
        [rows[0] for rows in found.select("arm", method)] for method in ("post-training", "active")
    )
    for before, after in zip(plain, active, strict=True):
        assert after.sensitivity[after.penalty] < 0.5 * before.sensitivity[after.penalty]


def test_energy_is_that_of_the_cited_circuit_or_empty(found):
    exact = next(row for row in found.rows if row.method == "exact")
    weights = products = 2 * 16 + 16 * 2
    assert exact.products_pj == pytest.approx(
        products * 0.425 * 1.48, abs=0.25
    )  # the ledger rounds each layer
    assert exact.weights_pj == pytest.approx(8 * weights * load_processor().storage.read_pj_per_bit, abs=0.25)
    assert all(row.products_pj is None for row in found.rows if row.multiplier == "bam_8")
    assert cells(summarise(found)[0])[0][2] == ""


def test_reads_at_half_the_voltage_take_a_quarter_and_outside_the_memory_s_range_nothing_is_said():
    net, setup = network(task("kmeans"), 0), named("exact")
    at = {volts: weights_pj(net, setup, volts) for volts in (None, 1.0, 0.5, 0.3, 1.1)}
    assert at[None] == at[1.0] == pytest.approx(4 * at[0.5], abs=1)
    assert at[0.3] is None
    assert at[1.1] is None


def test_workers_change_no_bit():
    setup = named("bam_8", effort=0.1, strengths=(0.01,), weaker=(0.01,))
    one, two = (evaluate(["arm"], setup, seeds=2, workers=workers) for workers in (1, 2))
    assert one.rows == two.rows
    assert [row.seed for row in one.rows[::5]] == [0, 1]


def test_faults_of_a_low_voltage_cost_accuracy_and_those_of_a_high_one_nothing():
    setup = named("exact", voltages_v=(0.42, 1.2), effort=0.1, strengths=(0.01,), weaker=(0.1,))
    rows = evaluate_unit(task("cancer"), 0, setup)
    plain = {row.voltage_v: row.loss for row in rows if row.method == "post-training"}
    assert plain[0.42] > 0.05
    assert plain[1.2] == pytest.approx(0, abs=1e-12)  # a mean over chips that are all alike


def test_what_decides_is_not_the_test_part():
    each = task("cancer")
    base = each.data

    class Blind(type(each)):
        def data(self, seed):
            found = base(seed)
            swapped = type(found.test)(found.test.inputs[::-1].copy(), 1 - found.test.targets)
            return type(found)(found.train, found.validation, swapped)

    setup = named(
        "bam_8", effort=0.03, strengths=(0.01, 0.1), weaker=(0.1,), penalties=("step-gauss-newton",)
    )
    one, other = (evaluate_unit(kind(**each.__dict__), 0, setup) for kind in (type(each), Blind))
    assert [(row.penalty, row.strength, row.validation_error) for row in one] == [
        (row.penalty, row.strength, row.validation_error) for row in other
    ]
    assert [row.error for row in one] != [row.error for row in other]


def _row(method, seed, loss, penalty=None):
    kinds = {"relative-gauss-newton": 1.0 if penalty is None else 0.25}
    return Row("cancer", "exact" if method == "exact" else "drum3", None, method, seed, 0.1 + loss, loss, 0.1, penalty,
               0.0, kinds, None, None)  # fmt: skip


def test_a_summary_says_what_does_not_hold():
    losses = {"exact": (0, 0), "post-training": (0.2, 0.4), "passive": (0.3, 0.4), "active": (0.1, 0.2),
              "both": (0.3, 0.42)}  # fmt: skip
    rows = tuple(
        _row(
            method,
            seed,
            losses[method][seed],
            "relative-gauss-newton" if method in ("active", "both") else None,
        )
        for seed in (0, 1)
        for method in METHODS
    )
    found = Evaluation(named("drum3"), 2, rows)
    summary = summarise(found)[0]
    assert summary.mean.losses["post-training"] == Spread(pytest.approx(0.3), pytest.approx(0.02**0.5))
    assert summary.mean.sensitivity["active"].mean == 0.25
    findings = summary.findings
    assert (findings.passive_lowers, findings.active_lowers, findings.both_as_good) == (False, True, False)
    assert findings.both_minus_better.mean == pytest.approx(0.21)
    text = "\n".join(lines(found))
    assert "passive does NOT lower the mean loss (0 of 1 conditions)" in text
    assert "both WORSE than the better one" in text


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        (lambda: task("digit"), "did you mean 'digits'"),
        (lambda: task("arm").data(-1), "seed = -1"),
        (lambda: evaluate(["arm"], seeds=0), "seeds = 0"),
        (lambda: evaluate(["arm"], workers=0), "workers = 0"),
        (lambda: named("drum3", "drum3"), "drum3: named twice"),
        (lambda: named("drum3", voltages_v=(0.5, 0.5)), "a voltage is named twice"),
        (lambda: named(), "needs a multiplier"),
        (lambda: named("drum3", effort=0), "effort = 0"),
        (lambda: Setup((multiplier("drum3", 8, True), multiplier("udm", 6, True))), "[6, 8] bits"),
        (lambda: named("drum3", voltages_v=(0.9,), rates=VoltageTable((0.4, 0.6), (0.1, 0.0))), "0.9 V"),
        (lambda: named("drum3", voltages_v=(-1.0,), rates=Probit()), "voltage_v = -1.0"),
    ],
)
def test_bad_input_names_the_rule(wrong, rule):
    with pytest.raises(InputError) as error:
        wrong()
    assert rule in str(error.value)
