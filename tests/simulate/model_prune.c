/* SPDX-License-Identifier: MIT
 *
 * What is old enough to go: store_prune.h on the model database.
 */
#include "workers/store_prune.h"

#include <string.h>

#include "tests/simulate/model_impl.h"

/* Of store_prune_claims: what may go. */
struct old_rows {
    struct model_key *keys;
    size_t count;
};

struct prune_arguments {
    int64_t dead_us;
    struct old_rows claims, workers;
    struct store_prune prune;
    size_t limit;
    uint64_t upto; /* asked for, or found */
    uint8_t (*ids)[RESERVATION_ID_BYTES];
    size_t count;
};

/* ------------------------------------------------------------- finding */

/* The last movement of the operation that a movement belongs to. */
static uint64_t end_of_operation(const struct model_run *run, const struct movement *movement)
{
    const struct model_table *once = &run->server->tables[MODEL_ONCE];
    struct model_key prefix = model_key_of_operation(movement->partition, movement->operation_id);
    uint64_t last = 0;

    for (size_t i = model_seek(once, &prefix);
         i < once->count && model_has_prefix(once->entries[i], &prefix); i++) {
        const struct model_once *row = model_visible(once->entries[i], run->tx);
        if (row && row->seq > last)
            last = row->seq;
    }
    return last;
}

static unsigned find_movements(struct model_run *run)
{
    struct prune_arguments *arguments = run->arguments;
    const struct store_prune *prune = &arguments->prune;
    const struct model_table *table = &run->server->tables[MODEL_MOVEMENT];
    struct model_key all = model_key_of_partition(prune->claim.partition);
    struct model_key first = model_key_of_seq(prune->claim.partition, prune->pruned_seq + 1);
    const struct movement *newest = NULL;
    size_t looked_at = 0;

    for (size_t i = model_seek(table, &first); i < table->count && looked_at < arguments->limit &&
                                               model_has_prefix(table->entries[i], &all);
         i++) {
        const struct movement *row = model_visible(table->entries[i], run->tx);
        if (!row)
            continue;
        looked_at++;
        if (row->at_us < prune->cutoff_us)
            newest = row;
    }
    if (newest)
        arguments->upto = end_of_operation(run, newest);
    return 0;
}

static bool holds_something(const struct model_run *run, uint32_t partition,
                            const uint8_t id[RESERVATION_ID_BYTES])
{
    const struct model_table *table = &run->server->tables[MODEL_LINE];
    struct model_key prefix = model_key_of_reservation(partition, id);

    for (size_t i = model_seek(table, &prefix);
         i < table->count && model_has_prefix(table->entries[i], &prefix); i++) {
        const struct reservation_line *row = model_visible(table->entries[i], run->tx);
        if (row && (row->reserved > 0 || row->committed > 0))
            return true;
    }
    return false;
}

static bool is_closed(const struct reservation *row)
{
    return row->state == HF__RESERVATION_STATE__RESERVATION_PURCHASED ||
           row->state == HF__RESERVATION_STATE__RESERVATION_RELEASED ||
           row->state == HF__RESERVATION_STATE__RESERVATION_EXPIRED;
}

static bool is_listed(const struct prune_arguments *arguments, const uint8_t *id)
{
    for (size_t i = 0; i < arguments->count; i++) {
        if (memcmp(arguments->ids[i], id, RESERVATION_ID_BYTES) == 0)
            return true;
    }
    return false;
}

static bool is_pruned(const struct prune_arguments *arguments, const struct movement *row)
{
    return row && row->seq > arguments->prune.pruned_seq && row->seq <= arguments->upto;
}

/* The reservation whose last movement this is, when it may go with it. */
static bool goes_with(const struct model_run *run, const struct movement *movement)
{
    const struct model_table *table = &run->server->tables[MODEL_RESERVATION];
    struct model_key key = model_key_of_reservation(movement->partition, movement->reservation_id);
    size_t at = model_seek(table, &key);
    const struct reservation *row = NULL;

    if (at < table->count && model_has_prefix(table->entries[at], &key))
        row = model_visible(table->entries[at], run->tx);
    return row && row->revision == movement->revision && is_closed(row) &&
           !holds_something(run, movement->partition, row->id);
}

static unsigned find_closed(struct model_run *run)
{
    struct prune_arguments *arguments = run->arguments;
    const struct model_table *table = &run->server->tables[MODEL_MOVEMENT];
    struct model_key prefix = model_key_of_partition(arguments->prune.claim.partition);

    arguments->ids = arena_zalloc(&run->request->arena, arguments->limit * sizeof *arguments->ids);
    for (size_t i = model_seek(table, &prefix);
         i < table->count && arguments->count < arguments->limit &&
         model_has_prefix(table->entries[i], &prefix);
         i++) {
        const struct movement *row = model_visible(table->entries[i], run->tx);
        if (is_pruned(arguments, row) && row->has_reservation && goes_with(run, row) &&
            !is_listed(arguments, row->reservation_id))
            memcpy(arguments->ids[arguments->count++], row->reservation_id, RESERVATION_ID_BYTES);
    }
    return 0;
}

/* ------------------------------------------------------------- taking away */

static unsigned fence(struct model_run *run)
{
    const struct prune_arguments *arguments = run->arguments;
    const struct store_prune *prune = &arguments->prune;
    struct model_key key = model_key_of_partition(prune->claim.partition);
    struct model_entry *entry = model_take(run, MODEL_PARTITION, &key);

    if (!entry)
        return MODEL_BLOCKED;
    const struct model_partition *before = model_visible(entry, run->tx);
    if (!before || before->epoch != prune->claim.epoch ||
        memcmp(before->claim_id, prune->claim.claim_id, 16) != 0 ||
        before->pruned_seq != prune->pruned_seq)
        return 0;
    struct model_partition *row = model_row_copy(before, sizeof *row);
    row->pruned_seq = arguments->upto;
    if (row->clock_high_us < prune->now_us)
        row->clock_high_us = prune->now_us;
    model_change(entry, row);
    run->affected++;
    return 0;
}

static unsigned write_checkpoint(struct model_run *run)
{
    const struct prune_arguments *arguments = run->arguments;
    const struct model_table *table = &run->server->tables[MODEL_MOVEMENT];
    struct model_key prefix = model_key_of_partition(arguments->prune.claim.partition);

    for (size_t i = model_seek(table, &prefix);
         i < table->count && model_has_prefix(table->entries[i], &prefix); i++) {
        const struct movement *movement = model_visible(table->entries[i], run->tx);
        if (!is_pruned(arguments, movement) || movement->sku.length == 0 ||
            movement->warehouse.length == 0)
            continue;
        struct model_key key =
            model_key_of_level(movement->partition, &movement->sku, &movement->warehouse);
        struct model_entry *entry = model_take(run, MODEL_CHECKPOINT, &key);
        if (!entry)
            return MODEL_BLOCKED;
        if (!entry->changed) /* ON DUPLICATE KEY UPDATE counts 2 */
            run->affected += entry->now ? 2 : 1;
        struct model_checkpoint *row = model_row_new(sizeof *row);
        *row = (struct model_checkpoint){
            .seq = movement->seq,
            .on_hand = movement->after.on_hand,
            .reserved = movement->after.reserved,
            .committed = movement->after.committed,
            .unavailable = movement->after.unavailable,
        };
        model_change(entry, row);
    }
    return 0;
}

static unsigned delete_row(struct model_run *run, enum model_table_name table,
                           const struct model_key *key)
{
    struct model_entry *entry = model_take(run, table, key);

    if (!entry)
        return MODEL_BLOCKED;
    if (!model_visible(entry, run->tx))
        return 0;
    model_change(entry, NULL);
    run->affected++;
    return 0;
}

static unsigned delete_movements(struct model_run *run)
{
    const struct prune_arguments *arguments = run->arguments;
    const struct model_table *table = &run->server->tables[MODEL_MOVEMENT];
    struct model_key prefix = model_key_of_partition(arguments->prune.claim.partition);
    unsigned error = 0;

    for (size_t i = model_seek(table, &prefix);
         error == 0 && i < table->count && model_has_prefix(table->entries[i], &prefix); i++) {
        const struct movement *movement = model_visible(table->entries[i], run->tx);
        if (!is_pruned(arguments, movement))
            continue;
        struct model_key once = model_key_of_once(movement);
        error = delete_row(run, MODEL_MOVEMENT, &table->entries[i]->key);
        if (error == 0)
            error = delete_row(run, MODEL_ONCE, &once);
        run->affected--; /* the same row */
    }
    return error;
}

static unsigned delete_lines(struct model_run *run)
{
    const struct prune_arguments *arguments = run->arguments;
    const struct model_table *table = &run->server->tables[MODEL_LINE];
    unsigned error = 0;

    for (size_t n = 0; n < arguments->count; n++) {
        struct model_key prefix =
            model_key_of_reservation(arguments->prune.claim.partition, arguments->ids[n]);
        for (size_t i = model_seek(table, &prefix);
             error == 0 && i < table->count && model_has_prefix(table->entries[i], &prefix); i++)
            error = delete_row(run, MODEL_LINE, &table->entries[i]->key);
    }
    return error;
}

static unsigned delete_run_blocks(struct model_run *run)
{
    const struct prune_arguments *arguments = run->arguments;
    const struct model_table *table = &run->server->tables[MODEL_RUN_BLOCK];
    struct model_key prefix = model_key_of_partition(arguments->prune.claim.partition);
    unsigned error = 0;

    for (size_t i = model_seek(table, &prefix);
         error == 0 && i < table->count && model_has_prefix(table->entries[i], &prefix); i++) {
        const struct run_block *row = model_visible(table->entries[i], run->tx);
        if (row && row->created_at_us < arguments->prune.cutoff_us)
            error = delete_row(run, MODEL_RUN_BLOCK, &table->entries[i]->key);
    }
    return error;
}

static unsigned delete_reservations(struct model_run *run)
{
    const struct prune_arguments *arguments = run->arguments;
    unsigned error = 0;

    for (size_t n = 0; error == 0 && n < arguments->count; n++) {
        struct model_key key =
            model_key_of_reservation(arguments->prune.claim.partition, arguments->ids[n]);
        error = delete_row(run, MODEL_RESERVATION, &key);
    }
    return error;
}

/* ------------------------------------------------------------- the calls */

static struct model_request *request_for(const struct store_prune *prune, size_t limit,
                                         uint64_t upto)
{
    struct model_request *request = model_request_new(sizeof(struct prune_arguments));
    struct prune_arguments *arguments = request->arguments;

    arguments->prune = *prune;
    arguments->limit = limit;
    arguments->upto = upto;
    return request;
}

/* Statement 1 is the fence. */
static enum db_outcome run_step(struct db *db, struct model_request *request, uint64_t *rows)
{
    enum db_outcome outcome = model_call(db, request);

    *rows = 0;
    for (size_t s = 2; s < request->at; s++)
        *rows += request->affected[s];
    if (outcome == DB_OK && request->affected[1] != 1)
        outcome = DB_MISMATCH;
    model_request_release(&request);
    if (outcome == DB_OK)
        outcome = db_commit(db);
    if (outcome != DB_OK)
        db_rollback(db);
    return outcome;
}

enum db_outcome store_prune_find(struct db *db, const struct store_prune *prune, size_t limit,
                                 uint64_t *upto)
{
    struct model_request *request = request_for(prune, limit, 0);

    model_request_add(request, find_movements);
    model_request_ready();
    enum db_outcome outcome = model_call(db, request);
    *upto = outcome == DB_OK ? ((struct prune_arguments *)request->arguments)->upto : 0;
    model_request_release(&request);
    return outcome;
}

enum db_outcome store_prune_closed(struct db *db, const struct store_prune *prune, uint64_t upto,
                                   size_t limit, uint8_t (*ids)[RESERVATION_ID_BYTES],
                                   size_t *count)
{
    struct model_request *request = request_for(prune, limit, upto);
    const struct prune_arguments *arguments = request->arguments;

    model_request_add(request, find_closed);
    model_request_ready();
    enum db_outcome outcome = model_call(db, request);
    *count = outcome == DB_OK ? arguments->count : 0;
    if (*count > 0)
        memcpy(ids, arguments->ids, *count * sizeof *ids);
    model_request_release(&request);
    return outcome;
}

enum db_outcome store_prune(struct db *db, const struct store_prune *prune, uint64_t upto,
                            uint8_t (*ids)[RESERVATION_ID_BYTES], size_t count, uint64_t *rows)
{
    struct model_request *request = request_for(prune, 0, upto);
    struct prune_arguments *arguments = request->arguments;

    model_request_add(request, model_start);
    model_request_add(request, fence);
    model_request_add(request, write_checkpoint);
    model_request_add(request, delete_run_blocks);
    model_request_add(request, delete_movements);
    if (count > 0) {
        arguments->ids = arena_copy(&request->arena, ids, count * sizeof *ids);
        arguments->count = count;
        model_request_add(request, delete_lines);
        model_request_add(request, delete_reservations);
    }
    model_request_ready();
    return run_step(db, request, rows);
}

/* ------------------------------------------------------------- claims and workers */

static void list(const struct model_run *run, struct old_rows *rows, const struct model_key *key)
{
    const struct prune_arguments *arguments = run->arguments;

    if (!rows->keys)
        rows->keys =
            arena_zalloc(&run->request->arena, (arguments->limit + 1) * sizeof *rows->keys);
    if (rows->count < arguments->limit)
        rows->keys[rows->count++] = *key;
}

/* There are no subscriptions here. */
static unsigned find_claims(struct model_run *run)
{
    struct prune_arguments *arguments = run->arguments;
    const struct store_prune *prune = &arguments->prune;
    const struct model_table *table = &run->server->tables[MODEL_CLAIM];
    struct model_key prefix = model_key_of_partition(prune->claim.partition);
    const struct model_partition *partition = model_get(run, MODEL_PARTITION, &prefix);
    const struct model_claim *before = NULL;
    const struct model_key *key = NULL;

    for (size_t i = model_seek(table, &prefix);
         partition && i < table->count && model_has_prefix(table->entries[i], &prefix); i++) {
        const struct model_claim *row = model_visible(table->entries[i], run->tx);
        if (!row)
            continue;
        if (before && before->claimed_at_us < prune->cutoff_us &&
            (row->first_seq <= partition->pruned_seq || row->first_seq == before->first_seq) &&
            memcmp(before->claim_id, partition->claim_id, 16) != 0)
            list(run, &arguments->claims, key);
        before = row;
        key = &table->entries[i]->key;
    }
    return 0;
}

static unsigned find_workers(struct model_run *run)
{
    struct prune_arguments *arguments = run->arguments;
    const struct model_table *table = &run->server->tables[MODEL_WORKER];

    for (size_t i = 0; i < table->count; i++) {
        const struct model_worker *row = model_visible(table->entries[i], run->tx);
        if (row && row->lease_until_us < run->now_us - arguments->dead_us)
            list(run, &arguments->workers, &table->entries[i]->key);
    }
    return 0;
}

static unsigned delete_claims(struct model_run *run)
{
    const struct prune_arguments *arguments = run->arguments;
    unsigned error = 0;

    for (size_t n = 0; error == 0 && n < arguments->claims.count; n++)
        error = delete_row(run, MODEL_CLAIM, &arguments->claims.keys[n]);
    if (run->affected > 0)
        SIM_SEEN("claims are pruned");
    return error;
}

static unsigned delete_workers(struct model_run *run)
{
    const struct prune_arguments *arguments = run->arguments;
    unsigned error = 0;

    for (size_t n = 0; error == 0 && n < arguments->workers.count; n++) {
        const struct model_worker *row = model_get(run, MODEL_WORKER, &arguments->workers.keys[n]);
        if (row && row->lease_until_us < run->now_us - arguments->dead_us)
            error = delete_row(run, MODEL_WORKER, &arguments->workers.keys[n]);
    }
    if (run->affected > 0)
        SIM_SEEN("workers are pruned");
    return error;
}

static enum db_outcome delete_old(struct db *db, const struct prune_arguments *found,
                                  model_statement *statement, uint64_t *rows)
{
    struct model_request *request = request_for(&found->prune, 0, 0);
    struct prune_arguments *arguments = request->arguments;
    const struct old_rows *claims = &found->claims, *workers = &found->workers;

    arguments->dead_us = found->dead_us;
    arguments->claims = (struct old_rows){
        arena_copy(&request->arena, claims->keys, claims->count * sizeof *claims->keys),
        claims->count};
    arguments->workers = (struct old_rows){
        arena_copy(&request->arena, workers->keys, workers->count * sizeof *workers->keys),
        workers->count};
    model_request_add(request, statement);
    model_request_ready();
    enum db_outcome outcome = model_call(db, request);
    if (outcome == DB_OK)
        *rows += request->affected[0];
    model_request_release(&request);
    return outcome;
}

enum db_outcome store_prune_claims(struct db *db, const struct store_prune *prune, int64_t dead_us,
                                   size_t limit, uint64_t *rows)
{
    struct model_request *request = request_for(prune, limit, 0);
    struct prune_arguments *arguments = request->arguments;

    *rows = 0;
    arguments->dead_us = dead_us;
    model_request_add(request, find_claims);
    model_request_add(request, find_workers);
    model_request_ready();
    enum db_outcome outcome = model_call(db, request);
    if (outcome == DB_OK && arguments->claims.count > 0)
        outcome = delete_old(db, arguments, delete_claims, rows);
    if (outcome == DB_OK && arguments->workers.count > 0)
        outcome = delete_old(db, arguments, delete_workers, rows);
    model_request_release(&request);
    return outcome;
}
