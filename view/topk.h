/* SPDX-License-Identifier: MIT
 *
 * The first few of many rows: offered one by one, kept in a heap whose top is the last of those
 * kept, so that nearly all of the rest are turned away by one comparison.
 */
#ifndef VIEW_TOPK_H
#define VIEW_TOPK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct topk_row {
    int64_t key;
    uint64_t tie; /* rows of the same key: ascending, whatever the order of keys */
    uint32_t row;
};

struct topk {
    struct topk_row *rows; /* room for limit */
    size_t count, limit;   /* limit at least 1 */
    bool descending;
};

/* Does a come before b? */
static inline bool topk_before(bool descending, int64_t a_key, uint64_t a_tie, int64_t b_key,
                               uint64_t b_tie)
{
    if (a_key != b_key)
        return descending ? a_key > b_key : a_key < b_key;
    return a_tie < b_tie;
}

void topk_keep(struct topk *topk, struct topk_row row);

static inline void topk_offer(struct topk *topk, int64_t key, uint64_t tie, uint32_t row)
{
    if (topk->count == topk->limit &&
        !topk_before(topk->descending, key, tie, topk->rows[0].key, topk->rows[0].tie))
        return;
    topk_keep(topk, (struct topk_row){key, tie, row});
}

/* Into their order; nothing may be offered afterwards. */
void topk_sort(struct topk *topk);

#endif
