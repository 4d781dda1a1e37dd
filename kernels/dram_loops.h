/* What the compiler is told, and the loops over the banks of a channel that it turns into vector instructions.
 *
 * Each is a plain loop over int32 arrays. Where the platform can choose at load time, everything around them is compiled
 * twice, for AVX2 and for the baseline; all arithmetic is on integers, so both give the same bits.
 */
#ifndef ARCHSIM_DRAM_LOOPS_H
#define ARCHSIM_DRAM_LOOPS_H

#include <stdint.h>

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__GLIBC__)
#define ARCHSIM_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define ARCHSIM_CLONES
#endif
#if defined(_MSC_VER)
#define INLINE static __forceinline
#define NOINLINE static __declspec(noinline)
#define restrict __restrict
#define LIKELY(x) (x)
#define UNLIKELY(x) (x)
#include <intrin.h>
INLINE int32_t lowest_bit(uint64_t bits) {
    unsigned long at;
    _BitScanForward64(&at, bits);
    return (int32_t)at;
}
#else
#define INLINE static inline __attribute__((always_inline))
#define NOINLINE static __attribute__((noinline, unused))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
INLINE int32_t lowest_bit(uint64_t bits) { return (int32_t)__builtin_ctzll(bits); }
#endif
#if defined(__GNUC__) && !defined(__clang__)
#define INDEPENDENT _Pragma("GCC ivdep") /* the passes of a loop do not touch each other's data */
#else
#define INDEPENDENT
#endif

enum { NO_KEY = INT32_MAX };         /* later than every key */

/* Numbers of banks are padded to multiples of 8; saying so spares the loops their remainders. */
#define EIGHTS(n) ((n) & ~7)

/* The candidates of one kind of requests, by bank, as the loop below reads them. */
typedef struct {
    const int32_t *column, *column_gate, *act, *act_gate, *pre, *pre_gate;
    int32_t *column_rank, *row_rank;  /* twice the clock from which each may issue, plus what makes it go later */
} Candidates;

/* Rank all candidates by clock, not before `now`, and of equal clocks RD and WR before ACT and PRE where `row_later` is 1.
 * Returns the best rank. */
INLINE int32_t rank_candidates(const Candidates *b, int32_t now, int32_t row_later, int32_t n) {
    const int32_t *restrict column = b->column, *restrict column_gate = b->column_gate;
    const int32_t *restrict act = b->act, *restrict act_gate = b->act_gate;
    const int32_t *restrict pre = b->pre, *restrict pre_gate = b->pre_gate;
    int32_t *restrict column_rank = b->column_rank, *restrict row_rank = b->row_rank;
    int32_t best = INT32_MAX;
    INDEPENDENT
    for (int32_t i = 0; i < EIGHTS(n); i++) {
        int32_t c = column[i] > column_gate[i] ? column[i] : column_gate[i];
        int32_t a = act[i] > act_gate[i] ? act[i] : act_gate[i];
        int32_t p = pre[i] > pre_gate[i] ? pre[i] : pre_gate[i];
        a = p < a ? p : a;
        c = (c > now ? c : now) * 2;
        a = (a > now ? a : now) * 2 + row_later;
        column_rank[i] = c;
        row_rank[i] = a;
        a = c < a ? c : a;
        best = a < best ? a : best;
    }
    return best;
}

/* Smallest key among the banks of this rank or better; keys are not negative. */
INLINE int32_t oldest_at(const int32_t *restrict ranks, const int32_t *restrict key, int32_t rank, int32_t n) {
    int32_t best = NO_KEY;
    for (int32_t i = 0; i < EIGHTS(n); i++) {
        int32_t candidate = key[i] | (int32_t)((uint32_t)-(ranks[i] > rank) >> 1); /* written so that it vectorises */
        best = candidate < best ? candidate : best;
    }
    return best;
}

/* values[i] = max(values[i], now + delta[i]) */
INLINE void raise_by(int32_t *restrict values, const int32_t *restrict delta, int32_t now, int32_t n) {
    for (int32_t i = 0; i < EIGHTS(n); i++) {
        int32_t t = now + delta[i];
        values[i] = t > values[i] ? t : values[i];
    }
}

INLINE void raise_to(int32_t *values, int32_t t, int32_t n) {
    for (int32_t i = 0; i < n; i++)
        values[i] = t > values[i] ? t : values[i];
}

#endif
