/* SPDX-License-Identifier: MIT
 *
 * Giving: what a consumer has now, what is halted, and events within its credit.
 */
#include <string.h>

#include "protocol/wire.h"
#include "relay/desk_impl.h"

#define FIELD_EVENTS 1u
#define FIELD_AT_END 2u /* packed */
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

bool place_is_open(const struct place *place)
{
    return place->hold == HOLD_GIVEN && place->loaded && place->checked && !place->losing &&
           !place->has_seen && place->halt == HF__HALT_REASON__HALT_NONE;
}

void push_flush(struct desk *desk)
{
    struct consumer *c = desk->body_of;

    if (c && !c->doomed &&
        !desk->sink.send(desk->sink.context, c->peer, MESSAGE_EVENTS, c->given, desk->body,
                         desk->body_bytes))
        consumer_doom(c, ERROR_slow, NULL);
    desk->body_of = NULL;
    desk->body_bytes = 0;
}

void push_place(struct desk *desk, struct subscription *s, uint32_t partition,
                struct event *const *events, size_t count)
{
    struct place *place = &s->places[partition];
    struct consumer *c = place->consumer;
    size_t limit = EVENTS_BYTES; /* but for one that is larger alone */

    if (desk->config.message_bytes < limit)
        limit = desk->config.message_bytes;
    for (size_t at = 0; at < count && place_is_open(place) && !c->doomed; at++) {
        const struct event *event = events[at];
        if (desk->body_of != c || desk->body_bytes + event->bytes + VARINT_BYTES + 1 > limit)
            push_flush(desk);
        if (consumer_credit(c) == 0 || c->doomed || !place_can_give(place, &event->at))
            return;
        desk->body_of = c;
        desk->body_bytes +=
            wire_bytes(desk->body + desk->body_bytes, FIELD_EVENTS, event->packed, event->bytes);
        place_give(place, &event->at);
        c->given++;
        desk->counts.events++;
    }
}

/* Nothing more is there: told once. */
static bool is_at_end(const struct desk *desk, const struct place *place, uint32_t partition)
{
    const struct part *part = &desk->parts[partition];

    return place_is_open(place) && !place->end_told && part->known &&
           place->given.seq >= part->now.seq;
}

static void push_ends(struct desk *desk, struct subscription *s, struct consumer *c)
{
    size_t bytes = 0, limit = desk->config.message_bytes - 2 * VARINT_BYTES;
    uint8_t *list = desk->body + 2 * VARINT_BYTES;

    for (uint32_t p = 0; p < desk->config.partitions && bytes + VARINT_BYTES < limit; p++) {
        if (s->places[p].consumer != c || !is_at_end(desk, &s->places[p], p))
            continue;
        s->places[p].end_told = true;
        bytes += wire_varint(list + bytes, p);
    }
    if (bytes == 0)
        return;
    /* To the front: the bytes of the list are behind those of its head. */
    size_t body_bytes = wire_bytes_head(desk->body, FIELD_AT_END, bytes);
    memmove(desk->body + body_bytes, list, bytes);
    body_bytes += bytes;
    if (!desk->sink.send(desk->sink.context, c->peer, MESSAGE_EVENTS, c->given, desk->body,
                         body_bytes))
        consumer_doom(c, ERROR_slow, NULL);
}

void push_events(struct desk *desk, struct subscription *s)
{
    for (uint32_t p = 0; p < desk->config.partitions; p++) {
        struct event *const *events;
        struct place *place = &s->places[p];
        if (!place_is_open(place) || place->given.seq >= desk->parts[p].now.seq)
            continue;
        size_t count = tail_after(&desk->parts[p].tail, &place->given, &events);
        if (count > 0)
            push_place(desk, s, p, events, count);
    }
    push_flush(desk);
    for (struct consumer *c = s->consumers; c; c = c->next) {
        if (c->answered && !c->doomed)
            push_ends(desk, s, c);
    }
}
