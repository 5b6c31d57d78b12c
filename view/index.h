/* SPDX-License-Identifier: MIT
 *
 * Which items have a key: numbers of rows by the hash of what they are called. The keys stay in the
 * rows; whoever looks compares them. Several items may have the same key. For the read model alone.
 *
 *     struct index_walk walk = index_walk(&index, hash);
 *     for (uint32_t item; (item = index_next(&index, &walk)) != INDEX_NONE;)
 *         if (it has the key) …
 */
#ifndef VIEW_INDEX_H
#define VIEW_INDEX_H

#include <stddef.h>
#include <stdint.h>

#define INDEX_NONE UINT32_MAX

struct index_slot {
    uint32_t hash;
    uint32_t item; /* plus 1; 0: free */
};

struct index { /* zeroed: empty */
    struct index_slot *slots;
    size_t count, capacity; /* a power of two */
};

struct index_walk {
    size_t at;
    uint32_t hash;
};

uint32_t index_hash(const void *key, size_t bytes);
void index_add(struct index *index, uint32_t hash, uint32_t item);
/* It must be there, with this hash. */
void index_remove(struct index *index, uint32_t hash, uint32_t item);
struct index_walk index_walk(const struct index *index, uint32_t hash);
/* The next item with that hash; INDEX_NONE: no more. The index must not change meanwhile. */
uint32_t index_next(const struct index *index, struct index_walk *walk);
size_t index_bytes(const struct index *index);
void index_release(struct index *index);

#endif
