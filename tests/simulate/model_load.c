/* SPDX-License-Identifier: MIT
 *
 * Look-ups: store_load on the model database. As in workers/store_load.c, each kind of need is one
 * or two statements, and everything is put into the ledgers when all have run.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/simulate/model_impl.h"
#include "workers/store.h"

/* What was found for one need. In the request's arena. */
struct found {
    const struct item *item; /* NULL: none; barcodes apart */
    struct level *levels;
    size_t level_count;
    struct code *barcodes;
    size_t barcode_count;
    struct reservation *reservation; /* NULL: none */
    struct movement *movements;
    size_t movement_count;
    const struct code *owner; /* NULL: none */
    const struct run *run;    /* NULL: none */
    struct run_block *block;  /* NULL: none */
};

struct load_arguments {
    const struct need *needs;
    const uint32_t *partitions;
    struct found *found;
    size_t count;
    struct model_named *warehouses, *reasons;
    size_t warehouse_count, reason_count;
};

/* The rows that begin with the prefix, one after another. NULL at the end. */
static const void *next_row(const struct model_run *run, enum model_table_name name,
                            const struct model_key *prefix, size_t *at,
                            const struct model_entry **entry)
{
    const struct model_table *table = &run->server->tables[name];

    if (*at == SIZE_MAX)
        *at = model_seek(table, prefix);
    for (; *at < table->count && model_has_prefix(table->entries[*at], prefix); ++*at) {
        const void *row = model_visible(table->entries[*at], run->tx);
        if (!row)
            continue;
        *entry = table->entries[(*at)++];
        return row;
    }
    return NULL;
}

/* Room for as many rows as there can be with this prefix. */
static void *room_for(struct model_run *run, enum model_table_name name,
                      const struct model_key *prefix, size_t bytes)
{
    const struct model_table *table = &run->server->tables[name];
    size_t first = model_seek(table, prefix), last = first;

    while (last < table->count && model_has_prefix(table->entries[last], prefix))
        last++;
    return arena_zalloc(&run->request->arena, (last - first + 1) * bytes);
}

/* ------------------------------------------------------------- statements */

typedef void load_need(struct model_run *run, uint32_t partition, const struct need *need,
                       struct found *found);

static unsigned for_each(struct model_run *run, enum need_kind kind, load_need *load)
{
    const struct load_arguments *arguments = run->arguments;

    for (size_t i = 0; i < arguments->count; i++) {
        if (arguments->needs[i].kind == kind)
            load(run, arguments->partitions[i], &arguments->needs[i], &arguments->found[i]);
    }
    return 0;
}

static void load_item(struct model_run *run, uint32_t partition, const struct need *need,
                      struct found *found)
{
    struct model_key key = model_key_of_sku(partition, &need->code);
    const struct item *item = model_get(run, MODEL_ITEM, &key);
    const struct model_entry *entry;
    const struct level *level;

    if (!item) /* levels are joined to it */
        return;
    found->item = arena_copy(&run->request->arena, item, sizeof *item);
    found->levels = room_for(run, MODEL_LEVEL, &key, sizeof *found->levels);
    for (size_t at = SIZE_MAX; (level = next_row(run, MODEL_LEVEL, &key, &at, &entry)) != NULL;)
        found->levels[found->level_count++] = *level;
}

static unsigned load_items(struct model_run *run)
{
    return for_each(run, NEED_SKU, load_item);
}

static void load_barcode(struct model_run *run, uint32_t partition, const struct need *need,
                         struct found *found)
{
    struct model_key all = {0};
    const struct model_entry *entry;
    const struct model_barcode *row;

    found->barcodes = room_for(run, MODEL_BARCODE, &all, sizeof *found->barcodes);
    for (size_t at = SIZE_MAX; (row = next_row(run, MODEL_BARCODE, &all, &at, &entry)) != NULL;) {
        if (row->partition == partition && code_equal(&row->sku, &need->code))
            found->barcodes[found->barcode_count++] = row->barcode;
    }
}

static unsigned load_barcodes(struct model_run *run)
{
    return for_each(run, NEED_SKU, load_barcode);
}

static void load_reservation(struct model_run *run, uint32_t partition, const struct need *need,
                             struct found *found)
{
    struct model_key key = model_key_of_reservation(partition, need->id);
    const struct reservation *row = model_get(run, MODEL_RESERVATION, &key);
    const struct model_entry *entry;
    const struct reservation_line *line;

    if (!row)
        return;
    found->reservation = arena_copy(&run->request->arena, row, sizeof *row);
    found->reservation->lines = room_for(run, MODEL_LINE, &key, sizeof *line);
    found->reservation->line_count = 0;
    for (size_t at = SIZE_MAX; (line = next_row(run, MODEL_LINE, &key, &at, &entry)) != NULL;)
        found->reservation->lines[found->reservation->line_count++] = *line;
}

static unsigned load_reservations(struct model_run *run)
{
    return for_each(run, NEED_RESERVATION, load_reservation);
}

static void load_operation(struct model_run *run, uint32_t partition, const struct need *need,
                           struct found *found)
{
    struct model_key key = model_key_of_operation(partition, need->id);
    const struct model_entry *entry;
    const struct model_once *once;

    found->movements = room_for(run, MODEL_ONCE, &key, sizeof *found->movements);
    for (size_t at = SIZE_MAX; (once = next_row(run, MODEL_ONCE, &key, &at, &entry)) != NULL;)
        model_movement_read(run, partition, once->seq, &found->movements[found->movement_count++]);
}

static unsigned load_operations(struct model_run *run)
{
    return for_each(run, NEED_OPERATION, load_operation);
}

static void load_owner(struct model_run *run, uint32_t partition, const struct need *need,
                       struct found *found)
{
    struct model_key key = model_key_of_code(&need->code);
    const struct model_barcode *row = model_get(run, MODEL_BARCODE, &key);

    (void)partition; /* barcodes are unique in a shard */
    if (row)
        found->owner = arena_copy(&run->request->arena, &row->sku, sizeof row->sku);
}

static unsigned load_owners(struct model_run *run)
{
    return for_each(run, NEED_BARCODE, load_owner);
}

static void load_run(struct model_run *run, uint32_t partition, const struct need *need,
                     struct found *found)
{
    struct model_key key = model_key_of_sku(partition, &need->code);
    const struct run *row = model_get(run, MODEL_RUN, &key);

    if (row)
        found->run = arena_copy(&run->request->arena, row, sizeof *row);
}

static unsigned load_runs(struct model_run *run)
{
    return for_each(run, NEED_RUN, load_run);
}

static void load_run_block(struct model_run *run, uint32_t partition, const struct need *need,
                           struct found *found)
{
    struct model_key key = model_key_of_run_block(partition, &need->code, need->number);
    const struct run_block *row = model_get(run, MODEL_RUN_BLOCK, &key);

    if (!row)
        return;
    found->block = arena_copy(&run->request->arena, row, sizeof *row);
    found->block->detail = arena_copy(&run->request->arena, row->detail, row->detail_bytes);
}

static unsigned load_run_blocks(struct model_run *run)
{
    return for_each(run, NEED_RUN_BLOCK, load_run_block);
}

static size_t load_named(struct model_run *run, enum model_table_name table,
                         struct model_named **named)
{
    struct model_key all = {0};
    const struct model_entry *entry;
    const struct model_named *row;
    size_t count = 0;

    *named = room_for(run, table, &all, sizeof **named);
    for (size_t at = SIZE_MAX; (row = next_row(run, table, &all, &at, &entry)) != NULL;)
        (*named)[count++] = *row;
    return count;
}

static unsigned load_warehouses(struct model_run *run)
{
    struct load_arguments *arguments = run->arguments;

    arguments->warehouse_count = load_named(run, MODEL_WAREHOUSE, &arguments->warehouses);
    return 0;
}

static unsigned load_reasons(struct model_run *run)
{
    struct load_arguments *arguments = run->arguments;

    arguments->reason_count = load_named(run, MODEL_REASON, &arguments->reasons);
    return 0;
}

/* ------------------------------------------------------------- the call */

static const struct {
    enum need_kind kind;
    model_statement *statement;
} sections[] = {
    {NEED_SKU, load_items},
    {NEED_SKU, load_barcodes},
    {NEED_RESERVATION, load_reservations},
    {NEED_OPERATION, load_operations},
    {NEED_BARCODE, load_owners},
    {NEED_RUN, load_runs},
    {NEED_RUN_BLOCK, load_run_blocks},
    {NEED_CATALOG, load_warehouses},
    {NEED_CATALOG, load_reasons},
};

static struct model_request *build(const struct store_need *needs, size_t count)
{
    struct model_request *request = model_request_new(sizeof(struct load_arguments));
    struct load_arguments *arguments = request->arguments;
    struct need *copies = arena_alloc(&request->arena, count * sizeof *copies);
    uint32_t *partitions = arena_alloc(&request->arena, count * sizeof *partitions);
    bool wanted[NEED_CATALOG + 1] = {false};

    for (size_t i = 0; i < count; i++) {
        copies[i] = needs[i].need;
        partitions[i] = ledger_partition(needs[i].ledger);
        wanted[needs[i].need.kind] = true;
    }
    arguments->needs = copies;
    arguments->partitions = partitions;
    arguments->found = arena_zalloc(&request->arena, count * sizeof *arguments->found);
    arguments->count = count;
    for (size_t s = 0; s < sizeof sections / sizeof sections[0]; s++) {
        if (wanted[sections[s].kind])
            model_request_add(request, sections[s].statement);
    }
    model_request_ready();
    return request;
}

static void put_operation(const struct store_need *need, const struct found *found,
                          struct arena *arena)
{
    struct movement *movements =
        arena_alloc(arena, (found->movement_count + 1) * sizeof *movements);

    for (size_t i = 0; i < found->movement_count; i++)
        model_movement_copy(&movements[i], &found->movements[i], arena);
    ledger_put_operation(need->ledger, need->need.id, movements, found->movement_count);
}

static void put_sku(const struct store_need *need, const struct found *found)
{
    struct item item;

    if (found->item) {
        item = *found->item;
        item.barcodes = found->barcodes;
        item.barcode_count = found->barcode_count;
    }
    ledger_put_sku(need->ledger, &need->need.code, found->item ? &item : NULL, found->levels,
                   found->level_count);
}

static void put(const struct store_need *need, const struct found *found, struct arena *arena)
{
    switch (need->need.kind) {
    case NEED_SKU:
        put_sku(need, found);
        break;
    case NEED_RESERVATION:
        ledger_put_reservation(need->ledger, need->need.id, found->reservation);
        break;
    case NEED_OPERATION:
        put_operation(need, found, arena);
        break;
    case NEED_BARCODE:
        ledger_put_barcode(need->ledger, &need->need.code, found->owner);
        break;
    case NEED_RUN:
        ledger_put_run(need->ledger, &need->need.code, found->run);
        break;
    case NEED_RUN_BLOCK:
        ledger_put_run_block(need->ledger, &need->need.code, need->need.number, found->block);
        break;
    case NEED_CATALOG:
        break;
    }
}

static enum db_outcome load_some(struct db *db, const struct store_need *needs, size_t count,
                                 struct catalog *catalog, struct arena *arena)
{
    struct model_request *request = build(needs, count);
    const struct load_arguments *arguments = request->arguments;
    enum db_outcome outcome = model_call(db, request);

    for (size_t i = 0; outcome == DB_OK && i < arguments->warehouse_count; i++)
        catalog_put_warehouse(catalog, &arguments->warehouses[i].code,
                              arguments->warehouses[i].version);
    for (size_t i = 0; outcome == DB_OK && i < arguments->reason_count; i++)
        catalog_put_reason(catalog, &arguments->reasons[i].code, arguments->reasons[i].version);
    for (size_t i = 0; outcome == DB_OK && i < count; i++)
        put(&needs[i], &arguments->found[i], arena);
    model_request_release(&request);
    return outcome;
}

enum db_outcome store_load(struct db *db, const struct store_need *needs, size_t count,
                           struct catalog *catalog, struct arena *arena)
{
    enum db_outcome outcome = DB_OK;

    for (size_t done = 0; outcome == DB_OK && done < count;) {
        size_t some = count - done < STORE_NEEDS_MAX ? count - done : STORE_NEEDS_MAX;
        outcome = load_some(db, needs + done, some, catalog, arena);
        done += some;
    }
    return outcome;
}
