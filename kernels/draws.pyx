# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Random rows of synthetic traces: counter-based words, keyed permutations, popularity by rank, reuse by counts.

Integers decide, or products and comparisons of doubles, which round alike everywhere. The words are those of
``archsim.traces.counter``.
"""

from libc.stdint cimport int32_t, int64_t, uint64_t

cdef int32_t POSITION_BITS = 16


cdef inline uint64_t word(uint64_t key, uint64_t counter) noexcept nogil:
    """The SplitMix64 word at a place of a stream."""
    cdef uint64_t x = counter * <uint64_t>0x9E3779B97F4A7C15u + key
    x = (x ^ (x >> 30)) * <uint64_t>0xBF58476D1CE4E5B9u
    x = (x ^ (x >> 27)) * <uint64_t>0x94D049BB133111EBu
    return x ^ (x >> 31)


cdef inline int32_t half_bits(int64_t size) noexcept nogil:
    """Half of the smallest even number of bits that holds size - 1."""
    cdef int32_t bits = 0
    while (size - 1) >> bits:
        bits += 1
    return (bits + 1) // 2


cdef inline int64_t permuted(int64_t index, int64_t size, int32_t half, const uint64_t *keys) noexcept nogil:
    """The image of an index under a keyed bijection of [0, size)."""
    cdef uint64_t mask = (<uint64_t>1 << half) - 1, left, right, swap, value = index
    cdef int32_t turn
    while True:
        left = value >> half
        right = value & mask
        for turn in range(4):
            swap = left ^ (word(keys[turn], right) & mask)
            left = right
            right = swap
        value = (left << half) | right
        if value < <uint64_t>size:
            return <int64_t>value


cdef inline int64_t first_above(const double *sums, int64_t low, int64_t high, double place) noexcept nogil:
    """The first of the sums low to high (exclusive) above a place; high if none is."""
    cdef int64_t middle
    while low < high:
        middle = (low + high) >> 1
        if sums[middle] > place:
            high = middle
        else:
            low = middle + 1
    return low


cdef inline int64_t drawn_rank(uint64_t bits, const double *sums, const int32_t *guide, int32_t guide_shift,
                               int64_t size) noexcept nogil:
    """The rank that a random word draws from `size` ranks; the guide has a cell per value of its highest bits."""
    cdef double unit = <double>(bits >> 11) * 1.1102230246251565e-16
    cdef int64_t cell = <int64_t>(bits >> 11 >> guide_shift), rank
    rank = first_above(sums, guide[cell], guide[cell + 1], unit * sums[size - 1])
    # The product may round up to the last sum, one past the last rank.
    return rank if rank < size else size - 1


def zipf_rows(const int64_t[::1] lengths, int64_t first, int64_t size, int64_t drift, const int32_t[::1] curve,
              const double[:, ::1] sums, const int32_t[:, ::1] guide, const uint64_t[::1] rank_keys,
              const uint64_t[:, ::1] row_keys, int32_t[::1] rows):
    """Draw the rows of consecutive samples by popularity.

    Parameters
    ----------
    lengths : int64 array [samples * tables]
        Lookups of every bag; inside a sample, one bag per table.
    first, size, drift : int
        Number of the first sample, rows per table, ranks climbed in 1,000 samples.
    curve : int32 array [tables]
        Row of ``sums`` and ``guide`` of each table; tables below 0 are left as they are.
    sums, guide : double array [curves, size], int32 array [curves, 2**k + 1]
        Cumulative popularity, and the first rank above each multiple of 2**-k of the last sum.
    rank_keys, row_keys : uint64 arrays [tables], [tables, 4]
        Streams of the draws, and keys of the permutations from ranks to rows.
    rows : int32 array [lookups]
        Receives the rows.
    """
    cdef int64_t bag, at = 0, position, sample, table = 0, tables = curve.shape[0], rank, shift
    cdef int32_t half = half_bits(size), line, guide_shift = 53
    while <int64_t>1 << (53 - guide_shift) < guide.shape[1] - 1:
        guide_shift -= 1
    with nogil:
        sample = first
        for bag in range(lengths.shape[0]):
            line = curve[table]
            if line >= 0:
                shift = (sample * drift // 1000) % size
                for position in range(lengths[bag]):
                    rank = drawn_rank(word(rank_keys[table], (sample << POSITION_BITS) | position), &sums[line, 0],
                                      &guide[line, 0], guide_shift, size) + shift
                    if rank >= size:
                        rank -= size
                    rows[at + position] = <int32_t>permuted(rank, size, half, &row_keys[table, 0])
            at += lengths[bag]
            table += 1
            if table == tables:
                table = 0
                sample += 1
