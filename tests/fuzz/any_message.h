/* SPDX-License-Identifier: MIT
 *
 * Any message of holdfast.proto from the bytes of a fuzzer's input: its descriptor says which
 * fields there are, the bytes which of them are set, and to what. So a body passes unpacking, and
 * what is wrong about it is wrong in its values.
 */
#ifndef TESTS_FUZZ_ANY_MESSAGE_H
#define TESTS_FUZZ_ANY_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/arena.h"
#include "protocol/header.h"
#include "protocol/holdfast.pb-c.h"
#include "protocol/status.h"

#define ANY_DEPTH_MAX 4
#define ANY_REPEATED_MAX 3u

struct bytes { /* a cursor; behind the end there are zeros */
    const uint8_t *at;
    size_t left;
};

static inline uint8_t take_byte(struct bytes *bytes)
{
    if (bytes->left == 0)
        return 0;
    bytes->left--;
    return *bytes->at++;
}

static inline struct bytes take_bytes(struct bytes *bytes, size_t count)
{
    struct bytes taken = {bytes->at, count < bytes->left ? count : bytes->left};

    bytes->at += taken.left;
    bytes->left -= taken.left;
    return taken;
}

static inline uint64_t any_number(struct bytes *bytes)
{
    static const uint64_t great[] = {
        UINT32_MAX, INT32_MAX, (uint64_t)INT32_MAX + 1, UINT64_MAX,
        INT64_MAX,  999999999, 1700000000000000,        1000000000,
        1u << 16,   3600000,
    };
    uint8_t byte = take_byte(bytes);

    return byte < 192   ? byte % 32
           : byte < 202 ? great[byte - 192]
                        : (uint64_t)take_byte(bytes) << 8 | take_byte(bytes);
}

/* Names that mean something, or up to 16 bytes as they come. */
static inline ProtobufCBinaryData any_bytes(struct bytes *bytes, struct arena *arena)
{
    static const char *const words[] = {
        "", "c", "A", "W1", "no_session", "0190163d8694739b", "R-00ADHR7ARBT2S87HQ", "\xff"};
    uint8_t byte = take_byte(bytes);

    if (byte < 128) {
        size_t length = strlen(words[byte % 8]);
        return (ProtobufCBinaryData){length, arena_copy(arena, words[byte % 8], length)};
    }
    struct bytes taken = take_bytes(bytes, byte % 17);
    return (ProtobufCBinaryData){taken.left, arena_copy(arena, taken.at, taken.left)};
}

static inline ProtobufCMessage *any_message(const ProtobufCMessageDescriptor *type,
                                            struct bytes *bytes, struct arena *arena, int depth);

static inline void any_value(const ProtobufCFieldDescriptor *field, void *at, struct bytes *bytes,
                             struct arena *arena, int depth)
{
    uint64_t number;

    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING: {
        ProtobufCBinaryData text = any_bytes(bytes, arena);
        char *copy = arena_zalloc(arena, text.len + 1);
        memcpy(copy, text.data, text.len);
        memcpy(at, &copy, sizeof copy);
        return;
    }
    case PROTOBUF_C_TYPE_BYTES: {
        ProtobufCBinaryData data = any_bytes(bytes, arena);
        memcpy(at, &data, sizeof data);
        return;
    }
    case PROTOBUF_C_TYPE_MESSAGE: {
        ProtobufCMessage *message = any_message(field->descriptor, bytes, arena, depth + 1);
        memcpy(at, &message, sizeof message);
        return;
    }
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        number = any_number(bytes);
        memcpy(at, &number, sizeof number);
        return;
    case PROTOBUF_C_TYPE_BOOL: {
        protobuf_c_boolean flag = take_byte(bytes) & 1;
        memcpy(at, &flag, sizeof flag);
        return;
    }
    default: { /* what has four bytes */
        uint32_t narrow = (uint32_t)any_number(bytes);
        memcpy(at, &narrow, sizeof narrow);
        return;
    }
    }
}

static inline size_t any_size(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        return sizeof(uint64_t);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    default:
        return sizeof(uint32_t);
    }
}

static inline void any_field(const ProtobufCFieldDescriptor *field, char *message,
                             struct bytes *bytes, struct arena *arena, int depth)
{
    if (field->type == PROTOBUF_C_TYPE_MESSAGE && depth == ANY_DEPTH_MAX)
        return;
    if (field->label != PROTOBUF_C_LABEL_REPEATED) {
        if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
            memcpy(message + field->quantifier_offset, &field->id, sizeof(uint32_t));
        any_value(field, message + field->offset, bytes, arena, depth);
        return;
    }
    size_t count = take_byte(bytes) % (ANY_REPEATED_MAX + 1), size = any_size(field);
    char *list = arena_zalloc(arena, count * size + 1);
    for (size_t i = 0; i < count; i++)
        any_value(field, list + i * size, bytes, arena, depth);
    memcpy(message + field->quantifier_offset, &count, sizeof count);
    memcpy(message + field->offset, &list, sizeof list);
}

/* In the arena. Of a oneof at most one is set. */
static inline ProtobufCMessage *any_message(const ProtobufCMessageDescriptor *type,
                                            struct bytes *bytes, struct arena *arena, int depth)
{
    char *message = arena_alloc(arena, type->sizeof_message);
    uint8_t chosen = take_byte(bytes); /* of the fields of a oneof */
    unsigned in_oneof = 0;

    protobuf_c_message_init(type, message);
    for (unsigned i = 0; i < type->n_fields; i++)
        in_oneof += (type->fields[i].flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
    for (unsigned i = 0, n = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
            if (n++ == chosen % in_oneof)
                any_field(field, message, bytes, arena, depth);
        } else if (take_byte(bytes) & 1) {
            any_field(field, message, bytes, arena, depth);
        }
    }
    return (ProtobufCMessage *)(void *)message;
}

/* The body of a message of this type in the header; NULL: it has none. */
static inline const ProtobufCMessageDescriptor *body_of(uint8_t message_type)
{
    switch (message_type) {
    case MESSAGE_HELLO:
        return &hf__hello__descriptor;
    case MESSAGE_WELCOME:
        return &hf__welcome__descriptor;
    case MESSAGE_HEARTBEAT:
        return &hf__heartbeat__descriptor;
    case MESSAGE_ERROR:
        return &hf__error__descriptor;
    case MESSAGE_OPERATION:
        return &hf__operation__descriptor;
    case MESSAGE_RESULT:
        return &hf__result__descriptor;
    case MESSAGE_QUERY:
        return &hf__query__descriptor;
    case MESSAGE_ANSWER:
        return &hf__answer__descriptor;
    case MESSAGE_AUDITED:
        return &hf__audit_report__descriptor;
    default:
        return NULL;
    }
}

/* A packed body for this type, in the arena. */
static inline ProtobufCBinaryData any_body(uint8_t message_type, struct bytes *bytes,
                                           struct arena *arena)
{
    const ProtobufCMessageDescriptor *type = body_of(message_type);

    if (!type)
        return any_bytes(bytes, arena);
    ProtobufCMessage *message = any_message(type, bytes, arena, 0);
    uint8_t *packed = arena_alloc(arena, protobuf_c_message_get_packed_size(message) + 1);
    return (ProtobufCBinaryData){protobuf_c_message_pack(message, packed), packed};
}

/* Most bytes of a body that goes into a batch here. */
#define ANY_ITEM_BYTES 4096u

/* The message as an item at `at`, which has room for it; returns the bytes taken. */
static inline size_t any_item(const struct header *header, const ProtobufCBinaryData *body,
                              uint8_t *at)
{
    batch_item_write(header, (uint32_t)body->len, at);
    if (body->len > 0)
        memcpy(at + BATCH_ITEM_BYTES, body->data, body->len);
    return BATCH_ITEM_BYTES + body->len;
}

/* A copy of its own, so that the sanitizer sees who reads behind its end. */
static inline uint8_t *exact_copy(const void *bytes, size_t length)
{
    uint8_t *copy = malloc(length ? length : 1);

    if (length > 0)
        memcpy(copy, bytes, length);
    return copy;
}

#endif
