/* SPDX-License-Identifier: MIT
 *
 * What callers ask: the stock of some skus, of a warehouse, or of everything, in parts as the
 * library asks them (client/fanout.h). Every answer is judged: it is what the ledger was at its
 * sequence, and knows all that anybody had been told when it was asked for.
 */
#ifndef TESTS_SIMULATE_READING_H
#define TESTS_SIMULATE_READING_H

#include "client/core.h"
#include "tests/simulate/world.h"

#define READING_PARTITIONS_MAX 8u

/* A part of a reading: what core_submit has as its tag. */
struct reading_part {
    uint32_t partition;
    uint64_t known;  /* the newest movement of it that somebody had been told of */
    unsigned losses; /* of tails, before it was asked */
};

struct reading { /* zeroed: none; in the caller's memory */
    struct fanout *fanout;
    bool everything; /* asked until it is answered */
    const char *skus[3], *warehouse;
    size_t sku_count;
    struct reading_part parts[READING_PARTITIONS_MAX];
};

/* Draws what is asked, of so many partitions. */
void reading_begin(struct reading *reading, bool everything, uint32_t partitions);
/* The next part, to be submitted as a CORE_QUERY. NULL: none is left. */
struct reading_part *reading_next(struct reading *reading, struct encoded *part);
/* Judges it, and takes it. */
void reading_answer(struct reading *reading, const struct reading_part *part,
                    struct holdfast_answer *answer);
/* All parts were answered. True when all of them told what was asked. */
bool reading_end(struct reading *reading);

#endif
