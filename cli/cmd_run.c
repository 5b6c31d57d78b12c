/* SPDX-License-Identifier: MIT
 *
 * run list, run show: what the system keeps of runs.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/json.h"
#include "cli/report.h"
#include "cli/session.h"
#include "cli/table.h"
#include "protocol/text.h"

#define LIST_DEFAULT 100u
#define LINES_PAGE 1000u

static const char *state_name(const struct holdfast_run *run)
{
    return run->state == HOLDFAST_RUN_DONE ? "done" : "open";
}

static uint32_t lines_left(const struct holdfast_run *run)
{
    uint32_t seen = run->applied + run->refused + run->blank;

    return seen < run->lines ? run->lines - seen : 0;
}

static struct json_object *run_json(const struct holdfast_run *run)
{
    struct json_object *object = json_object_new_object();
    char digest[2 * HOLDFAST_DIGEST_BYTES + 1];

    for (size_t i = 0; i < HOLDFAST_DIGEST_BYTES; i++)
        snprintf(digest + 2 * i, 3, "%02x", run->digest[i]);
    json_text(object, "run", run->run);
    json_text(object, "state", state_name(run));
    json_number(object, "lines", run->lines);
    json_number(object, "blank", run->blank);
    json_number(object, "applied", run->applied);
    json_number(object, "refused", run->refused);
    json_number(object, "unknown", run->unknown);
    json_number(object, "left", lines_left(run));
    json_text(object, "actor", run->actor);
    json_text(object, "undoes", *run->undoes ? run->undoes : NULL);
    json_object_object_add(object, "created_at", time_json(run->created_at_us));
    json_object_object_add(object, "changed_at", time_json(run->changed_at_us));
    json_text(object, "digest", digest);
    return object;
}

static const struct column run_columns[] = {{.title = "RUN"},
                                            {.title = "BEGUN"},
                                            {.title = "STATE"},
                                            {.title = "LINES", .right = true},
                                            {.title = "APPLIED", .right = true},
                                            {.title = "REFUSED", .right = true},
                                            {.title = "LEFT", .right = true},
                                            {.title = "BY"},
                                            {.title = "UNDOES", .if_not_zero = true}};

static void run_row(struct table *table, const struct holdfast_run *run)
{
    char at[TIME_TEXT_BYTES];

    local_time(run->created_at_us, at);
    table_cell(table, "%s", run->run);
    table_cell(table, "%s", at);
    table_cell(table, "%s", state_name(run));
    table_cell(table, "%u", run->lines);
    table_cell(table, "%u", run->applied);
    table_cell(table, "%u", run->refused);
    table_cell(table, "%u", lines_left(run));
    table_cell(table, "%s", run->actor);
    table_cell(table, "%s", run->undoes);
}

int cmd_run_list(const struct invocation *invocation)
{
    uint64_t limit = option_number(invocation, "limit", LIST_DEFAULT);
    struct holdfast_query query = {.kind = HOLDFAST_QUERY_RUN};
    struct session session;
    struct table table;
    char last[65];
    bool more = true;

    if (limit == 0)
        return usage_error(invocation, "--limit must be at least 1");
    int code = session_open(&session, invocation, HOLDFAST_CLASS_INTERACTIVE, 0);
    if (code != 0)
        return code;
    table_init(&table, run_columns, sizeof run_columns / sizeof run_columns[0]);
    while (more && limit > 0 && code == 0) {
        query.limit = limit < 1000 ? (uint32_t)limit : 1000;
        struct holdfast_answer *answer = session_ask(&session, &query, &code);
        if (!answer)
            break;
        for (size_t i = 0; i < answer->run_count; i++) {
            if (invocation->json)
                json_line(run_json(&answer->runs[i]));
            else
                run_row(&table, &answer->runs[i]);
            query.before = (uint64_t)answer->runs[i].created_at_us;
            snprintf(last, sizeof last, "%s", answer->runs[i].run);
            query.run = last;
        }
        more = answer->more && answer->run_count > 0;
        limit -= answer->run_count < limit ? answer->run_count : limit;
        holdfast_answer_free(&answer);
    }
    table_print(&table, stdout);
    table_release(&table);
    session_close(&session);
    return code;
}

/* ------------------------------------------------------------- one run */

static void show_line(const struct invocation *invocation, const struct holdfast_run_line *line)
{
    bool applied = line->status == HOLDFAST_APPLIED;

    if (invocation->json) {
        struct json_object *object = json_object_new_object();
        json_number(object, "line", line->line);
        if (*line->sku) {
            json_text(object, "sku", line->sku);
            json_text(object, "warehouse", line->warehouse);
        }
        json_text(object, "result", line->open ? NULL : holdfast_status_name(line->status));
        if (applied) {
            json_number(object, "partition", line->partition);
            json_number(object, "sequence", line->sequence);
        } else {
            json_text(object, "message", line->text);
        }
        json_line(object);
        return;
    }
    if (applied && !option_given(invocation, "all"))
        return;
    printf("  line %u  ", line->line);
    if (*line->sku)
        printf("%s %s  ", line->warehouse, line->sku);
    if (applied)
        printf("applied  p%u:%" PRIu64 "\n", line->partition, line->sequence);
    else if (line->open)
        printf("to be counted\n");
    else
        printf("%s  %s\n", holdfast_status_name(line->status), line->text);
}

static int show_lines(struct session *session, const char *run)
{
    struct holdfast_query query = {
        .kind = HOLDFAST_QUERY_RUN_LINES, .run = run, .limit = LINES_PAGE};
    bool more = true;
    int code = 0;

    while (more && code == 0) {
        struct holdfast_answer *answer = session_ask(session, &query, &code);
        if (!answer)
            break;
        for (size_t i = 0; i < answer->run_line_count; i++) {
            show_line(session->invocation, &answer->run_lines[i]);
            query.before = answer->run_lines[i].line;
        }
        more = answer->more && answer->run_line_count > 0;
        holdfast_answer_free(&answer);
    }
    return code;
}

static void show_run(const struct holdfast_run *run)
{
    char begun[TIME_TEXT_BYTES], changed[TIME_TEXT_BYTES];

    local_time(run->created_at_us, begun);
    local_time(run->changed_at_us, changed);
    printf("run %s  %s, %u lines: %u applied, %u refused, %u left", run->run, state_name(run),
           run->lines - run->blank, run->applied, run->refused, lines_left(run));
    if (run->unknown > 0)
        printf(" (%u of them unknown)", run->unknown);
    printf("\n  begun %s by %s, last changed %s\n", begun, run->actor, changed);
    if (*run->undoes)
        printf("  undoes %s\n", run->undoes);
}

int cmd_run_show(const struct invocation *invocation)
{
    struct holdfast_query query = {
        .kind = HOLDFAST_QUERY_RUN, .skus = invocation->arguments, .sku_count = 1};
    const char *name = invocation->arguments[0], *fault = code_fault(name, strlen(name));
    struct session session;

    if (fault)
        return usage_error(invocation, "RUN %s %s", name, fault);
    int code = session_open(&session, invocation, HOLDFAST_CLASS_INTERACTIVE, 0);
    if (code != 0)
        return code;
    struct holdfast_answer *answer = session_ask(&session, &query, &code);
    if (answer && answer->run_count == 0 && code == 0) {
        complain("run show", "there is no run %s", name);
        code = 1;
    } else if (answer && answer->run_count > 0) {
        if (invocation->json)
            json_line(run_json(&answer->runs[0]));
        else
            show_run(&answer->runs[0]);
        code = show_lines(&session, name);
    }
    holdfast_answer_free(&answer);
    session_close(&session);
    return code;
}
