"""A replay that repeats, the stack that it heats, and the refreshes that heat demands."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.dram.controller import HOT_C
from archsim.electrothermal.atlas import Array, Atlas
from archsim.electrothermal.attribution import Activity, Attribution, attribute
from archsim.electrothermal.spec import HeatMap
from archsim.result import Result
from archsim.simulation import check_suits, simulate
from archsim.systems.spec import SystemSpec
from archsim.thermal import RunawayError, Steady, ThermalModel
from archsim.thermal.leakage import Leaks
from archsim.traces import AddressTrace, EmbeddingTrace
from archsim.units import ZERO_C_K, cold_note

#: Which ranks are refreshed twice as often, counted channel by channel.
Doubled = tuple[bool, ...]
#: What a rank that is and one that is not is taken to be, for the memory's own rule.
_HOT_C, _COOL_C = 95.0, 45.0
#: A replay with fewer refreshes of a rank than this says little about their rate.
_FEW_REFRESHES = 10
#: Ranks named in a note.
_LISTED = 8


@dataclass(frozen=True, eq=False)
class Replayed:
    """A replay with some ranks refreshed twice as often.

    Attributes
    ----------
    doubled : tuple of bool (ranks,)
    result : Result
    energy : Attribution
    watts : ndarray (stacks, blocks)
        Mean power of the blocks; those that no rule feeds have that of the stack.
    """

    doubled: Doubled
    result: Result
    energy: Attribution
    watts: Array

    @property
    def time_s(self) -> float:
        """Of one replay."""
        return self.energy.time_s


class Coupling:
    """A system, a trace that it repeats without end, and the stacks that this heats.

    Parameters
    ----------
    system : SystemSpec
    trace : EmbeddingTrace or AddressTrace
    heat_map : HeatMap
    grid : int or (int, int)
        Cells of the stack along x and y.
    solver : {"auto", "spectral", "sparse"}
        See `archsim.thermal.ThermalModel`.
    threads : int, optional
        Of replays, see `archsim.simulate`.
    progress : callable, optional
        Called with each `Replayed` once it is there.

    Raises
    ------
    InputError
        When map and memory, or system and trace, do not fit.
    """

    def __init__(
        self,
        system: SystemSpec,
        trace: EmbeddingTrace | AddressTrace,
        heat_map: HeatMap,
        *,
        grid: int | tuple[int, int] = 32,
        solver: str = "auto",
        threads: int | None = None,
        progress: Callable[[Replayed], None] | None = None,
    ) -> None:
        check_suits(system, trace)
        self.system, self.trace, self.heat_map = system, trace, heat_map
        self.atlas = Atlas(heat_map, system.dram.organization)
        self.model = ThermalModel(heat_map.stack, grid, solver=solver)
        self.leaks = Leaks.of(heat_map.stack)
        fed = set(heat_map.fed())
        #: Power of the blocks that no rule feeds, (blocks,).
        self.own_w: Array = np.array([0.0 if b.name in fed else b.power_w for b in heat_map.stack.blocks])
        self._threads, self._progress = threads, progress
        self._replays: dict[Doubled, Replayed] = {}

    # ------------------------------------------------------------------------------------------------- replays

    @property
    def ranks(self) -> int:
        """Ranks of the whole memory."""
        shape = self.system.dram.organization
        return shape.channels * shape.all_ranks

    @property
    def nothing_doubled(self) -> Doubled:
        """The state of a cool memory."""
        return (False,) * self.ranks

    @property
    def replays(self) -> Mapping[Doubled, Replayed]:
        """What was replayed so far, by the ranks whose refreshes were doubled."""
        return self._replays

    def refreshed(self, doubled: Doubled) -> Doubled:
        """Return which ranks are refreshed twice as often when these ask for it.

        The controller of a host refreshes all ranks of a channel at one rate, a near-memory unit its own.
        """
        ranks = self.system.dram.organization.all_ranks
        if self.system.nmp is not None:
            from archsim.nmp.designs import make_design

            ranks = make_design(self.system.nmp, self.system.dram).unit_ranks
        groups = [doubled[first : first + ranks] for first in range(0, len(doubled), ranks)]
        return tuple(any(group) for group in groups for _ in group)

    def replayed(self, doubled: Doubled) -> Replayed:
        """Replay with these ranks refreshed twice as often, or return what that gave before."""
        state = self.refreshed(doubled)
        if state not in self._replays:
            result = simulate(self._system(state), self.trace, threads=self._threads)
            activity = Activity(result.ranks, result.banks)
            energy = attribute(result.energy, activity, self.atlas, result.time_ns * 1e-9)
            self._replays[state] = Replayed(state, result, energy, energy.watts + self.own_w)
            if self._progress is not None:
                self._progress(self._replays[state])
        return self._replays[state]

    def _system(self, state: Doubled) -> SystemSpec:
        refresh = self.system.dram.refresh
        cool = min(refresh.temperature_c, _COOL_C)
        if len(set(state)) == 1:
            changed = {"temperature_c": _HOT_C if state[0] else cool, "rank_temperatures_c": ()}
        else:
            changed = {"rank_temperatures_c": tuple(_HOT_C if hot else cool for hot in state)}
        dram = self.system.dram.model_copy(update={"refresh": refresh.model_copy(update=changed)})
        # Built anew, so that an interval that leaves no time beside the refreshes is refused.
        data = self.system.model_copy(update={"dram": dram}).to_dict()
        return SystemSpec.from_dict(data, f"system {self.system.name!r}, refreshed twice as often")

    # -------------------------------------------------------------------------------------------- temperatures

    def steady(self, watts: Array) -> tuple[Steady, ...]:
        """Return the steady state of every stack, leakage included, given the power of blocks (stacks, blocks).

        Raises
        ------
        RunawayError
            When there is none; the message says in which stack.
        """
        found = []
        for stack, own in enumerate(watts):
            try:
                found.append(self.model.steady(own))
            except RunawayError as error:
                where = f"stack {stack}: " if len(watts) > 1 else ""
                raise RunawayError(f"{where}{error}") from None
        return tuple(found)

    def rank_k(self, means_k: Array) -> Array:
        """Return the temperature that the refreshes of each rank go by, (ranks,), given (stacks, blocks)."""
        return self.atlas.rank_k(means_k)

    def wanted(self, rank_k: Array, doubled: Doubled) -> Doubled:
        """Return which ranks ask for doubled refreshes at these temperatures, given which did before."""
        limit_k = HOT_C + ZERO_C_K
        back_k = limit_k - self.heat_map.sensors.hysteresis_k
        return tuple(
            bool(now > (back_k if was else limit_k)) for now, was in zip(rank_k, doubled, strict=True)
        )

    def leakage(self, means_k: Array, when: str = "") -> Array:
        """Return the leakage of every block, (stacks, blocks), at these temperatures.

        Raises
        ------
        RunawayError
            When a leaking block is hotter than ``limit_k`` of the stack.
        """
        leak = np.zeros_like(means_k)
        if len(self.leaks.index):
            for stack, own in enumerate(means_k):
                where = f" in stack {stack}" if len(means_k) > 1 else ""
                self.leaks.check(own[self.leaks.index], self.heat_map.stack.limit_k, where + when)
                leak[stack, self.leaks.index] = self.leaks.watts(own[self.leaks.index])
        return leak

    # --------------------------------------------------------------------------------------------------- words

    def rank_name(self, rank: int) -> str:
        """Return how people call a rank."""
        shape = self.system.dram.organization
        channel, rest = divmod(rank, shape.all_ranks)
        pseudo, own = divmod(rest, shape.ranks)
        parts = [f"channel {channel}"] if shape.channels > 1 else []
        parts += [f"pseudo channel {pseudo}"] if shape.pseudo_channels > 1 else []
        parts += [f"rank {own}"] if shape.ranks > 1 or not parts else []
        return ", ".join(parts)

    def hot_notes(self, ranks: Sequence[int]) -> list[str]:
        """Return what to say of ranks above the greatest temperature; nothing when there are none."""
        if not ranks:
            return []
        return [
            f"above the {self.heat_map.sensors.most_c:g} degC that devices are made for, so that no refresh rate is "
            f"known to do: {self.listed(ranks)}"
        ]

    def listed(self, ranks: Sequence[int]) -> str:
        """Return how people call some ranks."""
        if len(ranks) == self.ranks:
            return "all ranks" if self.ranks > 1 else "the rank"
        more = f" and {len(ranks) - _LISTED} more" if len(ranks) > _LISTED else ""
        return "; ".join(self.rank_name(rank) for rank in ranks[:_LISTED]) + more

    def notes(self) -> list[str]:
        """Return what should be known of the replays that were made."""
        dram = self.system.dram
        notes = []
        if dram.energy.method == "per-event":
            notes.append(
                "temperatures rest on constants per event for the DRAM's energy (dram.energy.method = per-event). They "
                "may differ from currents of a data sheet by tens of percent either way, and know neither refresh nor "
                "standby, so that doubled refreshes cost time and no power; take currents with --set "
                "dram.energy.preset=..., such as ddr4-8gb-x8-2400"
            )
        if cold := cold_note("ambient_k", self.model.ambient_k):
            notes.append(cold)
        first = next(iter(self._replays.values()), None)
        own_clk = dram.refresh_interval_of(0, 1)
        if dram.refresh.mode == "none":
            notes.append("refresh.mode is none: nothing is doubled")
        elif first is not None and first.result.cycles < _FEW_REFRESHES * own_clk:
            notes.append(
                f"the replay takes {first.result.cycles / own_clk:.1f} refresh intervals: too few to tell what doubled "
                "refreshes cost; take a longer trace"
            )
        kept = {b.name: w for b, w in zip(self.heat_map.stack.blocks, self.own_w.tolist(), strict=True) if w}
        if kept:
            words = ", ".join(f"{name} {watts:g} W" for name, watts in kept.items())
            notes.append(f"no part of the replay, and so at the power of the stack: {words}")
        return notes


def observe(temperature_k: Array | float, function: Callable[[Any], Any]) -> NDArray[Any]:
    """Return what a function makes of temperatures, element by element where it takes one at a time.

    The hook for models of what heat does to something else: the noise of an image sensor, a life time.

    Parameters
    ----------
    temperature_k : float or ndarray
    function : callable
        From kelvin to anything.
    """
    return np.asarray(np.vectorize(function, otypes=None)(temperature_k))
