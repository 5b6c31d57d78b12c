/* SPDX-License-Identifier: MIT
 *
 * Which reservations make a page. A partition may have a million of them, and the loop stands still
 * while they are read: so all that match are sorted only where they are few, and otherwise they are
 * walked, the first of the page first, a bounded way: by the index of what is due, or by the
 * ledger, where the newest come last. An index by time would cost each reservation 8 us of the
 * database.
 */
#include <string.h>

#include "workers/query_impl.h"

/* Of a partition, order or sku: so many are read and sorted. */
#define CANDIDATES_MAX 8192u
/* Reservations that are due, or movements, looked at in one statement; and for one page. */
#define STRETCH 4096u
#define RESERVATIONS_MAX 32768u
#define MOVEMENTS_MAX 262144u

static const char select_one[] = "SELECT 1 FROM ";
static const char offset[] = " OFFSET ";
static const char all_rows[] = "reservation FORCE INDEX (PRIMARY) WHERE partition_id=";
static const char order_rows[] = "reservation FORCE INDEX (by_order) WHERE partition_id=";
static const char and_order[] = " AND order_ref=";
static const char sku_rows[] = "reservation_line FORCE INDEX (by_sku) WHERE partition_id=";
static const char and_sku[] = " AND sku=";
static const char limit[] = " LIMIT ";

static const char select_ids[] = "SELECT r.reservation_id,r.expires_at_us,r.created_at_us";
static const char always[] = ",1";
/* Neither of them can be made a join by the server. */
static const char order_matches[] = ",r.order_ref=";
static const char sku_matches[] =
    ",(SELECT 1 FROM reservation_line l WHERE l.reservation_id=r.reservation_id AND "
    "l.partition_id=";
static const char sku_matches_end[] = " LIMIT 1) IS NOT NULL";

static const char from_sku[] = " FROM (SELECT DISTINCT reservation_id FROM ";
static const char join_sku[] = ") c STRAIGHT_JOIN reservation r ON r.reservation_id="
                               "c.reservation_id AND r.partition_id=";
static const char from_rows[] = " FROM (SELECT * FROM ";
static const char rows_end[] = ") r";
static const char where_live[] = " WHERE r.state IN (1,2)";

static const char from_due[] = " FROM ((";
static const char due_columns[] =
    "SELECT reservation_id,expires_at_us,created_at_us,order_ref FROM "
    "reservation FORCE INDEX (due) WHERE partition_id=";
static const char and_state[] = " AND state=";
static const char union_all[] = ") UNION ALL (";
static const char next_expiry[] = " ORDER BY expires_at_us,reservation_id LIMIT ";
static const char ids_by_expiry[] = " ORDER BY r.expires_at_us,r.reservation_id";
static const char ids_newest[] = " ORDER BY r.created_at_us DESC,r.reservation_id DESC";

static const char select_pruned[] = "SELECT pruned_seq FROM `partition` WHERE partition_id=";
/* The movement that made it; another of its reservation may say reserved too. */
static const char from_ledger[] =
    " FROM (SELECT seq,reservation_id,at_us FROM movement FORCE INDEX (PRIMARY) WHERE idx=0 AND "
    "kind=";
static const char and_partition[] = " AND partition_id=";
static const char and_after[] = " AND seq>";
static const char and_upto[] = " AND seq<=";
static const char newest_limit[] = " ORDER BY seq DESC LIMIT ";
static const char join_ledger[] =
    ") m STRAIGHT_JOIN reservation r ON r.reservation_id="
    "m.reservation_id AND r.created_at_us=m.at_us AND r.partition_id=";
static const char ids_by_seq[] = " ORDER BY m.seq DESC";

struct walk {
    struct query *query;
    struct reservation_page *page;
    uint64_t number; /* that was asked for alone; 0: no row */
    size_t seen;     /* rows of the last stretch */
    bool begun;      /* `last` is one */
    uint8_t last[RESERVATION_ID_BYTES];
    int64_t last_expires_us;
};

static bool number_reply(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct walk *walk = context;
    MYSQL_ROW row = rows ? mysql_fetch_row(rows) : NULL;

    (void)statement;
    (void)affected;
    walk->number = row ? db_uint(row[0]) : 0;
    return true;
}

static bool ids_reply(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct walk *walk = context;
    struct reservation_page *page = walk->page;
    MYSQL_ROW row;

    (void)statement;
    (void)affected;
    walk->seen = 0;
    while (rows && (row = mysql_fetch_row(rows)) != NULL) {
        if (mysql_fetch_lengths(rows)[0] != sizeof walk->last)
            continue;
        walk->seen++;
        walk->begun = true;
        memcpy(walk->last, row[0], sizeof walk->last);
        walk->last_expires_us = db_int(row[1]);
        bool matches = true;
        for (unsigned i = 3; i < mysql_num_fields(rows); i++)
            matches = matches && db_uint(row[i]) != 0;
        if (matches && page->count == page->limit)
            page->more = true;
        else if (matches)
            memcpy(page->ids[page->count++], row[0], sizeof page->ids[0]);
        if (page->more)
            return true;
    }
    return true;
}

/* ------------------------------------------------------------- all that match */

/* The rows that an order or else a sku has, or else all, at most `most`. */
static void add_candidates(struct sql *sql, const struct query *query, uint64_t most)
{
    const Hf__ReservationQuery *asked = query->asked->reservation;
    bool by_order = asked->order.len > 0, by_sku = !by_order && asked->sku.len > 0;
    const ProtobufCBinaryData *code = by_order ? &asked->order : &asked->sku;

    sql_add(sql, by_order ? order_rows : by_sku ? sku_rows : all_rows);
    sql_uint(sql, query->slot->partition);
    if (by_order || by_sku) {
        sql_add(sql, by_order ? and_order : and_sku);
        sql_hex(sql, code->data, code->len);
    }
    sql_add(sql, limit);
    sql_uint(sql, most);
}

/* What has to be true of a reservation, as columns. */
static void add_matches(struct sql *sql, const struct query *query)
{
    const Hf__ReservationQuery *asked = query->asked->reservation;

    if (asked->order.len > 0) {
        sql_add(sql, order_matches);
        sql_hex(sql, asked->order.data, asked->order.len);
    }
    if (asked->sku.len > 0) {
        sql_add(sql, sku_matches);
        sql_uint(sql, query->slot->partition);
        sql_add(sql, and_sku);
        sql_hex(sql, asked->sku.data, asked->sku.len);
        sql_add(sql, sku_matches_end);
    }
    if (asked->order.len == 0 && asked->sku.len == 0)
        sql_add(sql, always);
}

/* One behind those that would be sorted: are there more? */
static enum db_outcome find_more(struct walk *walk)
{
    struct sql sql;

    sql_init(&sql);
    sql_add(&sql, select_one);
    add_candidates(&sql, walk->query, 1);
    sql_add(&sql, offset);
    sql_uint(&sql, CANDIDATES_MAX);
    enum db_outcome outcome = db_run(&walk->query->worker->db, &sql, number_reply, walk);
    sql_release(&sql);
    return outcome;
}

static enum db_outcome sort_candidates(struct walk *walk)
{
    const struct query *query = walk->query;
    const Hf__ReservationQuery *asked = query->asked->reservation;
    bool by_sku = asked->order.len == 0 && asked->sku.len > 0;
    struct sql sql;

    sql_init(&sql);
    sql_add(&sql, select_ids);
    add_matches(&sql, query);
    sql_add(&sql, by_sku ? from_sku : from_rows);
    if (by_sku)
        sql_add(&sql, "(SELECT reservation_id FROM ");
    add_candidates(&sql, query, CANDIDATES_MAX);
    if (by_sku) {
        sql_add(&sql, ") x");
        sql_add(&sql, join_sku);
        sql_uint(&sql, query->slot->partition);
    } else {
        sql_add(&sql, rows_end);
    }
    if (asked->expiring)
        sql_add(&sql, where_live);
    sql_add(&sql, asked->expiring ? ids_by_expiry : ids_newest);
    enum db_outcome outcome = db_run(&query->worker->db, &sql, ids_reply, walk);
    sql_release(&sql);
    return outcome;
}

/* ------------------------------------------------------------- by what is due */

/* Behind the last one that was seen. */
static void add_behind(struct sql *sql, const struct walk *walk)
{
    if (!walk->begun)
        return;
    sql_add(sql, " AND expires_at_us>=");
    sql_int(sql, walk->last_expires_us);
    sql_add(sql, " AND (expires_at_us>");
    sql_int(sql, walk->last_expires_us);
    sql_add(sql, " OR reservation_id>");
    sql_hex(sql, walk->last, sizeof walk->last);
    sql_add(sql, ")");
}

/* Live ones are of two states, each of which the index has by expiry. */
static enum db_outcome walk_due(struct walk *walk, size_t length)
{
    struct sql sql;

    sql_init(&sql);
    sql_add(&sql, select_ids);
    add_matches(&sql, walk->query);
    sql_add(&sql, from_due);
    for (unsigned state = 1; state <= 2; state++) {
        sql_add(&sql, state == 2 ? union_all : "");
        sql_add(&sql, due_columns);
        sql_uint(&sql, walk->query->slot->partition);
        sql_add(&sql, and_state);
        sql_uint(&sql, state);
        add_behind(&sql, walk);
        sql_add(&sql, next_expiry);
        sql_uint(&sql, length);
    }
    sql_add(&sql, ")");
    sql_add(&sql, next_expiry);
    sql_uint(&sql, length);
    sql_add(&sql, rows_end);
    sql_add(&sql, ids_by_expiry);
    enum db_outcome outcome = db_run(&walk->query->worker->db, &sql, ids_reply, walk);
    sql_release(&sql);
    return outcome;
}

static enum db_outcome page_by_expiry(struct walk *walk, size_t length)
{
    enum db_outcome outcome = DB_OK;

    for (size_t seen = 0; outcome == DB_OK && seen < RESERVATIONS_MAX; seen += length) {
        outcome = walk_due(walk, length);
        if (walk->page->more || walk->seen < length)
            return outcome;
    }
    walk->page->more = true; /* there is more to look at, whether it matches or not */
    return outcome;
}

/* ------------------------------------------------------------- by the ledger */

/* Those that were made by movements after `after`, up to `upto`; the newest `most` of them. */
static enum db_outcome walk_ledger(struct walk *walk, uint64_t after, uint64_t upto, size_t most)
{
    struct sql sql;

    sql_init(&sql);
    sql_add(&sql, select_ids);
    add_matches(&sql, walk->query);
    sql_add(&sql, from_ledger);
    sql_uint(&sql, HF__MOVEMENT_KIND__MOVEMENT_RESERVED);
    sql_add(&sql, and_partition);
    sql_uint(&sql, walk->query->slot->partition);
    sql_add(&sql, and_after);
    sql_uint(&sql, after);
    sql_add(&sql, and_upto);
    sql_uint(&sql, upto);
    sql_add(&sql, newest_limit);
    sql_uint(&sql, most);
    sql_add(&sql, join_ledger);
    sql_uint(&sql, walk->query->slot->partition);
    sql_add(&sql, ids_by_seq);
    enum db_outcome outcome = db_run(&walk->query->worker->db, &sql, ids_reply, walk);
    sql_release(&sql);
    return outcome;
}

static enum db_outcome read_pruned(struct walk *walk)
{
    struct sql sql;

    sql_init(&sql);
    sql_add(&sql, select_pruned);
    sql_uint(&sql, walk->query->slot->partition);
    enum db_outcome outcome = db_run(&walk->query->worker->db, &sql, number_reply, walk);
    sql_release(&sql);
    return outcome;
}

/* What is older than the ledger is not come to; there is more, then. */
static enum db_outcome page_of_newest(struct walk *walk, size_t most)
{
    enum db_outcome outcome = read_pruned(walk);
    uint64_t pruned = walk->number, upto = walk->query->answer.sequence, looked = 0;

    for (size_t seen = 0; outcome == DB_OK && upto > pruned && seen < RESERVATIONS_MAX &&
                          looked < MOVEMENTS_MAX && !walk->page->more;) {
        uint64_t after = upto - pruned > STRETCH ? upto - STRETCH : pruned;
        outcome = walk_ledger(walk, after, upto, most);
        seen += walk->seen;
        looked += upto - after;
        upto = after;
    }
    walk->page->more = true;
    return outcome;
}

enum db_outcome reservation_page(struct query *query, struct reservation_page *page)
{
    const Hf__ReservationQuery *asked = query->asked->reservation;
    struct walk walk = {.query = query, .page = page};
    bool filtered = asked->order.len > 0 || asked->sku.len > 0;
    size_t length = filtered ? STRETCH : page->limit + 1;
    enum db_outcome outcome = DB_OK;

    page->ids = arena_alloc(query->arena, (page->limit + 1) * sizeof page->ids[0]);
    page->count = 0;
    page->more = false;
    if (asked->expiring && !filtered)
        return page_by_expiry(&walk, length);
    outcome = find_more(&walk);
    if (outcome != DB_OK)
        return outcome;
    if (walk.number == 0)
        return sort_candidates(&walk);
    return asked->expiring ? page_by_expiry(&walk, length) : page_of_newest(&walk, length);
}
