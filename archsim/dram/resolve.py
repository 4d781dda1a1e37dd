"""From a DRAM specification to the integer tables that the replay kernels take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from archsim.dram.spec import resolve_latency
from archsim.errors import InputError

if TYPE_CHECKING:
    from archsim.dram.spec import DramSpec, Rule

#: Command numbers of the kernels and of command logs.
COMMANDS = ("ACT", "PRE", "RD", "WR", "REF", "PREA")
#: "No constraint": far enough back that no clock plus this one binds anything.
UNBOUND = -(1 << 24)
#: Commands that wait for their rank or bank group, in the order of the kernel's group table.
_GROUP_CLASSES = ("ACT", "RD", "WR")


@dataclass(frozen=True)
class DramTables:
    """Integer form of a :class:`~archsim.dram.spec.DramSpec`; times are memory clocks.

    Attributes
    ----------
    parameters : int64 array
        Scalars in the order of ``archsim.kernels.dram.PARAMETERS``.
    group_delta : int32 array [5, ranks * bank_groups, padded]
        What a command (ACT, PRE, RD, WR, REF) to one bank group adds to the earliest clock of each
        (ACT | RD | WR, rank, bank group).
    bank_delta : int32 array [6, 4]
        The same within a bank: command before x command after (ACT, PRE, RD, WR).
    refresh_delta : int32 array [6]
        Command before to REF of its rank.
    """

    parameters: npt.NDArray[np.int64]
    group_delta: npt.NDArray[np.int32]
    bank_delta: npt.NDArray[np.int32]
    refresh_delta: npt.NDArray[np.int32]


def resolve(spec: DramSpec, *, ranks: int | None = None, refresh_rank: int = 0) -> DramTables:
    """Resolve a specification once, before the first event.

    Parameters
    ----------
    spec : DramSpec
        The memory.
    ranks : int, optional
        Build the tables of only this many ranks; a near-memory rank unit drives one rank alone.
    refresh_rank : int
        Number, in the whole memory, of the first rank built: it sets when its first refresh falls due.

    Raises
    ------
    InputError
        For a rule that the kernel has no place for.
    """
    built = spec.organization.ranks if ranks is None else ranks
    bank_groups = spec.organization.bank_groups
    bank_delta = np.full((len(COMMANDS), 4), UNBOUND, dtype=np.int32)
    refresh_delta = np.full(len(COMMANDS), UNBOUND, dtype=np.int32)
    padded = -(-(3 * built * bank_groups + 1) // 8) * 8
    # Axes: command, its rank, its bank group; class waiting, its rank, its bank group.
    group = np.full((5, built, bank_groups, 3, built, bank_groups), UNBOUND, dtype=np.int32)
    window, window_clk = 1, UNBOUND
    for rule in spec.rules:
        latency = resolve_latency(rule.latency, spec.timing)
        before = COMMANDS.index(rule.before)
        if rule.window > 1:
            _check_window(rule)
            window, window_clk = rule.window, latency
        elif rule.after == "REF":
            refresh_delta[before] = max(refresh_delta[before], latency)
        elif rule.level == "bank":
            after = COMMANDS.index(rule.after)
            bank_delta[before, after] = max(bank_delta[before, after], latency)
        else:
            _add_group_rule(group, rule, before, latency)
    return DramTables(
        _parameters(spec, built, refresh_rank, window, window_clk),
        _flatten(group, built * bank_groups, padded),
        bank_delta,
        refresh_delta,
    )


def _check_window(rule: Rule) -> None:
    if (rule.level, rule.before, rule.after) != ("rank", "ACT", "ACT"):
        raise InputError(
            f"dram.rules: {rule.level} {rule.before}-{rule.after} window={rule.window}: a window of more than 1 is "
            "supported from ACT to ACT of a rank only"
        )


def _add_group_rule(group: npt.NDArray[np.int32], rule: Rule, before: int, latency: int) -> None:
    """Enter a rule of level bank_group, rank or other_rank into the table between bank groups."""
    # A pending refresh withholds ACT by itself, so nothing but ACT and REF of the same rank may push it back.
    odd_act = rule.after == "ACT" and (rule.level == "other_rank" or rule.before not in ("ACT", "REF"))
    if rule.after not in _GROUP_CLASSES or rule.before == "PRE" or odd_act:
        raise InputError(f"dram.rules: {rule.level} {rule.before}-{rule.after}: no such rule can be enforced")
    after = _GROUP_CLASSES.index(rule.after)
    ranks, bank_groups = group.shape[1:3]
    for rank in range(ranks):
        for bank_group in range(bank_groups):
            reached: Any
            if rule.level == "bank_group":
                reached = np.s_[before, rank, bank_group, after, rank, bank_group]
            elif rule.level == "rank":
                reached = np.s_[before, rank, bank_group, after, rank, :]
            else:
                others = [other for other in range(ranks) if other != rank]
                reached = np.s_[before, rank, bank_group, after, others, :]
            group[reached] = np.maximum(group[reached], latency)


def _flatten(group: npt.NDArray[np.int32], per_class: int, padded: int) -> npt.NDArray[np.int32]:
    flat = np.full((group.shape[0], per_class, padded), UNBOUND, dtype=np.int32)
    flat[:, :, : 3 * per_class] = group.reshape(group.shape[0], per_class, 3 * per_class)
    return flat


def _parameters(
    spec: DramSpec, ranks: int, refresh_rank: int, window: int, window_clk: int
) -> npt.NDArray[np.int64]:
    from archsim.kernels.dram import PARAMETERS

    timing, organization, controller = spec.timing, spec.organization, spec.controller
    stagger = timing.tREFI // organization.ranks if spec.refresh.staggered else 0
    first = (refresh_rank + 1) * stagger if spec.refresh.staggered else timing.tREFI
    values = {
        "ranks": ranks,
        "bank_groups": organization.bank_groups,
        "banks_per_group": organization.banks_per_group,
        "read_queue": controller.read_queue,
        "write_queue": controller.write_queue,
        "drain_high": controller.write_drain_high,
        "drain_low": controller.write_drain_low,
        "read_data_clk": timing.CL + timing.tBL,
        "write_data_clk": timing.CWL + timing.tBL,
        "act_window": window,
        "act_window_clk": window_clk,
        "refresh": int(spec.refresh.mode != "none"),
        "refresh_interval_clk": timing.tREFI,
        "first_refresh_clk": first,
        "refresh_stagger_clk": stagger,
    }
    return np.array([values[name] for name in PARAMETERS], dtype=np.int64)
