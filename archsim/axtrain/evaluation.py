"""How much accuracy approximate multipliers and low voltage cost, after plain, passive, active and both trainings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from typing import Any

import numpy as np
import torch
from torch import nn

from archsim.approx import (
    Choice,
    Multiplier,
    Probit,
    Storage,
    StorageFaults,
    VoltageTable,
    load_processor,
    multiplier,
)
from archsim.axtrain.arithmetic import Arithmetic
from archsim.axtrain.losses import loss_function
from archsim.axtrain.networks import convert, count_products, draw_faults, predict, seeded
from archsim.axtrain.sensitivity import Active, sensitivity
from archsim.axtrain.tasks import TASKS, Data, Part, Task, task
from archsim.axtrain.training import fit
from archsim.errors import InputError
from archsim.ledger import total_nj

METHODS = ("exact", "post-training", "passive", "active", "both")
#: Of five kinds of approximation (leading and static segments, logarithms, cut operands, cut cells) the coarsest
#: design whose mean error is at most 5 % of the greatest product (NMED, 8 bits signed).
MULTIPLIERS = ("drum3", "ssm4", "mitchell_w2", "truncate_4", "bam_9")
#: Penalties that active training chooses from, and their strengths.
PENALTIES = ("relative-gauss-newton", "step-gauss-newton")
STRENGTHS = (0.001, 0.01, 0.1)
#: Of the strength that active training chose, what training of both kinds chooses from; with faults, which cannot be
#: learnt by heart as a circuit's errors can, all of it too.
WEAKER = (0.1, 0.01)
#: Random vectors of the measured sensitivity.
_PROBES = 64
_LOSSES = {"classes": "cross-entropy", "values": "mse"}
_DECAY = 0.05


@dataclass(frozen=True)
class Setup:
    """What is varied, and how it is trained.

    Parameters
    ----------
    multipliers : tuple of Multiplier
        Signed, of one width, which is that of weights and activations too.
    voltages_v : tuple of float or None
        Of the memory of the weights; None is nominal, without faults.
    rates : Probit or VoltageTable
        Voltage -> share of stored bits that are read wrongly.
    storage : Storage
        The memory of the weights, for the energy of its reads.
    chips : int
        Patterns of faults that an error is the mean of.
    penalties, strengths, weaker
        What active training chooses from, and both trainings.
    effort : float
        Times the epochs of the tasks.
    """

    multipliers: tuple[Multiplier, ...] = field(
        default_factory=lambda: tuple(multiplier(name, 8, True) for name in MULTIPLIERS)
    )
    voltages_v: tuple[float | None, ...] = (None,)
    rates: Probit | VoltageTable = field(default_factory=Probit)
    storage: Storage = field(default_factory=lambda: load_processor().storage)
    chips: int = 5
    penalties: tuple[str, ...] = PENALTIES
    strengths: tuple[float, ...] = STRENGTHS
    weaker: tuple[float, ...] = WEAKER
    effort: float = 1.0

    def __post_init__(self) -> None:
        if not self.multipliers or not self.voltages_v:
            raise InputError("evaluation: needs a multiplier and a voltage")
        names = [each.name for each in self.multipliers]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"evaluation: multiplier {twice}: named twice")
        if len(set(self.voltages_v)) < len(self.voltages_v):
            raise InputError("evaluation: a voltage is named twice")
        widths = {each.bits for each in self.multipliers}
        if len(widths) > 1:
            raise InputError(f"evaluation: multipliers of {sorted(widths)} bits: must be of one width")
        if not 0 < self.effort <= 100:
            raise InputError(f"evaluation: effort = {self.effort}: must be above 0 and at most 100")
        for voltage in self.voltages_v:
            self.faults(voltage)

    @property
    def bits(self) -> int:
        """Width of weights and activations."""
        return self.multipliers[0].bits

    def faults(self, voltage_v: float | None) -> StorageFaults | None:
        """Return the faults of the words at a voltage; None at the nominal one."""
        return None if voltage_v is None else StorageFaults.at_voltage(self.bits, voltage_v, self.rates)

    def conditions(self) -> list[tuple[Multiplier, float | None]]:
        """Return the pairs of multiplier and voltage; exact products at the nominal voltage are the baseline."""
        pairs = [(each, voltage) for each in self.multipliers for voltage in self.voltages_v]
        return [pair for pair in pairs if pair[0].name != "exact" or pair[1] is not None]

    def plain(self) -> Arithmetic:
        """Return the arithmetic of the baseline."""
        return Arithmetic(weight_bits=self.bits, activation_bits=self.bits)


@dataclass(frozen=True)
class Row:
    """One method under one condition, of one seed.

    Attributes
    ----------
    task, multiplier, method : str
    seed : int
    voltage_v : float or None
    error : float
        On the test part; of faulty memories the mean over the chips.
    loss : float
        Error minus that of plain training with the exact multiplier at the nominal voltage.
    validation_error : float
    penalty : str or None
        Chosen on the validation part.
    strength : float
    sensitivity : dict of str to float
        By kind, on the validation part, with exact products; that of ``post-training`` is the one before.
    products_pj : float or None
        Energy of all products of one inference; None where no source gives one.
    weights_pj : float or None
        Energy of reading every weight once for an inference; None at a voltage that the memory is not said to work at.
    """

    task: str
    multiplier: str
    voltage_v: float | None
    method: str
    seed: int
    error: float
    loss: float
    validation_error: float
    penalty: str | None
    strength: float
    sensitivity: dict[str, float]
    products_pj: float | None
    weights_pj: float | None


@dataclass(frozen=True)
class Evaluation:
    """All rows, in the order of tasks, seeds, multipliers, voltages and methods.

    Attributes
    ----------
    setup : Setup
    seeds : int
    rows : tuple of Row
    """

    setup: Setup
    seeds: int
    rows: tuple[Row, ...]

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks in their order."""
        return list(dict.fromkeys(row.task for row in self.rows))

    def conditions(self) -> list[tuple[str, float | None]]:
        """Names of multipliers with voltages, without the baseline."""
        return [(circuit.name, voltage) for circuit, voltage in self.setup.conditions()]

    def select(
        self, of: str, method: str, condition: tuple[str, float | None] | None = None
    ) -> list[list[Row]]:
        """Return the rows of a task and method, one list for each seed, of a condition or of all."""
        wanted = self.conditions() if condition is None else [condition]
        return [
            [
                row
                for row in self.rows
                if (row.task, row.method, row.seed) == (of, method, seed)
                and (method == "exact" or (row.multiplier, row.voltage_v) in wanted)
            ]
            for seed in range(self.seeds)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {
            "schema": 1,
            "bits": self.setup.bits,
            "seeds": self.seeds,
            "chips": self.setup.chips,
            "effort": self.setup.effort,
            "penalties": list(self.setup.penalties),
            "strengths": list(self.setup.strengths),
            "weaker": list(self.setup.weaker),
            "rows": [asdict(row) for row in self.rows],
        }


def network(of: Task, seed: int) -> nn.Module:
    """Return the network of a task with the initial weights of a seed."""
    with seeded(seed):
        layers: list[nn.Module] = []
        bend = nn.ReLU if of.kind == "classes" else nn.Tanh
        width = of.shape[0]
        if of.channels:
            layers += [nn.Conv2d(width, of.channels, 3, stride=2, padding=1), bend(), nn.Flatten()]
            width = of.channels * -(-of.shape[1] // 2) * -(-of.shape[2] // 2)
        for hidden in of.layers:
            layers += [nn.Linear(width, hidden), bend()]
            width = hidden
        return nn.Sequential(*layers, nn.Linear(width, of.outputs))


@dataclass(frozen=True)
class _Trained:
    net: nn.Module
    active: Active | None = None


class _Unit:
    """A task with a seed: everything that is trained on the same rows from the same start."""

    def __init__(self, of: Task, seed: int, setup: Setup) -> None:
        self.task, self.seed, self.setup = of, seed, setup
        self.data: Data = of.data(seed)
        self.epochs = max(1, round(of.epochs * setup.effort))
        self.felt: dict[nn.Module, dict[str, float]] = {}

    def train(self, net: nn.Module, how: Arithmetic, stage: int, active: Active | None = None) -> _Trained:
        """Train a copy of a network; what differs between methods is the arithmetic and the penalty alone."""
        out = convert(net, how)
        part = self.data.train
        fit(
            out, (part.inputs, part.targets), _LOSSES[self.task.kind], epochs=self.epochs,
            seed=2 * self.seed + stage, passive="bit-true", active=active, batch=self.task.batch, lr=self.task.rate,
            decay=_DECAY,
        )  # fmt: skip
        return _Trained(out, active)

    def sensitivity(self, net: nn.Module) -> dict[str, float]:
        """Return the sensitivity of exact products by kind; measured once for each network that is shown."""
        if net not in self.felt:
            plain, part = convert(net, self.setup.plain()), self.data.validation
            of = plain, part.inputs, part.targets, _LOSSES[self.task.kind]
            self.felt[net] = {
                kind: sensitivity(*of, kind, probes=_PROBES).total for kind in self.setup.penalties
            }
        return self.felt[net]

    def measure(self, net: nn.Module, how: Arithmetic, part: Part, first_chip: int) -> tuple[float, float]:
        """Return error and loss on some rows, of faulty memories the means over chips."""
        deployed, loss, found = convert(net, how), loss_function(_LOSSES[self.task.kind]), []
        for chip in range(self.setup.chips if how.faults is not None else 1):
            draw_faults(deployed, self.seed, first_chip + chip)
            answers = predict(deployed, part.inputs)
            error = self.task.error(answers.numpy(), part.targets)
            found.append((error, float(loss(answers, torch.from_numpy(part.targets)))))
        error, lost = np.mean(found, axis=0).tolist()
        return error, lost


def products_pj(net: nn.Module, inputs: Any, circuit: Multiplier) -> float | None:
    """Return the energy of all products of a network for some inputs; None without a cited cost."""
    if circuit.cost is None:
        return None
    return 1000 * total_nj(Choice(circuit).ledger(count_products(net, inputs)))


def weights_pj(net: nn.Module, setup: Setup, voltage_v: float | None) -> float | None:
    """Return the energy of reading all weights once; None outside the voltages of the memory."""
    memory = setup.storage
    if voltage_v is not None and not memory.lowest_v <= voltage_v <= memory.nominal_v:
        return None
    layers = (each for each in net.modules() if isinstance(each, nn.Linear | nn.Conv2d))
    count = sum(each.weight.numel() for each in layers)
    return 1000 * total_nj([memory.ledger_row("weights", count, setup.bits, voltage_v)])


def evaluate_unit(of: Task, seed: int, setup: Setup) -> list[Row]:
    """Train and measure everything of one task and seed.

    Plain training first, with exact products of the same width. From there as many epochs again, with the same rows in
    the same order, by each method. What a method chooses from is compared by its error on the validation part under
    the condition itself; the test part decides nothing.
    """
    unit, plain = _Unit(of, seed, setup), setup.plain()
    start = unit.train(network(of, seed), plain, 0).net
    base = unit.train(start, plain, 1)
    tried = [
        unit.train(start, plain, 1, Active(kind, strength))
        for kind in setup.penalties
        for strength in setup.strengths
    ]
    exact = multiplier("exact", setup.bits, True)
    floor, _ = unit.measure(base.net, plain, unit.data.test, 0)

    def row(method: str, found: _Trained, how: Arithmetic, circuit: Multiplier, voltage: float | None) -> Row:
        # Other chips than those that decided.
        error, _ = unit.measure(found.net, how, unit.data.test, setup.chips)
        checked, _ = unit.measure(found.net, how, unit.data.validation, 0)
        active = found.active
        return Row(
            of.name, circuit.name, voltage, method, seed, error, error - floor, checked,
            active.kind if active else None, active.strength if active else 0.0, unit.sensitivity(found.net),
            products_pj(found.net, unit.data.test.inputs[:1], circuit), weights_pj(found.net, setup, voltage),
        )  # fmt: skip

    rows = [row("exact", base, plain, exact, None)]
    for circuit, voltage in setup.conditions():
        used = None if circuit.name == "exact" else circuit
        how = Arithmetic(used, setup.bits, setup.bits, faults=setup.faults(voltage))
        active = _best(unit, tried, how)
        assert active.active is not None
        kind, strength = active.active.kind, active.active.strength
        shares = setup.weaker if voltage is None else (1.0, *setup.weaker)
        both = [unit.train(start, how, 1, Active(kind, strength * share)) for share in shares]
        passive = unit.train(start, how, 1)
        methods = zip(METHODS[1:], (base, passive, active, _best(unit, both, how)), strict=True)
        rows += [row(method, found, how, circuit, voltage) for method, found in methods]
    return rows


def _best(unit: _Unit, tried: Sequence[_Trained], how: Arithmetic) -> _Trained:
    """Return the first of those with the least error, then loss, on the validation part."""
    return min(tried, key=lambda each: unit.measure(each.net, how, unit.data.validation, 0))


def _evaluate(name: str, seed: int, setup: Setup) -> list[Row]:
    return evaluate_unit(task(name), seed, setup)


def evaluate(
    tasks: Sequence[str] = (), setup: Setup | None = None, *, seeds: int = 5, workers: int = 1,
    told: Callable[[int], None] = lambda done: None,
) -> Evaluation:  # fmt: skip
    """Train and measure tasks, multipliers, voltages and methods.

    Parameters
    ----------
    tasks : sequence of str
        Names of `archsim.axtrain.tasks.TASKS`; default: all.
    setup : Setup, optional
    seeds : int
        Seeds 0 to ``seeds - 1``; each has rows, initial weights, order and faults of its own.
    workers : int
        Processes of one thread each; changes no bit of the result.
    told : callable
        Gets 1 whenever a task is done with a seed.
    """
    setup = setup or Setup()
    names = list(dict.fromkeys(tasks)) or list(TASKS)
    for name, value in (("seeds", seeds), ("workers", workers)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"{name} = {value!r}: must be a whole number of at least 1")
    for name in names:
        task(name).data(0)  # so that what is missing is missed before anything is trained
    units = [(name, seed, setup) for name in names for seed in range(seeds)]
    rows: list[Row] = []
    for found in _run(units, min(workers, len(units)), told):
        rows += found
    return Evaluation(setup, seeds, tuple(rows))


def _run(units: list[Any], workers: int, told: Callable[[int], None]) -> Iterator[list[Row]]:
    """Yield the rows of units in their order, wherever and whenever they were made."""
    if workers == 1:
        for unit in units:
            yield _evaluate(*unit)
            told(1)
        return
    # Forked copies of a process whose libraries have threads may hang.
    pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
    try:
        waiting = [pool.submit(_evaluate, *unit) for unit in units]
        for each in as_completed(waiting):
            each.result()
            told(1)
        yield from (each.result() for each in waiting)
    finally:
        pool.shutdown(cancel_futures=True)
