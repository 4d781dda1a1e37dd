/* Which command is next: the earliest legal clock over all candidates, and the choice among those legal at it. */
#ifndef ARCHSIM_DRAM_SELECT_H
#define ARCHSIM_DRAM_SELECT_H

#include "dram_refresh.h"

INLINE int32_t later(int32_t a, int32_t b) { return a > b ? a : b; }

INLINE void set_best(Channel *c, int32_t clk, int32_t command, int32_t bank, int32_t entry) {
    c->best_clk = clk;
    c->best_command = command;
    c->best_bank = bank;
    c->best_entry = entry;
}

/* The command of a candidate, named by its key: RD or WR (`column`), or what its bank needs before. */
INLINE void set_best_of(Channel *c, const Queue *q, int32_t clk, int32_t key, int32_t column) {
    const int32_t bank = key & BANK_MASK;
    if (column)
        set_best(c, clk, RD + c->active, bank, q->hit[bank]);
    else if (c->open_row[bank] == CLOSED)
        set_best(c, clk, ACT, bank, q->head[bank]);
    else
        set_best(c, clk, PRE, bank, q->conflict[bank]);
}

/* The plain case: one queue served, FR-FCFS, ages alone decide. */
INLINE void select_among(Channel *c, Queue *q) {
    const Candidates all = {c->ready[RD + c->active], q->column_gate, c->ready[ACT],  q->act_gate,
                            c->ready[PRE],            q->pre_gate,    c->column_rank, c->row_rank};
    const int32_t n = c->t.padded, column_first = c->t.arbitration == COLUMN_FIRST;
    for (;;) {
        const int32_t rank = rank_candidates(&all, c->now, column_first, n);
        if (UNLIKELY(rank >= 2 * NEVER)) {
            c->best_clk = NEVER;
            return;
        }
        int32_t column = !(rank & 1), key;
        if (column_first) {
            key = column ? oldest_at(c->column_rank, q->column_key, rank, n) : oldest_at(c->row_rank, q->row_key, rank, n);
        } else {
            const int32_t row_key = oldest_at(c->row_rank, q->row_key, rank, n);
            key = oldest_at(c->column_rank, q->column_key, rank, n);
            column = key < row_key;
            key = column ? key : row_key;
        }
        const int32_t bank = key & BANK_MASK, t = rank >> 1;
        if (column && UNLIKELY(c->pending_count) && would_delay_refresh(c, bank, t, c->active)) {
            q->column_gate[bank] = NEVER; /* the precharge never moves later, so this one waits for it */
            continue;
        }
        set_best_of(c, q, t, key, column);
        return;
    }
}

/* A candidate's rank and, after it, its key: the smallest is the best. */
INLINE int64_t score_of(int32_t rank, int32_t key) { return ((int64_t)rank << 32) | key; }

INLINE void set_better(Channel *c, int64_t *best, int64_t score, int32_t command, int32_t bank, int32_t entry) {
    if (score >= *best)
        return;
    *best = score;
    c->best_command = command;
    c->best_bank = bank;
    c->best_entry = entry;
}

/* The same where few requests wait and no refresh is due: only their banks are looked at, and without gates. */
INLINE void select_few(Channel *c, const Queue *q) {
    const int32_t row_later = c->t.arbitration == COLUMN_FIRST;
    int64_t best = score_of(2 * NEVER, 0);
    for (int32_t word = 0; word < c->t.padded; word += 64)
        for (uint64_t bits = q->busy[word >> 6]; bits; bits &= bits - 1) {
            const int32_t b = word + lowest_bit(bits), head = q->head[b], closed = c->open_row[b] == CLOSED;
            int32_t row = head;
            if (!closed) {
                const int32_t hit = q->hit[b], capped = hits_capped(c, b, head, hit);
                row = conflict_of(c, b, head, hit, capped);
                if (hit != NONE && !capped)
                    set_better(c, &best, score_of(2 * later(c->ready[RD + c->active][b], c->now), c->entries[hit].key),
                               RD + c->active, b, hit);
            }
            if (row != NONE) {
                const int32_t command = closed ? ACT : PRE;
                set_better(c, &best, score_of(2 * later(c->ready[command][b], c->now) + row_later, c->entries[row].key),
                           command, b, row);
            }
        }
    c->best_clk = (int32_t)(best >> 33);
}

/* The same where one request waits, which has one candidate. */
INLINE void select_only(Channel *c, const Queue *q) {
    int32_t word = 0;
    while (!q->busy[word])
        word++;
    const int32_t bank = 64 * word + lowest_bit(q->busy[word]), head = q->head[bank];
    int32_t command = c->open_row[bank] == CLOSED ? ACT : PRE;
    command = q->hit[bank] == NONE ? command : RD + c->active;
    set_best(c, later(c->ready[command][bank], c->now), command, bank, head);
}

INLINE void select_plain(Channel *c) {
    Queue *q = &c->queue[c->active];
    c->stale = 0;
    if (q->waiting > FEW || c->pending_count) {
        if (UNLIKELY(!c->gated))
            gates_keep(c, 1);
        select_among(c, q);
        return;
    }
    if (UNLIKELY(c->gated))
        gates_keep(c, 0);
    if (q->waiting > 1)
        select_few(c, q);
    else if (q->waiting)
        select_only(c, q);
    else
        c->best_clk = NEVER;
}

/* Request `i` has joined a chain, and the best command of the others is known: is its own better? */
INLINE void select_joined(Channel *c, int32_t i) {
    const Entry *e = &c->entries[i];
    const Queue *q = &c->queue[c->active];
    const int32_t bank = e->bank;
    if (e->prev != NONE && q->hit[bank] != i && c->t.protection != PROTECT_NONE)
        return; /* neither the oldest of its bank nor the oldest hit */
    if (c->pending_count || e->prev != NONE || (!c->gated && q->waiting > FEW)) {
        c->stale = 1; /* it may change what others of the bank can do, or it is time for gates */
        return;
    }
    int32_t command = c->open_row[bank] == CLOSED ? ACT : PRE;
    command = q->hit[bank] == NONE ? command : RD + c->active;
    const int32_t t = later(c->ready[command][bank], c->now);
    const int32_t column = command == RD || command == WR;
    const int32_t best_column = c->best_command == RD || c->best_command == WR;
    const int32_t goes_before = c->t.arbitration == COLUMN_FIRST && column && !best_column; /* though the younger */
    if (t < c->best_clk || (t == c->best_clk && goes_before))
        set_best(c, t, command, bank, i);
}

/* ------------------------------------------------------------------------------------------------- general case */

typedef struct {
    int32_t clk, claim, turn, key;    /* compared in this order */
    int32_t command, bank, entry;
} Choice;

INLINE void consider(Choice *best, int32_t clk, int32_t claim, int32_t turn, int32_t key, int32_t command,
                     int32_t bank, int32_t entry) {
    if (clk > best->clk || (clk == best->clk && (claim > best->claim ||
        (claim == best->claim && (turn > best->turn || (turn == best->turn && key >= best->key))))))
        return;
    best->clk = clk;
    best->claim = claim;
    best->turn = turn;
    best->key = key;
    best->command = command;
    best->bank = bank;
    best->entry = entry;
}

/* Place of a bank in the round robin: 0 goes first. */
INLINE int32_t turn_of(const Channel *c, int32_t bank) {
    int32_t turn;
    if (c->t.arbitration == ROUND_ROBIN) {
        turn = (bank >> c->t.queue_shift) - c->last_queue - 1;
        return turn < 0 ? turn + c->t.queues : turn;
    }
    if (!c->t.rank_round_robin)
        return 0;
    turn = (bank >> c->t.rank_shift) - c->last_rank - 1;
    return turn < 0 ? turn + c->t.ranks : turn;
}

enum { FOR_ACTIVATED, FOR_COLUMN, FOR_ROW };

NOINLINE void consider_activated(const Channel *c, Choice *best, int32_t column_from) {
    for (int32_t b = 0; b < c->t.banks; b++) {
        const int32_t i = c->activated[b];
        if (i == NONE)
            continue;
        const int32_t command = RD + c->entries[i].kind;
        consider(best, later(c->ready[command][b], column_from), FOR_ACTIVATED, 0, c->entries[i].key, command, b, i);
    }
}

/* First come, first served: only the oldest request of the set has a wish. */
NOINLINE void consider_oldest(const Channel *c, Choice *best, int32_t columns, int32_t rows, int32_t column_from,
                              int32_t row_from) {
    int32_t i = NONE;
    for (int32_t k = 0; k < KINDS; k++) {
        if (!c->t.command_queue && k != c->active)
            continue;
        for (int32_t b = 0; b < c->t.banks; b++) {
            const int32_t head = c->queue[k].head[b];
            if (head != NONE && (i == NONE || c->entries[head].key < c->entries[i].key))
                i = head;
        }
    }
    if (i == NONE)
        return;
    const Entry *e = &c->entries[i];
    const int32_t b = e->bank, held = c->refreshing[b];
    if (c->open_row[b] == CLOSED) {
        if (rows && !held)
            consider(best, later(c->ready[ACT][b], row_from), FOR_ROW, 0, e->key, ACT, b, i);
    } else if (held && c->t.blocking != BLOCK_ACTIVATES) {
        return;
    } else if (c->open_row[b] != e->row) {
        if (rows)
            consider(best, later(c->ready[PRE][b], row_from), FOR_ROW, 0, e->key, PRE, b, i);
    } else if (columns) {
        const int32_t t = later(c->ready[RD + e->kind][b], column_from);
        if (!would_delay_refresh(c, b, t, e->kind))
            consider(best, t, FOR_COLUMN, 0, e->key, RD + e->kind, b, i);
    }
}

NOINLINE void consider_banks(const Channel *c, Choice *best, int32_t kind, int32_t columns, int32_t rows,
                             int32_t column_from, int32_t row_from) {
    const Queue *q = &c->queue[kind];
    const int32_t row_claim = c->t.arbitration == COLUMN_FIRST ? FOR_ROW : FOR_COLUMN;
    for (int32_t b = 0; b < c->t.banks; b++) {
        if (columns && q->column_gate[b] != NEVER) {
            const int32_t t = later(c->ready[RD + kind][b], column_from);
            if (LIKELY(!c->pending_count) || !would_delay_refresh(c, b, t, kind))
                consider(best, t, FOR_COLUMN, turn_of(c, b), q->column_key[b], RD + kind, b, q->hit[b]);
        }
        if (!rows)
            continue;
        if (q->act_gate[b] != NEVER)
            consider(best, later(c->ready[ACT][b], row_from), row_claim, turn_of(c, b), q->row_key[b], ACT, b,
                     c->t.command_queue ? q->conflict[b] : q->head[b]);
        else if (q->pre_gate[b] != NEVER)
            consider(best, later(c->ready[PRE][b], row_from), row_claim, turn_of(c, b), q->row_key[b], PRE, b,
                     q->conflict[b]);
    }
}

/* The best command for a request; with split pins, of the column pins or of the row pins. */
NOINLINE Choice choose(const Channel *c, int32_t columns, int32_t rows) {
    Choice best = {NEVER, 0, 0, 0, ACT, 0, NONE};
    const int32_t column_from = c->t.split ? later(c->now, c->column_free) : c->now;
    const int32_t row_from = c->t.split ? later(c->now, c->row_free) : c->now;
    if (c->activated_count && columns)
        consider_activated(c, &best, column_from);
    if (c->t.blocking == BLOCK_CHANNEL && c->pending_count)
        return best;
    if (c->t.scheduler == FCFS) {
        consider_oldest(c, &best, columns, rows, column_from, row_from);
        return best;
    }
    if (c->t.command_queue || c->active == READS)
        consider_banks(c, &best, READS, columns, rows, column_from, row_from);
    if (c->t.command_queue || c->active == WRITES)
        consider_banks(c, &best, WRITES, columns, rows, column_from, row_from);
    return best;
}

/* The row policy: the earliest PRE of a row that nothing waits for. */
NOINLINE Choice choose_idle_row(const Channel *c, int32_t from) {
    Choice best = {NEVER, 0, 0, 0, PRE, 0, NONE};
    for (int32_t b = 0; b < c->t.banks; b++) {
        if (c->open_row[b] == CLOSED || c->streak[b] == 0 || row_wanted(c, b, c->open_row[b]))
            continue;
        int32_t t = c->ready[PRE][b];
        if (c->t.row_policy == POLICY_TIMEOUT)
            t = later(t, c->last_column[b] + c->t.row_timeout);
        t = later(t, from);
        if (c->t.power_down) {
            const int32_t rank = b >> c->t.rank_shift;
            const int64_t asleep = c->idle_since[rank] + c->t.power_down;
            if (c->rank_waiting[rank] == 0 && !c->pending[rank] && c->base + t >= asleep &&
                c->base + t >= c->busy_until[rank])
                continue;
        }
        consider(&best, t, 0, 0, b, PRE, b, NONE);
    }
    return best;
}

#endif
