/* SPDX-License-Identifier: MIT
 *
 * What is behind struct holdfast; private to the files that have its public functions:
 *
 *   holdfast.c       life, operations and queries
 *   holdfast_loop.c  what arrives and what is due
 *   holdfast_view.c  reads
 */
#ifndef CLIENT_HANDLE_H
#define CLIENT_HANDLE_H

#include "client/core.h"
#include "client/decode.h"
#include "client/fanout.h"
#include "client/holdfast.h"
#include "client/holdfast_view.h"
#include "client/link.h"
#include "client/options.h"
#include "client/positions.h"
#include "client/read.h"

#define RANDOM_BYTES 1000u

/* One submitted operation, query or read. */
struct pending {
    struct pending *next;  /* in `waiting`, or in the free list */
    struct fanout *fanout; /* NULL: one operation for one partition, or a read that is at a view */
    struct read *read;     /* NULL: no read */
    int64_t deadline_us;
    holdfast_result_fn *result_fn;
    holdfast_answer_fn *answer_fn;
    holdfast_view_fn *view_fn;
    void *data;
};

struct holdfast {
    struct options options;
    struct core *core; /* with a broker */
    struct link link;
    struct core *view_core; /* with a view; NULL until something is read, or there are no views */
    struct link view_link;
    struct positions positions; /* the least that reads must have seen */
    unsigned forks;             /* of those counted when it was opened */
    bool busy;                  /* inside holdfast_process or holdfast_close */
    bool closing;
    bool more; /* it stopped before it was done */
    size_t pending;
    struct pending *free;
    struct pending *waiting, **waiting_end; /* fan-outs that need the number of partitions */
    struct pool scratch;
    uint8_t random[RANDOM_BYTES]; /* for operation ids; a system call for each would cost more */
    size_t random_left;
};

/* ------------------------------------------------------------- holdfast.c */

struct core_time handle_now(void);
void handle_explain(char *error, size_t error_bytes, const char *why);
/* NULL: no memory. */
struct pending *pending_new(struct holdfast *client);
void pending_free(struct holdfast *client, struct pending *pending);
/* A core like the handle's first; NULL with errno, or 0 in it when there is no randomness. */
struct core *handle_core_new(const struct holdfast *client, bool views);
/* Why nothing can be submitted now, or NULL; and why nobody can wait. */
const char *handle_closed_door(const struct holdfast *client);
const char *handle_cannot_wait(const struct holdfast *client);
/* pending->fanout goes its way. */
void handle_enqueue(struct holdfast *client, struct pending *pending);
uint8_t handle_op_class(const struct holdfast *client);
/* Processes until *count has reached wanted. */
void handle_wait(struct holdfast *client, const size_t *count, size_t wanted);
/* It was opened before the fork that made this process, which has none of libzmq's threads. */
bool handle_is_foreign(const struct holdfast *client);

/* ------------------------------------------------------------- holdfast_loop.c */

/* Does what the cores have decided. True when there was something to do. */
bool handle_run(struct holdfast *client);
/* Calls back with what came in of a fan-out; pending is freed. */
void handle_finish(struct holdfast *client, struct pending *pending);

/* ------------------------------------------------------------- holdfast_view.c */

/* What a view gave, or why none did; takes the box. */
void handle_view_done(struct holdfast *client, struct pending *pending, struct view_box *box,
                      uint32_t view);
/* What the owners gave; takes the answer. */
void handle_owner_done(struct holdfast *client, struct pending *pending,
                       struct holdfast_answer *answer);
/* The result of a write that reads must not be older than. */
void handle_note_write(struct holdfast *client, const struct holdfast_result *result);

#endif
