/* SPDX-License-Identifier: MIT
 *
 * A batch as a worker has it, sometimes spoilt; see calls.h.
 */
#include "tests/simulate/model/calls_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "protocol/status.h"

#define BATCH_MAX 4u
#define ROUNDS 4u

static const char *write_name(enum store_outcome outcome)
{
    static const char *const names[] = {"DONE",      "FENCED", "STALE",   "AGAIN",      "REPEATS",
                                        "TOO_LARGE", "LOST",   "UNKNOWN", "NOT_WRITER", "FAILED"};
    return names[outcome];
}

struct one {
    Hf__Operation *operation;
    struct header header;
    struct decision decision;
};

struct batch {
    struct one ones[BATCH_MAX];
    size_t count;
    bool in[CALLS_PARTITIONS];
    bool look_up_ids;
    struct store_part parts[CALLS_PARTITIONS];
    size_t part_count;
};

static void choose(struct actor *actor, struct batch *batch)
{
    for (size_t i = calls_below(BATCH_MAX) + 1; i-- > 0;) {
        struct one *one = &batch->ones[batch->count];
        one->operation = calls_operation(&calls_world.arena, calls_world.now_us, &one->header);
        if (!one->operation || !actor->beliefs[one->header.partition].ours)
            continue;
        batch->in[one->header.partition] = true;
        batch->count++;
    }
    for (size_t p = 0; p < CALLS_PARTITIONS; p++)
        batch->in[p] |= actor->beliefs[p].ours && calls_below(4) == 0; /* for what is due */
    batch->look_up_ids = calls_below(4) == 0;
}

static enum db_outcome load(struct actor *actor, struct batch *batch)
{
    struct needs needs = {0};
    enum db_outcome outcome = DB_OK;

    arena_reset(&calls_world.rows);
    for (unsigned round = 0; outcome == DB_OK && round < ROUNDS; round++) {
        struct store_need wanted[256];
        size_t count = 0;
        for (size_t p = 0; p < CALLS_PARTITIONS; p++) {
            struct ledger *ledger = actor->beliefs[p].ledger;
            needs.count = 0;
            for (size_t i = 0; i < batch->count; i++) {
                if (batch->ones[i].header.partition == p)
                    ledger_need(ledger, batch->ones[i].operation, batch->ones[i].header.attempt,
                                batch->look_up_ids, &needs);
            }
            if (batch->in[p])
                ledger_need_due(ledger, calls_world.now_us, 20, &needs);
            for (size_t n = 0; n < needs.count && count < 256; n++)
                wanted[count++] = (struct store_need){ledger, needs.items[n]};
        }
        if (count == 0)
            break;
        outcome = store_load(&actor->db, wanted, count, actor->catalog, &calls_world.rows);
        printf(" load %zu %s", count, calls_outcome(outcome));
    }
    needs_release(&needs);
    return outcome;
}

/* Something that no worker may write. */
static void spoil(struct store_part *part)
{
    struct changes *changes = &part->changes;
    struct movement *movement = arena_copy(&calls_world.arena, changes->movements,
                                           changes->movement_count * sizeof *movement);
    struct level *level = NULL;

    if (changes->level_count > 0) {
        level = arena_copy(&calls_world.arena, changes->levels[0].level, sizeof *level);
        changes->levels[0].level = level;
    }
    changes->movements = movement;
    uint64_t choice = calls_below(16);
    printf(" spoilt %" PRIu64, choice);
    switch (choice) {
    case 0:
        part->epoch++;
        break;
    case 1:
        changes->base_seq++;
        break;
    case 2:
        movement->seq--; /* one that is there, unless it was the first */
        break;
    case 3:
        movement->after.on_hand = -1;
        break;
    case 4:
        movement->after.reserved = movement->after.on_hand + movement->after.shortfall + 1;
        break;
    case 5:
        movement->d_on_hand = INT64_C(3000000000);
        break;
    case 6:
        if (level)
            level->now.reserved = -1;
        break;
    case 7:
        if (level)
            level->now.committed = level->now.on_hand + level->now.shortfall + 1;
        break;
    case 8:
        if (level)
            changes->levels[0].base_version++;
        break;
    case 9:
        if (changes->reservation_count > 0)
            changes->reservations[0].base_revision++;
        break;
    case 10:
        if (changes->item_count > 0)
            changes->items[0].base_version++;
        break;
    case 11:
        if (changes->movement_count > 1)
            movement[1].idx = movement[0].idx;
        break;
    case 12:
        part->claim_id = arena_copy(&calls_world.arena, movement->operation_id, UUID_BYTES);
        break;
    case 13:
        if (level)
            level->now.shortfall = INT64_C(1) << 40;
        break;
    default: /* an operation that is in the ledger already, as a first attempt's may be */
        memcpy(movement->operation_id, calls_world.written, UUID_BYTES);
        break;
    }
}

/* Columns of one row that hardly any operation of ours needs have something in them, now these and
 * now those: what is left out of an INSERT must read back as it is here. */
static void adorn(struct store_part *part)
{
    static uint8_t word[] = "word";
    struct changes *changes = &part->changes;
    struct movement *movements = arena_copy(&calls_world.arena, changes->movements,
                                            changes->movement_count * sizeof *movements);
    struct movement *m = &movements[calls_below(changes->movement_count)];
    struct reservation_line *line = &m->line_after;
    int64_t *const figures[] = {&line->quantity,   &line->reserved,        &line->committed,
                                &line->shipped,    &line->cancelled,       &line->released,
                                &line->returned,   &m->d_reserved,         &m->d_committed,
                                &m->d_unavailable, &m->after.safety_stock, &m->after.reorder_point};
    ProtobufCBinaryData *const texts[] = {&m->order, &m->reason,    &m->reference, &m->note,
                                          &m->actor, &m->principal, &m->trace,     &m->detail};

    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
        if (calls_below(8) == 0)
            *figures[i] = 1 + (int64_t)calls_below(9);
    }
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (calls_below(8) == 0)
            *texts[i] =
                (ProtobufCBinaryData){.data = word, .len = 1 + calls_below(sizeof word - 1)};
    }
    if (calls_below(8) == 0)
        m->undoes = 1 + calls_below(9);
    if (calls_below(8) == 0)
        m->signals = 1 + (uint8_t)calls_below(9);
    changes->movements = movements;
    printf(" adorned");
}

static void decide(struct actor *actor, struct batch *batch)
{
    size_t expired = 0;

    for (size_t p = 0; p < CALLS_PARTITIONS; p++) {
        if (batch->in[p])
            ledger_begin(actor->beliefs[p].ledger, calls_world.now_us, &calls_world.arena);
    }
    for (size_t i = 0; i < batch->count; i++) {
        struct one *one = &batch->ones[i];
        ledger_decide(actor->beliefs[one->header.partition].ledger, one->operation,
                      one->header.partition, one->header.op_class, one->header.attempt,
                      &one->decision);
    }
    for (size_t p = 0; p < CALLS_PARTITIONS; p++) {
        if (batch->in[p])
            expired += ledger_expire(actor->beliefs[p].ledger, 20);
    }
    printf(" expired %zu", expired);
    for (size_t p = 0; p < CALLS_PARTITIONS; p++) {
        struct belief *belief = &actor->beliefs[p];
        struct store_part *part = &batch->parts[batch->part_count];
        *part = (struct store_part){.partition = (uint32_t)p,
                                    .epoch = belief->claim.epoch,
                                    .claim_id = belief->claim.claim_id,
                                    .now_us = calls_world.now_us};
        if (batch->in[p] && ledger_changes(belief->ledger, &part->changes))
            batch->part_count++;
    }
}

static void tell(const struct one *one)
{
    const Hf__Result *result = one->decision.result;

    printf(" %s:%" PRIu64 "%s%s", status_name((enum status)result->status), result->sequence,
           result->replayed ? ":replayed" : "", result->field ? result->field : "");
    calls_operation_reserved(result);
}

static void finish(struct actor *actor, struct batch *batch, bool done)
{
    for (size_t p = 0; p < CALLS_PARTITIONS; p++) {
        if (batch->in[p] && done)
            ledger_commit(actor->beliefs[p].ledger);
        else if (batch->in[p])
            ledger_abort(actor->beliefs[p].ledger);
    }
    for (size_t i = 0; done && i < batch->count; i++)
        tell(&batch->ones[i]);
}

void calls_batch(struct actor *actor)
{
    struct batch batch = {0};
    enum store_outcome outcome = STORE_DONE;
    bool spoilt = false;

    arena_reset(&calls_world.arena);
    choose(actor, &batch);
    printf("batch of %zu", batch.count);
    if (load(actor, &batch) != DB_OK)
        return;
    decide(actor, &batch);
    if (batch.part_count > 0 && calls_operation_founded() && calls_below(4) == 0) {
        spoil(&batch.parts[0]);
        spoilt = true;
    } else if (batch.part_count > 0 && calls_operation_founded() && calls_below(8) == 0) {
        adorn(&batch.parts[0]);
        spoilt = true;
    }
    if (batch.part_count > 0) {
        outcome = store_write(&actor->db, batch.parts, batch.part_count, HOUR_US);
        printf(" write %zu %s", batch.part_count, write_name(outcome));
    }
    if (outcome == STORE_DONE && batch.part_count > 0)
        memcpy(calls_world.written, batch.parts[0].changes.movements->operation_id, UUID_BYTES);
    /* What was spoilt and went through is not what the ledger has decided. */
    if (spoilt && outcome == STORE_DONE)
        actor->beliefs[batch.parts[0].partition].ours = false;
    for (size_t p = 0; p < batch.part_count && outcome == STORE_FENCED && !spoilt; p++)
        actor->beliefs[batch.parts[p].partition].ours = calls_below(3) == 0;
    finish(actor, &batch, outcome == STORE_DONE && !spoilt);
}
