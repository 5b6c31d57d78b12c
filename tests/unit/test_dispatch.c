/* SPDX-License-Identifier: MIT
 *
 * Sessions, what is refused, and one operation's way: broker/dispatch.c, session.c, admit.c.
 */
#include "tests/unit/dispatch_world.h"

#define W 1u /* peers */
#define C 2u

static void test_an_operation_goes_to_the_owner_and_its_result_back(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_start(w);
    world_worker(w, W, 0, 4, 1, 10);
    uint32_t other = world_worker(w, W + 10, 4, 4, 1, 10);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    world_operation(w, C, c, 5, 6, CLASS_SERVICE, 20);
    world_flush(w);
    assert_int_equal(world_count(w, SIDE_WORKER, W, MESSAGE_OPERATION), 0);
    struct sent *op;
    assert_dispatch(w, W + 10, &op);
    assert_int_equal(op->header.session, other);
    assert_int_equal(op->header.sequence, 1);
    assert_int_equal(op->header.attempt, 1);
    assert_int_equal(op->header.flags, 0);
    assert_int_equal(op->header.not_after_us, w->now.wall_us + 60 * SECOND_US);
    /* the principal is the last field of the body */
    assert_int_equal(op->body_bytes, 27);
    assert_memory_equal(op->body + 20, "\x32\x05local", 7);
    world_reply(w, W + 10, op, MESSAGE_RESULT);
    world_flush(w);
    uint64_t sequence;
    assert_int_equal(world_status(w, C, &sequence, NULL), STATUS_applied);
    assert_int_equal(sequence, 5);
    world_end(w);
}

static void test_a_principal_from_the_client_is_overridden(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_start(w);
    world_worker(w, W, 0, 8, 1, 10);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    Hf__Operation operation;
    uint8_t body[64];
    hf__operation__init(&operation);
    operation.principal = bytes_of("admin");
    struct header header = {.type = MESSAGE_OPERATION,
                            .attempt = 1,
                            .session = c,
                            .sequence = 1,
                            .not_after_us = w->now.wall_us + SECOND_US};
    world_message(w, SIDE_CLIENT, C, &header, body, hf__operation__pack(&operation, body));
    world_flush(w);
    struct sent *op;
    assert_dispatch(w, W, &op);
    Hf__Operation *got = hf__operation__unpack(NULL, op->body_bytes, op->body);
    assert_non_null(got);
    assert_int_equal(got->principal.len, 5);
    assert_memory_equal(got->principal.data, "local", 5);
    hf__operation__free_unpacked(got, NULL);
    world_end(w);
}

static void test_a_query_is_answered(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_start(w);
    world_worker(w, W, 0, 8, 1, 10);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    struct header header = {.type = MESSAGE_QUERY,
                            .op_class = CLASS_SERVICE,
                            .session = c,
                            .sequence = 1,
                            .not_after_us = w->now.wall_us + SECOND_US};
    world_message(w, SIDE_CLIENT, C, &header, "q", 1);
    world_flush(w);
    struct sent *query = world_take(w, SIDE_WORKER, W, MESSAGE_QUERY);
    assert_non_null(query);
    assert_int_equal(query->body_bytes, 1); /* queries carry no principal */
    world_reply(w, W, query, MESSAGE_ANSWER);
    world_flush(w);
    assert_non_null(world_take(w, SIDE_CLIENT, C, MESSAGE_ANSWER));
    world_end(w);
}

static void test_hello_is_checked(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_start(w);
    int64_t skew_us = (int64_t)w->config.limits.clock_skew_ms * 1000;
    Hf__Hello h;
#define REFUSED(side, change, code)                                                                \
    h = hello_of(w, side, "x");                                                                    \
    change;                                                                                        \
    hello_send(w, side, C, "local", &h);                                                           \
    assert_null(world_take(w, side, C, MESSAGE_WELCOME));                                          \
    assert_error(w, side, C, code)
    REFUSED(SIDE_CLIENT, h.version_min = 2; h.version_max = 3, ERROR_version);
    REFUSED(SIDE_CLIENT, h.version_max = 0, ERROR_version);
    REFUSED(SIDE_CLIENT, h.role = HF__ROLE__ROLE_WORKER, ERROR_role);
    REFUSED(SIDE_CLIENT, h.role = 77, ERROR_role);
    REFUSED(SIDE_WORKER, h.role = HF__ROLE__ROLE_CLIENT, ERROR_role);
    REFUSED(SIDE_CLIENT, h.cluster = bytes_of("tes"), ERROR_cluster);
    REFUSED(SIDE_CLIENT, h.cluster = bytes_of(""), ERROR_cluster);
    REFUSED(SIDE_CLIENT, h.name = bytes_of(""), ERROR_name);
    REFUSED(SIDE_CLIENT, h.name = bytes_of("a\nb"), ERROR_name);
    REFUSED(SIDE_CLIENT, h.name = bytes_of("\xff"), ERROR_name);
    REFUSED(SIDE_CLIENT, h.instance.len = 15, ERROR_malformed);
    REFUSED(SIDE_CLIENT, h.clock_us += skew_us + 1, ERROR_clock_skew);
    REFUSED(SIDE_CLIENT, h.clock_us -= skew_us + 1, ERROR_clock_skew);
    REFUSED(SIDE_CLIENT, h.clock_us = INT64_MIN, ERROR_clock_skew);
    REFUSED(SIDE_CLIENT, h.clock_us = INT64_MAX, ERROR_clock_skew);
    REFUSED(SIDE_WORKER, h.clock_us += skew_us + 1, ERROR_clock_skew);
    REFUSED(SIDE_WORKER, h.shard = bytes_of(""), ERROR_name);
    REFUSED(SIDE_WORKER, h.partitions = 9, ERROR_partitions);
#undef REFUSED
    h = hello_of(w, SIDE_CLIENT, "x");
    h.clock_us += skew_us;
    hello_send(w, SIDE_CLIENT, C, "local", &h);
    assert_non_null(world_take(w, SIDE_CLIENT, C, MESSAGE_WELCOME));
    world_end(w);
}

static void test_hello_that_cannot_be_read(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_start(w);
    struct header header = {.type = MESSAGE_HELLO, .partition = PARTITION_NONE};
    static uint8_t large[8192];
    world_message(w, SIDE_CLIENT, C, &header, "\xff\xff", 2);
    assert_error(w, SIDE_CLIENT, C, ERROR_malformed);
    world_message(w, SIDE_CLIENT, C, &header, large, sizeof large);
    assert_error(w, SIDE_CLIENT, C, ERROR_malformed);
    header.session = 1;
    world_message(w, SIDE_CLIENT, C, &header, "", 0);
    assert_error(w, SIDE_CLIENT, C, ERROR_malformed);
    world_end(w);
}

static void test_sessions_are_limited(void **state)
{
    (void)state;
    struct world *w = world_new();
    w->config.limits.clients = 3;
    world_start(w);
    uint32_t first = world_hello(w, SIDE_CLIENT, 10);
    assert_int_not_equal(first, 0);
    assert_int_not_equal(world_hello(w, SIDE_CLIENT, 11), 0);
    assert_int_not_equal(world_hello(w, SIDE_CLIENT, 12), 0);
    assert_int_equal(world_hello(w, SIDE_CLIENT, 13), 0);
    assert_error(w, SIDE_CLIENT, 13, ERROR_full);
    /* a worker has a place of its own, and a place that is left is free, under another number */
    assert_int_not_equal(world_hello(w, SIDE_WORKER, 14), 0);
    struct header header = {.type = MESSAGE_GOODBYE, .partition = PARTITION_NONE, .session = first};
    world_message(w, SIDE_CLIENT, 10, &header, NULL, 0);
    uint32_t next = world_hello(w, SIDE_CLIENT, 13);
    assert_int_not_equal(next, 0);
    assert_int_not_equal(next, first);
    world_end(w);
}

static void test_without_a_session(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_start(w);
    world_operation(w, C, 42, 9, 0, CLASS_SERVICE, 1);
    struct sent *error = world_take(w, SIDE_CLIENT, C, MESSAGE_ERROR);
    assert_non_null(error);
    assert_int_equal(error->header.session, 42);
    assert_int_equal(error->header.sequence, 9);
    /* with one, but under the number of another */
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    world_operation(w, C, c + 1, 1, 0, CLASS_SERVICE, 1);
    assert_error(w, SIDE_CLIENT, C, ERROR_no_session);
    /* which did not end it */
    world_operation(w, C, c, 1, 0, CLASS_SERVICE, 1);
    world_flush(w);
    assert_null(world_take(w, SIDE_CLIENT, C, MESSAGE_ERROR));
    /* a goodbye or an error of a stranger is not answered: two brokers could go on for ever */
    struct header header = {.type = MESSAGE_ERROR, .partition = PARTITION_NONE};
    world_message(w, SIDE_CLIENT, 30, &header, NULL, 0);
    assert_int_equal(world_count(w, SIDE_CLIENT, 30, MESSAGE_ERROR), 0);
    world_end(w);
}

static void test_messages_that_are_not_taken(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_start(w);
    uint8_t bytes[HEADER_BYTES];
    struct header header = {.type = 99, .partition = PARTITION_NONE};
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    header.session = c;
    world_message(w, SIDE_CLIENT, C, &header, NULL, 0);
    assert_error(w, SIDE_CLIENT, C, ERROR_unknown_type);
    header.type = MESSAGE_RESULT; /* a client gives no results */
    world_message(w, SIDE_CLIENT, C, &header, NULL, 0);
    assert_error(w, SIDE_CLIENT, C, ERROR_unexpected);
    header.type = MESSAGE_HEARTBEAT; /* the session has outlived both */
    world_message(w, SIDE_CLIENT, C, &header, NULL, 0);
    world_flush(w);
    assert_non_null(world_take(w, SIDE_CLIENT, C, MESSAGE_HEARTBEAT));
    header_write(&header, bytes);
    bytes[2] = 2;
    world_raw(w, SIDE_CLIENT, C, bytes, sizeof bytes, NULL, 0);
    assert_error(w, SIDE_CLIENT, C, ERROR_version);
    world_message(w, SIDE_CLIENT, C, &header, NULL, 0);
    assert_error(w, SIDE_CLIENT, C, ERROR_no_session);
    world_raw(w, SIDE_CLIENT, C, bytes, 31, NULL, 0);
    assert_error(w, SIDE_CLIENT, C, ERROR_malformed);
    world_end(w);
}

static void test_fields_of_an_operation(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_start(w);
    world_worker(w, W, 0, 8, 1, 100);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    int64_t furthest_us =
        (int64_t)(w->config.limits.not_after_ms + w->config.limits.clock_skew_ms) * 1000;
    size_t largest = w->config.limits.message_bytes - 7;
    struct header good = {.type = MESSAGE_OPERATION,
                          .attempt = 1,
                          .session = c,
                          .not_after_us = w->now.wall_us + furthest_us};
    const struct {
        uint32_t partition;
        int64_t not_after_us;
        size_t bytes;
        int status;
    } cases[] = {
        {8, good.not_after_us, 1, STATUS_wrong_partition},
        {PARTITION_NONE, good.not_after_us, 1, STATUS_wrong_partition},
        {0, good.not_after_us + 1, 1, STATUS_invalid},
        {0, INT64_MAX, 1, STATUS_invalid},
        {0, w->now.wall_us - 1, 1, STATUS_deadline_exceeded},
        {0, 1, 1, STATUS_deadline_exceeded},
        {0, good.not_after_us, largest + 1, STATUS_too_large},
        {0, good.not_after_us, largest, -1},
        {7, w->now.wall_us, 0, -1},
        {0, good.not_after_us, 1, -1},
    };
    uint8_t *body = calloc(1, largest + 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct header header = good;
        header.sequence = i + 1;
        header.partition = cases[i].partition;
        header.not_after_us = cases[i].not_after_us;
        world_message(w, SIDE_CLIENT, C, &header, body, cases[i].bytes);
        world_flush(w);
        uint64_t sequence = i + 1;
        assert_int_equal(world_status(w, C, &sequence, NULL), cases[i].status);
        assert_int_equal(sequence, i + 1);
    }
    assert_int_equal(world_count(w, SIDE_WORKER, W, MESSAGE_OPERATION), 3);
    free(body);
    world_end(w);
}

static void test_a_batch_is_many_messages(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_start(w);
    world_worker(w, W, 0, 8, 1, 100);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    uint8_t batch[3 * (BATCH_ITEM_BYTES + 4)], *p = batch;
    struct header outer = {.type = MESSAGE_BATCH};
    for (uint64_t i = 1; i <= 3; i++) {
        struct header item = {.type = MESSAGE_OPERATION,
                              .attempt = 1,
                              .partition = (uint32_t)i,
                              .session = c,
                              .sequence = i,
                              .not_after_us = w->now.wall_us + SECOND_US};
        batch_item_write(&item, 4, p);
        memset(p + BATCH_ITEM_BYTES, 0, 4);
        p += BATCH_ITEM_BYTES + 4;
    }
    world_message(w, SIDE_CLIENT, C, &outer, batch, sizeof batch);
    world_flush(w);
    struct sent *op[3];
    for (int i = 0; i < 3; i++)
        assert_dispatch(w, W, &op[i]);
    assert_int_equal(op[0]->message, op[2]->message); /* and they leave as one */
    for (int i = 0; i < 3; i++)
        world_reply(w, W, op[i], MESSAGE_RESULT);
    world_flush(w);
    struct sent *first = world_take(w, SIDE_CLIENT, C, MESSAGE_RESULT);
    struct sent *second = world_take(w, SIDE_CLIENT, C, MESSAGE_RESULT);
    assert_int_equal(first->message, second->message);
    /* truncated: what was whole is done, then the session ends */
    for (int i = 0; i < 3; i++)
        batch[(size_t)i * (BATCH_ITEM_BYTES + 4) + 23] = (uint8_t)(10 + i); /* sequence */
    world_message(w, SIDE_CLIENT, C, &outer, batch, sizeof batch - 1);
    assert_error(w, SIDE_CLIENT, C, ERROR_malformed);
    world_operation(w, C, c, 20, 0, CLASS_SERVICE, 1);
    assert_error(w, SIDE_CLIENT, C, ERROR_no_session);
    world_end(w);
}

static void test_silent_peers(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_start(w);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    world_hello(w, SIDE_CLIENT, C + 1);
    struct header beat = {.type = MESSAGE_HEARTBEAT, .partition = PARTITION_NONE, .session = c};
    for (int i = 0; i < 5; i++) {
        world_pass(w, SECOND_US);
        world_message(w, SIDE_CLIENT, C, &beat, NULL, 0);
    }
    assert_error(w, SIDE_CLIENT, C + 1, ERROR_silent);
    assert_int_equal(world_count(w, SIDE_CLIENT, C, MESSAGE_ERROR), 0);
    assert_int_equal(world_count(w, SIDE_CLIENT, C, MESSAGE_HEARTBEAT), 4);
    /* when it was the broker that stood still, nobody is taken for dead */
    w->now.monotonic_us += 60 * SECOND_US;
    w->now.wall_us += 60 * SECOND_US;
    world_pass(w, SECOND_US);
    assert_int_equal(world_count(w, SIDE_CLIENT, C, MESSAGE_ERROR), 0);
    world_pass(w, 3 * SECOND_US);
    assert_error(w, SIDE_CLIENT, C, ERROR_silent);
    world_end(w);
}

static void test_a_peer_that_takes_nothing(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_start(w);
    world_worker(w, W, 0, 8, 1, 100);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    world_operation(w, C, c, 1, 0, CLASS_SERVICE, 1);
    world_flush(w);
    struct sent *op;
    assert_dispatch(w, W, &op);
    w->delivery[C] = DELIVERY_FULL;
    world_reply(w, W, op, MESSAGE_RESULT);
    world_flush(w);
    assert_true(dispatch_wait_us(w->d, w->now) <= 10000);
    w->delivery[C] = DELIVERY_SENT; /* it takes again: nothing was lost */
    world_flush(w);
    assert_int_equal(world_status(w, C, NULL, NULL), STATUS_applied);
    world_operation(w, C, c, 2, 8, CLASS_SERVICE, 1);
    w->delivery[C] = DELIVERY_FULL;
    world_flush(w);
    struct header beat = {.type = MESSAGE_HEARTBEAT, .partition = PARTITION_NONE, .session = c};
    for (int i = 0; i < 40; i++) { /* alive, but it does not read */
        world_pass(w, 100000);
        world_message(w, SIDE_CLIENT, C, &beat, NULL, 0);
    }
    w->delivery[C] = DELIVERY_SENT;
    world_clear(w);
    world_operation(w, C, c, 3, 0, CLASS_SERVICE, 1);
    assert_error(w, SIDE_CLIENT, C, ERROR_no_session);
    world_end(w);
}

static void test_goodbye_sheds_what_was_never_dispatched(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_start(w);
    world_worker(w, W, 0, 8, 1, 1);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    world_operation(w, C, c, 1, 0, CLASS_SERVICE, 1);
    world_operation(w, C, c, 2, 0, CLASS_SERVICE, 1);
    world_flush(w);
    dispatch_goodbye(w->d, w->now);
    uint64_t sequence;
    assert_int_equal(world_status(w, C, &sequence, NULL), STATUS_unavailable);
    assert_int_equal(sequence, 2);
    assert_int_equal(world_status(w, C, NULL, NULL), -1); /* the first is in doubt: not told */
    assert_non_null(world_take(w, SIDE_CLIENT, C, MESSAGE_GOODBYE));
    assert_non_null(world_take(w, SIDE_WORKER, W, MESSAGE_GOODBYE));
    world_end(w);
}

static void test_state_says_what_is(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_start(w);
    world_worker(w, W, 0, 7, 3, 1);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    world_operation(w, C, c, 1, 0, CLASS_SERVICE, 1);
    world_operation(w, C, c, 2, 0, CLASS_SERVICE, 1);
    world_operation(w, C, c, 3, 99, CLASS_SERVICE, 1);
    world_flush(w);
    world_pass(w, 1500000);
    size_t bytes;
    uint8_t *body = dispatch_state(w->d, w->now, &bytes);
    Hf__BrokerState *got = hf__broker_state__unpack(NULL, bytes, body);
    assert_non_null(got);
    assert_int_equal(got->operations, 2);
    assert_int_equal(got->queued, 1);
    assert_int_equal(got->in_flight, 1);
    assert_int_equal(got->partitions_served, 7);
    assert_int_equal(got->n_sheds, 1);
    assert_int_equal(got->sheds[0]->status, STATUS_wrong_partition);
    assert_int_equal(got->n_partition_states, 2);
    assert_int_equal(got->partition_states[0]->epoch, 3);
    assert_int_equal(got->partition_states[0]->queued, 1);
    assert_int_equal(got->partition_states[0]->in_flight, 1);
    assert_int_equal(got->partition_states[0]->oldest_ms, 1500);
    assert_int_equal(got->partition_states[1]->partition, 7);
    assert_int_equal(got->partition_states[1]->worker.len, 0);
    assert_int_equal(got->n_workers, 1);
    assert_int_equal(got->workers[0]->credit, 0);
    assert_int_equal(got->workers[0]->in_flight, 1);
    assert_int_equal(got->n_clients, 1);
    assert_int_equal(got->clients[0]->in_flight, 2);
    assert_int_equal(got->clients[0]->shed, 1);
    hf__broker_state__free_unpacked(got, NULL);
    free(body);
    world_end(w);
}

/* As the state says it. */
static void assert_trouble(struct world *w, const char *want)
{
    size_t bytes;
    uint8_t *body = dispatch_state(w->d, w->now, &bytes);
    Hf__BrokerState *got = hf__broker_state__unpack(NULL, bytes, body);

    assert_non_null(got);
    assert_int_equal(got->n_workers, 1);
    assert_int_equal(got->workers[0]->trouble.len, strlen(want));
    assert_memory_equal(got->workers[0]->trouble.data, want, strlen(want));
    hf__broker_state__free_unpacked(got, NULL);
    free(body);
}

static void say_trouble(struct world *w, uint32_t session, const char *text)
{
    Hf__Heartbeat heartbeat = HF__HEARTBEAT__INIT;
    uint8_t body[512];
    struct header header = {
        .type = MESSAGE_HEARTBEAT, .partition = PARTITION_NONE, .session = session};

    heartbeat.clock_us = w->now.wall_us;
    heartbeat.trouble = (ProtobufCBinaryData){strlen(text), (uint8_t *)(uintptr_t)text};
    world_message(w, SIDE_WORKER, W, &header, body, hf__heartbeat__pack(&heartbeat, body));
    world_flush(w);
}

static void test_a_workers_trouble_is_passed_on(void **state)
{
    (void)state;
    struct world *w = world_new();
    char longest[TROUBLE_BYTES_MAX + 2];
    world_start(w);
    uint32_t session = world_hello(w, SIDE_WORKER, W);

    assert_trouble(w, "");
    say_trouble(w, session, "could not connect: no such server");
    assert_trouble(w, "could not connect: no such server");
    say_trouble(w, session, "two\nlines");
    assert_trouble(w, "");
    memset(longest, 'x', sizeof longest);
    longest[TROUBLE_BYTES_MAX] = '\0';
    say_trouble(w, session, longest);
    assert_trouble(w, longest);
    longest[TROUBLE_BYTES_MAX] = 'x';
    longest[TROUBLE_BYTES_MAX + 1] = '\0';
    say_trouble(w, session, longest);
    assert_trouble(w, "");
    say_trouble(w, session, "again");
    say_trouble(w, session, "");
    assert_trouble(w, "");
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_operation_goes_to_the_owner_and_its_result_back),
        cmocka_unit_test(test_a_principal_from_the_client_is_overridden),
        cmocka_unit_test(test_a_query_is_answered),
        cmocka_unit_test(test_hello_is_checked),
        cmocka_unit_test(test_hello_that_cannot_be_read),
        cmocka_unit_test(test_sessions_are_limited),
        cmocka_unit_test(test_without_a_session),
        cmocka_unit_test(test_messages_that_are_not_taken),
        cmocka_unit_test(test_fields_of_an_operation),
        cmocka_unit_test(test_a_batch_is_many_messages),
        cmocka_unit_test(test_silent_peers),
        cmocka_unit_test(test_a_peer_that_takes_nothing),
        cmocka_unit_test(test_goodbye_sheds_what_was_never_dispatched),
        cmocka_unit_test(test_state_says_what_is),
        cmocka_unit_test(test_a_workers_trouble_is_passed_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
