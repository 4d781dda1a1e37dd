"""The compiled RecNMP units against the packet twin, and both against the whole simulation."""

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recnmp_cases import (
    BASE,
    Packet,
    commands_of_ranks,
    compiled_units,
    execute,
    feed,
    packets_on,
    random_packets,
    replay,
    small_channel,
    small_system,
    small_trace,
)
from recnmp_sums_twin import sums_sha256
from recnmp_twin import Pooling, design_of
from recnmp_unit_twin import Burst, TickedUnit, Vector

from archsim import simulate
from archsim.dram.resolve import COMMANDS
from archsim.kernels.recnmp import PACKET_LOG
from archsim.traces import EmbeddingTrace, Table

SEEDS = st.integers(0, 2**32)
GREATEST = ("latency_max_clk", "last_data_clk")
LOG_LIMIT = 1 << 20


def assert_alike(units, order, channel):
    expected, dram = channel.record, units.counts()
    assert order == expected.order
    latencies = expected.latencies
    assert units.packet_counts() == {
        "packets": expected.packets,
        "instructions": expected.instructions,
        "issue_clk": expected.issue_clk,
        "result_bursts": expected.result_bursts,
        "slowest_rank_reads": expected.slowest_rank_bursts,
        "latency_sum_clk": sum(latencies),
        "latency_max_clk": max(latencies, default=0),
        "end_clk": expected.end,
        "configurations": expected.configurations,
    }
    clocks, times = units.packet_latency_histogram()
    assert dict(zip(clocks.tolist(), times.tolist(), strict=True)) == Counter(latencies)
    assert units.rank_reads().tolist() == expected.rank_reads
    assert units.cache_counts().tolist() == [[u.lookups, u.hits, u.fills, u.bypassed] for u in channel.units]
    if expected.packets:
        for name, count in dram.items():
            of_ranks = [unit.dram.counts[name] for unit in channel.units]
            assert count == (max(of_ranks) if name in GREATEST else sum(of_ranks)), name


def assert_the_logs_alike(units, channel):
    """Packets one by one, and every hit of every RankCache."""
    dram = channel.dram.organization
    assert units.packets().T.tolist() == [list(vars(packet).values()) for packet in channel.record.log]
    found = [[] for _ in channel.units]
    for clk, unit, _, place in units.hits().T.tolist():
        found[unit].append((clk, place >> 32, place >> 16 & 0xFFFF, place & 0xFFFF))
    for own, unit in zip(found, channel.units, strict=True):
        assert own == [
            (clk, burst.row, burst.bank_group * dram.banks_per_group + burst.bank, burst.column)
            for clk, burst in unit.hit_log
        ]


def without_meaningless_places(log):
    """List commands with row and column only where they mean something."""
    parts = {"ACT": 4, "RD": 5, "WR": 5}
    return [command[: parts.get(COMMANDS[command[1]], 3)] for command in log.T.tolist()]


@settings(derandomize=True, deadline=None, max_examples=150)
@given(SEEDS, st.integers(1, 60), st.integers(1, 30))
def test_compiled_units_execute_packets_like_the_twin(seed, bags, packets_per_feed):
    dice = random.Random(seed)
    design, dram = small_channel(dice)
    packets = random_packets(dice, dram, bags)
    units, order = compiled_units(design, dram, LOG_LIMIT), []
    for first in range(0, len(packets), packets_per_feed):
        order += feed(units, dram, packets[first : first + packets_per_feed])
    units.finish()
    channel = execute(design, dram, packets)
    assert_alike(units, order, channel)
    assert_the_logs_alike(units, channel)
    for log, unit in zip(commands_of_ranks(units, design, dram), channel.units, strict=True):
        assert without_meaningless_places(log) == without_meaningless_places(unit.dram.commands())


@settings(derandomize=True, deadline=None, max_examples=20)
@given(SEEDS, st.integers(1, 8))
def test_compiled_units_agree_with_rank_units_that_visit_every_clock(seed, bags):
    dice = random.Random(seed)
    design, dram = small_channel(dice, staggered=False)
    packets = random_packets(dice, dram, bags)
    units = compiled_units(design, dram, LOG_LIMIT)
    order = feed(units, dram, packets)
    units.finish()
    channel = execute(design, dram, packets, TickedUnit)
    assert_alike(units, order, channel)
    assert_the_logs_alike(units, channel)
    ranks = units.commands()[2] // dram.organization.banks_per_rank
    for rank, unit in enumerate(channel.units):
        assert units.queues()[:, ranks == rank].T.tolist() == [list(pair) for pair in unit.dram.waiting]


def test_the_log_of_packets_and_hits_ends_where_it_should():
    dice = random.Random(3)
    design, dram = small_channel(dice)
    design = design._replace(cache_sets=64, cache_ways=4, cache_clk=1)
    packets = random_packets(dice, dram, 60)
    whole, some, none = (compiled_units(design, dram, limit) for limit in (LOG_LIMIT, 5, 0))
    for units in (whole, some, none):
        feed(units, dram, packets)
        units.finish()
    assert some.packets().tolist() == whole.packets()[:, :5].tolist()
    assert none.packets().shape == (len(PACKET_LOG), 0)
    assert none.hits().shape == (4, 0)
    hits = whole.hits()
    for rank in range(design.ranks):
        own = hits[:, hits[1] == rank]
        assert own.shape[1] > 5
        assert some.hits()[:, some.hits()[1] == rank].tolist() == own[:, :5].tolist()
    assert some.packet_counts() == whole.packet_counts() == none.packet_counts()


@settings(derandomize=True, deadline=None, max_examples=60)
@given(SEEDS, st.integers(1, 60))
def test_simulate_reports_what_the_twin_says(seed, bags):
    dice = random.Random(seed)
    system = small_system(dice)
    trace = small_trace(dice, system, bags)
    packets = packets_on(system, trace)
    channels = replay(system, packets, weighted=trace.weight is not None)
    expected = [channel.record for channel in channels]
    result = simulate(system, trace, log_limit=LOG_LIMIT)
    for channel, record in enumerate(expected):
        log = result.packets[1:, result.packets[0] == channel]
        assert log.T.tolist() == [list(vars(packet).values()) for packet in record.log]
    assert result.cycles == max(record.end for record in expected)
    assert result.nmp["packets"] == sum(record.packets for record in expected)
    assert result.nmp["instructions"] == sum(record.instructions for record in expected)
    assert result.nmp["configurations"] == sum(record.configurations for record in expected)
    reads = [count for record in expected for count in record.rank_reads]
    assert result.nmp["rank_reads"] == reads
    bursts = sum(len(record.order) for record in expected)
    assert result.trace.requests == bursts
    slowest = sum(record.slowest_rank_bursts for record in expected)
    ranks = system.dram.organization.ranks
    assert result.nmp["load_imbalance"] == pytest.approx(slowest * ranks / bursts, rel=1e-12)
    ns = system.dram.timing.tCK_ps / 1000
    latencies = [latency for record in expected for latency in record.latencies]
    assert result.nmp["packet_latency_max_ns"] == max(latencies) * ns
    assert result.nmp["packet_latency_avg_ns"] == pytest.approx(ns * np.mean(latencies), rel=1e-12)
    assert result.nmp["sums"]["sha256"] == sums_sha256(system, trace, packets, channels)
    assert_the_caches_alike(result, [unit for channel in channels for unit in channel.units])


def assert_the_caches_alike(result, units):
    lookups, hits = sum(unit.lookups for unit in units), sum(unit.hits for unit in units)
    if units[0].cache is None:
        assert result.cache is None
        return
    bypassed = sum(unit.bypassed for unit in units)
    assert result.cache["hits"] == hits
    assert result.cache["accesses"] == lookups + bypassed
    assert result.cache["hit_ratio"] == pytest.approx(hits / (lookups + bypassed), rel=1e-12)


def test_one_lookup_of_two_bursts_takes_64_clocks():
    # Configuration 4, queue 1, ACT to RD 17, RD to RD 6, CL and burst 21, additions 3 in the unit and 3 in the DIMM,
    # transfer 1, result 8.
    trace = EmbeddingTrace(
        name="one",
        tables=[Table("table", 100, 128)],
        rows=np.array([5]),
        bag_offsets=np.array([0, 1]),
        bag_tables=np.array([0], np.int32),
    )
    assert simulate(BASE, trace).cycles == 64
    assert [channel.record.end for channel in replay(BASE, packets_on(BASE, trace))] == [64]


def test_a_packet_of_more_poolings_than_psum_tags_is_refused():
    burst = Burst(0, 0, 0, 0, 0, 0)
    packet = Packet(0, [Pooling(1, [Vector([burst])]) for _ in range(17)])
    with pytest.raises(ValueError, match="at most 16 poolings"):
        feed(compiled_units(design_of(BASE), BASE.dram), BASE.dram, [packet])
