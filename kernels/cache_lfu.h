/* LFU: one list of all entries in order of count, and of arrival at it; the first goes. Entries of equal count are a
 * group, which keeps its last entry and its count, so that another can join behind it. A group of one needs no record:
 * its count stands with the entry. So groups take at most half a record per entry.
 *
 * `where` is the entry plus one. If most of the ids can be in the cache, entries are the ids themselves instead, and
 * `where` is the entry's group: then who an entry is need not be kept. */
#ifndef ARCHSIM_CACHE_LFU_H
#define ARCHSIM_CACHE_LFU_H

#include "cache_base.h"

typedef struct {
    uint32_t before, after;
} LfuLink;

typedef struct {
    uint32_t last, count;  /* of a free one `last` is the next free one */
} LfuGroup;

typedef struct {
    LfuLink *link;         /* by entry; the end of the list is one entry more, before the first and after the last */
    uint32_t *object;      /* by entry; NULL: entries are ids */
    uint32_t *group;       /* by entry: number of its group, or LFU_ALONE and its count */
    LfuGroup *many;        /* by number, from 1 on */
    uint32_t end, entries, count, unused;
} Lfu;

/* Counts stop at LFU_MOST. */
static const uint32_t LFU_ALONE = 0x80000000u, LFU_MOST = 0x7FFFFFFFu;

static int lfu_make(Lfu *p, const Setup *s, const Table *t) {
    int64_t objects = t->dense ? (int64_t)t->size : INT64_MAX;
    int64_t entries = s->entries < objects ? s->entries : objects; /* as good as more */
    int by_id = entries > objects / 5 * 3;
    memset(p, 0, sizeof *p);
    p->entries = (uint32_t)entries;
    p->end = (uint32_t)(by_id ? objects : entries);
    p->link = (LfuLink *)zeroed(sizeof(LfuLink) * ((size_t)p->end + 1));
    p->many = (LfuGroup *)zeroed(sizeof(LfuGroup) * (size_t)(entries / 2 + 1));
    p->object = by_id ? NULL : (uint32_t *)zeroed(sizeof(uint32_t) * (size_t)entries);
    p->group = by_id ? t->dense : (uint32_t *)zeroed(sizeof(uint32_t) * ((size_t)entries + 1));
    if (!p->link || !p->many || !p->group || !(p->object || by_id))
        return -1;
    p->link[p->end].before = p->link[p->end].after = p->end;
    p->group[p->end] = LFU_ALONE; /* a count that none joins */
    for (uint32_t i = p->entries / 2; i > 0; i--) {
        p->many[i].last = p->unused;
        p->unused = i;
    }
    return 0;
}

static void lfu_unmake(Lfu *p) {
    free(p->link);
    free(p->many);
    if (p->object)
        free(p->group);
    free(p->object);
}

static int64_t lfu_bytes(const Lfu *p) {
    return ((int64_t)p->end + 1) * (int64_t)sizeof(LfuLink) + ((int64_t)p->entries / 2 + 1) * (int64_t)sizeof(LfuGroup) +
           (p->object ? (int64_t)p->entries * 8 + 4 : 0);
}

INLINE int64_t lfu_room(const Lfu *p) { return (void)p, INT64_MAX; }
static int lfu_renew(Lfu *p, Table *t) { return (void)p, (void)t, 0; }
INLINE int lfu_tracked(const Lfu *p, uint32_t where) { return (void)p, where != 0; }
INLINE void lfu_moved(Lfu *p, uint32_t where, uint32_t ref) { p->object[where - 1] = ref; }

INLINE void lfu_insert(Lfu *p, uint32_t entry, uint32_t before) {
    uint32_t after = p->link[before].after;
    p->link[entry].before = before;
    p->link[entry].after = after;
    p->link[before].after = entry;
    p->link[after].before = entry;
}

/* Take an entry out of the list and out of its group, which may be left with one. */
INLINE void lfu_leave(Lfu *p, uint32_t entry) {
    const LfuLink link = p->link[entry];
    uint32_t group = p->group[entry];
    p->link[link.before].after = link.after;
    p->link[link.after].before = link.before;
    if (group & LFU_ALONE)
        return;
    LfuGroup *many = &p->many[group];
    many->last = many->last == entry ? link.before : many->last;
    uint32_t last = many->last;
    if (p->group[p->link[last].before] == group)
        return;
    p->group[last] = LFU_ALONE | many->count;
    many->last = p->unused;
    p->unused = group;
}

/* Put an entry behind the last of the group that `member` belongs to. */
INLINE void lfu_join(Lfu *p, uint32_t entry, uint32_t member) {
    uint32_t group = p->group[member];
    if (group & LFU_ALONE) {
        p->group[member] = p->unused;
        p->unused = p->many[p->unused].last;
        p->many[p->group[member]].count = group & LFU_MOST;
        p->many[p->group[member]].last = member;
        group = p->group[member];
    }
    lfu_insert(p, entry, p->many[group].last);
    p->many[group].last = entry;
    p->group[entry] = group;
}

INLINE uint32_t lfu_count(const Lfu *p, uint32_t entry) {
    uint32_t group = p->group[entry];
    return group & LFU_ALONE ? group & LFU_MOST : p->many[group].count;
}

INLINE void lfu_hit(Lfu *p, uint32_t entry) {
    uint32_t group = p->group[entry], count = lfu_count(p, entry);
    uint32_t last = group & LFU_ALONE ? entry : p->many[group].last, next = p->link[last].after;
    if (UNLIKELY(count == LFU_MOST))
        return;
    if (lfu_count(p, next) == count + 1) {
        lfu_leave(p, entry);
        lfu_join(p, entry, next);
        return;
    }
    if (!(group & LFU_ALONE)) {
        lfu_leave(p, entry);
        lfu_insert(p, entry, p->link[next].before);
    }
    p->group[entry] = LFU_ALONE | (count + 1);
}

INLINE int lfu_access(Lfu *p, const Table *t, uint32_t *where, uint32_t ref, int hashed) {
    int by_id = !hashed && !p->object;
    uint32_t entry = by_id ? ref : *where - 1, first;
    if (*where) {
        lfu_hit(p, entry);
        return 1;
    }
    if (LIKELY(p->count == p->entries)) {
        uint32_t leaves = p->link[p->end].after;
        lfu_leave(p, leaves);
        *(by_id ? &p->group[leaves] : where_at(t, p->object[leaves], hashed)) = 0;
        entry = by_id ? ref : leaves;
    } else {
        entry = by_id ? ref : p->count;
        p->count++;
    }
    first = p->link[p->end].after;
    if (lfu_count(p, first) == 1) {
        lfu_join(p, entry, first);
    } else {
        lfu_insert(p, entry, p->end);
        p->group[entry] = LFU_ALONE | 1;
    }
    if (!by_id) {
        p->object[entry] = ref;
        *where = entry + 1;
    }
    return 0;
}

#endif
