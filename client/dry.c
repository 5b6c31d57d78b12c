/* SPDX-License-Identifier: MIT
 *
 * See dry.h. Operations are packed one by one by encode.c, each in its own memory, so they are put
 * into the query as the bytes that they are.
 */
#include "client/dry.h"

#include "protocol/holdfast.pb-c.h"
#include "protocol/text.h"

#include <stdlib.h>
#include <string.h>

#define OPERATIONS_MAX 256u
/* Tags of fields: number and wire type 2, a length and so many bytes. */
#define TAG(number) ((number) << 3 | 2u)
#define TAG_OPERATIONS TAG(1u)
#define TAG_STATE TAG(2u)
#define TAG_DRY_RUN TAG((unsigned)HF__QUERY__KIND_DRY_RUN)

struct bytes {
    uint8_t *data;
    size_t used, room;
    bool failed;
};

static void add(struct bytes *to, const void *data, size_t length)
{
    if (to->room - to->used < length) {
        size_t room = 2 * to->room + length + 256;
        uint8_t *wider = to->failed ? NULL : realloc(to->data, room);
        if (!wider) {
            to->failed = true;
            return;
        }
        to->data = wider;
        to->room = room;
    }
    if (length > 0)
        memcpy(to->data + to->used, data, length);
    to->used += length;
}

static void add_number(struct bytes *to, size_t number)
{
    uint8_t varint[10];
    size_t length = 0;

    for (; number >= 0x80; number >>= 7)
        varint[length++] = (uint8_t)(number | 0x80);
    varint[length++] = (uint8_t)number;
    add(to, varint, length);
}

static void add_field(struct bytes *to, unsigned tag, const void *data, size_t length)
{
    add_number(to, tag);
    add_number(to, length);
    add(to, data, length);
}

static bool no_memory(struct fault *fault)
{
    return fault_set(fault, HOLDFAST_UNAVAILABLE, "", "out of memory; nothing was sent");
}

static bool add_operations(struct bytes *to, const struct holdfast_query *query,
                           struct fault *fault)
{
    const struct encode_defaults defaults = {0};
    const uint8_t no_id[UUID_BYTES] = {0};
    struct pool scratch;
    bool good = true;

    pool_init(&scratch);
    for (size_t i = 0; good && i < query->operation_count; i++) {
        struct encoded encoded;
        good = encode_operation(&encoded, &query->operations[i], &defaults, no_id, &scratch, fault);
        if (!good)
            break;
        add_field(to, TAG_OPERATIONS, encoded.body, encoded.body_bytes);
        free(encoded.body);
    }
    pool_release(&scratch);
    return good;
}

/* ------------------------------------------------------------- state */

static void *room_for(struct pool *pool, size_t count, size_t bytes, bool *good)
{
    void *room = pool_alloc(pool, (count + 1) * bytes);

    *good = *good && room;
    return room;
}

static bool put_levels(struct pool *pool, const struct holdfast_state *from, Hf__DryState *to)
{
    bool good = true;
    Hf__Level *levels = room_for(pool, from->level_count, sizeof *levels, &good);

    to->levels = room_for(pool, from->level_count, sizeof(Hf__Level *), &good);
    for (size_t i = 0; good && i < from->level_count; i++) {
        const struct holdfast_level *level = &from->levels[i];
        hf__level__init(&levels[i]);
        levels[i].sku = bytes_of(level->sku);
        levels[i].warehouse = bytes_of(level->warehouse);
        levels[i].on_hand = level->on_hand;
        levels[i].reserved = level->reserved;
        levels[i].committed = level->committed;
        levels[i].unavailable = level->unavailable;
        levels[i].safety_stock = level->safety_stock;
        levels[i].reorder_point = level->reorder_point;
        levels[i].version = level->version;
        levels[i].on_hand_version = level->on_hand_version;
        to->levels[to->n_levels++] = &levels[i];
    }
    return good;
}

static bool put_lines(struct pool *pool, const struct holdfast_reservation *from,
                      Hf__Reservation *to)
{
    bool good = true;
    Hf__ReservationLine *lines = room_for(pool, from->line_count, sizeof *lines, &good);

    to->lines = room_for(pool, from->line_count, sizeof(Hf__ReservationLine *), &good);
    for (size_t i = 0; good && i < from->line_count; i++) {
        const struct holdfast_reservation_line *line = &from->lines[i];
        hf__reservation_line__init(&lines[i]);
        lines[i].reserved = line->reserved;
        lines[i].committed = line->committed;
        lines[i].shipped = line->shipped;
        lines[i].cancelled = line->cancelled;
        lines[i].released = line->released;
        lines[i].returned = line->returned;
        to->lines[to->n_lines++] = &lines[i];
    }
    return good;
}

static bool put_reservations(struct pool *pool, const struct holdfast_state *from, Hf__DryState *to)
{
    bool good = true;
    Hf__Reservation *all = room_for(pool, from->reservation_count, sizeof *all, &good);

    to->reservations = room_for(pool, from->reservation_count, sizeof(Hf__Reservation *), &good);
    for (size_t i = 0; good && i < from->reservation_count; i++) {
        const struct holdfast_reservation *one = &from->reservations[i];
        hf__reservation__init(&all[i]);
        all[i].reservation = bytes_of(one->reservation);
        all[i].state = (Hf__ReservationState)one->state;
        all[i].revision = one->revision;
        all[i].expires_at_us = one->expires_at_us;
        good = put_lines(pool, one, &all[i]);
        to->reservations[to->n_reservations++] = &all[i];
    }
    return good;
}

static bool put_items(struct pool *pool, const struct holdfast_state *from, Hf__DryState *to)
{
    bool good = true;
    Hf__Item *items = room_for(pool, from->item_count, sizeof *items, &good);

    to->items = room_for(pool, from->item_count, sizeof(Hf__Item *), &good);
    for (size_t i = 0; good && i < from->item_count; i++) {
        const struct holdfast_item *item = &from->items[i];
        hf__item__init(&items[i]);
        items[i].sku = bytes_of(item->sku);
        items[i].reorder_point = item->reorder_point;
        items[i].version = item->version;
        items[i].barcodes = room_for(pool, item->barcode_count, sizeof(ProtobufCBinaryData), &good);
        for (size_t b = 0; good && b < item->barcode_count; b++)
            items[i].barcodes[items[i].n_barcodes++] = bytes_of(item->barcodes[b]);
        to->items[to->n_items++] = &items[i];
    }
    return good;
}

static bool put_named(struct pool *pool, const struct holdfast_named *from, size_t count,
                      Hf__Named ***to, size_t *to_count)
{
    bool good = true;
    Hf__Named *named = room_for(pool, count, sizeof *named, &good);

    *to = room_for(pool, count, sizeof(Hf__Named *), &good);
    for (size_t i = 0; good && i < count; i++) {
        hf__named__init(&named[i]);
        named[i].code = bytes_of(from[i].code);
        named[i].version = from[i].version;
        (*to)[(*to_count)++] = &named[i];
    }
    return good;
}

static bool add_state(struct bytes *to, const struct holdfast_state *from, struct fault *fault)
{
    Hf__DryState state = HF__DRY_STATE__INIT;
    struct pool pool;
    uint8_t *packed = NULL;

    pool_init(&pool);
    bool good =
        put_levels(&pool, from, &state) && put_reservations(&pool, from, &state) &&
        put_items(&pool, from, &state) &&
        put_named(&pool, from->warehouses, from->warehouse_count, &state.warehouses,
                  &state.n_warehouses) &&
        put_named(&pool, from->reasons, from->reason_count, &state.reasons, &state.n_reasons);
    if (good)
        packed = malloc(hf__dry_state__get_packed_size(&state) + 1);
    if (packed)
        add_field(to, TAG_STATE, packed, hf__dry_state__pack(&state, packed));
    good = good && packed;
    free(packed);
    pool_release(&pool);
    return good || no_memory(fault);
}

uint8_t *dry_encode(const struct holdfast_query *query, size_t *body_bytes, struct fault *fault)
{
    struct bytes inner = {0}, outer = {0};

    if (!query->operations || query->operation_count < 1 ||
        query->operation_count > OPERATIONS_MAX) {
        fault_set(fault, HOLDFAST_INVALID, "operations", "operations must be 1 to %u",
                  OPERATIONS_MAX);
        return NULL;
    }
    bool good = add_operations(&inner, query, fault) &&
                (!query->state || add_state(&inner, query->state, fault));
    if (good)
        add_field(&outer, TAG_DRY_RUN, inner.data, inner.used);
    if (good && (inner.failed || outer.failed))
        good = no_memory(fault);
    free(inner.data);
    if (good) {
        *body_bytes = outer.used;
        return outer.data;
    }
    free(outer.data);
    return NULL;
}
