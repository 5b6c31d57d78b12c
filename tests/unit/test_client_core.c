/* SPDX-License-Identifier: MIT
 *
 * The client's core: attempts, certainty, retries and sessions, against a broker made of arrays.
 */
#include "tests/unit/client_world.h"

#include "client/fanout.h"

#define TIMEOUT_US 10000000

static struct world w;

static int setup(void **state)
{
    (void)state;
    world_open(&w, 1, 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_close(&w);
    return 0;
}

static const struct holdfast_result *told(size_t tag, int status)
{
    assert_non_null(w.results[tag]);
    assert_string_equal(holdfast_status_name(w.results[tag]->status), holdfast_status_name(status));
    return w.results[tag];
}

static void test_first_attempt_is_answered(void **state)
{
    (void)state;
    world_submit(&w, 0, 0, TIMEOUT_US);
    world_run(&w);
    assert_int_equal(w.sent_count, 1);
    assert_int_equal(w.sent[0].header.attempt, 1);
    assert_int_equal(w.sent[0].header.sequence, 1);
    assert_int_equal(w.sent[0].header.partition, partition_of_sku("A", 1, 64));
    /* by the cluster's clock, and early enough to settle afterwards */
    assert_true(w.sent[0].header.not_after_us ==
                WORLD_START_US + WORLD_CLUSTER_AHEAD_US + TIMEOUT_US - 2000000);
    world_answer(&w, 0, STATUS_applied);
    assert_int_equal(told(0, HOLDFAST_APPLIED)->attempts, 1);
}

static void test_first_refusal_is_certain(void **state)
{
    (void)state;
    world_submit(&w, 0, 0, TIMEOUT_US);
    world_run(&w);
    world_answer(&w, 0, STATUS_insufficient_stock);
    told(0, HOLDFAST_INSUFFICIENT_STOCK);
    assert_int_equal(w.sent_count, 1);
}

/* The header of a query has attempt 0, or the broker ends the session for it. */
static void test_query_is_asked_again(void **state)
{
    struct encoded encoded = {.body = malloc(1), .body_bytes = 0, .op_class = CLASS_SERVICE};

    (void)state;
    assert_non_null(encoded.body);
    assert_true(core_submit(w.core, world_time(&w), CORE_QUERY, &encoded, TIMEOUT_US, NULL));
    world_run(&w);
    assert_int_equal(w.sent_count, 1);
    world_pass(&w, 2100000);
    assert_int_equal(w.sent_count, 2);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(w.sent[i].header.type, MESSAGE_QUERY);
        assert_int_equal(w.sent[i].header.attempt, 0);
    }
}

static void test_a_querys_wrong_partition_is_followed(void **state)
{
    struct encoded encoded = {.body = malloc(1), .body_bytes = 0, .op_class = CLASS_SERVICE};
    Hf__Answer wrong;
    uint8_t body[64];

    (void)state;
    assert_non_null(encoded.body);
    assert_true(core_submit(w.core, world_time(&w), CORE_QUERY, &encoded, TIMEOUT_US, NULL));
    world_run(&w);
    hf__answer__init(&wrong);
    wrong.status = STATUS_wrong_partition;
    wrong.partition_wanted = 13;
    for (size_t i = 0; i < 20 && i < w.sent_count; i++) {
        world_say(&w,
                  (struct header){.type = MESSAGE_ANSWER,
                                  .session = w.sent[i].header.session,
                                  .sequence = w.sent[i].header.sequence},
                  body, hf__answer__pack(&wrong, body));
        world_run(&w);
        assert_true(i > 0 || w.sent_count == 2); /* at once */
    }
    assert_int_equal(w.sent[1].header.partition, 13);
    assert_true(w.sent_count < 8); /* not in circles */
}

static void test_lost_result_is_asked_again(void **state)
{
    Hf__Result replay;

    (void)state;
    world_submit(&w, 0, 0, TIMEOUT_US);
    world_run(&w);
    world_pass(&w, 2100000);
    assert_int_equal(w.sent_count, 2);
    assert_int_equal(w.sent[1].header.attempt, 2);
    assert_int_equal(w.sent[1].header.sequence, 2);
    assert_memory_equal(w.sent[0].body, w.sent[1].body, w.sent[0].body_bytes);
    hf__result__init(&replay);
    replay.replayed = true;
    world_answer_with(&w, 1, &replay);
    world_run(&w);
    assert_true(told(0, HOLDFAST_APPLIED)->replayed);
    assert_int_equal(w.results[0]->attempts, 2);
    world_answer(&w, 0, STATUS_applied); /* the late answer of the first is nobody's */
    assert_int_equal(w.done_count, 1);
}

static void test_answer_to_an_older_attempt_counts(void **state)
{
    (void)state;
    world_submit(&w, 0, 0, TIMEOUT_US);
    world_run(&w);
    world_pass(&w, 2100000);
    world_answer(&w, 0, STATUS_applied);
    told(0, HOLDFAST_APPLIED);
}

static void test_refusal_after_a_lost_attempt_is_settled_first(void **state)
{
    (void)state;
    world_submit(&w, 0, 0, TIMEOUT_US);
    world_run(&w);
    world_pass(&w, 2100000);
    world_answer(&w, 1, STATUS_insufficient_stock);
    assert_int_equal(w.done_count, 0);
    assert_int_equal(w.sent_count, 3);
    assert_true(w.sent[2].settles);
    assert_int_equal(w.sent[2].header.partition, w.sent[0].header.partition);
    world_settled(&w, 2, HF__SETTLE_OUTCOME__SETTLE_VOID);
    assert_int_equal(told(0, HOLDFAST_INSUFFICIENT_STOCK)->settle, HOLDFAST_SETTLE_VOID);
}

static void test_settling_finds_what_was_applied(void **state)
{
    (void)state;
    world_submit(&w, 0, 0, TIMEOUT_US);
    world_run(&w);
    world_pass(&w, 2100000);
    world_answer(&w, 1, STATUS_insufficient_stock);
    world_settled(&w, 2, HF__SETTLE_OUTCOME__SETTLE_APPLIED);
    assert_true(told(0, HOLDFAST_APPLIED)->replayed);
    assert_int_equal(w.results[0]->sequence, 77);
}

static void test_refusals_of_all_attempts_wait_for_no_settle(void **state)
{
    (void)state;
    world_submit(&w, 0, 0, TIMEOUT_US);
    world_run(&w);
    world_pass(&w, 2100000);
    world_answer(&w, 0, STATUS_insufficient_stock); /* the second may still begin */
    assert_int_equal(w.done_count, 0);
    assert_true(w.sent[2].settles);
    world_answer(&w, 1, STATUS_insufficient_stock);
    /* nothing was applied, but the settle is under way: the id may be void soon */
    assert_int_equal(told(0, HOLDFAST_INSUFFICIENT_STOCK)->settle, HOLDFAST_SETTLE_VOID);
}

static void test_an_id_of_an_earlier_process_is_settled(void **state)
{
    (void)state;
    world_submit(&w, 0, 2, TIMEOUT_US);
    world_run(&w);
    assert_int_equal(w.sent[0].header.attempt, 2);
    world_answer(&w, 0, STATUS_insufficient_stock);
    assert_int_equal(w.done_count, 0);
    world_settled(&w, 1, HF__SETTLE_OUTCOME__SETTLE_VOID);
    told(0, HOLDFAST_INSUFFICIENT_STOCK);
}

/* A settle knows the id and not the body: the caller's may be another one. */
static void test_a_settled_id_of_an_earlier_process_is_asked_with_its_body(void **state)
{
    (void)state;
    world_submit(&w, 0, 2, TIMEOUT_US);
    world_run(&w);
    world_answer(&w, 0, STATUS_insufficient_stock);
    world_settled(&w, 1, HF__SETTLE_OUTCOME__SETTLE_APPLIED);
    assert_int_equal(w.done_count, 0);
    assert_false(w.sent[2].settles);
    assert_true(w.sent[2].header.attempt > 2);
    world_answer(&w, 2, STATUS_operation_id_reused);
    told(0, HOLDFAST_OPERATION_ID_REUSED);
}

/* What is refused before the id is looked up would be settled and asked again for ever. */
static void test_a_settled_id_whose_body_is_not_looked_at(void **state)
{
    static const struct {
        enum status answer;
        int told;
    } cases[] = {{STATUS_invalid, HOLDFAST_INVALID}, {STATUS_too_large, HOLDFAST_UNKNOWN}};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        size_t first = w.sent_count;
        world_submit(&w, (unsigned)i, 2, TIMEOUT_US);
        world_run(&w);
        world_answer(&w, first, STATUS_insufficient_stock);
        world_settled(&w, first + 1, HF__SETTLE_OUTCOME__SETTLE_APPLIED);
        world_answer(&w, first + 2, cases[i].answer);
        told(i, cases[i].told);
        assert_int_equal(w.sent_count, first + 3);
    }
}

/* Late: only the settle was left to send. The body may still be asked about, and no longer begin.
 */
static void test_a_settled_id_is_asked_with_its_body_until_time_is_up(void **state)
{
    size_t settle = 0;

    (void)state;
    world_submit(&w, 0, 2, TIMEOUT_US);
    world_run(&w);
    while (!w.sent[settle].settles) {
        world_pass(&w, 100000);
        settle = w.sent_count - 1;
    }
    int64_t before_us = w.sent[0].header.not_after_us;
    world_settled(&w, settle, HF__SETTLE_OUTCOME__SETTLE_APPLIED);
    size_t asked = w.sent_count - 1;
    assert_false(w.sent[asked].settles);
    assert_true(w.sent[asked].header.not_after_us > before_us);
    world_answer(&w, asked, STATUS_applied);
    told(0, HOLDFAST_APPLIED);
}

static void test_shed_is_sent_again(void **state)
{
    Hf__Result busy;

    (void)state;
    world_submit(&w, 0, 0, TIMEOUT_US);
    world_run(&w);
    hf__result__init(&busy);
    busy.status = STATUS_busy;
    busy.retry_after_ms = 500;
    world_answer_with(&w, 0, &busy);
    world_pass(&w, 499000);
    assert_int_equal(w.sent_count, 1); /* the broker said when */
    world_pass(&w, 30000);
    assert_int_equal(w.sent_count, 2);
    assert_int_equal(w.sent[1].header.attempt, 2);
    /* the first did nothing for certain, so this refusal is certain too */
    world_answer(&w, 1, STATUS_insufficient_stock);
    told(0, HOLDFAST_INSUFFICIENT_STOCK);
}

static void test_shed_until_the_end_is_told(void **state)
{
    size_t answered = 0;

    (void)state;
    world_submit(&w, 0, 0, TIMEOUT_US);
    world_run(&w);
    while (w.done_count == 0) {
        while (answered < w.sent_count)
            world_answer(&w, answered++, STATUS_unavailable);
        world_pass(&w, 10000);
    }
    told(0, HOLDFAST_UNAVAILABLE);
    assert_true(w.now_us <= WORLD_START_US + TIMEOUT_US);
    assert_true(w.sent_count < 60); /* it backed off */
}

static void test_unknown_is_retried_and_makes_refusals_uncertain(void **state)
{
    (void)state;
    world_submit(&w, 0, 0, TIMEOUT_US);
    world_run(&w);
    world_answer(&w, 0, STATUS_unknown);
    world_pass(&w, 100000);
    assert_int_equal(w.sent_count, 2);
    world_answer(&w, 1, STATUS_insufficient_stock);
    assert_int_equal(w.done_count, 0);
    assert_true(w.sent[2].settles);
}

static void test_time_up_settles_and_then_is_unknown(void **state)
{
    (void)state;
    world_submit(&w, 0, 0, TIMEOUT_US);
    world_run(&w);
    world_pass(&w, TIMEOUT_US - 1000);
    assert_int_equal(w.done_count, 0);
    bool settled = false;
    for (size_t i = 0; i < w.sent_count; i++) {
        settled |= w.sent[i].settles;
        assert_true(w.sent[i].header.not_after_us <=
                    WORLD_START_US + TIMEOUT_US + WORLD_CLUSTER_AHEAD_US);
    }
    assert_true(settled);
    world_pass(&w, 2000);
    told(0, HOLDFAST_UNKNOWN);
}

static void test_time_up_and_void_is_shed(void **state)
{
    (void)state;
    world_submit(&w, 0, 0, TIMEOUT_US);
    world_run(&w);
    world_pass(&w, TIMEOUT_US - 1990000);
    assert_true(w.sent[w.sent_count - 1].settles);
    world_settled(&w, w.sent_count - 1, HF__SETTLE_OUTCOME__SETTLE_VOID);
    assert_int_equal(told(0, HOLDFAST_DEADLINE_EXCEEDED)->settle, HOLDFAST_SETTLE_VOID);
}

static void test_nobody_there_is_shed(void **state)
{
    (void)state;
    w.silent = true;
    world_submit(&w, 0, 0, TIMEOUT_US);
    world_pass(&w, TIMEOUT_US);
    told(0, HOLDFAST_UNAVAILABLE);
    assert_int_equal(w.sent_count, 0);
    assert_true(w.connects > 3 && w.connects < 20);
}

static void test_final_results_are_told_as_they_are(void **state)
{
    static const enum status finals[] = {STATUS_poison, STATUS_operation_id_expired,
                                         STATUS_operation_id_reused};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        world_submit(&w, i, 2, TIMEOUT_US);
        world_run(&w);
        world_answer(&w, i, finals[i]);
        told(i, (int)finals[i]);
    }
}

static void test_wrong_partition_is_followed(void **state)
{
    Hf__Result wrong;

    (void)state;
    world_submit(&w, 0, 0, TIMEOUT_US);
    world_run(&w);
    hf__result__init(&wrong);
    wrong.status = STATUS_wrong_partition;
    wrong.partition_wanted = 13;
    world_answer_with(&w, 0, &wrong);
    world_run(&w);
    assert_int_equal(w.sent_count, 2);
    assert_int_equal(w.sent[1].header.partition, 13);
    assert_int_equal(w.sent[1].header.attempt, 2);
    for (size_t i = 1; i < 20 && w.sent_count > i; i++) {
        world_answer_with(&w, i, &wrong);
        world_run(&w);
    }
    assert_true(w.sent_count < 8); /* not in circles */
}

static void test_silent_broker_is_left(void **state)
{
    (void)state;
    world_close(&w);
    world_open(&w, 2, 20);
    world_submit(&w, 0, 0, TIMEOUT_US);
    world_run(&w);
    uint32_t first = w.broker, session = w.session;
    w.silent = true;
    world_pass(&w, 3900000);
    assert_int_equal(w.broker, first);
    w.silent = false;
    world_pass(&w, 1200000);
    assert_int_not_equal(w.broker, first);
    assert_int_not_equal(w.session, session);
    const struct sent *last = &w.sent[w.sent_count - 1];
    assert_int_equal(last->header.session, w.session);
    assert_int_equal(last->header.sequence, 1);
    assert_true(last->header.attempt > 1);
    /* what the old session had in flight may still begin */
    world_answer(&w, w.sent_count - 1, STATUS_insufficient_stock);
    assert_int_equal(w.done_count, 0);
    assert_true(w.sent[w.sent_count - 1].settles);
}

/* No waiting for heartbeats; what was in flight is uncertain. */
static void test_a_broken_connection_is_left_at_once(void **state)
{
    (void)state;
    world_close(&w);
    world_open(&w, 2, 20);
    world_submit(&w, 0, 0, TIMEOUT_US);
    world_run(&w);
    uint32_t first = w.broker;
    core_disconnected(w.core, world_time(&w));
    world_pass(&w, 60000);
    assert_int_not_equal(w.broker, first);
    assert_int_equal(w.sent_count, 2);
    assert_int_equal(w.sent[1].header.attempt, 2);
    world_answer(&w, 1, STATUS_insufficient_stock);
    assert_null(w.results[0]);
    world_settled(&w, 2, HF__SETTLE_OUTCOME__SETTLE_VOID);
    told(0, HOLDFAST_INSUFFICIENT_STOCK);
    /* Where there is none, nothing breaks. */
    core_disconnected(w.core, world_time(&w));
    core_disconnected(w.core, world_time(&w));
    world_run(&w);
}

static void test_an_old_session_is_not_listened_to(void **state)
{
    (void)state;
    world_submit(&w, 0, 0, TIMEOUT_US);
    world_run(&w);
    w.sent[0].header.session--;
    world_answer(&w, 0, STATUS_applied);
    assert_int_equal(w.done_count, 0);
    w.sent[0].header.session++;
    world_answer(&w, 0, STATUS_applied);
    told(0, HOLDFAST_APPLIED);
}

static void say_error(const char *code)
{
    Hf__Error error;
    uint8_t body[128];
    char text[32];

    snprintf(text, sizeof text, "%s", code);
    hf__error__init(&error);
    error.code = text;
    world_say(&w, (struct header){.type = MESSAGE_ERROR, .session = w.session, .sequence = 1}, body,
              hf__error__pack(&error, body));
    world_run(&w);
}

static void test_no_session_says_hello_again(void **state)
{
    (void)state;
    world_submit(&w, 0, 0, TIMEOUT_US);
    world_run(&w);
    say_error("no_session");
    world_pass(&w, 300000);
    assert_int_equal(w.connects, 2);
    assert_int_equal(w.sent_count, 2);
    assert_int_equal(w.sent[1].header.attempt, 2);
    world_answer(&w, 1, STATUS_applied);
    told(0, HOLDFAST_APPLIED);
}

static void test_a_broken_broker_does_not_spin(void **state)
{
    (void)state;
    world_submit(&w, 0, 0, TIMEOUT_US);
    for (int i = 0; i < 100; i++) {
        world_run(&w);
        say_error("no_session");
        world_pass(&w, 10000);
    }
    assert_true(w.connects < 60);
}

static void test_idle_session_is_not_used(void **state)
{
    (void)state;
    world_submit(&w, 0, 0, TIMEOUT_US);
    world_run(&w);
    world_answer(&w, 0, STATUS_applied);
    w.now_us += 60000000; /* the program did not call for a minute */
    world_submit(&w, 1, 0, TIMEOUT_US);
    world_run(&w);
    assert_int_equal(w.connects, 2);
    assert_int_equal(w.sent[1].header.attempt, 1); /* nothing was sent into the old one */
    world_answer(&w, 1, STATUS_applied);
    told(1, HOLDFAST_APPLIED);
}

static void submit_to(size_t tag, enum holdfast_operation_kind kind, int partition)
{
    struct holdfast_operation operation = {.kind = kind,
                                           .undone = "0190163d-8694-739b-aea5-966c26f8ad91",
                                           .settles = "0190163d-8694-739b-aea5-966c26f8ad91",
                                           .partition = partition};
    struct encode_defaults defaults = {.actor = NULL};
    struct encoded encoded;
    struct fault fault;
    uint8_t fresh[UUID_BYTES] = {(uint8_t)(tag + 1)};

    assert_true(encode_operation(&encoded, &operation, &defaults, fresh, &w.scratch, &fault));
    assert_true(core_submit(w.core, world_time(&w), CORE_OPERATION, &encoded, TIMEOUT_US,
                            (void *)(uintptr_t)tag));
}

/* It was sent to partition 0, which knew nothing of it and said so. */
static void test_a_partition_that_is_not_there(void **state)
{
    struct holdfast_query audit = {
        .kind = HOLDFAST_QUERY_AUDIT, .token = 1, .one_partition = true, .partition = 65};
    struct fault fault;
    struct encoded part;

    (void)state;
    submit_to(0, HOLDFAST_UNDO, 64);
    submit_to(1, HOLDFAST_SETTLE, 64);
    struct fanout *fanout = fanout_new_query(&audit, CLASS_SERVICE, &fault);
    assert_non_null(fanout);
    assert_true(fanout_plan(fanout, 64));
    assert_true(fanout_next(fanout, &part));
    assert_true(
        core_submit(w.core, world_time(&w), CORE_QUERY, &part, TIMEOUT_US, (void *)(uintptr_t)2));
    submit_to(3, HOLDFAST_UNDO, 63);
    world_run(&w);
    told(0, HOLDFAST_INVALID);
    assert_string_equal(w.results[0]->field, "undo.partition");
    assert_non_null(strstr(w.results[0]->message, "64 partitions"));
    told(1, HOLDFAST_INVALID);
    assert_string_equal(w.results[1]->field, "settle.partition");
    assert_non_null(w.answers[2]);
    assert_int_equal(w.answers[2]->status, HOLDFAST_INVALID);
    assert_string_equal(w.answers[2]->field, "query.partition");
    assert_int_equal(w.sent_count, 1); /* the one that is there */
    assert_int_equal(w.sent[0].header.partition, 63);
    fanout_destroy(&fanout);
}

static void test_credit_is_kept_to(void **state)
{
    (void)state;
    w.credit = 5;
    for (size_t i = 0; i < 12; i++)
        world_submit(&w, i, 0, TIMEOUT_US);
    world_run(&w);
    assert_int_equal(w.sent_count, 5);
    for (size_t i = 0; i < 5; i++)
        world_answer(&w, i, STATUS_applied);
    assert_int_equal(w.sent_count, 5); /* answers are no credit */
    struct header credit = {.type = MESSAGE_CREDIT, .session = w.session, .sequence = 9};
    world_say(&w, credit, NULL, 0);
    credit.sequence = 7; /* late, and lower */
    world_say(&w, credit, NULL, 0);
    world_run(&w);
    assert_int_equal(w.sent_count, 9);
}

static void test_ready_calls_share_a_message(void **state)
{
    (void)state;
    for (size_t i = 0; i < 100; i++)
        world_submit(&w, i, 0, TIMEOUT_US);
    world_run(&w);
    assert_int_equal(w.sent_count, 100);
    assert_int_equal(w.batches, 2); /* WELCOME said 64 in one */
}

static void test_retry_budget(void **state)
{
    (void)state;
    for (size_t i = 0; i < 100; i++)
        world_submit(&w, i, 0, TIMEOUT_US);
    world_run(&w);
    for (size_t i = 0; i < 100; i++)
        world_answer(&w, i, STATUS_busy);
    world_pass(&w, 100000);
    /* 10 at once, 20 in 100, and a tenth of a second's worth */
    assert_true(w.sent_count - 100 >= 25 && w.sent_count - 100 <= 35);
}

static void test_garbage_ends_the_session(void **state)
{
    uint8_t noise[32];

    (void)state;
    world_submit(&w, 0, 0, TIMEOUT_US);
    world_run(&w);
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)(i * 37 + 1);
    core_receive(w.core, world_time(&w), noise, sizeof noise, noise, sizeof noise);
    world_pass(&w, 300000);
    assert_int_equal(w.connects, 2);
    world_say(&w, (struct header){.type = MESSAGE_RESULT, .session = w.session, .sequence = 1},
              noise, sizeof noise); /* a body that cannot be read is no outcome */
    world_run(&w);
    assert_int_equal(w.done_count, 0);
}

static void test_close_tells_everybody(void **state)
{
    (void)state;
    world_submit(&w, 0, 0, TIMEOUT_US);
    world_run(&w);
    w.credit = 1024;
    core_abandon(w.core, world_time(&w));
    world_run(&w);
    told(0, HOLDFAST_UNKNOWN);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_first_attempt_is_answered),
        CASE(test_first_refusal_is_certain),
        CASE(test_query_is_asked_again),
        CASE(test_a_querys_wrong_partition_is_followed),
        CASE(test_lost_result_is_asked_again),
        CASE(test_answer_to_an_older_attempt_counts),
        CASE(test_refusal_after_a_lost_attempt_is_settled_first),
        CASE(test_settling_finds_what_was_applied),
        CASE(test_refusals_of_all_attempts_wait_for_no_settle),
        CASE(test_an_id_of_an_earlier_process_is_settled),
        CASE(test_a_settled_id_of_an_earlier_process_is_asked_with_its_body),
        CASE(test_a_settled_id_whose_body_is_not_looked_at),
        CASE(test_a_settled_id_is_asked_with_its_body_until_time_is_up),
        CASE(test_shed_is_sent_again),
        CASE(test_shed_until_the_end_is_told),
        CASE(test_unknown_is_retried_and_makes_refusals_uncertain),
        CASE(test_time_up_settles_and_then_is_unknown),
        CASE(test_time_up_and_void_is_shed),
        CASE(test_nobody_there_is_shed),
        CASE(test_final_results_are_told_as_they_are),
        CASE(test_wrong_partition_is_followed),
        CASE(test_silent_broker_is_left),
        CASE(test_a_broken_connection_is_left_at_once),
        CASE(test_an_old_session_is_not_listened_to),
        CASE(test_no_session_says_hello_again),
        CASE(test_a_broken_broker_does_not_spin),
        CASE(test_idle_session_is_not_used),
        CASE(test_a_partition_that_is_not_there),
        CASE(test_credit_is_kept_to),
        CASE(test_ready_calls_share_a_message),
        CASE(test_retry_budget),
        CASE(test_garbage_ends_the_session),
        CASE(test_close_tells_everybody),
    };

    return cmocka_run_group_tests_name("client core", tests, NULL, NULL);
}
