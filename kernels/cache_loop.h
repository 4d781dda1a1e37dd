/* The replay loops of one policy, for dense and for arbitrary ids. Included once per policy, with STATE its type and
 * NAME(f) its function f. */

static CACHE_CLONES int64_t NAME(replay_dense)(STATE *policy, Table *table, const int64_t *ids, int64_t n, uint8_t *hits,
                                               int ahead) {
    STATE p = *policy;
    const Table t = *table;
    int64_t count = 0, i = 0;
    while (i < n) {
        int64_t room = NAME(room)(&p), end = n - i < room ? n : i + room, fence = n - AHEAD < end ? n - AHEAD : end;
        if (room <= 0) {
            *policy = p;
            if (NAME(renew)(policy, table))
                return -1;
            p = *policy;
            continue;
        }
        if (ahead)
            for (; i < fence; i++) {
                uint32_t ref = (uint32_t)ids[i];
                PREFETCH(&t.dense[ids[i + AHEAD]]);
                int hit = NAME(access)(&p, &t, &t.dense[ref], ref, 0);
                count += hit;
                if (hits)
                    hits[i] = (uint8_t)hit;
            }
        for (; i < end; i++) {
            uint32_t ref = (uint32_t)ids[i];
            int hit = NAME(access)(&p, &t, &t.dense[ref], ref, 0);
            count += hit;
            if (hits)
                hits[i] = (uint8_t)hit;
        }
    }
    *policy = p;
    return count;
}

/* Move what is still tracked to a larger table. */
static int NAME(enlarge)(STATE *p, Table *t, uint64_t size, int wide) {
    Table old = *t;
    if (table_slots(t, size, wide)) {
        table_unmake(t);
        *t = old;
        return -1;
    }
    for (uint32_t i = 0; i < old.size; i++) {
        uint32_t where = *where_at(&old, i, 1);
        if (!old.slots[i / BUCKET].tag[i % BUCKET] || !NAME(tracked)(p, where))
            continue;
        uint32_t ref = wide ? table_find(t, key_at(&old, i, 1), 1) : table_find(t, key_at(&old, i, 0), 0);
        *where_at(t, ref, 1) = where;
        NAME(moved)(p, where, ref);
    }
    table_unmake(&old);
    return 0;
}

/* Drop from a bucket what is not tracked; what belongs to a bucket before it goes there if there is room now. Buckets are
 * swept in order, beginning after one that is not full, so everything finds a free slot on its way. */
INLINE void NAME(sweep)(STATE *p, Table *t, uint64_t bucket, int wide) {
    Slots *slots = &t->slots[bucket], old = *slots;
    int64_t key[BUCKET];
    uint32_t live[BUCKET], n = 0, kept = 0;
    for (uint32_t i = 0; i < BUCKET; i++) { /* without a branch: what is tracked is anybody's guess */
        key[i] = key_at(t, (uint32_t)bucket * BUCKET + i, wide);
        live[n] = i;
        n += NAME(tracked)(p, old.where[i]); /* never a free slot, whose word is 0 */
    }
    memset(slots, 0, sizeof *slots);
    for (uint32_t k = 0; k < n; k++) {
        uint32_t from = live[k], ref = (uint32_t)bucket * BUCKET + kept;
        if (LIKELY(bucket_of(t, key[from]) == bucket)) {
            slots->tag[kept] = old.tag[from];
            if (wide)
                t->key[ref] = key[from];
            kept++;
            t->used++;
        } else {
            ref = wide ? table_find(t, key[from], 1) : table_find(t, key[from], 0);
            kept += ref / BUCKET == bucket;
        }
        *where_at(t, ref, 1) = old.where[from];
        NAME(moved)(p, old.where[from], ref);
    }
}

/* Free the slots of what is no longer tracked, in place unless a third of them would still be taken; a quarter while the
 * table stays small, because it is then reached fast and rebuilt the less often. */
static int NAME(rebuild)(STATE *p, Table *t, int wide) {
    uint64_t live = 0, size = t->size, buckets = size / BUCKET, start = 0;
    for (uint64_t b = 0; b < buckets; b++) {
        uint32_t here = 0;
        for (int i = 0; i < BUCKET; i++)
            here += (uint32_t)NAME(tracked)(p, t->slots[b].where[i]);
        live += here;
    }
    while (live * (size <= SMALL_TABLE ? 4 : 3) > size)
        size *= 2;
    if (size > t->size)
        return NAME(enlarge)(p, t, size, wide);
    while (!tags_equal(t->slots[start].tag, 0))
        start++;
    t->used = 0;
    for (uint64_t i = 1; i <= buckets; i++)
        if (wide)
            NAME(sweep)(p, t, (start + i) & (buckets - 1), 1);
        else
            NAME(sweep)(p, t, (start + i) & (buckets - 1), 0);
    return 0;
}

INLINE int64_t NAME(replay_slots)(STATE *policy, Table *table, const int64_t *ids, int64_t n, uint8_t *hits, int ahead,
                                  int wide) {
    STATE p = *policy;
    Table t = *table;
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        if (UNLIKELY(t.used >= t.most || NAME(room)(&p) <= 0)) {
            *policy = p;
            *table = t;
            if ((t.used >= t.most && NAME(rebuild)(policy, table, wide)) || (NAME(room)(&p) <= 0 && NAME(renew)(policy, table)))
                return -1;
            p = *policy;
            t = *table;
        }
        if (ahead && i + SLOTS_AHEAD < n) {
            uint64_t bucket = bucket_of(&t, ids[i + SLOTS_AHEAD]);
            PREFETCH(&t.slots[bucket]);
            if (wide)
                PREFETCH(&t.key[bucket * BUCKET]);
        }
        uint32_t ref = table_find(&t, ids[i], wide);
        int hit = NAME(access)(&p, &t, where_at(&t, ref, 1), ref, 1);
        count += hit;
        if (hits)
            hits[i] = (uint8_t)hit;
    }
    *policy = p;
    *table = t;
    return count;
}

static CACHE_CLONES int64_t NAME(replay_hashed)(STATE *policy, Table *table, const int64_t *ids, int64_t n, uint8_t *hits,
                                                int ahead) {
    return table->key ? NAME(replay_slots)(policy, table, ids, n, hits, ahead, 1)
                      : NAME(replay_slots)(policy, table, ids, n, hits, ahead, 0);
}
