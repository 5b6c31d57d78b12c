/* SPDX-License-Identifier: MIT
 *
 * The batch: carries out plans (numbers movements, changes levels and reservations in memory),
 * remembers each touched row once however often it was touched, and hands all of it over as the
 * changes of one transaction. Nothing here decides.
 */
#include "workers/ledger_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------- what is known under an id */

/* Open addressing; slots of an older generation are free. */
#define KNOWN_CAPACITY_MIN 256u

static struct known *known_slot(struct known *slots, size_t capacity, uint64_t generation,
                                const uint8_t *id)
{
    size_t at = (size_t)XXH3_64bits(id, UUID_BYTES) & (capacity - 1);

    while (slots[at].generation == generation && memcmp(slots[at].id, id, UUID_BYTES) != 0)
        at = (at + 1) & (capacity - 1);
    return &slots[at];
}

struct known *known_find(const struct ledger *ledger, const uint8_t id[UUID_BYTES])
{
    if (ledger->known_count == 0)
        return NULL;
    struct known *slot = known_slot(ledger->known, ledger->known_capacity, ledger->generation, id);
    return slot->generation == ledger->generation ? slot : NULL;
}

static void known_grow(struct ledger *ledger)
{
    size_t capacity = ledger->known_capacity > 0 ? ledger->known_capacity * 2 : KNOWN_CAPACITY_MIN;
    struct known *slots = must_calloc(capacity, sizeof *slots);

    for (size_t i = 0; i < ledger->known_capacity; i++) {
        const struct known *old = &ledger->known[i];
        if (old->generation == ledger->generation)
            *known_slot(slots, capacity, ledger->generation, old->id) = *old;
    }
    free(ledger->known);
    ledger->known = slots;
    ledger->known_capacity = capacity;
}

void known_put(struct ledger *ledger, const struct known *known)
{
    if (ledger->known_count * 2 >= ledger->known_capacity)
        known_grow(ledger);
    struct known *slot =
        known_slot(ledger->known, ledger->known_capacity, ledger->generation, known->id);
    if (slot->generation != ledger->generation)
        ledger->known_count++;
    *slot = *known;
    slot->generation = ledger->generation;
}

const struct movement *known_rows(const struct ledger *ledger, const struct known *known)
{
    return known->rows ? known->rows : ledger->movements + known->first;
}

void known_clear(struct ledger *ledger)
{
    struct barcode *barcode, *next;

    ledger->generation++;
    ledger->known_count = 0;
    HASH_ITER(hh, ledger->barcodes, barcode, next)
    {
        HASH_DEL(ledger->barcodes, barcode);
        free(barcode);
    }
    arena_reset(&ledger->lookups);
    ledger->catalog_asked = false;
}

/* ------------------------------------------------------------- codes of the region */

static const struct named_change *named_in_batch(const struct ledger *ledger, bool is_reason,
                                                 const void *bytes, size_t length)
{
    for (size_t i = ledger->named_count; i > 0; i--) {
        const struct named_change *named = &ledger->named[i - 1];
        if (named->is_reason == is_reason && code_is(&named->code, bytes, length))
            return named;
    }
    return NULL;
}

bool warehouse_known(const struct ledger *ledger, const void *bytes, size_t length,
                     uint64_t *version)
{
    const struct named_change *named = named_in_batch(ledger, false, bytes, length);

    if (named)
        *version = named->version;
    return named || catalog_warehouse(ledger->catalog, bytes, length, version);
}

bool reason_known(const struct ledger *ledger, const void *bytes, size_t length, uint64_t *version)
{
    const struct named_change *named = named_in_batch(ledger, true, bytes, length);

    if (named)
        *version = named->version;
    return named || catalog_reason(ledger->catalog, bytes, length, version);
}

/* ------------------------------------------------------------- plan */

void plan_begin(struct ledger *ledger)
{
    ledger->plan_count = 0;
    ledger->turn_number++;
}

static struct plan_row *plan_add(struct ledger *ledger, Hf__MovementKind kind)
{
    ledger->plan =
        grow(ledger->plan, ledger->plan_count, &ledger->plan_capacity, sizeof *ledger->plan);
    struct plan_row *row = &ledger->plan[ledger->plan_count++];
    *row = (struct plan_row){.kind = kind, .safety_stock = -1, .reorder_point = -1};
    return row;
}

struct plan_row *plan_level(struct ledger *ledger, struct level_entry *level, Hf__MovementKind kind)
{
    if (level->planned_turn == ledger->turn_number)
        return &ledger->plan[level->planned_row];
    level->planned_turn = ledger->turn_number;
    level->planned_row = ledger->plan_count;
    struct plan_row *row = plan_add(ledger, kind);
    row->level = level;
    return row;
}

struct plan_row *plan_record(struct ledger *ledger, Hf__MovementKind kind)
{
    return plan_add(ledger, kind);
}

static void add_row(struct balances *balances, const struct plan_row *row)
{
    balances->on_hand += row->d_on_hand;
    balances->reserved += row->d_reserved;
    balances->committed += row->d_committed;
    balances->unavailable += row->d_unavailable;
    if (row->safety_stock >= 0)
        balances->safety_stock = row->safety_stock;
    if (row->reorder_point >= 0)
        balances->reorder_point = row->reorder_point;
    balances->shortfall = balances_shortfall(balances);
}

struct balances plan_balances(const struct ledger *ledger, const struct level_entry *level)
{
    struct balances balances = level->level.now;

    if (level->planned_turn == ledger->turn_number)
        add_row(&balances, &ledger->plan[level->planned_row]);
    return balances;
}

static bool line_possible(const struct reservation_line *line, const struct line_change *change)
{
    return line->reserved + change->reserved >= 0 && line->committed + change->committed >= 0 &&
           line->released + change->released >= 0 && line->shipped + change->shipped >= 0 &&
           line->returned + change->returned <= line->shipped + change->shipped;
}

bool plan_possible(const struct ledger *ledger, const struct turn *turn)
{
    for (size_t i = 0; i < ledger->plan_count; i++) {
        const struct plan_row *row = &ledger->plan[i];
        if (!row->level)
            continue;
        struct balances after = plan_balances(ledger, row->level);
        if (after.on_hand < 0 || after.on_hand > QUANTITY_MAX || after.reserved < 0 ||
            after.committed < 0 || after.unavailable < 0)
            return false;
        if (turn->reservation &&
            !line_possible(&turn->reservation->reservation.lines[row->line], &row->change))
            return false;
    }
    return ledger->plan_count > 0;
}

/* ------------------------------------------------------------- carrying out */

static void touch_level(struct ledger *ledger, struct level_entry *entry)
{
    if (entry->touched)
        return;
    entry->touched = true;
    entry->base_version = entry->level.version;
    if (ledger->dry)
        entry->before = arena_copy(ledger->arena, &entry->level, sizeof entry->level);
    ledger->levels =
        grow(ledger->levels, ledger->level_count, &ledger->level_capacity, sizeof *ledger->levels);
    ledger->levels[ledger->level_count++] = entry;
}

static void touch_reservation(struct ledger *ledger, struct reservation_entry *entry)
{
    if (entry->touched)
        return;
    entry->touched = true;
    entry->base_revision = entry->reservation.revision;
    ledger->touched = grow(ledger->touched, ledger->touched_count, &ledger->touched_capacity,
                           sizeof *ledger->touched);
    ledger->touched[ledger->touched_count++] = entry;
}

static void touch_item(struct ledger *ledger, struct sku_entry *entry)
{
    if (entry->touched)
        return;
    entry->touched = true;
    entry->base_version = entry->item.version;
    ledger->items =
        grow(ledger->items, ledger->item_count, &ledger->item_capacity, sizeof *ledger->items);
    ledger->items[ledger->item_count++] = entry;
}

static void apply_level(struct ledger *ledger, const struct plan_row *row,
                        struct movement *movement)
{
    struct level *level = &row->level->level;

    touch_level(ledger, row->level);
    movement->sku = level->sku;
    movement->warehouse = level->warehouse;
    movement->prev = level->version;
    movement->d_on_hand = row->d_on_hand;
    movement->d_reserved = row->d_reserved;
    movement->d_committed = row->d_committed;
    movement->d_unavailable = row->d_unavailable;
    const struct balances before = level->now;
    add_row(&level->now, row);
    movement->signals = signals_of_level(ledger, row->level, &before);
    level->version = movement->seq;
    if (row->d_on_hand != 0)
        level->on_hand_version = movement->seq;
    movement->after = level->now;
    movement->on_hand_version = level->on_hand_version;
}

static void apply_line(struct reservation *reservation, const struct plan_row *row,
                       struct movement *movement)
{
    struct reservation_line *line = &reservation->lines[row->line];

    line->reserved += row->change.reserved;
    line->committed += row->change.committed;
    line->shipped += row->change.shipped;
    line->cancelled += row->change.cancelled;
    line->released += row->change.released;
    line->returned += row->change.returned;
    movement->line = (uint32_t)row->line;
    movement->line_after = *line;
}

/* Before its movements are written: they show the reservation as the operation leaves it. */
static void apply_reservation(struct ledger *ledger, struct turn *turn)
{
    struct reservation *reservation = &turn->reservation->reservation;

    touch_reservation(ledger, turn->reservation);
    reservation->state = turn->state;
    reservation->expires_at_us = turn->expires_at_us;
    reservation->revision++;
    due_set(&ledger->due, turn->reservation->id,
            turn->state == HF__RESERVATION_STATE__RESERVATION_ACTIVE ? turn->expires_at_us
                                                                     : DUE_NONE);
}

static void fill_operation(const struct ledger *ledger, const struct turn *turn,
                           struct movement *movement)
{
    movement->partition = ledger->partition;
    movement->epoch = ledger->epoch;
    memcpy(movement->claim_id, ledger->claim_id, sizeof movement->claim_id);
    memcpy(movement->operation_id, turn->operation_id, UUID_BYTES);
    movement->at_us = ledger->now_us;
    movement->reason = turn->reason;
    movement->reference = turn->reference;
    movement->detail = turn->detail;
    if (turn->operation) {
        movement->note = turn->operation->note;
        movement->actor = turn->operation->actor;
        movement->principal = turn->operation->principal;
        movement->trace = turn->operation->trace;
        movement->undoes = turn->operation->undoes;
    }
    if (turn->reservation) {
        struct reservation *reservation = &turn->reservation->reservation;
        movement->has_reservation = true;
        memcpy(movement->reservation_id, turn->reservation->id, RESERVATION_ID_BYTES);
        movement->state = reservation->state;
        movement->revision = reservation->revision;
        movement->expires_at_us = reservation->expires_at_us;
        movement->order =
            (ProtobufCBinaryData){reservation->order.length, (uint8_t *)reservation->order.bytes};
    }
}

void batch_apply(struct ledger *ledger, struct turn *turn)
{
    struct known known = {.first = ledger->movement_count, .count = ledger->plan_count};

    assert(ledger->plan_count > 0);
    if (turn->reservation)
        apply_reservation(ledger, turn);
    if (turn->item)
        touch_item(ledger, turn->item);
    for (size_t i = 0; i < ledger->plan_count; i++) {
        const struct plan_row *row = &ledger->plan[i];
        ledger->movements = grow(ledger->movements, ledger->movement_count,
                                 &ledger->movement_capacity, sizeof *ledger->movements);
        struct movement *movement = &ledger->movements[ledger->movement_count++];
        memset(movement, 0, sizeof *movement);
        fill_operation(ledger, turn, movement);
        movement->seq = ++ledger->seq;
        movement->idx = (uint32_t)i;
        movement->kind = row->kind;
        if (i == 0)
            memcpy(movement->body_hash, turn->body_hash, sizeof movement->body_hash);
        if (row->level)
            apply_level(ledger, row, movement);
        else
            movement->prev = turn->prev;
        if (row->level && turn->reservation)
            apply_line(&turn->reservation->reservation, row, movement);
        if (row->undoes != 0)
            movement->undoes = row->undoes;
        if (turn->run)
            run_apply(ledger, turn, movement);
        if (turn->item) {
            movement->sku = turn->item->sku;
            turn->item->item.version = movement->seq;
        }
    }
    signals_of_skus(ledger, turn);
    memcpy(known.id, turn->operation_id, UUID_BYTES);
    known_put(ledger, &known);
}

/* ------------------------------------------------------------- the life of a batch */

void ledger_begin(struct ledger *ledger, int64_t now_us, struct arena *arena)
{
    assert(!ledger->arena);
    ledger->arena = arena;
    ledger->now_us = now_us;
    ledger->seq = ledger->last_seq;
    ledger->due_listed = false;
    ledger->due_left = false;
    ledger->expired_any = false;
}

static void fill_levels(struct ledger *ledger, struct changes *changes)
{
    changes->levels = arena_alloc(ledger->arena, ledger->level_count * sizeof *changes->levels);
    changes->level_count = ledger->level_count;
    for (size_t i = 0; i < ledger->level_count; i++) {
        const struct level_entry *entry = ledger->levels[i];
        changes->levels[i] =
            (struct level_change){&entry->level, entry->base_version, entry->base_version == 0};
    }
}

static void fill_reservations(struct ledger *ledger, struct changes *changes)
{
    changes->reservations =
        arena_alloc(ledger->arena, ledger->touched_count * sizeof *changes->reservations);
    changes->reservation_count = ledger->touched_count;
    for (size_t i = 0; i < ledger->touched_count; i++) {
        const struct reservation_entry *entry = ledger->touched[i];
        changes->reservations[i] = (struct reservation_change){
            &entry->reservation, entry->base_revision, entry->base_revision == 0};
    }
}

static void fill_items(struct ledger *ledger, struct changes *changes)
{
    changes->items = arena_alloc(ledger->arena, ledger->item_count * sizeof *changes->items);
    changes->item_count = ledger->item_count;
    for (size_t i = 0; i < ledger->item_count; i++) {
        const struct sku_entry *entry = ledger->items[i];
        changes->items[i] =
            (struct item_change){&entry->item, entry->base_version, entry->base_version == 0};
    }
}

static void fill_runs(struct ledger *ledger, struct changes *changes)
{
    changes->runs = arena_alloc(ledger->arena, ledger->touched_run_count * sizeof *changes->runs);
    changes->run_count = ledger->touched_run_count;
    for (size_t i = 0; i < ledger->touched_run_count; i++) {
        const struct run_entry *entry = ledger->touched_runs[i];
        changes->runs[i] =
            (struct run_change){&entry->run, entry->base_version, entry->base_version == 0};
    }
    changes->blocks =
        arena_alloc(ledger->arena, ledger->touched_block_count * sizeof *changes->blocks);
    changes->block_count = ledger->touched_block_count;
    for (size_t i = 0; i < ledger->touched_block_count; i++) {
        const struct run_block_entry *entry = ledger->touched_blocks[i];
        changes->blocks[i] =
            (struct run_block_change){&entry->block, entry->base_version, entry->base_version == 0};
    }
}

/* Put twice in one batch: the newest counts. */
static void fill_named(struct ledger *ledger, struct changes *changes)
{
    changes->named = arena_alloc(ledger->arena, ledger->named_count * sizeof *changes->named);
    changes->named_count = 0;
    for (size_t i = 0; i < ledger->named_count; i++) {
        const struct named_change *named = &ledger->named[i];
        if (named_in_batch(ledger, named->is_reason, named->code.bytes, named->code.length) ==
            named)
            changes->named[changes->named_count++] = *named;
    }
}

bool ledger_changes(struct ledger *ledger, struct changes *changes)
{
    memset(changes, 0, sizeof *changes);
    changes->base_seq = ledger->last_seq;
    changes->last_seq = ledger->seq;
    if (ledger->movement_count == 0)
        return false;
    changes->movements = ledger->movements;
    changes->movement_count = ledger->movement_count;
    fill_levels(ledger, changes);
    fill_reservations(ledger, changes);
    fill_items(ledger, changes);
    fill_named(ledger, changes);
    fill_runs(ledger, changes);
    return true;
}

static void batch_end(struct ledger *ledger)
{
    ledger->arena = NULL;
    ledger->movement_count = 0;
    ledger->level_count = 0;
    ledger->touched_count = 0;
    ledger->item_count = 0;
    ledger->named_count = 0;
    ledger->touched_run_count = 0;
    ledger->touched_block_count = 0;
    known_clear(ledger);
}

void ledger_commit(struct ledger *ledger)
{
    ledger->last_seq = ledger->seq;
    for (size_t i = 0; i < ledger->level_count; i++)
        ledger->levels[i]->touched = false;
    for (size_t i = 0; i < ledger->item_count; i++)
        ledger->items[i]->touched = false;
    for (size_t i = 0; i < ledger->touched_run_count; i++)
        ledger->touched_runs[i]->touched = false;
    for (size_t i = 0; i < ledger->touched_block_count; i++)
        ledger->touched_blocks[i]->touched = false;
    for (size_t i = 0; i < ledger->touched_count; i++) {
        struct reservation_entry *entry = ledger->touched[i];
        entry->touched = false;
        /* Hardly anybody asks for these again. */
        if (entry->reservation.state == HF__RESERVATION_STATE__RESERVATION_RELEASED ||
            entry->reservation.state == HF__RESERVATION_STATE__RESERVATION_EXPIRED)
            cache_drop_reservation(ledger, entry);
    }
    for (size_t i = 0; i < ledger->named_count; i++) {
        const struct named_change *named = &ledger->named[i];
        if (named->is_reason)
            catalog_put_reason(ledger->catalog, &named->code, named->version);
        else
            catalog_put_warehouse(ledger->catalog, &named->code, named->version);
    }
    due_keep(&ledger->due);
    batch_end(ledger);
    cache_trim(ledger);
}

void ledger_abort(struct ledger *ledger)
{
    due_undo(&ledger->due);
    cache_clear(ledger);
    ledger->seq = ledger->last_seq;
    batch_end(ledger);
}
