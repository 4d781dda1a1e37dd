# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Replay of accesses through cache policies (cache.h; docs/caches.md says what each policy does)."""

import numpy as np

from libc.stdlib cimport free
from libc.string cimport memset
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
    ctypedef struct SetCounts:
        int64_t reads, writes, read_hits, write_hits, fills, writebacks, write_throughs
        int64_t read_bypasses, write_bypasses
    ctypedef struct Sets:
        int64_t sets, ways, line_bytes
        int policy, write_back, write_allocate
        uint64_t drawn
        uint64_t *way
        SetCounts counts
    int sets_make(Sets *s) nogil
    int64_t sets_replay(Sets *s, const int64_t *addresses, int64_t n, const uint8_t *writes, const uint8_t *admits,
                        uint8_t *events, int64_t *victims) nogil
    int64_t sets_held(const Sets *s) nogil
    int64_t sets_flush(Sets *s) nogil
    int64_t belady_replay(const int64_t *ids, int64_t n, int64_t entries, int64_t objects, int bypass,
                          uint8_t *hits) nogil

#: Policies in the order of their numbers in cache.h.
POLICIES = ("lru", "fifo", "clock", "sieve", "random", "lfu", "slru", "arc", "2q", "s3fifo", "wtinylfu")

# Beyond this much state in all, what the next accesses need is fetched ahead; below it that costs more than it brings.
# Slots of hashed ids pay sooner, because two lines of each are needed.
cdef int64_t SMALL = 1 << 20, SMALL_SLOTS = 1 << 17


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
        self.ahead = 4 * objects > SMALL if objects > 0 else 24 * entries > SMALL_SLOTS

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


def replay_each_set(str policy, const int64_t[::1] ids, const int64_t[::1] bounds, int64_t ways, tuple ratios,
                    tuple numbers, uint8_t[::1] hits):
    """Replay sets one after the other, each a cache of its own; other threads run meanwhile.

    Parameters
    ----------
    policy : str
        A name of `POLICIES`, or ``belady``, whose first number is whether it bypasses.
    ids : int64 array [n]
        Objects, the accesses of the first set before those of the second.
    bounds : int64 array [sets + 1]
        Where the accesses of each set begin, and n.
    ways : int
        Entries of a set.
    ratios, numbers
        As in `PolicyReplay`.
    hits : uint8 array [n]
        Receives 1 for a hit and 0 for a miss.

    Returns
    -------
    int
        Bytes of state of the set that has the most.
    """
    cdef int64_t begin, end, set, most = 0, found = 0
    cdef bint oracle = policy == "belady"
    cdef int number = 0 if oracle else POLICIES.index(policy)
    cdef bint bypass = numbers[0]
    cdef Cache *cache
    cdef Setup setup
    if hits.shape[0] != ids.shape[0]:
        raise ValueError("ids and hits must have equal lengths")
    setup.entries, setup.line_bits, setup.seed = ways, 0, 0
    for i in range(2):
        setup.ratio[i], setup.number[i] = ratios[i], numbers[i]
    with nogil:
        for set in range(bounds.shape[0] - 1):
            begin, end = bounds[set], bounds[set + 1]
            if begin == end:
                continue
            if oracle:
                found = belady_replay(&ids[begin], end - begin, ways, 0, bypass, &hits[begin])
            else:
                cache = cache_make(number, 0, &setup)
                found = -1 if cache == NULL else cache_replay(cache, &ids[begin], end - begin, &hits[begin], 0)
                if cache != NULL:
                    most = max(most, cache_bytes(cache))
                cache_unmake(cache)
            if found < 0:
                break
    if found < 0:
        raise MemoryError(f"no memory for sets of {ways} ways")
    return most


#: Policies of sets, in the order of their numbers in cache_sets.h.
SET_POLICIES = ("lru", "fifo", "random")


cdef class SetReplay:
    """A set-associative cache, which takes accesses chunk by chunk.

    Parameters
    ----------
    sets, ways, line_bytes : int
    policy : str
        A name of `SET_POLICIES`.
    write_back : bool
        Written lines go to memory when they leave the cache; otherwise every write does.
    write_allocate : bool
        A missing write takes its line in.
    seed : int
        Of the policy ``random``.
    """

    cdef Sets state

    def __cinit__(self, int64_t sets, int64_t ways, int64_t line_bytes, str policy, bint write_back=True,
                  bint write_allocate=True, uint64_t seed=0):
        memset(&self.state, 0, sizeof(Sets))
        self.state.sets = sets
        self.state.ways = ways
        self.state.line_bytes = line_bytes
        self.state.policy = SET_POLICIES.index(policy)
        self.state.write_back = write_back
        self.state.write_allocate = write_allocate
        self.state.drawn = seed
        if sets_make(&self.state):
            raise MemoryError(f"no memory for {sets} sets of {ways} ways")

    def __dealloc__(self):
        free(self.state.way)

    def feed(self, const int64_t[::1] addresses, const uint8_t[::1] writes=None, const uint8_t[::1] admits=None,
             uint8_t[::1] events=None, int64_t[::1] victims=None):
        """Replay accesses; other threads run meanwhile.

        Parameters
        ----------
        addresses : int64 array [n]
            Byte addresses, not negative.
        writes : uint8 array [n], optional
            1: the access writes.
        admits : uint8 array [n], optional
            0: if it misses, its line is not taken in.
        events : uint8 array [n], optional
            Receives 1 for a hit, 2 for a line taken in, 4 for one that left, 8 for one that left written, added up.
        victims : int64 array [n], optional
            Receives the byte address of the line that left, or -1.

        Returns
        -------
        int
            Hits among them.
        """
        cdef int64_t n = addresses.shape[0], hits
        cdef const uint8_t *w = &writes[0] if n and writes is not None else NULL
        cdef const uint8_t *a = &admits[0] if n and admits is not None else NULL
        cdef uint8_t *e = &events[0] if n and events is not None else NULL
        cdef int64_t *v = &victims[0] if n and victims is not None else NULL
        if ((writes is not None and writes.shape[0] != n) or (admits is not None and admits.shape[0] != n)
                or (events is not None and events.shape[0] != n) or (victims is not None and victims.shape[0] != n)):
            raise ValueError("all arrays must have the length of addresses")
        if n == 0:
            return 0
        with nogil:
            hits = sets_replay(&self.state, &addresses[0], n, w, a, e, v)
        return hits

    def flush(self):
        """Write back all written lines, which stay; return how many."""
        return sets_flush(&self.state)

    @property
    def counts(self):
        """Counts so far, by name."""
        counts = dict(self.state.counts)
        counts["evictions"] = counts["fills"] - sets_held(&self.state)
        return counts

    @property
    def state_bytes(self):
        """Bytes of all state: 8 per line."""
        return 8 * self.state.sets * self.state.ways


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
