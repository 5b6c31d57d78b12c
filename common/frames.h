/* SPDX-License-Identifier: MIT
 *
 * Receives a message of ZeroMQ whole, however many frames somebody has put into it. Called by
 * whoever reads a socket on which a peer of ours is expected. Never waits.
 */
#ifndef COMMON_FRAMES_H
#define COMMON_FRAMES_H

#include <stddef.h>
#include <zmq.h>

/* Returns how many frames the message had; 0: none waits. The first `most` are in frames, and the
 * caller's to close; what came behind them is dropped, so a message that has more than `most` is
 * told by the count alone. */
size_t frames_receive(void *socket, zmq_msg_t *frames, size_t most);

/* Closes what frames_receive has left there, given what it returned. */
void frames_close(zmq_msg_t *frames, size_t count, size_t most);

/* Ends a context whose sockets are closed: zmq_ctx_term, again when a signal interrupts it. NULL is
 * none. */
void frames_end(void *context);

#endif
