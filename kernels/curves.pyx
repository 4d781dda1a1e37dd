# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Stack distances counted by size of cache and group of accesses, and depths in the sets of a cache."""

import numpy as np

from libc.stdint cimport int32_t, int64_t


def bin_distances(const int64_t[::1] distances, const int64_t[::1] sizes, const int64_t[::1] ends,
                  const int32_t[::1] groups, int64_t[:, ::1] counts):
    """Add the distances of segments to the counters of their groups. Other threads run meanwhile.

    Parameters
    ----------
    distances : int64 array [n]
        -1 is a first use, which is not counted.
    sizes : int64 array [k]
        Ascending.
    ends : int64 array [m]
        Where each segment of ``distances`` ends; the last is n.
    groups : int32 array [m]
        Row of ``counts`` of each segment.
    counts : int64 array [groups, k]
        ``counts[g, j]`` is raised by the distances of group ``g`` below ``sizes[j]`` and not below ``sizes[j - 1]``.
    """
    cdef int64_t i = 0, j, k = sizes.shape[0], step, half, at, top = 1
    cdef int64_t *row
    if groups.shape[0] != ends.shape[0] or counts.shape[1] != k:
        raise ValueError(f"{groups.shape[0]} groups of {ends.shape[0]} segments, {counts.shape[1]} counters of {k} sizes")
    if k == 0 or ends.shape[0] == 0:
        return
    for j in range(ends.shape[0]):
        if not 0 <= groups[j] < counts.shape[0] or ends[j] < (ends[j - 1] if j else 0):
            raise ValueError(f"segment {j} of group {groups[j]} ends at {ends[j]}")
    if ends[ends.shape[0] - 1] != distances.shape[0]:
        raise ValueError(f"the segments end at {ends[ends.shape[0] - 1]}, the distances at {distances.shape[0]}")
    while top < k + 1:
        top *= 2
    # Padded to a power of two, the search takes the same steps for all and needs no branches.
    padded = np.full(top, np.iinfo(np.int64).max, np.int64)
    padded[:k] = sizes
    cdef const int64_t[::1] edges = padded
    with nogil:
        for j in range(ends.shape[0]):
            row = &counts[groups[j], 0]
            while i < ends[j]:
                at = 0
                step = top >> 1
                while step:
                    at += step if edges[at + step - 1] <= distances[i] else 0
                    step >>= 1
                if distances[i] >= 0 and at < k:
                    row[at] += 1
                i += 1


cdef class SetDepths:
    """Depth of every access in its set, a list of lines by time of last use; empty at the start.

    Line ``n`` goes to set ``n % sets``. An LRU cache of that many sets and ``w`` ways hits exactly the accesses of a depth
    below ``w``, so one pass gives all associativities up to the one asked for.

    Parameters
    ----------
    sets, ways : int
        At least 1 each; memory is 8 bytes for every set and way.
    """

    cdef int64_t[:, ::1] held
    cdef int64_t sets, ways

    def __cinit__(self, int64_t sets, int64_t ways):
        if sets < 1 or ways < 1:
            raise ValueError(f"sets = {sets} and ways = {ways} must be at least 1")
        self.sets, self.ways = sets, ways
        self.held = np.full((sets, ways), -1, np.int64)

    def feed(self, const int64_t[::1] lines, int64_t[::1] counts):
        """Use lines one after the other. Other threads run meanwhile.

        Parameters
        ----------
        lines : int64 array [n]
            Not negative.
        counts : int64 array [ways + 1]
            Raised at the depth of each access; the last element counts those that no way holds.
        """
        cdef int64_t i, line, depth, before, swap, ways = self.ways, sets = self.sets
        cdef int64_t mask = sets - 1 if sets & (sets - 1) == 0 else -1
        cdef int64_t *held
        if counts.shape[0] != ways + 1:
            raise ValueError(f"{counts.shape[0]} counters for {ways} ways")
        with nogil:
            for i in range(lines.shape[0]):
                line = lines[i]
                held = &self.held[line & mask if mask >= 0 else line % sets, 0]
                # The lines move back by one way each, until the wanted one or the least recently used is taken out.
                before = line
                depth = 0
                while depth < ways:
                    swap = held[depth]
                    held[depth] = before
                    if swap == line:
                        break
                    before = swap
                    depth += 1
                counts[depth] += 1
