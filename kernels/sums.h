/* The rank units' arithmetic: table contents by rule, FP32 accumulation in the order the bursts arrive.
 *
 * To change an operator, change what is added for an element: `add_plain` for plain elements, `add_rowwise` for 8-bit
 * rows. kernels/sums_check.h forms the same sums a second time, written apart from this file, and stops a replay where a
 * bit differs: it is to be changed too.
 *
 * Everything is compiled twice where the platform can choose at load time; AVX2 has no fused multiply-add, and setup.py
 * forbids the compiler to fuse any, so both round alike. Elements go in blocks of 16, whose length the compiler knows,
 * because it leaves the rest of a loop of unknown length, which may be all of it, to scalar code.
 */
#ifndef ARCHSIM_SUMS_H
#define ARCHSIM_SUMS_H

#include <string.h>

#include "dram_loops.h"

enum { BLOCK = 16, LINE = 64 };

/* ------------------------------------------------------------------------------------------------- contents by rule */

/* Scramble 32 bits so that each output bit depends on all input bits (xor-shift-multiply, a bijection). */
INLINE uint32_t mix32(uint32_t x) {
    x ^= x >> 16;
    x *= 0x7FEB352Du;
    x ^= x >> 15;
    x *= 0x846CA68Bu;
    return x ^ x >> 16;
}

/* Combine the key of a table with a row number into the 32-bit key of that row. */
INLINE uint32_t row_key(uint32_t table_key, int64_t row) {
    return mix32(mix32((uint32_t)row ^ table_key) + (uint32_t)((uint64_t)row >> 32));
}

/* What is hashed for number `index` of a row; as a key, it makes the numbers count from there. */
INLINE uint32_t place(uint32_t key, int32_t index) { return key + (uint32_t)index * 0x9E3779B9u; }

/* Value of one element: `bits` random bits, centred on zero, times `step`; exact in the table's type. */
INLINE float element(uint32_t key, int32_t index, int32_t bits, float step) {
    return (float)((int32_t)(mix32(place(key, index)) >> (32 - bits)) - (1 << (bits - 1))) * step;
}

/* Quantised element of an 8-bit row, 0 to 255. */
INLINE float level(uint32_t key, int32_t index) { return (float)(int32_t)(mix32(place(key, index)) >> 24); }

/* Scale of an 8-bit row: (0, 2^-7] in steps of 2^-31. */
INLINE float row_scale(uint32_t key, int32_t elements) {
    return (float)((int32_t)(mix32(place(key, elements)) >> 8) + 1) * 0x1p-31f;
}

/* Bias of an 8-bit row: [-1, 1) in steps of 2^-23. */
INLINE float row_bias(uint32_t key, int32_t elements) { return element(key, elements + 1, 24, 0x1p-23f); }

/* ------------------------------------------------------------------------------------------------------- operators */

/* Add elements of a row, each times its weight; `key` is the place of the first one. */
INLINE void add_plain(float *psum, int32_t count, uint32_t key, int32_t bits, float step, float weight) {
    for (; count >= BLOCK; count -= BLOCK, psum += BLOCK, key = place(key, BLOCK))
        for (int32_t j = 0; j < BLOCK; j++)
            psum[j] += weight * element(key, j, bits, step);
    for (int32_t j = 0; j < count; j++)
        psum[j] += weight * element(key, j, bits, step);
}

/* Add elements of an 8-bit row, whose scale and bias have the weight in them, as in Caffe2. */
INLINE void add_rowwise(float *psum, int32_t count, uint32_t key, float scale, float bias) {
    for (; count >= BLOCK; count -= BLOCK, psum += BLOCK, key = place(key, BLOCK))
        for (int32_t j = 0; j < BLOCK; j++)
            psum[j] += scale * level(key, j) + bias;
    for (int32_t j = 0; j < count; j++)
        psum[j] += scale * level(key, j) + bias;
}

/* Add elements of a row whose stored numbers are given; behind those of an 8-bit row, its scale and bias. */
INLINE void add_given(float *psum, int32_t count, const float *stored, const float *scale_and_bias, int32_t rowwise,
                      float weight) {
    const float scale = weight * scale_and_bias[0], bias = weight * scale_and_bias[1];
    for (int32_t j = 0; j < count; j++)
        psum[j] += rowwise ? scale * stored[j] + bias : weight * stored[j];
}

/* --------------------------------------------------------------------------------------------------------- packets */

/* What the elements of a table are, and how its rows are stored. */
typedef struct {
    uint32_t key;
    int32_t elements, size; /* of a vector, in elements and bytes */
    int32_t bits;
    float step;
    int32_t rowwise;
    int64_t offset, stride; /* of row 0 in its burst, and from one row to the next, in bytes */
    int32_t piece;          /* elements in each piece of an 8-bit row; 0: it is whole */
} TableForm;

/* A lookup of the packet at work. */
typedef struct {
    int64_t burst;       /* its first one */
    int64_t begin;       /* byte of the vector's first element, counted from burst 0 */
    float *psum;         /* its pooling's register in rank 0 */
    const float *stored; /* numbers in place of the rule's, or NULL */
    float weight;
    int32_t left; /* bursts still to come */
} Lookup;

/* All packets, see `pool_packets` in kernels/sums.pyx. */
typedef struct {
    const int64_t *order, *rows;
    const int32_t *lookup, *rank, *pooling, *given; /* given: NULL for none at all */
    const float *weights;                           /* NULL: all 1 */
    const float *given_values;
    int64_t bursts, lookups, poolings, given_rows, given_width;
    int64_t width; /* numbers of a register */
    int32_t ranks, ranks_per_dimm, poolings_per_packet;
    float *partial, *sums;
    Lookup *work;   /* room for the lookups of any packet */
    uint32_t *keys; /* of their rows */
} Stream;

/* Find the lookups of a packet; returns their poolings, or 0 when a number is out of range. */
INLINE int64_t find_lookups(const Stream *s, const TableForm *t, int64_t low, int64_t high) {
    const int64_t first = s->lookup[low], base = s->pooling[first], registers = s->ranks * s->width;
    const int64_t end = s->lookup[high - 1] + 1;
    int64_t before = first - 1, tag = 0;
    INDEPENDENT
    for (int64_t i = first; i < end; i++)
        s->keys[i - first] = row_key(t->key, s->rows[i]);
    for (int64_t k = low; k < high; k++) {
        const int64_t i = s->lookup[k];
        Lookup *l = s->work + (i - first);
        if (i == before) {
            l->left++;
            continue;
        }
        if (i < before || i >= s->lookups)
            return 0;
        before = i;
        const int64_t own = s->pooling[i] - base;
        if (own < tag || own >= s->poolings_per_packet || base + own >= s->poolings)
            return 0;
        tag = own;
        l->burst = k;
        l->begin = k * LINE + ((t->offset + s->rows[i] * t->stride) & (LINE - 1));
        l->psum = s->partial + tag * registers;
        l->weight = s->weights ? s->weights[i] : 1.0f;
        l->left = 1;
        l->stored = NULL;
        if (UNLIKELY(s->given && s->given[i] >= 0)) {
            if (s->given[i] >= s->given_rows)
                return 0;
            l->stored = s->given_values + s->given[i] * s->given_width;
        }
    }
    return tag + 1;
}

/* Add the ranks of each DIMM pairwise and the DIMMs in order. */
INLINE void reduce(float *restrict partial, int32_t ranks, int32_t ranks_per_dimm, int32_t elements, int64_t width,
                   float *restrict sum) {
    for (int32_t step = 1; step < ranks_per_dimm; step *= 2)
        for (int32_t r = 0; r < ranks; r += 2 * step)
            if (r % ranks_per_dimm + step < ranks_per_dimm) {
                float *restrict own = partial + r * width;
                const float *restrict other = partial + (r + step) * width;
                for (int32_t e = 0; e < elements; e++)
                    own[e] += other[e];
            }
    memcpy(sum, partial, (size_t)elements * sizeof(float));
    for (int32_t r = ranks_per_dimm; r < ranks; r += ranks_per_dimm)
        for (int32_t e = 0; e < elements; e++)
            sum[e] += partial[r * width + e];
}

/* Add the vectors of one packet; returns 0 when a number is out of range. */
ARCHSIM_CLONES static int add_packet(const Stream *stream, const TableForm *form, int64_t low, int64_t high) {
    const Stream s = *stream; /* copies that no store can change */
    const TableForm t = *form;
    const int64_t first_lookup = s.lookup[low], base = s.pooling[first_lookup];
    int32_t shift = 0; /* of the bytes of an element: 1, 2 or 4 */
    const int64_t count = find_lookups(&s, &t, low, high);
    if (!count)
        return 0;
    while (!t.rowwise && t.elements << shift < t.size)
        shift++;
    for (int64_t q = 0; q < count * s.ranks; q++)
        memset(s.partial + q * s.width, 0, (size_t)t.elements * sizeof(float));
    for (int64_t k = low; k < high; k++) {
        const int64_t burst = s.order[k];
        if (burst < low || burst >= high || (uint32_t)s.rank[burst] >= (uint32_t)s.ranks)
            return 0;
        const int64_t i = s.lookup[burst] - first_lookup;
        const uint32_t key = s.keys[i];
        Lookup *l = s.work + i;
        float *psum = l->psum + s.rank[burst] * s.width;
        int64_t first = 0, last = t.elements;
        if (t.rowwise) {
            l->left--;
            if (t.piece) {
                first = (burst - l->burst) * t.piece;
                last = first + t.piece < last ? first + t.piece : last;
            } else if (l->left) {
                continue; /* scale and bias come with the last burst */
            }
        } else {
            /* A burst holds 64 bytes of memory; the vector may begin inside its first one. */
            const int64_t start = burst * LINE - l->begin;
            first = (start > 0 ? start : 0) >> shift;
            last = (start + LINE < t.size ? start + LINE : t.size) >> shift;
        }
        if (last <= first)
            continue;
        psum += first;
        if (UNLIKELY(l->stored != NULL))
            add_given(psum, (int32_t)(last - first), l->stored + first, l->stored + t.elements, t.rowwise, l->weight);
        else if (t.rowwise)
            add_rowwise(psum, (int32_t)(last - first), place(key, (int32_t)first),
                        l->weight * row_scale(key, t.elements), l->weight * row_bias(key, t.elements));
        else
            add_plain(psum, (int32_t)(last - first), place(key, (int32_t)first), t.bits, t.step, l->weight);
    }
    for (int64_t q = 0; q < count; q++)
        reduce(s.partial + q * s.ranks * s.width, s.ranks, s.ranks_per_dimm, t.elements, s.width,
               s.sums + (base + q) * s.width);
    return 1;
}

#endif
