/* What a rank unit should have added: the contents of the tables by their rule, in FP32 and in float64.
 *
 * Written from docs/recnmp.md, and apart from kernels/sums.h, whose results it is there to check. Everything is
 * compiled twice where the platform can choose at load time; AVX2 has no fused multiply-add, and setup.py forbids the
 * compiler to fuse any, so both round alike.
 */
#ifndef ARCHSIM_SUMS_CHECK_H
#define ARCHSIM_SUMS_CHECK_H

#include <math.h>
#include <string.h>

#include "dram_loops.h"

typedef struct {
    uint32_t key;
    int32_t elements, item_bytes, bits; /* significant bits of an element */
    float step;                         /* between neighbouring values */
    int32_t rowwise;                    /* 8-bit elements, then scale and bias */
    int64_t offset, stride, piece;      /* as archsim.nmp.functional.RowLayout has them */
} TableRule;

/* Bursts and lookups of all packets, and what is kept while one of them is added. */
typedef struct {
    const int64_t *order, *rows;
    const int32_t *lookup, *rank, *pooling;
    const float *weights;             /* NULL: all 1 */
    int64_t lookups, poolings, width; /* poolings to add, numbers of a register */
    int32_t ranks, ranks_per_dimm, poolings_per_packet;
    int64_t *first_burst; /* of each lookup */
    int32_t *left;        /* bursts of each lookup still to come */
    float *psums, *sums;  /* of one packet; results */
} Packets;

INLINE uint32_t scramble(uint32_t x) {
    x = (x ^ x >> 16) * 0x7FEB352Du;
    x = (x ^ x >> 15) * 0x846CA68Bu;
    return x ^ x >> 16;
}

INLINE uint32_t key_of_row(const TableRule *t, int64_t row) {
    const uint32_t low = (uint32_t)(uint64_t)row, high = (uint32_t)((uint64_t)row >> 32);
    return scramble(scramble(low ^ t->key) + high);
}

/* The hash of a number of a row comes from the row's key and STRIDE times the number. Of the hash, the uppermost `bits`
 * are drawn; at most 24, so that every type of number holds them. */
#define STRIDE 0x9E3779B9u
INLINE uint32_t place_of(uint32_t key, int32_t number) { return key + (uint32_t)number * STRIDE; }
INLINE int32_t drawn(uint32_t place, int32_t bits) { return (int32_t)(scramble(place) >> (32 - bits)); }

INLINE float value_at(const TableRule *t, uint32_t place) {
    return (float)(drawn(place, t->bits) - (1 << (t->bits - 1))) * t->step;
}
INLINE float scale_of(const TableRule *t, uint32_t key) {
    return (float)(drawn(place_of(key, t->elements), 24) + 1) * 0x1p-31f;
}
INLINE float bias_of(const TableRule *t, uint32_t key) {
    return (float)(drawn(place_of(key, t->elements + 1), 24) - (1 << 23)) * 0x1p-23f;
}

/* Numbers that are added side by side: the compiler knows how many, and leaves the rest of a row to scalar code. */
enum { WIDE = 16, SOME = 64 };

/* Adds elements of a row to those of a Psum register, each operation rounded to FP32; the first has number `first`. */
INLINE void add_fp32(const TableRule *t, int64_t row, float weight, int32_t first, int32_t count, float *restrict psum) {
    const uint32_t key = key_of_row(t, row);
    uint32_t place = place_of(key, first);
    if (t->rowwise) {
        const float scale = weight * scale_of(t, key), bias = weight * bias_of(t, key);
        for (int32_t n = 0; n < count; n++) {
            const float product = scale * (float)drawn(place_of(place, n), 8);
            psum[n] += product + bias;
        }
        return;
    }
    for (; count >= WIDE; count -= WIDE, psum += WIDE, place = place_of(place, WIDE))
        for (int32_t n = 0; n < WIDE; n++)
            psum[n] += weight * value_at(t, place_of(place, n));
    for (int32_t n = 0; n < count; n++)
        psum[n] += weight * value_at(t, place_of(place, n));
}

/* Adds number `e` of rows in float64, row after row, and the magnitudes of what is added. */
INLINE void add_number(const TableRule *t, const uint32_t *keys, const double *weights, int32_t rows, int32_t e,
                       double *exact, double *magnitude) {
    for (int32_t i = 0; i < rows; i++) {
        const double value = weights[i] * value_at(t, place_of(keys[i], e));
        *exact += value;
        *magnitude += fabs(value);
    }
}

/* The same of an 8-bit row, with the magnitudes of product and bias apart. */
INLINE void add_level(const uint32_t *keys, const double *scales, const double *biases, int32_t rows, int32_t e,
                      double *exact, double *magnitude) {
    for (int32_t i = 0; i < rows; i++) {
        const double product = scales[i] * drawn(place_of(keys[i], e), 8);
        *exact += product + biases[i];
        *magnitude += fabs(product) + fabs(biases[i]);
    }
}

/* The same as `add_number` of WIDE numbers from `e` on. */
INLINE void add_weighted(const TableRule *t, const uint32_t *keys, const double *weights, int32_t rows, int32_t e,
                         double *restrict exact, double *restrict magnitude) {
    double sum[WIDE], size[WIDE];
    memcpy(sum, exact, sizeof sum);
    memcpy(size, magnitude, sizeof size);
    for (int32_t i = 0; i < rows; i++) {
        const uint32_t place = place_of(keys[i], e);
        const double weight = weights[i];
        for (int32_t n = 0; n < WIDE; n++) {
            const double value = weight * value_at(t, place_of(place, n));
            sum[n] += value;
            size[n] += fabs(value);
        }
    }
    memcpy(exact, sum, sizeof sum);
    memcpy(magnitude, size, sizeof size);
}

/* The same where all weights are 1: in whole steps, which is exact in float64 as well, below 2^29 rows of 24 bits. */
INLINE void add_whole(const TableRule *t, const uint32_t *keys, int32_t rows, int32_t e, double *restrict exact,
                      double *restrict magnitude) {
    int32_t sum[WIDE] = {0}, size[WIDE] = {0}; /* SOME numbers of 24 bits have room */
    for (int32_t i = 0; i < rows; i++) {
        const uint32_t place = place_of(keys[i], e);
        for (int32_t n = 0; n < WIDE; n++) {
            const int32_t steps = drawn(place_of(place, n), t->bits) - (1 << (t->bits - 1));
            sum[n] += steps;
            size[n] += steps < 0 ? -steps : steps;
        }
    }
    for (int32_t n = 0; n < WIDE; n++) {
        exact[n] += (double)sum[n] * t->step;
        magnitude[n] += (double)size[n] * t->step;
    }
}

/* Adds rows in float64, one after another, and the magnitudes of what is added; weights NULL: all 1. */
ARCHSIM_CLONES static void add_float64(const TableRule *rule, const int64_t *rows, const float *weights, int64_t count,
                                       double *restrict exact, double *restrict magnitude) {
    const TableRule t = *rule;
    uint32_t keys[SOME];
    double factors[SOME], biases[SOME];
    for (; count > 0; count -= SOME, rows += SOME, weights = weights ? weights + SOME : weights) {
        const int32_t some = count < SOME ? (int32_t)count : SOME;
        for (int32_t i = 0; i < some; i++) {
            keys[i] = key_of_row(&t, rows[i]);
            factors[i] = weights ? weights[i] : 1.0;
        }
        if (t.rowwise) {
            for (int32_t i = 0; i < some; i++) {
                biases[i] = factors[i] * bias_of(&t, keys[i]);
                factors[i] *= scale_of(&t, keys[i]);
            }
            for (int32_t e = 0; e < t.elements; e++)
                add_level(keys, factors, biases, some, e, exact + e, magnitude + e);
            continue;
        }
        int32_t e = 0;
        for (; e + WIDE <= t.elements; e += WIDE)
            if (weights)
                add_weighted(&t, keys, factors, some, e, exact + e, magnitude + e);
            else
                add_whole(&t, keys, some, e, exact + e, magnitude + e);
        for (; e < t.elements; e++)
            add_number(&t, keys, factors, some, e, exact + e, magnitude + e);
    }
}

/* Adds the registers of the ranks of each DIMM pairwise, neighbours first, and the DIMMs one after another. */
INLINE void add_over_dimms(float *restrict psums, int32_t ranks, int32_t ranks_per_dimm, int32_t elements, int64_t width,
                           float *restrict total) {
    for (int32_t dimm = 0; dimm < ranks; dimm += ranks_per_dimm) {
        float *of_dimm = psums + dimm * width;
        for (int32_t apart = 1; apart < ranks_per_dimm; apart *= 2)
            for (int32_t rank = 0; rank + apart < ranks_per_dimm; rank += 2 * apart) {
                float *sum = of_dimm + rank * width;
                const float *other = of_dimm + (rank + apart) * width;
                INDEPENDENT
                for (int32_t e = 0; e < elements; e++)
                    sum[e] += other[e];
            }
        for (int32_t e = 0; e < elements; e++)
            total[e] = dimm ? total[e] + of_dimm[e] : of_dimm[e];
    }
}

enum { BURST_BYTES = 64 };

/* Finds first burst and bursts of each lookup of a packet; returns whether all numbers are in range. */
INLINE int count_bursts(const Packets *p, int64_t low, int64_t high) {
    for (int64_t k = low; k < high; k++) {
        const int64_t i = p->lookup[k];
        if (i < 0 || i >= p->lookups || p->order[k] < low || p->order[k] >= high || p->rank[k] < 0 ||
            p->rank[k] >= p->ranks)
            return 0;
        if (!p->left[i]++)
            p->first_burst[i] = k;
    }
    return 1;
}

/* Adds the bursts of one packet, whose first pooling is among those to add; returns whether all numbers are in range. */
ARCHSIM_CLONES static int add_in_order(const Packets *packets, const TableRule *rule, int64_t low, int64_t high) {
    const Packets p = *packets;
    const TableRule t = *rule;
    const int64_t base = p.pooling[p.lookup[low]], registers = p.ranks * p.width; /* of a pooling */
    int64_t used = 0;
    int32_t shift = 0; /* of the bytes of an element: 1, 2 or 4 */
    if (base < 0 || !count_bursts(&p, low, high))
        return 0;
    while (!t.rowwise && t.item_bytes >> shift > 1)
        shift++;
    for (int64_t k = low; k < high; k++) {
        const int64_t burst = p.order[k], i = p.lookup[burst], tag = p.pooling[i] - base;
        int64_t first = 0, last = t.elements;
        if (tag < 0 || tag >= p.poolings_per_packet)
            return 0;
        if (base + tag >= p.poolings)
            continue;
        for (; used <= tag; used++)
            memset(p.psums + used * registers, 0, (size_t)registers * sizeof(float));
        p.left[i]--;
        if (t.rowwise && t.piece) { /* scale and bias come with every burst */
            first = (burst - p.first_burst[i]) * t.piece;
            last = first + t.piece < last ? first + t.piece : last;
        } else if (t.rowwise) {
            if (p.left[i]) /* scale and bias come with the last burst */
                continue;
        } else {
            /* Where the burst begins in the vector; below 0 where the vector begins inside the burst. */
            const int64_t begin = (burst - p.first_burst[i]) * BURST_BYTES -
                                  ((t.offset + p.rows[i] * t.stride) & (BURST_BYTES - 1));
            const int64_t end = (begin + BURST_BYTES) >> shift;
            first = (begin > 0 ? begin : 0) >> shift;
            last = end < last ? end : last;
        }
        if (first < last)
            add_fp32(&t, p.rows[i], p.weights ? p.weights[i] : 1.0f, (int32_t)first, (int32_t)(last - first),
                     p.psums + tag * registers + p.rank[burst] * p.width + first);
    }
    for (int64_t tag = 0; tag < used; tag++)
        add_over_dimms(p.psums + tag * registers, p.ranks, p.ranks_per_dimm, t.elements, p.width,
                       p.sums + (base + tag) * p.width);
    return 1;
}

#endif
