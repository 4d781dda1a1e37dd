/* Rows of tables as small numbers in order of first use, with how often each was used; all of them, or a sample.
 *
 * The sample is spatial: a row is in it, with all its uses, or not at all. Which rows are is decided by a hash of table
 * and row, so it is the same everywhere.
 */
#ifndef ARCHSIM_REUSE_IDS_H
#define ARCHSIM_REUSE_IDS_H

#include "reuse.h"

typedef struct {
    int64_t row, count;
    int32_t table, unused;
} Seen;

typedef struct {
    Seen *seen;                   /* [capacity] by id */
    int64_t ids, capacity;
    uint32_t *slots;              /* [slot_count] id plus 1: by table base + row, or an open-addressed hash table */
    int64_t slot_count;
    const int64_t *bases;         /* first slot of each table, or NULL: hashed */
    uint64_t sample_below;        /* rows of a hash below it are kept; 0: all */
} Numbering;

/* The finaliser of SplitMix64. */
INLINE uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

INLINE uint64_t row_hash(uint64_t table_key, int64_t row) { return mix((uint64_t)row + table_key); }
INLINE uint64_t table_key(int32_t table) { return mix(0x9e3779b97f4a7c15ull * ((uint64_t)(uint32_t)table + 1)); }
INLINE int in_sample(uint64_t hash, int32_t shift) { return !shift || !(hash >> (64 - shift)); }

/* Twice the slots, at least. */
static int grow_slots(Numbering *n) {
    int64_t count = n->slot_count ? 2 * n->slot_count : 4096;
    uint32_t *slots = calloc((size_t)count, sizeof(uint32_t));
    if (!slots)
        return -1;
    for (int64_t id = 0; id < n->ids; id++) {
        uint64_t at = row_hash(table_key(n->seen[id].table), n->seen[id].row) & (uint64_t)(count - 1);
        while (slots[at])
            at = (at + 1) & (uint64_t)(count - 1);
        slots[at] = (uint32_t)id + 1;
    }
    free(n->slots);
    n->slots = slots;
    n->slot_count = count;
    return 0;
}

static int64_t new_id(Numbering *n, int32_t table, int64_t row) {
    if (n->ids == n->capacity) {
        int64_t capacity = n->capacity + n->capacity / 4 + 1024;
        Seen *seen = realloc(n->seen, (size_t)capacity * sizeof(Seen));
        if (!seen)
            return -1;
        n->seen = seen;
        n->capacity = capacity;
    }
    n->seen[n->ids] = (Seen){row, 0, table, 0};
    return n->ids++;
}

/* The id of a row; `slot` is where the search starts. Negative without memory. */
INLINE int64_t find_id(Numbering *n, int32_t table, int64_t row, uint64_t slot) {
    if (n->bases) {
        if (!n->slots[slot]) {
            int64_t id = new_id(n, table, row);
            if (id >= 0)
                n->slots[slot] = (uint32_t)id + 1;
            return id;
        }
        return (int64_t)n->slots[slot] - 1;
    }
    uint64_t mask = (uint64_t)n->slot_count - 1;
    for (slot &= mask; n->slots[slot]; slot = (slot + 1) & mask) {
        const Seen *seen = &n->seen[n->slots[slot] - 1];
        if (seen->row == row && seen->table == table)
            return (int64_t)n->slots[slot] - 1;
    }
    int64_t id = new_id(n, table, row);
    if (id < 0)
        return -1;
    n->slots[slot] = (uint32_t)id + 1;
    return 2 * n->ids > n->slot_count && grow_slots(n) ? -1 : id;
}

enum { BATCH = 32 };

/* Number the rows of one segment; rows32 or rows64 is given. Returns how many are kept, or -1 without memory. */
INLINE int64_t number_segment(Numbering *n, const int32_t *rows32, const int64_t *rows64, int64_t count,
                              int32_t table, int32_t *ids) {
    uint64_t key = table_key(table), slots[BATCH];
    int64_t kept = 0, rows[BATCH];
    for (int64_t start = 0; start < count; start += BATCH) {
        int32_t m = 0;
        for (int64_t i = start; i < start + BATCH && i < count; i++) {
            int64_t row = rows32 ? rows32[i] : rows64[i];
            uint64_t slot = n->bases ? (uint64_t)(n->bases[table] + row) : row_hash(key, row);
            if (!n->bases && n->sample_below && slot >= n->sample_below)
                continue;
            PREFETCH(&n->slots[n->bases ? slot : slot & (uint64_t)(n->slot_count - 1)]);
            rows[m] = row;
            slots[m++] = slot;
        }
        for (int32_t i = 0; i < m; i++) {
            uint32_t id = n->slots[n->bases ? slots[i] : slots[i] & (uint64_t)(n->slot_count - 1)];
            if (id)
                PREFETCH(&n->seen[id - 1]);
        }
        for (int32_t i = 0; i < m; i++) {
            int64_t id = find_id(n, table, rows[i], slots[i]);
            if (id < 0)
                return -1;
            n->seen[id].count++;
            ids[kept++] = (int32_t)id;
        }
    }
    return kept;
}

static int64_t number_rows(Numbering *n, const int32_t *rows32, const int64_t *rows64, const int64_t *ends,
                           const int32_t *tables, int64_t segments, int32_t *ids, int64_t *kept_ends) {
    int64_t start = 0, kept = 0;
    for (int64_t j = 0; j < segments; start = ends[j++]) {
        int64_t more = number_segment(n, rows32 ? rows32 + start : NULL, rows64 ? rows64 + start : NULL,
                                      ends[j] - start, tables ? tables[j] : 0, ids + kept);
        if (more < 0)
            return -1;
        kept += more;
        kept_ends[j] = kept;
    }
    return kept;
}

/* Estimates how many rows are distinct from the hashes below a bound, which is halved whenever the set is full. */
enum { SKETCH_SLOTS = 1 << 17, SKETCH_MOST = 1 << 16 };

typedef struct {
    uint64_t slots[SKETCH_SLOTS]; /* a hash plus 1, or 0 */
    int64_t held;
    int32_t shift;
} Sketch;

static void sketch_add(Sketch *s, uint64_t hash) {
    uint64_t at = hash & (SKETCH_SLOTS - 1);
    while (s->slots[at] && s->slots[at] != hash + 1)
        at = (at + 1) & (SKETCH_SLOTS - 1);
    if (s->slots[at] || hash == UINT64_MAX)
        return;
    s->slots[at] = hash + 1;
    s->held++;
}

static int sketch_halve(Sketch *s) {
    uint64_t *kept = malloc(SKETCH_MOST * sizeof(uint64_t));
    if (!kept)
        return -1;
    int64_t count = 0;
    s->shift++;
    for (int64_t i = 0; i < SKETCH_SLOTS; i++)
        if (s->slots[i] && in_sample(s->slots[i] - 1, s->shift))
            kept[count++] = s->slots[i] - 1;
    memset(s->slots, 0, sizeof s->slots);
    s->held = 0;
    for (int64_t i = 0; i < count; i++)
        sketch_add(s, kept[i]);
    free(kept);
    return 0;
}

static int sketch_rows(Sketch *s, const int32_t *rows32, const int64_t *rows64, const int64_t *ends,
                       const int32_t *tables, int64_t segments) {
    int64_t i = 0;
    for (int64_t j = 0; j < segments; j++) {
        uint64_t key = table_key(tables ? tables[j] : 0);
        for (; i < ends[j]; i++) {
            uint64_t hash = row_hash(key, rows32 ? rows32[i] : rows64[i]);
            if (!in_sample(hash, s->shift))
                continue;
            sketch_add(s, hash);
            while (s->held >= SKETCH_MOST)
                if (sketch_halve(s))
                    return -1;
        }
    }
    return 0;
}

#endif
