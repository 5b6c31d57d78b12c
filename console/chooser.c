/* SPDX-License-Identifier: MIT
 *
 * Lists to choose from, over everything else: the menu, the palette, the views; and the help. All
 * of them are made from the table of actions and that of views. Letters that are typed narrow a
 * list.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "console/app.h"
#include "console/text.h"

#define ENTRIES_MAX (ACTIONS + VIEWS)

struct chooser {
    const char *title;
    bool views; /* entries are views, otherwise actions */
    int entries[ENTRIES_MAX];
    size_t count, selected;
    struct form filter; /* of one field */
};

static const char *name_of(const struct chooser *chooser, int entry)
{
    return chooser->views ? view_of((enum view_id)entry)->name : action_rows[entry].name;
}

static const char *text_of(const struct chooser *chooser, int entry)
{
    return chooser->views ? view_of((enum view_id)entry)->about : action_rows[entry].text;
}

/* 0: its name begins with the letters, 1: has them, 2: its text has them, 3: nothing has. */
static int rank_of(const struct chooser *chooser, int entry, const char *letters)
{
    if (strncasecmp(name_of(chooser, entry), letters, strlen(letters)) == 0)
        return 0;
    if (text_contains(name_of(chooser, entry), letters))
        return 1;
    return text_contains(text_of(chooser, entry), letters) ? 2 : 3;
}

static void fill(struct app *app)
{
    struct chooser *chooser = app->chooser;
    const char *letters = chooser->filter.fields[0].text;

    chooser->count = 0;
    for (int rank = 0; rank < 3; rank++) {
        for (int i = 0; i < (chooser->views ? (int)VIEWS : (int)ACTIONS); i++) {
            if (!chooser->views && (!action_rows[i].name[0] || !app_can(app, (enum action)i)))
                continue;
            if (rank_of(chooser, i, letters) == rank)
                chooser->entries[chooser->count++] = i;
        }
    }
    if (chooser->selected >= chooser->count)
        chooser->selected = chooser->count ? chooser->count - 1 : 0;
}

static void open_chooser(struct app *app, const char *title, bool views)
{
    chooser_close(app);
    app->chooser = calloc(1, sizeof *app->chooser);
    if (!app->chooser)
        return;
    app->chooser->title = title;
    app->chooser->views = views;
    form_add(&app->chooser->filter, FIELD_WORDS, "", "");
    fill(app);
    for (size_t i = 0; views && i < app->chooser->count; i++) {
        if (app->chooser->entries[i] == (int)app->view)
            app->chooser->selected = i;
    }
}

void chooser_actions(struct app *app, const char *title)
{
    open_chooser(app, title, false);
}

void chooser_views(struct app *app)
{
    open_chooser(app, "Views", true);
}

void chooser_close(struct app *app)
{
    free(app->chooser);
    app->chooser = NULL;
}

static void choose(struct app *app)
{
    struct chooser chooser = *app->chooser;
    if (chooser.count == 0)
        return;
    chooser_close(app);
    if (chooser.views)
        app_show(app, (enum view_id)chooser.entries[chooser.selected]);
    else
        app_act(app, (enum action)chooser.entries[chooser.selected]);
}

void chooser_key(struct app *app, const struct key *key)
{
    struct chooser *chooser = app->chooser;
    enum action action = action_of_key(key->code, app->view);

    if (key->code == K_ESC || action == ACTION_MENU || action == ACTION_VIEWS) {
        chooser_close(app);
    } else if (key->code == K_ENTER) {
        choose(app);
    } else if (key->code == K_UP || key->code == K_WHEEL_UP) {
        chooser->selected -= chooser->selected > 0;
    } else if (key->code == K_DOWN || key->code == K_WHEEL_DOWN) {
        chooser->selected += chooser->selected + 1 < chooser->count;
    } else if (form_key(&chooser->filter, key)) {
        chooser->selected = 0;
        fill(app);
    } else if (action == ACTION_QUIT || action == ACTION_REDRAW || action == ACTION_SUSPEND) {
        app_act(app, action);
    }
}

static int least(int a, int b)
{
    return a < b ? a : b;
}

void chooser_draw(struct app *app, struct canvas *c)
{
    struct chooser *chooser = app->chooser;
    int width = least(c->columns, 78), height = least(c->rows - 2, (int)chooser->count + 4);
    int row = (c->rows - height) / 2, column = (c->columns - width) / 2;
    int shown = height - 4 > 0 ? height - 4 : 0;
    int top = (int)chooser->selected < shown ? 0 : (int)chooser->selected - shown + 1;
    const char *letters = chooser->filter.fields[0].text;
    char name[16];

    canvas_box(c, row, column, height, width, chooser->title);
    for (int i = 0; i < shown && top + i < (int)chooser->count; i++) {
        int entry = chooser->entries[top + i];
        bool selected = top + i == (int)chooser->selected;
        enum style style = selected ? STYLE_SELECTED : STYLE_NORMAL;
        canvas_fill(c, row + 1 + i, column + 1, width - 2, style);
        canvas_text(c, row + 1 + i, column + 1, 1, style, selected ? ">" : " ");
        int keys = width > 30 ? 6 : 5; /* "Ctrl-L", where there is room */
        if (!chooser->views)
            canvas_cell(c, row + 1 + i, column + 2, keys, style,
                        key_label(action_rows[entry].key, name));
        int at = column + (chooser->views ? 2 : 3 + keys);
        canvas_text(c, row + 1 + i, at, 12, style, name_of(chooser, entry));
        if (width > 30)
            canvas_cell(c, row + 1 + i, at + 13, column + width - 1 - at - 13, style,
                        text_of(chooser, entry));
    }
    if (chooser->count == 0)
        canvas_text(c, row + 1, column + 2, width - 4, STYLE_WARN, "nothing has these letters");
    int used =
        canvas_format(c, row + height - 2, column + 2, width - 4, STYLE_FOCUS, "%s ", letters);
    if (width > 50)
        canvas_text(c, row + height - 2, column + 4 + used, width - used - 6, STYLE_DIM,
                    "letters narrow, Enter does it, Esc closes");
    int more = (int)chooser->count - top - shown;
    if (more > 0)
        canvas_format(c, row + height - 1, column + width - 14, 12, STYLE_WARN, " %d more v ",
                      more);
    canvas_cursor(c, row + height - 2, column + 2 + (int)text_width(letters));
}

/* ------------------------------------------------------------- help */

#define NARROW 50 /* columns: a scanner's screen */

struct page {
    struct canvas *c;
    int row, top, lines;
};

/* The row of the next line, or -1 when it is not on the screen. */
static int next_row(struct page *page)
{
    int row = page->row + page->lines - page->top;
    return page->lines++ < page->top || row >= page->c->rows - 2 ? -1 : row;
}

/* The key, and beside it what it does, over as many lines as it takes; below it where it is narrow.
 */
static void line(struct page *page, enum style style, const char *left, const char *right)
{
    bool narrow = page->c->columns < NARROW;
    int column = narrow ? left[0] ? 3 : 2 : left[0] ? 14 : 2, row = next_row(page);
    char words[256];

    if (left[0] && row >= 0)
        canvas_cell(page->c, row, 2, narrow ? page->c->columns - 3 : 11, STYLE_KEY, left);
    if (left[0] && narrow)
        row = next_row(page);
    do {
        size_t bytes = text_fit_words(right, page->c->columns - column - 1);
        snprintf(words, sizeof words, "%.*s", (int)bytes, right);
        if (row >= 0)
            canvas_text(page->c, row, column, page->c->columns - column - 1, style, words);
        if (bytes == 0) /* a screen of a few columns */
            return;
        right += bytes + (right[bytes] == ' ');
        if (*right)
            row = next_row(page);
    } while (*right);
}

int help_draw(struct app *app, struct canvas *c, int top)
{
    struct page page = {.c = c, .row = 1, .top = top};
    char first[16], second[16], keys[40], title[64];

    snprintf(title, sizeof title, "Help: %s", view_of(app->view)->name);
    canvas_box(c, 0, 0, c->rows - 1, c->columns, title);
    line(&page, STYLE_STRONG, "", view_of(app->view)->about);
    line(&page, STYLE_NORMAL, "", "");
    for (int i = 0; i < ACTIONS; i++) {
        const struct action_row *row = &action_rows[i];
        if (!(row->views & (1u << app->view | ACTION_FORM)) ||
            (app->readonly && (row->needs == WRITE || i == ACTION_POST)))
            continue;
        bool other = row->other && (app->view != VIEW_SCAN || row->other >= K_SPECIAL);
        snprintf(keys, sizeof keys, "%s%s%s", key_label(row->key, first), other ? " " : "",
                 other ? key_label(row->other, second) : "");
        line(&page, STYLE_NORMAL, keys, row->text);
    }
    line(&page, STYLE_NORMAL, "Up Down", "and k j: the row; PgUp PgDn Home End");
    line(&page, STYLE_NORMAL, "Alt-1 to 0", "stand for F1 to F10 where these are missing");
    line(&page, STYLE_NORMAL, "", "");
    line(&page, STYLE_STRONG, "", "A scanner types, it does not decide: only F2 changes stock.");
    line(&page, STYLE_NORMAL, "", "Scan a barcode anywhere and its item opens.");
    line(&page, STYLE_NORMAL, "", "? in a column: nobody knows now. It never means 0.");
    line(&page, STYLE_NORMAL, "", "OUT! nothing available. LOW! below the reorder point.");
    line(&page, STYLE_NORMAL, "", "SHRT more is promised than is there. OLD not heard of lately.");
    int more = page.lines - top - (c->rows - 3);
    if (more > 0)
        canvas_format(c, c->rows - 1, 0, c->columns, STYLE_WARN, "%d more: Down    Esc closes",
                      more);
    else
        canvas_text(c, c->rows - 1, 0, c->columns, STYLE_DIM, "Up Down move, Esc closes");
    return page.lines;
}
