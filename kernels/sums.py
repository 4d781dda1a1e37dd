"""The rank units' arithmetic: table contents by rule, FP32 accumulation in the order the bursts arrive.

Numba, because operators are what people will want to change. Parameters are arguments, never globals, so that the
on-disk cache of compiled code cannot go stale when one changes.
"""

import numba as nb
import numpy as np

_U32 = np.uint32


@nb.njit(cache=True, inline="always")
def mix32(x):
    """Scramble 32 bits so that each output bit depends on all input bits (xor-shift-multiply, a bijection)."""
    x = _U32(x ^ (x >> _U32(16)))
    x = _U32(x * _U32(0x7FEB352D))
    x = _U32(x ^ (x >> _U32(15)))
    x = _U32(x * _U32(0x846CA68B))
    return _U32(x ^ (x >> _U32(16)))


@nb.njit(cache=True, inline="always")
def row_key(table_key, row):
    """Combine the key of a table with a row number into the 32-bit key of that row."""
    low = _U32(row & 0xFFFFFFFF)
    high = _U32((row >> 32) & 0xFFFFFFFF)
    return mix32(_U32(mix32(_U32(low ^ table_key)) + high))


@nb.njit(cache=True, inline="always")
def element(key, index, bits, scale):
    """Value of one element: ``bits`` random bits, centred on zero, times ``scale``; exact in the table's type."""
    word = mix32(_U32(key + _U32(index) * _U32(0x9E3779B9)))
    return np.float32(np.int32(word >> _U32(32 - bits)) - (1 << (bits - 1))) * scale


@nb.njit(cache=True, nogil=True)
def pool_packets(
    packet_first, order, lookup, part, rank, rows, tables, pooling, weights,
    table_keys, table_elements, table_bytes, bits, scales, ranks_per_dimm, partial, sums,
):  # fmt: skip
    """Add the vectors of each packet burst by burst, then over the ranks of a DIMM, then over the DIMMs.

    Parameters
    ----------
    packet_first : int64 array [packets + 1]
        First burst of each packet.
    order : int64 array [bursts]
        Bursts of each packet in order of arrival at their rank unit.
    lookup, part, rank : int32 arrays [bursts]
        Lookup of each burst, its number within the vector, and its rank.
    rows : int64 array [lookups]; tables, pooling : int32 arrays [lookups]
        What each lookup reads and which pooling it belongs to.
    weights : float32 array [lookups] or [0]
        Factors of a weighted sum; empty for a plain one.
    table_keys : uint32 array, table_elements, table_bytes : int64 arrays [tables]
        Key of each table's contents, elements and bytes of a vector.
    bits, scales : int64 and float32 arrays [tables]
        Precision and step of the elements.
    ranks_per_dimm : int
        Ranks whose partial sums one DIMM adds.
    partial : float32 array [16, ranks, elements]
        Scratch: the Psum registers of one packet.
    sums : float32 array [poolings, elements]
        Receives the results.
    """
    ranks = partial.shape[1]
    for p in range(packet_first.shape[0] - 1):
        low, high = packet_first[p], packet_first[p + 1]
        if low == high:
            continue
        base = pooling[lookup[low]]
        count = pooling[lookup[high - 1]] - base + 1
        table = tables[lookup[low]]
        elements = table_elements[table]
        item = table_bytes[table] // elements
        partial[:count, :, :elements] = 0.0
        for k in range(low, high):
            burst = order[k]
            i = lookup[burst]
            # A burst holds 64 bytes of memory; the vector may begin inside its first one.
            offset = (rows[i] * table_bytes[table]) & 63
            first = max(part[burst] * 64 - offset, 0) // item
            last = min(part[burst] * 64 - offset + 64, table_bytes[table]) // item
            key = row_key(table_keys[table], rows[i])
            target = partial[pooling[i] - base, rank[burst]]
            if weights.shape[0]:
                for e in range(first, last):
                    target[e] += weights[i] * element(key, e, bits[table], scales[table])
            else:
                for e in range(first, last):
                    target[e] += element(key, e, bits[table], scales[table])
        for q in range(count):
            step = 1
            while step < ranks_per_dimm:
                for r in range(0, ranks, 2 * step):
                    if r % ranks_per_dimm + step < ranks_per_dimm:
                        for e in range(elements):
                            partial[q, r, e] += partial[q, r + step, e]
                step *= 2
            for e in range(elements):
                total = partial[q, 0, e]
                for r in range(ranks_per_dimm, ranks, ranks_per_dimm):
                    total += partial[q, r, e]
                sums[base + q, e] = total
