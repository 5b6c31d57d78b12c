/* SPDX-License-Identifier: MIT
 *
 * See peer.h. Everything has one deadline.
 */
#include "cli/peer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "common/clock.h"
#include "common/frames.h"
#include "common/random.h"
#include "protocol/header.h"
#include "protocol/holdfast.pb-c.h"
#include "protocol/ids.h"

#define CLOSE_LINGER_MS 100

struct peer {
    const struct config *config;
    void *context, *socket;
    int64_t deadline_us;
    uint32_t session;
    char *error;
};

static bool fail(struct peer *peer, const char *why)
{
    snprintf(peer->error, PEER_ERROR_BYTES, "%s", why);
    return false;
}

static bool send_message(struct peer *peer, const struct header *header, const uint8_t *body,
                         size_t body_bytes)
{
    uint8_t bytes[HEADER_BYTES];

    header_write(header, bytes);
    if (zmq_send(peer->socket, bytes, sizeof bytes, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0 ||
        zmq_send(peer->socket, body_bytes > 0 ? body : (const uint8_t *)"", body_bytes,
                 ZMQ_DONTWAIT) < 0)
        return fail(peer, zmq_strerror(errno));
    return true;
}

/* ------------------------------------------------------------- receiving */

struct arrived {
    struct header header;
    uint8_t *body;
    size_t body_bytes;
};

static bool keep(struct arrived *arrived, const struct header *header, const uint8_t *body,
                 size_t body_bytes)
{
    arrived->header = *header;
    arrived->body = malloc(body_bytes + 1);
    if (!arrived->body)
        abort();
    memcpy(arrived->body, body, body_bytes);
    arrived->body_bytes = body_bytes;
    return true;
}

/* Is this message, or one in this batch, of the type? An ERROR is taken for any. */
static bool pick(struct header header, const uint8_t *body, size_t body_bytes, uint8_t type,
                 struct arrived *arrived)
{
    struct batch_reader reader;

    if (header.type == type || header.type == MESSAGE_ERROR)
        return keep(arrived, &header, body, body_bytes);
    if (header.type != MESSAGE_BATCH)
        return false;
    batch_reader_init(&reader, body, body_bytes);
    while (batch_next(&reader, &header, &body, &body_bytes) == BATCH_ITEM) {
        if (header.type == type || header.type == MESSAGE_ERROR)
            return keep(arrived, &header, body, body_bytes);
    }
    return false;
}

/* One message of the type, if there is one now. */
static bool take(struct peer *peer, uint8_t type, struct arrived *arrived)
{
    zmq_msg_t frames[2];
    struct header header;
    size_t count = frames_receive(peer->socket, frames, 2);
    bool good = false;

    if (count == 2 &&
        header_read(&header, zmq_msg_data(&frames[0]), zmq_msg_size(&frames[0])) == HEADER_OK)
        good = pick(header, zmq_msg_data(&frames[1]), zmq_msg_size(&frames[1]), type, arrived);
    frames_close(frames, count, 2);
    return good;
}

static bool refused(struct peer *peer, const struct arrived *arrived)
{
    Hf__Error *error = hf__error__unpack(NULL, arrived->body_bytes, arrived->body);

    snprintf(peer->error, PEER_ERROR_BYTES, "it says %s", error ? error->code : "an error");
    if (error)
        hf__error__free_unpacked(error, NULL);
    return false;
}

static bool await(struct peer *peer, uint8_t type, struct arrived *arrived)
{
    for (;;) {
        int64_t left_us = peer->deadline_us - clock_monotonic_us();
        zmq_pollitem_t item = {.socket = peer->socket, .events = ZMQ_POLLIN};
        if (take(peer, type, arrived)) {
            if (arrived->header.type == type)
                return true;
            (void)refused(peer, arrived);
            free(arrived->body);
            return false;
        }
        if (left_us <= 0)
            return fail(peer, "it does not answer");
        if (zmq_poll(&item, 1, (long)((left_us + 999) / 1000)) < 0)
            return fail(peer, zmq_strerror(errno));
    }
}

/* ------------------------------------------------------------- the session */

static bool hello(struct peer *peer)
{
    struct header header = {.type = MESSAGE_HELLO, .partition = PARTITION_NONE};
    uint8_t instance[UUID_BYTES], body[512];
    struct arrived arrived;
    Hf__Hello message = HF__HELLO__INIT;

    if (!random_bytes(instance, sizeof instance))
        return fail(peer, "no randomness to be had");
    message.role = HF__ROLE__ROLE_CLIENT;
    message.cluster.data = (uint8_t *)(uintptr_t)peer->config->name;
    message.cluster.len = strlen(peer->config->name);
    message.name.data = (uint8_t *)(uintptr_t) "audit";
    message.name.len = strlen("audit");
    message.instance.data = instance;
    message.instance.len = sizeof instance;
    message.version_min = message.version_max = HEADER_VERSION;
    message.clock_us = clock_wall_us();
    if (hf__hello__get_packed_size(&message) > sizeof body)
        return fail(peer, "the cluster's name is too long");
    if (!send_message(peer, &header, body, hf__hello__pack(&message, body)) ||
        !await(peer, MESSAGE_WELCOME, &arrived))
        return false;
    peer->session = arrived.header.session;
    free(arrived.body);
    return true;
}

static bool open_peer(struct peer *peer, const char *endpoint)
{
    int linger = CLOSE_LINGER_MS;
    int64_t largest = MESSAGE_BYTES_MAX + HEADER_BYTES;

    peer->context = zmq_ctx_new();
    peer->socket = peer->context ? zmq_socket(peer->context, ZMQ_DEALER) : NULL;
    if (!peer->socket)
        return fail(peer, zmq_strerror(errno));
    zmq_setsockopt(peer->socket, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(peer->socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest);
    if (zmq_connect(peer->socket, endpoint) != 0)
        return fail(peer, zmq_strerror(errno));
    return hello(peer);
}

static void close_peer(struct peer *peer)
{
    struct header header = {
        .type = MESSAGE_GOODBYE, .partition = PARTITION_NONE, .session = peer->session};
    int linger = 0;

    if (peer->session != 0)
        (void)send_message(peer, &header, NULL, 0);
    else if (peer->socket)
        zmq_setsockopt(peer->socket, ZMQ_LINGER, &linger, sizeof linger);
    if (peer->socket)
        zmq_close(peer->socket);
    frames_end(peer->context);
}

bool peer_ask(const struct config *config, const char *endpoint, const uint8_t *body,
              size_t body_bytes, int timeout_ms, uint8_t **answer, size_t *answer_bytes,
              char *error)
{
    struct peer peer = {.config = config,
                        .error = error,
                        .deadline_us = clock_monotonic_us() + (int64_t)timeout_ms * 1000};
    struct header header = {.type = MESSAGE_QUERY,
                            .op_class = CLASS_BULK,
                            .partition = PARTITION_NONE,
                            .sequence = 1,
                            .not_after_us = clock_wall_us() + (int64_t)timeout_ms * 1000};
    struct arrived arrived;

    bool ok = open_peer(&peer, endpoint);
    header.session = peer.session;
    ok = ok && send_message(&peer, &header, body, body_bytes) &&
         await(&peer, MESSAGE_ANSWER, &arrived);
    if (ok) {
        *answer = arrived.body;
        *answer_bytes = arrived.body_bytes;
    }
    close_peer(&peer);
    return ok;
}

/* A heartbeat behind it is answered when it has been taken. */
bool peer_tell(const struct config *config, const char *endpoint, uint8_t type, const uint8_t *body,
               size_t body_bytes, int timeout_ms, char *error)
{
    struct peer peer = {.config = config,
                        .error = error,
                        .deadline_us = clock_monotonic_us() + (int64_t)timeout_ms * 1000};
    struct header header = {.type = type, .partition = PARTITION_NONE};
    Hf__Heartbeat beat = HF__HEARTBEAT__INIT;
    uint8_t packed[64];
    struct arrived arrived;

    bool ok = open_peer(&peer, endpoint);
    header.session = peer.session;
    beat.clock_us = clock_wall_us();
    beat.echo = 1;
    ok = ok && send_message(&peer, &header, body, body_bytes);
    header.type = MESSAGE_HEARTBEAT;
    ok = ok && send_message(&peer, &header, packed, hf__heartbeat__pack(&beat, packed)) &&
         await(&peer, MESSAGE_HEARTBEAT, &arrived);
    if (ok)
        free(arrived.body);
    close_peer(&peer);
    return ok;
}
