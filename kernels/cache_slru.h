/* Segmented LRU: lists, the least first. `where` is the entry, which counts from 1, its top two bits the segment. */
#ifndef ARCHSIM_CACHE_SLRU_H
#define ARCHSIM_CACHE_SLRU_H

#include "cache_base.h"

enum { SEGMENT_SHIFT = 30, SEGMENTS_MOST = 4 };

typedef struct {
    uint32_t before, after, object;  /* before: nearer to the most recently used; 0 is none */
} Entry;

typedef struct {
    uint32_t head, tail, count, most;
} Segment;

/* Entries, of which `count` are in use; those given back are chained by `after`. */
typedef struct {
    Entry *entry;
    uint32_t entries, count, made, unused;
} Pool;

typedef struct {
    Pool pool;
    Segment segment[SEGMENTS_MOST];
    uint32_t segments;
} Slru;

#define ENTRY_OF(where) ((where) & (((uint32_t)1 << SEGMENT_SHIFT) - 1))

static int pool_make(Pool *p, int64_t entries, const Table *t) {
    memset(p, 0, sizeof *p);
    if (t->dense && entries > (int64_t)t->size)
        entries = (int64_t)t->size; /* more are never in use */
    p->entries = (uint32_t)entries;
    p->entry = (Entry *)zeroed(sizeof(Entry) * ((size_t)entries + 1));
    return !p->entry;
}

static int64_t pool_bytes(const Pool *p) { return ((int64_t)p->entries + 1) * (int64_t)sizeof(Entry); }

INLINE uint32_t pool_take(Pool *p) {
    uint32_t at = p->unused;
    p->count++;
    if (LIKELY(!at))
        return ++p->made;
    p->unused = p->entry[at].after;
    return at;
}

INLINE void pool_give(Pool *p, uint32_t at) {
    p->entry[at].after = p->unused;
    p->unused = at;
    p->count--;
}

INLINE void segment_push(Segment *s, Entry *entry, uint32_t at) {
    entry[at].before = 0;
    entry[at].after = s->head;
    if (s->head)
        entry[s->head].before = at;
    else
        s->tail = at;
    s->head = at;
    s->count++;
}

INLINE void segment_take(Segment *s, Entry *entry, uint32_t at) {
    const Entry e = entry[at];
    if (e.before)
        entry[e.before].after = e.after;
    else
        s->head = e.after;
    if (e.after)
        entry[e.after].before = e.before;
    else
        s->tail = e.before;
    s->count--;
}

/* The tail of a segment leaves the cache. */
INLINE void segment_drop(Segment *s, Pool *pool, const Table *t, int hashed) {
    uint32_t at = s->tail;
    segment_take(s, pool->entry, at);
    *where_at(t, pool->entry[at].object, hashed) = 0;
    pool_give(pool, at);
}

/* An accessed entry climbs one segment; what then overflows a segment falls to the head of the one below, and from the
 * lowest out of the cache, should that have been overfull. */
INLINE void segments_hit(Segment *segment, uint32_t segments, Pool *pool, const Table *t, uint32_t *where, int hashed) {
    uint32_t at = ENTRY_OF(*where), from = *where >> SEGMENT_SHIFT, to = from + 1 < segments ? from + 1 : from;
    int fell = 0;
    segment_take(&segment[from], pool->entry, at);
    segment_push(&segment[to], pool->entry, at);
    *where = at | to << SEGMENT_SHIFT;
    for (; to > 0 && segment[to].count > segment[to].most; to--) {
        uint32_t falls = segment[to].tail;
        segment_take(&segment[to], pool->entry, falls);
        segment_push(&segment[to - 1], pool->entry, falls);
        *where_at(t, pool->entry[falls].object, hashed) = falls | (to - 1) << SEGMENT_SHIFT;
        fell = to == 1;
    }
    while (UNLIKELY(fell && segment[0].count > segment[0].most))
        segment_drop(&segment[0], pool, t, hashed);
}

/* Put an entry at the head of the lowest segment that has room, or of the lowest. */
INLINE void segments_insert(Segment *segment, uint32_t segments, Entry *entry, uint32_t *where, uint32_t at) {
    uint32_t i = 0;
    while (i < segments && segment[i].count >= segment[i].most)
        i++;
    i = i < segments ? i : 0;
    segment_push(&segment[i], entry, at);
    *where = at | i << SEGMENT_SHIFT;
}

/* The lowest segment that is not empty. */
INLINE Segment *segments_lowest(Segment *segment) {
    while (!segment->count)
        segment++;
    return segment;
}

static int slru_make(Slru *p, const Setup *s, const Table *t) {
    memset(p, 0, sizeof *p);
    p->segments = s->entries < s->number[0] ? 1 : (uint32_t)s->number[0];
    for (uint32_t i = 0; i < p->segments; i++)
        p->segment[i].most = (uint32_t)s->entries / p->segments;
    return pool_make(&p->pool, s->entries, t);
}

static void slru_unmake(Slru *p) { free(p->pool.entry); }
static int64_t slru_bytes(const Slru *p) { return pool_bytes(&p->pool); }
INLINE int64_t slru_room(const Slru *p) { return (void)p, INT64_MAX; }
static int slru_renew(Slru *p, Table *t) { return (void)p, (void)t, 0; }
INLINE int slru_tracked(const Slru *p, uint32_t where) { return (void)p, where != 0; }
INLINE void slru_moved(Slru *p, uint32_t where, uint32_t ref) { p->pool.entry[ENTRY_OF(where)].object = ref; }

INLINE int slru_access(Slru *p, const Table *t, uint32_t *where, uint32_t ref, int hashed) {
    uint32_t at;
    if (*where) {
        segments_hit(p->segment, p->segments, &p->pool, t, where, hashed);
        return 1;
    }
    if (LIKELY(p->pool.count == p->pool.entries))
        segment_drop(segments_lowest(p->segment), &p->pool, t, hashed);
    at = pool_take(&p->pool);
    p->pool.entry[at].object = ref;
    segments_insert(p->segment, p->segments, p->pool.entry, where, at);
    return 0;
}

#endif
