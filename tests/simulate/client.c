/* SPDX-License-Identifier: MIT
 *
 * A client: the real core of the library, driven as client/holdfast.c does, and a caller who works
 * through what it wants and keeps notes. Notes outlive the process, as those of a service that
 * writes its operation ids down do.
 */
#include <stdlib.h>
#include <string.h>

#include "client/core.h"
#include "client/decode.h"
#include "client/fanout.h"
#include "common/clock.h"
#include "common/random.h"
#include "tests/simulate/judge.h"
#include "tests/simulate/net.h"
#include "tests/simulate/reading.h"
#include "tests/simulate/world.h"

#define RECEIVE_MAX 256
/* Calls of one client that wait for their result. */
#define FLYING_MAX 64u
/* A reading waits so long for the number of partitions before it looks again. */
#define NOT_TOLD_US 20000

struct caller {
    struct client *client;
    struct core *core;
    struct net_dealer *dealer;
    struct pool scratch;
    size_t flying;
    struct reading reading;
};

static struct core_time time_now(void)
{
    return (struct core_time){.mono_us = clock_monotonic_us(), .wall_us = clock_wall_us()};
}

static void open_core(struct caller *caller)
{
    struct core_config config = {.broker_count = world.broker_count,
                                 .cluster = world.config.name,
                                 .name = caller->client->process->name,
                                 .seed = sim_random(),
                                 .attempt_timeout_us = world.attempt_timeout_us,
                                 .window = caller->client->window,
                                 .retry_budget = 20};

    sim_random_bytes(config.instance, sizeof config.instance);
    pool_init(&caller->scratch);
    caller->core = core_new(&config);
}

/* ------------------------------------------------------------- calls */

/* The core leaves itself a share of the time for settling. */
static int64_t effect_us(int64_t timeout_us)
{
    int64_t settle_us = timeout_us / 4;

    return timeout_us -
           (settle_us < world.attempt_timeout_us ? settle_us : world.attempt_timeout_us);
}

/* Settles are calls of a kind of their own: the library asks every partition that it may have gone
 * to, and a caller here knows which. */
static void submit(struct caller *caller, struct note *note)
{
    struct encode_defaults defaults = {.actor = caller->client->process->name,
                                       .op_class = note->job ? HOLDFAST_CLASS_BULK
                                                             : HOLDFAST_CLASS_SERVICE};
    struct encoded encoded;
    struct fault fault;
    uint8_t fresh[UUID_BYTES] = {0};

    note->operation.attempt = note->attempts == 0 ? 1 : (uint16_t)(note->attempts + 1);
    if (note->attempts == 0)
        note->attempts = 1;
    sim_require(
        encode_operation(&encoded, &note->operation, &defaults, fresh, &caller->scratch, &fault),
        "an operation could not be encoded: %s %s", fault.field, fault.message);
    note->call = ++world.calls;
    note->calls++;
    note->state = NOTE_SENT;
    caller->flying++;
    note->effect_until_us = sim_now_us() + effect_us(note->timeout_us);
    judge_invoke(note);
    if (note->job)
        bulk_handed_over(note);
    sim_trace("call %llu %s %s%s%s: attempt %u", (unsigned long long)note->call, note->id,
              judge_kind_name(note->operation.kind), note->asked_for ? " of " : "", note->settles,
              note->operation.attempt);
    enum core_call_kind kind =
        note->operation.kind == HOLDFAST_SETTLE ? CORE_SETTLE : CORE_OPERATION;
    if (!core_submit(caller->core, time_now(), kind, &encoded, note->timeout_us, note))
        abort();
}

static void done(struct caller *caller, struct note *note, struct holdfast_result *result)
{
    struct sim_process *back = sim_enter(NULL);

    caller->flying--;
    if (result->attempts + note->attempts > note->attempts)
        note->attempts = (uint16_t)(note->attempts + result->attempts);
    sim_trace("call %llu %s %s: %s%s attempts=%u at %u:%llu %s", (unsigned long long)note->call,
              note->id, judge_kind_name(note->operation.kind), holdfast_status_name(result->status),
              result->replayed ? " (replayed)" : "", result->attempts, result->partition,
              (unsigned long long)result->sequence, result->message);
    for (size_t i = 0; sim_tracing && i < result->shortage_count; i++)
        sim_trace_line("  short of %s/%s: %u wanted, %u there", result->shortages[i].sku,
                       result->shortages[i].warehouse, result->shortages[i].requested,
                       result->shortages[i].available);
    judge_result(note, result);
    workload_result(caller->client, note, result);
    sim_leave(back);
    holdfast_result_free(&result);
}

/* ------------------------------------------------------------- readings */

/* All parts at once, as there are few partitions here. */
static void read_stock(struct caller *caller)
{
    struct client *client = caller->client;
    struct reading *reading = &caller->reading;
    struct reading_part *part;
    struct encoded encoded;

    if (reading->fanout || (client->readings == 0 && !client->must_read) ||
        client->next_reading_us > sim_now_us())
        return;
    uint32_t partitions = core_partitions(caller->core);
    core_want_session(caller->core, partitions == 0);
    if (partitions == 0) { /* nobody has told */
        client->next_reading_us = sim_now_us() + NOT_TOLD_US;
        return;
    }
    if (!client->must_read)
        client->readings--;
    client->next_reading_us = sim_now_us() + sim_skewed(0, 4 * READINGS_SHARE * client->think_us);
    client->reads = true;
    reading_begin(reading, client->must_read, partitions);
    while ((part = reading_next(reading, &encoded)) != NULL) {
        if (!core_submit(caller->core, time_now(), CORE_QUERY, &encoded, world.timeout_us, part))
            abort();
    }
}

static void answered(struct caller *caller, const struct reading_part *part,
                     struct holdfast_answer *answer)
{
    struct client *client = caller->client;
    struct reading *reading = &caller->reading;

    reading_answer(reading, part, answer);
    if (fanout_flying(reading->fanout) > 0)
        return;
    bool everything = reading->everything;
    client->reads = false;
    if (reading_end(reading) && everything)
        client->must_read = false;
    else if (everything)
        client->next_reading_us = sim_now_us() + sim_between(1000, 500000);
}

/* ------------------------------------------------------------- what there is to do */

/* After a start: what an earlier life has sent has unknown attempts. */
static void pick_up_notes(struct caller *caller)
{
    struct sim_process *back = sim_enter(NULL);
    bulk_killed(caller->client);
    sim_leave(back);
    caller->client->reads = false;
    for (struct note *note = caller->client->notes; note; note = note->next) {
        if (note->state != NOTE_SENT)
            continue;
        note->attempts = (uint16_t)(note->attempts + 1);
        note->state = NOTE_LATER;
        note->again_us = sim_now_us() + sim_between(0, 500000);
    }
}

static void drop_certain(struct client *client)
{
    struct note **at = &client->open_notes;

    while (*at) {
        if ((*at)->state == NOTE_CERTAIN)
            *at = (*at)->next_open;
        else
            at = &(*at)->next_open;
    }
}

static void work(struct caller *caller)
{
    struct client *client = caller->client;

    drop_certain(client);
    for (struct note *note = client->open_notes; note && caller->flying < FLYING_MAX;
         note = note->next_open) {
        if (note->state == NOTE_LATER && note->again_us <= sim_now_us())
            submit(caller, note);
    }
    while (client->planned > 0 && client->next_us <= sim_now_us() && caller->flying < FLYING_MAX &&
           world.phase != PHASE_OVER) {
        struct sim_process *back = sim_enter(NULL);
        struct note *note = workload_next(client);
        sim_leave(back);
        if (!note)
            return;
        submit(caller, note);
    }
}

/* True time until the caller has something to do. */
static int64_t caller_wait_us(const struct caller *caller)
{
    const struct client *client = caller->client;
    int64_t next_us = client->planned > 0 ? client->next_us : INT64_MAX;

    for (const struct note *note = client->open_notes; note; note = note->next_open) {
        if (note->state == NOTE_LATER && note->again_us < next_us)
            next_us = note->again_us;
    }
    if ((client->readings > 0 || client->must_read) && !client->reads &&
        client->next_reading_us < next_us)
        next_us = client->next_reading_us;
    if (next_us == INT64_MAX || caller->flying >= FLYING_MAX)
        return 1000000;
    return next_us > sim_now_us() ? next_us - sim_now_us() : 0;
}

/* ------------------------------------------------------------- the loop */

static void receive(struct caller *caller)
{
    struct net_message *message;

    for (int i = 0; i < RECEIVE_MAX && caller->dealer; i++) {
        if (!(message = net_dealer_receive(caller->dealer)))
            return;
        core_receive(caller->core, time_now(), message->header, HEADER_BYTES, message->body,
                     message->body_bytes);
        net_release(&message);
    }
}

static void act(struct caller *caller)
{
    struct core_action action;

    while (core_next(caller->core, time_now(), &action)) {
        switch (action.kind) {
        case CORE_CONNECT:
            if (caller->dealer)
                net_dealer_close(&caller->dealer, false);
            caller->dealer = net_dealer_open(action.broker, SIDE_CLIENT, false);
            break;
        case CORE_DISCONNECT:
            if (caller->dealer)
                net_dealer_close(&caller->dealer, false);
            break;
        case CORE_SEND:
            sim_point("client.send");
            if (caller->dealer)
                (void)net_dealer_send(caller->dealer, action.header, action.body,
                                      action.body_bytes);
            break;
        case CORE_DONE:
            sim_point("client.done");
            if (action.answer)
                answered(caller, action.tag, action.answer);
            else
                done(caller, action.tag, action.result);
            break;
        }
    }
}

void client_body(void *argument)
{
    struct caller caller = {.client = argument};

    open_core(&caller);
    pick_up_notes(&caller);
    for (;;) {
        receive(&caller);
        act(&caller);
        work(&caller);
        read_stock(&caller);
        act(&caller);
        int64_t due_us = core_deadline_us(caller.core), wait_us = caller_wait_us(&caller);
        int64_t now_us = clock_monotonic_us();
        if (due_us != INT64_MAX && due_us - now_us < wait_us)
            wait_us = due_us > now_us ? due_us - now_us : 0;
        (void)sim_block(SIM_NET, wait_us);
    }
}
