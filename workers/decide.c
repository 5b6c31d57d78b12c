/* SPDX-License-Identifier: MIT
 *
 * See decide.h. Nothing here loops over operations with SQL inside: look-ups are gathered for the
 * whole batch, a round trip for each of at most LOOK_UP_ROUNDS rounds, and the transaction is one.
 */
#include "workers/decide.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "workers/claims.h"
#include "workers/copy.h"
#include "workers/history.h"
#include "workers/publish.h"

/* A reservation's skus are known only when it is loaded; then an expiry may need more. */
#define LOOK_UP_ROUNDS 4

struct gathered {
    struct store_need *items;
    size_t count, capacity;
};

static void gather_from(struct gathered *gathered, struct ledger *ledger, const struct needs *needs)
{
    if (gathered->capacity - gathered->count < needs->count) {
        gathered->capacity = (gathered->count + needs->count) * 2;
        gathered->items = realloc(gathered->items, gathered->capacity * sizeof *gathered->items);
        if (!gathered->items)
            abort();
    }
    for (size_t i = 0; i < needs->count; i++)
        gathered->items[gathered->count++] =
            (struct store_need){.ledger = ledger, .need = needs->items[i]};
}

/* What an earlier transaction may have applied has an attempt before this one. */
static uint16_t attempt_of(const struct work *work)
{
    if (work->state == WORK_MAYBE && work->header.attempt < 2)
        return 2;
    return work->header.attempt;
}

static void gather(struct worker *worker, const struct batch *batch, struct gathered *gathered)
{
    gathered->count = 0;
    for (size_t p = 0; p < batch->part_count; p++) {
        const struct part *part = &batch->parts[p];
        worker->needs.count = 0;
        for (size_t i = 0; part->operations > 0 && i < batch->count; i++) {
            const struct work *work = batch->works[i];
            if (work->part == p)
                ledger_need(part->slot->ledger, work->operation, attempt_of(work),
                            batch->look_up_ids, &worker->needs);
        }
        if (part->expires)
            ledger_need_due(part->slot->ledger, part->now_us, batch->expire_limit, &worker->needs);
        gather_from(gathered, part->slot->ledger, &worker->needs);
    }
}

static enum db_outcome look_up(struct worker *worker, const struct batch *batch)
{
    struct gathered gathered = {0};
    enum db_outcome outcome = DB_OK;

    arena_reset(&worker->rows);
    for (unsigned round = 0; outcome == DB_OK && round < LOOK_UP_ROUNDS; round++) {
        gather(worker, batch, &gathered);
        if (gathered.count == 0)
            break;
        outcome =
            store_load(&worker->db, gathered.items, gathered.count, worker->catalog, &worker->rows);
    }
    free(gathered.items);
    return outcome;
}

static void expire(struct batch *batch)
{
    size_t left = batch->expire_limit, rows = 0;

    for (size_t p = 0; p < batch->part_count; p++) {
        struct part *part = &batch->parts[p];
        struct ledger *ledger = part->slot->ledger;
        size_t before = ledger_rows(ledger);
        part->expired = 0;
        while (part->expires && left > 0 &&
               rows + ledger_rows(ledger) - before < EXPIRE_ROWS_PER_BATCH &&
               ledger_expire(ledger, 1) == 1) {
            part->expired++;
            left--;
        }
        rows += ledger_rows(ledger) - before;
    }
}

/* A short body may name a reservation of many lines, so that only here it is known how many rows
 * the operations make. */
static void decide_operations(struct batch *batch, size_t most)
{
    size_t rows = 0, decided = 0;

    for (; decided < batch->count && (decided == 0 || rows < most); decided++) {
        const struct work *work = batch->works[decided];
        struct ledger *ledger = batch->parts[work->part].slot->ledger;
        size_t before = ledger_rows(ledger);
        ledger_decide(ledger, work->operation, work->header.partition, work->header.op_class,
                      attempt_of(work), &batch->decisions[decided]);
        rows += ledger_rows(ledger) - before;
    }
    batch->left = batch->count - decided;
    batch->count = decided;
}

static void decide(struct worker *worker, struct batch *batch)
{
    batch->decisions = arena_zalloc(&worker->arena, (batch->count + 1) * sizeof *batch->decisions);
    for (size_t p = 0; p < batch->part_count; p++) {
        struct part *part = &batch->parts[p];
        ledger_begin(part->slot->ledger, part->now_us, &worker->arena);
    }
    decide_operations(batch, worker->batch_rows);
    expire(batch);
}

/* begun_us: before the transaction, which renews the leases, was sent. */
static void finish(struct worker *worker, const struct batch *batch, enum store_outcome outcome,
                   const struct store_part *written, size_t written_count, int64_t begun_us)
{
    for (size_t p = 0; p < batch->part_count; p++) {
        if (outcome == STORE_DONE)
            ledger_commit(batch->parts[p].slot->ledger);
        else
            ledger_abort(batch->parts[p].slot->ledger);
    }
    for (size_t i = 0; outcome == STORE_DONE && i < written_count; i++) {
        struct slot *slot = worker_slot(worker, written[i].partition);
        claims_renewed(worker, slot, written[i].now_us, begun_us);
    }
}

static enum store_outcome write_changes(struct worker *worker, struct batch *batch)
{
    struct store_part *parts = arena_alloc(&worker->arena, (batch->part_count + 1) * sizeof *parts);
    size_t count = 0;
    int64_t begun_us = clock_monotonic_us();
    enum store_outcome outcome = STORE_DONE;

    for (size_t p = 0; p < batch->part_count; p++) {
        struct slot *slot = batch->parts[p].slot;
        parts[count] = (struct store_part){
            .partition = slot->partition,
            .epoch = slot->epoch,
            .claim_id = slot->claim_id,
            .now_us = batch->parts[p].now_us,
        };
        if (ledger_changes(slot->ledger, &parts[count].changes))
            count++;
    }
    batch->wrote = count > 0;
    if (count > 0) {
        outcome = store_write(&worker->db, parts, count,
                              (int64_t)worker->config->windows.lease_ms * 1000);
        if (outcome == STORE_DONE)
            worker->metrics.commits++;
        else
            worker->metrics.rollbacks++;
    }
    for (size_t i = 0; outcome == STORE_DONE && i < count; i++) {
        copy_changed(worker, &parts[i].changes);
        publish_changes(worker->publish, &parts[i]);
    }
    finish(worker, batch, outcome, parts, count, begun_us);
    return outcome;
}

static enum store_outcome look_up_failed(enum db_outcome outcome)
{
    switch (outcome) {
    case DB_OK:
        return STORE_DONE;
    case DB_AGAIN:
        return STORE_AGAIN;
    case DB_NOT_WRITER:
        return STORE_NOT_WRITER;
    case DB_LOST:
        return STORE_LOST;
    case DB_MISMATCH:
    case DB_REPEATS:
    case DB_FAILED:
        return STORE_FAILED;
    }
    return STORE_FAILED;
}

enum store_outcome batch_decide(struct worker *worker, struct batch *batch)
{
    batch->wrote = false;
    batch->in_store = false;
    batch->left = 0;
    enum db_outcome loaded = look_up(worker, batch);
    if (loaded != DB_OK) {
        finish(worker, batch, look_up_failed(loaded), NULL, 0, 0);
        return look_up_failed(loaded);
    }
    decide(worker, batch);
    batch->in_store = true;
    return write_changes(worker, batch);
}

void batch_tell(struct worker *worker, struct batch *batch)
{
    worker->metrics.batches++;
    worker->metrics.batch_operations += batch->count;
    worker->metrics.operations += batch->count;
    for (size_t p = 0; p < batch->part_count; p++)
        worker->metrics.expired += batch->parts[p].expired;
    for (size_t i = 0; i < batch->count; i++) {
        struct decision *decision = &batch->decisions[i];
        if (decision->wants_moved)
            history_moved(worker, batch->parts[batch->works[i]->part].slot, decision);
        worker->metrics.applied += decision->result->status == STATUS_applied;
        work_answer_result(&batch->works[i], decision->result);
    }
}
