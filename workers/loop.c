/* SPDX-License-Identifier: MIT
 *
 * See loop.h.
 */
#include "workers/loop.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/random.h"
#include "workers/batch.h"
#include "workers/claims.h"
#include "workers/copy.h"
#include "workers/decide.h"
#include "workers/prune.h"
#include "workers/publish.h"
#include "workers/query.h"
#include "workers/session.h"
#include "workers/store.h"

#define CONNECT_PAUSE_US 200000
#define METRICS_US 10000000
#define WAIT_MAX_US 1000000
/* An operation id from further ahead than this, or than the idempotency window, is refused. */
#define ID_FUTURE_US (10LL * 60 * 1000000)
/* Batches in a row before the loop looks at anything else. */
#define BATCHES_PER_TURN 4

/* True when there is a connection. Tries again only after a pause. */
static bool connected(struct worker *worker, int64_t now_us)
{
    int64_t server_us;

    if (db_connected(&worker->db))
        return true;
    claims_connection_lost(worker);
    if (now_us < worker->connect_next_us)
        return false;
    worker->connect_next_us = now_us + CONNECT_PAUSE_US;
    int64_t begun_us = clock_monotonic_us();
    if (!store_connect(&worker->db, &server_us)) {
        trouble_tell(worker, "shard %s: could not connect: %s", worker->shard->name,
                     db_error(&worker->db));
        return false;
    }
    claims_connected(worker, server_us, begun_us);
    log_info("shard=%s server=%zu connection=%lu connected", worker->shard->name, worker->db.server,
             worker->db.thread_id);
    return true;
}

/* ------------------------------------------------------------- the loop */

static void log_metrics(struct worker *worker, int64_t now_us)
{
    struct metrics *m = &worker->metrics;
    struct db *db = &worker->db;

    if (now_us < worker->metrics_next_us)
        return;
    worker->metrics_next_us = now_us + METRICS_US;
    log_info("operations=%llu applied=%llu batches=%llu batch_mean=%.1f commits=%llu "
             "rollbacks=%llu expired=%llu returned=%llu queries=%llu pruned=%llu "
             "round_trips=%llu statements=%llu owned=%zu waiting=%zu metrics",
             (unsigned long long)m->operations, (unsigned long long)m->applied,
             (unsigned long long)m->batches,
             m->batches ? (double)m->batch_operations / (double)m->batches : 0.0,
             (unsigned long long)m->commits, (unsigned long long)m->rollbacks,
             (unsigned long long)m->expired, (unsigned long long)m->returned,
             (unsigned long long)m->queries, (unsigned long long)m->pruned,
             (unsigned long long)(db->round_trips - m->round_trips),
             (unsigned long long)(db->statements - m->statements), worker->claims.owned,
             worker->operations.count);
    *m = (struct metrics){.round_trips = db->round_trips, .statements = db->statements};
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int64_t worker_wait_us(const struct worker *worker, int64_t now_us)
{
    int64_t wait = least(WAIT_MAX_US, sessions_wait_us(worker, now_us));

    if (!db_connected(&worker->db))
        return least(wait, worker->connect_next_us > now_us ? worker->connect_next_us - now_us : 0);
    wait = least(wait, claims_wait_us(worker, now_us));
    if (worker->queries.count > 0)
        return 0;
    wait = least(wait, batch_wait_us(worker, now_us));
    wait = least(wait, copy_wait_us(worker, now_us));
    wait = least(wait, publish_wait_us(worker->publish, now_us));
    return least(wait, prune_wait_us(worker, now_us));
}

void worker_turn(struct worker *worker)
{
    int64_t now_us = clock_monotonic_us();

    sessions_read(worker);
    if (connected(worker, now_us) && claims_must_reclaim(worker) && claims_reclaim(worker) != DB_OK)
        trouble_tell(worker, "shard %s: could not claim again: %s", worker->shard->name,
                     db_error(&worker->db));
    if (db_connected(&worker->db) && claims_tick(worker, now_us) != DB_OK)
        trouble_tell(worker, "shard %s: could not look at the partitions: %s", worker->shard->name,
                     db_error(&worker->db));
    sessions_keep(worker, clock_monotonic_us()); /* what we own is told before what we return */
    if (!connected(worker, clock_monotonic_us()) || claims_must_reclaim(worker)) {
        batch_sweep(worker, clock_monotonic_us());
        publish_keep(worker, clock_monotonic_us());
        return;
    }
    for (int i = 0; i < BATCHES_PER_TURN && batch_tick(worker, clock_monotonic_us()); i++) {
        if (!db_connected(&worker->db) || claims_must_reclaim(worker))
            break;
        sessions_read(worker);
        sessions_keep(worker, clock_monotonic_us());
        publish_keep(worker, clock_monotonic_us());
    }
    query_tick(worker, clock_monotonic_us());
    if (worker->operations.count == 0) {
        copy_tick(worker, clock_monotonic_us());
        prune_tick(worker, clock_monotonic_us());
    }
    if (!db_connected(&worker->db))
        claims_connection_lost(worker);
    sessions_keep(worker, clock_monotonic_us());
    publish_keep(worker, clock_monotonic_us());
    log_metrics(worker, now_us);
}

/* ------------------------------------------------------------- life */

bool worker_open(struct worker *worker, const struct config *config,
                 const struct config_shard *shard, const char *name, void *links)
{
    *worker = (struct worker){.config = config, .shard = shard, .name = name, .links = links};
    worker->ledger_limits = (struct ledger_limits){
        .partitions = config->partitions,
        .lines = config->limits.lines,
        .idempotency_us = (int64_t)config->windows.idempotency_ms * 1000,
        .id_future_us = ID_FUTURE_US,
    };
    if (worker->ledger_limits.id_future_us > worker->ledger_limits.idempotency_us)
        worker->ledger_limits.id_future_us = worker->ledger_limits.idempotency_us;
    worker->batch_rows = ROWS_PER_BATCH;
    worker->catalog = catalog_new();
    arena_init(&worker->arena);
    arena_init(&worker->rows);
    db_init(&worker->db, shard);
    copy_init(worker);
    worker->metrics_next_us = clock_monotonic_us() + METRICS_US;
    if (random_bytes(worker->instance, sizeof worker->instance))
        return sessions_open(worker);
    log_error("no randomness to be had");
    return false;
}

void worker_close(struct worker *worker, int linger_ms)
{
    sessions_close(worker, linger_ms);
    copy_release(worker);
    claims_release_memory(worker);
    work_queue_release(&worker->operations);
    work_queue_release(&worker->queries);
    db_close(&worker->db);
    needs_release(&worker->needs);
    arena_release(&worker->arena);
    arena_release(&worker->rows);
    catalog_destroy(&worker->catalog);
}

void worker_stop(struct worker *worker)
{
    worker->stopping = true;
    log_info("owned=%zu waiting=%zu stopping", worker->claims.owned, worker->operations.count);
    sessions_read(worker);
    claims_goodbye(worker);
    sessions_keep(worker, clock_monotonic_us());
    batch_return_all(worker);
    sessions_read(worker); /* what came while we said so */
    batch_return_all(worker);
}
