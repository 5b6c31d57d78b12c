/* SPDX-License-Identifier: MIT
 *
 * When live reservations end: a binary heap of deadlines, with an index by reservation so that an
 * entry leaves as soon as its reservation ends. Every change is remembered until the batch is
 * committed (due_keep) or taken back (due_undo): the heap is what a worker could not load again
 * without scanning the table.
 */
#include "workers/ledger_impl.h"

#include <stdlib.h>
#include <string.h>

static bool earlier(const struct due_entry *a, const struct due_entry *b)
{
    if (a->expires_at_us != b->expires_at_us)
        return a->expires_at_us < b->expires_at_us;
    return memcmp(a->id, b->id, RESERVATION_ID_BYTES) < 0;
}

static void place(struct due *due, struct due_entry *entry, size_t at)
{
    due->heap[at] = entry;
    entry->at = at;
}

static void sift(struct due *due, struct due_entry *entry)
{
    size_t at = entry->at;

    while (at > 0 && earlier(entry, due->heap[(at - 1) / 2])) {
        place(due, due->heap[(at - 1) / 2], at);
        at = (at - 1) / 2;
    }
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < due->count && earlier(due->heap[child + 1], due->heap[child]))
            child++;
        if (child >= due->count || !earlier(due->heap[child], entry))
            break;
        place(due, due->heap[child], at);
        at = child;
    }
    place(due, entry, at);
}

static void remove_entry(struct due *due, struct due_entry *entry)
{
    struct due_entry *last = due->heap[--due->count];

    if (last != entry) {
        place(due, last, entry->at);
        sift(due, last);
    }
    table_remove(&due->by_id, entry->id);
    free(entry);
}

static void set(struct due *due, struct due_entry *entry, const uint8_t *id, int64_t expires_at_us)
{
    if (expires_at_us == DUE_NONE) {
        if (entry)
            remove_entry(due, entry);
        return;
    }
    if (!entry) {
        entry = must_calloc(1, sizeof *entry);
        memcpy(entry->id, id, RESERVATION_ID_BYTES);
        table_add(&due->by_id, entry);
        due->heap = grow(due->heap, due->count, &due->capacity, sizeof *due->heap);
        place(due, entry, due->count++);
    }
    entry->expires_at_us = expires_at_us;
    sift(due, entry);
}

static struct due_entry *find(const struct due *due, const uint8_t *id)
{
    return table_find(&due->by_id, id);
}

void due_set(struct due *due, const uint8_t id[RESERVATION_ID_BYTES], int64_t expires_at_us)
{
    struct due_entry *entry = find(due, id);
    struct due_change change = {.expires_at_us = entry ? entry->expires_at_us : DUE_NONE};

    if (change.expires_at_us == expires_at_us)
        return;
    memcpy(change.id, id, RESERVATION_ID_BYTES);
    due->changes =
        grow(due->changes, due->change_count, &due->change_capacity, sizeof *due->changes);
    due->changes[due->change_count++] = change;
    set(due, entry, id, expires_at_us);
}

void due_undo(struct due *due)
{
    while (due->change_count > 0) {
        const struct due_change *change = &due->changes[--due->change_count];
        set(due, find(due, change->id), change->id, change->expires_at_us);
    }
}

void due_keep(struct due *due)
{
    due->change_count = 0;
}

/* Best first through the heap without taking it apart: the frontier is itself a small heap of
 * places whose parents were taken. */
static void frontier_push(struct due *due, size_t *count, size_t at)
{
    due->frontier = grow(due->frontier, *count, &due->frontier_capacity, sizeof *due->frontier);
    size_t *frontier = due->frontier;
    size_t i = (*count)++;
    while (i > 0 && earlier(due->heap[at], due->heap[frontier[(i - 1) / 2]])) {
        frontier[i] = frontier[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    frontier[i] = at;
}

static size_t frontier_pop(struct due *due, size_t *count)
{
    size_t *frontier = due->frontier;
    size_t first = frontier[0];
    size_t moved = frontier[--*count];
    size_t i = 0;

    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < *count &&
            earlier(due->heap[frontier[child + 1]], due->heap[frontier[child]]))
            child++;
        if (child >= *count || !earlier(due->heap[frontier[child]], due->heap[moved]))
            break;
        frontier[i] = frontier[child];
        i = child;
    }
    frontier[i] = moved;
    return first;
}

size_t due_collect(struct due *due, int64_t now_us, size_t limit, bool *more,
                   void (*take)(void *data, const uint8_t *id), void *data)
{
    size_t waiting = 0, taken = 0;

    if (due->count > 0 && due->heap[0]->expires_at_us <= now_us)
        frontier_push(due, &waiting, 0);
    while (waiting > 0 && taken < limit) {
        size_t at = frontier_pop(due, &waiting);
        take(data, due->heap[at]->id);
        taken++;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < due->count; child++) {
            if (due->heap[child]->expires_at_us <= now_us)
                frontier_push(due, &waiting, child);
        }
    }
    *more = waiting > 0;
    return taken;
}

void due_release(struct due *due)
{
    while (due->count > 0)
        remove_entry(due, due->heap[due->count - 1]);
    table_release(&due->by_id);
    free(due->heap);
    free(due->changes);
    free(due->frontier);
    memset(due, 0, sizeof *due);
}
