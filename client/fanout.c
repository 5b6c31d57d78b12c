/* SPDX-License-Identifier: MIT
 *
 * What is asked of several partitions, checked and kept; see fanout.h.
 */
#include "client/fanout_private.h"

#include <stdlib.h>
#include <string.h>

#include "client/dry.h"

#define LIMIT_DEFAULT 100u
#define LIMIT_MAX 1000u
#define ORDER_BYTES_MAX 64u

static bool no_memory(struct fault *fault)
{
    return fault_set(fault, HOLDFAST_UNAVAILABLE, "", "out of memory; nothing was sent");
}

static bool keep_text(struct fanout *f, const char **to, const char *from, struct fault *fault)
{
    *to = from ? pool_text(&f->pool, from, strlen(from)) : "";
    return *to || no_memory(fault);
}

/* The key as it goes on the wire; false when it is not valid. */
static bool keep_key(struct fanout *f, size_t i, const char *key, struct fault *fault)
{
    uint8_t id[UUID_BYTES];
    const char *why = key ? NULL : "is missing";
    size_t length = key ? strlen(key) : 0;
    const void *bytes = key;

    if (!why && f->kind == HOLDFAST_QUERY_OPERATION) {
        why = uuid_parse(key, id) ? NULL : "is not a UUID";
        bytes = id;
        length = UUID_BYTES;
    } else if (!why && f->kind == HOLDFAST_QUERY_RESERVATION) {
        why = reservation_id_parse(key, length, id) ? NULL : "is not a reservation id (R-…)";
    } else if (!why) {
        why = code_fault(key, length);
    }
    if (why)
        return fault_set(fault, HOLDFAST_INVALID, "skus", "skus[%zu] %s", i, why);
    char *kept = pool_text(&f->pool, bytes, length);
    if (!kept)
        return no_memory(fault);
    f->keys[i] = (ProtobufCBinaryData){.len = length, .data = (uint8_t *)kept};
    return true;
}

static bool keep_keys(struct fanout *f, const struct holdfast_query *query, struct fault *fault)
{
    if (query->sku_count > FANOUT_KEYS_MAX)
        return fault_set(fault, HOLDFAST_TOO_LARGE, "skus", "skus has more than %u",
                         FANOUT_KEYS_MAX);
    if (query->sku_count > 0 && !query->skus)
        return fault_set(fault, HOLDFAST_INVALID, "skus", "skus is missing");
    f->key_count = query->sku_count;
    if (f->key_count == 0)
        return true;
    f->keys = pool_alloc(&f->pool, f->key_count * sizeof *f->keys);
    if (!f->keys)
        return no_memory(fault);
    for (size_t i = 0; i < f->key_count; i++) {
        if (!keep_key(f, i, query->skus[i], fault))
            return false;
    }
    return true;
}

static bool check(const struct holdfast_query *query, struct fault *fault)
{
    if (query->kind < HOLDFAST_QUERY_STOCK || query->kind > HOLDFAST_QUERY_DRY_RUN)
        return fault_set(fault, HOLDFAST_INVALID, "kind", "kind is not one of holdfast.h");
    if (query->limit > LIMIT_MAX)
        return fault_set(fault, HOLDFAST_INVALID, "limit", "limit is more than %u", LIMIT_MAX);
    if (query->kind == HOLDFAST_QUERY_AUDIT && query->token == 0)
        return fault_set(fault, HOLDFAST_INVALID, "token", "token is 0");
    uint8_t id[UUID_BYTES];
    if (query->kind == HOLDFAST_QUERY_AUDIT && query->after && !uuid_parse(query->after, id))
        return fault_set(fault, HOLDFAST_INVALID, "after", "after is not an operation id");
    if (query->kind == HOLDFAST_QUERY_HISTORY && !check_code(fault, "sku", query->sku))
        return false;
    if (query->kind == HOLDFAST_QUERY_RUN_LINES && !check_code(fault, "run", query->run))
        return false;
    if (query->kind == HOLDFAST_QUERY_MOVEMENT &&
        (!query->sequences || query->sequence_count < 1 || query->sequence_count > FANOUT_KEYS_MAX))
        return fault_set(fault, HOLDFAST_INVALID, "sequences", "sequences must be 1 to %u",
                         FANOUT_KEYS_MAX);
    if (query->kind == HOLDFAST_QUERY_OPERATION && query->sku_count == 0)
        return fault_set(fault, HOLDFAST_INVALID, "skus", "no operation id is named");
    return check_optional_code(fault, "after", query->after) &&
           check_optional_code(fault, "run", query->run) &&
           check_optional_code(fault, "warehouse", query->warehouse) &&
           check_optional_code(fault, "barcode", query->barcode) &&
           check_optional_code(fault, "sku", query->sku) &&
           check_text(fault, "order", query->order, ORDER_BYTES_MAX);
}

static enum spread spread_of(const struct fanout *f)
{
    switch (f->kind) {
    case HOLDFAST_QUERY_STOCK:
    case HOLDFAST_QUERY_ITEM:
    case HOLDFAST_QUERY_RESERVATION:
    case HOLDFAST_QUERY_RUN:
        return f->key_count > 0 ? SPREAD_KEYS : SPREAD_ALL;
    case HOLDFAST_QUERY_WAREHOUSE:
    case HOLDFAST_QUERY_REASON:
    case HOLDFAST_QUERY_HISTORY:
    case HOLDFAST_QUERY_RUN_LINES:
    case HOLDFAST_QUERY_MOVEMENT:
    case HOLDFAST_QUERY_DRY_RUN:
        return SPREAD_ONE;
    case HOLDFAST_QUERY_OPERATION:
        return SPREAD_ALL;
    case HOLDFAST_QUERY_AUDIT:
        return f->one_partition ? SPREAD_ONE : SPREAD_ALL;
    }
    return SPREAD_ALL;
}

static bool keep_sequences(struct fanout *f, const struct holdfast_query *query,
                           struct fault *fault)
{
    if (f->kind != HOLDFAST_QUERY_MOVEMENT)
        return true;
    f->sequences = pool_alloc(&f->pool, query->sequence_count * sizeof *f->sequences);
    if (!f->sequences)
        return no_memory(fault);
    memcpy(f->sequences, query->sequences, query->sequence_count * sizeof *f->sequences);
    f->sequence_count = query->sequence_count;
    return true;
}

static bool keep_dry_run(struct fanout *f, const struct holdfast_query *query, struct fault *fault)
{
    if (f->kind != HOLDFAST_QUERY_DRY_RUN)
        return true;
    f->dry_body = dry_encode(query, &f->dry_bytes, fault);
    return f->dry_body != NULL;
}

struct fanout *fanout_new_query(const struct holdfast_query *query, uint8_t op_class,
                                struct fault *fault)
{
    struct fanout *f;

    if (!check(query, fault))
        return NULL;
    f = calloc(1, sizeof *f);
    if (!f) {
        no_memory(fault);
        return NULL;
    }
    pool_init(&f->pool);
    pool_init(&f->parts);
    f->is_query = true;
    f->op_class = op_class;
    f->kind = query->kind;
    f->limit = query->limit ? query->limit : LIMIT_DEFAULT;
    f->expiring = query->expiring;
    f->before = query->before;
    f->token = query->token;
    f->audit = query->audit;
    f->bucket = query->bucket;
    f->has_after_id = query->kind == HOLDFAST_QUERY_AUDIT && query->after &&
                      uuid_parse(query->after, f->after_id);
    f->one_partition = query->one_partition;
    f->partition = query->partition;
    if (!keep_keys(f, query, fault) || !keep_text(f, &f->after, query->after, fault) ||
        !keep_text(f, &f->warehouse, query->warehouse, fault) ||
        !keep_text(f, &f->barcode, query->barcode, fault) ||
        !keep_text(f, &f->order, query->order, fault) ||
        !keep_text(f, &f->sku, query->sku, fault) || !keep_text(f, &f->run, query->run, fault) ||
        !keep_sequences(f, query, fault) || !keep_dry_run(f, query, fault)) {
        fanout_destroy(&f);
        return NULL;
    }
    f->spread = spread_of(f);
    return f;
}

struct fanout *fanout_new_settle(struct encoded *settle, struct fault *fault)
{
    struct fanout *f = calloc(1, sizeof *f);

    if (!f) {
        no_memory(fault);
        return NULL;
    }
    pool_init(&f->pool);
    pool_init(&f->parts);
    f->spread = SPREAD_ALL;
    f->settle = *settle;
    settle->body = NULL;
    return f;
}

void fanout_destroy(struct fanout **fanout)
{
    struct fanout *f = *fanout;

    if (!f)
        return;
    free(f->settle.body);
    free(f->dry_body);
    holdfast_result_free(&f->best);
    pool_release(&f->pool);
    pool_release(&f->parts);
    free(f);
    *fanout = NULL;
}

bool fanout_is_query(const struct fanout *fanout)
{
    return fanout->is_query;
}
