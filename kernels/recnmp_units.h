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
    int64_t delivered;                /* when its last instruction had reached it, where that takes clocks */
    int64_t gather_free;              /* when the sums of its adders had left it */
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

/* Where other designs differ from RecNMP, whose values are in brackets; docs/near-memory-designs.md states the rules. */
typedef struct {
    int32_t rank_bits;                /* [0] ranks that one unit reads, as a power of two */
    int32_t broadcast;                /* [0] a clock of the pins carries an instruction for every unit */
    int32_t sliced;                   /* [0] a DIMM returns only the parts of a result that it has read */
    int64_t issue_clk, issue_burst_clk; /* [1, 0] clocks of the pins for an instruction, and for each of its bursts */
    int64_t deliver_clk;              /* [0] clocks that an instruction takes from the buffer chip into a rank */
    int32_t adder_bits;               /* [-1] bits of a bank number within one adder; -1: a unit is one adder */
    int64_t gather_clk;               /* [0] clocks that a burst of an adder's sums takes to the buffer chip */
    int32_t overlap;                  /* [0] the sums of a packet are gathered while the next packet reads */
} Design;

typedef struct {
    Unit *unit;
    Design d;
    int32_t ranks, ranks_per_dimm, dimms, per_clk, burst_clk;
    int64_t config_clk, transfer_clk;
    int64_t sets, ways, cache_clk, columns;   /* of the RankCaches; 0 sets: none. columns: bursts of a DRAM row */
    Pins pins;
    Bursts b;
    int64_t first[RANKS_MAX + 1], sent[RANKS_MAX];
    int64_t started, ended;           /* start and end of the last packet */
    int64_t pending, pending_start;   /* result bursts of the last packet that have no clock yet */
    int64_t returned;                 /* clock after the last result burst that has one */
    int64_t packets, instructions, issue_clk, result_bursts, slowest_reads, latency_sum, latency_max, end;
    int64_t gathered;                 /* bursts of adders' sums that went to the buffer chips */
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

/* Bits of a bank number within one unit. */
static inline int32_t unit_bits(const Units *u) { return u->unit[0].channel->t.rank_shift + u->d.rank_bits; }

/* Sort the bursts by rank, in program order within each, and mark where an instruction begins: one fetches the bursts of
 * one vector that lie in one row of one bank. */
static void packet_bucket(Units *u, const int64_t *coordinates, const int32_t *lookup, const uint8_t *locality, int64_t n) {
    const int32_t bits = unit_bits(u);
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
    if (u->d.deliver_clk) {
        Unit *unit = &u->unit[rank];
        unit->delivered = (clk > unit->delivered ? clk : unit->delivered) + u->d.deliver_clk;
        clk = unit->delivered;
    }
    do
        u->b.issued[at++] = clk;
    while (at < u->first[rank + 1] && !u->b.opens[at]);
    u->sent[rank] = at;
    u->instructions++;
    return at - begin;
}

/* Write the registers of every DIMM that the packet uses, one after another (all at once where they are
 * broadcast to), from `clk` on; `clk` becomes the end. */
static int packet_configure(Units *u, int64_t *clk) {
    for (int32_t d = 0; d < (u->d.broadcast ? 1 : u->dimms) && u->config_clk; d++) {
        if (!u->d.broadcast && u->first[(d + 1) * u->ranks_per_dimm] == u->first[d * u->ranks_per_dimm])
            continue;
        *clk = pins_gap(&u->pins, *clk, u->config_clk);
        if (pins_take(&u->pins, *clk, u->config_clk))
            return -2;
        *clk += u->config_clk;
    }
    return 0;
}

/* Take more clocks of the pins for an instruction that began at `clk`: the next free ones. Returns the last, or -1. */
static int64_t hold_pins(Units *u, int32_t dimm, int64_t clk, int64_t more) {
    while (more > 0) {
        PinClock *at = pins_hold(&u->pins, ++clk);
        if (!at)
            return -1;
        if (at->dimm != DIMM_NONE)
            continue;
        at->dimm = dimm;
        at->ranks = ~(uint64_t)0;     /* nobody joins it */
        u->issue_clk++;
        more--;
    }
    return clk;
}

/* Clocks of the pins for the next instruction of a rank. */
static int64_t pins_needed(const Units *u, int32_t rank) {
    int64_t at = u->sent[rank] + 1;
    while (at < u->first[rank + 1] && !u->b.opens[at])
        at++;
    return u->d.issue_clk + u->d.issue_burst_clk * (at - u->sent[rank]);
}

/* Give every instruction of the packet its clock, from `clk` on. */
static int packet_issue(Units *u, int64_t clk) {
    int64_t left[RANKS_MAX], all = u->first[u->ranks];
    int32_t dimm = 0, lead = 0;
    const int32_t wide = u->d.broadcast, together = wide ? u->ranks : u->ranks_per_dimm, dimms = wide ? 1 : u->dimms;
    const int32_t per_clk = wide ? u->ranks : u->per_clk, long_ones = u->d.issue_clk + u->d.issue_burst_clk > 1;
    for (int32_t d = 0; d < dimms; d++)
        left[d] = u->first[(d + 1) * together] - u->first[d * together];
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
                if (++dimm == dimms) {
                    dimm = 0;
                    lead = (lead + per_clk) % together;
                }
            at->dimm = dimm;
            u->issue_clk++;
        }
        int32_t budget = per_clk - __builtin_popcountll(at->ranks);
        for (int32_t k = 0; k < together && budget > 0; k++) {
            const int32_t own = (k + lead) % together, rank = at->dimm * together + own;
            if (u->sent[rank] == u->first[rank + 1] || at->ranks >> own & 1)
                continue;
            int64_t last = clk;
            if (long_ones) {
                last = hold_pins(u, at->dimm, clk, pins_needed(u, rank) - 1);
                if (last < 0)
                    return -2;
                at = pins_at(&u->pins, clk); /* the calendar may have grown */
            }
            const int64_t bursts = send_one(u, rank, last);
            left[at->dimm] -= bursts;
            all -= bursts;
            at->ranks |= long_ones ? ~(uint64_t)0 : (uint64_t)1 << own;
            budget = long_ones ? 0 : budget - 1;
        }
        if (fresh && ++dimm == dimms) {
            dimm = 0;
            lead = (lead + per_clk) % together;
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

enum { PSUMS = 16, ADDERS_MAX = 1024 }; /* PsumTag: four bits; banks of a channel: at most so many */

/* Which part of its vector is a burst? */
static int32_t part_of(const int32_t *lookup, int64_t burst) {
    int32_t part = 0;
    while (burst > part && lookup[burst - part - 1] == lookup[burst])
        part++;
    return part;
}

/* Result bursts of DIMMs that return only the parts that they have read: a part's share of the result, rounded up. */
static int64_t sliced_results(const Units *u, const int32_t *lookup, const int32_t *pooling, const int32_t *result_bursts) {
    const int32_t base = pooling[lookup[0]];
    int64_t total = 0, parts = 1;
    while (parts < u->first[u->ranks] && lookup[parts] == lookup[0])
        parts++;
    for (int32_t d = 0; d < u->dimms; d++) {
        uint64_t seen[PSUMS] = {0};
        for (int64_t i = u->first[d * u->ranks_per_dimm]; i < u->first[(d + 1) * u->ranks_per_dimm]; i++) {
            const int64_t burst = u->b.burst[i];
            seen[pooling[lookup[burst]] - base] |= (uint64_t)1 << part_of(lookup, burst);
        }
        for (int32_t q = 0; q < PSUMS; q++)
            if (seen[q])
                total += (result_bursts[base + q] * __builtin_popcountll(seen[q]) + parts - 1) / parts;
    }
    return total;
}

/* Result bursts: of every pooling, from every DIMM that had a lookup for it. */
static int64_t packet_results(const Units *u, const int32_t *lookup, const int32_t *pooling, const int32_t *result_bursts) {
    const int32_t base = pooling[lookup[0]];
    int64_t total = 0;
    if (u->d.sliced)
        return sliced_results(u, lookup, pooling, result_bursts);
    for (int32_t d = 0; d < u->dimms; d++) {
        uint64_t seen = 0;
        for (int64_t i = u->first[d * u->ranks_per_dimm]; i < u->first[(d + 1) * u->ranks_per_dimm]; i++)
            seen |= (uint64_t)1 << (pooling[lookup[u->b.burst[i]]] - base);
        for (; seen; seen &= seen - 1)
            total += result_bursts[base + __builtin_ctzll(seen)];
    }
    return total;
}

/* Bursts of sums in the adders of a unit: of every pooling, from every adder that had a burst of it. */
static int64_t sums_to_gather(const Units *u, int32_t rank, const int32_t *lookup, const int32_t *pooling,
                              const int32_t *result_bursts) {
    const int32_t base = pooling[lookup[0]], adders = 1 << (unit_bits(u) - u->d.adder_bits);
    uint16_t seen[ADDERS_MAX] = {0};
    int64_t total = 0;
    for (int64_t i = u->first[rank]; i < u->first[rank + 1]; i++)
        seen[(u->b.coordinate[i] >> 16 & 0xFFFF) >> u->d.adder_bits] |=
            (uint16_t)(1u << (pooling[lookup[u->b.burst[i]]] - base));
    for (int32_t a = 0; a < adders; a++)
        for (uint32_t left = seen[a]; left; left &= left - 1)
            total += result_bursts[base + __builtin_ctz(left)];
    return total;
}

/* Let the sums of a unit's adders follow its last burst to the buffer chip; returns the clock at which they are there. */
static int64_t unit_gather(Units *u, int32_t rank, int64_t clk, const int32_t *lookup, const int32_t *pooling,
                           const int32_t *result_bursts) {
    Unit *unit = &u->unit[rank];
    const int64_t bursts = sums_to_gather(u, rank, lookup, pooling, result_bursts);
    u->gathered += bursts;
    unit->gather_free = (clk > unit->gather_free ? clk : unit->gather_free) + bursts * u->d.gather_clk;
    return unit->gather_free;
}

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
    const int64_t end = (done > u->returned ? done : u->returned) + u->transfer_clk;
    const int64_t freed = !u->d.overlap ? end : read > u->ended ? read : u->ended;
    for (int32_t r = 0; r < u->ranks; r++)
        if (u->first[r + 1] > u->first[r]) {
            u->unit[r].end_clk = end;
            u->unit[r].free_clk = freed - u->unit[r].channel->t.read_data;
        }
    u->ended = end;
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
