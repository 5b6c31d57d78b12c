/* SPDX-License-Identifier: MIT
 *
 * Proves the invariants of one partition, in the database, at one moment. Each check is a SELECT
 * that finds what breaks it, and gives no row on a sound partition; a number of the rows that were
 * looked at comes with the answer. docs/worker.md explains each.
 *
 * Columns of every check: sku, warehouse, reservation_id, text.
 */
#include "workers/audit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "workers/store_rows.h"

/* How long a statement may take: each reads a whole table's part. */
#define TIMEOUT_S 300
#define SESSION                                                                                    \
    "SET SESSION wait_timeout=300, net_write_timeout=60;SET TRANSACTION ISOLATION LEVEL "          \
    "REPEATABLE READ;START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY;"

static const char fence[] =
    "SELECT epoch,claim_id,last_seq," STORE_NOW
    "+clock_offset_us FROM `partition` WHERE moved_to IS NULL AND partition_id=";

/* How long past its time a live reservation is still no difference: its owner may be busy. */
#define AUDIT_EXPIRY_GRACE_US "5000000"

/* ?p in a statement is the partition's number. */
static const struct {
    const char *name;
    const char *sql;
} checks[] = {
    {"level_reservations",
     "SELECT l.sku,l.warehouse,'',CONCAT('reserved ',l.reserved,', committed ',l.committed,"
     "': the reservations say ',COALESCE(r.reserved,0),', ',COALESCE(r.committed,0)) "
     "FROM stock_level l LEFT JOIN (SELECT sku,warehouse,SUM(reserved) reserved,SUM(committed) "
     "committed FROM reservation_line WHERE partition_id=?p AND level_partition=?p GROUP BY "
     "sku,warehouse) r ON r.sku=l.sku AND r.warehouse=l.warehouse WHERE l.partition_id=?p AND "
     "(l.reserved<>COALESCE(r.reserved,0) OR l.committed<>COALESCE(r.committed,0))"},
    {"reservation_level",
     "SELECT r.sku,r.warehouse,'','held by reservations, and there is no such level' FROM (SELECT "
     "sku,warehouse FROM reservation_line WHERE partition_id=?p AND level_partition=?p GROUP BY "
     "sku,warehouse HAVING SUM(reserved)+SUM(committed)>0) r LEFT JOIN stock_level l ON "
     "l.partition_id=?p AND l.sku=r.sku AND l.warehouse=r.warehouse WHERE l.sku IS NULL"},
    {"level_ledger",
     "SELECT l.sku,l.warehouse,'',CONCAT('on_hand ',l.on_hand,', reserved ',l.reserved,"
     "', committed ',l.committed,', unavailable ',l.unavailable,': the ledger says ',"
     "COALESCE(m.a,0)+COALESCE(c.on_hand,0),', ',COALESCE(m.b,0)+COALESCE(c.reserved,0),', ',"
     "COALESCE(m.c,0)+COALESCE(c.committed,0),', ',COALESCE(m.d,0)+COALESCE(c.unavailable,0)) "
     "FROM stock_level l LEFT JOIN checkpoint c ON c.partition_id=?p AND c.sku=l.sku AND "
     "c.warehouse=l.warehouse LEFT JOIN (SELECT t.sku,t.warehouse,SUM(t.d_on_hand) a,"
     "SUM(t.d_reserved) b,SUM(t.d_committed) c,SUM(t.d_unavailable) d FROM movement t LEFT JOIN "
     "checkpoint k ON k.partition_id=?p AND k.sku=t.sku AND k.warehouse=t.warehouse WHERE "
     "t.partition_id=?p AND t.seq>COALESCE(k.seq,0) GROUP BY t.sku,t.warehouse) m ON m.sku=l.sku "
     "AND m.warehouse=l.warehouse WHERE l.partition_id=?p AND "
     "(l.on_hand<>COALESCE(m.a,0)+COALESCE(c.on_hand,0) OR "
     "l.reserved<>COALESCE(m.b,0)+COALESCE(c.reserved,0) OR "
     "l.committed<>COALESCE(m.c,0)+COALESCE(c.committed,0) OR "
     "l.unavailable<>COALESCE(m.d,0)+COALESCE(c.unavailable,0))"},
    {"movement_level",
     "SELECT t.sku,t.warehouse,'','has movements, and there is no such level' FROM movement t LEFT "
     "JOIN stock_level l ON l.partition_id=?p AND l.sku=t.sku AND l.warehouse=t.warehouse WHERE "
     "t.partition_id=?p AND t.warehouse<>'' AND t.sku<>'' AND l.sku IS NULL GROUP BY "
     "t.sku,t.warehouse"},
    {"movement_gaps",
     "SELECT '','','',CONCAT(c,' movements from ',lo,' to ',hi,': there should be those from ',"
     "p.pruned_seq+1,' to ',p.last_seq) FROM `partition` p JOIN (SELECT COUNT(*) c,COALESCE("
     "MIN(seq),0) lo,COALESCE(MAX(seq),0) hi FROM movement WHERE partition_id=?p AND seq>(SELECT "
     "pruned_seq FROM `partition` WHERE partition_id=?p)) m WHERE p.partition_id=?p AND "
     "(m.c<>p.last_seq-p.pruned_seq OR (m.c>0 AND (m.lo<>p.pruned_seq+1 OR m.hi<>p.last_seq)))"},
    {"level_version",
     "SELECT l.sku,l.warehouse,'',CONCAT('version ',l.version,', on_hand_version ',"
     "l.on_hand_version,': its last movements are ',COALESCE(m.v,c.seq),', ',COALESCE(m.o,0)) FROM "
     "stock_level l LEFT JOIN checkpoint c ON c.partition_id=?p AND c.sku=l.sku AND "
     "c.warehouse=l.warehouse LEFT JOIN (SELECT sku,warehouse,MAX(seq) v,MAX(IF(d_on_hand<>0 OR "
     "on_hand_version=seq,seq,NULL)) o FROM movement WHERE partition_id=?p AND warehouse<>'' GROUP "
     "BY sku,warehouse) m ON m.sku=l.sku AND m.warehouse=l.warehouse WHERE l.partition_id=?p AND "
     "(l.version<>COALESCE(m.v,c.seq,0) OR (m.o IS NOT NULL AND l.on_hand_version<>m.o))"},
    {"shortfall",
     "SELECT sku,warehouse,'',CONCAT('shortfall ',shortfall,' with on_hand ',on_hand,', promised "
     "',reserved+committed+unavailable) FROM stock_level WHERE partition_id=?p AND "
     "shortfall<>GREATEST(0,reserved+committed+unavailable-on_hand)"},
    {"expired_live",
     "SELECT '','',r.reservation_id,CONCAT('active ',FLOOR((" STORE_NOW
     "+p.clock_offset_us-r.expires_at_us)/1000),' ms past its time') FROM `partition` p JOIN "
     "reservation r ON r.partition_id=p.partition_id WHERE p.partition_id=?p AND r.state=2 AND "
     "r.expires_at_us+" AUDIT_EXPIRY_GRACE_US "<" STORE_NOW "+p.clock_offset_us"},
    {"operation_rows",
     "SELECT '','','',CONCAT('operation ',HEX(operation_id),': ',COUNT(*),' rows, index up to ',"
     "MAX(idx),', over ',MAX(seq)-MIN(seq)+1,' numbers') FROM movement WHERE partition_id=?p AND "
     "seq>(SELECT pruned_seq FROM `partition` WHERE partition_id=?p) GROUP BY operation_id HAVING "
     "MAX(seq)-MIN(seq)<>COUNT(*)-1 OR MIN(idx)<>0 OR MAX(idx)<>COUNT(*)-1"},
    {"line_sums",
     "SELECT sku,warehouse,reservation_id,CONCAT('line ',line,' of ',quantity,' adds up to ',"
     "reserved+committed+shipped+cancelled+released) FROM reservation_line WHERE partition_id=?p "
     "AND (reserved+committed+shipped+cancelled+released<>quantity OR returned>shipped)"},
    {"closed_holds",
     "SELECT l.sku,l.warehouse,l.reservation_id,CONCAT('holds ',l.reserved,' in state ',r.state) "
     "FROM reservation r JOIN reservation_line l ON l.partition_id=?p AND "
     "l.reservation_id=r.reservation_id WHERE r.partition_id=?p AND r.state NOT IN (1,2) AND "
     "l.reserved<>0"},
    {"lineless",
     "SELECT '','',r.reservation_id,'has no lines' FROM reservation r LEFT JOIN reservation_line l "
     "ON l.partition_id=?p AND l.reservation_id=r.reservation_id WHERE r.partition_id=?p AND "
     "l.line IS NULL"},
};

#define CHECKS (sizeof checks / sizeof checks[0])

static const char count_rows[] =
    "SELECT (SELECT COUNT(*) FROM movement WHERE partition_id=?p)+(SELECT COUNT(*) FROM "
    "stock_level WHERE partition_id=?p)+(SELECT COUNT(*) FROM reservation WHERE "
    "partition_id=?p)+(SELECT COUNT(*) FROM reservation_line WHERE partition_id=?p)";

static void add_for_partition(struct sql *sql, const char *text, uint32_t partition)
{
    for (const char *mark; (mark = strstr(text, "?p")) != NULL; text = mark + 2) {
        sql_add_bytes(sql, text, (size_t)(mark - text));
        sql_uint(sql, partition);
    }
    sql_add(sql, text);
}

struct audit {
    struct db *db;
    const struct audit_request *request;
    struct arena *arena;
    Hf__Answer answer; /* texts and arrays in the arena */
    bool ours;         /* in the snapshot */
    const char *check; /* whose rows come; NULL: the count */
};

static ProtobufCBinaryData bytes_of(struct audit *audit, const char *field, unsigned long length)
{
    ProtobufCBinaryData bytes = {0};

    if (field && length > 0) {
        bytes.len = length;
        bytes.data = arena_copy(audit->arena, field, length);
    }
    return bytes;
}

static void add_difference(struct audit *audit, MYSQL_ROW row, const unsigned long *lengths)
{
    Hf__Difference *difference = arena_alloc(audit->arena, sizeof *difference);

    hf__difference__init(difference);
    difference->check = arena_copy(audit->arena, audit->check, strlen(audit->check));
    difference->sku = bytes_of(audit, row[0], lengths[0]);
    difference->warehouse = bytes_of(audit, row[1], lengths[1]);
    if (lengths[2] == RESERVATION_ID_BYTES) {
        char text[RESERVATION_TEXT_BYTES];
        reservation_id_format((const uint8_t *)row[2], text);
        difference->reservation = bytes_of(audit, text, strlen(text));
    }
    difference->message = arena_copy(audit->arena, row[3] ? row[3] : "", lengths[3]);
    audit->answer.differences[audit->answer.n_differences++] = difference;
}

static bool see_check(void *context, size_t statement, MYSQL_RES *result, uint64_t affected)
{
    struct audit *audit = context;
    MYSQL_ROW row;

    (void)statement;
    (void)affected;
    while (result && (row = mysql_fetch_row(result)) != NULL) {
        if (!audit->check)
            audit->answer.checked = db_uint(row[0]);
        else if (audit->answer.n_differences < AUDIT_DIFFERENCES_MAX)
            add_difference(audit, row, mysql_fetch_lengths(result));
        else
            audit->answer.more = true;
    }
    return true;
}

/* A round trip for each check: together they could take longer than the connection's timeout. */
static enum db_outcome run_checks(struct audit *audit)
{
    enum db_outcome outcome = DB_OK;
    struct sql sql;

    audit->answer.differences =
        arena_alloc(audit->arena, AUDIT_DIFFERENCES_MAX * sizeof(Hf__Difference *));
    sql_init(&sql);
    for (size_t i = 0; i <= CHECKS && outcome == DB_OK; i++) {
        sql_reset(&sql);
        audit->check = i < CHECKS ? checks[i].name : NULL;
        add_for_partition(&sql, i < CHECKS ? checks[i].sql : count_rows, audit->request->partition);
        if (i < CHECKS) {
            sql_add(&sql, " LIMIT ");
            sql_uint(&sql, AUDIT_DIFFERENCES_MAX + 1);
        }
        outcome = db_run(audit->db, &sql, see_check, audit);
    }
    sql_release(&sql);
    return outcome;
}

/* ------------------------------------------------------------- the snapshot */

static bool see_fence(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct audit *audit = context;
    MYSQL_ROW row = rows ? mysql_fetch_row(rows) : NULL;

    (void)statement;
    (void)affected;
    if (!row)
        return true;
    audit->ours = db_uint(row[0]) == audit->request->epoch &&
                  mysql_fetch_lengths(rows)[1] == sizeof audit->request->claim_id &&
                  memcmp(row[1], audit->request->claim_id, sizeof audit->request->claim_id) == 0;
    audit->answer.sequence = db_uint(row[2]);
    audit->answer.read_at_us = db_int(row[3]);
    return true;
}

static enum db_outcome open_snapshot(struct audit *audit)
{
    struct sql sql;

    sql_init(&sql);
    sql_add(&sql, SESSION);
    sql_add(&sql, fence);
    sql_uint(&sql, audit->request->partition);
    enum db_outcome outcome = db_run(audit->db, &sql, see_fence, audit);
    sql_release(&sql);
    return outcome;
}

static enum db_outcome add_up(struct audit *audit)
{
    const struct audit_request *request = audit->request;
    struct digest_sum *sum = digest_sum_new(request->what, request->bucket, audit->arena);
    enum db_outcome outcome = audit_add_up(audit->db, request->partition, sum);

    audit->answer.digest = digest_total(sum);
    if (request->what == HF__AUDIT_WHAT__AUDIT_BUCKETS) {
        audit->answer.n_buckets = DIGEST_BUCKETS;
        audit->answer.buckets = arena_copy(audit->arena, digest_buckets(sum),
                                           DIGEST_BUCKETS * sizeof *audit->answer.buckets);
    } else if (request->what == HF__AUDIT_WHAT__AUDIT_ROWS) {
        bool cut;
        audit->answer.rows = digest_rows(sum, &audit->answer.n_rows, &cut);
        audit->answer.more = cut;
    }
    digest_sum_destroy(&sum);
    return outcome;
}

static enum db_outcome run_audit(struct audit *audit)
{
    int64_t begun_us = clock_monotonic_us();
    enum db_outcome outcome = db_connect(audit->db) ? open_snapshot(audit) : DB_LOST;

    if (outcome != DB_OK || !audit->ours)
        return outcome;
    if (audit->request->what == HF__AUDIT_WHAT__AUDIT_IDS)
        outcome = audit_ids(audit->db, audit->request, audit->arena, &audit->answer);
    else
        outcome = add_up(audit); /* first: a view forgets what it was at this sequence */
    if (outcome == DB_OK && audit->request->what == HF__AUDIT_WHAT__AUDIT_CHECKS)
        outcome = run_checks(audit);
    audit->answer.took_ms = (uint32_t)((clock_monotonic_us() - begun_us) / 1000);
    return outcome;
}

/* ------------------------------------------------------------- the thread */

struct thread {
    struct db db;
    struct arena arena;
};

static void *begin(const void *shard)
{
    struct thread *thread = calloc(1, sizeof *thread);

    if (!thread)
        abort();
    mysql_thread_init();
    db_init(&thread->db, shard);
    thread->db.timeout_s = TIMEOUT_S;
    arena_init(&thread->arena);
    return thread;
}

static void end(void *state)
{
    struct thread *thread = state;

    db_close(&thread->db);
    arena_release(&thread->arena);
    mysql_thread_end();
    free(thread);
}

static void pack(struct audit_reply *reply, const Hf__Answer *answer)
{
    reply->body_bytes = hf__answer__get_packed_size(answer);
    reply->body = malloc(reply->body_bytes + 1);
    if (!reply->body)
        abort();
    hf__answer__pack(answer, reply->body);
}

/* The connection is for one audit: it may be long until the next. */
static void *serve(void *state, void *asked)
{
    struct thread *thread = state;
    struct audit_request *request = asked;
    struct audit_reply *reply = calloc(1, sizeof *reply);
    struct audit audit = {.db = &thread->db, .request = request, .arena = &thread->arena};

    if (!reply)
        abort();
    arena_reset(&thread->arena);
    hf__answer__init(&audit.answer);
    audit.answer.partition = request->partition;
    audit.answer.claim_id.data = request->claim_id;
    audit.answer.claim_id.len = sizeof request->claim_id;
    reply->request = *request;
    reply->outcome = run_audit(&audit) == DB_OK ? AUDIT_DONE : AUDIT_FAILED;
    if (reply->outcome == AUDIT_FAILED)
        snprintf(reply->error, sizeof reply->error, "%s", db_error(&thread->db));
    else if (!audit.ours)
        reply->outcome = AUDIT_NOT_OURS;
    else
        pack(reply, &audit.answer);
    db_close(&thread->db);
    free(request);
    return reply;
}

const struct courier_work audit_work = {begin, serve, end};

void audit_reply_destroy(struct audit_reply **reply)
{
    if (!*reply)
        return;
    free((*reply)->body);
    free(*reply);
    *reply = NULL;
}
