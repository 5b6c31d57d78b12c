/* SPDX-License-Identifier: MIT
 *
 * The gate and the life of a batch: ids, copies of them, partitions, needs, abort.
 */
#include "tests/unit/ledger_world.h"
#include "common/clock.h"
#include "workers/ledger_impl.h"

static void test_same_id_same_body_gives_the_first_result(void **state)
{
    (void)state;
    struct world *w = shop("A=10@W1");
    Hf__Operation *op = op_reserve(w, "A=3@W1");
    Hf__Result *first = run_one(w, op);
    expect_status(first, applied);
    assert_false(first->replayed);
    uint64_t sequence = first->sequence;
    char *id = reservation_of(w, op);

    /* Even when the state has moved on and the same would now be refused. */
    expect(w, op_reserve(w, "A=7@W1"), applied);
    Hf__Result *again = run_one_attempt(w, op, 2);
    expect_status(again, applied);
    assert_true(again->replayed);
    assert_false(w->wrote);
    assert_int_equal(again->sequence, sequence);
    assert_memory_equal(again->reservation->reservation.data, id, RESERVATION_TEXT_BYTES - 1);
    assert_int_equal(again->levels[0]->reserved, 3);
    assert_int_equal(again->claim_id.len, 16);
    world_destroy(w);
}

/* A batch may need so many: found by hash they take 20 ms, one by one a minute. Nothing twice, and
 * all again once count is 0. */
static void test_many_needs_take_little_time(void **state)
{
    (void)state;
    enum { LINES = 1000, OPERATIONS = 100 };
    struct world *w = world_new(1);
    struct needs needs = {0};
    Hf__Line lines[LINES], *list[LINES];
    Hf__Operation *op = op_receive(w, "A=1@W1");
    char skus[LINES][16];

    w->limits.lines = LINES;
    op->receive->lines = list;
    op->receive->n_lines = LINES;
    for (int again = 0; again < 2; again++) {
        int64_t begun_us = clock_monotonic_us();
        needs.count = 0;
        for (int n = 0; n < OPERATIONS + 1; n++) { /* the last names what the first does */
            for (int i = 0; i < LINES; i++) {
                snprintf(skus[i], sizeof skus[i], "%d-%d", n % OPERATIONS, i);
                hf__line__init(&lines[i]);
                lines[i].sku.data = (uint8_t *)skus[i];
                lines[i].sku.len = strlen(skus[i]);
                lines[i].warehouse = bytes_of(w, "W1");
                lines[i].quantity = 1;
                list[i] = &lines[i];
            }
            ledger_need(w->ledger, op, 1, false, &needs);
        }
        /* and the warehouses, once */
        assert_int_equal(needs.count, OPERATIONS * LINES + (again ? 0 : 1));
        assert_true(clock_monotonic_us() - begun_us < 5000000);
    }
    needs_release(&needs);
    world_destroy(w);
}

/* A fresh and a replayed result differ in `replayed` alone. */
static void test_fresh_and_replayed_are_equal(void **state)
{
    (void)state;
    struct world *w = shop("A=10@W1 B=5@W2");
    Hf__Operation *op = op_reserve(w, "B=1@W2 A=3@W1");
    op->reserve->order = bytes_of(w, "order-1");
    uint8_t fresh[2048], replayed[2048];
    Hf__Result *result = run_one(w, op);
    size_t fresh_bytes = hf__result__pack(result, fresh);
    result = run_one_attempt(w, op, 2);
    assert_true(result->replayed);
    result->replayed = 0;
    assert_int_equal(hf__result__pack(result, replayed), fresh_bytes);
    assert_memory_equal(fresh, replayed, fresh_bytes);
    world_destroy(w);
}

static void test_other_body_is_refused(void **state)
{
    (void)state;
    struct world *w = shop("A=10@W1");
    Hf__Operation *op = op_reserve(w, "A=3@W1");
    expect(w, op, applied);
    Hf__Result *result = run_one_attempt(w, same_id(op_reserve(w, "A=4@W1"), op), 2);
    expect_status(result, operation_id_reused);
    result = run_one_attempt(w, same_id(op_receive(w, "A=3@W1"), op), 2);
    expect_status(result, operation_id_reused);
    Hf__Operation *noted = same_id(op_reserve(w, "A=3@W1"), op);
    noted->note = bytes_of(w, "other");
    expect_status(run_one_attempt(w, noted, 2), operation_id_reused);
    world_destroy(w);
}

/* What does not change the meaning does not change the body. */
static void test_canonical_body(void **state)
{
    (void)state;
    struct world *w = shop("A=10@W1 B=10@W1");
    Hf__Operation *op = op_reserve(w, "B=1@W1 A=1@W1 A=2@W1");
    expect(w, op, applied);
    Hf__Operation *other = same_id(op_reserve(w, "A=3@W1 B=1@W1"), op);
    other->reserve->ttl_ms = 900000;
    other->trace = bytes_of(w, "00-trace");
    other->principal = bytes_of(w, "someone");
    expect_status(run_one_attempt(w, other, 2), applied);
    assert_true(w->decisions[0].result->replayed);
    /* The caller's message is as it was. */
    assert_int_equal(op->reserve->n_lines, 3);
    assert_int_equal(op->reserve->lines[1]->quantity, 1);
    assert_int_equal(op->reserve->ttl_ms, 0);

    char *r = reservation_of(w, op);
    Hf__Operation *purchase = op_purchase(w, r, "");
    expect(w, purchase, applied);
    char lower[32] = "r", *p = lower + 1;
    for (const char *c = r + 2; *c; c++) {
        *p++ = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
        if ((c - r) % 4 == 1)
            *p++ = '-';
    }
    *p = '\0';
    expect_status(run_one_attempt(w, same_id(op_purchase(w, lower, ""), purchase), 2), applied);
    assert_true(w->decisions[0].result->replayed);
    world_destroy(w);
}

static void test_two_copies_in_one_batch(void **state)
{
    (void)state;
    struct world *w = shop("A=3@W1");
    Hf__Operation *op = op_reserve(w, "A=3@W1");
    BATCH(w, op, op, same_id(op_reserve(w, "A=2@W1"), op));
    expect_nth(w, 0, applied);
    expect_nth(w, 1, applied);
    assert_true(w->decisions[1].result->replayed);
    assert_false(w->decisions[1].wrote);
    expect_nth(w, 2, operation_id_reused);

    /* Refused in this batch: decided afresh. */
    Hf__Operation *late = op_reserve(w, "A=1@W1");
    BATCH(w, late, op_receive(w, "A=1@W1"), late);
    expect_nth(w, 0, insufficient_stock);
    expect_nth(w, 2, applied);
    assert_false(w->decisions[2].result->replayed);
    world_destroy(w);
}

/* A "first" attempt of an id that made a reservation long ago must not make it again. */
static void test_reserve_that_is_no_first_attempt(void **state)
{
    (void)state;
    struct world *w = shop("A=9@W1");
    Hf__Operation *op = op_reserve(w, "A=3@W1");
    expect(w, op, applied);
    expect(w, op, applied);
    assert_true(w->decisions[0].result->replayed);
    expect_level(w, "A", "W1", 9, 3, 0, 0, 0);
    world_destroy(w);
}

/* The batch met a duplicate key: ids are looked up on first attempts too. */
static void test_look_up_ids(void **state)
{
    (void)state;
    struct world *w = shop("A=9@W1");
    Hf__Operation *op = op_receive(w, "A=3@W1");
    expect(w, op, applied);
    w->look_up_ids = true;
    expect(w, op, applied);
    assert_true(w->decisions[0].result->replayed);
    expect_level(w, "A", "W1", 12, 0, 0, 0, 0);
    world_destroy(w);
}

static void test_age_of_ids(void **state)
{
    (void)state;
    struct world *w = shop("A=9@W1");
    Hf__Operation *op = op_receive(w, "A=1@W1");
    w->now_us += w->limits.idempotency_us;
    Hf__Operation *young = op_receive(w, "A=1@W1");
    expect(w, op, applied); /* exactly as old as the window */
    w->now_us += 1000;
    expect_status(run_one_attempt(w, op, 2), operation_id_expired);
    expect(w, op, operation_id_expired);
    op->receive->n_lines = 0;
    expect(w, op, operation_id_expired); /* before anything else is looked at */

    w->now_us -= 1000 + w->limits.id_future_us;
    expect(w, young, applied);
    w->now_us -= 1000;
    young = same_id(op_receive(w, "A=2@W1"), young);
    expect_field(w, young, invalid, "operation_id");
    world_destroy(w);
}

static void test_partitions(void **state)
{
    (void)state;
    struct world *w = world_new(4);
    struct decision decision;
    char sku[2][8] = {"", ""};

    for (char c = 'A'; c <= 'Z'; c++) {
        uint32_t partition = partition_of_sku(&c, 1, 4);
        if (partition <= 1)
            sku[partition][0] = c;
    }
    ledger_begin(w->ledger, w->now_us, &w->arena);
    char spec[32];
    snprintf(spec, sizeof spec, "%s=1@W1", sku[1]);
    ledger_decide(w->ledger, op_receive(w, spec), 0, CLASS_SERVICE, 1, &decision);
    expect_status(decision.result, wrong_partition);
    assert_int_equal(decision.result->partition_wanted, 1);
    snprintf(spec, sizeof spec, "%s=1@W1", sku[0]);
    ledger_decide(w->ledger, op_receive(w, spec), 3, CLASS_SERVICE, 1, &decision);
    expect_status(decision.result, wrong_partition);
    assert_int_equal(decision.result->partition_wanted, 0);
    snprintf(spec, sizeof spec, "%s=1@W1 %s=1@W1", sku[0], sku[1]);
    ledger_decide(w->ledger, op_receive(w, spec), 0, CLASS_SERVICE, 1, &decision);
    expect_status(decision.result, invalid);
    assert_string_equal(decision.result->field, "receive.lines");
    ledger_decide(w->ledger, op_reserve(w, spec), 0, CLASS_SERVICE, 1, &decision);
    expect_status(decision.result, invalid);
    assert_string_equal(decision.result->field, "reserve.lines");

    uint8_t id[RESERVATION_ID_BYTES] = {0, 2, 1};
    char text[RESERVATION_TEXT_BYTES];
    reservation_id_format(id, text);
    ledger_decide(w->ledger, op_release(w, text, ""), 0, CLASS_FREEING, 1, &decision);
    expect_status(decision.result, wrong_partition);
    assert_int_equal(decision.result->partition_wanted, 2);
    id[0] = 9; /* no such partition */
    reservation_id_format(id, text);
    ledger_decide(w->ledger, op_release(w, text, ""), 0, CLASS_FREEING, 1, &decision);
    expect_status(decision.result, unknown_reservation);
    ledger_commit(w->ledger);
    world_destroy(w);
}

static void test_class(void **state)
{
    (void)state;
    struct world *w = shop("A=9@W1");
    char *r = reserve(w, "A=1@W1");
    struct decision decision;
    Hf__Operation *first = op_receive(w, "A=1@W1");
    expect(w, first, applied);
    w->look_up_ids = true;
    load(w, &first, NULL, 1);
    ledger_begin(w->ledger, w->now_us, &w->arena);
    ledger_decide(w->ledger, op_reserve(w, "A=1@W1"), 0, CLASS_FREEING, 1, &decision);
    expect_status(decision.result, invalid);
    assert_string_equal(decision.result->field, "class");
    /* What was applied is told whatever class the question comes in. */
    ledger_decide(w->ledger, first, 0, CLASS_FREEING, 2, &decision);
    expect_status(decision.result, applied);
    Hf__Operation *freeing = op_release(w, r, "");
    ledger_decide(w->ledger, freeing, 0, CLASS_FREEING, 1, &decision);
    expect_status(decision.result, applied);
    /* A client settles an operation in the class of the operation. */
    ledger_decide(w->ledger, op_settle(w, freeing), 0, CLASS_FREEING, 1, &decision);
    expect_status(decision.result, applied);
    assert_int_equal(decision.result->settle, HF__SETTLE_OUTCOME__SETTLE_APPLIED);
    ledger_abort(w->ledger);
    world_destroy(w);
}

/* Whatever was not loaded: nothing is done and nothing is claimed. */
static void test_needs_not_met(void **state)
{
    (void)state;
    struct world *w = world_new(1);
    w->never_load = true;
    Hf__Operation *op = op_reserve(w, "A=1@W1");
    expect(w, op, unavailable);
    expect_status(run_one_attempt(w, op, 2), unknown);
    expect(w, op_receive(w, "A=1@W1"), unavailable);
    expect(w, op_put_item(w, "A", "123"), unavailable);
    expect(w, op_purchase(w, reservation_of(w, op), ""), unavailable);
    expect(w, op_settle(w, op), unavailable);
    assert_int_equal(w->last_seq, 0);
    world_destroy(w);
}

static void test_settle_applied(void **state)
{
    (void)state;
    struct world *w = shop("A=9@W1");
    Hf__Operation *op = op_reserve(w, "A=3@W1");
    expect(w, op, applied);
    expect(w, op_settle(w, op), applied);
    Hf__Result *result = w->decisions[0].result;
    assert_int_equal(result->settle, HF__SETTLE_OUTCOME__SETTLE_APPLIED);
    assert_non_null(result->settled);
    assert_int_equal(result->settled->levels[0]->reserved, 3);
    assert_false(w->wrote);

    Hf__Operation *other = op_reserve(w, "A=1@W1");
    BATCH(w, other, op_settle(w, other));
    expect_nth(w, 1, applied);
    assert_int_equal(w->decisions[1].result->settle, HF__SETTLE_OUTCOME__SETTLE_APPLIED);
    world_destroy(w);
}

static void test_settle_void(void **state)
{
    (void)state;
    struct world *w = shop("A=9@W1");
    Hf__Operation *op = op_reserve(w, "A=3@W1");
    BATCH(w, op_settle(w, op), op, op_settle(w, op));
    expect_nth(w, 0, applied);
    assert_true(w->decisions[0].wrote);
    assert_int_equal(w->decisions[0].result->settle, HF__SETTLE_OUTCOME__SETTLE_VOID);
    expect_nth(w, 1, operation_id_reused);
    assert_int_equal(w->decisions[2].result->settle, HF__SETTLE_OUTCOME__SETTLE_VOID);
    assert_false(w->decisions[2].wrote);
    assert_int_equal(w->changes.movement_count, 1);
    /* For ever. */
    expect_status(run_one_attempt(w, op, 2), operation_id_reused);
    expect(w, op_settle(w, op), applied);
    assert_false(w->wrote);
    assert_int_equal(w->decisions[0].result->settle, HF__SETTLE_OUTCOME__SETTLE_VOID);
    expect_level(w, "A", "W1", 9, 0, 0, 0, 0);

    Hf__Operation *old = op_reserve(w, "A=1@W1");
    w->now_us += w->limits.idempotency_us + 1000;
    expect_field(w, op_settle(w, old), operation_id_expired, "settle.operation_id");
    world_destroy(w);
}

static void test_abort_restores(void **state)
{
    (void)state;
    struct world *w = shop("A=9@W1");
    char *r = reserve(w, "A=3@W1");
    int64_t due = ledger_next_due_us(w->ledger);
    assert_int_equal(due, w->now_us + 900 * SECOND);

    w->abort_next = true;
    BATCH(w, op_purchase(w, r, ""), op_reserve(w, "A=6@W1"), op_put_item(w, "C", "1"));
    expect_nth(w, 0, applied);
    assert_int_equal(ledger_next_due_us(w->ledger), due);
    assert_int_equal(ledger_last_seq(w->ledger), w->last_seq);
    w->abort_next = true;
    expect(w, op_extend(w, r, 2000), applied);
    assert_int_equal(ledger_next_due_us(w->ledger), due);
    w->now_us = due;
    w->expire_limit = 10;
    w->abort_next = true;
    run(w, NULL, NULL, 0);
    assert_int_equal(w->expired, 1);
    assert_int_equal(ledger_next_due_us(w->ledger), due);
    run(w, NULL, NULL, 0);
    assert_int_equal(w->expired, 1);
    assert_int_equal(ledger_next_due_us(w->ledger), INT64_MAX);
    expect_level(w, "A", "W1", 9, 0, 0, 0, 0);
    world_destroy(w);
}

/* One change a row, however many operations touched it. */
static void test_merging(void **state)
{
    (void)state;
    struct world *w = shop("A=100@W1");
    uint64_t base = level_at(w, "A", "W1").version;
    Hf__Operation *ops[40];
    for (size_t i = 0; i < 20; i++) {
        ops[2 * i] = op_reserve(w, "A=1@W1");
        ops[2 * i + 1] = op_purchase(w, reservation_of(w, ops[2 * i]), "");
    }
    run(w, ops, NULL, 40);
    assert_int_equal(w->changes.movement_count, 40);
    assert_int_equal(w->changes.level_count, 1);
    assert_int_equal(w->changes.levels[0].base_version, base);
    assert_false(w->changes.levels[0].is_new);
    assert_int_equal(w->changes.reservation_count, 20);
    for (size_t i = 0; i < 20; i++) {
        assert_true(w->changes.reservations[i].is_new);
        assert_int_equal(w->changes.reservations[i].base_revision, 0);
    }
    expect_level(w, "A", "W1", 100, 0, 20, 0, 0);
    world_destroy(w);
}

static void test_nothing_to_write(void **state)
{
    (void)state;
    struct world *w = shop("");
    expect(w, op_reserve(w, "A=1"), insufficient_stock);
    assert_false(w->wrote);
    run(w, NULL, NULL, 0);
    assert_false(w->wrote);
    world_destroy(w);
}

static void test_items_and_barcodes(void **state)
{
    (void)state;
    struct world *w = shop("");
    expect(w, op_put_item(w, "A", "111 222"), applied);
    expect_field(w, op_put_item(w, "B", "333 222"), barcode_taken, "put_item.barcodes[1]");
    expect(w, op_put_item(w, "A", "111"), applied);
    expect(w, op_put_item(w, "B", "333 222"), applied);
    /* Within one batch: taken, given back, taken. */
    BATCH(w, op_put_item(w, "A", "333"), op_put_item(w, "B", ""), op_put_item(w, "A", "333 222"),
          op_put_item(w, "B", "222"));
    expect_nth(w, 0, barcode_taken);
    expect_nth(w, 1, applied);
    expect_nth(w, 2, applied);
    expect_nth(w, 3, barcode_taken);
    assert_int_equal(w->changes.item_count, 2);
    struct code sku = code_of("A");
    assert_int_equal(db_item(w, &sku)->barcode_count, 2);
    world_destroy(w);
}

static void test_unknown_codes(void **state)
{
    (void)state;
    struct world *w = shop("A=1@W1");
    expect_field(w, op_receive(w, "A=1@W1 X=1@W1"), unknown_sku, "receive.lines[1].sku");
    expect_field(w, op_receive(w, "A=1@W9"), unknown_warehouse, "receive.lines[0].warehouse");
    expect_field(w, op_reserve(w, "X=1"), unknown_sku, "reserve.lines[0].sku");
    expect_field(w, op_reserve(w, "A=1@W9"), unknown_warehouse, "reserve.lines[0].warehouse");
    expect_field(w, op_count(w, "X", "W1", 1), unknown_sku, "count.sku");
    expect_field(w, op_safety(w, "A", "W9", 1), unknown_warehouse, "set_safety_stock.warehouse");
    expect_field(w, op_transfer(w, "A", "W1", "W9", 1), unknown_warehouse, "transfer.to");
    expect_field(w, op_transfer(w, "A", "W9", "W1", 1), unknown_warehouse, "transfer.from");
    Hf__Operation *adjust = op_adjust(w, "A", "W1", 1);
    adjust->adjust->reason = bytes_of(w, "whim");
    expect_field(w, adjust, unknown_reason, "adjust.reason");
    Hf__Operation *op = op_reserve(w, "A=1");
    op->reserve->warehouses = arena_alloc(&w->forever, 2 * sizeof(ProtobufCBinaryData));
    op->reserve->warehouses[0] = bytes_of(w, "W1");
    op->reserve->warehouses[1] = bytes_of(w, "W9");
    op->reserve->n_warehouses = 2;
    expect_field(w, op, unknown_warehouse, "reserve.warehouses[1]");
    /* Known as soon as it is put, in the same batch too. */
    BATCH(w, op_put_warehouse(w, "W9"), op_receive(w, "A=1@W9"));
    expect_nth(w, 1, applied);
    world_destroy(w);
}

/* Found by fuzz_ledger: corpus/ledger/put-after-a-claim. */
static void test_a_new_owner_names_the_movement_before(void **state)
{
    (void)state;
    struct world *w = shop("");
    struct named_change *named = &w->named[0];
    assert_false(named->is_reason);
    catalog_clear(w->catalog);
    ledger_claimed(w->ledger, 1, world_claim, w->last_seq);
    uint64_t before = named->version;
    expect(w, op_put_warehouse(w, named->code.bytes), applied);
    assert_int_equal(w->movements[w->movement_count - 1].prev, before);

    /* Another owner has put it; this worker has the catalog from before. */
    before = named->version = ++w->last_seq;
    ledger_claimed(w->ledger, 1, world_claim, w->last_seq);
    expect(w, op_put_warehouse(w, named->code.bytes), applied);
    assert_int_equal(w->movements[w->movement_count - 1].prev, before);

    catalog_clear(w->catalog);
    for (size_t i = 0; i < w->named_count; i++) {
        if (w->named[i].is_reason)
            before = w->named[i].version;
    }
    expect(w, op_put_reason(w, "damage"), applied);
    assert_int_equal(w->movements[w->movement_count - 1].prev, before);
    world_destroy(w);
}

/* A server that was put back to an older state has lost some of it, whatever partition is claimed.
 */
static void test_every_claim_forgets_the_catalog(void **state)
{
    (void)state;
    struct world *w = shop("");
    struct ledger_limits limits = w->limits;
    limits.partitions = 2;
    struct ledger *other = ledger_new(1, &limits, w->catalog);
    uint64_t version;
    const struct code *code = &w->named[0].code;

    catalog_put_warehouse(w->catalog, code, 1);
    assert_true(catalog_warehouse(w->catalog, code->bytes, code->length, &version));
    ledger_claimed(other, 1, world_claim, 0);
    assert_false(catalog_warehouse(w->catalog, code->bytes, code->length, &version));
    ledger_destroy(&other);
    world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_id_same_body_gives_the_first_result),
        cmocka_unit_test(test_many_needs_take_little_time),
        cmocka_unit_test(test_fresh_and_replayed_are_equal),
        cmocka_unit_test(test_other_body_is_refused),
        cmocka_unit_test(test_canonical_body),
        cmocka_unit_test(test_two_copies_in_one_batch),
        cmocka_unit_test(test_reserve_that_is_no_first_attempt),
        cmocka_unit_test(test_look_up_ids),
        cmocka_unit_test(test_age_of_ids),
        cmocka_unit_test(test_partitions),
        cmocka_unit_test(test_class),
        cmocka_unit_test(test_needs_not_met),
        cmocka_unit_test(test_settle_applied),
        cmocka_unit_test(test_settle_void),
        cmocka_unit_test(test_abort_restores),
        cmocka_unit_test(test_merging),
        cmocka_unit_test(test_nothing_to_write),
        cmocka_unit_test(test_items_and_barcodes),
        cmocka_unit_test(test_unknown_codes),
        cmocka_unit_test(test_a_new_owner_names_the_movement_before),
        cmocka_unit_test(test_every_claim_forgets_the_catalog),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
