/* SPDX-License-Identifier: MIT
 *
 * Many reservations in flight from one thread, in a poll loop of the program's own.
 *
 *   cc async.c $(pkg-config --cflags --libs holdfast) -o async
 *   ./async SKU COUNT [cluster.yaml]
 */
#include <holdfast.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define IN_FLIGHT 512

struct progress {
    size_t submitted, wanted;
    size_t by_kind[4];
};

static void on_result(void *data, struct holdfast_result *result)
{
    struct progress *progress = data;

    progress->by_kind[result->kind]++;
    holdfast_result_free(&result);
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    struct holdfast_options options = {.size = sizeof options, .actor = "example"};
    struct progress progress = {0};
    char error[512];

    if (argc < 3) {
        fprintf(stderr, "usage: %s SKU COUNT [cluster.yaml]\n", argv[0]);
        return 64;
    }
    if (argc > 3)
        options.cluster_file = argv[3];
    struct holdfast *client = holdfast_open(&options, error, sizeof error);
    if (!client) {
        fprintf(stderr, "%s\n", error);
        return 65;
    }
    struct holdfast_line line = {.sku = argv[1], .quantity = 1};
    struct holdfast_operation reserve = {.kind = HOLDFAST_RESERVE, .lines = &line, .line_count = 1};
    progress.wanted = strtoul(argv[2], NULL, 10);
    double start = seconds();
    while (progress.submitted < progress.wanted || holdfast_pending(client) > 0) {
        /* What is submitted together travels together. */
        while (progress.submitted < progress.wanted && holdfast_pending(client) < IN_FLIGHT) {
            if (!holdfast_submit(client, &reserve, on_result, &progress, error, sizeof error)) {
                fprintf(stderr, "%s\n", error);
                holdfast_close(&client);
                return 71;
            }
            progress.submitted++;
        }
        holdfast_process(client); /* after every submit */
        if (holdfast_pending(client) == IN_FLIGHT || progress.submitted == progress.wanted) {
            struct pollfd readable = {.fd = holdfast_fd(client), .events = POLLIN};
            poll(&readable, 1, holdfast_deadline_ms(client));
        }
    }
    double took = seconds() - start;
    printf("applied %zu, refused %zu, shed %zu, unknown %zu; %.0f a second\n", progress.by_kind[0],
           progress.by_kind[1], progress.by_kind[2], progress.by_kind[3],
           (double)progress.wanted / took);
    holdfast_close(&client);
    return 0;
}
