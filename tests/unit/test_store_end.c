/* SPDX-License-Identifier: MIT
 *
 * What a batch's transaction came to, for every way in which its statements and its COMMIT may end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "workers/store.h"

static enum db_outcome commit_ends;
static int commits, rollbacks, closes;

enum db_outcome db_commit(struct db *db)
{
    (void)db;
    commits++;
    return commit_ends;
}

void db_rollback(struct db *db)
{
    (void)db;
    rollbacks++;
}

void db_close(struct db *db)
{
    (void)db;
    closes++;
}

static enum store_outcome end(enum db_outcome ran, bool fenced, enum db_outcome commit)
{
    struct db db = {0};

    commit_ends = commit;
    commits = rollbacks = closes = 0;
    return store_end(&db, ran, fenced);
}

static void test_statements(void **state)
{
    static const struct {
        enum db_outcome ran;
        enum store_outcome outcome;
    } cases[] = {
        {DB_MISMATCH, STORE_STALE},        {DB_AGAIN, STORE_AGAIN}, {DB_REPEATS, STORE_REPEATS},
        {DB_NOT_WRITER, STORE_NOT_WRITER}, {DB_LOST, STORE_LOST},   {DB_FAILED, STORE_FAILED},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(end(cases[i].ran, false, DB_OK), cases[i].outcome);
        assert_int_equal(commits, 0);
        assert_int_equal(rollbacks, 1);
        assert_int_equal(end(cases[i].ran, true, DB_OK), STORE_FENCED);
        assert_int_equal(commits, 0);
        assert_int_equal(rollbacks, 1);
    }
}

/* Only an answer that means "rolled back" is certain. Whatever else the server says to COMMIT, the
 * rows may be there: the connection is closed, and the ids are looked up under another claim. */
static void test_commit(void **state)
{
    (void)state;
    assert_int_equal(end(DB_OK, false, DB_OK), STORE_DONE);
    assert_int_equal(rollbacks + closes, 0);
    assert_int_equal(end(DB_OK, false, DB_AGAIN), STORE_AGAIN);
    assert_int_equal(rollbacks, 1);

    static const enum db_outcome unknown[] = {DB_LOST, DB_FAILED, DB_REPEATS, DB_NOT_WRITER,
                                              DB_MISMATCH};
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++) {
        assert_int_equal(end(DB_OK, false, unknown[i]), STORE_UNKNOWN);
        assert_int_equal(closes, 1);
    }
}

/* A connection that the server has closed is made anew, whatever the server calls it. */
static void test_a_lost_connection(void **state)
{
    static const unsigned lost[] = {1053, 1317, 1927, 2006, 2013, 4031};

    (void)state;
    for (size_t i = 0; i < sizeof lost / sizeof lost[0]; i++)
        assert_int_equal(db_outcome_of(lost[i]), DB_LOST);
    assert_int_equal(db_outcome_of(4030), DB_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statements),
        cmocka_unit_test(test_commit),
        cmocka_unit_test(test_a_lost_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
