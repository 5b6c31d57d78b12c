/* SPDX-License-Identifier: MIT
 *
 * The plan of `holdfast up`. See plan.h.
 *
 * It never changes a cluster.yaml that is there: people edit limits and windows in it.
 */
#include "up/plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "protocol/header.h"
#include "protocol/text.h"

#define SHARDS_DEFAULT 1
#define WORKERS_DEFAULT 2
#define BROKERS_DEFAULT 1
#define VIEWS_DEFAULT 1
#define RELAYS_DEFAULT 1
#define PARTITIONS_DEFAULT 64

static const struct {
    const char *option;
    uint64_t least, most;
} counts[] = {
    {"shards", 1, CONFIG_SHARDS_MAX},   {"workers", 1, UP_WORKERS_MAX},
    {"brokers", 1, CONFIG_BROKERS_MAX}, {"views", 0, CONFIG_VIEWS_MAX},
    {"relays", 0, CONFIG_RELAYS_MAX},   {"partitions", 1, PARTITIONS_MAX},
};

static int check_counts(const struct invocation *invocation)
{
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        uint64_t number = option_number(invocation, counts[i].option, 1);
        if (number < counts[i].least || number > counts[i].most)
            return usage_error(invocation, "--%s must be %llu to %llu", counts[i].option,
                               (unsigned long long)counts[i].least,
                               (unsigned long long)counts[i].most);
    }
    if (option_number(invocation, "partitions", PARTITIONS_DEFAULT) <
        option_number(invocation, "shards", SHARDS_DEFAULT))
        return usage_error(invocation, "there must be at least as many partitions as shards");
    return 0;
}

/* ------------------------------------------------------------- a cluster that there is */

bool plan_was_moved(const struct plan *plan, char *error, size_t error_bytes)
{
    struct marker marker;

    if (!layout_is_ours(&plan->layout, &marker) || strcmp(marker.dir, plan->layout.dir) == 0)
        return false;
    snprintf(error, error_bytes,
             "this cluster was made as \"%s\", which its files name: move it back", marker.dir);
    return true;
}

bool plan_read(struct plan *plan, char *error, size_t error_bytes)
{
    struct marker marker;

    if (!layout_is_ours(&plan->layout, &marker)) {
        snprintf(error, error_bytes, "\"%s\" is not a cluster of `holdfast up`", plan->layout.dir);
        return false;
    }
    if (plan_was_moved(plan, error, error_bytes))
        return false;
    if (!config_read(&plan->config, plan->layout.cluster_file, error, error_bytes))
        return false;
    plan->workers = marker.workers;
    return true;
}

int plan_check_options(const struct invocation *invocation, const struct plan *plan)
{
    const struct {
        const char *option;
        uint64_t there;
        const char *why;
    } fixed[] = {
        {"shards", plan->config.shard_count, "the number is fixed when the cluster is made"},
        {"partitions", plan->config.partitions, "the number is fixed when the cluster is made"},
        {"brokers", plan->config.broker_count, "take it down and edit brokers in cluster.yaml"},
        {"views", plan->config.view_count, "take it down and edit views in cluster.yaml"},
        {"relays", plan->config.relay_count, "take it down and edit relays in cluster.yaml"},
    };

    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        uint64_t asked = option_number(invocation, fixed[i].option, fixed[i].there);
        if (asked != fixed[i].there) {
            complain("up", "this cluster has %llu %s, not %llu: %s",
                     (unsigned long long)fixed[i].there, fixed[i].option, (unsigned long long)asked,
                     fixed[i].why);
            return EX_USAGE;
        }
    }
    return 0;
}

/* The file may have been edited: each shard must still be the server that we start. */
static bool check_servers(const struct plan *plan, char *error, size_t error_bytes)
{
    char socket[LAYOUT_PATH_BYTES + 80];

    for (size_t i = 0; i < plan->config.shard_count; i++) {
        const struct config_shard *shard = &plan->config.shards[i];
        snprintf(socket, sizeof socket, "%s/%s.sock", plan->layout.sockets, shard->name);
        if (shard->server_count == 1 && strcmp(shard->servers[0].socket, socket) == 0)
            continue;
        snprintf(error, error_bytes,
                 "cluster.yaml: shard %s is not the private server with the socket %s that `up` "
                 "starts",
                 shard->name, socket);
        return false;
    }
    return true;
}

void plan_keep_sockets(struct plan *plan)
{
    /* cluster.yaml names it; a file without shards gives "" here and changes nothing. */
    const char *socket = plan->config.shards[0].servers[0].socket;
    const char *slash = strrchr(socket, '/');
    if (slash && slash > socket)
        snprintf(plan->layout.sockets, sizeof plan->layout.sockets, "%.*s", (int)(slash - socket),
                 socket);
}

/* ------------------------------------------------------------- a new one */

/* A peer that names another cluster is refused, so the folder's name makes a good one. */
static void choose_name(const struct layout *layout, char name[CONFIG_NAME_BYTES])
{
    const char *last = strrchr(layout->dir, '/') + 1;
    bool good = code_fault(last, strlen(last)) == NULL;
    snprintf(name, CONFIG_NAME_BYTES, "%.64s", good ? last : "holdfast");
}

static bool fill_shards(struct plan *plan, char *error, size_t error_bytes)
{
    for (size_t i = 0; i < plan->config.shard_count; i++) {
        struct config_shard *shard = &plan->config.shards[i];
        char path[LAYOUT_PATH_BYTES];
        snprintf(shard->name, sizeof shard->name, "s%zu", i + 1);
        snprintf(shard->durability, sizeof shard->durability, "single");
        snprintf(shard->database, sizeof shard->database, "holdfast");
        snprintf(shard->user, sizeof shard->user, "holdfast");
        layout_shard_path(&plan->layout, shard->name, "password", path, sizeof path);
        if (strlen(path) >= sizeof shard->password_file) {
            snprintf(error, error_bytes, "the folder's path is too long");
            return false;
        }
        memcpy(shard->password_file, path, strlen(path) + 1);
        shard->server_count = 1;
        shard->servers[0].port = 3306;
        snprintf(shard->servers[0].socket, sizeof shard->servers[0].socket, "%.160s/%s.sock",
                 plan->layout.sockets, shard->name);
    }
    return true;
}

static void fill_brokers(struct plan *plan)
{
    for (size_t i = 0; i < plan->config.broker_count; i++) {
        struct config_broker *broker = &plan->config.brokers[i];
        const struct {
            char *endpoint;
            const char *what;
        } all[] = {{broker->client, "client"},
                   {broker->worker, "worker"},
                   {broker->publish, "publish"},
                   {broker->changes, "changes"},
                   {broker->state, "state"}};
        for (size_t j = 0; j < sizeof all / sizeof all[0]; j++)
            snprintf(all[j].endpoint, CONFIG_ENDPOINT_BYTES, "ipc://%.160s/b%zu.%s",
                     plan->layout.sockets, i + 1, all[j].what);
    }
}

static void fill_views(struct plan *plan)
{
    for (size_t i = 0; i < plan->config.view_count; i++)
        snprintf(plan->config.views[i].client, CONFIG_ENDPOINT_BYTES, "ipc://%.160s/v%zu.client",
                 plan->layout.sockets, i + 1);
}

static void fill_relays(struct plan *plan)
{
    for (size_t i = 0; i < plan->config.relay_count; i++)
        snprintf(plan->config.relays[i].client, CONFIG_ENDPOINT_BYTES, "ipc://%.160s/r%zu.client",
                 plan->layout.sockets, i + 1);
}

static bool make_config(const struct invocation *invocation, struct plan *plan, char *error,
                        size_t error_bytes)
{
    struct config *config = &plan->config;

    config_defaults(config);
    choose_name(&plan->layout, config->name);
    config->partitions = (uint32_t)option_number(invocation, "partitions", PARTITIONS_DEFAULT);
    config->shard_count = option_number(invocation, "shards", SHARDS_DEFAULT);
    config->broker_count = option_number(invocation, "brokers", BROKERS_DEFAULT);
    config->view_count = option_number(invocation, "views", VIEWS_DEFAULT);
    config->relay_count = option_number(invocation, "relays", RELAYS_DEFAULT);
    if (!fill_shards(plan, error, error_bytes))
        return false;
    fill_brokers(plan);
    fill_views(plan);
    fill_relays(plan);
    if (config_write(config, plan->layout.cluster_file))
        return true;
    snprintf(error, error_bytes, "could not write \"%s\": %s", plan->layout.cluster_file,
             strerror(errno));
    return false;
}

/* ------------------------------------------------------------- both */

static bool find_programs(struct plan *plan, char *error, size_t error_bytes)
{
    if (!program_find("holdfast-broker", plan->broker, sizeof plan->broker) ||
        !program_find("holdfast-worker", plan->worker, sizeof plan->worker) ||
        !program_find("holdfast-view", plan->view, sizeof plan->view) ||
        !program_find("holdfast-relay", plan->relay, sizeof plan->relay)) {
        snprintf(
            error, error_bytes,
            "holdfast-broker, holdfast-worker, holdfast-view and holdfast-relay must lie beside "
            "this program or on PATH");
        return false;
    }
    return server_find(&plan->server, error, error_bytes);
}

static bool write_marker(struct plan *plan, bool fresh, char *error, size_t error_bytes)
{
    struct marker marker = {.workers = plan->workers, .mysql = plan->server.mysql};
    struct marker there;

    if (!fresh && layout_is_ours(&plan->layout, &there) && there.mysql != plan->server.mysql) {
        snprintf(error, error_bytes, "the data here is %s's, and \"%s\" is %s",
                 there.mysql ? "MySQL" : "MariaDB", plan->server.server,
                 plan->server.mysql ? "MySQL" : "MariaDB");
        return false;
    }
    snprintf(marker.dir, sizeof marker.dir, "%s", plan->layout.dir);
    if (layout_write_marker(&plan->layout, &marker))
        return true;
    snprintf(error, error_bytes, "could not write \"%s\": %s", plan->layout.marker_file,
             strerror(errno));
    return false;
}

static bool prepare(const struct invocation *invocation, struct plan *plan, bool fresh, char *error,
                    size_t error_bytes)
{
    plan->workers =
        (unsigned)option_number(invocation, "workers", fresh ? WORKERS_DEFAULT : plan->workers);
    if (plan->workers < 1 || plan->workers > UP_WORKERS_MAX)
        plan->workers = WORKERS_DEFAULT;
    if (!find_programs(plan, error, error_bytes) ||
        /* The marker first: a folder that is cut off from here on is known as ours. */
        !write_marker(plan, fresh, error, error_bytes) ||
        !layout_make(&plan->layout, error, error_bytes) ||
        (fresh && !make_config(invocation, plan, error, error_bytes)) ||
        !layout_make_sockets(&plan->layout, error, error_bytes) ||
        !check_servers(plan, error, error_bytes))
        return false;
    for (size_t i = 0; i < plan->config.shard_count; i++) {
        if (!server_write_files(&plan->layout, &plan->config.shards[i], &plan->server, error,
                                error_bytes))
            return false;
    }
    return true;
}

int plan_make(const struct invocation *invocation, struct plan *plan)
{
    char error[4096];
    bool fresh = access(plan->layout.cluster_file, F_OK) != 0;
    int wrong = check_counts(invocation);

    if (wrong != 0)
        return wrong;
    if (!layout_is_ours(&plan->layout, NULL) && !layout_is_empty(&plan->layout)) {
        complain(
            "up",
            "\"%s\" is neither empty nor a cluster of `holdfast up`: choose another with --dir",
            plan->layout.dir);
        return EX_OSERR;
    }
    if (!fresh) {
        if (!plan_read(plan, error, sizeof error)) {
            complain("up", "%s", error);
            return EX_DATAERR;
        }
        if (plan->config.shard_count == 0) {
            complain("up", "\"%s\" has no shards", plan->layout.cluster_file);
            return EX_DATAERR;
        }
        plan_keep_sockets(plan);
        wrong = plan_check_options(invocation, plan);
        if (wrong != 0)
            return wrong;
    }
    if (prepare(invocation, plan, fresh, error, sizeof error))
        return 0;
    complain("up", "%s", error);
    return EX_OSERR;
}
