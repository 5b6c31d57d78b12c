/* SPDX-License-Identifier: MIT
 *
 * Undo: what an operation did to levels is done the other way round, all of it or nothing, by
 * movements that name those they undo. Nothing is erased. A promise goes before an undo: what
 * has been promised or sold since then stays so, and the undo is refused.
 *
 * An undo is an operation like others, so it can be undone. That an operation is not undone
 * twice is up to whoever asks: by an id that is derived from the undone operation's.
 */
#include "workers/ledger_impl.h"

#include <string.h>

static enum status never(struct ledger *ledger, struct turn *turn, const char *why)
{
    return refuse(ledger, turn, STATUS_invalid, why, "undo.operation_id");
}

/* NULL, or why a movement of this kind is not taken back. */
static const char *not_undone(const struct movement *movement)
{
    if (movement->has_reservation)
        return "what happened to a reservation is not undone";
    switch (movement->kind) {
    case HF__MOVEMENT_KIND__MOVEMENT_RECEIVED:
    case HF__MOVEMENT_KIND__MOVEMENT_ADJUSTED:
    case HF__MOVEMENT_KIND__MOVEMENT_COUNTED:
    case HF__MOVEMENT_KIND__MOVEMENT_TRANSFERRED:
    case HF__MOVEMENT_KIND__MOVEMENT_QUARANTINED:
    case HF__MOVEMENT_KIND__MOVEMENT_RESTORED:
    case HF__MOVEMENT_KIND__MOVEMENT_SAFETY_STOCK_SET:
    case HF__MOVEMENT_KIND__MOVEMENT_REORDER_POINT_SET:
    case HF__MOVEMENT_KIND__MOVEMENT_UNDONE:
        return NULL;
    case HF__MOVEMENT_KIND__MOVEMENT_ITEM_PUT:
    case HF__MOVEMENT_KIND__MOVEMENT_WAREHOUSE_PUT:
    case HF__MOVEMENT_KIND__MOVEMENT_REASON_PUT:
        return "what was put is not undone: put again what it was before";
    default: /* of reservations, of runs, voids */
        return "there is nothing in it to undo";
    }
}

/* An undo that moved nothing has put a setting back. */
static bool is_setting(const struct movement *undone)
{
    return undone->kind == HF__MOVEMENT_KIND__MOVEMENT_SAFETY_STOCK_SET ||
           undone->kind == HF__MOVEMENT_KIND__MOVEMENT_REORDER_POINT_SET ||
           (undone->kind == HF__MOVEMENT_KIND__MOVEMENT_UNDONE && undone->d_on_hand == 0 &&
            undone->d_unavailable == 0);
}

/* Settings go back to what they were, unless somebody has set them again. */
static enum status plan_setting(struct ledger *ledger, struct turn *turn, struct plan_row *row,
                                const struct movement *undone)
{
    const Hf__Undo *undo = turn->operation->undo;
    const struct balances *now = &row->level->level.now;
    bool safety = undone->kind == HF__MOVEMENT_KIND__MOVEMENT_UNDONE
                      ? !undo->reorder_point
                      : undone->kind == HF__MOVEMENT_KIND__MOVEMENT_SAFETY_STOCK_SET;

    if (!undo->has_previous)
        return refuse(ledger, turn, STATUS_invalid,
                      "is required to undo a setting; what it was may have been pruned",
                      "undo.previous");
    if (safety ? now->safety_stock != undone->after.safety_stock
               : now->reorder_point != undone->after.reorder_point)
        return refuse(ledger, turn, STATUS_version_conflict, "it has been set again since",
                      "undo.operation_id");
    if (safety)
        row->safety_stock = undo->previous;
    else
        row->reorder_point = undo->previous;
    return STATUS_applied;
}

static void short_by(struct ledger *ledger, struct turn *turn, const struct level *level,
                     int64_t wanted, int64_t there)
{
    ProtobufCBinaryData sku = {level->sku.length, (uint8_t *)(uintptr_t)level->sku.bytes};

    add_shortage(ledger, turn, &sku, level->warehouse.bytes, level->warehouse.length, wanted,
                 there > 0 ? there : 0);
}

/* How much more is set aside than is there, as a count may have found; below 0: less. */
static int64_t missing(const struct balances *balances)
{
    return balances->unavailable - balances->on_hand;
}

static enum status check_promises(struct ledger *ledger, struct turn *turn,
                                  const struct level_entry *level)
{
    const struct balances *before = &level->level.now;
    struct balances after = plan_balances(ledger, level);
    int64_t promised = before->reserved + before->committed + before->unavailable;

    if (after.on_hand > QUANTITY_MAX)
        return refuse(ledger, turn, STATUS_too_large, "would make on_hand more than 999,999,999",
                      "undo.operation_id");
    if (after.unavailable < 0) {
        short_by(ledger, turn, &level->level, before->unavailable - after.unavailable,
                 before->unavailable);
        return refuse_plain(turn, STATUS_insufficient_on_hand, "less than that is unavailable");
    }
    bool is_there =
        after.on_hand >= 0 && (missing(&after) <= 0 || missing(&after) <= missing(before));
    if (is_there && after.shortfall <= before->shortfall)
        return STATUS_applied;
    short_by(ledger, turn, &level->level,
             before->on_hand - after.on_hand + after.unavailable - before->unavailable,
             before->on_hand - promised);
    turn->holds_in_the_way = is_there;
    return refuse_plain(turn, STATUS_insufficient_on_hand,
                        after.on_hand < 0 ? "on_hand would be less than 0"
                                          : "on_hand would be less than is promised");
}

static enum status plan_back(struct ledger *ledger, struct turn *turn,
                             const struct movement *undone)
{
    ProtobufCBinaryData sku = {undone->sku.length, (uint8_t *)(uintptr_t)undone->sku.bytes};
    ProtobufCBinaryData warehouse = {undone->warehouse.length,
                                     (uint8_t *)(uintptr_t)undone->warehouse.bytes};
    const char *why = not_undone(undone);
    struct sku_entry *entry;
    struct level_entry *level;

    if (why)
        return never(ledger, turn, why);
    enum status status = find_sku(ledger, turn, &sku, NO_LINE, &entry);
    if (status == STATUS_applied)
        status = find_level(ledger, turn, entry, &warehouse, "warehouse", NO_LINE, &level);
    if (status != STATUS_applied)
        return status;
    struct plan_row *row = plan_level(ledger, level, HF__MOVEMENT_KIND__MOVEMENT_UNDONE);
    row->undoes = undone->seq;
    row->d_on_hand = -undone->d_on_hand;
    row->d_unavailable = -undone->d_unavailable;
    if (is_setting(undone))
        return plan_setting(ledger, turn, row, undone);
    return check_promises(ledger, turn, level);
}

enum status decide_undo(struct ledger *ledger, struct turn *turn)
{
    const struct known *known = known_find(ledger, turn->operation->undo->operation_id.data);

    if (!known)
        return not_loaded(turn);
    if (known->count == 0)
        return never(ledger, turn, "nothing is known under this id here (any more)");
    const struct movement *rows = known_rows(ledger, known);
    turn->reason = rows->reason;
    turn->reference = rows->reference;
    /* The plan's memory grows, and the batch's movements may move: go by index. */
    for (size_t i = 0; i < known->count; i++) {
        struct movement undone = known_rows(ledger, known)[i];
        enum status status = plan_back(ledger, turn, &undone);
        if (status != STATUS_applied)
            return status;
    }
    return STATUS_applied;
}
