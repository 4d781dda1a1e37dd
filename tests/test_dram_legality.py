"""The legality checker finds every violation that is planted, and what is known to be in the logs of other simulators."""

import csv
import gzip
from collections import Counter
from pathlib import Path

import engine
import pytest
from legality import check, name_of

from archsim.dram.spec import DramSpec, resolve_latency

SHARED = Path(__file__).parents[1].parent / "shared" / "reference" / "dram"
RULES = DramSpec.load("ddr4-2400").rules
SPEC = engine.ddr4(organization={"ranks": 2}, refresh={"mode": "none", "staggered": True})
# Where the earlier command goes, and the later one by the level of the rule: (rank, bank group, bank).
FIRST = (0, 0, 0)
SECOND = {"bank": (0, 0, 0), "bank_group": (0, 0, 1), "rank": (0, 1, 0), "other_rank": (1, 0, 0)}
ROW = 7
START = 100_000


def names(log, spec=SPEC):
    return {violation.rule for violation in check(sorted(log, key=lambda line: line[0]), spec)}


def opened_long_ago(*places):
    return [(1000 * i, "ACT", *place, ROW, -1) for i, place in enumerate(dict.fromkeys(places))]


def sequence(rule, gap):
    """Return commands in which ``after`` follows the ``window``-th last ``before`` by ``gap`` clocks."""
    first, second = FIRST, SECOND[rule.level]
    if "REF" in (rule.before, rule.after):
        second = FIRST
    needs_row = [
        place
        for place, command in ((first, rule.before), (second, rule.after))
        if command in ("RD", "WR", "PRE")
    ]
    if rule.before == "ACT" and first in needs_row:
        needs_row.remove(first)
    log = opened_long_ago(*needs_row)
    places = (
        [(first[0], i % 4, i // 4 + first[2]) for i in range(rule.window)] if rule.window > 1 else [first]
    )
    if rule.window > 1:
        second = (0, 0, 3)
    log += [(START + i, rule.before, *place, ROW, -1) for i, place in enumerate(places)]
    if (rule.before, rule.after) in (("ACT", "ACT"), ("ACT", "REF")) and second == first:
        log.append((START + 1, "PRE", *first, -1, -1))
    return [*log, (START + gap, rule.after, *second, ROW, -1)]


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_a_command_one_clock_early_breaks_its_rule_and_one_in_time_does_not(rule):
    latency = resolve_latency(rule.latency, SPEC.timing)
    assert name_of(rule) in names(sequence(rule, latency - 1))
    assert name_of(rule) not in names(sequence(rule, latency))


STRUCTURAL = {
    "command bus": [(0, "ACT", 0, 0, 0, ROW, -1), (0, "ACT", 1, 0, 0, ROW, -1)],
    "ACT to an open bank": [(0, "ACT", *FIRST, ROW, -1), (900, "ACT", *FIRST, 8, -1)],
    "RD to a closed bank": [(0, "RD", *FIRST, ROW, 3)],
    "WR to a closed bank": [(0, "ACT", *FIRST, ROW, -1), (900, "PRE", *FIRST, -1, -1), (1800, "WR", *FIRST, ROW, 3)],
    "RD to a wrong row": [(0, "ACT", *FIRST, ROW, -1), (900, "RD", *FIRST, 8, 3)],
    "WR to a wrong row": [(0, "ACT", *FIRST, ROW, -1), (900, "WR", *FIRST, 8, 3)],
    "REF with an open bank": [(0, "ACT", *FIRST, ROW, -1), (900, "REF", 0, -1, -1, -1, -1)],
    "data bus overlap RD-RD": [*opened_long_ago(FIRST, SECOND["other_rank"]), (9000, "RD", *FIRST, ROW, 0),
                               (9003, "RD", *SECOND["other_rank"], ROW, 0)],
    "data bus overlap RD-WR": [*opened_long_ago(FIRST, SECOND["other_rank"]), (9000, "RD", *FIRST, ROW, 0),
                               (9006, "WR", *SECOND["other_rank"], ROW, 0)],
    "rank switch gap WR-WR": [*opened_long_ago(FIRST, SECOND["other_rank"]), (9000, "WR", *FIRST, ROW, 0),
                              (9005, "WR", *SECOND["other_rank"], ROW, 0)],
}  # fmt: skip


@pytest.mark.parametrize("rule", STRUCTURAL)
def test_a_planted_structural_violation_is_found_by_its_name(rule):
    assert rule in names(STRUCTURAL[rule])


def test_a_rank_left_without_refresh_is_found():
    spec = engine.ddr4()
    tREFI = spec.timing.tREFI
    refreshes = [(clk, "REF", 0, -1, -1, -1, -1) for clk in (tREFI, 2 * tREFI)]
    end = (2 * tREFI + 9 * tREFI, "ACT", *FIRST, ROW, -1)
    assert names([*refreshes, end], spec) == set()
    assert names([*refreshes, (end[0] + 1, *end[1:])], spec) == {"refresh starvation"}


def test_precharging_a_closed_bank_is_harmless():
    assert (
        names([(0, "PRE", *FIRST, -1, -1), (1, "PREA", 0, -1, -1, -1, -1), (2, "ACT", *FIRST, ROW, -1)])
        == set()
    )


# What an independent checker found in logs of 20,000 requests (reference/dram/check_commands.out): bus violations.
OTHERS = {
    "dramsim3_DDR4_1r_bank8_random_20k": {},
    "dramsim3_DDR4_2r_bank8_mix_20k": {"rank switch gap WR-WR": 1393},
    "dramsys_DDR4_1r_rw32_random_20k": {},
    "dramsys_DDR4_2r_rw32_mix_20k": {},
    "dramsys_DDR4_2r_wm32_mix_20k": {},
    "ramulator2_DDR4_1r_rowhit32_random_20k": {},
    "ramulator2_DDR4_2r_rowhit32_mix_20k": {
        "data bus overlap RD-WR": 287, "rank switch gap WR-WR": 1685, "rank switch gap RD-WR": 7,
    },
}  # fmt: skip


def read_log(path):
    rename = {"PREpb": "PRE", "PREab": "PREA", "REFab": "REF"}
    with gzip.open(path, "rt", newline="") as file:
        for line in csv.DictReader(file):
            place = (int(line[key] or -1) for key in ("rank", "bankgroup", "bank", "row", "col"))
            yield (int(line["clk"]), rename.get(line["cmd"], line["cmd"]), *place)


@pytest.mark.parametrize("name", OTHERS)
def test_logs_of_other_simulators_hold_exactly_the_known_violations(name):
    path = SHARED / "cmdlogs" / f"{name}.csv.gz"
    if not path.is_file():
        pytest.skip(f"../shared/reference/dram/cmdlogs/{path.name} is not on this machine")
    spec = engine.ddr4(organization={"ranks": 2 if "_2r_" in name else 1})
    found = Counter(violation.rule for violation in check(read_log(path), spec))
    # The rules between ranks see the same clashes as the data bus does, from the side of the commands.
    between_ranks = [rule for rule in found if rule.startswith("other_rank")]
    assert bool(between_ranks) == bool(OTHERS[name])
    assert {rule: count for rule, count in found.items() if rule not in between_ranks} == OTHERS[name]
