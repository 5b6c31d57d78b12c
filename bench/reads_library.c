/* SPDX-License-Identifier: MIT
 *
 * The same reads by libholdfast: so many handles in one thread. A handle puts what is ready into
 * one message, so many in flight cost less each than without the library.
 */
#include "bench/reads.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "client/holdfast_view.h"
#include "common/clock.h"

struct run;

struct handle {
    struct run *run;
    struct holdfast *client;
    uint64_t random;
};

struct request {
    struct handle *handle;
    int64_t sent_us;
};

struct run {
    const struct reads_load *load;
    struct reads_sample *sample;
    struct handle handles[READS_CLIENTS_MAX];
    struct request requests[READS_CLIENTS_MAX][READS_DEPTH_MAX];
    int64_t count_from_us, end_us;
    bool ending;
    const char *fault;
};

static void ask(struct request *request);

static void on_answer(void *data, struct holdfast_view_answer *answer)
{
    struct request *request = data;
    struct run *run = request->handle->run;
    int64_t now_us = clock_monotonic_us();
    bool good = answer->status == HOLDFAST_APPLIED && answer->stock_count == 1 &&
                answer->stock[0].exists && !answer->stock[0].from_owner;

    if (!good && !run->ending)
        run->fault = "an answer that is not a view's";
    holdfast_view_answer_free(&answer);
    run->sample->all++;
    if (request->sent_us >= run->count_from_us && now_us <= run->end_us) {
        run->sample->done++;
        histogram_record(&run->sample->latency, (uint64_t)(now_us - request->sent_us));
    }
    if (now_us < run->end_us && good)
        ask(request);
}

static void ask(struct request *request)
{
    struct handle *handle = request->handle;
    char sku[BENCH_SKU_BYTES];
    const char *key = sku;
    struct holdfast_view_query query = {.kind = HOLDFAST_VIEW_STOCK, .keys = &key, .key_count = 1};

    bench_sku(sku, bench_random(&handle->random) % BENCH_SKUS);
    request->sent_us = clock_monotonic_us();
    if (!holdfast_view_submit(handle->client, &query, on_answer, request, NULL, 0))
        handle->run->fault = "a read was not taken";
}

static void loop(struct run *run)
{
    struct pollfd fds[READS_CLIENTS_MAX];
    uint32_t clients = run->load->clients;

    run->count_from_us = clock_monotonic_us() + run->load->warm_us;
    run->end_us = run->count_from_us + run->load->count_us;
    for (uint32_t i = 0; i < clients; i++) {
        fds[i] = (struct pollfd){.fd = holdfast_fd(run->handles[i].client), .events = POLLIN};
        for (uint32_t d = 0; d < run->load->depth; d++)
            ask(&run->requests[i][d]);
        holdfast_process(run->handles[i].client);
    }
    while (!run->fault && clock_monotonic_us() < run->end_us) {
        int ready = poll(fds, clients, 50);
        for (uint32_t i = 0; i < clients; i++) {
            if (ready <= 0 || fds[i].revents)
                holdfast_process(run->handles[i].client);
        }
    }
    run->ending = true;
}

bool reads_library(const struct reads_place *place, const struct reads_load *load,
                   struct reads_sample *sample, char *error, size_t error_bytes)
{
    struct run *run = calloc(1, sizeof *run);
    struct holdfast_options options = {.size = sizeof options,
                                       .cluster_file = place->cluster_file,
                                       .name = "reads",
                                       .timeout_ms = 10000};
    bool opened = run != NULL;

    if (!run) {
        snprintf(error, error_bytes, "out of memory");
        return false;
    }
    run->load = load;
    run->sample = sample;
    for (uint32_t i = 0; opened && i < load->clients; i++) {
        struct handle *handle = &run->handles[i];
        *handle = (struct handle){.run = run, .random = 0x9e3779b97f4a7c15u * (i + 1)};
        handle->client = holdfast_open(&options, error, error_bytes);
        opened = handle->client != NULL;
        for (uint32_t d = 0; d < load->depth; d++)
            run->requests[i][d].handle = handle;
    }
    if (opened)
        loop(run);
    for (uint32_t i = 0; i < load->clients; i++) {
        if (run->handles[i].client)
            holdfast_close(&run->handles[i].client);
    }
    if (run->fault)
        snprintf(error, error_bytes, "%s", run->fault);
    bool good = opened && !run->fault;
    free(run);
    return good;
}
