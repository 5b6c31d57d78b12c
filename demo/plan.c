/* SPDX-License-Identifier: MIT
 *
 * The order of invoices. A line links its invoice behind the last one that touched the line's SKU,
 * so the links are at most as many as the lines.
 */
#include "demo/plan.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void cut_into_invoices(struct plan *plan, const struct retail *retail)
{
    struct invoice *invoice = NULL;
    for (size_t i = 0; i < retail->line_count; i++) {
        if (!invoice || strcmp(retail->lines[i].invoice, retail->lines[i - 1].invoice) != 0) {
            invoice = &plan->invoices[plan->invoice_count++];
            *invoice = (struct invoice){.first_line = (uint32_t)i, .followers = PLAN_END};
        }
        invoice->line_count++;
    }
}

static void link_invoices(struct plan *plan, const struct retail *retail, uint32_t *last_of_sku)
{
    uint32_t links = 0;
    memset(last_of_sku, 0xff, retail->sku_count * sizeof *last_of_sku);
    for (uint32_t v = 0; v < plan->invoice_count; v++) {
        struct invoice *invoice = &plan->invoices[v];
        for (uint32_t i = 0; i < invoice->line_count; i++) {
            uint32_t sku = retail->lines[invoice->first_line + i].sku;
            if (sku == RETAIL_NO_SKU)
                continue;
            uint32_t before = last_of_sku[sku];
            last_of_sku[sku] = v;
            if (before == PLAN_END || before == v)
                continue;
            plan->links[links] = (struct plan_link){v, plan->invoices[before].followers};
            plan->invoices[before].followers = links++;
            invoice->waits_for++;
        }
        if (!invoice->waits_for)
            plan->ready[plan->ready_end++] = v;
    }
}

bool plan_make(struct plan *plan, const struct retail *retail)
{
    memset(plan, 0, sizeof *plan);
    plan->invoices = calloc(retail->line_count, sizeof *plan->invoices);
    plan->links = calloc(retail->line_count, sizeof *plan->links);
    plan->ready = calloc(retail->line_count, sizeof *plan->ready);
    uint32_t *last_of_sku = calloc(retail->sku_count + 1, sizeof *last_of_sku);
    bool good = plan->invoices && plan->links && plan->ready && last_of_sku;
    if (good) {
        cut_into_invoices(plan, retail);
        link_invoices(plan, retail, last_of_sku);
    } else {
        plan_release(plan);
    }
    free(last_of_sku);
    return good;
}

uint32_t plan_next(struct plan *plan)
{
    return plan->ready_first < plan->ready_end ? plan->ready[plan->ready_first++] : PLAN_END;
}

void plan_done(struct plan *plan, uint32_t invoice)
{
    for (uint32_t l = plan->invoices[invoice].followers; l != PLAN_END; l = plan->links[l].next) {
        struct invoice *follower = &plan->invoices[plan->links[l].invoice];
        assert(follower->waits_for);
        if (--follower->waits_for == 0)
            plan->ready[plan->ready_end++] = plan->links[l].invoice;
    }
}

void plan_release(struct plan *plan)
{
    free(plan->invoices);
    free(plan->links);
    free(plan->ready);
    memset(plan, 0, sizeof *plan);
}
