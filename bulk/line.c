/* SPDX-License-Identifier: MIT
 *
 * From a draft (what was written) to a line (what is meant): whether the operation takes the keys
 * that are there, and has those that it needs; whether each value is one; what the head's defaults
 * add. Tells every fault of the line, not the first alone.
 */
#include <stdlib.h>
#include <string.h>

#include "bulk/read.h"
#include "common/config.h"
#include "common/words.h"
#include "protocol/ids.h"

#define TTL_MS_MIN UINT64_C(1000)
#define TTL_MS_MAX (UINT64_C(30) * 24 * 3600 * 1000)

static bool has(const struct draft *draft, enum key key)
{
    return draft->given & KEY_BIT(key);
}

/* A NUL in the text ends no comparison. */
static bool cell_is(const struct cell *cell, const char *word)
{
    return strlen(word) == cell->length && strcmp(cell->text, word) == 0;
}

/* ------------------------------------------------------------- text */

static bool take_text(struct bulk_reader *reader, const char *name, const struct cell *cell,
                      size_t max, char *to)
{
    const char *why;

    if (cell->length > max) {
        reader_fault(reader, cell->place, "%s is longer than %zu bytes", name, max);
        return false;
    }
    why = text_fault(cell->text, cell->length, max);
    if (why) {
        reader_fault(reader, cell->place, "%s %s", name, why);
        return false;
    }
    memcpy(to, cell->text, cell->length);
    to[cell->length] = '\0';
    return true;
}

static bool take_code(struct bulk_reader *reader, const char *name, const struct cell *cell,
                      char to[CODE_BYTES_MAX + 1])
{
    const char *why = cell->length > CODE_BYTES_MAX ? "is longer than 64 bytes"
                                                    : code_fault(cell->text, cell->length);

    if (why) {
        reader_fault(reader, cell->place, "%s %s", name, why);
        return false;
    }
    memcpy(to, cell->text, cell->length + 1);
    return true;
}

/* ------------------------------------------------------------- codes that the cluster knows */

static bool is_known(const struct bulk_codes *known, struct put_codes *put, const char *code,
                     const char **nearest)
{
    unsigned distance = 0;

    *nearest = NULL;
    if (put->lost || (put->last < known->count && strcmp(known->codes[put->last], code) == 0))
        return true;
    for (size_t i = 0; i < known->count; i++) {
        if (strcmp(known->codes[i], code) == 0) {
            put->last = i;
            return true;
        }
    }
    for (size_t i = 0; i < put->count; i++) {
        if (strcmp(put->codes[i].bytes, code) == 0)
            return true;
        word_nearest(code, put->codes[i].bytes, nearest, &distance);
    }
    for (size_t i = 0; i < known->count; i++)
        word_nearest(code, known->codes[i], nearest, &distance);
    return false;
}

/* A default is told once, with the first line that takes it: a line above may have put it. */
static void check_known(struct bulk_reader *reader, enum key key, const struct cell *cell)
{
    bool reason = key == KEY_REASON;
    const struct bulk_codes *known =
        reason ? &reader->options->reasons : &reader->options->warehouses;
    const char *nearest;

    if (!known->codes || is_known(known, reason ? &reader->put_reasons : &reader->put_warehouses,
                                  cell->text, &nearest))
        return;
    reader_unknown(reader, cell->place, reason ? "reason" : "warehouse", cell->text, nearest);
    if (reader->draft.from_head & KEY_BIT(key)) {
        reader->defaults.given &= ~KEY_BIT(key);
        reader->defaults.spoilt |= KEY_BIT(key);
    }
}

/* Lines after this one may use it. */
static void remember_put(struct put_codes *put, const char *code)
{
    for (size_t i = 0; i < put->count; i++) {
        if (strcmp(put->codes[i].bytes, code) == 0)
            return;
    }
    if (!put->codes)
        put->codes = calloc(PUT_CODES_MAX, sizeof *put->codes);
    if (!put->codes || put->count == PUT_CODES_MAX) {
        put->lost = true;
        return;
    }
    code_set(&put->codes[put->count++], code, strlen(code));
}

/* ------------------------------------------------------------- numbers */

/* Digits alone, a sign where it is allowed. Beyond 18 digits: more than any limit. */
static bool read_number(struct bulk_reader *reader, const char *name, const struct cell *cell,
                        bool sign, int64_t *number)
{
    const char *digits = cell->text + (sign && (cell->text[0] == '-' || cell->text[0] == '+'));
    size_t length = strspn(digits, "0123456789");
    int64_t value = 0;

    if (cell->length == 0) {
        reader_fault(reader, cell->place, "%s is empty", name);
        return false;
    }
    if (!cell->plain) {
        reader_fault(reader, cell->place, "%s must be a whole number, without quotes", name);
        return false;
    }
    if (length == 0 || digits + length != cell->text + cell->length) {
        reader_fault(reader, cell->place,
                     "%s must be a whole number in digits alone, such as 1000, not \"%.40s\"", name,
                     cell->text);
        return false;
    }
    if (digits[0] == '0' && length > 1) {
        reader_fault(reader, cell->place,
                     "%s may not begin with 0: some programs read that as octal", name);
        return false;
    }
    for (size_t i = 0; i < length && i < 18; i++)
        value = value * 10 + (digits[i] - '0');
    *number = length > 18 ? INT64_MAX : value;
    if (cell->text[0] == '-')
        *number = -*number;
    return true;
}

static void take_quantity(struct bulk_reader *reader, const char *name, const struct cell *cell,
                          int64_t least, int64_t *to)
{
    int64_t number;

    /* A sign is read so that it can be told what is wrong with it. */
    if (!read_number(reader, name, cell, true, &number))
        return;
    if (number < least || number > QUANTITY_MAX)
        reader_fault(reader, cell->place, "%s must be %lld to 999,999,999", name, (long long)least);
    else
        *to = number;
}

static void take_change(struct bulk_reader *reader, const struct cell *cell, int64_t *to)
{
    int64_t number;

    if (!read_number(reader, "by", cell, true, &number))
        return;
    if (number == 0)
        reader_fault(reader, cell->place, "by is 0: there is nothing to adjust");
    else if (number < -QUANTITY_MAX || number > QUANTITY_MAX)
        reader_fault(reader, cell->place, "by must be -999,999,999 to 999,999,999");
    else
        *to = number;
}

static void take_version(struct bulk_reader *reader, const struct cell *cell,
                         struct bulk_line *line)
{
    int64_t number;

    if (!read_number(reader, "if_version", cell, false, &number))
        return;
    if (number == INT64_MAX) {
        reader_fault(reader, cell->place,
                     "if_version has more than 18 digits: no version is so high");
        return;
    }
    line->has_version = true;
    line->if_version = (uint64_t)number;
}

/* ------------------------------------------------------------- other values */

/* Spreadsheets write TRUE. */
static bool is_word(const struct bulk_reader *reader, const struct cell *cell, const char *word)
{
    if (reader->options->format == BULK_CSV)
        return strcasecmp(cell->text, word) == 0;
    return cell->plain && strcmp(cell->text, word) == 0;
}

static void take_bool(struct bulk_reader *reader, const char *name, const struct cell *cell,
                      bool *to)
{
    *to = is_word(reader, cell, "true");
    if (!*to && !is_word(reader, cell, "false"))
        reader_fault(reader, cell->place, "%s must be true or false", name);
}

static void take_into(struct bulk_reader *reader, const struct cell *cell, bool *to_quarantine)
{
    *to_quarantine = cell_is(cell, "quarantine");
    if (!*to_quarantine && !cell_is(cell, "stock"))
        reader_fault(reader, cell->place, "into must be stock or quarantine");
}

static void take_ttl(struct bulk_reader *reader, const struct cell *cell, uint64_t *to)
{
    uint64_t ms;

    if (cell->length >= CELL_BYTES || strlen(cell->text) != cell->length ||
        !config_duration(cell->text, &ms))
        reader_fault(reader, cell->place,
                     "ttl must be a duration: a whole number and ms, s, m, h or d, such as 2h");
    else if (ms < TTL_MS_MIN || ms > TTL_MS_MAX)
        reader_fault(reader, cell->place, "ttl must be 1s to 30d");
    else
        *to = ms;
}

static void take_reservation(struct bulk_reader *reader, const struct cell *cell,
                             char to[BULK_RESERVATION_BYTES])
{
    uint8_t id[RESERVATION_ID_BYTES];

    _Static_assert(RESERVATION_TEXT_BYTES <= BULK_RESERVATION_BYTES, "a reservation fits");
    if (cell->length >= CELL_BYTES || !reservation_id_parse(cell->text, cell->length, id))
        reader_fault(reader, cell->place,
                     "reservation must be R- and 17 characters, as Holdfast shows it");
    else
        reservation_id_format(id, to); /* however it was typed */
}

static void take_barcodes(struct bulk_reader *reader, struct bulk_line *line)
{
    const struct draft *draft = &reader->draft;

    if (draft->barcode_count > BULK_BARCODES_MAX) {
        reader_fault(reader, draft->cells[KEY_BARCODES].place, "barcodes has more than %u entries",
                     BULK_BARCODES_MAX);
        return;
    }
    for (size_t i = 0; i < draft->barcode_count; i++) {
        if (!take_code(reader, "a barcode", &draft->barcodes[i], line->barcodes[i]))
            continue;
        for (size_t j = 0; j < i; j++) {
            if (strcmp(line->barcodes[i], line->barcodes[j]) == 0)
                reader_fault(reader, draft->barcodes[i].place, "the barcode is there twice");
        }
    }
    line->barcode_count = draft->barcode_count;
}

/* op is NULL when the operation is not known: what does not depend on it is still checked. */
static void take_cell(struct bulk_reader *reader, const struct op *op, enum key key,
                      struct bulk_line *line)
{
    const struct cell *cell = &reader->draft.cells[key];
    bool put = op && (op->kind == HOLDFAST_PUT_WAREHOUSE || op->kind == HOLDFAST_PUT_REASON);

    switch (key) {
    case KEY_SKU:
        take_code(reader, "sku", cell, line->sku);
        return;
    case KEY_WAREHOUSE:
        if (take_code(reader, "warehouse", cell, line->warehouse) && !put)
            check_known(reader, key, cell);
        return;
    case KEY_TO_WAREHOUSE:
        if (take_code(reader, "to_warehouse", cell, line->to_warehouse))
            check_known(reader, key, cell);
        return;
    case KEY_REASON:
        if (take_code(reader, "reason", cell, line->reason) && !put)
            check_known(reader, key, cell);
        return;
    case KEY_RESERVATION:
        take_reservation(reader, cell, line->reservation);
        return;
    case KEY_BY:
        if (op && op->amount == AMOUNT_CHANGE)
            take_change(reader, cell, &line->amount);
        else if (op)
            take_quantity(reader, "by", cell, 1, &line->amount);
        return;
    case KEY_TO:
        if (op)
            take_quantity(reader, "to", cell, 0, &line->amount);
        return;
    case KEY_IF_VERSION:
        take_version(reader, cell, line);
        return;
    case KEY_REFERENCE:
        take_text(reader, "reference", cell, BULK_REFERENCE_BYTES_MAX, line->reference);
        return;
    case KEY_NOTE:
        take_text(reader, "note", cell, NOTE_BYTES_MAX, line->note);
        return;
    case KEY_NAME:
        take_text(reader, "name", cell, NAME_BYTES_MAX, line->name);
        return;
    case KEY_ACCEPT_SHORTFALL:
        take_bool(reader, "accept_shortfall", cell, &line->accept_shortfall);
        return;
    case KEY_INTO:
        take_into(reader, cell, &line->to_quarantine);
        return;
    case KEY_TTL:
        take_ttl(reader, cell, &line->ttl_ms);
        return;
    case KEY_REORDER_POINT:
        take_quantity(reader, "reorder_point", cell, 0, &line->amount);
        return;
    case KEY_BARCODES:
        take_barcodes(reader, line);
        return;
    case KEY_OP:
    case KEY_COUNT:
        return;
    }
}

/* ------------------------------------------------------------- the whole line */

void line_check_default(struct bulk_reader *reader, enum key key, const struct cell *cell)
{
    static const size_t max[KEY_COUNT] = {
        [KEY_REFERENCE] = BULK_REFERENCE_BYTES_MAX, [KEY_NOTE] = NOTE_BYTES_MAX};
    char text[NAME_BYTES_MAX + 1];
    bool good = max[key] > 0 ? take_text(reader, key_name(key), cell, max[key], text)
                             : take_code(reader, key_name(key), cell, text);

    if (good) {
        reader->defaults.cells[key] = *cell;
        reader->defaults.given |= KEY_BIT(key);
    } else {
        reader->defaults.spoilt |= KEY_BIT(key);
    }
}

static const struct op *draft_op(struct bulk_reader *reader)
{
    const struct draft *draft = &reader->draft;
    const struct cell *cell = &draft->cells[KEY_OP];
    const struct op *op;
    const char *nearest;

    if (!has(draft, KEY_OP)) {
        if (!(draft->spoilt & KEY_BIT(KEY_OP)))
            reader_fault(reader, draft->place, "op is missing");
        return NULL;
    }
    op = op_find(cell->text, &nearest);
    if (op && cell_is(cell, bulk_op_name(op->kind)))
        return op;
    reader_unknown(reader, cell->place, "op", cell->text, nearest);
    return NULL;
}

static void check_keys(struct bulk_reader *reader, const struct op *op)
{
    const struct draft *draft = &reader->draft;
    const char *name = bulk_op_name(op->kind);
    unsigned takes = op->required | op->optional | KEY_BIT(KEY_OP);
    unsigned has_amount = KEY_BIT(KEY_BY) | KEY_BIT(KEY_TO);
    unsigned written = draft->given | draft->spoilt | (reader->defaults.spoilt & op->defaults);

    for (enum key key = 0; key < KEY_COUNT; key++) {
        struct bulk_place place = draft->cells[key].place;
        bool missing = !(written & KEY_BIT(key)) && op->required & KEY_BIT(key);

        if (has(draft, key) && !(takes & KEY_BIT(key))) {
            if (key == KEY_TO && takes & KEY_BIT(KEY_BY))
                reader_fault(reader, place, "%s takes by, a change, and not to", name);
            else if (key == KEY_BY && takes & KEY_BIT(KEY_TO))
                reader_fault(reader, place, "%s takes to, the new value, and not by", name);
            else
                reader_fault(reader, place, "%s takes no %s", name, key_name(key));
        } else if (missing && !(KEY_BIT(key) & has_amount && written & has_amount)) {
            reader_fault(reader, draft->place, "%s needs %s", name, key_name(key));
        }
    }
}

/* Of a reservation, one sku and how many, or all of it. */
static void check_part(struct bulk_reader *reader)
{
    struct draft *draft = &reader->draft;

    if (draft->spoilt & (KEY_BIT(KEY_SKU) | KEY_BIT(KEY_BY)))
        return;
    if (has(draft, KEY_SKU) != has(draft, KEY_BY))
        reader_fault(reader, draft->place, "sku and by go together; without them it is everything");
    else if (has(draft, KEY_WAREHOUSE) && !has(draft, KEY_SKU))
        reader_fault(reader, draft->cells[KEY_WAREHOUSE].place, "warehouse needs sku and by");
}

static void add_defaults(struct bulk_reader *reader, const struct op *op)
{
    struct draft *draft = &reader->draft;

    for (enum key key = 0; key < KEY_COUNT; key++) {
        if ((draft->given | draft->spoilt) & KEY_BIT(key) || !has(&reader->defaults, key) ||
            !(op->defaults & KEY_BIT(key)))
            continue;
        if (op->of_reservation && key == KEY_WAREHOUSE && !has(draft, KEY_SKU))
            continue;
        draft->cells[key] = reader->defaults.cells[key];
        draft->given |= KEY_BIT(key);
        draft->from_head |= KEY_BIT(key);
    }
}

enum drafted line_from_draft(struct bulk_reader *reader, struct bulk_line *line)
{
    struct draft *draft = &reader->draft;
    const struct cell *to = &draft->cells[KEY_TO];
    uint64_t faults = reader->faults;
    const struct op *op = draft->unreadable ? NULL : draft_op(reader);
    bool open =
        op && op->kind == HOLDFAST_COUNT && has(draft, KEY_TO) && to->plain && to->length == 0;

    if (draft->unreadable)
        return DRAFT_FAULTY;
    if (op) {
        if (op->of_reservation)
            check_part(reader);
        add_defaults(reader, op);
        check_keys(reader, op);
        line->kind = op->kind;
    }
    for (enum key key = 0; key < KEY_COUNT; key++) {
        bool taken = !op || (op->required | op->optional) & KEY_BIT(key);
        if (has(draft, key) && taken && !(open && key == KEY_TO))
            take_cell(reader, op, key, line);
    }
    if (op && op->kind == HOLDFAST_TRANSFER && line->warehouse[0] != '\0' &&
        strcmp(line->warehouse, line->to_warehouse) == 0)
        reader_fault(reader, draft->cells[KEY_TO_WAREHOUSE].place,
                     "to_warehouse is the warehouse that it comes from");
    /* Without an op the fault may have been told by the front: it was no word. */
    if (!op || reader->faults > faults)
        return DRAFT_FAULTY;
    if (op->kind == HOLDFAST_PUT_WAREHOUSE)
        remember_put(&reader->put_warehouses, line->warehouse);
    if (op->kind == HOLDFAST_PUT_REASON)
        remember_put(&reader->put_reasons, line->reason);
    return open ? DRAFT_OPEN : DRAFT_LINE;
}
