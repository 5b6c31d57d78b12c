/* SPDX-License-Identifier: MIT
 *
 * Token buckets: see rate.h.
 */
#include "broker/rate.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN 1000000ll
/* More idle time than this adds nothing; keeps the product of time and rate in 63 bits. */
#define REFILL_MAX_US (1800ll * 1000000ll)

void principals_init(struct principal_table *table, uint32_t rate, uint32_t burst)
{
    table->by_name = NULL;
    table->rate = rate;
    table->burst = burst > 0 ? burst : rate;
}

void principals_release(struct principal_table *table)
{
    struct principal *principal, *next;

    HASH_ITER(hh, table->by_name, principal, next)
    {
        HASH_DEL(table->by_name, principal);
        free(principal);
    }
}

struct principal *principal_enter(struct principal_table *table, const char *name, int64_t now_us)
{
    struct principal *principal;

    HASH_FIND_STR(table->by_name, name, principal);
    if (!principal) {
        principal = calloc(1, sizeof *principal);
        if (!principal)
            abort();
        snprintf(principal->name, sizeof principal->name, "%s", name);
        principal->tokens = (int64_t)table->burst * TOKEN;
        principal->since_us = now_us;
        HASH_ADD_STR(table->by_name, name, principal);
    }
    principal->sessions++;
    return principal;
}

void principal_leave(struct principal *principal, int64_t now_us)
{
    assert(principal->sessions > 0);
    principal->sessions--;
    principal->left_us = now_us;
}

void principals_tick(struct principal_table *table, int64_t now_us)
{
    struct principal *principal, *next;

    HASH_ITER(hh, table->by_name, principal, next)
    {
        if (principal->sessions > 0 || now_us - principal->left_us < RATE_KEEP_US)
            continue;
        HASH_DEL(table->by_name, principal);
        free(principal);
    }
}

bool principal_take(const struct principal_table *table, struct principal *principal,
                    int64_t now_us, uint32_t *retry_after_ms)
{
    if (table->rate == 0)
        return true;
    int64_t passed_us = now_us - principal->since_us;
    if (passed_us > REFILL_MAX_US)
        passed_us = REFILL_MAX_US;
    if (passed_us > 0) {
        int64_t full = (int64_t)table->burst * TOKEN;
        principal->tokens += passed_us * table->rate;
        if (principal->tokens > full)
            principal->tokens = full;
        principal->since_us = now_us;
    }
    if (principal->tokens >= TOKEN) {
        principal->tokens -= TOKEN;
        return true;
    }
    int64_t wait_us = (TOKEN - principal->tokens + table->rate - 1) / table->rate;
    *retry_after_ms = (uint32_t)(wait_us / 1000 + 1);
    return false;
}
