/* SPDX-License-Identifier: MIT
 *
 * See tail.h.
 */
#include "relay/tail.h"

#include <stdlib.h>
#include <string.h>

bool position_equal(const struct position *a, const struct position *b)
{
    return a->seq == b->seq && (a->seq == 0 || memcmp(a->claim, b->claim, CLAIM_BYTES) == 0);
}

void tail_clear(struct tail *tail)
{
    for (size_t i = 0; i < tail->count; i++)
        free(tail->events[tail->head + i]);
    tail->head = tail->count = tail->bytes = 0;
    tail->base = (struct position){0};
}

void tail_release(struct tail *tail)
{
    tail_clear(tail);
    free(tail->events);
    *tail = (struct tail){0};
}

const struct position *tail_end(const struct tail *tail)
{
    return tail->count > 0 ? &tail->events[tail->head + tail->count - 1]->at : &tail->base;
}

static void drop_first(struct tail *tail)
{
    struct event *first = tail->events[tail->head++];

    tail->count--;
    tail->bytes -= first->bytes;
    tail->base = first->at;
    free(first);
}

static void make_room(struct tail *tail, size_t more)
{
    if (tail->head + tail->count + more <= tail->capacity)
        return;
    if (tail->head > 0)
        memmove(tail->events, tail->events + tail->head, tail->count * sizeof(struct event *));
    tail->head = 0;
    if (tail->count + more <= tail->capacity)
        return;
    tail->capacity = (tail->count + more) * 2;
    tail->events = realloc(tail->events, tail->capacity * sizeof(struct event *));
    if (!tail->events)
        abort();
}

void tail_put(struct tail *tail, const struct position *from, struct event **events, size_t count)
{
    if (count == 0)
        return;
    if (!position_equal(from, tail_end(tail))) {
        bool of_one_history = tail->count > 0 && from->seq <= tail_end(tail)->seq;
        if (of_one_history)
            return;
        tail_clear(tail);
        tail->base = *from;
    }
    make_room(tail, count);
    for (size_t i = 0; i < count; i++) {
        tail->events[tail->head + tail->count++] = events[i];
        tail->bytes += events[i]->bytes;
        events[i] = NULL;
    }
    while (tail->bytes > TAIL_BYTES_MAX)
        drop_first(tail);
}

void tail_shrink(struct tail *tail, size_t keep)
{
    while (tail->count > keep)
        drop_first(tail);
}

size_t tail_after(const struct tail *tail, const struct position *position,
                  struct event *const **events)
{
    uint64_t first = tail->base.seq;

    if (tail->count == 0 || position->seq < first || position->seq >= first + tail->count)
        return 0;
    size_t index = (size_t)(position->seq - first);
    const struct position *here =
        index == 0 ? &tail->base : &tail->events[tail->head + index - 1]->at;
    if (!position_equal(here, position))
        return 0;
    *events = tail->events + tail->head + index;
    return tail->count - index;
}
