/* SPDX-License-Identifier: MIT
 *
 * Rows of a CSV file, one at a time: RFC 4180 quoting, LF or CRLF, a byte order mark at the front.
 * Used by demo/retail.c for the data and its tables.
 */
#ifndef DEMO_ROWS_H
#define DEMO_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROW_FIELDS_MAX 16u

struct rows {
    char *text; /* the whole file; fields point into it */
    char *next;
    char *end;
    uint32_t line; /* of the row read last, from 1 */
    uint32_t lines_passed;
    char *fields[ROW_FIELDS_MAX];
    size_t count; /* fields of the row; beyond ROW_FIELDS_MAX they are counted, not kept */
    bool broken;  /* the row has a NUL, a quote out of place, or one that is not closed */
};

/* Reads the whole file. False with errno. */
bool rows_open(struct rows *rows, const char *path);
/* The next row; blank lines are passed over. False at the end. Fields live until rows_close. */
bool rows_next(struct rows *rows);
void rows_close(struct rows *rows);

#endif
