/* SPDX-License-Identifier: MIT
 *
 * What a client sends to be done: OPERATION and QUERY. Checks the session's sequence and credit,
 * then the limits one by one; what passes is copied once, with the principal appended, and queued.
 * Everything else is answered here, at once. The body is never parsed.
 */
#include "broker/core.h"

#include <string.h>

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

struct verdict {
    enum status status; /* applied: admitted */
    const char *field;
    uint32_t retry_after_ms;
};

static struct verdict judge(struct dispatch *d, struct session *s, const struct header *header,
                            size_t bytes, struct moment now)
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
    switch (queue_room(d, p, header->op_class, op_bytes(bytes))) {
    case QUEUE_NEVER:
        verdict.status = STATUS_too_large;
        return verdict;
    case QUEUE_FULL:
        verdict.status = STATUS_busy;
        verdict.retry_after_ms = drain_retry_after_ms(&p->drain, p->held, now.monotonic_us);
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
    struct verdict verdict = judge(d, s, header, bytes, now);
    if (verdict.status != STATUS_applied) {
        reply_status(d, s, header->type, header->sequence, header->partition, verdict.status,
                     verdict.field, verdict.retry_after_ms);
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
    queue_push(d, s, op);
    s->client.in_flight++;
    s->client.admitted++;
    d->operations++;
    partition_wake(&d->partitions[op->partition]);
}
