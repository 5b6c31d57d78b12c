/* SPDX-License-Identifier: MIT
 *
 * The demo's program, called by demo/run.sh:
 *
 *   replay opening --out FILE      writes the opening stock for `holdfast import`
 *   replay run [-C cluster.yaml]   replays the file, tells what happened, and proves the sums
 *
 * --run FILE keeps when a run began, which is part of its operations. With the same file a run is
 * repeated: what was done before is answered again and not done again.
 *
 * Exit codes are those of the command line (0 good, 1 a proof failed, 64 usage, 65 a file, 71 the
 * system), or that of the result that stopped it.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "demo/live.h"
#include "demo/report.h"

#define TIMEOUT_MS 30000
#define ERROR_BYTES 512

struct settings {
    const char *data;
    const char *tables;
    const char *out;
    const char *cluster_file;
    const char *run_file;
};

static int usage(void)
{
    fputs(
        "usage: replay opening --out FILE [--data FILE] [--tables DIR]\n"
        "       replay run [-C cluster.yaml] [--run FILE] [--data FILE] [--tables DIR]\n"
        "       replay live [-C cluster.yaml] [--data FILE] [--tables DIR]\n"
        "--run FILE: where the run is remembered; with the same file it is repeated, and nothing\n"
        "is done twice. live: the sales again as new orders, two lines a second, until it is told\n"
        "to end\n",
        stderr);
    return EX_USAGE;
}

static bool parse_settings(int argc, char **argv, struct settings *settings)
{
    static const struct option options[] = {
        {"data", required_argument, NULL, 'd'},
        {"tables", required_argument, NULL, 't'},
        {"out", required_argument, NULL, 'o'},
        {"run", required_argument, NULL, 'r'},
        {NULL, 0, NULL, 0},
    };
    *settings = (struct settings){.data = "demo/data/online-retail.csv", .tables = "demo"};
    for (int c; (c = getopt_long(argc, argv, "C:", options, NULL)) != -1;) {
        if (c == 'C')
            settings->cluster_file = optarg;
        else if (c == 'd')
            settings->data = optarg;
        else if (c == 't')
            settings->tables = optarg;
        else if (c == 'o')
            settings->out = optarg;
        else if (c == 'r')
            settings->run_file = optarg;
        else
            return false;
    }
    return optind == argc;
}

static int write_opening(const struct retail *retail, const struct settings *settings)
{
    size_t lines;
    uint64_t units[WAREHOUSE_COUNT];
    if (!opening_write(retail, settings->out, &lines, units)) {
        fprintf(stderr, "replay: could not write \"%s\": %s\n", settings->out, strerror(errno));
        return EX_OSERR;
    }
    uint64_t sold = 0, written_off = 0;
    size_t skus = 0;
    for (size_t i = 0; i < retail->sku_count; i++) {
        skus += retail->skus[i].sold > 0;
        sold += retail->skus[i].sold;
        written_off += retail->skus[i].written_off;
    }
    printf("  the file names %zu SKUs, sells %llu units of %zu, and writes off %llu units\n",
           retail->sku_count, (unsigned long long)sold, skus, (unsigned long long)written_off);
    printf(
        "  opening stock: 80%% of what it sells, rounded up to packs of six (half to Leeds, 3 of\n"
        "  10 packs to Bristol, the rest to London), and in London what it writes off:\n"
        "  %zu lines;",
        lines);
    for (size_t w = 0; w < WAREHOUSE_COUNT; w++)
        printf(" %llu units in %s%s", (unsigned long long)units[w], demo_warehouses[w].code,
               w + 1 < WAREHOUSE_COUNT ? "," : "\n");
    return 0;
}

static bool report_all(const struct retail *retail, const struct replay_totals *totals,
                       const struct sku_tally *tallies, const struct stock_figures *before,
                       const struct stock_figures *after)
{
    fputc('\n', stdout);
    report_orders(stdout, retail, totals);
    fputc('\n', stdout);
    report_corrections(stdout, retail);
    fputc('\n', stdout);
    report_aside(stdout, retail);
    fputc('\n', stdout);
    report_stock(stdout, before, after);
    fputc('\n', stdout);
    report_speed(stdout, totals);
    fputc('\n', stdout);
    bool lines = report_lines_add_up(stdout, retail);
    fputc('\n', stdout);
    bool stock = report_stock_adds_up(stdout, retail, tallies, after);
    return lines && stock;
}

/* When the run began, from its file, or now, which the file is then told. False with error. */
static bool remember_run(const char *path, struct replay_options *options, char *error,
                         size_t error_bytes)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    options->began_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
    options->again = false;
    if (!path)
        return true;
    FILE *file = fopen(path, "r");
    if (file) {
        options->again = fscanf(file, "%" SCNd64, &options->began_us) == 1;
        fclose(file);
        if (!options->again)
            snprintf(error, error_bytes, "\"%s\" does not say when a run began", path);
        return options->again;
    }
    file = errno == ENOENT ? fopen(path, "w") : NULL;
    bool good = file && fprintf(file, "%" PRId64 "\n", options->began_us) > 0;
    if (file && fclose(file) != 0)
        good = false;
    if (!good)
        snprintf(error, error_bytes, "could not write \"%s\": %s", path, strerror(errno));
    return good;
}

static int replay_against(struct holdfast *client, struct retail *retail,
                          const struct settings *settings)
{
    char error[ERROR_BYTES];
    struct stock_figures before = {0}, after = {0};
    struct replay_totals totals = {0};
    struct replay_options options = {.progress = stdout};
    struct sku_tally *tallies = calloc(retail->sku_count, sizeof *tallies);
    int code = EX_OSERR;
    bool good = tallies && remember_run(settings->run_file, &options, error, sizeof error) &&
                stock_read(client, retail, &before, error, sizeof error);
    if (!tallies)
        snprintf(error, sizeof error, "%s", strerror(ENOMEM));
    if (good) {
        report_before(stdout, retail, &before);
        for (size_t i = 0; i < retail->sku_count; i++)
            tallies[i].partition = before.partitions[i];
        bool ran = replay_run(client, retail, tallies, &options, &totals, error, sizeof error);
        char why[ERROR_BYTES];
        good = stock_read(client, retail, &after, ran ? error : why, ERROR_BYTES) && ran;
    }
    if (good)
        code = report_all(retail, &totals, tallies, &before, &after) ? 0 : 1;
    else
        fprintf(stderr, "replay: %s\n", error);
    stock_release(&before);
    stock_release(&after);
    free(tallies);
    return code;
}

static volatile int stop;

static void on_stop(int number)
{
    (void)number;
    stop = 1;
}

static int run(struct retail *retail, const struct settings *settings, bool live)
{
    char error[ERROR_BYTES];
    struct holdfast_options options = {.size = sizeof options,
                                       .cluster_file = settings->cluster_file,
                                       .name = "demo",
                                       .actor = "demo",
                                       .timeout_ms = TIMEOUT_MS};
    struct holdfast *client = holdfast_open(&options, error, sizeof error);
    if (!client) {
        fprintf(stderr, "replay: %s\n", error);
        return EX_DATAERR;
    }
    int code = EXIT_SUCCESS;
    if (live) {
        (void)signal(SIGTERM, on_stop);
        (void)signal(SIGINT, on_stop);
        live_run(client, retail, &stop);
    } else {
        code = replay_against(client, retail, settings);
    }
    holdfast_close(&client);
    return code;
}

int main(int argc, char **argv)
{
    struct settings settings;
    if (argc < 2 || !parse_settings(argc - 1, argv + 1, &settings))
        return usage();
    bool opening = strcmp(argv[1], "opening") == 0, live = strcmp(argv[1], "live") == 0;
    if (opening ? !settings.out : !live && strcmp(argv[1], "run") != 0)
        return usage();

    char error[ERROR_BYTES];
    struct retail retail;
    int code = EX_DATAERR;
    if (!retail_read(&retail, settings.data, settings.tables, error, sizeof error))
        fprintf(stderr, "replay: %s\n", error);
    else
        code = opening ? write_opening(&retail, &settings) : run(&retail, &settings, live);
    retail_release(&retail);
    return code;
}
