/* SPDX-License-Identifier: MIT
 *
 * holdfast plan: what a bulk file would do, before -> after, and nothing is changed.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/json.h"
#include "cli/memory.h"
#include "cli/plan.h"
#include "cli/run_engine.h"

#define PLAN_TIMEOUT_MS 20000

struct plan {
    const struct invocation *invocation;
    FILE *out;  /* --out, or NULL */
    char *part; /* what it is called until it is whole; NULL: it is no file, as /dev/stdout */
    uint64_t lines, applied, refused, done;
    int64_t on_hand;
    uint64_t refused_by[64]; /* by wire code */
};

/* ------------------------------------------------------------- for people */

static const struct {
    const char *name; /* "": on hand goes without a name */
    size_t offset;
} figures[] = {
    {"", offsetof(struct holdfast_level, on_hand)},
    {"reserved", offsetof(struct holdfast_level, reserved)},
    {"committed", offsetof(struct holdfast_level, committed)},
    {"unavailable", offsetof(struct holdfast_level, unavailable)},
    {"safety stock", offsetof(struct holdfast_level, safety_stock)},
    {"reorder point", offsetof(struct holdfast_level, reorder_point)},
    {"shortfall", offsetof(struct holdfast_level, shortfall)},
};

static int64_t figure(const struct holdfast_level *level, size_t i)
{
    uint32_t value;

    memcpy(&value, (const char *)level + figures[i].offset, sizeof value);
    return value;
}

static void print_change(const struct plan_outcome *outcome, const struct plan_change *change)
{
    bool any = false;

    printf("%s %s", change->warehouse, change->sku);
    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
        int64_t before = figure(&change->before, i), after = figure(&change->after, i);
        if (before == after && (i > 0 || outcome->line->kind != HOLDFAST_COUNT))
            continue;
        printf("  %s%s%" PRId64 " -> %" PRId64 " (%+" PRId64 ")", figures[i].name,
               *figures[i].name ? " " : "", before, after, after - before);
        any = true;
    }
    if (!any)
        printf("  as it is");
    if (outcome->line->reason[0] != '\0')
        printf("  %s", outcome->line->reason);
    printf("  L%" PRIu64 "\n", outcome->line->place.line);
}

static void print_outcome(const struct plan_outcome *outcome)
{
    const struct bulk_line *line = outcome->line;

    if (outcome->done) {
        printf("%s %s  done already  L%" PRIu64 "\n", bulk_op_name(line->kind), bulk_subject(line),
               line->place.line);
    } else if (outcome->status != HOLDFAST_APPLIED) {
        printf("%s%s%s  refused  %s: %s  L%" PRIu64 "\n", line->warehouse,
               *line->warehouse ? " " : "", bulk_subject(line),
               holdfast_status_name(outcome->status), outcome->text, line->place.line);
    } else if (outcome->change_count == 0) {
        printf("%s %s  L%" PRIu64 "\n", bulk_op_name(line->kind), bulk_subject(line),
               line->place.line);
    }
    for (size_t i = 0; i < outcome->change_count; i++)
        print_change(outcome, &outcome->changes[i]);
}

/* ------------------------------------------------------------- as JSON */

static void json_outcome(const struct plan_outcome *outcome)
{
    const struct bulk_line *line = outcome->line;
    struct json_object *object = json_object_new_object();
    struct json_object *levels = json_object_new_array();

    json_number(object, "line", line->index);
    json_number(object, "file_line", line->place.line);
    json_text(object, "op", bulk_op_name(line->kind));
    json_text(object, "result", outcome->done ? "done" : holdfast_status_name(outcome->status));
    if (!outcome->done && outcome->status != HOLDFAST_APPLIED)
        json_text(object, "message", outcome->text);
    for (size_t i = 0; i < outcome->change_count; i++) {
        const struct plan_change *change = &outcome->changes[i];
        struct holdfast_level before = change->before, after = change->after;
        struct json_object *level = json_object_new_object();
        before.sku = after.sku = change->sku;
        before.warehouse = after.warehouse = change->warehouse;
        json_text(level, "sku", change->sku);
        json_text(level, "warehouse", change->warehouse);
        json_object_object_add(level, "before", level_json(&before));
        json_object_object_add(level, "after", level_json(&after));
        json_object_array_add(levels, level);
    }
    json_object_object_add(object, "levels", levels);
    json_line(object);
}

/* ------------------------------------------------------------- the walk */

static bool visit(void *data, const struct plan_outcome *outcome)
{
    struct plan *plan = data;

    plan->lines++;
    if (outcome->done) {
        plan->done++;
    } else if (outcome->status == HOLDFAST_APPLIED) {
        plan->applied++;
    } else {
        plan->refused++;
        plan->refused_by[outcome->status & 63]++;
    }
    for (size_t i = 0; i < outcome->change_count; i++)
        plan->on_hand += (int64_t)outcome->changes[i].after.on_hand -
                         (int64_t)outcome->changes[i].before.on_hand;
    if (plan->out)
        plan_save_line(plan->out, outcome);
    if (plan->invocation->json)
        json_outcome(outcome);
    else
        print_outcome(outcome);
    return true;
}

static void print_totals(const struct plan *plan, const char *run)
{
    if (plan->invocation->json) {
        struct json_object *object = json_object_new_object(), *refused = json_object_new_object();
        json_text(object, "run", run);
        json_number(object, "lines", plan->lines);
        json_number(object, "applied", plan->applied);
        json_number(object, "done", plan->done);
        for (int i = 0; i < 64; i++)
            if (plan->refused_by[i] > 0)
                json_number(refused, holdfast_status_name(i), plan->refused_by[i]);
        json_object_object_add(object, "refused", refused);
        json_object_object_add(object, "on_hand_change", json_object_new_int64(plan->on_hand));
        json_line(object);
        return;
    }
    printf("run %s: %" PRIu64 " line%s: %" PRIu64 " would be applied, %" PRIu64 " refused", run,
           plan->lines, plan->lines == 1 ? "" : "s", plan->applied, plan->refused);
    for (int i = 0, n = 0; i < 64; i++)
        if (plan->refused_by[i] > 0)
            printf("%s%" PRIu64 " %s", n++ == 0 ? " (" : ", ", plan->refused_by[i],
                   holdfast_status_name(i));
    printf("%s", plan->refused > 0 ? ")" : "");
    if (plan->done > 0)
        printf(", %" PRIu64 " done already", plan->done);
    printf("; on hand %+" PRId64 "\n", plan->on_hand);
}

/* The run may have been begun: then only what is left of it is planned. */
static int find_run(struct session *session, const struct run_input *input, bool *begun)
{
    const char *name = input->head.run;
    struct holdfast_query query = {.kind = HOLDFAST_QUERY_RUN, .skus = &name, .sku_count = 1};
    int code = 0;
    struct holdfast_answer *answer = session_ask(session, &query, &code);

    *begun = code == 0 && answer->run_count > 0;
    if (*begun && memcmp(answer->runs[0].digest, input->head.digest, BULK_DIGEST_BYTES) != 0) {
        complain("plan",
                 "operation_id_reused: run %s was begun with other lines: give the changed file a "
                 "run of its own",
                 name);
        code = holdfast_status_exit(HOLDFAST_OPERATION_ID_REUSED);
    }
    holdfast_answer_free(&answer);
    return code;
}

/* What was there stays until the plan is whole. */
static int open_out(struct plan *plan, const struct run_input *input)
{
    const char *path = option_text(plan->invocation, "out");
    struct stat there, file;
    bool exists;

    if (!path)
        return 0;
    exists = stat(path, &there) == 0;
    if (exists && fstat(fileno(input->file), &file) == 0 && there.st_dev == file.st_dev &&
        there.st_ino == file.st_ino) {
        complain("plan", "--out \"%s\" is the file that is planned: give the plan another name",
                 path);
        return EX_USAGE;
    }
    if (!exists || S_ISREG(there.st_mode))
        plan->part = memory_printf("%s.part", path);
    plan->out = fopen(plan->part ? plan->part : path, "we");
    if (plan->out && plan_save_begin(plan->out, input))
        return 0;
    complain("plan", "could not write \"%s\": %s", path, strerror(errno));
    return EX_OSERR;
}

static int close_out(struct plan *plan, int code)
{
    const char *path = option_text(plan->invocation, "out");

    if (!plan->out)
        return code;
    bool good = fflush(plan->out) == 0 && !ferror(plan->out);
    if (good && plan->part && code == 0)
        good = fsync(fileno(plan->out)) == 0;
    good = fclose(plan->out) == 0 && good;
    if (good && code == 0 && plan->part)
        good = rename(plan->part, path) == 0;
    if (good && code == 0)
        return 0;
    if (code == 0)
        complain("plan", "could not write \"%s\": %s", path, strerror(errno));
    /* Half a plan is none. */
    if (plan->part)
        remove(plan->part);
    return code ? code : EX_OSERR;
}

static int walk(struct plan *plan, struct session *session, struct run_input *input)
{
    struct run_known *known = calloc(1, sizeof *known);
    bool begun = false;
    int code = known ? find_run(session, input, &begun) : EX_OSERR;

    if (code == 0) {
        known->session = session;
        known->run = input->head.run;
        known->none = !begun;
        code = open_out(plan, input);
    }
    if (code == 0)
        code = plan_walk(session, input, known, visit, plan);
    code = close_out(plan, code);
    free(plan->part);
    free(known);
    return code;
}

int cmd_plan(const struct invocation *invocation)
{
    struct plan plan = {.invocation = invocation};
    struct session session = {0};
    struct run_input input = {0};

    int code = session_open(&session, invocation, HOLDFAST_CLASS_BULK, PLAN_TIMEOUT_MS);
    if (code == 0)
        code = run_input_open(&input, &session, invocation->arguments[0], false);
    if (code == 0) {
        catch_interrupts();
        code = walk(&plan, &session, &input);
    }
    if (code == 0)
        print_totals(&plan, input.head.run);
    run_input_close(&input);
    session_close(&session);
    if (code != 0)
        return code;
    return plan.applied + plan.refused > 0 ? 1 : 0;
}
