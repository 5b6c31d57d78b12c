/* SPDX-License-Identifier: MIT
 *
 * One process that the supervisor keeps: starting it, hearing that it ended, when to start it
 * again. The supervisor's loop calls these; time is passed in.
 */
#ifndef UP_CHILD_H
#define UP_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "up/layout.h"

#define CHILD_ARGUMENTS_MAX 16
#define CHILD_ARGUMENT_BYTES (LAYOUT_PATH_BYTES + 32)

/* Waits before a start after an end: 100 ms, doubling to 5 s; 100 ms again after 10 s of life. */
#define BACKOFF_FIRST_MS 100u
#define BACKOFF_LAST_MS 5000u
#define BACKOFF_FORGET_US (10 * 1000000)

enum child_role { ROLE_INSTALL, ROLE_DATABASE, ROLE_BROKER, ROLE_WORKER, ROLE_VIEW, ROLE_RELAY };
/* "install", "database", …; static text. */
const char *child_role_name(enum child_role role);

enum child_state {
    CHILD_WAITING,  /* not to be started yet: something must come before it */
    CHILD_DUE,      /* to be started at start_at_us */
    CHILD_RUNNING,  /* pid is set */
    CHILD_STOPPING, /* was told to end; pid is set until it has */
    CHILD_ENDED,    /* and shall not be started again */
};
const char *child_state_name(enum child_state state);

struct child {
    char name[96];
    enum child_role role;
    size_t shard; /* index; not for brokers, views and relays */
    char storage[CHILD_ARGUMENTS_MAX][CHILD_ARGUMENT_BYTES];
    char *argv[CHILD_ARGUMENTS_MAX + 1];
    size_t argument_count;
    char error_log[LAYOUT_PATH_BYTES];  /* its stdout and stderr */
    char server_log[LAYOUT_PATH_BYTES]; /* of a database, which does not rotate its own */

    enum child_state state;
    pid_t pid;
    int64_t start_at_us;   /* CHILD_DUE: monotonic */
    int64_t started_us;    /* monotonic */
    int64_t started_at_us; /* wall clock, for people */
    int64_t kill_at_us;    /* CHILD_STOPPING: then SIGKILL */
    unsigned backoff_ms;
    unsigned restarts;
    char last_end[64]; /* "exit 71", "signal 9"; "" before the first */
};

void child_init(struct child *child, const char *name, enum child_role role, size_t shard,
                const struct layout *layout);
void child_argument(struct child *child, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A database whose log has passed LOG_FILE_BYTES begins a new one; one old file is kept. Our own
 * programs rotate theirs by themselves. */
void child_rotate_log(const struct child *child);

/* CHILD_WAITING → CHILD_DUE, at once. */
void child_release(struct child *child, int64_t now_us);
/* CHILD_DUE → CHILD_RUNNING. When fork fails it stays due, later. */
void child_start(struct child *child, int64_t now_us);
/* The process has ended with this wait status: CHILD_DUE, or CHILD_ENDED where it was told to. */
void child_ended(struct child *child, int status, int64_t now_us);
/* Asks a running one to end; SIGKILL follows after grace_ms (child_enforce). Others: CHILD_ENDED.
 */
void child_stop(struct child *child, int64_t now_us, unsigned grace_ms);
void child_enforce(struct child *child, int64_t now_us);

#endif
