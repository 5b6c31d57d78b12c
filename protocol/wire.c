/* SPDX-License-Identifier: MIT
 *
 * See wire.h.
 */
#include "protocol/wire.h"

#include <string.h>

enum { TYPE_VARINT = 0, TYPE_FIXED64 = 1, TYPE_BYTES = 2, TYPE_FIXED32 = 5 };

void wire_begin(struct wire_reader *reader, const uint8_t *bytes, size_t length)
{
    *reader = (struct wire_reader){.at = bytes, .end = length > 0 ? bytes + length : bytes};
}

static bool read_varint(struct wire_reader *reader, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && reader->at < reader->end; shift += 7) {
        uint8_t byte = *reader->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

static bool read_fixed(struct wire_reader *reader, size_t bytes, uint64_t *value)
{
    if ((size_t)(reader->end - reader->at) < bytes)
        return false;
    *value = 0;
    for (size_t i = 0; i < bytes; i++)
        *value |= (uint64_t)reader->at[i] << 8 * i;
    reader->at += bytes;
    return true;
}

static bool read_bytes(struct wire_reader *reader, struct wire_field *field)
{
    uint64_t length;

    if (!read_varint(reader, &length) || length > (size_t)(reader->end - reader->at))
        return false;
    field->bytes = reader->at;
    field->length = (size_t)length;
    reader->at += length;
    return true;
}

static bool read_field(struct wire_reader *reader, struct wire_field *field)
{
    uint64_t tag;

    *field = (struct wire_field){0};
    if (!read_varint(reader, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
        return false;
    field->number = (uint32_t)(tag >> 3);
    if ((tag & 7) == TYPE_VARINT)
        return read_varint(reader, &field->value);
    if ((tag & 7) == TYPE_BYTES)
        return read_bytes(reader, field);
    if ((tag & 7) == TYPE_FIXED64)
        return read_fixed(reader, 8, &field->value);
    return (tag & 7) == TYPE_FIXED32 && read_fixed(reader, 4, &field->value);
}

bool wire_next(struct wire_reader *reader, struct wire_field *field)
{
    if (reader->broken || reader->at == reader->end)
        return false;
    reader->broken = !read_field(reader, field);
    return !reader->broken;
}

size_t wire_varint(uint8_t *to, uint64_t value)
{
    size_t bytes = 0;

    for (; value >= 0x80; value >>= 7)
        to[bytes++] = (uint8_t)(value | 0x80);
    to[bytes++] = (uint8_t)value;
    return bytes;
}

size_t wire_uint(uint8_t *to, uint32_t number, uint64_t value)
{
    size_t bytes = wire_varint(to, (uint64_t)number << 3 | TYPE_VARINT);

    return bytes + wire_varint(to + bytes, value);
}

size_t wire_bytes_head(uint8_t *to, uint32_t number, size_t length)
{
    size_t count = wire_varint(to, (uint64_t)number << 3 | TYPE_BYTES);

    return count + wire_varint(to + count, length);
}

size_t wire_bytes(uint8_t *to, uint32_t number, const uint8_t *bytes, size_t length)
{
    size_t count = wire_bytes_head(to, number, length);

    if (length > 0)
        memcpy(to + count, bytes, length);
    return count + length;
}
