/* What near-memory units write down of packets and hits when asked to; nothing here is on the way otherwise. */
#ifndef ARCHSIM_RECNMP_LOG_H
#define ARCHSIM_RECNMP_LOG_H

#include "recnmp_state.h"

NOINLINE void log_hit(Units *u, Unit *unit, int64_t clk, int64_t coordinate) {
    if (unit->hit_count == unit->hit_room) {
        const int64_t room = 2 * unit->hit_room + 1024;
        HitRecord *grown = realloc(unit->hits, (size_t)room * sizeof(HitRecord));
        if (grown == NULL) {
            u->failed = 1;
            return;
        }
        unit->hits = grown;
        unit->hit_room = room;
    }
    unit->hits[unit->hit_count++] = (HitRecord){clk, coordinate};
}

/* A packet whose bursts have all arrived; its results have no clocks yet. */
NOINLINE void log_packet(Units *u, const PacketRecord *packet, const int32_t *lookup, const int32_t *pooling) {
    if (u->log_count == u->log_room) {
        const int64_t room = 2 * u->log_room + 1024;
        PacketRecord *grown = realloc(u->log, (size_t)room * sizeof(PacketRecord));
        if (grown == NULL) {
            u->failed = 1;
            return;
        }
        u->log = grown;
        u->log_room = room;
    }
    PacketRecord *record = &u->log[u->log_count++];
    *record = *packet;
    for (int64_t i = 0; i < record->bursts; i++) {
        const int64_t clk = u->b.issued[i];
        record->poolings += i == 0 || pooling[lookup[i]] != pooling[lookup[i - 1]];
        record->first_issue = clk < record->first_issue ? clk : record->first_issue;
        record->last_issue = clk > record->last_issue ? clk : record->last_issue;
        record->hits += u->sets && u->b.local[i] == 2;
    }
}

/* A result burst of the last packet in clock `clk`. */
NOINLINE void log_result(Units *u, int64_t clk) {
    if (u->packets > u->log_count)    /* it is beyond the limit */
        return;
    PacketRecord *record = &u->log[u->log_count - 1];
    if (record->result < 0)
        record->result = clk;
    record->returned = clk + u->burst_clk;
}

#endif
