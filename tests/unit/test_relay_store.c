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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_epoch_is_in_what_ends_a_subscription),
    };
    return cmocka_run_group_tests_name("relay: fences", tests, NULL, NULL);
}
