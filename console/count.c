/* SPDX-License-Identifier: MIT
 *
 * See count.h. The record of a list is a run on the partition of its name. It decides nothing: that
 * a line is counted once is the ledger's doing, as its operation id is derived from list and line.
 * So a count that was applied and not recorded, because a console was cut off, is found by whoever
 * counts the line again.
 */
#include "console/count.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "console/dialog.h"

#define PAGE 1000u /* lines of an answer, and of the page of a view */
#define PAGES (COUNT_LINES_MAX / PAGE)
#define BLOCK 256u
#define RUN_EVERY_US 1000000
#define PAGE_EVERY_US 200000
#define AGAIN_US 500000
#define GIVE_UP_US 30000000 /* for a list that cannot be begun or written down */
#define RECORDINGS_MAX 32

/* What became of a line, on its way into the record. */
struct recording {
    bool used, sent;
    struct app *app;
    char run[CODE_TEXT];
    char sku[CODE_TEXT], warehouse[CODE_TEXT], text[NAME_TEXT];
    struct holdfast_run_line line; /* its texts are those above */
    int64_t due_us;
};

struct counting {
    enum counting_phase phase;
    uint32_t serial; /* of the list: answers for an earlier one are for nobody */
    char run[CODE_TEXT];
    struct count_list list;
    int64_t created_at_us;
    uint32_t chosen;
    /* making */
    struct counting_source source;
    char *cursor;
    uint8_t digest[HOLDFAST_DIGEST_BYTES];
    uint32_t written;
    bool sent;
    int64_t due_us, give_up_us;
    /* reading: each page was read when the record had this version */
    uint64_t version, page_versions[PAGES], asked_version;
    uint32_t asked_page;
    struct poll collect_poll, run_poll, page_poll;
    struct recording recordings[RECORDINGS_MAX];
};

/* A write of the list's making, until it is answered. */
struct sent {
    struct app *app;
    uint32_t serial;
};

struct counting *counting_new(void)
{
    return calloc(1, sizeof(struct counting));
}

static void forget(struct app *app)
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

static void fail(struct app *app, const char *why)
{
    char run[CODE_TEXT];

    memcpy(run, app->counting->run, sizeof run);
    forget(app);
    app->bell = true;
    app_say(app, STYLE_BAD, "ERR list %s: %s", run, why);
}

static void fail_with(struct app *app, const struct holdfast_result *result)
{
    char why[300];

    if (result->status == HOLDFAST_OPERATION_ID_REUSED)
        snprintf(why, sizeof why,
                 "there is one of this name with other lines: choose another name");
    else if (result->status == HOLDFAST_OPERATION_ID_EXPIRED)
        snprintf(why, sizeof why, "it was begun too long ago to go on with it: make a new one");
    else
        snprintf(why, sizeof why, "%s%s%s", result->field, result->field[0] ? ": " : "",
                 result->message[0] ? result->message : holdfast_status_text(result->status));
    fail(app, why);
}

/* ------------------------------------------------------------- beginning, writing down */

static void begin(struct app *app)
{
    struct counting *c = app->counting;

    if (c->list.count == 0) {
        fail(app, "there is nothing to count");
    } else if (!count_list_digest(&c->list, c->run, c->digest)) {
        fail(app, "out of memory");
    } else {
        c->phase = COUNTING_BEGINNING;
        c->give_up_us = app->now_us + GIVE_UP_US;
        c->chosen = 1;
    }
}

static void read_it(struct app *app)
{
    struct counting *c = app->counting;

    c->phase = COUNTING_READING;
    poll_restart(&c->run_poll);
}

/* True: the answer is for the list that is open, and was certain and good. */
static bool good_answer(struct sent *sent, struct holdfast_result *result)
{
    struct app *app = sent->app;
    struct counting *c = app->counting;
    bool mine = !app->quit && sent->serial == c->serial, good = false;

    free(sent);
    if (!mine)
        return false;
    c->sent = false;
    c->due_us = app->now_us + AGAIN_US;
    if (result->kind == HOLDFAST_KIND_APPLIED) {
        c->due_us = 0;
        c->give_up_us = app->now_us + GIVE_UP_US;
        good = true;
    } else if (result->kind == HOLDFAST_KIND_REFUSED ||
               result->status == HOLDFAST_OPERATION_ID_EXPIRED || app->now_us > c->give_up_us) {
        fail_with(app, result);
    }
    return good;
}

static void begun(void *data, struct holdfast_result *result)
{
    struct sent *sent = data;
    struct app *app = sent->app;

    if (good_answer(sent, result)) {
        struct counting *c = app->counting;
        c->created_at_us = result->run ? result->run->created_at_us : 0;
        c->phase = COUNTING_WRITING;
    }
    holdfast_result_free(&result);
}

static void written(void *data, struct holdfast_result *result)
{
    struct sent *sent = data;
    struct app *app = sent->app;

    if (good_answer(sent, result)) {
        struct counting *c = app->counting;
        c->written += BLOCK;
        if (c->written >= c->list.count)
            read_it(app);
    }
    holdfast_result_free(&result);
}

static void submit(struct app *app, const struct holdfast_operation *operation,
                   holdfast_result_fn *fn)
{
    struct counting *c = app->counting;
    struct sent *sent = calloc(1, sizeof *sent);

    c->due_us = app->now_us + AGAIN_US;
    if (!sent)
        return;
    *sent = (struct sent){app, c->serial};
    c->sent = holdfast_submit(app->writes, operation, fn, sent, NULL, 0);
    if (!c->sent)
        free(sent);
}

/* `resume`: made twice, by two people or after a cut, it is one list. */
static void send_begin(struct app *app)
{
    struct counting *c = app->counting;
    struct holdfast_operation operation = {.kind = HOLDFAST_BEGIN_RUN,
                                           .actor = app->actor,
                                           .run = c->run,
                                           .digest = c->digest,
                                           .run_lines = c->list.count,
                                           .resume = true};
    submit(app, &operation, begun);
}

static void send_block(struct app *app)
{
    struct counting *c = app->counting;
    struct holdfast_run_line lines[BLOCK];
    uint32_t count = 0;

    for (uint32_t i = c->written; i < c->list.count && count < BLOCK; i++)
        lines[count++] = (struct holdfast_run_line){.line = i + 1,
                                                    .status = HOLDFAST_UNAVAILABLE,
                                                    .open = true,
                                                    .sku = c->list.lines[i].sku,
                                                    .warehouse = c->list.lines[i].warehouse};
    struct holdfast_operation operation = {.kind = HOLDFAST_RECORD_RUN,
                                           .actor = app->actor,
                                           .run = c->run,
                                           .run_results = lines,
                                           .run_result_count = count};
    submit(app, &operation, written);
}

/* ------------------------------------------------------------- collecting */

static void take_page_of_view(struct app *app, struct holdfast_view_answer **answer)
{
    struct counting *c = app->counting;
    const struct holdfast_view_answer *a = *answer;

    if (a->status != HOLDFAST_APPLIED || a->unknown_partitions) {
        fail(app, "not all of it is known now, so lines would be missing: try again");
        return;
    }
    for (size_t i = 0; i < a->level_count; i++) {
        if (!count_list_add(&c->list, a->levels[i].level.sku, a->levels[i].level.warehouse)) {
            fail(app, "it would have more than 20,000 lines: filter, and make several");
            return;
        }
    }
    free(c->cursor);
    c->cursor = a->more && a->cursor ? strdup(a->cursor) : NULL;
    poll_restart(&c->collect_poll);
    if (!c->cursor)
        begin(app);
}

static void collect(struct app *app)
{
    struct counting *c = app->counting;
    struct holdfast_view_query query = {
        .kind = HOLDFAST_VIEW_LEVELS,
        .warehouse = c->source.warehouse,
        .text = c->source.text[0] ? c->source.text : NULL,
        .out_of_stock = c->source.out_of_stock,
        .below_safety = c->source.below_safety,
        .limit = PAGE,
        .cursor = c->cursor,
    };
    poll_view(app, &c->collect_poll, &query, 0, take_page_of_view);
}

static void start(struct app *app, const char *name)
{
    forget(app);
    snprintf(app->counting->run, CODE_TEXT, "%s", name);
    app_show(app, VIEW_COUNT);
}

void counting_make(struct app *app, const char *name, const struct counting_source *source)
{
    struct counting *c = app->counting;

    start(app, name);
    c->source = *source;
    c->source.skus = NULL;
    c->phase = COUNTING_COLLECTING;
    for (size_t i = 0; i < source->sku_count; i++) {
        if (!count_list_add(&c->list, source->skus[i], source->warehouse)) {
            fail(app, "out of memory");
            return;
        }
    }
    if (source->sku_count > 0)
        begin(app);
}

void counting_propose_name(const struct app *app, char name[CODE_TEXT])
{
    char id[37];
    time_t now = (time_t)(app->wall_us / 1000000);
    struct tm tm;
    char when[32];

    holdfast_new_operation_id(id);
    localtime_r(&now, &tm);
    strftime(when, sizeof when, "%m%d-%H%M", &tm);
    snprintf(name, CODE_TEXT, "count-%s-%s", when, id + 32);
}

void counting_open(struct app *app, const char *name)
{
    start(app, name);
    read_it(app);
}

bool counting_sheet(struct app *app, const char *path, char *error, size_t error_bytes)
{
    struct counting *c = app->counting;
    char run[CODE_TEXT];

    start(app, "");
    if (!count_sheet_read(path, run, &c->list, error, error_bytes)) {
        forget(app);
        return false;
    }
    memcpy(c->run, run, sizeof c->run);
    begin(app);
    return true;
}

/* ------------------------------------------------------------- reading */

static void take_run(struct app *app, struct holdfast_answer **answer)
{
    struct counting *c = app->counting;

    if ((*answer)->status != HOLDFAST_APPLIED)
        return;
    if ((*answer)->run_count != 1) {
        fail(app, "there is no list of this name");
        return;
    }
    const struct holdfast_run *run = &(*answer)->runs[0];
    c->version = run->version;
    c->created_at_us = run->created_at_us;
    if (!count_list_resize(&c->list, run->lines))
        fail(app, "it has more than 20,000 lines: a bulk file, or a list too long for a console");
}

static uint32_t page_of(uint32_t line)
{
    return line > 0 ? (line - 1) / PAGE : 0;
}

static uint32_t pages_of(const struct counting *c)
{
    return (c->list.count + PAGE - 1) / PAGE;
}

/* The page that is looked at, or else any that is older than the record. PAGES: none is. */
static uint32_t page_due(const struct counting *c)
{
    uint32_t first = page_of(c->chosen), count = pages_of(c);

    for (uint32_t i = 0; i < count; i++) {
        uint32_t page = (first + i) % count;
        if (c->page_versions[page] < c->version)
            return page;
    }
    return PAGES;
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
        fail(app, "it is a bulk file's run, and no count list");
        return;
    }
    c->page_versions[c->asked_page] = c->asked_version;
    if (c->phase == COUNTING_READING && page_due(c) == PAGES)
        opened(app);
}

static void read_record(struct app *app)
{
    struct counting *c = app->counting;
    const char *name = c->run;
    struct holdfast_query run = {.kind = HOLDFAST_QUERY_RUN, .skus = &name, .sku_count = 1};
    struct holdfast_query lines = {.kind = HOLDFAST_QUERY_RUN_LINES, .run = c->run, .limit = PAGE};

    poll_owner(app, &c->run_poll, &run, RUN_EVERY_US, take_run);
    if (c->phase == COUNTING_NONE || c->page_poll.in_flight || c->version == 0)
        return;
    uint32_t page = page_due(c);
    if (page == PAGES)
        return;
    c->asked_page = page;
    c->asked_version = c->version;
    lines.before = (uint64_t)page * PAGE;
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
        collect(app);
        return;
    case COUNTING_BEGINNING:
        if (!c->sent && app->now_us >= c->due_us)
            send_begin(app);
        return;
    case COUNTING_WRITING:
        if (!c->sent && app->now_us >= c->due_us)
            send_block(app);
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
