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

/* Start a table anew with what the policy still tracks, larger if that is a third of it. */
static int NAME(rebuild)(STATE *p, Table *t) {
    Table old = *t;
    uint64_t live = 0;
    for (uint64_t i = 0; i < old.size; i++)
        live += old.slots[i].used && NAME(tracked)(p, old.slots[i].where);
    while (live * 3 > t->size) {
        t->size *= 2;
        t->shift--;
    }
    t->slots = (Slot *)zeroed(sizeof(Slot) * t->size);
    if (!t->slots) {
        *t = old;
        return -1;
    }
    t->most = t->size / 2 + t->size / 8;
    t->used = 0;
    for (uint64_t i = 0; i < old.size; i++)
        if (old.slots[i].used && NAME(tracked)(p, old.slots[i].where)) {
            uint32_t ref = table_find(t, old.slots[i].key);
            t->slots[ref].where = old.slots[i].where;
            NAME(moved)(p, old.slots[i].where, ref);
        }
    free(old.slots);
    return 0;
}

static CACHE_CLONES int64_t NAME(replay_hashed)(STATE *policy, Table *table, const int64_t *ids, int64_t n, uint8_t *hits,
                                                int ahead) {
    STATE p = *policy;
    Table t = *table;
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        if (UNLIKELY(t.used >= t.most || NAME(room)(&p) <= 0)) {
            *policy = p;
            *table = t;
            if ((t.used >= t.most && NAME(rebuild)(policy, table)) || (NAME(room)(&p) <= 0 && NAME(renew)(policy, table)))
                return -1;
            p = *policy;
            t = *table;
        }
        if (ahead && i + AHEAD < n)
            PREFETCH(&t.slots[slot_of(&t, ids[i + AHEAD])]);
        uint32_t ref = table_find(&t, ids[i]);
        int hit = NAME(access)(&p, &t, &t.slots[ref].where, ref, 1);
        count += hit;
        if (hits)
            hits[i] = (uint8_t)hit;
    }
    *policy = p;
    *table = t;
    return count;
}
