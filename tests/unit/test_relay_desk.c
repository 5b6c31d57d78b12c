/* SPDX-License-Identifier: MIT
 *
 * The relay's desk: who has which partition, what is given within the credit, acknowledgements, and
 * what becomes of positions that were pruned or lost. The database is a few numbers here.
 */
#include "tests/unit/relay_world.h"

static void test_everything_is_given_and_stored(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct seen *p = &w->peers[0];

    subscribe(w, 0, "a", HF__FROM__FROM_LAST, 1000);
    settle(w);
    assert_int_equal(p->status, STATUS_applied);
    assert_int_equal(p->assigned_count, PARTITIONS);
    assert_int_equal(p->events, 40);
    for (uint32_t i = 0; i < PARTITIONS; i++)
        assert_int_equal(p->at_end[i], 1);
    positions(w, 0, MESSAGE_ACK, 2, 7);
    settle(w);
    assert_int_equal(w->stored[2], 7);
    assert_int_equal(p->acked[2], 7);
    /* More comes: only that is given. */
    w->last[2] = 12;
    uint8_t claim[CLAIM_BYTES];
    memset(claim, w->claim, sizeof claim);
    desk_heard(w->desk, 2, 12, claim, sizeof claim);
    settle(w);
    assert_int_equal(p->events, 42);
    assert_int_equal(p->given[2], 12);
    /* It goes, and another is given what was not acknowledged. */
    desk_gone(w->desk, p->consumer);
    p->consumer = NULL;
    subscribe(w, 1, "a", HF__FROM__FROM_LAST, 1000);
    settle(w);
    assert_int_equal(w->peers[1].events, 42 - 7);
    world_destroy(w);
}

/* A movement is committed, and heard of. */
static void commit_heard(struct world *w, uint32_t partition)
{
    uint8_t claim[16];

    memset(claim, w->claim, sizeof claim);
    desk_heard(w->desk, partition, ++w->last[partition], claim, sizeof claim);
}

/* Reads until nothing is wanted now; returns how many reads. */
static size_t reads_now(struct world *w)
{
    struct job *job;
    size_t reads = 0;

    while ((job = desk_next_job(w->desk, 0, w->now_us)) != NULL) {
        reads += job->kind == JOB_READ;
        do_job(w, job);
        desk_reply(w->desk, &job, w->now_us);
        desk_tick(w->desk, w->now_us);
    }
    return reads;
}

static void test_what_comes_close_together_is_read_at_once(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct seen *p = &w->peers[0];

    subscribe(w, 0, "a", HF__FROM__FROM_NOW, 1000);
    settle(w);
    assert_int_equal(p->events, 0);
    commit_heard(w, 0);
    assert_int_equal(reads_now(w), 1); /* the first does not wait */
    assert_int_equal(p->events, 1);
    for (int i = 0; i < 5; i++) {
        w->now_us += 1000;
        commit_heard(w, (uint32_t)i % PARTITIONS);
        assert_int_equal(reads_now(w), 0);
        assert_true(desk_due_us(w->desk, w->now_us) <= w->now_us + 25000);
    }
    w->now_us += 25000;
    assert_int_equal(reads_now(w), 1);
    assert_int_equal(p->events, 6);
    world_destroy(w);
}

/* So many movements are committed in each of these partitions, and CHANGES tell of them. */
static void commit_told(struct world *w, uint32_t first, uint32_t end, uint64_t count)
{
    uint8_t body[4096];

    for (uint32_t p = first; p < end; p++)
        w->last[p] += count;
    desk_changes(w->desk, body, changes_body(w, first, end, count, body));
    desk_tick(w->desk, w->now_us);
}

static struct world *world_reading(void)
{
    struct world *w = world_new();

    subscribe(w, 0, "a", HF__FROM__FROM_NOW, 1000);
    settle(w);
    assert_int_equal(w->peers[0].events, 0);
    return w;
}

static void test_what_is_told_is_given_and_not_read(void **state)
{
    (void)state;
    struct world *w = world_reading();
    struct seen *p = &w->peers[0];
    uint64_t messages = p->messages;

    commit_told(w, 0, PARTITIONS, 3);
    assert_int_equal(p->events, 3 * PARTITIONS);
    assert_int_equal(p->messages, messages + 1); /* of all partitions in one */
    for (int i = 0; i < 5; i++)
        commit_told(w, 1, 3, 2);
    assert_int_equal(p->events, 3 * PARTITIONS + 20);
    assert_int_equal(reads_now(w), 0);
    assert_int_equal(desk_counts(w->desk).heard, 3 * PARTITIONS + 20);
    positions(w, 0, MESSAGE_ACK, 1, w->last[1]);
    settle(w);
    assert_int_equal(w->stored[1], w->last[1]);
    world_destroy(w);
}

static void test_a_gap_in_what_is_told_is_read(void **state)
{
    (void)state;
    struct world *w = world_reading();
    struct seen *p = &w->peers[0];

    w->last[2] += 2; /* nobody told */
    commit_told(w, 2, 3, 3);
    assert_int_equal(p->events, 0);
    assert_int_equal(reads_now(w), 1);
    assert_int_equal(p->given[2], w->last[2]);
    assert_int_equal(p->events, 5);
    commit_told(w, 2, 3, 1);
    assert_int_equal(p->events, 6);
    assert_int_equal(reads_now(w), 0);
    world_destroy(w);
}

/* By two brokers everything comes twice, and the slower one tells of what was long ago. */
static void test_what_is_told_twice_is_given_once(void **state)
{
    (void)state;
    struct world *w = world_reading();
    struct seen *p = &w->peers[0];
    uint8_t body[4096];

    w->last[1] += 4;
    size_t bytes = changes_body(w, 1, 2, 4, body);
    desk_changes(w->desk, body, bytes);
    desk_changes(w->desk, body, bytes);
    desk_tick(w->desk, w->now_us);
    assert_int_equal(p->events, 4);
    commit_told(w, 1, 2, 2);
    desk_changes(w->desk, body, bytes);
    desk_tick(w->desk, w->now_us);
    assert_int_equal(p->events, 6);
    assert_int_equal(desk_counts(w->desk).heard, 6);
    assert_int_equal(reads_now(w), 0);
    world_destroy(w);
}

/* What another owner tells is given when the database has said that it goes on from there. */
static void test_another_claim_is_looked_up(void **state)
{
    (void)state;
    struct world *w = world_reading();
    struct seen *p = &w->peers[0];

    w->claim = 2;
    commit_told(w, 0, PARTITIONS, 1);
    assert_int_equal(p->events, 0);
    settle(w);
    for (uint32_t i = 0; i < PARTITIONS; i++) {
        assert_int_equal(p->given[i], 0);
        assert_int_equal(p->halt[i], HF__HALT_REASON__HALT_HISTORY_LOST);
    }
    world_destroy(w);
}

/* Nothing of what is wrong is given, and the rest is read. */
static void test_told_nonsense(void **state)
{
    (void)state;
    uint8_t body[4096], bad[4096];

    for (size_t cut = 0; cut < 600; cut++) {
        struct world *w = world_reading();
        struct seen *p = &w->peers[0];
        for (uint32_t i = 0; i < PARTITIONS; i++)
            w->last[i] += 3;
        size_t bytes = changes_body(w, 0, PARTITIONS, 3, body);
        memcpy(bad, body, bytes);
        if (cut < 2 * bytes && cut >= bytes)
            bad[cut - bytes] ^= 1 + cut % 255; /* some other byte */
        desk_changes(w->desk, bad, cut < bytes ? cut : bytes);
        desk_tick(w->desk, w->now_us);
        for (uint32_t i = 0; i < PARTITIONS; i++)
            assert_true(p->given[i] <= w->last[i]);
        desk_changes(w->desk, body, bytes);
        settle(w);
        for (uint32_t i = 0; i < PARTITIONS; i++)
            assert_int_equal(p->given[i], w->last[i]);
        assert_int_equal(p->events, 3 * PARTITIONS);
        world_destroy(w);
    }
}

/* A look at the database is ahead of what an owner tells; where no owner is heard it counts. */
static void test_a_look_does_not_overtake_an_owner(void **state)
{
    (void)state;
    struct world *w = world_reading();
    struct seen *p = &w->peers[0];

    commit_told(w, 3, 4, 1);
    assert_int_equal(p->events, 1);
    w->last[3]++;
    w->now_us += SECOND;
    assert_int_equal(reads_now(w), 0); /* it was looked, and the owner is trusted to tell */
    assert_int_equal(p->events, 1);
    w->now_us += SECOND + SECOND / 10;
    assert_int_equal(reads_now(w), 1); /* the owner has not been heard since */
    assert_int_equal(p->events, 2);
    world_destroy(w);
}

static void test_credit(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct seen *p = &w->peers[0];

    subscribe(w, 0, "a", HF__FROM__FROM_START, 0);
    settle(w);
    assert_int_equal(p->events, 0);
    for (uint64_t credit = 1; credit < 50; credit += 7) {
        say(w, 0, MESSAGE_CREDIT, credit, NULL);
        say(w, 0, MESSAGE_CREDIT, credit / 2, NULL); /* lower: changes nothing */
        settle(w);
        assert_int_equal(p->events, credit < 40 ? credit : 40);
    }
    world_destroy(w);
}

static void test_two_share_and_hand_over(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct seen *a = &w->peers[0], *b = &w->peers[1];

    subscribe(w, 0, "a", HF__FROM__FROM_LAST, 1000);
    settle(w);
    subscribe(w, 1, "a", HF__FROM__FROM_LAST, 1000);
    for (int i = 0; i < 5; i++)
        desk_tick(w->desk, w->now_us);
    assert_int_equal(a->assigned_count, 2); /* two are asked back … */
    assert_int_equal(b->assigned_count, 0); /* … and not given before they are back */
    assert_int_equal(a->assigned[0], 0);
    positions(w, 0, MESSAGE_ACK, 3, 10);
    give_back(w, 0, 2);
    give_back(w, 0, 3);
    settle(w);
    assert_int_equal(b->assigned_count, 2);
    assert_int_equal(b->events, 10); /* of partition 2: that of 3 was acknowledged */
    assert_int_equal(b->given[2], 10);
    /* What is not one's own is not acknowledged. */
    positions(w, 0, MESSAGE_ACK, 2, 10);
    settle(w);
    assert_int_equal(w->stored[2], 0);
    assert_false(a->ended);
    world_destroy(w);
}

static void test_who_does_not_give_back_loses_it(void **state)
{
    (void)state;
    struct world *w = world_new();

    subscribe(w, 0, "a", HF__FROM__FROM_LAST, 1000);
    settle(w);
    subscribe(w, 1, "a", HF__FROM__FROM_LAST, 1000);
    settle(w); /* two seconds */
    assert_int_equal(w->peers[1].assigned_count, 0);
    settle(w);
    settle(w);
    assert_int_equal(w->peers[1].assigned_count, 2);
    assert_int_equal(w->peers[1].events, 20);
    world_destroy(w);
}

/* It was slow, lost two, and got them back when the other one left: what it acknowledges late of
 * what it was given the first time is no mistake, though the relay has gone back since. */
static void test_late_acks_of_what_came_back(void **state)
{
    (void)state;
    struct world *w = world_new();

    subscribe(w, 0, "a", HF__FROM__FROM_LAST, 40);
    settle(w);
    assert_int_equal(w->peers[0].events, 40); /* all that it may be given for now */
    subscribe(w, 1, "a", HF__FROM__FROM_LAST, 0);
    for (int i = 0; i < 4; i++)
        settle(w);
    assert_int_equal(w->peers[1].assigned_count, 2);
    desk_gone(w->desk, w->peers[1].consumer);
    w->peers[1].consumer = NULL;
    settle(w);
    for (uint32_t p = 0; p < PARTITIONS; p++)
        positions(w, 0, MESSAGE_ACK, p, 10);
    settle(w);
    assert_false(w->peers[0].ended);
    /* They are given again, and count then. */
    say(w, 0, MESSAGE_CREDIT, 100, NULL);
    settle(w);
    assert_int_equal(w->peers[0].events, 60);
    for (uint32_t p = 0; p < PARTITIONS; p++)
        positions(w, 0, MESSAGE_ACK, p, 10);
    settle(w);
    for (uint32_t p = 0; p < PARTITIONS; p++)
        assert_int_equal(w->stored[p], 10);
    positions(w, 0, MESSAGE_ACK, 0, 11);
    settle(w);
    assert_int_equal(w->peers[0].why, ERROR_malformed);
    world_destroy(w);
}

static void test_pruned(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct seen *p = &w->peers[0];

    w->pruned[1] = 5;
    w->stored[1] = 3;
    subscribe(w, 0, "a", HF__FROM__FROM_LAST, 1000);
    settle(w);
    assert_int_equal(p->halt[1], HF__HALT_REASON__HALT_POSITION_PRUNED);
    assert_int_equal(p->resume[1], 5);
    assert_int_equal(p->given[1], 0);
    assert_int_equal(p->events, 30); /* the others go on */
    positions(w, 0, MESSAGE_RESUME, 1, 5);
    settle(w);
    assert_int_equal(p->events, 35);
    assert_int_equal(p->given[1], 10);
    world_destroy(w);
}

static void test_lost(void **state)
{
    (void)state;
    struct world *w = world_new();
    struct seen *p = &w->peers[0];

    subscribe(w, 0, "a", HF__FROM__FROM_LAST, 1000);
    settle(w);
    positions(w, 0, MESSAGE_ACK, 0, 4);
    settle(w);
    assert_int_equal(w->stored[0], 4);
    /* Another history, of which nothing that was given is known. */
    w->claim = 2;
    w->last[0] = 20;
    settle(w);
    assert_int_equal(p->halt[0], HF__HALT_REASON__HALT_HISTORY_LOST);
    assert_int_equal(p->resume[0], 4); /* what was stored there */
    assert_int_equal(p->given[0], 10);
    assert_true(w->lost[0]); /* whoever serves it next knows */
    uint64_t events = p->events;
    settle(w);
    assert_int_equal(p->events, events);
    positions(w, 0, MESSAGE_RESUME, 0, 4);
    settle(w);
    assert_int_equal(p->given[0], 20);
    assert_int_equal(p->events, events + 16);
    assert_false(w->lost[0]);
    world_destroy(w);
}

static void test_another_relay(void **state)
{
    (void)state;
    struct world *w = world_new();

    w->other_relay = true;
    subscribe(w, 0, "a", HF__FROM__FROM_LAST, 1000);
    settle(w);
    assert_int_equal(w->peers[0].status, STATUS_unavailable);
    w->other_relay = false;
    subscribe(w, 0, "a", HF__FROM__FROM_LAST, 1000);
    settle(w);
    assert_int_equal(w->peers[0].status, STATUS_applied);
    /* Another took it over: what is stored is fenced, and consumers are sent away. */
    w->epoch++;
    positions(w, 0, MESSAGE_ACK, 0, 4);
    settle(w);
    assert_int_equal(w->stored[0], 0);
    assert_true(w->peers[0].ended);
    assert_int_equal(w->peers[0].why, ERROR_moved);
    world_destroy(w);
}

static void test_delete(void **state)
{
    (void)state;
    struct world *w = world_new();

    subscribe(w, 0, "a", HF__FROM__FROM_LAST, 1000);
    settle(w);
    ask_delete(w, 1, "a");
    settle(w);
    assert_int_equal(w->peers[1].answers, 1);
    assert_int_equal(w->peers[1].answer, STATUS_applied);
    assert_true(w->peers[0].ended);
    assert_int_equal(w->peers[0].why, ERROR_deleted);
    world_destroy(w);
}

/* The relay did not notice that another has the subscription now, which therefore lives. */
static void test_a_delete_that_comes_too_late(void **state)
{
    (void)state;
    struct world *w = world_new();

    subscribe(w, 0, "a", HF__FROM__FROM_LAST, 1000);
    settle(w);
    w->epoch++;
    ask_delete(w, 1, "a");
    settle(w);
    assert_int_equal(w->peers[1].answers, 1);
    assert_int_equal(w->peers[1].answer, STATUS_unavailable);
    assert_true(w->peers[0].ended);
    assert_int_equal(w->peers[0].why, ERROR_moved);
    world_destroy(w);
}

static void test_faults_end_the_session(void **state)
{
    (void)state;
    struct world *w = world_new();

    subscribe(w, 0, "a", HF__FROM__FROM_LAST, 1000);
    settle(w);
    positions(w, 0, MESSAGE_ACK, 0, 11);
    settle(w);
    assert_true(w->peers[0].ended);
    assert_int_equal(w->peers[0].why, ERROR_malformed);
    subscribe(w, 1, "a", HF__FROM__FROM_LAST, 1000);
    w->deaf = true;
    settle(w);
    assert_true(w->peers[1].ended);
    assert_int_equal(w->peers[1].why, ERROR_slow);
    w->deaf = false;
    subscribe(w, 2, "b\n", HF__FROM__FROM_LAST, 1000);
    settle(w);
    assert_int_equal(w->peers[2].status, STATUS_invalid);
    assert_false(w->peers[2].ended);
    world_destroy(w);
}

static void test_nothing_lingers(void **state)
{
    (void)state;
    struct world *w = world_new();

    subscribe(w, 0, "a", HF__FROM__FROM_LAST, 1000);
    settle(w);
    positions(w, 0, MESSAGE_ACK, 1, 9);
    desk_stop(w->desk);
    desk_gone(w->desk, w->peers[0].consumer);
    settle(w);
    assert_int_equal(w->stored[1], 9);
    assert_true(desk_is_idle(w->desk));
    world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_is_given_and_stored),
        cmocka_unit_test(test_what_comes_close_together_is_read_at_once),
        cmocka_unit_test(test_what_is_told_is_given_and_not_read),
        cmocka_unit_test(test_a_gap_in_what_is_told_is_read),
        cmocka_unit_test(test_what_is_told_twice_is_given_once),
        cmocka_unit_test(test_another_claim_is_looked_up),
        cmocka_unit_test(test_told_nonsense),
        cmocka_unit_test(test_a_look_does_not_overtake_an_owner),
        cmocka_unit_test(test_credit),
        cmocka_unit_test(test_two_share_and_hand_over),
        cmocka_unit_test(test_who_does_not_give_back_loses_it),
        cmocka_unit_test(test_late_acks_of_what_came_back),
        cmocka_unit_test(test_pruned),
        cmocka_unit_test(test_lost),
        cmocka_unit_test(test_another_relay),
        cmocka_unit_test(test_delete),
        cmocka_unit_test(test_a_delete_that_comes_too_late),
        cmocka_unit_test(test_faults_end_the_session),
        cmocka_unit_test(test_nothing_lingers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
