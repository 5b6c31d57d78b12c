/* SPDX-License-Identifier: MIT
 *
 * The rows of runs and of their blocks: as store_load.c and queries read them, and their part of
 * the text that store_write.c runs. For those who hold SQL.
 */
#ifndef WORKERS_STORE_RUN_H
#define WORKERS_STORE_RUN_H

#include "workers/store.h"
#include "workers/store_rows.h"

/* Behind alias t; the readers take them from row onwards. */
extern const char store_run_columns[];
extern const char store_run_block_columns[];
void store_run_read(struct run *run, MYSQL_ROW row, const unsigned long *lengths);
/* detail goes into the arena. */
void store_run_block_read(struct run_block *block, MYSQL_ROW row, const unsigned long *lengths,
                          struct arena *arena);

/* Each adds one statement with its semicolon, and returns how many rows it must match; 0: it added
 * nothing. */
uint64_t store_add_new_runs(struct sql *sql, const struct store_part *parts, size_t count);
uint64_t store_add_run_updates(struct sql *sql, const struct store_part *parts, size_t count);
uint64_t store_add_new_blocks(struct sql *sql, const struct store_part *parts, size_t count);
uint64_t store_add_block_updates(struct sql *sql, const struct store_part *parts, size_t count);

#endif
