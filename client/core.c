/* SPDX-License-Identifier: MIT
 *
 * The way into the core and out of it: calls come in, messages are put together from as many of
 * them as are ready, and actions go out. See core.h.
 */
#include "client/core_private.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_AT_START 256u
#define OUT_BYTES_AT_START 4096u
/* Of a call's time, this much is left for settling. */
#define SETTLE_SHARE 4

uint64_t core_random(struct core *core)
{
    /* splitmix64, public domain, Sebastiano Vigna */
    uint64_t z = core->random += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int64_t core_jitter(struct core *core, int64_t most_us)
{
    return (int64_t)(core_random(core) % (uint64_t)(most_us + 1));
}

void queue_append(struct call_queue *queue, struct call *call)
{
    call->next = NULL;
    call->prev = queue->last;
    if (queue->last)
        queue->last->next = call;
    else
        queue->first = call;
    queue->last = call;
}

void queue_take(struct call_queue *queue, struct call *call)
{
    if (call->prev)
        call->prev->next = call->next;
    else
        queue->first = call->next;
    if (call->next)
        call->next->prev = call->prev;
    else
        queue->last = call->prev;
    call->prev = call->next = NULL;
}

struct core *core_new(const struct core_config *config)
{
    struct core *core = calloc(1, sizeof *core);

    if (!core)
        return NULL;
    core->config = *config;
    core->random = config->seed;
    pool_init(&core->scratch);
    core->buckets = calloc(BUCKETS_AT_START, sizeof(struct attempt *));
    core->bucket_count = BUCKETS_AT_START;
    core->out = malloc(OUT_BYTES_AT_START);
    core->out_size = OUT_BYTES_AT_START;
    if (!core->buckets || !core->out) {
        core_destroy(&core);
        return NULL;
    }
    core->broker = (uint32_t)(core_random(core) % config->broker_count);
    core->budget = BUDGET_FLOOR;
    return core;
}

void core_destroy(struct core **core)
{
    struct core *gone = *core;

    if (!gone)
        return;
    while (gone->all)
        call_free(gone, gone->all);
    while (gone->spare) {
        struct call *next = gone->spare->next;
        free(gone->spare);
        gone->spare = next;
    }
    pool_release(&gone->scratch);
    free(gone->buckets);
    free(gone->heap);
    free(gone->out);
    free(gone);
    *core = NULL;
}

static void set_now(struct core *core, struct core_time now)
{
    if (core->budget_at_us == 0)
        core->budget_at_us = now.mono_us;
    core->now = now;
}

bool core_submit(struct core *core, struct core_time now, enum core_call_kind kind,
                 struct encoded *encoded, int64_t timeout_us, void *tag)
{
    struct call *call = timer_reserve(core) ? call_new(core) : NULL;
    int64_t settle_us = 0;

    set_now(core, now);
    if (!call)
        return false;
    if (kind == CORE_OPERATION) {
        settle_us = timeout_us / SETTLE_SHARE;
        if (settle_us > core->config.attempt_timeout_us)
            settle_us = core->config.attempt_timeout_us;
    }
    call->kind = kind;
    call->tag = tag;
    call->body = encoded->body;
    call->body_bytes = encoded->body_bytes;
    encoded->body = NULL;
    memcpy(call->operation_id, encoded->operation_id, UUID_BYTES);
    call->op_class = encoded->op_class;
    call->route = encoded->route;
    call->attempt = encoded->attempt;
    call->inherited = kind == CORE_OPERATION && encoded->attempt > 1;
    call->uncertain = call->inherited;
    call->deadline_us = now.mono_us + timeout_us;
    call->effect_deadline_us = call->deadline_us - settle_us;
    call->state = CALL_READY;
    queue_append(&core->ready, call);
    call->all_next = core->all;
    if (core->all)
        core->all->all_prev = call;
    core->all = call;
    timer_add(core, call);
    core_session_need(core);
    if (core_is_forsaken(core))
        call_give_up(core, call);
    return true;
}

/* ------------------------------------------------------------- messages in */

static void receive_one(struct core *core, const struct header *header, const uint8_t *body,
                        size_t body_bytes)
{
    bool is_reply = header->type == MESSAGE_RESULT || header->type == MESSAGE_ANSWER;

    core->asked_at_us = 0;
    if (core->phase == SESSION_READY && header->session != core->session &&
        (is_reply || header->type == MESSAGE_CREDIT || header->type == MESSAGE_HEARTBEAT))
        return;
    if (!is_reply)
        core_session_heard(core, header, body, body_bytes);
    else if (core->phase == SESSION_READY)
        call_answered(core, header, body, body_bytes);
}

void core_receive(struct core *core, struct core_time now, const uint8_t *header_bytes,
                  size_t header_length, const uint8_t *body, size_t body_bytes)
{
    struct header header;
    struct batch_reader reader;
    const uint8_t *item;
    size_t item_bytes;

    set_now(core, now);
    if (core->phase != SESSION_HELLO && core->phase != SESSION_READY)
        return;
    if (header_read(&header, header_bytes, header_length) != HEADER_OK) {
        core_session_end(core, "the broker sent what is no message of this protocol", true);
        return;
    }
    if (header.type != MESSAGE_BATCH) {
        receive_one(core, &header, body, body_bytes);
        return;
    }
    batch_reader_init(&reader, body, body_bytes);
    for (;;) {
        switch (batch_next(&reader, &header, &item, &item_bytes)) {
        case BATCH_ITEM:
            receive_one(core, &header, item, item_bytes);
            break;
        case BATCH_END:
            return;
        case BATCH_BROKEN:
            core_session_end(core, "the broker sent a broken batch", true);
            return;
        }
    }
}

void core_disconnected(struct core *core, struct core_time now)
{
    set_now(core, now);
    if (core->phase == SESSION_HELLO || core->phase == SESSION_READY)
        core_session_end(core, "the connection to the broker broke", true);
}

/* ------------------------------------------------------------- messages out */

static bool out_reserve(struct core *core, size_t bytes)
{
    size_t size = core->out_size;

    if (core->out_bytes + bytes <= size)
        return true;
    while (size < core->out_bytes + bytes)
        size *= 2;
    uint8_t *grown = realloc(core->out, size);
    if (!grown)
        return false;
    core->out = grown;
    core->out_size = size;
    return true;
}

static int64_t not_after(const struct core *core, const struct call *call)
{
    int64_t until = call_deadline_us(call);
    int64_t most = core->now.mono_us + core->not_after_max_us;

    return (until < most ? until : most) + core->clock.offset_us;
}

/* Appends one call's message to core->out. False: it does not fit, or there is no memory. */
static bool put_call(struct core *core, struct call *call, uint32_t count)
{
    uint8_t settle[SETTLE_BYTES_MAX];
    const uint8_t *body = call->body;
    size_t body_bytes = call->body_bytes;

    if (call->settling) {
        body = settle;
        body_bytes = encode_settle(settle, call->settle_id, call->operation_id);
    }
    size_t item_bytes = BATCH_ITEM_BYTES + body_bytes;
    if (count > 0 && core->out_bytes + item_bytes > core->message_bytes)
        return false;
    if (!out_reserve(core, item_bytes))
        return false;
    struct header header = {
        .type = call_is_question(call) ? MESSAGE_QUERY : MESSAGE_OPERATION,
        .op_class = call->op_class,
        .attempt = call->settling ? call->settle_attempt : call->attempt,
        .partition = route_partition(&call->route, core->partitions),
        .session = core->session,
        .sequence = core->sequence + 1,
        .not_after_us = not_after(core, call),
    };
    if (!call_was_sent(core, call, header.sequence))
        return false;
    core->sequence++;
    batch_item_write(&header, (uint32_t)body_bytes, core->out + core->out_bytes);
    memcpy(core->out + core->out_bytes + BATCH_ITEM_BYTES, body, body_bytes);
    core->out_bytes += item_bytes;
    return true;
}

static bool may_send(const struct core *core)
{
    if (core->sequence >= core->credit)
        return false;
    return (core->window == 0 || core->in_flight < core->window) &&
           (core->config.window == 0 || core->in_flight < core->config.window);
}

/* One message of as many calls as may go; their number. */
static uint32_t put_calls(struct core *core)
{
    uint32_t count = 0;

    core->out_bytes = 0;
    while (core->ready.first && count < core->batch_messages && may_send(core)) {
        struct call *call = core->ready.first;
        if (call_is_nowhere(core, call)) {
            call_nowhere(core, call);
            continue;
        }
        if (!call->settling && call->body_bytes > core->message_bytes) {
            call_too_large(core, call);
            continue;
        }
        if (!put_call(core, call, count))
            break;
        count++;
    }
    if (count > 0)
        core->said_at_us = core->now.mono_us;
    return count;
}

static bool send_calls(struct core *core, struct core_action *action)
{
    static const struct header batch = {.type = MESSAGE_BATCH};
    uint32_t count = core->phase == SESSION_READY ? put_calls(core) : 0;

    if (count == 0)
        return false;
    *action = (struct core_action){.kind = CORE_SEND, .header = core->header};
    if (count == 1) { /* no batch: its header stands before its body */
        action->header = core->out;
        action->body = core->out + BATCH_ITEM_BYTES;
        action->body_bytes = core->out_bytes - BATCH_ITEM_BYTES;
        return true;
    }
    header_write(&batch, core->header);
    action->body = core->out;
    action->body_bytes = core->out_bytes;
    return true;
}

/* ------------------------------------------------------------- actions */

static void run_due(struct core *core)
{
    core_session_tick(core);
    while (core->heap_count > 0 && call_due_us(core->heap[0]) <= core->now.mono_us)
        call_wake(core, core->heap[0]);
}

static void give_done(struct core *core, struct core_action *action)
{
    struct call *call = core->done.first;

    queue_take(&core->done, call);
    *action = (struct core_action){.kind = CORE_DONE, .tag = call->tag};
    action->result = call->result;
    action->answer = call->answer;
    action->read = call->read;
    action->broker = call->broker;
    call->result = NULL;
    call->answer = NULL;
    call->read = NULL;
    call_free(core, call);
}

bool core_next(struct core *core, struct core_time now, struct core_action *action)
{
    set_now(core, now);
    run_due(core);
    if (core->done.first) {
        give_done(core, action);
        return true;
    }
    if (core->phase == SESSION_OPENING) {
        core->close_pending = false;
        core_session_opened(core);
        *action = (struct core_action){.kind = CORE_CONNECT, .broker = core->broker};
        return true;
    }
    if (core->close_pending) {
        core->close_pending = false;
        *action = (struct core_action){.kind = CORE_DISCONNECT};
        return true;
    }
    if (core_session_message(core)) {
        *action = (struct core_action){.kind = CORE_SEND,
                                       .header = core->header,
                                       .body = core->out,
                                       .body_bytes = core->out_bytes};
        return true;
    }
    return send_calls(core, action);
}

int64_t core_deadline_us(const struct core *core)
{
    int64_t due = core_session_deadline(core);

    if (core->done.first)
        return core->now.mono_us;
    if (core->heap_count > 0 && call_due_us(core->heap[0]) < due)
        due = call_due_us(core->heap[0]);
    return due;
}

uint32_t core_partitions(const struct core *core)
{
    return core->partitions;
}

void core_want_session(struct core *core, bool wanted)
{
    core->wanted = wanted;
    if (wanted)
        core_session_need(core);
}

bool core_is_ready(const struct core *core)
{
    return core->phase == SESSION_READY;
}

void core_abandon(struct core *core, struct core_time now)
{
    set_now(core, now);
    for (struct call *call = core->all; call; call = call->all_next) {
        if (call->state != CALL_DONE)
            call_abandon(core, call);
    }
    core->goodbye_due = core->phase == SESSION_READY;
}

int64_t core_clock_offset_us(const struct core *core)
{
    return core->clock.offset_us;
}

const char *core_trouble(const struct core *core)
{
    return core->trouble[0] ? core->trouble : "none answered yet";
}
