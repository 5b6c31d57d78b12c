/* SPDX-License-Identifier: MIT
 *
 * See publish_link.h.
 */
#include "workers/publish_link.h"

#include <errno.h>
#include <stdlib.h>
#include <zmq.h>

/* Held for one broker; a message is a whole transaction. */
#define HELD_MESSAGES 512

struct publish_link {
    void *socket;
};

static bool connect_all(void *socket, const struct config *config)
{
    for (size_t i = 0; i < config->broker_count; i++) {
        const char *endpoint = config->brokers[i].publish;
        if (endpoint[0] != '\0' && zmq_connect(socket, endpoint) != 0)
            return false;
    }
    return true;
}

static bool wanted(const struct config *config)
{
    for (size_t i = 0; i < config->broker_count; i++) {
        if (config->brokers[i].publish[0] != '\0')
            return true;
    }
    return false;
}

bool publish_link_open(struct publish_link **link, void *context, const struct config *config)
{
    int linger = 0, held = HELD_MESSAGES, immediate = 1;
    int64_t largest = HEADER_BYTES * 8; /* subscribers send little */

    *link = NULL;
    if (!wanted(config))
        return true;
    struct publish_link *made = calloc(1, sizeof *made);
    if (!made)
        abort();
    made->socket = zmq_socket(context, ZMQ_XPUB);
    if (made->socket && zmq_setsockopt(made->socket, ZMQ_LINGER, &linger, sizeof linger) == 0 &&
        zmq_setsockopt(made->socket, ZMQ_SNDHWM, &held, sizeof held) == 0 &&
        zmq_setsockopt(made->socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest) == 0 &&
        /* A broker that is gone has no subscribers, and nothing is kept for it. */
        zmq_setsockopt(made->socket, ZMQ_IMMEDIATE, &immediate, sizeof immediate) == 0 &&
        connect_all(made->socket, config)) {
        *link = made;
        return true;
    }
    int why = errno;
    if (made->socket)
        zmq_close(made->socket);
    free(made);
    errno = why;
    return false;
}

void publish_link_close(struct publish_link **link)
{
    if (!*link)
        return;
    zmq_close((*link)->socket);
    free(*link);
    *link = NULL;
}

static void send_frames(void *context, const uint8_t header[HEADER_BYTES], const uint8_t *body,
                        size_t body_bytes)
{
    struct publish_link *link = context;

    if (zmq_send(link->socket, header, HEADER_BYTES, ZMQ_DONTWAIT | ZMQ_SNDMORE) >= 0)
        (void)zmq_send(link->socket, body, body_bytes, ZMQ_DONTWAIT);
}

static int receive_frame(void *context, uint8_t *bytes, size_t size)
{
    struct publish_link *link = context;

    return zmq_recv(link->socket, bytes, size, ZMQ_DONTWAIT);
}

struct publish_output publish_link_output(struct publish_link *link)
{
    return (struct publish_output){.context = link, .send = send_frames, .receive = receive_frame};
}

void *publish_link_socket(const struct publish_link *link)
{
    return link->socket;
}
