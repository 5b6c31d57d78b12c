/* SPDX-License-Identifier: MIT
 *
 * Which reservations make a page. A partition may have a million of them, and the loop stands still
 * while they are read: so all that match are sorted only where they are few, and otherwise the
 * partition is walked by an index, the first of the page first, a bounded way.
 */
#include <string.h>

#include "workers/query_impl.h"

/* Of an order or sku: so many are read and sorted. */
#define CANDIDATES_MAX 8192u
/* Looked at in one statement, and statements for one page. */
#define STRETCH 4096u
#define STRETCHES_MAX 8u

static const char count_head[] = "SELECT COUNT(*) FROM (SELECT 1 FROM ";
static const char count_end[] = ") n";
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
static const char from_order[] = " FROM (SELECT * FROM ";
static const char of_order[] = ") r";
static const char where_live[] = " WHERE r.state IN (1,2)";

static const char from_walk[] = " FROM (";
static const char walk_columns[] =
    "SELECT reservation_id,expires_at_us,created_at_us,order_ref FROM reservation FORCE INDEX (";
static const char by_newest[] = "newest) WHERE partition_id=";
static const char by_due[] = "due) WHERE partition_id=";
static const char and_state[] = " AND state=";
static const char union_all[] = ") UNION ALL (";
static const char next_expiry[] = " ORDER BY expires_at_us,reservation_id LIMIT ";
static const char newest[] = " ORDER BY created_at_us DESC,reservation_id DESC LIMIT ";
static const char ids_by_expiry[] = " ORDER BY r.expires_at_us,r.reservation_id";
static const char ids_newest[] = " ORDER BY r.created_at_us DESC,r.reservation_id DESC";

struct walk {
    struct query *query;
    struct reservation_page *page;
    uint64_t counted;
    size_t seen; /* rows of the last stretch */
    bool begun;  /* `last` is one */
    uint8_t last[RESERVATION_ID_BYTES];
    int64_t last_expires_us, last_created_us;
};

static bool count_reply(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct walk *walk = context;
    MYSQL_ROW row = rows ? mysql_fetch_row(rows) : NULL;

    (void)statement;
    (void)affected;
    walk->counted = row ? db_uint(row[0]) : 0;
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
        walk->last_created_us = db_int(row[2]);
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

/* The rows that an order or else a sku has, at most `most`. */
static void add_candidates(struct sql *sql, const struct query *query, uint64_t most)
{
    const Hf__ReservationQuery *asked = query->asked->reservation;
    bool by_order = asked->order.len > 0;
    const ProtobufCBinaryData *code = by_order ? &asked->order : &asked->sku;

    sql_add(sql, by_order ? order_rows : sku_rows);
    sql_uint(sql, query->slot->partition);
    sql_add(sql, by_order ? and_order : and_sku);
    sql_hex(sql, code->data, code->len);
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

static enum db_outcome count_candidates(struct walk *walk)
{
    struct sql sql;

    sql_init(&sql);
    sql_add(&sql, count_head);
    add_candidates(&sql, walk->query, CANDIDATES_MAX + 1);
    sql_add(&sql, count_end);
    enum db_outcome outcome = db_run(&walk->query->worker->db, &sql, count_reply, walk);
    sql_release(&sql);
    return outcome;
}

static enum db_outcome sort_candidates(struct walk *walk)
{
    const struct query *query = walk->query;
    const Hf__ReservationQuery *asked = query->asked->reservation;
    struct sql sql;

    sql_init(&sql);
    sql_add(&sql, select_ids);
    add_matches(&sql, query);
    sql_add(&sql, asked->order.len > 0 ? from_order : from_sku);
    if (asked->order.len == 0)
        sql_add(&sql, "(SELECT reservation_id FROM ");
    add_candidates(&sql, query, CANDIDATES_MAX);
    if (asked->order.len == 0) {
        sql_add(&sql, ") x");
        sql_add(&sql, join_sku);
        sql_uint(&sql, query->slot->partition);
    } else {
        sql_add(&sql, of_order);
    }
    if (asked->expiring)
        sql_add(&sql, where_live);
    sql_add(&sql, asked->expiring ? ids_by_expiry : ids_newest);
    enum db_outcome outcome = db_run(&query->worker->db, &sql, ids_reply, walk);
    sql_release(&sql);
    return outcome;
}

/* ------------------------------------------------------------- a walk */

/* Behind the last one that was seen. */
static void add_behind(struct sql *sql, const struct walk *walk, bool expiring)
{
    int64_t at = expiring ? walk->last_expires_us : walk->last_created_us;

    if (!walk->begun)
        return;
    sql_add(sql, expiring ? " AND expires_at_us>=" : " AND created_at_us<=");
    sql_int(sql, at);
    sql_add(sql, expiring ? " AND (expires_at_us>" : " AND (created_at_us<");
    sql_int(sql, at);
    sql_add(sql, expiring ? " OR reservation_id>" : " OR reservation_id<");
    sql_hex(sql, walk->last, sizeof walk->last);
    sql_add(sql, ")");
}

/* Live ones are of two states, each of which the index has by expiry. */
static void add_walk(struct sql *sql, const struct walk *walk, size_t length)
{
    bool expiring = walk->query->asked->reservation->expiring;

    sql_add(sql, from_walk);
    for (unsigned state = 1; state <= (expiring ? 2 : 1); state++) {
        sql_add(sql, state == 2 ? union_all : expiring ? "(" : "");
        sql_add(sql, walk_columns);
        sql_add(sql, expiring ? by_due : by_newest);
        sql_uint(sql, walk->query->slot->partition);
        if (expiring) {
            sql_add(sql, and_state);
            sql_uint(sql, state);
        }
        add_behind(sql, walk, expiring);
        sql_add(sql, expiring ? next_expiry : newest);
        sql_uint(sql, length);
    }
    if (expiring) {
        sql_add(sql, ")");
        sql_add(sql, next_expiry);
        sql_uint(sql, length);
    }
    sql_add(sql, of_order);
    sql_add(sql, expiring ? ids_by_expiry : ids_newest);
}

static enum db_outcome walk_on(struct walk *walk, size_t length)
{
    struct sql sql;

    sql_init(&sql);
    sql_add(&sql, select_ids);
    add_matches(&sql, walk->query);
    add_walk(&sql, walk, length);
    enum db_outcome outcome = db_run(&walk->query->worker->db, &sql, ids_reply, walk);
    sql_release(&sql);
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
    if (filtered)
        outcome = count_candidates(&walk);
    if (filtered && outcome == DB_OK && walk.counted <= CANDIDATES_MAX)
        return sort_candidates(&walk);
    for (unsigned i = 0; outcome == DB_OK && i < STRETCHES_MAX; i++) {
        outcome = walk_on(&walk, length);
        if (page->more || walk.seen < length)
            return outcome;
    }
    page->more = true; /* there is more to look at, whether it matches or not */
    return outcome;
}
