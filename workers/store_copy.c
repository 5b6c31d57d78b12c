/* SPDX-License-Identifier: MIT
 *
 * See store_copy.h.
 */
#include "workers/store_copy.h"

#include <string.h>

#include "workers/store_rows.h"

static const char insert_warehouses[] = "INSERT INTO warehouse (code,name,version) VALUES ";
static const char insert_reasons[] = "INSERT INTO reason (code,name,version) VALUES ";
/* name first: it looks at the version that was there. */
static const char only_newer[] =
    " ON DUPLICATE KEY UPDATE name=IF(VALUES(version)>version,VALUES(name),name),"
    "version=GREATEST(version,VALUES(version));";
static const char select_all[] =
    "SELECT code,name,version FROM warehouse;SELECT code,name,version FROM reason";

struct reading {
    struct arena *arena;
    struct named_change *rows;
    size_t count;
};

static bool read_reply(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    struct reading *reading = context;
    struct named_change *wider =
        arena_zalloc(reading->arena, (reading->count + affected + 1) * sizeof *wider);
    MYSQL_ROW row;

    if (reading->count > 0)
        memcpy(wider, reading->rows, reading->count * sizeof *wider);
    reading->rows = wider;
    while (rows && (row = mysql_fetch_row(rows)) != NULL) {
        unsigned long *lengths = mysql_fetch_lengths(rows);
        struct named_change *named = &reading->rows[reading->count++];
        named->is_reason = statement > 0;
        store_code_read(&named->code, row[0], lengths[0]);
        named->name = arena_copy(reading->arena, row[1], lengths[1]);
        named->name_bytes = lengths[1];
        named->version = db_uint(row[2]);
    }
    return true;
}

enum db_outcome store_copy_read(struct db *db, struct named_change **rows, size_t *count,
                                struct arena *arena)
{
    struct reading reading = {.arena = arena};
    struct sql sql;

    sql_init(&sql);
    sql_add(&sql, select_all);
    enum db_outcome outcome = db_run(db, &sql, read_reply, &reading);
    sql_release(&sql);
    *rows = reading.rows;
    *count = reading.count;
    return outcome;
}

static void add_rows(struct sql *sql, const struct named_change *rows, size_t count, bool reasons)
{
    size_t added = 0;

    for (size_t i = 0; i < count; i++) {
        if (rows[i].is_reason != reasons)
            continue;
        sql_add(sql, added++ > 0 ? "," : reasons ? insert_reasons : insert_warehouses);
        sql_add(sql, "(");
        sql_list_code(sql, &rows[i].code);
        sql_list_hex(sql, rows[i].name, rows[i].name_bytes);
        sql_list_uint(sql, rows[i].version);
        sql_add(sql, ")");
    }
    if (added > 0)
        sql_add(sql, only_newer);
}

enum db_outcome store_copy_write(struct db *db, const struct named_change *rows, size_t count)
{
    struct sql sql;

    sql_init(&sql);
    add_rows(&sql, rows, count, false);
    add_rows(&sql, rows, count, true);
    sql.length--; /* the last semicolon */
    enum db_outcome outcome = db_run(db, &sql, NULL, NULL);
    sql_release(&sql);
    return outcome;
}
