/* SPDX-License-Identifier: MIT
 *
 * One item: its levels per warehouse, from a view; and the history of the chosen level, with who,
 * why and reference. History is the ledger's, and is read from the level's owner: once when it is
 * shown, and again when the level has moved, never oftener than every two seconds.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/dialog.h"
#include "console/export.h"
#include "console/list.h"
#include "console/text.h"
#include "protocol/holdfast.pb-c.h"

#define STOCK_EVERY_US 500000
#define HISTORY_EVERY_US 2000000
#define NEVER_US 3600000000
#define HISTORY_ROWS 100
#define OLD_US 5000000

struct item {
    char sku[CODE_TEXT], warehouse[CODE_TEXT]; /* the chosen level's */
    struct holdfast_view_answer *stock;
    int64_t heard_us;
    struct holdfast_answer *history;
    uint64_t history_version; /* version of the level that history was asked at */
    uint64_t selected;        /* sequence of a movement; 0: the newest */
    struct poll stock_poll, history_poll;
};

static void drop(struct item *s)
{
    if (s->stock)
        holdfast_view_answer_free(&s->stock);
    if (s->history)
        holdfast_answer_free(&s->history);
}

static void release(void *state)
{
    drop(state);
}

static struct item *mine(struct app *app)
{
    return app->states[VIEW_ITEM];
}

void item_show(struct app *app, const char *sku, const char *warehouse)
{
    struct item *s = mine(app);
    if (strcmp(s->sku, sku) != 0) {
        drop(s);
        s->selected = 0;
        s->warehouse[0] = '\0';
    }
    snprintf(s->sku, sizeof s->sku, "%s", sku);
    if (warehouse[0])
        snprintf(s->warehouse, sizeof s->warehouse, "%s", warehouse);
    poll_restart(&s->stock_poll);
    poll_restart(&s->history_poll);
    app_show(app, VIEW_ITEM);
}

void item_changed(struct app *app)
{
    poll_restart(&mine(app)->stock_poll);
    poll_restart(&mine(app)->history_poll);
}

static const struct holdfast_view_stock *stock_of(const struct item *s)
{
    return s->stock && s->stock->stock_count == 1 ? &s->stock->stock[0] : NULL;
}

static bool known(const struct item *s)
{
    const struct holdfast_view_stock *stock = stock_of(s);
    return stock && stock->knowledge == HOLDFAST_KNOWLEDGE_KNOWN && stock->exists;
}

static const struct holdfast_level *level_of(const struct item *s)
{
    const struct holdfast_view_stock *stock = stock_of(s);
    for (size_t i = 0; known(s) && i < stock->level_count; i++) {
        if (strcmp(stock->levels[i].warehouse, s->warehouse) == 0)
            return &stock->levels[i];
    }
    return NULL;
}

static void take_stock(struct app *app, struct holdfast_view_answer **answer)
{
    struct item *s = mine(app);
    keep_view(&s->stock, answer);
    const struct holdfast_view_stock *stock = stock_of(s);
    if (!known(s))
        return;
    s->heard_us = app->now_us - stock->age_us;
    if (!level_of(s) && stock->level_count > 0) {
        snprintf(s->warehouse, sizeof s->warehouse, "%s", stock->levels[0].warehouse);
        poll_restart(&s->history_poll);
    }
}

static void take_history(struct app *app, struct holdfast_answer **answer)
{
    keep_owner(&mine(app)->history, answer);
}

static void tick(struct app *app, int64_t now_us)
{
    struct item *s = mine(app);
    const char *key = s->sku;
    struct holdfast_view_query stock = {.kind = HOLDFAST_VIEW_STOCK, .keys = &key, .key_count = 1};
    const struct holdfast_level *level = level_of(s);

    if (!s->sku[0])
        return;
    poll_view(app, &s->stock_poll, &stock, STOCK_EVERY_US, take_stock);
    if (!level)
        return;
    if (level->version != s->history_version && !s->history_poll.in_flight &&
        now_us - s->history_poll.asked_at_us > HISTORY_EVERY_US)
        poll_restart(&s->history_poll);
    struct holdfast_query history = {.kind = HOLDFAST_QUERY_HISTORY,
                                     .sku = s->sku,
                                     .warehouse = s->warehouse,
                                     .limit = HISTORY_ROWS};
    if (!s->history_poll.in_flight && now_us >= s->history_poll.due_us)
        s->history_version = level->version;
    poll_owner(app, &s->history_poll, &history, NEVER_US, take_history);
}

/* ------------------------------------------------------------- the history */

static int selected_row(const struct item *s)
{
    for (size_t i = 0; s->history && i < s->history->movement_count; i++) {
        if (s->history->movements[i].sequence == s->selected)
            return (int)i;
    }
    return 0;
}

static const struct holdfast_movement *selected(const struct item *s)
{
    if (!s->history || s->history->movement_count == 0)
        return NULL;
    return &s->history->movements[selected_row(s)];
}

/* What a setting was before: the balance after the movement before. */
static void find_previous(const struct item *s, size_t i, struct undone *undone)
{
    const struct holdfast_movement *all = s->history->movements;
    bool safety = all[i].kind == HF__MOVEMENT_KIND__MOVEMENT_SAFETY_STOCK_SET;
    bool reorder = all[i].kind == HF__MOVEMENT_KIND__MOVEMENT_REORDER_POINT_SET;

    if ((!safety && !reorder) || (i + 1 == s->history->movement_count && s->history->more))
        return;
    undone->has_previous = true;
    if (i + 1 < s->history->movement_count)
        undone->previous = safety ? all[i + 1].after.safety_stock : all[i + 1].after.reorder_point;
}

bool item_movement(struct app *app, uint64_t sequence, struct undone *undone)
{
    const struct item *s = mine(app);
    for (size_t i = 0; s->history && i < s->history->movement_count; i++) {
        const struct holdfast_movement *m = &s->history->movements[i];
        undone->undone_already = undone->undone_already || m->undoes == sequence;
        if (m->sequence != sequence)
            continue;
        memcpy(undone->operation_id, m->operation_id, sizeof undone->operation_id);
        undone->partition = m->partition;
        find_previous(s, i, undone);
        return true;
    }
    return false;
}

static bool key(struct app *app, const struct key *k)
{
    struct item *s = mine(app);
    const struct holdfast_view_stock *stock = stock_of(s);
    int count = s->history ? (int)s->history->movement_count : 0, row = selected_row(s);
    int page = app->canvas.rows > 16 ? app->canvas.rows - 14 : 2;
    int move = list_step(k);

    switch (k->code) {
    case K_PAGE_DOWN:
    case ' ':
        move = page;
        break;
    case K_PAGE_UP:
        move = -page;
        break;
    case K_HOME:
    case 'g':
        move = -count;
        break;
    case K_END:
        move = count;
        break;
    case K_TAB:
    case K_RIGHT:
    case K_LEFT:
    case 'l':
    case 'h': {
        bool forth = k->code != K_LEFT && k->code != 'h';
        size_t levels = known(s) ? stock->level_count : 0;
        for (size_t i = 0; i < levels; i++) {
            if (strcmp(stock->levels[i].warehouse, s->warehouse) != 0)
                continue;
            size_t next = (i + (forth ? 1 : levels - 1)) % levels;
            snprintf(s->warehouse, sizeof s->warehouse, "%s", stock->levels[next].warehouse);
            s->selected = 0;
            if (s->history)
                holdfast_answer_free(&s->history);
            poll_restart(&s->history_poll);
            break;
        }
        return true;
    }
    default:
        if (!move)
            return false;
        break;
    }
    row += move;
    row = row < 0 ? 0 : row >= count ? count - 1 : row;
    if (count > 0)
        s->selected = s->history->movements[row].sequence;
    return true;
}

static bool subject(struct app *app, struct subject *out)
{
    struct item *s = mine(app);
    const struct holdfast_movement *m = selected(s);
    if (!s->sku[0] || !known(s))
        return false;
    memcpy(out->sku, s->sku, sizeof out->sku);
    if (level_of(s))
        memcpy(out->warehouse, s->warehouse, sizeof out->warehouse);
    out->sequence = m ? m->sequence : 0;
    return true;
}

/* ------------------------------------------------------------- drawing */

static bool is_wide(const struct canvas *c)
{
    return c->columns >= 50;
}

/* Columns that have room for every figure; without, what is set aside and kept back is left out. */
static bool has_all(const struct canvas *c)
{
    return c->columns >= 68;
}

/* The figures of a level (NULL: their names), as settings want them where there is room; on a
 * scanner's screen what is there and what can be had. */
static void draw_figures(const struct app *app, struct canvas *c, int y, const char *name,
                         const struct holdfast_level *l, enum style style)
{
    const struct columns_item *wanted = &app->settings.columns.item;
    const struct {
        bool shown;
        uint32_t value;
        const char *head;
    } all[] = {{wanted->on_hand, l ? l->on_hand : 0, "ON-HAND"},
               {wanted->reserved, l ? l->reserved : 0, "RESVD"},
               {wanted->committed, l ? l->committed : 0, "COMTD"},
               {wanted->unavailable && has_all(c), l ? l->unavailable : 0, "ASIDE"},
               {wanted->safety && has_all(c), l ? l->safety_stock : 0, "SAFETY"},
               {wanted->available, l ? l->available : 0, "AVAIL"}};
    char text[TEXT_NUMBER];
    int x = 13;

    canvas_cell(c, y, 1, 11, style, name);
    if (!is_wide(c)) {
        canvas_right(c, y, 11, 4, style, l ? text_number(all[0].value, text) : "ON-H");
        canvas_right(c, y, 16, l ? 4 : 5, style, l ? text_number(all[5].value, text) : "AVAIL");
        return;
    }
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (!all[i].shown)
            continue;
        canvas_right(c, y, x, 8, style, l ? text_number(all[i].value, text) : all[i].head);
        x += 9;
    }
    if (l && l->shortfall > 0)
        canvas_format(c, y, x + 1, c->columns - x - 1, STYLE_BAD, "SHORT %u", l->shortfall);
}

static int draw_levels(struct app *app, struct canvas *c, int y, int most)
{
    struct item *s = mine(app);
    const struct holdfast_view_stock *stock = stock_of(s);
    bool old = app->now_us - s->heard_us > OLD_US;
    int begin = y;

    canvas_fill(c, y, 0, c->columns, STYLE_TITLE);
    draw_figures(app, c, y++, "WAREHOUSE", NULL, STYLE_TITLE);
    if (!known(s)) {
        canvas_text(c, y++, 1, c->columns - 1, STYLE_WARN,
                    !stock                                         ? "asking ..."
                    : stock->knowledge == HOLDFAST_KNOWLEDGE_KNOWN ? "there is no such item"
                                                                   : "?  nobody knows now");
        return y - begin;
    }
    for (size_t i = 0; i < stock->level_count && y - begin < most; i++) {
        const struct holdfast_level *level = &stock->levels[i];
        bool chosen = level == level_of(s);
        enum style style = chosen ? STYLE_STRONG : old ? STYLE_DIM : STYLE_NORMAL;
        draw_figures(app, c, y, level->warehouse, level, style);
        canvas_text(c, y++, 0, 1, style, chosen ? ">" : " ");
    }
    if (stock->level_count > 1 && is_wide(c) && y - begin < most)
        draw_figures(app, c, y++, "all", &stock->total, old ? STYLE_DIM : STYLE_NORMAL);
    if (stock->level_count == 0)
        canvas_text(c, y++, 1, c->columns - 1, STYLE_DIM, "no stock anywhere yet");
    return y - begin;
}

static void draw_movement(struct canvas *c, int y, const struct holdfast_movement *m,
                          enum style style)
{
    char clock[TEXT_NUMBER], changes[64] = "", who[512];
    size_t used = 0;
    const struct {
        int32_t change;
        const char *name;
    } all[] = {{m->on_hand_change, ""},
               {m->reserved_change, "r"},
               {m->committed_change, "c"},
               {m->unavailable_change, "a"}};

    for (size_t i = 0; i < 4 && used < sizeof changes - 16; i++) {
        if (all[i].change)
            used += (size_t)snprintf(changes + used, sizeof changes - used, "%+d%s ", all[i].change,
                                     all[i].name);
    }
    snprintf(who, sizeof who, "%s %s %s %s %s %s%s", m->actor, m->reason, m->reference, m->order,
             m->reservation, m->note, m->undoes ? " (undoes)" : "");
    text_clock(m->at_us, clock);
    canvas_fill(c, y, 0, c->columns, style);
    if (c->columns < 50) {
        canvas_cell(c, y, 1, 8, style, changes);
        canvas_right(c, y, 9, 5, style, "");
        canvas_cell(c, y, 9, c->columns - 9, style, m->actor);
        return;
    }
    canvas_text(c, y, 1, 8, style, clock);
    canvas_text(c, y, 10, 12, style, holdfast_movement_name(m->kind));
    canvas_cell(c, y, 23, 14, style, changes);
    char after[TEXT_NUMBER];
    canvas_right(c, y, 37, 8, style, text_number(m->after.on_hand, after));
    canvas_cell(c, y, 46, c->columns - 46, style, who);
}

static void draw(struct app *app, struct canvas *c, struct area area)
{
    struct item *s = mine(app);
    int y = area.row, end = area.row + area.rows;

    y += draw_levels(app, c, y, area.rows / 2);
    if (y >= end)
        return;
    canvas_fill(c, y, 0, c->columns, STYLE_TITLE);
    canvas_text(c, y++, 1, c->columns - 1, STYLE_TITLE,
                c->columns < 50 ? "CHANGE  WHO"
                : c->columns < 66
                    ? "TIME     WHAT         CHANGE        ON-HAND  WHO, WHY"
                    : "TIME     WHAT         CHANGE        ON-HAND  WHO, WHY, REFERENCE");
    if (!s->history) {
        canvas_text(c, y, 1, c->columns - 1, STYLE_DIM,
                    level_of(s) ? "reading the ledger ..." : "");
        return;
    }
    if (s->history->status != HOLDFAST_APPLIED) {
        canvas_format(c, y, 1, c->columns - 1, STYLE_WARN, "? the ledger could not be read: %s",
                      holdfast_status_text(s->history->status));
        return;
    }
    int rows = end - y, row = selected_row(s), top = row >= rows ? row - rows + 1 : 0;
    for (int i = top; i < (int)s->history->movement_count && y < end; i++, y++) {
        draw_movement(c, y, &s->history->movements[i], i == row ? STYLE_SELECTED : STYLE_NORMAL);
        if (i == row)
            canvas_cursor(c, y, 0);
    }
    if (s->history->more && y < end)
        canvas_text(c, y, 1, c->columns - 1, STYLE_DIM, "older: holdfast history");
}

static void title(struct app *app, char *text, size_t bytes)
{
    struct item *s = mine(app);
    const struct holdfast_view_stock *stock = stock_of(s);
    const struct holdfast_item *item = known(s) ? stock->item : NULL;

    if (!s->sku[0])
        snprintf(text, bytes, " Item: scan one, or type its code");
    else
        snprintf(text, bytes, " Item %s  %s%s%s%s", s->sku, item ? item->name : "",
                 item && item->barcode_count ? "  barcode " : "",
                 item && item->barcode_count ? item->barcodes[0] : "",
                 known(s) && app->now_us - s->heard_us > OLD_US ? "  OLD" : "");
}

static size_t table(struct app *app, struct export_file *out)
{
    struct item *s = mine(app);
    size_t count = s->history ? s->history->movement_count : 0;
    char when[TEXT_TIME], number[5][16];

    export_head(out, "time", "what", "sku", "warehouse", "#on_hand_change", "#reserved_change",
                "#committed_change", "#unavailable_change", "#on_hand", "actor", "reason",
                "reference", "order", "reservation", "note", "operation_id", NULL);
    for (size_t i = 0; i < count; i++) {
        const struct holdfast_movement *m = &s->history->movements[i];
        snprintf(number[0], sizeof number[0], "%d", m->on_hand_change);
        snprintf(number[1], sizeof number[1], "%d", m->reserved_change);
        snprintf(number[2], sizeof number[2], "%d", m->committed_change);
        snprintf(number[3], sizeof number[3], "%d", m->unavailable_change);
        snprintf(number[4], sizeof number[4], "%u", m->after.on_hand);
        export_row(out, text_time(m->at_us, when), holdfast_movement_name(m->kind), s->sku,
                   s->warehouse, number[0], number[1], number[2], number[3], number[4], m->actor,
                   m->reason, m->reference, m->order, m->reservation, m->note, m->operation_id,
                   NULL);
    }
    return count;
}

const struct view view_item = {
    .id = VIEW_ITEM,
    .name = "Item",
    .about = "one item: every warehouse, and who changed what, when, why",
    .state_bytes = sizeof(struct item),
    .release = release,
    .tick = tick,
    .draw = draw,
    .title = title,
    .key = key,
    .subject = subject,
    .table = table,
};
