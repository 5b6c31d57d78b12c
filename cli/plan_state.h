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

/* What these lines, all of this partition, may depend on. Borrowed until the next call. */
const struct holdfast_state *plan_state_for(struct plan_state *state, uint32_t partition,
                                            const struct bulk_line *const *lines, size_t count);

#endif
