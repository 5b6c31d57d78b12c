/* SPDX-License-Identifier: MIT
 *
 * One batch, once: what it needs is looked up, the ledgers decide, one transaction writes, and what
 * came of it is known. batch.c chooses the operations and says what to do on each outcome.
 */
#ifndef WORKERS_DECIDE_H
#define WORKERS_DECIDE_H

#include "workers/store.h"
#include "workers/worker.h"

/* Operations are decided until they have made so many rows of movements; the last may have more. */
#define ROWS_PER_BATCH 4096u
/* Most reservations that one batch expires. */
#define EXPIRE_PER_BATCH 1000u
/* And about so many rows of movements; one reservation may have more. */
#define EXPIRE_ROWS_PER_BATCH 4096u

/* A partition's share of the batch. */
struct part {
    struct slot *slot;
    size_t operations;
    bool expires;
    int64_t now_us;
    size_t expired;
};

struct batch {
    struct work **works; /* decoded; each with the index of its part */
    size_t count;
    struct part *parts;
    size_t part_count;
    bool look_up_ids;
    size_t expire_limit;
    /* Set by batch_decide. */
    struct decision *decisions; /* of each work, in the worker's arena */
    size_t left;                /* works behind the first `count`, which were not decided */
    bool wrote;
    bool in_store; /* the outcome is of the transaction, not of a look-up */
};

/* What would make too many rows is left: count is less afterwards, and the caller has to put back
 * those behind it, whatever the outcome.
 *
 * STORE_DONE: committed (or there was nothing to write), and decisions may be told. Anything else:
 * the ledgers are as before the batch, with empty caches, and nothing may be told. */
enum store_outcome batch_decide(struct worker *worker, struct batch *batch);

/* Tells the decisions of a batch that is done. */
void batch_tell(struct worker *worker, struct batch *batch);

#endif
