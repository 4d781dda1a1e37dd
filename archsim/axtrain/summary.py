"""Means and spreads of an evaluation, what they show, and their tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from archsim.axtrain.evaluation import METHODS, Evaluation, Row
from archsim.axtrain.tasks import task
from archsim.tables import align

Condition = tuple[str, float | None]
#: Name of the line with the mean over all conditions.
MEAN = "mean"


@dataclass(frozen=True)
class Spread:
    """A mean over seeds, and the standard deviation from it (of a sample; 0 for one seed)."""

    mean: float
    sd: float

    @staticmethod
    def of(values: Sequence[float]) -> Spread:
        """Return mean and spread of one value for each seed."""
        sd = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        return Spread(float(np.mean(values)), sd)


@dataclass(frozen=True)
class Line:
    """One condition of a task, or the mean over all of them (multiplier ``mean``).

    Attributes
    ----------
    multiplier : str
    voltage_v : float or None
    products_pj, weights_pj : float or None
        Energy of the products of one inference, and of reading its weights; None without a source.
    losses : dict of str to Spread
        By method: loss of accuracy against exact.
    sensitivity : dict of str to Spread
        By method: measured after training over that after plain training, of the kind that active training chose.
    penalties : dict of str to int
        How many seeds chose a penalty with its strength.
    """

    multiplier: str
    voltage_v: float | None
    products_pj: float | None
    weights_pj: float | None
    losses: dict[str, Spread]
    sensitivity: dict[str, Spread]
    penalties: dict[str, int]


@dataclass(frozen=True)
class Findings:
    """What the mean over all conditions of a task shows.

    Attributes
    ----------
    passive_lowers, active_lowers : bool
        Whether the loss of accuracy is lower than after plain training.
    both_as_good : bool
        Whether both together lose no more than the better one, but for the spread of the difference over seeds.
    passive_wins, active_wins : int
        Conditions under which it is lower; of ``conditions``.
    conditions : int
    both_minus_better : Spread
    """

    passive_lowers: bool
    active_lowers: bool
    both_as_good: bool
    passive_wins: int
    active_wins: int
    conditions: int
    both_minus_better: Spread


@dataclass(frozen=True)
class Summary:
    """A task: the error without approximation, its lines, and what they show."""

    task: str
    measure: str
    exact: Spread
    exact_products_pj: float | None
    exact_weights_pj: float | None
    lines: tuple[Line, ...]
    mean: Line
    findings: Findings

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return asdict(self)


def summarise(evaluation: Evaluation) -> list[Summary]:
    """Return the summary of each task."""
    return [_summary(evaluation, name) for name in evaluation.tasks]


def _summary(evaluation: Evaluation, name: str) -> Summary:
    lines = tuple(_line(evaluation, name, [each]) for each in evaluation.conditions())
    exact = [rows[0] for rows in evaluation.select(name, "exact")]
    return Summary(
        name,
        task(name).measure,
        Spread.of([row.error for row in exact]),
        exact[0].products_pj,
        exact[0].weights_pj,
        lines,
        _line(evaluation, name, evaluation.conditions()),
        _findings(evaluation, name, lines),
    )


def _means(evaluation: Evaluation, name: str, method: str, conditions: Sequence[Condition]) -> list[float]:
    """Return the loss of each seed, the mean over conditions."""
    kept = [_kept(rows, conditions) for rows in evaluation.select(name, method)]
    return [float(np.mean([row.loss for row in rows])) for rows in kept]


def _kept(rows: Sequence[Row], conditions: Sequence[Condition]) -> list[Row]:
    return [row for row in rows if (row.multiplier, row.voltage_v) in conditions]


def _line(evaluation: Evaluation, name: str, conditions: Sequence[Condition]) -> Line:
    single = conditions[0] if len(conditions) == 1 else (MEAN, None)
    losses = {method: Spread.of(_means(evaluation, name, method, conditions)) for method in METHODS[1:]}
    chosen, ratios = {}, {method: [] for method in METHODS[2:]}  # type: dict[str, int], dict[str, list[float]]
    for seed in range(evaluation.seeds):
        of_seed: dict[str, list[float]] = {method: [] for method in METHODS[2:]}
        for condition in conditions:
            found = {m: evaluation.select(name, m, condition)[seed][0] for m in METHODS[1:]}
            kind = found["active"].penalty
            assert kind is not None
            label = f"{kind} {found['active'].strength:g}"
            chosen[label] = chosen.get(label, 0) + 1
            for method, values in of_seed.items():
                before = found["post-training"].sensitivity[kind]
                values.append(found[method].sensitivity[kind] / before)
        for method, values in of_seed.items():
            ratios[method].append(float(np.mean(values)))
    first = _kept(evaluation.select(name, "passive")[0], conditions)[0]
    energy = (first.products_pj, first.weights_pj) if len(conditions) == 1 else (None, None)
    return Line(*single, *energy, losses, {m: Spread.of(v) for m, v in ratios.items()}, chosen)


def _findings(evaluation: Evaluation, name: str, lines: Sequence[Line]) -> Findings:
    plain, passive, active, both = (
        _means(evaluation, name, method, evaluation.conditions()) for method in METHODS[1:]
    )
    better = min(passive, active, key=lambda values: float(np.mean(values)))
    apart = Spread.of([one - other for one, other in zip(both, better, strict=True)])
    base = [line.losses["post-training"].mean for line in lines]
    return Findings(
        bool(np.mean(passive) < np.mean(plain)),
        bool(np.mean(active) < np.mean(plain)),
        apart.mean <= apart.sd,
        sum(line.losses["passive"].mean < b for line, b in zip(lines, base, strict=True)),
        sum(line.losses["active"].mean < b for line, b in zip(lines, base, strict=True)),
        len(lines),
        apart,
    )


HEAD = [
    "multiplier",
    "memory",
    "products",
    "weights",
    "post-training",
    "passive",
    "active",
    "both",
    "sensitivity",
]


def cells(summary: Summary) -> list[list[str]]:
    """Return the cells of a task's table below `HEAD`: losses in percentage points, mean and standard deviation."""
    rows = []
    for line in (*summary.lines, *([summary.mean] if len(summary.lines) > 1 else [])):
        whole = line is summary.mean
        rows.append(
            [
                line.multiplier,
                "" if whole else "nominal" if line.voltage_v is None else f"{line.voltage_v:g} V",
                energy_text(line.products_pj),
                energy_text(line.weights_pj),
                *(percent(line.losses[method]) for method in METHODS[1:]),
                f"x {line.sensitivity['active'].mean:.2f}",
            ]
        )
    return rows


def energy_text(energy_pj: float | None) -> str:
    """Return an energy with its unit; nothing where there is none."""
    if energy_pj is None:
        return ""
    return f"{energy_pj / 1000:.3f} nJ" if energy_pj >= 1000 else f"{energy_pj:.1f} pJ"


def percent(value: Spread) -> str:
    """Return a mean and its spread in hundredths."""
    mean = round(100 * value.mean, 2) + 0.0  # no -0.00
    return f"{mean:.2f} ± {100 * value.sd:.2f}"


def title(summary: Summary, evaluation: Evaluation) -> str:
    """Return the line over a task's table."""
    products, weights = summary.exact_products_pj, summary.exact_weights_pj
    energy = f"products {energy_text(products) or 'unknown'}, weights {energy_text(weights)}"
    return (
        f"{summary.task}: {summary.measure}; exact {percent(summary.exact)} %, {energy} "
        f"({evaluation.seeds} seeds, {evaluation.setup.bits} bits)"
    )


def verdict(summary: Summary) -> str:
    """Say what the mean over the conditions shows."""
    found = summary.findings
    said = [
        f"{name} {'lowers' if lowers else 'does NOT lower'} the mean loss ({wins} of {found.conditions} conditions)"
        for name, lowers, wins in (
            ("passive", found.passive_lowers, found.passive_wins),
            ("active", found.active_lowers, found.active_wins),
        )
    ]
    good = "as good as" if found.both_as_good else "WORSE than"
    return f"{'; '.join(said)}; both {good} the better one ({percent(found.both_minus_better)} points)"


def lines(evaluation: Evaluation) -> list[str]:
    """Return the tables of all tasks as text."""
    out: list[str] = []
    for summary in summarise(evaluation):
        out += [title(summary, evaluation), *align([HEAD, *cells(summary)]), verdict(summary), ""]
    return [*out, "loss of accuracy in percentage points, mean ± standard deviation; less is better"]
