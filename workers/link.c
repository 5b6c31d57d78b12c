/* SPDX-License-Identifier: MIT
 *
 * See link.h.
 */
#include "workers/link.h"

#include <errno.h>
#include <stdlib.h>
#include <zmq.h>

#include "common/frames.h"

#define HWM_MESSAGES 10000
#define FRAMES_MAX 2

struct broker_link {
    void *socket;
    zmq_msg_t frames[FRAMES_MAX]; /* of the message that was received last */
    size_t frame_count;           /* as it had; more than FRAMES_MAX are not kept */
};

struct broker_link *broker_link_open(void *context, const char *endpoint)
{
    int hwm = HWM_MESSAGES, linger = 0, immediate = 1;
    int64_t largest = MESSAGE_BYTES_MAX + HEADER_BYTES;
    struct broker_link *link = calloc(1, sizeof *link);

    if (!link)
        abort();
    link->socket = zmq_socket(context, ZMQ_DEALER);
    if (!link->socket) {
        free(link);
        return NULL;
    }
    zmq_setsockopt(link->socket, ZMQ_SNDHWM, &hwm, sizeof hwm);
    zmq_setsockopt(link->socket, ZMQ_RCVHWM, &hwm, sizeof hwm);
    zmq_setsockopt(link->socket, ZMQ_LINGER, &linger, sizeof linger);
    zmq_setsockopt(link->socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest);
    /* Nothing is kept for a broker that is not there: it would be of an old session. */
    zmq_setsockopt(link->socket, ZMQ_IMMEDIATE, &immediate, sizeof immediate);
    if (zmq_connect(link->socket, endpoint) == 0)
        return link;
    int error = zmq_errno();
    zmq_close(link->socket);
    free(link);
    errno = error;
    return NULL;
}

static void release_frames(struct broker_link *link)
{
    frames_close(link->frames, link->frame_count, FRAMES_MAX);
    link->frame_count = 0;
}

void broker_link_close(struct broker_link **link, int linger_ms)
{
    release_frames(*link);
    zmq_setsockopt((*link)->socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    zmq_close((*link)->socket);
    free(*link);
    *link = NULL;
}

bool broker_link_send(struct broker_link *link, const uint8_t header[HEADER_BYTES],
                      const void *body, size_t body_bytes)
{
    if (zmq_send(link->socket, header, HEADER_BYTES, ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0)
        return false;
    return zmq_send(link->socket, body_bytes > 0 ? body : "", body_bytes, ZMQ_DONTWAIT) >= 0;
}

bool broker_link_receive(struct broker_link *link, struct broker_message *message)
{
    release_frames(link);
    *message = (struct broker_message){.body = (const uint8_t *)""};
    size_t count = frames_receive(link->socket, link->frames, FRAMES_MAX);
    link->frame_count = count;
    message->misframed = count > FRAMES_MAX;
    if (message->misframed || count == 0)
        return count > 0;
    message->header = zmq_msg_data(&link->frames[0]);
    message->header_bytes = zmq_msg_size(&link->frames[0]);
    if (count > 1) {
        message->body = zmq_msg_data(&link->frames[1]);
        message->body_bytes = zmq_msg_size(&link->frames[1]);
    }
    return true;
}

const char *broker_link_error(void)
{
    return zmq_strerror(zmq_errno());
}

void *broker_link_socket(const struct broker_link *link)
{
    return link->socket;
}
