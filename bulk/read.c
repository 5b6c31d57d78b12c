/* SPDX-License-Identifier: MIT
 *
 * Reads a bulk file, once to check it and once for its lines; see bulk.h. Keeps the faults of a
 * line until its end, so that they are told in the order of their places, and the digest of what
 * all lines mean.
 */
#include "bulk/read.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/csv.h"

/* ------------------------------------------------------------- faults */

static int by_place(const void *a, const void *b)
{
    const struct bulk_place *x = &((const struct kept_fault *)a)->place;
    const struct bulk_place *y = &((const struct kept_fault *)b)->place;

    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    return x->column < y->column ? -1 : x->column > y->column;
}

/* It goes to a terminal, and a word of the file may hold anything. */
static void make_printable(char *text)
{
    bool ascii_only = text_fault(text, strlen(text), sizeof((struct kept_fault *)NULL)->message);

    for (char *p = text; *p; p++) {
        unsigned char byte = (unsigned char)*p;
        if (byte < 0x20 || byte == 0x7f || (ascii_only && byte > 0x7f))
            *p = '?';
    }
}

static void tell(struct bulk_reader *reader, struct bulk_place place, const char *message)
{
    struct bulk_fault fault = {.place = place, .message = message};

    if (reader->options->fault)
        reader->options->fault(reader->options->data, &fault);
}

static void tell_kept(struct bulk_reader *reader)
{
    char text[80];

    qsort(reader->kept, reader->kept_count, sizeof reader->kept[0], by_place);
    for (size_t i = 0; i < reader->kept_count; i++) {
        if (reader->told < BULK_FAULTS_MAX) {
            tell(reader, reader->kept[i].place, reader->kept[i].message);
        } else if (reader->told == BULK_FAULTS_MAX) {
            snprintf(text, sizeof text, "more than %d errors: what follows was not read",
                     BULK_FAULTS_MAX);
            tell(reader, reader->kept[i].place, text);
            reader->stopped = true;
        }
        reader->told++;
    }
    reader->kept_count = 0;
}

void reader_fault(struct bulk_reader *reader, struct bulk_place place, const char *format, ...)
{
    struct kept_fault *kept;
    va_list arguments;

    reader->faults++;
    if (reader->kept_count == LINE_FAULTS_MAX)
        tell_kept(reader);
    kept = &reader->kept[reader->kept_count++];
    kept->place = place;
    va_start(arguments, format);
    vsnprintf(kept->message, sizeof kept->message, format, arguments);
    va_end(arguments);
    make_printable(kept->message);
}

void reader_unknown(struct bulk_reader *reader, struct bulk_place place, const char *what,
                    const char *word, const char *nearest)
{
    if (nearest)
        reader_fault(reader, place, "unknown %s \"%.64s\" (did you mean \"%s\"?)", what, word,
                     nearest);
    else
        reader_fault(reader, place, "unknown %s \"%.64s\"", what, word);
}

void reader_stop(struct bulk_reader *reader)
{
    reader->stopped = true;
}

/* ------------------------------------------------------------- opening */

void reader_take_run(struct bulk_reader *reader, const struct cell *cell)
{
    const char *why = cell->length > CODE_BYTES_MAX ? "is longer than 64 bytes"
                                                    : code_fault(cell->text, cell->length);

    if (why)
        reader_fault(reader, cell->place, "run %s", why);
    else if (reader->options->run && strcmp(reader->options->run, cell->text) != 0)
        reader_fault(reader, cell->place, "run is \"%s\" here, and --run says \"%s\"", cell->text,
                     reader->options->run);
    memcpy(reader->head.run, why ? "?" : cell->text, why ? 2 : cell->length + 1);
}

/* Of the run's name now, of each line as it comes, and of how many there were. */
static bool begin_digest(struct bulk_reader *reader)
{
    return EVP_DigestInit_ex(reader->digest, EVP_sha256(), NULL) == 1 &&
           EVP_DigestUpdate(reader->digest, reader->head.run, strlen(reader->head.run) + 1) == 1;
}

static bool begin(struct bulk_reader *reader)
{
    static const struct bulk_place start = {1, 1};
    uint8_t mark[3];
    size_t bytes;
    bool good;

    rewind(reader->file);
    bytes = fread(mark, 1, sizeof mark, reader->file);
    reader->start = bytes == 3 && memcmp(mark, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    if (fseek(reader->file, reader->start, SEEK_SET) != 0) {
        reader_fault(reader, start, "it cannot be read twice");
        good = false;
    } else if (bytes >= 2 &&
               (memcmp(mark, "\xff\xfe", 2) == 0 || memcmp(mark, "\xfe\xff", 2) == 0)) {
        reader_fault(reader, start, "%s",
                     reader->options->format == BULK_CSV
                         ? CSV_UTF16
                         : "it is UTF-16: save it as UTF-8, or convert it with iconv(1)");
        good = false;
    } else if (reader->options->format == BULK_YAML) {
        good = yaml_front_begin(reader);
    } else {
        good = csv_front_begin(reader);
    }
    if (good && !begin_digest(reader)) {
        reader_fault(reader, start, "the digest could not be begun");
        good = false;
    }
    if (!good)
        reader_stop(reader);
    return good;
}

struct bulk_reader *bulk_open(FILE *file, const struct bulk_options *options,
                              const struct bulk_head *head)
{
    struct bulk_reader *reader = calloc(1, sizeof *reader);

    if (!reader)
        return NULL;
    reader->file = file;
    reader->options = options;
    reader->expected = head;
    reader->digest = EVP_MD_CTX_new();
    if (!reader->digest) {
        bulk_close(&reader);
        return NULL;
    }
    begin(reader);
    return reader;
}

void bulk_close(struct bulk_reader **reader)
{
    if (!*reader)
        return;
    yaml_front_end(*reader);
    csv_front_end(*reader);
    EVP_MD_CTX_free((*reader)->digest);
    free((*reader)->put_warehouses.codes);
    free((*reader)->put_reasons.codes);
    free(*reader);
    *reader = NULL;
}

/* ------------------------------------------------------------- lines */

static bool next_draft(struct bulk_reader *reader)
{
    if (reader->stopped)
        return false;
    reader->draft.given = reader->draft.spoilt = reader->draft.from_head = 0;
    reader->draft.unreadable = false;
    reader->draft.barcode_count = 0;
    return reader->options->format == BULK_YAML ? yaml_front_next(reader) : csv_front_next(reader);
}

static bool add_to_digest(struct bulk_reader *reader, const struct bulk_line *line)
{
    uint8_t bytes[BULK_CANONICAL_BYTES];

    return EVP_DigestUpdate(reader->digest, bytes, bulk_canonical(line, bytes)) == 1;
}

/* The next line that is an operation, or an open count when those are wanted. False: at the end.
 * Faults are told. */
static bool read_line(struct bulk_reader *reader, struct bulk_line *line)
{
    for (;;) {
        uint64_t faults = reader->faults;
        enum drafted drafted;

        if (!next_draft(reader))
            break;
        memset(line, 0, sizeof *line);
        line->place = reader->draft.place;
        line->index = ++reader->head.lines;
        if (line->index > BULK_LINES_MAX) {
            reader_fault(reader, line->place, "it has more than %u lines", BULK_LINES_MAX);
            reader_stop(reader);
            break;
        }
        drafted = line_from_draft(reader, line);
        if (drafted == DRAFT_OPEN)
            reader->head.open++;
        if (drafted == DRAFT_LINE && !add_to_digest(reader, line)) {
            reader_fault(reader, line->place, "its digest could not be made");
            reader_stop(reader);
        }
        tell_kept(reader);
        line->open = drafted == DRAFT_OPEN;
        if ((drafted == DRAFT_LINE || (line->open && reader->options->open_lines)) &&
            reader->faults == faults)
            return true;
        if (reader->expected && reader->faults > 0)
            break;
    }
    tell_kept(reader);
    return false;
}

static void end_digest(struct bulk_reader *reader)
{
    struct bulk_head *head = &reader->head;
    uint8_t counts[16];

    for (int i = 0; i < 8; i++) {
        counts[i] = (uint8_t)(head->lines >> (56 - 8 * i));
        counts[8 + i] = (uint8_t)(head->open >> (56 - 8 * i));
    }
    if (EVP_DigestUpdate(reader->digest, counts, sizeof counts) != 1 ||
        EVP_DigestFinal_ex(reader->digest, head->digest, NULL) != 1)
        reader_fault(reader, (struct bulk_place){1, 1}, "its digest could not be made");
}

enum bulk_next bulk_next(struct bulk_reader *reader, struct bulk_line *line)
{
    if (reader->faults == 0 && read_line(reader, line))
        return BULK_LINE;
    if (reader->faults > 0) {
        tell_kept(reader);
        return BULK_FAULTY;
    }
    if (!reader->stopped) {
        end_digest(reader);
        reader->stopped = true;
    }
    if (strcmp(reader->head.run, reader->expected->run) == 0 &&
        memcmp(reader->head.digest, reader->expected->digest, BULK_DIGEST_BYTES) == 0)
        return BULK_END;
    reader_fault(reader, (struct bulk_place){1, 1}, "it has changed since it was checked");
    tell_kept(reader);
    return BULK_FAULTY;
}

bool bulk_check(FILE *file, const struct bulk_options *options, struct bulk_head *head)
{
    struct bulk_reader *reader = bulk_open(file, options, NULL);
    struct bulk_line line;
    bool good;

    if (!reader) {
        struct bulk_fault fault = {.place = {1, 1}, .message = "out of memory"};
        if (options->fault)
            options->fault(options->data, &fault);
        return false;
    }
    while (read_line(reader, &line))
        continue;
    if (reader->faults == 0 && reader->head.lines == 0)
        reader_fault(reader, (struct bulk_place){1, 1}, "it has no lines");
    else if (reader->faults == 0)
        end_digest(reader);
    tell_kept(reader);
    good = reader->faults == 0;
    if (good)
        *head = reader->head;
    bulk_close(&reader);
    return good;
}
