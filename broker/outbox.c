/* SPDX-License-Identifier: MIT
 *
 * A byte buffer with items in it; see outbox.h.
 */
#include "broker/outbox.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define OUTBOX_FIRST_BYTES 4096u
#define TYPE_OFFSET 3u

void outbox_release(struct outbox *out)
{
    free(out->bytes);
    memset(out, 0, sizeof *out);
}

static void make_room(struct outbox *out, size_t bytes)
{
    if (out->capacity - out->length >= bytes)
        return;
    if (out->head > 0) {
        memmove(out->bytes, out->bytes + out->head, out->length - out->head);
        out->length -= out->head;
        out->head = 0;
        if (out->capacity - out->length >= bytes)
            return;
    }
    size_t capacity = out->capacity ? out->capacity : OUTBOX_FIRST_BYTES;
    while (capacity - out->length < bytes)
        capacity *= 2;
    out->bytes = realloc(out->bytes, capacity);
    if (!out->bytes)
        abort();
    out->capacity = capacity;
}

void outbox_append(struct outbox *out, const struct header *header, const uint8_t *body,
                   size_t body_bytes)
{
    make_room(out, BATCH_ITEM_BYTES + body_bytes);
    uint8_t *item = out->bytes + out->length;
    batch_item_write(header, (uint32_t)body_bytes, item);
    if (body_bytes > 0)
        memcpy(item + BATCH_ITEM_BYTES, body, body_bytes);
    out->length += BATCH_ITEM_BYTES + body_bytes;
}

static size_t item_bytes(const uint8_t *item)
{
    uint32_t body_bytes;

    memcpy(&body_bytes, item + HEADER_BYTES, sizeof body_bytes);
    return BATCH_ITEM_BYTES + be32toh(body_bytes);
}

/* Control messages go alone: a peer may take its batches without looking for them. */
static bool may_share(const uint8_t *item)
{
    uint8_t type = item[TYPE_OFFSET];

    return type >= MESSAGE_OPERATION && type <= MESSAGE_ANSWER;
}

bool outbox_peek(const struct outbox *out, size_t message_bytes, uint8_t *header,
                 const uint8_t **body, size_t *body_bytes, size_t *taken)
{
    if (out->head == out->length)
        return false;
    const uint8_t *first = out->bytes + out->head;
    size_t bytes = item_bytes(first);
    uint32_t count = 1;

    if (may_share(first)) {
        while (count < BATCH_MESSAGES_MAX && out->head + bytes < out->length) {
            const uint8_t *item = first + bytes;
            if (!may_share(item) || bytes + item_bytes(item) > message_bytes)
                break;
            bytes += item_bytes(item);
            count++;
        }
    }
    *taken = bytes;
    if (count == 1) {
        memcpy(header, first, HEADER_BYTES);
        *body = first + BATCH_ITEM_BYTES;
        *body_bytes = bytes - BATCH_ITEM_BYTES;
        return true;
    }
    struct header batch = {.type = MESSAGE_BATCH};
    header_write(&batch, header);
    *body = first;
    *body_bytes = bytes;
    return true;
}

uint64_t outbox_first_work(const struct outbox *out)
{
    for (size_t at = out->head; at < out->length; at += item_bytes(out->bytes + at)) {
        struct header header;
        if (header_read(&header, out->bytes + at, HEADER_BYTES) == HEADER_OK &&
            (header.type == MESSAGE_OPERATION || header.type == MESSAGE_QUERY))
            return header.sequence;
    }
    return UINT64_MAX;
}

void outbox_advance(struct outbox *out, size_t taken)
{
    assert(taken <= out->length - out->head);
    out->head += taken;
    if (out->head < out->length)
        return;
    out->head = 0;
    out->length = 0;
    if (out->capacity > OUTBOX_KEEP_BYTES)
        outbox_release(out);
}
