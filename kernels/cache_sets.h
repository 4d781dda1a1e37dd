/* A set-associative cache of lines. The ways of a set stand in order, the first being the last to be evicted: in order
 * of use for LRU, of entry for FIFO, in no order for random. */
#ifndef ARCHSIM_CACHE_SETS_H
#define ARCHSIM_CACHE_SETS_H

#include "cache_base.h"
#include "cache_random.h"

enum { SETS_LRU, SETS_FIFO, SETS_RANDOM };
/* What happened to an access, as bits. */
enum { EVENT_HIT = 1, EVENT_FILL = 2, EVENT_EVICTED = 4, EVENT_DIRTY = 8 };

/* A way: the number of its line plus one, and whether it was written to; 0 is empty. */
#define WRITTEN ((uint64_t)1 << 63)

typedef struct {
    int64_t reads, writes, read_hits, write_hits, fills, writebacks, write_throughs;
    int64_t read_bypasses, write_bypasses;
} SetCounts;

typedef struct {
    uint64_t *way;
    int64_t sets, ways, line_bytes;
    int line_shift;           /* -1: lines are no power of two */
    int power;                /* the number of sets is a power of two */
    int policy, write_back, write_allocate;
    uint64_t drawn;
    SetCounts counts;
} Sets;

static int sets_make(Sets *s) {
    s->line_shift = -1;
    for (int bit = 0; bit < 62; bit++)
        if (s->line_bytes == (int64_t)1 << bit)
            s->line_shift = bit;
    s->power = (s->sets & (s->sets - 1)) == 0;
    s->way = (uint64_t *)zeroed(sizeof(uint64_t) * (size_t)s->sets * (size_t)s->ways);
    return !s->way;
}

INLINE uint64_t sets_line(const Sets *s, int64_t address) {
    return s->line_shift >= 0 ? (uint64_t)address >> s->line_shift : (uint64_t)(address / s->line_bytes);
}

INLINE uint64_t *sets_of(const Sets *s, uint64_t line) {
    uint64_t set = s->power ? line & (uint64_t)(s->sets - 1) : line % (uint64_t)s->sets;
    return s->way + set * (uint64_t)s->ways;
}

/* LRU and reads only: the line comes to the front, and what stood before it moves back by one. Returns 1 for a hit. */
INLINE int sets_to_front(uint64_t *way, int64_t ways, uint64_t name) {
    uint64_t carried = way[0];
    if (LIKELY(carried == name))
        return 1;
    way[0] = name;
    for (int64_t i = 1; i < ways; i++) {
        uint64_t here = way[i];
        way[i] = carried;
        if (here == name)
            return 1;
        carried = here;
    }
    return 0;
}

static CACHE_CLONES int64_t sets_read(Sets *state, const int64_t *addresses, int64_t n, int ahead) {
    Sets s = *state;
    int64_t hits = 0;
    for (int64_t i = 0; i < n; i++) {
        uint64_t line = sets_line(&s, addresses[i]);
        if (ahead && i + 8 < n) {
            uint64_t *later = sets_of(&s, sets_line(&s, addresses[i + 8]));
            PREFETCH(later);
            PREFETCH(later + 8);
        }
        hits += sets_to_front(sets_of(&s, line), s.ways, line + 1);
    }
    return hits;
}

/* Take a line in; returns the way that had to go, or 0. */
INLINE uint64_t sets_fill(Sets *s, uint64_t *way, uint64_t filled) {
    int64_t at = s->ways - 1;
    uint64_t gone = way[at];
    if (s->policy == SETS_RANDOM) {
        at = 0;
        while (at < s->ways && way[at])
            at++;
        if (at == s->ways)
            at = (int64_t)((split_mix(&s->drawn) >> 32) * (uint64_t)s->ways >> 32);
        gone = way[at];
        way[at] = filled;
        return gone;
    }
    memmove(way + 1, way, sizeof(uint64_t) * (size_t)at);
    way[0] = filled;
    return gone;
}

/* One access in general; returns its events. */
INLINE uint8_t sets_access(Sets *s, uint64_t line, int write, int admit, uint64_t *victim) {
    uint64_t *way = sets_of(s, line), name = line + 1, dirty = write && s->write_back ? WRITTEN : 0;
    SetCounts *c = &s->counts;
    int64_t i = 0;
    *(write ? &c->writes : &c->reads) += 1;
    while (i < s->ways && (way[i] & ~WRITTEN) != name)
        i++;
    if (i < s->ways) {
        uint64_t found = way[i] | dirty;
        *(write ? &c->write_hits : &c->read_hits) += 1;
        c->write_throughs += write && !s->write_back;
        if (s->policy == SETS_LRU) {
            memmove(way + 1, way, sizeof(uint64_t) * (size_t)i);
            i = 0;
        }
        way[i] = found;
        return EVENT_HIT;
    }
    if (!admit || (write && !s->write_allocate)) {
        *(write ? &c->write_bypasses : &c->read_bypasses) += 1;
        return 0;
    }
    uint64_t gone = sets_fill(s, way, name | dirty);
    c->fills++;
    c->write_throughs += write && !s->write_back;
    if (!gone)
        return EVENT_FILL;
    *victim = (gone & ~WRITTEN) - 1;
    c->writebacks += (gone & WRITTEN) != 0;
    return EVENT_FILL | EVENT_EVICTED | (gone & WRITTEN ? EVENT_DIRTY : 0);
}

/* `writes`, `admits`, `events`, `victims` may be NULL. Returns hits. */
static CACHE_CLONES int64_t sets_replay(Sets *s, const int64_t *addresses, int64_t n, const uint8_t *writes,
                                        const uint8_t *admits, uint8_t *events, int64_t *victims) {
    int64_t ahead = s->sets * s->ways * 8 > (1 << 20), hits = 0;
    if (!writes && !admits && !events && !victims && s->policy == SETS_LRU && !s->counts.writes) {
        hits = ahead ? sets_read(s, addresses, n, 1) : sets_read(s, addresses, n, 0);
        s->counts.reads += n;
        s->counts.read_hits += hits;
        s->counts.fills += n - hits;
        return hits;
    }
    for (int64_t i = 0; i < n; i++) {
        uint64_t victim = 0;
        uint8_t event = sets_access(s, sets_line(s, addresses[i]), writes && writes[i], !admits || admits[i], &victim);
        hits += event & EVENT_HIT;
        if (events)
            events[i] = event;
        if (victims)
            victims[i] = event & EVENT_EVICTED ? (int64_t)victim * s->line_bytes : -1;
    }
    return hits;
}

/* Lines held; every other line filled was evicted. */
static int64_t sets_held(const Sets *s) {
    int64_t held = 0;
    for (int64_t i = 0; i < s->sets * s->ways; i++)
        held += s->way[i] != 0;
    return held;
}

/* Write back what was written to; it stays, clean. */
static int64_t sets_flush(Sets *s) {
    int64_t written = 0;
    for (int64_t i = 0; i < s->sets * s->ways; i++) {
        written += s->way[i] >> 63;
        s->way[i] &= ~WRITTEN;
    }
    s->counts.writebacks += written;
    return written;
}

#endif
