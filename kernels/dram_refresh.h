/* Refresh: when a step falls due, what it holds back, and which command it needs next; power-down and self-refresh. */
#ifndef ARCHSIM_DRAM_REFRESH_H
#define ARCHSIM_DRAM_REFRESH_H

#include "dram_queue.h"

/* The banks of the current step of a rank are first, first + stride, ... (step_count of them). */
INLINE int32_t step_first(const Channel *c, int32_t rank) {
    const int32_t first = rank * c->t.banks_per_rank, step = c->step[rank];
    if (!c->t.partial)
        return first;
    if (c->t.step_count == 1) /* per bank: the bank groups in turn */
        return first + (step % c->t.bank_groups) * c->t.banks_per_group + step / c->t.bank_groups;
    return first + step;
}

/* ------------------------------------------------------------------------------------------------- idle ranks */

/* A request for the rank, or its refresh, comes at absolute clock `clk`: leave power-down or self-refresh. */
NOINLINE void wake(Channel *c, int32_t rank, int64_t clk) {
    int64_t *spent = c->rank_clk + rank * POWER_STATES;
    int64_t usable, entered, left;
    if (c->asleep[rank]) {
        entered = c->asleep_since[rank];
        left = clk > entered + c->t.tCKESR ? clk : entered + c->t.tCKESR;
        usable = left + c->t.tXS;
        spent[SELF_REFRESH] += left - entered;
        c->asleep[rank] = 0;
        c->due[rank] = left + c->t.step_interval;
        if (c->due[rank] < c->next_due)
            c->next_due = c->due[rank];
    } else {
        if (!c->t.power_down)
            return;
        entered = c->idle_since[rank] + c->t.power_down;
        if (c->busy_until[rank] > entered)
            entered = c->busy_until[rank];
        if (clk <= entered)
            return;
        left = clk > entered + c->t.tCKE ? clk : entered + c->t.tCKE;
        usable = left + c->t.tXP;
        c->left_at[rank] = left;
        if (c->open_banks[rank]) {
            spent[ACTIVE_POWER_DOWN] += left - entered;
            c->active_since[rank] += left - entered; /* keeps it out of active standby */
        } else {
            spent[PRECHARGE_POWER_DOWN] += left - entered;
        }
    }
    if (usable > c->busy_until[rank])
        c->busy_until[rank] = usable;
    set_now(c, clk - 1);
    const int32_t t = (int32_t)(usable - c->base);
    for (int32_t k = 0; k <= CLASSES; k++)
        raise_to(c->ready[k] + rank * c->t.banks_per_rank, t, c->t.banks_per_rank);
    if (t > c->refresh_ready[rank])
        c->refresh_ready[rank] = t;
    c->stale = 1;
}

/* ------------------------------------------------------------------------------------------------ falling due */

NOINLINE void make_pending(Channel *c, int32_t rank, int64_t clk, const int general) {
    const int32_t first = step_first(c, rank);
    c->pending[rank] = 1;
    c->pending_count++;
    if (general && c->t.power_down && c->rank_waiting[rank] == 0)
        wake(c, rank, clk);
    for (int32_t i = 0; i < c->t.step_count; i++) {
        c->refreshing[first + i * c->t.step_stride] = 1;
        update_bank(c, first + i * c->t.step_stride, general);
    }
    c->stale = 1;
}

/* Refreshes due at or before absolute clock `clk`. */
NOINLINE void refresh_due(Channel *c, int64_t clk, const int general) {
    c->next_due = INT64_MAX;
    for (int32_t rank = 0; rank < c->t.ranks; rank++) {
        if (c->t.postpone) {
            if (c->due[rank] <= clk) {
                c->debt[rank]++;
                c->due[rank] += c->t.step_interval;
            }
            if (c->due[rank] < c->next_due)
                c->next_due = c->due[rank];
            if (!c->pending[rank] && c->debt[rank] > 0 &&
                (c->debt[rank] > c->t.postpone || c->rank_waiting[rank] == 0))
                make_pending(c, rank, clk, general);
        } else if (!c->pending[rank]) {
            if (c->due[rank] <= clk)
                make_pending(c, rank, clk, general);
            else if (c->due[rank] < c->next_due)
                c->next_due = c->due[rank];
        }
    }
}

/* Postponed refreshes of ranks for which nothing waits any more: `clk` follows the last event. */
INLINE void refresh_idle(Channel *c, int64_t clk) {
    for (int32_t rank = 0; rank < c->t.ranks; rank++)
        if (c->debt[rank] > 0 && !c->pending[rank] && c->rank_waiting[rank] == 0)
            make_pending(c, rank, clk, 1);
}

/* --------------------------------------------------------------------------------------------------- commands */

/* Latest clock at which an open bank of a step may be precharged; FLOOR - 1 when all are closed. */
INLINE int32_t precharge_all_clk(const Channel *c, int32_t rank) {
    int32_t clk = FLOOR - 1;
    const int32_t first = step_first(c, rank);
    for (int32_t i = 0, bank = first; i < c->t.step_count; i++, bank += c->t.step_stride)
        if (c->open_row[bank] != CLOSED && c->ready[PRE][bank] > clk)
            clk = c->ready[PRE][bank];
    return clk;
}

/* The next command for the due refresh of a rank: its relative clock, not before `from`. */
INLINE int32_t refresh_command(const Channel *c, int32_t rank, int32_t from, int32_t *command, int32_t *bank) {
    const int32_t first = step_first(c, rank);
    int32_t clk = FLOOR - 1, soonest = NEVER;
    for (int32_t i = 0, b = first; i < c->t.step_count; i++, b += c->t.step_stride)
        if (c->open_row[b] != CLOSED) {
            const int32_t may = c->activated[b] == NONE ? c->ready[PRE][b] : NEVER;
            clk = may > clk ? may : clk;
            soonest = may < soonest ? may : soonest;
        }
    *bank = first;
    if (clk < FLOOR) {
        *command = c->t.partial ? REFB : REF;
        clk = c->refresh_ready[rank];
        for (int32_t i = 0, b = first; i < c->t.step_count && *command == REFB; i++, b += c->t.step_stride)
            clk = c->ready[CLASSES][b] > clk ? c->ready[CLASSES][b] : clk;
    } else if (c->t.precharge_all && !c->t.partial) {
        *command = PREA;
    } else {
        *command = PRE;
        clk = soonest > from ? soonest : from;
        for (int32_t i = 0, b = first; i < c->t.step_count; i++, b += c->t.step_stride)
            if (c->open_row[b] != CLOSED && c->activated[b] == NONE && c->ready[PRE][b] <= clk) {
                *bank = b;
                break;
            }
    }
    return clk > from ? clk : from;
}

/* The earliest command of all due refreshes. */
NOINLINE int32_t refresh_next(const Channel *c, int32_t from, int32_t *command, int32_t *bank) {
    int32_t best = NEVER, of, at;
    for (int32_t rank = 0; rank < c->t.ranks; rank++) {
        if (!c->pending[rank])
            continue;
        int32_t clk = refresh_command(c, rank, from, &of, &at);
        if (clk < best) {
            best = clk;
            *command = of;
            *bank = at;
        }
    }
    return best;
}

/* The step of a rank is done: REF or REFB has issued, or self-refresh has begun instead. */
INLINE void refresh_done(Channel *c, int32_t rank) {
    const int32_t first = step_first(c, rank);
    c->pending[rank] = 0;
    c->pending_count--;
    for (int32_t i = 0; i < c->t.step_count; i++)
        c->refreshing[first + i * c->t.step_stride] = 0;
    c->step[rank] = c->step[rank] + 1 == c->t.steps ? 0 : c->step[rank] + 1;
    if (c->t.postpone)
        c->debt[rank]--;
    else
        c->due[rank] += c->t.step_interval;
}

NOINLINE void issue_refresh(Channel *c, int32_t command, int32_t bank, int64_t clk, const int general) {
    const int32_t rank = bank >> c->t.rank_shift, t = (int32_t)(clk - c->base);
    const int32_t first = step_first(c, rank);
    /* Without postponing there is no debt, but the clock of the refresh that is due. */
    const int32_t owes_more = c->t.postpone ? c->debt[rank] > 1 : c->due[rank] + c->t.step_interval <= clk;
    if (command == REF && general && c->t.self_refresh && c->rank_waiting[rank] == 0 && !owes_more &&
        clk >= c->idle_since[rank] + c->t.self_refresh) {
        occupy_pins(c, REF, t, general);
        refresh_done(c, rank);
        c->asleep[rank] = 1;
        c->asleep_since[rank] = clk;
        c->due[rank] = INT64_MAX;
        for (int32_t b = first; b < first + c->t.banks_per_rank; b++)
            update_bank(c, b, general);
        c->stale = 1;
        return;
    }
    c->counts.commands[command]++;
    c->rank_commands[rank * COMMANDS + command] += command != PRE;
    log_command(c, clk, command, bank, 0, 0);
    series_count(c, clk, command, 0);
    occupy_pins(c, command, t, general);
    if (command == PRE || command == PREA) {
        for (int32_t i = 0, b = first; i < c->t.step_count; i++, b += c->t.step_stride)
            if (c->open_row[b] != CLOSED && (command == PREA || b == bank)) {
                apply_to_bank(c, PRE, b, t);
                close_bank(c, b, clk);
                forget_hits(c, b);
                update_bank(c, b, general);
            }
        c->bank[bank].pre += command == PRE;
        apply_around(c, PRE, bank, t);
    } else {
        c->fruitless += c->queue[READS].waiting + c->queue[WRITES].waiting > 0;
        for (int32_t i = 0, b = first; i < c->t.step_count; i++, b += c->t.step_stride)
            apply_to_bank(c, command, b, t);
        apply_around(c, command, bank, t);
        refresh_done(c, rank);
        if (general && clk + c->t.refresh_clk > c->busy_until[rank])
            c->busy_until[rank] = clk + c->t.refresh_clk;
        if (c->due[rank] < c->next_due)
            c->next_due = c->due[rank];
        for (int32_t i = 0, b = first; i < c->t.step_count; i++, b += c->t.step_stride)
            update_bank(c, b, general);
    }
    c->stale = 1;
}

/* Would RD or WR to `bank` at relative clock t push back the precharge that a due refresh waits for? */
INLINE int32_t would_delay_refresh(const Channel *c, int32_t bank, int32_t t, int32_t kind) {
    return c->refreshing[bank] && t + (kind == READS ? c->t.read_to_pre : c->t.write_to_pre) >
                                      precharge_all_clk(c, bank >> c->t.rank_shift);
}

#endif
