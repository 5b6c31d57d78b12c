/* SPDX-License-Identifier: MIT
 *
 * build/tests/simulate/simulate: runs seeds, in as many processes as there are cores. The first
 * seed that fails says what broke and how to run it again; then the program ends with 1.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/simulate/chance.h"
#include "tests/simulate/heap.h"
#include "tests/simulate/world.h"

#define JOBS_MAX 64u
/* Processor time that one seed may take; a seed takes some hundredths of a second. */
#define SEED_SECONDS_MAX 120

static const char usage[] =
    "usage: simulate [--from S] [--seeds N] [--jobs N] [--coverage] [--progress] [--digests]\n"
    "                [--keep-going] [--restless]\n"
    "       simulate --seed S [--trace] [--restless]\n"
    "\n"
    "  --seed S     this seed alone, in this process\n"
    "  --trace      says everything that happens, on stdout\n"
    "  --from S     the first seed (default 1)\n"
    "  --seeds N    how many (default 1000)\n"
    "  --jobs N     processes (default: cores)\n"
    "  --coverage   prints what was seen how often; a kind of fault that never came is an error\n"
    "  --progress   says every minute how far it is\n"
    "  --keep-going does not end at the first seed that fails\n"
    "  --digests    prints a line for each seed, the same for the same seed\n"
    "  --restless   every seed is one whose partitions go from worker to worker\n";

struct options {
    uint64_t from, seeds;
    unsigned jobs;
    bool one, coverage, progress, digests, keep_going;
};

/* What parent and children share. */
struct shared {
    _Atomic uint64_t next; /* the next seed that nobody runs yet */
    _Atomic uint64_t done, events;
    _Atomic uint64_t failed;
    struct sim_counts counts[JOBS_MAX];
};

static struct shared *shared;
static const char *program;

/* ------------------------------------------------------------- children */

/* An assertion, a bad address, or a seed that takes for ever. */
static void on_signal(int number)
{
    char text[512];
    int length = snprintf(text, sizeof text,
                          "seed %llu, %.6f s: ended by signal %d (%s)\n"
                          "  replay: %s --seed %llu --trace\n",
                          (unsigned long long)chance_seed(), (double)sim_now_us() / 1e6, number,
                          number == SIGPROF ? "it took too long" : strsignal(number), program,
                          (unsigned long long)chance_seed());

    (void)!write(STDERR_FILENO, text, (size_t)length);
    _exit(SIM_EXIT_FAILED);
}

static void watch_signals(void)
{
    static char stack[65536];
    static const int numbers[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGPROF};
    stack_t alternative = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_RESETHAND};

    sigaltstack(&alternative, NULL);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaction(numbers[i], &action, NULL);
}

/* The processor's time, not the clock's: a process that is stopped for minutes, or gets no turn,
 * has not hung. A seed never waits. 0: no limit. */
static void limit_processor_time(time_t most_s)
{
    const struct itimerval limit = {.it_value.tv_sec = most_s};

    setitimer(ITIMER_PROF, &limit, NULL);
}

static void run_seed(const struct options *options, uint64_t seed)
{
    limit_processor_time(SEED_SECONDS_MAX);
    world_run(seed);
    limit_processor_time(0);
    (void)sim_heap_use(sim_heap_program());
    if (options->digests) {
        printf("%llu %016llx\n", (unsigned long long)seed, (unsigned long long)sim_digest());
        fflush(stdout);
    }
    atomic_fetch_add(&shared->done, 1);
    atomic_fetch_add(&shared->events, sim_events());
}

static void child(const struct options *options, unsigned job)
{
    watch_signals();
    chance_count_into(&shared->counts[job]);
    while (options->keep_going || atomic_load(&shared->failed) == 0) {
        uint64_t seed = atomic_fetch_add(&shared->next, 1);
        if (seed >= options->from + options->seeds)
            break;
        run_seed(options, seed);
    }
    _exit(0);
}

/* ------------------------------------------------------------- the parent */

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void say_progress(const struct options *options, double since)
{
    static double next;
    double now = seconds();

    if (!options->progress || now < next)
        return;
    if (next > 0)
        printf("%llu of %llu seeds, %.0f s\n", (unsigned long long)atomic_load(&shared->done),
               (unsigned long long)options->seeds, now - since);
    fflush(stdout);
    next = now + 60;
}

static bool start_child(const struct options *options, pid_t *pids, unsigned job)
{
    fflush(stdout);
    pids[job] = fork();
    if (pids[job] == 0)
        child(options, job);
    if (pids[job] < 0)
        perror("simulate: fork");
    return pids[job] > 0;
}

static void child_ended(const struct options *options, pid_t *pids, pid_t pid, int status,
                        unsigned *left)
{
    unsigned job = 0;

    while (job < options->jobs && pids[job] != pid)
        job++;
    (*left)--;
    if (job == options->jobs || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
        return;
    atomic_fetch_add(&shared->failed, 1);
    if (options->keep_going && start_child(options, pids, job))
        (*left)++;
}

static int run_children(const struct options *options)
{
    double since = seconds();
    pid_t pids[JOBS_MAX];
    unsigned left = 0;

    for (unsigned job = 0; job < options->jobs; job++) {
        if (!start_child(options, pids, job))
            return 71;
        left++;
    }
    while (left > 0) {
        int status;
        pid_t pid = waitpid(-1, &status, options->progress ? WNOHANG : 0);
        if (pid == 0) {
            say_progress(options, since);
            usleep(200000);
        } else if (pid > 0) {
            child_ended(options, pids, pid, status, &left);
        } else if (errno != EINTR) {
            break;
        }
    }
    printf("%llu seeds, %llu failed, %llu events, %.1f s\n",
           (unsigned long long)(atomic_load(&shared->done) + atomic_load(&shared->failed)),
           (unsigned long long)atomic_load(&shared->failed),
           (unsigned long long)atomic_load(&shared->events), seconds() - since);
    return atomic_load(&shared->failed) > 0 ? SIM_EXIT_FAILED : 0;
}

static int by_name(const void *a, const void *b)
{
    const struct sim_seen_count *left = a, *right = b;

    return strcmp(left->name, right->name);
}

static void add_seen(struct sim_seen_count *sum, size_t *count, const struct sim_seen_count *seen)
{
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(sum[i].name, seen->name) == 0) {
            sum[i].count += seen->count;
            return;
        }
    }
    if (*count < SIM_SEEN_MAX)
        sum[(*count)++] = *seen;
}

/* False: a kind of fault never came. */
static bool print_coverage(const struct options *options)
{
    static struct sim_seen_count sum[SIM_SEEN_MAX];
    size_t count = 0;
    bool all = true;

    for (int kind = 0; kind < SIM_FAULT_COUNT; kind++) {
        uint64_t times = 0;
        for (unsigned job = 0; job < options->jobs; job++)
            times += shared->counts[job].faults[kind];
        printf("%12llu fault %s\n", (unsigned long long)times,
               sim_fault_name((enum sim_fault)kind));
        if (times == 0) {
            fprintf(stderr, "simulate: fault %s never came\n",
                    sim_fault_name((enum sim_fault)kind));
            all = false;
        }
    }
    for (unsigned job = 0; job < options->jobs; job++) {
        for (size_t i = 0; i < SIM_SEEN_MAX; i++) {
            if (shared->counts[job].seen[i].count > 0)
                add_seen(sum, &count, &shared->counts[job].seen[i]);
        }
    }
    qsort(sum, count, sizeof sum[0], by_name);
    for (size_t i = 0; i < count; i++)
        printf("%12llu %s\n", (unsigned long long)sum[i].count, sum[i].name);
    return all;
}

/* ------------------------------------------------------------- options */

static bool number(const char *text, uint64_t *value)
{
    char *end;

    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0' && end != text;
}

static bool parse(int argc, char **argv, struct options *options)
{
    enum {
        SEED = 256,
        TRACE,
        FROM,
        SEEDS,
        JOBS,
        COVERAGE,
        PROGRESS,
        DIGESTS,
        KEEP_GOING,
        RESTLESS,
    };
    static const struct option known[] = {
        {"seed", required_argument, NULL, SEED},
        {"trace", no_argument, NULL, TRACE},
        {"from", required_argument, NULL, FROM},
        {"seeds", required_argument, NULL, SEEDS},
        {"jobs", required_argument, NULL, JOBS},
        {"coverage", no_argument, NULL, COVERAGE},
        {"progress", no_argument, NULL, PROGRESS},
        {"digests", no_argument, NULL, DIGESTS},
        {"keep-going", no_argument, NULL, KEEP_GOING},
        {"restless", no_argument, NULL, RESTLESS},
        {NULL, 0, NULL, 0},
    };
    uint64_t value = 0;

    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        bool is_number = c == SEED || c == FROM || c == SEEDS || c == JOBS;
        if (is_number && !number(optarg, &value))
            return false;
        if (c == SEED) {
            options->one = true;
            options->from = value;
            options->seeds = 1;
        } else if (c == TRACE) {
            sim_tracing = true;
        } else if (c == FROM) {
            options->from = value;
        } else if (c == SEEDS) {
            options->seeds = value;
        } else if (c == JOBS) {
            options->jobs = value > JOBS_MAX ? JOBS_MAX : (unsigned)value;
        } else if (c == COVERAGE) {
            options->coverage = true;
        } else if (c == PROGRESS) {
            options->progress = true;
        } else if (c == KEEP_GOING) {
            options->keep_going = true;
        } else if (c == DIGESTS) {
            options->digests = true;
        } else if (c == RESTLESS) {
            world_all_restless = true;
        } else {
            return false;
        }
    }
    return optind == argc && options->jobs > 0;
}

int main(int argc, char **argv)
{
    static char out[65536];
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    struct options options = {.from = 1, .seeds = 1000, .jobs = cores > 0 ? (unsigned)cores : 1};

    setvbuf(stdout, out, _IOFBF, sizeof out); /* no memory of a simulated process */
    if (!parse(argc, argv, &options)) {
        fputs(usage, stderr);
        return 64;
    }
    static char replay[4096];
    snprintf(replay, sizeof replay, "%s%s", argv[0], world_all_restless ? " --restless" : "");
    program = replay;
    chance_program(program);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("simulate: mmap");
        return 71;
    }
    atomic_store(&shared->next, options.from);
    int code = 0;
    if (options.one) {
        options.jobs = 1;
        watch_signals();
        chance_count_into(&shared->counts[0]);
        run_seed(&options, options.from);
    } else {
        code = run_children(&options);
    }
    if (options.coverage && !print_coverage(&options) && code == 0)
        code = SIM_EXIT_FAILED;
    return code;
}
