/* SPDX-License-Identifier: MIT
 *
 * What movements announce: a crossing once, at the movement that made it, and nothing for a state
 * that was there before.
 */
#include "tests/unit/ledger_world.h"

#define LOW (1u << (HF__SIGNAL__SIGNAL_LOW_STOCK - 1))
#define LOW_HERE (1u << (HF__SIGNAL__SIGNAL_LOW_STOCK_HERE - 1))
#define OUT (1u << (HF__SIGNAL__SIGNAL_OUT_OF_STOCK - 1))
#define OUT_HERE (1u << (HF__SIGNAL__SIGNAL_OUT_OF_STOCK_HERE - 1))
#define SHORT (1u << (HF__SIGNAL__SIGNAL_SHORTFALL - 1))

/* Of the newest movement, or of the one `back` before it. */
static uint32_t signals(const struct world *w, size_t back)
{
    return w->movements[w->movement_count - 1 - back].signals;
}

static void set_item(struct world *w, const char *sku, uint32_t reorder_point)
{
    Hf__Operation *op = op_put_item(w, sku, "");
    op->put_item->reorder_point = reorder_point;
    expect(w, op, applied);
}

static void test_low_over_all_warehouses(void **state)
{
    (void)state;
    struct world *w = shop("A=6@W1 A=6@W2");
    set_item(w, "A", 10);
    assert_int_equal(signals(w, 0), 0); /* 12 are there */
    reserve(w, "A=2@W1");
    assert_int_equal(signals(w, 0), 0); /* 10 is not below */
    char *r = reserve(w, "A=1@W2");
    assert_int_equal(signals(w, 0), LOW);
    reserve(w, "A=1@W2");
    assert_int_equal(signals(w, 0), 0); /* it was low before */
    expect(w, op_release(w, r, ""), applied);
    reserve(w, "A=1@W2");
    assert_int_equal(signals(w, 0), 0); /* 9, 8: never up to 10 */
    expect(w, op_receive(w, "A=5@W1"), applied);
    reserve(w, "A=4@W1");
    assert_int_equal(signals(w, 0), LOW); /* it had recovered */
    world_destroy(w);
}

static void test_a_reorder_point_that_is_raised(void **state)
{
    (void)state;
    struct world *w = shop("A=6@W1");
    set_item(w, "A", 6);
    assert_int_equal(signals(w, 0), 0);
    set_item(w, "A", 7);
    assert_int_equal(signals(w, 0), LOW);
    set_item(w, "A", 9);
    assert_int_equal(signals(w, 0), 0);
    set_item(w, "NEW", 9); /* has never been above it */
    assert_int_equal(signals(w, 0), 0);
    expect(w, op_reorder(w, "A", "W1", 7), applied);
    assert_int_equal(signals(w, 0), LOW_HERE);
    expect(w, op_reorder(w, "A", "W1", 8), applied);
    assert_int_equal(signals(w, 0), 0);
    world_destroy(w);
}

static void test_out_of_stock(void **state)
{
    (void)state;
    struct world *w = shop("A=3@W1 A=1@W2");
    reserve(w, "A=3@W1");
    assert_int_equal(signals(w, 0), OUT_HERE);
    expect(w, op_safety(w, "A", "W2", 1), applied);
    assert_int_equal(signals(w, 0), OUT_HERE | OUT);
    expect(w, op_safety(w, "A", "W2", 2), applied);
    assert_int_equal(signals(w, 0), 0);
    world_destroy(w);
}

/* What leaves one warehouse and comes into another was never out of stock. */
static void test_an_operation_is_judged_whole(void **state)
{
    (void)state;
    struct world *w = shop("A=4@W1");
    set_item(w, "A", 4);
    expect(w, op_transfer(w, "A", "W1", "W2", 4), applied);
    assert_int_equal(signals(w, 1), OUT_HERE);
    assert_int_equal(signals(w, 0), 0);
    /* Two levels and two skus at once: each sku's is at its last movement. */
    expect(w, op_receive(w, "A=1@W1 B=2@W1"), applied);
    reserve(w, "A=1@W1 A=4@W2 B=2@W1");
    assert_int_equal(signals(w, 2), OUT_HERE);
    assert_int_equal(signals(w, 1), OUT_HERE | OUT | LOW);
    assert_int_equal(signals(w, 0), OUT_HERE | OUT);
    world_destroy(w);
}

static void test_shortfall(void **state)
{
    (void)state;
    struct world *w = shop("A=5@W1");
    reserve(w, "A=4@W1");
    Hf__Operation *op = op_adjust(w, "A", "W1", -2);
    op->adjust->accept_shortfall = true;
    expect(w, op, applied);
    assert_int_equal(signals(w, 0), SHORT | OUT_HERE | OUT);
    op = op_adjust(w, "A", "W1", -1);
    op->adjust->accept_shortfall = true;
    expect(w, op, applied);
    assert_int_equal(signals(w, 0), SHORT); /* it grew */
    expect(w, op_receive(w, "A=1@W1"), applied);
    assert_int_equal(signals(w, 0), 0);
    world_destroy(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_low_over_all_warehouses),
        cmocka_unit_test(test_a_reorder_point_that_is_raised),
        cmocka_unit_test(test_out_of_stock),
        cmocka_unit_test(test_an_operation_is_judged_whole),
        cmocka_unit_test(test_shortfall),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
