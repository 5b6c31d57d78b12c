/* SPDX-License-Identifier: MIT
 *
 * The keys of cluster.yaml: where each lies in struct config, what it may be, what must fit
 * together, and the defaults. config.c reads a file against these tables.
 *
 * A new key is a line here, a field in config.h and an entry in etc/cluster.schema.json; a test
 * holds the three together.
 */
#include "common/config_keys.h"

#include <stdio.h>
#include <string.h>

#include "protocol/header.h"
#include "protocol/text.h"

#define IPC_PATH_MAX 107 /* sun_path of unix(7), less its NUL */

/* ------------------------------------------------------------- the keys */

static void check_server(struct reader *r, yaml_mark_t mark, const void *base);
static void check_broker(struct reader *r, yaml_mark_t mark, const void *base);
static void check_limits(struct reader *r, yaml_mark_t mark, const void *base);
static void check_windows(struct reader *r, yaml_mark_t mark, const void *base);
static void check_root(struct reader *r, yaml_mark_t mark, const void *base);

#define AT(type, field) offsetof(struct type, field)
#define SECTION(table, check)                                                                      \
    {                                                                                              \
        table, sizeof table / sizeof table[0], check                                               \
    }

static const struct key server_keys[] = {
    {.name = "socket", .kind = KIND_SOCKET, .offset = AT(config_server, socket)},
    {.name = "host", .kind = KIND_HOST, .offset = AT(config_server, host)},
    {.name = "port", .kind = KIND_PORT, .offset = AT(config_server, port), 1, 65535},
    {.name = "tls", .kind = KIND_BOOL, .offset = AT(config_server, tls)},
};
static const struct section server_section = SECTION(server_keys, check_server);

static const struct key shard_keys[] = {
    {.name = "name", .kind = KIND_FILENAME, .required = true, .offset = AT(config_shard, name)},
    {.name = "durability", .kind = KIND_DURABILITY, .offset = AT(config_shard, durability)},
    {.name = "servers",
     .kind = KIND_LIST,
     .required = true,
     .offset = AT(config_shard, servers),
     .section = &server_section,
     .item_bytes = sizeof(struct config_server),
     .count_offset = AT(config_shard, server_count),
     .items_max = CONFIG_SERVERS_MAX},
    {.name = "database", .kind = KIND_WORD, .offset = AT(config_shard, database)},
    {.name = "user", .kind = KIND_CODE, .offset = AT(config_shard, user)},
    {.name = "password_file", .kind = KIND_PATH, .offset = AT(config_shard, password_file)},
};
static const struct section shard_section = SECTION(shard_keys, NULL);

static const struct key broker_keys[] = {
    {.name = "client",
     .kind = KIND_ENDPOINT,
     .required = true,
     .offset = AT(config_broker, client)},
    {.name = "worker", .kind = KIND_ENDPOINT, .offset = AT(config_broker, worker)},
    {.name = "publish", .kind = KIND_ENDPOINT, .offset = AT(config_broker, publish)},
    {.name = "changes", .kind = KIND_ENDPOINT, .offset = AT(config_broker, changes)},
    {.name = "state", .kind = KIND_ENDPOINT, .offset = AT(config_broker, state)},
};
static const struct section broker_section = SECTION(broker_keys, check_broker);

static const struct key view_keys[] = {
    {.name = "client", .kind = KIND_ENDPOINT, .required = true, .offset = AT(config_view, client)},
};
static const struct section view_section = SECTION(view_keys, NULL);

static const struct key relay_keys[] = {
    {.name = "client", .kind = KIND_ENDPOINT, .required = true, .offset = AT(config_relay, client)},
};
static const struct section relay_section = SECTION(relay_keys, NULL);

#define TIME(key, type, field, low, high)                                                          \
    {                                                                                              \
        .name = key, .kind = KIND_DURATION, .offset = AT(type, field), low, high                   \
    }
#define LIMIT(field, low, high)                                                                    \
    {                                                                                              \
        .name = #field, .kind = KIND_NUMBER, .offset = AT(config_limits, field), low, high         \
    }
static const struct key limit_keys[] = {
    LIMIT(queue_operations, CONFIG_QUEUE_OPERATIONS_MIN, 1000000),
    LIMIT(queue_bytes, 4096, 1u << 30),
    LIMIT(client_window, 1, 65536),
    LIMIT(clients, 1, 65536),
    LIMIT(worker_credit, 1, 65536),
    LIMIT(worker_bulk, 1, 65536),
    LIMIT(batch_operations, 1, 4096),
    LIMIT(message_bytes, 1024, MESSAGE_BYTES_MAX),
    LIMIT(lines, 1, 10000),
    LIMIT(rate, 0, 10000000),
    LIMIT(rate_burst, 0, 10000000),
    TIME("clock_skew", config_limits, clock_skew_ms, 1, 3600 * MS_SECOND),
    TIME("not_after", config_limits, not_after_ms, MS_SECOND, 7 * MS_DAY),
};
static const struct section limit_section = SECTION(limit_keys, check_limits);

static const struct key window_keys[] = {
    TIME("idempotency", config_windows, idempotency_ms, MS_SECOND, 365 * MS_DAY),
    TIME("retention", config_windows, retention_ms, MS_SECOND, 3650 * MS_DAY),
    TIME("lease", config_windows, lease_ms, 20, 3600 * MS_SECOND),
    TIME("heartbeat", config_windows, heartbeat_ms, 10, 60 * MS_SECOND),
};
static const struct section window_section = SECTION(window_keys, check_windows);

static const struct key root_keys[] = {
    {.name = "version", .kind = KIND_VERSION, .required = true},
    {.name = "name", .kind = KIND_CODE, .required = true, .offset = AT(config, name)},
    {.name = "region", .kind = KIND_CODE, .offset = AT(config, region)},
    {.name = "partitions",
     .kind = KIND_NUMBER,
     .offset = AT(config, partitions),
     1,
     PARTITIONS_MAX},
    {.name = "shards",
     .kind = KIND_LIST,
     .offset = AT(config, shards),
     .section = &shard_section,
     .item_bytes = sizeof(struct config_shard),
     .count_offset = AT(config, shard_count),
     .items_max = CONFIG_SHARDS_MAX},
    {.name = "brokers",
     .kind = KIND_LIST,
     .required = true,
     .offset = AT(config, brokers),
     .section = &broker_section,
     .item_bytes = sizeof(struct config_broker),
     .count_offset = AT(config, broker_count),
     .items_max = CONFIG_BROKERS_MAX},
    {.name = "views",
     .kind = KIND_LIST,
     .offset = AT(config, views),
     .section = &view_section,
     .item_bytes = sizeof(struct config_view),
     .count_offset = AT(config, view_count),
     .items_max = CONFIG_VIEWS_MAX,
     .may_be_empty = true},
    {.name = "relays",
     .kind = KIND_LIST,
     .offset = AT(config, relays),
     .section = &relay_section,
     .item_bytes = sizeof(struct config_relay),
     .count_offset = AT(config, relay_count),
     .items_max = CONFIG_RELAYS_MAX,
     .may_be_empty = true},
    {.name = "security", .kind = KIND_RESERVED},
    {.name = "limits",
     .kind = KIND_SECTION,
     .offset = AT(config, limits),
     .section = &limit_section},
    {.name = "windows",
     .kind = KIND_SECTION,
     .offset = AT(config, windows),
     .section = &window_section},
};
const struct section config_root = SECTION(root_keys, check_root);

static bool key_path(const struct section *section, const char *prefix, size_t *skip, char *path,
                     size_t path_bytes)
{
    for (size_t i = 0; i < section->count; i++) {
        const struct key *key = &section->keys[i];
        char here[128];
        snprintf(here, sizeof here, "%s%s", prefix, key->name);
        if ((*skip)-- == 0) {
            snprintf(path, path_bytes, "%s", here);
            return true;
        }
        if (!key->section)
            continue;
        strncat(here, key->kind == KIND_LIST ? "[]." : ".", sizeof here - strlen(here) - 1);
        if (key_path(key->section, here, skip, path, path_bytes))
            return true;
    }
    return false;
}

bool config_key(size_t index, char *path, size_t path_bytes)
{
    return key_path(&config_root, "", &index, path, path_bytes);
}

/* ------------------------------------------------------------- texts */

static bool only(const char *text, const char *more)
{
    for (const char *p = text; *p; p++) {
        bool alphanumeric =
            (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9');
        if (!alphanumeric && !strchr(more, *p))
            return false;
    }
    return true;
}

static const char *const durabilities[] = {"single", "semi-sync", "galera", "group-replication"};

static bool durability_known(const char *text)
{
    for (size_t i = 0; i < sizeof durabilities / sizeof durabilities[0]; i++) {
        if (strcmp(text, durabilities[i]) == 0)
            return true;
    }
    return false;
}

const char *config_text_fault(enum kind kind, const char *text, size_t length)
{
    if (length == 0)
        return "is empty";
    if (strlen(text) != length || text_fault(text, length, length))
        return "has a control character or is not UTF-8";
    switch (kind) {
    case KIND_CODE:
        return code_fault(text, length);
    case KIND_FILENAME:
        if (length >= CONFIG_NAME_BYTES)
            return "is longer than 64 bytes";
        return text[0] == '.' || !only(text, "-_.")
                   ? "may have letters, digits, '-', '_' and '.', and no '.' at its start"
                   : NULL;
    case KIND_WORD:
        if (length >= CONFIG_NAME_BYTES)
            return "is longer than 64 bytes";
        return only(text, "_") ? NULL : "may have letters, digits and '_'";
    case KIND_DURABILITY:
        return durability_known(text) ? NULL
                                      : "must be single, semi-sync, galera or group-replication";
    case KIND_HOST:
        return length < CONFIG_PATH_BYTES && only(text, "-._:") ? NULL : "is not a host name";
    case KIND_PATH:
    case KIND_SOCKET:
        if (text[0] != '/')
            return "must be an absolute path";
        if (kind == KIND_SOCKET && length > IPC_PATH_MAX)
            return "is too long for a unix socket, which takes at most 107 bytes";
        return length < CONFIG_PATH_BYTES ? NULL : "is longer than 255 bytes";
    case KIND_ENDPOINT:
        if (strncmp(text, "tcp://", 6) == 0)
            return "may not be tcp://: TCP needs keys, which are reserved and not built yet; use "
                   "ipc://";
        if (strncmp(text, "ipc:///", 7) != 0)
            return "must be ipc:// and an absolute path";
        if (length - strlen("ipc://") > IPC_PATH_MAX)
            return "is too long for a unix socket, whose path takes at most 107 bytes";
        return NULL;
    case KIND_VERSION:
    case KIND_BOOL:
    case KIND_PORT:
    case KIND_NUMBER:
    case KIND_DURATION:
    case KIND_SECTION:
    case KIND_LIST:
    case KIND_RESERVED:
        break;
    }
    return "is not text";
}

/* ------------------------------------------------------------- what fits together */

static void check_server(struct reader *r, yaml_mark_t mark, const void *base)
{
    const struct config_server *server = base;
    if ((server->socket[0] != '\0') == (server->host[0] != '\0'))
        config_fault(r, mark, "a server has a socket or a host, one of them");
    else if (server->socket[0] != '\0' && server->tls)
        config_fault(r, mark, "tls is for a server with a host");
}

static void check_broker(struct reader *r, yaml_mark_t mark, const void *base)
{
    const struct config_broker *broker = base;
    if (broker->publish[0] != '\0' && broker->changes[0] == '\0')
        config_fault(r, mark, "publish needs changes, where what is published can be heard");
}

static void check_limits(struct reader *r, yaml_mark_t mark, const void *base)
{
    const struct config_limits *limits = base;
    if (limits->queue_bytes < limits->message_bytes)
        config_fault(r, mark, "queue_bytes must be at least message_bytes, %u",
                     limits->message_bytes);
    if (limits->rate_burst > 0 && limits->rate == 0)
        config_fault(r, mark, "rate_burst needs a rate");
}

static void check_windows(struct reader *r, yaml_mark_t mark, const void *base)
{
    const struct config_windows *windows = base;
    if (windows->retention_ms < windows->idempotency_ms)
        config_fault(r, mark, "retention must be at least idempotency: a retry is looked up there");
    if (windows->lease_ms < 2 * windows->heartbeat_ms)
        config_fault(r, mark, "lease must be at least two heartbeats");
}

#define BROKER_ENDPOINTS 5

static void check_endpoints(struct reader *r, yaml_mark_t mark, const struct config *config)
{
    const char *all[BROKER_ENDPOINTS * CONFIG_BROKERS_MAX + CONFIG_VIEWS_MAX + CONFIG_RELAYS_MAX];
    size_t count = 0;

    for (size_t i = 0; i < config->broker_count; i++) {
        const struct config_broker *broker = &config->brokers[i];
        const char *own[BROKER_ENDPOINTS] = {broker->client, broker->worker, broker->publish,
                                             broker->changes, broker->state};
        for (size_t j = 0; j < BROKER_ENDPOINTS; j++) {
            if (own[j][0] != '\0')
                all[count++] = own[j];
        }
        if (config->shard_count > 0 && (broker->worker[0] == '\0' || broker->state[0] == '\0'))
            config_fault(r, mark,
                         "broker %zu lacks worker or state, which a file with shards needs", i + 1);
        if (config->shard_count > 0 && config->view_count > 0 && broker->publish[0] == '\0')
            config_fault(r, mark, "broker %zu lacks publish and changes, which views need", i + 1);
        if (config->shard_count > 0 && config->relay_count > 0 && broker->publish[0] == '\0')
            config_fault(r, mark, "broker %zu lacks publish and changes, which relays need", i + 1);
    }
    for (size_t i = 0; i < config->view_count; i++)
        all[count++] = config->views[i].client;
    for (size_t i = 0; i < config->relay_count; i++)
        all[count++] = config->relays[i].client;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (strcmp(all[i], all[j]) == 0)
                config_fault(r, mark, "the endpoint %s is given twice", all[i]);
        }
    }
}

static void check_root(struct reader *r, yaml_mark_t mark, const void *base)
{
    const struct config *config = base;

    if ((config->partitions > 0) != (config->shard_count > 0))
        config_fault(r, mark,
                     "partitions and shards go together: give both, or, in a client's file, "
                     "neither");
    if (config->shard_count > config->partitions)
        config_fault(r, mark, "%zu shards need at least as many partitions", config->shard_count);
    for (size_t i = 0; i < config->shard_count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (strcmp(config->shards[i].name, config->shards[j].name) == 0)
                config_fault(r, mark, "two shards have the name \"%s\"", config->shards[i].name);
        }
        if (config->shards[i].user[0] == '\0')
            config_fault(r, mark, "shard \"%s\" lacks a user", config->shards[i].name);
    }
    check_endpoints(r, mark, config);
}

/* ------------------------------------------------------------- defaults */

void config_defaults(struct config *config)
{
    memset(config, 0, sizeof *config);
    memcpy(config->region, "main", sizeof "main");
    config->limits = (struct config_limits){
        .queue_operations = 4096,
        .queue_bytes = 8 * 1024 * 1024,
        .client_window = 1024,
        .clients = 4096,
        .worker_credit = 1024,
        .worker_bulk = 48,
        .batch_operations = 256,
        .message_bytes = 1024 * 1024,
        .lines = 1000,
        .clock_skew_ms = 5 * MS_SECOND,
        .not_after_ms = 3600 * MS_SECOND,
    };
    config->windows = (struct config_windows){
        .idempotency_ms = 7 * MS_DAY,
        .retention_ms = 30 * MS_DAY,
        .lease_ms = 3 * MS_SECOND,
        .heartbeat_ms = MS_SECOND,
    };
}

void config_fill_defaults(struct config *config)
{
    if (config->limits.rate_burst == 0)
        config->limits.rate_burst = config->limits.rate;
    for (size_t i = 0; i < config->shard_count; i++) {
        struct config_shard *shard = &config->shards[i];
        if (shard->durability[0] == '\0')
            memcpy(shard->durability, "single", sizeof "single");
        if (shard->database[0] == '\0')
            memcpy(shard->database, "holdfast", sizeof "holdfast");
        for (size_t j = 0; j < shard->server_count; j++) {
            if (shard->servers[j].port == 0)
                shard->servers[j].port = 3306;
        }
    }
}
