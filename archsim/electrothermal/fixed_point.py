"""The steady state of a replay that repeats: temperatures, refreshes and leakage that agree with each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from archsim.dram.controller import HOT_C
from archsim.electrothermal.atlas import Array
from archsim.electrothermal.coupling import Coupling, Doubled, Replayed
from archsim.thermal import RunawayError, Steady
from archsim.units import ZERO_C_K

#: Kelvin to 85 degC within which the average of a memory that goes back and forth is found.
SWING_K = 1e-3
#: Steps of the rounds in which it is looked for, and least steps of one.
_ROUNDS, _LEAST_STEPS = (1_000, 4_000, 16_000), 100


@dataclass(frozen=True, eq=False)
class Operating:
    """How a replay that repeats works at some temperatures.

    Attributes
    ----------
    shares : tuple of (float, Replayed)
        Share of the time in which refreshes are as in each replay; one alone, 1.0, where they do not change.
    steady : tuple of Steady
        Temperatures of each stack; leakage included.
    rank_k : ndarray (ranks,)
        What the refreshes of each rank go by.
    """

    shares: tuple[tuple[float, Replayed], ...]
    steady: tuple[Steady, ...]
    rank_k: Array

    @property
    def time_s(self) -> float:
        """Mean time of a replay: that of all, over their number."""
        return 1.0 / sum(share / each.time_s for share, each in self.shares)

    @property
    def energy_j(self) -> float:
        """Mean energy of a replay, as the ledger has it: without leakage."""
        per_s = sum(share * each.energy.total_j / each.time_s for share, each in self.shares)
        return per_s * self.time_s

    @property
    def off_w(self) -> float:
        """Power that is turned into heat off the stacks."""
        return sum(share * each.energy.off_j / each.time_s for share, each in self.shares)

    @property
    def doubled_share(self) -> Array:
        """Share of the time in which each rank is refreshed twice as often, (ranks,)."""
        return np.asarray(
            np.sum([share * np.array(each.doubled, float) for share, each in self.shares], axis=0)
        )

    @property
    def leakage_w(self) -> float:
        """Leakage of all stacks."""
        return float(sum(each.leakage_w.sum() for each in self.steady))

    @property
    def means_k(self) -> Array:
        """Means of blocks, (stacks, blocks)."""
        return np.stack([each.avg_k for each in self.steady])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "time_ns": self.time_s * 1e9, "energy_nj": self.energy_j * 1e9, "off_w": self.off_w,
            "leakage_w": self.leakage_w, "doubled_share": self.doubled_share.tolist(), "rank_k": self.rank_k.tolist(),
            "stacks": [each.to_dict() for each in self.steady],
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """What heat does to a replay that repeats, in the end.

    Attributes
    ----------
    coupling : Coupling
    before : Operating
        With refreshes at the normal rate whatever the temperature.
    after : Operating
        With those that the temperatures demand.
    also : Operating or None
        Another steady state, in which a memory stays that was hot before.
    runaway : str
        Why a memory that was hot before, with doubled refreshes, would have no steady state; empty when it would.
    swings : bool
        Whether there is no steady state: with doubled refreshes it is too cool for them, without too hot. ``after`` is
        the average of going back and forth.
    off_k : float
        How far those that go back and forth are from 85 degC (or the band of the hysteresis) in that average.
    steps : int
        Steady states that were computed.
    """

    coupling: Coupling
    before: Operating
    after: Operating
    also: Operating | None
    runaway: str
    swings: bool
    off_k: float
    steps: int

    @property
    def slowdown(self) -> float:
        """Time of a replay over that before, less 1."""
        return self.after.time_s / self.before.time_s - 1.0

    @property
    def too_hot(self) -> tuple[int, ...]:
        """Ranks beyond what their devices are made for."""
        limit_k = self.coupling.heat_map.sensors.most_c + ZERO_C_K
        return tuple(int(rank) for rank in np.flatnonzero(self.after.rank_k > limit_k))

    def notes(self) -> list[str]:
        """Return what should be known, as sentences."""
        notes = self.coupling.notes()
        if self.swings:
            swing = [i for i, share in enumerate(self.after.doubled_share) if 0 < share < 1]
            notes.append(
                f"no steady state: with doubled refreshes cooler than {HOT_C:g} degC, without hotter, at "
                f"{self.coupling.listed(swing)}; "
                f"figures are averages over time, within {self.off_k:.2g} K"
            )
        if self.also is not None:
            hottest = float(self.also.rank_k.max()) - ZERO_C_K
            notes.append(
                f"a memory that was hotter before stays at {hottest:.2f} degC, with doubled refreshes and replays of "
                f"{self.also.time_s * 1e6:.4g} us"
            )
        if self.runaway:
            notes.append(
                f"a memory that was hotter before, with doubled refreshes, does not cool down: {self.runaway}"
            )
        return notes + self.coupling.hot_notes(self.too_hot)

    def to_dict(self) -> dict[str, Any]:
        """Return what ``archsim heat --json`` prints."""
        return {
            "before": self.before.to_dict(), "after": self.after.to_dict(),
            "also": None if self.also is None else self.also.to_dict(), "runaway": self.runaway,
            "swings": self.swings, "off_k": self.off_k,
            "slowdown": self.slowdown, "steps": self.steps, "replays": len(self.coupling.replays),
            "too_hot": list(self.too_hot), "notes": self.notes(),
        }  # fmt: skip


def fixed_point(coupling: Coupling) -> FixedPoint:
    """Return temperatures, refreshes and leakage that agree, by repeating {replay, energy, temperatures, refreshes}.

    It starts with the normal rate everywhere. There are finitely many states of the refreshes, so it ends: at a state
    that demands itself, which is exact, or in a cycle. Out of a cycle it tries again, with one rank (or group that
    shares a sensor) changed at a time. When that goes in a cycle too, the average is taken over going back and forth;
    it may come to a state that stays.

    Raises
    ------
    RunawayError
        When leakage lets no temperature be steady.
    """
    search = _Search(coupling)
    start = coupling.nothing_doubled
    before = search.at(start)
    state, cycle = search.walk(start)
    if cycle:
        state, cycle = search.walk(min(cycle), one_by_one=True)
    if cycle:
        after, off_k = _average(coupling, min(cycle))
        state = after.shares[0][1].doubled
        # The average may come to one state that stays after all, which no walk had passed.
        if len(after.shares) > 1 or coupling.refreshed(coupling.wanted(after.rank_k, state)) != state:
            return FixedPoint(coupling, before, after, None, "", True, off_k, search.steps)
    after, also, runaway = search.at(state), None, ""
    try:
        other, cycle = search.walk((True,) * coupling.ranks)
        if not cycle and coupling.refreshed(other) != coupling.refreshed(state):
            also = search.at(other)
    except RunawayError as error:
        runaway = str(error)
    return FixedPoint(coupling, before, after, also, runaway, False, 0.0, search.steps)


class _Search:
    """Steady states by what is doubled, each computed once."""

    def __init__(self, coupling: Coupling) -> None:
        self.coupling = coupling
        self._known: dict[Doubled, Operating] = {}

    @property
    def steps(self) -> int:
        """Steady states computed."""
        return len(self._known)

    def at(self, doubled: Doubled) -> Operating:
        """Return how it works with these refreshes, whether the temperatures demand them or not."""
        coupling = self.coupling
        key = coupling.refreshed(doubled)
        if key not in self._known:
            replayed = coupling.replayed(key)
            self._known[key] = operating(coupling, ((1.0, replayed),))
        return self._known[key]

    def walk(self, state: Doubled, *, one_by_one: bool = False) -> tuple[Doubled, list[Doubled]]:
        """Follow what temperatures demand; return where it stays, or the cycle that it goes in."""
        visited: list[Doubled] = []
        while state not in visited:
            visited.append(state)
            rank_k = self.at(state).rank_k
            wanted = self.coupling.wanted(rank_k, state)
            if wanted == state:
                return state, []
            state = _nearer(state, wanted, rank_k) if one_by_one else wanted
        return state, visited[visited.index(state) :]


def _nearer(state: Doubled, wanted: Doubled, rank_k: Array) -> Doubled:
    """Return a state with the ranks changed that are furthest on the wrong side, which are all of one sensor."""
    wrong = np.array([a != b for a, b in zip(state, wanted, strict=True)])
    off_k = np.where(wrong, np.abs(rank_k - HOT_C - ZERO_C_K), -1.0)
    chosen = wrong & (rank_k == rank_k[int(np.argmax(off_k))])
    return tuple(bool(b if take else a) for a, b, take in zip(state, wanted, chosen, strict=True))


def operating(coupling: Coupling, shares: tuple[tuple[float, Replayed], ...]) -> Operating:
    """Return how it works with replays that take these shares of the time."""
    watts = np.sum([share * each.watts for share, each in shares], axis=0)
    steady = coupling.steady(watts)
    return Operating(shares, steady, coupling.rank_k(np.stack([each.avg_k for each in steady])))


def _average(coupling: Coupling, state: Doubled) -> tuple[Operating, float]:
    """Return the average of going back and forth: each step is decided by the temperatures of the mean power so far.

    What temperatures of the mean power are too hot is doubled for a step, and what is too cool is not, so the mean
    comes to where each rank that changes is at 85 degC. Die and package smooth out what is faster than they are. Each
    round begins anew from where the one before came to, so that the way there leaves no trace.
    """
    temperatures = _Means(coupling)
    before = np.zeros((coupling.atlas.stacks, len(coupling.atlas.blocks)))
    inertia = 0
    for steps in _ROUNDS:
        counts: dict[Doubled, int] = {}
        total, off_k = np.zeros_like(before), np.inf
        for step in range(1, steps + 1):
            replayed = coupling.replayed(state)
            counts[replayed.doubled] = counts.get(replayed.doubled, 0) + 1
            total += replayed.watts
            rank_k = coupling.rank_k(temperatures.of((before + total) / (inertia + step)))
            state = coupling.wanted(rank_k, state)
            if step % _LEAST_STEPS == 0:
                off_k = _wrong_k(coupling, counts, coupling.rank_k(temperatures.of(total / step)))
                if off_k <= SWING_K:
                    break
        if off_k <= SWING_K:
            break
        before, inertia = total * (_LEAST_STEPS / steps), _LEAST_STEPS
    shares = tuple((count / step, coupling.replayed(key)) for key, count in counts.items())
    return operating(coupling, shares), off_k


def _wrong_k(coupling: Coupling, counts: dict[Doubled, int], rank_k: Array) -> float:
    """Return by how much a rank is on the wrong side: of 85 degC, or of the band of the hysteresis if it changes."""
    keys, weights = np.array(list(counts)), np.array(list(counts.values()), float)
    share = weights @ keys / weights.sum()
    limit_k = HOT_C + ZERO_C_K
    below_k = limit_k - coupling.heat_map.sensors.hysteresis_k
    # A controller asks for all its ranks when one is hot: only the hottest of them must be in place.
    ranks = np.array(
        [coupling.refreshed(tuple(i == rank for i in range(len(rank_k)))) for rank in range(len(rank_k))]
    )
    hottest_k = np.where(ranks, rank_k, -np.inf).max(axis=1)
    above = np.where(share < 1, hottest_k - limit_k, -np.inf)
    below = np.where(share > 0, below_k - hottest_k, -np.inf)
    return float(max(above.max(), below.max(), 0.0))


class _Means:
    """Steady temperatures of blocks from their power, leakage included, by the resistances between blocks."""

    def __init__(self, coupling: Coupling) -> None:
        self._resistance = coupling.model.influence()
        self._ambient_k, self._leaks = coupling.model.ambient_k, coupling.leaks
        at = self._leaks.index
        self._own = self._resistance[np.ix_(at, at)]

    def of(self, watts: Array) -> Array:
        """Return the means of blocks, (stacks, blocks), for their power."""
        means = self._ambient_k + watts @ self._resistance.T
        at = self._leaks.index
        for own in means if len(at) else ():
            own += self._resistance[:, at] @ self._leaks.watts(self._leaks.settle(own[at], self._own))
        return np.asarray(means)
