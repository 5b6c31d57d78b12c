/* SPDX-License-Identifier: MIT
 *
 * A new count list: its lines are collected from a view, given, or read from a sheet; then the run
 * is begun, and its lines are written down, open. Whoever does that a second time, or after a cut,
 * goes on with the same list. See count.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "console/count_private.h"

#define BLOCK 256u
#define GIVE_UP_US 30000000 /* for a list that cannot be begun or written down */

/* A write of the list's making, until it is answered. */
struct sent {
    struct app *app;
    uint32_t serial;
};

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
    counting_fail(app, why);
}

static void begin(struct app *app)
{
    struct counting *c = app->counting;

    if (c->list.count == 0) {
        counting_fail(app, "there is nothing to count");
    } else if (!count_list_digest(&c->list, c->run, c->digest)) {
        counting_fail(app, "out of memory");
    } else {
        c->phase = COUNTING_BEGINNING;
        c->give_up_us = app->now_us + GIVE_UP_US;
        c->chosen = 1;
    }
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
            counting_read(app);
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
        counting_fail(app, "not all of it is known now, so lines would be missing: try again");
        return;
    }
    for (size_t i = 0; i < a->level_count; i++) {
        if (!count_list_add(&c->list, a->levels[i].level.sku, a->levels[i].level.warehouse)) {
            counting_fail(app, "it would have more than 20,000 lines: filter, and make several");
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
        .limit = COUNT_PAGE,
        .cursor = c->cursor,
    };
    poll_view(app, &c->collect_poll, &query, 0, take_page_of_view);
}

void counting_make(struct app *app, const char *name, const struct counting_source *source)
{
    struct counting *c = app->counting;

    counting_start(app, name);
    c->source = *source;
    c->source.skus = NULL;
    c->phase = COUNTING_COLLECTING;
    for (size_t i = 0; i < source->sku_count; i++) {
        if (!count_list_add(&c->list, source->skus[i], source->warehouse)) {
            counting_fail(app, "out of memory");
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

bool counting_sheet(struct app *app, const char *path, char *error, size_t error_bytes)
{
    struct counting *c = app->counting;
    char run[CODE_TEXT];

    counting_start(app, "");
    if (!count_sheet_read(path, run, &c->list, error, error_bytes)) {
        counting_forget(app);
        return false;
    }
    memcpy(c->run, run, sizeof c->run);
    begin(app);
    return true;
}

void counting_make_tick(struct app *app)
{
    struct counting *c = app->counting;

    if (c->phase == COUNTING_COLLECTING)
        collect(app);
    else if (!c->sent && app->now_us >= c->due_us && c->phase == COUNTING_BEGINNING)
        send_begin(app);
    else if (!c->sent && app->now_us >= c->due_us && c->phase == COUNTING_WRITING)
        send_block(app);
}
