/* SPDX-License-Identifier: MIT
 *
 * Giving: what a consumer has now, what is halted, and events within its credit.
 */
#include <string.h>

#include "relay/desk_impl.h"

#define TAG_EVENT 0x0au  /* Events.events: field 1, bytes */
#define TAG_AT_END 0x12u /* Events.at_end: field 2, packed */
#define VARINT_BYTES 10u

uint64_t consumer_credit(const struct consumer *consumer)
{
    uint64_t left = consumer->credit > consumer->given ? consumer->credit - consumer->given : 0;

    return left < CREDIT_AHEAD_MAX ? left : CREDIT_AHEAD_MAX;
}

void push_assignments(struct desk *desk, struct subscription *s)
{
    for (struct consumer *c = s->consumers; c; c = c->next) {
        if (!c->assign_due || !c->answered || c->doomed)
            continue;
        Hf__Assign assign = HF__ASSIGN__INIT;
        c->assign_due = false;
        arena_reset(&desk->arena);
        assign.partitions = arena_alloc(&desk->arena, (c->places + 1) * sizeof(uint32_t));
        for (uint32_t p = 0; p < desk->config.partitions; p++) {
            if (s->places[p].hold == HOLD_GIVEN && s->places[p].consumer == c)
                assign.partitions[assign.n_partitions++] = p;
        }
        consumer_send(desk, c, MESSAGE_ASSIGN, 0, &assign.base);
    }
}

static void push_halts_of(struct desk *desk, struct subscription *s, struct consumer *c)
{
    Hf__Halted halted = HF__HALTED__INIT;

    arena_reset(&desk->arena);
    halted.halts = arena_alloc(&desk->arena, (c->places + 1) * sizeof(Hf__Halt *));
    for (uint32_t p = 0; p < desk->config.partitions; p++) {
        struct place *place = &s->places[p];
        if (place->hold != HOLD_GIVEN || place->consumer != c || !place->loaded ||
            place->halt == HF__HALT_REASON__HALT_NONE || place->halt_told)
            continue;
        Hf__Halt *halt = arena_alloc(&desk->arena, sizeof *halt);
        hf__halt__init(halt);
        halt->partition = p;
        halt->reason = place->halt;
        halt->given = place->halt_given;
        halt->resume = place->halt == HF__HALT_REASON__HALT_POSITION_PRUNED ? place->pruned
                                                                            : place->lost_place.seq;
        halted.halts[halted.n_halts++] = halt;
        place->halt_told = true;
    }
    if (halted.n_halts > 0)
        consumer_send(desk, c, MESSAGE_HALTED, 0, &halted.base);
}

void push_halts(struct desk *desk, struct subscription *s)
{
    for (struct consumer *c = s->consumers; c; c = c->next) {
        if (c->answered && !c->doomed)
            push_halts_of(desk, s, c);
    }
}

/* ------------------------------------------------------------- events */

static size_t put_varint(uint8_t *to, uint64_t value)
{
    size_t bytes = 0;

    for (; value >= 0x80; value >>= 7)
        to[bytes++] = (uint8_t)(value | 0x80);
    to[bytes++] = (uint8_t)value;
    return bytes;
}

static size_t put_event(uint8_t *to, const struct event *event)
{
    size_t bytes = 0;

    to[bytes++] = TAG_EVENT;
    bytes += put_varint(to + bytes, event->bytes);
    memcpy(to + bytes, event->packed, event->bytes);
    return bytes + event->bytes;
}

static bool is_open(const struct place *place)
{
    return place->hold == HOLD_GIVEN && place->loaded && place->checked && !place->losing &&
           !place->has_seen && place->halt == HF__HALT_REASON__HALT_NONE;
}

void push_place(struct desk *desk, struct subscription *s, uint32_t partition,
                struct event *const *events, size_t count)
{
    struct place *place = &s->places[partition];
    struct consumer *c = place->consumer;
    size_t at = 0, limit = EVENTS_BYTES; /* but for one that is larger alone */

    if (desk->config.message_bytes < limit)
        limit = desk->config.message_bytes;
    while (at < count && is_open(place) && !c->doomed) {
        size_t bytes = 0, first = at;
        uint64_t credit = consumer_credit(c);
        while (at < count && at - first < credit && place_can_give(place, &events[at]->at) &&
               (bytes == 0 || bytes + events[at]->bytes + VARINT_BYTES + 1 <= limit)) {
            bytes += put_event(desk->body + bytes, events[at]);
            place_give(place, &events[at]->at);
            at++;
        }
        if (at == first)
            return;
        c->given += at - first;
        desk->counts.events += at - first;
        if (!desk->sink.send(desk->sink.context, c->peer, MESSAGE_EVENTS, c->given, desk->body,
                             bytes))
            consumer_doom(c, ERROR_slow, NULL);
    }
}

/* Nothing more is there: told once. */
static bool is_at_end(const struct desk *desk, const struct place *place, uint32_t partition)
{
    const struct part *part = &desk->parts[partition];

    return is_open(place) && !place->end_told && part->known && place->given.seq >= part->now.seq;
}

static void push_ends(struct desk *desk, struct subscription *s, struct consumer *c)
{
    size_t bytes = 0, limit = desk->config.message_bytes - 2 * VARINT_BYTES;
    uint8_t *list = desk->body + 2 * VARINT_BYTES;

    for (uint32_t p = 0; p < desk->config.partitions && bytes + VARINT_BYTES < limit; p++) {
        if (s->places[p].consumer != c || !is_at_end(desk, &s->places[p], p))
            continue;
        s->places[p].end_told = true;
        bytes += put_varint(list + bytes, p);
    }
    if (bytes == 0)
        return;
    uint8_t head[VARINT_BYTES + 1] = {TAG_AT_END};
    size_t head_bytes = 1 + put_varint(head + 1, bytes);
    uint8_t *body = list - head_bytes;
    memcpy(body, head, head_bytes);
    if (!desk->sink.send(desk->sink.context, c->peer, MESSAGE_EVENTS, c->given, body,
                         head_bytes + bytes))
        consumer_doom(c, ERROR_slow, NULL);
}

void push_events(struct desk *desk, struct subscription *s)
{
    for (uint32_t p = 0; p < desk->config.partitions; p++) {
        struct event *const *events;
        struct place *place = &s->places[p];
        if (!is_open(place) || place->given.seq >= desk->parts[p].now.seq)
            continue;
        size_t count = tail_after(&desk->parts[p].tail, &place->given, &events);
        if (count > 0)
            push_place(desk, s, p, events, count);
    }
    for (struct consumer *c = s->consumers; c; c = c->next) {
        if (c->answered && !c->doomed)
            push_ends(desk, s, c);
    }
}
