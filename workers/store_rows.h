/* SPDX-License-Identifier: MIT
 *
 * What the modules that hold SQL share: the server's clock, and columns as they are read.
 */
#ifndef WORKERS_STORE_ROWS_H
#define WORKERS_STORE_ROWS_H

#include "common/arena.h"
#include "workers/db_sql.h"
#include "workers/records.h"

/* The server's clock, microseconds since the epoch: an SQL expression. */
#define STORE_NOW "TIMESTAMPDIFF(MICROSECOND,'1970-01-01',UTC_TIMESTAMP(6))"

/* A column of bytes as a code; one that is too long (the schema rules it out) is cut. */
void store_code_read(struct code *code, const char *field, unsigned long length);
/* One of bytes: cut to the size, or filled up with zeros. */
void store_bytes_read(uint8_t *out, size_t size, const char *field, unsigned long length);

#endif
