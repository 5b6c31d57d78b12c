/* SPDX-License-Identifier: MIT
 *
 * Rows as the dry runs of a plan have left them so far, to be given to those that come after. Pure.
 */
#ifndef CLI_PLAN_STATE_H
#define CLI_PLAN_STATE_H

#include "bulk/bulk.h"
#include "client/holdfast.h"

struct plan_state;

struct plan_state *plan_state_new(void);
void plan_state_destroy(struct plan_state **state);

/* What an answer from this partition has changed. */
void plan_state_keep(struct plan_state *state, uint32_t partition,
                     const struct holdfast_state *changed);

/* Has a level been changed? */
bool plan_state_has(const struct plan_state *state, const char *sku, const char *warehouse);

/* Which levels a reservation holds is not said by the lines that are about it. Those of these lines
 * that must be asked about, each once, before plan_state_for; ids has room for count, and what is
 * put there lives in the lines. None while nothing was changed that they might hold. */
size_t plan_state_unknown(const struct plan_state *state, const struct bulk_line *const *lines,
                          size_t count, const char **ids);
/* Was asked about; what was not found is nowhere. */
void plan_state_learn(struct plan_state *state, uint32_t partition, const char *const *ids,
                      size_t count, const struct holdfast_reservation *found, size_t found_count);

/* What these lines, all of one partition, may depend on, and nothing else. Borrowed until the next
 * call. */
const struct holdfast_state *plan_state_for(struct plan_state *state,
                                            const struct bulk_line *const *lines, size_t count);

#endif
