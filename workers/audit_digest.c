/* SPDX-License-Identifier: MIT
 *
 * What a partition holds, read from its rows and added up: what a view should hold at the same
 * sequence. The view reads its snapshots by statements of its own, so that a mistake in one is not
 * in the other.
 */
#include "workers/audit.h"
#include "workers/store_rows.h"

static struct digest_text text_of(MYSQL_ROW row, const unsigned long *lengths, size_t column)
{
    return (struct digest_text){row[column] ? row[column] : "", lengths[column]};
}

static const struct digest_text none = {"", 0};

static void see_item(void *context, MYSQL_ROW row, const unsigned long *lengths)
{
    struct digest_text sku = text_of(row, lengths, 0);
    uint64_t version = db_uint(row[3]);

    digest_add(context, HF__ROW_KIND__ROW_ITEM, sku, none, version,
               digest_item(sku, text_of(row, lengths, 1), db_uint(row[2]), version));
}

static void see_barcode(void *context, MYSQL_ROW row, const unsigned long *lengths)
{
    struct digest_text sku = text_of(row, lengths, 0);

    digest_add(context, HF__ROW_KIND__ROW_ITEM, sku, none, 0,
               digest_barcode(sku, text_of(row, lengths, 1)));
}

static void see_level(void *context, MYSQL_ROW row, const unsigned long *lengths)
{
    struct digest_text sku = text_of(row, lengths, 0), warehouse = text_of(row, lengths, 1);
    struct digest_level level = {
        .on_hand = db_uint(row[2]),
        .reserved = db_uint(row[3]),
        .committed = db_uint(row[4]),
        .unavailable = db_uint(row[5]),
        .safety_stock = db_uint(row[6]),
        .reorder_point = db_uint(row[7]),
        .version = db_uint(row[8]),
        .on_hand_version = db_uint(row[9]),
    };

    digest_add(context, HF__ROW_KIND__ROW_LEVEL, sku, warehouse, level.version,
               digest_level(sku, warehouse, &level));
}

static void see_reservation(void *context, MYSQL_ROW row, const unsigned long *lengths)
{
    struct digest_text id = text_of(row, lengths, 0);
    struct digest_reservation reservation = {
        .id = (const uint8_t *)row[0],
        .state = db_uint(row[1]),
        .revision = db_uint(row[2]),
        .expires_at_us = db_int(row[3]),
        .created_at_us = db_int(row[4]),
        .order = text_of(row, lengths, 5),
        .actor = text_of(row, lengths, 6),
    };

    if (id.length == RESERVATION_ID_BYTES)
        digest_add(context, HF__ROW_KIND__ROW_RESERVATION, id, none, reservation.revision,
                   digest_reservation(&reservation));
}

static void see_line(void *context, MYSQL_ROW row, const unsigned long *lengths)
{
    struct digest_text id = text_of(row, lengths, 0);
    struct digest_line line = {
        .number = db_uint(row[1]),
        .quantity = db_uint(row[4]),
        .reserved = db_uint(row[5]),
        .committed = db_uint(row[6]),
        .shipped = db_uint(row[7]),
        .cancelled = db_uint(row[8]),
        .released = db_uint(row[9]),
        .returned = db_uint(row[10]),
    };

    if (id.length == RESERVATION_ID_BYTES)
        digest_add(context, HF__ROW_KIND__ROW_RESERVATION, id, none, 0,
                   digest_line((const uint8_t *)row[0], text_of(row, lengths, 2),
                               text_of(row, lengths, 3), &line));
}

static void see_warehouse(void *context, MYSQL_ROW row, const unsigned long *lengths)
{
    struct digest_text code = text_of(row, lengths, 0);
    uint64_t version = db_uint(row[2]);

    digest_add(context, HF__ROW_KIND__ROW_WAREHOUSE, code, none, version,
               digest_warehouse(code, text_of(row, lengths, 1), version));
}

/* Open: some line of it is reserved or committed. The partition's number goes behind each text. */
#define HOLDS                                                                                      \
    "EXISTS (SELECT 1 FROM reservation_line h WHERE h.partition_id=r.partition_id AND "            \
    "h.reservation_id=r.reservation_id AND h.reserved+h.committed>0) AND r.partition_id="

static const struct {
    const char *sql;
    db_row *see;
    bool first_only; /* partition 0 has them */
} tables[] = {
    {"SELECT sku,name,reorder_point,version FROM item WHERE partition_id=", see_item, false},
    {"SELECT sku,barcode FROM barcode WHERE partition_id=", see_barcode, false},
    {"SELECT sku,warehouse,on_hand,reserved,committed,unavailable,safety_stock,reorder_point,"
     "version,on_hand_version FROM stock_level WHERE partition_id=",
     see_level, false},
    {"SELECT r.reservation_id,r.state,r.revision,r.expires_at_us,r.created_at_us,r.order_ref,"
     "r.actor FROM reservation r WHERE " HOLDS,
     see_reservation, false},
    {"SELECT r.reservation_id,r.line,r.sku,r.warehouse,r.quantity,r.reserved,r.committed,"
     "r.shipped,r.cancelled,r.released,r.returned FROM reservation_line r WHERE " HOLDS,
     see_line, false},
    {"SELECT code,name,version FROM warehouse WHERE 0=", see_warehouse, true},
};

enum db_outcome audit_add_up(struct db *db, uint32_t partition, struct digest_sum *sum)
{
    enum db_outcome outcome = DB_OK;
    struct sql sql;

    sql_init(&sql);
    for (size_t i = 0; i < sizeof tables / sizeof tables[0] && outcome == DB_OK; i++) {
        if (tables[i].first_only && partition != 0)
            continue;
        sql_reset(&sql);
        sql_add(&sql, tables[i].sql);
        sql_uint(&sql, partition);
        outcome = db_stream(db, &sql, tables[i].see, sum);
    }
    sql_release(&sql);
    return outcome;
}
