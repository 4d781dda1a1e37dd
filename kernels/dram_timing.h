/* What a command does to the clocks of others: timing rules, command log, time series, power states. */
#ifndef ARCHSIM_DRAM_TIMING_H
#define ARCHSIM_DRAM_TIMING_H

#include "dram_state.h"

NOINLINE void log_grown(Channel *c, int64_t clk, int32_t command, int32_t bank, int32_t row, int32_t column) {
    if (c->log_count == c->log_room) {
        c->log_room = 2 * c->log_room + 1024;
        LogRecord *grown = realloc(c->log, (size_t)c->log_room * sizeof(LogRecord));
        if (grown == NULL) {
            c->failed = 1;
            c->log_limit = c->log_count;
            return;
        }
        c->log = grown;
    }
    LogRecord *record = &c->log[c->log_count++];
    record->clk = clk;
    record->command = command;
    record->bank = bank;
    record->row = row;
    record->column = column;
    record->reads = c->queue[READS].waiting;
    record->writes = c->queue[WRITES].waiting;
}

INLINE void log_command(Channel *c, int64_t clk, int32_t command, int32_t bank, int32_t row, int32_t column) {
    if (UNLIKELY(c->log_count < c->log_limit))
        log_grown(c, clk, command, bank, row, column);
}

/* Begin the intervals of the time series up to the one that holds `clk`. */
NOINLINE void series_advance(Channel *c, int64_t clk) {
    while (clk >= c->series_end) {
        if (c->series_rows == c->series_room) {
            c->series_room = 2 * c->series_room + 256;
            int64_t *grown = realloc(c->series, (size_t)c->series_room * SERIES_FIELDS * sizeof(int64_t));
            if (grown == NULL) {
                c->failed = 1;
                c->series_end = INT64_MAX;
                return;
            }
            c->series = grown;
        }
        memset(c->series + c->series_rows * SERIES_FIELDS, 0, SERIES_FIELDS * sizeof(int64_t));
        c->series_rows++;
        c->series_end += c->series_interval;
    }
}

/* Count a command, or (command = COMMANDS) a read of `latency` clocks, in the interval of its clock. */
INLINE void series_count(Channel *c, int64_t clk, int32_t command, int64_t latency) {
    if (LIKELY(c->series_interval == 0))
        return;
    if (clk >= c->series_end)
        series_advance(c, clk);
    if (c->failed)
        return;
    /* Data end after later commands, so that clocks go back and forth a little. */
    int64_t *row = c->series + clk / c->series_interval * SERIES_FIELDS;
    if (command == COMMANDS) {
        row[5]++;
        row[6] += latency;
    } else {
        row[command == REFB ? REF : command == PREA ? PRE : command]++;
    }
}

INLINE void open_bank(Channel *c, int32_t bank, int32_t row, int64_t clk) {
    int32_t rank = bank >> c->t.rank_shift;
    c->open_row[bank] = row;
    c->streak[bank] = 0;
    c->bank[bank].act++;
    c->bank[bank].opened = clk;
    if (c->open_banks[rank]++ == 0)
        c->active_since[rank] = clk;
}

INLINE void close_bank(Channel *c, int32_t bank, int64_t clk) {
    int32_t rank = bank >> c->t.rank_shift;
    c->open_row[bank] = CLOSED;
    c->bank[bank].open_clk += clk - c->bank[bank].opened;
    if (--c->open_banks[rank] == 0)
        c->rank_clk[rank * POWER_STATES + ACTIVE_STANDBY] += clk - c->active_since[rank];
}

/* The clocks within the bank itself that a command at relative clock t pushes back. */
INLINE void apply_to_bank(Channel *c, int32_t command, int32_t bank, int32_t t) {
    const Binding *b = &c->binding[command];
    for (int32_t i = 0; i < b->bank_rules; i++) {
        int32_t *ready = b->bank_ready[i] + bank;
        const int32_t clk = t + b->bank_delta[i];
        *ready = clk > *ready ? clk : *ready;
    }
}

/* The clocks of other banks, of the refresh of the rank and of the ACT windows. */
INLINE void apply_around(Channel *c, int32_t command, int32_t bank, int32_t t) {
    const Binding *b = &c->binding[command];
    const int32_t rank = bank >> c->t.rank_shift;
    const int32_t first = rank * c->t.banks_per_rank;
    const size_t across = (size_t)(bank >> c->t.group_shift) * (size_t)c->t.padded;
    int32_t clk = t + c->t.rank_refresh_delta[command];
    c->refresh_ready[rank] = clk > c->refresh_ready[rank] ? clk : c->refresh_ready[rank];
    for (int32_t i = 0; i < b->spread_rules; i++) {
        const int32_t from = first & b->rank_mask[i];
        raise_by(b->spread_ready[i] + from, b->spread[i] + across + from, t, b->spread_banks[i]);
    }
    for (int32_t w = 0; command == ACT && w < c->t.windows; w++) {
        const int32_t unit = rank & -c->t.window_ranks[w]; /* the first of the ranks that share the window */
        int32_t *history = c->history[w] + unit * c->t.window_acts[w];
        int32_t head = c->history_head[w][unit];
        history[head] = t;
        head = (head + 1) & -(head + 1 != c->t.window_acts[w]); /* round the ring, without a branch */
        c->history_head[w][unit] = head;
        clk = history[head] + c->t.window_clk[w];
        if (clk > t)
            raise_to(c->ready[ACT] + unit * c->t.banks_per_rank, clk, c->t.window_ranks[w] * c->t.banks_per_rank);
    }
}

/* The pins of a command at relative clock t are busy; nothing before the next free clock can be decided any more. */
INLINE void occupy_pins(Channel *c, int32_t command, int32_t t, const int general) {
    int32_t free_clk = t + c->t.pins[command];
    if (!general || !c->t.split) {
        if (free_clk > c->now)
            c->now = free_clk;
    } else if (command == RD || command == WR) {
        c->column_free = free_clk;
        c->now = t > c->now ? t : c->now;
    } else {
        c->row_free = free_clk;
        c->now = t + 1 > c->now ? t + 1 : c->now;
    }
}

INLINE void shift_down(int32_t *values, int32_t shift, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        int32_t t = values[i] - shift;
        t = t < FLOOR ? FLOOR : t;
        values[i] = values[i] == NEVER ? NEVER : t;
    }
}

NOINLINE void rebase(Channel *c, int64_t shift) {
    int32_t s = (int32_t)(shift < REBASE * 2 ? shift : REBASE * 2);
    for (int32_t k = 0; k <= CLASSES; k++)
        shift_down(c->ready[k], s, c->t.padded);
    shift_down(c->last_column, s, c->t.padded);
    for (int32_t w = 0; w < c->t.windows; w++)
        shift_down(c->history[w], s, c->t.ranks * c->t.window_acts[w]);
    shift_down(c->refresh_ready, s, c->t.ranks);
    shift_down(&c->row_free, s, 1);
    shift_down(&c->column_free, s, 1);
    c->base += shift;
    c->now = 0;
    c->stale = 1;
}

/* Decisions before absolute clock `clk` are made. */
INLINE void set_now(Channel *c, int64_t clk) {
    if (UNLIKELY(clk - c->base > REBASE))
        rebase(c, clk - c->base);
    else if (clk - c->base > c->now)
        c->now = (int32_t)(clk - c->base);
}

#endif
