/* SPDX-License-Identifier: MIT
 *
 * What the engine of runs makes of answers: counted, told and recorded. The client is played here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "cli/run_engine.h"
#include "client/decode.h"

#define WAITING_MAX 8

struct waiting {
    holdfast_result_fn *done;
    void *data;
    struct holdfast_result *result;
};

static struct played {
    struct waiting waiting[WAITING_MAX];
    size_t count;
    unsigned sent, settled; /* of the line */
    int recorded;           /* its status; -1: none */
    bool other_applies;     /* another process does the line, while ours is not begun */
    bool refused_first;     /* the first attempt; and the next one … */
    int then;               /* … is answered so */
    uint16_t attempts[8];   /* of what was sent */
} played;

/* ------------------------------------------------------------- the client */

/* The line's id was used, whatever its generation is; and it was settled as void. Or it was not
 * begun in time, and had to be settled; only then another's attempt came. */
bool holdfast_submit(struct holdfast *client, const struct holdfast_operation *operation,
                     holdfast_result_fn *done, void *data, char *error, size_t error_bytes)
{
    static const uint8_t id[16] = {1};
    bool is_line = operation->kind == HOLDFAST_COUNT;
    int used = played.other_applies && played.sent == 0 ? HOLDFAST_DEADLINE_EXCEEDED
                                                        : HOLDFAST_OPERATION_ID_REUSED;
    if (played.refused_first)
        used = played.sent == 0 ? HOLDFAST_VERSION_CONFLICT : played.then;
    struct holdfast_result *result = make_result(is_line ? used : HOLDFAST_APPLIED, id, "", "");

    (void)client;
    (void)error;
    (void)error_bytes;
    assert_true(played.count < WAITING_MAX);
    if (is_line && played.sent < sizeof played.attempts / sizeof played.attempts[0])
        played.attempts[played.sent] = operation->attempt;
    played.sent += is_line;
    if (operation->kind == HOLDFAST_SETTLE) {
        played.settled++;
        result->settle = played.other_applies ? HOLDFAST_SETTLE_APPLIED : HOLDFAST_SETTLE_VOID;
    }
    if (is_line && used == HOLDFAST_DEADLINE_EXCEEDED)
        result->settle = HOLDFAST_SETTLE_VOID; /* or may be at any moment */
    if (operation->kind == HOLDFAST_RECORD_RUN) {
        assert_int_equal(operation->run_result_count, 1);
        played.recorded = operation->run_results[0].status;
    }
    played.waiting[played.count++] = (struct waiting){done, data, result};
    return true;
}

void holdfast_process(struct holdfast *client)
{
    size_t count = played.count;
    struct waiting now[WAITING_MAX];

    (void)client;
    memcpy(now, played.waiting, sizeof now);
    played.count = 0;
    for (size_t i = 0; i < count; i++)
        now[i].done(now[i].data, now[i].result);
}

struct holdfast_result *holdfast_call(struct holdfast *client,
                                      const struct holdfast_operation *operation)
{
    (void)client;
    (void)operation;
    return make_result(HOLDFAST_UNAVAILABLE, NULL, "", "");
}

int holdfast_fd(struct holdfast *client)
{
    (void)client;
    return -1;
}

int holdfast_deadline_ms(struct holdfast *client)
{
    (void)client;
    return 0;
}

void holdfast_close(struct holdfast **client)
{
    *client = NULL;
}

/* ------------------------------------------------------------- the rest of the command */

void session_stamp(const struct session *session, struct holdfast_operation *operation)
{
    (void)session;
    (void)operation;
}

void catch_interrupts(void)
{
}

bool was_interrupted(void)
{
    return false;
}

uint64_t option_number(const struct invocation *invocation, const char *name, uint64_t otherwise)
{
    (void)invocation;
    (void)name;
    return otherwise;
}

void engine_progress(struct engine *engine, bool now)
{
    (void)engine;
    (void)now;
}

void engine_clear_bar(void)
{
}

void complain(const char *words, const char *format, ...)
{
    (void)words;
    (void)format;
}

/* ------------------------------------------------------------- a run of one line */

struct one_line {
    struct job job;
    bool given;
    int told; /* status; -1: nothing */
    struct holdfast_operation operation;
};

static enum engine_more next_line(void *data, struct engine *engine, struct job **job)
{
    struct one_line *line = data;

    (void)engine;
    if (line->given)
        return ENGINE_END;
    line->given = true;
    line->job = (struct job){.line = 1, .key = "A"};
    *job = &line->job;
    return ENGINE_JOB;
}

static const struct holdfast_operation *build(void *data, const struct job *job)
{
    struct one_line *line = data;

    (void)job;
    line->operation = (struct holdfast_operation){.kind = HOLDFAST_COUNT, .sku = "A"};
    return &line->operation;
}

static void tell(void *data, struct engine *engine, const struct job *job, int status,
                 const struct holdfast_result *result, const char *text)
{
    struct one_line *line = data;

    (void)engine;
    (void)job;
    (void)result;
    (void)text;
    line->told = status;
}

static void free_job(void *data, struct job *job)
{
    (void)data;
    (void)job;
}

/* It was never applied, under none of its ids, and so it is not said to be. */
static void test_a_line_of_which_every_id_is_void_is_not_applied(void **state)
{
    struct one_line line = {.told = -1};
    const struct engine_source source = {next_line, build, tell, free_job, NULL, &line, false};
    struct session session = {0};
    struct engine engine = {.session = &session, .source = &source, .words = "apply"};

    (void)state;
    played = (struct played){.recorded = -1};
    engine_run(&engine);
    assert_int_equal(played.sent, ENGINE_GENERATIONS_MAX + 1);
    assert_int_equal(played.settled, ENGINE_GENERATIONS_MAX + 1);
    assert_int_equal(engine.applied, 0);
    assert_int_equal(engine.refused, 1);
    assert_int_equal(line.told, HOLDFAST_OPERATION_ID_REUSED);
    assert_int_equal(played.recorded, HOLDFAST_OPERATION_ID_REUSED);
    assert_int_not_equal(engine_code(&engine), 0);
}

/* That the library gave an id up does not say that nobody else does anything under it. */
static void test_an_id_that_was_given_up_is_settled_before_the_next(void **state)
{
    struct one_line line = {.told = -1};
    const struct engine_source source = {next_line, build, tell, free_job, NULL, &line, false};
    struct session session = {0};
    struct engine engine = {.session = &session, .source = &source, .words = "apply"};

    (void)state;
    played = (struct played){.recorded = -1, .other_applies = true};
    engine_run(&engine);
    assert_int_equal(played.sent, 1);
    assert_int_equal(played.settled, 1);
    assert_int_equal(engine.applied, 1);
    assert_int_equal(line.told, HOLDFAST_APPLIED);
    assert_int_equal(played.recorded, HOLDFAST_APPLIED);
    assert_int_equal(engine_code(&engine), 0);
}

/* Of a run that this process has begun, so that its lines are first attempts. */
static void refuse_first(int then, struct one_line *line, struct engine *engine)
{
    const struct engine_source source = {next_line, build, tell, free_job, NULL, line, false};
    struct session session = {0};

    *engine = (struct engine){
        .session = &session, .source = &source, .words = "apply", .first_time = true};
    played = (struct played){.recorded = -1, .refused_first = true, .then = then};
    engine_run(engine);
    assert_int_equal(played.sent, 2);
    assert_int_equal(played.attempts[0], 1);
    assert_int_equal(played.attempts[1], 2);
    assert_int_equal(played.settled, 0);
    assert_int_equal(line->told, then);
    assert_int_equal(played.recorded, then);
}

/* Another machine that applies the run has done the line: a first attempt, which nobody looks up,
 * is refused on top of that. */
static void test_a_line_that_another_has_done_is_not_refused(void **state)
{
    struct one_line line = {.told = -1};
    struct engine engine;

    (void)state;
    refuse_first(HOLDFAST_APPLIED, &line, &engine);
    assert_int_equal(engine.applied, 1);
    assert_int_equal(engine.refused, 0);
    assert_int_equal(engine_code(&engine), 0);
}

static void test_a_line_that_nobody_has_done_is_refused(void **state)
{
    struct one_line line = {.told = -1};
    struct engine engine;

    (void)state;
    refuse_first(HOLDFAST_VERSION_CONFLICT, &line, &engine);
    assert_int_equal(engine.applied, 0);
    assert_int_equal(engine.refused, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_of_which_every_id_is_void_is_not_applied),
        cmocka_unit_test(test_an_id_that_was_given_up_is_settled_before_the_next),
        cmocka_unit_test(test_a_line_that_another_has_done_is_not_refused),
        cmocka_unit_test(test_a_line_that_nobody_has_done_is_refused),
    };
    return cmocka_run_group_tests_name("runs: the engine", tests, NULL, NULL);
}
