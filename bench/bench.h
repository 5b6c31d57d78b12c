/* SPDX-License-Identifier: MIT
 *
 * The two sides of the comparison, both as a load that lasts a stated time: 64 clients that reserve
 * one unit again and again, of one SKU or of SKUs drawn at random.
 */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/config.h"
#include "common/histogram.h"

#define BENCH_CLIENTS 64u
#define BENCH_SKUS 10000u
/* Enough for every round of the longest run. */
#define BENCH_STOCK 900000000u
/* No load does more than this, however long it may last. */
#define BENCH_OPERATIONS_MAX 20000000u
/* Reservations must not run out while a round lasts. */
#define BENCH_HOLD_MS (60u * 60 * 1000)

#define BENCH_ROUNDS_MAX 15

struct load {
    uint32_t skus;    /* drawn from the first so many; 1: all on one */
    uint32_t depth;   /* requests that each client has in flight; the naive side always has 1 */
    int64_t warm_us;  /* runs first and is not counted */
    int64_t count_us; /* is counted */
};

struct sample {
    uint64_t done;    /* reservations made within the counted time */
    uint64_t all;     /* made at all, warming up and ending included */
    uint64_t retried; /* naive: deadlocks and lock timeouts; Holdfast: sent again */
    uint64_t failed;  /* not made: shed or unknown */
    int64_t elapsed_us;
    struct histogram latency; /* microseconds */
};

/* Name of a SKU by number. */
#define BENCH_SKU_BYTES 16
void bench_sku(char text[BENCH_SKU_BYTES], uint32_t number);

/* count is 1 to BENCH_ROUNDS_MAX. */
double bench_median(const double *values, long count);

/* A small generator (xorshift), one state per client, never 0. */
static inline uint32_t bench_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)(*state >> 32);
}

/* The way most teams write it, on the server of the shard, in a database of its own. False with
 * error. naive_prepare makes database, tables and stock. */
bool naive_prepare(const struct config_shard *shard, char *error, size_t error_bytes);
bool naive_run(const struct config_shard *shard, const struct load *load, struct sample *sample,
               char *error, size_t error_bytes);

/* The same work through libholdfast. prepare puts the items and receives the stock. */
bool cluster_prepare(const char *cluster_file, char *error, size_t error_bytes);
bool cluster_run(const char *cluster_file, const struct load *load, struct sample *sample,
                 char *error, size_t error_bytes);

#endif
