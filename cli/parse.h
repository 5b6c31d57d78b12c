/* SPDX-License-Identifier: MIT
 *
 * Values that people type: whole numbers, durations, and LINE. Pure. Nothing is printed; a fault is
 * told in words that can follow what was typed.
 */
#ifndef CLI_PARSE_H
#define CLI_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "client/holdfast.h"
#include "protocol/text.h"

/* Decimal digits only, no sign, no blank. */
bool parse_number(const char *text, uint64_t *number);

/* `<int>(ms|s|m|h|d)` to milliseconds; at most DURATION_MS_MAX. */
#define DURATION_MS_MAX (UINT64_C(366) * 24 * 3600 * 1000)
bool parse_duration(const char *text, uint64_t *ms);

/* SKU=QTY or SKU=QTY@WAREHOUSE, split at the last '=' and the first '@' after it. */
struct typed_line {
    char sku[CODE_BYTES_MAX + 1];
    char warehouse[CODE_BYTES_MAX + 1]; /* "" when none was typed */
    int64_t quantity;                   /* negative only when it was allowed */
};

enum line_rule {
    LINE_WAREHOUSE_ALLOWED = 0,
    LINE_WAREHOUSE_REQUIRED = 1,
    LINE_NEGATIVE_ALLOWED = 2, /* a sign; the quantity is a change */
    LINE_ZERO_ALLOWED = 4,
};

/* NULL, or why the line is refused (static text). */
const char *parse_line(const char *text, unsigned rules, struct typed_line *line);

#endif
