/* What a rank unit should have added: the contents of the tables by their rule, in FP32 and in float64.
 *
 * Written from docs/recnmp.md, and apart from kernels/sums.py, whose results it is there to check. Everything is
 * compiled twice where the platform can choose at load time; AVX2 has no fused multiply-add, and setup.py forbids the
 * compiler to fuse any, so both round alike.
 */
#ifndef ARCHSIM_SUMS_CHECK_H
#define ARCHSIM_SUMS_CHECK_H

#include <math.h>

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

/* Adds the elements `first` to `last` of a row to a Psum register, each operation rounded to FP32. */
ARCHSIM_CLONES static void add_fp32(const TableRule *rule, int64_t row, float weight, int32_t first, int32_t last,
                                    float *restrict psum) {
    const TableRule t = *rule; /* a copy that no store can change */
    const uint32_t key = key_of_row(&t, row);
    uint32_t place = place_of(key, first);
    if (t.rowwise) {
        const float scale = weight * scale_of(&t, key), bias = weight * bias_of(&t, key);
        for (int32_t e = first; e < last; e++, place += STRIDE) {
            const float product = scale * (float)drawn(place, 8);
            psum[e] += product + bias;
        }
        return;
    }
    for (int32_t e = first; e < last; e++, place += STRIDE)
        psum[e] += weight * value_at(&t, place);
}

/* Adds a row in float64, and the magnitudes of what is added: of an 8-bit row product and bias apart. */
ARCHSIM_CLONES static void add_float64(const TableRule *rule, int64_t row, double weight, double *restrict exact,
                                       double *restrict magnitude) {
    const TableRule t = *rule;
    const uint32_t key = key_of_row(&t, row);
    uint32_t place = key;
    if (t.rowwise) {
        const double scale = weight * scale_of(&t, key), bias = weight * bias_of(&t, key);
        for (int32_t e = 0; e < t.elements; e++, place += STRIDE) {
            const double product = scale * drawn(place, 8);
            exact[e] += product + bias;
            magnitude[e] += fabs(product) + fabs(bias);
        }
        return;
    }
    for (int32_t e = 0; e < t.elements; e++, place += STRIDE) {
        const double value = weight * value_at(&t, place);
        exact[e] += value;
        magnitude[e] += fabs(value);
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
