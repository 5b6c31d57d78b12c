/* SPDX-License-Identifier: MIT
 *
 * A broker made of arrays for the tests of the client's core: it takes the core's actions, keeps
 * what was sent, and says what the test tells it to say. Time stands still unless the test moves
 * it.
 */
#ifndef TESTS_UNIT_CLIENT_WORLD_H
#define TESTS_UNIT_CLIENT_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "client/core.h"
#include "client/decode.h"
#include "client/fanout.h"
#include "client/view_decode.h"
#include "protocol/header.h"
#include "protocol/holdfast.pb-c.h"
#include "protocol/status.h"

#define WORLD_SENT_MAX 4096
#define WORLD_DONE_MAX 4096
#define WORLD_START_US 1000000000
#define WORLD_CLUSTER_AHEAD_US 7000000 /* the cluster's clock is ahead of ours */

struct sent {
    struct header header;
    uint8_t body[512];
    size_t body_bytes;
    bool settles; /* an operation that is a settle */
};

struct world {
    struct core *core;
    int64_t now_us;
    uint32_t session; /* of the current connection; 0: no WELCOME yet */
    uint32_t broker;
    uint32_t connects, batches;
    bool silent; /* nobody answers HELLO and HEARTBEAT */
    uint64_t credit;
    uint32_t partitions;
    struct sent sent[WORLD_SENT_MAX]; /* operations and queries */
    size_t sent_count;
    struct holdfast_result *results[WORLD_DONE_MAX];
    struct holdfast_answer *answers[WORLD_DONE_MAX];
    struct view_box *reads[WORLD_DONE_MAX];
    uint32_t reads_from[WORLD_DONE_MAX];
    size_t done_count;
    struct pool scratch;
};

static inline struct core_time world_time(const struct world *w)
{
    return (struct core_time){.mono_us = w->now_us, .wall_us = w->now_us};
}

static inline void world_say(struct world *w, struct header header, const void *body,
                             size_t body_bytes)
{
    uint8_t bytes[HEADER_BYTES];

    header_write(&header, bytes);
    core_receive(w->core, world_time(w), bytes, sizeof bytes, body, body_bytes);
}

static inline void world_welcome(struct world *w)
{
    static uint32_t sessions = 1000;
    Hf__Welcome welcome;
    uint8_t body[256];

    hf__welcome__init(&welcome);
    welcome.version = 1;
    welcome.partitions = w->partitions;
    welcome.clock_us = w->now_us + WORLD_CLUSTER_AHEAD_US;
    welcome.credit = w->credit;
    welcome.window = 1024;
    welcome.heartbeat_ms = 1000;
    welcome.message_bytes = 65536;
    welcome.batch_messages = 64;
    welcome.not_after_ms = 3600000;
    w->session = ++sessions;
    world_say(w, (struct header){.type = MESSAGE_WELCOME, .session = w->session}, body,
              hf__welcome__pack(&welcome, body));
}

static inline void world_keep(struct world *w, const struct header *header, const uint8_t *body,
                              size_t body_bytes)
{
    struct sent *sent = &w->sent[w->sent_count++];

    assert_true(w->sent_count < WORLD_SENT_MAX);
    assert_int_equal(header->session, w->session);
    assert_true(body_bytes <= sizeof sent->body);
    sent->header = *header;
    sent->body_bytes = body_bytes;
    memcpy(sent->body, body, body_bytes);
    if (header->type != MESSAGE_OPERATION)
        return;
    Hf__Operation *operation = hf__operation__unpack(NULL, body_bytes, body);
    assert_non_null(operation);
    sent->settles = operation->kind_case == HF__OPERATION__KIND_SETTLE;
    hf__operation__free_unpacked(operation, NULL);
}

static inline void world_control(struct world *w, const struct header *header, const uint8_t *body,
                                 size_t body_bytes)
{
    if (header->type == MESSAGE_HELLO && !w->silent)
        world_welcome(w);
    if (header->type != MESSAGE_HEARTBEAT || w->silent)
        return;
    Hf__Heartbeat *beat = hf__heartbeat__unpack(NULL, body_bytes, body);
    assert_non_null(beat);
    beat->answer = true;
    beat->clock_us = w->now_us + WORLD_CLUSTER_AHEAD_US;
    uint8_t packed[128];
    world_say(w, (struct header){.type = MESSAGE_HEARTBEAT, .session = w->session}, packed,
              hf__heartbeat__pack(beat, packed));
    hf__heartbeat__free_unpacked(beat, NULL);
}

/* Takes all actions of this moment. */
static inline void world_run(struct world *w)
{
    struct core_action action;
    struct header header;
    struct batch_reader reader;
    const uint8_t *body;
    size_t body_bytes;

    while (core_next(w->core, world_time(w), &action)) {
        if (action.kind == CORE_CONNECT) {
            w->session = 0;
            w->broker = action.broker;
            w->connects++;
        } else if (action.kind == CORE_DONE) {
            size_t at = (size_t)(uintptr_t)action.tag;
            assert_true(at < WORLD_DONE_MAX && !w->results[at] && !w->answers[at]);
            w->results[at] = action.result;
            w->answers[at] = action.answer;
            w->reads[at] = action.read;
            w->reads_from[at] = action.broker;
            w->done_count++;
        } else if (action.kind == CORE_SEND) {
            assert_int_equal(header_read(&header, action.header, HEADER_BYTES), HEADER_OK);
            if (header.type == MESSAGE_OPERATION || header.type == MESSAGE_QUERY) {
                world_keep(w, &header, action.body, action.body_bytes);
            } else if (header.type == MESSAGE_BATCH) {
                w->batches++;
                batch_reader_init(&reader, action.body, action.body_bytes);
                while (batch_next(&reader, &header, &body, &body_bytes) == BATCH_ITEM)
                    world_keep(w, &header, body, body_bytes);
            } else {
                world_control(w, &header, action.body, action.body_bytes);
            }
        }
    }
}

/* Lets time pass, from deadline to deadline. */
static inline void world_pass(struct world *w, int64_t us)
{
    int64_t end = w->now_us + us;

    world_run(w);
    while (w->now_us < end) {
        int64_t due = core_deadline_us(w->core);
        w->now_us = due > end ? end : due > w->now_us ? due : w->now_us + 1;
        world_run(w);
    }
}

static inline void world_open(struct world *w, uint32_t brokers, uint32_t retry_budget)
{
    struct core_config config = {.broker_count = brokers,
                                 .cluster = "test",
                                 .name = "client",
                                 .seed = 42,
                                 .attempt_timeout_us = 2000000,
                                 .retry_budget = retry_budget};

    *w = (struct world){.now_us = WORLD_START_US, .credit = 1024, .partitions = 64};
    pool_init(&w->scratch);
    w->core = core_new(&config);
    assert_non_null(w->core);
}

static inline void world_close(struct world *w)
{
    core_destroy(&w->core);
    for (size_t i = 0; i < WORLD_DONE_MAX; i++) {
        holdfast_result_free(&w->results[i]);
        holdfast_answer_free(&w->answers[i]);
        view_box_free(&w->reads[i]);
    }
    pool_release(&w->scratch);
}

/* Submits a reserve of one sku; its result will be results[tag]. */
static inline void world_submit(struct world *w, size_t tag, uint16_t attempt, int64_t timeout_us)
{
    static const char *const id = "0190163d-8694-739b-aea5-966c26f8ad90";
    struct holdfast_line line = {.sku = "A", .quantity = 1};
    struct holdfast_operation operation = {.kind = HOLDFAST_RESERVE,
                                           .operation_id = id,
                                           .attempt = attempt,
                                           .lines = &line,
                                           .line_count = 1};
    struct encode_defaults defaults = {.actor = NULL};
    struct encoded encoded;
    struct fault fault;
    uint8_t fresh[UUID_BYTES] = {0};

    assert_true(encode_operation(&encoded, &operation, &defaults, fresh, &w->scratch, &fault));
    assert_true(core_submit(w->core, world_time(w), CORE_OPERATION, &encoded, timeout_us,
                            (void *)(uintptr_t)tag));
}

/* Answers the i-th message that was sent, with a result. */
static inline void world_answer_with(struct world *w, size_t i, Hf__Result *result)
{
    uint8_t body[1024];

    assert_true(i < w->sent_count);
    world_say(w,
              (struct header){.type = MESSAGE_RESULT,
                              .partition = w->sent[i].header.partition,
                              .session = w->sent[i].header.session,
                              .sequence = w->sent[i].header.sequence},
              body, hf__result__pack(result, body));
}

static inline void world_answer(struct world *w, size_t i, enum status status)
{
    Hf__Result result;

    hf__result__init(&result);
    result.status = status;
    world_answer_with(w, i, &result);
    world_run(w);
}

static inline void world_settled(struct world *w, size_t i, Hf__SettleOutcome outcome)
{
    Hf__Result result, settled;

    assert_true(w->sent[i].settles);
    hf__result__init(&result);
    hf__result__init(&settled);
    result.settle = outcome;
    settled.sequence = 77;
    if (outcome == HF__SETTLE_OUTCOME__SETTLE_APPLIED)
        result.settled = &settled;
    world_answer_with(w, i, &result);
    world_run(w);
}

#endif
