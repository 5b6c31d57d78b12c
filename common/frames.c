/* SPDX-License-Identifier: MIT
 *
 * See frames.h.
 */
#include "common/frames.h"

#include <errno.h>
#include <stdbool.h>

size_t frames_receive(void *socket, zmq_msg_t *frames, size_t most)
{
    size_t count = 0;
    bool more = true;

    for (; more; count++) {
        zmq_msg_t surplus, *frame = count < most ? &frames[count] : &surplus;
        zmq_msg_init(frame);
        if (zmq_msg_recv(frame, socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(frame);
            break; /* only before the first frame: a message arrives whole */
        }
        more = zmq_msg_more(frame) != 0;
        if (count >= most)
            zmq_msg_close(&surplus);
    }
    return count;
}

void frames_close(zmq_msg_t *frames, size_t count, size_t most)
{
    for (size_t i = 0; i < count && i < most; i++)
        zmq_msg_close(&frames[i]);
}

void frames_end(void *context)
{
    while (context && zmq_ctx_term(context) != 0 && errno == EINTR)
        ;
}
