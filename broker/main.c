/* SPDX-License-Identifier: MIT
 *
 * holdfast-broker: options and configuration. The sockets are in server.c, the decisions in
 * dispatch.c. It keeps nothing on disk.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "broker/server.h"
#include "common/config.h"
#include "common/log.h"
#include "common/random.h"
#include "protocol/text.h"

#define EXIT_USAGE 64
#define EXIT_DATA 65
#define EXIT_SYSTEM 71

static const char usage[] =
    "usage: holdfast-broker [-C cluster.yaml] [--index N] [--name NAME] [--log FILE]\n"
    "\n"
    "Queues and routes operations between clients and workers.\n"
    "\n"
    "  -C, --cluster FILE  the cluster's file (otherwise looked for in the usual places)\n"
    "      --index N       which entry of `brokers` this one is, from 0 (default 0)\n"
    "      --name NAME     its name in logs and to its peers (default b1, b2, ...)\n"
    "      --log FILE      where to log (default: stderr)\n"
    "  -h, --help          this text\n";

struct options {
    const char *cluster;
    size_t index;
    char name[CONFIG_NAME_BYTES];
    const char *log;
};

static int usage_error(const char *message, const char *value)
{
    fprintf(stderr, "holdfast-broker: %s \"%s\"\n%s", message, value, usage);
    return EXIT_USAGE;
}

static bool read_index(const char *text, size_t *index)
{
    char *end;

    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || value >= CONFIG_BROKERS_MAX)
        return false;
    *index = value;
    return true;
}

/* -1: go on; otherwise the exit code. */
static int read_options(int argc, char **argv, struct options *options)
{
    enum { OPTION_INDEX = 256, OPTION_NAME, OPTION_LOG };
    static const struct option known[] = {
        {"cluster", required_argument, NULL, 'C'},
        {"index", required_argument, NULL, OPTION_INDEX},
        {"name", required_argument, NULL, OPTION_NAME},
        {"log", required_argument, NULL, OPTION_LOG},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "C:h", known, NULL)) != -1) {
        switch (c) {
        case 'C':
            options->cluster = optarg;
            break;
        case OPTION_INDEX:
            if (!read_index(optarg, &options->index))
                return usage_error("not an index:", optarg);
            break;
        case OPTION_NAME:
            if (code_fault(optarg, strlen(optarg)))
                return usage_error("not a name:", optarg);
            snprintf(options->name, sizeof options->name, "%s", optarg);
            break;
        case OPTION_LOG:
            options->log = optarg;
            break;
        case 'h':
            fputs(usage, stdout);
            return EXIT_SUCCESS;
        default:
            fputs(usage, stderr);
            return EXIT_USAGE;
        }
    }
    if (optind < argc)
        return usage_error("unexpected argument", argv[optind]);
    if (options->name[0] == '\0')
        snprintf(options->name, sizeof options->name, "b%zu", options->index + 1);
    return -1;
}

static int read_cluster(const struct options *options, struct config *config)
{
    static char error[8192];
    char path[CONFIG_PATH_BYTES];

    if (!config_find(options->cluster, path, sizeof path, error, sizeof error)) {
        fprintf(stderr, "%s\n", error);
        return EXIT_USAGE;
    }
    if (!config_read(config, path, error, sizeof error)) {
        fprintf(stderr, "%s\n", error);
        return EXIT_DATA;
    }
    if (options->index >= config->broker_count) {
        fprintf(stderr, "holdfast-broker: --index %zu, but \"%s\" has %zu brokers\n",
                options->index, path, config->broker_count);
        return EXIT_USAGE;
    }
    return -1;
}

static int serve(const struct options *options, const struct config *config)
{
    static struct dispatch_config dispatch;
    char error[SERVER_ERROR_BYTES];

    snprintf(dispatch.name, sizeof dispatch.name, "%s", options->name);
    snprintf(dispatch.cluster, sizeof dispatch.cluster, "%s", config->name);
    snprintf(dispatch.region, sizeof dispatch.region, "%s", config->region);
    dispatch.partitions = config->partitions;
    dispatch.limits = config->limits;
    dispatch.windows = config->windows;
    if (!random_bytes(&dispatch.session_base, sizeof dispatch.session_base)) {
        log_error("could not read random bytes: %s", strerror(errno));
        return EXIT_SYSTEM;
    }
    struct server *server = server_open(&dispatch, &config->brokers[options->index], error);
    if (!server) {
        log_error("%s", error);
        if (options->log)
            fprintf(stderr, "holdfast-broker: %s\n", error);
        return EXIT_SYSTEM;
    }
    log_info("cluster=%s partitions=%u the broker serves", config->name, config->partitions);
    bool good = server_run(server);
    if (!good)
        log_error("the loop failed: %s", strerror(errno));
    server_close(&server);
    if (good)
        log_info("the broker has stopped");
    return good ? EXIT_SUCCESS : EXIT_SYSTEM;
}

int main(int argc, char **argv)
{
    static struct config config;
    struct options options = {.index = 0};
    char component[CONFIG_NAME_BYTES + 8];

    int exit_code = read_options(argc, argv, &options);
    if (exit_code < 0)
        exit_code = read_cluster(&options, &config);
    if (exit_code >= 0)
        return exit_code;
    umask(077); /* sockets and logs are this user's */
    snprintf(component, sizeof component, "broker %s", options.name);
    if (!log_open(component, options.log)) {
        fprintf(stderr, "holdfast-broker: could not open \"%s\": %s\n", options.log,
                strerror(errno));
        return EXIT_SYSTEM;
    }
    exit_code = serve(&options, &config);
    log_close();
    return exit_code;
}
