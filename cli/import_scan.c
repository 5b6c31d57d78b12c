/* SPDX-License-Identifier: MIT
 *
 * The first reading of an import: the digest of the file, whether it is UTF-8 at all, and which
 * lines contradict each other. Keeps a hash of 128 bits for each level and sku, never their text.
 */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>
#include "cli/import.h"
#include "cli/memory.h"

enum item_field { ITEM_NAME, ITEM_BARCODE, ITEM_REORDER_POINT, ITEM_FIELDS };

/* Open addressing, power of two, at most half full. */
struct level_seen {
    XXH128_hash_t key;
    uint64_t first, second; /* lines; 0: none */
};

struct item_seen {
    XXH128_hash_t key;
    uint64_t line[ITEM_FIELDS]; /* which said it first; 0: none */
    uint64_t hash[ITEM_FIELDS];
};

struct import_scan {
    unsigned char digest[DIGEST_BYTES];
    uint64_t lines;
    struct level_seen *levels;
    size_t level_count, level_slots;
    struct item_seen *items;
    size_t item_count, item_slots;
};

#define SLOTS_AT_FIRST 1024

static bool is_free(XXH128_hash_t key)
{
    return key.low64 == 0 && key.high64 == 0;
}

static XXH128_hash_t level_key(const struct import_row *row)
{
    char text[2 * (CODE_BYTES_MAX + 1)];
    size_t sku_bytes = strlen(row->sku) + 1, warehouse_bytes = strlen(row->warehouse);
    memcpy(text, row->sku, sku_bytes); /* with its NUL, which no code holds */
    memcpy(text + sku_bytes, row->warehouse, warehouse_bytes);
    return XXH3_128bits(text, sku_bytes + warehouse_bytes);
}

static struct level_seen *level_slot(struct level_seen *levels, size_t slots, XXH128_hash_t key)
{
    size_t i = key.low64 & (slots - 1);
    while (!is_free(levels[i].key) && !XXH128_isEqual(levels[i].key, key))
        i = (i + 1) & (slots - 1);
    return &levels[i];
}

static struct item_seen *item_slot(struct item_seen *items, size_t slots, XXH128_hash_t key)
{
    size_t i = key.low64 & (slots - 1);
    while (!is_free(items[i].key) && !XXH128_isEqual(items[i].key, key))
        i = (i + 1) & (slots - 1);
    return &items[i];
}

static void *zeroed(size_t count, size_t item_bytes)
{
    void *memory = memory_grow(NULL, count, item_bytes);
    return memset(memory, 0, count * item_bytes);
}

static void grow_levels(struct import_scan *scan)
{
    size_t slots = scan->level_slots * 2;
    struct level_seen *levels = zeroed(slots, sizeof(*levels));
    for (size_t i = 0; i < scan->level_slots; i++)
        if (!is_free(scan->levels[i].key))
            *level_slot(levels, slots, scan->levels[i].key) = scan->levels[i];
    free(scan->levels);
    scan->levels = levels;
    scan->level_slots = slots;
}

static void grow_items(struct import_scan *scan)
{
    size_t slots = scan->item_slots * 2;
    struct item_seen *items = zeroed(slots, sizeof(*items));
    for (size_t i = 0; i < scan->item_slots; i++)
        if (!is_free(scan->items[i].key))
            *item_slot(items, slots, scan->items[i].key) = scan->items[i];
    free(scan->items);
    scan->items = items;
    scan->item_slots = slots;
}

static bool item_says(const struct import_row *row, enum item_field field, uint64_t *hash)
{
    switch (field) {
    case ITEM_NAME:
        *hash = XXH3_64bits(row->name, strlen(row->name));
        return row->name[0] != '\0';
    case ITEM_BARCODE:
        *hash = XXH3_64bits(row->barcode, strlen(row->barcode));
        return row->barcode[0] != '\0';
    case ITEM_REORDER_POINT:
        *hash = row->reorder_point;
        return row->has_reorder_point;
    case ITEM_FIELDS:
        break;
    }
    return false;
}

static void remember(struct import_scan *scan, const struct import_row *row)
{
    XXH128_hash_t key = level_key(row);
    struct level_seen *level;
    struct item_seen *item;
    if (scan->level_count * 2 >= scan->level_slots)
        grow_levels(scan);
    if (scan->item_count * 2 >= scan->item_slots)
        grow_items(scan);
    level = level_slot(scan->levels, scan->level_slots, key);
    scan->level_count += is_free(level->key);
    level->key = key;
    if (level->first == 0)
        level->first = row->line;
    else if (level->second == 0)
        level->second = row->line;
    key = XXH3_128bits(row->sku, strlen(row->sku));
    item = item_slot(scan->items, scan->item_slots, key);
    scan->item_count += is_free(item->key);
    item->key = key;
    for (unsigned f = 0; f < ITEM_FIELDS; f++) {
        uint64_t hash;
        if (item->line[f] == 0 && item_says(row, (enum item_field)f, &hash)) {
            item->line[f] = row->line;
            item->hash[f] = hash;
        }
    }
}

bool import_contradicted(const struct import_scan *scan, const struct import_row *row,
                         struct import_fault *fault)
{
    static const char *const names[ITEM_FIELDS] = {"name", "barcode", "reorder_point"};
    const struct level_seen *level = level_slot(scan->levels, scan->level_slots, level_key(row));
    const struct item_seen *item =
        item_slot(scan->items, scan->item_slots, XXH3_128bits(row->sku, strlen(row->sku)));
    if (level->second != 0) {
        fault->column = "sku";
        snprintf(fault->why, sizeof(fault->why),
                 "%s at %s is there more than once: lines %llu and %llu; none of them is taken",
                 row->sku, row->warehouse, (unsigned long long)level->first,
                 (unsigned long long)level->second);
        return true;
    }
    for (unsigned f = 0; f < ITEM_FIELDS; f++) {
        uint64_t hash;
        if (!item_says(row, (enum item_field)f, &hash) || hash == item->hash[f])
            continue;
        fault->column = names[f];
        snprintf(fault->why, sizeof(fault->why), "line %llu says something else about %s",
                 (unsigned long long)item->line[f], row->sku);
        return true;
    }
    return false;
}

/* ------------------------------------------------------------- reading */

static void digest_file(struct import_scan *scan, FILE *file)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    unsigned char buffer[16384];
    size_t n;
    if (context == NULL || EVP_DigestInit_ex(context, EVP_sha256(), NULL) != 1) {
        complain("import", "could not compute SHA-256");
        exit(EX_OSERR);
    }
    rewind(file);
    while ((n = fread(buffer, 1, sizeof(buffer), file)) > 0)
        EVP_DigestUpdate(context, buffer, n);
    EVP_DigestFinal_ex(context, scan->digest, NULL);
    EVP_MD_CTX_free(context);
}

static bool is_utf8(const struct csv_record *record)
{
    for (size_t i = 0; i < record->field_count; i++)
        if (!text_is_utf8(record->fields[i], strlen(record->fields[i])))
            return false;
    return true;
}

static int not_understood(const char *path, uint64_t line, const char *why)
{
    complain("import", "%s:%llu: %s", path, (unsigned long long)line, why);
    return EX_DATAERR;
}

int import_scan_file(struct import_scan **out, struct csv_reader *reader, const char *path)
{
    struct import_scan *scan = zeroed(1, sizeof(*scan));
    const struct csv_record *record;
    struct import_columns columns;
    struct import_row row;
    struct import_fault fault;
    char text[256];
    const char *why;
    *out = scan;
    scan->level_slots = scan->item_slots = SLOTS_AT_FIRST;
    scan->levels = zeroed(scan->level_slots, sizeof(*scan->levels));
    scan->items = zeroed(scan->item_slots, sizeof(*scan->items));
    digest_file(scan, reader->file);
    why = csv_open(reader, reader->file);
    if (why != NULL)
        return not_understood(path, 1, why);
    record = csv_next(reader);
    if (record == NULL)
        return not_understood(path, 1, "it has no lines");
    if (!is_utf8(record))
        return not_understood(path, record->line, CSV_NOT_UTF8);
    why = import_header(record, &columns, path, true, text);
    if (why != NULL)
        return not_understood(path, record->line, why);
    while ((record = csv_next(reader)) != NULL) {
        if (!is_utf8(record))
            return not_understood(path, record->line, CSV_NOT_UTF8);
        scan->lines++;
        if (import_row_read(record, &columns, &row, &fault))
            remember(scan, &row);
    }
    return 0;
}

void import_scan_destroy(struct import_scan **scan)
{
    if (*scan != NULL) {
        free((*scan)->levels);
        free((*scan)->items);
    }
    free(*scan);
    *scan = NULL;
}

const unsigned char *import_digest(const struct import_scan *scan)
{
    return scan->digest;
}

uint64_t import_line_count(const struct import_scan *scan)
{
    return scan->lines;
}
