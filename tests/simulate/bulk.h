/* SPDX-License-Identifier: MIT
 *
 * What bulk.c (runs and undos) and count.c (count lists) share: somebody who goes through the lines
 * of a run, under ids that everybody can derive.
 */
#ifndef TESTS_SIMULATE_BULK_H
#define TESTS_SIMULATE_BULK_H

#include "tests/simulate/world.h"

#define GENERATIONS_MAX 64u /* of a line's id */

enum line_state {
    LINE_NONE,     /* not asked for: recorded before */
    LINE_ASKED,    /* an answer is awaited */
    LINE_KNOWN,    /* what became of it is to be recorded */
    LINE_RECORDED, /* or is being recorded */
};

/* A run that a caller applies, or a list that it counts; without a name: one thing that it takes
 * back. */
struct job {
    struct job *next; /* of the same client */
    struct client *client;
    struct bulk_run *run;
    bool over, first_time;
    const char *actor; /* of its lines */
    int64_t created_at_us;
    struct {
        enum line_state state;
        struct holdfast_run_line result;
        uint32_t booked; /* of a list's line: what the books said when it was counted */
    } lines[WORLD_RUN_LINES];
};

/* ------------------------------------------------------------- bulk.c */

struct job *bulk_job(struct client *client, struct bulk_run *run);
/* An operation of the job, to be handed over at once. */
struct note *bulk_note(struct job *job, enum holdfast_operation_kind kind);
/* Begins the run; now and then as one with other lines. */
struct note *bulk_begin(struct job *job, bool resume);
/* What came of that. True: it was begun, and created_at_us is set. */
bool bulk_begun(struct client *client, struct note *note, const struct holdfast_result *result);
/* Asks for a line, under its id of that generation. */
struct note *bulk_ask(struct job *job, size_t at, uint32_t generation);
/* The same note again, after a while. */
void bulk_ask_again(struct note *note, const struct holdfast_result *result);
/* What became of the id of this note, which is over with that. */
void bulk_settle(struct client *client, struct note *note);
/* What is recorded of a line: its status, or -1 where there is no result. */
int bulk_recorded(const struct bulk_run *run, uint32_t line);
/* What came of recording: tried until it is done. */
void bulk_record_result(struct client *client, struct note *note,
                        const struct holdfast_result *result);

/* ------------------------------------------------------------- count.c */

/* What a new list is of. */
void count_fill(struct bulk_run *list);
/* Makes the list, again perhaps, or counts some of its lines. NULL: there is nothing to count. */
struct note *count_next(struct client *client, struct bulk_run *list);
/* A note of a list's job was answered. */
void count_result(struct client *client, struct note *note, const struct holdfast_result *result);

#endif
