/* The replay of one channel: front end, command queues, and the loop from event to event.
 *
 * Nothing happens between two events, so the loop jumps to the earliest clock at which a refresh falls due, a command can
 * issue, or a request can be taken in or moved, and then goes through that clock in the order of docs/dram.md. It is
 * compiled twice: `general` handles every option, the other leaves out what the usual controller does not use.
 */
#ifndef ARCHSIM_DRAM_REPLAY_H
#define ARCHSIM_DRAM_REPLAY_H

#include "dram_issue.h"

/* ---------------------------------------------------------------------------------------------------- front end */

INLINE void serve(Channel *c, int32_t kind) {
    if (c->gated)
        gates_keep(c, 0);
    c->active = kind;
    c->stale = 1;
}

INLINE void update_mode(Channel *c) {
    const int32_t reads = c->queue[READS].count, writes = c->queue[WRITES].count;
    if (c->active == READS) {
        if (writes >= c->t.drain_high || (reads == 0 && writes > 0))
            serve(c, WRITES);
    } else if (writes == 0 || (writes <= c->t.drain_low && reads > 0)) {
        serve(c, READS);
    }
}

typedef struct { int32_t row, bank, column; } Place;

INLINE Place place_of(int64_t coordinate) {
    Place p = {(int32_t)(coordinate >> 32) & 0xFFFFFF, (int32_t)(coordinate >> 16) & 0xFFFF,
               (int32_t)coordinate & 0xFFFF};
    return p;
}

/* Is a request served by a waiting write to its line: a read forwarded, a write coalesced? */
INLINE int32_t met_by_write(const Channel *c, Place p, int32_t kind) {
    return c->queue[WRITES].waiting && (kind == READS ? c->t.forwarding : c->t.coalescing) &&
           find_line(c, WRITES, p.bank, p.row, p.column) != NONE;
}

/* The waiting read that a request can be merged with, or NONE. */
INLINE int32_t read_to_merge_with(const Channel *c, Place p, int32_t kind) {
    return kind == READS && c->t.merging ? find_line(c, READS, p.bank, p.row, p.column) : NONE;
}

/* Take a request in at absolute clock `clk`. */
INLINE void accept(Channel *c, int64_t coordinate, int32_t kind, int64_t ident, int64_t clk, const int general) {
    const Place p = place_of(coordinate);
    Queue *q = &c->queue[kind];
    c->offer = clk + 1;
    if (kind == READS)
        c->counts.reads++;
    else
        c->counts.writes++;
    if (met_by_write(c, p, kind)) {
        if (kind == WRITES) {
            c->counts.coalesced++;
            return;
        }
        c->counts.forwarded++;
        finish_read(c, clk, clk, clk + 1, ident);
        if (clk + 1 > c->counts.last_data)
            c->counts.last_data = clk + 1;
        return;
    }
    const int32_t other = general ? read_to_merge_with(c, p, kind) : NONE;
    if (other != NONE) {
        c->counts.merged++;
        merge_read(c, other, clk, ident);
        return;
    }
    const int32_t i = entry_take(c);
    if (UNLIKELY(i == NONE))
        return;
    Entry *e = &c->entries[i];
    e->arrived = clk;
    e->first = -1;
    e->ident = ident;
    e->row = p.row;
    e->column = p.column;
    e->bank = p.bank;
    e->kind = kind;
    e->merged = NONE;
    q->count++;
    q->waiting++;
    if (general) {
        const int32_t rank = p.bank >> c->t.rank_shift;
        if (c->rank_waiting[rank]++ == 0 && !c->pending[rank])
            wake(c, rank, clk + 1);
        if (c->t.command_queue) {
            stage_in(c, i);
            return;
        }
    }
    chain_in(c, i);
    if (general) {
        update_bank(c, p.bank, general);
        return;
    }
    if (kind != c->active)
        return;
    if (c->gated)
        update_kind(c, kind, p.bank);
    if (!c->stale)
        select_joined(c, i);
}

/* ----------------------------------------------------------------------------------------------- command queues */

/* Which queue gives a request in this clock? Begins and ends the draining of writes. */
INLINE int32_t moving_kind(Channel *c) {
    const int32_t reads = c->queue[READS].stage_count, writes = c->queue[WRITES].stage_count;
    if (!c->t.batch) {
        if (!c->draining)
            c->draining = writes >= c->t.drain_high || (writes > 0 && reads == 0);
        else
            c->draining = !(writes == 0 || (writes <= c->t.drain_low && reads > 0));
        return c->draining ? WRITES : READS;
    }
    if (c->drain_left == 0) {
        const int32_t queued = c->queue[READS].waiting + c->queue[WRITES].waiting - reads - writes;
        if (writes >= c->t.drain_high || (queued == 0 && (writes > c->t.drain_low || (c->ended && reads == 0))))
            c->drain_left = writes;
    }
    return c->drain_left ? WRITES : READS;
}

INLINE int32_t move_kind(Channel *c, int32_t kind) {
    int32_t passed_over = 0;
    for (int32_t i = c->queue[kind].stage_head; i != NONE; i = c->entries[i].next) {
        Entry *e = &c->entries[i];
        if (c->queue_count[e->bank >> c->t.queue_shift] == c->t.command_queue)
            continue;
        if (kind == WRITES && find_line(c, READS, e->bank, e->row, e->column) != NONE) {
            if (!c->t.batch) {
                passed_over = 1;
                continue;
            }
            c->drain_left = 0;
            return move_kind(c, READS);
        }
        if (kind == WRITES && c->t.batch)
            c->drain_left--;
        stage_out(c, i);
        c->queue[kind].count--;
        c->queue_count[e->bank >> c->t.queue_shift]++;
        chain_in(c, i);
        update_mixed(c, e->bank);
        c->stale = 1;
        return 1;
    }
    return passed_over ? move_kind(c, READS) : 0;
}

NOINLINE void move(Channel *c, int64_t clk) {
    const int32_t moved = move_kind(c, moving_kind(c));
    c->move_next = moved ? clk + 1 : INT64_MAX;
}

/* ----------------------------------------------------------------------------------------------------- the loop */

typedef struct {
    const int64_t *coordinates, *arrivals;
    const uint8_t *kinds;
    int64_t i, n;
    int64_t next;                     /* clock at which the next request gets in; INT64_MAX: none, or its queue is full */
    int32_t full;                     /* its queue is: `next` changes with what waits */
} Source;

INLINE int32_t source_kind(const Source *s) { return s->kinds == NULL ? READS : s->kinds[s->i]; }

/* When can the next request get in, not before clock `from`? To be called when one has been taken in and, while `full`, when a place or a waiting line may have gone. */
INLINE void source_look(const Channel *c, Source *s, int64_t from) {
    s->full = 0;
    s->next = INT64_MAX;
    if (s->i == s->n)
        return;
    const int32_t kind = source_kind(s);
    if (c->queue[kind].count == c->queue[kind].capacity) {
        s->full = 1;
        if (c->queue[WRITES].waiting == 0 && !c->t.merging)
            return;
        const Place p = place_of(s->coordinates[s->i]);
        if (!met_by_write(c, p, kind) && read_to_merge_with(c, p, kind) == NONE)
            return;
    }
    const int64_t arrival = s->arrivals == NULL ? 0 : s->arrivals[s->i];
    s->next = c->offer > arrival ? c->offer : arrival;
    if (from > s->next)
        s->next = from;
}

/* Steps 3 and 4 of clock `clk`, and the choice of the queue to serve from the next one on. */
INLINE void end_clock(Channel *c, Source *s, int64_t clk, int32_t freed, const int general) {
    c->clk = clk;
    if (s->full && freed)
        source_look(c, s, clk);
    const int32_t taken = s->next == clk;
    set_now(c, clk + 1);
    if (taken) {
        accept(c, s->coordinates[s->i], source_kind(s), s->i, clk, general);
        s->i++;
    }
    if (general && c->t.command_queue)
        move(c, clk);
    else if (taken || freed)
        update_mode(c);
    if (taken || (general && s->full))
        source_look(c, s, clk + 1);
}

/* Does the best command come before anything else, and make room for nobody? The usual case. */
INLINE int command_alone(const Channel *c, const Source *s, int64_t clk, int32_t column) {
    return clk < s->next && c->best_clk < NEVER && clk < c->next_due && !c->pending_count && !(column && s->full);
}

/* One step of the plain loop; 0 goes on, -1 no progress. */
INLINE int step_plain(Channel *c, Source *s) {
    if (c->stale)
        select_plain(c);
    int64_t clk = c->base + c->best_clk;
    const int32_t column = c->best_command == RD || c->best_command == WR;
    const int32_t alone = command_alone(c, s, clk, column);
    if (UNLIKELY(!alone)) {
        const int64_t t_command = c->best_clk < NEVER ? clk : INT64_MAX;
        int64_t t_refresh = INT64_MAX;
        int32_t command = 0, bank = 0;
        if (UNLIKELY(c->pending_count)) {
            const int32_t t = refresh_next(c, c->now, &command, &bank);
            t_refresh = t < NEVER ? c->base + t : INT64_MAX;
        }
        clk = t_command < t_refresh ? t_command : t_refresh;
        clk = clk < s->next ? clk : s->next;
        if (UNLIKELY(c->next_due <= clk)) {
            if (c->next_due == INT64_MAX)
                return -1;
            set_now(c, c->next_due);
            refresh_due(c, c->next_due, 0);
            return 0;
        }
        if (UNLIKELY(t_refresh == clk)) {
            if (c->fruitless > (int64_t)FRUITLESS_MAX * c->t.ranks * c->t.steps)
                return -1;
            issue_refresh(c, command, bank, clk, 0);
        }
        if (t_refresh == clk || t_command != clk) {
            end_clock(c, s, clk, 0, 0);
            return 0;
        }
    }
    issue(c, c->best_command, c->best_bank, c->best_entry, clk, 0);
    if (UNLIKELY(!alone)) {
        end_clock(c, s, clk, column, 0);
        return 0;
    }
    c->clk = clk; /* its pins are busy, so that the next decision is later anyway */
    if (column)
        update_mode(c);
    return 0;
}

/* Issue, at `clk`, what is best on the pins asked for: activated requests, refresh, requests, row policy. Returns the
 * clock of the best command where it is later than `clk` (or INT64_MAX), `clk` when one has issued, -1: no progress. */
INLINE int64_t try_command(Channel *c, int32_t columns, int32_t rows, int64_t clk) {
    int32_t command = 0, bank = 0;
    const int32_t row_from = c->t.split ? later(c->now, c->row_free) : c->now;
    Choice best = choose(c, columns, rows);
    int32_t t = best.clk;
    int32_t of_refresh = 0;
    if (c->pending_count && rows) {
        const int32_t t_refresh = refresh_next(c, row_from, &command, &bank);
        if (t_refresh < t || (t_refresh == t && t < NEVER && best.claim != FOR_ACTIVATED)) {
            of_refresh = 1;
            t = t_refresh;
        }
    }
    if (c->t.row_policy != POLICY_OPEN && rows) {
        const Choice idle = choose_idle_row(c, row_from);
        if (idle.clk < t) {
            best = idle;
            t = idle.clk;
            of_refresh = 0;
        }
    }
    if (t >= NEVER)
        return INT64_MAX;
    if (c->base + t > clk)
        return c->base + t;
    if (of_refresh) {
        if (c->fruitless > (int64_t)FRUITLESS_MAX * c->t.ranks * c->t.steps)
            return -1;
        issue_refresh(c, command, bank, clk, 1);
    } else {
        issue(c, best.command, best.bank, best.entry, clk, 1);
    }
    return clk;
}

/* The same in general. */
INLINE int step_general(Channel *c, Source *s) {
    if (c->t.postpone)
        refresh_idle(c, c->clk + 1);
    const int32_t split = c->t.split;
    /* Asking for a clock in the past issues nothing and tells when the next command can. */
    int64_t t_column = try_command(c, 1, !split, INT64_MIN);
    int64_t t_row = split ? try_command(c, 0, 1, INT64_MIN) : INT64_MAX;
    int64_t clk = t_column < t_row ? t_column : t_row;
    clk = clk < s->next ? clk : s->next;
    if (c->t.command_queue && c->move_next < clk)
        clk = c->move_next;
    if (c->next_due <= clk) {
        if (c->next_due == INT64_MAX)
            return -1;
        set_now(c, c->next_due);
        refresh_due(c, c->next_due, 1);
        return 0;
    }
    if (t_column == clk && try_command(c, 1, !split, clk) < 0)
        return -1;
    if (split && try_command(c, 0, 1, clk) < 0)
        return -1;
    end_clock(c, s, clk, 1, 1);
    return 0;
}

INLINE int advance_body(Channel *c, Source *s, int drain, const int general) {
    while (s->i < s->n || (drain && c->queue[READS].waiting + c->queue[WRITES].waiting > 0)) {
        if (UNLIKELY(c->now > REBASE))
            rebase(c, c->now);
        if (general && drain && s->i == s->n && !c->ended) {
            c->ended = 1;
            if (c->t.command_queue)
                c->move_next = c->clk + 1;
        }
        if (general ? step_general(c, s) : step_plain(c, s))
            return -1;
        if (UNLIKELY(c->failed))
            return c->failed == STUCK ? -1 : -2;
    }
    c->ended = 0;
    return 0;
}

ARCHSIM_CLONES static int advance_plain(Channel *c, Source *s, int drain) { return advance_body(c, s, drain, 0); }

ARCHSIM_CLONES static int advance_general(Channel *c, Source *s, int drain) { return advance_body(c, s, drain, 1); }

/* Take in `n` requests and, with `drain`, serve all of them.
 *
 * A coordinate is row << 32 | bank << 16 | column (bits 56 and up are ignored); `kinds` (0 read, 1 write) and `arrivals`
 * (earliest clock of the offer) may be NULL. Without `drain` the call returns with the last request taken in, so that the
 * next call goes on as if both had been one. Returns 0; -1 when no request can ever make progress again; -2 out of memory.
 */
static int channel_advance(Channel *c, const int64_t *coordinates, const uint8_t *kinds, const int64_t *arrivals,
                           int64_t n, int drain) {
    Source s = {coordinates, arrivals, kinds, 0, n, 0, 0};
    source_look(c, &s, c->clk);
    return c->general ? advance_general(c, &s, drain) : advance_plain(c, &s, drain);
}

/* The request that has waited longest, or NONE; for the message of a replay that makes no progress. */
static int32_t oldest_waiting(const Channel *c) {
    int32_t best = NONE;
    for (int32_t k = 0; k < KINDS; k++)
        for (int32_t bank = -1; bank < c->t.banks; bank++) {
            const Queue *q = &c->queue[k];
            const int32_t found[] = {bank < 0 ? q->stage_head : q->head[bank], bank < 0 ? NONE : c->activated[bank]};
            for (int32_t f = 0; f < 2; f++)
                if (found[f] != NONE && (best == NONE || c->entries[found[f]].arrived < c->entries[best].arrived))
                    best = found[f];
        }
    return best;
}

#endif
