/* SPDX-License-Identifier: MIT
 *
 * What `holdfast up` is to start: read from the folder of a cluster, or made for a new one.
 * Everything that can be refused is refused here, before a process is started.
 */
#ifndef UP_PLAN_H
#define UP_PLAN_H

#include "cli/command.h"
#include "up/supervisor.h"

/* Was the folder moved since it was made? error then says from where. */
bool plan_was_moved(const struct plan *plan, char *error, size_t error_bytes);

/* Reads cluster.yaml and the marker of plan->layout. */
bool plan_read(struct plan *plan, char *error, size_t error_bytes);

/* The sockets lie where they were put when the cluster was made, whatever the environment says now.
 */
void plan_keep_sockets(struct plan *plan);

/* 0 when the options that were typed agree with the cluster that there is; otherwise it has
 * complained, and this is the exit code. */
int plan_check_options(const struct invocation *invocation, const struct plan *plan);

/* Fills in the plan and writes every file of the folder that is missing. The lock must be held. 0,
 * or it has complained and this is the exit code. */
int plan_make(const struct invocation *invocation, struct plan *plan);

#endif
