/* SPDX-License-Identifier: MIT
 *
 * The relay's desk with a database of a few numbers around it, for its unit test and its fuzzer.
 */
#ifndef TESTS_RELAY_WORLD_H
#define TESTS_RELAY_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#ifndef LEDGER_WORLD_ASSERTS /* a fuzzer brings its own */
#    include <cmocka.h>
#endif

#include <stdlib.h>
#include <string.h>

#include "protocol/status.h"
#include "relay/desk.h"
#include "relay/tail.h"

#define PARTITIONS 4u
#define SECOND 1000000
#define PEERS 4

struct seen {                         /* what a consumer was sent */
    uint32_t status, answer, answers; /* of SUBSCRIBED; of the last ANSWER, and their number */
    uint32_t assigned[PARTITIONS];
    size_t assigned_count;
    bool mine[PARTITIONS];
    uint64_t given[PARTITIONS], events, messages, number, acked[PARTITIONS], at_end[PARTITIONS];
    Hf__HaltReason halt[PARTITIONS];
    uint64_t resume[PARTITIONS];
    uint64_t credit;        /* the highest that it granted */
    bool fresh[PARTITIONS]; /* assigned, and nothing of it was given since */
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

static inline bool sent(void *context, void *peer, enum message_type type, uint64_t sequence,
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
        bool had[PARTITIONS] = {0};
        for (size_t i = 0; i < PARTITIONS; i++)
            had[i] = p->mine[i];
        memset(p->mine, 0, sizeof p->mine);
        for (size_t i = 0; i < m->n_partitions; i++) {
            p->assigned[i] = m->partitions[i];
            p->mine[m->partitions[i]] = true;
            p->fresh[m->partitions[i]] |= !had[m->partitions[i]];
        }
        hf__assign__free_unpacked(m, NULL);
    } else if (type == MESSAGE_EVENTS) {
        Hf__Events *m = hf__events__unpack(NULL, bytes, body);
        for (size_t i = 0; i < m->n_events; i++) {
            uint32_t partition = m->events[i]->partition;
            /* Its own, and without a gap since it is. */
            assert_true(p->mine[partition]);
            assert_true(p->fresh[partition] || m->events[i]->sequence == p->given[partition] + 1);
            p->fresh[partition] = false;
            p->given[partition] = m->events[i]->sequence;
            p->events++;
        }
        for (size_t i = 0; i < m->n_at_end; i++)
            p->at_end[m->at_end[i]]++;
        assert_int_equal(sequence, p->events);
        assert_true(p->events <= p->credit);
        p->number = sequence;
        p->messages++;
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
    } else if (type == MESSAGE_ANSWER) {
        Hf__RelayAnswer *m = hf__relay_answer__unpack(NULL, bytes, body);
        p->answers++;
        p->answer = m->status;
        hf__relay_answer__free_unpacked(m, NULL);
    }
    return true;
}

static inline void ended(void *context, void *peer, enum error_code code, const char *text)
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

static inline struct position here(const struct world *w, uint64_t seq)
{
    struct position position = {.seq = seq};

    memset(position.claim, w->claim, sizeof position.claim);
    return position;
}

static inline void do_load(struct world *w, struct job *job)
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

static inline void do_ask(struct world *w, struct ask *ask)
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

static inline void do_job(struct world *w, struct job *job)
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
    } else if (job->kind == JOB_DELETE) {
        job->outcome = job->part.epoch == w->epoch ? JOB_DONE : JOB_FENCED;
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

/* CHANGES: the last `count` movements of each partition from `first` to before `end`. Returns the
 * bytes of the body, which has room for some hundred movements. */
static inline size_t changes_body(const struct world *w, uint32_t first, uint32_t end,
                                  uint64_t count, uint8_t *body)
{
    Hf__Changes m = HF__CHANGES__INIT;
    Hf__PartitionChanges parts[PARTITIONS], *part_list[PARTITIONS];
    Hf__Movement movements[64], *list[64];
    struct position at = here(w, 0);
    size_t used = 0;

    m.partitions = part_list;
    for (uint32_t p = first; p < end; p++) {
        Hf__PartitionChanges *part = part_list[m.n_partitions] = &parts[m.n_partitions];
        m.n_partitions++;
        hf__partition_changes__init(part);
        part->partition = p;
        part->after = w->last[p] - count;
        part->claim_id = (ProtobufCBinaryData){CLAIM_BYTES, at.claim};
        part->movements = list + used;
        for (uint64_t i = 0; i < count && used < sizeof list / sizeof *list; i++, used++) {
            hf__movement__init(&movements[used]);
            movements[used].sequence = part->after + 1 + i;
            list[used] = &movements[used];
            part->n_movements++;
        }
    }
    return hf__changes__pack(&m, body);
}

/* Everything that can happen now, and what a second brings. */
static inline void settle(struct world *w)
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

static inline struct world *world_new(void)
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

static inline void world_destroy(struct world *w)
{
    desk_destroy(&w->desk);
    arena_release(&w->arena);
    free(w);
}

static inline void come(struct world *w, size_t peer)
{
    struct seen *p = &w->peers[peer];

    if (p->consumer)
        return;
    *p = (struct seen){0};
    p->consumer = desk_come(w->desk, p);
}

static inline void say(struct world *w, size_t peer, enum message_type type, uint64_t sequence,
                       const ProtobufCMessage *message)
{
    struct seen *p = &w->peers[peer];
    uint8_t body[1024];
    size_t bytes = message ? protobuf_c_message_pack(message, body) : 0;

    come(w, peer);
    if (type == MESSAGE_CREDIT && sequence > p->credit)
        p->credit = sequence;
    if (type == MESSAGE_RESUME)
        memset(p->fresh, 1, sizeof p->fresh);
    desk_message(w->desk, p->consumer, type, sequence, body, bytes, &w->arena, w->now_us);
}

static inline void subscribe(struct world *w, size_t peer, const char *name, Hf__From from,
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

static inline void positions(struct world *w, size_t peer, enum message_type type,
                             uint32_t partition, uint64_t sequence)
{
    Hf__Position at = HF__POSITION__INIT, *list = &at;
    Hf__Ack m = HF__ACK__INIT;

    at.partition = partition;
    at.sequence = sequence;
    m.positions = &list;
    m.n_positions = 1;
    say(w, peer, type, 0, &m.base);
}

static inline void ask_delete(struct world *w, size_t peer, const char *name)
{
    Hf__SubscriptionDeleteQuery m = HF__SUBSCRIPTION_DELETE_QUERY__INIT;
    Hf__RelayQuery query = HF__RELAY_QUERY__INIT;

    m.name.data = (uint8_t *)(uintptr_t)name;
    m.name.len = strlen(name);
    query.kind_case = HF__RELAY_QUERY__KIND_DELETE;
    query.delete_ = &m;
    say(w, peer, MESSAGE_QUERY, 1, &query.base);
}

static inline void give_back(struct world *w, size_t peer, uint32_t partition)
{
    Hf__Assign m = HF__ASSIGN__INIT;

    m.partitions = &partition;
    m.n_partitions = 1;
    say(w, peer, MESSAGE_YIELD, 0, &m.base);
}

#endif
