/* SPDX-License-Identifier: MIT
 *
 * A cursor names the last row of a page by what it was sorted by, so it is good at every view and
 * after a restart. Its first 8 bytes are a hash of the question: another question refuses it. It
 * needs no seal, as a forged one only begins a page elsewhere.
 *
 *   question (8), number (8), then sku, warehouse and name, each with its length (1)
 */
#include <endian.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "view/model_impl.h"

#define NUMBERS_BYTES 16u
#define CURSOR_BYTES_MAX (NUMBERS_BYTES + 3 + 2 * CODE_BYTES_MAX + NAME_BYTES_MAX)

/* The fields that do not change which rows come in which order are left out by the caller. */
static uint64_t hash_of(const ProtobufCMessage *question, struct arena *arena)
{
    size_t bytes = protobuf_c_message_get_packed_size(question);
    uint8_t *packed = arena_alloc(arena, bytes + 1);

    protobuf_c_message_pack(question, packed);
    return XXH3_64bits_withSeed(packed, bytes, question->descriptor->sizeof_message);
}

uint64_t cursor_question(const ProtobufCMessage *question, struct arena *arena)
{
    if (question->descriptor == &hf__view_levels_query__descriptor) {
        Hf__ViewLevelsQuery bare = *(const Hf__ViewLevelsQuery *)question;
        bare.limit = 0;
        bare.cursor = bare.after = (ProtobufCBinaryData){0};
        return hash_of(&bare.base, arena);
    }
    Hf__ViewReservationsQuery bare = *(const Hf__ViewReservationsQuery *)question;
    bare.limit = 0;
    bare.cursor = (ProtobufCBinaryData){0};
    return hash_of(&bare.base, arena);
}

static uint8_t *put_text(uint8_t *at, const void *bytes, size_t length)
{
    *at++ = (uint8_t)length;
    memcpy(at, bytes, length);
    return at + length;
}

ProtobufCBinaryData cursor_write(const struct cursor *cursor, uint64_t question,
                                 struct arena *arena)
{
    uint8_t *bytes = arena_alloc(arena, CURSOR_BYTES_MAX);
    uint64_t numbers[2] = {htobe64(question), htobe64((uint64_t)cursor->number)};

    memcpy(bytes, numbers, sizeof numbers);
    uint8_t *at = bytes + sizeof numbers;
    at = put_text(at, cursor->sku.bytes, cursor->sku.length);
    at = put_text(at, cursor->warehouse.bytes, cursor->warehouse.length);
    at = put_text(at, cursor->name, cursor->name_bytes);
    return (ProtobufCBinaryData){.data = bytes, .len = (size_t)(at - bytes)};
}

/* The next text; false when it is not all there, or longer than most. */
static bool take_text(const uint8_t **at, const uint8_t *end, size_t most, const uint8_t **text,
                      size_t *length)
{
    if (*at == end || **at > most || (size_t)(end - *at) < 1u + **at)
        return false;
    *length = **at;
    *text = *at + 1;
    *at += 1 + *length;
    return true;
}

const char *cursor_read(struct cursor *cursor, uint64_t question, const ProtobufCBinaryData *bytes)
{
    static const char broken[] = "is not a cursor";
    uint64_t numbers[2];
    const uint8_t *text, *at = bytes->data + NUMBERS_BYTES, *end = bytes->data + bytes->len;
    size_t length;

    if (bytes->len < NUMBERS_BYTES)
        return broken;
    memcpy(numbers, bytes->data, sizeof numbers);
    if (be64toh(numbers[0]) != question)
        return "belongs to another question";
    *cursor = (struct cursor){.number = (int64_t)be64toh(numbers[1])};
    if (!take_text(&at, end, CODE_BYTES_MAX, &text, &length))
        return broken;
    code_set(&cursor->sku, text, length);
    if (!take_text(&at, end, CODE_BYTES_MAX, &text, &length))
        return broken;
    code_set(&cursor->warehouse, text, length);
    if (!take_text(&at, end, NAME_BYTES_MAX, &text, &length) || at != end)
        return broken;
    memcpy(cursor->name, text, length);
    cursor->name_bytes = length;
    return NULL;
}
