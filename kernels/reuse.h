/* Exact LRU stack distances, one pass, many independent streams (one per table, or one for all).
 *
 * Time is a position in a window of bits. A bit is set where an id was used last, so the distance of a reuse, the number
 * of other ids used since, is the number of bits set after the id's own. Counters over 512, 2^15 and 2^21 positions make
 * that count a handful of sums of fixed length. A full window is compacted: the ids keep their order and move to its
 * start. Ids are small numbers, see reuse_ids.h.
 */
#ifndef ARCHSIM_REUSE_H
#define ARCHSIM_REUSE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "dram_loops.h" /* compiling twice, inlining */

#if defined(_MSC_VER)
#define POPCOUNT(x) ((int32_t)__popcnt64(x))
#define PREFETCH(address)
#else
#define POPCOUNT(x) __builtin_popcountll(x)
#define PREFETCH(address) __builtin_prefetch(address)
#endif

enum { BLOCK_SHIFT = 9, GROUP_SHIFT = 15, REGION_SHIFT = 21, SMALLEST_WINDOW = 4096, AHEAD = 12, PENDING = 32 };
/* A window is this many times as long as there are ids when it is made, rounded up to a power of two. */
enum { WINDOW_PER_ID = 4, SCAN_PER_ID = 64, MOST_IDS = 1 << 28 };

typedef struct {
    uint64_t *bits;
    uint16_t *blocks;             /* bits set in each 2^9 positions, padded to a multiple of 64 */
    uint32_t *groups;             /* in each 2^15, likewise */
    uint32_t *regions;            /* in each 2^21 */
    int64_t *counts;              /* [capacity] reuses by distance */
    int64_t window, now, capacity;
    int64_t ids;                  /* seen so far: also the first uses */
    int64_t group, fresh;         /* distinct ids of the current segment; first uses within their segments, all summed */
    int32_t *order;               /* [capacity] ids in order of first use */
} Stream;

typedef struct {
    Stream *streams;
    int64_t stream_count, capacity;
    int32_t *last;                /* [capacity] position of the latest use, plus 1 */
    int64_t *pending[PENDING];    /* elements of counts that are on their way to the cache, to be raised by one */
    uint32_t oldest;
} Reuse;

static const uint64_t WORDS_AFTER[16] = {0, 0, 0, 0, 0, 0, 0, 0, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull, ~0ull};
#define ONES_8 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff
static const uint16_t BLOCKS_AFTER[128] = {[64] = ONES_8, ONES_8, ONES_8, ONES_8, ONES_8, ONES_8, ONES_8, ONES_8};
#define MORE_8 ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u, ~0u
static const uint32_t GROUPS_AFTER[128] = {[64] = MORE_8, MORE_8, MORE_8, MORE_8, MORE_8, MORE_8, MORE_8, MORE_8};

/* Bits set after a position. The masks make every loop one of fixed length, which vectorises. */
INLINE int64_t bits_after(const Stream *s, uint32_t at) {
    uint32_t word = at >> 6, block = at >> BLOCK_SHIFT, group = at >> GROUP_SHIFT;
    const uint64_t *words = s->bits + (word & ~7u), *words_after = WORDS_AFTER + (7 - (word & 7));
    int32_t inside = POPCOUNT(s->bits[word] >> (at & 63) >> 1);
    for (int32_t k = 0; k < 8; k++)
        inside += POPCOUNT(words[k] & words_after[k]);
    const uint16_t *blocks = s->blocks + (block & ~63u), *blocks_after = BLOCKS_AFTER + (63 - (block & 63));
    uint16_t by_block = 0; /* at most 2^15 */
    for (int32_t k = 0; k < 64; k++)
        by_block += blocks[k] & blocks_after[k];
    int64_t sum = inside + by_block;
    if (s->now >> GROUP_SHIFT != group) {
        const uint32_t *groups = s->groups + (group & ~63u), *groups_after = GROUPS_AFTER + (63 - (group & 63));
        uint32_t by_group = 0;
        for (int32_t k = 0; k < 64; k++)
            by_group += groups[k] & groups_after[k];
        sum += by_group;
        for (int64_t region = (at >> REGION_SHIFT) + 1; region <= s->now >> REGION_SHIFT; region++)
            sum += s->regions[region];
    }
    return sum;
}

INLINE void mark(Stream *s, uint32_t at, int32_t by) {
    s->bits[at >> 6] ^= 1ull << (at & 63);
    s->blocks[at >> BLOCK_SHIFT] += (uint16_t)by;
    s->groups[at >> GROUP_SHIFT] += (uint32_t)by;
    s->regions[at >> REGION_SHIFT] += (uint32_t)by;
}

/* Zeroed memory for `free`; large blocks on huge pages, which accesses all over them gain from. */
NOINLINE void *cleared(size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    enum { HUGE = 2 << 20 };
    void *block = NULL;
    size_t whole = (bytes + HUGE - 1) & ~(size_t)(HUGE - 1);
    if (bytes < 2 * (size_t)HUGE || posix_memalign(&block, HUGE, whole))
        return calloc(bytes ? bytes : 1, 1);
    madvise(block, whole, MADV_HUGEPAGE);
    memset(block, 0, bytes);
    return block;
#else
    return calloc(bytes ? bytes : 1, 1);
#endif
}

/* More of it; NULL, and the old block as it was, without memory. */
static void *enlarged(void *old, size_t old_bytes, size_t bytes) {
    void *block = cleared(bytes);
    if (!block)
        return NULL;
    if (old_bytes)
        memcpy(block, old, old_bytes);
    free(old);
    return block;
}

/* Make an empty window; all four arrays are one piece of zeroed memory. */
static int open_window(Stream *s, int64_t window) {
    int64_t words = window >> 6, blocks = ((window >> BLOCK_SHIFT) + 63) & ~63ll;
    int64_t groups = ((window >> GROUP_SHIFT) + 64) & ~63ll, regions = (window >> REGION_SHIFT) + 2;
    char *memory = cleared((size_t)(words * 8 + blocks * 2 + groups * 4 + regions * 4));
    if (!memory)
        return -1;
    s->bits = (uint64_t *)memory;
    s->groups = (uint32_t *)(memory + words * 8);
    s->regions = s->groups + groups;
    s->blocks = (uint16_t *)(s->regions + regions);
    s->window = window;
    return 0;
}

/* The position that the id used last at `last` - 1 has among the latest uses. */
INLINE int32_t rank_of(const Stream *old, const uint32_t *set_before, int32_t last) {
    uint32_t at = (uint32_t)last - 1, word = at >> 6;
    uint32_t rank = set_before[at >> BLOCK_SHIFT];
    for (uint32_t w = word & ~7u; w < word; w++)
        rank += (uint32_t)POPCOUNT(old->bits[w]);
    return (int32_t)rank + POPCOUNT(old->bits[word] & ((1ull << (at & 63)) - 1));
}

/* Move the ids of a stream to the start of a new window, in the order of their latest uses. */
ARCHSIM_CLONES
static int compact(Reuse *r, Stream *s) {
    Stream old = *s;
    int64_t window = SMALLEST_WINDOW, before = 0;
    while (window < WINDOW_PER_ID * s->ids)
        window *= 2;
    uint32_t *set_before = malloc((size_t)((old.window >> BLOCK_SHIFT) + 1) * sizeof(uint32_t));
    if (!set_before || open_window(s, window)) {
        free(set_before);
        return -1;
    }
    for (int64_t block = 0; block < old.window >> BLOCK_SHIFT; before += old.blocks[block++])
        set_before[block] = (uint32_t)before;
    /* All elements in their order take less time than those in use one by one, unless these are very few. */
    if (r->stream_count == 1 && r->capacity <= SCAN_PER_ID * s->ids) {
        for (int64_t i = 0; i < r->capacity; i++)
            if (r->last[i])
                r->last[i] = rank_of(&old, set_before, r->last[i]) + 1;
    } else {
        for (int64_t i = 0; i < s->ids; i++) {
            if (i + AHEAD < s->ids)
                PREFETCH(&r->last[s->order[i + AHEAD]]);
            int32_t *last = &r->last[s->order[i]];
            *last = rank_of(&old, set_before, *last) + 1;
        }
    }
    for (s->now = 0; s->now < s->ids; s->now++)
        mark(s, (uint32_t)s->now, 1);
    free(set_before);
    free(old.bits);
    return 0;
}

/* Room for the ids 0 to count - 1. */
static int reuse_reserve(Reuse *r, int64_t count) {
    if (count <= r->capacity)
        return 0;
    int64_t capacity = r->capacity + r->capacity / 4 + 1024;
    if (capacity < count)
        capacity = count;
    int32_t *last = enlarged(r->last, (size_t)r->capacity * sizeof(int32_t), (size_t)capacity * sizeof(int32_t));
    if (!last)
        return -1;
    r->last = last;
    r->capacity = capacity;
    return 0;
}

static void settle(Reuse *r) {
    for (int32_t i = 0; i < PENDING; i++) {
        if (r->pending[i])
            ++*r->pending[i];
        r->pending[i] = NULL;
    }
}

/* Raise counts[distance] a little later: waiting for its cache line took two thirds of the time. */
INLINE void count_later(Reuse *r, int64_t *element) {
    int64_t **slot = &r->pending[r->oldest++ % PENDING];
    if (LIKELY(*slot != NULL))
        ++**slot;
    PREFETCH(element);
    *slot = element;
}

/* Enter an id that its stream has not seen. */
static int enter(Reuse *r, Stream *s, int64_t id) {
    if (s->ids == s->capacity) {
        settle(r);
        int64_t capacity = s->capacity + s->capacity / 4 + 64;
        int64_t *counts = enlarged(s->counts, (size_t)s->capacity * sizeof(int64_t), (size_t)capacity * sizeof(int64_t));
        if (!counts)
            return -1;
        s->counts = counts;
        int32_t *order = enlarged(s->order, (size_t)s->capacity * sizeof(int32_t), (size_t)capacity * sizeof(int32_t));
        if (!order)
            return -1;
        s->order = order;
        s->capacity = capacity;
    }
    s->order[s->ids++] = (int32_t)id;
    return 0;
}

/* Use the ids of one segment, one after the other; `more` ids follow it, `distances` may be NULL. */
INLINE int use_segment(Reuse *r, Stream *s, const int32_t *ids, int64_t count, int64_t more, int64_t *distances) {
    for (int64_t i = 0; i < count; i++) {
        if (i + 2 * AHEAD < count + more)
            PREFETCH(&r->last[ids[i + 2 * AHEAD]]);
        if (i + AHEAD < count && r->last[ids[i + AHEAD]])
            PREFETCH(&s->bits[(uint32_t)(r->last[ids[i + AHEAD]] - 1) >> 6]);
        if (UNLIKELY(s->now == s->window) && compact(r, s))
            return -1;
        int32_t *last = &r->last[ids[i]];
        int64_t distance = -1;
        if (*last) {
            distance = bits_after(s, (uint32_t)*last - 1);
            mark(s, (uint32_t)*last - 1, -1);
            count_later(r, &s->counts[distance]);
        } else if (enter(r, s, ids[i])) {
            return -1;
        }
        /* Used before in this segment exactly when fewer others came since than the segment has had. */
        int64_t repeated = distance >= 0 && distance < s->group;
        s->group += !repeated;
        s->fresh += !repeated;
        mark(s, (uint32_t)s->now, 1);
        *last = (int32_t)++s->now;
        if (distances)
            distances[i] = distance;
    }
    return 0;
}

/* Segment j is ids[ends[j - 1]] to ids[ends[j]] (exclusive) and goes to stream which[j]. `continued`: the first one goes
 * on where the segment before ended. Returns -1 without memory. */
ARCHSIM_CLONES
static int reuse_feed(Reuse *r, const int32_t *ids, const int64_t *ends, const int32_t *which, int64_t segments,
                      int continued, int64_t *distances) {
    int64_t start = 0;
    for (int64_t j = 0; j < segments; start = ends[j++]) {
        Stream *s = &r->streams[which ? which[j] : 0];
        if (!s->window && open_window(s, SMALLEST_WINDOW))
            return -1;
        if (j || !continued)
            s->group = 0;
        if (use_segment(r, s, ids + start, ends[j] - start, ends[segments - 1] - ends[j], distances ? distances + start : NULL))
            return -1;
    }
    settle(r);
    return 0;
}

static void reuse_unmake(Reuse *r) {
    for (int64_t i = 0; r->streams && i < r->stream_count; i++) {
        free(r->streams[i].bits);
        free(r->streams[i].counts);
        free(r->streams[i].order);
    }
    free(r->streams);
    free(r->last);
}

#endif
