/* The rank units of one channel: packets through the pins, the RankCaches and the ranks. docs/recnmp.md states the rules. */
#ifndef ARCHSIM_RECNMP_UNITS_H
#define ARCHSIM_RECNMP_UNITS_H

#include "dram_replay.h"
#include "recnmp_pins.h"

enum { CACHE_LOOKUPS, CACHE_HITS, CACHE_FILLS, CACHE_BYPASSED, CACHE_COUNTS };

typedef struct { int64_t line, fill; } Way;   /* fill: number of the burst, counted over all, that brought it in */

typedef struct {
    Channel *channel;
    Way *ways;                        /* [sets][ways], most recently used first; NULL: no cache */
    int64_t free_clk, end_clk;        /* when the unit may start its next packet; when its last one ended */
    int64_t port_clk, lookup_clk;     /* when the port is free; when its last lookup began */
    int64_t fills;                    /* bursts that went to the DRAM so far */
    int64_t counts[CACHE_COUNTS];
} Unit;

/* The bursts of the packet at hand, sorted by rank; and what the DRAM gets of those of one rank. */
typedef struct {
    int64_t *coordinate, *issued, *order, *burst;          /* [room] */
    uint8_t *opens, *local;                                /* [room]; local: LocalityBit, then 2 for a hit */
    int64_t *read_at, *read_clk, *arrived, *completed, *reader;   /* of the reads: [room] */
    int64_t *hit_clk, *hit_burst, *waiting, *next;         /* of the hits: [room]; waiting: first for a read */
    int64_t room;
} Bursts;

typedef struct {
    Unit *unit;
    int32_t ranks, ranks_per_dimm, dimms, per_clk, burst_clk;
    int64_t config_clk, transfer_clk;
    int64_t sets, ways, cache_clk, columns;   /* of the RankCaches; 0 sets: none. columns: bursts of a DRAM row */
    Pins pins;
    Bursts b;
    int64_t first[RANKS_MAX + 1], sent[RANKS_MAX];
    int64_t started;                  /* start of the last packet */
    int64_t pending, pending_start;   /* result bursts of the last packet that have no clock yet */
    int64_t returned;                 /* clock after the last result burst that has one */
    int64_t packets, instructions, issue_clk, result_bursts, slowest_reads, latency_sum, latency_max, end;
    int64_t *histogram;
    int32_t stuck_rank;
} Units;

/* ---------------------------------------------------------------------------------------------------------- memory */

static int bursts_room(Bursts *b, int64_t n) {
    int64_t **columns[] = {&b->coordinate, &b->issued, &b->order, &b->burst, &b->read_at, &b->read_clk, &b->arrived,
                           &b->completed, &b->reader, &b->hit_clk, &b->hit_burst, &b->waiting, &b->next};
    if (n <= b->room)
        return 0;
    n = n < 1024 ? 1024 : n + n / 2;
    for (size_t k = 0; k < sizeof columns / sizeof *columns; k++) {
        int64_t *grown = realloc(*columns[k], (size_t)n * sizeof(int64_t));
        if (!grown)
            return -1;
        *columns[k] = grown;
    }
    uint8_t *opens = realloc(b->opens, (size_t)n);
    if (opens)
        b->opens = opens;
    uint8_t *local = realloc(b->local, (size_t)n);
    if (local)
        b->local = local;
    if (!opens || !local)
        return -1;
    b->room = n;
    return 0;
}

static void units_unmake(Units *u) {
    for (int32_t r = 0; u->unit && r < u->ranks; r++) {
        if (u->unit[r].channel)
            channel_unmake(u->unit[r].channel);
        free(u->unit[r].ways);
    }
    free(u->unit);
    free(u->pins.clocks);
    free(u->b.coordinate), free(u->b.issued), free(u->b.order), free(u->b.burst), free(u->b.read_at);
    free(u->b.read_clk), free(u->b.arrived), free(u->b.completed), free(u->b.reader), free(u->b.hit_clk);
    free(u->b.hit_burst), free(u->b.waiting), free(u->b.next), free(u->b.opens), free(u->b.local);
}

static int units_make(Units *u) {
    u->unit = calloc((size_t)u->ranks, sizeof(Unit));
    if (!u->unit || pins_make(&u->pins))
        return -1;
    for (int32_t r = 0; u->sets && r < u->ranks; r++) {
        Way *ways = u->unit[r].ways = malloc((size_t)(u->sets * u->ways) * sizeof(Way));
        if (!ways)
            return -1;
        for (int64_t w = 0; w < u->sets * u->ways; w++)
            ways[w] = (Way){-1, -1};
    }
    return 0;
}

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

/* ---------------------------------------------------------------------------------------------------- instructions */

/* Sort the bursts by rank, in program order within each, and mark where an instruction begins: one fetches the bursts of
 * one vector that lie in one row of one bank. */
static void packet_bucket(Units *u, const int64_t *coordinates, const int32_t *lookup, const uint8_t *locality, int64_t n) {
    const int32_t bits = u->unit[0].channel->t.rank_shift;
    const int64_t within = ((((int64_t)1 << bits) - 1) << 16) | 0xFFFF | (int64_t)0xFFFFFF << 32;
    int64_t place[RANKS_MAX];
    memset(u->first, 0, sizeof u->first);
    for (int64_t i = 0; i < n; i++)
        u->first[((coordinates[i] >> 16 & 0xFFFF) >> bits) + 1]++;
    for (int32_t r = 0; r < u->ranks; r++) {
        u->first[r + 1] += u->first[r];
        place[r] = u->first[r];
    }
    for (int64_t i = 0; i < n; i++) {
        const int64_t at = place[(coordinates[i] >> 16 & 0xFFFF) >> bits]++;
        u->b.burst[at] = i;
        u->b.coordinate[at] = coordinates[i] & within;
        u->b.local[at] = locality[lookup[i]];
        u->b.opens[at] = i == 0 || lookup[i] != lookup[i - 1] || (coordinates[i] ^ coordinates[i - 1]) >> 16 != 0;
    }
}

/* Issue the next instruction of a rank in clock `clk`; returns its bursts. */
static inline int64_t send_one(Units *u, int32_t rank, int64_t clk) {
    int64_t at = u->sent[rank];
    const int64_t begin = at;
    do
        u->b.issued[at++] = clk;
    while (at < u->first[rank + 1] && !u->b.opens[at]);
    u->sent[rank] = at;
    u->instructions++;
    return at - begin;
}

/* Write the registers of every DIMM that the packet uses, one after another, from `clk` on; `clk` becomes the end. */
static int packet_configure(Units *u, int64_t *clk) {
    for (int32_t d = 0; d < u->dimms && u->config_clk; d++) {
        if (u->first[(d + 1) * u->ranks_per_dimm] == u->first[d * u->ranks_per_dimm])
            continue;
        *clk = pins_gap(&u->pins, *clk, u->config_clk);
        if (pins_take(&u->pins, *clk, u->config_clk))
            return -2;
        *clk += u->config_clk;
    }
    return 0;
}

/* Give every instruction of the packet its clock, from `clk` on. */
static int packet_issue(Units *u, int64_t clk) {
    int64_t left[RANKS_MAX], all = u->first[u->ranks];
    int32_t dimm = 0, lead = 0;
    for (int32_t d = 0; d < u->dimms; d++)
        left[d] = u->first[(d + 1) * u->ranks_per_dimm] - u->first[d * u->ranks_per_dimm];
    for (int32_t r = 0; r < u->ranks; r++)
        u->sent[r] = u->first[r];
    for (; all > 0; clk++) {
        PinClock *at = pins_hold(&u->pins, clk);
        if (UNLIKELY(!at))
            return -2;
        if (at->dimm == DIMM_ALL)
            continue;
        const int fresh = at->dimm == DIMM_NONE;
        if (fresh) {
            while (!left[dimm])
                if (++dimm == u->dimms) {
                    dimm = 0;
                    lead = (lead + u->per_clk) % u->ranks_per_dimm;
                }
            at->dimm = dimm;
            u->issue_clk++;
        }
        int32_t budget = u->per_clk - __builtin_popcountll(at->ranks);
        for (int32_t k = 0; k < u->ranks_per_dimm && budget > 0; k++) {
            const int32_t own = (k + lead) % u->ranks_per_dimm, rank = at->dimm * u->ranks_per_dimm + own;
            if (u->sent[rank] == u->first[rank + 1] || at->ranks >> own & 1)
                continue;
            const int64_t bursts = send_one(u, rank, clk);
            left[at->dimm] -= bursts;
            all -= bursts;
            at->ranks |= (uint64_t)1 << own;
            budget--;
        }
        if (fresh && ++dimm == u->dimms) {
            dimm = 0;
            lead = (lead + u->per_clk) % u->ranks_per_dimm;
        }
    }
    return 0;
}

/* -------------------------------------------------------------------------------------------------- one rank's share */

static inline int64_t line_of(const Units *u, int64_t coordinate) {
    const int64_t row = coordinate >> 32, bank = coordinate >> 16 & 0xFFFF, column = coordinate & 0xFFFF;
    return (row * u->columns + column) * u->unit[0].channel->t.banks_per_rank + bank;
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
                u->b.hit_clk[hits] = clk > unit->end_clk ? clk : unit->end_clk;
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

/* Result bursts: of every pooling, from every DIMM that had a lookup for it. */
static int64_t packet_results(const Units *u, const int32_t *lookup, const int32_t *pooling, const int32_t *result_bursts) {
    const int32_t base = pooling[lookup[0]];
    int64_t total = 0;
    for (int32_t d = 0; d < u->dimms; d++) {
        uint64_t seen = 0;
        for (int64_t i = u->first[d * u->ranks_per_dimm]; i < u->first[(d + 1) * u->ranks_per_dimm]; i++)
            seen |= (uint64_t)1 << (pooling[lookup[u->b.burst[i]]] - base);
        for (; seen; seen &= seen - 1)
            total += result_bursts[base + __builtin_ctzll(seen)];
    }
    return total;
}

/* Execute one packet; `order` receives its bursts rank by rank in order of arrival, `hit` whether a RankCache had them.
 * Returns 0; -1 stuck; -2 no memory. */
static int packet_execute(Units *u, const int64_t *coordinates, const int32_t *lookup, const int32_t *pooling,
                          const uint8_t *locality, const int32_t *result_bursts, int64_t n, int64_t arrival,
                          int64_t first_burst, int64_t *order, uint8_t *hit) {
    int64_t start = u->started > arrival ? u->started : arrival, done = 0, slowest = 0;
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
    if ((status = packet_configure(u, &clk)) || (status = packet_issue(u, clk)) ||
        (status = results_place(u, INT64_MAX)))
        return status;
    for (int32_t r = 0; r < u->ranks; r++)
        if (u->first[r + 1] > u->first[r] && (status = rank_run(u, r, &done))) {
            u->stuck_rank = r;
            return status;
        }
    const int64_t end = (done > u->returned ? done : u->returned) + u->transfer_clk;
    for (int32_t r = 0; r < u->ranks; r++)
        if (u->first[r + 1] > u->first[r]) {
            u->unit[r].end_clk = end;
            u->unit[r].free_clk = end - u->unit[r].channel->t.read_data;
        }
    u->pending = packet_results(u, lookup, pooling, result_bursts);
    u->pending_start = start;
    u->returned = end;
    u->result_bursts += u->pending;
    u->packets++;
    u->slowest_reads += slowest;
    for (int64_t i = 0; i < n; i++)
        order[i] = first_burst + u->b.burst[u->b.order[i]];
    for (int64_t i = 0; u->sets && i < n; i++)
        hit[u->b.burst[i]] = u->b.local[i] == 2;
    return 0;
}

#endif
