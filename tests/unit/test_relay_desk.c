/* SPDX-License-Identifier: MIT
 *
 * The relay's desk: who has which partition, what is given within the credit, acknowledgements, and
 * what becomes of positions that were pruned or lost. The database is a few numbers here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "protocol/status.h"
#include "relay/desk.h"
#include "relay/tail.h"

#define PARTITIONS 4u
#define SECOND 1000000
#define PEERS 4

struct seen { /* what a consumer was sent */
    uint32_t status;
    uint32_t assigned[PARTITIONS];
    size_t assigned_count;
    uint64_t given[PARTITIONS], events, number, acked[PARTITIONS], at_end[PARTITIONS];
    Hf__HaltReason halt[PARTITIONS];
    uint64_t resume[PARTITIONS];
    bool ended;
    enum error_code why;
    struct consumer *consumer;
};

struct world {
    struct desk *desk;
    struct seen peers[PEERS];
    struct arena arena;
    int64_t now_us;
    /* the database */
    uint64_t last[PARTITIONS], pruned[PARTITIONS], stored[PARTITIONS], epoch;
    uint8_t claim; /* under which everything is */
    bool lost[PARTITIONS];
    bool other_relay, deaf; /* deaf: peers do not take what is sent */
    size_t stores;
};

static bool sent(void *context, void *peer, enum message_type type, uint64_t sequence,
                 const uint8_t *body, size_t bytes)
{
    struct world *w = context;
    struct seen *p = peer;

    if (w->deaf)
        return false;
    if (type == MESSAGE_SUBSCRIBED) {
        Hf__Subscribed *m = hf__subscribed__unpack(NULL, bytes, body);
        p->status = m->status;
        hf__subscribed__free_unpacked(m, NULL);
    } else if (type == MESSAGE_ASSIGN) {
        Hf__Assign *m = hf__assign__unpack(NULL, bytes, body);
        p->assigned_count = m->n_partitions;
        for (size_t i = 0; i < m->n_partitions; i++)
            p->assigned[i] = m->partitions[i];
        hf__assign__free_unpacked(m, NULL);
    } else if (type == MESSAGE_EVENTS) {
        Hf__Events *m = hf__events__unpack(NULL, bytes, body);
        for (size_t i = 0; i < m->n_events; i++) {
            p->given[m->events[i]->partition] = m->events[i]->sequence;
            p->events++;
        }
        for (size_t i = 0; i < m->n_at_end; i++)
            p->at_end[m->at_end[i]]++;
        assert_int_equal(sequence, p->events);
        p->number = sequence;
        hf__events__free_unpacked(m, NULL);
    } else if (type == MESSAGE_ACKED) {
        Hf__Ack *m = hf__ack__unpack(NULL, bytes, body);
        for (size_t i = 0; i < m->n_positions; i++)
            p->acked[m->positions[i]->partition] = m->positions[i]->sequence;
        hf__ack__free_unpacked(m, NULL);
    } else if (type == MESSAGE_HALTED) {
        Hf__Halted *m = hf__halted__unpack(NULL, bytes, body);
        for (size_t i = 0; i < m->n_halts; i++) {
            p->halt[m->halts[i]->partition] = m->halts[i]->reason;
            p->resume[m->halts[i]->partition] = m->halts[i]->resume;
        }
        hf__halted__free_unpacked(m, NULL);
    }
    return true;
}

static void ended(void *context, void *peer, enum error_code code, const char *text)
{
    struct world *w = context;
    struct seen *p = peer;

    (void)text;
    p->ended = true;
    p->why = code;
    desk_gone(w->desk, p->consumer);
    p->consumer = NULL;
}

/* ------------------------------------------------------------- the database */

static struct position here(const struct world *w, uint64_t seq)
{
    struct position position = {.seq = seq};

    memset(position.claim, w->claim, sizeof position.claim);
    return position;
}

static void do_load(struct world *w, struct job *job)
{
    struct job_part *part = &job->part;

    for (size_t i = 0; i < part->position_count; i++) {
        w->stored[part->positions[i].partition] = part->positions[i].at.seq;
        w->lost[part->positions[i].partition] = false;
    }
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        if (job->from == HF__FROM__FROM_START)
            w->stored[p] = w->pruned[p];
        if (job->from == HF__FROM__FROM_NOW)
            w->stored[p] = w->last[p];
    }
    free(part->positions);
    part->positions = NULL;
    part->position_count = 0;
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        struct job_position *at = job_position_add(part);
        at->partition = p;
        at->at = here(w, w->stored[p]);
        at->lost = w->lost[p];
    }
}

static void do_ask(struct world *w, struct ask *ask)
{
    struct position from = here(w, ask->from.seq);

    ask->now = here(w, w->last[ask->partition]);
    ask->pruned = w->pruned[ask->partition];
    if (!position_equal(&from, &ask->from) || ask->from.seq > ask->now.seq) {
        ask->outcome = ASK_LOST;
        return;
    }
    if (ask->from.seq < ask->pruned) {
        ask->outcome = ASK_PRUNED;
        return;
    }
    ask->events = calloc(ask->limit + 1, sizeof(struct event *));
    for (uint64_t seq = ask->from.seq + 1; seq <= ask->now.seq && ask->event_count < ask->limit;
         seq++) {
        Hf__Movement movement = HF__MOVEMENT__INIT;
        movement.partition = ask->partition;
        movement.sequence = seq;
        size_t bytes = hf__movement__get_packed_size(&movement);
        struct event *event = malloc(sizeof *event + bytes);
        event->at = here(w, seq);
        event->bytes = bytes;
        hf__movement__pack(&movement, event->packed);
        ask->events[ask->event_count++] = event;
    }
}

static void do_job(struct world *w, struct job *job)
{
    if (job->kind == JOB_CLAIM) {
        job->outcome = w->other_relay ? JOB_ELSEWHERE : JOB_DONE;
        job->part.epoch = ++w->epoch;
    } else if (job->kind == JOB_LOAD) {
        if (job->part.epoch == w->epoch)
            do_load(w, job);
        else
            job->outcome = JOB_FENCED;
    } else if (job->kind == JOB_STORE) {
        for (size_t i = 0; i < job->part_count; i++) {
            job->parts[i].fenced = job->parts[i].epoch != w->epoch;
            for (size_t j = 0; !job->parts[i].fenced && j < job->parts[i].position_count; j++) {
                const struct job_position *at = &job->parts[i].positions[j];
                w->stored[at->partition] = at->at.seq;
                w->lost[at->partition] = at->lost;
            }
        }
        w->stores++;
    } else if (job->kind == JOB_RENEW) {
        for (size_t i = 0; i < job->part_count; i++)
            job->parts[i].fenced = job->parts[i].epoch != w->epoch;
    } else if (job->kind == JOB_LOOK) {
        job->looks = calloc(PARTITIONS, sizeof *job->looks);
        for (uint32_t p = 0; p < PARTITIONS; p++)
            job->looks[job->look_count++] =
                (struct look){.partition = p, .now = here(w, w->last[p]), .pruned = w->pruned[p]};
    } else if (job->kind == JOB_READ) {
        for (size_t i = 0; i < job->ask_count; i++)
            do_ask(w, &job->asks[i]);
    }
}

/* Everything that can happen now, and what a second brings. */
static void settle(struct world *w)
{
    for (int i = 0; i < 100; i++) {
        struct job *job = desk_next_job(w->desk, 0, w->now_us);
        if (job) {
            do_job(w, job);
            desk_reply(w->desk, &job, w->now_us);
        }
        desk_tick(w->desk, w->now_us);
        w->now_us += SECOND / 50;
    }
}

/* ------------------------------------------------------------- the world */

static struct world *world_new(void)
{
    struct world *w = calloc(1, sizeof *w);
    struct desk_config config = {.partitions = PARTITIONS,
                                 .shard_count = 1,
                                 .endpoint = "ipc:///me",
                                 .lease_us = 3 * SECOND,
                                 .message_bytes = 65536};
    struct desk_sink sink = {.context = w, .send = sent, .end = ended};

    w->now_us = SECOND;
    w->claim = 1;
    arena_init(&w->arena);
    w->desk = desk_new(&config, &sink);
    for (uint32_t p = 0; p < PARTITIONS; p++)
        w->last[p] = 10;
    return w;
}

static void world_destroy(struct world *w)
{
    desk_destroy(&w->desk);
    arena_release(&w->arena);
    free(w);
}

static void say(struct world *w, size_t peer, enum message_type type, uint64_t sequence,
                const ProtobufCMessage *message)
{
    struct seen *p = &w->peers[peer];
    uint8_t body[1024];
    size_t bytes = message ? protobuf_c_message_pack(message, body) : 0;

    if (!p->consumer)
        p->consumer = desk_come(w->desk, p);
    desk_message(w->desk, p->consumer, type, sequence, body, bytes, &w->arena, w->now_us);
}

static void subscribe(struct world *w, size_t peer, const char *name, Hf__From from,
                      uint64_t credit)
{
    Hf__Subscribe m = HF__SUBSCRIBE__INIT;

    m.subscription.data = (uint8_t *)(uintptr_t)name;
    m.subscription.len = strlen(name);
    m.from = from;
    w->peers[peer].status = 999;
    say(w, peer, MESSAGE_SUBSCRIBE, 0, &m.base);
    say(w, peer, MESSAGE_CREDIT, credit, NULL);
}

static void positions(struct world *w, size_t peer, enum message_type type, uint32_t partition,
                      uint64_t sequence)
{
    Hf__Position at = HF__POSITION__INIT, *list = &at;
    Hf__Ack m = HF__ACK__INIT;

    at.partition = partition;
    at.sequence = sequence;
    m.positions = &list;
    m.n_positions = 1;
    say(w, peer, type, 0, &m.base);
}

static void give_back(struct world *w, size_t peer, uint32_t partition)
{
    Hf__Assign m = HF__ASSIGN__INIT;

    m.partitions = &partition;
    m.n_partitions = 1;
    say(w, peer, MESSAGE_YIELD, 0, &m.base);
}

/* ------------------------------------------------------------- tests */

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
        cmocka_unit_test(test_credit),
        cmocka_unit_test(test_two_share_and_hand_over),
        cmocka_unit_test(test_who_does_not_give_back_loses_it),
        cmocka_unit_test(test_pruned),
        cmocka_unit_test(test_lost),
        cmocka_unit_test(test_another_relay),
        cmocka_unit_test(test_faults_end_the_session),
        cmocka_unit_test(test_nothing_lingers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
