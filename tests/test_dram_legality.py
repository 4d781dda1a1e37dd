"""The legality checker finds one planted violation of every rule, and in other simulators' logs what is there."""

import csv
import gzip
import re
from collections import Counter
from pathlib import Path

import pytest
from engine import ddr4
from legality import check, name_of

SHARED = Path(__file__).parents[1].parent / "shared" / "reference" / "dram"

# Places: rank, bank group, bank. One bank, another of its group, one of another group, and one of another rank.
BANK, NEIGHBOUR, OTHER_GROUP, OTHER_RANK = (0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)
RANK = (0, -1, -1)
THREE_MORE_GROUPS = [(4, "ACT", (0, 1, 0)), (8, "ACT", (0, 2, 0)), (12, "ACT", (0, 3, 0))]

# Per rule: commands (clk, name, place) that are legal with the last one exactly where the rule allows it, timing that
# keeps other rules out of the way, and what else breaks when the last one is a clock early.
AT_THE_LIMIT = {
    "bank ACT-ACT": ([(0, "ACT", BANK), (39, "PRE", BANK), (60, "ACT", BANK)], {"tRC": 60}, []),
    "bank ACT-PRE": ([(0, "ACT", BANK), (39, "PRE", BANK)], {}, []),
    "bank ACT-RD": ([(0, "ACT", BANK), (17, "RD", BANK)], {}, []),
    "bank ACT-WR": ([(0, "ACT", BANK), (17, "WR", BANK)], {}, []),
    "bank PRE-ACT": ([(0, "ACT", BANK), (45, "PRE", BANK), (62, "ACT", BANK)], {}, []),
    "bank RD-PRE": ([(0, "ACT", BANK), (40, "RD", BANK), (49, "PRE", BANK)], {}, []),
    "bank WR-PRE": ([(0, "ACT", BANK), (40, "WR", BANK), (74, "PRE", BANK)], {}, []),
    "bank_group ACT-ACT": ([(0, "ACT", BANK), (6, "ACT", NEIGHBOUR)], {}, []),
    "bank_group RD-RD": ([(0, "ACT", BANK), (40, "RD", BANK), (46, "RD", BANK)], {}, []),
    "bank_group WR-WR": ([(0, "ACT", BANK), (40, "WR", BANK), (46, "WR", BANK)], {}, []),
    "bank_group WR-RD": ([(0, "ACT", BANK), (40, "WR", BANK), (65, "RD", BANK)], {}, []),
    "rank ACT-ACT": ([(0, "ACT", BANK), (4, "ACT", OTHER_GROUP)], {}, []),
    "rank ACT-ACT window 4": ([(0, "ACT", BANK), *THREE_MORE_GROUPS, (26, "ACT", NEIGHBOUR)], {}, []),
    "rank RD-RD": (
        [(0, "ACT", BANK), (9, "ACT", OTHER_GROUP), (40, "RD", BANK), (45, "RD", OTHER_GROUP)],
        {"tCCD_S": 5},
        [],
    ),
    "rank WR-WR": (
        [(0, "ACT", BANK), (9, "ACT", OTHER_GROUP), (40, "WR", BANK), (45, "WR", OTHER_GROUP)],
        {"tCCD_S": 5},
        [],
    ),
    "rank RD-WR": ([(0, "ACT", BANK), (40, "RD", BANK), (51, "WR", BANK)], {}, []),
    "rank WR-RD": (
        [(0, "ACT", BANK), (9, "ACT", OTHER_GROUP), (40, "WR", BANK), (59, "RD", OTHER_GROUP)],
        {},
        [],
    ),
    "rank PRE-REF": ([(0, "ACT", BANK), (45, "PRE", BANK), (62, "REF", RANK)], {}, []),
    "rank ACT-REF": ([(0, "ACT", BANK), (39, "PRE", BANK), (60, "REF", RANK)], {"tRC": 60}, []),
    "rank REF-ACT": ([(0, "REF", RANK), (420, "ACT", BANK)], {}, []),
    "rank REF-REF": ([(0, "REF", RANK), (420, "REF", RANK)], {}, []),
    "other_rank RD-RD": (
        [(0, "ACT", BANK), (1, "ACT", OTHER_RANK), (40, "RD", BANK), (46, "RD", OTHER_RANK)],
        {},
        ["rank switch gap RD-RD"],
    ),
    "other_rank WR-WR": (
        [(0, "ACT", BANK), (1, "ACT", OTHER_RANK), (40, "WR", BANK), (46, "WR", OTHER_RANK)],
        {},
        ["rank switch gap WR-WR"],
    ),
    "other_rank RD-WR": (
        [(0, "ACT", BANK), (1, "ACT", OTHER_RANK), (40, "RD", BANK), (51, "WR", OTHER_RANK)],
        {},
        ["rank switch gap RD-WR"],
    ),
    "other_rank WR-RD": (
        [(0, "ACT", BANK), (1, "ACT", OTHER_RANK), (40, "WR", BANK), (45, "RD", OTHER_RANK)],
        {"CWL": 16},
        ["rank switch gap WR-RD"],
    ),
}


def log_of(commands):
    """Give commands (clk, name, place) and, where it is not 7, the row."""
    return [(clk, name, *place, *(row or [7]), 0) for clk, name, place, *row in commands]


def rules_broken(commands, spec):
    return [violation.rule for violation in check(log_of(commands), spec)]


@pytest.mark.parametrize("rule", [name_of(rule) for rule in ddr4().rules])
def test_a_command_one_clock_early_breaks_exactly_its_rule(rule):
    commands, timing, also = AT_THE_LIMIT[rule]
    spec = ddr4(organization={"ranks": 2}, timing=timing)
    *before, (clk, name, place) = commands
    assert rules_broken(commands, spec) == []
    (violation, *others) = check(log_of([*before, (clk - 1, name, place)]), spec)
    assert sorted([violation.rule, *(other.rule for other in others)]) == sorted([rule, *also])
    assert violation.clk == clk - 1


@pytest.mark.parametrize(
    ("rule", "commands"),
    [
        ("command bus", [(0, "ACT", BANK), (0, "ACT", OTHER_RANK)]),
        ("ACT to an open bank", [(0, "ACT", BANK), (60, "ACT", BANK)]),
        ("RD to a closed bank", [(0, "RD", BANK)]),
        ("RD to a closed bank", [(0, "ACT", BANK), (50, "PREA", RANK), (90, "RD", BANK)]),
        ("WR to a closed bank", [(0, "ACT", BANK), (50, "PRE", BANK), (90, "WR", BANK)]),
        ("RD to a wrong row", [(0, "ACT", BANK, 1), (50, "RD", BANK, 2)]),
        ("WR to a wrong row", [(0, "ACT", BANK, 1), (50, "WR", BANK, 2)]),
        ("REF with an open bank", [(0, "ACT", BANK), (80, "REF", RANK)]),
    ],
)
def test_a_command_against_the_state_of_its_bank_is_found(rule, commands):
    assert rules_broken(commands, ddr4(organization={"ranks": 2})) == [rule]


def test_a_precharge_of_a_closed_bank_is_harmless():
    """It neither breaks a rule itself nor starts a precharge time."""
    commands = [
        (0, "ACT", BANK),
        (39, "PRE", BANK),
        (55, "PRE", BANK),
        (56, "ACT", BANK),
        (57, "PRE", OTHER_GROUP),
    ]
    assert rules_broken(commands, ddr4()) == []


def test_precharge_all_is_a_precharge_of_every_open_bank():
    spec = ddr4()
    opened = [(0, "ACT", BANK), (10, "ACT", OTHER_GROUP)]
    assert (
        rules_broken([*opened, (49, "PREA", RANK), (66, "ACT", BANK), (72, "ACT", OTHER_GROUP)], spec) == []
    )
    assert rules_broken([*opened, (48, "PREA", RANK)], spec) == ["bank ACT-PRE"]
    assert rules_broken([*opened, (38, "PREA", RANK)], spec) == ["bank ACT-PRE"] * 2
    assert rules_broken([*opened, (49, "PREA", RANK), (65, "ACT", BANK)], spec) == ["bank PRE-ACT"]


def without_rules(level, **changes):
    spec = ddr4(organization={"ranks": 2}, **changes)
    return spec.model_copy(update={"rules": tuple(rule for rule in spec.rules if rule.level != level)})


@pytest.mark.parametrize(
    ("before", "after", "apart"), [("RD", "RD", 6), ("WR", "WR", 6), ("RD", "WR", 7), ("WR", "RD", 5)]
)
def test_bursts_of_two_ranks_need_a_gap_even_when_no_rule_says_so(before, after, apart):
    spec = without_rules("other_rank", timing={"CWL": 16})
    opened = [(0, "ACT", BANK), (1, "ACT", OTHER_RANK), (40, before, BANK)]
    tRTRS = spec.timing.tRTRS
    assert rules_broken([*opened, (40 + apart, after, OTHER_RANK)], spec) == []
    for early in range(1, apart):
        expected = "rank switch gap" if early <= tRTRS else "data bus overlap"
        found = rules_broken([*opened, (40 + apart - early, after, OTHER_RANK)], spec)
        assert found == [f"{expected} {before}-{after}"]


def test_bursts_of_one_rank_overlap_when_column_commands_come_too_close():
    spec = without_rules("rank")
    opened = [(0, "ACT", BANK), (9, "ACT", OTHER_GROUP), (40, "RD", BANK)]
    assert rules_broken([*opened, (44, "RD", OTHER_GROUP)], spec) == []
    assert rules_broken([*opened, (43, "RD", OTHER_GROUP)], spec) == ["data bus overlap RD-RD"]


def test_a_rank_left_without_refresh_for_more_than_nine_intervals_is_found():
    spec = ddr4()
    limit = 9 * spec.timing.tREFI
    assert rules_broken([(limit, "REF", RANK), (2 * limit, "ACT", BANK)], spec) == []
    assert rules_broken([(limit + 1, "REF", RANK)], spec) == ["refresh starvation"]
    assert rules_broken([(limit, "REF", RANK), (2 * limit + 1, "ACT", BANK)], spec) == ["refresh starvation"]
    assert rules_broken([(limit + 1, "ACT", BANK)], ddr4(refresh={"mode": "none"})) == []


# What check_commands.out says of each log, in our names.
KNOWN_VIOLATIONS = {
    "dramsim3_DDR4_1r_bank8_random_20k": {},
    "dramsim3_DDR4_2r_bank8_mix_20k": {"rank switch gap WR-WR": 1393},
    "dramsys_DDR4_1r_rw32_random_20k": {},
    "dramsys_DDR4_2r_rw32_mix_20k": {},
    "dramsys_DDR4_2r_wm32_mix_20k": {},
    "ramulator2_DDR4_1r_rowhit32_random_20k": {},
    "ramulator2_DDR4_2r_rowhit32_mix_20k": {
        "data bus overlap RD-WR": 287,
        "rank switch gap WR-WR": 1685,
        "rank switch gap RD-WR": 7,
    },
}
THEIR_COMMANDS = {"PREpb": "PRE", "PREab": "PREA", "REFab": "REF"}


@pytest.mark.parametrize("name", KNOWN_VIOLATIONS)
def test_the_logs_of_other_simulators_hold_the_violations_known_of_them(name):
    path = SHARED / "cmdlogs" / f"{name}.csv.gz"
    if not path.exists():
        pytest.skip("needs ../shared/reference/dram/cmdlogs")
    with gzip.open(path, "rt") as lines:
        header, *rows = csv.reader(lines)
    assert header == ["clk", "cmd", "rank", "bankgroup", "bank", "row", "col"]
    log = [(int(clk), THEIR_COMMANDS.get(cmd, cmd), *map(int, parts)) for clk, cmd, *parts in rows]
    ranks = int(re.search(r"_(\d)r_", name)[1])
    spec = ddr4(organization={"ranks": ranks})
    found = Counter(violation.rule for violation in check(log, spec))
    known = Counter(KNOWN_VIOLATIONS[name])
    # The rules between ranks find the same directions; they count every command too early after another, not only
    # neighbours on the data bus.
    directions = {rule.split()[-1] for rule in known}
    for direction in directions:
        on_the_bus = known[f"data bus overlap {direction}"] + known[f"rank switch gap {direction}"]
        assert found.pop(f"other_rank {direction}") >= on_the_bus
    assert found == known


def test_the_known_violations_are_those_of_the_reference():
    path = SHARED / "check_commands.out"
    if not path.exists():
        pytest.skip("needs ../shared/reference/dram/check_commands.out")
    ours = {"R": "RD", "W": "WR"}
    for line in path.read_text().splitlines():
        name, counts = re.match(r"(\w+)\.csv\.gz \{.*?\} \w+ \{(.*)\}", line).groups()
        theirs = {}
        for text, before, after, count in re.findall(r"'(.+?) (\w)->(\w)[^']*': (\d+)", counts):
            theirs[f"{text.replace('-', ' ')} {ours[before]}-{ours[after]}"] = int(count)
        assert KNOWN_VIOLATIONS[name] == theirs
