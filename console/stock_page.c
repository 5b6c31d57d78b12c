/* SPDX-License-Identifier: MIT
 *
 * The rows of Stock's page: made of what a view answers, kept when they are not known any more,
 * with the trend that this console saw. See stock.h.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/stock.h"

#define TREND_EVERY_US 30000000 /* ten are five minutes; a narrow screen shows the last six */

int stock_selected(const struct stock *s)
{
    for (size_t i = 0; i < s->count; i++) {
        if (strcmp(s->rows[i].sku, s->selected) == 0)
            return (int)i;
    }
    return -1;
}

void stock_select(struct stock *s, size_t i)
{
    if (i < s->count)
        memcpy(s->selected, s->rows[i].sku, sizeof s->selected);
}

static void take_sample(struct stock_row *row, int64_t now_us)
{
    if (row->sampled_us && now_us - row->sampled_us < TREND_EVERY_US) {
        row->trend[TREND_SAMPLES - 1] = row->known ? (int64_t)row->level.available : -1;
        return;
    }
    memmove(row->trend, row->trend + 1, sizeof row->trend[0] * (TREND_SAMPLES - 1));
    row->trend[TREND_SAMPLES - 1] = row->known ? (int64_t)row->level.available : -1;
    row->sampled_us = now_us;
}

/* As the owner judges the signals low_stock and low_stock_here (workers/ledger_signal.c). */
static bool below_reorder_point(const struct holdfast_level *level)
{
    return level->available < level->reorder_point;
}

static void fill_stock(struct app *app, struct stock_row *row,
                       const struct holdfast_view_stock *stock)
{
    row->known = stock->knowledge == HOLDFAST_KNOWLEDGE_KNOWN && stock->exists;
    if (!row->known)
        return;
    if (stock->item)
        snprintf(row->name, sizeof row->name, "%s", stock->item->name);
    row->level = stock->total;
    row->low = below_reorder_point(&stock->total);
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
            row->level = *level;
            row->low = row->low || below_reorder_point(level);
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
static void begin_row(const struct stock_row *old, size_t old_count, struct stock_row *row,
                      const char *sku)
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
    struct stock_row *old = s->rows, *rows = calloc(STOCK_ROWS_MAX, sizeof *rows);
    size_t count = app->warehouse[0] ? answer->level_count : answer->stock_count;

    if (!rows)
        return;
    count = count < STOCK_ROWS_MAX ? count : STOCK_ROWS_MAX;
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

void stock_first_page(struct stock *s)
{
    while (s->back_count > 0)
        free(s->back[--s->back_count]);
    free(s->cursor);
    s->cursor = NULL;
    s->first_wanted = 0;
    poll_restart(&s->page);
}

void stock_take_page(struct app *app, struct holdfast_view_answer **answer)
{
    struct stock *s = stock_of(app);
    const struct holdfast_view_answer *a = *answer;

    s->failed = a->status != HOLDFAST_APPLIED;
    snprintf(s->fault, sizeof s->fault, "%s",
             a->message[0] ? a->message : holdfast_status_text(a->status));
    if (s->failed) {
        if (a->status == HOLDFAST_INVALID && s->cursor)
            stock_first_page(s); /* the place is gone, not the view */
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
    if (s->count > 0 && (s->select_last || (!s->selected[0] || stock_selected(s) < 0)))
        if (!app->dialog)
            stock_select(s, s->select_last ? s->count - 1 : 0);
    s->select_last = false;
}

void stock_take_figures(struct app *app, struct holdfast_view_answer **answer)
{
    struct stock *s = stock_of(app);
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

size_t stock_rows_wanted(int rows)
{
    return rows < 1 ? 1 : rows > STOCK_ROWS_MAX ? STOCK_ROWS_MAX : (size_t)rows;
}
