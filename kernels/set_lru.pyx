# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""A set-associative cache with LRU replacement, for measuring hit ratios of traces."""

from libc.stdint cimport int32_t, int64_t, uint8_t

import numpy as np


cdef class SetLru:
    """Hits and misses of a set-associative LRU cache that starts empty.

    Line ``n`` goes to set ``n % sets``; each set keeps its lines in order of last use.

    Parameters
    ----------
    sets, ways : int
        At least 1 each.
    """

    cdef int64_t[::1] lines
    cdef int64_t sets, ways

    def __init__(self, int64_t sets, int64_t ways):
        self.sets, self.ways = sets, ways
        self.lines = np.full(sets * ways, -1, np.int64)

    def access(self, const int64_t[::1] first, const int64_t[::1] last, const int32_t[::1] owner, int64_t[::1] hits):
        """Look up runs of lines, one after the other; a line that is not held is loaded.

        Parameters
        ----------
        first, last : int64 arrays [n]
            First and last line of each run.
        owner : int32 array [n]
            Which counter the run belongs to.
        hits : int64 array
            Counters, to which the lines found are added.
        """
        cdef int64_t i, line, place, before, swap, ways = self.ways, sets = self.sets
        cdef int64_t mask = sets - 1 if sets & (sets - 1) == 0 else -1
        cdef int64_t *held
        with nogil:
            for i in range(first.shape[0]):
                for line in range(first[i], last[i] + 1):
                    held = &self.lines[(line & mask if mask >= 0 else line % sets) * ways]
                    # The lines move back by one way each, until the wanted one or the least recently used is taken out.
                    before = line
                    place = 0
                    while place < ways:
                        swap = held[place]
                        held[place] = before
                        before = swap
                        if swap == line:
                            break
                        place += 1
                    hits[owner[i]] += place < ways
