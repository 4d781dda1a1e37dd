"""Legality of a DRAM command log, from the log and the rules of the standard alone.

A log is an iterable of (clk, command, rank, bank group, bank, row, column), the commands being ACT, PRE, RD,
WR, REF and PREA (precharge all banks of a rank).
"""

from collections import defaultdict, deque
from itertools import pairwise
from typing import NamedTuple

from archsim.dram.spec import resolve_latency

WIDTH = {"bank": 3, "bank_group": 2, "rank": 1, "other_rank": 1}
COMMANDS = ("ACT", "PRE", "RD", "WR", "REF")
# JEDEC lets eight refreshes be postponed.
LONGEST_WITHOUT_REFRESH = 9


class Violation(NamedTuple):
    clk: int
    rule: str
    text: str


def check(log, spec):
    """Return every violation in the log, by clock."""
    log = [tuple(line) for line in log]
    effective, found = _follow_banks(log)
    found += _command_bus(log)
    found += _timing_rules(effective, spec)
    found += _data_bus(log, spec.timing)
    if spec.refresh.mode != "none":
        found += _refresh_intervals(log, spec)
    return sorted(found)


def name_of(rule):
    """Return what a violation of a row of the rule table is called."""
    window = f" window {rule.window}" if rule.window > 1 else ""
    return f"{rule.level} {rule.before}-{rule.after}{window}"


def _follow_banks(log):
    """Check commands against open rows; also return the log with PRE and PREA as what they close."""
    open_rows = defaultdict(dict)  # rank -> (bank group, bank) -> row
    effective, found = [], []
    for clk, command, rank, *place, row, _ in log:
        rows, place = open_rows[rank], tuple(place)
        if command in ("PRE", "PREA"):
            for closed in [p for p in rows if command == "PREA" or p == place]:
                del rows[closed]
                effective.append((clk, "PRE", rank, *closed))
            continue
        effective.append((clk, command, rank, *place))
        wrong = _wrong_row(command, rows, place, row)
        if wrong:
            text = f"row {row} in bank {(rank, *place)}; open in the rank: {rows}"
            found.append(Violation(clk, wrong, text))
        if command == "ACT":
            rows[place] = row
    return effective, found


def _wrong_row(command, rows, place, row):
    """Return the rule that the command breaks when ``rows`` are open in its rank."""
    if command == "ACT" and place in rows:
        return "ACT to an open bank"
    if command in ("RD", "WR") and place not in rows:
        return f"{command} to a closed bank"
    if command in ("RD", "WR") and rows[place] != row:
        return f"{command} to a wrong row"
    if command == "REF" and rows:
        return "REF with an open bank"
    return None


def _command_bus(log):
    for before, after in pairwise(log):
        if after[0] <= before[0]:
            yield Violation(after[0], "command bus", f"{after[1]} after {before[1]} at clock {before[0]}")


class _Watch:
    """One rule, and for each place that it binds the last ``window`` clocks of its earlier command."""

    def __init__(self, rule, timing):
        self.rule = rule
        self.name = name_of(rule)
        self.latency = resolve_latency(rule.latency, timing)
        # How much of (rank, bank group, bank) must agree; a refresh is of a whole rank.
        self.width = 1 if "REF" in (rule.before, rule.after) else WIDTH[rule.level]
        self.clocks = defaultdict(lambda: deque(maxlen=rule.window))

    def note(self, clk, place):
        self.clocks[place[: self.width]].append(clk)

    def violations(self, clk, place):
        own = place[: self.width]
        others = self.rule.level == "other_rank"
        for clocks in [self.clocks[p] for p in self.clocks if p != own] if others else [self.clocks[own]]:
            if len(clocks) == self.rule.window and clk < clocks[0] + self.latency:
                text = f"{clk - clocks[0]} clocks after the {self.rule.before} at {clocks[0]}"
                yield Violation(clk, self.name, f"{text}, {self.latency} are needed")


def _timing_rules(effective, spec):
    """Compare each command with the last ``window`` commands that each rule counts."""
    watches = [_Watch(rule, spec.timing) for rule in spec.rules]
    before = {name: [w for w in watches if w.rule.before == name] for name in COMMANDS}
    after = {name: [w for w in watches if w.rule.after == name] for name in COMMANDS}
    for clk, command, *place in effective:
        where = tuple(place)
        for watch in after[command]:
            yield from watch.violations(clk, where)
        for watch in before[command]:
            watch.note(clk, where)


def _data_bus(log, timing):
    """Check that bursts do not overlap and leave a gap where the rank changes, whatever the rules say."""
    delay = {"RD": timing.CL, "WR": timing.CWL}
    bursts = sorted((line[0] + delay[line[1]], *line[:3]) for line in log if line[1] in delay)
    for (start, _, before, rank), (next_start, clk, after, next_rank) in pairwise(bursts):
        gap = next_start - start - timing.tBL
        text = f"{after} of rank {next_rank} {gap} clocks after the burst of a {before} of rank {rank}"
        if gap < 0:
            yield Violation(clk, f"data bus overlap {before}-{after}", text)
        elif rank != next_rank and gap < timing.tRTRS:
            yield Violation(clk, f"rank switch gap {before}-{after}", f"{text}, {timing.tRTRS} are needed")


def _refresh_intervals(log, spec):
    """Check that no rank goes without refresh too long, from clock 0 to the end of the log."""
    limit = LONGEST_WITHOUT_REFRESH * spec.timing.tREFI
    end = max((line[0] for line in log), default=0)
    for rank in range(spec.organization.ranks):
        refreshes = [line[0] for line in log if line[1:3] == ("REF", rank)]
        for last, clk in pairwise([0, *refreshes, end]):
            if clk - last > limit:
                text = f"rank {rank} not refreshed for {clk - last} clocks, at most {limit} are allowed"
                yield Violation(clk, "refresh starvation", text)
