# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Replay of accesses through caches in front of one DRAM channel (cache_memory.h; docs/memory-caches.md)."""

import numpy as np

include "dram_core.pxi"

cdef extern from "cache_memory.h" nogil:
    ctypedef struct MemoryCounts:
        int64_t accesses, reads, misses, merged, delayed, port_wait, miss_wait, miss_clk
        int64_t latency_sum, queueing_sum, latency_max, last_clk

    ctypedef struct MemorySettings:
        int32_t width, ports, mshrs, units, merging, lookup_clk, levels
        int32_t level_clk[4]

    ctypedef struct HitRecord:
        int64_t clk, key
        int32_t unit, level

    ctypedef struct Memory:
        Channel *c
        MemoryCounts counts
        int64_t *unit_accesses
        int64_t clk
        HitRecord *hits
        int64_t hit_count, hit_limit

    ctypedef struct Access:
        int64_t key, arrival
        int32_t unit, level, write
        const int64_t *coordinates
        const uint8_t *kinds
        int64_t requests

    Memory *memory_make(Channel *c, const MemorySettings *t, int64_t *latency)
    void memory_unmake(Memory *m)
    int memory_access(Memory *m, const Access *a)
    int memory_write(Memory *m, int64_t coordinate)
    int memory_finish(Memory *m)

#: What the caches in front of a channel count.
MEMORY_COUNTS = ("accesses", "reads", "misses", "merged", "delayed", "port_wait_clk", "miss_wait_clk", "miss_clk",
                 "latency_sum_clk", "queueing_sum_clk", "latency_max_clk", "last_clk")


cdef class CachedChannel:
    """A DRAM channel behind caches whose hits are known; accesses come chunk by chunk.

    Parameters
    ----------
    tables : archsim.dram.resolve.DramTables
        The channel.
    log_limit, interval_clk : int
        As `archsim.kernels.dram.ChannelReplay` takes them; as many hits are kept as commands.
    width : int
        Accesses that the front end offers in a clock, at most.
    units, ports, mshrs : int
        Caches with ports of their own; lookups of each in a clock, and misses in flight, at most.
    merging : bool
        Whether a miss of a block in flight shares its data.
    level_clk : sequence of int
        Clocks from the lookup to the data of a hit in each level, and to the request of a miss; at most four.
    """

    cdef Memory *memory
    cdef int64_t[::1] channel_histogram, histogram, own_coordinates
    cdef uint8_t[::1] own_kinds
    cdef object tables
    cdef int32_t units

    def __cinit__(self, tables, int64_t log_limit, int64_t interval_clk, *, int32_t width, int32_t units,
                  int32_t ports, int32_t mshrs, bint merging, level_clk):
        cdef MemorySettings t
        cdef Channel *c
        cdef int32_t k
        self.tables = tables
        self.units = units
        self.channel_histogram = np.zeros(LATENCY_BINS, dtype=np.int64)
        self.histogram = np.zeros(LATENCY_BINS, dtype=np.int64)
        t.width, t.units, t.ports, t.mshrs, t.merging = width, units, ports, mshrs, merging
        for k in range(4):
            t.level_clk[k] = level_clk[k] if k < len(level_clk) else 0
        t.lookup_clk = level_clk[len(level_clk) - 1]
        t.levels = len(level_clk) - 1
        c = new_channel(tables, self.channel_histogram)
        c.log_limit = log_limit
        if interval_clk > 0:
            c.series_interval = interval_clk
            c.series_end = 0
        self.memory = memory_make(c, &t, &self.histogram[0])
        if self.memory == NULL:
            raise MemoryError("no memory for the misses of a cache")
        self.memory.hit_limit = log_limit

    def __dealloc__(self):
        memory_unmake(self.memory)

    def feed(self, const int64_t[::1] keys, const uint8_t[::1] levels, const int64_t[::1] request_first,
             const int64_t[::1] coordinates, const uint8_t[::1] request_kinds, const int32_t[::1] units=None,
             const uint8_t[::1] kinds=None, const int64_t[::1] arrivals=None, const int32_t[::1] home=None,
             int64_t number=0):
        """Take in accesses, in the order in which they are offered. Other threads run meanwhile.

        Parameters
        ----------
        keys : int64 array [n]
            What is in flight while a miss is: block numbers.
        levels, request_first, request_kinds : arrays
            As `archsim.kernels.cache_chain.CacheChain.feed` returns them.
        coordinates : int64 array [requests]
            Of the requests.
        units : int32 array [n], optional
            Which cache each access goes to; 0 by default.
        kinds : uint8 array [n], optional
            0 read, 1 write; all reads by default.
        arrivals : int64 array [n], optional
            Earliest clock of each access.
        home : int32 array [n], optional
            Channel of each access; those of other channels than `number` are left out, and so are requests to other
            channels. By default everything is for this one.

        Raises
        ------
        RuntimeError
            When no request can ever make progress again.
        """
        cdef int64_t n = keys.shape[0], i, k, first, last, count
        cdef int64_t most = 0
        cdef int stuck = 0
        cdef Access a
        cdef bint all_own = home is None
        if not all_own:
            for i in range(n):
                most = max(most, request_first[i + 1] - request_first[i])
            self.own_coordinates = np.empty(most + 1, dtype=np.int64)
            self.own_kinds = np.empty(most + 1, dtype=np.uint8)
        with nogil:
            for i in range(n):
                first, last = request_first[i], request_first[i + 1]
                if not all_own and home[i] != number:
                    for k in range(first, last):
                        if request_kinds[k] and coordinates[k] >> 56 == number and not stuck:
                            stuck = memory_write(self.memory, coordinates[k])
                    if stuck:
                        break
                    continue
                a.key = keys[i]
                a.arrival = arrivals[i] if arrivals is not None else 0
                a.unit = units[i] if units is not None else 0
                a.level = levels[i]
                a.write = kinds is not None and kinds[i]
                if all_own:
                    a.coordinates = &coordinates[0] + first
                    a.kinds = &request_kinds[0] + first
                    a.requests = last - first
                else:
                    count = 0
                    for k in range(first, last):
                        if coordinates[k] >> 56 == number:
                            self.own_coordinates[count] = coordinates[k]
                            self.own_kinds[count] = request_kinds[k]
                            count += 1
                    a.coordinates = &self.own_coordinates[0]
                    a.kinds = &self.own_kinds[0]
                    a.requests = count
                stuck = memory_access(self.memory, &a)
                if stuck:
                    break
        self.check(stuck)

    def finish(self):
        """Serve everything that waits."""
        cdef int stuck
        with nogil:
            stuck = memory_finish(self.memory)
        self.check(stuck)

    cdef check(self, int stuck):
        if stuck == -2:
            raise MemoryError("no memory for waiting requests, the command log or the time series")
        if stuck:
            raise RuntimeError(stuck_text(self.memory.c))

    def cache_counts(self):
        """Return what the caches counted, by name (see ``MEMORY_COUNTS``)."""
        cdef MemoryCounts *k = &self.memory.counts
        return dict(zip(MEMORY_COUNTS, (k.accesses, k.reads, k.misses, k.merged, k.delayed, k.port_wait, k.miss_wait,
                                        k.miss_clk, k.latency_sum, k.queueing_sum, k.latency_max, k.last_clk)))

    def unit_accesses(self):
        """Return the lookups of each cache, int64 [units]."""
        return np.array([self.memory.unit_accesses[u] for u in range(self.units)], dtype=np.int64)

    def cache_latency_histogram(self):
        """Return (latency_clk, count) of the reads of the front end, hits and misses, ascending."""
        return histogram_points(self.histogram)

    def counts(self):
        """Return the counters of the channel by name (see ``COUNTS``)."""
        return dict(zip(COUNTS, counts_of(self.memory.c)))

    def bank_counts(self, int64_t end_clk):
        """As `archsim.kernels.dram.ChannelReplay.bank_counts`."""
        return bank_counts_of(self.memory.c, end_clk)

    def rank_clocks(self, int64_t end_clk):
        """As `archsim.kernels.dram.ChannelReplay.rank_clocks`."""
        return rank_clocks_of(self.memory.c, end_clk)

    def rank_commands(self):
        """As `archsim.kernels.dram.ChannelReplay.rank_commands`."""
        return rank_commands_of(self.memory.c)

    def series(self):
        """As `archsim.kernels.dram.ChannelReplay.series`."""
        return series_of(self.memory.c)

    def latency_histogram(self):
        """As `archsim.kernels.dram.ChannelReplay.latency_histogram`: of the requests to the channel."""
        return histogram_points(self.channel_histogram)

    def commands(self):
        """As `archsim.kernels.dram.ChannelReplay.commands`."""
        return log_columns(self.memory.c)

    def queues(self):
        """As `archsim.kernels.dram.ChannelReplay.queues`."""
        return log_queues(self.memory.c)

    def hits(self):
        """Return the log of hits, int64 [4, n]: clock of the lookup, cache, level, block."""
        cdef int64_t i
        columns = np.empty((4, self.memory.hit_count), dtype=np.int64)
        cdef int64_t[:, ::1] view = columns
        for i in range(self.memory.hit_count):
            view[0, i] = self.memory.hits[i].clk
            view[1, i] = self.memory.hits[i].unit
            view[2, i] = self.memory.hits[i].level
            view[3, i] = self.memory.hits[i].key
        return columns
