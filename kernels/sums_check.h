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
} TableRule;

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
ARCHSIM_CLONES static void add_fp32(const TableRule *rule, uint32_t key, float weight, int32_t first, int32_t count,
                                    float *restrict psum) {
    const TableRule t = *rule; /* a copy that no store can change */
    uint32_t place = place_of(key, first);
    if (t.rowwise) {
        const float scale = weight * scale_of(&t, key), bias = weight * bias_of(&t, key);
        for (int32_t n = 0; n < count; n++) {
            const float product = scale * (float)drawn(place_of(place, n), 8);
            psum[n] += product + bias;
        }
        return;
    }
    for (; count >= WIDE; count -= WIDE, psum += WIDE, place = place_of(place, WIDE)) {
        float terms[WIDE];
        for (int32_t n = 0; n < WIDE; n++)
            terms[n] = weight * value_at(&t, place_of(place, n));
        for (int32_t n = 0; n < WIDE; n++)
            psum[n] += terms[n];
    }
    for (int32_t n = 0; n < count; n++)
        psum[n] += weight * value_at(&t, place_of(place, n));
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
        for (; e + WIDE <= t.elements; e += WIDE) {
            double sum[WIDE], size[WIDE];
            memcpy(sum, exact + e, sizeof sum);
            memcpy(size, magnitude + e, sizeof size);
            for (int32_t i = 0; i < some; i++) {
                const uint32_t place = place_of(keys[i], e);
                const double weight = factors[i];
                for (int32_t n = 0; n < WIDE; n++) {
                    const double value = weight * value_at(&t, place_of(place, n));
                    sum[n] += value;
                    size[n] += fabs(value);
                }
            }
            memcpy(exact + e, sum, sizeof sum);
            memcpy(magnitude + e, size, sizeof size);
        }
        for (; e < t.elements; e++)
            add_number(&t, keys, factors, some, e, exact + e, magnitude + e);
    }
}

/* Adds the registers of the ranks of each DIMM pairwise, neighbours first, and the DIMMs one after another. */
ARCHSIM_CLONES static void add_over_dimms(float *restrict psums, int32_t ranks, int32_t ranks_per_dimm, int32_t elements,
                                          int64_t width, float *restrict total) {
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

#endif
