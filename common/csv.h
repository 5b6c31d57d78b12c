/* SPDX-License-Identifier: MIT
 *
 * Reads CSV (imports, bulk files, the demo) record by record, as RFC 4180 has it and as
 * spreadsheets write it: quotes with "" for a quote, line ends LF or CRLF, a byte order mark or
 * none, separated by comma or semicolon (whichever the first line has more of). Holds one record in
 * memory, however long the file.
 */
#ifndef COMMON_CSV_H
#define COMMON_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CSV_RECORD_BYTES 16384 /* of one record, line ends inside quotes included */
#define CSV_FIELDS_MAX 64

/* What to say of such a text. Without its mark UTF-16 is known by the NUL of its first character.
 */
#define CSV_UTF16 "it is UTF-16: save it as \"CSV UTF-8\", or convert it with iconv(1)"
#define CSV_NOT_UTF8                                                                               \
    "it is not UTF-8 (Windows-1252 or Latin-1, perhaps): save it as \"CSV UTF-8\", or convert it " \
    "with iconv(1)"

struct csv_record {
    uint64_t line;   /* of its first byte, from 1 */
    uint64_t number; /* from 0: the header */
    const char *raw; /* as in the file, without its line end; not NUL-terminated */
    size_t raw_bytes;
    const char *fields[CSV_FIELDS_MAX]; /* NUL-terminated; none holds a NUL */
    size_t starts[CSV_FIELDS_MAX];      /* where each begins in raw, its quote included */
    size_t field_count;
    const char *fault; /* why it cannot be read, static text; then there are no fields */
};

struct csv_reader {
    FILE *file;  /* borrowed; must be seekable */
    long offset; /* of the next byte */
    char delimiter;
    uint64_t line, number;
    struct csv_record record;
    char raw[CSV_RECORD_BYTES];
    char text[CSV_RECORD_BYTES + CSV_FIELDS_MAX];
};

/* From the start of the file. NULL, or why it is not CSV (static text): UTF-16, separated by
 * tabs, or empty. */
const char *csv_open(struct csv_reader *reader, FILE *file);

/* The next record, valid until the next call; empty lines are passed over. NULL at the end. A
 * record with a fault is one line long, whatever its quotes say, so that the next one is read. */
const struct csv_record *csv_next(struct csv_reader *reader);

/* Line and column, from 1, of the byte of raw at `at` (at most raw_bytes). A column is a character
 * of the line: a byte that goes on with one is not counted. */
void csv_place(const struct csv_record *record, size_t at, uint64_t *line, uint64_t *column);

/* Writes the text as one field, quoted where it must be. */
void csv_write_field(FILE *out, const char *text, char delimiter);

#endif
