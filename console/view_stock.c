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
#include "console/tag.h"
#include "console/text.h"

#define AROUND 5 /* rows of the screen that are none of the list's: what is around views, heads */
#define ROWS_MAX 256 /* of a page; what one question by key may ask */
#define BACK_MAX 4096
#define PAGE_EVERY_US 3000000
#define FIGURES_EVERY_US 500000
#define OLD_US 5000000 /* a row that was not heard of for so long says so */
#define TREND_SAMPLES 10
#define TREND_EVERY_US 30000000 /* ten are five minutes; a narrow screen shows the last six */
#define WAREHOUSE_COLUMNS 8

struct row {
    char sku[CODE_TEXT], name[NAME_TEXT];
    bool known;
    struct holdfast_level level; /* texts are not used */
    uint32_t available[WAREHOUSE_COLUMNS];
    bool has[WAREHOUSE_COLUMNS];
    char latest[CODE_TEXT]; /* the warehouse where it moved last */
    int64_t heard_us;       /* it was so then or later, by the monotonic clock */
    int64_t trend[TREND_SAMPLES];
    int64_t sampled_us;
};

struct stock {
    struct row *rows;
    size_t count, wanted;
    char selected[CODE_TEXT];
    char filter[CODE_TEXT];
    enum holdfast_level_column sort;
    bool descending;
    int low; /* 0 all, 1 out of stock, 2 below safety stock */
    uint64_t matched, total;
    uint64_t first, first_wanted; /* rows before this page; before the one that is asked for */
    bool counted;                 /* matched and total are told */
    char *cursor, *next;          /* of this page (NULL: the first), of the one after it */
    char *back[BACK_MAX];
    size_t back_count;
    bool select_last; /* of the page that is on its way */
    bool turning;     /* a page is on its way: keys wait, so that none is lost */
    struct poll page, figures;
    bool failed;
    char fault[256];
    uint32_t shown_question; /* generation of the poll that brought the rows */
};

static void *make(struct app *app)
{
    struct stock *s = calloc(1, sizeof *s);
    (void)app;
    if (s && !(s->rows = calloc(ROWS_MAX, sizeof *s->rows))) {
        free(s);
        return NULL;
    }
    return s;
}

static void destroy(void *state)
{
    struct stock *s = state;
    for (size_t i = 0; i < s->back_count; i++)
        free(s->back[i]);
    free(s->cursor);
    free(s->next);
    free(s->rows);
    free(s);
}

static struct stock *mine(struct app *app)
{
    return app->states[VIEW_STOCK];
}

static int selected_row(const struct stock *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if (strcmp(s->rows[i].sku, s->selected) == 0)
            return (int)i;
    }
    return -1;
}

static void select_row(struct stock *s, size_t i)
{
    if (i < s->count)
        memcpy(s->selected, s->rows[i].sku, sizeof s->selected);
}

/* ------------------------------------------------------------- answers */

static void take_sample(struct row *row, int64_t now_us)
{
    if (row->sampled_us && now_us - row->sampled_us < TREND_EVERY_US) {
        row->trend[TREND_SAMPLES - 1] = row->known ? (int64_t)row->level.available : -1;
        return;
    }
    memmove(row->trend, row->trend + 1, sizeof row->trend[0] * (TREND_SAMPLES - 1));
    row->trend[TREND_SAMPLES - 1] = row->known ? (int64_t)row->level.available : -1;
    row->sampled_us = now_us;
}

static void fill_stock(struct app *app, struct row *row, const struct holdfast_view_stock *stock)
{
    row->known = stock->knowledge == HOLDFAST_KNOWLEDGE_KNOWN && stock->exists;
    if (!row->known)
        return;
    if (stock->item)
        snprintf(row->name, sizeof row->name, "%s", stock->item->name);
    row->level = stock->total;
    row->heard_us = app->now_us - stock->age_us;
    memset(row->has, 0, sizeof row->has);
    uint64_t newest = 0; /* versions of one sku are of one partition */
    for (size_t i = 0; i < stock->level_count; i++) {
        const struct holdfast_level *level = &stock->levels[i];
        if (level->version > newest) {
            newest = level->version;
            snprintf(row->latest, sizeof row->latest, "%s", level->warehouse);
        }
        if (app->warehouse[0] && strcmp(level->warehouse, app->warehouse) == 0) {
            uint32_t reorder = row->level.reorder_point;
            row->level = *level;
            if (!row->level.reorder_point)
                row->level.reorder_point = reorder;
        }
        for (size_t w = 0; w < app->warehouses.count && w < WAREHOUSE_COLUMNS; w++) {
            if (strcmp(app->warehouses.codes[w], level->warehouse) == 0) {
                row->has[w] = true;
                row->available[w] = level->available;
            }
        }
    }
}

/* Rows of the page before keep what is known of their trend. */
static void begin_row(const struct row *old, size_t old_count, struct row *row, const char *sku)
{
    memset(row, 0, sizeof *row);
    snprintf(row->sku, sizeof row->sku, "%s", sku);
    memset(row->trend, 0xff, sizeof row->trend);
    for (size_t i = 0; i < old_count; i++) {
        if (strcmp(old[i].sku, sku) == 0) {
            memcpy(row->trend, old[i].trend, sizeof row->trend);
            row->sampled_us = old[i].sampled_us;
        }
    }
}

static void fill_rows(struct app *app, struct stock *s, const struct holdfast_view_answer *answer)
{
    struct row *old = s->rows, *rows = calloc(ROWS_MAX, sizeof *rows);
    size_t count = app->warehouse[0] ? answer->level_count : answer->stock_count;

    if (!rows)
        return;
    count = count < ROWS_MAX ? count : ROWS_MAX;
    for (size_t i = 0; i < count; i++) {
        if (app->warehouse[0]) {
            const struct holdfast_view_level *level = &answer->levels[i];
            begin_row(old, s->count, &rows[i], level->level.sku);
            rows[i].level = level->level;
            rows[i].known = true;
            rows[i].heard_us = app->now_us - answer->age_us;
            snprintf(rows[i].name, sizeof rows[i].name, "%s", level->name);
        } else {
            begin_row(old, s->count, &rows[i], answer->stock[i].sku);
            fill_stock(app, &rows[i], &answer->stock[i]);
        }
        take_sample(&rows[i], app->now_us);
    }
    free(old);
    s->rows = rows;
    s->count = count;
}

static void go_first(struct stock *s)
{
    while (s->back_count > 0)
        free(s->back[--s->back_count]);
    free(s->cursor);
    s->cursor = NULL;
    s->first_wanted = 0;
    poll_restart(&s->page);
}

static void take_page(struct app *app, struct holdfast_view_answer **answer)
{
    struct stock *s = mine(app);
    const struct holdfast_view_answer *a = *answer;

    s->failed = a->status != HOLDFAST_APPLIED;
    snprintf(s->fault, sizeof s->fault, "%s",
             a->message[0] ? a->message : holdfast_status_text(a->status));
    if (s->failed) {
        if (a->status == HOLDFAST_INVALID && s->cursor)
            go_first(s); /* the place is gone, not the view */
        return;
    }
    /* What was on the screen and is not known now stays there, as ?: only another question, or
     * knowing it again, takes it away. */
    if (a->unknown_partitions == 0 || s->count == 0 || s->shown_question != s->page.generation)
        fill_rows(app, s, a);
    s->shown_question = s->page.generation;
    free(s->next);
    s->next = a->cursor ? strdup(a->cursor) : NULL;
    s->first = s->first_wanted;
    s->matched = a->matched;
    s->total = a->total;
    s->counted = a->view[0] != '\0';
    if (s->count > 0 && (s->select_last || (!s->selected[0] || selected_row(s) < 0)))
        if (!app->dialog)
            select_row(s, s->select_last ? s->count - 1 : 0);
    s->select_last = false;
}

static void take_figures(struct app *app, struct holdfast_view_answer **answer)
{
    struct stock *s = mine(app);
    for (size_t i = 0; i < (*answer)->stock_count; i++) {
        const struct holdfast_view_stock *stock = &(*answer)->stock[i];
        for (size_t j = 0; j < s->count; j++) {
            if (strcmp(s->rows[j].sku, stock->sku) == 0) {
                fill_stock(app, &s->rows[j], stock);
                take_sample(&s->rows[j], app->now_us);
            }
        }
    }
}

static size_t rows_of(int rows)
{
    return rows < 1 ? 1 : rows > ROWS_MAX ? ROWS_MAX : (size_t)rows;
}

static int list_rows(const struct app *app)
{
    return app->canvas.rows - AROUND - panes_rows(app, app->canvas.rows, app->canvas.columns);
}

/* The history that goes with the selection is that of the level that moved last. */
static void tick_panes(struct app *app)
{
    const struct stock *s = mine(app);
    int row = selected_row(s);
    const struct holdfast_level *l = row < 0 ? NULL : &s->rows[row].level;
    const char *warehouse = app->warehouse[0] ? app->warehouse : l ? s->rows[row].latest : "";
    uint64_t figures = l ? ((uint64_t)l->on_hand << 32 | l->reserved) ^
                               ((uint64_t)l->committed << 40 | (uint64_t)l->unavailable << 16)
                         : 0;

    panes_tick(app, l && warehouse[0] ? s->selected : "", warehouse, figures);
}

void stock_question(struct app *app, struct holdfast_view_query *query)
{
    const struct stock *s = mine(app);

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
    struct stock *s = mine(app);
    const char *keys[ROWS_MAX];
    struct holdfast_view_query page;
    struct holdfast_view_query figures = {.kind = HOLDFAST_VIEW_STOCK,
                                          .consistency = HOLDFAST_READ_ANY,
                                          .keys = keys,
                                          .key_count = s->count};
    (void)now_us;
    if (s->wanted == 0) { /* before the first frame: as draw() will find it */
        s->wanted = rows_of(list_rows(app));
    }
    stock_question(app, &page);
    page.limit = (uint32_t)s->wanted;
    page.cursor = s->cursor;
    for (size_t i = 0; i < s->count; i++)
        keys[i] = s->rows[i].sku;
    if (!app->dialog || s->count == 0) /* the order does not change under an open form */
        poll_view(app, &s->page, &page, PAGE_EVERY_US, take_page);
    if (s->turning && !s->page.in_flight)
        s->turning = app->looking = false;
    if (s->count > 0)
        poll_view(app, &s->figures, &figures, FIGURES_EVERY_US, take_figures);
    tick_panes(app);
}

/* ------------------------------------------------------------- drawing */

struct column {
    const char *head;
    int width; /* 0: not shown */
    enum holdfast_level_column sort;
};

enum {
    COL_SKU,
    COL_ITEM,
    COL_ON_HAND,
    COL_RESERVED,
    COL_COMMITTED,
    COL_UNAVAILABLE,
    COL_SAFETY,
    COL_AVAILABLE,
    COL_TREND,
    COLS
};

static bool tiny(int columns)
{
    return columns < 40;
}

static int left_of(int columns)
{
    return tiny(columns) ? 1 : 2;
}

/* What fits: figures first, then the name takes what is left. */
static void lay_out(const struct app *app, int columns, struct column out[COLS])
{
    const struct settings_columns *s = &app->settings.stock;
    bool wide = columns >= 60;
    const struct column all[COLS] = {
        [COL_SKU] = {"SKU",
                     columns >= 100  ? 20
                     : tiny(columns) ? 9
                                     : 12,
                     HOLDFAST_BY_SKU},
        [COL_ITEM] = {"ITEM", 0, HOLDFAST_BY_NAME},
        [COL_ON_HAND] = {"ON-HAND", wide && s->on_hand ? 8 : 0, HOLDFAST_BY_ON_HAND},
        [COL_RESERVED] = {"RESVD", wide && s->reserved ? 7 : 0, HOLDFAST_BY_RESERVED},
        [COL_COMMITTED] = {"COMTD", wide && s->committed ? 7 : 0, HOLDFAST_BY_COMMITTED},
        [COL_UNAVAILABLE] = {"ASIDE", wide && (s->unavailable || columns >= 110) ? 7 : 0,
                             HOLDFAST_BY_UNAVAILABLE},
        [COL_SAFETY] = {"SAFETY", wide && (s->safety || columns >= 110) ? 7 : 0,
                        HOLDFAST_BY_SAFETY_STOCK},
        [COL_AVAILABLE] = {"AVAIL",
                           !s->available   ? 0
                           : tiny(columns) ? 4
                                           : 7,
                           HOLDFAST_BY_AVAILABLE},
        [COL_TREND] = {"TREND",
                       !s->trend || columns < 75 ? 0
                       : columns < 100           ? 6
                                                 : TREND_SAMPLES,
                       HOLDFAST_BY_SKU},
    };
    int used = left_of(columns) + 5; /* the mark of the selection, and the word at the end */
    memcpy(out, all, sizeof all);
    for (int i = 0; i < COLS; i++)
        used += out[i].width ? out[i].width + 1 : 0;
    if (s->item && columns - used >= 8)
        out[COL_ITEM].width = columns - used - 1 < 44 ? columns - used - 1 : 44;
}

static const char *mark_of(const struct app *app, const struct row *row, enum style *style)
{
    const struct holdfast_level *l = &row->level;
    *style = STYLE_WARN;
    if (!row->known)
        return "?";
    if (app->now_us - row->heard_us > OLD_US)
        return "OLD";
    *style = STYLE_BAD;
    if (l->shortfall > 0)
        return "SHRT";
    if (l->available == 0)
        return "OUT!";
    *style = STYLE_WARN;
    return l->reorder_point > 0 && l->available <= l->reorder_point ? "LOW!" : "";
}

static void figure(struct canvas *c, int y, int x, const struct column *column, enum style style,
                   bool known, uint32_t value)
{
    char text[TEXT_NUMBER];
    canvas_right(c, y, x, column->width, style, known ? text_number(value, text) : "?");
}

/* Where four digits are room enough for most, more of them push the word behind them aside. */
static int tiny_figure(struct canvas *c, int y, int x, enum style style, const struct row *row)
{
    char text[16] = "?";
    if (row->known)
        snprintf(text, sizeof text, "%u", row->level.available);
    int width = (int)strlen(text) < 4 ? 4 : (int)strlen(text);
    canvas_right(c, y, x, width, style, text);
    return width + 1;
}

static void draw_row(struct app *app, struct canvas *c, const struct column *columns, int y,
                     const struct row *row, bool selected)
{
    enum style warn, style = selected ? STYLE_SELECTED : STYLE_NORMAL;
    const char *mark = mark_of(app, row, &warn);
    const struct holdfast_level *l = &row->level;
    const uint32_t values[COLS] = {
        [COL_ON_HAND] = l->on_hand,     [COL_RESERVED] = l->reserved,
        [COL_COMMITTED] = l->committed, [COL_UNAVAILABLE] = l->unavailable,
        [COL_SAFETY] = l->safety_stock, [COL_AVAILABLE] = l->available};
    int x = left_of(c->columns);

    if (!selected && (!link_reads(app) || app->now_us - row->heard_us > OLD_US))
        style = STYLE_DIM;
    canvas_fill(c, y, 0, c->columns, style);
    bool tagged = tag_has(app, row->sku);
    canvas_text(c, y, 0, 1, style, tagged && x == 1 ? "*" : selected ? ">" : " ");
    if (tagged)
        canvas_text(c, y, x - 1, 1, style, "*");
    for (int i = 0; i < COLS; i++) {
        if (!columns[i].width)
            continue;
        if (i == COL_AVAILABLE && tiny(c->columns)) {
            x += tiny_figure(c, y, x, style, row);
            continue;
        }
        if (i == COL_SKU || i == COL_ITEM) {
            canvas_cell(c, y, x, columns[i].width, style, i == COL_SKU ? row->sku : row->name);
        } else if (i == COL_TREND) {
            char line[TREND_SAMPLES * 4 + 1];
            size_t count = (size_t)columns[i].width;
            text_sparkline(row->trend + TREND_SAMPLES - count, count, c->ascii, line, sizeof line);
            canvas_text(c, y, x, columns[i].width, style, line);
        } else {
            figure(c, y, x, &columns[i], style, row->known, values[i]);
        }
        x += columns[i].width + 1;
    }
    canvas_text(c, y, x, 5, selected ? STYLE_SELECTED : warn, mark);
    x += 5;
    for (size_t w = 0; !app->warehouse[0] && w < app->warehouses.count && w < WAREHOUSE_COLUMNS &&
                       x + 9 <= c->columns;
         w++, x += 10) {
        const struct column column = {.width = 9};
        if (row->has[w] || !row->known)
            figure(c, y, x, &column, style, row->known, row->available[w]);
    }
}

static void draw_heads(struct app *app, struct canvas *c, const struct column *columns, int y)
{
    struct stock *s = mine(app);
    int x = left_of(c->columns);
    canvas_fill(c, y, 0, c->columns, STYLE_TITLE);
    for (int i = 0; i < COLS; i++) {
        char head[32];
        if (!columns[i].width)
            continue;
        bool sorted = i != COL_TREND && columns[i].sort == s->sort;
        snprintf(head, sizeof head, "%s%s", columns[i].head,
                 !sorted         ? ""
                 : s->descending ? "v"
                                 : "^");
        if (i == COL_SKU || i == COL_ITEM || i == COL_TREND)
            canvas_cell(c, y, x, columns[i].width, STYLE_TITLE, head);
        else if (tiny(c->columns))
            canvas_text(c, y, x - 1, 6, STYLE_TITLE, columns[i].head);
        else
            canvas_right(c, y, x, columns[i].width, STYLE_TITLE,
                         (int)strlen(head) > columns[i].width ? columns[i].head : head);
        x += columns[i].width + 1;
    }
    x += 5;
    for (size_t w = 0; !app->warehouse[0] && w < app->warehouses.count && w < WAREHOUSE_COLUMNS &&
                       x + 9 <= c->columns;
         w++, x += 10) {
        char head[10];
        snprintf(head, sizeof head, "%.9s", app->warehouses.codes[w]);
        canvas_right(c, y, x, 9, STYLE_TITLE, head);
    }
}

/* Why there is no row. A warehouse that nobody made may have been named at the start. */
static const char *why_empty(const struct app *app, const struct stock *s)
{
    bool known = !app->warehouses.known;

    if (!app->link.answered_at_us)
        return "asking a view for stock ...";
    if (s->failed)
        return s->fault;
    for (size_t i = 0; i < app->warehouses.count; i++)
        known = known || strcmp(app->warehouses.codes[i], app->warehouse) == 0;
    if (app->warehouse[0] && !known)
        return "no warehouse has this code: W chooses one";
    if (s->filter[0] || s->low)
        return "nothing is like that: / changes the filter";
    return app->warehouse[0] ? "nothing is here yet: W chooses another" : "there are no items yet";
}

static void draw(struct app *app, struct canvas *c, struct area area)
{
    struct stock *s = mine(app);
    struct column columns[COLS];
    int below = panes_rows(app, c->rows, c->columns);
    int rows = area.rows - 1 - below, chosen = selected_row(s), top = 0;

    lay_out(app, area.columns, columns);
    draw_heads(app, c, columns, area.row);
    size_t wanted = rows_of(rows);
    if (wanted != s->wanted) {
        s->wanted = wanted;
        poll_restart(&s->page);
    }
    if (chosen >= rows)
        top = chosen - rows + 1;
    for (int i = 0; i < rows && top + i < (int)s->count; i++) {
        draw_row(app, c, columns, area.row + 1 + i, &s->rows[top + i], top + i == chosen);
        if (top + i == chosen)
            canvas_cursor(c, area.row + 1 + i, 0);
    }
    if (s->count == 0) {
        canvas_text(c, area.row + 1, 2, c->columns - 2, s->failed ? STYLE_BAD : STYLE_DIM,
                    why_empty(app, s));
    }
    if (below) {
        area.row += area.rows - below;
        area.rows = below;
        panes_draw(app, c, area);
    }
}

static const char *sort_name(enum holdfast_level_column sort)
{
    switch (sort) {
    case HOLDFAST_BY_NAME:
        return "ITEM";
    case HOLDFAST_BY_ON_HAND:
        return "ON-HAND";
    case HOLDFAST_BY_RESERVED:
        return "RESVD";
    case HOLDFAST_BY_COMMITTED:
        return "COMTD";
    case HOLDFAST_BY_AVAILABLE:
        return "AVAIL";
    case HOLDFAST_BY_SHORTFALL:
        return "SHORT";
    case HOLDFAST_BY_SKU:
    case HOLDFAST_BY_WAREHOUSE:
    case HOLDFAST_BY_UNAVAILABLE:
    case HOLDFAST_BY_SAFETY_STOCK:
    case HOLDFAST_BY_REORDER_POINT:
    case HOLDFAST_BY_VERSION:
        break;
    }
    return "SKU";
}

static void title(struct app *app, char *text, size_t bytes)
{
    static const char *const low[] = {"", "  out of stock", "  below safety"};
    struct stock *s = mine(app);
    char matched[TEXT_NUMBER], total[TEXT_NUMBER], filter[CODE_TEXT + 16] = "", many[96] = "";
    const char *least = app->link.unknown_partitions ? ">= " : "";

    if (s->filter[0])
        snprintf(filter, sizeof filter, " > \"%s\"", s->filter);
    if (s->counted && (s->filter[0] || s->low || app->warehouse[0]))
        snprintf(many, sizeof many, "  %s%s of %s", least,
                 text_number((int64_t)s->matched, matched), text_number((int64_t)s->total, total));
    else if (s->counted)
        snprintf(many, sizeof many, "  %s%s", least, text_number((int64_t)s->total, total));
    char tagged[32] = "";
    if (tag_count(app))
        snprintf(tagged, sizeof tagged, "  tagged %zu", tag_count(app));
    snprintf(text, bytes, " Stock%s%s%s%s  from %llu  sort %s%s", filter, many, low[s->low], tagged,
             (unsigned long long)s->first + 1, sort_name(s->sort), s->descending ? "v" : "^");
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
    struct stock *s = mine(app);
    int chosen = selected_row(s);

    switch (k->code) {
    case K_DOWN:
    case K_WHEEL_DOWN:
    case 'j':
        if (chosen + 1 < (int)s->count)
            select_row(s, (size_t)(chosen + 1));
        else
            next_page(app, s);
        return true;
    case K_UP:
    case K_WHEEL_UP:
    case 'k':
        if (chosen > 0)
            select_row(s, (size_t)(chosen - 1));
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
        s->selected[0] = '\0';
        go_first(s);
        return true;
    case K_END:
        if (s->count > 0)
            select_row(s, s->count - 1);
        return true;
    case K_CLICK:
        if (k->row >= 3 && k->row < 3 + list_rows(app))
            select_row(s, (size_t)(k->row - 3));
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
    struct stock *s = mine(app);

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
        next_warehouse(app);
        break;
    default:
        return false;
    }
    go_first(s);
    return true;
}

void stock_list(struct app *app, const char *name)
{
    struct stock *s = mine(app);
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
    struct stock *s = mine(app);
    memcpy(out->sku, s->selected, sizeof out->sku);
    memcpy(out->warehouse, app->warehouse, sizeof out->warehouse);
    return s->selected[0] != '\0';
}

const struct view view_stock = {
    .id = VIEW_STOCK,
    .name = "Stock",
    .about = "what is there, per item or per warehouse; filter, sort, and correct it",
    .make = make,
    .destroy = destroy,
    .tick = tick,
    .draw = draw,
    .title = title,
    .key = key,
    .act = act,
    .subject = subject,
};
