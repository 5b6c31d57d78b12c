/* SPDX-License-Identifier: MIT
 *
 * Validation of text that came from a peer, a file or a person.
 */
#include "protocol/text.h"

#include <assert.h>
#include <string.h>

/* Length of the valid UTF-8 sequence at p (RFC 3629: no overlong forms, no surrogates, at most
 * U+10FFFF), or 0. */
static size_t utf8_sequence(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80)
        return 1;
    if (p[0] >= 0xc2 && p[0] <= 0xdf)
        return left >= 2 && (p[1] & 0xc0) == 0x80 ? 2 : 0;
    if (p[0] >= 0xe0 && p[0] <= 0xef) {
        if (left < 3 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80)
            return 0;
        if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f))
            return 0;
        return 3;
    }
    if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        if (left < 4 || (p[1] & 0xc0) != 0x80 || (p[2] & 0xc0) != 0x80 || (p[3] & 0xc0) != 0x80)
            return 0;
        if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
            return 0;
        return 4;
    }
    return 0;
}

bool text_is_utf8(const void *bytes, size_t length)
{
    const unsigned char *p = bytes;

    for (size_t i = 0, n; i < length; i += n) {
        n = utf8_sequence(p + i, length - i);
        if (n == 0)
            return false;
    }
    return true;
}

static const char *characters_fault(const unsigned char *p, size_t length)
{
    for (size_t i = 0; i < length;) {
        size_t n = utf8_sequence(p + i, length - i);
        if (n == 0)
            return "is not valid UTF-8";
        if (p[i] < 0x20 || p[i] == 0x7f || (n == 2 && p[i] == 0xc2 && p[i + 1] < 0xa0))
            return "holds a control character";
        i += n;
    }
    return NULL;
}

const char *code_fault(const void *bytes, size_t length)
{
    const unsigned char *p = bytes;

    if (length == 0)
        return "is empty";
    if (length > CODE_BYTES_MAX)
        return "is longer than 64 bytes";
    const char *fault = characters_fault(p, length);
    if (fault)
        return fault;
    if (p[0] == ' ' || p[length - 1] == ' ')
        return "begins or ends with a blank";
    return NULL;
}

const char *text_fault(const void *bytes, size_t length, size_t max)
{
    if (length > max)
        return max == CODE_BYTES_MAX   ? "is longer than 64 bytes"
               : max == NOTE_BYTES_MAX ? "is longer than 255 bytes"
                                       : "is too long";
    return characters_fault(bytes, length);
}

void code_set(struct code *code, const void *bytes, size_t length)
{
    assert(length <= CODE_BYTES_MAX);
    code->length = (uint8_t)length;
    if (length > 0)
        memcpy(code->bytes, bytes, length);
    code->bytes[length] = '\0';
}

bool code_equal(const struct code *a, const struct code *b)
{
    return code_is(a, b->bytes, b->length);
}

bool code_is(const struct code *a, const void *bytes, size_t length)
{
    return a->length == length && (length == 0 || memcmp(a->bytes, bytes, length) == 0);
}

int code_compare(const struct code *a, const struct code *b)
{
    size_t shorter = a->length < b->length ? a->length : b->length;
    int order = memcmp(a->bytes, b->bytes, shorter);
    return order != 0 ? order : (int)a->length - (int)b->length;
}
