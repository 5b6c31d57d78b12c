/* SPDX-License-Identifier: MIT
 *
 * Stock operations and shortfall; and a seeded walk over all operations, after each of which every
 * rule of the ledger holds (they are checked where ledger_world.h applies a batch).
 */
#include "tests/unit/ledger_world.h"
#include "tests/unit/pick.h"

#include <stdio.h>

static void test_receive(void **state)
{
    (void)state;
    struct world *w = shop("");
    expect(w, op_receive(w, "A=999999999@W1"), applied);
    expect_field(w, op_receive(w, "A=1@W1"), too_large, "receive.lines[0].quantity");
    expect_field(w, op_receive(w, "B=999999999@W1 B=1@W1"), too_large, "receive.lines[0]");
    /* Different levels each have the whole range. */
    expect(w, op_receive(w, "B=999999999@W1 B=999999999@W2"), applied);
    world_destroy(w);
}

static void test_adjust(void **state)
{
    (void)state;
    struct world *w = shop("A=5@W1");
    reserve(w, "A=3@W1");
    expect(w, op_adjust(w, "A", "W1", 2), applied);
    expect(w, op_adjust(w, "A", "W1", -4), applied);
    expect(w, op_adjust(w, "A", "W1", -1), insufficient_on_hand);
    assert_int_equal(w->decisions[0].result->shortages[0]->requested, 1);
    assert_int_equal(w->decisions[0].result->shortages[0]->available, 0);
    Hf__Operation *op = op_adjust(w, "A", "W1", -1);
    op->adjust->accept_shortfall = true;
    expect(w, op, applied);
    expect_level(w, "A", "W1", 2, 3, 0, 0, 1);
    op = op_adjust(w, "A", "W1", -3);
    op->adjust->accept_shortfall = true;
    expect(w, op, insufficient_on_hand);
    assert_int_equal(w->decisions[0].result->shortages[0]->available, 2);
    expect(w, op_adjust(w, "B", "W1", -1), insufficient_on_hand);
    expect(w, op_adjust(w, "B", "W1", 999999999), applied);
    expect_field(w, op_adjust(w, "B", "W1", 1), too_large, "adjust.delta");
    world_destroy(w);
}

static void test_count(void **state)
{
    (void)state;
    struct world *w = shop("");
    Hf__Operation *op = op_count(w, "A", "W1", 7);
    op->count->has_version = true;
    expect(w, op, applied);
    /* The same opening count under another id meets a level that has moved. */
    op = op_count(w, "A", "W1", 7);
    op->count->has_version = true;
    expect_field(w, op, version_conflict, "count.on_hand_version");
    assert_true(w->decisions[0].wants_moved);
    assert_int_equal(w->decisions[0].moved_since, 0);
    assert_string_equal(w->decisions[0].moved_sku.bytes, "A");
    assert_string_equal(w->decisions[0].moved_warehouse.bytes, "W1");

    /* Orders come and go; on_hand has not moved. */
    uint64_t version = level_at(w, "A", "W1").on_hand_version;
    char *r = reserve(w, "A=3@W1");
    expect(w, op_purchase(w, r, ""), applied);
    expect(w, op_cancel(w, r, "A=1"), applied);
    op = op_count(w, "A", "W1", 1);
    op->count->has_version = true;
    op->count->on_hand_version = version;
    expect(w, op, applied);
    expect_level(w, "A", "W1", 1, 0, 2, 0, 1);
    world_destroy(w);
}

static void test_count_after_receive_and_ship_in_one_batch(void **state)
{
    (void)state;
    struct world *w = shop("A=5@W1");
    char *r = reserve(w, "A=2@W1");
    expect(w, op_purchase(w, r, ""), applied);
    Hf__Operation *receive = op_receive(w, "A=4@W1"), *ship = op_ship(w, r, "");
    Hf__Operation *count = op_count(w, "A", "W1", 9);
    count->count->has_version = true;
    count->count->on_hand_version = w->last_seq + 1; /* what the receive returns */
    BATCH(w, receive, ship, count);
    expect_nth(w, 0, applied);
    assert_int_equal(w->decisions[0].result->levels[0]->on_hand_version,
                     count->count->on_hand_version);
    expect_nth(w, 1, applied);
    expect_nth(w, 2, version_conflict);
    assert_true(w->decisions[2].wants_moved);
    assert_int_equal(w->decisions[2].moved_since, count->count->on_hand_version);
    expect_level(w, "A", "W1", 7, 0, 0, 0, 0);
    world_destroy(w);
}

static void test_transfer(void **state)
{
    (void)state;
    struct world *w = shop("A=5@W1");
    reserve(w, "A=2@W1");
    expect(w, op_transfer(w, "A", "W1", "W2", 4), insufficient_stock);
    assert_int_equal(w->decisions[0].result->shortages[0]->available, 3);
    expect(w, op_transfer(w, "A", "W1", "W2", 3), applied);
    assert_int_equal(w->changes.movement_count, 2);
    assert_int_equal(w->decisions[0].result->n_levels, 2);
    expect_level(w, "A", "W1", 2, 2, 0, 0, 0);
    expect_level(w, "A", "W2", 3, 0, 0, 0, 0);
    expect(w, op_receive(w, "B=999999999@W1 B=1@W2"), applied);
    expect_field(w, op_transfer(w, "B", "W2", "W1", 1), too_large, "transfer.quantity");
    world_destroy(w);
}

static void test_quarantine_and_restore(void **state)
{
    (void)state;
    struct world *w = shop("A=5@W1");
    reserve(w, "A=2@W1");
    expect(w, op_quarantine(w, "A=4@W1"), insufficient_on_hand);
    assert_int_equal(w->decisions[0].result->shortages[0]->available, 3);
    Hf__Operation *op = op_quarantine(w, "A=4@W1");
    op->quarantine->accept_shortfall = true;
    expect(w, op, applied);
    expect_level(w, "A", "W1", 5, 2, 0, 4, 1);
    op = op_quarantine(w, "A=2@W1");
    op->quarantine->accept_shortfall = true;
    expect(w, op, insufficient_on_hand); /* more than is on the shelf */
    assert_int_equal(w->decisions[0].result->shortages[0]->available, 1);
    expect(w, op_restore(w, "A=5@W1"), insufficient_on_hand);
    assert_int_equal(w->decisions[0].result->shortages[0]->available, 4);
    op = op_restore(w, "A=4@W1");
    op->restore->reason = bytes_of(w, "whim");
    expect_field(w, op, unknown_reason, "restore.reason");
    expect(w, op_restore(w, "A=4@W1"), applied);
    expect_level(w, "A", "W1", 5, 2, 0, 0, 0);
    expect(w, op_quarantine(w, "B=1@W1"), insufficient_on_hand);
    world_destroy(w);
}

static void test_settings(void **state)
{
    (void)state;
    struct world *w = shop("");
    expect(w, op_safety(w, "A", "W1", 3), applied);
    expect(w, op_reorder(w, "A", "W1", 9), applied);
    struct level level = level_at(w, "A", "W1");
    assert_int_equal(level.now.safety_stock, 3);
    assert_int_equal(level.now.reorder_point, 9);
    assert_int_equal(level.on_hand_version, 0);
    world_destroy(w);
}

/* With more promised than there is, nothing becomes available that is not on the shelf. */
static void test_shortfall_gives_nothing_away(void **state)
{
    (void)state;
    struct world *w = shop("A=10@W1");
    char *held = reserve(w, "A=4@W1"), *bought = reserve(w, "A=6@W1");
    expect(w, op_purchase(w, bought, ""), applied);
    expect(w, op_count(w, "A", "W1", 3), applied);
    expect_level(w, "A", "W1", 3, 4, 6, 0, 7);
    expect(w, op_release(w, held, "A=1"), applied);
    expect_level(w, "A", "W1", 3, 3, 6, 0, 6);
    expect(w, op_cancel(w, bought, "A=1"), applied);
    expect_level(w, "A", "W1", 3, 3, 5, 0, 5);
    expect(w, op_ship(w, bought, "A=2"), applied);
    expect_level(w, "A", "W1", 1, 3, 3, 0, 5);
    expect(w, op_receive(w, "A=4@W1"), applied);
    expect_level(w, "A", "W1", 5, 3, 3, 0, 1);
    expect(w, op_reserve(w, "A=1@W1"), insufficient_stock);
    expect(w, op_count(w, "A", "W1", 6), applied);
    expect_level(w, "A", "W1", 6, 3, 3, 0, 0);
    expect(w, op_reserve(w, "A=1@W1"), insufficient_stock);
    expect(w, op_receive(w, "A=1@W1"), applied);
    expect(w, op_reserve(w, "A=1@W1"), applied);
    world_destroy(w);
}

/* ------------------------------------------------------------- the walk */

static char *any_place(struct world *w)
{
    return arena_printf(&w->forever, "%c=%u@W%u", 'A' + (int)pick(2), 1 + pick(6), 1 + pick(3));
}

static char *any_lines(struct world *w)
{
    switch (pick(4)) {
    case 0:
        return arena_printf(&w->forever, "%s %s", any_place(w), any_place(w));
    case 1:
        return arena_printf(&w->forever, "%c=%u", 'A' + (int)pick(2), 1 + pick(6));
    default:
        return any_place(w);
    }
}

static Hf__Operation *any_operation(struct world *w, char *held)
{
    const char *sku = pick(2) ? "A" : "B";
    char *place = any_place(w), *warehouse = strchr(place, '@') + 1;
    const char *some = pick(2) ? "" : any_lines(w);
    Hf__Operation *op;

    switch (pick(19)) {
    case 0:
    case 1:
    case 2:
        op = op_reserve(w, any_lines(w));
        op->reserve->ttl_ms = 1000 + pick(20000);
        op->reserve->may_split = pick(2);
        return op;
    case 3:
        return op_extend(w, held, 1000 + pick(20000));
    case 4:
    case 5:
        op = op_purchase(w, held, some);
        op->purchase->keep_remainder = pick(2);
        op->purchase->revive = pick(2);
        return op;
    case 6:
        return op_release(w, held, some);
    case 7:
    case 8:
        return op_ship(w, held, some);
    case 9:
        return op_cancel(w, held, some);
    case 10:
        op = op_return(w, held, any_place(w));
        op->return_->quarantine = pick(2);
        return op;
    case 11:
        return op_receive(w, any_place(w));
    case 12:
        op = op_adjust(w, sku, warehouse, (int64_t)pick(12) - 6 ? (int64_t)pick(5) - 5 : 3);
        op->adjust->accept_shortfall = pick(3) == 0;
        return op;
    case 13:
        return op_count(w, sku, warehouse, pick(12));
    case 14:
        return op_transfer(w, sku, warehouse, pick(2) ? "W1" : "W2", 1 + pick(4));
    case 15:
        op = op_quarantine(w, any_place(w));
        op->quarantine->accept_shortfall = pick(3) == 0;
        return op;
    case 16:
        return op_restore(w, any_place(w));
    case 17:
        return op_safety(w, sku, warehouse, pick(3));
    default:
        return op_put_item(w, sku, pick(2) ? "1 2" : "3");
    }
}

static size_t walk(uint64_t seed, size_t batches)
{
    struct world *w = shop("A=20@W1 A=10@W2 B=9@W3");
    char *held[64];
    Hf__Operation *recent[16];
    size_t held_count = 0, applied = 0;

    seed_state = seed;
    held[held_count++] = reserve(w, "A=2@W1");
    for (size_t i = 0; i < 16; i++)
        recent[i] = op_reserve(w, "A=1@W1");
    for (size_t b = 0; b < batches; b++) {
        Hf__Operation *ops[12];
        uint16_t attempts[12];
        size_t count = 1 + pick(12);
        for (size_t i = 0; i < count; i++) {
            uint32_t again = pick(12);
            ops[i] = again == 0   ? recent[pick(16)]
                     : again == 1 ? op_settle(w, recent[pick(16)])
                                  : any_operation(w, held[pick((uint32_t)held_count)]);
            attempts[i] = again == 0 ? 2 : 1;
            if (again > 1)
                recent[pick(16)] = ops[i];
            if (ops[i]->kind_case == HF__OPERATION__KIND_RESERVE && again > 1)
                held[held_count < 64 ? held_count++ : pick(64)] = reservation_of(w, ops[i]);
        }
        w->expire_limit = pick(2) ? 8 : 0;
        w->abort_next = pick(10) == 0;
        bool aborted = w->abort_next;
        run(w, ops, attempts, count);
        for (size_t i = 0; i < count; i++) {
            const Hf__Result *result = w->decisions[i].result;
            applied += result->status == STATUS_applied && !aborted;
            assert_true(status_is_known(result->status));
            assert_true(result->status != STATUS_internal && result->status != STATUS_unknown);
        }
        w->now_us += pick(3) ? pick(300) * 1000 : pick(8) * SECOND;
    }
    world_destroy(w);
    return applied;
}

static void test_walk(void **state)
{
    (void)state;
    const char *text = getenv("HOLDFAST_SEED");
    uint64_t first = text ? strtoull(text, NULL, 10) : 1;
    size_t seeds = text ? 1 : 40, applied = 0;

    for (size_t i = 0; i < seeds; i++) {
        print_message("# seed %llu\n", (unsigned long long)(first + i));
        applied += walk((first + i) * UINT64_C(0x9e3779b97f4a7c15), 120);
    }
    assert_true(applied > seeds * 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_receive),
        cmocka_unit_test(test_adjust),
        cmocka_unit_test(test_count),
        cmocka_unit_test(test_count_after_receive_and_ship_in_one_batch),
        cmocka_unit_test(test_transfer),
        cmocka_unit_test(test_quarantine_and_restore),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_shortfall_gives_nothing_away),
        cmocka_unit_test(test_walk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
