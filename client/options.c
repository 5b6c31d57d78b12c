/* SPDX-License-Identifier: MIT
 *
 * Options of a handle; see options.h. Called once, by holdfast_open.
 */
#include "client/options.h"

#include "common/config.h"
#include "protocol/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TIMEOUT_MS 10000
#define ATTEMPT_TIMEOUT_MS 2000
#define TIMEOUT_MS_MAX 3600000
#define RETRY_BUDGET 20
#define ENDPOINTS_MAX 64

static bool fail(char *error, size_t error_bytes, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool fail(char *error, size_t error_bytes, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error, error_bytes, format, arguments);
    va_end(arguments);
    return false;
}

/* what: "brokers" or "views". */
static bool keep_endpoints(char ***kept, size_t *kept_count, const char *what,
                           const char *const *endpoints, size_t count, char *error,
                           size_t error_bytes)
{
    if (count > ENDPOINTS_MAX)
        return fail(error, error_bytes, "more than %d %s", ENDPOINTS_MAX, what);
    *kept = calloc(count + 1, sizeof **kept);
    if (!*kept)
        return fail(error, error_bytes, "out of memory");
    for (size_t i = 0; i < count; i++) {
        if (!endpoints[i] || !strstr(endpoints[i], "://"))
            return fail(error, error_bytes, "%s[%zu] is not an endpoint such as ipc://PATH", what,
                        i);
        (*kept)[i] = strdup(endpoints[i]);
        if (!(*kept)[i])
            return fail(error, error_bytes, "out of memory");
        ++*kept_count;
    }
    return true;
}

static bool keep_brokers(struct options *options, const char *const *brokers, size_t count,
                         char *error, size_t error_bytes)
{
    return keep_endpoints(&options->brokers, &options->broker_count, "brokers", brokers, count,
                          error, error_bytes);
}

static bool keep_views(struct options *options, const char *const *views, size_t count, char *error,
                       size_t error_bytes)
{
    return keep_endpoints(&options->views, &options->view_count, "views", views, count, error,
                          error_bytes);
}

static bool keep_name(char to[65], const char *field, const char *from, char *error,
                      size_t error_bytes)
{
    const char *why = from ? code_fault(from, strlen(from)) : "is missing";

    if (why)
        return fail(error, error_bytes, "%s %s", field, why);
    snprintf(to, 65, "%s", from);
    return true;
}

/* program@host, as much as fits; a host's name may hold anything. */
static void default_name(char to[65])
{
    char host[256] = "";

    if (gethostname(host, sizeof host - 1) != 0)
        host[0] = '\0';
    snprintf(to, 65, "%.30s@%.30s", program_invocation_short_name, host);
    if (code_fault(to, strlen(to)))
        snprintf(to, 65, "client");
}

static bool read_file(struct options *options, const char *given, char *error, size_t error_bytes)
{
    char path[CONFIG_PATH_BYTES];
    const char *endpoints[CONFIG_BROKERS_MAX], *views[CONFIG_VIEWS_MAX];
    const char *relays[CONFIG_RELAYS_MAX];
    bool ok = false;

    if (!config_find(given, path, sizeof path, error, error_bytes))
        return false;
    struct config *config = malloc(sizeof *config);
    if (!config)
        return fail(error, error_bytes, "out of memory");
    if (config_read(config, path, error, error_bytes)) {
        for (size_t i = 0; i < config->broker_count; i++)
            endpoints[i] = config->brokers[i].client;
        for (size_t i = 0; i < config->view_count; i++)
            views[i] = config->views[i].client;
        for (size_t i = 0; i < config->relay_count; i++)
            relays[i] = config->relays[i].client;
        ok = config->broker_count > 0
                 ? keep_name(options->cluster, "name", config->name, error, error_bytes) &&
                       keep_brokers(options, endpoints, config->broker_count, error, error_bytes) &&
                       keep_views(options, views, config->view_count, error, error_bytes) &&
                       keep_endpoints(&options->relays, &options->relay_count, "relays", relays,
                                      config->relay_count, error, error_bytes)
                 : fail(error, error_bytes, "\"%s\" names no broker", path);
    }
    free(config);
    return ok;
}

static bool time_option(int64_t *to_us, const char *field, int64_t ms, int64_t otherwise_ms,
                        char *error, size_t error_bytes)
{
    if (ms < 0 || ms > TIMEOUT_MS_MAX)
        return fail(error, error_bytes, "%s must be 0 to %d", field, TIMEOUT_MS_MAX);
    *to_us = (ms ? ms : otherwise_ms) * 1000;
    return true;
}

static bool read_all(struct options *options, const struct holdfast_options *wanted, char *error,
                     size_t error_bytes)
{
    if (wanted->op_class < HOLDFAST_CLASS_SERVICE || wanted->op_class > HOLDFAST_CLASS_BULK)
        return fail(error, error_bytes, "op_class is not one of holdfast.h");
    options->op_class = wanted->op_class;
    options->window = wanted->window;
    options->retry_budget = wanted->retry_budget ? wanted->retry_budget : RETRY_BUDGET;
    if (!time_option(&options->timeout_us, "timeout_ms", wanted->timeout_ms, TIMEOUT_MS, error,
                     error_bytes) ||
        !time_option(&options->attempt_timeout_us, "attempt_timeout_ms", wanted->attempt_timeout_ms,
                     ATTEMPT_TIMEOUT_MS, error, error_bytes))
        return false;
    if (wanted->actor) {
        const char *why = text_fault(wanted->actor, strlen(wanted->actor), CODE_BYTES_MAX);
        if (why)
            return fail(error, error_bytes, "actor %s", why);
        options->actor = strdup(wanted->actor);
        if (!options->actor)
            return fail(error, error_bytes, "out of memory");
    }
    if (!wanted->name)
        default_name(options->name);
    else if (!keep_name(options->name, "name", wanted->name, error, error_bytes))
        return false;
    if (!wanted->brokers)
        return read_file(options, wanted->cluster_file, error, error_bytes);
    if (wanted->broker_count == 0)
        return fail(error, error_bytes, "broker_count is 0");
    return keep_name(options->cluster, "cluster", wanted->cluster, error, error_bytes) &&
           keep_brokers(options, wanted->brokers, wanted->broker_count, error, error_bytes) &&
           keep_views(options, wanted->views, wanted->views ? wanted->view_count : 0, error,
                      error_bytes);
}

bool options_read(struct options *options, const struct holdfast_options *wanted, char *error,
                  size_t error_bytes)
{
    struct holdfast_options given = {0};

    *options = (struct options){0};
    if (wanted) {
        if (wanted->size < sizeof given.size || wanted->size > 64 * sizeof given)
            return fail(error, error_bytes, "options.size is not sizeof (struct holdfast_options)");
        memcpy(&given, wanted, wanted->size < sizeof given ? wanted->size : sizeof given);
    }
    if (read_all(options, &given, error, error_bytes))
        return true;
    options_release(options);
    return false;
}

void options_release(struct options *options)
{
    for (size_t i = 0; i < options->broker_count; i++)
        free(options->brokers[i]);
    for (size_t i = 0; i < options->view_count; i++)
        free(options->views[i]);
    for (size_t i = 0; i < options->relay_count; i++)
        free(options->relays[i]);
    free(options->brokers);
    free(options->views);
    free(options->relays);
    free(options->actor);
    *options = (struct options){0};
}
