/* SPDX-License-Identifier: MIT
 *
 * The supervisor's loop: what starts after what, and what ends before what. See supervisor.h.
 *
 * Start: each shard by itself: data folder, server, schema; then its workers. Brokers at once: they
 * need no database. Stop: workers, brokers, databases; each group when the one before has ended.
 */
#include "up/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "up/child.h"
#include "up/state.h"
#include "common/clock.h"
#include "common/log.h"
#include "schema/apply.h"

#define TICK_STARTING_MS 20  /* a new server is asked this often */
#define TICK_MS 1000         /* later, children wake us */
#define ENDS_MAX_STARTING 5u /* a process that ends this often while starting never will run */
#define DATABASE_START_US (INT64_C(300) * 1000000) /* recovery of a large log takes a while */
#define STOP_WORKER_MS 15000u
#define STOP_BROKER_MS 5000u
#define STOP_DATABASE_MS 120000u
#define ROTATE_US (INT64_C(10) * 1000000) /* how often sizes of logs are looked at */
#define FILES_WANTED 65536u
#define LOG_TAIL_BYTES 400

enum shard_state {
    SHARD_INSTALL, /* the data folder is being made */
    SHARD_START,   /* the server runs, or is about to, and does not answer yet */
    SHARD_READY,   /* schema and partitions are there, its workers may run */
};

struct shard {
    enum shard_state state;
    struct child *install; /* one-shot */
    struct child *database;
    int64_t deadline_us; /* SHARD_START */
};

enum phase {
    PHASE_STARTING,
    PHASE_RUNNING,
    PHASE_STOP_WORKERS,
    PHASE_STOP_BROKERS,
    PHASE_STOP_DATABASES,
    PHASE_ENDED,
};

struct supervisor {
    const struct plan *plan;
    int progress; /* -1 when nobody waits any more */
    int signals;
    enum phase phase;
    bool failed;
    struct shard shards[CONFIG_SHARDS_MAX];
    struct child *children;
    size_t child_count;
    int64_t rotate_at_us;
};

/* ------------------------------------------------------------- telling */

static void tell(struct supervisor *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void tell(struct supervisor *s, const char *format, ...)
{
    char line[2048];
    va_list args;

    va_start(args, format);
    int n = vsnprintf(line, sizeof line - 1, format, args);
    va_end(args);
    size_t length = (size_t)n < sizeof line - 1 ? (size_t)n : sizeof line - 2;
    log_info("%s", line);
    line[length++] = '\n';
    if (s->progress >= 0 && write(s->progress, line, length) < 0)
        s->progress = -1; /* who asked has gone; the cluster starts all the same */
}

static void save_state(const struct supervisor *s)
{
    const char *state = s->phase == PHASE_STARTING  ? "starting"
                        : s->phase == PHASE_RUNNING ? "running"
                                                    : "stopping";
    if (!state_write(s->plan->layout.state_file, state, s->children, s->child_count))
        log_limited(LOG_WARN, "could not write \"%s\": %s", s->plan->layout.state_file,
                    strerror(errno));
}

/* The last lines of a file that explain an end; "" when there are none. */
static void log_tail(const char *path, char *tail, size_t tail_bytes)
{
    FILE *file = fopen(path, "re");
    size_t used = 0;

    if (file && fseek(file, -(long)LOG_TAIL_BYTES, SEEK_END) != 0)
        rewind(file);
    if (file) {
        used = fread(tail, 1, tail_bytes - 1, file);
        fclose(file);
    }
    while (used > 0 && tail[used - 1] == '\n')
        used--;
    tail[used] = '\0';
    for (char *p = tail; *p; p++)
        *p = *p == '\n' ? '|' : *p;
}

static void begin_stop(struct supervisor *s)
{
    if (s->phase < PHASE_STOP_WORKERS)
        s->phase = PHASE_STOP_WORKERS;
}

static void fail(struct supervisor *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void fail(struct supervisor *s, const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!s->failed)
        tell(s, PROGRESS_FAILED "%s", text);
    s->failed = true;
    begin_stop(s);
}

static void fail_child(struct supervisor *s, const struct child *child)
{
    char tail[LOG_TAIL_BYTES + 1] = "", path[LAYOUT_PATH_BYTES], file[112];

    snprintf(file, sizeof file, "%s.log", child->name);
    layout_log_path(&s->plan->layout, file, path, sizeof path);
    log_tail(child->error_log, tail, sizeof tail);
    if (tail[0] == '\0')
        log_tail(path, tail, sizeof tail);
    fail(s, "%s %s does not start (%s); the end of its log in %s: %s", child_role_name(child->role),
         child->name, child->last_end, s->plan->layout.log, tail);
}

/* ------------------------------------------------------------- the processes of the plan */

static struct child *add_child(struct supervisor *s, const char *name, enum child_role role,
                               size_t shard)
{
    struct child *child = &s->children[s->child_count++];
    child_init(child, name, role, shard, &s->plan->layout);
    return child;
}

static void add_command(struct child *child, const struct server_command *command)
{
    for (size_t i = 0; command->argv[i]; i++)
        child_argument(child, "%s", command->argv[i]);
}

static void add_shard(struct supervisor *s, size_t index)
{
    const struct plan *plan = s->plan;
    const struct config_shard *shard = &plan->config.shards[index];
    struct server_command command;
    char name[96];

    if (!server_is_installed(&plan->layout, shard)) {
        snprintf(name, sizeof name, "%s-install", shard->name);
        s->shards[index].install = add_child(s, name, ROLE_INSTALL, index);
        server_install_command(&plan->layout, shard, &plan->server, &command);
        add_command(s->shards[index].install, &command);
    }
    s->shards[index].database = add_child(s, shard->name, ROLE_DATABASE, index);
    server_run_command(&plan->layout, shard, &plan->server, &command);
    add_command(s->shards[index].database, &command);
}

static void add_ours(struct supervisor *s, struct child *child, const char *program)
{
    child_argument(child, "%s", program);
    child_argument(child, "-C");
    child_argument(child, "%s", s->plan->layout.cluster_file);
    child_argument(child, "--name");
    child_argument(child, "%s", child->name);
    child_argument(child, "--log");
    child_argument(child, "%s/%s.log", s->plan->layout.log, child->name);
}

static void add_children(struct supervisor *s)
{
    const struct config *config = &s->plan->config;
    char name[32];

    for (size_t i = 0; i < config->shard_count; i++)
        add_shard(s, i);
    for (size_t i = 0; i < config->broker_count; i++) {
        snprintf(name, sizeof name, "b%zu", i + 1);
        struct child *child = add_child(s, name, ROLE_BROKER, 0);
        add_ours(s, child, s->plan->broker);
        child_argument(child, "--index");
        child_argument(child, "%zu", i);
    }
    for (size_t i = 0; i < config->shard_count * s->plan->workers; i++) {
        size_t shard = i / s->plan->workers;
        snprintf(name, sizeof name, "w%zu", i + 1);
        struct child *child = add_child(s, name, ROLE_WORKER, shard);
        add_ours(s, child, s->plan->worker);
        child_argument(child, "--shard");
        child_argument(child, "%s", config->shards[shard].name);
    }
    for (size_t i = 0; i < config->view_count; i++) {
        snprintf(name, sizeof name, "v%zu", i + 1);
        struct child *child = add_child(s, name, ROLE_VIEW, 0);
        add_ours(s, child, s->plan->view);
        child_argument(child, "--index");
        child_argument(child, "%zu", i);
    }
    for (size_t i = 0; i < config->relay_count; i++) {
        snprintf(name, sizeof name, "r%zu", i + 1);
        struct child *child = add_child(s, name, ROLE_RELAY, 0);
        add_ours(s, child, s->plan->relay);
        child_argument(child, "--index");
        child_argument(child, "%zu", i);
    }
}

/* ------------------------------------------------------------- starting */

static void release_role(struct supervisor *s, enum child_role role, size_t shard, int64_t now_us)
{
    for (size_t i = 0; i < s->child_count; i++) {
        if (s->children[i].role == role && s->children[i].shard == shard)
            child_release(&s->children[i], now_us);
    }
}

static void begin(struct supervisor *s, int64_t now_us)
{
    const struct config *config = &s->plan->config;

    release_role(s, ROLE_BROKER, 0, now_us);
    for (size_t i = 0; i < config->shard_count; i++) {
        struct shard *shard = &s->shards[i];
        bool fresh = shard->install != NULL;
        shard->state = fresh ? SHARD_INSTALL : SHARD_START;
        shard->deadline_us = now_us + DATABASE_START_US;
        child_release(fresh ? shard->install : shard->database, now_us);
        tell(s, PROGRESS_STEP "%s database %s", fresh ? "making" : "starting",
             config->shards[i].name);
    }
}

static void installed(struct supervisor *s, struct child *install, int64_t now_us)
{
    struct shard *shard = &s->shards[install->shard];
    const struct config_shard *config = &s->plan->config.shards[install->shard];

    if (strcmp(install->last_end, "exit 0") != 0) {
        fail_child(s, install);
        return;
    }
    if (!server_install_finish(&s->plan->layout, config)) {
        fail(s, "could not put the data folder of %s in its place: %s", config->name,
             strerror(errno));
        return;
    }
    tell(s, PROGRESS_STEP "starting database %s", config->name);
    shard->state = SHARD_START;
    shard->deadline_us = now_us + DATABASE_START_US;
    child_release(shard->database, now_us);
}

static bool apply_schema(struct supervisor *s, MYSQL *mysql, size_t index)
{
    const struct config *config = &s->plan->config;
    char error[512];
    unsigned applied = 0;

    if (!schema_apply(mysql, &applied, error, sizeof error) ||
        !schema_place(mysql, config->region, config->partitions, (uint32_t)index,
                      (uint32_t)config->shard_count, error, sizeof error)) {
        fail(s, "database %s: %s", config->shards[index].name, error);
        return false;
    }
    tell(s, PROGRESS_STEP "schema of %s is at version %u, %u statements applied",
         config->shards[index].name, SCHEMA_VERSION, applied);
    return true;
}

static void try_database(struct supervisor *s, size_t index, int64_t now_us)
{
    struct shard *shard = &s->shards[index];
    const struct config_shard *config = &s->plan->config.shards[index];
    char error[512];

    if (shard->database->state != CHILD_RUNNING || access(config->servers[0].socket, F_OK) != 0)
        return;
    MYSQL *mysql = server_connect(&s->plan->layout, config, error, sizeof error);
    if (!mysql) {
        if (now_us > shard->deadline_us)
            fail(s, "database %s does not answer: %s", config->name, error);
        return;
    }
    if (apply_schema(s, mysql, index)) {
        shard->state = SHARD_READY;
        release_role(s, ROLE_WORKER, index, now_us);
    }
    mysql_close(mysql);
}

static void advance_start(struct supervisor *s, int64_t now_us)
{
    size_t ready = 0;

    for (size_t i = 0; i < s->child_count; i++) {
        if (s->children[i].restarts >= ENDS_MAX_STARTING)
            fail_child(s, &s->children[i]);
    }
    for (size_t i = 0; i < s->plan->config.shard_count && !s->failed; i++) {
        if (s->shards[i].state == SHARD_START)
            try_database(s, i, now_us);
        ready += s->shards[i].state == SHARD_READY;
    }
    if (ready == s->plan->config.shard_count && s->phase == PHASE_STARTING) {
        s->phase = PHASE_RUNNING;
        release_role(s, ROLE_VIEW, 0, now_us);
        release_role(s, ROLE_RELAY, 0, now_us);
        tell(s, PROGRESS_STARTED);
        if (s->progress >= 0)
            close(s->progress);
        s->progress = -1;
    }
}

/* ------------------------------------------------------------- stopping */

/* Tells all of these roles to end; true when they have. */
static bool stop_roles(struct supervisor *s, enum child_role first, enum child_role last,
                       unsigned grace_ms, int64_t now_us)
{
    bool ended = true;
    for (size_t i = 0; i < s->child_count; i++) {
        struct child *child = &s->children[i];
        if (child->role < first || child->role > last)
            continue;
        child_stop(child, now_us, grace_ms);
        child_enforce(child, now_us);
        ended = ended && child->state == CHILD_ENDED;
    }
    return ended;
}

static void advance_stop(struct supervisor *s, int64_t now_us)
{
    if (s->phase == PHASE_STOP_WORKERS &&
        stop_roles(s, ROLE_WORKER, ROLE_RELAY, STOP_WORKER_MS, now_us))
        s->phase = PHASE_STOP_BROKERS;
    if (s->phase == PHASE_STOP_BROKERS &&
        stop_roles(s, ROLE_BROKER, ROLE_BROKER, STOP_BROKER_MS, now_us))
        s->phase = PHASE_STOP_DATABASES;
    if (s->phase == PHASE_STOP_DATABASES &&
        stop_roles(s, ROLE_INSTALL, ROLE_DATABASE, STOP_DATABASE_MS, now_us))
        s->phase = PHASE_ENDED;
}

/* ------------------------------------------------------------- the loop */

static struct child *find_child(struct supervisor *s, pid_t pid)
{
    for (size_t i = 0; i < s->child_count; i++) {
        if (s->children[i].pid == pid)
            return &s->children[i];
    }
    return NULL;
}

static bool reap(struct supervisor *s, int64_t now_us)
{
    bool changed = false;
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct child *child = find_child(s, pid);
        if (!child)
            continue;
        child_ended(child, status, now_us);
        if (child->role == ROLE_INSTALL && s->phase == PHASE_STARTING)
            installed(s, child, now_us);
        changed = true;
    }
    return changed;
}

static void read_signals(struct supervisor *s)
{
    struct signalfd_siginfo info;
    while (read(s->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) {
            log_info("signal=%u told to stop", info.ssi_signo);
            begin_stop(s);
        }
    }
}

static bool start_due(struct supervisor *s, int64_t now_us)
{
    bool changed = false;
    for (size_t i = 0; i < s->child_count && s->phase <= PHASE_RUNNING; i++) {
        if (s->children[i].state == CHILD_DUE && s->children[i].start_at_us <= now_us) {
            child_start(&s->children[i], now_us);
            changed = true;
        }
    }
    return changed;
}

static void rotate_logs(struct supervisor *s, int64_t now_us)
{
    if (s->phase != PHASE_RUNNING || now_us < s->rotate_at_us)
        return;
    s->rotate_at_us = now_us + ROTATE_US;
    for (size_t i = 0; i < s->child_count; i++)
        child_rotate_log(&s->children[i]);
}

/* Until something is to be done by the clock alone. */
static int wait_ms(const struct supervisor *s, int64_t now_us)
{
    int64_t until_us = now_us + (s->phase == PHASE_RUNNING ? TICK_MS : TICK_STARTING_MS) * 1000;
    for (size_t i = 0; i < s->child_count; i++) {
        if (s->children[i].state == CHILD_DUE && s->children[i].start_at_us < until_us)
            until_us = s->children[i].start_at_us;
    }
    return until_us <= now_us ? 0 : (int)((until_us - now_us + 999) / 1000);
}

static bool open_signals(struct supervisor *s)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGPIPE);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return false;
    s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return s->signals >= 0;
}

static void loop(struct supervisor *s)
{
    begin(s, clock_monotonic_us());
    while (s->phase != PHASE_ENDED) {
        int64_t now_us = clock_monotonic_us();
        enum phase before = s->phase;
        bool changed = reap(s, now_us);
        changed = start_due(s, now_us) || changed;
        if (s->phase == PHASE_STARTING)
            advance_start(s, now_us);
        if (s->phase > PHASE_RUNNING)
            advance_stop(s, now_us);
        rotate_logs(s, now_us);
        if (changed || s->phase != before)
            save_state(s);
        if (s->phase == PHASE_ENDED)
            break;
        struct pollfd item = {.fd = s->signals, .events = POLLIN};
        if (poll(&item, 1, wait_ms(s, now_us)) > 0)
            read_signals(s);
    }
}

int supervisor_run(const struct plan *plan, int progress)
{
    struct supervisor s = {.plan = plan, .progress = progress};
    struct rlimit files;
    size_t most = plan->config.shard_count * (2 + (size_t)plan->workers) +
                  plan->config.broker_count + plan->config.view_count + plan->config.relay_count;

    s.children = calloc(most, sizeof *s.children);
    if (!s.children || !open_signals(&s)) {
        fail(&s, "out of memory or file descriptors");
        return EX_OSERR;
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < FILES_WANTED) {
        files.rlim_cur = files.rlim_max < FILES_WANTED ? files.rlim_max : FILES_WANTED;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    layout_clean(&plan->layout, false);
    add_children(&s);
    loop(&s);
    log_info("everything has ended");
    layout_clean(&plan->layout, true);
    free(s.children);
    return s.failed ? EX_OSERR : 0;
}
