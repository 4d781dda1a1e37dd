/* Every policy behind one interface. A policy is one header: make, access (hit, insert, evict), and what the loops ask. */
#ifndef ARCHSIM_CACHE_H
#define ARCHSIM_CACHE_H

#include "cache_base.h"
#include "cache_belady.h"
#include "cache_sets.h"

#define STATE Lru
#define NAME(f) lru_##f
#include "cache_lru.h"
#include "cache_loop.h"
#undef STATE
#undef NAME
#define STATE Fifo
#define NAME(f) fifo_##f
#include "cache_fifo.h"
#include "cache_loop.h"
#undef STATE
#undef NAME
#define STATE Clock
#define NAME(f) clock_##f
#include "cache_clock.h"
#include "cache_loop.h"
#undef STATE
#undef NAME
#define STATE Sieve
#define NAME(f) sieve_##f
#include "cache_sieve.h"
#include "cache_loop.h"
#undef STATE
#undef NAME
#define STATE Random
#define NAME(f) random_##f
#include "cache_random.h"
#include "cache_loop.h"
#undef STATE
#undef NAME
#define STATE Lfu
#define NAME(f) lfu_##f
#include "cache_lfu.h"
#include "cache_loop.h"
#undef STATE
#undef NAME
#define STATE Slru
#define NAME(f) slru_##f
#include "cache_slru.h"
#include "cache_loop.h"
#undef STATE
#undef NAME
#define STATE Arc
#define NAME(f) arc_##f
#include "cache_arc.h"
#include "cache_loop.h"
#undef STATE
#undef NAME
#define STATE TwoQ
#define NAME(f) twoq_##f
#include "cache_2q.h"
#include "cache_loop.h"
#undef STATE
#undef NAME
#define STATE S3fifo
#define NAME(f) s3fifo_##f
#include "cache_s3fifo.h"
#include "cache_loop.h"
#undef STATE
#undef NAME
#define STATE Wtinylfu
#define NAME(f) wtinylfu_##f
#include "cache_wtinylfu.h"
#include "cache_loop.h"
#undef STATE
#undef NAME

/* X(number, member of the union, prefix) */
#define CACHE_POLICIES(X) X(0, lru) X(1, fifo) X(2, clock) X(3, sieve) X(4, random) \
    X(5, lfu) X(6, slru) X(7, arc) X(8, twoq) X(9, s3fifo) X(10, wtinylfu)

typedef struct {
    int policy;
    Table table;
    union {
        Lru lru;
        Fifo fifo;
        Clock clock;
        Sieve sieve;
        Random random;
        Lfu lfu;
        Slru slru;
        Arc arc;
        TwoQ twoq;
        S3fifo s3fifo;
        Wtinylfu wtinylfu;
    } state;
} Cache;

static void cache_unmake(Cache *c) {
    if (!c)
        return;
    switch (c->policy) {
#define X(number, name) \
    case number: name##_unmake(&c->state.name); break;
        CACHE_POLICIES(X)
#undef X
    }
    table_unmake(&c->table);
    free(c);
}

/* NULL without memory. */
static Cache *cache_make(int policy, int64_t objects, const Setup *setup) {
    Cache *c = (Cache *)calloc(1, sizeof(Cache));
    int failed = -1;
    if (!c)
        return NULL;
    c->policy = policy;
    failed = table_make(&c->table, objects);
    if (!failed)
        switch (policy) {
#define X(number, name) \
    case number: failed = name##_make(&c->state.name, setup, &c->table); break;
            CACHE_POLICIES(X)
#undef X
        }
    if (failed) {
        cache_unmake(c);
        return NULL;
    }
    return c;
}

/* Replay n accesses; returns hits, or -1 without memory. */
static int64_t cache_replay(Cache *c, const int64_t *ids, int64_t n, uint8_t *hits, int ahead) {
    switch (c->policy) {
#define X(number, name)                                                                        \
    case number:                                                                               \
        return c->table.dense ? name##_replay_dense(&c->state.name, &c->table, ids, n, hits, ahead) \
                              : name##_replay_hashed(&c->state.name, &c->table, ids, n, hits, ahead);
        CACHE_POLICIES(X)
#undef X
    }
    return -1;
}

static int64_t cache_bytes(const Cache *c) {
    int64_t bytes = table_bytes(&c->table);
    switch (c->policy) {
#define X(number, name) \
    case number: bytes += name##_bytes(&c->state.name); break;
        CACHE_POLICIES(X)
#undef X
    }
    return bytes;
}

#endif
