/* SPDX-License-Identifier: MIT
 *
 * The queue of work, a ring that grows, and the answers that need no ledger. What bounds the queue
 * is the credit that brokers have.
 */
#include "workers/work.h"

#include <stdlib.h>

#include "protocol/status.h"
#include "workers/session.h"

#define FIRST_CAPACITY 1024

static void grow_ring(struct work_queue *queue)
{
    size_t capacity = queue->capacity ? queue->capacity * 2 : FIRST_CAPACITY;
    struct work **items = malloc(capacity * sizeof(struct work *));

    if (!items)
        abort();
    for (size_t i = 0; i < queue->count; i++)
        items[i] = queue->items[(queue->first + i) % queue->capacity];
    free(queue->items);
    queue->items = items;
    queue->first = 0;
    queue->capacity = capacity;
}

void work_push(struct work_queue *queue, struct work *work)
{
    if (queue->count == queue->capacity)
        grow_ring(queue);
    queue->items[(queue->first + queue->count++) % queue->capacity] = work;
}

void work_push_front(struct work_queue *queue, struct work *work)
{
    if (queue->count == queue->capacity)
        grow_ring(queue);
    queue->first = (queue->first + queue->capacity - 1) % queue->capacity;
    queue->items[queue->first] = work;
    queue->count++;
}

struct work *work_peek(const struct work_queue *queue)
{
    return queue->count > 0 ? queue->items[queue->first] : NULL;
}

struct work *work_pop(struct work_queue *queue)
{
    struct work *work = work_peek(queue);

    if (work) {
        queue->first = (queue->first + 1) % queue->capacity;
        queue->count--;
    }
    return work;
}

void work_queue_release(struct work_queue *queue)
{
    for (struct work *work; (work = work_pop(queue)) != NULL;)
        free(work);
    free(queue->items);
    *queue = (struct work_queue){0};
}

void work_answer_result(struct work **work, const Hf__Result *result)
{
    uint8_t *body = session_answer(*work, MESSAGE_RESULT, hf__result__get_packed_size(result));

    if (body)
        hf__result__pack(result, body);
    free(*work);
    *work = NULL;
}

void work_answer_answer(struct work **work, const Hf__Answer *answer)
{
    uint8_t *body = session_answer(*work, MESSAGE_ANSWER, hf__answer__get_packed_size(answer));

    if (body)
        hf__answer__pack(answer, body);
    free(*work);
    *work = NULL;
}

void work_answer_status(struct work **work, enum status status, const char *message)
{
    Hf__Result result = HF__RESULT__INIT;
    Hf__Answer answer = HF__ANSWER__INIT;

    if ((*work)->header.type == MESSAGE_QUERY) {
        answer.status = (uint32_t)status;
        answer.message = (char *)(uintptr_t)message;
        answer.partition = (*work)->header.partition;
        work_answer_answer(work, &answer);
        return;
    }
    if ((*work)->operation)
        result.operation_id = (*work)->operation->operation_id;
    result.status = (uint32_t)status;
    result.message = (char *)(uintptr_t)message;
    result.partition = (*work)->header.partition;
    work_answer_result(work, &result);
}

void work_return(struct work **work)
{
    (void)session_answer(*work, MESSAGE_RETURNED, 0);
    free(*work);
    *work = NULL;
}
