/* SPDX-License-Identifier: MIT
 *
 * Random operations; see calls.h.
 */
#include <stdlib.h>
#include <string.h>

#include "client/encode.h"
#include "protocol/status.h"
#include "tests/simulate/model/calls_impl.h"

#define TARGETS 16u
#define IDS 32u

static const char *const skus[] = {"A", "B1", "shoe 42", "\xc3\xa9t\xc3\xa9", "Z"};
static const char *const warehouses[] = {"W", "W2"};
static const char *const reasons[] = {"broken", "count"};
static const char *const runs[] = {"monday", "2026w48-A7", "n\xc3\xb6"};
static const char *const texts[] = {NULL, "not enough is available"};
static const int results[] = {HOLDFAST_APPLIED, HOLDFAST_APPLIED, HOLDFAST_INSUFFICIENT_STOCK,
                              HOLDFAST_UNAVAILABLE};
static const char *const barcodes[] = {"4006381333931", "5901234123457", "73513537"};

static struct {
    uint64_t random;
    char targets[TARGETS][RESERVATION_TEXT_BYTES];
    size_t target_count;
    char ids[IDS][UUID_TEXT_BYTES];
    size_t id_count;
    size_t made;
    struct pool scratch;
} state;

uint64_t calls_below(uint64_t n)
{
    uint64_t z = state.random += 0x9e3779b97f4a7c15u; /* splitmix64, public domain */

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % n;
}

void calls_random_bytes(void *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        ((uint8_t *)bytes)[i] = (uint8_t)calls_below(256);
}

#define ANY(array) ((array)[calls_below(sizeof(array) / sizeof((array)[0]))])

const char *calls_any_sku(void)
{
    return ANY(skus);
}

const char *calls_any_warehouse(void)
{
    return ANY(warehouses);
}

void calls_operation_begin(uint64_t seed)
{
    memset(&state, 0, sizeof state);
    state.random = seed * 0xd1342543de82ef95u;
    pool_init(&state.scratch);
}

void calls_operation_end(void)
{
    pool_release(&state.scratch);
}

void calls_operation_reserved(const Hf__Result *result)
{
    if (result->status != STATUS_applied || !result->reservation ||
        result->reservation->reservation.len >= RESERVATION_TEXT_BYTES)
        return;
    char *target = state.targets[state.target_count++ % TARGETS];
    memcpy(target, result->reservation->reservation.data, result->reservation->reservation.len);
    target[result->reservation->reservation.len] = '\0';
}

static const enum holdfast_operation_kind kinds[] = {
    HOLDFAST_RESERVE,
    HOLDFAST_RESERVE,
    HOLDFAST_RESERVE,
    HOLDFAST_EXTEND,
    HOLDFAST_PURCHASE,
    HOLDFAST_PURCHASE,
    HOLDFAST_RELEASE,
    HOLDFAST_SHIP,
    HOLDFAST_CANCEL,
    HOLDFAST_RETURN,
    HOLDFAST_RECEIVE,
    HOLDFAST_RECEIVE,
    HOLDFAST_ADJUST,
    HOLDFAST_COUNT,
    HOLDFAST_TRANSFER,
    HOLDFAST_QUARANTINE,
    HOLDFAST_RESTORE,
    HOLDFAST_SET_SAFETY_STOCK,
    HOLDFAST_PUT_ITEM,
    HOLDFAST_PUT_ITEM,
    HOLDFAST_PUT_ITEM,
    HOLDFAST_PUT_WAREHOUSE,
    HOLDFAST_PUT_REASON,
    HOLDFAST_SETTLE,
    HOLDFAST_SET_REORDER_POINT,
    HOLDFAST_BEGIN_RUN,
    HOLDFAST_BEGIN_RUN,
    HOLDFAST_RECORD_RUN,
    HOLDFAST_RECORD_RUN,
    HOLDFAST_RECORD_RUN,
    HOLDFAST_UNDO,
    HOLDFAST_UNDO,
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* At first there is nothing: warehouses, reasons, items and stock are put, one after another. */
static bool founding(struct holdfast_operation *operation, struct holdfast_line *line)
{
    size_t n = state.made++;

    if (n < COUNT(warehouses) + COUNT(reasons)) {
        bool reason = n >= COUNT(warehouses);
        operation->kind = reason ? HOLDFAST_PUT_REASON : HOLDFAST_PUT_WAREHOUSE;
        operation->reason = reasons[n % COUNT(reasons)];
        operation->warehouse = warehouses[n % COUNT(warehouses)];
        return true;
    }
    n -= COUNT(warehouses) + COUNT(reasons);
    if (n >= 2 * COUNT(skus))
        return false;
    operation->kind = n < COUNT(skus) ? HOLDFAST_PUT_ITEM : HOLDFAST_RECEIVE;
    operation->sku = line->sku = skus[n % COUNT(skus)];
    operation->barcode_count = 0;
    line->quantity = 50;
    return true;
}

bool calls_operation_founded(void)
{
    return state.made > COUNT(warehouses) + COUNT(reasons) + 2 * COUNT(skus);
}

static void new_id(char id[UUID_TEXT_BYTES], int64_t now_us)
{
    uint8_t random[10], uuid[UUID_BYTES];

    calls_random_bytes(random, sizeof random);
    uuid_v7(uuid, now_us, random);
    uuid_format(uuid, id);
    memcpy(state.ids[state.id_count++ % IDS], id, UUID_TEXT_BYTES);
}

static const char *any_target(void)
{
    size_t count = state.target_count < TARGETS ? state.target_count : TARGETS;

    return count > 0 ? state.targets[calls_below(count)] : "R-0000000000000000-0";
}

Hf__Operation *calls_operation(struct arena *arena, int64_t now_us, struct header *header)
{
    const char *some[2] = {barcodes[calls_below(3)], barcodes[calls_below(3)]};
    struct holdfast_line line = {calls_any_sku(), calls_any_warehouse(),
                                 (uint32_t)calls_below(9) + 1};
    char id[UUID_TEXT_BYTES];
    struct holdfast_operation operation = {
        .kind = ANY(kinds),
        .operation_id = id,
        .reservation = any_target(),
        .sku = line.sku,
        .warehouse = line.warehouse,
        .to_warehouse = calls_any_warehouse(),
        .delta = (int64_t)calls_below(15) - 7,
        .quantity = (uint32_t)calls_below(20),
        .ttl_ms = 1000 + calls_below(60000),
        .order = calls_below(2) ? "order-7" : NULL,
        .reason = ANY(reasons),
        .reference = calls_below(2) ? "note 5" : NULL,
        .text = calls_below(2) ? "A name" : "\xc3\x85ngstr\xc3\xb6m",
        .note = calls_below(4) ? NULL : "why",
        .actor = calls_below(2) ? "ann" : NULL,
        .accept_shortfall = calls_below(3) == 0,
        .keep_remainder = calls_below(2) == 0,
        .revive = calls_below(2) == 0,
        .barcodes = some,
        .barcode_count = strcmp(some[0], some[1]) == 0 ? 1 : calls_below(3),
        .settles = state.ids[calls_below(state.id_count < IDS ? state.id_count + 1 : IDS)],
        .partition = (int32_t)calls_below(CALLS_PARTITIONS),
        .lines = &line,
        .line_count = 1,
    };
    struct holdfast_run_line some_results[2] = {
        {.line = (uint32_t)calls_below(700) + 1,
         .status = ANY(results),
         .partition = (uint32_t)calls_below(CALLS_PARTITIONS),
         .sequence = calls_below(100),
         .text = ANY(texts)},
        {.status = ANY(results), .sequence = calls_below(100), .text = ANY(texts)}};
    uint8_t digest[HOLDFAST_DIGEST_BYTES] = {calls_below(12) == 0};

    some_results[1].line = some_results[0].line + 1;
    if (calls_below(4) == 0) { /* of a count list */
        some_results[1].sku = "A";
        some_results[1].warehouse = "W";
        some_results[1].open = calls_below(2) == 0;
        if (some_results[1].open)
            some_results[1].status = HOLDFAST_UNAVAILABLE;
    }
    operation.run = ANY(runs);
    operation.digest = digest;
    operation.run_lines = 600;
    operation.run_blank = 3;
    operation.resume = calls_below(4) > 0;
    operation.run_results = some_results;
    operation.run_result_count = calls_below(3);
    operation.undone = state.ids[calls_below(state.id_count < IDS ? state.id_count + 1 : IDS)];
    operation.has_previous = calls_below(2);
    operation.previous = 7;
    struct encode_defaults defaults = {0};
    struct encoded encoded;
    struct fault fault;
    uint8_t fresh[UUID_BYTES] = {0};

    new_id(id, now_us);
    bool first = founding(&operation, &line);
    header->attempt = calls_below(8) == 0 ? 2 : 1;
    if (!first && calls_below(12) == 0) /* one that was used, perhaps otherwise */
        memcpy(id, state.ids[calls_below(state.id_count < IDS ? state.id_count : IDS)], sizeof id);
    if (operation.kind == HOLDFAST_PURCHASE || operation.kind == HOLDFAST_RELEASE ||
        operation.kind == HOLDFAST_SHIP || operation.kind == HOLDFAST_CANCEL)
        operation.line_count = calls_below(2);
    if (!encode_operation(&encoded, &operation, &defaults, fresh, &state.scratch, &fault))
        return NULL;
    header->partition = route_partition(&encoded.route, CALLS_PARTITIONS);
    header->op_class = encoded.op_class;
    Hf__Operation *unpacked =
        hf__operation__unpack(&arena->allocator, encoded.body_bytes, encoded.body);
    free(encoded.body);
    return unpacked;
}
