/* SPDX-License-Identifier: MIT
 *
 * `holdfast down`: tells the supervisor to end and waits until it has, which is when its lock is
 * free. Removes what a supervisor that was killed has left; with --destroy the data too.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/command.h"
#include "up/layout.h"
#include "up/plan.h"
#include "common/clock.h"

/* A worker may finish its batch, and a database writes back what it holds. */
#define DOWN_US (INT64_C(180) * 1000000)
#define ASK_MS 20
/* The supervisor gives its lock back just before it ends. */
#define LAST_MS 5000

/* Waits until the process has ended; a descriptor of it cannot come to mean another one. */
static void wait_for_end(int process)
{
    struct pollfd ended = {.fd = process, .events = POLLIN};

    if (process < 0)
        return; /* it was gone before it could be told */
    (void)poll(&ended, 1, LAST_MS);
    close(process);
}

/* Takes the lock when the supervisor has gone; tells it to go first. */
static bool take_over(const struct layout *layout, int *lock)
{
    int64_t deadline_us = clock_monotonic_us() + DOWN_US;
    pid_t told = 0;
    int process = -1;

    for (;;) {
        enum lock_outcome outcome = layout_lock(layout, lock);
        if (outcome == LOCK_TAKEN) {
            wait_for_end(process);
            return true;
        }
        pid_t supervisor = 0;
        (void)layout_is_held(layout, &supervisor);
        if (outcome == LOCK_FAILED || clock_monotonic_us() > deadline_us) {
            if (process >= 0)
                close(process);
            return false;
        }
        /* An `up` that prepares holds the lock before it has a pid to tell. */
        if (supervisor > 0 && supervisor != told && kill(supervisor, SIGTERM) == 0) {
            if (process >= 0)
                close(process);
            process = (int)syscall(SYS_pidfd_open, supervisor, 0);
            fprintf(stderr, "down: stopping workers, brokers and databases\n");
            told = supervisor;
        }
        (void)poll(NULL, 0, ASK_MS);
    }
}

/* The lock is kept to the last: another `up` must not begin in what is being removed. */
static int destroy(const struct layout *layout)
{
    layout_clean(layout, false);
    if (strcmp(layout->sockets, layout->run) != 0)
        (void)rmdir(layout->sockets);
    if (!layout_destroy(layout)) {
        complain("down", "could not remove \"%s\": %s", layout->dir, strerror(errno));
        return EX_OSERR;
    }
    fprintf(stderr, "down: removed %s\n", layout->dir);
    return 0;
}

int cmd_down(const struct invocation *invocation)
{
    static struct plan plan;
    struct layout *layout = &plan.layout;
    char error[4096];
    int lock = -1;

    if (!layout_init(layout, option_text(invocation, "dir"), error, sizeof error))
        return usage_error(invocation, "%s", error);
    if (!layout_is_ours(layout, NULL)) {
        complain("down", "\"%s\" is not a cluster of `holdfast up`: nothing done", layout->dir);
        return EX_OSERR;
    }
    /* The sockets may be elsewhere than this environment would put them. */
    if (plan_read(&plan, error, sizeof error))
        plan_keep_sockets(&plan);
    if (!take_over(layout, &lock)) {
        complain("down", "it does not stop: %s", strerror(errno));
        return EX_OSERR;
    }
    int code = 0;
    if (option_given(invocation, "destroy"))
        code = destroy(layout);
    else
        layout_clean(layout, true);
    close(lock);
    return code;
}
