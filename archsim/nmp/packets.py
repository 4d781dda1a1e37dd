"""Packets: poolings of one table, sent to the rank units together; ``docs/recnmp.md`` states the rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from archsim.nmp.spec import NmpSpec

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Packets:
    """Packets in the order in which they are sent.

    Attributes
    ----------
    bags : int64 array
        Bag numbers, packet by packet.
    packet_bags : int64 array [packets + 1]
        First element of each packet in ``bags``, and the end.
    batch : int64 array [bags]
        Which batch of a table each bag belongs to, within these packets.
    wait : int64 array [packets]
        Packets of one number start no earlier than the last bag among them arrives; ascending.
    """

    bags: Ints
    packet_bags: Ints
    batch: Ints
    wait: Ints

    def part(self, first: int, last: int) -> Packets:
        """Return packets ``first`` to ``last`` (not included)."""
        begin, end = int(self.packet_bags[first]), int(self.packet_bags[last])
        offsets = self.packet_bags[first : last + 1] - begin
        return Packets(self.bags[begin:end], offsets, self.batch[begin:end], self.wait[first:last])


class Scheduler(Protocol):
    """Turns bags, as they come, into packets."""

    def take(self, first_bag: int, bag_tables: npt.NDArray[np.int32], *, last: bool) -> Packets:
        """Take the next bags and return the packets that can be sent."""


def scheduler_of(nmp: NmpSpec, bag_tables: npt.NDArray[np.int32], tables: int) -> Scheduler:
    """Return the scheduler that a specification asks for, over the bags of a trace."""
    if nmp.scheduling == "interleaved" and not nmp.profile_threshold:
        return Packetizer(tables, nmp.poolings_per_packet)
    return RoundScheduler(nmp, bag_tables, tables)


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

    def take(self, first_bag: int, bag_tables: npt.NDArray[np.int32], *, last: bool) -> Packets:
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
        Packets
            Each waits for its own bags.
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
        sent_packets = np.arange(len(packet_bags) - 1)
        return Packets(
            bags[members], packet_bags, np.repeat(sent_packets, np.diff(packet_bags)), sent_packets
        )


class RoundScheduler:
    """Send whole batches of tables: table by table, or one packet of each in turn.

    A batch is the next ``batch_bags`` bags of a table. Batches that are complete gather in a round, until one
    of a table
    that is in the round already is complete; then the round is sent.

    Parameters
    ----------
    nmp : NmpSpec
        ``scheduling``, ``batch_bags``, ``poolings_per_packet``.
    bag_tables : int32 array [bags]
        Table of each bag of the whole trace.
    tables : int
        Number of tables.
    """

    def __init__(self, nmp: NmpSpec, bag_tables: npt.NDArray[np.int32], tables: int) -> None:
        self._nmp = nmp
        self._bag_tables = bag_tables
        self._batches = Packetizer(tables, nmp.batch_bags)
        self._round: dict[int, Ints] = {}

    def take(self, first_bag: int, bag_tables: npt.NDArray[np.int32], *, last: bool) -> Packets:
        """Take the next bags and return the packets of the rounds that they complete.

        Parameters
        ----------
        first_bag, bag_tables, last
            As `Packetizer.take` has them.

        Returns
        -------
        Packets
            Each waits for its round.
        """
        complete = self._batches.take(first_bag, bag_tables, last=last)
        rounds = []
        for begin, end in zip(complete.packet_bags[:-1], complete.packet_bags[1:], strict=True):
            bags = complete.bags[begin:end]
            table = int(self._bag_tables[bags[0]])
            if table in self._round:
                rounds.append(self._round)
                self._round = {}
            self._round[table] = bags
        if last and self._round:
            rounds.append(self._round)
            self._round = {}
        return self._packets(rounds)

    def _packets(self, rounds: list[dict[int, Ints]]) -> Packets:
        """Cut the batches of whole rounds into packets, in the order in which they are sent."""
        batches = [bags for batch_of in rounds for bags in batch_of.values()]
        lengths, size = (
            np.array([len(bags) for bags in batches], dtype=np.int64),
            self._nmp.poolings_per_packet,
        )
        counts = -(-lengths // size)
        batch = np.repeat(np.arange(len(batches)), counts)
        turn = np.arange(len(batch)) - np.repeat(np.cumsum(counts) - counts, counts)
        wait = np.repeat(np.arange(len(rounds)), [len(batch_of) for batch_of in rounds])[batch]
        if self._nmp.scheduling != "table-aware":  # one packet of each batch in turn
            sent = np.lexsort((batch, turn, wait))
            batch, turn, wait = batch[sent], turn[sent], wait[sent]
        sizes = np.minimum(lengths[batch] - turn * size, size)
        first = (np.cumsum(lengths) - lengths)[batch] + turn * size
        packet_bags = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        members = np.repeat(first - packet_bags[:-1], sizes) + np.arange(packet_bags[-1])
        bags = np.concatenate([np.empty(0, np.int64), *batches])[members]
        return Packets(bags, packet_bags, np.repeat(batch, sizes), wait)
