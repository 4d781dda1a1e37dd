"""Packets: poolings of one table, sent to the rank units together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


class Packetizer:
    """Group bags into packets of ``poolings_per_packet`` bags of one table, as they come.

    A packet is complete with its last bag and packets are sent in order of completion, so on a sample-by-sample trace
    the packets of the tables alternate, as they do when each table has its own thread (the baseline of the RecNMP
    paper). A packet holds one table only because its vector size is set once per packet.

    Parameters
    ----------
    tables : int
        Number of tables.
    poolings_per_packet : int
        Bags per packet.
    """

    def __init__(self, tables: int, poolings_per_packet: int) -> None:
        self._size = poolings_per_packet
        self._tables = tables
        self._open = np.empty(0, dtype=np.int64)
        self._open_table = np.empty(0, dtype=np.int32)

    def take(
        self, first_bag: int, bag_tables: npt.NDArray[np.int32], *, last: bool
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Take the next bags and return the packets that they complete.

        Parameters
        ----------
        first_bag : int
            Number of the first bag.
        bag_tables : int32 array [n]
            Table of each bag, in trace order.
        last : bool
            No bags follow: incomplete packets are sent too.

        Returns
        -------
        bags : int64 array
            Bag numbers, packet by packet.
        packet_bags : int64 array [packets + 1]
            First element of each packet in ``bags``, and the end.
        """
        bags = np.concatenate([self._open, first_bag + np.arange(len(bag_tables), dtype=np.int64)])
        tables = np.concatenate([self._open_table, bag_tables])
        by_table = np.argsort(tables, kind="stable")
        sorted_tables = tables[by_table]
        starts = np.searchsorted(sorted_tables, np.arange(self._tables), side="left")
        place = np.arange(len(bags)) - starts[sorted_tables]
        opens = place % self._size == 0
        packet = np.cumsum(opens) - 1
        packet_first = np.flatnonzero(opens)
        packet_size = np.diff(np.append(packet_first, len(bags)))
        completed_at = by_table[packet_first + packet_size - 1]
        sent = (packet_size == self._size) | last
        # Incomplete packets follow the complete ones, however the bags were cut into calls.
        incomplete = packet_size[sent] < self._size
        chosen = np.flatnonzero(sent)[np.lexsort((completed_at[sent], incomplete))]
        keep = np.sort(by_table[~sent[packet]])
        self._open, self._open_table = bags[keep], tables[keep]
        packet_bags = np.concatenate([[0], np.cumsum(packet_size[chosen])]).astype(np.int64)
        within = np.arange(packet_bags[-1]) - np.repeat(packet_bags[:-1], packet_size[chosen])
        members = by_table[np.repeat(packet_first[chosen], packet_size[chosen]) + within]
        return bags[members], packet_bags
