/* SPDX-License-Identifier: MIT
 *
 * holdfast apply: a bulk file, or a plan of one that was saved, becomes operations.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json.h"
#include "cli/plan.h"
#include "cli/run_engine.h"
#include "cli/run_input.h"

#define APPLY_TIMEOUT_MS 20000
#define GENERATION_SHIFT 32

struct apply {
    const struct invocation *invocation;
    struct run_input input;
    struct bulk_reader *reader;
    struct bulk_line line;
    struct bulk_operation operation;
    struct run_known known;
    uint32_t partitions;
    bool retry_refused;
    bool json;
};

/* ------------------------------------------------------------- lines */

/* Is there nothing to do for this line? */
static bool is_over(struct apply *apply, struct engine *engine, int status)
{
    if (status == HOLDFAST_APPLIED) {
        engine->skipped++;
        return true;
    }
    if (status < 0 || holdfast_status_kind(status) != HOLDFAST_KIND_REFUSED || apply->retry_refused)
        return false;
    engine->skipped_refused++;
    return true;
}

static enum engine_more next_line(void *data, struct engine *engine, struct job **job)
{
    struct apply *apply = data;

    for (;;) {
        switch (bulk_next(apply->reader, &apply->line)) {
        case BULK_END:
            return ENGINE_END;
        case BULK_FAULTY:
            engine->code = EX_DATAERR;
            return ENGINE_FAULT;
        case BULK_LINE:
            break;
        }
        const struct holdfast_run_line *known =
            run_known_line(&apply->known, (uint32_t)apply->line.index, &engine->code);
        if (!known)
            return ENGINE_FAULT;
        if (is_over(apply, engine, known->status))
            continue;
        *job = run_line_job(&apply->line, apply->partitions);
        return ENGINE_JOB;
    }
}

static const struct holdfast_operation *build(void *data, const struct job *job)
{
    struct apply *apply = data;
    const struct bulk_line *line = job->data;

    bulk_operation(apply->input.head.run, line, &apply->operation);
    if (job->generation > 0)
        holdfast_derive_operation_id(apply->input.head.run, strlen(apply->input.head.run),
                                     line->index + ((uint64_t)job->generation << GENERATION_SHIFT),
                                     apply->operation.id);
    return &apply->operation.operation;
}

static void tell_json(const struct bulk_line *line, int status,
                      const struct holdfast_result *result, const char *text)
{
    struct json_object *object = json_object_new_object();
    struct json_object *levels = json_object_new_array();

    json_number(object, "line", line->index);
    json_text(object, "op", bulk_op_name(line->kind));
    json_text(object, "result", holdfast_status_name(status));
    if (result)
        json_text(object, "operation_id", result->operation_id);
    if (status != HOLDFAST_APPLIED)
        json_text(object, "message", text);
    for (size_t i = 0; result && i < result->level_count; i++)
        json_object_array_add(levels, level_json(&result->levels[i]));
    json_object_object_add(object, "levels", levels);
    json_line(object);
}

static const char *subject(const struct job *job)
{
    const struct bulk_line *line = job->data;

    return bulk_subject(line);
}

static void tell(void *data, struct engine *engine, const struct job *job, int status,
                 const struct holdfast_result *result, const char *text)
{
    struct apply *apply = data;
    const struct bulk_line *line = job->data;

    if (apply->json)
        tell_json(line, status, result, text);
    if (status == HOLDFAST_APPLIED)
        return;
    const char *about = subject(job);
    bool named = *about == '\0' || strstr(text, about) != NULL;
    engine_clear_bar();
    fprintf(stderr, "%s:%" PRIu64 ":%" PRIu64 ": %s: %s%s%s\n", apply->input.path, line->place.line,
            line->place.column, holdfast_status_name(status), named ? "" : about, named ? "" : ": ",
            text);
    engine_draw_soon(engine);
}

static void free_job(void *data, struct job *job)
{
    (void)data;
    free(job->data);
    free(job);
}

/* ------------------------------------------------------------- the run */

static void say_how_to_go_on(const struct apply *apply, const struct engine *engine)
{
    const struct invocation *invocation = apply->invocation;
    uint64_t done = engine->applied + engine->skipped + engine->skipped_refused + engine->refused;

    if (engine->stopped != 0)
        complain("apply", "%s: stopped: nothing was answered for a while%s%s",
                 holdfast_status_name(engine->stopped), *engine->last_message ? ": " : "",
                 engine->last_message);
    if (engine->unrecorded > 0)
        complain("apply", "what became of %" PRIu64 " lines is not recorded; --resume finds it out",
                 engine->unrecorded);
    if (done < engine->lines || engine->failed > 0 || engine->unrecorded > 0)
        fprintf(stderr, "go on with: holdfast apply %s%s%s%s --resume\n", apply->input.path,
                option_given(invocation, "csv") ? " --csv" : "",
                option_given(invocation, "run") ? " --run " : "",
                option_given(invocation, "run") ? option_text(invocation, "run") : "");
}

static int run(struct apply *apply, struct engine *engine)
{
    const struct bulk_head *head = &apply->input.head;
    const struct engine_begin begin = {.run = head->run,
                                       .digest = head->digest,
                                       .lines = (uint32_t)head->lines,
                                       .blank = (uint32_t)head->open,
                                       .resume = option_given(apply->invocation, "resume")};
    int code = engine_begin(engine, &begin);

    if (code != 0)
        return code;
    apply->known = (struct run_known){
        .session = engine->session, .run = head->run, .none = engine->first_time};
    apply->partitions = holdfast_partitions(engine->session->client);
    apply->reader = bulk_open(apply->input.file, &apply->input.options, head);
    if (!apply->reader) {
        complain("apply", "out of memory");
        return EX_OSERR;
    }
    engine_run(engine);
    bulk_close(&apply->reader);
    fflush(stderr);
    engine_summary(engine, apply->json);
    say_how_to_go_on(apply, engine);
    return engine_code(engine);
}

/* A saved plan holds only while the stock that it touches is what it was. A run that was begun has
 * been through this. */
static int check_plan(struct apply *apply, struct session *session)
{
    struct holdfast_query query = {.kind = HOLDFAST_QUERY_RUN, .sku_count = 1};
    const char *name = apply->input.head.run;
    int code = 0;

    if (!apply->input.plan)
        return 0;
    query.skus = &name;
    struct holdfast_answer *answer = session_ask(session, &query, &code);
    bool begun = answer && answer->run_count > 0;
    holdfast_answer_free(&answer);
    if (code != 0 || begun)
        return code;
    return plan_compare(session, &apply->input);
}

int cmd_apply(const struct invocation *invocation)
{
    struct apply *apply = calloc(1, sizeof *apply);
    struct session session = {0};
    const struct engine_source source = {next_line, build, tell, free_job, subject, apply, false};
    struct engine engine = {.session = &session,
                            .source = &source,
                            .words = "apply",
                            .fail_fast = option_given(invocation, "fail-fast")};

    if (!apply) {
        complain("apply", "out of memory");
        return EX_OSERR;
    }
    apply->invocation = invocation;
    apply->retry_refused = option_given(invocation, "retry-refused");
    apply->json = invocation->json;
    int code = session_open(&session, invocation, HOLDFAST_CLASS_BULK, APPLY_TIMEOUT_MS);
    if (code == 0)
        code = run_input_open(&apply->input, &session, invocation->arguments[0], true);
    if (code == 0 && apply->input.head.lines == apply->input.head.open) {
        complain("apply", "%s: no line of it is filled in", apply->input.path);
        code = EX_DATAERR;
    }
    if (code == 0)
        code = check_plan(apply, &session);
    if (code == 0)
        code = run(apply, &engine);
    run_input_close(&apply->input);
    session_close(&session);
    free(apply);
    return code;
}
