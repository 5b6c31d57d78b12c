/* SPDX-License-Identifier: MIT
 *
 * Rules for text on the wire: codes (sku, warehouse, reason, run) and free text. Pure.
 */
#ifndef PROTOCOL_TEXT_H
#define PROTOCOL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CODE_BYTES_MAX 64u
#define NAME_BYTES_MAX 255u
#define NOTE_BYTES_MAX 255u
#define QUANTITY_MAX 999999999

/* A code by value. bytes is NUL-terminated for printing; length counts. */
struct code {
    uint8_t length;
    char bytes[CODE_BYTES_MAX + 1];
};

/* Why a text is refused, as words that follow the field's name ("is empty"); NULL when it is good.
 * A code has 1 to 64 bytes of valid UTF-8, no control character (C0, DEL, C1) and no blank at
 * either end. A text has at most max bytes of valid UTF-8 without control characters; it may be
 * empty. */
const char *code_fault(const void *bytes, size_t length);
const char *text_fault(const void *bytes, size_t length, size_t max);
/* Whatever else is wrong with it. */
bool text_is_utf8(const void *bytes, size_t length);

/* length must have passed code_fault, or be 0 (the empty code: none). */
void code_set(struct code *code, const void *bytes, size_t length);
bool code_equal(const struct code *a, const struct code *b);
bool code_is(const struct code *a, const void *bytes, size_t length);
/* By bytes, then by length, as VARBINARY sorts. */
int code_compare(const struct code *a, const struct code *b);

#endif
