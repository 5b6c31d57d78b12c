/* SPDX-License-Identifier: MIT
 *
 * See topk.h.
 */
#include "view/topk.h"

static bool before(const struct topk *topk, const struct topk_row *a, const struct topk_row *b)
{
    return topk_before(topk->descending, a->key, a->tie, b->key, b->tie);
}

/* Puts row at the free place `at`, or below it: its children are those behind it in order. */
static void sink(struct topk *topk, size_t at, size_t count, struct topk_row row)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count)
            break;
        if (child + 1 < count && before(topk, &topk->rows[child], &topk->rows[child + 1]))
            child++;
        if (!before(topk, &row, &topk->rows[child]))
            break;
        topk->rows[at] = topk->rows[child];
        at = child;
    }
    topk->rows[at] = row;
}

void topk_keep(struct topk *topk, struct topk_row row)
{
    if (topk->count == topk->limit) {
        sink(topk, 0, topk->count, row);
        return;
    }
    size_t at = topk->count++;
    while (at > 0 && before(topk, &topk->rows[(at - 1) / 2], &row)) {
        topk->rows[at] = topk->rows[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    topk->rows[at] = row;
}

void topk_sort(struct topk *topk)
{
    for (size_t left = topk->count; left > 1; left--) {
        struct topk_row last = topk->rows[left - 1];
        topk->rows[left - 1] = topk->rows[0];
        sink(topk, 0, left - 1, last);
    }
}
