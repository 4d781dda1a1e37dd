"""How busy each shared resource of a memory was; the busiest is the bottleneck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from archsim.dram.resolve import COMMANDS, command_pins
from archsim.dram.spec import DramSpec
from archsim.dram.timing import resolve_latency

Ints = npt.NDArray[np.int64]

_COLUMN_COMMANDS = ("RD", "WR")


def bus_utilisation(
    spec: DramSpec, counts: Mapping[str, int], bank_counts: Ints, cycles: int
) -> dict[str, float]:
    """Return the busy share of the data bus and the command pins of one channel.

    ``data_bus`` is that of the busiest pseudo channel. Commands occupy their pins as many clocks as they take; where
    row and column commands have pins of their own, ``column_command_bus`` and ``row_command_bus`` take the place of
    ``command_bus``.
    """
    bursts = bank_counts[:, 2:4].reshape(spec.organization.pseudo_channels, -1).sum(axis=1)
    shares = {"data_bus": int(bursts.max()) * spec.timing.tBL / cycles}
    pins = dict(zip(COMMANDS, command_pins(spec).tolist(), strict=True))
    clocks = {name: counts[name.lower()] * pins[name] for name in COMMANDS}
    column = sum(clocks[name] for name in _COLUMN_COMMANDS)
    row = sum(clocks.values()) - column
    if spec.organization.split_command_bus:
        return shares | {"column_command_bus": column / cycles, "row_command_bus": row / cycles}
    return shares | {"command_bus": (column + row) / cycles}


def array_utilisation(
    spec: DramSpec, counts: Mapping[str, int], bank_counts: Ints, cycles: int
) -> dict[str, float]:
    """Return the busy share of what limits the banks and ranks of one channel themselves.

    ``activate_window`` is the share of the ACTs that tFAW (or another rule with a window) allows, ``busiest_bank`` the
    share of its tRC slots that the most used bank filled, ``bank_average`` that of all banks together, ``refresh`` the
    share of rank time spent in refresh. The windows and slots of the last ACTs, which reach beyond the end of the run,
    do not count.
    """
    timing, ranks = spec.timing, spec.organization.all_ranks
    acts = bank_counts[:, 0]
    slots = np.maximum(acts - 1, 0)
    refreshes = counts["ref"] + counts["refb"] / spec.refresh_steps
    return {
        "activate_window": _window_share(spec, acts, cycles),
        "busiest_bank": int(slots.max()) * timing.row_cycle_clk / cycles,
        "bank_average": int(slots.sum()) * timing.row_cycle_clk / (len(acts) * cycles),
        "refresh": refreshes * spec.refresh_clk / (ranks * cycles),
    }


def _window_share(spec: DramSpec, acts: Ints, cycles: int) -> float:
    organization = spec.organization
    places = {"rank": organization.all_ranks, "pseudo_channel": organization.pseudo_channels, "channel": 1}
    shares = [0.0]
    for rule in spec.rules:
        if rule.window > 1 and rule.level in places:
            here = acts.reshape(places[rule.level], -1).sum(axis=1)
            windows = int(np.maximum(here - rule.window, 0).sum()) / rule.window
            shares.append(windows * resolve_latency(rule.latency, spec.timing) / (len(here) * cycles))
    return max(shares)


def highest(channels: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return, for each resource, its share in the channel where it is busiest."""
    return {name: max(shares[name] for shares in channels) for name in channels[0]}
