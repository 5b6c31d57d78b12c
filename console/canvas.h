/* SPDX-License-Identifier: MIT
 *
 * A screen in memory: views draw into it, and a frontend (curses.c, plain.c) shows it. Pure. What
 * does not fit is cut, so nothing here can write outside; rows and columns count from 0.
 */
#ifndef CONSOLE_CANVAS_H
#define CONSOLE_CANVAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a cell means; the frontend decides how that looks. Never told by colour alone: whoever uses
 * WARN or BAD also writes a word or a sign. */
enum style {
    STYLE_NORMAL,
    STYLE_HEADER,   /* the first line */
    STYLE_TITLE,    /* names of columns, frames */
    STYLE_SELECTED, /* the focused row */
    STYLE_DIM,      /* old data, what cannot be chosen */
    STYLE_STRONG,
    STYLE_GOOD,
    STYLE_WARN,
    STYLE_BAD,
    STYLE_KEY,   /* names of keys in the bar */
    STYLE_FIELD, /* what one may type into */
    STYLE_FOCUS, /* the field that one types into */
    STYLES
};

#define CELL_POINTS 3 /* a character and its combining ones */

struct cell {
    uint32_t points[CELL_POINTS]; /* [0] is 0 in the right half of a wide character */
    uint8_t style;
};

struct canvas {
    int rows, columns;
    struct cell *cells;
    int cursor_row, cursor_column; /* the hardware cursor */
    bool ascii;                    /* other characters are shown as '?' */
};

#define CANVAS_ROWS_MAX 400
#define CANVAS_COLUMNS_MAX 1000

/* False without memory; the old size stays then. Sizes are cut to 1 and the maxima. */
bool canvas_resize(struct canvas *c, int rows, int columns);
void canvas_release(struct canvas *c);
void canvas_clear(struct canvas *c);
/* Fills part of a row with blanks of a style. */
void canvas_fill(struct canvas *c, int row, int column, int width, enum style style);

/* Writes text into at most width cells; returns the cells used. Control characters become '?'. */
int canvas_text(struct canvas *c, int row, int column, int width, enum style style,
                const char *text);
/* The same, padded with blanks; what is cut ends with '~' in its last cell. */
void canvas_cell(struct canvas *c, int row, int column, int width, enum style style,
                 const char *text);
/* Flush right; what does not fit loses its commas first, and otherwise becomes '#'s, as a cut
 * number would lie. */
void canvas_right(struct canvas *c, int row, int column, int width, enum style style,
                  const char *text);
int canvas_format(struct canvas *c, int row, int column, int width, enum style style,
                  const char *format, ...) __attribute__((format(printf, 6, 7)));
/* A frame with a title, cleared inside. */
void canvas_box(struct canvas *c, int row, int column, int height, int width, const char *title);
void canvas_cursor(struct canvas *c, int row, int column);

/* One row as UTF-8 without blanks at its end; out needs columns * 12 + 1 bytes. */
void canvas_row_text(const struct canvas *c, int row, char *out, size_t out_bytes);
bool canvas_equal(const struct canvas *a, const struct canvas *b);
/* False without memory. */
bool canvas_copy(struct canvas *to, const struct canvas *from);

#endif
