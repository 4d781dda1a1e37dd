/* Which clocks of the pins the configuration and the instructions of a packet take. */
#ifndef ARCHSIM_RECNMP_ISSUE_H
#define ARCHSIM_RECNMP_ISSUE_H

#include "recnmp_state.h"

/* Sort the bursts by rank, in program order within each, and mark where an instruction begins: one fetches the bursts of
 * one vector that lie in one row of one bank. */
static void packet_bucket(Units *u, const int64_t *coordinates, const int32_t *lookup, const uint8_t *locality, int64_t n) {
    const int32_t bits = unit_bits(u);
    const int64_t within = ((((int64_t)1 << bits) - 1) << 16) | 0xFFFF | (int64_t)0xFFFFFF << 32;
    int64_t place[RANKS_MAX];
    memset(u->first, 0, sizeof u->first);
    for (int64_t i = 0; i < n; i++)
        u->first[((coordinates[i] >> 16 & 0xFFFF) >> bits) + 1]++;
    for (int32_t r = 0; r < u->ranks; r++) {
        u->first[r + 1] += u->first[r];
        place[r] = u->first[r];
    }
    for (int64_t i = 0; i < n; i++) {
        const int64_t at = place[(coordinates[i] >> 16 & 0xFFFF) >> bits]++;
        u->b.burst[at] = i;
        u->b.coordinate[at] = coordinates[i] & within;
        u->b.local[at] = locality[lookup[i]];
        u->b.opens[at] = i == 0 || lookup[i] != lookup[i - 1] || (coordinates[i] ^ coordinates[i - 1]) >> 16 != 0;
    }
}

/* Issue the next instruction of a rank in clock `clk`; returns its bursts. */
INLINE int64_t send_one(Units *u, int32_t rank, int64_t clk, const int plain) {
    int64_t at = u->sent[rank];
    const int64_t begin = at;
    if (!plain && u->d.deliver_clk) {
        Unit *unit = &u->unit[rank];
        unit->delivered = (clk > unit->delivered ? clk : unit->delivered) + u->d.deliver_clk;
        clk = unit->delivered;
    }
    do
        u->b.issued[at++] = clk;
    while (at < u->first[rank + 1] && !u->b.opens[at]);
    u->sent[rank] = at;
    u->instructions++;
    return at - begin;
}

/* Write the registers of every DIMM that the packet uses, one after another (all at once where they are
 * broadcast to), from `clk` on; `clk` becomes the end. */
static int packet_configure(Units *u, int64_t *clk) {
    for (int32_t d = 0; d < (u->d.broadcast ? 1 : u->dimms) && u->config_clk; d++) {
        if (!u->d.broadcast && u->first[(d + 1) * u->ranks_per_dimm] == u->first[d * u->ranks_per_dimm])
            continue;
        *clk = pins_gap(&u->pins, *clk, u->config_clk);
        if (pins_take(&u->pins, *clk, u->config_clk))
            return -2;
        *clk += u->config_clk;
        u->configurations++;
    }
    return 0;
}

/* Take more clocks of the pins for an instruction that began at `clk`: the next free ones. Returns the last, or -1. */
static int64_t hold_pins(Units *u, int32_t dimm, int64_t clk, int64_t more) {
    while (more > 0) {
        PinClock *at = pins_hold(&u->pins, ++clk);
        if (!at)
            return -1;
        if (at->dimm != DIMM_NONE)
            continue;
        at->dimm = dimm;
        at->ranks = ~(uint64_t)0;     /* nobody joins it */
        u->issue_clk++;
        more--;
    }
    return clk;
}

/* Clocks of the pins for the next instruction of a rank. */
static int64_t pins_needed(const Units *u, int32_t rank) {
    int64_t at = u->sent[rank] + 1;
    while (at < u->first[rank + 1] && !u->b.opens[at])
        at++;
    return u->d.issue_clk + u->d.issue_burst_clk * (at - u->sent[rank]);
}

/* Give every instruction of the packet its clock, from `clk` on; `plain`: as RecNMP does. */
INLINE int issue_body(Units *u, int64_t clk, const int plain) {
    int64_t left[RANKS_MAX], all = u->first[u->ranks];
    int32_t dimm = 0, lead = 0;
    const int32_t wide = !plain && u->d.broadcast, together = wide ? u->ranks : u->ranks_per_dimm, dimms = wide ? 1 : u->dimms;
    const int32_t per_clk = wide ? u->ranks : u->per_clk, long_ones = !plain && u->d.issue_clk + u->d.issue_burst_clk > 1;
    for (int32_t d = 0; d < dimms; d++)
        left[d] = u->first[(d + 1) * together] - u->first[d * together];
    for (int32_t r = 0; r < u->ranks; r++)
        u->sent[r] = u->first[r];
    for (; all > 0; clk++) {
        PinClock *at = pins_hold(&u->pins, clk);
        if (UNLIKELY(!at))
            return -2;
        if (at->dimm == DIMM_ALL)
            continue;
        const int fresh = at->dimm == DIMM_NONE;
        if (fresh) {
            while (!left[dimm])
                if (++dimm == dimms) {
                    dimm = 0;
                    lead = (lead + per_clk) % together;
                }
            at->dimm = dimm;
            u->issue_clk++;
        }
        int32_t budget = per_clk - __builtin_popcountll(at->ranks);
        for (int32_t k = 0; k < together && budget > 0; k++) {
            const int32_t own = (k + lead) % together, rank = at->dimm * together + own;
            if (u->sent[rank] == u->first[rank + 1] || at->ranks >> own & 1)
                continue;
            int64_t last = clk;
            if (long_ones) {
                last = hold_pins(u, at->dimm, clk, pins_needed(u, rank) - 1);
                if (last < 0)
                    return -2;
                at = pins_at(&u->pins, clk); /* the calendar may have grown */
            }
            const int64_t bursts = send_one(u, rank, last, plain);
            left[at->dimm] -= bursts;
            all -= bursts;
            at->ranks |= long_ones ? ~(uint64_t)0 : (uint64_t)1 << own;
            budget = long_ones ? 0 : budget - 1;
        }
        if (fresh && ++dimm == dimms) {
            dimm = 0;
            lead = (lead + per_clk) % together;
        }
    }
    return 0;
}

static int packet_issue(Units *u, int64_t clk) {
    const int plain = !u->d.broadcast && !u->d.deliver_clk && u->d.issue_clk + u->d.issue_burst_clk == 1;
    return plain ? issue_body(u, clk, 1) : issue_body(u, clk, 0);
}

#endif
