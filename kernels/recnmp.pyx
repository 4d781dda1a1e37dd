# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Replay of lookup packets through RecNMP rank units, each driving its own rank (see controller.pxi).

A packet is executed alone: configure the units, send its instructions over the shared C/A and DQ pins, let every rank
unit fetch its vectors, then read the results of the DIMMs back over DQ. The slowest rank decides. docs/recnmp.md states
the rules; tests/test_recnmp_twin.py implements them a second time.
"""

import numpy as np

include "dram_core.pxi"

# The order of the `nmp` array; archsim.systems.recnmp fills it by these names.
NMP_PARAMETERS = ("ranks", "ranks_per_dimm", "instructions_per_clk", "config_clk", "transfer_clk", "burst_clk")
# The order of the packet counters.
NMP_COUNTS = ("packets", "instructions", "issue_clk", "result_bursts", "return_wait_clk", "slowest_rank_reads",
              "latency_sum_clk", "latency_max_clk", "end_clk")

cdef enum:
    POOLINGS_MAX = 16   # PsumTag has four bits


cdef class RankUnits:
    """The rank units of one channel; packets come chunk by chunk and memory does not grow with the trace.

    Parameters
    ----------
    nmp : int64 array
        In the order of ``NMP_PARAMETERS``.
    tables : list of archsim.dram.resolve.DramTables
        Per rank; each describes a channel of one rank.
    log_limit : int
        Keep at most this many commands per rank.
    interval_clk : int
        Length of an interval of the time series; 0: no series.
    """

    cdef Channel **unit
    cdef int32_t ranks, ranks_per_dimm, dimms, per_clk, config_clk, transfer_clk, burst_clk, stuck_rank
    cdef int64_t packets, instructions, issue_clk, result_bursts, return_wait_clk, slowest_reads
    cdef int64_t latency_sum, latency_max, end
    cdef int64_t[::1] histogram, packet_histogram
    # Buffers for one packet, bucketed by rank.
    cdef int64_t[::1] coordinate, arrival, finished, ident, completed
    cdef uint8_t[::1] opens
    cdef int64_t first[65]
    cdef int64_t sent[65]
    cdef list tables

    def __cinit__(self, const int64_t[::1] nmp, list tables, int64_t log_limit=0, int64_t interval_clk=0):
        cdef int32_t rank
        self.tables = tables
        self.ranks, self.ranks_per_dimm, self.per_clk = <int32_t>nmp[0], <int32_t>nmp[1], <int32_t>nmp[2]
        self.config_clk, self.transfer_clk, self.burst_clk = <int32_t>nmp[3], <int32_t>nmp[4], <int32_t>nmp[5]
        self.dimms = self.ranks // self.ranks_per_dimm
        if self.ranks > 64:
            raise ValueError("at most 64 ranks on a channel")
        self.histogram = np.zeros(LATENCY_BINS, dtype=np.int64)
        self.packet_histogram = np.zeros(LATENCY_BINS, dtype=np.int64)
        self.unit = <Channel **>calloc(self.ranks, sizeof(Channel *))
        if self.unit == NULL:
            raise MemoryError("no memory for the rank units")
        for rank in range(self.ranks):
            self.unit[rank] = new_channel(tables[rank], self.histogram)
            self.unit[rank].log_limit = log_limit
            if interval_clk > 0:
                self.unit[rank].series_interval = interval_clk
                self.unit[rank].series_end = 0
        self.make_room(1024)

    def __dealloc__(self):
        cdef int32_t rank
        if self.unit != NULL:
            for rank in range(self.ranks):
                channel_unmake(self.unit[rank])
            free(self.unit)

    cdef make_room(self, int64_t bursts):
        if self.coordinate is not None and self.coordinate.shape[0] >= bursts:
            return
        self.coordinate = np.empty(bursts, dtype=np.int64)
        self.arrival = np.empty(bursts, dtype=np.int64)
        self.finished = np.empty(bursts, dtype=np.int64)
        self.ident = np.empty(bursts, dtype=np.int64)
        self.completed = np.empty(bursts, dtype=np.int64)
        self.opens = np.empty(bursts, dtype=np.uint8)

    def feed(self, const int64_t[::1] coordinates, const int32_t[::1] lookup, const int32_t[::1] pooling,
             const int32_t[::1] result_bursts, const int64_t[::1] packet_first, const int64_t[::1] arrivals,
             int64_t[::1] order):
        """Execute packets one after another.

        Parameters
        ----------
        coordinates : int64 array [bursts]
            Where each 64-byte burst lies; the bursts of a lookup are consecutive.
        lookup : int32 array [bursts]
            Number of the lookup of each burst.
        pooling : int32 array [lookups]
            Number of the pooling of each lookup.
        result_bursts : int32 array [poolings]
            Bursts of each pooling's result.
        packet_first : int64 array [packets + 1]
            First burst of each packet, and the end.
        arrivals : int64 array [packets]
            Earliest clock at which each packet may start.
        order : int64 array [bursts]
            Receives the bursts packet by packet, rank by rank, in order of their RD commands.

        Raises
        ------
        RuntimeError
            When no command can ever make progress again.
        ValueError
            When a packet has more poolings than a PsumTag can tell apart.
        """
        cdef int64_t p, low, high
        cdef int stuck = 0
        for p in range(packet_first.shape[0] - 1):
            low, high = packet_first[p], packet_first[p + 1]
            if low == high:
                continue
            if pooling[lookup[high - 1]] - pooling[lookup[low]] >= POOLINGS_MAX:
                raise ValueError("a packet holds at most 16 poolings (4-bit PsumTag)")
            self.make_room(high - low)
            with nogil:
                stuck = self.execute(&coordinates[low], &lookup[low], &pooling[0], &result_bursts[0], high - low,
                                     low, arrivals[p], &order[low])
            if stuck == -2:
                raise MemoryError("no memory for waiting requests, the command log or the time series")
            if stuck:
                raise RuntimeError(f"rank unit {self.stuck_rank}, packet {self.packets}: "
                                   + stuck_text(self.unit[self.stuck_rank]))

    cdef int execute(self, const int64_t *coordinates, const int32_t *lookup, const int32_t *pooling,
                     const int32_t *result_bursts, int64_t n, int64_t first_burst, int64_t arrival,
                     int64_t *order) noexcept nogil:
        cdef int64_t start = max(self.end, arrival), issued
        cdef int64_t slowest = 0, reads
        cdef int32_t rank
        cdef int stuck
        self.bucket(coordinates, lookup, n)
        issued = self.send(start + self.config_clk)
        for rank in range(self.ranks):
            reads = self.first[rank + 1] - self.first[rank]
            slowest = max(slowest, reads)
            stuck = self.run_rank(rank, reads, first_burst, order) if reads else 0
            if stuck:
                self.stuck_rank = rank
                return stuck
        self.end = self.collect(coordinates, lookup, pooling, result_bursts, n, issued) + self.transfer_clk
        self.packets += 1
        self.slowest_reads += slowest
        self.latency_sum += self.end - start
        self.latency_max = max(self.latency_max, self.end - start)
        self.packet_histogram[latency_bin(self.end - start)] += 1
        return 0

    cdef void bucket(self, const int64_t *coordinates, const int32_t *lookup, int64_t n) noexcept nogil:
        """Sort the bursts by rank, in program order within each, and mark where an instruction begins.

        One instruction fetches the bursts of one vector that lie in one row of one bank.
        """
        cdef int64_t i, at
        cdef int32_t rank, bits = self.unit[0].t.rank_shift
        cdef int64_t within = ((<int64_t>1 << bits) - 1) << 16
        for rank in range(self.ranks + 1):
            self.first[rank] = 0
        for i in range(n):
            self.first[(((coordinates[i] >> 16) & 0xFFFF) >> bits) + 1] += 1
        for rank in range(self.ranks):
            self.first[rank + 1] += self.first[rank]
            self.sent[rank] = self.first[rank]
        for i in range(n):
            rank = <int32_t>(((coordinates[i] >> 16) & 0xFFFF) >> bits)
            at = self.sent[rank]
            self.sent[rank] += 1
            self.ident[at] = i
            self.coordinate[at] = coordinates[i] & ~(<int64_t>0xFFFF << 16) | coordinates[i] & within
            self.opens[at] = i == 0 or lookup[i] != lookup[i - 1] or (coordinates[i] ^ coordinates[i - 1]) >> 16 != 0

    cdef int64_t send(self, int64_t clk) noexcept nogil:
        """Give every instruction its clock on the shared pins: the DIMMs in turn, one instruction per rank.

        Returns the first clock after the last instruction. DIMMs with nothing left are passed over.
        """
        cdef int64_t left = self.first[self.ranks]
        cdef int32_t dimm = 0, k, rank, budget
        cdef int32_t turn = 0
        cdef bint any_sent
        for rank in range(self.ranks):
            self.sent[rank] = self.first[rank]
        while left > 0:
            budget = self.per_clk
            any_sent = False
            for k in range(self.ranks_per_dimm):
                rank = dimm * self.ranks_per_dimm + (k + turn) % self.ranks_per_dimm
                if budget == 0 or self.sent[rank] == self.first[rank + 1]:
                    continue
                left -= self.send_one(rank, clk)
                budget -= 1
                any_sent = True
            if any_sent:
                clk += 1
                self.issue_clk += 1
            dimm += 1
            if dimm == self.dimms:
                dimm = 0
                # With more ranks on a DIMM than instructions a clock, each rank leads in turn.
                turn = (turn + self.per_clk) % self.ranks_per_dimm
        return clk

    cdef inline int64_t send_one(self, int32_t rank, int64_t clk) noexcept nogil:
        cdef int64_t at = self.sent[rank]
        cdef int64_t begin = at
        self.instructions += 1
        while True:
            self.arrival[at] = clk
            at += 1
            if at == self.first[rank + 1] or self.opens[at]:
                break
        self.sent[rank] = at
        return at - begin

    cdef int run_rank(self, int32_t rank, int64_t reads, int64_t first_burst, int64_t *order) noexcept nogil:
        cdef Channel *c = self.unit[rank]
        cdef int64_t low = self.first[rank], i
        cdef int stuck
        c.finished = &self.finished[low]
        c.completed = &self.completed[low]
        c.completed_count = 0
        stuck = channel_advance(c, &self.coordinate[low], NULL, &self.arrival[low], reads, True)
        if stuck:  # not all of them are done
            return stuck
        for i in range(low, low + reads):
            order[i] = first_burst + self.ident[low + self.completed[i]]
        return 0

    cdef int64_t collect(self, const int64_t *coordinates, const int32_t *lookup, const int32_t *pooling,
                         const int32_t *result_bursts, int64_t n, int64_t bus) noexcept nogil:
        """Read the results back over DQ, pooling by pooling and DIMM by DIMM, each when it is ready.

        Returns the clock at which the last result has been returned.
        """
        cdef int64_t ready[16][64]
        cdef int32_t base = pooling[lookup[0]], p, dimm, rank
        cdef int32_t poolings = pooling[lookup[n - 1]] - base + 1
        cdef int64_t i, burst
        for p in range(poolings):
            for dimm in range(self.dimms):
                ready[p][dimm] = -1
        for rank in range(self.ranks):
            dimm = rank // self.ranks_per_dimm
            for i in range(self.first[rank], self.first[rank + 1]):
                p = pooling[lookup[self.ident[i]]] - base
                ready[p][dimm] = max(ready[p][dimm], self.finished[i])
        for p in range(poolings):
            for dimm in range(self.dimms):
                if ready[p][dimm] < 0:
                    continue
                if ready[p][dimm] > bus:
                    self.return_wait_clk += ready[p][dimm] - bus
                    bus = ready[p][dimm]
                burst = result_bursts[base + p]
                self.result_bursts += burst
                bus += burst * self.burst_clk
        return bus

    def packet_counts(self):
        """Return the packet counters by name (see ``NMP_COUNTS``)."""
        return dict(zip(NMP_COUNTS, (self.packets, self.instructions, self.issue_clk, self.result_bursts,
                                     self.return_wait_clk, self.slowest_reads, self.latency_sum,
                                     self.latency_max, self.end)))

    def counts(self):
        """Return the DRAM counters by name, summed over the ranks (maxima for the ``_max`` and ``last`` ones)."""
        rows = np.array([counts_of(self.unit[rank]) for rank in range(self.ranks)], dtype=np.int64)
        greatest = dict(zip(COUNTS, rows.max(axis=0).tolist()))
        total = dict(zip(COUNTS, rows.sum(axis=0).tolist()))
        for name in ("latency_max_clk", "last_data_clk"):
            total[name] = greatest[name]
        return total

    def rank_reads(self):
        """Return the RD commands of each rank, int64 [ranks]."""
        return np.array([self.unit[rank].counts.commands[RD] for rank in range(self.ranks)], dtype=np.int64)

    def bank_counts(self):
        """Return per bank, counted over ranks, what `archsim.kernels.dram.ChannelReplay.bank_counts` does."""
        return np.concatenate([bank_counts_of(self.unit[rank], self.end) for rank in range(self.ranks)])

    def rank_clocks(self):
        """Return the clocks of each rank by power state up to the last result, int64 [ranks, 5]."""
        return np.concatenate([rank_clocks_of(self.unit[rank], self.end) for rank in range(self.ranks)])

    def rank_commands(self):
        """Return REF, PREA and REFB of each rank, int64 [ranks, 3]."""
        return np.concatenate([rank_commands_of(self.unit[rank]) for rank in range(self.ranks)])

    def series(self):
        """Return the time series of each rank, a list of int64 [intervals, fields] arrays."""
        return [series_of(self.unit[rank]) for rank in range(self.ranks)]

    def latency_histogram(self):
        """Return (latency_clk, count) arrays of the read latencies seen by the units, ascending."""
        return histogram_points(self.histogram)

    def packet_latency_histogram(self):
        """Return (latency_clk, count) arrays of the packet latencies, ascending."""
        return histogram_points(self.packet_histogram)

    def commands(self):
        """Return the command log, columns clk, command, bank (counted over ranks), row, column, in order of clock."""
        parts = []
        for rank in range(self.ranks):
            part = log_columns(self.unit[rank])
            part[2] += rank << self.unit[rank].t.rank_shift
            parts.append(part)
        columns = np.concatenate(parts, axis=1)
        return columns[:, np.lexsort((columns[2], columns[0]))]
