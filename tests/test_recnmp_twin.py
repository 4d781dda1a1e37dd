"""The compiled RecNMP units against the packet twin, and both against the whole simulation."""

import itertools
import random
from collections import Counter
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from recnmp_twin import Burst, Channel, CompiledUnit, Pooling, TickedUnit, packets_of

from archsim import load_system, simulate
from archsim.dram.address import encode
from archsim.dram.resolve import resolve
from archsim.spec import apply_overrides
from archsim.systems.lowering import Lowering
from archsim.traces import EmbeddingTrace, Table

ITEM_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}
TABLE_ROWS = 300
SHAPES = [
    (64, "float32"),
    (128, "float32"),
    (256, "float16"),
    (512, "float32"),
    (40, "float32"),
    (96, "int8"),
    (7, "int8"),
]
SEEDS = st.integers(0, 2**32)
LARGEST = ("latency_max_clk", "last_data_clk")
BASE = load_system("recnmp-base-2rank")


class Packet(NamedTuple):
    arrival: int
    poolings: list[Pooling]


def small_system(dice, staggered):
    """Draw a RecNMP memory small enough for row conflicts, refreshes and full queues to be common."""
    ranks = dice.choice([2, 4, 8])
    return apply_overrides(
        BASE,
        [
            f"dram.organization.ranks={ranks}",
            f"nmp.ranks_per_dimm={dice.choice([n for n in (1, 2, 4) if n <= ranks])}",
            f"nmp.poolings_per_packet={dice.randint(1, 16)}",
            f"nmp.instructions_per_clk={dice.randint(1, 4)}",
            f"nmp.config_clk={dice.choice([0, 1, 2, 30])}",
            f"nmp.transfer_clk={dice.choice([0, 1, 5])}",
            "dram.organization.rows=128",
            f"dram.organization.columns={dice.choice([64, 256])}",
            f"dram.address_map.preset={dice.choice(['skylake', 'skylake-64', 'roco'])}",
            f"dram.controller.read_queue={dice.choice([1, 3, 32])}",
            "dram.timing.tRFC=60",
            f"dram.timing.tREFI={dice.randint(130, 700)}",
            f"dram.refresh.mode={dice.choice(['all-bank', 'all-bank', 'none'])}",
            f"dram.refresh.staggered={'true' if staggered else 'false'}",
            f"placement.policy={dice.choice(['random', 'contiguous'])}",
            f"placement.page_bytes={dice.choice([512, 4096])}",
        ],
    )


def whole_rows(system, tables):
    """List the rows of each table that lie in one rank; the others cannot be looked up."""
    lowering, rows = Lowering(system, tables), np.arange(TABLE_ROWS)
    lists = []
    for number in range(len(tables)):
        coordinates, lookup = lowering.lower(rows, np.full(TABLE_ROWS, number, np.int32))
        ranks = {}
        for coordinate, row in zip(coordinates.tolist(), lookup.tolist(), strict=True):
            ranks.setdefault(row, set()).add(place_of(coordinate, system.dram)[0])
        lists.append([row for row, touched in ranks.items() if len(touched) == 1])
    return lists


def place_of(coordinate, dram):
    flat, o = coordinate >> 16 & 0xFFFF, dram.organization
    rank, within = divmod(flat, o.bank_groups * o.banks_per_group)
    return rank, *divmod(within, o.banks_per_group), coordinate >> 32, coordinate & 0xFFFF


def small_trace(dice, system, bags):
    shapes = dice.choices(SHAPES, k=dice.randint(2, 5))
    tables = [Table(f"table {t}", TABLE_ROWS, *shape) for t, shape in enumerate(shapes)]
    choice = whole_rows(system, tables)
    lengths = [dice.choice([0, 1, 2, 5, 20]) for _ in range(bags)]
    lengths[dice.randrange(len(lengths))] += 1
    bag_tables = [dice.randrange(len(tables)) for _ in lengths]
    rows = []
    for length, table in zip(lengths, bag_tables, strict=True):
        hot = choice[table][:3]
        rows += [dice.choice(hot if dice.random() < 0.5 else choice[table]) for _ in range(length)]
    gap_ps = dice.choice([None, 1000, 100_000, 2_000_000])
    return EmbeddingTrace(
        name="small",
        tables=tables,
        rows=np.array(rows, np.int64),
        bag_offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        bag_tables=np.array(bag_tables, np.int32),
        time_ps=None if gap_ps is None else np.cumsum([dice.randrange(gap_ps) for _ in lengths]),
    )


def packets_on(system, trace):
    """Spell out the packets of a trace burst by burst."""
    lines, lookup = Lowering(system, trace.tables).lower(trace.rows, trace.table)
    vectors_of = [[] for _ in trace.rows]
    for line, number in zip(lines.tolist(), lookup.tolist(), strict=True):
        vectors_of[number].append(place_of(line, system.dram))
    numbers, packets = itertools.count(), []
    for bags in packets_of(trace.bag_tables.tolist(), system.nmp.poolings_per_packet):
        poolings, table = [], trace.tables[trace.bag_tables[bags[0]]]
        for bag in bags:
            mine = vectors_of[trace.bag_offsets[bag] : trace.bag_offsets[bag + 1]]
            vectors = [[Burst(next(numbers), *place) for place in vector] for vector in mine]
            result_bytes = 4 * (table.vector_bytes // ITEM_BYTES[table.dtype])
            poolings.append(Pooling(-(-result_bytes // 64), vectors))
        time_ps = 0 if trace.time_ps is None else int(trace.time_ps[bags[-1]])
        packets.append(Packet(-(-time_ps // system.dram.timing.tCK_ps), poolings))
    return packets


def random_packets(dice, system, bags):
    """Packets whose vectors lie anywhere in their rank, in pieces no page or address map would make."""
    o = system.dram.organization
    most_bursts, banks = dice.choice([1, 2, 8]), dice.randint(1, 4)
    numbers, packets, arrival = itertools.count(), [], 0
    busy_ranks = dice.sample(range(o.ranks), dice.randint(1, o.ranks))
    while bags > 0:
        poolings = []
        for _ in range(dice.randint(1, min(bags, system.nmp.poolings_per_packet))):
            vectors = []
            for _ in range(dice.choice([0, 1, 2, 5, 20])):
                rank, place, column = dice.choice(busy_ranks), None, 0
                vectors.append([])
                for _ in range(dice.randint(1, most_bursts)):
                    column = (column + 1) % o.bursts_per_row
                    if place is None or dice.random() < 0.3:
                        place = (dice.randrange(4), dice.randrange(banks), dice.randrange(3))
                    vectors[-1].append(Burst(next(numbers), rank, *place, column))
            poolings.append(Pooling(dice.choice([1, 2, 16, 64]), vectors))
        bags -= len(poolings)
        packets.append(Packet(arrival, poolings))
        arrival += dice.choice([0, 0, 10, 300, 3000])
    return packets


def execute(system, packets, unit=CompiledUnit):
    """Return the twin's channel after it has executed the packets."""
    channel = Channel(system, unit)
    for packet in packets:
        channel.execute(packet.poolings, packet.arrival)
    return channel


def compiled_units(system):
    from archsim.kernels.recnmp import NMP_PARAMETERS, RankUnits

    ranks = range(system.dram.organization.ranks)
    per_rank = [resolve(system.dram, ranks=1, refresh_rank=rank) for rank in ranks]
    values = {**dict(system.nmp), "ranks": len(ranks), "burst_clk": system.dram.timing.tBL}
    return RankUnits(
        np.array([values[name] for name in NMP_PARAMETERS], np.int64),
        per_rank,
        0,
    )


def feed(units, system, packets):
    """Feed whole packets and return the order in which their bursts arrived, by burst number."""
    flat = [
        (burst, lookup, pooling)
        for pooling, vectors in enumerate(p.vectors for packet in packets for p in packet.poolings)
        for lookup, vector in enumerate(vectors)
        for burst in vector
    ]
    bursts = [burst for burst, _, _ in flat]
    lookups = list(dict.fromkeys((pooling, lookup) for _, lookup, pooling in flat))
    number = {key: i for i, key in enumerate(lookups)}
    sizes = [sum(len(v) for p in packet.poolings for v in p.vectors) for packet in packets]
    order = np.empty(len(flat), np.int64)
    units.feed(
        np.array(
            [encode(b.rank, b.bank_group, b.bank, b.row, b.column, system.dram) for b in bursts], np.int64
        ),
        np.array([number[pooling, lookup] for _, lookup, pooling in flat], np.int32),
        np.array([pooling for pooling, _ in lookups], np.int32),
        np.array([p.result_bursts for packet in packets for p in packet.poolings], np.int32),
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.array([packet.arrival for packet in packets], np.int64),
        order,
    )
    return [bursts[i].number for i in order]


def assert_alike(units, order, channel):
    expected, counts, dram = channel.record, units.packet_counts(), units.counts()
    assert order == expected.order
    assert units.rank_reads().tolist() == expected.rank_reads
    assert counts["packets"] == expected.packets
    assert counts["instructions"] == expected.instructions
    assert counts["result_bursts"] == expected.result_bursts
    clocks, times = units.packet_latency_histogram()
    assert dict(zip(clocks.tolist(), times.tolist(), strict=True)) == Counter(expected.latencies)
    assert counts["end_clk"] == expected.end
    for name, count in dram.items():
        of_ranks = [unit.counts[name] for unit in channel.units]
        assert count == (max(of_ranks) if name in ("latency_max_clk", "last_data_clk") else sum(of_ranks)), (
            name
        )


@settings(derandomize=True, deadline=None, max_examples=100)
@given(SEEDS, st.integers(1, 60), st.booleans(), st.integers(1, 30))
def test_compiled_units_execute_packets_like_the_twin(seed, bags, staggered, packets_per_feed):
    dice = random.Random(seed)
    system = small_system(dice, staggered)
    packets = random_packets(dice, system, bags)
    units, order = compiled_units(system), []
    for first in range(0, len(packets), packets_per_feed):
        order += feed(units, system, packets[first : first + packets_per_feed])
    assert_alike(units, order, execute(system, packets))


@settings(derandomize=True, deadline=None, max_examples=20)
@given(SEEDS, st.integers(1, 8))
def test_compiled_units_agree_with_rank_units_that_visit_every_clock(seed, bags):
    dice = random.Random(seed)
    system = small_system(dice, staggered=False)
    packets = random_packets(dice, system, bags)
    units = compiled_units(system)
    assert_alike(units, feed(units, system, packets), execute(system, packets, TickedUnit))


@settings(derandomize=True, deadline=None, max_examples=50)
@given(SEEDS, st.integers(1, 60), st.booleans())
def test_simulate_reports_what_the_twin_says(seed, bags, staggered):
    dice = random.Random(seed)
    system = small_system(dice, staggered)
    trace = small_trace(dice, system, bags)
    expected = execute(system, packets_on(system, trace)).record
    result = simulate(system, trace)
    assert result.cycles == expected.end
    assert result.trace.requests == sum(expected.rank_reads)
    assert result.nmp["packets"] == expected.packets
    assert result.nmp["instructions"] == expected.instructions
    assert result.nmp["rank_reads"] == expected.rank_reads
    ns = system.dram.timing.tCK_ps / 1000
    assert result.nmp["packet_latency_max_ns"] == max(expected.latencies) * ns
    assert result.nmp["packet_latency_avg_ns"] == pytest.approx(ns * np.mean(expected.latencies), rel=1e-12)


def test_one_lookup_of_two_bursts_takes_56_clocks():
    # Configuration 2, queue 1, ACT to RD 17, RD to RD 6, CL and burst 21, result 8, transfer 1.
    trace = EmbeddingTrace(
        name="one",
        tables=[Table("table", 100, 128)],
        rows=np.array([5]),
        bag_offsets=np.array([0, 1]),
        bag_tables=np.array([0], np.int32),
    )
    assert simulate(BASE, trace).cycles == 56
    assert execute(BASE, packets_on(BASE, trace)).record.end == 56


def test_a_packet_of_more_poolings_than_psum_tags_is_refused():
    burst = Burst(0, 0, 0, 0, 0, 0)
    packet = Packet(0, [Pooling(1, [[burst]]) for _ in range(17)])
    with pytest.raises(ValueError, match="at most 16 poolings"):
        feed(compiled_units(BASE), BASE, [packet])
