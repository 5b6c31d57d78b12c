/* SPDX-License-Identifier: MIT
 *
 * Queries split by partition, and what comes back as one answer.
 */
#include "tests/unit/client_world.h"

#include <time.h>

#define PARTITIONS 64

static struct fanout *query(struct holdfast_query asked)
{
    struct fault fault = {0};
    struct fanout *fanout = fanout_new_query(&asked, CLASS_SERVICE, &fault);

    if (!fanout)
        fail_msg("%s: %s", fault.field, fault.message);
    assert_true(fanout_plan(fanout, PARTITIONS));
    return fanout;
}

static Hf__Query *take_part(struct fanout *fanout, uint32_t *partition)
{
    struct encoded part;

    if (!fanout_next(fanout, &part))
        return NULL;
    *partition = route_partition(&part.route, PARTITIONS);
    Hf__Query *read = hf__query__unpack(NULL, part.body_bytes, part.body);
    assert_non_null(read);
    free(part.body);
    return read;
}

/* One partition's answer: a page of skus, each with a level. */
static void answer_stock(struct fanout *fanout, const char *const *skus, size_t count, bool more,
                         int64_t read_at_us)
{
    Hf__Answer wire;
    Hf__Stock stock[8], *list[8];

    hf__answer__init(&wire);
    for (size_t i = 0; i < count; i++) {
        hf__stock__init(&stock[i]);
        stock[i].sku = bytes_of(skus[i]);
        list[i] = &stock[i];
    }
    wire.n_stock = count;
    wire.stock = list;
    wire.more = more;
    wire.read_at_us = read_at_us;
    fanout_answer(fanout, decode_answer(&wire));
}

static void test_skus_go_where_they_belong(void **state)
{
    static const char *const skus[] = {"A", "a", "0123456789", "POST", "A"};
    struct fanout *fanout =
        query((struct holdfast_query){.kind = HOLDFAST_QUERY_STOCK, .skus = skus, .sku_count = 5});
    uint32_t partition, last = 0;
    size_t keys = 0, parts = 0;
    Hf__Query *part;

    (void)state;
    assert_int_equal(fanout_left(fanout), 3); /* a and 0123456789 are both at home in 31 */
    while ((part = take_part(fanout, &partition))) {
        assert_true(parts == 0 || partition > last);
        last = partition;
        parts++;
        for (size_t i = 0; i < part->stock->n_skus; i++) {
            assert_int_equal(
                partition_of_sku(part->stock->skus[i].data, part->stock->skus[i].len, PARTITIONS),
                partition);
            keys++;
        }
        hf__query__free_unpacked(part, NULL);
    }
    assert_int_equal(parts, 3);
    assert_int_equal(keys, 5);
    fanout_destroy(&fanout);
}

static void test_pages_are_merged(void **state)
{
    static const char *const first[] = {"b", "d"}, *const second[] = {"a", "c", "e"};
    struct fanout *fanout =
        query((struct holdfast_query){.kind = HOLDFAST_QUERY_STOCK, .after = "A", .limit = 4});
    uint32_t partition;
    size_t parts = 0;
    Hf__Query *part;

    (void)state;
    while ((part = take_part(fanout, &partition))) {
        assert_int_equal(partition, parts++);
        assert_int_equal(part->stock->limit, 4);
        hf__query__free_unpacked(part, NULL);
    }
    assert_int_equal(parts, PARTITIONS);
    answer_stock(fanout, first, 2, false, 5000);
    answer_stock(fanout, second, 3, false, 3000);
    for (size_t i = 2; i < PARTITIONS; i++)
        answer_stock(fanout, NULL, 0, false, 9000);
    assert_int_equal(fanout_flying(fanout), 0);
    struct holdfast_answer *merged = fanout_merged_answer(fanout, 10000);
    fanout_destroy(&fanout);
    assert_int_equal(merged->status, HOLDFAST_APPLIED);
    assert_int_equal(merged->stock_count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(merged->stock[i].sku[0], 'a' + (int)i);
    assert_true(merged->more); /* e was cut off */
    assert_int_equal(merged->age_us, 7000);
    assert_int_equal(merged->partitions_asked, PARTITIONS);
    assert_int_equal(merged->partitions_answered, PARTITIONS);
    holdfast_answer_free(&merged);
}

static void test_a_missing_part_is_told(void **state)
{
    static const char *const skus[] = {"x"};
    struct fanout *fanout = query((struct holdfast_query){.kind = HOLDFAST_QUERY_ITEM});
    struct encoded part;

    (void)state;
    while (fanout_next(fanout, &part))
        free(part.body);
    answer_stock(fanout, skus, 1, false, 1);
    fanout_answer(fanout, make_answer(HOLDFAST_UNAVAILABLE, "", "nobody serves the partition"));
    for (size_t i = 2; i < PARTITIONS; i++)
        answer_stock(fanout, NULL, 0, false, 1);
    struct holdfast_answer *merged = fanout_merged_answer(fanout, 1);
    fanout_destroy(&fanout);
    assert_int_equal(merged->status, HOLDFAST_UNAVAILABLE);
    assert_string_equal(merged->message, "nobody serves the partition");
    assert_int_equal(merged->stock_count, 1); /* what there is, is there */
    assert_int_equal(merged->partitions_answered, PARTITIONS - 1);
    holdfast_answer_free(&merged);
}

static void add_reservation(struct fanout *fanout, const char *text, int64_t created,
                            int64_t expires)
{
    Hf__Answer wire;
    Hf__Reservation reservation, *list = &reservation;

    hf__answer__init(&wire);
    hf__reservation__init(&reservation);
    reservation.reservation = bytes_of(text);
    reservation.created_at_us = created;
    reservation.expires_at_us = expires;
    wire.n_reservations = 1;
    wire.reservations = &list;
    fanout_answer(fanout, decode_answer(&wire));
}

static void test_reservations_are_sorted(void **state)
{
    (void)state;
    for (int expiring = 0; expiring < 2; expiring++) {
        struct fanout *fanout = query((struct holdfast_query){
            .kind = HOLDFAST_QUERY_RESERVATION, .order = "o", .expiring = expiring});
        struct encoded part;
        for (size_t i = 0; i < PARTITIONS; i++) {
            assert_true(fanout_next(fanout, &part));
            free(part.body);
        }
        add_reservation(fanout, "R-1", 10, 60);
        add_reservation(fanout, "R-2", 30, 50);
        add_reservation(fanout, "R-3", 20, 70);
        for (size_t i = 3; i < PARTITIONS; i++)
            answer_stock(fanout, NULL, 0, false, 1);
        struct holdfast_answer *merged = fanout_merged_answer(fanout, 1);
        fanout_destroy(&fanout);
        assert_int_equal(merged->reservation_count, 3);
        assert_string_equal(merged->reservations[0].reservation, "R-2");
        assert_string_equal(merged->reservations[1].reservation, expiring ? "R-1" : "R-3");
        assert_string_equal(merged->reservations[2].reservation, expiring ? "R-3" : "R-1");
        holdfast_answer_free(&merged);
    }
}

static struct fanout *settle_everywhere(void)
{
    struct holdfast_operation operation = {.kind = HOLDFAST_SETTLE,
                                           .settles = "0190163d-8694-739b-aea5-966c26f8ad90",
                                           .partition = HOLDFAST_ALL_PARTITIONS};
    struct encode_defaults defaults = {.actor = NULL};
    struct encoded encoded, part;
    struct fault fault;
    struct pool scratch;
    uint8_t fresh[UUID_BYTES] = {0};

    pool_init(&scratch);
    assert_true(encode_operation(&encoded, &operation, &defaults, fresh, &scratch, &fault));
    struct fanout *fanout = fanout_new_settle(&encoded, &fault);
    assert_non_null(fanout);
    pool_release(&scratch);
    assert_true(fanout_plan(fanout, PARTITIONS));
    while (fanout_next(fanout, &part))
        free(part.body);
    return fanout;
}

static struct holdfast_result *settled(enum holdfast_settle_outcome outcome)
{
    struct holdfast_result *result = make_result(HOLDFAST_APPLIED, NULL, "", "");

    result->settle = outcome;
    return result;
}

static int settle_outcome(size_t applied_at, size_t failed_at, int *status)
{
    struct fanout *fanout = settle_everywhere();

    for (size_t i = 0; i < PARTITIONS; i++) {
        if (i == failed_at)
            fanout_result(fanout, make_result(HOLDFAST_UNAVAILABLE, NULL, "", ""));
        else
            fanout_result(
                fanout, settled(i == applied_at ? HOLDFAST_SETTLE_APPLIED : HOLDFAST_SETTLE_VOID));
    }
    struct holdfast_result *merged = fanout_merged_result(fanout);
    int outcome = (int)merged->settle;
    *status = merged->status;
    holdfast_result_free(&merged);
    fanout_destroy(&fanout);
    return outcome;
}

static void test_settling_everywhere(void **state)
{
    int status;

    (void)state;
    assert_int_equal(settle_outcome(SIZE_MAX, SIZE_MAX, &status), HOLDFAST_SETTLE_VOID);
    assert_int_equal(status, HOLDFAST_APPLIED);
    assert_int_equal(settle_outcome(17, SIZE_MAX, &status), HOLDFAST_SETTLE_APPLIED);
    assert_int_equal(settle_outcome(17, 3, &status), HOLDFAST_SETTLE_APPLIED);
    assert_int_equal(settle_outcome(17, 40, &status), HOLDFAST_SETTLE_APPLIED);
    /* one that did not answer may be the one */
    for (size_t failed = 0; failed < PARTITIONS; failed += 63) {
        assert_int_equal(settle_outcome(SIZE_MAX, failed, &status), HOLDFAST_SETTLE_NONE);
        assert_int_equal(status, HOLDFAST_UNAVAILABLE);
    }
    /* nor may one that could not be asked be taken for void */
    struct fanout *fanout = settle_everywhere();
    for (size_t i = 1; i < PARTITIONS; i++)
        fanout_result(fanout, settled(HOLDFAST_SETTLE_VOID));
    fanout_failed(fanout, HOLDFAST_DEADLINE_EXCEEDED, "no answer in time");
    struct holdfast_result *merged = fanout_merged_result(fanout);
    assert_int_equal(merged->settle, HOLDFAST_SETTLE_NONE);
    assert_int_equal(merged->status, HOLDFAST_DEADLINE_EXCEEDED);
    holdfast_result_free(&merged);
    fanout_destroy(&fanout);
}

static void test_audits(void **state)
{
    struct holdfast_query asked = {.kind = HOLDFAST_QUERY_AUDIT,
                                   .token = 7,
                                   .audit = HOLDFAST_AUDIT_ROWS,
                                   .bucket = 9,
                                   .one_partition = true,
                                   .partition = 5};
    struct fanout *fanout = query(asked);
    uint32_t partition;
    Hf__Answer wire = HF__ANSWER__INIT;
    Hf__RowDigest row = HF__ROW_DIGEST__INIT, *rows = &row;

    (void)state;
    assert_int_equal(fanout_left(fanout), 1);
    Hf__Query *part = take_part(fanout, &partition);
    assert_int_equal(partition, 5);
    assert_int_equal(part->audit->token, 7);
    assert_int_equal(part->audit->what, HF__AUDIT_WHAT__AUDIT_ROWS);
    assert_int_equal(part->audit->bucket, 9);
    hf__query__free_unpacked(part, NULL);
    row.kind = HF__ROW_KIND__ROW_LEVEL;
    row.sku = bytes_of("A");
    row.version = 3;
    row.sum = UINT64_MAX;
    wire.partition = 5;
    wire.sequence = 11;
    wire.rows = &rows;
    wire.n_rows = 1;
    fanout_answer(fanout, decode_answer(&wire));
    struct holdfast_answer *merged = fanout_merged_answer(fanout, 0);
    assert_int_equal(merged->audited_count, 1);
    assert_false(merged->audited[0].running);
    assert_int_equal(merged->audited[0].partition, 5);
    assert_int_equal(merged->audited[0].sequence, 11);
    assert_int_equal(merged->audited[0].row_count, 1);
    assert_string_equal(merged->audited[0].rows[0].sku, "A");
    assert_true(merged->audited[0].rows[0].sum == UINT64_MAX);
    holdfast_answer_free(&merged);
    fanout_destroy(&fanout);
    asked.one_partition = false;
    fanout = query(asked);
    assert_int_equal(fanout_left(fanout), PARTITIONS);
    fanout_destroy(&fanout);
}

/* As many as partitions: each adoption that walked through those before took 20 s for all. */
static void test_many_parts_are_adopted(void **state)
{
    enum { PARTS = 65535 };
    struct pool all;
    clock_t begun = clock();

    (void)state;
    pool_init(&all);
    for (size_t i = 0; i < PARTS; i++) {
        struct pool part;
        pool_init(&part);
        uint8_t *at = pool_alloc(&part, 400);
        uint8_t *more = pool_alloc(&part, 400);
        assert_true(at && more);
        pool_adopt(&all, &part);
        assert_null(part.blocks);
    }
    assert_true((clock() - begun) / CLOCKS_PER_SEC < 5);
    pool_release(&all); /* a sanitizer would tell what is left */
}

static void test_bad_arguments(void **state)
{
    static const char *const bad[] = {"ok", " bad"}, *const missing[] = {NULL};
    const struct {
        struct holdfast_query query;
        const char *field;
    } cases[] = {
        {{.kind = 3}, "kind"},
        {{.kind = HOLDFAST_QUERY_DRY_RUN + 1}, "kind"},
        {{.kind = HOLDFAST_QUERY_DRY_RUN}, "operations"},
        {{.kind = HOLDFAST_QUERY_MOVEMENT}, "sequences"},
        {{.kind = HOLDFAST_QUERY_RUN_LINES}, "run"},
        {{.kind = HOLDFAST_QUERY_STOCK, .limit = 1001}, "limit"},
        {{.kind = HOLDFAST_QUERY_STOCK, .skus = bad, .sku_count = 2}, "skus"},
        {{.kind = HOLDFAST_QUERY_STOCK, .skus = missing, .sku_count = 1}, "skus"},
        {{.kind = HOLDFAST_QUERY_STOCK, .sku_count = 1}, "skus"},
        {{.kind = HOLDFAST_QUERY_STOCK, .skus = bad, .sku_count = 257}, "skus"},
        {{.kind = HOLDFAST_QUERY_RESERVATION, .skus = bad, .sku_count = 1}, "skus"},
        {{.kind = HOLDFAST_QUERY_OPERATION, .skus = bad, .sku_count = 1}, "skus"},
        {{.kind = HOLDFAST_QUERY_OPERATION}, "skus"},
        {{.kind = HOLDFAST_QUERY_HISTORY}, "sku"},
        {{.kind = HOLDFAST_QUERY_AUDIT}, "token"},
        {{.kind = HOLDFAST_QUERY_STOCK, .warehouse = "a\tb"}, "warehouse"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fault fault = {0};
        assert_null(fanout_new_query(&cases[i].query, CLASS_SERVICE, &fault));
        assert_string_equal(fault.field, cases[i].field);
        assert_true(fault.message[0] != '\0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_skus_go_where_they_belong),
        cmocka_unit_test(test_pages_are_merged),
        cmocka_unit_test(test_a_missing_part_is_told),
        cmocka_unit_test(test_reservations_are_sorted),
        cmocka_unit_test(test_settling_everywhere),
        cmocka_unit_test(test_audits),
        cmocka_unit_test(test_many_parts_are_adopted),
        cmocka_unit_test(test_bad_arguments),
    };

    return cmocka_run_group_tests_name("client fanout", tests, NULL, NULL);
}
