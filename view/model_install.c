/* SPDX-License-Identifier: MIT
 *
 * Snapshots: everything of a partition, at once; and forgetting it.
 */
#include <assert.h>
#include <string.h>

#include "view/model_impl.h"

static void clear(struct model *model, uint32_t partition)
{
    struct partition_row *row = &model->partitions[partition];

    for (uint32_t sku = 0; sku < model->sku_count; sku++) {
        if (model->skus[sku].partition == partition && model->skus[sku].version != 0)
            item_clear(model, sku);
    }
    reservations_forget(model, partition);
    for (uint32_t i = 0; partition == 0 && i < model->warehouse_count; i++)
        warehouse_name(model, i, "", 0, 0);
    digest_settle(model);
    row->mark_count = row->next_mark = 0;
}

static void install_items(struct model *model, const struct snapshot *s)
{
    for (size_t i = 0, l = 0, b = 0; i < s->item_count; i++) {
        const struct snapshot_item *item = &s->items[i];
        uint32_t sku = sku_obtain(model, item->sku.bytes, item->sku.length);
        item_set(model, sku, item->name.bytes, item->name.length, item->reorder_point,
                 item->version);
        for (; l < s->level_count && s->levels[l].item == i; l++) {
            const struct snapshot_level *level = &s->levels[l];
            const struct snapshot_text *code = &s->warehouses[level->warehouse];
            uint32_t warehouse = warehouse_obtain(model, code->bytes, code->length);
            if (warehouse != NONE)
                level_set(model, sku, warehouse, &level->now, level->version,
                          level->on_hand_version);
        }
        for (; b < s->barcode_count && s->barcodes[b].item == i; b++)
            barcode_add(model, sku, s->barcodes[b].barcode.bytes, s->barcodes[b].barcode.length);
    }
}

void model_install(struct model *model, struct snapshot **snapshot, int64_t asked_us)
{
    struct snapshot *s = *snapshot;

    assert(s->partition < model->partition_count);
    struct partition_row *row = &model->partitions[s->partition];
    uint64_t told = row->known ? row->sequence : row->told;
    if (told > 0 && told < s->sequence)
        events_break(model, s->partition, RECENT_PASSED_OVER, told, s->sequence);
    if (row->known) /* otherwise nothing of it is here: looking would cost a pass over all skus */
        clear(model, s->partition);
    install_items(model, s);
    for (size_t i = 0; i < s->named_count; i++) {
        const struct snapshot_named *named = &s->named[i];
        uint32_t at = warehouse_obtain(model, named->code.bytes, named->code.length);
        if (at != NONE)
            warehouse_name(model, at, named->name.bytes, named->name.length, named->version);
    }
    for (size_t i = 0; i < s->reservation_count; i++)
        reservation_install(model, s, &s->reservations[i]);
    row->known = true;
    row->sequence = s->sequence;
    memcpy(row->claim_id, s->claim_id, sizeof row->claim_id);
    row->fresh_us = asked_us;
    model->counts.snapshots++;
    snapshot_destroy(snapshot);
}

void model_forget(struct model *model, uint32_t partition, bool lost)
{
    assert(partition < model->partition_count);
    struct partition_row *row = &model->partitions[partition];
    if (row->known)
        clear(model, partition);
    if (lost)
        events_break(model, partition, RECENT_HISTORY_LOST, row->known ? row->sequence : row->told,
                     0);
    row->told = lost ? 0 : row->known ? row->sequence : row->told;
    row->known = false;
    row->sequence = 0;
    if (lost) {
        row->lost++;
        model->counts.history_lost++;
    }
}
