/* SPDX-License-Identifier: MIT
 *
 * See plan_state.h.
 */
#include "cli/plan_state.h"

#include <stdlib.h>
#include <string.h>

#include "cli/memory.h"
#include <uthash.h>

struct sku_state {
    char *sku;
    uint32_t partition;
    struct holdfast_level *levels; /* warehouse is owned, sku is ours */
    size_t level_count;
    bool has_item;
    struct holdfast_item item; /* barcodes are owned */
    struct sku_state *next_listed;
    UT_hash_handle hh;
};

struct reservation_state {
    char *id;
    struct sku_state **skus; /* of its lines */
    size_t sku_count;
    bool changed;                            /* by a dry run: else it is as the owner has it */
    struct holdfast_reservation reservation; /* lines are owned, their texts left out */
    bool listed;
    UT_hash_handle hh;
};

struct plan_state {
    struct sku_state *skus;
    struct reservation_state *reservations;
    struct holdfast_named *warehouses, *reasons; /* codes are owned */
    size_t warehouse_count, reason_count;
    /* of plan_state_for */
    struct holdfast_state out;
    struct holdfast_level *levels;
    struct holdfast_item *items;
    struct holdfast_reservation *listed;
    size_t level_room, item_room, listed_room;
};

struct plan_state *plan_state_new(void)
{
    struct plan_state *state = memory_grow(NULL, 1, sizeof *state);

    memset(state, 0, sizeof *state);
    return state;
}

static void free_barcodes(struct holdfast_item *item)
{
    for (size_t i = 0; i < item->barcode_count; i++)
        free((char *)(uintptr_t)item->barcodes[i]);
    free((void *)(uintptr_t)item->barcodes);
}

static void free_named(struct holdfast_named *named, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free((char *)(uintptr_t)named[i].code);
    free(named);
}

void plan_state_destroy(struct plan_state **state)
{
    struct plan_state *s = *state;
    struct sku_state *sku, *next_sku;
    struct reservation_state *one, *next;

    HASH_ITER(hh, s->skus, sku, next_sku)
    {
        HASH_DEL(s->skus, sku);
        for (size_t i = 0; i < sku->level_count; i++)
            free((char *)(uintptr_t)sku->levels[i].warehouse);
        free(sku->levels);
        free_barcodes(&sku->item);
        free(sku->sku);
        free(sku);
    }
    HASH_ITER(hh, s->reservations, one, next)
    {
        HASH_DEL(s->reservations, one);
        free((void *)(uintptr_t)one->reservation.lines);
        free(one->skus);
        free(one->id);
        free(one);
    }
    free_named(s->warehouses, s->warehouse_count);
    free_named(s->reasons, s->reason_count);
    free(s->levels);
    free(s->items);
    free(s->listed);
    free(s);
    *state = NULL;
}

/* ------------------------------------------------------------- keeping */

static struct sku_state *sku_find(const struct plan_state *state, const char *sku)
{
    struct sku_state *found;

    HASH_FIND_STR(state->skus, sku, found);
    return found;
}

static struct sku_state *sku_obtain(struct plan_state *state, uint32_t partition, const char *sku)
{
    struct sku_state *found = sku_find(state, sku);

    if (!found) {
        found = memory_grow(NULL, 1, sizeof *found);
        memset(found, 0, sizeof *found);
        found->sku = memory_copy(sku);
        found->partition = partition;
        HASH_ADD_KEYPTR(hh, state->skus, found->sku, strlen(found->sku), found);
    }
    return found;
}

static struct holdfast_level *level_find(const struct sku_state *sku, const char *warehouse)
{
    for (size_t i = 0; i < sku->level_count; i++) {
        if (strcmp(sku->levels[i].warehouse, warehouse) == 0)
            return &sku->levels[i];
    }
    return NULL;
}

static void keep_level(struct plan_state *state, uint32_t partition,
                       const struct holdfast_level *level)
{
    struct sku_state *sku = sku_obtain(state, partition, level->sku);
    struct holdfast_level *kept = level_find(sku, level->warehouse);
    const char *warehouse = kept ? kept->warehouse : memory_copy(level->warehouse);

    if (!kept) {
        sku->levels = memory_grow(sku->levels, sku->level_count + 1, sizeof *sku->levels);
        kept = &sku->levels[sku->level_count++];
    }
    *kept = *level;
    kept->sku = sku->sku;
    kept->warehouse = warehouse;
}

static void keep_item(struct plan_state *state, uint32_t partition,
                      const struct holdfast_item *item)
{
    struct sku_state *sku = sku_obtain(state, partition, item->sku);
    const char **barcodes = memory_grow(NULL, item->barcode_count + 1, sizeof *barcodes);

    for (size_t i = 0; i < item->barcode_count; i++)
        barcodes[i] = memory_copy(item->barcodes[i]);
    free_barcodes(&sku->item);
    sku->item = *item;
    sku->item.sku = sku->sku;
    sku->item.name = NULL;
    sku->item.barcodes = barcodes;
    sku->has_item = true;
}

static struct reservation_state *reservation_find(const struct plan_state *state, const char *id)
{
    struct reservation_state *found;

    HASH_FIND_STR(state->reservations, id, found);
    return found;
}

static struct reservation_state *reservation_obtain(struct plan_state *state, const char *id)
{
    struct reservation_state *found = reservation_find(state, id);

    if (!found) {
        found = memory_grow(NULL, 1, sizeof *found);
        memset(found, 0, sizeof *found);
        found->id = memory_copy(id);
        HASH_ADD_KEYPTR(hh, state->reservations, found->id, strlen(found->id), found);
    }
    return found;
}

/* Its lines are the same for ever. */
static void keep_skus(struct plan_state *state, uint32_t partition, struct reservation_state *kept,
                      const struct holdfast_reservation *from)
{
    if (kept->sku_count == from->line_count)
        return;
    kept->sku_count = from->line_count;
    kept->skus = memory_grow(kept->skus, kept->sku_count + 1, sizeof *kept->skus);
    for (size_t i = 0; i < from->line_count; i++)
        kept->skus[i] = sku_obtain(state, partition, from->lines[i].sku);
}

static void keep_reservation(struct plan_state *state, uint32_t partition,
                             const struct holdfast_reservation *from)
{
    struct reservation_state *kept = reservation_obtain(state, from->reservation);
    struct holdfast_reservation_line *lines = memory_grow(
        (void *)(uintptr_t)kept->reservation.lines, from->line_count + 1, sizeof *lines);

    keep_skus(state, partition, kept, from);
    if (from->line_count > 0)
        memcpy(lines, from->lines, from->line_count * sizeof *lines);
    for (size_t i = 0; i < from->line_count; i++)
        lines[i].sku = lines[i].warehouse = NULL;
    kept->changed = true;
    kept->reservation = *from;
    kept->reservation.reservation = kept->id;
    kept->reservation.order = kept->reservation.actor = NULL;
    kept->reservation.lines = lines;
}

static void keep_named(struct holdfast_named **list, size_t *count,
                       const struct holdfast_named *from, size_t from_count)
{
    for (size_t i = 0; i < from_count; i++) {
        *list = memory_grow(*list, *count + 1, sizeof **list);
        (*list)[(*count)++] =
            (struct holdfast_named){.code = memory_copy(from[i].code), .version = from[i].version};
    }
}

void plan_state_keep(struct plan_state *state, uint32_t partition,
                     const struct holdfast_state *changed)
{
    for (size_t i = 0; i < changed->level_count; i++)
        keep_level(state, partition, &changed->levels[i]);
    for (size_t i = 0; i < changed->item_count; i++)
        keep_item(state, partition, &changed->items[i]);
    for (size_t i = 0; i < changed->reservation_count; i++)
        keep_reservation(state, partition, &changed->reservations[i]);
    keep_named(&state->warehouses, &state->warehouse_count, changed->warehouses,
               changed->warehouse_count);
    keep_named(&state->reasons, &state->reason_count, changed->reasons, changed->reason_count);
}

size_t plan_state_unknown(const struct plan_state *state, const struct bulk_line *const *lines,
                          size_t count, const char **ids)
{
    size_t unknown = 0;

    for (size_t i = 0; i < count && state->skus; i++) {
        const char *id = lines[i]->reservation;
        bool again = *id == '\0' || reservation_find(state, id);
        for (size_t j = 0; j < unknown && !again; j++)
            again = strcmp(ids[j], id) == 0;
        if (!again)
            ids[unknown++] = id;
    }
    return unknown;
}

void plan_state_learn(struct plan_state *state, uint32_t partition, const char *const *ids,
                      size_t count, const struct holdfast_reservation *found, size_t found_count)
{
    for (size_t i = 0; i < count; i++)
        (void)reservation_obtain(state, ids[i]);
    for (size_t i = 0; i < found_count; i++)
        keep_skus(state, partition, reservation_obtain(state, found[i].reservation), &found[i]);
}

bool plan_state_has(const struct plan_state *state, const char *sku, const char *warehouse)
{
    const struct sku_state *found = sku_find(state, sku);

    return found && level_find(found, warehouse);
}

/* ------------------------------------------------------------- giving */

/* Marks what is in a list already: the end of the list points at itself. */
static void list_sku(struct sku_state **listed, struct sku_state *sku)
{
    if (!sku || sku->next_listed)
        return;
    sku->next_listed = *listed ? *listed : sku;
    *listed = sku;
}

static void give_sku(struct plan_state *state, const struct sku_state *sku)
{
    struct holdfast_state *out = &state->out;

    while (state->level_room < out->level_count + sku->level_count)
        state->levels = memory_grow(state->levels, state->level_room = state->level_room * 2 + 64,
                                    sizeof *state->levels);
    for (size_t i = 0; i < sku->level_count; i++)
        state->levels[out->level_count++] = sku->levels[i];
    if (!sku->has_item)
        return;
    if (state->item_room == out->item_count)
        state->items = memory_grow(state->items, state->item_room = state->item_room * 2 + 16,
                                   sizeof *state->items);
    state->items[out->item_count++] = sku->item;
}

/* Its skus join the list. */
static void give_reservation(struct plan_state *state, struct reservation_state *one,
                             struct sku_state **listed)
{
    struct holdfast_state *out = &state->out;

    if (!one || one->listed)
        return;
    one->listed = true;
    for (size_t i = 0; i < one->sku_count; i++)
        list_sku(listed, one->skus[i]);
    if (!one->changed)
        return;
    if (state->listed_room == out->reservation_count)
        state->listed = memory_grow(state->listed, state->listed_room = state->listed_room * 2 + 16,
                                    sizeof *state->listed);
    state->listed[out->reservation_count++] = one->reservation;
}

const struct holdfast_state *plan_state_for(struct plan_state *state,
                                            const struct bulk_line *const *lines, size_t count)
{
    struct holdfast_state *out = &state->out;
    struct sku_state *listed = NULL, *sku, *next;

    *out = (struct holdfast_state){.warehouses = state->warehouses,
                                   .warehouse_count = state->warehouse_count,
                                   .reasons = state->reasons,
                                   .reason_count = state->reason_count};
    for (size_t i = 0; i < count; i++) {
        if (lines[i]->sku[0] != '\0')
            list_sku(&listed, sku_find(state, lines[i]->sku));
        if (lines[i]->reservation[0] != '\0')
            give_reservation(state, reservation_find(state, lines[i]->reservation), &listed);
    }
    for (size_t i = 0; i < count; i++) {
        struct reservation_state *one = reservation_find(state, lines[i]->reservation);
        if (one)
            one->listed = false;
    }
    for (sku = listed; sku; sku = next) {
        next = sku->next_listed != sku ? sku->next_listed : NULL;
        sku->next_listed = NULL;
        give_sku(state, sku);
    }
    out->levels = state->levels;
    out->items = state->items;
    out->reservations = state->listed;
    return out;
}
