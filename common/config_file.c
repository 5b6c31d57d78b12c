/* SPDX-License-Identifier: MIT
 *
 * Where cluster.yaml is found, and how one is written. `holdfast up` writes; every program that is
 * not told a file looks for one. What a file means is config.c's.
 */
#include "common/config.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ------------------------------------------------------------- finding */

static const char *home_folder(void)
{
    const char *home = getenv("HOME");
    if (home && home[0] == '/')
        return home;
    const struct passwd *entry = getpwuid(getuid());
    return entry && entry->pw_dir ? entry->pw_dir : "/";
}

/* Is it there? Otherwise it is added to the list of places in error. */
static bool try_path(const char *candidate, char *path, size_t path_bytes, char *error,
                     size_t error_bytes)
{
    size_t used = strlen(error);
    if (strlen(candidate) < path_bytes && access(candidate, R_OK) == 0) {
        memcpy(path, candidate, strlen(candidate) + 1);
        return true;
    }
    const char *why = strlen(candidate) >= path_bytes ? "the path is too long" : strerror(errno);
    snprintf(error + used, error_bytes - used, "%s\"%s\" (%s)", used > 0 ? ", " : "", candidate,
             why);
    return false;
}

bool config_find(const char *given, char *path, size_t path_bytes, char *error, size_t error_bytes)
{
    char tried[1024] = "", home[512];
    const char *named = given ? given : getenv("HOLDFAST_CLUSTER");

    if (given || (named && named[0] != '\0')) {
        /* What was named is meant, even if it is "": another file would be another cluster. */
        if (try_path(named, path, path_bytes, tried, sizeof tried))
            return true;
        snprintf(error, error_bytes, "no cluster file: %s", tried);
        return false;
    }
    snprintf(home, sizeof home, "%s/.local/share/holdfast/cluster.yaml", home_folder());
    const char *const places[] = {"./holdfast/cluster.yaml", home, "/etc/holdfast/cluster.yaml"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        if (try_path(places[i], path, path_bytes, tried, sizeof tried))
            return true;
    }
    snprintf(error, error_bytes,
             "no cluster file: looked for %s; start a cluster with `holdfast up`, or name its file "
             "with -C",
             tried);
    return false;
}

/* ------------------------------------------------------------- writing */

static void write_text(FILE *file, const char *key, const char *value)
{
    if (value[0] == '\0')
        return;
    fprintf(file, "%s: \"", key);
    for (const char *p = value; *p; p++) {
        if (*p == '"' || *p == '\\')
            fputc('\\', file);
        fputc(*p, file);
    }
    fputs("\"\n", file);
}

static void write_duration(FILE *file, const char *key, uint64_t ms)
{
    static const struct {
        uint64_t ms;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    size_t i = 0;
    while (ms % units[i].ms != 0)
        i++;
    fprintf(file, "%s: %llu%s\n", key, (unsigned long long)(ms / units[i].ms), units[i].unit);
}

static void write_server(FILE *file, const struct config_server *server)
{
    if (server->socket[0] != '\0') {
        write_text(file, "      - socket", server->socket);
        return;
    }
    write_text(file, "      - host", server->host);
    fprintf(file, "        port: %u\n", (unsigned)server->port);
    if (server->tls)
        fputs("        tls: true\n", file);
}

static void write_shard(FILE *file, const struct config_shard *shard)
{
    write_text(file, "  - name", shard->name);
    write_text(file, "    durability", shard->durability);
    fputs("    servers:\n", file);
    for (size_t i = 0; i < shard->server_count; i++)
        write_server(file, &shard->servers[i]);
    write_text(file, "    database", shard->database);
    write_text(file, "    user", shard->user);
    write_text(file, "    password_file", shard->password_file);
}

static void write_number(FILE *file, bool *begun, const char *key, uint32_t value, uint32_t usual)
{
    if (value == usual)
        return;
    if (!*begun)
        fputs("limits:\n", file);
    *begun = true;
    fprintf(file, "  %s: %u\n", key, value);
}

/* Only what is not the default, so that the file shows what was chosen. */
static void write_limits(FILE *file, const struct config_limits *limits,
                         const struct config_limits *usual)
{
    bool begun = false;
#define NUMBER(field) write_number(file, &begun, #field, limits->field, usual->field)
    NUMBER(queue_operations);
    NUMBER(queue_bytes);
    NUMBER(client_window);
    NUMBER(clients);
    NUMBER(worker_credit);
    NUMBER(worker_bulk);
    NUMBER(batch_operations);
    NUMBER(message_bytes);
    NUMBER(lines);
    NUMBER(rate);
    if (limits->rate_burst != limits->rate)
        NUMBER(rate_burst);
#undef NUMBER
    if (limits->clock_skew_ms == usual->clock_skew_ms &&
        limits->not_after_ms == usual->not_after_ms)
        return;
    if (!begun)
        fputs("limits:\n", file);
    write_duration(file, "  clock_skew", limits->clock_skew_ms);
    write_duration(file, "  not_after", limits->not_after_ms);
}

static void write_config(FILE *file, const struct config *config)
{
    struct config usual;

    config_defaults(&usual);
    fputs("version: 1\n", file);
    write_text(file, "name", config->name);
    write_text(file, "region", config->region);
    if (config->shard_count > 0)
        fprintf(file, "partitions: %u\nshards:\n", config->partitions);
    for (size_t i = 0; i < config->shard_count; i++)
        write_shard(file, &config->shards[i]);
    fputs("brokers:\n", file);
    for (size_t i = 0; i < config->broker_count; i++) {
        write_text(file, "  - client", config->brokers[i].client);
        write_text(file, "    worker", config->brokers[i].worker);
        write_text(file, "    publish", config->brokers[i].publish);
        write_text(file, "    changes", config->brokers[i].changes);
        write_text(file, "    state", config->brokers[i].state);
    }
    if (config->view_count > 0)
        fputs("views:\n", file);
    for (size_t i = 0; i < config->view_count; i++)
        write_text(file, "  - client", config->views[i].client);
    if (config->relay_count > 0)
        fputs("relays:\n", file);
    for (size_t i = 0; i < config->relay_count; i++)
        write_text(file, "  - client", config->relays[i].client);
    write_limits(file, &config->limits, &usual.limits);
    if (memcmp(&config->windows, &usual.windows, sizeof usual.windows) == 0)
        return;
    fputs("windows:\n", file);
    write_duration(file, "  idempotency", config->windows.idempotency_ms);
    write_duration(file, "  retention", config->windows.retention_ms);
    write_duration(file, "  lease", config->windows.lease_ms);
    write_duration(file, "  heartbeat", config->windows.heartbeat_ms);
}

bool config_write(const struct config *config, const char *path)
{
    char temporary[CONFIG_PATH_BYTES + 8];

    snprintf(temporary, sizeof temporary, "%s.new", path);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    FILE *file = fdopen(fd, "w");
    if (!file) {
        close(fd);
        return false;
    }
    write_config(file, config);
    bool good = fflush(file) == 0 && !ferror(file) && fsync(fd) == 0;
    good = fclose(file) == 0 && good;
    if (good && rename(temporary, path) == 0)
        return true;
    int why = errno;
    (void)unlink(temporary);
    errno = why;
    return false;
}
