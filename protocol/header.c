/* SPDX-License-Identifier: MIT
 *
 * Reading and writing the fixed header and the batch body. Everything read here comes from a
 * peer, so nothing is assumed about it.
 */
#include "protocol/header.h"

#include <endian.h>
#include <string.h>

static uint16_t get16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return be16toh(v);
}

static uint32_t get32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return be32toh(v);
}

static uint64_t get64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return be64toh(v);
}

static void put16(uint8_t *p, uint16_t v)
{
    v = htobe16(v);
    memcpy(p, &v, sizeof v);
}

static void put32(uint8_t *p, uint32_t v)
{
    v = htobe32(v);
    memcpy(p, &v, sizeof v);
}

static void put64(uint8_t *p, uint64_t v)
{
    v = htobe64(v);
    memcpy(p, &v, sizeof v);
}

void header_write(const struct header *header, uint8_t *bytes)
{
    put16(bytes, HEADER_MAGIC);
    bytes[2] = HEADER_VERSION;
    bytes[3] = header->type;
    bytes[4] = header->flags;
    bytes[5] = header->op_class;
    put16(bytes + 6, header->attempt);
    put32(bytes + 8, header->partition);
    put32(bytes + 12, header->session);
    put64(bytes + 16, header->sequence);
    put64(bytes + 24, (uint64_t)header->not_after_us);
}

static bool fields_fit_type(const struct header *header)
{
    bool is_operation = header->type == MESSAGE_OPERATION;
    bool is_work = is_operation || header->type == MESSAGE_QUERY;

    if ((header->flags & ~HEADER_FLAG_SUSPECT) != 0 || (header->flags != 0 && !is_operation))
        return false;
    if (is_operation != (header->attempt != 0))
        return false;
    if (is_work)
        return header->op_class < CLASS_COUNT && header->not_after_us > 0;
    return header->op_class == 0 && header->not_after_us == 0;
}

enum header_error header_read(struct header *header, const uint8_t *bytes, size_t length)
{
    if (length != HEADER_BYTES)
        return HEADER_SHORT;
    if (get16(bytes) != HEADER_MAGIC)
        return HEADER_FOREIGN;
    if (bytes[2] != HEADER_VERSION)
        return HEADER_VERSION_UNKNOWN;
    header->type = bytes[3];
    header->flags = bytes[4];
    header->op_class = bytes[5];
    header->attempt = get16(bytes + 6);
    header->partition = get32(bytes + 8);
    header->session = get32(bytes + 12);
    header->sequence = get64(bytes + 16);
    header->not_after_us = (int64_t)get64(bytes + 24);
    if (message_type_name(header->type) && !fields_fit_type(header))
        return HEADER_FIELD;
    return HEADER_OK;
}

const char *header_error_text(enum header_error error)
{
    switch (error) {
    case HEADER_OK:
        return "ok";
    case HEADER_SHORT:
        return "the first frame is not a header of 32 bytes";
    case HEADER_FOREIGN:
        return "the header does not begin with HF";
    case HEADER_VERSION_UNKNOWN:
        return "this version of the protocol is not spoken here";
    case HEADER_FIELD:
        return "a header field is outside its range for the message type";
    }
    return "bad header";
}

const char *message_type_name(uint8_t type)
{
    switch (type) {
    case MESSAGE_HELLO:
        return "hello";
    case MESSAGE_WELCOME:
        return "welcome";
    case MESSAGE_HEARTBEAT:
        return "heartbeat";
    case MESSAGE_GOODBYE:
        return "goodbye";
    case MESSAGE_ERROR:
        return "error";
    case MESSAGE_CREDIT:
        return "credit";
    case MESSAGE_OPERATION:
        return "operation";
    case MESSAGE_RESULT:
        return "result";
    case MESSAGE_QUERY:
        return "query";
    case MESSAGE_ANSWER:
        return "answer";
    case MESSAGE_RETURNED:
        return "returned";
    case MESSAGE_BATCH:
        return "batch";
    case MESSAGE_STATE:
        return "state";
    case MESSAGE_CHANGES:
        return "changes";
    case MESSAGE_BEACON:
        return "beacon";
    case MESSAGE_AUDITED:
        return "audited";
    case MESSAGE_ASK:
        return "ask";
    case MESSAGE_SUBSCRIBE:
        return "subscribe";
    case MESSAGE_SUBSCRIBED:
        return "subscribed";
    case MESSAGE_ASSIGN:
        return "assign";
    case MESSAGE_EVENTS:
        return "events";
    case MESSAGE_ACK:
        return "ack";
    case MESSAGE_ACKED:
        return "acked";
    case MESSAGE_YIELD:
        return "yield";
    case MESSAGE_HALTED:
        return "halted";
    case MESSAGE_RESUME:
        return "resume";
    default:
        return NULL;
    }
}

void batch_reader_init(struct batch_reader *reader, const uint8_t *bytes, size_t length)
{
    reader->bytes = bytes;
    reader->length = length;
    reader->offset = 0;
    reader->count = 0;
}

enum batch_step batch_next(struct batch_reader *reader, struct header *header, const uint8_t **body,
                           size_t *body_bytes)
{
    size_t left = reader->length - reader->offset;

    if (left == 0)
        return reader->count == 0 ? BATCH_BROKEN : BATCH_END;
    if (left < BATCH_ITEM_BYTES || reader->count == BATCH_MESSAGES_MAX)
        return BATCH_BROKEN;
    const uint8_t *item = reader->bytes + reader->offset;
    uint32_t length = get32(item + HEADER_BYTES);
    if (length > left - BATCH_ITEM_BYTES)
        return BATCH_BROKEN;
    if (header_read(header, item, HEADER_BYTES) != HEADER_OK || header->type == MESSAGE_BATCH)
        return BATCH_BROKEN;
    *body = item + BATCH_ITEM_BYTES;
    *body_bytes = length;
    reader->offset += BATCH_ITEM_BYTES + length;
    reader->count++;
    return BATCH_ITEM;
}

void batch_item_write(const struct header *header, uint32_t body_bytes, uint8_t *bytes)
{
    header_write(header, bytes);
    put32(bytes + HEADER_BYTES, body_bytes);
}
