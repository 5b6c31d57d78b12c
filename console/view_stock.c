/* SPDX-License-Identifier: MIT
 *
 * Stock: a page of items, or of levels of one warehouse, live. Paging, filter and order are the
 * view process's. Two questions keep it fresh: the figures of the rows on the screen (by key,
 * cheap, twice a second) and the page itself (rarely, as it costs the view process a pass over all
 * rows).
 *
 * The selection is a sku, never the number of a row.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/count.h"
#include "console/panes.h"
#include "console/stock.h"
#include "console/tag.h"

#define AROUND 5 /* rows of the screen that are none of the list's: what is around views, heads */
#define PAGE_EVERY_US 3000000
#define FIGURES_EVERY_US 500000

static bool init(void *state)
{
    struct stock *s = state;
    s->rows = calloc(STOCK_ROWS_MAX, sizeof *s->rows);
    return s->rows != NULL;
}

static void release(void *state)
{
    struct stock *s = state;
    for (size_t i = 0; i < s->back_count; i++)
        free(s->back[i]);
    free(s->cursor);
    free(s->next);
    free(s->rows);
}

struct stock *stock_of(struct app *app)
{
    return app->states[VIEW_STOCK];
}

static int list_rows(const struct app *app)
{
    return app->canvas.rows - AROUND - panes_rows(app, app->canvas.rows, app->canvas.columns);
}

/* The history that goes with the selection is that of the level that moved last. */
static void tick_panes(struct app *app)
{
    const struct stock *s = stock_of(app);
    int row = stock_selected(s);
    const struct holdfast_level *l = row < 0 ? NULL : &s->rows[row].level;
    const char *warehouse = app->warehouse[0] ? app->warehouse : l ? s->rows[row].latest : "";
    uint64_t figures = l ? ((uint64_t)l->on_hand << 32 | l->reserved) ^
                               ((uint64_t)l->committed << 40 | (uint64_t)l->unavailable << 16)
                         : 0;

    panes_tick(app, l && warehouse[0] ? s->selected : "", warehouse, figures);
}

void stock_question(struct app *app, struct holdfast_view_query *query)
{
    const struct stock *s = stock_of(app);

    *query = (struct holdfast_view_query){.kind = HOLDFAST_VIEW_LEVELS,
                                          .consistency = HOLDFAST_READ_ANY,
                                          .warehouse = app->warehouse[0] ? app->warehouse : NULL,
                                          .by_sku = !app->warehouse[0],
                                          .text = s->filter[0] ? s->filter : NULL,
                                          .out_of_stock = s->low == 1,
                                          .below_safety = s->low == 2,
                                          .sort = s->sort,
                                          .descending = s->descending};
}

static void tick(struct app *app, int64_t now_us)
{
    struct stock *s = stock_of(app);
    const char *keys[STOCK_ROWS_MAX];
    struct holdfast_view_query page;
    struct holdfast_view_query figures = {.kind = HOLDFAST_VIEW_STOCK,
                                          .consistency = HOLDFAST_READ_ANY,
                                          .keys = keys,
                                          .key_count = s->count};
    (void)now_us;
    if (s->wanted == 0) { /* before the first frame: as draw() will find it */
        s->wanted = stock_rows_wanted(list_rows(app));
    }
    stock_question(app, &page);
    page.limit = (uint32_t)s->wanted;
    page.cursor = s->cursor;
    for (size_t i = 0; i < s->count; i++)
        keys[i] = s->rows[i].sku;
    if (!app->dialog || s->count == 0) /* the order does not change under an open form */
        poll_view(app, &s->page, &page, PAGE_EVERY_US, stock_take_page);
    if (s->turning && !s->page.in_flight)
        s->turning = app->looking = false;
    if (s->count > 0)
        poll_view(app, &s->figures, &figures, FIGURES_EVERY_US, stock_take_figures);
    tick_panes(app);
}

/* ------------------------------------------------------------- keys */

static void turn_page(struct app *app, struct stock *s)
{
    s->selected[0] = '\0';
    s->turning = app->looking = true;
    poll_restart(&s->page);
}

static void next_page(struct app *app, struct stock *s)
{
    if (!s->next || s->back_count == BACK_MAX)
        return;
    s->back[s->back_count++] = s->cursor;
    s->cursor = s->next;
    s->next = NULL;
    s->first_wanted = s->first + s->count;
    turn_page(app, s);
}

static void page_before(struct app *app, struct stock *s)
{
    if (s->back_count == 0)
        return;
    free(s->cursor);
    s->cursor = s->back[--s->back_count];
    s->first_wanted = s->first < s->wanted ? 0 : s->first - s->wanted;
    s->select_last = true;
    turn_page(app, s);
}

static bool key(struct app *app, const struct key *k)
{
    struct stock *s = stock_of(app);
    int chosen = stock_selected(s);

    switch (k->code) {
    case K_DOWN:
    case K_WHEEL_DOWN:
    case 'j':
        if (chosen + 1 < (int)s->count)
            stock_select(s, (size_t)(chosen + 1));
        else
            next_page(app, s);
        return true;
    case K_UP:
    case K_WHEEL_UP:
    case 'k':
        if (chosen > 0)
            stock_select(s, (size_t)(chosen - 1));
        else
            page_before(app, s);
        return true;
    case K_PAGE_DOWN:
        next_page(app, s);
        return true;
    case K_PAGE_UP:
        page_before(app, s);
        return true;
    case K_HOME:
    case 'g':
        stock_first_page(s);
        turn_page(app, s); /* what comes behind it moves from the first row on */
        return true;
    case K_END:
        if (s->count > 0)
            stock_select(s, s->count - 1);
        return true;
    case K_CLICK:
        if (k->row >= 3 && k->row < 3 + list_rows(app))
            stock_select(s, (size_t)(k->row - 3));
        return true;
    default:
        return false;
    }
}

static void next_sort(struct stock *s)
{
    static const enum holdfast_level_column order[] = {
        HOLDFAST_BY_SKU,       HOLDFAST_BY_NAME,      HOLDFAST_BY_ON_HAND,  HOLDFAST_BY_RESERVED,
        HOLDFAST_BY_COMMITTED, HOLDFAST_BY_AVAILABLE, HOLDFAST_BY_SHORTFALL};
    size_t count = sizeof order / sizeof order[0];
    for (size_t i = 0; i < count; i++) {
        if (order[i] == s->sort) {
            s->sort = order[(i + 1) % count];
            break;
        }
    }
    s->descending = s->sort == HOLDFAST_BY_SHORTFALL || s->sort == HOLDFAST_BY_RESERVED ||
                    s->sort == HOLDFAST_BY_COMMITTED; /* what there is most of, first */
}

static void next_warehouse(struct app *app)
{
    size_t i = 0;
    while (app->warehouse[0] && i < app->warehouses.count &&
           strcmp(app->warehouses.codes[i], app->warehouse) != 0)
        i++;
    i = app->warehouse[0] ? i + 1 : 0;
    snprintf(app->warehouse, sizeof app->warehouse, "%s",
             i < app->warehouses.count ? app->warehouses.codes[i] : "");
}

static bool act(struct app *app, enum action action)
{
    struct stock *s = stock_of(app);

    switch (action) {
    case ACTION_OPEN:
        if (s->selected[0])
            item_show(app, s->selected, app->warehouse);
        return true;
    case ACTION_FILTER: /* the prompt was opened, or changed */
        snprintf(s->filter, sizeof s->filter, "%.64s", app->prompt_form.fields[0].text);
        s->selected[0] = '\0';
        break;
    case ACTION_SORT:
        next_sort(s);
        break;
    case ACTION_REVERSE:
        s->descending = !s->descending;
        break;
    case ACTION_LOW:
        s->low = (s->low + 1) % 3;
        break;
    case ACTION_WAREHOUSE:
        if (!app->warehouse[0] && (!app->warehouses.known || app->warehouses.count == 0)) {
            app_say(app, STYLE_WARN, "%s",
                    app->warehouses.known
                        ? "there are no warehouses yet"
                        : "which warehouses there are is not known yet: a moment, "
                          "then W again");
            return true;
        }
        next_warehouse(app);
        break;
    default:
        return false;
    }
    stock_first_page(s);
    return true;
}

void stock_list(struct app *app, const char *name)
{
    struct stock *s = stock_of(app);
    struct counting_source source = {.out_of_stock = s->low == 1,
                                     .below_safety = s->low == 2,
                                     .skus = app->tags.keys,
                                     .sku_count = tag_count(app)};

    snprintf(source.text, sizeof source.text, "%s", s->filter);
    if (app->warehouse[0])
        memcpy(source.warehouse, app->warehouse, sizeof source.warehouse);
    else if (app->warehouses.count == 1)
        memcpy(source.warehouse, app->warehouses.codes[0], sizeof source.warehouse);
    counting_make(app, name, &source);
    app->tags.count = 0;
}

static bool subject(struct app *app, struct subject *out)
{
    struct stock *s = stock_of(app);
    memcpy(out->sku, s->selected, sizeof out->sku);
    memcpy(out->warehouse, app->warehouse, sizeof out->warehouse);
    return s->selected[0] != '\0';
}

static bool filtered(struct app *app)
{
    return stock_of(app)->filter[0] != '\0';
}

const struct view view_stock = {
    .id = VIEW_STOCK,
    .name = "Stock",
    .about = "what there is, per item or warehouse; filter, sort, correct",
    .state_bytes = sizeof(struct stock),
    .init = init,
    .release = release,
    .tick = tick,
    .draw = stock_draw,
    .title = stock_title,
    .key = key,
    .act = act,
    .filtered = filtered,
    .subject = subject,
};
