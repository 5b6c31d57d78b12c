/* SPDX-License-Identifier: MIT
 *
 * See table.h. Used by every command that lists something.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include "cli/memory.h"
#include "cli/table.h"

#define COLUMN_GAP 2

size_t text_width(const char *text)
{
    size_t width = 0, left = strlen(text);
    mbstate_t state = {0};
    while (left > 0) {
        wchar_t c;
        size_t n = mbrtowc(&c, text, left, &state);
        if (n == (size_t)-1 || n == (size_t)-2) {
            state = (mbstate_t){0};
            n = 1;
            width++;
        } else {
            int columns = wcwidth(c);
            width += columns > 0 ? (size_t)columns : 0;
        }
        text += n;
        left -= n;
    }
    return width;
}

void table_init(struct table *table, const struct column *columns, size_t column_count)
{
    assert(column_count <= TABLE_COLUMNS_MAX);
    *table = (struct table){.columns = columns, .column_count = column_count};
}

void table_release(struct table *table)
{
    for (size_t i = 0; i < table->cell_count; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = (struct table){0};
}

void table_cell(struct table *table, const char *format, ...)
{
    va_list arguments;
    if (table->cell_count == table->capacity) {
        table->capacity = table->capacity > 0 ? table->capacity * 2 : 64;
        table->cells = memory_grow(table->cells, table->capacity, sizeof(*table->cells));
    }
    va_start(arguments, format);
    table->cells[table->cell_count++] = memory_vprintf(format, arguments);
    va_end(arguments);
}

static const char *cell_at(const struct table *table, size_t row, size_t column)
{
    return table->cells[row * table->column_count + column];
}

/* 0: the column is left out. */
static size_t column_width(const struct table *table, size_t column, size_t rows)
{
    size_t width = text_width(table->columns[column].title);
    bool is_empty = true;
    for (size_t row = 0; row < rows; row++) {
        const char *cell = cell_at(table, row, column);
        size_t w = text_width(cell);
        width = w > width ? w : width;
        is_empty = is_empty && (*cell == '\0' || strcmp(cell, "0") == 0);
    }
    return table->columns[column].if_not_zero && is_empty ? 0 : width;
}

/* The blanks before a cell are printed with it, so that an empty end of a row leaves none. */
static void print_cell(FILE *out, const char *text, size_t width, bool right, size_t *blanks)
{
    size_t fill = width - text_width(text);
    if (right)
        *blanks += fill;
    if (*text != '\0') {
        fprintf(out, "%*s%s", (int)*blanks, "", text);
        *blanks = 0;
    } else {
        *blanks += right ? 0 : width;
        fill = 0;
    }
    if (!right)
        *blanks += fill;
    *blanks += COLUMN_GAP;
}

void table_print(const struct table *table, FILE *out)
{
    size_t widths[TABLE_COLUMNS_MAX];
    size_t rows = table->cell_count / table->column_count;
    if (rows == 0)
        return;
    for (size_t c = 0; c < table->column_count; c++)
        widths[c] = column_width(table, c, rows);
    for (size_t line = 0; line <= rows; line++) {
        size_t blanks = 0;
        for (size_t c = 0; c < table->column_count; c++) {
            const char *text = line == 0 ? table->columns[c].title : cell_at(table, line - 1, c);
            if (widths[c] > 0)
                print_cell(out, text, widths[c], table->columns[c].right, &blanks);
        }
        putc('\n', out);
    }
}
