/* SPDX-License-Identifier: MIT
 *
 * Scan: receive, count and move with a scanner, on a screen of 20x16. One question at a time,
 * large; the answer is a scan or typed. Then the form of the action opens with what was gathered,
 * and F2 posts it. A scan is answered with OK or ERR in words, and a bell.
 *
 * Keys that are no scan are typed into the line: a person without a scanner does the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "console/app.h"
#include "console/count.h"
#include "console/text.h"

enum flow { FLOW_RECEIVE, FLOW_COUNT, FLOW_MOVE, FLOWS };
enum step { STEP_WAREHOUSE, STEP_REFERENCE, STEP_ITEM };

static const struct {
    const char *name;
    enum action action;
    bool reference;
    const char *warehouse; /* what the warehouse is asked for */
} flows[FLOWS] = {
    [FLOW_RECEIVE] = {"RECEIVE", ACTION_RECEIVE, true, "Warehouse"},
    [FLOW_COUNT] = {"COUNT", ACTION_COUNT, false, "Warehouse"},
    [FLOW_MOVE] = {"MOVE", ACTION_MOVE, false, "From warehouse"},
};

struct scan_view {
    enum flow flow;
    enum step step;
    char warehouse[CODE_TEXT], reference[CODE_TEXT];
    char times[16]; /* "12" of 12* before a scan */
    struct form form;
    uint32_t done;
    char last[NAME_TEXT];
};

static struct scan_view *mine(struct app *app)
{
    return app->states[VIEW_SCAN];
}

static void clear(struct scan_view *s)
{
    memset(&s->form, 0, sizeof s->form);
    form_add(&s->form, FIELD_WORDS, "", "");
}

static bool init(void *state)
{
    clear(state);
    return true;
}

/* The list that the count flow walks; NULL: it counts whatever is scanned. */
static const struct count_list *of_list(struct app *app)
{
    return mine(app)->flow == FLOW_COUNT ? counting_list(app) : NULL;
}

static void begin(struct app *app, enum flow flow)
{
    struct scan_view *s = mine(app);
    s->flow = flow;
    s->reference[0] = s->times[0] = '\0';
    s->step = of_list(app)            ? STEP_ITEM /* the list knows where */
              : !s->warehouse[0]      ? STEP_WAREHOUSE
              : flows[flow].reference ? STEP_REFERENCE
                                      : STEP_ITEM;
    clear(s);
}

static void enter(struct app *app)
{
    struct scan_view *s = mine(app);
    if (!s->warehouse[0])
        memcpy(s->warehouse, app->warehouse, sizeof s->warehouse);
    begin(app, s->flow);
}

static void tick(struct app *app, int64_t now_us)
{
    struct scan_view *s = mine(app);
    (void)now_us;
    /* Where there is only one warehouse nobody is asked. */
    if (s->step == STEP_WAREHOUSE && app->warehouses.count == 1) {
        memcpy(s->warehouse, app->warehouses.codes[0], sizeof s->warehouse);
        begin(app, s->flow);
        app->dirty = true;
    }
}

/* ------------------------------------------------------------- answers */

static void take_warehouse(struct app *app, const char *text)
{
    struct scan_view *s = mine(app);
    for (size_t i = 0; i < app->warehouses.count; i++) {
        if (strcasecmp(app->warehouses.codes[i], text) == 0) {
            memcpy(s->warehouse, app->warehouses.codes[i], sizeof s->warehouse);
            begin(app, s->flow);
            app_say(app, STYLE_GOOD, "OK %s", app->warehouses.texts[i]);
            return;
        }
    }
    app->bell = true;
    app_say(app, STYLE_BAD, "ERR %s: no such warehouse", text);
}

static void found(struct app *app, const char *sku, const char *name)
{
    struct scan_view *s = mine(app);
    struct subject subject = {0};

    if (of_list(app)) {
        counting_scanned(app, sku, "");
        if (app->dialog)
            snprintf(s->last, sizeof s->last, "%s", sku);
        if (s->times[0])
            dialog_prefill(app, s->times, "", true);
        s->times[0] = '\0';
        return;
    }
    snprintf(subject.sku, sizeof subject.sku, "%s", sku);
    memcpy(subject.warehouse, s->warehouse, sizeof subject.warehouse);
    dialog_open(app, flows[s->flow].action, &subject);
    dialog_prefill(app, s->times, s->reference, s->flow == FLOW_COUNT);
    snprintf(s->last, sizeof s->last, "%s", sku);
    s->times[0] = '\0';
    app->bell = true;
    app_say(app, STYLE_GOOD, "OK %s %s", sku, name);
}

static void scanned(struct app *app, const char *text)
{
    struct scan_view *s = mine(app);
    const char *star = strchr(text, '*');
    size_t digits = strspn(text, "0123456789");

    clear(s);
    switch (s->step) {
    case STEP_WAREHOUSE:
        take_warehouse(app, text);
        return;
    case STEP_REFERENCE:
        if (strlen(text) >= sizeof s->reference) {
            app->bell = true;
            app_say(app, STYLE_BAD, "ERR longer than 64 letters");
            return;
        }
        snprintf(s->reference, sizeof s->reference, "%.64s", text);
        s->step = STEP_ITEM;
        return;
    case STEP_ITEM:
        break;
    }
    if (app->readonly) {
        app->bell = true;
        app_say(app, STYLE_BAD, "ERR this console is --readonly");
        return;
    }
    if (star && digits > 0 && star == text + digits && digits <= QUANTITY_DIGITS) {
        snprintf(s->times, sizeof s->times, "%.*s", (int)digits, text);
        text = star + 1;
    }
    if (text[0])
        lookup_code(app, text, false, found);
}

/* A form that this view opened was posted. */
void scan_posted(struct app *app)
{
    struct scan_view *s = mine(app);
    if (app->view == VIEW_SCAN)
        s->done++;
}

/* ------------------------------------------------------------- keys */

static bool key(struct app *app, const struct key *k)
{
    struct scan_view *s = mine(app);
    char text[FIELD_TEXT];

    if (k->code == K_ENTER) {
        snprintf(text, sizeof text, "%s", s->form.fields[0].text);
        if (text[0] || s->step == STEP_REFERENCE)
            scanned(app, text);
        return true;
    }
    if (k->code == K_ESC) {
        if (s->form.fields[0].text[0]) {
            clear(s);
        } else if (s->step == STEP_ITEM && flows[s->flow].reference) {
            s->step = STEP_REFERENCE;
        } else if (s->step != STEP_WAREHOUSE && app->warehouses.count > 1 && !of_list(app)) {
            s->step = STEP_WAREHOUSE;
        } else {
            return false;
        }
        return true;
    }
    if (k->code == K_TAB || k->code == K_UP || k->code == K_DOWN)
        return false;
    if (!form_key(&s->form, k))
        return false;
    /* 12* is taken at once: the scan comes next. */
    const char *typed = s->form.fields[0].text;
    size_t digits = strspn(typed, "0123456789");
    if (s->step == STEP_ITEM && digits > 0 && digits <= QUANTITY_DIGITS &&
        strcmp(typed + digits, "*") == 0) {
        snprintf(s->times, sizeof s->times, "%.*s", (int)digits, typed);
        clear(s);
    }
    return true;
}

static bool act(struct app *app, enum action action)
{
    if (action != ACTION_FLOW)
        return false;
    begin(app, (enum flow)((mine(app)->flow + 1) % FLOWS));
    return true;
}

/* ------------------------------------------------------------- drawing */

static void draw(struct app *app, struct canvas *c, struct area area)
{
    struct scan_view *s = mine(app);
    int y = area.row, width = c->columns - 2;
    const char *ask = s->step == STEP_WAREHOUSE   ? flows[s->flow].warehouse
                      : s->step == STEP_REFERENCE ? "Reference"
                      : c->columns < 40           ? "Scan the item"
                                                  : "Scan or type the item";
    const struct field *field = &s->form.fields[0];

    const struct count_list *list = of_list(app);
    if (list)
        canvas_format(c, y++, 1, width, STYLE_TITLE, "COUNT list %u/%u",
                      count_list_tally(list).done, list->count);
    else
        canvas_format(c, y++, 1, width, STYLE_TITLE, "%s%s%s", flows[s->flow].name,
                      s->warehouse[0] && s->step != STEP_WAREHOUSE ? " @ " : "",
                      s->step != STEP_WAREHOUSE ? s->warehouse : "");
    if (list)
        canvas_format(c, y, 1, width, STYLE_NORMAL, "next %s",
                      list->lines[counting_chosen(app) - 1].sku);
    if (s->reference[0])
        canvas_format(c, y, 1, width, STYLE_NORMAL, "ref %s", s->reference);
    y++;
    if (area.rows > 8)
        y++;
    canvas_text(c, y++, 1, width, STYLE_STRONG, ask);
    canvas_fill(c, y, 1, width < 34 ? width : 34, STYLE_FOCUS);
    if (s->times[0])
        canvas_format(c, y - 1, 1, width, STYLE_WARN, "%s x: scan the item", s->times);
    canvas_text(c, y, 1, width, STYLE_FOCUS, field->text);
    canvas_cursor(c, y, 1 + (int)text_width(field->text));
    y += area.rows > 8 ? 2 : 1;
    if (s->step == STEP_WAREHOUSE) {
        for (size_t i = 0; i < app->warehouses.count && y < area.row + area.rows - 1; i++)
            canvas_format(c, y++, 2, width - 1, STYLE_NORMAL, "%s %s", app->warehouses.codes[i],
                          c->columns > 30 ? app->warehouses.texts[i] : "");
    } else if (s->step == STEP_REFERENCE) {
        canvas_text(c, y++, 1, width, STYLE_DIM, "Enter alone: none");
    } else {
        canvas_text(c, y++, 1, width, STYLE_DIM,
                    c->columns < 40 ? "12* = 12 pieces" : "12* before a scan = 12 pieces");
    }
    if (s->done)
        canvas_format(c, y++, 1, width, STYLE_GOOD, "%u posted, last:", s->done);
    if (s->done)
        canvas_text(c, y, 1, width, STYLE_GOOD, s->last);
    canvas_text(c, area.row + area.rows - 1, 1, width, STYLE_DIM,
                c->columns < 40 ? "Tab next, Esc back" : "Tab: receive, count or move   Esc: back");
}

static void title(struct app *app, char *text, size_t bytes)
{
    (void)app;
    snprintf(text, bytes, " Scan");
}

const struct view view_scan = {
    .id = VIEW_SCAN,
    .name = "Scan",
    .about = "receive, count or move with a scanner; Tab changes",
    .state_bytes = sizeof(struct scan_view),
    .init = init,
    .enter = enter,
    .tick = tick,
    .draw = draw,
    .title = title,
    .key = key,
    .act = act,
    .scanned = scanned,
};
