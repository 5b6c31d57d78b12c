/* SPDX-License-Identifier: MIT
 *
 * The thread of a shard.
 */
#include "relay/store.h"

#include <stdio.h>
#include <stdlib.h>

#include "workers/db_sql.h"

#define TIMEOUT_S 10
/* Every job sees one moment; between two of them the connection may rest. */
#define SESSION                                                                                    \
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;SET SESSION wait_timeout=3600"

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

static void run(struct db *db, struct job *job)
{
    static void (*const calls[])(struct db *, struct job *) = {
        [JOB_CLAIM] = job_claim,       [JOB_LOAD] = job_load,       [JOB_RENEW] = job_renew,
        [JOB_STORE] = job_acknowledge, [JOB_GIVE_UP] = job_give_up, [JOB_LOOK] = job_look,
        [JOB_READ] = job_read,         [JOB_LIST] = job_list,       [JOB_FORGET] = job_forget,
        [JOB_DELETE] = job_delete,
    };

    calls[job->kind](db, job);
}

/* A connection that has rested may be gone: then once more. */
static void *serve(void *state, void *request)
{
    struct db *db = state;
    struct job *job = request;

    for (int attempt = 0; attempt < 2; attempt++) {
        job->outcome = JOB_FAILED;
        if (!connected(db))
            break;
        run(db, job);
        if (db_connected(db))
            db_rollback(db);
        if (job->outcome != JOB_FAILED || db_connected(db))
            break;
    }
    if (job->outcome == JOB_FAILED)
        snprintf(job->error, sizeof job->error, "%s", db_error(db));
    return job;
}

static void *begin(const void *shard)
{
    struct db *db = calloc(1, sizeof *db);

    if (!db)
        abort();
    mysql_thread_init();
    db_init(db, shard);
    db->timeout_s = TIMEOUT_S;
    return db;
}

static void end(void *state)
{
    struct db *db = state;

    db_close(db);
    mysql_thread_end();
    free(db);
}

static const struct courier_work work = {begin, serve, end};

struct courier *store_open(void *context, const struct config_shard *shard, size_t number)
{
    char name[40];

    snprintf(name, sizeof name, "store-%zu", number);
    return courier_open(context, name, &work, shard);
}

void store_drop(void *job)
{
    struct job *dropped = job;

    job_destroy(&dropped);
}
