/* SPDX-License-Identifier: MIT
 *
 * run list, run show: what the system keeps of runs.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/json.h"
#include "cli/memory.h"
#include "cli/report.h"
#include "cli/session.h"
#include "cli/table.h"
#include "protocol/ids.h"
#include "protocol/text.h"

#define LIST_DEFAULT 100u
#define LINES_PAGE 1000u
#define SEQUENCES_MAX 256u /* of one query */

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

/* What an applied line did, as its movement tells: it is not in the record of the run. */
struct deed {
    bool found; /* it may have been pruned */
    const char *movement;
    struct code sku, warehouse;
    char reservation[RESERVATION_TEXT_BYTES];
};

static void show_json(const struct holdfast_run_line *line, const struct deed *deed)
{
    struct json_object *object = json_object_new_object();
    bool named = deed && deed->found && deed->sku.length > 0;

    json_number(object, "line", line->line);
    if (*line->sku || named) {
        json_text(object, "sku", named ? deed->sku.bytes : line->sku);
        const char *warehouse = named ? deed->warehouse.bytes : line->warehouse;
        json_text(object, "warehouse", *warehouse ? warehouse : NULL);
    }
    json_text(object, "result", line->open ? NULL : holdfast_status_name(line->status));
    if (line->status == HOLDFAST_APPLIED) {
        if (deed && deed->found) {
            json_text(object, "movement", deed->movement);
            if (*deed->reservation)
                json_text(object, "reservation", deed->reservation);
        }
        json_number(object, "partition", line->partition);
        json_number(object, "sequence", line->sequence);
    } else {
        json_text(object, "message", line->text);
    }
    json_line(object);
}

static void show_text(const struct holdfast_run_line *line, const struct deed *deed)
{
    bool named = deed && deed->found && deed->sku.length > 0;
    const char *sku = named ? deed->sku.bytes : line->sku;
    const char *warehouse = named ? deed->warehouse.bytes : line->warehouse;

    printf("  line %u  ", line->line);
    if (*sku)
        printf("%s%s%s  ", warehouse, *warehouse ? " " : "", sku);
    if (deed && deed->found && *deed->reservation)
        printf("%s  ", deed->reservation);
    if (line->status == HOLDFAST_APPLIED)
        printf("%s  p%u:%" PRIu64 "\n", deed && deed->found ? deed->movement : "applied",
               line->partition, line->sequence);
    else if (line->open)
        printf("to be counted\n");
    else
        printf("%s  %s\n", holdfast_status_name(line->status), line->text);
}

static void fill_deeds(struct deed *deeds, const struct holdfast_answer *page, uint32_t partition,
                       const struct holdfast_answer *answer)
{
    for (size_t m = 0; m < answer->movement_count; m++) {
        const struct holdfast_movement *movement = &answer->movements[m];
        for (size_t i = 0; i < page->run_line_count; i++) {
            const struct holdfast_run_line *line = &page->run_lines[i];
            if (line->status != HOLDFAST_APPLIED || line->partition != partition ||
                line->sequence != movement->sequence)
                continue;
            deeds[i].found = true;
            deeds[i].movement = holdfast_movement_name(movement->kind);
            code_set(&deeds[i].sku, movement->sku, strlen(movement->sku));
            code_set(&deeds[i].warehouse, movement->warehouse, strlen(movement->warehouse));
            snprintf(deeds[i].reservation, sizeof deeds[i].reservation, "%s",
                     movement->reservation);
        }
    }
}

/* Asks about the lines of this partition from line `first` of the page on. */
static int find_deeds_of(struct session *session, const struct holdfast_answer *page, size_t first,
                         struct deed *deeds)
{
    uint64_t sequences[LINES_PAGE];
    uint32_t partition = page->run_lines[first].partition;
    size_t count = 0;
    int code = 0;

    for (size_t i = first; i < page->run_line_count; i++) {
        if (page->run_lines[i].status == HOLDFAST_APPLIED &&
            page->run_lines[i].partition == partition)
            sequences[count++] = page->run_lines[i].sequence;
    }
    for (size_t asked = 0; code == 0 && asked < count;) {
        struct holdfast_query query = {
            .kind = HOLDFAST_QUERY_MOVEMENT,
            .partition = partition,
            .sequences = &sequences[asked],
            .sequence_count = count - asked < SEQUENCES_MAX ? count - asked : SEQUENCES_MAX};
        struct holdfast_answer *answer = session_ask_page(session, &query, &code);
        if (answer)
            fill_deeds(deeds, page, partition, answer);
        asked += query.sequence_count;
        holdfast_answer_free(&answer);
    }
    return code;
}

static int find_deeds(struct session *session, const struct holdfast_answer *page,
                      struct deed *deeds)
{
    int code = 0;

    for (size_t i = 0; code == 0 && i < page->run_line_count; i++) {
        const struct holdfast_run_line *line = &page->run_lines[i];
        bool asked = line->status != HOLDFAST_APPLIED;
        for (size_t j = 0; j < i && !asked; j++)
            asked = page->run_lines[j].status == HOLDFAST_APPLIED &&
                    page->run_lines[j].partition == line->partition;
        if (!asked)
            code = find_deeds_of(session, page, i, deeds);
    }
    return code;
}

static int show_page(struct session *session, const struct holdfast_answer *page)
{
    bool all = option_given(session->invocation, "all"), json = session->invocation->json;
    struct deed *deeds = NULL;
    int code = 0;

    if (all) {
        deeds = memory_grow(NULL, page->run_line_count + 1, sizeof *deeds);
        memset(deeds, 0, (page->run_line_count + 1) * sizeof *deeds);
        code = find_deeds(session, page, deeds);
    }
    for (size_t i = 0; i < page->run_line_count; i++) {
        const struct holdfast_run_line *line = &page->run_lines[i];
        if (json)
            show_json(line, deeds ? &deeds[i] : NULL);
        else if (all || line->status != HOLDFAST_APPLIED)
            show_text(line, deeds ? &deeds[i] : NULL);
    }
    free(deeds);
    return code;
}

static int show_lines(struct session *session, const char *run)
{
    struct holdfast_query query = {
        .kind = HOLDFAST_QUERY_RUN_LINES, .run = run, .limit = LINES_PAGE};
    bool more = true;
    int code = 0;

    while (more && code == 0) {
        struct holdfast_answer *answer = session_ask_page(session, &query, &code);
        if (!answer)
            break;
        if (code == 0)
            code = show_page(session, answer);
        if (answer->run_line_count > 0)
            query.before = answer->run_lines[answer->run_line_count - 1].line;
        more = answer->more && answer->run_line_count > 0;
        holdfast_answer_free(&answer);
    }
    return code;
}

static void show_run(const struct holdfast_run *run)
{
    char begun[TIME_TEXT_BYTES], changed[TIME_TEXT_BYTES];
    uint32_t lines = run->lines - run->blank;

    local_time(run->created_at_us, begun);
    local_time(run->changed_at_us, changed);
    printf("run %s  %s, %u line%s: %u applied, %u refused, %u left", run->run, state_name(run),
           lines, lines == 1 ? "" : "s", run->applied, run->refused, lines_left(run));
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
        return usage_error(invocation, "RUN \"%s\" %s", name, fault);
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
