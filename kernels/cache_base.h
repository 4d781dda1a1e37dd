/* What the cache policies stand on: the table from ids to words of state, and lines of numbered places.
 *
 * Every object a policy knows has one 32-bit word, `where`; 0 says that it knows nothing of it. What else the word says
 * is the policy's affair: mostly a number handed out by a Line, so that "is it still there" is one comparison.
 */
#ifndef ARCHSIM_CACHE_BASE_H
#define ARCHSIM_CACHE_BASE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif
#if defined(__SSE2__) && !defined(_MSC_VER)
#include <emmintrin.h>
#endif

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__GLIBC__)
#define CACHE_CLONES __attribute__((target_clones("arch=haswell", "default")))
#else
#define CACHE_CLONES
#endif
#if defined(_MSC_VER)
#include <intrin.h>
#define INLINE static __forceinline
#define NOINLINE static __declspec(noinline)
#define LIKELY(x) (x)
#define UNLIKELY(x) (x)
#define PREFETCH(p) _mm_prefetch((const char *)(p), 3)
INLINE uint32_t lowest_one(uint64_t bits) {
    unsigned long at;
    _BitScanForward64(&at, bits);
    return (uint32_t)at;
}
INLINE uint32_t highest_one(uint64_t bits) {
    unsigned long at;
    _BitScanReverse64(&at, bits);
    return (uint32_t)at;
}
#else
#define INLINE static inline __attribute__((always_inline))
#define NOINLINE static __attribute__((noinline, unused))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define PREFETCH(p) __builtin_prefetch(p)
INLINE uint32_t lowest_one(uint64_t bits) { return (uint32_t)__builtin_ctzll(bits); }
INLINE uint32_t highest_one(uint64_t bits) { return 63u - (uint32_t)__builtin_clzll(bits); }
#endif

enum { AHEAD = 24, SLOTS_AHEAD = 12, SOON = 16, HUGE_PAGE = 2 << 20 };

typedef struct {
    int64_t entries;
    int64_t line_bits;  /* places of a line before it is renumbered; 0: plenty */
    uint64_t seed;
    double ratio[2];
    int64_t number[2];
} Setup;

/* Zeroed memory for `free`, where lines of the processor's cache begin; large blocks on huge pages, which random accesses
 * to them gain from most. */
NOINLINE void *zeroed(size_t bytes) {
    void *block = NULL;
#if defined(_MSC_VER)
    block = calloc(bytes ? bytes : 1, 1);
#else
    size_t huge = bytes >= (size_t)2 * HUGE_PAGE, whole = huge ? (bytes + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1) : bytes;
    if (posix_memalign(&block, huge ? HUGE_PAGE : 64, whole ? whole : 64))
        return NULL;
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (huge)
        madvise(block, whole, MADV_HUGEPAGE);
#endif
    memset(block, 0, bytes);
#endif
    return block;
}

/* ---- the table -------------------------------------------------------------------------------------------------- */

enum { BUCKET = 8, SMALL_TABLE = 1 << 15 };

/* One line of the processor's cache: what is compared, and the words beside it. A tag of 0 is a free slot; slots are
 * filled in order, and freed only by a rebuild. */
typedef struct {
    uint32_t tag[BUCKET], where[BUCKET];
} Slots;

/* Dense ids index `dense`; others are hashed. What a policy has forgotten stays until the table is rebuilt. */
typedef struct {
    uint32_t *dense;
    Slots *slots;
    int64_t *key;          /* by slot; NULL if ids are below 2^32 - 1, for then the tag says all */
    uint64_t size;         /* words, or slots (a power of two) */
    uint64_t used, most;   /* slots in use, and from how many on the table is rebuilt */
    int shift;
    uint32_t nowhere;
} Table;

static void table_unmake(Table *t) {
    free(t->dense);
    free(t->slots);
    free(t->key);
}

/* An empty table of slots; 0, or -1 without memory. */
static int table_slots(Table *t, uint64_t size, int wide) {
    t->size = size;
    t->shift = 64;
    for (uint64_t buckets = size / BUCKET; buckets > 1; buckets /= 2)
        t->shift--;
    t->used = 0;
    t->most = size / 4 * 3;
    t->slots = (Slots *)zeroed(sizeof(Slots) * (size / BUCKET));
    t->key = wide ? (int64_t *)zeroed(sizeof(int64_t) * size) : NULL;
    return t->slots && (t->key || !wide) ? 0 : -1;
}

/* objects > 0: ids are below it; 0: ids are arbitrary; -1: ids are in 0 .. 2^32 - 2. */
static int table_make(Table *t, int64_t objects) {
    memset(t, 0, sizeof *t);
    if (objects <= 0)
        return table_slots(t, 1024, objects == 0);
    t->size = (uint64_t)objects;
    t->dense = (uint32_t *)zeroed(sizeof(uint32_t) * (t->size + 1)); /* LFU ends its list in the word more */
    return t->dense ? 0 : -1;
}

static int64_t table_bytes(const Table *t) {
    return (int64_t)(t->size * (t->dense ? 4 : t->key ? 16 : 8));
}

INLINE uint32_t *where_at(const Table *t, uint32_t ref, int hashed) {
    return hashed ? &t->slots[ref / BUCKET].where[ref % BUCKET] : &t->dense[ref];
}

/* Whether words are so many that the next access to one is likely to wait for it. */
INLINE int table_is_far(const Table *t) { return t->size * 4 > (uint64_t)1 << 20; }

INLINE uint64_t bucket_of(const Table *t, int64_t key) {
    uint64_t bits = (uint64_t)key;
    return ((bits ^ bits >> 32) * 0x9E3779B97F4A7C15u) >> t->shift;
}

/* Bit i: tag i is this one. */
INLINE uint32_t tags_equal(const uint32_t *tags, uint32_t tag) {
#if defined(__SSE2__) && !defined(_MSC_VER)
    __m128i wanted = _mm_set1_epi32((int)tag);
    __m128i low = _mm_cmpeq_epi32(_mm_load_si128((const __m128i *)tags), wanted);
    __m128i high = _mm_cmpeq_epi32(_mm_load_si128((const __m128i *)tags + 1), wanted);
    return (uint32_t)_mm_movemask_epi8(_mm_packs_epi16(_mm_packs_epi32(low, high), _mm_setzero_si128()));
#else
    uint32_t equal = 0;
    for (int i = 0; i < BUCKET; i++)
        equal |= (uint32_t)(tags[i] == tag) << i;
    return equal;
#endif
}

/* The slot of a key, made if there is none. The caller sees to it that some slot is free. Whether the key was there is
 * the one thing nobody can predict, so nothing branches on it. */
INLINE uint32_t table_find(Table *t, int64_t key, int wide) {
    uint64_t bucket = bucket_of(t, key), mask = t->size / BUCKET - 1;
    uint32_t tag = wide ? (uint32_t)((uint64_t)key * 0xD6E8FEB86659FD93u >> 32) | 1 : (uint32_t)key + 1;
    for (;; bucket = (bucket + 1) & mask) {
        Slots *slots = &t->slots[bucket];
        uint32_t same = tags_equal(slots->tag, tag), free = tags_equal(slots->tag, 0);
        uint32_t at = lowest_one((uint64_t)(same ? same : free) | 1 << BUCKET), ref = (uint32_t)bucket * BUCKET + at;
        if (UNLIKELY(at == BUCKET))
            continue;
        if (wide) {
            while (UNLIKELY(same && t->key[ref] != key)) { /* another key of the same tag */
                same &= same - 1;
                at = lowest_one((uint64_t)(same ? same : free) | 1 << BUCKET);
                ref = (uint32_t)bucket * BUCKET + at;
            }
            if (UNLIKELY(at == BUCKET))
                continue;
            t->key[ref] = key;
        }
        /* A tag just written would hold up the next comparison with it: those of objects found are left alone. */
        *(same ? &t->nowhere : &slots->tag[at]) = tag;
        t->used += !same;
        return ref;
    }
}

INLINE int64_t key_at(const Table *t, uint32_t ref, int wide) {
    return wide ? t->key[ref] : (int64_t)t->slots[ref / BUCKET].tag[ref % BUCKET] - 1;
}

/* Every word that says `tag` and a number (the other bits): numbers before `oldest` are forgotten, others lowered. */
static void table_lower(Table *t, uint32_t tags, uint32_t tag, uint32_t oldest, uint32_t by) {
    for (uint64_t i = 0; i < t->size; i++) {
        uint32_t *w = where_at(t, (uint32_t)i, t->slots != NULL);
        uint32_t number = *w & ~tags;
        if (*w && (*w & tags) == tag)
            *w = number < oldest ? 0 : (number - by) | tag;
    }
}

/* ---- lines ------------------------------------------------------------------------------------------------------ */

/* Places handed out in increasing order, the first being 64. Who enters takes the next place; `gone` has a bit per place
 * that was left before its turn. Whoever keeps a boundary moves it past the first place not gone, which is the oldest
 * left: no links, and only bits that lie close together are looked at. */
typedef struct {
    uint64_t *gone;
    uint32_t next, limit;
} Line;

enum { FIRST_PLACE = 64 };

static int line_make(Line *l, int64_t bits, int64_t most) {
    bits = bits < most ? bits : most;
    l->limit = (uint32_t)((bits < 256 ? 256 : bits) & ~(int64_t)63);
    l->next = FIRST_PLACE;
    l->gone = (uint64_t *)zeroed(l->limit / 8 + 8);
    return l->gone == NULL;
}

INLINE void line_leave(Line *l, uint32_t place) { l->gone[place >> 6] |= (uint64_t)1 << (place & 63); }

INLINE void line_leave_if(Line *l, uint32_t place, uint32_t leaves) {
    l->gone[place >> 6] |= (uint64_t)leaves << (place & 63);
}

/* First place from `from` on that nobody left; there must be one. */
INLINE uint32_t line_first(const Line *l, uint32_t from) {
    uint32_t at = from >> 6;
    uint64_t there = ~l->gone[at] & ~(uint64_t)0 << (from & 63);
    while (UNLIKELY(there == 0))
        there = ~l->gone[++at];
    return at * 64 + lowest_one(there);
}

/* Make room at the end: renumber from `oldest` on, and double the line if that frees less than half of it. Returns by
 * how much numbers are lowered, or -1 without memory. */
static int64_t line_renew(Line *l, uint32_t oldest, int64_t most) {
    uint32_t shift = (oldest & ~63u) - FIRST_PLACE, kept = ((l->next + 63) >> 6) - (oldest >> 6);
    int64_t limit = l->limit;
    while ((int64_t)(l->next - shift) > limit / 2 && limit < most)
        limit = limit * 2 < most ? limit * 2 : most;
    if ((int64_t)(l->next - shift) >= limit)
        return -1;
    uint64_t *gone = (uint64_t *)zeroed((size_t)limit / 8 + 8);
    if (!gone)
        return -1;
    memcpy(gone + FIRST_PLACE / 64, l->gone + (oldest >> 6), (size_t)kept * 8);
    free(l->gone);
    l->gone = gone;
    l->limit = (uint32_t)limit;
    l->next -= shift;
    return shift;
}

static int64_t line_bytes(const Line *l) { return l->limit / 8; }

/* How long a line is made: renumbering sweeps all objects, so it must be rare beside entering. */
static int64_t line_length(const Setup *s, const Table *t) {
    if (s->line_bits)
        return s->line_bits;
    int64_t objects = t->dense ? (int64_t)t->size : 4 * s->entries; /* a table of slots grows to about that */
    return 4 * (objects + s->entries) + (1 << 14);
}

#endif
