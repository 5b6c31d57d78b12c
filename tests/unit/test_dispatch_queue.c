/* SPDX-License-Identifier: MIT
 *
 * Classes, turns, credit, deadlines and rates: broker/queue.c, admit.c, rate.c.
 */
#include "tests/unit/dispatch_world.h"

#define W 1u /* peers */
#define C 2u

/* Classes of the first n dispatches. */
static void count_classes(struct world *w, unsigned n, unsigned counts[CLASS_COUNT])
{
    memset(counts, 0, CLASS_COUNT * sizeof counts[0]);
    for (unsigned i = 0; i < n; i++) {
        struct sent *op;
        assert_dispatch(w, W, &op);
        counts[op->header.op_class]++;
    }
}

static void test_classes_are_served_by_weight(void **state)
{
    (void)state;
    struct world *w = world_new();
    w->config.limits.queue_operations = 1000;
    uint64_t q = 0;
    unsigned counts[CLASS_COUNT];
    world_start(w);
    uint32_t s = world_worker(w, W, 0, 8, 1, 0);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    for (unsigned i = 0; i < 40; i++) { /* bulk first: it has waited longest */
        for (int k = CLASS_COUNT - 1; k >= 0; k--)
            world_operation(w, C, c, ++q, 0, (uint8_t)k, 1);
    }
    world_grant(w, W, s, 60);
    count_classes(w, 60, counts);
    assert_int_equal(counts[CLASS_FREEING], 32);
    assert_int_equal(counts[CLASS_INTERACTIVE], 16);
    assert_int_equal(counts[CLASS_SERVICE], 8);
    assert_int_equal(counts[CLASS_BULK], 4); /* never starved */
    /* within each fifteen, not only on the whole */
    world_grant(w, W, s, 75);
    count_classes(w, 15, counts);
    assert_int_equal(counts[CLASS_FREEING], 8);
    assert_int_equal(counts[CLASS_BULK], 1);
    world_end(w);
}

static void test_clients_of_a_class_take_turns(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_start(w);
    uint32_t s = world_worker(w, W, 0, 8, 1, 0);
    uint32_t sessions[3];
    for (uint32_t k = 0; k < 3; k++)
        sessions[k] = world_hello(w, SIDE_CLIENT, C + k);
    /* the first has 40 before the others come with 5 each; the body's length tells whose it is */
    for (uint64_t i = 1; i <= 40; i++)
        world_operation(w, C, sessions[0], i, 0, CLASS_SERVICE, 1);
    for (uint64_t i = 1; i <= 5; i++) {
        world_operation(w, C + 1, sessions[1], i, 0, CLASS_SERVICE, 2);
        world_operation(w, C + 2, sessions[2], i, 0, CLASS_SERVICE, 3);
    }
    world_grant(w, W, s, 15);
    unsigned counts[4] = {0};
    for (unsigned i = 0; i < 15; i++) {
        struct sent *op;
        assert_dispatch(w, W, &op);
        counts[op->body_bytes - 7]++;
    }
    assert_int_equal(counts[1], 5);
    assert_int_equal(counts[2], 5);
    assert_int_equal(counts[3], 5);
    world_end(w);
}

static void test_partitions_of_a_worker_take_turns(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_start(w);
    uint32_t s = world_worker(w, W, 0, 8, 1, 0);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    uint64_t q = 0;
    for (unsigned i = 0; i < 50; i++)
        world_operation(w, C, c, ++q, 0, CLASS_SERVICE, 1);
    for (unsigned i = 0; i < 5; i++)
        world_operation(w, C, c, ++q, 5, CLASS_SERVICE, 1);
    world_grant(w, W, s, 10);
    unsigned fifth = 0;
    for (unsigned i = 0; i < 10; i++) {
        struct sent *op;
        assert_dispatch(w, W, &op);
        fifth += op->header.partition == 5;
    }
    assert_int_equal(fifth, 5);
    world_end(w);
}

static void test_a_client_keeps_its_order(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_start(w);
    uint32_t s = world_worker(w, W, 0, 8, 1, 0);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    for (uint64_t i = 1; i <= 20; i++)
        world_operation(w, C, c, i, 0, CLASS_SERVICE, i);
    world_grant(w, W, s, 100);
    for (size_t i = 1; i <= 20; i++) {
        struct sent *op;
        assert_dispatch(w, W, &op);
        assert_int_equal(op->body_bytes - 7, i);
    }
    world_end(w);
}

static void test_a_worker_gets_no_more_than_its_credit(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_start(w);
    uint32_t s = world_worker(w, W, 0, 8, 1, 0);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    for (uint64_t i = 1; i <= 20; i++)
        world_operation(w, C, c, i, 0, CLASS_SERVICE, 1);
    world_flush(w);
    assert_int_equal(world_count(w, SIDE_WORKER, W, MESSAGE_OPERATION), 0);
    world_grant(w, W, s, 5);
    assert_int_equal(world_count(w, SIDE_WORKER, W, MESSAGE_OPERATION), 5);
    world_grant(w, W, s, 5); /* repeated: absolute, so nothing changes */
    world_grant(w, W, s, 2); /* and an old one takes nothing back */
    assert_int_equal(world_count(w, SIDE_WORKER, W, MESSAGE_OPERATION), 5);
    world_grant(w, W, s, 7);
    assert_int_equal(world_count(w, SIDE_WORKER, W, MESSAGE_OPERATION), 7);
    world_grant(w, W, s, 22);
    assert_int_equal(world_count(w, SIDE_WORKER, W, MESSAGE_OPERATION), 20);
    world_grant(w, W, s, 3);
    for (uint64_t i = 21; i <= 30; i++)
        world_operation(w, C, c, i, 0, CLASS_SERVICE, 1);
    world_flush(w);
    assert_int_equal(world_count(w, SIDE_WORKER, W, MESSAGE_OPERATION), 22);
    world_end(w);
}

static void test_a_client_window(void **state)
{
    (void)state;
    struct world *w = world_new();
    w->config.limits.client_window = 10;
    world_start(w);
    world_worker(w, W, 0, 8, 1, 1000);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    for (uint64_t i = 1; i <= 10; i++)
        world_operation(w, C, c, i, 0, CLASS_SERVICE, 1);
    world_flush(w);
    assert_null(world_take(w, SIDE_CLIENT, C, MESSAGE_CREDIT));
    struct sent *op;
    for (int i = 0; i < 4; i++) {
        assert_dispatch(w, W, &op);
        world_reply(w, W, op, MESSAGE_RESULT);
        world_flush(w);
    }
    assert_null(world_take(w, SIDE_CLIENT, C, MESSAGE_CREDIT));
    assert_dispatch(w, W, &op);
    world_reply(w, W, op, MESSAGE_RESULT);
    world_flush(w);
    struct sent *credit = world_take(w, SIDE_CLIENT, C, MESSAGE_CREDIT);
    assert_non_null(credit); /* topped up at half */
    assert_int_equal(credit->header.sequence, 15);
    world_operation(w, C, c, 15, 0, CLASS_SERVICE, 1); /* numbers may be left out */
    world_flush(w);
    assert_int_equal(world_count(w, SIDE_CLIENT, C, MESSAGE_ERROR), 0);
    credit = world_take(w, SIDE_CLIENT, C, MESSAGE_CREDIT);
    if (credit) /* six are in flight: it may be told 19 */
        assert_int_equal(credit->header.sequence, 19);
    world_operation(w, C, c, 20, 0, CLASS_SERVICE, 1);
    assert_error(w, SIDE_CLIENT, C, ERROR_credit);
    world_operation(w, C, c, 16, 0, CLASS_SERVICE, 1);
    assert_error(w, SIDE_CLIENT, C, ERROR_no_session);
    world_end(w);
}

/* Whatever numbers a client leaves out, it is never left without credit and nothing in flight. */
static void test_credit_never_runs_dry(void **state)
{
    (void)state;
    for (uint32_t window = 1; window <= 9; window++) {
        struct world *w = world_new();
        w->config.limits.client_window = window;
        world_start(w);
        world_worker(w, W, 0, 8, 1, 1000000);
        uint32_t c = world_hello(w, SIDE_CLIENT, C);
        uint64_t credit = window, q = 0;
        for (unsigned i = 0; i < 200; i++) {
            struct sent *s;
            q += 1 + i * 7 % window;
            if (q > credit)
                q = credit;
            world_operation(w, C, c, q, 0, CLASS_SERVICE, 1);
            world_flush(w);
            assert_dispatch(w, W, &s);
            world_reply(w, W, s, MESSAGE_RESULT);
            world_flush(w);
            while ((s = world_take(w, SIDE_CLIENT, C, MESSAGE_CREDIT)) != NULL)
                credit = s->header.sequence;
            assert_true(credit > q);
            assert_true(credit <= q + window);
        }
        assert_int_equal(world_count(w, SIDE_CLIENT, C, MESSAGE_ERROR), 0);
        world_end(w);
    }
}

static void test_a_sequence_must_rise(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_start(w);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    world_operation(w, C, c, 5, 0, CLASS_SERVICE, 1);
    world_operation(w, C, c, 5, 0, CLASS_SERVICE, 1);
    assert_error(w, SIDE_CLIENT, C, ERROR_sequence);
    c = world_hello(w, SIDE_CLIENT, C);
    world_operation(w, C, c, 0, 0, CLASS_SERVICE, 1);
    assert_error(w, SIDE_CLIENT, C, ERROR_sequence);
    world_end(w);
}

static void test_the_late_are_shed_before_dispatch_only(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_start(w);
    uint32_t s = world_worker(w, W, 0, 8, 1, 1);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    struct header header = {.type = MESSAGE_OPERATION,
                            .op_class = CLASS_SERVICE,
                            .attempt = 1,
                            .session = c,
                            .not_after_us = w->now.wall_us + 10000};
    for (header.sequence = 1; header.sequence <= 3; header.sequence++)
        world_message(w, SIDE_CLIENT, C, &header, "x", 1);
    world_operation(w, C, c, 4, 0, CLASS_SERVICE, 1);
    world_flush(w);
    w->now.wall_us += 10001; /* the first is in flight: never called shed */
    w->now.monotonic_us += 10001;
    world_grant(w, W, s, 2);
    uint64_t sequence;
    assert_int_equal(world_status(w, C, &sequence, NULL), STATUS_deadline_exceeded);
    assert_int_equal(sequence, 2);
    assert_int_equal(world_status(w, C, &sequence, NULL), STATUS_deadline_exceeded);
    assert_int_equal(sequence, 3);
    assert_int_equal(world_status(w, C, NULL, NULL), -1);
    assert_int_equal(world_count(w, SIDE_WORKER, W, MESSAGE_OPERATION), 2); /* 1 and 4 */
    world_end(w);
}

static void test_a_queue_that_stands_still_sheds_the_late_too(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_start(w);
    uint32_t s = world_worker(w, W, 0, 8, 1, 0);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    struct header header = {.type = MESSAGE_OPERATION,
                            .attempt = 1,
                            .session = c,
                            .sequence = 1,
                            .not_after_us = w->now.wall_us + SECOND_US};
    world_message(w, SIDE_CLIENT, C, &header, "x", 1);
    world_operation(w, C, c, 2, 0, CLASS_SERVICE, 1);
    world_pass(w, 1500000);
    world_own(w, W, s, 0, 8, 1);
    world_pass(w, 1500000);
    uint64_t sequence;
    assert_int_equal(world_status(w, C, &sequence, NULL), STATUS_deadline_exceeded);
    assert_int_equal(sequence, 1);
    assert_int_equal(world_status(w, C, NULL, NULL), -1);
    world_end(w);
}

static void test_nobody_serves_the_partition(void **state)
{
    (void)state;
    struct world *w = world_new(); /* lease 3 s: a grace of 9 s */
    world_start(w);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    struct header beat = {.type = MESSAGE_HEARTBEAT, .partition = PARTITION_NONE, .session = c};
    struct header late = {.type = MESSAGE_OPERATION,
                          .attempt = 1,
                          .session = c,
                          .sequence = 1,
                          .not_after_us = w->now.wall_us - 1};
    world_message(w, SIDE_CLIENT, C, &late, "x", 1);
    world_flush(w);
    assert_int_equal(world_status(w, C, NULL, NULL), STATUS_deadline_exceeded);
    world_operation(w, C, c, 2, 0, CLASS_SERVICE, 1);
    for (int i = 0; i < 8; i++) {
        world_pass(w, SECOND_US);
        world_message(w, SIDE_CLIENT, C, &beat, NULL, 0);
    }
    assert_int_equal(world_status(w, C, NULL, NULL), -1);
    world_pass(w, 1500000);
    world_message(w, SIDE_CLIENT, C, &beat, NULL, 0);
    assert_int_equal(world_status(w, C, NULL, NULL), STATUS_unavailable);
    world_operation(w, C, c, 3, 0, CLASS_SERVICE, 1);
    world_flush(w);
    assert_int_equal(world_status(w, C, NULL, NULL), STATUS_unavailable); /* at once */
    world_worker(w, W, 0, 8, 1, 10);
    world_operation(w, C, c, 4, 0, CLASS_SERVICE, 1);
    world_flush(w);
    assert_int_equal(world_count(w, SIDE_WORKER, W, MESSAGE_OPERATION), 1);
    world_end(w);
}

static void test_rates_of_principals(void **state)
{
    (void)state;
    struct world *w = world_new();
    w->config.limits.rate = 10;
    w->config.limits.rate_burst = 20;
    world_start(w);
    world_worker(w, W, 0, 8, 1, 1000);
    uint32_t a1 = world_hello_as(w, SIDE_CLIENT, C, "a");
    uint32_t a2 = world_hello_as(w, SIDE_CLIENT, C + 1, "a");
    uint32_t b = world_hello_as(w, SIDE_CLIENT, C + 2, "b");
    uint32_t retry_ms = 0;
    for (uint64_t i = 1; i <= 10; i++) {
        world_operation(w, C, a1, i, 0, CLASS_SERVICE, 1);
        world_operation(w, C + 1, a2, i, 0, CLASS_SERVICE, 1);
    }
    world_flush(w);
    assert_int_equal(world_status(w, C, NULL, NULL), -1);
    /* both sessions of a share its bucket, b has its own */
    world_operation(w, C + 1, a2, 11, 0, CLASS_SERVICE, 1);
    world_operation(w, C + 2, b, 1, 0, CLASS_SERVICE, 1);
    world_flush(w);
    assert_int_equal(world_status(w, C + 1, NULL, &retry_ms), STATUS_rate_limited);
    assert_in_range(retry_ms, 100, 101);
    assert_int_equal(world_status(w, C + 2, NULL, NULL), -1);
    /* a tenth of a second is one token; saying HELLO again is none */
    w->now.monotonic_us += 100000;
    world_operation(w, C, a1, 11, 0, CLASS_SERVICE, 1);
    world_operation(w, C, a1, 12, 0, CLASS_SERVICE, 1);
    world_flush(w);
    assert_int_equal(world_status(w, C, NULL, NULL), STATUS_rate_limited);
    assert_int_equal(world_status(w, C, NULL, NULL), -1);
    a1 = world_hello_as(w, SIDE_CLIENT, C, "a");
    world_operation(w, C, a1, 1, 0, CLASS_SERVICE, 1);
    world_flush(w);
    assert_int_equal(world_status(w, C, NULL, NULL), STATUS_rate_limited);
    /* the bucket holds no more than its burst */
    w->now.monotonic_us += 1000 * SECOND_US;
    for (uint64_t i = 2; i <= 22; i++)
        world_operation(w, C, a1, i, 0, CLASS_SERVICE, 1);
    world_flush(w);
    assert_int_equal(world_status(w, C, NULL, NULL), STATUS_rate_limited);
    assert_int_equal(world_status(w, C, NULL, NULL), -1);
    world_end(w);
}

static void submit_body(struct world *w, uint32_t c, uint64_t sequence, uint8_t type,
                        uint8_t op_class, const void *body, size_t body_bytes)
{
    struct header header = {
        .type = type,
        .op_class = op_class,
        .attempt = type == MESSAGE_OPERATION,
        .session = c,
        .sequence = sequence,
        .not_after_us = w->now.wall_us + 60 * SECOND_US,
    };
    world_message(w, SIDE_CLIENT, C, &header, body, body_bytes);
    world_flush(w);
}

static void test_the_freeing_class_is_for_what_frees(void **state)
{
    (void)state;
    struct world *w = world_new();
    Hf__Operation operation;
    Hf__Release release;
    Hf__Reserve reserve;
    uint8_t body[256];
    uint64_t q = 0;
    world_start(w);
    world_worker(w, W, 0, 8, 1, 0);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    hf__operation__init(&operation);
    hf__release__init(&release);
    hf__reserve__init(&reserve);
    operation.id_time_us = 5;
    operation.undoes = 1ull << 40;
    operation.note = bytes_of("a note");
    operation.kind_case = HF__OPERATION__KIND_RELEASE;
    operation.release = &release;
    release.reservation = bytes_of("R-whatever");
    size_t n = hf__operation__pack(&operation, body);
    submit_body(w, c, ++q, MESSAGE_OPERATION, CLASS_FREEING, body, n);
    assert_int_equal(world_status(w, C, NULL, NULL), -1);
    operation.kind_case = HF__OPERATION__KIND_RESERVE;
    operation.reserve = &reserve;
    size_t more = hf__operation__pack(&operation, body + n);
    submit_body(w, c, ++q, MESSAGE_OPERATION, CLASS_FREEING, body + n, more);
    assert_int_equal(world_status(w, C, NULL, NULL), STATUS_invalid);
    submit_body(w, c, ++q, MESSAGE_OPERATION, CLASS_SERVICE, body + n, more);
    assert_int_equal(world_status(w, C, NULL, NULL), -1);
    /* of two members the last counts, as it does when it is unpacked */
    submit_body(w, c, ++q, MESSAGE_OPERATION, CLASS_FREEING, body, n + more);
    assert_int_equal(world_status(w, C, NULL, NULL), STATUS_invalid);
    /* the kinds that came after settle are no others, alone or behind one that frees */
    Hf__Undo undo = HF__UNDO__INIT;
    operation.kind_case = HF__OPERATION__KIND_UNDO;
    operation.undo = &undo;
    more = hf__operation__pack(&operation, body + n);
    submit_body(w, c, ++q, MESSAGE_OPERATION, CLASS_FREEING, body + n, more);
    assert_int_equal(world_status(w, C, NULL, NULL), STATUS_invalid);
    submit_body(w, c, ++q, MESSAGE_OPERATION, CLASS_FREEING, body, n + more);
    assert_int_equal(world_status(w, C, NULL, NULL), STATUS_invalid);
    /* what cannot be read is the worker's to refuse */
    for (size_t cut = 1; cut < n; cut++)
        submit_body(w, c, ++q, MESSAGE_OPERATION, CLASS_FREEING, body, cut);
    assert_int_equal(world_status(w, C, NULL, NULL), -1);
    submit_body(w, c, ++q, MESSAGE_QUERY, CLASS_FREEING, "", 0);
    assert_non_null(world_take(w, SIDE_CLIENT, C, MESSAGE_ANSWER));
    world_end(w);
}

static void test_a_dead_client_leaves_nothing_behind(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_start(w);
    uint32_t s = world_worker(w, W, 0, 8, 1, 2);
    uint32_t c = world_hello(w, SIDE_CLIENT, C), other = world_hello(w, SIDE_CLIENT, C + 1);
    for (uint64_t i = 1; i <= 5; i++)
        world_operation(w, C, c, i, (uint32_t)i, CLASS_SERVICE, 1);
    world_flush(w);
    world_operation(w, C + 1, other, 1, 0, CLASS_SERVICE, 2);
    struct header bye = {.type = MESSAGE_GOODBYE, .partition = PARTITION_NONE, .session = c};
    world_message(w, SIDE_CLIENT, C, &bye, NULL, 0);
    /* two were in flight and run on, three are dropped, the other's is next */
    struct sent *op[2];
    assert_dispatch(w, W, &op[0]);
    assert_dispatch(w, W, &op[1]);
    world_grant(w, W, s, 100);
    struct sent *next;
    assert_dispatch(w, W, &next);
    assert_int_equal(next->body_bytes, 9);
    assert_int_equal(world_count(w, SIDE_WORKER, W, MESSAGE_OPERATION), 0);
    /* a new session on the same connection does not get the old one's results */
    uint32_t again = world_hello(w, SIDE_CLIENT, C);
    assert_int_not_equal(again, c);
    world_reply(w, W, op[0], MESSAGE_RESULT);
    world_reply(w, W, op[1], MESSAGE_RESULT);
    world_flush(w);
    assert_int_equal(world_status(w, C, NULL, NULL), -1);
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_freeing_class_is_for_what_frees),
        cmocka_unit_test(test_classes_are_served_by_weight),
        cmocka_unit_test(test_clients_of_a_class_take_turns),
        cmocka_unit_test(test_partitions_of_a_worker_take_turns),
        cmocka_unit_test(test_a_client_keeps_its_order),
        cmocka_unit_test(test_a_worker_gets_no_more_than_its_credit),
        cmocka_unit_test(test_a_client_window),
        cmocka_unit_test(test_credit_never_runs_dry),
        cmocka_unit_test(test_a_sequence_must_rise),
        cmocka_unit_test(test_the_late_are_shed_before_dispatch_only),
        cmocka_unit_test(test_a_queue_that_stands_still_sheds_the_late_too),
        cmocka_unit_test(test_nobody_serves_the_partition),
        cmocka_unit_test(test_rates_of_principals),
        cmocka_unit_test(test_a_dead_client_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
