/* SPDX-License-Identifier: MIT
 *
 * The worker's socket to one broker, and nothing but the socket: session.c knows what the messages
 * mean. Never blocks. Only this file and main.c's loop know ZeroMQ.
 */
#ifndef WORKERS_LINK_H
#define WORKERS_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/header.h"

struct broker_link;

/* A DEALER that connects to the endpoint, now and again whenever it must. context: a ZeroMQ
 * context, borrowed until the link is closed. NULL with broker_link_error. */
struct broker_link *broker_link_open(void *context, const char *endpoint);
/* What is unsent is kept for at most linger_ms. */
void broker_link_close(struct broker_link **link, int linger_ms);

/* Copies. False when it was not sent: the broker is not there, or its queue is full. */
bool broker_link_send(struct broker_link *link, const uint8_t header[HEADER_BYTES],
                      const void *body, size_t body_bytes);

/* A message of one or two frames. The bytes are the link's, until the next broker_link_receive. */
struct broker_message {
    const uint8_t *header, *body; /* the body may be empty */
    size_t header_bytes, body_bytes;
    bool misframed; /* more than two frames; nothing else here is set */
};

/* False when nothing is there. */
bool broker_link_receive(struct broker_link *link, struct broker_message *message);

/* Why the last call failed, for a log line. */
const char *broker_link_error(void);
/* The socket, for zmq_poll. */
void *broker_link_socket(const struct broker_link *link);

#endif
