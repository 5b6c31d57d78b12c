/* SPDX-License-Identifier: MIT
 *
 * The fields of a packed protobuf message one by one, without unpacking it; and a few written. For
 * whoever passes messages on. Pure; any bytes may come.
 */
#ifndef PROTOCOL_WIRE_H
#define PROTOCOL_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a written field takes besides its bytes, at most. */
#define WIRE_FIELD_BYTES 15u

struct wire_reader {
    const uint8_t *at, *end;
    bool broken; /* ended before its end: these are not the bytes of a message */
};

struct wire_field {
    uint32_t number;
    uint64_t value;       /* of a varint or fixed field */
    const uint8_t *bytes; /* of a field with a length, in the message; NULL: it has none */
    size_t length;
};

void wire_begin(struct wire_reader *reader, const uint8_t *bytes, size_t length);
/* The next field. False at the end, or with broken set. */
bool wire_next(struct wire_reader *reader, struct wire_field *field);

/* Returns how many bytes were written. number: 1 to 2^29 - 1. */
size_t wire_uint(uint8_t *to, uint32_t number, uint64_t value);
/* wire_bytes without the bytes. */
size_t wire_bytes_head(uint8_t *to, uint32_t number, size_t length);
size_t wire_bytes(uint8_t *to, uint32_t number, const uint8_t *bytes, size_t length);
size_t wire_varint(uint8_t *to, uint64_t value);

#endif
