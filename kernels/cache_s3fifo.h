/* S3-FIFO. The small queue and its ghosts are one line in order of entry, the resident behind the ghosts; the main queue
 * is a ring. `where` is the place in the line, or, with the top bit, the entry of the ring plus one. */
#ifndef ARCHSIM_CACHE_S3FIFO_H
#define ARCHSIM_CACHE_S3FIFO_H

#include "cache_base.h"

typedef struct {
    Line line;
    uint32_t resident, ghost;               /* first place of the small queue, of the ghosts */
    uint32_t *small_object, *main_object;   /* rings: who */
    uint8_t *small_count, *main_count;      /* accesses since entry, at most 3 */
    uint32_t small_at, main_at;             /* ring position of the oldest */
    uint32_t smalls, mains, entries, main_most, small_most, threshold;
    int64_t ghosts, ghosts_most;
    int evicted;
} S3fifo;

static int s3fifo_make(S3fifo *p, const Setup *s, const Table *t) {
    size_t n = (size_t)s->entries;
    memset(p, 0, sizeof *p);
    p->entries = (uint32_t)n;
    p->small_most = (uint32_t)((double)s->entries * s->ratio[0]);
    p->small_most = p->small_most > 1 ? p->small_most : 1;
    p->main_most = p->entries - p->small_most;
    p->ghosts_most = (int64_t)((double)s->entries * s->ratio[1]);
    p->threshold = (uint32_t)s->number[0];
    p->resident = p->ghost = FIRST_PLACE;
    p->small_object = (uint32_t *)zeroed(4 * n);
    p->main_object = (uint32_t *)zeroed(4 * n);
    p->small_count = (uint8_t *)zeroed(n);
    p->main_count = (uint8_t *)zeroed(n);
    return line_make(&p->line, line_length(s, t), PLACES_MOST) || !p->small_object || !p->main_object ||
           !p->small_count || !p->main_count;
}

static void s3fifo_unmake(S3fifo *p) {
    free(p->line.gone);
    free(p->small_object);
    free(p->main_object);
    free(p->small_count);
    free(p->main_count);
}

static int64_t s3fifo_bytes(const S3fifo *p) { return line_bytes(&p->line) + (int64_t)p->entries * 10; }
INLINE int64_t s3fifo_room(const S3fifo *p) { return (int64_t)p->line.limit - p->line.next; }

static int s3fifo_renew(S3fifo *p, Table *t) {
    int64_t by = line_renew(&p->line, p->ghost, PLACES_MOST);
    if (by < 0)
        return -1;
    table_lower(t, SECOND, 0, p->ghost, (uint32_t)by);
    p->ghost -= (uint32_t)by;
    p->resident -= (uint32_t)by;
    return 0;
}

INLINE int s3fifo_tracked(const S3fifo *p, uint32_t where) { return where & SECOND ? 1 : where >= p->ghost; }

INLINE uint32_t s3fifo_wrap(const S3fifo *p, uint32_t at) { return at >= p->entries ? at - p->entries : at; }

INLINE uint32_t s3fifo_small(const S3fifo *p, uint32_t place) {
    return s3fifo_wrap(p, p->small_at + (place - p->resident));
}

INLINE void s3fifo_moved(S3fifo *p, uint32_t where, uint32_t ref) {
    if (where & SECOND)
        p->main_object[(where & ~SECOND) - 1] = ref;
    else if (where >= p->resident)
        p->small_object[s3fifo_small(p, where)] = ref;
}

INLINE void s3fifo_to_main(S3fifo *p, uint32_t *where, uint32_t ref, uint8_t count) {
    uint32_t at = s3fifo_wrap(p, p->main_at + p->mains++);
    p->main_object[at] = ref;
    p->main_count[at] = count;
    *where = (at + 1) | SECOND;
}

/* Returns 1 if an object left the cache. */
INLINE int s3fifo_evict_main(S3fifo *p, const Table *t, int hashed) {
    uint32_t at = p->main_at, ref = p->main_object[at];
    uint8_t count = p->main_count[at];
    p->main_at = s3fifo_wrap(p, at + 1);
    p->mains--;
    if (table_is_far(t) && at + SOON < p->entries)
        PREFETCH(where_at(t, p->main_object[at + SOON], hashed));
    if (count) {
        s3fifo_to_main(p, where_at(t, ref, hashed), ref, (uint8_t)(count - 1));
        return 0;
    }
    *where_at(t, ref, hashed) = 0;
    return 1;
}

INLINE int s3fifo_evict_small(S3fifo *p, const Table *t, int hashed) {
    uint32_t at = p->small_at, place = p->resident++, ref = p->small_object[at];
    p->small_at = s3fifo_wrap(p, at + 1);
    p->smalls--;
    if (table_is_far(t) && at + SOON < p->entries)
        PREFETCH(where_at(t, p->small_object[at + SOON], hashed));
    if (p->small_count[at] >= p->threshold) {
        line_leave(&p->line, place);
        s3fifo_to_main(p, where_at(t, ref, hashed), ref, 0);
        return 0;
    }
    if (++p->ghosts > p->ghosts_most) {
        p->ghost = line_first(&p->line, p->ghost) + 1;
        p->ghosts--;
    }
    return 1;
}

INLINE void s3fifo_evict(S3fifo *p, const Table *t, int hashed) {
    p->evicted = 1;
    while (p->smalls + p->mains == p->entries) {
        if (p->mains > p->main_most || p->smalls == 0)
            while (!s3fifo_evict_main(p, t, hashed))
                ;
        else
            while (p->smalls && !s3fifo_evict_small(p, t, hashed))
                ;
    }
}

INLINE int s3fifo_access(S3fifo *p, const Table *t, uint32_t *where, uint32_t ref, int hashed) {
    uint32_t old = *where;
    int ghost = 0;
    if (old & SECOND) {
        uint8_t *count = &p->main_count[(old & ~SECOND) - 1];
        *count = (uint8_t)(*count + (*count < 3));
        return 1;
    }
    if (old >= p->resident) {
        uint8_t *count = &p->small_count[s3fifo_small(p, old)];
        *count = (uint8_t)(*count + (*count < 3));
        return 1;
    }
    if (old >= p->ghost) {
        line_leave(&p->line, old);
        p->ghosts--;
        ghost = 1;
    }
    if (p->smalls + p->mains == p->entries)
        s3fifo_evict(p, t, hashed);
    if (ghost || (!p->evicted && p->smalls >= p->small_most)) {
        s3fifo_to_main(p, where, ref, 0);
    } else {
        uint32_t at = s3fifo_wrap(p, p->small_at + p->smalls++);
        p->small_object[at] = ref;
        p->small_count[at] = 0;
        *where = p->line.next++;
    }
    return 0;
}

#endif
