/* SPDX-License-Identifier: MIT
 *
 * The lines of a run that are under way, and which of them may be sent next. Pure: no sockets, no
 * clock. Lines that touch the same thing keep their order: one waits until those before it are
 * done for good, whatever has to be sent again meanwhile; all others go at once.
 */
#ifndef CLI_RUN_JOBS_H
#define CLI_RUN_JOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What else a line may touch, so that it keeps its place among all lines there. */
enum job_reach {
    JOB_KEY,       /* only what its key names */
    JOB_PARTITION, /* anything of its partition: the levels of a reservation */
    JOB_ALL,       /* anything: a warehouse, a reason */
};

struct job {
    uint32_t line;   /* for the caller; the order is that of jobs_add */
    const char *key; /* a sku, or NULL; the caller's, until jobs_done */
    uint32_t partition;
    enum job_reach reach;
    void *data;
    /* For the caller: how often it was sent, and under which of its ids. */
    uint16_t attempt;
    uint32_t generation;
    unsigned tries;
    /* jobs.c */
    struct jobs_private *own;
};

struct jobs;

/* At most so many held, and of them so many sent and not answered. */
struct jobs *jobs_new(size_t held_max, size_t flying_max);
void jobs_destroy(struct jobs **jobs); /* the jobs themselves are the caller's */

bool jobs_full(const struct jobs *jobs);
size_t jobs_held(const struct jobs *jobs);
size_t jobs_flying(const struct jobs *jobs);
/* Borrowed until jobs_done. There must be room. */
void jobs_add(struct jobs *jobs, struct job *job);

/* The next one to send, which flies from now on; NULL: none may, now. */
struct job *jobs_next(struct jobs *jobs, int64_t now_us);
/* It flies and shall be sent again, not before due_us. It keeps its place. */
void jobs_again(struct jobs *jobs, struct job *job, int64_t due_us);
/* It flies no more, but nothing passes it until it is done. */
void jobs_park(struct jobs *jobs, struct job *job);
/* It flies or is parked, and is done: those that waited for it may go. */
void jobs_done(struct jobs *jobs, struct job *job);
/* Any that is held, to throw away what is left; it is done then. NULL: none. */
struct job *jobs_abandon(struct jobs *jobs);
/* Would jobs_next give one? */
bool jobs_may_send(const struct jobs *jobs, int64_t now_us);
/* When one that is sent again is due; INT64_MAX: none waits for a time. */
int64_t jobs_due_us(const struct jobs *jobs);

#endif
