/* SPDX-License-Identifier: MIT
 *
 * Who owns a partition, and what becomes of operations whose worker goes: broker/assign.c.
 */
#include "tests/unit/dispatch_world.h"

#define W 1u /* peers */
#define C 2u
#define W2 11u
#define W3 12u
#define W4 13u

/* The worker's process dies: its connection is gone, or it is only silent. */
static void die(struct world *w, uint32_t peer, uint32_t client_session)
{
    struct header beat = {
        .type = MESSAGE_HEARTBEAT, .partition = PARTITION_NONE, .session = client_session};
    (void)peer; /* nobody speaks for it any more */
    for (int i = 0; i < 4; i++) {
        world_message(w, SIDE_CLIENT, C, &beat, NULL, 0);
        world_pass(w, SECOND_US);
    }
    assert_error(w, SIDE_WORKER, peer, ERROR_silent);
}

/* Its process ends, and its connection with it: found out when something is said to it. */
static void vanish(struct world *w, uint32_t peer)
{
    w->delivery[peer] = DELIVERY_GONE;
    world_pass(w, SECOND_US / 2);
}

static void send_some(struct world *w, uint32_t c, uint64_t first, uint64_t last,
                      uint32_t partition)
{
    for (uint64_t i = first; i <= last; i++)
        world_operation(w, C, c, i, partition, CLASS_SERVICE, i); /* the length tells which */
    world_flush(w);
}

static uint64_t number_of(const struct sent *op)
{
    return op->body_bytes - 7;
}

static void assert_next(struct world *w, uint32_t peer, uint64_t number, struct sent **op)
{
    assert_dispatch(w, peer, op);
    assert_int_equal(number_of(*op), number);
}

static unsigned waiting_at(const struct world *w, uint32_t peer)
{
    return world_count(w, SIDE_WORKER, peer, MESSAGE_OPERATION);
}

static void test_the_highest_epoch_owns(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sent *op;
    world_start(w);
    uint32_t s1 = world_worker(w, W, 0, 8, 5, 100);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    world_clear(w);
    uint32_t s2 = world_worker(w, W2, 3, 1, 4, 100); /* lower: stays where it is */
    struct sent *answer = world_take(w, SIDE_WORKER, W2, MESSAGE_HEARTBEAT);
    Hf__Heartbeat *heartbeat = hf__heartbeat__unpack(NULL, answer->body_bytes, answer->body);
    assert_int_equal(heartbeat->answer, 1);
    assert_int_equal(heartbeat->n_stale, 1);
    assert_int_equal(heartbeat->stale[0]->partition, 3);
    assert_int_equal(heartbeat->stale[0]->epoch, 5);
    hf__heartbeat__free_unpacked(heartbeat, NULL);
    send_some(w, c, 1, 1, 3);
    assert_next(w, W, 1, &op);
    world_own(w, W2, s2, 3, 1, 5); /* the same epoch from another process: not believed */
    send_some(w, c, 2, 2, 3);
    assert_next(w, W, 2, &op);
    world_own(w, W2, s2, 3, 1, 6);
    send_some(w, c, 3, 3, 3);
    assert_next(w, W2, 3, &op);
    world_own(w, W, s1, 0, 8, 5); /* the old owner repeats itself, and is told */
    send_some(w, c, 4, 4, 3);
    assert_next(w, W2, 4, &op);
    /* the list is absolute: what is missing is not owned */
    world_own(w, W2, s2, 0, 0, 0);
    send_some(w, c, 5, 5, 3);
    assert_int_equal(waiting_at(w, W) + waiting_at(w, W2), 0);
    world_own(w, W, s1, 3, 1, 7);
    assert_next(w, W, 5, &op);
    world_end(w);
}

static void test_announcements_are_checked(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_start(w);
    uint32_t s = world_hello(w, SIDE_WORKER, W);
    world_own(w, W, s, 4, 5, 1); /* 8 is none of 0 to 7 */
    assert_error(w, SIDE_WORKER, W, ERROR_malformed);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    world_own(w, C, c, 0, 1, 9);
    assert_error(w, SIDE_WORKER, C, ERROR_no_session); /* a client's session is none here */
    world_end(w);
}

static void test_a_clean_handover(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sent *op, *back;
    world_start(w);
    uint32_t s1 = world_worker(w, W, 0, 8, 1, 100);
    uint32_t s2 = world_worker(w, W2, 0, 0, 0, 100);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    send_some(w, c, 1, 2, 0);
    assert_next(w, W, 1, &op);
    assert_next(w, W, 2, &back);
    world_own(w, W, s1, 1, 7, 1);
    world_own(w, W2, s2, 0, 1, 2);
    send_some(w, c, 3, 3, 0); /* the new owner gets what is new */
    struct sent *third;
    assert_next(w, W2, 3, &third);
    /* the old one answers what it had begun, and returns the rest */
    world_reply(w, W, op, MESSAGE_RESULT);
    world_reply(w, W, back, MESSAGE_RETURNED);
    world_flush(w);
    uint64_t sequence;
    assert_int_equal(world_status(w, C, &sequence, NULL), STATUS_applied);
    assert_int_equal(sequence, 1);
    assert_next(w, W2, 2, &op);
    assert_int_equal(op->header.attempt, 1); /* never begun */
    assert_int_equal(op->header.flags, 0);
    world_end(w);
}

static void test_returned_goes_back_in_place(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sent *op[5], *again;
    world_start(w);
    uint32_t s = world_worker(w, W, 0, 8, 1, 3);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    send_some(w, c, 1, 5, 0);
    for (uint64_t i = 0; i < 3; i++)
        assert_next(w, W, i + 1, &op[i]);
    /* out of order, and once too often */
    world_reply(w, W, op[2], MESSAGE_RETURNED);
    world_reply(w, W, op[0], MESSAGE_RETURNED);
    world_reply(w, W, op[1], MESSAGE_RETURNED);
    world_reply(w, W, op[1], MESSAGE_RETURNED);
    world_grant(w, W, s, 100);
    /* it goes nowhere until the worker says that it serves the partition */
    assert_int_equal(waiting_at(w, W), 0);
    world_own(w, W, s, 0, 8, 1);
    for (uint64_t i = 1; i <= 5; i++) {
        assert_next(w, W, i, &again);
        assert_int_equal(again->header.sequence, 3 + i);
        assert_int_equal(again->header.flags, 0);
    }
    /* what the worker says about the first dispatch is stale now */
    world_reply(w, W, op[0], MESSAGE_RESULT);
    world_flush(w);
    assert_int_equal(world_status(w, C, NULL, NULL), -1);
    world_end(w);
}

static void test_results_of_others_are_ignored(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sent *op;
    world_start(w);
    world_worker(w, W, 0, 8, 1, 100);
    uint32_t s2 = world_worker(w, W2, 0, 0, 0, 100);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    send_some(w, c, 1, 1, 0);
    assert_dispatch(w, W, &op);
    struct sent forged = *op;
    forged.header.session = s2;
    world_reply(w, W2, &forged, MESSAGE_RESULT); /* in its own session */
    world_reply(w, W2, op, MESSAGE_RESULT);      /* in the other's */
    forged = *op;
    forged.header.sequence = 2;
    world_reply(w, W, &forged, MESSAGE_RESULT);
    forged.header.sequence = 0;
    world_reply(w, W, &forged, MESSAGE_RESULT);
    forged.header.sequence = UINT64_MAX;
    world_reply(w, W, &forged, MESSAGE_RETURNED);
    world_flush(w);
    assert_int_equal(world_status(w, C, NULL, NULL), -1);
    world_reply(w, W, op, MESSAGE_RESULT);
    world_reply(w, W, op, MESSAGE_RESULT); /* twice */
    world_flush(w);
    assert_int_equal(world_status(w, C, NULL, NULL), STATUS_applied);
    assert_int_equal(world_status(w, C, NULL, NULL), -1);
    world_end(w);
}

static void test_a_dead_workers_operations_go_one_at_a_time(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sent *op;
    world_start(w);
    world_worker(w, W, 0, 8, 1, 4);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    send_some(w, c, 1, 6, 0); /* 5 and 6 were never dispatched */
    die(w, W, c);
    world_clear(w);
    world_worker(w, W2, 0, 8, 2, 100);
    assert_next(w, W2, 1, &op);
    assert_int_equal(op->header.attempt, 2);
    assert_int_equal(op->header.flags, HEADER_FLAG_SUSPECT);
    assert_int_equal(waiting_at(w, W2), 0); /* alone */
    send_some(w, c, 7, 7, 0);
    assert_int_equal(waiting_at(w, W2), 0); /* its queue waits behind it */
    world_reply(w, W2, op, MESSAGE_RESULT);
    world_flush(w);
    assert_int_equal(world_status(w, C, NULL, NULL), STATUS_applied);
    /* answered: two may be out */
    struct sent *second, *third;
    assert_next(w, W2, 2, &second);
    assert_next(w, W2, 3, &third);
    assert_int_equal(third->header.flags, HEADER_FLAG_SUSPECT);
    assert_int_equal(waiting_at(w, W2), 0);
    world_reply(w, W2, second, MESSAGE_RESULT);
    world_flush(w);
    assert_next(w, W2, 4, &op);
    assert_int_equal(op->header.attempt, 2);
    /* then those that had never been dispatched, as they are, in their order */
    for (uint64_t i = 5; i <= 7; i++) {
        assert_next(w, W2, i, &op);
        assert_int_equal(op->header.attempt, 1);
        assert_int_equal(op->header.flags, 0);
    }
    world_end(w);
}

static void test_one_suspect_at_a_time_over_all_partitions_of_a_worker(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sent *op;
    world_start(w);
    world_worker(w, W, 0, 8, 1, 100);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    for (uint64_t i = 1; i <= 4; i++)
        send_some(w, c, i, i, (uint32_t)i - 1);
    die(w, W, c);
    world_clear(w);
    world_worker(w, W2, 0, 8, 2, 100);
    assert_int_equal(waiting_at(w, W2), 1);
    /* partitions without suspects go on */
    send_some(w, c, 5, 5, 7);
    assert_int_equal(waiting_at(w, W2), 2);
    assert_next(w, W2, 1, &op);
    world_reply(w, W2, op, MESSAGE_RETURNED); /* not begun: clears nothing */
    world_flush(w);
    assert_next(w, W2, 5, &op);
    assert_next(w, W2, 2, &op);
    assert_int_equal(op->header.flags, HEADER_FLAG_SUSPECT);
    assert_int_equal(waiting_at(w, W2), 0);
    world_end(w);
}

static void test_poison_is_set_aside_and_its_neighbours_go_on(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sent *op;
    uint64_t sequence;
    world_start(w);
    world_worker(w, W, 0, 8, 1, 3);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    send_some(w, c, 1, 5, 0);
    vanish(w, W);
    world_clear(w);
    uint32_t s2 = world_worker(w, W2, 0, 8, 2, 100);
    assert_next(w, W2, 1, &op);
    world_trial(w, W2, s2, 0, 8, 2, op->header.sequence, false);
    vanish(w, W2);
    assert_int_equal(world_status(w, C, &sequence, NULL), STATUS_poison);
    assert_int_equal(sequence, 1);
    world_clear(w);
    world_worker(w, W3, 0, 8, 3, 100);
    for (uint64_t i = 2; i <= 5; i++) {
        assert_next(w, W3, i, &op);
        assert_int_equal(op->header.attempt, i <= 3 ? 2 : 1);
        world_reply(w, W3, op, MESSAGE_RESULT);
        world_flush(w);
        assert_int_equal(world_status(w, C, &sequence, NULL), STATUS_applied);
        assert_int_equal(sequence, i);
    }
    world_end(w);
}

/* A worker may be stopped while it runs an innocent. Its process is not gone; only the second time
 * that it falls silent is taken for proof. */
static void test_silence_in_a_trial_is_half_a_proof(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sent *op;
    world_start(w);
    world_worker(w, W, 0, 8, 1, 100);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    send_some(w, c, 1, 1, 0);
    die(w, W, c);
    uint32_t s2 = world_worker(w, W2, 0, 8, 2, 100);
    assert_next(w, W2, 1, &op);
    world_trial(w, W2, s2, 0, 8, 2, op->header.sequence, false);
    die(w, W2, c);
    assert_int_equal(world_status(w, C, NULL, NULL), -1);
    world_clear(w);
    uint32_t s3 = world_worker(w, W3, 0, 8, 3, 100);
    assert_next(w, W3, 1, &op);
    world_trial(w, W3, s3, 0, 8, 3, op->header.sequence, false);
    die(w, W3, c);
    assert_int_equal(world_status(w, C, NULL, NULL), STATUS_poison);
    world_end(w);
}

/* Whatever else is in flight at a worker that dies in a trial is not blamed: neither what it had
 * from this broker, nor, when the trial is another broker's, anything. */
static void test_only_what_is_tried_is_blamed(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sent *op, *beside;
    world_start(w);
    world_worker(w, W, 0, 8, 1, 100);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    send_some(w, c, 1, 1, 0);
    vanish(w, W);
    world_clear(w);
    uint32_t s2 = world_worker(w, W2, 0, 8, 2, 100);
    assert_next(w, W2, 1, &op);
    send_some(w, c, 2, 2, 5);
    assert_next(w, W2, 2, &beside);
    world_trial(w, W2, s2, 0, 8, 2, op->header.sequence, false);
    vanish(w, W2);
    assert_int_equal(world_status(w, C, NULL, NULL), STATUS_poison);
    world_clear(w);
    uint32_t s3 = world_worker(w, W3, 0, 8, 3, 100);
    assert_next(w, W3, 2, &beside);
    assert_int_equal(beside->header.flags, 0);
    assert_int_equal(beside->header.attempt, 2);
    world_trial(w, W3, s3, 0, 8, 3, 0, true);
    vanish(w, W3);
    world_clear(w);
    uint32_t s4 = world_worker(w, W4, 0, 8, 4, 100);
    assert_next(w, W4, 2, &beside);
    assert_int_equal(beside->header.flags, 0);
    assert_int_equal(beside->header.attempt, 3);
    /* a trial that is over, or was answered, excuses nobody */
    world_trial(w, W4, s4, 0, 8, 4, 0, true);
    world_trial(w, W4, s4, 0, 8, 4, 0, false);
    vanish(w, W4);
    world_clear(w);
    w->delivery[W] = DELIVERY_SENT;
    uint32_t s1 = world_worker(w, W, 0, 8, 5, 100);
    assert_next(w, W, 2, &beside);
    assert_int_equal(beside->header.flags, HEADER_FLAG_SUSPECT);
    world_trial(w, W, s1, 0, 8, 5, beside->header.sequence, false);
    world_reply(w, W, beside, MESSAGE_RESULT);
    world_flush(w);
    send_some(w, c, 3, 3, 0);
    vanish(w, W);
    world_clear(w);
    w->delivery[W2] = DELIVERY_SENT;
    world_worker(w, W2, 0, 8, 6, 100);
    assert_next(w, W2, 3, &op);
    assert_int_equal(op->header.flags, HEADER_FLAG_SUSPECT);
    world_end(w);
}

/* A worker that dies before it can announce a trial: found when it was alone at the fourth death.
 */
static void test_a_killer_that_leaves_no_word_is_found(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sent *op;
    uint64_t sequence;
    const uint32_t workers[] = {W2, W3, W4};
    world_start(w);
    world_worker(w, W, 0, 8, 1, 100);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    send_some(w, c, 1, 1, 0); /* the killer */
    send_some(w, c, 2, 2, 1);
    vanish(w, W);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(world_status(w, C, NULL, NULL), -1);
        world_clear(w);
        uint32_t s = world_worker(w, workers[i], 0, 8, 2 + i, 100);
        assert_next(w, workers[i], 1, &op);
        assert_int_equal(op->header.flags, HEADER_FLAG_SUSPECT);
        assert_int_equal(op->header.attempt, 2 + i);
        send_some(w, c, 3 + i, 3 + i, 5);
        /* what was there at two deaths runs with nothing beside it */
        assert_int_equal(waiting_at(w, workers[i]), i == 0 ? 1 : 0);
        if (i == 0)
            world_own(w, workers[i], s, 0, 8, 2);
        vanish(w, workers[i]);
    }
    assert_int_equal(world_status(w, C, &sequence, NULL), STATUS_poison);
    assert_int_equal(sequence, 1);
    world_end(w);
}

static void test_a_lost_connection_is_found_at_once(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sent *op;
    world_start(w);
    world_worker(w, W, 0, 8, 1, 100);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    send_some(w, c, 1, 1, 0);
    assert_next(w, W, 1, &op);
    w->delivery[W] = DELIVERY_GONE;
    world_worker(w, W2, 0, 8, 2, 100);
    world_pass(w, SECOND_US / 2); /* not three heartbeats */
    assert_next(w, W2, 1, &op);
    assert_int_equal(op->header.attempt, 2);
    world_end(w);
}

static void test_goodbye_makes_no_suspects(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sent *op;
    world_start(w);
    uint32_t s = world_worker(w, W, 0, 8, 1, 100);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    send_some(w, c, 1, 3, 0);
    struct header bye = {.type = MESSAGE_GOODBYE, .partition = PARTITION_NONE, .session = s};
    world_message(w, SIDE_WORKER, W, &bye, NULL, 0);
    world_clear(w);
    world_worker(w, W2, 0, 8, 2, 100);
    for (uint64_t i = 1; i <= 3; i++) {
        assert_next(w, W2, i, &op);
        assert_int_equal(op->header.flags, 0);
        assert_int_equal(op->header.attempt, 2); /* but it may have begun them */
    }
    world_end(w);
}

static void test_hello_again_on_the_same_connection(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sent *op, *again;
    world_start(w);
    uint32_t s1 = world_worker(w, W, 0, 8, 1, 100);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    send_some(w, c, 1, 1, 0);
    assert_next(w, W, 1, &op);
    uint32_t s2 = world_worker(w, W, 0, 8, 2, 100);
    assert_int_not_equal(s1, s2);
    assert_next(w, W, 1, &again);
    assert_int_equal(again->header.session, s2);
    world_reply(w, W, op, MESSAGE_RESULT); /* of the session before */
    assert_error(w, SIDE_WORKER, W, ERROR_no_session);
    assert_int_equal(world_status(w, C, NULL, NULL), -1);
    world_end(w);
}

static void test_what_never_left_is_not_suspected(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sent *op;
    world_start(w);
    world_worker(w, W, 0, 8, 1, 100);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    w->delivery[W] = DELIVERY_GONE;
    send_some(w, c, 1, 2, 0); /* finds out that the connection is gone */
    world_clear(w);
    world_worker(w, W2, 0, 8, 2, 100);
    for (uint64_t i = 1; i <= 2; i++) {
        assert_next(w, W2, i, &op);
        assert_int_equal(op->header.attempt, 1);
        assert_int_equal(op->header.flags, 0);
    }
    world_end(w);
}

static void test_dispatched_once_is_never_shed(void **state)
{
    (void)state;
    struct world *w = world_new();
    world_start(w);
    world_worker(w, W, 0, 8, 1, 1);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    send_some(w, c, 1, 2, 0); /* not_after in 60 s */
    struct header beat = {.type = MESSAGE_HEARTBEAT, .partition = PARTITION_NONE, .session = c};
    uint64_t sequence = 0;
    int status = -1;
    for (int i = 0; i < 20; i++) { /* the worker dies at 3 s, the grace ends at 12 s */
        world_message(w, SIDE_CLIENT, C, &beat, NULL, 0);
        world_pass(w, SECOND_US);
    }
    assert_int_equal(world_status(w, C, &sequence, NULL), STATUS_unavailable);
    assert_int_equal(sequence, 2);
    for (int i = 20; i < 68; i++) {
        world_message(w, SIDE_CLIENT, C, &beat, NULL, 0);
        world_pass(w, SECOND_US);
    }
    assert_int_equal(world_status(w, C, NULL, NULL), -1);
    for (int i = 68; i < 71 && status < 0; i++) { /* 60 s and a grace of 9 s */
        world_message(w, SIDE_CLIENT, C, &beat, NULL, 0);
        world_pass(w, SECOND_US);
        status = world_status(w, C, &sequence, NULL);
    }
    assert_int_equal(status, STATUS_unknown);
    assert_int_equal(sequence, 1);
    world_end(w);
}

static void reply_status_of(struct world *w, uint32_t peer, const struct sent *op,
                            enum status status)
{
    uint8_t body[64];
    Hf__Result result;
    struct header header = {
        .type = MESSAGE_RESULT,
        .partition = op->header.partition,
        .session = op->header.session,
        .sequence = op->header.sequence,
    };
    hf__result__init(&result);
    result.status = (uint32_t)status;
    world_message(w, SIDE_WORKER, peer, &header, body, hf__result__pack(&result, body));
    world_flush(w);
}

/* A worker that comes after a dead one may only say what its own dispatch did. A refusal is looked
 * up before; a shed is not, so the one that died may have applied it. */
static void test_a_shed_after_a_death_is_unknown(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct sent *op;
    world_start(w);
    world_worker(w, W, 0, 8, 1, 100);
    uint32_t c = world_hello(w, SIDE_CLIENT, C);
    send_some(w, c, 1, 2, 0);
    assert_next(w, W, 1, &op);
    assert_next(w, W, 2, &op);
    die(w, W, c);
    world_worker(w, W2, 0, 8, 2, 100);
    assert_next(w, W2, 1, &op);
    assert_int_equal(op->header.attempt, 2);
    reply_status_of(w, W2, op, STATUS_deadline_exceeded);
    assert_int_equal(world_status(w, C, NULL, NULL), STATUS_unknown);
    assert_next(w, W2, 2, &op);
    reply_status_of(w, W2, op, STATUS_insufficient_stock);
    assert_int_equal(world_status(w, C, NULL, NULL), STATUS_insufficient_stock);
    send_some(w, c, 3, 3, 0); /* what was given back was never begun */
    assert_next(w, W2, 3, &op);
    world_reply(w, W2, op, MESSAGE_RETURNED);
    world_own(w, W2, op->header.session, 0, 8, 2);
    assert_next(w, W2, 3, &op);
    reply_status_of(w, W2, op, STATUS_deadline_exceeded);
    assert_int_equal(world_status(w, C, NULL, NULL), STATUS_deadline_exceeded);
    world_end(w);
}

/* Many operations, workers that come and go at random: every operation is answered exactly once,
 * or is still held, and the counts agree. */
static void test_nothing_is_lost_or_doubled(void **state)
{
    (void)state;
    enum { OPERATIONS = 900 };
    for (unsigned seed = 1; seed <= 20; seed++) {
        struct world *w = world_new();
        static unsigned answered[OPERATIONS + 1];
        uint32_t sessions[3] = {0};
        uint64_t epoch = 0, sent = 0, sequence;
        unsigned total = 0;
        srand(seed);
        memset(answered, 0, sizeof answered);
        w->config.limits.queue_operations = 2000;
        w->config.limits.client_window = OPERATIONS;
        world_start(w);
        uint32_t c = world_hello(w, SIDE_CLIENT, C);
        struct header beat = {.type = MESSAGE_HEARTBEAT, .partition = PARTITION_NONE, .session = c};
        for (unsigned step = 0; step < 20000 && total < OPERATIONS; step++) {
            uint32_t k = (uint32_t)rand() % 3, peer = W2 + k;
            if (sent < OPERATIONS)
                world_operation(w, C, c, ++sent, (uint32_t)rand() % WORLD_PARTITIONS,
                                (uint8_t)(rand() % CLASS_COUNT), 1);
            if (sessions[k] == 0) {
                sessions[k] = world_hello(w, SIDE_WORKER, peer);
                world_grant(w, peer, sessions[k], 1000000);
            }
            struct header bye = {
                .type = MESSAGE_GOODBYE, .partition = PARTITION_NONE, .session = sessions[k]};
            int what = rand() % 40;
            if (what == 0)
                world_message(w, SIDE_WORKER, peer, &bye, NULL, 0);
            if (what == 0)
                sessions[k] = 0;
            else if (what < 6)
                world_own(w, peer, sessions[k], (uint32_t)rand() % 5, 4, ++epoch);
            struct sent *op;
            while (sessions[k] && rand() % 8 > 0 &&
                   (op = world_take(w, SIDE_WORKER, peer, MESSAGE_OPERATION)) != NULL)
                world_reply(w, peer, op, rand() % 10 == 0 ? MESSAGE_RETURNED : MESSAGE_RESULT);
            world_flush(w);
            world_message(w, SIDE_CLIENT, C, &beat, NULL, 0);
            int status;
            while ((status = world_status(w, C, &sequence, NULL)) >= 0) {
                assert_int_equal(status, STATUS_applied);
                assert_int_equal(++answered[sequence], 1);
                total++;
            }
            if (w->count > WORLD_SENT_MAX / 2) { /* keep what is not taken yet */
                size_t n = 0;
                for (size_t i = 0; i < w->count; i++) {
                    if (w->sent[i].taken || w->sent[i].header.type < MESSAGE_OPERATION)
                        free(w->sent[i].body);
                    else
                        w->sent[n++] = w->sent[i];
                }
                w->count = n;
            }
        }
        assert_int_equal(total, OPERATIONS);
        size_t bytes;
        uint8_t *body = dispatch_state(w->d, w->now, &bytes);
        Hf__BrokerState *got = hf__broker_state__unpack(NULL, bytes, body);
        assert_int_equal(got->queued, 0);
        assert_int_equal(got->in_flight, 0);
        hf__broker_state__free_unpacked(got, NULL);
        free(body);
        world_end(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_highest_epoch_owns),
        cmocka_unit_test(test_announcements_are_checked),
        cmocka_unit_test(test_a_clean_handover),
        cmocka_unit_test(test_returned_goes_back_in_place),
        cmocka_unit_test(test_results_of_others_are_ignored),
        cmocka_unit_test(test_a_dead_workers_operations_go_one_at_a_time),
        cmocka_unit_test(test_one_suspect_at_a_time_over_all_partitions_of_a_worker),
        cmocka_unit_test(test_poison_is_set_aside_and_its_neighbours_go_on),
        cmocka_unit_test(test_silence_in_a_trial_is_half_a_proof),
        cmocka_unit_test(test_only_what_is_tried_is_blamed),
        cmocka_unit_test(test_a_killer_that_leaves_no_word_is_found),
        cmocka_unit_test(test_a_lost_connection_is_found_at_once),
        cmocka_unit_test(test_goodbye_makes_no_suspects),
        cmocka_unit_test(test_hello_again_on_the_same_connection),
        cmocka_unit_test(test_what_never_left_is_not_suspected),
        cmocka_unit_test(test_dispatched_once_is_never_shed),
        cmocka_unit_test(test_a_shed_after_a_death_is_unknown),
        cmocka_unit_test(test_nothing_is_lost_or_doubled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
