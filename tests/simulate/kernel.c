/* SPDX-License-Identifier: MIT
 *
 * Events, processes and coroutines; see sim.h.
 *
 * An event that belongs to a process is dropped when that life of it is over, and kept back while
 * it is paused. Resuming a coroutine is such an event too.
 */
#include "tests/simulate/coroutine.h"
#include "tests/simulate/chance.h"
#include "tests/simulate/heap.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_MAX 262144u
#define DOWN_HOOKS_MAX 8u
/* A process that is woken, or does not wait at all, runs after so long. */
#define WAKE_MIN_US 1
#define WAKE_MAX_US 40
/* How long a process stays stopped. */
#define PAUSE_MIN_US 1000
#define PAUSE_MAX_US 12000000

#define EPOCH_US 1760000000000000LL

struct event {
    int64_t at_us;
    uint64_t order;
    struct sim_ref ref;
    sim_event *run; /* NULL: resume the coroutine, if it still blocks for this serial */
    void *argument;
    uint64_t serial;
};

struct sim_deferred {
    struct sim_deferred *next;
    struct event event;
};

struct sim_coroutine {
    struct coroutine context;
    sim_body *body;
    void *argument;
    bool blocked;
    enum sim_channel channel; /* that it is blocked on */
    uint64_t serial;          /* of the newest block */
    bool woken[SIM_CHANNELS];
};

static struct {
    int64_t now_us;
    uint64_t order, events, digest;
    struct event heap[EVENTS_MAX];
    size_t heap_count;
    struct sim_process processes[SIM_PROCESSES_MAX];
    struct sim_coroutine coroutines[SIM_PROCESSES_MAX];
    size_t process_count;
    struct sim_process *self;    /* on behalf of whom code runs */
    struct sim_process *running; /* whose coroutine runs; NULL: the scheduler */
    sim_down_hook *hooks[DOWN_HOOKS_MAX];
    size_t hook_count;
    void (*check)(void);
} kernel;

/* ------------------------------------------------------------- the heap of events */

static bool before(const struct event *a, const struct event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void push(struct event event)
{
    size_t at = kernel.heap_count++;

    sim_require(kernel.heap_count <= EVENTS_MAX, "more than %u events wait", EVENTS_MAX);
    while (at > 0 && before(&event, &kernel.heap[(at - 1) / 2])) {
        kernel.heap[at] = kernel.heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    kernel.heap[at] = event;
}

static struct event pop(void)
{
    struct event first = kernel.heap[0], last = kernel.heap[--kernel.heap_count];
    size_t at = 0, child;

    while ((child = at * 2 + 1) < kernel.heap_count) {
        if (child + 1 < kernel.heap_count && before(&kernel.heap[child + 1], &kernel.heap[child]))
            child++;
        if (!before(&kernel.heap[child], &last))
            break;
        kernel.heap[at] = kernel.heap[child];
        at = child;
    }
    kernel.heap[at] = last;
    return first;
}

static void post(struct sim_ref ref, int64_t delay_us, sim_event *run, void *argument,
                 uint64_t serial)
{
    push((struct event){.at_us = kernel.now_us + (delay_us > 0 ? delay_us : 0),
                        .order = kernel.order++,
                        .ref = ref,
                        .run = run,
                        .argument = argument,
                        .serial = serial});
}

void sim_post(struct sim_ref ref, int64_t delay_us, sim_event *event, void *argument)
{
    post(ref, delay_us, event, argument, 0);
}

struct sim_ref sim_ref(struct sim_process *process)
{
    return (struct sim_ref){process, process ? process->incarnation : 0};
}

bool sim_ref_alive(struct sim_ref ref)
{
    return !ref.process ||
           (ref.process->life != SIM_DOWN && ref.process->incarnation == ref.incarnation);
}

/* ------------------------------------------------------------- on behalf of whom */

static struct sim_heap *heap_for(const struct sim_process *process)
{
    return process ? process->heap : sim_heap_world();
}

struct sim_process *sim_self(void)
{
    return kernel.self;
}

struct sim_process *sim_enter(struct sim_process *process)
{
    struct sim_process *back = kernel.self;

    kernel.self = process;
    (void)sim_heap_use(heap_for(process));
    return back;
}

void sim_leave(struct sim_process *back)
{
    kernel.self = back;
    (void)sim_heap_use(heap_for(back));
}

/* ------------------------------------------------------------- time */

int64_t sim_now_us(void)
{
    return kernel.now_us;
}

static int64_t drifted(const struct sim_clock *clock, int64_t us)
{
    return us + us / 1000000 * clock->drift_ppm + us % 1000000 * clock->drift_ppm / 1000000;
}

int64_t sim_monotonic_us(const struct sim_process *process)
{
    if (!process)
        return kernel.now_us;
    return process->clock.monotonic_base_us + drifted(&process->clock, kernel.now_us);
}

int64_t sim_wall_us(const struct sim_process *process)
{
    if (!process)
        return EPOCH_US + kernel.now_us;
    return EPOCH_US + process->clock.wall_base_us + drifted(&process->clock, kernel.now_us);
}

/* True time in which so much passes on this clock, and a little more. */
static int64_t true_delay(const struct sim_process *process, int64_t us)
{
    return us - us / 1000000 * process->clock.drift_ppm + 2;
}

/* ------------------------------------------------------------- coroutines */

static struct sim_coroutine *coroutine_of(struct sim_process *process)
{
    return process->coroutine;
}

/* Leaves the coroutine that runs; comes back when it is resumed. */
static void leave_coroutine(void)
{
    struct sim_process *process = kernel.running;

    kernel.running = NULL;
    (void)sim_enter(NULL);
    coroutine_leave(&coroutine_of(process)->context);
    /* Resumed: run_coroutine has set everything. */
}

static void run_coroutine(struct sim_process *process)
{
    struct sim_process *back = sim_enter(process);

    kernel.running = process;
    coroutine_enter(&coroutine_of(process)->context);
    kernel.running = NULL;
    sim_leave(back);
}

static void coroutine_main(void *argument)
{
    struct sim_process *process = argument;
    struct sim_coroutine *coroutine = coroutine_of(process);

    coroutine->body(coroutine->argument);
    sim_trace("exits");
    sim_kill(process);
}

static void resume(struct sim_process *process, uint64_t serial)
{
    struct sim_coroutine *coroutine = coroutine_of(process);

    if (coroutine->serial != serial || !coroutine->blocked)
        return;
    coroutine->blocked = false;
    run_coroutine(process);
}

static void resume_after(struct sim_process *process, int64_t delay_us)
{
    post(sim_ref(process), delay_us, NULL, NULL, coroutine_of(process)->serial);
}

bool sim_block(enum sim_channel channel, int64_t timeout_us)
{
    struct sim_process *process = kernel.running;

    assert(process && process == kernel.self);
    struct sim_coroutine *coroutine = coroutine_of(process);
    coroutine->serial++;
    coroutine->blocked = true;
    coroutine->channel = channel;
    int64_t soon_us = sim_between(WAKE_MIN_US, WAKE_MAX_US);
    if (coroutine->woken[channel])
        resume_after(process, soon_us);
    else if (timeout_us >= 0)
        resume_after(process, timeout_us < soon_us ? soon_us : true_delay(process, timeout_us));
    leave_coroutine();
    bool woken = coroutine->woken[channel];
    coroutine->woken[channel] = false;
    return woken;
}

void sim_wake(struct sim_process *process, enum sim_channel channel)
{
    if (process->life == SIM_DOWN || !process->coroutine || process->coroutine->woken[channel])
        return;
    struct sim_coroutine *coroutine = coroutine_of(process);
    coroutine->woken[channel] = true;
    if (coroutine->blocked && coroutine->channel == channel)
        resume_after(process, sim_between(WAKE_MIN_US, WAKE_MAX_US));
}

/* ------------------------------------------------------------- processes */

struct sim_process *sim_process_new(const char *name, enum sim_role role, unsigned index)
{
    size_t slot = kernel.process_count++;

    assert(slot < SIM_PROCESSES_MAX);
    struct sim_process *process = &kernel.processes[slot];
    *process = (struct sim_process){.role = role, .index = index};
    snprintf(process->name, sizeof process->name, "%s", name);
    process->heap = sim_heap_of((unsigned)slot);
    process->clock.monotonic_base_us = sim_between(1000000, 1000000000);
    process->deferred_end = &process->deferred;
    return process;
}

size_t sim_process_count(void)
{
    return kernel.process_count;
}

struct sim_process *sim_process_at(size_t index)
{
    return &kernel.processes[index];
}

void sim_start(struct sim_process *process, sim_body *body, void *argument)
{
    size_t slot = (size_t)(process - kernel.processes);

    assert(process->life == SIM_DOWN);
    sim_heap_empty(process->heap);
    process->life = SIM_UP;
    process->incarnation++;
    process->coroutine = NULL;
    sim_digest_add(slot);
    sim_trace("%s starts", process->name);
    if (!body)
        return;
    struct sim_coroutine *coroutine = &kernel.coroutines[slot];
    uint64_t serial = coroutine->serial + 1;
    void *stack = coroutine->context.stack;
    *coroutine = (struct sim_coroutine){.body = body, .argument = argument, .serial = serial};
    coroutine->context.stack = stack;
    process->coroutine = coroutine;
    coroutine_make(&coroutine->context, coroutine_main, process);
    coroutine->blocked = true; /* for the first time at its beginning */
    resume_after(process, sim_between(WAKE_MIN_US, WAKE_MAX_US));
}

static void forget_deferred(struct sim_process *process)
{
    for (struct sim_deferred *next, *one = process->deferred; one; one = next) {
        next = one->next;
        free(one);
    }
    process->deferred = NULL;
    process->deferred_end = &process->deferred;
}

void sim_kill(struct sim_process *process)
{
    bool suicide = process == kernel.running;

    if (process->life == SIM_DOWN)
        return;
    sim_trace("%s is gone", process->name);
    process->life = SIM_DOWN;
    process->coroutine = NULL;
    forget_deferred(process);
    struct sim_process *back = sim_enter(NULL);
    for (size_t i = 0; i < kernel.hook_count; i++)
        kernel.hooks[i](process);
    sim_leave(back);
    if (suicide) {
        kernel.running = NULL;
        (void)sim_enter(NULL);
        coroutine_leave(&kernel.coroutines[process - kernel.processes].context);
        abort(); /* nobody resumes the dead */
    }
}

void sim_on_down(sim_down_hook *hook)
{
    assert(kernel.hook_count < DOWN_HOOKS_MAX);
    kernel.hooks[kernel.hook_count++] = hook;
}

void sim_pause(struct sim_process *process)
{
    if (process->life != SIM_UP)
        return;
    sim_trace("%s is stopped", process->name);
    process->life = SIM_PAUSED;
    if (process != kernel.running)
        return;
    struct sim_coroutine *coroutine = coroutine_of(process);
    coroutine->serial++;
    coroutine->blocked = true;
    coroutine->channel = SIM_CHANNELS; /* no wake ends this */
    resume_after(process, 0);          /* kept back until it is continued */
    leave_coroutine();
}

void sim_resume(struct sim_process *process)
{
    if (process->life != SIM_PAUSED)
        return;
    sim_trace("%s continues", process->name);
    process->life = SIM_UP;
    int64_t delay_us = sim_between(WAKE_MIN_US, WAKE_MAX_US);
    for (struct sim_deferred *one = process->deferred; one; one = one->next) {
        one->event.at_us = kernel.now_us + delay_us;
        one->event.order = kernel.order++;
        push(one->event);
    }
    forget_deferred(process);
}

static void continue_later(void *argument)
{
    sim_resume(argument);
}

void sim_point(const char *where)
{
    struct sim_process *process = kernel.running;

    if (!process || process != kernel.self || process->unbreakable)
        return;
    if (sim_fault(SIM_FAULT_CRASH_AT_POINT)) {
        sim_trace("killed at %s", where);
        sim_kill(process);
    }
    if (sim_fault(SIM_FAULT_PAUSE_AT_POINT)) {
        sim_trace("stopped at %s", where);
        sim_post((struct sim_ref){0}, sim_skewed(PAUSE_MIN_US, PAUSE_MAX_US), continue_later,
                 process);
        sim_pause(process);
    }
}

void sim_pause_for(int64_t low_us, int64_t high_us)
{
    struct sim_process *process = kernel.running;

    sim_post((struct sim_ref){0}, sim_between(low_us, high_us), continue_later, process);
    sim_pause(process);
}

/* ------------------------------------------------------------- running */

void sim_digest_add(uint64_t value)
{
    kernel.digest = (kernel.digest ^ value) * 0x9e3779b97f4a7c15u;
    kernel.digest ^= kernel.digest >> 29;
}

uint64_t sim_digest(void)
{
    return kernel.digest;
}

uint64_t sim_events(void)
{
    return kernel.events;
}

void sim_after_each(void (*check)(void))
{
    kernel.check = check;
}

void sim_reset(uint64_t seed)
{
    kernel.now_us = 0;
    kernel.order = kernel.events = kernel.digest = 0;
    kernel.heap_count = 0;
    kernel.process_count = 0;
    kernel.self = kernel.running = NULL;
    kernel.hook_count = 0;
    kernel.check = NULL;
    sim_heap_empty(sim_heap_world());
    (void)sim_heap_use(sim_heap_world());
    for (size_t i = 0; i < SIM_PROCESSES_MAX; i++)
        kernel.coroutines[i].serial = 0;
    chance_begin(seed);
}

static void defer(struct sim_process *process, const struct event *event)
{
    struct sim_deferred *deferred = malloc(sizeof *deferred);

    if (!deferred)
        abort();
    *deferred = (struct sim_deferred){.event = *event};
    *process->deferred_end = deferred;
    process->deferred_end = &deferred->next;
}

static void run_event(const struct event *event)
{
    struct sim_process *process = event->ref.process;

    if (!sim_ref_alive(event->ref))
        return;
    if (process && process->life == SIM_PAUSED) {
        defer(process, event);
        return;
    }
    kernel.events++;
    sim_digest_add((uint64_t)event->at_us ^ event->serial << 40);
    if (!event->run) {
        resume(process, event->serial);
        return;
    }
    struct sim_process *back = sim_enter(process);
    event->run(event->argument);
    sim_leave(back);
}

void sim_run(int64_t until_us, sim_stop *stop)
{
    while (kernel.heap_count > 0 && kernel.heap[0].at_us <= until_us) {
        struct event event = pop();
        kernel.now_us = event.at_us;
        run_event(&event);
        if (kernel.check)
            kernel.check();
        if (stop && stop())
            return;
    }
    if (kernel.now_us < until_us)
        kernel.now_us = until_us;
}
