/* SPDX-License-Identifier: MIT
 *
 * Hears what owners publish, through every broker: CHANGES and BEACON; and asks against the stream
 * (ASK). Used by the view and the relay. Anything may be lost or come twice. Nothing here waits.
 */
#ifndef COMMON_LISTENER_H
#define COMMON_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/config.h"

struct listener {
    void *socket; /* XSUB, for zmq_poll */
    uint32_t asker;
    uint64_t asked; /* number of the last question */
};

/* Subscribes at every broker of the file. context: of ZeroMQ. False with errno. */
bool listener_open(struct listener *listener, void *context, const struct config *config);
void listener_close(struct listener *listener);

/* One message: calls fn with its type and body, where it is of the protocol. False: there is none.
 */
typedef void listener_fn(void *context, uint8_t type, const uint8_t *body, size_t bytes);
bool listener_hear(struct listener *listener, listener_fn *fn, void *context);

/* Sends the next question; its number is `asked` then. */
void listener_ask(struct listener *listener);

#endif
