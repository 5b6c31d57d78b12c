/* SPDX-License-Identifier: MIT
 *
 * The steps, and who takes the next; see calls.h.
 */
#include "tests/simulate/model/calls_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "workers/store_prune.h"

#define OPEN_STEPS 2u /* with at most two lock waits of a second each; idle ones end after six */
#define START_US INT64_C(1700000000000000)
#define STEP_US 3000000
#define AGES_US 4000000000000000

struct calls_world calls_world;

const char *calls_outcome(enum db_outcome outcome)
{
    static const char *const names[] = {"OK",         "MISMATCH", "AGAIN", "REPEATS",
                                        "NOT_WRITER", "LOST",     "FAILED"};
    return names[outcome];
}

void calls_hex(const void *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        printf("%02x", ((const uint8_t *)bytes)[i]);
}

static void prune(struct actor *actor)
{
    struct belief *belief = &actor->beliefs[calls_below(CALLS_PARTITIONS)];
    struct store_prune prune = {
        .claim = belief->claim,
        .pruned_seq = belief->pruned_seq,
        .cutoff_us = calls_world.now_us - (int64_t)calls_below(60) * STEP_US,
        .now_us = calls_world.now_us,
    };
    uint8_t ids[64][RESERVATION_ID_BYTES];
    uint64_t upto, rows = 0;
    size_t count = 0;

    enum db_outcome outcome =
        store_prune_find(&actor->db, &prune, (size_t)calls_below(30) + 1, &upto);
    printf("find %s upto %" PRIu64, calls_outcome(outcome), upto);
    if (outcome != DB_OK || upto == 0)
        return;
    outcome = store_prune_closed(&actor->db, &prune, upto, 64, ids, &count);
    printf(" closed %s %zu", calls_outcome(outcome), count);
    if (outcome != DB_OK)
        return;
    outcome = store_prune(&actor->db, &prune, upto, ids, count, &rows);
    printf(" prune %s", calls_outcome(outcome));
    if (outcome == DB_OK) {
        belief->pruned_seq = upto;
        printf(" %" PRIu64 " rows", rows);
    }
}

/* All that may go, or nothing: when they were written is the server's time, which is not ours. */
static void prune_claims(struct actor *actor)
{
    const struct belief *belief = &actor->beliefs[calls_below(CALLS_PARTITIONS)];
    struct store_prune prune = {
        .claim = belief->claim,
        .cutoff_us = calls_below(4) ? AGES_US : 0,
        .now_us = calls_world.now_us,
    };
    uint64_t rows;

    enum db_outcome outcome = store_prune_claims(
        &actor->db, &prune, calls_below(4) ? AGES_US : -AGES_US, (size_t)calls_below(8) + 1, &rows);
    printf("prune claims %s %" PRIu64 " rows", calls_outcome(outcome), rows);
}

static void kill_other(struct actor *actor)
{
    const struct actor *other = &calls_world.actors[calls_below(ACTORS)];

    printf("kill %s", other == actor ? "nobody" : other->name);
    if (other != actor)
        store_kill(&actor->db, other->db.thread_id);
}

static void connect(struct actor *actor)
{
    int64_t server_us;

    for (size_t p = 0; p < CALLS_PARTITIONS; p++) /* caches may be of before */
        actor->beliefs[p].ours = actor->beliefs[p].ours && calls_below(4) > 0;
    actor->open = false;
    printf("connect %s", store_connect(&actor->db, &server_us) ? "yes" : "no");
}

/* So many of each in STEPS. */
static const struct {
    unsigned share;
    void (*run)(struct actor *actor);
} steps[] = {
    {12, calls_look},     {10, calls_look_and_take}, {3, calls_take}, {56, calls_batch},
    {3, calls_hand_over}, {5, calls_history},        {2, calls_copy}, {6, prune},
    {2, prune_claims},    {3, kill_other},           {8, calls_read},
};
#define STEPS 110u

static void any_step(struct actor *actor)
{
    uint64_t at = calls_below(STEPS);
    size_t i = 0, beliefs = 0;

    for (size_t p = 0; p < CALLS_PARTITIONS; p++)
        beliefs += actor->beliefs[p].ours;
    if (beliefs == 0 && calls_below(2) == 0)
        at = 20; /* takes something, to have something to do */
    for (; at >= steps[i].share; i++)
        at -= steps[i].share;
    steps[i].run(actor);
}

static void step(struct actor *actor)
{
    printf("%s ", actor->name);
    if (!db_connected(&actor->db))
        connect(actor);
    else if (actor->open)
        calls_end_take(actor);
    else
        any_step(actor);
    printf("\n");
}

static void actor_init(struct actor *actor, size_t index, const struct config_shard *shard)
{
    snprintf(actor->name, sizeof actor->name, "w%zu", index);
    calls_random_bytes(actor->instance, sizeof actor->instance);
    db_init(&actor->db, shard);
    actor->catalog = catalog_new();
    for (uint32_t p = 0; p < CALLS_PARTITIONS; p++) {
        actor->beliefs[p].claim.partition = p;
        actor->beliefs[p].ledger = ledger_new(p, &calls_world.limits, actor->catalog);
    }
}

static void actor_release(struct actor *actor)
{
    db_rollback(&actor->db);
    db_close(&actor->db);
    for (size_t p = 0; p < CALLS_PARTITIONS; p++)
        ledger_destroy(&actor->beliefs[p].ledger);
    catalog_destroy(&actor->catalog);
}

/* The first worker takes everything, so that there is something to fight for. */
static void found(void)
{
    struct actor *first = &calls_world.actors[0];

    for (size_t i = 0; i < ACTORS; i++)
        connect(&calls_world.actors[i]);
    calls_look(first);
    for (unsigned p = 0; p < CALLS_PARTITIONS && db_connected(&first->db);) {
        if (first->open)
            calls_end_take(first);
        else
            calls_take(first);
        for (p = 0; p < CALLS_PARTITIONS && first->beliefs[p].ours;)
            p++;
        if (p < CALLS_PARTITIONS)
            calls_look(first);
    }
    while (!calls_operation_founded() && db_connected(&first->db))
        calls_batch(first);
    printf("\n");
}

/* Whoever has a transaction open goes on in time: how many lock waits a server fits in before it
 * ends an idle one is a race that a busy machine decides. */
static struct actor *next_actor(void)
{
    struct actor *any = &calls_world.actors[calls_below(ACTORS)];

    for (size_t i = 0; i < ACTORS; i++) {
        struct actor *actor = &calls_world.actors[i];
        actor->open_for = actor->open ? actor->open_for + 1 : 0;
        if (actor->open_for > OPEN_STEPS)
            return actor;
    }
    return any;
}

void calls_run(const struct config_shard *shard, uint64_t seed, unsigned count)
{
    memset(&calls_world, 0, sizeof calls_world);
    calls_operation_begin(seed);
    calls_world.now_us = START_US;
    calls_world.limits = (struct ledger_limits){CALLS_PARTITIONS, 100, HOUR_US * 24, 5000000};
    arena_init(&calls_world.arena);
    arena_init(&calls_world.rows);
    for (size_t i = 0; i < ACTORS; i++)
        actor_init(&calls_world.actors[i], i, shard);
    found();
    for (unsigned n = 0; n < count; n++) {
        calls_world.now_us += (int64_t)calls_below(STEP_US);
        printf("%u ", n);
        step(next_actor());
    }
    for (size_t i = 0; i < ACTORS; i++)
        actor_release(&calls_world.actors[i]);
    arena_release(&calls_world.arena);
    arena_release(&calls_world.rows);
    calls_operation_end();
}
