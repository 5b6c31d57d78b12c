/* SPDX-License-Identifier: MIT
 *
 * That one step of pruning takes away no more than it may, whatever there is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "workers/db_sql.h"
#include "workers/store_prune.h"

static char text[8192];

enum db_outcome db_run(struct db *db, const struct sql *sql, db_reply *reply, void *context)
{
    (void)db;
    (void)reply;
    (void)context;
    assert_true(sql->length < sizeof text);
    memcpy(text, sql->bytes, sql->length);
    text[sql->length] = '\0';
    return DB_OK;
}

enum db_outcome db_commit(struct db *db)
{
    (void)db;
    return DB_OK;
}

void db_rollback(struct db *db)
{
    (void)db;
}

uint64_t db_uint(const char *field)
{
    (void)field;
    return 0;
}

/* Movements are bounded by their numbers and reservations are named; blocks of a large run, of up
 * to 80 KiB each, are neither. */
static void test_a_step_deletes_so_many_blocks_of_runs(void **state)
{
    struct db db = {0};
    const struct store_prune prune = {.claim = {.partition = 3, .epoch = 2}, .cutoff_us = 99};
    uint64_t rows;

    (void)state;
    assert_int_equal(store_prune(&db, &prune, 50, NULL, 0, &rows), DB_OK);
    const char *blocks = strstr(text, "DELETE FROM run_line WHERE partition_id=3");
    assert_non_null(blocks);
    const char *end = strchr(blocks, ';'), *limit = strstr(blocks, " LIMIT 1000");
    assert_non_null(end);
    assert_non_null(limit);
    assert_true(limit < end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_step_deletes_so_many_blocks_of_runs),
    };
    return cmocka_run_group_tests_name("pruning: what a step may take", tests, NULL, NULL);
}
