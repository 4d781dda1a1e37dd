/* Segmented LRU: lists, the least first. `where` is the entry, which counts from 1, its top two bits the segment. */
#include "cache_base.h"

enum { SEGMENT_SHIFT = 30, SEGMENTS_MOST = 4 };

typedef struct {
    uint32_t before, after, object;  /* before: nearer to the most recently used; 0 is none */
} Entry;

typedef struct {
    uint32_t head, tail, count, most;
} Segment;

typedef struct {
    Entry *entry;
    Segment segment[SEGMENTS_MOST];
    uint32_t entries, count, segments;
} Slru;

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

static int slru_make(Slru *p, const Setup *s, const Table *t) {
    (void)t;
    memset(p, 0, sizeof *p);
    p->entries = (uint32_t)s->entries;
    p->segments = (uint32_t)s->number[0];
    for (uint32_t i = 0; i < p->segments; i++)
        p->segment[i].most = p->entries / p->segments;
    p->segment[0].most += p->entries % p->segments;
    p->entry = (Entry *)zeroed(sizeof(Entry) * ((size_t)s->entries + 1));
    return !p->entry;
}

static void slru_unmake(Slru *p) { free(p->entry); }
static int64_t slru_bytes(const Slru *p) { return ((int64_t)p->entries + 1) * (int64_t)sizeof(Entry); }
INLINE int64_t slru_room(const Slru *p) { return (void)p, INT64_MAX; }
static int slru_renew(Slru *p, Table *t) { return (void)p, (void)t, 0; }
INLINE int slru_tracked(const Slru *p, uint32_t where) { return (void)p, where != 0; }

INLINE void slru_moved(Slru *p, uint32_t where, uint32_t ref) {
    p->entry[where & (((uint32_t)1 << SEGMENT_SHIFT) - 1)].object = ref;
}

/* An accessed entry climbs one segment; what then overflows a segment falls to the head of the one below. */
INLINE void segments_hit(Segment *segment, uint32_t segments, Entry *entry, const Table *t, uint32_t *where, int hashed) {
    uint32_t at = *where & (((uint32_t)1 << SEGMENT_SHIFT) - 1), from = *where >> SEGMENT_SHIFT;
    uint32_t to = from + 1 < segments ? from + 1 : from;
    segment_take(&segment[from], entry, at);
    segment_push(&segment[to], entry, at);
    *where = at | to << SEGMENT_SHIFT;
    for (; to > from && segment[to].count > segment[to].most; to--) {
        uint32_t falls = segment[to].tail;
        segment_take(&segment[to], entry, falls);
        segment_push(&segment[to - 1], entry, falls);
        *where_at(t, entry[falls].object, hashed) = falls | (to - 1) << SEGMENT_SHIFT;
    }
}

/* Put an entry at the head of the lowest segment that has room; there is one. */
INLINE void segments_insert(Segment *segment, Entry *entry, uint32_t *where, uint32_t at) {
    uint32_t i = 0;
    while (segment[i].count >= segment[i].most)
        i++;
    segment_push(&segment[i], entry, at);
    *where = at | i << SEGMENT_SHIFT;
}

/* The tail of the lowest segment that is not empty. */
INLINE uint32_t segments_lowest(const Segment *segment) {
    uint32_t i = 0;
    while (!segment[i].count)
        i++;
    return i;
}

INLINE int slru_access(Slru *p, const Table *t, uint32_t *where, uint32_t ref, int hashed) {
    uint32_t at;
    if (*where) {
        segments_hit(p->segment, p->segments, p->entry, t, where, hashed);
        return 1;
    }
    if (LIKELY(p->count == p->entries)) {
        Segment *lowest = &p->segment[segments_lowest(p->segment)];
        at = lowest->tail;
        segment_take(lowest, p->entry, at);
        *where_at(t, p->entry[at].object, hashed) = 0;
    } else {
        at = ++p->count;
    }
    p->entry[at].object = ref;
    segments_insert(p->segment, p->entry, where, at);
    return 0;
}
