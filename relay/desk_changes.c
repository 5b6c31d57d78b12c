/* SPDX-License-Identifier: MIT
 *
 * Movements as their owner told them after the commit: what continues what was read is kept in the
 * partition's tail and given from there, so that who keeps up costs the database nothing. Decision
 * 0030 says why that is as good as reading. What does not fit is passed over: it is in the ledger.
 */
#include <stdlib.h>
#include <string.h>

#include "protocol/wire.h"
#include "relay/desk_impl.h"

/* A place that is so many movements behind is soon where they are; others are read for. */
#define BEHIND_MAX 1024u
/* Fields of holdfast.proto. */
enum { CHANGES_PARTITIONS = 1 };
enum { PART_PARTITION = 1, PART_CLAIM_ID = 2, PART_AFTER = 3, PART_MOVEMENTS = 4 };
enum { MOVEMENT_PARTITION = 1, MOVEMENT_CLAIM_ID = 24 };

/* PartitionChanges without its movements. */
struct heard {
    uint32_t partition;
    struct position after;
    const uint8_t *claim;
    size_t claim_bytes;
    size_t count; /* movements */
};

static bool read_head(struct wire_reader part, struct heard *heard)
{
    struct wire_field field;

    *heard = (struct heard){0};
    while (wire_next(&part, &field)) {
        if (field.number == PART_PARTITION && field.value < UINT32_MAX)
            heard->partition = (uint32_t)field.value;
        else if (field.number == PART_AFTER)
            heard->after.seq = field.value;
        else if (field.number == PART_MOVEMENTS)
            heard->count++;
        if (field.number == PART_CLAIM_ID) {
            heard->claim = field.bytes;
            heard->claim_bytes = field.length;
        }
    }
    if (heard->claim_bytes == CLAIM_BYTES)
        memcpy(heard->after.claim, heard->claim, CLAIM_BYTES);
    return !part.broken && heard->claim_bytes == CLAIM_BYTES &&
           heard->after.seq <= UINT64_MAX - heard->count;
}

/* Does somebody want them, who is there or nearly so? */
static bool is_wanted(const struct desk *desk, const struct heard *heard)
{
    for (const struct subscription *s = desk->subscriptions; s; s = s->next) {
        const struct place *place = &s->places[heard->partition];
        if (s->state == SUBSCRIPTION_SERVING && place_is_open(place) &&
            place->given.seq + BEHIND_MAX >= heard->after.seq)
            return true;
    }
    return false;
}

/* The same by another broker, of another history, or not behind what is here. */
static bool fits(const struct desk *desk, const struct heard *heard)
{
    const struct part *part = &desk->parts[heard->partition];

    if (!part->known || memcmp(part->now.claim, heard->after.claim, CLAIM_BYTES) != 0)
        return false;
    return part->tail.count == 0 ? heard->after.seq >= part->tail.base.seq
                                 : heard->after.seq >= tail_end(&part->tail)->seq;
}

/* What CHANGES leave out goes behind the movement: as protobuf has it, the last one counts. NULL:
 * not a movement, or not the next one. */
static struct event *make_event(struct desk *desk, const struct heard *heard, uint64_t seq,
                                const struct wire_field *packed)
{
    uint8_t more[WIRE_FIELD_BYTES * 2 + CLAIM_BYTES];
    size_t more_bytes = wire_uint(more, MOVEMENT_PARTITION, heard->partition);

    more_bytes += wire_bytes(more + more_bytes, MOVEMENT_CLAIM_ID, heard->claim, CLAIM_BYTES);
    arena_reset(&desk->arena);
    const Hf__Movement *movement =
        hf__movement__unpack(&desk->arena.allocator, packed->length, packed->bytes);
    if (!movement || movement->sequence != seq ||
        packed->length + sizeof more > desk->config.message_bytes + EVENT_BYTES_MORE / 2)
        return NULL;
    struct event *event = malloc(sizeof *event + packed->length + more_bytes);
    if (!event)
        abort();
    event->at = heard->after;
    event->at.seq = seq;
    event->bytes = packed->length + more_bytes;
    memcpy(event->packed, packed->bytes, packed->length);
    memcpy(event->packed + packed->length, more, more_bytes);
    return event;
}

/* What stands before one that is wrong is good. */
static void take_movements(struct desk *desk, struct wire_reader part, const struct heard *heard)
{
    struct event **events = desk_alloc(heard->count, sizeof *events);
    struct wire_field field;
    size_t count = 0;

    while (wire_next(&part, &field)) {
        if (field.number != PART_MOVEMENTS)
            continue;
        events[count] = make_event(desk, heard, heard->after.seq + 1 + count, &field);
        if (!events[count])
            break;
        count++;
    }
    part_keep(desk, &desk->parts[heard->partition], &heard->after, events, count);
    for (size_t i = 0; i < count; i++)
        free(events[i]); /* what was not taken */
    free(events);
    desk->counts.heard += count;
}

void desk_changes(struct desk *desk, const uint8_t *body, size_t bytes)
{
    struct wire_reader message;
    struct wire_field field;
    struct heard heard;

    wire_begin(&message, body, bytes);
    while (wire_next(&message, &field)) {
        struct wire_reader part;
        if (field.number != CHANGES_PARTITIONS || !field.bytes)
            continue;
        wire_begin(&part, field.bytes, field.length);
        if (!read_head(part, &heard) || heard.partition >= desk->config.partitions)
            continue;
        if (heard.count > 0 && fits(desk, &heard) && is_wanted(desk, &heard))
            take_movements(desk, part, &heard);
        desk_heard(desk, heard.partition, heard.after.seq + heard.count, heard.claim, CLAIM_BYTES);
    }
}
