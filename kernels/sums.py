"""The rank units' arithmetic: table contents by rule, FP32 accumulation in the order the bursts arrive.

Numba, because operators are what people will want to change. Parameters are arguments, never globals, so that the
on-disk cache of compiled code cannot go stale when one changes. Loops over elements go in blocks of 16, whose length
the compiler knows, because it leaves the rest of a loop of unknown length, which may be all of it, to scalar code.
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
def _word(key, index):
    return mix32(_U32(key + _U32(index) * _U32(0x9E3779B9)))


@nb.njit(cache=True, inline="always")
def element(key, index, bits, scale):
    """Value of one element: ``bits`` random bits, centred on zero, times ``scale``; exact in the table's type."""
    centre = np.int32(1 << (bits - 1))
    return np.float32(np.int32(np.int32(_word(key, index) >> _U32(32 - bits)) - centre)) * scale


@nb.njit(cache=True, inline="always")
def level(key, index):
    """Quantised element of an 8-bit row, 0 to 255."""
    return np.float32(np.int32(_word(key, index) >> _U32(24)))


@nb.njit(cache=True, inline="always")
def row_scale(key, elements):
    """Scale of an 8-bit row: (0, 2^-7] in steps of 2^-31."""
    return np.float32(np.int32(_word(key, elements) >> _U32(8)) + np.int32(1)) * np.float32(2.0**-31)


@nb.njit(cache=True, inline="always")
def row_bias(key, elements):
    """Bias of an 8-bit row: [-1, 1) in steps of 2^-23."""
    return element(key, elements + 1, 24, np.float32(2.0**-23))


@nb.njit(cache=True, nogil=True)
def _add_plain(target, first, last, key, bits, scale, weight):
    """Add the elements ``first`` to ``last`` of a row, each times its weight."""
    e = first
    while e + 16 <= last:
        block = target[e : e + 16]
        for j in range(16):
            block[j] += weight * element(key, e + j, bits, scale)
        e += 16
    for j in range(e, last):
        target[j] += weight * element(key, j, bits, scale)


@nb.njit(cache=True, nogil=True)
def _add_rowwise(target, first, last, elements, key, weight):
    """Add elements of an 8-bit row: the weight goes into scale and bias first, as in Caffe2."""
    scale, bias = weight * row_scale(key, elements), weight * row_bias(key, elements)
    e = first
    while e + 16 <= last:
        block = target[e : e + 16]
        for j in range(16):
            block[j] += scale * level(key, e + j) + bias
        e += 16
    for j in range(e, last):
        target[j] += scale * level(key, j) + bias


@nb.njit(cache=True, nogil=True)
def _add_given(target, first, last, elements, values, rowwise, weight):
    """Add elements of a row whose stored numbers are given; those of an 8-bit row end with scale and bias."""
    for e in range(first, last):
        if rowwise:
            scale, bias = weight * values[elements], weight * values[elements + 1]
            target[e] += scale * values[e] + bias
        else:
            target[e] += weight * values[e]


@nb.njit(cache=True, nogil=True)
def _reduce(partial, count, elements, ranks_per_dimm, sums):
    """Add the ranks of each DIMM pairwise and the DIMMs in order; ``sums`` [poolings, elements] receives them."""
    ranks = partial.shape[1]
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
            sums[q, e] = total


@nb.njit(cache=True, nogil=True)
def pool_packets(
    packet_first, order, lookup, rank, rows, tables, pooling, weights, table_keys, table_elements, table_bytes,
    table_offset, table_stride, table_piece, bits, scales, rowwise, given, given_values, ranks_per_dimm, partial, sums,
):  # fmt: skip
    """Add the vectors of each packet burst by burst, then over the ranks of a DIMM, then over the DIMMs.

    An 8-bit row is added when its last burst has arrived, because its scale and bias stand at its end; one in pieces,
    which have the scale and bias each, piece by piece.

    Parameters
    ----------
    packet_first : int64 array [packets + 1]
        First burst of each packet.
    order : int64 array [bursts]
        Bursts of each packet in order of arrival at their rank unit.
    lookup, rank : int32 arrays [bursts]
        Lookup of each burst and its rank; the bursts of a lookup follow one another in address order.
    rows : int64 array [lookups]; tables, pooling : int32 arrays [lookups]
        What each lookup reads and which pooling it belongs to.
    weights : float32 array [lookups] or [0]
        Factors of a weighted sum; empty for a plain one.
    table_keys : uint32 array, table_elements, table_bytes : int64 arrays [tables]
        Key of each table's contents, elements and bytes of a vector.
    table_offset, table_stride, table_piece : int64 arrays [tables]
        Where in a burst row 0 begins, bytes from one row to the next, and elements in each piece of an 8-bit row (0:
        it is whole).
    bits, scales, rowwise : int64, float32 and bool arrays [tables]
        Precision and step of the elements; whether they are 8-bit rows.
    given : int32 array [lookups] or [0]
        Line of ``given_values`` that a lookup reads in place of the rule's numbers, or -1; empty for none at all.
    given_values : float32 array [n, elements + 2]
        Stored numbers of such rows.
    ranks_per_dimm : int
        Ranks whose partial sums one DIMM adds.
    partial : float32 array [16, ranks, elements]
        Scratch: the Psum registers of one packet.
    sums : float32 array [poolings, elements]
        Receives the results.
    """
    keys = np.empty(rows.shape[0], np.uint32)
    for i in range(rows.shape[0]):
        keys[i] = row_key(table_keys[tables[i]], rows[i])
    first_burst, left = np.zeros(rows.shape[0], np.int64), np.zeros(rows.shape[0], np.int32)
    for burst in range(lookup.shape[0]):
        if left[lookup[burst]] == 0:
            first_burst[lookup[burst]] = burst
        left[lookup[burst]] += 1
    for p in range(packet_first.shape[0] - 1):
        low, high = packet_first[p], packet_first[p + 1]
        if low == high:
            continue
        base = pooling[lookup[low]]
        count = pooling[lookup[high - 1]] - base + 1
        table = tables[lookup[low]]
        elements, size, quantised = table_elements[table], table_bytes[table], rowwise[table]
        offset, stride, piece = table_offset[table], table_stride[table], table_piece[table]
        shift = 0  # of the bytes of an element: 1, 2 or 4
        while not quantised and elements << shift < size:
            shift += 1
        partial[:count, :, :elements] = 0.0
        for k in range(low, high):
            burst = order[k]
            i = lookup[burst]
            target = partial[pooling[i] - base, rank[burst]]
            weight = weights[i] if weights.shape[0] else np.float32(1.0)
            first, last = 0, elements
            left[i] -= 1
            if quantised and piece:
                first = (burst - first_burst[i]) * piece
                last = min(first + piece, elements)
            elif quantised:
                if left[i]:
                    continue
            else:
                # A burst holds 64 bytes of memory; the vector may begin inside its first one.
                start = (burst - first_burst[i]) * 64 - ((offset + rows[i] * stride) & 63)
                first, last = max(start, 0) >> shift, min(start + 64, size) >> shift
            if given.shape[0] and given[i] >= 0:
                _add_given(target, first, last, elements, given_values[given[i]], quantised, weight)
            elif quantised:
                _add_rowwise(target, first, last, elements, keys[i], weight)
            else:
                _add_plain(target, first, last, keys[i], bits[table], scales[table], weight)
        _reduce(partial, count, elements, ranks_per_dimm, sums[base : base + count])
