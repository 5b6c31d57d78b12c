/* SPDX-License-Identifier: MIT
 *
 * The read model against the ledger itself: random operations are decided by a real ledger, its
 * movements reach the model as they would (lost, doubled, repaired, from snapshots), and whatever
 * the model answers must be what the ledger's database holds.
 */
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

static Hf__Movement **messages(struct reader *r, uint64_t after, size_t count)
{
    Hf__Movement **list = arena_alloc(&r->arena, (count + 1) * sizeof *list);

    for (size_t i = 0; i < count; i++)
        list[i] = history_message(&r->w->movements[after + i], &r->arena);
    return list;
}

static ProtobufCBinaryData claim_bytes(const uint8_t *claim)
{
    return (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)claim};
}

/* Through the wire's form and back. */
static enum model_outcome tell(struct reader *r, uint64_t after, size_t count, const uint8_t *claim)
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

static enum model_outcome beacon(struct reader *r, uint64_t sequence, const uint8_t *claim,
                                 int64_t asked_us)
{
    Hf__Position position = HF__POSITION__INIT;

    position.sequence = sequence;
    position.claim_id = claim_bytes(claim);
    return model_beacon(r->model, &position, asked_us);
}

static struct snapshot_text text_of(const void *bytes, size_t length)
{
    return (struct snapshot_text){bytes, (uint32_t)length};
}

static int by_sku(const void *a, const void *b)
{
    return code_compare(&((const struct item *)a)->sku, &((const struct item *)b)->sku);
}

static int by_level(const void *a, const void *b)
{
    const struct level *x = a, *y = b;
    int order = code_compare(&x->sku, &y->sku);

    return order != 0 ? order : code_compare(&x->warehouse, &y->warehouse);
}

static void add_reservation(struct snapshot *s, const struct reservation *row)
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

static struct snapshot *snapshot_of(struct reader *r)
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

static void install(struct reader *r)
{
    struct snapshot *s = snapshot_of(r);

    model_install(r->model, &s, r->now_us);
    assert_null(s);
}

/* From the model's position to the end, in steps of at most `most`. */
static void repair(struct reader *r, size_t most)
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
static void complete(struct reader *r)
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

/* ------------------------------------------------------------- comparing */

static Hf__ViewAnswer *ask(struct reader *r, Hf__ViewQuery *query)
{
    Hf__ViewAnswer *answer = arena_alloc(&r->answers, sizeof *answer);

    assert_true(model_answer(r->model, query, r->now_us, r->now_us, true, &r->answers, answer));
    return answer;
}

#define ASK(name, type, member, CASE)                                                              \
    Hf__##type name = HF__##CASE##__INIT;                                                          \
    Hf__ViewQuery query = HF__VIEW_QUERY__INIT;                                                    \
    query.member = &name

static bool is_text(const ProtobufCBinaryData *bytes, const struct code *code)
{
    return code_is(code, bytes->data, bytes->len);
}

static void same_level(const Hf__Level *got, const struct level *want)
{
    assert_true(is_text(&got->warehouse, &want->warehouse));
    assert_int_equal(got->on_hand, want->now.on_hand);
    assert_int_equal(got->reserved, want->now.reserved);
    assert_int_equal(got->committed, want->now.committed);
    assert_int_equal(got->unavailable, want->now.unavailable);
    assert_int_equal(got->safety_stock, want->now.safety_stock);
    assert_int_equal(got->reorder_point, want->now.reorder_point);
    assert_int_equal(got->shortfall, want->now.shortfall);
    assert_int_equal(got->available, balances_available(&want->now));
    assert_int_equal(got->version, want->version);
    assert_int_equal(got->on_hand_version, want->on_hand_version);
}

static void same_barcodes(struct reader *r, const struct item *item)
{
    ASK(barcode, ViewBarcodeQuery, barcode, VIEW_BARCODE_QUERY);

    query.kind_case = HF__VIEW_QUERY__KIND_BARCODE;
    barcode.n_barcodes = 1;
    for (size_t b = 0; b < item->barcode_count; b++) {
        ProtobufCBinaryData code = {item->barcodes[b].length,
                                    (uint8_t *)(uintptr_t)item->barcodes[b].bytes};
        barcode.barcodes = &code;
        Hf__ViewAnswer *answer = ask(r, &query);
        assert_int_equal(answer->n_stock, 1);
        assert_true(is_text(&answer->stock[0]->sku, &item->sku));
    }
}

static void same_stock(struct reader *r, const struct item *item)
{
    ASK(stock, ViewStockQuery, stock, VIEW_STOCK_QUERY);
    ProtobufCBinaryData sku = {item->sku.length, (uint8_t *)(uintptr_t)item->sku.bytes};
    size_t levels = 0;

    query.kind_case = HF__VIEW_QUERY__KIND_STOCK;
    stock.skus = &sku;
    stock.n_skus = 1;
    Hf__ViewAnswer *answer = ask(r, &query);
    assert_int_equal(answer->status, STATUS_applied);
    assert_int_equal(answer->n_stock, 1);
    const Hf__ViewStock *got = answer->stock[0];
    assert_int_equal(got->knowledge, HF__KNOWLEDGE__KNOWLEDGE_KNOWN);
    assert_int_equal(got->sequence, r->w->last_seq);
    assert_true(got->exists);
    assert_int_equal(got->item->version, item->version);
    assert_int_equal(got->item->name.len, item->name_bytes);
    assert_int_equal(got->item->n_barcodes, item->barcode_count);
    for (size_t i = 0; i < r->w->level_count; i++)
        levels += code_equal(&r->w->levels[i].sku, &item->sku);
    assert_int_equal(got->n_levels, levels);
    for (size_t i = 0; i < got->n_levels; i++) {
        struct code warehouse;
        code_set(&warehouse, got->levels[i]->warehouse.data, got->levels[i]->warehouse.len);
        same_level(got->levels[i], db_level(r->w, &item->sku, &warehouse));
    }
}

static bool row_is_open(const struct reservation *row)
{
    for (size_t i = 0; i < row->line_count; i++) {
        if (row->lines[i].reserved > 0 || row->lines[i].committed > 0)
            return true;
    }
    return row->state == HF__RESERVATION_STATE__RESERVATION_ACTIVE;
}

static void same_reservation(const Hf__Reservation *got, const struct reservation *want)
{
    assert_int_equal(got->state, want->state);
    assert_int_equal(got->revision, want->revision);
    assert_int_equal(got->expires_at_us, want->expires_at_us);
    assert_int_equal(got->created_at_us, want->created_at_us);
    assert_true(is_text(&got->order, &want->order));
    assert_true(is_text(&got->actor, &want->actor));
    assert_int_equal(got->n_lines, want->line_count);
    for (size_t i = 0; i < want->line_count; i++) {
        const struct reservation_line *line = &want->lines[i];
        assert_true(is_text(&got->lines[i]->sku, &line->sku));
        assert_true(is_text(&got->lines[i]->warehouse, &line->warehouse));
        assert_int_equal(got->lines[i]->quantity, line->quantity);
        assert_int_equal(got->lines[i]->reserved, line->reserved);
        assert_int_equal(got->lines[i]->committed, line->committed);
        assert_int_equal(got->lines[i]->shipped, line->shipped);
        assert_int_equal(got->lines[i]->cancelled, line->cancelled);
        assert_int_equal(got->lines[i]->released, line->released);
        assert_int_equal(got->lines[i]->returned, line->returned);
    }
}

/* By id: the open ones are told, the others named as not open. */
static size_t same_reservations(struct reader *r)
{
    struct world *w = r->w;
    size_t open = 0;

    for (size_t i = 0; i < w->reservation_count; i++) {
        ASK(reservations, ViewReservationsQuery, reservations, VIEW_RESERVATIONS_QUERY);
        char text[RESERVATION_TEXT_BYTES];
        reservation_id_format(w->reservations[i].id, text);
        ProtobufCBinaryData id = {strlen(text), (uint8_t *)text};
        query.kind_case = HF__VIEW_QUERY__KIND_RESERVATIONS;
        reservations.reservations = &id;
        reservations.n_reservations = 1;
        Hf__ViewAnswer *answer = ask(r, &query);
        bool is_open = row_is_open(&w->reservations[i]);
        assert_int_equal(answer->n_reservations, is_open);
        assert_int_equal(answer->n_not_open, !is_open);
        assert_int_equal(answer->n_positions, 1);
        if (is_open)
            same_reservation(answer->reservations[0], &w->reservations[i]);
        open += is_open;
    }
    return open;
}

static void same_orders(struct reader *r)
{
    for (uint32_t number = 0; number < 5; number++) {
        ASK(reservations, ViewReservationsQuery, reservations, VIEW_RESERVATIONS_QUERY);
        char text[16];
        size_t want = 0;
        snprintf(text, sizeof text, "O%u", number);
        ProtobufCBinaryData order = {strlen(text), (uint8_t *)text};
        query.kind_case = HF__VIEW_QUERY__KIND_RESERVATIONS;
        reservations.orders = &order;
        reservations.n_orders = 1;
        for (size_t i = 0; i < r->w->reservation_count; i++)
            want += row_is_open(&r->w->reservations[i]) &&
                    is_text(&order, &r->w->reservations[i].order);
        assert_int_equal(ask(r, &query)->n_reservations, want);
    }
}

/* All live ones, in pages of three. */
static void same_expiring(struct reader *r)
{
    ASK(reservations, ViewReservationsQuery, reservations, VIEW_RESERVATIONS_QUERY);
    size_t want = 0, got = 0;
    int64_t last_us = INT64_MIN;

    query.kind_case = HF__VIEW_QUERY__KIND_RESERVATIONS;
    reservations.limit = 3;
    for (size_t i = 0; i < r->w->reservation_count; i++)
        want += r->w->reservations[i].state == HF__RESERVATION_STATE__RESERVATION_ACTIVE;
    for (;;) {
        Hf__ViewAnswer *answer = ask(r, &query);
        assert_int_equal(answer->status, STATUS_applied);
        assert_int_equal(answer->matched, want);
        for (size_t i = 0; i < answer->n_reservations; i++) {
            assert_true(answer->reservations[i]->expires_at_us >= last_us);
            last_us = answer->reservations[i]->expires_at_us;
        }
        got += answer->n_reservations;
        if (answer->cursor.len == 0)
            break;
        assert_int_equal(answer->n_reservations, 3);
        reservations.cursor = answer->cursor;
    }
    assert_int_equal(got, want);
}

static void same_totals(struct reader *r)
{
    ASK(totals, ViewTotalsQuery, totals, VIEW_TOTALS_QUERY);

    query.kind_case = HF__VIEW_QUERY__KIND_TOTALS;
    Hf__ViewAnswer *answer = ask(r, &query);
    for (size_t t = 0; t < answer->n_totals; t++) {
        const Hf__ViewTotal *total = answer->totals[t];
        int64_t levels = 0, on_hand = 0, available = 0, shortfall = 0, out = 0, below = 0;
        for (size_t i = 0; i < r->w->level_count; i++) {
            const struct level *level = &r->w->levels[i];
            const struct balances *b = &level->now;
            if (!is_text(&total->warehouse->code, &level->warehouse))
                continue;
            levels++;
            on_hand += b->on_hand;
            available += balances_available(b);
            shortfall += b->shortfall;
            out += balances_available(b) == 0;
            below += b->on_hand - b->reserved - b->committed - b->unavailable < b->safety_stock;
        }
        assert_int_equal(total->skus, levels);
        assert_int_equal(total->on_hand, on_hand);
        assert_int_equal(total->available, available);
        assert_int_equal(total->shortfall, shortfall);
        assert_int_equal(total->out_of_stock, out);
        assert_int_equal(total->below_safety, below);
    }
}

/* ------------------------------------------------------------- digests */

static struct digest_text code_digest(const struct code *code)
{
    return (struct digest_text){code->bytes, code->length};
}

static void add_item(struct digest_sum *sum, const struct item *item)
{
    struct digest_text sku = code_digest(&item->sku), none = {"", 0};
    struct digest_text name = {item->name, item->name_bytes};

    digest_add(sum, HF__ROW_KIND__ROW_ITEM, sku, none, item->version,
               digest_item(sku, name, (uint64_t)item->reorder_point, item->version));
    for (size_t i = 0; i < item->barcode_count; i++)
        digest_add(sum, HF__ROW_KIND__ROW_ITEM, sku, none, 0,
                   digest_barcode(sku, code_digest(&item->barcodes[i])));
}

static void add_level(struct digest_sum *sum, const struct level *level)
{
    const struct balances *b = &level->now;
    struct digest_text sku = code_digest(&level->sku), warehouse = code_digest(&level->warehouse);
    struct digest_level figures = {
        (uint64_t)b->on_hand,     (uint64_t)b->reserved,     (uint64_t)b->committed,
        (uint64_t)b->unavailable, (uint64_t)b->safety_stock, (uint64_t)b->reorder_point,
        level->version,           level->on_hand_version};

    digest_add(sum, HF__ROW_KIND__ROW_LEVEL, sku, warehouse, level->version,
               digest_level(sku, warehouse, &figures));
}

static void add_held(struct digest_sum *sum, const struct reservation *row)
{
    struct digest_text id = {row->id, sizeof row->id}, none = {"", 0};
    struct digest_reservation header = {row->id,
                                        (uint64_t)row->state,
                                        row->revision,
                                        row->expires_at_us,
                                        row->created_at_us,
                                        code_digest(&row->order),
                                        code_digest(&row->actor)};
    bool held = false;

    for (size_t i = 0; i < row->line_count; i++)
        held = held || row->lines[i].reserved > 0 || row->lines[i].committed > 0;
    if (!held)
        return;
    digest_add(sum, HF__ROW_KIND__ROW_RESERVATION, id, none, row->revision,
               digest_reservation(&header));
    for (size_t i = 0; i < row->line_count; i++) {
        const struct reservation_line *line = &row->lines[i];
        struct digest_line figures = {i,
                                      (uint64_t)line->quantity,
                                      (uint64_t)line->reserved,
                                      (uint64_t)line->committed,
                                      (uint64_t)line->shipped,
                                      (uint64_t)line->cancelled,
                                      (uint64_t)line->released,
                                      (uint64_t)line->returned};
        digest_add(
            sum, HF__ROW_KIND__ROW_RESERVATION, id, none, 0,
            digest_line(row->id, code_digest(&line->sku), code_digest(&line->warehouse), &figures));
    }
}

/* What the database's tables come to; the sum's rows are in r->answers. */
static struct digest_sum *stored(struct reader *r, Hf__AuditWhat what, uint32_t bucket)
{
    struct digest_sum *sum = digest_sum_new(what, bucket, &r->answers);
    struct world *w = r->w;

    for (size_t i = 0; i < w->item_count; i++)
        add_item(sum, &w->items[i]);
    for (size_t i = 0; i < w->level_count; i++)
        add_level(sum, &w->levels[i]);
    for (size_t i = 0; i < w->reservation_count; i++)
        add_held(sum, &w->reservations[i]);
    for (size_t i = 0; i < w->named_count; i++) {
        struct digest_text code = code_digest(&w->named[i].code);
        struct digest_text name = {w->named[i].name, w->named[i].name_bytes};
        if (!w->named[i].is_reason)
            digest_add(sum, HF__ROW_KIND__ROW_WAREHOUSE, code, (struct digest_text){"", 0},
                       w->named[i].version, digest_warehouse(code, name, w->named[i].version));
    }
    return sum;
}

static Hf__ViewAnswer *ask_audit(struct reader *r, Hf__AuditWhat what, uint64_t sequence,
                                 uint32_t bucket)
{
    ASK(audit, ViewAuditQuery, audit, VIEW_AUDIT_QUERY);
    Hf__Position position = HF__POSITION__INIT, *at = &position;

    query.kind_case = HF__VIEW_QUERY__KIND_AUDIT;
    position.sequence = sequence;
    audit.what = what;
    audit.at = &at;
    audit.n_at = 1;
    audit.bucket = bucket;
    audit.recount = what == HF__AUDIT_WHAT__AUDIT_DIGEST;
    return ask(r, &query);
}

/* Now, and as it was at sequences that were passed: told, or said to be forgotten. */
static void same_digests(struct reader *r)
{
    uint64_t last = r->w->last_seq;
    struct digest_sum *sum = stored(r, HF__AUDIT_WHAT__AUDIT_DIGEST, 0);
    Hf__ViewAnswer *answer = ask_audit(r, HF__AUDIT_WHAT__AUDIT_DIGEST, last, 0);

    assert_int_equal(answer->n_digests, 1);
    assert_false(answer->digests[0]->passed);
    assert_false(answer->digests[0]->miscounted);
    assert_int_equal(answer->digests[0]->sum, digest_total(sum));
    if (last < DIGESTS)
        r->digests[last] = digest_total(sum);
    digest_sum_destroy(&sum);
    for (int i = 0; i < 8; i++) {
        uint64_t at = pick((uint32_t)last + 1);
        answer = ask_audit(r, HF__AUDIT_WHAT__AUDIT_DIGEST, at, 0);
        if (at >= DIGESTS || r->digests[at] == 0 || answer->digests[0]->passed)
            continue;
        assert_int_equal(answer->digests[0]->sum, r->digests[at]);
        r->remembered += at < last;
    }
    assert_int_equal(ask_audit(r, HF__AUDIT_WHAT__AUDIT_DIGEST, last + 1, 0)->digests[0]->knowledge,
                     HF__KNOWLEDGE__KNOWLEDGE_BEHIND);
}

/* Every row of a bucket, and the sums of all buckets. */
static void same_rows(struct reader *r)
{
    uint32_t bucket = pick(DIGEST_BUCKETS);
    struct digest_sum *sum = stored(r, HF__AUDIT_WHAT__AUDIT_ROWS, bucket);
    Hf__ViewAnswer *answer = ask_audit(r, HF__AUDIT_WHAT__AUDIT_BUCKETS, r->w->last_seq, 0);
    size_t count;
    bool cut;

    assert_int_equal(answer->n_buckets, DIGEST_BUCKETS);
    assert_memory_equal(answer->buckets, digest_buckets(sum), DIGEST_BUCKETS * sizeof(uint64_t));
    answer = ask_audit(r, HF__AUDIT_WHAT__AUDIT_ROWS, r->w->last_seq, bucket);
    Hf__RowDigest **rows = digest_rows(sum, &count, &cut);
    assert_int_equal(answer->n_rows, count);
    for (size_t i = 0; i < count; i++) {
        size_t at = 0;
        while (at < count && answer->rows[at]->sum != rows[i]->sum)
            at++;
        assert_true(at < count);
        assert_int_equal(answer->rows[at]->version, rows[i]->version);
        assert_int_equal(answer->rows[at]->kind, rows[i]->kind);
    }
    digest_sum_destroy(&sum);
}

static void same_everything(struct reader *r)
{
    struct model_counts counts = model_counts(r->model);

    assert_int_equal(model_position(r->model, 0).sequence, r->w->last_seq);
    for (size_t i = 0; i < r->w->item_count; i++)
        same_stock(r, &r->w->items[i]), same_barcodes(r, &r->w->items[i]);
    assert_int_equal(counts.items, r->w->item_count);
    assert_int_equal(counts.levels, r->w->level_count);
    assert_int_equal(counts.reservations, same_reservations(r));
    same_orders(r);
    same_expiring(r);
    same_totals(r);
    same_digests(r);
    same_rows(r);
    arena_reset(&r->answers);
}

/* ------------------------------------------------------------- random operations */

static const char *const skus[SKUS] = {"A", "B", "C", "D", "E", "F"};
static const char *const warehouses[] = {"W1", "W2", "W3"};

static const char *random_lines(struct reader *r, uint32_t most)
{
    char *text = arena_alloc(&r->w->forever, 128);
    size_t used = 0;

    text[0] = '\0';
    for (uint32_t n = 1 + pick(3); n > 0; n--)
        used += (size_t)snprintf(text + used, 128 - used, "%s%s=%u@%s", used > 0 ? " " : "",
                                 skus[pick(SKUS)], 1 + pick(most), warehouses[pick(3)]);
    return text;
}

static const char *random_hold(struct reader *r)
{
    return r->hold_count > 0 ? r->holds[pick((uint32_t)r->hold_count)] : "R-00061NBCXN48R6GHT";
}

static Hf__Operation *random_reserve(struct reader *r)
{
    char order[16];

    Hf__Operation *op = op_reserve(r->w, random_lines(r, 4));
    snprintf(order, sizeof order, "O%u", pick(5));
    if (pick(3) > 0)
        op->reserve->order = bytes_of(r->w, order);
    op->actor = bytes_of(r->w, "anna");
    op->reserve->ttl_ms = 1000 * (1 + pick(20));
    r->holds[r->hold_count < HOLDS ? r->hold_count++ : pick(HOLDS)] = reservation_of(r->w, op);
    return op;
}

static Hf__Operation *random_item(struct reader *r)
{
    char codes[64];
    uint32_t sku = pick(SKUS);

    snprintf(codes, sizeof codes, pick(2) ? "4%u 5%u" : "4%u", sku, sku);
    Hf__Operation *op = op_put_item(r->w, skus[sku], pick(4) ? codes : "");
    if (pick(2))
        op->put_item->name = bytes_of(r->w, pick(2) ? "Another" : "");
    return op;
}

static Hf__Operation *random_operation(struct reader *r)
{
    struct world *w = r->w;
    const char *sku = skus[pick(SKUS)], *warehouse = warehouses[pick(3)];

    switch (pick(16)) {
    case 0:
    case 1:
    case 2:
        return op_receive(w, random_lines(r, 20));
    case 3:
    case 4:
    case 5:
        return random_reserve(r);
    case 6: {
        Hf__Operation *op = op_purchase(w, random_hold(r), pick(2) ? "" : "A=1");
        op->purchase->keep_remainder = pick(2);
        op->purchase->revive = pick(2);
        return op;
    }
    case 7:
        return op_release(w, random_hold(r), pick(2) ? "" : "B=1");
    case 8:
        return op_ship(w, random_hold(r), pick(2) ? "" : "A=1");
    case 9:
        return op_cancel(w, random_hold(r), "");
    case 10:
        return op_return(w, random_hold(r), "A=1");
    case 11:
        return op_extend(w, random_hold(r), 1000 * (1 + pick(20)));
    case 12:
        return op_count(w, sku, warehouse, pick(10));
    case 13:
        return op_safety(w, sku, warehouse, pick(5));
    case 14:
        return op_quarantine(w, random_lines(r, 2));
    default:
        return random_item(r);
    }
}

static void run_some(struct reader *r)
{
    Hf__Operation *operations[8];
    size_t count = 1 + pick(8);

    for (size_t i = 0; i < count; i++)
        operations[i] = random_operation(r);
    r->w->expire_limit = pick(3) == 0 ? 10 : 0;
    run(r->w, operations, NULL, count);
    r->w->now_us += pick(4) * SECOND;
}

/* Not by value: an arena must stay where it is. */
static void reader_init(struct reader *r, uint64_t seed)
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

static void reader_destroy(struct reader *r)
{
    model_destroy(&r->model);
    world_destroy(r->w);
    arena_release(&r->arena);
    arena_release(&r->answers);
}

/* Over all seeds: that the past is asked for, and told. */
static size_t remembered;

static void one_seed(uint64_t seed)
{
    struct reader r;

    reader_init(&r, seed);
    assert_int_equal(tell(&r, 0, 1, world_claim), MODEL_UNKNOWN);
    install(&r);
    for (int step = 0; step < 60; step++) {
        uint64_t before = r.w->last_seq;
        arena_reset(&r.arena);
        r.now_us += 1000;
        run_some(&r);
        size_t count = (size_t)(r.w->last_seq - before);
        if (count == 0)
            continue;
        uint32_t fate = pick(10);
        if (fate == 0) { /* lost: the next message, or the beacon, shows it */
            assert_int_equal(beacon(&r, r.w->last_seq, world_claim, 1), MODEL_GAP);
            repair(&r, 1 + pick(7));
        } else if (fate == 1) {
            install(&r);
            assert_int_equal(tell(&r, before, count, world_claim), MODEL_OLD);
        } else if (fate == 2) {
            size_t half = count / 2; /* a part first, then all of it */
            if (half > 0)
                assert_int_equal(tell(&r, before, half, world_claim), MODEL_DONE);
            assert_int_equal(tell(&r, before, count, world_claim), MODEL_DONE);
        } else {
            assert_int_equal(tell(&r, before, count, world_claim), MODEL_DONE);
        }
        assert_int_equal(tell(&r, before, count, world_claim), MODEL_OLD);
        complete(&r);
        same_everything(&r);
    }
    remembered += r.remembered;
    reader_destroy(&r);
}

static void test_random(void **state)
{
    const char *seeds = getenv("HOLDFAST_SEEDS");

    (void)state;
    for (uint64_t seed = 1; seed <= (seeds ? strtoull(seeds, NULL, 10) : 60); seed++)
        one_seed(seed);
    assert_true(remembered > 100);
}

/* What a partition was, asked for only after it has gone on. */
static void test_digest_of_the_past(void **state)
{
    (void)state;
    struct reader r;
    uint64_t wanted[3], at[3];
    reader_init(&r, 1);
    run_one(r.w, op_receive(r.w, "A=9@W1"));
    install(&r);
    for (size_t i = 0; i < 3; i++) {
        uint64_t before = r.w->last_seq;
        Hf__Operation *op = op_reserve(r.w, "A=1@W1");
        run_one(r.w, op);
        at[i] = r.w->last_seq;
        struct digest_sum *sum = stored(&r, HF__AUDIT_WHAT__AUDIT_DIGEST, 0);
        wanted[i] = digest_total(sum);
        digest_sum_destroy(&sum);
        assert_int_equal(tell(&r, before, (size_t)(at[i] - before), world_claim), MODEL_DONE);
    }
    for (size_t i = 0; i < 3; i++) {
        Hf__ViewAnswer *answer = ask_audit(&r, HF__AUDIT_WHAT__AUDIT_DIGEST, at[i], 0);
        assert_false(answer->digests[0]->passed);
        assert_int_equal(answer->digests[0]->sum, wanted[i]);
    }
    reader_destroy(&r);
}

/* What a database that was put back does not hold is not there after it was read again. */
static void test_put_back(void **state)
{
    (void)state;
    struct reader r;
    reader_init(&r, 1);
    install(&r);
    same_digests(&r);
    uint64_t last = r.w->last_seq;
    run_one(r.w, op_receive(r.w, "A=9@W1"));
    assert_int_equal(tell(&r, last, (size_t)(r.w->last_seq - last), world_claim), MODEL_DONE);
    assert_false(ask_audit(&r, HF__AUDIT_WHAT__AUDIT_DIGEST, last, 0)->digests[0]->passed);
    for (size_t i = 0; i < r.w->named_count; i++) {
        if (code_is(&r.w->named[i].code, "W3", 2))
            r.w->named[i] = r.w->named[--r.w->named_count];
    }
    r.w->item_count--;
    model_forget(r.model, 0, true);
    install(&r);
    same_digests(&r);
    /* Nothing of what it was before is told. */
    assert_true(ask_audit(&r, HF__AUDIT_WHAT__AUDIT_DIGEST, last, 0)->digests[0]->passed);
    reader_destroy(&r);
}

/* ------------------------------------------------------------- positions */

static void test_positions(void **state)
{
    (void)state;
    struct reader r;
    reader_init(&r, 1);
    uint64_t last = r.w->last_seq;

    assert_int_equal(beacon(&r, last, world_claim, 5), MODEL_UNKNOWN);
    install(&r);
    assert_int_equal(beacon(&r, last, world_claim, 5), MODEL_DONE);
    assert_int_equal(beacon(&r, last + 1, world_claim, 5), MODEL_GAP);
    assert_int_equal(beacon(&r, last, other_claim, 5), MODEL_CLAIM);
    run_one(r.w, op_receive(r.w, "A=3@W1"));
    run_one(r.w, op_receive(r.w, "A=3@W1"));
    assert_int_equal(tell(&r, last + 1, 1, world_claim), MODEL_GAP);
    assert_int_equal(tell(&r, last, 1, other_claim), MODEL_CLAIM);
    assert_int_equal(model_position(r.model, 0).sequence, last);
    assert_int_equal(tell(&r, last, 2, world_claim), MODEL_DONE);
    assert_int_equal(tell(&r, last, 2, world_claim), MODEL_OLD);
    /* The ledger was asked from a place where the model is no more. */
    Hf__Position to = HF__POSITION__INIT;
    to.sequence = last + 2;
    to.claim_id = claim_bytes(other_claim);
    assert_int_equal(model_ledger(r.model, last, messages(&r, last, 2), 2, &to, true, 9),
                     MODEL_OLD);
    /* Nothing is missing; the claim is another from here on. */
    assert_int_equal(model_ledger(r.model, last + 2, NULL, 0, &to, true, 9), MODEL_DONE);
    assert_int_equal(beacon(&r, last + 2, world_claim, 5), MODEL_CLAIM);
    assert_int_equal(beacon(&r, last + 2, other_claim, 5), MODEL_DONE);
    reader_destroy(&r);
}

/* A bad message changes nothing, whatever is bad about it. */
static void test_bad_messages(void **state)
{
    (void)state;
    struct reader r;
    reader_init(&r, 1);
    uint64_t last = r.w->last_seq;
    Hf__PartitionChanges changes = HF__PARTITION_CHANGES__INIT;

    install(&r);
    run_one(r.w, op_receive(r.w, "A=3@W1 B=1@W2"));
    changes.claim_id = claim_bytes(world_claim);
    changes.after = last;
    changes.n_movements = 2;
    for (int fault = 0; fault < 10; fault++) {
        Hf__Movement *second;
        Hf__ReservationLine line = HF__RESERVATION_LINE__INIT;
        changes.movements = messages(&r, last, 2);
        second = changes.movements[1];
        if (fault == 0)
            second->sequence++;
        else if (fault == 1)
            second->sku.len = 0;
        else if (fault == 2)
            second->sku.data[0] = '\n';
        else if (fault == 3)
            second->warehouse.len = 0;
        else if (fault == 4)
            second->reservation = bytes_of(r.w, "R-1");
        else if (fault == 5)
            second->order.len = 65;
        else if (fault == 6)
            changes.claim_id.len = 15;
        else if (fault == 7)
            changes.partition = 1;
        else if (fault == 8)
            second->line = 10000, second->line_after = &line;
        else
            second->actor.len = 65;
        assert_int_equal(model_changes(r.model, &changes), MODEL_INVALID);
        assert_int_equal(model_position(r.model, 0).sequence, last);
        changes.claim_id = claim_bytes(world_claim);
        changes.partition = 0;
    }
    assert_int_equal(tell(&r, last, 2, world_claim), MODEL_DONE);
    reader_destroy(&r);
}

/* ------------------------------------------------------------- what is not known */

static Hf__ViewAnswer *ask_stock(struct reader *r, const char *sku, uint64_t at_least,
                                 uint32_t max_staleness_ms, bool last)
{
    ASK(stock, ViewStockQuery, stock, VIEW_STOCK_QUERY);
    ProtobufCBinaryData code = {strlen(sku), (uint8_t *)(uintptr_t)sku};
    Hf__Position position = HF__POSITION__INIT, *positions = &position;
    Hf__ViewAnswer *answer = arena_alloc(&r->answers, sizeof *answer);

    query.kind_case = HF__VIEW_QUERY__KIND_STOCK;
    stock.skus = &code;
    stock.n_skus = 1;
    position.sequence = at_least;
    query.at_least = &positions;
    query.n_at_least = 1;
    query.max_staleness_ms = max_staleness_ms;
    return model_answer(r->model, &query, r->now_us, r->now_us, last, &r->answers, answer) ? answer
                                                                                           : NULL;
}

static Hf__ViewAnswer *ask_latest(struct reader *r, const char *sku, int64_t asked_us, bool last)
{
    Hf__ViewAnswer *answer = arena_alloc(&r->answers, sizeof *answer);
    Hf__ViewQuery query = HF__VIEW_QUERY__INIT;
    Hf__ViewStockQuery stock = HF__VIEW_STOCK_QUERY__INIT;
    ProtobufCBinaryData code = bytes_of(r->w, sku);

    query.kind_case = HF__VIEW_QUERY__KIND_STOCK;
    query.stock = &stock;
    stock.skus = &code;
    stock.n_skus = 1;
    query.latest = true;
    bool answered = model_answer(r->model, &query, asked_us, r->now_us, last, &r->answers, answer);
    return answered ? answer : NULL;
}

static Hf__Knowledge knowledge(const Hf__ViewAnswer *answer)
{
    assert_non_null(answer);
    assert_int_equal(answer->status, STATUS_applied);
    const Hf__ViewStock *stock = answer->stock[0];
    if (stock->knowledge != HF__KNOWLEDGE__KNOWLEDGE_KNOWN) {
        assert_null(stock->total);
        assert_null(stock->item);
        assert_int_equal(stock->n_levels, 0);
    }
    return stock->knowledge;
}

static void test_knowledge(void **state)
{
    (void)state;
    struct reader r;
    reader_init(&r, 1);
    uint64_t last = r.w->last_seq;

    assert_int_equal(knowledge(ask_stock(&r, "A", 0, 0, false)), HF__KNOWLEDGE__KNOWLEDGE_UNKNOWN);
    assert_null(ask_stock(&r, "A", 1, 0, false));
    assert_int_equal(knowledge(ask_stock(&r, "A", 1, 0, true)), HF__KNOWLEDGE__KNOWLEDGE_UNKNOWN);
    r.now_us = 1000000;
    install(&r);
    Hf__ViewAnswer *answer = ask_stock(&r, "A", last, 1, false);
    assert_int_equal(knowledge(answer), HF__KNOWLEDGE__KNOWLEDGE_KNOWN);
    assert_int_equal(answer->stock[0]->age_ms, 0);
    assert_non_null(answer->stock[0]->total);
    answer = ask_stock(&r, "nothing", 0, 0, false);
    assert_int_equal(knowledge(answer), HF__KNOWLEDGE__KNOWLEDGE_KNOWN);
    assert_false(answer->stock[0]->exists);
    assert_null(answer->stock[0]->total);
    /* at_least: waits, and then says that it is behind. */
    assert_null(ask_stock(&r, "A", last + 1, 0, false));
    assert_int_equal(knowledge(ask_stock(&r, "A", last + 1, 0, true)),
                     HF__KNOWLEDGE__KNOWLEDGE_BEHIND);
    run_one(r.w, op_receive(r.w, "A=3@W1"));
    assert_int_equal(tell(&r, last, 1, world_claim), MODEL_DONE);
    assert_int_equal(knowledge(ask_stock(&r, "A", last + 1, 0, false)),
                     HF__KNOWLEDGE__KNOWLEDGE_KNOWN);
    /* Age counts from the question, and only what reaches the position answers it. */
    r.now_us = 3000000;
    answer = ask_stock(&r, "A", 0, 0, false);
    assert_int_equal(answer->stock[0]->age_ms, 2000);
    assert_int_equal(knowledge(ask_stock(&r, "A", 0, 1999, false)), HF__KNOWLEDGE__KNOWLEDGE_STALE);
    assert_int_equal(knowledge(ask_stock(&r, "A", 0, 2000, false)), HF__KNOWLEDGE__KNOWLEDGE_KNOWN);
    assert_int_equal(beacon(&r, last + 2, world_claim, 2900000), MODEL_GAP);
    assert_int_equal(beacon(&r, last + 1, other_claim, 2900000), MODEL_CLAIM);
    assert_int_equal(ask_stock(&r, "A", 0, 0, false)->stock[0]->age_ms, 2000);
    assert_int_equal(beacon(&r, last + 1, world_claim, 2500000), MODEL_DONE);
    assert_int_equal(ask_stock(&r, "A", 0, 0, false)->stock[0]->age_ms, 500);
    assert_int_equal(beacon(&r, last + 1, world_claim, 2400000), MODEL_DONE);
    assert_int_equal(beacon(&r, last + 1, world_claim, MODEL_NEVER), MODEL_DONE);
    assert_int_equal(ask_stock(&r, "A", 0, 0, false)->stock[0]->age_ms, 500);
    /* latest: what an owner said of a moment after the question came; until then it waits. */
    assert_null(ask_latest(&r, "A", 2500001, false));
    assert_int_equal(knowledge(ask_latest(&r, "A", 2500001, true)), HF__KNOWLEDGE__KNOWLEDGE_STALE);
    assert_int_equal(knowledge(ask_latest(&r, "A", 2500000, false)),
                     HF__KNOWLEDGE__KNOWLEDGE_KNOWN);
    assert_int_equal(beacon(&r, last + 1, world_claim, 2500002), MODEL_DONE);
    assert_int_equal(knowledge(ask_latest(&r, "A", 2500001, false)),
                     HF__KNOWLEDGE__KNOWLEDGE_KNOWN);
    /* History that is lost: unknown at once, and then only what the database has. */
    model_forget(r.model, 0, true);
    assert_int_equal(knowledge(ask_stock(&r, "A", 0, 0, false)), HF__KNOWLEDGE__KNOWLEDGE_UNKNOWN);
    struct model_counts counts = model_counts(r.model);
    assert_int_equal(counts.history_lost, 1);
    assert_int_equal(counts.levels, 0);
    assert_int_equal(counts.items, 0);
    assert_int_equal(counts.barcodes, 0);
    install(&r);
    same_everything(&r);
    reader_destroy(&r);
}

/* A reservation that was over comes back with one of its two lines: it is told when it is whole. */
static void test_revived(void **state)
{
    (void)state;
    struct reader r;
    reader_init(&r, 1);
    uint8_t id[RESERVATION_ID_BYTES], wanted[RESERVATION_ID_BYTES];

    run_one(r.w, op_receive(r.w, "A=9@W1 B=9@W1"));
    char *hold = reserve(r.w, "A=2@W1 B=2@W1");
    r.w->now_us += 3600 * SECOND;
    r.w->expire_limit = 10;
    run(r.w, NULL, NULL, 0);
    install(&r);
    same_everything(&r);
    uint64_t last = r.w->last_seq;
    Hf__Operation *op = op_purchase(r.w, hold, "B=1");
    op->purchase->revive = true;
    expect(r.w, op, applied);
    assert_int_equal(tell(&r, last, 1, world_claim), MODEL_DONE);
    assert_true(reservation_id_parse(hold, strlen(hold), id));
    assert_true(model_wants(r.model, wanted));
    assert_memory_equal(wanted, id, sizeof id);
    ASK(reservations, ViewReservationsQuery, reservations, VIEW_RESERVATIONS_QUERY);
    ProtobufCBinaryData text = {strlen(hold), (uint8_t *)hold};
    query.kind_case = HF__VIEW_QUERY__KIND_RESERVATIONS;
    reservations.reservations = &text;
    reservations.n_reservations = 1;
    assert_int_equal(ask(&r, &query)->n_not_open, 1);
    /* As the database had it a revision before: not yet. */
    struct snapshot *s = snapshot_new(0);
    struct reservation older = *db_reservation(r.w, id);
    older.revision--;
    add_reservation(s, &older);
    model_complete(r.model, id, s);
    snapshot_destroy(&s);
    assert_true(model_wants(r.model, wanted));
    complete(&r);
    same_everything(&r);
    assert_int_equal(ask(&r, &query)->n_reservations, 1);
    reader_destroy(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_positions), cmocka_unit_test(test_bad_messages),
        cmocka_unit_test(test_knowledge), cmocka_unit_test(test_revived),
        cmocka_unit_test(test_random),    cmocka_unit_test(test_digest_of_the_past),
        cmocka_unit_test(test_put_back),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("view_model", tests, NULL, NULL);
}
