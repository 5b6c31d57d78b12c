/* SPDX-License-Identifier: MIT
 *
 * A connection to each of the other shards, made when something is to be copied and closed again
 * after a failure. Changes go one statement per shard; a full copy reads the tables at home first.
 */
#include "workers/copy.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "workers/claims.h"
#include "workers/db_sql.h"

/* A shard that hangs may hold the loop up once for DB_TIMEOUT_S, and not once more for a retry or
 * for another shard: brokers would take us for dead. */
#define SLOW_US 500000

struct target {
    struct db db;
    bool behind; /* something did not get through */
    int64_t retry_next_us;
};

struct copy {
    struct target *targets; /* of the other shards */
    size_t count;
    uint64_t epoch_copied; /* of partition 0: everything was copied under this claim */
};

static const char insert_warehouses[] = "INSERT INTO warehouse (code,name,version) VALUES ";
static const char insert_reasons[] = "INSERT INTO reason (code,name,version) VALUES ";
/* name first: it looks at the version that was there. */
static const char only_newer[] =
    " ON DUPLICATE KEY UPDATE name=IF(VALUES(version)>version,VALUES(name),name),"
    "version=GREATEST(version,VALUES(version));";
static const char select_all[] =
    "SELECT code,name,version FROM warehouse;SELECT code,name,version FROM reason";

void copy_init(struct worker *worker)
{
    struct copy *copy = calloc(1, sizeof *copy);

    if (!copy)
        abort();
    copy->targets = calloc(worker->config->shard_count, sizeof *copy->targets);
    if (!copy->targets)
        abort();
    for (size_t i = 0; i < worker->config->shard_count; i++) {
        if (&worker->config->shards[i] != worker->shard)
            db_init(&copy->targets[copy->count++].db, &worker->config->shards[i]);
    }
    worker->copy = copy;
}

void copy_release(struct worker *worker)
{
    if (!worker->copy)
        return;
    for (size_t i = 0; i < worker->copy->count; i++)
        db_close(&worker->copy->targets[i].db);
    free(worker->copy->targets);
    free(worker->copy);
    worker->copy = NULL;
}

/* *slow: it took so long that nothing else must be waited for now. */
static bool send_to(struct target *target, const struct sql *sql, bool *slow)
{
    int64_t begun_us = clock_monotonic_us();

    if ((db_connected(&target->db) || db_connect(&target->db)) &&
        db_run(&target->db, sql, NULL, NULL) == DB_OK)
        return true;
    *slow = clock_monotonic_us() - begun_us > SLOW_US;
    /* A connection that was idle is closed by the server: once more. */
    if (!*slow && !db_connected(&target->db) && db_connect(&target->db) &&
        db_run(&target->db, sql, NULL, NULL) == DB_OK)
        return true;
    log_limited(LOG_WARN, "shard=%s could not copy warehouses and reasons: %s",
                target->db.shard->name, db_error(&target->db));
    db_close(&target->db);
    return false;
}

static void begin_row(struct sql *sql, size_t *count, const char *insert)
{
    if ((*count)++ == 0)
        sql_add(sql, insert);
    else
        sql_add(sql, ",");
    sql_add(sql, "(");
}

static void add_changes(struct sql *sql, const struct changes *changes, bool reasons)
{
    size_t count = 0;

    for (size_t i = 0; i < changes->named_count; i++) {
        const struct named_change *named = &changes->named[i];
        if (named->is_reason != reasons)
            continue;
        begin_row(sql, &count, reasons ? insert_reasons : insert_warehouses);
        sql_list_code(sql, &named->code);
        sql_list_hex(sql, named->name, named->name_bytes);
        sql_list_uint(sql, named->version);
        sql_add(sql, ")");
    }
    if (count > 0)
        sql_add(sql, only_newer);
}

void copy_changed(struct worker *worker, const struct changes *changes)
{
    struct copy *copy = worker->copy;
    struct sql sql;
    bool slow = false;

    if (changes->named_count == 0 || copy->count == 0)
        return;
    sql_init(&sql);
    add_changes(&sql, changes, false);
    add_changes(&sql, changes, true);
    sql.length--;
    for (size_t i = 0; i < copy->count; i++) {
        struct target *target = &copy->targets[i];
        /* The answer does not wait for a shard that was away a moment ago. */
        if (!target->behind && !slow && send_to(target, &sql, &slow))
            continue;
        if (!target->behind)
            target->retry_next_us = clock_monotonic_us() + COPY_RETRY_US;
        target->behind = true;
    }
    sql_release(&sql);
}

static bool all_reply(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct sql *sql = context;
    size_t count = 0;
    MYSQL_ROW row;

    (void)affected;
    while (rows && (row = mysql_fetch_row(rows)) != NULL) {
        unsigned long *lengths = mysql_fetch_lengths(rows);
        begin_row(sql, &count, statement == 0 ? insert_warehouses : insert_reasons);
        sql_list_hex(sql, row[0], lengths[0]);
        sql_list_hex(sql, row[1], lengths[1]);
        sql_list_uint(sql, db_uint(row[2]));
        sql_add(sql, ")");
    }
    if (count > 0)
        sql_add(sql, only_newer);
    return true;
}

static void copy_all(struct worker *worker, int64_t now_us)
{
    struct copy *copy = worker->copy;
    struct sql select, sql;
    bool slow = false;

    sql_init(&select);
    sql_init(&sql);
    sql_add(&select, select_all);
    bool read = db_run(&worker->db, &select, all_reply, &sql) == DB_OK;
    if (!db_connected(&worker->db))
        claims_connection_lost(worker);
    if (sql.length > 0)
        sql.length--;
    for (size_t i = 0; read && i < copy->count; i++) {
        struct target *target = &copy->targets[i];
        if (slow || !target->behind || now_us < target->retry_next_us)
            continue;
        target->behind = sql.length > 0 && !send_to(target, &sql, &slow);
        target->retry_next_us = now_us + COPY_RETRY_US;
    }
    sql_release(&select);
    sql_release(&sql);
}

void copy_tick(struct worker *worker, int64_t now_us)
{
    struct copy *copy = worker->copy;
    struct slot *slot = worker_slot(worker, 0);

    if (copy->count == 0 || !slot || slot->state != SLOT_OWNED)
        return;
    if (slot->epoch != copy->epoch_copied) {
        for (size_t i = 0; i < copy->count; i++)
            copy->targets[i].behind = true;
        copy->epoch_copied = slot->epoch;
    }
    for (size_t i = 0; i < copy->count; i++) {
        if (copy->targets[i].behind && now_us >= copy->targets[i].retry_next_us) {
            copy_all(worker, now_us);
            return;
        }
    }
}

int64_t copy_wait_us(const struct worker *worker, int64_t now_us)
{
    struct copy *copy = worker->copy;
    int64_t wait_us = INT64_MAX;

    if (!worker_slot((struct worker *)(uintptr_t)worker, 0))
        return wait_us;
    for (size_t i = 0; i < copy->count; i++) {
        int64_t until_us = copy->targets[i].retry_next_us - now_us;
        if (copy->targets[i].behind && until_us < wait_us)
            wait_us = until_us;
    }
    return wait_us > 0 ? wait_us : 0;
}
