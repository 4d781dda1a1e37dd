# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Replay of memory requests through one DRAM channel (dram_replay.h; docs/dram.md states the rules)."""

import numpy as np

include "dram_core.pxi"

#: Fields of a time series row: commands issued (PREA counts as one PRE, REFB as REF), and reads whose data have moved,
#: within the interval.
SERIES = ("act", "pre", "rd", "wr", "ref", "reads_done", "latency_sum_clk")


cdef class ChannelReplay:
    """A DRAM channel that takes requests chunk by chunk; its memory does not grow with the trace.

    Parameters
    ----------
    tables : archsim.dram.resolve.DramTables
        The resolved specification.
    log_limit : int
        Keep at most this many commands; 0 keeps none.
    interval_clk : int
        Length of an interval of the time series; 0: no series.
    """

    cdef Channel *channel
    cdef int64_t[::1] histogram
    cdef object tables
    cdef int64_t[::1] own_coordinates, own_arrivals
    cdef uint8_t[::1] own_kinds

    def __cinit__(self, tables, int64_t log_limit=0, int64_t interval_clk=0):
        self.tables = tables
        self.histogram = np.zeros(LATENCY_BINS, dtype=np.int64)
        self.channel = new_channel(tables, self.histogram)
        self.channel.log_limit = log_limit
        if interval_clk > 0:
            self.channel.series_interval = interval_clk
            self.channel.series_end = 0

    def __dealloc__(self):
        channel_unmake(self.channel)

    def feed(self, const int64_t[::1] coordinates, const uint8_t[::1] kinds=None, const int64_t[::1] arrivals=None,
             int64_t[::1] finished=None, bint drain=False):
        """Take in requests; with ``drain`` also serve everything that waits. Other threads run meanwhile.

        Parameters
        ----------
        coordinates : int64 array [n]
            ``row << 32 | bank << 16 | column``, bank counted over pseudo channels, ranks and bank groups; see
            `archsim.dram.address`.
        kinds : uint8 array [n], optional
            0 read, 1 write; all reads by default.
        arrivals : int64 array [n], optional
            Earliest clock at which each request is offered; saturated by default.
        finished : int64 array [n], optional
            Receives the clock at which the data of each request have moved; a write that replaces a waiting one
            moves none and leaves its element as it was. Needs ``drain``.

        Raises
        ------
        RuntimeError
            When no request can ever make progress again.
        """
        cdef int64_t n = coordinates.shape[0]
        cdef const int64_t *c = &coordinates[0] if n else NULL
        cdef const uint8_t *k = &kinds[0] if n and kinds is not None else NULL
        cdef const int64_t *a = &arrivals[0] if n and arrivals is not None else NULL
        cdef int stuck
        if (kinds is not None and kinds.shape[0] != n) or (arrivals is not None and arrivals.shape[0] != n):
            raise ValueError("coordinates, kinds and arrivals must have equal lengths")
        if finished is not None and (not drain or finished.shape[0] != n):
            raise ValueError("finished needs drain=True and the length of coordinates")
        self.channel.finished = &finished[0] if n and finished is not None else NULL
        with nogil:
            stuck = channel_advance(self.channel, c, k, a, n, drain)
        self.channel.finished = NULL
        self.check(stuck)

    cdef check(self, int stuck):
        if stuck == -2:
            raise MemoryError("no memory for waiting requests, the command log or the time series")
        if stuck:
            raise RuntimeError(stuck_text(self.channel))

    def feed_own(self, int64_t number, const int64_t[::1] coordinates, const uint8_t[::1] kinds=None,
                 const int64_t[::1] arrivals=None):
        """Take in those of the requests whose channel is `number` (bits 56 and up of the coordinate), in order.

        Picking them out is part of what runs without the interpreter lock. Otherwise as `feed`.
        """
        cdef int64_t n = coordinates.shape[0], m = 0, i
        cdef int64_t *c
        cdef int64_t *a
        cdef uint8_t *k
        cdef int stuck
        cdef bint has_kinds = kinds is not None, has_arrivals = arrivals is not None
        if (has_kinds and kinds.shape[0] != n) or (has_arrivals and arrivals.shape[0] != n):
            raise ValueError("coordinates, kinds and arrivals must have equal lengths")
        if n == 0:
            return
        if self.own_coordinates is None or self.own_coordinates.shape[0] < n:
            self.own_coordinates = np.empty(n, dtype=np.int64)
        if has_kinds and (self.own_kinds is None or self.own_kinds.shape[0] < n):
            self.own_kinds = np.empty(n, dtype=np.uint8)
        if has_arrivals and (self.own_arrivals is None or self.own_arrivals.shape[0] < n):
            self.own_arrivals = np.empty(n, dtype=np.int64)
        c = &self.own_coordinates[0]
        k = &self.own_kinds[0] if has_kinds else NULL
        a = &self.own_arrivals[0] if has_arrivals else NULL
        with nogil:
            for i in range(n):  # written so that nothing depends on a guess of the next channel
                c[m] = coordinates[i]
                if has_kinds:
                    k[m] = kinds[i]
                if has_arrivals:
                    a[m] = arrivals[i]
                m += coordinates[i] >> 56 == number
            stuck = channel_advance(self.channel, c, k, a, m, False)
        self.check(stuck)

    def counts(self):
        """Return the counters by name (see ``COUNTS``)."""
        return dict(zip(COUNTS, counts_of(self.channel)))

    def bank_counts(self, end_clk=None):
        """Return per bank ACT, PRE (PREA not counted), RD, WR, and the clocks its rows were open, int64 [banks, 5].

        Rows still open count up to `end_clk`, by default the last data beat.
        """
        return bank_counts_of(self.channel, self.channel.counts.last_data if end_clk is None else end_clk)

    def rank_clocks(self, end_clk=None):
        """Return the clocks of each rank in active standby, precharge standby, active and precharge power-down and
        self-refresh, up to `end_clk` (by default the last data beat), int64 [ranks, 5]."""
        return rank_clocks_of(self.channel, self.channel.counts.last_data if end_clk is None else end_clk)

    def rank_commands(self):
        """Return REF, PREA and REFB of each rank, int64 [ranks, 3]."""
        return rank_commands_of(self.channel)

    def series(self):
        """Return the time series, int64 [intervals, len(SERIES)]; the first interval begins at clock 0."""
        return series_of(self.channel)

    def latency_histogram(self):
        """Return (latency_clk, count) arrays of the read latencies seen, ascending."""
        return histogram_points(self.histogram)

    def commands(self):
        """Return the command log as columns: clk, command, bank, row, column (int64 [n] each)."""
        return log_columns(self.channel)

    def queues(self):
        """Return the reads and writes that waited when each command of the log was issued, int32 [2, n].

        The command's own request is among them; reads that share another's RD are not.
        """
        return log_queues(self.channel)
