/* SPDX-License-Identifier: MIT
 *
 * Every field of every operation at its limits and beyond, and the name that a refusal gives it.
 */
#include "tests/unit/ledger_world.h"
#include "workers/validate.h"

static struct world *w;
static struct checked checked;

static const char *fault_of(const Hf__Operation *op)
{
    enum status status = validate_operation(op, 1, &w->arena, &checked);

    if (status == STATUS_applied)
        return "";
    assert_true(status == STATUS_invalid || status == STATUS_too_large);
    assert_non_null(checked.message);
    assert_non_null(checked.field);
    const char *field = checked.field;
    /* Without an arena it is the same answer. */
    struct checked plain;
    assert_int_equal(validate_operation(op, 1, NULL, &plain), status);
    return field;
}

#define good(op) assert_string_equal(fault_of(op), "")
#define bad(op, field) assert_string_equal(fault_of(op), field)

static int setup(void **state)
{
    (void)state;
    w = world_new(1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_destroy(w);
    return 0;
}

static char *repeat(char c, size_t count)
{
    char *text = arena_alloc(&w->forever, count + 1);
    memset(text, c, count);
    text[count] = '\0';
    return text;
}

static const char *reservation = "R-00000000000000000";

static void test_ids(void **state)
{
    (void)state;
    Hf__Operation *op = op_receive(w, "A=1@W1");
    good(op);
    op->operation_id.len = 15;
    bad(op, "operation_id");
    op->operation_id.len = 0;
    bad(op, "operation_id");
    op->operation_id.len = 16;
    op->id_time_us = 1;
    bad(op, "id_time_us");
    op->operation_id.data[6] = 0x80;
    good(op);
    op->id_time_us = 0;
    bad(op, "id_time_us");
    op->id_time_us = -1;
    bad(op, "id_time_us");
    op->id_time_us = 1;
    op->operation_id.data[6] = 0x40;
    bad(op, "operation_id");
    op->operation_id.data[6] = 0x80;
    op->operation_id.data[8] = 0xc0; /* kept for the ledger's own */
    bad(op, "operation_id");
    Hf__Operation *settle = op_settle(w, op);
    bad(settle, "settle.operation_id");
    op->operation_id.data[8] = 0xbf;
    good(op);
    good(settle);
}

static void test_envelope(void **state)
{
    (void)state;
    Hf__Operation *op = op_receive(w, "A=1@W1");
    struct {
        ProtobufCBinaryData *data;
        const char *name;
        size_t max;
    } texts[] = {{&op->actor, "actor", 64},
                 {&op->note, "note", 255},
                 {&op->trace, "trace", 64},
                 {&op->principal, "principal", 64},
                 {&op->receive->reference, "receive.reference", 64}};
    for (size_t i = 0; i < 5; i++) {
        *texts[i].data = bytes_of(w, repeat('x', texts[i].max));
        good(op);
        *texts[i].data = bytes_of(w, repeat('x', texts[i].max + 1));
        bad(op, texts[i].name);
        *texts[i].data = bytes_of(w, "a\nb");
        bad(op, texts[i].name);
        *texts[i].data = bytes_of(w, "\xff");
        bad(op, texts[i].name);
        *texts[i].data = (ProtobufCBinaryData){3, (uint8_t *)arena_copy(&w->forever, "a\0b", 3)};
        bad(op, texts[i].name);
        *texts[i].data = bytes_of(w, "");
    }
    op->kind_case = HF__OPERATION__KIND__NOT_SET;
    bad(op, "kind");
    op->kind_case = (Hf__Operation__KindCase)99;
    bad(op, "kind");
    op->kind_case = HF__OPERATION__KIND_RECEIVE;
    op->receive = NULL;
    bad(op, "kind");
}

static void test_unknown_fields(void **state)
{
    (void)state;
    Hf__Operation *op = op_receive(w, "A=1@W1 B=1@W1");
    op->base.n_unknown_fields = 1;
    bad(op, "operation");
    op->base.n_unknown_fields = 0;
    op->receive->base.n_unknown_fields = 1;
    bad(op, "receive");
    op->receive->base.n_unknown_fields = 0;
    op->receive->lines[1]->base.n_unknown_fields = 1;
    bad(op, "receive.lines[1]");

    /* From the wire: field 100 of the operation. */
    op->receive->lines[1]->base.n_unknown_fields = 0;
    uint8_t packed[256];
    size_t bytes = hf__operation__pack(op, packed);
    memcpy(packed + bytes, "\xa0\x06\x01", 3);
    Hf__Operation *read = hf__operation__unpack(&w->arena.allocator, bytes + 3, packed);
    assert_non_null(read);
    bad(read, "operation");
}

static void test_lines(void **state)
{
    (void)state;
    Hf__Operation *op = op_receive(w, "A=1@W1 B=999999999@W1");
    good(op);
    op->receive->lines[1]->quantity = 1000000000;
    bad(op, "receive.lines[1].quantity");
    op->receive->lines[1]->quantity = 0;
    bad(op, "receive.lines[1].quantity");
    op->receive->lines[1]->quantity = 1;
    op->receive->lines[1]->warehouse.len = 0;
    bad(op, "receive.lines[1].warehouse");
    op->receive->lines[0]->sku = bytes_of(w, repeat('x', 65));
    bad(op, "receive.lines[0].sku");
    op->receive->lines[0]->sku = bytes_of(w, repeat('x', 64));
    bad(op, "receive.lines[1].warehouse");
    op->receive->lines[0]->sku = bytes_of(w, " x");
    bad(op, "receive.lines[0].sku");
    op->receive->n_lines = 0;
    bad(op, "receive.lines");
    bad(op_quarantine(w, "A=1"), "quarantine.lines[0].warehouse");
    bad(op_restore(w, ""), "restore.lines");
    bad(op_reserve(w, ""), "reserve.lines");
    good(op_reserve(w, "A=1"));
}

static void test_line_limit(void **state)
{
    (void)state;
    Hf__Operation *op = op_receive(w, "A=1@W1");
    Hf__Line **lines = arena_alloc(&w->forever, 101 * sizeof *lines);
    for (size_t i = 0; i < 101; i++)
        lines[i] = op->receive->lines[0];
    op->receive->lines = lines;
    op->receive->n_lines = 101;
    good(op); /* a setting: checked once the id was looked up */
    expect_field(w, op, too_large, "receive.lines");
}

static void test_reservations(void **state)
{
    (void)state;
    Hf__Operation *ops[] = {op_extend(w, reservation, 0),   op_purchase(w, reservation, ""),
                            op_release(w, reservation, ""), op_ship(w, reservation, ""),
                            op_cancel(w, reservation, ""),  op_return(w, reservation, "A=1")};
    for (size_t i = 0; i < 6; i++)
        good(ops[i]);
    bad(op_return(w, reservation, ""), "return.lines");
    bad(op_extend(w, "", 0), "extend.reservation");
    bad(op_purchase(w, "R-00000000000000001", ""), "purchase.reservation"); /* check character */
    bad(op_release(w, "X", ""), "release.reservation");
    bad(op_ship(w, "R-0000000000000000", ""), "ship.reservation");
    bad(op_cancel(w, reservation, "A=0"), "cancel.lines[0].quantity");
    ops[4]->cancel->reason = bytes_of(w, repeat('r', 65));
    bad(ops[4], "cancel.reason");
    ops[3]->ship->reference = bytes_of(w, repeat('r', 65));
    bad(ops[3], "ship.reference");
}

static void test_ttl(void **state)
{
    (void)state;
    static const struct {
        uint64_t ttl_ms;
        bool good;
    } cases[] = {{0, true},          {1, false},          {999, false},       {1000, true},
                 {2592000000, true}, {2592000001, false}, {UINT64_MAX, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        Hf__Operation *op = op_reserve(w, "A=1");
        op->reserve->ttl_ms = cases[i].ttl_ms;
        bad(op, cases[i].good ? "" : "reserve.ttl_ms");
        bad(op_extend(w, reservation, cases[i].ttl_ms), cases[i].good ? "" : "extend.ttl_ms");
    }
}

static void test_reserve(void **state)
{
    (void)state;
    Hf__Operation *op = op_reserve(w, "A=1");
    op->reserve->order = bytes_of(w, repeat('o', 65));
    bad(op, "reserve.order");
    op->reserve->order = bytes_of(w, repeat('o', 64));
    op->reserve->policy = (Hf__Policy)2;
    bad(op, "reserve.policy");
    op->reserve->policy = HF__POLICY__POLICY_NEAREST_FIRST;
    bad(op, "reserve.warehouses");
    op->reserve->warehouses = arena_alloc(&w->forever, 300 * sizeof(ProtobufCBinaryData));
    for (size_t i = 0; i < 300; i++)
        op->reserve->warehouses[i] = bytes_of(w, arena_printf(&w->forever, "W%zu", i));
    op->reserve->n_warehouses = 256;
    good(op);
    op->reserve->n_warehouses = 257;
    bad(op, "reserve.warehouses");
    op->reserve->n_warehouses = 3;
    op->reserve->warehouses[2] = bytes_of(w, "W0");
    bad(op, "reserve.warehouses[2]");
    op->reserve->warehouses[2] = bytes_of(w, "");
    bad(op, "reserve.warehouses[2]");
}

static void test_places(void **state)
{
    (void)state;
    good(op_adjust(w, "A", "W1", -999999999));
    bad(op_adjust(w, "A", "W1", -1000000000), "adjust.delta");
    bad(op_adjust(w, "A", "W1", 1000000000), "adjust.delta");
    bad(op_adjust(w, "A", "W1", INT64_MIN), "adjust.delta");
    bad(op_adjust(w, "A", "W1", 0), "adjust.delta");
    bad(op_adjust(w, "", "W1", 1), "adjust.sku");
    bad(op_adjust(w, "A", "", 1), "adjust.warehouse");
    bad(op_adjust_plain(w, "A", "W1", 1), "adjust.reason");
    good(op_count(w, "A", "W1", 0));
    bad(op_count(w, "A", "W1", 1000000000), "count.quantity");
    bad(op_count(w, "A", "W\x7f", 1), "count.warehouse");
    good(op_safety(w, "A", "W1", 0));
    bad(op_safety(w, "A", "W1", 1000000000), "set_safety_stock.quantity");
    bad(op_reorder(w, "A", "W1", 1000000000), "set_reorder_point.quantity");
    bad(op_reorder(w, "A ", "W1", 1), "set_reorder_point.sku");
    good(op_transfer(w, "A", "W1", "W2", 1));
    bad(op_transfer(w, "A", "W1", "W1", 1), "transfer.to");
    bad(op_transfer(w, "A", "", "W1", 1), "transfer.from");
    bad(op_transfer(w, "A", "W1", "W2", 0), "transfer.quantity");
}

static void test_records(void **state)
{
    (void)state;
    Hf__Operation *op = op_put_item(w, "A", "1 2");
    op->put_item->name = bytes_of(w, repeat('n', 255));
    good(op);
    op->put_item->name = bytes_of(w, repeat('n', 256));
    bad(op, "put_item.name");
    op = op_put_item(w, "A", "1 1");
    bad(op, "put_item.barcodes[1]");
    op = op_put_item(w, "A", "1");
    op->put_item->barcodes[0] = bytes_of(w, "");
    bad(op, "put_item.barcodes[0]");
    op = op_put_item(w, "A", "");
    for (size_t i = 0; i < 65; i++)
        op->put_item->barcodes[i] = bytes_of(w, arena_printf(&w->forever, "%zu", i));
    op->put_item->n_barcodes = 64;
    good(op);
    op->put_item->n_barcodes = 65;
    bad(op, "put_item.barcodes");
    op->put_item->n_barcodes = 0;
    op->put_item->reorder_point = 1000000000;
    bad(op, "put_item.reorder_point");
    bad(op_put_warehouse(w, ""), "put_warehouse.warehouse");
    bad(op_put_reason(w, repeat('r', 65)), "put_reason.reason");
    op = op_put_reason(w, "r");
    op->put_reason->name = bytes_of(w, repeat('n', 256));
    bad(op, "put_reason.name");
    op = op_settle(w, op);
    op->settle->operation_id.len = 3;
    bad(op, "settle.operation_id");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ids, setup, teardown),
        cmocka_unit_test_setup_teardown(test_envelope, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_fields, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(test_line_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reservations, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ttl, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reserve, setup, teardown),
        cmocka_unit_test_setup_teardown(test_places, setup, teardown),
        cmocka_unit_test_setup_teardown(test_records, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
