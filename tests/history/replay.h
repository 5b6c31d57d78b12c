/* SPDX-License-Identifier: MIT
 *
 * The replay of one partition's ledger, which three files share: replay.c judges the movements,
 * refusals.c what was refused between them, final.c the tables at the end.
 */
#ifndef TESTS_HISTORY_REPLAY_H
#define TESTS_HISTORY_REPLAY_H

#include "tests/history/model.h"

struct pending { /* a refusal that waits for its moment */
    const struct call *call;
    size_t from, until; /* states, by the number of groups before them */
    size_t tried;       /* the last state in which it was tried, plus 1 */
    bool watches_hold, watches_skus, justified;
};

struct replay {
    struct history *history;
    struct model *model;
    const struct log *log;
    uint32_t partition;
    struct pending *pendings; /* by from */
    size_t pending_count, pending_capacity, next_pending;
};

/* Finds the partition's refusals that the model can judge. */
void refusals_collect(struct replay *replay);
/* The ledger has come to this state (number of groups): tries those whose interval begins … */
void refusals_begin(struct replay *replay, size_t state);
/* … and those that wait for something which this group, the last one, has changed. */
void refusals_try_after(struct replay *replay, const struct group *group, size_t state);
/* At the end: those that were true at no moment. Frees. */
void refusals_tell(struct replay *replay);

void final_check(struct replay *replay);

bool equal_lines(const struct history_line *a, const struct history_line *b);

#endif
