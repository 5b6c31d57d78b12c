/* SPDX-License-Identifier: MIT
 *
 * Look-ups. Each kind of need has one or two SELECTs over a derived table of what is asked for,
 * joined by primary key; all of them travel in one text. Column i of every reply is the index of
 * the need that the row answers.
 */
#include "workers/store.h"

#include <string.h>

#include "workers/store_movement.h"
#include "workers/store_rows.h"
#include "workers/store_run.h"

static const char select_items[] =
    "SELECT n.i,t.name,t.reorder_point,t.version,l.warehouse,l.on_hand,l.reserved,l.committed,"
    "l.unavailable,l.safety_stock,l.reorder_point,l.shortfall,l.version,l.on_hand_version FROM ";
static const char join_items[] =
    " STRAIGHT_JOIN item t FORCE INDEX (PRIMARY) ON t.partition_id=n.p AND t.sku=n.s "
    "LEFT JOIN stock_level l FORCE INDEX (PRIMARY) ON l.partition_id=n.p AND l.sku=n.s;";
static const char select_barcodes[] = "SELECT n.i,t.barcode FROM ";
static const char join_barcodes[] =
    " STRAIGHT_JOIN barcode t FORCE INDEX (by_item) ON t.partition_id=n.p AND t.sku=n.s;";
static const char select_reservations[] =
    "SELECT n.i,t.operation_id,t.state,t.revision,t.expires_at_us,t.created_at_us,t.order_ref,"
    "t.actor,l.sku,l.warehouse,l.quantity,l.reserved,l.committed,l.shipped,l.cancelled,l.released,"
    "l.returned FROM ";
static const char join_reservations[] =
    " STRAIGHT_JOIN reservation t FORCE INDEX (PRIMARY) ON t.partition_id=n.p AND "
    "t.reservation_id=n.r LEFT JOIN reservation_line l FORCE INDEX (PRIMARY) ON "
    "l.partition_id=n.p AND l.reservation_id=n.r ORDER BY n.i,l.line;";
static const char select_operations[] = "SELECT n.i,c.claim_id,";
static const char join_operations[] =
    " STRAIGHT_JOIN movement t FORCE INDEX (once) ON t.partition_id=n.p AND t.operation_id=n.o "
    "LEFT JOIN claim c ON c.partition_id=t.partition_id AND c.epoch=t.epoch ORDER BY n.i,t.idx;";
static const char select_owners[] = "SELECT n.i,t.sku FROM ";
static const char join_owners[] =
    " STRAIGHT_JOIN barcode t FORCE INDEX (PRIMARY) ON t.barcode=n.b;";
static const char select_runs[] = "SELECT n.i,";
static const char join_runs[] =
    " STRAIGHT_JOIN run t FORCE INDEX (PRIMARY) ON t.partition_id=n.p AND t.run=n.r;";
static const char join_run_blocks[] =
    " STRAIGHT_JOIN run_line t FORCE INDEX (PRIMARY) ON t.partition_id=n.p AND t.run=n.r AND "
    "t.block=n.k;";
static const char select_warehouses[] = "SELECT code,version FROM warehouse;";
static const char select_reasons[] = "SELECT code,version FROM reason;";

/* What was found for one need, until it is put. */
struct found {
    struct item item;
    bool item_found;
    struct level *levels;
    size_t level_count, level_room;
    size_t barcode_room;
    struct reservation reservation;
    bool reservation_found;
    size_t line_room;
    struct movement *movements;
    size_t movement_count, movement_room;
    struct code owner;
    bool owner_found;
    struct run run;
    bool run_found;
    struct run_block block;
    bool block_found;
};

struct look_up;
typedef void row_reader(struct look_up *look_up, size_t index, MYSQL_ROW row,
                        const unsigned long *lengths);

#define SECTIONS_MAX 10

struct look_up {
    const struct store_need *needs;
    struct found *found;
    size_t count;
    struct catalog *catalog;
    struct arena *arena;
    row_reader *readers[SECTIONS_MAX]; /* of each statement's rows, in order */
    size_t section_count;
};

/* Makes room for one more element of an array in the arena. */
static void *grow(struct arena *arena, void *array, size_t count, size_t *room, size_t bytes)
{
    if (count < *room)
        return array;
    size_t wider = *room ? *room * 2 : 4;
    void *copy = arena_alloc(arena, wider * bytes);
    if (count > 0)
        memcpy(copy, array, count * bytes);
    *room = wider;
    return copy;
}

void store_code_read(struct code *code, const char *field, unsigned long length)
{
    code_set(code, field, field ? (length < CODE_BYTES_MAX ? length : CODE_BYTES_MAX) : 0);
}

void store_bytes_read(uint8_t *out, size_t size, const char *field, unsigned long length)
{
    memset(out, 0, size);
    if (field)
        memcpy(out, field, length < size ? length : size);
}

static void read_item(struct look_up *look_up, size_t index, MYSQL_ROW row,
                      const unsigned long *lengths)
{
    struct found *found = &look_up->found[index];
    struct item *item = &found->item;

    if (!found->item_found) {
        found->item_found = true;
        item->sku = look_up->needs[index].need.code;
        item->name_bytes = (uint8_t)(lengths[1] < NAME_BYTES_MAX ? lengths[1] : NAME_BYTES_MAX);
        memcpy(item->name, row[1], item->name_bytes);
        item->reorder_point = db_int(row[2]);
        item->version = db_uint(row[3]);
    }
    if (!row[4])
        return;
    found->levels = grow(look_up->arena, found->levels, found->level_count, &found->level_room,
                         sizeof *found->levels);
    struct level *level = &found->levels[found->level_count++];
    memset(level, 0, sizeof *level);
    level->sku = look_up->needs[index].need.code;
    store_code_read(&level->warehouse, row[4], lengths[4]);
    level->now = (struct balances){
        .on_hand = db_int(row[5]),
        .reserved = db_int(row[6]),
        .committed = db_int(row[7]),
        .unavailable = db_int(row[8]),
        .safety_stock = db_int(row[9]),
        .reorder_point = db_int(row[10]),
        .shortfall = db_int(row[11]),
    };
    level->version = db_uint(row[12]);
    level->on_hand_version = db_uint(row[13]);
}

static void read_barcode(struct look_up *look_up, size_t index, MYSQL_ROW row,
                         const unsigned long *lengths)
{
    struct found *found = &look_up->found[index];
    struct item *item = &found->item;

    item->barcodes = grow(look_up->arena, item->barcodes, item->barcode_count, &found->barcode_room,
                          sizeof *item->barcodes);
    store_code_read(&item->barcodes[item->barcode_count++], row[1], lengths[1]);
}

static void read_reservation(struct look_up *look_up, size_t index, MYSQL_ROW row,
                             const unsigned long *lengths)
{
    struct found *found = &look_up->found[index];
    struct reservation *reservation = &found->reservation;

    if (!found->reservation_found) {
        found->reservation_found = true;
        memcpy(reservation->id, look_up->needs[index].need.id, sizeof reservation->id);
        store_bytes_read(reservation->operation_id, sizeof reservation->operation_id, row[1],
                         lengths[1]);
        reservation->state = (Hf__ReservationState)db_uint(row[2]);
        reservation->revision = (uint32_t)db_uint(row[3]);
        reservation->expires_at_us = db_int(row[4]);
        reservation->created_at_us = db_int(row[5]);
        store_code_read(&reservation->order, row[6], lengths[6]);
        store_code_read(&reservation->actor, row[7], lengths[7]);
    }
    if (!row[8])
        return;
    reservation->lines = grow(look_up->arena, reservation->lines, reservation->line_count,
                              &found->line_room, sizeof *reservation->lines);
    struct reservation_line *line = &reservation->lines[reservation->line_count++];
    memset(line, 0, sizeof *line);
    store_code_read(&line->sku, row[8], lengths[8]);
    store_code_read(&line->warehouse, row[9], lengths[9]);
    line->quantity = db_int(row[10]);
    line->reserved = db_int(row[11]);
    line->committed = db_int(row[12]);
    line->shipped = db_int(row[13]);
    line->cancelled = db_int(row[14]);
    line->released = db_int(row[15]);
    line->returned = db_int(row[16]);
}

static void read_operation(struct look_up *look_up, size_t index, MYSQL_ROW row,
                           const unsigned long *lengths)
{
    struct found *found = &look_up->found[index];

    found->movements = grow(look_up->arena, found->movements, found->movement_count,
                            &found->movement_room, sizeof *found->movements);
    struct movement *movement = &found->movements[found->movement_count++];
    store_movement_read(movement, row + 2, lengths + 2, look_up->arena);
    store_bytes_read(movement->claim_id, sizeof movement->claim_id, row[1], lengths[1]);
}

static void read_owner(struct look_up *look_up, size_t index, MYSQL_ROW row,
                       const unsigned long *lengths)
{
    store_code_read(&look_up->found[index].owner, row[1], lengths[1]);
    look_up->found[index].owner_found = true;
}

static void read_run(struct look_up *look_up, size_t index, MYSQL_ROW row,
                     const unsigned long *lengths)
{
    store_run_read(&look_up->found[index].run, row + 1, lengths + 1);
    look_up->found[index].run_found = true;
}

static void read_run_block(struct look_up *look_up, size_t index, MYSQL_ROW row,
                           const unsigned long *lengths)
{
    store_run_block_read(&look_up->found[index].block, row + 1, lengths + 1, look_up->arena);
    look_up->found[index].block_found = true;
}

static void read_warehouse(struct look_up *look_up, size_t index, MYSQL_ROW row,
                           const unsigned long *lengths)
{
    struct code code;

    (void)index;
    store_code_read(&code, row[0], lengths[0]);
    catalog_put_warehouse(look_up->catalog, &code, db_uint(row[1]));
}

static void read_reason(struct look_up *look_up, size_t index, MYSQL_ROW row,
                        const unsigned long *lengths)
{
    struct code code;

    (void)index;
    store_code_read(&code, row[0], lengths[0]);
    catalog_put_reason(look_up->catalog, &code, db_uint(row[1]));
}

static bool reply(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct look_up *look_up = context;
    MYSQL_ROW row;

    (void)affected;
    if (!rows || statement >= look_up->section_count)
        return false;
    row_reader *reader = look_up->readers[statement];
    bool indexed = reader != read_warehouse && reader != read_reason;
    while ((row = mysql_fetch_row(rows)) != NULL) {
        uint64_t index = indexed ? db_uint(row[0]) : 0;
        if (index >= look_up->count)
            return false;
        reader(look_up, index, row, mysql_fetch_lengths(rows));
    }
    return true;
}

/* The kinds that are looked up by a derived table: its columns after i, and the statements. */
static const char *const sku_names[] = {"i", "p", "s", NULL};
static const char *const reservation_names[] = {"i", "p", "r", NULL};
static const char *const operation_names[] = {"i", "p", "o", NULL};
static const char *const owner_names[] = {"i", "b", NULL};
static const char *const run_names[] = {"i", "p", "r", NULL};
static const char *const run_block_names[] = {"i", "p", "r", "k", NULL};

static const struct {
    enum need_kind kind;
    const char *const *names;
    const char *select, *from, *join;
    row_reader *reader;
} sections[] = {
    {NEED_SKU, sku_names, select_items, "", join_items, read_item},
    {NEED_SKU, sku_names, select_barcodes, "", join_barcodes, read_barcode},
    {NEED_RESERVATION, reservation_names, select_reservations, "", join_reservations,
     read_reservation},
    {NEED_OPERATION, operation_names, select_operations, store_movement_columns, join_operations,
     read_operation},
    {NEED_BARCODE, owner_names, select_owners, "", join_owners, read_owner},
    {NEED_RUN, run_names, select_runs, store_run_columns, join_runs, read_run},
    {NEED_RUN_BLOCK, run_block_names, select_runs, store_run_block_columns, join_run_blocks,
     read_run_block},
};

static void row_of_need(struct sql *sql, struct sql_rows *rows, size_t index,
                        const struct store_need *need)
{
    sql_rows_next(sql, rows);
    sql_rows_uint(sql, rows, index);
    if (need->need.kind != NEED_BARCODE)
        sql_rows_uint(sql, rows, ledger_partition(need->ledger));
    if (need->need.kind == NEED_RESERVATION)
        sql_rows_hex(sql, rows, need->need.id, RESERVATION_ID_BYTES);
    else if (need->need.kind == NEED_OPERATION)
        sql_rows_hex(sql, rows, need->need.id, UUID_BYTES);
    else
        sql_rows_code(sql, rows, &need->need.code);
    if (need->need.kind == NEED_RUN_BLOCK)
        sql_rows_uint(sql, rows, need->need.number);
}

static void build(struct sql *sql, struct look_up *look_up)
{
    bool wanted[NEED_CATALOG + 1] = {false};

    for (size_t i = 0; i < look_up->count; i++)
        wanted[look_up->needs[i].need.kind] = true;
    for (size_t s = 0; s < sizeof sections / sizeof sections[0]; s++) {
        struct sql_rows rows;
        if (!wanted[sections[s].kind])
            continue;
        sql_add(sql, sections[s].select);
        sql_add(sql, sections[s].from);
        if (sections[s].from[0] != '\0')
            sql_add(sql, " FROM ");
        sql_rows_begin(sql, &rows, sections[s].names);
        for (size_t i = 0; i < look_up->count; i++) {
            if (look_up->needs[i].need.kind == sections[s].kind)
                row_of_need(sql, &rows, i, &look_up->needs[i]);
        }
        sql_rows_end(sql, &rows);
        sql_add(sql, sections[s].join);
        look_up->readers[look_up->section_count++] = sections[s].reader;
    }
    if (wanted[NEED_CATALOG]) {
        sql_add(sql, select_warehouses);
        look_up->readers[look_up->section_count++] = read_warehouse;
        sql_add(sql, select_reasons);
        look_up->readers[look_up->section_count++] = read_reason;
    }
    sql->length--; /* the last semicolon: an empty statement behind it is an error */
}

static void put(const struct store_need *need, struct found *found)
{
    switch (need->need.kind) {
    case NEED_SKU:
        ledger_put_sku(need->ledger, &need->need.code, found->item_found ? &found->item : NULL,
                       found->levels, found->level_count);
        break;
    case NEED_RESERVATION:
        ledger_put_reservation(need->ledger, need->need.id,
                               found->reservation_found ? &found->reservation : NULL);
        break;
    case NEED_OPERATION:
        ledger_put_operation(need->ledger, need->need.id, found->movements, found->movement_count);
        break;
    case NEED_BARCODE:
        ledger_put_barcode(need->ledger, &need->need.code,
                           found->owner_found ? &found->owner : NULL);
        break;
    case NEED_RUN:
        ledger_put_run(need->ledger, &need->need.code, found->run_found ? &found->run : NULL);
        break;
    case NEED_RUN_BLOCK:
        ledger_put_run_block(need->ledger, &need->need.code, need->need.number,
                             found->block_found ? &found->block : NULL);
        break;
    case NEED_CATALOG:
        break;
    }
}

static enum db_outcome load_some(struct db *db, const struct store_need *needs, size_t count,
                                 struct catalog *catalog, struct arena *arena)
{
    struct sql sql;
    struct look_up look_up = {
        .needs = needs,
        .found = arena_zalloc(arena, count * sizeof(struct found)),
        .count = count,
        .catalog = catalog,
        .arena = arena,
    };

    sql_init(&sql);
    sql.values_row = db_is_mysql(db);
    build(&sql, &look_up);
    enum db_outcome outcome = db_run(db, &sql, reply, &look_up);
    sql_release(&sql);
    for (size_t i = 0; outcome == DB_OK && i < count; i++)
        put(&needs[i], &look_up.found[i]);
    return outcome;
}

enum db_outcome store_load(struct db *db, const struct store_need *needs, size_t count,
                           struct catalog *catalog, struct arena *arena)
{
    enum db_outcome outcome = DB_OK;

    for (size_t done = 0; outcome == DB_OK && done < count;) {
        size_t some = count - done < STORE_NEEDS_MAX ? count - done : STORE_NEEDS_MAX;
        outcome = load_some(db, needs + done, some, catalog, arena);
        done += some;
    }
    return outcome;
}
