/* SPDX-License-Identifier: MIT
 *
 * Writing what a list shows into a file of the current folder (key `e`): Stock as a bulk file,
 * which `holdfast apply` takes back when it has been edited; the others as a table. A file that is
 * there is never written over, one that is not whole never stays.
 */
#ifndef CONSOLE_EXPORT_H
#define CONSOLE_EXPORT_H

#include <stdbool.h>
#include <stdio.h>

/* More rows of stock are refused: `holdfast export` writes them without a person waiting. */
#define EXPORT_LEVELS_MAX 20000
#define EXPORT_PATH 128

/* Creates holdfast-<what>-<local time>.csv, with -2, -3, … when there is one already. NULL with
 * the reason in error; path is of EXPORT_PATH bytes. */
FILE *export_create(const char *what, char *path, char *error, size_t error_bytes);
/* Closes it; removes it unless whole and everything reached the file. False with the reason in
 * error. */
bool export_close(FILE **file, bool whole, const char *path, char *error, size_t error_bytes);

/* One row of a table, RFC 4180; values that need it are quoted. The last value is followed by
 * NULL. */
void export_row(FILE *file, const char *value, ...) __attribute__((sentinel));

#endif
