/* SPDX-License-Identifier: MIT
 *
 * holdfast-relay: its parts and the loop. Who is given what is decided in desk.h; a
 * thread for each shard reads and stores (store.h); consumers are in server.h. What it must not
 * lose is in the databases.
 */
#include <errno.h>
#include <mysql.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "common/clock.h"
#include "common/daemon.h"
#include "common/frames.h"
#include "common/listener.h"
#include "common/log.h"
#include "common/random.h"
#include "relay/desk.h"
#include "relay/server.h"
#include "relay/store.h"

#define METRICS_US 10000000

/* ------------------------------------------------------------- the loop */

#define HEAR_MAX 256
/* At the end: for storing what was acknowledged. */
#define STOP_US 2000000
#define POLL_ITEMS (3 + CONFIG_SHARDS_MAX)

struct relay {
    const struct config *config;
    struct desk *desk;
    struct relay_server *server;
    struct listener listener;
    struct courier *stores[CONFIG_SHARDS_MAX];
    struct arena arena;
    int signals;
    int64_t metrics_next_us;
};

static void hear_beacon(struct relay *relay, const uint8_t *body, size_t bytes)
{
    Hf__Beacon *beacon = hf__beacon__unpack(&relay->arena.allocator, bytes, body);

    for (size_t i = 0; beacon && i < beacon->n_positions; i++) {
        const Hf__Position *at = beacon->positions[i];
        desk_heard(relay->desk, at->partition, at->sequence, at->claim_id.data, at->claim_id.len);
    }
}

static void hear(void *context, uint8_t type, const uint8_t *body, size_t bytes)
{
    struct relay *relay = context;

    arena_reset(&relay->arena);
    if (type == MESSAGE_CHANGES)
        desk_changes(relay->desk, body, bytes);
    else if (type == MESSAGE_BEACON)
        hear_beacon(relay, body, bytes);
}

static void run_jobs(struct relay *relay, int64_t now_us)
{
    for (size_t i = 0; i < relay->config->shard_count; i++) {
        struct courier *store = relay->stores[i];
        struct job *job = courier_reply(store);
        if (job)
            desk_reply(relay->desk, &job, now_us);
        if (!courier_is_busy(store) && (job = desk_next_job(relay->desk, i, now_us)) != NULL)
            courier_send(store, job);
    }
}

static void log_metrics(struct relay *relay, int64_t now_us)
{
    if (now_us < relay->metrics_next_us)
        return;
    relay->metrics_next_us = now_us + METRICS_US;
    struct desk_counts counts = desk_counts(relay->desk);
    log_info("subscriptions=%zu consumers=%zu events=%llu acknowledged=%llu stored=%llu reads=%llu "
             "heard=%llu pruned=%llu history_lost=%llu bytes=%zu metrics",
             counts.subscriptions, counts.consumers, (unsigned long long)counts.events,
             (unsigned long long)counts.acknowledged, (unsigned long long)counts.stored,
             (unsigned long long)counts.reads, (unsigned long long)counts.heard,
             (unsigned long long)counts.pruned, (unsigned long long)counts.lost, counts.tail_bytes);
}

static int64_t wait_us(const struct relay *relay, int64_t now_us)
{
    int64_t due = desk_due_us(relay->desk, now_us);

    if (relay->server && relay_server_due_us(relay->server) < due)
        due = relay_server_due_us(relay->server);
    return due > now_us ? due - now_us : 0;
}

static int poll_all(struct relay *relay, zmq_pollitem_t items[POLL_ITEMS])
{
    int count = 0;

    items[count++] = (zmq_pollitem_t){.fd = relay->signals, .events = ZMQ_POLLIN};
    items[count++] = (zmq_pollitem_t){.socket = relay->listener.socket, .events = ZMQ_POLLIN};
    for (size_t i = 0; i < relay->config->shard_count; i++)
        items[count++] =
            (zmq_pollitem_t){.socket = courier_socket(relay->stores[i]), .events = ZMQ_POLLIN};
    if (relay->server)
        items[count++] =
            (zmq_pollitem_t){.socket = relay_server_socket(relay->server), .events = ZMQ_POLLIN};
    int64_t wait = wait_us(relay, clock_monotonic_us());
    return zmq_poll(items, count, (long)((wait + 999) / 1000));
}

static void step(struct relay *relay)
{
    for (int i = 0; i < HEAR_MAX && listener_hear(&relay->listener, hear, relay); i++)
        continue;
    if (relay->server)
        relay_server_read(relay->server, clock_monotonic_us());
    run_jobs(relay, clock_monotonic_us());
    desk_tick(relay->desk, clock_monotonic_us());
    if (relay->server)
        relay_server_tick(relay->server, clock_monotonic_us());
    run_jobs(relay, clock_monotonic_us());
    log_metrics(relay, clock_monotonic_us());
}

/* Until a signal comes. */
static int run(struct relay *relay)
{
    zmq_pollitem_t items[POLL_ITEMS];

    for (;;) {
        if (poll_all(relay, items) < 0 && zmq_errno() != EINTR) {
            log_error("poll: %s", zmq_strerror(zmq_errno()));
            return EXIT_SYSTEM;
        }
        if (items[0].revents & ZMQ_POLLIN)
            return 0;
        step(relay);
    }
}

/* Nobody consumes any more: what was acknowledged is stored, and other relays may go on at once. */
static void finish(struct relay *relay)
{
    zmq_pollitem_t items[POLL_ITEMS];
    int64_t until_us = clock_monotonic_us() + STOP_US;

    desk_stop(relay->desk);
    relay_server_close(&relay->server);
    for (;;) {
        step(relay);
        if (desk_is_idle(relay->desk) || clock_monotonic_us() >= until_us)
            return;
        (void)poll_all(relay, items);
    }
}

static bool open_parts(struct relay *relay, void *context, const struct daemon *self)
{
    const struct config *config = relay->config;
    const char *endpoint = config->relays[self->index].client;
    struct desk_config desk = {.partitions = config->partitions,
                               .shard_count = config->shard_count,
                               .endpoint = endpoint,
                               .lease_us = (int64_t)config->windows.lease_ms * 1000,
                               .message_bytes = config->limits.message_bytes};
    char error[PEERS_ERROR_BYTES];

    relay->server = relay_server_open(context, config, endpoint, self->name, error);
    if (!relay->server) {
        log_error("%s", error);
        return false;
    }
    if (!random_bytes(desk.instance, sizeof desk.instance) ||
        !listener_open(&relay->listener, context, config)) {
        log_error("could not listen to changes: %s", zmq_strerror(errno));
        return false;
    }
    for (size_t i = 0; i < config->shard_count; i++) {
        if (!(relay->stores[i] = store_open(context, &config->shards[i], i))) {
            log_error("could not start a thread: %s", strerror(errno));
            return false;
        }
    }
    struct desk_sink sink = relay_server_sink(relay->server);
    relay->desk = desk_new(&desk, &sink);
    relay_server_serve(relay->server, relay->desk);
    return true;
}

/* False: a database hangs, and nothing may be freed. */
static bool close_parts(struct relay *relay)
{
    bool closed = true;

    if (relay->server)
        relay_server_close(&relay->server);
    for (size_t i = 0; i < relay->config->shard_count; i++)
        closed = courier_close(&relay->stores[i], store_drop) && closed;
    if (!closed)
        return false;
    listener_close(&relay->listener);
    if (relay->desk)
        desk_destroy(&relay->desk);
    arena_release(&relay->arena);
    return true;
}

static int serve(const struct config *config, const struct daemon *self)
{
    struct relay relay = {.config = config, .signals = daemon_signals()};
    int code = EXIT_SYSTEM;
    void *context = zmq_ctx_new();

    if (relay.signals < 0 || !context)
        return EXIT_SYSTEM;
    log_info("pid=%d started", (int)getpid());
    arena_init(&relay.arena);
    relay.metrics_next_us = clock_monotonic_us() + METRICS_US;
    if (open_parts(&relay, context, self)) {
        code = run(&relay);
        finish(&relay);
    }
    if (!close_parts(&relay)) {
        log_warn("code=%d stopped while a database hangs", code);
        log_close();
        _exit(code);
    }
    frames_end(context);
    close(relay.signals);
    log_info("code=%d stopped", code);
    return code;
}

int main(int argc, char **argv)
{
    static const struct daemon_kind kind = {
        .role = "relay",
        .does = "Gives the movements of stock to named subscriptions, each at least once.\n",
        .list = "relays",
        .count_at = offsetof(struct config, relay_count),
        .databases = true};
    static struct config config;
    struct daemon self;

    int code = daemon_start(&kind, argc, argv, &config, &self);
    if (code >= 0)
        return code;
    mysql_library_init(0, NULL, NULL);
    code = serve(&config, &self);
    mysql_library_end();
    log_close();
    return code;
}
