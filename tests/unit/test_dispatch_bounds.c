/* SPDX-License-Identifier: MIT
 *
 * How much may wait, and for how long; what is told busy, and when to come back: broker/queue.c,
 * admit.c.
 */

#include "tests/unit/dispatch_world.h"

#define W 1u /* peers */
#define C 2u

/* Fills one class until it is refused; returns how many were taken. */
static unsigned fill(struct world *w, uint32_t peer, uint32_t session, uint64_t *sequence,
                     uint8_t op_class, size_t body_bytes, int *status)
{
    for (unsigned n = 0;; n++) {
        world_operation(w, peer, session, ++*sequence, 0, op_class, body_bytes);
        world_flush(w);
        *status = world_status(w, peer, NULL, NULL);
        if (*status >= 0)
            return n;
        assert_true(n < 5000);
    }
}

/* Clients enough that the share of each is no limit. */
enum { CROWD = 12 };

struct crowd {
    uint32_t sessions[CROWD];
    uint64_t sequences[CROWD];
};

static struct crowd crowd_of(struct world *w)
{
    struct crowd crowd = {{0}, {0}};
    for (uint32_t k = 0; k < CROWD; k++)
        crowd.sessions[k] = world_hello(w, SIDE_CLIENT, C + k);
    return crowd;
}

/* One by one in turn, until each is told busy. */
static unsigned fill_all(struct world *w, struct crowd *crowd, uint8_t op_class)
{
    unsigned taken = 0, refused = 0;
    for (uint32_t k = 0; refused < CROWD; k = (k + 1) % CROWD) {
        world_operation(w, C + k, crowd->sessions[k], ++crowd->sequences[k], 0, op_class, 1);
        world_flush(w);
        int status = world_status(w, C + k, NULL, NULL);
        assert_true(status == -1 || status == STATUS_busy);
        refused = status == STATUS_busy ? refused + 1 : 0;
        taken += status == -1;
        assert_true(taken < 5000);
    }
    return taken;
}

/* What the crowd was told since; how many. */
static unsigned hear(struct world *w)
{
    unsigned heard = 0;
    for (uint32_t k = 0; k < CROWD; k++) {
        while (world_status(w, C + k, NULL, NULL) >= 0)
            heard++;
    }
    return heard;
}

/* A worker answers one operation each step_us until so many of `held` are left. */
static void serve(struct world *w, uint32_t session, unsigned held, unsigned left, int64_t step_us)
{
    struct sent *op;

    for (; held > left; held -= hear(w)) {
        w->now.monotonic_us += step_us;
        assert_dispatch(w, W, &op);
        world_reply(w, W, op, MESSAGE_RESULT);
        world_grant(w, W, session, op->header.sequence + 10);
    }
    assert_int_equal(held, left);
}

static void test_bounds_in_operations(void **state)
{
    (void)state;
    struct world *w = world_new(); /* 100 in a queue */
    world_start(w);
    uint32_t s = world_worker(w, W, 0, 8, 1, 0);
    struct crowd crowd = crowd_of(w);
    /* bulk half; service and bulk together 90; freeing all of it */
    unsigned bulk = fill_all(w, &crowd, CLASS_BULK);
    assert_in_range(bulk, 49, 50);
    unsigned service = fill_all(w, &crowd, CLASS_SERVICE);
    assert_in_range(bulk + service, 89, 90);
    unsigned interactive = fill_all(w, &crowd, CLASS_INTERACTIVE);
    assert_in_range(bulk + service + interactive, 89, 90);
    unsigned freeing = fill_all(w, &crowd, CLASS_FREEING);
    assert_int_equal(bulk + service + interactive + freeing, 100);
    /* another partition has its own */
    world_operation(w, C, crowd.sessions[0], ++crowd.sequences[0], 1, CLASS_SERVICE, 1);
    world_flush(w);
    assert_int_equal(world_status(w, C, NULL, NULL), -1);
    /* what is in flight counts as much: only an answer makes room */
    world_grant(w, W, s, 20);
    assert_int_equal(world_count(w, SIDE_WORKER, W, MESSAGE_OPERATION), 20);
    assert_int_equal(fill_all(w, &crowd, CLASS_FREEING), 0);
    struct sent *op;
    do {
        assert_dispatch(w, W, &op);
    } while (op->header.partition != 0);
    world_reply(w, W, op, MESSAGE_RESULT);
    world_flush(w);
    hear(w);
    assert_int_equal(fill_all(w, &crowd, CLASS_FREEING), 1);
    world_end(w);
}

/* The smallest queue that a cluster's file may ask for: nobody is told busy for ever. */
static void test_the_smallest_queue(void **state)
{
    (void)state;
    for (uint8_t op_class = 0; op_class < CLASS_COUNT; op_class++) {
        struct world *w = world_new();
        w->config.limits.queue_operations = CONFIG_QUEUE_OPERATIONS_MIN;
        world_start(w);
        uint32_t s = world_hello(w, SIDE_CLIENT, C);
        world_worker(w, W, 0, 8, 1, 0);
        world_operation(w, C, s, 1, 0, op_class, 1);
        world_flush(w);
        assert_int_equal(world_status(w, C, NULL, NULL), -1);
        world_end(w);
    }
}

/* One that takes all it can get leaves room for who asks for little, and n of them do. */
static void test_a_greedy_client_leaves_room(void **state)
{
    (void)state;
    struct world *w = world_new();
    int status;
    w->config.limits.queue_operations = 1000;
    world_start(w);
    world_worker(w, W, 0, 8, 1, 0);
    uint64_t total = 0;
    for (uint32_t k = 0; k < 3; k++) {
        uint32_t greedy = world_hello(w, SIDE_CLIENT, C + k);
        uint64_t sequence = 0;
        unsigned got = fill(w, C + k, greedy, &sequence, CLASS_SERVICE, 1, &status);
        assert_int_equal(status, STATUS_busy);
        uint64_t left = 900 - total - got; /* about a fifth of what was left */
        assert_in_range(got, 4 * left, 4 * left + 5);
        assert_true(left > 0);
        total += got;
        uint32_t polite = world_hello(w, SIDE_CLIENT, C + 8 + k);
        world_operation(w, C + 8 + k, polite, 1, 0, CLASS_SERVICE, 1);
        world_flush(w);
        assert_int_equal(world_status(w, C + 8 + k, NULL, NULL), -1);
        total++;
    }
    world_end(w);
}

/* When its pace is known, a queue holds no more than is served in a second. */
static void test_nothing_waits_for_long(void **state)
{
    (void)state;
    struct world *w = world_new();
    w->config.limits.queue_operations = 1000;
    world_start(w);
    uint32_t s = world_worker(w, W, 0, 8, 1, 10);
    struct crowd crowd = crowd_of(w);
    unsigned taken = fill_all(w, &crowd, CLASS_SERVICE); /* its pace is not known yet */
    assert_in_range(taken, 880, 900);
    serve(w, s, taken, 40, 10000); /* 100 a second */
    /* 40 are held; 90 may be, and of freeing ones 100 besides */
    unsigned more = fill_all(w, &crowd, CLASS_SERVICE);
    assert_in_range(more, 48, 50);
    /* and the other classes what is theirs by weight: 4 and 1 of 15 */
    unsigned interactive = fill_all(w, &crowd, CLASS_INTERACTIVE);
    assert_in_range(interactive, 25, 26);
    unsigned bulk = fill_all(w, &crowd, CLASS_BULK);
    assert_in_range(bulk, 5, 6);
    more += interactive + bulk;
    unsigned freeing = fill_all(w, &crowd, CLASS_FREEING);
    assert_in_range(freeing, 98, 100);
    /* an empty queue has no pace: a burst may use all of it */
    serve(w, s, 40 + more + freeing, 0, 10000);
    assert_int_equal(fill_all(w, &crowd, CLASS_SERVICE), taken);
    world_end(w);
}

/* All that is held is under way for a moment: a flood that comes then is bounded all the same. */
static void test_a_moment_of_rest_keeps_the_pace(void **state)
{
    (void)state;
    struct world *w = world_new();
    w->config.limits.queue_operations = 1000;
    world_start(w);
    uint32_t s = world_worker(w, W, 0, 8, 1, 10);
    struct crowd crowd = crowd_of(w);
    unsigned taken = fill_all(w, &crowd, CLASS_SERVICE);
    serve(w, s, taken, 40, 10000); /* 100 a second */
    serve(w, s, 40, 5, 10000);     /* they are all at the worker */
    assert_in_range(fill_all(w, &crowd, CLASS_SERVICE), 60, 90);
    world_end(w);
}

/* What was let in before the pace was known does not stay for long: its turn comes too late, and
 * those behind it would wait as long. */
static void test_what_is_overdue_is_told_busy(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sent *op;
    unsigned busy = 0, applied = 0;
    uint32_t retry_ms;
    w->config.limits.queue_operations = 1000;
    world_start(w);
    uint32_t s = world_worker(w, W, 0, 8, 1, 10);
    struct crowd crowd = crowd_of(w);
    unsigned taken = fill_all(w, &crowd, CLASS_SERVICE) + fill_all(w, &crowd, CLASS_FREEING);
    while (busy + applied < taken) { /* 100 a second */
        w->now.monotonic_us += 10000;
        assert_dispatch(w, W, &op);
        world_reply(w, W, op, MESSAGE_RESULT);
        world_grant(w, W, s, op->header.sequence + 10);
        for (uint32_t k = 0; k < CROWD; k++) {
            int status;
            while ((status = world_status(w, C + k, NULL, &retry_ms)) >= 0) {
                assert_true(status == STATUS_applied || status == STATUS_busy);
                assert_true(status != STATUS_busy || retry_ms > 0);
                busy += status == STATUS_busy;
                applied += status == STATUS_applied;
            }
        }
    }
    /* 100 of the first second, 100 that may be held then, and the freeing ones */
    assert_in_range(applied, 200, 310);
    world_end(w);
}

/* Who is told busy and does not listen is stopped by its credit, until it may come again. */
static void test_busy_takes_room_in_the_window(void **state)
{
    (void)state;
    struct world *w = world_new();
    int status;
    uint64_t q = 0;
    w->config.limits.client_window = 40;
    world_start(w);
    world_worker(w, W, 0, 8, 1, 100000);
    struct crowd crowd = crowd_of(w);
    (void)fill_all(w, &crowd, CLASS_SERVICE); /* all in flight */
    for (int i = 0; i < 120; i++) {           /* 100 a second */
        struct sent *op;
        uint32_t k = (uint32_t)i % CROWD;
        w->now.monotonic_us += 10000;
        assert_dispatch(w, W, &op);
        world_reply(w, W, op, MESSAGE_RESULT);
        world_operation(w, C + k, crowd.sessions[k], ++crowd.sequences[k], 0, CLASS_SERVICE, 1);
        world_flush(w);
    }
    uint32_t loud = world_hello(w, SIDE_CLIENT, C + CROWD);
    assert_int_equal(fill(w, C + CROWD, loud, &q, CLASS_SERVICE, 1, &status), 0);
    uint32_t retry_ms;
    while (q < 40) { /* its window */
        world_operation(w, C + CROWD, loud, ++q, 0, CLASS_SERVICE, 1);
        world_flush(w);
        assert_int_equal(world_status(w, C + CROWD, NULL, &retry_ms), STATUS_busy);
        assert_in_range(retry_ms, 400, 500);
    }
    assert_null(world_take(w, SIDE_CLIENT, C + CROWD, MESSAGE_CREDIT));
    struct header beat = {.type = MESSAGE_HEARTBEAT, .partition = PARTITION_NONE, .session = loud};
    world_message(w, SIDE_CLIENT, C + CROWD, &beat, NULL, 0);
    world_pass(w, 300000);
    assert_null(world_take(w, SIDE_CLIENT, C + CROWD, MESSAGE_CREDIT));
    world_pass(w, 500000);
    struct sent *credit = world_take(w, SIDE_CLIENT, C + CROWD, MESSAGE_CREDIT);
    assert_non_null(credit);
    assert_int_equal(credit->header.sequence, 80);
    world_end(w);
}

/* One partition says 5 s; its client is kept from the others for a second. */
static void test_busy_elsewhere_holds_back_for_a_second(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct header beat = {.type = MESSAGE_HEARTBEAT, .partition = PARTITION_NONE};
    struct sent *op, *grant;
    uint64_t q = 0, credit = 40;
    uint32_t retry_ms;
    w->config.limits.client_window = 40;
    world_start(w);
    world_worker(w, W, 0, 8, 1, 4);
    beat.session = world_hello(w, SIDE_CLIENT, C);
    while (q < 18)
        world_operation(w, C, beat.session, ++q, 0, CLASS_SERVICE, 1);
    world_flush(w);
    for (int i = 0; i < 4; i++) { /* about one a second */
        world_message(w, SIDE_CLIENT, C, &beat, NULL, 0);
        w->now.monotonic_us += 900000;
        assert_dispatch(w, W, &op);
        world_reply(w, W, op, MESSAGE_RESULT);
        world_flush(w);
        assert_int_equal(world_status(w, C, NULL, NULL), STATUS_applied);
    }
    while (q < 40) { /* a refusal every 25 ms */
        world_operation(w, C, beat.session, ++q, 0, CLASS_SERVICE, 1);
        world_flush(w);
        assert_int_equal(world_status(w, C, NULL, &retry_ms), STATUS_busy);
        assert_int_equal(retry_ms, 5000);
        w->now.monotonic_us += 25000;
    }
    for (int i = 0; i < 8 && credit == 40; i++) {
        world_message(w, SIDE_CLIENT, C, &beat, NULL, 0);
        world_pass(w, 100000);
        while ((grant = world_take(w, SIDE_CLIENT, C, MESSAGE_CREDIT)) != NULL)
            credit = grant->header.sequence;
    }
    assert_int_equal(credit, 66); /* 14 are still in the queue */
    world_end(w);
}

/* A worker that was away for a while does not make the queue small. */
static void test_a_pause_says_nothing_of_the_pace(void **state)
{
    (void)state;
    struct world *w = world_new();
    w->config.limits.queue_operations = 1000;
    world_start(w);
    uint32_t s = world_worker(w, W, 0, 8, 1, 10);
    struct crowd crowd = crowd_of(w);
    unsigned taken = fill_all(w, &crowd, CLASS_SERVICE);
    serve(w, s, taken, 600, 2000); /* 500 a second */
    w->now.monotonic_us += 2000000;
    serve(w, s, 600, 400, 2000);
    /* 400 are held of the 450 that may be */
    assert_in_range(fill_all(w, &crowd, CLASS_SERVICE), 40, 50);
    world_end(w);
}

static void test_bounds_in_bytes(void **state)
{
    (void)state;
    struct world *w = world_new();
    int status;
    uint64_t q = 0;
    w->config.limits.queue_bytes = 100000;
    world_start(w);
    world_worker(w, W, 0, 8, 1, 0);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    assert_int_equal(fill(w, C, c, &q, CLASS_BULK, 9000, &status), 5);
    assert_int_equal(status, STATUS_busy);
    assert_int_equal(fill(w, C, c, &q, CLASS_SERVICE, 9000, &status), 4);
    assert_int_equal(fill(w, C, c, &q, CLASS_FREEING, 9000, &status), 1);
    /* what its class can never hold is not worth trying again */
    assert_int_equal(fill(w, C, c, &q, CLASS_BULK, 60000, &status), 0);
    assert_int_equal(status, STATUS_too_large);
    world_end(w);
}

static void test_retry_after_follows_the_drain_rate(void **state)
{
    (void)state;
    struct world *w = world_new();
    uint32_t retry_ms;
    world_start(w);
    world_worker(w, W, 0, 8, 1, 100000);
    struct crowd crowd = crowd_of(w);
    assert_in_range(fill_all(w, &crowd, CLASS_SERVICE), 89, 90); /* all in flight */
    for (int i = 0; i < 120; i++) {                              /* 100 a second, always full */
        struct sent *op;
        uint32_t k = (uint32_t)i % CROWD;
        w->now.monotonic_us += 10000;
        assert_dispatch(w, W, &op);
        world_reply(w, W, op, MESSAGE_RESULT);
        world_operation(w, C + k, crowd.sessions[k], ++crowd.sequences[k], 0, CLASS_SERVICE, 1);
        world_flush(w);
    }
    hear(w);
    world_operation(w, C, crowd.sessions[0], ++crowd.sequences[0], 0, CLASS_SERVICE, 1);
    world_flush(w);
    assert_int_equal(world_status(w, C, NULL, &retry_ms), STATUS_busy);
    assert_in_range(retry_ms, 400, 500); /* half of 90 at 100 a second */
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds_in_operations),
        cmocka_unit_test(test_the_smallest_queue),
        cmocka_unit_test(test_a_greedy_client_leaves_room),
        cmocka_unit_test(test_nothing_waits_for_long),
        cmocka_unit_test(test_a_moment_of_rest_keeps_the_pace),
        cmocka_unit_test(test_what_is_overdue_is_told_busy),
        cmocka_unit_test(test_busy_takes_room_in_the_window),
        cmocka_unit_test(test_busy_elsewhere_holds_back_for_a_second),
        cmocka_unit_test(test_a_pause_says_nothing_of_the_pace),
        cmocka_unit_test(test_bounds_in_bytes),
        cmocka_unit_test(test_retry_after_follows_the_drain_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
