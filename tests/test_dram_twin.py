"""The compiled channel against its tick-by-tick twin and the legality checker, on random cases of every policy family.

``ARCHSIM_TWIN_CASES`` is the number of cases per family; ``pytest -m slow`` runs a thousand.
"""

import os
import random
import subprocess
import sys
from pathlib import Path

import engine
import pytest
import twin
from dram_mixes import BASE, FAMILIES, case
from engine import ddr4

from archsim.dram.controller import Idle
from archsim.dram.legality import check

CASES = int(os.environ.get("ARCHSIM_TWIN_CASES", "40"))
MANY = 1000
CONTEXT = 4
FAMILY = pytest.mark.parametrize("family", FAMILIES)
# What a replay comes to that leaves requests waiting: refreshes leave no time, or writes and reads wait for each other.
STOPPED = "stopped"


def replay_of(replay, stops, tried, **options):
    try:
        return replay(tried.spec, tried.coordinates, tried.writes, tried.arrivals, **options)
    except stops:
        return STOPPED


def first_difference(ours, theirs):
    """Return where two command logs part, with a little of what comes before."""
    pairs = enumerate(zip(ours, theirs, strict=False))
    at = next((i for i, (own, other) in pairs if own != other), min(len(ours), len(theirs)))
    lines = [f"command {at} of {len(ours)} (twin) and {len(theirs)} (compiled)"]
    lines += [f"  both      {tuple(command)}" for command in ours[max(0, at - CONTEXT) : at]]
    lines += [f"  twin      {tuple(command)}" for command in ours[at : at + 2]]
    lines += [f"  compiled  {tuple(command)}" for command in theirs[at : at + 2]]
    return "\n".join(lines)


def compare(tried):
    """Check that the channel does what its twin does, and only what is legal; return whether it got to the end."""
    expected = replay_of(twin.replay, twin.StuckError, tried)
    found = replay_of(engine.replay_coordinates, RuntimeError, tried)
    if STOPPED in (expected, found):
        if expected != found:
            pytest.fail(
                f"{tried}: only the {'twin' if expected == STOPPED else 'compiled'} one stops", pytrace=False
            )
        return False
    if found.commands != expected.commands:
        pytest.fail(f"{tried}: {first_difference(expected.commands, found.commands)}", pytrace=False)
    assert found.waiting == expected.waiting, str(tried)
    assert found.finished == expected.finished, str(tried)
    shared = {name: found.counts.get(name) for name in expected.counts}
    assert shared == expected.counts, str(tried)
    assert found.rank_clocks == expected.rank_clocks, str(tried)
    assert violations(tried.spec, found.commands, standard=tried.family == "standards") == [], str(tried)
    return True


def violations(spec, commands, standard=False):
    """Return what the checker finds; of a memory with rules missing, what it finds in the rules that are left."""
    found = check(spec, *zip(*commands, strict=True)) if commands else []
    complete = standard or all(rule in [left.model_dump() for left in spec.rules] for rule in BASE["rules"])
    data_bus = ("data bus overlap", "rank switch gap")
    return [broken for broken in found if complete or not broken.rule.startswith(data_bus)]


def run_family(family, seeds):
    ended = [compare(case(family, seed)) for seed in seeds]
    assert sum(ended) > 0.8 * len(ended), "too many cases end in a standstill to say much"


@FAMILY
def test_the_channel_does_exactly_what_its_twin_does(family):
    run_family(family, range(CASES))


@pytest.mark.slow
@FAMILY
def test_the_channel_does_what_its_twin_does_a_thousand_times(family):
    run_family(family, range(CASES, CASES + MANY))


@FAMILY
def test_the_pieces_in_which_requests_are_fed_do_not_matter(family):
    for seed in range(CASES // 2):
        tried = case(family, seed)
        chance = random.Random(seed)
        cuts = sorted(chance.randint(0, len(tried.writes)) for _ in range(chance.randrange(8)))
        whole = replay_of(engine.replay_coordinates, RuntimeError, tried)
        fed = replay_of(engine.replay_coordinates, RuntimeError, tried, cuts=cuts)
        if STOPPED in (whole, fed):
            assert whole == fed, str(tried)
        else:
            assert (fed.commands, fed.counts) == (whole.commands, whole.counts), str(tried)
            assert fed.waiting == whole.waiting, str(tried)
            assert fed.rank_clocks == whole.rank_clocks, str(tried)


@pytest.mark.parametrize("late", [10**6, 2**31 - 50, 2**31 + 7, 2**33])
def test_without_refresh_a_late_start_moves_every_command_by_as_much(late):
    for seed in range(CASES // 2):
        tried = case("column-first", seed)
        refresh = tried.spec.refresh.model_copy(update={"mode": "none"})
        tried.spec = tried.spec.model_copy(update={"refresh": refresh})
        now = replay_of(engine.replay_coordinates, RuntimeError, tried)
        tried.arrivals = [late + clk for clk in tried.arrivals]
        then = replay_of(engine.replay_coordinates, RuntimeError, tried)
        assert then.commands == [command._replace(clk=command.clk + late) for command in now.commands]
        assert then.finished == [clk + late if clk >= 0 else clk for clk in now.finished]
        assert then.counts["latency_sum_clk"] == now.counts["latency_sum_clk"]


@pytest.mark.parametrize("ranks", [1, 4])
def test_a_busy_mix_around_a_standard_refresh_is_the_same_for_both(ranks):
    spec = ddr4(organization={"ranks": ranks})
    n = 500
    flat = [(i * 7 // 3 % ranks * 4 + i * i // 5 % 4) * 4 + i // 9 % 4 for i in range(n)]
    coordinates = [(i * i // 31 % 5) << 32 | flat[i] << 16 | i * 5 % 128 for i in range(n)]
    requests = (coordinates, [i * 11 % 10 < 3 for i in range(n)], [spec.timing.tREFI - 1000] * n)
    found, expected = engine.replay_coordinates(spec, *requests), twin.replay(spec, *requests)
    assert (found.commands, found.finished) == (expected.commands, expected.finished)
    assert found.counts["ref"] > 0
    assert violations(spec, found.commands) == []


@pytest.mark.parametrize("replay", [twin.replay, engine.replay_coordinates], ids=["twin", "compiled"])
def test_the_window_of_four_activates_reaches_across_a_refresh(replay):
    """Four ACT just before a short REF: the fifth waits for its tFAW all the same."""
    spec = ddr4(timing={"tFAW": 200, "tRFC": 20, "tREFI": 1000}, refresh={"staggered": False})
    banks = [0, 4, 8, 12, 1]
    done = replay(spec, [bank << 16 for bank in banks], [False] * 5, [1000 - 60] * 5)
    acts = [command.clk for command in done.commands if command.name == "ACT"]
    assert done.counts["ref"] == 1
    assert acts[4] == acts[0] + spec.timing.tFAW


# A row may be closed (tRAS) before it may be read (tRCD), and nothing protects it: two reads open and close for ever.
ENDLESS = """
import engine
spec = engine.ddr4(timing={"tRCD": 50}, controller={"row_hit_protection": "none"}, refresh={"mode": "none"})
try:
    engine.replay_coordinates(spec, [0, 1 << 32])
except RuntimeError as error:
    print(error)
"""


def test_two_reads_that_close_each_others_row_for_ever_are_noticed():
    """In a process of its own, because a hang of the compiled channel could not be interrupted."""
    spec = ddr4(timing={"tRCD": 50}, controller={"row_hit_protection": "none"}, refresh={"mode": "none"})
    with pytest.raises(twin.StuckError):
        twin.replay(spec, [0, 1 << 32])
    program = [sys.executable, "-c", ENDLESS]
    tests = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(program, capture_output=True, text=True, timeout=20, env=tests, check=True)
    assert "no progress" in done.stdout


def test_idle_ranks_get_into_every_state():
    """In cases of their family; the states are those of `twin.Replay.rank_clocks`."""
    reached = [0] * 5
    for seed in range(40):
        done = replay_of(twin.replay, twin.StuckError, case("idle", seed))
        if done != STOPPED:
            into = {state for clocks in done.rank_clocks for state, clk in enumerate(clocks) if clk}
            reached = [count + (state in into) for state, count in enumerate(reached)]
    assert min(reached) >= 8


# Controllers without what a family is about; the families left out are not about one policy of the controller.
WITHOUT = {
    "fcfs": {"scheduler": "fr-fcfs"},
    "oldest-first": {"arbitration": "column-first"},
    "protection": {"row_hit_protection": "none", "row_hit_cap": 0, "protection_cap": 0},
    "activated-first": {"activated_first": False},
    "batch-drain": {"write_drain": "watermark"},
    "line-sharing": {"read_forwarding": True, "write_coalescing": True, "read_merging": False},
    "rank-arbitration": {"rank_arbitration": "oldest"},
    "row-policy": {"row_policy": "open"},
    "bank-queues": {"command_queue": 0, "arbitration": "column-first"},
    "rank-queues": {"command_queue": 0, "arbitration": "column-first"},
    "refresh": {"refresh_blocking": "activates", "refresh_precharge": "all"},
    "idle": {},
}


@pytest.mark.parametrize("family", WITHOUT)
def test_a_family_reaches_what_it_is_about(family):
    """A generator that never makes its policy matter would test nothing."""
    changed = 0
    for seed in range(20):
        tried = case(family, seed)
        before = replay_of(twin.replay, twin.StuckError, tried)
        controller = tried.spec.controller.model_copy(update=WITHOUT[family])
        tried.spec = tried.spec.model_copy(update={"controller": controller, "idle": Idle()})
        after = replay_of(twin.replay, twin.StuckError, tried)
        changed += STOPPED in (before, after) or before.commands != after.commands
    assert changed >= 4
