"""The compiled units of all designs against their twin."""

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from near_memory_twin import Changes, NearMemory, Whole
from recnmp_cases import Packet, feed, random_packets, small_channel
from recnmp_twin import Issue

from archsim.dram.resolve import resolve

SEEDS = st.integers(0, 2**32)
LOG_LIMIT = 1 << 20


def some_changes(dice, units_max, banks_per_rank):
    """Draw what a design changes, a few things at a time."""
    drawn = Changes(
        rank_bits=dice.choice([0, 0, 1]) if units_max > 1 else 0,
        broadcast=dice.choice([0, 0, 1]),
        sliced=dice.choice([0, 0, 1]),
        deliver_clk=dice.choice([0, 0, 1, 4, 40]),
        overlap=dice.choice([0, 1]),
    )
    if not drawn.broadcast and dice.random() < 0.4:
        drawn = drawn._replace(issue_clk=dice.randint(1, 5), issue_burst_clk=dice.randint(0, 3))
    if dice.random() < 0.5:
        bits = (banks_per_rank << drawn.rank_bits).bit_length() - 1
        drawn = drawn._replace(adder_bits=dice.randint(0, bits), gather_clk=dice.choice([0, 4, 8]))
    return drawn


def striped(dice, packets, ranks):
    """Let all vectors of a packet have as many bursts, each on any rank."""
    cut = []
    for packet in packets:
        lengths = [len(vector.bursts) for pooling in packet.poolings for vector in pooling.vectors]
        n = dice.choice(lengths) if lengths else 0
        poolings = []
        for pooling in packet.poolings:
            vectors = [
                vector._replace(bursts=[b._replace(rank=dice.randrange(ranks)) for b in vector.bursts[:n]])
                for vector in pooling.vectors
                if len(vector.bursts) >= n
            ]
            poolings.append(type(pooling)(pooling.result_bursts, vectors))
        cut.append(Packet(packet.arrival, poolings))
    return cut


def compiled(design, dram, changes, ranks):
    from archsim.kernels.recnmp import DESIGN_PARAMETERS, NMP_PARAMETERS, RankUnits

    assert changes._field_defaults == DESIGN_PARAMETERS
    values = {
        **design._asdict(),
        "burst_clk": dram.timing.tBL,
        "columns": dram.organization.bursts_per_row,
    }
    size = 1 << changes.rank_bits
    return RankUnits(
        np.array([values[name] for name in NMP_PARAMETERS], np.int64),
        [resolve(dram, ranks=size, refresh_rank=unit * size) for unit in range(ranks // size)],
        LOG_LIMIT,
        0,
        changes._asdict(),
    )


@settings(derandomize=True, deadline=None, max_examples=150)
@given(SEEDS, st.integers(1, 40), st.integers(1, 20))
def test_compiled_units_of_any_design_execute_packets_like_the_twin(seed, bags, packets_per_feed):
    dice = random.Random(seed)
    design, dram = small_channel(dice)
    # In which order reads of one line that were merged arrive is tested with RecNMP.
    controller = dram.controller.model_copy(update={"read_merging": False})
    dram = dram.model_copy(update={"controller": controller})
    ranks = design.ranks
    changes = some_changes(dice, ranks, dram.organization.banks_per_rank)
    units = ranks >> changes.rank_bits
    design = design._replace(
        ranks=units, ranks_per_dimm=min(design.ranks_per_dimm, units), cache_sets=0, cache_ways=0, cache_clk=0
    )
    packets = random_packets(dice, dram, bags)
    if changes.sliced:
        packets = striped(dice, packets, ranks)
    kernel, order = compiled(design, dram, changes, ranks), []
    for first in range(0, len(packets), packets_per_feed):
        order += feed(kernel, dram, packets[first : first + packets_per_feed])
    kernel.finish()
    channel = NearMemory(design, dram, changes)
    for packet in packets:
        channel.execute(packet.poolings, packet.arrival)
    channel.finish()
    expected, counts = channel.record, kernel.packet_counts()
    assert order == expected.order
    assert counts["packets"] == expected.packets
    assert counts["instructions"] == expected.instructions
    assert counts["configurations"] == expected.configurations
    assert counts["issue_clk"] == sum(isinstance(c, Issue | Whole) for c in expected.pins.values())
    assert counts["result_bursts"] == expected.result_bursts
    assert counts["latency_sum_clk"] == sum(expected.latencies)
    assert counts["latency_max_clk"] == max(expected.latencies, default=0)
    assert counts["end_clk"] == expected.end
    assert kernel.gathered_bursts() == channel.gathered
    assert kernel.packets().T.tolist() == [list(vars(packet).values()) for packet in expected.log]
    assert kernel.rank_reads().tolist() == expected.rank_reads
