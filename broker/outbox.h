/* SPDX-License-Identifier: MIT
 *
 * What waits to be sent to one peer: messages one after another in the form of a batch's items, so
 * that a run of them becomes a BATCH without being touched again. Pure.
 *
 * The memory grows with what waits and is kept up to OUTBOX_KEEP_BYTES. Its owner watches
 * outbox_bytes and ends a peer that does not take what it is sent.
 */
#ifndef BROKER_OUTBOX_H
#define BROKER_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/header.h"

#define OUTBOX_KEEP_BYTES (64u * 1024u)

struct outbox {
    uint8_t *bytes;
    size_t head, length, capacity;
};

void outbox_release(struct outbox *out);

/* Appends one message; header and body are copied. */
void outbox_append(struct outbox *out, const struct header *header, const uint8_t *body,
                   size_t body_bytes);

static inline size_t outbox_bytes(const struct outbox *out)
{
    return out->length - out->head;
}

/* The next message to send: one BATCH of as many operations, queries, results and answers as fit
 * into message_bytes and BATCH_MESSAGES_MAX, or one message alone. False when nothing waits. header
 * gets HEADER_BYTES; *body points into the outbox. */
bool outbox_peek(const struct outbox *out, size_t message_bytes, uint8_t *header,
                 const uint8_t **body, size_t *body_bytes, size_t *taken);

/* The sequence of the first OPERATION or QUERY that waits; UINT64_MAX when none does. */
uint64_t outbox_first_work(const struct outbox *out);

/* It was sent: taken is what outbox_peek said. */
void outbox_advance(struct outbox *out, size_t taken);

#endif
