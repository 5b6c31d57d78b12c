/* SPDX-License-Identifier: MIT
 *
 * The inside of the view Stock, shared by the files that make it; nobody else includes it.
 *
 *   view_stock.c   what is asked for, and what keys do
 *   stock_page.c   the rows of the page, made of what is answered
 *   stock_draw.c   the page on the screen, for every width
 */
#ifndef CONSOLE_STOCK_H
#define CONSOLE_STOCK_H

#include "console/app.h"

#define STOCK_ROWS_MAX 256 /* of a page; what one question by key may ask */
#define BACK_MAX 4096
#define TREND_SAMPLES 10
#define WAREHOUSE_COLUMNS 8

struct stock_row {
    char sku[CODE_TEXT], name[NAME_TEXT];
    bool known;
    struct holdfast_level level; /* texts are not used */
    bool low; /* below the reorder point, which is what events announce: here, or over all */
    uint32_t available[WAREHOUSE_COLUMNS];
    bool has[WAREHOUSE_COLUMNS];
    char latest[CODE_TEXT]; /* the warehouse where it moved last */
    int64_t heard_us;       /* it was so then or later, by the monotonic clock */
    int64_t trend[TREND_SAMPLES];
    int64_t sampled_us;
};

struct stock {
    struct stock_row *rows;
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

struct stock *stock_of(struct app *app);

/* ------------------------------------------------------------- stock_page.c */

/* The selection is a sku, never the number of a row. -1: it is not on this page. */
int stock_selected(const struct stock *s);
void stock_select(struct stock *s, size_t i);
/* The first page is asked for. */
void stock_first_page(struct stock *s);
/* Answers: to the question for the page, and for the figures of its rows. */
void stock_take_page(struct app *app, struct holdfast_view_answer **answer);
void stock_take_figures(struct app *app, struct holdfast_view_answer **answer);
/* The rows to be asked for when the screen has room for so many. */
size_t stock_rows_wanted(int rows);

/* ------------------------------------------------------------- stock_draw.c */

void stock_draw(struct app *app, struct canvas *c, struct area area);
void stock_title(struct app *app, char *text, size_t bytes);

#endif
