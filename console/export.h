/* SPDX-License-Identifier: MIT
 *
 * Writing what a list shows into a file of the current folder. Key `e`, CSV: Stock as a bulk file,
 * which `holdfast apply` takes back when it has been edited; the others as a table. Key `E`, JSON
 * Lines, for programs: an object for each row. A file that is there is never written over, one that
 * is not whole never stays.
 */
#ifndef CONSOLE_EXPORT_H
#define CONSOLE_EXPORT_H

#include <stdbool.h>
#include <stdio.h>

/* More rows of stock are refused: `holdfast export` writes them without a person waiting. */
#define EXPORT_LEVELS_MAX 20000
#define EXPORT_PATH 128

#define EXPORT_COLUMNS 24

struct export_file {
    FILE *file;
    bool json;
    char path[EXPORT_PATH];
    const char *names[EXPORT_COLUMNS]; /* borrowed */
    bool numbers[EXPORT_COLUMNS];
    size_t columns;
    bool short_of_memory; /* a row was left out */
};

/* Creates holdfast-<what>-<local time>.csv or .jsonl, with -2, -3, … when there is one already.
 * False with the reason in error. */
bool export_create(struct export_file *out, const char *what, bool json, char *error,
                   size_t error_bytes);
/* Closes it; removes it unless whole and everything reached the file. False with the reason in
 * error. */
bool export_close(struct export_file *out, bool whole, char *error, size_t error_bytes);

/* The names of the columns, first and once; '#' before a name: its values are numbers. The last is
 * followed by NULL. */
void export_head(struct export_file *out, const char *name, ...) __attribute__((sentinel));
/* A row; the last value is followed by NULL, and there may be fewer than names. CSV: RFC 4180,
 * values that need it are quoted. JSON: "" is null, and what no value is there for is left out. */
void export_row(struct export_file *out, const char *value, ...) __attribute__((sentinel));

#endif
