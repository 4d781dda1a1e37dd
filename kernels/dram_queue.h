/* Requests that wait: entries chained by bank in order of age, and the candidates of each bank for the next command.
 *
 * A request wants ACT when its bank is closed, RD or WR when its row is open, PRE when another row is. Of the requests to
 * one bank only the oldest can be next for ACT or PRE, and the oldest hit for RD or WR, so a bank has at most one candidate
 * for each. A gate says whether there is one; its clock is max(gate, ready of the command class). The plain loop keeps
 * gates only of the queue being served, and only while many wait in it.
 */
#ifndef ARCHSIM_DRAM_QUEUE_H
#define ARCHSIM_DRAM_QUEUE_H

#include "dram_timing.h"

/* ------------------------------------------------------------------------------------------------------ entries */

NOINLINE int32_t entries_grow(Channel *c) {
    int32_t room = 2 * c->entry_room + 64;
    Entry *grown = realloc(c->entries, (size_t)room * sizeof(Entry));
    if (grown == NULL) {
        c->failed = 1;
        return NONE;
    }
    c->entries = grown;
    for (int32_t i = room - 1; i >= c->entry_room; i--) {
        grown[i].next = c->entry_free;
        c->entry_free = i;
    }
    c->entry_room = room;
    return c->entry_free;
}

INLINE int32_t entry_take(Channel *c) {
    int32_t i = c->entry_free;
    if (UNLIKELY(i == NONE)) {
        i = entries_grow(c);
        if (i == NONE)
            return NONE;
    }
    c->entry_free = c->entries[i].next;
    return i;
}

INLINE void entry_give(Channel *c, int32_t i) {
    c->entries[i].next = c->entry_free;
    c->entry_free = i;
}

/* Attach a read to an entry of the same line. */
NOINLINE void merge_read(Channel *c, int32_t entry, int64_t arrived, int64_t ident) {
    if (c->merge_free == NONE) {
        int32_t room = 2 * c->merge_room + 64;
        Merged *grown = realloc(c->merges, (size_t)room * sizeof(Merged));
        if (grown == NULL) {
            c->failed = 1;
            return;
        }
        c->merges = grown;
        for (int32_t i = room - 1; i >= c->merge_room; i--) {
            grown[i].next = c->merge_free;
            c->merge_free = i;
        }
        c->merge_room = room;
    }
    int32_t node = c->merge_free;
    c->merge_free = c->merges[node].next;
    c->merges[node].arrived = arrived;
    c->merges[node].ident = ident;
    c->merges[node].next = c->entries[entry].merged;
    c->entries[entry].merged = node;
}

/* --------------------------------------------------------------------------------------------------- candidates */

INLINE void gates_shut(Queue *q, int32_t bank) {
    q->act_gate[bank] = q->pre_gate[bank] = q->column_gate[bank] = NEVER;
    q->row_key[bank] = q->column_key[bank] = NO_KEY;
}

/* The request that a PRE of an open bank would be for, or NONE while the row is protected. `head` is the oldest request
 * to the bank, `hit` its oldest hit (or NONE), `capped`: hits have had their share. */
INLINE int32_t conflict_of(const Channel *c, int32_t bank, int32_t head, int32_t hit, int32_t capped) {
    if (head != hit) {
        if (c->t.protection != PROTECT_ALL || hit == NONE || capped)
            return head;
        return c->t.protection_cap && c->streak[bank] >= c->t.protection_cap ? head : NONE;
    }
    if (c->t.protection != PROTECT_NONE)
        return NONE;
    for (int32_t i = c->entries[head].next; i != NONE; i = c->entries[i].next)
        if (c->entries[i].row != c->open_row[bank])
            return i;
    return NONE;
}

/* Have hits had their share of the row: do they wait for the oldest request of the set to the bank? */
INLINE int32_t hits_capped(const Channel *c, int32_t bank, int32_t head, int32_t hit) {
    if (!c->t.row_hit_cap || head == hit || c->streak[bank] < c->t.row_hit_cap)
        return 0;
    const int32_t i = c->activated[bank]; /* hits too, and belongs to the set */
    return i == NONE || c->entries[i].key > c->entries[head].key;
}

/* Bring the candidates of one kind of requests to one bank up to date. */
INLINE void update_kind(Channel *c, int32_t kind, int32_t bank) {
    Queue *q = &c->queue[kind];
    const int32_t head = q->head[bank];
    int32_t act = NEVER, pre = NEVER, column = NEVER, row_key = NO_KEY;
    if (head == NONE) {
        gates_shut(q, bank);
        return;
    }
    const int32_t held = c->refreshing[bank];
    if (c->open_row[bank] == CLOSED) {
        if (!held) {
            act = FLOOR;
            row_key = c->entries[head].key;
        }
    } else if (!held || c->t.blocking == BLOCK_ACTIVATES) {
        const int32_t hit = q->hit[bank];
        const int32_t capped = hits_capped(c, bank, head, hit);
        const int32_t conflict = conflict_of(c, bank, head, hit, capped);
        q->conflict[bank] = conflict;
        if (hit != NONE && !capped) {
            column = FLOOR;
            q->column_key[bank] = c->entries[hit].key;
        }
        if (conflict != NONE && c->activated[bank] == NONE) {
            pre = FLOOR;
            row_key = c->entries[conflict].key;
        }
    }
    q->act_gate[bank] = act;
    q->pre_gate[bank] = pre;
    q->column_gate[bank] = column;
    q->row_key[bank] = row_key;
}

/* The same where reads and writes are in the set together (command queues): row candidates of both are kept with the reads. */
NOINLINE void update_mixed(Channel *c, int32_t bank) {
    Queue *r = &c->queue[READS], *w = &c->queue[WRITES];
    Entry *e = c->entries;
    gates_shut(r, bank);
    gates_shut(w, bank);
    int32_t head = r->head[bank], hit = r->hit[bank];
    if (head == NONE || (w->head[bank] != NONE && e[w->head[bank]].key < e[head].key))
        head = w->head[bank];
    if (hit == NONE || (w->hit[bank] != NONE && e[w->hit[bank]].key < e[hit].key))
        hit = w->hit[bank];
    if (head == NONE)
        return;
    if (c->open_row[bank] == CLOSED) {
        r->act_gate[bank] = c->refreshing[bank] ? NEVER : FLOOR;
        r->row_key[bank] = e[head].key;
        r->conflict[bank] = head;
        return;
    }
    if (c->refreshing[bank] && c->t.blocking != BLOCK_ACTIVATES)
        return;
    const int32_t capped = hits_capped(c, bank, head, hit);
    int32_t conflict = NONE;
    if (head == hit && c->t.protection == PROTECT_NONE) {
        for (int32_t k = 0; k < KINDS; k++)
            for (int32_t i = c->queue[k].head[bank]; i != NONE; i = e[i].next)
                if (e[i].row != c->open_row[bank]) {
                    conflict = conflict == NONE || e[i].key < e[conflict].key ? i : conflict;
                    break;
                }
    } else if (head != hit) {
        conflict = conflict_of(c, bank, head, hit, capped);
    }
    for (int32_t k = 0; k < KINDS && !capped; k++)
        if (c->queue[k].hit[bank] != NONE) {
            c->queue[k].column_gate[bank] = FLOOR;
            c->queue[k].column_key[bank] = e[c->queue[k].hit[bank]].key;
        }
    r->conflict[bank] = conflict;
    if (conflict != NONE) {
        r->pre_gate[bank] = FLOOR;
        r->row_key[bank] = e[conflict].key;
    }
}

INLINE void update_bank(Channel *c, int32_t bank, const int general) {
    if (general && c->t.command_queue) {
        update_mixed(c, bank);
        return;
    }
    if (general || (c->gated && c->active == READS))
        update_kind(c, READS, bank);
    if (general || (c->gated && c->active == WRITES))
        update_kind(c, WRITES, bank);
}

/* From now on the gates of the queue being served are kept up to date (`gated`), or no longer. */
NOINLINE void gates_keep(Channel *c, int32_t gated) {
    Queue *q = &c->queue[c->active];
    c->gated = gated;
    for (int32_t word = 0; word < c->t.padded; word += 64)
        for (uint64_t bits = q->busy[word >> 6]; bits; bits &= bits - 1) {
            if (gated)
                update_kind(c, c->active, word + lowest_bit(bits));
            else
                gates_shut(q, word + lowest_bit(bits));
        }
}

/* ------------------------------------------------------------------------------------------------------- chains */

/* After ACT: the oldest hit of each kind. */
INLINE void find_hits(Channel *c, int32_t bank) {
    for (int32_t k = 0; k < KINDS; k++) {
        if (c->queue[k].waiting == 0)
            continue;
        int32_t i = c->queue[k].head[bank];
        while (i != NONE && c->entries[i].row != c->open_row[bank])
            i = c->entries[i].next;
        c->queue[k].hit[bank] = i;
    }
}

/* After PRE: none. */
INLINE void forget_hits(Channel *c, int32_t bank) {
    for (int32_t k = 0; k < KINDS; k++)
        c->queue[k].hit[bank] = NONE;
}

/* Ages are about to run out of bits: number the waiting requests from 0 again. */
NOINLINE void renumber(Channel *c) {
    int32_t oldest = AGE_MAX, n = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int32_t bank = 0; bank < c->t.banks; bank++) {
            int32_t starts[3] = {c->queue[READS].head[bank], c->queue[WRITES].head[bank], c->activated[bank]};
            for (int s = 0; s < 3; s++)
                for (int32_t i = starts[s]; i != NONE; i = s < 2 ? c->entries[i].next : NONE) {
                    int32_t age = c->entries[i].key >> BANK_BITS;
                    if (pass == 0)
                        oldest = age < oldest ? age : oldest;
                    else
                        c->entries[i].key -= (int32_t)((uint32_t)oldest << BANK_BITS);
                    n++;
                }
        }
    c->age = n ? c->age - oldest : 0;
    for (int32_t bank = 0; bank < c->t.banks; bank++)
        update_bank(c, bank, c->general);
    c->stale = 1;
}

/* A request joins the set as its youngest. */
INLINE void chain_in(Channel *c, int32_t i) {
    if (UNLIKELY(c->age >= AGE_MAX))
        renumber(c);
    Entry *e = &c->entries[i];
    Queue *q = &c->queue[e->kind];
    const int32_t bank = e->bank, tail = q->tail[bank];
    e->key = (int32_t)((uint32_t)c->age++ << BANK_BITS) | bank;
    e->next = NONE;
    e->prev = tail;
    if (tail == NONE) {
        q->head[bank] = i;
        q->busy[bank >> 6] |= (uint64_t)1 << (bank & 63);
    } else {
        c->entries[tail].next = i;
    }
    q->tail[bank] = i;
    if (q->hit[bank] == NONE && c->open_row[bank] == e->row)
        q->hit[bank] = i;
}

/* A request leaves its chain, with its RD or WR or because it is activated. */
INLINE void chain_out(Channel *c, int32_t i) {
    Entry *e = &c->entries[i];
    Queue *q = &c->queue[e->kind];
    if (e->prev == NONE)
        q->head[e->bank] = e->next;
    else
        c->entries[e->prev].next = e->next;
    if (e->next == NONE)
        q->tail[e->bank] = e->prev;
    else
        c->entries[e->next].prev = e->prev;
    if (q->head[e->bank] == NONE)
        q->busy[e->bank >> 6] &= ~((uint64_t)1 << (e->bank & 63));
    if (q->hit[e->bank] == i) {
        int32_t k = e->next;
        while (k != NONE && c->entries[k].row != c->open_row[e->bank])
            k = c->entries[k].next;
        q->hit[e->bank] = k;
    }
}

/* The waiting request of one kind to this line, or NONE. */
INLINE int32_t find_line(const Channel *c, int32_t kind, int32_t bank, int32_t row, int32_t column) {
    const Queue *q = &c->queue[kind];
    for (int32_t i = q->head[bank]; i != NONE; i = c->entries[i].next)
        if (c->entries[i].row == row && c->entries[i].column == column)
            return i;
    if (UNLIKELY(c->activated_count) && c->activated[bank] != NONE) {
        const Entry *e = &c->entries[c->activated[bank]];
        if (e->kind == kind && e->row == row && e->column == column)
            return c->activated[bank];
    }
    for (int32_t i = q->stage_head; i != NONE; i = c->entries[i].next) {
        const Entry *e = &c->entries[i];
        if (e->bank == bank && e->row == row && e->column == column)
            return i;
    }
    return NONE;
}

/* ------------------------------------------------------------------------------- read and write queues not moved yet */

INLINE void stage_in(Channel *c, int32_t i) {
    Entry *e = &c->entries[i];
    Queue *q = &c->queue[e->kind];
    e->next = NONE;
    e->prev = q->stage_tail;
    if (q->stage_tail == NONE)
        q->stage_head = i;
    else
        c->entries[q->stage_tail].next = i;
    q->stage_tail = i;
    q->stage_count++;
}

INLINE void stage_out(Channel *c, int32_t i) {
    Entry *e = &c->entries[i];
    Queue *q = &c->queue[e->kind];
    if (e->prev == NONE)
        q->stage_head = e->next;
    else
        c->entries[e->prev].next = e->next;
    if (e->next == NONE)
        q->stage_tail = e->prev;
    else
        c->entries[e->next].prev = e->prev;
    q->stage_count--;
}

/* Does any waiting request want this row of this bank? */
INLINE int32_t row_wanted(const Channel *c, int32_t bank, int32_t row) {
    for (int32_t k = 0; k < KINDS; k++) {
        if (c->queue[k].hit[bank] != NONE)
            return 1;
        for (int32_t i = c->queue[k].stage_head; i != NONE; i = c->entries[i].next)
            if (c->entries[i].bank == bank && c->entries[i].row == row)
                return 1;
    }
    return c->activated[bank] != NONE;
}

#endif
