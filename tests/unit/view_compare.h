/* SPDX-License-Identifier: MIT
 *
 * Asks a view's model for everything, and compares it with the ledger's database.
 */
#ifndef TESTS_UNIT_VIEW_COMPARE_H
#define TESTS_UNIT_VIEW_COMPARE_H

#include "tests/unit/view_world.h"

/* ------------------------------------------------------------- comparing */

static inline Hf__ViewAnswer *ask(struct reader *r, Hf__ViewQuery *query)
{
    Hf__ViewAnswer *answer = arena_alloc(&r->answers, sizeof *answer);

    assert_true(model_answer(r->model, query, r->now_us, r->now_us, true, &r->answers, answer));
    return answer;
}

#define ASK(name, type, member, CASE)                                                              \
    Hf__##type name = HF__##CASE##__INIT;                                                          \
    Hf__ViewQuery query = HF__VIEW_QUERY__INIT;                                                    \
    query.member = &name

static inline bool is_text(const ProtobufCBinaryData *bytes, const struct code *code)
{
    return code_is(code, bytes->data, bytes->len);
}

static inline void same_level(const Hf__Level *got, const struct level *want)
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

static inline void same_barcodes(struct reader *r, const struct item *item)
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

static inline void same_stock(struct reader *r, const struct item *item)
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

static inline bool row_is_open(const struct reservation *row)
{
    for (size_t i = 0; i < row->line_count; i++) {
        if (row->lines[i].reserved > 0 || row->lines[i].committed > 0)
            return true;
    }
    return row->state == HF__RESERVATION_STATE__RESERVATION_ACTIVE;
}

static inline void same_reservation(const Hf__Reservation *got, const struct reservation *want)
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
static inline size_t same_reservations(struct reader *r)
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

static inline void same_orders(struct reader *r)
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
static inline void same_expiring(struct reader *r)
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

static inline void same_totals(struct reader *r)
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

static inline struct digest_text code_digest(const struct code *code)
{
    return (struct digest_text){code->bytes, code->length};
}

static inline void add_item(struct digest_sum *sum, const struct item *item)
{
    struct digest_text sku = code_digest(&item->sku), none = {"", 0};
    struct digest_text name = {item->name, item->name_bytes};

    digest_add(sum, HF__ROW_KIND__ROW_ITEM, sku, none, item->version,
               digest_item(sku, name, (uint64_t)item->reorder_point, item->version));
    for (size_t i = 0; i < item->barcode_count; i++)
        digest_add(sum, HF__ROW_KIND__ROW_ITEM, sku, none, 0,
                   digest_barcode(sku, code_digest(&item->barcodes[i])));
}

static inline void add_level(struct digest_sum *sum, const struct level *level)
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

static inline void add_held(struct digest_sum *sum, const struct reservation *row)
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
static inline struct digest_sum *stored(struct reader *r, Hf__AuditWhat what, uint32_t bucket)
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

static inline Hf__ViewAnswer *ask_audit(struct reader *r, Hf__AuditWhat what, uint64_t sequence,
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
static inline void same_digests(struct reader *r)
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
static inline void same_rows(struct reader *r)
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

static inline void same_everything(struct reader *r)
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

#endif
