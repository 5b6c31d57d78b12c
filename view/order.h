/* SPDX-License-Identifier: MIT
 *
 * Items in the order of a text that they have: the rank of each, so that a million rows are sorted
 * by comparing numbers. New items wait until somebody asks; then they are sorted and merged in. For
 * the read model alone.
 */
#ifndef VIEW_ORDER_H
#define VIEW_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Below, at or above 0 as a comes before, is, or comes after b. Never 0 for different items. */
typedef int order_compare(const void *context, uint32_t a, uint32_t b);
/* The same for an item and a key that may be no item's. */
typedef int order_compare_key(const void *context, uint32_t item, const void *key);

struct order { /* zeroed, with compare and context set: empty */
    order_compare *compare;
    const void *context;
    uint32_t *items;
    size_t count, capacity;
    uint32_t *fresh; /* not in items yet, or at a wrong place there */
    size_t fresh_count, fresh_capacity;
    uint32_t *ranks; /* by item; ORDER_FRESH: it is in fresh */
    size_t rank_capacity;
};

/* Items are numbered from 0, and each is added once. */
void order_add(struct order *order, uint32_t item);
/* Its text is another now. */
void order_changed(struct order *order, uint32_t item);
/* Merges what is new. Everything below needs it. */
void order_settle(struct order *order);
/* How many items come before the key; exact: there is an item with just that key. */
size_t order_find(const struct order *order, order_compare_key *compare, const void *key,
                  bool *exact);
size_t order_bytes(const struct order *order);
void order_release(struct order *order);

#endif
