"""Bags become packets of one table each, in the order in which packets fill."""

from itertools import pairwise

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from recnmp_twin import packets_of

from archsim.nmp.packets import Packetizer

BAG_TABLES = st.lists(st.integers(0, 3), min_size=1, max_size=60)
CUTS = st.lists(st.integers(0, 60), max_size=5)


def packets(bag_tables, poolings_per_packet, cuts=(), tables=4):
    """Give the bags to a packetizer in pieces; return its packets as lists of bag numbers."""
    packetizer, sent = Packetizer(tables, poolings_per_packet), []
    bounds = [0, *sorted(min(cut, len(bag_tables)) for cut in cuts), len(bag_tables)]
    for piece in range(len(bounds) - 1):
        first, last = bounds[piece : piece + 2]
        bags, starts = packetizer.take(
            first, np.array(bag_tables[first:last], np.int32), last=piece == len(bounds) - 2
        )
        assert starts[0] == 0
        assert starts[-1] == len(bags)
        sent += [bags[begin:end].tolist() for begin, end in pairwise(starts)]
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
    bags, starts = packetizer.take(0, np.array([0, 1], np.int32), last=False)
    assert bags.tolist() == []
    assert starts.tolist() == [0]
    bags, starts = packetizer.take(2, np.array([1], np.int32), last=False)
    assert bags.tolist() == [1, 2]
    assert starts.tolist() == [0, 2]
    bags, starts = packetizer.take(3, np.array([], np.int32), last=True)
    assert bags.tolist() == [0]
