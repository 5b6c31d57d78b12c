/* SPDX-License-Identifier: MIT
 *
 * The two figures of a level that follow from the others. Everything that shows or stores them
 * computes them here.
 */
#include "workers/records.h"

int64_t balances_available(const struct balances *balances)
{
    int64_t available = balances->on_hand - balances->reserved - balances->committed -
                        balances->unavailable - balances->safety_stock;
    return available > 0 ? available : 0;
}

int64_t balances_shortfall(const struct balances *balances)
{
    int64_t shortfall =
        balances->reserved + balances->committed + balances->unavailable - balances->on_hand;
    return shortfall > 0 ? shortfall : 0;
}
