"""A replay and its stacks stepped together: minutes of heating, with refreshes and leakage by temperature."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.electrothermal.atlas import Array
from archsim.electrothermal.coupling import Coupling, Doubled, observe
from archsim.errors import InputError
from archsim.thermal.results import State
from archsim.units import ZERO_C_K

#: Most steps of a run, and most that are kept.
MOST_STEPS, _MOST_KEPT = 10_000_000, 100_000


@dataclass(frozen=True, eq=False)
class CoupledRun:
    """What became of a replay that repeats, over time.

    Attributes
    ----------
    coupling : Coupling
    times_s : ndarray (times,)
        Ends of steps, from 0 on.
    avg_k : ndarray (times, stacks, blocks)
        Means of blocks.
    rank_k : ndarray (times, ranks)
        What the refreshes of each rank go by.
    doubled : bool ndarray (times, ranks)
        Which ranks were refreshed twice as often in the step that ended there; at 0 those of the first.
    replays : ndarray (times,)
        How often the trace was replayed until then.
    energy_j, leakage_j : ndarray (times,)
        Energy of the ledgers, and of leakage, until then.
    states : tuple of State
        The field of each stack at the end.
    """

    coupling: Coupling
    times_s: Array
    avg_k: Array
    rank_k: Array
    doubled: NDArray[np.bool_]
    replays: Array
    energy_j: Array
    leakage_j: Array
    states: tuple[State, ...]

    @property
    def mean_time_s(self) -> float:
        """Mean time of a replay."""
        return float(self.times_s[-1] / self.replays[-1])

    @property
    def doubled_share(self) -> Array:
        """Share of the time in which each rank was refreshed twice as often, (ranks,)."""
        lengths = np.diff(self.times_s)
        return np.asarray(lengths @ self.doubled[1:] / lengths.sum())

    @property
    def too_hot(self) -> tuple[int, ...]:
        """Ranks that were beyond what their devices are made for."""
        limit_k = self.coupling.heat_map.sensors.most_c + ZERO_C_K
        return tuple(int(rank) for rank in np.flatnonzero(self.rank_k.max(axis=0) > limit_k))

    def observe(self, block: str, function: Callable[[Any], Any], stack: int = 0) -> NDArray[Any]:
        """Return what a function makes of the temperatures of a block in kelvin, over time.

        Raises
        ------
        InputError
            For an unknown block.
        """
        return observe(self.avg_k[:, stack, self.coupling.model.block_index(block)], function)

    def notes(self) -> list[str]:
        """Return what should be known, as sentences."""
        notes = self.coupling.notes()
        return notes + self.coupling.hot_notes(self.too_hot)

    def to_dict(self) -> dict[str, Any]:
        """Return what ``archsim heat --time --json`` prints."""
        blocks = self.coupling.atlas.blocks
        stacks = [
            {name: self.avg_k[:, stack, index].tolist() for index, name in enumerate(blocks)}
            for stack in range(self.avg_k.shape[1])
        ]
        return {
            "times_s": self.times_s.tolist(), "stacks_avg_k": stacks, "rank_k": self.rank_k.tolist(),
            "doubled": self.doubled.tolist(), "replays": self.replays.tolist(),
            "energy_j": self.energy_j.tolist(), "leakage_j": self.leakage_j.tolist(),
            "mean_time_ns": self.mean_time_s * 1e9, "doubled_share": self.doubled_share.tolist(),
            "too_hot": list(self.too_hot), "notes": self.notes(),
        }  # fmt: skip


def run_in_time(
    coupling: Coupling,
    until_s: float,
    step_s: float,
    *,
    initial: str | float = "ambient",
    method: str | None = None,
    progress: Callable[[int], None] | None = None,
) -> CoupledRun:
    """Step replays and stacks together.

    In every step refreshes are those that the temperatures at its start demand, and power is the mean of the replay
    with these refreshes; leakage is that of the temperatures at its start (first order in the step).

    Parameters
    ----------
    coupling : Coupling
    until_s : float
    step_s : float
        Longest step. Each is many replays long.
    initial : {"ambient", "steady"} or float
        Temperature at the start: ``steady`` is that of the replay at the normal refresh rate, a number is kelvin.
    method : {"exact", "cn", "be"}, optional
        See `archsim.thermal.ThermalModel.stepper`. Default: exact where possible, else be, because power changes with
        every step, after which cn would take two of be.
    progress : callable, optional
        Called after every step with what it adds to those made: 1.

    Raises
    ------
    InputError
        For times that are not above 0, or too many steps.
    RunawayError
        When a leaking block passes ``limit_k`` of the stack.
    """
    for name, value in (("until_s", until_s), ("step_s", step_s)):
        if not (value > 0 and np.isfinite(value)):
            raise InputError(f"{name} = {value:g}: must be more than 0")
    if until_s / step_s > MOST_STEPS:
        raise InputError(
            f"step_s = {step_s:g}: {until_s / step_s:.3g} steps until {until_s:g} s; at most {MOST_STEPS:,}"
        )
    steps = max(1, int(np.ceil(until_s / step_s - 1e-9)))
    dt_s = until_s / steps
    doubled = coupling.nothing_doubled
    first = coupling.replayed(doubled)
    method = method or ("exact" if "exact" in coupling.model.engine.methods else "be")
    walkers = [
        coupling.model.stepper(initial, own, method=method)  # type: ignore[arg-type]
        for own in first.watts
    ]
    keep = -(-steps // _MOST_KEPT)
    kept = _Kept(coupling)
    means = np.stack([walker.means_k for walker in walkers])
    replays = energy_j = leakage_j = 0.0
    for step in range(steps):
        rank_k = coupling.rank_k(means)
        doubled = coupling.wanted(rank_k, doubled)
        replayed = coupling.replayed(doubled)
        leak = coupling.leakage(means, f" at {step * dt_s:.6g} s")
        if step == 0:
            kept.take(0.0, means, rank_k, replayed.doubled, 0.0, 0.0, 0.0)
        power = replayed.watts + leak
        means = np.stack([walker.advance(own, dt_s) for walker, own in zip(walkers, power, strict=True)])
        replays += dt_s / replayed.time_s
        energy_j += replayed.energy.total_j * (dt_s / replayed.time_s)
        leakage_j += float(leak.sum()) * dt_s
        if progress is not None:
            progress(1)
        if (step + 1) % keep == 0 or step + 1 == steps:
            now_k = coupling.rank_k(means)
            kept.take((step + 1) * dt_s, means, now_k, replayed.doubled, replays, energy_j, leakage_j)
    coupling.leakage(means, f" at {until_s:.6g} s")
    return kept.run(tuple(walker.state for walker in walkers))


class _Kept:
    """What is kept of a run."""

    def __init__(self, coupling: Coupling) -> None:
        self.coupling = coupling
        self._rows: list[tuple[Any, ...]] = []

    def take(self, at_s: float, means: Array, rank_k: Array, doubled: Doubled, *sums: float) -> None:
        """Keep the end of a step."""
        self._rows.append((at_s, means, rank_k, doubled, *sums))

    def run(self, states: tuple[State, ...]) -> CoupledRun:
        """Return the whole run."""
        columns = (np.array(column) for column in zip(*self._rows, strict=True))
        at_s, means, rank_k, doubled, replays, energy_j, leakage_j = columns
        return CoupledRun(
            self.coupling, at_s, means, rank_k, doubled, replays, energy_j, leakage_j, states
        )  # fmt: skip
