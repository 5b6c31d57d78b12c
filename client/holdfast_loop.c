/* SPDX-License-Identifier: MIT
 *
 * The handle's loop: what arrives goes to the cores, what they decide goes to the links, fan-outs
 * go on, and the caller is called. See handle.h.
 */
#include "client/handle.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"

#define DEADLINE_MAX_MS 1000
/* Parts of one fan-out that are in flight together. */
#define FANOUT_IN_FLIGHT 64u
/* What one holdfast_process reads before it gives the caller's loop a turn. */
#define ROUNDS_MAX 64
#define MESSAGES_PER_ROUND 256

/* ------------------------------------------------------------- fan-outs */

void handle_finish(struct holdfast *client, struct pending *pending)
{
    holdfast_result_fn *result_fn = pending->result_fn;
    holdfast_answer_fn *answer_fn = pending->answer_fn;
    void *data = pending->data;

    if (pending->read) {
        int64_t cluster_us = clock_monotonic_us() + core_clock_offset_us(client->core);
        struct holdfast_answer *answer = fanout_merged_answer(pending->fanout, cluster_us);
        fanout_destroy(&pending->fanout);
        handle_owner_done(client, pending, answer);
        return;
    }
    client->pending--;
    if (fanout_is_query(pending->fanout)) {
        int64_t cluster_us = clock_monotonic_us() + core_clock_offset_us(client->core);
        struct holdfast_answer *answer = fanout_merged_answer(pending->fanout, cluster_us);
        pending_free(client, pending);
        answer_fn(data, answer);
    } else {
        struct holdfast_result *result = fanout_merged_result(pending->fanout);
        handle_note_write(client, result);
        pending_free(client, pending);
        result_fn(data, result);
    }
}

/* Sends what may go; when nothing is left and nothing is in flight, it is finished. */
static void push_fanout(struct holdfast *client, struct pending *pending)
{
    struct fanout *fanout = pending->fanout;
    enum core_call_kind kind = fanout_is_query(fanout) ? CORE_QUERY : CORE_SETTLE;

    while (fanout_left(fanout) > 0 && fanout_flying(fanout) < FANOUT_IN_FLIGHT) {
        struct core_time time = handle_now();
        struct encoded part;
        int64_t left_us = pending->deadline_us - time.mono_us;
        if (client->closing) { /* nobody would hear of it */
            fanout_not_sent(fanout, HOLDFAST_UNAVAILABLE, "the client was closed");
            continue;
        }
        if (left_us <= 0) {
            fanout_not_sent(fanout, HOLDFAST_DEADLINE_EXCEEDED, "no answer in time");
            continue;
        }
        if (!fanout_next(fanout, &part)) {
            fanout_not_sent(fanout, HOLDFAST_UNAVAILABLE, "out of memory");
            continue;
        }
        if (!core_submit(client->core, time, kind, &part, left_us, pending)) {
            free(part.body);
            fanout_failed(fanout, HOLDFAST_UNAVAILABLE, "out of memory");
        }
    }
    if (fanout_left(fanout) == 0 && fanout_flying(fanout) == 0)
        handle_finish(client, pending);
}

/* Fan-outs wait for WELCOME to tell the number of partitions. True when one went on. */
static bool start_waiting(struct holdfast *client)
{
    uint32_t partitions = core_partitions(client->core);
    int64_t time_us = clock_monotonic_us();
    bool any = false;

    while (client->waiting && (partitions > 0 || client->waiting->deadline_us <= time_us)) {
        struct pending *pending = client->waiting;
        client->waiting = pending->next;
        if (!client->waiting)
            client->waiting_end = &client->waiting;
        any = true;
        if (partitions > 0 && fanout_plan(pending->fanout, partitions)) {
            push_fanout(client, pending);
            continue;
        }
        char why[200];
        snprintf(why, sizeof why, "no broker to ask: %s",
                 partitions > 0 ? "out of memory" : core_trouble(client->core));
        fanout_failed(pending->fanout, HOLDFAST_UNAVAILABLE, why);
        handle_finish(client, pending);
    }
    core_want_session(client->core, client->waiting != NULL);
    return any;
}

/* ------------------------------------------------------------- the loop */

static void on_done(struct holdfast *client, const struct core_action *action)
{
    struct pending *pending = action->tag;

    if (action->read) {
        handle_view_done(client, pending, action->read, action->broker);
        return;
    }
    if (!pending->fanout) {
        holdfast_result_fn *fn = pending->result_fn;
        void *data = pending->data;
        client->pending--;
        pending_free(client, pending);
        handle_note_write(client, action->result);
        fn(data, action->result);
        return;
    }
    if (fanout_is_query(pending->fanout))
        fanout_answer(pending->fanout, action->answer);
    else
        fanout_result(pending->fanout, action->result);
    push_fanout(client, pending);
}

static bool run_core(struct holdfast *client, struct core *core, struct link *link,
                     char *const *endpoints)
{
    struct core_action action;
    bool any = false;

    while (core_next(core, handle_now(), &action)) {
        switch (action.kind) {
        case CORE_CONNECT:
            /* When it fails nothing will be heard, and the core tries the next one. */
            link_connect(link, endpoints[action.broker]);
            break;
        case CORE_DISCONNECT:
            link_disconnect(link);
            break;
        case CORE_SEND:
            link_send(link, action.header, action.body, action.body_bytes);
            break;
        case CORE_DONE:
            on_done(client, &action);
            break;
        }
        any = true;
    }
    return any;
}

/* What views do not know goes on to brokers, so they come first. */
bool handle_run(struct holdfast *client)
{
    bool any = client->view_core &&
               run_core(client, client->view_core, &client->view_link, client->options.views);

    return run_core(client, client->core, &client->link, client->options.brokers) || any;
}

static bool receive(struct core *core, struct link *link)
{
    struct link_message message;
    int count = 0;

    while (count < MESSAGES_PER_ROUND && link_receive(link, &message)) {
        core_receive(core, handle_now(), zmq_msg_data(&message.header),
                     message.misframed ? 0 : zmq_msg_size(&message.header),
                     zmq_msg_data(&message.body), zmq_msg_size(&message.body));
        link_message_release(&message);
        count++;
    }
    return count > 0;
}

/* What arrived, and that the connection broke: what came before that counts. */
static bool listen_to(struct core *core, struct link *link)
{
    bool any = receive(core, link);

    if (!link_broken(link))
        return any;
    while (receive(core, link))
        continue;
    core_disconnected(core, handle_now());
    return true;
}

/* What arrived is read before anybody is called silent; and after the last message was sent the
 * socket is asked once more, because sending may swallow what ZMQ_FD had to say. */
void holdfast_process(struct holdfast *client)
{
    int rounds = 0;

    if (!client || client->busy || handle_is_foreign(client))
        return;
    client->busy = true;
    bool again = true;
    while (again && rounds++ < ROUNDS_MAX) {
        again = listen_to(client->core, &client->link);
        if (client->view_core)
            again |= listen_to(client->view_core, &client->view_link);
        again |= start_waiting(client);
        again |= handle_run(client);
    }
    client->more = again;
    client->busy = false;
}

int holdfast_fd(struct holdfast *client)
{
    return client ? client->link.poll_fd : -1;
}

int holdfast_deadline_ms(struct holdfast *client)
{
    if (!client)
        return DEADLINE_MAX_MS;
    int64_t due = core_deadline_us(client->core);
    if (client->view_core && core_deadline_us(client->view_core) < due)
        due = core_deadline_us(client->view_core);
    if (client->waiting && client->waiting->deadline_us < due)
        due = client->waiting->deadline_us;
    int64_t left_us = due - clock_monotonic_us();
    if (client->more || left_us <= 0)
        return 0;
    return left_us / 1000 >= DEADLINE_MAX_MS ? DEADLINE_MAX_MS : (int)(left_us / 1000) + 1;
}

size_t holdfast_pending(const struct holdfast *client)
{
    return client ? client->pending : 0;
}
