/* SPDX-License-Identifier: MIT
 *
 * See store_claims.h.
 */
#include "workers/store_claims.h"

#include <stdlib.h>
#include <string.h>

#include "workers/store_rows.h"

/* Due reservations of a claim are read in pages of so many. */
#define DUE_PAGE 20000

static const char look_worker[] = "INSERT INTO worker (instance,name,lease_until_us) VALUES (";
static const char look_worker_lease[] =
    ") ON DUPLICATE KEY UPDATE lease_until_us=VALUES(lease_until_us);";
static const char look_now[] = "SELECT " STORE_NOW ";";
static const char look_workers[] = "SELECT COUNT(DISTINCT name),COALESCE(SUM(instance<";
static const char look_workers_live[] = "),0) FROM worker WHERE lease_until_us>" STORE_NOW ";";
static const char look_partitions[] =
    "SELECT partition_id,epoch,claim_id,connection_id,owner='' OR lease_until_us<" STORE_NOW
    ",lease_until_us,instance=";
static const char look_namesake[] = ",owner=";
static const char look_partitions_end[] =
    " FROM `partition` WHERE moved_to IS NULL ORDER BY partition_id";
static const char look_renew[] = ";UPDATE ";
static const char look_renew_set[] =
    " STRAIGHT_JOIN `partition` t FORCE INDEX (PRIMARY) ON t.partition_id=n.p AND t.epoch=n.e AND "
    "t.claim_id=n.c SET t.lease_until_us=" STORE_NOW "+";

static const char *const claim_names[] = {"p", "e", "c", NULL};
static const char *const wanted_names[] = {"p", "e", "c", "a", NULL};
static const char claim_update[] = "START TRANSACTION;UPDATE ";
static const char claim_join[] =
    " STRAIGHT_JOIN `partition` t FORCE INDEX (PRIMARY) ON t.partition_id=n.p AND t.epoch=n.e AND "
    "t.moved_to IS NULL AND (t.owner='' OR t.lease_until_us<" STORE_NOW " OR t.instance=";
static const char claim_set[] =
    ") SET t.epoch=GREATEST(t.epoch,n.a)+1,t.claim_id=n.c,t.connection_id="
    "CONNECTION_ID(),t.lease_until_us=" STORE_NOW "+";
static const char claim_owner[] = ",t.owner=";
static const char claim_instance[] = ",t.instance=";
static const char claim_record[] =
    ";INSERT INTO claim (partition_id,epoch,claim_id,first_seq,owner,claimed_at_us) SELECT "
    "t.partition_id,t.epoch,t.claim_id,t.last_seq+1,t.owner," STORE_NOW " FROM ";
static const char claim_mine[] =
    " STRAIGHT_JOIN `partition` t FORCE INDEX (PRIMARY) ON t.partition_id=n.p AND t.claim_id=n.c";
static const char claim_select[] =
    ";SELECT t.partition_id,t.epoch,t.claim_id,t.last_seq,t.clock_high_us,t.clock_offset_us,"
    "t.pruned_seq," STORE_NOW " FROM ";

static const char *const offset_names[] = {"p", "c", "o", NULL};
static const char offset_set[] = " SET t.clock_offset_us=n.o";

static const char release_set[] =
    " STRAIGHT_JOIN `partition` t FORCE INDEX (PRIMARY) ON t.partition_id=n.p AND t.epoch=n.e AND "
    "t.claim_id=n.c SET t.owner='',t.lease_until_us=0,t.connection_id=0";
static const char worker_delete[] = "DELETE FROM worker WHERE instance=";

static const char due_select[] =
    "SELECT reservation_id,expires_at_us FROM reservation FORCE INDEX (due) WHERE partition_id=";
static const char due_state[] = " AND state=2 AND (expires_at_us>";
static const char due_same[] = " OR (expires_at_us=";
static const char due_after[] = " AND reservation_id>";
static const char due_order[] = ")) ORDER BY expires_at_us,reservation_id LIMIT ";

static void begin_sql(struct sql *sql, const struct db *db)
{
    sql_init(sql);
    sql->values_row = db_is_mysql(db);
}

/* The claims as a derived table. */
static void add_claims(struct sql *sql, const struct store_claim *claims, size_t count)
{
    struct sql_rows rows;

    sql_rows_begin(sql, &rows, claim_names);
    for (size_t i = 0; i < count; i++) {
        sql_rows_next(sql, &rows);
        sql_rows_uint(sql, &rows, claims[i].partition);
        sql_rows_uint(sql, &rows, claims[i].epoch);
        sql_rows_hex(sql, &rows, claims[i].claim_id, sizeof claims[i].claim_id);
    }
    sql_rows_end(sql, &rows);
}

/* The same, with what their epochs must be above. */
static void add_wanted(struct sql *sql, const struct store_claim *claims, size_t count)
{
    struct sql_rows rows;

    sql_rows_begin(sql, &rows, wanted_names);
    for (size_t i = 0; i < count; i++) {
        sql_rows_next(sql, &rows);
        sql_rows_uint(sql, &rows, claims[i].partition);
        sql_rows_uint(sql, &rows, claims[i].epoch);
        sql_rows_hex(sql, &rows, claims[i].claim_id, sizeof claims[i].claim_id);
        sql_rows_uint(sql, &rows, claims[i].above);
    }
    sql_rows_end(sql, &rows);
}

/* BINARY(16) is 16 bytes; false would mean that it is another table. */
static bool read_claim(struct store_claim *claim, MYSQL_ROW row, const unsigned long *lengths)
{
    claim->partition = (uint32_t)db_uint(row[0]);
    claim->epoch = db_uint(row[1]);
    if (lengths[2] != sizeof claim->claim_id)
        return false;
    memcpy(claim->claim_id, row[2], sizeof claim->claim_id);
    return true;
}

/* ------------------------------------------------------------- looking */

enum look_statement {
    LOOK_WORKER,
    LOOK_NOW,
    LOOK_WORKERS,
    LOOK_PARTITIONS,
    LOOK_RENEWAL,
};

static void see_partitions(struct store_look *look, MYSQL_RES *rows)
{
    MYSQL_ROW row;

    look->seen = calloc((size_t)mysql_num_rows(rows) + 1, sizeof *look->seen);
    if (!look->seen)
        abort();
    while ((row = mysql_fetch_row(rows)) != NULL) {
        struct store_seen *seen = &look->seen[look->count];
        if (!read_claim(&seen->claim, row, mysql_fetch_lengths(rows)))
            continue;
        seen->connection = db_uint(row[3]);
        seen->free = db_uint(row[4]) != 0;
        seen->lease_until_us = db_int(row[5]);
        seen->mine = db_uint(row[6]) != 0;
        seen->namesake = !seen->mine && db_uint(row[7]) != 0;
        look->count++;
    }
    look->seen_all = true;
}

static bool look_reply(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct store_look *look = context;
    MYSQL_ROW row = NULL;

    if (statement == LOOK_RENEWAL)
        look->renewed = affected;
    if (statement == LOOK_PARTITIONS && rows) {
        see_partitions(look, rows);
        return true;
    }
    if (rows)
        row = mysql_fetch_row(rows);
    if (statement == LOOK_NOW && row)
        look->server_us = db_int(row[0]);
    if (statement == LOOK_WORKERS && row) {
        look->workers = db_uint(row[0]);
        look->rank = db_uint(row[1]);
    }
    return true;
}

static void build_look(struct sql *sql, const struct store_owner *owner)
{
    sql_add(sql, look_worker);
    sql_list_hex(sql, owner->instance, UUID_BYTES);
    sql_list_hex(sql, owner->name, strlen(owner->name));
    sql_add(sql, "," STORE_NOW "+");
    sql_int(sql, owner->lease_us);
    sql_add(sql, look_worker_lease);
    sql_add(sql, look_now);
    sql_add(sql, look_workers);
    sql_hex(sql, owner->instance, UUID_BYTES);
    sql_add(sql, look_workers_live);
    sql_add(sql, look_partitions);
    sql_hex(sql, owner->instance, UUID_BYTES);
    sql_add(sql, look_namesake);
    sql_hex(sql, owner->name, strlen(owner->name));
    sql_add(sql, look_partitions_end);
}

enum db_outcome store_look(struct db *db, const struct store_owner *owner,
                           const struct store_claim *ours, size_t count, struct store_look *look)
{
    struct sql sql;

    *look = (struct store_look){0};
    begin_sql(&sql, db);
    build_look(&sql, owner);
    if (count > 0) {
        /* What is ours by the row, whatever the SELECT before it will say. */
        sql_add(&sql, look_renew);
        add_claims(&sql, ours, count);
        sql_add(&sql, look_renew_set);
        sql_int(&sql, owner->lease_us);
    }
    enum db_outcome outcome = db_run(db, &sql, look_reply, look);
    sql_release(&sql);
    return outcome;
}

void store_look_release(struct store_look *look)
{
    free(look->seen);
    *look = (struct store_look){0};
}

/* ------------------------------------------------------------- taking */

void store_kill(struct db *db, uint64_t connection)
{
    struct sql sql;

    begin_sql(&sql, db);
    sql_add(&sql, "KILL CONNECTION ");
    sql_uint(&sql, connection);
    (void)db_run(db, &sql, NULL, NULL);
    sql_release(&sql);
}

struct taking {
    struct store_taken *taken;
    size_t count, room;
};

static bool take_reply(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct taking *taking = context;
    MYSQL_ROW row;

    (void)statement;
    (void)affected;
    while (rows && taking->count < taking->room && (row = mysql_fetch_row(rows)) != NULL) {
        struct store_taken *taken = &taking->taken[taking->count];
        if (!read_claim(&taken->claim, row, mysql_fetch_lengths(rows)))
            continue;
        taken->last_seq = db_uint(row[3]);
        taken->clock_high_us = db_int(row[4]);
        taken->clock_offset_us = db_int(row[5]);
        taken->pruned_seq = db_uint(row[6]);
        taken->server_us = db_int(row[7]);
        taking->count++;
    }
    return true;
}

enum db_outcome store_take(struct db *db, const struct store_owner *owner,
                           const struct store_claim *wanted, size_t count,
                           struct store_taken *taken, size_t *taken_count)
{
    struct taking taking = {.taken = taken, .room = count};
    struct sql sql;

    begin_sql(&sql, db);
    sql_add(&sql, claim_update);
    add_wanted(&sql, wanted, count);
    sql_add(&sql, claim_join);
    sql_hex(&sql, owner->instance, UUID_BYTES);
    sql_add(&sql, claim_set);
    sql_int(&sql, owner->lease_us);
    sql_add(&sql, claim_owner);
    sql_hex(&sql, owner->name, strlen(owner->name));
    sql_add(&sql, claim_instance);
    sql_hex(&sql, owner->instance, UUID_BYTES);
    sql_add(&sql, claim_record);
    add_claims(&sql, wanted, count);
    sql_add(&sql, claim_mine);
    sql_add(&sql, claim_select);
    add_claims(&sql, wanted, count);
    sql_add(&sql, claim_mine);
    enum db_outcome outcome = db_run(db, &sql, take_reply, &taking);
    sql_release(&sql);
    *taken_count = taking.count;
    return outcome;
}

enum db_outcome store_offsets(struct db *db, const struct store_offset *offsets, size_t count)
{
    struct sql sql;
    struct sql_rows rows;

    begin_sql(&sql, db);
    sql_add(&sql, "UPDATE ");
    sql_rows_begin(&sql, &rows, offset_names);
    for (size_t i = 0; i < count; i++) {
        sql_rows_next(&sql, &rows);
        sql_rows_uint(&sql, &rows, offsets[i].partition);
        sql_rows_hex(&sql, &rows, offsets[i].claim_id, sizeof offsets[i].claim_id);
        sql_rows_int(&sql, &rows, offsets[i].offset_us);
    }
    sql_rows_end(&sql, &rows);
    sql_add(&sql, claim_mine);
    sql_add(&sql, offset_set);
    enum db_outcome outcome = db_run(db, &sql, NULL, NULL);
    sql_release(&sql);
    return outcome;
}

struct due_page {
    struct ledger *ledger;
    uint64_t rows;
    int64_t expires_at_us;
    uint8_t id[RESERVATION_ID_BYTES];
};

static bool due_reply(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct due_page *page = context;
    MYSQL_ROW row;

    (void)statement;
    page->rows = affected;
    while (rows && (row = mysql_fetch_row(rows)) != NULL) {
        if (mysql_fetch_lengths(rows)[0] != sizeof page->id)
            continue;
        memcpy(page->id, row[0], sizeof page->id);
        page->expires_at_us = db_int(row[1]);
        ledger_put_due(page->ledger, page->id, page->expires_at_us);
    }
    return true;
}

enum db_outcome store_due(struct db *db, struct ledger *ledger)
{
    struct due_page page = {.ledger = ledger};
    enum db_outcome outcome = DB_OK;
    struct sql sql;

    sql_init(&sql);
    do {
        sql_reset(&sql);
        sql_add(&sql, due_select);
        sql_uint(&sql, ledger_partition(ledger));
        sql_add(&sql, due_state);
        sql_int(&sql, page.expires_at_us);
        sql_add(&sql, due_same);
        sql_int(&sql, page.expires_at_us);
        sql_add(&sql, due_after);
        sql_hex(&sql, page.id, sizeof page.id);
        sql_add(&sql, due_order);
        sql_uint(&sql, DUE_PAGE);
        outcome = db_run(db, &sql, due_reply, &page);
    } while (outcome == DB_OK && page.rows == DUE_PAGE);
    sql_release(&sql);
    return outcome;
}

/* ------------------------------------------------------------- handing over */

enum db_outcome store_hand_over(struct db *db, const struct store_claim *claims, size_t count)
{
    struct sql sql;

    begin_sql(&sql, db);
    sql_add(&sql, "UPDATE ");
    add_claims(&sql, claims, count);
    sql_add(&sql, release_set);
    enum db_outcome outcome = db_run(db, &sql, NULL, NULL);
    sql_release(&sql);
    return outcome;
}

enum db_outcome store_goodbye(struct db *db, const uint8_t instance[UUID_BYTES])
{
    struct sql sql;

    begin_sql(&sql, db);
    sql_add(&sql, worker_delete);
    sql_hex(&sql, instance, UUID_BYTES);
    enum db_outcome outcome = db_run(db, &sql, NULL, NULL);
    sql_release(&sql);
    return outcome;
}
