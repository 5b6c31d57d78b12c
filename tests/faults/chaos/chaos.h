/* SPDX-License-Identifier: MIT
 *
 * What the two sources of chaos_clients share: chaos_clients.c asks, hears and logs; runs.c knows
 * how a run is applied, and what may be taken back.
 */
#ifndef TESTS_FAULTS_CHAOS_H
#define TESTS_FAULTS_CHAOS_H

#include "client/holdfast.h"

#define SKUS 200u /* besides the hot one */
#define WAREHOUSES 3u
#define LINES_MAX 3u
#define RUN_LINES 5u

struct client;
struct run_job;

struct task { /* an operation, until it is certain what became of it */
    struct task *next;
    struct holdfast_operation operation;
    struct holdfast_line lines[LINES_MAX];
    char id[37];
    char settles[37];
    char undone[37];
    char reservation[32];
    struct client *client; /* that it is with now */
    uint64_t call;
    int64_t due_us;            /* of one that is tried again */
    bool was_sent, is_adopted; /* adopted: its texts belong to the old history */
    struct run_job *job;       /* that it is part of, or NULL … */
    unsigned line;             /* … and of which of its lines */
    uint32_t generation;
    struct holdfast_run_line results[RUN_LINES];
};

/* ------------------------------------------------------------- chaos_clients.c */

extern char skus[SKUS + 1][8];
extern const char *const warehouses[WAREHOUSES];
extern const char *const reasons[2];

int64_t now_us(void);
uint64_t chaos_seed(void); /* of all processes of a round */
uint32_t below(uint32_t limit);
bool chance(uint32_t percent);
struct task *task_new(enum holdfast_operation_kind kind);
void task_free(struct task *task);
/* That this process was told of last. 0: of none. */
uint64_t known_version(const char *sku, const char *warehouse);
/* Sends it, again or for the first time, after so long. */
void try_later(struct task *task, int64_t after_us);

/* ------------------------------------------------------------- runs.c */

/* Was applied, and might be taken back. */
void runs_remember(const struct task *task, const struct holdfast_result *result);
/* Takes back something that this process was told of. NULL: nothing yet. */
struct task *runs_make_undo(void);
/* Begins, or goes on with, one of the runs that all processes apply at about this time. */
struct task *runs_make_begin(void);
/* A task with a job was answered. Frees it, or tries it again. */
void runs_heard(struct task *task, const struct holdfast_result *result);

#endif
