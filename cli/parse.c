/* SPDX-License-Identifier: MIT
 *
 * See parse.h. Called for every argument and option value before anything is sent.
 */
#include <string.h>
#include "cli/parse.h"

bool parse_number(const char *text, uint64_t *number)
{
    uint64_t n = 0;
    if (*text == '\0')
        return false;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p < '0' || *p > '9')
            return false;
        if (__builtin_mul_overflow(n, 10u, &n) ||
            __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
            return false;
    }
    *number = n;
    return true;
}

static const struct {
    const char *suffix;
    uint64_t ms;
} duration_units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60 * 1000}, {"h", 3600 * 1000}, {"d", 24 * 3600 * 1000},
};

bool parse_duration(const char *text, uint64_t *ms)
{
    char digits[21];
    size_t n = strspn(text, "0123456789");
    uint64_t count;
    if (n == 0 || n >= sizeof(digits))
        return false;
    memcpy(digits, text, n);
    digits[n] = '\0';
    if (!parse_number(digits, &count))
        return false;
    for (size_t i = 0; i < sizeof(duration_units) / sizeof(duration_units[0]); i++) {
        if (strcmp(text + n, duration_units[i].suffix) != 0)
            continue;
        return !__builtin_mul_overflow(count, duration_units[i].ms, ms) && *ms <= DURATION_MS_MAX;
    }
    return false;
}

static const char *copy_code(char *to, const char *from, size_t length, const char *too_long,
                             const char *not_a_code)
{
    if (length > CODE_BYTES_MAX)
        return too_long;
    if (code_fault(from, length) != NULL)
        return not_a_code;
    memcpy(to, from, length);
    to[length] = '\0';
    return NULL;
}

static const char *parse_quantity(const char *text, size_t length, unsigned rules,
                                  int64_t *quantity)
{
    char digits[12];
    uint64_t n;
    bool negative = false;
    if ((rules & LINE_NEGATIVE_ALLOWED) && length > 0 && (*text == '-' || *text == '+')) {
        negative = *text == '-';
        text++;
        length--;
    } else if (length > 0 && *text == '-') {
        return "the quantity must not be negative";
    }
    if (length == 0)
        return "the quantity is missing: write SKU=QTY";
    if (strspn(text, "0123456789") < length)
        return "the quantity is not a whole number";
    if (length >= sizeof(digits))
        return "the quantity is more than 999,999,999";
    memcpy(digits, text, length);
    digits[length] = '\0';
    if (!parse_number(digits, &n) || n > QUANTITY_MAX)
        return "the quantity is more than 999,999,999";
    if (n == 0 && !(rules & LINE_ZERO_ALLOWED))
        return "the quantity must not be 0";
    *quantity = negative ? -(int64_t)n : (int64_t)n;
    return NULL;
}

const char *parse_line(const char *text, unsigned rules, struct typed_line *line)
{
    const char *equals = strrchr(text, '=');
    const char *at, *fault;
    if (equals == NULL)
        return "it has no '=': write SKU=QTY or SKU=QTY@WAREHOUSE";
    if (equals == text)
        return "the sku is missing: write SKU=QTY";
    at = strchr(equals, '@');
    fault = copy_code(line->sku, text, (size_t)(equals - text), "the sku is longer than 64 bytes",
                      "the sku has a control character, invalid UTF-8, or a blank at an end");
    if (fault != NULL)
        return fault;
    fault = parse_quantity(equals + 1, at != NULL ? (size_t)(at - equals - 1) : strlen(equals + 1),
                           rules, &line->quantity);
    if (fault != NULL)
        return fault;
    line->warehouse[0] = '\0';
    if (at != NULL)
        return copy_code(line->warehouse, at + 1, strlen(at + 1),
                         "the warehouse is longer than 64 bytes",
                         "the warehouse is empty, or has a control character, invalid UTF-8, or a "
                         "blank at an end");
    return rules & LINE_WAREHOUSE_REQUIRED ? "the warehouse is missing: write SKU=QTY@WAREHOUSE"
                                           : NULL;
}
