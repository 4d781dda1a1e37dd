/* CLOCK with one bit: a ring of entries and a bit for each. `where` is the entry plus one. */
#ifndef ARCHSIM_CACHE_CLOCK_H
#define ARCHSIM_CACHE_CLOCK_H

#include "cache_base.h"

typedef struct {
    uint32_t *object;  /* by entry: who is in it */
    uint64_t *bit;     /* by entry: accessed since the hand passed; 0 beyond the last entry */
    uint32_t hand, count, entries;
} Clock;

static int clock_make(Clock *p, const Setup *s, const Table *t) {
    (void)t;
    p->hand = p->count = 0;
    p->entries = (uint32_t)s->entries;
    p->object = (uint32_t *)zeroed(sizeof(uint32_t) * (size_t)s->entries);
    p->bit = (uint64_t *)zeroed((size_t)s->entries / 8 + 16);
    return !p->object || !p->bit;
}

static void clock_unmake(Clock *p) {
    free(p->object);
    free(p->bit);
}

static int64_t clock_bytes(const Clock *p) { return (int64_t)p->entries * 4 + p->entries / 8; }
INLINE int64_t clock_room(const Clock *p) { return (void)p, INT64_MAX; }
static int clock_renew(Clock *p, Table *t) { return (void)p, (void)t, 0; }
INLINE int clock_tracked(const Clock *p, uint32_t where) { return (void)p, where != 0; }
INLINE void clock_moved(Clock *p, uint32_t where, uint32_t ref) { p->object[where - 1] = ref; }

/* Move the hand to the first entry without a bit, taking the bits it passes. */
INLINE uint32_t clock_evict(Clock *p) {
    for (;;) {
        uint32_t at = p->hand >> 6;
        uint64_t ahead = ~(uint64_t)0 << (p->hand & 63), clear = ~p->bit[at] & ahead;
        if (LIKELY(clear != 0)) {
            uint32_t entry = at * 64 + lowest_one(clear);
            p->bit[at] &= ~(ahead & ((clear & (0 - clear)) - 1));
            if (LIKELY(entry < p->entries)) {
                p->hand = entry + 1 == p->entries ? 0 : entry + 1;
                return entry;
            }
            p->hand = 0;
        } else {
            p->bit[at] &= ~ahead;
            p->hand = (at + 1) * 64 < p->entries ? (at + 1) * 64 : 0;
        }
    }
}

INLINE int clock_access(Clock *p, const Table *t, uint32_t *where, uint32_t ref, int hashed) {
    if (*where) {
        uint32_t entry = *where - 1;
        p->bit[entry >> 6] |= (uint64_t)1 << (entry & 63);
        return 1;
    }
    uint32_t entry;
    if (LIKELY(p->count == p->entries)) {
        entry = clock_evict(p);
        if (table_is_far(t) && entry + SOON < p->entries)
            PREFETCH(where_at(t, p->object[entry + SOON], hashed));
        *where_at(t, p->object[entry], hashed) = 0;
    } else {
        entry = p->count++;
    }
    p->object[entry] = ref;
    *where = entry + 1;
    return 0;
}

#endif
