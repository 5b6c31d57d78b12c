/* SPDX-License-Identifier: MIT
 *
 * The library lives in somebody else's program: whichever allocation fails, it goes on, leaks
 * nothing and tells no outcome that it does not know.
 */
#include "tests/unit/client_world.h"

#include "client/read.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#    define CAN_FAIL 0 /* a sanitizer brings its own malloc */
#else
#    define CAN_FAIL 1
#endif

static long allocations_left = -1; /* below 0: none fails */
static bool failed;

#if CAN_FAIL
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *pointer, size_t bytes);

static bool may_allocate(void)
{
    if (allocations_left < 0)
        return true;
    if (allocations_left-- > 0)
        return true;
    allocations_left = -1; /* only that one fails */
    failed = true;
    return false;
}

void *malloc(size_t bytes)
{
    return may_allocate() ? __libc_malloc(bytes) : NULL;
}

void *calloc(size_t count, size_t bytes)
{
    return may_allocate() ? __libc_calloc(count, bytes) : NULL;
}

void *realloc(void *pointer, size_t bytes)
{
    return may_allocate() ? __libc_realloc(pointer, bytes) : NULL;
}
#endif

/* WELCOME, packed once: the world's own allocations must not be the ones that fail. */
static uint8_t welcome[256], answer[256];
static size_t welcome_bytes, answer_bytes;

static void prepare(void)
{
    Hf__Welcome w;
    Hf__Result r;
    Hf__Level level, *list = &level;

    hf__welcome__init(&w);
    w.version = 1;
    w.partitions = 8;
    w.credit = w.window = 1000;
    w.heartbeat_ms = 1000;
    w.message_bytes = 65536;
    w.batch_messages = 100;
    welcome_bytes = hf__welcome__pack(&w, welcome);
    hf__result__init(&r);
    hf__level__init(&level);
    level.sku = bytes_of("A");
    level.warehouse = bytes_of("W");
    r.levels = &list;
    r.n_levels = 1;
    answer_bytes = hf__result__pack(&r, answer);
}

static void say(struct core *core, struct core_time now, struct header header, const uint8_t *body,
                size_t body_bytes)
{
    uint8_t bytes[HEADER_BYTES];

    header_write(&header, bytes);
    core_receive(core, now, bytes, sizeof bytes, body, body_bytes);
}

/* Longer than an attempt waits, so each call is sent again before its first message is answered. */
#define ANSWERS_AFTER_US 800000

static void drive(struct core *core, struct core_time *now, size_t calls, size_t *told)
{
    struct core_action action;
    int64_t begun_us = now->mono_us, end_us = begun_us + 12000000;
    uint64_t sequence = 0;

    while (*told < calls && now->mono_us < end_us) {
        while (core_next(core, *now, &action)) {
            if (action.kind == CORE_DONE) {
                int status = action.result->status;
                assert_true(status == HOLDFAST_APPLIED || status == HOLDFAST_UNKNOWN ||
                            status == HOLDFAST_DEADLINE_EXCEEDED);
                holdfast_result_free(&action.result);
                ++*told;
            } else if (action.kind == CORE_SEND && action.header[3] == MESSAGE_HELLO) {
                say(core, *now, (struct header){.type = MESSAGE_WELCOME, .session = 5}, welcome,
                    welcome_bytes);
            } else if (action.kind == CORE_SEND && action.header[3] == MESSAGE_HEARTBEAT) {
                say(core, *now, (struct header){.type = MESSAGE_GOODBYE, .session = 5}, NULL, 0);
            }
        }
        now->mono_us += 200000;
        if (now->mono_us - begun_us < ANSWERS_AFTER_US)
            continue;
        sequence++;
        say(core, *now, (struct header){.type = MESSAGE_RESULT, .session = 5, .sequence = sequence},
            answer, answer_bytes);
    }
}

static void scenario(void)
{
    struct core_config config = {.broker_count = 2,
                                 .cluster = "c",
                                 .name = "n",
                                 .attempt_timeout_us = 500000,
                                 .retry_budget = 20};
    struct holdfast_line line = {.sku = "A", .quantity = 1};
    struct holdfast_operation operation = {
        .kind = HOLDFAST_RESERVE, .lines = &line, .line_count = 1};
    struct encode_defaults defaults = {.actor = "a"};
    struct core_time now = {.mono_us = 1000000, .wall_us = 1000000};
    struct core *core = core_new(&config);
    struct pool scratch;
    size_t submitted = 0, told = 0;

    pool_init(&scratch);
    for (int i = 0; core && i < 3; i++) {
        struct encoded encoded;
        struct fault fault;
        uint8_t fresh[UUID_BYTES] = {(uint8_t)i};
        if (!encode_operation(&encoded, &operation, &defaults, fresh, &scratch, &fault)) {
            assert_int_equal(fault.status, HOLDFAST_UNAVAILABLE);
            continue;
        }
        if (core_submit(core, now, CORE_OPERATION, &encoded, 10000000, NULL))
            submitted++;
        else
            free(encoded.body);
    }
    if (core)
        drive(core, &now, submitted, &told);
    assert_int_equal(told, submitted);
    core_destroy(&core);
    pool_release(&scratch);
}

static void merging(void)
{
    static const char *const skus[] = {"A", "b", "c"};
    struct holdfast_query query = {.kind = HOLDFAST_QUERY_STOCK, .skus = skus, .sku_count = 3};
    struct fault fault;
    struct encoded part;
    struct fanout *fanout = fanout_new_query(&query, CLASS_SERVICE, &fault);

    if (!fanout)
        return;
    if (fanout_plan(fanout, 8)) {
        while (fanout_left(fanout) > 0) {
            if (!fanout_next(fanout, &part)) {
                fanout_failed(fanout, HOLDFAST_UNAVAILABLE, "out of memory");
                continue;
            }
            free(part.body);
            fanout_answer(fanout, make_answer(HOLDFAST_APPLIED, "", ""));
        }
        struct holdfast_answer *merged = fanout_merged_answer(fanout, 1);
        assert_non_null(merged);
        if (merged->status == HOLDFAST_APPLIED)
            assert_int_equal(merged->partitions_answered, merged->partitions_asked);
        holdfast_answer_free(&merged);
    }
    fanout_destroy(&fanout);
}

/* A view knows one of two skus; the owners know the other. Whatever is told, no figure is wrong. */
static void reading(void)
{
    static const char *const skus[] = {"A", "b"};
    struct holdfast_view_query query = {.kind = HOLDFAST_VIEW_STOCK, .keys = skus, .key_count = 2};
    struct positions positions = {0};
    struct holdfast_query owners;
    struct encoded encoded;
    struct fault fault;
    Hf__ViewAnswer wire = HF__VIEW_ANSWER__INIT;
    Hf__ViewStock stock[2], *stocks[] = {&stock[0], &stock[1]};
    Hf__Level total = HF__LEVEL__INIT, *levels = &total;
    Hf__Answer told = HF__ANSWER__INIT;
    Hf__Stock b = HF__STOCK__INIT, *list = &b;

    (void)positions_raise(&positions, 3, 9);
    struct read *read = read_new(&query, &fault);
    if (!read) {
        assert_int_equal(fault.status, HOLDFAST_UNAVAILABLE);
        positions_release(&positions);
        return;
    }
    if (read_encode(read, &positions, 0, 100, &encoded))
        free(encoded.body);
    total.on_hand = 5;
    for (int i = 0; i < 2; i++) {
        hf__view_stock__init(&stock[i]);
        stock[i].sku = bytes_of(skus[i]);
    }
    stock[0].knowledge = HF__KNOWLEDGE__KNOWLEDGE_KNOWN;
    stock[0].exists = true;
    stock[0].total = &total;
    stock[0].levels = &levels;
    stock[0].n_levels = 1;
    wire.stock = stocks;
    wire.n_stock = 2;
    struct view_box *box = view_box_decode(&wire);
    if (!box)
        box = view_box_make(HOLDFAST_UNAVAILABLE, "", "out of memory");
    read_take_view(read, &box, "ipc://view", 1);
    b.sku = bytes_of("b");
    b.levels = &levels;
    b.n_levels = 1;
    told.stock = &list;
    told.n_stock = 1;
    if (read_owner_query(read, &owners)) {
        struct holdfast_answer *answered = decode_answer(&told);
        if (!answered)
            answered = make_answer(HOLDFAST_UNAVAILABLE, "", "out of memory");
        if (answered->status == HOLDFAST_APPLIED)
            answered->partitions_asked = answered->partitions_answered = 1;
        read_take_owner(read, answered, &positions);
    }
    struct holdfast_view_answer *ended = read_finish(read, 2);
    assert_true(ended->status != HOLDFAST_APPLIED || ended->stock_count == 2);
    for (size_t i = 0; i < ended->stock_count; i++) {
        const struct holdfast_view_stock *one = &ended->stock[i];
        if (one->knowledge == HOLDFAST_KNOWLEDGE_KNOWN && one->exists)
            assert_int_equal(one->total.on_hand, 5);
        else
            assert_true(ended->status != HOLDFAST_APPLIED || !one->exists);
    }
    holdfast_view_answer_free(&ended);
    read_destroy(&read);
    positions_release(&positions);
}

static void each_allocation_fails(void (*run)(void))
{
    size_t count = 0;

    do {
        failed = false;
        allocations_left = (long)count++;
        run();
        allocations_left = -1;
    } while (failed);
    assert_true(!CAN_FAIL || count > 5);
}

static void test_operations(void **state)
{
    (void)state;
    each_allocation_fails(scenario);
}

static void test_queries(void **state)
{
    (void)state;
    each_allocation_fails(merging);
}

static void test_reads(void **state)
{
    (void)state;
    each_allocation_fails(reading);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_queries),
        cmocka_unit_test(test_reads),
    };

    prepare();
    return cmocka_run_group_tests_name("client memory", tests, NULL, NULL);
}
