/* SPDX-License-Identifier: MIT
 *
 * The kernel of the simulation: a small operating system for processes that are simulated in one
 * thread, with its own time, its own chance, and faults. Everything that happens is a function of
 * the seed, so a run can be repeated exactly.
 *
 *   kernel.c   time, events, processes and their coroutines, waking and blocking
 *   heap.c     malloc: a heap for each process, so that what dies leaves nothing behind
 *   chance.c   random numbers, the faults of a seed (faults.def), failing, the trace
 *   net.h      sockets between processes
 *   seams.c    clock, random numbers and log of production code, answered from here
 *
 * The worker's own seams (workers/link.h over net.h, db.h, store*.h over the model database) are
 * in worker*.c and model_db*.c; a worker's body is worker_open, worker_turn and worker_wait_us of
 * workers/loop.h around sim_block(SIM_NET, …).
 *
 * There is one simulation in a program, so nothing here takes a handle. At any moment the code that
 * runs does so on behalf of a process (sim_self) or of the world (sim_self is NULL); that decides
 * which heap malloc uses and which clocks clock_monotonic_us and clock_wall_us show.
 *
 * A process is a coroutine. Its body looks as the real program's loop does:
 *
 *     for (;;) {
 *         do everything that is due;
 *         sim_block(SIM_NET, until the next deadline);
 *     }
 *
 * HOW A DATABASE CALL BLOCKS. The worker calls a function of the model database, which runs on the
 * worker's coroutine and may block there:
 *
 *   1. It asks sim_fault(SIM_FAULT_DB_…) for each fault that is possible at this step, at most once
 *      each; true means that it happens here and now. What happens is the model's business.
 *   2. It calls sim_point("db.request"): here the process may be crashed (the call never returns)
 *      or paused (it returns much later).
 *   3. It sends the request: sim_post(server, delay, run_at_server, request). The request must be
 *      the world's memory (sim_enter(NULL), malloc, sim_leave), because it has to arrive
 *      whatever becomes of the worker. It notes sim_ref(sim_self()) for the way back.
 *   4. It waits: while (!request->answered && sim_block(SIM_DB, timeout_us)). Timeout, as with the
 *      real connector, means that the connection is lost.
 *   5. run_at_server runs as an event of the server: never blocks, changes tables, and answers with
 *      sim_post(client_ref, delay, give_answer, request), which does nothing when that worker has
 *      died meanwhile; give_answer sets answered and calls sim_wake(sim_self(), SIM_DB).
 *      A statement that has to wait for a lock is put into the lock's queue by the model, and runs
 *      when the lock is free; one transaction is as many such events as it has statements, so
 *      whatever else is going on happens in between.
 *   6. It calls sim_point("db.answer") before it looks at the answer.
 *
 * So a crash, a pause, another worker's statement, a cut connection can come between any two steps,
 * and a request that is on its way (a COMMIT too) arrives although its sender is gone.
 *
 * HOW FAULTS ARE DECIDED. A seed switches a random subset of the kinds in faults.def on, each with
 * a rate (swarm testing). sim_fault(kind) draws only for a kind that is on. sim_point draws for
 * crash and pause of the current process. The world adds faults of its own by time. When the
 * workload's time is over sim_faults_stop() ends all of it; from then on everything must settle.
 */
#ifndef TESTS_SIMULATE_SIM_H
#define TESTS_SIMULATE_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ------------------------------------------------------------- chance */

uint64_t sim_random(void);
/* 0 to n - 1; n at least 1. */
uint64_t sim_below(uint64_t n);
/* Both ends included. */
int64_t sim_between(int64_t low, int64_t high);
/* Mostly near low, seldom near high: delays. */
int64_t sim_skewed(int64_t low, int64_t high);
bool sim_one_in(uint64_t n);
void sim_random_bytes(void *bytes, size_t count);

enum sim_fault {
#define FAULT(name, rate, text) SIM_FAULT_##name,
#include "tests/simulate/faults.def"
#undef FAULT
    SIM_FAULT_COUNT
};

/* Does a fault of this kind happen here? Counts those that do. */
bool sim_fault(enum sim_fault kind);
/* Is the kind on in this seed? */
bool sim_fault_on(enum sim_fault kind);
/* The fault happens because the world has decided so by itself. */
void sim_fault_count(enum sim_fault kind);
void sim_faults_stop(void);
bool sim_faults_stopped(void);

/* ------------------------------------------------------------- coverage */

/* Counts that something was seen, for the table at the end: SIM_SEEN("batch.divided"). The name is
 * a string constant. */
void sim_seen(const char *name);
#define SIM_SEEN(name) sim_seen(name)

/* ------------------------------------------------------------- failing and telling */

/* Something that must hold does not. Says so with the seed and how to replay it, and ends the seed
 * (never returns). One line. */
_Noreturn void sim_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define sim_require(condition, ...)                                                                \
    do {                                                                                           \
        if (!(condition))                                                                          \
            sim_fail(__VA_ARGS__);                                                                 \
    } while (0)

extern bool sim_tracing;
/* A line of the trace: virtual time, process, text. */
void sim_trace_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define sim_trace(...)                                                                             \
    do {                                                                                           \
        if (sim_tracing)                                                                           \
            sim_trace_line(__VA_ARGS__);                                                           \
    } while (0)

/* ------------------------------------------------------------- time */

/* True time since the start of the seed. No process can see it. */
int64_t sim_now_us(void);

struct sim_process;

/* The clocks of one process: its machine's. */
struct sim_clock {
    int64_t monotonic_base_us; /* monotonic clock when true time was 0 */
    int64_t wall_base_us;      /* wall clock when true time was 0; jumps change it */
    int32_t drift_ppm;
};

/* What the clocks of a process show now; for the world (NULL) the true time. clock_monotonic_us and
 * clock_wall_us are these of sim_self(). */
int64_t sim_monotonic_us(const struct sim_process *process);
int64_t sim_wall_us(const struct sim_process *process);

/* ------------------------------------------------------------- processes */

#define SIM_PROCESSES_MAX 48u

enum sim_role {
    SIM_CLIENT,
    SIM_BROKER,
    SIM_WORKER,
    SIM_SERVER, /* of a database */
    SIM_ROLES,
};

enum sim_life {
    SIM_DOWN,
    SIM_UP,
    SIM_PAUSED, /* as by SIGSTOP: time goes on, nothing runs */
};

/* What a process can wait for. */
enum sim_channel {
    SIM_NET,
    SIM_DB,
    SIM_CHANNELS,
};

struct sim_process {
    char name[32]; /* "worker-2" */
    enum sim_role role;
    unsigned index; /* within the role */
    enum sim_life life;
    uint32_t incarnation; /* raised by each start */
    struct sim_clock clock;
    bool unbreakable; /* sim_point does nothing to it */
    void *user;       /* of whoever made it */
    struct sim_coroutine *coroutine;
    struct sim_heap *heap;
    struct sim_deferred *deferred, **deferred_end; /* events that came while it was paused */
};

/* A process that exists, not yet started, with fresh clocks. Lives until the seed ends. */
struct sim_process *sim_process_new(const char *name, enum sim_role role, unsigned index);
/* Starts it (again): new incarnation, empty heap. argument: the world's memory. body NULL: a
 * process without a body, which only has events (a server). When body returns it has exited. */
typedef void sim_body(void *argument);
void sim_start(struct sim_process *process, sim_body *body, void *argument);
/* kill -9. It may be the current process: then it does not return. */
void sim_kill(struct sim_process *process);
void sim_pause(struct sim_process *process); /* likewise, it returns after sim_resume */
void sim_resume(struct sim_process *process);
/* The current process stands still for a time between these, unless somebody continues it. */
void sim_pause_for(int64_t low_us, int64_t high_us);
/* Called after a process has died or exited, with the world current. At most 8. */
typedef void sim_down_hook(struct sim_process *process);
void sim_on_down(sim_down_hook *hook);

struct sim_process *sim_self(void);
size_t sim_process_count(void);
struct sim_process *sim_process_at(size_t index);

/* Run on behalf of another process, or of the world (NULL), for a moment. Not for blocking. */
struct sim_process *sim_enter(struct sim_process *process);
void sim_leave(struct sim_process *back);

/* A place where the current process may be crashed or paused. Outside of a coroutine, nothing. */
void sim_point(const char *where);

/* Blocks the current coroutine until sim_wake on this channel, or until timeout_us has passed by
 * the process's monotonic clock (negative: for ever). False: timeout. A wake that came before is
 * not lost. Waking says only that it is worth looking. */
bool sim_block(enum sim_channel channel, int64_t timeout_us);
void sim_wake(struct sim_process *process, enum sim_channel channel);

/* ------------------------------------------------------------- events */

/* A process in one of its lives. process NULL: the world. */
struct sim_ref {
    struct sim_process *process;
    uint32_t incarnation;
};

struct sim_ref sim_ref(struct sim_process *process);
bool sim_ref_alive(struct sim_ref ref); /* not down, and still that life */

/* Runs event(argument) on behalf of ref after delay_us of true time; not at all if that life is
 * over by then, and later if it is paused then. It must not block. argument: the world's memory. */
typedef void sim_event(void *argument);
void sim_post(struct sim_ref ref, int64_t delay_us, sim_event *event, void *argument);

/* ------------------------------------------------------------- running (main.c and world.c) */

/* Everything is as at the start of the program, for this seed. */
void sim_reset(uint64_t seed);
/* Runs events until `until_us` or until stop() says so; stop is asked after every event. */
typedef bool sim_stop(void);
void sim_run(int64_t until_us, sim_stop *stop);
/* Called after every event, with the world current. */
void sim_after_each(void (*check)(void));
/* A number that depends on everything that has happened. */
uint64_t sim_digest(void);
void sim_digest_add(uint64_t value);
uint64_t sim_events(void); /* how many there were */

#endif
