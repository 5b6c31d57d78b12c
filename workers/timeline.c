/* SPDX-License-Identifier: MIT
 *
 * See timeline.h.
 */
#include "workers/timeline.h"

int64_t timeline_now_us(const struct timeline *timeline, int64_t monotonic_us)
{
    return timeline->server_us + (monotonic_us - timeline->monotonic_us);
}

int64_t timeline_server_us(const struct timeline *timeline, int64_t monotonic_us)
{
    return timeline_now_us(timeline, monotonic_us) + timeline->jumped_us;
}

int64_t timeline_follow(struct timeline *timeline, int64_t server_us, int64_t monotonic_us)
{
    int64_t ahead_us = timeline->known ? server_us - timeline_now_us(timeline, monotonic_us) : 0;

    timeline->known = true;
    timeline->jumped_us = 0;
    timeline->server_us = server_us;
    timeline->monotonic_us = monotonic_us;
    return ahead_us;
}

static bool is_jump(int64_t us)
{
    return us > TIMELINE_JUMP_US || us < -TIMELINE_JUMP_US;
}

int64_t timeline_offset_us(int64_t server_us, int64_t stored_offset_us, int64_t clock_high_us,
                           int64_t jump_us, bool *jumped)
{
    int64_t offset_us = stored_offset_us;

    *jumped = false;
    if (is_jump(jump_us)) {
        offset_us -= jump_us;
        *jumped = true;
    }
    /* Somebody has already used a later time than this clock gives. A little behind is only the
     * difference of two looks, and now_us is never below clock_high_us anyway. */
    if (clock_high_us > server_us + offset_us + TIMELINE_JUMP_US) {
        offset_us = clock_high_us - server_us;
        *jumped = true;
    }
    return offset_us;
}
