/* SPDX-License-Identifier: MIT
 *
 * The newest movements of one partition in memory, so that subscriptions which keep up share what
 * was read once. A stretch without gaps, from a position on; bounded, the oldest leave. Pure.
 */
#ifndef RELAY_TAIL_H
#define RELAY_TAIL_H

#include "relay/job.h"

#define TAIL_BYTES_MAX (256u * 1024)

struct tail {
    struct position base;  /* before the first of them */
    struct event **events; /* owned; first is events[head] */
    size_t head, count, capacity;
    size_t bytes;
};

void tail_clear(struct tail *tail);
/* Forgets everything, memory too. */
void tail_release(struct tail *tail);

/* Takes events that were read after `from`, NULLs what it took, and lets the oldest leave. What
 * does not continue the stretch replaces it when it is newer, and is not taken when it is older. */
void tail_put(struct tail *tail, const struct position *from, struct event **events, size_t count);

/* Lets the oldest leave, but for the newest `keep`. */
void tail_shrink(struct tail *tail, size_t keep);

/* The events after a position, which must be one of the stretch with the same claim: *events is the
 * first; returns how many, 0 where the position is not here or the last. */
size_t tail_after(const struct tail *tail, const struct position *position,
                  struct event *const **events);

/* The last position that it knows. */
const struct position *tail_end(const struct tail *tail);

bool position_equal(const struct position *a, const struct position *b);

#endif
