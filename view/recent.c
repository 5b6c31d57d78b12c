/* SPDX-License-Identifier: MIT
 *
 * See recent.h. Rows lie one after another in a ring of bytes that grows up to its limit; a second
 * ring says where each one begins.
 */
#include "view/recent.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_BYTES 65536u
#define TEXT_MAX 255u

struct recent {
    uint8_t *bytes;
    uint32_t size, most_bytes;
    uint32_t head;    /* where the next row goes */
    uint32_t *starts; /* by number modulo most_rows */
    uint32_t most_rows;
    uint64_t oldest, newest; /* newest − oldest + 1 are kept; oldest > newest: none */
};

struct recent *recent_new(uint32_t rows, uint32_t bytes)
{
    struct recent *recent = calloc(1, sizeof *recent);

    if (!recent)
        abort();
    *recent = (struct recent){.most_rows = rows, .most_bytes = bytes, .oldest = 1};
    recent->starts = calloc(rows, sizeof *recent->starts);
    if (!recent->starts)
        abort();
    return recent;
}

void recent_destroy(struct recent **recent)
{
    if (!*recent)
        return;
    free((*recent)->bytes);
    free((*recent)->starts);
    free(*recent);
    *recent = NULL;
}

static uint32_t start_of(const struct recent *r, uint64_t number)
{
    return r->starts[number % r->most_rows];
}

static void grow(struct recent *r)
{
    uint32_t size = r->size ? r->size * 2 : FIRST_BYTES;

    r->size = size < r->most_bytes ? size : r->most_bytes;
    r->bytes = realloc(r->bytes, r->size);
    if (!r->bytes)
        abort();
}

/* Makes room for a row at the head, at the cost of the oldest ones. */
static void make_room(struct recent *r, uint32_t bytes)
{
    if (r->newest - r->oldest + 1 == r->most_rows)
        r->oldest++;
    for (;;) {
        bool any = r->oldest <= r->newest;
        if (!any)
            r->head = 0;
        if (any &&
            r->head <= start_of(r, r->oldest)) { /* it went round: the oldest is in the way */
            if (start_of(r, r->oldest) - r->head >= bytes)
                return;
            r->oldest++;
        } else if (r->size - r->head >= bytes) {
            return;
        } else if (r->size < r->most_bytes) {
            grow(r);
        } else {
            r->head = 0;
        }
    }
}

/* The longest beginning of at most TEXT_MAX bytes that cuts no character. */
static uint8_t fit(const struct recent_part *text)
{
    size_t length = text->length;
    const uint8_t *bytes = text->bytes;

    if (length <= TEXT_MAX)
        return (uint8_t)length;
    length = TEXT_MAX;
    while (length > 0 && (bytes[length] & 0xc0) == 0x80)
        length--;
    return (uint8_t)length;
}

void recent_add(struct recent *r, const struct recent_row *row,
                const struct recent_part texts[RECENT_TEXTS])
{
    struct recent_row head = *row;
    size_t bytes = sizeof head;

    for (int i = 0; i < RECENT_TEXTS; i++) {
        head.lengths[i] = fit(&texts[i]);
        bytes += head.lengths[i];
    }
    head.bytes = (uint32_t)((bytes + 7) & ~(size_t)7);
    make_room(r, head.bytes);
    head.number = ++r->newest;
    r->starts[head.number % r->most_rows] = r->head;
    uint8_t *to = r->bytes + r->head;
    memcpy(to, &head, sizeof head);
    to += offsetof(struct recent_row, texts);
    for (int i = 0; i < RECENT_TEXTS; i++) {
        if (head.lengths[i] > 0)
            memcpy(to, texts[i].bytes, head.lengths[i]);
        to += head.lengths[i];
    }
    r->head += head.bytes;
}

uint64_t recent_oldest(const struct recent *recent)
{
    return recent->newest ? recent->oldest : 0;
}

uint64_t recent_newest(const struct recent *recent)
{
    return recent->newest;
}

const struct recent_row *recent_at(const struct recent *recent, uint64_t number)
{
    return (const struct recent_row *)(const void *)(recent->bytes + start_of(recent, number));
}

const char *recent_text_of(const struct recent_row *row, enum recent_text text, size_t *length)
{
    size_t at = 0;

    for (int i = 0; i < (int)text; i++)
        at += row->lengths[i];
    *length = row->lengths[text];
    return row->texts + at;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool recent_contains(const struct recent_row *row, enum recent_text text, const char *needle,
                     size_t length)
{
    size_t in;
    const char *at = recent_text_of(row, text, &in);

    for (size_t i = 0; i + length <= in; i++) {
        size_t same = 0;
        while (same < length && lower(at[i + same]) == needle[same])
            same++;
        if (same == length)
            return true;
    }
    return false;
}

size_t recent_bytes(const struct recent *recent)
{
    return sizeof *recent + recent->size + recent->most_rows * sizeof *recent->starts;
}
