/* SPDX-License-Identifier: MIT
 *
 * The shard's clock, carried on by our own monotonic clock between looks at it. Expiry is decided
 * by it; nothing else is. Pure: callers pass what the clocks say.
 */
#ifndef WORKERS_TIMELINE_H
#define WORKERS_TIMELINE_H

#include <stdbool.h>
#include <stdint.h>

/* A server whose clock is further than this from where it should be has been set, or is another
 * one: partitions go on in the time that they had, with an offset. */
#define TIMELINE_JUMP_US 1000000

struct timeline {
    bool known;
    int64_t server_us, monotonic_us; /* the same moment by both */
};

int64_t timeline_now_us(const struct timeline *timeline, int64_t monotonic_us);

/* The server says server_us at monotonic_us. Returns by how much it is ahead of where the timeline
 * had it (0 the first time); the timeline follows the server. */
int64_t timeline_follow(struct timeline *timeline, int64_t server_us, int64_t monotonic_us);
/* Is that more than clocks that run a little differently? Then the caller must take it out again,
 * as an offset of each partition. */
bool timeline_is_jump(int64_t ahead_us);

/* The offset with which a partition goes on after a claim: offset_us, unless somebody has used a
 * much later time already, which the row's clock_high_us tells. */
int64_t timeline_offset_us(int64_t server_us, int64_t offset_us, int64_t clock_high_us);

#endif
