/* SPDX-License-Identifier: MIT
 *
 * One connection to a server of the shard, as those see it who run no SQL of their own: whether it
 * is there, and the end of a transaction. db_sql.h runs statements on it. Every call blocks, for
 * about DB_TIMEOUT_S at most; the worker's heartbeat limit is longer than that. Nothing is retried
 * here.
 */
#ifndef WORKERS_DB_H
#define WORKERS_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/config.h"

#define DB_TIMEOUT_S 2

enum db_outcome {
    DB_OK,
    DB_MISMATCH,   /* the statements ran, and the caller's check of a reply said no */
    DB_AGAIN,      /* deadlock, lock wait or snapshot conflict: roll back, wait a little, repeat */
    DB_REPEATS,    /* duplicate key, too long, CHECK: the same statements fail again */
    DB_NOT_WRITER, /* another server takes writes: connect again, to another */
    DB_LOST,       /* no connection; what became of the last statements is not known */
    DB_FAILED,     /* anything else; the error is in db_error */
};

/* What a server's error number means for the transaction that met it. */
enum db_outcome db_outcome_of(unsigned number);

struct db {
    struct st_mysql *mysql; /* NULL: not connected */
    const struct config_shard *shard;
    size_t server;                    /* index of the one that is, or was last, connected to */
    unsigned long thread_id;          /* CONNECTION_ID() */
    unsigned timeout_s;               /* of the next connection; DB_TIMEOUT_S */
    size_t text_bytes_max;            /* a server hangs up on who sends more at once */
    uint64_t round_trips, statements; /* since the start */
    unsigned error_code;
    char error[512];
};

void db_init(struct db *db, const struct config_shard *shard);
void db_close(struct db *db);
bool db_connected(const struct db *db);

/* Connects to the shard's servers in turn, beginning with the last one used (or the next, after
 * DB_NOT_WRITER), and sets the session up. False with db_error when none takes writes. */
bool db_connect(struct db *db);
/* The error of the last call, for a log line. */
const char *db_error(const struct db *db);

/* Where it fails the connection is closed, which rolls
 * back as well. */
void db_rollback(struct db *db);
/* DB_LOST here means that the outcome is unknown. */
enum db_outcome db_commit(struct db *db);

#endif
