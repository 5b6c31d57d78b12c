/* SPDX-License-Identifier: MIT
 *
 * Dry runs: real decisions on a ledger that is thrown away. Here is what they begin with besides
 * the rows of the database, and what is told of them besides results.
 */
#include "workers/ledger_impl.h"

#include <string.h>

void ledger_dry(struct ledger *ledger)
{
    ledger->dry = true;
}

/* ------------------------------------------------------------- what earlier ones left */

/* A code from the wire; false when it is none. */
static bool code_from(struct code *code, const ProtobufCBinaryData *bytes)
{
    bool good = !code_fault(bytes->data, bytes->len);

    if (good)
        code_set(code, bytes->data, bytes->len);
    return good;
}

void ledger_dry_catalog(struct ledger *ledger, const Hf__DryState *state)
{
    struct code code;

    for (size_t i = 0; i < state->n_warehouses; i++) {
        if (code_from(&code, &state->warehouses[i]->code))
            catalog_put_warehouse(ledger->catalog, &code, state->warehouses[i]->version);
    }
    for (size_t i = 0; i < state->n_reasons; i++) {
        if (code_from(&code, &state->reasons[i]->code))
            catalog_put_reason(ledger->catalog, &code, state->reasons[i]->version);
    }
}

static void put_item(struct ledger *ledger, const Hf__Item *item)
{
    struct sku_entry *entry = cache_sku(ledger, item->sku.data, item->sku.len);
    struct code codes[ITEM_BARCODES_MAX];
    size_t count = 0;

    if (!entry || item->version == 0)
        return;
    entry->item.version = item->version;
    entry->item.reorder_point = item->reorder_point;
    for (size_t i = 0; i < item->n_barcodes && count < ITEM_BARCODES_MAX; i++) {
        if (!code_from(&codes[count], &item->barcodes[i]))
            continue;
        ledger_put_barcode(ledger, &codes[count++], &entry->sku);
    }
    cache_item_barcodes(&entry->item, codes, count);
}

static int64_t quantity_of(uint32_t quantity)
{
    return quantity <= QUANTITY_MAX ? quantity : QUANTITY_MAX;
}

static void put_level(struct ledger *ledger, const Hf__Level *level)
{
    struct sku_entry *entry = cache_sku(ledger, level->sku.data, level->sku.len);
    struct code warehouse;

    if (!entry || !code_from(&warehouse, &level->warehouse))
        return;
    struct level *to = &cache_level_obtain(entry, warehouse.bytes, warehouse.length)->level;
    to->now = (struct balances){
        .on_hand = quantity_of(level->on_hand),
        .reserved = quantity_of(level->reserved),
        .committed = quantity_of(level->committed),
        .unavailable = quantity_of(level->unavailable),
        .safety_stock = quantity_of(level->safety_stock),
        .reorder_point = quantity_of(level->reorder_point),
    };
    to->now.shortfall = balances_shortfall(&to->now);
    to->version = level->version;
    to->on_hand_version = level->on_hand_version;
}

static void put_reservation(struct ledger *ledger, const Hf__Reservation *from)
{
    uint8_t id[RESERVATION_ID_BYTES];

    if (!reservation_id_parse((const char *)from->reservation.data, from->reservation.len, id))
        return;
    struct reservation_entry *entry = cache_reservation(ledger, id);
    if (!entry || entry->reservation.line_count != from->n_lines)
        return;
    entry->reservation.state = from->state;
    entry->reservation.revision = from->revision;
    entry->reservation.expires_at_us = from->expires_at_us;
    for (size_t i = 0; i < from->n_lines; i++) {
        struct reservation_line *to = &entry->reservation.lines[i];
        to->reserved = quantity_of(from->lines[i]->reserved);
        to->committed = quantity_of(from->lines[i]->committed);
        to->shipped = quantity_of(from->lines[i]->shipped);
        to->cancelled = quantity_of(from->lines[i]->cancelled);
        to->released = quantity_of(from->lines[i]->released);
        to->returned = quantity_of(from->lines[i]->returned);
    }
}

void ledger_dry_rows(struct ledger *ledger, const Hf__DryState *state)
{
    for (size_t i = 0; i < state->n_items; i++)
        put_item(ledger, state->items[i]);
    for (size_t i = 0; i < state->n_levels; i++)
        put_level(ledger, state->levels[i]);
    for (size_t i = 0; i < state->n_reservations; i++)
        put_reservation(ledger, state->reservations[i]);
}

/* ------------------------------------------------------------- what this one leaves */

static ProtobufCBinaryData copy_of(const struct code *code, struct arena *arena)
{
    if (code->length == 0)
        return (ProtobufCBinaryData){0, NULL};
    return (ProtobufCBinaryData){code->length, arena_copy(arena, code->bytes, code->length)};
}

static Hf__Level *level_message(const struct code *sku, const struct code *warehouse,
                                const struct balances *now, uint64_t version,
                                uint64_t on_hand_version, struct arena *arena)
{
    Hf__Level *out = arena_alloc(arena, sizeof *out);

    hf__level__init(out);
    out->sku = copy_of(sku, arena);
    out->warehouse = copy_of(warehouse, arena);
    out->on_hand = (uint32_t)now->on_hand;
    out->reserved = (uint32_t)now->reserved;
    out->committed = (uint32_t)now->committed;
    out->unavailable = (uint32_t)now->unavailable;
    out->safety_stock = (uint32_t)now->safety_stock;
    out->shortfall = (uint32_t)now->shortfall;
    out->available = (uint32_t)balances_available(now);
    out->reorder_point = (uint32_t)now->reorder_point;
    out->version = version;
    out->on_hand_version = on_hand_version;
    return out;
}

/* The level before this movement: what the batch's movement before it left, or what was there. A
 * level that an earlier dry run left has a version out of it, which may be that of any movement
 * of this batch, this one too: only what came before is meant. */
static Hf__Level *before_movement(const struct ledger *ledger, const struct movement *movement)
{
    if (movement->prev > ledger->last_seq && movement->prev < movement->seq) {
        const struct movement *prev = &ledger->movements[movement->prev - ledger->last_seq - 1];
        if (code_equal(&prev->sku, &movement->sku) &&
            code_equal(&prev->warehouse, &movement->warehouse))
            return level_message(&prev->sku, &prev->warehouse, &prev->after, prev->seq,
                                 prev->on_hand_version, ledger->arena);
    }
    const struct sku_entry *sku = cache_sku(ledger, movement->sku.bytes, movement->sku.length);
    const struct level *level =
        cache_level(sku, movement->warehouse.bytes, movement->warehouse.length)->before;
    return level_message(&level->sku, &level->warehouse, &level->now, level->version,
                         level->on_hand_version, ledger->arena);
}

Hf__DryResult *ledger_dry_result(const struct ledger *ledger, const struct decision *decision)
{
    Hf__DryResult *out = arena_alloc(ledger->arena, sizeof *out);
    size_t count = decision->wrote ? ledger->plan_count : 0;

    hf__dry_result__init(out);
    out->result = decision->result;
    out->before = arena_alloc(ledger->arena, (count + 1) * sizeof(Hf__Level *));
    for (size_t i = 0; i < count; i++) {
        const struct movement *movement = &ledger->movements[ledger->movement_count - count + i];
        if (movement->sku.length > 0 && movement->warehouse.length > 0)
            out->before[out->n_before++] = before_movement(ledger, movement);
    }
    return out;
}

static Hf__Reservation *reservation_message(const struct reservation *from, struct arena *arena)
{
    Hf__Reservation *out = arena_alloc(arena, sizeof *out);
    Hf__ReservationLine *lines = arena_alloc(arena, (from->line_count + 1) * sizeof *lines);
    char text[RESERVATION_TEXT_BYTES];

    hf__reservation__init(out);
    reservation_id_format(from->id, text);
    out->reservation = (ProtobufCBinaryData){RESERVATION_TEXT_BYTES - 1,
                                             arena_copy(arena, text, RESERVATION_TEXT_BYTES - 1)};
    out->state = from->state;
    out->revision = from->revision;
    out->expires_at_us = from->expires_at_us;
    out->lines = arena_alloc(arena, (from->line_count + 1) * sizeof(Hf__ReservationLine *));
    for (size_t i = 0; i < from->line_count; i++) {
        const struct reservation_line *line = &from->lines[i];
        hf__reservation_line__init(&lines[i]);
        lines[i].sku = copy_of(&line->sku, arena);
        lines[i].warehouse = copy_of(&line->warehouse, arena);
        lines[i].quantity = (uint32_t)line->quantity;
        lines[i].reserved = (uint32_t)line->reserved;
        lines[i].committed = (uint32_t)line->committed;
        lines[i].shipped = (uint32_t)line->shipped;
        lines[i].cancelled = (uint32_t)line->cancelled;
        lines[i].released = (uint32_t)line->released;
        lines[i].returned = (uint32_t)line->returned;
        out->lines[out->n_lines++] = &lines[i];
    }
    return out;
}

static Hf__Item *item_message(const struct item *from, struct arena *arena)
{
    Hf__Item *out = arena_alloc(arena, sizeof *out);

    hf__item__init(out);
    out->sku = copy_of(&from->sku, arena);
    out->reorder_point = (uint32_t)from->reorder_point;
    out->version = from->version;
    out->barcodes = arena_alloc(arena, (from->barcode_count + 1) * sizeof *out->barcodes);
    for (size_t i = 0; i < from->barcode_count; i++)
        out->barcodes[out->n_barcodes++] = copy_of(&from->barcodes[i], arena);
    return out;
}

static Hf__Named *named_message(const struct named_change *from, struct arena *arena)
{
    Hf__Named *out = arena_alloc(arena, sizeof *out);

    hf__named__init(out);
    out->code = copy_of(&from->code, arena);
    out->version = from->version;
    return out;
}

Hf__DryState *ledger_dry_state(struct ledger *ledger)
{
    struct arena *arena = ledger->arena;
    Hf__DryState *out = arena_alloc(arena, sizeof *out);
    struct changes changes;

    hf__dry_state__init(out);
    if (!ledger_changes(ledger, &changes))
        return out;
    out->levels = arena_alloc(arena, (changes.level_count + 1) * sizeof(Hf__Level *));
    for (size_t i = 0; i < changes.level_count; i++) {
        const struct level *level = changes.levels[i].level;
        out->levels[out->n_levels++] = level_message(&level->sku, &level->warehouse, &level->now,
                                                     level->version, level->on_hand_version, arena);
    }
    out->reservations =
        arena_alloc(arena, (changes.reservation_count + 1) * sizeof(Hf__Reservation *));
    for (size_t i = 0; i < changes.reservation_count; i++)
        out->reservations[out->n_reservations++] =
            reservation_message(changes.reservations[i].reservation, arena);
    out->items = arena_alloc(arena, (changes.item_count + 1) * sizeof(Hf__Item *));
    for (size_t i = 0; i < changes.item_count; i++)
        out->items[out->n_items++] = item_message(changes.items[i].item, arena);
    out->warehouses = arena_alloc(arena, (changes.named_count + 1) * sizeof(Hf__Named *));
    out->reasons = arena_alloc(arena, (changes.named_count + 1) * sizeof(Hf__Named *));
    for (size_t i = 0; i < changes.named_count; i++) {
        Hf__Named *named = named_message(&changes.named[i], arena);
        if (changes.named[i].is_reason)
            out->reasons[out->n_reasons++] = named;
        else
            out->warehouses[out->n_warehouses++] = named;
    }
    return out;
}
