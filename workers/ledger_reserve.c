/* SPDX-License-Identifier: MIT
 *
 * reserve: which levels the lines are taken from, all of them or none. Lines that name a warehouse
 * are served first, so that a line with a free choice does not take what another needs.
 */
#include "workers/ledger_impl.h"

#include <string.h>

static int64_t available_now(const struct ledger *ledger, const struct level_entry *level)
{
    struct balances balances = plan_balances(ledger, level);

    return balances_available(&balances);
}

static void hold(struct ledger *ledger, struct level_entry *level, int64_t quantity)
{
    struct plan_row *row = plan_level(ledger, level, HF__MOVEMENT_KIND__MOVEMENT_RESERVED);

    row->d_reserved += quantity;
    row->change.reserved += quantity;
}

static enum status reserve_named(struct ledger *ledger, struct turn *turn, const struct want *want)
{
    struct sku_entry *sku;
    struct level_entry *level;
    enum status status = find_sku(ledger, turn, &want->line->sku, want->index, &sku);

    if (status == STATUS_applied)
        status =
            find_level(ledger, turn, sku, &want->line->warehouse, "warehouse", want->index, &level);
    if (status != STATUS_applied)
        return status;
    int64_t available = available_now(ledger, level);
    if (available < want->quantity)
        add_shortage(ledger, turn, &want->line->sku, want->line->warehouse.data,
                     want->line->warehouse.len, want->quantity, available);
    else
        hold(ledger, level, want->quantity);
    return STATUS_applied;
}

/* ------------------------------------------------------------- the policies */

/* The levels that the policy may use, one after another; NULL after the last. A list of warehouses
 * limits either policy to them. */
static struct level_entry *candidate(const Hf__Reserve *reserve, const struct sku_entry *sku,
                                     size_t *at)
{
    if (reserve->n_warehouses == 0)
        return *at < sku->level_count ? sku->levels[(*at)++] : NULL;
    while (*at < reserve->n_warehouses) {
        const ProtobufCBinaryData *code = &reserve->warehouses[(*at)++];
        struct level_entry *level = cache_level(sku, code->data, code->len);
        if (level)
            return level;
    }
    return NULL;
}

struct choice {
    struct level_entry *level; /* the best of them; NULL: none has anything */
    int64_t available;         /* there */
    int64_t total;             /* over all candidates */
    int64_t most;              /* at the one that has most */
};

/* Most available: ties go to the code that sorts first. Nearest first: the first that has enough,
 * and when none has, the first that has anything. */
static struct choice choose(const struct ledger *ledger, const Hf__Reserve *reserve,
                            const struct sku_entry *sku, int64_t quantity)
{
    struct choice choice = {0};
    struct level_entry *level;
    size_t at = 0;

    while ((level = candidate(reserve, sku, &at)) != NULL) {
        int64_t available = available_now(ledger, level);
        bool better;
        if (reserve->policy == HF__POLICY__POLICY_NEAREST_FIRST)
            better = available > 0 &&
                     (!choice.level || (choice.available < quantity && available >= quantity));
        else
            better = available > choice.available ||
                     (choice.level && available == choice.available &&
                      code_compare(&level->level.warehouse, &choice.level->level.warehouse) < 0);
        if (better) {
            choice.level = level;
            choice.available = available;
        }
        choice.total += available;
        if (available > choice.most)
            choice.most = available;
    }
    return choice;
}

static enum status reserve_anywhere(struct ledger *ledger, struct turn *turn,
                                    const struct want *want)
{
    const Hf__Reserve *reserve = turn->operation->reserve;
    struct sku_entry *sku;
    enum status status = find_sku(ledger, turn, &want->line->sku, want->index, &sku);

    if (status != STATUS_applied)
        return status;
    struct choice choice = choose(ledger, reserve, sku, want->quantity);
    int64_t possible = reserve->may_split ? choice.total : choice.most;
    if (possible < want->quantity) {
        add_shortage(ledger, turn, &want->line->sku, NULL, 0, want->quantity, possible);
        return STATUS_applied;
    }
    for (int64_t left = want->quantity; left > 0;) {
        int64_t taken = choice.available < left ? choice.available : left;
        hold(ledger, choice.level, taken);
        left -= taken;
        if (left > 0)
            choice = choose(ledger, reserve, sku, left);
    }
    return STATUS_applied;
}

static enum status check_policy_warehouses(struct ledger *ledger, struct turn *turn)
{
    const Hf__Reserve *reserve = turn->operation->reserve;
    uint64_t version;

    for (size_t i = 0; i < reserve->n_warehouses; i++) {
        const ProtobufCBinaryData *code = &reserve->warehouses[i];
        if (!warehouse_known(ledger, code->data, code->len, &version))
            return refuse(ledger, turn, STATUS_unknown_warehouse, "no warehouse has this code",
                          "reserve.warehouses[%zu]", i);
    }
    return STATUS_applied;
}

/* ------------------------------------------------------------- the reservation */

static enum status make_reservation(struct ledger *ledger, struct turn *turn)
{
    const Hf__Operation *operation = turn->operation;
    uint8_t id[RESERVATION_ID_BYTES];

    reservation_id_make(id, ledger->partition, turn->operation_id);
    struct reservation_entry *entry = cache_reservation_obtain(ledger, id);
    struct reservation *reservation = &entry->reservation;
    /* The id is new, so this is another operation's: 64 bits of hash are equal. */
    if (reservation->revision > 0)
        return refuse_plain(turn, STATUS_internal, "its reservation id is taken");
    memcpy(reservation->id, id, sizeof id);
    memcpy(reservation->operation_id, turn->operation_id, UUID_BYTES);
    reservation->created_at_us = ledger->now_us;
    code_set(&reservation->order, operation->reserve->order.data, operation->reserve->order.len);
    code_set(&reservation->actor, operation->actor.data, operation->actor.len);
    (void)cache_reservation_lines(ledger, reservation, ledger->plan_count);
    for (size_t i = 0; i < ledger->plan_count; i++) {
        struct plan_row *row = &ledger->plan[i];
        reservation->lines[i].sku = row->level->level.sku;
        reservation->lines[i].warehouse = row->level->level.warehouse;
        reservation->lines[i].quantity = row->d_reserved;
        row->line = i;
    }
    turn->reservation = entry;
    turn->state = HF__RESERVATION_STATE__RESERVATION_ACTIVE;
    turn->expires_at_us =
        ledger->now_us + (int64_t)ttl_or_default(operation->reserve->ttl_ms) * 1000;
    return STATUS_applied;
}

enum status decide_reserve(struct ledger *ledger, struct turn *turn)
{
    enum status status = check_policy_warehouses(ledger, turn);

    for (size_t i = 0; i < turn->want_count && status == STATUS_applied; i++) {
        if (turn->wants[i].line->warehouse.len > 0)
            status = reserve_named(ledger, turn, &turn->wants[i]);
    }
    for (size_t i = 0; i < turn->want_count && status == STATUS_applied; i++) {
        if (turn->wants[i].line->warehouse.len == 0)
            status = reserve_anywhere(ledger, turn, &turn->wants[i]);
    }
    if (status != STATUS_applied)
        return status;
    if (turn->shortage_count > 0) {
        turn->holds_in_the_way = true;
        return STATUS_insufficient_stock;
    }
    if (ledger->plan_count > ROWS_PER_OPERATION_MAX)
        return refuse(ledger, turn, STATUS_too_large, "would be taken from too many warehouses",
                      "reserve.lines");
    return make_reservation(ledger, turn);
}
