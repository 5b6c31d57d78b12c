/* SPDX-License-Identifier: MIT
 *
 * See canvas.h.
 */
#include "console/canvas.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console/text.h"

static int clamp(int value, int least, int most)
{
    return value < least ? least : value > most ? most : value;
}

bool canvas_resize(struct canvas *c, int rows, int columns)
{
    rows = clamp(rows, 1, CANVAS_ROWS_MAX);
    columns = clamp(columns, 1, CANVAS_COLUMNS_MAX);
    struct cell *cells = calloc((size_t)rows * (size_t)columns, sizeof *cells);
    if (!cells)
        return false;
    free(c->cells);
    c->cells = cells;
    c->rows = rows;
    c->columns = columns;
    canvas_clear(c);
    return true;
}

void canvas_release(struct canvas *c)
{
    free(c->cells);
    memset(c, 0, sizeof *c);
}

void canvas_clear(struct canvas *c)
{
    for (int row = 0; row < c->rows; row++)
        canvas_fill(c, row, 0, c->columns, STYLE_NORMAL);
    c->cursor_row = c->cursor_column = 0;
}

static struct cell *at(struct canvas *c, int row, int column)
{
    return &c->cells[row * c->columns + column];
}

void canvas_fill(struct canvas *c, int row, int column, int width, enum style style)
{
    if (row < 0 || row >= c->rows)
        return;
    for (int x = column < 0 ? 0 : column; x < column + width && x < c->columns; x++)
        *at(c, row, x) = (struct cell){.points = {' '}, .style = (uint8_t)style};
}

/* A wide character of which one half is overwritten is gone: a blank takes its place. */
static void unsplit(struct canvas *c, int row, int column)
{
    if (column > 0 && column < c->columns && at(c, row, column)->points[0] == 0)
        at(c, row, column - 1)->points[0] = ' ';
}

static void put(struct canvas *c, int row, int column, uint32_t point, enum style style)
{
    unsplit(c, row, column);
    if (column + 1 < c->columns && at(c, row, column + 1)->points[0] == 0)
        at(c, row, column + 1)->points[0] = ' ';
    *at(c, row, column) = (struct cell){.points = {point}, .style = (uint8_t)style};
}

static void combine(struct cell *cell, uint32_t point)
{
    for (int i = 1; i < CELL_POINTS; i++) {
        if (!cell->points[i]) {
            cell->points[i] = point;
            return;
        }
    }
}

static uint32_t shown(const struct canvas *c, uint32_t point)
{
    bool control = point < 0x20 || (point >= 0x7f && point < 0xa0);
    return control || (c->ascii && point > 0x7e) ? '?' : point;
}

int canvas_text(struct canvas *c, int row, int column, int width, enum style style,
                const char *text)
{
    int end = column + width < c->columns ? column + width : c->columns, x = column;
    size_t bytes = strlen(text), used;
    uint32_t point;

    if (row < 0 || row >= c->rows || column < 0)
        return 0;
    for (; (used = text_decode(text, bytes, &point)) > 0; text += used, bytes -= used) {
        point = shown(c, point);
        int cells = text_point_width(point);
        if (x + cells > end)
            break;
        if (cells == 0) {
            struct cell *before = x > column ? at(c, row, x - 1) : NULL;
            if (before && before->points[0] == 0 && x - 1 > column)
                before = at(c, row, x - 2);
            if (before)
                combine(before, point);
            continue;
        }
        put(c, row, x, point, style);
        if (cells == 2) {
            put(c, row, x + 1, ' ', style);
            at(c, row, x + 1)->points[0] = 0;
        }
        x += cells;
    }
    return x - column;
}

void canvas_cell(struct canvas *c, int row, int column, int width, enum style style,
                 const char *text)
{
    canvas_fill(c, row, column, width, style);
    canvas_text(c, row, column, width, style, text);
    if ((int)text_width(text) > width && width > 0 && column + width <= c->columns)
        canvas_text(c, row, column + width - 1, 1, style, "~");
}

void canvas_right(struct canvas *c, int row, int column, int width, enum style style,
                  const char *text)
{
    int cells = (int)text_width(text);
    canvas_fill(c, row, column, width, style);
    char plain[64];

    if (cells > width && strlen(text) < sizeof plain) { /* 1000 in place of 1,000 */
        char *to = plain;
        for (const char *at = text; *at; at++) {
            if (*at != ',')
                *to++ = *at;
        }
        *to = '\0';
        text = plain;
        cells = (int)text_width(text);
    }
    if (cells <= width) {
        canvas_text(c, row, column + width - cells, cells, style, text);
        return;
    }
    for (int i = 0; i < width; i++)
        canvas_text(c, row, column + i, 1, style, "#");
}

int canvas_format(struct canvas *c, int row, int column, int width, enum style style,
                  const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return canvas_text(c, row, column, width, style, text);
}

void canvas_box(struct canvas *c, int row, int column, int height, int width, const char *title)
{
    for (int y = row; y < row + height; y++)
        canvas_fill(c, y, column, width, STYLE_NORMAL);
    for (int x = 1; x < width - 1; x++) {
        canvas_text(c, row, column + x, 1, STYLE_TITLE, "-");
        canvas_text(c, row + height - 1, column + x, 1, STYLE_TITLE, "-");
    }
    for (int y = 0; y < height; y++) {
        const char *side = y == 0 || y == height - 1 ? "+" : "|";
        canvas_text(c, row + y, column, 1, STYLE_TITLE, side);
        canvas_text(c, row + y, column + width - 1, 1, STYLE_TITLE, side);
    }
    if (title[0] && width > 6) {
        int used = canvas_text(c, row, column + 3, width - 6, STYLE_STRONG, title);
        canvas_text(c, row, column + 2, 1, STYLE_TITLE, " ");
        canvas_text(c, row, column + 3 + used, 1, STYLE_TITLE, " ");
    }
}

void canvas_cursor(struct canvas *c, int row, int column)
{
    c->cursor_row = clamp(row, 0, c->rows - 1);
    c->cursor_column = clamp(column, 0, c->columns - 1);
}

void canvas_row_text(const struct canvas *c, int row, char *out, size_t out_bytes)
{
    size_t used = 0, end = 0;
    for (int x = 0; x < c->columns; x++) {
        const struct cell *cell = &c->cells[row * c->columns + x];
        for (int i = 0; i < CELL_POINTS && cell->points[i] && used + 5 < out_bytes; i++)
            used += text_encode(cell->points[i], out + used);
        if (cell->points[0] && cell->points[0] != ' ')
            end = used;
    }
    out[end] = '\0';
}

bool canvas_equal(const struct canvas *a, const struct canvas *b)
{
    size_t count = (size_t)a->rows * (size_t)a->columns;
    if (a->rows != b->rows || a->columns != b->columns || a->cursor_row != b->cursor_row ||
        a->cursor_column != b->cursor_column)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (memcmp(a->cells[i].points, b->cells[i].points, sizeof a->cells[i].points) != 0 ||
            a->cells[i].style != b->cells[i].style)
            return false;
    }
    return true;
}

bool canvas_copy(struct canvas *to, const struct canvas *from)
{
    if ((to->rows != from->rows || to->columns != from->columns) &&
        !canvas_resize(to, from->rows, from->columns))
        return false;
    memcpy(to->cells, from->cells,
           (size_t)from->rows * (size_t)from->columns * sizeof *from->cells);
    to->cursor_row = from->cursor_row;
    to->cursor_column = from->cursor_column;
    to->ascii = from->ascii;
    return true;
}
