/* SPDX-License-Identifier: MIT
 *
 * What movements announce. A signal is a crossing: the operation before it did not leave stock so,
 * and this one does. Decided by the owner, who has every level of a sku in memory, and kept in the
 * ledger, so that a subscriber who comes later is told the same.
 */
#include "workers/ledger_impl.h"

#define BIT(signal) (1u << ((unsigned)HF__SIGNAL__SIGNAL_##signal - 1))

static bool fell_below(int64_t before, int64_t after, int64_t limit)
{
    return before >= limit && after < limit;
}

uint32_t signals_of_level(const struct ledger *ledger, struct level_entry *level,
                          const struct balances *before)
{
    const struct balances *after = &level->level.now;
    struct sku_entry *sku = level->owner;
    int64_t was = balances_available(before), is = balances_available(after);
    uint32_t signals = 0;

    if (sku->signal_turn != ledger->turn_number) {
        sku->signal_turn = ledger->turn_number;
        sku->available_change = 0;
    }
    sku->available_change += is - was;
    /* A reorder point that is raised above what is there announces too. */
    if (was >= before->reorder_point && is < after->reorder_point)
        signals |= BIT(LOW_STOCK_HERE);
    if (fell_below(was, is, 1))
        signals |= BIT(OUT_OF_STOCK_HERE);
    if (after->shortfall > before->shortfall)
        signals |= BIT(SHORTFALL);
    return signals;
}

static int64_t available_in_all(const struct sku_entry *sku)
{
    int64_t sum = 0;

    for (size_t i = 0; i < sku->level_count; i++)
        sum += balances_available(&sku->levels[i]->level.now);
    return sum;
}

static uint32_t signals_of_sku(const struct sku_entry *sku)
{
    uint32_t signals = 0;

    if (sku->available_change >= 0)
        return 0;
    int64_t is = available_in_all(sku), was = is - sku->available_change;
    if (fell_below(was, is, sku->item.reorder_point))
        signals |= BIT(LOW_STOCK);
    if (fell_below(was, is, 1))
        signals |= BIT(OUT_OF_STOCK);
    return signals;
}

void signals_of_skus(struct ledger *ledger, const struct turn *turn)
{
    struct movement *last = &ledger->movements[ledger->movement_count - 1];

    for (size_t i = ledger->plan_count; i > 0; i--, last--) {
        const struct level_entry *level = ledger->plan[i - 1].level;
        if (!level || level->owner->signal_turn != ledger->turn_number)
            continue;
        last->signals |= signals_of_sku(level->owner);
        level->owner->signal_turn = 0; /* told, at its last movement */
    }
    if (turn->item) {
        int64_t is = available_in_all(turn->item);
        if (is >= turn->reorder_point_before && is < turn->item->item.reorder_point)
            ledger->movements[ledger->movement_count - 1].signals |= BIT(LOW_STOCK);
    }
}
