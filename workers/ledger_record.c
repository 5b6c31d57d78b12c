/* SPDX-License-Identifier: MIT
 *
 * Items, warehouses and reasons; and settle, which says what became of another operation.
 */
#include "workers/ledger_impl.h"

#include <string.h>

static void pack_detail(struct ledger *ledger, struct turn *turn, const ProtobufCMessage *message)
{
    size_t bytes = protobuf_c_message_get_packed_size(message);

    turn->detail.data = arena_alloc(ledger->arena, bytes);
    turn->detail.len = protobuf_c_message_pack(message, turn->detail.data);
}

/* ------------------------------------------------------------- items */

static struct barcode *barcode_find(const struct ledger *ledger, const void *bytes, size_t length)
{
    struct barcode *barcode;

    HASH_FIND(hh, ledger->barcodes, bytes, length, barcode);
    return barcode;
}

static struct barcode *barcode_obtain(struct ledger *ledger, const void *bytes, size_t length)
{
    struct barcode *barcode = barcode_find(ledger, bytes, length);

    if (!barcode) {
        barcode = must_calloc(1, sizeof *barcode);
        code_set(&barcode->code, bytes, length);
        HASH_ADD_KEYPTR(hh, ledger->barcodes, barcode->code.bytes, barcode->code.length, barcode);
    }
    return barcode;
}

void ledger_put_barcode(struct ledger *ledger, const struct code *code, const struct code *sku)
{
    struct barcode *barcode = barcode_obtain(ledger, code->bytes, code->length);

    barcode->sku.length = 0;
    if (sku)
        barcode->sku = *sku;
}

bool barcode_of_item(const struct item *item, const void *bytes, size_t length)
{
    for (size_t i = 0; i < item->barcode_count; i++) {
        if (code_is(&item->barcodes[i], bytes, length))
            return true;
    }
    return false;
}

bool barcode_loaded(const struct ledger *ledger, const void *bytes, size_t length)
{
    return barcode_find(ledger, bytes, length) != NULL;
}

/* What the batch has decided about a barcode counts before what was looked up; an item's own
 * barcodes need no looking up. */
static enum status check_barcodes(struct ledger *ledger, struct turn *turn,
                                  const struct sku_entry *entry)
{
    const Hf__PutItem *put = turn->operation->put_item;

    for (size_t i = 0; i < put->n_barcodes; i++) {
        const ProtobufCBinaryData *code = &put->barcodes[i];
        const struct barcode *barcode = barcode_find(ledger, code->data, code->len);
        if (!barcode && !barcode_of_item(&entry->item, code->data, code->len))
            return not_loaded(turn);
        if (barcode && barcode->sku.length > 0 && !code_equal(&barcode->sku, &entry->sku))
            return refuse(ledger, turn, STATUS_barcode_taken, "the barcode belongs to another item",
                          "put_item.barcodes[%zu]", i);
    }
    return STATUS_applied;
}

static void take_barcodes(struct ledger *ledger, const Hf__PutItem *put, struct sku_entry *entry)
{
    struct item *item = &entry->item;
    struct code *codes = arena_alloc(ledger->arena, put->n_barcodes * sizeof *codes);

    for (size_t i = 0; i < item->barcode_count; i++)
        barcode_obtain(ledger, item->barcodes[i].bytes, item->barcodes[i].length)->sku.length = 0;
    for (size_t i = 0; i < put->n_barcodes; i++) {
        code_set(&codes[i], put->barcodes[i].data, put->barcodes[i].len);
        barcode_obtain(ledger, codes[i].bytes, codes[i].length)->sku = entry->sku;
    }
    cache_item_barcodes(item, codes, put->n_barcodes);
}

enum status decide_put_item(struct ledger *ledger, struct turn *turn)
{
    const Hf__PutItem *put = turn->operation->put_item;
    struct sku_entry *entry = cache_sku(ledger, put->sku.data, put->sku.len);

    if (!entry)
        return not_loaded(turn);
    enum status status = check_barcodes(ledger, turn, entry);
    if (status != STATUS_applied)
        return status;

    Hf__Item record = HF__ITEM__INIT;
    record.sku = put->sku;
    record.name = put->name;
    record.barcodes = put->barcodes;
    record.n_barcodes = put->n_barcodes;
    record.reorder_point = put->reorder_point;
    pack_detail(ledger, turn, &record.base);

    take_barcodes(ledger, put, entry);
    entry->item.name_bytes = (uint8_t)put->name.len;
    if (put->name.len > 0)
        memcpy(entry->item.name, put->name.data, put->name.len);
    entry->item.name[put->name.len] = '\0';
    /* A new item was never above anything: that it has no stock yet is no news. */
    turn->reorder_point_before =
        entry->item.version > 0 ? entry->item.reorder_point : put->reorder_point;
    entry->item.reorder_point = put->reorder_point;
    turn->item = entry;
    turn->prev = entry->item.version;
    plan_record(ledger, HF__MOVEMENT_KIND__MOVEMENT_ITEM_PUT);
    return STATUS_applied;
}

/* ------------------------------------------------------------- warehouses and reasons */

static enum status put_named(struct ledger *ledger, struct turn *turn, bool is_reason,
                             const ProtobufCBinaryData *code, const ProtobufCBinaryData *name)
{
    Hf__Named record = HF__NAMED__INIT;

    record.code = *code;
    record.name = *name;
    pack_detail(ledger, turn, &record.base);
    turn->prev = 0;
    if (is_reason)
        reason_known(ledger, code->data, code->len, &turn->prev);
    else
        warehouse_known(ledger, code->data, code->len, &turn->prev);
    plan_record(ledger, is_reason ? HF__MOVEMENT_KIND__MOVEMENT_REASON_PUT
                                  : HF__MOVEMENT_KIND__MOVEMENT_WAREHOUSE_PUT);

    ledger->named =
        grow(ledger->named, ledger->named_count, &ledger->named_capacity, sizeof *ledger->named);
    struct named_change *named = &ledger->named[ledger->named_count++];
    *named = (struct named_change){.is_reason = is_reason, .version = ledger->seq + 1};
    code_set(&named->code, code->data, code->len);
    named->name = arena_copy(ledger->arena, name->data, name->len);
    named->name_bytes = name->len;
    return STATUS_applied;
}

enum status decide_put_warehouse(struct ledger *ledger, struct turn *turn)
{
    const Hf__PutWarehouse *put = turn->operation->put_warehouse;

    return put_named(ledger, turn, false, &put->warehouse, &put->name);
}

enum status decide_put_reason(struct ledger *ledger, struct turn *turn)
{
    const Hf__PutReason *put = turn->operation->put_reason;

    turn->reason = put->reason;
    return put_named(ledger, turn, true, &put->reason, &put->name);
}

/* ------------------------------------------------------------- settle */

static Hf__Result *settled(struct ledger *ledger, const struct turn *turn,
                           Hf__SettleOutcome outcome, const struct movement *rows, size_t count)
{
    const ProtobufCBinaryData *id = &turn->operation->operation_id;
    Hf__Result *result = result_new(STATUS_applied, id->data, id->len, ledger->arena);

    result->partition = ledger->partition;
    result->settle = outcome;
    if (count == 0)
        return result;
    Hf__Result *first = result_from_movements(rows, count, rows->claim_id, true, ledger->arena);
    result->sequence = first->sequence;
    result->claim_id = first->claim_id;
    if (outcome == HF__SETTLE_OUTCOME__SETTLE_APPLIED)
        result->settled = first;
    return result;
}

/* The void is a row under the settled id, so that the UNIQUE key refuses whatever comes late; its
 * hash is that of the settle, and its kind alone keeps every body from matching. */
static void write_void(struct ledger *ledger, struct turn *turn, const uint8_t *id)
{
    plan_begin(ledger);
    plan_record(ledger, HF__MOVEMENT_KIND__MOVEMENT_VOIDED);
    body_hash(ledger, turn);
    turn->operation_id = id;
    batch_apply(ledger, turn);
    turn->decision->wrote = true;
}

Hf__Result *decide_settle(struct ledger *ledger, struct turn *turn)
{
    const uint8_t *id = turn->operation->settle->operation_id.data;
    const struct known *known = known_find(ledger, id);
    bool too_old =
        uuid_version(id) == 7 && ledger->now_us - uuid_time_us(id) > ledger->limits->idempotency_us;

    if (!known)
        return NULL;
    if (known->count == 0 && too_old) {
        /* Its rows may have been pruned, and no attempt of it will ever run. */
        const ProtobufCBinaryData *own = &turn->operation->operation_id;
        Hf__Result *result =
            result_new(STATUS_operation_id_expired, own->data, own->len, ledger->arena);
        const char *text = status_text(STATUS_operation_id_expired);
        result->partition = ledger->partition;
        result->field = arena_printf(ledger->arena, "settle.operation_id");
        result->message = arena_copy(ledger->arena, text, strlen(text));
        return result;
    }
    if (known->count == 0) {
        write_void(ledger, turn, id);
        known = known_find(ledger, id);
    }
    const struct movement *rows = known_rows(ledger, known);
    bool is_void = rows->kind == HF__MOVEMENT_KIND__MOVEMENT_VOIDED;
    return settled(ledger, turn,
                   is_void ? HF__SETTLE_OUTCOME__SETTLE_VOID : HF__SETTLE_OUTCOME__SETTLE_APPLIED,
                   rows, known->count);
}

void ledger_put_operation(struct ledger *ledger, const uint8_t operation_id[UUID_BYTES],
                          const struct movement *movements, size_t count)
{
    struct known known = {.count = count};

    memcpy(known.id, operation_id, UUID_BYTES);
    if (count > 0) {
        struct movement *rows = arena_copy(&ledger->lookups, movements, count * sizeof *movements);
        for (size_t i = 0; i < count; i++) {
            ProtobufCBinaryData *texts[] = {&rows[i].order, &rows[i].reason, &rows[i].reference,
                                            &rows[i].note,  &rows[i].actor,  &rows[i].principal,
                                            &rows[i].trace, &rows[i].detail};
            for (size_t t = 0; t < sizeof texts / sizeof texts[0]; t++)
                texts[t]->data = arena_copy(&ledger->lookups, texts[t]->data, texts[t]->len);
        }
        known.rows = rows;
    }
    known_put(ledger, &known);
}
