/* W-TinyLFU: a window (LRU) before a main cache (segmented LRU: probation, protected), and a counting Bloom filter that
 * says who may pass. `where` is the entry, which counts from 1, its top two bits where it is. */
#ifndef ARCHSIM_CACHE_WTINYLFU_H
#define ARCHSIM_CACHE_WTINYLFU_H

#include "cache_base.h"

enum { WINDOW = 2, SKETCH_HASHES = 10, HALVE_AFTER = 32 };
/* Counters per entry of the main cache: those of a Bloom filter with one false answer in a thousand. */
static const double SKETCH_DENSITY = 14.37758756605117;

typedef struct {
    Pool pool;
    Segment segment[3];        /* probation, protected, window */
    uint16_t *counter;
    uint64_t counters, magic;  /* how many; 2^64 / counters, rounded up, to take remainders with */
    uint32_t main_most;
    int64_t hits, halve_at;    /* hits in the main cache since the counters were halved */
} Wtinylfu;

static int wtinylfu_make(Wtinylfu *p, const Setup *s, const Table *t) {
    int64_t window = (int64_t)((double)s->entries * s->ratio[0]), main;
    memset(p, 0, sizeof *p);
    main = s->entries - (window > 1 ? window : 1);
    p->main_most = (uint32_t)main;
    p->segment[0].most = (uint32_t)(main < 5 ? main > 0 : main / 5);
    p->segment[1].most = (uint32_t)(main < 5 ? main - (main > 0) : main * 4 / 5);
    p->halve_at = HALVE_AFTER * main;
    double density = SKETCH_DENSITY * (double)main;
    p->counters = (uint64_t)density + (density > (double)(uint64_t)density);
    if (p->counters < SKETCH_HASHES)
        p->counters = 2 * SKETCH_HASHES;
    p->magic = UINT64_MAX / p->counters + 1;
    p->counter = (uint16_t *)zeroed(sizeof(uint16_t) * p->counters);
    return pool_make(&p->pool, s->entries, t) || !p->counter;
}

static void wtinylfu_unmake(Wtinylfu *p) {
    free(p->pool.entry);
    free(p->counter);
}

static int64_t wtinylfu_bytes(const Wtinylfu *p) {
    return pool_bytes(&p->pool) + (int64_t)p->counters * 2;
}

INLINE int64_t wtinylfu_room(const Wtinylfu *p) { return (void)p, INT64_MAX; }
static int wtinylfu_renew(Wtinylfu *p, Table *t) { return (void)p, (void)t, 0; }
INLINE int wtinylfu_tracked(const Wtinylfu *p, uint32_t where) { return (void)p, where != 0; }

INLINE void wtinylfu_moved(Wtinylfu *p, uint32_t where, uint32_t ref) {
    p->pool.entry[ENTRY_OF(where)].object = ref;
}

INLINE uint64_t rotated(uint64_t x, int by) { return x << by | x >> (64 - by); }

/* XXH64 of one 64-bit word. */
INLINE uint64_t xxh64(uint64_t word, uint64_t seed) {
    const uint64_t p1 = 0x9E3779B185EBCA87u, p2 = 0xC2B2AE3D27D4EB4Fu, p3 = 0x165667B19E3779F9u, p4 = 0x85EBCA77C2B2AE63u;
    uint64_t h = seed + 0x27D4EB2F165667C5u + 8;
    h ^= rotated(word * p2, 31) * p1;
    h = rotated(h, 27) * p1 + p4;
    h = (h ^ h >> 33) * p2;
    h = (h ^ h >> 29) * p3;
    return h ^ h >> 32;
}

INLINE uint32_t remainder_of(const Wtinylfu *p, uint32_t x) {
#if defined(__SIZEOF_INT128__)
    return (uint32_t)((unsigned __int128)(p->magic * x) * p->counters >> 64);
#else
    return (uint32_t)(x % p->counters);
#endif
}

/* Where the counters of an object begin, and the step between them. */
typedef struct {
    uint32_t at, step;
} Walk;

INLINE Walk sketch_walk(const Table *t, uint32_t ref, int hashed) {
    uint64_t key = (uint64_t)(hashed ? key_at(t, ref, t->key != NULL) : (int64_t)ref) + 1;
    Walk walk = {(uint32_t)xxh64(key, 0x12345678), (uint32_t)xxh64(key, 0x12344321)};
    return walk;
}

INLINE void sketch_add(const Wtinylfu *p, Walk walk) {
    for (int i = 0; i < SKETCH_HASHES; i++, walk.at += walk.step) {
        uint16_t *counter = &p->counter[remainder_of(p, walk.at)];
        *counter = (uint16_t)(*counter + (*counter < UINT16_MAX));
    }
}

/* The counters of an object and the least of them. */
INLINE uint32_t sketch_read(const Wtinylfu *p, Walk walk, uint16_t *of[SKETCH_HASHES]) {
    uint32_t least = UINT16_MAX;
    for (int i = 0; i < SKETCH_HASHES; i++, walk.at += walk.step) {
        of[i] = &p->counter[remainder_of(p, walk.at)];
        least = *of[i] < least ? *of[i] : least;
    }
    return least;
}

INLINE int sketch_any_below(const Wtinylfu *p, Walk walk, uint32_t bound) {
    for (int i = 0; i < SKETCH_HASHES; i++, walk.at += walk.step)
        if (p->counter[remainder_of(p, walk.at)] < bound)
            return 1;
    return 0;
}

INLINE void wtinylfu_halve(Wtinylfu *p) {
    if (LIKELY(++p->hits < p->halve_at))
        return;
    p->hits = 0;
    for (uint64_t i = 0; i < p->counters; i++)
        p->counter[i] >>= 1;
}

/* Make room: the window's oldest goes to the main cache if that has room. If not, it or the main cache's first to go
 * leaves, whichever is asked for less often. */
INLINE void wtinylfu_evict(Wtinylfu *p, const Table *t, int hashed) {
    for (;;) {
        Entry *entry = p->pool.entry;
        Segment *window = &p->segment[WINDOW];
        uint32_t candidate = window->tail, object = entry[candidate].object;
        uint16_t *of[SKETCH_HASHES];
        uint32_t asked = sketch_read(p, sketch_walk(t, object, hashed), of);
        int full = p->segment[0].count + p->segment[1].count >= p->main_most, wins = !full;
        if (LIKELY(full && p->main_most)) {
            Segment *lowest = segments_lowest(p->segment);
            wins = sketch_any_below(p, sketch_walk(t, entry[lowest->tail].object, hashed), asked);
            if (wins)
                segment_drop(lowest, &p->pool, t, hashed);
        }
        for (int i = 0; i < SKETCH_HASHES; i++)
            *of[i] = (uint16_t)(*of[i] + (*of[i] < UINT16_MAX));
        if (wins) {
            segment_take(window, entry, candidate);
            segments_insert(p->segment, 2, entry, where_at(t, object, hashed), candidate);
        } else {
            segment_drop(window, &p->pool, t, hashed);
        }
        if (LIKELY(full))
            return;
    }
}

INLINE int wtinylfu_access(Wtinylfu *p, const Table *t, uint32_t *where, uint32_t ref, int hashed) {
    uint32_t at = *where;
    if (at >> SEGMENT_SHIFT == WINDOW) {
        segment_take(&p->segment[WINDOW], p->pool.entry, ENTRY_OF(at));
        segment_push(&p->segment[WINDOW], p->pool.entry, ENTRY_OF(at));
        return 1;
    }
    if (at) {
        segments_hit(p->segment, 2, &p->pool, t, where, hashed);
        sketch_add(p, sketch_walk(t, ref, hashed));
        wtinylfu_halve(p);
        return 1;
    }
    if (LIKELY(p->pool.count == p->pool.entries))
        wtinylfu_evict(p, t, hashed);
    at = pool_take(&p->pool);
    p->pool.entry[at].object = ref;
    segment_push(&p->segment[WINDOW], p->pool.entry, at);
    *where = at | (uint32_t)WINDOW << SEGMENT_SHIFT;
    sketch_add(p, sketch_walk(t, ref, hashed));
    return 0;
}

#endif
