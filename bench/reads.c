/* SPDX-License-Identifier: MIT
 *
 * The comparison of reads: every side in turn, round by round, and what the median round says of
 * the target: a view answers at least half as often as a bare echo of the same messages.
 */
#include "bench/reads.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "bench/processor.h"

#define ROUNDS_MAX 15
#define WARM_US 300000
#define TARGET 0.5
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum side { SIDE_VIEW, SIDE_ECHO, SIDE_LIBRARY, SIDE_SELECT, SIDE_REDIS, SIDE_COUNT };

static const struct {
    const char *name;
    reads_side *run;
} sides[SIDE_COUNT] = {
    {"view", reads_view},
    {"bare echo", reads_echo},
    {"view, libholdfast", reads_library},
    {"MariaDB SELECT", reads_select},
    {"Redis GET", reads_redis},
};

static const struct shape {
    const char *name;
    uint32_t clients, depth;
} shapes[] = {
    {"64 clients, each with 1 in flight", 64, 1},
    {"4 clients, each with 64 in flight", 4, 64},
};

struct figures {
    double rate[ROUNDS_MAX];
    double cost_us[ROUNDS_MAX]; /* processor time of all processes, clients included, per read */
    struct histogram latency;
};

static int by_size(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

static double median(const double *values, long count)
{
    double sorted[ROUNDS_MAX];
    memcpy(sorted, values, (size_t)count * sizeof *values);
    qsort(sorted, (size_t)count, sizeof *sorted, by_size);
    return count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

/* A SELECT has a thread and a connection for each that is in flight, so it is run once: as many
 * threads as clients. */
static bool takes_part(const struct reads_place *place, const struct shape *shape, int side)
{
    if (side == SIDE_REDIS)
        return place->redis_pid > 0;
    return side != SIDE_SELECT || shape->depth == 1;
}

static bool run_round(const struct reads_place *place, const struct shape *shape, long seconds,
                      long round, struct figures *figures)
{
    static struct reads_sample sample;
    struct reads_load load = {.clients = shape->clients,
                              .depth = shape->depth,
                              .warm_us = WARM_US,
                              .count_us = seconds * 1000000};
    char error[512] = "";

    for (int side = 0; side < SIDE_COUNT; side++) {
        if (!takes_part(place, shape, side))
            continue;
        memset(&sample, 0, sizeof sample);
        int64_t before_us = processor_us(place->cluster_folder);
        if (!sides[side].run(place, &load, &sample, error, sizeof error)) {
            fprintf(stderr, "bench: reads, %s: %s\n", sides[side].name, error);
            return false;
        }
        int64_t used_us = processor_us(place->cluster_folder) - before_us;
        figures[side].cost_us[round] = sample.all ? (double)used_us / (double)sample.all : 0;
        figures[side].rate[round] = (double)sample.done * 1e6 / (double)load.count_us;
        histogram_merge(&figures[side].latency, &sample.latency);
    }
    return true;
}

/* 0 met, 1 missed, or EX_OSERR. */
static int run_shape(const struct reads_place *place, const struct shape *shape, long seconds,
                     long rounds)
{
    static struct figures figures[SIDE_COUNT];
    double rates[SIDE_COUNT] = {0};

    memset(figures, 0, sizeof figures);
    for (long round = 0; round < rounds; round++) {
        if (!run_round(place, shape, seconds, round, figures))
            return EX_OSERR;
    }
    printf("\nreads of one SKU: %s\n  %-22s %10s %9s %9s %9s %9s\n", shape->name, "median",
           "a second", "p50 us", "p99 us", "cpu us", "of echo");
    double echo = median(figures[SIDE_ECHO].rate, rounds);
    for (int side = 0; side < SIDE_COUNT; side++) {
        if (!takes_part(place, shape, side))
            continue;
        rates[side] = median(figures[side].rate, rounds);
        printf("  %-22s %10.0f %9llu %9llu %9.1f %9.2f\n", sides[side].name, rates[side],
               (unsigned long long)histogram_percentile(&figures[side].latency, 50),
               (unsigned long long)histogram_percentile(&figures[side].latency, 99),
               median(figures[side].cost_us, rounds), echo > 0 ? rates[side] / echo : 0);
    }
    double ratio = echo > 0 ? rates[SIDE_VIEW] / echo : 0;
    printf("  target %.1f of the bare echo, figure %.2f: %s\n", TARGET, ratio,
           ratio >= TARGET ? "met" : "MISSED");
    fflush(stdout);
    return ratio >= TARGET ? 0 : 1;
}

void reads_stop(struct reads_place *place)
{
    int *pids[] = {&place->echo_pid, &place->redis_pid};

    for (size_t i = 0; i < COUNT(pids); i++) {
        if (*pids[i] <= 0)
            continue;
        kill(*pids[i], SIGKILL);
        waitpid(*pids[i], NULL, 0);
        *pids[i] = 0;
    }
}

int reads_compare(const char *cluster_file, const char *cluster_folder, const struct config *config,
                  long seconds, long rounds)
{
    struct reads_place place = {
        .config = config, .cluster_file = cluster_file, .cluster_folder = cluster_folder};
    char error[512] = "";
    int worst = 0;

    snprintf(place.folder, sizeof place.folder, "%.4000s.reads", cluster_file);
    if (mkdir(place.folder, 0700) != 0 || !reads_measure(&place, error, sizeof error) ||
        !reads_echo_start(&place, error, sizeof error)) {
        fprintf(stderr, "bench: reads: %s\n", error[0] ? error : "could not make a folder");
        reads_stop(&place);
        return EX_OSERR;
    }
    printf(
        "\nreads: a question of some 50 bytes, an answer of %zu; every client in one thread, but\n"
        "for SELECT, which has a thread for each. \"view\" and \"bare echo\" are the same client "
        "without\nthe library. %ld rounds of %ld s in turn.\n",
        place.answer_bytes, rounds, seconds);
    if (!reads_redis_start(&place, error, sizeof error)) {
        if (error[0]) {
            fprintf(stderr, "bench: reads, Redis: %s\n", error);
            reads_stop(&place);
            return EX_OSERR;
        }
        puts("no Redis on this machine (make deps-bench): it is left out");
    }
    for (size_t i = 0; i < COUNT(shapes); i++) {
        int code = run_shape(&place, &shapes[i], seconds, rounds);
        worst = code > worst ? code : worst;
    }
    reads_stop(&place);
    return worst;
}
