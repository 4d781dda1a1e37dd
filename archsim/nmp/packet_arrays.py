"""Packets of a replay as the words of `archsim.nmp.packet_words`, many at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from archsim.dram.address import BANK_SHIFT, ROW_SHIFT, channel_of
from archsim.dram.organization import Organization
from archsim.errors import InputError
from archsim.nmp.daddr import DaddrFormat
from archsim.nmp.designs.recnmp import MOST_BURSTS
from archsim.nmp.instruction import ACT, FIELDS, POOLINGS_MAX, PRE, RD, Field, pack_words
from archsim.nmp.operators import COUNTER, ELEMENT_TYPES, HEADER, LOAD, OPERATORS, TAIL, op_code
from archsim.nmp.packet_words import COUNTER_FIELDS, HEADER_FIELDS, LOAD_FIELDS, TAIL_FIELDS

Ints = npt.NDArray[np.int64]
Columns = dict[str, npt.NDArray[np.generic]]
#: Says of an instruction in which packet and channel it is.
Where = Callable[[int], str]


@dataclass(frozen=True)
class Bursts:
    """Whole packets as a replay has them.

    Attributes
    ----------
    coordinates : int64 array [bursts]
        Where each lies, see `archsim.dram.address`.
    lookup : int32 array [bursts]
        Its lookup; the bursts of a lookup follow one another.
    pooling : int32 array [lookups]
        Pooling of each lookup, ascending.
    locality : uint8 array [lookups]
        LocalityBits.
    weights : float32 array [lookups] or None
        Factors, where the operator has some.
    packet_first, packet_poolings : int64 arrays [packets + 1]
        First burst and first pooling of each packet, and the ends.
    tables : int32 array [poolings]
        Table of each pooling.
    result_bursts : int32 array [tables]
        64-byte bursts of a result.
    dtypes : tuple of str
        Element type of each table.
    operator : str
        One of `archsim.nmp.operators.OPERATORS`.
    """

    coordinates: Ints
    lookup: npt.NDArray[np.int32]
    pooling: npt.NDArray[np.int32]
    locality: npt.NDArray[np.uint8]
    weights: npt.NDArray[np.float32] | None
    packet_first: Ints
    packet_poolings: Ints
    tables: npt.NDArray[np.int32]
    result_bursts: npt.NDArray[np.int32]
    dtypes: tuple[str, ...]
    operator: str

    def part(self, packets: int) -> Bursts:
        """Return the first packets."""
        end = int(self.packet_first[packets])
        return replace(
            self,
            coordinates=self.coordinates[:end],
            lookup=self.lookup[:end],
            packet_first=self.packet_first[: packets + 1],
            packet_poolings=self.packet_poolings[: packets + 1],
        )

    def starts(self) -> Ints:
        """Return the first burst of each instruction: a new vector, or another row of a bank."""
        opens = np.ones(len(self.lookup), dtype=np.bool_)
        place = self.coordinates >> BANK_SHIFT
        opens[1:] = (self.lookup[1:] != self.lookup[:-1]) | (place[1:] != place[:-1])
        return np.flatnonzero(opens)

    def packet_of(self, bursts: Ints) -> Ints:
        """Return the packet of each of some bursts."""
        found: Ints = np.searchsorted(self.packet_first, bursts, side="right") - 1
        return found


class PacketArrays(NamedTuple):
    """Words in the order in which they are sent, packet by packet and channel by channel.

    Attributes
    ----------
    packet, channel : int64 arrays [n]
        What each word belongs to.
    group : int64 array [n]
        Number of the packet in its channel, counted over both; ascending.
    kind : int64 array [n]
        0 header, 1 counter write, 2 instruction, 3 result load, 4 tail.
    word : uint64 array [n, 2]
        Bits 0 to 63, and 64 to 78.
    """

    packet: Ints
    channel: Ints
    group: Ints
    kind: Ints
    word: npt.NDArray[np.uint64]


class RowState:
    """Which row of each bank the host knows to be open, from which it sets the presence bits.

    Parameters
    ----------
    organization : Organization
        The memory.
    ranks_per_dimm : int
        Ranks behind one buffer chip.
    """

    def __init__(self, organization: Organization, ranks_per_dimm: int) -> None:
        self._organization, self._ranks_per_dimm = organization, ranks_per_dimm
        self._layout = DaddrFormat(organization)
        self._open = np.full(organization.channels * organization.banks, -1, dtype=np.int64)

    def count(self, bursts: Bursts) -> tuple[Ints, Ints]:
        """Return instructions, and channels with some, of each packet, int64 [packets] each."""
        packets = len(bursts.packet_first) - 1
        starts = bursts.starts()
        packet = bursts.packet_of(starts)
        channels = self._organization.channels
        groups = np.unique(packet * channels + channel_of(bursts.coordinates[starts])) // channels
        return np.bincount(packet, minlength=packets), np.bincount(groups, minlength=packets)

    def encode(self, bursts: Bursts, first_packet: int) -> PacketArrays:
        """Return the words of packets that are numbered from ``first_packet`` on.

        Raises
        ------
        InputError
            When an instruction cannot be encoded: with packet, channel and field.
        """
        starts = bursts.starts()
        packet, channel = bursts.packet_of(starts), channel_of(bursts.coordinates[starts])
        members, group = np.unique(packet * self._organization.channels + channel, return_inverse=True)
        own_packet, own_channel = np.divmod(members, self._organization.channels)

        def where(instruction: int) -> str:
            return f"packet {first_packet + packet[instruction]}, channel {channel[instruction]}"

        columns, rank = self._instructions(bursts, starts, packet, where)
        tag, vsize = columns["psum_tag"], columns["vsize"]
        counters, counted = np.unique(
            (group * self._organization.ranks + rank) * POOLINGS_MAX + tag, return_counts=True
        )
        dimms = self._organization.ranks // self._ranks_per_dimm
        loads = np.unique((group * POOLINGS_MAX + tag) * dimms + rank // self._ranks_per_dimm)
        counter_group, load_group = (
            counters // (POOLINGS_MAX * self._organization.ranks),
            loads // (POOLINGS_MAX * dimms),
        )
        every, table = np.arange(len(members)), bursts.tables[bursts.packet_poolings[own_packet]]
        longest = np.zeros(len(members), dtype=np.int64)
        np.maximum.at(longest, group, vsize)
        types = np.array([ELEMENT_TYPES.index(dtype) for dtype in bursts.dtypes])
        header: Columns = {
            "operator": np.full(len(members), OPERATORS.index(bursts.operator)),
            "element_type": types[table],
            "vsize": longest,
            "poolings": np.diff(bursts.packet_poolings)[own_packet],
            "counters": np.bincount(counter_group, minlength=len(members)),
            "instructions": np.bincount(group, minlength=len(members)),
            "loads": np.bincount(load_group, minlength=len(members)),
        }
        counter: Columns = {
            "rank": counters // POOLINGS_MAX % self._organization.ranks,
            "psum_tag": counters % POOLINGS_MAX,
            "instructions": counted,
        }
        load: Columns = {
            "dimm": loads % dimms,
            "psum_tag": loads // dimms % POOLINGS_MAX,
            "bursts": bursts.result_bursts[table[load_group]],
        }
        parts = (
            (every, _words(HEADER_FIELDS, HEADER, header)),
            (counter_group, _words(COUNTER_FIELDS, COUNTER, counter)),
            (group, pack_words(FIELDS, columns)),
            (load_group, _words(LOAD_FIELDS, LOAD, load)),
            (every, _words(TAIL_FIELDS, TAIL, {}, len(members))),
        )
        groups = np.concatenate([each for each, _ in parts])
        kinds = np.repeat(np.arange(len(parts)), [len(each) for each, _ in parts])
        order = np.argsort(groups * len(parts) + kinds, kind="stable")
        groups = groups[order]
        return PacketArrays(
            first_packet + own_packet[groups],
            own_channel[groups],
            groups,
            kinds[order],
            np.concatenate([words for _, words in parts])[order],
        )

    def _instructions(self, bursts: Bursts, starts: Ints, packet: Ints, where: Where) -> tuple[Columns, Ints]:
        """Return the fields of the instructions that begin at some bursts, and their ranks."""
        organization, coordinates = self._organization, bursts.coordinates
        vsize = np.diff(np.append(starts, len(coordinates)))
        _refuse(vsize > MOST_BURSTS, where, "vsize", f"must be 1 to {MOST_BURSTS} bursts, not {{}}", vsize)
        follows = np.concatenate([[0], np.diff(coordinates)]) == 1
        follows[starts] = True
        torn = np.add.reduceat((~follows).astype(np.int64), starts) if len(starts) else np.empty(0, np.int64)
        _refuse(
            torn > 0,
            where,
            "vsize",
            "counts consecutive columns, but those of a vector of {} bursts are not",
            vsize,
        )
        place = coordinates[starts]
        bank, row = place >> BANK_SHIFT & 0xFFFF, place >> ROW_SHIFT & 0xFFFFFF
        rank, within = np.divmod(bank, organization.banks_per_rank)
        bank_group, bank_of_group = np.divmod(within, organization.banks_per_group)
        daddr = self._layout.pack_arrays(rank, bank_group, bank_of_group, row, place & 0xFFFF)
        lookup = bursts.lookup[starts]
        pooling = bursts.pooling[lookup]
        weight = np.ones(len(starts), np.float32) if bursts.weights is None else bursts.weights[lookup]
        _refuse(np.isnan(weight), where, "weight", "must be a number, not {}", weight)
        codes = np.array([op_code(bursts.operator, dtype) for dtype in bursts.dtypes])
        tag = pooling - bursts.packet_poolings[packet]
        _refuse(tag >= POOLINGS_MAX, where, "psum_tag", f"must be 0 to {POOLINGS_MAX - 1}, not {{}}", tag)
        columns: Columns = {
            "op_code": codes[bursts.tables[pooling]],
            "commands": self._commands(channel_of(place) * organization.banks + bank, row),
            "daddr": daddr,
            "vsize": vsize,
            "weight": weight.astype(np.float32).view(np.uint32),
            "locality": bursts.locality[lookup],
            "psum_tag": tag,
        }
        return columns, rank

    def _commands(self, bank: Ints, row: Ints) -> Ints:
        """Return the presence bits of instructions in program order, and remember the rows that they leave open."""
        order = np.argsort(bank, kind="stable")
        banks, rows = bank[order], row[order]
        first = np.concatenate([[True], banks[1:] != banks[:-1]])[: len(banks)]
        before = np.where(first, self._open[banks], np.roll(rows, 1))
        commands = np.empty(len(bank), dtype=np.int64)
        commands[order] = np.where(before == rows, RD, np.where(before < 0, RD | ACT, RD | ACT | PRE))
        last = np.roll(first, -1)
        self._open[banks[last]] = rows[last]
        return commands


def _words(
    fields: Sequence[Field], code: int, columns: Mapping[str, npt.NDArray[np.generic]], count: int = 0
) -> npt.NDArray[np.uint64]:
    """Return words of one kind that is no instruction; a count that does not fit its field is refused."""
    count = max([count, *(len(column) for column in columns.values())])
    for field in fields[1:]:
        largest = int(columns[field.name].max(initial=0))
        if largest > field.largest:
            raise InputError(
                f"NMP packet: {field.name} = {largest} must be 0 to {field.largest} ({field.bits} bits)"
            )
    return pack_words(fields, {"op_code": np.full(count, code), **columns})


def _refuse(
    wrong: npt.NDArray[np.bool_], where: Where, field: str, rule: str, values: npt.NDArray[np.generic]
) -> None:
    if np.any(wrong):
        first = int(np.argmax(wrong))
        raise InputError(f"{where(first)}: NMP instruction: field {field} {rule.format(values[first])}")
