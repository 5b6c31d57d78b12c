/* SPDX-License-Identifier: MIT
 *
 * Writes bulk files: exports, count sheets, the demo's corrections. What is written reads back as
 * the same lines (tests/fuzz/bulk_checks.h holds it to that).
 */
#include "bulk/bulk.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "bulk/read.h"
#include "common/csv.h"

/* ------------------------------------------------------------- values */

/* The value of a key as text; NULL: the line does not say it. text has VALUE_BYTES. */
#define VALUE_BYTES 32

static const char *duration_text(uint64_t ms, char text[VALUE_BYTES])
{
    static const struct {
        uint64_t ms;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    size_t i = 0;

    while (ms % units[i].ms != 0)
        i++;
    snprintf(text, VALUE_BYTES, "%" PRIu64 "%s", ms / units[i].ms, units[i].unit);
    return text;
}

static const char *given(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

static const char *value_of(const struct bulk_line *line, const struct op *op, enum key key,
                            char text[VALUE_BYTES])
{
    unsigned bit = KEY_BIT(key);

    if (key != KEY_OP && !((op->required | op->optional) & bit))
        return NULL;
    switch (key) {
    case KEY_OP:
        return bulk_op_name(line->kind);
    case KEY_SKU:
        return given(line->sku);
    case KEY_WAREHOUSE:
        return given(line->warehouse);
    case KEY_TO_WAREHOUSE:
        return given(line->to_warehouse);
    case KEY_RESERVATION:
        return given(line->reservation);
    case KEY_REASON:
        return given(line->reason);
    case KEY_REFERENCE:
        return given(line->reference);
    case KEY_NOTE:
        return given(line->note);
    case KEY_NAME:
        return line->name;
    case KEY_BY:
        if (op->of_reservation && line->sku[0] == '\0')
            return NULL;
        /* fall through */
    case KEY_TO:
        snprintf(text, VALUE_BYTES, "%" PRId64, line->amount);
        return text;
    case KEY_REORDER_POINT:
        snprintf(text, VALUE_BYTES, "%" PRId64, line->amount);
        return line->amount > 0 ? text : NULL;
    case KEY_IF_VERSION:
        snprintf(text, VALUE_BYTES, "%" PRIu64, line->if_version);
        return line->has_version ? text : NULL;
    case KEY_ACCEPT_SHORTFALL:
        return line->accept_shortfall ? "true" : NULL;
    case KEY_INTO:
        return line->to_quarantine ? "quarantine" : "stock";
    case KEY_TTL:
        return duration_text(line->ttl_ms, text);
    case KEY_BARCODES: /* the formats differ */
    case KEY_COUNT:
        break;
    }
    return NULL;
}

/* ------------------------------------------------------------- YAML */

/* Characters that YAML reads as line ends, or not at all. */
static const struct {
    char bytes[4];
    const char *escape;
} special[] = {{"\xe2\x80\xa8", "\\u2028"},
               {"\xe2\x80\xa9", "\\u2029"},
               {"\xef\xbb\xbf", "\\uFEFF"},
               {"\xef\xbf\xbe", "\\uFFFE"},
               {"\xef\xbf\xbf", "\\uFFFF"}};

static const char *special_at(const char *text)
{
    for (size_t i = 0; i < sizeof special / sizeof special[0]; i++) {
        if (strncmp(text, special[i].bytes, 3) == 0)
            return special[i].escape;
    }
    return NULL;
}

static void write_quoted(FILE *file, const char *text)
{
    putc('"', file);
    for (const char *p = text; *p; p++) {
        const char *escape = special_at(p);
        if (escape) {
            fputs(escape, file);
            p += 2;
            continue;
        }
        if (*p == '"' || *p == '\\')
            putc('\\', file);
        putc(*p, file);
    }
    putc('"', file);
}

static void write_comment(FILE *file, const char *text)
{
    fputs("# ", file);
    for (const char *p = text; *p; p++) {
        if (special_at(p)) {
            putc('?', file);
            p += 2;
        } else {
            putc((unsigned char)*p < 0x20 || *p == 0x7f ? '?' : *p, file);
        }
    }
}

static void write_yaml(FILE *file, const struct bulk_line *line, const struct op *op, bool open,
                       const char *remark)
{
    char text[VALUE_BYTES];

    fputs("  - {", file);
    for (enum key key = 0; key < KEY_COUNT; key++) {
        const char *value = value_of(line, op, key, text);
        if (!value)
            continue;
        fprintf(file, "%s%s: ", key > 0 ? ", " : "", key_name(key));
        if (KEY_BIT(key) & TEXT_KEYS)
            write_quoted(file, value);
        else if (key != KEY_TO || !open)
            fputs(value, file);
    }
    for (size_t i = 0; i < line->barcode_count; i++) {
        fputs(i == 0 ? ", barcodes: [" : ", ", file);
        write_quoted(file, line->barcodes[i]);
    }
    fputs(line->barcode_count > 0 ? "]}" : "}", file);
    if (remark && remark[0] != '\0') {
        fputs("  ", file);
        write_comment(file, remark);
    }
    putc('\n', file);
}

/* ------------------------------------------------------------- CSV */

#define DELIMITER ','
#define BARCODES_BYTES (BULK_BARCODES_MAX * (CODE_BYTES_MAX + 1) + 1)

/* A spreadsheet computes what looks like a formula, whoever wrote it. With a ' before it, it is
 * text; reading takes that away again. */
static void write_text(FILE *file, const char *text)
{
    char guarded[BARCODES_BYTES + 1];

    if (!csv_is_formula(text)) {
        csv_write_field(file, text, DELIMITER);
        return;
    }
    snprintf(guarded, sizeof guarded, "'%s", text);
    csv_write_field(file, guarded, DELIMITER);
}

static void write_barcodes(FILE *file, const struct bulk_line *line)
{
    char text[BARCODES_BYTES] = "", *to = text;

    for (size_t i = 0; i < line->barcode_count; i++) {
        if (i > 0)
            *to++ = ' ';
        to = stpcpy(to, line->barcodes[i]);
    }
    write_text(file, text);
}

static bool write_csv(const struct bulk_writer *writer, const struct bulk_line *line,
                      const struct op *op, bool open, const char *remark)
{
    FILE *file = writer->file;
    char text[VALUE_BYTES];

    for (size_t i = 0; i < line->barcode_count; i++) {
        if (strchr(line->barcodes[i], ' '))
            return false;
    }
    write_text(file, writer->run);
    for (enum key key = 0; key < KEY_COUNT; key++) {
        const char *value = value_of(line, op, key, text);
        if (!(writer->columns & KEY_BIT(key)))
            continue;
        putc(DELIMITER, file);
        if (key == KEY_BARCODES)
            write_barcodes(file, line);
        else if (value && KEY_BIT(key) & TEXT_KEYS)
            write_text(file, value);
        else if (value && !(key == KEY_TO && open))
            csv_write_field(file, value, DELIMITER);
    }
    putc(DELIMITER, file);
    write_text(file, remark ? remark : "");
    putc('\n', file);
    return true;
}

/* ------------------------------------------------------------- both */

void bulk_write_comment(FILE *file, const char *text)
{
    write_comment(file, text);
    putc('\n', file);
}

void bulk_write_begin(struct bulk_writer *writer, FILE *file, enum bulk_format format,
                      const char *run, const enum holdfast_operation_kind *kinds, size_t count)
{
    *writer = (struct bulk_writer){.file = file, .format = format, .columns = KEY_BIT(KEY_OP)};
    assert(!code_fault(run, strlen(run)));
    memcpy(writer->run, run, strlen(run) + 1);
    for (size_t i = 0; i < count; i++) {
        const struct op *op = op_of(kinds[i]);
        assert(op);
        writer->columns |= op->required | op->optional;
    }
    if (format == BULK_YAML) {
        fputs("version: 1\nrun: ", file);
        write_quoted(file, run);
        fputs("\nlines:\n", file);
        return;
    }
    fputs("run", file);
    for (enum key key = 0; key < KEY_COUNT; key++) {
        if (writer->columns & KEY_BIT(key))
            fprintf(file, "%c%s", DELIMITER, key_name(key));
    }
    fprintf(file, "%c#\n", DELIMITER);
}

bool bulk_write_line(struct bulk_writer *writer, const struct bulk_line *line, bool open,
                     const char *remark)
{
    const struct op *op = op_of(line->kind);

    assert(op);
    assert(!open || line->kind == HOLDFAST_COUNT);
    if (writer->format == BULK_CSV)
        return write_csv(writer, line, op, open, remark);
    write_yaml(writer->file, line, op, open, remark);
    return true;
}
