/* SPDX-License-Identifier: MIT
 *
 * Reads the retail file and says what each line is. The tables beside it (demo/not-goods.csv,
 * reasons.csv, reason-codes.csv) hold every judgement about particular codes and words; this file
 * holds only the order in which they are asked.
 */
#include "demo/retail.h"
#include "demo/rows.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Room for one more in an array of count; NULL without memory, and the array stays. */
static void *grown(void *items, size_t count, size_t item_bytes)
{
    if (count & (count - 1))
        return items; /* capacity is the next power of two */
    return realloc(items, (count ? count * 2 : 1) * item_bytes);
}

#define APPEND(array, count, item)                                                                 \
    do {                                                                                           \
        void *grown_ = grown((array), (count), sizeof *(array));                                   \
        if (!grown_)                                                                               \
            return fail(error, error_bytes, "%s", strerror(ENOMEM));                               \
        (array) = grown_;                                                                          \
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

/* Opens DIR/NAME and reads its head, which must be exactly `head`. */
static bool open_table(struct rows *rows, const char *dir, const char *name,
                       const char *const *head, size_t columns, char *error, size_t error_bytes)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (!rows_open(rows, path))
        return fail(error, error_bytes, "could not read \"%s\": %s", path, strerror(errno));
    bool good = rows_next(rows) && rows->count == columns;
    for (size_t i = 0; good && i < columns; i++)
        good = strcmp(rows->fields[i], head[i]) == 0;
    if (!good) {
        rows_close(rows);
        return fail(error, error_bytes, "%s:1: the head is not that of this table", path);
    }
    return true;
}

static bool read_reasons(struct retail *retail, const char *dir, char *error, size_t error_bytes)
{
    static const char *const head[] = {"code", "name"};
    struct rows rows;
    if (!open_table(&rows, dir, "reason-codes.csv", head, 2, error, error_bytes))
        return false;
    while (rows_next(&rows) && rows.count == 2) {
        struct reason reason = {copied(rows.fields[0]), copied(rows.fields[1])};
        APPEND(retail->reasons, retail->reason_count, reason);
    }
    rows_close(&rows);
    return true;
}

static uint32_t find_reason(const struct retail *retail, const char *code)
{
    for (size_t i = 0; i < retail->reason_count; i++)
        if (strcmp(retail->reasons[i].code, code) == 0)
            return (uint32_t)i;
    return UINT32_MAX;
}

static bool read_rules(struct retail *retail, const char *dir, char *error, size_t error_bytes)
{
    static const char *const head[] = {"match", "text", "reason"};
    struct rows rows;
    if (!open_table(&rows, dir, "reasons.csv", head, 3, error, error_bytes))
        return false;
    bool good = true;
    while (good && rows_next(&rows)) {
        uint32_t reason = rows.count == 3 ? find_reason(retail, rows.fields[2]) : UINT32_MAX;
        good = reason != UINT32_MAX &&
               (strcmp(rows.fields[0], "is") == 0 || strcmp(rows.fields[0], "has") == 0);
        if (good) {
            struct reason_rule rule = {strcmp(rows.fields[0], "is") == 0, lowered(rows.fields[1]),
                                       reason};
            APPEND(retail->rules, retail->rule_count, rule);
        } else {
            fail(error, error_bytes, "%s/reasons.csv:%u: not is|has, a text and a known reason",
                 dir, rows.line);
        }
    }
    rows_close(&rows);
    return good;
}

static bool read_not_goods(struct retail *retail, const char *dir, char *error, size_t error_bytes)
{
    static const char *const head[] = {"code", "why"};
    struct rows rows;
    if (!open_table(&rows, dir, "not-goods.csv", head, 2, error, error_bytes))
        return false;
    while (rows_next(&rows) && rows.count == 2) {
        struct not_goods entry = {copied(rows.fields[0]), copied(rows.fields[1])};
        APPEND(retail->not_goods, retail->not_goods_count, entry);
    }
    rows_close(&rows);
    return true;
}

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
static const char *check_row(const struct rows *rows, struct retail_line *line)
{
    if (rows->broken)
        return "a quote is out of place";
    if (rows->count != COLUMN_COUNT)
        return "it has not 8 columns";
    if (!*line->invoice || strlen(line->invoice) > RETAIL_CODE_BYTES_MAX)
        return "InvoiceNo is empty or too long";
    if (!*line->code || strlen(line->code) > RETAIL_CODE_BYTES_MAX || blank_at_an_end(line->code))
        return "StockCode is empty, too long, or has a blank at an end";
    if (strlen(line->description) > RETAIL_NOTE_BYTES_MAX)
        return "Description is too long";
    char *end;
    errno = 0;
    long quantity = strtol(rows->fields[COLUMN_QUANTITY], &end, 10);
    if (errno || *end || end == rows->fields[COLUMN_QUANTITY] || quantity == 0 ||
        labs(quantity) > RETAIL_QUANTITY_MAX)
        return "Quantity is not a whole number other than 0, of at most 999,999,999";
    line->quantity = (int32_t)quantity;
    return NULL;
}

static void classify(const struct retail *retail, const struct rows *rows, struct retail_line *line)
{
    const char *fault = check_row(rows, line);
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
    bool free_of_charge = strtod(rows->fields[COLUMN_PRICE], NULL) == 0;
    bool no_customer = strtod(rows->fields[COLUMN_CUSTOMER], NULL) == 0;
    bool typed = free_of_charge && no_customer && looks_typed(line->description, rule);
    if (line->quantity < 0 || typed) {
        line->kind = LINE_ADJUSTMENT;
        line->reason = rule ? rule->reason : find_reason(retail, "unknown");
        return;
    }
    line->kind = LINE_SALE;
}

static bool read_lines(struct retail *retail, const char *path, char *error, size_t error_bytes)
{
    struct rows rows;
    if (!rows_open(&rows, path))
        return fail(error, error_bytes, "could not read \"%s\": %s", path, strerror(errno));
    bool good = rows_next(&rows) && rows.count == COLUMN_COUNT;
    for (size_t i = 0; good && i < COLUMN_COUNT; i++)
        good = strcmp(rows.fields[i], column_names[i]) == 0;
    if (!good)
        fail(error, error_bytes, "%s:1: the head is not that of the retail data", path);
    while (good && rows_next(&rows)) {
        if (retail->line_count == RETAIL_LINES_MAX) {
            good = fail(error, error_bytes, "%s:%u: more lines than %u", path, rows.line,
                        RETAIL_LINES_MAX);
            break;
        }
        struct retail_line line = {.file_line = rows.line, .sku = RETAIL_NO_SKU};
        line.invoice = copied(rows.count > COLUMN_INVOICE ? rows.fields[COLUMN_INVOICE] : "");
        line.code = copied(rows.count > COLUMN_CODE ? rows.fields[COLUMN_CODE] : "");
        line.description =
            copied(rows.count > COLUMN_DESCRIPTION ? rows.fields[COLUMN_DESCRIPTION] : "");
        classify(retail, &rows, &line);
        APPEND(retail->lines, retail->line_count, line);
    }
    rows_close(&rows);
    return good;
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

bool retail_read(struct retail *retail, const char *data, const char *tables, char *error,
                 size_t error_bytes)
{
    memset(retail, 0, sizeof *retail);
    if (!read_reasons(retail, tables, error, error_bytes) ||
        !read_rules(retail, tables, error, error_bytes) ||
        !read_not_goods(retail, tables, error, error_bytes))
        return false;
    if (find_reason(retail, "unknown") == UINT32_MAX)
        return fail(error, error_bytes, "%s/reason-codes.csv: no reason \"unknown\"", tables);
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
