/* SPDX-License-Identifier: MIT
 *
 * What the thread does; see reader.h.
 */
#include "view/reader.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "workers/db_sql.h"

/* A snapshot may take this long to begin; whoever waits for it is not held up. */
#define TIMEOUT_S 10
/* Snapshots are read over many statements, and between two requests the connection may rest. */
#define SESSION                                                                                    \
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;SET SESSION wait_timeout=3600"

static struct read_reply *reply_new(const struct read_request *request)
{
    struct read_reply *reply = calloc(1, sizeof *reply);

    if (!reply)
        abort();
    reply->request = *request;
    arena_init(&reply->arena);
    return reply;
}

void read_reply_destroy(struct read_reply **reply)
{
    if (!*reply)
        return;
    snapshot_destroy(&(*reply)->snapshot);
    arena_release(&(*reply)->arena);
    free(*reply);
    *reply = NULL;
}

/* ------------------------------------------------------------- the thread */

static bool connected(struct db *db)
{
    if (db_connected(db))
        return true;
    if (!db_connect(db))
        return false;
    if (db_run_text(db, SESSION) == DB_OK)
        return true;
    db_close(db);
    return false;
}

/* A connection that has rested may be gone: then once more. */
static void serve(struct db *db, struct read_reply *reply)
{
    for (int attempt = 0; attempt < 2; attempt++) {
        reply->outcome = READ_FAILED;
        if (!connected(db))
            break;
        reply->asked_us = clock_monotonic_us();
        reader_read(db, reply);
        if (db_connected(db))
            db_rollback(db);
        if (reply->outcome != READ_FAILED || db_connected(db))
            break;
        snapshot_destroy(&reply->snapshot);
        arena_reset(&reply->arena);
    }
    if (reply->outcome == READ_FAILED)
        snprintf(reply->error, sizeof reply->error, "%s", db_error(db));
}

struct thread {
    struct db db;
};

static void *begin(const void *shard)
{
    struct thread *thread = calloc(1, sizeof *thread);

    if (!thread)
        abort();
    mysql_thread_init();
    db_init(&thread->db, shard);
    thread->db.timeout_s = TIMEOUT_S;
    return thread;
}

static void *work(void *state, void *asked)
{
    struct thread *thread = state;
    struct read_request *request = asked;
    struct read_reply *reply = reply_new(request);

    free(request);
    serve(&thread->db, reply);
    return reply;
}

static void end(void *state)
{
    struct thread *thread = state;

    db_close(&thread->db);
    mysql_thread_end();
    free(thread);
}

static const struct courier_work thread_work = {begin, work, end};

/* ------------------------------------------------------------- the loop's side */

struct courier *reader_open(void *context, const struct config_shard *shard, size_t number)
{
    char name[40];

    snprintf(name, sizeof name, "reader-%zu", number);
    return courier_open(context, name, &thread_work, shard);
}

void read_reply_drop(void *reply)
{
    struct read_reply *dropped = reply;

    read_reply_destroy(&dropped);
}

void reader_ask(struct courier *reader, const struct read_request *request)
{
    struct read_request *copy = malloc(sizeof *copy);

    if (!copy)
        abort();
    *copy = *request;
    courier_send(reader, copy);
}
