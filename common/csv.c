/* SPDX-License-Identifier: MIT
 *
 * See csv.h. Fuzzed by tests/fuzz/fuzz_csv.c.
 */
#include <string.h>
#include "common/csv.h"

const char *csv_open(struct csv_reader *reader, FILE *file)
{
    unsigned char mark[3] = {0};
    size_t n, commas = 0, semicolons = 0, tabs = 0, other = 0;
    int c;
    *reader = (struct csv_reader){.file = file, .line = 1};
    rewind(file);
    n = fread(mark, 1, sizeof(mark), file);
    if (n == 0)
        return "it is empty";
    if ((mark[0] == 0xff && mark[1] == 0xfe) || (mark[0] == 0xfe && mark[1] == 0xff) ||
        (n > 1 && (mark[0] == '\0') != (mark[1] == '\0')))
        return CSV_UTF16;
    long start = n == 3 && memcmp(mark, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    fseek(file, start, SEEK_SET);
    for (n = 0; n < CSV_RECORD_BYTES && (c = getc_unlocked(file)) != EOF && c != '\n'; n++) {
        commas += c == ',';
        semicolons += c == ';';
        tabs += c == '\t';
        other += c < ' ' && c != '\t' && c != '\r';
    }
    fseek(file, start, SEEK_SET);
    if (tabs > 0 && commas + semicolons + other == 0)
        return "its columns are separated by tabs: save it with , or ; between them";
    reader->offset = start;
    reader->delimiter = semicolons > commas ? ';' : ',';
    return NULL;
}

/* ------------------------------------------------------------- one record's bytes */

/* Does this byte change whether we are inside quotes? A quote opens only at the start of a field.
 */
static bool inside_after(const struct csv_reader *reader, bool inside, size_t at)
{
    const char *raw = reader->raw;
    if (raw[at] != '"')
        return inside;
    if (inside)
        return false;
    /* Also true for the second quote of a pair, which follows one that seemed to close. */
    return at == 0 || raw[at - 1] == reader->delimiter || raw[at - 1] == '"';
}

/* Reads up to the line end that is not inside quotes. False at the end of the file. */
static bool read_raw(struct csv_reader *reader, size_t *bytes, size_t *lines, const char **fault)
{
    bool inside = false;
    int c = EOF;
    *bytes = *lines = 0;
    *fault = NULL;
    while (*bytes < CSV_RECORD_BYTES && (c = getc_unlocked(reader->file)) != EOF) {
        reader->offset++;
        if (c == '\n')
            ++*lines;
        if (c == '\n' && !inside)
            break;
        reader->raw[(*bytes)++] = (char)c;
        inside = inside_after(reader, inside, *bytes - 1);
    }
    if (*bytes == 0 && c == EOF)
        return false;
    if (inside)
        *fault = "a quote is not closed";
    else if (*bytes == CSV_RECORD_BYTES)
        *fault = "it is longer than 16384 bytes";
    return true;
}

/* After a fault: back to the end of the record's first line. */
static void cut_to_first_line(struct csv_reader *reader, long start, size_t *bytes)
{
    const char *end = memchr(reader->raw, '\n', *bytes);
    int c;
    if (end != NULL) {
        *bytes = (size_t)(end - reader->raw);
        reader->offset = start + (long)*bytes + 1;
        fseek(reader->file, reader->offset, SEEK_SET);
        return;
    }
    reader->offset = start + (long)*bytes;
    fseek(reader->file, reader->offset, SEEK_SET);
    while ((c = getc_unlocked(reader->file)) != EOF) {
        reader->offset++;
        if (c == '\n')
            return;
    }
}

/* ------------------------------------------------------------- its fields */

/* Copies one field to `to`, which has room; *from is left at the delimiter or the end. */
static const char *read_quoted(const char **from, const char *end, char delimiter, char **to)
{
    const char *p = *from + 1;
    while (p < end) {
        if (*p == '"' && p + 1 < end && p[1] == '"')
            p++;
        else if (*p == '"')
            break;
        *(*to)++ = *p++;
    }
    if (p == end)
        return "a quote is not closed";
    p++;
    *from = p;
    return p == end || *p == delimiter ? NULL : "there is text after a closing quote";
}

static const char *split(struct csv_reader *reader, size_t bytes)
{
    struct csv_record *record = &reader->record;
    const char *p = reader->raw, *end = reader->raw + bytes;
    char *to = reader->text;
    if (memchr(p, '\0', bytes) != NULL)
        return "it holds a NUL byte";
    for (;;) {
        if (record->field_count == CSV_FIELDS_MAX)
            return "it has more than 64 columns";
        record->starts[record->field_count] = (size_t)(p - reader->raw);
        record->fields[record->field_count++] = to;
        if (p < end && *p == '"') {
            const char *fault = read_quoted(&p, end, reader->delimiter, &to);
            if (fault != NULL)
                return fault;
        }
        while (p < end && *p != reader->delimiter)
            *to++ = *p++;
        *to++ = '\0';
        if (p == end)
            return NULL;
        p++;
    }
}

const struct csv_record *csv_next(struct csv_reader *reader)
{
    struct csv_record *record = &reader->record;
    size_t bytes, lines;
    *record = (struct csv_record){.raw = reader->raw};
    do {
        long start = reader->offset;
        record->line = reader->line;
        if (!read_raw(reader, &bytes, &lines, &record->fault))
            return NULL;
        if (record->fault != NULL) {
            cut_to_first_line(reader, start, &bytes);
            lines = 1;
        }
        reader->line += lines > 0 ? lines : 1;
        if (bytes > 0 && reader->raw[bytes - 1] == '\r')
            bytes--;
    } while (bytes == 0);
    record->raw_bytes = bytes;
    record->number = reader->number++;
    if (record->fault == NULL)
        record->fault = split(reader, bytes);
    if (record->fault != NULL)
        record->field_count = 0;
    return record;
}

void csv_place(const struct csv_record *record, size_t at, uint64_t *line, uint64_t *column)
{
    *line = record->line;
    *column = 1;
    for (size_t i = 0; i < at; i++) {
        unsigned char byte = (unsigned char)record->raw[i];
        if (byte == '\n') {
            ++*line;
            *column = 1;
        } else if (byte < 0x80 || byte >= 0xc0) {
            ++*column;
        }
    }
}

void csv_write_field(FILE *out, const char *text, char delimiter)
{
    if (strpbrk(text, "\"\r\n") == NULL && strchr(text, delimiter) == NULL) {
        fputs(text, out);
        return;
    }
    putc('"', out);
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '"')
            putc('"', out);
        putc(*p, out);
    }
    putc('"', out);
}
