# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Replay of memory requests through one DRAM channel (see controller.pxi for the rules)."""

import numpy as np

include "channel.pxi"
include "controller.pxi"
include "reporting.pxi"


cdef class ChannelReplay:
    """A DRAM channel that takes requests chunk by chunk; its memory does not grow with the trace.

    Parameters
    ----------
    parameters : int64 array
        In the order of ``PARAMETERS``.
    group_delta, bank_delta, refresh_delta : int32 arrays
        Resolved timing rules, see :func:`archsim.dram.resolve.resolve`.
    log_limit : int
        Keep at most this many commands; 0 keeps none.
    """

    cdef Channel *channel
    cdef int64_t[::1] histogram

    def __cinit__(self, const int64_t[::1] parameters, const int32_t[:, :, ::1] group_delta,
                  const int32_t[:, ::1] bank_delta, const int32_t[::1] refresh_delta, int64_t log_limit=0):
        self.histogram = np.zeros(LATENCY_BINS, dtype=np.int64)
        self.channel = channel_new()
        channel_make(self.channel, parameters, group_delta, bank_delta, refresh_delta, &self.histogram[0])
        self.channel.log_limit = log_limit

    def __dealloc__(self):
        if self.channel != NULL:
            channel_unmake(self.channel)

    def feed(self, const int64_t[::1] coordinates, const uint8_t[::1] kinds=None, const int64_t[::1] arrivals=None,
             int64_t[::1] finished=None, bint drain=False):
        """Take in requests; with ``drain`` also serve everything that waits.

        Parameters
        ----------
        coordinates : int64 array [n]
            ``row << 32 | bank << 16 | column``, bank counted over ranks and bank groups.
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
            stuck = advance(self.channel, c, k, a, n, drain)
        self.channel.finished = NULL
        if stuck:
            raise RuntimeError(
                f"no progress at clock {self.channel.clk}: {self.channel.queue[READS].count} reads and "
                f"{self.channel.queue[WRITES].count} writes wait, and timing rules and refresh leave no time to serve them")

    def counts(self):
        """Return the counters by name (see ``COUNTS``)."""
        return dict(zip(COUNTS, counts_of(self.channel)))

    def bank_acts(self):
        """Return the ACTs of each bank, int64 [banks]."""
        return bank_acts_of(self.channel)

    def latency_histogram(self):
        """Return (latency_clk, count) arrays of the read latencies seen, ascending."""
        return histogram_points(self.histogram)

    def commands(self):
        """Return the command log as columns: clk, command, bank, row, column (int64 [n] each)."""
        return log_columns(self.channel)
