/* SPDX-License-Identifier: MIT
 *
 * One partition at a time, one step a tick. A step takes away whole operations: those within the
 * retention, and so within the idempotency window, keep all their rows.
 */
#include "workers/prune.h"

#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "workers/claims.h"
#include "workers/store_rows.h"

#define PRUNE_PAUSE_MIN_US 200000
#define RESERVATIONS_CHUNK 200u

/* ?p partition, ?e epoch, ?c claim id, ?o pruned_seq as it is, ?s as it shall be, ?t cutoff */
static const char find_movements[] =
    "SELECT MAX(t.seq) FROM movement t FORCE INDEX (once) WHERE t.partition_id=?p AND "
    "t.operation_id=(SELECT operation_id FROM movement WHERE partition_id=?p AND seq=(SELECT "
    "MAX(seq) FROM (SELECT seq,at_us FROM movement WHERE partition_id=?p AND seq>?o ORDER BY seq "
    "LIMIT ?l) m WHERE at_us<?t))";
static const char fence_movements[] =
    "START TRANSACTION;UPDATE `partition` SET pruned_seq=?s WHERE partition_id=?p AND epoch=?e AND "
    "claim_id=?c AND pruned_seq=?o;";
static const char write_checkpoint[] =
    "INSERT INTO checkpoint (partition_id,sku,warehouse,seq,on_hand,reserved,committed,"
    "unavailable) SELECT m.partition_id,m.sku,m.warehouse,m.seq,m.on_hand,m.reserved,m.committed,"
    "m.unavailable FROM (SELECT MAX(seq) seq FROM movement WHERE partition_id=?p AND seq>?o AND "
    "seq<=?s AND sku<>'' AND warehouse<>'' GROUP BY sku,warehouse) n STRAIGHT_JOIN movement m ON "
    "m.partition_id=?p AND m.seq=n.seq ON DUPLICATE KEY UPDATE seq=VALUES(seq),"
    "on_hand=VALUES(on_hand),reserved=VALUES(reserved),committed=VALUES(committed),"
    "unavailable=VALUES(unavailable);";
static const char delete_movements[] =
    "DELETE FROM movement WHERE partition_id=?p AND seq>?o AND seq<=?s";
/* Closed, nothing left to ship, and not touched by any movement that is kept. */
static const char find_reservations[] =
    "SELECT r.reservation_id FROM reservation r FORCE INDEX (due) WHERE r.partition_id=?p AND "
    "r.state IN (3,4,5) AND r.expires_at_us<?t AND r.created_at_us<?t AND NOT EXISTS (SELECT 1 "
    "FROM reservation_line l WHERE l.partition_id=?p AND l.reservation_id=r.reservation_id AND "
    "(l.reserved>0 OR l.committed>0)) AND r.reservation_id NOT IN (SELECT reservation_id FROM "
    "movement WHERE partition_id=?p AND reservation_id<>'') LIMIT ?l";
static const char fence_reservations[] =
    "START TRANSACTION;SELECT partition_id FROM `partition` WHERE partition_id=?p AND epoch=?e AND "
    "claim_id=?c FOR UPDATE;";
static const char delete_lines[] =
    "DELETE FROM reservation_line WHERE partition_id=?p AND reservation_id IN (";
static const char delete_reservations[] =
    ");DELETE FROM reservation WHERE partition_id=?p AND reservation_id IN (";

struct step {
    struct worker *worker;
    struct slot *slot;
    int64_t cutoff_us;
    uint64_t upto; /* seq */
    uint64_t limit;
    uint64_t rows;
    size_t ids;
    struct sql list; /* of reservations */
};

static void add_mark(struct sql *sql, char mark, const struct step *step)
{
    const struct slot *slot = step->slot;

    if (mark == 'p')
        sql_uint(sql, slot->partition);
    else if (mark == 'e')
        sql_uint(sql, slot->epoch);
    else if (mark == 'c')
        sql_hex(sql, slot->claim_id, sizeof slot->claim_id);
    else if (mark == 'o')
        sql_uint(sql, slot->pruned_seq);
    else if (mark == 's')
        sql_uint(sql, step->upto);
    else if (mark == 't')
        sql_int(sql, step->cutoff_us);
    else if (mark == 'l')
        sql_uint(sql, step->limit);
}

static void add(struct sql *sql, const char *text, const struct step *step)
{
    for (const char *mark; (mark = strchr(text, '?')) != NULL; text = mark + 2) {
        sql_add_bytes(sql, text, (size_t)(mark - text));
        add_mark(sql, mark[1], step);
    }
    sql_add(sql, text);
}

static bool found_seq(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct step *step = context;
    MYSQL_ROW row = rows ? mysql_fetch_row(rows) : NULL;

    (void)statement;
    (void)affected;
    step->upto = row ? db_uint(row[0]) : 0;
    return true;
}

static bool found_id(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct step *step = context;
    MYSQL_ROW row;

    (void)statement;
    (void)affected;
    while (rows && (row = mysql_fetch_row(rows)) != NULL) {
        if (step->ids++ > 0)
            sql_add(&step->list, ",");
        sql_hex(&step->list, row[0], mysql_fetch_lengths(rows)[0]);
    }
    return true;
}

/* Statement 1 is the fence, in both transactions: it must match one row. */
static bool fence_holds(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct step *step = context;

    (void)rows;
    if (statement > 1)
        step->rows += affected;
    return statement != 1 || affected == 1;
}

static bool run_step(struct step *step, const struct sql *sql)
{
    struct db *db = &step->worker->db;
    enum db_outcome outcome = db_run(db, sql, fence_holds, step);

    if (outcome == DB_OK)
        outcome = db_commit(db);
    if (outcome == DB_OK) {
        step->worker->metrics.pruned += step->rows;
        return true;
    }
    log_limited(LOG_WARN, "partition=%u could not prune: %s", step->slot->partition,
                outcome == DB_MISMATCH ? "it is not ours any more" : db_error(db));
    db_rollback(db);
    step->worker->claims.look_next_us = 0;
    return false;
}

/* True when there may be more. */
static bool prune_movements(struct step *step)
{
    struct sql sql;
    bool pruned = false;

    step->limit = PRUNE_CHUNK;
    sql_init(&sql);
    add(&sql, find_movements, step);
    if (db_run(&step->worker->db, &sql, found_seq, step) == DB_OK && step->upto > 0) {
        sql_reset(&sql);
        add(&sql, fence_movements, step);
        add(&sql, write_checkpoint, step);
        add(&sql, delete_movements, step);
        pruned = run_step(step, &sql);
        if (pruned)
            step->slot->pruned_seq = step->upto;
    }
    sql_release(&sql);
    return pruned;
}

static bool prune_reservations(struct step *step)
{
    struct sql sql;
    bool pruned = false;

    step->limit = RESERVATIONS_CHUNK;
    sql_init(&sql);
    sql_init(&step->list);
    add(&sql, find_reservations, step);
    if (db_run(&step->worker->db, &sql, found_id, step) == DB_OK && step->ids > 0) {
        sql_reset(&sql);
        add(&sql, fence_reservations, step);
        add(&sql, delete_lines, step);
        sql_add_bytes(&sql, step->list.bytes, step->list.length);
        add(&sql, delete_reservations, step);
        sql_add_bytes(&sql, step->list.bytes, step->list.length);
        sql_add(&sql, ")");
        pruned = run_step(step, &sql);
    }
    sql_release(&step->list);
    sql_release(&sql);
    return pruned;
}

static int64_t retention_us(const struct worker *worker)
{
    return (int64_t)worker->config->windows.retention_ms * 1000;
}

void prune_tick(struct worker *worker, int64_t now_us)
{
    int64_t pause_us = retention_us(worker) / 4;

    if (pause_us > PRUNE_PAUSE_US)
        pause_us = PRUNE_PAUSE_US;
    if (pause_us < PRUNE_PAUSE_MIN_US)
        pause_us = PRUNE_PAUSE_MIN_US;
    for (size_t i = 0; i < worker->claims.count; i++) {
        struct slot *slot = &worker->claims.slots[i];
        if (slot->state != SLOT_OWNED || now_us < slot->prune_next_us)
            continue;
        struct step step = {
            .worker = worker,
            .slot = slot,
            .cutoff_us = slot_now_us(worker, slot) - retention_us(worker),
        };
        bool more = prune_movements(&step);
        if (!more && db_connected(&worker->db))
            more = prune_reservations(&step);
        slot->prune_next_us = now_us + (more ? 0 : pause_us);
        return;
    }
}

int64_t prune_wait_us(const struct worker *worker, int64_t now_us)
{
    int64_t wait_us = INT64_MAX;

    for (size_t i = 0; i < worker->claims.count; i++) {
        const struct slot *slot = &worker->claims.slots[i];
        if (slot->state == SLOT_OWNED && slot->prune_next_us - now_us < wait_us)
            wait_us = slot->prune_next_us - now_us;
    }
    return wait_us > 0 ? wait_us : 0;
}
