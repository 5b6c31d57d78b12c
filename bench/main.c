/* SPDX-License-Identifier: MIT
 *
 * The comparison: Holdfast and the naive way on the same MariaDB, in turn, in one run. Called by
 * bench/run.sh with the cluster file. Prints medians, the ratio, and target, figure, met or missed.
 *
 *   bench -C cluster.yaml [--beside other.yaml --follow third.yaml] [--only writes|reads|views]
 *         [--seconds N] [--rounds N] [--depth N]
 *
 * --beside: a second cluster, without views and relays; --follow: a third, with a relay: for what
 * views and relays cost the writes.
 *
 * Exit code: 0 all targets met, 1 a target missed, 64 usage, 71 something failed.
 */
#include "bench/beside.h"
#include "bench/bench.h"
#include "bench/processor.h"
#include "bench/reads.h"

#include <getopt.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#define WARM_US 1000000
#define SECONDS_MAX 120
#define DEPTH_MAX 256

enum side { SIDE_HOLDFAST, SIDE_NAIVE, SIDE_ALONE, SIDE_COUNT };

static const char *const side_names[SIDE_COUNT] = {"Holdfast", "SELECT FOR UPDATE",
                                                   "Holdfast, 1 in flight"};

struct scenario {
    const char *name;
    uint32_t skus;
    double target; /* times the naive way */
};

static const struct scenario scenarios[] = {
    {"all on one SKU", 1, 60},
    {"spread over 10,000 SKUs", BENCH_SKUS, 12},
};

struct figures {
    double rate[BENCH_ROUNDS_MAX];
    double cost_us[BENCH_ROUNDS_MAX]; /* processor time per reservation */
    struct histogram latency;
    uint64_t retried, failed;
};

/* Of a round of writes, a round of reads lasts this share: there are more sides. */
#define READS_SHARE 4

struct settings {
    const char *cluster_file, *beside, *follow, *only;
    char folder[4096]; /* of the cluster file */
    long seconds, rounds, depth;
};

void bench_sku(char text[BENCH_SKU_BYTES], uint32_t number)
{
    snprintf(text, BENCH_SKU_BYTES, "bench-%05u", number % BENCH_SKUS);
}

static int by_size(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return left < right ? -1 : left > right;
}

double bench_median(const double *values, long count)
{
    double sorted[BENCH_ROUNDS_MAX];
    memcpy(sorted, values, (size_t)count * sizeof *values);
    qsort(sorted, (size_t)count, sizeof *sorted, by_size);
    return count % 2 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

static bool run_side(const struct settings *settings, const struct config_shard *shard,
                     const struct scenario *scenario, enum side side, long round,
                     struct figures *figures)
{
    static struct sample sample;
    char error[512];
    struct load load = {.skus = scenario->skus,
                        .depth = side == SIDE_HOLDFAST ? (uint32_t)settings->depth : 1,
                        .warm_us = WARM_US,
                        .count_us = settings->seconds * 1000000};
    int64_t processor_before_us = processor_us(settings->folder);
    bool good = side == SIDE_NAIVE
                    ? naive_run(shard, &load, &sample, error, sizeof error)
                    : cluster_run(settings->cluster_file, &load, &sample, error, sizeof error);
    int64_t used_us = processor_us(settings->folder) - processor_before_us;
    if (!good) {
        fprintf(stderr, "bench: %s\n", error);
        return false;
    }
    figures->cost_us[round] = sample.all ? (double)used_us / (double)sample.all : 0;
    figures->rate[round] = (double)sample.done * 1e6 / (double)sample.elapsed_us;
    figures->retried += sample.retried;
    figures->failed += sample.failed;
    histogram_merge(&figures->latency, &sample.latency);
    printf("  %-8ld %-22s %10.0f %9.2f %9.2f %9.0f\n", round + 1, side_names[side],
           figures->rate[round], (double)histogram_percentile(&sample.latency, 50) / 1e3,
           (double)histogram_percentile(&sample.latency, 99) / 1e3, figures->cost_us[round]);
    fflush(stdout);
    return true;
}

/* 0 met, 1 missed, or EX_OSERR. */
static int run_scenario(const struct settings *settings, const struct config_shard *shard,
                        const struct scenario *scenario)
{
    static struct figures figures[SIDE_COUNT];
    memset(figures, 0, sizeof figures);
    printf("\n%s\n  %-8s %-22s %10s %9s %9s %9s\n", scenario->name, "round", "", "a second",
           "p50 ms", "p99 ms", "cpu us");
    for (long round = 0; round < settings->rounds; round++)
        for (int side = 0; side < SIDE_COUNT; side++)
            if (!run_side(settings, shard, scenario, (enum side)side, round, &figures[side]))
                return EX_OSERR;
    double rates[SIDE_COUNT];
    for (int side = 0; side < SIDE_COUNT; side++) {
        const struct figures *f = &figures[side];
        rates[side] = bench_median(f->rate, settings->rounds);
        printf("  %-8s %-22s %10.0f %9.2f %9.2f %9.0f", "median", side_names[side], rates[side],
               (double)histogram_percentile(&f->latency, 50) / 1e3,
               (double)histogram_percentile(&f->latency, 99) / 1e3,
               bench_median(f->cost_us, settings->rounds));
        if (f->retried || f->failed)
            printf("   %llu sent again, %llu not made", (unsigned long long)f->retried,
                   (unsigned long long)f->failed);
        putchar('\n');
    }
    double ratio = rates[SIDE_NAIVE] > 0 ? rates[SIDE_HOLDFAST] / rates[SIDE_NAIVE] : 0;
    printf("  target %.0f times, figure %.1f times: %s\n", scenario->target, ratio,
           ratio >= scenario->target ? "met" : "MISSED");
    if (figures[SIDE_HOLDFAST].failed)
        puts("  a reservation was not made, which counts as a miss");
    return ratio >= scenario->target && !figures[SIDE_HOLDFAST].failed ? 0 : 1;
}

static bool in_range(long value, long max)
{
    return value >= 1 && value <= max;
}

static bool parse_settings(int argc, char **argv, struct settings *settings)
{
    static const struct option options[] = {
        {"seconds", required_argument, NULL, 's'},
        {"rounds", required_argument, NULL, 'r'},
        {"depth", required_argument, NULL, 'd'},
        {"beside", required_argument, NULL, 'b'},
        {"only", required_argument, NULL, 'o'},
        {"follow", required_argument, NULL, 'f'},
        {NULL, 0, NULL, 0},
    };
    *settings = (struct settings){.seconds = 5, .rounds = 3, .depth = 16};
    for (int c; (c = getopt_long(argc, argv, "C:", options, NULL)) != -1;) {
        if (c == 'C')
            settings->cluster_file = optarg;
        else if (c == 's')
            settings->seconds = strtol(optarg, NULL, 10);
        else if (c == 'r')
            settings->rounds = strtol(optarg, NULL, 10);
        else if (c == 'd')
            settings->depth = strtol(optarg, NULL, 10);
        else if (c == 'b')
            settings->beside = optarg;
        else if (c == 'f')
            settings->follow = optarg;
        else if (c == 'o')
            settings->only = optarg;
        else
            return false;
    }
    return optind == argc && settings->cluster_file && in_range(settings->seconds, SECONDS_MAX) &&
           in_range(settings->rounds, BENCH_ROUNDS_MAX) && in_range(settings->depth, DEPTH_MAX) &&
           (!settings->only || strcmp(settings->only, "writes") == 0 ||
            strcmp(settings->only, "reads") == 0 ||
            (strcmp(settings->only, "views") == 0 && settings->beside && settings->follow));
}

static bool wants(const struct settings *settings, const char *what)
{
    return !settings->only || strcmp(settings->only, what) == 0;
}

int main(int argc, char **argv)
{
    struct settings settings;
    if (argc == 4 && strcmp(argv[1], "--echo") == 0)
        return reads_echo_main(argv[2], strtoul(argv[3], NULL, 10));
    if (argc == 3 && strcmp(argv[1], "--follow") == 0)
        return beside_follow_main(argv[2]);
    if (!parse_settings(argc, argv, &settings)) {
        fputs("usage: bench -C cluster.yaml [--beside other.yaml --follow third.yaml] "
              "[--only writes|reads|views] [--seconds N] [--rounds N] [--depth N]\n",
              stderr);
        return EX_USAGE;
    }
    static struct config config;
    char error[2048];
    if (!config_read(&config, settings.cluster_file, error, sizeof error)) {
        fprintf(stderr, "bench: %s\n", error);
        return EX_DATAERR;
    }
    snprintf(settings.folder, sizeof settings.folder, "%s", settings.cluster_file);
    dirname(settings.folder);
    if (config.shard_count != 1 || !*config.shards[0].servers[0].socket) {
        fputs("bench: the comparison needs a cluster of one shard on a socket of its own\n",
              stderr);
        return EX_USAGE;
    }
    if (wants(&settings, "writes"))
        printf("%u clients on either side. Holdfast: each with %ld requests in flight, and for\n"
               "comparison with 1; directly: 1 transaction of 6 round trips each. %ld rounds of "
               "%ld s\n"
               "in turn, after a second of warming up; latency as a client sees it;\n"
               "processor time of all processes, clients included, per reservation.\n",
               BENCH_CLIENTS, settings.depth, settings.rounds, settings.seconds);
    bool writes = wants(&settings, "writes");
    bool views = settings.beside && settings.follow && wants(&settings, "views");
    if (!cluster_prepare(settings.cluster_file, error, sizeof error) ||
        (writes && !naive_prepare(&config.shards[0], error, sizeof error)) ||
        (views && (!cluster_prepare(settings.beside, error, sizeof error) ||
                   !cluster_prepare(settings.follow, error, sizeof error)))) {
        fprintf(stderr, "bench: %s\n", error);
        return EX_OSERR;
    }
    int worst = 0;
    if (wants(&settings, "reads")) {
        long seconds = settings.seconds / READS_SHARE;
        worst = reads_compare(settings.cluster_file, settings.folder, &config,
                              seconds > 0 ? seconds : 1, settings.rounds);
    }
    for (size_t i = 0; wants(&settings, "writes") && i < sizeof scenarios / sizeof *scenarios;
         i++) {
        int code = run_scenario(&settings, &config.shards[0], &scenarios[i]);
        worst = code > worst ? code : worst;
    }
    if (views) {
        struct beside beside = {
            .without = settings.beside, .view = settings.cluster_file, .relay = settings.follow};
        int code =
            beside_compare(&beside, settings.seconds, settings.rounds, (uint32_t)settings.depth);
        worst = code > worst ? code : worst;
    }
    return worst;
}
