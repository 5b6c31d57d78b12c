/* SPDX-License-Identifier: MIT
 *
 * `holdfast up`: makes the folder of a cluster, or finds it, forks its supervisor, tells what
 * happens, and returns when every partition answers through every broker.
 *
 * It never starts a second supervisor: who holds DIR/lock is the one.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/command.h"
#include "common/broker_watch.h"
#include "up/supervisor.h"
#include "up/state.h"
#include "up/plan.h"
#include "common/clock.h"
#include "common/log.h"

#define ANSWER_US (INT64_C(60) * 1000000)  /* from started to every partition served */
#define BALANCE_US (INT64_C(3) * 1000000)  /* from then to every worker having its share */
#define ATTACH_US (INT64_C(600) * 1000000) /* another `up` starts it: its database may recover */
#define ASK_MS 50
#define LINE_BYTES 2048

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

static int64_t begun_us;

static void step(const char *text)
{
    fprintf(stderr, "up: %5.1f s  %s\n", (double)(clock_monotonic_us() - begun_us) / 1e6, text);
}

/* ------------------------------------------------------------- the supervisor */

/* In the fork: leaves the terminal and everything that the caller had open, but lock and progress.
 */
static void __attribute__((noreturn))
become_supervisor(const struct plan *plan, int lock, int progress)
{
    char path[LAYOUT_PATH_BYTES];

    (void)setsid();
    (void)umask(077);
    layout_log_path(&plan->layout, "supervisor.err", path, sizeof path);
    int nothing = open("/dev/null", O_RDWR);
    int errors = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    (void)dup2(nothing, STDIN_FILENO);
    (void)dup2(errors >= 0 ? errors : nothing, STDOUT_FILENO);
    (void)dup2(errors >= 0 ? errors : nothing, STDERR_FILENO);
    /* Low, in order, so that the rest can be closed at once. */
    lock = fcntl(lock, F_DUPFD, 10);
    progress = fcntl(progress, F_DUPFD, 10);
    int first = lock < progress ? lock : progress, last = lock < progress ? progress : lock;
    (void)close_range(3, (unsigned)first - 1, 0);
    if (last > first + 1)
        (void)close_range((unsigned)first + 1, (unsigned)last - 1, 0);
    (void)close_range((unsigned)last + 1, ~0u, 0);
    (void)fcntl(lock, F_SETFD, FD_CLOEXEC);
    (void)fcntl(progress, F_SETFD, FD_CLOEXEC);
    if (chdir("/") != 0 || !layout_sign_lock(lock))
        _exit(EX_OSERR);
    layout_log_path(&plan->layout, "supervisor.log", path, sizeof path);
    (void)log_open("supervisor", path);
    _exit(supervisor_run(plan, progress));
}

static pid_t start_supervisor(const struct plan *plan, int lock, int *progress)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0)
        become_supervisor(plan, lock, ends[1]);
    close(ends[1]);
    *progress = ends[0];
    return pid;
}

/* Ends the supervisor that this process started, and waits for it. */
static void take_down(pid_t supervisor)
{
    (void)kill(supervisor, SIGTERM);
    while (waitpid(supervisor, NULL, 0) < 0 && errno == EINTR) {
    }
}

/* ------------------------------------------------------------- following the start */

enum started { STARTED, START_FAILED, START_INTERRUPTED };

static enum started follow_line(char *line)
{
    if (strncmp(line, PROGRESS_STEP, strlen(PROGRESS_STEP)) == 0)
        step(line + strlen(PROGRESS_STEP));
    else if (strncmp(line, PROGRESS_FAILED, strlen(PROGRESS_FAILED)) == 0)
        complain("up", "%s", line + strlen(PROGRESS_FAILED));
    return strcmp(line, PROGRESS_STARTED) == 0 ? STARTED : START_FAILED;
}

/* Prints what the supervisor tells, until it has started everything or its pipe ends. */
static enum started follow(int progress)
{
    char buffer[LINE_BYTES];
    size_t used = 0;

    while (!interrupted) {
        struct pollfd item = {.fd = progress, .events = POLLIN};
        if (poll(&item, 1, 1000) <= 0)
            continue;
        ssize_t n = read(progress, buffer + used, sizeof buffer - 1 - used);
        if (n <= 0)
            return START_FAILED;
        used += (size_t)n;
        char *end;
        while ((end = memchr(buffer, '\n', used))) {
            *end = '\0';
            if (follow_line(buffer) == STARTED)
                return STARTED;
            used -= (size_t)(end + 1 - buffer);
            memmove(buffer, end + 1, used);
        }
        if (used == sizeof buffer - 1)
            used = 0; /* no line of ours is that long */
    }
    return START_INTERRUPTED;
}

/* Waits until every broker routes every partition, and, for a while longer, until every worker has
 * its share. False when that takes too long or the supervisor ends; what: in words, what is
 * missing.
 */
static bool wait_answers(const struct plan *plan, char *what, size_t what_bytes)
{
    int64_t deadline_us = clock_monotonic_us() + ANSWER_US;
    struct broker_watch *watch = broker_watch_new(&plan->config);
    size_t workers = plan->config.shard_count * plan->workers;
    bool served = false, done = false;

    snprintf(what, what_bytes, "out of memory");
    while (watch && !done && !interrupted && clock_monotonic_us() < deadline_us) {
        broker_watch_wait(watch, ASK_MS);
        bool now = broker_watch_served(watch, what, what_bytes);
        if (now && !served)
            deadline_us = clock_monotonic_us() + BALANCE_US;
        served = served || now;
        done = now && broker_watch_balanced(watch, workers);
        if (!layout_is_held(&plan->layout, NULL)) {
            snprintf(what, what_bytes, "it has stopped");
            served = false;
            break;
        }
    }
    broker_watch_destroy(&watch);
    return served && !interrupted;
}

static void print_answer(const struct invocation *invocation, const struct plan *plan, bool running)
{
    if (invocation->json)
        printf("{\"dir\": \"%s\", \"cluster\": \"%s\", \"already_running\": %s}\n",
               plan->layout.dir, plan->layout.cluster_file, running ? "true" : "false");
    else
        printf("%s\n", plan->layout.cluster_file);
}

/* Has the supervisor started everything? error: why not. */
static bool has_started(struct plan *plan, char *error, size_t error_bytes)
{
    if (!plan_read(plan, error, error_bytes))
        return false; /* its `up` may not have written the files yet */
    struct json_object *state = state_read(plan->layout.state_file), *field;
    bool started = state && json_object_object_get_ex(state, "state", &field) &&
                   strcmp(json_object_get_string(field), "running") == 0;
    json_object_put(state);
    snprintf(error, error_bytes, "it is starting or stopping");
    return started;
}

/* Somebody else's supervisor lives: wait until its cluster answers. */
static int attach(const struct invocation *invocation, struct plan *plan)
{
    char error[4096];
    int64_t deadline_us = clock_monotonic_us() + ATTACH_US;

    step("it is running already");
    while (!has_started(plan, error, sizeof error)) {
        if (!interrupted && layout_is_held(&plan->layout, NULL) &&
            !plan_was_moved(plan, error, sizeof error) && clock_monotonic_us() < deadline_us) {
            (void)poll(NULL, 0, ASK_MS);
            continue;
        }
        if (!interrupted)
            complain("up", "it does not come up: %s", error);
        return interrupted ? EXIT_INTERRUPTED : EX_OSERR;
    }
    int wrong = plan_check_options(invocation, plan);
    uint64_t workers = option_number(invocation, "workers", plan->workers);
    if (wrong == 0 && workers != plan->workers)
        wrong = usage_error(invocation,
                            "%u workers run for each shard, not %llu: take it down, then up again",
                            plan->workers, (unsigned long long)workers);
    if (wrong != 0)
        return wrong;
    if (!wait_answers(plan, error, sizeof error)) {
        if (!interrupted)
            complain("up", "it runs, but does not answer: %s", error);
        return interrupted ? EXIT_INTERRUPTED : EX_OSERR;
    }
    print_answer(invocation, plan, true);
    return 0;
}

static int start(const struct invocation *invocation, struct plan *plan, int lock)
{
    char error[4096];
    int progress = -1;

    int wrong = plan_make(invocation, plan);
    if (wrong != 0) {
        (void)unlink(plan->layout.lock_file);
        (void)rmdir(plan->layout.dir); /* only where it is empty */
        close(lock);
        return wrong;
    }
    pid_t supervisor = start_supervisor(plan, lock, &progress);
    close(lock);
    if (supervisor < 0) {
        complain("up", "could not fork: %s", strerror(errno));
        return EX_OSERR;
    }
    enum started started = follow(progress);
    if (started == STARTED) {
        step("waiting until every partition answers");
        if (wait_answers(plan, error, sizeof error)) {
            step("the cluster answers");
            print_answer(invocation, plan, false);
            return 0;
        }
        if (!interrupted)
            complain("up", "it does not answer: %s; logs are in %s", error, plan->layout.log);
    } else if (started == START_FAILED) {
        complain(
            "up",
            "the cluster did not start; logs are in %s; `holdfast doctor --dir %s` may say why",
            plan->layout.log, plan->layout.dir);
    }
    take_down(supervisor);
    return interrupted ? EXIT_INTERRUPTED : EX_OSERR;
}

int cmd_up(const struct invocation *invocation)
{
    static struct plan plan;
    struct sigaction action = {.sa_handler = on_interrupt};
    char error[512];
    int lock;

    begun_us = clock_monotonic_us();
    if (!layout_init(&plan.layout, option_text(invocation, "dir"), error, sizeof error))
        return usage_error(invocation, "%s", error);
    if (!layout_make_dir(&plan.layout, error, sizeof error)) {
        complain("up", "%s", error);
        return EX_OSERR;
    }
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    switch (layout_lock(&plan.layout, &lock)) {
    case LOCK_TAKEN:
        return start(invocation, &plan, lock);
    case LOCK_HELD:
        return attach(invocation, &plan);
    case LOCK_FAILED:
        break;
    }
    complain("up", "could not lock \"%s\": %s", plan.layout.lock_file, strerror(errno));
    return EX_OSERR;
}
