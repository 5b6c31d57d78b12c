/* SPDX-License-Identifier: MIT
 *
 * See order.h. Merging n new items into m costs n·log(m) comparisons and one pass over the array,
 * and the ranks another.
 */
#include "view/order.h"

#include <stdlib.h>
#include <string.h>

#include "view/slab.h"

#define ORDER_FRESH UINT32_MAX

static void add_fresh(struct order *order, uint32_t item)
{
    order->ranks[item] = ORDER_FRESH;
    order->fresh =
        array_room(order->fresh, order->fresh_count, &order->fresh_capacity, sizeof *order->fresh);
    order->fresh[order->fresh_count++] = item;
}

void order_add(struct order *order, uint32_t item)
{
    order->ranks = array_room(order->ranks, item, &order->rank_capacity, sizeof *order->ranks);
    add_fresh(order, item);
}

void order_changed(struct order *order, uint32_t item)
{
    if (order->ranks[item] != ORDER_FRESH)
        add_fresh(order, item);
}

/* qsort_r gives addresses; order->compare takes items. */
static int compare_items(const void *a, const void *b, void *context)
{
    const struct order *order = context;

    return order->compare(order->context, *(const uint32_t *)a, *(const uint32_t *)b);
}

/* How many of the first count items come before item. */
static size_t before(const struct order *order, size_t count, uint32_t item)
{
    size_t low = 0;

    while (low < count) {
        size_t middle = low + (count - low) / 2;
        if (order->compare(order->context, order->items[middle], item) < 0)
            low = middle + 1;
        else
            count = middle;
    }
    return low;
}

static void drop_changed(struct order *order)
{
    size_t kept = 0;

    for (size_t i = 0; i < order->count; i++) {
        if (order->ranks[order->items[i]] != ORDER_FRESH)
            order->items[kept++] = order->items[i];
    }
    order->count = kept;
}

static void merge(struct order *order)
{
    size_t left = order->count, total = order->count + order->fresh_count;

    if (total > order->capacity) {
        order->capacity = total + total / 8;
        order->items = realloc(order->items, order->capacity * sizeof *order->items);
        if (!order->items)
            abort();
    }
    for (size_t i = order->fresh_count; i > 0; i--) {
        size_t at = before(order, left, order->fresh[i - 1]);
        memmove(order->items + at + i, order->items + at, (left - at) * sizeof *order->items);
        order->items[at + i - 1] = order->fresh[i - 1];
        left = at;
    }
    order->count = total;
}

void order_settle(struct order *order)
{
    if (order->fresh_count == 0)
        return;
    drop_changed(order);
    qsort_r(order->fresh, order->fresh_count, sizeof *order->fresh, compare_items, order);
    merge(order);
    for (size_t i = 0; i < order->count; i++)
        order->ranks[order->items[i]] = (uint32_t)i;
    free(order->fresh);
    order->fresh = NULL;
    order->fresh_count = order->fresh_capacity = 0;
}

size_t order_find(const struct order *order, order_compare_key *compare, const void *key,
                  bool *exact)
{
    size_t low = 0, high = order->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(order->context, order->items[middle], key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *exact = low < order->count && compare(order->context, order->items[low], key) == 0;
    return low;
}

size_t order_bytes(const struct order *order)
{
    return (order->capacity + order->fresh_capacity + order->rank_capacity) * sizeof(uint32_t);
}

void order_release(struct order *order)
{
    free(order->items);
    free(order->fresh);
    free(order->ranks);
    *order = (struct order){.compare = order->compare, .context = order->context};
}
