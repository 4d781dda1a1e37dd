# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""From embedding lookups to physical lines, and from lines to DRAM coordinates."""

from libc.stdint cimport int32_t, int64_t, uint64_t


cdef inline uint64_t scatter(uint64_t page, uint64_t mask, int32_t half, const uint64_t *keys) noexcept nogil:
    """A keyed permutation of [0, mask]: each step (odd multiply and add, xor with a right shift) is a bijection."""
    cdef int32_t i
    for i in range(3):
        page = (page * (keys[2 * i] | 1) + keys[2 * i + 1]) & mask
        page ^= page >> half
    return page


cdef inline int64_t place(uint64_t number, const int64_t[:, ::1] table) noexcept nogil:
    """What the bytes of a number contribute, combined by XOR."""
    cdef int64_t value = 0
    cdef int32_t b
    for b in range(<int32_t>table.shape[0]):
        value ^= table[b, (number >> (8 * b)) & 255]
    return value


def place_lookups(const int64_t[::1] rows, const int32_t[::1] tables, const int64_t[::1] table_base,
                  const int64_t[::1] table_stride, const int64_t[::1] table_vector, const int32_t[::1] table_color,
                  int32_t line_bits, int32_t page_bits, int32_t frame_bits, const int64_t[::1] frames,
                  const uint64_t[:, ::1] keys, const int64_t[:, ::1] expand, const int64_t[::1] offsets,
                  int64_t[::1] lines, int32_t[::1] lookup):
    """Translate lookups to the physical lines they need, in address order within each vector.

    Parameters
    ----------
    rows, tables : arrays [n]
        Row and table of each lookup.
    table_base, table_stride, table_vector : int64 arrays [tables]
        Byte address of each table among the pages of its colour, bytes from one row to the next, and bytes of a row
        that are read.
    table_color : int32 array [tables]
        Colour of each table.
    line_bits, page_bits : int
        Base-two logarithms of the bytes of a line and of a page.
    frame_bits : int
        Bits of the number of a frame within its colour.
    frames : int64 array [colors]
        Page frames of each colour.
    keys : uint64 array [colors, 6] or [0, 6]
        Keys of the permutation of each colour's frames; empty: pages get them in order.
    expand : int64 array [bytes, 256] or [0, 256]
        Frame number contributed by each byte of the number within the colour; empty: the number itself.
    offsets : int64 array [colors]
        What is XORed onto that.
    lines : int64 array, lookup : int32 array
        Receive, per line, its physical number and the number of the lookup; both large enough.

    Returns
    -------
    int
        Lines written.
    """
    cdef int64_t n = rows.shape[0], i, m = 0, start, line, last, page, before, base
    cdef int32_t shift = page_bits - line_bits, half = (frame_bits + 1) // 2 if frame_bits > 1 else 1
    cdef int32_t table, color
    cdef uint64_t frame, limit, mask = (<uint64_t>1 << frame_bits) - 1
    cdef bint scattered = keys.shape[0] > 0, colored = expand.shape[0] > 0
    with nogil:
        for i in range(n):
            table = tables[i]
            color = table_color[table]
            start = table_base[table] + rows[i] * table_stride[table]
            line = start >> line_bits
            last = (start + table_vector[table] - 1) >> line_bits
            before = -1
            base = 0
            while line <= last:
                page = line >> shift
                if page != before:
                    before = page
                    frame = <uint64_t>page
                    if scattered:
                        # Permutes a power of two; walking on while beyond the last frame permutes the frames.
                        limit = <uint64_t>frames[color]
                        frame = scatter(frame, mask, half, &keys[color, 0])
                        while frame >= limit:
                            frame = scatter(frame, mask, half, &keys[color, 0])
                    if colored:
                        frame = <uint64_t>(place(frame, expand) ^ offsets[color])
                    base = (<int64_t>frame - page) << shift
                lines[m] = base + line
                lookup[m] = <int32_t>i
                m += 1
                line += 1
    return m


def decode_lines(const int64_t[::1] lines, const int64_t[:, ::1] decode, int64_t[::1] coordinates,
                 int64_t line_units=1):
    """Translate physical line numbers [n] to coordinates [n * line_units], access by access.

    Parameters
    ----------
    lines : int64 array [n]
        Physical line numbers.
    decode : int64 array [k, 256]
        Coordinates contributed by each byte of the number of a physical access unit, combined by XOR.
    coordinates : int64 array [n * line_units]
        Receives the DRAM coordinates.
    line_units : int
        Accesses that move one line.
    """
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
