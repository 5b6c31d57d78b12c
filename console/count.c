/* SPDX-License-Identifier: MIT
 *
 * See count.h. The record of a list is a run on the partition of its name. It decides nothing: that
 * a line is counted once is the ledger's doing, as its operation id is derived from list and line.
 * So a count that was applied and not recorded, because a console was cut off, is found by whoever
 * counts the line again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/count_private.h"
#include "console/dialog.h"

#define RUN_EVERY_US 1000000
#define PAGE_EVERY_US 200000

struct counting *counting_new(void)
{
    return calloc(1, sizeof(struct counting));
}

void counting_forget(struct app *app)
{
    struct counting *c = app->counting;

    poll_restart(&c->collect_poll);
    poll_restart(&c->run_poll);
    poll_restart(&c->page_poll);
    count_list_release(&c->list);
    free(c->cursor);
    c->cursor = NULL;
    memset(c->page_versions, 0, sizeof c->page_versions);
    c->version = c->asked_version = 0;
    c->created_at_us = 0;
    c->chosen = c->written = 0;
    c->sent = false;
    c->due_us = 0;
    c->run[0] = '\0';
    c->phase = COUNTING_NONE;
    c->serial++;
}

void counting_destroy(struct counting **counting)
{
    if (!*counting)
        return;
    count_list_release(&(*counting)->list);
    free((*counting)->cursor);
    free(*counting);
    *counting = NULL;
}

void counting_fail(struct app *app, const char *why)
{
    char run[CODE_TEXT];

    memcpy(run, app->counting->run, sizeof run);
    counting_forget(app);
    app->bell = true;
    app_say(app, STYLE_BAD, "ERR list %s: %s", run, why);
}

void counting_start(struct app *app, const char *name)
{
    counting_forget(app);
    snprintf(app->counting->run, CODE_TEXT, "%s", name);
    app_show(app, VIEW_COUNT);
}

void counting_read(struct app *app)
{
    struct counting *c = app->counting;

    c->phase = COUNTING_READING;
    poll_restart(&c->run_poll);
}

void counting_open(struct app *app, const char *name)
{
    counting_start(app, name);
    counting_read(app);
}

/* ------------------------------------------------------------- reading */

static void take_run(struct app *app, struct holdfast_answer **answer)
{
    struct counting *c = app->counting;

    if ((*answer)->status != HOLDFAST_APPLIED)
        return;
    if ((*answer)->run_count != 1) {
        counting_fail(app, "there is no list of this name");
        return;
    }
    const struct holdfast_run *run = &(*answer)->runs[0];
    c->version = run->version;
    c->created_at_us = run->created_at_us;
    if (!count_list_resize(&c->list, run->lines))
        counting_fail(
            app, "it has more than 20,000 lines: a bulk file, or a list too long for a console");
}

static uint32_t page_of(uint32_t line)
{
    return line > 0 ? (line - 1) / COUNT_PAGE : 0;
}

static uint32_t pages_of(const struct counting *c)
{
    return (c->list.count + COUNT_PAGE - 1) / COUNT_PAGE;
}

/* The page that is looked at, or else any that is older than the record. COUNT_PAGES: none is. */
static uint32_t page_due(const struct counting *c)
{
    uint32_t first = page_of(c->chosen), count = pages_of(c);

    for (uint32_t i = 0; i < count; i++) {
        uint32_t page = (first + i) % count;
        if (c->page_versions[page] < c->version)
            return page;
    }
    return COUNT_PAGES;
}

static void opened(struct app *app)
{
    struct counting *c = app->counting;
    struct count_tally tally = count_list_tally(&c->list);

    c->phase = COUNTING_READY;
    c->chosen = count_list_next(&c->list, 0);
    c->chosen = c->chosen ? c->chosen : 1;
    app_say(app, STYLE_GOOD, "OK list %s: %u of %u counted", c->run, tally.done, c->list.count);
}

static void take_lines(struct app *app, struct holdfast_answer **answer)
{
    struct counting *c = app->counting;
    bool any = false;

    if ((*answer)->status != HOLDFAST_APPLIED)
        return;
    for (size_t i = 0; i < (*answer)->run_line_count; i++) {
        const struct holdfast_run_line *line = &(*answer)->run_lines[i];
        if (page_of(line->line) != c->asked_page)
            break;
        count_list_take(&c->list, line);
        any = any || line->sku[0];
    }
    if (c->asked_page == 0 && !any && c->phase == COUNTING_READING) {
        counting_fail(app, "it is a bulk file's run, and no count list");
        return;
    }
    c->page_versions[c->asked_page] = c->asked_version;
    if (c->phase == COUNTING_READING && page_due(c) == COUNT_PAGES)
        opened(app);
}

static void read_record(struct app *app)
{
    struct counting *c = app->counting;
    const char *name = c->run;
    struct holdfast_query run = {.kind = HOLDFAST_QUERY_RUN, .skus = &name, .sku_count = 1};
    struct holdfast_query lines = {
        .kind = HOLDFAST_QUERY_RUN_LINES, .run = c->run, .limit = COUNT_PAGE};

    poll_owner(app, &c->run_poll, &run, RUN_EVERY_US, take_run);
    if (c->phase == COUNTING_NONE || c->page_poll.in_flight || c->version == 0)
        return;
    uint32_t page = page_due(c);
    if (page == COUNT_PAGES)
        return;
    c->asked_page = page;
    c->asked_version = c->version;
    lines.before = (uint64_t)page * COUNT_PAGE;
    poll_owner(app, &c->page_poll, &lines, PAGE_EVERY_US, take_lines);
}

/* ------------------------------------------------------------- recording */

static void recorded(void *data, struct holdfast_result *result)
{
    struct recording *r = data;
    bool over = result->kind == HOLDFAST_KIND_APPLIED || result->kind == HOLDFAST_KIND_REFUSED ||
                result->status == HOLDFAST_OPERATION_ID_EXPIRED;

    r->sent = false;
    r->due_us = r->app->now_us + AGAIN_US;
    if (over)
        r->used = false;
    if (over && !r->app->quit && strcmp(r->run, r->app->counting->run) == 0)
        poll_restart(&r->app->counting->run_poll);
    holdfast_result_free(&result);
}

static void send_recordings(struct app *app)
{
    for (size_t i = 0; i < RECORDINGS_MAX; i++) {
        struct recording *r = &app->counting->recordings[i];
        if (!r->used || r->sent || app->now_us < r->due_us)
            continue;
        struct holdfast_operation operation = {.kind = HOLDFAST_RECORD_RUN,
                                               .actor = app->actor,
                                               .run = r->run,
                                               .run_results = &r->line,
                                               .run_result_count = 1};
        r->due_us = app->now_us + AGAIN_US;
        r->sent = holdfast_submit(app->writes, &operation, recorded, r, NULL, 0);
    }
}

/* Without room it is left out: whoever counts the line again finds that it was. */
static void record(struct app *app, const struct dialog *d, const struct holdfast_run_line *line,
                   const char *text)
{
    struct counting *c = app->counting;
    struct recording *r = NULL;

    for (size_t i = 0; i < RECORDINGS_MAX && !r; i++)
        r = c->recordings[i].used ? NULL : &c->recordings[i];
    if (r) {
        *r = (struct recording){.used = true, .app = app, .line = *line};
        memcpy(r->run, d->list_run, sizeof r->run);
        memcpy(r->sku, d->subject.sku, sizeof r->sku);
        memcpy(r->warehouse, d->subject.warehouse, sizeof r->warehouse);
        snprintf(r->text, sizeof r->text, "%s", text);
        r->line.sku = r->sku;
        r->line.warehouse = r->warehouse;
        r->line.text = r->text;
    }
    if (strcmp(c->run, d->list_run) == 0)
        count_list_take(&c->list, line);
    send_recordings(app);
}

static void go_on(struct app *app, uint32_t line)
{
    struct counting *c = app->counting;
    uint32_t next = count_list_next(&c->list, line);

    if (c->phase != COUNTING_READY)
        return;
    c->chosen = next ? next : c->chosen;
    struct count_tally tally = count_list_tally(&c->list);
    if (tally.left == 0 && tally.conflicts == 0)
        app_say(app, STYLE_GOOD, "OK every line of %s was counted", c->run);
    else if (tally.left == 0)
        app_say(app, STYLE_WARN, "what is left are %u lines that MOVED!: F7 settles one",
                tally.conflicts);
}

void counting_applied(struct app *app, const struct dialog *d, const struct holdfast_result *result)
{
    struct holdfast_run_line line = {.line = d->list_line,
                                     .status = HOLDFAST_APPLIED,
                                     .partition = result->partition,
                                     .sequence = result->sequence};
    record(app, d, &line, "");
    go_on(app, d->list_line);
}

void counting_conflict(struct app *app, const struct dialog *d, uint32_t counted, uint32_t booked)
{
    char text[128];
    struct holdfast_run_line line = {.line = d->list_line,
                                     .status = HOLDFAST_VERSION_CONFLICT,
                                     .counted = counted,
                                     .booked = booked};

    snprintf(text, sizeof text, "counted %u when the books said %u, and it moved", counted, booked);
    record(app, d, &line, text);
    go_on(app, d->list_line);
    app_say(app, STYLE_WARN, "left for later: %s, %s", d->subject.sku, text);
}

/* ------------------------------------------------------------- for the views */

void counting_tick(struct app *app)
{
    struct counting *c = app->counting;

    send_recordings(app);
    switch (c->phase) {
    case COUNTING_NONE:
        return;
    case COUNTING_COLLECTING:
    case COUNTING_BEGINNING:
    case COUNTING_WRITING:
        counting_make_tick(app);
        return;
    case COUNTING_READING:
    case COUNTING_READY:
        read_record(app);
        return;
    }
}

enum counting_phase counting_phase(const struct app *app)
{
    return app->counting->phase;
}

const struct count_list *counting_list(const struct app *app)
{
    return app->counting->phase == COUNTING_READY ? &app->counting->list : NULL;
}

const char *counting_run(const struct app *app)
{
    return app->counting->run;
}

uint32_t counting_chosen(const struct app *app)
{
    return app->counting->chosen;
}

void counting_choose(struct app *app, uint32_t line)
{
    if (line >= 1 && line <= app->counting->list.count)
        app->counting->chosen = line;
}

static void say_no(struct app *app, const char *sku, const char *why)
{
    app->bell = true;
    app_say(app, STYLE_BAD, "ERR %s %s", sku, why);
}

void counting_count(struct app *app, uint32_t number)
{
    struct counting *c = app->counting;
    struct subject subject = {0};

    if (c->phase != COUNTING_READY || number < 1 || number > c->list.count)
        return;
    const struct count_line *line = &c->list.lines[number - 1];
    if (line->state == COUNT_DONE || line->state == COUNT_MISSING) {
        say_no(app, line->sku,
               line->state == COUNT_DONE ? "is counted already"
                                         : "the list was not written down to its end");
        return;
    }
    c->chosen = number;
    memcpy(subject.sku, line->sku, sizeof subject.sku);
    memcpy(subject.warehouse, line->warehouse, sizeof subject.warehouse);
    dialog_open(app, ACTION_COUNT, &subject);
    dialog_of_list(app, c->run, number, c->created_at_us,
                   line->state == COUNT_CONFLICT ? line : NULL);
}

void counting_scanned(struct app *app, const char *sku, const char *warehouse)
{
    const struct count_list *list = counting_list(app);
    uint32_t line = list ? count_list_find(list, sku, warehouse) : 0;

    if (line)
        counting_count(app, line);
    else
        say_no(app, sku, "is not on the list");
}
