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
    struct worker worker;  /* a */
    struct worker another; /* b, where there are two that look after themselves */
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

/* ------------------------------------------------------------- the partition's time */

#define WATCHED_US (40 * (int64_t)SECOND)

static struct sim_process *processes[2];
static unsigned claims_seen; /* by how many claims time has come */

static void lives(void *argument)
{
    struct worker *worker = argument;
    const char *name = sim_self()->name;

    sim_require(worker_open(worker, &world.config, &world.shard, name, NULL), "not opened");
    for (;;) {
        worker_turn(worker);
        int64_t wait_us = worker_wait_us(worker, clock_monotonic_us());
        (void)sim_block(SIM_NET, wait_us > 1000 ? wait_us : 1000);
    }
}

/* The time of partition 0 by the worker whose claim stands in the row; 0: nobody's. */
static int64_t partition_time_us(void)
{
    struct worker *workers[] = {&world.worker, &world.another};

    for (size_t i = 0; i < 2; i++) {
        const struct slot *slot = workers[i]->claims.count > 0 ? worker_slot(workers[i], 0) : NULL;
        if (!slot || slot->state != SLOT_OWNED || slot->epoch != committed(0)->epoch)
            continue;
        struct sim_process *back = sim_enter(processes[i]);
        int64_t time_us = slot_now_us(workers[i], slot);
        sim_leave(back);
        return time_us;
    }
    return 0;
}

static void jump(void *argument)
{
    (void)argument;
    world.server->process->clock.wall_base_us += sim_between(-3600, 3600) * (int64_t)SECOND;
}

static void crash(void *argument)
{
    (void)argument;
    sim_kill(world.server->process);
    model_server_start(world.server);
}

/* One that has seen no jump: it has the rows alone. */
static void start_again(void *argument)
{
    (void)argument;
    sim_kill(processes[1]);
    memset(&world.another, 0, sizeof world.another);
    sim_start(processes[1], lives, &world.another);
}

static void take_away(void *argument)
{
    struct worker *worker = sim_one_in(2) ? &world.worker : &world.another;

    (void)argument;
    if (worker->claims.count > 0)
        claims_distrust(worker, &worker->claims.slots[0]);
}

static void watch(void)
{
    int64_t begun_us = 0, begun_at_us = 0;
    uint64_t epoch = 0;

    while (sim_now_us() < WATCHED_US) {
        sim_run(sim_now_us() + SECOND / 20, NULL);
        int64_t time_us = partition_time_us();
        if (time_us == 0)
            continue;
        if (begun_us == 0) {
            begun_us = time_us;
            begun_at_us = sim_now_us();
        }
        claims_seen += committed(0)->epoch != epoch;
        epoch = committed(0)->epoch;
        int64_t off_us = time_us - begun_us - (sim_now_us() - begun_at_us);
        sim_require(off_us < 2 * SECOND && off_us > -2 * SECOND,
                    "the partition's time is off by %lld ms", (long long)off_us / 1000);
    }
    sim_require(begun_us != 0, "nobody owns it");
}

/* However the server's clock is set, and whoever owns the partition, and though the server crashes:
 * its time goes on. */
static void test_time_goes_on(void **state)
{
    (void)state;
    claims_seen = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        begin(seed, 1);
        processes[0] = sim_process_new("a", SIM_WORKER, 0);
        processes[1] = sim_process_new("b", SIM_WORKER, 1);
        sim_start(processes[0], lives, &world.worker);
        sim_start(processes[1], lives, &world.another);
        for (int i = 0; i < 3; i++) {
            int64_t at_us = sim_between(i * 12 + 2, i * 12 + 8) * SECOND;
            sim_post((struct sim_ref){0}, at_us, jump, NULL);
            sim_post((struct sim_ref){0}, at_us + 2 * SECOND, start_again, NULL);
            sim_post((struct sim_ref){0}, sim_between(2 * SECOND, WATCHED_US), crash, NULL);
            sim_post((struct sim_ref){0}, sim_between(2 * SECOND, WATCHED_US), take_away, NULL);
        }
        watch();
    }
    assert_true(claims_seen > 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slots_stay),
        cmocka_unit_test(test_lease_of_another),
        cmocka_unit_test(test_time_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
