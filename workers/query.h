/* SPDX-License-Identifier: MIT
 *
 * Answers what only asks, between batches, from the database and not from the caches: all queries
 * that wait share one consistent snapshot, in which the fence is checked first. So an answer is
 * never one that a newer owner's commit has overtaken before the snapshot was taken.
 */
#ifndef WORKERS_QUERY_H
#define WORKERS_QUERY_H

#include "workers/worker.h"

void query_tick(struct worker *worker, int64_t now_us);

#endif
