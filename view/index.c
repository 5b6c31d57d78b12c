/* SPDX-License-Identifier: MIT
 *
 * Open addressing with linear probing, at most three quarters full. Removing moves back what comes
 * behind, so there are no graves.
 */
#include "view/index.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define CAPACITY_MIN 64u

uint32_t index_hash(const void *key, size_t bytes)
{
    return (uint32_t)XXH3_64bits(key, bytes);
}

static void put(struct index *index, struct index_slot slot)
{
    size_t mask = index->capacity - 1, at = slot.hash & mask;

    while (index->slots[at].item != 0)
        at = (at + 1) & mask;
    index->slots[at] = slot;
}

static void grow(struct index *index)
{
    struct index old = *index;

    index->capacity = old.capacity ? old.capacity * 2 : CAPACITY_MIN;
    index->slots = calloc(index->capacity, sizeof *index->slots);
    if (!index->slots)
        abort();
    for (size_t i = 0; i < old.capacity; i++) {
        if (old.slots[i].item != 0)
            put(index, old.slots[i]);
    }
    free(old.slots);
}

void index_add(struct index *index, uint32_t hash, uint32_t item)
{
    if (index->count * 4 >= index->capacity * 3)
        grow(index);
    put(index, (struct index_slot){hash, item + 1});
    index->count++;
}

void index_remove(struct index *index, uint32_t hash, uint32_t item)
{
    size_t mask = index->capacity - 1, hole = hash & mask;

    assert(index->count > 0);
    while (index->slots[hole].item != item + 1) {
        assert(index->slots[hole].item != 0);
        hole = (hole + 1) & mask;
    }
    for (size_t at = (hole + 1) & mask; index->slots[at].item != 0; at = (at + 1) & mask) {
        size_t home = index->slots[at].hash & mask;
        /* Does the hole lie on its way from home to where it is? */
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            index->slots[hole] = index->slots[at];
            hole = at;
        }
    }
    index->slots[hole].item = 0;
    index->count--;
}

struct index_walk index_walk(const struct index *index, uint32_t hash)
{
    return (struct index_walk){index->capacity ? hash & (index->capacity - 1) : 0, hash};
}

uint32_t index_next(const struct index *index, struct index_walk *walk)
{
    while (index->capacity > 0 && index->slots[walk->at].item != 0) {
        const struct index_slot *slot = &index->slots[walk->at];
        walk->at = (walk->at + 1) & (index->capacity - 1);
        if (slot->hash == walk->hash)
            return slot->item - 1;
    }
    return INDEX_NONE;
}

size_t index_bytes(const struct index *index)
{
    return index->capacity * sizeof *index->slots;
}

void index_release(struct index *index)
{
    free(index->slots);
    *index = (struct index){0};
}
