/* SPDX-License-Identifier: MIT
 *
 * See store_prune.h.
 */
#include "workers/store_prune.h"

#include <string.h>

#include "workers/store_rows.h"

/* ?p partition, ?e epoch, ?c claim id, ?o pruned_seq as it is, ?s as it shall be, ?t cutoff, ?n
 * now, ?l limit, ?d how long a worker must be dead */
static const char find_movements[] =
    "SELECT MAX(t.seq) FROM movement t FORCE INDEX (once) WHERE t.partition_id=?p AND "
    "t.operation_id=(SELECT operation_id FROM movement WHERE partition_id=?p AND seq=(SELECT "
    "MAX(seq) FROM (SELECT seq,at_us FROM movement WHERE partition_id=?p AND seq>?o ORDER BY seq "
    "LIMIT ?l) m WHERE at_us<?t))";
/* What a retry may still ask for is judged by the owner's time, so that must not fall behind the
 * time by which its rows went. */
static const char fence_movements[] =
    "START TRANSACTION;UPDATE `partition` SET "
    "pruned_seq=?s,clock_high_us=GREATEST(clock_high_us,?n)"
    " WHERE partition_id=?p AND epoch=?e AND claim_id=?c AND pruned_seq=?o;";
static const char write_checkpoint[] =
    "INSERT INTO checkpoint (partition_id,sku,warehouse,seq,on_hand,reserved,committed,"
    "unavailable) SELECT m.partition_id,m.sku,m.warehouse,m.seq,m.on_hand,m.reserved,m.committed,"
    "m.unavailable FROM (SELECT MAX(seq) seq FROM movement WHERE partition_id=?p AND seq>?o AND "
    "seq<=?s AND sku<>'' AND warehouse<>'' GROUP BY sku,warehouse) n STRAIGHT_JOIN movement m ON "
    "m.partition_id=?p AND m.seq=n.seq ON DUPLICATE KEY UPDATE seq=VALUES(seq),"
    "on_hand=VALUES(on_hand),reserved=VALUES(reserved),committed=VALUES(committed),"
    "unavailable=VALUES(unavailable);";
/* What became of the lines of runs as old; that there was such a run stays known. Each block was
 * written with a movement of its own that goes no sooner, so all are gone when these are. */
static const char delete_run_blocks[] =
    "DELETE FROM run_line WHERE partition_id=?p AND created_at_us<?t ORDER BY created_at_us,run,"
    "block LIMIT ?l;";
static const char delete_movements[] =
    "DELETE FROM movement WHERE partition_id=?p AND seq>?o AND seq<=?s";
/* Closed, nothing left to ship, and the last movement of it goes: that has its revision. For a
 * NOT EXISTS both servers would read every line of the partition first; a count is of each alone.
 */
static const char find_reservations[] =
    "SELECT DISTINCT r.reservation_id FROM movement m FORCE INDEX (PRIMARY) STRAIGHT_JOIN "
    "reservation r FORCE INDEX (PRIMARY) ON r.partition_id=?p AND "
    "r.reservation_id=m.reservation_id AND r.revision=m.revision WHERE m.partition_id=?p AND "
    "m.seq>?o AND m.seq<=?s AND m.reservation_id<>'' AND r.state IN (3,4,5) AND (SELECT COUNT(*) "
    "FROM reservation_line l FORCE INDEX (PRIMARY) WHERE l.partition_id=?p AND "
    "l.reservation_id=r.reservation_id AND (l.reserved>0 OR l.committed>0))=0 LIMIT ?l";
static const char delete_lines[] =
    ";DELETE FROM reservation_line WHERE partition_id=?p AND reservation_id IN (";
static const char delete_reservations[] =
    ";DELETE FROM reservation WHERE partition_id=?p AND reservation_id IN (";

/* A position of a claim is at or behind its first movement, and before the next claim's. */
static const char find_old[] =
    "SELECT a.epoch FROM claim a STRAIGHT_JOIN `partition` t ON t.partition_id=?p WHERE "
    "a.partition_id=?p AND a.epoch<t.epoch AND a.claimed_at_us<?t AND (SELECT b.first_seq FROM "
    "claim b WHERE b.partition_id=?p AND b.epoch>a.epoch ORDER BY b.epoch LIMIT 1)<="
    "GREATEST(t.pruned_seq,a.first_seq) AND NOT EXISTS (SELECT 1 FROM subscription_position s "
    "WHERE s.partition_id=?p AND s.claim_id=a.claim_id) ORDER BY a.epoch LIMIT ?l;"
    "SELECT instance FROM worker WHERE lease_until_us<" STORE_NOW
    "-(?d) ORDER BY instance LIMIT ?l";
static const char delete_claims[] = "DELETE FROM claim WHERE partition_id=?p AND epoch IN (";
static const char delete_workers[] =
    "DELETE FROM worker WHERE lease_until_us<" STORE_NOW "-(?d) AND instance IN (";

/* Of one step: a block may have 80 KiB. */
#define RUN_BLOCKS_MAX 1000u

struct step {
    const struct store_prune *prune;
    int64_t dead_us;
    uint64_t upto; /* seq */
    uint64_t limit;
    uint64_t rows;
    uint8_t (*ids)[RESERVATION_ID_BYTES];
    size_t count;
};

static void add_mark(struct sql *sql, char mark, const struct step *step)
{
    const struct store_prune *prune = step->prune;

    if (mark == 'p')
        sql_uint(sql, prune->claim.partition);
    else if (mark == 'e')
        sql_uint(sql, prune->claim.epoch);
    else if (mark == 'c')
        sql_hex(sql, prune->claim.claim_id, sizeof prune->claim.claim_id);
    else if (mark == 'o')
        sql_uint(sql, prune->pruned_seq);
    else if (mark == 's')
        sql_uint(sql, step->upto);
    else if (mark == 't')
        sql_int(sql, prune->cutoff_us);
    else if (mark == 'd')
        sql_int(sql, step->dead_us);
    else if (mark == 'n')
        sql_int(sql, prune->now_us);
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
    while (rows && step->count < step->limit && (row = mysql_fetch_row(rows)) != NULL) {
        if (mysql_fetch_lengths(rows)[0] == RESERVATION_ID_BYTES)
            memcpy(step->ids[step->count++], row[0], RESERVATION_ID_BYTES);
    }
    return true;
}

/* Statement 1 is the fence: it must match one row. */
static bool fence_holds(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct step *step = context;

    (void)rows;
    if (statement > 1)
        step->rows += affected;
    return statement != 1 || affected == 1;
}

static enum db_outcome run_step(struct db *db, struct step *step, const struct sql *sql)
{
    enum db_outcome outcome = db_run(db, sql, fence_holds, step);

    if (outcome == DB_OK)
        outcome = db_commit(db);
    if (outcome != DB_OK)
        db_rollback(db);
    return outcome;
}

enum db_outcome store_prune_find(struct db *db, const struct store_prune *prune, size_t limit,
                                 uint64_t *upto)
{
    struct step step = {.prune = prune, .limit = limit};
    struct sql sql;

    sql_init(&sql);
    add(&sql, find_movements, &step);
    enum db_outcome outcome = db_run(db, &sql, found_seq, &step);
    sql_release(&sql);
    *upto = step.upto;
    return outcome;
}

enum db_outcome store_prune_closed(struct db *db, const struct store_prune *prune, uint64_t upto,
                                   size_t limit, uint8_t (*ids)[RESERVATION_ID_BYTES],
                                   size_t *count)
{
    struct step step = {.prune = prune, .upto = upto, .limit = limit, .ids = ids};
    struct sql sql;

    sql_init(&sql);
    add(&sql, find_reservations, &step);
    enum db_outcome outcome = db_run(db, &sql, found_id, &step);
    sql_release(&sql);
    *count = step.count;
    return outcome;
}

static void add_ids(struct sql *sql, uint8_t (*ids)[RESERVATION_ID_BYTES], size_t count)
{
    for (size_t i = 0; i < count; i++)
        sql_list_hex(sql, ids[i], RESERVATION_ID_BYTES);
    sql_add(sql, ")");
}

enum db_outcome store_prune(struct db *db, const struct store_prune *prune, uint64_t upto,
                            uint8_t (*ids)[RESERVATION_ID_BYTES], size_t count, uint64_t *rows)
{
    struct step step = {.prune = prune, .upto = upto, .limit = RUN_BLOCKS_MAX};
    struct sql sql;

    sql_init(&sql);
    add(&sql, fence_movements, &step);
    add(&sql, write_checkpoint, &step);
    add(&sql, delete_run_blocks, &step);
    add(&sql, delete_movements, &step);
    if (count > 0) {
        add(&sql, delete_lines, &step);
        add_ids(&sql, ids, count);
        add(&sql, delete_reservations, &step);
        add_ids(&sql, ids, count);
    }
    enum db_outcome outcome = run_step(db, &step, &sql);
    sql_release(&sql);
    *rows = step.rows;
    return outcome;
}

/* ------------------------------------------------------------- claims and workers */

/* The statements that delete what was found. */
struct found {
    struct sql claims, workers;
    size_t claim_count, worker_count;
};

static bool found_old(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct found *found = context;
    MYSQL_ROW row;

    (void)affected;
    while (rows && (row = mysql_fetch_row(rows)) != NULL) {
        if (statement == 0) {
            sql_list_uint(&found->claims, db_uint(row[0]));
            found->claim_count++;
        } else if (mysql_fetch_lengths(rows)[0] == UUID_BYTES) {
            sql_list_hex(&found->workers, row[0], UUID_BYTES);
            found->worker_count++;
        }
    }
    return true;
}

static bool count_rows(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    (void)statement;
    (void)rows;
    *(uint64_t *)context += affected;
    return true;
}

static enum db_outcome run_delete(struct db *db, struct sql *sql, size_t count, uint64_t *rows)
{
    if (count == 0)
        return DB_OK;
    sql_add(sql, ")");
    return db_run(db, sql, count_rows, rows);
}

enum db_outcome store_prune_claims(struct db *db, const struct store_prune *prune, int64_t dead_us,
                                   size_t limit, uint64_t *rows)
{
    struct step step = {.prune = prune, .limit = limit, .dead_us = dead_us};
    struct found found = {0};
    struct sql sql;

    *rows = 0;
    sql_init(&sql);
    sql_init(&found.claims);
    sql_init(&found.workers);
    add(&sql, find_old, &step);
    add(&found.claims, delete_claims, &step);
    add(&found.workers, delete_workers, &step);
    enum db_outcome outcome = db_run(db, &sql, found_old, &found);
    if (outcome == DB_OK)
        outcome = run_delete(db, &found.claims, found.claim_count, rows);
    if (outcome == DB_OK)
        outcome = run_delete(db, &found.workers, found.worker_count, rows);
    sql_release(&found.workers);
    sql_release(&found.claims);
    sql_release(&sql);
    return outcome;
}
