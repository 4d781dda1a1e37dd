# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""The sums that rank units should return, formed a second time to compare theirs with."""

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t

cdef extern from "sums_check.h" nogil:
    ctypedef struct TableRule:
        uint32_t key
        int32_t elements, item_bytes, bits
        float step
        int32_t rowwise
        int64_t offset, stride, piece
    ctypedef struct Packets:
        const int64_t *order
        const int64_t *rows
        const int32_t *lookup
        const int32_t *rank
        const int32_t *pooling
        const float *weights
        int64_t lookups, poolings, width
        int32_t ranks, ranks_per_dimm, poolings_per_packet
        int64_t *first_burst
        int32_t *left
        float *psums
        float *sums
    void add_float64(const TableRule *rule, const int64_t *rows, const float *weights, int64_t count, double *exact,
                     double *magnitude)
    int add_in_order(const Packets *packets, const TableRule *rule, int64_t low, int64_t high)


cdef class CheckSums:
    """Sums of tables whose contents follow the rule of ``docs/recnmp.md``.

    Parameters
    ----------
    keys : uint32 array [tables]
        Key of each table's contents.
    elements, vector_bytes, bits : int64 arrays [tables]
        Elements and bytes of a vector, of which no element lies in two bursts; significant bits of an element.
    steps : float32 array [tables]
        Step between neighbouring values.
    rowwise : bool array [tables]
        Whether a table has 8-bit rows, which end with their scale and bias.
    offset, stride, piece : int64 arrays [tables]
        As `archsim.nmp.functional.RowLayout` has them.
    """

    cdef const uint32_t[::1] keys
    cdef const int64_t[::1] elements, vector_bytes, bits, offset, stride, piece
    cdef const float[::1] steps
    cdef const uint8_t[::1] rowwise

    def __cinit__(self, const uint32_t[::1] keys, const int64_t[::1] elements, const int64_t[::1] vector_bytes,
                  const int64_t[::1] bits, const float[::1] steps, rowwise, const int64_t[::1] offset,
                  const int64_t[::1] stride, const int64_t[::1] piece):
        self.keys, self.elements, self.vector_bytes = keys, elements, vector_bytes
        self.bits, self.steps, self.rowwise = bits, steps, rowwise.view(np.uint8)
        self.offset, self.stride, self.piece = offset, stride, piece
        for part in (elements, vector_bytes, bits, steps, rowwise, offset, stride, piece):
            if part.shape[0] != keys.shape[0]:
                raise ValueError(f"{part.shape[0]} numbers for {keys.shape[0]} tables")
        for part in elements:
            if part < 1:
                raise ValueError(f"{part} elements")

    cdef TableRule rule(self, int32_t table) noexcept nogil:
        cdef TableRule rule
        rule.key = self.keys[table]
        rule.elements = <int32_t>self.elements[table]
        rule.item_bytes = <int32_t>(self.vector_bytes[table] // self.elements[table])
        rule.bits = <int32_t>self.bits[table]
        rule.step = self.steps[table]
        rule.rowwise = self.rowwise[table]
        rule.offset, rule.stride, rule.piece = self.offset[table], self.stride[table], self.piece[table]
        return rule

    def in_float64(self, const int64_t[::1] rows, const float[::1] weights, const int32_t[::1] tables,
                   const int64_t[::1] starts, const int64_t[::1] sizes, double[:, ::1] exact,
                   double[:, ::1] magnitude):
        """Add poolings in float64, lookup by lookup. Other threads run meanwhile.

        Parameters
        ----------
        rows : int64 array [lookups]
            Row of each lookup.
        weights : float32 array [lookups] or None
            Factors; None for plain sums.
        tables : int32 array [poolings]
            Table of each pooling.
        starts, sizes : int64 arrays [poolings]
            First lookup of each pooling, and its lookups.
        exact, magnitude : float64 arrays [poolings, elements]
            Zeros that receive the sums, and those of the magnitudes of what is added.
        """
        cdef int64_t k, poolings = exact.shape[0], lookups = rows.shape[0]
        cdef TableRule rule
        if not poolings == tables.shape[0] == starts.shape[0] == sizes.shape[0] == magnitude.shape[0]:
            raise ValueError(f"{poolings} poolings of {tables.shape[0]} tables")
        if magnitude.shape[1] != exact.shape[1] or (weights is not None and weights.shape[0] != lookups):
            raise ValueError(f"shapes of {lookups} lookups and {exact.shape[1]} elements do not match")
        for k in range(poolings):
            if not 0 <= tables[k] < self.keys.shape[0] or self.elements[tables[k]] > exact.shape[1]:
                raise ValueError(f"pooling {k}: table {tables[k]} with {exact.shape[1]} elements")
            if not 0 <= starts[k] <= lookups - sizes[k] or sizes[k] < 0:
                raise ValueError(f"pooling {k}: {sizes[k]} lookups from {starts[k]} on, of {lookups}")
        with nogil:
            for k in range(poolings):
                rule = self.rule(tables[k])
                if sizes[k]:
                    add_float64(&rule, &rows[starts[k]], NULL if weights is None else &weights[starts[k]], sizes[k],
                                &exact[k, 0], &magnitude[k, 0])

    def in_order(self, const int64_t[::1] packet_first, const int64_t[::1] order, const int32_t[::1] lookup,
                 const int32_t[::1] rank, const int64_t[::1] rows, const int32_t[::1] tables,
                 const int32_t[::1] pooling, const float[::1] weights, int32_t ranks, int32_t ranks_per_dimm,
                 int32_t poolings_per_packet, float[:, ::1] sums):
        """Add the first poolings in FP32, addition by addition in the modelled order. Other threads run meanwhile.

        Parameters
        ----------
        packet_first, order, lookup, rank, rows, tables, pooling
            As `archsim.kernels.sums.pool_packets` takes them.
        weights : float32 array [lookups] or None
            Factors; None for plain sums.
        ranks, ranks_per_dimm : int
            Psum registers of a pooling, and those that one DIMM adds pairwise.
        poolings_per_packet : int
            Most poolings of a packet.
        sums : float32 array [poolings, elements]
            Zeros that receive the sums of the first poolings; later ones are passed over.
        """
        cdef int64_t lookups = rows.shape[0], bursts = lookup.shape[0], p, low, high
        cdef bint sound = True
        cdef Packets all
        if not (order.shape[0] == rank.shape[0] == bursts and tables.shape[0] == pooling.shape[0] == lookups):
            raise ValueError(f"shapes of {bursts} bursts and {lookups} lookups do not match")
        if (weights is not None and weights.shape[0] != lookups) or ranks < 1 or poolings_per_packet < 1:
            raise ValueError(f"{lookups} lookups, {ranks} ranks, {poolings_per_packet} poolings per packet")
        if ranks_per_dimm < 1 or ranks % ranks_per_dimm:
            raise ValueError(f"{ranks} ranks in DIMMs of {ranks_per_dimm}")
        if not bursts:
            return
        first_burst, left = np.empty(lookups, np.int64), np.zeros(lookups, np.int32)
        psums = np.empty((poolings_per_packet, ranks, sums.shape[1]), np.float32)
        cdef int64_t[::1] first_burst_view = first_burst
        cdef int32_t[::1] left_view = left
        cdef float[:, :, ::1] psums_view = psums
        all.order, all.lookup, all.rank, all.rows = &order[0], &lookup[0], &rank[0], &rows[0]
        all.pooling = &pooling[0]
        all.weights = NULL
        if weights is not None:
            all.weights = &weights[0]
        all.lookups, all.poolings, all.width = lookups, sums.shape[0], sums.shape[1]
        all.ranks, all.ranks_per_dimm, all.poolings_per_packet = ranks, ranks_per_dimm, poolings_per_packet
        all.first_burst, all.left, all.psums = &first_burst_view[0], &left_view[0], &psums_view[0, 0, 0]
        all.sums = &sums[0, 0] if sums.shape[0] else NULL
        with nogil:
            for p in range(packet_first.shape[0] - 1):
                low, high = packet_first[p], packet_first[p + 1]
                sound = 0 <= low <= high <= bursts and (low == high or self.add_packet(&all, tables, low, high))
                if not sound:
                    break
        if not sound:
            raise ValueError(f"packet {p}: a burst, lookup, rank, table or pooling is out of range")

    cdef bint add_packet(self, const Packets *all, const int32_t[::1] tables, int64_t low, int64_t high) noexcept nogil:
        """Add the bursts of one packet; returns whether all numbers are in range."""
        cdef int64_t first = all.lookup[low]
        cdef TableRule rule
        if not 0 <= first < all.lookups:
            return False
        if all.pooling[first] >= all.poolings:
            return True
        if not 0 <= tables[first] < self.keys.shape[0] or self.elements[tables[first]] > all.width:
            return False
        rule = self.rule(tables[first])
        return add_in_order(all, &rule, low, high)
