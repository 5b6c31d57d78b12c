/* SPDX-License-Identifier: MIT
 *
 * holdfast-view: options, configuration and the loop. What it knows is in model.h, where it comes
 * from in feed.h, who asks in server.h. It keeps nothing on disk.
 */
#include <errno.h>
#include <getopt.h>
#include <mysql.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <zmq.h>

#include "common/clock.h"
#include "common/log.h"
#include "protocol/text.h"
#include "view/feed.h"
#include "view/server.h"

#define EXIT_USAGE 64
#define EXIT_FILE 65
#define EXIT_SYSTEM 71

#define METRICS_US 10000000
#define WAIT_MAX_US 1000000

static const char usage[] =
    "usage: holdfast-view [-C cluster.yaml] [--index N] [--name NAME] [--log FILE]\n"
    "\n"
    "Answers from memory how much there is of what.\n"
    "\n"
    "  -C, --cluster FILE  the cluster's file (otherwise looked for in the usual places)\n"
    "      --index N       which entry of `views` this one is, from 0 (default 0)\n"
    "      --name NAME     its name in logs and to its clients (default v1, v2, ...)\n"
    "      --log FILE      where to log (default: stderr)\n"
    "      --help          this text\n"
    "      --version       the version\n";

struct options {
    const char *cluster, *log;
    size_t index;
    char name[CODE_BYTES_MAX + 1];
};

static int usage_error(const char *message, const char *value)
{
    fprintf(stderr, "holdfast-view: %s \"%s\"\n%s", message, value, usage);
    return EXIT_USAGE;
}

static bool read_index(const char *text, size_t *index)
{
    char *end;

    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || value >= CONFIG_VIEWS_MAX)
        return false;
    *index = value;
    return true;
}

/* -1: go on; otherwise the exit code. */
static int parse_options(int argc, char **argv, struct options *options)
{
    enum { OPTION_INDEX = 256, OPTION_NAME, OPTION_LOG, OPTION_HELP, OPTION_VERSION };
    static const struct option known[] = {
        {"cluster", required_argument, NULL, 'C'},
        {"index", required_argument, NULL, OPTION_INDEX},
        {"name", required_argument, NULL, OPTION_NAME},
        {"log", required_argument, NULL, OPTION_LOG},
        {"help", no_argument, NULL, OPTION_HELP},
        {"version", no_argument, NULL, OPTION_VERSION},
        {NULL, 0, NULL, 0},
    };

    for (int c; (c = getopt_long(argc, argv, "C:", known, NULL)) != -1;) {
        if (c == 'C')
            options->cluster = optarg;
        else if (c == OPTION_INDEX && !read_index(optarg, &options->index))
            return usage_error("not an index:", optarg);
        else if (c == OPTION_NAME && code_fault(optarg, strlen(optarg)))
            return usage_error("not a name:", optarg);
        else if (c == OPTION_NAME)
            snprintf(options->name, sizeof options->name, "%s", optarg);
        else if (c == OPTION_LOG)
            options->log = optarg;
        else if (c == OPTION_HELP)
            return fputs(usage, stdout) < 0 ? EXIT_SYSTEM : 0;
        else if (c == OPTION_VERSION)
            return printf("holdfast-view 0.1.0\n") < 0 ? EXIT_SYSTEM : 0;
        else if (c != OPTION_INDEX)
            return EXIT_USAGE;
    }
    if (optind != argc)
        return usage_error("unexpected argument:", argv[optind]);
    if (options->name[0] == '\0')
        snprintf(options->name, sizeof options->name, "v%zu", options->index + 1);
    return -1;
}

static int read_config(const struct options *options, struct config *config)
{
    char path[CONFIG_PATH_BYTES], error[4096];

    if (!config_find(options->cluster, path, sizeof path, error, sizeof error)) {
        fprintf(stderr, "holdfast-view: %s\n", error);
        return EXIT_USAGE;
    }
    if (!config_read(config, path, error, sizeof error)) {
        fprintf(stderr, "%s\n", error);
        return EXIT_FILE;
    }
    if (options->index < config->view_count && config->shard_count > 0)
        return -1;
    fprintf(stderr, "holdfast-view: \"%s\" has no shards, or no view %zu\n", path, options->index);
    return EXIT_FILE;
}

/* ------------------------------------------------------------- the loop */

struct view {
    struct model *model;
    struct feed_view *feed;
    struct view_server *server;
    struct view_facts facts;
    int signals;
    int64_t metrics_next_us;
};

static void log_metrics(struct view *view, int64_t now_us)
{
    if (now_us < view->metrics_next_us)
        return;
    view->metrics_next_us = now_us + METRICS_US;
    struct model_counts counts = model_counts(view->model);
    log_info("items=%llu levels=%llu reservations=%llu known=%u/%u movements=%llu repairs=%llu "
             "snapshots=%llu history_lost=%llu bytes=%llu metrics",
             (unsigned long long)counts.items, (unsigned long long)counts.levels,
             (unsigned long long)counts.reservations, counts.known, counts.partitions,
             (unsigned long long)counts.movements, (unsigned long long)view->facts.repairs,
             (unsigned long long)counts.snapshots, (unsigned long long)counts.history_lost,
             (unsigned long long)counts.bytes);
}

/* Is there something to hear, or to be done? Asking each socket that has nothing costs more than an
 * answer. */
static bool feed_has_something(const struct view *view, const zmq_pollitem_t *items, int count)
{
    for (int i = 0; i < count; i++) {
        if (items[i].revents & ZMQ_POLLIN)
            return true;
    }
    return feed_view_is_due(view->feed, clock_monotonic_us());
}

static int64_t wait_us(const struct view *view, int64_t now_us)
{
    int64_t wait = WAIT_MAX_US, feed = feed_view_wait_us(view->feed, now_us);
    int64_t server = view_server_wait_us(view->server, now_us);

    wait = feed < wait ? feed : wait;
    return server < wait ? server : wait;
}

/* Until a signal comes. */
static int run(struct view *view)
{
    zmq_pollitem_t items[FEED_POLL_ITEMS_MAX + 2];
    bool tidy = true;

    for (;;) {
        items[0] = (zmq_pollitem_t){.fd = view->signals, .events = ZMQ_POLLIN};
        items[1] =
            (zmq_pollitem_t){.socket = view_server_socket(view->server), .events = ZMQ_POLLIN};
        int count = 2 + (int)feed_view_poll_items(view->feed, items + 2);
        int64_t wait = tidy ? wait_us(view, clock_monotonic_us()) : 0;
        int ready = zmq_poll(items, count, (long)((wait + 999) / 1000));
        if (ready < 0 && zmq_errno() != EINTR) {
            log_error("poll: %s", zmq_strerror(zmq_errno()));
            return EXIT_SYSTEM;
        }
        if (items[0].revents & ZMQ_POLLIN)
            return 0;
        if (ready == 0 && !tidy) {
            model_tidy(view->model); /* nobody waits: sort what is new */
            tidy = true;
        }
        bool changed = false;
        if (feed_has_something(view, items + 2, count - 2)) {
            changed = feed_view_tick(view->feed, clock_monotonic_us());
            tidy = tidy && !changed;
            view->facts.repairs = feed_view_repairs(view->feed);
        }
        if (items[1].revents & ZMQ_POLLIN)
            view_server_read(view->server, clock_monotonic_us());
        view_server_tick(view->server, changed, clock_monotonic_us());
        if (view_server_wants_beacon(view->server))
            feed_view_ask_soon(view->feed);
        log_metrics(view, clock_monotonic_us());
    }
}

static int open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL); /* before there are threads: in all of them */
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int serve(const struct config *config, const struct options *options)
{
    struct view view = {.signals = open_signals(),
                        .facts = {.name = options->name, .started_at_us = clock_wall_us()}};
    char error[VIEW_ERROR_BYTES];
    int code = EXIT_SYSTEM;
    void *context = zmq_ctx_new();

    if (view.signals < 0 || !context)
        return EXIT_SYSTEM;
    log_info("pid=%d started", (int)getpid());
    view.model = model_new(config->partitions);
    model_name(view.model, (uint64_t)view.facts.started_at_us);
    view.metrics_next_us = clock_monotonic_us() + METRICS_US;
    view.server = view_server_open(context, config, config->views[options->index].client,
                                   view.model, &view.facts, error);
    if (!view.server)
        log_error("%s", error);
    else if (!(view.feed = feed_view_open(context, config, view.model)))
        log_error("could not listen to changes: %s", zmq_strerror(errno));
    else
        code = run(&view);
    if (view.server)
        view_server_close(&view.server);
    if (view.feed && !feed_view_close(&view.feed)) {
        log_warn("code=%d stopped while a database hangs", code);
        log_close();
        _exit(code);
    }
    model_destroy(&view.model);
    zmq_ctx_term(context);
    close(view.signals);
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
    snprintf(component, sizeof component, "view %s", options.name);
    if (!log_open(component, options.log)) {
        fprintf(stderr, "holdfast-view: could not open \"%s\": %s\n", options.log, strerror(errno));
        return EXIT_SYSTEM;
    }
    mysql_library_init(0, NULL, NULL);
    code = serve(&config, &options);
    mysql_library_end();
    log_close();
    return code;
}
