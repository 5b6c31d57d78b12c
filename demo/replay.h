/* SPDX-License-Identifier: MIT
 *
 * Replays the retail file as operations: sales are reserved, purchased and shipped, goods that came
 * back are returned, corrections adjusted. In file order for every SKU; invoices that share no SKU
 * overlap. Uses nothing but the public API of libholdfast.
 */
#ifndef DEMO_REPLAY_H
#define DEMO_REPLAY_H

#include <stdio.h>

#include "client/holdfast.h"
#include "demo/retail.h"

/* Reservations, returns and adjustments that may be under way at once. */
#define REPLAY_IN_FLIGHT 256u
/* The replay gives up after this, whatever is still to do. */
#define REPLAY_LIMIT_MS 170000

enum replay_step {
    STEP_RESERVE,
    STEP_PURCHASE,
    STEP_SHIP,
    STEP_RETURN,
    STEP_ADJUST,
    STEP_COUNT,
};

/* "reserve", …; static text. */
const char *replay_step_name(enum replay_step step);

struct sku_tally {
    uint32_t partition; /* given: where the SKU lives */
    int64_t shipped;
    int64_t returned;
    int64_t adjusted;
};

struct replay_totals {
    uint64_t operations[STEP_COUNT];
    uint64_t applied[STEP_COUNT];
    uint64_t replayed; /* applied, but by an earlier run of the demo */
    uint64_t retries;
    size_t invoices; /* all in the file */
    size_t orders;   /* that sell goods */
    size_t orders_full, orders_part, orders_refused;
    size_t orders_by_line; /* had to be placed line by line */
    int64_t elapsed_us;
};

struct replay_options {
    int64_t began_us; /* when this run began first, since the epoch: part of its operations */
    bool again;       /* it did before: these operations may have been sent */
    FILE *progress;   /* where it tells how far it is; NULL: nowhere */
};

/* Runs everything and fills in the buckets of retail's lines, the tallies (one per SKU, zeroed but
 * for partition) and the totals. False, with error, when it could not go on; the lines that it did
 * not get to are then in BUCKET_NOT_KNOWN. */
bool replay_run(struct holdfast *client, struct retail *retail, struct sku_tally *tallies,
                const struct replay_options *options, struct replay_totals *totals, char *error,
                size_t error_bytes);

#endif
