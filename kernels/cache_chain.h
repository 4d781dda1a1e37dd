/* Set-associative caches one behind the other: what an access finds, what it brings in, what it drives out.
 *
 * docs/memory-caches.md states the rules. No clocks here: contents depend on the order of accesses alone. A set keeps its
 * lines in order of use (LRU) or of arrival (the others), youngest first, free ways last; a line is its number times
 * four, plus one when it is dirty, plus two when it was used since it came or was last passed over (CLOCK, SIEVE).
 */
#ifndef ARCHSIM_CACHE_CHAIN_H
#define ARCHSIM_CACHE_CHAIN_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { CHAIN_LEVELS = 3, FREE_WAY = -1, DIRTY = 1, USED = 2, LINE_SHIFT = 2 };
enum { CHAIN_LRU, CHAIN_FIFO, CHAIN_RANDOM, CHAIN_CLOCK, CHAIN_SIEVE };
enum { NON_INCLUSIVE, INCLUSIVE, EXCLUSIVE };

typedef struct {
    int64_t sets, ways, units, mask;  /* mask: sets - 1 where that is a power of two, else -1 */
    int32_t policy;
    uint64_t draws;
    int64_t *lines;                   /* [units][sets][ways] */
    int32_t *hand;                    /* of SIEVE, [units][sets]: how many lines are older than the one it is at */
    int64_t lookups, hits, fills, writebacks; /* fills: lines written as a whole; writebacks: dirty lines driven out */
} Level;

typedef struct {
    Level level[CHAIN_LEVELS];
    int32_t levels, shared;           /* shared: the last level has one unit, whatever the core */
    int32_t inclusion, write_back, allocate_writes;
    int64_t cores;
    int64_t *victims;                 /* dirty blocks that the access at hand drives out to memory */
    int32_t victim_count;
} Chain;

static inline int64_t *chain_set(const Level *l, int64_t unit, int64_t index) {
    const int64_t set = l->mask >= 0 ? index & l->mask : index % l->sets;
    return l->lines + (unit * l->sets + set) * l->ways;
}

/* The way that holds a block, or -1. */
static inline int64_t chain_find(const Level *l, const int64_t *set, int64_t block) {
    for (int64_t w = 0; w < l->ways; w++)
        if (set[w] >> LINE_SHIFT == block)
            return w;
    return -1;
}

/* Make way `w` the youngest. */
static inline void chain_to_front(int64_t *set, int64_t w) {
    const int64_t line = set[w];
    memmove(set + 1, set, (size_t)w * sizeof(int64_t));
    set[0] = line;
}

/* Take way `w` out. The hand of SIEVE stays with its line, or goes on to the next younger one if that line goes. */
static inline int64_t chain_take(const Level *l, int64_t *set, int64_t w) {
    const int64_t line = set[w];
    if (l->policy == CHAIN_SIEVE) {
        int32_t *hand = &l->hand[(set - l->lines) / l->ways];
        int64_t older = 0;
        while (w + older + 1 < l->ways && set[w + older + 1] != FREE_WAY)
            older++;
        if (*hand > older)
            --*hand;
        else if (*hand == older && w == 0)
            *hand = 0;
    }
    memmove(set + w, set + w + 1, (size_t)(l->ways - 1 - w) * sizeof(int64_t));
    set[l->ways - 1] = FREE_WAY;
    return line;
}

/* SplitMix64 of a counter, scaled to [0, ways). */
static inline int64_t chain_draw(Level *l) {
    uint64_t z = ++l->draws * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    return (int64_t)(((z >> 32) * (uint64_t)l->ways) >> 32);
}

/* The way of a full set whose line goes. CLOCK passes over used lines from the oldest on, which become the youngest; SIEVE
 * from its hand to the youngest and on from the oldest, and leaves them where they are. */
static inline int64_t chain_choose(Level *l, int64_t *set) {
    const int64_t oldest = l->ways - 1;
    if (l->policy == CHAIN_RANDOM)
        return chain_draw(l);
    if (l->policy == CHAIN_CLOCK)
        while (set[oldest] & USED) {
            set[oldest] &= ~(int64_t)USED;
            chain_to_front(set, oldest);
        }
    if (l->policy == CHAIN_SIEVE) {
        int32_t *hand = &l->hand[(set - l->lines) / l->ways];
        int64_t older = *hand;
        for (; set[oldest - older] & USED; older = older == oldest ? 0 : older + 1)
            set[oldest - older] &= ~(int64_t)USED;
        *hand = older == oldest ? 0 : (int32_t)older;
        return oldest - older;
    }
    return oldest;
}

/* Put a line into its set as the youngest; returns the line driven out, or FREE_WAY. */
static inline int64_t chain_put(Level *l, int64_t *set, int64_t line) {
    int64_t w = l->ways - 1;
    l->fills++;
    if (set[w] != FREE_WAY)
        w = chain_choose(l, set);
    const int64_t out = set[w];
    memmove(set + 1, set, (size_t)w * sizeof(int64_t));
    set[0] = line & ~(int64_t)USED;
    return out;
}

static inline int64_t chain_unit(const Chain *c, int32_t level, int64_t unit) {
    return c->shared && level == c->levels - 1 ? 0 : unit;
}

static void chain_insert(Chain *c, int32_t level, int64_t unit, int64_t index, int64_t line);

/* Take a block out of the private caches of all cores; was it dirty in any? */
static int64_t chain_invalidate(Chain *c, int64_t block) {
    int64_t dirty = 0;
    for (int32_t k = 0; k < c->levels - 1; k++)
        for (int64_t unit = 0; unit < c->cores; unit++) {
            Level *l = &c->level[k];
            int64_t *set = chain_set(l, unit, block);
            const int64_t w = chain_find(l, set, block);
            if (w >= 0)
                dirty |= chain_take(l, set, w) & DIRTY;
        }
    return dirty;
}

/* Does any core hold a block in its private caches? */
static int32_t chain_elsewhere(const Chain *c, int64_t block) {
    for (int32_t k = c->levels - 2; k >= 0; k--)
        for (int64_t unit = 0; unit < c->cores; unit++)
            if (chain_find(&c->level[k], chain_set(&c->level[k], unit, block), block) >= 0)
                return 1;
    return 0;
}

/* A line has been driven out of a level. */
static void chain_leave(Chain *c, int32_t level, int64_t unit, int64_t line) {
    const int64_t block = line >> LINE_SHIFT;
    int64_t dirty = line & DIRTY;
    if (level == c->levels - 1) {
        if (c->inclusion == INCLUSIVE && c->levels > 1)
            dirty |= chain_invalidate(c, block);
        if (dirty) {
            c->level[level].writebacks++;
            c->victims[c->victim_count++] = block;
        }
        return;
    }
    c->level[level].writebacks += dirty;
    const int32_t next = level + 1;
    const int32_t moves = c->inclusion == EXCLUSIVE && c->shared && next == c->levels - 1;
    if (!dirty && !moves)
        return;
    Level *l = &c->level[next];
    const int64_t below = chain_unit(c, next, unit);
    int64_t *set = chain_set(l, below, block);
    const int64_t w = chain_find(l, set, block);
    if (w < 0) {
        chain_insert(c, next, below, block, line);
    } else if (dirty) {
        l->fills++;
        set[w] |= DIRTY;
    }
}

static void chain_insert(Chain *c, int32_t level, int64_t unit, int64_t index, int64_t line) {
    Level *l = &c->level[level];
    const int64_t out = chain_put(l, chain_set(l, unit, index), line);
    if (out != FREE_WAY)
        chain_leave(c, level, unit, out);
}

/* One access; returns the level that has the block, or the number of levels: memory. `brought_in` tells whether memory is
 * read for it, `through` whether the write itself goes to memory. Dirty blocks driven out to memory are in `victims`. */
static int32_t chain_access(Chain *c, int64_t unit, int64_t index, int64_t block, int32_t write, int32_t keep_out,
                            int32_t *brought_in, int32_t *through) {
    const int32_t last = c->levels - 1, exclusive = c->inclusion == EXCLUSIVE && c->shared && last > 0;
    int32_t found = c->levels;
    int64_t dirty = 0;
    c->victim_count = 0;
    *brought_in = *through = 0;
    for (int32_t k = 0; k <= last; k++) {
        Level *l = &c->level[k];
        int64_t *set = chain_set(l, chain_unit(c, k, unit), index);
        const int64_t w = chain_find(l, set, block);
        l->lookups++;
        if (w < 0)
            continue;
        l->hits++;
        found = k;
        if (exclusive && k == last)
            dirty = chain_take(l, set, w) & DIRTY;
        else if (l->policy == CHAIN_LRU)
            chain_to_front(set, w);
        else
            set[w] |= USED;
        break;
    }
    if (found > last && c->shared && last > 0 && c->inclusion != INCLUSIVE && chain_elsewhere(c, block)) {
        found = last; /* another core has it and passes it on */
        c->level[last].hits++;
    }
    if (found > last) {
        if (write && (!c->allocate_writes || keep_out)) {
            *through = 1;
            return found;
        }
        *brought_in = 1;
        if (keep_out)
            return found;
    }
    const int32_t outermost = found <= last ? found - 1 : exclusive ? last - 1 : last;
    for (int32_t k = outermost; k >= 0; k--)
        chain_insert(c, k, chain_unit(c, k, unit), index, block << LINE_SHIFT | (k == outermost ? dirty : 0));
    if (write && c->write_back) {
        Level *l = &c->level[0];
        int64_t *set = chain_set(l, chain_unit(c, 0, unit), index);
        set[chain_find(l, set, block)] |= DIRTY;
    } else if (write) {
        *through = 1;
    }
    return found;
}

#endif
