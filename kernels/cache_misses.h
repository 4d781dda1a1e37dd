/* Misses of caches in flight, the reads that wait for them, and what is counted; see cache_memory.h. */
#ifndef ARCHSIM_CACHE_MISSES_H
#define ARCHSIM_CACHE_MISSES_H

#include "dram_replay.h"

enum { MEMORY_LEVELS = 4 };

typedef struct {
    int64_t key, begun, fill, queueing; /* fill: last data beat so far */
    int32_t left, requests, unit, write; /* left: requests whose data have not moved */
    int32_t target;                   /* first of the reads that wait, or NONE; of a free one: the next free one */
} Miss;

typedef struct { int64_t clk, key; int32_t unit, level; } HitRecord; /* clk: of the lookup */

typedef struct {                      /* a read that waits for a miss */
    int64_t begun, earliest;          /* its lookup; no data before `earliest`, or ~earliest where it is no hit */
    int32_t next;
} Target;

typedef struct {
    int64_t accesses, reads, misses, merged, delayed, port_wait, miss_wait, miss_clk, latency_sum, queueing_sum,
        latency_max, last_clk;
} MemoryCounts;

typedef struct {
    int32_t width, ports, mshrs, units, merging, lookup_clk, levels;
    int32_t level_clk[MEMORY_LEVELS];
} MemorySettings;

typedef struct {
    Channel *c;
    MemorySettings t;
    MemoryCounts counts;
    int64_t *latency;                 /* histogram, owned by the caller */
    int64_t clk;                      /* of the latest lookup */
    int32_t offered;                  /* lookups in that clock */
    int64_t *port_clk, *unit_accesses;
    int32_t *port_used, *unit_free;   /* by unit */
    /* Requests sent: [first_live, s.i) taken in by the channel, [s.i, s.n) not yet. Number 0 stands for all writes. */
    Source s;
    int64_t *coordinate, *arrival, *finished, *completed;
    uint8_t *kind;
    int32_t *owner;                   /* miss of a read, NONE once its data have a clock */
    int64_t room, first_live;
    Miss *miss;
    int32_t miss_room, miss_free, *heap, heap_count; /* heap: misses whose data have a clock, the earliest first */
    Target *target;
    int32_t target_room, target_free;
    int32_t *slot, slot_mask;         /* open addressing: block -> its youngest miss */
    int32_t failed;
    HitRecord *hits;
    int64_t hit_count, hit_room, hit_limit;
} Memory;

static void memory_unmake(Memory *m) {
    if (m == NULL)
        return;
    channel_unmake(m->c);
    free(m->port_clk);
    free(m->unit_accesses);
    free(m->port_used);
    free(m->unit_free);
    free(m->coordinate);
    free(m->arrival);
    free(m->finished);
    free(m->completed);
    free(m->kind);
    free(m->owner);
    free(m->miss);
    free(m->heap);
    free(m->target);
    free(m->slot);
    free(m->hits);
    free(m);
}

/* Takes over the channel, also when there is no memory for the rest. */
static Memory *memory_make(Channel *c, const MemorySettings *t, int64_t *latency) {
    Memory *m = calloc(1, sizeof(Memory));
    if (m == NULL) {
        channel_unmake(c);
        return NULL;
    }
    m->c = c;
    m->t = *t;
    m->latency = latency;
    m->clk = -1;
    m->miss_room = t->units * t->mshrs;
    m->miss_free = 0;
    m->slot_mask = 7;
    while (m->slot_mask < 4 * m->miss_room)
        m->slot_mask = 2 * m->slot_mask + 1;
    m->port_clk = calloc((size_t)t->units, sizeof(int64_t));
    m->unit_accesses = calloc((size_t)t->units, sizeof(int64_t));
    m->port_used = calloc((size_t)t->units, sizeof(int32_t));
    m->unit_free = calloc((size_t)t->units, sizeof(int32_t));
    m->miss = calloc((size_t)m->miss_room, sizeof(Miss));
    m->heap = calloc((size_t)m->miss_room, sizeof(int32_t));
    m->slot = calloc((size_t)m->slot_mask + 1, sizeof(int32_t));
    if (!m->port_clk || !m->unit_accesses || !m->port_used || !m->unit_free || !m->miss || !m->heap || !m->slot) {
        memory_unmake(m);
        return NULL;
    }
    for (int32_t u = 0; u < t->units; u++) {
        m->port_clk[u] = -1;
        m->unit_free[u] = t->mshrs;
    }
    for (int32_t i = 0; i <= m->slot_mask; i++)
        m->slot[i] = NONE;
    for (int32_t i = 0; i < m->miss_room; i++)
        m->miss[i].target = i + 1 < m->miss_room ? i + 1 : NONE; /* chain of free ones */
    m->target_free = NONE;
    m->s.i = m->s.n = m->first_live = 1;
    m->s.next = INT64_MAX;
    return m;
}

/* -------------------------------------------------------------------------------------------- misses in flight */

INLINE int32_t slot_home(const Memory *m, int64_t key) {
    return (int32_t)(((uint64_t)key * 0x9E3779B97F4A7C15u) >> 40) & m->slot_mask;
}

/* The place of a block in the table: its own, or the free one where it would go. */
INLINE int32_t slot_of(const Memory *m, int64_t key) {
    int32_t i = slot_home(m, key);
    while (m->slot[i] != NONE && m->miss[m->slot[i]].key != key)
        i = (i + 1) & m->slot_mask;
    return i;
}

/* Take a miss out of the table, and move up those that it stood in the way of. */
static void slot_clear(Memory *m, int32_t i) {
    int32_t k = i;
    for (;;) {
        k = (k + 1) & m->slot_mask;
        if (m->slot[k] == NONE)
            break;
        const int32_t home = slot_home(m, m->miss[m->slot[k]].key);
        if (((k - home) & m->slot_mask) >= ((k - i) & m->slot_mask)) {
            m->slot[i] = m->slot[k];
            i = k;
        }
    }
    m->slot[i] = NONE;
}

INLINE void latency_count(Memory *m, int64_t begun, int64_t end) {
    const int64_t latency = end - begun;
    m->counts.latency_sum += latency;
    if (latency > m->counts.latency_max)
        m->counts.latency_max = latency;
    m->latency[latency_bin(latency)]++;
    if (end > m->counts.last_clk)
        m->counts.last_clk = end;
}

static void target_add(Memory *m, Miss *miss, int64_t begun, int64_t earliest) {
    if (m->target_free == NONE) {
        const int32_t room = 2 * m->target_room + 64;
        Target *grown = realloc(m->target, (size_t)room * sizeof(Target));
        if (grown == NULL) {
            m->failed = 1;
            return;
        }
        m->target = grown;
        for (int32_t i = room - 1; i >= m->target_room; i--) {
            grown[i].next = m->target_free;
            m->target_free = i;
        }
        m->target_room = room;
    }
    const int32_t i = m->target_free;
    m->target_free = m->target[i].next;
    m->target[i].begun = begun;
    m->target[i].earliest = earliest;
    m->target[i].next = miss->target;
    miss->target = i;
}

INLINE void target_end(Memory *m, const Miss *miss, int64_t begun, int64_t earliest) {
    const int64_t from = earliest < 0 ? ~earliest : earliest;
    m->counts.delayed += earliest >= 0 && miss->fill > from;
    latency_count(m, begun, miss->fill > from ? miss->fill : from);
}

/* A read that finds its block in flight: it ends with the data, not before `earliest`. */
INLINE void target_join(Memory *m, int32_t i, int64_t begun, int64_t earliest) {
    if (m->miss[i].left)
        target_add(m, &m->miss[i], begun, earliest);
    else
        target_end(m, &m->miss[i], begun, earliest);
}

INLINE int heap_before(const Memory *m, int32_t a, int32_t b) {
    return m->miss[a].fill < m->miss[b].fill;
}

static void heap_push(Memory *m, int32_t i) {
    int32_t k = m->heap_count++;
    while (k > 0 && heap_before(m, i, m->heap[(k - 1) / 2])) {
        m->heap[k] = m->heap[(k - 1) / 2];
        k = (k - 1) / 2;
    }
    m->heap[k] = i;
}

static int32_t heap_pop(Memory *m) {
    const int32_t top = m->heap[0], i = m->heap[--m->heap_count];
    int32_t k = 0, child;
    while ((child = 2 * k + 1) < m->heap_count) {
        if (child + 1 < m->heap_count && heap_before(m, m->heap[child + 1], m->heap[child]))
            child++;
        if (!heap_before(m, m->heap[child], i))
            break;
        m->heap[k] = m->heap[child];
        k = child;
    }
    m->heap[k] = i;
    return top;
}

/* Data of a miss move until `end`; once all have a clock, so have the reads that wait for them. */
static void miss_data(Memory *m, int32_t i, int64_t end, int64_t queueing) {
    Miss *miss = &m->miss[i];
    if (end > miss->fill)
        miss->fill = end;
    miss->queueing += queueing;
    if (--miss->left)
        return;
    if (!miss->write)
        m->counts.queueing_sum += miss->queueing / miss->requests;
    int32_t t = miss->target;
    while (t != NONE) {
        Target *target = &m->target[t];
        const int32_t next = target->next;
        target_end(m, miss, target->begun, target->earliest);
        target->next = m->target_free;
        m->target_free = t;
        t = next;
    }
    miss->target = NONE;
    heap_push(m, i);
}

/* Misses whose data have moved by clock `clk` are over. */
static void misses_over(Memory *m, int64_t clk) {
    while (m->heap_count && m->miss[m->heap[0]].fill <= clk) {
        const int32_t i = heap_pop(m);
        Miss *miss = &m->miss[i];
        const int32_t at = slot_of(m, miss->key);
        if (m->slot[at] == i)
            slot_clear(m, at);
        m->counts.miss_clk += miss->fill - miss->begun;
        m->unit_free[miss->unit]++;
        miss->target = m->miss_free;
        m->miss_free = i;
    }
}

#endif
