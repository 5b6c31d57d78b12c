/* SPDX-License-Identifier: MIT
 *
 * Bulk yields: how much of it a worker is given while something else is about (broker/assign.c),
 * and what its waiting says of a queue's pace (broker/queue.c).
 */
#include "tests/unit/dispatch_world.h"

#define W 1u /* peers */
#define C 2u /* customers */
#define B 3u /* a bulk file */
#define PLACES 4u

struct scene {
    struct world *w;
    uint32_t worker, customer, bulk; /* sessions */
    uint64_t customer_at, bulk_at;   /* sequences */
    uint64_t epoch;
};

static struct scene scene_new(void)
{
    struct scene s = {.w = world_new(), .epoch = 1};

    s.w->config.limits.worker_bulk = PLACES;
    world_start(s.w);
    s.worker = world_worker(s.w, W, 0, WORLD_PARTITIONS, 1, 10000);
    s.customer = world_hello(s.w, SIDE_CLIENT, C);
    s.bulk = world_hello(s.w, SIDE_CLIENT, B);
    return s;
}

static void customer_sends(struct scene *s, uint32_t partition)
{
    world_operation(s->w, C, s->customer, ++s->customer_at, partition, CLASS_INTERACTIVE, 1);
    world_flush(s->w);
}

static void bulk_sends(struct scene *s, uint32_t partition)
{
    world_operation(s->w, B, s->bulk, ++s->bulk_at, partition, CLASS_BULK, 1);
    world_flush(s->w);
}

static unsigned given(const struct scene *s)
{
    return world_count(s->w, SIDE_WORKER, W, MESSAGE_OPERATION);
}

static struct header answer_next(struct scene *s)
{
    struct sent *op;

    assert_dispatch(s->w, W, &op);
    struct header header = op->header;
    world_reply(s->w, W, op, MESSAGE_RESULT);
    world_flush(s->w);
    return header;
}

/* The customer's own is answered, so what is counted afterwards is bulk. */
static void somebody_was_there(struct scene *s)
{
    customer_sends(s, 0);
    assert_int_equal(answer_next(s).op_class, CLASS_INTERACTIVE);
}

static void test_alone_it_has_everything(void **state)
{
    (void)state;
    struct scene s = scene_new();
    for (uint32_t i = 0; i < 40; i++)
        bulk_sends(&s, i % WORLD_PARTITIONS);
    assert_int_equal(given(&s), 40);
    world_end(s.w);
}

static void test_beside_others_it_has_so_many_places(void **state)
{
    (void)state;
    struct scene s = scene_new();
    unsigned of_partition[WORLD_PARTITIONS] = {0};
    somebody_was_there(&s);
    for (uint32_t i = 0; i < 80; i++) /* the first two partitions have most of it */
        bulk_sends(&s, i < 48 ? i % 2 : i % WORLD_PARTITIONS);
    for (unsigned left = 80; left > 0; left--) {
        /* a lot is answered before the next is begun */
        assert_int_equal(given(&s), left % PLACES > 0 ? left % PLACES : PLACES);
        of_partition[answer_next(&s).partition]++;
        if (left == 80 - 31) { /* they take turns: none has had more than its share by now */
            for (uint32_t p = 0; p < WORLD_PARTITIONS; p++)
                assert_in_range(of_partition[p], 3, 7);
        }
    }
    assert_int_equal(given(&s), 0);
    world_end(s.w);
}

/* A partition to which others come all the time keeps its place among those of which bulk waits. */
static void test_a_busy_partition_has_its_turn(void **state)
{
    (void)state;
    struct scene s = scene_new();
    unsigned of_partition[WORLD_PARTITIONS] = {0};
    somebody_was_there(&s);
    for (uint32_t i = 0; i < 20 * WORLD_PARTITIONS; i++)
        bulk_sends(&s, i % WORLD_PARTITIONS);
    for (unsigned answers = 0; answers < 10 * WORLD_PARTITIONS;) {
        customer_sends(&s, 0);
        for (unsigned n = given(&s); n > 0; n--) {
            struct sent *op;
            assert_dispatch(s.w, W, &op);
            bool is_bulk = op->header.op_class == CLASS_BULK;
            of_partition[op->header.partition] += is_bulk;
            answers += is_bulk;
            world_reply(s.w, W, op, MESSAGE_RESULT);
        }
        world_flush(s.w);
    }
    for (uint32_t p = 0; p < WORLD_PARTITIONS; p++)
        assert_in_range(of_partition[p], 9, 11);
    world_end(s.w);
}

/* Nor is one passed by who comes anew just when a place is free. */
static void test_who_comes_anew_stands_behind(void **state)
{
    (void)state;
    struct scene s = scene_new();
    struct sent *op;
    somebody_was_there(&s);
    for (uint32_t i = 0; i < PLACES + 3; i++)
        bulk_sends(&s, i < PLACES ? 0 : i);
    assert_int_equal(given(&s), PLACES);
    for (uint32_t i = 0; i < 3; i++) {
        assert_dispatch(s.w, W, &op);
        world_operation(s.w, B, s.bulk, ++s.bulk_at, 1 + i, CLASS_BULK, 1);
        world_reply(s.w, W, op, MESSAGE_RESULT);
        world_flush(s.w);
    }
    assert_int_equal(answer_next(&s).partition, 0);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(answer_next(&s).partition, PLACES + i);
    world_end(s.w);
}

/* Many answers in one message free as many places, for as many partitions. */
static void test_every_place_is_used_again(void **state)
{
    (void)state;
    struct scene s = scene_new();
    struct sent *op;
    somebody_was_there(&s);
    for (uint32_t i = 0; i < 40; i++)
        bulk_sends(&s, i % WORLD_PARTITIONS);
    for (unsigned i = 0; i < PLACES; i++) {
        assert_dispatch(s.w, W, &op);
        world_reply(s.w, W, op, MESSAGE_RESULT);
    }
    world_flush(s.w);
    assert_int_equal(given(&s), PLACES);
    for (unsigned i = 0; i < PLACES; i++)
        assert_int_equal(answer_next(&s).partition, PLACES + i);
    world_end(s.w);
}

static void pass(struct scene *s, int64_t us)
{
    s->w->now.wall_us += us;
    s->w->now.monotonic_us += us;
    world_flush(s->w);
}

static void answer_lot(struct scene *s)
{
    struct sent *op;

    while ((op = world_take(s->w, SIDE_WORKER, W, MESSAGE_OPERATION)) != NULL) {
        assert_int_equal(op->header.op_class, CLASS_BULK);
        world_reply(s->w, W, op, MESSAGE_RESULT);
    }
    world_flush(s->w);
}

/* Half of the time that a lot took, and the loop wakes up for it; a second at most. */
static void test_a_worker_rests_between_lots(void **state)
{
    (void)state;
    struct scene s = scene_new();
    somebody_was_there(&s);
    for (uint32_t i = 0; i < 4 * PLACES; i++)
        bulk_sends(&s, i % WORLD_PARTITIONS);
    assert_int_equal(given(&s), PLACES);
    pass(&s, 20000);
    answer_lot(&s);
    assert_int_equal(given(&s), 0);
    assert_int_equal(dispatch_wait_us(s.w->d, s.w->now), 10000);
    customer_sends(&s, 0); /* who comes has the worker for himself */
    assert_int_equal(answer_next(&s).op_class, CLASS_INTERACTIVE);
    pass(&s, 9999);
    assert_int_equal(given(&s), 0);
    pass(&s, 1);
    assert_int_equal(given(&s), PLACES);
    pass(&s, 2500000);
    answer_lot(&s);
    pass(&s, 999999);
    assert_int_equal(given(&s), 0);
    pass(&s, 1);
    assert_int_equal(given(&s), PLACES);
    world_end(s.w);
}

/* What comes one by one is a lot of many that lasts long; the worker was busy with its last only.
 */
static void test_what_trickles_in_is_not_held_up(void **state)
{
    (void)state;
    struct scene s = scene_new();
    struct sent *op;
    somebody_was_there(&s);
    bulk_sends(&s, 0);
    for (unsigned i = 1; i < PLACES; i++) {
        pass(&s, 300000);
        bulk_sends(&s, i);
        assert_dispatch(s.w, W, &op);
        world_reply(s.w, W, op, MESSAGE_RESULT);
    }
    bulk_sends(&s, 0); /* the lot is full */
    assert_int_equal(given(&s), 1);
    pass(&s, 2000);
    answer_lot(&s);
    assert_int_equal(given(&s), 0);
    pass(&s, 1000);
    assert_int_equal(given(&s), 1);
    world_end(s.w);
}

/* Nobody else is there: no lots, and no rests. */
static void test_alone_it_does_not_rest(void **state)
{
    (void)state;
    struct scene s = scene_new();
    for (unsigned i = 0; i < 3 * PLACES; i++)
        bulk_sends(&s, 0);
    pass(&s, 50000);
    answer_lot(&s);
    bulk_sends(&s, 0);
    assert_int_equal(given(&s), 1);
    world_end(s.w);
}

static void test_who_comes_does_not_wait_for_it(void **state)
{
    (void)state;
    struct scene s = scene_new();
    somebody_was_there(&s);
    for (uint32_t i = 0; i < 40; i++)
        bulk_sends(&s, 3);
    assert_int_equal(given(&s), PLACES);
    customer_sends(&s, 3);
    assert_int_equal(given(&s), PLACES + 1);
    for (unsigned i = 0; i < PLACES; i++)
        assert_int_equal(answer_next(&s).op_class, CLASS_BULK);
    assert_int_equal(answer_next(&s).op_class, CLASS_INTERACTIVE);
    world_end(s.w);
}

static void test_after_a_pause_it_has_everything_again(void **state)
{
    (void)state;
    struct scene s = scene_new();
    somebody_was_there(&s);
    for (uint32_t i = 0; i < 40; i++)
        bulk_sends(&s, i % WORLD_PARTITIONS);
    world_pass(s.w, SECOND_US);
    assert_int_equal(given(&s), PLACES);
    for (int i = 0; i < 9; i++) { /* who says something keeps the session */
        world_own(s.w, W, s.worker, 0, WORLD_PARTITIONS, 1);
        bulk_sends(&s, 0);
        assert_int_equal(given(&s), PLACES);
        world_pass(s.w, SECOND_US);
    }
    assert_int_equal(given(&s), 49);
    world_end(s.w);
}

/* Brokers share nothing, but a worker knows what came to it from the others. */
static void test_a_worker_tells_of_others(void **state)
{
    (void)state;
    struct scene s = scene_new();
    uint8_t body[64];
    Hf__Heartbeat heartbeat = HF__HEARTBEAT__INIT;
    Hf__Owned owned = HF__OWNED__INIT, *list[] = {&owned};
    struct header header = {
        .type = MESSAGE_HEARTBEAT, .partition = PARTITION_NONE, .session = s.worker};
    owned.epoch = 1;
    heartbeat.n_owned = 1;
    heartbeat.owned = list;
    heartbeat.clock_us = s.w->now.wall_us;
    heartbeat.others = true;
    world_message(s.w, SIDE_WORKER, W, &header, body, hf__heartbeat__pack(&heartbeat, body));
    for (uint32_t i = 0; i < 40; i++)
        bulk_sends(&s, 0);
    assert_int_equal(given(&s), PLACES);
    world_end(s.w);
}

/* However a dispatch ends, its place is free again. */
static void test_places_come_back(void **state)
{
    (void)state;
    struct scene s = scene_new();
    struct sent *op;
    somebody_was_there(&s);
    for (uint32_t i = 0; i < 40; i++)
        bulk_sends(&s, i % WORLD_PARTITIONS);
    for (unsigned i = 0; i < PLACES; i++) {
        assert_dispatch(s.w, W, &op);
        world_reply(s.w, W, op, MESSAGE_RETURNED);
    }
    world_own(s.w, W, s.worker, 0, WORLD_PARTITIONS, 1);
    assert_int_equal(given(&s), PLACES);
    for (unsigned i = 0; i < PLACES; i++)
        assert_dispatch(s.w, W, &op);
    /* the worker begins again: what it had comes first */
    uint32_t again = world_worker(s.w, W, 0, WORLD_PARTITIONS, 2, 10000);
    assert_int_not_equal(again, s.worker);
    assert_int_equal(given(&s), PLACES);
    world_end(s.w);
}

/* How slowly bulk goes while it yields does not keep others out of the queue; bulk itself is let in
 * only as far as it is served in time. */
static void test_its_waiting_says_nothing_of_the_pace_of_others(void **state)
{
    (void)state;
    struct scene s = scene_new();
    unsigned taken = 0, busy = 0;
    somebody_was_there(&s);
    for (uint32_t i = 0; i < 40; i++)
        bulk_sends(&s, 0);
    for (int i = 0; i < 24; i++) { /* ten a second, and rests */
        world_pass(s.w, 100000);
        world_own(s.w, W, s.worker, 0, WORLD_PARTITIONS, 1);
        if (given(&s) > 0)
            (void)answer_next(&s);
        while (world_status(s.w, B, NULL, NULL) >= 0)
            continue;
    }
    bulk_sends(&s, 0);
    assert_int_equal(world_status(s.w, B, NULL, NULL), STATUS_busy);
    for (int i = 0; i < 60; i++) {
        customer_sends(&s, 0);
        if (world_status(s.w, C, NULL, NULL) == STATUS_busy)
            busy++;
        else
            taken++;
    }
    assert_int_equal(busy, 0);
    assert_int_equal(taken, 60);
    world_end(s.w);
}

static unsigned told(struct world *w, uint32_t peer)
{
    unsigned count = 0;

    while (world_status(w, peer, NULL, NULL) >= 0)
        count++;
    return count;
}

/* What of bulk waits takes no room from others: so many of them that some wait are still let in,
 * or nobody would know their pace, and the queue would take whatever comes. Found by 32-overload.
 */
static void test_a_flood_beside_it_is_bounded_by_its_own_pace(void **state)
{
    (void)state;
    struct scene s = {.w = world_new()};
    unsigned bulk_held = 0, others_held = 0, most = 0;
    s.w->config.limits.worker_bulk = PLACES;
    s.w->config.limits.queue_operations = 4096;
    s.w->config.limits.client_window = 60000;
    world_start(s.w);
    s.worker = world_worker(s.w, W, 0, WORLD_PARTITIONS, 1, 20);
    s.customer = world_hello(s.w, SIDE_CLIENT, C);
    s.bulk = world_hello(s.w, SIDE_CLIENT, B);
    for (int i = 0; i < 40; i++) { /* before a pace is known */
        customer_sends(&s, 0);
        bulk_sends(&s, 0);
    }
    bulk_held = others_held = 40;
    for (int i = 1; i <= 200; i++) { /* forty a second */
        world_pass(s.w, 25000);
        if (i % 20 == 0)
            world_own(s.w, W, s.worker, 0, WORLD_PARTITIONS, 1);
        (void)answer_next(&s);
        world_grant(s.w, W, s.worker, 20 + (uint64_t)i);
        for (int n = 0; n < 5; n++) {
            customer_sends(&s, 0);
            bulk_sends(&s, 0);
        }
        others_held += 5 - told(s.w, C);
        bulk_held += 5 - told(s.w, B);
        if (i > 120 && others_held > most) /* the first burst is over */
            most = others_held;
    }
    assert_in_range(most, 20, 60);
    assert_in_range(bulk_held, 4, 230); /* no more is let in */
    world_end(s.w);
}

/* ---- whatever happens */

static uint32_t draw(uint32_t below)
{
    static uint64_t state = 1;

    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % below;
}

/* What need not be looked at again goes, so that a long test has room. */
static void forget_the_old(struct world *w)
{
    size_t kept = 0;

    for (size_t i = 0; i < w->count; i++) {
        if (w->sent[i].taken || w->sent[i].header.type != MESSAGE_OPERATION)
            free(w->sent[i].body);
        else
            w->sent[kept++] = w->sent[i];
    }
    w->count = kept;
}

static void answer_some(struct scene *s, uint32_t of_ten, bool returned)
{
    for (size_t i = 0; i < s->w->count; i++) {
        struct sent *op = &s->w->sent[i];
        if (op->taken || op->header.type != MESSAGE_OPERATION || draw(10) >= of_ten)
            continue;
        op->taken = true;
        world_reply(s->w, W, op, returned ? MESSAGE_RETURNED : MESSAGE_RESULT);
    }
}

static void come_back(struct scene *s, uint32_t peer, uint32_t *session, uint64_t *sequence)
{
    struct header header = {
        .type = MESSAGE_GOODBYE, .partition = PARTITION_NONE, .session = *session};

    world_message(s->w, SIDE_CLIENT, peer, &header, NULL, 0);
    *session = world_hello(s->w, SIDE_CLIENT, peer);
    *sequence = 0;
}

static void something_happens(struct scene *s)
{
    uint32_t what = draw(100);

    if (what < 50)
        world_operation(s->w, B, s->bulk, ++s->bulk_at, draw(WORLD_PARTITIONS), CLASS_BULK, 1);
    else if (what < 70)
        world_operation(s->w, C, s->customer, ++s->customer_at, draw(WORLD_PARTITIONS),
                        draw(2) ? CLASS_INTERACTIVE : CLASS_FREEING, 1);
    else if (what < 88)
        answer_some(s, draw(11), false);
    else if (what < 90)
        answer_some(s, 1, true); /* its partition has no owner until it is told again */
    else if (what < 93)
        world_own(s->w, W, s->worker, 0, draw(WORLD_PARTITIONS) + 1, s->epoch);
    else if (what < 94)
        s->w->now.wall_us += 61 * SECOND_US; /* what waits is too late */
    else if (what < 95)
        come_back(s, B, &s->bulk, &s->bulk_at);
    else if (what < 96 && draw(5) == 0)
        s->worker = world_worker(s->w, W, 0, WORLD_PARTITIONS, ++s->epoch, draw(2) ? 6 : 10000);
    else
        world_grant(s->w, W, s->worker, 10000);
}

static void test_no_place_is_lost_whatever_happens(void **state)
{
    (void)state;
    for (int round = 0; round < 1000; round++) {
        struct scene s = scene_new();
        for (int i = 0; i < 200; i++) {
            something_happens(&s);
            if (draw(3) > 0)
                world_flush(s.w);
            forget_the_old(s.w);
        }
        come_back(&s, C, &s.customer, &s.customer_at);
        come_back(&s, B, &s.bulk, &s.bulk_at);
        world_grant(s.w, W, s.worker, 10000);
        world_own(s.w, W, s.worker, 0, WORLD_PARTITIONS, s.epoch);
        for (int i = 0; i < 1000 && s.w->count > 0; i++) { /* suspects are given one by one */
            answer_some(&s, 10, false);
            world_flush(s.w);
            forget_the_old(s.w);
        }
        somebody_was_there(&s);
        for (uint32_t i = 0; i < 2 * WORLD_PARTITIONS; i++) {
            for (uint32_t n = 0; n < PLACES + 1; n++)
                bulk_sends(&s, i % WORLD_PARTITIONS);
            assert_int_equal(given(&s), PLACES);
            for (uint32_t n = 0; n < PLACES + 1; n++)
                (void)answer_next(&s);
        }
        world_end(s.w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alone_it_has_everything),
        cmocka_unit_test(test_beside_others_it_has_so_many_places),
        cmocka_unit_test(test_a_busy_partition_has_its_turn),
        cmocka_unit_test(test_who_comes_anew_stands_behind),
        cmocka_unit_test(test_every_place_is_used_again),
        cmocka_unit_test(test_a_worker_rests_between_lots),
        cmocka_unit_test(test_what_trickles_in_is_not_held_up),
        cmocka_unit_test(test_alone_it_does_not_rest),
        cmocka_unit_test(test_who_comes_does_not_wait_for_it),
        cmocka_unit_test(test_after_a_pause_it_has_everything_again),
        cmocka_unit_test(test_a_worker_tells_of_others),
        cmocka_unit_test(test_places_come_back),
        cmocka_unit_test(test_its_waiting_says_nothing_of_the_pace_of_others),
        cmocka_unit_test(test_a_flood_beside_it_is_bounded_by_its_own_pace),
        cmocka_unit_test(test_no_place_is_lost_whatever_happens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
