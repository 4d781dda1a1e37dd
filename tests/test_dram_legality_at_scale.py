"""Millions of random commands of every shipped standard, under each shipped controller and way to refresh: all legal.

``ARCHSIM_LEGALITY_COMMANDS`` is the number of commands per standard of the slow test, ten million by default.
"""

import os
import random

import numpy as np
import pytest

from archsim.dram.controller import Controller
from archsim.dram.legality import check, name_of
from archsim.dram.resolve import COMMANDS, resolve
from archsim.dram.spec import DramSpec
from archsim.spec import preset_names

STANDARDS = preset_names("dram")
CONTROLLERS = preset_names("controller")
FEW, FEW_REQUESTS = 200_000, 25_000
MANY, MANY_REQUESTS = int(os.environ.get("ARCHSIM_LEGALITY_COMMANDS", "10_000_000")), 250_000
LOG_LIMIT = 1 << 24
STANDARD = pytest.mark.parametrize("name", STANDARDS)


def refreshes(spec):
    """Return the ways to refresh that the standard has."""
    ways = [{"mode": "all-bank"}, {"mode": "all-bank", "postpone": 8}]
    if spec.timing.tRFCpb is not None:
        ways.append({"mode": "per-bank"})
    if spec.timing.tRFCsb is not None:
        ways.append({"mode": "same-bank"})
    return [*ways, {**ways[-1], "temperature_c": 95.0}]


def memory(name, seed):
    """Return the standard under the controller and the refresh whose turn it is; the rest is by chance."""
    chance = random.Random(f"{name} {seed}")
    tables = DramSpec.load(name).to_dict()
    turn = STANDARDS.index(name) + seed
    controller = Controller.load(CONTROLLERS[turn % len(CONTROLLERS)]).to_dict()
    ways = refreshes(DramSpec.load(name))
    controller |= {"row_policy": chance.choice(["open", "open", "closed", "timeout"]), "row_timeout_clk": 60}
    if not controller["command_queue"] and not controller["activated_first"]:
        controller["arbitration"] = chance.choice(["column-first", "oldest-first"])
    tables["controller"] = controller
    tables["refresh"] |= {"postpone": 0, **ways[turn % len(ways)]}
    tables["organization"]["ranks"] = chance.choice([1, 2, 4])
    tables["address_map"] = {
        "layout": ["column", "channel", "pseudo_channel", "rank", "bank_group", "bank", "row"],
        "hash": [],
    }
    tables["idle"] = {"power_down_clk": chance.choice([0, 50])}
    return DramSpec.from_dict(tables, f"{name}, seed {seed}")


def traffic(spec, seed, n):
    """Return coordinates, writes and arrivals: half of them to a few hot rows, in phases of work and of pause."""
    chance = np.random.default_rng(seed)
    shape = spec.organization
    bank, row = chance.integers(shape.banks, size=n), chance.integers(shape.rows, size=n)
    hot = chance.random(n) < chance.choice([0.2, 0.5, 0.9])
    row[hot] = chance.integers(3, size=int(hot.sum()))
    column = chance.integers(shape.bursts_per_row, size=n)
    writes = (chance.random(n) < chance.choice([0.1, 0.3, 0.6])).astype(np.uint8)
    gaps = np.where(chance.random(n) < 0.002, chance.integers(1, 2 * spec.timing.tREFI, size=n), 0)
    slow = np.arange(n) // 500 % 4 == 0  # a quarter of the time the queues run empty
    gaps += np.where(slow, chance.integers(60, size=n), 0)
    return (row << 32 | bank << 16 | column), writes, np.cumsum(gaps)


def log_of(spec, seed, n):
    """Return the command log of so many requests, as columns."""
    from archsim.kernels.dram import ChannelReplay

    channel = ChannelReplay(resolve(spec), LOG_LIMIT)
    channel.feed(*traffic(spec, seed, n), drain=True)
    return channel.commands()


def run(name, commands, requests):
    """Check logs of one standard until so many commands have been seen; return how often each was."""
    seen, seed = np.zeros(len(COMMANDS), dtype=np.int64), 0
    while seen.sum() < commands:
        spec = memory(name, seed)
        log = log_of(spec, seed, requests)
        assert check(spec, *log) == [], f"{name}, seed {seed}"
        seen += np.bincount(log[1], minlength=len(COMMANDS))
        seed += 1
    return dict(zip(COMMANDS, seen.tolist(), strict=True))


@STANDARD
def test_random_commands_of_a_standard_are_legal(name):
    seen = run(name, FEW, FEW_REQUESTS)
    assert min(seen["ACT"], seen["PRE"], seen["RD"], seen["WR"]) > FEW // 20
    assert seen["REF"] > 0


@pytest.mark.slow
@STANDARD
def test_ten_million_random_commands_of_a_standard_are_legal(name):
    seen = run(name, MANY, MANY_REQUESTS)
    has_refb = any(way["mode"] != "all-bank" for way in refreshes(DramSpec.load(name)))
    assert {command: count > 0 for command, count in seen.items()} == {
        **dict.fromkeys(COMMANDS, True),
        "REFB": has_refb,
    }


@STANDARD
def test_the_rules_of_a_bank_are_met_to_the_clock(name):
    """One clock more in every rule, and the checker finds all that bind one bank: the logs go to their limits."""
    spec = memory(name, 0)
    spec = spec.model_copy(update={"controller": Controller.load("default")})
    longer = tuple(rule.model_copy(update={"latency": f"{rule.latency} + 1"}) for rule in spec.rules)
    log = log_of(spec, 0, FEW_REQUESTS)
    assert check(spec, *log) == []
    found = {broken.rule for broken in check(spec.model_copy(update={"rules": longer}), *log)}
    of_a_bank = [
        rule for rule in spec.rules if rule.level == "bank" and "REF" not in rule.before + rule.after
    ]
    assert {name_of(rule) for rule in of_a_bank} <= found
