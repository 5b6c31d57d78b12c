/* SPDX-License-Identifier: MIT
 *
 * Takes away what is older than windows.retention: movements, from the front and behind a
 * checkpoint of the balances, closed reservations, and claims and workers that nobody asks for.
 * Runs when no operation waits, in bounded steps, each a transaction under the fence.
 */
#ifndef WORKERS_PRUNE_H
#define WORKERS_PRUNE_H

#include "workers/worker.h"

/* Rows in one step. */
#define PRUNE_CHUNK 1000u
/* Pause between looks at one partition when there was nothing to do; shorter windows shorten it. */
#define PRUNE_PAUSE_US 60000000LL

void prune_tick(struct worker *worker, int64_t now_us);
int64_t prune_wait_us(const struct worker *worker, int64_t now_us);

#endif
