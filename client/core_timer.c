/* SPDX-License-Identifier: MIT
 *
 * When each call must be looked at again: a binary heap whose places the calls know, so that moving
 * one costs O(log n).
 */
#include "client/core_private.h"

#include <stdlib.h>

int64_t call_due_us(const struct call *call)
{
    int64_t deadline = call_deadline_us(call);

    if (call->state == CALL_READY)
        return deadline;
    return call->wake_us < deadline ? call->wake_us : deadline;
}

static void place(struct core *core, struct call *call, size_t at)
{
    core->heap[at] = call;
    call->heap_at = at;
}

static void rise(struct core *core, struct call *call)
{
    size_t at = call->heap_at;
    int64_t due = call_due_us(call);

    while (at > 0 && call_due_us(core->heap[(at - 1) / 2]) > due) {
        place(core, core->heap[(at - 1) / 2], at);
        at = (at - 1) / 2;
    }
    place(core, call, at);
}

static void sink(struct core *core, struct call *call)
{
    size_t at = call->heap_at;
    int64_t due = call_due_us(call);

    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= core->heap_count)
            break;
        if (child + 1 < core->heap_count &&
            call_due_us(core->heap[child + 1]) < call_due_us(core->heap[child]))
            child++;
        if (call_due_us(core->heap[child]) >= due)
            break;
        place(core, core->heap[child], at);
        at = child;
    }
    place(core, call, at);
}

bool timer_reserve(struct core *core)
{
    if (core->heap_count < core->heap_size)
        return true;
    size_t size = core->heap_size ? 2 * core->heap_size : 64;
    struct call **heap = realloc(core->heap, size * sizeof *heap);
    if (!heap)
        return false;
    core->heap = heap;
    core->heap_size = size;
    return true;
}

void timer_add(struct core *core, struct call *call)
{
    place(core, call, core->heap_count++);
    rise(core, call);
}

void timer_moved(struct core *core, struct call *call)
{
    rise(core, call);
    sink(core, call);
}

void timer_remove(struct core *core, struct call *call)
{
    struct call *last = core->heap[--core->heap_count];

    if (last == call)
        return;
    place(core, last, call->heap_at);
    timer_moved(core, last);
}
