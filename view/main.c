/* SPDX-License-Identifier: MIT
 *
 * holdfast-view: its parts and the loop. What it knows is in model.h, where it comes from in
 * feed.h, who asks in server.h. It keeps nothing on disk.
 */
#include <errno.h>
#include <mysql.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "common/clock.h"
#include "common/daemon.h"
#include "common/frames.h"
#include "common/log.h"
#include "view/feed.h"
#include "view/server.h"

#define METRICS_US 10000000
#define WAIT_MAX_US 1000000

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

static int serve(const struct config *config, const struct daemon *self)
{
    struct view view = {.signals = daemon_signals(),
                        .facts = {.name = self->name, .started_at_us = clock_wall_us()}};
    char error[VIEW_ERROR_BYTES];
    int code = EXIT_SYSTEM;
    void *context = zmq_ctx_new();

    if (view.signals < 0 || !context)
        return EXIT_SYSTEM;
    log_info("pid=%d started", (int)getpid());
    view.model = model_new(config->partitions);
    model_name(view.model, (uint64_t)view.facts.started_at_us);
    view.metrics_next_us = clock_monotonic_us() + METRICS_US;
    view.server = view_server_open(context, config, config->views[self->index].client, view.model,
                                   &view.facts, error);
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
    frames_end(context);
    close(view.signals);
    log_info("code=%d stopped", code);
    return code;
}

int main(int argc, char **argv)
{
    static const struct daemon_kind kind = {.role = "view",
                                            .does =
                                                "Answers from memory how much there is of what.\n",
                                            .list = "views",
                                            .count_at = offsetof(struct config, view_count),
                                            .databases = true};
    static struct config config;
    struct daemon self;

    int code = daemon_start(&kind, argc, argv, &config, &self);
    if (code >= 0)
        return code;
    mysql_library_init(0, NULL, NULL);
    code = serve(&config, &self);
    mysql_library_end();
    log_close();
    return code;
}
