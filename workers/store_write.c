/* SPDX-License-Identifier: MIT
 *
 * The one transaction of a batch. All its statements but COMMIT are one text and one round trip;
 * how many there are depends on what kinds of rows change, not on how many operations there were.
 *
 * The fence comes first (docs/decisions/0009-fence-first.md). It takes the lock of the partition's
 * row, so that from there on nobody else can be writing rows of the partition, and a worker that
 * lost the partition learns it from the fence and not from a duplicate key further on.
 */
#include "workers/store.h"

#include <string.h>

#include "workers/store_movement.h"
#include "workers/store_rows.h"
#include "workers/store_run.h"

static const char start[] = "START TRANSACTION;";

static const char *const fence_names[] = {"p", "e", "c", "o", "s", "u", NULL};
static const char fence_set[] =
    " STRAIGHT_JOIN `partition` t FORCE INDEX (PRIMARY) ON t.partition_id=n.p AND t.epoch=n.e AND "
    "t.claim_id=n.c AND t.last_seq=n.o SET "
    "t.last_seq=n.s,t.clock_high_us=n.u,t.lease_until_us=" STORE_NOW "+";

static const char insert_levels[] =
    "INSERT INTO stock_level (partition_id,sku,warehouse,on_hand,reserved,committed,unavailable,"
    "safety_stock,reorder_point,shortfall,version,on_hand_version) VALUES ";
static const char *const level_names[] = {"p",  "s",  "w",  "b",  "oh", "re", "co",
                                          "un", "sa", "ro", "sh", "v",  "ov", NULL};
static const char level_set[] =
    " STRAIGHT_JOIN stock_level t FORCE INDEX (PRIMARY) ON t.partition_id=n.p AND t.sku=n.s AND "
    "t.warehouse=n.w AND t.version=n.b SET t.on_hand=n.oh,t.reserved=n.re,t.committed=n.co,"
    "t.unavailable=n.un,t.safety_stock=n.sa,t.reorder_point=n.ro,t.shortfall=n.sh,t.version=n.v,"
    "t.on_hand_version=n.ov;";

static const char insert_reservations[] =
    "INSERT INTO reservation (partition_id,reservation_id,operation_id,state,revision,"
    "expires_at_us,created_at_us,order_ref,actor) VALUES ";
static const char insert_lines[] =
    "INSERT INTO reservation_line (partition_id,reservation_id,line,level_partition,sku,warehouse,"
    "quantity,reserved,committed,shipped,cancelled,released,returned) VALUES ";
static const char *const reservation_names[] = {"p", "r", "b", "st", "v", "e", NULL};
static const char reservation_set[] =
    " STRAIGHT_JOIN reservation t FORCE INDEX (PRIMARY) ON t.partition_id=n.p AND "
    "t.reservation_id=n.r AND t.revision=n.b SET t.state=n.st,t.revision=n.v,t.expires_at_us=n.e;";
static const char *const line_names[] = {"p", "r", "l", "re", "co", "sh", "ca", "rl", "rt", NULL};
static const char line_set[] =
    " STRAIGHT_JOIN reservation_line t FORCE INDEX (PRIMARY) ON t.partition_id=n.p AND "
    "t.reservation_id=n.r AND t.line=n.l SET t.reserved=n.re,t.committed=n.co,t.shipped=n.sh,"
    "t.cancelled=n.ca,t.released=n.rl,t.returned=n.rt;";

static const char insert_items[] =
    "INSERT INTO item (partition_id,sku,name,reorder_point,version) VALUES ";
static const char *const item_names[] = {"p", "s", "b", "nm", "ro", "v", NULL};
/* A hex literal is bytes; the column is text. */
static const char item_set[] =
    " STRAIGHT_JOIN item t FORCE INDEX (PRIMARY) ON t.partition_id=n.p AND t.sku=n.s AND "
    "t.version=n.b SET t.name=CONVERT(n.nm USING utf8mb4),t.reorder_point=n.ro,t.version=n.v;";
static const char *const key_names[] = {"p", "s", NULL};
static const char barcodes_delete[] = "DELETE t FROM ";
static const char barcodes_of[] =
    " STRAIGHT_JOIN barcode t FORCE INDEX (by_item) ON t.partition_id=n.p AND t.sku=n.s;";
static const char insert_barcodes[] = "INSERT INTO barcode (barcode,partition_id,sku) VALUES ";

static const char insert_warehouses[] = "INSERT INTO warehouse (code,name,version) VALUES ";
static const char insert_reasons[] = "INSERT INTO reason (code,name,version) VALUES ";
static const char named_newer[] = " ON DUPLICATE KEY UPDATE name=VALUES(name),"
                                  "version=GREATEST(version,VALUES(version));";

#define STATEMENTS_MAX 20
#define ANY_COUNT UINT64_MAX

struct transaction {
    struct sql sql;
    const struct store_part *parts;
    size_t count;
    uint64_t expected[STATEMENTS_MAX]; /* rows that each statement must match, or ANY_COUNT */
    size_t statements;
    size_t fence; /* index of the fence */
    size_t wrong; /* the first statement whose count was another; STATEMENTS_MAX: none */
};

static void expect(struct transaction *tx, uint64_t rows)
{
    tx->expected[tx->statements++] = rows;
}

static void add_fence(struct transaction *tx, int64_t lease_us)
{
    struct sql *sql = &tx->sql;
    struct sql_rows rows;

    sql_add(sql, "UPDATE ");
    sql_rows_begin(sql, &rows, fence_names);
    for (size_t i = 0; i < tx->count; i++) {
        const struct store_part *part = &tx->parts[i];
        sql_rows_next(sql, &rows);
        sql_rows_uint(sql, &rows, part->partition);
        sql_rows_uint(sql, &rows, part->epoch);
        sql_rows_hex(sql, &rows, part->claim_id, 16);
        sql_rows_uint(sql, &rows, part->changes.base_seq);
        sql_rows_uint(sql, &rows, part->changes.last_seq);
        sql_rows_int(sql, &rows, part->now_us);
    }
    sql_rows_end(sql, &rows);
    sql_add(sql, fence_set);
    sql_int(sql, lease_us);
    sql_add(sql, ";");
    tx->fence = tx->statements;
    expect(tx, tx->count);
}

/* Ends a list of rows, each of which ended with a comma. */
static void end_list(struct sql *sql)
{
    sql->bytes[sql->length - 1] = ';';
}

static void add_new_levels(struct transaction *tx)
{
    struct sql *sql = &tx->sql;
    uint64_t count = 0;

    for (size_t p = 0; p < tx->count; p++) {
        const struct changes *changes = &tx->parts[p].changes;
        for (size_t i = 0; i < changes->level_count; i++) {
            const struct level *level = changes->levels[i].level;
            const struct balances *now = &level->now;
            if (!changes->levels[i].is_new)
                continue;
            if (count++ == 0)
                sql_add(sql, insert_levels);
            sql_add(sql, "(");
            sql_list_uint(sql, tx->parts[p].partition);
            sql_list_code(sql, &level->sku);
            sql_list_code(sql, &level->warehouse);
            const int64_t numbers[] = {now->on_hand,     now->reserved,     now->committed,
                                       now->unavailable, now->safety_stock, now->reorder_point,
                                       now->shortfall};
            for (size_t n = 0; n < sizeof numbers / sizeof numbers[0]; n++)
                sql_list_int(sql, numbers[n]);
            sql_list_uint(sql, level->version);
            sql_list_uint(sql, level->on_hand_version);
            sql_add(sql, "),");
        }
    }
    if (count == 0)
        return;
    end_list(sql);
    expect(tx, count);
}

static void add_level_updates(struct transaction *tx)
{
    struct sql *sql = &tx->sql;
    struct sql_rows rows;
    uint64_t count = 0;

    for (size_t p = 0; p < tx->count; p++) {
        const struct changes *changes = &tx->parts[p].changes;
        for (size_t i = 0; i < changes->level_count; i++) {
            const struct level *level = changes->levels[i].level;
            const struct balances *now = &level->now;
            if (changes->levels[i].is_new)
                continue;
            if (count++ == 0) {
                sql_add(sql, "UPDATE ");
                sql_rows_begin(sql, &rows, level_names);
            }
            sql_rows_next(sql, &rows);
            sql_rows_uint(sql, &rows, tx->parts[p].partition);
            sql_rows_code(sql, &rows, &level->sku);
            sql_rows_code(sql, &rows, &level->warehouse);
            sql_rows_uint(sql, &rows, changes->levels[i].base_version);
            const int64_t numbers[] = {now->on_hand,     now->reserved,     now->committed,
                                       now->unavailable, now->safety_stock, now->reorder_point,
                                       now->shortfall};
            for (size_t n = 0; n < sizeof numbers / sizeof numbers[0]; n++)
                sql_rows_int(sql, &rows, numbers[n]);
            sql_rows_uint(sql, &rows, level->version);
            sql_rows_uint(sql, &rows, level->on_hand_version);
        }
    }
    if (count == 0)
        return;
    sql_rows_end(sql, &rows);
    sql_add(sql, level_set);
    expect(tx, count);
}

static void add_new_reservations(struct transaction *tx)
{
    struct sql *sql = &tx->sql;
    uint64_t count = 0;

    for (size_t p = 0; p < tx->count; p++) {
        const struct changes *changes = &tx->parts[p].changes;
        for (size_t i = 0; i < changes->reservation_count; i++) {
            const struct reservation *reservation = changes->reservations[i].reservation;
            if (!changes->reservations[i].is_new)
                continue;
            if (count++ == 0)
                sql_add(sql, insert_reservations);
            sql_add(sql, "(");
            sql_list_uint(sql, tx->parts[p].partition);
            sql_list_hex(sql, reservation->id, RESERVATION_ID_BYTES);
            sql_list_hex(sql, reservation->operation_id, UUID_BYTES);
            sql_list_uint(sql, (uint64_t)reservation->state);
            sql_list_uint(sql, reservation->revision);
            sql_list_int(sql, reservation->expires_at_us);
            sql_list_int(sql, reservation->created_at_us);
            sql_list_code(sql, &reservation->order);
            sql_list_code(sql, &reservation->actor);
            sql_add(sql, "),");
        }
    }
    if (count == 0)
        return;
    end_list(sql);
    expect(tx, count);
}

static void add_new_line(struct sql *sql, uint32_t partition, const struct reservation *reservation,
                         size_t index)
{
    const struct reservation_line *line = &reservation->lines[index];
    const int64_t counts[] = {line->quantity,  line->reserved, line->committed, line->shipped,
                              line->cancelled, line->released, line->returned};

    sql_add(sql, "(");
    sql_list_uint(sql, partition);
    sql_list_hex(sql, reservation->id, RESERVATION_ID_BYTES);
    sql_list_uint(sql, index);
    sql_list_uint(sql, partition);
    sql_list_code(sql, &line->sku);
    sql_list_code(sql, &line->warehouse);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        sql_list_int(sql, counts[i]);
    sql_add(sql, "),");
}

static void add_new_lines(struct transaction *tx)
{
    uint64_t count = 0;

    for (size_t p = 0; p < tx->count; p++) {
        const struct changes *changes = &tx->parts[p].changes;
        for (size_t i = 0; i < changes->reservation_count; i++) {
            const struct reservation *reservation = changes->reservations[i].reservation;
            for (size_t l = 0; changes->reservations[i].is_new && l < reservation->line_count;
                 l++) {
                if (count++ == 0)
                    sql_add(&tx->sql, insert_lines);
                add_new_line(&tx->sql, tx->parts[p].partition, reservation, l);
            }
        }
    }
    if (count == 0)
        return;
    end_list(&tx->sql);
    expect(tx, count);
}

static void add_reservation_updates(struct transaction *tx)
{
    struct sql *sql = &tx->sql;
    struct sql_rows rows;
    uint64_t count = 0;

    for (size_t p = 0; p < tx->count; p++) {
        const struct changes *changes = &tx->parts[p].changes;
        for (size_t i = 0; i < changes->reservation_count; i++) {
            const struct reservation *reservation = changes->reservations[i].reservation;
            if (changes->reservations[i].is_new)
                continue;
            if (count++ == 0) {
                sql_add(sql, "UPDATE ");
                sql_rows_begin(sql, &rows, reservation_names);
            }
            sql_rows_next(sql, &rows);
            sql_rows_uint(sql, &rows, tx->parts[p].partition);
            sql_rows_hex(sql, &rows, reservation->id, RESERVATION_ID_BYTES);
            sql_rows_uint(sql, &rows, changes->reservations[i].base_revision);
            sql_rows_uint(sql, &rows, (uint64_t)reservation->state);
            sql_rows_uint(sql, &rows, reservation->revision);
            sql_rows_int(sql, &rows, reservation->expires_at_us);
        }
    }
    if (count == 0)
        return;
    sql_rows_end(sql, &rows);
    sql_add(sql, reservation_set);
    expect(tx, count);
}

static void add_line_updates(struct transaction *tx)
{
    struct sql *sql = &tx->sql;
    struct sql_rows rows;
    uint64_t count = 0;

    for (size_t p = 0; p < tx->count; p++) {
        const struct changes *changes = &tx->parts[p].changes;
        for (size_t i = 0; i < changes->reservation_count; i++) {
            const struct reservation *reservation = changes->reservations[i].reservation;
            for (size_t l = 0; !changes->reservations[i].is_new && l < reservation->line_count;
                 l++) {
                const struct reservation_line *line = &reservation->lines[l];
                const int64_t counts[] = {line->reserved,  line->committed, line->shipped,
                                          line->cancelled, line->released,  line->returned};
                if (count++ == 0) {
                    sql_add(sql, "UPDATE ");
                    sql_rows_begin(sql, &rows, line_names);
                }
                sql_rows_next(sql, &rows);
                sql_rows_uint(sql, &rows, tx->parts[p].partition);
                sql_rows_hex(sql, &rows, reservation->id, RESERVATION_ID_BYTES);
                sql_rows_uint(sql, &rows, l);
                for (size_t n = 0; n < sizeof counts / sizeof counts[0]; n++)
                    sql_rows_int(sql, &rows, counts[n]);
            }
        }
    }
    if (count == 0)
        return;
    sql_rows_end(sql, &rows);
    sql_add(sql, line_set);
    expect(tx, count);
}

static void add_new_items(struct transaction *tx)
{
    struct sql *sql = &tx->sql;
    uint64_t count = 0;

    for (size_t p = 0; p < tx->count; p++) {
        const struct changes *changes = &tx->parts[p].changes;
        for (size_t i = 0; i < changes->item_count; i++) {
            const struct item *item = changes->items[i].item;
            if (!changes->items[i].is_new)
                continue;
            if (count++ == 0)
                sql_add(sql, insert_items);
            sql_add(sql, "(");
            sql_list_uint(sql, tx->parts[p].partition);
            sql_list_code(sql, &item->sku);
            sql_list_hex(sql, item->name, item->name_bytes);
            sql_list_int(sql, item->reorder_point);
            sql_list_uint(sql, item->version);
            sql_add(sql, "),");
        }
    }
    if (count == 0)
        return;
    end_list(sql);
    expect(tx, count);
}

static void add_item_updates(struct transaction *tx)
{
    struct sql *sql = &tx->sql;
    struct sql_rows rows;
    uint64_t count = 0;

    for (size_t p = 0; p < tx->count; p++) {
        const struct changes *changes = &tx->parts[p].changes;
        for (size_t i = 0; i < changes->item_count; i++) {
            const struct item *item = changes->items[i].item;
            if (changes->items[i].is_new)
                continue;
            if (count++ == 0) {
                sql_add(sql, "UPDATE ");
                sql_rows_begin(sql, &rows, item_names);
            }
            sql_rows_next(sql, &rows);
            sql_rows_uint(sql, &rows, tx->parts[p].partition);
            sql_rows_code(sql, &rows, &item->sku);
            sql_rows_uint(sql, &rows, changes->items[i].base_version);
            sql_rows_hex(sql, &rows, item->name, item->name_bytes);
            sql_rows_int(sql, &rows, item->reorder_point);
            sql_rows_uint(sql, &rows, item->version);
        }
    }
    if (count == 0)
        return;
    sql_rows_end(sql, &rows);
    sql_add(sql, item_set);
    expect(tx, count);
}

/* An item's barcodes are replaced. All are taken away before any is given: two items may swap. */
static void add_barcodes(struct transaction *tx)
{
    struct sql *sql = &tx->sql;
    struct sql_rows rows;
    uint64_t items = 0, barcodes = 0;

    for (size_t p = 0; p < tx->count; p++) {
        const struct changes *changes = &tx->parts[p].changes;
        for (size_t i = 0; i < changes->item_count; i++) {
            if (items++ == 0) {
                sql_add(sql, barcodes_delete);
                sql_rows_begin(sql, &rows, key_names);
            }
            sql_rows_next(sql, &rows);
            sql_rows_uint(sql, &rows, tx->parts[p].partition);
            sql_rows_code(sql, &rows, &changes->items[i].item->sku);
        }
    }
    if (items == 0)
        return;
    sql_rows_end(sql, &rows);
    sql_add(sql, barcodes_of);
    expect(tx, ANY_COUNT);
    for (size_t p = 0; p < tx->count; p++) {
        const struct changes *changes = &tx->parts[p].changes;
        for (size_t i = 0; i < changes->item_count; i++) {
            const struct item *item = changes->items[i].item;
            for (size_t b = 0; b < item->barcode_count; b++) {
                if (barcodes++ == 0)
                    sql_add(sql, insert_barcodes);
                sql_add(sql, "(");
                sql_list_code(sql, &item->barcodes[b]);
                sql_list_uint(sql, tx->parts[p].partition);
                sql_list_code(sql, &item->sku);
                sql_add(sql, "),");
            }
        }
    }
    if (barcodes == 0)
        return;
    end_list(sql);
    expect(tx, barcodes);
}

static void add_named(struct transaction *tx, bool reasons)
{
    struct sql *sql = &tx->sql;
    uint64_t count = 0;

    for (size_t p = 0; p < tx->count; p++) {
        const struct changes *changes = &tx->parts[p].changes;
        for (size_t i = 0; i < changes->named_count; i++) {
            const struct named_change *named = &changes->named[i];
            if (named->is_reason != reasons)
                continue;
            if (count++ == 0)
                sql_add(sql, reasons ? insert_reasons : insert_warehouses);
            sql_add(sql, "(");
            sql_list_code(sql, &named->code);
            sql_list_hex(sql, named->name, named->name_bytes);
            sql_list_uint(sql, named->version);
            sql_add(sql, "),");
        }
    }
    if (count == 0)
        return;
    sql->length--; /* the last comma */
    sql_add(sql, named_newer);
    expect(tx, ANY_COUNT);
}

static void add_runs(struct transaction *tx)
{
    static uint64_t (*const adders[])(struct sql * sql, const struct store_part *parts,
                                      size_t count) = {
        store_add_new_runs, store_add_run_updates, store_add_new_blocks, store_add_block_updates};

    for (size_t i = 0; i < sizeof adders / sizeof adders[0]; i++) {
        uint64_t rows = adders[i](&tx->sql, tx->parts, tx->count);
        if (rows > 0)
            expect(tx, rows);
    }
}

static bool reply(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct transaction *tx = context;

    (void)rows;
    if (statement < tx->statements &&
        (tx->expected[statement] == ANY_COUNT || tx->expected[statement] == affected))
        return true;
    tx->wrong = statement;
    return false;
}

enum store_outcome store_write(struct db *db, const struct store_part *parts, size_t count,
                               int64_t lease_us)
{
    struct transaction tx = {.parts = parts, .count = count, .wrong = STATEMENTS_MAX};

    sql_init(&tx.sql);
    tx.sql.values_row = db_is_mysql(db);
    sql_add(&tx.sql, start);
    expect(&tx, ANY_COUNT);
    add_fence(&tx, lease_us);
    expect(&tx, store_add_movements(&tx.sql, tx.parts, tx.count));
    add_new_levels(&tx);
    add_level_updates(&tx);
    add_new_reservations(&tx);
    add_new_lines(&tx);
    add_reservation_updates(&tx);
    add_line_updates(&tx);
    add_new_items(&tx);
    add_item_updates(&tx);
    add_barcodes(&tx);
    add_named(&tx, false);
    add_named(&tx, true);
    add_runs(&tx);
    tx.sql.length--; /* the last semicolon */
    enum store_outcome outcome = STORE_TOO_LARGE;
    if (tx.sql.length <= STORE_TEXT_BYTES_MAX && tx.sql.length <= db->text_bytes_max) {
        enum db_outcome ran = db_run(db, &tx.sql, reply, &tx);
        outcome = store_end(db, ran, tx.wrong == tx.fence);
    }
    sql_release(&tx.sql);
    return outcome;
}
