/* SPDX-License-Identifier: MIT
 *
 * What staff and warehouses do to stock: receive, adjust, count, transfer, quarantine, restore and
 * the two settings of a level.
 *
 * Promised is what orders hold and what is set aside: reserved, committed and unavailable. A change
 * that would leave less on the shelf than is promised (its shortfall would grow) is refused as
 * insufficient_on_hand, unless it says accept_shortfall; a count tells what is there and is never
 * refused for it.
 */
#include "workers/ledger_impl.h"

#include <string.h>

/* Finds what a line names and adds to the plan's row for it. */
static enum status plan_line(struct ledger *ledger, struct turn *turn, const struct want *want,
                             Hf__MovementKind kind, struct plan_row **row)
{
    struct sku_entry *sku;
    struct level_entry *level;
    enum status status = find_sku(ledger, turn, &want->line->sku, want->index, &sku);

    if (status == STATUS_applied)
        status =
            find_level(ledger, turn, sku, &want->line->warehouse, "warehouse", want->index, &level);
    if (status == STATUS_applied)
        *row = plan_level(ledger, level, kind);
    return status;
}

/* The same for a body with one sku and one warehouse. */
static enum status plan_place(struct ledger *ledger, struct turn *turn,
                              const ProtobufCBinaryData *sku, const ProtobufCBinaryData *warehouse,
                              Hf__MovementKind kind, struct plan_row **row)
{
    struct sku_entry *entry;
    struct level_entry *level;
    enum status status = find_sku(ledger, turn, sku, NO_LINE, &entry);

    if (status == STATUS_applied)
        status = find_level(ledger, turn, entry, warehouse, "warehouse", NO_LINE, &level);
    if (status == STATUS_applied)
        *row = plan_level(ledger, level, kind);
    return status;
}

enum status decide_receive(struct ledger *ledger, struct turn *turn)
{
    turn->reference = turn->operation->receive->reference;
    for (size_t i = 0; i < turn->want_count; i++) {
        const struct want *want = &turn->wants[i];
        struct plan_row *row;
        enum status status =
            plan_line(ledger, turn, want, HF__MOVEMENT_KIND__MOVEMENT_RECEIVED, &row);
        if (status != STATUS_applied)
            return status;
        row->d_on_hand += want->quantity;
        if (plan_balances(ledger, row->level).on_hand > QUANTITY_MAX)
            return refuse(ledger, turn, STATUS_too_large,
                          "would make on_hand more than 999,999,999", "receive.lines[%zu].quantity",
                          want->index);
    }
    return STATUS_applied;
}

/* How much of `wanted` could be taken from the shelf or set aside without breaking a promise. */
static int64_t free_of_promises(const struct balances *balances)
{
    int64_t unpromised =
        balances->on_hand - balances->reserved - balances->committed - balances->unavailable;
    return unpromised > 0 ? unpromised : 0;
}

enum status decide_adjust(struct ledger *ledger, struct turn *turn)
{
    const Hf__Adjust *adjust = turn->operation->adjust;
    struct plan_row *row;
    enum status status = plan_place(ledger, turn, &adjust->sku, &adjust->warehouse,
                                    HF__MOVEMENT_KIND__MOVEMENT_ADJUSTED, &row);

    if (status == STATUS_applied)
        status = find_reason(ledger, turn, &adjust->reason);
    if (status != STATUS_applied)
        return status;
    const struct balances *before = &row->level->level.now;
    row->d_on_hand = adjust->delta;
    struct balances after = plan_balances(ledger, row->level);
    if (after.on_hand > QUANTITY_MAX)
        return refuse(ledger, turn, STATUS_too_large, "would make on_hand more than 999,999,999",
                      "adjust.delta");
    if (after.on_hand < 0 || (after.shortfall > before->shortfall && !adjust->accept_shortfall)) {
        add_shortage(ledger, turn, &adjust->sku, adjust->warehouse.data, adjust->warehouse.len,
                     -adjust->delta,
                     adjust->accept_shortfall ? before->on_hand : free_of_promises(before));
        turn->holds_in_the_way = after.on_hand >= 0;
        return refuse_plain(turn, STATUS_insufficient_on_hand,
                            after.on_hand < 0 ? "on_hand would be less than 0"
                                              : "on_hand would be less than is promised");
    }
    return STATUS_applied;
}

static void set_moved(struct turn *turn, const struct level *level, uint64_t since)
{
    turn->decision->wants_moved = true;
    turn->decision->moved_sku = level->sku;
    turn->decision->moved_warehouse = level->warehouse;
    turn->decision->moved_since = since;
}

enum status decide_count(struct ledger *ledger, struct turn *turn)
{
    const Hf__Count *count = turn->operation->count;
    struct plan_row *row;
    enum status status = plan_place(ledger, turn, &count->sku, &count->warehouse,
                                    HF__MOVEMENT_KIND__MOVEMENT_COUNTED, &row);

    if (status == STATUS_applied)
        status = find_reason(ledger, turn, &count->reason);
    if (status != STATUS_applied)
        return status;
    const struct level *level = &row->level->level;
    if (count->has_version && count->on_hand_version != level->on_hand_version) {
        set_moved(turn, level, count->on_hand_version);
        return refuse(ledger, turn, STATUS_version_conflict, "on_hand has moved since that version",
                      "count.on_hand_version");
    }
    row->d_on_hand = (int64_t)count->quantity - level->now.on_hand;
    return STATUS_applied;
}

enum status decide_transfer(struct ledger *ledger, struct turn *turn)
{
    const Hf__Transfer *transfer = turn->operation->transfer;
    struct sku_entry *sku;
    struct level_entry *from, *to;
    enum status status = find_sku(ledger, turn, &transfer->sku, NO_LINE, &sku);

    if (status == STATUS_applied)
        status = find_level(ledger, turn, sku, &transfer->from, "from", NO_LINE, &from);
    if (status == STATUS_applied)
        status = find_level(ledger, turn, sku, &transfer->to, "to", NO_LINE, &to);
    if (status != STATUS_applied)
        return status;
    int64_t available = balances_available(&from->level.now);
    if (available < transfer->quantity) {
        add_shortage(ledger, turn, &transfer->sku, transfer->from.data, transfer->from.len,
                     transfer->quantity, available);
        turn->holds_in_the_way = true;
        return STATUS_insufficient_stock;
    }
    if (to->level.now.on_hand + transfer->quantity > QUANTITY_MAX)
        return refuse(ledger, turn, STATUS_too_large, "would make on_hand more than 999,999,999",
                      "transfer.quantity");
    turn->reference = transfer->reference;
    Hf__MovementKind kind = HF__MOVEMENT_KIND__MOVEMENT_TRANSFERRED;
    plan_level(ledger, from, kind)->d_on_hand = -(int64_t)transfer->quantity;
    plan_level(ledger, to, kind)->d_on_hand = transfer->quantity;
    return STATUS_applied;
}

/* More than is on the shelf cannot be set aside, whatever shortfall is accepted. */
static enum status quarantine_line(struct ledger *ledger, struct turn *turn,
                                   const struct want *want, bool accept_shortfall)
{
    struct plan_row *row;
    enum status status =
        plan_line(ledger, turn, want, HF__MOVEMENT_KIND__MOVEMENT_QUARANTINED, &row);

    if (status != STATUS_applied)
        return status;
    const struct balances *before = &row->level->level.now;
    row->d_unavailable = want->quantity;
    struct balances after = plan_balances(ledger, row->level);
    int64_t room = before->on_hand - before->unavailable;
    bool promised = after.shortfall > before->shortfall && !accept_shortfall;
    turn->holds_in_the_way = turn->holds_in_the_way || promised;
    if (after.unavailable > after.on_hand || promised)
        add_shortage(ledger, turn, &want->line->sku, want->line->warehouse.data,
                     want->line->warehouse.len, want->quantity,
                     accept_shortfall ? room : free_of_promises(before));
    return STATUS_applied;
}

static enum status short_of(struct turn *turn, enum status status, const char *message)
{
    return turn->shortage_count > 0 ? refuse_plain(turn, status, message) : STATUS_applied;
}

enum status decide_quarantine(struct ledger *ledger, struct turn *turn)
{
    const Hf__Quarantine *quarantine = turn->operation->quarantine;
    enum status status = find_reason(ledger, turn, &quarantine->reason);

    for (size_t i = 0; i < turn->want_count && status == STATUS_applied; i++)
        status = quarantine_line(ledger, turn, &turn->wants[i], quarantine->accept_shortfall);
    if (status != STATUS_applied)
        return status;
    return short_of(turn, STATUS_insufficient_on_hand, "not enough is on hand and unpromised");
}

enum status decide_restore(struct ledger *ledger, struct turn *turn)
{
    enum status status = find_reason(ledger, turn, &turn->operation->restore->reason);

    for (size_t i = 0; i < turn->want_count && status == STATUS_applied; i++) {
        const struct want *want = &turn->wants[i];
        struct plan_row *row;
        status = plan_line(ledger, turn, want, HF__MOVEMENT_KIND__MOVEMENT_RESTORED, &row);
        if (status != STATUS_applied)
            break;
        row->d_unavailable = -want->quantity;
        int64_t unavailable = row->level->level.now.unavailable;
        if (want->quantity > unavailable)
            add_shortage(ledger, turn, &want->line->sku, want->line->warehouse.data,
                         want->line->warehouse.len, want->quantity, unavailable);
    }
    if (status != STATUS_applied)
        return status;
    return short_of(turn, STATUS_insufficient_on_hand, "less than that is unavailable");
}

enum status decide_set_safety_stock(struct ledger *ledger, struct turn *turn)
{
    const Hf__SetSafetyStock *set = turn->operation->set_safety_stock;
    struct plan_row *row;
    enum status status = plan_place(ledger, turn, &set->sku, &set->warehouse,
                                    HF__MOVEMENT_KIND__MOVEMENT_SAFETY_STOCK_SET, &row);

    if (status == STATUS_applied)
        row->safety_stock = set->quantity;
    return status;
}

enum status decide_set_reorder_point(struct ledger *ledger, struct turn *turn)
{
    const Hf__SetReorderPoint *set = turn->operation->set_reorder_point;
    struct plan_row *row;
    enum status status = plan_place(ledger, turn, &set->sku, &set->warehouse,
                                    HF__MOVEMENT_KIND__MOVEMENT_REORDER_POINT_SET, &row);

    if (status == STATUS_applied)
        row->reorder_point = set->quantity;
    return status;
}
