# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Replay of lookup packets through the near-memory units of one channel; docs/recnmp.md states the rules.

The work is done in ``recnmp_units.h`` (packets, RankCaches), ``recnmp_issue.h`` and ``recnmp_pins.h`` (who has the pins
when), ``recnmp_gather.h`` (what is returned), ``recnmp_log.h`` (packets and hits, one by one, when asked for);
``tests/recnmp_twin.py`` implements it a second time.
"""

import numpy as np

from libc.stdint cimport INT64_MAX, uint64_t
from libc.string cimport memset

include "dram_core.pxi"

cdef extern from "recnmp_units.h" nogil:
    enum:
        RANKS_MAX, CACHE_COUNTS

    ctypedef struct HitRecord:
        int64_t clk, coordinate

    ctypedef struct PacketRecord:
        int64_t number, start, configured, first_issue, last_issue, read, end, result, returned
        int64_t poolings, instructions, bursts, hits

    ctypedef struct Unit:
        Channel *channel
        int64_t counts[4]
        HitRecord *hits
        int64_t hit_count, hit_limit

    ctypedef struct Design:
        int32_t rank_bits, broadcast, sliced, adder_bits, overlap
        int64_t issue_clk, issue_burst_clk, deliver_clk, gather_clk

    ctypedef struct Units:
        Unit *unit
        Design d
        int32_t ranks, ranks_per_dimm, dimms, per_clk, burst_clk
        int64_t config_clk, transfer_clk, arithmetic_clk, sets, ways, cache_clk, columns
        int64_t packets, instructions, issue_clk, result_bursts, slowest_reads, latency_sum, latency_max, end, gathered
        int64_t configurations
        int64_t *histogram
        int32_t stuck_rank
        int64_t number
        PacketRecord *log
        int64_t log_count, log_limit

    int units_make(Units *u)
    void units_unmake(Units *u)
    int results_place(Units *u, int64_t limit)
    int packet_execute(Units *u, const int64_t *coordinates, const int32_t *lookup, const int32_t *pooling,
                       const uint8_t *locality, const int32_t *result_bursts, int64_t n, int64_t arrival,
                       int64_t first_burst, int64_t *order, uint8_t *hit)

# The order of the `nmp` array; archsim.systems.recnmp fills it by these names.
NMP_PARAMETERS = ("ranks", "ranks_per_dimm", "instructions_per_clk", "config_clk", "transfer_clk", "burst_clk",
                  "cache_sets", "cache_ways", "cache_clk", "columns", "arithmetic_clk")
# What a design may change, and RecNMP's own values; see `Design` in recnmp_state.h.
DESIGN_PARAMETERS = {"rank_bits": 0, "broadcast": 0, "sliced": 0, "issue_clk": 1, "issue_burst_clk": 0, "deliver_clk": 0,
                     "adder_bits": -1, "gather_clk": 0, "overlap": 0}
# The order of the packet counters.
NMP_COUNTS = ("packets", "instructions", "issue_clk", "result_bursts", "slowest_rank_reads", "latency_sum_clk",
              "latency_max_clk", "end_clk", "configurations")
# The rows of the packet log. `number` counts the packets fed, from 0, also those without bursts. Clocks: start; after the
# configuration; first and last instruction at a unit; data of the last burst at a unit; end of the transfer to the buffers
# of the DIMMs; first result burst; after the last. `poolings` have bursts here, `hits` are bursts that a RankCache had.
PACKET_LOG = ("number", "start_clk", "configured_clk", "first_issue_clk", "last_issue_clk", "read_clk", "end_clk",
              "result_clk", "returned_clk", "poolings", "instructions", "bursts", "hits")



def locality_bits(const int64_t[::1] rows, const int64_t[::1] batch, int64_t threshold):
    """Say of each lookup whether its batch looks its row up more than ``threshold`` times.

    Parameters
    ----------
    rows, batch : int64 arrays [lookups]
        Row of each lookup and number of its batch.
    threshold : int
        Lookups that are not enough.

    Returns
    -------
    uint8 array [lookups]
    """
    cdef int64_t n = rows.shape[0], size = 64, most = 0, i, at, first, last, end
    cdef int32_t before
    cdef uint64_t mixed
    cdef bint apart = True
    if n > 0x7FFFFFFF or batch.shape[0] != n:
        raise ValueError(f"{n} rows and {batch.shape[0]} batches")
    first = 0
    for i in range(n):
        if i and batch[i] < batch[i - 1]:
            apart = False
        if i and batch[i] != batch[i - 1]:
            first = i
        most = max(most, i + 1 - first)
    if not apart:
        most = n
    while size < 2 * most:
        size *= 2
    # An open-addressing table of the first lookup of each row in each batch, which counts for all of them. Batches that
    # follow one another have one after another a table that stays in the cache.
    cdef int32_t[::1] slots = np.empty(size, dtype=np.int32)
    cdef int32_t[::1] count = np.zeros(n, dtype=np.int32)
    cdef int32_t[::1] first_of = np.empty(n, dtype=np.int32)
    bits = np.empty(n, dtype=np.uint8)
    cdef uint8_t[::1] bit = bits
    with nogil:
        first = 0
        while first < n:
            last = first + 1
            while last < n and (not apart or batch[last] == batch[first]):
                last += 1
            end = 64
            while end < 2 * (last - first):
                end *= 2
            memset(&slots[0], 0xFF, end * sizeof(int32_t))  # -1
            for i in range(first, last):
                mixed = (<uint64_t>rows[i] * 0x9E3779B97F4A7C15u) ^ (<uint64_t>batch[i] * 0xC2B2AE3D27D4EB4Fu)
                at = <int64_t>((mixed ^ (mixed >> 32)) & <uint64_t>(end - 1))
                before = slots[at]
                while before >= 0 and (rows[before] != rows[i] or batch[before] != batch[i]):
                    at = (at + 1) & (end - 1)
                    before = slots[at]
                if before < 0:
                    before = slots[at] = <int32_t>i
                count[before] += 1
                first_of[i] = before
            for i in range(first, last):
                bit[i] = count[first_of[i]] > threshold
            first = last
    return bits


cdef enum:
    POOLINGS_MAX = 16   # PsumTag has four bits


cdef class RankUnits:
    """The near-memory units of one channel; packets come chunk by chunk and memory does not grow with the trace.

    Parameters
    ----------
    nmp : int64 array
        In the order of ``NMP_PARAMETERS``.
    tables : list of archsim.dram.resolve.DramTables
        Per rank; each describes a channel of one rank.
    log_limit : int
        Keep at most this many commands and hits per rank, and packets.
    log_total : int, optional
        Of commands and hits, the first so many of all ranks together are enough; later ones are dropped now and then.
    interval_clk : int
        Length of an interval of the time series; 0: no series.
    design : mapping of str to int, optional
        What differs from ``DESIGN_PARAMETERS``. A unit that reads several ranks counts as one rank in ``nmp``, and its
        tables describe a channel of that many.
    """

    cdef Units u
    cdef int64_t[::1] histogram, packet_histogram
    cdef list tables
    cdef int64_t fed, log_total

    def __cinit__(self, const int64_t[::1] nmp, list tables, int64_t log_limit=0, int64_t interval_clk=0,
                  design=None, int64_t log_total=0):
        cdef int32_t rank
        cdef Channel *channel
        self.tables = tables  # the channels refer to their rules
        if not 0 < nmp[0] <= RANKS_MAX:
            raise ValueError("1 to 64 ranks on a channel")
        self.u.ranks_per_dimm, self.u.per_clk, self.u.burst_clk = <int32_t>nmp[1], <int32_t>nmp[2], <int32_t>nmp[5]
        self.u.dimms = <int32_t>(nmp[0] // nmp[1])
        self.u.config_clk, self.u.transfer_clk = nmp[3], nmp[4]
        self.u.sets, self.u.ways, self.u.cache_clk, self.u.columns = nmp[6], nmp[7], nmp[8], nmp[9]
        self.u.arithmetic_clk = nmp[10]
        self._design(DESIGN_PARAMETERS | dict(design or {}))
        self.histogram = np.zeros(LATENCY_BINS, dtype=np.int64)
        self.packet_histogram = np.zeros(LATENCY_BINS, dtype=np.int64)
        self.u.histogram = &self.packet_histogram[0]
        self.u.ranks = <int32_t>nmp[0]
        self.u.log_limit = log_limit
        self.log_total = log_total
        if units_make(&self.u):
            raise MemoryError("no memory for the near-memory units")
        for rank in range(self.u.ranks):
            channel = self.u.unit[rank].channel = new_channel(tables[rank], self.histogram)
            channel.log_limit = self.u.unit[rank].hit_limit = log_limit
            if interval_clk > 0:
                channel.series_interval = interval_clk
                channel.series_end = 0

    cdef _design(self, dict design):
        cdef Design *d = &self.u.d
        d.rank_bits, d.broadcast, d.sliced = design["rank_bits"], design["broadcast"], design["sliced"]
        d.adder_bits, d.overlap, d.gather_clk = design["adder_bits"], design["overlap"], design["gather_clk"]
        d.issue_clk, d.issue_burst_clk = design["issue_clk"], design["issue_burst_clk"]
        d.deliver_clk = design["deliver_clk"]

    def __dealloc__(self):
        units_unmake(&self.u)

    def feed(self, const int64_t[::1] coordinates, const int32_t[::1] lookup, const int32_t[::1] pooling,
             const uint8_t[::1] locality, const int32_t[::1] result_bursts, const int64_t[::1] packet_first,
             const int64_t[::1] arrivals, int64_t[::1] order, uint8_t[::1] hit=None):
        """Execute packets; those without bursts do not exist for the channel.

        Parameters
        ----------
        coordinates : int64 array [bursts]
            Where each 64-byte burst lies; the bursts of a lookup are consecutive.
        lookup : int32 array [bursts]
            Number of the lookup of each burst.
        pooling : int32 array [lookups]
            Number of the pooling of each lookup, ascending.
        locality : uint8 array [lookups]
            LocalityBit of each lookup.
        result_bursts : int32 array [poolings]
            64-byte bursts of each result.
        packet_first : int64 array [packets + 1]
            First burst of each packet, and the end.
        arrivals : int64 array [packets]
            Earliest clock at which each packet may start.
        order : int64 array [bursts]
            Receives the bursts packet by packet, rank by rank, in order of their arrival.
        hit : uint8 array [bursts], optional
            Receives 1 for the bursts that a RankCache had.

        Raises
        ------
        RuntimeError
            When no command can ever make progress again.
        ValueError
            When a packet has more poolings than a PsumTag can tell apart.
        """
        cdef int64_t p, low, high, packets = packet_first.shape[0] - 1
        cdef int status = 0
        if self.log_total:
            self._keep_earliest()
        if hit is None:
            hit = np.empty(order.shape[0], dtype=np.uint8)
        for p in range(packets):
            low, high = packet_first[p], packet_first[p + 1]
            if low < high and pooling[lookup[high - 1]] - pooling[lookup[low]] >= POOLINGS_MAX:
                raise ValueError("a packet holds at most 16 poolings (4-bit PsumTag)")
        with nogil:
            for p in range(packets):
                low, high = packet_first[p], packet_first[p + 1]
                if low < high:
                    self.u.number = self.fed + p
                    status = packet_execute(&self.u, &coordinates[low], &lookup[low], &pooling[0], &locality[0],
                                            &result_bursts[0], high - low, arrivals[p], low, &order[low], &hit[low])
                    if status:
                        break
        self.fed += packets
        self._check(status)

    def finish(self):
        """Return the results that are still in the DIMMs. To be called once, after the last packet."""
        self._check(results_place(&self.u, INT64_MAX))

    cdef _check(self, int status):
        if status == -2:
            raise MemoryError("no memory for waiting requests, the command log or the time series")
        if status:
            raise RuntimeError(f"rank unit {self.u.stuck_rank}, packet {self.u.packets}: "
                               + stuck_text(self.u.unit[self.u.stuck_rank].channel))

    def packet_counts(self):
        """Return the packet counters by name (see ``NMP_COUNTS``)."""
        return dict(zip(NMP_COUNTS, (self.u.packets, self.u.instructions, self.u.issue_clk, self.u.result_bursts,
                                     self.u.slowest_reads, self.u.latency_sum, self.u.latency_max, self.u.end,
                                     self.u.configurations)))

    def gathered_bursts(self):
        """Return the bursts of sums that went from adders inside the devices to the buffer chips."""
        return self.u.gathered

    def cache_counts(self):
        """Return lookups, hits, fills and bypassed bursts of each rank's cache, int64 [ranks, 4]."""
        return np.array([[self.u.unit[rank].counts[k] for k in range(CACHE_COUNTS)] for rank in range(self.u.ranks)],
                        dtype=np.int64)

    def counts(self):
        """Return the DRAM counters by name, summed over the ranks (maxima for the ``_max`` and ``last`` ones)."""
        rows = np.array([counts_of(self.u.unit[rank].channel) for rank in range(self.u.ranks)], dtype=np.int64)
        greatest = dict(zip(COUNTS, rows.max(axis=0).tolist()))
        total = dict(zip(COUNTS, rows.sum(axis=0).tolist()))
        for name in ("latency_max_clk", "last_data_clk"):
            total[name] = greatest[name]
        return total

    def rank_reads(self):
        """Return the RD commands of each rank, int64 [ranks]."""
        return np.array([self.u.unit[rank].channel.counts.commands[RD] for rank in range(self.u.ranks)],
                        dtype=np.int64)

    def bank_counts(self, int64_t end):
        """Return per bank, counted over ranks, what `archsim.kernels.dram.ChannelReplay.bank_counts` does."""
        return np.concatenate([bank_counts_of(self.u.unit[rank].channel, end) for rank in range(self.u.ranks)])

    def rank_clocks(self, int64_t end):
        """Return the clocks of each rank by power state up to clock `end`, int64 [ranks, 5]."""
        return np.concatenate([rank_clocks_of(self.u.unit[rank].channel, end) for rank in range(self.u.ranks)])

    def rank_commands(self):
        """Return REF, PREA and REFB of each rank, int64 [ranks, 3]."""
        return np.concatenate([rank_commands_of(self.u.unit[rank].channel) for rank in range(self.u.ranks)])

    def series(self):
        """Return the time series of each rank, a list of int64 [intervals, fields] arrays."""
        return [series_of(self.u.unit[rank].channel) for rank in range(self.u.ranks)]

    def latency_histogram(self):
        """Return (latency_clk, count) arrays of the DRAM read latencies seen by the units, ascending."""
        return histogram_points(self.histogram)

    def packet_latency_histogram(self):
        """Return (latency_clk, count) arrays of the packet latencies, ascending."""
        return histogram_points(self.packet_histogram)

    def commands(self):
        """Return the command log, columns clk, command, bank (counted over ranks), row, column, in order of clock."""
        columns = self._banks_in_log()
        return columns[:, np.lexsort((columns[2], columns[0]))]

    def queues(self):
        """Return the reads and writes that waited in the unit of each command of the log, int32 [2, n]."""
        columns = self._banks_in_log()
        depths = np.concatenate([log_queues(self.u.unit[rank].channel) for rank in range(self.u.ranks)], axis=1)
        return depths[:, np.lexsort((columns[2], columns[0]))]

    def _banks_in_log(self):
        """Return the command logs of the units one after another, banks counted over ranks."""
        parts = []
        for rank in range(self.u.ranks):
            part = log_columns(self.u.unit[rank].channel)
            part[2] += rank << (self.u.unit[rank].channel.t.rank_shift + self.u.d.rank_bits)
            parts.append(part)
        return np.concatenate(parts, axis=1)

    cdef _keep_earliest(self):
        """Drop what cannot be among the first entries of all ranks, however far behind some ranks are.

        The clock of the last of the first `log_total` entries can only become less, and logs are in order of clock: a rank
        that has entries beyond it needs no more.
        """
        cdef int32_t rank
        cdef int64_t kept, last
        cdef Unit *unit
        cdef Channel *c
        clocks = np.concatenate([log_columns(self.u.unit[rank].channel)[0] for rank in range(self.u.ranks)])
        if len(clocks) > self.log_total:
            last = np.partition(clocks, self.log_total - 1)[self.log_total - 1]
            for rank in range(self.u.ranks):
                c = self.u.unit[rank].channel
                kept = c.log_count
                while kept and c.log[kept - 1].clk > last:
                    kept -= 1
                if kept < c.log_count:
                    c.log_count = c.log_limit = kept
        clocks = self.hits()[0]
        if len(clocks) > self.log_total:
            last = clocks[self.log_total - 1]
            for rank in range(self.u.ranks):
                unit = &self.u.unit[rank]
                kept = unit.hit_count
                while kept and unit.hits[kept - 1].clk > last:
                    kept -= 1
                if kept < unit.hit_count:
                    unit.hit_count = unit.hit_limit = kept

    def packets(self):
        """Return the log of packets that had bursts here, int64 [len(PACKET_LOG), n], in the order of their execution."""
        cdef int64_t i
        cdef PacketRecord *p
        columns = np.empty((len(PACKET_LOG), self.u.log_count), dtype=np.int64)
        for i in range(self.u.log_count):
            p = &self.u.log[i]
            columns[:, i] = (p.number, p.start, p.configured, p.first_issue, p.last_issue, p.read, p.end, p.result,
                             p.returned, p.poolings, p.instructions, p.bursts, p.hits)
        return columns

    def hits(self):
        """Return the log of RankCache hits, int64 [4, n] in order of clock: clock of the lookup, unit, 0, place.

        A place is ``row << 32 | bank << 16 | column`` within the unit.
        """
        cdef int64_t i
        cdef int32_t rank
        cdef Unit *unit
        cdef int64_t[:, ::1] view
        parts = []
        for rank in range(self.u.ranks):
            unit = &self.u.unit[rank]
            view = part = np.zeros((4, unit.hit_count), dtype=np.int64)
            for i in range(unit.hit_count):
                view[0, i], view[1, i], view[3, i] = unit.hits[i].clk, rank, unit.hits[i].coordinate
            parts.append(part)
        columns = np.concatenate(parts, axis=1)
        return columns[:, np.argsort(columns[0], kind="stable")]
