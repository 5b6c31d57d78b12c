/* SPDX-License-Identifier: MIT
 *
 * Warehouses and reasons belong to partition 0 and every shard has a copy. The worker that owns
 * partition 0 carries a change to the other shards right after its commit, before the answer is
 * sent; what does not get through is carried again until it does, and everything is after a claim.
 * A copy is written only where its version is higher, so repeats and late ones are harmless.
 */
#ifndef WORKERS_COPY_H
#define WORKERS_COPY_H

#include "workers/worker.h"

/* How long after a failure it is tried again. */
#define COPY_RETRY_US 2000000

void copy_init(struct worker *worker);
void copy_release(struct worker *worker);

/* What a committed batch changed; changes without a warehouse or reason cost nothing. */
void copy_changed(struct worker *worker, const struct changes *changes);
/* After partition 0 was claimed, and when something did not get through: all of them. */
void copy_tick(struct worker *worker, int64_t now_us);
int64_t copy_wait_us(const struct worker *worker, int64_t now_us);

#endif
