# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""Errors of approximate products, and matrix products by a table of products."""

from libc.stdlib cimport free, malloc
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint64_t

cdef extern from "approx.h":
    void approx_errors(const int64_t *product, const int64_t *exact, int64_t n, int64_t *counts, uint64_t *squares,
                       double *ratios) noexcept nogil
    void approx_gather_8(const int32_t *table, int64_t width, const uint8_t *a, const uint8_t *b, int64_t rows,
                         int64_t depth, int64_t columns, int64_t chunk, int64_t *out, int32_t *woven,
                         int32_t *sums) noexcept nogil
    void approx_gather_16(const int32_t *table, int64_t width, const uint16_t *a, const uint16_t *b, int64_t rows,
                          int64_t depth, int64_t columns, int64_t chunk, int64_t *out, int32_t *woven,
                         int32_t *sums) noexcept nogil
    void approx_gather_8_few(const int32_t *table, int64_t width, const uint8_t *a, const uint8_t *b, int64_t rows,
                             int64_t depth, int64_t columns, int64_t *out) noexcept nogil
    void approx_gather_16_few(const int32_t *table, int64_t width, const uint16_t *a, const uint16_t *b, int64_t rows,
                              int64_t depth, int64_t columns, int64_t *out) noexcept nogil
    int APPROX_LANES, APPROX_STEPS, APPROX_COLUMNS
    void approx_triple(const int32_t *table, int64_t width, const uint8_t *a, const uint8_t *b, int64_t rows,
                       int64_t depth, int64_t columns, int64_t *out) noexcept nogil

ctypedef fused index:
    uint8_t
    uint16_t


def add_errors(const int64_t[::1] product, const int64_t[::1] exact, int64_t[::1] counts, uint64_t[::1] squares,
               double[::1] ratios):
    """Add the errors of products to sums; the caller sees to it that they fit.

    Parameters
    ----------
    product, exact : int64 arrays [n]
    counts : int64 array [5]
        Wrong products, exact products that are not 0, sum of |error|, sum of error, greatest |error|.
    squares : uint64 array [2]
        Sums of the low and of the high 32 bits of error squared.
    ratios : double array [3]
        Sum of |error| / |exact| and of error / |exact|, where that is not 0; greatest |error| / max(1, |exact|).
    """
    if product.shape[0]:
        with nogil:
            approx_errors(&product[0], &exact[0], product.shape[0], &counts[0], &squares[0], &ratios[0])


def gather(const int32_t[:, ::1] table, const index[:, ::1] a, const index[:, ::1] b, int64_t chunk,
           int64_t[:, ::1] out):
    """Add to out [rows, columns] the products of a [rows, depth] and b [depth, columns], places in a table.

    Sums of ``chunk`` entries of the table must fit in 32 bits; its width is a multiple of 4.
    """
    cdef int64_t rows = a.shape[0], depth = a.shape[1], columns = b.shape[1], width = table.shape[1]
    cdef bint few = columns * 4 < width  # weaving rows of the table together then costs more than it saves
    cdef int32_t *woven = NULL
    cdef int32_t *sums = NULL
    if rows == 0 or depth == 0 or columns == 0:
        return
    if not few:
        woven = <int32_t *>malloc(APPROX_STEPS * width * APPROX_LANES * sizeof(int32_t))
        sums = <int32_t *>malloc(APPROX_COLUMNS * APPROX_LANES * sizeof(int32_t))
        if woven == NULL or sums == NULL:
            free(woven)
            free(sums)
            raise MemoryError
    with nogil:
        if index is uint8_t:
            if few:
                approx_gather_8_few(&table[0, 0], width, &a[0, 0], &b[0, 0], rows, depth, columns, &out[0, 0])
            else:
                approx_gather_8(&table[0, 0], width, &a[0, 0], &b[0, 0], rows, depth, columns, chunk, &out[0, 0], woven, sums)
        else:
            if few:
                approx_gather_16_few(&table[0, 0], width, &a[0, 0], &b[0, 0], rows, depth, columns, &out[0, 0])
            else:
                approx_gather_16(&table[0, 0], width, &a[0, 0], &b[0, 0], rows, depth, columns, chunk, &out[0, 0], woven, sums)
        free(woven)
        free(sums)


def triple_loop(const int32_t[:, ::1] table, const uint8_t[:, ::1] a, const uint8_t[:, ::1] b, int64_t[:, ::1] out):
    """Compute what `gather` does in three plain loops, for comparison."""
    if out.size == 0 or a.shape[1] == 0:
        return
    with nogil:
        approx_triple(&table[0, 0], table.shape[1], &a[0, 0], &b[0, 0], a.shape[0], a.shape[1], b.shape[1], &out[0, 0])


ctypedef fused real:
    float
    double


def take(const real[::1] values, const index[:, :] places, real[:, :] out):
    """Write values[places] to out."""
    cdef int64_t i, j
    with nogil:
        for i in range(places.shape[0]):
            for j in range(places.shape[1]):
                out[i, j] = values[places[i, j]]


def add_pieces(const real[:, ::1] piece, double[:, ::1] out):
    """Add a piece of every sum to out."""
    cdef int64_t i, n = out.shape[0] * out.shape[1]
    cdef const real *p
    cdef double *o
    if n == 0:
        return
    p = &piece[0, 0]
    o = &out[0, 0]
    with nogil:
        for i in range(n):
            o[i] += p[i]
