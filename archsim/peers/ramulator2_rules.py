"""Timing constraints of a Ramulator 2.1 file as rules of ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from archsim.peers.ramulator2_standards import Standard
from archsim.peers.yaml_tree import Node

#: Commands that are not modelled; their rows have no effect.
NOT_MODELLED = ("RDA", "WRA", "REFpb", "RFMab", "RFMpb")
_OURS = {"ACT": "ACT", "PREpb": "PRE", "PREab": "PREA", "RD": "RD", "WR": "WR", "REFab": "REF"}
#: A refresh finds its banks closed, and leaves them so: what needs an open row meets it through ACT.
_NEEDS_OPEN_ROW = ("PRE", "PREA", "RD", "WR")

Key = tuple[str, str, str, int]


class _Row(NamedTuple):
    level: str
    befores: list[str]
    afters: list[str]
    latency: int
    window: int
    node: Node


def read_rules(node: Node, standard: Standard, cycles: Sequence[int]) -> list[dict[str, Any]]:
    """Return the rules of a ``timing_constraints`` list.

    Parameters
    ----------
    node : Node
        Rows [level, commands before, commands after, latency, window, sibling], by number; the last two may be absent.
    standard : Standard
        What the numbers stand for.
    cycles : sequence of int
        Clocks that each command occupies its pins; rows that only say this again are left out.

    Raises
    ------
    InputError
        For a malformed row, and where PREA would differ from PRE of every open bank.
    """
    rules: dict[Key, int] = {}
    precharge_all: list[tuple[str, str, str, int, Node]] = []
    for item in node.items():
        row = _row(item, standard)
        for before in row.befores:
            for after in row.afters:
                if before in NOT_MODELLED or after in NOT_MODELLED:
                    continue
                said = (
                    row.level == standard.levels[0] and row.latency <= cycles[standard.commands.index(before)]
                )
                if said and row.window == 1:
                    continue
                pair = _OURS[before], _OURS[after]
                if pair[0] == "REF" and pair[1] in _NEEDS_OPEN_ROW:
                    continue
                level = _our_level(row.level, standard, refresh="REF" in pair)
                if "PREA" in pair and "REF" not in pair and pair != ("PREA", "PREA"):
                    precharge_all.append((level, *pair, row.latency, row.node))
                    continue
                key = (level, pair[0].replace("PREA", "PRE"), pair[1].replace("PREA", "PRE"), row.window)
                rules[key] = max(rules.get(key, row.latency), row.latency)
    _check_precharge_all(precharge_all, rules)
    return [
        {"level": level, "before": before, "after": after, "latency": str(latency), "window": window}
        for (level, before, after, window), latency in rules.items()
        if latency > 0
    ]


def _row(node: Node, standard: Standard) -> _Row:
    cells = node.items()
    if not 4 <= len(cells) <= 6:
        raise node.error(f"must have 4 to 6 items, has {len(cells)}")
    level = standard.levels[cells[0].integer(0, len(standard.levels) - 1)]
    befores, afters = (
        [standard.commands[command.integer(0, len(standard.commands) - 1)] for command in cell.items()]
        for cell in cells[1:3]
    )
    window = cells[4].integer(1, 64) if len(cells) > 4 else 1
    if len(cells) > 5 and cells[5].boolean():
        if level != "rank":
            raise cells[5].error(f"siblings at level {level} are not modelled, those at level rank are")
        level = "other_rank"
    return _Row(level, befores, afters, cells[3].integer(-1_000_000, 1_000_000), window, node)


def _our_level(level: str, standard: Standard, *, refresh: bool) -> str:
    """Return our name: where a standard has no ranks, what is just above its bank groups is the rank.

    REF acts on ranks, whatever unit the standard refreshes at once.
    """
    above = standard.levels[: standard.levels.index("bank")]
    units = [name for name in above if name != "bank_group"]
    return "rank" if level == units[-1] or (refresh and level in units) else level


def _check_precharge_all(rows: list[tuple[str, str, str, int, Node]], rules: dict[Key, int]) -> None:
    """Check that PREA binds as PRE of each open bank does, because that is how it is replayed."""
    for level, before, after, latency, node in rows:
        singles = (before.replace("PREA", "PRE"), after.replace("PREA", "PRE"))
        same_level = singles == ("PRE", "PRE")
        single = rules.get((level if same_level else "bank", *singles, 1))
        if single != latency:
            rule = f"{before} to {after} takes {latency} clocks and {singles[0]} to {singles[1]} of a bank {single}"
            raise node.error(f"{rule}: a PREA that differs from PRE is not modelled")
