/* W-TinyLFU: a window (LRU) before a main cache (segmented LRU: probation, protected), and a counting Bloom filter that
 * says who may pass. `where` is the entry, which counts from 1, its top two bits where it is. */
#include "cache_base.h"

enum { WINDOW = 2, SKETCH_HASHES = 10, HALVE_AFTER = 32 };
/* Counters per entry of the main cache: those of a Bloom filter with one false answer in a thousand. */
static const double SKETCH_DENSITY = 14.37758756605117;

typedef struct {
    Entry *entry;
    Segment segment[3];        /* probation, protected, window */
    uint16_t *counter;
    uint64_t counters, magic;  /* how many; 2^64 / counters, rounded up, to take remainders with */
    uint32_t entries, count, main_most;
    int64_t hits, halve_at;    /* hits in the main cache since the counters were halved */
} Wtinylfu;

static int wtinylfu_make(Wtinylfu *p, const Setup *s, const Table *t) {
    int64_t window = (int64_t)((double)s->entries * s->ratio[0]), main;
    (void)t;
    memset(p, 0, sizeof *p);
    main = s->entries - (window > 1 ? window : 1);
    p->entries = (uint32_t)s->entries;
    p->main_most = (uint32_t)main;
    p->segment[1].most = (uint32_t)((double)main * 4 / 5);
    p->segment[0].most = p->main_most - p->segment[1].most;
    p->halve_at = HALVE_AFTER * main;
    double density = SKETCH_DENSITY * (double)main;
    p->counters = (uint64_t)density + (density > (double)(uint64_t)density);
    if (p->counters < SKETCH_HASHES)
        p->counters = 2 * SKETCH_HASHES;
    p->magic = UINT64_MAX / p->counters + 1;
    p->counter = (uint16_t *)zeroed(sizeof(uint16_t) * p->counters);
    p->entry = (Entry *)zeroed(sizeof(Entry) * ((size_t)s->entries + 1));
    return !p->entry || !p->counter;
}

static void wtinylfu_unmake(Wtinylfu *p) {
    free(p->entry);
    free(p->counter);
}

static int64_t wtinylfu_bytes(const Wtinylfu *p) {
    return ((int64_t)p->entries + 1) * (int64_t)sizeof(Entry) + (int64_t)p->counters * 2;
}

INLINE int64_t wtinylfu_room(const Wtinylfu *p) { return (void)p, INT64_MAX; }
static int wtinylfu_renew(Wtinylfu *p, Table *t) { return (void)p, (void)t, 0; }
INLINE int wtinylfu_tracked(const Wtinylfu *p, uint32_t where) { return (void)p, where != 0; }

INLINE void wtinylfu_moved(Wtinylfu *p, uint32_t where, uint32_t ref) {
    p->entry[where & (((uint32_t)1 << SEGMENT_SHIFT) - 1)].object = ref;
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

/* The counters of an object. */
INLINE void sketch_find(const Wtinylfu *p, const Table *t, uint32_t ref, int hashed, uint16_t *of[SKETCH_HASHES]) {
    uint64_t key = (uint64_t)(hashed ? key_at(t, ref, t->key != NULL) : (int64_t)ref) + 1;
    uint32_t x = (uint32_t)xxh64(key, 0x12345678), step = (uint32_t)xxh64(key, 0x12344321);
    for (int i = 0; i < SKETCH_HASHES; i++, x += step)
        of[i] = &p->counter[remainder_of(p, x)];
}

INLINE uint32_t sketch_least(uint16_t *const of[SKETCH_HASHES]) {
    uint32_t least = UINT16_MAX;
    for (int i = 0; i < SKETCH_HASHES; i++)
        least = *of[i] < least ? *of[i] : least;
    return least;
}

INLINE void sketch_add(uint16_t *const of[SKETCH_HASHES]) {
    for (int i = 0; i < SKETCH_HASHES; i++)
        *of[i] = (uint16_t)(*of[i] + (*of[i] < UINT16_MAX));
}

INLINE void wtinylfu_halve(Wtinylfu *p) {
    if (LIKELY(++p->hits < p->halve_at))
        return;
    p->hits = 0;
    for (uint64_t i = 0; i < p->counters; i++)
        p->counter[i] >>= 1;
}

/* Free an entry: that of the window's oldest, or, if it is asked for more often, that of the main cache's first to go. */
INLINE uint32_t wtinylfu_evict(Wtinylfu *p, const Table *t, int hashed) {
    for (;;) {
        uint32_t candidate = p->segment[WINDOW].tail, goes = candidate;
        uint32_t mains = p->segment[0].count + p->segment[1].count;
        uint16_t *of[SKETCH_HASHES], *of_victim[SKETCH_HASHES];
        sketch_find(p, t, p->entry[candidate].object, hashed, of);
        if (LIKELY(mains == p->main_most && mains)) {
            Segment *lowest = &p->segment[p->segment[0].count == 0];
            sketch_find(p, t, p->entry[lowest->tail].object, hashed, of_victim);
            if (sketch_least(of) > sketch_least(of_victim)) {
                goes = lowest->tail;
                segment_take(lowest, p->entry, goes);
            }
        }
        sketch_add(of);
        segment_take(&p->segment[WINDOW], p->entry, candidate);
        if (goes != candidate || mains < p->main_most)
            segments_insert(p->segment, p->entry, where_at(t, p->entry[candidate].object, hashed), candidate);
        if (LIKELY(mains == p->main_most)) {
            *where_at(t, p->entry[goes].object, hashed) = 0;
            return goes;
        }
    }
}

INLINE int wtinylfu_access(Wtinylfu *p, const Table *t, uint32_t *where, uint32_t ref, int hashed) {
    uint32_t at = *where;
    uint16_t *of[SKETCH_HASHES];
    if (at >> SEGMENT_SHIFT == WINDOW) {
        at &= ((uint32_t)1 << SEGMENT_SHIFT) - 1;
        segment_take(&p->segment[WINDOW], p->entry, at);
        segment_push(&p->segment[WINDOW], p->entry, at);
        return 1;
    }
    sketch_find(p, t, ref, hashed, of);
    if (at) {
        segments_hit(p->segment, 2, p->entry, t, where, hashed);
        sketch_add(of);
        wtinylfu_halve(p);
        return 1;
    }
    at = LIKELY(p->count == p->entries) ? wtinylfu_evict(p, t, hashed) : ++p->count;
    p->entry[at].object = ref;
    segment_push(&p->segment[WINDOW], p->entry, at);
    *where = at | (uint32_t)WINDOW << SEGMENT_SHIFT;
    sketch_add(of);
    return 0;
}
