/* SPDX-License-Identifier: MIT
 *
 * Reads of a handle: each goes to the session with a view, and what that leaves open goes to the
 * owners as a query like any other. See read.h for what is asked and what comes of it.
 */
#include "client/handle.h"

#include "common/clock.h"

#include <stdlib.h>

/* Of a read's time, this much at most is spent on views; the rest is for owners. */
#define VIEW_SHARE 2
/* How long a view may wait for what it lacks: a quarter of the time, but not longer. */
#define WAIT_SHARE 4
#define WAIT_MS_MAX 500

const char *holdfast_knowledge_name(enum holdfast_knowledge knowledge)
{
    switch (knowledge) {
    case HOLDFAST_KNOWLEDGE_UNKNOWN:
        break;
    case HOLDFAST_KNOWLEDGE_KNOWN:
        return "known";
    case HOLDFAST_KNOWLEDGE_BEHIND:
        return "behind";
    case HOLDFAST_KNOWLEDGE_STALE:
        return "stale";
    }
    return "unknown";
}

/* ------------------------------------------------------------- on its way */

static void finish(struct holdfast *client, struct pending *pending)
{
    holdfast_view_fn *fn = pending->view_fn;
    void *data = pending->data;
    struct holdfast_view_answer *answer = read_finish(pending->read, clock_monotonic_us());

    client->pending--;
    pending_free(client, pending);
    fn(data, answer);
}

/* Has the owners asked for what is open still; false when nothing is. */
static bool ask_owners(struct holdfast *client, struct pending *pending)
{
    struct holdfast_query query;
    struct fault fault;

    while (!client->closing && read_owner_query(pending->read, &query)) {
        pending->fanout = fanout_new_query(&query, handle_op_class(client), &fault);
        if (pending->fanout) {
            handle_enqueue(client, pending);
            return true;
        }
        read_take_owner(pending->read, make_answer(fault.status, fault.field, fault.message),
                        &client->positions);
    }
    return false;
}

void handle_view_done(struct holdfast *client, struct pending *pending, struct view_box *box,
                      uint32_t view)
{
    read_take_view(pending->read, &box, client->options.views[view], clock_monotonic_us());
    if (!ask_owners(client, pending))
        finish(client, pending);
}

void handle_owner_done(struct holdfast *client, struct pending *pending,
                       struct holdfast_answer *answer)
{
    read_take_owner(pending->read, answer, &client->positions);
    if (!ask_owners(client, pending))
        finish(client, pending);
}

void handle_note_write(struct holdfast *client, const struct holdfast_result *result)
{
    if (result->settled)
        handle_note_write(client, result->settled);
    /* Without memory for it, reads may be older: there is nothing else to be done about it. */
    if (result->status == HOLDFAST_APPLIED && result->sequence > 0)
        positions_raise(&client->positions, result->partition, result->sequence);
}

/* ------------------------------------------------------------- submitting */

/* Once wanted, it stays: a session lost is opened again in the background, so that the next read
 * finds one. False: no memory. */
static bool open_views(struct holdfast *client)
{
    if (client->view_core)
        return true;
    client->view_core = handle_core_new(client, true);
    if (!client->view_core)
        return false;
    link_open(&client->view_link, &client->link);
    core_want_session(client->view_core, true);
    return true;
}

static uint32_t partitions_of(const struct holdfast *client)
{
    uint32_t partitions = core_partitions(client->view_core);

    return partitions > 0 ? partitions : core_partitions(client->core);
}

static bool ask_view(struct holdfast *client, struct pending *pending, struct fault *fault)
{
    struct encoded encoded;
    int64_t timeout_us = client->options.timeout_us;
    int64_t wait_ms = timeout_us / 1000 / WAIT_SHARE;

    if (wait_ms > WAIT_MS_MAX)
        wait_ms = WAIT_MS_MAX;
    if (open_views(client) && read_encode(pending->read, &client->positions, partitions_of(client),
                                          wait_ms > 0 ? (uint32_t)wait_ms : 1, &encoded)) {
        if (core_submit(client->view_core, handle_now(), CORE_READ, &encoded,
                        timeout_us / VIEW_SHARE, pending))
            return true;
        free(encoded.body);
    }
    return fault_set(fault, HOLDFAST_UNAVAILABLE, "", "out of memory; nothing was sent");
}

static bool submit(struct holdfast *client, const struct holdfast_view_query *query,
                   holdfast_view_fn *fn, void *data, struct fault *fault)
{
    struct read *read = read_new(query, fault);
    struct pending *pending = read ? pending_new(client) : NULL;
    bool sent;

    if (!read)
        return false;
    if (!pending) {
        read_destroy(&read);
        return fault_set(fault, HOLDFAST_UNAVAILABLE, "", "out of memory; nothing was sent");
    }
    pending->read = read;
    pending->view_fn = fn;
    pending->data = data;
    pending->deadline_us = clock_monotonic_us() + client->options.timeout_us;
    if (!read_is_owners(read) && client->options.view_count > 0) {
        sent = ask_view(client, pending, fault);
    } else {
        fault_set(fault, HOLDFAST_UNAVAILABLE, "",
                  "only a view can answer this, and the cluster has none");
        sent = ask_owners(client, pending);
    }
    if (sent)
        client->pending++;
    else
        pending_free(client, pending);
    return sent;
}

bool holdfast_view_submit(struct holdfast *client, const struct holdfast_view_query *query,
                          holdfast_view_fn *fn, void *data, char *error, size_t error_bytes)
{
    const char *closed = handle_closed_door(client);
    struct fault fault;

    if (!closed && (!query || !fn))
        closed = "no query, or nobody to tell the answer";
    if (closed) {
        handle_explain(error, error_bytes, closed);
        return false;
    }
    if (submit(client, query, fn, data, &fault))
        return true;
    handle_explain(error, error_bytes, fault.message);
    return false;
}

/* ------------------------------------------------------------- waiting */

struct waiter {
    size_t done;
    struct holdfast_view_answer *answer;
};

static void take_answer(void *data, struct holdfast_view_answer *answer)
{
    struct waiter *waiter = data;

    waiter->answer = answer;
    waiter->done = 1;
}

struct holdfast_view_answer *holdfast_view_ask(struct holdfast *client,
                                               const struct holdfast_view_query *query)
{
    const char *closed = handle_cannot_wait(client);
    struct waiter waiter = {0};
    struct fault fault;

    if (!closed && !query)
        closed = "no query";
    if (closed)
        return &view_box_make(HOLDFAST_INVALID, "", closed)->answer;
    if (!submit(client, query, take_answer, &waiter, &fault))
        return &view_box_make(fault.status, fault.field, fault.message)->answer;
    handle_wait(client, &waiter.done, 1);
    return waiter.answer;
}

/* ------------------------------------------------------------- positions */

bool holdfast_view_at_least(struct holdfast *client, const struct holdfast_position *positions,
                            size_t count)
{
    bool ok = client != NULL && (count == 0 || positions != NULL);

    for (size_t i = 0; ok && i < count; i++)
        ok = positions_raise(&client->positions, positions[i].partition, positions[i].sequence);
    return ok;
}

size_t holdfast_view_positions(const struct holdfast *client, struct holdfast_position *positions,
                               size_t most)
{
    size_t count = 0;

    for (uint32_t i = 0; client && i < client->positions.size; i++) {
        uint64_t sequence = client->positions.sequences[i];
        if (sequence == 0)
            continue;
        if (count < most && positions)
            positions[count] = (struct holdfast_position){.partition = i, .sequence = sequence};
        count++;
    }
    return count;
}
