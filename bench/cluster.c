/* SPDX-License-Identifier: MIT
 *
 * The load on Holdfast: 64 clients of libholdfast in one thread, each with so many requests in
 * flight. A client that has been answered asks again at once, until the time is over; then what is
 * under way is waited for, so that the next round begins with empty queues.
 */
#include "bench/bench.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/holdfast.h"
#include "common/clock.h"

#define WAREHOUSE "W"
#define TIMEOUT_MS 30000
/* Operations of the preparation that are handed over at once. */
#define PREPARE_AT_ONCE 1000u

struct run;

struct request {
    struct client *client;
    int64_t begin_us;
};

struct client {
    struct run *run;
    struct holdfast *handle;
    uint64_t random;
    struct request *requests; /* load.depth of them */
    uint32_t in_flight;
};

struct run {
    const struct load *load;
    struct sample *sample;
    struct client clients[BENCH_CLIENTS];
    int64_t count_from_us, end_us;
    uint64_t submitted;
    int first_failure; /* status of the first result that was not applied */
};

static struct holdfast *open_client(const char *cluster_file, uint32_t number, char *error,
                                    size_t error_bytes)
{
    char name[32];
    snprintf(name, sizeof name, "bench-%u", number);
    struct holdfast_options options = {.size = sizeof options,
                                       .cluster_file = cluster_file,
                                       .name = name,
                                       .actor = "bench",
                                       .timeout_ms = TIMEOUT_MS,
                                       .attempt_timeout_ms = TIMEOUT_MS / 2};
    return holdfast_open(&options, error, error_bytes);
}

/* ------------------------------------------------------------- preparation */

static bool call_all(struct holdfast *client, const struct holdfast_operation *operations,
                     size_t count, char *error, size_t error_bytes)
{
    struct holdfast_result *results[PREPARE_AT_ONCE];
    holdfast_call_many(client, operations, count, results);
    bool good = true;
    for (size_t i = 0; i < count; i++) {
        if (good && results[i]->kind != HOLDFAST_KIND_APPLIED) {
            snprintf(error, error_bytes, "preparing the stock: %s %s",
                     holdfast_status_name(results[i]->status), results[i]->message);
            good = false;
        }
        holdfast_result_free(&results[i]);
    }
    return good;
}

static bool prepare_skus(struct holdfast *client, char *error, size_t error_bytes)
{
    static char skus[PREPARE_AT_ONCE][BENCH_SKU_BYTES];
    static struct holdfast_line lines[PREPARE_AT_ONCE];
    static struct holdfast_operation items[PREPARE_AT_ONCE], receipts[PREPARE_AT_ONCE];
    for (uint32_t first = 0; first < BENCH_SKUS; first += PREPARE_AT_ONCE) {
        memset(items, 0, sizeof items);
        memset(receipts, 0, sizeof receipts);
        for (uint32_t i = 0; i < PREPARE_AT_ONCE; i++) {
            bench_sku(skus[i], first + i);
            lines[i] = (struct holdfast_line){
                .sku = skus[i], .warehouse = WAREHOUSE, .quantity = BENCH_STOCK};
            items[i].kind = HOLDFAST_PUT_ITEM;
            items[i].sku = skus[i];
            items[i].text = "bench";
            receipts[i].kind = HOLDFAST_RECEIVE;
            receipts[i].lines = &lines[i];
            receipts[i].line_count = 1;
            receipts[i].reference = "bench";
        }
        if (!call_all(client, items, PREPARE_AT_ONCE, error, error_bytes) ||
            !call_all(client, receipts, PREPARE_AT_ONCE, error, error_bytes))
            return false;
    }
    return true;
}

bool cluster_prepare(const char *cluster_file, char *error, size_t error_bytes)
{
    struct holdfast *client = open_client(cluster_file, 0, error, error_bytes);
    if (!client)
        return false;
    struct holdfast_operation warehouse = {
        .kind = HOLDFAST_PUT_WAREHOUSE, .warehouse = WAREHOUSE, .text = "bench"};
    bool good = call_all(client, &warehouse, 1, error, error_bytes) &&
                prepare_skus(client, error, error_bytes);
    holdfast_close(&client);
    return good;
}

/* ------------------------------------------------------------- the load */

static bool submit(struct request *request);

static void on_result(void *data, struct holdfast_result *result)
{
    struct request *request = data;
    struct run *run = request->client->run;
    int64_t now_us = clock_monotonic_us();
    request->client->in_flight--;
    if (result->attempts > 1)
        run->sample->retried += result->attempts - 1;
    run->sample->all += result->kind == HOLDFAST_KIND_APPLIED;
    if (result->kind != HOLDFAST_KIND_APPLIED) {
        run->sample->failed++;
        if (!run->first_failure)
            run->first_failure = result->status;
    } else if (request->begin_us >= run->count_from_us && now_us <= run->end_us) {
        run->sample->done++;
        histogram_record(&run->sample->latency, (uint64_t)(now_us - request->begin_us));
    }
    holdfast_result_free(&result);
    if (now_us < run->end_us && run->submitted < BENCH_OPERATIONS_MAX)
        submit(request);
}

static bool submit(struct request *request)
{
    struct client *client = request->client;
    char sku[BENCH_SKU_BYTES];
    bench_sku(sku, bench_random(&client->random) % client->run->load->skus);
    struct holdfast_line line = {.sku = sku, .warehouse = WAREHOUSE, .quantity = 1};
    struct holdfast_operation operation = {
        .kind = HOLDFAST_RESERVE, .lines = &line, .line_count = 1, .ttl_ms = BENCH_HOLD_MS};
    request->begin_us = clock_monotonic_us();
    if (!holdfast_submit(client->handle, &operation, on_result, request, NULL, 0)) {
        client->run->sample->failed++;
        return false;
    }
    client->in_flight++;
    client->run->submitted++;
    return true;
}

static bool open_clients(struct run *run, const char *cluster_file, char *error, size_t error_bytes)
{
    for (uint32_t i = 0; i < BENCH_CLIENTS; i++) {
        struct client *client = &run->clients[i];
        client->run = run;
        client->random = 0x9e3779b97f4a7c15u * (i + 1);
        client->requests = calloc(run->load->depth, sizeof *client->requests);
        client->handle = open_client(cluster_file, i + 1, error, error_bytes);
        if (!client->requests || !client->handle) {
            if (!client->requests)
                snprintf(error, error_bytes, "%s", strerror(ENOMEM));
            return false;
        }
    }
    return true;
}

static bool turn(struct run *run, bool *busy)
{
    struct pollfd fds[BENCH_CLIENTS];
    int wait_ms = 1000;
    *busy = false;
    for (uint32_t i = 0; i < BENCH_CLIENTS; i++) {
        struct client *client = &run->clients[i];
        fds[i] = (struct pollfd){.fd = holdfast_fd(client->handle), .events = POLLIN};
        int deadline_ms = holdfast_deadline_ms(client->handle);
        wait_ms = deadline_ms < wait_ms ? deadline_ms : wait_ms;
        *busy = *busy || client->in_flight;
    }
    if (!*busy)
        return true;
    if (poll(fds, BENCH_CLIENTS, wait_ms) < 0 && errno != EINTR)
        return false;
    for (uint32_t i = 0; i < BENCH_CLIENTS; i++)
        if (fds[i].revents || wait_ms == 0 || holdfast_deadline_ms(run->clients[i].handle) == 0)
            holdfast_process(run->clients[i].handle);
    return true;
}

bool cluster_run(const char *cluster_file, const struct load *load, struct sample *sample,
                 char *error, size_t error_bytes)
{
    struct run *run = calloc(1, sizeof *run);
    if (!run) {
        snprintf(error, error_bytes, "%s", strerror(ENOMEM));
        return false;
    }
    memset(sample, 0, sizeof *sample);
    run->load = load;
    run->sample = sample;
    bool good = open_clients(run, cluster_file, error, error_bytes);
    run->count_from_us = clock_monotonic_us() + load->warm_us;
    run->end_us = run->count_from_us + load->count_us;
    sample->elapsed_us = load->count_us;
    for (uint32_t i = 0; good && i < BENCH_CLIENTS; i++) {
        for (uint32_t r = 0; r < load->depth; r++) {
            run->clients[i].requests[r].client = &run->clients[i];
            submit(&run->clients[i].requests[r]);
        }
        holdfast_process(run->clients[i].handle);
    }
    for (bool busy = good; busy && good;) {
        good = turn(run, &busy);
        if (!good)
            snprintf(error, error_bytes, "poll: %s", strerror(errno));
    }
    for (uint32_t i = 0; i < BENCH_CLIENTS; i++) {
        if (run->clients[i].handle)
            holdfast_close(&run->clients[i].handle);
        free(run->clients[i].requests);
    }
    if (good && run->first_failure)
        fprintf(stderr, "bench: %llu were not made, the first: %s\n",
                (unsigned long long)sample->failed, holdfast_status_name(run->first_failure));
    free(run);
    return good;
}
