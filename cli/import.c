/* SPDX-License-Identifier: MIT
 *
 * holdfast import FILE.csv: items and opening stock. Streams the file in chunks; tells every line
 * that was not taken and why; ends with a summary whose figures add up to the lines of the file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cli/import.h"
#include "cli/json.h"
#include "cli/memory.h"
#include "cli/report.h"
#include "common/clock.h"

#define IMPORT_TIMEOUT_MS 60000
#define PROGRESS_TERMINAL_US 200000
#define PROGRESS_PLAIN_US 10000000
#define SPOOL_BYTES_MAX (INT64_C(1) << 30)

enum import_exit { IMPORT_ALL = 0, IMPORT_SOME = 2, IMPORT_ONLY_CONFLICTS = 3 };

/* ------------------------------------------------------------- telling */

void import_tell(struct import *import, uint64_t line, const char *raw, size_t raw_bytes,
                 const struct import_fault *fault)
{
    char reason[512];
    snprintf(reason, sizeof(reason), "%s%s%s", fault->column != NULL ? fault->column : "",
             fault->column != NULL ? ": " : "", fault->why);
    for (char *p = reason; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    fprintf(stderr, "%s%s:%llu: %s\n", isatty(STDERR_FILENO) ? "\r\033[K" : "", import->path,
            (unsigned long long)line, reason);
    if (import->rejects == NULL)
        return;
    fwrite(raw, 1, raw_bytes, import->rejects);
    for (size_t i = 0; i <= fault->missing; i++) /* the reason has a column of its own */
        putc(import->delimiter, import->rejects);
    csv_write_field(import->rejects, reason, import->delimiter);
    putc('\n', import->rejects);
}

/* What of the line is at fault, as it stands there; NULL: what the result says is better. */
static const char *value_of(const struct import_row *row, int status)
{
    switch (status) {
    case HOLDFAST_UNKNOWN_WAREHOUSE:
        return row->warehouse;
    case HOLDFAST_BARCODE_TAKEN:
        return row->barcode;
    case HOLDFAST_VERSION_CONFLICT:
        return "an import sets only stock that never moved; `holdfast count` sets this";
    default:
        return NULL;
    }
}

void import_refuse(struct import *import, const struct import_row *row, const char *column,
                   const struct holdfast_result *result)
{
    struct import_fault fault = {.column = column};
    const char *message =
        *result->message != '\0' ? result->message : holdfast_status_text(result->status);
    const char *value = value_of(row, result->status);
    if (value == NULL)
        value = result->field;
    if (result->status == HOLDFAST_VERSION_CONFLICT)
        message = "it has moved already";
    snprintf(fault.why, sizeof(fault.why), "%s: %s%s%s", holdfast_status_name(result->status),
             message, *value != '\0' ? ": " : "", value);
    if (import->refused++ == 0)
        import->first_refusal = result->status;
    if (result->status >= 0 &&
        (size_t)result->status < sizeof(import->refused_by) / sizeof(import->refused_by[0]))
        import->refused_by[result->status]++;
    import_tell(import, row->line, row->raw, row->raw_bytes, &fault);
}

static void tell_progress(const struct import *import, uint64_t of, int64_t *next_us)
{
    bool terminal = isatty(STDERR_FILENO);
    int64_t now_us = clock_monotonic_us();
    if (*next_us == 0)
        *next_us = now_us + (terminal ? 0 : PROGRESS_PLAIN_US);
    if (now_us < *next_us)
        return;
    fprintf(stderr, "%s%llu of %llu lines%s", terminal ? "\r\033[K" : "",
            (unsigned long long)import->lines, (unsigned long long)of, terminal ? "" : "\n");
    fflush(stderr);
    *next_us = now_us + (terminal ? PROGRESS_TERMINAL_US : PROGRESS_PLAIN_US);
}

/* ------------------------------------------------------------- the second reading */

static void keep_raw(struct import_row *row, const struct csv_record *record)
{
    row->raw = memory_grow(NULL, record->raw_bytes, 1);
    row->raw_bytes = record->raw_bytes;
    memcpy(row->raw, record->raw, record->raw_bytes);
}

static void flush_chunk(struct import *import, struct import_row *rows, size_t *count)
{
    if (*count > 0 && import->stopped == 0)
        import_chunk(import, rows, *count);
    for (size_t i = 0; i < *count; i++)
        free(rows[i].raw);
    *count = 0;
}

static void take_lines(struct import *import, const struct import_scan *scan,
                       struct csv_reader *reader)
{
    struct import_row *rows = memory_grow(NULL, IMPORT_CHUNK, sizeof(*rows));
    struct import_columns columns;
    const struct csv_record *record;
    char text[256];
    size_t count = 0;
    int64_t next_us = 0;
    csv_open(reader, reader->file);
    record = csv_next(reader);
    if (record == NULL) {
        complain("import", "%s: it has changed while it was read", import->path);
        import->stopped = HOLDFAST_INVALID;
        free(rows);
        return;
    }
    import_header(record, &columns, import->path, false, text);
    if (import->rejects != NULL)
        fprintf(import->rejects, "%.*s%creason\n", (int)record->raw_bytes, record->raw,
                reader->delimiter);
    while (import->stopped == 0 && !was_interrupted() && (record = csv_next(reader)) != NULL) {
        struct import_fault fault;
        import->lines++;
        if (!import_row_read(record, &columns, &rows[count], &fault) ||
            import_contradicted(scan, &rows[count], &fault)) {
            import->rejected++;
            import_tell(import, record->line, record->raw, record->raw_bytes, &fault);
        } else {
            keep_raw(&rows[count], record);
            count++;
        }
        if (count == IMPORT_CHUNK) {
            flush_chunk(import, rows, &count);
            tell_progress(import, import_line_count(scan), &next_us);
        }
    }
    flush_chunk(import, rows, &count);
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    free(rows);
}

/* ------------------------------------------------------------- the end */

static void print_summary_json(const struct import *import)
{
    struct json_object *object = json_object_new_object(), *refused = json_object_new_object();
    json_text(object, "file", import->path);
    json_number(object, "lines", import->lines);
    json_number(object, "applied", import->taken);
    json_number(object, "already_there", import->there);
    json_number(object, "rejected", import->rejected);
    for (size_t i = 0; i < sizeof(import->refused_by) / sizeof(import->refused_by[0]); i++)
        if (import->refused_by[i] > 0)
            json_number(refused, holdfast_status_name((int)i), import->refused_by[i]);
    json_object_object_add(object, "refused", refused);
    json_number(object, "items_put", import->items);
    json_line(object);
}

static void print_summary(const struct import *import)
{
    printf("%llu line%s: %llu applied, %llu already there, %llu rejected, %llu refused",
           (unsigned long long)import->lines, import->lines == 1 ? "" : "s",
           (unsigned long long)import->taken, (unsigned long long)import->there,
           (unsigned long long)import->rejected, (unsigned long long)import->refused);
    for (size_t i = 0, n = 0; i < sizeof(import->refused_by) / sizeof(import->refused_by[0]); i++)
        if (import->refused_by[i] > 0)
            printf("%s%llu %s", n++ == 0 ? " (" : ", ", (unsigned long long)import->refused_by[i],
                   holdfast_status_name((int)i));
    printf("%s; %llu items put\n", import->refused > 0 ? ")" : "",
           (unsigned long long)import->items);
}

static int import_code(const struct import *import)
{
    uint64_t done = import->taken + import->there;
    uint64_t missing = import->rejected + import->refused;
    if (was_interrupted())
        return EXIT_INTERRUPTED;
    if (done > 0 && (missing > 0 || import->stopped != 0))
        return IMPORT_SOME;
    if (import->stopped != 0)
        return holdfast_status_exit(import->stopped);
    if (missing == 0)
        return IMPORT_ALL;
    if (import->rejected == 0 && import->refused_by[HOLDFAST_VERSION_CONFLICT] == missing)
        return IMPORT_ONLY_CONFLICTS;
    return import->refused > 0 ? holdfast_status_exit(import->first_refusal) : EX_DATAERR;
}

static int finish_import(const struct invocation *invocation, struct import *import)
{
    int code = import_code(import);
    if (invocation->json)
        print_summary_json(import);
    else
        print_summary(import);
    if (code == EXIT_INTERRUPTED || import->stopped != 0)
        complain("import", "%s after %llu lines; import the same file again: nothing is done twice",
                 code == EXIT_INTERRUPTED ? "interrupted" : "stopped",
                 (unsigned long long)import->lines);
    if (import->rejects != NULL && (fflush(import->rejects) != 0 || ferror(import->rejects))) {
        complain("import", "could not write the rejects: %s", strerror(errno));
        code = EX_OSERR;
    }
    return code;
}

/* ------------------------------------------------------------- opening */

/* What cannot be read twice, such as a pipe, is copied first. */
static FILE *spool(FILE *from, const char *path)
{
    FILE *to = tmpfile();
    char buffer[65536];
    int64_t bytes = 0;
    size_t n;
    while (to != NULL && (n = fread(buffer, 1, sizeof(buffer), from)) > 0) {
        bytes += (int64_t)n;
        if (bytes > SPOOL_BYTES_MAX) {
            complain("import", "%s: more than 1 GiB from a pipe; save it as a file", path);
            fclose(to);
            fclose(from);
            return NULL;
        }
        if (fwrite(buffer, 1, n, to) != n)
            break;
    }
    if (to == NULL || ferror(to) || ferror(from) || fflush(to) != 0) {
        complain("import", "could not copy \"%s\": %s", path, strerror(errno));
        if (to != NULL)
            fclose(to);
        to = NULL;
    }
    fclose(from);
    return to;
}

static FILE *open_input(const char *path)
{
    FILE *file = fopen(path, "re");
    struct stat stat;
    if (file == NULL || fstat(fileno(file), &stat) != 0) {
        complain("import", "could not open \"%s\": %s", path, strerror(errno));
        if (file != NULL)
            fclose(file);
        return NULL;
    }
    if (S_ISDIR(stat.st_mode)) {
        complain("import", "could not read \"%s\": it is a folder", path);
        fclose(file);
        return NULL;
    }
    return S_ISREG(stat.st_mode) ? file : spool(file, path);
}

static int open_rejects(struct import *import, const char *path, FILE *input)
{
    struct stat there, file;
    if (path == NULL)
        return 0;
    if (stat(path, &there) == 0 && fstat(fileno(input), &file) == 0 &&
        there.st_dev == file.st_dev && there.st_ino == file.st_ino) {
        complain("import", "--rejects \"%s\" is the file that is imported: give it another name",
                 path);
        return EX_USAGE;
    }
    import->rejects = fopen(path, "we");
    if (import->rejects == NULL)
        complain("import", "could not open \"%s\": %s", path, strerror(errno));
    return import->rejects != NULL ? 0 : EX_OSERR;
}

/* The name that ids are derived from: the file's digest, and --id when one was given, which makes
 * the same file another import. */
static void name_import(struct import *import, const struct import_scan *scan)
{
    const char *id = option_text(import->session->invocation, "id");
    memcpy(import->name, import_digest(scan), DIGEST_BYTES);
    import->name_bytes = DIGEST_BYTES;
    if (id != NULL) {
        memcpy(import->name + DIGEST_BYTES, import->session->id, 36);
        import->name_bytes += 36;
    }
    import->id_time_us = clock_wall_us();
}

static int import_file(const struct invocation *invocation, struct import *import,
                       struct csv_reader *reader)
{
    struct import_scan *scan = NULL;
    struct session session = {0};
    int code = import_scan_file(&scan, reader, import->path);
    if (code == 0)
        code = session_open(&session, invocation, HOLDFAST_CLASS_BULK, IMPORT_TIMEOUT_MS);
    if (code == 0)
        code = open_rejects(import, option_text(invocation, "rejects"), reader->file);
    if (code == 0) {
        import->session = &session;
        import->delimiter = reader->delimiter;
        name_import(import, scan);
        catch_interrupts();
        take_lines(import, scan, reader);
        code = finish_import(invocation, import);
    }
    session_close(&session);
    import_scan_destroy(&scan);
    return code;
}

int cmd_import(const struct invocation *invocation)
{
    struct import import = {.path = invocation->arguments[0]};
    struct csv_reader *reader;
    FILE *file = open_input(import.path);
    int code;
    if (file == NULL)
        return EX_OSERR;
    reader = memory_grow(NULL, 1, sizeof(*reader));
    reader->file = file;
    code = import_file(invocation, &import, reader);
    if (import.rejects != NULL)
        fclose(import.rejects);
    free(reader);
    fclose(file);
    return code;
}
