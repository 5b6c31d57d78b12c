/* SPDX-License-Identifier: MIT
 *
 * Reading the stock of one SKU: from a view, from a bare ROUTER that echoes messages of the same
 * size, from MariaDB by SELECT, from Redis by GET. All are given the same clients: so many, each
 * with so many requests in flight.
 */
#ifndef BENCH_READS_H
#define BENCH_READS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/config.h"
#include "common/histogram.h"

#define READS_CLIENTS_MAX 64u
#define READS_DEPTH_MAX 256u

struct reads_load {
    uint32_t clients, depth;
    int64_t warm_us, count_us;
};

struct reads_sample {
    uint64_t done;            /* answered within the counted time */
    uint64_t all;             /* answered at all, warming up included */
    struct histogram latency; /* microseconds, from sending to reading */
};

/* What the sides need of each other. */
struct reads_place {
    const struct config *config;
    const char *cluster_file;
    const char *cluster_folder;
    char folder[4096];       /* for sockets and data; its own */
    size_t answer_bytes;     /* of a view's answer: reads_measure sets it */
    int echo_pid, redis_pid; /* 0: it does not run */
};

/* Runs each side for load->count_us. False with error. */
typedef bool reads_side(const struct reads_place *place, const struct reads_load *load,
                        struct reads_sample *sample, char *error, size_t error_bytes);
reads_side reads_view, reads_echo, reads_library, reads_select, reads_redis;

/* Asks the view once, for the size of an answer, and until it knows every SKU. */
bool reads_measure(struct reads_place *place, char *error, size_t error_bytes);
/* Starts the echo, and Redis with the same answers under the SKUs' names. reads_redis_start: false
 * with an empty error when there is no Redis on this machine. */
bool reads_echo_start(struct reads_place *place, char *error, size_t error_bytes);
bool reads_redis_start(struct reads_place *place, char *error, size_t error_bytes);
void reads_stop(struct reads_place *place);

/* The echo itself, in a process of its own, until it is killed: bench --echo ENDPOINT BYTES. */
int reads_echo_main(const char *endpoint, size_t answer_bytes);

/* The whole comparison; 0 met, 1 missed, 71 something failed. */
int reads_compare(const char *cluster_file, const char *cluster_folder, const struct config *config,
                  long seconds, long rounds);

#endif
