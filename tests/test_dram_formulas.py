"""Closed forms: what the timing parameters say must come out of the channel."""

import engine
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.dram.engine import replay_lines
from archsim.dram.spec import DramSpec, resolve_latency
from archsim.errors import InputError
from archsim.spec import preset_names

STANDARDS = preset_names("dram")
NO_REFRESH = {"mode": "none", "staggered": True}
QUIET = settings(max_examples=40, deadline=None, derandomize=True)


def run(spec, requests, arrival=None):
    """Replay reads given as (rank, bank group, bank, row, column)."""
    fields = np.array(requests).T
    return engine.replay(spec, *fields, is_write=[0] * len(requests), arrival=arrival)


@st.composite
def timings(draw):
    """Values that a device could have, tRAS long enough that it does not hide tRTP and short enough to matter."""
    tRCD, tRP, CL = (draw(st.integers(5, 40)) for _ in range(3))
    tRTP = draw(st.integers(4, 12))
    tRAS = draw(st.integers(tRCD + tRTP, 90))
    return {"CL": CL, "tRCD": tRCD, "tRP": tRP, "tRTP": tRTP, "tRAS": tRAS, "tRC": tRAS + tRP}


@QUIET
@given(timing=timings())
def test_unloaded_read_of_a_closed_bank_takes_queue_trcd_cl_and_burst(timing):
    spec = engine.ddr4(timing=timing, refresh=NO_REFRESH)
    _, finish, _ = run(spec, [(0, 0, 0, 7, 3)])
    assert finish == [1 + timing["tRCD"] + timing["CL"] + spec.timing.tBL]


@QUIET
@given(timing=timings())
def test_unloaded_row_hit_and_conflict_latencies(timing):
    spec = engine.ddr4(timing=timing, refresh=NO_REFRESH)
    column = timing["CL"] + spec.timing.tBL
    _, finish, counts = run(
        spec, [(0, 0, 0, 7, 3), (0, 0, 0, 7, 4), (0, 0, 0, 8, 0)], arrival=[0, 1000, 2000]
    )
    assert finish[1] == 1000 + 1 + column
    assert finish[2] == 2000 + 1 + timing["tRP"] + timing["tRCD"] + column
    assert (counts["row_misses"], counts["row_hits"], counts["row_conflicts"]) == (1, 1, 1)


@QUIET
@given(timing=timings())
def test_rows_of_one_bank_follow_each_other_every_trc(timing):
    spec = engine.ddr4(timing=timing, refresh=NO_REFRESH)
    n = 20
    _, finish, _ = run(spec, [(0, 0, 0, row, 0) for row in range(n)])
    assert np.diff(finish).tolist() == [timing["tRC"]] * (n - 1)


@pytest.mark.parametrize(("groups", "gap"), [(1, "tCCD_L"), (4, "tBL")])
def test_streaming_rate_is_tccd_l_in_one_bank_group_and_the_data_bus_over_all(groups, gap):
    spec = engine.ddr4(refresh=NO_REFRESH)
    n = 400
    requests = [(0, i % groups, 0, 0, i // groups) for i in range(n)]
    _, finish, counts = run(spec, requests)
    steady = sorted(finish)[n // 2 :]
    assert (steady[-1] - steady[0]) / (len(steady) - 1) == getattr(spec.timing, gap)
    assert counts["row_hits"] + counts["row_misses"] == n


@pytest.mark.parametrize("tFAW", [20, 26, 60])
def test_activations_of_a_rank_keep_to_four_per_tfaw(tFAW):
    spec = engine.ddr4(timing={"tFAW": tFAW}, refresh=NO_REFRESH)
    # Each bank in turn, a new row each time: nothing else is slower than the window.
    requests = [(0, i % 4, i // 4 % 4, i // 16, 0) for i in range(320)]
    log, _, _ = run(spec, requests)
    acts = [command.clk for command in log if command.name == "ACT"]
    spans = np.array(acts[4:]) - np.array(acts[:-4])
    assert spans.min() == tFAW
    assert (acts[-1] - acts[100]) / (len(acts) - 101) == pytest.approx(max(tFAW / 4, 4), rel=0.02)


@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_every_rank_refreshes_once_per_trefi_and_no_later_than_it_must(ranks):
    spec = engine.ddr4(organization={"ranks": ranks})
    intervals = 10
    end = intervals * spec.timing.tREFI + 1
    log, _, counts = run(spec, [(0, 0, 0, 0, 0)] * 2, arrival=[0, end])
    assert counts["ref"] == intervals * ranks
    for rank in range(ranks):
        clocks = [command.clk for command in log if command.name == "REF" and command.rank == rank]
        due = [(rank + 1) * (spec.timing.tREFI // ranks) + i * spec.timing.tREFI for i in range(intervals)]
        # Only the first refresh of rank 0 finds an open row, which takes a PREA and tRP.
        late = [clk - expected for clk, expected in zip(clocks, due, strict=True)]
        assert late == [spec.timing.tRP if rank == 0 and i == 0 else 0 for i in range(intervals)]


def test_a_read_that_meets_a_refresh_waits_trfc():
    spec = engine.ddr4()
    timing = spec.timing
    _, finish, _ = run(spec, [(0, 0, 0, 0, 0)], arrival=[timing.tREFI])
    assert finish == [timing.tREFI + timing.tRFC + timing.tRCD + timing.CL + timing.tBL]


def test_without_refresh_none_issues():
    _, _, counts = run(engine.ddr4(refresh=NO_REFRESH), [(0, 0, 0, 0, 0)] * 2, arrival=[0, 10**6])
    assert (counts["ref"], counts["prea"]) == (0, 0)


def test_refresh_costs_a_saturated_stream_its_share_of_time():
    spec = engine.ddr4(
        address_map={"layout": ["bank_group:1", "column", "bank_group", "bank", "rank", "row"]}
    )
    bare = engine.ddr4(address_map=spec.address_map.to_dict(), refresh=NO_REFRESH)
    n = 300_000
    with_refresh, without = (
        replay_lines(each, np.arange(n)).counts()["last_data_clk"] for each in (spec, bare)
    )
    # A refresh stops the rank for tRFC and the few clocks of closing and opening rows around it.
    share = spec.timing.tRFC / spec.timing.tREFI
    assert share < 1 - without / with_refresh < share + 60 / spec.timing.tREFI


def test_idle_time_costs_nothing_but_refreshes():
    spec = engine.ddr4()
    end = 10**9
    _, finish, counts = run(spec, [(0, 0, 0, 0, 0)] * 2, arrival=[0, end])
    assert counts["ref"] == end // spec.timing.tREFI
    assert finish[1] >= end


def test_every_request_is_counted_once():
    draw = np.random.default_rng(5)
    lines, writes = draw.integers(0, 500, 20_000), draw.random(20_000) < 0.4
    counts = replay_lines(engine.ddr4(), lines, writes=writes).counts()
    kinds = ("row_hits", "row_misses", "row_conflicts", "forwarded", "coalesced")
    assert counts["reads"] + counts["writes"] == sum(counts[kind] for kind in kinds) == 20_000
    assert counts["rd"] == counts["reads"] - counts["forwarded"]
    assert counts["wr"] == counts["writes"] - counts["coalesced"]


def test_a_line_beyond_the_memory_is_refused():
    spec = engine.ddr4()
    lines = spec.organization.capacity_bytes // 64
    with pytest.raises(InputError, match=f"request 1: line {lines} lies outside the memory of {lines} lines"):
        replay_lines(spec, [0, lines])


def test_refresh_that_leaves_no_time_for_writes_is_noticed_and_said():
    # A read fits into the tRAS that a refresh must wait after ACT; the recovery of a write does not.
    spec = engine.ddr4(timing={"tREFI": 430})
    fields = np.array([(0, 0, 0, 0, 0), (0, 0, 0, 1, 0)]).T
    _, finish, _ = engine.replay(spec, *fields, is_write=[False] * 2, arrival=[1000] * 2)
    assert all(clk > 1000 for clk in finish)
    with pytest.raises(RuntimeError, match=r"0 reads and 2 writes wait, and .* leave no time to serve them"):
        engine.replay(spec, *fields, is_write=[True] * 2, arrival=[1000] * 2)


def test_the_activate_window_reaches_across_a_short_refresh():
    spec = engine.ddr4(timing={"tFAW": 200, "tRFC": 20, "tREFI": 150})
    log, _, _ = run(spec, [(0, i % 4, i // 4, 0, 0) for i in range(8)])
    acts = [command.clk for command in log if command.name == "ACT"]
    assert all(later - earlier >= 200 for earlier, later in zip(acts, acts[4:], strict=False))


def test_a_rule_that_the_kernel_cannot_enforce_is_refused():
    rules = [rule.model_dump() for rule in engine.ddr4().rules]
    odd = {"level": "bank_group", "before": "RD", "after": "REF", "latency": "tRCD", "window": 1}
    with pytest.raises(InputError, match="bank_group RD-REF: no such rule can be enforced"):
        replay_lines(engine.ddr4(rules=[*rules, odd]), [0])


# ---- Every shipped standard, from its own numbers. ----


def alone(name, mode="none", layout=("column", "bank_group", "bank", "row"), pseudo_channels=1):
    """Return one channel of a standard, of one rank or one per pseudo channel, with a plain address map."""
    data = DramSpec.load(name).to_dict()
    data["organization"] |= {"channels": 1, "pseudo_channels": pseudo_channels, "ranks": 1}
    data["refresh"] |= {"mode": mode}
    data["address_map"] = {"layout": layout, "hash": []}
    return DramSpec.from_dict(data, f"{name} alone")


def gap(spec, before, after, *levels):
    """Return the clocks that the strictest rule of the levels puts between two commands."""
    found = [
        resolve_latency(rule.latency, spec.timing)
        for rule in spec.rules
        if (rule.before, rule.after, rule.window) == (before, after, 1) and rule.level in levels
    ]
    return max(found)


def last_data(spec, lines, **options):
    counts = replay_lines(spec, lines, **options).counts()
    return counts["last_data_clk"], counts


def row_lines(spec):
    """Return the number of lines in one row of a bank."""
    return spec.organization.bursts_per_row // spec.organization.accesses_per_line


def read_data_clk(spec):
    return spec.timing.CL + (spec.timing.tDQSCK or 0) + spec.timing.tBL


def column_gap(spec):
    """Return the clocks from RD to RD of one bank."""
    return gap(spec, "RD", "RD", "bank", "bank_group", "rank")


@pytest.mark.parametrize("name", STANDARDS)
def test_unloaded_latencies_of_every_standard(name):
    spec = alone(name)
    # The later bursts of a line follow the first at the rate of one bank.
    data = (spec.organization.accesses_per_line - 1) * column_gap(spec) + read_data_clk(spec)
    closed = 1 + gap(spec, "ACT", "RD", "bank") + data
    late = 100_000
    assert last_data(spec, [0])[0] == closed
    assert last_data(spec, [0, 1], arrivals_clk=[0, late])[0] == late + 1 + data
    other_row = row_lines(spec) * spec.organization.banks_per_rank
    assert (
        last_data(spec, [0, other_row], arrivals_clk=[0, late])[0]
        == late + gap(spec, "PRE", "ACT", "bank") + closed
    )


@pytest.mark.parametrize("writes", [False, True], ids=["reads", "writes"])
@pytest.mark.parametrize("name", STANDARDS)
def test_a_saturated_stream_of_row_hits_reaches_the_peak_bandwidth_of_every_standard(name, writes):
    organization = DramSpec.load(name).organization
    spread = ("pseudo_channel", "bank_group", "column", "bank", "row")
    spec = alone(name, layout=spread, pseudo_channels=organization.pseudo_channels)
    open_lines = organization.pseudo_channels * organization.bank_groups * row_lines(spec)
    lines = np.arange(20_000) % open_lines
    clk, counts = last_data(spec, lines, writes=np.full(len(lines), writes))
    assert counts["wr" if writes else "rd"] == len(lines) * organization.accesses_per_line
    peak = organization.pseudo_channels * organization.bus_width_bits * organization.beats_per_clk / 8
    assert 0.99 * peak <= len(lines) * 64 / clk <= peak


@pytest.mark.parametrize("name", STANDARDS)
def test_refresh_costs_a_stream_to_one_bank_its_share_of_time_in_every_standard(name):
    bare, spec = alone(name), alone(name, "all-bank")
    interval, step = spec.refresh_interval_clk, column_gap(spec)
    lines = np.arange(120 * interval // step // spec.organization.accesses_per_line) % row_lines(spec)
    without, _ = last_data(bare, lines)
    reads = len(lines) * spec.organization.accesses_per_line
    assert without == 1 + gap(bare, "ACT", "RD", "bank") + (reads - 1) * step + read_data_clk(bare)
    clk, counts = last_data(spec, lines)
    assert counts["ref"] == clk // interval > 100
    # Closing the row, refreshing and opening it again, in place of the next burst.
    lost = (
        gap(spec, "RD", "PRE", "bank")
        + gap(spec, "PRE", "REF", "rank")
        + gap(spec, "REF", "ACT", "rank")
        + gap(spec, "ACT", "RD", "bank")
        - step
    )
    assert (clk - without) / counts["ref"] == pytest.approx(lost, rel=0.01)
    assert 1 - without / clk == pytest.approx(lost / interval, rel=0.01)
    assert spec.timing.tRFC < lost + 1 < spec.timing.tRFC + 2 * spec.timing.row_cycle_clk


@pytest.mark.parametrize("name", STANDARDS)
def test_refresh_of_single_banks_costs_a_stream_to_one_bank_only_the_refresh_of_that_bank(name):
    timing = DramSpec.load(name).timing
    modes = [mode for mode, clk in (("per-bank", timing.tRFCpb), ("same-bank", timing.tRFCsb)) if clk]
    for mode in modes:
        bare, spec = alone(name), alone(name, mode)
        interval, step = spec.refresh_interval_clk, column_gap(spec)
        lines = np.arange(120 * interval // step // spec.organization.accesses_per_line) % row_lines(spec)
        without, _ = last_data(bare, lines)
        clk, _ = last_data(spec, lines)
        lost = (
            gap(spec, "RD", "PRE", "bank")
            + gap(spec, "PRE", "REFB", "bank")
            + gap(spec, "REFB", "ACT", "bank")
            + gap(spec, "ACT", "RD", "bank")
            - step
        )
        # REFB of the other banks may each take the pins from a RD, where both share them.
        pins = 0 if spec.organization.split_command_bus else spec.timing.REF_clk * (spec.refresh_steps - 1)
        assert 0.99 * lost <= (clk - without) / (clk // interval) <= 1.01 * lost + pins
