/* SPDX-License-Identifier: MIT
 *
 * The thread, and the pair of sockets over which pointers travel.
 */
#include "view/reader.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <zmq.h>

#include "common/clock.h"
#include "workers/db_sql.h"

/* A snapshot may take this long to begin; whoever waits for it is not held up. */
#define TIMEOUT_S 10
#define CLOSE_WAIT_MS 500
/* Snapshots are read over many statements, and between two requests the connection may rest. */
#define SESSION                                                                                    \
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;SET SESSION wait_timeout=3600"

struct reader {
    const struct config_shard *shard;
    pthread_t thread;
    void *here, *there; /* PAIR: the loop's end, the thread's end */
    bool busy;
};

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

static void *run(void *argument)
{
    struct reader *reader = argument;
    struct read_request *request;
    struct db db;

    mysql_thread_init();
    db_init(&db, reader->shard);
    db.timeout_s = TIMEOUT_S;
    while (zmq_recv(reader->there, &request, sizeof request, 0) == sizeof request && request) {
        struct read_reply *reply = reply_new(request);
        free(request);
        serve(&db, reply);
        if (zmq_send(reader->there, &reply, sizeof reply, 0) < 0)
            read_reply_destroy(&reply);
    }
    db_close(&db);
    mysql_thread_end();
    zmq_close(reader->there);
    return NULL;
}

/* ------------------------------------------------------------- the loop's side */

static void *open_pair(void *context, const char *name, bool bind)
{
    int linger = 0;
    void *socket = zmq_socket(context, ZMQ_PAIR);

    if (!socket)
        return NULL;
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    if ((bind ? zmq_bind(socket, name) : zmq_connect(socket, name)) == 0)
        return socket;
    zmq_close(socket);
    return NULL;
}

struct reader *reader_open(void *context, const struct config_shard *shard, size_t number)
{
    struct reader *reader = calloc(1, sizeof *reader);
    char name[40];

    if (!reader)
        abort();
    snprintf(name, sizeof name, "inproc://reader-%zu", number);
    reader->shard = shard;
    reader->here = open_pair(context, name, true);
    reader->there = reader->here ? open_pair(context, name, false) : NULL;
    if (reader->there && pthread_create(&reader->thread, NULL, run, reader) == 0)
        return reader;
    int why = errno;
    if (reader->here)
        zmq_close(reader->here);
    if (reader->there)
        zmq_close(reader->there);
    free(reader);
    errno = why;
    return NULL;
}

bool reader_close(struct reader **reader)
{
    struct reader *r = *reader;
    struct read_request *stop = NULL;
    struct timespec until;

    if (!r)
        return true;
    (void)zmq_send(r->here, &stop, sizeof stop, ZMQ_DONTWAIT);
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += CLOSE_WAIT_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_nsec -= 1000000000L;
        until.tv_sec++;
    }
    if (pthread_timedjoin_np(r->thread, NULL, &until) != 0)
        return false;
    for (struct read_reply *reply; (reply = reader_reply(r)) != NULL;)
        read_reply_destroy(&reply);
    zmq_close(r->here);
    free(r);
    *reader = NULL;
    return true;
}

bool reader_is_busy(const struct reader *reader)
{
    return reader->busy;
}

void reader_ask(struct reader *reader, const struct read_request *request)
{
    struct read_request *copy = malloc(sizeof *copy);

    if (!copy)
        abort();
    *copy = *request;
    reader->busy = true;
    if (zmq_send(reader->here, &copy, sizeof copy, ZMQ_DONTWAIT) < 0)
        abort(); /* there is never more than one */
}

struct read_reply *reader_reply(struct reader *reader)
{
    struct read_reply *reply;

    if (zmq_recv(reader->here, &reply, sizeof reply, ZMQ_DONTWAIT) != sizeof reply)
        return NULL;
    reader->busy = false;
    return reply;
}

void *reader_socket(const struct reader *reader)
{
    return reader->here;
}
