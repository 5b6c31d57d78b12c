/* SPDX-License-Identifier: MIT
 *
 * Items, levels and reservations in memory. Between batches they are equal to what the database
 * holds, because only the owner writes them; during a batch they are what the batch will make of
 * them. An entry that says "no such row" is as good as one that holds a row.
 *
 * Entries do not move while a batch runs: changes point at them.
 */
#include "workers/ledger_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *pointer)
{
    if (!pointer) {
        fputs("out of memory\n", stderr);
        abort();
    }
    return pointer;
}

void *must_calloc(size_t count, size_t bytes)
{
    return must(calloc(count, bytes));
}

void *must_realloc(void *pointer, size_t bytes)
{
    return must(realloc(pointer, bytes));
}

void *grow(void *items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return items;
    *capacity = *capacity > 0 ? *capacity * 2 : 16;
    return must_realloc(items, *capacity * size);
}

struct sku_entry *cache_sku(const struct ledger *ledger, const void *bytes, size_t length)
{
    struct sku_entry *entry;

    HASH_FIND(hh, ledger->skus, bytes, length, entry);
    return entry;
}

struct reservation_entry *cache_reservation(const struct ledger *ledger,
                                            const uint8_t id[RESERVATION_ID_BYTES])
{
    return table_find(&ledger->reservations, id);
}

struct reservation_entry *cache_reservation_obtain(struct ledger *ledger,
                                                   const uint8_t id[RESERVATION_ID_BYTES])
{
    struct reservation_entry *entry = cache_reservation(ledger, id);

    if (!entry) {
        entry = must_calloc(1, sizeof *entry);
        memcpy(entry->id, id, RESERVATION_ID_BYTES);
        table_add(&ledger->reservations, entry);
    }
    return entry;
}

struct level_entry *cache_level(const struct sku_entry *sku, const void *bytes, size_t length)
{
    for (size_t i = 0; i < sku->level_count; i++) {
        if (code_is(&sku->levels[i]->level.warehouse, bytes, length))
            return sku->levels[i];
    }
    return NULL;
}

struct level_entry *cache_level_obtain(struct sku_entry *sku, const void *bytes, size_t length)
{
    struct level_entry *entry = cache_level(sku, bytes, length);

    if (!entry) {
        entry = must_calloc(1, sizeof *entry);
        entry->level.sku = sku->sku;
        code_set(&entry->level.warehouse, bytes, length);
        entry->owner = sku;
        sku->levels =
            grow(sku->levels, sku->level_count, &sku->level_capacity, sizeof *sku->levels);
        sku->levels[sku->level_count++] = entry;
    }
    return entry;
}

void cache_item_barcodes(struct item *item, const struct code *barcodes, size_t count)
{
    struct code *copy = NULL;

    if (count > 0) {
        copy = must_calloc(count, sizeof *copy);
        memcpy(copy, barcodes, count * sizeof *copy);
    }
    free(item->barcodes);
    item->barcodes = copy;
    item->barcode_count = count;
}

static void sku_free(struct ledger *ledger, struct sku_entry *entry)
{
    HASH_DEL(ledger->skus, entry);
    for (size_t i = 0; i < entry->level_count; i++)
        free(entry->levels[i]);
    free(entry->levels);
    free(entry->item.barcodes);
    free(entry);
}

void cache_drop_reservation(struct ledger *ledger, struct reservation_entry *entry)
{
    table_remove(&ledger->reservations, entry->id);
    ledger->line_count -= entry->reservation.line_count;
    free(entry->reservation.lines);
    free(entry);
}

static void keep_skus(struct ledger *ledger, size_t most)
{
    struct sku_entry *sku, *next;

    /* uthash iterates in the order of insertion: what goes was loaded first. */
    HASH_ITER(hh, ledger->skus, sku, next)
    {
        if (HASH_COUNT(ledger->skus) <= most)
            return;
        sku_free(ledger, sku);
    }
}

struct reservation_line *cache_reservation_lines(struct ledger *ledger,
                                                 struct reservation *reservation, size_t count)
{
    ledger->line_count += count - reservation->line_count;
    free(reservation->lines);
    reservation->lines = count > 0 ? must_calloc(count, sizeof *reservation->lines) : NULL;
    reservation->line_count = count;
    return reservation->lines;
}

static void keep_reservations(struct ledger *ledger, size_t most, size_t most_lines)
{
    struct reservation_entry *entry;
    size_t at = 0;

    while ((ledger->reservations.count > most || ledger->line_count > most_lines) &&
           (entry = table_any(&ledger->reservations, &at)) != NULL)
        cache_drop_reservation(ledger, entry);
}

void cache_clear(struct ledger *ledger)
{
    keep_skus(ledger, 0);
    keep_reservations(ledger, 0, 0);
    cache_runs_keep(ledger, 0, 0);
    table_release(&ledger->reservations);
}

void cache_trim(struct ledger *ledger)
{
    if (HASH_COUNT(ledger->skus) > LEDGER_SKUS_MAX)
        keep_skus(ledger, LEDGER_SKUS_MAX / 4 * 3);
    if (ledger->reservations.count > LEDGER_RESERVATIONS_MAX ||
        ledger->line_count > LEDGER_LINES_MAX)
        keep_reservations(ledger, LEDGER_RESERVATIONS_MAX / 4 * 3, LEDGER_LINES_MAX / 4 * 3);
    cache_runs_keep(ledger, LEDGER_RUNS_MAX, LEDGER_RUN_BLOCKS_MAX);
}

void ledger_put_sku(struct ledger *ledger, const struct code *sku, const struct item *item,
                    const struct level *levels, size_t level_count)
{
    if (cache_sku(ledger, sku->bytes, sku->length))
        return;
    struct sku_entry *entry = must_calloc(1, sizeof *entry);
    entry->sku = *sku;
    if (item) {
        entry->item = *item;
        entry->item.barcodes = NULL;
        cache_item_barcodes(&entry->item, item->barcodes, item->barcode_count);
    } else {
        entry->item.sku = *sku;
    }
    HASH_ADD_KEYPTR(hh, ledger->skus, entry->sku.bytes, entry->sku.length, entry);
    for (size_t i = 0; i < level_count; i++) {
        struct level_entry *level =
            cache_level_obtain(entry, levels[i].warehouse.bytes, levels[i].warehouse.length);
        level->level = levels[i];
        level->level.sku = *sku;
    }
}

void ledger_put_reservation(struct ledger *ledger, const uint8_t id[RESERVATION_ID_BYTES],
                            const struct reservation *reservation)
{
    if (cache_reservation(ledger, id))
        return;
    struct reservation_entry *entry = cache_reservation_obtain(ledger, id);
    if (!reservation)
        return;
    entry->reservation = *reservation;
    entry->reservation.lines = NULL;
    entry->reservation.line_count = 0;
    struct reservation_line *lines =
        cache_reservation_lines(ledger, &entry->reservation, reservation->line_count);
    if (lines)
        memcpy(lines, reservation->lines, reservation->line_count * sizeof *lines);
}
