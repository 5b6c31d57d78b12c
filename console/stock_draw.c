/* SPDX-License-Identifier: MIT
 *
 * Stock on the screen: which columns a width has room for, the marks of a row, why there is none,
 * and the line above. See stock.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/panes.h"
#include "console/stock.h"
#include "console/tag.h"
#include "console/text.h"

#define WAREHOUSE_CELLS 10 /* of a warehouse's column, with a blank */
#define MORE_CELLS 4       /* of "+12", the warehouses that have none */
#define CODE_CELLS 20      /* of a code, where there is room */
#define OLD_US 5000000     /* a row that was not heard of for so long says so */

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

/* What fits: figures first, then the name takes what is left, or the code. */
static void lay_out(const struct app *app, int columns, struct column out[COLS])
{
    const struct columns_stock *s = &app->settings.columns.stock;
    bool wide = columns >= 60;
    const struct column all[COLS] = {
        [COL_SKU] = {"SKU",
                     columns >= 100  ? CODE_CELLS
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
    else if (columns > used && out[COL_SKU].width < CODE_CELLS) /* a code has what is left */
        out[COL_SKU].width += columns - used < CODE_CELLS - out[COL_SKU].width
                                  ? columns - used
                                  : CODE_CELLS - out[COL_SKU].width;
}

static const char *mark_of(const struct app *app, const struct stock_row *row, enum style *style)
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
    return row->low ? "LOW!" : "";
}

static void figure(struct canvas *c, int y, int x, const struct column *column, enum style style,
                   bool known, uint32_t value)
{
    char text[TEXT_NUMBER];
    canvas_right(c, y, x, column->width, style, known ? text_number(value, text) : "?");
}

/* Where four digits are room enough for most, more of them push the word behind them aside. */
static int tiny_figure(struct canvas *c, int y, int x, enum style style,
                       const struct stock_row *row)
{
    char text[16] = "?";
    if (row->known)
        snprintf(text, sizeof text, "%u", row->level.available);
    int width = (int)strlen(text) < 4 ? 4 : (int)strlen(text);
    canvas_right(c, y, x, width, style, text);
    return width + 1;
}

/* How many warehouses have a column of their own, from x on; what tells of the others has room. */
static size_t warehouse_columns(const struct app *app, int columns, int x)
{
    size_t all = app->warehouse[0] ? 0 : app->warehouses.count;
    int room = columns + 1 - x;

    if (all <= WAREHOUSE_COLUMNS && (int)all * WAREHOUSE_CELLS <= room)
        return all;
    room = (room - MORE_CELLS) / WAREHOUSE_CELLS;
    if (room > WAREHOUSE_COLUMNS)
        room = WAREHOUSE_COLUMNS;
    return room > 0 && all > 0 ? (size_t)room : 0;
}

static void draw_row(struct app *app, struct canvas *c, const struct column *columns, int y,
                     const struct stock_row *row, bool selected)
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
    size_t shown = warehouse_columns(app, c->columns, x);
    for (size_t w = 0; w < shown; w++, x += WAREHOUSE_CELLS) {
        const struct column column = {.width = WAREHOUSE_CELLS - 1};
        if (row->has[w] || !row->known)
            figure(c, y, x, &column, style, row->known, row->available[w]);
    }
}

static void warehouse_head(struct canvas *c, int y, int x, const char *code)
{
    if (text_width(code) < WAREHOUSE_CELLS)
        canvas_right(c, y, x, WAREHOUSE_CELLS - 1, STYLE_TITLE, code);
    else
        canvas_cell(c, y, x, WAREHOUSE_CELLS - 1, STYLE_TITLE, code);
}

static void draw_heads(struct app *app, struct canvas *c, const struct column *columns, int y)
{
    struct stock *s = stock_of(app);
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
    size_t shown = warehouse_columns(app, c->columns, x);
    for (size_t w = 0; w < shown; w++, x += WAREHOUSE_CELLS)
        warehouse_head(c, y, x, app->warehouses.codes[w]);
    if (shown > 0 && shown < app->warehouses.count)
        canvas_format(c, y, x, MORE_CELLS, STYLE_TITLE, "+%zu", app->warehouses.count - shown);
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

void stock_draw(struct app *app, struct canvas *c, struct area area)
{
    struct stock *s = stock_of(app);
    struct column columns[COLS];
    int below = panes_rows(app, c->rows, c->columns);
    int rows = area.rows - 1 - below, chosen = stock_selected(s), top = 0;

    lay_out(app, area.columns, columns);
    draw_heads(app, c, columns, area.row);
    size_t wanted = stock_rows_wanted(rows);
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

void stock_title(struct app *app, char *text, size_t bytes)
{
    static const char *const low[] = {"", "  out of stock", "  below safety"};
    struct stock *s = stock_of(app);
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
