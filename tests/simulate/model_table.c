/* SPDX-License-Identifier: MIT
 *
 * See model_table.h.
 */
#include "tests/simulate/model_table.h"

#include <assert.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *memory)
{
    if (!memory)
        abort();
    return memory;
}

/* ------------------------------------------------------------- keys */

void model_key_bytes(struct model_key *key, const void *bytes, size_t length)
{
    assert(key->length + length <= MODEL_KEY_BYTES);
    memcpy(key->bytes + key->length, bytes, length);
    key->length = (uint16_t)(key->length + length);
}

static void add_number(struct model_key *key, uint64_t value, size_t bytes)
{
    uint8_t big[8];

    for (size_t i = 0; i < bytes; i++)
        big[i] = (uint8_t)(value >> (8 * (bytes - 1 - i)));
    model_key_bytes(key, big, bytes);
}

void model_key_u16(struct model_key *key, uint32_t value)
{
    add_number(key, value, 2);
}

void model_key_u64(struct model_key *key, uint64_t value)
{
    add_number(key, value, 8);
}

/* Bytes, then length, as VARBINARY sorts. */
void model_key_code(struct model_key *key, const struct code *code)
{
    uint8_t padded[CODE_BYTES_MAX] = {0};

    memcpy(padded, code->bytes, code->length);
    model_key_bytes(key, padded, sizeof padded);
    add_number(key, code->length, 1);
}

static int compare(const struct model_key *a, const struct model_key *b)
{
    size_t shorter = a->length < b->length ? a->length : b->length;
    int order = memcmp(a->bytes, b->bytes, shorter);

    return order != 0 ? order : (int)a->length - (int)b->length;
}

/* ------------------------------------------------------------- rows */

struct row {
    size_t references;
    alignas(max_align_t) unsigned char bytes[];
};

static struct row *row_of(const void *bytes)
{
    return (struct row *)((uintptr_t)bytes - offsetof(struct row, bytes));
}

void *model_row_new(size_t bytes)
{
    struct row *row = must(calloc(1, sizeof *row + bytes));

    row->references = 1;
    return row->bytes;
}

void *model_row_copy(const void *bytes, size_t size)
{
    return memcpy(model_row_new(size), bytes, size);
}

const void *model_row_hold(const void *bytes)
{
    if (bytes)
        row_of(bytes)->references++;
    return bytes;
}

void model_row_release(const void *bytes)
{
    if (bytes && --row_of(bytes)->references == 0)
        free(row_of(bytes));
}

/* ------------------------------------------------------------- entries */

size_t model_seek(const struct model_table *table, const struct model_key *key)
{
    size_t low = 0, high = table->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(&table->entries[middle]->key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool model_has_prefix(const struct model_entry *entry, const struct model_key *prefix)
{
    return entry->key.length >= prefix->length &&
           memcmp(entry->key.bytes, prefix->bytes, prefix->length) == 0;
}

static struct model_entry *find(const struct model_table *table, const struct model_key *key,
                                size_t *at)
{
    *at = model_seek(table, key);
    if (*at < table->count && compare(&table->entries[*at]->key, key) == 0)
        return table->entries[*at];
    return NULL;
}

static struct model_entry *obtain(struct model_table *table, const struct model_key *key)
{
    size_t at;
    struct model_entry *entry = find(table, key, &at);

    if (entry)
        return entry;
    if (table->count == table->capacity) {
        table->capacity = table->capacity ? table->capacity * 2 : 16;
        table->entries =
            must(realloc(table->entries, table->capacity * sizeof(struct model_entry *)));
    }
    memmove(table->entries + at + 1, table->entries + at,
            (table->count - at) * sizeof(struct model_entry *));
    entry = table->entries[at] = must(calloc(1, sizeof *entry));
    table->count++;
    entry->key = *key;
    entry->table = table;
    return entry;
}

/* One without a row that nobody has locked is not there. */
static void tidy(struct model_entry *entry)
{
    struct model_table *table = entry->table;
    size_t at;

    if (entry->now || entry->owner)
        return;
    if (find(table, &entry->key, &at) != entry)
        abort();
    memmove(table->entries + at, table->entries + at + 1,
            (table->count - at - 1) * sizeof(struct model_entry *));
    table->count--;
    free(entry);
}

const void *model_visible(const struct model_entry *entry, const struct model_tx *tx)
{
    return tx && entry->owner == tx && entry->changed ? entry->pending : entry->now;
}

const void *model_read(const struct model_table *table, const struct model_key *key,
                       const struct model_tx *tx)
{
    size_t at;
    const struct model_entry *entry = find(table, key, &at);

    return entry ? model_visible(entry, tx) : NULL;
}

/* ------------------------------------------------------------- transactions */

struct model_entry *model_lock(struct model_table *table, const struct model_key *key,
                               struct model_tx *tx, struct model_tx **other)
{
    struct model_entry *entry = obtain(table, key);

    if (entry->owner == tx)
        return entry;
    if (entry->owner) {
        *other = entry->owner;
        return NULL;
    }
    entry->owner = tx;
    entry->locked_in = tx->statement;
    entry->next_owned = tx->owned;
    tx->owned = entry;
    return entry;
}

bool model_unlock(struct model_entry *entry)
{
    struct model_entry **at = &entry->owner->owned;

    if (entry->changed || entry->locked_in != entry->owner->statement)
        return false;
    while (*at != entry)
        at = &(*at)->next_owned;
    *at = entry->next_owned;
    entry->owner = NULL;
    tidy(entry);
    return true;
}

void model_change(struct model_entry *entry, const void *row)
{
    struct model_tx *tx = entry->owner;

    if (tx->undo_count == tx->undo_capacity) {
        tx->undo_capacity = tx->undo_capacity ? tx->undo_capacity * 2 : 16;
        tx->undo = must(realloc(tx->undo, tx->undo_capacity * sizeof *tx->undo));
    }
    tx->undo[tx->undo_count++] = (struct model_undo){entry, entry->pending, entry->changed};
    entry->pending = row;
    entry->changed = true;
}

void model_statement_done(struct model_tx *tx)
{
    for (size_t i = 0; i < tx->undo_count; i++)
        model_row_release(tx->undo[i].pending);
    tx->undo_count = 0;
    tx->statement++;
    for (struct model_entry **at = &tx->owned; *at;) {
        struct model_entry *entry = *at;
        if (entry->changed || entry->now) {
            at = &entry->next_owned;
            continue;
        }
        *at = entry->next_owned;
        entry->owner = NULL;
        tidy(entry);
    }
}

void model_statement_undo(struct model_tx *tx)
{
    while (tx->undo_count > 0) {
        struct model_undo *undo = &tx->undo[--tx->undo_count];
        model_row_release(undo->entry->pending);
        undo->entry->pending = undo->pending;
        undo->entry->changed = undo->changed;
    }
}

static void end_tx(struct model_tx *tx)
{
    free(tx->undo);
    *tx = (struct model_tx){0};
}

void model_commit_tx(struct model_tx *tx, model_seen *seen, void *context)
{
    for (struct model_entry *next, *entry = tx->owned; entry; entry = next) {
        next = entry->next_owned;
        if (entry->changed) {
            const void *before = entry->now;
            entry->now = entry->pending;
            if (seen)
                seen(context, entry, before, entry->now);
            model_row_release(before);
        }
        entry->pending = NULL;
        entry->changed = false;
        entry->owner = NULL;
        tidy(entry);
    }
    end_tx(tx);
}

void model_rollback_tx(struct model_tx *tx)
{
    model_statement_undo(tx);
    for (struct model_entry *next, *entry = tx->owned; entry; entry = next) {
        next = entry->next_owned;
        model_row_release(entry->pending);
        entry->pending = NULL;
        entry->changed = false;
        entry->owner = NULL;
        tidy(entry);
    }
    end_tx(tx);
}

bool model_tx_empty(const struct model_tx *tx)
{
    return !tx->owned;
}

/* ------------------------------------------------------------- images */

void model_table_image(const struct model_table *table, struct model_table_image *image)
{
    image->count = 0;
    image->keys = must(calloc(table->count + 1, sizeof *image->keys));
    image->rows = must(calloc(table->count + 1, sizeof *image->rows));
    for (size_t i = 0; i < table->count; i++) {
        if (!table->entries[i]->now)
            continue;
        image->keys[image->count] = table->entries[i]->key;
        image->rows[image->count++] = model_row_hold(table->entries[i]->now);
    }
}

void model_table_image_release(struct model_table_image *image)
{
    for (size_t i = 0; i < image->count; i++)
        model_row_release(image->rows[i]);
    free(image->keys);
    free(image->rows);
    *image = (struct model_table_image){0};
}

void model_table_release(struct model_table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        assert(!table->entries[i]->owner);
        model_row_release(table->entries[i]->now);
        free(table->entries[i]);
    }
    free(table->entries);
    *table = (struct model_table){0};
}

void model_table_put(struct model_table *table, const struct model_key *key, const void *row)
{
    struct model_entry *entry = obtain(table, key);

    model_row_release(entry->now);
    entry->now = model_row_hold(row);
}

void model_table_restore(struct model_table *table, const struct model_table_image *image)
{
    model_table_release(table);
    for (size_t i = 0; i < image->count; i++)
        obtain(table, &image->keys[i])->now = model_row_hold(image->rows[i]);
}
