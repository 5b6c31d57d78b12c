/* SPDX-License-Identifier: MIT
 *
 * What a client sends to be done: OPERATION and QUERY. Checks the session's sequence and credit,
 * then the limits one by one; what passes is copied once, with the principal appended, and queued.
 * Everything else is answered here, at once. Of the body only the kind of a freeing operation is
 * looked at; nothing in it is unpacked.
 */
#include "broker/core.h"

#include <string.h>

#include "protocol/holdfast.pb-c.h"

/* Field 6 of Operation, a length-delimited field: the last one in the bytes counts, so appending
 * overrides whatever the client wrote there. */
#define PRINCIPAL_TAG 0x32u

static size_t principal_field(const struct session *s, uint8_t type, uint8_t bytes[2])
{
    if (type != MESSAGE_OPERATION)
        return 0;
    bytes[0] = PRINCIPAL_TAG;
    bytes[1] = (uint8_t)strlen(s->client.principal->name);
    return 2;
}

static bool sequence_is_good(struct dispatch *d, struct session *s, const struct header *header,
                             struct moment now)
{
    if (header->sequence <= s->client.last_sequence) {
        session_fault(d, s, ERROR_sequence, header->sequence, now);
        return false;
    }
    if (header->sequence > s->client.credit) {
        session_fault(d, s, ERROR_credit, header->sequence, now);
        return false;
    }
    s->client.last_sequence = header->sequence;
    session_mark_dirty(d, s); /* a client that skips numbers may need credit */
    return true;
}

/* ---- the class */

/* Reads one base-128 number; 0 when it is cut off or too long. The bytes that it took. */
static size_t read_number(const uint8_t *bytes, size_t length, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < length && i < 10; i++) {
        *value |= (uint64_t)(bytes[i] & 0x7f) << (7 * i);
        if (!(bytes[i] & 0x80))
            return i + 1;
    }
    return 0;
}

/* The bytes of a field's value, without unpacking it; 0 when it cannot be (whole). */
static size_t value_bytes(const uint8_t *bytes, size_t length, unsigned wire_type)
{
    uint64_t number;
    size_t prefix;

    switch (wire_type) {
    case 0:
        return read_number(bytes, length, &number);
    case 1:
        return length < 8 ? 0 : 8;
    case 2:
        prefix = read_number(bytes, length, &number);
        return prefix == 0 || number > length - prefix ? 0 : prefix + (size_t)number;
    case 5:
        return length < 4 ? 0 : 4;
    default:
        return 0;
    }
}

/* Which member of Operation.kind the body has: the number of its field, the last one's as protobuf
 * has it. 0: none, or the body cannot be read; the worker says so then. */
static uint32_t kind_of(const uint8_t *body, size_t body_bytes)
{
    uint32_t kind = 0;
    size_t at = 0;

    while (at < body_bytes) {
        uint64_t tag;
        size_t bytes = read_number(body + at, body_bytes - at, &tag);
        size_t value = bytes == 0 ? 0
                                  : value_bytes(body + at + bytes, body_bytes - at - bytes,
                                                (unsigned)(tag & 7));
        if (value == 0)
            return 0;
        /* They are the last fields of Operation, so kinds that are added later count too. */
        if (tag >> 3 >= HF__OPERATION__KIND_RESERVE)
            kind = tag >> 3 <= UINT32_MAX ? (uint32_t)(tag >> 3) : UINT32_MAX;
        at += bytes + value;
    }
    return kind;
}

/* The freeing class has the most weight and a room of its own in the queue, so what travels in it
 * is what gives capacity back, whatever a client calls it. */
static bool class_fits(const struct header *header, const uint8_t *body, size_t body_bytes)
{
    if (header->op_class != CLASS_FREEING)
        return true;
    if (header->type != MESSAGE_OPERATION)
        return false;
    switch (kind_of(body, body_bytes)) {
    case 0: /* for the worker to refuse */
    case HF__OPERATION__KIND_RELEASE:
    case HF__OPERATION__KIND_SHIP:
    case HF__OPERATION__KIND_CANCEL:
    case HF__OPERATION__KIND_SETTLE:
        return true;
    default:
        return false;
    }
}

/* ---- limits */

struct verdict {
    enum status status; /* applied: admitted */
    const char *field;
    uint32_t retry_after_ms;
};

static struct verdict judge(struct dispatch *d, struct session *s, const struct header *header,
                            bool class_is_good, size_t bytes, struct moment now)
{
    const struct config_limits *limits = &d->config.limits;
    struct verdict verdict = {.field = ""};

    if (header->partition >= d->config.partitions) {
        verdict.status = STATUS_wrong_partition;
        return verdict;
    }
    if (bytes > limits->message_bytes) {
        verdict.status = STATUS_too_large;
        return verdict;
    }
    if (!class_is_good) {
        verdict.status = STATUS_invalid;
        verdict.field = "class";
        return verdict;
    }
    if (header->not_after_us - now.wall_us >
        (int64_t)(limits->not_after_ms + limits->clock_skew_ms) * 1000) {
        verdict.status = STATUS_invalid;
        verdict.field = "not_after";
        return verdict;
    }
    if (now.wall_us > header->not_after_us) {
        verdict.status = STATUS_deadline_exceeded;
        return verdict;
    }
    const struct partition *p = &d->partitions[header->partition];
    if (!p->owner && now.monotonic_us - p->unserved_since_us > d->grace_us) {
        verdict.status = STATUS_unavailable;
        return verdict;
    }
    switch (queue_room(d, p, s->id, header->op_class, op_bytes(bytes))) {
    case QUEUE_NEVER:
        verdict.status = STATUS_too_large;
        return verdict;
    case QUEUE_FULL:
        verdict.status = STATUS_busy;
        verdict.retry_after_ms = drain_retry_after_ms(p, header->op_class, now.monotonic_us);
        return verdict;
    case QUEUE_ROOM:
        break;
    }
    if (!principal_take(&d->principals, s->client.principal, now.monotonic_us,
                        &verdict.retry_after_ms))
        verdict.status = STATUS_rate_limited;
    return verdict;
}

void admit(struct dispatch *d, struct session *s, const struct header *header, const uint8_t *body,
           size_t body_bytes, struct moment now)
{
    uint8_t field[2];

    if (!sequence_is_good(d, s, header, now))
        return;
    size_t field_bytes = principal_field(s, header->type, field);
    size_t name_bytes = field_bytes ? field[1] : 0;
    size_t bytes = body_bytes + field_bytes + name_bytes;
    bool class_is_good = class_fits(header, body, body_bytes);
    struct verdict verdict = judge(d, s, header, class_is_good, bytes, now);
    if (verdict.status != STATUS_applied) {
        reply_status(d, s, header->type, header->sequence, header->partition, verdict.status,
                     verdict.field, verdict.retry_after_ms);
        client_hold_back(s, verdict.retry_after_ms, now);
        return;
    }

    struct op *op = op_new(bytes);
    op->client = s->id;
    op->client_sequence = header->sequence;
    op->partition = header->partition;
    op->type = header->type;
    op->op_class = header->op_class;
    op->attempt = header->attempt;
    op->not_after_us = header->not_after_us;
    op->admitted_us = now.monotonic_us;
    if (body_bytes > 0)
        memcpy(op->body, body, body_bytes);
    memcpy(op->body + body_bytes, field, field_bytes);
    memcpy(op->body + body_bytes + field_bytes, s->client.principal->name, name_bytes);
    if (op->op_class != CLASS_BULK)
        yield_begin(d, now);
    queue_push(d, s, op);
    s->client.in_flight++;
    s->client.admitted++;
    d->operations++;
    partition_wake(&d->partitions[op->partition]);
}
