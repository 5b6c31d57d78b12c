/* SPDX-License-Identifier: MIT
 *
 * Reservations that run out next, with a countdown. Release gives them back, extend lets them live
 * longer, Enter shows the order.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/app.h"
#include "console/export.h"
#include "console/list.h"
#include "console/tag.h"
#include "console/text.h"

#define PAGE_EVERY_US 1000000
#define ROWS_MAX 200

struct reservations {
    struct holdfast_view_answer *page;
    char selected[CODE_TEXT];
    struct poll poll;
    size_t wanted;
};

static bool init(void *state)
{
    ((struct reservations *)state)->wanted = 20;
    return true;
}

static void release(void *state)
{
    struct reservations *s = state;
    if (s->page)
        holdfast_view_answer_free(&s->page);
}

static struct reservations *mine(struct app *app)
{
    return app->states[VIEW_RESERVATIONS];
}

static void enter(struct app *app)
{
    poll_restart(&mine(app)->poll);
}

void reservations_changed(struct app *app)
{
    poll_restart(&mine(app)->poll);
}

static size_t count_of(const struct reservations *s)
{
    return s->page ? s->page->reservation_count : 0;
}

static int selected_row(const struct reservations *s)
{
    for (size_t i = 0; i < count_of(s); i++) {
        if (strcmp(s->page->reservations[i].reservation, s->selected) == 0)
            return (int)i;
    }
    return -1;
}

static void select_row(struct reservations *s, size_t i)
{
    if (i < count_of(s))
        snprintf(s->selected, sizeof s->selected, "%s", s->page->reservations[i].reservation);
}

/* The list does not move under an open form, and one that is gone is not replaced by its
 * neighbour without a word: its place is kept by nobody. */
static void take_page(struct app *app, struct holdfast_view_answer **answer)
{
    struct reservations *s = mine(app);
    if ((*answer)->status != HOLDFAST_APPLIED)
        return;
    keep_view(&s->page, answer);
    if (!s->selected[0])
        select_row(s, 0);
}

static void tick(struct app *app, int64_t now_us)
{
    struct reservations *s = mine(app);
    struct holdfast_view_query page = {.kind = HOLDFAST_VIEW_RESERVATIONS,
                                       .limit = (uint32_t)s->wanted};
    (void)now_us;
    if (!app->dialog)
        poll_view(app, &s->poll, &page, PAGE_EVERY_US, take_page);
    if (count_of(s) > 0)
        app->dirty = true; /* the countdown */
}

static bool key(struct app *app, const struct key *k)
{
    struct reservations *s = mine(app);
    int row = selected_row(s);

    if (!list_move(k, (int)count_of(s), &row))
        return false;
    select_row(s, (size_t)row);
    return true;
}

static bool subject(struct app *app, struct subject *out)
{
    struct reservations *s = mine(app);
    int row = selected_row(s);
    if (row < 0)
        return false;
    memcpy(out->reservation, s->selected, sizeof out->reservation);
    snprintf(out->order, sizeof out->order, "%s", s->page->reservations[row].order);
    return true;
}

static bool act(struct app *app, enum action action)
{
    struct reservations *s = mine(app);
    if (action != ACTION_OPEN)
        return false;
    if (selected_row(s) >= 0)
        orders_show(app, s->selected);
    return true;
}

/* What the settings want of it, from column 12 on; the last has the rest. */
static void draw_columns(const struct app *app, struct canvas *c, int y, enum style style,
                         const char *reservation, const char *what, const char *order,
                         const char *by)
{
    const struct columns_reservations *wanted = &app->settings.columns.reservations;
    const struct {
        bool shown;
        int width;
        const char *text;
    } all[] = {{wanted->reservation, 20, reservation},
               {wanted->what, c->columns < 70 ? 14 : 24, what},
               {wanted->order, c->columns < 100 ? 12 : 32, order},
               {wanted->by, CANVAS_COLUMNS_MAX, by}};
    int x = 12;

    for (size_t i = 0; i < sizeof all / sizeof all[0] && x < c->columns; i++) {
        if (!all[i].shown)
            continue;
        int width = all[i].width < c->columns - x ? all[i].width : c->columns - x;
        canvas_cell(c, y, x, width, style, all[i].text);
        x += all[i].width + 1;
    }
}

static void draw_row(struct app *app, struct canvas *c, int y, const struct holdfast_reservation *r,
                     bool chosen)
{
    int64_t left = (r->expires_at_us - app->wall_us) / 1000000;
    enum style style = chosen ? STYLE_SELECTED : !link_reads(app) ? STYLE_DIM : STYLE_NORMAL;
    bool soon = left < 60;
    char clock[TEXT_NUMBER], what[256];
    const struct holdfast_reservation_line *l = r->line_count ? &r->lines[0] : NULL;

    snprintf(what, sizeof what, "%s x%u%s", l ? l->sku : "", l ? l->reserved : 0, "");
    if (r->line_count > 1)
        snprintf(what + strlen(what), sizeof what - strlen(what), " +%zu", r->line_count - 1);
    canvas_fill(c, y, 0, c->columns, style);
    bool tagged = tag_has(app, r->reservation);
    canvas_text(c, y, 0, 1, style, tagged && c->columns < 50 ? "*" : chosen ? ">" : " ");
    if (tagged && c->columns >= 50)
        canvas_text(c, y, 11, 1, style, "*");
    canvas_text(c, y, 1, 9, soon && !chosen ? STYLE_WARN : style,
                left < 0 ? "due" : text_countdown(left, clock));
    if (c->columns < 50) {
        canvas_cell(c, y, 10, c->columns - 10, style, what);
        return;
    }
    canvas_text(c, y, 10, 1, soon && !chosen ? STYLE_WARN : style, soon ? "!" : " ");
    draw_columns(app, c, y, style, r->reservation, what, r->order, r->actor);
}

static void draw(struct app *app, struct canvas *c, struct area area)
{
    struct reservations *s = mine(app);
    int rows = area.rows - 1, row = selected_row(s), top = row >= rows ? row - rows + 1 : 0;

    canvas_fill(c, area.row, 0, c->columns, STYLE_TITLE);
    canvas_text(c, area.row, 1, c->columns - 1, STYLE_TITLE,
                c->columns < 50 ? "LEFT     WHAT" : "LEFT");
    if (c->columns >= 50)
        draw_columns(app, c, area.row, STYLE_TITLE, "RESERVATION", "WHAT", "ORDER", "BY");
    size_t wanted = rows < 1 ? 1 : rows > ROWS_MAX ? ROWS_MAX : (size_t)rows;
    if (wanted != s->wanted) {
        s->wanted = wanted;
        poll_restart(&s->poll);
    }
    for (int i = 0; i < rows && top + i < (int)count_of(s); i++) {
        draw_row(app, c, area.row + 1 + i, &s->page->reservations[top + i], top + i == row);
        if (top + i == row)
            canvas_cursor(c, area.row + 1 + i, 0);
    }
    if (count_of(s) == 0)
        canvas_text(c, area.row + 1, 1, c->columns - 1, STYLE_DIM,
                    s->page ? "nothing is reserved now" : "asking ...");
    else if (s->selected[0] && row < 0 && (int)count_of(s) < rows)
        canvas_format(c, area.row + 1 + (int)count_of(s), 1, c->columns - 1, STYLE_WARN,
                      "%s is over%s", c->columns < 75 ? "chosen one" : s->selected,
                      c->columns < 55 ? "" : ": move to another with Up and Down");
}

static void title(struct app *app, char *text, size_t bytes)
{
    struct reservations *s = mine(app);
    char number[TEXT_NUMBER] = "", tagged[32] = "";
    if (s->page && s->page->matched)
        text_number((int64_t)s->page->matched, number);
    if (tag_count(app))
        snprintf(tagged, sizeof tagged, "  tagged %zu", tag_count(app));
    snprintf(text, bytes, " Reservations by next expiry%s%s%s", number[0] ? "  " : "", number,
             tagged);
}

static size_t table(struct app *app, struct export_file *out)
{
    struct reservations *s = mine(app);
    char quantity[16], expires[TEXT_TIME], created[TEXT_TIME];
    size_t rows = 0;

    export_head(out, "reservation", "order", "by", "created", "expires", "sku", "warehouse",
                "#reserved", NULL);
    for (size_t i = 0; i < count_of(s); i++) {
        const struct holdfast_reservation *r = &s->page->reservations[i];
        text_time(r->created_at_us, created);
        text_time(r->expires_at_us, expires);
        for (size_t j = 0; j < r->line_count; j++, rows++) {
            snprintf(quantity, sizeof quantity, "%u", r->lines[j].reserved);
            export_row(out, r->reservation, r->order, r->actor, created, expires, r->lines[j].sku,
                       r->lines[j].warehouse, quantity, NULL);
        }
    }
    return rows;
}

const struct view view_reservations = {
    .id = VIEW_RESERVATIONS,
    .name = "Reservations",
    .about = "what is held and runs out next; release it or extend it",
    .state_bytes = sizeof(struct reservations),
    .init = init,
    .release = release,
    .enter = enter,
    .tick = tick,
    .draw = draw,
    .title = title,
    .key = key,
    .act = act,
    .subject = subject,
    .table = table,
};
