/* SPDX-License-Identifier: MIT
 *
 * A whole worker against arrays: what it does with work that it has had lying about for too long,
 * and when calls to the database end badly.
 */
#include "tests/unit/worker_world.h"

#include "common/log.h"

static int setup(void **state)
{
    (void)state;
    house_open();
    expect(house.db, op_receive(house.db, "A=5@W1"), applied);
    house_settles_down();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    house_close();
    return 0;
}

static int64_t reserved(void)
{
    return level_at(house.db, "A", "W1").now.reserved;
}

/* ------------------------------------------------------------- the plain case */

static void test_applies_and_answers(void **state)
{
    (void)state;
    uint64_t at = dispatch_one(op_reserve(house.db, "A=3@W1"), 1);
    turn();
    assert_string_equal(answer_to(at), "applied");
    assert_int_equal(reserved(), 3);
    at = dispatch_one(op_reserve(house.db, "A=3@W1"), 1);
    turn();
    assert_string_equal(answer_to(at), "insufficient_stock");
}

/* ------------------------------------------------------------- work of an earlier ownership */

/* The broker has ended the session and run the operation elsewhere, where it was refused, and its
 * client was told so. When we own the partition again, our copy must not run. */
static void test_work_of_before_another_owner(void **state)
{
    (void)state;
    uint64_t at = dispatch_one(op_reserve(house.db, "A=5@W1"), 1);
    house.mono_us += 10 * SECOND; /* stopped; the broker's word of it is still on its way */
    house.silent = true;
    other_claims();
    other_hands_over();
    turn();
    assert_int_equal(house.row.claim.epoch, house.worker.claims.slots[0].epoch);
    assert_string_equal(answer_to(at), "returned");
    pass(SECOND);
    assert_int_equal(reserved(), 0);
}

/* The same, when our copy comes out of the socket only after we have claimed: what the broker sent
 * before it heard of that claim. */
static void test_work_that_comes_later(void **state)
{
    (void)state;
    house.mono_us += 10 * SECOND;
    house.silent = true;
    other_claims();
    other_hands_over();
    turn();
    assert_int_equal(house.row.claim.epoch, house.worker.claims.slots[0].epoch);
    uint64_t at = dispatch_one(op_reserve(house.db, "A=5@W1"), 1);
    turn();
    assert_string_equal(answer_to(at), "returned");
    assert_int_equal(reserved(), 0);
}

/* After a COMMIT without an answer the operation is looked up, and decided again when it is not
 * there: but not when somebody else may have decided it meanwhile. */
static void test_unknown_commit_and_another_owner(void **state)
{
    (void)state;
    house_write_ends(STORE_UNKNOWN, false);
    uint64_t at = dispatch_one(op_reserve(house.db, "A=5@W1"), 1);
    house.worker.connect_next_us = INT64_MAX; /* not connected before the other has come and gone */
    turn();
    assert_string_equal(answer_to(at), "");
    other_claims();
    other_hands_over();
    house.worker.connect_next_us = 0;
    pass(SECOND);
    assert_string_equal(answer_to(at), "unknown");
    assert_int_equal(reserved(), 0);
}

/* Nobody was there in between: what waits is run, and what was written is found. */
static void test_work_survives_a_reclaim(void **state)
{
    (void)state;
    house_write_ends(STORE_UNKNOWN, true);
    uint64_t first = dispatch_one(op_reserve(house.db, "A=2@W1"), 1);
    turn();
    uint64_t second = dispatch_one(op_reserve(house.db, "A=3@W1"), 1);
    uint64_t epoch = house.row.claim.epoch;
    pass(SECOND);
    assert_int_equal(house.row.claim.epoch, epoch + 1);
    assert_string_equal(answer_to(first), "applied");
    assert_string_equal(answer_to(second), "applied");
    assert_int_equal(reserved(), 5);
}

/* A broker that gets work back takes us for not serving the partition until it is told again. */
static void test_ownership_is_told_after_a_return(void **state)
{
    (void)state;
    uint64_t at = dispatch_one(op_reserve(house.db, "A=5@W1"), 1);
    house.mono_us += 10 * SECOND;
    other_claims();
    other_hands_over();
    worker_turn(&house.worker);
    assert_string_equal(answer_to(at), "returned");
    assert_true(house.beat_after_return);
    at = dispatch_one(op_reserve(house.db, "A=5@W1"), 1);
    turn();
    assert_string_equal(answer_to(at), "applied");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_applies_and_answers),     CASE(test_work_of_before_another_owner),
        CASE(test_work_that_comes_later),   CASE(test_unknown_commit_and_another_owner),
        CASE(test_work_survives_a_reclaim), CASE(test_ownership_is_told_after_a_return),
    };

    if (!log_open("test", "/dev/null"))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
