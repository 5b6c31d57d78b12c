/* SPDX-License-Identifier: MIT
 *
 * One batch after another: takes what waits, has it decided and written (decide.h), and answers.
 * What a failure asks for is decided here, so that an operation ends in exactly one of: told,
 * returned to the broker, or put back at the front of the queue to be run again.
 */
#ifndef WORKERS_BATCH_H
#define WORKERS_BATCH_H

#include "workers/worker.h"

/* Runs one batch when there is something to do: operations, or reservations that are due. False
 * when there was not (or not now). Partitions must not be waiting to be claimed again. */
bool batch_tick(struct worker *worker, int64_t now_us);

/* While no batch can run: answers what has passed its time, is no longer ours, or of which nobody
 * could find out in time whether it was applied. */
void batch_sweep(struct worker *worker, int64_t now_us);

/* At the end: everything that waits goes back. */
void batch_return_all(struct worker *worker);

int64_t batch_wait_us(const struct worker *worker, int64_t now_us);

#endif
