# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""From embedding lookups to DRAM coordinates: table layout, page frames, address map."""

from libc.stdint cimport int32_t, int64_t, uint64_t


cdef inline uint64_t scatter(uint64_t page, uint64_t mask, int32_t half, const uint64_t *keys) noexcept nogil:
    """A keyed permutation of [0, mask]: each step (odd multiply and add, xor with a right shift) is a bijection."""
    cdef int32_t i
    for i in range(3):
        page = (page * (keys[2 * i] | 1) + keys[2 * i + 1]) & mask
        page ^= page >> half
    return page


cdef inline int64_t place(uint64_t unit, const int64_t[:, ::1] decode) noexcept nogil:
    cdef int64_t coordinate = 0
    cdef int32_t b
    for b in range(<int32_t>decode.shape[0]):
        coordinate ^= decode[b, (unit >> (8 * b)) & 255]
    return coordinate


def lower_lookups(const int64_t[::1] rows, const int32_t[::1] tables, const int64_t[::1] table_base,
                  const int64_t[::1] table_vector, int64_t line_bytes, int64_t line_units, int64_t page_lines,
                  int64_t frames, const uint64_t[::1] keys, const int64_t[:, ::1] decode,
                  int64_t[::1] coordinates, int32_t[::1] lookup):
    """Translate lookups to the accesses they need, in address order within each vector.

    Parameters
    ----------
    rows, tables : arrays [n]
        Row and table of each lookup.
    table_base, table_vector : int64 arrays [tables]
        Virtual byte address and vector bytes of each table.
    line_bytes, line_units, page_lines, frames : int
        Bytes of a line, accesses that move one line, lines of a page (a power of two), page frames of the memory.
    keys : uint64 array [6] or [0]
        Keys of the page permutation; empty: frame number = page number.
    decode : int64 array [k, 256]
        Coordinates contributed by each byte of the number of a physical access unit, combined by XOR.
    coordinates : int64 array, lookup : int32 array
        Receive, per access, its DRAM coordinates and the number of the lookup; both large enough.

    Returns
    -------
    int
        Accesses written.
    """
    cdef int64_t n = rows.shape[0], i, m = 0, start, line, last, u
    cdef int32_t half = 0, page_shift = 0
    cdef uint64_t page, physical, mask
    cdef bint scattered = keys.shape[0] == 6
    while (<int64_t>1 << page_shift) < page_lines:
        page_shift += 1
    while (<int64_t>1 << half) < frames:
        half += 1
    mask = (<uint64_t>1 << half) - 1
    half = (half + 1) // 2 if half > 1 else 1
    with nogil:
        for i in range(n):
            start = table_base[tables[i]] + rows[i] * table_vector[tables[i]]
            line = start // line_bytes
            last = (start + table_vector[tables[i]] - 1) // line_bytes
            while line <= last:
                page = <uint64_t>(line >> page_shift)
                if scattered:
                    # Permutes a power of two of pages; walking on while beyond the last frame permutes the frames.
                    page = scatter(page, mask, half, &keys[0])
                    while page >= <uint64_t>frames:
                        page = scatter(page, mask, half, &keys[0])
                physical = (page << page_shift) | (<uint64_t>line & <uint64_t>(page_lines - 1))
                for u in range(line_units):
                    coordinates[m] = place(physical * <uint64_t>line_units + <uint64_t>u, decode)
                    lookup[m] = <int32_t>i
                    m += 1
                line += 1
    return m


def decode_lines(const int64_t[::1] lines, const int64_t[:, ::1] decode, int64_t[::1] coordinates,
                 int64_t line_units=1):
    """Translate physical line numbers [n] to coordinates [n * line_units], access by access."""
    cdef int64_t i, u
    cdef uint64_t n
    cdef const int64_t *d = &decode[0, 0]
    if line_units == 1 and decode.shape[0] == 4:  # the usual case, four bytes of line number, without inner loops
        with nogil:
            for i in range(lines.shape[0]):
                n = <uint64_t>lines[i]
                coordinates[i] = (d[n & 255] ^ d[256 + (n >> 8 & 255)] ^ d[512 + (n >> 16 & 255)]
                                  ^ d[768 + (n >> 24 & 255)])
        return
    with nogil:
        for i in range(lines.shape[0]):
            for u in range(line_units):
                coordinates[i * line_units + u] = place(<uint64_t>(lines[i] * line_units + u), decode)
