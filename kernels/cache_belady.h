/* Belady's policy (MIN). The cache is a set of times: bit t is set if the object accessed at time t is resident now and
 * not accessed before t. An access hits if its own bit is set, and the last bit set is whom to evict. */
#ifndef ARCHSIM_CACHE_BELADY_H
#define ARCHSIM_CACHE_BELADY_H

#include "cache_base.h"

enum { LEVELS = 6 };  /* 64^6 bits are more than there can be accesses */

/* Bits with a summary: bit i of level k + 1 says whether word i of level k has any. */
typedef struct {
    uint64_t *level[LEVELS];
    int levels;
} Times;

static void times_unmake(Times *s) {
    for (int k = 0; k < s->levels; k++)
        free(s->level[k]);
}

static int times_make(Times *s, int64_t bits) {
    s->levels = 0;
    do {
        bits = bits / 64 + 1;
        s->level[s->levels] = (uint64_t *)zeroed((size_t)bits * 8);
        if (!s->level[s->levels++])
            return -1;
    } while (bits > 1);
    return 0;
}

INLINE void times_set(Times *s, uint64_t t) {
    for (int k = 0; k < s->levels; k++, t >>= 6) {
        uint64_t before = s->level[k][t >> 6];
        s->level[k][t >> 6] = before | (uint64_t)1 << (t & 63);
        if (before)
            return;  /* the levels above know */
    }
}

INLINE void times_clear(Times *s, uint64_t t) {
    for (int k = 0; k < s->levels; k++, t >>= 6)
        if (s->level[k][t >> 6] &= ~((uint64_t)1 << (t & 63)))
            return;
}

INLINE uint64_t times_last(const Times *s) {
    uint64_t at = 0;
    for (int k = s->levels - 1; k >= 0; k--)
        at = at * 64 + highest_one(s->level[k][at]);
    return at;
}

static int table_grow(Table *t) {
    Table old = *t;
    if (table_slots(t, old.size * 4, old.key != NULL)) {
        table_unmake(t);
        *t = old;
        return -1;
    }
    for (uint64_t i = 0; i < old.size; i++) {
        uint32_t tag = old.slots[i / BUCKET].tag[i % BUCKET], ref;
        if (!tag)
            continue;
        ref = old.key ? table_find(t, old.key[i], 1) : table_find(t, (int64_t)tag - 1, 0);
        *where_at(t, ref, 1) = old.slots[i / BUCKET].where[i % BUCKET];
    }
    table_unmake(&old);
    return 0;
}

/* When each object is accessed next (0: never), from the end backwards. Returns -1 without memory. */
static int next_uses(const int64_t *ids, int64_t n, int64_t objects, uint32_t *next) {
    Table t;
    if (table_make(&t, objects)) {
        table_unmake(&t);
        return -1;
    }
    for (int64_t i = n - 1; i >= 0; i--) {
        uint32_t *where;
        if (t.dense) {
            if (i >= AHEAD)
                PREFETCH(&t.dense[ids[i - AHEAD]]);
            where = &t.dense[ids[i]];
        } else {
            if (t.used >= t.most && table_grow(&t)) {
                table_unmake(&t);
                return -1;
            }
            if (i >= AHEAD)
                PREFETCH(&t.slots[bucket_of(&t, ids[i - AHEAD])]);
            where = where_at(&t, t.key ? table_find(&t, ids[i], 1) : table_find(&t, ids[i], 0), 1);
        }
        next[i] = *where;
        *where = (uint32_t)(i + 1);  /* times count from 1 */
    }
    table_unmake(&t);
    return 0;
}

/* Returns hits, or -1 without memory. With `bypass`, a missing object that would be the next to be evicted is not taken. */
static int64_t belady_replay(const int64_t *ids, int64_t n, int64_t entries, int64_t objects, int bypass, uint8_t *hits) {
    uint32_t *next = (uint32_t *)malloc(sizeof(uint32_t) * (size_t)(n ? n : 1));
    Times times;
    int64_t count = 0, resident = 0, useless = 0;  /* `useless`: resident and never accessed again */
    times.levels = 0;
    if (!next || next_uses(ids, n, objects, next) || times_make(&times, n + 1)) {
        free(next);
        times_unmake(&times);
        return -1;
    }
    for (int64_t i = 0; i < n; i++) {
        uint64_t now = (uint64_t)i + 1;
        int hit = times.level[0][now >> 6] >> (now & 63) & 1, take = !(bypass && !hit && !next[i]);
        if (hit) {
            times_clear(&times, now);
            count++;
        } else if (take && resident < entries) {
            resident++;
        } else if (take && useless) {
            useless--;
        } else if (take) {
            uint64_t last = times_last(&times);
            take = !(bypass && last < next[i]);
            if (take)
                times_clear(&times, last);
        }
        if (take && next[i])
            times_set(&times, next[i]);
        else if (take)
            useless++;
        if (hits)
            hits[i] = (uint8_t)hit;
    }
    free(next);
    times_unmake(&times);
    return count;
}

#endif
