/* SPDX-License-Identifier: MIT
 *
 * Warehouses and reasons of the region as a worker knows them: which codes exist, and at which
 * version. Filled from the shard's copies and by partition 0's own commits; read by every ledger of
 * the worker. Nothing is ever removed from the region, so an old catalog can lack a code but never
 * have one too many; but for a server that lost its tail, so that each claim begins with none.
 */
#include "workers/ledger_impl.h"

#include <stdlib.h>

struct catalog_entry {
    struct code code;
    uint64_t version;
    UT_hash_handle hh;
};

struct catalog {
    struct catalog_entry *warehouses;
    struct catalog_entry *reasons;
};

struct catalog *catalog_new(void)
{
    return must_calloc(1, sizeof(struct catalog));
}

static void clear(struct catalog_entry **entries)
{
    struct catalog_entry *entry, *next;

    HASH_ITER(hh, *entries, entry, next)
    {
        HASH_DEL(*entries, entry);
        free(entry);
    }
}

void catalog_clear(struct catalog *catalog)
{
    clear(&catalog->warehouses);
    clear(&catalog->reasons);
}

void catalog_destroy(struct catalog **catalog)
{
    if (!*catalog)
        return;
    catalog_clear(*catalog);
    free(*catalog);
    *catalog = NULL;
}

static void put(struct catalog_entry **entries, const struct code *code, uint64_t version)
{
    struct catalog_entry *entry;

    HASH_FIND(hh, *entries, code->bytes, code->length, entry);
    if (!entry) {
        entry = must_calloc(1, sizeof *entry);
        entry->code = *code;
        HASH_ADD_KEYPTR(hh, *entries, entry->code.bytes, entry->code.length, entry);
    }
    if (entry->version < version)
        entry->version = version;
}

void catalog_put_warehouse(struct catalog *catalog, const struct code *code, uint64_t version)
{
    put(&catalog->warehouses, code, version);
}

void catalog_put_reason(struct catalog *catalog, const struct code *code, uint64_t version)
{
    put(&catalog->reasons, code, version);
}

static bool find(const struct catalog_entry *entries, const void *bytes, size_t length,
                 uint64_t *version)
{
    const struct catalog_entry *entry;

    HASH_FIND(hh, entries, bytes, length, entry);
    if (entry)
        *version = entry->version;
    return entry != NULL;
}

bool catalog_warehouse(const struct catalog *catalog, const void *bytes, size_t length,
                       uint64_t *version)
{
    return find(catalog->warehouses, bytes, length, version);
}

bool catalog_reason(const struct catalog *catalog, const void *bytes, size_t length,
                    uint64_t *version)
{
    return find(catalog->reasons, bytes, length, version);
}
