/* SPDX-License-Identifier: MIT
 *
 * Load by libholdfast for tests/faults/32-overload.py: one group of clients, all in one thread,
 * that reserve (or release what they reserved before, or receive) either as fast as they are
 * answered, each with so many under way, or at a fixed rate whatever the answers are. It tells what
 * they heard, and judges nothing.
 *
 * usage: overload --cluster FILE --clients N --seconds S [--warm S] [--depth N | --rate PER_SECOND]
 *                 [--timeout-ms N] [--class service|interactive|bulk] [--release | --receive]
 * SKU...
 *
 * Output: `name value` a line. What was told in the S seconds after the warm-up counts.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "client/holdfast.h"
#include "common/clock.h"
#include "common/histogram.h"

#define CLIENTS_MAX 256
#define TICK_MS 2
#define RESERVATION_TEXT 32
#define KINDS 4

struct client {
    struct holdfast *handle;
    uint32_t in_flight;
};

struct request {
    struct client *client;
    int64_t begin_us;
};

static struct {
    const char *cluster;
    unsigned clients, depth;
    double seconds, warm, rate;
    long timeout_ms;
    enum holdfast_class op_class;
    bool releases, receives;
    const char *const *skus;
    unsigned sku_count;
} options = {.clients = 8, .depth = 16, .seconds = 2, .warm = 1, .timeout_ms = 5000};

static struct client clients[CLIENTS_MAX];
static uint64_t submitted, heard, told[KINDS], turned_away, next_sku;
static struct histogram took[KINDS];
static char (*reservations)[RESERVATION_TEXT];
static uint64_t reservation_count, next_release;
static bool preparing, counting;

static void die(const char *what, const char *which)
{
    fprintf(stderr, "overload: %s: %s\n", what, which);
    exit(64);
}

static void keep_reservation(const struct holdfast_result *result)
{
    if (reservation_count % 1024 == 0)
        reservations = realloc(reservations, (reservation_count + 1024) * sizeof *reservations);
    if (!reservations || !result->reservation)
        die("no reservation", holdfast_status_name(result->status));
    snprintf(reservations[reservation_count++], RESERVATION_TEXT, "%s",
             result->reservation->reservation);
}

static void on_result(void *data, struct holdfast_result *result)
{
    struct request *request = data;
    enum holdfast_kind kind = holdfast_status_kind(result->status);

    request->client->in_flight--;
    heard++;
    if (preparing)
        keep_reservation(result);
    if (counting) {
        told[kind]++;
        histogram_record(&took[kind], (uint64_t)(clock_monotonic_us() - request->begin_us));
    }
    holdfast_result_free(&result);
    free(request);
}

/* False: the library took no more. */
static bool submit(struct client *client)
{
    struct holdfast_line line = {
        .sku = options.skus[next_sku++ % options.sku_count], .warehouse = "W", .quantity = 1};
    struct holdfast_operation operation = {.kind = options.receives ? HOLDFAST_RECEIVE
                                                                    : HOLDFAST_RESERVE,
                                           .lines = &line,
                                           .line_count = 1,
                                           .ttl_ms = 3600000};
    struct request *request = malloc(sizeof *request);

    if (options.releases && !preparing)
        operation = (struct holdfast_operation){.kind = HOLDFAST_RELEASE,
                                                .reservation = reservations[next_release++]};
    if (!request)
        die("memory", "out of it");
    *request = (struct request){client, clock_monotonic_us()};
    client->in_flight++;
    if (holdfast_submit(client->handle, &operation, on_result, request, NULL, 0)) {
        submitted++;
        return true;
    }
    client->in_flight--;
    free(request);
    return false;
}

static void process(void)
{
    struct pollfd fds[CLIENTS_MAX];

    for (unsigned i = 0; i < options.clients; i++)
        fds[i] = (struct pollfd){.fd = holdfast_fd(clients[i].handle), .events = POLLIN};
    (void)poll(fds, options.clients, TICK_MS);
    for (unsigned i = 0; i < options.clients; i++)
        holdfast_process(clients[i].handle);
}

static bool may_release(void)
{
    return !options.releases || next_release < reservation_count;
}

/* What is due by now: up to the depth, or up to the rate. */
static void submit_due(int64_t begun_us, int64_t now_us)
{
    static unsigned turn;
    static uint64_t due_before;

    if (options.rate > 0) {
        uint64_t due = (uint64_t)((double)(now_us - begun_us) * options.rate / 1e6);
        for (; due_before < due && may_release(); due_before++) {
            if (!submit(&clients[turn++ % options.clients]))
                turned_away++;
        }
        return;
    }
    for (unsigned i = 0; i < options.clients; i++) {
        while (clients[i].in_flight < options.depth && may_release()) {
            if (!submit(&clients[i]))
                break;
        }
    }
}

static void prepare(void)
{
    uint64_t wanted = (uint64_t)(options.rate * (options.seconds + options.warm)) + 1;

    preparing = true;
    for (uint64_t n = 0; n < wanted; n++) {
        while (clients[n % options.clients].in_flight >= 256)
            process();
        (void)submit(&clients[n % options.clients]);
    }
    while (reservation_count < wanted)
        process();
    preparing = false;
    puts("prepared");
    fflush(stdout);
    if (getchar() == EOF) /* the test says when to begin */
        exit(0);
}

static void run(void)
{
    int64_t begun_us = clock_monotonic_us();
    int64_t from_us = begun_us + (int64_t)(options.warm * 1e6);
    int64_t until_us = from_us + (int64_t)(options.seconds * 1e6);
    int64_t now_us;

    while ((now_us = clock_monotonic_us()) < until_us) {
        counting = now_us >= from_us;
        submit_due(begun_us, now_us);
        process();
    }
    counting = false;
    if (options.rate > 0 && !options.releases)
        return; /* what is under way is given up */
    int64_t give_up_us = now_us + options.timeout_ms * 1000 + 10000000;
    while (heard < submitted && clock_monotonic_us() < give_up_us)
        process();
}

static void print(void)
{
    static const char *const kinds[KINDS] = {"applied", "refused", "shed", "unknown"};

    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    printf("turned_away %llu\nunanswered %llu\n", (unsigned long long)turned_away,
           (unsigned long long)(submitted - heard));
    printf("cpu_ms %ld\n", (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
                               (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000);
    for (int k = 0; k < KINDS; k++) {
        printf("%s %llu\n", kinds[k], (unsigned long long)told[k]);
        printf("%s_p50_us %llu\n", kinds[k],
               (unsigned long long)histogram_percentile(&took[k], 50));
        printf("%s_p99_us %llu\n", kinds[k],
               (unsigned long long)histogram_percentile(&took[k], 99));
        printf("%s_max_us %llu\n", kinds[k], (unsigned long long)took[k].max);
    }
}

static enum holdfast_class read_class(const char *text)
{
    static const char *const names[] = {"service", "interactive", "bulk"};

    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(text, names[i]) == 0)
            return (enum holdfast_class)i;
    }
    die("no such class", text);
    return HOLDFAST_CLASS_SERVICE;
}

static void read_options(int argc, char **argv)
{
    int i = 1;

    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        const char *name = argv[i] + 2;
        if (strcmp(name, "release") == 0) {
            options.releases = true;
            continue;
        }
        if (strcmp(name, "receive") == 0) {
            options.receives = true;
            continue;
        }
        const char *value = i + 1 < argc ? argv[++i] : "";
        if (strcmp(name, "cluster") == 0)
            options.cluster = value;
        else if (strcmp(name, "clients") == 0)
            options.clients = (unsigned)atoi(value);
        else if (strcmp(name, "depth") == 0)
            options.depth = (unsigned)atoi(value);
        else if (strcmp(name, "seconds") == 0)
            options.seconds = atof(value);
        else if (strcmp(name, "warm") == 0)
            options.warm = atof(value);
        else if (strcmp(name, "rate") == 0)
            options.rate = atof(value);
        else if (strcmp(name, "timeout-ms") == 0)
            options.timeout_ms = atol(value);
        else if (strcmp(name, "class") == 0)
            options.op_class = read_class(value);
        else
            die("unknown option", name);
    }
    options.skus = (const char *const *)&argv[i];
    options.sku_count = (unsigned)(argc - i);
    if (options.sku_count == 0 || options.clients == 0 || options.clients > CLIENTS_MAX)
        die("usage", "see its first lines");
}

int main(int argc, char **argv)
{
    char error[256];

    read_options(argc, argv);
    for (int k = 0; k < KINDS; k++)
        histogram_init(&took[k]);
    struct holdfast_options handle = {.size = sizeof handle,
                                      .cluster_file = options.cluster,
                                      .timeout_ms = options.timeout_ms,
                                      .op_class = options.op_class};
    for (unsigned i = 0; i < options.clients; i++) {
        clients[i].handle = holdfast_open(&handle, error, sizeof error);
        if (!clients[i].handle)
            die("could not open a client", error);
    }
    if (options.releases)
        prepare();
    run();
    print();
    for (unsigned i = 0; i < options.clients; i++)
        holdfast_close(&clients[i].handle);
    free(reservations);
    return 0;
}
