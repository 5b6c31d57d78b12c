/* SPDX-License-Identifier: MIT
 *
 * One seed from its beginning to its end; see world.h.
 */
#include "tests/simulate/world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulate/chance.h"
#include "tests/simulate/judge.h"
#include "tests/simulate/net.h"
#include "workers/store.h"

/* Bounds of virtual time. */
#define PREAMBLE_MAX_US 60000000
#define CALM_MAX_US 120000000
/* What is due must be released within so much, once everybody is there (docs/worker.md). */
#define EXPIRED_LIVE_US 5000000
#define PUT_OFF_US                                                                                 \
    65000000 /* as long as a worker puts off what the server refuses, and a little                 \
              */
#define QUIET_US 1000000
/* A seed of more events than this does not come to an end. */
#define EVENTS_MAX 3000000u

/* In a prompt seed: from the beginning of an operation to its commit. */
#define PROMPT_US 1500000
/* Of a fault that a seed is about. */
#define OFTEN 10
/* Operations of a client that leave nobody with a queue: what waits there was asked long before. */
#define UNHEARD_PLANNED 24

#define RESTART_MIN_US 5000
#define RESTART_MAX_US 5000000
#define SECOND_US 1000000

struct world world;
bool world_all_restless;

static const char *const all_skus[WORLD_SKUS_MAX] = {"hot", "tea", "cup", "pot", "jar", "lid"};
static const char *const all_warehouses[WORLD_WAREHOUSES_MAX] = {"north", "south", "west"};
static const char *const all_reasons[WORLD_REASONS] = {"broken", "found"};

static const struct sim_ref nobody;

/* ------------------------------------------------------------- drawing */

static uint32_t one_of(const uint32_t *choices, size_t count)
{
    return choices[sim_below(count)];
}
#define ONE_OF(...)                                                                                \
    one_of((const uint32_t[]){__VA_ARGS__},                                                        \
           sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

static void draw_limits(struct config *config)
{
    struct config_limits *limits = &config->limits;

    limits->batch_operations = ONE_OF(1, 2, 3, 8, 64, 256);
    limits->worker_credit = ONE_OF(1, 2, 4, 16, 256, 1024);
    limits->client_window = ONE_OF(1, 2, 8, 64, 1024);
    limits->queue_operations = ONE_OF(2, 8, 32, 4096, 4096);
    /* of what was drawn already, so that the rest of a seed's world is what it was */
    limits->worker_bulk =
        (const uint32_t[]){16, 1, 2, 65536}[(limits->worker_credit + limits->batch_operations) % 4];
    limits->clients = 32;
    if (sim_one_in(8))
        limits->rate = limits->rate_burst = ONE_OF(20, 100);
    config->windows.lease_ms = ONE_OF(500, 1000, 2000, 3000);
    config->windows.heartbeat_ms = ONE_OF(100, 250, 500, 1000);
}

static void draw_shape(struct config *config)
{
    config_defaults(config);
    strcpy(config->name, "sim");
    strcpy(config->region, "main");
    world.restless = world_all_restless || sim_one_in(4);
    world.shard_count = world.restless ? 1 : (unsigned)sim_between(1, WORLD_SHARDS_MAX);
    config->partitions = (uint32_t)sim_between(world.shard_count, 5);
    config->shard_count = world.shard_count;
    config->broker_count = world.broker_count = (unsigned)sim_between(1, WORLD_BROKERS_MAX);
    world.worker_count = (unsigned)sim_between(2, WORLD_WORKERS_MAX);
    world.client_count = (unsigned)sim_between(2, WORLD_CLIENTS_MAX);
    world.sku_count = (unsigned)sim_between(1, WORLD_SKUS_MAX);
    world.warehouse_count = (unsigned)sim_between(1, WORLD_WAREHOUSES_MAX);
    if (world.restless && (world_all_restless || sim_one_in(2))) {
        /* all want one thing, at one place, from one of two */
        world.worker_count = 2;
        config->partitions = 1;
        world.sku_count = world.warehouse_count = 1;
        world.client_count = WORLD_CLIENTS_MAX;
    }
    for (unsigned i = 0; i < world.shard_count; i++) {
        struct config_shard *shard = &config->shards[i];
        snprintf(shard->name, sizeof shard->name, "shard-%u", i);
        snprintf(world.addresses[i], sizeof world.addresses[i], "server-%u", i);
        strcpy(shard->servers[0].socket, world.addresses[i]);
        shard->server_count = 1;
    }
    for (unsigned i = 0; i < world.broker_count; i++) {
        snprintf(config->brokers[i].client, sizeof config->brokers[i].client, "sim://%u", i);
        snprintf(config->brokers[i].worker, sizeof config->brokers[i].worker, "sim://%u", i);
    }
}

static void draw_workload(void)
{
    for (unsigned kind = HOLDFAST_RESERVE; kind < HOLDFAST_SETTLE; kind++)
        world.kind_weight[kind] = sim_one_in(4) ? 0 : (uint32_t)sim_between(1, 6);
    world.kind_weight[HOLDFAST_RESERVE] = (uint32_t)sim_between(6, 24);
    for (unsigned kind = HOLDFAST_PUT_ITEM; kind < HOLDFAST_SETTLE; kind++)
        world.kind_weight[kind] = sim_one_in(3) ? 1 : 0;
    world.kind_weight[HOLDFAST_BEGIN_RUN] = sim_one_in(2) ? (uint32_t)sim_between(1, 3) : 0;
    world.kind_weight[HOLDFAST_UNDO] = sim_one_in(2) ? (uint32_t)sim_between(1, 4) : 0;
    for (unsigned i = 0; i < world.sku_count; i++) {
        world.skus[i] = all_skus[i];
        world.sku_partition[i] =
            partition_of_sku(all_skus[i], strlen(all_skus[i]), world.config.partitions);
    }
    for (unsigned i = 0; i < world.warehouse_count; i++)
        world.warehouses[i] = all_warehouses[i];
    for (unsigned i = 0; i < WORLD_REASONS; i++)
        world.reasons[i] = all_reasons[i];
    world.hot_share = ONE_OF(20, 50, 80, 100);
    world.first_stock = ONE_OF(2, 6, 20, 100);
    world.attempt_timeout_us = ONE_OF(200000, 500000, 2000000);
    world.timeout_us = ONE_OF(1000000, 3000000, 8000000);
    world.ttl_ms_min = 1000;
    world.ttl_ms_max = ONE_OF(1500, 4000, 60000);
    world.workload_us = ONE_OF(2, 4, 8) * SECOND_US;
}

/* Few workers, whose leases run out while somebody waits for an answer; all want the same few units
 * that come and go; and who waits, waits for long. */
static void draw_restless(void)
{
    struct config *config = &world.config;

    config->windows.lease_ms = ONE_OF(500, 500, 1000);
    config->windows.heartbeat_ms = ONE_OF(100, 100, 1000);
    config->limits.batch_operations = ONE_OF(1, 2, 8);
    config->limits.worker_credit = ONE_OF(16, 256);
    config->limits.client_window = config->limits.queue_operations = 1024;
    world.attempt_timeout_us = 2 * SECOND_US;
    world.timeout_us = 8 * SECOND_US;
    world.workload_us = 8 * SECOND_US;
    world.first_stock = ONE_OF(2, 6);
    world.hot_share = ONE_OF(80, 100);
    world.kind_weight[HOLDFAST_RELEASE] = world.kind_weight[HOLDFAST_RECEIVE] = 6;
    world.kind_weight[HOLDFAST_COUNT] = 6;
}

static void draw_modes(void)
{
    world.harsh = sim_one_in(5);
    world.jumps = sim_one_in(5);
    world.restores = sim_one_in(16);
    world.adrift = world.restless && sim_one_in(4);
    world.unheard = world.restless && !world.adrift && world.broker_count > 1 && sim_one_in(2);
    world.returns = world.restless && !world.adrift && !world.unheard && sim_one_in(2);
    if (world.adrift || world.unheard || world.returns) {
        world.config.windows.lease_ms = 500;
        world.config.windows.heartbeat_ms = world.returns ? 100 : 1000;
    }
    world.lulls = world.unheard && sim_one_in(2);
    if (world.unheard) {
        /* What is refused is not told together with what must be written. */
        world.config.limits.batch_operations = 1;
        world.first_stock = 2;
        world.kind_weight[HOLDFAST_RESERVE] = 48;
    }
    world.prompt = !world.restless && sim_one_in(6);
    if (world.prompt)
        world.jumps = false; /* not_after is by a wall clock */
    /* The age of an id is by the same clocks. */
    world.prunes = !world.jumps && sim_one_in(10);
    if (world.prunes)
        world.config.windows.retention_ms = world.config.windows.idempotency_ms =
            ONE_OF(2000, 5000);
    /* An id of version 8 that is settled after its rows went is void, whatever it did; and what was
     * told before a server lost its tail does not say any more whose body its rows are of. */
    if (world.prunes || world.restores)
        world.kind_weight[HOLDFAST_BEGIN_RUN] = world.kind_weight[HOLDFAST_UNDO] = 0;
    for (unsigned kind = 0; kind < WORLD_KINDS; kind++)
        world.kind_weights += world.kind_weight[kind];
}

/* Faults that make a commit late, however early its operations were begun. */
static bool makes_late(enum sim_fault kind)
{
    return kind == SIM_FAULT_PAUSE_AT_POINT || kind == SIM_FAULT_PAUSE_WORKER ||
           kind == SIM_FAULT_PAUSE_WRITER || kind == SIM_FAULT_PAUSE_TELLER ||
           kind == SIM_FAULT_SLEEP_WORKER || kind >= SIM_FAULT_DB_CONNECT;
}

static bool makes_restless(enum sim_fault kind)
{
    return kind == SIM_FAULT_PAUSE_WORKER || kind == SIM_FAULT_PAUSE_TELLER ||
           kind == SIM_FAULT_SLEEP_WORKER || kind == SIM_FAULT_CRASH_WORKER ||
           kind == SIM_FAULT_STOP_WORKER || kind == SIM_FAULT_NET_ISLAND ||
           kind == SIM_FAULT_NET_BREAK || kind == SIM_FAULT_DB_CUT_OFF ||
           kind == SIM_FAULT_DB_STORM || kind == SIM_FAULT_COMMIT_CUT_OFF;
}

/* Each seed has a few kinds of faults, at a strength of its own; some have none. */
static void draw_faults(void)
{
    static const double strengths[] = {0.2, 1, 1, 3, 10};
    double strength = strengths[sim_below(sizeof strengths / sizeof strengths[0])];
    uint64_t share = ONE_OF(10, 25, 50); /* of 100 kinds */

    if (sim_one_in(20))
        share = 0;
    for (unsigned kind = 0; kind < SIM_FAULT_COUNT; kind++) {
        bool on = sim_below(100) < share;
        if (world.restless && makes_restless((enum sim_fault)kind))
            on = world_all_restless ? !sim_one_in(4) : sim_one_in(2);
        if (kind == SIM_FAULT_COMMIT_CUT_OFF)
            on = world.restless && (on || world.adrift);
        else if (world.unheard && kind == SIM_FAULT_PAUSE_TELLER)
            on = true;
        else if (world.returns && kind == SIM_FAULT_SLEEP_WORKER)
            on = true;
        else if (world.adrift || world.unheard || world.returns)
            on = on && sim_one_in(8);
        if (kind >= SIM_FAULT_NET_LOSE && kind <= SIM_FAULT_NET_REORDER)
            on = on && world.harsh;
        if (kind == SIM_FAULT_CLOCK_JUMP_BROKER || kind == SIM_FAULT_CLOCK_JUMP_SERVER)
            on = world.jumps && sim_one_in(2);
        if (kind == SIM_FAULT_DB_SERVER_RESTORE)
            on = world.restores;
        if (world.prompt && makes_late((enum sim_fault)kind))
            on = false;
        world.cursed = world.cursed || (on && kind == SIM_FAULT_DB_CURSED);
        bool often = world.unheard && kind == SIM_FAULT_PAUSE_TELLER;
        chance_switch((enum sim_fault)kind, !on ? 0 : often ? OFTEN : strength);
    }
}

/* ------------------------------------------------------------- starting */

static void start_server(struct server_seat *seat)
{
    if (seat->restore) {
        sim_trace("%s comes back as an older copy", seat->process->name);
        model_server_restore(seat->server, seat->image);
        model_image_release(&seat->image);
        seat->restore = false;
        judge_tail_lost();
    }
    model_server_start(seat->server);
}

void world_start(struct sim_process *process)
{
    if (process->life != SIM_DOWN)
        return;
    switch (process->role) {
    case SIM_CLIENT:
        sim_start(process, client_body, &world.clients[process->index]);
        break;
    case SIM_BROKER:
        world.brokers[process->index].stop = false;
        sim_start(process, broker_body, &world.brokers[process->index]);
        break;
    case SIM_WORKER:
        world.workers[process->index].worker.stop = false;
        sim_start(process, worker_body, &world.workers[process->index].worker);
        break;
    case SIM_SERVER:
        start_server(&world.servers[process->index]);
        break;
    case SIM_ROLES:
        break;
    }
}

void world_tell_to_stop(struct sim_process *process)
{
    if (process->role == SIM_BROKER)
        world.brokers[process->index].stop = true;
    else
        world.workers[process->index].worker.stop = true;
    sim_wake(process, SIM_NET);
}

static void start_again(void *argument)
{
    if (world.phase != PHASE_OVER)
        world_start(argument);
}

/* Whatever ends is started again, as a supervisor would, or later. */
static void process_down(struct sim_process *process)
{
    int64_t most_us = sim_faults_stopped() ? RESTART_MIN_US * 10 : RESTART_MAX_US;

    sim_post(nobody, sim_skewed(RESTART_MIN_US, most_us), start_again, process);
}

static struct sim_process *new_process(enum sim_role role, unsigned index)
{
    static const char *const names[SIM_ROLES] = {"client", "broker", "worker", "server"};
    char name[32];

    snprintf(name, sizeof name, "%s-%u", names[role], index);
    struct sim_process *process = sim_process_new(name, role, index);
    process->clock.wall_base_us = sim_between(-500000, 500000);
    process->clock.drift_ppm = (int32_t)sim_between(-200, 200);
    return process;
}

static void make_servers(void)
{
    for (unsigned i = 0; i < world.shard_count; i++) {
        struct server_seat *seat = &world.servers[i];
        seat->process = new_process(SIM_SERVER, i);
        seat->server = model_server_new(seat->process, world.addresses[i]);
        for (uint32_t p = i; p < world.config.partitions; p += world.shard_count)
            model_server_hold(seat->server, p);
        world_start(seat->process);
    }
}

/* Of what was drawn already, as for worker_bulk. */
static size_t few_rows(const struct config_limits *limits)
{
    return limits->client_window % 3 == 2 ? 1 + limits->worker_credit % 5 : 0;
}

static void make_processes(void)
{
    make_servers();
    for (unsigned i = 0; i < world.broker_count; i++) {
        world.brokers[i].process = new_process(SIM_BROKER, i);
        world_start(world.brokers[i].process);
    }
    for (unsigned i = 0; i < world.worker_count; i++) {
        struct worker_seat *seat = &world.workers[i];
        seat->shard = i % world.shard_count;
        seat->worker = (struct sim_worker){.process = new_process(SIM_WORKER, i),
                                           .config = &world.config,
                                           .batch_rows = few_rows(&world.config.limits),
                                           .shard = &world.config.shards[seat->shard]};
        seat->worker.process->user = &seat->worker;
        world_start(seat->worker.process);
    }
    for (unsigned i = 0; i < world.client_count; i++) {
        struct client *client = &world.clients[i];
        client->process = new_process(SIM_CLIENT, i);
        client->window = ONE_OF(0, 0, 1, 4);
        world_start(client->process);
    }
}

/* ------------------------------------------------------------- phases */

static bool all_certain(void)
{
    for (unsigned i = 0; i < world.client_count; i++) {
        const struct client *client = &world.clients[i];
        if (client->open > 0 || client->planned > 0 || client->reads || client->must_read)
            return false;
    }
    return true;
}

static void check_events(void)
{
    sim_require(sim_events() < EVENTS_MAX, "it does not come to an end: %u events", EVENTS_MAX);
}

static bool preamble_done(void)
{
    struct client *client = &world.clients[0];
    static unsigned next;

    check_events();
    if (client->open > 0)
        return false;
    if (!client->notes)
        next = 0;
    /* One after the other: what comes needs what came before. */
    struct note *note = workload_preamble(client, next++);
    if (!note)
        return true;
    note->state = NOTE_LATER;
    sim_wake(client->process, SIM_NET);
    return false;
}

static void say_what_is_open(void)
{
    for (unsigned i = 0; i < world.client_count; i++) {
        for (const struct note *note = world.clients[i].notes; note; note = note->next) {
            if (note->state != NOTE_CERTAIN)
                sim_fail("liveness: client-%u has no certain answer to %s %s after %d s (state %d, "
                         "%u calls)",
                         i, judge_kind_name(note->operation.kind), note->id,
                         CALM_MAX_US / SECOND_US, (int)note->state, note->calls);
        }
        sim_require(world.clients[i].planned == 0, "liveness: client-%u does nothing", i);
        sim_require(!world.clients[i].reads && !world.clients[i].must_read,
                    "liveness: client-%u has no answer to what it asks after %d s", i,
                    CALM_MAX_US / SECOND_US);
    }
}

static bool quiet(void)
{
    check_events();
    return all_certain();
}

static bool never(void)
{
    check_events();
    return false;
}

/* After the faults everything works again: one receive on every partition that has a sku. */
static void probe(void)
{
    struct client *client = &world.clients[sim_below(world.client_count)];
    bool probed[8] = {false};

    for (unsigned i = 0; i < world.sku_count; i++) {
        if (probed[world.sku_partition[i]])
            continue;
        probed[world.sku_partition[i]] = true;
        struct note *note =
            workload_preamble(client, world.warehouse_count + WORLD_REASONS + world.sku_count +
                                          i * world.warehouse_count);
        note->state = NOTE_LATER;
        note->again_us = sim_now_us();
    }
    sim_wake(client->process, SIM_NET);
}

static void calm(void)
{
    sim_faults_stop();
    world.phase = PHASE_CALM;
    world.calm_since_us = sim_now_us();
    for (size_t i = 0; i < sim_process_count(); i++) {
        struct sim_process *process = sim_process_at(i);
        sim_resume(process);
        if (process->role == SIM_WORKER)
            world.workers[process->index].worker.cut_off_until_us = 0;
        if (process->life == SIM_DOWN)
            sim_post(nobody, sim_between(RESTART_MIN_US, 10 * RESTART_MIN_US), start_again,
                     process);
        /* Somebody sets the clocks. */
        if (process->clock.wall_base_us < -SECOND_US || process->clock.wall_base_us > SECOND_US)
            process->clock.wall_base_us = sim_between(-500000, 500000);
    }
    if (world.harsh)
        net_break_all();
    probe();
    for (unsigned i = 0; i < world.client_count; i++) {
        world.clients[i].readings = 0;
        world.clients[i].must_read = true;
        world.clients[i].next_reading_us = sim_now_us();
        sim_wake(world.clients[i].process, SIM_NET);
    }
}

/* ------------------------------------------------------------- what must hold at the end */

struct lateness {
    const struct server_seat *seat;
    int64_t offsets_us[8];
};

static bool note_offset(void *context, uint32_t partition, const struct model_partition *row)
{
    struct lateness *lateness = context;

    lateness->offsets_us[partition % 8] = row->clock_offset_us;
    return true;
}

/* Where clocks jump, an owner goes on in a time of its own that nobody else can know. */
static bool is_late(void *context, uint32_t partition, const struct reservation *reservation)
{
    const struct lateness *lateness = context;
    int64_t late_us = sim_wall_us(lateness->seat->process) + lateness->offsets_us[partition % 8] -
                      reservation->expires_at_us;
    int64_t calm_us = sim_now_us() - world.calm_since_us;
    int64_t may_us = world.cursed ? PUT_OFF_US : EXPIRED_LIVE_US;
    char id[RESERVATION_TEXT_BYTES];

    reservation_id_format(reservation->id, id);
    sim_require(reservation->state != HF__RESERVATION_STATE__RESERVATION_ACTIVE ||
                    late_us < may_us || calm_us < may_us || world.jumps,
                "%s of partition %u is active %.1f s after its end", id, partition,
                (double)late_us / 1e6);
    return true;
}

static void check_tables(void)
{
    for (unsigned i = 0; i < world.shard_count; i++) {
        struct lateness lateness = {.seat = &world.servers[i]};
        const char *why = model_audit(world.servers[i].server, PARTITION_NONE);
        sim_require(!why, "audit: %s", why);
        model_run_blocks(world.servers[i].server, bulk_check_block, NULL);
        model_partitions(world.servers[i].server, note_offset, &lateness);
        model_reservations(world.servers[i].server, is_late, &lateness);
    }
}

static void trace_movement(const struct movement *m)
{
    char id[UUID_TEXT_BYTES], reservation[RESERVATION_TEXT_BYTES] = "";

    uuid_format(m->operation_id, id);
    if (m->has_reservation)
        reservation_id_format(m->reservation_id, reservation);
    sim_trace_line(
        "commits %u:%llu %s %s %.*s/%.*s on_hand=%lld reserved=%lld committed=%lld "
        "unavailable=%lld safety=%lld shortfall=%lld at=%lld epoch=%llu %s until=%lld",
        m->partition, (unsigned long long)m->seq, id, holdfast_movement_name((int)m->kind),
        (int)m->sku.length, m->sku.bytes, (int)m->warehouse.length, m->warehouse.bytes,
        (long long)m->after.on_hand, (long long)m->after.reserved, (long long)m->after.committed,
        (long long)m->after.unavailable, (long long)m->after.safety_stock,
        (long long)m->after.shortfall, (long long)(m->at_us % 1000000000),
        (unsigned long long)m->epoch, reservation, (long long)(m->expires_at_us % 1000000000));
}

/* An operation that kills its worker does so when it is about to be written. */
static void before_write(const struct store_part *parts, size_t count)
{
    for (size_t p = 0; p < count && sim_fault_on(SIM_FAULT_KILLER); p++) {
        for (size_t i = 0; i < parts[p].changes.movement_count; i++) {
            const struct note *note = judge_note(parts[p].changes.movements[i].operation_id);
            if (!note || !note->kills)
                continue;
            sim_fault_count(SIM_FAULT_KILLER);
            sim_kill(sim_self());
        }
    }
}

struct owners {
    uint64_t epochs[8];
};

static bool note_epoch(void *context, uint32_t partition, const struct model_partition *row)
{
    struct owners *owners = context;

    owners->epochs[partition % 8] = row->epoch;
    return true;
}

/* Only the newest claim writes; nothing is begun after its not_after. */
static void check_movements(const struct model_commit *commit)
{
    struct owners owners = {0};

    model_partitions(commit->server, note_epoch, &owners);
    for (size_t i = 0; i < commit->movement_count; i++) {
        const struct movement *m = commit->movements[i];
        const struct note *note = judge_note(m->operation_id);
        sim_require(m->epoch == owners.epochs[m->partition % 8],
                    "movement %u:%llu was written under epoch %llu when the partition had %llu",
                    m->partition, (unsigned long long)m->seq, (unsigned long long)m->epoch,
                    (unsigned long long)owners.epochs[m->partition % 8]);
        if (!note || !world.prompt || m->kind == HF__MOVEMENT_KIND__MOVEMENT_VOIDED)
            continue;
        int64_t until_us = judge_effect_until_us(m->operation_id);
        sim_require(sim_now_us() <= until_us + PROMPT_US,
                    "%s was committed %.3f s after its not_after", note->id,
                    (double)(sim_now_us() - until_us) / 1e6);
    }
}

static void check_commit(const struct model_commit *commit)
{
    const char *why = model_audit_commit(commit);

    for (size_t i = 0; sim_tracing && i < commit->movement_count; i++)
        trace_movement(commit->movements[i]);

    sim_require(!why, "after a commit: %s", why);
    check_movements(commit);
}

static void begin(uint64_t seed)
{
    sim_reset(seed);
    memset(&world, 0, sizeof world);
    draw_shape(&world.config);
    draw_limits(&world.config);
    draw_workload();
    if (world.restless)
        draw_restless();
    draw_modes();
    net_begin();
    model_begin();
    judge_begin();
    sim_on_down(process_down);
    model_on_commit(check_commit);
    model_on_write(before_write);
    make_processes();
}

static void end(void)
{
    world.phase = PHASE_OVER;
    check_tables();
    judge_end();
    sim_trace("the end: %llu events, digest %016llx", (unsigned long long)sim_events(),
              (unsigned long long)sim_digest());
}

/* What is read of an owner that stood still tells it so, and hides what a restless seed is about.
 */
static bool may_read(void)
{
    return !world.restless || (!world.lulls && world.client_count % 4 == 0);
}

void world_run(uint64_t seed)
{
    begin(seed);
    sim_run(PREAMBLE_MAX_US, preamble_done);
    sim_require(preamble_done(), "liveness: the preamble is not done after %d s",
                PREAMBLE_MAX_US / SECOND_US);
    world.phase = PHASE_WORKLOAD;
    draw_faults();
    world_faults_begin();
    uint32_t planned = world.unheard ? UNHEARD_PLANNED : world.restless ? 60 : ONE_OF(10, 30, 60);
    for (unsigned i = 0; i < world.client_count; i++) {
        world.clients[i].planned = planned;
        world.clients[i].think_us = world.workload_us / planned;
        world.clients[i].readings = may_read() ? planned / READINGS_SHARE : 0;
        sim_wake(world.clients[i].process, SIM_NET);
    }
    sim_run(sim_now_us() + world.workload_us, never);
    calm();
    sim_run(sim_now_us() + CALM_MAX_US, quiet);
    say_what_is_open();
    sim_run(sim_now_us() + QUIET_US, never);
    end();
}
