/* SPDX-License-Identifier: MIT
 *
 * What a bulk file would do: the owners are asked (dry runs), line by line in the file's order,
 * each on top of those before it. Changes nothing. Memory grows with the number of different levels
 * that the file touches (about 200 bytes each), not with its lines.
 */
#ifndef CLI_PLAN_H
#define CLI_PLAN_H

#include "cli/run_input.h"
#include "cli/session.h"

struct plan_change { /* one level */
    const char *sku, *warehouse;
    struct holdfast_level before, after; /* without their texts */
    bool first; /* nothing before it in the file touched the level: `before` is what is there */
};

struct plan_outcome {
    const struct bulk_line *line;
    bool done; /* applied already, by this run: nothing else is set */
    int status;
    const char *text; /* why not; "" when it would be applied */
    const struct plan_change *changes;
    size_t change_count;
    uint32_t revision; /* of the reservation, after it; 0: none */
};

/* Called for each line, in order. False ends the walk. */
typedef bool plan_visit(void *data, const struct plan_outcome *outcome);

/* 0, or an exit code after telling why it could not be done. known (may be NULL): what the system
 * has recorded of the run. */
struct run_known;
int plan_walk(struct session *session, struct run_input *input, struct run_known *known,
              plan_visit *visit, void *data);

/* ------------------------------------------------------------- saved plans */

/* Its first line and the bulk file. False with errno. */
bool plan_save_begin(FILE *to, const struct run_input *input);
/* What is expected of a line. */
void plan_save_line(FILE *to, const struct plan_outcome *outcome);

/* Plans again and compares with what was saved. 0: it holds. 3 after naming the lines whose stock
 * has moved; or another exit code. */
int plan_compare(struct session *session, struct run_input *input);

#endif
