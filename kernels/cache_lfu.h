/* LFU: lists of equal frequency, in order of frequency; who arrived first in the lowest list goes. `where` is the entry
 * plus one. */
#ifndef ARCHSIM_CACHE_LFU_H
#define ARCHSIM_CACHE_LFU_H

#include "cache_base.h"

typedef struct {
    uint32_t before, after, object, bucket;  /* neighbours in the list of the bucket; 0 is none, so entries count from 1 */
} LfuEntry;

typedef struct {
    uint64_t frequency;
    uint32_t first, last;     /* entries, oldest first */
    uint32_t lower, higher;   /* buckets; 0 is none */
} Bucket;

typedef struct {
    LfuEntry *entry;
    Bucket *bucket;
    uint32_t entries, count;
    uint32_t lowest, unused;  /* buckets: of the lowest frequency; chain of free ones, by `higher` */
    uint32_t buckets, taken;  /* made, and in use; number 0 is none */
} Lfu;

static int lfu_make(Lfu *p, const Setup *s, const Table *t) {
    (void)t;
    p->entries = (uint32_t)s->entries;
    p->count = p->lowest = p->unused = p->buckets = p->taken = 0;
    p->bucket = NULL;
    p->entry = (LfuEntry *)zeroed(sizeof(LfuEntry) * ((size_t)s->entries + 1));
    return !p->entry;
}

static void lfu_unmake(Lfu *p) {
    free(p->entry);
    free(p->bucket);
}

static int64_t lfu_bytes(const Lfu *p) {
    return ((int64_t)p->entries + 1) * (int64_t)sizeof(LfuEntry) + (int64_t)p->buckets * (int64_t)sizeof(Bucket);
}

/* An access takes at most one bucket more; there are never more than distinct frequencies among the resident. */
INLINE int64_t lfu_room(const Lfu *p) { return (int64_t)p->buckets - 1 - p->taken; }

static int lfu_renew(Lfu *p, Table *t) {
    uint32_t most = p->buckets ? p->buckets * 2 : 64;
    Bucket *bucket = (Bucket *)realloc(p->bucket, sizeof(Bucket) * most);
    (void)t;
    if (!bucket)
        return -1;
    for (uint32_t i = p->buckets ? p->buckets : 1; i < most; i++) {
        bucket[i].higher = p->unused;
        p->unused = i;
    }
    p->bucket = bucket;
    p->buckets = most;
    return 0;
}

INLINE int lfu_tracked(const Lfu *p, uint32_t where) { return (void)p, where != 0; }
INLINE void lfu_moved(Lfu *p, uint32_t where, uint32_t ref) { p->entry[where].object = ref; }

/* A new empty bucket above `lower` (0: below all). */
INLINE uint32_t lfu_bucket(Lfu *p, uint64_t frequency, uint32_t lower) {
    uint32_t made = p->unused, higher = lower ? p->bucket[lower].higher : p->lowest;
    Bucket *b = &p->bucket[made];
    p->unused = b->higher;
    p->taken++;
    b->frequency = frequency;
    b->first = b->last = 0;
    b->lower = lower;
    b->higher = higher;
    if (higher)
        p->bucket[higher].lower = made;
    if (lower)
        p->bucket[lower].higher = made;
    else
        p->lowest = made;
    return made;
}

INLINE void lfu_append(Lfu *p, uint32_t bucket, uint32_t entry) {
    Bucket *b = &p->bucket[bucket];
    LfuEntry *e = &p->entry[entry];
    e->bucket = bucket;
    e->before = b->last;
    e->after = 0;
    if (b->last)
        p->entry[b->last].after = entry;
    else
        b->first = entry;
    b->last = entry;
}

INLINE void lfu_unlink(Lfu *p, uint32_t entry) {
    const LfuEntry e = p->entry[entry];
    Bucket *b = &p->bucket[e.bucket];
    if (e.before)
        p->entry[e.before].after = e.after;
    else
        b->first = e.after;
    if (e.after)
        p->entry[e.after].before = e.before;
    else
        b->last = e.before;
    if (b->first)
        return;
    if (b->higher)
        p->bucket[b->higher].lower = b->lower;
    if (b->lower)
        p->bucket[b->lower].higher = b->higher;
    else
        p->lowest = b->higher;
    b->higher = p->unused;
    p->unused = e.bucket;
    p->taken--;
}

INLINE void lfu_hit(Lfu *p, uint32_t entry) {
    uint32_t from = p->entry[entry].bucket, to = p->bucket[from].higher;
    uint64_t frequency = p->bucket[from].frequency + 1;
    if (!to || p->bucket[to].frequency != frequency) {
        if (p->bucket[from].first == p->bucket[from].last) {
            p->bucket[from].frequency = frequency;
            return;
        }
        to = lfu_bucket(p, frequency, from);
    }
    lfu_unlink(p, entry);
    lfu_append(p, to, entry);
}

INLINE int lfu_access(Lfu *p, const Table *t, uint32_t *where, uint32_t ref, int hashed) {
    uint32_t entry = *where;
    if (entry) {
        lfu_hit(p, entry);
        return 1;
    }
    if (LIKELY(p->count == p->entries)) {
        entry = p->bucket[p->lowest].first;
        *where_at(t, p->entry[entry].object, hashed) = 0;
        lfu_unlink(p, entry);
    } else {
        entry = ++p->count;
    }
    if (!p->lowest || p->bucket[p->lowest].frequency != 1)
        lfu_bucket(p, 1, 0);
    lfu_append(p, p->lowest, entry);
    p->entry[entry].object = ref;
    *where = entry;
    return 0;
}

#endif
