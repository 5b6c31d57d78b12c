/* SPDX-License-Identifier: MIT
 *
 * The question of a read. It is checked here field by field, so that a mistake is told at once, by
 * name; the view checks everything again.
 *
 * A cursor, for the caller, is text: "v" and a view's own in hex; or, of a plain page, "s", a hash
 * of the question in 16 digits, and the last sku, from which an owner can go on as well.
 */
#include "client/read_private.h"

#include "protocol/header.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define LIMIT_DEFAULT 100u
#define TRACE_BYTES_MAX 64u
#define HASH_DIGITS 16u
#define CURSOR_TEXT_MAX 4096u

static bool no_memory(struct fault *fault)
{
    return fault_set(fault, HOLDFAST_UNAVAILABLE, "", "out of memory; nothing was sent");
}

/* ------------------------------------------------------------- cursors */

bool read_is_plain_page(const struct read *read)
{
    const struct holdfast_view_query *asked = &read->asked;

    return asked->kind == HOLDFAST_VIEW_LEVELS && asked->by_sku && !asked->descending &&
           asked->sort == HOLDFAST_BY_SKU;
}

/* Which rows come in which order. */
static void question_hash(const struct read *read, char text[HASH_DIGITS + 1])
{
    const struct holdfast_view_query *asked = &read->asked;
    const char *parts[] = {asked->warehouse, asked->sku_prefix, asked->text};
    uint64_t hash = (uint64_t)asked->below_safety << 1 | asked->out_of_stock;

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        hash = XXH3_64bits_withSeed(parts[i], strlen(parts[i]) + 1, hash + i);
    snprintf(text, HASH_DIGITS + 1, "%016llx", (unsigned long long)hash);
}

static int hex_value(char digit)
{
    return digit >= '0' && digit <= '9'   ? digit - '0'
           : digit >= 'a' && digit <= 'f' ? digit - 'a' + 10
                                          : -1;
}

static const char *hex_of(struct pool *pool, const uint8_t *bytes, size_t count)
{
    static const char digits[] = "0123456789abcdef";
    char *text = pool_alloc(pool, 2 * count + 2);

    if (!text)
        return NULL;
    text[0] = 'v';
    for (size_t i = 0; i < count; i++) {
        text[1 + 2 * i] = digits[bytes[i] >> 4];
        text[2 + 2 * i] = digits[bytes[i] & 15];
    }
    return text;
}

const char *read_cursor(const struct read *read, struct view_box *box, const char *last_sku)
{
    char hash[HASH_DIGITS + 1];

    if (!read_is_plain_page(read))
        return hex_of(&box->pool, box->cursor, box->cursor_bytes);
    size_t length = 1 + HASH_DIGITS + strlen(last_sku) + 1;
    char *text = pool_alloc(&box->pool, length);
    question_hash(read, hash);
    if (text)
        snprintf(text, length, "s%s%s", hash, last_sku);
    return text;
}

static bool bad_cursor(struct fault *fault, const char *why)
{
    return fault_set(fault, HOLDFAST_INVALID, "cursor", "cursor %s", why);
}

static bool take_hex(struct read *read, const char *text, struct fault *fault)
{
    size_t count = strlen(text) / 2;
    uint8_t *bytes = pool_alloc(&read->pool, count + 1);

    if (!bytes)
        return no_memory(fault);
    for (size_t i = 0; i < count; i++) {
        int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return bad_cursor(fault, "is not one that was given");
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    if (count == 0 || strlen(text) % 2 != 0)
        return bad_cursor(fault, "is not one that was given");
    read->cursor = bytes;
    read->cursor_bytes = count;
    return true;
}

static bool take_cursor(struct read *read, const char *text, struct fault *fault)
{
    char hash[HASH_DIGITS + 1];
    size_t length = strlen(text);

    if (length > CURSOR_TEXT_MAX || (text[0] != 'v' && text[0] != 's'))
        return bad_cursor(fault, "is not one that was given");
    read->asked.after = ""; /* the cursor says where to go on */
    if (read_is_plain_page(read) != (text[0] == 's'))
        return bad_cursor(fault, "belongs to another question");
    if (text[0] == 'v')
        return take_hex(read, text + 1, fault);
    question_hash(read, hash);
    if (length < 1 + HASH_DIGITS || memcmp(text + 1, hash, HASH_DIGITS) != 0)
        return bad_cursor(fault, "belongs to another question");
    read->asked.after = pool_text(&read->pool, text + 1 + HASH_DIGITS, length - 1 - HASH_DIGITS);
    return read->asked.after ? check_code(fault, "cursor", read->asked.after) : no_memory(fault);
}

/* ------------------------------------------------------------- checks */

static bool keep_text(struct read *read, const char **text, struct fault *fault)
{
    *text = *text ? pool_text(&read->pool, *text, strlen(*text)) : "";
    return *text || no_memory(fault);
}

static const char *key_fault(enum holdfast_view_kind kind, const char *key)
{
    uint8_t id[RESERVATION_ID_BYTES];

    if (!key)
        return "is missing";
    if (kind == HOLDFAST_VIEW_RESERVATIONS)
        return reservation_id_parse(key, strlen(key), id) ? NULL : "is not a reservation id (R-…)";
    if (kind != HOLDFAST_VIEW_ORDERS)
        return code_fault(key, strlen(key));
    return key[0] == '\0' ? "is empty" : text_fault(key, strlen(key), CODE_BYTES_MAX);
}

static bool keep_keys(struct read *read, struct fault *fault)
{
    struct holdfast_view_query *asked = &read->asked;
    bool needs = asked->kind == HOLDFAST_VIEW_STOCK || asked->kind == HOLDFAST_VIEW_BARCODE ||
                 asked->kind == HOLDFAST_VIEW_ORDERS;
    bool may = needs || asked->kind == HOLDFAST_VIEW_RESERVATIONS;
    const char **kept;

    if (asked->key_count > HOLDFAST_VIEW_KEYS_MAX)
        return fault_set(fault, HOLDFAST_TOO_LARGE, "keys", "keys has more than %d",
                         HOLDFAST_VIEW_KEYS_MAX);
    if ((needs && asked->key_count == 0) || (asked->key_count > 0 && !asked->keys))
        return fault_set(fault, HOLDFAST_INVALID, "keys", "keys is missing");
    if (!may)
        asked->key_count = 0;
    kept = pool_alloc(&read->pool, (asked->key_count + 1) * sizeof *kept);
    if (!kept)
        return no_memory(fault);
    for (size_t i = 0; i < asked->key_count; i++) {
        const char *why = key_fault(asked->kind, asked->keys[i]);
        if (why)
            return fault_set(fault, HOLDFAST_INVALID, "keys", "keys[%zu] %s", i, why);
        kept[i] = asked->keys[i];
        if (!keep_text(read, &kept[i], fault))
            return false;
    }
    asked->keys = kept;
    return true;
}

static bool check_page(struct read *read, struct fault *fault)
{
    struct holdfast_view_query *asked = &read->asked;

    if (asked->limit > HOLDFAST_VIEW_PAGE_MAX)
        return fault_set(fault, HOLDFAST_INVALID, "limit", "limit is more than %d",
                         HOLDFAST_VIEW_PAGE_MAX);
    if (asked->limit == 0)
        asked->limit = LIMIT_DEFAULT;
    if (asked->sort < HOLDFAST_BY_SKU || asked->sort > HOLDFAST_BY_VERSION)
        return fault_set(fault, HOLDFAST_INVALID, "sort", "sort is not one of holdfast_view.h");
    if (asked->after[0] != '\0' && !asked->cursor &&
        (asked->sort != HOLDFAST_BY_SKU || asked->descending))
        return fault_set(fault, HOLDFAST_INVALID, "after",
                         "after is for pages sorted by sku upwards");
    if (!asked->cursor || asked->cursor[0] == '\0' || asked->key_count > 0)
        return true;
    return take_cursor(read, asked->cursor, fault);
}

/* No plain page has these. */
static bool has_filter(const struct holdfast_view_query *asked)
{
    return asked->sku_prefix[0] != '\0' || asked->text[0] != '\0' || asked->below_safety ||
           asked->out_of_stock;
}

bool read_suits_owners(const struct read *read)
{
    const struct holdfast_view_query *asked = &read->asked;

    switch (asked->kind) {
    case HOLDFAST_VIEW_STOCK:
        return true;
    case HOLDFAST_VIEW_BARCODE:
    case HOLDFAST_VIEW_ORDERS:
        return asked->key_count == 1;
    case HOLDFAST_VIEW_LEVELS:
        return read_is_plain_page(read) && !has_filter(asked);
    case HOLDFAST_VIEW_RESERVATIONS:
        return asked->key_count > 0 || read->cursor_bytes == 0;
    case HOLDFAST_VIEW_TOTALS:
    case HOLDFAST_VIEW_STATUS:
    case HOLDFAST_VIEW_EVENTS:
        break;
    }
    return false;
}

static bool keep_matches(struct read *read, struct fault *fault)
{
    struct holdfast_view_query *asked = &read->asked;
    size_t count = asked->kind == HOLDFAST_VIEW_EVENTS ? asked->match_count : 0;

    if (count > HOLDFAST_EVENT_MATCHES_MAX || (count > 0 && !asked->matches))
        return fault_set(fault, HOLDFAST_INVALID, "matches", "matches must be at most %d",
                         HOLDFAST_EVENT_MATCHES_MAX);
    struct holdfast_event_match *kept = pool_alloc(&read->pool, (count + 1) * sizeof *kept);
    if (!kept)
        return no_memory(fault);
    for (size_t i = 0; i < count; i++) {
        kept[i] = asked->matches[i];
        if (kept[i].column < HOLDFAST_EVENT_ANY || kept[i].column > HOLDFAST_EVENT_WHY)
            return fault_set(fault, HOLDFAST_INVALID, "matches",
                             "matches[%zu].column is not one of holdfast_view.h", i);
        if (!keep_text(read, &kept[i].text, fault) ||
            !check_text(fault, "matches", kept[i].text, NAME_BYTES_MAX))
            return false;
        if (kept[i].text[0] == '\0')
            return fault_set(fault, HOLDFAST_INVALID, "matches", "matches[%zu].text is empty", i);
    }
    asked->matches = kept;
    asked->match_count = count;
    return true;
}

static bool check(struct read *read, struct fault *fault)
{
    struct holdfast_view_query *asked = &read->asked;

    if (asked->kind < HOLDFAST_VIEW_STOCK || asked->kind > HOLDFAST_VIEW_EVENTS)
        return fault_set(fault, HOLDFAST_INVALID, "kind", "kind is not one of holdfast_view.h");
    if (asked->consistency < HOLDFAST_READ_OWN_WRITES || asked->consistency > HOLDFAST_READ_OWNER)
        return fault_set(fault, HOLDFAST_INVALID, "consistency",
                         "consistency is not one of holdfast_view.h");
    if (!keep_text(read, &asked->warehouse, fault) || !keep_text(read, &asked->after, fault) ||
        !keep_text(read, &asked->sku_prefix, fault) || !keep_text(read, &asked->text, fault) ||
        !keep_text(read, &asked->trace, fault) || !keep_keys(read, fault) ||
        !keep_matches(read, fault))
        return false;
    if (!check_optional_code(fault, "warehouse", asked->warehouse) ||
        !check_optional_code(fault, "after", asked->after) ||
        !check_text(fault, "sku_prefix", asked->sku_prefix, CODE_BYTES_MAX) ||
        !check_text(fault, "text", asked->text, NAME_BYTES_MAX) ||
        !check_text(fault, "trace", asked->trace, TRACE_BYTES_MAX) || !check_page(read, fault))
        return false;
    asked->cursor = NULL;
    if (read_is_owners(read) && asked->max_staleness_ms > 0)
        return fault_set(fault, HOLDFAST_INVALID, "max_staleness_ms",
                         "max_staleness_ms is for views, not for the owner");
    if (read_is_owners(read) && !read_suits_owners(read))
        return fault_set(fault, HOLDFAST_INVALID, "consistency", "only a view can answer this");
    return true;
}

struct read *read_new(const struct holdfast_view_query *query, struct fault *fault)
{
    struct read *read = calloc(1, sizeof *read);

    if (!read) {
        no_memory(fault);
        return NULL;
    }
    pool_init(&read->pool);
    read->asked = *query;
    if (!check(read, fault))
        read_destroy(&read);
    return read;
}

bool read_is_owners(const struct read *read)
{
    return read->asked.consistency == HOLDFAST_READ_OWNER;
}

/* ------------------------------------------------------------- the ViewQuery */

union bodies {
    Hf__ViewStockQuery stock;
    Hf__ViewBarcodeQuery barcode;
    Hf__ViewLevelsQuery levels;
    Hf__ViewReservationsQuery reservations;
    Hf__ViewTotalsQuery totals;
    Hf__ViewStatusQuery status;
    Hf__ViewEventsQuery events;
};

/* What the lists of a ViewEventsQuery are made of. */
struct event_lists {
    Hf__EventMatch matches[HOLDFAST_EVENT_MATCHES_MAX], *match_list[HOLDFAST_EVENT_MATCHES_MAX];
    Hf__MovementKind kinds[64];
    Hf__Signal signals[32];
};

static ProtobufCBinaryData cursor_bytes(const struct read *read)
{
    union {
        const uint8_t *in;
        uint8_t *out;
    } pointer = {.in = read->cursor};

    return (ProtobufCBinaryData){.len = read->cursor_bytes, .data = pointer.out};
}

static void fill_levels(const struct read *read, Hf__ViewLevelsQuery *levels)
{
    const struct holdfast_view_query *asked = &read->asked;

    hf__view_levels_query__init(levels);
    levels->warehouse = bytes_of(asked->warehouse);
    levels->sku_prefix = bytes_of(asked->sku_prefix);
    levels->text = bytes_of(asked->text);
    levels->below_safety = asked->below_safety;
    levels->out_of_stock = asked->out_of_stock;
    levels->sort = (Hf__LevelColumn)asked->sort;
    levels->descending = asked->descending;
    levels->limit = asked->limit;
    levels->cursor = cursor_bytes(read);
    levels->by_sku = asked->by_sku;
    levels->after = bytes_of(asked->after);
}

static void fill_events(const struct read *read, Hf__ViewEventsQuery *events,
                        struct event_lists *lists)
{
    const struct holdfast_view_query *asked = &read->asked;

    hf__view_events_query__init(events);
    events->instance = asked->instance;
    events->after = asked->since;
    events->limit = asked->limit;
    events->matches = lists->match_list;
    events->kinds = lists->kinds;
    events->signals = lists->signals;
    for (size_t i = 0; i < asked->match_count; i++) {
        Hf__EventMatch *match = lists->match_list[i] = &lists->matches[i];
        hf__event_match__init(match);
        match->column = (Hf__EventColumn)asked->matches[i].column;
        match->text = bytes_of(asked->matches[i].text);
        events->n_matches++;
    }
    for (int i = 0; i < 64; i++) {
        if (asked->movement_kinds >> i & 1)
            lists->kinds[events->n_kinds++] = (Hf__MovementKind)i;
    }
    for (int i = 0; i < 8; i++) {
        if (asked->signals >> i & 1)
            lists->signals[events->n_signals++] = (Hf__Signal)(i + 1);
    }
}

static void fill(const struct read *read, Hf__ViewQuery *query, union bodies *body,
                 ProtobufCBinaryData *keys, struct event_lists *lists)
{
    const struct holdfast_view_query *asked = &read->asked;

    for (size_t i = 0; i < asked->key_count; i++)
        keys[i] = bytes_of(asked->keys[i]);
    switch (asked->kind) {
    case HOLDFAST_VIEW_STOCK:
        query->kind_case = HF__VIEW_QUERY__KIND_STOCK;
        hf__view_stock_query__init(query->stock = &body->stock);
        body->stock.skus = keys;
        body->stock.n_skus = asked->key_count;
        body->stock.warehouse = bytes_of(asked->warehouse);
        return;
    case HOLDFAST_VIEW_BARCODE:
        query->kind_case = HF__VIEW_QUERY__KIND_BARCODE;
        hf__view_barcode_query__init(query->barcode = &body->barcode);
        body->barcode.barcodes = keys;
        body->barcode.n_barcodes = asked->key_count;
        return;
    case HOLDFAST_VIEW_LEVELS:
        query->kind_case = HF__VIEW_QUERY__KIND_LEVELS;
        fill_levels(read, query->levels = &body->levels);
        return;
    case HOLDFAST_VIEW_RESERVATIONS:
    case HOLDFAST_VIEW_ORDERS:
        query->kind_case = HF__VIEW_QUERY__KIND_RESERVATIONS;
        hf__view_reservations_query__init(query->reservations = &body->reservations);
        if (asked->kind == HOLDFAST_VIEW_ORDERS) {
            body->reservations.orders = keys;
            body->reservations.n_orders = asked->key_count;
        } else if (asked->key_count > 0) {
            body->reservations.reservations = keys;
            body->reservations.n_reservations = asked->key_count;
        } else {
            body->reservations.limit = asked->limit;
            body->reservations.cursor = cursor_bytes(read);
        }
        return;
    case HOLDFAST_VIEW_TOTALS:
        query->kind_case = HF__VIEW_QUERY__KIND_TOTALS;
        hf__view_totals_query__init(query->totals = &body->totals);
        return;
    case HOLDFAST_VIEW_STATUS:
        query->kind_case = HF__VIEW_QUERY__KIND_STATUS;
        hf__view_status_query__init(query->status = &body->status);
        return;
    case HOLDFAST_VIEW_EVENTS:
        query->kind_case = HF__VIEW_QUERY__KIND_EVENTS;
        fill_events(read, query->events = &body->events, lists);
        return;
    }
}

/* The partition of a key; UINT32_MAX: any, or it is not known. */
static uint32_t partition_of_key(const struct read *read, size_t i, uint32_t partitions)
{
    const char *key = read->asked.keys[i];
    uint8_t id[RESERVATION_ID_BYTES];

    if (read->asked.kind == HOLDFAST_VIEW_STOCK && partitions > 0)
        return partition_of_sku(key, strlen(key), partitions);
    if (read->asked.kind == HOLDFAST_VIEW_RESERVATIONS &&
        reservation_id_parse(key, strlen(key), id))
        return reservation_id_partition(id);
    return UINT32_MAX;
}

/* Only those that the keys lie on, when that can be told; all of them otherwise. Returns how many;
 * NULL in *list when there is no memory. */
static size_t fill_positions(struct read *read, const struct positions *positions,
                             uint32_t partitions, struct pool *scratch, Hf__Position ***list)
{
    const struct holdfast_view_query *asked = &read->asked;
    bool by_key = (asked->kind == HOLDFAST_VIEW_STOCK && partitions > 0) ||
                  (asked->kind == HOLDFAST_VIEW_RESERVATIONS && asked->key_count > 0);
    size_t most = by_key ? asked->key_count : positions->count, count = 0;
    Hf__Position *all = pool_alloc(scratch, (most + 1) * sizeof *all);

    *list = pool_alloc(scratch, (most + 1) * sizeof(Hf__Position *));
    if (!all || !*list) {
        *list = NULL;
        return 0;
    }
    uint32_t end = by_key ? (uint32_t)asked->key_count : positions->size;
    for (uint32_t i = 0; i < end && count < most; i++) {
        uint32_t partition = by_key ? partition_of_key(read, i, partitions) : i;
        uint64_t sequence = positions_get(positions, partition);
        if (by_key)
            read->least[i] = sequence;
        if (sequence == 0)
            continue;
        hf__position__init(&all[count]);
        all[count].partition = partition;
        all[count].sequence = sequence;
        (*list)[count] = &all[count];
        count++;
    }
    return count;
}

bool read_encode(struct read *read, const struct positions *positions, uint32_t partitions,
                 uint32_t wait_ms_max, struct encoded *encoded)
{
    const struct holdfast_view_query *asked = &read->asked;
    ProtobufCBinaryData keys[HOLDFAST_VIEW_KEYS_MAX];
    union bodies body;
    struct event_lists lists;
    struct pool scratch;
    Hf__ViewQuery query = HF__VIEW_QUERY__INIT;

    *encoded = (struct encoded){0};
    pool_init(&scratch);
    query.trace = bytes_of(asked->trace);
    query.max_staleness_ms = asked->max_staleness_ms;
    query.latest = asked->consistency == HOLDFAST_READ_LATEST;
    query.wait_ms = wait_ms_max;
    if (asked->consistency == HOLDFAST_READ_OWN_WRITES && positions->count > 0) {
        query.n_at_least = fill_positions(read, positions, partitions, &scratch, &query.at_least);
        if (!query.at_least) {
            pool_release(&scratch);
            return false;
        }
    }
    fill(read, &query, &body, keys, &lists);
    encoded->body_bytes = hf__view_query__get_packed_size(&query);
    encoded->body = malloc(encoded->body_bytes + 1);
    encoded->op_class = CLASS_SERVICE;
    if (encoded->body)
        hf__view_query__pack(&query, encoded->body);
    pool_release(&scratch);
    return encoded->body != NULL;
}
