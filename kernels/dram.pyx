# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Replay of memory requests through one DRAM channel (dram_replay.h; docs/dram.md states the rules)."""

import numpy as np

include "dram_core.pxi"

#: Fields of a time series row: commands issued, and reads whose data have moved, within the interval.
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
        if stuck == -2:
            raise MemoryError("no memory for waiting requests or the command log")
        if stuck:
            raise RuntimeError(
                f"no progress at clock {self.channel.clk}: {self.channel.queue[READS].waiting} reads and "
                f"{self.channel.queue[WRITES].waiting} writes wait, and timing rules and refresh leave no time to serve them")

    def counts(self):
        """Return the counters by name (see ``COUNTS``)."""
        return dict(zip(COUNTS, counts_of(self.channel)))

    def bank_acts(self):
        """Return the ACTs of each bank, int64 [banks]."""
        return bank_counts_of(self.channel, 0)[:, 0].copy()

    def bank_counts(self):
        """Return per bank ACT, PRE (PREA not counted), RD, WR, and the clocks its rows were open, int64 [banks, 5]."""
        return bank_counts_of(self.channel, self.channel.counts.last_data)

    def rank_clocks(self):
        """Return the clocks of each rank in active standby, precharge standby, active and precharge power-down and
        self-refresh, up to the last data beat, int64 [ranks, 5]."""
        return rank_clocks_of(self.channel, self.channel.counts.last_data)

    def series(self):
        """Return the time series, int64 [intervals, len(SERIES)]; the first interval begins at clock 0."""
        cdef int64_t i
        cdef int32_t k
        rows = np.empty((self.channel.series_rows, SERIES_FIELDS), dtype=np.int64)
        for i in range(self.channel.series_rows):
            for k in range(SERIES_FIELDS):
                rows[i, k] = self.channel.series[i * SERIES_FIELDS + k]
        return rows

    def latency_histogram(self):
        """Return (latency_clk, count) arrays of the read latencies seen, ascending."""
        return histogram_points(self.histogram)

    def commands(self):
        """Return the command log as columns: clk, command, bank, row, column (int64 [n] each)."""
        return log_columns(self.channel)
