/* SPDX-License-Identifier: MIT
 *
 * Chunks of 1 MiB, cut into units of 8 bytes. A freed piece waits in the list of its size: sizes up
 * to 1 KiB have a list each, larger ones are rounded up to a power of two.
 */
#include "view/slab.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define UNIT_BYTES 8u
#define CHUNK_UNITS (SLAB_PIECE_MAX / UNIT_BYTES)
#define EXACT_UNITS 128u /* up to 1 KiB */

static size_t units_of(size_t bytes, size_t *class)
{
    size_t units = (bytes + UNIT_BYTES - 1) / UNIT_BYTES;

    if (units <= EXACT_UNITS) {
        *class = units - 1;
        return units;
    }
    size_t rounded = EXACT_UNITS;
    for (*class = EXACT_UNITS - 1; rounded < units; rounded *= 2)
        ++*class;
    return rounded;
}

static void add_chunk(struct slab *slab)
{
    slab->chunks =
        array_room(slab->chunks, slab->chunk_count, &slab->chunk_capacity, sizeof *slab->chunks);
    uint8_t *chunk = malloc(SLAB_PIECE_MAX);
    if (!chunk)
        abort();
    slab->last_used = slab->chunk_count == 0 ? 1 : 0; /* unit 0 is SLAB_NONE */
    slab->chunks[slab->chunk_count++] = chunk;
}

uint32_t slab_alloc(struct slab *slab, size_t bytes)
{
    size_t class, units;

    assert(bytes > 0 && bytes <= SLAB_PIECE_MAX);
    units = units_of(bytes, &class);
    uint32_t piece = slab->free[class];
    if (piece != SLAB_NONE) {
        memcpy(&slab->free[class], slab_at(slab, piece), sizeof piece);
        return piece;
    }
    /* The first chunk lacks a unit, so what needs a whole one never ends there. */
    while (slab->chunk_count == 0 || slab->last_used + units > CHUNK_UNITS)
        add_chunk(slab);
    piece = (uint32_t)((slab->chunk_count - 1) * CHUNK_UNITS + slab->last_used);
    slab->last_used += units;
    return piece;
}

void slab_free(struct slab *slab, uint32_t piece, size_t bytes)
{
    size_t class;

    if (piece == SLAB_NONE)
        return;
    (void)units_of(bytes, &class);
    memcpy(slab_at(slab, piece), &slab->free[class], sizeof piece);
    slab->free[class] = piece;
}

void *slab_at(const struct slab *slab, uint32_t piece)
{
    return slab->chunks[piece / CHUNK_UNITS] + (size_t)(piece % CHUNK_UNITS) * UNIT_BYTES;
}

size_t slab_bytes(const struct slab *slab)
{
    return slab->chunk_count * SLAB_PIECE_MAX + slab->chunk_capacity * sizeof *slab->chunks;
}

void slab_release(struct slab *slab)
{
    for (size_t i = 0; i < slab->chunk_count; i++)
        free(slab->chunks[i]);
    free(slab->chunks);
    *slab = (struct slab){0};
}

void *array_room(void *items, size_t count, size_t *capacity, size_t item_bytes)
{
    if (count < *capacity)
        return items;
    *capacity = *capacity + *capacity / 2 + 16;
    void *wider = realloc(items, *capacity * item_bytes);
    if (!wider)
        abort();
    return wider;
}
