/* FIFO by numbers alone: `where` counts the insertions, and the youngest `entries` of them are resident. */
#ifndef ARCHSIM_CACHE_FIFO_H
#define ARCHSIM_CACHE_FIFO_H

#include "cache_base.h"

typedef struct {
    uint32_t next, oldest;  /* number of the next insertion; of the oldest resident object */
    int64_t free, limit;
} Fifo;

static int fifo_make(Fifo *p, const Setup *s, const Table *t) {
    (void)t;
    p->next = p->oldest = 1;
    p->free = s->entries;
    p->limit = s->line_bits && s->line_bits > 2 * s->entries + 64 ? s->line_bits : UINT32_MAX;
    return 0;
}

static void fifo_unmake(Fifo *p) { (void)p; }
static int64_t fifo_bytes(const Fifo *p) { return (void)p, 0; }
INLINE int64_t fifo_room(const Fifo *p) { return p->limit - p->next; }

static int fifo_renew(Fifo *p, Table *t) {
    uint32_t by = p->oldest - 1;
    if (!by)
        return -1;
    table_lower(t, 0, 0, p->oldest, by);
    p->oldest -= by;
    p->next -= by;
    return 0;
}

INLINE int fifo_tracked(const Fifo *p, uint32_t where) { return where >= p->oldest; }
INLINE void fifo_moved(Fifo *p, uint32_t where, uint32_t ref) { (void)p, (void)where, (void)ref; }

INLINE int fifo_access(Fifo *p, const Table *t, uint32_t *where, uint32_t ref, int hashed) {
    uint32_t old = *where, miss = old < p->oldest;
    (void)t, (void)ref, (void)hashed;
    *where = miss ? p->next : old;
    p->next += miss;
    if (LIKELY(p->free == 0))
        p->oldest += miss;
    else
        p->free -= miss;
    return (int)!miss;
}

#endif
