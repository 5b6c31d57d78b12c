/* SPDX-License-Identifier: MIT
 *
 * The rows of movements: as whoever needs the ledger reads them, and their part of the text that
 * store_write.c runs. For those who hold SQL.
 */
#ifndef WORKERS_STORE_MOVEMENT_H
#define WORKERS_STORE_MOVEMENT_H

#include "workers/store.h"
#include "workers/store_rows.h"

/* The columns of movement that make a struct movement, behind alias t; store_movement_read takes
 * them from row onwards. Text goes into the arena. */
extern const char store_movement_columns[];
#define STORE_MOVEMENT_COLUMNS 45u
void store_movement_read(struct movement *movement, MYSQL_ROW row, const unsigned long *lengths,
                         struct arena *arena);

/* Adds the INSERT with its semicolon, and returns how many rows it has. There must be one. */
uint64_t store_add_movements(struct sql *sql, const struct store_part *parts, size_t count);

#endif
