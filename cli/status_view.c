/* SPDX-License-Identifier: MIT
 *
 * See status_view.h. Each view is asked by a handle of its own, as a handle chooses one by itself.
 */
#include "cli/status_view.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "client/holdfast_view.h"
#include "common/clock.h"

#define ASK_MS 600        /* half of it is for the view */
#define PAUSE_MS 50       /* between two questions to one that begins */
#define BEHIND_US 5000000 /* older than this is worth a complaint */

struct seen {
    struct holdfast_view_answer *answer; /* NULL: it cannot be asked */
    char fault[256];                     /* "": it is well */
};

static struct holdfast *open_one(const struct config *config, size_t i)
{
    const char *brokers[CONFIG_BROKERS_MAX], *view = config->views[i].client;
    struct holdfast_options options = {.size = sizeof(options),
                                       .brokers = brokers,
                                       .broker_count = config->broker_count,
                                       .cluster = config->name,
                                       .name = "holdfast-status",
                                       .timeout_ms = ASK_MS,
                                       .views = &view,
                                       .view_count = 1};

    for (size_t b = 0; b < config->broker_count; b++)
        brokers[b] = config->brokers[b].client;
    return holdfast_open(&options, NULL, 0);
}

static void judge(struct seen *seen, size_t i)
{
    const struct holdfast_view_answer *answer = seen->answer;

    seen->fault[0] = '\0';
    if (answer == NULL || answer->status != HOLDFAST_APPLIED || answer->view_status == NULL)
        snprintf(seen->fault, sizeof(seen->fault), "view v%zu does not answer", i + 1);
    else if (answer->unknown_partitions > 0)
        snprintf(seen->fault, sizeof(seen->fault), "view v%zu does not know %u of %u partitions",
                 i + 1, answer->unknown_partitions, answer->partitions);
    else if (answer->age_us > BEHIND_US)
        snprintf(seen->fault, sizeof(seen->fault), "view v%zu is %lld s behind", i + 1,
                 (long long)(answer->age_us / 1000000));
}

static void ask(const struct config *config, size_t i, int64_t deadline_us, struct seen *seen)
{
    static const struct holdfast_view_query query = {.kind = HOLDFAST_VIEW_STATUS,
                                                     .consistency = HOLDFAST_READ_ANY};
    struct holdfast *client = open_one(config, i);

    for (;;) {
        holdfast_view_answer_free(&seen->answer);
        if (client != NULL)
            seen->answer = holdfast_view_ask(client, &query);
        judge(seen, i);
        if (seen->fault[0] == '\0' || clock_monotonic_us() >= deadline_us)
            break;
        poll(NULL, 0, PAUSE_MS);
    }
    holdfast_close(&client);
}

static void add_number(struct json_object *object, const char *key, uint64_t number)
{
    json_object_object_add(object, key, json_object_new_int64((int64_t)number));
}

static struct json_object *describe(const struct holdfast_view_answer *answer, size_t i)
{
    struct json_object *object = json_object_new_object();
    const struct holdfast_view_status *status = answer ? answer->view_status : NULL;
    char name[32];

    snprintf(name, sizeof name, "v%zu", i + 1);
    json_object_object_add(object, "name", json_object_new_string(status ? status->name : name));
    json_object_object_add(object, "heard", json_object_new_boolean(status != NULL));
    if (status == NULL)
        return object;
    add_number(object, "age_ms", (uint64_t)answer->age_us / 1000);
    add_number(object, "partitions_known", answer->partitions - answer->unknown_partitions);
    add_number(object, "partitions", answer->partitions);
    add_number(object, "items", status->items);
    add_number(object, "levels", status->levels);
    add_number(object, "barcodes", status->barcodes);
    add_number(object, "reservations", status->reservations);
    add_number(object, "memory_bytes", status->memory_bytes);
    add_number(object, "movements", status->movements);
    add_number(object, "repairs", status->repairs);
    add_number(object, "snapshots", status->snapshots);
    add_number(object, "history_lost", status->history_lost);
    add_number(object, "queries", status->queries);
    add_number(object, "started_at_us", (uint64_t)status->started_at_us);
    return object;
}

void look_at_views(struct json_object *root, const struct config *config, int64_t wait_us,
                   struct json_object *problems)
{
    struct json_object *views = json_object_new_array();
    int64_t deadline_us = clock_monotonic_us() + wait_us;

    for (size_t i = 0; i < config->view_count; i++) {
        struct seen seen = {0};
        ask(config, i, deadline_us, &seen);
        json_object_array_add(views, describe(seen.answer, i));
        if (seen.fault[0] != '\0')
            json_object_array_add(problems, json_object_new_string(seen.fault));
        holdfast_view_answer_free(&seen.answer);
    }
    json_object_object_add(root, "views", views);
}

static int64_t number_of(struct json_object *object, const char *key)
{
    struct json_object *field;
    return json_object_object_get_ex(object, key, &field) ? json_object_get_int64(field) : 0;
}

void print_views(struct json_object *root)
{
    struct json_object *views, *name;

    if (!json_object_object_get_ex(root, "views", &views) || json_object_array_length(views) == 0)
        return;
    printf("\n%-8s %10s %10s %10s %12s %9s %8s %8s %9s\n", "VIEW", "PARTITIONS", "BEHIND", "LEVELS",
           "RESERVATIONS", "MEMORY", "REPAIRS", "LOST", "QUERIES");
    for (size_t i = 0; i < json_object_array_length(views); i++) {
        struct json_object *view = json_object_array_get_idx(views, i);
        char known[32];
        json_object_object_get_ex(view, "name", &name);
        if (number_of(view, "partitions") == 0) {
            printf("%-8s %10s\n", json_object_get_string(name), "?");
            continue;
        }
        snprintf(known, sizeof(known), "%" PRId64 "/%" PRId64, number_of(view, "partitions_known"),
                 number_of(view, "partitions"));
        printf("%-8s %10s %7" PRId64 " ms %10" PRId64 " %12" PRId64 " %6" PRId64 " MB %8" PRId64
               " %8" PRId64 " %9" PRId64 "\n",
               json_object_get_string(name), known, number_of(view, "age_ms"),
               number_of(view, "levels"), number_of(view, "reservations"),
               number_of(view, "memory_bytes") / 1000000, number_of(view, "repairs"),
               number_of(view, "history_lost"), number_of(view, "queries"));
    }
}
