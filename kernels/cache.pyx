# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Replay of accesses through cache policies (cache.h; docs/caches.md says what each policy does)."""

import numpy as np

from libc.stdint cimport int64_t, uint8_t, uint64_t

cdef extern from "cache.h":
    ctypedef struct Setup:
        int64_t entries, line_bits
        uint64_t seed
        double ratio[2]
        int64_t number[2]
    ctypedef struct Cache:
        pass
    Cache *cache_make(int policy, int64_t objects, const Setup *setup) nogil
    void cache_unmake(Cache *c) nogil
    int64_t cache_replay(Cache *c, const int64_t *ids, int64_t n, uint8_t *hits, int ahead) nogil
    int64_t cache_bytes(const Cache *c) nogil
    int64_t belady_replay(const int64_t *ids, int64_t n, int64_t entries, int64_t objects, int bypass,
                          uint8_t *hits) nogil

#: Policies in the order of their numbers in cache.h.
POLICIES = ("lru", "fifo", "clock", "sieve", "random", "lfu", "slru", "arc", "2q", "s3fifo", "wtinylfu")

# Beyond this much state per object, what the next accesses need is fetched ahead; below it that costs more than it brings.
cdef int64_t SMALL = 1 << 20


cdef class PolicyReplay:
    """One policy and its cache, which take accesses chunk by chunk.

    Parameters
    ----------
    policy : str
        A name of `POLICIES`.
    entries : int
        Objects the cache holds.
    objects : int
        Ids are below this number; 0: ids are arbitrary, and are hashed; -1: they are hashed, and in 0 .. 2**32 - 2.
    ratios : tuple of 2 floats
    numbers : tuple of 2 ints
        Parameters of the policy.
    seed : int
        Of the random choices.
    line_bits : int
        Length of the policy's lines before they are renumbered; 0: long enough to make that rare. Changes no result.
    """

    cdef Cache *cache
    cdef int64_t objects
    cdef int ahead

    def __cinit__(self, str policy, int64_t entries, int64_t objects, tuple ratios=(0.0, 0.0),
                  tuple numbers=(0, 0), uint64_t seed=0, int64_t line_bits=0):
        cdef Setup setup
        setup.entries = entries
        setup.line_bits = line_bits
        setup.seed = seed
        for i in range(2):
            setup.ratio[i] = ratios[i]
            setup.number[i] = numbers[i]
        self.objects = objects
        self.cache = cache_make(POLICIES.index(policy), objects, &setup)
        if self.cache == NULL:
            raise MemoryError(f"no memory for {policy} with {entries} entries")
        self.ahead = (4 * objects if objects > 0 else 24 * entries) > SMALL

    def __dealloc__(self):
        cache_unmake(self.cache)

    def feed(self, const int64_t[::1] ids, uint8_t[::1] hits=None):
        """Replay accesses; other threads run meanwhile. Ids must be in range: see `span`.

        Parameters
        ----------
        ids : int64 array [n]
        hits : uint8 array [n], optional
            Receives 1 for a hit and 0 for a miss.

        Returns
        -------
        int
            Hits among them.
        """
        cdef int64_t n = ids.shape[0], count
        cdef uint8_t *h = &hits[0] if n and hits is not None else NULL
        if hits is not None and hits.shape[0] != n:
            raise ValueError("ids and hits must have equal lengths")
        if n == 0:
            return 0
        with nogil:
            count = cache_replay(self.cache, &ids[0], n, h, self.ahead)
        if count < 0:
            raise MemoryError("no memory left for the state of the cache")
        return count

    @property
    def state_bytes(self):
        """Bytes of all state now, including the table from ids to it."""
        return cache_bytes(self.cache)


def belady(const int64_t[::1] ids, int64_t entries, int64_t objects, bint bypass, uint8_t[::1] hits=None):
    """Replay a whole trace through Belady's policy; see `PolicyReplay` for the arguments.

    Parameters
    ----------
    bypass : bool
        A missing object whose next access is later than that of every resident one is not taken in.

    Returns
    -------
    int
        Hits.
    """
    cdef int64_t n = ids.shape[0], count
    cdef uint8_t *h = &hits[0] if n and hits is not None else NULL
    if hits is not None and hits.shape[0] != n:
        raise ValueError("ids and hits must have equal lengths")
    if n == 0:
        return 0
    with nogil:
        count = belady_replay(&ids[0], n, entries, objects, bypass, h)
    if count < 0:
        raise MemoryError("no memory for the next use of every access")
    return count


def span(const int64_t[::1] ids):
    """Return the smallest and largest id; (0, -1) of none."""
    cdef int64_t n = ids.shape[0], i, least, most
    if n == 0:
        return 0, -1
    with nogil:
        least = most = ids[0]
        for i in range(n):
            least = ids[i] if ids[i] < least else least
            most = ids[i] if ids[i] > most else most
    return least, most
