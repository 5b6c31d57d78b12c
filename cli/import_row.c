/* SPDX-License-Identifier: MIT
 *
 * The columns of an import and what one line may say; see import.h. Pure.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "cli/command.h"
#include "cli/import.h"
#include "cli/parse.h"
#include "common/words.h"

static const struct {
    const char *name;
    bool required;
} column_table[COLUMN_COUNT] = {
    [COLUMN_SKU] = {"sku", true},
    [COLUMN_WAREHOUSE] = {"warehouse", true},
    [COLUMN_ON_HAND] = {"on_hand", true},
    [COLUMN_NAME] = {"name", false},
    [COLUMN_BARCODE] = {"barcode", false},
    [COLUMN_SAFETY_STOCK] = {"safety_stock", false},
    [COLUMN_REORDER_POINT] = {"reorder_point", false},
};

/* What --rejects adds; a mended rejects file can be imported as it is. */
#define REASON_COLUMN "reason"

const char *import_column_name(enum import_column column)
{
    return column_table[column].name;
}

static void tell_unknown(const char *path, const char *name)
{
    const char *best = NULL;
    unsigned distance = 0;
    for (size_t i = 0; i < COLUMN_COUNT; i++)
        word_nearest(name, column_table[i].name, &best, &distance);
    if (best != NULL)
        complain("import", "%s:1: column \"%s\" is not used (did you mean \"%s\"?)", path, name,
                 best);
    else
        complain("import", "%s:1: column \"%s\" is not used", path, name);
}

const char *import_header(const struct csv_record *header, struct import_columns *columns,
                          const char *path, bool tell, char why[256])
{
    *columns = (struct import_columns){.field_count = header->field_count};
    for (size_t c = 0; c < COLUMN_COUNT; c++)
        columns->place[c] = -1;
    if (header->fault != NULL)
        return header->fault;
    for (size_t i = 0; i < header->field_count; i++) {
        size_t c = 0;
        while (c < COLUMN_COUNT && strcasecmp(header->fields[i], column_table[c].name) != 0)
            c++;
        if (c == COLUMN_COUNT && tell && strcasecmp(header->fields[i], REASON_COLUMN) != 0)
            tell_unknown(path, header->fields[i]);
        if (c == COLUMN_COUNT)
            continue;
        if (columns->place[c] >= 0) {
            snprintf(why, 256, "column \"%s\" is there twice", column_table[c].name);
            return why;
        }
        columns->place[c] = (int)i;
    }
    for (size_t c = 0; c < COLUMN_COUNT; c++) {
        if (!column_table[c].required || columns->place[c] >= 0)
            continue;
        snprintf(why, 256,
                 "column \"%s\" is missing; the first line must name the columns: sku, warehouse, "
                 "on_hand",
                 column_table[c].name);
        return why;
    }
    return NULL;
}

/* ------------------------------------------------------------- one line */

static bool fail(struct import_fault *fault, enum import_column column, const char *why)
{
    fault->column = column_table[column].name;
    snprintf(fault->why, sizeof(fault->why), "%s", why);
    return false;
}

static const char *field_of(const struct csv_record *record, const struct import_columns *columns,
                            enum import_column column)
{
    return columns->place[column] >= 0 ? record->fields[columns->place[column]] : "";
}

static bool read_code(const char *text, enum import_column column, char to[CODE_BYTES_MAX + 1],
                      struct import_fault *fault)
{
    const char *why = code_fault(text, strlen(text));
    if (why != NULL)
        return fail(fault, column, why);
    memcpy(to, text, strlen(text) + 1);
    return true;
}

static bool read_quantity(const char *text, enum import_column column, uint32_t *quantity,
                          struct import_fault *fault)
{
    uint64_t number = 0;
    if (*text == '\0')
        return fail(fault, column, "is empty");
    if (*text == '-')
        return fail(fault, column, "is negative");
    if (text[strspn(text, "0123456789")] != '\0')
        return fail(fault, column, "is not a whole number");
    if (!parse_number(text, &number) || number > QUANTITY_MAX)
        return fail(fault, column, "is more than 999,999,999");
    *quantity = (uint32_t)number;
    return true;
}

static bool read_optional(const char *text, enum import_column column, bool *has,
                          uint32_t *quantity, struct import_fault *fault)
{
    *has = *text != '\0';
    return !*has || read_quantity(text, column, quantity, fault);
}

bool import_row_read(const struct csv_record *record, const struct import_columns *columns,
                     struct import_row *row, struct import_fault *fault)
{
    const char *name, *barcode, *why;
    *row = (struct import_row){.line = record->line, .number = record->number};
    *fault = (struct import_fault){.column = NULL};
    if (record->fault != NULL) {
        snprintf(fault->why, sizeof(fault->why), "%s", record->fault);
        return false;
    }
    if (record->field_count != columns->field_count) {
        if (record->field_count < columns->field_count)
            fault->missing = columns->field_count - record->field_count;
        snprintf(fault->why, sizeof(fault->why), "it has %zu columns, the first line has %zu",
                 record->field_count, columns->field_count);
        return false;
    }
    name = field_of(record, columns, COLUMN_NAME);
    barcode = field_of(record, columns, COLUMN_BARCODE);
    if (!read_code(field_of(record, columns, COLUMN_SKU), COLUMN_SKU, row->sku, fault) ||
        !read_code(field_of(record, columns, COLUMN_WAREHOUSE), COLUMN_WAREHOUSE, row->warehouse,
                   fault) ||
        !read_quantity(field_of(record, columns, COLUMN_ON_HAND), COLUMN_ON_HAND, &row->on_hand,
                       fault))
        return false;
    if ((why = text_fault(name, strlen(name), NAME_BYTES_MAX)) != NULL)
        return fail(fault, COLUMN_NAME, why);
    memcpy(row->name, name, strlen(name) + 1);
    if (*barcode != '\0' && !read_code(barcode, COLUMN_BARCODE, row->barcode, fault))
        return false;
    return read_optional(field_of(record, columns, COLUMN_SAFETY_STOCK), COLUMN_SAFETY_STOCK,
                         &row->has_safety_stock, &row->safety_stock, fault) &&
           read_optional(field_of(record, columns, COLUMN_REORDER_POINT), COLUMN_REORDER_POINT,
                         &row->has_reorder_point, &row->reorder_point, fault);
}
