/* SPDX-License-Identifier: MIT
 *
 * What brokers have sent and is not answered yet, in order of arrival. session.c fills the queues;
 * batch.c and query.c empty them.
 */
#ifndef WORKERS_WORK_H
#define WORKERS_WORK_H

#include "protocol/header.h"
#include "protocol/holdfast.pb-c.h"
#include "protocol/status.h"

struct session;

enum work_state {
    WORK_WAITING, /* certainly not applied by this dispatch */
    WORK_MAYBE,   /* was in a transaction whose COMMIT has no answer */
};

/* An operation or a query. On the heap; owned by the queue it is in, or by who took it out. */
struct work {
    struct session *session;
    struct header header; /* its session is the one that the work came in */
    enum work_state state;
    uint64_t takings; /* of our claims, so many were known to the broker that sent it */
    int64_t maybe_since_us;
    Hf__Operation *operation; /* in the batch's arena, while it is in one */
    size_t part;              /* of the batch */
    size_t body_bytes;
    uint8_t body[];
};

/* What is put back goes to the front. */
struct work_queue {
    struct work **items; /* a ring */
    size_t first, count, capacity;
};

void work_push(struct work_queue *queue, struct work *work);
void work_push_front(struct work_queue *queue, struct work *work);
/* NULL when it is empty. */
struct work *work_pop(struct work_queue *queue);
struct work *work_peek(const struct work_queue *queue);
void work_queue_release(struct work_queue *queue);

/* Each of these answers the work, frees it and sets *work to NULL. The answer waits in the outbox
 * until sessions_flush; it is dropped when the work's session is over. */
void work_answer_result(struct work **work, const Hf__Result *result);
void work_answer_answer(struct work **work, const Hf__Answer *answer);
/* Without anything but a status and a message (static text). */
void work_answer_status(struct work **work, enum status status, const char *message);
/* Not begun, and never will be by this dispatch: the broker queues it again. */
void work_return(struct work **work);

#endif
