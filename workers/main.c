/* SPDX-License-Identifier: MIT
 *
 * holdfast-worker: options, start and stop, and the loop. Everything that thinks is in the modules
 * that worker.h lists.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <zmq.h>

#include "common/clock.h"
#include "common/log.h"
#include "schema/apply.h"
#include "workers/batch.h"
#include "workers/claims.h"
#include "workers/copy.h"
#include "workers/prune.h"
#include "workers/query.h"
#include "workers/session.h"
#include "workers/store.h"
#include "workers/worker.h"

#define EXIT_USAGE 64
#define EXIT_FILE 65
#define EXIT_SYSTEM 71

#define CONNECT_PAUSE_US 200000
#define METRICS_US 10000000
#define GOODBYE_LINGER_MS 500
#define WAIT_MAX_US 1000000
/* An operation id from further ahead than this is refused. */
#define ID_FUTURE_US (10LL * 60 * 1000000)
/* Batches in a row before the loop looks at anything else. */
#define BATCHES_PER_TURN 4

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

/* ------------------------------------------------------------- the database */

static bool now_reply(void *context, size_t statement, MYSQL_RES *rows, uint64_t affected)
{
    MYSQL_ROW row = rows ? mysql_fetch_row(rows) : NULL;

    (void)statement;
    (void)affected;
    if (row)
        *(int64_t *)context = db_int(row[0]);
    return row != NULL;
}

static bool read_clock(struct worker *worker)
{
    struct sql sql;
    int64_t server_us = 0;

    sql_init(&sql);
    sql_add(&sql, "SELECT " STORE_NOW);
    bool ok = db_run(&worker->db, &sql, now_reply, &server_us) == DB_OK;
    sql_release(&sql);
    if (ok)
        worker->claims.jump_us =
            timeline_follow(&worker->timeline, server_us, clock_monotonic_us());
    return ok;
}

/* True when there is a connection. Tries again only after a pause. */
static bool connected(struct worker *worker, int64_t now_us)
{
    char error[512];

    if (db_connected(&worker->db))
        return true;
    claims_connection_lost(worker);
    if (now_us < worker->connect_next_us)
        return false;
    worker->connect_next_us = now_us + CONNECT_PAUSE_US;
    if (!db_connect(&worker->db)) {
        log_limited(LOG_WARN, "shard=%s could not connect: %s", worker->shard->name,
                    db_error(&worker->db));
        return false;
    }
    if (!schema_check(worker->db.mysql, error, sizeof error)) {
        log_limited(LOG_ERROR, "shard=%s schema: %s", worker->shard->name, error);
        db_close(&worker->db);
        return false;
    }
    if (!read_clock(worker)) {
        db_close(&worker->db);
        return false;
    }
    log_info("shard=%s server=%zu connection=%lu connected", worker->shard->name, worker->db.server,
             worker->db.thread_id);
    worker->claims.look_next_us = 0;
    return true;
}

/* ------------------------------------------------------------- the loop */

static void log_metrics(struct worker *worker, int64_t now_us)
{
    struct metrics *m = &worker->metrics;
    struct db *db = &worker->db;

    if (now_us < worker->metrics_next_us)
        return;
    worker->metrics_next_us = now_us + METRICS_US;
    log_info("operations=%llu applied=%llu batches=%llu batch_mean=%.1f commits=%llu "
             "rollbacks=%llu expired=%llu returned=%llu queries=%llu pruned=%llu "
             "round_trips=%llu statements=%llu owned=%zu waiting=%zu metrics",
             (unsigned long long)m->operations, (unsigned long long)m->applied,
             (unsigned long long)m->batches,
             m->batches ? (double)m->batch_operations / (double)m->batches : 0.0,
             (unsigned long long)m->commits, (unsigned long long)m->rollbacks,
             (unsigned long long)m->expired, (unsigned long long)m->returned,
             (unsigned long long)m->queries, (unsigned long long)m->pruned,
             (unsigned long long)(db->round_trips - m->round_trips),
             (unsigned long long)(db->statements - m->statements), worker->claims.owned,
             worker->operations.count);
    *m = (struct metrics){.round_trips = db->round_trips, .statements = db->statements};
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t wait_us(const struct worker *worker, int64_t now_us)
{
    int64_t wait = least(WAIT_MAX_US, sessions_wait_us(worker, now_us));

    if (!db_connected(&worker->db))
        return least(wait, worker->connect_next_us > now_us ? worker->connect_next_us - now_us : 0);
    wait = least(wait, claims_wait_us(worker, now_us));
    if (worker->queries.count > 0)
        return 0;
    wait = least(wait, batch_wait_us(worker, now_us));
    wait = least(wait, copy_wait_us(worker, now_us));
    return least(wait, prune_wait_us(worker, now_us));
}

/* Everything that is due, once. */
static void turn(struct worker *worker)
{
    int64_t now_us = clock_monotonic_us();

    sessions_read(worker);
    if (connected(worker, now_us) && claims_must_reclaim(worker) && claims_reclaim(worker) != DB_OK)
        log_limited(LOG_WARN, "could not claim again: %s", db_error(&worker->db));
    if (db_connected(&worker->db) && claims_tick(worker, now_us) != DB_OK)
        log_limited(LOG_WARN, "could not look at the partitions: %s", db_error(&worker->db));
    sessions_keep(worker, clock_monotonic_us()); /* what we own is told before what we return */
    if (!connected(worker, clock_monotonic_us()) || claims_must_reclaim(worker)) {
        batch_sweep(worker, clock_monotonic_us());
        return;
    }
    for (int i = 0; i < BATCHES_PER_TURN && batch_tick(worker, clock_monotonic_us()); i++) {
        if (!db_connected(&worker->db) || claims_must_reclaim(worker))
            break;
        sessions_read(worker);
        sessions_keep(worker, clock_monotonic_us());
    }
    query_tick(worker, clock_monotonic_us());
    if (worker->operations.count == 0) {
        copy_tick(worker, clock_monotonic_us());
        prune_tick(worker, clock_monotonic_us());
    }
    if (!db_connected(&worker->db))
        claims_connection_lost(worker);
    sessions_keep(worker, clock_monotonic_us());
    log_metrics(worker, now_us);
}

static int run(struct worker *worker, int signals)
{
    zmq_pollitem_t items[CONFIG_BROKERS_MAX + 1];

    worker->metrics_next_us = clock_monotonic_us() + METRICS_US;
    while (!worker->stopping) {
        size_t count = sessions_poll_items(worker, items);
        items[count++] = (zmq_pollitem_t){.fd = signals, .events = ZMQ_POLLIN};
        int64_t wait = wait_us(worker, clock_monotonic_us());
        if (zmq_poll(items, (int)count, (long)((wait + 999) / 1000)) < 0 && zmq_errno() != EINTR) {
            log_error("poll: %s", zmq_strerror(zmq_errno()));
            return EXIT_SYSTEM;
        }
        if (items[count - 1].revents & ZMQ_POLLIN)
            worker->stopping = true;
        else
            turn(worker);
    }
    log_info("owned=%zu waiting=%zu stopping", worker->claims.owned, worker->operations.count);
    sessions_read(worker);
    claims_goodbye(worker);
    sessions_keep(worker, clock_monotonic_us());
    batch_return_all(worker);
    sessions_read(worker); /* what came while we said so */
    batch_return_all(worker);
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
    struct worker worker = {.config = config, .shard = shard, .name = name};
    int signals = open_signals(), code = EXIT_SYSTEM;

    if (signals < 0 ||
        getrandom(worker.instance, sizeof worker.instance, 0) != sizeof worker.instance)
        return EXIT_SYSTEM;
    srandom((unsigned)getpid() ^ (unsigned)clock_wall_us());
    worker.ledger_limits = (struct ledger_limits){
        .partitions = config->partitions,
        .lines = config->limits.lines,
        .idempotency_us = (int64_t)config->windows.idempotency_ms * 1000,
        .id_future_us = ID_FUTURE_US,
    };
    worker.catalog = catalog_new();
    arena_init(&worker.arena);
    arena_init(&worker.rows);
    db_init(&worker.db, shard);
    copy_init(&worker);
    worker.zmq = zmq_ctx_new();
    log_info("pid=%d shard=%s started", (int)getpid(), shard->name);
    if (worker.zmq && sessions_open(&worker))
        code = run(&worker, signals);
    sessions_close(&worker, GOODBYE_LINGER_MS);
    if (worker.zmq)
        zmq_ctx_term(worker.zmq);
    copy_release(&worker);
    claims_release_memory(&worker);
    work_queue_release(&worker.operations);
    work_queue_release(&worker.queries);
    db_close(&worker.db);
    needs_release(&worker.needs);
    arena_release(&worker.arena);
    arena_release(&worker.rows);
    catalog_destroy(&worker.catalog);
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
