/* SPDX-License-Identifier: MIT
 *
 * A view's model beside the ledger that it follows, for tests/unit/test_view_model.c and
 * test_view_knowledge.c: the ledger's movements reach the model as they would, lost, doubled,
 * repaired, from snapshots.
 */
#ifndef TESTS_UNIT_VIEW_WORLD_H
#define TESTS_UNIT_VIEW_WORLD_H

#include "tests/unit/ledger_world.h"
#include "tests/unit/pick.h"
#include "protocol/digest.h"
#include "view/model.h"
#include "workers/history.h"

#define SKUS 6
#define HOLDS 64
#define DIGESTS 4096

struct reader {
    struct world *w;
    struct model *model;
    struct arena arena; /* of messages */
    struct arena answers;
    int64_t now_us;
    char *holds[HOLDS];
    size_t hold_count;
    uint64_t digests[DIGESTS]; /* by sequence: of the tables then; 0: not looked at */
    size_t remembered;         /* digests of the past that the model told */
};

static const uint8_t other_claim[16] = {9};

/* ------------------------------------------------------------- messages */

static inline Hf__Movement **messages(struct reader *r, uint64_t after, size_t count)
{
    Hf__Movement **list = arena_alloc(&r->arena, (count + 1) * sizeof *list);

    for (size_t i = 0; i < count; i++)
        list[i] = history_message(&r->w->movements[after + i], &r->arena);
    return list;
}

static inline ProtobufCBinaryData claim_bytes(const uint8_t *claim)
{
    return (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)claim};
}

/* Through the wire's form and back. */
static inline enum model_outcome tell(struct reader *r, uint64_t after, size_t count,
                                      const uint8_t *claim)
{
    Hf__PartitionChanges changes = HF__PARTITION_CHANGES__INIT;

    changes.claim_id = claim_bytes(claim);
    changes.after = after;
    changes.movements = messages(r, after, count);
    changes.n_movements = count;
    size_t bytes = hf__partition_changes__get_packed_size(&changes);
    uint8_t *packed = arena_alloc(&r->arena, bytes + 1);
    hf__partition_changes__pack(&changes, packed);
    Hf__PartitionChanges *read = hf__partition_changes__unpack(&r->arena.allocator, bytes, packed);
    assert_non_null(read);
    return model_changes(r->model, read);
}

static inline enum model_outcome beacon(struct reader *r, uint64_t sequence, const uint8_t *claim,
                                        int64_t asked_us)
{
    Hf__Position position = HF__POSITION__INIT;

    position.sequence = sequence;
    position.claim_id = claim_bytes(claim);
    return model_beacon(r->model, &position, asked_us);
}

static inline struct snapshot_text text_of(const void *bytes, size_t length)
{
    return (struct snapshot_text){bytes, (uint32_t)length};
}

static inline int by_sku(const void *a, const void *b)
{
    return code_compare(&((const struct item *)a)->sku, &((const struct item *)b)->sku);
}

static inline int by_level(const void *a, const void *b)
{
    const struct level *x = a, *y = b;
    int order = code_compare(&x->sku, &y->sku);

    return order != 0 ? order : code_compare(&x->warehouse, &y->warehouse);
}

static inline void add_reservation(struct snapshot *s, const struct reservation *row)
{
    struct snapshot_reservation head = {
        .state = row->state,
        .revision = row->revision,
        .expires_at_us = row->expires_at_us,
        .created_at_us = row->created_at_us,
        .order = text_of(row->order.bytes, row->order.length),
        .actor = text_of(row->actor.bytes, row->actor.length),
    };

    memcpy(head.id, row->id, sizeof head.id);
    snapshot_reservation(s, &head);
    for (size_t i = 0; i < row->line_count; i++) {
        const struct reservation_line *from = &row->lines[i];
        struct snapshot_line line = {
            .number = (uint32_t)i,
            .sku = text_of(from->sku.bytes, from->sku.length),
            .quantity = (uint32_t)from->quantity,
            .reserved = (uint32_t)from->reserved,
            .committed = (uint32_t)from->committed,
            .shipped = (uint32_t)from->shipped,
            .cancelled = (uint32_t)from->cancelled,
            .released = (uint32_t)from->released,
            .returned = (uint32_t)from->returned,
        };
        snapshot_line(s, &line, text_of(from->warehouse.bytes, from->warehouse.length));
    }
}

static inline struct snapshot *snapshot_of(struct reader *r)
{
    struct world *w = r->w;
    struct snapshot *s = snapshot_new(0);
    struct level *levels = arena_copy(&r->arena, w->levels, w->level_count * sizeof *levels);
    struct item *items = arena_copy(&r->arena, w->items, w->item_count * sizeof *items);

    s->sequence = w->last_seq;
    memcpy(s->claim_id, world_claim, sizeof s->claim_id);
    qsort(items, w->item_count, sizeof *items, by_sku);
    qsort(levels, w->level_count, sizeof *levels, by_level);
    for (size_t i = 0; i < w->item_count; i++)
        snapshot_item(s, text_of(items[i].sku.bytes, items[i].sku.length),
                      text_of(items[i].name, items[i].name_bytes), (uint32_t)items[i].reorder_point,
                      items[i].version);
    for (size_t i = 0; i < w->level_count; i++) {
        const struct balances *b = &levels[i].now;
        struct figures now = {(uint32_t)b->on_hand,      (uint32_t)b->reserved,
                              (uint32_t)b->committed,    (uint32_t)b->unavailable,
                              (uint32_t)b->safety_stock, (uint32_t)b->reorder_point};
        assert_true(snapshot_level(s, text_of(levels[i].sku.bytes, levels[i].sku.length),
                                   text_of(levels[i].warehouse.bytes, levels[i].warehouse.length),
                                   &now, levels[i].version, levels[i].on_hand_version));
    }
    for (size_t i = 0; i < w->item_count; i++) {
        for (size_t b = 0; b < items[i].barcode_count; b++)
            assert_true(
                snapshot_barcode(s, text_of(items[i].sku.bytes, items[i].sku.length),
                                 text_of(items[i].barcodes[b].bytes, items[i].barcodes[b].length)));
    }
    for (size_t i = 0; i < w->reservation_count; i++)
        add_reservation(s, &w->reservations[i]);
    for (size_t i = 0; i < w->named_count; i++) {
        if (!w->named[i].is_reason)
            snapshot_named(s, text_of(w->named[i].code.bytes, w->named[i].code.length),
                           text_of(w->named[i].name, w->named[i].name_bytes), w->named[i].version);
    }
    return s;
}

static inline void install(struct reader *r)
{
    struct snapshot *s = snapshot_of(r);

    model_install(r->model, &s, r->now_us);
    assert_null(s);
}

/* From the model's position to the end, in steps of at most `most`. */
static inline void repair(struct reader *r, size_t most)
{
    Hf__Position to = HF__POSITION__INIT;
    uint64_t end = r->w->last_seq;

    to.sequence = end;
    to.claim_id = claim_bytes(world_claim);
    for (;;) {
        uint64_t at = model_position(r->model, 0).sequence;
        size_t count = (size_t)(end - at) < most ? (size_t)(end - at) : most;
        assert_int_equal(model_ledger(r->model, at, messages(r, at, count), count, &to,
                                      at + count == end, r->now_us),
                         MODEL_DONE);
        if (at + count == end)
            return;
    }
}

/* What the database says of what the model wants. */
static inline void complete(struct reader *r)
{
    uint8_t id[RESERVATION_ID_BYTES];

    while (model_wants(r->model, id)) {
        struct snapshot *s = snapshot_new(0);
        const struct reservation *row = db_reservation(r->w, id);
        if (row)
            add_reservation(s, row);
        model_complete(r->model, id, s);
        snapshot_destroy(&s);
    }
}

/* ------------------------------------------------------------- a reader */

/* Not by value: an arena must stay where it is. */
static inline void reader_init(struct reader *r, uint64_t seed)
{
    *r = (struct reader){.w = world_new(1), .model = model_new(1), .now_us = 1000};

    seed_state = seed * 88172645463325252u + 1;
    arena_init(&r->arena);
    arena_init(&r->answers);
    BATCH(r->w, op_put_warehouse(r->w, "W1"), op_put_warehouse(r->w, "W2"),
          op_put_warehouse(r->w, "W3"), op_put_reason(r->w, "damage"), op_put_item(r->w, "A", "41"),
          op_put_item(r->w, "B", ""), op_put_item(r->w, "C", ""), op_put_item(r->w, "D", ""),
          op_put_item(r->w, "E", ""));
}

static inline void reader_destroy(struct reader *r)
{
    model_destroy(&r->model);
    world_destroy(r->w);
    arena_release(&r->arena);
    arena_release(&r->answers);
}

#endif
