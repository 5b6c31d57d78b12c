/* SPDX-License-Identifier: MIT
 *
 * Results, answers and errors that the broker itself makes. Those of workers pass through assign.c
 * untouched.
 */
#include "broker/core.h"

#include <stdio.h>
#include <string.h>

#include "protocol/holdfast.pb-c.h"

/* A result of the broker has numbers and a short text, an error a short text. */
#define REPLY_BYTES_MAX 512u

/* Field names are compared with string literals only, so the cast away of const is safe: packing
 * only reads. */
static char *borrowed(const char *text)
{
    union {
        const char *in;
        char *out;
    } u = {.in = text};
    return u.out;
}

static size_t result_body(enum status status, const char *field, uint32_t partition,
                          uint32_t retry_after_ms, uint64_t map_version, uint8_t *bytes)
{
    Hf__Result result;

    hf__result__init(&result);
    result.status = (uint32_t)status;
    result.field = borrowed(field);
    result.message = borrowed(status_text(status));
    result.partition = partition;
    result.retry_after_ms = retry_after_ms;
    if (status == STATUS_wrong_partition)
        result.map_version = map_version;
    return hf__result__pack(&result, bytes);
}

static size_t answer_body(enum status status, const char *field, uint32_t partition,
                          uint32_t retry_after_ms, uint8_t *bytes)
{
    Hf__Answer answer;

    hf__answer__init(&answer);
    answer.status = (uint32_t)status;
    answer.field = borrowed(field);
    answer.message = borrowed(status_text(status));
    answer.partition = partition;
    answer.retry_after_ms = retry_after_ms;
    return hf__answer__pack(&answer, bytes);
}

void reply_status(struct dispatch *d, struct session *client, uint8_t type, uint64_t sequence,
                  uint32_t partition, enum status status, const char *field,
                  uint32_t retry_after_ms)
{
    uint8_t body[REPLY_BYTES_MAX];
    bool is_query = type == MESSAGE_QUERY;
    size_t body_bytes =
        is_query ? answer_body(status, field, partition, retry_after_ms, body)
                 : result_body(status, field, partition, retry_after_ms, d->map_version, body);
    struct header header = {
        .type = is_query ? MESSAGE_ANSWER : MESSAGE_RESULT,
        .partition = partition,
        .session = client->id,
        .sequence = sequence,
    };

    d->sheds[(uint8_t)status]++;
    if (status_kind(status) == STATUS_KIND_SHED)
        client->client.shed++;
    outbox_append(&client->out, &header, body, body_bytes);
    session_mark_dirty(d, client);
}

void client_answered(struct dispatch *d, struct session *client)
{
    client->client.in_flight--;
    session_mark_dirty(d, client);
}

void op_finish(struct dispatch *d, struct op *op, enum status status, struct moment now)
{
    struct session *client = session_by_id(d, op->client);
    uint32_t retry_after_ms =
        status == STATUS_busy
            ? drain_retry_after_ms(&d->partitions[op->partition], op->op_class, now.monotonic_us)
            : 0;

    if (client) {
        reply_status(d, client, op->type, op->client_sequence, op->partition, status, "",
                     retry_after_ms);
        client_answered(d, client);
    }
    op_free(d, op);
}

size_t reply_error_body(enum error_code code, const char *detail, uint8_t *bytes, size_t size)
{
    Hf__Error error;
    char text[256];

    hf__error__init(&error);
    snprintf(text, sizeof text, "%s%s%s", error_text(code), detail ? ": " : "",
             detail ? detail : "");
    error.code = borrowed(error_name(code));
    error.message = text;
    return hf__error__get_packed_size(&error) <= size ? hf__error__pack(&error, bytes) : 0;
}

void reply_error(struct dispatch *d, enum side side, const uint8_t *route, size_t route_bytes,
                 uint32_t session, uint64_t sequence, enum error_code code, const char *detail)
{
    uint8_t bytes[HEADER_BYTES], body[REPLY_BYTES_MAX];
    struct header header = {
        .type = MESSAGE_ERROR,
        .partition = PARTITION_NONE,
        .session = session,
        .sequence = sequence,
    };
    size_t body_bytes = reply_error_body(code, detail, body, sizeof body);

    header_write(&header, bytes);
    (void)d->output.send(d->output.context, side, route, route_bytes, bytes, body, body_bytes);
}
