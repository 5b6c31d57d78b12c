/* SPDX-License-Identifier: MIT
 *
 * libholdfast's handle: it joins the core, which decides, to the link, which sends and receives,
 * and both to the caller, who waits or has a loop of his own. Every public function that takes a
 * handle is here, in holdfast_loop.c or, for reads, in holdfast_view.c.
 *
 * It lives in other people's programs: nothing here aborts, prints, or trusts an argument.
 */
#include "client/handle.h"

#include "common/clock.h"
#include "common/random.h"
#include "protocol/header.h"

#include <errno.h>
#include <openssl/sha.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Before a view that does not answer is left. Whoever waits for at_least there waits less. */
#define VIEW_ATTEMPT_US 1000000
/* Operations that holdfast_call_many has submitted and not got back. */
#define CALL_MANY_AHEAD 4096u

/* Raised in the child of every fork: it has copies of handles, and none of libzmq's threads. */
static unsigned forks;
static pthread_once_t forks_once = PTHREAD_ONCE_INIT;

static void count_fork(void)
{
    forks++;
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, count_fork);
}

/* ------------------------------------------------------------- small things */

struct core_time handle_now(void)
{
    return (struct core_time){.mono_us = clock_monotonic_us(), .wall_us = clock_wall_us()};
}

void handle_explain(char *error, size_t error_bytes, const char *why)
{
    if (error && error_bytes > 0)
        snprintf(error, error_bytes, "%s", why);
}

struct pending *pending_new(struct holdfast *client)
{
    struct pending *pending = client->free;

    if (pending)
        client->free = pending->next;
    else
        pending = malloc(sizeof *pending);
    if (pending)
        *pending = (struct pending){0};
    return pending;
}

void pending_free(struct holdfast *client, struct pending *pending)
{
    fanout_destroy(&pending->fanout);
    read_destroy(&pending->read);
    pending->next = client->free;
    client->free = pending;
}

bool handle_is_foreign(const struct holdfast *client)
{
    return forks != client->forks;
}

/* ------------------------------------------------------------- open and close */

struct core *handle_core_new(const struct holdfast *client, bool views)
{
    const struct options *options = &client->options;
    struct core_config config = {.views = views};

    config.broker_count = (uint32_t)(views ? options->view_count : options->broker_count);
    config.cluster = options->cluster;
    config.name = options->name;
    config.attempt_timeout_us = views ? VIEW_ATTEMPT_US : options->attempt_timeout_us;
    config.window = views ? 0 : options->window;
    config.retry_budget = options->retry_budget;
    errno = 0;
    if (!random_bytes(config.instance, sizeof config.instance) ||
        !random_bytes(&config.seed, sizeof config.seed)) {
        errno = 0;
        return NULL;
    }
    return core_new(&config);
}

struct holdfast *holdfast_open(const struct holdfast_options *wanted, char *error,
                               size_t error_bytes)
{
    struct holdfast *client = calloc(1, sizeof *client);
    char why[512];

    if (!client) {
        handle_explain(error, error_bytes, "out of memory");
        return NULL;
    }
    client->waiting_end = &client->waiting;
    pthread_once(&forks_once, watch_forks);
    client->forks = forks;
    pool_init(&client->scratch);
    if (!options_read(&client->options, wanted, why, sizeof why)) {
        handle_explain(error, error_bytes, why);
        free(client);
        return NULL;
    }
    client->core = handle_core_new(client, false);
    if (!client->core || !link_open(&client->link, NULL)) {
        snprintf(why, sizeof why, "could not open a client: %s",
                 errno ? strerror(errno) : "no randomness to be had");
        handle_explain(error, error_bytes, why);
        core_destroy(&client->core);
        options_release(&client->options);
        free(client);
        return NULL;
    }
    return client;
}

void holdfast_close(struct holdfast **handle)
{
    struct holdfast *client = handle ? *handle : NULL;

    if (!client || client->busy)
        return;
    *handle = NULL;
    bool is_child = handle_is_foreign(client);
    bool linger = !is_child && core_is_ready(client->core);
    if (!is_child) {
        client->busy = client->closing = true;
        core_abandon(client->core, handle_now());
        if (client->view_core)
            core_abandon(client->view_core, handle_now());
        while (client->waiting) {
            struct pending *pending = client->waiting;
            client->waiting = pending->next;
            fanout_failed(pending->fanout, HOLDFAST_UNAVAILABLE, "the client was closed");
            handle_finish(client, pending);
        }
        handle_run(client);
    }
    if (client->view_core)
        link_close(&client->view_link, linger, is_child);
    core_destroy(&client->view_core);
    core_destroy(&client->core);
    link_close(&client->link, linger, is_child);
    positions_release(&client->positions);
    while (client->free) {
        struct pending *next = client->free->next;
        free(client->free);
        client->free = next;
    }
    pool_release(&client->scratch);
    options_release(&client->options);
    free(client);
}

/* ------------------------------------------------------------- submitting */

const char *handle_closed_door(const struct holdfast *client)
{
    if (!client)
        return "no client";
    if (handle_is_foreign(client))
        return "the client was opened by another process, before fork";
    if (client->closing)
        return "the client is being closed";
    if (client->pending >= HOLDFAST_PENDING_MAX)
        return "too many operations are pending";
    return NULL;
}

/* client may be NULL. */
static void make_id(struct holdfast *client, uint8_t id[UUID_BYTES], int64_t wall_us)
{
    uint8_t random[10] = {0};

    /* It cannot fail once it has worked. */
    if (!client) {
        (void)!random_bytes(random, sizeof random);
    } else {
        if (client->random_left < sizeof random && random_bytes(client->random, RANDOM_BYTES))
            client->random_left = RANDOM_BYTES;
        if (client->random_left >= sizeof random) {
            client->random_left -= sizeof random;
            memcpy(random, client->random + client->random_left, sizeof random);
        }
    }
    uuid_v7(id, wall_us, random);
}

void handle_enqueue(struct holdfast *client, struct pending *pending)
{
    struct pending **at = client->waiting_end;

    /* They are in order of their deadlines; a read has spent some of its time. */
    if (pending->read) {
        for (at = &client->waiting; *at && (*at)->deadline_us <= pending->deadline_us;)
            at = &(*at)->next;
    }
    pending->next = *at;
    *at = pending;
    if (!pending->next)
        client->waiting_end = &pending->next;
    core_want_session(client->core, true);
}

static bool enqueue_fanout(struct holdfast *client, struct pending *pending)
{
    client->pending++;
    handle_enqueue(client, pending);
    return true;
}

static bool submit(struct holdfast *client, const struct holdfast_operation *operation,
                   holdfast_result_fn *fn, void *data, struct encoded *encoded, struct fault *fault)
{
    struct core_time time = handle_now();
    struct encode_defaults defaults = {.actor = client->options.actor,
                                       .op_class = client->options.op_class};
    uint8_t fresh[UUID_BYTES] = {0};
    struct pending *pending;
    int64_t timeout_us = client->options.timeout_us;

    if (!operation->operation_id)
        make_id(client, fresh, time.wall_us);
    if (!encode_operation(encoded, operation, &defaults, fresh, &client->scratch, fault))
        return false;
    pending = pending_new(client);
    if (pending) {
        pending->result_fn = fn;
        pending->data = data;
        pending->deadline_us = time.mono_us + timeout_us;
        if (operation->kind == HOLDFAST_SETTLE && operation->partition < 0) {
            pending->fanout = fanout_new_settle(encoded, fault);
            if (pending->fanout)
                return enqueue_fanout(client, pending);
        } else if (core_submit(client->core, time,
                               operation->kind == HOLDFAST_SETTLE ? CORE_SETTLE : CORE_OPERATION,
                               encoded, timeout_us, pending)) {
            client->pending++;
            return true;
        }
        pending_free(client, pending);
    }
    free(encoded->body);
    encoded->body = NULL;
    return fault_set(fault, HOLDFAST_UNAVAILABLE, "", "out of memory; nothing was sent");
}

bool holdfast_submit(struct holdfast *client, const struct holdfast_operation *operation,
                     holdfast_result_fn *fn, void *data, char *error, size_t error_bytes)
{
    const char *closed = handle_closed_door(client);
    struct encoded encoded;
    struct fault fault;

    if (!closed && (!operation || !fn))
        closed = "no operation, or nobody to tell the result";
    if (closed) {
        handle_explain(error, error_bytes, closed);
        return false;
    }
    if (submit(client, operation, fn, data, &encoded, &fault))
        return true;
    handle_explain(error, error_bytes, fault.message);
    return false;
}

uint8_t handle_op_class(const struct holdfast *client)
{
    return client->options.op_class == HOLDFAST_CLASS_INTERACTIVE ? CLASS_INTERACTIVE
           : client->options.op_class == HOLDFAST_CLASS_BULK      ? CLASS_BULK
                                                                  : CLASS_SERVICE;
}

uint32_t holdfast_partitions(const struct holdfast *client)
{
    return client ? core_partitions(client->core) : 0;
}

uint32_t holdfast_partition_of(const char *sku, uint32_t partitions)
{
    return partition_of_sku(sku, strlen(sku), partitions);
}

static bool ask(struct holdfast *client, const struct holdfast_query *query, holdfast_answer_fn *fn,
                void *data, struct fault *fault)
{
    struct fanout *fanout = fanout_new_query(query, handle_op_class(client), fault);
    struct pending *pending = fanout ? pending_new(client) : NULL;

    if (!fanout)
        return false;
    if (!pending) {
        fanout_destroy(&fanout);
        return fault_set(fault, HOLDFAST_UNAVAILABLE, "", "out of memory; nothing was sent");
    }
    pending->fanout = fanout;
    pending->answer_fn = fn;
    pending->data = data;
    pending->deadline_us = clock_monotonic_us() + client->options.timeout_us;
    return enqueue_fanout(client, pending);
}

bool holdfast_submit_query(struct holdfast *client, const struct holdfast_query *query,
                           holdfast_answer_fn *fn, void *data, char *error, size_t error_bytes)
{
    const char *closed = handle_closed_door(client);
    struct fault fault;

    if (!closed && (!query || !fn))
        closed = "no query, or nobody to tell the answer";
    if (closed) {
        handle_explain(error, error_bytes, closed);
        return false;
    }
    if (ask(client, query, fn, data, &fault))
        return true;
    handle_explain(error, error_bytes, fault.message);
    return false;
}

/* ------------------------------------------------------------- waiting */

/* Everything submitted has a deadline, so this ends. */
void handle_wait(struct holdfast *client, const size_t *count, size_t wanted)
{
    for (;;) {
        holdfast_process(client);
        if (*count >= wanted)
            return;
        struct pollfd readable = {.fd = client->link.poll_fd, .events = POLLIN};
        poll(&readable, 1, holdfast_deadline_ms(client)); /* EINTR: as if something had come */
    }
}

struct waiter {
    size_t done;
    struct holdfast_result *result;
    struct holdfast_answer *answer;
};

static void take_result(void *data, struct holdfast_result *result)
{
    struct waiter *waiter = data;

    waiter->result = result;
    waiter->done = 1;
}

static void take_answer(void *data, struct holdfast_answer *answer)
{
    struct waiter *waiter = data;

    waiter->answer = answer;
    waiter->done = 1;
}

const char *handle_cannot_wait(const struct holdfast *client)
{
    const char *closed = handle_closed_door(client);

    return !closed && client->busy ? "waiting is not possible in a callback; submit instead"
                                   : closed;
}

struct holdfast_result *holdfast_call(struct holdfast *client,
                                      const struct holdfast_operation *operation)
{
    const char *closed = handle_cannot_wait(client);
    struct waiter waiter = {0};
    struct encoded encoded;
    struct fault fault;

    if (!closed && !operation)
        closed = "no operation";
    if (closed)
        return make_result(HOLDFAST_INVALID, NULL, "", closed);
    if (!submit(client, operation, take_result, &waiter, &encoded, &fault))
        return make_result(fault.status, encoded.operation_id, fault.field, fault.message);
    handle_wait(client, &waiter.done, 1);
    return waiter.result;
}

struct holdfast_answer *holdfast_ask(struct holdfast *client, const struct holdfast_query *query)
{
    const char *closed = handle_cannot_wait(client);
    struct waiter waiter = {0};
    struct fault fault;

    if (!closed && !query)
        closed = "no query";
    if (closed)
        return make_answer(HOLDFAST_INVALID, "", closed);
    if (!ask(client, query, take_answer, &waiter, &fault))
        return make_answer(fault.status, fault.field, fault.message);
    handle_wait(client, &waiter.done, 1);
    return waiter.answer;
}

/* One operation of holdfast_call_many. */
struct slot {
    struct holdfast_result **result;
    size_t *done;
};

static void take_slot(void *data, struct holdfast_result *result)
{
    struct slot *slot = data;

    *slot->result = result;
    ++*slot->done;
}

void holdfast_call_many(struct holdfast *client, const struct holdfast_operation *operations,
                        size_t count, struct holdfast_result **results)
{
    const char *closed = handle_cannot_wait(client);
    struct slot *slots = count < SIZE_MAX / sizeof *slots ? calloc(count + 1, sizeof *slots) : NULL;
    size_t done = 0;
    size_t ahead = CALL_MANY_AHEAD;
    struct encoded encoded;
    struct fault fault;

    if (!closed && !slots)
        closed = "out of memory; nothing was sent";
    if (!closed && ahead > HOLDFAST_PENDING_MAX - client->pending)
        ahead = HOLDFAST_PENDING_MAX - client->pending;
    for (size_t i = 0; i < count; i++) {
        if (closed) {
            results[i] = make_result(HOLDFAST_INVALID, NULL, "", closed);
            continue;
        }
        slots[i] = (struct slot){.result = &results[i], .done = &done};
        if (!submit(client, &operations[i], take_slot, &slots[i], &encoded, &fault)) {
            results[i] =
                make_result(fault.status, encoded.operation_id, fault.field, fault.message);
            done++;
        }
        if (i + 1 - done >= ahead)
            handle_wait(client, &done, i + 2 - ahead);
    }
    if (!closed)
        handle_wait(client, &done, count);
    free(slots);
}

/* ------------------------------------------------------------- ids */

void holdfast_new_operation_id(char text[37])
{
    uint8_t id[UUID_BYTES];

    make_id(NULL, id, clock_wall_us());
    uuid_format(id, text);
}

/* SHA-256 of the SHA-256 of name, followed by index in 8 bytes, network order. */
void holdfast_derive_operation_id(const void *name, size_t name_bytes, uint64_t index,
                                  char text[37])
{
    uint8_t bytes[SHA256_DIGEST_LENGTH + 8], digest[SHA256_DIGEST_LENGTH], id[UUID_BYTES];

    SHA256(name_bytes ? name : "", name_bytes, bytes);
    for (int i = 0; i < 8; i++)
        bytes[SHA256_DIGEST_LENGTH + i] = (uint8_t)(index >> (56 - 8 * i));
    SHA256(bytes, sizeof bytes, digest);
    uuid_v8(id, digest);
    uuid_format(id, text);
}
