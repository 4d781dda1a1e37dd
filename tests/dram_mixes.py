"""Random memories and request mixes, one generator per family of policies; a case is made from its seed alone."""

import random
from dataclasses import dataclass

from archsim.dram.spec import DramSpec
from archsim.spec import preset_names

# Shortest and longest value of each timing that is varied. A burst of 4 clocks leaves no shorter tCCD_S.
RANGES = {
    "CL": (1, 24), "CWL": (1, 24), "tRCD": (1, 24), "tRP": (1, 24), "tRAS": (1, 40),
    "tCCD_S": (4, 8), "tCCD_L": (4, 12), "tRRD_S": (1, 8), "tRRD_L": (1, 12), "tFAW": (1, 60),
    "tWTR_S": (1, 10), "tWTR_L": (1, 16), "tWR": (1, 24), "tRTP": (1, 20), "tRTRS": (0, 6),
}  # fmt: skip
ORDERED = (("tCCD_L", "tCCD_S"), ("tRRD_L", "tRRD_S"), ("tWTR_L", "tWTR_S"))
LINES_OF_WRITES = 16  # a bit of the column
LAYOUT = ["column", "channel", "pseudo_channel", "rank", "bank_group", "bank", "row"]
BASE = DramSpec.load("ddr4-2400").to_dict()


@dataclass
class Case:
    """One memory and the requests to it."""

    family: str
    seed: int
    spec: DramSpec
    coordinates: list
    writes: list
    arrivals: list

    def __str__(self):
        return f"case({self.family!r}, {self.seed})"


def case(family, seed):
    """Return the case of a family with that seed."""
    chance = random.Random(f"{family} {seed}")
    tables = base_tables(chance)
    FAMILIES[family](chance, tables)
    spec = DramSpec.from_dict(tables, f"case {family} {seed}")
    return Case(family, seed, spec, *requests(chance, spec))


def flip(chance):
    return chance.random() < 0.5


def base_tables(chance):
    """Tables of a small DDR4 memory with random timing, queues and all-bank refresh; everything else is its default."""
    tables = {name: dict(table) if isinstance(table, dict) else table for name, table in BASE.items()}
    tables["organization"] |= {
        "ranks": chance.choice([1, 1, 2, 4]),
        "bank_groups": chance.choice([1, 2, 4]),
        "banks_per_group": chance.choice([1, 2, 4]),
        "rows": 64,
        "columns": 256,
    }
    tables["address_map"] = {"layout": LAYOUT, "hash": []}
    timing = tables["timing"]
    if chance.random() < 0.6:
        timing |= {name: chance.randint(*limits) for name, limits in RANGES.items()}
        for longer, shorter in ORDERED:
            timing[longer] = max(timing[longer], timing[shorter])
        timing["tRC"] = timing["tRAS"] + timing["tRP"] + chance.choice([0, 0, chance.randrange(20)])
    # An ACT that a refresh undoes before its RD would be repeated for ever under some policies.
    timing["tRAS"] = max(timing["tRAS"], timing["tRCD"])
    timing["tRC"] = max(timing["tRC"] or 0, timing["tRAS"] + timing["tRP"])
    timing["tREFI"], timing["tRFC"] = chance.choice([(300, 20), (300, 20), (450, 40), (900, 60), (3000, 150)])
    write_queue = chance.choice([1, 2, 4, 8, 16, 32])
    high = chance.randint(1, write_queue)
    tables["controller"] |= {
        "read_queue": chance.choice([1, 2, 4, 8, 16, 32]),
        "write_queue": write_queue,
        "write_drain_high": high,
        "write_drain_low": chance.randrange(high),
    }
    modes = ["all-bank", "all-bank", "all-bank", "none"]
    tables["refresh"] |= {"mode": chance.choice(modes), "staggered": flip(chance)}
    return tables


def plain(chance, tables):
    """Column first, the default."""


def fcfs(chance, tables):
    tables["controller"] |= {
        "scheduler": "fcfs",
        "row_hit_protection": chance.choice(["none", "older", "all"]),
    }


def oldest_first(chance, tables):
    tables["controller"] |= {"arbitration": "oldest-first"}


def protection(chance, tables):
    tables["controller"] |= {
        "arbitration": chance.choice(["column-first", "oldest-first"]),
        "row_hit_protection": chance.choice(["none", "older", "all", "all"]),
        "row_hit_cap": chance.choice([0, 1, 2, 4]),
        "protection_cap": chance.choice([0, 1, 2, 4]),
    }


def activated_first(chance, tables):
    protection(chance, tables)
    tables["controller"] |= {
        "activated_first": True,
        "refresh_blocking": chance.choice(["activates", "rank", "channel"]),
        "refresh_precharge": chance.choice(["all", "each"]),
    }


def command_queues(chance, tables, scope):
    tables["controller"] |= {
        "command_queue": chance.choice([1, 2, 3, 8]),
        "command_queue_scope": scope,
        "arbitration": chance.choice(["round-robin", "round-robin", "column-first", "oldest-first"]),
        "row_hit_protection": chance.choice(["none", "older", "all"]),
        "protection_cap": chance.choice([0, 0, 1, 4]),
        "row_hit_cap": chance.choice([0, 0, 0, 2]),
        "read_merging": flip(chance),
    }


def bank_queues(chance, tables):
    command_queues(chance, tables, "bank")


def rank_queues(chance, tables):
    command_queues(chance, tables, "rank")


def batch_drain(chance, tables):
    command_queues(chance, tables, chance.choice(["bank", "rank"]))
    tables["controller"] |= {"write_drain": "batch"}


def line_sharing(chance, tables):
    if flip(chance):
        command_queues(chance, tables, chance.choice(["bank", "rank"]))
    names = ("read_forwarding", "write_coalescing", "read_merging")
    tables["controller"] |= {name: flip(chance) for name in names}


def rank_arbitration(chance, tables):
    tables["organization"]["ranks"] = chance.choice([2, 4])
    if flip(chance):
        command_queues(chance, tables, chance.choice(["bank", "rank"]))
    else:
        tables["controller"]["arbitration"] = chance.choice(["column-first", "oldest-first"])
        tables["controller"]["activated_first"] = chance.random() < 0.2
    tables["controller"]["rank_arbitration"] = "round-robin"


def row_policy(chance, tables):
    if chance.random() < 0.3:
        command_queues(chance, tables, chance.choice(["bank", "rank"]))
    policy = chance.choice(["closed", "timeout"])
    tables["controller"] |= {"row_policy": policy, "row_timeout_clk": chance.choice([1, 10, 40, 150])}


BLOCKING = ("activates", "rank", "channel")


def refresh(chance, tables):
    if chance.random() < 0.2:
        command_queues(chance, tables, chance.choice(["bank", "rank"]))
    tables["controller"] |= {
        "read_queue": chance.choice([4, 16, 32]),
        "refresh_blocking": chance.choice(BLOCKING),
        "refresh_precharge": chance.choice(["all", "each"]),
    }
    tables["timing"] |= chance.choice([{"tREFI": 300, "tRFC": 20}, {"tREFI": 450, "tRFC": 40}])
    mode = chance.choice(["all-bank"] * 5 + ["per-bank"] * 2 + ["same-bank"] * 2 + ["none"])
    tables["refresh"] |= {"mode": mode, "postpone": chance.choice([0, 1, 8]) if mode == "all-bank" else 0}
    if chance.random() < 0.2:
        tables["refresh"]["temperature_c"] = 95.0
        tables["timing"]["tREFI"] *= 2
    if mode in ("per-bank", "same-bank"):
        refresh_by_bank(chance, tables)


def refresh_by_bank(chance, tables):
    """Times and rules of REFB."""
    steps = tables["organization"]["banks_per_group"] * (
        tables["organization"]["bank_groups"] if tables["refresh"]["mode"] == "per-bank" else 1
    )
    refresh_clk = chance.choice([5, 20, 40])
    timing = tables["timing"]
    timing |= {"tRFCpb": refresh_clk, "tRFCsb": refresh_clk, "tRREFD": chance.choice([1, 8, 30])}
    timing["tREFI"] = steps * chance.choice([90, 120, 250])
    timing["tREFI"] = max(timing["tREFI"], timing["tRFC"] + 1)
    own = "tRFCpb"
    rules = [
        ("bank", "PRE", "REFB", "tRP"),
        ("bank", "ACT", "REFB", "tRC"),
        ("bank", "REFB", "ACT", own),
        ("bank", "REFB", "REFB", own),
        ("rank", "REFB", "REFB", "tRREFD"),
        ("rank", "REFB", "ACT", "tRREFD"),
        ("rank", "ACT", "REFB", "tRRD_S"),
    ]
    tables["rules"] = tables["rules"] + [
        rule(*row) for row in rules if chance.random() < 0.85 or row[2] == "ACT"
    ]


def rule(level, before, after, latency, window=1):
    return {"level": level, "before": before, "after": after, "latency": latency, "window": window}


def device_shape(chance, tables):
    organization, timing = tables["organization"], tables["timing"]
    organization["split_command_bus"] = flip(chance)
    if flip(chance):
        organization |= {"pseudo_channels": chance.choice([2, 2, 4]), "ranks": chance.choice([1, 2])}
    if flip(chance):
        timing |= {f"{name}_clk": chance.choice([1, 2, 4]) for name in ("ACT", "PRE", "RD", "WR", "REF")}
    if flip(chance):
        tables["refresh"]["mode"] = chance.choice(["per-bank", "same-bank"])
        refresh_by_bank(chance, tables)
    tables["controller"] |= {
        "refresh_blocking": chance.choice(BLOCKING),
        "refresh_precharge": chance.choice(["all", "each"]),
    }
    extra = [
        rule("rank", "PRE", "PRE", "tPPD"),
        rule("pseudo_channel", "RD", "RD", str(chance.randint(1, 9))),
        rule("pseudo_channel", "WR", "WR", str(chance.randint(1, 9))),
        rule("channel", "ACT", "ACT", str(chance.randint(1, 9))),
        rule("channel", "RD", "WR", str(chance.randint(1, 9))),
    ]
    timing["tPPD"] = chance.choice([1, 2, 6])
    tables["rules"] = tables["rules"] + [row for row in extra if chance.random() < 0.3]
    if flip(chance):
        windows(chance, tables)
    if chance.random() < 0.3:
        # Without ACT-PRE two requests could close each other's row for ever; refresh by steps needs its rules.
        tables["rules"] = [
            row
            for row in tables["rules"]
            if row["after"] == "PRE" or "REFB" in (row["before"], row["after"]) or chance.random() < 0.75
        ]


def windows(chance, tables):
    """Other windows than that of four ACT of a rank, instead of it or beside it."""
    levels = chance.choices(["rank", "pseudo_channel", "channel"], [4, 1, 1], k=2)
    clks = [chance.randint(10, 90) for _ in levels]
    wide = [rule(*row) for row in zip(levels, ["ACT"] * 2, ["ACT"] * 2, map(str, clks), (2, 8), strict=True)]
    if chance.random() < 0.7:
        tables["rules"] = [row for row in tables["rules"] if row["window"] == 1]
        wide = [chance.choice(wide)]
    tables["rules"] = tables["rules"] + wide


def standards(chance, tables):
    """A shipped standard with its own rules and times, refreshed more often, under any controller."""
    name = chance.choice(preset_names("dram"))
    controller = tables["controller"]
    tables.clear()
    tables |= DramSpec.load(name).to_dict()
    timing, organization = tables["timing"], tables["organization"]
    organization["ranks"] = chance.choice([1, 2])
    tables["address_map"] = {"layout": LAYOUT, "hash": []}
    modes = ["all-bank", "none", tables["refresh"]["mode"]]
    modes += ["per-bank"] * (timing["tRFCpb"] is not None) + ["same-bank"] * (timing["tRFCsb"] is not None)
    tables["refresh"] |= {"mode": chance.choice(modes), "staggered": flip(chance)}
    steps = {"per-bank": organization["bank_groups"] * organization["banks_per_group"]}
    steps["same-bank"] = organization["banks_per_group"]
    timing["tREFI"] = timing["tRFC"] + steps.get(tables["refresh"]["mode"], 1) * chance.choice(
        [150, 300, 600]
    )
    timing["tREFIsb"] = timing["tREFI"] if timing["tREFIsb"] is not None and flip(chance) else None
    tables["controller"] = controller
    any_controller(chance, tables)


def any_controller(chance, tables):
    if flip(chance):
        command_queues(chance, tables, chance.choice(["bank", "rank"]))
        tables["controller"]["write_drain"] = chance.choice(["watermark", "batch"])
    else:
        protection(chance, tables)
        tables["controller"]["activated_first"] = chance.random() < 0.3
    if not tables["controller"]["activated_first"] and chance.random() < 0.15:
        tables["controller"]["scheduler"] = "fcfs"
    line_names = ("read_forwarding", "write_coalescing", "read_merging")
    tables["controller"] |= {name: chance.random() < 0.7 for name in line_names}
    tables["controller"] |= {
        "rank_arbitration": chance.choice(["oldest", "round-robin"]),
        "row_policy": chance.choice(["open", "closed", "timeout"]),
        "row_timeout_clk": chance.choice([1, 10, 40, 150]),
        "refresh_blocking": chance.choice(BLOCKING),
        "refresh_precharge": chance.choice(["all", "each"]),
    }
    if tables["refresh"]["mode"] == "all-bank":
        tables["refresh"]["postpone"] = chance.choice([0, 0, 1, 8])


def everything(chance, tables):
    """All options at once, as far as they may stand together."""
    device_shape(chance, tables)
    any_controller(chance, tables)


def idle(chance, tables):
    """Ranks that sleep soon; in half of the cases under any controller and shape of the device."""
    if flip(chance):
        everything(chance, tables)
    else:
        tables["refresh"]["postpone"] = chance.choice([0, 0, 1, 8])
        tables["controller"] |= {
            "row_policy": chance.choice(["open", "open", "closed", "timeout"]),
            "row_timeout_clk": chance.choice([1, 10, 40, 150]),
            "refresh_blocking": chance.choice(BLOCKING),
            "refresh_precharge": chance.choice(["all", "each"]),
        }
        tables["refresh"]["mode"] = chance.choice(["all-bank"] * 5 + ["none"])
    timing, mode = tables["timing"], tables["refresh"]["mode"]
    if mode != "all-bank":
        tables["refresh"]["postpone"] = 0
    timing |= {"tCKE": chance.choice([1, 5, 30]), "tXP": chance.choice([1, 6, 30])}
    timing |= {"tCKESR": chance.choice([1, 10, 200]), "tXS": chance.choice([1, 40, 400])}
    power_down, self_refresh = chance.choice([1, 5, 20, 80]), 0
    if mode == "all-bank" and chance.random() < 0.7:
        timing["tREFI"], timing["tRFC"] = chance.choice([(300, 20), (450, 40)])
        power_down = chance.choice([0, power_down, power_down])
        self_refresh = chance.choice([1, 50, 300, 800])
    tables["idle"] = {"power_down_clk": power_down, "self_refresh_clk": self_refresh}


FAMILIES = {
    "column-first": plain,
    "fcfs": fcfs,
    "oldest-first": oldest_first,
    "protection": protection,
    "activated-first": activated_first,
    "bank-queues": bank_queues,
    "rank-queues": rank_queues,
    "batch-drain": batch_drain,
    "line-sharing": line_sharing,
    "rank-arbitration": rank_arbitration,
    "row-policy": row_policy,
    "refresh": refresh,
    "device-shape": device_shape,
    "standards": standards,
    "everything": everything,
    "idle": idle,
}


def requests(chance, spec):
    """Return coordinates, writes and arrivals: hot rows, few banks, bursts of one line, pauses, by chance.

    Some mixes come in groups just before a refresh falls due, so that requests and refresh compete.
    """
    shape = spec.organization
    n = chance.choice([chance.randint(1, 20), chance.randint(40, 120), chance.randint(100, 200)])
    write_share = chance.choice([0.1, 0.3, 0.3, 0.5, 0.9, 0, 1])
    repeat_share = chance.choice([0, 0, 0.1, 0.5])
    gap_share, longest_gap = chance.choice([(0, 1), (0, 1), (0.05, 500), (0.3, 10), (0.3, 60)])
    if spec.idle.power_down_clk or spec.idle.self_refresh_clk:
        gap_share, longest_gap = chance.choice([(0.05, 4000), (0.1, 2000), (0.1, 500), (0.3, 60), (0.9, 120)])
        if spec.idle.self_refresh_clk and flip(chance):
            gap_share, longest_gap = 0.1, 3000
    rows, columns = chance.choice([1, 2, 4, 64]), chance.choice([1, 4, LINES_OF_WRITES])
    banks = chance.choice([shape.banks, shape.banks, min(2, shape.banks), min(5, shape.banks)])
    used = chance.sample(range(shape.banks), banks)
    before_refresh = chance.choice([0, 0, 0.15])
    between_refreshes = max(1, spec.timing.tREFI // shape.all_ranks)
    # Behind command queues, a write that waits for a read of its line can stop everything: not in most mixes.
    apart = spec.controller.command_queue > 0 and chance.random() < 0.8
    clk, lines, writes, arrivals = 0, [], [], []
    for i in range(n):
        if chance.random() < gap_share:
            clk += chance.randrange(longest_gap)
        if chance.random() < before_refresh:
            due = (clk // between_refreshes + 1) * between_refreshes
            clk = max(clk, due - chance.randrange(80))
        line = chance.randrange(rows) << 32 | chance.choice(used) << 16 | chance.randrange(columns)
        if i and chance.random() < repeat_share:
            line = lines[-1] & ~LINES_OF_WRITES
        is_write = chance.random() < write_share
        lines.append(line | LINES_OF_WRITES if apart and is_write else line)
        writes.append(is_write)
        arrivals.append(clk)
    return lines, writes, arrivals
