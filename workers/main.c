/* SPDX-License-Identifier: MIT
 *
 * holdfast-worker: options, start and stop, and what the loop (loop.h) waits for. Everything that
 * thinks is in the modules that worker.h lists.
 */
#include <errno.h>
#include <getopt.h>
#include <mysql.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <zmq.h>

#include "common/clock.h"
#include "common/log.h"
#include "workers/auditor.h"
#include "workers/link.h"
#include "workers/loop.h"
#include "workers/publish_link.h"
#include "workers/session.h"

#define EXIT_USAGE 64
#define EXIT_FILE 65
#define EXIT_SYSTEM 71

#define GOODBYE_LINGER_MS 500

static const char usage[] =
    "usage: holdfast-worker -C FILE --shard NAME --name NAME [--log FILE]\n"
    "\n"
    "Applies operations to the partitions of one shard. `holdfast up` starts it; see\n"
    "holdfast-worker(8).\n"
    "\n"
    "  -C, --cluster FILE  cluster.yaml\n"
    "      --shard NAME    the shard whose partitions it may own\n"
    "      --name NAME     of this worker, for people\n"
    "      --log FILE      where log lines go; otherwise to stderr\n"
    "      --help          this text\n"
    "      --version       the version\n";

struct options {
    const char *cluster, *shard, *name, *log;
};

/* -1: go on; otherwise the exit code. */
static int parse_options(int argc, char **argv, struct options *options)
{
    enum { OPTION_SHARD = 256, OPTION_NAME, OPTION_LOG, OPTION_HELP, OPTION_VERSION };
    static const struct option known[] = {
        {"cluster", required_argument, NULL, 'C'},
        {"shard", required_argument, NULL, OPTION_SHARD},
        {"name", required_argument, NULL, OPTION_NAME},
        {"log", required_argument, NULL, OPTION_LOG},
        {"help", no_argument, NULL, OPTION_HELP},
        {"version", no_argument, NULL, OPTION_VERSION},
        {NULL, 0, NULL, 0},
    };

    for (int c; (c = getopt_long(argc, argv, "C:", known, NULL)) != -1;) {
        if (c == 'C')
            options->cluster = optarg;
        else if (c == OPTION_SHARD)
            options->shard = optarg;
        else if (c == OPTION_NAME)
            options->name = optarg;
        else if (c == OPTION_LOG)
            options->log = optarg;
        else if (c == OPTION_HELP)
            return fputs(usage, stdout) < 0 ? EXIT_SYSTEM : 0;
        else if (c == OPTION_VERSION)
            return printf("holdfast-worker 0.1.0\n") < 0 ? EXIT_SYSTEM : 0;
        else
            return EXIT_USAGE;
    }
    if (optind != argc || !options->shard || !options->name ||
        code_fault(options->name, strlen(options->name))) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    return -1;
}

static int read_config(const struct options *options, struct config *config)
{
    char path[CONFIG_PATH_BYTES], error[4096];

    if (!config_find(options->cluster, path, sizeof path, error, sizeof error)) {
        fprintf(stderr, "holdfast-worker: %s\n", error);
        return EXIT_USAGE;
    }
    if (!config_read(config, path, error, sizeof error)) {
        fprintf(stderr, "%s\n", error);
        return EXIT_FILE;
    }
    return -1;
}

static const struct config_shard *find_shard(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->shard_count; i++) {
        if (strcmp(config->shards[i].name, name) == 0)
            return &config->shards[i];
    }
    return NULL;
}

/* Until a signal comes. */
static int run(struct worker *worker, const struct publish_link *link, int signals)
{
    zmq_pollitem_t items[CONFIG_BROKERS_MAX + 3];

    for (;;) {
        size_t count = 0;
        for (; count < worker->session_count; count++)
            items[count] = (zmq_pollitem_t){
                .socket = broker_link_socket(sessions_link(worker, count)), .events = ZMQ_POLLIN};
        if (link)
            items[count++] =
                (zmq_pollitem_t){.socket = publish_link_socket(link), .events = ZMQ_POLLIN};
        items[count++] =
            (zmq_pollitem_t){.socket = auditor_socket(worker->auditor), .events = ZMQ_POLLIN};
        items[count++] = (zmq_pollitem_t){.fd = signals, .events = ZMQ_POLLIN};
        int64_t wait = worker_wait_us(worker, clock_monotonic_us());
        if (zmq_poll(items, (int)count, (long)((wait + 999) / 1000)) < 0 && zmq_errno() != EINTR) {
            log_error("poll: %s", zmq_strerror(zmq_errno()));
            return EXIT_SYSTEM;
        }
        if (items[count - 1].revents & ZMQ_POLLIN)
            break;
        auditor_tick(worker->auditor, clock_monotonic_us());
        worker_turn(worker);
    }
    worker_stop(worker);
    return 0;
}

static int open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int work(const struct config *config, const struct config_shard *shard, const char *name)
{
    struct worker worker;
    struct publish_link *link = NULL;
    struct publish *publish = NULL;
    int signals = open_signals(), code = EXIT_SYSTEM;
    void *context = zmq_ctx_new();

    if (signals < 0 || !context)
        return EXIT_SYSTEM;
    log_info("pid=%d shard=%s started", (int)getpid(), shard->name);
    bool opened = worker_open(&worker, config, shard, name, context);
    if (opened && !(worker.auditor = auditor_open(context, shard))) {
        log_error("could not start a thread for audits: %s", strerror(errno));
    } else if (opened && publish_link_open(&link, context, config)) {
        worker.publish = publish = link ? publish_new(publish_link_output(link)) : NULL;
        code = run(&worker, link, signals);
    } else if (opened) {
        log_error("could not make a socket for changes: %s", zmq_strerror(zmq_errno()));
    }
    bool closed = auditor_close(&worker.auditor);
    worker_close(&worker, GOODBYE_LINGER_MS);
    publish_destroy(&publish);
    publish_link_close(&link);
    if (!closed) {
        log_warn("code=%d stopped while an audit hangs in the database", code);
        log_close();
        _exit(code);
    }
    zmq_ctx_term(context);
    close(signals);
    log_info("code=%d stopped", code);
    return code;
}

int main(int argc, char **argv)
{
    struct options options = {0};
    static struct config config;
    char component[CODE_BYTES_MAX + 16];

    int code = parse_options(argc, argv, &options);
    if (code < 0)
        code = read_config(&options, &config);
    if (code >= 0)
        return code;
    const struct config_shard *shard = find_shard(&config, options.shard);
    if (!shard) {
        fprintf(stderr, "holdfast-worker: \"%s\" has no shard \"%s\"\n", config.path,
                options.shard);
        return EXIT_USAGE;
    }
    snprintf(component, sizeof component, "worker %s", options.name);
    if (!log_open(component, options.log)) {
        fprintf(stderr, "holdfast-worker: could not open \"%s\": %s\n", options.log,
                strerror(errno));
        return EXIT_SYSTEM;
    }
    mysql_library_init(0, NULL, NULL);
    code = work(&config, shard, options.name);
    mysql_library_end();
    log_close();
    return code;
}
