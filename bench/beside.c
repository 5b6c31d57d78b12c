/* SPDX-License-Identifier: MIT
 *
 * What reads and events cost the writes: the same load on a cluster without views and relays, on
 * one with a view, and on one whose relay gives everything to a subscription that is read, in turn.
 *
 * The reader is a process of its own (this program, as --follow), so that it is no part of the
 * load.
 */
#include "bench/beside.h"

#include <errno.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/processor.h"
#include "client/holdfast_events.h"

#define WARM_US 1000000
#define SUBSCRIPTION "bench"
#define TIMEOUT_MS 30000
#define READY_MS 30000
#define WINDOW 16384u
#define LOOK_MS 200
/* Views, and a relay, must cost the write path less than this share of its rate. */
#define TARGET 0.9

/* ------------------------------------------------------------- the reader */

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

/* Says that it has read what was there, in a line; then, when it is told to end, how many more. */
int beside_follow_main(const char *cluster_file)
{
    struct holdfast_options options = {
        .size = sizeof options, .cluster_file = cluster_file, .timeout_ms = TIMEOUT_MS};
    struct holdfast_subscription_options subscription = {
        .size = sizeof subscription, .name = SUBSCRIPTION, .window = WINDOW};
    char error[512];
    unsigned long long count = 0;
    bool ready = false;

    signal(SIGTERM, on_signal);
    struct holdfast_subscription *s =
        holdfast_subscribe(&options, &subscription, error, sizeof error);
    if (!s) {
        fprintf(stderr, "bench: %s\n", error);
        return EX_OSERR;
    }
    while (!stopped) {
        const struct holdfast_event *event = holdfast_subscription_next(s, LOOK_MS);
        if (event && event->kind != HOLDFAST_EVENT_MOVEMENT) {
            fprintf(stderr, "bench: the subscription does not go on: %s\n", event->message);
            return EX_OSERR;
        }
        if (event) {
            holdfast_subscription_ack(s, event->partition, event->sequence);
            count += ready;
        } else if (!ready && holdfast_subscription_at_end(s)) {
            ready = true;
            puts("ready");
            fflush(stdout);
        }
    }
    while (holdfast_subscription_next(s, LOOK_MS) != NULL)
        count++;
    printf("%llu\n", count);
    holdfast_unsubscribe(&s);
    return 0;
}

struct reader {
    pid_t pid;
    FILE *said;
};

static bool reader_begin(struct reader *reader, const char *cluster_file)
{
    int pipes[2];
    char line[32];

    if (pipe(pipes) != 0)
        return false;
    reader->pid = fork();
    if (reader->pid == 0) {
        dup2(pipes[1], STDOUT_FILENO);
        close(pipes[0]);
        close(pipes[1]);
        execl("/proc/self/exe", "bench", "--follow", cluster_file, (char *)NULL);
        _exit(127);
    }
    close(pipes[1]);
    reader->said = fdopen(pipes[0], "r");
    return reader->pid > 0 && reader->said && fgets(line, sizeof line, reader->said) &&
           strcmp(line, "ready\n") == 0;
}

/* How many events it was given since; -1: it broke. */
static long long reader_end(struct reader *reader)
{
    char line[32];
    int status = -1;
    long long count = -1;

    if (reader->pid > 0) {
        kill(reader->pid, SIGTERM);
        if (reader->said && fgets(line, sizeof line, reader->said))
            count = strtoll(line, NULL, 10);
        waitpid(reader->pid, &status, 0);
    }
    if (reader->said)
        fclose(reader->said);
    return status == 0 ? count : -1;
}

/* ------------------------------------------------------------- the comparison */

enum side { SIDE_WITHOUT, SIDE_VIEW, SIDE_RELAY, SIDE_COUNT };

static const char *const names[SIDE_COUNT] = {"without", "with a view", "with a relay, read"};

struct figures {
    double rate[BENCH_ROUNDS_MAX], p99_ms[BENCH_ROUNDS_MAX], cost_us[BENCH_ROUNDS_MAX];
    struct histogram latency;
};

static bool run_side(const char *file, const struct load *load, long round, const char *name,
                     struct figures *figures, uint64_t *made)
{
    static struct sample sample;
    char error[512], folder[4096];

    snprintf(folder, sizeof folder, "%s", file);
    dirname(folder);
    int64_t before_us = processor_us(folder);
    if (!cluster_run(file, load, &sample, error, sizeof error)) {
        fprintf(stderr, "bench: %s\n", error);
        return false;
    }
    *made += sample.all;
    figures->rate[round] = (double)sample.done * 1e6 / (double)sample.elapsed_us;
    figures->cost_us[round] =
        sample.all ? (double)(processor_us(folder) - before_us) / (double)sample.all : 0;
    figures->p99_ms[round] = (double)histogram_percentile(&sample.latency, 99) / 1e3;
    histogram_merge(&figures->latency, &sample.latency);
    printf("  %-8ld %-22s %10.0f %9.2f %9.2f %9.0f\n", round + 1, name, figures->rate[round],
           (double)histogram_percentile(&sample.latency, 50) / 1e3, figures->p99_ms[round],
           figures->cost_us[round]);
    fflush(stdout);
    return true;
}

/* What else the machine does changes from minute to minute, so a round is compared with itself. */
static double median_ratio(const double *values, const double *without, long rounds)
{
    double ratios[BENCH_ROUNDS_MAX];

    for (long round = 0; round < rounds; round++)
        ratios[round] = without[round] > 0 ? values[round] / without[round] : 0;
    return bench_median(ratios, rounds);
}

static int tell(struct figures figures[SIDE_COUNT], long rounds)
{
    const struct figures *without = &figures[SIDE_WITHOUT];
    int worst = 0;

    for (int side = 0; side < SIDE_COUNT; side++)
        printf("  %-8s %-22s %10.0f %9.2f %9.2f %9.0f\n", "median", names[side],
               bench_median(figures[side].rate, rounds),
               (double)histogram_percentile(&figures[side].latency, 50) / 1e3,
               bench_median(figures[side].p99_ms, rounds),
               bench_median(figures[side].cost_us, rounds));
    for (int side = SIDE_VIEW; side < SIDE_COUNT; side++) {
        double ratio = median_ratio(figures[side].rate, without->rate, rounds);
        printf("  %s: target %.1f of the rate without, figure %.2f (median of the rounds' ratios): "
               "%s; p99 %.2f times that without\n",
               names[side], TARGET, ratio, ratio >= TARGET ? "met" : "MISSED",
               median_ratio(figures[side].p99_ms, without->p99_ms, rounds));
        worst = ratio >= TARGET ? worst : 1;
    }
    return worst;
}

int beside_compare(const struct beside *beside, long seconds, long rounds, uint32_t depth)
{
    static struct figures figures[SIDE_COUNT];
    const char *files[SIDE_COUNT] = {beside->without, beside->view, beside->relay};
    struct load load = {
        .skus = BENCH_SKUS, .depth = depth, .warm_us = WARM_US, .count_us = seconds * 1000000};
    struct reader reader = {0};
    uint64_t made[SIDE_COUNT] = {0};

    printf("\nwrites spread over 10,000 SKUs: %u clients with %u in flight each\n"
           "  %-8s %-22s %10s %9s %9s %9s\n",
           BENCH_CLIENTS, depth, "round", "", "a second", "p50 ms", "p99 ms", "cpu us");
    memset(figures, 0, sizeof figures);
    bool good = reader_begin(&reader, beside->relay);
    for (long round = 0; round < rounds; round++) {
        for (int i = 0; i < SIDE_COUNT && good; i++) {
            int side = round % 2 ? SIDE_COUNT - 1 - i : i; /* none is always the first */
            good = run_side(files[side], &load, round, names[side], &figures[side], &made[side]);
        }
    }
    long long given = reader_end(&reader);
    if (!good || given < (long long)made[SIDE_RELAY]) {
        fprintf(stderr, "bench: the subscription was given %lld events of %llu\n", given,
                (unsigned long long)made[SIDE_RELAY]);
        return EX_OSERR;
    }
    int worst = tell(figures, rounds);
    printf("  the subscription was given all %lld events\n", given);
    return worst;
}
