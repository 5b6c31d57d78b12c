/* SPDX-License-Identifier: MIT
 *
 * A thread for what blocks, behind a loop that must not: one request at a time goes over whole, and
 * its reply comes back whole; loop and thread share nothing. Used for the databases of view and
 * relay.
 */
#ifndef COMMON_COURIER_H
#define COMMON_COURIER_H

#include <stdbool.h>

struct courier;

/* What the thread does. Requests and replies are the owner's, on the heap. */
struct courier_work {
    void *(*begin)(const void *argument); /* in the thread, first; returns its state */
    /* Takes the request and returns the reply, never NULL. */
    void *(*serve)(void *state, void *request);
    void (*end)(void *state);
};

/* Starts the thread. name: of this one among those of the ZeroMQ context. work and argument are
 * borrowed. NULL with errno. */
struct courier *courier_open(void *context, const char *name, const struct courier_work *work,
                             const void *argument);
/* Waits for the thread for a short while; a reply that nobody took goes to drop. False when it
 * still hangs in what it does: then nothing of it, nor the context, may be freed. */
bool courier_close(struct courier **courier, void (*drop)(void *reply));

bool courier_is_busy(const struct courier *courier);
/* It must not be busy. Takes the request. */
void courier_send(struct courier *courier, void *request);
/* The reply, when there is one; the caller's. */
void *courier_reply(struct courier *courier);
/* The socket, for zmq_poll. */
void *courier_socket(const struct courier *courier);

#endif
