/* SPDX-License-Identifier: MIT
 *
 * What holdfast undo asks for, before and with each operation. The engine and the cluster are
 * played here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/run_engine.h"
#include "client/decode.h"
#include "protocol/holdfast.pb-c.h"

static struct played {
    struct holdfast_run run;
    struct holdfast_movement movement, older;
    bool has_older; /* the ledger still holds the movement before */
    struct holdfast_operation operation;
    char complaint[400];
} played;

/* ------------------------------------------------------------- the cluster */

int session_open(struct session *session, const struct invocation *invocation,
                 enum holdfast_class op_class, uint64_t timeout_ms)
{
    (void)op_class;
    (void)timeout_ms;
    session->invocation = invocation;
    return 0;
}

void session_close(struct session *session)
{
    (void)session;
}

struct holdfast_answer *session_ask(struct session *session, const struct holdfast_query *query,
                                    int *code)
{
    struct holdfast_answer *answer = make_answer(HOLDFAST_APPLIED, "", "");

    (void)session;
    *code = 0;
    if (query->kind == HOLDFAST_QUERY_RUN && strcmp(query->skus[0], played.run.run) == 0) {
        answer->runs = &played.run;
        answer->run_count = 1;
    } else if (query->kind == HOLDFAST_QUERY_MOVEMENT) {
        answer->movements = &played.movement;
        answer->movement_count = 1;
    } else if (query->kind == HOLDFAST_QUERY_HISTORY && played.has_older) {
        answer->movements = &played.older;
        answer->movement_count = 1;
    }
    return answer;
}

struct holdfast_answer *session_ask_page(struct session *session, struct holdfast_query *query,
                                         int *code)
{
    return session_ask(session, query, code);
}

void holdfast_derive_operation_id(const void *name, size_t name_bytes, uint64_t index, char id[37])
{
    (void)name;
    (void)name_bytes;
    (void)index;
    memset(id, '0', 36);
    id[36] = '\0';
}

/* ------------------------------------------------------------- the engine */

int engine_begin(struct engine *engine, const struct engine_begin *begin)
{
    (void)engine;
    (void)begin;
    return 0;
}

void engine_run(struct engine *engine)
{
    struct job *job;

    while (engine->source->next(engine->source->data, engine, &job) == ENGINE_JOB) {
        played.operation = *engine->source->build(engine->source->data, job);
        engine->source->free_job(engine->source->data, job);
    }
}

int engine_code(const struct engine *engine)
{
    return engine->code;
}

void engine_summary(const struct engine *engine, bool json)
{
    (void)engine;
    (void)json;
}

void engine_clear_bar(void)
{
}

void engine_draw_soon(struct engine *engine)
{
    (void)engine;
}

const struct holdfast_run_line *run_known_line(struct run_known *known, uint32_t line, int *code)
{
    static struct holdfast_run_line found;
    bool is_undo = strncmp(known->run, "undo-", 5) == 0;

    (void)code;
    found = (struct holdfast_run_line){.line = line,
                                       .status = is_undo ? -1 : HOLDFAST_APPLIED,
                                       .sequence = played.movement.sequence};
    return &found;
}

/* ------------------------------------------------------------- the rest of the command */

void complain(const char *words, const char *format, ...)
{
    va_list args;

    (void)words;
    va_start(args, format);
    vsnprintf(played.complaint, sizeof played.complaint, format, args);
    va_end(args);
}

int usage_error(const struct invocation *invocation, const char *format, ...)
{
    (void)invocation;
    (void)format;
    return 64;
}

/* A run of one line, that set the safety stock of a level from 5 to 8. */
static void play(void)
{
    played = (struct played){
        .run = {.run = "R",
                .actor = "",
                .undoes = "",
                .lines = 1,
                .applied = 1,
                .state = HOLDFAST_RUN_DONE},
        .movement = {.sequence = 9,
                     .kind = HF__MOVEMENT_KIND__MOVEMENT_SAFETY_STOCK_SET,
                     .sku = "A",
                     .warehouse = "W",
                     .after = {.sku = "A", .warehouse = "W", .safety_stock = 8},
                     .before = 4},
        .older = {.sequence = 4, .sku = "A", .warehouse = "W", .after = {.safety_stock = 5}},
        .has_older = true,
    };
}

static int undo(void)
{
    const char *arguments[] = {"R"};
    const struct invocation invocation = {.arguments = arguments, .argument_count = 1};

    return cmd_undo(&invocation);
}

static void test_a_setting_goes_back_to_what_the_ledger_says(void **state)
{
    (void)state;
    play();
    assert_int_equal(undo(), 0);
    assert_int_equal(played.operation.kind, HOLDFAST_UNDO);
    assert_true(played.operation.has_previous);
    assert_int_equal(played.operation.previous, 5);
}

static void test_the_first_movement_of_a_level_had_nothing_before(void **state)
{
    (void)state;
    play();
    played.has_older = false;
    played.movement.before = 0;
    assert_int_equal(undo(), 0);
    assert_true(played.operation.has_previous);
    assert_int_equal(played.operation.previous, 0);
}

/* It is older than the retention: what the setting was is not known, and not 0. */
static void test_what_was_pruned_is_not_taken_for_nothing(void **state)
{
    (void)state;
    play();
    played.has_older = false;
    assert_int_equal(undo(), 0);
    assert_int_equal(played.operation.kind, HOLDFAST_UNDO);
    assert_false(played.operation.has_previous);
}

/* Of a run that was cut off, lines may be applied that its record does not know of. */
static void test_a_run_that_is_not_finished_is_told(void **state)
{
    (void)state;
    play();
    assert_int_equal(undo(), 0);
    assert_string_equal(played.complaint, "");
    play();
    played.run.lines = 5;
    played.run.blank = 1;
    played.run.refused = 1;
    played.run.state = HOLDFAST_RUN_OPEN;
    assert_int_equal(undo(), 0);
    assert_non_null(strstr(played.complaint, "R is not finished"));
    assert_non_null(strstr(played.complaint, " 2 "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_setting_goes_back_to_what_the_ledger_says),
        cmocka_unit_test(test_the_first_movement_of_a_level_had_nothing_before),
        cmocka_unit_test(test_what_was_pruned_is_not_taken_for_nothing),
        cmocka_unit_test(test_a_run_that_is_not_finished_is_told),
    };
    return cmocka_run_group_tests_name("undo", tests, NULL, NULL);
}
