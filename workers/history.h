/* SPDX-License-Identifier: MIT
 *
 * The movements of one level, newest first. They are a chain: each names the one before it, so no
 * index is needed, and a recursive query follows it.
 */
#ifndef WORKERS_HISTORY_H
#define WORKERS_HISTORY_H

#include "workers/store.h"
#include "workers/worker.h"

/* Most movements that a version_conflict shows. */
#define HISTORY_MOVED_MAX 16u

struct history {
    const struct code *sku, *warehouse; /* warehouse empty: of the item itself */
    uint64_t before;                    /* 0: from the newest */
    uint64_t since;                     /* only those after it */
    bool on_hand_only;                  /* only those that changed on_hand */
    size_t limit;
};

/* Fills *movements (in the arena) with up to limit of them; *more: there are others. */
enum db_outcome history_read(struct worker *worker, uint32_t partition,
                             const struct history *history, struct arena *arena,
                             struct movement **movements, size_t *count, bool *more);

/* A row as it goes over the wire. In the arena, text borrowed from the row. */
Hf__Movement *history_message(const struct movement *movement, struct arena *arena);

/* Puts what moved into the result of a version_conflict; without it when it cannot be read. */
void history_moved(struct worker *worker, struct slot *slot, struct decision *decision);

#endif
