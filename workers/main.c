/* SPDX-License-Identifier: MIT
 *
 * holdfast-worker: start and stop, and what the loop (loop.h) waits for. Everything that
 * thinks is in the modules that worker.h lists.
 */
#include <errno.h>
#include <mysql.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#include "common/clock.h"
#include "common/daemon.h"
#include "common/frames.h"
#include "common/log.h"
#include "workers/auditor.h"
#include "workers/link.h"
#include "workers/loop.h"
#include "workers/publish_link.h"
#include "workers/session.h"

#define GOODBYE_LINGER_MS 500

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

static int work(const struct config *config, const struct config_shard *shard, const char *name)
{
    struct worker worker;
    struct publish_link *link = NULL;
    struct publish *publish = NULL;
    int signals = daemon_signals(), code = EXIT_SYSTEM;
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
    frames_end(context);
    close(signals);
    log_info("code=%d stopped", code);
    return code;
}

int main(int argc, char **argv)
{
    static const struct daemon_kind kind = {
        .role = "worker",
        .does = "Applies operations to the partitions of one shard. `holdfast up` starts it; see\n"
                "holdfast-worker(8).\n"};
    static struct config config;
    struct daemon self;

    int code = daemon_start(&kind, argc, argv, &config, &self);
    if (code >= 0)
        return code;
    mysql_library_init(0, NULL, NULL);
    code = work(&config, self.shard, self.name);
    mysql_library_end();
    log_close();
    return code;
}
