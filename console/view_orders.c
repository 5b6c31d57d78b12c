/* SPDX-License-Identifier: MIT
 *
 * One order: its reservations and their lines, and what may be done with each. Looked up by order
 * number or by reservation. Open reservations come from a view once a second; those that are over
 * are asked for once, at their owners, when the order is looked up or something was posted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "console/app.h"
#include "console/list.h"
#include "console/text.h"
#include "protocol/ids.h"

#define OPEN_EVERY_US 1000000
#define NEVER_US 3600000000

struct orders {
    char order[CODE_TEXT], reservation[CODE_TEXT]; /* what was looked up: one of them */
    struct holdfast_view_answer *open;
    struct holdfast_answer *all; /* of the order, over or open */
    char selected[CODE_TEXT];
    struct poll open_poll, all_poll;
};

static void drop(struct orders *s)
{
    if (s->open)
        holdfast_view_answer_free(&s->open);
    if (s->all)
        holdfast_answer_free(&s->all);
}

static void release(void *state)
{
    drop(state);
}

static struct orders *mine(struct app *app)
{
    return app->states[VIEW_ORDERS];
}

void orders_changed(struct app *app)
{
    poll_restart(&mine(app)->open_poll);
    poll_restart(&mine(app)->all_poll);
}

/* An item or an order may be called R-100. */
bool orders_reservation(const char *text)
{
    uint8_t id[RESERVATION_ID_BYTES];
    return strncasecmp(text, "R-", 2) == 0 && reservation_id_parse(text, strlen(text), id);
}

void orders_show(struct app *app, const char *text)
{
    struct orders *s = mine(app);
    bool reservation = orders_reservation(text);
    drop(s);
    s->selected[0] = '\0';
    snprintf(s->order, sizeof s->order, "%.64s", reservation ? "" : text);
    snprintf(s->reservation, sizeof s->reservation, "%.64s", reservation ? text : "");
    orders_changed(app);
    app_show(app, VIEW_ORDERS);
}

/* ------------------------------------------------------------- rows */

/* What a view says is newer than what the owners said once. */
static const struct holdfast_reservation *newest(const struct orders *s,
                                                 const struct holdfast_reservation *r)
{
    for (size_t i = 0; s->open && i < s->open->reservation_count; i++) {
        if (strcmp(s->open->reservations[i].reservation, r->reservation) == 0)
            return s->open->reservations[i].revision >= r->revision ? &s->open->reservations[i] : r;
    }
    return r;
}

static const struct holdfast_reservation *row_of(const struct orders *s, size_t i)
{
    size_t owners = s->all ? s->all->reservation_count : 0;
    if (owners > 0)
        return i < owners ? newest(s, &s->all->reservations[i]) : NULL;
    size_t open = s->open ? s->open->reservation_count : 0;
    return i < open ? &s->open->reservations[i] : NULL;
}

static int selected_row(const struct orders *s)
{
    const struct holdfast_reservation *r;
    for (size_t i = 0; (r = row_of(s, i)) != NULL; i++) {
        if (strcmp(r->reservation, s->selected) == 0)
            return (int)i;
    }
    return -1;
}

static void select_some(struct orders *s)
{
    const struct holdfast_reservation *r = row_of(s, 0);
    if (r && selected_row(s) < 0)
        snprintf(s->selected, sizeof s->selected, "%s", r->reservation);
}

static void take_open(struct app *app, struct holdfast_view_answer **answer)
{
    struct orders *s = mine(app);
    keep_view(&s->open, answer);
    select_some(s);
}

static void take_all(struct app *app, struct holdfast_answer **answer)
{
    struct orders *s = mine(app);
    keep_owner(&s->all, answer);
    select_some(s);
}

/* A reservation that is over is asked for once: its owner has to answer that. */
static bool over(const struct orders *s)
{
    const struct holdfast_reservation *r =
        s->open && s->open->reservation_count == 1 ? &s->open->reservations[0] : NULL;
    return r && s->reservation[0] &&
           (r->state == HOLDFAST_STATE_RELEASED || r->state == HOLDFAST_STATE_EXPIRED);
}

static void tick(struct app *app, int64_t now_us)
{
    struct orders *s = mine(app);
    const char *key = s->order[0] ? s->order : s->reservation;
    struct holdfast_view_query open = {.kind = s->order[0] ? HOLDFAST_VIEW_ORDERS
                                                           : HOLDFAST_VIEW_RESERVATIONS,
                                       .keys = &key,
                                       .key_count = 1};
    struct holdfast_query all = {
        .kind = HOLDFAST_QUERY_RESERVATION, .order = s->order, .limit = 100};

    (void)now_us;
    if (!key[0] || app->dialog)
        return;
    poll_view(app, &s->open_poll, &open, over(s) ? NEVER_US : OPEN_EVERY_US, take_open);
    if (s->order[0])
        poll_owner(app, &s->all_poll, &all, NEVER_US, take_all);
}

/* ------------------------------------------------------------- keys */

static bool key(struct app *app, const struct key *k)
{
    struct orders *s = mine(app);
    int step = list_step(k), row = selected_row(s) + step;
    const struct holdfast_reservation *r;

    if (!step)
        return false;
    r = row >= 0 ? row_of(s, (size_t)row) : NULL;
    if (r)
        snprintf(s->selected, sizeof s->selected, "%s", r->reservation);
    return true;
}

static bool subject(struct app *app, struct subject *out)
{
    struct orders *s = mine(app);
    int row = selected_row(s);
    if (row < 0)
        return false;
    memcpy(out->reservation, s->selected, sizeof out->reservation);
    snprintf(out->order, sizeof out->order, "%s", s->order);
    return true;
}

static uint64_t sum(const struct holdfast_reservation *r, size_t offset)
{
    uint64_t total = 0;
    for (size_t i = 0; i < r->line_count; i++)
        total += *(const uint32_t *)(const void *)((const char *)&r->lines[i] + offset);
    return total;
}

#define SUM(r, field) sum(r, offsetof(struct holdfast_reservation_line, field))

static bool allows(struct app *app, enum action action)
{
    struct orders *s = mine(app);
    int row = selected_row(s);
    const struct holdfast_reservation *r = row >= 0 ? row_of(s, (size_t)row) : NULL;

    if (!r)
        return false;
    switch (action) {
    case ACTION_RELEASE:
    case ACTION_EXTEND:
        return SUM(r, reserved) > 0;
    case ACTION_SHIP:
    case ACTION_CANCEL:
        return SUM(r, committed) > 0;
    case ACTION_RETURN:
        return SUM(r, shipped) > SUM(r, returned);
    default:
        return true;
    }
}

static void scanned(struct app *app, const char *text)
{
    orders_show(app, text);
}

/* ------------------------------------------------------------- drawing */

/* What may be done with it, in words and keys. */
static void options(const struct holdfast_reservation *r, char *text, size_t bytes)
{
    uint64_t reserved = SUM(r, reserved), committed = SUM(r, committed);
    bool shipped = SUM(r, shipped) > SUM(r, returned);
    snprintf(text, bytes, "%s%s%s%s", reserved ? "F8 release  + extend  " : "",
             committed ? "p ship  c cancel  " : "", shipped ? "t return" : "",
             !reserved && !committed && !shipped ? "nothing is left to do" : "");
}

static int draw_lines(struct canvas *c, int y, int end, const struct holdfast_reservation *r)
{
    for (size_t i = 0; i < r->line_count && y < end; i++, y++) {
        const struct holdfast_reservation_line *l = &r->lines[i];
        char text[256] = "";
        const struct {
            uint32_t count;
            const char *name;
        } all[] = {{l->reserved, "reserved"}, {l->committed, "to ship"},
                   {l->shipped, "shipped"},   {l->cancelled, "cancelled"},
                   {l->released, "released"}, {l->returned, "returned"}};
        for (size_t j = 0; j < 6; j++) {
            if (all[j].count)
                snprintf(text + strlen(text), sizeof text - strlen(text), "%u %s  ", all[j].count,
                         all[j].name);
        }
        if (c->columns < 50) {
            canvas_format(c, y, 2, c->columns - 2, STYLE_NORMAL, "%.9s %s", l->sku, text);
            continue;
        }
        canvas_cell(c, y, 3, 20, STYLE_NORMAL, l->sku);
        canvas_cell(c, y, 24, 12, STYLE_NORMAL, l->warehouse);
        canvas_format(c, y, 37, c->columns - 37, STYLE_NORMAL, "%u: %s", l->quantity, text);
    }
    return y;
}

static void draw(struct app *app, struct canvas *c, struct area area)
{
    struct orders *s = mine(app);
    int y = area.row, end = area.row + area.rows, chosen = selected_row(s);
    const struct holdfast_reservation *r;
    char clock[TEXT_NUMBER], text[200];

    for (size_t i = 0; (r = row_of(s, i)) != NULL && y < end; i++) {
        enum style style = (int)i == chosen ? STYLE_SELECTED : STYLE_NORMAL;
        int64_t left = (r->expires_at_us - app->wall_us) / 1000000;
        snprintf(text, sizeof text, "%s%s %s  %s%s%s", (int)i == chosen ? ">" : " ", r->reservation,
                 holdfast_state_name(r->state),
                 r->state == HOLDFAST_STATE_ACTIVE ? text_countdown(left, clock) : "",
                 r->actor[0] ? "  by " : "", r->actor);
        if (r->state == HOLDFAST_STATE_ACTIVE)
            app->dirty = true;
        canvas_fill(c, y, 0, c->columns, style);
        canvas_text(c, y, 0, c->columns, style, text);
        if ((int)i == chosen)
            canvas_cursor(c, y, 0);
        y = draw_lines(c, y + 1, end, r);
        options(r, text, sizeof text);
        if ((int)i == chosen && y < end)
            canvas_text(c, y++, 2, c->columns - 2, STYLE_KEY, app->readonly ? "(readonly)" : text);
    }
    if (row_of(s, 0))
        return;
    bool failed = (s->all && s->all->status != HOLDFAST_APPLIED) ||
                  (s->open && s->open->status != HOLDFAST_APPLIED);
    bool done = s->open && (s->all || s->reservation[0]);
    canvas_text(c, y, 1, c->columns - 1, STYLE_DIM,
                !s->order[0] && !s->reservation[0]
                    ? "o, then type an order or a reservation (R-...)"
                : failed ? "? could not be read now, asking again"
                : done   ? "there is no such order or reservation"
                         : "asking ...");
}

static void title(struct app *app, char *text, size_t bytes)
{
    struct orders *s = mine(app);
    snprintf(text, bytes, " Orders %s%s", s->order, s->reservation);
}

const struct view view_orders = {
    .id = VIEW_ORDERS,
    .name = "Orders",
    .about = "an order or reservation: what became of it, what may be done",
    .state_bytes = sizeof(struct orders),
    .release = release,
    .tick = tick,
    .draw = draw,
    .title = title,
    .key = key,
    .subject = subject,
    .allows = allows,
    .scanned = scanned,
};
