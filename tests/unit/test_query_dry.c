/* SPDX-License-Identifier: MIT
 *
 * How much one dry run may make its owner load: operations wait while it is answered, and leases
 * run. The database is played here; it has nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workers/claims.h"
#include "workers/query_impl.h"

#define OPERATIONS_MAX 64u

static unsigned loads;
static size_t needs_loaded;

enum db_outcome store_load(struct db *db, const struct store_need *needs, size_t count,
                           struct catalog *catalog, struct arena *arena)
{
    (void)db;
    (void)catalog;
    (void)arena;
    loads++;
    needs_loaded += count;
    for (size_t i = 0; i < count; i++) {
        if (needs[i].need.kind == NEED_SKU)
            ledger_put_sku(needs[i].ledger, &needs[i].need.code, NULL, NULL, 0);
    }
    return DB_OK;
}

int64_t slot_now_us(const struct worker *worker, const struct slot *slot)
{
    (void)worker;
    (void)slot;
    return 1800000000000000;
}

enum db_outcome query_refuse(struct query *query, enum status status, const char *field,
                             const char *message)
{
    query->answer.status = (uint32_t)status;
    query->answer.field = (char *)(uintptr_t)field;
    query->answer.message = (char *)(uintptr_t)message;
    return DB_OK;
}

/* operations, each receiving so many skus that no other has. */
static uint32_t dry_run(size_t operations, size_t lines_each)
{
    struct worker *worker = calloc(1, sizeof *worker);
    struct slot slot = {.partition = 0, .epoch = 1};
    struct arena arena;
    Hf__Operation all[OPERATIONS_MAX], *list[OPERATIONS_MAX];
    Hf__DryRunQuery asked = HF__DRY_RUN_QUERY__INIT;
    Hf__Query wire = HF__QUERY__INIT;
    struct query query = {.worker = worker, .arena = &arena, .slot = &slot, .asked = &wire};

    arena_init(&arena);
    worker->ledger_limits = (struct ledger_limits){
        .partitions = 1, .lines = 10000, .idempotency_us = 1000000, .id_future_us = 1000000};
    for (size_t i = 0; i < operations; i++) {
        Hf__Receive *receive = arena_alloc(&arena, sizeof *receive);
        hf__receive__init(receive);
        receive->lines = arena_alloc(&arena, lines_each * sizeof(Hf__Line *));
        receive->n_lines = lines_each;
        for (size_t l = 0; l < lines_each; l++) {
            Hf__Line *line = receive->lines[l] = arena_alloc(&arena, sizeof *line);
            char sku[32];
            hf__line__init(line);
            line->sku.len = (size_t)snprintf(sku, sizeof sku, "S%zu-%zu", i, l);
            line->sku.data = arena_copy(&arena, sku, line->sku.len);
            line->warehouse = (ProtobufCBinaryData){1, arena_copy(&arena, "W", 1)};
            line->quantity = 1;
        }
        hf__operation__init(&all[i]);
        all[i].kind_case = HF__OPERATION__KIND_RECEIVE;
        all[i].receive = receive;
        list[i] = &all[i];
    }
    asked.operations = list;
    asked.n_operations = operations;
    wire.kind_case = HF__QUERY__KIND_DRY_RUN;
    wire.dry_run = &asked;
    hf__answer__init(&query.answer);
    loads = 0;
    needs_loaded = 0;
    assert_int_equal(query_dry_run(&query), DB_OK);
    uint32_t status = query.answer.status;
    if (status == STATUS_applied)
        assert_int_equal(query.answer.n_dry, operations);
    arena_release(&arena);
    free(worker);
    return status;
}

static void test_what_one_may_need_is_bounded(void **state)
{
    (void)state;
    assert_int_equal(dry_run(64, 1), STATUS_applied);
    assert_in_range(needs_loaded, 64, 66);
    assert_int_equal(dry_run(1, 10000), STATUS_applied); /* any one operation may be asked about */
    assert_int_equal(dry_run(40, 1000), STATUS_too_large);
    assert_int_equal(loads, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_one_may_need_is_bounded),
    };
    return cmocka_run_group_tests_name("dry runs: what they may need", tests, NULL, NULL);
}
