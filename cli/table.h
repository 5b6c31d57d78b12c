/* SPDX-License-Identifier: MIT
 *
 * Columns for people: aligned by display width (wcwidth), so that names in any script line up.
 * Rows are kept until table_print.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define TABLE_COLUMNS_MAX 16

struct column {
    const char *title;
    bool right;       /* numbers */
    bool if_not_zero; /* left out when every cell is "0" or empty */
};

struct table {
    const struct column *columns; /* borrowed */
    size_t column_count;
    char **cells; /* row by row; owned */
    size_t cell_count, capacity;
};

void table_init(struct table *table, const struct column *columns, size_t column_count);
void table_release(struct table *table);
/* The next cell; after the last column, that of a new row. */
void table_cell(struct table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Does nothing when there are no rows. */
void table_print(const struct table *table, FILE *out);

/* Columns of a terminal that the UTF-8 text takes. */
size_t text_width(const char *text);

#endif
