/* SPDX-License-Identifier: MIT
 *
 * Small pieces of memory that are named by 32 bits instead of 64: a million skus and names cost
 * what their letters cost, rounded up to 8 bytes. For the read model alone. Running out of memory
 * ends the process.
 */
#ifndef VIEW_SLAB_H
#define VIEW_SLAB_H

#include <stddef.h>
#include <stdint.h>

#define SLAB_NONE 0u /* no piece has this reference */
#define SLAB_PIECE_MAX (1u << 20)
#define SLAB_CLASSES 140

struct slab { /* zeroed: empty */
    uint8_t **chunks;
    size_t chunk_count, chunk_capacity;
    size_t last_used; /* units of the last chunk */
    uint32_t
        free[SLAB_CLASSES]; /* first free piece of each size; a free piece begins with the next */
};

/* bytes: 1 to SLAB_PIECE_MAX. The piece is not zeroed, and aligned for 8 bytes. */
uint32_t slab_alloc(struct slab *slab, size_t bytes);
/* bytes as given to slab_alloc. SLAB_NONE is ignored. */
void slab_free(struct slab *slab, uint32_t piece, size_t bytes);
/* Valid until the piece is freed. */
void *slab_at(const struct slab *slab, uint32_t piece);
size_t slab_bytes(const struct slab *slab);
void slab_release(struct slab *slab);

/* Room for count + 1 elements of a plain array, which grows by half. Not zeroed. */
void *array_room(void *items, size_t count, size_t *capacity, size_t item_bytes);

#endif
