"""From a DRAM specification to the integer tables that the replay kernels take."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from archsim.dram.timing import resolve_latency
from archsim.errors import InputError

if TYPE_CHECKING:
    from archsim.dram.organization import Organization
    from archsim.dram.spec import DramSpec
    from archsim.dram.timing import Rule

#: Command numbers of the kernels and of command logs.
COMMANDS = ("ACT", "PRE", "RD", "WR", "REF", "PREA", "REFB")
#: "No constraint": far enough back that no clock plus this one binds anything.
UNBOUND = -(1 << 24)
#: Rules with a window above 1 that the kernel has room for.
WINDOWS_MAX = 4
#: Command classes with an earliest clock per bank, in the kernel's order; REFB has one that only its own bank binds.
_CLASSES = ("ACT", "PRE", "RD", "WR")
_SCHEDULERS = ("fcfs", "fr-fcfs")
_ARBITRATIONS = ("column-first", "oldest-first", "round-robin")
_PROTECTIONS = ("none", "older", "all")
_ROW_POLICIES = ("open", "closed", "timeout")
_BLOCKINGS = ("activates", "rank", "channel")


@dataclass(frozen=True)
class DramTables:
    """Integer form of a :class:`~archsim.dram.spec.DramSpec`; times are memory clocks.

    Attributes
    ----------
    parameters : dict of str to int
        Sizes, policies and clocks, by the names of ``Tables`` in ``kernels/dram_state.h``.
    windows : tuple of (int, int, int)
        Per rule that counts from an ACT several back: how many, its clocks, how many ranks share it.
    pins : int32 array [7]
        Clocks that each command takes on its pins.
    bank_delta : int32 array [7, 5]
        Within a bank: command before x command after (ACT, PRE, RD, WR, REFB).
    refresh_delta : int32 array [7]
        Command before to REF (or REFB) of its rank.
    spread : int32 array [pairs, bank groups of the channel, banks padded to a multiple of 8]
        What a command to a bank group adds to the earliest clock of a class in each bank.
    spread_at : int32 array [7, 4]
        Which pair of ``spread`` belongs to command before x class; -1: none.
    everywhere : int32 array [7, 4]
        1 where the pair binds other ranks as well.
    """

    parameters: dict[str, int]
    windows: tuple[tuple[int, int, int], ...]
    pins: npt.NDArray[np.int32]
    bank_delta: npt.NDArray[np.int32]
    refresh_delta: npt.NDArray[np.int32]
    spread: npt.NDArray[np.int32]
    spread_at: npt.NDArray[np.int32]
    everywhere: npt.NDArray[np.int32]


def resolve(
    spec: DramSpec,
    *,
    ranks: int | None = None,
    refresh_rank: int = 0,
    channel: int = 0,
    general: bool = False,
) -> DramTables:
    """Resolve a specification once, before the first event.

    Parameters
    ----------
    spec : DramSpec
        The memory.
    ranks : int, optional
        Build the tables of only this many ranks; a near-memory rank unit drives one rank alone.
    refresh_rank : int
        Number, in the channel, of the first rank built: it sets when its first refresh falls due.
    channel : int
        Which channel it is: where ranks have temperatures of their own, those say how often it refreshes.
    general : bool
        Use the kernel's general loop even where its plain one would do; both give the same commands.

    Raises
    ------
    InputError
        For a rule that the kernel has no place for.
    """
    organization = spec.organization
    built = organization.all_ranks if ranks is None else ranks
    refresh = "REFB" if _is_partial(spec) else "REF"
    bank_delta = np.full((len(COMMANDS), len(_CLASSES) + 1), UNBOUND, dtype=np.int32)
    refresh_delta = np.full(len(COMMANDS), UNBOUND, dtype=np.int32)
    pairs: dict[tuple[int, int], npt.NDArray[np.int32]] = {}
    windows: list[tuple[int, int, int]] = []
    for rule in spec.rules:
        if {rule.before, rule.after} & ({"REF", "REFB"} - {refresh}):
            continue  # of the other way to refresh
        if rule.before in ("REF", "REFB") and (rule.level == "bank_group" or rule.after == "PRE"):
            raise _no_such_rule(rule)
        latency = resolve_latency(rule.latency, spec.timing)
        before = COMMANDS.index(rule.before)
        if rule.window > 1:
            windows.append((rule.window, latency, _window_ranks(rule, organization, built)))
        elif rule.after in ("REF", "REFB"):
            _add_refresh_rule(rule, before, latency, bank_delta, refresh_delta)
        elif rule.level == "bank":
            after = _CLASSES.index(rule.after)
            bank_delta[before, after] = max(bank_delta[before, after], latency)
        else:
            _add_spread(pairs, rule, before, latency, organization, built)
    spread, spread_at, everywhere = _flatten(pairs, built, organization)
    parameters = _sizes(spec, built) | _policies(spec) | _clocks(spec)
    parameters |= _refresh_clocks(spec, channel, refresh_rank, built)
    parameters["general"] = int(general)
    if len(windows) > WINDOWS_MAX:
        raise InputError(
            f"dram.rules: {len(windows)} rules with a window of more than 1, at most {WINDOWS_MAX}"
        )
    return DramTables(
        parameters,
        tuple(windows),
        command_pins(spec),
        bank_delta,
        refresh_delta,
        spread,
        spread_at,
        everywhere,
    )


def resolve_channels(spec: DramSpec) -> list[DramTables]:
    """Resolve the channels of a memory, which differ where their ranks have temperatures of their own."""
    tables, shape = resolve(spec), spec.organization
    return [
        replace(tables, parameters=tables.parameters | _refresh_clocks(spec, channel, 0, shape.all_ranks))
        for channel in range(shape.channels)
    ]


def resolve_units(spec: DramSpec, *, ranks: int, units: int, channel: int = 0) -> list[DramTables]:
    """Resolve the memory of each unit of a channel, which differ in their refreshes alone: first due, and how often.

    Parameters
    ----------
    spec : DramSpec
        The memory.
    ranks : int
        Ranks of a unit.
    units : int
        Units of a channel, each with the next ranks.
    channel : int
        Which channel, see `resolve`.
    """
    tables = resolve(spec, ranks=ranks)
    return [
        replace(tables, parameters=tables.parameters | _refresh_clocks(spec, channel, unit * ranks, ranks))
        for unit in range(units)
    ]


def _window_ranks(rule: Rule, organization: Organization, ranks: int) -> int:
    """Return how many ranks share the window of a rule."""
    shared = {"rank": 1, "pseudo_channel": min(organization.ranks, ranks), "channel": ranks}
    if (rule.before, rule.after) != ("ACT", "ACT") or rule.level not in shared:
        raise InputError(
            f"dram.rules: {rule.level} {rule.before}-{rule.after} window={rule.window}: a window of more than 1 is "
            "supported from ACT to ACT of a rank, a pseudo channel or the channel only"
        )
    return shared[rule.level]


def _no_such_rule(rule: Rule) -> InputError:
    return InputError(f"dram.rules: {rule.level} {rule.before}-{rule.after}: no such rule can be enforced")


def _add_refresh_rule(
    rule: Rule,
    before: int,
    latency: int,
    bank_delta: npt.NDArray[np.int32],
    refresh_delta: npt.NDArray[np.int32],
) -> None:
    """Enter a rule that ends at REF (level rank) or REFB (level rank or bank)."""
    if rule.level == "bank" and rule.after == "REFB":
        bank_delta[before, -1] = max(bank_delta[before, -1], latency)
    elif rule.level == "rank":
        refresh_delta[before] = max(refresh_delta[before], latency)
    else:
        raise _no_such_rule(rule)


def _add_spread(
    pairs: dict[tuple[int, int], npt.NDArray[np.int32]],
    rule: Rule,
    before: int,
    latency: int,
    organization: Organization,
    ranks: int,
) -> None:
    """Enter a rule between banks of a bank group or of wider levels."""
    groups, banks = organization.bank_groups, organization.banks_per_group
    per_channel = ranks // max(1, min(organization.pseudo_channels, ranks))
    pair = pairs.setdefault(
        (before, _CLASSES.index(rule.after)),
        # Axes: rank and bank group of the command before; rank, bank group and bank bound.
        np.full((ranks, groups, ranks, groups, banks), UNBOUND, dtype=np.int32),
    )
    own_group = np.arange(groups)
    for rank in range(ranks):
        bus = rank // per_channel
        mates = [other for other in range(ranks) if other // per_channel == bus]
        reached: Any
        if rule.level == "bank_group":
            reached = np.s_[rank, own_group, rank, own_group]
        elif rule.level == "rank":
            reached = np.s_[rank, :, rank]
        elif rule.level == "other_rank":
            reached = np.s_[rank, :, [other for other in mates if other != rank]]
        elif rule.level == "pseudo_channel":
            reached = np.s_[rank, :, mates]
        else:
            reached = np.s_[rank]
        pair[reached] = np.maximum(pair[reached], latency)


def _padded(banks: int) -> int:
    return -(-banks // 8) * 8


def _flatten(
    pairs: dict[tuple[int, int], npt.NDArray[np.int32]], ranks: int, organization: Organization
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    groups, banks = ranks * organization.bank_groups, ranks * organization.banks_per_rank
    spread_at = np.full((len(COMMANDS), len(_CLASSES)), -1, dtype=np.int32)
    everywhere = np.zeros_like(spread_at)
    spread = np.full((max(1, len(pairs)), groups, _padded(banks)), UNBOUND, dtype=np.int32)
    used = 0
    for (before, after), pair in pairs.items():
        if int(pair.max()) <= 0:
            continue
        spread[used, :, :banks] = pair.reshape(groups, banks)
        spread_at[before, after] = used
        same_rank = np.zeros(pair.shape, dtype=bool)
        for rank in range(ranks):
            same_rank[rank, :, rank] = True
        everywhere[before, after] = bool(np.any(pair[~same_rank] > 0))
        used += 1
    return spread, spread_at, everywhere


def command_pins(spec: DramSpec) -> npt.NDArray[np.int32]:
    """Return the clocks that each of `COMMANDS` takes on its pins."""
    names = {"PREA": "PRE", "REFB": "REF"}
    return np.array(
        [getattr(spec.timing, f"{names.get(name, name)}_clk") for name in COMMANDS], dtype=np.int32
    )


def _shift(size: int) -> int:
    return (size - 1).bit_length()


def _sizes(spec: DramSpec, ranks: int) -> dict[str, int]:
    organization, controller = spec.organization, spec.controller
    banks = ranks * organization.banks_per_rank
    by_rank = controller.command_queue_scope == "rank"
    return {
        "ranks": ranks,
        "bank_groups": organization.bank_groups,
        "banks_per_group": organization.banks_per_group,
        "padded": _padded(banks),
        "group_shift": _shift(organization.banks_per_group),
        "rank_shift": _shift(organization.banks_per_rank),
        "split": int(organization.split_command_bus),
        "read_queue": controller.read_queue,
        "write_queue": controller.write_queue,
        "command_queue": controller.command_queue,
        "queue_shift": _shift(organization.banks_per_rank) if by_rank else 0,
        "queues": ranks if by_rank else banks,
    }


def _policies(spec: DramSpec) -> dict[str, int]:
    controller = spec.controller
    return {
        "scheduler": _SCHEDULERS.index(controller.scheduler),
        "arbitration": _ARBITRATIONS.index(controller.arbitration),
        "rank_round_robin": int(controller.rank_arbitration == "round-robin"),
        "protection": _PROTECTIONS.index(controller.row_hit_protection),
        "row_hit_cap": controller.row_hit_cap,
        "protection_cap": controller.protection_cap,
        "activated_first": int(controller.activated_first),
        "row_policy": _ROW_POLICIES.index(controller.row_policy),
        "row_timeout": controller.row_timeout_clk,
        "batch": int(controller.write_drain == "batch"),
        "drain_high": controller.write_drain_high,
        "drain_low": controller.write_drain_low,
        "forwarding": int(controller.read_forwarding),
        "coalescing": int(controller.write_coalescing),
        "merging": int(controller.read_merging),
        "blocking": _BLOCKINGS.index(controller.refresh_blocking),
        "precharge_all": int(controller.refresh_precharge == "all"),
    }


def _is_partial(spec: DramSpec) -> bool:
    return spec.refresh.mode in ("per-bank", "same-bank")


def _clocks(spec: DramSpec) -> dict[str, int]:
    timing, organization, idle = spec.timing, spec.organization, spec.idle
    covered = {"per-bank": 1, "same-bank": organization.bank_groups}
    return {
        "read_data": timing.CL + timing.tBL + (timing.tDQSCK or 0),
        "write_data": timing.CWL + timing.tBL,
        "refresh": int(spec.refresh.mode != "none"),
        "partial": int(_is_partial(spec)),
        "steps": spec.refresh_steps,
        "step_count": covered.get(spec.refresh.mode, organization.banks_per_rank),
        "step_stride": organization.banks_per_group if spec.refresh.mode == "same-bank" else 1,
        # Owing eight, a rank is refreshed: no more than nine intervals may pass between two refreshes (JEDEC).
        "postpone": min(spec.refresh.postpone, 7) if spec.refresh.mode == "all-bank" else 0,
        "refresh_clk": spec.refresh_clk,
        "power_down": idle.power_down_clk,
        "self_refresh": idle.self_refresh_clk,
        **{name: getattr(timing, name) or 0 for name in ("tCKE", "tXP", "tCKESR", "tXS")},
    }


def _refresh_clocks(spec: DramSpec, channel: int, refresh_rank: int, ranks: int) -> dict[str, int]:
    first = channel * spec.organization.all_ranks + refresh_rank
    interval = spec.refresh_interval_of(first, ranks) // spec.refresh_steps
    stagger = interval // spec.organization.all_ranks if spec.refresh.staggered else 0
    return {
        "step_interval": interval,
        "first_due": (refresh_rank + 1) * stagger if spec.refresh.staggered else interval,
        "due_stagger": stagger,
    }
