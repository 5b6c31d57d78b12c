/* SPDX-License-Identifier: MIT
 *
 * Takes one chunk of an import: items first, then counts, then safety stock, because each needs the
 * one before. Within a step the operations are independent and in flight together.
 *
 * Ids come from the file and the record, so that the same file twice is the same operations: what
 * was applied before is recognised and counted as there. Opening stock is a count that applies only
 * to a level whose on_hand never moved; it never overwrites what the warehouse has done since.
 *
 * The library settles what is refused, because an earlier import might still be under way: that id
 * is void for ever. So that a line can be taken once its cause is mended, its next try has the id
 * of the next generation.
 */
#include <stdlib.h>
#include <string.h>
#include "cli/import.h"
#include "cli/memory.h"

#define ASK_SKUS 256          /* of one query */
#define KNOWN_BARCODES_MAX 64 /* that an item may have */
#define GENERATIONS_MAX 64    /* tries of one line, each after a refused import of the same file */
#define GENERATION_SHIFT 48

/* Which of a record's operations an id is for. */
enum step { STEP_ITEM, STEP_COUNT, STEP_SAFETY_STOCK, STEPS };

/* An item of the chunk: what its rows say about it, together. */
struct wanted_item {
    const struct import_row *first; /* the ids are derived from this row's record */
    const char *sku, *name;
    const char *barcodes[1 + KNOWN_BARCODES_MAX];
    size_t barcode_count;
    uint32_t reorder_point;
    bool has_reorder_point, must_put;
    char *kept; /* what it already has, copied from the answer */
};

enum used_id { ID_NOT_ASKED, ID_APPLIED, ID_VOID };

/* A row under way. */
struct taking {
    const struct import_row *row;
    struct wanted_item *item;
    bool applied; /* counted now, not before */
    bool done;    /* told: nothing more to do */
};

struct chunk {
    struct import *import;
    struct wanted_item *items;
    size_t item_count;
    struct taking *rows;
    size_t row_count;
    struct holdfast_operation *operations;
    char (*ids)[37];
    struct holdfast_result **results;
    size_t *who;        /* operations[i] is for items[who[i]] or rows[who[i]] */
    uint64_t *index;    /* of which its id is derived, without the generation */
    enum used_id *used; /* of operation_id_reused: what the id stands for */
    size_t operation_count;
};

static void derive_id(struct chunk *chunk, size_t i, uint64_t generation)
{
    holdfast_derive_operation_id(chunk->import->name, chunk->import->name_bytes,
                                 chunk->index[i] | generation << GENERATION_SHIFT, chunk->ids[i]);
}

static struct holdfast_operation *add_operation(struct chunk *chunk, enum step step,
                                                const struct import_row *row, size_t who)
{
    const struct import *import = chunk->import;
    size_t i = chunk->operation_count++;
    struct holdfast_operation *operation = &chunk->operations[i];
    *operation = (struct holdfast_operation){.kind = HOLDFAST_COUNT};
    chunk->index[i] = row->number * STEPS + step;
    chunk->used[i] = ID_NOT_ASKED;
    derive_id(chunk, i, 0);
    chunk->who[i] = who;
    operation->operation_id = chunk->ids[i];
    operation->id_time_us = import->id_time_us;
    operation->attempt = 2; /* an earlier import of this file may have sent it */
    operation->actor = import->session->actor;
    operation->note = import->session->note;
    operation->sku = row->sku;
    operation->warehouse = row->warehouse;
    return operation;
}

/* Some of the step's operations, packed so that they can be sent together. */
struct subset {
    size_t *which;
    struct holdfast_operation *operations;
    struct holdfast_result **results;
    size_t count;
};

static void subset_init(struct subset *subset, size_t capacity)
{
    subset->count = 0;
    subset->which = memory_grow(NULL, capacity, sizeof(*subset->which));
    subset->operations = memory_grow(NULL, capacity, sizeof(*subset->operations));
    subset->results = memory_grow(NULL, capacity, sizeof(*subset->results));
}

static void subset_release(struct subset *subset)
{
    free(subset->which);
    free(subset->operations);
    free((void *)subset->results);
}

/* Asks what the ids are that were used before: applied by an earlier import, or void because it was
 * refused. Leaves the void ones in the subset. */
static void keep_void(struct chunk *chunk, struct subset *subset)
{
    size_t kept = 0;
    for (size_t n = 0; n < subset->count; n++) {
        size_t i = subset->which[n];
        subset->operations[n] = (struct holdfast_operation){
            .kind = HOLDFAST_SETTLE,
            .settles = chunk->ids[i],
            .partition = (int32_t)chunk->results[i]->partition,
        };
    }
    holdfast_call_many(chunk->import->session->client, subset->operations, subset->count,
                       subset->results);
    for (size_t n = 0; n < subset->count; n++) {
        size_t i = subset->which[n];
        /* Whatever is not certainly applied must not pass for taken. */
        chunk->used[i] =
            subset->results[n]->settle == HOLDFAST_SETTLE_APPLIED ? ID_APPLIED : ID_VOID;
        if (subset->results[n]->settle == HOLDFAST_SETTLE_VOID)
            subset->which[kept++] = i;
        holdfast_result_free(&subset->results[n]);
    }
    subset->count = kept;
}

static void try_next_generation(struct chunk *chunk, struct subset *subset, uint64_t generation)
{
    for (size_t n = 0; n < subset->count; n++) {
        size_t i = subset->which[n];
        derive_id(chunk, i, generation);
        subset->operations[n] = chunk->operations[i];
    }
    holdfast_call_many(chunk->import->session->client, subset->operations, subset->count,
                       subset->results);
    for (size_t n = 0; n < subset->count; n++) {
        size_t i = subset->which[n];
        holdfast_result_free(&chunk->results[i]);
        chunk->results[i] = subset->results[n];
        chunk->used[i] = ID_NOT_ASKED;
    }
}

static void run_step(struct chunk *chunk)
{
    struct subset subset;
    if (chunk->operation_count == 0)
        return;
    holdfast_call_many(chunk->import->session->client, chunk->operations, chunk->operation_count,
                       chunk->results);
    subset_init(&subset, chunk->operation_count);
    for (uint64_t generation = 1; generation <= GENERATIONS_MAX; generation++) {
        subset.count = 0;
        for (size_t i = 0; i < chunk->operation_count; i++)
            if (chunk->results[i]->status == HOLDFAST_OPERATION_ID_REUSED &&
                chunk->used[i] == ID_NOT_ASKED)
                subset.which[subset.count++] = i;
        if (subset.count > 0)
            keep_void(chunk, &subset);
        if (subset.count == 0)
            break;
        try_next_generation(chunk, &subset, generation);
    }
    subset_release(&subset);
}

static void end_step(struct chunk *chunk)
{
    for (size_t i = 0; i < chunk->operation_count; i++)
        holdfast_result_free(&chunk->results[i]);
    chunk->operation_count = 0;
}

/* Was it applied, now or before? A used id that is not void is an earlier import of this very file,
 * by somebody else or before the item was changed by hand: it is left as it is. */
static bool is_there(const struct chunk *chunk, size_t i)
{
    int status = chunk->results[i]->status;
    return status == HOLDFAST_APPLIED ||
           (status == HOLDFAST_OPERATION_ID_REUSED && chunk->used[i] == ID_APPLIED);
}

/* ------------------------------------------------------------- items */

static int by_sku(const void *a, const void *b)
{
    const struct taking *x = a, *y = b;
    int order = strcmp(x->row->sku, y->row->sku);
    if (order != 0)
        return order;
    return (x->row->number > y->row->number) - (x->row->number < y->row->number);
}

static bool has_barcode(const struct wanted_item *item, const char *barcode)
{
    for (size_t i = 0; i < item->barcode_count; i++)
        if (strcmp(item->barcodes[i], barcode) == 0)
            return true;
    return false;
}

static void merge_row(struct wanted_item *item, const struct import_row *row)
{
    if (item->name == NULL && row->name[0] != '\0')
        item->name = row->name;
    if (row->barcode[0] != '\0' && item->barcode_count < 1)
        item->barcodes[item->barcode_count++] = row->barcode;
    if (!item->has_reorder_point && row->has_reorder_point) {
        item->has_reorder_point = true;
        item->reorder_point = row->reorder_point;
    }
}

/* Rows sorted by sku, so that rows of one item are neighbours and the first is its first line. */
static void collect_items(struct chunk *chunk)
{
    qsort(chunk->rows, chunk->row_count, sizeof(*chunk->rows), by_sku);
    for (size_t i = 0; i < chunk->row_count; i++) {
        const struct import_row *row = chunk->rows[i].row;
        if (i == 0 || strcmp(row->sku, chunk->rows[i - 1].row->sku) != 0)
            chunk->items[chunk->item_count++] =
                (struct wanted_item){.first = row, .sku = row->sku, .must_put = true};
        chunk->rows[i].item = &chunk->items[chunk->item_count - 1];
        merge_row(chunk->rows[i].item, row);
    }
}

/* The item is known: what the file does not say stays, and nothing is put when nothing changes. */
static void merge_known(struct wanted_item *item, const struct holdfast_item *known)
{
    bool changes = (item->name != NULL && strcmp(item->name, known->name) != 0) ||
                   (item->has_reorder_point && item->reorder_point != known->reorder_point);
    size_t bytes = strlen(known->name) + 1;
    char *to;
    for (size_t i = 0; i < known->barcode_count; i++)
        bytes += strlen(known->barcodes[i]) + 1;
    item->kept = to = memory_grow(NULL, bytes, 1);
    if (item->name == NULL)
        item->name = to;
    to = stpcpy(to, known->name) + 1;
    if (!item->has_reorder_point)
        item->reorder_point = known->reorder_point;
    size_t said = item->barcode_count, found = 0;
    for (size_t i = 0; i < known->barcode_count; i++) {
        bool has = has_barcode(item, known->barcodes[i]);
        found += has;
        if (!has && item->barcode_count < sizeof(item->barcodes) / sizeof(item->barcodes[0]))
            item->barcodes[item->barcode_count++] = to;
        to = stpcpy(to, known->barcodes[i]) + 1;
    }
    item->must_put = changes || found < said;
}

static int compare_item(const void *sku, const void *item)
{
    return strcmp(sku, ((const struct wanted_item *)item)->sku);
}

/* False when nobody answered: the import stops. */
static bool ask_items(struct chunk *chunk, size_t from, size_t count)
{
    const char *skus[ASK_SKUS];
    struct holdfast_query query = {.kind = HOLDFAST_QUERY_ITEM, .skus = skus, .sku_count = count};
    struct holdfast_answer *answer;
    int code;
    for (size_t i = 0; i < count; i++)
        skus[i] = chunk->items[from + i].sku;
    answer = session_ask(chunk->import->session, &query, &code);
    if (answer == NULL || code != 0)
        chunk->import->stopped = answer != NULL && answer->status != HOLDFAST_APPLIED
                                     ? answer->status
                                     : HOLDFAST_UNAVAILABLE;
    for (size_t i = 0; answer != NULL && code == 0 && i < answer->item_count; i++) {
        struct wanted_item *item = bsearch(answer->items[i].sku, chunk->items, chunk->item_count,
                                           sizeof(*chunk->items), compare_item);
        if (item != NULL && item->kept == NULL)
            merge_known(item, &answer->items[i]);
    }
    holdfast_answer_free(&answer);
    return chunk->import->stopped == 0;
}

static void refuse_rows_of(struct chunk *chunk, struct wanted_item *item,
                           const struct holdfast_result *result)
{
    const char *column = result->status == HOLDFAST_BARCODE_TAKEN ? "barcode" : "sku";
    for (size_t i = 0; i < chunk->row_count; i++) {
        if (chunk->rows[i].item != item)
            continue;
        chunk->rows[i].done = true;
        import_refuse(chunk->import, chunk->rows[i].row, column, result);
    }
}

static bool put_items(struct chunk *chunk)
{
    for (size_t from = 0; from < chunk->item_count; from += ASK_SKUS) {
        size_t left = chunk->item_count - from;
        if (!ask_items(chunk, from, left < ASK_SKUS ? left : ASK_SKUS))
            return false;
    }
    for (size_t i = 0; i < chunk->item_count; i++) {
        struct wanted_item *item = &chunk->items[i];
        struct holdfast_operation *operation;
        if (!item->must_put)
            continue;
        operation = add_operation(chunk, STEP_ITEM, item->first, i);
        operation->kind = HOLDFAST_PUT_ITEM;
        operation->text = item->name;
        operation->barcodes = item->barcodes;
        operation->barcode_count = item->barcode_count;
        operation->quantity = item->reorder_point;
    }
    run_step(chunk);
    for (size_t i = 0; i < chunk->operation_count; i++) {
        const struct holdfast_result *result = chunk->results[i];
        if (!is_there(chunk, i))
            refuse_rows_of(chunk, &chunk->items[chunk->who[i]], result);
        else if (result->status == HOLDFAST_APPLIED && !result->replayed)
            chunk->import->items++;
    }
    end_step(chunk);
    return true;
}

/* ------------------------------------------------------------- levels */

static int by_number(const void *a, const void *b)
{
    const struct taking *x = a, *y = b;
    return (x->row->number > y->row->number) - (x->row->number < y->row->number);
}

static void count_levels(struct chunk *chunk)
{
    for (size_t i = 0; i < chunk->row_count; i++) {
        struct holdfast_operation *operation;
        if (chunk->rows[i].done)
            continue;
        operation = add_operation(chunk, STEP_COUNT, chunk->rows[i].row, i);
        operation->quantity = chunk->rows[i].row->on_hand;
        operation->has_version = true;
    }
    run_step(chunk);
    for (size_t i = 0; i < chunk->operation_count; i++) {
        const struct holdfast_result *result = chunk->results[i];
        struct taking *taking = &chunk->rows[chunk->who[i]];
        taking->done = !is_there(chunk, i);
        taking->applied = result->status == HOLDFAST_APPLIED && !result->replayed;
        if (taking->done)
            import_refuse(chunk->import, taking->row,
                          result->status == HOLDFAST_UNKNOWN_WAREHOUSE ? "warehouse" : "on_hand",
                          result);
    }
    end_step(chunk);
}

static void set_safety_stocks(struct chunk *chunk)
{
    for (size_t i = 0; i < chunk->row_count; i++) {
        struct holdfast_operation *operation;
        if (chunk->rows[i].done || !chunk->rows[i].row->has_safety_stock)
            continue;
        operation = add_operation(chunk, STEP_SAFETY_STOCK, chunk->rows[i].row, i);
        operation->kind = HOLDFAST_SET_SAFETY_STOCK;
        operation->quantity = chunk->rows[i].row->safety_stock;
    }
    run_step(chunk);
    for (size_t i = 0; i < chunk->operation_count; i++) {
        struct taking *taking = &chunk->rows[chunk->who[i]];
        if (is_there(chunk, i))
            continue;
        taking->done = true;
        import_refuse(chunk->import, taking->row, "safety_stock", chunk->results[i]);
    }
    end_step(chunk);
}

/* ------------------------------------------------------------- the chunk */

static void chunk_release(struct chunk *chunk)
{
    for (size_t i = 0; i < chunk->item_count; i++)
        free(chunk->items[i].kept);
    free(chunk->items);
    free(chunk->rows);
    free(chunk->operations);
    free(chunk->ids);
    free((void *)chunk->results);
    free(chunk->who);
    free(chunk->index);
    free(chunk->used);
}

void import_chunk(struct import *import, const struct import_row *rows, size_t count)
{
    struct chunk chunk = {.import = import, .row_count = count};
    chunk.items = memory_grow(NULL, count, sizeof(*chunk.items));
    chunk.rows = memory_grow(NULL, count, sizeof(*chunk.rows));
    chunk.operations = memory_grow(NULL, count, sizeof(*chunk.operations));
    chunk.ids = memory_grow(NULL, count, sizeof(*chunk.ids));
    chunk.results = memory_grow(NULL, count, sizeof(*chunk.results));
    chunk.who = memory_grow(NULL, count, sizeof(*chunk.who));
    chunk.index = memory_grow(NULL, count, sizeof(*chunk.index));
    chunk.used = memory_grow(NULL, count, sizeof(*chunk.used));
    for (size_t i = 0; i < count; i++)
        chunk.rows[i] = (struct taking){.row = &rows[i]};
    collect_items(&chunk);
    if (put_items(&chunk)) {
        qsort(chunk.rows, chunk.row_count, sizeof(*chunk.rows), by_number);
        count_levels(&chunk);
        set_safety_stocks(&chunk);
        for (size_t i = 0; i < chunk.row_count; i++) {
            import->taken += !chunk.rows[i].done && chunk.rows[i].applied;
            import->there += !chunk.rows[i].done && !chunk.rows[i].applied;
        }
    }
    chunk_release(&chunk);
}
