# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The rank units' arithmetic: arrays for ``sums.h``, which says what is added."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t
from libc.stdlib cimport free, malloc

cdef extern from "sums.h" nogil:
    ctypedef struct TableForm:
        uint32_t key
        int32_t elements, size, bits
        float step
        int32_t rowwise
        int64_t offset, stride
        int32_t piece
    ctypedef struct Lookup:
        pass
    ctypedef struct Stream:
        const int64_t *order
        const int64_t *rows
        const int32_t *lookup
        const int32_t *rank
        const int32_t *pooling
        const int32_t *given
        const float *weights
        const float *given_values
        int64_t bursts, lookups, poolings, given_rows, given_width, width
        int32_t ranks, ranks_per_dimm, poolings_per_packet
        float *partial
        float *sums
        Lookup *work
        uint32_t *keys
    uint32_t c_row_key "row_key"(uint32_t table_key, int64_t row)
    float c_element "element"(uint32_t key, int32_t index, int32_t bits, float step)
    float c_level "level"(uint32_t key, int32_t index)
    float c_row_scale "row_scale"(uint32_t key, int32_t elements)
    float c_row_bias "row_bias"(uint32_t key, int32_t elements)
    int add_packet(const Stream *stream, const TableForm *form, int64_t low, int64_t high)


def row_key(uint32_t table_key, int64_t row):
    """Combine the key of a table with a row number into the 32-bit key of that row."""
    return c_row_key(table_key, row)


def element(uint32_t key, int32_t index, int32_t bits, float step):
    """Return one element: ``bits`` random bits, centred on zero, times ``step``; exact in the table's type."""
    return c_element(key, index, bits, step)


def level(uint32_t key, int32_t index):
    """Return a quantised element of an 8-bit row, 0 to 255."""
    return c_level(key, index)


def row_scale(uint32_t key, int32_t elements):
    """Return the scale of an 8-bit row: (0, 2^-7] in steps of 2^-31."""
    return c_row_scale(key, elements)


def row_bias(uint32_t key, int32_t elements):
    """Return the bias of an 8-bit row: [-1, 1) in steps of 2^-23."""
    return c_row_bias(key, elements)


def pool_packets(const int64_t[::1] packet_first, const int64_t[::1] order, const int32_t[::1] lookup,
                 const int32_t[::1] rank, const int64_t[::1] rows, const int32_t[::1] tables,
                 const int32_t[::1] pooling, const float[::1] weights, const uint32_t[::1] table_keys,
                 const int64_t[::1] table_elements, const int64_t[::1] table_bytes, const int64_t[::1] table_offset,
                 const int64_t[::1] table_stride, const int64_t[::1] table_piece, const int64_t[::1] bits,
                 const float[::1] scales, rowwise, const int32_t[::1] given, const float[:, ::1] given_values,
                 int32_t ranks_per_dimm, float[:, :, ::1] partial, float[:, ::1] sums):
    """Add the vectors of each packet burst by burst, then over the ranks of a DIMM, then over the DIMMs.

    An 8-bit row is added when its last burst has arrived, because its scale and bias stand at its end; one in pieces,
    which have the scale and bias each, piece by piece. Other threads run meanwhile.

    Parameters
    ----------
    packet_first : int64 array [packets + 1]
        First burst of each packet.
    order : int64 array [bursts]
        Bursts of each packet in order of arrival at their rank unit.
    lookup, rank : int32 arrays [bursts]
        Lookup of each burst, ascending, and its rank; the bursts of a lookup follow one another in address order.
    rows : int64 array [lookups]; tables, pooling : int32 arrays [lookups]
        What each lookup reads and which pooling it belongs to; poolings ascend, and a packet has one table.
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
        Zeros that receive the results.

    Raises
    ------
    ValueError
        When a number is out of range.
    """
    cdef const uint8_t[::1] quantised = rowwise.view("uint8")
    cdef int64_t packets = packet_first.shape[0] - 1, bursts = lookup.shape[0], lookups = rows.shape[0]
    cdef int64_t p = 0, low, high, most = 0
    cdef int32_t table
    cdef bint sound = True
    cdef Stream all
    cdef TableForm form
    if not (order.shape[0] == rank.shape[0] == bursts and tables.shape[0] == pooling.shape[0] == lookups):
        raise ValueError(f"shapes of {bursts} bursts and {lookups} lookups do not match")
    if weights.shape[0] not in (0, lookups) or given.shape[0] not in (0, lookups) or sums.shape[1] != partial.shape[2]:
        raise ValueError(f"shapes of {lookups} lookups and {sums.shape[1]} elements do not match")
    if not (table_elements.shape[0] == table_bytes.shape[0] == table_offset.shape[0] == table_stride.shape[0]
            == table_piece.shape[0] == bits.shape[0] == scales.shape[0] == quantised.shape[0] == table_keys.shape[0]):
        raise ValueError(f"shapes of {table_keys.shape[0]} tables do not match")
    if ranks_per_dimm < 1 or partial.shape[1] % ranks_per_dimm:
        raise ValueError(f"{partial.shape[1]} ranks in DIMMs of {ranks_per_dimm}")
    if not bursts:
        return
    for p in range(packets):
        low, high = packet_first[p], packet_first[p + 1]
        if not 0 <= low <= high <= bursts or (low < high and not 0 <= lookup[low] <= lookup[high - 1] < lookups):
            raise ValueError(f"packet {p}: a burst or lookup is out of range")
        if low < high and lookup[high - 1] - lookup[low] >= most:
            most = lookup[high - 1] - lookup[low] + 1
    all.order, all.rows, all.lookup = &order[0], &rows[0], &lookup[0]
    all.rank, all.pooling = &rank[0], &pooling[0]
    all.given = &given[0] if given.shape[0] else NULL
    all.given_values = &given_values[0, 0] if given_values.shape[0] else NULL
    all.weights = &weights[0] if weights.shape[0] else NULL
    all.bursts, all.lookups, all.poolings = bursts, lookups, sums.shape[0]
    all.given_rows, all.given_width, all.width = given_values.shape[0], given_values.shape[1], sums.shape[1]
    all.ranks, all.ranks_per_dimm, all.poolings_per_packet = partial.shape[1], ranks_per_dimm, partial.shape[0]
    all.partial, all.sums = &partial[0, 0, 0], &sums[0, 0]
    all.work = <Lookup *>malloc(most * (sizeof(Lookup) + sizeof(uint32_t)))
    if all.work == NULL:
        raise MemoryError
    all.keys = <uint32_t *>(all.work + most)
    with nogil:
        for p in range(packets):
            low, high = packet_first[p], packet_first[p + 1]
            if low == high:
                continue
            table = tables[lookup[low]]
            sound = 0 <= table < table_keys.shape[0] and table_elements[table] <= all.width
            if sound:
                form.key, form.bits, form.step = table_keys[table], <int32_t>bits[table], scales[table]
                form.elements, form.size = <int32_t>table_elements[table], <int32_t>table_bytes[table]
                form.rowwise, form.piece = quantised[table], <int32_t>table_piece[table]
                form.offset, form.stride = table_offset[table], table_stride[table]
                sound = add_packet(&all, &form, low, high)
            if not sound:
                break
        free(all.work)
    if not sound:
        raise ValueError(f"packet {p}: a burst, lookup, rank, table or pooling is out of range")
