/* SPDX-License-Identifier: MIT
 *
 * What the rows of an operation say to the one who sent it. Called by the ledger for a fresh
 * operation and for a replayed one, and by the worker's queries: so all three say the same.
 * Everything in a result is a copy in the arena: it is packed when the rows may be gone.
 */
#include "workers/ledger_impl.h"

#include <assert.h>
#include <string.h>

static ProtobufCBinaryData copy_bytes(struct arena *arena, const void *bytes, size_t length)
{
    if (length == 0)
        return (ProtobufCBinaryData){0, NULL};
    return (ProtobufCBinaryData){length, arena_copy(arena, bytes, length)};
}

Hf__Result *result_new(enum status status, const uint8_t *operation_id, size_t id_bytes,
                       struct arena *arena)
{
    Hf__Result *result = arena_alloc(arena, sizeof *result);

    hf__result__init(result);
    result->status = (uint32_t)status;
    result->operation_id = copy_bytes(arena, operation_id, id_bytes);
    return result;
}

static Hf__Level *level_from(const struct movement *movement, ProtobufCBinaryData sku,
                             ProtobufCBinaryData warehouse, struct arena *arena)
{
    const struct balances *after = &movement->after;
    Hf__Level *level = arena_alloc(arena, sizeof *level);

    hf__level__init(level);
    level->sku = sku;
    level->warehouse = warehouse;
    level->on_hand = (uint32_t)after->on_hand;
    level->reserved = (uint32_t)after->reserved;
    level->committed = (uint32_t)after->committed;
    level->unavailable = (uint32_t)after->unavailable;
    level->safety_stock = (uint32_t)after->safety_stock;
    level->shortfall = (uint32_t)after->shortfall;
    level->available = (uint32_t)balances_available(after);
    level->reorder_point = (uint32_t)after->reorder_point;
    level->version = movement->seq;
    level->on_hand_version = movement->on_hand_version;
    return level;
}

static Hf__ReservationLine *line_from(const struct movement *movement, ProtobufCBinaryData sku,
                                      ProtobufCBinaryData warehouse, struct arena *arena)
{
    const struct reservation_line *after = &movement->line_after;
    Hf__ReservationLine *line = arena_alloc(arena, sizeof *line);

    hf__reservation_line__init(line);
    line->sku = sku;
    line->warehouse = warehouse;
    line->quantity = (uint32_t)after->quantity;
    line->reserved = (uint32_t)after->reserved;
    line->committed = (uint32_t)after->committed;
    line->shipped = (uint32_t)after->shipped;
    line->cancelled = (uint32_t)after->cancelled;
    line->released = (uint32_t)after->released;
    line->returned = (uint32_t)after->returned;
    return line;
}

static Hf__Reservation *reservation_from(const struct movement *movement, struct arena *arena)
{
    char text[RESERVATION_TEXT_BYTES];
    Hf__Reservation *reservation = arena_alloc(arena, sizeof *reservation);

    hf__reservation__init(reservation);
    reservation_id_format(movement->reservation_id, text);
    reservation->reservation = copy_bytes(arena, text, RESERVATION_TEXT_BYTES - 1);
    reservation->state = movement->state;
    reservation->expires_at_us = movement->expires_at_us;
    reservation->revision = movement->revision;
    reservation->order = copy_bytes(arena, movement->order.data, movement->order.len);
    return reservation;
}

Hf__Result *result_from_movements(const struct movement *movements, size_t count,
                                  const uint8_t claim_id[16], bool replayed, struct arena *arena)
{
    static const uint8_t not_known[16];
    const struct movement *first = movements;

    assert(count > 0);
    Hf__Result *result = result_new(STATUS_applied, first->operation_id, UUID_BYTES, arena);
    result->partition = first->partition;
    result->sequence = movements[count - 1].seq;
    if (claim_id && memcmp(claim_id, not_known, sizeof not_known) != 0)
        result->claim_id = copy_bytes(arena, claim_id, sizeof not_known);
    result->replayed = replayed;
    if (first->has_reservation) {
        result->reservation = reservation_from(first, arena);
        result->reservation->lines = arena_alloc(arena, count * sizeof(Hf__ReservationLine *));
    }
    if (first->kind == HF__MOVEMENT_KIND__MOVEMENT_RUN_BEGUN ||
        first->kind == HF__MOVEMENT_KIND__MOVEMENT_RUN_RECORDED)
        result->run = hf__run__unpack(&arena->allocator, first->detail.len, first->detail.data);
    result->levels = arena_alloc(arena, count * sizeof(Hf__Level *));
    for (size_t i = 0; i < count; i++) {
        const struct movement *movement = &movements[i];
        if (movement->warehouse.length == 0 || movement->sku.length == 0)
            continue;
        ProtobufCBinaryData sku = copy_bytes(arena, movement->sku.bytes, movement->sku.length);
        ProtobufCBinaryData warehouse =
            copy_bytes(arena, movement->warehouse.bytes, movement->warehouse.length);
        result->levels[result->n_levels++] = level_from(movement, sku, warehouse, arena);
        if (result->reservation)
            result->reservation->lines[result->reservation->n_lines++] =
                line_from(movement, sku, warehouse, arena);
    }
    return result;
}
