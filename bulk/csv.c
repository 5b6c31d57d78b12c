/* SPDX-License-Identifier: MIT
 *
 * The CSV front, for spreadsheets. The first line names the columns: the keys of a line, `run`, and
 * columns for people, whose names begin with #. A field that is empty is a key that is not written;
 * a row without any is no line.
 */
#include "bulk/read.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/csv.h"

#define NOT_THERE (-1)
#define ALL_KEYS (KEY_BIT(KEY_COUNT) - 1)

enum use { USE_NOTHING, USE_KEY, USE_RUN, USE_REMARK };

struct csv_front {
    struct csv_reader csv;
    const struct csv_record *held; /* read ahead for its run, and not given yet */
    size_t columns;
    enum use uses[CSV_FIELDS_MAX];
    enum key keys[CSV_FIELDS_MAX];
    int run; /* its column, or NOT_THERE */
};

static struct bulk_place place_of(const struct csv_record *record, size_t column)
{
    struct bulk_place place;

    csv_place(record, record->starts[column], &place.line, &place.column);
    return place;
}

bool csv_is_formula(const char *text)
{
    text += strspn(text, "'");
    return text[0] != '\0' && strchr("=+-@", text[0]);
}

/* What the writer put before it is no part of it. */
static const char *text_of(const char *field)
{
    return field[0] == '\'' && csv_is_formula(field) ? field + 1 : field;
}

/* Of an encoding one fault is enough: it is wrong everywhere. */
static bool is_utf8(struct bulk_reader *reader, const struct csv_record *record, size_t column)
{
    if (text_is_utf8(record->fields[column], strlen(record->fields[column])))
        return true;
    reader_fault(reader, place_of(record, column), CSV_NOT_UTF8 "; what follows was not read");
    reader_stop(reader);
    return false;
}

/* ------------------------------------------------------------- the header */

static void take_column(struct bulk_reader *reader, const struct csv_record *header, size_t i)
{
    struct csv_front *front = reader->csv;
    const char *name = header->fields[i], *nearest = NULL;
    char word[CODE_BYTES_MAX];
    size_t length = strlen(name);

    if (length == 0)
        return;
    if (name[0] == '#') {
        front->uses[i] = USE_REMARK;
        return;
    }
    for (size_t j = 0; j <= length && j < sizeof word; j++) /* as spreadsheets like it: Sku */
        word[j] = name[j] >= 'A' && name[j] <= 'Z' ? (char)(name[j] - 'A' + 'a') : name[j];
    word[sizeof word - 1] = '\0';
    front->uses[i] = strcmp(word, "run") == 0 ? USE_RUN : USE_KEY;
    if (front->uses[i] == USE_KEY)
        front->keys[i] = key_find(word, ALL_KEYS, &nearest);
    if (front->uses[i] == USE_KEY && front->keys[i] == KEY_COUNT) {
        if (nearest)
            reader_unknown(reader, place_of(header, i), "column", name, nearest);
        else
            reader_fault(reader, place_of(header, i),
                         "unknown column \"%.64s\"; the name of one for people begins with #",
                         name);
        front->uses[i] = USE_REMARK;
        return;
    }
    for (size_t j = 0; j < i; j++) {
        if (front->uses[j] == front->uses[i] &&
            (front->uses[i] == USE_RUN || front->keys[j] == front->keys[i]))
            reader_fault(reader, place_of(header, i), "column %s is there twice", word);
    }
    if (front->uses[i] == USE_RUN)
        front->run = (int)i;
}

static bool take_header(struct bulk_reader *reader, const struct csv_record *header)
{
    static const struct bulk_place start = {1, 1};
    struct csv_front *front = reader->csv;
    bool has_op = false;

    if (!header || header->fault) {
        reader_fault(reader, start, "its first line cannot be read: %s",
                     header ? header->fault : "there is none");
        return false;
    }
    front->columns = header->field_count;
    for (size_t i = 0; i < header->field_count; i++) {
        if (header->fields[i][0] != '#' && !is_utf8(reader, header, i))
            return false;
        take_column(reader, header, i);
        has_op = has_op || (front->uses[i] == USE_KEY && front->keys[i] == KEY_OP);
    }
    if (!has_op)
        reader_fault(reader, start,
                     "column op is missing; the first line must name the columns, such as "
                     "run,op,sku,warehouse,by,to,reason");
    if (front->run == NOT_THERE && !reader->options->run)
        reader_fault(reader, start, "the run has no name: add a column run, or give it with --run");
    return has_op;
}

/* ------------------------------------------------------------- rows */

static bool is_blank(const struct csv_record *record)
{
    for (size_t i = 0; i < record->field_count; i++) {
        if (record->fields[i][0] != '\0')
            return false;
    }
    return !record->fault;
}

static const struct csv_record *next_row(struct csv_front *front)
{
    const struct csv_record *record = front->held;

    front->held = NULL;
    while (!record) {
        record = csv_next(&front->csv);
        if (!record)
            return NULL;
        if (is_blank(record))
            record = NULL;
    }
    return record;
}

/* Columns for people may be anything. */
static bool row_is_utf8(struct bulk_reader *reader, const struct csv_record *record)
{
    const struct csv_front *front = reader->csv;

    for (size_t i = 0; i < record->field_count && i < front->columns; i++) {
        if (front->uses[i] != USE_REMARK && !is_utf8(reader, record, i))
            return false;
    }
    return true;
}

/* The run's name is in the first row, or given by the caller. False: that row is no text. */
static bool take_run(struct bulk_reader *reader)
{
    struct csv_front *front = reader->csv;
    struct cell cell;
    const char *name = reader->options->run;

    front->held = next_row(front);
    if (front->held && !row_is_utf8(reader, front->held))
        return false;
    if (front->run != NOT_THERE && front->held && !front->held->fault &&
        (size_t)front->run < front->held->field_count) {
        const char *field = text_of(front->held->fields[front->run]);
        if (field[0] != '\0' || !name) {
            cell_set(&cell, place_of(front->held, (size_t)front->run), field, strlen(field), true);
            reader_take_run(reader, &cell);
            return true;
        }
    }
    if (name) {
        cell_set(&cell, (struct bulk_place){1, 1}, name, strlen(name), true);
        reader_take_run(reader, &cell);
    }
    return true;
}

static void split_barcodes(struct draft *draft, struct bulk_place place, const char *text)
{
    while (*(text += strspn(text, " ")) != '\0') {
        size_t length = strcspn(text, " ");
        if (draft->barcode_count < BULK_BARCODES_MAX)
            cell_set(&draft->barcodes[draft->barcode_count], place, text, length, true);
        draft->barcode_count++;
        text += length;
    }
}

static void take_field(struct bulk_reader *reader, const struct csv_record *record, size_t i)
{
    struct csv_front *front = reader->csv;
    struct draft *draft = &reader->draft;
    const char *text = record->fields[i];

    if (front->uses[i] == USE_RUN ||
        (front->uses[i] == USE_KEY &&
         (TEXT_KEYS | KEY_BIT(KEY_BARCODES)) & KEY_BIT(front->keys[i])))
        text = text_of(text);
    switch (front->uses[i]) {
    case USE_REMARK:
        return;
    case USE_NOTHING:
        reader_fault(reader, place_of(record, i), "column %zu has no name", i + 1);
        return;
    case USE_RUN:
        if (strcmp(text, reader->head.run) != 0)
            reader_fault(reader, place_of(record, i),
                         "run is \"%.64s\" here, and \"%s\" in the first row", text,
                         reader->head.run);
        return;
    case USE_KEY:
        draft->given |= KEY_BIT(front->keys[i]);
        cell_set(&draft->cells[front->keys[i]], place_of(record, i), text, strlen(text), true);
        if (front->keys[i] == KEY_BARCODES)
            split_barcodes(draft, place_of(record, i), text);
        return;
    }
}

/* An empty field is a key that is not written, but for these: the count that nobody has made yet,
 * and the name that something does not have. */
static void take_empty(struct bulk_reader *reader, const struct csv_record *record)
{
    const struct csv_front *front = reader->csv;
    struct draft *draft = &reader->draft;
    const char *nearest;
    const struct op *op =
        draft->given & KEY_BIT(KEY_OP) ? op_find(draft->cells[KEY_OP].text, &nearest) : NULL;
    unsigned may;

    if (!op)
        return;
    may = op->required & (op->kind == HOLDFAST_COUNT ? KEY_BIT(KEY_TO) : KEY_BIT(KEY_NAME));
    for (size_t i = 0; i < front->columns; i++) {
        enum key key = front->keys[i];
        if (front->uses[i] != USE_KEY || !(may & ~draft->given & KEY_BIT(key)))
            continue;
        draft->given |= KEY_BIT(key);
        cell_set(&draft->cells[key], place_of(record, i), "", 0, true);
    }
}

bool csv_front_next(struct bulk_reader *reader)
{
    struct csv_front *front = reader->csv;
    struct draft *draft = &reader->draft;
    const struct csv_record *record = next_row(front);

    if (!record) {
        if (ferror(reader->file)) {
            reader_fault(reader, (struct bulk_place){front->csv.line, 1},
                         "it could not be read any further");
            reader_stop(reader);
        }
        return false;
    }
    draft->place = (struct bulk_place){record->line, 1};
    draft->unreadable = record->fault || record->field_count != front->columns;
    if (record->fault) {
        reader_fault(reader, draft->place, "%s", record->fault);
        return true;
    }
    if (draft->unreadable) {
        reader_fault(reader, draft->place,
                     "it has %zu fields, and the first line names %zu columns", record->field_count,
                     front->columns);
        return true;
    }
    if (!row_is_utf8(reader, record))
        return false;
    for (size_t i = 0; i < record->field_count; i++) {
        if (record->fields[i][0] != '\0')
            take_field(reader, record, i);
    }
    take_empty(reader, record);
    return true;
}

bool csv_front_begin(struct bulk_reader *reader)
{
    struct csv_front *front = calloc(1, sizeof *front);
    const char *why;

    if (!front) {
        reader_fault(reader, (struct bulk_place){1, 1}, "out of memory");
        return false;
    }
    reader->csv = front;
    front->run = NOT_THERE;
    why = csv_open(&front->csv, reader->file);
    if (why) {
        reader_fault(reader, (struct bulk_place){1, 1}, "%s", why);
        return false;
    }
    if (!take_header(reader, csv_next(&front->csv)))
        return false;
    return take_run(reader);
}

void csv_front_end(struct bulk_reader *reader)
{
    free(reader->csv);
    reader->csv = NULL;
}
