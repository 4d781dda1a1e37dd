"""Random RecNMP systems, packets and traces, and both sides' ways of executing them."""

import itertools
from typing import NamedTuple

import numpy as np
from recnmp_twin import Channel, Design, Pooling, design_of, locality_bits, sent_packets
from recnmp_unit_twin import Burst, CompiledUnit, Vector

from archsim import load_system
from archsim.dram.address import encode
from archsim.dram.resolve import resolve
from archsim.dram.spec import DramSpec
from archsim.spec import apply_overrides
from archsim.systems.lowering import Lowering
from archsim.traces import EmbeddingTrace, Table

BASE = load_system("recnmp-base-2rank")
ITEM_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "int8": 1}
TABLE_ROWS = 300
#: Vectors of at most 7 bursts, some of which begin inside one.
SHAPES = [
    (64, "float32"),
    (128, "float32"),
    (256, "float16"),
    (448, "float32"),
    (40, "float32"),
    (96, "int8"),
    (7, "int8"),
]


class Packet(NamedTuple):
    arrival: int
    poolings: list[Pooling]


def small_dram(dice, ranks, channels=1):
    """Draw a memory small enough for row conflicts, refreshes and full queues to be common, as overrides."""
    return [
        f"dram.organization.ranks={ranks}",
        f"dram.organization.channels={channels}",
        "dram.organization.rows=256",
        f"dram.organization.columns={dice.choice([64, 256])}",
        f"dram.address_map.preset={dice.choice(['skylake', 'skylake-64', 'roco'])}",
        f"dram.controller.read_queue={dice.choice([1, 3, 32])}",
        f"dram.controller.read_merging={dice.choice(['true', 'false'])}",
        f"dram.controller.row_policy={dice.choice(['open', 'open', 'closed'])}",
        f"dram.controller.row_hit_protection={dice.choice(['older', 'all', 'none'])}",
        f"dram.controller.refresh_blocking={dice.choice(['activates', 'rank'])}",
        f"dram.controller.refresh_precharge={dice.choice(['all', 'each'])}",
        "dram.timing.tRFC=60",
        f"dram.timing.tREFI={dice.randint(130, 700)}",
        f"dram.refresh.mode={dice.choice(['all-bank', 'all-bank', 'none'])}",
        f"dram.refresh.staggered={dice.choice(['true', 'false'])}",
    ]


def refreshed_by_bank(dram):
    """Return the memory with a refresh of one bank at a time."""
    data = dram.to_dict()
    data["timing"] |= {"tRFCpb": 20, "tREFI": 16 * 120}
    data["refresh"] |= {"mode": "per-bank", "postpone": 0}
    for level, before, after in [
        ("bank", "PRE", "REFB"),
        ("bank", "ACT", "REFB"),
        ("bank", "REFB", "ACT"),
        ("bank", "REFB", "REFB"),
    ]:
        latency = {"PRE": "tRP", "ACT": "tRC"}.get(before, "tRFCpb")
        data["rules"].append({"level": level, "before": before, "after": after, "latency": latency})
    return DramSpec.from_dict(data, "refreshed by bank")


def small_design(dice, ranks):
    """Draw the numbers of the units: no RankCache, a tiny or a large one, one much slower than the DRAM."""
    sets, ways, latency_clk = (
        dice.choice([0, 0, 1, 2, 3, 4, 64, 1024]),
        dice.choice([1, 2, 4]),
        dice.randint(1, 4),
    )
    if dice.random() < 0.15:
        latency_clk = dice.choice([0, 11, 23, 60])
    return Design(
        ranks=ranks,
        ranks_per_dimm=dice.choice([n for n in (1, 2, 4) if n <= ranks]),
        instructions_per_clk=dice.randint(1, 4),
        config_clk=dice.choice([0, 1, 2, 30]),
        transfer_clk=dice.choice([0, 1, 5]),
        cache_sets=sets,
        cache_ways=ways if sets else 0,
        cache_clk=latency_clk if sets else 0,
        arithmetic_clk=dice.choice([0, 1, 6, 14, 90]),
    )


def small_channel(dice, *, staggered=None):
    """Draw the design and the memory of one channel."""
    ranks = dice.choice([2, 4, 8])
    overrides = small_dram(dice, ranks)
    if staggered is not None:
        overrides.append(f"dram.refresh.staggered={'true' if staggered else 'false'}")
    dram = apply_overrides(BASE, overrides).dram
    return small_design(dice, ranks), refreshed_by_bank(dram) if dice.random() < 0.2 else dram


def small_system(dice):
    """Draw a whole system."""
    ranks, channels = dice.choice([2, 4, 8]), dice.choice([1, 1, 2])
    design = small_design(dice, ranks)
    overrides = small_dram(dice, ranks, channels)
    overrides += [
        f"nmp.{name}={getattr(design, name)}"
        for name in ("ranks_per_dimm", "instructions_per_clk", "config_clk", "transfer_clk")
    ]
    overrides += [f"nmp.{name}={dice.choice([0, 1, 3, 4, 30])}" for name in ("fp32_add_clk", "fp32_mult_clk")]
    overrides.append(f"nmp.cache.size={design.cache_sets * design.cache_ways * 64}")
    if design.cache_sets:
        overrides += [f"nmp.cache.ways={design.cache_ways}", f"nmp.cache.latency_clk={design.cache_clk}"]
    overrides += [
        f"nmp.poolings_per_packet={dice.randint(1, 16)}",
        f"nmp.scheduling={dice.choice(['interleaved', 'table-aware'])}",
        f"nmp.batch_bags={dice.choice([1, 2, 3, 8, 20])}",
        f"nmp.profile_threshold={dice.choice([0, 0, 1, 2, 5])}",
        f"placement.page_bytes={dice.choice([512, 4096])}",
        f"placement.policy={dice.choice(['random', 'contiguous'])}",
    ]
    if channels == 1 and dice.random() < 0.3:
        overrides += ["placement.policy=colored", "placement.page_bytes=4096", "dram.address_map.preset=roco"]
        overrides.append(f"dram.organization.columns={1024}")
    return apply_overrides(BASE, overrides)


def random_packets(dice, dram, bags):
    """Packets whose vectors lie anywhere in their rank, in pieces no page or address map would make.

    Some lie on few ranks, so that packets run side by side; arrivals are close or far apart.
    """
    o = dram.organization
    most_bursts, banks, hot = dice.choice([1, 2, 7]), dice.randint(1, 4), dice.choice([0.0, 0.5, 1.0])
    gaps = dice.choice([[0], [0, 0, 10, 300, 3000], [1, 20, 60], [4000]])
    poolings_per_packet = dice.choice([1, 1, 3, 16])
    confined = dice.choice([0.0, 0.5, 1.0])
    numbers, packets, arrival = itertools.count(), [], 0
    while bags > 0:
        few = dice.random() < confined
        busy_ranks = dice.sample(range(o.ranks), dice.randint(1, 2 if few else o.ranks))
        poolings = []
        for _ in range(dice.randint(1, min(bags, poolings_per_packet))):
            vectors = []
            for _ in range(dice.choice([0, 1, 1, 2, 5, 20])):
                rank, bursts = dice.choice(busy_ranks), []
                place, column = None, dice.choice([0, 0, dice.randrange(o.bursts_per_row)])
                for _ in range(dice.randint(1, most_bursts)):
                    column = (column + 1) % o.bursts_per_row
                    if place is None or dice.random() < 0.3:
                        place = (dice.randrange(4), dice.randrange(banks), dice.randrange(3))
                    bursts.append(Burst(next(numbers), rank, *place, column))
                vectors.append(Vector(bursts, int(dice.random() < hot)))
            poolings.append(Pooling(dice.choice([1, 1, 2, 7, 28]), vectors))
        bags -= len(poolings)
        packets.append(Packet(arrival, poolings))
        arrival += dice.choice(gaps)
    return packets


def execute(design, dram, packets, dram_unit=CompiledUnit):
    """Return the twin's channel after it has executed the packets."""
    channel = Channel(design, dram, dram_unit)
    for packet in packets:
        channel.execute(packet.poolings, packet.arrival)
    channel.finish()
    return channel


def compiled_units(design, dram, log_limit=0):
    from archsim.kernels.recnmp import NMP_PARAMETERS, RankUnits

    values = {
        **design._asdict(),
        "burst_clk": dram.timing.tBL,
        "columns": dram.organization.bursts_per_row,
    }
    return RankUnits(
        np.array([values[name] for name in NMP_PARAMETERS], np.int64),
        [resolve(dram, ranks=1, refresh_rank=rank) for rank in range(design.ranks)],
        log_limit,
    )


def feed(units, dram, packets):
    """Feed whole packets and return the order in which their bursts arrived, by burst number."""
    poolings = [pooling for packet in packets for pooling in packet.poolings]
    vectors = [(p, vector) for p, pooling in enumerate(poolings) for vector in pooling.vectors]
    bursts = [(lookup, burst) for lookup, (_, vector) in enumerate(vectors) for burst in vector.bursts]
    sizes = [sum(len(v.bursts) for p in packet.poolings for v in p.vectors) for packet in packets]
    places = [encode(b.rank, b.bank_group, b.bank, b.row, b.column, dram) for _, b in bursts]
    order = np.full(len(bursts), -1, np.int64)
    units.feed(
        np.array(places, np.int64),
        np.array([lookup for lookup, _ in bursts], np.int32),
        np.array([p for p, _ in vectors], np.int32),
        np.array([vector.locality for _, vector in vectors], np.uint8),
        np.array([pooling.result_bursts for pooling in poolings], np.int32),
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.array([packet.arrival for packet in packets], np.int64),
        order,
    )
    return [bursts[place][1].number for place in order]


def commands_of_ranks(units, design, dram):
    """Return the command log of each rank, int64 [5, n], banks counted within it."""
    log, banks = units.commands(), dram.organization.banks_per_rank
    of_ranks = [log[:, log[2] // banks == rank] for rank in range(design.ranks)]
    for own in of_ranks:
        own[2] %= banks
    return of_ranks


def place_of(coordinate, dram):
    """Return channel, rank, bank group, bank, row and column of a packed coordinate."""
    flat, o = coordinate >> 16 & 0xFFFF, dram.organization
    rank, within = divmod(flat, o.banks_per_rank)
    row = coordinate >> 32 & 0xFFFFFF
    return coordinate >> 56, rank, *divmod(within, o.banks_per_group), row, coordinate & 0xFFFF


def whole_rows(system, tables):
    """List the rows of each table that lie in one rank; the others cannot be looked up."""
    lowering, rows = Lowering(system, tables), np.arange(TABLE_ROWS)
    lists = []
    for number in range(len(tables)):
        coordinates, lookup = lowering.lower(rows, np.full(TABLE_ROWS, number, np.int32))
        ranks = {}
        for coordinate, row in zip(coordinates.tolist(), lookup.tolist(), strict=True):
            ranks.setdefault(row, set()).add(place_of(coordinate, system.dram)[:2])
        lists.append([row for row, touched in ranks.items() if len(touched) == 1])
    return lists


def small_trace(dice, system, bags):
    """Bags of tables of all shapes, half of the lookups of few rows."""
    choice = []
    while not choice or not all(choice):
        shapes = dice.choices(SHAPES, k=dice.randint(1, 5))
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
    weights = np.array([dice.uniform(-2, 2) for _ in rows], np.float32)
    return EmbeddingTrace(
        name="small",
        tables=tables,
        rows=np.array(rows, np.int64),
        bag_offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        bag_tables=np.array(bag_tables, np.int32),
        time_ps=None if gap_ps is None else np.cumsum([dice.randrange(gap_ps) for _ in lengths]),
        weight=dice.choice([None, weights]),
    )


class SentPacket(NamedTuple):
    """A packet of the host: its bags, earliest clock, and per channel the vectors that lie there."""

    bags: list[int]
    arrival: int
    of_channel: list[list[Pooling]]


def packets_on(system, trace):
    """Spell out the packets of a trace burst by burst; bursts are numbered in packet order over all channels."""
    nmp, dram = system.nmp, system.dram
    bag_tables, first = trace.bag_tables.tolist(), trace.bag_offsets.tolist()
    bag_rows = [trace.rows[a:b].tolist() for a, b in itertools.pairwise(first)]
    bits = locality_bits(bag_tables, bag_rows, nmp.batch_bags, nmp.profile_threshold)
    lines, lookup = Lowering(system, trace.tables).lower(trace.rows, trace.table)
    places_of = [[] for _ in trace.rows]
    for line, number in zip(lines.tolist(), lookup.tolist(), strict=True):
        places_of[number].append(place_of(line, dram))
    numbers, packets = itertools.count(), []
    sent = sent_packets(
        bag_tables, nmp.poolings_per_packet, nmp.scheduling, nmp.batch_bags, bool(nmp.profile_threshold)
    )
    for bags, waits_for in sent:
        table = trace.tables[bag_tables[bags[0]]]
        result_bursts = -(-4 * (table.vector_bytes // ITEM_BYTES[table.dtype]) // 64)
        of_channel = [[Pooling(result_bursts, []) for _ in bags] for _ in range(dram.organization.channels)]
        for tag, bag in enumerate(bags):
            for i, bit in enumerate(bits[bag]):
                places = places_of[first[bag] + i]
                bursts = [Burst(next(numbers), *place[1:]) for place in places]
                of_channel[places[0][0]][tag].vectors.append(Vector(bursts, bit))
        time_ps = 0 if trace.time_ps is None else max(int(trace.time_ps[bag]) for bag in waits_for)
        packets.append(SentPacket(bags, -(-time_ps // dram.timing.tCK_ps), of_channel))
    return packets


def replay(system, packets, weighted=False):
    """Return the twin's channels after the packets of `packets_on`."""
    design = design_of(system, weighted)
    return [
        execute(design, system.dram, [Packet(packet.arrival, packet.of_channel[c]) for packet in packets])
        for c in range(system.dram.organization.channels)
    ]
