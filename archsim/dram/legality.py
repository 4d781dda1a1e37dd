"""Legality of a DRAM command log, from the log and the rules of the standard alone.

Nothing here knows how a controller works: any simulator's log can be checked. Each rule is checked on whole arrays, so
that a log of ten million commands takes a minute or two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from archsim.dram.spec import DramSpec
from archsim.dram.timing import Rule, resolve_latency
from archsim.errors import InputError, nearest

__all__ = ["COMMANDS", "LONGEST_WITHOUT_REFRESH", "Violation", "check", "name_of"]

#: Commands that a log may hold; a log of integers counts from 0 in this order.
COMMANDS = ("ACT", "PRE", "RD", "WR", "REF", "PREA", "REFB")
ACT, PRE, RD, WR, REF, PREA, REFB = range(len(COMMANDS))
#: JEDEC lets eight refreshes be postponed.
LONGEST_WITHOUT_REFRESH = 9

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Violation:
    """One rule that a log breaks.

    Attributes
    ----------
    rule : str
        What is broken, such as ``"bank ACT-RD"`` or ``"data bus overlap RD-WR"``.
    count : int
        How often.
    index, clk : int
        Number of the first offending command in the log (from 0) and its clock.
    text : str
        What is wrong there.
    """

    rule: str
    count: int
    index: int
    clk: int
    text: str


@dataclass(frozen=True)
class _Log:
    """Commands in order of issue, one row of the log each; ``line`` is the place in the log given."""

    line: Ints
    clk: Ints
    command: npt.NDArray[np.int8]
    bank: Ints

    def pick(self, which: Bools | Ints) -> _Log:
        return _Log(self.line[which], self.clk[which], self.command[which], self.bank[which])

    def tell(self, at: int) -> str:
        """Describe one command."""
        return f"{COMMANDS[self.command[at]]} of bank {self.bank[at]} at clock {self.clk[at]}"


class _Findings:
    """Violations found so far."""

    def __init__(self, clk: Ints) -> None:
        self._clk = clk
        self.found: list[Violation] = []

    def add(self, rule: str, lines: Ints, describe: Callable[[int], str]) -> None:
        """Note that the commands at these lines break a rule; ``describe`` tells of the one at a place of ``lines``."""
        if len(lines):
            at = int(np.argmin(lines))
            line = int(lines[at])
            self.found.append(Violation(rule, len(lines), line, int(self._clk[line]), describe(at)))


def check(
    spec: DramSpec,
    clk: npt.ArrayLike,
    command: npt.ArrayLike | Sequence[str],
    bank: npt.ArrayLike,
    row: npt.ArrayLike,
    column: npt.ArrayLike | None = None,
) -> list[Violation]:
    """Return what is illegal in a command log of one channel, the first violation first.

    Checked are the rows of ``spec.rules``; that row and bank states allow each command (a PRE of a closed bank does
    nothing and is allowed); the command pins, with commands of several clocks and split pins; the data bus of each
    pseudo channel, whatever the rules say; and that no bank goes without refresh for more than nine intervals, unless
    ranks may enter self-refresh, which a log does not show.

    Parameters
    ----------
    spec : DramSpec
        The memory; controller, address map and energies do not matter.
    clk : array_like of int [n]
        Memory clock of each command, in order of issue; of two at one clock, in the order in which they take effect.
    command : array_like of str or int [n]
        Names of `COMMANDS`, or their numbers.
    bank : array_like of int [n]
        ``((pseudo_channel * ranks + rank) * bank_groups + bank_group) * banks_per_group + bank``; of PREA, REF and
        REFB any bank that is concerned.
    row : array_like of int [n]
        Row of ACT, RD and WR; ignored elsewhere.
    column : array_like of int [n], optional
        Not looked at: any burst of an open row may be read.

    Raises
    ------
    InputError
        For columns of different lengths, clocks out of order, an unknown command, or a bank that the memory lacks.
    """
    log, rows = _read(spec, clk, command, bank, row, column)
    findings = _Findings(log.clk)
    if len(log.clk):
        _check_pins(spec, log, findings)
        narrow, wide = _follow_banks(spec, log, rows, findings)
        _check_rules(spec, narrow, wide, findings)
        _check_data_bus(spec, log, findings)
        # Self-refresh leaves no trace in a log: a pause may be one.
        if spec.refresh.mode != "none" and not spec.idle.self_refresh_clk:
            _check_refresh_intervals(spec, log, narrow, findings)
    return sorted(findings.found, key=lambda violation: (violation.index, violation.rule))


def name_of(rule: Rule) -> str:
    """Return what a violation of a row of the rule table is called."""
    window = f" window {rule.window}" if rule.window > 1 else ""
    return f"{rule.level} {rule.before}-{rule.after}{window}"


def _read(
    spec: DramSpec,
    clk: npt.ArrayLike,
    command: npt.ArrayLike | Sequence[str],
    bank: npt.ArrayLike,
    row: npt.ArrayLike,
    column: npt.ArrayLike | None,
) -> tuple[_Log, Ints]:
    """Return the log and its rows, checked."""
    clks, banks, rows = (np.asarray(part, dtype=np.int64) for part in (clk, bank, row))
    codes = _codes(np.asarray(command))
    lengths = {"clk": len(clks), "command": len(codes), "bank": len(banks), "row": len(rows)}
    if column is not None:
        lengths["column"] = len(np.asarray(column))
    for name, length in lengths.items():
        if length != len(clks):
            raise InputError(f"command log: {name} has {length} entries, clk has {len(clks)}")
    outside = np.flatnonzero((banks < 0) | (banks >= spec.organization.banks))
    if len(outside):
        at = int(outside[0])
        raise InputError(f"command {at}: bank {banks[at]}: must be below {spec.organization.banks}")
    backwards = np.flatnonzero(np.diff(clks) < 0)
    if len(backwards):
        at = int(backwards[0]) + 1
        raise InputError(
            f"command {at}: clock {clks[at]}: must not be before {clks[at - 1]}, that of the one before"
        )
    return _Log(np.arange(len(clks)), clks, codes, banks), rows


def _codes(command: npt.NDArray[np.generic]) -> npt.NDArray[np.int8]:
    """Return the numbers of commands given as names or numbers."""
    codes = np.full(len(command), -1, dtype=np.int8)
    for code, name in enumerate(COMMANDS):
        codes[command == (name if command.dtype.kind in "UO" else code)] = code
    unknown = np.flatnonzero(codes < 0)
    if len(unknown):
        at = int(unknown[0])
        raise InputError(f"command {at}: unknown command {command[at]}{nearest(str(command[at]), COMMANDS)}")
    return codes


def _check_pins(spec: DramSpec, log: _Log, findings: _Findings) -> None:
    """Check that each command has its pins to itself for as long as it takes."""
    timing = spec.timing
    act, pre, rd, wr, ref = (timing.ACT_clk, timing.PRE_clk, timing.RD_clk, timing.WR_clk, timing.REF_clk)
    taken = np.array([act, pre, rd, wr, ref, pre, ref])
    sets = {"command bus": log}
    if spec.organization.split_command_bus:
        on_column = (log.command == RD) | (log.command == WR)
        sets = {"column command bus": log.pick(on_column), "row command bus": log.pick(~on_column)}
    for rule, part in sets.items():
        late = np.flatnonzero(np.diff(part.clk) < taken[part.command[:-1]]) + 1

        def text(at: int, part: _Log = part, late: Ints = late) -> str:
            return f"{part.tell(late[at])} while {part.tell(late[at] - 1)} is on the pins"

        findings.add(rule, part.line[late], text)


def _follow_banks(spec: DramSpec, log: _Log, rows: Ints, findings: _Findings) -> tuple[_Log, _Log]:
    """Check commands against open rows; return the log as single banks see it, and as ranks and channels do.

    For single banks, PREA, REF and REFB are one command in each bank on which they act. Precharges that close nothing
    are left out of both.
    """
    spread, spread_rows = _spread(spec, log, rows)
    order = np.argsort(spread.bank, kind="stable")
    events, event_rows = spread.pick(order), spread_rows[order]
    command, bank = events.command, events.bank
    changes = (command == ACT) | (command == PRE)
    # For each event, the last earlier one that opened or closed a bank, if it is of the same bank.
    last = np.maximum.accumulate(np.where(changes, np.arange(len(bank)), -1))
    last = np.concatenate([[-1], last[:-1]])
    is_open = (last >= 0) & (bank[last] == bank) & (command[last] == ACT)
    wrong = is_open & (event_rows[last] != event_rows)
    for rule, broken in (
        ("ACT to an open bank", (command == ACT) & is_open),
        ("RD to a closed bank", (command == RD) & ~is_open),
        ("WR to a closed bank", (command == WR) & ~is_open),
        ("RD to a wrong row", (command == RD) & wrong),
        ("WR to a wrong row", (command == WR) & wrong),
        ("REF with an open bank", (command == REF) & is_open),
        ("REFB with an open bank", (command == REFB) & is_open),
    ):
        lines, places = np.unique(events.line[broken], return_index=True)
        places = np.flatnonzero(broken)[places]

        def text(at: int, places: Ints = places) -> str:
            event = int(places[at])
            state = f"row {event_rows[last[event]]} is open" if is_open[event] else "it is closed"
            row = "" if command[event] in (REF, REFB) else f" row {event_rows[event]}:"
            return f"{events.tell(event)}:{row} {state}"

        findings.add(rule, lines, text)
    kept = np.empty(len(order), dtype=np.bool_)
    kept[order] = (command != PRE) | is_open
    narrow = spread.pick(kept)
    acting = np.zeros(len(log.line), dtype=np.bool_)
    acting[narrow.line] = True
    whole = np.where(log.command == PREA, PRE, log.command).astype(np.int8)
    return narrow, _Log(log.line, log.clk, whole, log.bank).pick(acting)


def _spread(spec: DramSpec, log: _Log, rows: Ints) -> tuple[_Log, Ints]:
    """Return the log with PREA as one PRE, REF as one REF and REFB as one REFB per bank on which it acts."""
    shape = spec.organization
    per_rank, per_group = shape.banks_per_rank, shape.banks_per_group
    # How many banks, how far apart, and the first of them.
    counts, strides = np.array([1, 1, 1, 1, per_rank, per_rank, 1]), np.array([0, 0, 0, 0, 1, 1, 0])
    rank_start = log.bank // per_rank * per_rank
    first = np.where((log.command == REF) | (log.command == PREA), rank_start, log.bank)
    if spec.refresh.mode == "same-bank":
        counts[REFB], strides[REFB] = shape.bank_groups, per_group
        first = np.where(log.command == REFB, rank_start + log.bank % per_group, first)
    count = counts[log.command]
    source = np.repeat(log.line, count)
    number = np.arange(len(source)) - np.repeat(np.cumsum(count) - count, count)
    spread = log.pick(source)
    command = np.where(spread.command == PREA, PRE, spread.command).astype(np.int8)
    return _Log(source, spread.clk, command, first[source] + number * strides[spread.command]), rows[source]


def _check_rules(spec: DramSpec, narrow: _Log, wide: _Log, findings: _Findings) -> None:
    """Compare each command with the window-th last one before it in the same place, rule by rule."""
    shape = spec.organization
    places = {
        "bank": (narrow, 1),
        "bank_group": (narrow, shape.banks_per_group),
        "rank": (wide, shape.banks_per_rank),
        "pseudo_channel": (wide, shape.banks // shape.pseudo_channels),
        "channel": (wide, shape.banks),
    }
    for level, (log, banks_per_place) in places.items():
        rules = [rule for rule in spec.rules if rule.level == level]
        if rules:
            place = log.bank // banks_per_place
            order = np.argsort(place, kind="stable")
            log, place = log.pick(order), place[order]
            if level == "bank_group":  # one command on several banks of a group is one command there
                once = np.ones(len(place), dtype=np.bool_)
                once[1:] = (place[1:] != place[:-1]) | (log.line[1:] != log.line[:-1])
                log, place = log.pick(once), place[once]
        for rule in rules:
            code, after = COMMANDS.index(rule.before), COMMANDS.index(rule.after)
            early = _too_early(spec, rule, log, log.command == code, log.command == after, place)
            _report(rule, spec, [(log, *early)], findings)
    across = [rule for rule in spec.rules if rule.level == "other_rank"]
    if across and shape.ranks > 1:
        _check_across_ranks(spec, across, wide, findings)


def _check_across_ranks(spec: DramSpec, rules: list[Rule], wide: _Log, findings: _Findings) -> None:
    """Compare each command with the last ones of all other ranks of its pseudo channel."""
    shape = spec.organization
    channels = []
    for number in range(shape.pseudo_channels):
        log = wide.pick(wide.bank // (shape.banks // shape.pseudo_channels) == number)
        channels.append((log, log.bank // shape.banks_per_rank % shape.ranks))
    for rule in rules:
        found = []
        for log, rank in channels:
            before, after = (log.command == COMMANDS.index(name) for name in (rule.before, rule.after))
            for own in range(shape.ranks):
                found.append(
                    (log, *_too_early(spec, rule, log, before & (rank != own), after & (rank == own), None))
                )
        _report(rule, spec, found, findings)


def _too_early(
    spec: DramSpec, rule: Rule, log: _Log, before: Bools, after: Bools, place: Ints | None
) -> tuple[Ints, Ints]:
    """Return where in the log commands come too early, and the commands from which the rule counts there."""
    latency = resolve_latency(rule.latency, spec.timing)
    earlier, later = np.flatnonzero(before), np.flatnonzero(after)
    count: Ints = np.cumsum(before, dtype=np.int64)
    nth = (count - before)[later] - rule.window
    later, nth = later[nth >= 0], nth[nth >= 0]
    start = earlier[nth]
    early = log.clk[later] - log.clk[start] < latency
    if place is not None:
        early &= place[later] == place[start]
    return later[early], start[early]


def _report(rule: Rule, spec: DramSpec, found: list[tuple[_Log, Ints, Ints]], findings: _Findings) -> None:
    latency = resolve_latency(rule.latency, spec.timing)

    def text(at: int) -> str:
        for log, later, start in found:
            if at < len(later):
                return f"{log.tell(later[at])}, {log.tell(start[at])}: at least {latency} clocks apart"
            at -= len(later)
        raise IndexError(at)

    findings.add(name_of(rule), np.concatenate([log.line[later] for log, later, _ in found]), text)


def _check_data_bus(spec: DramSpec, log: _Log, findings: _Findings) -> None:
    """Check that bursts do not overlap and leave a gap where the rank changes, whatever the rules say."""
    shape, timing = spec.organization, spec.timing
    bursts = log.pick((log.command == RD) | (log.command == WR))
    start = bursts.clk + np.where(bursts.command == RD, timing.CL + (timing.tDQSCK or 0), timing.CWL)
    channel = bursts.bank // (shape.banks // shape.pseudo_channels)
    order = np.lexsort((start, channel))
    bursts, start, channel = bursts.pick(order), start[order], channel[order]
    rank = bursts.bank // shape.banks_per_rank
    gap = np.where(channel[1:] == channel[:-1], start[1:] - start[:-1] - timing.tBL, timing.tRTRS)
    switch = (rank[1:] != rank[:-1]) & (gap >= 0) & (gap < timing.tRTRS)
    for rule, broken in (("data bus overlap", gap < 0), ("rank switch gap", switch)):
        for before in (RD, WR):
            for after in (RD, WR):
                pair = (bursts.command[:-1] == before) & (bursts.command[1:] == after)
                places = np.flatnonzero(broken & pair) + 1

                def text(at: int, places: Ints = places) -> str:
                    place = int(places[at])
                    apart = f"bursts start {start[place] - start[place - 1]} clocks apart"
                    return f"{bursts.tell(place)}, {bursts.tell(place - 1)}: {apart}"

                name = f"{rule} {COMMANDS[before]}-{COMMANDS[after]}"
                findings.add(name, bursts.line[places], text)


def _check_refresh_intervals(spec: DramSpec, log: _Log, narrow: _Log, findings: _Findings) -> None:
    """Check that nothing goes without refresh too long, from clock 0 to the end of the log."""
    whole_ranks = spec.refresh.mode == "all-bank"
    done = narrow.pick((narrow.command == REF) | (narrow.command == REFB))
    done = done.pick(np.argsort(done.bank, kind="stable"))
    shape = spec.organization
    step = shape.banks_per_rank if whole_ranks else 1
    lines, texts = [], []
    for bank in range(0, shape.banks, step):
        # Ranks of different temperatures differ; of which channel the log is, nobody says: the longest counts.
        rank = bank // shape.banks_per_rank
        of_channel = (
            spec.refresh_interval_of(channel * shape.all_ranks + rank, 1) for channel in range(shape.channels)
        )
        limit = LONGEST_WITHOUT_REFRESH * max(of_channel)
        own = slice(*np.searchsorted(done.bank, [bank, bank + 1]))
        at = np.concatenate([done.line[own], log.line[-1:]])
        clk = np.concatenate([[0], done.clk[own], log.clk[-1:]])
        for late in np.flatnonzero(np.diff(clk) > limit):
            lines.append(int(at[late]))
            what = f"rank {bank // step}" if whole_ranks else f"bank {bank}"
            texts.append(
                f"{what} not refreshed for {clk[late + 1] - clk[late]} clocks, at most {limit} are allowed"
            )
    findings.add("refresh starvation", np.array(lines, dtype=np.int64), texts.__getitem__)
