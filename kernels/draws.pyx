# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Random rows of synthetic traces: counter-based words, keyed permutations, popularity by rank, reuse by counts.

Integers decide, or products and comparisons of doubles, which round alike everywhere. The words are those of
``archsim.traces.counter``.
"""

from libc.stdint cimport int32_t, int64_t, uint64_t

cdef extern from *:
    """
    #if defined(__GNUC__)
    #define prefetch(address) __builtin_prefetch(address)
    #else
    #define prefetch(address) ((void)(address))
    #endif
    """
    void prefetch(const void *address) noexcept nogil

cdef enum:
    POSITION_BITS = 16
    BLOCK = 64  # lookups that go through the steps of a draw together


cdef inline uint64_t word(uint64_t key, uint64_t counter) noexcept nogil:
    """The SplitMix64 word at a place of a stream."""
    cdef uint64_t x = counter * <uint64_t>0x9E3779B97F4A7C15u + key
    x = (x ^ (x >> 30)) * <uint64_t>0xBF58476D1CE4E5B9u
    x = (x ^ (x >> 27)) * <uint64_t>0x94D049BB133111EBu
    return x ^ (x >> 31)


cdef inline int64_t below(uint64_t bits, int64_t bound) noexcept nogil:
    """A random word as an integer from 0 to bound - 1; the bound is at most 2**31."""
    return <int64_t>(((bits >> 32) * <uint64_t>bound) >> 32)


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


cdef inline int64_t first_above(const double *sums, int64_t low, int64_t number, double place) noexcept nogil:
    """The first of `number` sums from `low` on that is above a place; the one past them if none is."""
    cdef int64_t half
    cdef bint above
    while number:
        # Written so that no branch depends on the comparison, which is a coin toss.
        half = number >> 1
        above = sums[low + half] > place
        low = low if above else low + half + 1
        number = half if above else number - half - 1
    return low


cdef inline int64_t cell_of(uint64_t bits, int32_t guide_shift) noexcept nogil:
    """The cell of a guide, by the highest of the 53 bits that `unit` keeps of a random word."""
    return <int64_t>(bits >> 11 >> guide_shift)


cdef inline int64_t drawn_rank(uint64_t bits, const double *sums, int64_t low, int64_t high, int64_t size) noexcept nogil:
    """The rank that a random word draws from `size` ranks, known to be from `low` to `high`."""
    cdef double unit = <double>(bits >> 11) * 1.1102230246251565e-16
    cdef int64_t rank = first_above(sums, low, high - low, unit * sums[size - 1])
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
    cdef int64_t bag, at = 0, position, sample = first, table = 0, tables = curve.shape[0], rank, shift, start, n, i
    cdef int32_t half = half_bits(size), line, guide_shift = 53
    cdef uint64_t[BLOCK] bits
    cdef int64_t[BLOCK] low, high
    cdef const int32_t *cells
    while <int64_t>1 << (53 - guide_shift) < guide.shape[1] - 1:
        guide_shift -= 1
    with nogil:
        for bag in range(lengths.shape[0]):
            line = curve[table]
            if line >= 0:
                shift = (sample * drift // 1000) % size
                cells = &guide[line, 0]
                # The lookups of a block go through each step together, so that their cache misses overlap.
                start = 0
                while start < lengths[bag]:
                    n = min(<int64_t>BLOCK, lengths[bag] - start)
                    for i in range(n):
                        bits[i] = word(rank_keys[table], (sample << POSITION_BITS) | (start + i))
                        prefetch(&cells[cell_of(bits[i], guide_shift)])
                    for i in range(n):
                        low[i] = cells[cell_of(bits[i], guide_shift)]
                        high[i] = cells[cell_of(bits[i], guide_shift) + 1]
                        prefetch(&sums[line, (low[i] + high[i]) >> 1])
                    for i in range(n):
                        rank = drawn_rank(bits[i], &sums[line, 0], low[i], high[i], size) + shift
                        low[i] = rank - size if rank >= size else rank
                    for i in range(n):
                        rows[at + start + i] = <int32_t>permuted(low[i], size, half, &row_keys[table, 0])
                    start += n
            at += lengths[bag]
            table += 1
            if table == tables:
                table = 0
                sample += 1


def uniform_rows(const int64_t[::1] lengths, int64_t first, int64_t size, const uint64_t[::1] keys, int32_t[::1] rows):
    """Draw the rows of consecutive samples uniformly; parameters as of ``zipf_rows``, one stream key per table."""
    cdef int64_t bag, at = 0, position, sample = first, table = 0, tables = keys.shape[0]
    with nogil:
        for bag in range(lengths.shape[0]):
            for position in range(lengths[bag]):
                rows[at + position] = <int32_t>below(word(keys[table], (sample << POSITION_BITS) | position), size)
            at += lengths[bag]
            table += 1
            if table == tables:
                table = 0
                sample += 1


def multihot_rows(int64_t samples, int64_t first, const int64_t[::1] pooling, const int64_t[::1] sizes,
                  const double[::1] sums, const int32_t[::1] guides, const int64_t[::1] guide_start,
                  const int32_t[::1] guide_shift, const uint64_t[::1] rank_keys, const uint64_t[:, ::1] row_keys,
                  const uint64_t[::1] bag_keys, int32_t[::1] rows):
    """Draw the first row of each bag by popularity; the others are a fixed function of it.

    Parameters
    ----------
    samples, first : int
        How many samples, and the number of the first.
    pooling, sizes : int64 arrays [tables]
        Lookups per bag and rows of each table.
    sums : double array [at least the largest size]
        Cumulative popularity of the ranks.
    guides, guide_start, guide_shift : int32 array, int64 and int32 arrays [tables]
        The guides of all tables, where that of each table begins, and how far the 53 bits of a draw are shifted
        right to give its cell.
    rank_keys, row_keys, bag_keys : uint64 arrays [tables], [tables, 4], [tables]
        Streams of the first rows, keys of the permutations from ranks to rows, streams of the others.
    rows : int32 array [samples * sum(pooling)]
        Receives the rows.
    """
    cdef int64_t sample, table, position, rank, row, at = 0, size, cell
    cdef uint64_t bits
    with nogil:
        for sample in range(first, first + samples):
            for table in range(pooling.shape[0]):
                size = sizes[table]
                bits = word(rank_keys[table], sample << POSITION_BITS)
                cell = guide_start[table] + cell_of(bits, guide_shift[table])
                rank = drawn_rank(bits, &sums[0], guides[cell], guides[cell + 1], size)
                row = permuted(rank, size, half_bits(size), &row_keys[table, 0])
                rows[at] = <int32_t>row
                for position in range(1, pooling[table]):
                    rows[at + position] = <int32_t>below(
                        word(bag_keys[table], (<uint64_t>row << POSITION_BITS) | position), size)
                at += pooling[table]


def reuse_rows(const int64_t[::1] lengths, int64_t begin, int64_t uses, const int64_t[::1] cell_start,
               const int64_t[::1] cell_use, const int64_t[::1] cell_slot, const int64_t[::1] cell_uses,
               const int64_t[::1] slot_offset, int64_t size, const uint64_t[:, ::1] epoch_keys,
               const uint64_t[:, ::1] row_keys, int32_t[::1] rows):
    """Deal out the uses of every row of an epoch in a random order, for consecutive samples inside one epoch.

    The uses of a table, sorted by row, are numbered; a cell holds rows with equally many uses. The place of a lookup
    in the epoch is permuted to the number of a use, which belongs to a cell and in it to a row.

    Parameters
    ----------
    lengths : int64 array [samples * tables]
        Lookups of every bag; inside a sample, one bag per table, and all of one length.
    begin, uses : int
        Place of the first lookup of a table in the epoch, and its lookups per epoch; for all tables.
    cell_start : int64 array [tables + 1]
        First cell of each table.
    cell_use, cell_slot, cell_uses : int64 arrays [cells]
        First use, first slot, and uses per row of each cell; the first cell of a table begins with use 0.
    slot_offset : int64 array [tables]
        Added to the slots of the epoch.
    size : int
        Rows of a table.
    epoch_keys, row_keys : uint64 arrays [tables, 4]
        Keys of the permutations of the uses, and from slots to rows.
    rows : int32 array [lookups]
        Receives the rows.
    """
    cdef int64_t bag, at = 0, position, use, low, high, middle, slot, table = 0
    cdef int64_t tables = slot_offset.shape[0]
    cdef int32_t half = half_bits(size), epoch_half = half_bits(uses)
    with nogil:
        for bag in range(lengths.shape[0]):
            for position in range(lengths[bag]):
                use = permuted(begin + position, uses, epoch_half, &epoch_keys[table, 0])
                low = cell_start[table]
                high = cell_start[table + 1]
                while high - low > 1:
                    middle = (low + high) >> 1
                    if cell_use[middle] <= use:
                        low = middle
                    else:
                        high = middle
                slot = cell_slot[low] + (use - cell_use[low]) // cell_uses[low] + slot_offset[table]
                rows[at + position] = <int32_t>permuted(slot % size, size, half, &row_keys[table, 0])
            at += lengths[bag]
            table += 1
            if table == tables:
                table = 0
                begin += lengths[bag]


def guide_into(const double[::1] sums, int32_t[::1] guide):
    """Fill a guide of 2**k + 1 entries: the first of the rising sums above each multiple of 2**-k of the last one."""
    cdef int64_t cell, rank = 0, cells = guide.shape[0] - 1, size = sums.shape[0]
    cdef double total = sums[size - 1]
    with nogil:
        for cell in range(cells + 1):
            while rank < size and sums[rank] <= <double>cell / <double>cells * total:
                rank += 1
            guide[cell] = <int32_t>rank
