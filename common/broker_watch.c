/* SPDX-License-Identifier: MIT
 *
 * Subscribes to the brokers' own states. See broker_watch.h.
 */
#include "common/broker_watch.h"
#include "common/frames.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "protocol/header.h"

struct broker_watch {
    const struct config *config;
    void *context;
    void *sockets[CONFIG_BROKERS_MAX]; /* one each, so that a broker that is away shows */
    Hf__BrokerState *states[CONFIG_BROKERS_MAX];
};

static void *subscribe(void *context, const char *endpoint)
{
    int linger = 0, reconnect_ms = 20, reconnect_max_ms = 200, newest = 4;
    int64_t most = MESSAGE_BYTES_MAX;
    void *socket = zmq_socket(context, ZMQ_SUB);

    if (!socket)
        return NULL;
    (void)zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    (void)zmq_setsockopt(socket, ZMQ_RECONNECT_IVL, &reconnect_ms, sizeof reconnect_ms);
    (void)zmq_setsockopt(socket, ZMQ_RECONNECT_IVL_MAX, &reconnect_max_ms, sizeof reconnect_max_ms);
    (void)zmq_setsockopt(socket, ZMQ_RCVHWM, &newest, sizeof newest);
    (void)zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &most, sizeof most);
    (void)zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0);
    if (zmq_connect(socket, endpoint) == 0)
        return socket;
    zmq_close(socket);
    return NULL;
}

struct broker_watch *broker_watch_new(const struct config *config)
{
    struct broker_watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        return NULL;
    watch->config = config;
    watch->context = zmq_ctx_new();
    for (size_t i = 0; watch->context && i < config->broker_count; i++) {
        /* A client's file may lack the endpoint: that broker is then never heard. */
        if (config->brokers[i].state[0] != '\0')
            watch->sockets[i] = subscribe(watch->context, config->brokers[i].state);
    }
    if (!watch->context)
        broker_watch_destroy(&watch);
    return watch;
}

void broker_watch_destroy(struct broker_watch **watch)
{
    if (!*watch)
        return;
    for (size_t i = 0; i < CONFIG_BROKERS_MAX; i++) {
        if ((*watch)->sockets[i])
            zmq_close((*watch)->sockets[i]);
        if ((*watch)->states[i])
            hf__broker_state__free_unpacked((*watch)->states[i], NULL);
    }
    frames_end((*watch)->context);
    free(*watch);
    *watch = NULL;
}

/* Takes in one message: a header that says STATE, and the body. Anything else is passed over. */
static bool receive(struct broker_watch *watch, size_t i)
{
    zmq_msg_t parts[2];
    struct header header;
    size_t count = 0;
    int more = 1;

    while (more) {
        zmq_msg_t part;
        zmq_msg_init(&part);
        if (zmq_msg_recv(&part, watch->sockets[i], ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&part);
            break;
        }
        more = zmq_msg_more(&part);
        if (count < 2)
            parts[count] = part;
        else
            zmq_msg_close(&part);
        count++;
    }
    bool good =
        count == 2 &&
        header_read(&header, zmq_msg_data(&parts[0]), zmq_msg_size(&parts[0])) == HEADER_OK &&
        header.type == MESSAGE_STATE;
    Hf__BrokerState *state =
        good ? hf__broker_state__unpack(NULL, zmq_msg_size(&parts[1]), zmq_msg_data(&parts[1]))
             : NULL;
    if (state && watch->states[i])
        hf__broker_state__free_unpacked(watch->states[i], NULL);
    if (state)
        watch->states[i] = state;
    for (size_t j = 0; j < count && j < 2; j++)
        zmq_msg_close(&parts[j]);
    return count > 0;
}

void broker_watch_wait(struct broker_watch *watch, int wait_ms)
{
    zmq_pollitem_t items[CONFIG_BROKERS_MAX];
    int count = 0;

    for (size_t i = 0; i < watch->config->broker_count; i++) {
        if (watch->sockets[i])
            items[count++] = (zmq_pollitem_t){.socket = watch->sockets[i], .events = ZMQ_POLLIN};
    }
    (void)zmq_poll(items, count, wait_ms);
    for (size_t i = 0; i < watch->config->broker_count; i++) {
        while (watch->sockets[i] && receive(watch, i)) {
        }
    }
}

const Hf__BrokerState *broker_watch_state(const struct broker_watch *watch, size_t i)
{
    return watch->states[i];
}

bool broker_watch_balanced(const struct broker_watch *watch, size_t workers)
{
    for (size_t i = 0; i < watch->config->broker_count; i++) {
        const Hf__BrokerState *state = watch->states[i];
        size_t busy = 0;
        for (size_t j = 0; state && j < state->n_workers; j++)
            busy += state->workers[j]->partitions > 0;
        if (busy < workers && busy < watch->config->partitions)
            return false;
    }
    return true;
}

bool broker_watch_served_by(const struct broker_watch *watch, size_t i, char *what,
                            size_t what_bytes)
{
    const Hf__BrokerState *state = watch->states[i];
    if (!state)
        snprintf(what, what_bytes, "broker b%zu is silent", i + 1);
    else if (state->partitions == 0 || state->partitions_served < state->partitions)
        snprintf(what, what_bytes, "broker b%zu reaches the workers of %u of %u partitions", i + 1,
                 state->partitions_served,
                 state->partitions > 0 ? state->partitions : watch->config->partitions);
    else
        return true;
    return false;
}

bool broker_watch_served(const struct broker_watch *watch, char *what, size_t what_bytes)
{
    for (size_t i = 0; i < watch->config->broker_count; i++) {
        if (!broker_watch_served_by(watch, i, what, what_bytes))
            return false;
    }
    return true;
}
