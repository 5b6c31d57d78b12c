/* SPDX-License-Identifier: MIT
 *
 * What the programs that serve a cluster have in common before they serve: options, the cluster's
 * file, the log, and the signals that end them.
 */
#ifndef COMMON_DAEMON_H
#define COMMON_DAEMON_H

#include "common/config.h"
#include "protocol/text.h"

/* sysexits.h */
#define EXIT_USAGE 64
#define EXIT_FILE 65
#define EXIT_SYSTEM 71

/* What a program is. */
struct daemon_kind {
    const char *role; /* broker, worker, view, relay */
    const char *does; /* what it is for, a line or two that end in "\n" */
    const char *list; /* its key in the cluster's file, whose entries --index counts; NULL: it
                       * serves a shard, and --shard and --name must be given */
    size_t count_at;  /* where in struct config the number of those entries is, a size_t */
    bool databases;   /* it reads them all: there must be shards */
};

/* One that was started. */
struct daemon {
    size_t index;                     /* of its entry in the list; less than there are */
    const struct config_shard *shard; /* NULL when it has a list; points into the config */
    char name[CODE_BYTES_MAX + 1];    /* --name, or the first letter of its role and index + 1 */
    const char *log;                  /* --log; NULL: stderr */
};

/* Reads the options and the cluster's file, opens the log, and makes new files and sockets the
 * user's own (umask 077). Who serves clients may have as many open files as the system gives, and
 * limits.clients is lowered to what these are enough for. -1: go on, and call log_close at the end;
 * otherwise there is nothing more to do, everything has been said, and this is the exit code: 0
 * (--help, --version), EXIT_USAGE, EXIT_FILE or EXIT_SYSTEM. */
int daemon_start(const struct daemon_kind *kind, int argc, char **argv, struct config *config,
                 struct daemon *self);

/* SIGTERM and SIGINT as a descriptor to poll (the caller's to close), blocked from here on in this
 * thread and all that it starts; SIGPIPE is ignored. -1 with errno. */
int daemon_signals(void);

#endif
