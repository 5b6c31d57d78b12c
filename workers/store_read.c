/* SPDX-License-Identifier: MIT
 *
 * See store_read.h.
 */
#include "workers/store_read.h"

#include <string.h>

#include "workers/store_rows.h"

/* ------------------------------------------------------------- the snapshot */

static const char begin[] =
    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;"
    "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY;"
    "SELECT partition_id,epoch,claim_id,last_seq," STORE_NOW
    "+clock_offset_us FROM `partition` WHERE moved_to IS NULL AND partition_id IN (";

struct fences {
    struct store_fence *all;
    size_t count;
};

static bool fence_reply(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    const struct fences *fences = context;
    MYSQL_ROW row;

    (void)statement;
    (void)affected;
    while (rows && (row = mysql_fetch_row(rows)) != NULL) {
        unsigned long *lengths = mysql_fetch_lengths(rows);
        for (size_t i = 0; i < fences->count; i++) {
            struct store_fence *fence = &fences->all[i];
            if (fence->partition != db_uint(row[0]))
                continue;
            fence->holds = db_uint(row[1]) == fence->epoch && lengths[2] == 16 &&
                           memcmp(row[2], fence->claim_id, 16) == 0;
            fence->sequence = db_uint(row[3]);
            fence->at_us = db_int(row[4]);
        }
    }
    return true;
}

enum db_outcome store_snapshot(struct db *db, struct store_fence *fences, size_t count)
{
    struct fences all = {fences, count};
    struct sql sql;

    sql_init(&sql);
    sql_add(&sql, begin);
    for (size_t i = 0; i < count; i++) {
        fences[i].holds = false;
        sql_list_uint(&sql, fences[i].partition);
    }
    sql_add(&sql, ")");
    enum db_outcome outcome = db_run(db, &sql, fence_reply, &all);
    sql_release(&sql);
    return outcome;
}

/* ------------------------------------------------------------- stock */

static const char stock_select[] =
    "SELECT n.sku,l.warehouse,l.on_hand,l.reserved,l.committed,l.unavailable,l.safety_stock,"
    "l.reorder_point,l.shortfall,l.version,l.on_hand_version FROM (";
static const char items_in_partition[] = "SELECT sku FROM item WHERE partition_id=";
static const char levels_in_partition[] =
    "SELECT DISTINCT sku FROM stock_level WHERE partition_id=";
static const char stock_levels[] = ") n LEFT JOIN stock_level l ON l.partition_id=";
static const char stock_same[] = " AND l.sku=n.sku";
static const char stock_order[] = " ORDER BY n.sku,l.warehouse";

void store_add_skus(struct sql *sql, const ProtobufCBinaryData *skus, size_t count)
{
    sql_add(sql, " AND sku IN (");
    for (size_t i = 0; i < count; i++)
        sql_list_hex(sql, skus[i].data, skus[i].len);
    sql_add(sql, ")");
}

void store_add_page(struct sql *sql, const ProtobufCBinaryData *after, size_t limit)
{
    if (after->len > 0) {
        sql_add(sql, " AND sku>");
        sql_hex(sql, after->data, after->len);
    }
    sql_add(sql, " ORDER BY sku LIMIT ");
    sql_uint(sql, (uint64_t)limit + 1);
}

struct stock_rows {
    store_stock_row *row;
    void *context;
};

static bool stock_reply(void *context, size_t statement, MYSQL_RES *result, uint64_t affected)
{
    const struct stock_rows *rows = context;
    MYSQL_ROW row;

    (void)statement;
    (void)affected;
    while (result && (row = mysql_fetch_row(result)) != NULL) {
        unsigned long *lengths = mysql_fetch_lengths(result);
        struct level level = {0};
        store_code_read(&level.sku, row[0], lengths[0]);
        if (row[1]) {
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
        }
        if (!rows->row(rows->context, &level.sku, row[1] ? &level : NULL))
            return true;
    }
    return true;
}

enum db_outcome store_stock(struct db *db, const struct store_stock *wanted, store_stock_row *row,
                            void *context)
{
    struct stock_rows rows = {row, context};
    bool by_level = wanted->sku_count == 0 && wanted->warehouse.len > 0;
    struct sql sql;

    sql_init(&sql);
    sql_add(&sql, stock_select);
    sql_add(&sql, by_level ? levels_in_partition : items_in_partition);
    sql_uint(&sql, wanted->partition);
    if (by_level) {
        sql_add(&sql, " AND warehouse=");
        sql_hex(&sql, wanted->warehouse.data, wanted->warehouse.len);
    }
    if (wanted->sku_count > 0)
        store_add_skus(&sql, wanted->skus, wanted->sku_count);
    else
        store_add_page(&sql, &wanted->after, wanted->limit);
    sql_add(&sql, stock_levels);
    sql_uint(&sql, wanted->partition);
    sql_add(&sql, stock_same);
    if (wanted->warehouse.len > 0) {
        sql_add(&sql, " AND l.warehouse=");
        sql_hex(&sql, wanted->warehouse.data, wanted->warehouse.len);
    }
    sql_add(&sql, stock_order);
    enum db_outcome outcome = db_run(db, &sql, stock_reply, &rows);
    sql_release(&sql);
    return outcome;
}
