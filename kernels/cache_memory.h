/* A cache's front end and misses in front of one DRAM channel; docs/memory-caches.md states the rules.
 *
 * What hits is known (cache_chain.h); here are the clocks: lookups in order, ports, misses in flight, and the requests
 * they send. The channel is driven event by event, never past the clock at which the front end may send the next request.
 */
#ifndef ARCHSIM_CACHE_MEMORY_H
#define ARCHSIM_CACHE_MEMORY_H

#include "cache_misses.h"

/* ------------------------------------------------------------------------------------------------- the channel */

/* The clock of the channel's next event; INT64_MAX: none, ever. */
INLINE int64_t next_event(Memory *m) {
    Channel *c = m->c;
    int32_t command = 0, bank = 0;
    if (UNLIKELY(c->now > REBASE))
        rebase(c, c->now);
    int64_t clk = m->s.next;
    if (c->general) {
        if (c->t.postpone)
            refresh_idle(c, c->clk + 1);
        int64_t t = try_command(c, 1, !c->t.split, INT64_MIN);
        clk = t < clk ? t : clk;
        t = c->t.split ? try_command(c, 0, 1, INT64_MIN) : INT64_MAX;
        clk = t < clk ? t : clk;
        if (c->t.command_queue && c->move_next < clk)
            clk = c->move_next;
    } else {
        if (c->stale)
            select_plain(c);
        if (c->best_clk < NEVER && c->base + c->best_clk < clk)
            clk = c->base + c->best_clk;
        if (c->pending_count) {
            const int32_t t = refresh_next(c, c->now, &command, &bank);
            if (t < NEVER && c->base + t < clk)
                clk = c->base + t;
        }
    }
    return c->next_due < clk ? c->next_due : clk;
}

/* One event of the channel, and the data it gives a clock; 0, -1 no progress, -2 no memory. */
INLINE int event(Memory *m) {
    Channel *c = m->c;
    const int64_t queueing = c->counts.queueing_sum, taken = m->s.i;
    c->completed_count = 0;
    if (c->general ? step_general(c, &m->s) : step_plain(c, &m->s))
        return -1;
    if (UNLIKELY(c->failed))
        return c->failed == STUCK ? -1 : -2;
    int64_t reads = 0;
    for (int64_t k = 0; k < c->completed_count; k++)
        reads += c->completed[k] > 0 && m->owner[c->completed[k]] != NONE;
    const int64_t share = reads ? (c->counts.queueing_sum - queueing) / reads : 0;
    int64_t rest = reads ? c->counts.queueing_sum - queueing - share * reads : 0;
    for (int64_t k = 0; k < c->completed_count; k++) {
        const int64_t id = c->completed[k];
        if (id <= 0 || m->owner[id] == NONE)
            continue;
        miss_data(m, m->owner[id], m->finished[id], share + rest);
        rest = 0;
        m->owner[id] = NONE;
    }
    if (m->s.i > taken && m->owner[taken] != NONE && m->finished[taken] >= 0) { /* taken from a waiting write */
        miss_data(m, m->owner[taken], m->finished[taken], 0);
        m->owner[taken] = NONE;
    }
    while (m->first_live < m->s.i && m->owner[m->first_live] == NONE)
        m->first_live++;
    return 0;
}

/* Let the channel do all it does before clock `clk`. */
static int memory_run(Memory *m, int64_t clk) {
    while (next_event(m) < clk) {
        const int stuck = event(m);
        if (stuck)
            return stuck;
    }
    misses_over(m, clk);
    return 0;
}

/* Room for `more` requests: drop those that are over, and number the others anew. */
static int memory_room(Memory *m, int64_t more) {
    Channel *c = m->c;
    const int64_t shift = m->first_live - 1, n = m->s.n;
    if (n + more <= m->room)
        return 0;
    if (m->room == 0 || n - shift + more > m->room / 2) {
        const int64_t room = 2 * m->room + more + 1024;
        void *a = realloc(m->coordinate, (size_t)room * sizeof(int64_t));
        m->coordinate = a ? a : m->coordinate;
        void *b = realloc(m->arrival, (size_t)room * sizeof(int64_t));
        m->arrival = b ? b : m->arrival;
        void *d = realloc(m->finished, (size_t)room * sizeof(int64_t));
        m->finished = d ? d : m->finished;
        void *e = realloc(m->completed, (size_t)room * sizeof(int64_t));
        m->completed = e ? e : m->completed;
        void *f = realloc(m->kind, (size_t)room);
        m->kind = f ? f : m->kind;
        void *g = realloc(m->owner, (size_t)room * sizeof(int32_t));
        m->owner = g ? g : m->owner;
        if (!a || !b || !d || !e || !f || !g)
            return -2;
        m->room = room;
    }
    const int64_t kept = n - m->first_live;
    memmove(m->coordinate + 1, m->coordinate + m->first_live, (size_t)kept * sizeof(int64_t));
    memmove(m->arrival + 1, m->arrival + m->first_live, (size_t)kept * sizeof(int64_t));
    memmove(m->finished + 1, m->finished + m->first_live, (size_t)kept * sizeof(int64_t));
    memmove(m->kind + 1, m->kind + m->first_live, (size_t)kept);
    memmove(m->owner + 1, m->owner + m->first_live, (size_t)kept * sizeof(int32_t));
    m->s.i -= shift;
    m->s.n -= shift;
    m->first_live = 1;
    for (int32_t i = 0; i < c->entry_room; i++) { /* writes, and entries that wait for nothing, become number 0 */
        Entry *entry = &c->entries[i];
        entry->ident = entry->kind == WRITES || entry->ident <= shift ? 0 : entry->ident - shift;
    }
    for (int32_t i = 0; i < c->merge_room; i++)
        c->merges[i].ident = c->merges[i].ident <= shift ? 0 : c->merges[i].ident - shift;
    m->s.coordinates = m->coordinate;
    m->s.arrivals = m->arrival;
    m->s.kinds = m->kind;
    c->finished = m->finished;
    c->completed = m->completed;
    return 0;
}

INLINE void send(Memory *m, int64_t coordinate, int64_t arrival, int32_t kind, int32_t owner) {
    const int64_t at = m->s.n++;
    m->coordinate[at] = coordinate;
    m->arrival[at] = arrival;
    m->kind[at] = (uint8_t)kind;
    m->owner[at] = owner;
    m->finished[at] = -1;
    if (m->s.i == at)
        source_look(m->c, &m->s, m->c->clk);
}

/* --------------------------------------------------------------------------------------------------- front end */

/* The front end waits: until clock `clk`. */
INLINE void wait_until(Memory *m, int64_t clk) {
    if (clk > m->clk) {
        m->clk = clk;
        m->offered = 0;
    }
}

/* Wait until a miss of the unit is over. */
static int wait_for_miss(Memory *m, int32_t unit) {
    const int64_t before = m->clk;
    while (m->unit_free[unit] == 0) {
        const int64_t fill = m->heap_count ? m->miss[m->heap[0]].fill : INT64_MAX, clk = next_event(m);
        if (clk == INT64_MAX && fill == INT64_MAX)
            return -1;
        if (clk < fill) {
            const int stuck = event(m);
            if (stuck)
                return stuck;
        } else {
            wait_until(m, fill);
            misses_over(m, fill);
        }
    }
    m->counts.miss_wait += m->clk - before;
    return 0;
}

/* Wait until at most `most` requests wait for the channel. */
static int wait_for_channel(Memory *m, int64_t most) {
    const int64_t before = m->clk;
    while (m->s.n - m->s.i > most) {
        if (next_event(m) == INT64_MAX)
            return -1;
        const int64_t taken = m->s.i;
        const int stuck = event(m);
        if (stuck)
            return stuck;
        if (m->s.i > taken) /* its place is free from the next clock on */
            wait_until(m, m->c->clk + 1);
    }
    misses_over(m, m->clk);
    m->counts.miss_wait += m->clk - before;
    return 0;
}

typedef struct {                      /* one access: what it found, and the requests that follow from it */
    int64_t key, arrival;
    int32_t unit, level, write;
    const int64_t *coordinates;
    const uint8_t *kinds;
    int64_t requests;
} Access;

NOINLINE void log_hit(Memory *m, const Access *a) {
    if (m->hit_count == m->hit_room) {
        m->hit_room = 2 * m->hit_room + 1024;
        HitRecord *grown = realloc(m->hits, (size_t)m->hit_room * sizeof(HitRecord));
        if (grown == NULL) {
            m->failed = 1;
            m->hit_limit = m->hit_count;
            return;
        }
        m->hits = grown;
    }
    m->hits[m->hit_count++] = (HitRecord){m->clk, a->key, a->unit, a->level};
}

/* One access in order; 0, -1 no progress, -2 no memory. */
INLINE int memory_access(Memory *m, const Access *a) {
    int stuck;
    const int32_t u = a->unit;
    wait_until(m, a->arrival > 0 ? a->arrival : 0);
    if (m->offered == m->t.width)
        wait_until(m, m->clk + 1);
    if (m->port_clk[u] == m->clk && m->port_used[u] == m->t.ports) {
        wait_until(m, m->clk + 1);
        m->counts.port_wait++;
    }
    int64_t reads = 0;
    while (reads < a->requests && a->kinds[reads] == READS)
        reads++;
    int32_t joined = NONE;
    if (a->requests && (stuck = memory_run(m, m->clk)))
        return stuck;
    if (a->requests > reads && (stuck = wait_for_channel(m, (int64_t)m->t.units * m->t.mshrs - 1)))
        return stuck;
    if (reads) {
        joined = m->t.merging ? m->slot[slot_of(m, a->key)] : NONE;
        if (joined == NONE && (stuck = wait_for_miss(m, u)))
            return stuck;
    }
    const int64_t clk = m->clk, sent = clk + m->t.lookup_clk;
    m->offered++;
    if (m->port_clk[u] != clk) {
        m->port_clk[u] = clk;
        m->port_used[u] = 0;
    }
    m->port_used[u]++;
    m->unit_accesses[u]++;
    m->counts.accesses++;
    m->counts.reads += !a->write;
    if (a->requests && memory_room(m, a->requests))
        return -2;
    if (reads) {
        m->counts.misses++;
        if (joined != NONE) {
            m->counts.merged++;
            if (!a->write)
                target_join(m, joined, clk, ~sent);
        } else {
            const int32_t i = m->miss_free;
            Miss *miss = &m->miss[i];
            m->miss_free = miss->target;
            m->unit_free[u]--;
            miss->key = a->key;
            miss->begun = clk;
            miss->fill = -1;
            miss->queueing = 0;
            miss->left = miss->requests = (int32_t)reads;
            miss->unit = u;
            miss->write = a->write;
            miss->target = NONE;
            m->slot[slot_of(m, a->key)] = i;
            if (!a->write)
                target_add(m, miss, clk, ~sent);
            for (int64_t k = 0; k < reads; k++)
                send(m, a->coordinates[k], sent, READS, i);
        }
    } else {
        if (UNLIKELY(m->hit_count < m->hit_limit) && a->level < m->t.levels)
            log_hit(m, a);
        const int64_t end = clk + m->t.level_clk[a->level];
        const int32_t i = m->slot[slot_of(m, a->key)];
        if (a->write)
            m->counts.last_clk = end > m->counts.last_clk ? end : m->counts.last_clk;
        else if (i == NONE)
            latency_count(m, clk, end);
        else
            target_join(m, i, clk, end);
    }
    for (int64_t k = reads; k < a->requests; k++)
        send(m, a->coordinates[k], sent, WRITES, NONE);
    return m->failed ? -2 : 0;
}

/* Writes of lines that accesses to other channels have driven out. */
INLINE int memory_write(Memory *m, int64_t coordinate) {
    int stuck;
    wait_until(m, 0);
    if ((stuck = memory_run(m, m->clk)) || (stuck = wait_for_channel(m, (int64_t)m->t.units * m->t.mshrs - 1)))
        return stuck;
    if (memory_room(m, 1))
        return -2;
    send(m, coordinate, m->clk + m->t.lookup_clk, WRITES, NONE);
    return 0;
}

/* Serve all that waits. */
static int memory_finish(Memory *m) {
    Channel *c = m->c;
    int stuck = memory_run(m, m->clk + 1);
    while (!stuck && (m->s.i < m->s.n || c->queue[READS].waiting + c->queue[WRITES].waiting > 0)) {
        if (c->general && m->s.i == m->s.n && !c->ended) {
            c->ended = 1;
            if (c->t.command_queue)
                c->move_next = (c->clk > m->clk ? c->clk : m->clk) + 1;
        }
        if (c->now > REBASE)
            rebase(c, c->now);
        stuck = event(m);
    }
    c->ended = 0;
    misses_over(m, INT64_MAX);
    return stuck;
}

#endif
