/* SPDX-License-Identifier: MIT
 *
 * A bump allocator for what lives as long as one batch: allocated piece by piece, released all at
 * once. Memory is kept for the next batch. Running out of memory ends the process (abort), as a
 * failed malloc does everywhere in our daemons; the client library does not use it.
 */
#ifndef COMMON_ARENA_H
#define COMMON_ARENA_H

#include <stddef.h>
#include <protobuf-c/protobuf-c.h>

struct arena_block;

struct arena {
    struct arena_block *first;
    struct arena_block *current;
    ProtobufCAllocator allocator; /* for protobuf-c's unpack; its free does nothing */
};

void arena_init(struct arena *arena);
void arena_release(struct arena *arena);
/* Everything allocated so far is gone. */
void arena_reset(struct arena *arena);
/* Aligned for any type, not zeroed. Never NULL. */
void *arena_alloc(struct arena *arena, size_t bytes);
void *arena_zalloc(struct arena *arena, size_t bytes);
void *arena_copy(struct arena *arena, const void *bytes, size_t length);
char *arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
