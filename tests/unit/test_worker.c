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

/* The owner, who goes by a clock of his own, still answers from memory when the server's clock has
 * jumped over the end of his lease: nobody takes the partition before a lease has passed in which
 * it was not renewed. Found by the simulation, seed 549,582: a refusal that was not true. */
static void test_a_jump_ends_no_lease(void **state)
{
    (void)state;
    other_claims();
    pass(LEASE_US / 4);
    assert_int_equal(house.worker.claims.slots[0].state, SLOT_OTHER);
    house.server_ahead_us += 100 * SECOND;
    pass(LEASE_US / 2);
    assert_int_equal(house.worker.claims.slots[0].state, SLOT_OTHER);
    house.lease_until_us += 100 * SECOND; /* renewed, by the clock as it is now */
    pass(LEASE_US / 2);
    assert_int_equal(house.worker.claims.slots[0].state, SLOT_OTHER);
    house.server_ahead_us += 100 * SECOND;
    pass(2 * LEASE_US); /* not renewed any more */
    assert_int_equal(house.worker.claims.slots[0].state, SLOT_OWNED);
}

/* What a process of our name has left need not be seen to stand still, however long ago it died. */
static void test_a_namesakes_lease_is_not_waited_for(void **state)
{
    (void)state;
    other_claims();
    pass(LEASE_US / 4);
    assert_int_equal(house.worker.claims.slots[0].state, SLOT_OTHER);
    house.row.namesake = true;
    house.lease_until_us -= 100 * SECOND;
    house.worker.claims.inherited = false; /* as after a start */
    house.worker.claims.look_next_us = 0;
    pass(LEASE_US / 4);
    assert_int_equal(house.worker.claims.slots[0].state, SLOT_OWNED);
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

/* A broker must not refuse a worker for a clock that somebody has long set right again. */
static void test_a_session_after_a_jump_tells_the_servers_clock(void **state)
{
    (void)state;
    int64_t before = owner_time() - house.mono_us;
    house.server_ahead_us += 100 * SECOND;
    pass(SECOND);
    house_ends_session();
    pass(3 * SECOND);
    assert_true(llabs(house.hello_clock_us - server_now()) < 4 * SECOND);
    assert_true(llabs(owner_time() - house.mono_us - before) < 1000);
}

/* Stopped between the server's clock and ours: that is no time that the partitions have lost. */
static void test_a_pause_while_connecting(void **state)
{
    (void)state;
    int64_t before = owner_time() - house.mono_us;
    lose_connection();
    house.pause_us = 10 * SECOND;
    pass(SECOND);
    assert_int_equal(house.worker.claims.slots[0].state, SLOT_OWNED);
    assert_true(llabs(owner_time() - house.mono_us - before) < 1000);
    assert_int_equal(house.clock_offset_us, 0);
    /* A real jump of another server's at the same time is still taken out. */
    lose_connection();
    house.pause_us = 10 * SECOND;
    house.server_ahead_us += 100 * SECOND;
    pass(SECOND);
    assert_true(llabs(owner_time() - house.mono_us - before) < 1000);
    assert_int_equal(house.clock_offset_us, -100 * SECOND);
}

/* ------------------------------------------------------------- trials */

/* A trial is over, and nothing but holds is left to be done: they expire all the same. */
static void test_holds_expire_after_a_trial(void **state)
{
    (void)state;
    Hf__Operation *reserve = op_reserve(house.db, "A=3@W1");
    reserve->reserve->ttl_ms = 1000;
    uint64_t at = dispatch_suspect(reserve);
    pass(200000);
    assert_string_equal(answer_to(at), "applied");
    assert_int_equal(reserved(), 3);
    pass(2 * SECOND);
    assert_int_equal(reserved(), 0);
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

/* ------------------------------------------------------------- what a claim loads */

static void load_slowly(struct house *h)
{
    h->mono_us += 400000;
}

/* The deadlines of a claim's reservations take long to read: brokers must not take us for dead
 * meanwhile, nor must the lease run out. */
static void test_a_long_load_is_no_silence(void **state)
{
    (void)state;
    house_close();
    house_open_with(HOUSE_PARTITIONS);
    pass(SECOND);
    lose_connection();
    house.before_due = load_slowly;
    house.longest_silence_us = 0;
    pass(8 * SECOND);
    assert_true(house.longest_silence_us <= 2 * SECOND);
    for (uint32_t p = 0; p < HOUSE_PARTITIONS; p++)
        assert_int_equal(house.worker.claims.slots[p].state, SLOT_OWNED);
    assert_true(house.lease_until_us > server_now());
}

/* ------------------------------------------------------------- pruning */

#define MINUTE (60 * SECOND)

/* The ids of clients whose clocks are ahead live longer than the retention, when that is no longer
 * than the idempotency window: a retry finds what was applied, or is told that it is too old. */
static void test_no_retry_outlives_its_rows(void **state)
{
    (void)state;
    house.config.windows.retention_ms = house.config.windows.idempotency_ms;
    house.db->now_us = broker_now() + 9 * MINUTE;
    Hf__Operation *ahead = op_receive(house.db, "A=2@W1");
    house.db->now_us = broker_now();
    uint64_t at = dispatch_one(ahead, 1);
    turn();
    assert_string_equal(answer_to(at), "applied");
    house.mono_us += (int64_t)house.config.windows.idempotency_ms * 1000 + 5 * MINUTE;
    pass(MINUTE);
    assert_true(house.db->movement_count > 0);
    at = dispatch_one(ahead, 2);
    turn();
    assert_string_equal(answer_to(at), "applied");
    assert_int_equal(level_at(house.db, "A", "W1").now.on_hand, 7);
    house.mono_us += 10 * MINUTE;
    pass(MINUTE);
    assert_int_equal(house.db->movement_count, 0);
    at = dispatch_one(ahead, 3);
    turn();
    assert_string_equal(answer_to(at), "operation_id_expired");
    assert_int_equal(level_at(house.db, "A", "W1").now.on_hand, 7);
}

/* The time by which rows went is remembered: a server whose clock is behind does not make ids young
 * again whose rows are gone. */
static void test_time_does_not_fall_behind_pruning(void **state)
{
    (void)state;
    Hf__Operation *op = op_receive(house.db, "A=2@W1");
    uint64_t at = dispatch_one(op, 1);
    turn();
    assert_string_equal(answer_to(at), "applied");
    house.config.windows.retention_ms = house.config.windows.idempotency_ms;
    house.mono_us += (int64_t)house.config.windows.idempotency_ms * 1000 + 11 * MINUTE;
    pass(MINUTE);
    assert_int_equal(house.db->movement_count, 0);
    other_claims();
    other_hands_over();
    lose_connection();
    house.server_ahead_us -= 60 * MINUTE;
    house.lease_until_us = 0;
    memset(&house.worker.timeline, 0, sizeof house.worker.timeline); /* as in another process */
    pass(SECOND);
    house_settles_down();
    at = dispatch_one(op, 2);
    turn();
    assert_string_equal(answer_to(at), "operation_id_expired");
}

/* ------------------------------------------------------------- what is due */

static Hf__Operation *short_reserve(const char *spec)
{
    Hf__Operation *op = op_reserve(house.db, spec);

    op->reserve->ttl_ms = 1000;
    return op;
}

/* Holds 1 of A for a second, `count` times over; the reservation of the first. */
static char *hold_shortly(size_t count)
{
    char *first = NULL;

    (void)dispatch_one(op_receive(house.db, "A=100@W1"), 1);
    turn();
    for (size_t i = 0; i < count; i++) {
        Hf__Operation *op = short_reserve("A=1@W1");
        uint64_t at = dispatch_one(op, 1);
        turn();
        assert_string_equal(answer_to(at), "applied");
        if (!first)
            first = reservation_of(house.db, op);
    }
    return first;
}

/* More is due than one transaction takes. */
static void test_many_due_in_pieces(void **state)
{
    (void)state;
    hold_shortly(40);
    house.largest_write = 10;
    pass(5 * SECOND);
    assert_int_equal(reserved(), 0);
}

/* A thousand of six lines each, for ten seconds. */
static void hold_many_lines(void)
{
    static const char lines[] = "A=1@W1 A=1@W2 A=1@W3 B=1@W1 B=1@W2 B=1@W3";

    (void)dispatch_one(
        op_receive(house.db, "A=1000@W1 A=1000@W2 A=1000@W3 B=1000@W1 B=1000@W2 B=1000@W3"), 1);
    for (int i = 0; i < 1000; i++) {
        Hf__Operation *op = op_reserve(house.db, lines);
        op->reserve->ttl_ms = 10000;
        (void)dispatch_one(op, 1);
        if (i % 100 == 0)
            turn();
    }
    turn();
    assert_int_equal(reserved(), 1000);
    house.largest_write = EXPIRE_ROWS_PER_BATCH + 6;
}

/* However short a lease is, it holds for most of its time: who is in doubt vouches for nothing, and
 * asks the database before each batch. */
static void test_a_short_lease_holds(void **state)
{
    (void)state;
    for (int64_t lease_ms = 200; lease_ms <= 3200; lease_ms *= 4) {
        house.config.windows.lease_ms = lease_ms;
        pass(4 * lease_ms * 1000);
        const struct slot *slot = &house.worker.claims.slots[0];
        assert_int_equal(slot->state, SLOT_OWNED);
        assert_false(claims_is_doubtful(slot, house.mono_us));
    }
}

/* They are not tried in one transaction at all. */
static void test_due_ones_of_many_lines(void **state)
{
    (void)state;
    hold_many_lines();
    pass(11 * SECOND);
    assert_int_equal(reserved(), 0);
    assert_int_equal(house.too_large, 0);
}

/* Nor are operations that have few bytes and many rows, and what comes behind them waits for its
 * turn. */
static void test_operations_of_many_lines(void **state)
{
    uint64_t at[801];

    (void)state;
    house.config.limits.batch_operations = 1024;
    house.config.limits.worker_credit = 2048;
    pass(SECOND);
    hold_many_lines();
    house.db->now_us = broker_now();
    for (size_t i = 0; i < 800; i++) {
        char id[RESERVATION_TEXT_BYTES];
        reservation_id_format(house.db->reservations[i].id, id);
        at[i] = dispatch_one(op_release(house.db, id, ""), 1);
    }
    at[800] = dispatch_one(op_reserve(house.db, "A=1000@W1"), 1);
    turn();
    assert_int_equal(house.too_large, 0);
    for (size_t i = 0; i < 800; i++)
        assert_string_equal(answer_to(at[i]), "applied");
    assert_string_equal(answer_to(at[800]), "insufficient_stock");
    assert_int_equal(reserved(), 200);
}

/* Nor does an operation that wants stock take them all into its transaction. */
static void test_want_of_stock_and_many_due(void **state)
{
    (void)state;
    hold_many_lines();
    house.largest_write = 0;
    house.mono_us += 11 * SECOND;
    house.db->now_us = broker_now();
    uint64_t at = dispatch_one(op_reserve(house.db, "A=5000@W1"), 1);
    turn();
    assert_string_equal(answer_to(at), "unavailable");
    pass(2 * SECOND);
    at = dispatch_one(op_reserve(house.db, "A=5000@W1"), 1);
    turn();
    assert_string_equal(answer_to(at), "insufficient_stock");
}

static void refuse_always(const char *reservation)
{
    assert_true(reservation_id_parse(reservation, strlen(reservation), house.refuses_reservation));
    house.refuses = true;
}

/* The server refuses the rows of one reservation each time: the others are released. */
static void test_a_due_one_that_is_refused(void **state)
{
    (void)state;
    refuse_always(hold_shortly(40));
    pass(5 * SECOND);
    assert_int_equal(reserved(), 1);
    /* Nobody is told `internal` but who touches that one. */
    uint64_t at = dispatch_one(op_reserve(house.db, "A=1000@W1"), 1);
    turn();
    assert_string_equal(answer_to(at), "insufficient_stock");
}

/* Nor does it hold up the others while there is always something to do. */
static void test_a_due_one_that_is_refused_under_load(void **state)
{
    (void)state;
    refuse_always(hold_shortly(10));
    house.config.limits.batch_operations = 1;
    house.mono_us += 2 * SECOND;
    house.db->now_us = broker_now();
    for (int i = 0; i < 200; i++)
        (void)dispatch_one(op_receive(house.db, "A=1@W1"), 1);
    while (house.worker.operations.count > 0 || house.in_count > 0) {
        if (reserved() == 1)
            return;
        house.mono_us += 1000;
        turn();
    }
    fail_msg("%d are held when nothing waits any more", (int)reserved());
}

/* Who touches the one that is refused is told so, alone. */
static void test_who_touches_the_refused_one(void **state)
{
    (void)state;
    char *refused = hold_shortly(3);
    refuse_always(refused);
    house.mono_us += 2 * SECOND;
    house.db->now_us = broker_now();
    uint64_t before = dispatch_one(op_receive(house.db, "A=1@W1"), 1);
    uint64_t at = dispatch_one(op_release(house.db, refused, ""), 1);
    uint64_t after = dispatch_one(op_receive(house.db, "A=1@W1"), 1);
    pass(3 * SECOND);
    assert_string_equal(answer_to(before), "applied");
    assert_string_equal(answer_to(at), "internal");
    assert_string_equal(answer_to(after), "applied");
    assert_int_equal(reserved(), 1);
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
        CASE(test_a_jump_ends_no_lease),
        CASE(test_a_namesakes_lease_is_not_waited_for),
        CASE(test_jumps_of_two_connects_add_up),
        CASE(test_a_jump_of_before_is_forgotten),
        CASE(test_a_session_after_a_jump_tells_the_servers_clock),
        CASE(test_holds_expire_after_a_trial),
        CASE(test_a_pause_while_connecting),
        CASE(test_nothing_is_told_in_doubt),
        CASE(test_a_long_load_is_no_silence),
        CASE(test_no_retry_outlives_its_rows),
        CASE(test_time_does_not_fall_behind_pruning),
        CASE(test_many_due_in_pieces),
        CASE(test_a_short_lease_holds),
        CASE(test_due_ones_of_many_lines),
        CASE(test_operations_of_many_lines),
        CASE(test_want_of_stock_and_many_due),
        CASE(test_a_due_one_that_is_refused),
        CASE(test_a_due_one_that_is_refused_under_load),
        CASE(test_who_touches_the_refused_one),
    };

    if (!log_open("test", "/dev/null"))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
