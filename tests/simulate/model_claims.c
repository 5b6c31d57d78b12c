/* SPDX-License-Identifier: MIT
 *
 * Partitions, claims and live workers: store_claims.h on the model database.
 */
#include "workers/store_claims.h"

#include <stdlib.h>
#include <string.h>

#include "tests/simulate/model_impl.h"

struct claims_arguments {
    uint8_t instance[UUID_BYTES];
    struct code name;
    int64_t lease_us;
    struct store_claim *claims;
    struct store_offset *offsets;
    size_t count;
    uint64_t thread_id; /* to KILL */
    /* answers */
    struct store_look look;
    struct store_taken *taken;
    size_t taken_count;
};

static struct model_request *request_for(const struct store_owner *owner,
                                         const struct store_claim *claims, size_t count)
{
    struct model_request *request = model_request_new(sizeof(struct claims_arguments));
    struct claims_arguments *arguments = request->arguments;

    if (owner) {
        memcpy(arguments->instance, owner->instance, sizeof arguments->instance);
        code_set(&arguments->name, owner->name, strlen(owner->name));
        arguments->lease_us = owner->lease_us;
    }
    if (count > 0)
        arguments->claims = arena_copy(&request->arena, claims, count * sizeof *claims);
    arguments->count = count;
    return request;
}

static enum db_outcome call_and_release(struct db *db, struct model_request *request)
{
    model_request_ready();
    enum db_outcome outcome = model_call(db, request);
    model_request_release(&request);
    return outcome;
}

static bool is_claim(const struct model_partition *row, const struct store_claim *claim)
{
    return row->epoch == claim->epoch && memcmp(row->claim_id, claim->claim_id, 16) == 0;
}

/* ------------------------------------------------------------- looking */

/* INSERT INTO worker … ON DUPLICATE KEY UPDATE lease_until_us */
static unsigned say_alive(struct model_run *run)
{
    const struct claims_arguments *arguments = run->arguments;
    struct model_key key = model_key_of_instance(arguments->instance);
    struct model_entry *entry = model_take(run, MODEL_WORKER, &key);

    if (!entry)
        return MODEL_BLOCKED;
    struct model_worker *row = model_row_new(sizeof *row);
    const struct model_worker *before = model_visible(entry, run->tx);
    row->name = before ? before->name : arguments->name;
    row->lease_until_us = run->now_us + arguments->lease_us;
    model_change(entry, row);
    return 0;
}

static unsigned read_now(struct model_run *run)
{
    ((struct claims_arguments *)run->arguments)->look.server_us = run->now_us;
    return 0;
}

/* COUNT(DISTINCT name): a live worker of the name comes before the index-th. */
static bool is_counted(const struct model_run *run, size_t index, const struct code *name)
{
    const struct model_table *table = &run->server->tables[MODEL_WORKER];

    for (size_t i = 0; i < index; i++) {
        const struct model_worker *row = model_visible(table->entries[i], run->tx);
        if (row && row->lease_until_us > run->now_us && row->name.length == name->length &&
            memcmp(row->name.bytes, name->bytes, name->length) == 0)
            return true;
    }
    return false;
}

static unsigned count_workers(struct model_run *run)
{
    struct claims_arguments *arguments = run->arguments;
    const struct model_table *table = &run->server->tables[MODEL_WORKER];

    for (size_t i = 0; i < table->count; i++) {
        const struct model_worker *row = model_visible(table->entries[i], run->tx);
        if (!row || row->lease_until_us <= run->now_us)
            continue;
        arguments->look.workers += !is_counted(run, i, &row->name);
        arguments->look.rank +=
            memcmp(table->entries[i]->key.bytes, arguments->instance, UUID_BYTES) < 0;
    }
    return 0;
}

static unsigned see_partitions(struct model_run *run)
{
    struct claims_arguments *arguments = run->arguments;
    struct store_look *look = &arguments->look;
    const struct model_table *table = &run->server->tables[MODEL_PARTITION];

    look->seen = arena_zalloc(&run->request->arena, (table->count + 1) * sizeof *look->seen);
    for (size_t i = 0; i < table->count; i++) {
        const struct model_partition *row = model_visible(table->entries[i], run->tx);
        if (!row)
            continue;
        struct store_seen *seen = &look->seen[look->count++];
        seen->claim.partition = model_key_partition(&table->entries[i]->key);
        seen->claim.epoch = row->epoch;
        memcpy(seen->claim.claim_id, row->claim_id, sizeof seen->claim.claim_id);
        seen->connection = row->connection_id;
        seen->lease_until_us = row->lease_until_us;
        seen->free = row->owner.length == 0 || row->lease_until_us < run->now_us;
        seen->mine = memcmp(row->instance, arguments->instance, UUID_BYTES) == 0;
        seen->namesake = !seen->mine && row->owner.length == arguments->name.length &&
                         memcmp(row->owner.bytes, arguments->name.bytes, row->owner.length) == 0;
    }
    look->seen_all = true;
    return 0;
}

/* UPDATE of those partitions whose row has the epoch and the claim id. */
typedef void change_partition(struct model_run *run, struct model_partition *row, size_t index);

static unsigned update_claimed(struct model_run *run, change_partition *change)
{
    const struct claims_arguments *arguments = run->arguments;

    for (size_t i = 0; i < arguments->count; i++) {
        struct model_key key = model_key_of_partition(arguments->claims[i].partition);
        struct model_entry *entry = model_join(run, MODEL_PARTITION, &key);
        if (!entry)
            return MODEL_BLOCKED;
        const struct model_partition *before = model_visible(entry, run->tx);
        if (!before || !is_claim(before, &arguments->claims[i]))
            continue;
        struct model_partition *row = model_row_copy(before, sizeof *row);
        change(run, row, i);
        model_change(entry, row);
        run->affected++;
    }
    return 0;
}

static void renew_row(struct model_run *run, struct model_partition *row, size_t index)
{
    const struct claims_arguments *arguments = run->arguments;

    (void)index;
    row->lease_until_us = run->now_us + arguments->lease_us;
}

static unsigned renew(struct model_run *run)
{
    return update_claimed(run, renew_row);
}

enum db_outcome store_look(struct db *db, const struct store_owner *owner,
                           const struct store_claim *ours, size_t count, struct store_look *look)
{
    struct model_request *request = request_for(owner, ours, count);
    struct claims_arguments *arguments = request->arguments;

    enum { LOOK_RENEWAL = 4 }; /* the statement's index */

    model_request_add(request, say_alive);
    model_request_add(request, read_now);
    model_request_add(request, count_workers);
    model_request_add(request, see_partitions);
    if (count > 0)
        model_request_add(request, renew);
    model_request_ready();
    enum db_outcome outcome = model_call(db, request);
    *look = (struct store_look){0};
    /* Replies before that of a statement that failed have been seen. */
    if (outcome == DB_OK || (arguments->look.seen_all && outcome == DB_AGAIN)) {
        *look = arguments->look;
        look->renewed = count > 0 ? request->affected[LOOK_RENEWAL] : 0;
        look->seen = malloc((look->count + 1) * sizeof *look->seen);
        if (!look->seen)
            abort();
        memcpy(look->seen, arguments->look.seen, look->count * sizeof *look->seen);
    }
    model_request_release(&request);
    return outcome;
}

void store_look_release(struct store_look *look)
{
    free(look->seen);
    *look = (struct store_look){0};
}

/* ------------------------------------------------------------- taking */

static unsigned kill_thread(struct model_run *run)
{
    const struct claims_arguments *arguments = run->arguments;

    if (sim_fault(SIM_FAULT_DB_KILL_FAILS))
        return 0;
    return model_server_kill(run->server, arguments->thread_id) ? 0 : MODEL_NO_THREAD;
}

void store_kill(struct db *db, uint64_t connection)
{
    struct model_request *request = request_for(NULL, NULL, 0);

    ((struct claims_arguments *)request->arguments)->thread_id = connection;
    model_request_add(request, kill_thread);
    (void)call_and_release(db, request);
}

static bool may_take(const struct model_run *run, const struct model_partition *row,
                     const struct store_claim *wanted)
{
    const struct claims_arguments *arguments = run->arguments;

    return row->epoch == wanted->epoch &&
           (row->owner.length == 0 || row->lease_until_us < run->now_us ||
            memcmp(row->instance, arguments->instance, UUID_BYTES) == 0);
}

static unsigned raise_epochs(struct model_run *run)
{
    const struct claims_arguments *arguments = run->arguments;

    for (size_t i = 0; i < arguments->count; i++) {
        struct model_key key = model_key_of_partition(arguments->claims[i].partition);
        struct model_entry *entry = model_join(run, MODEL_PARTITION, &key);
        if (!entry)
            return MODEL_BLOCKED;
        const struct model_partition *before = model_visible(entry, run->tx);
        if (!before || !may_take(run, before, &arguments->claims[i]))
            continue;
        struct model_partition *row = model_row_copy(before, sizeof *row);
        row->epoch =
            (row->epoch > arguments->claims[i].above ? row->epoch : arguments->claims[i].above) + 1;
        memcpy(row->claim_id, arguments->claims[i].claim_id, sizeof row->claim_id);
        row->connection_id = run->connection->thread_id;
        row->lease_until_us = run->now_us + arguments->lease_us;
        row->owner = arguments->name;
        memcpy(row->instance, arguments->instance, sizeof row->instance);
        model_change(entry, row);
        run->affected++;
    }
    return 0;
}

/* The row as the transaction sees it, if it has the claim id. */
static const struct model_partition *taken_row(const struct model_run *run,
                                               const struct store_claim *wanted)
{
    struct model_key key = model_key_of_partition(wanted->partition);
    const struct model_partition *row = model_get(run, MODEL_PARTITION, &key);

    return row && memcmp(row->claim_id, wanted->claim_id, 16) == 0 ? row : NULL;
}

static unsigned record_claims(struct model_run *run)
{
    const struct claims_arguments *arguments = run->arguments;

    for (size_t i = 0; i < arguments->count; i++) {
        const struct model_partition *partition = taken_row(run, &arguments->claims[i]);
        if (!partition)
            continue;
        struct model_key key = model_key_of_seq(arguments->claims[i].partition, partition->epoch);
        struct model_claim *row = model_row_new(sizeof *row);
        memcpy(row->claim_id, partition->claim_id, sizeof row->claim_id);
        row->first_seq = partition->last_seq + 1;
        row->owner = partition->owner;
        row->claimed_at_us = run->now_us;
        unsigned error = model_insert(run, MODEL_CLAIM, &key, row);
        if (error != 0)
            return error;
    }
    return 0;
}

static unsigned read_taken(struct model_run *run)
{
    struct claims_arguments *arguments = run->arguments;

    arguments->taken =
        arena_zalloc(&run->request->arena, (arguments->count + 1) * sizeof *arguments->taken);
    for (size_t i = 0; i < arguments->count; i++) {
        const struct model_partition *row = taken_row(run, &arguments->claims[i]);
        if (!row)
            continue;
        struct store_taken *taken = &arguments->taken[arguments->taken_count++];
        taken->claim = arguments->claims[i];
        taken->claim.epoch = row->epoch;
        taken->last_seq = row->last_seq;
        taken->pruned_seq = row->pruned_seq;
        taken->clock_high_us = row->clock_high_us;
        taken->clock_offset_us = row->clock_offset_us;
        taken->server_us = run->now_us;
    }
    return 0;
}

enum db_outcome store_take(struct db *db, const struct store_owner *owner,
                           const struct store_claim *wanted, size_t count,
                           struct store_taken *taken, size_t *taken_count)
{
    struct model_request *request = request_for(owner, wanted, count);
    const struct claims_arguments *arguments = request->arguments;

    model_request_add(request, model_start);
    model_request_add(request, raise_epochs);
    model_request_add(request, record_claims);
    model_request_add(request, read_taken);
    model_request_ready();
    enum db_outcome outcome = model_call(db, request);
    *taken_count = outcome == DB_OK ? arguments->taken_count : 0;
    if (*taken_count > 0)
        memcpy(taken, arguments->taken, *taken_count * sizeof *taken);
    model_request_release(&request);
    return outcome;
}

static unsigned change_offsets(struct model_run *run)
{
    const struct claims_arguments *arguments = run->arguments;

    for (size_t i = 0; i < arguments->count; i++) {
        const struct store_offset *offset = &arguments->offsets[i];
        struct model_key key = model_key_of_partition(offset->partition);
        struct model_entry *entry = model_join(run, MODEL_PARTITION, &key);
        if (!entry)
            return MODEL_BLOCKED;
        const struct model_partition *before = model_visible(entry, run->tx);
        if (!before || memcmp(before->claim_id, offset->claim_id, 16) != 0)
            continue;
        struct model_partition *row = model_row_copy(before, sizeof *row);
        row->clock_offset_us = offset->offset_us;
        model_change(entry, row);
        run->affected++;
    }
    return 0;
}

enum db_outcome store_offsets(struct db *db, const struct store_offset *offsets, size_t count)
{
    struct model_request *request = request_for(NULL, NULL, 0);
    struct claims_arguments *arguments = request->arguments;

    arguments->offsets = arena_copy(&request->arena, offsets, count * sizeof *offsets);
    arguments->count = count;
    model_request_add(request, change_offsets);
    return call_and_release(db, request);
}

/* ------------------------------------------------------------- due */

struct due_arguments {
    uint32_t partition;
    struct due_row {
        uint8_t id[RESERVATION_ID_BYTES];
        int64_t expires_at_us;
    } * rows;
    size_t count;
};

static unsigned read_due(struct model_run *run)
{
    struct due_arguments *arguments = run->arguments;
    const struct model_table *table = &run->server->tables[MODEL_RESERVATION];
    struct model_key prefix = model_key_of_partition(arguments->partition);
    size_t first = model_seek(table, &prefix);

    arguments->rows =
        arena_zalloc(&run->request->arena, (table->count - first + 1) * sizeof *arguments->rows);
    for (size_t i = first; i < table->count && model_has_prefix(table->entries[i], &prefix); i++) {
        const struct reservation *row = model_visible(table->entries[i], run->tx);
        if (!row || row->state != HF__RESERVATION_STATE__RESERVATION_ACTIVE ||
            row->expires_at_us < 0)
            continue;
        struct due_row *due = &arguments->rows[arguments->count++];
        memcpy(due->id, row->id, sizeof due->id);
        due->expires_at_us = row->expires_at_us;
    }
    return 0;
}

static int compare_due(const void *a, const void *b)
{
    const struct due_row *one = a, *two = b;

    if (one->expires_at_us != two->expires_at_us)
        return one->expires_at_us < two->expires_at_us ? -1 : 1;
    return memcmp(one->id, two->id, sizeof one->id);
}

enum db_outcome store_due(struct db *db, struct ledger *ledger)
{
    struct model_request *request = model_request_new(sizeof(struct due_arguments));
    struct due_arguments *arguments = request->arguments;

    arguments->partition = ledger_partition(ledger);
    model_request_add(request, read_due);
    model_request_ready();
    enum db_outcome outcome = model_call(db, request);
    if (outcome == DB_OK && arguments->count > 0)
        qsort(arguments->rows, arguments->count, sizeof *arguments->rows, compare_due);
    for (size_t i = 0; outcome == DB_OK && i < arguments->count; i++)
        ledger_put_due(ledger, arguments->rows[i].id, arguments->rows[i].expires_at_us);
    model_request_release(&request);
    return outcome;
}

/* ------------------------------------------------------------- handing over */

static void free_row(struct model_run *run, struct model_partition *row, size_t index)
{
    (void)run;
    (void)index;
    row->owner = (struct code){0};
    row->lease_until_us = 0;
    row->connection_id = 0;
}

static unsigned hand_over(struct model_run *run)
{
    return update_claimed(run, free_row);
}

enum db_outcome store_hand_over(struct db *db, const struct store_claim *claims, size_t count)
{
    struct model_request *request = request_for(NULL, claims, count);

    model_request_add(request, hand_over);
    return call_and_release(db, request);
}

static unsigned delete_worker(struct model_run *run)
{
    const struct claims_arguments *arguments = run->arguments;
    struct model_key key = model_key_of_instance(arguments->instance);
    struct model_entry *entry = model_take(run, MODEL_WORKER, &key);

    if (!entry)
        return MODEL_BLOCKED;
    if (model_visible(entry, run->tx)) {
        model_change(entry, NULL);
        run->affected++;
    }
    return 0;
}

enum db_outcome store_goodbye(struct db *db, const uint8_t instance[UUID_BYTES])
{
    struct model_request *request = request_for(NULL, NULL, 0);

    memcpy(((struct claims_arguments *)request->arguments)->instance, instance, UUID_BYTES);
    model_request_add(request, delete_worker);
    return call_and_release(db, request);
}
