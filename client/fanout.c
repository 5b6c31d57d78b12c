/* SPDX-License-Identifier: MIT
 *
 * Splits queries by partition and merges what comes back; see fanout.h.
 */
#include "client/fanout.h"

#include "client/decode.h"
#include "client/dry.h"
#include "protocol/header.h"
#include "protocol/holdfast.pb-c.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define KEYS_MAX 256u
#define LIMIT_DEFAULT 100u
#define LIMIT_MAX 1000u
#define ORDER_BYTES_MAX 64u

enum spread {
    SPREAD_KEYS, /* each key goes to the partition that it belongs to */
    SPREAD_ONE,  /* one partition */
    SPREAD_ALL,  /* every partition gets the same */
};

struct fanout {
    bool is_query;
    struct pool pool;
    uint8_t op_class;
    enum spread spread;
    uint32_t partitions;

    /* a query: a copy of what was asked */
    enum holdfast_query_kind kind;
    ProtobufCBinaryData *keys; /* skus, reservations, operation ids */
    size_t key_count;
    uint32_t *key_partitions;
    const char *after, *warehouse, *barcode, *order, *sku;
    uint32_t limit;
    bool expiring;
    uint64_t before;
    uint64_t token;
    enum holdfast_audit_what audit;
    bool has_after_id; /* AUDIT_IDS */
    uint8_t after_id[UUID_BYTES];
    uint32_t bucket;
    bool one_partition;
    uint32_t partition;
    const char *run;
    uint64_t *sequences;
    size_t sequence_count;
    uint8_t *dry_body; /* a dry run's query, packed */
    size_t dry_bytes;

    struct encoded settle; /* a settle: the body for all */

    uint32_t next; /* partitions below this one have been given out, or have no part */
    uint32_t left, flying, asked, answered;
    int worst; /* HOLDFAST_APPLIED: every part that came in was answered */
    const char *worst_field, *worst_message;

    struct pool parts; /* memory of all answers that came in */
    struct answer_part *answers;
    struct holdfast_result *best; /* settle: the outcome so far */
};

struct answer_part {
    struct answer_part *next;
    struct holdfast_answer answer;
};

/* ------------------------------------------------------------- what is asked */

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
    if (query->sku_count > KEYS_MAX)
        return fault_set(fault, HOLDFAST_TOO_LARGE, "skus", "skus has more than %u", KEYS_MAX);
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
        (!query->sequences || query->sequence_count < 1 || query->sequence_count > KEYS_MAX))
        return fault_set(fault, HOLDFAST_INVALID, "sequences", "sequences must be 1 to %u",
                         KEYS_MAX);
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

/* ------------------------------------------------------------- parts */

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
    ProtobufCBinaryData keys[KEYS_MAX];
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

/* ------------------------------------------------------------- what comes back */

/* A refusal says more than that nobody answered. */
static void remember_fault(struct fanout *f, int status, const char *field, const char *message)
{
    if (f->worst != HOLDFAST_APPLIED && !(holdfast_status_kind(status) == HOLDFAST_KIND_REFUSED &&
                                          holdfast_status_kind(f->worst) != HOLDFAST_KIND_REFUSED))
        return;
    f->worst = status;
    f->worst_field = pool_text(&f->pool, field, strlen(field));
    f->worst_message = pool_text(&f->pool, message, strlen(message));
}

void fanout_not_sent(struct fanout *f, int status, const char *message)
{
    if (f->left > 0)
        f->left--;
    remember_fault(f, status, "", message);
}

static void part_is_back(struct fanout *f)
{
    if (f->flying > 0)
        f->flying--;
    else if (f->left > 0)
        f->left--;
}

void fanout_failed(struct fanout *f, int status, const char *message)
{
    part_is_back(f);
    remember_fault(f, status, "", message);
}

void fanout_answer(struct fanout *f, struct holdfast_answer *answer)
{
    struct answer_box *box = answer_box_of(answer);
    struct answer_part *part = box ? pool_alloc(&box->pool, sizeof *part) : NULL;

    part_is_back(f);
    if (answer->status != HOLDFAST_APPLIED || !part) {
        remember_fault(f, part ? answer->status : HOLDFAST_UNAVAILABLE, answer->field,
                       answer->message);
        holdfast_answer_free(&answer);
        return;
    }
    part->answer = *answer;
    part->next = f->answers;
    f->answers = part;
    f->answered++;
    pool_adopt(&f->parts, &box->pool);
    holdfast_answer_free(&answer);
}

void fanout_result(struct fanout *f, struct holdfast_result *result)
{
    bool is_better = !f->best;

    part_is_back(f);
    if (result->kind != HOLDFAST_KIND_APPLIED)
        remember_fault(f, result->status, result->field, result->message);
    else
        f->answered++;
    /* Applied anywhere is the outcome; otherwise void only when every partition says so. */
    if (f->best && f->best->settle != HOLDFAST_SETTLE_APPLIED)
        is_better =
            result->settle == HOLDFAST_SETTLE_APPLIED ||
            (result->kind != HOLDFAST_KIND_APPLIED && f->best->kind == HOLDFAST_KIND_APPLIED);
    if (is_better) {
        holdfast_result_free(&f->best);
        f->best = result;
    } else {
        holdfast_result_free(&result);
    }
}

struct holdfast_result *fanout_merged_result(struct fanout *f)
{
    struct holdfast_result *merged = f->best;

    f->best = NULL;
    if (merged && (merged->settle == HOLDFAST_SETTLE_APPLIED || f->answered == f->asked ||
                   merged->kind != HOLDFAST_KIND_APPLIED))
        return merged;
    holdfast_result_free(&merged);
    return make_result(f->worst == HOLDFAST_APPLIED ? HOLDFAST_UNAVAILABLE : f->worst,
                       f->settle.operation_id, f->worst_field ? f->worst_field : "",
                       f->worst_message ? f->worst_message : "");
}

/* ------------------------------------------------------------- merging */

static int by_stock_sku(const void *a, const void *b)
{
    return strcmp(((const struct holdfast_stock *)a)->sku, ((const struct holdfast_stock *)b)->sku);
}

static int by_item_sku(const void *a, const void *b)
{
    return strcmp(((const struct holdfast_item *)a)->sku, ((const struct holdfast_item *)b)->sku);
}

static int by_code(const void *a, const void *b)
{
    return strcmp(((const struct holdfast_named *)a)->code,
                  ((const struct holdfast_named *)b)->code);
}

static int by_partition(const void *a, const void *b)
{
    uint32_t x = ((const struct holdfast_audited *)a)->partition;
    uint32_t y = ((const struct holdfast_audited *)b)->partition;

    return (x > y) - (x < y);
}

static int compare_times(int64_t a, int64_t b)
{
    return (a > b) - (a < b);
}

static int by_expiry(const void *a, const void *b)
{
    const struct holdfast_reservation *x = a, *y = b;
    int order = compare_times(x->expires_at_us, y->expires_at_us);
    return order ? order : strcmp(x->reservation, y->reservation);
}

static int newest_first(const void *a, const void *b)
{
    const struct holdfast_reservation *x = a, *y = b;
    int order = compare_times(y->created_at_us, x->created_at_us);
    return order ? order : strcmp(x->reservation, y->reservation);
}

static int newest_movement_first(const void *a, const void *b)
{
    const struct holdfast_movement *x = a, *y = b;
    return x->sequence != y->sequence ? (x->sequence < y->sequence ? 1 : -1)
                                      : (x->index < y->index ? -1 : x->index > y->index);
}

static int newest_run_first(const void *a, const void *b)
{
    const struct holdfast_run *x = a, *y = b;
    int order = compare_times(y->created_at_us, x->created_at_us);
    return order ? order : strcmp(x->run, y->run);
}

/* Several partitions' rows of one sort, as one sorted array of at most `most`. */
#define GATHER(type, field, count_field, compare, most)                                            \
    do {                                                                                           \
        size_t total_ = 0;                                                                         \
        for (struct answer_part *p_ = f->answers; p_; p_ = p_->next)                               \
            total_ += p_->answer.count_field;                                                      \
        struct type *all_ = total_ ? pool_alloc(&box->pool, total_ * sizeof *all_) : NULL;         \
        if (total_ && !all_)                                                                       \
            return false;                                                                          \
        size_t at_ = 0;                                                                            \
        for (struct answer_part *p_ = f->answers; p_; p_ = p_->next) {                             \
            if (p_->answer.count_field == 0)                                                       \
                continue;                                                                          \
            memcpy(all_ + at_, p_->answer.field, p_->answer.count_field * sizeof *all_);           \
            at_ += p_->answer.count_field;                                                         \
        }                                                                                          \
        int (*compare_)(const void *, const void *) = compare;                                     \
        if (compare_ && total_ > 1)                                                                \
            qsort(all_, total_, sizeof *all_, compare_);                                           \
        merged->field = all_;                                                                      \
        merged->count_field = total_;                                                              \
        if (total_ > (most)) {                                                                     \
            merged->count_field = (most);                                                          \
            merged->more = true;                                                                   \
        }                                                                                          \
    } while (0)

static bool gather(struct fanout *f, struct answer_box *box)
{
    struct holdfast_answer *merged = &box->answer;
    size_t most =
        f->key_count > 0 || f->kind == HOLDFAST_QUERY_AUDIT || f->kind == HOLDFAST_QUERY_MOVEMENT
            ? SIZE_MAX
            : f->limit;
    int64_t oldest_us = INT64_MAX;

    GATHER(holdfast_stock, stock, stock_count, by_stock_sku, most);
    GATHER(holdfast_item, items, item_count, by_item_sku, most);
    GATHER(holdfast_named, named, named_count, by_code, most);
    GATHER(holdfast_reservation, reservations, reservation_count,
           f->expiring ? by_expiry : newest_first, most);
    GATHER(holdfast_movement, movements, movement_count, newest_movement_first, most);
    GATHER(holdfast_result, results, result_count, NULL, SIZE_MAX);
    GATHER(holdfast_difference, differences, difference_count, NULL, SIZE_MAX);
    if (f->kind == HOLDFAST_QUERY_AUDIT)
        GATHER(holdfast_audited, audited, audited_count, by_partition, SIZE_MAX);
    GATHER(holdfast_run, runs, run_count, newest_run_first, most);
    GATHER(holdfast_run_line, run_lines, run_line_count, NULL, SIZE_MAX);
    GATHER(holdfast_dry, dry, dry_count, NULL, SIZE_MAX);
    for (struct answer_part *part = f->answers; part; part = part->next) {
        merged->more |= part->answer.more;
        merged->checked += part->answer.checked;
        merged->state = part->answer.state; /* only ever of one */
        merged->sequence = f->asked == 1 ? part->answer.sequence : 0;
        if (part->answer.age_us < oldest_us)
            oldest_us = part->answer.age_us;
    }
    merged->age_us = f->answers ? oldest_us : 0;
    return true;
}

struct holdfast_answer *fanout_merged_answer(struct fanout *f, int64_t cluster_now_us)
{
    struct holdfast_answer *merged = make_answer(f->worst, f->worst_field ? f->worst_field : "",
                                                 f->worst_message ? f->worst_message : "");
    struct answer_box *box = answer_box_of(merged);

    if (!box)
        return merged;
    if (!gather(f, box)) {
        holdfast_answer_free(&merged);
        return make_answer(HOLDFAST_UNAVAILABLE, "", "out of memory");
    }
    pool_adopt(&box->pool, &f->parts);
    f->answers = NULL;
    merged->partitions_asked = f->asked;
    merged->partitions_answered = f->answered;
    if (f->answered < f->asked && merged->status == HOLDFAST_APPLIED) {
        merged->status = HOLDFAST_UNAVAILABLE;
        merged->kind = HOLDFAST_KIND_SHED;
    }
    /* Until here age_us held the time of reading. */
    if (merged->age_us != 0)
        merged->age_us = cluster_now_us > merged->age_us ? cluster_now_us - merged->age_us : 0;
    return merged;
}
