/* SPDX-License-Identifier: MIT
 *
 * A broker's dispatch core with peers made of arrays, for tests/unit/test_dispatch*.c: no socket
 * and no clock. What the core sends is kept, with BATCHes taken apart, until a test takes it.
 */
#ifndef TESTS_UNIT_DISPATCH_WORLD_H
#define TESTS_UNIT_DISPATCH_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "broker/dispatch.h"
#include "common/log.h"
#include "protocol/error.h"
#include "protocol/holdfast.pb-c.h"
#include "protocol/status.h"

#define WORLD_SENT_MAX 20000
#define WORLD_PARTITIONS 8u
#define WORLD_WALL_US 1700000000000000ll
#define SECOND_US 1000000ll

struct sent {
    enum side side;
    uint32_t peer;
    struct header header;
    uint32_t message; /* messages of one BATCH have the same */
    size_t body_bytes;
    uint8_t *body;
    bool taken;
};

struct world {
    struct dispatch *d;
    struct dispatch_config config;
    struct moment now;
    struct sent sent[WORLD_SENT_MAX];
    size_t count;
    uint32_t messages;
    enum delivery delivery[64]; /* what sending to peer n gives */
};

static inline enum delivery world_send(void *context, enum side side, const uint8_t *route,
                                       size_t route_bytes, const uint8_t header_bytes[HEADER_BYTES],
                                       const uint8_t *body, size_t body_bytes)
{
    struct world *w = context;
    struct batch_reader reader;
    struct header header;
    uint32_t peer;

    assert_int_equal(route_bytes, sizeof peer);
    memcpy(&peer, route, sizeof peer);
    if (w->delivery[peer % 64] != DELIVERY_SENT)
        return w->delivery[peer % 64];
    assert_int_equal(header_read(&header, header_bytes, HEADER_BYTES), HEADER_OK);
    w->messages++;
    bool is_batch = header.type == MESSAGE_BATCH;
    batch_reader_init(&reader, body, body_bytes);
    while (!is_batch || batch_next(&reader, &header, &body, &body_bytes) == BATCH_ITEM) {
        assert_true(w->count < WORLD_SENT_MAX);
        struct sent *s = &w->sent[w->count++];
        *s = (struct sent){side, peer, header, w->messages, body_bytes, malloc(body_bytes + 1),
                           false};
        if (body_bytes > 0)
            memcpy(s->body, body, body_bytes);
        if (!is_batch)
            break;
    }
    return DELIVERY_SENT;
}

static inline struct world *world_new(void)
{
    struct world *w = calloc(1, sizeof *w);
    static struct config config;

    log_set_level(LOG_ERROR + 1);
    config_defaults(&config);
    strcpy(w->config.name, "b1");
    strcpy(w->config.cluster, "test");
    strcpy(w->config.region, "main");
    w->config.partitions = WORLD_PARTITIONS;
    w->config.limits = config.limits;
    w->config.windows = config.windows;
    w->config.limits.clients = 16;
    w->config.limits.client_window = 1000;
    w->config.limits.queue_operations = 100;
    w->config.session_base = 7;
    w->now = (struct moment){WORLD_WALL_US, 5000 * SECOND_US};
    return w;
}

static inline void world_start(struct world *w)
{
    struct dispatch_output output = {w, world_send};
    w->d = dispatch_new(&w->config, output, w->now);
}

static inline void world_clear(struct world *w)
{
    for (size_t i = 0; i < w->count; i++)
        free(w->sent[i].body);
    w->count = 0;
}

static inline void world_end(struct world *w)
{
    dispatch_destroy(&w->d);
    world_clear(w);
    free(w);
}

static inline void world_flush(struct world *w)
{
    dispatch_flush(w->d, w->now);
}

/* Time passes in steps of the tick, as the server's loop has it. */
static inline void world_pass(struct world *w, int64_t us)
{
    while (us > 0) {
        int64_t step = us < 100000 ? us : 100000;
        w->now.wall_us += step;
        w->now.monotonic_us += step;
        us -= step;
        if (dispatch_tick_due(w->d, w->now))
            dispatch_tick(w->d, w->now);
        dispatch_flush(w->d, w->now);
    }
}

static inline void world_raw(struct world *w, enum side side, uint32_t peer, const void *header,
                             size_t header_bytes, const void *body, size_t body_bytes)
{
    dispatch_receive(w->d, side, (const uint8_t *)&peer, sizeof peer, "local", header, header_bytes,
                     body, body_bytes, w->now);
}

static inline void world_message(struct world *w, enum side side, uint32_t peer,
                                 const struct header *header, const void *body, size_t body_bytes)
{
    uint8_t bytes[HEADER_BYTES];
    header_write(header, bytes);
    world_raw(w, side, peer, bytes, sizeof bytes, body, body_bytes);
}

/* The next message of this type to this peer that was not taken; NULL when there is none. */
static inline struct sent *world_take(struct world *w, enum side side, uint32_t peer, uint8_t type)
{
    for (size_t i = 0; i < w->count; i++) {
        struct sent *s = &w->sent[i];
        if (!s->taken && s->side == side && s->peer == peer && s->header.type == type) {
            s->taken = true;
            return s;
        }
    }
    return NULL;
}

static inline unsigned world_count(const struct world *w, enum side side, uint32_t peer,
                                   uint8_t type)
{
    unsigned n = 0;
    for (size_t i = 0; i < w->count; i++)
        n += !w->sent[i].taken && w->sent[i].side == side && w->sent[i].peer == peer &&
             w->sent[i].header.type == type;
    return n;
}

static inline ProtobufCBinaryData bytes_of(const char *text)
{
    ProtobufCBinaryData data = {strlen(text), (uint8_t *)(uintptr_t)text};
    return data;
}

static inline Hf__Hello hello_of(struct world *w, enum side side, const char *name)
{
    static uint8_t instance[16];
    Hf__Hello hello;
    hf__hello__init(&hello);
    instance[0]++;
    hello.role = side == SIDE_CLIENT ? HF__ROLE__ROLE_CLIENT : HF__ROLE__ROLE_WORKER;
    hello.cluster = bytes_of("test");
    hello.name = bytes_of(name);
    hello.instance.data = instance;
    hello.instance.len = sizeof instance;
    hello.version_min = hello.version_max = HEADER_VERSION;
    hello.clock_us = w->now.wall_us;
    if (side == SIDE_WORKER) {
        hello.shard = bytes_of("s1");
        hello.partitions = WORLD_PARTITIONS;
    }
    return hello;
}

static inline void hello_send(struct world *w, enum side side, uint32_t peer, const char *principal,
                              const Hf__Hello *hello)
{
    uint8_t body[512], bytes[HEADER_BYTES];
    struct header header = {.type = MESSAGE_HELLO, .partition = PARTITION_NONE};
    size_t n = hf__hello__pack(hello, body);
    header_write(&header, bytes);
    dispatch_receive(w->d, side, (const uint8_t *)&peer, sizeof peer, principal, bytes,
                     sizeof bytes, body, n, w->now);
    world_flush(w);
}

/* Says HELLO and returns the session; 0 when it was refused. */
static inline uint32_t world_hello_as(struct world *w, enum side side, uint32_t peer,
                                      const char *principal)
{
    char name[16];
    snprintf(name, sizeof name, "p%u", peer);
    Hf__Hello hello = hello_of(w, side, name);
    hello_send(w, side, peer, principal, &hello);
    struct sent *welcome = world_take(w, side, peer, MESSAGE_WELCOME);
    return welcome ? welcome->header.session : 0;
}

static inline uint32_t world_hello(struct world *w, enum side side, uint32_t peer)
{
    return world_hello_as(w, side, peer, "local");
}

/* A worker's heartbeat: it owns `count` partitions from `first` on at this epoch, and runs a trial:
 * its dispatch `trial`, or one of another broker. */
static inline void world_trial(struct world *w, uint32_t peer, uint32_t session, uint32_t first,
                               uint32_t count, uint64_t epoch, uint64_t trial, bool elsewhere)
{
    Hf__Heartbeat heartbeat;
    Hf__Owned owned[64], *list[64];
    uint8_t body[2048];
    hf__heartbeat__init(&heartbeat);
    heartbeat.clock_us = w->now.wall_us;
    for (uint32_t i = 0; i < count; i++) {
        hf__owned__init(&owned[i]);
        owned[i].partition = first + i;
        owned[i].epoch = epoch;
        list[i] = &owned[i];
    }
    heartbeat.n_owned = count;
    heartbeat.owned = list;
    heartbeat.trial = trial;
    heartbeat.trial_elsewhere = elsewhere;
    struct header header = {
        .type = MESSAGE_HEARTBEAT, .partition = PARTITION_NONE, .session = session};
    world_message(w, SIDE_WORKER, peer, &header, body, hf__heartbeat__pack(&heartbeat, body));
    world_flush(w);
}

static inline void world_own(struct world *w, uint32_t peer, uint32_t session, uint32_t first,
                             uint32_t count, uint64_t epoch)
{
    world_trial(w, peer, session, first, count, epoch, 0, false);
}

static inline void world_grant(struct world *w, uint32_t peer, uint32_t session, uint64_t credit)
{
    struct header header = {.type = MESSAGE_CREDIT,
                            .partition = PARTITION_NONE,
                            .session = session,
                            .sequence = credit};
    world_message(w, SIDE_WORKER, peer, &header, NULL, 0);
    world_flush(w);
}

static inline uint32_t world_worker(struct world *w, uint32_t peer, uint32_t first, uint32_t count,
                                    uint64_t epoch, uint64_t credit)
{
    uint32_t session = world_hello(w, SIDE_WORKER, peer);
    world_own(w, peer, session, first, count, epoch);
    world_grant(w, peer, session, credit);
    return session;
}

/* OPERATION without a flush. The body is any bytes: the core does not read it. */
static inline void world_operation(struct world *w, uint32_t peer, uint32_t session,
                                   uint64_t sequence, uint32_t partition, uint8_t op_class,
                                   size_t body_bytes)
{
    struct header header = {
        .type = MESSAGE_OPERATION,
        .op_class = op_class,
        .attempt = 1,
        .partition = partition,
        .session = session,
        .sequence = sequence,
        .not_after_us = w->now.wall_us + 60 * SECOND_US,
    };
    uint8_t *body = calloc(1, body_bytes + 1);
    world_message(w, SIDE_CLIENT, peer, &header, body, body_bytes);
    free(body);
}

/* A worker's word on a dispatch: RESULT, ANSWER or RETURNED. */
static inline void world_reply(struct world *w, uint32_t peer, const struct sent *dispatch,
                               uint8_t type)
{
    uint8_t body[64];
    size_t n = 0;
    struct header header = {
        .type = type,
        .partition = dispatch->header.partition,
        .session = dispatch->header.session,
        .sequence = dispatch->header.sequence,
    };
    if (type == MESSAGE_RESULT) {
        Hf__Result result;
        hf__result__init(&result);
        result.sequence = 4711; /* shows that it is the worker's */
        n = hf__result__pack(&result, body);
    }
    world_message(w, SIDE_WORKER, peer, &header, body, n);
}

/* The status of the next RESULT to a client, or -1 when there is none. */
static inline int world_status(struct world *w, uint32_t peer, uint64_t *sequence,
                               uint32_t *retry_after_ms)
{
    struct sent *s = world_take(w, SIDE_CLIENT, peer, MESSAGE_RESULT);
    if (!s)
        return -1;
    Hf__Result *result = hf__result__unpack(NULL, s->body_bytes, s->body);
    assert_non_null(result);
    int status = (int)result->status;
    if (sequence)
        *sequence = s->header.sequence;
    if (retry_after_ms)
        *retry_after_ms = result->retry_after_ms;
    hf__result__free_unpacked(result, NULL);
    return status;
}

/* The next ERROR to a peer must have this code. */
static inline void assert_error(struct world *w, enum side side, uint32_t peer,
                                enum error_code code)
{
    struct sent *s = world_take(w, side, peer, MESSAGE_ERROR);
    assert_non_null(s);
    Hf__Error *error = hf__error__unpack(NULL, s->body_bytes, s->body);
    assert_non_null(error);
    assert_string_equal(error->code, error_name(code));
    hf__error__free_unpacked(error, NULL);
}

static inline void assert_dispatch(struct world *w, uint32_t peer, struct sent **found)
{
    *found = world_take(w, SIDE_WORKER, peer, MESSAGE_OPERATION);
    assert_non_null(*found);
}

#endif
