/* The rank units of one channel: packets through the pins, the RankCaches and the ranks. docs/recnmp.md states the rules. */
#ifndef ARCHSIM_RECNMP_UNITS_H
#define ARCHSIM_RECNMP_UNITS_H

#include "recnmp_gather.h"
#include "recnmp_issue.h"
#include "recnmp_log.h"

/* --------------------------------------------------------------------------------------------------------- results */

/* Give the waiting result bursts their clocks, those that end by `limit`. */
static int results_place(Units *u, int64_t limit) {
    while (u->pending) {
        const int64_t clk = pins_gap(&u->pins, u->returned, u->burst_clk);
        if (clk > limit - u->burst_clk)
            return 0;
        if (pins_take(&u->pins, clk, u->burst_clk))
            return -2;
        u->returned = clk + u->burst_clk;
        if (UNLIKELY(u->log_limit))
            log_result(u, clk);
        if (--u->pending == 0) {
            const int64_t latency = u->returned - u->pending_start;
            u->end = u->returned > u->end ? u->returned : u->end;
            u->latency_sum += latency;
            u->latency_max = latency > u->latency_max ? latency : u->latency_max;
            u->histogram[latency_bin(latency)]++;
        }
    }
    return 0;
}

/* -------------------------------------------------------------------------------------------------- one rank's share */

static inline int64_t line_of(const Units *u, int64_t coordinate) {
    const int64_t row = coordinate >> 32, bank = coordinate >> 16 & 0xFFFF, column = coordinate & 0xFFFF;
    return (row * u->columns + column) * ((int64_t)1 << unit_bits(u)) + bank;
}

/* Look a line up. Returns its way after it has become the most recently used of its set: brought in when it was not there. */
static inline Way *cache_find(Unit *unit, const Units *u, int64_t line, int32_t *hit) {
    Way *set = unit->ways + line % u->sets * u->ways;
    int64_t w = 0;
    while (w < u->ways - 1 && set[w].line != line)
        w++;
    *hit = set[w].line == line;
    const Way found = *hit ? set[w] : (Way){line, unit->fills};
    memmove(set + 1, set, (size_t)w * sizeof(Way));
    set[0] = found;
    return set;
}

/* What the cache answers, and what is left for the DRAM; returns the hits. */
static int64_t rank_decode(Units *u, Unit *unit, int64_t low, int64_t high, int64_t *reads) {
    const int64_t before = unit->fills;
    int64_t hits = 0, m = 0;
    for (int64_t i = low; i < high; i++) {
        int64_t clk = u->b.issued[i];
        if (!u->b.local[i]) {
            unit->counts[CACHE_BYPASSED]++;
            clk = clk > unit->lookup_clk ? clk : unit->lookup_clk;
        } else {
            int32_t hit;
            const Way *way = cache_find(unit, u, line_of(u, u->b.coordinate[i]), &hit);
            clk = clk > unit->port_clk ? clk : unit->port_clk;
            unit->lookup_clk = clk;
            clk += u->cache_clk;
            unit->port_clk = clk;
            unit->counts[CACHE_LOOKUPS]++;
            if (hit) {
                if (UNLIKELY(unit->hit_count < unit->hit_limit))
                    log_hit(u, unit, unit->lookup_clk, u->b.coordinate[i]);
                u->b.hit_clk[hits] = clk > unit->ready_clk ? clk : unit->ready_clk;
                u->b.hit_burst[hits] = i;
                u->b.local[i] = 2;
                u->b.next[hits++] = way->fill >= before ? way->fill - before : -1;
                continue;
            }
            unit->counts[CACHE_FILLS]++;
            unit->port_clk += u->cache_clk;
        }
        u->b.reader[m] = i;
        u->b.read_at[m] = u->b.coordinate[i];
        u->b.read_clk[m++] = clk;
        unit->fills++;
    }
    unit->counts[CACHE_HITS] += hits;
    *reads = m;
    return hits;
}

/* Put the bursts in the order of their arrival: reads with the hits that waited for them, and other hits. Returns the clock of the last. */
static int64_t rank_merge(Units *u, int64_t low, int64_t reads, int64_t hits) {
    Bursts *b = &u->b;
    int64_t *order = b->order + low, others = 0, done = 0, o = 0;
    for (int64_t m = 0; m < reads; m++)
        b->waiting[m] = -1;
    for (int64_t h = hits - 1; h >= 0; h--) {   /* backwards, so that chains run forwards */
        const int64_t read = b->next[h];
        if (read >= 0 && b->arrived[read] > b->hit_clk[h]) {
            b->next[h] = b->waiting[read];
            b->waiting[read] = h;
            b->hit_clk[h] = -1;
        }
    }
    for (int64_t r = 0; r < reads; r++) {
        const int64_t read = b->completed[r], clk = b->arrived[read];
        for (; o < hits && b->hit_clk[o] < clk; o++)
            if (b->hit_clk[o] >= 0)
                order[others++] = b->hit_burst[o];
        order[others++] = b->reader[read];
        for (int64_t h = b->waiting[read]; h >= 0; h = b->next[h])
            order[others++] = b->hit_burst[h];
        done = clk > done ? clk : done;
    }
    for (; o < hits; o++)
        if (b->hit_clk[o] >= 0) {
            order[others++] = b->hit_burst[o];
            done = b->hit_clk[o] > done ? b->hit_clk[o] : done;
        }
    return done;
}

/* Put reads that share a burst, so that they arrive in one clock, in program order. */
static inline void order_merged(Bursts *b, int64_t reads) {
    for (int64_t i = 1; i < reads; i++) {
        const int64_t read = b->completed[i], clk = b->arrived[read];
        int64_t k = i;
        for (; k > 0 && b->completed[k - 1] > read && b->arrived[b->completed[k - 1]] == clk; k--)
            b->completed[k] = b->completed[k - 1];
        b->completed[k] = read;
    }
}

/* Let a rank unit execute its share; `done` becomes the clock at which its last burst has arrived. */
static int rank_run(Units *u, int32_t rank, int64_t *done) {
    Unit *unit = &u->unit[rank];
    Channel *c = unit->channel;
    const int64_t low = u->first[rank], n = u->first[rank + 1] - low;
    const int cached = unit->ways != NULL;
    int64_t reads = n, hits = 0, last = 0;
    if (cached)
        hits = rank_decode(u, unit, low, low + n, &reads);
    c->finished = u->b.arrived;
    c->completed = u->b.completed;
    c->completed_count = 0;
    const int stuck = channel_advance(c, cached ? u->b.read_at : u->b.coordinate + low, NULL,
                                      cached ? u->b.read_clk : u->b.issued + low, reads, 1);
    if (stuck)
        return stuck;
    if (c->t.merging)
        order_merged(&u->b, reads);
    if (cached) {
        last = rank_merge(u, low, reads, hits);
    } else {
        for (int64_t i = 0; i < n; i++)
            u->b.order[low + i] = low + u->b.completed[i];
        last = u->b.arrived[u->b.completed[n - 1]];
    }
    *done = last > *done ? last : *done;
    return 0;
}

/* --------------------------------------------------------------------------------------------------------- packets */

/* Execute one packet; `order` receives its bursts rank by rank in order of arrival, `hit` whether a RankCache had them.
 * Returns 0; -1 stuck; -2 no memory. */
static int packet_execute(Units *u, const int64_t *coordinates, const int32_t *lookup, const int32_t *pooling,
                          const uint8_t *locality, const int32_t *result_bursts, int64_t n, int64_t arrival,
                          int64_t first_burst, int64_t *order, uint8_t *hit) {
    int64_t start = u->started > arrival ? u->started : arrival, done = 0, read = 0, slowest = 0;
    int status;
    if (bursts_room(&u->b, n))
        return -2;
    packet_bucket(u, coordinates, lookup, locality, n);
    for (int32_t r = 0; r < u->ranks; r++) {
        const int64_t own = u->first[r + 1] - u->first[r];
        slowest = own > slowest ? own : slowest;
        if (own && u->unit[r].free_clk > start)
            start = u->unit[r].free_clk;
    }
    u->started = start;
    /* What can be returned before the packet starts is not touched by it. */
    if ((status = results_place(u, start)))
        return status;
    pins_forget(&u->pins, u->pending && u->returned < start ? u->returned : start);
    int64_t clk = start;
    const int64_t instructions = u->instructions;
    if ((status = packet_configure(u, &clk)) || (status = packet_issue(u, clk)) ||
        (status = results_place(u, INT64_MAX)))
        return status;
    for (int32_t r = 0; r < u->ranks; r++) {
        int64_t last = 0;
        if (u->first[r + 1] == u->first[r])
            continue;
        if ((status = rank_run(u, r, &last))) {
            u->stuck_rank = r;
            return status;
        }
        read = last > read ? last : read;
        if (u->d.adder_bits >= 0)
            last = unit_gather(u, r, last, lookup, pooling, result_bursts);
        done = last > done ? last : done;
    }
    done += u->arithmetic_clk;
    const int64_t end = (done > u->returned ? done : u->returned) + u->transfer_clk;
    /* Adders are pipelined: data may enter them as long before the transfer as they take to come out again. */
    const int64_t ready = end - u->arithmetic_clk;
    const int64_t freed = !u->d.overlap ? ready : read > u->ready ? read : u->ready;
    for (int32_t r = 0; r < u->ranks; r++)
        if (u->first[r + 1] > u->first[r]) {
            u->unit[r].ready_clk = ready;
            u->unit[r].free_clk = freed - u->unit[r].channel->t.read_data;
        }
    u->ready = ready;
    u->pending = packet_results(u, lookup, pooling, result_bursts);
    u->pending_start = start;
    u->returned = end;
    u->result_bursts += u->pending;
    u->packets++;
    u->slowest_reads += slowest;
    if (UNLIKELY(u->log_count < u->log_limit))
        log_packet(u, &(PacketRecord){u->number, start, clk, INT64_MAX, 0, read, end, NONE, NONE, 0,
                                      u->instructions - instructions, n, 0}, lookup, pooling);
    for (int64_t i = 0; i < n; i++)
        order[i] = first_burst + u->b.burst[u->b.order[i]];
    for (int64_t i = 0; u->sets && i < n; i++)
        hit[u->b.burst[i]] = u->b.local[i] == 2;
    return u->failed ? -2 : 0;
}

#endif
