/* SPDX-License-Identifier: MIT
 *
 * See live.h. One operation after another: at this pace nothing has to overlap.
 */
#include "demo/live.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BEAT_MS 500  /* a line of the file each */
#define HELD_MAX 128 /* reservations that something is still to happen to */
#define TTL_MS 45000
#define PURCHASE_AFTER_S 6
#define SHIP_AFTER_S 8 /* after the purchase */
#define RESTOCK_UNITS 48

enum fate { FATE_SHIP, FATE_RELEASE, FATE_EXPIRE };

struct held {
    char reservation[65]; /* "": free */
    enum fate fate;
    bool purchased;
    time_t due;
};

struct live {
    struct holdfast *client;
    struct held held[HELD_MAX];
    uint64_t count; /* lines so far */
};

static time_t seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static void call(struct live *live, const struct holdfast_operation *operation)
{
    struct holdfast_result *result = holdfast_call(live->client, operation);
    holdfast_result_free(&result);
}

/* ------------------------------------------------------------- new orders */

static void hold(struct live *live, const char *reservation)
{
    for (size_t i = 0; i < HELD_MAX; i++) {
        struct held *held = &live->held[i];
        if (held->reservation[0])
            continue;
        snprintf(held->reservation, sizeof held->reservation, "%s", reservation);
        held->fate = live->count % 9 == 0   ? FATE_EXPIRE
                     : live->count % 7 == 0 ? FATE_RELEASE
                                            : FATE_SHIP;
        held->purchased = false;
        held->due = seconds() + PURCHASE_AFTER_S;
        return;
    } /* no room: nothing more happens to it, and it expires */
}

static void restock(struct live *live, const char *sku)
{
    struct holdfast_line line = {.sku = sku,
                                 .warehouse = demo_warehouses[live->count % WAREHOUSE_COUNT].code,
                                 .quantity = RESTOCK_UNITS};
    struct holdfast_operation receive = {.kind = HOLDFAST_RECEIVE,
                                         .lines = &line,
                                         .line_count = 1,
                                         .actor = "goods-in",
                                         .reference = "reorder"};
    call(live, &receive);
}

static void reserve(struct live *live, const struct retail *retail, const struct retail_line *from)
{
    char order[65];
    struct holdfast_line line = {.sku = retail->skus[from->sku].code,
                                 .quantity = (uint32_t)from->quantity};
    struct holdfast_operation operation = {.kind = HOLDFAST_RESERVE,
                                           .lines = &line,
                                           .line_count = 1,
                                           .ttl_ms = TTL_MS,
                                           .order = order,
                                           .actor = "web-shop",
                                           .may_split = true};

    snprintf(order, sizeof order, "L%.60s", from->invoice);
    struct holdfast_result *result = holdfast_call(live->client, &operation);
    if (result->status == HOLDFAST_APPLIED && result->reservation)
        hold(live, result->reservation->reservation);
    else if (result->status == HOLDFAST_INSUFFICIENT_STOCK)
        restock(live, line.sku);
    holdfast_result_free(&result);
}

/* Now and then something breaks. */
static void write_off(struct live *live, const struct retail *retail,
                      const struct retail_line *from)
{
    struct holdfast_operation operation = {.kind = HOLDFAST_ADJUST,
                                           .sku = retail->skus[from->sku].code,
                                           .warehouse =
                                               demo_warehouses[live->count % WAREHOUSE_COUNT].code,
                                           .delta = -1,
                                           .reason = retail->reasons[0].code,
                                           .actor = "j.lee",
                                           .note = "forklift"};
    call(live, &operation);
}

/* ------------------------------------------------------------- what becomes of them */

static void go_on(struct live *live, struct held *held)
{
    struct holdfast_operation operation = {.reservation = held->reservation, .actor = "web-shop"};

    switch (held->fate) {
    case FATE_EXPIRE:
        held->reservation[0] = '\0';
        return;
    case FATE_RELEASE:
        operation.kind = HOLDFAST_RELEASE;
        break;
    case FATE_SHIP:
        operation.kind = held->purchased ? HOLDFAST_SHIP : HOLDFAST_PURCHASE;
        operation.actor = held->purchased ? "m.kaya" : "web-shop";
        break;
    }
    call(live, &operation);
    if (held->fate == FATE_SHIP && !held->purchased) {
        held->purchased = true;
        held->due = seconds() + SHIP_AFTER_S;
    } else {
        held->reservation[0] = '\0';
    }
}

void live_run(struct holdfast *client, const struct retail *retail, const volatile int *stop)
{
    struct live *live = calloc(1, sizeof *live);
    size_t next = 0;

    if (!live || retail->line_count == 0) {
        free(live);
        return;
    }
    live->client = client;
    while (!*stop) {
        const struct retail_line *line = &retail->lines[next];
        next = (next + 1) % retail->line_count;
        if (line->kind != LINE_SALE || line->sku == RETAIL_NO_SKU) {
            if (next == 0) /* a file without a sale: do not spin */
                (void)poll(NULL, 0, BEAT_MS);
            continue;
        }
        live->count++;
        reserve(live, retail, line);
        if (live->count % 23 == 0 && retail->reason_count > 0)
            write_off(live, retail, line);
        for (size_t i = 0; i < HELD_MAX && !*stop; i++) {
            if (live->held[i].reservation[0] && seconds() >= live->held[i].due)
                go_on(live, &live->held[i]);
        }
        (void)poll(NULL, 0, BEAT_MS);
    }
    free(live);
}
