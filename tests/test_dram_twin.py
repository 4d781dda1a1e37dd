"""The compiled DRAM channel against its tick-by-tick twin and the legality checker, on random requests."""

import engine
import pytest
import twin
from dram_mixes import memories, mixes
from engine import ddr4
from hypothesis import given, settings
from hypothesis import strategies as st
from legality import check


@settings(max_examples=320, derandomize=True, deadline=None)
@given(st.data())
def test_the_channel_issues_exactly_the_commands_of_its_twin_and_all_are_legal(data):
    spec = data.draw(memories())
    requests = data.draw(mixes(spec))
    log, finish, counts = engine.replay(spec, **requests)
    twin_log, twin_finish, twin_counts = twin.replay(spec, **requests)
    assert log == twin_log
    assert finish == twin_finish
    assert counts == twin_counts
    assert check(log, spec) == []


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.data())
def test_a_memory_with_rules_missing_is_still_the_same_for_both(data):
    spec = data.draw(memories())
    kept = data.draw(st.lists(st.sampled_from(spec.rules), min_size=8, unique=True))
    spec = spec.model_copy(update={"rules": tuple(kept)})
    requests = data.draw(mixes(spec))
    assert engine.replay(spec, **requests) == twin.replay(spec, **requests)


@settings(max_examples=150, derandomize=True, deadline=None)
@given(st.data())
def test_the_pieces_in_which_requests_are_fed_do_not_matter(data):
    spec = data.draw(memories())
    requests = data.draw(mixes(spec))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(requests["row"])), max_size=8)))
    log, _, counts = engine.replay(spec, **requests)
    fed_log, _, fed_counts = engine.replay(spec, **requests, cuts=cuts)
    assert fed_log == log
    assert fed_counts == counts


@settings(max_examples=30, derandomize=True, deadline=None)
@given(st.data(), st.sampled_from([10**6, 2**31 - 50, 2**31 + 7, 2**33]))
def test_without_refresh_a_late_start_moves_every_command_by_as_much(data, late):
    spec = data.draw(memories(refresh_modes=["none"]))
    requests = data.draw(mixes(spec))
    log, finish, counts = engine.replay(spec, **requests)
    requests["arrival"] = [late + clk for clk in requests["arrival"]]
    late_log, late_finish, late_counts = engine.replay(spec, **requests)
    assert late_log == [command._replace(clk=command.clk + late) for command in log]
    assert late_finish == [clk + late if clk >= 0 else clk for clk in finish]
    assert late_counts["latency_sum_clk"] == counts["latency_sum_clk"]


@pytest.mark.parametrize("ranks", [1, 4])
def test_a_busy_mix_around_a_standard_refresh_is_the_same_for_both(ranks):
    spec = ddr4(organization={"ranks": ranks})
    n = 500
    requests = {
        "rank": [i * 7 // 3 % ranks for i in range(n)],
        "bank_group": [i * i // 5 % 4 for i in range(n)],
        "bank": [i // 9 % 4 for i in range(n)],
        "row": [i * i // 31 % 5 for i in range(n)],
        "column": [i * 5 % 128 for i in range(n)],
        "is_write": [i * 11 % 10 < 3 for i in range(n)],
        "arrival": [spec.timing.tREFI - 1000] * n,
    }
    log, finish, counts = engine.replay(spec, **requests)
    assert (log, finish, counts) == twin.replay(spec, **requests)
    assert counts["ref"] > 0
    assert check(log, spec) == []


def test_the_window_of_four_activates_reaches_across_a_refresh():
    """Four ACT just before a short REF: the fifth waits for its tFAW all the same."""
    spec = ddr4(timing={"tFAW": 200, "tRFC": 20, "tREFI": 1000}, refresh={"staggered": False})
    due = spec.timing.tREFI
    requests = {
        "rank": [0] * 5,
        "bank_group": [0, 1, 2, 3, 0],
        "bank": [0, 0, 0, 0, 1],
        "row": [0] * 5,
        "column": [0] * 5,
        "is_write": [False] * 5,
        "arrival": [due - 60] * 5,
    }
    log, _, _ = engine.replay(spec, **requests)
    acts = [command.clk for command in log if command.name == "ACT"]
    assert [command.name for command in log].count("REF") == 1
    assert acts[4] == acts[0] + spec.timing.tFAW
    assert check(log, spec) == []
