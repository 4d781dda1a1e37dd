/* 2Q with two lines. Line 1 holds objects in order of their entry, the resident (A1in) behind the ghosts (A1out); line 2
 * is the LRU (Am). `where` is the place, its top bit the line. */
#ifndef ARCHSIM_CACHE_2Q_H
#define ARCHSIM_CACHE_2Q_H

#include "cache_base.h"

typedef struct {
    Line in, main;
    uint32_t resident, ghost, oldest;  /* first place of A1in, of A1out, of Am */
    int64_t residents, ghosts, mains;
    int64_t entries, in_most, ghosts_most;
} TwoQ;

static int twoq_make(TwoQ *p, const Setup *s, const Table *t) {
    memset(p, 0, sizeof *p);
    p->entries = s->entries;
    p->in_most = (int64_t)((double)s->entries * s->ratio[0]);
    p->in_most = p->in_most > 1 ? p->in_most : 1;
    p->ghosts_most = (int64_t)((double)s->entries * s->ratio[1]);
    p->resident = p->ghost = p->oldest = FIRST_PLACE;
    return line_make(&p->in, line_length(s, t), PLACES_MOST) | line_make(&p->main, line_length(s, t), PLACES_MOST);
}

static void twoq_unmake(TwoQ *p) {
    free(p->in.gone);
    free(p->main.gone);
}

static int64_t twoq_bytes(const TwoQ *p) { return line_bytes(&p->in) + line_bytes(&p->main); }

INLINE int64_t twoq_room(const TwoQ *p) {
    int64_t a = (int64_t)p->in.limit - p->in.next, b = (int64_t)p->main.limit - p->main.next;
    return a < b ? a : b;
}

static int twoq_renew(TwoQ *p, Table *t) {
    if (p->in.next >= p->in.limit) {
        int64_t by = line_renew(&p->in, p->ghost, PLACES_MOST);
        if (by < 0)
            return -1;
        table_lower(t, SECOND, 0, p->ghost, (uint32_t)by);
        p->ghost -= (uint32_t)by;
        p->resident -= (uint32_t)by;
    }
    if (p->main.next >= p->main.limit) {
        int64_t by = line_renew(&p->main, p->oldest, PLACES_MOST);
        if (by < 0)
            return -1;
        table_lower(t, SECOND, SECOND, p->oldest, (uint32_t)by);
        p->oldest -= (uint32_t)by;
    }
    return 0;
}

INLINE int twoq_tracked(const TwoQ *p, uint32_t where) {
    return where & SECOND ? (where & ~SECOND) >= p->oldest : where >= p->ghost;
}

INLINE void twoq_moved(TwoQ *p, uint32_t where, uint32_t ref) { (void)p, (void)where, (void)ref; }

INLINE void twoq_evict(TwoQ *p) {
    if (p->mains > 0 && p->residents <= p->in_most) {
        p->oldest = line_first(&p->main, p->oldest) + 1;
        p->mains--;
        return;
    }
    p->resident++;  /* nobody leaves A1in but in turn */
    p->residents--;
    if (++p->ghosts > p->ghosts_most) {
        p->ghost = line_first(&p->in, p->ghost) + 1;
        p->ghosts--;
    }
}

INLINE int twoq_access(TwoQ *p, const Table *t, uint32_t *where, uint32_t ref, int hashed) {
    uint32_t old = *where, place = old & ~SECOND;
    int ghost;
    (void)t, (void)ref, (void)hashed;
    if (old & SECOND) {
        if (place >= p->oldest) {
            line_leave(&p->main, place);
            *where = p->main.next++ | SECOND;
            return 1;
        }
        ghost = 0;
    } else {
        if (place >= p->resident)
            return 1;
        ghost = place >= p->ghost;
    }
    if (ghost) {
        line_leave(&p->in, place);
        p->ghosts--;
    }
    if (p->residents + p->mains == p->entries)
        twoq_evict(p);
    if (ghost) {
        p->mains++;
        *where = p->main.next++ | SECOND;
    } else {
        p->residents++;
        *where = p->in.next++;
    }
    return 0;
}

#endif
