"""Bags become packets of one table each: as they fill, or batch by batch."""

from collections import Counter
from itertools import pairwise

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from recnmp_twin import packets_of

from archsim import load_system
from archsim.kernels.recnmp import locality_bits
from archsim.nmp.packets import Packetizer, scheduler_of

BAG_TABLES = st.lists(st.integers(0, 3), min_size=1, max_size=60)
CUTS = st.lists(st.integers(0, 60), max_size=5)


def packets(bag_tables, poolings_per_packet, cuts=(), tables=4):
    """Give the bags to a packetizer in pieces; return its packets as lists of bag numbers."""
    packetizer, sent = Packetizer(tables, poolings_per_packet), []
    bounds = [0, *sorted(min(cut, len(bag_tables)) for cut in cuts), len(bag_tables)]
    for piece in range(len(bounds) - 1):
        first, last = bounds[piece : piece + 2]
        taken = packetizer.take(
            first, np.array(bag_tables[first:last], np.int32), last=piece == len(bounds) - 2
        )
        assert taken.packet_bags[0] == 0
        assert taken.packet_bags[-1] == len(taken.bags)
        sent += [taken.bags[begin:end].tolist() for begin, end in pairwise(taken.packet_bags)]
    return sent


@settings(derandomize=True, deadline=None, max_examples=200)
@example([0, 1, 1], 2, [])
@example([0, 1, 0, 2, 1], 16, [2])
@given(BAG_TABLES, st.integers(1, 16), CUTS)
def test_packets_are_those_of_an_obvious_loop_in_any_chunking(bag_tables, poolings_per_packet, cuts):
    assert packets(bag_tables, poolings_per_packet, cuts) == packets_of(bag_tables, poolings_per_packet)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(BAG_TABLES, st.integers(1, 16), CUTS)
def test_packets_hold_every_bag_once_and_one_table_each_in_trace_order(bag_tables, poolings_per_packet, cuts):
    sent = packets(bag_tables, poolings_per_packet, cuts)
    assert sorted(bag for packet in sent for bag in packet) == list(range(len(bag_tables)))
    for packet in sent:
        assert 1 <= len(packet) <= poolings_per_packet
        assert len({bag_tables[bag] for bag in packet}) == 1
    for table in set(bag_tables):
        of_table = [packet for packet in sent if bag_tables[packet[0]] == table]
        assert [bag for packet in of_table for bag in packet] == [
            bag for bag, other in enumerate(bag_tables) if other == table
        ]
        assert all(len(packet) == poolings_per_packet for packet in of_table[:-1])


def test_packets_of_tables_looked_up_sample_by_sample_alternate():
    assert packets([0, 1, 2] * 4, 2) == [[0, 3], [1, 4], [2, 5], [6, 9], [7, 10], [8, 11]]


def test_incomplete_packets_are_sent_after_all_full_ones():
    assert packets([0, 1, 1, 2], 2) == [[1, 2], [0], [3]]


def test_a_packetizer_keeps_bags_until_their_packet_is_full():
    packetizer = Packetizer(2, 2)
    taken = packetizer.take(0, np.array([0, 1], np.int32), last=False)
    assert (taken.bags.tolist(), taken.packet_bags.tolist()) == ([], [0])
    taken = packetizer.take(2, np.array([1], np.int32), last=False)
    assert (taken.bags.tolist(), taken.packet_bags.tolist()) == ([1, 2], [0, 2])
    taken = packetizer.take(3, np.array([], np.int32), last=True)
    assert taken.bags.tolist() == [0]


def rounds(bag_tables, scheduling, *, batch, poolings, cuts=(), tables=4):
    """Give the bags to a round scheduler in pieces; return (bags, batches, round) of each packet."""
    nmp = load_system(
        "recnmp-opt-2rank",
        [
            f"nmp.scheduling={scheduling}",
            f"nmp.batch_bags={batch}",
            f"nmp.poolings_per_packet={poolings}",
        ],
    ).nmp
    every = np.array(bag_tables, np.int32)
    scheduler, sent, before = scheduler_of(nmp, every, tables), [], 0
    bounds = [0, *sorted(min(cut, len(bag_tables)) for cut in cuts), len(bag_tables)]
    for piece in range(len(bounds) - 1):
        first, last = bounds[piece : piece + 2]
        taken = scheduler.take(first, every[first:last], last=piece == len(bounds) - 2)
        for number, (begin, end) in enumerate(pairwise(taken.packet_bags)):
            batches = set(taken.batch[begin:end].tolist())
            sent.append((taken.bags[begin:end].tolist(), batches, before + int(taken.wait[number])))
        before += int(taken.wait[-1]) + 1 if len(taken.wait) else 0
    return sent


def rounds_by_hand(bag_tables, scheduling, batch, poolings):
    """Form rounds with dictionaries and lists, bag by bag."""
    gathering, complete = {}, []
    for bag, table in enumerate(bag_tables):
        gathering.setdefault(table, []).append(bag)
        if len(gathering[table]) == batch:
            complete.append(gathering.pop(table))
    complete += sorted(gathering.values(), key=lambda bags: bags[-1])
    formed = [[]]
    for bags in complete:
        if bag_tables[bags[0]] in [bag_tables[other[0]] for other in formed[-1]]:
            formed.append([])
        formed[-1].append(bags)
    sent = []
    for number, members in enumerate(formed):
        packets = [[bags[k : k + poolings] for k in range(0, len(bags), poolings)] for bags in members]
        if scheduling == "interleaved":
            turns = [[own[k] for own in packets if k < len(own)] for k in range(batch)]
        else:
            turns = packets
        sent += [(packet, number) for turn in turns for packet in turn]
    return sent


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    BAG_TABLES, st.sampled_from(["interleaved", "table-aware"]), st.integers(1, 20), st.integers(1, 16), CUTS
)
def test_rounds_are_those_of_an_obvious_loop_in_any_chunking(bag_tables, scheduling, batch, poolings, cuts):
    sent = rounds(bag_tables, scheduling, batch=batch, poolings=poolings, cuts=cuts)
    expected = rounds_by_hand(bag_tables, scheduling, batch, poolings)
    assert [(bags, number) for bags, _, number in sent] == expected
    assert all(len(batches) == 1 for _, batches, _ in sent)


def test_table_aware_packets_of_a_batch_go_back_to_back():
    sent = rounds([0, 1] * 6, "table-aware", batch=4, poolings=2)
    assert [bags for bags, _, _ in sent] == [[0, 2], [4, 6], [1, 3], [5, 7], [8, 10], [9, 11]]
    assert [number for _, _, number in sent] == [0, 0, 0, 0, 1, 1]


def test_interleaved_packets_without_profiling_form_no_rounds():
    nmp = load_system("recnmp-base-2rank").nmp
    assert isinstance(scheduler_of(nmp, np.zeros(1, np.int32), 1), Packetizer)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), min_size=1), st.integers(0, 3))
def test_locality_bits_are_those_of_counting(lookups, threshold):
    counts = Counter(lookups)
    rows, batch = (np.array(column, np.int64) for column in zip(*lookups, strict=True))
    bits = locality_bits(rows, batch, threshold)
    assert bits.tolist() == [int(counts[lookup] > threshold) for lookup in lookups]
