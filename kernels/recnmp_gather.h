/* What units and DIMMs return: the bursts of results, and of sums that leave adders inside the devices. */
#ifndef ARCHSIM_RECNMP_GATHER_H
#define ARCHSIM_RECNMP_GATHER_H

#include "recnmp_state.h"

enum { PSUMS = 16, ADDERS_MAX = 1024 }; /* PsumTag: four bits; banks of a channel: at most so many */

/* Which part of its vector is a burst? */
static int32_t part_of(const int32_t *lookup, int64_t burst) {
    int32_t part = 0;
    while (burst > part && lookup[burst - part - 1] == lookup[burst])
        part++;
    return part;
}

/* Result bursts of DIMMs that return only the parts that they have read: a part's share of the result, rounded up. */
static int64_t sliced_results(const Units *u, const int32_t *lookup, const int32_t *pooling, const int32_t *result_bursts) {
    const int32_t base = pooling[lookup[0]];
    int64_t total = 0, parts = 1;
    while (parts < u->first[u->ranks] && lookup[parts] == lookup[0])
        parts++;
    for (int32_t d = 0; d < u->dimms; d++) {
        uint64_t seen[PSUMS] = {0};
        for (int64_t i = u->first[d * u->ranks_per_dimm]; i < u->first[(d + 1) * u->ranks_per_dimm]; i++) {
            const int64_t burst = u->b.burst[i];
            seen[pooling[lookup[burst]] - base] |= (uint64_t)1 << part_of(lookup, burst);
        }
        for (int32_t q = 0; q < PSUMS; q++)
            if (seen[q])
                total += (result_bursts[base + q] * __builtin_popcountll(seen[q]) + parts - 1) / parts;
    }
    return total;
}

/* Result bursts: of every pooling, from every DIMM that had a lookup for it. */
static int64_t packet_results(const Units *u, const int32_t *lookup, const int32_t *pooling, const int32_t *result_bursts) {
    const int32_t base = pooling[lookup[0]];
    int64_t total = 0;
    if (u->d.sliced)
        return sliced_results(u, lookup, pooling, result_bursts);
    for (int32_t d = 0; d < u->dimms; d++) {
        uint64_t seen = 0;
        for (int64_t i = u->first[d * u->ranks_per_dimm]; i < u->first[(d + 1) * u->ranks_per_dimm]; i++)
            seen |= (uint64_t)1 << (pooling[lookup[u->b.burst[i]]] - base);
        for (; seen; seen &= seen - 1)
            total += result_bursts[base + __builtin_ctzll(seen)];
    }
    return total;
}

/* Bursts of sums in the adders of a unit: of every pooling, from every adder that had a burst of it. */
static int64_t sums_to_gather(const Units *u, int32_t rank, const int32_t *lookup, const int32_t *pooling,
                              const int32_t *result_bursts) {
    const int32_t base = pooling[lookup[0]], adders = 1 << (unit_bits(u) - u->d.adder_bits);
    uint16_t seen[ADDERS_MAX] = {0};
    int64_t total = 0;
    for (int64_t i = u->first[rank]; i < u->first[rank + 1]; i++)
        seen[(u->b.coordinate[i] >> 16 & 0xFFFF) >> u->d.adder_bits] |=
            (uint16_t)(1u << (pooling[lookup[u->b.burst[i]]] - base));
    for (int32_t a = 0; a < adders; a++)
        for (uint32_t left = seen[a]; left; left &= left - 1)
            total += result_bursts[base + __builtin_ctz(left)];
    return total;
}

/* Let the sums of a unit's adders follow its last burst to the buffer chip; returns the clock at which they are there. */
static int64_t unit_gather(Units *u, int32_t rank, int64_t clk, const int32_t *lookup, const int32_t *pooling,
                           const int32_t *result_bursts) {
    Unit *unit = &u->unit[rank];
    const int64_t bursts = sums_to_gather(u, rank, lookup, pooling, result_bursts);
    u->gathered += bursts;
    unit->gather_free = (clk > unit->gather_free ? clk : unit->gather_free) + bursts * u->d.gather_clk;
    return unit->gather_free;
}

#endif
