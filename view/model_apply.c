/* SPDX-License-Identifier: MIT
 *
 * Movements, and where a partition stands. A message is checked whole before anything of it is
 * taken, so that a bad one changes nothing.
 */
#include <string.h>

#include "view/model_impl.h"

/* ------------------------------------------------------------- checking */

static bool is_code(const ProtobufCBinaryData *bytes)
{
    return code_fault(bytes->data, bytes->len) == NULL;
}

static bool is_code_or_none(const ProtobufCBinaryData *bytes)
{
    return bytes->len == 0 || is_code(bytes);
}

static bool item_is_good(const Hf__Item *item)
{
    for (size_t i = 0; i < item->n_barcodes; i++) {
        if (!is_code(&item->barcodes[i]))
            return false;
    }
    return item->name.len <= NAME_BYTES_MAX;
}

static bool is_of_partition(const struct model *model, uint32_t partition,
                            const ProtobufCBinaryData *sku)
{
    return partition_of_sku(sku->data, sku->len, model->partition_count) == partition;
}

static bool movement_is_good(const struct model *model, uint32_t partition, const Hf__Movement *m)
{
    uint8_t id[RESERVATION_ID_BYTES];

    if (!is_code_or_none(&m->sku) || !is_code_or_none(&m->warehouse) ||
        m->order.len > CODE_BYTES_MAX || m->actor.len > CODE_BYTES_MAX)
        return false;
    if (m->sku.len > 0 && !is_of_partition(model, partition, &m->sku))
        return false;
    if (m->after && (m->sku.len == 0 || m->warehouse.len == 0))
        return false;
    if (m->line_after && (!m->after || m->line >= LINES_MAX))
        return false;
    if (m->item && (m->sku.len == 0 || !item_is_good(m->item)))
        return false;
    if (m->named && (!is_code(&m->named->code) || m->named->name.len > NAME_BYTES_MAX))
        return false;
    return m->reservation.len == 0 ||
           reservation_id_parse((const char *)m->reservation.data, m->reservation.len, id);
}

static bool movements_are_good(const struct model *model, uint32_t partition, uint64_t after,
                               Hf__Movement *const *movements, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (movements[i]->sequence != after + 1 + i ||
            !movement_is_good(model, partition, movements[i]))
            return false;
    }
    return true;
}

/* ------------------------------------------------------------- one movement */

static void apply_item(struct model *model, const Hf__Movement *m)
{
    uint32_t sku = sku_obtain(model, m->sku.data, m->sku.len);

    item_set(model, sku, m->item->name.data, m->item->name.len, m->item->reorder_point,
             m->sequence);
    barcodes_clear(model, sku);
    for (size_t i = 0; i < m->item->n_barcodes; i++)
        barcode_add(model, sku, m->item->barcodes[i].data, m->item->barcodes[i].len);
}

static void apply_level(struct model *model, const Hf__Movement *m)
{
    const Hf__Level *after = m->after;
    struct figures now = {
        .on_hand = after->on_hand,
        .reserved = after->reserved,
        .committed = after->committed,
        .unavailable = after->unavailable,
        .safety_stock = after->safety_stock,
        .reorder_point = after->reorder_point,
    };
    uint32_t warehouse = warehouse_obtain(model, m->warehouse.data, m->warehouse.len);

    if (warehouse != NONE)
        level_set(model, sku_obtain(model, m->sku.data, m->sku.len), warehouse, &now, m->sequence,
                  after->on_hand_version);
}

static void apply_movement(struct model *model, uint32_t partition, const Hf__Movement *m)
{
    uint8_t id[RESERVATION_ID_BYTES];

    if (m->item)
        apply_item(model, m);
    if (m->named && m->kind == HF__MOVEMENT_KIND__MOVEMENT_WAREHOUSE_PUT) {
        uint32_t at = warehouse_obtain(model, m->named->code.data, m->named->code.len);
        if (at != NONE)
            warehouse_name(model, at, m->named->name.data, m->named->name.len, m->sequence);
    }
    if (m->after)
        apply_level(model, m);
    if (m->reservation.len > 0 &&
        reservation_id_parse((const char *)m->reservation.data, m->reservation.len, id))
        reservation_movement(model, partition, m, id);
    events_movement(model, partition, m);
    model->counts.movements++;
}

static void apply_from(struct model *model, struct partition_row *row,
                       Hf__Movement *const *movements, size_t count)
{
    uint32_t partition = (uint32_t)(row - model->partitions);

    digest_mark(model, partition);
    for (size_t i = 0; i < count; i++) {
        if (movements[i]->sequence != row->sequence + 1)
            continue; /* known already */
        apply_movement(model, partition, movements[i]);
        row->sequence++;
    }
}

/* ------------------------------------------------------------- what was heard */

static bool same_claim(const struct partition_row *row, const ProtobufCBinaryData *claim_id)
{
    return claim_id->len == sizeof row->claim_id &&
           memcmp(row->claim_id, claim_id->data, sizeof row->claim_id) == 0;
}

/* May a message of this partition and claim be compared with our sequence? */
static enum model_outcome judge(const struct model *model, uint32_t partition,
                                const ProtobufCBinaryData *claim_id)
{
    if (partition >= model->partition_count || claim_id->len != sizeof model->partitions->claim_id)
        return MODEL_INVALID;
    const struct partition_row *row = &model->partitions[partition];
    if (!row->known)
        return MODEL_UNKNOWN;
    return same_claim(row, claim_id) ? MODEL_DONE : MODEL_CLAIM;
}

enum model_outcome model_changes(struct model *model, const Hf__PartitionChanges *changes)
{
    enum model_outcome outcome = judge(model, changes->partition, &changes->claim_id);

    if (outcome == MODEL_INVALID || !movements_are_good(model, changes->partition, changes->after,
                                                        changes->movements, changes->n_movements))
        return MODEL_INVALID;
    if (outcome != MODEL_DONE)
        return outcome;
    struct partition_row *row = &model->partitions[changes->partition];
    if (changes->after + changes->n_movements <= row->sequence)
        return MODEL_OLD;
    if (changes->after > row->sequence)
        return MODEL_GAP;
    apply_from(model, row, changes->movements, changes->n_movements);
    return MODEL_DONE;
}

static void freshen(struct partition_row *row, int64_t asked_us)
{
    if (asked_us > row->fresh_us)
        row->fresh_us = asked_us;
}

enum model_outcome model_beacon(struct model *model, const Hf__Position *position, int64_t asked_us)
{
    enum model_outcome outcome = judge(model, position->partition, &position->claim_id);

    if (outcome != MODEL_DONE)
        return outcome;
    struct partition_row *row = &model->partitions[position->partition];
    if (position->sequence > row->sequence)
        return MODEL_GAP;
    freshen(row, asked_us);
    return MODEL_DONE;
}

enum model_outcome model_ledger(struct model *model, uint64_t after, Hf__Movement *const *movements,
                                size_t count, const Hf__Position *to, bool complete,
                                int64_t asked_us)
{
    if (to->partition >= model->partition_count ||
        to->claim_id.len != sizeof model->partitions->claim_id ||
        !movements_are_good(model, to->partition, after, movements, count) ||
        (complete && after + count != to->sequence))
        return MODEL_INVALID;
    struct partition_row *row = &model->partitions[to->partition];
    if (!row->known || row->sequence != after)
        return MODEL_OLD;
    apply_from(model, row, movements, count);
    /* Those of the last movement, when there are more: it was in the same snapshot. */
    const ProtobufCBinaryData *claim =
        complete || count == 0 ? &to->claim_id : &movements[count - 1]->claim_id;
    if (claim->len == sizeof row->claim_id)
        memcpy(row->claim_id, claim->data, sizeof row->claim_id);
    if (complete)
        freshen(row, asked_us);
    return MODEL_DONE;
}
