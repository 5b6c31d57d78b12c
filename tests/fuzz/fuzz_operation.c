/* SPDX-License-Identifier: MIT
 *
 * libFuzzer: bytes → operations → one batch of the ledger, twice. Whatever a peer sends, the ledger
 * answers with a known status and never leaves a level that breaks the rules.
 *
 * The input is records: flags (1 byte: 1 attempt 2, 2 class freeing, 4 hint from the flags, 8 a new
 * batch begins), length (2 bytes), a packed Operation.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/header.h"
#include "protocol/status.h"
#include "workers/ledger.h"

#define OPERATIONS_MAX 32
#define NOW_US INT64_C(1700000000000000)

static const struct ledger_limits limits = {1, 100, INT64_MAX / 2, INT64_MAX / 2};

struct record {
    Hf__Operation *operation;
    uint8_t flags;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every sku is an item with ten units at W1, but those that begin with X. */
static void load(struct ledger *ledger, struct catalog *catalog, const struct need *need)
{
    struct item item = {.sku = need->code, .version = 1};
    struct level level = {.sku = need->code, .now = {.on_hand = 10}, .version = 1};
    struct code code;

    code_set(&level.warehouse, "W1", 2);
    switch (need->kind) {
    case NEED_SKU:
        if (need->code.bytes[0] == 'X')
            ledger_put_sku(ledger, &need->code, NULL, NULL, 0);
        else
            ledger_put_sku(ledger, &need->code, &item, &level, 1);
        return;
    case NEED_RESERVATION:
        ledger_put_reservation(ledger, need->id, NULL);
        return;
    case NEED_OPERATION:
        ledger_put_operation(ledger, need->id, NULL, 0);
        return;
    case NEED_BARCODE:
        ledger_put_barcode(ledger, &need->code, NULL);
        return;
    case NEED_RUN:
        ledger_put_run(ledger, &need->code, NULL);
        return;
    case NEED_RUN_BLOCK:
        ledger_put_run_block(ledger, &need->code, need->number, NULL);
        return;
    case NEED_CATALOG:
        code_set(&code, "W1", 2);
        catalog_put_warehouse(catalog, &code, 1);
        code_set(&code, "W2", 2);
        catalog_put_warehouse(catalog, &code, 1);
        code_set(&code, "damage", 6);
        catalog_put_reason(catalog, &code, 1);
        return;
    }
}

static void check(const struct changes *changes)
{
    assert(changes->last_seq == changes->base_seq + changes->movement_count);
    for (size_t i = 0; i < changes->movement_count; i++)
        assert(changes->movements[i].seq == changes->base_seq + 1 + i);
    for (size_t i = 0; i < changes->level_count; i++) {
        const struct balances *now = &changes->levels[i].level->now;
        assert(now->on_hand >= 0 && now->on_hand <= QUANTITY_MAX);
        assert(now->reserved >= 0 && now->committed >= 0 && now->unavailable >= 0);
        assert(now->shortfall == balances_shortfall(now));
    }
}

static void run(struct ledger *ledger, struct catalog *catalog, const struct record *records,
                size_t count, int64_t now_us)
{
    struct needs needs = {0};
    struct arena arena;
    struct changes changes;

    for (int round = 0; round < 3; round++) {
        needs.count = 0;
        for (size_t i = 0; i < count; i++)
            ledger_need(ledger, records[i].operation, records[i].flags & 1 ? 2 : 1, false, &needs);
        ledger_need_due(ledger, now_us, 16, &needs);
        for (size_t i = 0; i < needs.count; i++)
            load(ledger, catalog, &needs.items[i]);
    }
    needs_release(&needs);
    arena_init(&arena);
    ledger_begin(ledger, now_us, &arena);
    for (size_t i = 0; i < count; i++) {
        struct decision decision;
        ledger_decide(ledger, records[i].operation, records[i].flags & 4 ? records[i].flags : 0,
                      records[i].flags & 2 ? CLASS_FREEING : CLASS_SERVICE,
                      records[i].flags & 1 ? 2 : 1, &decision);
        assert(decision.result && status_is_known(decision.result->status));
        assert(!decision.wrote || decision.result->status == STATUS_applied);
        size_t bytes = hf__result__get_packed_size(decision.result);
        uint8_t *packed = malloc(bytes + 1);
        assert(hf__result__pack(decision.result, packed) == bytes);
        free(packed);
    }
    ledger_expire(ledger, 16);
    if (ledger_changes(ledger, &changes))
        check(&changes);
    ledger_commit(ledger);
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t claim_id[16] = {1};
    struct record records[OPERATIONS_MAX];
    struct arena arena;
    size_t count = 0, begun = 0;
    int64_t now_us = NOW_US;
    struct catalog *catalog = catalog_new();
    struct ledger *ledger = ledger_new(0, &limits, catalog);

    arena_init(&arena);
    ledger_claimed(ledger, 1, claim_id, 1);
    while (size > 3 && count < OPERATIONS_MAX) {
        size_t bytes = (size_t)data[1] << 8 | data[2];
        struct record record = {.flags = data[0]};
        data += 3;
        size -= 3;
        bytes = bytes < size ? bytes : size;
        record.operation = hf__operation__unpack(&arena.allocator, bytes, data);
        data += bytes;
        size -= bytes;
        if (record.flags & 8) {
            run(ledger, catalog, records + begun, count - begun, now_us);
            begun = count;
            now_us += 600 * INT64_C(1000000);
        }
        if (record.operation)
            records[count++] = record;
    }
    run(ledger, catalog, records + begun, count - begun, now_us);
    ledger_destroy(&ledger);
    catalog_destroy(&catalog);
    arena_release(&arena);
    return 0;
}
