/* SPDX-License-Identifier: MIT
 *
 * A bump allocator that returns NULL when there is no memory; see pool.h.
 */
#include "client/pool.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A result has some hundred bytes, and many are alive at once, so blocks begin small. */
#define BLOCK_BYTES 480u
#define BLOCK_BYTES_MAX 16384u
#define KEPT_BYTES_MAX 65536u

struct pool_block {
    struct pool_block *next;
    size_t used, size;
    alignas(max_align_t) uint8_t bytes[];
};

static void *take(struct pool *pool, size_t bytes)
{
    struct pool_block *block = pool->blocks;

    if (bytes > SIZE_MAX / 2)
        return NULL;
    bytes = (bytes + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (!block || block->size - block->used < bytes) {
        size_t size = block ? 2 * block->size : BLOCK_BYTES;
        if (size > BLOCK_BYTES_MAX)
            size = BLOCK_BYTES_MAX;
        if (size < bytes)
            size = bytes;
        block = malloc(sizeof *block + size);
        if (!block)
            return NULL;
        block->used = 0;
        block->size = size;
        block->next = pool->blocks;
        pool->blocks = block;
    }
    void *at = block->bytes + block->used;
    block->used += bytes;
    return at;
}

static void *take_for_protobuf(void *pool, size_t bytes)
{
    return take(pool, bytes);
}

static void keep_for_protobuf(void *pool, void *pointer)
{
    (void)pool;
    (void)pointer;
}

void pool_init(struct pool *pool)
{
    pool->blocks = NULL;
    pool->allocator = (ProtobufCAllocator){
        .alloc = take_for_protobuf, .free = keep_for_protobuf, .allocator_data = pool};
}

void pool_release(struct pool *pool)
{
    while (pool->blocks) {
        struct pool_block *next = pool->blocks->next;
        free(pool->blocks);
        pool->blocks = next;
    }
}

void pool_reset(struct pool *pool)
{
    struct pool_block *kept = pool->blocks;

    if (!kept)
        return;
    pool->blocks = kept->next;
    pool_release(pool);
    if (kept->size > KEPT_BYTES_MAX) {
        free(kept);
        return;
    }
    kept->next = NULL;
    kept->used = 0;
    pool->blocks = kept;
}

void *pool_alloc(struct pool *pool, size_t bytes)
{
    void *at = take(pool, bytes);

    if (at)
        memset(at, 0, bytes);
    return at;
}

char *pool_text(struct pool *pool, const void *bytes, size_t length)
{
    char *text = length < SIZE_MAX ? take(pool, length + 1) : NULL;

    if (!text)
        return NULL;
    if (length > 0)
        memcpy(text, bytes, length);
    text[length] = '\0';
    return text;
}

void pool_adopt(struct pool *pool, struct pool *from)
{
    struct pool_block *newest = pool->blocks, *last = from->blocks;

    if (!newest || !last) {
        pool->blocks = newest ? newest : last;
        from->blocks = NULL;
        return;
    }
    /* Behind the newest, in which there is room: a pool that adopts many is not walked each time.
     */
    while (last->next)
        last = last->next;
    last->next = newest->next;
    newest->next = from->blocks;
    from->blocks = NULL;
}
