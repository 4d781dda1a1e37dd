# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""What set-associative caches in front of a memory make of accesses (cache_chain.h; docs/memory-caches.md)."""

from libc.stdint cimport int32_t, int64_t, uint8_t

import numpy as np

cdef extern from "cache_chain.h" nogil:
    ctypedef struct Level:
        int64_t sets, ways, units, mask
        int32_t policy
        int64_t *lines
        int32_t *hand
        int64_t lookups, hits, fills, writebacks

    ctypedef struct Chain:
        Level level[3]
        int32_t levels, shared, inclusion, write_back, allocate_writes
        int64_t cores
        int64_t *victims
        int32_t victim_count

    int32_t chain_access(Chain *c, int64_t unit, int64_t index, int64_t block, int32_t write, int32_t keep_out,
                         int32_t *brought_in, int32_t *through)

POLICIES = ("lru", "fifo", "random", "clock", "sieve")
INCLUSIONS = ("non-inclusive", "inclusive", "exclusive")
#: What is counted of each level.
LEVEL_COUNTS = ("lookups", "hits", "fills", "writebacks")

cdef enum:
    VICTIMS_MAX = 32


cdef class CacheChain:
    """Caches one behind the other, which start empty.

    Parameters
    ----------
    levels : sequence of (sets, ways, units, policy)
        From the first to the last, at most three; policies by their place in ``POLICIES``. Every unit is a cache of its
        own, except that a `shared` last level has one for all.
    shared : bool
        Whether the last level is shared.
    inclusion : int
        Of the last level, by its place in ``INCLUSIONS``.
    write_back, allocate_writes : bool
        What happens to writes.
    block_lines : int
        Lines of 64 bytes in a block of the caches.
    """

    cdef Chain chain
    cdef list held
    cdef int64_t[::1] victims
    cdef int64_t block_lines

    def __init__(self, levels, bint shared=False, int32_t inclusion=0, bint write_back=True,
                 bint allocate_writes=True, int64_t block_lines=1):
        cdef int64_t[::1] lines
        cdef int32_t[::1] hands
        cdef int32_t k
        if not 1 <= len(levels) <= 3:
            raise ValueError("one to three levels")
        self.held = []
        self.block_lines = block_lines
        self.victims = np.empty(VICTIMS_MAX, np.int64)
        self.chain.victims = &self.victims[0]
        self.chain.levels, self.chain.shared, self.chain.inclusion = len(levels), shared, inclusion
        self.chain.write_back, self.chain.allocate_writes = write_back, allocate_writes
        self.chain.cores = levels[0][2]
        for k, (sets, ways, units, policy) in enumerate(levels):
            lines = np.full(sets * ways * units, -1, np.int64)
            self.held.append(lines)
            self.chain.level[k].sets, self.chain.level[k].ways, self.chain.level[k].units = sets, ways, units
            self.chain.level[k].mask = sets - 1 if sets & (sets - 1) == 0 else -1
            self.chain.level[k].policy = policy
            self.chain.level[k].lines = &lines[0]
            hands = np.zeros(sets * units, np.int32)
            self.held.append(hands)
            self.chain.level[k].hand = &hands[0]

    def feed(self, const int64_t[::1] blocks, const int32_t[::1] units=None, const int64_t[::1] index=None,
             const uint8_t[::1] kinds=None, const uint8_t[::1] keep_out=None, const int64_t[::1] written=None,
             const int64_t[::1] lines=None, const int64_t[::1] first=None):
        """Look blocks up, one after the other.

        Parameters
        ----------
        blocks : int64 array [n]
            Block numbers, not negative.
        units : int32 array [n], optional
            Which unit (core) each access goes to; 0 by default.
        index : int64 array [n], optional
            What decides the set, modulo the number of sets; the block number by default.
        kinds : uint8 array [n], optional
            0 read, 1 write; all reads by default.
        keep_out : uint8 array [n], optional
            1: not to be brought in on a miss.
        written : int64 array [n], optional
            The line that a write writes; the block number by default.
        lines, first : int64 arrays [m], [n + 1], optional
            Access ``i`` needs ``lines[first[i] : first[i + 1]]``; the lines of its block by default.

        Returns
        -------
        level : uint8 array [n]
            Place of the level that has the block, or the number of levels: memory.
        request_first : int64 array [n + 1]
            First memory request of each access, and the end.
        request_lines, request_kinds : int64 and uint8 arrays
            The requests: lines read, then the line written, then dirty lines driven out.
        """
        cdef int64_t n = blocks.shape[0], i, m = 0, k, b = self.block_lines
        cdef int64_t most = (lines.shape[0] if lines is not None else n * b) + n
        cdef int32_t write, brought_in, through, v
        most += n * b * (1 if self.chain.levels == 1 else 6)
        level_array, first_array = np.empty(n, np.uint8), np.zeros(n + 1, np.int64)
        line_array, kind_array = np.empty(most + 1, np.int64), np.empty(most + 1, np.uint8)
        cdef uint8_t[::1] level = level_array, request_kind = kind_array
        cdef int64_t[::1] request_first = first_array, request_line = line_array
        with nogil:
            for i in range(n):
                write = kinds is not None and kinds[i]
                level[i] = <uint8_t>chain_access(
                    &self.chain, units[i] if units is not None else 0,
                    index[i] if index is not None else blocks[i], blocks[i], write,
                    keep_out is not None and keep_out[i], &brought_in, &through)
                if brought_in:
                    if lines is not None:
                        for k in range(first[i], first[i + 1]):
                            request_line[m] = lines[k]
                            request_kind[m] = 0
                            m += 1
                    else:
                        for k in range(b):
                            request_line[m] = blocks[i] * b + k
                            request_kind[m] = 0
                            m += 1
                if through:
                    request_line[m] = written[i] if written is not None else blocks[i]
                    request_kind[m] = 1
                    m += 1
                for v in range(self.chain.victim_count):
                    for k in range(b):
                        request_line[m] = self.chain.victims[v] * b + k
                        request_kind[m] = 1
                        m += 1
                request_first[i + 1] = m
        return level_array, first_array, line_array[:m], kind_array[:m]

    def counts(self):
        """Return the counters of each level, int64 [levels, LEVEL_COUNTS]."""
        return np.array([(self.chain.level[k].lookups, self.chain.level[k].hits, self.chain.level[k].fills,
                          self.chain.level[k].writebacks) for k in range(self.chain.levels)], np.int64)
