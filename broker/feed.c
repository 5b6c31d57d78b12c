/* SPDX-License-Identifier: MIT
 *
 * See feed.h. A subscription is a frame that begins with 0 or 1, as ZMTP has it; what else comes
 * from a subscriber must be an ASK, or goes no further.
 */
#include "broker/feed.h"

#include <errno.h>
#include <stddef.h>
#include <zmq.h>

#include "common/log.h"
#include "protocol/header.h"

/* Messages passed on in one wake-up, each way, before operations have their turn. */
#define FORWARD_MAX 256
/* Held for one subscriber; a message is a whole transaction. */
#define HELD_MESSAGES 512

static void *open_socket(void *context, int type)
{
    int linger = 0, held = HELD_MESSAGES;
    int64_t largest = MESSAGE_BYTES_MAX;
    void *socket = zmq_socket(context, type);

    if (!socket)
        return NULL;
    if (zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger) == 0 &&
        zmq_setsockopt(socket, ZMQ_SNDHWM, &held, sizeof held) == 0 &&
        zmq_setsockopt(socket, ZMQ_RCVHWM, &held, sizeof held) == 0 &&
        zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &largest, sizeof largest) == 0)
        return socket;
    int why = errno;
    zmq_close(socket);
    errno = why;
    return NULL;
}

bool feed_open(struct feed *feed, void *context)
{
    feed->in = open_socket(context, ZMQ_XSUB);
    feed->out = open_socket(context, ZMQ_XPUB);
    return feed->in && feed->out;
}

/* One whole message from workers; XPUB drops it for whoever has no room. */
static bool pass_down(struct feed *feed)
{
    bool more = true;

    for (size_t parts = 0; more; parts++) {
        zmq_msg_t part;
        zmq_msg_init(&part);
        if (zmq_msg_recv(&part, feed->in, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&part);
            return parts > 0;
        }
        more = zmq_msg_more(&part) != 0;
        if (zmq_msg_send(&part, feed->out, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0)) < 0)
            zmq_msg_close(&part);
    }
    return true;
}

static bool may_pass_up(zmq_msg_t *part)
{
    const uint8_t *bytes = zmq_msg_data(part);
    size_t length = zmq_msg_size(part);
    struct header header;

    if (length > 0 && bytes[0] <= 1)
        return true;
    return !zmq_msg_more(part) && header_read(&header, bytes, length) == HEADER_OK &&
           header.type == MESSAGE_ASK;
}

static bool pass_up(struct feed *feed)
{
    zmq_msg_t part;

    zmq_msg_init(&part);
    bool got = zmq_msg_recv(&part, feed->out, ZMQ_DONTWAIT) >= 0;
    if (got && !may_pass_up(&part))
        log_limited(LOG_WARN, "a subscriber sent what is neither a subscription nor an ASK");
    else if (got && zmq_msg_send(&part, feed->in, ZMQ_DONTWAIT) >= 0)
        return true;
    zmq_msg_close(&part);
    return got;
}

void feed_forward(struct feed *feed)
{
    for (int i = 0; i < FORWARD_MAX && pass_down(feed); i++)
        continue;
    for (int i = 0; i < FORWARD_MAX && pass_up(feed); i++)
        continue;
}

void feed_close(struct feed *feed)
{
    if (feed->in)
        zmq_close(feed->in);
    if (feed->out)
        zmq_close(feed->out);
    *feed = (struct feed){0};
}
