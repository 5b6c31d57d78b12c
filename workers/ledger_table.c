/* SPDX-License-Identifier: MIT
 *
 * Entries by reservation id: open addressing with linear probing, so that a look-up touches one
 * line of memory and not a chain of them. Every reserve looks its id up several times, and almost
 * never finds it.
 *
 * An entry begins with its id; the last eight bytes of an id are a hash already.
 */
#include "workers/ledger_impl.h"

#include <stdlib.h>
#include <string.h>

#define TABLE_CAPACITY_MIN 64u

static uint64_t hash_of(const uint8_t *id)
{
    uint64_t hash;

    memcpy(&hash, id + RESERVATION_ID_BYTES - sizeof hash, sizeof hash);
    return hash;
}

static size_t home_of(const struct table *table, uint64_t hash)
{
    return (size_t)hash & (table->capacity - 1);
}

/* Where it is, or the free slot where it would go. */
static size_t slot_of(const struct table *table, const uint8_t *id)
{
    uint64_t hash = hash_of(id);
    size_t at = home_of(table, hash);

    while (table->slots[at].entry &&
           (table->slots[at].hash != hash ||
            memcmp(table->slots[at].entry, id, RESERVATION_ID_BYTES) != 0))
        at = (at + 1) & (table->capacity - 1);
    return at;
}

void *table_find(const struct table *table, const uint8_t id[RESERVATION_ID_BYTES])
{
    return table->count > 0 ? table->slots[slot_of(table, id)].entry : NULL;
}

/* Takes the first free slot: it is not there yet. */
static void place(struct table *table, struct table_slot slot)
{
    size_t at = home_of(table, slot.hash);

    while (table->slots[at].entry)
        at = (at + 1) & (table->capacity - 1);
    table->slots[at] = slot;
}

static void make_room(struct table *table)
{
    struct table old = *table;

    table->capacity = old.capacity > 0 ? old.capacity * 2 : TABLE_CAPACITY_MIN;
    table->slots = must_calloc(table->capacity, sizeof *table->slots);
    for (size_t i = 0; i < old.capacity; i++) {
        if (old.slots[i].entry)
            place(table, old.slots[i]);
    }
    free(old.slots);
}

void table_add(struct table *table, void *entry)
{
    if (table->count * 2 >= table->capacity)
        make_room(table);
    place(table, (struct table_slot){hash_of(entry), entry});
    table->count++;
}

/* Those behind it that would no longer be found move up. */
void table_remove(struct table *table, const uint8_t id[RESERVATION_ID_BYTES])
{
    size_t mask = table->capacity - 1;
    size_t hole = slot_of(table, id);

    table->slots[hole].entry = NULL;
    table->count--;
    for (size_t at = (hole + 1) & mask; table->slots[at].entry; at = (at + 1) & mask) {
        size_t home = home_of(table, table->slots[at].hash);
        if (((at - home) & mask) < ((at - hole) & mask))
            continue;
        table->slots[hole] = table->slots[at];
        table->slots[at].entry = NULL;
        hole = at;
    }
}

void *table_any(const struct table *table, size_t *at)
{
    while (*at < table->capacity && !table->slots[*at].entry)
        ++*at;
    return *at < table->capacity ? table->slots[*at].entry : NULL;
}

void table_release(struct table *table)
{
    free(table->slots);
    memset(table, 0, sizeof *table);
}
