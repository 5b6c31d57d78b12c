/* SPDX-License-Identifier: MIT
 *
 * See panes.h.
 */
#include "console/panes.h"

#include <stdlib.h>
#include <string.h>

#include "console/brokers.h"
#include "console/events.h"
#include "console/text.h"

#define COLUMNS_LEAST 75
#define ROWS_LEAST 24
#define ROWS_MORE 30
#define ROWS_LARGE 40
#define COLUMNS_LARGE 140
#define HELD_EVERY_US 2000000
#define EVENTS_EVERY_US 1000000
#define EVENTS_KEPT 8
#define HELD_MOST 4
#define LAST_S 60
#define WORKER_SILENT_MS 3000
#define WORKERS_MOST 32
#define RATE_LEAST 10
#define HISTORY_ROWS 8
#define REST_US 700000           /* so long on an item before its history is read */
#define HISTORY_EVERY_US 5000000 /* and again when its figures have changed */
#define NEVER_US 3600000000

struct panes {
    struct holdfast_view_answer *held;
    struct poll held_poll, events_poll, history_poll;
    struct event_list events;
    struct holdfast_answer *history;
    char sku[CODE_TEXT], warehouse[CODE_TEXT]; /* whose history it is */
    uint64_t figures;
    int64_t rested_us; /* since when the selection is there */
    bool asked;
};

/* How many rows each part has, heads apart. */
struct shape {
    int above, below; /* reservations and queues; events and history */
    bool history;
};

static struct shape shape_of(const struct app *app, int rows, int columns)
{
    struct shape shape = {0};

    if (!app->settings.panes || rows < ROWS_LEAST || columns < COLUMNS_LEAST)
        return shape;
    shape.above = rows >= ROWS_LARGE ? HELD_MOST : rows >= ROWS_MORE ? 3 : 2;
    shape.below = rows >= ROWS_LARGE ? EVENTS_KEPT : rows >= ROWS_MORE ? 3 : 1;
    shape.history = rows >= ROWS_LARGE && columns >= COLUMNS_LARGE;
    return shape;
}

int panes_rows(const struct app *app, int rows, int columns)
{
    struct shape shape = shape_of(app, rows, columns);
    return shape.above ? shape.above + shape.below + 2 : 0;
}

struct panes *panes_new(void)
{
    struct panes *p = calloc(1, sizeof *p);
    if (p && !event_list_init(&p->events, EVENTS_KEPT)) {
        free(p);
        return NULL;
    }
    return p;
}

void panes_destroy(struct panes **panes)
{
    struct panes *p = *panes;

    *panes = NULL;
    if (!p)
        return;
    if (p->held)
        holdfast_view_answer_free(&p->held);
    if (p->history)
        holdfast_answer_free(&p->history);
    event_list_release(&p->events);
    free(p);
}

/* ------------------------------------------------------------- asking */

static void take_held(struct app *app, struct holdfast_view_answer **answer)
{
    if ((*answer)->status == HOLDFAST_APPLIED)
        keep_view(&app->panes->held, answer);
}

static void take_events(struct app *app, struct holdfast_view_answer **answer)
{
    if ((*answer)->events)
        (void)event_list_take(&app->panes->events, (*answer)->events, app->wall_us);
}

static void take_history(struct app *app, struct holdfast_answer **answer)
{
    if ((*answer)->status == HOLDFAST_APPLIED)
        keep_owner(&app->panes->history, answer);
    else
        app->panes->asked = false;
}

static void ask_history(struct app *app, const char *sku, const char *warehouse, uint64_t figures)
{
    struct panes *p = app->panes;
    struct holdfast_query query = {.kind = HOLDFAST_QUERY_HISTORY,
                                   .sku = p->sku,
                                   .warehouse = p->warehouse,
                                   .limit = HISTORY_ROWS};

    if (strcmp(p->sku, sku) != 0 || strcmp(p->warehouse, warehouse) != 0) {
        if (p->history)
            holdfast_answer_free(&p->history);
        snprintf(p->sku, sizeof p->sku, "%s", sku);
        snprintf(p->warehouse, sizeof p->warehouse, "%s", warehouse);
        p->rested_us = app->now_us;
        p->asked = false;
        poll_restart(&p->history_poll);
    }
    if (!p->sku[0] || app->now_us - p->rested_us < REST_US || !link_any_broker(app))
        return;
    if (p->asked && p->figures != figures && !p->history_poll.in_flight &&
        app->now_us - p->history_poll.asked_at_us > HISTORY_EVERY_US) {
        p->asked = false;
        poll_restart(&p->history_poll);
    }
    if (p->asked)
        return;
    poll_owner(app, &p->history_poll, &query, NEVER_US, take_history);
    if (p->history_poll.in_flight) {
        p->asked = true;
        p->figures = figures;
    }
}

void panes_tick(struct app *app, const char *sku, const char *warehouse, uint64_t figures)
{
    struct panes *p = app->panes;
    struct shape shape = shape_of(app, app->canvas.rows, app->canvas.columns);
    struct holdfast_view_query held = {
        .kind = HOLDFAST_VIEW_RESERVATIONS, .consistency = HOLDFAST_READ_ANY, .limit = HELD_MOST};
    struct holdfast_view_query events = {.kind = HOLDFAST_VIEW_EVENTS,
                                         .consistency = HOLDFAST_READ_ANY,
                                         .limit = EVENTS_KEPT,
                                         .instance = p->events.instance,
                                         .since = p->events.newest};

    if (!shape.above || !app->link.answered_at_us) /* the first rows do not wait for them */
        return;
    poll_view(app, &p->held_poll, &held, HELD_EVERY_US, take_held);
    poll_view(app, &p->events_poll, &events, EVENTS_EVERY_US, take_events);
    if (shape.history)
        ask_history(app, sku, warehouse, figures);
    if (p->held && p->held->reservation_count > 0)
        app->dirty = true; /* the countdown */
}

/* ------------------------------------------------------------- drawing */

static void draw_head(struct canvas *c, int y, int x, int width, const char *text)
{
    for (int i = 0; i < width; i++)
        canvas_text(c, y, x + i, 1, STYLE_TITLE, "-");
    canvas_format(c, y, x + 1, width - 2, STYLE_TITLE, " %s ", text);
}

/* Seconds are counted in the last minute alone: until then an idle screen stays as it is. */
static const char *until_words(const struct app *app, const struct holdfast_reservation *r,
                               char text[TEXT_NUMBER])
{
    int64_t left = (r->expires_at_us - app->wall_us) / 1000000;
    char clock[TEXT_NUMBER];

    if (left < 0)
        return "due     ";
    if (left < LAST_S)
        return text_countdown(left, text);
    snprintf(text, TEXT_NUMBER, left < 86400 ? "to %.5s" : "in %.5s",
             left < 86400 ? text_clock(r->expires_at_us, clock) : text_countdown(left, clock));
    return text;
}

static void draw_held(struct app *app, struct canvas *c, struct area area, int width)
{
    const struct holdfast_view_answer *held = app->panes->held;
    char head[64], when[TEXT_NUMBER], line[256], number[TEXT_NUMBER];

    snprintf(head, sizeof head, "Expiring reservations%s%s%s", held ? " (" : "",
             held ? text_number((int64_t)held->matched, number) : "", held ? ")" : "");
    draw_head(c, area.row, 0, width, head);
    for (int i = 0; held && i < area.rows && i < (int)held->reservation_count; i++) {
        const struct holdfast_reservation *r = &held->reservations[i];
        const struct holdfast_reservation_line *l = r->line_count ? &r->lines[0] : NULL;
        int64_t left = (r->expires_at_us - app->wall_us) / 1000000;
        snprintf(line, sizeof line, "%s %s x%u  %s  %s", until_words(app, r, when),
                 l ? l->sku : "?", l ? l->reserved : 0, r->order, r->actor);
        canvas_cell(c, area.row + 1 + i, 1, width - 2,
                    !link_reads(app) ? STYLE_DIM
                    : left < LAST_S  ? STYLE_WARN
                                     : STYLE_NORMAL,
                    line);
    }
    if (held && held->reservation_count == 0)
        canvas_text(c, area.row + 1, 1, width - 2, STYLE_DIM, "nothing is reserved now");
}

static uint32_t oldest_of(const Hf__BrokerState *state)
{
    uint32_t oldest = 0;
    for (size_t i = 0; i < state->n_partition_states; i++) {
        if (state->partition_states[i]->oldest_ms > oldest)
            oldest = state->partition_states[i]->oldest_ms;
    }
    return oldest;
}

static bool is_trouble(const Hf__WorkerState *w)
{
    return w->silent_ms >= WORKER_SILENT_MS || w->credit == 0;
}

/* Who takes nothing more, or is silent, stands in front; otherwise by name, so that nothing moves
 * when nothing happens. */
static int compare_workers(const void *a, const void *b)
{
    const Hf__WorkerState *x = *(Hf__WorkerState *const *)a, *y = *(Hf__WorkerState *const *)b;
    size_t shorter = x->name.len < y->name.len ? x->name.len : y->name.len;

    if (is_trouble(x) != is_trouble(y))
        return is_trouble(x) ? -1 : 1;
    int order = shorter ? memcmp(x->name.data, y->name.data, shorter) : 0;
    return order ? order : (x->name.len > y->name.len) - (x->name.len < y->name.len);
}

static void words_of_workers(const Hf__BrokerState *state, char *text, size_t bytes)
{
    Hf__WorkerState *sorted[WORKERS_MOST];
    size_t count = state->n_workers < WORKERS_MOST ? state->n_workers : WORKERS_MOST, used = 0;

    text[0] = '\0';
    if (count == 0)
        return;
    memcpy(sorted, state->workers, count * sizeof sorted[0]);
    qsort(sorted, count, sizeof sorted[0], compare_workers);
    for (size_t i = 0; i < count && used + 1 < bytes; i++) {
        const Hf__WorkerState *w = sorted[i];
        int wrote = w->silent_ms >= WORKER_SILENT_MS
                        ? snprintf(text + used, bytes - used, "%.*s SILENT %us!  ",
                                   (int)w->name.len, (char *)w->name.data, w->silent_ms / 1000)
                        : snprintf(text + used, bytes - used, "%.*s %s  ", (int)w->name.len,
                                   (char *)w->name.data, w->credit ? "ok" : "credit 0!");
        used += wrote > 0 ? (size_t)wrote : 0;
    }
}

static int draw_broker(struct app *app, struct canvas *c, struct area area, int x, size_t i, int y)
{
    const Hf__BrokerState *state = broker_watch_state(app->watch, i);
    int width = c->columns - x, end = area.row + 1 + area.rows, at;
    char depth[TEXT_NUMBER], rate[TEXT_NUMBER], text[256], graph[SAMPLES * 4 + 1];
    const int64_t *samples = brokers_samples(app, i)->depth.samples;
    int64_t most = 0;

    if (y >= end)
        return y;
    if (!state || !link_broker_ok(app, i)) {
        canvas_format(c, y, x, width, state ? STYLE_BAD : STYLE_DIM, "broker %zu: %s", i + 1,
                      state ? "SILENT" : "not heard of yet");
        return y + 1;
    }
    uint32_t oldest = oldest_of(state);
    at = x + canvas_format(c, y, x, width, oldest > 1000 ? STYLE_WARN : STYLE_NORMAL,
                           "depth %s  oldest %u.%us  ",
                           text_number((int64_t)(state->queued + state->in_flight), depth),
                           oldest / 1000, oldest / 100 % 10);
    if (state->rate >= RATE_LEAST) /* less are the consoles' own questions */
        at += canvas_format(c, y, at, c->columns - at, STYLE_NORMAL, "%s/s  ",
                            text_number(state->rate, rate));
    for (size_t s = 0; s < SAMPLES; s++)
        most = samples[s] > most ? samples[s] : most;
    if (most > 0 && c->columns - at > 8) { /* a line of nothings says nothing */
        size_t count = (size_t)(c->columns - at) < SAMPLES ? (size_t)(c->columns - at) : SAMPLES;
        text_sparkline(samples + SAMPLES - count, count, c->ascii, graph, sizeof graph);
        canvas_text(c, y, at, (int)count, STYLE_GOOD, graph);
    }
    if (++y >= end)
        return y;
    words_of_workers(state, text, sizeof text);
    canvas_cell(c, y, x, width, strchr(text, '!') ? STYLE_WARN : STYLE_NORMAL, text);
    return y + 1;
}

static void draw_queues(struct app *app, struct canvas *c, struct area area, int x)
{
    int y = area.row + 1;

    draw_head(c, area.row, x, c->columns - x, "Queues / workers");
    for (size_t i = 0; i < app->config.broker_count; i++)
        y = draw_broker(app, c, area, x + 1, i, y);
}

static void draw_events(struct app *app, struct canvas *c, struct area area, int width)
{
    const struct event_list *events = &app->panes->events;
    char clock[TEXT_NUMBER], change[64], signals[64], who[512], line[1024];

    draw_head(c, area.row, 0, width, "Events");
    for (int i = 0; i < area.rows && i < (int)events->count; i++) {
        const struct event_line *e = &events->lines[i];
        int y = area.row + 1 + i;
        if (e->kind != EVENT_LINE_MOVEMENT) {
            event_gap(e, line, sizeof line);
        } else {
            event_who(e, who, sizeof who);
            snprintf(line, sizeof line, "%s %s %s%s%s %s  %s%s", text_clock(e->at_us, clock),
                     holdfast_movement_name(e->movement), e->sku, e->warehouse[0] ? "@" : "",
                     e->warehouse, event_change(e, change), event_signals(e->signals, signals),
                     who);
        }
        bool warn = e->kind != EVENT_LINE_MOVEMENT || e->signals;
        canvas_cell(c, y, 1, width - 2,
                    !link_reads(app) ? STYLE_DIM
                    : warn           ? STYLE_WARN
                                     : STYLE_NORMAL,
                    line);
    }
}

static void draw_history(struct app *app, struct canvas *c, struct area area, int x)
{
    const struct panes *p = app->panes;
    int width = c->columns - x;
    char head[CODE_TEXT * 2 + 16], clock[TEXT_NUMBER], text[512];

    snprintf(head, sizeof head, "History %s%s%s", p->sku, p->sku[0] ? "@" : "", p->warehouse);
    draw_head(c, area.row, x, width, head);
    for (int i = 0; p->history && i < area.rows && i < (int)p->history->movement_count; i++) {
        const struct holdfast_movement *m = &p->history->movements[i];
        struct event_line e = {.on_hand_change = m->on_hand_change,
                               .reserved_change = m->reserved_change,
                               .committed_change = m->committed_change,
                               .unavailable_change = m->unavailable_change};
        char change[64], number[TEXT_NUMBER];
        snprintf(text, sizeof text, "%s %-11s %-9s %7s  %s %s %s %s %s",
                 text_clock(m->at_us, clock), holdfast_movement_name(m->kind),
                 event_change(&e, change), text_number(m->after.on_hand, number), m->actor,
                 m->reason, m->reference, m->order, m->note);
        canvas_cell(c, area.row + 1 + i, x + 1, width - 1, STYLE_NORMAL, text);
    }
    if (!p->history && p->sku[0])
        canvas_text(c, area.row + 1, x + 1, width - 1, STYLE_DIM,
                    link_any_broker(app) ? "reading the ledger ..." : "no broker: not read");
}

void panes_draw(struct app *app, struct canvas *c, struct area area)
{
    struct shape shape = shape_of(app, c->rows, c->columns);
    int half = c->columns / 2;
    struct area above = {.row = area.row, .rows = shape.above, .columns = c->columns};
    struct area below = {
        .row = area.row + shape.above + 1, .rows = shape.below, .columns = c->columns};

    draw_held(app, c, above, half);
    draw_queues(app, c, above, half);
    draw_events(app, c, below, shape.history ? half : c->columns);
    if (shape.history)
        draw_history(app, c, below, half);
}
