/* SPDX-License-Identifier: MIT
 *
 * That a relay whose time has passed writes nothing: its epoch is in every statement that changes
 * a subscription.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "relay/store.h"
#include "workers/db_sql.h"
#include "workers/store_rows.h"

static char text[4096];
/* What the database answers to a delete: rows that it deleted, and whether one is there after it.
 */
static uint64_t deleted = 1;
static bool there;

MYSQL_ROW mysql_fetch_row(MYSQL_RES *result)
{
    static char one[] = "1", *row[] = {one};

    return (void *)result == text && there ? row : NULL;
}

enum db_outcome db_run(struct db *db, const struct sql *sql, db_reply *reply, void *context)
{
    (void)db;
    assert_true(sql->length < sizeof text);
    memcpy(text, sql->bytes, sql->length);
    text[sql->length] = '\0';
    if (reply) {
        reply(context, 0, NULL, deleted);
        reply(context, 1, there ? (MYSQL_RES *)text : NULL, 0);
    }
    return DB_OK;
}

uint64_t db_uint(const char *field)
{
    (void)field;
    return 0;
}

int64_t db_int(const char *field)
{
    (void)field;
    return 0;
}

bool db_is_mysql(const struct db *db)
{
    (void)db;
    return false;
}

void store_code_read(struct code *code, const char *field, unsigned long length)
{
    (void)code;
    (void)field;
    (void)length;
}

static const char *written(void (*call)(struct db *, struct job *), enum job_kind kind)
{
    struct db db = {0};
    struct job *job = job_new(kind, 0);

    code_set(&job->part.name, "S", 1);
    job->part.epoch = 77;
    call(&db, job);
    assert_int_equal(job->outcome, JOB_DONE);
    job_destroy(&job);
    return text;
}

static void test_the_epoch_is_in_what_ends_a_subscription(void **state)
{
    (void)state;
    assert_non_null(strstr(written(job_give_up, JOB_GIVE_UP), " AND epoch=77"));
    assert_non_null(strstr(written(job_delete, JOB_DELETE), " AND epoch=77"));
    /* Positions that no relay has loaded since have an older one. */
    assert_non_null(strstr(written(job_forget, JOB_FORGET), " AND epoch<=77"));
}

static void test_what_a_delete_says(void **state)
{
    static const struct {
        uint64_t deleted;
        bool there;
        enum job_outcome outcome;
    } cases[] = {
        {1, false, JOB_DONE},
        {1, true, JOB_DONE},  /* made anew meanwhile */
        {0, false, JOB_DONE}, /* by an attempt whose answer was lost */
        {0, true, JOB_FENCED},
    };
    struct db db = {0};

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct job *job = job_new(JOB_DELETE, 0);
        code_set(&job->part.name, "S", 1);
        deleted = cases[i].deleted;
        there = cases[i].there;
        job_delete(&db, job);
        assert_int_equal(job->outcome, cases[i].outcome);
        job_destroy(&job);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_epoch_is_in_what_ends_a_subscription),
        cmocka_unit_test(test_what_a_delete_says),
    };
    return cmocka_run_group_tests_name("relay: fences", tests, NULL, NULL);
}
