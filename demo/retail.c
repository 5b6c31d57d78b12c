/* SPDX-License-Identifier: MIT
 *
 * Reads the retail file and says what each line is. The tables beside it (demo/not-goods.csv,
 * reasons.csv, reason-codes.csv) hold every judgement about particular codes and words; this file
 * holds only the order in which they are asked.
 */
#include "demo/retail.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/csv.h"

enum column {
    COLUMN_INVOICE,
    COLUMN_CODE,
    COLUMN_DESCRIPTION,
    COLUMN_QUANTITY,
    COLUMN_DATE,
    COLUMN_PRICE,
    COLUMN_CUSTOMER,
    COLUMN_COUNTRY,
    COLUMN_COUNT,
};

static const char *const column_names[COLUMN_COUNT] = {
    "InvoiceNo",   "StockCode", "Description", "Quantity",
    "InvoiceDate", "UnitPrice", "CustomerID",  "Country",
};

static const char *const bucket_texts[BUCKET_COUNT] = {
    [BUCKET_NONE] = "never looked at",
    [BUCKET_SHIPPED] = "sold and shipped",
    [BUCKET_SALE_NO_STOCK] = "sale refused: not enough in stock",
    [BUCKET_SALE_REFUSED] = "sale refused for another reason",
    [BUCKET_RETURNED] = "came back, booked as a return",
    [BUCKET_RETURN_NO_SALE] = "came back, but its sale is not in the file",
    [BUCKET_RETURN_REFUSED] = "came back, but its sale was not shipped here",
    [BUCKET_ADJUSTED] = "adjustment booked",
    [BUCKET_ADJUST_NOT_THERE] = "adjustment refused: would take more than is there",
    [BUCKET_ADJUST_REFUSED] = "adjustment refused for another reason",
    [BUCKET_NOT_GOODS] = "no goods, reported",
    [BUCKET_BAD_DEBT] = "a bad debt, reported",
    [BUCKET_UNREADABLE] = "could not be read, reported",
    [BUCKET_NOT_KNOWN] = "no answer from the cluster in time",
};

const char *bucket_text(enum bucket bucket)
{
    return bucket_texts[bucket];
}

/* ------------------------------------------------------------- growing arrays */

/* Room for one more in an array of count, whose capacity is the next power of two. */
static void *grown(void *items, size_t count, size_t item_bytes)
{
    if (count & (count - 1))
        return items;
    void *more = realloc(items, (count ? count * 2 : 1) * item_bytes);
    if (!more)
        abort();
    return more;
}

#define APPEND(array, count, item)                                                                 \
    do {                                                                                           \
        (array) = grown((array), (count), sizeof *(array));                                        \
        (array)[(count)++] = (item);                                                               \
    } while (0)

static bool fail(char *error, size_t bytes, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool fail(char *error, size_t bytes, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, bytes, format, arguments);
    va_end(arguments);
    return false;
}

static char *copied(const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        abort();
    return copy;
}

static char *lowered(const char *text)
{
    char *copy = copied(text);
    for (char *c = copy; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return copy;
}

/* ------------------------------------------------------------- tables */

/* Opens a file and reads its head, which must be exactly `head`. Close reader->file. */
static bool open_csv(struct csv_reader *reader, const char *path, const char *const *head,
                     size_t columns, char *error, size_t error_bytes)
{
    FILE *file = fopen(path, "r");
    if (!file)
        return fail(error, error_bytes, "could not read \"%s\": %s", path, strerror(errno));
    const char *fault = csv_open(reader, file);
    const struct csv_record *row = fault ? NULL : csv_next(reader);
    bool good = row && row->field_count == columns;
    for (size_t i = 0; good && i < columns; i++)
        good = strcmp(row->fields[i], head[i]) == 0;
    if (good)
        return true;
    fclose(file);
    return fail(error, error_bytes, "%s:1: %s", path, fault ? fault : "the head is another one");
}

/* What a row of a table is made into. Returns NULL, or what is wrong with it. */
typedef const char *take_row_fn(struct retail *retail, const char *const *fields);

struct table {
    const char *name;
    const char *head[3];
    size_t columns;
    take_row_fn *take;
};

static bool read_table(struct retail *retail, const char *dir, const struct table *table,
                       char *error, size_t error_bytes)
{
    char path[4096];
    struct csv_reader reader;
    snprintf(path, sizeof path, "%s/%s", dir, table->name);
    if (!open_csv(&reader, path, table->head, table->columns, error, error_bytes))
        return false;
    const char *fault = NULL;
    for (const struct csv_record *row; !fault && (row = csv_next(&reader));) {
        fault = row->field_count == table->columns ? table->take(retail, row->fields)
                                                   : "another number of columns than the head";
        if (fault)
            fail(error, error_bytes, "%s:%llu: %s", path, (unsigned long long)row->line, fault);
    }
    fclose(reader.file);
    return !fault;
}

static uint32_t find_reason(const struct retail *retail, const char *code)
{
    for (size_t i = 0; i < retail->reason_count; i++)
        if (strcmp(retail->reasons[i].code, code) == 0)
            return (uint32_t)i;
    return UINT32_MAX;
}

static const char *take_reason(struct retail *retail, const char *const *fields)
{
    struct reason reason = {copied(fields[0]), copied(fields[1])};
    APPEND(retail->reasons, retail->reason_count, reason);
    return NULL;
}

static const char *take_rule(struct retail *retail, const char *const *fields)
{
    uint32_t reason = find_reason(retail, fields[2]);
    bool whole = strcmp(fields[0], "is") == 0;
    if (reason == UINT32_MAX)
        return "reason-codes.csv has no such reason";
    if (!whole && strcmp(fields[0], "has") != 0)
        return "the match is neither is nor has";
    struct reason_rule rule = {whole, lowered(fields[1]), reason};
    APPEND(retail->rules, retail->rule_count, rule);
    return NULL;
}

static const char *take_not_goods(struct retail *retail, const char *const *fields)
{
    struct not_goods entry = {copied(fields[0]), copied(fields[1])};
    APPEND(retail->not_goods, retail->not_goods_count, entry);
    return NULL;
}

/* In this order: rules name reasons. */
static const struct table tables[] = {
    {"reason-codes.csv", {"code", "name"}, 2, take_reason},
    {"reasons.csv", {"match", "text", "reason"}, 3, take_rule},
    {"not-goods.csv", {"code", "why"}, 2, take_not_goods},
};

/* ------------------------------------------------------------- what a line is */

static const char *why_not_goods(const struct retail *retail, const char *code)
{
    for (size_t i = 0; i < retail->not_goods_count; i++)
        if (strcmp(retail->not_goods[i].code, code) == 0)
            return retail->not_goods[i].why;
    return NULL;
}

/* The rule that a typed text falls under; NULL when none does. */
static const struct reason_rule *rule_of(const struct retail *retail, const char *text)
{
    char low[RETAIL_NOTE_BYTES_MAX + 1];
    size_t length = 0;
    while (*text == ' ')
        text++;
    for (; text[length] && length < sizeof low - 1; length++)
        low[length] = (char)tolower((unsigned char)text[length]);
    while (length && low[length - 1] == ' ')
        length--;
    low[length] = '\0';
    for (size_t i = 0; i < retail->rule_count; i++) {
        const struct reason_rule *rule = &retail->rules[i];
        if (rule->whole ? strcmp(low, rule->text) == 0 : strstr(low, rule->text) != NULL)
            return rule;
    }
    return NULL;
}

/* The catalogue is written in capitals; what a person typed as a reason is not, or is a text that
 * the table knows as a whole ("FOUND", "AMAZON"), or has no letters at all ("??"). */
static bool looks_typed(const char *text, const struct reason_rule *rule)
{
    bool letters = false;
    for (const char *c = text; *c; c++) {
        if (islower((unsigned char)*c))
            return true;
        letters = letters || isalpha((unsigned char)*c);
    }
    return !letters || (rule && rule->whole);
}

static bool blank_at_an_end(const char *text)
{
    size_t length = strlen(text);
    return length && (isspace((unsigned char)text[0]) || isspace((unsigned char)text[length - 1]));
}

static void set_aside(struct retail_line *line, enum bucket bucket, const char *why)
{
    line->kind = LINE_REPORTED;
    line->bucket = bucket;
    line->why = why;
}

/* Fills in quantity; NULL, or what is wrong with the row. */
static const char *check_row(const struct csv_record *row, struct retail_line *line)
{
    if (row->fault)
        return row->fault;
    if (row->field_count != COLUMN_COUNT)
        return "it has not 8 columns";
    if (!*line->invoice || strlen(line->invoice) > RETAIL_CODE_BYTES_MAX)
        return "InvoiceNo is empty or too long";
    if (!*line->code || strlen(line->code) > RETAIL_CODE_BYTES_MAX || blank_at_an_end(line->code))
        return "StockCode is empty, too long, or has a blank at an end";
    if (strlen(line->description) > RETAIL_NOTE_BYTES_MAX)
        return "Description is too long";
    char *end;
    errno = 0;
    long quantity = strtol(row->fields[COLUMN_QUANTITY], &end, 10);
    if (errno || *end || end == row->fields[COLUMN_QUANTITY] || quantity == 0 ||
        labs(quantity) > RETAIL_QUANTITY_MAX)
        return "Quantity is not a whole number other than 0, of at most 999,999,999";
    line->quantity = (int32_t)quantity;
    return NULL;
}

static void classify(const struct retail *retail, const struct csv_record *row,
                     struct retail_line *line)
{
    const char *fault = check_row(row, line);
    if (fault) {
        set_aside(line, BUCKET_UNREADABLE, fault);
        return;
    }
    if (line->invoice[0] == 'A') {
        set_aside(line, BUCKET_BAD_DEBT, "an invoice that begins with A moves money, not goods");
        return;
    }
    const char *why = why_not_goods(retail, line->code);
    if (why) {
        set_aside(line, BUCKET_NOT_GOODS, why);
        return;
    }
    if (line->invoice[0] == 'C') {
        if (line->quantity > 0) {
            set_aside(line, BUCKET_UNREADABLE, "an invoice that begins with C sells something");
            return;
        }
        line->kind = LINE_RETURN;
        line->quantity = -line->quantity;
        return;
    }
    const struct reason_rule *rule = rule_of(retail, line->description);
    bool free_of_charge = strtod(row->fields[COLUMN_PRICE], NULL) == 0;
    bool no_customer = strtod(row->fields[COLUMN_CUSTOMER], NULL) == 0;
    bool typed = free_of_charge && no_customer && looks_typed(line->description, rule);
    if (line->quantity < 0 || typed) {
        line->kind = LINE_ADJUSTMENT;
        line->reason = rule ? rule->reason : find_reason(retail, "unknown");
        return;
    }
    line->kind = LINE_SALE;
}

static char *field_of(const struct csv_record *row, enum column column)
{
    return copied(row->field_count > column ? row->fields[column] : "");
}

static bool read_lines(struct retail *retail, const char *path, char *error, size_t error_bytes)
{
    struct csv_reader reader;
    if (!open_csv(&reader, path, column_names, COLUMN_COUNT, error, error_bytes))
        return false;
    const struct csv_record *row;
    while (retail->line_count < RETAIL_LINES_MAX && (row = csv_next(&reader))) {
        struct retail_line line = {.file_line = (uint32_t)row->line,
                                   .sku = RETAIL_NO_SKU,
                                   .invoice = field_of(row, COLUMN_INVOICE),
                                   .code = field_of(row, COLUMN_CODE),
                                   .description = field_of(row, COLUMN_DESCRIPTION)};
        classify(retail, row, &line);
        APPEND(retail->lines, retail->line_count, line);
    }
    fclose(reader.file);
    if (retail->line_count == RETAIL_LINES_MAX)
        return fail(error, error_bytes, "%s has more than %u lines", path, RETAIL_LINES_MAX - 1);
    return true;
}

/* ------------------------------------------------------------- SKUs */

static int by_code(const void *a, const void *b)
{
    const struct retail_sku *left = a, *right = b;
    return strcmp(left->code, right->code);
}

uint32_t retail_find_sku(const struct retail *retail, const char *code)
{
    struct retail_sku wanted = {.code = code};
    const struct retail_sku *found =
        bsearch(&wanted, retail->skus, retail->sku_count, sizeof wanted, by_code);
    return found ? (uint32_t)(found - retail->skus) : RETAIL_NO_SKU;
}

static bool collect_skus(struct retail *retail, char *error, size_t error_bytes)
{
    if (!retail->line_count)
        return fail(error, error_bytes, "the data has no lines");
    retail->skus = calloc(retail->line_count, sizeof *retail->skus);
    if (!retail->skus)
        return fail(error, error_bytes, "%s", strerror(ENOMEM));
    size_t count = 0;
    for (size_t i = 0; i < retail->line_count; i++)
        if (retail->lines[i].kind != LINE_REPORTED)
            retail->skus[count++].code = retail->lines[i].code;
    qsort(retail->skus, count, sizeof *retail->skus, by_code);
    for (size_t i = 0; i < count; i++)
        if (!retail->sku_count || by_code(&retail->skus[i], &retail->skus[retail->sku_count - 1]))
            retail->skus[retail->sku_count++].code = retail->skus[i].code;

    for (size_t i = 0; i < retail->line_count; i++) {
        struct retail_line *line = &retail->lines[i];
        if (line->kind == LINE_REPORTED)
            continue;
        line->sku = retail_find_sku(retail, line->code);
        assert(line->sku != RETAIL_NO_SKU);
        struct retail_sku *sku = &retail->skus[line->sku];
        if (line->kind == LINE_SALE && !sku->sold)
            sku->name = line->description;
        if (line->kind == LINE_SALE)
            sku->sold += (uint64_t)line->quantity;
        if (line->kind == LINE_ADJUSTMENT && line->quantity < 0)
            sku->written_off += (uint64_t)-line->quantity;
        if (line->kind == LINE_RETURN && !sku->name)
            sku->name = line->description;
    }
    return true;
}

bool retail_read(struct retail *retail, const char *data, const char *dir, char *error,
                 size_t error_bytes)
{
    memset(retail, 0, sizeof *retail);
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (!read_table(retail, dir, &tables[i], error, error_bytes))
            return false;
    if (find_reason(retail, "unknown") == UINT32_MAX)
        return fail(error, error_bytes, "%s/reason-codes.csv: no reason \"unknown\"", dir);
    return read_lines(retail, data, error, error_bytes) && collect_skus(retail, error, error_bytes);
}

void retail_release(struct retail *retail)
{
    for (size_t i = 0; i < retail->line_count; i++) {
        free(retail->lines[i].invoice);
        free(retail->lines[i].code);
        free(retail->lines[i].description);
    }
    for (size_t i = 0; i < retail->reason_count; i++) {
        free(retail->reasons[i].code);
        free(retail->reasons[i].name);
    }
    for (size_t i = 0; i < retail->rule_count; i++)
        free(retail->rules[i].text);
    for (size_t i = 0; i < retail->not_goods_count; i++) {
        free(retail->not_goods[i].code);
        free(retail->not_goods[i].why);
    }
    free(retail->lines);
    free(retail->reasons);
    free(retail->rules);
    free(retail->not_goods);
    free(retail->skus);
    memset(retail, 0, sizeof *retail);
}
