"""Legality of a DRAM command log, from the log and the rules of the standard alone.

A log is an iterable of (clk, command, rank, bank group, bank, row, column), the commands being ACT, PRE, RD,
WR, REF and PREA (precharge all banks of a rank).
"""

from collections import defaultdict, deque
from itertools import pairwise
from typing import NamedTuple

from archsim.dram.spec import resolve_latency

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


def _timing_rules(effective, spec):
    """Compare each command with the last ``window`` commands that each rule counts, kept by place."""
    rules = []
    for rule in spec.rules:
        earlier = defaultdict(lambda window=rule.window: deque(maxlen=window))
        rules.append((rule, resolve_latency(rule.latency, spec.timing), earlier))
    before = {name: [r for r in rules if r[0].before == name] for name in COMMANDS}
    after = {name: [r for r in rules if r[0].after == name] for name in COMMANDS}
    for clk, command, *place in effective:
        for rule, latency, earlier in after[command]:
            for last in _last_before(rule, earlier, place):
                if clk < last + latency:
                    text = f"{clk - last} clocks after the {rule.before} at {last}, {latency} are needed"
                    yield Violation(clk, name_of(rule), text)
        for rule, _, earlier in before[command]:
            earlier[_scope(rule, place)].append(clk)


def _last_before(rule, earlier, place):
    """Return the clocks from which the rule counts: one per other rank, or one at most."""
    if rule.level == "other_rank":
        scopes = [scope for scope in earlier if scope != _scope(rule, place)]
    else:
        scopes = [_scope(rule, place)]
    return [earlier[scope][0] for scope in scopes if len(earlier[scope]) == rule.window]


def _scope(rule, place):
    # A refresh is of a whole rank.
    whole_rank = rule.level in ("rank", "other_rank") or "REF" in (rule.before, rule.after)
    return tuple(place[: 1 if whole_rank else 2 if rule.level == "bank_group" else 3])


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
