/* SPDX-License-Identifier: MIT
 *
 * Warehouses and reasons as copy.c carries them from one shard to another.
 */
#ifndef WORKERS_STORE_COPY_H
#define WORKERS_STORE_COPY_H

#include "common/arena.h"
#include "workers/db.h"
#include "workers/ledger.h"

/* All of them, in the arena. */
enum db_outcome store_copy_read(struct db *db, struct named_change **rows, size_t *count,
                                struct arena *arena);
/* Writes those that are newer than what is there; at least one. Not in a transaction: each table by
 * itself. */
enum db_outcome store_copy_write(struct db *db, const struct named_change *rows, size_t count);

#endif
