/* SPDX-License-Identifier: MIT
 *
 * A log-linear histogram of durations: every power of two is cut into HISTOGRAM_STEPS equal
 * buckets, so that a percentile is wrong by at most 1 part in HISTOGRAM_STEPS, whatever its size.
 * Fixed memory, no allocation, no locks: one histogram per thread, merged at the end.
 */
#ifndef COMMON_HISTOGRAM_H
#define COMMON_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEP_BITS 6u
#define HISTOGRAM_STEPS (1u << HISTOGRAM_STEP_BITS)
/* Values from 2^HISTOGRAM_VALUE_BITS on are counted in the last bucket (as microseconds: 12 days).
 */
#define HISTOGRAM_VALUE_BITS 40u
#define HISTOGRAM_BUCKETS ((HISTOGRAM_VALUE_BITS - HISTOGRAM_STEP_BITS + 1u) * HISTOGRAM_STEPS)

struct histogram {
    uint64_t count;
    uint64_t max; /* exact, of everything recorded */
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_init(struct histogram *histogram);
void histogram_record(struct histogram *histogram, uint64_t value);
/* Adds what `from` counted; `from` is unchanged. */
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The smallest value v such that at least percent (0 to 100) of what was recorded is at most v,
 * give or take a bucket's width: the upper end of v's bucket is returned, and never more than max.
 * 0 when nothing was recorded. */
uint64_t histogram_percentile(const struct histogram *histogram, double percent);

#endif
