"""What a result says beyond its totals: per channel, rank and bank, over time, and where energy goes."""

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim import InputError, load_system, simulate
from archsim.dram.energy import RANK_STATES
from archsim.spec import preset_names
from archsim.traces import EmbeddingTrace, Table

SEEDS = st.integers(0, 2**32)
#: Figures of requests and commands that add up over channels.
SUMS = (
    "reads", "writes", "reads_forwarded", "reads_merged", "writes_coalesced", "row_hits", "row_misses", "row_conflicts",
    "activates", "precharges", "refreshes",
)  # fmt: skip
SYSTEMS = {
    "host": load_system("host-2rank"),
    "host that merges": load_system(
        "host-2rank", ["dram.controller.read_merging=true", "dram.energy.preset=ddr4-8gb-x8-2400"]
    ),
    "two channels": load_system("host-2rank", ["dram.organization.channels=2"]),
    "ddr5": load_system("host-2rank", ["dram.preset=ddr5-4800"]),
    "hbm2": load_system("host-2rank", ["dram.preset=hbm2-2000"]),
    "per-bank refresh": load_system("host-2rank", ["dram.preset=lpddr4-4266", "dram.refresh.mode=per-bank"]),
    "recnmp": load_system("recnmp-base-4rank"),
    "recnmp by currents": load_system("recnmp-base-4rank", ["dram.energy.preset=ddr4-8gb-x8-2400"]),
}


def trace_of(seed, lookups=300, rows=2000, updates=False, paced=False):
    dice = random.Random(seed)
    bags = lookups // 10
    return EmbeddingTrace(
        name="statistics",
        tables=[Table("a", rows, 64), Table("b", rows, 256)],
        rows=np.array([dice.choice([dice.randrange(8), dice.randrange(rows)]) for _ in range(lookups)]),
        bag_offsets=np.arange(bags + 1) * 10,
        bag_tables=np.array([dice.randrange(2) for _ in range(bags)], np.int32),
        time_ps=np.cumsum([dice.choice([0, 10**6]) for _ in range(bags)]) if paced else None,
        operation=np.array([dice.random() < 0.3 for _ in range(lookups)], np.uint8) if updates else None,
    )


def one_line(rows=1):
    return EmbeddingTrace(
        name="one",
        tables=[Table("a", 100, 64)],
        rows=np.zeros(rows, np.int64),
        bag_offsets=np.array([0, rows]),
        bag_tables=np.array([0], np.int32),
    )


# -------------------------------------------------------------------------------------------------------- additivity


@settings(derandomize=True, deadline=None, max_examples=60)
@given(SEEDS, st.sampled_from(sorted(SYSTEMS)), st.booleans())
def test_channels_ranks_and_banks_add_up_to_the_run(seed, name, paced):
    system = SYSTEMS[name]
    result = simulate(system, trace_of(seed, updates=system.kind == "host", paced=paced))
    run, organization = result.to_dict(), system.dram.organization
    assert len(run["channels"]) == organization.channels
    assert len(run["ranks"]) == organization.channels * organization.all_ranks
    assert len(result.banks) == organization.channels * organization.banks
    for key in SUMS:
        assert sum(channel[key] for channel in run["channels"]) == run[key]
    moved = {"reads": result.counts["rd"], "writes": result.counts["wr"], "activates": run["activates"]}
    for key, total in moved.items():
        assert sum(rank[key] for rank in run["ranks"]) == sum(bank[key] for bank in result.banks) == total
    for key in ("precharges", "refreshes"):
        assert sum(rank[key] for rank in run["ranks"]) == run[key]
    for rank in run["ranks"]:
        own = [
            bank for bank in result.banks
            if all(bank[key] == rank[key] for key in ("channel", "pseudo_channel", "rank"))
        ]  # fmt: skip
        assert len(own) == organization.banks_per_rank
        assert sum(bank["reads"] for bank in own) == rank["reads"]
        states = [rank[f"{state}_ns"] for state in (
            "active_standby", "precharge_standby", "active_power_down", "precharge_power_down", "self_refresh",
        )]  # fmt: skip
        assert sum(states) == pytest.approx(run["time_ns"], rel=1e-12)
    bandwidths = [channel["bandwidth_gbps"] for channel in run["channels"]]
    assert sum(bandwidths) == pytest.approx(run["bandwidth_gbps"], rel=1e-12)
    requests = run["row_hits"] + run["row_misses"] + run["row_conflicts"]
    assert (
        run["requests"] == requests + run["reads_forwarded"] + run["reads_merged"] + run["writes_coalesced"]
    )


@settings(derandomize=True, deadline=None, max_examples=40)
@given(SEEDS, st.sampled_from(sorted(SYSTEMS)))
def test_latencies_split_into_queueing_and_service_and_have_a_histogram(seed, name):
    system = SYSTEMS[name]
    result = simulate(system, trace_of(seed, updates=system.kind == "host"))
    parts = result.latency_queueing_avg_ns + result.latency_service_avg_ns
    assert parts == pytest.approx(result.latency_avg_ns, rel=1e-12)
    assert result.latency_queueing_avg_ns >= 0
    assert result.latency_service_avg_ns > 0
    assert int(result.latency_count.sum()) == result.counts["reads"]
    listed = np.repeat(result.latency_ns, result.latency_count)
    assert listed.mean() == pytest.approx(result.latency_avg_ns, rel=1e-12)
    assert listed.max() == result.latency_max_ns
    ranks = [-(-len(listed) * percent // 100) - 1 for percent in (50, 90, 99)]
    assert [listed[rank] for rank in ranks] == [
        result.latency_p50_ns, result.latency_p90_ns, result.latency_p99_ns,
    ]  # fmt: skip


def test_a_lone_read_is_all_service_but_for_its_clock_in_the_queue():
    # Accepted at 0, ACT at 1, data until 39.
    result = simulate(load_system("host-1rank"), one_line())
    assert result.latency_queueing_avg_ns == pytest.approx(0.833)
    assert result.latency_service_avg_ns == pytest.approx(38 * 0.833)


def test_merged_reads_are_counted():
    system = load_system("host-1rank", ["dram.controller.read_merging=true"])
    run = simulate(system, one_line(rows=10)).to_dict()
    assert run["reads_merged"] == 9
    assert run["requests"] == 10


# ------------------------------------------------------------------------------------------- bandwidth, utilisation


@pytest.mark.parametrize("name", sorted(set(preset_names("dram"))))
def test_every_memory_serves_the_host_and_moves_what_it_counts(name):
    system = load_system("host-8rank", [f"dram.preset={name}"])
    trace = trace_of(3, rows=1000)
    result = simulate(system, trace)
    dram = system.dram
    lines = int(np.where(trace.table == 0, 1, 4).sum())
    access_bytes = dram.organization.access_bytes
    assert result.trace.requests * access_bytes == 64 * lines
    moved = (result.counts["rd"] + result.counts["wr"]) * access_bytes
    assert result.bandwidth_gbps == pytest.approx(moved / result.time_ns, rel=1e-12)
    # Pins, times bits of a pin: the burst takes tBL clocks of the bus.
    pins = dram.organization.channels * dram.organization.pseudo_channels * dram.organization.bus_width_bits
    per_clk = pins * dram.organization.burst_length / dram.timing.tBL
    assert result.peak_bandwidth_gbps == pytest.approx(per_clk / 8 / (dram.timing.tCK_ps / 1000), rel=1e-12)
    assert result.bandwidth_gbps < result.peak_bandwidth_gbps
    assert all(0 <= share <= 1 for share in result.utilisation.values()), result.utilisation
    assert result.utilisation[result.bottleneck] == max(result.utilisation.values())


def test_utilisation_is_that_of_the_busiest_channel():
    system = load_system("host-2rank", ["dram.organization.channels=2", "placement.policy=contiguous"])
    result = simulate(system, one_line(rows=50))
    busy, idle = sorted(result.channels, key=lambda channel: -channel["reads"])
    assert (busy["reads"], idle["reads"]) == (50, 0)
    assert result.utilisation == {
        name: max(busy["utilisation"][name], idle["utilisation"][name]) for name in busy["utilisation"]
    }
    assert idle["utilisation"]["data_bus"] == 0
    assert busy["bandwidth_gbps"] == pytest.approx(result.bandwidth_gbps, rel=1e-12)


def test_an_open_row_is_reported_and_is_no_bottleneck():
    # ACT at clock 1, last data at 39, the row stays open.
    result = simulate(load_system("host-1rank"), one_line())
    assert result.row_open == {"highest": pytest.approx(38 / 39), "average": pytest.approx(38 / 39 / 16)}
    assert result.bottleneck == "data_bus"
    assert result.utilisation["data_bus"] == pytest.approx(4 / 39)


# ------------------------------------------------------------------------------------------------------------ energy


@settings(derandomize=True, deadline=None, max_examples=25)
@given(SEEDS, st.sampled_from(sorted(SYSTEMS)))
def test_the_energy_of_the_ranks_is_that_of_the_devices(seed, name):
    result = simulate(SYSTEMS[name], trace_of(seed))
    devices = sum(row.energy_nj for row in result.energy if row.component == "dram")
    rounding_nj = len(result.ranks) * len(result.energy) / 4096
    assert sum(rank["dram_energy_nj"] for rank in result.ranks) == pytest.approx(
        devices, rel=1e-12, abs=rounding_nj
    )


@pytest.mark.parametrize("name", ["host that merges", "recnmp by currents", "ddr5", "hbm2"])
def test_with_currents_every_rank_pays_for_every_clock_of_the_run(name):
    result = simulate(SYSTEMS[name], trace_of(1))
    background = [row.count for row in result.energy if row.event in RANK_STATES]
    assert sum(background) == len(result.ranks) * result.cycles


def test_the_near_memory_units_save_the_channel_and_not_the_devices():
    host = simulate(load_system("host-4rank", ["dram.energy.preset=ddr4-8gb-x8-2400"]), trace_of(1))
    near = simulate(SYSTEMS["recnmp by currents"], trace_of(1))
    events = [{(row.component, row.event): row.count for row in result.energy} for result in (host, near)]
    assert events[0]["dram", "read"] == events[1]["dram", "read"]
    assert ("channel", "io_read") in events[0]
    assert ("channel", "io_read") not in events[1]


def test_the_shipped_systems_keep_the_constants_of_recnmp():
    result = simulate(SYSTEMS["host"], trace_of(1))
    assert [(row.component, row.event, row.pj_per_event) for row in result.energy] == [
        ("dram", "activate", 2100.0),
        ("dram", "read", 512 * 14.0),
        ("channel", "io_read", 512 * 22.0),
    ]


# ------------------------------------------------------------------------------------------------------- time series


@settings(derandomize=True, deadline=None, max_examples=40)
@given(SEEDS, st.sampled_from(sorted(SYSTEMS)), st.sampled_from([3.0, 100.0, 1e4, 1e9]), st.booleans())
def test_a_time_series_adds_up_to_the_run(seed, name, interval_ns, paced):
    system = SYSTEMS[name]
    trace = trace_of(seed, updates=system.kind == "host", paced=paced)
    result = simulate(system, trace, interval_ns=interval_ns)
    series, run = result.series, result.to_dict()
    assert series["reads"].sum() == result.counts["rd"]
    assert series["writes"].sum() == result.counts["wr"]
    for key in ("activates", "precharges", "refreshes"):
        assert series[key].sum() == run[key]
    assert series["reads_done"].sum() == run["reads"]
    total = float((series["latency_avg_ns"] * series["reads_done"]).sum())
    assert total == pytest.approx(run["latency_avg_ns"] * run["reads"], rel=1e-9)
    edges = np.append(series["start_ns"], result.time_ns)
    assert np.all(np.diff(edges) > 0)
    moved = float((series["bandwidth_gbps"] * np.diff(edges)).sum())
    assert moved == pytest.approx(run["bandwidth_gbps"] * run["time_ns"], rel=1e-9)
    assert (
        replace(result, series=None, kernel_cpu_s=0).to_dict()
        == replace(simulate(system, trace), kernel_cpu_s=0).to_dict()
    )


def test_an_interval_is_rounded_to_whole_clocks():
    series = simulate(SYSTEMS["host"], trace_of(1), interval_ns=100).series
    assert series["start_ns"][1] == pytest.approx(120 * 0.833)
    every = simulate(SYSTEMS["host"], trace_of(1), interval_ns=0.1)
    assert len(every.series["start_ns"]) == every.cycles


@pytest.mark.parametrize("interval_ns", [0, -1.0, float("nan"), float("inf"), 1e13])
def test_an_impossible_interval_is_refused(interval_ns):
    with pytest.raises(InputError, match=r"interval of .* ns: must be above 0 and at most 3.6e\+12 ns"):
        simulate(SYSTEMS["host"], trace_of(1), interval_ns=interval_ns)


# ----------------------------------------------------------------------------------------------------------- systems


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_change_nothing(threads):
    system, trace = SYSTEMS["hbm2"], trace_of(4, updates=True)
    one, other = (simulate(system, trace, log_limit=500, threads=n) for n in (1, threads))
    assert replace(one, kernel_cpu_s=0).to_dict() == replace(other, kernel_cpu_s=0).to_dict()
    assert one.commands.tolist() == other.commands.tolist()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["dram.organization.pseudo_channels=2"],
            "dram.organization.pseudo_channels = 2: must be 1 with kind = 'recnmp', whose units share the pins of a "
            "whole channel",
        ),
        (
            ["dram.organization.bus_width_bits=32"],
            "dram.organization.burst_length = 8: moves 32 bytes; with kind = 'recnmp' a burst must move 64",
        ),
    ],
)
def test_recnmp_refuses_memories_of_another_shape(overrides, message):
    with pytest.raises(InputError) as refused:
        load_system("recnmp-base-4rank", overrides)
    assert str(refused.value) == f"--set: {message}"


@pytest.mark.parametrize("name", ["host-1rank", "recnmp-base-2rank"])
def test_a_system_that_makes_no_progress_says_so_in_one_line(name):
    system = load_system(
        name,
        ["dram.timing.tREFI=430", "dram.controller.refresh_blocking=rank", "dram.refresh.staggered=false"],
    )
    trace = replace(trace_of(1), time_ps=np.arange(30) * 10**6)
    with pytest.raises(InputError) as stuck:
        simulate(system, trace)
    text = str(stuck.value)
    assert text.startswith(f"system {name!r}: ")
    assert "\n" not in text
    assert "no progress at clock" in text
    assert text.endswith(", while a refresh of its rank is due")
