/* SPDX-License-Identifier: MIT
 *
 * What became of lines, gathered for the system's record of the run: a record_run has lines of one
 * block of 256. Pure.
 */
#ifndef CLI_RUN_RESULTS_H
#define CLI_RUN_RESULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/holdfast.h"

#define RUN_BLOCK 256u
/* A block that does not fill is recorded after so long. */
#define RESULTS_AGE_US 1000000
#define RESULTS_SOON_US 10000

struct results; /* zero or more blocks */

struct results_block {
    uint32_t number;
    struct holdfast_run_line lines[RUN_BLOCK]; /* in order; texts are owned */
    void *waiting[RUN_BLOCK];                  /* for the line to be recorded; or NULL */
    size_t count;
    int64_t since_us;
    bool sent;
    int64_t not_before_us;
    struct results_block *next;
};

struct results *results_new(void);
void results_destroy(struct results **results);

/* Copies line->text, cut to what a record may hold. A later result of a line takes the place of an
 * earlier one that was not sent yet. waiting: the caller's, or NULL; a block for which something
 * waits is recorded soon. */
void results_add(struct results *results, const struct holdfast_run_line *line, void *waiting,
                 int64_t now_us);

/* The next block to record: full, old enough, or with flush any. It counts as sent then. NULL:
 * none. */
struct results_block *results_next(struct results *results, int64_t now_us, bool flush);
/* It is recorded, or never will be: gone. */
void results_done(struct results *results, struct results_block **block);
/* It is more than one message may carry (count > 1): in two parts, to be sent at once. */
void results_halve(struct results *results, struct results_block *block);
/* To be sent again, not before then. */
void results_again(struct results_block *block, int64_t not_before_us);

size_t results_waiting(const struct results *results); /* blocks, sent ones included */
/* When results_next has something to give, at the earliest; INT64_MAX: nothing waits for a time. */
int64_t results_due_us(const struct results *results);

#endif
