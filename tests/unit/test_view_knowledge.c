/* SPDX-License-Identifier: MIT
 *
 * What a view's model takes, and what it says of what it does not know: positions, bad messages,
 * knowledge, a reservation that came back.
 */
#include "tests/unit/view_compare.h"

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
        cmocka_unit_test(test_positions),
        cmocka_unit_test(test_bad_messages),
        cmocka_unit_test(test_knowledge),
        cmocka_unit_test(test_revived),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("view_knowledge", tests, NULL, NULL);
}
