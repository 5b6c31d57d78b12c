/* SPDX-License-Identifier: MIT
 *
 * What callers pass: every kind of operation reaches its message, and every mistake is told by the
 * name of its field without anything being sent.
 */
#include "tests/unit/client_world.h"

static struct pool scratch;
static struct encoded encoded;
static struct fault fault;
static const struct encode_defaults defaults = {.actor = "clerk", .op_class = HOLDFAST_CLASS_BULK};
static const uint8_t fresh[UUID_BYTES] = {1, 2, 3, 4, 5, 6, 0x70, 8, 0x80};
static const uint8_t digest[HOLDFAST_DIGEST_BYTES];
static const struct holdfast_run_line results[] = {{.line = 1, .partition = 5, .sequence = 7},
                                                   {.line = 2,
                                                    .status = HOLDFAST_VERSION_CONFLICT,
                                                    .text = "why",
                                                    .sku = "A",
                                                    .warehouse = "W",
                                                    .counted = 118,
                                                    .booked = 121}};
static const struct holdfast_line lines[] = {{"A", "W", 2}, {"A", "V", 3}};

static bool encode(struct holdfast_operation operation)
{
    memset(&fault, 0, sizeof fault);
    return encode_operation(&encoded, &operation, &defaults, fresh, &scratch, &fault);
}

static Hf__Operation *read_back(struct holdfast_operation operation)
{
    if (!encode(operation))
        fail_msg("kind %d: %s: %s", (int)operation.kind, fault.field, fault.message);
    Hf__Operation *read = hf__operation__unpack(NULL, encoded.body_bytes, encoded.body);
    free(encoded.body);
    assert_non_null(read);
    return read;
}

/* Fields that make an operation of any kind valid. */
static struct holdfast_operation full(enum holdfast_operation_kind kind)
{
    return (struct holdfast_operation){
        .kind = kind,
        .lines = lines,
        .line_count = 2,
        .reservation = "r-006p1nbcxn48r6gh$",
        .ttl_ms = 5000,
        .sku = "A",
        .warehouse = "W",
        .to_warehouse = "V",
        .delta = -3,
        .quantity = 4,
        .reason = "damage",
        .reference = "note 7",
        .text = "Name",
        .settles = "0190163d-8694-739b-aea5-966c26f8ad90",
        .partition = 9,
        .run = "A", /* a run lies where a sku of that name does */
        .digest = digest,
        .run_lines = 3,
        .run_results = results,
        .run_result_count = 2,
        .undone = "0190163d-8694-739b-aea5-966c26f8ad90",
    };
}

static void test_every_kind_is_sent_where_it_belongs(void **state)
{
    (void)state;
    for (int kind = HOLDFAST_RESERVE; kind <= HOLDFAST_UNDO; kind++) {
        Hf__Operation *read = read_back(full((enum holdfast_operation_kind)kind));
        uint32_t partition = route_partition(&encoded.route, 64), wanted = 5; /* A */
        bool frees = false;

        assert_int_equal(read->kind_case, kind);
        assert_memory_equal(read->operation_id.data, fresh, UUID_BYTES);
        assert_int_equal(read->actor.len, 5);
        if (kind >= HOLDFAST_EXTEND && kind <= HOLDFAST_RETURN)
            wanted = 13;
        if (kind == HOLDFAST_PUT_WAREHOUSE || kind == HOLDFAST_PUT_REASON)
            wanted = 0;
        if (kind == HOLDFAST_SETTLE || kind == HOLDFAST_UNDO)
            wanted = 9;
        if (kind == HOLDFAST_RELEASE || kind == HOLDFAST_SHIP || kind == HOLDFAST_CANCEL)
            frees = true;
        assert_int_equal(partition, wanted);
        assert_int_equal(encoded.op_class, frees ? CLASS_FREEING : CLASS_BULK);
        assert_int_equal(encoded.attempt, 1);
        hf__operation__free_unpacked(read, NULL);
    }
}

static void test_fields_arrive(void **state)
{
    struct holdfast_operation operation = full(HOLDFAST_TRANSFER);

    (void)state;
    operation.operation_id = "0190163d-8694-739b-aea5-966c26f8ad90";
    operation.attempt = 3;
    operation.note = "Größe";
    operation.undoes = 12;
    Hf__Operation *read = read_back(operation);
    assert_int_equal(encoded.attempt, 3);
    assert_int_equal(read->operation_id.data[0], 0x01);
    assert_int_equal(read->undoes, 12);
    assert_int_equal(read->note.len, strlen("Größe"));
    assert_int_equal(read->transfer->quantity, 4);
    assert_memory_equal(read->transfer->from.data, "W", 1);
    assert_memory_equal(read->transfer->to.data, "V", 1);
    hf__operation__free_unpacked(read, NULL);
}

static void test_lines_of_a_count_list_arrive(void **state)
{
    struct holdfast_operation operation = full(HOLDFAST_RECORD_RUN);

    (void)state;
    Hf__Operation *read = read_back(operation);
    const Hf__RunLine *line = read->record_run->lines[1];
    assert_memory_equal(line->sku.data, "A", 1);
    assert_memory_equal(line->warehouse.data, "W", 1);
    assert_int_equal(line->counted, 118);
    assert_int_equal(line->booked, 121);
    assert_false(line->open);
    assert_int_equal(read->record_run->lines[0]->sku.len, 0);
    hf__operation__free_unpacked(read, NULL);
}

static void expect_fault(struct holdfast_operation operation, const char *field)
{
    assert_false(encode(operation));
    assert_string_equal(fault.field, field);
    assert_true(fault.message[0] != '\0');
    assert_int_equal(fault.status, HOLDFAST_INVALID);
    assert_null(encoded.body);
}

static void test_mistakes_have_names(void **state)
{
    static const struct holdfast_line bad_sku[] = {{"A", "W", 1}, {"", "W", 1}};
    static const struct holdfast_line none[] = {{NULL, "W", 1}};
    static const struct holdfast_line bad_warehouse[] = {{"A", "W ", 1}};
    static const struct holdfast_line no_warehouse[] = {{"A", NULL, 1}};
    static const struct holdfast_line zero[] = {{"A", "W", 0}};
    static const struct holdfast_line huge[] = {{"A", "W", 1000000000}};
#define WITH(name, ...) ((struct holdfast_operation){.kind = HOLDFAST_##name, __VA_ARGS__})

    (void)state;
    expect_fault((struct holdfast_operation){.kind = 0}, "kind");
    expect_fault((struct holdfast_operation){.kind = HOLDFAST_UNDO + 1}, "kind");
    expect_fault(WITH(RESERVE, .line_count = 0), "reserve.lines");
    expect_fault(WITH(RESERVE, .line_count = 1), "reserve.lines");
    expect_fault(WITH(RESERVE, .lines = bad_sku, .line_count = 2), "reserve.lines[1].sku");
    expect_fault(WITH(RESERVE, .lines = none, .line_count = 1), "reserve.lines[0].sku");
    expect_fault(WITH(RESERVE, .lines = bad_warehouse, .line_count = 1),
                 "reserve.lines[0].warehouse");
    expect_fault(WITH(RECEIVE, .lines = no_warehouse, .line_count = 1),
                 "receive.lines[0].warehouse");
    expect_fault(WITH(RESERVE, .lines = zero, .line_count = 1), "reserve.lines[0].quantity");
    expect_fault(WITH(RESERVE, .lines = huge, .line_count = 1), "reserve.lines[0].quantity");
    expect_fault(WITH(RESERVE, .lines = lines, .line_count = 1, .ttl_ms = 999), "reserve.ttl_ms");
    expect_fault(WITH(RESERVE, .lines = lines, .line_count = 1, .policy = 7), "reserve.policy");
    expect_fault(WITH(RESERVE, .lines = lines, .line_count = 1, .order = "a\nb"), "reserve.order");
    expect_fault(WITH(PURCHASE, .reservation = "R-nonsense"), "purchase.reservation");
    expect_fault(WITH(EXTEND, .ttl_ms = 5000), "extend.reservation");
    expect_fault(WITH(ADJUST, .sku = "A", .warehouse = "W", .delta = 1), "adjust.reason");
    expect_fault(WITH(ADJUST, .sku = "A", .warehouse = "W", .reason = "r"), "adjust.delta");
    expect_fault(WITH(ADJUST, .sku = "A", .warehouse = "W", .reason = "r", .delta = INT64_MIN),
                 "adjust.delta");
    expect_fault(WITH(TRANSFER, .sku = "A", .warehouse = "W", .quantity = 1), "transfer.to");
    expect_fault(WITH(PUT_ITEM, .sku = "\xff"), "put_item.sku");
    expect_fault(WITH(SETTLE, .settles = "x"), "settle.operation_id");
    expect_fault(WITH(SETTLE, .settles = "0190163d-8694-739b-aea5-966c26f8ad90", .partition = -2),
                 "settle.partition");
    expect_fault(WITH(SETTLE, .settles = "0190163d-8694-439b-aea5-966c26f8ad90"),
                 "settle.operation_id");
#define UNDONE .undone = "0190163d-8694-739b-aea5-966c26f8ad90"
    expect_fault(WITH(UNDO, .undone = "0190163d-8694-739b-2ea5-966c26f8ad90"), "undo.operation_id");
    expect_fault(WITH(UNDO, UNDONE, .partition = HOLDFAST_ALL_PARTITIONS), "undo.partition");
    expect_fault(WITH(UNDO, UNDONE, .partition = 65535), "undo.partition");
    expect_fault(WITH(UNDO, UNDONE, .has_previous = true, .previous = 1000000000), "undo.previous");
    /* version 4 is not for us: the time in the id says how old it is */
    expect_fault(
        WITH(PUT_REASON, .reason = "r", .operation_id = "0190163d-8694-439b-aea5-966c26f8ad90"),
        "operation_id");
}

static void test_limits_of_text(void **state)
{
    char text[301];
    struct holdfast_operation operation = full(HOLDFAST_PUT_ITEM);

    (void)state;
    memset(text, 'x', sizeof text);
    text[255] = '\0';
    operation.note = text;
    hf__operation__free_unpacked(read_back(operation), NULL);
    text[255] = 'x';
    text[256] = '\0';
    expect_fault(operation, "note");
    operation = full(HOLDFAST_PUT_ITEM);
    text[65] = '\0';
    operation.sku = text;
    expect_fault(operation, "put_item.sku");
    text[64] = '\0';
    hf__operation__free_unpacked(read_back(operation), NULL);
}

static int setup(void **state)
{
    (void)state;
    pool_init(&scratch);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    pool_release(&scratch);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_is_sent_where_it_belongs),
        cmocka_unit_test(test_fields_arrive),
        cmocka_unit_test(test_lines_of_a_count_list_arrive),
        cmocka_unit_test(test_mistakes_have_names),
        cmocka_unit_test(test_limits_of_text),
    };

    return cmocka_run_group_tests_name("client encode", tests, setup, teardown);
}
