/* SPDX-License-Identifier: MIT
 *
 * The one transaction of a batch: store_write on the model database, statement for statement as in
 * workers/store_write.c. How many rows each must match is compared by the worker, afterwards; what
 * comes of it is store_end's affair (the real one).
 */
#include <stdlib.h>
#include <string.h>

#include "tests/simulate/model_impl.h"
#include "workers/store.h"

#define ANY_COUNT UINT64_MAX

struct write_arguments {
    struct store_part *parts;
    size_t count;
    int64_t lease_us;
    uint64_t expected[MODEL_STATEMENTS_MAX]; /* for the worker alone */
};

static model_write_hook *write_hook;

void model_on_write(model_write_hook *hook)
{
    write_hook = hook;
}

/* ------------------------------------------------------------- statements */

static unsigned fence(struct model_run *run)
{
    const struct write_arguments *arguments = run->arguments;

    for (size_t p = 0; p < arguments->count; p++) {
        const struct store_part *part = &arguments->parts[p];
        struct model_key key = model_key_of_partition(part->partition);
        struct model_entry *entry = model_join(run, MODEL_PARTITION, &key);
        if (!entry)
            return MODEL_BLOCKED;
        const struct model_partition *before = model_visible(entry, run->tx);
        if (!before || before->epoch != part->epoch ||
            memcmp(before->claim_id, part->claim_id, sizeof before->claim_id) != 0 ||
            before->last_seq != part->changes.base_seq)
            continue;
        struct model_partition *row = model_row_copy(before, sizeof *row);
        row->last_seq = part->changes.last_seq;
        row->clock_high_us = part->now_us;
        row->lease_until_us = run->now_us + arguments->lease_us;
        model_change(entry, row);
        run->affected++;
    }
    return 0;
}

static unsigned insert_movement(struct model_run *run, const struct movement *movement)
{
    unsigned error = model_check_movement(movement);
    struct model_key key = model_key_of_seq(movement->partition, movement->seq);

    if (error == 0)
        error = model_insert(run, MODEL_MOVEMENT, &key, model_movement_row(movement));
    if (error != 0)
        return error;
    struct model_once *once = model_row_new(sizeof *once);
    once->seq = movement->seq;
    key = model_key_of_once(movement);
    error = model_insert(run, MODEL_ONCE, &key, once);
    run->affected--; /* the same row */
    return error;
}

static unsigned insert_movements(struct model_run *run)
{
    const struct write_arguments *arguments = run->arguments;
    unsigned error = 0;

    for (size_t p = 0; p < arguments->count; p++) {
        const struct changes *changes = &arguments->parts[p].changes;
        for (size_t i = 0; error == 0 && i < changes->movement_count; i++)
            error = insert_movement(run, &changes->movements[i]);
    }
    return error;
}

/* ---- levels */

typedef unsigned change_level(struct model_run *run, uint32_t partition,
                              const struct level_change *change);

static unsigned each_level(struct model_run *run, bool is_new, change_level *one)
{
    const struct write_arguments *arguments = run->arguments;
    unsigned error = 0;

    for (size_t p = 0; p < arguments->count; p++) {
        const struct store_part *part = &arguments->parts[p];
        for (size_t i = 0; error == 0 && i < part->changes.level_count; i++) {
            if (part->changes.levels[i].is_new == is_new)
                error = one(run, part->partition, &part->changes.levels[i]);
        }
    }
    return error;
}

static unsigned insert_level(struct model_run *run, uint32_t partition,
                             const struct level_change *change)
{
    const struct level *level = change->level;
    struct model_key key = model_key_of_level(partition, &level->sku, &level->warehouse);
    unsigned error = model_check_level(level);

    return error != 0 ? error
                      : model_insert(run, MODEL_LEVEL, &key, model_row_copy(level, sizeof *level));
}

static unsigned insert_levels(struct model_run *run)
{
    return each_level(run, true, insert_level);
}

static unsigned update_level(struct model_run *run, uint32_t partition,
                             const struct level_change *change)
{
    const struct level *level = change->level, *before;
    struct model_key key = model_key_of_level(partition, &level->sku, &level->warehouse);
    struct model_entry *entry = model_join(run, MODEL_LEVEL, &key);

    if (!entry)
        return MODEL_BLOCKED;
    before = model_visible(entry, run->tx);
    if (!before || before->version != change->base_version)
        return 0;
    unsigned error = model_check_level(level);
    if (error != 0)
        return error;
    model_change(entry, model_row_copy(level, sizeof *level));
    run->affected++;
    return 0;
}

static unsigned update_levels(struct model_run *run)
{
    return each_level(run, false, update_level);
}

/* ---- reservations and their lines */

typedef unsigned change_reservation(struct model_run *run, uint32_t partition,
                                    const struct reservation_change *change);

static unsigned each_reservation(struct model_run *run, bool is_new, change_reservation *one)
{
    const struct write_arguments *arguments = run->arguments;
    unsigned error = 0;

    for (size_t p = 0; p < arguments->count; p++) {
        const struct store_part *part = &arguments->parts[p];
        for (size_t i = 0; error == 0 && i < part->changes.reservation_count; i++) {
            if (part->changes.reservations[i].is_new == is_new)
                error = one(run, part->partition, &part->changes.reservations[i]);
        }
    }
    return error;
}

static unsigned insert_reservation(struct model_run *run, uint32_t partition,
                                   const struct reservation_change *change)
{
    struct model_key key = model_key_of_reservation(partition, change->reservation->id);
    struct reservation *row = model_row_copy(change->reservation, sizeof *row);

    row->lines = NULL;
    row->line_count = 0;
    return model_insert(run, MODEL_RESERVATION, &key, row);
}

static unsigned insert_reservations(struct model_run *run)
{
    return each_reservation(run, true, insert_reservation);
}

static unsigned insert_lines_of(struct model_run *run, uint32_t partition,
                                const struct reservation_change *change)
{
    const struct reservation *reservation = change->reservation;
    unsigned error = 0;

    for (size_t l = 0; error == 0 && l < reservation->line_count; l++) {
        struct model_key key = model_key_of_line(partition, reservation->id, l);
        error = model_check_line(&reservation->lines[l]);
        if (error == 0)
            error =
                model_insert(run, MODEL_LINE, &key,
                             model_row_copy(&reservation->lines[l], sizeof reservation->lines[l]));
    }
    return error;
}

static unsigned insert_lines(struct model_run *run)
{
    return each_reservation(run, true, insert_lines_of);
}

static unsigned update_reservation(struct model_run *run, uint32_t partition,
                                   const struct reservation_change *change)
{
    struct model_key key = model_key_of_reservation(partition, change->reservation->id);
    struct model_entry *entry = model_join(run, MODEL_RESERVATION, &key);

    if (!entry)
        return MODEL_BLOCKED;
    const struct reservation *before = model_visible(entry, run->tx);
    if (!before || before->revision != change->base_revision)
        return 0;
    struct reservation *row = model_row_copy(before, sizeof *row);
    row->state = change->reservation->state;
    row->revision = change->reservation->revision;
    row->expires_at_us = change->reservation->expires_at_us;
    model_change(entry, row);
    run->affected++;
    return 0;
}

static unsigned update_reservations(struct model_run *run)
{
    return each_reservation(run, false, update_reservation);
}

static unsigned update_line(struct model_run *run, const struct model_key *key,
                            const struct reservation_line *line)
{
    struct model_entry *entry = model_join(run, MODEL_LINE, key);

    if (!entry)
        return MODEL_BLOCKED;
    const struct reservation_line *before = model_visible(entry, run->tx);
    if (!before)
        return 0;
    struct reservation_line *row = model_row_copy(before, sizeof *row);
    row->reserved = line->reserved;
    row->committed = line->committed;
    row->shipped = line->shipped;
    row->cancelled = line->cancelled;
    row->released = line->released;
    row->returned = line->returned;
    unsigned error = model_check_line(row);
    if (error != 0) {
        model_row_release(row);
        return error;
    }
    model_change(entry, row);
    run->affected++;
    return 0;
}

static unsigned update_lines_of(struct model_run *run, uint32_t partition,
                                const struct reservation_change *change)
{
    const struct reservation *reservation = change->reservation;
    unsigned error = 0;

    for (size_t l = 0; error == 0 && l < reservation->line_count; l++) {
        struct model_key key = model_key_of_line(partition, reservation->id, l);
        error = update_line(run, &key, &reservation->lines[l]);
    }
    return error;
}

static unsigned update_lines(struct model_run *run)
{
    return each_reservation(run, false, update_lines_of);
}

/* ---- items and their barcodes */

typedef unsigned change_item(struct model_run *run, uint32_t partition,
                             const struct item_change *change);

static unsigned each_item(struct model_run *run, bool is_new, bool is_old, change_item *one)
{
    const struct write_arguments *arguments = run->arguments;
    unsigned error = 0;

    for (size_t p = 0; p < arguments->count; p++) {
        const struct store_part *part = &arguments->parts[p];
        for (size_t i = 0; error == 0 && i < part->changes.item_count; i++) {
            if (part->changes.items[i].is_new ? is_new : is_old)
                error = one(run, part->partition, &part->changes.items[i]);
        }
    }
    return error;
}

static struct item *item_row(const struct item *item)
{
    struct item *row = model_row_copy(item, sizeof *row);

    row->barcodes = NULL;
    row->barcode_count = 0;
    return row;
}

static unsigned insert_item(struct model_run *run, uint32_t partition,
                            const struct item_change *change)
{
    struct model_key key = model_key_of_sku(partition, &change->item->sku);

    return model_insert(run, MODEL_ITEM, &key, item_row(change->item));
}

static unsigned insert_items(struct model_run *run)
{
    return each_item(run, true, false, insert_item);
}

static unsigned update_item(struct model_run *run, uint32_t partition,
                            const struct item_change *change)
{
    struct model_key key = model_key_of_sku(partition, &change->item->sku);
    struct model_entry *entry = model_join(run, MODEL_ITEM, &key);

    if (!entry)
        return MODEL_BLOCKED;
    const struct item *before = model_visible(entry, run->tx);
    if (!before || before->version != change->base_version)
        return 0;
    model_change(entry, item_row(change->item));
    run->affected++;
    return 0;
}

static unsigned update_items(struct model_run *run)
{
    return each_item(run, false, true, update_item);
}

static unsigned delete_barcodes_of(struct model_run *run, uint32_t partition,
                                   const struct item_change *change)
{
    const struct model_table *table = &run->server->tables[MODEL_BARCODE];

    for (size_t i = 0; i < table->count; i++) {
        const struct model_barcode *row = model_visible(table->entries[i], run->tx);
        if (!row || row->partition != partition || !code_equal(&row->sku, &change->item->sku))
            continue;
        struct model_entry *entry = model_take(run, MODEL_BARCODE, &table->entries[i]->key);
        if (!entry)
            return MODEL_BLOCKED;
        model_change(entry, NULL);
        run->affected++;
    }
    return 0;
}

static unsigned delete_barcodes(struct model_run *run)
{
    return each_item(run, true, true, delete_barcodes_of);
}

static unsigned insert_barcodes_of(struct model_run *run, uint32_t partition,
                                   const struct item_change *change)
{
    unsigned error = 0;

    for (size_t b = 0; error == 0 && b < change->item->barcode_count; b++) {
        struct model_key key = model_key_of_code(&change->item->barcodes[b]);
        struct model_barcode *row = model_row_new(sizeof *row);
        row->barcode = change->item->barcodes[b];
        row->partition = partition;
        row->sku = change->item->sku;
        error = model_insert(run, MODEL_BARCODE, &key, row);
    }
    return error;
}

static unsigned insert_barcodes(struct model_run *run)
{
    return each_item(run, true, true, insert_barcodes_of);
}

/* ---- warehouses and reasons */

static unsigned put_named(struct model_run *run, bool reasons)
{
    const struct write_arguments *arguments = run->arguments;
    unsigned error = 0;

    for (size_t p = 0; p < arguments->count; p++) {
        const struct changes *changes = &arguments->parts[p].changes;
        for (size_t i = 0; error == 0 && i < changes->named_count; i++) {
            if (changes->named[i].is_reason == reasons)
                error = model_put_named(run, &changes->named[i], false);
        }
    }
    return error;
}

static unsigned put_warehouses(struct model_run *run)
{
    return put_named(run, false);
}

static unsigned put_reasons(struct model_run *run)
{
    return put_named(run, true);
}

/* ---- runs and their blocks */

static unsigned insert_runs(struct model_run *run)
{
    const struct write_arguments *arguments = run->arguments;
    unsigned error = 0;

    for (size_t p = 0; p < arguments->count; p++) {
        const struct store_part *part = &arguments->parts[p];
        for (size_t i = 0; error == 0 && i < part->changes.run_count; i++) {
            const struct run *row = part->changes.runs[i].run;
            struct model_key key = model_key_of_sku(part->partition, &row->run);
            if (part->changes.runs[i].is_new)
                error = model_insert(run, MODEL_RUN, &key, model_row_copy(row, sizeof *row));
        }
    }
    return error;
}

static unsigned update_run(struct model_run *run, uint32_t partition,
                           const struct run_change *change)
{
    struct model_key key = model_key_of_sku(partition, &change->run->run);
    struct model_entry *entry = model_join(run, MODEL_RUN, &key);

    if (!entry)
        return MODEL_BLOCKED;
    const struct run *before = model_visible(entry, run->tx);
    if (!before || before->version != change->base_version)
        return 0;
    struct run *row = model_row_copy(before, sizeof *row);
    row->state = change->run->state;
    row->applied = change->run->applied;
    row->refused = change->run->refused;
    row->unknown = change->run->unknown;
    row->changed_at_us = change->run->changed_at_us;
    row->version = change->run->version;
    model_change(entry, row);
    run->affected++;
    return 0;
}

static unsigned update_runs(struct model_run *run)
{
    const struct write_arguments *arguments = run->arguments;
    unsigned error = 0;

    for (size_t p = 0; p < arguments->count; p++) {
        const struct store_part *part = &arguments->parts[p];
        for (size_t i = 0; error == 0 && i < part->changes.run_count; i++) {
            if (!part->changes.runs[i].is_new)
                error = update_run(run, part->partition, &part->changes.runs[i]);
        }
    }
    return error;
}

static unsigned insert_blocks(struct model_run *run)
{
    const struct write_arguments *arguments = run->arguments;
    unsigned error = 0;

    for (size_t p = 0; p < arguments->count; p++) {
        const struct store_part *part = &arguments->parts[p];
        for (size_t i = 0; error == 0 && i < part->changes.block_count; i++) {
            const struct run_block *row = part->changes.blocks[i].block;
            struct model_key key = model_key_of_run_block(part->partition, &row->run, row->block);
            if (part->changes.blocks[i].is_new)
                error = model_insert(run, MODEL_RUN_BLOCK, &key, model_run_block_row(row));
        }
    }
    return error;
}

static unsigned update_block(struct model_run *run, uint32_t partition,
                             const struct run_block_change *change)
{
    struct model_key key =
        model_key_of_run_block(partition, &change->block->run, change->block->block);
    struct model_entry *entry = model_join(run, MODEL_RUN_BLOCK, &key);

    if (!entry)
        return MODEL_BLOCKED;
    const struct run_block *before = model_visible(entry, run->tx);
    if (!before || before->version != change->base_version)
        return 0;
    struct run_block *row = model_run_block_row(change->block);
    row->created_at_us = before->created_at_us;
    model_change(entry, row);
    run->affected++;
    return 0;
}

static unsigned update_blocks(struct model_run *run)
{
    const struct write_arguments *arguments = run->arguments;
    unsigned error = 0;

    for (size_t p = 0; p < arguments->count; p++) {
        const struct store_part *part = &arguments->parts[p];
        for (size_t i = 0; error == 0 && i < part->changes.block_count; i++) {
            if (!part->changes.blocks[i].is_new)
                error = update_block(run, part->partition, &part->changes.blocks[i]);
        }
    }
    return error;
}

/* ------------------------------------------------------------- a copy of what shall be written */

static void copy_runs(struct changes *changes, struct arena *arena)
{
    if (changes->run_count == 0)
        return;
    changes->runs = arena_copy(arena, changes->runs, changes->run_count * sizeof *changes->runs);
    for (size_t i = 0; i < changes->run_count; i++)
        changes->runs[i].run =
            arena_copy(arena, changes->runs[i].run, sizeof *changes->runs[i].run);
}

static void copy_blocks(struct changes *changes, struct arena *arena)
{
    if (changes->block_count == 0)
        return;
    changes->blocks =
        arena_copy(arena, changes->blocks, changes->block_count * sizeof *changes->blocks);
    for (size_t i = 0; i < changes->block_count; i++) {
        struct run_block *to =
            arena_copy(arena, changes->blocks[i].block, sizeof *changes->blocks[i].block);
        if (to->detail_bytes > 0)
            to->detail = arena_copy(arena, to->detail, to->detail_bytes);
        changes->blocks[i].block = to;
    }
}

static void copy_movements(struct changes *changes, struct arena *arena)
{
    struct movement *movements =
        arena_alloc(arena, (changes->movement_count + 1) * sizeof *movements);

    for (size_t i = 0; i < changes->movement_count; i++)
        model_movement_copy(&movements[i], &changes->movements[i], arena);
    changes->movements = movements;
}

static void copy_levels(struct changes *changes, struct arena *arena)
{
    if (changes->level_count == 0)
        return;
    changes->levels =
        arena_copy(arena, changes->levels, changes->level_count * sizeof *changes->levels);
    for (size_t i = 0; i < changes->level_count; i++)
        changes->levels[i].level =
            arena_copy(arena, changes->levels[i].level, sizeof *changes->levels[i].level);
}

static void copy_reservations(struct changes *changes, struct arena *arena)
{
    if (changes->reservation_count == 0)
        return;
    changes->reservations = arena_copy(arena, changes->reservations,
                                       changes->reservation_count * sizeof *changes->reservations);
    for (size_t i = 0; i < changes->reservation_count; i++) {
        const struct reservation *from = changes->reservations[i].reservation;
        struct reservation *to = arena_copy(arena, from, sizeof *from);
        if (from->line_count > 0)
            to->lines = arena_copy(arena, from->lines, from->line_count * sizeof *from->lines);
        changes->reservations[i].reservation = to;
    }
}

static void copy_items(struct changes *changes, struct arena *arena)
{
    if (changes->item_count == 0)
        return;
    changes->items =
        arena_copy(arena, changes->items, changes->item_count * sizeof *changes->items);
    for (size_t i = 0; i < changes->item_count; i++) {
        const struct item *from = changes->items[i].item;
        struct item *to = arena_copy(arena, from, sizeof *from);
        if (from->barcode_count > 0)
            to->barcodes =
                arena_copy(arena, from->barcodes, from->barcode_count * sizeof *from->barcodes);
        changes->items[i].item = to;
    }
}

static void copy_part(struct store_part *part, struct arena *arena)
{
    struct changes *changes = &part->changes;

    part->claim_id = arena_copy(arena, part->claim_id, 16);
    copy_movements(changes, arena);
    copy_levels(changes, arena);
    copy_reservations(changes, arena);
    copy_items(changes, arena);
    copy_runs(changes, arena);
    copy_blocks(changes, arena);
    changes->named = model_named_copy(changes->named, changes->named_count, arena);
}

/* ------------------------------------------------------------- the call */

/* How many rows each statement must match; one that has nothing to do is left out. */
static void add(struct model_request *request, model_statement *statement, uint64_t expected)
{
    struct write_arguments *arguments = request->arguments;

    if (expected == 0)
        return;
    arguments->expected[request->count] = expected;
    model_request_add(request, statement);
}

struct counts {
    uint64_t movements, new_levels, old_levels, new_reservations, old_reservations;
    uint64_t new_lines, old_lines, new_items, old_items, barcodes, warehouses, reasons;
    uint64_t new_runs, old_runs, new_blocks, old_blocks;
};

static void count_part(struct counts *counts, const struct changes *changes)
{
    counts->movements += changes->movement_count;
    for (size_t i = 0; i < changes->level_count; i++)
        ++*(changes->levels[i].is_new ? &counts->new_levels : &counts->old_levels);
    for (size_t i = 0; i < changes->reservation_count; i++) {
        bool is_new = changes->reservations[i].is_new;
        ++*(is_new ? &counts->new_reservations : &counts->old_reservations);
        *(is_new ? &counts->new_lines : &counts->old_lines) +=
            changes->reservations[i].reservation->line_count;
    }
    for (size_t i = 0; i < changes->item_count; i++) {
        ++*(changes->items[i].is_new ? &counts->new_items : &counts->old_items);
        counts->barcodes += changes->items[i].item->barcode_count;
    }
    for (size_t i = 0; i < changes->named_count; i++)
        ++*(changes->named[i].is_reason ? &counts->reasons : &counts->warehouses);
    for (size_t i = 0; i < changes->run_count; i++)
        ++*(changes->runs[i].is_new ? &counts->new_runs : &counts->old_runs);
    for (size_t i = 0; i < changes->block_count; i++)
        ++*(changes->blocks[i].is_new ? &counts->new_blocks : &counts->old_blocks);
}

static struct model_request *build(const struct store_part *parts, size_t count, int64_t lease_us)
{
    struct model_request *request = model_request_new(sizeof(struct write_arguments));
    struct write_arguments *arguments = request->arguments;
    struct counts counts = {0};

    arguments->parts = arena_copy(&request->arena, parts, count * sizeof *parts);
    arguments->count = count;
    arguments->lease_us = lease_us;
    for (size_t p = 0; p < count; p++) {
        copy_part(&arguments->parts[p], &request->arena);
        count_part(&counts, &parts[p].changes);
    }
    bool items = counts.new_items + counts.old_items > 0;
    add(request, model_start, ANY_COUNT);
    add(request, fence, count);
    add(request, insert_movements, counts.movements);
    add(request, insert_levels, counts.new_levels);
    add(request, update_levels, counts.old_levels);
    add(request, insert_reservations, counts.new_reservations);
    add(request, insert_lines, counts.new_lines);
    add(request, update_reservations, counts.old_reservations);
    add(request, update_lines, counts.old_lines);
    add(request, insert_items, counts.new_items);
    add(request, update_items, counts.old_items);
    add(request, delete_barcodes, items ? ANY_COUNT : 0);
    add(request, insert_barcodes, counts.barcodes);
    add(request, put_warehouses, counts.warehouses > 0 ? ANY_COUNT : 0);
    add(request, put_reasons, counts.reasons > 0 ? ANY_COUNT : 0);
    add(request, insert_runs, counts.new_runs);
    add(request, update_runs, counts.old_runs);
    add(request, insert_blocks, counts.new_blocks);
    add(request, update_blocks, counts.old_blocks);
    model_request_ready();
    return request;
}

enum store_outcome store_write(struct db *db, const struct store_part *parts, size_t count,
                               int64_t lease_us)
{
    if (write_hook)
        write_hook(parts, count);
    struct model_request *request = build(parts, count, lease_us);
    const struct write_arguments *arguments = request->arguments;
    enum db_outcome ran = model_call(db, request);
    bool fenced = false;

    for (size_t s = 0; s < request->at && request->answered; s++) {
        if (arguments->expected[s] == ANY_COUNT || arguments->expected[s] == request->affected[s])
            continue;
        fenced = request->statements[s] == fence;
        if (ran == DB_OK)
            ran = DB_MISMATCH;
        break;
    }
    model_request_release(&request);
    return store_end(db, ran, fenced);
}
