/* LRU without a list. `where` is the place of the latest access; the boundary `oldest` is moved so that as many objects
 * have a place beyond it as the cache holds. Nothing branches on hit or miss once the cache is full. */
#ifndef ARCHSIM_CACHE_LRU_H
#define ARCHSIM_CACHE_LRU_H

#include "cache_base.h"

typedef struct {
    Line line;
    uint32_t oldest;  /* resident: places from here on */
    int64_t free;
} Lru;

static const int64_t LRU_MOST = UINT32_MAX & ~(int64_t)63;

static int lru_make(Lru *p, const Setup *s, const Table *t) {
    p->oldest = FIRST_PLACE;
    p->free = s->entries;
    return line_make(&p->line, line_length(s, t), LRU_MOST);
}

static void lru_unmake(Lru *p) { free(p->line.gone); }
static int64_t lru_bytes(const Lru *p) { return line_bytes(&p->line); }
INLINE int64_t lru_room(const Lru *p) { return (int64_t)p->line.limit - p->line.next; }

static int lru_renew(Lru *p, Table *t) {
    int64_t by = line_renew(&p->line, p->oldest, LRU_MOST);
    if (by < 0)
        return -1;
    table_lower(t, 0, 0, p->oldest, (uint32_t)by);
    p->oldest -= (uint32_t)by;
    return 0;
}

INLINE int lru_tracked(const Lru *p, uint32_t where) { return where >= p->oldest; }
INLINE void lru_moved(Lru *p, uint32_t where, uint32_t ref) { (void)p, (void)where, (void)ref; }

INLINE int lru_access(Lru *p, const Table *t, uint32_t *where, uint32_t ref, int hashed) {
    uint32_t old = *where, hit = old >= p->oldest;
    (void)t, (void)ref, (void)hashed;
    *where = p->line.next++;
    line_leave_if(&p->line, old, hit);
    if (LIKELY(p->free == 0)) {
        uint32_t victim = line_first(&p->line, p->oldest);
        p->oldest += (victim + 1 - p->oldest) & (hit - 1); /* a choice that no compiler makes a branch */
    } else {
        p->free -= !hit;
    }
    return (int)hit;
}

#endif
