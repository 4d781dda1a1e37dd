/* The state of the near-memory units of one channel: types, making and unmaking. */
#ifndef ARCHSIM_RECNMP_STATE_H
#define ARCHSIM_RECNMP_STATE_H

#include "dram_replay.h"
#include "recnmp_pins.h"

enum { CACHE_LOOKUPS, CACHE_HITS, CACHE_FILLS, CACHE_BYPASSED, CACHE_COUNTS };

typedef struct { int64_t clk, coordinate; } HitRecord; /* clk: of the lookup; place within the unit */

/* What a packet did. Clocks: start, end of its configuration, first and last instruction at a unit, last data at a unit,
 * end of the transfer, first result burst, and after the last. */
typedef struct {
    int64_t number, start, configured, first_issue, last_issue, read, end, result, returned;
    int64_t poolings, instructions, bursts, hits;
} PacketRecord;

typedef struct { int64_t line, fill; } Way;   /* fill: number of the burst, counted over all, that brought it in */

typedef struct {
    Channel *channel;
    Way *ways;                        /* [sets][ways], most recently used first; NULL: no cache */
    int64_t free_clk, ready_clk;      /* when the unit may start its next packet; from when on it takes its data */
    int64_t port_clk, lookup_clk;     /* when the port is free; when its last lookup began */
    int64_t fills;                    /* bursts that went to the DRAM so far */
    int64_t delivered;                /* when its last instruction had reached it, where that takes clocks */
    int64_t gather_free;              /* when the sums of its adders had left it */
    int64_t counts[CACHE_COUNTS];
    HitRecord *hits;
    int64_t hit_count, hit_room, hit_limit;
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
    int64_t arithmetic_clk;           /* from the last data of a packet to its sums at the buffer of the DIMM */
    int64_t sets, ways, cache_clk, columns;   /* of the RankCaches; 0 sets: none. columns: bursts of a DRAM row */
    Pins pins;
    Bursts b;
    int64_t first[RANKS_MAX + 1], sent[RANKS_MAX];
    int64_t started, ready;           /* start of the last packet; from when on its units take data of the next */
    int64_t pending, pending_start;   /* result bursts of the last packet that have no clock yet */
    int64_t returned;                 /* clock after the last result burst that has one */
    int64_t packets, instructions, issue_clk, result_bursts, slowest_reads, latency_sum, latency_max, end;
    int64_t gathered;                 /* bursts of adders' sums that went to the buffer chips */
    int64_t configurations;           /* writes of the registers of a DIMM */
    int64_t *histogram;
    int32_t stuck_rank, failed;       /* failed: no memory for a log */
    int64_t number;                   /* of the packet at hand, for the log */
    PacketRecord *log;
    int64_t log_count, log_room, log_limit;
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
        free(u->unit[r].hits);
    }
    free(u->unit);
    free(u->log);
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

/* Bits of a bank number within one unit. */
static inline int32_t unit_bits(const Units *u) { return u->unit[0].channel->t.rank_shift + u->d.rank_bits; }

#endif
