/* ARC with two lines. Objects seen once stand in line 1 in order of their access, the resident (T1) behind the ghosts
 * (B1); objects seen again stand in line 2 in order of their latest access, T2 behind B2. So each of the four lists is
 * the places between two boundaries, and evicting moves a boundary. `where` is the place, its top bit the line. */
#ifndef ARCHSIM_CACHE_ARC_H
#define ARCHSIM_CACHE_ARC_H

#include "cache_base.h"

typedef struct {
    Line line[2];
    uint32_t resident[2], ghost[2];    /* first place of T1, T2; of B1, B2 */
    int64_t residents[2], ghosts[2];
    int64_t entries;
    double target;                     /* p: the size T1 is to have */
} Arc;

static const int64_t PLACES_MOST = (int64_t)1 << 31;
enum { SECOND_SHIFT = 31 };
#define SECOND ((uint32_t)1 << SECOND_SHIFT)

static int arc_make(Arc *p, const Setup *s, const Table *t) {
    int failed = 0;
    memset(p, 0, sizeof *p);
    p->entries = s->entries;
    for (int i = 0; i < 2; i++) {
        p->resident[i] = p->ghost[i] = FIRST_PLACE;
        failed |= line_make(&p->line[i], line_length(s, t), PLACES_MOST);
    }
    return failed;
}

static void arc_unmake(Arc *p) {
    free(p->line[0].gone);
    free(p->line[1].gone);
}

static int64_t arc_bytes(const Arc *p) { return line_bytes(&p->line[0]) + line_bytes(&p->line[1]); }

INLINE int64_t arc_room(const Arc *p) {
    int64_t a = (int64_t)p->line[0].limit - p->line[0].next, b = (int64_t)p->line[1].limit - p->line[1].next;
    return a < b ? a : b;
}

static int arc_renew(Arc *p, Table *t) {
    for (int i = 0; i < 2; i++) {
        if (p->line[i].next < p->line[i].limit)
            continue;
        int64_t by = line_renew(&p->line[i], p->ghost[i], PLACES_MOST);
        if (by < 0)
            return -1;
        table_lower(t, SECOND, i ? SECOND : 0, p->ghost[i], (uint32_t)by);
        p->ghost[i] -= (uint32_t)by;
        p->resident[i] -= (uint32_t)by;
    }
    return 0;
}

INLINE int arc_tracked(const Arc *p, uint32_t where) {
    return (where & ~SECOND) >= p->ghost[where >> SECOND_SHIFT];
}

INLINE void arc_moved(Arc *p, uint32_t where, uint32_t ref) { (void)p, (void)where, (void)ref; }

/* The least recently used resident of a line becomes its youngest ghost. */
INLINE void arc_demote(Arc *p, int i) {
    p->resident[i] = line_first(&p->line[i], p->resident[i]) + 1;
    p->residents[i]--;
    p->ghosts[i]++;
}

INLINE void arc_forget(Arc *p, int i) {
    p->ghost[i] = line_first(&p->line[i], p->ghost[i]) + 1;
    p->ghosts[i]--;
}

INLINE void arc_replace(Arc *p, int in_second_ghosts) {
    double once = (double)p->residents[0];
    int first = p->residents[0] > 0 && (once > p->target || (once == p->target && in_second_ghosts));
    arc_demote(p, !(first || p->residents[1] == 0));
}

/* Make room for an object known to neither line. */
INLINE void arc_evict(Arc *p) {
    int64_t once = p->residents[0] + p->ghosts[0];
    if (once == p->entries && p->ghosts[0] == 0) {
        /* All are seen once and resident: the oldest is forgotten at once. */
        p->ghost[0] = p->resident[0] = line_first(&p->line[0], p->resident[0]) + 1;
        p->residents[0]--;
        return;
    }
    if (once == p->entries)
        arc_forget(p, 0);
    else if (once + p->residents[1] + p->ghosts[1] >= 2 * p->entries && p->ghosts[1] > 0)
        arc_forget(p, 1);
    arc_replace(p, 0);
}

INLINE void arc_adapt(Arc *p, int i) {
    double own = (double)p->ghosts[i], other = (double)p->ghosts[!i];
    double step = other > own ? other / own : 1.0;
    if (i == 0)
        p->target = p->target + step < (double)p->entries ? p->target + step : (double)p->entries;
    else
        p->target = p->target - step > 0.0 ? p->target - step : 0.0;
}

INLINE int arc_access(Arc *p, const Table *t, uint32_t *where, uint32_t ref, int hashed) {
    uint32_t i = *where >> SECOND_SHIFT, place = *where & ~SECOND;
    (void)t, (void)ref, (void)hashed;
    if (place >= p->resident[i]) {
        line_leave(&p->line[i], place);
        p->residents[i]--;
        p->residents[1]++;
        *where = p->line[1].next++ | SECOND;
        return 1;
    }
    if (place >= p->ghost[i]) {
        arc_adapt(p, (int)i);
        line_leave(&p->line[i], place);
        p->ghosts[i]--;
        arc_replace(p, (int)i);
        p->residents[1]++;
        *where = p->line[1].next++ | SECOND;
        return 0;
    }
    if (p->residents[0] + p->residents[1] == p->entries)
        arc_evict(p);
    p->residents[0]++;
    *where = p->line[0].next++;
    return 0;
}

#endif
