/* The state of one DRAM channel behind its controller. docs/dram.md is the contract; the files build on one another:
 *
 *   dram_loops.h    what the compiler is told, loops over banks that it vectorises
 *   dram_state.h    types, limits, making and unmaking
 *   dram_timing.h   what a command does to the clocks of others
 *   dram_queue.h    requests: chains by bank, candidates for the next command
 *   dram_refresh.h  due refreshes, power-down, self-refresh
 *   dram_select.h   which command is next
 *   dram_issue.h    what issuing a command does to requests and counters
 *   dram_replay.h   front end, command queues, and the loop from event to event
 *
 * Clocks are int32 relative to `base`, which moves up now and then; what leaves is absolute int64.
 */
#ifndef ARCHSIM_DRAM_STATE_H
#define ARCHSIM_DRAM_STATE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dram_loops.h"

enum { ACT, PRE, RD, WR, REF, PREA, REFB, COMMANDS };
enum { CLASSES = 4 };                 /* ACT, PRE, RD, WR have an earliest clock per bank; REFB as well, apart */
enum { READS, WRITES, KINDS };
enum { FCFS, FR_FCFS };
enum { COLUMN_FIRST, OLDEST_FIRST, ROUND_ROBIN };
enum { PROTECT_NONE, PROTECT_OLDER, PROTECT_ALL };
enum { POLICY_OPEN, POLICY_CLOSED, POLICY_TIMEOUT };
enum { BLOCK_ACTIVATES, BLOCK_RANK, BLOCK_CHANNEL };
enum { ACTIVE_STANDBY, PRECHARGE_STANDBY, ACTIVE_POWER_DOWN, PRECHARGE_POWER_DOWN, SELF_REFRESH, POWER_STATES };

enum {
    BANK_BITS = 10,                   /* a key is age << BANK_BITS | bank: the smallest key is the oldest request */
    BANK_MASK = (1 << BANK_BITS) - 1,
    AGE_MAX = (1 << (31 - BANK_BITS)) - 1,
    NEVER = 1 << 29,                  /* no legal clock in sight; twice it still is an int32 */
    FLOOR = -(1 << 28),               /* a constraint this old binds nobody */
    REBASE = 1 << 27,
    CLOSED = -1,
    NONE = -1,
    FRUITLESS_MAX = 64,               /* this many refreshes or ACT of every bank in a row without RD or WR: stuck */
    STUCK = 2,
    LATENCY_EXACT = 1 << 16,          /* latencies up to here are counted one bin a clock ... */
    LATENCY_BINS = (1 << 16) + 40 * 256, /* ... and beyond it in 256 bins per octave */
    SERIES_FIELDS = 7,
    WINDOWS_MAX = 4,
    FEW = 3                           /* so many requests are looked at one by one, more bank by bank */
};

typedef struct {                      /* a request that waits */
    int64_t arrived, first;           /* absolute clocks: acceptance; first command issued for it, or -1 */
    int64_t ident;
    int32_t row, column, bank, key;
    int32_t next, prev;               /* in its chain, by age */
    int32_t merged;                   /* reads that share its RD: first node, or NONE */
    int32_t kind;
    int64_t padding;                  /* to 64 bytes, so that a shift finds an entry */
} Entry;

typedef struct {                      /* a read merged with an entry */
    int64_t arrived, ident;
    int32_t next;
} Merged;

typedef struct {                      /* requests of one kind in the set, and the candidates of each bank */
    int32_t *head, *tail, *hit;       /* by bank: oldest, youngest, oldest hit of the open row */
    int32_t *conflict;                /* by bank: the request that a PRE would be for */
    int32_t *act_gate, *pre_gate, *column_gate; /* by bank: FLOOR when such a command is wanted, else NEVER */
    int32_t *row_key, *column_key;
    uint64_t *busy;                   /* bits of the banks with requests */
    int32_t count, capacity;          /* places taken, of the read or write queue */
    int32_t waiting;                  /* places taken and activated */
    int32_t stage_head, stage_tail;   /* with command queues: not moved yet */
    int32_t stage_count;
} Queue;

typedef struct {
    int64_t act, pre, rd, wr, open_clk, opened;
} BankCounts;

typedef struct {
    int64_t reads, writes, row_hits, row_misses, row_conflicts;
    int64_t commands[COMMANDS];
    int64_t forwarded, coalesced, merged, latency_sum, queueing_sum, latency_max, last_data;
} Counts;

typedef struct {
    int64_t clk;
    int32_t command, bank, row, column;
    int32_t reads, writes;            /* that waited when it was issued, its own among them */
} LogRecord;

typedef struct {                      /* the resolved specification; see archsim.dram.resolve */
    int32_t ranks, bank_groups, banks_per_group, banks_per_rank, banks, padded;
    int32_t group_shift, rank_shift;  /* a bank number shifted right by these is its bank group, its rank */
    int32_t scheduler, arbitration, rank_round_robin, protection, row_hit_cap, protection_cap, activated_first;
    int32_t row_policy, row_timeout, command_queue, queue_shift, queues, batch, drain_high, drain_low;
    int32_t forwarding, coalescing, merging, blocking, precharge_all, split;
    int32_t read_data, write_data;    /* clocks from RD or WR to the end of its burst */
    int32_t refresh, partial, steps, step_count, step_stride, postpone, read_to_pre, write_to_pre; /* partial: REFB */
    int64_t step_interval;
    int32_t power_down, self_refresh, tCKE, tXP, tCKESR, tXS, refresh_clk;
    int32_t windows;                  /* rules that count from an ACT several back ... */
    int32_t window_acts[WINDOWS_MAX], window_clk[WINDOWS_MAX], window_ranks[WINDOWS_MAX]; /* ... in these ranks */
    int32_t pins[COMMANDS];           /* clocks that a command takes on its pins */
    int32_t bank_delta[COMMANDS][CLASSES + 1];
    int32_t rank_refresh_delta[COMMANDS]; /* to REF or REFB of the same rank */
    const int32_t *spread[COMMANDS][CLASSES]; /* [bank group of the channel][padded]; NULL: binds nothing */
    int32_t everywhere[COMMANDS][CLASSES];    /* binds other ranks too */
} Tables;

typedef struct {                      /* the rules that bind at all, by command before */
    int32_t bank_rules, spread_rules;
    int32_t *bank_ready[CLASSES + 1], bank_delta[CLASSES + 1]; /* clocks of the class after, and what it adds to them */
    int32_t *spread_ready[CLASSES];
    const int32_t *spread[CLASSES];
    int32_t rank_mask[CLASSES];       /* -1: the rule binds banks of the same rank alone; 0: of any rank */
    int32_t spread_banks[CLASSES];    /* to look at: those of one rank, or all */
} Binding;

typedef struct Channel {
    Tables t;
    Binding binding[COMMANDS];
    Queue queue[KINDS];
    int32_t *ready[CLASSES + 1];      /* by command class, by bank; the last is REFB */
    int32_t *open_row, *streak;       /* by bank; streak: RD and WR since ACT */
    int32_t *column_rank, *row_rank;  /* by bank: scratch of the choice of the next command */
    int32_t *last_column;
    int32_t *activated;               /* by bank: its activated request, or NONE */
    int32_t activated_count;
    uint8_t *refreshing;              /* by bank: a refresh of it is due */
    Entry *entries;
    int32_t entry_room, entry_free;
    Merged *merges;
    int32_t merge_room, merge_free;
    int32_t age;                      /* of the next request that joins the set */
    int32_t active;                   /* READS or WRITES: the queue being served */
    int32_t gated;                    /* its gates are kept up to date; else all gates are NEVER (plain loop) */
    int64_t base, clk, offer;         /* absolute: last event; next offer of the front end */
    int32_t now;                      /* first clock without a decision yet, relative */
    int32_t row_free, column_free;    /* split pins: first clock at which each may be used */
    int32_t stale;                    /* the candidate below must be looked up again */
    int32_t best_clk, best_command, best_bank, best_entry;
    int32_t last_rank, last_queue;    /* for round robin */
    int32_t *queue_count;             /* command queues */
    int32_t drain_left, draining;
    int64_t move_next;                /* absolute clock of the next attempt to move, INT64_MAX: none */
    int32_t ended;                    /* no request will follow */
    int32_t *history[WINDOWS_MAX], *history_head[WINDOWS_MAX]; /* by window: rank x the clocks of the last ACTs */
    int32_t *refresh_ready;           /* by rank */
    int64_t *due;                     /* by rank, absolute */
    int64_t next_due;
    int32_t *step, *debt, *rank_waiting, *open_banks;
    uint8_t *pending, *asleep;
    int32_t pending_count;
    int64_t fruitless;                /* refreshes since the last RD or WR while requests wait */
    int32_t fruitless_acts;           /* ACT since the last RD or WR */
    int64_t *idle_since, *busy_until, *active_since, *asleep_since;
    int64_t *left_at;                 /* by rank: end of its last power-down, which may lie ahead */
    int64_t *rank_clk;                /* rank x POWER_STATES */
    int64_t *rank_commands;           /* rank x COMMANDS: those that concern more than one bank, REF, PREA, REFB */
    Counts counts;
    BankCounts *bank;
    int64_t *latency;                 /* histogram, owned by the caller */
    int64_t *finished;                /* by ident: clock at which its data have moved; NULL when nobody asks */
    int64_t *completed;               /* idents in order of their column commands; NULL when nobody asks */
    int64_t completed_count;
    LogRecord *log;
    int64_t log_count, log_room, log_limit;
    int64_t *series;                  /* rows of SERIES_FIELDS, one per interval begun */
    int64_t series_rows, series_room, series_interval, series_end;
    int32_t general;                  /* options beyond the plain loop are in use */
    int32_t failed;                   /* 1: out of memory; STUCK: no progress */
    void *arena;
} Channel;

/* -------------------------------------------------------------------------------------------- latency histogram */

INLINE int64_t latency_bin(int64_t clk) {
    int64_t octave = 0;
    if (LIKELY(clk < LATENCY_EXACT))
        return clk;
    while ((clk >> octave) >= 512)
        octave++;
    return LATENCY_EXACT + (octave - 8) * 256 + (clk >> octave) - 256;
}

INLINE int64_t latency_of_bin(int64_t bin) {
    if (bin < LATENCY_EXACT)
        return bin;
    return ((bin - LATENCY_EXACT) % 256 + 256) << ((bin - LATENCY_EXACT) / 256 + 8);
}

/* -------------------------------------------------------------------------------------------- making and unmaking */

/* Hand out pieces of one block, each on a cache line, so that vectors do not straddle lines. */
INLINE void *piece(char **arena, size_t bytes) {
    void *at = *arena;
    *arena += (bytes + 63) & ~(size_t)63;
    return at;
}

NOINLINE size_t channel_pieces(Channel *c, char *at) {
    char *begin = at;
    const size_t wide = (size_t)c->t.padded * 4, ranks = (size_t)c->t.ranks;
    for (int32_t k = 0; k < KINDS; k++) {
        Queue *q = &c->queue[k];
        int32_t **by_bank[] = {&q->head,     &q->tail,        &q->hit,     &q->conflict,  &q->act_gate,
                               &q->pre_gate, &q->column_gate, &q->row_key, &q->column_key};
        for (size_t i = 0; i < sizeof by_bank / sizeof *by_bank; i++)
            *by_bank[i] = piece(&at, wide);
        q->busy = piece(&at, (size_t)c->t.padded / 8 + 8);
    }
    for (int32_t k = 0; k <= CLASSES; k++)
        c->ready[k] = piece(&at, wide);
    c->open_row = piece(&at, wide);
    c->column_rank = piece(&at, wide);
    c->row_rank = piece(&at, wide);
    c->streak = piece(&at, wide);
    c->last_column = piece(&at, wide);
    c->activated = piece(&at, wide);
    c->refreshing = piece(&at, (size_t)c->t.padded);
    c->queue_count = piece(&at, wide);
    c->bank = piece(&at, (size_t)c->t.banks * sizeof(BankCounts));
    for (int32_t w = 0; w < c->t.windows; w++) {
        c->history[w] = piece(&at, ranks * (size_t)c->t.window_acts[w] * 4);
        c->history_head[w] = piece(&at, ranks * 4);
    }
    int32_t **by_rank[] = {&c->refresh_ready, &c->step, &c->debt, &c->rank_waiting, &c->open_banks};
    for (size_t i = 0; i < sizeof by_rank / sizeof *by_rank; i++)
        *by_rank[i] = piece(&at, ranks * 4);
    int64_t **clocks[] = {&c->due, &c->idle_since, &c->busy_until, &c->active_since, &c->asleep_since,
                          &c->left_at};
    for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++)
        *clocks[i] = piece(&at, ranks * 8);
    c->rank_clk = piece(&at, ranks * POWER_STATES * 8);
    c->rank_commands = piece(&at, ranks * COMMANDS * 8);
    c->pending = piece(&at, ranks);
    c->asleep = piece(&at, ranks);
    return (size_t)(at - begin);
}

INLINE void fill(int32_t *values, int32_t value, int32_t n) {
    for (int32_t i = 0; i < n; i++)
        values[i] = value;
}

NOINLINE void bindings_make(Channel *c) {
    for (int32_t command = 0; command < COMMANDS; command++) {
        Binding *b = &c->binding[command];
        for (int32_t k = 0; k <= CLASSES; k++)
            if (c->t.bank_delta[command][k] > 0) {
                b->bank_ready[b->bank_rules] = c->ready[k];
                b->bank_delta[b->bank_rules++] = c->t.bank_delta[command][k];
            }
        for (int32_t k = 0; k < CLASSES; k++)
            if (c->t.spread[command][k] != NULL) {
                /* All banks where a rank is no whole number of eights: what is outside of it is not bound. */
                const int32_t within = !c->t.everywhere[command][k] && c->t.banks_per_rank % 8 == 0;
                b->rank_mask[b->spread_rules] = -within;
                b->spread_banks[b->spread_rules] = within ? c->t.banks_per_rank : c->t.padded;
                b->spread_ready[b->spread_rules] = c->ready[k];
                b->spread[b->spread_rules++] = c->t.spread[command][k];
            }
    }
}

NOINLINE Channel *channel_make(const Tables *t, int32_t read_queue, int32_t write_queue, int64_t first_due,
                               int64_t due_stagger, int64_t *latency) {
    Channel *c = calloc(1, sizeof(Channel));
    if (c == NULL)
        return NULL;
    c->t = *t;
    c->arena = calloc(1, channel_pieces(c, NULL) + 64);
    if (c->arena == NULL) {
        free(c);
        return NULL;
    }
    channel_pieces(c, (char *)(((uintptr_t)c->arena + 63) & ~(uintptr_t)63));
    for (int32_t k = 0; k < KINDS; k++) {
        Queue *q = &c->queue[k];
        fill(q->head, NONE, t->padded);
        fill(q->tail, NONE, t->padded);
        fill(q->hit, NONE, t->padded);
        fill(q->conflict, NONE, t->padded);
        fill(q->act_gate, NEVER, t->padded);
        fill(q->pre_gate, NEVER, t->padded);
        fill(q->column_gate, NEVER, t->padded);
        fill(q->row_key, NO_KEY, t->padded);
        fill(q->column_key, NO_KEY, t->padded);
        q->stage_head = q->stage_tail = NONE;
    }
    bindings_make(c);
    c->queue[READS].capacity = read_queue;
    c->queue[WRITES].capacity = write_queue;
    for (int32_t k = 0; k <= CLASSES; k++)
        fill(c->ready[k], FLOOR, t->padded);
    fill(c->open_row, CLOSED, t->padded);
    fill(c->last_column, FLOOR, t->padded);
    fill(c->activated, NONE, t->padded);
    for (int32_t w = 0; w < t->windows; w++)
        fill(c->history[w], FLOOR, t->ranks * t->window_acts[w]);
    fill(c->refresh_ready, FLOOR, t->ranks);
    c->next_due = INT64_MAX;
    for (int32_t r = 0; r < t->ranks; r++) {
        c->due[r] = t->refresh ? first_due + r * due_stagger : INT64_MAX;
        if (c->due[r] < c->next_due)
            c->next_due = c->due[r];
    }
    c->latency = latency;
    c->entry_free = c->merge_free = NONE;
    c->last_rank = t->ranks - 1;
    c->stale = 1;
    c->move_next = INT64_MAX;
    c->series_end = INT64_MAX;
    c->general = t->scheduler == FCFS || t->arbitration == ROUND_ROBIN || t->rank_round_robin || t->activated_first ||
                 t->row_policy != POLICY_OPEN || t->command_queue || t->split || t->postpone || t->power_down ||
                 t->self_refresh || t->merging || t->blocking == BLOCK_CHANNEL;
    return c;
}

NOINLINE void channel_unmake(Channel *c) {
    if (c == NULL)
        return;
    free(c->entries);
    free(c->merges);
    free(c->log);
    free(c->series);
    free(c->arena);
    free(c);
}

#endif
