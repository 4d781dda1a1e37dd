"""The legality checker finds one planted violation of every rule, and in other simulators' logs what is there."""

from pathlib import Path

import numpy as np
import pytest
from engine import ddr4

from archsim.dram.legality import COMMANDS, check, name_of
from archsim.errors import InputError

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


def columns_of(commands, spec):
    """Turn commands (clk, name, place) and, where it is not 7, the row, into columns of a log."""
    shape = spec.organization
    log = []
    for clk, name, (rank, group, bank), *row in commands:
        flat = (rank * shape.bank_groups + max(group, 0)) * shape.banks_per_group + max(bank, 0)
        log.append((clk, name, flat, *(row or [7]), 0))
    return zip(*log, strict=True)


def violations(commands, spec):
    return check(spec, *columns_of(commands, spec))


def rules_broken(commands, spec):
    """Return the name of a rule once for each time that it is broken."""
    return [violation.rule for violation in violations(commands, spec) for _ in range(violation.count)]


@pytest.mark.parametrize("rule", [name_of(rule) for rule in ddr4().rules])
def test_a_command_one_clock_early_breaks_exactly_its_rule(rule):
    commands, timing, also = AT_THE_LIMIT[rule]
    spec = ddr4(organization={"ranks": 2}, timing=timing)
    *before, (clk, name, place) = commands
    assert rules_broken(commands, spec) == []
    found = violations([*before, (clk - 1, name, place)], spec)
    assert sorted(violation.rule for violation in found) == sorted([rule, *also])
    for violation in found:
        assert (violation.count, violation.index, violation.clk) == (1, len(before), clk - 1)


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


# The same for the rules of other standards: added to DDR4, 2 pseudo channels of 2 ranks each (ranks 0, 1 and 2, 3).
OTHER_CHANNEL = (2, 0, 0)
RULES_OF_OTHER_STANDARDS = [
    ("bank", "PRE", "REFB", "tRP", 1, [(0, "ACT", BANK), (45, "PRE", BANK), (62, "REFB", BANK)]),
    ("bank", "REFB", "ACT", "90", 1, [(0, "REFB", BANK), (90, "ACT", BANK)]),
    ("rank", "REFB", "REFB", "30", 1, [(0, "REFB", BANK), (30, "REFB", OTHER_GROUP)]),
    ("rank", "REFB", "ACT", "20", 1, [(0, "REFB", BANK), (20, "ACT", OTHER_GROUP)]),
    ("rank", "PRE", "PRE", "3", 1, [(0, "ACT", BANK), (9, "ACT", OTHER_GROUP), (60, "PRE", BANK), (63, "PREA", RANK)]),
    ("rank", "ACT", "ACT", "40", 2, [(0, "ACT", BANK), (9, "ACT", NEIGHBOUR), (40, "ACT", OTHER_GROUP)]),
    ("bank_group", "RD", "WR", "15", 1, [(0, "ACT", BANK), (40, "RD", BANK), (55, "WR", BANK)]),
    ("other_rank", "ACT", "ACT", "5", 1, [(0, "ACT", BANK), (5, "ACT", OTHER_RANK)]),
    ("pseudo_channel", "ACT", "ACT", "5", 1, [(0, "ACT", BANK), (5, "ACT", OTHER_RANK)]),
    ("channel", "ACT", "ACT", "5", 1, [(0, "ACT", BANK), (5, "ACT", OTHER_CHANNEL)]),
    (
        "channel", "RD", "RD", "3", 1,
        [(0, "ACT", BANK), (1, "ACT", OTHER_CHANNEL), (40, "RD", BANK), (43, "RD", OTHER_CHANNEL)],
    ),
    ("bank", "REF", "ACT", "500", 1, [(0, "REF", RANK), (500, "ACT", OTHER_GROUP)]),
]  # fmt: skip


def pseudo_channels(added=(), **changes):
    keys = ("level", "before", "after", "latency", "window")
    rules = [rule.model_dump() for rule in ddr4().rules]
    layout = ["column", "pseudo_channel", "rank", "bank_group", "bank", "row"]
    return ddr4(
        organization={"pseudo_channels": 2, "ranks": 2, **changes.pop("organization", {})},
        address_map={"layout": layout, "hash": []},
        rules=[*rules, *(dict(zip(keys, rule, strict=True)) for rule in added)],
        **changes,
    )


@pytest.mark.parametrize("row", RULES_OF_OTHER_STANDARDS, ids=lambda row: " ".join(map(str, row[:5])))
def test_a_command_one_clock_early_breaks_exactly_a_rule_of_another_standard(row):
    *rule, commands = row
    spec = pseudo_channels([rule])
    *before, (clk, name, place) = commands
    assert rules_broken(commands, spec) == []
    assert rules_broken([*before, (clk - 1, name, place)], spec) == [name_of(spec.rules[-1])]


def test_rules_of_ranks_and_pseudo_channels_do_not_bind_the_next_one():
    added = [("rank", "ACT", "ACT", "20", 2), ("pseudo_channel", "ACT", "ACT", "8", 1)]
    added += [("other_rank", "ACT", "ACT", "9", 1)]
    commands = [(0, "ACT", BANK), (1, "ACT", OTHER_CHANNEL), (20, "RD", BANK), (21, "RD", OTHER_CHANNEL)]
    assert rules_broken(commands, pseudo_channels(added)) == []


@pytest.mark.parametrize("apart", [1, 3])
def test_bursts_overlap_only_on_the_data_bus_of_one_pseudo_channel(apart):
    opened = [(0, "ACT", BANK), (9, "ACT", OTHER_GROUP), (18, "ACT", OTHER_CHANNEL)]
    spec = pseudo_channels(organization={"split_command_bus": True})
    spec = spec.model_copy(update={"rules": tuple(rule for rule in spec.rules if rule.level == "bank")})
    close = [*opened, (40, "RD", BANK), (40 + apart, "RD", OTHER_CHANNEL)]
    assert rules_broken(close, spec) == []
    overlap = [*opened, (40, "RD", BANK), (40 + apart, "RD", OTHER_GROUP)]
    assert rules_broken(overlap, spec) == ["data bus overlap RD-RD"]


def test_split_pins_take_one_row_and_one_column_command_in_a_clock():
    split = pseudo_channels(organization={"split_command_bus": True})
    opened = [(0, "ACT", BANK), (6, "ACT", NEIGHBOUR)]
    both = [*opened, (40, "RD", BANK), (40, "ACT", OTHER_GROUP)]
    assert rules_broken(both, split) == []
    assert rules_broken(both, pseudo_channels()) == ["command bus"]
    two_rows = [*opened, (40, "ACT", OTHER_GROUP), (40, "ACT", OTHER_RANK)]
    assert rules_broken(two_rows, split) == ["row command bus"]
    two_columns = [*opened, (12, "ACT", OTHER_CHANNEL), (40, "RD", BANK), (40, "RD", OTHER_CHANNEL)]
    assert rules_broken(two_columns, split) == ["column command bus"]


@pytest.mark.parametrize("name", ["ACT", "PRE", "RD", "WR", "REF", "PREA", "REFB"])
def test_a_command_of_two_clocks_keeps_the_pins_from_the_next(name):
    two = {f"{pins}_clk": 2 for pins in [{"PREA": "PRE", "REFB": "REF"}.get(name, name)]}
    opened = [] if name in ("ACT", "REF", "REFB") else [(0, "ACT", BANK)]
    place = RANK if name in ("REF", "PREA") else BANK
    for clk, broken in ((61, ["command bus"]), (62, [])):
        commands = [*opened, (60, name, place), (clk, "ACT", OTHER_RANK)]
        assert rules_broken(commands, ddr4(organization={"ranks": 2}, timing=two)) == broken
    assert (
        rules_broken([*opened, (60, name, place), (61, "ACT", OTHER_RANK)], ddr4(organization={"ranks": 2}))
        == []
    )


def by_bank(mode):
    return ddr4(
        timing={"tRFCpb": 90, "tRFCsb": 90, "tREFI": 2000},
        rules=[rule.model_dump() for rule in ddr4().rules]
        + [{"level": "bank", "before": "REFB", "after": "ACT", "latency": "90"}],
        refresh={"mode": mode},
    )


def test_a_refresh_of_one_bank_leaves_the_others_alone():
    commands = [(0, "ACT", OTHER_GROUP), (70, "REFB", BANK), (159, "ACT", NEIGHBOUR), (165, "ACT", BANK)]
    assert rules_broken(commands, by_bank("per-bank")) == []
    assert rules_broken([(0, "ACT", BANK), (70, "REFB", BANK)], by_bank("per-bank")) == [
        "REFB with an open bank"
    ]
    assert rules_broken([(0, "REFB", BANK), (89, "ACT", BANK)], by_bank("per-bank")) == ["bank REFB-ACT"]


def test_a_same_bank_refresh_is_of_one_bank_in_every_group():
    spec = by_bank("same-bank")
    assert rules_broken([(0, "ACT", NEIGHBOUR), (70, "REFB", BANK)], spec) == []
    assert rules_broken([(0, "ACT", OTHER_GROUP), (70, "REFB", BANK)], spec) == ["REFB with an open bank"]
    assert rules_broken([(0, "REFB", BANK), (89, "ACT", OTHER_GROUP)], spec) == ["bank REFB-ACT"]


def test_a_bank_that_is_never_refreshed_starves_while_the_others_do_not():
    spec = by_bank("same-bank")
    due = range(0, 9 * 2000, 500)
    all_four = [(clk, "REFB", (0, 0, i % 4)) for i, clk in enumerate(due)]
    end = [(9 * 2000 + 1, "ACT", (0, 0, 0))]
    assert rules_broken(all_four + end, spec) == []
    without_one = [line for line in all_four if line[2] != NEIGHBOUR]
    assert rules_broken(without_one + end, spec) == ["refresh starvation"] * 4
    half = by_bank("same-bank").model_copy(
        update={"refresh": spec.refresh.model_copy(update={"temperature_c": 95.0})}
    )
    assert rules_broken([(9 * 1000 + 1, "PREA", RANK)], half) == ["refresh starvation"] * 16


def test_the_first_place_of_each_violation_is_told_and_all_are_counted():
    commands = [
        (0, "ACT", BANK),
        (10, "RD", BANK),
        (16, "RD", BANK),
        (30, "RD", BANK, 8),
        (90, "RD", OTHER_GROUP),
    ]
    first, wrong, closed = violations(commands, ddr4())
    assert (first.rule, first.count, first.index, first.clk) == ("bank ACT-RD", 2, 1, 10)
    assert first.text == "RD of bank 0 at clock 10, ACT of bank 0 at clock 0: at least 17 clocks apart"
    assert (wrong.rule, wrong.count, wrong.index) == ("RD to a wrong row", 1, 3)
    assert wrong.text == "RD of bank 0 at clock 30: row 8: row 7 is open"
    assert (closed.rule, closed.index, closed.text) == (
        "RD to a closed bank",
        4,
        "RD of bank 4 at clock 90: row 7: it is closed",
    )


def test_commands_may_be_given_as_numbers_and_an_empty_log_is_legal():
    clk, names, *rest = columns_of([(0, "ACT", BANK), (16, "RD", BANK)], ddr4())
    codes = np.array([COMMANDS.index(name) for name in names], dtype=np.uint8)
    assert check(ddr4(), clk, codes, *rest) == check(ddr4(), clk, names, *rest)
    assert [violation.rule for violation in check(ddr4(), clk, codes, *rest)] == ["bank ACT-RD"]
    assert check(ddr4(), [], [], [], []) == []


@pytest.mark.parametrize(
    ("log", "message"),
    [
        (([0, 1], ["ACT", "RDA"], [0, 0], [0, 0]), "command 1: unknown command RDA"),
        (([0, 1], [0, 7], [0, 0], [0, 0]), "command 1: unknown command 7"),
        (([0, 1], ["ACT", "RD"], [0, 16], [0, 0]), "command 1: bank 16: must be below 16"),
        (([0, 1], ["ACT", "RD"], [0, -1], [0, 0]), "command 1: bank -1: must be below 16"),
        (([4, 3], ["ACT", "RD"], [0, 0], [0, 0]), "command 1: clock 3: must not be before 4"),
        (([0, 1], ["ACT"], [0, 0], [0, 0]), "command log: command has 1 entries, clk has 2"),
        (([0, 1], ["ACT", "RD"], [0, 0], [0, 0], [0]), "command log: column has 1 entries, clk has 2"),
    ],
)
def test_a_log_that_cannot_be_read_is_refused_with_its_place(log, message):
    with pytest.raises(InputError, match=message):
        check(ddr4(), *log)
