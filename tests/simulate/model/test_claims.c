/* SPDX-License-Identifier: MIT
 *
 * workers/claims.c on the model database, with somebody else at the same rows at the worst moment.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"
#include "tests/simulate/chance.h"
#include "tests/simulate/model_impl.h"
#include "workers/claims.h"
#include "workers/loop.h"
#include "workers/query.h"
#include "workers/store.h"
#include "workers/store_claims.h"

/* A process that is killed in here gives nothing back: that is no leak of the code's. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

#define SECOND 1000000
#define LEASE_MS 2000

static struct sim_counts counts;

static struct {
    struct model_server *server;
    struct config config;
    struct config_shard shard;
    struct worker worker;
    bool ready, done;
} world;

void query_tick(struct worker *worker, int64_t now_us)
{
    (void)worker;
    (void)now_us;
}

static void begin(uint64_t seed, uint32_t partitions)
{
    chance_program("test_claims");
    chance_count_into(&counts);
    sim_reset(seed);
    model_begin();
    memset(&world, 0, sizeof world);
    world.server = model_server_new(sim_process_new("server", SIM_SERVER, 0), "model");
    for (uint32_t p = 0; p < partitions; p++)
        model_server_hold(world.server, p);
    model_server_start(world.server);
    world.shard.server_count = 1;
    strcpy(world.shard.servers[0].socket, "model");
    world.config.partitions = 8;
    world.config.windows.lease_ms = LEASE_MS;
    world.config.windows.retention_ms = 3600000;
}

static const struct model_partition *committed(uint32_t partition)
{
    struct model_key key = model_key_of_partition(partition);

    return model_read(&world.server->tables[MODEL_PARTITION], &key, NULL);
}

/* Opens the worker and lets it claim everything. */
static void claim_everything(void)
{
    sim_require(worker_open(&world.worker, &world.config, &world.shard, "a", NULL), "not opened");
    do {
        worker_turn(&world.worker);
        (void)sim_block(SIM_NET, SECOND / 10);
    } while (world.worker.claims.owned == 0);
    world.ready = true;
}

/* ------------------------------------------------------------- slots stay where they are */

static void verifies_while_one_moves_in(void *argument)
{
    struct claims *claims = &world.worker.claims;

    (void)argument;
    claim_everything();
    struct slot *slots = claims->slots;
    size_t before = claims->count;
    model_server_hold(world.server, 5);
    /* A batch has slots in its hands here. */
    sim_require(claims_verify(&world.worker) == DB_OK, "not verified");
    sim_require(claims->slots == slots && claims->count == before, "the slots have moved");
    claims_distrust(&world.worker, &slots[0]);
    sim_require(claims_reclaim(&world.worker) == DB_OK, "not claimed again");
    sim_require(claims->slots == slots && claims->count == before, "the slots have moved");
    for (int i = 0; i < 20 && claims->count == before; i++) {
        worker_turn(&world.worker);
        (void)sim_block(SIM_NET, SECOND / 10);
    }
    sim_require(claims->count == before + 1 && worker_slot(&world.worker, 5), "it is not found");
    world.done = true;
}

static void test_slots_stay(void **state)
{
    (void)state;
    begin(1, 3);
    sim_start(sim_process_new("a", SIM_WORKER, 0), verifies_while_one_moves_in, NULL);
    sim_run(60 * (int64_t)SECOND, NULL);
    assert_true(world.done);
}

/* ------------------------------------------------------------- what is renewed */

static bool overtaken; /* somebody claimed between what was seen and the renewal */

/* Wakes after its lease, like somebody who was stopped, and asks. */
static void asks_after_its_lease(void *argument)
{
    struct worker *worker = &world.worker;

    (void)argument;
    claim_everything();
    (void)sim_block(SIM_DB, 2 * LEASE_MS * 1000);
    sim_require(claims_verify(worker) == DB_OK, "not verified");
    const struct slot *slot = worker_slot(worker, 0);
    if (slot && !claims_is_doubtful(slot, clock_monotonic_us()))
        sim_require(committed(0)->epoch == slot->epoch,
                    "it trusts a lease of epoch %llu, and the row has %llu",
                    (unsigned long long)slot->epoch, (unsigned long long)committed(0)->epoch);
    overtaken |= slot && committed(0)->epoch != slot->epoch;
    world.done = true;
}

static void claims_at_that_moment(void *argument)
{
    uint8_t instance[UUID_BYTES] = {0xb};
    struct store_owner owner = {.instance = instance, .name = "b", .lease_us = 60 * SECOND};
    struct store_claim wanted = {.claim_id = {0xb}};
    struct store_taken taken;
    struct db db;
    int64_t server_us;
    size_t count;

    (void)argument;
    db_init(&db, &world.shard);
    while (!world.ready)
        (void)sim_block(SIM_NET, 1000);
    sim_require(store_connect(&db, &server_us), "no connection");
    (void)sim_block(SIM_DB, 2 * LEASE_MS * 1000 - 3000 + sim_between(-4000, 2000));
    wanted.epoch = committed(0)->epoch;
    if (store_take(&db, &owner, &wanted, 1, &taken, &count) == DB_OK && count == 1)
        (void)db_commit(&db);
    db_close(&db);
}

static void test_lease_of_another(void **state)
{
    (void)state;
    overtaken = false;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        begin(seed, 1);
        sim_start(sim_process_new("a", SIM_WORKER, 0), asks_after_its_lease, NULL);
        sim_start(sim_process_new("b", SIM_WORKER, 1), claims_at_that_moment, NULL);
        sim_run(60 * (int64_t)SECOND, NULL);
        assert_true(world.done);
    }
    assert_true(overtaken); /* the moment was hit */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slots_stay),
        cmocka_unit_test(test_lease_of_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
