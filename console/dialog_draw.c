/* SPDX-License-Identifier: MIT
 *
 * A form on the screen: its fields, what posting would do (before -> after), what moved meanwhile,
 * what is wrong, and the two ways out. At 20 columns it takes the whole screen.
 */
#include <stdio.h>
#include <string.h>

#include "console/dialog.h"
#include "console/text.h"

#define WIDTH 72
#define TEXT_ROWS 6 /* of trouble, at most */

struct frame {
    struct canvas *c;
    int row, column, width, rows; /* inside */
    int label;
};

static int least(int a, int b)
{
    return a < b ? a : b;
}

static int most(int a, int b)
{
    return a > b ? a : b;
}

/* Writes words into lines of the frame's width; returns the lines used. */
static int wrapped(const struct frame *f, int row, int rows, enum style style, const char *text)
{
    int used = 0;
    while (*text && used < rows) {
        size_t at = text_fit_words(text, f->width);
        if (at == 0)
            break;
        char line[512];
        snprintf(line, sizeof line, "%.*s", (int)at, text);
        canvas_text(f->c, row + used++, f->column, f->width, style, line);
        text += at;
        while (*text == ' ')
            text++;
    }
    return used;
}

static int box_of(const struct frame *f, const struct field *field)
{
    int width = f->width - f->label - 1;
    bool text =
        field->kind == FIELD_CHOICE || field->kind == FIELD_WORDS || field->kind == FIELD_CODE;
    return least(width, text ? 32 : 12);
}

/* What is wrong with what was typed, when it is told beside the field: where it fits whole, and not
 * of the field whose fault stands below already. */
static const char *fault_beside(const struct frame *f, const struct dialog *d, size_t i)
{
    const struct field *field = &d->form.fields[i];
    const char *fault = field->text[0] ? field_fault(field) : NULL;
    int room = f->width - f->label - 1 - box_of(f, field) - 2;

    if (!fault || (d->trouble[0] && i == d->form.focus) || (int)text_width(fault) > room)
        return NULL;
    return fault;
}

static void draw_field(const struct frame *f, const struct dialog *d, size_t i, int row)
{
    const struct field *field = &d->form.fields[i];
    bool focus = i == d->form.focus, choice = field->kind == FIELD_CHOICE;
    bool wrong = field->text[0] && field_fault(field);
    enum style style = focus ? STYLE_FOCUS : STYLE_FIELD;
    int at = f->column + f->label + 1, width = f->width - f->label - 1;
    const char *name = "";
    int box = box_of(f, field);
    const char *beside = fault_beside(f, d, i);

    canvas_cell(f->c, row, f->column, f->label, focus ? STYLE_STRONG : STYLE_NORMAL, field->label);
    canvas_text(f->c, row, at, 1, STYLE_NORMAL, "[");
    canvas_fill(f->c, row, at + 1, box - 2, style);
    /* The end of a long text is what one types at. */
    int before, room = box - 2 - choice; /* the caret may stand behind it */
    const char *text = text_before(field->text, field->caret, room, &before);
    canvas_text(f->c, row, at + 1, box - 2, wrong ? STYLE_BAD : style, text);
    if (choice)
        canvas_text(f->c, row, at + box - 2, 1, style, "v");
    canvas_text(f->c, row, at + box - 1, 1, STYLE_NORMAL, "]");
    if (wrong && width > box)
        canvas_format(f->c, row, at + box, width - box, STYLE_BAD, "! %s", beside ? beside : "");
    else if (field->required && !field->text[0])
        canvas_text(f->c, row, at + box, width - box, STYLE_WARN, "*");
    else if (choice && field_chosen(field) >= 0) {
        (void)field->choice(field->choices, (size_t)field_chosen(field), &name);
        canvas_cell(f->c, row, at + box + 1, width - box - 1, STYLE_DIM, name);
    }
    if (focus)
        canvas_cursor(f->c, row, at + 1 + before);
}

static void change(char *text, size_t bytes, const char *name, int64_t before, int64_t after,
                   bool always)
{
    size_t used = strlen(text);
    if (before == after && !always)
        return;
    if (before == after)
        snprintf(text + used, bytes - used, "%s %lld  ", name, (long long)before);
    else
        snprintf(text + used, bytes - used, "%s %lld -> %lld  ", name, (long long)before,
                 (long long)after);
}

/* Above the last line, which says how to leave. */
static int rows_left(const struct frame *f, int row)
{
    return most(0, f->row + f->rows - 1 - row);
}

/* What change() wrote: in one line, or where that is too long each change in its own. */
static int pieces(const struct frame *f, int row, const char *text)
{
    char piece[256];
    int used = 0;
    if ((int)text_width(text) <= f->width)
        return wrapped(f, row, 1, STYLE_STRONG, text);
    while (*text) {
        const char *end = strstr(text, "  ");
        size_t length = end ? (size_t)(end - text) : strlen(text);
        snprintf(piece, sizeof piece, "%.*s", (int)length, text);
        used += wrapped(f, row + used, least(2, rows_left(f, row + used)), STYLE_STRONG, piece);
        text += length + strspn(text + length, " ");
    }
    return used;
}

/* What posting would do. */
static int preview(const struct frame *f, struct dialog *d, int row)
{
    struct level after, to_after;
    char text[256] = "";
    bool ready;

    if (!dialog_is_stock(d))
        return 0;
    if (!d->now.known)
        return wrapped(f, row, 2, STYLE_WARN,
                       dialog_warehouse(d)[0] ? "On-hand ? : not known now"
                                              : "choose a warehouse first: Up and Down");
    if (d->action == ACTION_UNDO) {
        int used = 0;
        if (d->undone.refused[0])
            return wrapped(f, row, 3, STYLE_BAD, d->undone.refused);
        if (!d->undone.planned)
            return wrapped(f, row, 1, STYLE_DIM, "asking what it would do ...");
        for (size_t i = 0; i < d->undone.plan_count; i++)
            used += wrapped(f, row + used, 2, STYLE_STRONG, d->undone.plan[i]);
        return used;
    }
    if (d->blind)
        return wrapped(f, row, 3, STYLE_DIM, "what the books say is not shown while you count");
    if (d->ask_owner)
        return wrapped(f, row, 1, STYLE_DIM, "asking what is there now ...");
    ready = dialog_after(d, &after, &to_after);
    if (!ready)
        after = d->now;
    change(text, sizeof text, "On-hand", d->now.on_hand, after.on_hand, true);
    change(text, sizeof text, "Avail", level_available(&d->now), level_available(&after), true);
    change(text, sizeof text, "Set aside", d->now.unavailable, after.unavailable, false);
    change(text, sizeof text, "Safety", d->now.safety_stock, after.safety_stock, false);
    change(text, sizeof text, "Reserved", d->now.reserved, d->now.reserved, f->width > 40);
    int used = pieces(f, row, text);
    if (dialog_too_little(d)) {
        snprintf(text, sizeof text, "too little: available %u", level_available(&d->now));
        return used + wrapped(f, row + used, least(2, rows_left(f, row + used)), STYLE_WARN, text);
    }
    if (d->action == ACTION_MOVE && d->to_now.known && dialog_to(d)[0] &&
        strcmp(d->read_to, dialog_to(d)) == 0) {
        text[0] = '\0';
        change(text, sizeof text, "there: on-hand", d->to_now.on_hand, to_after.on_hand, true);
        used += wrapped(f, row + used, 2, STYLE_STRONG, text);
    }
    return used;
}

static int moved(const struct frame *f, struct dialog *d, int row)
{
    char text[400];
    if (dialog_short(d, text, sizeof text))
        return wrapped(f, row, 3, STYLE_WARN, text);
    if (!dialog_is_stock(d))
        return d->changed[0] ? wrapped(f, row, 2, STYLE_WARN, d->changed) : 0;
    if (!d->now.known || d->now.on_hand_version == d->opened.on_hand_version || d->blind)
        return 0;
    snprintf(text, sizeof text, "! Changed while open %s. Was %u, is %u", d->changed,
             d->opened.on_hand, d->now.on_hand);
    return wrapped(f, row, 3, STYLE_WARN, text);
}

static int conflict(const struct frame *f, struct dialog *d, int row)
{
    const struct field *quantity = form_find(&d->form, MARK_QUANTITY);
    char text[300];
    if (!form_find(&d->form, MARK_KEEP) || !quantity || field_fault(quantity))
        return 0;
    long long count = field_number(quantity);
    long long difference = count - (long long)d->opened.on_hand;
    snprintf(text, sizeof text, "Keep the count: %lld. Keep the difference (%+lld): %lld", count,
             difference, (long long)d->now.on_hand + difference);
    return wrapped(f, row, 3, STYLE_WARN, text);
}

static const char *phase_words(const struct app *app, const struct dialog *d, int width,
                               enum style *style)
{
    static const char *const keys = "F2 post     Esc cancel (nothing sent)     Enter next field";
    const char *why;
    *style = STYLE_WARN;
    switch (d->phase) {
    case DIALOG_LOADING:
        return "reading ...";
    case DIALOG_CHECKING:
        return "checking ...";
    case DIALOG_POSTING:
        return "posting ...";
    case DIALOG_UNKNOWN:
        *style = STYLE_BAD;
        return "OUTCOME UNKNOWN, checking; do not repeat";
    case DIALOG_EDITING:
        break;
    }
    if (!link_can_post(app, &why)) {
        *style = STYLE_BAD;
        return link_broker_missed(app) || app->readonly
                   ? "posting is off: no broker is heard. What you typed stays"
                   : "asking for a broker ...";
    }
    *style = STYLE_KEY;
    return (int)text_width(keys) > width ? "F2 post Esc cancel" : keys;
}

void dialog_draw(struct app *app, struct canvas *c)
{
    struct dialog *d = app->dialog;
    int width = least(c->columns, WIDTH), fields = (int)d->form.count;
    bool framed = c->columns >= 50;
    int height = least(c->rows - 2, most(fields + 8, 12));
    int row = framed ? (c->rows - height) / 2 : 0, column = (c->columns - width) / 2;
    enum style style;
    char title[512];

    if (!framed)
        height = c->rows - 1;
    const char *about = dialog_is_stock(d) ? d->subject.sku : d->subject.reservation;
    if (framed)
        snprintf(title, sizeof title, "%s %s%s%s %s", dialog_title(d->action), about,
                 d->read_warehouse[0] ? "@" : "", d->read_warehouse, d->name);
    else
        snprintf(title, sizeof title, "%s %s", dialog_title(d->action), about);
    bool cut =
        !framed && (int)text_width(title) > width - 6; /* then it stands in a line of its own */
    canvas_box(c, row, column, height, width, title);
    if (cut)
        canvas_cell(c, row + 1, column + 1, width - 2, STYLE_STRONG, about);
    struct frame f = {.c = c,
                      .row = row + 1 + cut,
                      .column = column + 1 + framed,
                      .width = width - 2 - 2 * framed,
                      .rows = height - 2 - cut};
    for (int i = 0; i < fields; i++)
        f.label = most(f.label, (int)text_width(d->form.fields[i].label));
    f.label = least(f.label, f.width >= 40 ? f.width - 20 : f.width - 9);
    int below = least(f.rows - 1, d->form.count > 0 ? 6 : 7); /* kept for words */
    int shown = least(fields, f.rows - below < 1 ? 1 : f.rows - below);
    int top = (int)d->form.focus < shown ? 0 : (int)d->form.focus - shown + 1;
    int at = f.row;
    for (int i = top; i < top + shown; i++)
        draw_field(&f, d, (size_t)i, at++);
    at += f.rows > shown + 8;
    int last = f.row + f.rows - 1;
    const struct field *focus = d->form.count > 0 ? &d->form.fields[d->form.focus] : NULL;
    char fault[160] = "";
    if (focus && focus->text[0] && field_fault(focus) && !fault_beside(&f, d, d->form.focus))
        snprintf(fault, sizeof fault, "%s %s", focus->label, field_fault(focus));
    if (d->trouble[0] || fault[0])
        at += wrapped(&f, at, least(TEXT_ROWS, last - at), STYLE_BAD,
                      d->trouble[0] ? d->trouble : fault);
    if (at < last)
        at += conflict(&f, d, at);
    if (at < last)
        at += preview(&f, d, at);
    if (at < last)
        moved(&f, d, at);
    const char *words = phase_words(app, d, f.width, &style);
    canvas_fill(c, last, f.column, f.width, STYLE_NORMAL);
    canvas_text(c, last, f.column, f.width, style, words);
}
