/* SPDX-License-Identifier: MIT
 *
 * See listener.h.
 */
#include "common/listener.h"

#include <errno.h>
#include <zmq.h>

#include "common/frames.h"
#include "common/log.h"
#include "common/random.h"
#include "protocol/header.h"

#define HELD_MESSAGES 512

bool listener_hear(struct listener *listener, listener_fn *fn, void *context)
{
    zmq_msg_t frames[2];
    struct header header;
    size_t count = frames_receive(listener->socket, frames, 2);

    if (count == 2 &&
        header_read(&header, zmq_msg_data(&frames[0]), zmq_msg_size(&frames[0])) == HEADER_OK)
        fn(context, header.type, zmq_msg_data(&frames[1]), zmq_msg_size(&frames[1]));
    else if (count > 0)
        log_limited(LOG_WARN, "heard a message that is not of the protocol");
    frames_close(frames, count, 2);
    return count > 0;
}

void listener_ask(struct listener *listener)
{
    struct header header = {.type = MESSAGE_ASK,
                            .partition = PARTITION_NONE,
                            .session = listener->asker,
                            .sequence = ++listener->asked};
    uint8_t bytes[HEADER_BYTES];

    header_write(&header, bytes);
    (void)zmq_send(listener->socket, bytes, sizeof bytes, ZMQ_DONTWAIT);
}

static bool subscribe(struct listener *listener, void *context, const struct config *config)
{
    int linger = 0, held = HELD_MESSAGES;
    int64_t largest = MESSAGE_BYTES_MAX;
    const uint8_t everything = 1;

    listener->socket = zmq_socket(context, ZMQ_XSUB);
    if (!listener->socket ||
        zmq_setsockopt(listener->socket, ZMQ_LINGER, &linger, sizeof linger) != 0 ||
        zmq_setsockopt(listener->socket, ZMQ_RCVHWM, &held, sizeof held) != 0 ||
        zmq_setsockopt(listener->socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest) != 0)
        return false;
    for (size_t i = 0; i < config->broker_count; i++) {
        if (zmq_connect(listener->socket, config->brokers[i].changes) != 0)
            return false;
    }
    return zmq_send(listener->socket, &everything, 1, ZMQ_DONTWAIT) == 1;
}

bool listener_open(struct listener *listener, void *context, const struct config *config)
{
    *listener = (struct listener){0};
    bool ok = random_bytes(&listener->asker, sizeof listener->asker);
    listener->asker |= 1; /* never 0 */
    if (ok && subscribe(listener, context, config))
        return true;
    int why = errno;
    listener_close(listener);
    errno = why;
    return false;
}

void listener_close(struct listener *listener)
{
    if (listener->socket)
        zmq_close(listener->socket);
    listener->socket = NULL;
}
