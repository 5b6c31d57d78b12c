/* SPDX-License-Identifier: MIT
 *
 * The tables of a shard: the numbered files of this folder are inside the program, and this applies
 * them. `holdfast up` calls schema_apply and schema_place for every shard that it starts; a worker
 * calls schema_check before it claims anything.
 *
 * Forward only. MariaDB and MySQL commit at every DDL statement, so a file can be cut off between
 * two of them: schema_version holds a row for every statement, written before it runs and marked
 * after it, and the next schema_apply goes on from there. A file whose text has changed after it
 * was applied is refused; comments and blanks do not count as text.
 *
 * Needs a connection with the shard's database selected. For apply and place its user must be
 * allowed CREATE and ALTER; check reads one table. Errors are one line for people, without a
 * secret in it.
 */
#ifndef SCHEMA_APPLY_H
#define SCHEMA_APPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <mysql.h>

/* The number of the newest file, which is the version that this program works with. */
#define SCHEMA_VERSION 4u

/* Most seconds that schema_apply waits for another one on the same server. */
#define SCHEMA_LOCK_SECONDS 30

/* Brings the database to SCHEMA_VERSION. Safe to run twice, at once, and after a crash at any
 * point. *applied (may be NULL) becomes the number of statements that had to run. */
bool schema_apply(MYSQL *mysql, unsigned *applied, char *error, size_t error_bytes);

/* Writes, once, the region's row and those of the partitions that begin on this shard: p lies on
 * shard p mod shard_count. Later calls only check: false when the database belongs to another
 * region, or was made for another number of partitions or of shards. name must have passed
 * code_fault. */
bool schema_place(MYSQL *mysql, const char *region, uint32_t partitions, uint32_t shard_index,
                  uint32_t shard_count, char *error, size_t error_bytes);

/* Is the database at exactly SCHEMA_VERSION, whole? */
bool schema_check(MYSQL *mysql, char *error, size_t error_bytes);

/* ------------------------------------------------------------- for tests */

/* The text of file `number` (from 1); NULL for one that there is not. Static. */
const char *schema_file(unsigned number, size_t *length);

/* The next statement of a file, from *offset on, into statement: comments gone, blanks outside
 * quotes made one, no semicolon. False at the end of the file. The buffer must be as large as the
 * rest of the text. */
bool schema_statement(const char *text, size_t length, size_t *offset, char *statement,
                      size_t *statement_length);

#endif
