/* SPDX-License-Identifier: MIT
 *
 * Stock, items, warehouses and reasons. Each page asks for one row more than its limit, to know
 * whether there is more.
 */
#include <string.h>

#include "workers/query_impl.h"

static const char stock_select[] =
    "SELECT n.sku,l.warehouse,l.on_hand,l.reserved,l.committed,l.unavailable,l.safety_stock,"
    "l.reorder_point,l.shortfall,l.version,l.on_hand_version FROM (";
static const char items_in_partition[] = "SELECT sku FROM item WHERE partition_id=";
static const char levels_in_partition[] =
    "SELECT DISTINCT sku FROM stock_level WHERE partition_id=";
static const char stock_levels[] = ") n LEFT JOIN stock_level l ON l.partition_id=";
static const char stock_same[] = " AND l.sku=n.sku";
static const char stock_order[] = " ORDER BY n.sku,l.warehouse";
static const char item_select[] = "SELECT sku,name,reorder_point,version FROM item WHERE "
                                  "partition_id=";
static const char barcode_select[] = "SELECT b.sku,b.barcode FROM (";
static const char barcode_join[] = ") n JOIN barcode b FORCE INDEX (by_item) ON b.partition_id=";
static const char barcode_order[] = " AND b.sku=n.sku ORDER BY b.sku,b.barcode";
static const char of_barcode[] = " AND sku IN (SELECT sku FROM barcode WHERE barcode=";
static const char warehouse_select[] = "SELECT code,name,version FROM warehouse WHERE code>";
static const char reason_select[] = "SELECT code,name,version FROM reason WHERE code>";

/* Codes that are asked for by name must lie on this partition. */
static bool check_skus(struct query *query, const ProtobufCBinaryData *skus, size_t count,
                       const char *field)
{
    uint32_t partitions = query->worker->config->partitions;

    if (count > QUERY_IDS_MAX) {
        (void)query_refuse(query, STATUS_too_large, field, "names more than 256");
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!query_code(query, &skus[i], field))
            return false;
        uint32_t partition = partition_of_sku(skus[i].data, skus[i].len, partitions);
        if (partition != query->slot->partition) {
            query->answer.partition_wanted = partition;
            (void)query_refuse(query, STATUS_wrong_partition, field,
                               "names a sku of another partition");
            return false;
        }
    }
    return true;
}

static void add_skus(struct sql *sql, const ProtobufCBinaryData *skus, size_t count)
{
    sql_add(sql, " AND sku IN (");
    for (size_t i = 0; i < count; i++)
        sql_list_hex(sql, skus[i].data, skus[i].len);
    sql_add(sql, ")");
}

static void add_page(struct sql *sql, const ProtobufCBinaryData *after, uint32_t limit)
{
    if (after->len > 0) {
        sql_add(sql, " AND sku>");
        sql_hex(sql, after->data, after->len);
    }
    sql_add(sql, " ORDER BY sku LIMIT ");
    sql_uint(sql, (uint64_t)limit + 1);
}

/* ------------------------------------------------------------- stock */

struct stock_rows {
    struct query *query;
    size_t limit;
    Hf__Stock *current;
    size_t level_room;
};

static void add_level(struct stock_rows *rows, const struct level *level)
{
    Hf__Stock *stock = rows->current;

    if (stock->n_levels == rows->level_room) {
        size_t room = rows->level_room ? rows->level_room * 2 : 4;
        Hf__Level **levels = arena_alloc(rows->query->arena, room * sizeof(Hf__Level *));
        if (stock->n_levels > 0)
            memcpy(levels, stock->levels, stock->n_levels * sizeof(Hf__Level *));
        stock->levels = levels;
        rows->level_room = room;
    }
    stock->levels[stock->n_levels++] = store_level_message(level, rows->query->arena);
}

static bool stock_reply(void *context, size_t statement, MYSQL_RES *result, uint64_t affected)
{
    struct stock_rows *rows = context;
    Hf__Answer *answer = &rows->query->answer;
    MYSQL_ROW row;

    (void)statement;
    (void)affected;
    answer->stock = arena_alloc(rows->query->arena, (rows->limit + 1) * sizeof(Hf__Stock *));
    while (result && (row = mysql_fetch_row(result)) != NULL) {
        unsigned long *lengths = mysql_fetch_lengths(result);
        Hf__Stock *stock = rows->current;
        if (!stock || stock->sku.len != lengths[0] ||
            memcmp(stock->sku.data, row[0], lengths[0]) != 0) {
            if (answer->n_stock == rows->limit) {
                answer->more = true;
                return true;
            }
            stock = arena_alloc(rows->query->arena, sizeof *stock);
            hf__stock__init(stock);
            stock->sku = query_bytes(rows->query, row[0], lengths[0]);
            answer->stock[answer->n_stock++] = stock;
            rows->current = stock;
            rows->level_room = 0;
        }
        if (!row[1])
            continue;
        struct level level = {0};
        store_code_read(&level.sku, row[0], lengths[0]);
        store_code_read(&level.warehouse, row[1], lengths[1]);
        level.now = (struct balances){
            .on_hand = db_int(row[2]),
            .reserved = db_int(row[3]),
            .committed = db_int(row[4]),
            .unavailable = db_int(row[5]),
            .safety_stock = db_int(row[6]),
            .reorder_point = db_int(row[7]),
            .shortfall = db_int(row[8]),
        };
        level.version = db_uint(row[9]);
        level.on_hand_version = db_uint(row[10]);
        add_level(rows, &level);
    }
    return true;
}

enum db_outcome query_stock(struct query *query)
{
    const Hf__StockQuery *asked = query->asked->stock;
    struct stock_rows rows = {.query = query, .limit = asked->n_skus};
    struct sql sql;

    if (!check_skus(query, asked->skus, asked->n_skus, "stock.skus") ||
        (asked->warehouse.len > 0 && !query_code(query, &asked->warehouse, "stock.warehouse")) ||
        (asked->after.len > 0 && !query_code(query, &asked->after, "stock.after")))
        return DB_OK;
    if (asked->n_skus == 0 && !query_limit(query, asked->limit, "stock.limit"))
        return DB_OK;
    sql_init(&sql);
    sql_add(&sql, stock_select);
    /* A page of one warehouse lists what has a level there. */
    bool by_level = asked->n_skus == 0 && asked->warehouse.len > 0;
    sql_add(&sql, by_level ? levels_in_partition : items_in_partition);
    sql_uint(&sql, query->slot->partition);
    if (by_level) {
        sql_add(&sql, " AND warehouse=");
        sql_hex(&sql, asked->warehouse.data, asked->warehouse.len);
    }
    if (asked->n_skus > 0) {
        add_skus(&sql, asked->skus, asked->n_skus);
    } else {
        rows.limit = asked->limit;
        add_page(&sql, &asked->after, asked->limit);
    }
    sql_add(&sql, stock_levels);
    sql_uint(&sql, query->slot->partition);
    sql_add(&sql, stock_same);
    if (asked->warehouse.len > 0) {
        sql_add(&sql, " AND l.warehouse=");
        sql_hex(&sql, asked->warehouse.data, asked->warehouse.len);
    }
    sql_add(&sql, stock_order);
    enum db_outcome outcome = db_run(&query->worker->db, &sql, stock_reply, &rows);
    sql_release(&sql);
    return outcome;
}

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
        add_skus(sql, asked->skus, asked->n_skus);
        sql_add(sql, " ORDER BY sku");
    } else {
        add_page(sql, &asked->after, asked->limit);
    }
}

enum db_outcome query_item(struct query *query)
{
    const Hf__ItemQuery *asked = query->asked->item;
    struct item_rows rows = {.query = query, .limit = asked->n_skus};
    struct sql sql;

    if (!check_skus(query, asked->skus, asked->n_skus, "item.skus") ||
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
