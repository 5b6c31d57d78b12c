/* SPDX-License-Identifier: MIT
 *
 * What the cluster says is there: every level of every SKU of the demo, asked of its owner.
 */
#ifndef DEMO_STOCK_H
#define DEMO_STOCK_H

#include "client/holdfast.h"
#include "demo/retail.h"

struct warehouse_figures {
    uint64_t on_hand, reserved, committed, unavailable;
};

struct stock_figures {
    struct warehouse_figures warehouses[WAREHOUSE_COUNT];
    uint64_t elsewhere;   /* units in warehouses that the demo does not know */
    uint64_t *on_hand;    /* by SKU, over all warehouses */
    uint32_t *partitions; /* by SKU */
    size_t unknown_skus;  /* that are no items of the cluster */
};

/* Fills in *figures; release them whatever the outcome. False with error when a query fails. */
bool stock_read(struct holdfast *client, const struct retail *retail, struct stock_figures *figures,
                char *error, size_t error_bytes);
void stock_release(struct stock_figures *figures);

#endif
