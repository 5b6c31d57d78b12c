/* SPDX-License-Identifier: MIT
 *
 * Reads the stock of all SKUs, a query's worth at a time, and adds it up.
 */
#include "demo/stock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SKUS_PER_QUERY 256u

static void add_level(struct stock_figures *figures, const struct holdfast_level *level)
{
    for (size_t w = 0; w < WAREHOUSE_COUNT; w++) {
        if (strcmp(level->warehouse, demo_warehouses[w].code) == 0) {
            figures->warehouses[w].on_hand += level->on_hand;
            figures->warehouses[w].reserved += level->reserved;
            figures->warehouses[w].committed += level->committed;
            figures->warehouses[w].unavailable += level->unavailable;
            return;
        }
    }
    figures->elsewhere += level->on_hand;
}

/* How many SKUs of the answer are the demo's. */
static size_t add_answer(struct stock_figures *figures, const struct retail *retail,
                         const struct holdfast_answer *answer)
{
    size_t known = 0;
    for (size_t i = 0; i < answer->stock_count; i++) {
        const struct holdfast_stock *stock = &answer->stock[i];
        uint32_t sku = retail_find_sku(retail, stock->sku);
        if (sku == RETAIL_NO_SKU)
            continue;
        known++;
        figures->partitions[sku] = stock->partition;
        for (size_t l = 0; l < stock->level_count; l++) {
            figures->on_hand[sku] += stock->levels[l].on_hand;
            add_level(figures, &stock->levels[l]);
        }
    }
    return known;
}

static bool ask_some(struct holdfast *client, const struct retail *retail, size_t first,
                     size_t count, struct stock_figures *figures, char *error, size_t error_bytes)
{
    const char *codes[SKUS_PER_QUERY];
    for (size_t i = 0; i < count; i++)
        codes[i] = retail->skus[first + i].code;
    struct holdfast_query query = {.kind = HOLDFAST_QUERY_STOCK, .skus = codes, .sku_count = count};
    struct holdfast_answer *answer = holdfast_ask(client, &query);
    bool good = answer->kind == HOLDFAST_KIND_APPLIED;
    if (good)
        figures->unknown_skus += count - add_answer(figures, retail, answer);
    else
        snprintf(error, error_bytes, "could not read the stock: %s: %s",
                 holdfast_status_name(answer->status),
                 *answer->message ? answer->message : holdfast_status_text(answer->status));
    holdfast_answer_free(&answer);
    return good;
}

bool stock_read(struct holdfast *client, const struct retail *retail, struct stock_figures *figures,
                char *error, size_t error_bytes)
{
    memset(figures, 0, sizeof *figures);
    figures->on_hand = calloc(retail->sku_count, sizeof *figures->on_hand);
    figures->partitions = calloc(retail->sku_count, sizeof *figures->partitions);
    if (!figures->on_hand || !figures->partitions) {
        snprintf(error, error_bytes, "%s", strerror(ENOMEM));
        return false;
    }
    for (size_t first = 0; first < retail->sku_count; first += SKUS_PER_QUERY) {
        size_t left = retail->sku_count - first;
        size_t count = left < SKUS_PER_QUERY ? left : SKUS_PER_QUERY;
        if (!ask_some(client, retail, first, count, figures, error, error_bytes))
            return false;
    }
    return true;
}

void stock_release(struct stock_figures *figures)
{
    free(figures->on_hand);
    free(figures->partitions);
    memset(figures, 0, sizeof *figures);
}
