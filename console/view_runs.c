/* SPDX-License-Identifier: MIT
 *
 * Runs: bulk jobs, newest first, with progress, and the lines of the chosen one that were not
 * applied. A run's record is its owner's, not a view's: the list is asked for rarely, the chosen
 * run while it is open every two seconds, by name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/app.h"
#include "console/count.h"
#include "console/export.h"
#include "console/list.h"
#include "console/text.h"

#define LIST_EVERY_US 10000000
#define RUN_EVERY_US 2000000
#define ROWS_MAX 100
#define LINES_MAX 256
#define BAR_MOST 20

struct runs {
    struct holdfast_answer *list, *one, *lines;
    char selected[CODE_TEXT];
    struct poll list_poll, one_poll, lines_poll;
};

static void drop_chosen(struct runs *s)
{
    if (s->one)
        holdfast_answer_free(&s->one);
    if (s->lines)
        holdfast_answer_free(&s->lines);
}

static void release(void *state)
{
    struct runs *s = state;
    drop_chosen(s);
    if (s->list)
        holdfast_answer_free(&s->list);
}

static struct runs *mine(struct app *app)
{
    return app->states[VIEW_RUNS];
}

static void enter(struct app *app)
{
    poll_restart(&mine(app)->list_poll);
}

static size_t count_of(const struct runs *s)
{
    return s->list ? s->list->run_count : 0;
}

/* The chosen run is known better than the list. */
static const struct holdfast_run *run_of(const struct runs *s, size_t i)
{
    const struct holdfast_run *run = &s->list->runs[i];
    const struct holdfast_run *one = s->one && s->one->run_count == 1 ? &s->one->runs[0] : NULL;
    return one && strcmp(one->run, run->run) == 0 && one->version >= run->version ? one : run;
}

static int selected_row(const struct runs *s)
{
    for (size_t i = 0; i < count_of(s); i++) {
        if (strcmp(s->list->runs[i].run, s->selected) == 0)
            return (int)i;
    }
    return -1;
}

static void select_row(struct runs *s, size_t i)
{
    if (i >= count_of(s) || strcmp(s->selected, s->list->runs[i].run) == 0)
        return;
    snprintf(s->selected, sizeof s->selected, "%s", s->list->runs[i].run);
    drop_chosen(s);
    poll_restart(&s->one_poll);
    poll_restart(&s->lines_poll);
}

static void take_list(struct app *app, struct holdfast_answer **answer)
{
    struct runs *s = mine(app);
    keep_owner(&s->list, answer);
    if (!s->selected[0])
        select_row(s, 0);
}

static void take_one(struct app *app, struct holdfast_answer **answer)
{
    keep_owner(&mine(app)->one, answer);
}

static void take_lines(struct app *app, struct holdfast_answer **answer)
{
    keep_owner(&mine(app)->lines, answer);
}

static void tick(struct app *app, int64_t now_us)
{
    struct runs *s = mine(app);
    const char *name = s->selected;
    struct holdfast_query list = {.kind = HOLDFAST_QUERY_RUN, .limit = ROWS_MAX};
    struct holdfast_query one = {.kind = HOLDFAST_QUERY_RUN, .skus = &name, .sku_count = 1};
    struct holdfast_query lines = {
        .kind = HOLDFAST_QUERY_RUN_LINES, .run = s->selected, .limit = LINES_MAX};
    int row = selected_row(s);

    (void)now_us;
    poll_owner(app, &s->list_poll, &list, LIST_EVERY_US, take_list);
    if (row < 0)
        return;
    bool open = run_of(s, (size_t)row)->state == HOLDFAST_RUN_OPEN;
    if (open || !s->one)
        poll_owner(app, &s->one_poll, &one, RUN_EVERY_US, take_one);
    if (open || !s->lines)
        poll_owner(app, &s->lines_poll, &lines, RUN_EVERY_US, take_lines);
}

static bool key(struct app *app, const struct key *k)
{
    struct runs *s = mine(app);
    int row = selected_row(s);

    if (!list_move(k, (int)count_of(s), &row))
        return false;
    select_row(s, (size_t)row);
    return true;
}

static bool subject(struct app *app, struct subject *out)
{
    (void)out; /* a run has nothing that a form could act upon */
    return mine(app)->selected[0] != '\0';
}

static bool act(struct app *app, enum action action)
{
    if (action != ACTION_OPEN)
        return false;
    counting_open(app, mine(app)->selected);
    return true;
}

/* ------------------------------------------------------------- drawing */

/* Cells of the bar. The words behind it are worth more: a narrow screen has none. */
static int bar_of(const struct app *app, const struct canvas *c)
{
    if (!app->settings.columns.runs.progress)
        return 0;
    return c->columns >= 100 ? BAR_MOST : c->columns >= 75 ? 10 : 0;
}

/* Where LINES begins. */
static int lines_at(const struct app *app, const struct canvas *c)
{
    return bar_of(app, c) ? 25 + bar_of(app, c) : 22;
}

/* The chosen run is a count list, and what was not counted moved meanwhile: somebody has to decide,
 * and nothing was refused. What is not applied must be among the lines that were read. */
static bool only_conflicts(const struct runs *s, const struct holdfast_run *run)
{
    uint32_t conflicts = 0;

    for (size_t i = 0; s->lines && i < s->lines->run_line_count; i++) {
        const struct holdfast_run_line *line = &s->lines->run_lines[i];
        conflicts += line->sku[0] && !line->open && line->status == HOLDFAST_VERSION_CONFLICT;
    }
    return conflicts > 0 && conflicts == run->refused;
}

static void draw_run(const struct app *app, struct canvas *c, int y, const struct holdfast_run *run,
                     bool chosen, bool moved)
{
    enum style style = chosen ? STYLE_SELECTED : STYLE_NORMAL;
    uint32_t all = run->lines - run->blank, done = run->applied + run->refused;
    char bar[BAR_MOST + 1], when[TEXT_NUMBER], lines[32];
    int width = bar_of(app, c), at = lines_at(app, c), wide = width ? 14 : 10;
    size_t cells = (size_t)width, filled = all ? (size_t)((uint64_t)done * cells / all) : cells;

    memset(bar, '.', cells);
    memset(bar, '#', filled < cells ? filled : cells);
    bar[cells] = '\0';
    canvas_fill(c, y, 0, c->columns, style);
    canvas_text(c, y, 0, 1, style, chosen ? ">" : " ");
    if (c->columns < 50) {
        canvas_format(c, y, 1, c->columns - 1, style, "%u/%u%s %s", done, all,
                      run->refused || run->unknown ? "!" : "", run->run);
        return;
    }
    canvas_cell(c, y, 1, 20, style, run->run);
    if (width)
        canvas_format(c, y, 22, width + 2, style, "[%s]", bar);
    snprintf(lines, sizeof lines, "%u/%u", done, all);
    canvas_cell(c, y, at, wide, style, lines);
    at += wide + 1;
    canvas_format(c, y, at, 9, style, "%s",
                  run->unknown                      ? "UNKNOWN!"
                  : moved                           ? "MOVED!"
                  : run->refused                    ? "refused!"
                  : run->state == HOLDFAST_RUN_DONE ? "done"
                                                    : "open");
    if (app->settings.columns.runs.since)
        canvas_format(c, y, at + 10, c->columns - at - 10, style, "%s %s %s%s",
                      text_clock(run->created_at_us, when), run->actor,
                      run->undoes[0] ? "undoes " : "", run->undoes);
}

static int draw_chosen(struct app *app, struct canvas *c, int y, int end)
{
    struct runs *s = mine(app);
    int row = selected_row(s);
    const struct holdfast_run *run = row >= 0 ? run_of(s, (size_t)row) : NULL;
    char unknown[32], why[512];

    if (!run || y >= end)
        return y;
    canvas_fill(c, y, 0, c->columns, STYLE_TITLE);
    bool moved = only_conflicts(s, run);
    snprintf(unknown, sizeof unknown, ", %u unknown", run->unknown);
    if (c->columns < 50) /* the name and what is done stand in the row */
        canvas_format(c, y++, 1, c->columns - 1, STYLE_TITLE, "%u %s%s", run->refused,
                      moved ? "MOVED!" : "refused", run->unknown ? unknown : "");
    else
        canvas_format(c, y++, 1, c->columns - 1, STYLE_TITLE, "%s: %u applied, %u %s%s", run->run,
                      run->applied, run->refused, moved ? "MOVED!" : "refused", unknown);
    if (moved && y < end)
        canvas_text(c, y++, 1, c->columns - 1, STYLE_WARN,
                    "Enter opens the list; F7 there: keep the count, or the difference");
    for (size_t i = 0; s->lines && i < s->lines->run_line_count && y < end; i++) {
        const struct holdfast_run_line *line = &s->lines->run_lines[i];
        if (line->status == HOLDFAST_APPLIED || line->open)
            continue;
        if (line->sku[0])
            snprintf(why, sizeof why, "! line %u: %s@%s: %s", line->line, line->sku,
                     line->warehouse,
                     line->text && line->text[0] ? line->text : holdfast_status_name(line->status));
        else
            snprintf(why, sizeof why, "! line %u: %s%s%s", line->line,
                     holdfast_status_name(line->status), line->text && line->text[0] ? ": " : "",
                     line->text ? line->text : "");
        canvas_cell(c, y++, 1, c->columns - 1, STYLE_WARN, why);
    }
    return y;
}

static void draw(struct app *app, struct canvas *c, struct area area)
{
    struct runs *s = mine(app);
    int below = area.rows / 3, rows = area.rows - 1 - below, row = selected_row(s);
    int top = row >= rows ? row - rows + 1 : 0, y = area.row + 1;

    canvas_fill(c, area.row, 0, c->columns, STYLE_TITLE);
    if (c->columns < 50)
        canvas_text(c, area.row, 1, c->columns - 1, STYLE_TITLE, "DONE RUN");
    else
        canvas_format(c, area.row, 1, c->columns - 1, STYLE_TITLE, "%-20s %-*s%-*s%-10s%s", "RUN",
                      lines_at(app, c) - 22, bar_of(app, c) ? "PROGRESS" : "",
                      bar_of(app, c) ? 15 : 11, "LINES", "STATE",
                      app->settings.columns.runs.since ? "SINCE, BY" : "");
    for (int i = 0; i < rows && top + i < (int)count_of(s); i++, y++) {
        const struct holdfast_run *run = run_of(s, (size_t)(top + i));
        draw_run(app, c, y, run, top + i == row, top + i == row && only_conflicts(s, run));
        if (top + i == row)
            canvas_cursor(c, y, 0);
    }
    if (count_of(s) == 0) {
        bool failed = s->list && s->list->status != HOLDFAST_APPLIED;
        canvas_text(c, y++, 1, c->columns - 1, failed ? STYLE_WARN : STYLE_DIM,
                    failed    ? "? runs could not be read now, asking again"
                    : s->list ? "no bulk job was run yet"
                              : "asking ...");
    }
    draw_chosen(app, c, area.row + area.rows - below, area.row + area.rows);
}

static void title(struct app *app, char *text, size_t bytes)
{
    struct runs *s = mine(app);
    snprintf(text, bytes, " Runs  %zu%s%s", count_of(s), s->list && s->list->more ? "+" : "",
             s->list && s->list->partitions_answered < s->list->partitions_asked
                 ? "  INCOMPLETE: not every partition answered"
                 : "");
}

static size_t table(struct app *app, struct export_file *out)
{
    struct runs *s = mine(app);
    char when[TEXT_TIME], number[4][16];

    export_head(out, "run", "begun", "by", "undoes", "#lines", "#applied", "#refused", "#unknown",
                "state", NULL);
    for (size_t i = 0; i < count_of(s); i++) {
        const struct holdfast_run *run = run_of(s, i);
        snprintf(number[0], sizeof number[0], "%u", run->lines - run->blank);
        snprintf(number[1], sizeof number[1], "%u", run->applied);
        snprintf(number[2], sizeof number[2], "%u", run->refused);
        snprintf(number[3], sizeof number[3], "%u", run->unknown);
        export_row(out, run->run, text_time(run->created_at_us, when), run->actor, run->undoes,
                   number[0], number[1], number[2], number[3],
                   run->state == HOLDFAST_RUN_DONE ? "done" : "open", NULL);
    }
    return count_of(s);
}

const struct view view_runs = {
    .id = VIEW_RUNS,
    .name = "Runs",
    .about = "bulk jobs and count lists: how far they are, what was refused",
    .state_bytes = sizeof(struct runs),
    .release = release,
    .enter = enter,
    .tick = tick,
    .draw = draw,
    .title = title,
    .key = key,
    .table = table,
    .act = act,
    .subject = subject,
};
