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

enum { AHEAD = 24, HUGE_PAGE = 2 << 20 };

typedef struct {
    int64_t entries;
    int64_t line_bits;  /* places of a line before it is renumbered; 0: plenty */
    uint64_t seed;
    double ratio[2];
    int64_t number[2];
} Setup;

/* Zeroed memory; large blocks on huge pages, which random accesses to them gain from most. */
NOINLINE void *zeroed(size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    if (bytes >= (size_t)2 * HUGE_PAGE) {
        void *block = NULL;
        size_t whole = (bytes + HUGE_PAGE - 1) & ~(size_t)(HUGE_PAGE - 1);
        if (posix_memalign(&block, HUGE_PAGE, whole))
            return NULL;
        madvise(block, whole, MADV_HUGEPAGE);
        memset(block, 0, bytes);
        return block;
    }
#endif
    return calloc(bytes ? bytes : 1, 1);
}

/* ---- the table -------------------------------------------------------------------------------------------------- */

typedef struct {
    int64_t key;
    uint32_t where, used;
} Slot;

/* Dense ids index `dense`; others are hashed into `slots`, where what a policy has forgotten stays until a rebuild. */
typedef struct {
    uint32_t *dense;
    Slot *slots;
    uint64_t size;         /* words, or slots (a power of two) */
    uint64_t used, most;   /* slots in use, and from how many on the table is rebuilt */
    int shift;
} Table;

static int table_make(Table *t, int64_t objects) {
    memset(t, 0, sizeof *t);
    if (objects > 0) {
        t->size = (uint64_t)objects;
        t->dense = (uint32_t *)zeroed(sizeof(uint32_t) * t->size);
        return t->dense == NULL;
    }
    t->size = 1024;
    t->shift = 54;
    t->most = t->size / 2;
    t->slots = (Slot *)zeroed(sizeof(Slot) * t->size);
    return t->slots == NULL;
}

static void table_unmake(Table *t) {
    free(t->dense);
    free(t->slots);
}

static int64_t table_bytes(const Table *t) {
    return (int64_t)(t->size * (t->dense ? sizeof(uint32_t) : sizeof(Slot)));
}

INLINE uint32_t *where_at(const Table *t, uint32_t ref, int hashed) {
    return hashed ? &t->slots[ref].where : &t->dense[ref];
}

INLINE uint64_t slot_of(const Table *t, int64_t key) {
    uint64_t bits = (uint64_t)key;
    return ((bits ^ bits >> 32) * 0x9E3779B97F4A7C15u) >> t->shift;
}

/* The slot of a key, made if there is none. The caller sees to it that some slot is free. */
INLINE uint32_t table_find(Table *t, int64_t key) {
    uint64_t at = slot_of(t, key), mask = t->size - 1;
    Slot *slots = t->slots;
    while (slots[at].used && slots[at].key != key)
        at = (at + 1) & mask;
    if (!slots[at].used) {
        slots[at].key = key;
        slots[at].used = 1;
        t->used++;
    }
    return (uint32_t)at;
}

/* Every word that says `tag` and a number (the other bits): numbers before `oldest` are forgotten, others lowered. */
static void table_lower(Table *t, uint32_t tags, uint32_t tag, uint32_t oldest, uint32_t by) {
    for (uint64_t i = 0; i < t->size; i++) {
        uint32_t *w = t->dense ? &t->dense[i] : &t->slots[i].where;
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
    int64_t bits = 4 * ((int64_t)t->size + s->entries);
    return bits < (1 << 22) ? 1 << 22 : bits;
}

#endif
