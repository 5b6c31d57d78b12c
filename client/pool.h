/* SPDX-License-Identifier: MIT
 *
 * Memory of one result or answer: allocated piece by piece, freed all at once, and never a reason
 * to abort, because it lives in somebody else's program. Also the scratch memory that protobuf-c
 * unpacks into.
 */
#ifndef CLIENT_POOL_H
#define CLIENT_POOL_H

#include <stddef.h>
#include <protobuf-c/protobuf-c.h>

struct pool_block;

struct pool {
    struct pool_block *blocks;    /* newest first */
    ProtobufCAllocator allocator; /* for protobuf-c's unpack; its free does nothing */
};

void pool_init(struct pool *pool);
void pool_release(struct pool *pool);
/* What was allocated is gone; one block is kept for the next use. */
void pool_reset(struct pool *pool);
/* Zeroed, aligned for any type; NULL when there is no memory. */
void *pool_alloc(struct pool *pool, size_t bytes);
/* As a NUL-terminated copy; NULL when there is no memory. */
char *pool_text(struct pool *pool, const void *bytes, size_t length);
/* Everything that `from` holds lives as long as `pool` from here on; `from` is empty afterwards. */
void pool_adopt(struct pool *pool, struct pool *from);

#endif
