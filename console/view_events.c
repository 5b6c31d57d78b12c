/* SPDX-License-Identifier: MIT
 *
 * Events: what happens, the newest first, as the view process takes it; filtered there as one
 * types. The console asks for what is new twice a second, and gets a screen's worth at most, so a
 * busy system costs it no more than a quiet one. While the selection is on the newest line the list
 * follows; below it the lines stay where they are, and the new ones gather above.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/app.h"
#include "console/events.h"
#include "console/export.h"
#include "console/list.h"
#include "console/text.h"

#define EVERY_US 500000
#define KEPT 500
#define AT_ONCE 200 /* new lines in one answer; more are passed over, and said to be */
#define DETAIL_ROWS 3

struct events {
    struct event_list list;
    struct event_filter filter;
    char text[EVENT_FILTER_TEXT]; /* as it was typed */
    int selected, top;            /* lines of the list; selected 0: it follows */
    struct poll poll;
    bool answered;
    char fault[256]; /* why the last question was refused */
};

static bool init(void *state)
{
    return event_list_init(&((struct events *)state)->list, KEPT);
}

static void release(void *state)
{
    struct events *s = state;
    event_list_release(&s->list);
}

static struct events *mine(struct app *app)
{
    return app->states[VIEW_EVENTS];
}

static const struct event_line *selected(const struct events *s)
{
    return s->selected < (int)s->list.count ? &s->list.lines[s->selected] : NULL;
}

static void follow(struct events *s)
{
    s->selected = s->top = 0;
}

/* ------------------------------------------------------------- asking */

/* The selection is an event, never the number of a row. */
static void take(struct app *app, struct holdfast_view_answer **answer)
{
    struct events *s = mine(app);
    const struct holdfast_view_events *events = (*answer)->events;

    s->fault[0] = '\0';
    if ((*answer)->kind == HOLDFAST_KIND_REFUSED)
        snprintf(s->fault, sizeof s->fault, "%s %s", (*answer)->field, (*answer)->message);
    if (!events)
        return;
    bool following = s->selected == 0;
    size_t lines = event_list_take(&s->list, events, app->wall_us);
    s->answered = true;
    if (s->list.begun_anew)
        app_say(app, STYLE_WARN, "another view answers: its events take the place of those before");
    if (following || events->anew)
        follow(s);
    else {
        s->selected += (int)lines;
        s->top += (int)lines;
    }
}

/* What one reads is never pushed out from below: then nothing new is asked for. */
static bool held(const struct events *s)
{
    return s->selected > KEPT - AT_ONCE - 2;
}

static void tick(struct app *app, int64_t now_us)
{
    struct events *s = mine(app);
    struct holdfast_view_query query = {.kind = HOLDFAST_VIEW_EVENTS,
                                        .consistency = HOLDFAST_READ_ANY,
                                        .limit = AT_ONCE,
                                        .instance = s->list.instance,
                                        .since = s->list.newest};
    (void)now_us;
    event_filter_ask(&s->filter, &query);
    if (!s->filter.fault[0] && !held(s))
        poll_view(app, &s->poll, &query, EVERY_US, take);
}

static void filter_changed(struct app *app)
{
    struct events *s = mine(app);
    snprintf(s->text, sizeof s->text, "%s", app->prompt_form.fields[0].text);
    event_list_renew(&s->list);
    if (!event_filter_parse(&s->filter, s->text))
        s->list.count = 0; /* what another filter found is not shown under this one */
    follow(s);
    s->answered = false;
    poll_restart(&s->poll);
}

/* ------------------------------------------------------------- keys */

static int rows_of(const struct app *app)
{
    int rows = app->canvas.rows - 5;
    return rows > 8 ? rows - DETAIL_ROWS : rows > 1 ? rows : 1;
}

static bool key(struct app *app, const struct key *k)
{
    struct events *s = mine(app);
    int count = (int)s->list.count, row = s->selected, rows = rows_of(app);

    if (k->code == K_PAGE_DOWN || k->code == ' ' || k->code == K_PAGE_UP) {
        row += k->code == K_PAGE_UP ? -rows : rows;
        row = row >= count ? count - 1 : row;
        row = row < 0 ? 0 : row;
    } else if (!list_move(k, count, &row)) {
        return false;
    }
    s->selected = row;
    s->top = row < s->top ? row : row >= s->top + rows ? row - rows + 1 : s->top;
    if (row == 0)
        follow(s);
    return true;
}

static bool subject(struct app *app, struct subject *out)
{
    const struct event_line *line = selected(mine(app));

    if (!line || line->kind != EVENT_LINE_MOVEMENT)
        return false;
    memcpy(out->sku, line->sku, sizeof out->sku);
    memcpy(out->warehouse, line->warehouse, sizeof out->warehouse);
    memcpy(out->reservation, line->reservation, sizeof out->reservation);
    memcpy(out->order, line->order, sizeof out->order);
    out->sequence = line->sequence;
    return true;
}

static bool allows(struct app *app, enum action action)
{
    const struct event_line *line = selected(mine(app));

    if (!line)
        return false;
    if (action == ACTION_ORDER)
        return line->order[0] || line->reservation[0];
    return line->sku[0] || line->order[0] || line->reservation[0];
}

static bool act(struct app *app, enum action action)
{
    const struct event_line *line = selected(mine(app));

    if (action == ACTION_FILTER) {
        filter_changed(app);
        return true;
    }
    if ((action != ACTION_OPEN && action != ACTION_ORDER) || !line)
        return false;
    if (action == ACTION_OPEN && line->sku[0])
        item_show(app, line->sku, line->warehouse);
    else
        orders_show(app, line->reservation[0] ? line->reservation : line->order);
    return true;
}

/* ------------------------------------------------------------- drawing */

/* Widths of the columns between ITEM and what somebody wrote; ITEM is always there. */
static void draw_columns(const struct app *app, struct canvas *c, int y, enum style style,
                         const char *const texts[6], int *at)
{
    const struct columns_events *wanted = &app->settings.columns.events;
    bool wide = c->columns >= 120, narrow = c->columns < 70;
    const struct {
        bool shown;
        int width;
    } all[] = {{wanted->time, 8},
               {wanted->what, wide     ? 18
                              : narrow ? 9
                                       : 11},
               {true, wide ? 24 : 12},
               {wanted->at, wide ? 12 : 6},
               {wanted->change, wide ? 14 : 8},
               {wanted->on_hand && !narrow, wide ? 7 : 6}}; /* the detail tells what is available */

    for (size_t i = 0; i < 6; i++) {
        if (!all[i].shown)
            continue;
        if (i == 5)
            canvas_right(c, y, *at, all[i].width, style, texts[i]);
        else
            canvas_cell(c, y, *at, all[i].width, style, texts[i]);
        *at += all[i].width + 1;
    }
}

static void draw_line(const struct app *app, struct canvas *c, int y, const struct event_line *line,
                      enum style style)
{
    char clock[TEXT_NUMBER], change[64], number[TEXT_NUMBER], signals[64], text[768];
    enum style strong = style == STYLE_SELECTED ? style : STYLE_WARN;
    int at = 1;

    canvas_fill(c, y, 0, c->columns, style);
    if (line->kind != EVENT_LINE_MOVEMENT) {
        event_gap(line, text, sizeof text);
        canvas_cell(c, y, 1, c->columns - 1,
                    style == STYLE_SELECTED                 ? style
                    : line->kind == EVENT_LINE_HISTORY_LOST ? STYLE_BAD
                                                            : STYLE_WARN,
                    text);
        return;
    }
    event_change(line, change);
    if (c->columns < 50) { /* a scanner's screen: what, and by how much */
        canvas_cell(c, y, 1, c->columns - 9, style, line->sku[0] ? line->sku : line->reference);
        canvas_cell(c, y, c->columns - 7, 7, style,
                    change[0] ? change : holdfast_movement_name(line->movement));
        return;
    }
    const char *const texts[] = {text_clock(line->at_us, clock),
                                 holdfast_movement_name(line->movement),
                                 line->sku,
                                 line->warehouse,
                                 change,
                                 line->warehouse[0] ? text_number(line->on_hand, number) : ""};
    draw_columns(app, c, y, style, texts, &at);
    at += canvas_text(c, y, at, c->columns - at, strong, event_signals(line->signals, signals));
    event_who(line, text, sizeof text);
    canvas_cell(c, y, at, c->columns - at, style, text);
}

static void draw_head(const struct app *app, struct canvas *c, int y)
{
    static const char *const narrow[] = {"TIME", "WHAT", "ITEM", "AT", "CHANGE", "ON-HND"};
    static const char *const wide[] = {"TIME", "WHAT", "ITEM", "AT", "CHANGE", "ON-HAND"};
    int at = 1;

    canvas_fill(c, y, 0, c->columns, STYLE_TITLE);
    if (c->columns < 50) {
        canvas_text(c, y, 1, c->columns - 1, STYLE_TITLE, "WHAT");
        return;
    }
    draw_columns(app, c, y, STYLE_TITLE, c->columns < 120 ? narrow : wide, &at);
    canvas_text(c, y, at, c->columns - at, STYLE_TITLE,
                c->columns < 120 ? "WHO, WHY" : "WHO, WHY, REFERENCE");
}

/* Everything of the selected event, which the line may have cut. */
static void draw_detail(struct canvas *c, int y, const struct event_line *line)
{
    char who[768], what[512], change[64], signals[64];

    canvas_fill(c, y, 0, c->columns, STYLE_TITLE);
    if (!line || line->kind != EVENT_LINE_MOVEMENT)
        return;
    if (line->warehouse[0])
        snprintf(what, sizeof what, "%s %s@%s %s  %savailable %u",
                 holdfast_movement_name(line->movement), line->sku, line->warehouse,
                 event_change(line, change), event_signals(line->signals, signals),
                 line->available);
    else /* of no level: what is available is not told, and is not 0 */
        snprintf(what, sizeof what, "%s %s %s", holdfast_movement_name(line->movement), line->sku,
                 event_signals(line->signals, signals));
    canvas_cell(c, y, 1, c->columns - 1, STYLE_TITLE, what);
    event_who(line, who, sizeof who);
    canvas_cell(c, y + 1, 1, c->columns - 1, STYLE_NORMAL, who);
    canvas_format(c, y + 2, 1, c->columns - 1, STYLE_DIM, "p%u:%llu  operation %s", line->partition,
                  (unsigned long long)line->sequence, line->operation_id);
}

static void draw_nothing(struct app *app, struct canvas *c, int y)
{
    struct events *s = mine(app);
    char clock[TEXT_NUMBER];

    if (s->filter.fault[0])
        canvas_format(c, y, 1, c->columns - 1, STYLE_WARN, "! %s", s->filter.fault);
    else if (s->fault[0])
        canvas_format(c, y, 1, c->columns - 1, STYLE_WARN, "? the view does not tell events: %s",
                      s->fault);
    else if (!s->answered)
        canvas_text(c, y, 1, c->columns - 1, STYLE_DIM, "asking ...");
    else
        canvas_format(c, y, 1, c->columns - 1, STYLE_DIM, "nothing%s since %s",
                      s->text[0] ? " like this" : "", text_clock(s->list.since_us, clock));
}

static void draw(struct app *app, struct canvas *c, struct area area)
{
    struct events *s = mine(app);
    int rows = rows_of(app), y = area.row + 1;

    draw_head(app, c, area.row);
    for (int i = 0; i < rows && s->top + i < (int)s->list.count; i++, y++) {
        bool chosen = s->top + i == s->selected;
        draw_line(app, c, y, &s->list.lines[s->top + i],
                  chosen             ? STYLE_SELECTED
                  : !link_reads(app) ? STYLE_DIM
                                     : STYLE_NORMAL);
        if (chosen) {
            canvas_text(c, y, 0, 1, STYLE_SELECTED, ">");
            canvas_cursor(c, y, 0);
        }
    }
    if (s->list.count == 0)
        draw_nothing(app, c, y);
    if (rows < area.rows - 1)
        draw_detail(c, area.row + area.rows - DETAIL_ROWS, selected(s));
}

static void title(struct app *app, char *text, size_t bytes)
{
    struct events *s = mine(app);
    char clock[TEXT_NUMBER] = "";
    size_t used = (size_t)snprintf(text, bytes, " Events%s%s%s", s->text[0] ? " > filter \"" : "",
                                   s->text, s->text[0] ? "\"" : "");

    if (used >= bytes)
        return;
    if (s->selected > 0)
        snprintf(text + used, bytes - used, "  %d above%s, g follows", s->selected,
                 held(s) ? ", HELD" : "");
    else if (s->answered)
        snprintf(text + used, bytes - used, "  following, since %s",
                 text_clock(s->list.since_us, clock));
}

static void row_of(struct export_file *out, const struct event_line *line)
{
    char when[TEXT_TIME], number[4][16], change[64], signals[64], place[64];

    snprintf(place, sizeof place, "%u:%llu", line->partition, (unsigned long long)line->sequence);
    snprintf(number[0], sizeof number[0], "%d", line->on_hand_change);
    snprintf(number[1], sizeof number[1], "%u", line->on_hand);
    snprintf(number[2], sizeof number[2], "%u", line->available);
    export_row(out, text_time(line->at_us, when), holdfast_movement_name(line->movement), line->sku,
               line->warehouse, number[0], event_change(line, change),
               line->warehouse[0] ? number[1] : "", line->warehouse[0] ? number[2] : "",
               event_signals(line->signals, signals), line->actor, line->reason, line->reference,
               line->order, line->reservation, line->note, place, line->operation_id, NULL);
}

static size_t table(struct app *app, struct export_file *out)
{
    struct events *s = mine(app);
    char gap[256];

    export_head(out, "time", "what", "sku", "warehouse", "#on_hand_change", "changes", "#on_hand",
                "#available", "signals", "actor", "reason", "reference", "order", "reservation",
                "note", "position", "operation_id", NULL);
    for (size_t i = 0; i < s->list.count; i++) {
        const struct event_line *line = &s->list.lines[i];
        if (line->kind == EVENT_LINE_MOVEMENT) {
            row_of(out, line);
            continue;
        }
        event_gap(line, gap, sizeof gap);
        export_row(out, "", gap, NULL);
    }
    return s->list.count;
}

static bool filtered(struct app *app)
{
    return mine(app)->text[0] != '\0';
}

const struct view view_events = {
    .id = VIEW_EVENTS,
    .name = "Events",
    .about = "what happens, as it happens: who changed what; / filters",
    .state_bytes = sizeof(struct events),
    .init = init,
    .release = release,
    .tick = tick,
    .draw = draw,
    .title = title,
    .key = key,
    .act = act,
    .filtered = filtered,
    .allows = allows,
    .subject = subject,
    .table = table,
};
