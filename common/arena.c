/* SPDX-License-Identifier: MIT
 *
 * Blocks in a list; a request larger than a block gets a block of its own size.
 */
#include "common/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES (64 * 1024)

struct arena_block {
    struct arena_block *next;
    size_t used;
    size_t size;
    alignas(max_align_t) unsigned char bytes[];
};

static void *allocate(void *data, size_t size)
{
    return arena_alloc(data, size);
}

static void ignore_free(void *data, void *pointer)
{
    (void)data;
    (void)pointer;
}

void arena_init(struct arena *arena)
{
    arena->first = NULL;
    arena->current = NULL;
    arena->allocator.alloc = allocate;
    arena->allocator.free = ignore_free;
    arena->allocator.allocator_data = arena;
}

void arena_release(struct arena *arena)
{
    for (struct arena_block *block = arena->first, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    arena->first = NULL;
    arena->current = NULL;
}

void arena_reset(struct arena *arena)
{
    for (struct arena_block *block = arena->first; block; block = block->next)
        block->used = 0;
    arena->current = arena->first;
}

static struct arena_block *block_new(size_t bytes)
{
    size_t size = bytes > BLOCK_BYTES ? bytes : BLOCK_BYTES;
    struct arena_block *block = malloc(sizeof *block + size);

    if (!block)
        abort();
    block->next = NULL;
    block->used = 0;
    block->size = size;
    return block;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
    size_t align = alignof(max_align_t);
    bytes = (bytes + align - 1) / align * align;
    while (arena->current && arena->current->size - arena->current->used < bytes &&
           arena->current->next)
        arena->current = arena->current->next;
    if (!arena->current) {
        arena->first = arena->current = block_new(bytes);
    } else if (arena->current->size - arena->current->used < bytes) {
        struct arena_block *block = block_new(bytes);
        arena->current->next = block;
        arena->current = block;
    }
    void *at = arena->current->bytes + arena->current->used;
    arena->current->used += bytes;
    return at;
}

void *arena_zalloc(struct arena *arena, size_t bytes)
{
    return memset(arena_alloc(arena, bytes), 0, bytes);
}

void *arena_copy(struct arena *arena, const void *bytes, size_t length)
{
    void *copy = arena_alloc(arena, length + 1);
    if (length > 0)
        memcpy(copy, bytes, length);
    ((char *)copy)[length] = '\0';
    return copy;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0)
        abort();
    char *text = arena_alloc(arena, (size_t)length + 1);
    va_start(args, format);
    vsnprintf(text, (size_t)length + 1, format, args);
    va_end(args);
    return text;
}
