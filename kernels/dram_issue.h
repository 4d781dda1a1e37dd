/* What issuing a command does to requests and counters. */
#ifndef ARCHSIM_DRAM_ISSUE_H
#define ARCHSIM_DRAM_ISSUE_H

#include "dram_select.h"

INLINE void finish_read(Channel *c, int64_t arrived, int64_t first, int64_t end, int64_t ident) {
    const int64_t latency = end - arrived;
    c->counts.latency_sum += latency;
    c->counts.queueing_sum += first - arrived;
    if (latency > c->counts.latency_max)
        c->counts.latency_max = latency;
    c->latency[latency_bin(latency)]++;
    series_count(c, end - 1, COMMANDS, latency); /* the clock of the last beat */
    if (UNLIKELY(c->finished != NULL))
        c->finished[ident] = end;
}

NOINLINE void finish_merged(Channel *c, int32_t node, int64_t first, int64_t end) {
    while (node != NONE) {
        Merged *m = &c->merges[node];
        const int32_t next = m->next;
        const int64_t begun = first > m->arrived ? first : m->arrived;
        finish_read(c, m->arrived, begun, end, m->ident);
        if (c->completed != NULL)
            c->completed[c->completed_count++] = m->ident;
        m->next = c->merge_free;
        c->merge_free = node;
        node = next;
    }
}

/* The RD or WR of an entry has issued at absolute clock `clk`. */
INLINE void finish_entry(Channel *c, int32_t i, int64_t clk, const int general) {
    Entry *e = &c->entries[i];
    Queue *q = &c->queue[e->kind];
    const int32_t bank = e->bank, rank = bank >> c->t.rank_shift;
    const int64_t end = clk + (e->kind == READS ? c->t.read_data : c->t.write_data);
    c->fruitless = 0;
    c->fruitless_acts = 0;
    if (end > c->counts.last_data)
        c->counts.last_data = end;
    if (UNLIKELY(c->completed != NULL))
        c->completed[c->completed_count++] = e->ident;
    if (e->kind == READS) {
        c->bank[bank].rd++;
        finish_read(c, e->arrived, e->first, end, e->ident);
        if (general && e->merged != NONE)
            finish_merged(c, e->merged, e->first, end);
    } else {
        c->bank[bank].wr++;
        if (UNLIKELY(c->finished != NULL))
            c->finished[e->ident] = end;
    }
    q->waiting--;
    c->streak[bank]++;
    if (general) {
        c->last_column[bank] = (int32_t)(clk - c->base);
        c->rank_waiting[rank]--;
        c->idle_since[rank] = clk;
        if (end > c->busy_until[rank])
            c->busy_until[rank] = end;
        if (c->activated[bank] == i) {
            c->activated[bank] = NONE;
            c->activated_count--;
            entry_give(c, i);
            return;
        }
        if (c->t.command_queue) {
            c->queue_count[bank >> c->t.queue_shift]--;
            chain_out(c, i);
            entry_give(c, i);
            return;
        }
    }
    q->count--;
    chain_out(c, i);
    entry_give(c, i);
}

/* Issue a command for request `i` (NONE: for the row policy) at absolute clock `clk`. */
INLINE void issue_one(Channel *c, const int32_t command, int32_t bank, int32_t i, int64_t clk, const int general) {
    const int32_t t = (int32_t)(clk - c->base);
    c->counts.commands[command]++;
    if (i != NONE) {
        Entry *e = &c->entries[i];
        log_command(c, clk, command, bank, e->row, e->column);
        if (e->first < 0) {
            e->first = clk;
            c->counts.row_misses += command == ACT;
            c->counts.row_conflicts += command == PRE;
            c->counts.row_hits += command != ACT && command != PRE;
        }
        if (general) {
            c->last_rank = bank >> c->t.rank_shift;
            c->last_queue = bank >> c->t.queue_shift;
        }
    } else {
        log_command(c, clk, command, bank, 0, 0);
    }
    series_count(c, clk, command, 0);
    occupy_pins(c, command, t, general);
    apply_to_bank(c, command, bank, t);
    apply_around(c, command, bank, t);
    if (command == ACT) {
        if (UNLIKELY(++c->fruitless_acts > FRUITLESS_MAX * c->t.banks))
            c->failed = STUCK;
        open_bank(c, bank, c->entries[i].row, clk);
        if (general && c->t.activated_first) {
            chain_out(c, i);
            c->queue[c->entries[i].kind].count--;
            c->activated[bank] = i;
            c->activated_count++;
        }
        find_hits(c, bank);
    } else if (command == PRE) {
        c->bank[bank].pre++;
        close_bank(c, bank, clk);
        forget_hits(c, bank);
    } else {
        finish_entry(c, i, clk, general);
    }
    update_bank(c, bank, general);
    c->stale = 1;
}

/* The same text compiled for each command. */
INLINE void issue(Channel *c, int32_t command, int32_t bank, int32_t i, int64_t clk, const int general) {
    if (command == RD)
        issue_one(c, RD, bank, i, clk, general);
    else if (command == ACT)
        issue_one(c, ACT, bank, i, clk, general);
    else if (command == PRE)
        issue_one(c, PRE, bank, i, clk, general);
    else
        issue_one(c, WR, bank, i, clk, general);
}

#endif
