"""What no RecNMP replay may do, whatever its packets: on the records of the twin and on the compiled units' logs."""

import random
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recnmp_cases import commands_of_ranks, compiled_units, execute, feed, random_packets, small_channel
from recnmp_twin import Issue

from archsim import load_system, open_trace, simulate
from archsim.dram.legality import check
from archsim.dram.resolve import COMMANDS

SEEDS = st.integers(0, 2**32)
ACT, RD = COMMANDS.index("ACT"), COMMANDS.index("RD")
cases = settings(derandomize=True, deadline=None, max_examples=60)


def drawn(seed, bags):
    dice = random.Random(seed)
    design, dram = small_channel(dice)
    return design, dram, random_packets(dice, dram, bags)


def compiled_logs(design, dram, packets):
    units = compiled_units(design, dram, 1 << 20)
    feed(units, dram, packets)
    units.finish()
    return units, commands_of_ranks(units, design, dram)


def alone(dram):
    """Return the memory of one rank unit."""
    return dram.model_copy(update={"organization": dram.organization.model_copy(update={"ranks": 1})})


@cases
@given(SEEDS, st.integers(1, 40))
def test_no_clock_of_the_pins_carries_more_than_it_can(seed, bags):
    design, dram, packets = drawn(seed, bags)
    record = execute(design, dram, packets).record
    instructions = data = 0
    for carried in record.pins.values():
        if isinstance(carried, Issue):
            assert 1 <= len(carried.ranks) <= design.instructions_per_clk
            assert len(set(carried.ranks)) == len(carried.ranks)
            assert {rank // design.ranks_per_dimm for rank in carried.ranks} == {carried.dimm}
            instructions += len(carried.ranks)
        else:
            data += carried.kind == "result"
    # Nothing was written over: a clock with an instruction has no part of a result.
    assert instructions == record.instructions
    assert data == record.result_bursts * dram.timing.tBL


@cases
@given(SEEDS, st.integers(1, 40))
def test_results_return_packet_by_packet_and_after_their_packet_has_ended(seed, bags):
    design, dram, packets = drawn(seed, bags)
    record = execute(design, dram, packets).record
    results = sorted((clk, c.packet) for clk, c in record.pins.items() if getattr(c, "kind", "") == "result")
    assert [packet for _, packet in results] == sorted(packet for _, packet in results)
    assert all(clk >= record.ends[packet] for clk, packet in results)
    last = {packet: clk + 1 for clk, packet in results}
    assert all(last[before] <= record.ends[before + 1] for before in range(record.packets - 1))
    assert record.latencies == [last[packet] - record.starts[packet] for packet in range(record.packets)]


@cases
@given(SEEDS, st.integers(1, 40))
def test_packets_never_reorder_across_each_other_on_a_rank(seed, bags):
    design, dram, packets = drawn(seed, bags)
    channel = execute(design, dram, packets)
    record, timing = channel.record, dram.timing
    of_rank = defaultdict(list)
    for clk in sorted(record.pins):
        if isinstance(record.pins[clk], Issue):
            for rank, packet in record.pins[clk].instructions:
                of_rank[rank].append((clk, packet))
    assert all(before <= after for before, after in pairwise(record.starts))
    for rank, unit in enumerate(channel.units):
        issued = of_rank[rank]
        assert [packet for _, packet in issued] == sorted(packet for _, packet in issued)
        assert all(clk >= record.starts[packet] for clk, packet in issued)
        first = {packet: clk for clk, packet in reversed(issued)}
        log = unit.dram.commands()
        # Each RD lies between the packet's first instruction and its last data, and packets do not overlap in RDs.
        after = design.arithmetic_clk + timing.CL + timing.tBL
        spans = [(clk, record.ends[packet] - after) for packet, clk in sorted(first.items())]
        assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))
        for clk in log[0][log[1] == RD].tolist():
            assert any(begin < clk <= end for begin, end in spans)


@cases
@given(SEEDS, st.integers(1, 40))
def test_the_commands_of_every_rank_keep_the_rules_of_the_standard(seed, bags):
    design, dram, packets = drawn(seed, bags)
    _, logs = compiled_logs(design, dram, packets)
    for clk, command, bank, row, column in logs:
        assert check(alone(dram), clk, command, bank, row, column) == []
        activated = clk[command == ACT]
        assert np.all(activated[4:] - activated[:-4] >= dram.timing.tFAW)


@cases
@given(SEEDS, st.integers(1, 40))
def test_no_rank_reads_faster_than_its_own_data_pins(seed, bags):
    design, dram, packets = drawn(seed, bags)
    units, logs = compiled_logs(design, dram, packets)
    reads, counts = units.rank_reads().tolist(), units.packet_counts()
    timing = dram.timing
    for rank, (clk, command, *_) in enumerate(logs):
        read_at = clk[command == RD]
        assert len(read_at) == reads[rank]
        assert np.all(np.diff(read_at) >= timing.tCCD_S)
        if reads[rank]:
            assert read_at[-1] + timing.CL + timing.tBL <= counts["end_clk"]
    # C/A and DQ pins: configurations, instructions and results fit into the run time.
    configured = sum(
        len({b.rank // design.ranks_per_dimm for b in bursts}) for bursts in map(bursts_of, packets)
    )
    assert counts["configurations"] == (configured if design.config_clk else 0)
    data_clk = configured * design.config_clk + counts["result_bursts"] * timing.tBL
    assert counts["issue_clk"] + data_clk <= counts["end_clk"]
    assert counts["issue_clk"] * design.instructions_per_clk >= counts["instructions"]


@cases
@given(SEEDS, st.integers(1, 40))
def test_every_burst_is_added_once_and_read_or_hit(seed, bags):
    design, dram, packets = drawn(seed, bags)
    units = compiled_units(design, dram)
    order = feed(units, dram, packets)
    units.finish()
    bursts = [burst for packet in packets for burst in bursts_of(packet)]
    assert sorted(order) == sorted(burst.number for burst in bursts)
    per_rank = Counter(burst.rank for burst in bursts)
    merged = units.counts()["merged"]
    assert sum(units.rank_reads()) + merged == len(bursts) - units.cache_counts()[:, 1].sum()
    if design.cache_sets:
        lookups, hits, fills, bypassed = units.cache_counts().T
        assert (lookups + bypassed).tolist() == [per_rank[rank] for rank in range(design.ranks)]
        assert (hits + fills == lookups).all()


def bursts_of(packet):
    return [burst for pooling in packet.poolings for vector in pooling.vectors for burst in vector.bursts]


@pytest.mark.parametrize("ranks", [2, 4, 8])
@pytest.mark.parametrize("design", ["base", "opt"])
def test_presets_stay_within_their_ranks_bandwidth_and_keep_the_rules(ranks, design):
    system = load_system(f"recnmp-{design}-{ranks}rank")
    result = simulate(system, open_trace("preset:zipf", limit=4000), log_limit=1 << 16)
    banks = system.dram.organization.banks_per_rank
    log = np.asarray(result.commands)
    for rank in range(ranks):
        clk, command, bank, row, column = log[:, log[2] // banks == rank]
        assert len(clk) > 0
        assert check(alone(system.dram), clk, command, bank % banks, row, column) == []
        assert result.nmp["rank_reads"][rank] * system.dram.timing.tCCD_S <= result.cycles
