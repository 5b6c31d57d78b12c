/* SPDX-License-Identifier: MIT
 *
 * Count: the list that is open, line by line, and what is ticked off by everybody who counts it. A
 * scan or Enter opens the form of a line, without what the books say. The selection is a line's
 * number in the list, which never changes. On 20 columns it is for a scanner.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/count.h"
#include "console/list.h"
#include "console/text.h"

#define NAMES_MAX 128 /* rows of which the names are asked for */
#define NAMES_EVERY_US 60000000

struct count_view {
    struct holdfast_view_answer *names;
    struct poll names_poll;
    uint32_t names_first; /* line of the first row when they were asked for */
    uint32_t first;       /* line of the first row now */
    uint32_t rows;
};

static struct count_view *mine(struct app *app)
{
    return app->states[VIEW_COUNT];
}

static void release(void *state)
{
    struct count_view *s = state;
    if (s->names)
        holdfast_view_answer_free(&s->names);
}

static void take_names(struct app *app, struct holdfast_view_answer **answer)
{
    keep_view(&mine(app)->names, answer);
}

static void tick(struct app *app, int64_t now_us)
{
    struct count_view *s = mine(app);
    const struct count_list *list = counting_list(app);
    const char *keys[NAMES_MAX];
    size_t count = 0;

    (void)now_us;
    if (!list || s->first < 1)
        return;
    for (uint32_t i = s->first; i <= list->count && count < s->rows && count < NAMES_MAX; i++) {
        if (list->lines[i - 1].sku[0])
            keys[count++] = list->lines[i - 1].sku;
    }
    struct holdfast_view_query query = {.kind = HOLDFAST_VIEW_STOCK,
                                        .consistency = HOLDFAST_READ_ANY,
                                        .keys = keys,
                                        .key_count = count};
    if (s->names_first != s->first)
        poll_restart(&s->names_poll);
    s->names_first = s->first;
    if (count > 0)
        poll_view(app, &s->names_poll, &query, NAMES_EVERY_US, take_names);
}

static const char *name_of(const struct count_view *s, const char *sku)
{
    for (size_t i = 0; s->names && i < s->names->stock_count; i++) {
        const struct holdfast_view_stock *stock = &s->names->stock[i];
        if (stock->item && strcmp(stock->sku, sku) == 0)
            return stock->item->name;
    }
    return "";
}

/* ------------------------------------------------------------- keys */

static bool key(struct app *app, const struct key *k)
{
    const struct count_list *list = counting_list(app);
    int row = (int)counting_chosen(app) - 1, page = (int)mine(app)->rows;

    if (!list)
        return false;
    if (k->code == K_PAGE_DOWN || k->code == K_PAGE_UP) {
        row += k->code == K_PAGE_DOWN ? page : -page;
        row = row < 0 ? 0 : row >= (int)list->count ? (int)list->count - 1 : row;
    } else if (k->code == K_CLICK) {
        row = (int)mine(app)->first - 1 + k->row - 3;
    } else if (!list_move(k, (int)list->count, &row)) {
        return false;
    }
    counting_choose(app, (uint32_t)row + 1);
    return true;
}

static bool subject(struct app *app, struct subject *out)
{
    const struct count_list *list = counting_list(app);
    uint32_t line = counting_chosen(app);

    if (!list || line < 1)
        return false;
    memcpy(out->sku, list->lines[line - 1].sku, sizeof out->sku);
    memcpy(out->warehouse, list->lines[line - 1].warehouse, sizeof out->warehouse);
    return true;
}

static bool act(struct app *app, enum action action)
{
    const struct count_list *list = counting_list(app);
    uint32_t next;

    switch (action) {
    case ACTION_OPEN:
    case ACTION_COUNT:
        if (app->readonly)
            app_say(app, STYLE_BAD, "ERR this console is --readonly");
        else
            counting_count(app, counting_chosen(app));
        return true;
    case ACTION_NEXT:
        next = list ? count_list_next(list, counting_chosen(app)) : 0;
        if (next)
            counting_choose(app, next);
        else if (list)
            app_say(app, STYLE_NORMAL, "no line of the list waits to be counted");
        return true;
    default:
        return false;
    }
}

static void found(struct app *app, const char *sku, const char *name)
{
    (void)name;
    counting_scanned(app, sku, "");
}

static void scanned(struct app *app, const char *text)
{
    if (app->readonly)
        app_say(app, STYLE_BAD, "ERR this console is --readonly");
    else if (counting_list(app))
        lookup_code(app, text, false, found);
    else
        app_say(app, STYLE_BAD, "ERR no list is open");
}

/* ------------------------------------------------------------- drawing */

static const char *tick_of(const struct count_line *line, enum style *style)
{
    *style = STYLE_NORMAL;
    switch (line->state) {
    case COUNT_DONE:
        *style = STYLE_GOOD;
        return "x";
    case COUNT_CONFLICT:
    case COUNT_REFUSED:
        *style = STYLE_WARN;
        return "!";
    case COUNT_MISSING:
        *style = STYLE_WARN;
        return "?";
    case COUNT_OPEN:
        break;
    }
    return " ";
}

static void state_words(const struct count_line *line, char *text, size_t bytes)
{
    switch (line->state) {
    case COUNT_DONE:
        snprintf(text, bytes, "counted");
        return;
    case COUNT_CONFLICT:
        snprintf(text, bytes, "MOVED! counted %u, booked %u", line->counted, line->booked);
        return;
    case COUNT_REFUSED:
        snprintf(text, bytes, "REFUSED! count again");
        return;
    case COUNT_MISSING:
        snprintf(text, bytes, "? was never written down");
        return;
    case COUNT_OPEN:
        break;
    }
    text[0] = '\0';
}

/* Where the columns begin, on 50 columns and more. */
struct columns {
    int item, state;
};

static struct columns columns_of(const struct canvas *c)
{
    int item = c->columns >= 100 ? 24 : 16, state = item + 45;
    return (struct columns){item, state < c->columns - 33 ? state : c->columns - 33};
}

static void draw_line(const struct count_view *s, struct canvas *c, int y,
                      const struct count_line *line, bool chosen)
{
    enum style warn, style = chosen ? STYLE_SELECTED : STYLE_NORMAL;
    const char *tick = tick_of(line, &warn);
    struct columns at = columns_of(c);
    char text[96];

    canvas_fill(c, y, 0, c->columns, style);
    canvas_text(c, y, 0, 1, style, chosen ? ">" : " ");
    canvas_text(c, y, 1, 1, chosen ? style : warn, tick);
    if (c->columns < 50) {
        canvas_cell(c, y, 3, c->columns - 3, style, line->sku);
        return;
    }
    canvas_cell(c, y, 3, at.item - 4, style, line->sku);
    canvas_cell(c, y, at.item, at.state - at.item - 1, style, name_of(s, line->sku));
    state_words(line, text, sizeof text);
    canvas_cell(c, y, at.state, c->columns - at.state, chosen ? style : warn, text);
}

static void draw_heads(struct canvas *c, int y)
{
    struct columns at = columns_of(c);

    canvas_fill(c, y, 0, c->columns, STYLE_TITLE);
    canvas_text(c, y, 1, c->columns - 1, STYLE_TITLE, "x SKU");
    if (c->columns < 50)
        return;
    canvas_text(c, y, at.item, 20, STYLE_TITLE, "ITEM");
    canvas_text(c, y, at.state, 20, STYLE_TITLE, "STATE");
}

/* What one does next, where there is no list to look at. */
static void draw_nothing(struct app *app, struct canvas *c, struct area area)
{
    static const char *const words[] = {
        [COUNTING_NONE] = NULL,
        [COUNTING_COLLECTING] = "asking a view what is to be counted ...",
        [COUNTING_BEGINNING] = "beginning the list ...",
        [COUNTING_WRITING] = "writing the list down ...",
        [COUNTING_READING] = "reading the list ...",
    };
    const char *text = words[counting_phase(app)];
    bool narrow = c->columns < 50;

    if (text) {
        canvas_text(c, area.row, 1, c->columns - 1, STYLE_DIM, text);
        return;
    }
    canvas_text(c, area.row, 1, c->columns - 1, STYLE_NORMAL, "No list is open.");
    canvas_text(c, area.row + 1, 1, c->columns - 1, STYLE_DIM,
                narrow ? "F3 Runs, Enter:"
                       : "F3 Runs, Enter: goes on with a list, whoever began it");
    canvas_text(c, area.row + 2, 1, c->columns - 1, STYLE_DIM,
                narrow ? " open one" : "F3 Stock, filter, C: makes a list of what is shown there");
    if (narrow)
        canvas_text(c, area.row + 3, 1, c->columns - 1, STYLE_DIM, "C in Stock: new");
}

/* On a small screen the chosen line stands large below the list: what a person looks for. */
static void draw_chosen(const struct count_view *s, struct canvas *c, int y,
                        const struct count_line *line)
{
    char text[96];

    state_words(line, text, sizeof text);
    canvas_fill(c, y, 0, c->columns, STYLE_TITLE);
    canvas_text(c, y, 1, c->columns - 1, STYLE_TITLE, "Scan, or Enter:");
    canvas_text(c, y + 1, 1, c->columns - 1, STYLE_STRONG, line->sku);
    canvas_cell(c, y + 2, 1, c->columns - 1, STYLE_NORMAL, name_of(s, line->sku));
    canvas_cell(c, y + 3, 1, c->columns - 1, STYLE_WARN, text);
}

static void draw(struct app *app, struct canvas *c, struct area area)
{
    struct count_view *s = mine(app);
    const struct count_list *list = counting_list(app);
    bool large = c->columns < 50 && area.rows > 8;
    int below = large ? 4 : 0, rows = area.rows - 1 - below;
    uint32_t chosen = counting_chosen(app), number;

    if (!list) {
        draw_nothing(app, c, area);
        return;
    }
    rows = rows < 1 ? 1 : rows;
    s->rows = (uint32_t)rows;
    if (s->first < 1 || s->first > list->count || chosen < s->first)
        s->first = chosen;
    if (chosen >= s->first + s->rows)
        s->first = chosen - s->rows + 1;
    if (s->first + s->rows > list->count + 1 && list->count > s->rows)
        s->first = list->count - s->rows + 1;
    else if (list->count <= s->rows)
        s->first = 1;
    draw_heads(c, area.row);
    for (int i = 0; i < rows && (number = s->first + (uint32_t)i) <= list->count; i++) {
        draw_line(s, c, area.row + 1 + i, &list->lines[number - 1], number == chosen);
        if (number == chosen)
            canvas_cursor(c, area.row + 1 + i, 0);
    }
    if (large && chosen >= 1)
        draw_chosen(s, c, area.row + area.rows - below, &list->lines[chosen - 1]);
}

static void title(struct app *app, char *text, size_t bytes)
{
    const struct count_list *list = counting_list(app);
    size_t used;

    if (!list) {
        snprintf(text, bytes, " Count %s", counting_run(app));
        return;
    }
    struct count_tally tally = count_list_tally(list);
    used = (size_t)snprintf(text, bytes, " Count %u/%u", tally.done, list->count);
    if (tally.conflicts)
        used += (size_t)snprintf(text + used, bytes - used, "  %u MOVED!", tally.conflicts);
    snprintf(text + used, bytes - used, "  %s @ %s", counting_run(app), list->lines[0].warehouse);
}

const struct view view_count = {
    .id = VIEW_COUNT,
    .name = "Count",
    .about = "count lists: tick off what is counted, several people at once",
    .state_bytes = sizeof(struct count_view),
    .release = release,
    .tick = tick,
    .draw = draw,
    .title = title,
    .key = key,
    .act = act,
    .subject = subject,
    .scanned = scanned,
};
