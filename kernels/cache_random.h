/* Random: the entry to replace is drawn by SplitMix64 from the number of evictions so far. `where` is the entry plus one. */
#ifndef ARCHSIM_CACHE_RANDOM_H
#define ARCHSIM_CACHE_RANDOM_H

#include "cache_base.h"

typedef struct {
    uint32_t *object;  /* by entry */
    uint32_t count, entries;
    uint64_t drawn;    /* state of the generator */
} Random;

static int random_make(Random *p, const Setup *s, const Table *t) {
    (void)t;
    p->count = 0;
    p->entries = (uint32_t)s->entries;
    p->drawn = s->seed;
    p->object = (uint32_t *)zeroed(sizeof(uint32_t) * (size_t)s->entries);
    return !p->object;
}

static void random_unmake(Random *p) { free(p->object); }
static int64_t random_bytes(const Random *p) { return (int64_t)p->entries * 4; }
INLINE int64_t random_room(const Random *p) { return (void)p, INT64_MAX; }
static int random_renew(Random *p, Table *t) { return (void)p, (void)t, 0; }
INLINE int random_tracked(const Random *p, uint32_t where) { return (void)p, where != 0; }
INLINE void random_moved(Random *p, uint32_t where, uint32_t ref) { p->object[where - 1] = ref; }

INLINE uint64_t split_mix(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

INLINE int random_access(Random *p, const Table *t, uint32_t *where, uint32_t ref, int hashed) {
    uint32_t entry;
    if (*where)
        return 1;
    if (LIKELY(p->count == p->entries)) {
        entry = (uint32_t)((split_mix(&p->drawn) >> 32) * p->entries >> 32);
        *where_at(t, p->object[entry], hashed) = 0;
    } else {
        entry = p->count++;
    }
    p->object[entry] = ref;
    *where = entry + 1;
    return 0;
}

#endif
