/* SPDX-License-Identifier: MIT
 *
 * From the structs of holdfast.h to the bodies Operation and Query. Pure. What the caller passes is
 * checked here field by field, so that a mistake is told at once, by name, without a round trip;
 * the worker checks everything again.
 */
#ifndef CLIENT_ENCODE_H
#define CLIENT_ENCODE_H

#include "client/holdfast.h"
#include "client/pool.h"
#include "protocol/ids.h"
#include "protocol/text.h"

#include <stdint.h>

/* Where a message goes. A sku's partition is known only once a broker has told the number of
 * partitions, so the sku travels along. */
struct route {
    bool by_sku;
    struct code sku;
    uint32_t partition;
    const char *field; /* the caller named the partition, in this field; NULL: it did not. Static */
};

uint32_t route_partition(const struct route *route, uint32_t partitions);

/* Why an argument was refused. status: HOLDFAST_INVALID, HOLDFAST_TOO_LARGE, or
 * HOLDFAST_UNAVAILABLE for lack of memory. */
struct fault {
    int status;
    char field[64];
    char message[128];
};

struct encoded {
    uint8_t *body; /* malloc'd; the caller's */
    size_t body_bytes;
    struct route route;
    uint8_t operation_id[UUID_BYTES]; /* operations only */
    uint16_t attempt;                 /* operations only; of the first message that is sent */
    uint8_t op_class;                 /* enum op_class */
};

/* What the options of a handle add to every operation. */
struct encode_defaults {
    const char *actor; /* or NULL */
    enum holdfast_class op_class;
};

/* fresh_id is used when the operation has none. scratch is emptied. A SETTLE of all partitions is
 * encoded for partition 0; the caller sends the same body to each. */
bool encode_operation(struct encoded *encoded, const struct holdfast_operation *operation,
                      const struct encode_defaults *defaults, const uint8_t fresh_id[UUID_BYTES],
                      struct pool *scratch, struct fault *fault);

/* The library's own settle of operation_id, under settle_id. Returns the number of bytes. */
#define SETTLE_BYTES_MAX 64
size_t encode_settle(uint8_t body[SETTLE_BYTES_MAX], const uint8_t settle_id[UUID_BYTES],
                     const uint8_t operation_id[UUID_BYTES]);

/* Sets the fault and returns false. */
bool fault_set(struct fault *fault, int status, const char *field, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* For protobuf-c, which takes no const. NULL is the empty text. */
ProtobufCBinaryData bytes_of(const char *text);

/* Code and text checks, with the field's name; optional ones may be NULL or "". */
bool check_code(struct fault *fault, const char *field, const char *code);
bool check_optional_code(struct fault *fault, const char *field, const char *code);
bool check_text(struct fault *fault, const char *field, const char *text, size_t max);

#endif
