/* SPDX-License-Identifier: MIT
 *
 * What the modules that hold SQL share: the server's clock, and rows as they are read.
 */
#ifndef WORKERS_STORE_ROWS_H
#define WORKERS_STORE_ROWS_H

#include "common/arena.h"
#include "workers/db_sql.h"
#include "workers/records.h"

/* The server's clock, microseconds since the epoch: an SQL expression. */
#define STORE_NOW "TIMESTAMPDIFF(MICROSECOND,'1970-01-01',UTC_TIMESTAMP(6))"

/* The columns of movement that make a struct movement, behind alias t; store_movement_read takes
 * them from row onwards. Text goes into the arena. */
extern const char store_movement_columns[];
#define STORE_MOVEMENT_COLUMNS 45u
void store_movement_read(struct movement *movement, MYSQL_ROW row, const unsigned long *lengths,
                         struct arena *arena);

/* A column of bytes as a code; one that is too long (the schema rules it out) is cut. */
void store_code_read(struct code *code, const char *field, unsigned long length);

#endif
