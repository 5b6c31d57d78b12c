/* SPDX-License-Identifier: MIT
 *
 * Which partitions are asked, and what each is sent; see fanout.h.
 */
#include "client/fanout_private.h"

#include <stdlib.h>
#include <string.h>

static uint32_t partition_of_key(const struct fanout *f, size_t i)
{
    uint8_t id[RESERVATION_ID_BYTES];
    const char *text = (const char *)f->keys[i].data;

    if (f->kind != HOLDFAST_QUERY_RESERVATION)
        return partition_of_sku(text, f->keys[i].len, f->partitions);
    if (!reservation_id_parse(text, f->keys[i].len, id))
        return 0;
    uint32_t partition = reservation_id_partition(id);
    return partition < f->partitions ? partition : 0; /* there it is unknown, as it should be */
}

bool fanout_plan(struct fanout *f, uint32_t partitions)
{
    f->partitions = partitions;
    if (f->spread == SPREAD_ONE)
        f->left = 1;
    if (f->spread == SPREAD_ALL)
        f->left = partitions;
    if (f->spread == SPREAD_KEYS) {
        f->key_partitions = pool_alloc(&f->pool, f->key_count * sizeof *f->key_partitions);
        if (!f->key_partitions)
            return false;
        for (size_t i = 0; i < f->key_count; i++) {
            bool is_new = true;
            f->key_partitions[i] = partition_of_key(f, i);
            for (size_t j = 0; j < i && is_new; j++)
                is_new = f->key_partitions[j] != f->key_partitions[i];
            f->left += is_new;
        }
    }
    f->asked = f->left;
    return true;
}

/* The lowest partition from f->next on that has a part. */
static uint32_t next_partition(const struct fanout *f)
{
    uint32_t lowest = UINT32_MAX;

    if (f->spread == SPREAD_ALL)
        return f->next;
    if (f->spread == SPREAD_ONE && f->kind == HOLDFAST_QUERY_AUDIT)
        return f->partition;
    if (f->spread == SPREAD_ONE && f->kind == HOLDFAST_QUERY_HISTORY)
        return partition_of_sku(f->sku, strlen(f->sku), f->partitions);
    if (f->spread == SPREAD_ONE && f->kind == HOLDFAST_QUERY_RUN_LINES)
        return partition_of_sku(f->run, strlen(f->run), f->partitions);
    if (f->spread == SPREAD_ONE)
        return f->kind == HOLDFAST_QUERY_MOVEMENT || f->kind == HOLDFAST_QUERY_DRY_RUN
                   ? f->partition
                   : 0;
    for (size_t i = 0; i < f->key_count; i++) {
        if (f->key_partitions[i] >= f->next && f->key_partitions[i] < lowest)
            lowest = f->key_partitions[i];
    }
    return lowest;
}

/* keys: the part's own, in order. */
static size_t keys_of_part(const struct fanout *f, uint32_t partition, ProtobufCBinaryData *keys)
{
    size_t count = 0;

    for (size_t i = 0; i < f->key_count; i++) {
        if (f->spread != SPREAD_KEYS || f->key_partitions[i] == partition)
            keys[count++] = f->keys[i];
    }
    return count;
}

union bodies {
    Hf__StockQuery stock;
    Hf__ItemQuery item;
    Hf__WarehouseQuery warehouse;
    Hf__ReasonQuery reason;
    Hf__ReservationQuery reservation;
    Hf__HistoryQuery history;
    Hf__OperationQuery operation;
    Hf__AuditQuery audit;
    Hf__RunQuery run;
    Hf__RunLinesQuery run_lines;
    Hf__MovementQuery movement;
};

static void fill_query(const struct fanout *f, Hf__Query *query, union bodies *body,
                       ProtobufCBinaryData *keys, size_t key_count)
{
    hf__query__init(query);
    query->kind_case = (Hf__Query__KindCase)f->kind;
    switch (f->kind) {
    case HOLDFAST_QUERY_STOCK:
        hf__stock_query__init(query->stock = &body->stock);
        body->stock.skus = keys;
        body->stock.n_skus = key_count;
        body->stock.after = bytes_of(f->after);
        body->stock.limit = key_count ? 0 : f->limit;
        body->stock.warehouse = bytes_of(f->warehouse);
        return;
    case HOLDFAST_QUERY_ITEM:
        hf__item_query__init(query->item = &body->item);
        body->item.skus = keys;
        body->item.n_skus = key_count;
        body->item.after = bytes_of(f->after);
        body->item.limit = key_count || f->barcode[0] ? 0 : f->limit;
        body->item.barcode = bytes_of(f->barcode);
        return;
    case HOLDFAST_QUERY_WAREHOUSE:
        hf__warehouse_query__init(query->warehouse = &body->warehouse);
        body->warehouse.after = bytes_of(f->after);
        body->warehouse.limit = f->limit;
        return;
    case HOLDFAST_QUERY_REASON:
        hf__reason_query__init(query->reason = &body->reason);
        body->reason.after = bytes_of(f->after);
        body->reason.limit = f->limit;
        return;
    case HOLDFAST_QUERY_RESERVATION:
        hf__reservation_query__init(query->reservation = &body->reservation);
        body->reservation.reservations = keys;
        body->reservation.n_reservations = key_count;
        body->reservation.order = bytes_of(f->order);
        body->reservation.sku = bytes_of(f->sku);
        body->reservation.expiring = f->expiring;
        body->reservation.limit = key_count ? 0 : f->limit;
        return;
    case HOLDFAST_QUERY_HISTORY:
        hf__history_query__init(query->history = &body->history);
        body->history.sku = bytes_of(f->sku);
        body->history.warehouse = bytes_of(f->warehouse);
        body->history.before = f->before;
        body->history.limit = f->limit;
        return;
    case HOLDFAST_QUERY_OPERATION:
        hf__operation_query__init(query->operation = &body->operation);
        body->operation.operation_ids = keys;
        body->operation.n_operation_ids = key_count;
        return;
    case HOLDFAST_QUERY_AUDIT:
        hf__audit_query__init(query->audit = &body->audit);
        body->audit.token = f->token;
        body->audit.what = (Hf__AuditWhat)f->audit;
        body->audit.bucket = f->bucket;
        if (f->has_after_id)
            body->audit.after =
                (ProtobufCBinaryData){UUID_BYTES, (uint8_t *)(uintptr_t)f->after_id};
        return;
    case HOLDFAST_QUERY_RUN:
        hf__run_query__init(query->run = &body->run);
        body->run.runs = keys;
        body->run.n_runs = key_count;
        body->run.before_us = (int64_t)f->before;
        body->run.after = bytes_of(f->run);
        body->run.limit = key_count ? 0 : f->limit;
        return;
    case HOLDFAST_QUERY_RUN_LINES:
        hf__run_lines_query__init(query->run_lines = &body->run_lines);
        body->run_lines.run = bytes_of(f->run);
        body->run_lines.after = (uint32_t)f->before;
        body->run_lines.limit = f->limit;
        return;
    case HOLDFAST_QUERY_MOVEMENT:
        hf__movement_query__init(query->movement = &body->movement);
        body->movement.sequences = f->sequences;
        body->movement.n_sequences = f->sequence_count;
        return;
    case HOLDFAST_QUERY_DRY_RUN: /* packed already */
        return;
    }
}

/* Did the caller say which one? */
static bool is_named(const struct fanout *f)
{
    return f->spread == SPREAD_ONE &&
           (f->kind == HOLDFAST_QUERY_AUDIT || f->kind == HOLDFAST_QUERY_MOVEMENT ||
            f->kind == HOLDFAST_QUERY_DRY_RUN);
}

static bool encode_part(const struct fanout *f, uint32_t partition, struct encoded *part)
{
    ProtobufCBinaryData keys[FANOUT_KEYS_MAX];
    union bodies body;
    Hf__Query query;

    if (f->dry_body) {
        part->body_bytes = f->dry_bytes;
        part->op_class = f->op_class;
        part->body = malloc(f->dry_bytes);
        if (part->body)
            memcpy(part->body, f->dry_body, f->dry_bytes);
    } else if (f->is_query) {
        fill_query(f, &query, &body, keys, keys_of_part(f, partition, keys));
        part->body_bytes = hf__query__get_packed_size(&query);
        part->op_class = f->op_class;
        part->body = malloc(part->body_bytes + 1);
        if (part->body)
            hf__query__pack(&query, part->body);
    } else {
        *part = f->settle;
        part->body = malloc(part->body_bytes + 1);
        if (part->body)
            memcpy(part->body, f->settle.body, part->body_bytes);
    }
    part->route = (struct route){.partition = partition,
                                 .field = f->is_query && is_named(f) ? "query.partition" : NULL};
    return part->body != NULL;
}

bool fanout_next(struct fanout *f, struct encoded *part)
{
    uint32_t partition = f->left > 0 ? next_partition(f) : 0;

    *part = (struct encoded){0};
    if (f->left == 0 || !encode_part(f, partition, part))
        return false;
    f->next = partition + 1;
    f->left--;
    f->flying++;
    return true;
}

uint32_t fanout_left(const struct fanout *fanout)
{
    return fanout->left;
}

uint32_t fanout_flying(const struct fanout *fanout)
{
    return fanout->flying;
}
