/* SPDX-License-Identifier: MIT
 *
 * Statements and their replies, for the modules that hold SQL: store_*.c, query*.c and audit.c.
 * What decides does not include this.
 */
#ifndef WORKERS_DB_SQL_H
#define WORKERS_DB_SQL_H

#include <mysql.h>

#include "workers/db.h"
#include "workers/sql_text.h"

/* Is it MySQL and not MariaDB? Its row constructor is written differently. */
bool db_is_mysql(const struct db *db);

/* Sees the reply to each statement in order: rows is NULL where it has none (then affected counts
 * the rows that were matched, for an UPDATE). False stops looking at replies, and db_run gives
 * DB_MISMATCH unless a later statement failed. */
typedef bool db_reply(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected);

/* Runs one or more statements in one round trip; none of them may hold a semicolon of its own, and
 * the last is not followed by one. Any outcome but DB_OK and DB_MISMATCH means that
 * some of them did not run; in a transaction the caller must db_rollback. reply may be NULL. */
enum db_outcome db_run(struct db *db, const struct sql *sql, db_reply *reply, void *context);
enum db_outcome db_run_text(struct db *db, const char *constant);

/* Runs one SELECT and sees its rows as they come, so that memory does not grow with them. */
typedef void db_row(void *context, MYSQL_ROW row, const unsigned long *lengths);
enum db_outcome db_stream(struct db *db, const struct sql *sql, db_row *see, void *context);

/* Fields of a row. A number that is not one reads as 0: the schema's types rule that out. */
uint64_t db_uint(const char *field);
int64_t db_int(const char *field);

#endif
