/* SPDX-License-Identifier: MIT
 *
 * The broker's wall clock, as a worker knows it from heartbeats: not_after is measured by it, so it
 * must never be taken for earlier than it is. Pure; session.c keeps one for each session.
 *
 * A heartbeat that was sent at `sent`, answered with the broker's clock, and read at `now` says
 * that the clock is at most `clock - sent` ahead of ours, and at least `clock - now`. How long an
 * answer lay in a socket moves only the lower bound, so a worker that was stopped does not take old
 * answers for news.
 */
#ifndef WORKERS_PEER_CLOCK_H
#define WORKERS_PEER_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct peer_clock {
    bool known;
    int64_t ahead_us; /* the broker's wall clock minus our monotonic one, or a little more */
};

/* sent_us and now_us are ours, monotonic; sent_us is what the answer echoes. An answer to what was
 * never sent (later than now, or not above 0) is ignored. */
static inline void peer_clock_hear(struct peer_clock *clock, int64_t clock_us, int64_t sent_us,
                                   int64_t now_us)
{
    if (sent_us <= 0 || sent_us > now_us || clock_us <= 0)
        return;
    int64_t most_us = clock_us - sent_us, least_us = clock_us - now_us;
    /* The least upper bound, unless the clock has moved on from it. */
    if (!clock->known || most_us < clock->ahead_us || least_us > clock->ahead_us)
        clock->ahead_us = most_us;
    clock->known = true;
}

/* INT64_MAX while it is not known: then everything is late. */
static inline int64_t peer_clock_us(const struct peer_clock *clock, int64_t now_us)
{
    return clock->known ? now_us + clock->ahead_us : INT64_MAX;
}

#endif
