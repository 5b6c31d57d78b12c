/* SPDX-License-Identifier: MIT
 *
 * The log-linear histogram of histogram.h. Values below 2^STEP_BITS have a bucket each; above, the
 * top STEP_BITS bits after the leading one choose the bucket within the power of two.
 */
#include "common/histogram.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static unsigned bucket_of(uint64_t value)
{
    if (value < HISTOGRAM_STEPS)
        return (unsigned)value;
    if (value >> HISTOGRAM_VALUE_BITS)
        return HISTOGRAM_BUCKETS - 1;
    unsigned top = 63u - (unsigned)__builtin_clzll(value);
    unsigned shift = top - HISTOGRAM_STEP_BITS;
    unsigned step = (unsigned)(value >> shift) & (HISTOGRAM_STEPS - 1);
    return (shift + 1) * HISTOGRAM_STEPS + step;
}

/* The largest value that falls into the bucket. */
static uint64_t bucket_end(unsigned bucket)
{
    unsigned group = bucket / HISTOGRAM_STEPS;
    if (group == 0)
        return bucket;
    uint64_t first = (uint64_t)(HISTOGRAM_STEPS + bucket % HISTOGRAM_STEPS) << (group - 1);
    return first + (((uint64_t)1 << (group - 1)) - 1);
}

void histogram_init(struct histogram *histogram)
{
    memset(histogram, 0, sizeof *histogram);
}

void histogram_record(struct histogram *histogram, uint64_t value)
{
    histogram->buckets[bucket_of(value)]++;
    histogram->count++;
    if (value > histogram->max)
        histogram->max = value;
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        into->buckets[i] += from->buckets[i];
    into->count += from->count;
    if (from->max > into->max)
        into->max = from->max;
}

uint64_t histogram_percentile(const struct histogram *histogram, double percent)
{
    assert(percent >= 0 && percent <= 100);
    if (!histogram->count)
        return 0;
    uint64_t wanted = (uint64_t)ceil((double)histogram->count * percent / 100);
    if (!wanted)
        wanted = 1;
    uint64_t seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen >= wanted) {
            uint64_t end = bucket_end(i);
            return end < histogram->max && i != HISTOGRAM_BUCKETS - 1 ? end : histogram->max;
        }
    }
    return histogram->max;
}
