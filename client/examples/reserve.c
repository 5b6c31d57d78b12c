/* SPDX-License-Identifier: MIT
 *
 * Reserves, purchases and ships units of one sku, waiting for each result.
 *
 *   cc reserve.c $(pkg-config --cflags --libs holdfast) -o reserve
 *   ./reserve SKU QUANTITY [cluster.yaml]
 *
 * It exits with the code of the result that it stopped at, as the command line does.
 */
#include <holdfast.h>

#include <stdio.h>
#include <stdlib.h>

/* Calls, says what came back, and gives the exit code. The kind tells what to do next. */
static int call(struct holdfast *client, const char *what, struct holdfast_operation *operation,
                char reservation[64])
{
    /* Whoever must survive a crash writes the id down before calling. */
    char id[37];
    holdfast_new_operation_id(id);
    operation->operation_id = id;

    struct holdfast_result *result = holdfast_call(client, operation);
    int code = holdfast_status_exit(result->status);
    fprintf(code ? stderr : stdout, "%s: %s %s\n", what, holdfast_status_name(result->status),
            result->message);
    switch (result->kind) {
    case HOLDFAST_KIND_APPLIED:
        if (result->reservation)
            snprintf(reservation, 64, "%s", result->reservation->reservation);
        break;
    case HOLDFAST_KIND_REFUSED: /* certainly nothing happened */
        for (size_t i = 0; i < result->shortage_count; i++)
            fprintf(stderr, "%s: %u wanted, %u there\n", result->shortages[i].sku,
                    result->shortages[i].requested, result->shortages[i].available);
        break;
    case HOLDFAST_KIND_SHED: /* certainly nothing happened: call again later */
        break;
    case HOLDFAST_KIND_UNKNOWN: /* call again with the same id, or settle it */
        fprintf(stderr, "operation id: %s\n", id);
        break;
    }
    holdfast_result_free(&result);
    return code;
}

int main(int argc, char **argv)
{
    struct holdfast_options options = {.size = sizeof options, .actor = "example"};
    char error[512], reservation[64] = "";

    if (argc < 3) {
        fprintf(stderr, "usage: %s SKU QUANTITY [cluster.yaml]\n", argv[0]);
        return 64;
    }
    if (argc > 3)
        options.cluster_file = argv[3];
    struct holdfast *client = holdfast_open(&options, error, sizeof error);
    if (!client) {
        fprintf(stderr, "%s\n", error);
        return 65;
    }
    struct holdfast_line line = {.sku = argv[1], .quantity = (uint32_t)strtoul(argv[2], NULL, 10)};
    struct holdfast_operation reserve = {.kind = HOLDFAST_RESERVE, .lines = &line, .line_count = 1};
    struct holdfast_operation purchase = {.kind = HOLDFAST_PURCHASE, .reservation = reservation};
    struct holdfast_operation ship = {.kind = HOLDFAST_SHIP, .reservation = reservation};

    int code = call(client, "reserve", &reserve, reservation);
    if (code == 0)
        code = call(client, "purchase", &purchase, reservation);
    if (code == 0)
        code = call(client, "ship", &ship, reservation);
    if (reservation[0])
        printf("%s\n", reservation);
    holdfast_close(&client);
    return code;
}
