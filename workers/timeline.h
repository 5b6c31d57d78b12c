/* SPDX-License-Identifier: MIT
 *
 * The shard's clock, carried on by our own monotonic clock between looks at it. Expiry is decided
 * by it; nothing else is. Pure: callers pass what the clocks say.
 */
#ifndef WORKERS_TIMELINE_H
#define WORKERS_TIMELINE_H

#include <stdbool.h>
#include <stdint.h>

/* A server whose clock is further than this from where ours should be is another clock: the old
 * timeline goes on, with an offset. */
#define TIMELINE_JUMP_US 1000000

struct timeline {
    bool known;
    int64_t server_us, monotonic_us; /* the same moment by both */
    int64_t jumped_us; /* the server's clock is so far ahead of it now; 0 unless it has jumped */
};

int64_t timeline_now_us(const struct timeline *timeline, int64_t monotonic_us);
/* The server's own clock, as far as it is known: what brokers are told. */
int64_t timeline_server_us(const struct timeline *timeline, int64_t monotonic_us);

/* The server says server_us at monotonic_us. Returns by how much it is ahead of where the timeline
 * had it (0 the first time); the timeline follows the server. What is more than TIMELINE_JUMP_US
 * the caller must take out again, as an offset. */
int64_t timeline_follow(struct timeline *timeline, int64_t server_us, int64_t monotonic_us);

/* The offset with which a partition goes on after a claim. stored: the row's clock_offset_us and
 * clock_high_us. jump_us: what timeline_follow returned since we last owned the partition, 0 when
 * we did not. *jumped: the clock is another one, and somebody should know. */
int64_t timeline_offset_us(int64_t server_us, int64_t stored_offset_us, int64_t clock_high_us,
                           int64_t jump_us, bool *jumped);

#endif
