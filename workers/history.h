/* SPDX-License-Identifier: MIT
 *
 * Movements as they are told to a caller.
 */
#ifndef WORKERS_HISTORY_H
#define WORKERS_HISTORY_H

#include "workers/worker.h"

/* Most movements that a version_conflict shows. */
#define HISTORY_MOVED_MAX 16u

/* A row as it goes over the wire. In the arena, text borrowed from the row. */
Hf__Movement *history_message(const struct movement *movement, struct arena *arena);

/* Puts what moved into the result of a version_conflict; without it when it cannot be read. */
void history_moved(struct worker *worker, struct slot *slot, struct decision *decision);

#endif
