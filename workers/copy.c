/* SPDX-License-Identifier: MIT
 *
 * A connection to each of the other shards, made when something is to be copied and closed again
 * after a failure. A full copy reads the tables at home first.
 */
#include "workers/copy.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "workers/claims.h"
#include "workers/store_copy.h"

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
static bool send_to(struct target *target, const struct named_change *rows, size_t count,
                    bool *slow)
{
    int64_t begun_us = clock_monotonic_us();

    if ((db_connected(&target->db) || db_connect(&target->db)) &&
        store_copy_write(&target->db, rows, count) == DB_OK)
        return true;
    *slow = clock_monotonic_us() - begun_us > SLOW_US;
    /* A connection that was idle is closed by the server: once more. */
    if (!*slow && !db_connected(&target->db) && db_connect(&target->db) &&
        store_copy_write(&target->db, rows, count) == DB_OK)
        return true;
    log_limited(LOG_WARN, "shard=%s could not copy warehouses and reasons: %s",
                target->db.shard->name, db_error(&target->db));
    db_close(&target->db);
    return false;
}

void copy_changed(struct worker *worker, const struct changes *changes)
{
    struct copy *copy = worker->copy;
    bool slow = false;

    if (changes->named_count == 0)
        return;
    for (size_t i = 0; i < copy->count; i++) {
        struct target *target = &copy->targets[i];
        /* The answer does not wait for a shard that was away a moment ago. */
        if (!target->behind && !slow &&
            send_to(target, changes->named, changes->named_count, &slow))
            continue;
        if (!target->behind)
            target->retry_next_us = clock_monotonic_us() + COPY_RETRY_US;
        target->behind = true;
    }
}

static void copy_all(struct worker *worker, int64_t now_us)
{
    struct copy *copy = worker->copy;
    struct named_change *rows;
    size_t count;
    bool slow = false;

    arena_reset(&worker->rows);
    bool read = store_copy_read(&worker->db, &rows, &count, &worker->rows) == DB_OK;
    if (!db_connected(&worker->db))
        claims_connection_lost(worker);
    for (size_t i = 0; read && i < copy->count; i++) {
        struct target *target = &copy->targets[i];
        if (slow || !target->behind || now_us < target->retry_next_us)
            continue;
        target->behind = count > 0 && !send_to(target, rows, count, &slow);
        target->retry_next_us = now_us + COPY_RETRY_US;
    }
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
