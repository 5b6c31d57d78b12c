/* SPDX-License-Identifier: MIT
 *
 * The supervisor of a cluster on one machine: starts the databases, applies the schema, starts
 * brokers, workers, views and relays, and starts again what dies. `holdfast up` forks it; `holdfast
 * down` ends it with SIGTERM. One process, one thread, one poll loop.
 *
 * Its children die with it (PR_SET_PDEATHSIG): after a kill -9 of the supervisor nothing is left
 * that could write beside the next one. The databases then recover as after a power cut.
 */
#ifndef UP_SUPERVISOR_H
#define UP_SUPERVISOR_H

#include "up/layout.h"
#include "up/server.h"
#include "common/config.h"

struct plan {
    struct layout layout;
    struct config config;
    struct server_program server;
    char broker[LAYOUT_PATH_BYTES]; /* the programs */
    char worker[LAYOUT_PATH_BYTES];
    char view[LAYOUT_PATH_BYTES];
    char relay[LAYOUT_PATH_BYTES];
    unsigned workers; /* per shard */
};

/* What the supervisor writes into its pipe while it starts the cluster, a line each: `step TEXT`,
 * and at the end `started`, or `failed TEXT` (then it has stopped everything and ends). */
#define PROGRESS_STEP "step "
#define PROGRESS_STARTED "started"
#define PROGRESS_FAILED "failed "

/* Runs until SIGTERM or SIGINT, or until starting fails; returns the process's exit code. The
 * caller is a session leader without a terminal and holds the lock. progress is closed when the
 * cluster has started. */
int supervisor_run(const struct plan *plan, int progress);

#endif
