/* SPDX-License-Identifier: MIT
 *
 * Items with their barcodes, warehouses and reasons. Each page asks for one row more than its
 * limit, to know whether there is more.
 */
#include <string.h>

#include "workers/query_impl.h"
#include "workers/store_read.h"

static const char items_in_partition[] = "SELECT sku FROM item WHERE partition_id=";
static const char item_select[] = "SELECT sku,name,reorder_point,version FROM item WHERE "
                                  "partition_id=";
static const char barcode_select[] = "SELECT b.sku,b.barcode FROM (";
static const char barcode_join[] = ") n JOIN barcode b FORCE INDEX (by_item) ON b.partition_id=";
static const char barcode_order[] = " AND b.sku=n.sku ORDER BY b.sku,b.barcode";
static const char of_barcode[] = " AND sku IN (SELECT sku FROM barcode WHERE barcode=";
static const char warehouse_select[] = "SELECT code,name,version FROM warehouse WHERE code>";
static const char reason_select[] = "SELECT code,name,version FROM reason WHERE code>";

/* ------------------------------------------------------------- items */

struct item_rows {
    struct query *query;
    size_t limit;
    size_t at; /* item that the next barcodes belong to, or one before it */
    size_t room;
};

static void read_items(struct item_rows *rows, MYSQL_RES *result)
{
    Hf__Answer *answer = &rows->query->answer;
    MYSQL_ROW row;

    answer->items = arena_alloc(rows->query->arena, (rows->limit + 1) * sizeof(Hf__Item *));
    while ((row = mysql_fetch_row(result)) != NULL) {
        unsigned long *lengths = mysql_fetch_lengths(result);
        if (answer->n_items == rows->limit) {
            answer->more = true;
            return;
        }
        Hf__Item *item = arena_alloc(rows->query->arena, sizeof *item);
        hf__item__init(item);
        item->sku = query_bytes(rows->query, row[0], lengths[0]);
        item->name = query_bytes(rows->query, row[1], lengths[1]);
        item->reorder_point = (uint32_t)db_uint(row[2]);
        item->version = db_uint(row[3]);
        answer->items[answer->n_items++] = item;
    }
}

/* Both lists are sorted by sku. */
static void read_barcodes(struct item_rows *rows, MYSQL_RES *result)
{
    Hf__Answer *answer = &rows->query->answer;
    MYSQL_ROW row;

    while ((row = mysql_fetch_row(result)) != NULL) {
        unsigned long *lengths = mysql_fetch_lengths(result);
        while (rows->at < answer->n_items &&
               (answer->items[rows->at]->sku.len != lengths[0] ||
                memcmp(answer->items[rows->at]->sku.data, row[0], lengths[0]) != 0)) {
            rows->at++;
            rows->room = 0;
        }
        if (rows->at == answer->n_items)
            return;
        Hf__Item *item = answer->items[rows->at];
        if (item->n_barcodes == rows->room) {
            rows->room = rows->room ? rows->room * 2 : 4;
            ProtobufCBinaryData *wider =
                arena_alloc(rows->query->arena, rows->room * sizeof *wider);
            if (item->n_barcodes > 0)
                memcpy(wider, item->barcodes, item->n_barcodes * sizeof *wider);
            item->barcodes = wider;
        }
        item->barcodes[item->n_barcodes++] = query_bytes(rows->query, row[1], lengths[1]);
    }
}

static bool item_reply(void *context, size_t statement, MYSQL_RES *result, uint64_t affected)
{
    (void)affected;
    if (result && statement == 0)
        read_items(context, result);
    else if (result)
        read_barcodes(context, result);
    return true;
}

static void add_items(struct sql *sql, const struct query *query)
{
    const Hf__ItemQuery *asked = query->asked->item;

    sql_uint(sql, query->slot->partition);
    if (asked->barcode.len > 0) {
        sql_add(sql, of_barcode);
        sql_hex(sql, asked->barcode.data, asked->barcode.len);
        sql_add(sql, ")");
    } else if (asked->n_skus > 0) {
        store_add_skus(sql, asked->skus, asked->n_skus);
        sql_add(sql, " ORDER BY sku");
    } else {
        store_add_page(sql, &asked->after, asked->limit);
    }
}

enum db_outcome query_item(struct query *query)
{
    const Hf__ItemQuery *asked = query->asked->item;
    struct item_rows rows = {.query = query, .limit = asked->n_skus};
    struct sql sql;

    if (!query_skus(query, asked->skus, asked->n_skus, "item.skus") ||
        (asked->barcode.len > 0 && !query_code(query, &asked->barcode, "item.barcode")) ||
        (asked->after.len > 0 && !query_code(query, &asked->after, "item.after")))
        return DB_OK;
    if (asked->barcode.len > 0)
        rows.limit = 1;
    else if (asked->n_skus == 0 && !query_limit(query, asked->limit, "item.limit"))
        return DB_OK;
    else if (asked->n_skus == 0)
        rows.limit = asked->limit;
    sql_init(&sql);
    sql_add(&sql, item_select);
    add_items(&sql, query);
    sql_add(&sql, ";");
    sql_add(&sql, barcode_select);
    sql_add(&sql, items_in_partition);
    add_items(&sql, query);
    sql_add(&sql, barcode_join);
    sql_uint(&sql, query->slot->partition);
    sql_add(&sql, barcode_order);
    enum db_outcome outcome = db_run(&query->worker->db, &sql, item_reply, &rows);
    sql_release(&sql);
    return outcome;
}

/* ------------------------------------------------------------- warehouses and reasons */

struct named_rows {
    struct query *query;
    size_t limit;
};

static bool named_reply(void *context, size_t statement, MYSQL_RES *result, uint64_t affected)
{
    struct named_rows *rows = context;
    Hf__Answer *answer = &rows->query->answer;
    MYSQL_ROW row;

    (void)statement;
    (void)affected;
    answer->named = arena_alloc(rows->query->arena, (rows->limit + 1) * sizeof(Hf__Named *));
    while (result && (row = mysql_fetch_row(result)) != NULL) {
        unsigned long *lengths = mysql_fetch_lengths(result);
        if (answer->n_named == rows->limit) {
            answer->more = true;
            return true;
        }
        Hf__Named *named = arena_alloc(rows->query->arena, sizeof *named);
        hf__named__init(named);
        named->code = query_bytes(rows->query, row[0], lengths[0]);
        named->name = query_bytes(rows->query, row[1], lengths[1]);
        named->version = db_uint(row[2]);
        answer->named[answer->n_named++] = named;
    }
    return true;
}

static enum db_outcome read_named(struct query *query, const char *select,
                                  const ProtobufCBinaryData *after, uint32_t limit)
{
    struct named_rows rows = {.query = query, .limit = limit};
    struct sql sql;

    sql_init(&sql);
    sql_add(&sql, select);
    sql_hex(&sql, after->data, after->len);
    sql_add(&sql, " ORDER BY code LIMIT ");
    sql_uint(&sql, (uint64_t)limit + 1);
    enum db_outcome outcome = db_run(&query->worker->db, &sql, named_reply, &rows);
    sql_release(&sql);
    return outcome;
}

enum db_outcome query_warehouse(struct query *query)
{
    const Hf__WarehouseQuery *asked = query->asked->warehouse;

    if (!query_limit(query, asked->limit, "warehouse.limit") ||
        (asked->after.len > 0 && !query_code(query, &asked->after, "warehouse.after")))
        return DB_OK;
    return read_named(query, warehouse_select, &asked->after, asked->limit);
}

enum db_outcome query_reason(struct query *query)
{
    const Hf__ReasonQuery *asked = query->asked->reason;

    if (!query_limit(query, asked->limit, "reason.limit") ||
        (asked->after.len > 0 && !query_code(query, &asked->after, "reason.after")))
        return DB_OK;
    return read_named(query, reason_select, &asked->after, asked->limit);
}
