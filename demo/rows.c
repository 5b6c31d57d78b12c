/* SPDX-License-Identifier: MIT
 *
 * Rows of a CSV file, unquoted in place. A quote out of place makes the row broken and no more: its
 * line still counts, so that no line of a file is ever lost.
 */
#include "demo/rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MAX (256l * 1024 * 1024)

bool rows_open(struct rows *rows, const char *path)
{
    memset(rows, 0, sizeof *rows);
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    long size = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    bool good = size >= 0 && size <= FILE_BYTES_MAX && fseek(file, 0, SEEK_SET) == 0;
    if (good) {
        rows->text = malloc((size_t)size + 1);
        good = rows->text && fread(rows->text, 1, (size_t)size, file) == (size_t)size;
    } else if (size > FILE_BYTES_MAX) {
        errno = EFBIG;
    }
    int kept = errno;
    fclose(file);
    errno = kept;
    if (!good) {
        rows_close(rows);
        return false;
    }
    rows->text[size] = '\0';
    rows->next = rows->text;
    rows->end = rows->text + size;
    if (size >= 3 && memcmp(rows->text, "\xef\xbb\xbf", 3) == 0)
        rows->next += 3;
    return true;
}

static void keep_field(struct rows *rows, char *field)
{
    if (rows->count < ROW_FIELDS_MAX)
        rows->fields[rows->count] = field;
    rows->count++;
}

/* Unquotes from *from to the end of the field; *from is left at its comma, newline or the end. */
static char *take_field(struct rows *rows, char **from)
{
    char *read = *from, *write = read, *field = read;
    bool quoted = read < rows->end && *read == '"';
    if (quoted)
        read++;
    for (; read < rows->end; read++) {
        if (*read == '\0')
            rows->broken = true;
        if (quoted && *read == '"') {
            if (read + 1 < rows->end && read[1] == '"') {
                read++;
            } else {
                quoted = false;
                read++;
                if (read < rows->end && *read != ',' && *read != '\n' && *read != '\r')
                    rows->broken = true;
                if (read >= rows->end || *read == ',' || *read == '\n')
                    break;
            }
        } else if (!quoted && (*read == ',' || *read == '\n')) {
            break;
        } else if (*read == '\n') {
            rows->lines_passed++;
        }
        if (quoted || *read != '\r')
            *write++ = *read;
    }
    if (quoted)
        rows->broken = true;
    *from = read;
    if (write < read)
        *write = '\0'; /* otherwise the caller ends it, once it has seen what stands there */
    return field;
}

bool rows_next(struct rows *rows)
{
    while (rows->next < rows->end && (*rows->next == '\n' || *rows->next == '\r')) {
        rows->lines_passed += *rows->next == '\n';
        rows->next++;
    }
    if (rows->next >= rows->end)
        return false;
    rows->line = rows->lines_passed + 1;
    rows->count = 0;
    rows->broken = false;
    for (char *at = rows->next;; at++) {
        keep_field(rows, take_field(rows, &at));
        bool more = at < rows->end && *at == ',';
        if (at < rows->end && *at == '\n')
            rows->lines_passed++;
        *at = '\0';
        if (!more) {
            rows->next = at < rows->end ? at + 1 : rows->end;
            return true;
        }
    }
}

void rows_close(struct rows *rows)
{
    free(rows->text);
    memset(rows, 0, sizeof *rows);
}
