/* SPDX-License-Identifier: MIT
 *
 * See daemon.h.
 */
#include "common/daemon.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "common/log.h"

#define VERSION "0.1.0" /* that of the library, too; 50-cli compares */
/* Of the open files: a client has one, and what we have ourselves must not run short. */
#define FILES_OF_CLIENT 2u

/* ------------------------------------------------------------- options */

struct options {
    const char *cluster, *shard, *name, *log;
    size_t index;
};

static void print_usage(const struct daemon_kind *kind, FILE *file)
{
    fprintf(file,
            "usage: holdfast-%s [-C cluster.yaml] %s [--log FILE]\n"
            "\n"
            "%s"
            "\n"
            "  -C, --cluster FILE  the cluster's file (otherwise looked for in the usual places)\n",
            kind->role, kind->list ? "[--index N] [--name NAME]" : "--shard NAME --name NAME",
            kind->does);
    if (kind->list)
        fprintf(file,
                "      --index N       which entry of `%s` this one is, from 0 (default 0)\n"
                "      --name NAME     its name in logs and to its peers (default %c1, %c2, ...)\n",
                kind->list, kind->role[0], kind->role[0]);
    else
        fprintf(file, "      --shard NAME    the shard whose partitions it may own\n"
                      "      --name NAME     its name in logs and to its peers\n");
    fprintf(file, "      --log FILE      where to log (default: stderr)\n"
                  "  -h, --help          this text\n"
                  "      --version       the version\n");
}

static int usage_error(const struct daemon_kind *kind, const char *message, const char *value)
{
    fprintf(stderr, "holdfast-%s: %s%s%s%s\n", kind->role, message, value ? " \"" : "",
            value ? value : "", value ? "\"" : "");
    print_usage(kind, stderr);
    return EXIT_USAGE;
}

static bool read_index(const char *text, size_t *index)
{
    char *end;

    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-')
        return false;
    *index = value;
    return true;
}

/* -1: go on; otherwise the exit code. */
static int read_options(const struct daemon_kind *kind, int argc, char **argv,
                        struct options *options)
{
    enum { OPTION_NAME = 256, OPTION_LOG, OPTION_VERSION, OPTION_WHICH };
    const struct option known[] = {
        {"cluster", required_argument, NULL, 'C'},
        {"name", required_argument, NULL, OPTION_NAME},
        {"log", required_argument, NULL, OPTION_LOG},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, OPTION_VERSION},
        {kind->list ? "index" : "shard", required_argument, NULL, OPTION_WHICH},
        {NULL, 0, NULL, 0},
    };

    for (int c; (c = getopt_long(argc, argv, "C:h", known, NULL)) != -1;) {
        if (c == 'C')
            options->cluster = optarg;
        else if (c == OPTION_NAME && code_fault(optarg, strlen(optarg)))
            return usage_error(kind, "not a name:", optarg);
        else if (c == OPTION_NAME)
            options->name = optarg;
        else if (c == OPTION_LOG)
            options->log = optarg;
        else if (c == OPTION_WHICH && !kind->list)
            options->shard = optarg;
        else if (c == OPTION_WHICH && !read_index(optarg, &options->index))
            return usage_error(kind, "not an index:", optarg);
        else if (c == 'h')
            return print_usage(kind, stdout), fflush(stdout) == 0 ? 0 : EXIT_SYSTEM;
        else if (c == OPTION_VERSION)
            return printf("holdfast-%s " VERSION "\n", kind->role) < 0 ? EXIT_SYSTEM : 0;
        else if (c != OPTION_WHICH)
            return print_usage(kind, stderr), EXIT_USAGE; /* getopt has said what is wrong */
    }
    if (optind != argc)
        return usage_error(kind, "unexpected argument", argv[optind]);
    if (!kind->list && (!options->shard || !options->name))
        return usage_error(kind, "--shard and --name must be given", NULL);
    return -1;
}

/* ------------------------------------------------------------- the cluster's file */

static const struct config_shard *find_shard(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->shard_count; i++) {
        if (strcmp(config->shards[i].name, name) == 0)
            return &config->shards[i];
    }
    return NULL;
}

static size_t entries(const struct daemon_kind *kind, const struct config *config)
{
    size_t count;
    memcpy(&count, (const char *)config + kind->count_at, sizeof count);
    return count;
}

static int read_config(const struct daemon_kind *kind, const struct options *options,
                       struct config *config, struct daemon *self)
{
    static char error[8192];
    char path[CONFIG_PATH_BYTES];

    if (!config_find(options->cluster, path, sizeof path, error, sizeof error)) {
        fprintf(stderr, "holdfast-%s: %s\n", kind->role, error);
        return EXIT_SYSTEM;
    }
    if (!config_read(config, path, error, sizeof error)) {
        fprintf(stderr, "%s\n", error);
        return EXIT_FILE;
    }
    if (kind->list && options->index >= entries(kind, config)) {
        fprintf(stderr, "holdfast-%s: --index %zu, but \"%s\" has %zu %s\n", kind->role,
                options->index, path, entries(kind, config), kind->list);
        return EXIT_USAGE;
    }
    if (kind->databases && config->shard_count == 0) {
        fprintf(stderr, "holdfast-%s: \"%s\" has no shards\n", kind->role, path);
        return EXIT_FILE;
    }
    if (!kind->list && !(self->shard = find_shard(config, options->shard))) {
        fprintf(stderr, "holdfast-%s: \"%s\" has no shard \"%s\"\n", kind->role, path,
                options->shard);
        return EXIT_USAGE;
    }
    return -1;
}

/* ------------------------------------------------------------- both */

/* A listener of libzmq that finds no descriptor for a connection ends the process. So there are as
 * many as the system gives; and of those that come all the same, who does not get a session hangs
 * up. */
static void make_room(const struct daemon_kind *kind, struct config *config)
{
    struct rlimit files;

    if (!kind->list || getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    struct rlimit more = {.rlim_cur = files.rlim_max, .rlim_max = files.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &more) == 0)
        files = more;
    uint64_t most = files.rlim_cur / FILES_OF_CLIENT;
    if (config->limits.clients <= most)
        return;
    log_warn("files=%llu clients=%u fewer clients than limits.clients says: more open files are "
             "not allowed (ulimit -Hn)",
             (unsigned long long)files.rlim_cur, (unsigned)most);
    config->limits.clients = (uint32_t)most;
}

int daemon_start(const struct daemon_kind *kind, int argc, char **argv, struct config *config,
                 struct daemon *self)
{
    struct options options = {0};
    char component[CODE_BYTES_MAX + 16];

    memset(self, 0, sizeof *self);
    int code = read_options(kind, argc, argv, &options);
    if (code < 0)
        code = read_config(kind, &options, config, self);
    if (code >= 0)
        return code;
    self->index = options.index;
    self->log = options.log;
    if (options.name)
        snprintf(self->name, sizeof self->name, "%s", options.name);
    else
        snprintf(self->name, sizeof self->name, "%c%zu", kind->role[0], options.index + 1);
    umask(077);
    snprintf(component, sizeof component, "%s %s", kind->role, self->name);
    if (log_open(component, options.log)) {
        make_room(kind, config);
        return -1;
    }
    fprintf(stderr, "holdfast-%s: could not open \"%s\": %s\n", kind->role, options.log,
            strerror(errno));
    return EXIT_SYSTEM;
}

int daemon_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return -1;
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}
