"""Damaged and contradictory memories: each is refused with the rule that fails, by the class and by the program."""

import json

import pytest
from program import run

from archsim.dram.spec import DramSpec
from archsim.errors import InputError

LAYOUT = ["column", "channel", "pseudo_channel", "rank", "bank_group", "bank", "row"]
PLAIN_MAP = {"address_map.layout": LAYOUT, "address_map.hash": []}


def rule(before, after, latency, level="rank", **others):
    return {"rules": [{"level": level, "before": before, "after": after, "latency": latency, **others}]}


REFB = rule("REFB", "ACT", "tRFCpb")

# Values laid over DDR4-2400 -> what is said.
REFUSED = [
    # Sizes.
    ({"organization.bank_groups": 0}, "organization.bank_groups = 0: must be at least 1"),
    ({"organization.banks_per_group": 0}, "organization.banks_per_group = 0: must be at least 1"),
    ({"organization.ranks": -1}, "organization.ranks = -1: must be at least 1"),
    ({"organization.ranks": 2.5}, "organization.ranks = 2.5: must be a whole number"),
    ({"organization.ranks": True}, "organization.ranks = True: must be a whole number"),
    ({"organization.ranks": 32}, "organization.ranks = 32: must be at most 16"),
    ({"organization.banks_per_group": 3}, "organization.banks_per_group = 3: must be a power of two"),
    ({"organization.rows": 2**24}, "organization.rows = 16777216: must be at most 8388608"),
    (
        {"organization.ranks": 16, "organization.bank_groups": 16, "organization.banks_per_group": 16},
        "organization.ranks: 4096 banks on a channel, more than 1024",
    ),
    (
        {f"organization.{name}": 1 for name in ("bank_groups", "banks_per_group", "rows")}
        | {"organization.columns": 8, "organization.bus_width_bits": 8}
        | PLAIN_MAP,
        "organization.rows: the memory holds 8 bytes, less than a line of 64",
    ),
    # Times.
    ({"timing.tRCD": -1}, "timing.tRCD = -1: must be at least 1"),
    ({"timing.tRTRS": -1}, "timing.tRTRS = -1: must be at least 0"),
    ({"timing.CL": 1_000_001}, "timing.CL = 1000001: must be at most 1000000"),
    (
        {"timing.tRAS": 39, "timing.tRP": 17, "timing.tRC": 55},
        "timing.tRC = 55: must be at least tRAS + tRP = 56; left out, it is their sum",
    ),
    ({"timing.tRRD_S": 7}, "timing.tRRD_L = 6: must be at least tRRD_S = 7"),
    (
        {"timing.tBL": 5},
        "timing.tBL = 5: must be organization.burst_length / beats_per_clk = 8 / 2",
    ),
    ({"timing.tCCD_S": 3}, "timing.tCCD_S = 3: must be at least tBL = 4, or bursts overlap"),
    ({"timing.ACT_clk": 0}, "timing.ACT_clk = 0: must be at least 1"),
    # Rules.
    ({"rules": []}, "rules: must have a length of at least 1"),
    (rule("ACT", "RD", "tRCDWR"), "rules[0].latency: 'tRCDWR': tRCDWR is not given in timing"),
    (rule("ACT", "RD", "tRDC"), "rules[0].latency: 'tRDC': unknown timing 'tRDC' (did you mean 'tRCD'?)"),
    (rule("ACT", "RD", "2 * CL"), "rules[0].latency: '2 * CL': must be timing names and whole numbers joined by"),
    (rule("ACT", "RD", "CL + 1000000"), "rules[0].latency: 'CL + 1000000': must come to at most 1000000 clocks"),
    (rule("ACT", "RD", "-99999999999"), "rules[0].latency: '-99999999999': must come to at most 1000000 clocks"),
    (rule("ACT", "RD", "9" * 5000), f"rules[0].latency: '{'9' * 60}...': must come to at most 1000000 clocks"),
    (rule("NOP", "RD", "CL"), "rules[0].before = 'NOP': must be 'ACT', 'PRE', 'RD', 'WR', 'REF' or 'REFB'"),
    (rule("ACT", "ACT", "tFAW", level="die"), "rules[0].level = 'die': must be 'bank', 'bank_group', 'rank',"),
    (rule("ACT", "ACT", "tFAW", window=0), "rules[0].window = 0: must be at least 1"),
    (rule("ACT", "ACT", "tFAW", windows=4), "rules[0].windows: unknown key (did you mean 'window'?)"),
    # Controller.
    ({"controller.read_queue": 0}, "controller.read_queue = 0: must be at least 1"),
    ({"controller.write_queue": 0}, "controller.write_queue = 0: must be at least 1"),
    ({"controller.command_queue": -1}, "controller.command_queue = -1: must be at least 0"),
    ({"controller.read_queue": 4097}, "controller.read_queue = 4097: must be at most 4096"),
    (
        {"controller.write_drain_low": 26},
        "controller.write_drain_low = 26: must be less than write_drain_high = 26",
    ),
    ({"controller.write_queue": 25}, "controller.write_drain_high = 26: must be at most write_queue = 25"),
    (
        {"controller.arbitration": "round-robin"},
        "controller.arbitration = 'round-robin': goes over command queues: needs command_queue > 0",
    ),
    (
        {"controller.write_drain": "batch"},
        "controller.write_drain = 'batch': fills command queues: needs command_queue > 0",
    ),
    (
        {"controller.row_policy": "timeout"},
        "controller.row_timeout_clk = 0: must be at least 1 for row_policy = 'timeout'",
    ),
    (
        {"controller.activated_first": True, "controller.command_queue": 8},
        "controller.activated_first = true: needs scheduler = 'fr-fcfs' and command_queue = 0",
    ),
    (
        {"controller.activated_first": True, "controller.scheduler": "fcfs"},
        "controller.activated_first = true: needs scheduler = 'fr-fcfs' and command_queue = 0",
    ),
    ({"controller.row_policy": "close"}, "controller.row_policy = 'close': must be 'open', 'closed' or 'timeout'"),
    # Refresh.
    ({"refresh.mode": "all"}, "refresh.mode = 'all': must be 'all-bank', 'per-bank', 'same-bank' or 'none'"),
    ({"timing.tREFI": 420}, "timing.tREFI = 420: must be more than tRFC = 420, or the rank only refreshes"),
    (
        {"timing.tREFI": 800, "refresh.temperature_c": 86.0},
        "refresh.mode = 'all-bank': one refresh takes 420 clocks and one is due every 400",
    ),
    ({"refresh.mode": "same-bank"}, "refresh.mode = 'same-bank': this standard gives no timing.tRFCsb"),
    ({"refresh.mode": "per-bank"}, "refresh.mode = 'per-bank': this standard gives no timing.tRFCpb"),
    (
        {"refresh.mode": "per-bank", "timing.tRFCpb": 90},
        "refresh.mode = 'per-bank': this standard has no rules for REFB",
    ),
    (
        {"refresh.mode": "per-bank", "timing.tRFC": 15, "timing.tREFI": 16, "timing.tRFCpb": 9} | REFB,
        "refresh.mode = 'per-bank': the 16 REF of all ranks are due every 16 clocks and leave the command pins to "
        "nothing else",
    ),
    ({"refresh.postpone": 9}, "refresh.postpone = 9: must be at most 8"),
    ({"refresh.postpone": 1, "refresh.mode": "none"}, "refresh.postpone = 1: needs refresh.mode = 'all-bank'"),
    ({"refresh.temperature_c": 106.0}, "refresh.temperature_c = 106.0: must be at most 105"),
    # Idle ranks.
    ({"idle.power_down_clk": -1}, "idle.power_down_clk = -1: must be at least 0"),
    (
        {"idle.self_refresh_clk": 9, "refresh.mode": "none"},
        "idle.self_refresh_clk = 9: needs refresh.mode = 'all-bank'",
    ),
    # Address map.
    ({"address_map.layout": LAYOUT[:-1]}, "address_map.layout: leaves out 16 bits of row"),
    (
        {"address_map.layout": [*LAYOUT, "bank:1"]},
        "address_map.layout: 'bank:1': takes 1 bits, bank has 0 left of 2",
    ),
    ({"address_map.hash": ["bank", "bank"]}, "address_map.hash = ['bank', 'bank']: must name each field once"),
    ({"address_map.hash": ["row"]}, "address_map.hash = ['row']: names row, which hash_with uses"),
    (
        {"address_map.xor": {"bank[0]": ["row[3]", "row[3]"]}},
        "address_map.xor.bank[0]: must name each bit once; twice cancels out",
    ),
    ({"address_map.xor": {"bank[0]": ["row[16]"]}}, "address_map.xor.bank[0]: 'row[16]': row has 16 bits,"),
    # The file as a whole.
    ({"standard": ""}, "standard = '': must have a length of at least 1"),
    ({"timings": {}}, "timings: unknown key (did you mean 'timing'?)"),
]  # fmt: skip
EACH = pytest.mark.parametrize(
    ("changes", "message"), REFUSED, ids=[" ".join(changes)[:60] for changes, _ in REFUSED]
)
BASE = DramSpec.load("ddr4-2400").to_dict()


def changed(changes):
    """Return DDR4-2400 with these values."""
    tables = json.loads(json.dumps(BASE))
    for path, value in changes.items():
        *tops, name = path.split(".")
        table = tables
        for top in tops:
            table = table.setdefault(top, {})
        table[name] = value
    return tables


def toml(value):
    """Write a value as TOML on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {toml(part)}" for key, part in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("level='bank', before='ACT', after='REF'", "bank ACT-REF: no such rule can be enforced"),
        ("level='bank', before='RD', after='RD', window=2", "bank RD-RD window=2: a window of more than 1"),
    ],
)  # fmt: skip
def test_rules_that_the_replay_has_no_place_for_are_refused_in_one_line(row, message):
    override = f"dram.rules=[{{ {row}, latency='tRC' }}]"
    ended = run("replay", "preset:zipf", "--system", "host-1rank", "--set", override)
    assert ended.status == 2
    assert ended.err.startswith(f"archsim: error: dram.rules: {message}")
    assert ended.err.count("\n") == 1


def test_unchanged_the_memory_is_accepted():
    assert DramSpec.from_dict(changed({}), "memory.toml") == DramSpec.load("ddr4-2400")


@EACH
def test_a_memory_that_makes_no_sense_is_refused(changes, message):
    with pytest.raises(InputError) as refused:
        DramSpec.from_dict(changed(changes), "memory.toml")
    assert str(refused.value).startswith(f"memory.toml: {message}")


@EACH
def test_the_command_line_refuses_it_in_one_line(changes, message):
    overrides = [part for path, value in changes.items() for part in ("--set", f"dram.{path}={toml(value)}")]
    ended = run("replay", "preset:zipf", "--system", "host-1rank", *overrides)
    assert ended.status == 2
    assert ended.out == ""
    assert ended.err.startswith(f"archsim: error: --set: dram.{message}")
    assert ended.err.count("\n") == 1
