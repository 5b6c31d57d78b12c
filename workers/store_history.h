/* SPDX-License-Identifier: MIT
 *
 * The movements of one level, newest first. They are a chain: each names the one before it, so no
 * index is needed, and a recursive query follows it.
 */
#ifndef WORKERS_STORE_HISTORY_H
#define WORKERS_STORE_HISTORY_H

#include "common/arena.h"
#include "workers/db.h"
#include "workers/records.h"

struct history {
    const struct code *sku, *warehouse; /* warehouse empty: of the item itself */
    uint64_t before;                    /* 0: from the newest */
    uint64_t since;                     /* only those after it */
    bool on_hand_only;                  /* only those that changed on_hand */
    size_t limit;
};

/* Fills *movements (in the arena) with up to limit of them; *more: there are others, or there may
 * be and a bounded way did not come to them. */
enum db_outcome store_history(struct db *db, uint32_t partition, const struct history *history,
                              struct arena *arena, struct movement **movements, size_t *count,
                              bool *more);

#endif
