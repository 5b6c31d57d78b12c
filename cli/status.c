/* SPDX-License-Identifier: MIT
 *
 * `holdfast status`: the processes that the supervisor of `up` keeps, what every broker says of
 * partitions, queues and workers, and every view of what it holds. Exit 0 only if all is well, 1 if
 * something is not, 69 if nothing answers.
 *
 * It reads the supervisor's state file and the brokers' state sockets and logs in to the databases,
 * and asks no worker: it works while everything else is stuck.
 */
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "cli/command.h"
#include "common/broker_watch.h"
#include "cli/status_audit.h"
#include "cli/status_view.h"
#include "up/state.h"
#include "up/layout.h"
#include "up/server.h"
#include "common/clock.h"
#include "common/config.h"
#include "protocol/status.h"

#define DISK_BYTES_LEAST (UINT64_C(256) << 20)
#define HEAR_MS 2000 /* a broker tells its state four times a second */
#define ASK_MS 20

static void problem(struct json_object *problems, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void problem(struct json_object *problems, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_object_array_add(problems, json_object_new_string(text));
}

static const char *text_of(struct json_object *object, const char *key)
{
    struct json_object *field;
    const char *text = NULL;
    if (json_object_object_get_ex(object, key, &field))
        text = json_object_get_string(field);
    return text ? text : "";
}

static int64_t number_of(struct json_object *object, const char *key)
{
    struct json_object *field;
    return json_object_object_get_ex(object, key, &field) ? json_object_get_int64(field) : 0;
}

/* ------------------------------------------------------------- what is */

/* Adds "supervisor" and "processes"; a cluster that `up` did not make has neither. */
static void look_at_processes(struct json_object *root, const struct layout *layout,
                              struct json_object *problems)
{
    struct json_object *state = state_read(layout->state_file), *processes, *supervisor;
    pid_t pid;

    if (!layout_is_held(layout, &pid)) {
        problem(problems, "nothing runs in %s: start it with `holdfast up`", layout->dir);
        json_object_put(state);
        return;
    }
    supervisor = json_object_new_object();
    json_object_object_add(supervisor, "pid", json_object_new_int64(pid));
    json_object_object_add(supervisor, "state", json_object_new_string(text_of(state, "state")));
    json_object_object_add(root, "supervisor", supervisor);
    if (strcmp(text_of(state, "state"), "running") != 0)
        problem(problems, "the supervisor is %s", state ? text_of(state, "state") : "beginning");
    if (json_object_object_get_ex(state, "processes", &processes)) {
        for (size_t i = 0; i < json_object_array_length(processes); i++) {
            struct json_object *process = json_object_array_get_idx(processes, i);
            if (strcmp(text_of(process, "state"), "running") != 0)
                problem(problems, "%s %s is %s%s%s", text_of(process, "role"),
                        text_of(process, "name"), text_of(process, "state"),
                        text_of(process, "last_end")[0] ? " after " : "",
                        text_of(process, "last_end"));
        }
        json_object_object_add(root, "processes", json_object_get(processes));
    }
    json_object_put(state);
}

/* A database whose disk is full waits or refuses, and what it is told to write times out: nothing
 * else would say why. */
static void look_at_disk(const struct layout *layout, struct json_object *problems)
{
    struct statvfs fs;

    if (statvfs(layout->dir, &fs) != 0)
        return;
    uint64_t bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (bytes < DISK_BYTES_LEAST)
        problem(problems,
                "the disk of %s has %llu MiB left: make room, or the databases stop writing",
                layout->dir, (unsigned long long)(bytes >> 20));
}

/* A server that recovers runs, but does not answer yet. Only where `up` made it: there we have a
 * password, and the socket is on this machine. */
static void look_at_databases(const struct layout *layout, const struct config *config,
                              struct json_object *problems)
{
    char error[512];

    for (size_t i = 0; i < config->shard_count; i++) {
        MYSQL *mysql = server_connect(layout, &config->shards[i], error, sizeof error);
        if (mysql)
            mysql_close(mysql);
        else
            problem(problems, "database %s does not answer: %s", config->shards[i].name, error);
    }
}

static struct json_object *bytes_text(ProtobufCBinaryData bytes)
{
    return json_object_new_string_len((const char *)bytes.data, (int)bytes.len);
}

static void add_number(struct json_object *object, const char *key, uint64_t number)
{
    json_object_object_add(object, key, json_object_new_int64((int64_t)number));
}

static struct json_object *describe_workers(const Hf__BrokerState *state)
{
    struct json_object *workers = json_object_new_array();
    for (size_t i = 0; i < state->n_workers; i++) {
        const Hf__WorkerState *worker = state->workers[i];
        struct json_object *object = json_object_new_object();
        json_object_object_add(object, "name", bytes_text(worker->name));
        json_object_object_add(object, "shard", bytes_text(worker->shard));
        add_number(object, "partitions", worker->partitions);
        add_number(object, "credit", worker->credit);
        add_number(object, "in_flight", worker->in_flight);
        add_number(object, "silent_ms", worker->silent_ms);
        if (worker->trouble.len > 0)
            json_object_object_add(object, "trouble", bytes_text(worker->trouble));
        json_object_array_add(workers, object);
    }
    return workers;
}

/* The partitions that have something to tell; the rest is served and idle. */
static struct json_object *describe_partitions(const Hf__BrokerState *state, uint32_t *oldest_ms)
{
    struct json_object *partitions = json_object_new_array();
    *oldest_ms = 0;
    for (size_t i = 0; i < state->n_partition_states; i++) {
        const Hf__PartitionState *p = state->partition_states[i];
        struct json_object *object = json_object_new_object();
        add_number(object, "partition", p->partition);
        json_object_object_add(object, "worker", p->worker.len > 0 ? bytes_text(p->worker) : NULL);
        add_number(object, "queued", p->queued);
        add_number(object, "in_flight", p->in_flight);
        add_number(object, "bytes", p->bytes);
        add_number(object, "oldest_ms", p->oldest_ms);
        add_number(object, "suspects", p->suspects);
        json_object_array_add(partitions, object);
        if (p->oldest_ms > *oldest_ms)
            *oldest_ms = p->oldest_ms;
    }
    return partitions;
}

static struct json_object *describe_broker(const Hf__BrokerState *state, size_t index)
{
    struct json_object *object = json_object_new_object();
    struct json_object *sheds = json_object_new_object();
    char name[32];
    uint32_t oldest_ms = 0;

    snprintf(name, sizeof name, "b%zu", index + 1);
    json_object_object_add(object, "name",
                           state ? bytes_text(state->broker) : json_object_new_string(name));
    json_object_object_add(object, "heard", json_object_new_boolean(state != NULL));
    if (!state) {
        json_object_put(sheds);
        return object;
    }
    for (size_t i = 0; i < state->n_sheds; i++) {
        if (status_is_known(state->sheds[i]->status))
            add_number(sheds, status_name((enum status)state->sheds[i]->status),
                       state->sheds[i]->count);
    }
    struct json_object *partitions = describe_partitions(state, &oldest_ms);
    add_number(object, "partitions_served", state->partitions_served);
    add_number(object, "partitions", state->partitions);
    add_number(object, "queued", state->queued);
    add_number(object, "in_flight", state->in_flight);
    add_number(object, "oldest_ms", oldest_ms);
    add_number(object, "rate", state->rate);
    add_number(object, "operations", state->operations);
    add_number(object, "results", state->results);
    add_number(object, "requeued", state->requeued);
    add_number(object, "poisoned", state->poisoned);
    add_number(object, "clients", state->client_count);
    add_number(object, "started_at_us", state->started_at_us);
    json_object_object_add(object, "sheds", sheds);
    json_object_object_add(object, "workers", describe_workers(state));
    json_object_object_add(object, "partition_states", partitions);
    return object;
}

static bool hears(const Hf__BrokerState *state, const char *worker)
{
    for (size_t i = 0; i < state->n_workers; i++) {
        ProtobufCBinaryData name = state->workers[i]->name;
        if (name.len == strlen(worker) && memcmp(name.data, worker, name.len) == 0)
            return true;
    }
    return false;
}

/* Does broker i hear every worker that the supervisor runs? One that hangs has lost its partitions
 * to the others and would not show otherwise. what: which one it does not hear. */
static bool hears_all(struct json_object *root, const struct broker_watch *watch, size_t i,
                      char *what, size_t what_bytes)
{
    struct json_object *processes;
    const Hf__BrokerState *state = broker_watch_state(watch, i);

    if (!state || !json_object_object_get_ex(root, "processes", &processes))
        return true;
    for (size_t j = 0; j < json_object_array_length(processes); j++) {
        struct json_object *process = json_object_array_get_idx(processes, j);
        if (strcmp(text_of(process, "role"), "worker") != 0 ||
            strcmp(text_of(process, "state"), "running") != 0 ||
            hears(state, text_of(process, "name")))
            continue;
        snprintf(what, what_bytes, "broker b%zu does not hear worker %s", i + 1,
                 text_of(process, "name"));
        return false;
    }
    return true;
}

/* What workers say of themselves, as the first broker that is heard has it. */
static void look_at_troubles(const struct broker_watch *watch, size_t brokers,
                             struct json_object *problems)
{
    for (size_t i = 0; i < brokers; i++) {
        const Hf__BrokerState *state = broker_watch_state(watch, i);
        if (!state)
            continue;
        for (size_t j = 0; j < state->n_workers; j++) {
            const Hf__WorkerState *worker = state->workers[j];
            if (worker->trouble.len > 0)
                problem(problems, "worker %.*s: %.*s", (int)worker->name.len,
                        (const char *)worker->name.data, (int)worker->trouble.len,
                        (const char *)worker->trouble.data);
        }
        return;
    }
}

/* Listens until there is nothing to complain of, or for hear_us: a partition that is being handed
 * over and a worker that begins are no fault. Adds "brokers"; returns how many were heard. */
static size_t look_at_brokers(struct json_object *root, const struct config *config,
                              int64_t hear_us, struct json_object *problems)
{
    struct broker_watch *watch = broker_watch_new(config);
    struct json_object *brokers = json_object_new_array();
    int64_t deadline_us = clock_monotonic_us() + hear_us;
    char what[256];
    const Hf__BrokerState *told = NULL; /* who was told of the newest audit */
    size_t heard = 0;
    bool well = false;

    while (watch && !well && clock_monotonic_us() < deadline_us) {
        broker_watch_wait(watch, ASK_MS);
        well = broker_watch_served(watch, what, sizeof what);
        for (size_t i = 0; i < config->broker_count; i++)
            well = well && hears_all(root, watch, i, what, sizeof what);
    }
    for (size_t i = 0; watch && i < config->broker_count; i++) {
        const Hf__BrokerState *state = broker_watch_state(watch, i);
        heard += state != NULL;
        if (state && state->audit && (!told || state->audit->told_at_us > told->audit->told_at_us))
            told = state;
        json_object_array_add(brokers, describe_broker(state, i));
        if (!broker_watch_served_by(watch, i, what, sizeof what))
            problem(problems, "%s", what);
        if (!hears_all(root, watch, i, what, sizeof what))
            problem(problems, "%s", what);
    }
    if (watch)
        look_at_troubles(watch, config->broker_count, problems);
    json_object_object_add(root, "brokers", brokers);
    status_audit_add(root, told ? told->audit : NULL, told ? told->clock_us : 0, problems);
    broker_watch_destroy(&watch);
    return heard;
}

/* ------------------------------------------------------------- for people */

static void print_processes(struct json_object *root)
{
    struct json_object *processes;
    if (!json_object_object_get_ex(root, "processes", &processes))
        return;
    printf("\n%-8s %-9s %-10s %8s %8s %9s  %s\n", "PROCESS", "ROLE", "STATE", "PID", "UP",
           "RESTARTS", "LAST END");
    for (size_t i = 0; i < json_object_array_length(processes); i++) {
        struct json_object *process = json_object_array_get_idx(processes, i);
        int64_t started_us = number_of(process, "started_at_us");
        int64_t up_s = started_us > 0 ? (clock_wall_us() - started_us) / 1000000 : 0;
        printf("%-8s %-9s %-10s %8lld %7llds %9lld  %s\n", text_of(process, "name"),
               text_of(process, "role"), text_of(process, "state"),
               (long long)number_of(process, "pid"), (long long)up_s,
               (long long)number_of(process, "restarts"), text_of(process, "last_end"));
    }
}

static void print_workers(struct json_object *broker)
{
    struct json_object *workers;
    if (!json_object_object_get_ex(broker, "workers", &workers))
        return;
    for (size_t i = 0; i < json_object_array_length(workers); i++) {
        struct json_object *worker = json_object_array_get_idx(workers, i);
        printf("  %-6s %-6s %10lld %9lld %9lld %9lld ms\n", text_of(worker, "name"),
               text_of(worker, "shard"), (long long)number_of(worker, "partitions"),
               (long long)number_of(worker, "in_flight"), (long long)number_of(worker, "credit"),
               (long long)number_of(worker, "silent_ms"));
    }
}

static void print_brokers(struct json_object *root)
{
    struct json_object *brokers;
    if (!json_object_object_get_ex(root, "brokers", &brokers))
        return;
    printf("\n%-8s %10s %8s %9s %9s %8s %8s %9s\n", "BROKER", "PARTITIONS", "QUEUED", "IN FLIGHT",
           "OLDEST", "OPS/S", "CLIENTS", "REQUEUED");
    for (size_t i = 0; i < json_object_array_length(brokers); i++) {
        struct json_object *broker = json_object_array_get_idx(brokers, i);
        char served[32];
        snprintf(served, sizeof served, "%lld/%lld",
                 (long long)number_of(broker, "partitions_served"),
                 (long long)number_of(broker, "partitions"));
        printf("%-8s %10s %8lld %9lld %6lld ms %8lld %8lld %9lld\n", text_of(broker, "name"),
               served, (long long)number_of(broker, "queued"),
               (long long)number_of(broker, "in_flight"), (long long)number_of(broker, "oldest_ms"),
               (long long)number_of(broker, "rate"), (long long)number_of(broker, "clients"),
               (long long)number_of(broker, "requeued"));
    }
    printf("\n  %-6s %-6s %10s %9s %9s %12s\n", "WORKER", "SHARD", "PARTITIONS", "IN FLIGHT",
           "CREDIT", "SILENT");
    for (size_t i = 0; i < json_object_array_length(brokers) && i < 1; i++)
        print_workers(json_object_array_get_idx(brokers, i));
}

static void print_status(struct json_object *root)
{
    printf("cluster %s, region %s, %lld partitions\n", text_of(root, "cluster"),
           text_of(root, "region"), (long long)number_of(root, "partitions"));
    print_processes(root);
    print_brokers(root);
    print_views(root);
    status_audit_print(root);
}

/* 0, or an exit code after having told why. */
static int find_file(const struct invocation *invocation, char *path, size_t path_bytes)
{
    const char *file = invocation->cluster_file;
    struct layout layout;
    char error[4096];

    if (option_given(invocation, "dir")) {
        if (!layout_init(&layout, option_text(invocation, "dir"), error, sizeof error))
            return usage_error(invocation, "%s", error);
        file = layout.cluster_file;
    }
    if (config_find(file, path, path_bytes, error, sizeof error))
        return 0;
    complain("status", "%s", error);
    return EX_OSERR;
}

int cmd_status(const struct invocation *invocation)
{
    static struct config config;
    struct layout layout;
    char path[CONFIG_PATH_BYTES], error[4096];

    uint64_t hear_ms = option_number(invocation, "timeout", HEAR_MS);
    if (hear_ms == 0)
        return usage_error(invocation, "--timeout must be longer than nothing");
    int64_t hear_us = (int64_t)hear_ms * 1000;
    int code = find_file(invocation, path, sizeof path);
    if (code != 0)
        return code;
    if (!config_read(&config, path, error, sizeof error)) {
        fprintf(stderr, "%s\n", error); /* a line for each fault, with its place */
        return EX_DATAERR;
    }
    struct json_object *root = json_object_new_object();
    struct json_object *problems = json_object_new_array();
    json_object_object_add(root, "cluster", json_object_new_string(config.name));
    json_object_object_add(root, "region", json_object_new_string(config.region));
    add_number(root, "partitions", config.partitions);
    if (layout_of_file(&layout, path)) {
        look_at_processes(root, &layout, problems);
        look_at_disk(&layout, problems);
        if (layout_is_held(&layout, NULL))
            look_at_databases(&layout, &config, problems);
    }
    size_t heard = look_at_brokers(root, &config, hear_us, problems);
    look_at_views(root, &config, hear_us, problems);
    size_t count = json_object_array_length(problems);
    json_object_object_add(root, "well", json_object_new_boolean(count == 0));
    json_object_object_add(root, "problems", problems);
    if (invocation->json)
        printf("%s\n", json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN));
    else
        print_status(root);
    for (size_t i = 0; i < count; i++)
        complain("status", "%s", json_object_get_string(json_object_array_get_idx(problems, i)));
    json_object_put(root);
    if (count == 0)
        return 0;
    return heard > 0 ? 1 : EX_UNAVAILABLE;
}
