/* Errors of products, and matrix products whose every product is looked up in a table. */
#ifndef ARCHSIM_APPROX_H
#define ARCHSIM_APPROX_H

#include <stdint.h>
#include <string.h>

#if defined(__SSE2__) || defined(_M_X64)
#include <emmintrin.h>
#define APPROX_SSE2
#endif

/* Adds the errors of n products to counts (wrong, nonzero exact, sum |e|, sum e, greatest |e|), to squares (low and high
 * halves of e*e, added apart) and to ratios (sum |e|/|p|, sum e/|p|, both over p != 0, greatest |e|/max(1,|p|)). */
static void approx_errors(const int64_t *product, const int64_t *exact, int64_t n, int64_t *counts, uint64_t *squares,
                          double *ratios) {
    int64_t i;
    for (i = 0; i < n; i++) {
        int64_t p = exact[i], e = product[i] - p;
        uint64_t d, square;
        double ratio;
        counts[1] += p != 0;
        if (!e) continue;
        d = e < 0 ? (uint64_t)-e : (uint64_t)e;
        p = p < 0 ? -p : p;
        counts[0]++;
        counts[2] += (int64_t)d;
        counts[3] += e;
        if ((int64_t)d > counts[4]) counts[4] = (int64_t)d;
        square = d * d;
        squares[0] += square & 0xffffffffu;
        squares[1] += square >> 32;
        ratio = (double)d / (double)(p ? p : 1);
        if (ratio > ratios[2]) ratios[2] = ratio;
        if (p) {
            ratios[0] += ratio;
            ratios[1] += e < 0 ? -ratio : ratio;
        }
    }
}

/* Lanes: rows of a that are looked up together. Steps: values of k that share a pass over the sums. */
#define APPROX_LANES 8
#define APPROX_STEPS 4
#define APPROX_COLUMNS 1024 /* of one pass, whose sums stay in the nearest caches */

/* woven[q, lane] = rows[lane][q]: one load then finds the products of q and of all lanes. */
static void approx_weave(const int32_t *const *rows, int64_t width, int32_t *woven) {
    int64_t q, lane;
#ifdef APPROX_SSE2
    for (lane = 0; lane < APPROX_LANES; lane += 4)
        for (q = 0; q < width; q += 4) {
            int32_t *out = woven + q * APPROX_LANES + lane;
            __m128i r0 = _mm_loadu_si128((const __m128i *)(rows[lane] + q));
            __m128i r1 = _mm_loadu_si128((const __m128i *)(rows[lane + 1] + q));
            __m128i r2 = _mm_loadu_si128((const __m128i *)(rows[lane + 2] + q));
            __m128i r3 = _mm_loadu_si128((const __m128i *)(rows[lane + 3] + q));
            __m128i low01 = _mm_unpacklo_epi32(r0, r1), low23 = _mm_unpacklo_epi32(r2, r3);
            __m128i high01 = _mm_unpackhi_epi32(r0, r1), high23 = _mm_unpackhi_epi32(r2, r3);
            _mm_storeu_si128((__m128i *)out, _mm_unpacklo_epi64(low01, low23));
            _mm_storeu_si128((__m128i *)(out + APPROX_LANES), _mm_unpackhi_epi64(low01, low23));
            _mm_storeu_si128((__m128i *)(out + 2 * APPROX_LANES), _mm_unpacklo_epi64(high01, high23));
            _mm_storeu_si128((__m128i *)(out + 3 * APPROX_LANES), _mm_unpackhi_epi64(high01, high23));
        }
#else
    for (q = 0; q < width; q++)
        for (lane = 0; lane < APPROX_LANES; lane++) woven[q * APPROX_LANES + lane] = rows[lane][q];
#endif
}

/* sums[lane] += entry[lane] */
static inline void approx_add(int32_t *sums, const int32_t *entry) {
#ifdef APPROX_SSE2
    __m128i *s = (__m128i *)sums;
    const __m128i *e = (const __m128i *)entry;
    _mm_storeu_si128(s, _mm_add_epi32(_mm_loadu_si128(s), _mm_loadu_si128(e)));
    _mm_storeu_si128(s + 1, _mm_add_epi32(_mm_loadu_si128(s + 1), _mm_loadu_si128(e + 1)));
#else
    int lane;
    for (lane = 0; lane < APPROX_LANES; lane++) sums[lane] += entry[lane];
#endif
}

/* out[i, j] += sum over k of table[a[i, k], b[k, j]], with 32-bit sums over `chunk` steps of k, which cannot overflow.
 * woven has room for STEPS * width * LANES numbers, sums for COLUMNS * LANES. The width is a multiple of 4. */
#define APPROX_GATHER(NAME, INDEX)                                                                                       \
    static void NAME(const int32_t *table, int64_t width, const INDEX *a, const INDEX *b, int64_t rows, int64_t depth,   \
                     int64_t columns, int64_t chunk, int64_t *out, int32_t *woven, int32_t *sums) {                      \
        int64_t first, from, i, j, k, lane, step, size = width * APPROX_LANES;                                           \
        for (first = 0; first < columns; first += APPROX_COLUMNS) {                                                      \
            int64_t n = columns - first < APPROX_COLUMNS ? columns - first : APPROX_COLUMNS;                             \
            for (from = 0; from < depth; from += chunk) {                                                                \
                int64_t to = from + chunk < depth ? from + chunk : depth;                                                \
                for (i = 0; i < rows; i += APPROX_LANES) {                                                               \
                    int64_t lanes = rows - i < APPROX_LANES ? rows - i : APPROX_LANES;                                   \
                    memset(sums, 0, (size_t)n * APPROX_LANES * sizeof(int32_t));                                         \
                    for (k = from; k < to; k += step) {                                                                  \
                        const INDEX *b0 = b + k * columns + first, *b1 = b0 + columns, *b2 = b1 + columns,               \
                                    *b3 = b2 + columns;                                                                  \
                        int64_t each;                                                                                    \
                        step = to - k < APPROX_STEPS ? 1 : APPROX_STEPS;                                                 \
                        for (each = 0; each < step; each++) {                                                            \
                            const int32_t *entries[APPROX_LANES];                                                        \
                            for (lane = 0; lane < APPROX_LANES; lane++) /* beyond the last row: that again, not used */  \
                                entries[lane] = table + width * a[(i + (lane < lanes ? lane : 0)) * depth + k + each];   \
                            approx_weave(entries, width, woven + each * size);                                           \
                        }                                                                                                \
                        if (step == 1)                                                                                   \
                            for (j = 0; j < n; j++) approx_add(sums + j * APPROX_LANES, woven + APPROX_LANES * b0[j]);   \
                        else                                                                                             \
                            for (j = 0; j < n; j++)                                                                      \
                                approx_add_4(sums + j * APPROX_LANES, woven + APPROX_LANES * b0[j],                      \
                                             woven + size + APPROX_LANES * b1[j],                                        \
                                             woven + 2 * size + APPROX_LANES * b2[j],                                    \
                                             woven + 3 * size + APPROX_LANES * b3[j]);                                   \
                    }                                                                                                    \
                    for (j = 0; j < n; j++)                                                                              \
                        for (lane = 0; lane < lanes; lane++)                                                             \
                            out[(i + lane) * columns + first + j] += sums[j * APPROX_LANES + lane];                      \
                }                                                                                                        \
            }                                                                                                            \
        }                                                                                                                \
    }                                                                                                                    \
    /* The same without weaving, for few columns. */                                                                     \
    static void NAME##_few(const int32_t *table, int64_t width, const INDEX *a, const INDEX *b, int64_t rows,            \
                           int64_t depth, int64_t columns, int64_t *out) {                                               \
        int64_t i, j, k;                                                                                                 \
        for (i = 0; i < rows; i++)                                                                                       \
            for (k = 0; k < depth; k++) {                                                                                \
                const int32_t *entries = table + width * a[i * depth + k];                                               \
                for (j = 0; j < columns; j++) out[i * columns + j] += entries[b[k * columns + j]];                       \
            }                                                                                                            \
    }

/* The same of four entries. */
static inline void approx_add_4(int32_t *sums, const int32_t *p, const int32_t *q, const int32_t *r, const int32_t *t) {
#ifdef APPROX_SSE2
    int half;
    for (half = 0; half < 2; half++) {
        __m128i one = _mm_add_epi32(_mm_loadu_si128((const __m128i *)p + half), _mm_loadu_si128((const __m128i *)q + half));
        __m128i two = _mm_add_epi32(_mm_loadu_si128((const __m128i *)r + half), _mm_loadu_si128((const __m128i *)t + half));
        __m128i *s = (__m128i *)sums + half;
        _mm_storeu_si128(s, _mm_add_epi32(_mm_loadu_si128(s), _mm_add_epi32(one, two)));
    }
#else
    int lane;
    for (lane = 0; lane < APPROX_LANES; lane++) sums[lane] += p[lane] + q[lane] + r[lane] + t[lane];
#endif
}

APPROX_GATHER(approx_gather_8, uint8_t)
APPROX_GATHER(approx_gather_16, uint16_t)

/* The same in the plain order of three loops, which is what other frameworks compile. */
static void approx_triple(const int32_t *table, int64_t width, const uint8_t *a, const uint8_t *b, int64_t rows,
                          int64_t depth, int64_t columns, int64_t *out) {
    int64_t i, j, k;
    for (i = 0; i < rows; i++)
        for (j = 0; j < columns; j++) {
            int64_t sum = 0;
            for (k = 0; k < depth; k++) sum += table[width * a[i * depth + k] + b[k * columns + j]];
            out[i * columns + j] = sum;
        }
}

#endif
