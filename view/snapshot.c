/* SPDX-License-Identifier: MIT
 *
 * See snapshot.h. Rows come sorted, so the item of a level is the last one named or the next.
 */
#include "view/snapshot.h"

#include <stdlib.h>
#include <string.h>

#include "view/slab.h"

struct snapshot *snapshot_new(uint32_t partition)
{
    struct snapshot *snapshot = calloc(1, sizeof *snapshot);

    if (!snapshot)
        abort();
    snapshot->partition = partition;
    arena_init(&snapshot->texts);
    return snapshot;
}

void snapshot_destroy(struct snapshot **snapshot)
{
    struct snapshot *s = *snapshot;

    if (!s)
        return;
    arena_release(&s->texts);
    free(s->items);
    free(s->levels);
    free(s->barcodes);
    free(s->reservations);
    free(s->lines);
    free(s->warehouses);
    free(s->named);
    free(s);
    *snapshot = NULL;
}

static struct snapshot_text keep(struct snapshot *s, struct snapshot_text text)
{
    return (struct snapshot_text){arena_copy(&s->texts, text.bytes, text.length), text.length};
}

static int compare(struct snapshot_text a, struct snapshot_text b)
{
    int order = memcmp(a.bytes, b.bytes, a.length < b.length ? a.length : b.length);

    return order != 0 ? order : (a.length > b.length) - (a.length < b.length);
}

void snapshot_item(struct snapshot *s, struct snapshot_text sku, struct snapshot_text name,
                   uint32_t reorder_point, uint64_t version)
{
    s->items = array_room(s->items, s->item_count, &s->item_capacity, sizeof *s->items);
    s->items[s->item_count++] = (struct snapshot_item){
        .sku = keep(s, sku), .name = keep(s, name), .reorder_point = reorder_point, version};
}

static bool find_item(struct snapshot *s, struct snapshot_text sku)
{
    size_t low = 0, high = s->item_count;

    for (size_t i = s->hint; i < s->item_count && i < s->hint + 2; i++) {
        if (compare(s->items[i].sku, sku) == 0) {
            s->hint = i;
            return true;
        }
    }
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(s->items[middle].sku, sku) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    s->hint = low < s->item_count ? low : 0;
    return low < s->item_count && compare(s->items[low].sku, sku) == 0;
}

/* Levels are sorted by sku and warehouse, so the next one is often the one after the last. */
static uint32_t find_warehouse(struct snapshot *s, struct snapshot_text code)
{
    for (size_t i = 0; i < s->warehouse_count; i++) {
        size_t at = (s->warehouse_hint + i) % s->warehouse_count;
        if (compare(s->warehouses[at], code) != 0)
            continue;
        s->warehouse_hint = at + 1;
        return (uint32_t)at;
    }
    s->warehouses = array_room(s->warehouses, s->warehouse_count, &s->warehouse_capacity,
                               sizeof *s->warehouses);
    s->warehouses[s->warehouse_count] = keep(s, code);
    s->warehouse_hint = s->warehouse_count + 1;
    return (uint32_t)s->warehouse_count++;
}

bool snapshot_level(struct snapshot *s, struct snapshot_text sku, struct snapshot_text warehouse,
                    const struct figures *now, uint64_t version, uint64_t on_hand_version)
{
    if (!find_item(s, sku))
        return false;
    s->levels = array_room(s->levels, s->level_count, &s->level_capacity, sizeof *s->levels);
    s->levels[s->level_count++] = (struct snapshot_level){
        .item = (uint32_t)s->hint,
        .warehouse = find_warehouse(s, warehouse),
        .now = *now,
        .version = version,
        .on_hand_version = on_hand_version,
    };
    return true;
}

bool snapshot_barcode(struct snapshot *s, struct snapshot_text sku, struct snapshot_text barcode)
{
    if (!find_item(s, sku))
        return false;
    s->barcodes =
        array_room(s->barcodes, s->barcode_count, &s->barcode_capacity, sizeof *s->barcodes);
    s->barcodes[s->barcode_count++] =
        (struct snapshot_barcode){(uint32_t)s->hint, keep(s, barcode)};
    return true;
}

void snapshot_reservation(struct snapshot *s, const struct snapshot_reservation *reservation)
{
    s->reservations = array_room(s->reservations, s->reservation_count, &s->reservation_capacity,
                                 sizeof *s->reservations);
    struct snapshot_reservation *row = &s->reservations[s->reservation_count++];
    *row = *reservation;
    row->order = keep(s, reservation->order);
    row->actor = keep(s, reservation->actor);
    row->first_line = s->line_count;
    row->line_count = 0;
}

void snapshot_line(struct snapshot *s, const struct snapshot_line *line,
                   struct snapshot_text warehouse)
{
    s->lines = array_room(s->lines, s->line_count, &s->line_capacity, sizeof *s->lines);
    struct snapshot_line *row = &s->lines[s->line_count++];
    *row = *line;
    row->sku = keep(s, line->sku);
    row->warehouse = find_warehouse(s, warehouse);
    s->reservations[s->reservation_count - 1].line_count++;
}

void snapshot_named(struct snapshot *s, struct snapshot_text code, struct snapshot_text name,
                    uint64_t version)
{
    s->named = array_room(s->named, s->named_count, &s->named_capacity, sizeof *s->named);
    s->named[s->named_count++] = (struct snapshot_named){keep(s, code), keep(s, name), version};
}
