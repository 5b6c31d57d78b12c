/* SPDX-License-Identifier: MIT
 *
 * Which invoice may begin when: an invoice waits for the previous one of each of its SKUs. Pure.
 */
#ifndef DEMO_PLAN_H
#define DEMO_PLAN_H

#include "demo/retail.h"

struct invoice {
    uint32_t first_line; /* index into retail.lines; an invoice's lines are consecutive */
    uint32_t line_count;
    uint32_t waits_for; /* earlier invoices that share a SKU and are not done */
    uint32_t followers; /* first of plan.links, or PLAN_END */
    uint32_t open;      /* for the user of the plan: what it still has under way */
};

#define PLAN_END UINT32_MAX

struct plan_link {
    uint32_t invoice;
    uint32_t next;
};

struct plan {
    struct invoice *invoices; /* in file order */
    uint32_t invoice_count;
    struct plan_link *links;
    uint32_t *ready; /* queue of those that may begin, as they became so */
    uint32_t ready_first, ready_end;
};

/* False without memory. */
bool plan_make(struct plan *plan, const struct retail *retail);
/* The next that may begin, or PLAN_END: none until one that is under way is done. */
uint32_t plan_next(struct plan *plan);
void plan_done(struct plan *plan, uint32_t invoice);
void plan_release(struct plan *plan);

#endif
