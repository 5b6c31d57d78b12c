/* SPDX-License-Identifier: MIT
 *
 * A new connection: is it to a server with our tables, and what time is it there?
 */
#include <stdio.h>

#include "schema/apply.h"
#include "workers/store.h"
#include "workers/store_rows.h"

static bool now_reply(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    MYSQL_ROW row = rows ? mysql_fetch_row(rows) : NULL;

    (void)statement;
    (void)affected;
    if (row)
        *(int64_t *)context = db_int(row[0]);
    return row != NULL;
}

static bool read_clock(struct db *db, int64_t *server_us)
{
    struct sql sql;

    sql_init(&sql);
    sql_add(&sql, "SELECT " STORE_NOW);
    bool read = db_run(db, &sql, now_reply, server_us) == DB_OK;
    sql_release(&sql);
    return read;
}

bool store_connect(struct db *db, int64_t *server_us)
{
    char error[sizeof db->error - 16];

    if (!db_connect(db))
        return false;
    bool fits = schema_check(db->mysql, error, sizeof error);
    if (!fits)
        snprintf(db->error, sizeof db->error, "schema: %s", error);
    if (fits && read_clock(db, server_us))
        return true;
    db_close(db);
    return false;
}
