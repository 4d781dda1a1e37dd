/* The shared C/A and DQ pins of a channel, clock by clock: who has a clock, and who may join it.
 *
 * Packets take their clocks in the order in which they are sent, so the calendar reaches from the earliest clock that
 * anyone may still ask for to the latest that is taken. docs/recnmp.md states the rules.
 */
#ifndef ARCHSIM_RECNMP_PINS_H
#define ARCHSIM_RECNMP_PINS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { RANKS_MAX = 64, DIMM_NONE = -1, DIMM_ALL = -2 };

typedef struct {
    uint64_t ranks;                   /* those with an instruction in this clock */
    int32_t dimm;                     /* whose instructions it carries; DIMM_ALL: data; DIMM_NONE: nothing */
} PinClock;

typedef struct {
    PinClock *clocks;                 /* of clock c at c mod size */
    int64_t size;                     /* a power of two */
    int64_t first, end;               /* clocks held; before: forgotten; from `end` on: free */
} Pins;

static int pins_make(Pins *p) {
    p->size = 1 << 12;
    p->first = p->end = 0;
    p->clocks = malloc((size_t)p->size * sizeof(PinClock));
    return p->clocks ? 0 : -1;
}

static inline PinClock *pins_at(const Pins *p, int64_t clk) { return p->clocks + (clk & (p->size - 1)); }

static inline int pins_free(const Pins *p, int64_t clk) { return clk >= p->end || pins_at(p, clk)->dimm == DIMM_NONE; }

/* Nobody will ask for a clock before `clk` again. */
static inline void pins_forget(Pins *p, int64_t clk) {
    if (clk > p->first)
        p->first = clk;
    if (p->end < p->first)
        p->end = p->first;
}

static int pins_grow(Pins *p) {
    PinClock *old = p->clocks;
    const int64_t size = p->size;
    PinClock *clocks = malloc((size_t)(2 * size) * sizeof(PinClock));
    if (!clocks)
        return -1;
    for (int64_t c = p->first; c < p->end; c++)
        clocks[c & (2 * size - 1)] = old[c & (size - 1)];
    free(old);
    p->clocks = clocks;
    p->size = 2 * size;
    return 0;
}

/* Hold clocks up to and with `clk`; returns it, or NULL without memory. */
static inline PinClock *pins_hold(Pins *p, int64_t clk) {
    while (clk - p->first >= p->size)
        if (pins_grow(p))
            return NULL;
    for (; p->end <= clk; p->end++) {
        pins_at(p, p->end)->dimm = DIMM_NONE;
        pins_at(p, p->end)->ranks = 0;
    }
    return pins_at(p, clk);
}

/* The first of the first `n` consecutive free clocks from `clk` on. */
static inline int64_t pins_gap(const Pins *p, int64_t clk, int64_t n) {
    int64_t start = clk;
    for (; clk < p->end && clk - start < n; clk++)
        if (!pins_free(p, clk))
            start = clk + 1;
    return start;
}

/* Take `n` clocks from `clk` on for data. */
static inline int pins_take(Pins *p, int64_t clk, int64_t n) {
    for (int64_t c = clk; c < clk + n; c++) {
        PinClock *at = pins_hold(p, c);
        if (!at)
            return -1;
        at->dimm = DIMM_ALL;
    }
    return 0;
}

#endif
