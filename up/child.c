/* SPDX-License-Identifier: MIT
 *
 * Forks, kills and counts one supervised process. See child.h.
 *
 * Each has a process group of its own, and signals go to the group: the program that makes a data
 * folder is a script. It never signals a pid that it has already reaped.
 */
#include "up/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

const char *child_role_name(enum child_role role)
{
    static const char *const names[] = {"install", "database", "broker", "worker", "view", "relay"};
    return names[role];
}

const char *child_state_name(enum child_state state)
{
    static const char *const names[] = {"waiting", "restarting", "running", "stopping", "stopped"};
    return names[state];
}

void child_init(struct child *child, const char *name, enum child_role role, size_t shard,
                const struct layout *layout)
{
    char file[112];
    memset(child, 0, sizeof *child);
    snprintf(child->name, sizeof child->name, "%s", name);
    child->role = role;
    child->shard = shard;
    child->backoff_ms = BACKOFF_FIRST_MS;
    snprintf(file, sizeof file, "%s.err", name);
    layout_log_path(layout, file, child->error_log, sizeof child->error_log);
    snprintf(file, sizeof file, "%s.log", name);
    layout_log_path(layout, file, child->server_log, sizeof child->server_log);
}

void child_argument(struct child *child, const char *format, ...)
{
    if (child->argument_count == CHILD_ARGUMENTS_MAX)
        return;
    char *argument = child->storage[child->argument_count];
    va_list args;
    va_start(args, format);
    vsnprintf(argument, CHILD_ARGUMENT_BYTES, format, args);
    va_end(args);
    child->argv[child->argument_count++] = argument;
}

void child_release(struct child *child, int64_t now_us)
{
    if (child->state == CHILD_WAITING) {
        child->state = CHILD_DUE;
        child->start_at_us = now_us;
    }
}

/* For what does not rotate by itself: one old file is kept. True when there is a new one to make.
 */
static bool rotate(const char *path)
{
    char old[LAYOUT_PATH_BYTES + 2];
    struct stat st;
    if (stat(path, &st) != 0 || st.st_size < LOG_FILE_BYTES)
        return false;
    snprintf(old, sizeof old, "%s.1", path);
    return rename(path, old) == 0;
}

void child_rotate_log(const struct child *child)
{
    if (child->role != ROLE_DATABASE || !rotate(child->server_log))
        return;
    if (child->state == CHILD_RUNNING)
        (void)kill(child->pid, SIGHUP); /* a database opens its log again */
}

/* Between fork and exec: nothing here may allocate or lock. */
static void become(struct child *child, pid_t supervisor, int out)
{
    sigset_t none;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != supervisor)
        _exit(71);
    (void)setpgid(0, 0);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    if (out >= 0) {
        (void)dup2(out, STDOUT_FILENO);
        (void)dup2(out, STDERR_FILENO);
    }
    execv(child->argv[0], child->argv);
    _exit(127);
}

void child_start(struct child *child, int64_t now_us)
{
    pid_t supervisor = getpid();

    (void)rotate(child->error_log);
    child_rotate_log(child);
    int out = open(child->error_log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    pid_t pid = fork();
    if (pid == 0)
        become(child, supervisor, out);
    if (out >= 0)
        close(out);
    if (pid < 0) {
        log_error("process=%s could not fork: %s", child->name, strerror(errno));
        child->start_at_us = now_us + (int64_t)BACKOFF_LAST_MS * 1000;
        return;
    }
    (void)setpgid(pid, pid); /* whoever of the two comes first */
    child->state = CHILD_RUNNING;
    child->pid = pid;
    child->started_us = now_us;
    child->started_at_us = clock_wall_us();
    log_info("process=%s pid=%ld started", child->name, (long)pid);
}

void child_ended(struct child *child, int status, int64_t now_us)
{
    int64_t lived_us = now_us - child->started_us;

    if (WIFEXITED(status))
        snprintf(child->last_end, sizeof child->last_end, "exit %d", WEXITSTATUS(status));
    else
        snprintf(child->last_end, sizeof child->last_end, "signal %d", WTERMSIG(status));
    child->pid = 0;
    if (child->state == CHILD_STOPPING || child->role == ROLE_INSTALL) {
        log_info("process=%s end=\"%s\" ended", child->name, child->last_end);
        child->state = CHILD_ENDED;
        return;
    }
    if (lived_us >= BACKOFF_FORGET_US)
        child->backoff_ms = BACKOFF_FIRST_MS;
    child->state = CHILD_DUE;
    child->start_at_us = now_us + (int64_t)child->backoff_ms * 1000;
    child->restarts++;
    log_warn("process=%s end=\"%s\" lived_ms=%lld restart_in_ms=%u ended by itself", child->name,
             child->last_end, (long long)(lived_us / 1000), child->backoff_ms);
    child->backoff_ms =
        child->backoff_ms * 2 < BACKOFF_LAST_MS ? child->backoff_ms * 2 : BACKOFF_LAST_MS;
}

void child_stop(struct child *child, int64_t now_us, unsigned grace_ms)
{
    if (child->state == CHILD_STOPPING)
        return;
    if (child->state != CHILD_RUNNING) {
        child->state = CHILD_ENDED;
        return;
    }
    child->state = CHILD_STOPPING;
    child->kill_at_us = now_us + (int64_t)grace_ms * 1000;
    (void)kill(-child->pid, SIGTERM);
    (void)kill(-child->pid, SIGCONT); /* one that was stopped must hear it too */
}

void child_enforce(struct child *child, int64_t now_us)
{
    if (child->state != CHILD_STOPPING || now_us < child->kill_at_us)
        return;
    log_warn("process=%s pid=%ld did not end when told: killed", child->name, (long)child->pid);
    (void)kill(-child->pid, SIGKILL);
    child->kill_at_us = now_us + (int64_t)BACKOFF_LAST_MS * 1000;
}
