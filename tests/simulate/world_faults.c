/* SPDX-License-Identifier: MIT
 *
 * Faults that come by time, from outside: processes are killed, stopped and told to end, clocks
 * jump, a server is put back to an older copy. Which kinds are on is drawn with the seed; each that
 * is on strikes at random intervals until faults stop.
 */
#include <stdlib.h>

#include "tests/simulate/judge.h"
#include "tests/simulate/net.h"
#include "tests/simulate/world.h"

#define INTERVAL_MIN_US 100000
#define INTERVAL_MAX_US 6000000
#define PAUSE_MIN_US 1000
#define PAUSE_MAX_US 9000000
/* As long as leases are, and longer. */
#define AWAY_MIN_US 300000
#define AWAY_MAX_US 4000000
/* Until another has taken what somebody asleep had, and has done some of it. */
#define RETURN_MIN_US 900000
#define RETURN_MAX_US 2000000
/* Longer than the leases of such a seed, and until its partitions are another's. */
#define LULL_MIN_US 600000
#define LULL_MAX_US 1600000
/* Most jumps are within what is allowed between two clocks. */
#define JUMP_US 4000000
#define BIG_JUMP_US 90000000

static struct sim_process *any_process(enum sim_role role)
{
    struct sim_process *found = NULL;
    uint64_t seen = 0;

    for (size_t i = 0; i < sim_process_count(); i++) {
        struct sim_process *process = sim_process_at(i);
        if (process->role == role && process->life == SIM_UP && sim_one_in(++seen))
            found = process;
    }
    return found;
}

static void continue_process(void *argument)
{
    sim_resume(argument);
}

static void pause_for_a_while(struct sim_process *process)
{
    sim_post((struct sim_ref){0}, sim_skewed(PAUSE_MIN_US, PAUSE_MAX_US), continue_process,
             process);
    sim_pause(process);
}

static void jump(struct sim_process *process)
{
    int64_t most_us = sim_one_in(8) ? BIG_JUMP_US : JUMP_US;
    int64_t us = sim_between(-most_us, most_us);

    us += process->clock.wall_base_us;
    /* Leases of who died while the clock was ahead last until it is there again. */
    us = us > BIG_JUMP_US ? BIG_JUMP_US : us < -BIG_JUMP_US ? -BIG_JUMP_US : us;
    us -= process->clock.wall_base_us;
    process->clock.wall_base_us += us;
    sim_trace("%s: its wall clock jumps by %lld us", process->name, (long long)us);
}

/* The server goes down now and comes back as it was when the copy was taken. */
static void restore(struct sim_process *process)
{
    struct server_seat *seat = &world.servers[process->index];

    if (!seat->image || seat->restore)
        return;
    seat->restore = true;
    sim_kill(process);
}

static int64_t for_a_while_us(void)
{
    return sim_skewed(INTERVAL_MIN_US, PAUSE_MAX_US);
}

/* Its partitions come back to a worker just when it can take them. */
static void others_leave(void *argument)
{
    for (unsigned i = 0; i < world.worker_count; i++) {
        struct sim_process *other = world.workers[i].worker.process;
        if (other != argument && other->life == SIM_UP && !sim_faults_stopped())
            world_tell_to_stop(other);
    }
}

/* For so long the worker does nothing; some others are gone when it is back. */
static int64_t away_us(struct sim_process *process)
{
    int64_t us = world.returns ? sim_between(RETURN_MIN_US, RETURN_MAX_US)
                               : sim_between(AWAY_MIN_US, AWAY_MAX_US);

    if (world.returns || (world.restless && sim_one_in(2)))
        sim_post((struct sim_ref){0}, us - sim_between(0, INTERVAL_MIN_US), others_leave, process);
    return us;
}

static void cut_off(struct sim_process *process)
{
    world.workers[process->index].worker.cut_off_until_us = sim_now_us() + away_us(process);
    world.workers[process->index].worker.refused = false;
    sim_trace("%s does not reach its server", process->name);
}

static void lose_connections(void *process)
{
    if (!sim_faults_stopped())
        net_break(process);
}

/* That its sessions are over it hears a while after it is back. */
static void hold_connections(void *process)
{
    for (unsigned i = 0; i < world.broker_count && !sim_faults_stopped(); i++)
        net_hold(process, i, sim_between(AWAY_MAX_US / 2, AWAY_MAX_US));
}

static bool all_workers_up(void)
{
    for (unsigned i = 0; i < world.worker_count; i++) {
        const struct worker_seat *seat = &world.workers[i];
        if (seat->worker.process->life != SIM_UP || sim_now_us() < seat->worker.cut_off_until_us)
            return false;
    }
    return true;
}

/* What it has not read by then, it still has; its brokers have given it to others. */
static void sleep_for_a_while(struct sim_process *process)
{
    if (world.returns && !all_workers_up())
        return;
    int64_t us = away_us(process);
    if (!world.returns && sim_one_in(2))
        sim_post((struct sim_ref){0}, sim_between(0, us), lose_connections, process);
    else
        sim_post((struct sim_ref){0}, sim_between(0, INTERVAL_MIN_US * 5), hold_connections,
                 process);
    sim_post((struct sim_ref){0}, us, continue_process, process);
    sim_pause(process);
}

/* A broker hears of one worker no more; or of one alone. */
static void make_island(struct sim_process *process)
{
    unsigned broker = (unsigned)sim_below(world.broker_count);
    bool alone = sim_one_in(2);

    for (unsigned i = 0; i < world.worker_count; i++) {
        if ((i == process->index) != alone)
            net_hold(world.workers[i].worker.process, broker, for_a_while_us());
    }
}

bool world_may_stand_still(void)
{
    return !world.unheard || all_workers_up();
}

/* Nobody asks for anything, until the partition is another's. What the one that stands still then
 * finds first was asked for later, so that what it remembers was never true while somebody waited.
 */
static void lull(void)
{
    int64_t until_us = sim_now_us() + sim_between(LULL_MIN_US, LULL_MAX_US);

    sim_trace("nobody asks for anything for %lld us", (long long)(until_us - sim_now_us()));
    for (unsigned i = 0; i < world.client_count; i++) {
        struct client *client = &world.clients[i];
        if (client->next_us < until_us)
            client->next_us = until_us + sim_skewed(0, LULL_MIN_US);
        for (struct note *note = client->open_notes; note; note = note->next_open) {
            if (note->state == NOTE_LATER && note->again_us < until_us)
                note->again_us = until_us + sim_skewed(0, LULL_MIN_US);
        }
    }
}

/* The broker goes on giving it work, and nobody else's word comes there. */
void world_unheard(void)
{
    unsigned broker = (unsigned)sim_below(world.broker_count);

    for (unsigned i = 0; i < world.worker_count && world.unheard; i++) {
        if (world.workers[i].worker.process != sim_self())
            net_hold(world.workers[i].worker.process, broker,
                     sim_between(AWAY_MIN_US, AWAY_MAX_US));
    }
    if (world.lulls)
        lull();
}

struct strike {
    enum sim_fault kind;
    enum sim_role role;
    void (*act)(struct sim_process *process);
};

static const struct strike strikes[] = {
    {SIM_FAULT_CRASH_WORKER, SIM_WORKER, sim_kill},
    {SIM_FAULT_CRASH_BROKER, SIM_BROKER, sim_kill},
    {SIM_FAULT_CRASH_CLIENT, SIM_CLIENT, sim_kill},
    {SIM_FAULT_PAUSE_WORKER, SIM_WORKER, pause_for_a_while},
    {SIM_FAULT_PAUSE_BROKER, SIM_BROKER, pause_for_a_while},
    {SIM_FAULT_PAUSE_CLIENT, SIM_CLIENT, pause_for_a_while},
    {SIM_FAULT_SLEEP_WORKER, SIM_WORKER, sleep_for_a_while},
    {SIM_FAULT_STOP_WORKER, SIM_WORKER, world_tell_to_stop},
    {SIM_FAULT_STOP_BROKER, SIM_BROKER, world_tell_to_stop},
    {SIM_FAULT_NET_ISLAND, SIM_WORKER, make_island},
    {SIM_FAULT_DB_CUT_OFF, SIM_WORKER, cut_off},
    {SIM_FAULT_CLOCK_JUMP_BROKER, SIM_BROKER, jump},
    {SIM_FAULT_CLOCK_JUMP_SERVER, SIM_SERVER, jump},
    {SIM_FAULT_DB_SERVER_CRASH, SIM_SERVER, sim_kill},
    {SIM_FAULT_DB_SERVER_PAUSE, SIM_SERVER, pause_for_a_while},
    {SIM_FAULT_DB_SERVER_RESTORE, SIM_SERVER, restore},
};
#define STRIKES (sizeof strikes / sizeof strikes[0])

static void strike(void *argument);

static void strike_later(size_t index)
{
    int64_t most_us = world.restless ? INTERVAL_MAX_US / 3 : INTERVAL_MAX_US;

    sim_post((struct sim_ref){0}, sim_skewed(INTERVAL_MIN_US, most_us), strike,
             (void *)(uintptr_t)index);
}

static void strike(void *argument)
{
    size_t index = (size_t)(uintptr_t)argument;
    const struct strike *one = &strikes[index];

    if (!sim_fault_on(one->kind))
        return;
    struct sim_process *process = any_process(one->role);
    if (process) {
        sim_fault_count(one->kind);
        one->act(process);
    }
    /* A server is put back once in a seed: what was told before is void then. */
    if (one->kind != SIM_FAULT_DB_SERVER_RESTORE)
        strike_later(index);
}

static void take_image(void *argument)
{
    struct server_seat *seat = argument;

    if (!sim_faults_stopped())
        seat->image = model_image_take(seat->server);
}

void world_faults_begin(void)
{
    for (size_t i = 0; i < STRIKES; i++) {
        if (sim_fault_on(strikes[i].kind))
            strike_later(i);
    }
    if (!sim_fault_on(SIM_FAULT_DB_SERVER_RESTORE))
        return;
    for (unsigned i = 0; i < world.shard_count; i++)
        sim_post((struct sim_ref){0}, sim_between(0, world.workload_us / 2), take_image,
                 &world.servers[i]);
}
