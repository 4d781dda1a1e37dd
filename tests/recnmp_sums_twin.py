"""The sums of RecNMP a second time, from docs/recnmp.md alone: FP32 additions burst by burst in NumPy."""

import hashlib

import numpy as np
from recnmp_cases import ITEM_BYTES

from archsim.nmp.functional import TableContents
from archsim.systems.lowering import Lowering


def sums_sha256(system, trace, packets, channels):
    """Return the digest of all sums in packet order.

    ``packets`` are those of `recnmp_cases.packets_on`, ``channels`` the twin's after them: the order of arrival.
    """
    ranks, width = system.dram.organization.ranks, max(t.elements for t in trace.tables)
    psums = {bag: np.zeros((len(channels), ranks, width), np.float32) for p in packets for bag in p.bags}
    bursts = _bursts(trace, packets)
    contents = TableContents(
        system.nmp.table_seed, [t.vector_bytes for t in trace.tables], [t.dtype for t in trace.tables]
    )
    lowering = Lowering(system, trace.tables)
    for c, channel in enumerate(channels):
        for number in channel.record.order:
            rank, bag, lookup, part = bursts[number]
            table = trace.bag_tables[bag]
            terms = contents.vectors(table, [trace.rows[lookup]])[0]
            if trace.weight is not None:
                terms = terms * trace.weight[lookup]
            first_byte = lowering.table_base[table] + int(trace.rows[lookup]) * lowering.table_stride[table]
            inside = _elements_in(trace.tables[table], first_byte, part)
            psums[bag][c, rank, inside] += terms[inside]
    digest = hashlib.sha256()
    for packet in packets:
        for bag in packet.bags:
            digest.update(_over_the_dimms(psums[bag], system.nmp.ranks_per_dimm).astype("<f4").tobytes())
    return digest.hexdigest()


def _bursts(trace, packets):
    """Return {burst: (rank, bag, lookup, number within the vector)}."""
    places = {}
    for packet in packets:
        for tag, bag in enumerate(packet.bags):
            vectors = [vector for poolings in packet.of_channel for vector in poolings[tag].vectors]
            # Bursts are numbered lookup by lookup, whatever their channel.
            vectors.sort(key=lambda vector: vector.bursts[0].number)
            for i, vector in enumerate(vectors):
                for part, burst in enumerate(vector.bursts):
                    places[burst.number] = (burst.rank, bag, int(trace.bag_offsets[bag]) + i, part)
    return places


def _elements_in(table, first_byte, part):
    """List the elements of a vector that begin in its burst number ``part``."""
    line = (first_byte + np.arange(table.elements) * ITEM_BYTES[table.dtype]) // 64
    return np.flatnonzero(line == first_byte // 64 + part)


def _over_the_dimms(psums, ranks_per_dimm):
    total = np.zeros(psums.shape[-1], np.float32)
    for of_channel in psums:
        for first in range(0, len(of_channel), ranks_per_dimm):
            level = list(of_channel[first : first + ranks_per_dimm])
            while len(level) > 1:
                level = [a + b for a, b in zip(level[::2], level[1::2], strict=True)]
            total = total + level[0]
    return total
