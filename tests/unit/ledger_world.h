/* SPDX-License-Identifier: MIT
 *
 * A ledger with a small database around it, for unit tests: loads what is needed, decides a batch,
 * checks what the batch would write against every rule of the schema, and applies it. Included by
 * one file per test program, and by a fuzzer.
 */
#ifndef TESTS_LEDGER_WORLD_H
#define TESTS_LEDGER_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef LEDGER_WORLD_ASSERTS /* a fuzzer brings its own */
#    include <cmocka.h>
#endif

#include "protocol/header.h"
#include "protocol/status.h"
#include "workers/ledger.h"

#define START_US INT64_C(1700000000000000)
#define SECOND INT64_C(1000000)
#define WORLD_LEVELS 512
#define WORLD_ITEMS 128
#define WORLD_BATCH 64

struct world {
    struct ledger_limits limits;
    struct catalog *catalog;
    struct ledger *ledger;
    struct arena arena;   /* of the batch */
    struct arena forever; /* operations and rows */
    int64_t now_us;
    uint32_t ids;

    /* the database */
    uint64_t epoch;
    uint64_t last_seq;
    struct level levels[WORLD_LEVELS];
    size_t level_count;
    struct item items[WORLD_ITEMS];
    size_t item_count;
    struct reservation *reservations;
    size_t reservation_count;
    struct movement *movements;
    size_t movement_count;
    struct named_change named[64];
    size_t named_count;
    struct run runs[16];
    size_t run_count;
    struct run_block blocks[64]; /* details live for ever */
    size_t block_count;

    /* the last batch */
    struct decision decisions[WORLD_BATCH];
    struct changes changes;
    bool wrote;
    size_t expired;
    bool never_load; /* needs are not met */
    bool abort_next; /* the transaction fails */
    bool look_up_ids;
    size_t expire_limit; /* before the batch's operations */
};

static const uint8_t world_claim[16] = {0xc1, 0xa1, 0x3};

static inline struct world *world_new(uint32_t partitions)
{
    struct world *w = calloc(1, sizeof *w);
    w->limits = (struct ledger_limits){partitions, 100, 7 * 86400 * SECOND, 5 * SECOND};
    w->catalog = catalog_new();
    w->ledger = ledger_new(0, &w->limits, w->catalog);
    arena_init(&w->arena);
    arena_init(&w->forever);
    w->now_us = START_US;
    w->epoch = 1;
    ledger_claimed(w->ledger, w->epoch, world_claim, 0);
    return w;
}

static inline void world_destroy(struct world *w)
{
    ledger_destroy(&w->ledger);
    catalog_destroy(&w->catalog);
    arena_release(&w->arena);
    arena_release(&w->forever);
    for (size_t i = 0; i < w->item_count; i++)
        free(w->items[i].barcodes);
    for (size_t i = 0; i < w->reservation_count; i++)
        free(w->reservations[i].lines);
    free(w->reservations);
    free(w->movements);
    free(w);
}

/* ------------------------------------------------------------- rows */

static inline struct level *db_level(struct world *w, const struct code *sku,
                                     const struct code *warehouse)
{
    for (size_t i = 0; i < w->level_count; i++) {
        if (code_equal(&w->levels[i].sku, sku) && code_equal(&w->levels[i].warehouse, warehouse))
            return &w->levels[i];
    }
    return NULL;
}

static inline struct item *db_item(struct world *w, const struct code *sku)
{
    for (size_t i = 0; i < w->item_count; i++) {
        if (code_equal(&w->items[i].sku, sku))
            return &w->items[i];
    }
    return NULL;
}

static inline struct reservation *db_reservation(struct world *w, const uint8_t *id)
{
    for (size_t i = 0; i < w->reservation_count; i++) {
        if (memcmp(w->reservations[i].id, id, RESERVATION_ID_BYTES) == 0)
            return &w->reservations[i];
    }
    return NULL;
}

static inline struct run *db_run(struct world *w, const struct code *run)
{
    for (size_t i = 0; i < w->run_count; i++) {
        if (code_equal(&w->runs[i].run, run))
            return &w->runs[i];
    }
    return NULL;
}

static inline struct run_block *db_run_block(struct world *w, const struct code *run,
                                             uint32_t number)
{
    for (size_t i = 0; i < w->block_count; i++) {
        if (code_equal(&w->blocks[i].run, run) && w->blocks[i].block == number)
            return &w->blocks[i];
    }
    return NULL;
}

/* The row of this warehouse or reason, a new one when there is none. */
static inline struct named_change *db_named(struct world *w, const struct named_change *change)
{
    for (size_t i = 0; i < w->named_count; i++) {
        if (w->named[i].is_reason == change->is_reason &&
            code_equal(&w->named[i].code, &change->code))
            return &w->named[i];
    }
    assert_true(w->named_count < sizeof w->named / sizeof w->named[0]);
    return &w->named[w->named_count++];
}

static inline struct code code_of(const char *text)
{
    struct code code;
    code_set(&code, text, strlen(text));
    return code;
}

static inline struct level level_at(struct world *w, const char *sku, const char *warehouse)
{
    struct code s = code_of(sku), wh = code_of(warehouse);
    struct level *level = db_level(w, &s, &wh);
    return level ? *level : (struct level){.version = 0};
}

/* ------------------------------------------------------------- loading */

static inline void load_one(struct world *w, const struct need *need)
{
    struct level found[32];
    size_t count = 0;
    struct code none;

    switch (need->kind) {
    case NEED_SKU:
        for (size_t i = 0; i < w->level_count; i++) {
            if (code_equal(&w->levels[i].sku, &need->code))
                found[count++] = w->levels[i];
        }
        ledger_put_sku(w->ledger, &need->code, db_item(w, &need->code), found, count);
        return;
    case NEED_RESERVATION:
        ledger_put_reservation(w->ledger, need->id, db_reservation(w, need->id));
        return;
    case NEED_OPERATION:
        for (size_t i = 0; i < w->movement_count; i++) {
            if (memcmp(w->movements[i].operation_id, need->id, UUID_BYTES) != 0)
                continue;
            for (count = 0;
                 i + count < w->movement_count &&
                 memcmp(w->movements[i + count].operation_id, need->id, UUID_BYTES) == 0;)
                count++;
            ledger_put_operation(w->ledger, need->id, &w->movements[i], count);
            return;
        }
        ledger_put_operation(w->ledger, need->id, NULL, 0);
        return;
    case NEED_BARCODE:
        for (size_t i = 0; i < w->item_count; i++) {
            for (size_t b = 0; b < w->items[i].barcode_count; b++) {
                if (code_equal(&w->items[i].barcodes[b], &need->code)) {
                    none = w->items[i].sku;
                    ledger_put_barcode(w->ledger, &need->code, &none);
                    return;
                }
            }
        }
        ledger_put_barcode(w->ledger, &need->code, NULL);
        return;
    case NEED_RUN:
        ledger_put_run(w->ledger, &need->code, db_run(w, &need->code));
        return;
    case NEED_RUN_BLOCK:
        ledger_put_run_block(w->ledger, &need->code, need->number,
                             db_run_block(w, &need->code, need->number));
        return;
    case NEED_CATALOG:
        for (size_t i = 0; i < w->named_count; i++) {
            if (w->named[i].is_reason)
                catalog_put_reason(w->catalog, &w->named[i].code, w->named[i].version);
            else
                catalog_put_warehouse(w->catalog, &w->named[i].code, w->named[i].version);
        }
        return;
    }
}

static inline void load(struct world *w, Hf__Operation **operations, const uint16_t *attempts,
                        size_t count)
{
    struct needs needs = {0};

    for (int round = 0; round < 3; round++) {
        needs.count = 0;
        for (size_t i = 0; i < count; i++)
            ledger_need(w->ledger, operations[i], attempts ? attempts[i] : 1, w->look_up_ids,
                        &needs);
        if (w->expire_limit > 0)
            ledger_need_due(w->ledger, w->now_us, w->expire_limit, &needs);
        for (size_t i = 0; i < needs.count && !w->never_load; i++)
            load_one(w, &needs.items[i]);
    }
    needs.count = 0;
    for (size_t i = 0; i < count && !w->never_load; i++)
        ledger_need(w->ledger, operations[i], attempts ? attempts[i] : 1, w->look_up_ids, &needs);
    assert_int_equal(needs.count, 0);
    needs_release(&needs);
}

/* ------------------------------------------------------------- checking and applying */

static inline void check_movement(struct world *w, const struct movement *m)
{
    const struct balances *b = &m->after;

    assert_int_equal(m->seq, w->last_seq + 1);
    assert_int_equal(m->epoch, w->epoch);
    assert_true(m->kind != HF__MOVEMENT_KIND__MOVEMENT_NONE);
    if (m->warehouse.length == 0)
        return;
    assert_true(b->on_hand >= 0 && b->on_hand <= QUANTITY_MAX);
    assert_true(b->reserved >= 0 && b->committed >= 0 && b->unavailable >= 0);
    assert_int_equal(b->shortfall, balances_shortfall(b));
    assert_true(b->reserved + b->committed + b->unavailable <= b->on_hand + b->shortfall);
    assert_true(balances_available(b) <= b->on_hand);
}

static inline void apply_movement(struct world *w, const struct movement *m)
{
    struct level *level = db_level(w, &m->sku, &m->warehouse);

    check_movement(w, m);
    w->last_seq = m->seq;
    w->movements = realloc(w->movements, (w->movement_count + 1) * sizeof *w->movements);
    w->movements[w->movement_count] = *m;
    struct movement *kept = &w->movements[w->movement_count++];
    ProtobufCBinaryData *texts[] = {&kept->order, &kept->reason, &kept->reference,
                                    &kept->note,  &kept->actor,  &kept->principal,
                                    &kept->trace, &kept->detail};
    for (size_t i = 0; i < 8; i++)
        texts[i]->data = arena_copy(&w->forever, texts[i]->data, texts[i]->len);
    if (m->warehouse.length == 0 || m->sku.length == 0)
        return;
    if (!level) {
        level = &w->levels[w->level_count++];
        *level = (struct level){.sku = m->sku, .warehouse = m->warehouse};
    }
    /* Replaying the changes gives the balances, and the chain has no hole. */
    assert_int_equal(m->prev, level->version);
    assert_int_equal(level->now.on_hand + m->d_on_hand, m->after.on_hand);
    assert_int_equal(level->now.reserved + m->d_reserved, m->after.reserved);
    assert_int_equal(level->now.committed + m->d_committed, m->after.committed);
    assert_int_equal(level->now.unavailable + m->d_unavailable, m->after.unavailable);
    if (m->after.shortfall > level->now.shortfall)
        assert_true(m->kind == HF__MOVEMENT_KIND__MOVEMENT_COUNTED ||
                    m->kind == HF__MOVEMENT_KIND__MOVEMENT_ADJUSTED ||
                    m->kind == HF__MOVEMENT_KIND__MOVEMENT_QUARANTINED);
    if (m->d_on_hand != 0)
        level->on_hand_version = m->seq;
    assert_int_equal(m->on_hand_version, level->on_hand_version);
    level->now = m->after;
    level->version = m->seq;
}

static inline void apply_reservation_row(struct world *w, const struct reservation_change *change)
{
    const struct reservation *r = change->reservation;
    struct reservation *row = db_reservation(w, r->id);

    assert_int_equal(change->is_new, row == NULL);
    assert_int_equal(change->base_revision, row ? row->revision : 0);
    assert_true(r->revision > change->base_revision);
    if (!row) {
        w->reservations =
            realloc(w->reservations, (w->reservation_count + 1) * sizeof *w->reservations);
        row = &w->reservations[w->reservation_count++];
        row->lines = NULL;
    }
    struct reservation_line *lines = realloc(row->lines, r->line_count * sizeof *lines);
    memcpy(lines, r->lines, r->line_count * sizeof *lines);
    *row = *r;
    row->lines = lines;
    for (size_t i = 0; i < r->line_count; i++) {
        const struct reservation_line *l = &lines[i];
        assert_true(l->reserved >= 0 && l->committed >= 0 && l->shipped >= 0 && l->cancelled >= 0 &&
                    l->released >= 0 && l->returned >= 0);
        assert_int_equal(l->reserved + l->committed + l->shipped + l->cancelled + l->released,
                         l->quantity);
        assert_true(l->returned <= l->shipped);
    }
}

static inline void check_sums(struct world *w)
{
    for (size_t i = 0; i < w->level_count; i++) {
        const struct level *level = &w->levels[i];
        int64_t reserved = 0, committed = 0;
        for (size_t r = 0; r < w->reservation_count; r++) {
            for (size_t l = 0; l < w->reservations[r].line_count; l++) {
                const struct reservation_line *line = &w->reservations[r].lines[l];
                if (!code_equal(&line->sku, &level->sku) ||
                    !code_equal(&line->warehouse, &level->warehouse))
                    continue;
                reserved += line->reserved;
                committed += line->committed;
                assert_true(line->reserved == 0 ||
                            w->reservations[r].state == HF__RESERVATION_STATE__RESERVATION_ACTIVE);
            }
        }
        assert_int_equal(reserved, level->now.reserved);
        assert_int_equal(committed, level->now.committed);
    }
}

static inline void apply_runs(struct world *w)
{
    const struct changes *c = &w->changes;

    for (size_t i = 0; i < c->run_count; i++) {
        struct run *row = db_run(w, &c->runs[i].run->run);
        assert_int_equal(c->runs[i].base_version, row ? row->version : 0);
        assert_int_equal(c->runs[i].is_new, row == NULL);
        assert_true(w->run_count < sizeof w->runs / sizeof w->runs[0]);
        *(row ? row : &w->runs[w->run_count++]) = *c->runs[i].run;
    }
    for (size_t i = 0; i < c->block_count; i++) {
        const struct run_block *block = c->blocks[i].block;
        struct run_block *row = db_run_block(w, &block->run, block->block);
        assert_int_equal(c->blocks[i].base_version, row ? row->version : 0);
        assert_int_equal(c->blocks[i].is_new, row == NULL);
        assert_true(w->block_count < sizeof w->blocks / sizeof w->blocks[0]);
        row = row ? row : &w->blocks[w->block_count++];
        *row = *block;
        row->detail = arena_copy(&w->forever, block->detail, block->detail_bytes);
    }
}

static inline void apply_changes(struct world *w)
{
    const struct changes *c = &w->changes;

    assert_int_equal(c->base_seq, w->last_seq);
    assert_int_equal(c->last_seq, w->last_seq + c->movement_count);
    for (size_t i = 0; i < c->level_count; i++) {
        const struct level_change *change = &c->levels[i];
        struct level *row = db_level(w, &change->level->sku, &change->level->warehouse);
        assert_int_equal(change->base_version, row ? row->version : 0);
        assert_int_equal(change->is_new, row == NULL);
        for (size_t j = 0; j < i; j++)
            assert_ptr_not_equal(c->levels[j].level, change->level);
    }
    for (size_t i = 0; i < c->movement_count; i++)
        apply_movement(w, &c->movements[i]);
    for (size_t i = 0; i < c->level_count; i++) {
        const struct level *want = c->levels[i].level;
        struct level *row = db_level(w, &want->sku, &want->warehouse);
        assert_int_equal(row->version, want->version);
        assert_int_equal(row->on_hand_version, want->on_hand_version);
        assert_memory_equal(&row->now, &want->now, sizeof want->now);
    }
    for (size_t i = 0; i < c->reservation_count; i++)
        apply_reservation_row(w, &c->reservations[i]);
    for (size_t i = 0; i < c->item_count; i++) {
        const struct item *item = c->items[i].item;
        struct item *row = db_item(w, &item->sku);
        assert_int_equal(c->items[i].base_version, row ? row->version : 0);
        if (!row)
            row = &w->items[w->item_count++];
        struct code *codes = realloc(row->barcodes, (item->barcode_count + 1) * sizeof *codes);
        if (item->barcode_count > 0)
            memcpy(codes, item->barcodes, item->barcode_count * sizeof *codes);
        *row = *item;
        row->barcodes = codes;
    }
    for (size_t i = 0; i < c->named_count; i++)
        *db_named(w, &c->named[i]) = c->named[i];
    apply_runs(w);
    check_sums(w);
}

/* Runs one batch. */
static inline void run(struct world *w, Hf__Operation **operations, const uint16_t *attempts,
                       size_t count)
{
    arena_reset(&w->arena);
    load(w, operations, attempts, count);
    ledger_begin(w->ledger, w->now_us, &w->arena);
    w->expired = w->expire_limit > 0 ? ledger_expire(w->ledger, w->expire_limit) : 0;
    for (size_t i = 0; i < count; i++) {
        ledger_decide(w->ledger, operations[i], 0, CLASS_SERVICE, attempts ? attempts[i] : 1,
                      &w->decisions[i]);
        assert_non_null(w->decisions[i].result);
    }
    w->wrote = ledger_changes(w->ledger, &w->changes);
    assert_int_equal(w->wrote, w->changes.movement_count > 0);
    if (w->abort_next) {
        w->abort_next = false;
        ledger_abort(w->ledger);
        return;
    }
    if (w->wrote)
        apply_changes(w);
    ledger_commit(w->ledger);
    assert_int_equal(ledger_last_seq(w->ledger), w->last_seq);
}

/* ------------------------------------------------------------- operations */

static inline ProtobufCBinaryData bytes_of(struct world *w, const char *text)
{
    return (ProtobufCBinaryData){strlen(text), arena_copy(&w->forever, text, strlen(text))};
}

static inline void new_id(struct world *w, Hf__Operation *op)
{
    uint8_t random[10] = {0};
    w->ids++;
    memcpy(random + 4, &w->ids, sizeof w->ids);
    op->operation_id = (ProtobufCBinaryData){UUID_BYTES, arena_alloc(&w->forever, UUID_BYTES)};
    uuid_v7(op->operation_id.data, w->now_us, random);
}

/* "A=3@W1 B=2" */
static inline Hf__Line **lines_of(struct world *w, const char *spec, size_t *count)
{
    Hf__Line **lines = arena_alloc(&w->forever, 128 * sizeof *lines);
    char *copy = arena_copy(&w->forever, spec, strlen(spec)), *save = NULL;

    *count = 0;
    for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        Hf__Line *line = arena_alloc(&w->forever, sizeof *line);
        hf__line__init(line);
        char *at = strchr(word, '@'), *equals = strchr(word, '=');
        if (at) {
            *at = '\0';
            line->warehouse = bytes_of(w, at + 1);
        }
        *equals = '\0';
        line->sku = bytes_of(w, word);
        line->quantity = (uint32_t)strtoul(equals + 1, NULL, 10);
        lines[(*count)++] = line;
    }
    return lines;
}

#define NEW_OPERATION(w, type, field, CASE)                                                        \
    Hf__Operation *op = arena_alloc(&(w)->forever, sizeof *op);                                    \
    hf__operation__init(op);                                                                       \
    new_id(w, op);                                                                                 \
    Hf__##type *body = arena_alloc(&(w)->forever, sizeof *body);                                   \
    protobuf_c_message_init(&hf__##field##__descriptor, body);                                     \
    op->kind_case = HF__OPERATION__KIND_##CASE

#define LINES_OPERATION(name, type, field, member, CASE)                                           \
    static inline Hf__Operation *name(struct world *w, const char *spec)                           \
    {                                                                                              \
        NEW_OPERATION(w, type, field, CASE);                                                       \
        op->member = body;                                                                         \
        body->lines = lines_of(w, spec, &body->n_lines);                                           \
        return op;                                                                                 \
    }
#define HOLD_OPERATION(name, type, field, member, CASE)                                            \
    static inline Hf__Operation *name(struct world *w, const char *reservation, const char *spec)  \
    {                                                                                              \
        NEW_OPERATION(w, type, field, CASE);                                                       \
        op->member = body;                                                                         \
        body->reservation = bytes_of(w, reservation);                                              \
        body->lines = lines_of(w, spec, &body->n_lines);                                           \
        return op;                                                                                 \
    }
#define PLACE_OPERATION(name, type, field, member, CASE, extra_type, extra)                        \
    static inline Hf__Operation *name(struct world *w, const char *sku, const char *warehouse,     \
                                      extra_type value)                                            \
    {                                                                                              \
        NEW_OPERATION(w, type, field, CASE);                                                       \
        op->member = body;                                                                         \
        body->sku = bytes_of(w, sku);                                                              \
        body->warehouse = bytes_of(w, warehouse);                                                  \
        body->extra = value;                                                                       \
        return op;                                                                                 \
    }

LINES_OPERATION(op_reserve, Reserve, reserve, reserve, RESERVE)
LINES_OPERATION(op_receive, Receive, receive, receive, RECEIVE)
LINES_OPERATION(op_quarantine, Quarantine, quarantine, quarantine, QUARANTINE)
LINES_OPERATION(op_restore, Restore, restore, restore, RESTORE)
HOLD_OPERATION(op_purchase, Purchase, purchase, purchase, PURCHASE)
HOLD_OPERATION(op_release, Release, release, release, RELEASE)
HOLD_OPERATION(op_ship, Ship, ship, ship, SHIP)
HOLD_OPERATION(op_cancel, Cancel, cancel, cancel, CANCEL)
HOLD_OPERATION(op_return, Return, return, return_, RETURN)
PLACE_OPERATION(op_adjust_plain, Adjust, adjust, adjust, ADJUST, int64_t, delta)
PLACE_OPERATION(op_count, Count, count, count, COUNT, uint32_t, quantity)
PLACE_OPERATION(op_safety, SetSafetyStock, set_safety_stock, set_safety_stock, SET_SAFETY_STOCK,
                uint32_t, quantity)
PLACE_OPERATION(op_reorder, SetReorderPoint, set_reorder_point, set_reorder_point,
                SET_REORDER_POINT, uint32_t, quantity)

static inline Hf__Operation *op_adjust(struct world *w, const char *sku, const char *warehouse,
                                       int64_t delta)
{
    Hf__Operation *op = op_adjust_plain(w, sku, warehouse, delta);
    op->adjust->reason = bytes_of(w, "damage");
    return op;
}

static inline Hf__Operation *op_extend(struct world *w, const char *reservation, uint64_t ttl_ms)
{
    NEW_OPERATION(w, Extend, extend, EXTEND);
    op->extend = body;
    body->reservation = bytes_of(w, reservation);
    body->ttl_ms = ttl_ms;
    return op;
}

static inline Hf__Operation *op_transfer(struct world *w, const char *sku, const char *from,
                                         const char *to, uint32_t quantity)
{
    NEW_OPERATION(w, Transfer, transfer, TRANSFER);
    op->transfer = body;
    body->sku = bytes_of(w, sku);
    body->from = bytes_of(w, from);
    body->to = bytes_of(w, to);
    body->quantity = quantity;
    return op;
}

static inline Hf__Operation *op_put_item(struct world *w, const char *sku, const char *barcodes)
{
    NEW_OPERATION(w, PutItem, put_item, PUT_ITEM);
    char *copy = arena_copy(&w->forever, barcodes, strlen(barcodes)), *save = NULL;
    op->put_item = body;
    body->sku = bytes_of(w, sku);
    body->name = bytes_of(w, "An item");
    body->barcodes = arena_alloc(&w->forever, 128 * sizeof *body->barcodes);
    for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
        body->barcodes[body->n_barcodes++] = bytes_of(w, word);
    return op;
}

static inline Hf__Operation *op_put_warehouse(struct world *w, const char *code)
{
    NEW_OPERATION(w, PutWarehouse, put_warehouse, PUT_WAREHOUSE);
    op->put_warehouse = body;
    body->warehouse = bytes_of(w, code);
    return op;
}

static inline Hf__Operation *op_put_reason(struct world *w, const char *code)
{
    NEW_OPERATION(w, PutReason, put_reason, PUT_REASON);
    op->put_reason = body;
    body->reason = bytes_of(w, code);
    return op;
}

static inline Hf__Operation *op_settle(struct world *w, const Hf__Operation *other)
{
    NEW_OPERATION(w, Settle, settle, SETTLE);
    op->settle = body;
    body->operation_id = other->operation_id;
    return op;
}

static inline Hf__Operation *same_id(Hf__Operation *op, const Hf__Operation *other)
{
    op->operation_id = other->operation_id;
    return op;
}

/* ------------------------------------------------------------- expecting */

#define expect_status(result, wanted)                                                              \
    assert_string_equal(status_name((enum status)(result)->status), #wanted)

static inline Hf__Result *run_one_attempt(struct world *w, Hf__Operation *op, uint16_t attempt)
{
    run(w, &op, &attempt, 1);
    return w->decisions[0].result;
}

static inline Hf__Result *run_one(struct world *w, Hf__Operation *op)
{
    return run_one_attempt(w, op, 1);
}

/* Runs it alone; the result must be this one, and a refusal changes nothing. */
#define expect(w, op, wanted)                                                                      \
    do {                                                                                           \
        uint64_t before_ = (w)->last_seq;                                                          \
        Hf__Result *result_ = run_one(w, op);                                                      \
        expect_status(result_, wanted);                                                            \
        if (strcmp(#wanted, "applied") != 0 && (w)->expired == 0 && !(w)->wrote)                   \
            assert_int_equal((w)->last_seq, before_);                                              \
    } while (0)

#define expect_field(w, op, wanted, field_)                                                        \
    do {                                                                                           \
        expect(w, op, wanted);                                                                     \
        assert_string_equal((w)->decisions[0].result->field, field_);                              \
    } while (0)

#define BATCH(w, ...)                                                                              \
    do {                                                                                           \
        Hf__Operation *ops_[] = {__VA_ARGS__};                                                     \
        run(w, ops_, NULL, sizeof ops_ / sizeof ops_[0]);                                          \
    } while (0)

#define expect_nth(w, n, wanted) expect_status((w)->decisions[n].result, wanted)

/* Reserves and returns the reservation's text. */
static inline char *reserve(struct world *w, const char *spec)
{
    Hf__Result *result = run_one(w, op_reserve(w, spec));
    expect_status(result, applied);
    return arena_copy(&w->forever, result->reservation->reservation.data,
                      result->reservation->reservation.len);
}

/* The reservation that this reserve makes. */
static inline char *reservation_of(struct world *w, const Hf__Operation *op)
{
    uint8_t id[RESERVATION_ID_BYTES];
    char *text = arena_alloc(&w->forever, RESERVATION_TEXT_BYTES);
    reservation_id_make(id, 0, op->operation_id.data);
    reservation_id_format(id, text);
    return text;
}

static inline Hf__ReservationState state_of(struct world *w, const char *reservation)
{
    uint8_t id[RESERVATION_ID_BYTES];
    assert_true(reservation_id_parse(reservation, strlen(reservation), id));
    return db_reservation(w, id)->state;
}

#define expect_level(w, sku, wh, on_hand_, reserved_, committed_, unavailable_, shortfall_)        \
    do {                                                                                           \
        struct level level_ = level_at(w, sku, wh);                                                \
        assert_int_equal(level_.now.on_hand, on_hand_);                                            \
        assert_int_equal(level_.now.reserved, reserved_);                                          \
        assert_int_equal(level_.now.committed, committed_);                                        \
        assert_int_equal(level_.now.unavailable, unavailable_);                                    \
        assert_int_equal(level_.now.shortfall, shortfall_);                                        \
    } while (0)

/* Items A and B, warehouses W1 to W3, reason "damage", and the stock that spec says. */
static inline struct world *shop(const char *spec)
{
    struct world *w = world_new(1);
    BATCH(w, op_put_warehouse(w, "W1"), op_put_warehouse(w, "W2"), op_put_warehouse(w, "W3"),
          op_put_reason(w, "damage"), op_put_item(w, "A", ""), op_put_item(w, "B", ""));
    if (*spec)
        expect(w, op_receive(w, spec), applied);
    return w;
}

#endif
