/* SPDX-License-Identifier: MIT
 *
 * Faults that come by time, from outside: processes are killed, stopped and told to end, clocks
 * jump, a server is put back to an older copy. Which kinds are on is drawn with the seed; each that
 * is on strikes at random intervals until faults stop.
 */
#include <stdlib.h>

#include "tests/simulate/judge.h"
#include "tests/simulate/world.h"

#define INTERVAL_MIN_US 100000
#define INTERVAL_MAX_US 6000000
#define PAUSE_MIN_US 1000
#define PAUSE_MAX_US 9000000
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
    {SIM_FAULT_STOP_WORKER, SIM_WORKER, world_tell_to_stop},
    {SIM_FAULT_STOP_BROKER, SIM_BROKER, world_tell_to_stop},
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
    sim_post((struct sim_ref){0}, sim_skewed(INTERVAL_MIN_US, INTERVAL_MAX_US), strike,
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
