/* SPDX-License-Identifier: MIT
 *
 * What operations would do: the ledger's own decisions, on rows of the snapshot, in a ledger that
 * is thrown away. The owner's ledger, its caches and its batches know nothing of it.
 */
#include <string.h>

#include "protocol/header.h"
#include "workers/claims.h"
#include "workers/query_impl.h"

/* As decide.c has it. */
#define LOOK_UP_ROUNDS 4
/* Skus, reservations and so on that one dry run may need: operations wait for it, and leases run.
 * More than any one operation can need. */
#define NEEDS_MAX 16384u

struct dry_run {
    struct query *query;
    const Hf__DryRunQuery *asked;
    struct catalog *catalog;
    struct ledger *ledger;
    struct needs needs;
    bool needs_too_much;
};

/* Who asks has no id yet, or has one that was used: each gets one that means nothing. */
static void name_operation(const struct dry_run *run, size_t index, int64_t now_us)
{
    Hf__Operation *operation = run->asked->operations[index];
    uint8_t bytes[32] = {0}, id[UUID_BYTES];

    bytes[0] = (uint8_t)index;
    bytes[1] = (uint8_t)(index >> 8);
    uuid_v8(id, bytes);
    operation->operation_id =
        (ProtobufCBinaryData){UUID_BYTES, arena_copy(run->query->arena, id, UUID_BYTES)};
    operation->id_time_us = now_us;
}

static enum db_outcome load(struct dry_run *run)
{
    struct query *query = run->query;
    enum db_outcome outcome = DB_OK;

    for (unsigned round = 0; outcome == DB_OK && round < LOOK_UP_ROUNDS; round++) {
        run->needs.count = 0;
        for (size_t i = 0; i < run->asked->n_operations && !run->needs_too_much; i++) {
            ledger_need(run->ledger, run->asked->operations[i], 1, false, &run->needs);
            run->needs_too_much = run->needs.count > NEEDS_MAX;
        }
        if (run->needs.count == 0 || run->needs_too_much)
            break;
        struct store_need *needs = arena_alloc(query->arena, run->needs.count * sizeof *needs);
        for (size_t i = 0; i < run->needs.count; i++)
            needs[i] = (struct store_need){.ledger = run->ledger, .need = run->needs.items[i]};
        outcome =
            store_load(&query->worker->db, needs, run->needs.count, run->catalog, query->arena);
    }
    return outcome;
}

static void decide(struct dry_run *run, int64_t now_us)
{
    struct query *query = run->query;
    Hf__Answer *answer = &query->answer;

    ledger_begin(run->ledger, now_us, query->arena);
    answer->dry = arena_alloc(query->arena, run->asked->n_operations * sizeof(Hf__DryResult *));
    for (size_t i = 0; i < run->asked->n_operations; i++) {
        struct decision decision;
        ledger_decide(run->ledger, run->asked->operations[i], query->slot->partition, CLASS_BULK, 1,
                      &decision);
        Hf__Result *result = decision.result;
        result->operation_id = result->claim_id = (ProtobufCBinaryData){0, NULL};
        answer->dry[answer->n_dry++] = ledger_dry_result(run->ledger, &decision);
    }
    answer->dry_state = ledger_dry_state(run->ledger);
    ledger_abort(run->ledger);
}

enum db_outcome query_dry_run(struct query *query)
{
    const Hf__DryRunQuery *asked = query->asked->dry_run;
    struct worker *worker = query->worker;
    struct dry_run run = {.query = query, .asked = asked};
    int64_t now_us = slot_now_us(worker, query->slot);

    if (asked->n_operations == 0 || asked->n_operations > QUERY_IDS_MAX)
        return query_refuse(query, asked->n_operations == 0 ? STATUS_invalid : STATUS_too_large,
                            "dry_run.operations", "has none, or more than 256");
    run.catalog = catalog_new();
    run.ledger = ledger_new(query->slot->partition, &worker->ledger_limits, run.catalog);
    ledger_claimed(run.ledger, query->slot->epoch, query->slot->claim_id, query->answer.sequence);
    ledger_dry(run.ledger);
    for (size_t i = 0; i < asked->n_operations; i++)
        name_operation(&run, i, now_us);
    if (asked->state)
        ledger_dry_catalog(run.ledger, asked->state);
    enum db_outcome outcome = load(&run);
    if (run.needs_too_much) {
        outcome = query_refuse(query, STATUS_too_large, "dry_run.operations",
                               "need too much at once: ask about fewer of them");
    } else if (outcome == DB_OK) {
        if (asked->state)
            ledger_dry_rows(run.ledger, asked->state);
        decide(&run, now_us);
    }
    needs_release(&run.needs);
    ledger_destroy(&run.ledger);
    catalog_destroy(&run.catalog);
    return outcome;
}
