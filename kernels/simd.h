/* Vector loops over the entries of a request queue.
 *
 * Each is a plain loop over int32 arrays that the compiler turns into vector instructions. Where the platform
 * can choose at load time (GCC and glibc on x86-64) every loop is compiled twice, for AVX2 and for the baseline.
 * All arithmetic is on integers, so both give the same bits. A loop `simd_x_n` over all slots of a queue is called by
 * `simd_x` with a constant, 32 or 64, so that it unrolls; slots without an entry never match and never come first.
 */
#ifndef ARCHSIM_SIMD_H
#define ARCHSIM_SIMD_H

#include <stdint.h>

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__GLIBC__)
#define ARCHSIM_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define ARCHSIM_CLONES
#endif

#if defined(_MSC_VER)
#define ALWAYS_INLINE static __forceinline
#define restrict __restrict
#else
#define ALWAYS_INLINE static inline __attribute__((always_inline))
#endif

#define AGE_MASK 63    /* bits of a tag that hold the age of an entry */
#define ROW_COMMAND 64 /* the bit of a tag that says: the next command is ACT or PRE */
#define KEY_SHIFT 7

#define UNROLLED(loop, ...) (entries <= 32 ? loop(__VA_ARGS__, 32) : loop(__VA_ARGS__, 64))

/* Smallest of (earliest legal clock, row command?, age), packed into one integer, over all entries. */
ALWAYS_INLINE int32_t simd_earliest_n(const int32_t *local, const int32_t *index, const int32_t *tag,
                                      const int32_t *group, int32_t now, int32_t entries) {
    int32_t best = INT32_MAX;
    for (int32_t i = 0; i < entries; i++) {
        int32_t t = local[i];
        int32_t g = group[index[i]];
        t = g > t ? g : t;
        t = now > t ? now : t;
        int32_t key = (int32_t)((uint32_t)t << KEY_SHIFT) | tag[i];
        best = key < best ? key : best;
    }
    return best;
}
ARCHSIM_CLONES static int32_t simd_earliest(const int32_t *local, const int32_t *index, const int32_t *tag,
                                            const int32_t *group, int32_t now, int32_t entries) {
    return UNROLLED(simd_earliest_n, local, index, tag, group, now);
}

/* Age of the oldest entry that hits `row` in `bank`; INT32_MAX when none does. */
ALWAYS_INLINE int32_t simd_oldest_hit_n(const int32_t *tag, const int32_t *bank, const int32_t *row,
                                        int32_t wanted_bank, int32_t wanted_row, int32_t entries) {
    int32_t best = INT32_MAX;
    for (int32_t i = 0; i < entries; i++) {
        int32_t age = tag[i] & AGE_MASK;
        int32_t differs = (bank[i] ^ wanted_bank) | (row[i] ^ wanted_row);
        int32_t candidate = age | (int32_t)((uint32_t)-(differs != 0) >> 1); /* written so that it vectorises */
        best = candidate < best ? candidate : best;
    }
    return best;
}
ARCHSIM_CLONES static int32_t simd_oldest_hit(const int32_t *tag, const int32_t *bank, const int32_t *row,
                                              int32_t wanted_bank, int32_t wanted_row, int32_t entries) {
    return UNROLLED(simd_oldest_hit_n, tag, bank, row, wanted_bank, wanted_row);
}

/* The bank is open at `open_row`: hits wait for their column command, the rest for PRE, which is withheld
 * (`never`) from entries younger than the oldest hit. */
ALWAYS_INLINE void simd_bank_open_n(int32_t *restrict local, int32_t *restrict index, int32_t *restrict tag,
                                    const int32_t *restrict bank, const int32_t *restrict row, int32_t this_bank,
                                    int32_t open_row, int32_t oldest_hit, int32_t column_clk, int32_t column_index,
                                    int32_t pre_clk, int32_t pre_index, int32_t never, int32_t entries) {
    for (int32_t i = 0; i < entries; i++) {
        int32_t mine = bank[i] == this_bank;
        int32_t hit = row[i] == open_row;
        int32_t age = tag[i] & AGE_MASK;
        int32_t row_clk = age > oldest_hit ? never : pre_clk;
        int32_t new_local = hit ? column_clk : row_clk;
        int32_t new_index = hit ? column_index : pre_index;
        int32_t new_tag = hit ? age : (age | ROW_COMMAND);
        local[i] = mine ? new_local : local[i];
        index[i] = mine ? new_index : index[i];
        tag[i] = mine ? new_tag : tag[i];
    }
}
ARCHSIM_CLONES static void simd_bank_open(int32_t *restrict local, int32_t *restrict index, int32_t *restrict tag,
                                          const int32_t *restrict bank, const int32_t *restrict row,
                                          int32_t this_bank, int32_t open_row, int32_t oldest_hit, int32_t column_clk,
                                          int32_t column_index, int32_t pre_clk, int32_t pre_index, int32_t never,
                                          int32_t entries) {
    UNROLLED(simd_bank_open_n, local, index, tag, bank, row, this_bank, open_row, oldest_hit, column_clk,
             column_index, pre_clk, pre_index, never);
}

/* The bank is closed: all its entries wait for ACT. */
ALWAYS_INLINE void simd_bank_closed_n(int32_t *restrict local, int32_t *restrict index, int32_t *restrict tag,
                                      const int32_t *restrict bank, int32_t this_bank, int32_t act_clk,
                                      int32_t act_index, int32_t entries) {
    for (int32_t i = 0; i < entries; i++) {
        int32_t mine = bank[i] == this_bank;
        local[i] = mine ? act_clk : local[i];
        index[i] = mine ? act_index : index[i];
        tag[i] = mine ? (tag[i] | ROW_COMMAND) : tag[i];
    }
}
ARCHSIM_CLONES static void simd_bank_closed(int32_t *restrict local, int32_t *restrict index, int32_t *restrict tag,
                                            const int32_t *restrict bank, int32_t this_bank, int32_t act_clk,
                                            int32_t act_index, int32_t entries) {
    UNROLLED(simd_bank_closed_n, local, index, tag, bank, this_bank, act_clk, act_index);
}

/* values[i] = max(values[i], now + delta[i]) */
ARCHSIM_CLONES static void simd_raise(int32_t *restrict values, const int32_t *restrict delta, int32_t now,
                                      int32_t count) {
    for (int32_t i = 0; i < count; i++) {
        int32_t t = now + delta[i];
        values[i] = t > values[i] ? t : values[i];
    }
}

/* values[i] = max(values[i] - shift, floor), except that `never` stays */
ARCHSIM_CLONES static void simd_rebase(int32_t *values, int32_t shift, int32_t floor, int32_t never, int32_t count) {
    for (int32_t i = 0; i < count; i++) {
        int32_t t = values[i] - shift;
        t = t < floor ? floor : t;
        values[i] = values[i] == never ? never : t;
    }
}

/* An entry of age `retired` leaves: all younger ones become one step older. */
ALWAYS_INLINE void simd_retire_n(int32_t *tag, int32_t retired, int32_t entries) {
    for (int32_t i = 0; i < entries; i++)
        tag[i] -= (tag[i] & AGE_MASK) > retired;
}
ARCHSIM_CLONES static void simd_retire(int32_t *tag, int32_t retired, int32_t entries) {
    UNROLLED(simd_retire_n, tag, retired);
}

/* Does any entry hold this column of this row of this bank? */
ALWAYS_INLINE int32_t simd_holds_n(const int32_t *bank, const int32_t *row, const int32_t *column,
                                   int32_t wanted_bank, int32_t wanted_row, int32_t wanted_column, int32_t entries) {
    int32_t found = 0;
    for (int32_t i = 0; i < entries; i++) {
        int32_t differs = (bank[i] ^ wanted_bank) | (row[i] ^ wanted_row) | (column[i] ^ wanted_column);
        found |= differs ? 0 : 1;
    }
    return found;
}
ARCHSIM_CLONES static int32_t simd_holds(const int32_t *bank, const int32_t *row, const int32_t *column,
                                         int32_t wanted_bank, int32_t wanted_row, int32_t wanted_column,
                                         int32_t entries) {
    return UNROLLED(simd_holds_n, bank, row, column, wanted_bank, wanted_row, wanted_column);
}

#endif
