/* SPDX-License-Identifier: MIT
 *
 * What a batch needs to have in memory before it is decided, so that the worker can load all of it
 * in one round trip a kind.
 */
#include "workers/ledger_impl.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

void needs_release(struct needs *needs)
{
    free(needs->items);
    free(needs->index);
    memset(needs, 0, sizeof *needs);
}

static bool same_need(const struct need *a, const struct need *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case NEED_SKU:
    case NEED_BARCODE:
        return code_equal(&a->code, &b->code);
    case NEED_RESERVATION:
        return memcmp(a->id, b->id, RESERVATION_ID_BYTES) == 0;
    case NEED_OPERATION:
        return memcmp(a->id, b->id, UUID_BYTES) == 0;
    case NEED_RUN:
        return code_equal(&a->code, &b->code);
    case NEED_RUN_BLOCK:
        return a->number == b->number && code_equal(&a->code, &b->code);
    case NEED_CATALOG:
        return true;
    }
    return false;
}

/* One operation may name a thousand skus, and a batch has hundreds, so what is there already is
 * found by hash. A bucket names an item, and counts only if that item names the bucket (the sparse
 * set of Briggs and Torczon, 1993): with count set to 0 it is empty, and nobody has to clear it. */
#define BUCKETS_FIRST 1024u

static uint32_t hash_of(const struct need *need)
{
    bool by_code = need->code.length > 0;
    const void *bytes = by_code ? (const void *)need->code.bytes : need->id;
    size_t length = by_code ? need->code.length : sizeof need->id;

    return (uint32_t)XXH3_64bits_withSeed(bytes, length,
                                          (uint64_t)need->number << 8 | (uint64_t)need->kind);
}

/* Where it is, or belongs. */
static uint32_t bucket_of(const struct needs *needs, const struct need *need)
{
    uint32_t mask = (uint32_t)needs->buckets - 1, bucket = hash_of(need) & mask;

    for (;; bucket = (bucket + 1) & mask) {
        uint32_t at = needs->index[bucket];
        if (at >= needs->count || needs->items[at].bucket != bucket ||
            same_need(&needs->items[at], need))
            return bucket;
    }
}

static bool is_taken(const struct needs *needs, uint32_t bucket)
{
    uint32_t at = needs->index[bucket];

    return at < needs->count && needs->items[at].bucket == bucket;
}

static void enter(struct needs *needs, size_t at)
{
    uint32_t bucket = bucket_of(needs, &needs->items[at]);

    needs->index[bucket] = (uint32_t)at;
    needs->items[at].bucket = bucket;
}

static void make_room(struct needs *needs)
{
    size_t count = needs->count;

    needs->items = grow(needs->items, count, &needs->capacity, sizeof *needs->items);
    if ((count + 1) * 2 <= needs->buckets)
        return;
    needs->buckets = needs->buckets ? needs->buckets * 2 : BUCKETS_FIRST;
    free(needs->index);
    needs->index = calloc(needs->buckets, sizeof *needs->index);
    if (!needs->index)
        abort();
    for (needs->count = 0; needs->count < count; needs->count++)
        enter(needs, needs->count);
}

static void append(struct needs *needs, const struct need *need)
{
    make_room(needs);
    if (is_taken(needs, bucket_of(needs, need)))
        return;
    needs->items[needs->count] = *need;
    enter(needs, needs->count);
    needs->count++;
}

static void need_code(struct needs *needs, enum need_kind kind, const void *bytes, size_t length)
{
    struct need need = {.kind = kind};

    code_set(&need.code, bytes, length);
    append(needs, &need);
}

static void need_id(struct needs *needs, enum need_kind kind, const uint8_t *id, size_t bytes)
{
    struct need need = {.kind = kind};

    memcpy(need.id, id, bytes);
    append(needs, &need);
}

static void need_catalog(struct ledger *ledger, struct needs *needs)
{
    struct need need = {.kind = NEED_CATALOG};

    if (ledger->catalog_asked)
        return;
    ledger->catalog_asked = true;
    append(needs, &need);
}

static void need_sku(const struct ledger *ledger, const void *bytes, size_t length,
                     struct needs *needs)
{
    if (!cache_sku(ledger, bytes, length))
        need_code(needs, NEED_SKU, bytes, length);
}

static void need_operation(const struct ledger *ledger, const uint8_t *id, struct needs *needs)
{
    if (!known_find(ledger, id))
        need_id(needs, NEED_OPERATION, id, UUID_BYTES);
}

static void need_warehouse(struct ledger *ledger, const ProtobufCBinaryData *code,
                           struct needs *needs)
{
    uint64_t version;

    if (!warehouse_known(ledger, code->data, code->len, &version))
        need_catalog(ledger, needs);
}

static void need_reason(struct ledger *ledger, const ProtobufCBinaryData *code, struct needs *needs)
{
    uint64_t version;

    if (!reason_known(ledger, code->data, code->len, &version))
        need_catalog(ledger, needs);
}

static void need_run(const struct ledger *ledger, const ProtobufCBinaryData *run,
                     struct needs *needs)
{
    if (!cache_run(ledger, run->data, run->len))
        need_code(needs, NEED_RUN, run->data, run->len);
}

static void need_run_block(const struct ledger *ledger, const Hf__RecordRun *record,
                           struct needs *needs)
{
    struct need need = {.kind = NEED_RUN_BLOCK,
                        .number = (record->lines[0]->line - 1) / RUN_BLOCK_LINES};

    if (cache_run_block(ledger, record->run.data, record->run.len, need.number))
        return;
    code_set(&need.code, record->run.data, record->run.len);
    append(needs, &need);
}

/* What is undone; once it is loaded, its skus. */
static void need_undone(const struct ledger *ledger, const uint8_t *id, struct needs *needs)
{
    const struct known *known = known_find(ledger, id);

    need_operation(ledger, id, needs);
    for (size_t i = 0; known && i < known->count; i++) {
        const struct code *sku = &known_rows(ledger, known)[i].sku;
        if (sku->length > 0)
            need_sku(ledger, sku->bytes, sku->length, needs);
    }
}

/* The reservation; once it is loaded, the skus of its lines. */
static void need_reservation(const struct ledger *ledger, const uint8_t *id, struct needs *needs)
{
    const struct reservation_entry *entry = cache_reservation(ledger, id);

    if (!entry) {
        need_id(needs, NEED_RESERVATION, id, RESERVATION_ID_BYTES);
        return;
    }
    for (size_t i = 0; i < entry->reservation.line_count; i++) {
        const struct code *sku = &entry->reservation.lines[i].sku;
        need_sku(ledger, sku->bytes, sku->length, needs);
    }
}

/* What the expiry of a reservation took, for whoever wants it back. */
static void need_expiry(const struct ledger *ledger, const uint8_t *reservation_id,
                        struct needs *needs)
{
    const struct reservation_entry *entry = cache_reservation(ledger, reservation_id);
    uint8_t id[UUID_BYTES];

    if (!entry || entry->reservation.state != HF__RESERVATION_STATE__RESERVATION_EXPIRED)
        return;
    for (uint32_t back = 0; back < REVIVE_REVISIONS && back < entry->reservation.revision; back++) {
        expiry_operation_id(id, entry->id, entry->reservation.revision - back);
        need_operation(ledger, id, needs);
    }
}

static void need_barcodes(const struct ledger *ledger, const Hf__PutItem *put, struct needs *needs)
{
    const struct sku_entry *entry = cache_sku(ledger, put->sku.data, put->sku.len);

    for (size_t i = 0; i < put->n_barcodes; i++) {
        const ProtobufCBinaryData *code = &put->barcodes[i];
        if (!barcode_loaded(ledger, code->data, code->len) &&
            !(entry && barcode_of_item(&entry->item, code->data, code->len)))
            need_code(needs, NEED_BARCODE, code->data, code->len);
    }
}

static void need_codes(struct ledger *ledger, const Hf__Operation *operation,
                       const struct checked *checked, struct needs *needs)
{
    if (checked->reason && checked->reason->len > 0)
        need_reason(ledger, checked->reason, needs);
    for (size_t i = 0; i < checked->warehouse_count; i++)
        need_warehouse(ledger, checked->warehouses[i], needs);
    for (size_t i = 0; i < checked->list.count && !checked->on_reservation; i++) {
        const Hf__Line *line = checked->list.lines[i];
        need_sku(ledger, line->sku.data, line->sku.len, needs);
        if (line->warehouse.len > 0)
            need_warehouse(ledger, &line->warehouse, needs);
    }
    if (operation->kind_case == HF__OPERATION__KIND_RESERVE) {
        for (size_t i = 0; i < operation->reserve->n_warehouses; i++)
            need_warehouse(ledger, &operation->reserve->warehouses[i], needs);
    }
    /* Their movements name the one before. */
    if (operation->kind_case == HF__OPERATION__KIND_PUT_WAREHOUSE)
        need_warehouse(ledger, &operation->put_warehouse->warehouse, needs);
    if (operation->kind_case == HF__OPERATION__KIND_PUT_REASON)
        need_reason(ledger, &operation->put_reason->reason, needs);
}

/* A reservation or a run that a first attempt is to make is there already: look how. A later
 * attempt of the same may have come first. */
static bool made_before(const struct ledger *ledger, const Hf__Operation *operation)
{
    uint8_t id[RESERVATION_ID_BYTES];

    if (operation->kind_case == HF__OPERATION__KIND_BEGIN_RUN) {
        const ProtobufCBinaryData *name = &operation->begin_run->run;
        const struct run_entry *run = cache_run(ledger, name->data, name->len);
        return run && run->run.version > 0;
    }
    if (operation->kind_case != HF__OPERATION__KIND_RESERVE)
        return false;
    reservation_id_make(id, ledger->partition, operation->operation_id.data);
    const struct reservation_entry *entry = cache_reservation(ledger, id);
    return entry && entry->reservation.revision > 0;
}

void ledger_need(struct ledger *ledger, const Hf__Operation *operation, uint16_t attempt,
                 bool look_up_ids, struct needs *needs)
{
    struct checked checked;

    if (validate_operation(operation, ledger->limits->partitions, NULL, &checked) != STATUS_applied)
        return;
    if (operation->kind_case == HF__OPERATION__KIND_SETTLE) {
        need_operation(ledger, operation->settle->operation_id.data, needs);
        return;
    }
    if (!checked.any_partition && checked.partition != ledger->partition)
        return;
    if (attempt != 1 || look_up_ids || made_before(ledger, operation))
        need_operation(ledger, operation->operation_id.data, needs);
    if (checked.list.count > ledger->limits->lines)
        return;
    if (checked.on_reservation)
        need_reservation(ledger, checked.reservation_id, needs);
    if (operation->kind_case == HF__OPERATION__KIND_PURCHASE && operation->purchase->revive)
        need_expiry(ledger, checked.reservation_id, needs);
    if (checked.sku)
        need_sku(ledger, checked.sku->data, checked.sku->len, needs);
    if (operation->kind_case == HF__OPERATION__KIND_PUT_ITEM)
        need_barcodes(ledger, operation->put_item, needs);
    if (operation->kind_case == HF__OPERATION__KIND_BEGIN_RUN)
        need_run(ledger, &operation->begin_run->run, needs);
    if (operation->kind_case == HF__OPERATION__KIND_RECORD_RUN) {
        need_run(ledger, &operation->record_run->run, needs);
        need_run_block(ledger, operation->record_run, needs);
    }
    if (operation->kind_case == HF__OPERATION__KIND_UNDO)
        need_undone(ledger, operation->undo->operation_id.data, needs);
    need_codes(ledger, operation, &checked, needs);
}

struct due_needs {
    const struct ledger *ledger;
    struct needs *needs;
};

static void need_due(void *data, const uint8_t *id)
{
    const struct due_needs *due = data;

    need_reservation(due->ledger, id, due->needs);
}

void ledger_need_due(struct ledger *ledger, int64_t now_us, size_t limit, struct needs *needs)
{
    struct due_needs due = {ledger, needs};
    bool more;

    due_collect(&ledger->due, now_us, limit, &more, need_due, &due);
}
