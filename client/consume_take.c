/* SPDX-License-Identifier: MIT
 *
 * Events on their way to the caller, and acknowledgements on theirs back. Per partition: what came
 * in this session, what was handed to the caller and what it has acknowledged, which both outlive
 * sessions, and what is stored.
 */
#include "client/consume.h"

#include "client/decode.h"

#include <stdlib.h>
#include <string.h>

/* Acknowledgements are collected for so long. */
#define ACKS_US 10000

/* ------------------------------------------------------------- what comes */

static void drop_first(struct holdfast_subscription *s)
{
    struct consume_batch *batch = s->first;

    s->first = batch->next;
    if (!s->first)
        s->last = &s->first;
    pool_release(&batch->pool);
    free(batch);
}

void consume_forget(struct holdfast_subscription *s)
{
    while (s->first)
        drop_first(s);
    s->consumed = s->granted = 0;
    s->assigned_count = 0;
    for (uint32_t p = 0; p < s->partitions; p++) {
        struct consume_part *part = &s->parts[p];
        part->assigned = part->leaving = part->at_end = false;
        part->received = part->sent = 0;
        part->is_halted = part->halt_due = false;
    }
}

bool consume_events(struct holdfast_subscription *s, const uint8_t *body, size_t bytes)
{
    struct consume_batch *batch = calloc(1, sizeof *batch);

    if (!batch)
        return false;
    pool_init(&batch->pool);
    batch->assignment = s->assignments;
    batch->message = hf__events__unpack(&batch->pool.allocator, bytes, body);
    if (!batch->message) {
        pool_release(&batch->pool);
        free(batch);
        return false;
    }
    *s->last = batch;
    s->last = &batch->next;
    return true;
}

bool consume_assign(struct holdfast_subscription *s, const Hf__Assign *assign)
{
    bool *now = calloc(s->partitions, sizeof *now);

    if (!now)
        return false;
    s->assignments++;
    s->assigned_count = 0;
    for (size_t i = 0; i < assign->n_partitions; i++) {
        if (assign->partitions[i] < s->partitions)
            now[assign->partitions[i]] = true;
    }
    for (uint32_t p = 0; p < s->partitions; p++) {
        struct consume_part *part = &s->parts[p];
        if (now[p] && !part->assigned) {
            part->assigned_at = s->assignments;
            part->received = part->sent = 0;
            part->at_end = part->leaving = part->is_halted = part->halt_due = false;
        } else if (!now[p] && part->assigned) {
            part->leaving = true;
            s->acks_due = true;
            s->acks_due_us = 0;
        }
        part->assigned = now[p];
        s->assigned_count += now[p];
    }
    free(now);
    return true;
}

void consume_acked(struct holdfast_subscription *s, const Hf__Ack *acked)
{
    for (size_t i = 0; i < acked->n_positions; i++) {
        const Hf__Position *at = acked->positions[i];
        if (at->partition < s->partitions && at->sequence > s->parts[at->partition].stored)
            s->parts[at->partition].stored = at->sequence;
    }
}

void consume_halted(struct holdfast_subscription *s, const Hf__Halted *halted)
{
    for (size_t i = 0; i < halted->n_halts; i++) {
        const Hf__Halt *halt = halted->halts[i];
        if (halt->partition >= s->partitions || !s->parts[halt->partition].assigned)
            continue;
        struct consume_part *part = &s->parts[halt->partition];
        part->is_halted = part->halt_due = true;
        part->halt = (struct holdfast_event){
            .kind = halt->reason == HF__HALT_REASON__HALT_HISTORY_LOST
                        ? HOLDFAST_EVENT_HISTORY_LOST
                        : HOLDFAST_EVENT_POSITION_PRUNED,
            .partition = halt->partition,
            .given = halt->given,
            .resume = halt->resume,
            .trace = "",
            .field = "",
            .message = "",
        };
    }
}

/* ------------------------------------------------------------- to the caller */

void consume_grant(struct holdfast_subscription *s)
{
    uint64_t most = s->consumed + s->window;

    if (s->phase != CONSUME_READY || most - s->granted < (s->window + 1) / 2)
        return;
    s->granted = most;
    consume_send(s, MESSAGE_CREDIT, s->granted, NULL);
}

static void hand(struct holdfast_subscription *s, struct consume_part *part,
                 const Hf__Movement *from)
{
    struct holdfast_event *event = &s->event;

    part->handed = from->sequence;
    memset(part->handed_claim, 0, sizeof part->handed_claim);
    if (from->claim_id.len == sizeof part->handed_claim)
        memcpy(part->handed_claim, from->claim_id.data, sizeof part->handed_claim);
    *event = (struct holdfast_event){.kind = HOLDFAST_EVENT_MOVEMENT,
                                     .partition = from->partition,
                                     .sequence = from->sequence,
                                     .movement = &s->movement,
                                     .field = "",
                                     .message = ""};
    memcpy(event->claim_id, part->handed_claim, sizeof event->claim_id);
    for (size_t i = 0; i < from->n_signals; i++) {
        if (from->signals[i] >= 1 && from->signals[i] <= 31)
            event->signals |= 1u << (from->signals[i] - 1);
    }
}

/* What was handed before, or is another's by now, is passed over. */
static bool wanted(const struct holdfast_subscription *s, const struct consume_batch *batch,
                   const Hf__Movement *from)
{
    if (from->partition >= s->partitions)
        return false;
    const struct consume_part *part = &s->parts[from->partition];
    return part->assigned && part->assigned_at <= batch->assignment;
}

static void take_ends(struct holdfast_subscription *s, const struct consume_batch *batch)
{
    for (size_t i = 0; i < batch->message->n_at_end; i++) {
        uint32_t p = batch->message->at_end[i];
        if (p < s->partitions && s->parts[p].assigned &&
            s->parts[p].assigned_at <= batch->assignment)
            s->parts[p].at_end = true;
    }
}

static bool next_movement(struct holdfast_subscription *s)
{
    while (s->first) {
        struct consume_batch *batch = s->first;
        if (batch->at == batch->message->n_events) {
            take_ends(s, batch);
            drop_first(s);
            continue;
        }
        const Hf__Movement *from = batch->message->events[batch->at++];
        s->consumed++;
        if (!wanted(s, batch, from))
            continue;
        struct consume_part *part = &s->parts[from->partition];
        part->received = from->sequence;
        if (from->sequence <= part->handed) {
            if (from->sequence <= part->acked) {
                s->acks_due = true; /* its acknowledgement may not have been stored */
            }
            continue;
        }
        pool_reset(&s->event_pool);
        memset(&s->movement, 0, sizeof s->movement);
        const char *trace = "";
        if (!decode_movement(&s->event_pool, &s->movement, from) ||
            !decode_text(&s->event_pool, &trace, from->trace)) {
            batch->at--; /* no memory now; later perhaps */
            s->consumed--;
            return false;
        }
        hand(s, part, from);
        s->event.trace = trace;
        return true;
    }
    return false;
}

static bool next_halt(struct holdfast_subscription *s)
{
    for (uint32_t p = 0; p < s->partitions; p++) {
        struct consume_part *part = &s->parts[p];
        if (!part->halt_due)
            continue;
        part->halt_due = false;
        s->event = part->halt;
        return true;
    }
    return false;
}

/* A halt comes behind what was given before it. */
bool consume_next(struct holdfast_subscription *s)
{
    if (s->refused_due) {
        s->refused_due = false;
        s->event = (struct holdfast_event){.kind = HOLDFAST_EVENT_REFUSED,
                                           .status = s->status,
                                           .trace = "",
                                           .field = s->field,
                                           .message = s->message};
        return true;
    }
    bool found = next_movement(s) || next_halt(s);
    consume_grant(s);
    return found;
}

/* ------------------------------------------------------------- acknowledgements */

void consume_acknowledge(struct holdfast_subscription *s, uint32_t partition, uint64_t sequence,
                         int64_t now_us)
{
    if (partition >= s->partitions)
        return;
    struct consume_part *part = &s->parts[partition];
    if (sequence > part->handed)
        sequence = part->handed;
    if (sequence <= part->acked)
        return;
    part->acked = sequence;
    if (!s->acks_due) {
        s->acks_due = true;
        s->acks_due_us = now_us + ACKS_US;
    }
}

/* What was not received in this session the relay has not given yet: later. */
static uint64_t to_send(const struct consume_part *part)
{
    uint64_t upto = part->acked < part->received ? part->acked : part->received;

    return (part->assigned || part->leaving) && upto > part->sent ? upto : 0;
}

static void send_yields(struct holdfast_subscription *s)
{
    Hf__Assign yield = HF__ASSIGN__INIT;

    yield.partitions = calloc(s->partitions, sizeof(uint32_t));
    if (!yield.partitions)
        return;
    for (uint32_t p = 0; p < s->partitions; p++) {
        struct consume_part *part = &s->parts[p];
        if (!part->leaving || part->acked < part->handed)
            continue;
        part->leaving = false;
        part->received = part->sent = 0;
        yield.partitions[yield.n_partitions++] = p;
    }
    if (yield.n_partitions > 0)
        consume_send(s, MESSAGE_YIELD, 0, &yield.base);
    free(yield.partitions);
}

void consume_send_acks(struct holdfast_subscription *s)
{
    Hf__Ack ack = HF__ACK__INIT;
    Hf__Position *all = calloc(s->partitions, sizeof *all);

    ack.positions = calloc(s->partitions, sizeof(Hf__Position *));
    for (uint32_t p = 0; all && ack.positions && p < s->partitions; p++) {
        struct consume_part *part = &s->parts[p];
        uint64_t upto = to_send(part);
        if (upto == 0)
            continue;
        Hf__Position *at = &all[ack.n_positions];
        hf__position__init(at);
        at->partition = p;
        at->sequence = part->sent = upto;
        ack.positions[ack.n_positions++] = at;
    }
    if (ack.n_positions > 0)
        consume_send(s, MESSAGE_ACK, 0, &ack.base);
    s->acks_due = !all || !ack.positions;
    free(all);
    free(ack.positions);
    send_yields(s);
}

bool consume_all_stored(const struct holdfast_subscription *s)
{
    for (uint32_t p = 0; p < s->partitions; p++) {
        const struct consume_part *part = &s->parts[p];
        if ((part->assigned || part->leaving || s->phase != CONSUME_READY) &&
            part->acked > part->stored && !part->is_halted)
            return false;
    }
    return true;
}
