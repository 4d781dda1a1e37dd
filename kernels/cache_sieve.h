/* SIEVE: a line of places that keep their order; `where` is the place. The hand looks at whole words of bits, and the
 * line is compacted when its places run out. */
#ifndef ARCHSIM_CACHE_SIEVE_H
#define ARCHSIM_CACHE_SIEVE_H

#include "cache_base.h"

typedef struct {
    uint32_t *object;             /* by place */
    uint64_t *visited, *gone;     /* by place */
    uint32_t next, limit, hand;
    int64_t free;
} Sieve;

static int sieve_make(Sieve *p, const Setup *s, const Table *t) {
    (void)t;
    p->limit = (uint32_t)((FIRST_PLACE + 11 * s->entries / 4 + 1024) & ~(int64_t)63);
    p->next = p->hand = FIRST_PLACE;
    p->free = s->entries;
    p->object = (uint32_t *)zeroed(sizeof(uint32_t) * ((size_t)p->limit + AHEAD));
    p->visited = (uint64_t *)zeroed(p->limit / 8 + 8);
    p->gone = (uint64_t *)zeroed(p->limit / 8 + 8);
    return !p->object || !p->visited || !p->gone;
}

static void sieve_unmake(Sieve *p) {
    free(p->object);
    free(p->visited);
    free(p->gone);
}

static int64_t sieve_bytes(const Sieve *p) { return (int64_t)p->limit * 4 + p->limit / 4; }
INLINE int64_t sieve_room(const Sieve *p) { return (int64_t)p->limit - p->next; }
INLINE int sieve_tracked(const Sieve *p, uint32_t where) { return (void)p, where != 0; }
INLINE void sieve_moved(Sieve *p, uint32_t where, uint32_t ref) { p->object[where] = ref; }

/* Close the gaps; the order stays. */
static int sieve_renew(Sieve *p, Table *t) {
    uint32_t to = FIRST_PLACE, hand = 0;
    for (uint32_t word = FIRST_PLACE / 64; word * 64 < p->next; word++) {
        uint64_t visited = p->visited[word], stay = ~p->gone[word];
        stay &= p->next - word * 64 < 64 ? ((uint64_t)1 << (p->next & 63)) - 1 : ~(uint64_t)0;
        p->visited[word] = p->gone[word] = 0;
        for (; stay; stay &= stay - 1) {
            uint32_t bit = lowest_one(stay), place = word * 64 + bit;
            if (!hand && place >= p->hand)
                hand = to;
            PREFETCH(where_at(t, p->object[place + AHEAD], t->slots != NULL));
            p->object[to] = p->object[place];
            *where_at(t, p->object[to], t->slots != NULL) = to;
            p->visited[to >> 6] |= (visited >> bit & 1) << (to & 63);
            to++;
        }
    }
    p->hand = hand ? hand : FIRST_PLACE;
    p->next = to;
    return 0;
}

/* Move the hand towards the younger to the first place not visited, forgetting the visits it passes. */
INLINE uint32_t sieve_evict(Sieve *p) {
    for (;;) {
        uint32_t at = p->hand >> 6;
        uint64_t ahead = ~(uint64_t)0 << (p->hand & 63), found = ~(p->visited[at] | p->gone[at]) & ahead;
        if (LIKELY(found != 0)) {
            uint32_t place = at * 64 + lowest_one(found);
            p->visited[at] &= ~(ahead & ((found & (0 - found)) - 1));
            if (LIKELY(place < p->next)) {
                /* Past the youngest the hand is nowhere, and starts with the oldest. */
                p->hand = place + 1 == p->next ? FIRST_PLACE : place + 1;
                return place;
            }
            p->hand = FIRST_PLACE;
        } else {
            p->visited[at] &= ~ahead;
            p->hand = (at + 1) * 64 < p->next ? (at + 1) * 64 : FIRST_PLACE;
        }
    }
}

INLINE int sieve_access(Sieve *p, const Table *t, uint32_t *where, uint32_t ref, int hashed) {
    uint32_t place = *where;
    if (place) {
        p->visited[place >> 6] |= (uint64_t)1 << (place & 63);
        return 1;
    }
    if (LIKELY(p->free == 0)) {
        place = sieve_evict(p);
        if (table_is_far(t) && place + SOON < p->next)
            PREFETCH(where_at(t, p->object[place + SOON], hashed));
        p->gone[place >> 6] |= (uint64_t)1 << (place & 63);
        *where_at(t, p->object[place], hashed) = 0;
    } else {
        p->free--;
    }
    p->object[p->next] = ref;
    *where = p->next++;
    return 0;
}

#endif
