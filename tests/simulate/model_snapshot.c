/* SPDX-License-Identifier: MIT
 *
 * Consistent snapshots, and what queries read in them: store_read.h on the model database. A
 * snapshot is an image of the tables that are read, which the connection keeps until its
 * transaction ends.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/simulate/model_impl.h"
#include "workers/store_read.h"

struct model_snapshot {
    struct model_table_image partitions, items, levels;
};

void model_snapshot_end(struct model_connection *connection)
{
    if (!connection->snapshot)
        return;
    model_table_image_release(&connection->snapshot->partitions);
    model_table_image_release(&connection->snapshot->items);
    model_table_image_release(&connection->snapshot->levels);
    free(connection->snapshot);
    connection->snapshot = NULL;
}

static unsigned take_snapshot(struct model_run *run)
{
    const struct model_table *tables = run->server->tables;
    unsigned error = model_start(run);

    model_snapshot_end(run->connection);
    struct model_snapshot *snapshot = model_calloc(sizeof *snapshot);
    model_table_image(&tables[MODEL_PARTITION], &snapshot->partitions);
    model_table_image(&tables[MODEL_ITEM], &snapshot->items);
    model_table_image(&tables[MODEL_LEVEL], &snapshot->levels);
    run->connection->snapshot = snapshot;
    return error;
}

/* Index of the first key from `at` that begins with the prefix; the count when there is none. */
static size_t next_key(const struct model_table_image *image, const struct model_key *prefix,
                       size_t at)
{
    while (at < image->count && (image->keys[at].length < prefix->length ||
                                 memcmp(image->keys[at].bytes, prefix->bytes, prefix->length) != 0))
        at++;
    return at;
}

/* ------------------------------------------------------------- fences */

struct fence_arguments {
    struct store_fence *fences;
    size_t count;
};

static unsigned read_fences(struct model_run *run)
{
    const struct fence_arguments *arguments = run->arguments;
    const struct model_table_image *image = &run->connection->snapshot->partitions;

    for (size_t i = 0; i < arguments->count; i++) {
        struct store_fence *fence = &arguments->fences[i];
        struct model_key key = model_key_of_partition(fence->partition);
        size_t at = next_key(image, &key, 0);
        if (at == image->count)
            continue;
        const struct model_partition *row = image->rows[at];
        fence->holds = row->epoch == fence->epoch &&
                       memcmp(row->claim_id, fence->claim_id, sizeof row->claim_id) == 0;
        fence->sequence = row->last_seq;
        fence->at_us = run->now_us + row->clock_offset_us;
    }
    return 0;
}

enum db_outcome store_snapshot(struct db *db, struct store_fence *fences, size_t count)
{
    struct model_request *request = model_request_new(sizeof(struct fence_arguments));
    struct fence_arguments *arguments = request->arguments;

    arguments->fences = arena_copy(&request->arena, fences, count * sizeof *fences);
    arguments->count = count;
    for (size_t i = 0; i < count; i++) {
        arguments->fences[i].holds = false;
        arguments->fences[i].claim_id = arena_copy(&request->arena, fences[i].claim_id, 16);
    }
    model_request_add(request, take_snapshot);
    model_request_add(request, read_fences);
    model_request_ready();
    enum db_outcome outcome = model_call(db, request);
    for (size_t i = 0; outcome == DB_OK && i < count; i++) {
        const uint8_t *claim_id = fences[i].claim_id;
        fences[i] = arguments->fences[i];
        fences[i].claim_id = claim_id;
    }
    model_request_release(&request);
    return outcome;
}

/* ------------------------------------------------------------- stock */

struct found_level {
    struct code sku;
    bool has_level;
    struct level level;
};

struct stock_arguments {
    uint32_t partition;
    struct code *skus;
    size_t sku_count;
    struct code after, warehouse;
    size_t limit;
    struct found_level *found;
    size_t found_count;
};

static struct code code_of(const ProtobufCBinaryData *bytes)
{
    struct code code = {.length = (uint8_t)bytes->len};

    if (bytes->len > 0)
        memcpy(code.bytes, bytes->data, bytes->len);
    return code;
}

static bool is_wanted(const struct stock_arguments *arguments, const struct code *sku)
{
    if (arguments->sku_count == 0)
        return code_compare(sku, &arguments->after) > 0;
    for (size_t i = 0; i < arguments->sku_count; i++) {
        if (code_equal(sku, &arguments->skus[i]))
            return true;
    }
    return false;
}

/* The levels of a sku; without one, a row without a level unless only those with one are wanted. */
static size_t add_levels(struct model_run *run, const struct code *sku, bool with_level)
{
    struct stock_arguments *arguments = run->arguments;
    const struct model_table_image *image = &run->connection->snapshot->levels;
    struct model_key key = model_key_of_sku(arguments->partition, sku);
    size_t before = arguments->found_count;

    for (size_t at = next_key(image, &key, 0); at < image->count;
         at = next_key(image, &key, at + 1)) {
        const struct level *level = image->rows[at];
        if (arguments->warehouse.length > 0 &&
            !code_equal(&level->warehouse, &arguments->warehouse))
            continue;
        arguments->found[arguments->found_count++] =
            (struct found_level){.sku = *sku, .has_level = true, .level = *level};
    }
    if (arguments->found_count == before && !with_level)
        arguments->found[arguments->found_count++] = (struct found_level){.sku = *sku};
    return arguments->found_count - before;
}

/* Levels are of items that are there, as stock comes only to them. */
static unsigned read_stock(struct model_run *run)
{
    struct stock_arguments *arguments = run->arguments;
    const struct model_snapshot *snapshot = run->connection->snapshot;
    sim_require(snapshot != NULL, "stock is read outside of a snapshot");
    struct model_key prefix = model_key_of_partition(arguments->partition);
    bool by_level = arguments->sku_count == 0 && arguments->warehouse.length > 0;
    size_t skus = 0, most = arguments->sku_count > 0 ? SIZE_MAX : arguments->limit + 1;

    arguments->found =
        arena_zalloc(&run->request->arena, (snapshot->items.count + snapshot->levels.count + 1) *
                                               sizeof *arguments->found);
    for (size_t at = next_key(&snapshot->items, &prefix, 0);
         at < snapshot->items.count && skus < most;
         at = next_key(&snapshot->items, &prefix, at + 1)) {
        const struct item *item = snapshot->items.rows[at];
        if (is_wanted(arguments, &item->sku))
            skus += add_levels(run, &item->sku, by_level) > 0;
    }
    return 0;
}

enum db_outcome store_stock(struct db *db, const struct store_stock *wanted, store_stock_row *row,
                            void *context)
{
    struct model_request *request = model_request_new(sizeof(struct stock_arguments));
    struct stock_arguments *arguments = request->arguments;

    *arguments = (struct stock_arguments){
        .partition = wanted->partition,
        .skus = arena_zalloc(&request->arena, (wanted->sku_count + 1) * sizeof(struct code)),
        .sku_count = wanted->sku_count,
        .after = code_of(&wanted->after),
        .warehouse = code_of(&wanted->warehouse),
        .limit = wanted->limit,
    };
    for (size_t i = 0; i < wanted->sku_count; i++)
        arguments->skus[i] = code_of(&wanted->skus[i]);
    model_request_add(request, read_stock);
    model_request_ready();
    enum db_outcome outcome = model_call(db, request);
    for (size_t i = 0; outcome == DB_OK && i < arguments->found_count; i++) {
        const struct found_level *found = &arguments->found[i];
        if (!row(context, &found->sku, found->has_level ? &found->level : NULL))
            break;
    }
    model_request_release(&request);
    return outcome;
}
