/* Errors of products, and matrix products whose every product is looked up in a table. */
#ifndef ARCHSIM_APPROX_H
#define ARCHSIM_APPROX_H

#include <stdint.h>
#include <string.h>

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__linux__)
#define APPROX_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define APPROX_CLONES
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

#define APPROX_COLUMNS 512 /* of one pass, whose sums and part of b stay in the nearest caches */

/* out[i, j] += sum over k of table[a[i, k], b[k, j]], with 32-bit sums over `chunk` steps of k, which cannot overflow. */
#define APPROX_GATHER(NAME, INDEX)                                                                                       \
    APPROX_CLONES static void NAME(const int32_t *table, int64_t width, const INDEX *a, const INDEX *b, int64_t rows,    \
                                   int64_t depth, int64_t columns, int64_t chunk, int64_t *out) {                       \
        int32_t sums[APPROX_COLUMNS];                                                                                    \
        int64_t first, from, i, j, k;                                                                                    \
        for (first = 0; first < columns; first += APPROX_COLUMNS) {                                                      \
            int64_t n = columns - first < APPROX_COLUMNS ? columns - first : APPROX_COLUMNS;                             \
            for (from = 0; from < depth; from += chunk) {                                                                \
                int64_t to = from + chunk < depth ? from + chunk : depth;                                                \
                for (i = 0; i < rows; i++) {                                                                             \
                    memset(sums, 0, sizeof(sums));                                                                       \
                    for (k = from; k + 4 <= to; k += 4) {                                                                \
                        const int32_t *t0 = table + width * a[i * depth + k], *t1 = table + width * a[i * depth + k + 1]; \
                        const int32_t *t2 = table + width * a[i * depth + k + 2];                                        \
                        const int32_t *t3 = table + width * a[i * depth + k + 3];                                        \
                        const INDEX *b0 = b + k * columns + first, *b1 = b0 + columns;                                   \
                        const INDEX *b2 = b1 + columns, *b3 = b2 + columns;                                              \
                        for (j = 0; j < n; j++) sums[j] += t0[b0[j]] + t1[b1[j]] + t2[b2[j]] + t3[b3[j]];                \
                    }                                                                                                    \
                    for (; k < to; k++) {                                                                                \
                        const int32_t *t0 = table + width * a[i * depth + k];                                            \
                        const INDEX *b0 = b + k * columns + first;                                                       \
                        for (j = 0; j < n; j++) sums[j] += t0[b0[j]];                                                    \
                    }                                                                                                    \
                    for (j = 0; j < n; j++) out[i * columns + first + j] += sums[j];                                     \
                }                                                                                                        \
            }                                                                                                            \
        }                                                                                                                \
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
