/* SPDX-License-Identifier: MIT
 *
 * The SELECTs of a view, each request in one transaction that sees one moment. Items come in pages,
 * and with each page what belongs to its skus, so that no reply is large.
 */
#include <string.h>

#include "view/reader.h"
#include "workers/history.h"
#include "workers/store_movement.h"
#include "workers/store_rows.h"

#define PAGE_ITEMS 5000u
#define LEDGER_ROWS 2000u
/* Beyond this a snapshot is less work than the movements. */
#define LEDGER_FAR 50000u

static const char begin[] = "START TRANSACTION WITH CONSISTENT SNAPSHOT;";
static const char select_position[] =
    "SELECT claim_id,last_seq,pruned_seq FROM `partition` WHERE moved_to IS NULL AND partition_id=";
static const char select_items[] =
    "SELECT sku,name,reorder_point,version FROM item WHERE partition_id=";
static const char sku_after[] = " AND sku>";
static const char sku_up_to[] = " AND sku<=";
static const char items_end[] = " ORDER BY sku LIMIT ";
static const char select_levels[] =
    "SELECT sku,warehouse,on_hand,reserved,committed,unavailable,safety_stock,reorder_point,"
    "version,on_hand_version FROM stock_level WHERE partition_id=";
static const char levels_end[] = " ORDER BY sku,warehouse;";
static const char select_barcodes[] =
    "SELECT sku,barcode FROM barcode FORCE INDEX (by_item) WHERE partition_id=";
static const char barcodes_end[] = " ORDER BY sku,barcode";
static const char select_reservations[] =
    "SELECT r.reservation_id,r.state,r.revision,r.expires_at_us,r.created_at_us,r.order_ref,"
    "r.actor,l.line,l.sku,l.warehouse,l.quantity,l.reserved,l.committed,l.shipped,l.cancelled,"
    "l.released,l.returned FROM ";
static const char open_reservations[] =
    "(SELECT DISTINCT reservation_id FROM reservation_line WHERE (reserved>0 OR committed>0) AND "
    "partition_id=";
static const char join_open[] = ") o STRAIGHT_JOIN reservation r ON r.reservation_id="
                                "o.reservation_id AND r.partition_id=";
static const char one_reservation[] = "reservation r";
static const char join_lines[] =
    " STRAIGHT_JOIN reservation_line l ON l.partition_id=r.partition_id AND "
    "l.reservation_id=r.reservation_id";
static const char where_one[] = " WHERE r.partition_id=";
static const char and_id[] = " AND r.reservation_id=";
static const char reservations_end[] = " ORDER BY r.reservation_id,l.line";
static const char select_warehouses[] = "SELECT code,name,version FROM warehouse ORDER BY code";
static const char select_claim[] =
    "SELECT (SELECT MIN(b.first_seq) FROM claim b WHERE b.partition_id=a.partition_id AND "
    "b.epoch>a.epoch) FROM claim a WHERE a.partition_id=";
static const char and_claim[] = " AND a.claim_id=";
static const char select_movements[] = "SELECT c.claim_id,";
static const char from_movements[] =
    " FROM movement t LEFT JOIN claim c ON c.partition_id=t.partition_id AND c.epoch=t.epoch WHERE "
    "t.partition_id=";
static const char and_after[] = " AND t.seq>";
static const char movements_end[] = " ORDER BY t.seq LIMIT ";

struct reading {
    struct db *db;
    struct read_reply *reply;
    struct snapshot *snapshot;
    bool here; /* this shard has the partition */
    uint64_t last_seq, pruned_seq;
    uint8_t claim_id[16];
    bool claim_known, claim_ended;
    uint64_t next_first_seq; /* of a claim after ours */
    size_t rows;             /* items of the page */
    struct code after, last;
};

static struct snapshot_text text_of(MYSQL_ROW row, const unsigned long *lengths, size_t column)
{
    return (struct snapshot_text){row[column] ? row[column] : "", (uint32_t)lengths[column]};
}

static uint32_t number(const char *field)
{
    return (uint32_t)db_uint(field);
}

/* ------------------------------------------------------------- where it stands */

static bool see_position(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct reading *r = context;
    MYSQL_ROW row = rows ? mysql_fetch_row(rows) : NULL;

    (void)statement;
    (void)affected;
    if (!row)
        return true; /* the statement that begins, or no such partition here */
    r->here = true;
    if (mysql_fetch_lengths(rows)[0] == sizeof r->claim_id)
        memcpy(r->claim_id, row[0], sizeof r->claim_id);
    r->last_seq = db_uint(row[1]);
    r->pruned_seq = db_uint(row[2]);
    return true;
}

static bool read_position(struct reading *r)
{
    struct sql sql;

    sql_init(&sql);
    sql_add(&sql, begin);
    sql_add(&sql, select_position);
    sql_uint(&sql, r->reply->request.partition);
    bool ok = db_run(r->db, &sql, see_position, r) == DB_OK;
    sql_release(&sql);
    return ok;
}

/* ------------------------------------------------------------- snapshots */

static bool see_item(struct reading *r, MYSQL_RES *rows)
{
    MYSQL_ROW row;

    while ((row = mysql_fetch_row(rows)) != NULL) {
        unsigned long *lengths = mysql_fetch_lengths(rows);
        snapshot_item(r->snapshot, text_of(row, lengths, 0), text_of(row, lengths, 1),
                      number(row[2]), db_uint(row[3]));
        store_code_read(&r->last, row[0], lengths[0]);
        r->rows++;
    }
    return true;
}

static bool see_items(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    (void)statement;
    (void)affected;
    return rows && see_item(context, rows);
}

static bool read_items(struct reading *r)
{
    struct sql sql;

    r->rows = 0;
    sql_init(&sql);
    sql_add(&sql, select_items);
    sql_uint(&sql, r->reply->request.partition);
    sql_add(&sql, sku_after);
    sql_hex(&sql, r->after.bytes, r->after.length);
    sql_add(&sql, items_end);
    sql_uint(&sql, PAGE_ITEMS);
    bool ok = db_run(r->db, &sql, see_items, r) == DB_OK;
    sql_release(&sql);
    return ok;
}

static bool see_stock(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct reading *r = context;
    MYSQL_ROW row;

    (void)affected;
    while (rows && (row = mysql_fetch_row(rows)) != NULL) {
        unsigned long *lengths = mysql_fetch_lengths(rows);
        if (statement == 0) {
            struct figures now = {number(row[2]), number(row[3]), number(row[4]),
                                  number(row[5]), number(row[6]), number(row[7])};
            (void)snapshot_level(r->snapshot, text_of(row, lengths, 0), text_of(row, lengths, 1),
                                 &now, db_uint(row[8]), db_uint(row[9]));
        } else {
            (void)snapshot_barcode(r->snapshot, text_of(row, lengths, 0), text_of(row, lengths, 1));
        }
    }
    return rows != NULL;
}

static void of_page(struct sql *sql, const struct reading *r)
{
    sql_uint(sql, r->reply->request.partition);
    sql_add(sql, sku_after);
    sql_hex(sql, r->after.bytes, r->after.length);
    sql_add(sql, sku_up_to);
    sql_hex(sql, r->last.bytes, r->last.length);
}

static bool read_stock(struct reading *r)
{
    struct sql sql;

    sql_init(&sql);
    sql_add(&sql, select_levels);
    of_page(&sql, r);
    sql_add(&sql, levels_end);
    sql_add(&sql, select_barcodes);
    of_page(&sql, r);
    sql_add(&sql, barcodes_end);
    bool ok = db_run(r->db, &sql, see_stock, r) == DB_OK;
    sql_release(&sql);
    return ok;
}

static bool see_reservations(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct reading *r = context;
    struct snapshot_reservation head = {0};
    bool begun = false;
    MYSQL_ROW row;

    (void)statement;
    (void)affected;
    while (rows && (row = mysql_fetch_row(rows)) != NULL) {
        unsigned long *lengths = mysql_fetch_lengths(rows);
        if (lengths[0] != sizeof head.id)
            continue;
        if (!begun || memcmp(head.id, row[0], sizeof head.id) != 0) {
            begun = true;
            memcpy(head.id, row[0], sizeof head.id);
            head.state = (Hf__ReservationState)db_uint(row[1]);
            head.revision = number(row[2]);
            head.expires_at_us = db_int(row[3]);
            head.created_at_us = db_int(row[4]);
            head.order = text_of(row, lengths, 5);
            head.actor = text_of(row, lengths, 6);
            snapshot_reservation(r->snapshot, &head);
        }
        struct snapshot_line line = {
            .number = number(row[7]),
            .sku = text_of(row, lengths, 8),
            .quantity = number(row[10]),
            .reserved = number(row[11]),
            .committed = number(row[12]),
            .shipped = number(row[13]),
            .cancelled = number(row[14]),
            .released = number(row[15]),
            .returned = number(row[16]),
        };
        snapshot_line(r->snapshot, &line, text_of(row, lengths, 9));
    }
    return rows != NULL;
}

/* All open ones, or the one that is asked for, whatever its state. */
static bool read_reservations(struct reading *r, bool one)
{
    uint32_t partition = r->reply->request.partition;
    struct sql sql;

    sql_init(&sql);
    sql_add(&sql, select_reservations);
    if (one) {
        sql_add(&sql, one_reservation);
    } else {
        sql_add(&sql, open_reservations);
        sql_uint(&sql, partition);
        sql_add(&sql, join_open);
        sql_uint(&sql, partition);
    }
    sql_add(&sql, join_lines);
    if (one) {
        sql_add(&sql, where_one);
        sql_uint(&sql, partition);
        sql_add(&sql, and_id);
        sql_hex(&sql, r->reply->request.id, RESERVATION_ID_BYTES);
    }
    sql_add(&sql, reservations_end);
    bool ok = db_run(r->db, &sql, see_reservations, r) == DB_OK;
    sql_release(&sql);
    return ok;
}

static bool see_warehouses(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct reading *r = context;
    MYSQL_ROW row;

    (void)statement;
    (void)affected;
    while (rows && (row = mysql_fetch_row(rows)) != NULL) {
        unsigned long *lengths = mysql_fetch_lengths(rows);
        snapshot_named(r->snapshot, text_of(row, lengths, 0), text_of(row, lengths, 1),
                       db_uint(row[2]));
    }
    return rows != NULL;
}

static bool read_warehouses(struct reading *r)
{
    struct sql sql;

    sql_init(&sql);
    sql_add(&sql, select_warehouses);
    bool ok = db_run(r->db, &sql, see_warehouses, r) == DB_OK;
    sql_release(&sql);
    return ok;
}

static bool read_snapshot(struct reading *r)
{
    r->after.length = 0;
    do {
        if (!read_items(r) || (r->rows > 0 && !read_stock(r)))
            return false;
        r->after = r->last;
    } while (r->rows == PAGE_ITEMS);
    return read_reservations(r, false) && (r->reply->request.partition != 0 || read_warehouses(r));
}

/* ------------------------------------------------------------- the ledger */

static bool see_claim(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct reading *r = context;
    MYSQL_ROW row = rows ? mysql_fetch_row(rows) : NULL;

    (void)statement;
    (void)affected;
    r->claim_known = row != NULL;
    r->claim_ended = row && row[0];
    r->next_first_seq = row ? db_uint(row[0]) : 0;
    return true;
}

/* Is the position that we were given history here? At sequence 0 nothing was seen that could have
 * been lost. */
static bool read_claim(struct reading *r, bool *is_history)
{
    const struct model_position *from = &r->reply->request.from;
    struct sql sql;

    *is_history = true;
    if (from->sequence == 0)
        return true;
    sql_init(&sql);
    sql_add(&sql, select_claim);
    sql_uint(&sql, r->reply->request.partition);
    sql_add(&sql, and_claim);
    sql_hex(&sql, from->claim_id, sizeof from->claim_id);
    bool ok = db_run(r->db, &sql, see_claim, r) == DB_OK;
    sql_release(&sql);
    *is_history = r->claim_known && r->last_seq >= from->sequence &&
                  !(r->claim_ended && r->next_first_seq <= from->sequence);
    return ok;
}

static bool see_movements(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct reading *r = context;
    struct read_reply *reply = r->reply;
    MYSQL_ROW row;

    (void)statement;
    reply->movements = arena_alloc(&reply->arena, (affected + 1) * sizeof *reply->movements);
    while (rows && (row = mysql_fetch_row(rows)) != NULL) {
        unsigned long *lengths = mysql_fetch_lengths(rows);
        struct movement *movement = arena_zalloc(&reply->arena, sizeof *movement);
        store_movement_read(movement, row + 1, lengths + 1, &reply->arena);
        if (row[0] && lengths[0] == sizeof movement->claim_id)
            memcpy(movement->claim_id, row[0], sizeof movement->claim_id);
        reply->movements[reply->movement_count++] = history_message(movement, &reply->arena);
    }
    return rows != NULL;
}

static bool read_movements(struct reading *r)
{
    struct sql sql;

    sql_init(&sql);
    sql_add(&sql, select_movements);
    sql_add(&sql, store_movement_columns);
    sql_add(&sql, from_movements);
    sql_uint(&sql, r->reply->request.partition);
    sql_add(&sql, and_after);
    sql_uint(&sql, r->reply->request.from.sequence);
    sql_add(&sql, movements_end);
    sql_uint(&sql, LEDGER_ROWS);
    bool ok = db_run(r->db, &sql, see_movements, r) == DB_OK;
    sql_release(&sql);
    return ok;
}

static void read_ledger(struct reading *r)
{
    struct read_reply *reply = r->reply;
    uint64_t from = reply->request.from.sequence;
    bool is_history;

    reply->movement_count = 0;
    if (!read_claim(r, &is_history))
        return;
    if (!is_history) {
        reply->outcome = READ_LOST;
        return;
    }
    if (r->pruned_seq > from || r->last_seq - from > LEDGER_FAR) {
        reply->outcome = READ_FAR;
        return;
    }
    if (r->last_seq > from && !read_movements(r))
        return;
    reply->to = arena_alloc(&reply->arena, sizeof *reply->to);
    hf__position__init(reply->to);
    reply->to->partition = reply->request.partition;
    reply->to->sequence = r->last_seq;
    reply->to->claim_id.len = sizeof r->claim_id;
    reply->to->claim_id.data = arena_copy(&reply->arena, r->claim_id, sizeof r->claim_id);
    reply->complete = from + reply->movement_count == r->last_seq;
    reply->outcome = READ_DONE;
}

/* ------------------------------------------------------------- a request */

void reader_read(struct db *db, struct read_reply *reply)
{
    struct reading r = {.db = db, .reply = reply};

    reply->outcome = READ_FAILED;
    if (!read_position(&r))
        return;
    if (!r.here) {
        reply->outcome = READ_ELSEWHERE;
        return;
    }
    if (reply->request.kind == READ_LEDGER) {
        read_ledger(&r);
        return;
    }
    r.snapshot = reply->snapshot = snapshot_new(reply->request.partition);
    r.snapshot->sequence = r.last_seq;
    memcpy(r.snapshot->claim_id, r.claim_id, sizeof r.claim_id);
    if (reply->request.kind == READ_SNAPSHOT ? read_snapshot(&r) : read_reservations(&r, true))
        reply->outcome = READ_DONE;
}
