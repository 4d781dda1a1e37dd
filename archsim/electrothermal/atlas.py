"""A heat map laid over a memory: the shares in which each bank heats the blocks of each stack."""

from __future__ import annotations

from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from archsim.dram.organization import Organization
from archsim.electrothermal.spec import OFF, HeatMap, HeatRule, Place
from archsim.errors import InputError, counted, nearest
from archsim.spec import preset_names

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


class Atlas:
    """A heat map and the memory that it is of; banks are counted channel by channel, as results count them.

    Parameters
    ----------
    heat_map : HeatMap
    organization : Organization
        The memory.

    Raises
    ------
    InputError
        When the memory is no whole number of stacks, or a set of places misses a bank or has one twice.

    Attributes
    ----------
    stacks : int
        How many stacks the memory is made of, all alike.
    stack_of : int64 array (banks,)
        In which of them each bank is.
    rank_of : int64 array (banks,)
        Rank of each bank, counted channel by channel.
    """

    def __init__(self, heat_map: HeatMap, organization: Organization) -> None:
        self.heat_map, self.organization = heat_map, organization
        self.blocks = tuple(block.name for block in heat_map.stack.blocks)
        shape = (
            organization.channels, organization.pseudo_channels, organization.ranks, organization.bank_groups,
            organization.banks_per_group,
        )  # fmt: skip
        names = ("channel", "pseudo_channel", "rank", "bank_group", "bank")
        where = dict(zip(names, np.indices(shape).reshape(5, -1), strict=True))
        self.rank_of: Ints = np.arange(np.prod(shape)) // organization.banks_per_rank
        held = _held(heat_map)
        counts = dict(zip(names, shape, strict=True))
        self.stack_of: Ints = np.zeros(len(self.rank_of), dtype=np.int64)
        self.stacks = 1
        for name, given in held.items():
            each = given or counts[name]
            if counts[name] % each:
                raise InputError(
                    f"heat map {heat_map.name!r}: {name}s = {each}: the memory has {counted(counts[name], name)}, "
                    f"which is no whole number of stacks; {_fitting(dict(zip(names, shape, strict=True)))}"
                )
            self.stack_of = self.stack_of * (counts[name] // each) + where[name] // each
            self.stacks *= counts[name] // each
            where[name], counts[name] = where[name] % each, each
        self._where, self._counts = where, counts
        self._sets = {name: self._places(name) for name in heat_map.sets}
        self._spreads: dict[tuple[str, str], tuple[Array, float]] = {}

    def _places(self, name: str) -> Array:
        """Return the shares in which each bank heats each block through a set of places, (banks, blocks)."""
        banks = len(self.rank_of)
        shares, seen = np.zeros((banks, len(self.blocks))), np.full(banks, -1)
        for number, place in enumerate(self.heat_map.places):
            if place.name != name:
                continue
            inside = self._inside(number, place)
            twice = np.flatnonzero(inside & (seen >= 0))
            if twice.size:
                raise InputError(
                    f"heat map {self.heat_map.name!r}: places[{number}]: {self._tell(int(twice[0]))} is in "
                    f"places[{seen[twice[0]]}] of {name!r} already"
                )
            seen[inside] = number
            for block in place.blocks:
                shares[inside, self.blocks.index(block)] += 1.0 / len(place.blocks)
        missed = np.flatnonzero(seen < 0)
        if missed.size:
            raise InputError(
                f"heat map {self.heat_map.name!r}: {self._tell(int(missed[0]))} of the memory is in no place of "
                f"{name!r}"
            )
        return shares

    def _inside(self, number: int, place: Place) -> NDArray[np.bool_]:
        inside = np.ones(len(self.rank_of), dtype=np.bool_)
        for name, count in self._counts.items():
            wanted: tuple[int, ...] = getattr(place, name)
            if wanted and max(wanted) >= count:
                raise InputError(
                    f"heat map {self.heat_map.name!r}: places[{number}].{name}: {max(wanted)}: a stack of this memory "
                    f"has {count}"
                )
            if wanted:
                inside &= np.isin(self._where[name], wanted)
        return inside

    def _tell(self, bank: int) -> str:
        return ", ".join(f"{name} {values[bank]}" for name, values in self._where.items())

    def rule(self, component: str, event: str) -> HeatRule:
        """Return the rule for a row of the ledger.

        Raises
        ------
        InputError
            When there is none.
        """
        rules = [rule for rule in self.heat_map.energy if rule.component == component]
        for rule in rules:
            if event in rule.events:
                return rule
        for rule in rules:
            if not rule.events:
                return rule
        known = [rule.component for rule in self.heat_map.energy]
        if not rules:
            raise InputError(
                f"heat map {self.heat_map.name!r}: no rule says where the energy of component {component!r} goes"
                f"{nearest(component, known)}"
            )
        events = [each for rule in rules for each in rule.events]
        raise InputError(
            f"heat map {self.heat_map.name!r}: no rule says where the energy of {component!r} {event!r} goes"
            f"{nearest(event, events)}"
        )

    def spread(self, component: str, event: str) -> tuple[Array, float]:
        """Return how the energy of a row of the ledger spreads.

        Parameters
        ----------
        component, event : str

        Returns
        -------
        shares : ndarray (banks, stacks * blocks)
            What each block gets of the part of each bank; with ``off`` every row adds up to 1.
        off : float
            The share off the stacks.

        Raises
        ------
        InputError
            When no rule says where it goes.
        """
        if (component, event) not in self._spreads:
            rule, banks = self.rule(component, event), len(self.rank_of)
            shares, off = np.zeros((banks, self.stacks, len(self.blocks))), 0.0
            for name, share in rule.to.items():
                if name == OFF:
                    off += share
                elif name in self._sets:
                    shares[np.arange(banks), self.stack_of] += share * self._sets[name]
                else:
                    shares[np.arange(banks), self.stack_of, self.blocks.index(name)] += share
            self._spreads[component, event] = shares.reshape(banks, -1), off
        return self._spreads[component, event]

    @cached_property
    def sensed(self) -> NDArray[np.bool_]:
        """Which blocks the refreshes of each rank go by, (ranks, stacks, blocks)."""
        sensors, shape = self.heat_map.sensors, self.organization
        heats = self._sets[sensors.places] > 0
        ranks = shape.channels * shape.all_ranks
        own = np.zeros((ranks, self.stacks, len(self.blocks)), dtype=np.bool_)
        for bank, (rank, stack) in enumerate(zip(self.rank_of, self.stack_of, strict=True)):
            own[rank, stack] |= heats[bank]
        if sensors.per == "rank":
            return own
        # A channel may lie in several stacks, each with sensors of its own.
        stack_of_rank = self.stack_of[:: shape.banks_per_rank]
        channel = np.arange(ranks) // shape.all_ranks if sensors.per == "channel" else np.zeros(ranks)
        together = np.zeros_like(own)
        for rank in range(ranks):
            alike = (stack_of_rank == stack_of_rank[rank]) & (channel == channel[rank])
            together[rank] = own[alike].any(axis=0)
        return together

    def rank_k(self, means_k: Array) -> Array:
        """Return the temperature that each rank's refreshes go by, (ranks,), given those of blocks (stacks, blocks)."""
        return np.asarray(np.where(self.sensed, means_k[None], -np.inf).max(axis=(1, 2)))


def _held(heat_map: HeatMap) -> dict[str, int | None]:
    """Return how many channels and ranks a stack holds; None for all."""
    return {"channel": heat_map.channels, "rank": heat_map.ranks}


def _fitting(counts: dict[str, int]) -> str:
    """Return which shipped maps suit a memory of so many channels and ranks, those of the fewest stacks first."""
    fitting = []
    for name in preset_names(HeatMap.preset_kind):
        held = {part: each or counts[part] for part, each in _held(HeatMap.load(name)).items()}
        if not any(counts[part] % each for part, each in held.items()):
            fitting.append((prod(counts[part] // each for part, each in held.items()), name))
    if not fitting:
        return "no preset fits, so a map of its own is needed (docs/electrothermal.md)"
    return f"try {' or '.join(f'--map {name}' for _, name in sorted(fitting))}"
