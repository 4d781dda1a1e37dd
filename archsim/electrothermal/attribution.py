"""From the ledger of a replay to the energy of every block, and to its power over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.dram.resolve import COMMANDS
from archsim.electrothermal.atlas import Array, Atlas
from archsim.electrothermal.spec import HeatMap
from archsim.errors import InputError
from archsim.ledger import LedgerRow
from archsim.result import Result
from archsim.thermal.power import PowerTrace

#: Columns of the rows per rank with the time in each state, by what the ledger calls the state.
_STATES = {
    "background_active": "active_standby_ns",
    "background_precharge": "precharge_standby_ns",
    "background_active_power_down": "active_power_down_ns",
    "background_precharge_power_down": "precharge_power_down_ns",
    "self_refresh": "self_refresh_ns",
}
#: What an event of the ledger counts, where it is not accesses of any kind.
_COUNTS = {
    "activate": "activates", "precharge": "activates", "read": "reads", "write": "writes", "refresh": "refreshes",
    "refresh_bank": "refreshes", "io_read": "reads", "io_write": "writes", "termination_read": "reads",
    "termination_write": "writes", **dict.fromkeys(_STATES, "time"),
}  # fmt: skip
#: Commands of the log that each count is made of.
_COMMANDS = {
    "activates": ("ACT",), "reads": ("RD",), "writes": ("WR",), "accesses": ("RD", "WR"), "refreshes": ("REF", "REFB"),
}  # fmt: skip


#: Most intervals times banks of a power trace: half a gigabyte at work.
_MOST_CELLS = 20_000_000


@dataclass(frozen=True, eq=False)
class Attribution:
    """Energy of a ledger by block.

    Attributes
    ----------
    joules : ndarray (stacks, blocks)
    off_j : float
        What is turned into heat elsewhere, at the host's end of the channel for instance.
    time_s : float
        Of the replay.
    """

    joules: Array
    off_j: float
    time_s: float

    @property
    def total_j(self) -> float:
        """All of it: the sum of the ledger."""
        return float(self.joules.sum()) + self.off_j

    @property
    def watts(self) -> Array:
        """Mean power of each block, (stacks, blocks)."""
        return self.joules / self.time_s


class Activity:
    """What every bank of a memory did in a replay: the weights by which energy is shared out.

    Parameters
    ----------
    ranks, banks : sequence of dict
        Rows of `archsim.result.Result`.
    """

    def __init__(self, ranks: Sequence[dict[str, Any]], banks: Sequence[dict[str, Any]]) -> None:
        self._ranks, per_rank = ranks, len(banks) // len(ranks)
        self._per_rank = per_rank
        self._banks = {
            name: np.array([row[name] for row in banks], dtype=np.float64)
            for name in ("activates", "reads", "writes")
        }

    def _of_ranks(self, column: str) -> Array:
        """Return what a rank did, in equal parts for its banks."""
        values = np.array([row[column] for row in self._ranks], dtype=float)
        return np.repeat(values / self._per_rank, self._per_rank)

    def weights(self, event: str, by: str | None = None) -> Array:
        """Return the weight of each bank for an event of the ledger, (banks,)."""
        count = by or _COUNTS.get(event, "accesses")
        if count == "time" and event in _STATES:
            return self._of_ranks(_STATES[event])
        if count == "refreshes":
            return self._of_ranks("refreshes")
        if count == "accesses":
            return np.asarray(self._banks["reads"] + self._banks["writes"])
        if count in self._banks:
            return self._banks[count]
        return np.ones(len(self._ranks) * self._per_rank)


def attribute(rows: Sequence[LedgerRow], activity: Activity, atlas: Atlas, time_s: float) -> Attribution:
    """Return the energy of every block: each row of a ledger lands in blocks, or off the stacks, and nowhere else.

    Parameters
    ----------
    rows : sequence of LedgerRow
    activity : Activity
        By which they are shared out among banks.
    atlas : Atlas
    time_s : float
        How long it took.

    Raises
    ------
    InputError
        For a row that no rule knows.
    """
    joules, off_j = np.zeros(atlas.stacks * len(atlas.blocks)), 0.0
    for row in rows:
        shares, off = atlas.spread(row.component, row.event)
        weights = activity.weights(row.event, atlas.rule(row.component, row.event).by)
        energy_j = row.energy_nj * 1e-9
        joules += energy_j * (_parts(weights) @ shares)
        off_j += energy_j * off
    return Attribution(joules.reshape(atlas.stacks, -1), off_j, time_s)


def _parts(weights: Array) -> Array:
    """Return weights that add up to 1; where there are none, all alike."""
    total = weights.sum()
    return weights / total if total > 0 else np.full(weights.shape, 1.0 / weights.size)


def block_energy(result: Result, heat_map: HeatMap) -> Attribution:
    """Return the energy of every block of every stack in a replay.

    Parameters
    ----------
    result : Result
    heat_map : HeatMap

    Raises
    ------
    InputError
        When the map does not fit the memory, or has no rule for a component of the ledger.
    """
    atlas = Atlas(heat_map, result.system.dram.organization)
    return attribute(result.energy, Activity(result.ranks, result.banks), atlas, result.time_ns * 1e-9)


def power_trace(
    result: Result, heat_map: HeatMap, interval_ns: float | None = None
) -> tuple[PowerTrace, ...]:
    """Return the power of every block over the intervals of a replay, one trace for each stack.

    With a log of all commands, each bank's share of an interval is what it did in it. With the time series of
    ``simulate(..., interval_ns=)`` alone, an interval has its share of each count, and banks share it as they do that
    of the whole replay. With neither, there is one interval. Time in power states is taken as even in time. What adds
    up over the intervals is the energy of the ledger, whatever the way.

    Parameters
    ----------
    result : Result
    heat_map : HeatMap
    interval_ns : float, optional
        Length of the intervals, rounded to clocks; default: that of the time series, or the whole replay. Another one
        needs the log.

    Raises
    ------
    InputError
        As `block_energy`; and for intervals that the result cannot tell.
    """
    atlas = Atlas(heat_map, result.system.dram.organization)
    activity = Activity(result.ranks, result.banks)
    starts_ns, in_time = _intervals(result, atlas, interval_ns)
    ends_ns = np.append(starts_ns[1:], result.time_ns)
    lengths_s = np.maximum(ends_ns - starts_ns, 0.0) * 1e-9
    joules = np.zeros((len(starts_ns), atlas.stacks * len(atlas.blocks)))
    for row in result.energy:
        shares, _ = atlas.spread(row.component, row.event)
        by = atlas.rule(row.component, row.event).by
        count = by or _COUNTS.get(row.event, "accesses")
        weights = in_time(count) if count in _COMMANDS else None
        if weights is None or not weights.any():
            weights = lengths_s
        if weights.ndim == 1:  # when, but not where
            weights = weights[:, None] * _parts(activity.weights(row.event, by))
        joules += row.energy_nj * 1e-9 * (_parts(weights) @ shares)
    watts = (joules / lengths_s[:, None]).reshape(len(starts_ns), atlas.stacks, -1)
    return tuple(PowerTrace(atlas.blocks, starts_ns * 1e-9, watts[:, stack]) for stack in range(atlas.stacks))


def _intervals(result: Result, atlas: Atlas, interval_ns: float | None) -> tuple[Array, Any]:
    """Return the starts of the intervals, and a function from a count to its weights by interval (and bank)."""
    issued = sum(result.counts[name] for name in ("act", "pre", "rd", "wr", "ref", "prea", "refb"))
    series, ns = result.series, result.system.dram.timing.tCK_ps / 1000
    if interval_ns is None and series is None:
        return np.zeros(1), lambda _: None
    if interval_ns is not None and not interval_ns > 0:
        raise InputError(f"interval of {interval_ns:g} ns: must be more than 0")
    own_ns = None if series is None or len(series["start_ns"]) < 2 else float(series["start_ns"][1])
    wanted_ns = (own_ns or result.time_ns) if interval_ns is None else max(1, round(interval_ns / ns)) * ns
    if result.time_ns / wanted_ns * len(atlas.rank_of) > _MOST_CELLS:
        raise InputError(
            f"interval of {wanted_ns:g} ns: {result.time_ns / wanted_ns:.3g} intervals of {len(atlas.rank_of)} banks; "
            f"at most {_MOST_CELLS:,} in all"
        )
    starts_ns = np.arange(-(-result.time_ns // wanted_ns)) * wanted_ns
    if result.commands.shape[1] == issued:
        return starts_ns, _of_log(result, atlas, starts_ns)
    if series is not None and len(starts_ns) == len(series["start_ns"]):
        return starts_ns, lambda count: (
            series["reads"] + series["writes"] if count == "accesses" else series[count]
        ).astype(float)
    raise InputError(
        f"interval of {wanted_ns:g} ns: the result has neither a time series of it nor a log of all {issued:,} "
        f"commands; simulate with interval_ns = {wanted_ns:g} or log_limit = {issued}"
    )


def _of_log(result: Result, atlas: Atlas, starts_ns: Array) -> Any:
    clk, command, bank = result.commands[0], result.commands[1], result.commands[2]
    ns, shape = result.system.dram.timing.tCK_ps / 1000, result.system.dram.organization
    interval = np.searchsorted(starts_ns, clk * ns * (1 + 1e-12), side="right") - 1
    banks = len(atlas.rank_of)

    def weights(count: str) -> NDArray[np.float64]:
        found = np.zeros((len(starts_ns), banks))
        chosen = np.isin(command, [COMMANDS.index(name) for name in _COMMANDS[count]])
        if count != "refreshes":
            np.add.at(found, (interval[chosen], bank[chosen]), 1.0)
            return found
        per_rank = np.zeros((len(starts_ns), banks // shape.banks_per_rank))
        np.add.at(per_rank, (interval[chosen], bank[chosen] // shape.banks_per_rank), 1.0)
        return np.repeat(per_rank / shape.banks_per_rank, shape.banks_per_rank, axis=1)

    return weights
