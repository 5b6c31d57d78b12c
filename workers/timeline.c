/* SPDX-License-Identifier: MIT
 *
 * See timeline.h.
 */
#include "workers/timeline.h"

int64_t timeline_now_us(const struct timeline *timeline, int64_t monotonic_us)
{
    return timeline->server_us + (monotonic_us - timeline->monotonic_us);
}

int64_t timeline_follow(struct timeline *timeline, int64_t server_us, int64_t monotonic_us)
{
    int64_t ahead_us = timeline->known ? server_us - timeline_now_us(timeline, monotonic_us) : 0;

    timeline->known = true;
    timeline->server_us = server_us;
    timeline->monotonic_us = monotonic_us;
    return ahead_us;
}

bool timeline_is_jump(int64_t ahead_us)
{
    return ahead_us > TIMELINE_JUMP_US || ahead_us < -TIMELINE_JUMP_US;
}

int64_t timeline_offset_us(int64_t server_us, int64_t offset_us, int64_t clock_high_us)
{
    /* A little behind is only the difference of two looks, and the owner's time is never below
     * clock_high_us anyway. */
    if (clock_high_us > server_us + offset_us + TIMELINE_JUMP_US)
        return clock_high_us - server_us;
    return offset_us;
}
