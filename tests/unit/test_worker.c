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

/* ------------------------------------------------------------- a server that has lost a tail */

/* A broker has heard of a later epoch than the server knows of: the server was restored. It would
 * never believe us, so we claim above it; and what was sent to us meanwhile does not run. */
static void test_epoch_is_raised_above_what_a_broker_knows(void **state)
{
    (void)state;
    house.stale_epoch = 1000;
    pass(3 * SECOND);
    assert_int_equal(house.row.claim.epoch, 1001);
    assert_int_equal(house.epoch_told, 1001);
    uint64_t at = dispatch_one(op_reserve(house.db, "A=5@W1"), 1);
    turn();
    assert_string_equal(answer_to(at), "applied");
    /* No peer can make it run out. */
    house.stale_epoch = UINT64_MAX;
    pass(3 * SECOND);
    assert_int_equal(house.row.claim.epoch, 1001);
}

/* ------------------------------------------------------------- another clock */

static int64_t owner_time(void)
{
    return slot_now_us(&house.worker, &house.worker.claims.slots[0]);
}

static void lose_connection(void)
{
    db_close(&house.worker.db);
}

/* A jump between two servers is taken out once, however many connects it takes to claim again. */
static void test_jumps_of_two_connects_add_up(void **state)
{
    (void)state;
    int64_t before = owner_time() - house.mono_us;
    lose_connection();
    house.server_ahead_us += 100 * SECOND;
    house.next_look = DB_LOST; /* connected, and lost before it was claimed */
    turn();
    house.server_ahead_us += 50 * SECOND;
    pass(SECOND);
    assert_int_equal(house.worker.claims.slots[0].state, SLOT_OWNED);
    assert_true(llabs(owner_time() - house.mono_us - before) < 1000);
    assert_int_equal(house.clock_offset_us, -150 * SECOND);
}

/* A jump while nothing was ours is not taken out of what is claimed later. */
static void test_a_jump_of_before_is_forgotten(void **state)
{
    (void)state;
    other_claims();
    pass(SECOND);
    assert_int_equal(house.worker.claims.slots[0].state, SLOT_OTHER);
    lose_connection();
    house.server_ahead_us += 100 * SECOND;
    pass(SECOND);
    other_hands_over();
    pass(SECOND);
    assert_int_equal(house.worker.claims.slots[0].state, SLOT_OWNED);
    int64_t before = owner_time() - house.mono_us;
    claims_distrust(&house.worker, &house.worker.claims.slots[0]);
    pass(SECOND);
    assert_true(llabs(owner_time() - house.mono_us - before) < 1000);
}

/* ------------------------------------------------------------- doubt */

/* The lease has run out and the server cannot be asked: nothing is refused from memory. */
static void test_nothing_is_told_in_doubt(void **state)
{
    (void)state;
    uint64_t at = dispatch_one(op_reserve(house.db, "A=1@W1"), 1);
    turn();
    assert_string_equal(answer_to(at), "applied"); /* and the level is in memory */
    at = dispatch_one(op_reserve(house.db, "A=9@W1"), 1);
    sessions_read(&house.worker);
    house.mono_us += 10 * SECOND;
    house.next_look = DB_LOST;
    batch_tick(&house.worker, house.mono_us);
    assert_string_equal(answer_to(at), "");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_applies_and_answers),
        CASE(test_work_of_before_another_owner),
        CASE(test_work_that_comes_later),
        CASE(test_unknown_commit_and_another_owner),
        CASE(test_work_survives_a_reclaim),
        CASE(test_ownership_is_told_after_a_return),
        CASE(test_epoch_is_raised_above_what_a_broker_knows),
        CASE(test_jumps_of_two_connects_add_up),
        CASE(test_a_jump_of_before_is_forgotten),
        CASE(test_nothing_is_told_in_doubt),
    };

    if (!log_open("test", "/dev/null"))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
