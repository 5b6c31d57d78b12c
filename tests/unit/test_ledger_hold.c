/* SPDX-License-Identifier: MIT
 *
 * reserve and the life of a reservation: every transition and refusal, the moment of expiry, and
 * races of purchase, release, extend and expiry inside one batch.
 */
#include "tests/unit/ledger_world.h"

#define ACTIVE HF__RESERVATION_STATE__RESERVATION_ACTIVE
#define PURCHASED HF__RESERVATION_STATE__RESERVATION_PURCHASED
#define RELEASED HF__RESERVATION_STATE__RESERVATION_RELEASED
#define EXPIRED HF__RESERVATION_STATE__RESERVATION_EXPIRED
#define TTL (900 * SECOND)

static void expect_shortage(const Hf__Result *result, size_t n, const char *sku,
                            const char *warehouse, uint32_t requested, uint32_t available)
{
    assert_true(n < result->n_shortages);
    const Hf__Shortage *shortage = result->shortages[n];
    assert_int_equal(shortage->sku.len, strlen(sku));
    assert_memory_equal(shortage->sku.data, sku, strlen(sku));
    assert_int_equal(shortage->warehouse.len, strlen(warehouse));
    if (*warehouse)
        assert_memory_equal(shortage->warehouse.data, warehouse, strlen(warehouse));
    assert_int_equal(shortage->requested, requested);
    assert_int_equal(shortage->available, available);
}

static void test_reserve_all_or_nothing(void **state)
{
    (void)state;
    struct world *w = shop("A=5@W1 B=2@W1");
    expect(w, op_reserve(w, "A=3@W1 B=3@W1"), insufficient_stock);
    assert_int_equal(w->decisions[0].result->n_shortages, 1);
    expect_shortage(w->decisions[0].result, 0, "B", "W1", 3, 2);
    expect_level(w, "A", "W1", 5, 0, 0, 0, 0);
    /* Lines of one level are summed first. */
    expect(w, op_reserve(w, "A=3@W1 A=3@W1"), insufficient_stock);
    expect_shortage(w->decisions[0].result, 0, "A", "W1", 6, 5);
    /* A level that does not exist has nothing. */
    expect(w, op_reserve(w, "A=1@W3"), insufficient_stock);
    expect_shortage(w->decisions[0].result, 0, "A", "W3", 1, 0);
    expect(w, op_reserve(w, "A=5@W1 B=2@W1"), applied);
    expect_level(w, "A", "W1", 5, 5, 0, 0, 0);
    /* A line that names a warehouse comes before one that leaves the choice. */
    expect(w, op_receive(w, "A=2@W1 A=1@W2"), applied);
    expect(w, op_reserve(w, "A=1 A=2@W1"), applied);
    expect_level(w, "A", "W2", 1, 1, 0, 0, 0);
    world_destroy(w);
}

static Hf__Operation *with_policy(struct world *w, Hf__Operation *op, Hf__Policy policy,
                                  const char *warehouses, bool may_split)
{
    op->reserve->policy = policy;
    op->reserve->may_split = may_split;
    op->reserve->warehouses = arena_alloc(&w->forever, 8 * sizeof(ProtobufCBinaryData));
    for (const char *p = warehouses; *p; p += 2) {
        char code[3] = {p[0], p[1], '\0'};
        op->reserve->warehouses[op->reserve->n_warehouses++] = bytes_of(w, code);
    }
    return op;
}

static void test_policies(void **state)
{
    (void)state;
    struct world *w = shop("A=3@W1 A=5@W2 A=4@W3");
    Hf__Policy most = HF__POLICY__POLICY_MOST_AVAILABLE, near = HF__POLICY__POLICY_NEAREST_FIRST;

    expect(w, op_reserve(w, "A=2"), applied);
    expect_level(w, "A", "W2", 5, 2, 0, 0, 0);
    expect(w, with_policy(w, op_reserve(w, "A=3"), near, "W1W2W3", false), applied);
    expect_level(w, "A", "W1", 3, 3, 0, 0, 0);
    expect(w, with_policy(w, op_reserve(w, "A=4"), near, "W1W2W3", false), applied);
    expect_level(w, "A", "W3", 4, 4, 0, 0, 0);
    /* Left: W2 with 3. */
    expect(w, op_receive(w, "A=2@W1 A=2@W3"), applied);
    expect(w, op_reserve(w, "A=6"), insufficient_stock);
    expect_shortage(w->decisions[0].result, 0, "A", "", 6, 3);
    expect(w, with_policy(w, op_reserve(w, "A=8"), most, "", true), insufficient_stock);
    expect_shortage(w->decisions[0].result, 0, "A", "", 8, 7);
    expect(w, with_policy(w, op_reserve(w, "A=5"), near, "W1W3", true), insufficient_stock);
    expect_shortage(w->decisions[0].result, 0, "A", "", 5, 4);
    expect(w, with_policy(w, op_reserve(w, "A=4"), near, "W3W2W1", true), applied);
    expect_level(w, "A", "W3", 6, 6, 0, 0, 0);
    expect_level(w, "A", "W2", 5, 4, 0, 0, 0);
    expect_level(w, "A", "W1", 5, 3, 0, 0, 0);
    expect(w, with_policy(w, op_reserve(w, "A=3"), most, "", true), applied);
    expect_level(w, "A", "W1", 5, 5, 0, 0, 0);
    expect_level(w, "A", "W2", 5, 5, 0, 0, 0);
    /* Equal: the code that sorts first, whatever came first. */
    expect(w, op_receive(w, "A=1@W3 A=1@W2"), applied);
    expect(w, op_reserve(w, "A=1"), applied);
    expect_level(w, "A", "W2", 6, 6, 0, 0, 0);
    world_destroy(w);
}

static void test_safety_stock_is_kept_back(void **state)
{
    (void)state;
    struct world *w = shop("A=5@W1");
    expect(w, op_safety(w, "A", "W1", 2), applied);
    expect(w, op_reserve(w, "A=4@W1"), insufficient_stock);
    expect_shortage(w->decisions[0].result, 0, "A", "W1", 4, 3);
    expect(w, op_reserve(w, "A=3@W1"), applied);
    world_destroy(w);
}

static void test_purchase(void **state)
{
    (void)state;
    struct world *w = shop("A=9@W1 B=9@W1");
    char *r = reserve(w, "A=4@W1 B=2@W1");
    expect(w, op_purchase(w, r, "A=5@W1"), exceeds_reservation);
    expect_shortage(w->decisions[0].result, 0, "A", "W1", 5, 4);
    expect(w, op_purchase(w, r, "A=1@W2"), exceeds_reservation);
    /* The rest is released. */
    expect(w, op_purchase(w, r, "A=3"), applied);
    expect_level(w, "A", "W1", 9, 0, 3, 0, 0);
    expect_level(w, "B", "W1", 9, 0, 0, 0, 0);
    assert_int_equal(state_of(w, r), PURCHASED);
    expect(w, op_purchase(w, r, ""), already_purchased);
    expect(w, op_release(w, r, ""), already_purchased);
    expect(w, op_extend(w, r, 5000), not_active);

    /* The rest stays. */
    r = reserve(w, "A=4@W1 B=2@W1");
    Hf__Operation *op = op_purchase(w, r, "A=3@W1");
    op->purchase->keep_remainder = true;
    expect(w, op, applied);
    assert_int_equal(state_of(w, r), ACTIVE);
    expect_level(w, "A", "W1", 9, 1, 6, 0, 0);
    op = op_purchase(w, r, "A=1@W1 B=1@W1");
    op->purchase->keep_remainder = true;
    expect(w, op, applied);
    assert_int_equal(state_of(w, r), ACTIVE);
    expect(w, op_release(w, r, ""), applied);
    assert_int_equal(state_of(w, r), PURCHASED);
    expect_level(w, "B", "W1", 9, 0, 1, 0, 0);
    /* All of it with keep_remainder leaves no hold. */
    r = reserve(w, "B=2@W1");
    op = op_purchase(w, r, "B=2");
    op->purchase->keep_remainder = true;
    expect(w, op, applied);
    assert_int_equal(state_of(w, r), PURCHASED);
    world_destroy(w);
}

static void test_lines_without_warehouse_take_in_order(void **state)
{
    (void)state;
    struct world *w = shop("A=2@W1 A=3@W2");
    char *r = reserve(w, "A=2@W1 A=3@W2");
    /* The named one first, then what is left in the order of the reservation. */
    expect(w, op_purchase(w, r, "A=2 A=1@W1"), applied);
    expect_level(w, "A", "W1", 2, 0, 2, 0, 0);
    expect_level(w, "A", "W2", 3, 0, 1, 0, 0);
    world_destroy(w);
}

static void test_release(void **state)
{
    (void)state;
    struct world *w = shop("A=9@W1");
    char *r = reserve(w, "A=4@W1");
    expect(w, op_release(w, r, "A=5@W1"), exceeds_reservation);
    expect(w, op_release(w, r, "A=1@W1"), applied);
    assert_int_equal(state_of(w, r), ACTIVE);
    expect(w, op_release(w, r, ""), applied);
    assert_int_equal(state_of(w, r), RELEASED);
    expect_level(w, "A", "W1", 9, 0, 0, 0, 0);
    assert_int_equal(ledger_next_due_us(w->ledger), INT64_MAX);
    expect(w, op_release(w, r, ""), already_released);
    expect(w, op_purchase(w, r, ""), already_released);
    expect(w, op_extend(w, r, 5000), not_active);
    expect(w, op_ship(w, r, ""), exceeds_committed);
    world_destroy(w);
}

static void test_unknown_reservation(void **state)
{
    (void)state;
    struct world *w = shop("A=9@W1");
    char *r = reservation_of(w, op_reserve(w, "A=1@W1"));
    expect_field(w, op_purchase(w, r, ""), unknown_reservation, "purchase.reservation");
    expect_field(w, op_return(w, r, "A=1"), unknown_reservation, "return.reservation");
    world_destroy(w);
}

static void test_ship_cancel_return(void **state)
{
    (void)state;
    struct world *w = shop("A=9@W1");
    char *r = reserve(w, "A=6@W1");
    expect(w, op_ship(w, r, ""), exceeds_committed);
    expect(w, op_cancel(w, r, ""), exceeds_committed);
    expect(w, op_return(w, r, "A=1"), exceeds_shipped);
    expect(w, op_purchase(w, r, ""), applied);
    expect(w, op_ship(w, r, "A=7@W1"), exceeds_committed);
    expect_shortage(w->decisions[0].result, 0, "A", "W1", 7, 6);
    Hf__Operation *op = op_ship(w, r, "A=3@W1");
    op->ship->reason = bytes_of(w, "whim");
    expect_field(w, op, unknown_reason, "ship.reason");
    op = op_ship(w, r, "A=3@W1"); /* short: the reason stands in the ledger */
    op->ship->reason = bytes_of(w, "damage");
    expect(w, op, applied);
    assert_memory_equal(w->movements[w->movement_count - 1].reason.data, "damage", 6);
    expect_level(w, "A", "W1", 6, 0, 3, 0, 0);
    expect(w, op_cancel(w, r, "A=4@W1"), exceeds_committed);
    op = op_cancel(w, r, "A=1@W1");
    op->cancel->reason = bytes_of(w, "whim");
    expect_field(w, op, unknown_reason, "cancel.reason");
    op = op_cancel(w, r, "A=1@W1");
    op->cancel->reason = bytes_of(w, "damage");
    expect(w, op, applied);
    expect_level(w, "A", "W1", 6, 0, 2, 0, 0);
    expect(w, op_ship(w, r, ""), applied);
    expect_level(w, "A", "W1", 4, 0, 0, 0, 0);
    expect(w, op_ship(w, r, ""), exceeds_committed);
    expect(w, op_return(w, r, "A=6"), exceeds_shipped);
    expect(w, op_return(w, r, "A=2"), applied);
    expect_level(w, "A", "W1", 6, 0, 0, 0, 0);
    op = op_return(w, r, "A=2@W1");
    op->return_->quarantine = true;
    expect(w, op, applied);
    expect_level(w, "A", "W1", 8, 0, 0, 2, 0);
    expect(w, op_return(w, r, "A=2"), exceeds_shipped);
    op = op_return(w, r, "A=1@W1");
    op->return_->reason = bytes_of(w, "whim");
    expect_field(w, op, unknown_reason, "return.reason");
    assert_int_equal(state_of(w, r), PURCHASED);
    world_destroy(w);
}

static void test_ship_more_than_on_hand(void **state)
{
    (void)state;
    struct world *w = shop("A=5@W1");
    char *r = reserve(w, "A=5@W1");
    expect(w, op_purchase(w, r, ""), applied);
    expect(w, op_count(w, "A", "W1", 3), applied);
    expect_level(w, "A", "W1", 3, 0, 5, 0, 2);
    expect(w, op_ship(w, r, ""), insufficient_on_hand);
    expect_shortage(w->decisions[0].result, 0, "A", "W1", 5, 3);
    expect(w, op_ship(w, r, "A=3"), applied);
    expect_level(w, "A", "W1", 0, 0, 2, 0, 2);
    world_destroy(w);
}

/* Usable one microsecond before expires_at, and not at it. */
static void test_moment_of_expiry(void **state)
{
    (void)state;
    static const int64_t steps[] = {TTL - 1, TTL, TTL + SECOND};

    for (size_t i = 0; i < 3; i++) {
        for (int kind = 0; kind < 3; kind++) {
            struct world *w = shop("A=9@W1");
            char *r = reserve(w, "A=4@W1");
            w->now_us += steps[i];
            Hf__Operation *op = kind == 0   ? op_purchase(w, r, "")
                                : kind == 1 ? op_release(w, r, "")
                                            : op_extend(w, r, 60000);
            if (i == 0) {
                expect(w, op, applied);
                assert_int_equal(state_of(w, r), kind == 0   ? PURCHASED
                                                 : kind == 1 ? RELEASED
                                                             : ACTIVE);
            } else {
                expect(w, op, reservation_expired);
                assert_false(w->decisions[0].wrote);
                assert_int_equal(state_of(w, r), EXPIRED);
                expect_level(w, "A", "W1", 9, 0, 0, 0, 0);
                assert_int_equal(w->movements[w->movement_count - 1].kind,
                                 HF__MOVEMENT_KIND__MOVEMENT_EXPIRED);
                expect(w, op_release(w, r, ""), reservation_expired);
                assert_false(w->wrote);
            }
            world_destroy(w);
        }
    }
}

static void test_extend(void **state)
{
    (void)state;
    struct world *w = shop("A=9@W1");
    char *r = reserve(w, "A=4@W1");
    w->now_us += TTL - 1;
    expect(w, op_extend(w, r, 2000), applied);
    assert_int_equal(w->decisions[0].result->reservation->expires_at_us, w->now_us + 2 * SECOND);
    assert_int_equal(w->decisions[0].result->reservation->n_lines, 0);
    assert_int_equal(w->decisions[0].result->n_levels, 0);
    assert_int_equal(ledger_next_due_us(w->ledger), w->now_us + 2 * SECOND);
    w->now_us += 2 * SECOND - 1;
    expect(w, op_extend(w, r, 1000), applied); /* an extension may also shorten */
    w->now_us += SECOND;
    w->expire_limit = 5;
    run(w, NULL, NULL, 0);
    assert_int_equal(w->expired, 1);
    assert_int_equal(state_of(w, r), EXPIRED);
    world_destroy(w);
}

/* Whatever order the four come in within one batch, one of them ends the hold. */
static void test_races_in_one_batch(void **state)
{
    (void)state;
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

    for (size_t i = 0; i < 6; i++) {
        for (int due = 0; due < 2; due++) {
            struct world *w = shop("A=9@W1");
            char *r = reserve(w, "A=4@W1");
            Hf__Operation *each[3] = {op_purchase(w, r, ""), op_release(w, r, ""),
                                      op_extend(w, r, 60000)};
            Hf__Operation *ops[3];
            int ends = 0;
            for (size_t n = 0; n < 3; n++)
                ops[n] = each[orders[i][n]];
            w->now_us += due ? TTL : TTL - 1;
            w->expire_limit = i % 2 ? 10 : 0; /* the heap before them, or they before the heap */
            run(w, ops, NULL, 3);
            for (size_t n = 0; n < 3; n++) {
                if (orders[i][n] != 2 && w->decisions[n].wrote)
                    ends++;
                if (due)
                    expect_nth(w, n, reservation_expired);
            }
            size_t expiries = 0;
            for (size_t m = 0; m < w->movement_count; m++)
                expiries += w->movements[m].kind == HF__MOVEMENT_KIND__MOVEMENT_EXPIRED;
            assert_int_equal(expiries, due);
            assert_int_equal(ends, !due);
            assert_int_equal(level_at(w, "A", "W1").now.reserved, 0);
            /* Nothing is left to expire later. */
            w->now_us += 2 * TTL;
            w->expire_limit = 10;
            run(w, NULL, NULL, 0);
            assert_int_equal(w->expired, 0);
            world_destroy(w);
        }
    }
}

static void test_revive(void **state)
{
    (void)state;
    struct world *w = shop("A=5@W1");
    char *r = reserve(w, "A=4@W1");
    w->now_us += TTL;
    Hf__Operation *op = op_purchase(w, r, "");
    op->purchase->revive = true;
    expect(w, op, applied);
    assert_int_equal(state_of(w, r), PURCHASED);
    expect_level(w, "A", "W1", 5, 0, 4, 0, 0);
    assert_int_equal(w->movements[w->movement_count - 2].kind, HF__MOVEMENT_KIND__MOVEMENT_EXPIRED);

    expect(w, op_receive(w, "A=3@W1"), applied);
    char *late = reserve(w, "A=4@W1");
    w->now_us += TTL;
    expect(w, op_reserve(w, "A=1@W1"), applied);
    op = op_purchase(w, late, "");
    op->purchase->revive = true;
    expect(w, op, insufficient_stock);
    expect_shortage(w->decisions[0].result, 0, "A", "W1", 4, 3);
    assert_int_equal(state_of(w, late), EXPIRED);
    op = op_purchase(w, late, "A=5@W1");
    op->purchase->revive = true;
    expect(w, op, exceeds_reservation);
    op = op_purchase(w, late, "A=3@W1");
    op->purchase->revive = true;
    expect(w, op, applied);
    expect_level(w, "A", "W1", 8, 1, 7, 0, 0);
    world_destroy(w);
}

/* What was released by hand before does not come back. */
static void test_revive_takes_what_expired(void **state)
{
    (void)state;
    for (int late = 0; late < 2; late++) {
        struct world *w = shop("A=9@W1 B=9@W1");
        char *r = reserve(w, "A=4@W1 B=2@W1");
        expect(w, op_release(w, r, "A=1@W1 B=2@W1"), applied);
        w->now_us += TTL;
        if (late) /* expired by itself, in a batch before */
            expect(w, op_extend(w, r, 5000), reservation_expired);
        Hf__Operation *op = op_purchase(w, r, "B=1@W1");
        op->purchase->revive = true;
        expect(w, op, exceeds_reservation);
        op = op_purchase(w, r, "");
        op->purchase->revive = true;
        expect(w, op, applied);
        expect_level(w, "A", "W1", 9, 0, 3, 0, 0);
        expect_level(w, "B", "W1", 9, 0, 0, 0, 0);
        world_destroy(w);
    }
}

/* Shipped and returned since, the expiry is still found; pruned, nothing can be revived. */
static void test_revive_after_other_revisions(void **state)
{
    (void)state;
    struct world *w = shop("A=9@W1");
    char *r = reserve(w, "A=6@W1");
    expect(w, op_release(w, r, "A=1@W1"), applied);
    Hf__Operation *op = op_purchase(w, r, "A=3@W1");
    op->purchase->keep_remainder = true;
    expect(w, op, applied);
    w->now_us += TTL;
    expect(w, op_extend(w, r, 5000), reservation_expired);
    expect(w, op_ship(w, r, "A=2@W1"), applied);
    expect(w, op_return(w, r, "A=1@W1"), applied);
    size_t kept = w->movement_count;
    w->movement_count = 0;
    op = op_purchase(w, r, "");
    op->purchase->revive = true;
    expect(w, op, reservation_expired);
    w->movement_count = kept;
    op = op_purchase(w, r, "");
    op->purchase->revive = true;
    expect(w, op, applied);
    expect_level(w, "A", "W1", 8, 0, 3, 0, 0);
    world_destroy(w);
}

static void test_revive_is_not_for_released(void **state)
{
    (void)state;
    struct world *w = shop("A=5@W1");
    char *r = reserve(w, "A=4@W1");
    expect(w, op_release(w, r, ""), applied);
    Hf__Operation *op = op_purchase(w, r, "");
    op->purchase->revive = true;
    expect(w, op, already_released);
    world_destroy(w);
}

/* Purchased in part, the rest expired: what was purchased is not touched. */
static void test_expiry_of_a_remainder(void **state)
{
    (void)state;
    struct world *w = shop("A=9@W1");
    char *r = reserve(w, "A=4@W1");
    Hf__Operation *op = op_purchase(w, r, "A=1");
    op->purchase->keep_remainder = true;
    expect(w, op, applied);
    w->now_us += TTL;
    expect(w, op_ship(w, r, ""), applied);
    assert_int_equal(state_of(w, r), EXPIRED);
    expect_level(w, "A", "W1", 8, 0, 0, 0, 0);
    expect(w, op_return(w, r, "A=1"), applied);
    world_destroy(w);
}

/* Before want of stock is an answer, what is due is released, and no more of it than it takes. */
static void test_due_is_released_before_refusing(void **state)
{
    (void)state;
    struct world *w = shop("A=5@W1 B=1@W1");
    char *a = reserve(w, "A=2@W1"), *b = reserve(w, "A=3@W1"), *c = reserve(w, "B=1@W1");
    w->now_us += TTL;
    expect(w, op_reserve(w, "A=2@W1"), applied);
    assert_true((state_of(w, a) == EXPIRED) || (state_of(w, b) == EXPIRED));
    assert_int_equal(state_of(w, c), ACTIVE);
    expect(w, op_reserve(w, "A=3@W1"), applied);
    assert_int_equal(state_of(w, a), EXPIRED);
    assert_int_equal(state_of(w, b), EXPIRED);
    expect(w, op_reserve(w, "A=1@W1"), insufficient_stock);
    expect(w, op_transfer(w, "B", "W1", "W2", 1), applied);
    assert_int_equal(state_of(w, c), EXPIRED);
    world_destroy(w);
}

/* What is due but not in memory cannot be released now: no refusal, it may be possible. */
static void test_due_that_is_not_loaded(void **state)
{
    (void)state;
    struct world *w = shop("A=5@W1");
    reserve(w, "A=5@W1");
    int64_t due = ledger_next_due_us(w->ledger);
    w->abort_next = true;
    expect(w, op_receive(w, "A=1@W1"), applied); /* empties the caches */
    w->now_us = due;
    expect(w, op_reserve(w, "A=1@W1"), unavailable);
    w->expire_limit = 10;
    expect(w, op_reserve(w, "A=1@W1"), applied);
    world_destroy(w);
}

static void test_expire_in_order_and_limited(void **state)
{
    (void)state;
    struct world *w = shop("A=90@W1");
    char *r[6];
    for (int i = 0; i < 6; i++) {
        Hf__Operation *op = op_reserve(w, "A=1@W1");
        op->reserve->ttl_ms = (uint64_t)(6 - i) * 1000;
        expect(w, op, applied);
        r[i] = reservation_of(w, op);
    }
    w->now_us += 4 * SECOND;
    w->expire_limit = 3;
    run(w, NULL, NULL, 0);
    assert_int_equal(w->expired, 3);
    assert_int_equal(state_of(w, r[5]), EXPIRED);
    assert_int_equal(state_of(w, r[3]), EXPIRED);
    assert_int_equal(state_of(w, r[2]), ACTIVE);
    run(w, NULL, NULL, 0);
    assert_int_equal(w->expired, 1);
    assert_int_equal(state_of(w, r[2]), EXPIRED);
    assert_int_equal(state_of(w, r[1]), ACTIVE);
    assert_int_equal(ledger_next_due_us(w->ledger), w->now_us + SECOND);
    /* No two expiries share an id, and no caller may use one. */
    const struct movement *m = &w->movements[w->movement_count - 1];
    assert_int_equal(uuid_version(m->operation_id), 8);
    assert_int_equal(m->operation_id[8] & 0xc0, 0xc0);
    world_destroy(w);
}

/* After a claim the deadlines come from the database and the contents when they are due. */
static void test_due_after_a_claim(void **state)
{
    (void)state;
    struct world *w = shop("A=9@W1");
    char *r = reserve(w, "A=4@W1");
    ledger_claimed(w->ledger, 1, world_claim, w->last_seq);
    assert_int_equal(ledger_next_due_us(w->ledger), INT64_MAX);
    ledger_put_due(w->ledger, w->reservations[0].id, w->reservations[0].expires_at_us);
    w->now_us += TTL;
    w->expire_limit = 10;
    run(w, NULL, NULL, 0);
    assert_int_equal(w->expired, 1);
    assert_int_equal(state_of(w, r), EXPIRED);
    world_destroy(w);
}

/* A reservation that holds more than its level says: nobody may use it, nobody dies of it. */
static void test_rows_that_contradict(void **state)
{
    (void)state;
    struct world *w = shop("A=9@W1");
    char *r = reserve(w, "A=4@W1"), *none = reserve(w, "A=1@W1");
    w->levels[0].now.reserved = 2;
    ledger_claimed(w->ledger, 1, world_claim, w->last_seq);
    for (size_t i = 0; i < 2; i++)
        ledger_put_due(w->ledger, w->reservations[i].id, w->reservations[i].expires_at_us);
    expect(w, op_release(w, r, ""), internal);
    expect(w, op_purchase(w, r, ""), internal);
    w->now_us += TTL;
    expect(w, op_purchase(w, r, ""), internal);
    w->levels[0].now.reserved = 1; /* of the other alone, for the sums that are checked below */
    w->reservations[0].lines[0].reserved = 0;
    w->reservations[0].lines[0].released = 4;
    w->expire_limit = 10;
    ledger_abort(w->ledger); /* empties the caches */
    run(w, NULL, NULL, 0);
    assert_int_equal(w->expired, 1);
    assert_int_equal(state_of(w, none), EXPIRED);
    assert_int_equal(ledger_next_due_us(w->ledger), INT64_MAX);
    world_destroy(w);
}

/* Active, and nothing is held. */
static void test_active_with_nothing(void **state)
{
    (void)state;
    struct world *w = shop("A=9@W1");
    char *r = reserve(w, "A=4@W1");
    w->levels[0].now.reserved = 0;
    w->reservations[0].lines[0].reserved = 0;
    w->reservations[0].lines[0].released = 4;
    ledger_claimed(w->ledger, 1, world_claim, w->last_seq);
    ledger_put_due(w->ledger, w->reservations[0].id, w->reservations[0].expires_at_us);
    expect(w, op_release(w, r, ""), internal);
    expect(w, op_purchase(w, r, ""), internal);
    w->now_us += TTL;
    w->expire_limit = 10;
    run(w, NULL, NULL, 0);
    assert_false(w->wrote);
    assert_int_equal(ledger_next_due_us(w->ledger), INT64_MAX);
    world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reserve_all_or_nothing),
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_safety_stock_is_kept_back),
        cmocka_unit_test(test_purchase),
        cmocka_unit_test(test_lines_without_warehouse_take_in_order),
        cmocka_unit_test(test_release),
        cmocka_unit_test(test_unknown_reservation),
        cmocka_unit_test(test_ship_cancel_return),
        cmocka_unit_test(test_ship_more_than_on_hand),
        cmocka_unit_test(test_moment_of_expiry),
        cmocka_unit_test(test_extend),
        cmocka_unit_test(test_races_in_one_batch),
        cmocka_unit_test(test_revive),
        cmocka_unit_test(test_revive_takes_what_expired),
        cmocka_unit_test(test_revive_after_other_revisions),
        cmocka_unit_test(test_revive_is_not_for_released),
        cmocka_unit_test(test_expiry_of_a_remainder),
        cmocka_unit_test(test_due_is_released_before_refusing),
        cmocka_unit_test(test_due_that_is_not_loaded),
        cmocka_unit_test(test_expire_in_order_and_limited),
        cmocka_unit_test(test_due_after_a_claim),
        cmocka_unit_test(test_rows_that_contradict),
        cmocka_unit_test(test_active_with_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
